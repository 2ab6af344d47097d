//! Products of states with weights, fused with their tail.
//!
//! [`propagate`] computes `tail(sum_t X_t op(W_t))` for one layer, panel by panel; [`Statistics`]
//! are `sum alpha V' H`. A [`Term`] says what is multiplied; how is decided here and nowhere else:
//!
//! ```text
//! propagate -> fused (tiles of rows x columns, in tasks)
//!     -> look-up (bits, where a Connection chose it), the same bits by
//!            registers: many rows, AVX-512
//!            active: few bits on, or few rows
//!            lookup: tables in memory, else
//!     -> integers (real inputs in [0, 1], where a Connection chose look-ups): real
//!     -> few or sparse rows of bits upwards: weights of what is on (few), the bits of native;
//!            downwards too where weights are few, of which a Connection keeps the transpose (turn)
//!     -> dense provider: native | matrixmultiply | blas
//!     -> kernel::epilogue while the tile is in cache
//! ```
//!
//! Each element is summed in an order that depends on the shapes alone, so tiles and threads do not
//! change a result.

mod active;
mod connection;
mod copies;
mod dense;
mod expand;
mod few;
mod fused;
mod lookup;
mod outer;
mod phase;
mod popcount;
mod quantize;
mod real;
mod region;
mod registers;
mod samples;
mod slabs;
mod summed;
mod tail;
mod tile;
mod turn;

pub use connection::{Connection, Precision, Route, route, set_route};
pub(crate) use copies::CopiesMut;
pub use dense::{Provider, gemm, provider, set_provider};
pub use fused::{Propagation, propagate};
pub use lookup::{FixedPoint, LARGEST_STEP};
pub use outer::Statistics;
pub use phase::Phase;
pub(crate) use samples::PhaseTables;
pub(crate) use tail::Exact;
pub use tail::Tail;
pub(crate) use tile::{StatisticsTile, Target};

use crate::{
    bits::BitView,
    error::{Error, Result},
    kernel::reduce,
    matrix::Matrix,
    rng::Draws,
    states::{Input, States},
    threads,
};
use std::ops::Range;

/// Grows the scratch of every thread of the pool to what products of `samples` with `n_hidden`
/// units need, so that later ones allocate nothing whichever thread meets them.
pub(crate) fn warm_up(samples: usize, n_hidden: usize) {
    threads::on_every_thread(|| {
        fused::warm_up();
        lookup::warm_up();
        real::warm_up();
        dense::warm_up();
        outer::warm_up(samples, n_hidden);
    });
}

impl Input<'_> {
    /// `sums[j] += scale * sum over the samples of unit j`: in f64, or counted, and rounded once.
    pub fn add_column_sums(&self, scale: f32, sums: &mut [f32]) {
        match self {
            Self::Bits(x) => reduce::add_column_counts(*x, scale, sums),
            Self::Real(x) => reduce::add_column_sums(*x, scale, sums),
        }
    }

    /// The same with a further factor of every sample, if there are some; samples in order.
    pub(crate) fn add_weighted_sums(&self, scale: f32, of_rows: Option<&[f32]>, sums: &mut [f32]) {
        let Some(of_rows) = of_rows else {
            return self.add_column_sums(scale, sums);
        };
        match self {
            Self::Bits(x) => reduce::add_weighted_counts(*x, of_rows, scale, sums),
            Self::Real(x) => {
                let weight = |s: usize| Some(f64::from(of_rows[s]));
                reduce::add_weighted_column_sums(*x, weight, scale, sums);
            }
        }
    }
}

impl States {
    /// `tail` with samples into the rows `range`.
    pub fn sampled<'a>(
        &'a mut self,
        range: Range<usize>,
        draws: Draws,
        tail: Tail<'a>,
    ) -> Tail<'a> {
        match self {
            Self::Bits(x) => Tail {
                sample: Some((x.view_rows_mut(range), draws)),
                ..tail
            },
            Self::Real(x) => Tail {
                real_sample: Some((x.view_rows_mut(range), draws)),
                ..tail
            },
        }
    }
}

/// Which way a connection is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the layer of the weights' rows to that of its columns: `X W`.
    Up,
    /// From the layer of the weights' columns to that of its rows: `X W'`.
    Down,
}

/// One product `X W` or `X W'` among those that a layer's input is the sum of.
#[derive(Clone, Copy, Debug)]
pub struct Term<'a> {
    /// `X`.
    pub input: Input<'a>,
    /// `W`.
    pub weights: &'a Matrix,
    /// `W` or its transpose.
    pub direction: Direction,
    /// Fixed-point copies of `W` for a product of bits by look-up, or of real inputs in [0, 1] in
    /// integers; without them, and of other inputs, it is dense.
    pub fixed: Option<&'a FixedPoint>,
}

impl Term<'_> {
    /// Units of the layer that the product goes to.
    pub fn columns(&self) -> usize {
        match self.direction {
            Direction::Up => self.weights.columns(),
            Direction::Down => self.weights.rows(),
        }
    }

    /// The bits and the weights of a product by look-up.
    fn looked_up(&self) -> Option<(BitView<'_>, &FixedPoint)> {
        match (self.input, self.fixed) {
            (Input::Bits(x), Some(fixed)) => Some((x, fixed)),
            _ => None,
        }
    }

    fn check(&self, rows: usize, columns: usize) -> Result<()> {
        let units = match self.direction {
            Direction::Up => self.weights.rows(),
            Direction::Down => self.weights.columns(),
        };
        if self.input.columns() != units {
            return Err(Error::shape(
                "units of the input",
                units,
                self.input.columns(),
            ));
        }
        if self.input.rows() != rows || self.columns() != columns {
            return Err(Error::shape(
                "product",
                format!("{rows} x {columns}"),
                format!("{} x {}", self.input.rows(), self.columns()),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
