//! A number for each parameter of a network: velocities, gradients, directions; and sums over them.

use crate::{
    error::Result,
    matrix::Matrix,
    model::Network,
    tensor::{Saved, Tensor},
};
use rayon::prelude::*;
use std::ops::Range;

/// Elements that one lane of a sum takes in turn.
const LANES: usize = 16;

/// One number for each weight and bias of a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkParameters {
    /// Of connection `l`, `[n_l x n_{l+1}]`.
    pub weights: Vec<Matrix>,
    /// Of layer `l + 1`.
    pub bias: Vec<Vec<f32>>,
}

impl NetworkParameters {
    /// Zeros.
    pub fn zeros(network: &Network) -> Self {
        let connections = 0..network.n_layers() - 1;
        Self {
            weights: connections
                .clone()
                .map(|l| Matrix::zeros(network.size(l), network.size(l + 1)))
                .collect(),
            bias: connections
                .map(|l| vec![0.0; network.size(l + 1)])
                .collect(),
        }
    }

    /// Tells all by name: `{prefix}.weights.{l}`, `{prefix}.bias.{l + 1}`.
    pub(super) fn visit(&self, prefix: &str, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        for (l, (weights, bias)) in self.weights.iter().zip(&self.bias).enumerate() {
            out(&format!("{prefix}.weights.{l}"), weights.into());
            out(&format!("{prefix}.bias.{}", l + 1), bias.as_slice().into());
        }
    }

    /// Takes back what [`Self::visit`] told.
    pub(super) fn restore(&mut self, prefix: &str, saved: &mut Saved) -> Result<()> {
        let all = self.weights.iter_mut().zip(&mut self.bias);
        for (l, (weights, bias)) in all.enumerate() {
            saved.matrix_into(&format!("{prefix}.weights.{l}"), weights)?;
            saved.vector_into(&format!("{prefix}.bias.{}", l + 1), bias)?;
        }
        Ok(())
    }

    /// Takes the parameters of connections `learned`.
    pub(super) fn copy_from(&mut self, network: &Network, learned: Range<usize>) {
        for l in learned {
            self.weights[l]
                .padded_mut()
                .copy_from_slice(network.weights(l).padded());
            self.bias[l].copy_from_slice(network.bias(l + 1));
        }
    }

    /// Puts the parameters of connections `learned` back, to the bit.
    pub(super) fn copy_to(&self, network: &mut Network, learned: Range<usize>) {
        for l in learned {
            let (weights, bias) = network.parameters_mut(l);
            weights
                .padded_mut()
                .copy_from_slice(self.weights[l].padded());
            bias.copy_from_slice(&self.bias[l]);
        }
    }

    /// `network <- self + x direction` in connections `learned`.
    pub(super) fn place(
        &self,
        x: f32,
        direction: &Self,
        network: &mut Network,
        learned: Range<usize>,
    ) {
        for l in learned {
            let (weights, bias) = network.parameters_mut(l);
            let of = |to: &mut [f32], from: &[f32], direction: &[f32]| {
                for ((to, w), d) in to.iter_mut().zip(from).zip(direction) {
                    *to = w + x * d;
                }
            };
            of(bias, &self.bias[l], &direction.bias[l]);
            let stride = weights.stride().max(1);
            let (from, direction) = (self.weights[l].padded(), direction.weights[l].padded());
            let rows = weights.padded_mut().par_chunks_mut(stride);
            rows.zip(from.par_chunks(stride))
                .zip(direction.par_chunks(stride))
                .with_min_len(64)
                .for_each(|((to, from), direction)| of(to, from, direction));
        }
    }

    /// `self <- scale self - other` in connections `learned`.
    pub(super) fn scale_and_subtract(&mut self, scale: f32, other: &Self, learned: Range<usize>) {
        let of = |to: &mut [f32], from: &[f32]| {
            for (to, x) in to.iter_mut().zip(from) {
                // A first direction is minus the gradient, whatever stood there.
                *to = if scale == 0.0 { -x } else { scale * *to - x };
            }
        };
        for l in learned {
            of(&mut self.bias[l], &other.bias[l]);
            let stride = self.weights[l].stride().max(1);
            let rows = self.weights[l].padded_mut().par_chunks_mut(stride);
            rows.zip(other.weights[l].padded().par_chunks(stride))
                .with_min_len(64)
                .for_each(|(to, from)| of(to, from));
        }
    }

    /// `self <- self + decay W` of the weights in connections `learned`; returns `decay |W|^2 / 2`, `sums` is a buffer.
    pub(super) fn add_decay(
        &mut self,
        decay: f32,
        network: &Network,
        learned: Range<usize>,
        sums: &mut Vec<f64>,
    ) -> f64 {
        let mut total = 0.0;
        for l in learned {
            let stride = self.weights[l].stride().max(1);
            sums.resize(self.weights[l].rows(), 0.0);
            let rows = self.weights[l].padded_mut().par_chunks_mut(stride);
            rows.zip(network.weights(l).padded().par_chunks(stride))
                .zip(&mut sums[..])
                .with_min_len(64)
                .for_each(|((to, w), sum)| {
                    to.iter_mut().zip(w).for_each(|(to, w)| *to += decay * w);
                    *sum = dot(w, w);
                });
            total += sums.iter().sum::<f64>();
        }
        0.5 * f64::from(decay) * total
    }

    /// `sum self other` over connections `learned` in f64; `sums` is a buffer. Rows are summed by themselves and added in order.
    pub(super) fn dot(&self, other: &Self, learned: Range<usize>, sums: &mut Vec<f64>) -> f64 {
        let mut total = 0.0;
        for l in learned {
            total += dot(&self.bias[l], &other.bias[l]);
            let stride = self.weights[l].stride().max(1);
            let rows = self.weights[l].padded().par_chunks(stride);
            sums.resize(self.weights[l].rows(), 0.0);
            rows.zip(other.weights[l].padded().par_chunks(stride))
                .zip(&mut sums[..])
                .with_min_len(64)
                .for_each(|((a, b), sum)| *sum = dot(a, b));
            total += sums.iter().sum::<f64>();
        }
        total
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f64::from(*a) * f64::from(*b);
        }
    }
    sums.iter().sum()
}
