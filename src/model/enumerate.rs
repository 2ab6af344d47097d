//! Exact sums over all states of the smaller layer of an RBM, in f64, in Gray-code order, on all cores.
//!
//! With the other layer summed in closed form, `ln Z = ln sum_h e^(c.h + sum_i ln(1 + e^(b_i + (W h)_i)))`. Consecutive Gray codes differ
//! in one unit, so a step adds or subtracts one row of weights. Blocks of states start from scratch, so rounding does not pile up, and
//! are combined in order, so threads do not change the result.

use super::{Rbm, enumerate_general as general};
use crate::{
    error::{Error, Result},
    kernel::{reduce::LogSum, reference::sigmoid},
    matrix::Matrix,
};
use rayon::prelude::*;

/// Most units of the smaller layer that are enumerated: 2^30 states.
pub const MAX_EXACT_UNITS: usize = 30;

/// Units of one block: 2^12 states are walked between fresh starts.
const BLOCK_UNITS: usize = 12;
/// Blocks are dealt to at most this many accumulators of expectations.
const MAX_ACCUMULATORS: usize = 64;
/// Factors of `1 + e^-|x| <= 2` multiplied before a logarithm is taken: 2^512 is far from overflow.
const FACTORS_PER_LOG: usize = 512;
/// Rough cost of one unit of one state on one core, for the estimate in the refusal.
const NANOSECONDS_A_UNIT: f64 = 5.0;

/// Which layer's states are enumerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// All `v`; hidden units summed in closed form.
    Visible,
    /// All `h`; visible units summed in closed form.
    Hidden,
}

/// Exact expectations under the machine.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// `ln Z`.
    pub log_z: f64,
    /// `E[v h']` `[n_visible x n_hidden]`.
    pub weights: Matrix,
    /// `E[v]`.
    pub visible: Vec<f64>,
    /// `E[h]`.
    pub hidden: Vec<f64>,
    /// `E[v_i^2]` if there are Gaussian visible units, else empty.
    pub visible_squares: Vec<f64>,
    /// `E[h_j^2]` if there are Gaussian hidden units, else empty.
    pub hidden_squares: Vec<f64>,
}

/// An RBM seen from the enumerated layer: row `k` of `weights` is what unit `k` adds to the inputs of the other layer.
struct Enumeration {
    n: usize,
    own_bias: Vec<f64>,
    other_bias: Vec<f64>,
    /// `[n x other]`
    weights: Vec<f64>,
    beta: f64,
}

impl Enumeration {
    fn new(rbm: &Rbm, side: Side, beta: f64) -> Result<Self> {
        let (own, other) = match side {
            Side::Visible => (rbm.visible(), rbm.hidden()),
            Side::Hidden => (rbm.hidden(), rbm.visible()),
        };
        let (n, m) = (own.size(), other.size());
        if n > MAX_EXACT_UNITS {
            let seconds = (n as f64).exp2() * m as f64 * NANOSECONDS_A_UNIT
                / 1e9
                / rayon::current_num_threads() as f64;
            return Err(Error::parameter(
                "units to enumerate",
                format!("at most {MAX_EXACT_UNITS}"),
                format!("{n}: 2^{n} states would take about {}", duration(seconds)),
            ));
        }
        rbm.check_finite()?;
        let w = rbm.weights();
        let weights = (0..n * m)
            .map(|k| {
                let (a, b) = (k / m, k % m);
                f64::from(if side == Side::Visible {
                    w.row(a)[b]
                } else {
                    w.row(b)[a]
                })
            })
            .collect();
        let widen = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect();
        Ok(Self {
            n,
            own_bias: widen(&own.bias),
            other_bias: widen(&other.bias),
            weights,
            beta,
        })
    }

    fn block_units(&self) -> usize {
        self.n.min(BLOCK_UNITS)
    }

    fn blocks(&self) -> u64 {
        1 << (self.n - self.block_units())
    }

    /// Calls `visit(state, own_bias . state, inputs of the other layer)` for every state of a block.
    fn walk(&self, block: u64, mut visit: impl FnMut(u64, f64, &[f64])) {
        let m = self.other_bias.len();
        let mut state = block << self.block_units();
        let mut own = 0.0;
        let mut input = self.other_bias.clone();
        for k in (0..self.n).filter(|&k| state >> k & 1 == 1) {
            own += self.own_bias[k];
            for (x, w) in input.iter_mut().zip(&self.weights[k * m..][..m]) {
                *x += w;
            }
        }
        visit(state, own, &input);
        for step in 1_u64..1 << self.block_units() {
            let k = step.trailing_zeros() as usize;
            state ^= 1 << k;
            let row = &self.weights[k * m..][..m];
            if state >> k & 1 == 1 {
                own += self.own_bias[k];
                input.iter_mut().zip(row).for_each(|(x, w)| *x += w);
            } else {
                own -= self.own_bias[k];
                input.iter_mut().zip(row).for_each(|(x, w)| *x -= w);
            }
            visit(state, own, &input);
        }
    }

    /// `ln` of the unnormalised probability of a state of the enumerated layer.
    fn log_weight(&self, own: f64, input: &[f64]) -> f64 {
        let mut sum = own * self.beta;
        for chunk in input.chunks(FACTORS_PER_LOG) {
            let mut product = 1.0;
            for &x in chunk {
                let x = x * self.beta;
                sum += x.max(0.0);
                product *= 1.0 + (-x.abs()).exp();
            }
            sum += product.ln();
        }
        sum
    }

