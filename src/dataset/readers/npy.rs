//! Values and labels from NPY, the array format of NumPy.

use super::{
    npy_header::{NpyHeader, NpyType},
    source::Source,
};
use crate::{
    dataset::table::{Cells, Labels, Table},
    error::Result,
    matrix::Matrix,
};
use std::path::Path;

/// The numbers of an NPY file as they are, `[rows x columns]`; one axis is one row.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io); [`Error::File`](crate::Error::File) for another kind of file,
/// an array of other than one or two axes, and one without values.
pub fn read_npy(path: impl AsRef<Path>) -> Result<Matrix> {
    let mut source = Source::open(path.as_ref())?;
    let header = NpyHeader::read(&mut source)?;
    let (rows, columns) = match header.shape[..] {
        [columns] => (1, columns),
        [rows, columns] => (rows, columns),
        _ => return Err(source.error("an array of one or two axes", header.describe())),
    };
    let data = header.data(&mut source)?;
    let element = |i: usize, j: usize| match header.fortran {
        true => j * rows + i,
        false => i * columns + j,
    };
    let number = |i, j| header.number(&data, element(i, j)) as f32;
    Ok(Matrix::from_fn(rows, columns, number))
}

/// An array of two or more dimensions, the first of which counts the examples; the others become
/// the columns, in row-major order whatever the order of the file. One example of one dimension is
/// not an array of examples.
pub(in crate::dataset) fn table(mut source: Source<'_>) -> Result<Table> {
    let header = NpyHeader::read(&mut source)?;
    if header.dimensions() < 2 {
        return Err(source.error("an array of two or more dimensions", header.describe()));
    }
    let data = header.data(&mut source)?;
    let rows = header.shape[0];
    let cells = header.cells(data, rows);
    Table::new(source.path(), cells, rows, header.shape[1..].to_vec())
}

impl NpyHeader {
    /// The elements of `rows` rows as they are, in row-major order.
    pub(in crate::dataset) fn cells(&self, data: Vec<u8>, rows: usize) -> Cells {
        let n = data.len() / self.kind.bytes();
        let columns = n / rows.max(1);
        let offsets = self.column_offsets(columns);
        let element = |k: usize| match self.fortran {
            true => k / columns + offsets[k % columns],
            false => k,
        };
        match self.kind {
            NpyType::Bool | NpyType::U8 if !self.fortran => Cells::Bytes(data),
            NpyType::Bool | NpyType::U8 => Cells::Bytes((0..n).map(|k| data[element(k)]).collect()),
            // These are exact in single precision.
            NpyType::I8 | NpyType::I16 | NpyType::U16 | NpyType::F32 => {
                let number = |k| self.number(&data, element(k)) as f32;
                Cells::Floats((0..n).map(number).collect())
            }
            _ => Cells::Numbers((0..n).map(|k| self.number(&data, element(k))).collect()),
        }
    }
}

/// Labels: whole numbers in one dimension, or in the one column of two, of any accepted type.
pub(in crate::dataset) fn labels(mut source: Source<'_>) -> Result<Labels> {
    let column = column(&mut source)?;
    let whole = |(i, &x): (usize, &f64)| match x.fract() == 0.0 && x.abs() < 2_f64.powi(53) {
        true => Ok(x as i64),
        false => Err(source.error("whole numbers as labels", format!("{x} in row {}", i + 1))),
    };
    let numbers: Result<Vec<i64>> = column.iter().enumerate().map(whole).collect();
    Ok(Labels::from_numbers("label", &numbers?))
}

