//! Machines from text files of couplings: `.txt` and `.edges` with the parameters of the machine,
//! `.ising` with those of spins.
//!
//! With spins `s = 2x - 1`, `-sum_{i<j} J_ij s_i s_j - sum_i f_i s_i` is `E(x)` of the couplings
//! `A_ij = 4 J_ij` and biases `2 f_i - 2 sum_j J_ij`, plus the constant
//! `(sum_{i<j} A_ij) / 4 + (sum_i a_i) / 2`.

use super::MOST_ELEMENTS;
use crate::failure::{Failure, Outcome};
use harmonium::{BoltzmannMachine, checkpoint::Checkpoint};
use std::path::Path;

fn has_extension(path: &Path, names: &[&str]) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| names.iter().any(|name| e.eq_ignore_ascii_case(name)))
}

/// Whether the name is that of a text file of couplings.
pub fn is_edge_file(path: &Path) -> bool {
    has_extension(path, &["txt", "edges", "ising"])
}

/// Whether the name is that of a text file of couplings of spins.
pub fn is_of_spins(path: &Path) -> bool {
    has_extension(path, &["ising"])
}

/// A machine of visible units alone, as many as the file names.
///
/// # Errors
/// Those of the library; a machine too large for memory.
pub fn load(path: &Path) -> Outcome<Checkpoint> {
    let units = BoltzmannMachine::units_of_edge_file(path)?;
    if units > MOST_ELEMENTS / units {
        return Err(Failure::failed(format!(
            "{}: expected at most {} units, found {units}",
            path.display(),
            MOST_ELEMENTS.isqrt()
        )));
    }
    Ok(of_layers(path, units, 0)?.into())
}

/// A machine of the couplings in the file.
///
/// # Errors
/// Those of the library.
pub fn of_layers(path: &Path, n_visible: usize, n_hidden: usize) -> Outcome<BoltzmannMachine> {
    let machine = BoltzmannMachine::from_edge_file(path, n_visible, n_hidden)?;
    if is_of_spins(path) {
        from_spins(&machine)
    } else {
        Ok(machine)
    }
}

/// The machine of spins whose `J` and `f` stand where `machine` has weights, as stored, and biases.
fn from_spins(machine: &BoltzmannMachine) -> Outcome<BoltzmannMachine> {
    let n = machine.n_visible();
    let bias = |i: usize| match i.checked_sub(n) {
        None => machine.visible().bias[i],
        Some(j) => machine.hidden().bias[j],
    };
    let units = machine.units();
    let mut biases: Vec<f32> = (0..units).map(|i| 2.0 * bias(i)).collect();
    let mut edges = Vec::new();
    for i in 0..units {
        for j in (i + 1..units).filter(|&j| machine.may_couple(i, j)) {
            let coupling = stored(machine, i, j);
            biases[i] -= 2.0 * coupling;
            biases[j] -= 2.0 * coupling;
            // A pair within a layer counts twice.
            let times = if i < n && j >= n { 4.0 } else { 2.0 };
            edges.push((i, j, times * coupling));
        }
    }
    let mut machine = BoltzmannMachine::from_edges(n, machine.n_hidden(), &edges)?;
    machine.set_parameter("bias.0", &biases[..n])?;
    if machine.n_hidden() > 0 {
        machine.set_parameter("bias.1", &biases[n..])?;
    }
    Ok(machine)
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
