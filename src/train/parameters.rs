//! One number for each parameter of a machine: gradients, steps, averages, snapshots, directions.

use crate::{
    error::Result,
    kernel::reduce::dot_f64,
    matrix::Matrix,
    model::Layered,
    tensor::{Saved, Tensor},
    threads::{self, prelude::*},
};
use std::ops::Range;

/// Rows that one task takes at least.
const ROWS: usize = 64;
/// Numbers that are read and written in the time of a unit of [`threads::is_little`].
const IN_A_UNIT: usize = 8;

/// One number for each parameter of a machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// Of the weights of connection `l`, `[n_l x n_{l+1}]`.
    pub weights: Vec<Matrix>,
    /// Of the biases of layer `l`; none of a layer that only sends.
    pub bias: Vec<Vec<f32>>,
    /// Of the log-variances of layer `l`; none without Gaussian units.
    pub log_variance: Vec<Vec<f32>>,
}

impl Parameters {
    /// All zero.
    pub fn zeros(machine: &impl Layered) -> Self {
        let zeros = |x: &[f32]| vec![0.0; x.len()];
        let layers = 0..machine.n_layers();
        let weights = |l: usize| {
            let w = machine.weights(l);
            Matrix::zeros(w.rows(), w.columns())
        };
        Self {
            weights: (0..machine.n_connections()).map(weights).collect(),
            bias: layers.clone().map(|l| zeros(machine.bias(l))).collect(),
            log_variance: layers.map(|l| zeros(machine.log_variance(l))).collect(),
        }
    }

    /// Zeros of one connection by which one layer predicts another.
    pub fn directed(senders: usize, receivers: usize) -> Self {
        Self {
            weights: vec![Matrix::zeros(senders, receivers)],
            bias: vec![Vec::new(), vec![0.0; receivers]],
            log_variance: Vec::new(),
        }
    }

    /// Zeros of a machine of any pairs: `[units x units]`, and all biases in one vector.
    pub fn of_pairs(units: usize) -> Self {
        Self {
            weights: vec![Matrix::zeros(units, units)],
            bias: vec![vec![0.0; units]],
            log_variance: Vec::new(),
        }
    }

    /// Those of `machine` themselves.
    pub fn of(machine: &impl Layered) -> Self {
        let layers = 0..machine.n_layers();
        let of = |x: &[f32]| x.to_vec();
        Self {
            weights: (0..machine.n_connections())
                .map(|l| machine.weights(l).clone())
                .collect(),
            bias: layers.clone().map(|l| of(machine.bias(l))).collect(),
            log_variance: layers.map(|l| of(machine.log_variance(l))).collect(),
        }
    }

    /// `machine` with these parameters.
    pub fn placed_in<M: Layered + Clone>(&self, machine: &M) -> M {
        let mut machine = machine.clone();
        for (l, x) in self.weights.iter().enumerate() {
            let w = machine.weights_mut(l).padded_mut();
            w.copy_from_slice(x.padded());
        }
        for (l, x) in self.bias.iter().enumerate() {
            machine.bias_mut(l).copy_from_slice(x);
        }
        for (l, x) in self.log_variance.iter().enumerate() {
            machine.log_variance_mut(l).copy_from_slice(x);
        }
        machine
    }

    /// Adds the weights and biases to those of `machine`.
    pub(in crate::train) fn add_to(&self, machine: &mut impl Layered) {
        let add = |to: &mut [f32], x: &[f32]| to.iter_mut().zip(x).for_each(|(to, x)| *to += x);
        for (l, x) in self.weights.iter().enumerate() {
            add(machine.weights_mut(l).padded_mut(), x.padded());
        }
        for (l, x) in self.bias.iter().enumerate() {
            add(machine.bias_mut(l), x);
        }
    }

