//! Where the elements of a file begin, and how they lie.

use crate::{
    dataset::readers::{npy_header::NpyHeader, source::Source},
    error::Result,
};
use std::{
    fs::File,
    io::{self, Read},
};

/// The header of an NPY file in C order.
pub(super) fn npy_layout(source: &mut Source<'_>) -> Result<NpyHeader> {
    let header = NpyHeader::read(source)?;
    if header.dimensions() < 2 || header.fortran {
        return Err(source.error(
            "an array of two or more dimensions in C order",
            header.describe(),
        ));
    }
    let columns = header.shape[1..]
        .iter()
        .try_fold(1_usize, |n, &size| n.checked_mul(size));
    match (header.shape[0], columns) {
        (1.., Some(1..)) => Ok(header),
        (_, None) => Err(source.error("a size that fits into memory", header.describe())),
        _ => Err(source.error(
            "at least one example of at least one value",
            header.describe(),
        )),
    }
}

/// A file that counts what is read of it.
pub(super) struct Counted {
    pub(super) file: File,
    pub(super) bytes: u64,
}

impl Read for Counted {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(to)?;
        self.bytes += n as u64;
        Ok(n)
    }
}
