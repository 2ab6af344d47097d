//! An update of deep Boltzmann machines: means of the data's mean field less those of the
//! enumerated model, labels held or none.

mod missing;
mod phases;

use crate::common::dbm::{
    bare, bernoulli, close, drawn, field, joint, labeled, probabilities, random,
};
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    model::{Dbm, DbmExpectations, Layer},
    tensor::Tensor,
    train::{Centering, DbmOptions, DbmTraining, Offset},
    units::{Kind, Units},
};
use std::ops::Range;

const CHAINS: usize = 20_000;

struct Gradient<'a> {
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
    fn new(dbm: &'a Dbm, starts: impl Iterator<Item = Vec<Vec<f64>>>, free: Range<usize>) -> Self {
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
    fn assert_step(&self, data: &Examples, offset: Option<[f32; 2]>, seed: u64) {
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

/// Plain and centered.
#[test]
fn an_update_is_the_enumerated_gradient() {
    for (k, sizes) in [&[6, 4, 3][..], &[5, 4, 3, 2], &[3, 2, 3, 2, 2]]
        .into_iter()
        .enumerate()
    {
        let dbm = bernoulli(sizes, 0.5, 80 + k as u64);
        let data = BitMatrix::from_fn(20, sizes[0], |i, j| (i * 5 + j * 3) % 7 < 3);
        let start = |s: usize| -> Vec<Vec<f64>> {
            let layer = |l: usize| match l {
                0 => (0..sizes[0]).map(|i| f64::from(data.get(s, i))).collect(),
                l => vec![0.5; sizes[l]],
            };
            (0..sizes.len()).map(layer).collect()
        };
        let gradient = Gradient::new(&dbm, (0..20).map(start), 1..sizes.len());
        let data = Examples::new(data).unwrap();
        for offset in [None, Some([0.3, 0.6])] {
            gradient.assert_step(&data, offset, k as u64);
        }
    }
}

/// Of visible categories, beside bits too, plain and centered.
#[test]
fn an_update_is_the_enumerated_gradient_with_categories() {
    let groups =
        |k: usize, n: usize| (0..n).fold(Units::default(), |units, _| units.and(Kind::Softmax, k));
    for (k, visible) in [groups(3, 2), groups(2, 2).and(Kind::Bernoulli, 2)]
        .into_iter()
        .enumerate()
    {
        let sizes = [6, 4, 3];
        let layers = vec![
            Layer::new(visible.clone()),
            Layer::bernoulli(4),
            Layer::bernoulli(3),
        ];
        let dbm = random(layers, 0.5, 60 + k as u64);
        // One unit of a group is on, which differs from example to example.
        let is_on = |i: usize, j: usize| {
            let segments = visible.segments();
            let s = segments.iter().find(|s| s.range().contains(&j)).unwrap();
            match s.kind {
                Kind::Softmax => (i * (s.first + 2) / 3) % s.size == j - s.first,
                _ => (i * 5 + j * 3) % 7 < 3,
            }
        };
        let data = BitMatrix::from_fn(20, 6, is_on);
        dbm.layer(0).check_values(&data).unwrap();
        let start = |s: usize| -> Vec<Vec<f64>> {
            let visible = (0..6).map(|i| f64::from(data.get(s, i))).collect();
            vec![visible, vec![0.5; 4], vec![0.5; 3]]
        };
        let gradient = Gradient::new(&dbm, (0..20).map(start), 1..sizes.len());
        let data = Examples::new(data).unwrap();
        for offset in [None, Some([0.3, 0.6])] {
            gradient.assert_step(&data, offset, k as u64);
        }
    }
}

/// With labels held, plain and centered.
#[test]
fn an_update_is_the_enumerated_gradient_with_labels() {
    for (k, sizes) in [&[6, 4, 3, 3][..], &[5, 4, 3], &[3, 2, 3, 2, 2]]
        .into_iter()
        .enumerate()
    {
        let dbm = labeled(sizes, 0.5, 30 + k as u64);
        let last = sizes.len() - 1;
        let v = BitMatrix::from_fn(20, sizes[0], |i, j| (i * 5 + j * 3) % 7 < 3);
        let labels: Vec<u32> = (0..20).map(|i| (i * i % sizes[last]) as u32).collect();
        let start = |s: usize| -> Vec<Vec<f64>> {
            let mut q: Vec<Vec<f64>> = sizes.iter().map(|&n| vec![0.5; n]).collect();
            q[0] = (0..sizes[0]).map(|i| f64::from(v.get(s, i))).collect();
            q[last] = vec![0.0; sizes[last]];
            q[last][labels[s] as usize] = 1.0;
            q
        };
        let gradient = Gradient::new(&dbm, (0..20).map(start), 1..last);
        let data = Examples::new(v).unwrap().with_labels(labels).unwrap();
        for offset in [None, Some([0.3, 0.6])] {
            gradient.assert_step(&data, offset, k as u64);
        }
    }
}