    /// Tells all by name: `{prefix}.weights.{l}`, `{prefix}.bias.{l}`, `{prefix}.log_variance.{l}`.
    pub(in crate::train) fn visit(&self, prefix: &str, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        for (l, x) in self.weights.iter().enumerate() {
            out(&format!("{prefix}.weights.{l}"), x.into());
        }
        for (part, vectors) in [("bias", &self.bias), ("log_variance", &self.log_variance)] {
            for (l, x) in vectors.iter().enumerate() {
                out(&format!("{prefix}.{part}.{l}"), x.as_slice().into());
            }
        }
    }

    /// Takes back what [`Self::visit`] told.
    pub(in crate::train) fn restore(&mut self, prefix: &str, saved: &mut Saved) -> Result<()> {
        for (l, x) in self.weights.iter_mut().enumerate() {
            saved.matrix_into(&format!("{prefix}.weights.{l}"), x)?;
        }
        for (part, vectors) in [
            ("bias", &mut self.bias),
            ("log_variance", &mut self.log_variance),
        ] {
            for (l, x) in vectors.iter_mut().enumerate() {
                saved.vector_into(&format!("{prefix}.{part}.{l}"), x)?;
            }
        }
        Ok(())
    }

    /// Takes the parameters of a connection by which one layer predicts another.
    pub(in crate::train) fn take_directed(&mut self, weights: &Matrix, bias: &[f32]) {
        self.mix_directed(0, weights, bias, 1.0);
    }

    /// Puts them back.
    pub(in crate::train) fn put_directed(&self, (weights, bias): (&mut Matrix, &mut [f32])) {
        weights
            .padded_mut()
            .copy_from_slice(self.weights[0].padded());
        bias.copy_from_slice(&self.bias[1]);
    }

    /// As [`Self::mix`], of connection `l` and of the layer that it predicts.
    pub(in crate::train) fn mix_directed(
        &mut self,
        l: usize,
        weights: &Matrix,
        bias: &[f32],
        weight: f32,
    ) {
        by_rows(&mut self.weights[l], weights, |to, x| mix(to, x, weight));
        mix(&mut self.bias[l + 1], bias, weight);
    }

    /// `self <- self + weight (machine - self)`; a weight of 1 copies to the bit.
    pub(in crate::train) fn mix(&mut self, machine: &impl Layered, weight: f32) {
        let mix = |to: &mut [f32], x: &[f32]| mix(to, x, weight);
        for (l, to) in self.weights.iter_mut().enumerate() {
            by_rows(to, machine.weights(l), mix);
        }
        for (l, to) in self.bias.iter_mut().enumerate() {
            mix(to, machine.bias(l));
        }
        for (l, to) in self.log_variance.iter_mut().enumerate() {
            mix(to, machine.log_variance(l));
        }
    }
}

/// What follows is of the connections `learned` and the biases of the layers above them: of a
/// network.
impl Parameters {
    /// Takes the parameters of `machine`.
    pub(in crate::train) fn copy_from(&mut self, machine: &impl Layered, learned: Range<usize>) {
        for l in learned {
            let weights = self.weights[l].padded_mut();
            weights.copy_from_slice(machine.weights(l).padded());
            self.bias[l + 1].copy_from_slice(machine.bias(l + 1));
        }
    }

    /// Puts the parameters back into `machine`, to the bit.
    pub(in crate::train) fn copy_to(&self, machine: &mut impl Layered, learned: Range<usize>) {
        for l in learned {
            let weights = machine.weights_mut(l).padded_mut();
            weights.copy_from_slice(self.weights[l].padded());
            machine.bias_mut(l + 1).copy_from_slice(&self.bias[l + 1]);
        }
    }

    /// `machine <- self + x direction`.
    pub(in crate::train) fn place(
        &self,
        x: f32,
        direction: &Self,
        machine: &mut impl Layered,
        learned: Range<usize>,
    ) {
        let of = |to: &mut [f32], from: &[f32], direction: &[f32]| {
            for ((to, w), d) in to.iter_mut().zip(from).zip(direction) {
                *to = w + x * d;
            }
        };
        for l in learned {
            let to = machine.bias_mut(l + 1);
            of(to, &self.bias[l + 1], &direction.bias[l + 1]);
            let weights = machine.weights_mut(l);
            let stride = weights.stride().max(1);
            let (from, direction) = (self.weights[l].padded(), direction.weights[l].padded());
            let rows = weights.padded_mut().par_chunks_mut(stride);
            rows.zip(from.par_chunks(stride))
                .zip(direction.par_chunks(stride))
                .with_min_len(ROWS)
                .for_each(|((to, from), direction)| of(to, from, direction));
        }
    }

