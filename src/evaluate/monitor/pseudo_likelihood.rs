//! The pseudo-likelihood: each visible unit given all others.

use crate::{
    error::Result,
    kernel::{reference::softplus, softplus::softplus_change},
    matrix::MatrixView,
    model::Rbm,
    rng::{Draws, Site},
    states::Input,
    threads::{in_pool, prelude::*},
};

/// `ln P(v_i | other visible units) = -ln(1 + e^(F(v) - F(v with unit i flipped)))`, given the
/// inputs of the hidden units.
fn log_conditional(rbm: &Rbm, input: &[f32], i: usize, v: f32) -> f64 {
    let by = 1.0 - 2.0 * v;
    let change = softplus_change(input, rbm.weights().row(i), by);
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
