//! Bernoulli draws by position, in vectors: the bits of [`Draws::bernoulli`].

use crate::{
    bits::BitViewMut,
    matrix::MatrixView,
    rng::{Draws, PHILOX_MULTIPLIERS, PHILOX_ROUNDS, PHILOX_WEYL},
    simd::{Operation, Simd, dispatch},
};

/// 2^8: the first uniform of a draw is an integer below it.
const SCALE: f32 = 256.0;
/// Rows that share their words.
const ROWS: u32 = 4;

/// A prepared source of the draws of one operation.
#[derive(Clone, Copy)]
pub(crate) struct Uniforms<S: Simd> {
    keys: [(S::I, S::I); PHILOX_ROUNDS],
    multipliers: [S::I; 2],
    step: [S::I; 2],
    /// Block of columns of each counter, relative to the first.
    lane_blocks: S::I,
    /// Even fours of rows of each counter, relative to the first; the odd ones follow.
    lane_fours: S::I,
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
            lane_fours: s.load_u64(&[0, 2, 4, 6, 8, 10, 12, 14]),
            draws,
        }
    }

    /// The absolute `row`.
    #[inline(always)]
    fn absolute(&self, row: usize) -> u32 {
        self.draws.first_row.wrapping_add(row as u32)
    }

    /// Whether `row` is the first of those that share its words.
    #[inline(always)]
    pub(crate) fn starts_block(&self, row: usize) -> bool {
        self.absolute(row).is_multiple_of(ROWS)
    }

    /// Which byte of its words `row` takes.
    #[inline(always)]
    pub(crate) fn pick(&self, s: S, row: usize) -> S::Pick {
        s.pick(self.absolute(row) % ROWS)
    }

    /// All rounds on counters whose words live in the lower halves of 64-bit lanes; upper halves
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

    /// The words that `row` shares with the others of its four, in columns `column .. column + 2 *
    /// LANES`; `column` a multiple of 4.
    #[inline(always)]
    pub(crate) fn of_row(&self, s: S, row: usize, column: usize) -> [S::I; 2] {
        debug_assert!(column.is_multiple_of(4));
        let block = s.add_u64(s.splat_u64((column / 4) as u64), self.lane_blocks);
        let four = s.splat_u64(u64::from(self.absolute(row) / ROWS));
        let [x0, x1, x2, x3] = self.words(s, block, four);
        let (low, high) = (s.pair(x0, x1), s.pair(x2, x3));
        [s.interleave_lower(low, high), s.interleave_upper(low, high)]
    }

    /// The first uniforms of columns `column .. column + 4`, a vector each: the bytes of `4 *
    /// LANES` rows, in order, from `row` on, which starts a block.
    #[inline(always)]
    pub(crate) fn of_columns(&self, s: S, row: usize, column: usize) -> [S::I; 4] {
        debug_assert!(column.is_multiple_of(4) && self.starts_block(row));
        let block = s.splat_u64((column / 4) as u64);
        let first = u64::from(self.absolute(row) / ROWS);
        let even = self.words(s, block, s.add_u64(s.splat_u64(first), self.lane_fours));
        let odd = self.words(s, block, s.add_u64(s.splat_u64(first + 1), self.lane_fours));
        [
            s.pair(even[0], odd[0]),
            s.pair(even[1], odd[1]),
            s.pair(even[2], odd[2]),
            s.pair(even[3], odd[3]),
        ]
    }

    /// The second uniforms, integers below 2^53, of the first `LANES / 2` of these absolute rows
    /// and columns: those of [`Draws::settles`].
    #[inline(always)]
    pub(crate) fn second(&self, s: S, rows: &[u64; 8], columns: &[u64; 8]) -> [u64; 8] {
        let mut blocks = [0; 8];
        for lane in 0..8 {
            blocks[lane] = (columns[lane] / 2) | (1 << 31);
        }
        let words = self.words(s, s.load_u64(&blocks), s.load_u64(rows));
        // Of even columns, then of odd ones.
        let mut halves = [[0_u32; 16]; 2];
        s.store_u32(&mut halves[0], s.pair(words[0], words[1]));
        s.store_u32(&mut halves[1], s.pair(words[2], words[3]));
        let mut out = [0; 8];
        for lane in 0..S::LANES / 2 {
            let of = &halves[(columns[lane] % 2) as usize];
            out[lane] = (u64::from(of[2 * lane]) | u64::from(of[2 * lane + 1]) << 32) >> 11;
        }
        out
    }

    /// Draws with probabilities `mean` from the first uniforms `u`: bit `k` is one where lane `k`
    /// is drawn. `at(k)` gives the row and column of a lane, for ties.
    #[inline(always)]
    pub(crate) fn draw(
        &self,
        s: S,
        u: S::F,
        mean: S::F,
        at: impl Fn(usize) -> (usize, usize),
    ) -> u32 {
        let rest = s.sub(s.mul(mean, s.splat(SCALE)), u);
        self.settle(s, rest, s.splat(1.0), at)
    }

    /// Draws with probabilities `1 / inverse`, which saves the division: `u < 2^8 / d` where
    /// `2^8 - u d > 0`, product and difference rounded.
    #[inline(always)]
    pub(crate) fn draw_inverse(
        &self,
        s: S,
        u: S::F,
        inverse: S::F,
        at: impl Fn(usize) -> (usize, usize),
    ) -> u32 {
        let rest = s.sub(s.splat(SCALE), s.mul(u, inverse));
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
        let rest = f64::from(rest) / f64::from(one);
        self.draws.settles(self.absolute(row), column, rest)
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
    let pick = uniforms.pick(s, row);
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
                let u = s.picked_byte(drawn[v], pick);
                let bits = uniforms.draw(s, u, s.load(mean), |lane| (row, w * 64 + first + lane));
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
        let pick = uniforms.pick(s, self.row);
        let (mean, scale) = (s.splat(self.keep), s.splat(1.0 / self.keep));
        for (k, pair) in self.x.chunks_mut(2 * S::LANES).enumerate() {
            let at = k * 2 * S::LANES;
            let drawn = uniforms.of_row(s, self.row, at);
            for (v, x) in pair.chunks_mut(S::LANES).enumerate() {
                let first = at + v * S::LANES;
                let u = s.picked_byte(drawn[v], pick);
                let bits = uniforms.draw(s, u, mean, |lane| (self.row, first + lane));
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
                    // The four rows from `row / 4 * 4` on have the words of row `row / 4`.
                    let four = row / 4;
                    for (k, x) in uniforms.of_row(s, row, column).into_iter().enumerate() {
                        for byte in 0..4 {
                            let mut u = [0.0; 16];
                            s.store(&mut u, s.picked_byte(x, s.pick(byte)));
                            for (lane, u) in u.iter().enumerate().take(S::LANES) {
                                let word = self.0.bits(four, column + k * S::LANES + lane);
                                assert_eq!(*u, (word >> (8 * byte) & 0xFF) as f32);
                            }
                        }
                    }
                    let places = std::array::from_fn(|k| (column + k) as u64);
                    let rows = std::array::from_fn(|k| row as u64 + 3 * k as u64);
                    let second = uniforms.second(s, &rows, &places);
                    for lane in 0..S::LANES / 2 {
                        let (row, column) = (rows[lane] as u32, places[lane] as usize);
                        // The least `rest` that is above the uniform, and the uniform itself.
                        let rest = |u: u64| u as f64 / (1_u64 << 53) as f64;
                        assert!(self.0.settles(row, column, rest(second[lane] + 1)));
                        assert!(!self.0.settles(row, column, rest(second[lane])));
                    }
                    let columns = uniforms.of_columns(s, four * 4, column);
                    for (k, x) in columns.into_iter().enumerate() {
                        for (quarter, x) in s.widen_bytes(x).into_iter().enumerate() {
                            let mut u = [0.0; 16];
                            s.store(&mut u, x);
                            for (lane, u) in u.iter().enumerate().take(S::LANES) {
                                let row = quarter * S::LANES + lane;
                                let word = self.0.bits(four + row / 4, column + k);
                                assert_eq!(*u, (word >> (8 * (row % 4)) & 0xFF) as f32);
                            }
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
            // Multiples of a tenth, and probabilities that tie with the first 8 bits.
            let mean = Matrix::from_fn(rows, columns, |i, j| {
                let k = i * 7 + j;
                if k % 3 > 0 {
                    (k % 11) as f32 / 10.0
                } else {
                    let u = (draws.bits(i / 4, j) >> (8 * (i % 4)) & 0xFF) as f32;
                    (u + (k % 5) as f32 / 4.0) / 256.0
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