    /// `self <- scale self - other`.
    pub(in crate::train) fn scale_and_subtract(
        &mut self,
        scale: f32,
        other: &Self,
        learned: Range<usize>,
    ) {
        let of = |to: &mut [f32], from: &[f32]| {
            for (to, x) in to.iter_mut().zip(from) {
                // A first direction is minus the gradient, whatever stood there.
                *to = if scale == 0.0 { -x } else { scale * *to - x };
            }
        };
        for l in learned {
            of(&mut self.bias[l + 1], &other.bias[l + 1]);
            by_rows(&mut self.weights[l], &other.weights[l], of);
        }
    }

    /// `self <- self + decay W` of the weights; returns `decay |W|^2 / 2`, `sums` is a buffer.
    pub(in crate::train) fn add_decay(
        &mut self,
        decay: f32,
        machine: &impl Layered,
        learned: Range<usize>,
        sums: &mut Vec<f64>,
    ) -> f64 {
        let mut total = 0.0;
        for l in learned {
            let stride = self.weights[l].stride().max(1);
            sums.resize(self.weights[l].rows(), 0.0);
            let rows = self.weights[l].padded_mut().par_chunks_mut(stride);
            rows.zip(machine.weights(l).padded().par_chunks(stride))
                .zip(&mut sums[..])
                .with_min_len(ROWS)
                .for_each(|((to, w), sum)| {
                    to.iter_mut().zip(w).for_each(|(to, w)| *to += decay * w);
                    *sum = dot_f64(w, w);
                });
            total += sums.iter().sum::<f64>();
        }
        0.5 * f64::from(decay) * total
    }

    /// `sum self other` in f64; `sums` is a buffer. Rows are summed by themselves and added in
    /// order.
    pub(in crate::train) fn dot(
        &self,
        other: &Self,
        learned: Range<usize>,
        sums: &mut Vec<f64>,
    ) -> f64 {
        let mut total = 0.0;
        for l in learned {
            total += dot_f64(&self.bias[l + 1], &other.bias[l + 1]);
            let stride = self.weights[l].stride().max(1);
            let rows = self.weights[l].padded().par_chunks(stride);
            sums.resize(self.weights[l].rows(), 0.0);
            rows.zip(other.weights[l].padded().par_chunks(stride))
                .zip(&mut sums[..])
                .with_min_len(ROWS)
                .for_each(|((a, b), sum)| *sum = dot_f64(a, b));
            total += sums.iter().sum::<f64>();
        }
        total
    }
}

/// `f(row of to, row of x)`, rows side by side.
fn by_rows(to: &mut Matrix, x: &Matrix, f: impl Fn(&mut [f32], &[f32]) + Sync) {
    let (stride, size) = (to.stride().max(1), to.padded().len());
    threads::for_each_chunk(size / IN_A_UNIT, to.padded_mut(), ROWS * stride, |k, to| {
        let x = &x.padded()[k * ROWS * stride..];
        let rows = to.chunks_mut(stride).zip(x.chunks(stride));
        rows.for_each(|(to, x)| f(to, x));
    });
}

