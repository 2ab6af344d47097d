//! The step of the weights of one connection, fused with their statistics and with the renewal of
//! their fixed-point copies: a block of weights is read and written once an update.

use super::{
    centering::TileCenter,
    evidence::LabelGradient,
    rule::{Rates, StepTile},
};
use crate::{
    matrix::MatrixViewMut,
    product::{CopiesMut, StatisticsTile, Target},
    simd::dispatch,
};

/// How weights are stepped, the same for all of a connection.
#[derive(Clone, Copy)]
pub(super) struct How<'a> {
    /// What comes on top of the gradient of the weights of labels.
    pub(super) labels: Option<&'a LabelGradient>,
    /// Placed at any unit.
    pub(super) center: Option<TileCenter<'a>>,
    pub(super) rates: Rates,
}

/// A rectangle of weights with all that is changed beside them.
pub(super) struct Stepped<'a> {
    pub(super) weights: MatrixViewMut<'a>,
    pub(super) first: MatrixViewMut<'a>,
    pub(super) second: Option<MatrixViewMut<'a>>,
    pub(super) copies: Option<CopiesMut<'a>>,
    pub(super) how: &'a How<'a>,
}

/// Both parts of what there may be.
fn both<T>(parts: Option<(T, T)>) -> (Option<T>, Option<T>) {
    match parts {
        Some((a, b)) => (Some(a), Some(b)),
        None => (None, None),
    }
}

impl<'a> Stepped<'a> {
    /// Both parts, each split by its own way.
    fn split(
        self,
        matrix: impl Fn(MatrixViewMut<'a>) -> (MatrixViewMut<'a>, MatrixViewMut<'a>),
        copies: impl Fn(CopiesMut<'a>) -> (CopiesMut<'a>, CopiesMut<'a>),
    ) -> (Self, Self) {
        let weights = matrix(self.weights);
        let first = matrix(self.first);
        let second = both(self.second.map(matrix));
        let copies = both(self.copies.map(copies));
        let part = |weights, first, second, copies| Self {
            weights,
            first,
            second,
            copies,
            how: self.how,
        };
        (
            part(weights.0, first.0, second.0, copies.0),
            part(weights.1, first.1, second.1, copies.1),
        )
    }
}

impl Target for Stepped<'_> {
    fn split_at_row(self, row: usize) -> (Self, Self) {
        self.split(|x| x.split_at_row(row), |x| x.split_at_row(row))
    }

    fn split_at_column(self, column: usize) -> (Self, Self) {
        self.split(|x| x.split_at_column(column), |x| x.split_at_column(column))
    }

    fn take(&mut self, first: usize, mut tile: StatisticsTile<'_>) {
        let How {
            labels,
            center,
            rates,
        } = *self.how;
        if let Some(labels) = labels {
            labels.add_to_tile(&mut tile, self.weights.columns());
        }
        let rows = first..first + tile.rows;
        dispatch(StepTile {
            gradient: tile.values,
            stride: tile.stride,
            first: self.first.rows_mut(rows.clone()),
            second: self.second.as_mut().map(|x| x.rows_mut(rows.clone())),
            parameter: self.weights.rows_mut(rows),
            center: center.map(|center| TileCenter {
                at: tile.at,
                ..center
            }),
            rates,
        });
    }

    fn finish(self) {
        if let Some(copies) = self.copies {
            let weights = &self.weights;
            let sizes = [weights.rows(), weights.columns()];
            copies.renew(sizes, |i| weights.padded_row(i));
        }
    }
}
