//! Rectangles of statistics, as they are handed on.

use crate::matrix::MatrixViewMut;

/// A rectangle of statistics, for the taker to read or to change.
pub(crate) struct StatisticsTile<'a> {
    /// First visible and first hidden unit; a function of the shapes and of the route alone.
    pub(crate) at: [usize; 2],
    /// The statistics.
    pub(crate) values: &'a mut [f32],
    /// Floats between rows.
    pub(crate) stride: usize,
}

/// Both parts of every target.
pub(super) fn split<'a, const N: usize>(
    targets: [MatrixViewMut<'a>; N],
    at: impl Fn(MatrixViewMut<'a>) -> (MatrixViewMut<'a>, MatrixViewMut<'a>),
) -> ([MatrixViewMut<'a>; N], [MatrixViewMut<'a>; N]) {
    let mut second: [Option<MatrixViewMut<'a>>; N] = std::array::from_fn(|_| None);
    let mut k = 0;
    let first = targets.map(|x| {
        let (a, b) = at(x);
        second[k] = Some(b);
        k += 1;
        a
    });
    (first, second.map(|x| x.expect("every target was split")))
}
