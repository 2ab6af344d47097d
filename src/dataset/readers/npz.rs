//! NPZ: the arrays of an archive as tables.

pub(in crate::dataset) use super::archive::recognizes;
use super::{
    archive::{Archive, TEST, TEST_LABELS, TRAIN, TRAIN_LABELS},
    npy_header::NpyHeader,
    source::Source,
    sparse,
};
use crate::{
    dataset::table::Table,
    error::{Error, Result},
};
use std::{fs, path::Path};

/// The training examples in the archive at `path`, and the test examples if there are some.
pub(in crate::dataset) fn tables(path: &Path) -> Result<(Table, Option<Table>)> {
    let bytes = fs::read(path).map_err(|e| Error::io(path, "read", e))?;
    let mut archive = Archive::new(path, bytes)?;
    if sparse::recognizes(&archive) {
        return Ok((sparse::table(&mut archive)?, None));
    }
    let train = match archive.first_of(TRAIN) {
        Some(name) => name,
        None => archive.only_table()?,
    };
    let train = archive.table(&train, TRAIN_LABELS)?;
    let test = match archive.first_of(TEST) {
        Some(name) => Some(archive.table(&name, TEST_LABELS)?),
        None => None,
    };
    Ok((train, test))
}

/// An array of numbers: its shape, and its elements in the order of rows.
pub(crate) type Array = (Vec<usize>, Vec<f64>);

/// The arrays `names` of the archive at `path`; `None` if one of them is not there.
pub(crate) fn arrays(path: &Path, names: &[&str]) -> Result<Option<Vec<Array>>> {
    let bytes = fs::read(path).map_err(|e| Error::io(path, "read", e))?;
    let mut archive = Archive::new(path, bytes)?;
    let held: Vec<String> = archive.array_names().collect();
    if !names.iter().all(|name| held.iter().any(|x| x == name)) {
        return Ok(None);
    }
    let numbers = |mut source: Source<'_>| {
        let header = NpyHeader::read(&mut source)?;
        let data = header.data(&mut source)?;
        let rows = header.shape.first().copied().unwrap_or(1);
        let columns: usize = header.shape.iter().skip(1).product();
        let (offsets, stride) = match header.fortran {
            true => (header.column_offsets(columns), 1),
            false => ((0..columns).collect(), columns),
        };
        let rows = (0..rows).flat_map(|i| offsets.iter().map(move |offset| i * stride + offset));
        let elements = rows.map(|k| header.number(&data, k)).collect();
        Ok((header.shape.clone(), elements))
    };
    let all = names.iter().map(|name| archive.array(name, numbers));
    all.collect::<Result<_>>().map(Some)
}
