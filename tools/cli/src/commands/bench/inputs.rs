//! What `latency`, `small` and `graph` measure, as files for other programs.

use super::{graph, latency, size::Size, small};
use crate::{
    args::OWN_UNITS,
    failure::{Failure, Outcome},
};
use harmonium::Error;
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
