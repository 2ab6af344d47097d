//! Sums: log-sum-exp, column sums, means with their errors. Orders are fixed by shape.

use crate::{
    bits::{BitView, WORD_BITS},
    matrix::MatrixView,
    simd::{Operation, Simd, dispatch},
};

/// Whether all of `x` are numbers, neither infinite nor NaN.
pub(crate) fn are_finite(x: &[f32]) -> bool {
    dispatch(AreFinite(x))
}

struct AreFinite<'a>(&'a [f32]);

impl Operation for AreFinite<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        // Zero times a number is zero, and NaN for all else.
        let zero = s.splat(0.0);
        let mut sums = [zero; 4];
        let mut blocks = self.0.chunks_exact(4 * S::LANES);
        for block in &mut blocks {
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = s.add(*sum, s.mul(s.load(&block[v * S::LANES..]), zero));
            }
        }
        let rest = blocks.remainder().iter().all(|x| x.is_finite());
        let sum = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
        let mut lanes = [0.0; 16];
        s.store(&mut lanes, sum);
        rest && lanes.iter().all(|&x| x == 0.0)
    }
}

/// `ln sum_i e^(x_i)`, exact to a few rounding errors of f64; minus infinity for nothing, infinity
/// or NaN if one is among them.
pub fn log_sum_exp(x: &[f64]) -> f64 {
    let mut sum = LogSum::default();
    for &x in x {
        sum.add(x);
    }
    sum.value()
}

/// A running `ln sum e^x` that never overflows.
#[derive(Clone, Copy, Debug)]
pub struct LogSum {
    max: f64,
    /// `sum e^(x - max)`
    sum: f64,
}

impl Default for LogSum {
    fn default() -> Self {
        Self {
            max: f64::NEG_INFINITY,
            sum: 0.0,
        }
    }
}

impl LogSum {
    /// Adds the term `e^x`.
    pub fn add(&mut self, x: f64) {
        if x > self.max {
            self.sum = self.sum * (self.max - x).exp() + 1.0;
            self.max = x;
        } else if x != f64::NEG_INFINITY {
            self.sum += (x - self.max).exp();
        }
    }

    /// Adds the terms of another sum.
    pub fn merge(&mut self, other: Self) {
        let (high, low) = if self.max >= other.max {
            (*self, other)
        } else {
            (other, *self)
        };
        *self = high;
        if low.sum > 0.0 {
            self.sum += low.sum * (low.max - high.max).exp();
        }
    }

    /// `ln sum e^x` of the terms so far.
    pub fn value(&self) -> f64 {
        if self.max == f64::INFINITY {
            self.max
        } else {
            self.max + self.sum.ln()
        }
    }
}

/// Mean and standard error of the mean, f64.
pub fn mean_and_standard_error(x: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let (mut n, mut mean, mut m2) = (0.0, 0.0, 0.0);
    // Welford 1962: no cancellation.
    for x in x {
        n += 1.0;
        let d = x - mean;
        mean += d / n;
        m2 += d * (x - mean);
    }
    if n < 2.0 {
        (mean, f64::NAN)
    } else {
        (mean, (m2 / (n - 1.0) / n).sqrt())
    }
}

/// The same of values with weights: `sum w x / sum w`, and the standard error
/// `sqrt(sum w^2 (x - mean)^2 n / (n - 1)) / sum w` of this ratio, `n = (sum w)^2 / sum w^2` (Kish
/// 1965); NaN of no more than one value. Without weights, and of equal ones, that of
/// [`mean_and_standard_error`].
pub fn weighted_mean_and_standard_error(
    x: impl IntoIterator<Item = f64>,
    weights: Option<&[f32]>,
) -> (f64, f64) {
    let Some(weights) = weights.filter(|w| w.windows(2).any(|w| w[0] != w[1])) else {
        return mean_and_standard_error(x);
    };
    let all: Vec<(f64, f64)> = x
        .into_iter()
        .zip(weights.iter().map(|&w| f64::from(w)))
        .collect();
    let sum_of = |f: &dyn Fn(f64, f64) -> f64| all.iter().map(|&(x, w)| f(x, w)).sum::<f64>();
    let (sum, squares) = (sum_of(&|_, w| w), sum_of(&|_, w| w * w));
    // From the first value on: no cancellation.
    let first = all.iter().find(|(_, w)| *w > 0.0).map_or(0.0, |(x, _)| *x);
    let mean = first + sum_of(&|x, w| if w > 0.0 { w * (x - first) } else { 0.0 }) / sum;
    let n = sum * sum / squares;
    let spread = sum_of(&|x, w| {
        if w > 0.0 {
            (w * (x - mean)).powi(2)
        } else {
            0.0
        }
    });
    if n <= 1.0 {
        return (mean, f64::NAN);
    }
    (mean, (spread * n / (n - 1.0)).sqrt() / sum)
}

