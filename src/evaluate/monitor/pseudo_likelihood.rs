//! The pseudo-likelihood: each visible unit given all others.

use crate::{
    error::Result,
    kernel::{activation::softplus_lanes, reference::softplus},
    matrix::MatrixView,
    model::Rbm,
    rng::{Draws, Site},
    simd::{Operation, Simd, dispatch},
    states::Input,
    threads::{in_pool, prelude::*},
};

/// `sum_j ln(1 + e^(x_j + d w_j)) - ln(1 + e^(x_j))` of one unit's row of weights.
struct Change<'a> {
    input: &'a [f32],
    weights: &'a [f32],
    by: f32,
}

impl Operation for Change<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let by = s.splat(self.by);
        let mut sum = s.splat(0.0);
        let inputs = self.input.chunks_exact(S::LANES);
        let weights = self.weights.chunks_exact(S::LANES);
        let rest = inputs.remainder().iter().zip(weights.remainder());
        for (x, w) in inputs.zip(weights) {
            let x = s.load(x);
            let changed = softplus_lanes(s, s.mul_add(by, s.load(w), x));
            sum = s.add(sum, s.sub(changed, softplus_lanes(s, x)));
        }
        let mut lanes = [0.0; 16];
        s.store(&mut lanes, sum);
        let whole: f64 = lanes.iter().map(|&x| f64::from(x)).sum();
        let last: f64 = rest
            .map(|(&x, &w)| {
                softplus(f64::from(x) + f64::from(self.by) * f64::from(w)) - softplus(f64::from(x))
            })
            .sum();
        whole + last
    }
}

/// `ln P(v_i | other visible units) = -ln(1 + e^(F(v) - F(v with unit i flipped)))`, given the
/// inputs of the hidden units.
fn log_conditional(rbm: &Rbm, input: &[f32], i: usize, v: f32) -> f64 {
    let by = 1.0 - 2.0 * v;
    let change = dispatch(Change {
        input,
        weights: rbm.weights().row(i),
        by,
    });
    -softplus(change + f64::from(by) * f64::from(rbm.visible().bias[i]))
}

/// Mean over the rows of `f(row, inputs of the hidden units)`.
fn mean_over_rows(rbm: &Rbm, v: Input<'_>, f: impl Fn(usize, &[f32]) -> f64 + Sync) -> Result<f64> {
    let mut sum = 0.0;
    for (range, part) in v.chunks() {
        let input = rbm.input_h_from_v(part, 1.0)?;
        let input: MatrixView<'_> = input.view();
        let rows = (0..part.rows()).into_par_iter();
        let rows = rows.map(|s| f(range.start + s, input.row(s)));
        let rows: Vec<f64> = in_pool(|| rows.collect());
        sum += rows.into_iter().sum::<f64>();
    }
    Ok(sum / v.rows().max(1) as f64)
}

/// Mean over the rows of `sum_i ln P(v_i | v_-i)` (Besag 1975). A real value `v_i` in [0, 1] is
/// flipped to `1 - v_i`. Cost: `2 n_visible n_hidden` softplus a row.
///
/// # Errors
/// [`crate::Error::Shape`] unless `v` has the machine's visible units; [`crate::Error::Parameter`]
/// for other than Bernoulli units.
pub fn pseudo_likelihood<'a>(rbm: &Rbm, v: impl Into<Input<'a>>) -> Result<f64> {
    rbm.expect_bernoulli("pseudo-likelihood")?;
    let v = v.into();
    mean_over_rows(rbm, v, |s, input| {
        (0..rbm.n_visible())
            .map(|i| log_conditional(rbm, input, i, v.get(s, i)))
            .sum()
    })
}

/// An unbiased estimate of [`pseudo_likelihood`]: one unit a row, drawn at random, times
/// `n_visible`. Cost: `2 n_hidden` softplus a row.
///
/// # Errors
/// As [`pseudo_likelihood`].
pub fn stochastic_pseudo_likelihood<'a>(
    rbm: &Rbm,
    v: impl Into<Input<'a>>,
    seed: u64,
) -> Result<f64> {
    rbm.expect_bernoulli("pseudo-likelihood")?;
    let v = v.into();
    let n = rbm.n_visible();
    if n == 0 {
        return Ok(0.0);
    }
    let draws = Draws::new(seed, Site::PseudoLikelihood, 0);
    mean_over_rows(rbm, v, |s, input| {
        let i = ((u64::from(draws.bits(s, 0)) * n as u64) >> 32) as usize;
        n as f64 * log_conditional(rbm, input, i, v.get(s, i))
    })
}
