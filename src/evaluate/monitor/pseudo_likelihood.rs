//! The pseudo-likelihood: each visible variable given all others.
//!
//! A Bernoulli or spin unit is a variable, and so is a softmax group. `ln P(x_i | rest)` is
//! `-ln sum_y e^(F(v) - F(v with x_i = y))` over the values `y` that it can have.

use crate::{
    dataset::Rows,
    error::{Error, Result},
    kernel::{reduce::LogSum, reference::softplus, softplus::softplus_change},
    model::{BoltzmannMachine, Rbm},
    rng::{Draws, Site},
    threads::{in_pool, prelude::*},
    units::{Kind, Segment},
};

/// A machine with a [`pseudo_likelihood`]: an RBM, or a general machine without hidden units. It is
/// not for other types to implement.
pub trait PseudoLikelihood {
    /// The number of visible variables.
    #[doc(hidden)]
    fn variables(&self) -> Result<usize>;

    /// Weighted mean over the rows of the sum of `ln P` over all variables, or of the one that is
    /// chosen for the row.
    #[doc(hidden)]
    fn mean_log_conditional(
        &self,
        rows: Rows<'_>,
        chosen: Option<&(dyn Fn(usize) -> usize + Sync)>,
    ) -> Result<f64>;
}

/// Weighted mean over the rows of `sum_i ln P(v_i | v_-i)` (Besag 1975), over the visible
/// variables: units that are on or off, spins, softmax groups. Hidden units of an RBM may be of any
/// kind. A real value `v_i` in [0, 1] of a Bernoulli unit is flipped to `1 - v_i`; of a group with
/// real values the unit with the largest is the one that is on. Cost of a row: `2 n_visible
/// n_hidden` softplus; of a general machine `n_visible^2`.
///
/// # Errors
/// [`Error::Shape`] unless `v` has the machine's visible units; [`Error::Parameter`] for continuous
/// visible units, for missing values, and for hidden units of a general machine.
pub fn pseudo_likelihood<'a>(
    machine: &dyn PseudoLikelihood,
    v: impl Into<Rows<'a>>,
) -> Result<f64> {
    machine.variables()?;
    machine.mean_log_conditional(v.into(), None)
}

/// An unbiased estimate of [`pseudo_likelihood`]: one variable a row, drawn at random, times their
/// number. Cost: that of [`pseudo_likelihood`] by their number.
///
/// # Errors
/// As [`pseudo_likelihood`].
pub fn stochastic_pseudo_likelihood<'a>(
    machine: &dyn PseudoLikelihood,
    v: impl Into<Rows<'a>>,
    seed: u64,
) -> Result<f64> {
    let n = machine.variables()?;
    if n == 0 {
        return Ok(0.0);
    }
    let draws = Draws::new(seed, Site::PseudoLikelihood, 0);
    let chosen = |s: usize| ((u64::from(draws.bits(s, 0)) * n as u64) >> 32) as usize;
    machine.mean_log_conditional(v.into(), Some(&chosen))
}

/// What refuses missing values.
const NAME: &str = "a pseudo-likelihood";

fn weighted_sum(x: &[f64], weights: &[f32]) -> f64 {
    let weighted = x.iter().zip(weights).map(|(x, &w)| x * f64::from(w));
    weighted.sum()
}

/// The sum of the weights, or the number of rows.
fn weight_of_all(rows: Rows<'_>) -> f64 {
    match rows.weights() {
        None => rows.input().rows().max(1) as f64,
        Some(weights) => weights.iter().map(|&w| f64::from(w)).sum(),
    }
}

/// A visible variable of an RBM: a unit, or a group.
type Variable = (Kind, std::ops::Range<usize>);

fn variables(segments: &[Segment]) -> Vec<Variable> {
    let of = |s: &Segment| -> Vec<Variable> {
        match s.kind {
            Kind::Softmax => vec![(s.kind, s.range())],
            kind => s.range().map(|i| (kind, i..i + 1)).collect(),
        }
    };
    segments.iter().flat_map(of).collect()
}

/// The rise of `-F` through the hidden units when their inputs change by `by` times `weights`.
fn change(rbm: &Rbm, input: &[f32], weights: &[f32], by: f32) -> f64 {
    if rbm.hidden().units.are(Kind::Bernoulli) {
        return softplus_change(input, weights, by);
    }
    let wide = |by: f64| -> Vec<f64> {
        let units = input.iter().zip(weights);
        units
            .map(|(&x, &w)| f64::from(x) + by * f64::from(w))
            .collect()
    };
    let hidden = rbm.hidden();
    hidden.log_partition(&wide(by.into()), 1.0) - hidden.log_partition(&wide(0.0), 1.0)
}