    fn log_z(&self) -> f64 {
        let sums: Vec<LogSum> = (0..self.blocks())
            .into_par_iter()
            .map(|block| {
                let mut sum = LogSum::default();
                self.walk(block, |_, own, input| sum.add(self.log_weight(own, input)));
                sum
            })
            .collect();
        let mut total = LogSum::default();
        sums.into_iter().for_each(|sum| total.merge(sum));
        total.value()
    }
}

/// A number of seconds as a person would say it.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} seconds"),
        s if s < 7200.0 => format!("{:.0} minutes", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} hours", s / 3600.0),
        s if s < 63_072_000.0 => format!("{:.0} days", s / 86_400.0),
        s => format!("{:.1e} years", s / 31_536_000.0),
    }
}

impl Rbm {
    /// The layer with fewer units; for machines of other than Bernoulli units the discrete layer with fewer states.
    pub fn smaller_side(&self) -> Side {
        if !self.is_bernoulli() {
            return general::smaller_side(self);
        }
        if self.n_visible() < self.n_hidden() {
            Side::Visible
        } else {
            Side::Hidden
        }
    }

    /// Exact `ln Z` at `beta` by enumeration of the states of `side`. Error: a few rounding errors of f64 per unit, below 1e-9 for inputs
    /// below 1000. Cost: `2^n x` the units of the other side, exponentials.
    ///
    /// # Errors
    /// [`Error::Parameter`] beyond [`MAX_EXACT_UNITS`] units or for a side with continuous units, [`Error::NotFinite`] for NaN or infinite
    /// parameters.
    pub fn log_z_over(&self, side: Side, beta: f64) -> Result<f64> {
        if !self.is_bernoulli() {
            return general::log_z_over(self, side, beta);
        }
        Ok(Enumeration::new(self, side, beta)?.log_z())
    }

    /// Exact `ln Z` by enumeration of the smaller layer.
    ///
    /// # Errors
    /// As [`Self::log_z_over`].
    pub fn log_z(&self) -> Result<f64> {
        self.log_z_over(self.smaller_side(), 1.0)
    }

    /// Exact expectations by enumeration of the smaller layer. Cost: some `n_visible x n_hidden / 2` additions for each of its states.
    ///
    /// # Errors
    /// As [`Self::log_z_over`].
    pub fn expectations(&self) -> Result<Expectations> {
        if !self.is_bernoulli() {
            return general::expectations(self);
        }
        let side = self.smaller_side();
        let e = Enumeration::new(self, side, 1.0)?;
        let log_z = e.log_z();
        let m = e.other_bias.len();
        let accumulators = e.blocks().min(MAX_ACCUMULATORS as u64);
        // Per accumulator: E[own x other], E[own], E[other].
        let parts: Vec<(Vec<f64>, Vec<f64>, Vec<f64>)> = (0..accumulators)
            .into_par_iter()
            .map(|part| {
                let mut sums = (vec![0.0; e.n * m], vec![0.0; e.n], vec![0.0; m]);
                let mut mean = vec![0.0; m];
                for block in (part..e.blocks()).step_by(accumulators as usize) {
                    e.walk(block, |state, own, input| {
                        let p = (e.log_weight(own, input) - log_z).exp();
                        for (mean, &x) in mean.iter_mut().zip(input) {
                            *mean = p * sigmoid(x);
                        }
                        sums.2.iter_mut().zip(&mean).for_each(|(s, x)| *s += x);
                        for k in (0..e.n).filter(|&k| state >> k & 1 == 1) {
                            sums.1[k] += p;
                            let row = &mut sums.0[k * m..][..m];
                            row.iter_mut().zip(&mean).for_each(|(s, x)| *s += x);
                        }
                    });
                }
                sums
            })
            .collect();
        let (mut pairs, mut own, mut other) = (vec![0.0; e.n * m], vec![0.0; e.n], vec![0.0; m]);
        for (a, b, c) in parts {
            pairs.iter_mut().zip(a).for_each(|(s, x)| *s += x);
            own.iter_mut().zip(b).for_each(|(s, x)| *s += x);
            other.iter_mut().zip(c).for_each(|(s, x)| *s += x);
        }
        let weights = Matrix::from_fn(self.n_visible(), self.n_hidden(), |i, j| {
            let (k, l) = if side == Side::Visible {
                (i, j)
            } else {
                (j, i)
            };
            pairs[k * m + l] as f32
        });
        let (visible, hidden) = if side == Side::Visible {
            (own, other)
        } else {
            (other, own)
        };
        Ok(Expectations {
            log_z,
            weights,
            visible,
            hidden,
            visible_squares: Vec::new(),
            hidden_squares: Vec::new(),
        })
    }

    /// `p(v)` at `beta` of all `2^n_visible` visible states, in the order of their index: bit `i` of the index is unit `i`; for other
    /// discrete units the index is that of [`super::Layer::state`].
    ///
    /// # Errors
    /// As [`Self::log_z_over`].
    pub fn visible_distribution(&self, beta: f64) -> Result<Vec<f64>> {
        if !self.is_bernoulli() {
            return general::visible_distribution(self, beta);
        }
        let e = Enumeration::new(self, Side::Visible, beta)?;
        let mut p = vec![0.0; 1 << e.n];
        for block in 0..e.blocks() {
            e.walk(block, |state, own, input| {
                p[state as usize] = e.log_weight(own, input)
            });
        }
        let log_z = crate::kernel::reduce::log_sum_exp(&p);
        p.iter_mut().for_each(|p| *p = (*p - log_z).exp());
        Ok(p)
    }
}
