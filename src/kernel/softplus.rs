//! Sums of softplus over the hidden units of one row, in vectors.

use super::{
    activation::{exp_minus_abs, softplus_lanes},
    reference::softplus,
};
use crate::simd::{Operation, SUM_LANES, Simd, add_lanes, dispatch};

/// Bound on the relative error of [`softplus_sum`] beside [`MAX_ERROR_OF_UNIT`], and on that of
/// [`softplus_change`] relative to the sum of its terms without signs: f32 a unit, and within 64
/// units.
#[cfg(test)]
const MAX_ERROR: f64 = 1e-5;
/// Bound on the error that a unit adds to [`softplus_sum`] however small its term: the factor
/// `1 + e^-|x|` and the product are rounded to f32, half of 2^-23 each, and `e^-|x|` before.
#[cfg(test)]
const MAX_ERROR_OF_UNIT: f64 = 1.0 / (1 << 22) as f64;

/// Units whose factors are multiplied in f32: at most 2^64 a lane, and 2^256 all together.
const FACTORS: usize = 256;

/// `sum_j ln(1 + e^(x_j))`, `x = base + u`. On the calling thread.
pub(crate) fn softplus_sum(base: &[f32], u: &[f32]) -> f64 {
    dispatch(SoftplusSum { base, u })
}

/// `sum_j ln(1 + e^(x_j + by w_j)) - ln(1 + e^(x_j))`. On the calling thread.
pub(crate) fn softplus_change(x: &[f32], w: &[f32], by: f32) -> f64 {
    dispatch(SoftplusChange { x, w, by })
}

/// [`softplus_sum`] as the sum of `max(x, 0)` and the logarithm of the product of `1 + e^-|x|`: one
/// exponential a unit and one logarithm for 256. Within 64 units f32 in [`SUM_LANES`], f64 between.
struct SoftplusSum<'a> {
    base: &'a [f32],
    u: &'a [f32],
}

impl Operation for SoftplusSum<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        let mut total = 0.0;
        for (base, u) in self.base.chunks(FACTORS).zip(self.u.chunks(FACTORS)) {
            let mut products = [one; 2];
            for (base, u) in base.chunks(64).zip(u.chunks(64)) {
                let mut sums = [zero; 2];
                let mut add = |k: usize, x| {
                    sums[k] = s.add(sums[k], s.max(x, zero));
                    products[k] = s.mul(products[k], s.add(one, exp_minus_abs(s, x)));
                };
                let (base, u) = (base.chunks_exact(SUM_LANES), u.chunks_exact(SUM_LANES));
                let rest = [base.remainder(), u.remainder()];
                for (x, y) in base.zip(u) {
                    let vectors = x.chunks_exact(S::LANES).zip(y.chunks_exact(S::LANES));
                    for (k, (x, y)) in vectors.enumerate() {
                        add(k, s.add(s.load(x), s.load(y)));
                    }
                }
                if !rest[0].is_empty() {
                    // Units that are not there: no part of the sum, and factors of 1.
                    let mut x = [-1e4; SUM_LANES];
                    for (x, (base, u)) in x.iter_mut().zip(rest[0].iter().zip(rest[1])) {
                        *x = base + u;
                    }
                    for (k, x) in x.chunks_exact(S::LANES).enumerate() {
                        add(k, s.load(x));
                    }
                }
                total = add_lanes(s, total, &sums, SUM_LANES);
            }
            let mut lanes = [0.0; SUM_LANES];
            for (to, product) in lanes.chunks_exact_mut(S::LANES).zip(products) {
                s.store(to, product);
            }
            let product: f64 = lanes.iter().map(|&x| f64::from(x)).product();
            total += product.ln();
        }
        total
    }
}

/// [`softplus_change`] as an operation; what fills no [`SUM_LANES`] in f64.
struct SoftplusChange<'a> {
    x: &'a [f32],
    w: &'a [f32],
    by: f32,
}

impl Operation for SoftplusChange<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let by = s.splat(self.by);
        let mut sums = [s.splat(0.0); 2];
        let inputs = self.x.chunks_exact(SUM_LANES);
        let weights = self.w.chunks_exact(SUM_LANES);
        let rest = inputs.remainder().iter().zip(weights.remainder());
        for (x, w) in inputs.zip(weights) {
            let vectors = x.chunks_exact(S::LANES).zip(w.chunks_exact(S::LANES));
            for (sum, (x, w)) in sums.iter_mut().zip(vectors) {
                let x = s.load(x);
                let changed = softplus_lanes(s, s.add(x, s.mul(by, s.load(w))));
                *sum = s.add(*sum, s.sub(changed, softplus_lanes(s, x)));
            }
        }
        let whole = add_lanes(s, 0.0, &sums, SUM_LANES);
        let last: f64 = rest
            .map(|(&x, &w)| {
                softplus(f64::from(x) + f64::from(self.by) * f64::from(w)) - softplus(f64::from(x))
            })
            .sum();
        whole + last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernel::reference,
        simd::{Isa, dispatch_on, same_on_all},
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_match_their_twins(
            all in prop::collection::vec((-30.0_f32..30.0, -9.0_f32..9.0), 0..600),
            by in -1.0_f32..1.0,
        ) {
            let (x, w): (Vec<f32>, Vec<f32>) = all.into_iter().unzip();
            let sum = reference::softplus_sum(&x, &w);
            let change = reference::softplus_change(&x, &w, by);
            let size: f64 = x.iter().map(|&x| softplus(f64::from(x).abs() + 9.0)).sum();
            same_on_all(|isa| [
                dispatch_on(isa, SoftplusSum { base: &x, u: &w }).to_bits(),
                dispatch_on(isa, SoftplusChange { x: &x, w: &w, by }).to_bits(),
            ]);
            for isa in Isa::available() {
                let got = dispatch_on(isa, SoftplusSum { base: &x, u: &w });
                let bound = MAX_ERROR * sum + MAX_ERROR_OF_UNIT * x.len() as f64;
                prop_assert!((got - sum).abs() <= bound, "{}: {} for {}", isa, got, sum);
                let got = dispatch_on(isa, SoftplusChange { x: &x, w: &w, by });
                prop_assert!((got - change).abs() <= MAX_ERROR * size, "{}: {} for {}", isa, got, change);
            }
        }
    }
}