/// `to <- to + weight (x - to)`.
fn mix(to: &mut [f32], x: &[f32], weight: f32) {
    if weight == 1.0 {
        to.copy_from_slice(x);
    } else {
        let all = to.iter_mut().zip(x);
        all.for_each(|(a, x)| *a += weight * (x - *a));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Activation, Dbm, Layer, Network, NetworkLayer, Rbm},
        units::{Kind, Units},
    };

    fn names(parameters: &Parameters) -> Vec<String> {
        let mut saved = Saved::in_memory();
        parameters.visit("x", &mut |name, tensor| saved.insert(name, tensor));
        saved.iter().map(|(name, _)| name.to_owned()).collect()
    }

    fn gaussian() -> Rbm {
        let mut visible = Layer::new(Units::of(Kind::Gaussian, 3));
        visible.bias = vec![0.5, -1.0, 2.0];
        visible.log_variance = vec![0.25, 0.0, -0.5];
        let mut rbm = Rbm::unconnected(visible, Layer::bernoulli(2)).unwrap();
        rbm.weights_mut(0).row_mut(2)[1] = 1.5;
        rbm
    }

    fn network() -> Network {
        let layer = |n, m| NetworkLayer {
            activation: Activation::Logistic,
            weights: Matrix::from_fn(n, m, |i, j| (i * m + j) as f32),
            bias: vec![0.5; m],
        };
        let layers = vec![layer(4, 3), layer(3, 2)];
        Network::new(Units::of(Kind::Bernoulli, 4), layers).unwrap()
    }

    #[test]
    fn names_are_those_of_files() {
        let of_rbm = ["x.bias.0", "x.bias.1", "x.log_variance.0", "x.weights.0"];
        assert_eq!(names(&Parameters::of(&gaussian())), of_rbm);
        let bits = Rbm::bernoulli(&[3, 2]).unwrap();
        let of_bits = ["x.bias.0", "x.bias.1", "x.weights.0"];
        assert_eq!(names(&Parameters::zeros(&bits)), of_bits);
        let dbm = Dbm::bernoulli(&[4, 3, 2]).unwrap();
        let of_dbm = [
            "x.bias.0",
            "x.bias.1",
            "x.bias.2",
            "x.weights.0",
            "x.weights.1",
        ];
        assert_eq!(names(&Parameters::zeros(&dbm)), of_dbm);
        // The input of a network has no bias.
        let of_network = ["x.bias.1", "x.bias.2", "x.weights.0", "x.weights.1"];
        assert_eq!(names(&Parameters::zeros(&network())), of_network);
        let directed = ["x.bias.1", "x.weights.0"];
        assert_eq!(names(&Parameters::directed(3, 2)), directed);
    }

    #[test]
    fn what_was_told_is_taken_back_and_placed() {
        let rbm = gaussian();
        let all = Parameters::of(&rbm);
        let mut saved = Saved::in_memory();
        all.visit("x", &mut |name, tensor| saved.insert(name, tensor));
        let mut back = Parameters::zeros(&rbm);
        back.restore("x", &mut saved).unwrap();
        saved.check_all_taken().unwrap();
        assert_eq!(back, all);
        let plain = Rbm::unconnected(
            Layer::new(Units::of(Kind::Gaussian, 3)),
            Layer::bernoulli(2),
        );
        let placed = back.placed_in(&plain.unwrap());
        assert_eq!(Parameters::of(&placed), all);
        assert!(back.restore("x", &mut Saved::in_memory()).is_err());
    }

    #[test]
    fn sums_are_of_the_connections_that_learn() {
        let mut network = network();
        let all = Parameters::of(&network);
        let sums = &mut Vec::new();
        // 0^2 + ... + 11^2 and three biases of 1/2; 0^2 + ... + 5^2 and two.
        assert_eq!(all.dot(&all, 0..1, sums), 506.0 + 0.75);
        assert_eq!(all.dot(&all, 1..2, sums), 55.0 + 0.5);
        let mut decayed = Parameters::zeros(&network);
        assert_eq!(decayed.add_decay(2.0, &network, 1..2, sums), 55.0);
        assert_eq!(decayed.weights[1].row(2), [8.0, 10.0]);
        assert!(decayed.weights[0].elements().all(|x| x == 0.0));
        all.place(-1.0, &all, &mut network, 1..2);
        assert!(Layered::bias(&network, 2).iter().all(|&x| x == 0.0));
        assert_eq!(Parameters::of(&network).weights[0], all.weights[0]);
        all.copy_to(&mut network, 0..2);
        assert_eq!(Parameters::of(&network), all);
    }
}
