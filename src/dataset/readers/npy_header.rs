//! What an NPY file says before its data.
//!
//! The header is read here and not by a general parser of Python literals: those recurse on hostile
//! nesting and multiply the dimensions without a check. What NumPy writes is a dictionary of
//! exactly three keys.
//!
//! # Source
//! numpy.lib.format, versions 1.0 to 3.0.

use super::source::{Source, broken_stream, hex};
use crate::error::Result;
use std::io::Read;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is accepted, as in NumPy itself.
const MAX_HEADER_BYTES: usize = 10_000;
/// Most bytes of a word.
const MAX_WORD_BYTES: u64 = 64;
const ACCEPTED: &str = "bool, int8 to int64, uint8 to uint64, float32 or float64";

/// Whether a file that starts with `head` is an NPY file.
pub(in crate::dataset) fn recognizes(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Type of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dataset) enum NpyType {
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

impl NpyType {
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

    /// Bytes of one element.
    pub(in crate::dataset) fn bytes(self) -> usize {
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
pub(in crate::dataset) struct NpyHeader {
    pub(in crate::dataset) kind: NpyType,
    big_endian: bool,
    /// Whether the first dimension varies fastest.
    pub(in crate::dataset) fortran: bool,
    pub(in crate::dataset) shape: Vec<usize>,
}

impl NpyHeader {
    /// The header of `source`, which is left at the first element.
    pub(in crate::dataset) fn read(source: &mut Source<'_>) -> Result<Self> {
        let text = header_text(source)?;
        let refused = |expected: &str| {
            source.error(expected, format!("the NPY header {:?}", text.trim_end()))
        };
        let (descr, fortran, shape) = dictionary(&text).ok_or_else(|| {
            refused("a dictionary of descr (one plain type), fortran_order and shape")
        })?;
        let (order, kind) = descr.split_at_checked(1).unwrap_or_default();
        let kind = NpyType::parse(kind)
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
    pub(in crate::dataset) fn dimensions(&self) -> usize {
        self.shape.len()
    }

    /// The elements' bytes, exactly as many as the shape demands.
    pub(in crate::dataset) fn data(&self, source: &mut Source<'_>) -> Result<Vec<u8>> {
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
    pub(in crate::dataset) fn number(&self, data: &[u8], i: usize) -> f64 {
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
            NpyType::Bool | NpyType::U8 => f64::from(data[i]),
            NpyType::I8 => number!(i8),
            NpyType::U16 => number!(u16),
            NpyType::I16 => number!(i16),
            NpyType::U32 => number!(u32),
            NpyType::I32 => number!(i32),
            NpyType::U64 => number!(u64),
            NpyType::I64 => number!(i64),
            NpyType::F32 => number!(f32),
            NpyType::F64 => number!(f64),
        }
    }

    /// Where column `j` (row-major over the dimensions after the first) of row 0 lies, in elements.
    pub(in crate::dataset) fn column_offsets(&self, columns: usize) -> Vec<usize> {
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

    /// Shape and type, for errors.
    pub(in crate::dataset) fn describe(&self) -> String {
        let sizes: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        format!("an array [{}] of {:?}", sizes.join(" x "), self.kind)
    }
}

/// The text of the header of `source`, which is left at the first element.
fn header_text(source: &mut Source<'_>) -> Result<String> {
    if !recognizes(source.peek()) {
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
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The ASCII word that an array of one text holds, of at most [`MAX_WORD_BYTES`].
pub(in crate::dataset) fn word(mut source: Source<'_>) -> Result<String> {
    header_text(&mut source)?;
    let path = source.path().to_owned();
    let mut bytes = Vec::new();
    let mut reader = source.into_reader().take(MAX_WORD_BYTES);
    reader
        .read_to_end(&mut bytes)
        .map_err(|e| broken_stream(&path, bytes.len(), e))?;
    // Unicode takes four bytes a letter.
    bytes.retain(|&b| b != 0);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `descr`, `fortran_order` and `shape` of
/// `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`, keys in any order, each once.
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
