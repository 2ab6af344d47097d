//! Bits as floats.

use crate::{
    bits::{BitView, WORD_BITS},
    simd::{Operation, Simd, dispatch},
};
use std::ops::Range;

/// Writes bits `rows x columns` of `x` as floats 0 and `one` to `to`, rows `stride` apart;
/// `columns` starts at a word, and up to the next multiple of a word beyond its end is overwritten.
pub(super) fn expand(
    x: BitView<'_>,
    rows: Range<usize>,
    columns: Range<usize>,
    one: f32,
    to: &mut [f32],
    stride: usize,
) {
    dispatch(Expand {
        x,
        rows,
        columns,
        one,
        to,
        stride,
    });
}

struct Expand<'a> {
    x: BitView<'a>,
    rows: Range<usize>,
    columns: Range<usize>,
    one: f32,
    to: &'a mut [f32],
    stride: usize,
}

impl Operation for Expand<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        assert!(self.columns.start.is_multiple_of(WORD_BITS));
        let words = self.columns.start / WORD_BITS..self.columns.end.div_ceil(WORD_BITS);
        assert!(words.len() * WORD_BITS <= self.stride);
        let one = s.splat(self.one);
        for (i, to) in self.rows.zip(self.to.chunks_mut(self.stride)) {
            for (&word, to) in self.x.row(i)[words.clone()]
                .iter()
                .zip(to.chunks_exact_mut(WORD_BITS))
            {
                for (k, to) in to.chunks_exact_mut(S::LANES).enumerate() {
                    s.store(to, s.mul(s.expand((word >> (k * S::LANES)) as u32), one));
                }
            }
        }
    }
}
