//! NPY, the array format of NumPy.
//!
//! The header is read here and not by a general parser of Python literals: those recurse on hostile nesting and multiply
//! the dimensions without a check. What NumPy writes is a dictionary of exactly three keys.
//!
//! # Source
//! numpy.lib.format, versions 1.0 to 3.0.

use super::{
    idx,
    source::{Source, hex},
};
use crate::{error::Result, matrix::Matrix};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is accepted, as in NumPy itself.
const MAX_HEADER_BYTES: usize = 10_000;
const ACCEPTED: &str = "bool, int8 to int64, uint8 to uint64, float32 or float64";

/// Whether a file that starts with `head` is an NPY file.
pub(super) fn recognises(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Values in [0, 1] of an array with two or more dimensions, the first of which counts the examples; the others become
/// the columns, in row-major order whatever the order of the file. An array of uint8 with a value above 1 is divided by
/// 255; every other array must already be in [0, 1].
pub(super) fn values(mut source: Source<'_>) -> Result<Matrix> {
    let header = Header::read(&mut source)?;
    if header.dimensions() < 2 {
        return Err(source.error("an array of two or more dimensions", header.describe()));
    }
    let data = header.data(&mut source)?;
    let rows = header.shape[0];
    let columns = data.len() / header.kind.bytes() / rows;
    let offsets = header.column_offsets(columns);
    let row_step = if header.fortran { 1 } else { columns };
    let element = |i: usize, j: usize| i * row_step + offsets[j];
    if header.kind == Kind::U8 && data.iter().any(|&byte| byte > 1) {
        if !header.fortran {
            return Ok(idx::from_bytes(rows, columns, &data));
        }
        return Ok(Matrix::from_fn(rows, columns, |i, j| {
            f32::from(data[element(i, j)]) / 255.0
        }));
    }
    let mut matrix = Matrix::zeros(rows, columns);
    for i in 0..rows {
        for (j, x) in matrix.row_mut(i).iter_mut().enumerate() {
            let value = header.number(&data, element(i, j));
            if !(0.0..=1.0).contains(&value) {
                return Err(source.error(
                    "numbers in [0, 1]",
                    format!("{value} in row {i}, column {j} of {}", header.describe()),
                ));
            }
            *x = value as f32;
        }
    }
    Ok(matrix)
}

/// Labels: whole numbers from 0 to 255 in one dimension, of any accepted type.
pub(super) fn labels(mut source: Source<'_>) -> Result<Vec<u8>> {
    let header = Header::read(&mut source)?;
    if header.dimensions() != 1 {
        return Err(source.error("labels in one dimension", header.describe()));
    }
    let data = header.data(&mut source)?;
    (0..header.shape[0])
        .map(|i| {
            let value = header.number(&data, i);
            if !(0.0..=255.0).contains(&value) || value.fract() != 0.0 {
                return Err(source.error(
                    "labels from 0 to 255",
                    format!("{value} in row {i} of {}", header.describe()),
                ));
            }
            Ok(value as u8)
        })
        .collect()
}

/// Type of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Kind {
    /// The type of a NumPy type string without its byte order.
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "b1" => Self::Bool,
            "u1" => Self::U8,
            "i1" => Self::I8,
            "u2" => Self::U16,
            "i2" => Self::I16,
            "u4" => Self::U32,
            "i4" => Self::I32,
            "u8" => Self::U64,
            "i8" => Self::I64,
            "f4" => Self::F32,
            "f8" => Self::F64,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// What an NPY file says before its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    kind: Kind,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// The header of `source`, which is left at the first element.
    pub(super) fn read(source: &mut Source<'_>) -> Result<Self> {
        if !recognises(source.peek()) {
            return Err(source.error("an NPY file (93 4e 55 4d 50 59)", hex(source.peek())));
        }
        let start = source.next(MAGIC.len() + 2, "NPY magic number and version")?;
        let length = match start[MAGIC.len()..] {
            [1, 0] => {
                let b = source.next(2, "NPY header length")?;
                usize::from(u16::from_le_bytes([b[0], b[1]]))
            }
            [2 | 3, 0] => {
                let b = source.next(4, "NPY header length")?;
                u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize
            }
            ref version => {
                return Err(source.error("NPY version 1.0, 2.0 or 3.0", hex(version)));
            }
        };
        if length > MAX_HEADER_BYTES {
            return Err(source.error(
                format!("an NPY header of at most {MAX_HEADER_BYTES} bytes"),
                format!("{length} bytes"),
            ));
        }
        let text = source.next(length, "NPY header")?;
        let text = String::from_utf8_lossy(&text);
        let refused = |expected: &str| {
            source.error(expected, format!("the NPY header {:?}", text.trim_end()))
        };
        let (descr, fortran, shape) = dictionary(&text).ok_or_else(|| {
            refused("a dictionary of descr (one plain type), fortran_order and shape")
        })?;
        let (order, kind) = descr.split_at_checked(1).unwrap_or_default();
        let kind = Kind::parse(kind)
            .filter(|kind| matches!(order, "<" | ">") || order == "|" && kind.bytes() == 1)
            .ok_or_else(|| refused(&format!("elements of type {ACCEPTED}")))?;
        Ok(Self {
            kind,
            big_endian: order == ">",
            fortran,
            shape,
        })
    }

    /// Number of dimensions.
    pub(super) fn dimensions(&self) -> usize {
        self.shape.len()
    }

    /// The elements' bytes, exactly as many as the shape demands.
    fn data(&self, source: &mut Source<'_>) -> Result<Vec<u8>> {
        let bytes = self
            .shape
            .iter()
            .try_fold(self.kind.bytes(), |n, &size| n.checked_mul(size))
            .filter(|&n| n < isize::MAX as usize);
        match bytes {
            Some(0) => Err(source.error(
                "at least one example of at least one value",
                self.describe(),
            )),
            Some(n) => source.last(n, &format!("data ({})", self.describe())),
            None => Err(source.error("a size that fits into memory", self.describe())),
        }
    }

    /// Element `i` in the order of the file.
    fn number(&self, data: &[u8], i: usize) -> f64 {
        macro_rules! number {
            ($type:ty) => {{
                const BYTES: usize = size_of::<$type>();
                let mut bytes = [0; BYTES];
                bytes.copy_from_slice(&data[i * BYTES..][..BYTES]);
                if self.big_endian {
                    <$type>::from_be_bytes(bytes) as f64
                } else {
                    <$type>::from_le_bytes(bytes) as f64
                }
            }};
        }
        match self.kind {
            Kind::Bool | Kind::U8 => f64::from(data[i]),
            Kind::I8 => number!(i8),
            Kind::U16 => number!(u16),
            Kind::I16 => number!(i16),
            Kind::U32 => number!(u32),
            Kind::I32 => number!(i32),
            Kind::U64 => number!(u64),
            Kind::I64 => number!(i64),
            Kind::F32 => number!(f32),
            Kind::F64 => number!(f64),
        }
    }

    /// Where column `j` (row-major over the dimensions after the first) of row 0 lies, in elements.
    fn column_offsets(&self, columns: usize) -> Vec<usize> {
        if !self.fortran {
            return (0..columns).collect();
        }
        let offset = |mut j: usize| {
            // The last dimension varies fastest in j, and has the largest stride in the file.
            let mut stride: usize = self.shape.iter().product();
            let mut offset = 0;
            for &size in self.shape[1..].iter().rev() {
                stride /= size;
                offset += j % size * stride;
                j /= size;
            }
            offset
        };
        (0..columns).map(offset).collect()
    }

    fn describe(&self) -> String {
        let sizes: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        format!("an array [{}] of {:?}", sizes.join(" x "), self.kind)
    }
}

