//! Couplings as text of spins, the form that [`super::EdgeFile`] reads as `.ising`.

use super::BoltzmannMachine;
use crate::{
    error::{Error, Result},
    units::Kind,
};
use std::fmt::Write;

impl BoltzmannMachine {
    /// The text of an `.ising` file of a fully visible machine: a line `i j J` for each pair that
    /// may be coupled, once a pair, and a line `i i f` for each unit, from 0.
    ///
    /// With spins `s = 2x - 1`, `J_ij = A_ij / 4 = U_ij / 2` and `f_i = b_i / 2 + sum_j J_ij` the
    /// energy `-sum_{i<j} J_ij s_i s_j - sum_i f_i s_i` is that of the machine plus the constant
    /// `(sum_{i<j} A_ij) / 4 + (sum_i b_i) / 2`. Precision: numbers are sums in f64 with all
    /// digits. Read again, couplings are the same to the bit, biases up to the rounding of sums of
    /// f32.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a machine with hidden units, which the file does not tell from
    /// visible ones, and for softmax groups, which are no spins.
    pub fn to_ising(&self) -> Result<String> {
        if self.n_hidden() > 0 {
            return Err(Error::parameter(
                "machine of an .ising file",
                "visible units alone",
                format!("{} hidden units", self.n_hidden()),
            ));
        }
        if !self.visible.units.are(Kind::Bernoulli) {
            return Err(Error::parameter(
                "machine of an .ising file",
                "units of two states",
                &self.visible.units,
            ));
        }
        let n = self.n_visible();
        let mut fields: Vec<f64> = (0..n).map(|i| f64::from(self.bias(i)) / 2.0).collect();
        let mut text =
            format!("# {n} spins: -sum J_ij s_i s_j - sum f_i s_i, lines i j J and i i f\n");
        for i in 0..n {
            for j in (i + 1..n).filter(|&j| self.may_couple(i, j)) {
                let coupling = f64::from(self.coupling(i, j)) / 4.0;
                fields[i] += coupling;
                fields[j] += coupling;
                // Writing to a string does not fail.
                let _ = writeln!(text, "{i} {j} {coupling}");
            }
        }
        for (i, field) in fields.iter().enumerate() {
            let _ = writeln!(text, "{i} {i} {field}");
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BitMatrix, model::EdgeFile};
    use std::fs;

    const N: usize = 5;

    fn machine() -> BoltzmannMachine {
        let mut edges = Vec::new();
        for i in 0..N {
            // The pair 0, 4 is not coupled.
            for j in (i + 1..N).filter(|&j| j - i < 4) {
                edges.push((i, j, 0.1 * (1 + i * j) as f32 - 0.3));
            }
        }
        let mut machine = BoltzmannMachine::from_edges(N, 0, &edges).unwrap();
        let biases: Vec<f32> = (0..N).map(|i| 0.7 - 0.35 * i as f32).collect();
        machine.set_parameter("bias.0", &biases).unwrap();
        machine
    }

    /// Every state has the energy of its spins up to the constant.
    #[test]
    fn spins_have_the_energy_of_the_machine() {
        let machine = machine();
        let text = machine.to_ising().unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let terms: Vec<(usize, usize, f64)> = lines
            .map(|line| {
                let fields: Vec<&str> = line.split(' ').collect();
                let unit = |k: usize| fields[k].parse().unwrap();
                (unit(0), unit(1), fields[2].parse().unwrap())
            })
            .collect();
        assert_eq!(terms.len(), N * (N - 1) / 2 - 1 + N);
        let mut constant = 0.0;
        for i in 0..N {
            constant += f64::from(machine.bias(i)) / 2.0;
            constant += (i + 1..N)
                .map(|j| f64::from(machine.coupling(i, j)) / 4.0)
                .sum::<f64>();
        }
        let x = BitMatrix::from_fn(1 << N, N, |s, i| s >> i & 1 == 1);
        let none = BitMatrix::zeros(1 << N, 0);
        let energies = machine.energy(&x, &none).unwrap();
        for (s, energy) in energies.iter().enumerate() {
            let spin = |i: usize| if s >> i & 1 == 1 { 1.0 } else { -1.0 };
            let term = |&(i, j, weight): &(usize, usize, f64)| match i == j {
                true => -weight * spin(i),
                false => -weight * spin(i) * spin(j),
            };
            let of_spins: f64 = terms.iter().map(term).sum();
            assert!((of_spins - energy - constant).abs() < 1e-5, "{s}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let machine = machine();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ising");
        fs::write(&path, machine.to_ising().unwrap()).unwrap();
        let file = EdgeFile::read(&path, None).unwrap();
        assert!(file.found.is_empty(), "{:?}", file.found);
        let read = file.machine(N).unwrap();
        assert_eq!(read.visible_weights(), machine.visible_weights());
        for (i, (a, b)) in read
            .visible()
            .bias
            .iter()
            .zip(&machine.visible().bias)
            .enumerate()
        {
            assert!((a - b).abs() < 1e-6, "{i}: {a} {b}");
            assert!((0..N).all(|j| read.may_couple(i, j) == machine.may_couple(i, j)));
        }
        let hidden = BoltzmannMachine::bernoulli(&[2, 1]).unwrap();
        let error = hidden.to_ising().unwrap_err().to_string();
        assert!(error.contains("1 hidden units"), "{error}");
    }
}
