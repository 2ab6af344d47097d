//! Uniforms by position, in vectors: the same words as [`Draws::bits`].

use crate::{
    bits::BitViewMut,
    matrix::MatrixView,
    rng::{Draws, PHILOX_MULTIPLIERS, PHILOX_ROUNDS, PHILOX_WEYL},
    simd::{Operation, Simd, dispatch},
};

/// 2^24: [`Uniforms`] come as integers below it.
pub(crate) const UNIFORM_SCALE: f32 = 16_777_216.0;

/// A prepared source of the uniforms of one operation.
#[derive(Clone, Copy)]
pub(crate) struct Uniforms<S: Simd> {
    keys: [(S::I, S::I); PHILOX_ROUNDS],
    multipliers: [S::I; 2],
    step: [S::I; 2],
    lane_blocks: S::I,
    first_row: u32,
}

impl<S: Simd> Uniforms<S> {
    /// Prepares the round keys of `draws`.
    #[inline(always)]
    pub(crate) fn new(s: S, draws: Draws) -> Self {
        let mut key = draws.key;
        let keys = std::array::from_fn(|_| {
            let now = (s.splat_u64(key[0].into()), s.splat_u64(key[1].into()));
            key = [
                key[0].wrapping_add(PHILOX_WEYL[0]),
                key[1].wrapping_add(PHILOX_WEYL[1]),
            ];
            now
        });
        // The interleave below puts counter 2q + k into 128-bit lane q of vector k.
        let mut blocks = [0; 8];
        for (lane, block) in blocks.iter_mut().enumerate().take(S::LANES / 2) {
            *block = (lane % 2 * (S::LANES / 4) + lane / 2) as u64;
        }
        Self {
            keys,
            multipliers: PHILOX_MULTIPLIERS.map(|m| s.splat_u64(m.into())),
            step: draws.step.map(|x| s.splat_u64(x.into())),
            lane_blocks: s.load_u64(&blocks),
            first_row: draws.first_row,
        }
    }

    /// The upper 24 bits, as floats, of the words of `row` in columns `column .. column + 2 * LANES`; `column` a multiple of 4.
    #[inline(always)]
    pub(crate) fn two_vectors(&self, s: S, row: usize, column: usize) -> [S::F; 2] {
        debug_assert!(column.is_multiple_of(4));
        // Words live in the lower halves of 64-bit lanes; upper halves are ignored by every multiplication.
        let mut x0 = s.add_u64(s.splat_u64((column / 4) as u64), self.lane_blocks);
        let mut x1 = s.splat_u64(u64::from(self.first_row.wrapping_add(row as u32)));
        let [mut x2, mut x3] = self.step;
        for (k0, k1) in self.keys {
            let p0 = s.mul_u32(x0, self.multipliers[0]);
            let p1 = s.mul_u32(x2, self.multipliers[1]);
            x0 = s.xor(s.xor(s.upper_half(p1), x1), k0);
            x2 = s.xor(s.xor(s.upper_half(p0), x3), k1);
            x1 = p1;
            x3 = p0;
        }
        let (low, high) = (s.pair(x0, x1), s.pair(x2, x3));
        [
            s.upper_24_bits(s.interleave_lower(low, high)),
            s.upper_24_bits(s.interleave_upper(low, high)),
        ]
    }
}

/// Bits `columns` of one row: bit `j` of `words` is one where `draws.uniform(row, j) < mean[j]`.
#[inline(always)]
pub(crate) fn draw_row<S: Simd>(s: S, mean: &[f32], draws: Draws, row: usize, words: &mut [u64]) {
    assert_eq!(
        words.len(),
        mean.len().div_ceil(64),
        "one word for 64 columns"
    );
    let uniforms = Uniforms::new(s, draws);
    let scale = s.splat(UNIFORM_SCALE);
    for (w, (word, mean)) in words.iter_mut().zip(mean.chunks(64)).enumerate() {
        // Means of zero beyond the last column draw zeros.
        let mut buffer = [0.0; 64];
        buffer[..mean.len()].copy_from_slice(mean);
        *word = 0;
        for (k, pair) in buffer.chunks_exact(2 * S::LANES).enumerate() {
            let at = k * 2 * S::LANES;
            let drawn = uniforms.two_vectors(s, row, w * 64 + at);
            for (v, mean) in pair.chunks_exact(S::LANES).enumerate() {
                let below = s.less(drawn[v], s.mul(s.load(mean), scale));
                *word |= u64::from(below) << (at + v * S::LANES);
            }
        }
    }
}

/// [`draw`] as an operation.
struct Draw<'a> {
    mean: MatrixView<'a>,
    draws: Draws,
    out: BitViewMut<'a>,
}

impl Operation for Draw<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for i in 0..self.mean.rows() {
            draw_row(s, self.mean.row(i), self.draws, i, self.out.row_mut(i));
        }
    }
}

/// Bit `(i, j)` of `out` is one where `draws.uniform(i, j) < mean(i, j)`, so with probability `mean(i, j)` rounded up to a multiple of
/// 2^-24. On the calling thread.
///
/// # Panics
/// Unless `mean` and `out` have one shape.
pub fn draw(mean: MatrixView<'_>, draws: Draws, out: BitViewMut<'_>) {
    assert!(
        mean.rows() == out.rows() && mean.columns() == out.columns(),
        "one bit a mean"
    );
    dispatch(Draw { mean, draws, out });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bits::BitMatrix,
        kernel::reference,
        matrix::Matrix,
        rng::Site,
        simd::{Isa, dispatch_on},
    };

    struct Compare(Draws);
    impl Operation for Compare {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let uniforms = Uniforms::new(s, self.0);
            for row in [0, 1, 99, 4_000_000_000] {
                for column in [0, 4, 60, 64, 1 << 20] {
                    for (k, x) in uniforms.two_vectors(s, row, column).into_iter().enumerate() {
                        let mut lanes = [0.0; 16];
                        s.store(&mut lanes, x);
                        for (l, &lane) in lanes[..S::LANES].iter().enumerate() {
                            let word = self.0.bits(row, column + k * S::LANES + l);
                            assert_eq!(lane, (word >> 8) as f32);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn vectors_hold_the_words_of_the_definition() {
        for isa in Isa::available() {
            for seed in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
                dispatch_on(
                    isa,
                    Compare(Draws::new(seed, Site::Chain, 0x1234_5678_9abc)),
                );
            }
        }
    }

    #[test]
    fn draw_matches_its_twin() {
        let draws = Draws::new(5, Site::Gibbs, 6);
        for (rows, columns) in [(0, 3), (3, 0), (1, 1), (3, 63), (2, 64), (5, 500)] {
            let mean = Matrix::from_fn(rows, columns, |i, j| ((i * 7 + j) % 11) as f32 / 10.0);
            let expected = reference::bernoulli(mean.view(), draws);
            for isa in Isa::available() {
                let mut out = BitMatrix::from_fn(rows, columns, |i, j| (i + j) % 2 == 0);
                let draw = Draw {
                    mean: mean.view(),
                    draws,
                    out: out.view_mut(),
                };
                dispatch_on(isa, draw);
                assert_eq!(out, expected, "{isa}, {rows} x {columns}");
                assert!(out.padding_is_zero());
            }
        }
    }
}
