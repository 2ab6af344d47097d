//! Counts: all rows of a length, and data of several lengths.

use crate::common::{normal_machine, units::repeated};
use harmonium::{Examples, Matrix, Rbm, rng::HostRng};

/// A machine of `words` words and Bernoulli hidden units.
pub fn machine(words: usize, hidden: usize, deviation: f64, seed: u64) -> Rbm {
    normal_machine(("counts", words), ("bernoulli", hidden), deviation, seed)
}

/// All rows of `words` counts that add up to `length`, and how many sequences of words each is:
/// `D! / prod n_k!`.
pub fn all_rows(words: usize, length: u32) -> (Matrix, Vec<f64>) {
    let factorial = |n: f32| (1..=n as u64).product::<u64>() as f64;
    let mut rows: Vec<Vec<f32>> = vec![vec![]];
    for k in 0..words {
        let rest = |row: &[f32]| length as f32 - row.iter().sum::<f32>();
        let next = |row: Vec<f32>| {
            let rest = rest(&row) as u32;
            let least = if k + 1 == words { rest } else { 0 };
            (least..=rest).map(move |n| [&row[..], &[n as f32]].concat())
        };
        rows = rows.into_iter().flat_map(next).collect();
    }
    let ways = |row: &Vec<f32>| {
        factorial(length as f32) / row.iter().map(|&n| factorial(n)).product::<f64>()
    };
    let ways = rows.iter().map(ways).collect();
    (Matrix::from_rows(rows).unwrap(), ways)
}

/// `ln Z_D` as the sum over all rows of `length` and all hidden states of `e^(-beta E)`, each row
/// as often as there are sequences.
pub fn log_z(rbm: &Rbm, length: u32, beta: f64) -> f64 {
    let h = crate::common::layer_states(rbm.hidden());
    let (rows, ways) = all_rows(rbm.n_visible(), length);
    let of_row = |s: usize| {
        let energies = rbm.energy(&repeated(rows.row(s), h.rows()), &h).unwrap();
        ways[s] * energies.iter().map(|e| (-beta * e).exp()).sum::<f64>()
    };
    (0..rows.rows()).map(of_row).sum::<f64>().ln()
}

/// Rows of counts of other and other lengths, an empty one among them.
pub fn data(rows: usize, words: usize, seed: u64) -> Examples {
    let mut rng = HostRng::numbered(seed, 12);
    let mut x = Matrix::zeros(rows, words);
    for i in 0..rows {
        for _ in 0..i % 7 {
            x.row_mut(i)[rng.below(words).min(rng.below(words))] += 1.0;
        }
    }
    Examples::new(x).unwrap()
}
