//! Bernoulli draws by position, in vectors: the bits of [`Draws::bernoulli`].

use crate::{
    bits::BitViewMut,
    matrix::MatrixView,
    rng::{Draws, PHILOX_MULTIPLIERS, PHILOX_ROUNDS, PHILOX_WEYL},
    simd::{Operation, Simd, dispatch},
};

/// 2^16: the first uniform of a draw is an integer below it.
const SCALE: f32 = 65_536.0;

/// A prepared source of the draws of one operation.
#[derive(Clone, Copy)]
pub(crate) struct Uniforms<S: Simd> {
    keys: [(S::I, S::I); PHILOX_ROUNDS],
    multipliers: [S::I; 2],
    step: [S::I; 2],
    /// Block of columns of each counter, relative to the first.
    lane_blocks: S::I,
    /// Even pairs of rows of each counter, relative to the first; the odd ones follow.
    lane_pairs: S::I,
    draws: Draws,
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
            lane_pairs: s.load_u64(&[0, 2, 4, 6, 8, 10, 12, 14]),
            draws,
        }
    }

    /// Whether `row` takes the upper halves of its words.
    #[inline(always)]
    pub(crate) fn is_upper(&self, row: usize) -> bool {
        self.draws.first_row.wrapping_add(row as u32) % 2 == 1
    }

    /// Ten rounds on counters whose words live in the lower halves of 64-bit lanes; upper halves
    /// are ignored by every multiplication.
    #[inline(always)]
    fn words(&self, s: S, mut x0: S::I, mut x1: S::I) -> [S::I; 4] {
        let [mut x2, mut x3] = self.step;
        for (k0, k1) in self.keys {
            let p0 = s.mul_u32(x0, self.multipliers[0]);
            let p1 = s.mul_u32(x2, self.multipliers[1]);
            x0 = s.xor(s.xor(s.upper_half(p1), x1), k0);
            x2 = s.xor(s.xor(s.upper_half(p0), x3), k1);
            x1 = p1;
            x3 = p0;
        }
        [x0, x1, x2, x3]
    }

    /// The words of `row` and the other row of its pair in columns `column .. column + 2 * LANES`;
    /// `column` a multiple of 4.
    #[inline(always)]
    pub(crate) fn of_row(&self, s: S, row: usize, column: usize) -> [S::I; 2] {
        debug_assert!(column.is_multiple_of(4));
        let block = s.add_u64(s.splat_u64((column / 4) as u64), self.lane_blocks);
        let pair = s.splat_u64(u64::from(self.draws.first_row.wrapping_add(row as u32) / 2));
        let [x0, x1, x2, x3] = self.words(s, block, pair);
        let (low, high) = (s.pair(x0, x1), s.pair(x2, x3));
        [s.interleave_lower(low, high), s.interleave_upper(low, high)]
    }

    /// The words of columns `column .. column + 4`, a vector each, of `LANES` pairs of rows from
    /// the even row `row` on.
    #[inline(always)]
    pub(crate) fn of_columns(&self, s: S, row: usize, column: usize) -> [S::I; 4] {
        debug_assert!(column.is_multiple_of(4) && !self.is_upper(row));
        let block = s.splat_u64((column / 4) as u64);
        let first = u64::from(self.draws.first_row.wrapping_add(row as u32) / 2);
        let even = self.words(s, block, s.add_u64(s.splat_u64(first), self.lane_pairs));
        let odd = self.words(s, block, s.add_u64(s.splat_u64(first + 1), self.lane_pairs));
        std::array::from_fn(|w| s.pair(even[w], odd[w]))
    }

    /// Draws with probabilities `mean` from halves of `words`: bit `k` is one where lane `k` is
    /// drawn. `at(k)` gives the row and column of a lane, for ties.
    #[inline(always)]
    fn draw(
        &self,
        s: S,
        words: S::I,
        upper: bool,
        mean: S::F,
        at: impl Fn(usize) -> (usize, usize),
    ) -> u32 {
        let rest = s.sub(s.mul(mean, s.splat(SCALE)), first_uniform(s, words, upper));
        self.settle(s, rest, s.splat(1.0), at)
    }

    /// Draws with probabilities `1 / inverse`, which saves the division: `u < 2^16 / d` where
    /// `2^16 - u d > 0`, rounded once.
    #[inline(always)]
    pub(crate) fn draw_inverse(
        &self,
        s: S,
        words: S::I,
        upper: bool,
        inverse: S::F,
        at: impl Fn(usize) -> (usize, usize),
    ) -> u32 {
        let minus = s.sub(s.splat(0.0), inverse);
        let rest = s.mul_add(first_uniform(s, words, upper), minus, s.splat(SCALE));
        self.settle(s, rest, inverse, at)
    }

    /// Lanes whose `rest` is positive, but where it is less than `one` only with probability
    /// `rest / one`.
    #[inline(always)]
    fn settle(&self, s: S, rest: S::F, one: S::F, at: impl Fn(usize) -> (usize, usize)) -> u32 {
        let mut drawn = s.less(s.splat(0.0), rest);
        let mut ties = drawn & s.less(rest, one);
        if ties != 0 {
            let (mut rests, mut ones) = ([0.0; 16], [0.0; 16]);
            s.store(&mut rests, rest);
            s.store(&mut ones, one);
            while ties != 0 {
                let k = ties.trailing_zeros() as usize;
                let (row, column) = at(k);
                if !self.settles(row, column, rests[k], ones[k]) {
                    drawn ^= 1 << k;
                }
                ties &= ties - 1;
            }
        }
        drawn
    }

    #[cold]
    #[inline(never)]
    fn settles(&self, row: usize, column: usize, rest: f32, one: f32) -> bool {
        let row = self.draws.first_row.wrapping_add(row as u32);
        self.draws
            .settles(row, column, f64::from(rest) / f64::from(one))
    }
}