/// The numbers of an array of one dimension, or of one column.
pub(in crate::dataset) fn column(source: &mut Source<'_>) -> Result<Vec<f64>> {
    let header = NpyHeader::read(source)?;
    if !matches!(header.shape[..], [_] | [_, 1]) {
        return Err(source.error("an array of one dimension", header.describe()));
    }
    let data = header.data(source)?;
    Ok((0..header.shape[0])
        .map(|i| header.number(&data, i))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;

    fn read(bytes: &[u8]) -> Result<Table> {
        table(Source::new("some.npy", bytes)?)
    }

    fn rows(bytes: &[u8]) -> Vec<f64> {
        let table = read(bytes).unwrap();
        let n = table.columns();
        (0..table.len() * n)
            .map(|k| table.get(k / n, k % n))
            .collect()
    }

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = [
            b"\x93NUMPY",
            &[1, 0][..],
            &(header.len() as u16).to_le_bytes(),
        ]
        .concat();
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
                assert_eq!(rows(&written(&[3, 2], npyz::Order::C, &data)), [0.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
                assert_eq!(rows(&written(&[3, 2], npyz::Order::Fortran, &data)), [0.0, 0.0, 1.0, 0.0, 1.0, 1.0]);
                assert_eq!(labels(Source::new("y", &written(&[6], npyz::Order::C, &data)[..]).unwrap()).unwrap().codes, [0, 1, 1, 0, 0, 1]);
            })*};
        }
        check!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);
        let bits = written(&[2, 1], npyz::Order::C, &[true, false]);
        assert_eq!(rows(&bits), [1.0, 0.0]);
        let big = file(
            "{'shape': (1, 1), 'fortran_order': False, 'descr': \">f4\"}",
            &0.25_f32.to_be_bytes(),
        );
        assert_eq!(rows(&big), [0.25]);
    }

    #[test]
    fn numbers_are_read_as_they_are() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |shape: &[u64], order| {
            std::fs::write(file.path(), written(shape, order, &[200_u8, 0, 7, 1, 2, 3])).unwrap();
            read_npy(file.path())
        };
        let rows = Matrix::from_slice(&[200.0, 0.0, 7.0, 1.0, 2.0, 3.0], 2, 3).unwrap();
        assert_eq!(read(&[2, 3], npyz::Order::C).unwrap(), rows);
        let turned = Matrix::from_slice(&[200.0, 7.0, 2.0, 0.0, 1.0, 3.0], 2, 3).unwrap();
        assert_eq!(read(&[2, 3], npyz::Order::Fortran).unwrap(), turned);
        assert_eq!(read(&[6], npyz::Order::C).unwrap().rows(), 1);
        let error = read(&[1, 2, 3], npyz::Order::C).unwrap_err().to_string();
        assert!(
            error.contains("one or two axes") && error.contains("1 x 2 x 3"),
            "{error}"
        );
    }

    #[test]
    fn fortran_order_in_three_dimensions_is_turned_to_row_major() {
        // Element (i, j, k) of [2 x 3 x 4] is 12 i + 4 j + k.
        let data: Vec<u8> = (0..24)
            .map(|f| (f % 2) * 12 + f / 2 % 3 * 4 + f / 6)
            .collect();
        let expected: Vec<f64> = (0..24).map(f64::from).collect();
        assert_eq!(
            rows(&written(&[2, 3, 4], npyz::Order::Fortran, &data)),
            expected
        );
        let wide: Vec<f64> = data.iter().map(|&x| f64::from(x)).collect();
        assert_eq!(
            rows(&written(&[2, 3, 4], npyz::Order::Fortran, &wide)),
            expected
        );
        let table = read(&written(&[2, 3, 4], npyz::Order::Fortran, &data)).unwrap();
        assert_eq!(table.shape, [3, 4]);
    }

    #[test]
    fn refusals_say_what_came() {
        let header = |descr: &str, shape: &str| {
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n")
        };
        let deep = "(".repeat(9000);
        for (bytes, words) in [
            (b"PK\x03\x04abcdefgh".to_vec(), "bytes 50 4b"),
            (b"\x93NUMPY\x04\x00abcdef".to_vec(), "bytes 04 00"),
            (
                b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
                "4294967295 bytes",
            ),
            (
                file(&header("|u1", "(1, 1)"), b""),
                "found a truncated file with 0",
            ),
            (file(&header("|u1", "(1, 1)"), b"12"), "trailing"),
            (file(&header("|u1", "(3,)"), b"123"), "[3] of U8"),
            (file(&header("|u1", "()"), b"1"), "two or more"),
            (file(&header("|u1", "(0, 3)"), b""), "at least one example"),
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
                .contains("1.5 in row 2")
        );
    }
}