/// `descr`, `fortran_order` and `shape` of `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`, keys in any
/// order, each once.
fn dictionary(text: &str) -> Option<(&str, bool, Vec<usize>)> {
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    let mut rest = text.trim().strip_prefix('{')?.trim_start();
    while !rest.starts_with('}') {
        let (key, after) = quoted(rest)?;
        rest = after.trim_start().strip_prefix(':')?.trim_start();
        let seen_before = match key {
            "descr" => {
                let (value, after) = quoted(rest)?;
                rest = after;
                descr.replace(value).is_some()
            }
            "fortran_order" => {
                let value = rest.starts_with("True");
                rest = rest.strip_prefix(if value { "True" } else { "False" })?;
                fortran.replace(value).is_some()
            }
            "shape" => {
                let (inner, after) = rest.strip_prefix('(')?.split_once(')')?;
                rest = after;
                shape.replace(sizes(inner)?).is_some()
            }
            _ => return None,
        };
        if seen_before {
            return None;
        }
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
    (rest == "}").then_some((descr?, fortran?, shape?))
}

/// A quoted word without escapes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

/// `2, 3` or `2,` or nothing: the inside of a Python tuple of sizes.
fn sizes(inner: &str) -> Option<Vec<usize>> {
    let inner = inner.trim();
    if inner.is_empty() {
        return Some(Vec::new());
    }
    let body = inner.strip_suffix(',').unwrap_or(inner);
    let size = |text: &str| {
        // `parse` alone would take a sign.
        let text = text.trim();
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse().ok())?
    };
    body.split(',').map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;

    fn read(bytes: &[u8]) -> Result<Matrix> {
        values(Source::new("some.npy", bytes)?)
    }

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes()].concat();
        bytes.extend(header.bytes());
        bytes.extend(data);
        bytes
    }

    fn written<T: npyz::AutoSerialize + Copy>(
        shape: &[u64],
        order: npyz::Order,
        data: &[T],
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::new()
            .default_dtype()
            .shape(shape)
            .order(order);
        let mut writer = options.writer(&mut bytes).begin_nd().unwrap();
        writer.extend(data.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn every_type_and_both_orders_of_another_writer_are_read() {
        macro_rules! check {
            ($($type:ty),*) => {$({
                let data = [0 as $type, 1 as $type, 1 as $type, 0 as $type, 0 as $type, 1 as $type];
                let matrix = read(&written(&[3, 2], npyz::Order::C, &data)).unwrap();
                assert_eq!(matrix, Matrix::from_slice(3, 2, &[0.0, 1.0, 1.0, 0.0, 0.0, 1.0]).unwrap());
                let matrix = read(&written(&[3, 2], npyz::Order::Fortran, &data)).unwrap();
                assert_eq!(matrix, Matrix::from_slice(3, 2, &[0.0, 0.0, 1.0, 0.0, 1.0, 1.0]).unwrap());
                assert_eq!(labels(Source::new("y", &written(&[6], npyz::Order::C, &data)[..]).unwrap()).unwrap(), [0, 1, 1, 0, 0, 1]);
            })*};
        }
        check!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);
        let bits = written(&[2, 1], npyz::Order::C, &[true, false]);
        assert_eq!(read(&bits).unwrap().row(0), [1.0]);
        let big = file(
            "{'shape': (1, 1), 'fortran_order': False, 'descr': \">f4\"}",
            &0.25_f32.to_be_bytes(),
        );
        assert_eq!(read(&big).unwrap().row(0), [0.25]);
    }

    #[test]
    fn fortran_order_in_three_dimensions_is_turned_to_row_major() {
        // Element (i, j, k) of [2 x 3 x 4] is 12 i + 4 j + k.
        let data: Vec<u8> = (0..24)
            .map(|f| (f % 2) * 12 + f / 2 % 3 * 4 + f / 6)
            .collect();
        let matrix = read(&written(&[2, 3, 4], npyz::Order::Fortran, &data)).unwrap();
        assert_eq!(
            matrix,
            Matrix::from_fn(2, 12, |i, j| (12 * i + j) as f32 / 255.0)
        );
        let data: Vec<u8> = (0..24).collect();
        assert_eq!(
            read(&written(&[2, 3, 4], npyz::Order::C, &data)).unwrap(),
            matrix
        );
        let data: Vec<f64> = (0..24)
            .map(|f| f64::from((f % 2) * 12 + f / 2 % 3 * 4 + f / 6) / 255.0)
            .collect();
        assert_eq!(
            read(&written(&[2, 3, 4], npyz::Order::Fortran, &data)).unwrap(),
            matrix
        );
    }

    #[test]
    fn refusals_say_what_came() {
        let header = |descr: &str, shape: &str| {
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n")
        };
        let deep = "(".repeat(9000);
        let nan = f32::NAN.to_le_bytes();
        for (bytes, words) in [
            (b"PK\x03\x04abcdefgh".to_vec(), "bytes 50 4b"),
            (b"\x93NUMPY\x04\x00abcdef".to_vec(), "bytes 04 00"),
            (
                b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
                "4294967295 bytes",
            ),
            (
                file(&header("<f4", "(1, 1)"), &nan),
                "NaN in row 0, column 0",
            ),
            (
                file(&header("|u1", "(1, 1)"), b""),
                "found a truncated file with 0",
            ),
            (file(&header("|u1", "(1, 1)"), b"12"), "trailing"),
            (file(&header("|u1", "(3,)"), b"123"), "[3] of U8"),
            (file(&header("|u1", "()"), b"1"), "two or more"),
            (file(&header("|u1", "(0, 3)"), b""), "at least one example"),
            (
                file(&header("|i1", "(1, 3)"), &[0, 1, 2]),
                "2 in row 0, column 2",
            ),
            (file(&header("<f2", "(1, 1)"), b"12"), "float32 or float64"),
            (
                file(&header("|f4", "(1, 1)"), b"1234"),
                "float32 or float64",
            ),
            (file(&header("é4", "(1, 1)"), b"1234"), "float32 or float64"),
            (file(&header("|u1", "(-1, 1)"), b"1"), "dictionary"),
            (file(&header("|u1", "(+1, 1)"), b"1"), "dictionary"),
            (file(&header("|u1", &deep), b"1"), "dictionary"),
            (
                file(&header("|u1", "(4294967296, 4294967296)"), b"1"),
                "fits into memory",
            ),
            (
                file(&header("|u1", "(1099511627776, 1)"), b"1"),
                "1099511627776 bytes",
            ),
            (
                file("{'descr': '|u1', 'shape': (1, 1)}", b"1"),
                "dictionary",
            ),
            (
                file(
                    "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1, 1)}",
                    b"1",
                ),
                "dictionary",
            ),
        ] {
            let message = read(&bytes).unwrap_err().to_string();
            assert!(
                message.contains(words) && message.contains("some.npy"),
                "{message}"
            );
        }
        let float = written(&[2], npyz::Order::C, &[1.0, 1.5]);
        assert!(
            labels(Source::new("y", &float[..]).unwrap())
                .unwrap_err()
                .to_string()
                .contains("1.5 in row 1")
        );
    }
}
