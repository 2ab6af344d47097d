//! What `latency`, `small` and `graph` measure, as files for other programs.

use super::{graph, latency, size::Size, small};
use crate::{
    args::OWN_UNITS,
    failure::{Failure, Outcome},
    show::numbers::write,
};
use harmonium::{BitMatrix, Error};
use std::{fs, path::Path};

/// Writes the machines and rows of those three sections that are `wanted`, to a directory that is
/// made if there is none.
///
/// # Errors
/// None of the three wanted; files that cannot be written.
pub fn save(size: &Size, to: &Path, wanted: &dyn Fn(&str) -> bool) -> Outcome<()> {
    if !OWN_UNITS.into_iter().any(wanted) {
        return Err(Failure::usage(format!(
            "--inputs {}: expected one of {} after --only",
            to.display(),
            OWN_UNITS.join(", ")
        )));
    }
    fs::create_dir_all(to).map_err(|e| Error::io(to, "make", e))?;
    if wanted("latency") {
        latency::save(size, to)?;
    }
    if wanted("small") {
        small::save(size, to)?;
    }
    if wanted("graph") {
        graph::save(size, to)?;
    }
    Ok(())
}

/// Writes bits as numbers, a row each.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn write_bits(path: &Path, bits: &BitMatrix) -> Outcome<()> {
    let shape = [bits.rows(), bits.columns()];
    let places = (0..shape[0]).flat_map(|i| (0..shape[1]).map(move |j| (i, j)));
    write(path, shape, places.map(|(i, j)| u8::from(bits.get(i, j))))
}
