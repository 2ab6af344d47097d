//! The gradient of an update: means of the data's mean field less those of the enumerated model.

#![allow(
    clippy::needless_range_loop,
    reason = "indices are those of the formulas"
)]

use super::{bare, field};
use crate::common::deep::{close, drawn, joint, probabilities};
use harmonium::{
    dataset::Examples,
    model::{Dbm, DbmExpectations},
    tensor::Tensor,
    train::{Centering, DbmOptions, DbmTraining, Offset},
};
use std::ops::Range;

const CHAINS: usize = 20_000;

pub(super) struct Gradient<'a> {
    dbm: &'a Dbm,
    /// Mean field of each example.
    q: Vec<Vec<Vec<f64>>>,
    model: DbmExpectations,
    /// Of the bias of each unit.
    biases: Vec<Vec<f64>>,
}

impl<'a> Gradient<'a> {
    /// Mean field in f64 of the layers `free`, 300 iterations from `starts`: with weights this
    /// small there is one fixed point.
    pub(super) fn new(
        dbm: &'a Dbm,
        starts: impl Iterator<Item = Vec<Vec<f64>>>,
        free: Range<usize>,
    ) -> Self {
        let iterated = starts.map(|mut q| {
            for _ in 0..300 {
                free.clone().for_each(|l| q[l] = field(dbm, &q, l));
            }
            q
        });
        let mut gradient = Self {
            dbm,
            q: iterated.collect(),
            model: dbm.expectations(&mut ()).unwrap(),
            biases: Vec::new(),
        };
        let bias = |l: usize, i: usize| gradient.mean(&|q| q[l][i]) - gradient.model.layers[l][i];
        let biases = (0..dbm.n_layers())
            .map(|l| (0..dbm.layer(l).size()).map(|i| bias(l, i)).collect())
            .collect();
        gradient.biases = biases;
        gradient
    }

    /// Over the examples.
    fn mean(&self, f: &dyn Fn(&Vec<Vec<f64>>) -> f64) -> f64 {
        self.q.iter().map(f).sum::<f64>() / self.q.len() as f64
    }

    /// Of the weight between unit `i` of layer `l` and unit `j` of the next, about offsets `mu`.
    fn weight(&self, l: usize, i: usize, j: usize, mu: &dyn Fn(usize) -> f64) -> f64 {
        self.mean(&|q| q[l][i] * q[l + 1][j])
            - f64::from(self.model.connections[l].row(i)[j])
            - self.biases[l][i] * mu(l + 1)
            - mu(l) * self.biases[l + 1][j]
    }

    /// One update with chains that are exact draws takes this step; `offset` of the visible and of
    /// the hidden layers if it is centered.
    pub(super) fn assert_step(&self, data: &Examples, offset: Option<[f32; 2]>, seed: u64) {
        let dbm = self.dbm;
        let stepped = self.stepped(data, offset, seed);
        let mu = |l: usize| offset.map_or(0.0, |x| f64::from(x[l.min(1)]));
        // A mean over chains of numbers in [0, 1] has a deviation of at most 0.5 / sqrt(CHAINS):
        // five of them, for some 60 numbers. Centered, sums of up to 1 + 2 + 9 such terms with
        // factors below 0.6: ten times that is far beyond five deviations.
        let five = 5.0 * 0.5 / (CHAINS as f64).sqrt() + 1e-3;
        let tolerance = if offset.is_some() { 4.0 * five } else { five };
        let size = |l: usize| dbm.layer(l).size();
        for l in 0..dbm.n_layers() {
            for i in 0..size(l) {
                let mut expected = self.biases[l][i];
                if l + 1 < dbm.n_layers() {
                    for j in 0..size(l + 1) {
                        let gradient = self.weight(l, i, j, &mu);
                        expected -= mu(l + 1) * gradient;
                        let w = stepped.weights(l).row(i)[j] - dbm.weights(l).row(i)[j];
                        close("dW", w.into(), gradient, tolerance);
                    }
                }
                if l > 0 {
                    let below = (0..size(l - 1)).map(|h| self.weight(l - 1, h, i, &mu));
                    expected -= mu(l - 1) * below.sum::<f64>();
                }
                let b = stepped.layer(l).bias[i] - dbm.layer(l).bias[i];
                close("db", b.into(), expected, tolerance);
            }
        }
    }

    /// The machine after one bare update, its chains drawn exactly.
    fn stepped(&self, data: &Examples, offset: Option<[f32; 2]>, seed: u64) -> Dbm {
        let dbm = self.dbm;
        let options = DbmOptions {
            centering: offset.map(|[v, h]| Centering {
                visible: Offset::Fixed(v),
                hidden: Offset::Fixed(h),
                rate: 0.01,
            }),
            ..bare(CHAINS, 20)
        };
        let mut state = DbmTraining::new(dbm.clone(), options, data)
            .unwrap()
            .state();
        let start = drawn(dbm, &probabilities(&joint(dbm), 1.0), CHAINS, seed);
        for (l, states) in start.iter().enumerate().skip(1).step_by(2) {
            let name = format!("training.chains.{l}");
            state.tensors.insert(&name, Tensor::from(states));
        }
        let mut training = DbmTraining::resumed(dbm.clone(), state, data).unwrap();
        let _ = training.update(data).unwrap();
        training.model().clone()
    }
}
