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
    pub(super) column_sums: Option<&'a mut [f64]>,
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
        let rows = [self.rows.start..middle, middle..self.rows.end];
        let columns = [self.columns.clone(), self.columns.clone()];
        let lengths = (panels * groups * WORD_BITS, at * groups);
        self.split((rows, columns), lengths, Split::Rows(at))
    }

    /// Splits at a multiple of a word.
    pub(super) fn split_columns(self, at: usize) -> (Self, Self) {
        let panels = self.rows.len().div_ceil(PANEL_ROWS);
        let middle = self.columns.start + at;
        let rows = [self.rows.clone(), self.rows.clone()];
        let columns = [self.columns.start..middle, middle..self.columns.end];
        let lengths = (at * panels, at / WORD_BITS * self.rows.len());
        self.split((rows, columns), lengths, Split::Columns(at))
    }

    /// Two of these rows and columns, of which the first has so many sums.
    fn split(
        self,
        (rows, columns): ([Range<usize>; 2], [Range<usize>; 2]),
        (column_sums, softplus): (usize, usize),
        how: Split,
    ) -> (Self, Self) {
        let matrix = |x: MatrixViewMut<'a>| match how {
            Split::Rows(at) => x.split_at_row(at),
            Split::Columns(at) => x.split_at_column(at),
        };
        let bits = |(x, draws): (BitViewMut<'a>, Draws)| {
            let (first, second) = match how {
                Split::Rows(at) => x.split_at_row(at),
                Split::Columns(at) => x.split_at_column(at),
            };
            ((first, draws), (second, draws))
        };
        let (input, input2) = self.input.map(matrix).unzip();
        let (mean, mean2) = self.mean.map(matrix).unzip();
        let (sample, sample2) = self.sample.map(bits).unzip();
        let (column_sums, column_sums2) = cut(self.column_sums, column_sums);
        let (softplus, softplus2) = cut(self.softplus, softplus);
        let ([rows, rows2], [columns, columns2]) = (rows, columns);
        let first = Region {
            rows,
            columns,
            input,
            mean,
            sample,
            column_sums,
            softplus,
        };
        let second = Region {
            rows: rows2,
            columns: columns2,
            input: input2,
            mean: mean2,
            sample: sample2,
            column_sums: column_sums2,
            softplus: softplus2,
        };
        (first, second)
    }
}

/// Where a rectangle is split.
#[derive(Clone, Copy)]
enum Split {
    Rows(usize),
    Columns(usize),
}

/// Cuts an optional slice.
fn cut<T>(x: Option<&mut [T]>, at: usize) -> (Option<&mut [T]>, Option<&mut [T]>) {
    x.map(|x| x.split_at_mut(at)).unzip()
}
