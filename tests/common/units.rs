//! States and data of every kind of unit.

use crate::common::{layer_states, normal_machine};
use harmonium::{
    BitMatrix, Matrix,
    dataset::Examples,
    model::{Layer, Rbm},
    rng::HostRng,
    units::Kind,
};

/// Half width and intervals of the quadrature: Simpson's rule over densities with deviations of 1
/// or so errs by far less than 1e-9.
pub const REACH: f64 = 25.0;

pub const INTERVALS: usize = 20_000;

/// Nodes and weights of Simpson's rule over the states of one continuous unit.
pub fn nodes(kind: Kind) -> Vec<(f64, f64)> {
    let low = if kind == Kind::Relu { 0.0 } else { -REACH };
    let step = (REACH - low) / INTERVALS as f64;
    (0..=INTERVALS)
        .map(|k| {
            let weight = match k {
                0 | INTERVALS => 1.0,
                k if k % 2 == 1 => 4.0,
                _ => 2.0,
            };
            (low + k as f64 * step, weight * step / 3.0)
        })
        .collect()
}

/// Rows of hidden states with their weights: all states of a discrete layer, or the nodes of a
/// single continuous unit.
pub fn hidden_states(layer: &Layer) -> (Matrix, Vec<f64>) {
    if layer.states().is_some() {
        let all = layer_states(layer);
        let weights = vec![1.0; all.rows()];
        return (all, weights);
    }
    let nodes = nodes(layer.units.segments()[0].kind);
    let rows = Matrix::from_fn(nodes.len(), 1, |i, _| nodes[i].0 as f32);
    (rows, nodes.into_iter().map(|(_, w)| w).collect())
}

pub fn repeated(row: &[f32], n: usize) -> Matrix {
    Matrix::from_fn(n, row.len(), |_, j| row[j])
}

pub const HIDDEN: [(&str, usize); 6] = [
    ("bernoulli", 3),
    ("softmax", 4),
    ("spin", 3),
    ("gaussian", 1),
    ("relu", 1),
    ("softmax:2+spin:1+bernoulli:1", 4),
];

/// States of the visible layer, discrete units at random, continuous ones normal or their
/// magnitudes.
pub fn random_values(layer: &Layer, rows: usize, seed: u64) -> Matrix {
    let mut rng = HostRng::numbered(seed, 5);
    let mut out = Matrix::zeros(rows, layer.size());
    for i in 0..rows {
        for s in layer.units.segments() {
            let on = rng.below(s.size);
            for (k, x) in out.row_mut(i)[s.range()].iter_mut().enumerate() {
                *x = match s.kind {
                    Kind::Bernoulli => f32::from(rng.uniform() < 0.4),
                    Kind::Softmax => f32::from(k == on),
                    Kind::Spin => f32::from(rng.uniform() < 0.4) * 2.0 - 1.0,
                    Kind::Gaussian => rng.normal() as f32,
                    Kind::Relu => rng.normal().abs() as f32,
                    Kind::Counts => rng.below(4) as f32,
                };
            }
        }
    }
    out
}

pub fn random_data(layer: &Layer, rows: usize, seed: u64) -> Examples {
    let values = random_values(layer, rows, seed);
    if layer.units.are_binary() {
        let bits = BitMatrix::from_matrix(&values).unwrap();
        Examples::new(bits).unwrap()
    } else {
        Examples::new(values).unwrap()
    }
}

/// A joint machine of 5 pixels and 3 labels, and labeled examples.
pub fn labeled() -> (Rbm, Examples, Vec<u32>) {
    let rbm = normal_machine(("bernoulli:5+softmax:3", 8), ("bernoulli", 4), 0.8, 3);
    let data = random_data(rbm.visible(), 30, 4);
    let bits = data.bits().unwrap();
    let labels = (0..30).map(|i| (0..3).position(|y| bits.get(i, 5 + y)).unwrap() as u32);
    let labels = labels.collect();
    (rbm, data, labels)
}
