//! IDX, the format of the MNIST files: `00 00 type dimensions`, big-endian u32 sizes, elements in
//! row-major order.
//!
//! # Source
//! Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits.

use super::source::{Source, hex};
use crate::{
    dataset::table::{Cells, Labels, Table},
    error::{Error, Result},
};

/// Code of unsigned bytes, the only element type that is read.
const UNSIGNED_BYTE: u8 = 0x08;

/// Whether a file that starts with `head` is an IDX file of any element type.
pub(in crate::dataset) fn recognizes(head: &[u8]) -> bool {
    matches!(head, [0, 0, 0x08 | 0x09 | 0x0b..=0x0e, ..])
}

/// Images: unsigned bytes in two or more dimensions, the first of which counts the examples.
pub(in crate::dataset) fn table(mut source: Source<'_>) -> Result<Table> {
    let sizes = sizes(&mut source, 2..=u8::MAX, "two or more dimensions")?;
    let (rows, _, bytes) = volume(&source, &sizes)?;
    let pixels = source.last(bytes, &format!("pixels ({})", shape(&sizes)))?;
    let example = sizes[1..].iter().map(|&size| size as usize).collect();
    Table::new(source.path(), Cells::Bytes(pixels), rows, example)
}

/// Rows of images and the shape of one, of which nothing but the header is read.
pub(in crate::dataset) fn layout(source: &mut Source<'_>) -> Result<(usize, Vec<usize>)> {
    let sizes = sizes(source, 2..=u8::MAX, "two or more dimensions")?;
    let (rows, _, _) = volume(source, &sizes)?;
    Ok((rows, sizes[1..].iter().map(|&size| size as usize).collect()))
}

/// Labels: unsigned bytes in one dimension.
pub(in crate::dataset) fn labels(source: Source<'_>) -> Result<Labels> {
    let numbers: Vec<i64> = numbers(source)?.into_iter().map(i64::from).collect();
    Ok(Labels::from_numbers("label", &numbers))
}

/// Unsigned bytes in one dimension.
pub(in crate::dataset) fn numbers(mut source: Source<'_>) -> Result<Vec<u8>> {
    let sizes = sizes(&mut source, 1..=1, "one dimension")?;
    let (rows, _, _) = volume(&source, &sizes)?;
    source.last(rows, "labels")
}

/// The sizes of the dimensions, of which there must be `accepted`.
fn sizes(
    source: &mut Source<'_>,
    accepted: std::ops::RangeInclusive<u8>,
    expected: &str,
) -> Result<Vec<u32>> {
    let magic = source.next(4, "IDX magic number").map_err(|e| {
        // A file shorter than its magic number: show what is there.
        match e {
            Error::File { .. } if source.peek().len() < 4 => {
                source.error("an IDX magic number 00 00 08 n", hex(source.peek()))
            }
            e => e,
        }
    })?;
    if magic[..3] != [0, 0, UNSIGNED_BYTE] || !accepted.contains(&magic[3]) {
        return Err(source.error(
            format!("an IDX file of unsigned bytes in {expected} (00 00 08 n)"),
            hex(&magic),
        ));
    }
    let header = source.next(4 * usize::from(magic[3]), "IDX dimensions")?;
    let size = |b: &[u8]| u32::from_be_bytes([b[0], b[1], b[2], b[3]]);
    Ok(header.chunks_exact(4).map(size).collect())
}

/// Rows, columns and their product, none of which may be zero or overflow.
fn volume(source: &Source<'_>, sizes: &[u32]) -> Result<(usize, usize, usize)> {
    let product = |sizes: &[u32]| {
        sizes
            .iter()
            .try_fold(1_usize, |n, &size| n.checked_mul(size as usize))
    };
    match (product(sizes), product(&sizes[1..])) {
        (Some(0), _) => {
            Err(source.error("at least one example of at least one value", shape(sizes)))
        }
        (Some(bytes), Some(columns)) => Ok((sizes[0] as usize, columns, bytes)),
        _ => Err(source.error("a size that fits into memory", shape(sizes))),
    }
}

fn shape(sizes: &[u32]) -> String {
    let sizes: Vec<String> = sizes.iter().map(u32::to_string).collect();
    sizes.join(" x ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Table> {
        table(Source::new("some.idx", bytes).unwrap())
    }

    #[test]
    fn dimensions_after_the_first_become_columns() {
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3];
        bytes.extend([0, 51, 255, 102, 1, 0]);
        let images = read(&bytes).unwrap();
        assert_eq!((images.len(), &images.shape[..]), (2, &[1, 3][..]));
        assert_eq!(*images.cells(), Cells::Bytes(vec![0, 51, 255, 102, 1, 0]));
    }

    #[test]
    fn refusals_say_what_came() {
        for (bytes, words) in [
            (&b""[..], "an empty file"),
            (&[0, 0, 8], "bytes 00 00 08"),
            (&[0, 0, 9, 2, 0, 0, 0, 1], "bytes 00 00 09 02"),
            (&[0, 0, 8, 1, 0, 0, 0, 1, 7], "two or more dimensions"),
            (&[0, 0, 8, 2, 0, 0, 0, 1], "found a truncated file with 4"),
            (&[0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 5], "0 x 5"),
            (
                &[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 9],
                "expected 2 bytes of pixels (2 x 1), found a truncated file with 1",
            ),
            (&[0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9], "trailing"),
            // 2^64 pixels overflow; 2^62 are merely not there, and are not allocated either.
            (
                &[
                    0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                ],
                "fits into memory",
            ),
            (
                &[0, 0, 8, 2, 128, 0, 0, 0, 128, 0, 0, 0, 1],
                "expected 4611686018427387904 bytes",
            ),
        ] {
            let message = read(bytes).unwrap_err().to_string();
            assert!(
                message.contains(words) && message.contains("some.idx"),
                "{message}"
            );
        }
    }

    #[test]
    fn labels_have_one_dimension() {
        let source = |bytes: &'static [u8]| Source::new("labels", bytes).unwrap();
        let found = labels(source(&[0, 0, 8, 1, 0, 0, 0, 2, 1, 0])).unwrap();
        assert_eq!((&found.codes[..], found.classes.len()), (&[1, 0][..], 2));
        assert!(labels(source(&[0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 1, 5])).is_err());
    }
}
