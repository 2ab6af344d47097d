//! Dropout: units that are left out of an update (Hinton, Srivastava, Krizhevsky, Sutskever and
//! Salakhutdinov 2012).
//!
//! A unit stays with probability `q`, and what stays is divided by `q`: a layer's inputs have the
//! expectation that they have without dropout, so the network measures and goes on without a change
//! of its weights.

use super::BackpropOptions;
use crate::{
    kernel::bernoulli::drop_row, matrix::Matrix, model::layer_draws, rng::Site, threads::prelude::*,
};

/// The masks of one update: a draw depends on seed, update, layer, row of the minibatch and unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropout {
    seed: u64,
    update: u64,
    keep: [f32; 2],
}

impl Dropout {
    /// The masks of update `update`, if anything is dropped.
    pub(super) fn of(options: &BackpropOptions, update: u64) -> Option<Self> {
        let keep = [1.0 - options.input_dropout, 1.0 - options.hidden_dropout];
        (keep != [1.0; 2]).then_some(Self {
            seed: options.learning.seed,
            update,
            keep,
        })
    }

    /// The probability that a unit of layer `l` stays.
    pub(super) fn keep(&self, l: usize) -> f32 {
        self.keep[usize::from(l > 0)]
    }

    /// Drops of the first `rows` rows of `values`, of layer `l`.
    pub(super) fn apply(&self, l: usize, values: &mut Matrix, rows: usize) {
        let keep = self.keep(l);
        if keep == 1.0 {
            return;
        }
        let draws = layer_draws(self.seed, Site::Dropout, self.update, l);
        let (columns, stride) = (values.columns(), values.stride().max(1));
        values.padded_mut()[..rows * stride]
            .par_chunks_mut(stride)
            .enumerate()
            .with_min_len(8)
            .for_each(|(s, row)| drop_row(&mut row[..columns], keep, draws, s));
    }
}
