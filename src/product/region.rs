//! What a rectangle of tiles writes, and how it is divided between threads.

use crate::{
    bits::{BitViewMut, WORD_BITS},
    matrix::MatrixViewMut,
    rng::Draws,
};
use std::ops::Range;

/// Rows of a tile: with 128 columns, 128 KiB of products.
pub(super) const PANEL_ROWS: usize = 256;

/// What one tile, or a rectangle of tiles, writes.
pub(super) struct Region<'a> {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
    pub(super) input: Option<MatrixViewMut<'a>>,
    pub(super) mean: Option<MatrixViewMut<'a>>,
    pub(super) sample: Option<(BitViewMut<'a>, Draws)>,
    /// `[panels][groups][WORD_BITS]` where rows are split first, `[groups][panels][WORD_BITS]`
    /// where columns are.
    pub(super) column_sums: Option<&'a mut [f32]>,
    /// `[panels][groups][rows of the panel]`, or `[groups][rows]`.
    pub(super) softplus: Option<&'a mut [f64]>,
}

impl<'a> Region<'a> {
    /// The draws of its rows, if a sample is all that is asked for.
    pub(super) fn only_sample(&self) -> Option<Draws> {
        let others = self.input.is_some()
            || self.mean.is_some()
            || self.column_sums.is_some()
            || self.softplus.is_some();
        let (_, draws) = self.sample.as_ref().filter(|_| !others)?;
        Some(draws.from_row(self.rows.start))
    }

    pub(super) fn split_rows(self, panels: usize) -> (Self, Self) {
        let groups = self.columns.len().div_ceil(WORD_BITS);
        let at = panels * PANEL_ROWS;
        let middle = self.rows.start + at;
        let (input, input2) = self.input.map(|x| x.split_at_row(at)).unzip();
        let (mean, mean2) = self.mean.map(|x| x.split_at_row(at)).unzip();
        let (sample, sample2) = self
            .sample
            .map(|(x, draws)| {
                let (upper, lower) = x.split_at_row(at);
                ((upper, draws), (lower, draws))
            })
            .unzip();
        let (column_sums, column_sums2) = cut(self.column_sums, panels * groups * WORD_BITS);
        let (softplus, softplus2) = cut(self.softplus, at * groups);
        let columns = self.columns;
        (
            Region {
                rows: self.rows.start..middle,
                columns: columns.clone(),
                input,
                mean,
                sample,
                column_sums,
                softplus,
            },
            Region {
                rows: middle..self.rows.end,
                columns,
                input: input2,
                mean: mean2,
                sample: sample2,
                column_sums: column_sums2,
                softplus: softplus2,
            },
        )
    }

    /// Splits at a multiple of a word.
    pub(super) fn split_columns(self, at: usize) -> (Self, Self) {
        let middle = self.columns.start + at;
        let (input, input2) = self.input.map(|x| x.split_at_column(at)).unzip();
        let (mean, mean2) = self.mean.map(|x| x.split_at_column(at)).unzip();
        let (sample, sample2) = self
            .sample
            .map(|(x, draws)| {
                let (left, right) = x.split_at_column(at);
                ((left, draws), (right, draws))
            })
            .unzip();
        let panels = self.rows.len().div_ceil(PANEL_ROWS);
        let (column_sums, column_sums2) = cut(self.column_sums, at * panels);
        let (softplus, softplus2) = cut(self.softplus, at / WORD_BITS * self.rows.len());
        let rows = self.rows;
        (
            Region {
                rows: rows.clone(),
                columns: self.columns.start..middle,
                input,
                mean,
                sample,
                column_sums,
                softplus,
            },
            Region {
                rows,
                columns: middle..self.columns.end,
                input: input2,
                mean: mean2,
                sample: sample2,
                column_sums: column_sums2,
                softplus: softplus2,
            },
        )
    }
}

/// Cuts an optional slice.
fn cut<T>(x: Option<&mut [T]>, at: usize) -> (Option<&mut [T]>, Option<&mut [T]>) {
    x.map(|x| x.split_at_mut(at)).unzip()
}