/// `x . y` in sixteen sums of f32, whose order is the same on every instruction set.
#[inline(always)]
pub(crate) fn dot_f32(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (xs, ys) = (x.chunks_exact(16), y.chunks_exact(16));
    let rest = xs.remainder().iter().zip(ys.remainder());
    let rest: f32 = rest.map(|(x, y)| x * y).sum();
    for (x, y) in xs.zip(ys) {
        for k in 0..16 {
            sums[k] += x[k] * y[k];
        }
    }
    sum_of_lanes(sums) + rest
}

/// Of sixteen sums their halves are added, then the halves of these, and so on.
#[inline(always)]
pub(crate) fn sum_of_lanes(mut sums: [f32; 16]) -> f32 {
    let mut n = 8;
    while n > 0 {
        for k in 0..n {
            sums[k] += sums[k + n];
        }
        n /= 2;
    }
    sums[0]
}

/// `x . y` in sixteen sums of f64, added in order: the same on every instruction set.
pub(crate) fn dot_f64(x: &[f32], y: &[f32]) -> f64 {
    let mut sums = [0.0; 16];
    for (x, y) in x.chunks(16).zip(y.chunks(16)) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += f64::from(*x) * f64::from(*y);
        }
    }
    sums.iter().sum()
}

/// Columns whose sums are kept in f64 at a time.
const PIECE: usize = WORD_BITS;
/// Likewise of those that are left.
const FEW: usize = 16;

/// `sums[j] += scale * sum_i x[i][j]`, rows in order in f64, rounded to f32 once: off by at most
/// half a unit in the last place of the sum, and by `2^-52` of the sum of magnitudes a row. The
/// same bits on every instruction set. On the calling thread.
pub fn add_column_sums(x: MatrixView<'_>, scale: f32, sums: &mut [f32]) {
    add_weighted_column_sums(x, |_| Some(1.0), scale, sums);
}

/// The same of rows times their weights; rows without a weight are left out.
pub(crate) fn add_weighted_column_sums(
    x: MatrixView<'_>,
    weight: impl Fn(usize) -> Option<f64>,
    scale: f32,
    sums: &mut [f32],
) {
    assert_eq!(sums.len(), x.columns(), "one sum a column");
    dispatch(ColumnSums {
        x,
        weight,
        scale,
        sums,
    });
}

/// [`add_weighted_column_sums`] as an operation.
struct ColumnSums<'a, W> {
    x: MatrixView<'a>,
    weight: W,
    scale: f32,
    sums: &'a mut [f32],
}

impl<W: Fn(usize) -> Option<f64>> Operation for ColumnSums<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, _: S) {
        let whole = self.sums.len() / PIECE * PIECE;
        let (sums, rest) = self.sums.split_at_mut(whole);
        self.sums = sums;
        self.pieces::<PIECE>(0);
        let whole_rest = rest.len() / FEW * FEW;
        let (sums, last) = rest.split_at_mut(whole_rest);
        self.sums = sums;
        self.pieces::<FEW>(whole);
        let (x, first) = (self.x, whole + whole_rest);
        add_in_pieces(x.rows(), self.scale, last, |i, _, sums| {
            if let Some(weight) = (self.weight)(i) {
                let x = &x.row(i)[first..];
                for (sum, &x) in sums.iter_mut().zip(x) {
                    *sum += weight * f64::from(x);
                }
            }
        });
    }
}