/// `ln P(variable | other visible units)`, given the inputs of the hidden units.
fn log_conditional(
    rbm: &Rbm,
    input: &[f32],
    (kind, units): &Variable,
    state: impl Fn(usize) -> f32,
) -> f64 {
    let bias = &rbm.visible().bias;
    let row = |i: usize| rbm.weights().row(i);
    if *kind != Kind::Softmax {
        let i = units.start;
        let by = match kind {
            Kind::Spin => -2.0 * state(i),
            _ => 1.0 - 2.0 * state(i),
        };
        return -softplus(change(rbm, input, row(i), by) + f64::from(by) * f64::from(bias[i]));
    }
    let most = units.clone().max_by(|&i, &j| state(i).total_cmp(&state(j)));
    let on = most.unwrap_or(units.start);
    let mut sum = LogSum::default();
    sum.add(0.0);
    for other in units.clone().filter(|&i| i != on) {
        let pairs = row(other).iter().zip(row(on));
        let difference: Vec<f32> = pairs.map(|(a, b)| a - b).collect();
        let of_bias = f64::from(bias[other]) - f64::from(bias[on]);
        sum.add(change(rbm, input, &difference, 1.0) + of_bias);
    }
    -sum.value()
}

impl PseudoLikelihood for Rbm {
    fn variables(&self) -> Result<usize> {
        let units = &self.visible().units;
        if !units.are_discrete() || self.visible().are_counts() {
            return Err(Error::parameter(
                "visible units of a pseudo-likelihood",
                "bernoulli, spin and softmax units",
                units,
            ));
        }
        Ok(variables(units.segments()).len())
    }

    fn mean_log_conditional(
        &self,
        rows: Rows<'_>,
        chosen: Option<&(dyn Fn(usize) -> usize + Sync)>,
    ) -> Result<f64> {
        let v = rows.complete(NAME)?;
        let all = variables(self.visible().units.segments());
        let mut sum = 0.0;
        for (range, part) in v.chunks() {
            let input = self.input_h_from_v(part, 1.0)?;
            let of_row = |s: usize| -> f64 {
                let state = |i: usize| part.get(s, i);
                let of = |x: &Variable| log_conditional(self, input.row(s), x, state);
                match chosen {
                    None => all.iter().map(of).sum(),
                    Some(chosen) => all.len() as f64 * of(&all[chosen(range.start + s)]),
                }
            };
            let found = (0..part.rows()).into_par_iter().map(of_row);
            let found: Vec<f64> = in_pool(|| found.collect());
            sum += match rows.weights() {
                None => found.into_iter().sum::<f64>(),
                Some(weights) => weighted_sum(&found, &weights[range]),
            };
        }
        Ok(sum / weight_of_all(rows))
    }
}

impl PseudoLikelihood for BoltzmannMachine {
    fn variables(&self) -> Result<usize> {
        if self.n_hidden() > 0 {
            let what = "hidden units of a pseudo-likelihood";
            return Err(Error::parameter(what, 0, self.n_hidden()));
        }
        Ok(variables(self.visible().units.segments()).len())
    }

    fn mean_log_conditional(
        &self,
        rows: Rows<'_>,
        chosen: Option<&(dyn Fn(usize) -> usize + Sync)>,
    ) -> Result<f64> {
        let x = rows.complete(NAME)?;
        let n = self.n_visible();
        if x.columns() != n {
            return Err(Error::shape("units of the input", n, x.columns()));
        }
        if x.rows() == 0 {
            return Err(Error::parameter("rows", "at least 1", 0));
        }
        let all = variables(self.visible().units.segments());
        let mut total = 0.0;
        let mut row = vec![0.0; n];
        for s in 0..x.rows() {
            for (i, to) in row.iter_mut().enumerate() {
                *to = f64::from(x.get(s, i));
            }
            let input = |i: usize| {
                let weights = self.visible_weights().row(i).iter().zip(&row);
                f64::from(self.visible().bias[i])
                    + 2.0 * weights.map(|(&u, x)| f64::from(u) * x).sum::<f64>()
            };
            let of = |k: usize| {
                let (kind, units) = &all[k];
                if *kind != Kind::Softmax {
                    let y = input(units.start);
                    return row[units.start] * y - softplus(y);
                }
                let (mut sum, mut own) = (LogSum::default(), 0.0);
                for i in units.clone() {
                    let y = input(i);
                    sum.add(y);
                    own += row[i] * y;
                }
                own - sum.value()
            };
            let k = all.len();
            match (rows.weights(), chosen) {
                (None, None) => (0..k).for_each(|i| total += of(i)),
                (None, Some(chosen)) => total += k as f64 * of(chosen(s)),
                (Some(w), None) => total += f64::from(w[s]) * (0..k).map(of).sum::<f64>(),
                (Some(w), Some(chosen)) => total += f64::from(w[s]) * k as f64 * of(chosen(s)),
            }
        }
        Ok(total / weight_of_all(rows))
    }
}
