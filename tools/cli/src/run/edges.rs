//! Machines from files of couplings, and what they have in spins.

use super::MOST_ELEMENTS;
use crate::failure::{Failure, Outcome, note};
use harmonium::{BoltzmannMachine, checkpoint::Checkpoint, model::EdgeFile};
use std::path::Path;

/// A machine of visible units alone, as many as the file names.
///
/// # Errors
/// Those of the library; a machine too large for memory.
pub fn load(path: &Path) -> Outcome<Checkpoint> {
    let file = EdgeFile::read(path, None)?;
    let units = file.units();
    if units > MOST_ELEMENTS / units {
        return Err(Failure::failed(format!(
            "{}: expected at most {} units, found {units}",
            path.display(),
            MOST_ELEMENTS.isqrt()
        )));
    }
    say(path, &file);
    Ok(file.machine(units)?.into())
}

/// A machine of the couplings in the file.
///
/// # Errors
/// Those of the library.
pub fn of_layers(path: &Path, n_visible: usize, n_hidden: usize) -> Outcome<BoltzmannMachine> {
    let units = n_visible + n_hidden;
    let file = EdgeFile::read(path, Some(units))?;
    say(path, &file);
    // The data tell how many units there are: a file that names few of them is none the worse.
    let named = file.named();
    if (1..units).contains(&named) {
        note(format!(
            "{} couples the first {named} of {units} units; the others stay alone",
            path.display()
        ));
    }
    Ok(file.machine(n_visible)?)
}

/// Says what was recognized in the file.
fn say(path: &Path, file: &EdgeFile) {
    for found in &file.found {
        note(format!("{}: {found}", path.display()));
    }
}

/// The energy that a model file means, where it is one of couplings.
pub struct Energy {
    /// Whether it is of spins -1 and 1.
    pub of_spins: bool,
    /// What it has beside couplings and fields.
    pub offset: f64,
}

impl Energy {
    /// That of the file `path`; of bits without an offset if it is no file of couplings.
    ///
    /// # Errors
    /// Those of the library.
    pub fn of(path: &Path) -> Outcome<Self> {
        if !EdgeFile::recognizes(path) {
            return Ok(Self {
                of_spins: false,
                offset: 0.0,
            });
        }
        let file = EdgeFile::read(path, None)?;
        Ok(Self {
            of_spins: file.is_of_spins(),
            offset: file.offset,
        })
    }
}

/// The element of `R`, `W` or `S` of the units `i < j`.
fn stored(machine: &BoltzmannMachine, i: usize, j: usize) -> f32 {
    let n = machine.n_visible();
    match (i.checked_sub(n), j.checked_sub(n)) {
        (None, None) => machine.visible_weights().row(i)[j],
        (None, Some(j)) => machine.weights().row(i)[j],
        (Some(i), Some(j)) => machine.hidden_weights().row(i)[j],
        (Some(_), None) => unreachable!("visible units come first"),
    }
}

/// `A`, `[units x units]`: twice `R` and `S` within a layer.
pub fn couplings(machine: &BoltzmannMachine) -> harmonium::Matrix {
    let n = machine.n_visible();
    harmonium::Matrix::from_fn(machine.units(), machine.units(), |i, j| {
        let (i, j) = (i.min(j), i.max(j));
        let times = if i < n && j >= n { 1.0 } else { 2.0 };
        times * stored(machine, i, j)
    })
}

/// What the energy of spins has more than `E(x)`.
pub fn spin_constant(machine: &BoltzmannMachine) -> f64 {
    let sum = |x: &mut dyn Iterator<Item = f32>| x.map(f64::from).sum::<f64>();
    // Elements of R and S are met from both sides, which is A once.
    let pairs = sum(&mut machine.visible_weights().elements())
        + sum(&mut machine.weights().elements())
        + sum(&mut machine.hidden_weights().elements());
    let biases = [&machine.visible().bias, &machine.hidden().bias];
    pairs / 4.0 + sum(&mut biases.into_iter().flatten().copied()) / 2.0
}
