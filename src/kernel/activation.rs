//! Sigmoid and softplus of f32.

use crate::simd::{Operation, Simd, dispatch};

/// Bound on the error of [`sigmoid`]: this many units in the last place of the result, for
/// `|x| <= 87`; beyond, 1e-37.
pub const SIGMOID_MAX_ULP: f64 = 4.0;
/// Bound on the error of [`softplus`]: this many units in the last place of the result, for
/// `x >= -87`; below, 1e-37.
pub const SOFTPLUS_MAX_ULP: f64 = 4.0;

/// Beyond this the exponential leaves the normal floats.
const EXP_LIMIT: f32 = 87.3;

/// `e^x` for `|x| <= EXP_LIMIT`: `x = n ln 2 / 8 + r`, a power of `2^(1/8)` and a polynomial in `r`
/// that is off by less than `2^-25`. Every operation rounds for itself, so that all instruction
/// sets give the same bits; with steps of an eighth three coefficients do where whole powers of two
/// take six, and nothing is lost by it.
#[inline(always)]
fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    const STEPS: f32 = 8.0 * std::f32::consts::LOG2_E;
    let rounded = s.add(s.mul(x, s.splat(STEPS)), s.splat(ROUND));
    let n = s.sub(rounded, s.splat(ROUND));
    // ln 2 / 8 in two parts, the first short enough for an exact product with n.
    let r = s.sub(x, s.mul(n, s.splat(5678.0 / 65_536.0)));
    let r = s.sub(r, s.mul(n, s.splat(3.993_273e-6)));
    // e^r - 1, |r| < 0.0434: r + r^2 (1/2 + 0.0345 h^2) + r^3 (1/6 + h^2 / 180), h the largest |r|.
    let p = s.add(s.mul(r, s.splat(0.166_677_1)), s.splat(0.500_064_8));
    let p = s.mul(s.add(s.mul(p, r), s.splat(1.0)), r);
    let power = s.exp2_eighths(rounded);
    s.add(s.mul(power, p), power)
}

/// `1 / sigma(x) = 1 + e^(-x)`, between 1 and e^87.3.
#[inline(always)]
pub(crate) fn inverse_sigmoid_lanes<S: Simd>(s: S, x: S::F) -> S::F {
    let minus = s.sub(s.splat(0.0), x);
    let minus = s.max(s.splat(-EXP_LIMIT), s.min(s.splat(EXP_LIMIT), minus));
    s.add(s.splat(1.0), exp(s, minus))
}

/// The vector body of [`sigmoid`].
#[inline(always)]
pub(crate) fn sigmoid_lanes<S: Simd>(s: S, x: S::F) -> S::F {
    s.div(s.splat(1.0), inverse_sigmoid_lanes(s, x))
}

/// `e^-|x|`, at least `e^-EXP_LIMIT`.
#[inline(always)]
pub(crate) fn exp_minus_abs<S: Simd>(s: S, x: S::F) -> S::F {
    let minus_abs = s.min(x, s.sub(s.splat(0.0), x));
    exp(s, s.max(s.splat(-EXP_LIMIT), minus_abs))
}

/// The vector body of [`softplus`]: `max(x, 0) + ln(1 + z)` with `z = e^-|x|` and
/// `ln(1 + z) = 2 artanh(z / (2 + z))`.
#[inline(always)]
pub(crate) fn softplus_lanes<S: Simd>(s: S, x: S::F) -> S::F {
    let zero = s.splat(0.0);
    let z = exp_minus_abs(s, x);
    let t = s.div(z, s.add(z, s.splat(2.0)));
    let w = s.mul(t, t);
    // The series of artanh; t <= 1/3, so the first term left out is below 2^-26 of the sum.
    let mut p = s.splat(2.0 / 13.0);
    for c in [2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0, 2.0] {
        p = s.add(s.mul(p, w), s.splat(c));
    }
    s.add(s.mul(p, t), s.max(x, zero))
}

/// `f` of every element, in place.
struct Map<'a, const SOFTPLUS: bool>(&'a mut [f32]);

impl<const SOFTPLUS: bool> Operation for Map<'_, SOFTPLUS> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let f = |x| {
            if SOFTPLUS {
                softplus_lanes(s, x)
            } else {
                sigmoid_lanes(s, x)
            }
        };
        let mut chunks = self.0.chunks_exact_mut(S::LANES);
        for chunk in &mut chunks {
            let y = f(s.load(chunk));
            s.store(chunk, y);
        }
        let rest = chunks.into_remainder();
        if !rest.is_empty() {
            let mut buffer = [0.0; 16];
            buffer[..rest.len()].copy_from_slice(rest);
            let y = f(s.load(&buffer));
            s.store(&mut buffer, y);
            rest.copy_from_slice(&buffer[..rest.len()]);
        }
    }
}