/// The first 16 bits of the draws.
#[inline(always)]
fn first_uniform<S: Simd>(s: S, words: S::I, upper: bool) -> S::F {
    if upper {
        s.upper_16_bits(words)
    } else {
        s.lower_16_bits(words)
    }
}

/// Bit `j` of `words` is `draws.bernoulli(row, j, mean[j])`. On the calling thread.
pub(crate) fn draw_row(mean: &[f32], draws: Draws, row: usize, words: &mut [u64]) {
    dispatch(DrawRow {
        mean,
        draws,
        row,
        words,
    });
}

/// [`draw_row`] as an operation.
struct DrawRow<'a> {
    mean: &'a [f32],
    draws: Draws,
    row: usize,
    words: &'a mut [u64],
}

impl Operation for DrawRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        draw_row_lanes(s, self.mean, self.draws, self.row, self.words);
    }
}

/// The vector body of [`draw_row`].
#[inline(always)]
fn draw_row_lanes<S: Simd>(s: S, mean: &[f32], draws: Draws, row: usize, words: &mut [u64]) {
    assert_eq!(
        words.len(),
        mean.len().div_ceil(64),
        "one word for 64 columns"
    );
    let uniforms = Uniforms::new(s, draws);
    let upper = uniforms.is_upper(row);
    for (w, (word, mean)) in words.iter_mut().zip(mean.chunks(64)).enumerate() {
        // Means of zero beyond the last column draw zeros.
        let mut buffer = [0.0; 64];
        buffer[..mean.len()].copy_from_slice(mean);
        *word = 0;
        for (k, pair) in buffer.chunks_exact(2 * S::LANES).enumerate() {
            let at = k * 2 * S::LANES;
            let drawn = uniforms.of_row(s, row, w * 64 + at);
            for (v, mean) in pair.chunks_exact(S::LANES).enumerate() {
                let first = at + v * S::LANES;
                let bits = uniforms.draw(s, drawn[v], upper, s.load(mean), |lane| {
                    (row, w * 64 + first + lane)
                });
                *word |= u64::from(bits) << first;
            }
        }
    }
}

/// `x_j <- x_j / keep` where `draws.bernoulli(row, j, keep)`, else 0. On the calling thread.
pub(crate) fn drop_row(x: &mut [f32], keep: f32, draws: Draws, row: usize) {
    dispatch(DropRow {
        x,
        keep,
        draws,
        row,
    });
}