impl<W: Fn(usize) -> Option<f64>> ColumnSums<'_, W> {
    /// The sums of the columns from `first` on, `N` in registers at a time.
    #[inline(always)]
    fn pieces<const N: usize>(&mut self, first: usize) {
        let (pieces, _) = self.sums.as_chunks_mut::<N>();
        for (k, sums) in pieces.iter_mut().enumerate() {
            let mut piece = [0.0; N];
            for i in 0..self.x.rows() {
                if let Some(weight) = (self.weight)(i) {
                    let x = self.x.row(i)[first + k * N..].first_chunk::<N>();
                    let x = x.expect("a piece of the columns");
                    for j in 0..N {
                        piece[j] += weight * f64::from(x[j]);
                    }
                }
            }
            add_rounded(self.scale, &piece, sums);
        }
    }
}

/// `sums += scale * x`, rounded once.
#[inline(always)]
fn add_rounded(scale: f32, x: &[f64], sums: &mut [f32]) {
    for (sum, x) in sums.iter_mut().zip(x) {
        *sum = (f64::from(*sum) + f64::from(scale) * x) as f32;
    }
}

/// `sums[j] += scale * sum_i term(i, j)`: `add(i, first, sums)` adds the terms of row `i` in the
/// columns from `first` on to sums in f64, which are rounded to f32 once.
#[inline(always)]
pub(crate) fn add_in_pieces(
    rows: usize,
    scale: f32,
    sums: &mut [f32],
    mut add: impl FnMut(usize, usize, &mut [f64]),
) {
    for (k, sums) in sums.chunks_mut(PIECE).enumerate() {
        let mut piece = [0.0; PIECE];
        let piece = &mut piece[..sums.len()];
        for i in 0..rows {
            add(i, k * PIECE, piece);
        }
        add_rounded(scale, piece, sums);
    }
}

/// `sums[j] += scale *` the sum of the weights of the rows whose bit `j` is one, as
/// [`add_column_sums`] sums.
pub(crate) fn add_weighted_counts(x: BitView<'_>, of_rows: &[f32], scale: f32, sums: &mut [f32]) {
    assert_eq!(
        (sums.len(), of_rows.len()),
        (x.columns(), x.rows()),
        "one sum a column, one weight a row"
    );
    add_in_pieces(x.rows(), scale, sums, |i, first, sums| {
        let weight = f64::from(of_rows[i]);
        let mut rest = x.row(i)[first / WORD_BITS];
        while rest != 0 {
            sums[rest.trailing_zeros() as usize] += weight;
            rest &= rest - 1;
        }
    });
}