/// `x_i <- 1 / (1 + e^(-x_i))`. Error: at most [`SIGMOID_MAX_ULP`]. NaN gives some number in [0, 1]
/// or NaN.
pub fn sigmoid(x: &mut [f32]) {
    dispatch(Map::<false>(x));
}

/// `x_i <- ln(1 + e^(x_i))`. Error: at most [`SOFTPLUS_MAX_ULP`].
pub fn softplus(x: &mut [f32]) {
    dispatch(Map::<true>(x));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernel::reference,
        simd::{Isa, bits_of, dispatch_on, same_on_all},
    };

    fn ulp(x: f64) -> f64 {
        let x = (x as f32).abs().max(f32::MIN_POSITIVE);
        f64::from(f32::from_bits(x.to_bits() + 1)) - f64::from(x)
    }

    /// The worst errors in ULP of the two functions over `inputs`, and of the absolute error beyond
    /// the limits.
    fn worst(isa: Isa, inputs: &[f32]) -> (f64, f64) {
        let mut sigmoid = inputs.to_vec();
        dispatch_on(isa, Map::<false>(&mut sigmoid));
        let mut softplus = inputs.to_vec();
        dispatch_on(isa, Map::<true>(&mut softplus));
        let mut out = (0.0_f64, 0.0_f64);
        for ((&x, &p), &q) in inputs.iter().zip(&sigmoid).zip(&softplus) {
            let x64 = f64::from(x);
            let exact = reference::sigmoid(x64);
            let error = (f64::from(p) - exact).abs();
            if x64.abs() <= 87.0 {
                out.0 = out.0.max(error / ulp(exact));
            } else {
                assert!(error < 1e-37, "{isa}: sigmoid({x}) = {p}");
            }
            let exact = reference::softplus(x64);
            let error = (f64::from(q) - exact).abs();
            if x64 >= -87.0 {
                out.1 = out.1.max(error / ulp(exact));
            } else {
                assert!(error < 1e-37, "{isa}: softplus({x}) = {q}");
            }
        }
        out
    }

    fn assert_bounds(isa: Isa, inputs: &[f32]) {
        let (sigmoid, softplus) = worst(isa, inputs);
        assert!(
            sigmoid <= SIGMOID_MAX_ULP,
            "{isa}: sigmoid is off by {sigmoid} ULP"
        );
        assert!(
            softplus <= SOFTPLUS_MAX_ULP,
            "{isa}: softplus is off by {softplus} ULP"
        );
    }

    #[test]
    fn errors_stay_within_the_stated_bounds() {
        let mut inputs: Vec<f32> = (0..(1_u32 << 20))
            .map(|k| f32::from_bits(k << 12))
            .collect();
        inputs.extend((-200_000..200_000).map(|k| k as f32 * 5e-4));
        inputs.retain(|x| x.is_finite());
        inputs.extend([
            0.0,
            -0.0,
            f32::MIN_POSITIVE,
            f32::MAX,
            f32::MIN,
            1e-45,
            -1e-45,
        ]);
        for isa in Isa::available() {
            assert_bounds(isa, &inputs);
        }
        same_on_all(|isa| {
            let (mut sigmoid, mut softplus) = (inputs.clone(), inputs.clone());
            dispatch_on(isa, Map::<false>(&mut sigmoid));
            dispatch_on(isa, Map::<true>(&mut softplus));
            [bits_of(&sigmoid), bits_of(&softplus)]
        });
    }

    /// `cargo test --release -- --ignored every_f32`
    #[test]
    #[ignore = "tries all 2^32 floats: minutes"]
    fn every_f32() {
        use crate::threads::prelude::*;
        for isa in Isa::available() {
            let worst = (0..1_u32 << 12)
                .into_par_iter()
                .map(|high| {
                    let inputs: Vec<f32> = (0..1_u32 << 20)
                        .map(|low| f32::from_bits(high << 20 | low))
                        .filter(|x| x.is_finite())
                        .collect();
                    worst(isa, &inputs)
                })
                .reduce(|| (0.0, 0.0), |a, b| (a.0.max(b.0), a.1.max(b.1)));
            println!(
                "{isa}: sigmoid {:.3} ULP, softplus {:.3} ULP",
                worst.0, worst.1
            );
            assert!(worst.0 <= SIGMOID_MAX_ULP && worst.1 <= SOFTPLUS_MAX_ULP);
        }
    }

    #[test]
    fn any_length_leaves_neighbors_alone() {
        for isa in Isa::available() {
            for n in 0..40 {
                let mut x = vec![0.5; n + 2];
                dispatch_on(isa, Map::<false>(&mut x[1..=n]));
                assert_eq!((x[0], x[n + 1]), (0.5, 0.5));
                assert!(x[1..=n].iter().all(|&p| (p - 0.622_459_3).abs() < 1e-6));
            }
        }
    }
}