/// [`drop_row`] as an operation.
struct DropRow<'a> {
    x: &'a mut [f32],
    keep: f32,
    draws: Draws,
    row: usize,
}

impl Operation for DropRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let uniforms = Uniforms::new(s, self.draws);
        let upper = uniforms.is_upper(self.row);
        let (mean, scale) = (s.splat(self.keep), s.splat(1.0 / self.keep));
        for (k, pair) in self.x.chunks_mut(2 * S::LANES).enumerate() {
            let at = k * 2 * S::LANES;
            let drawn = uniforms.of_row(s, self.row, at);
            for (v, x) in pair.chunks_mut(S::LANES).enumerate() {
                let first = at + v * S::LANES;
                let bits = uniforms.draw(s, drawn[v], upper, mean, |lane| (self.row, first + lane));
                let factor = s.mul(s.expand(bits), scale);
                if x.len() == S::LANES {
                    let y = s.mul(s.load(x), factor);
                    s.store(x, y);
                } else {
                    let mut factors = [0.0; 16];
                    s.store(&mut factors, factor);
                    x.iter_mut().zip(factors).for_each(|(x, f)| *x *= f);
                }
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
            draw_row_lanes(s, self.mean.row(i), self.draws, i, self.out.row_mut(i));
        }
    }
}

/// Bit `(i, j)` of `out` is `draws.bernoulli(i, j, mean(i, j))`. On the calling thread.
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
                    // The pair of rows `row / 2` has the words that `bits` gives row `row / 2`.
                    let check = |x: S::I, at: &dyn Fn(usize) -> (usize, usize)| {
                        let (mut low, mut high) = ([0.0; 16], [0.0; 16]);
                        s.store(&mut low, s.lower_16_bits(x));
                        s.store(&mut high, s.upper_16_bits(x));
                        for k in 0..S::LANES {
                            let (pair, column) = at(k);
                            let word = self.0.bits(pair, column);
                            assert_eq!(low[k], (word & 0xFFFF) as f32);
                            assert_eq!(high[k], (word >> 16) as f32);
                        }
                    };
                    for (k, x) in uniforms.of_row(s, row, column).into_iter().enumerate() {
                        check(x, &|l| (row / 2, column + k * S::LANES + l));
                    }
                    for (k, x) in uniforms
                        .of_columns(s, row & !1, column)
                        .into_iter()
                        .enumerate()
                    {
                        check(x, &|l| (row / 2 + l, column + k));
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
    fn dropped_rows_are_those_of_the_definition() {
        let draws = Draws::new(5, Site::Dropout, 77);
        for n in [1, 15, 16, 17, 31, 32, 33, 100] {
            for row in 0..3 {
                for keep in [0.2_f32, 0.5, 0.999] {
                    let mut x: Vec<f32> = (0..n).map(|j| j as f32 - 3.5).collect();
                    drop_row(&mut x, keep, draws, row);
                    for (j, x) in x.into_iter().enumerate() {
                        let kept = draws.bernoulli(row, j, keep);
                        let expected = if kept {
                            (j as f32 - 3.5) * (1.0 / keep)
                        } else {
                            0.0
                        };
                        assert_eq!(x, expected);
                    }
                }
            }
        }
    }

    #[test]
    fn draw_matches_its_twin() {
        let draws = Draws::new(5, Site::Gibbs, 6);
        for (rows, columns) in [(0, 3), (3, 0), (1, 1), (3, 63), (2, 64), (5, 500)] {
            // Multiples of a tenth, and probabilities that tie with the first 16 bits.
            let mean = Matrix::from_fn(rows, columns, |i, j| {
                let k = i * 7 + j;
                if k % 3 > 0 {
                    (k % 11) as f32 / 10.0
                } else {
                    let u = (draws.bits(i / 2, j) >> (16 * (i % 2)) & 0xFFFF) as f32;
                    (u + (k % 5) as f32 / 4.0) / 65_536.0
                }
            });
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