/// `sums[j] += scale * (number of ones in column j)`, exact up to one rounding of the product and
/// one of the sum.
pub fn add_column_counts(x: BitView<'_>, scale: f32, sums: &mut [f32]) {
    assert_eq!(sums.len(), x.columns(), "one sum a column");
    let digits = usize::BITS - x.rows().leading_zeros();
    for (k, sums) in sums.chunks_mut(WORD_BITS).enumerate() {
        // Vertical counters: bit plane p of 64 counters at once.
        let mut planes = [0_u64; usize::BITS as usize];
        let planes = &mut planes[..digits as usize];
        for i in 0..x.rows() {
            let mut carry = x.row(i)[k];
            for plane in planes.iter_mut() {
                if carry == 0 {
                    break;
                }
                (*plane, carry) = (*plane ^ carry, *plane & carry);
            }
        }
        for (j, sum) in sums.iter_mut().enumerate() {
            let count: u32 = planes
                .iter()
                .enumerate()
                .map(|(p, plane)| ((plane >> j & 1) as u32) << p)
                .sum();
            *sum += scale * count as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bits::BitMatrix,
        kernel::reference,
        matrix::Matrix,
        rng::HostRng,
        simd::{Isa, dispatch_on, same_on_all},
    };
    use proptest::prelude::*;

    #[test]
    fn whatever_is_no_number_is_found_on_every_isa() {
        for isa in Isa::available() {
            for n in [0_usize, 1, 15, 16, 17, 4096, 4100, 10_000] {
                let mut x: Vec<f32> = (0..n).map(|i| (i as f32 - 7.0) * 1e35).collect();
                x.iter_mut().for_each(|x| *x = x.clamp(f32::MIN, f32::MAX));
                assert!(dispatch_on(isa, AreFinite(&x)), "{isa}, {n}");
                for at in [0, n / 2, n.saturating_sub(1)]
                    .into_iter()
                    .filter(|_| n > 0)
                {
                    for other in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                        let before = std::mem::replace(&mut x[at], other);
                        assert!(!dispatch_on(isa, AreFinite(&x)), "{isa}, {n}, {at}");
                        x[at] = before;
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn log_sum_matches_its_twin(x in prop::collection::vec(-800.0..800.0_f64, 0..50), cut in 0_usize..50) {
            let expected = reference::log_sum_exp(&x);
            let got = log_sum_exp(&x);
            prop_assert!(got == expected || (got - expected).abs() < 1e-12 * expected.abs().max(1.0));
            let cut = cut.min(x.len());
            let mut parts = [LogSum::default(); 2];
            for (k, &x) in x.iter().enumerate() {
                parts[usize::from(k >= cut)].add(x);
            }
            let [mut a, b] = parts;
            a.merge(b);
            prop_assert!(a.value() == expected || (a.value() - expected).abs() < 1e-12 * expected.abs().max(1.0));
        }

        #[test]
        fn products_match_their_twin(all in prop::collection::vec((-2.0_f32..2.0, -2.0_f32..2.0), 0..100)) {
            let (x, y): (Vec<f32>, Vec<f32>) = all.into_iter().unzip();
            let expected = reference::dot(&x, &y);
            // At most 100 terms of at most 4, and their sums.
            prop_assert!((f64::from(dot_f32(&x, &y)) - expected).abs() < 1e-3);
            prop_assert!((dot_f64(&x, &y) - expected).abs() < 1e-11);
        }

        /// Within a rounding of the exact sum, on every instruction set the same, rows of bits as
        /// rows of zeros and ones.
        #[test]
        fn column_sums_are_exact_but_for_one_rounding(
            rows in prop::sample::select(vec![0_usize, 1, 100, 1000]),
            columns in 1_usize..140,
            seed in any::<u64>(),
        ) {
            let mut rng = HostRng::numbered(seed, 76);
            let x = Matrix::from_fn(rows, columns, |_, _| rng.uniform() as f32);
            let of_rows: Vec<f32> = (0..rows).map(|_| rng.uniform() as f32).collect();
            let weight = |i: usize| (i % 7 != 3).then(|| f64::from(of_rows[i]));
            let got = same_on_all(|isa| {
                let mut sums = vec![1.0; columns];
                let job = ColumnSums { x: x.view(), weight, scale: 0.3, sums: &mut sums };
                dispatch_on(isa, job);
                sums
            });
            for (j, got) in got.into_iter().enumerate() {
                let sum: f64 = (0..rows).map(|i| weight(i).unwrap_or(0.0) * f64::from(x.row(i)[j])).sum();
                let sum = 1.0 + f64::from(0.3_f32) * sum;
                prop_assert!((f64::from(got) - sum).abs() <= sum * 2.0_f64.powi(-24) * 1.001);
            }
            let bits = BitMatrix::from_fn(rows, columns, |i, j| x.row(i)[j] < 0.4);
            let [mut a, mut b] = [vec![1.0; columns], vec![1.0; columns]];
            add_weighted_counts(bits.view(), &of_rows, 0.3, &mut a);
            let all = |i: usize| Some(f64::from(of_rows[i]));
            add_weighted_column_sums(bits.to_matrix().view(), all, 0.3, &mut b);
            prop_assert_eq!(a, b);
        }

        #[test]
        fn column_counts_match_column_sums(rows in 0_usize..200, columns in 0_usize..130) {
            let bits = BitMatrix::from_fn(rows, columns, |i, j| (i * 31 + j * 17) % 7 < 3);
            let mut a = vec![1.0; columns];
            let mut b = a.clone();
            add_column_counts(bits.view(), 0.5, &mut a);
            add_column_sums(bits.to_matrix().view(), 0.5, &mut b);
            prop_assert_eq!(a, b);
        }
    }

    #[test]
    fn a_hundred_thousand_scores_do_not_overflow() {
        // Scores 0, 100, ..., 99900: the greatest dominates by e^100.
        let x: Vec<f64> = (0..1000).map(|k| f64::from(k) * 100.0).collect();
        assert_eq!(log_sum_exp(&x), 99_900.0);
        assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f64::INFINITY, 0.0]), f64::INFINITY);
    }

    #[test]
    fn standard_error_of_a_small_sample() {
        let (mean, error) = mean_and_standard_error([1.0, 2.0, 3.0, 4.0]);
        assert_eq!(mean, 2.5);
        assert!((error - (5.0_f64 / 12.0).sqrt()).abs() < 1e-15);
    }
}
