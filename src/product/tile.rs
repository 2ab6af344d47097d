//! Rectangles of statistics, and who takes them.

use crate::matrix::MatrixViewMut;

/// A rectangle of statistics, for the taker to read or to change.
pub(crate) struct StatisticsTile<'a> {
    /// First visible and first hidden unit.
    pub(crate) at: [usize; 2],
    /// Visible units.
    pub(crate) rows: usize,
    /// The statistics.
    pub(crate) values: &'a mut [f32],
    /// Floats between rows.
    pub(crate) stride: usize,
}

/// What takes statistics, rectangle by rectangle: something of their shape, which is split between
/// threads as they are. Rectangles start at blocks of the fixed-point copies.
pub(crate) trait Target: Send + Sized {
    /// The visible units before and from `row` on.
    fn split_at_row(self, row: usize) -> (Self, Self);

    /// The hidden units before and from `column` on.
    fn split_at_column(self, column: usize) -> (Self, Self);

    /// Takes statistics of the visible units from the `first` of this target on, all hidden ones.
    fn take(&mut self, first: usize, tile: StatisticsTile<'_>);

    /// All of it has been taken.
    fn finish(self) {}
}

/// A copy of the statistics.
impl Target for MatrixViewMut<'_> {
    fn split_at_row(self, row: usize) -> (Self, Self) {
        self.split_at_row(row)
    }

    fn split_at_column(self, column: usize) -> (Self, Self) {
        self.split_at_column(column)
    }

    fn take(&mut self, first: usize, tile: StatisticsTile<'_>) {
        for i in 0..tile.rows {
            let row = self.row_mut(first + i);
            row.copy_from_slice(&tile.values[i * tile.stride..][..row.len()]);
        }
    }
}
