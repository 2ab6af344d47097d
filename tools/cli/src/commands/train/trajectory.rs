//! Models along the way: the updates after which `--trajectory` keeps one, and their files.

use crate::{failure::Outcome, run::files::Files};
use harmonium::{Error, checkpoint::Checkpoint, model::Rbm};
use std::{fs, path::Path};

/// The updates of a run after which its machine is kept.
#[derive(Debug, Default)]
pub struct Trajectory(Vec<u64>);

impl Trajectory {
    /// With room for `n` models of a run of `all` updates; a run that is new forgets earlier ones.
    ///
    /// # Errors
    /// The system refuses.
    pub fn begin(n: usize, all: u64, files: &Files, is_new: bool) -> Outcome<Self> {
        let directory = &files.trajectory;
        fs::create_dir_all(directory)
            .map_err(|e| Error::io(directory, "create the directory", e))?;
        if is_new {
            forget(files)?;
        }
        Ok(Self(logarithmic(n, all)))
    }

    /// Whether the machine after so many updates is one of them.
    pub fn has(&self, updates: u64) -> bool {
        self.0.binary_search(&updates).is_ok()
    }
}

/// `n` numbers of updates, evenly spaced in the logarithm from 1 to `all`; fewer where they would
/// coincide.
fn logarithmic(n: usize, all: u64) -> Vec<u64> {
    let last = n.saturating_sub(1).max(1) as f64;
    let mut out: Vec<u64> = (0..n)
        .map(|k| {
            (all as f64)
                .powf(if n == 1 { 1.0 } else { k as f64 / last })
                .round() as u64
        })
        .filter(|&x| x > 0)
        .collect();
    out.dedup();
    out
}

/// Removes the models that an earlier run kept: what is there is one trajectory.
fn forget(files: &Files) -> Outcome<()> {
    for path in files.snapshots() {
        fs::remove_file(&path).map_err(|e| Error::io(&path, "remove the file", e))?;
    }
    Ok(())
}

/// Writes the machine alone.
///
/// # Errors
/// The system refuses.
pub fn keep(rbm: &Rbm, path: &Path) -> Outcome<()> {
    Ok(Checkpoint::from(rbm.clone()).save(path)?)
}
