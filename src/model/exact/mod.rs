//! Exact sums over all states of the smaller layer of an RBM, in f64, in Gray-code order, on all
//! cores.
//!
//! With the other layer summed in closed form,
//! `ln Z = ln sum_h e^(c.h + sum_i ln(1 + e^(b_i + (W h)_i)))`. Consecutive Gray codes differ in
//! one unit, so a step adds or subtracts one row of weights: [`Gray`] does so without exponentials,
//! and the plain walk here is for machines of fewer than nine units or of inputs beyond its range.
//! Blocks of states start from scratch, so rounding does not pile up, and are combined in order, so
//! threads do not change the result.

mod digits;
mod gray;

use super::Rbm;
use crate::{
    error::{Error, Result},
    kernel::{reduce::LogSum, reference::sigmoid},
    matrix::Matrix,
    simd::{Isa, isa},
    stop::Stop,
    threads::{self, in_pool, prelude::*},
};
use digits as general;
use gray::{Gray, LOW, Lines, Row, sum_of};
use std::ops::ControlFlow;

/// Most units of the smaller layer that are enumerated: 2^30 states.
pub const MAX_EXACT_UNITS: usize = 30;

/// Units of one block: 2^12 states are walked between fresh starts.
const BLOCK_UNITS: usize = 12;
/// Blocks are dealt to at most this many accumulators of expectations.
const MAX_ACCUMULATORS: u64 = 64;
/// Factors of `1 + e^-|x| <= 2` multiplied before a logarithm is taken: 2^512 is far from overflow.
const FACTORS_PER_LOG: usize = 512;
/// A long enumeration tells of its progress about so often.
const REPORTS: u64 = 200;

/// Rough cost of one unit of one state on one core of about 4 GHz, for the estimate in the refusal.
fn nanoseconds_a_unit(isa: Isa) -> f64 {
    match isa {
        Isa::Avx512 => 0.02,
        Isa::Avx2 => 0.04,
        Isa::Portable => 0.1,
    }
}

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

/// An RBM at an inverse temperature, which multiplies all parameters, seen from the enumerated
/// layer.
pub(super) struct Enumeration {
    pub(super) n: usize,
    pub(super) own_bias: Vec<f64>,
    pub(super) other_bias: Vec<f64>,
    /// `[n x other]`
    weights: Vec<f64>,
}

impl Enumeration {
    pub(super) fn new(rbm: &Rbm, side: Side, beta: f64) -> Result<Self> {
        crate::environment::check()?;
        let (own, other) = match side {
            Side::Visible => (rbm.visible(), rbm.hidden()),
            Side::Hidden => (rbm.hidden(), rbm.visible()),
        };
        let (n, m) = (own.size(), other.size());
        if n > MAX_EXACT_UNITS {
            let seconds = (n as f64).exp2() * m as f64 * nanoseconds_a_unit(isa())
                / 1e9
                / threads::count() as f64;
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
                beta * f64::from(if side == Side::Visible {
                    w.row(a)[b]
                } else {
                    w.row(b)[a]
                })
            })
            .collect();
        let widen = |x: &[f32]| x.iter().map(|&x| beta * f64::from(x)).collect();
        Ok(Self {
            n,
            own_bias: widen(&own.bias),
            other_bias: widen(&other.bias),
            weights,
        })
    }

    /// What unit `k` adds to the inputs of the other layer.
    pub(super) fn row(&self, k: usize) -> &[f64] {
        let m = self.other_bias.len();
        &self.weights[k * m..][..m]
    }

    fn block_units(&self) -> usize {
        self.n.min(BLOCK_UNITS)
    }

    fn blocks(&self) -> u64 {
        1 << (self.n - self.block_units())
    }

    /// Calls `visit(state, own_bias . state, inputs of the other layer)` for every state of a
    /// block.
    fn walk(&self, block: u64, mut visit: impl FnMut(u64, f64, &[f64])) {
        let mut state = block << self.block_units();
        let mut own = 0.0;
        let mut input = self.other_bias.clone();
        for k in (0..self.n).filter(|&k| state >> k & 1 == 1) {
            own += self.own_bias[k];
            input.iter_mut().zip(self.row(k)).for_each(|(x, w)| *x += w);
        }
        visit(state, own, &input);
        for step in 1_u64..1 << self.block_units() {
            let k = step.trailing_zeros() as usize;
            state ^= 1 << k;
            let row = self.row(k);
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

    /// `ln` of the unnormalized probability of a state of the enumerated layer.
    fn log_weight(own: f64, input: &[f64]) -> f64 {
        let mut sum = own;
        for chunk in input.chunks(FACTORS_PER_LOG) {
            let mut product = 1.0;
            for &x in chunk {
                sum += x.max(0.0);
                product *= 1.0 + (-x.abs()).exp();
            }
            sum += product.ln();
        }
        sum
    }

    fn log_sum(&self, block: u64) -> LogSum {
        let mut sum = LogSum::default();
        self.walk(block, |_, own, input| sum.add(Self::log_weight(own, input)));
        sum
    }

    /// `ln Z`; `None` if `progress` breaks.
    pub(super) fn log_z_on(
        &self,
        isa: Isa,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Option<f64> {
        let mut total = LogSum::default();
        let sums = match Gray::new(self, isa) {
            Some(gray) => by_block(gray.blocks(), |block| gray.log_sum(block), progress),
            None => by_block(self.blocks(), |block| self.log_sum(block), progress),
        };
        sums?.into_iter().for_each(|sum| total.merge(sum));
        Some(total.value())
    }

    fn log_z(&self) -> f64 {
        self.log_z_on(isa(), &mut |_, _| ControlFlow::Continue(()))
            .expect("nothing stops it")
    }

    /// `E[own x other]`, `E[own]` and `E[other]`; nothing of use once a stop is requested.
    pub(super) fn expectations_on(&self, isa: Isa, log_z: f64, stop: &Stop) -> Sums {
        let gray = Gray::new(self, isa);
        let blocks = gray.as_ref().map_or(self.blocks(), Gray::blocks);
        let accumulators = blocks.min(MAX_ACCUMULATORS);
        let of_part = |part| {
            let mut sums = Sums::new(self.n, self.other_bias.len());
            let blocks = (part..blocks).step_by(accumulators as usize);
            for block in blocks.take_while(|_| !stop.is_requested()) {
                match &gray {
                    Some(gray) => sums.add_rows(gray, block, log_z),
                    None => sums.add_states(self, block, log_z),
                }
            }
            sums
        };
        let parts = (0..accumulators).into_par_iter();
        let parts: Vec<Sums> = in_pool(|| parts.map(of_part).collect());
        let mut total = Sums::new(self.n, self.other_bias.len());
        parts.iter().for_each(|part| total.merge(part));
        total
    }

    /// `ln` of the unnormalized probability of every state.
    pub(super) fn log_weights_on(&self, isa: Isa) -> Vec<f64> {
        let mut log_p = vec![0.0; 1 << self.n];
        if let Some(gray) = Gray::new(self, isa) {
            for block in 0..gray.blocks() {
                gray.walk(block, |row| {
                    let to = &mut log_p[row.state as usize..][..LOW];
                    for (to, w) in to.iter_mut().zip(row.weights) {
                        *to = row.scale + w.ln();
                    }
                });
            }
        } else {
            for block in 0..self.blocks() {
                self.walk(block, |state, own, input| {
                    log_p[state as usize] = Self::log_weight(own, input);
                });
            }
        }
        log_p
    }
}

/// Progress that breaks once `stop` is requested.
pub(super) fn until(stop: &Stop) -> impl FnMut(usize, usize) -> ControlFlow<()> + '_ {
    |_, _| match stop.is_requested() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

/// `f` of every block, in order, on all cores, telling `progress(blocks done, all)` now and then;
/// `None` if it breaks.
pub(super) fn by_block<T: Send>(
    blocks: u64,
    f: impl Fn(u64) -> T + Sync,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Option<Vec<T>> {
    let at_once = (blocks / REPORTS).max(4 * threads::count() as u64);
    let mut all = Vec::with_capacity(blocks as usize);
    while (all.len() as u64) < blocks {
        let first = all.len() as u64;
        let next = (first..blocks.min(first + at_once)).into_par_iter();
        in_pool(|| all.par_extend(next.map(&f)));
        if progress(all.len(), blocks as usize).is_break() {
            return None;
        }
    }
    Some(all)
}

/// Sums of states, each times its probability.
pub(super) struct Sums {
    n: usize,
    /// `[n x other]`
    pub(super) pairs: Vec<f64>,
    pub(super) own: Vec<f64>,
    pub(super) other: Vec<f64>,
}

impl Sums {
    fn new(n: usize, m: usize) -> Self {
        Self {
            n,
            pairs: vec![0.0; n * m],
            own: vec![0.0; n],
            other: vec![0.0; m],
        }
    }

    /// Adds a state set of total probability `p`, in all of which the units `k` are on that are
    /// bits of `state`; `mean` is its sum of `p sigma(x)`.
    #[inline(always)]
    fn add(&mut self, state: u64, p: f64, mean: &[f64]) {
        let m = mean.len();
        for k in (0..self.n).filter(|&k| state >> k & 1 == 1) {
            self.own[k] += p;
            let row = &mut self.pairs[k * m..][..m];
            row.iter_mut().zip(mean).for_each(|(s, x)| *s += x);
        }
    }

    fn add_states(&mut self, machine: &Enumeration, block: u64, log_z: f64) {
        let mut mean = vec![0.0; self.other.len()];
        machine.walk(block, |state, own, input| {
            let p = (Enumeration::log_weight(own, input) - log_z).exp();
            for (mean, &x) in mean.iter_mut().zip(input) {
                *mean = p * sigmoid(x);
            }
            self.other.iter_mut().zip(&mean).for_each(|(s, x)| *s += x);
            self.add(state, p, &mean);
        });
    }

    /// As [`Self::add_states`], with `sigma(a + d) = l / (g + l)`. The low units' share is sorted
    /// out at the end of the block.
    fn add_rows(&mut self, gray: &Gray<'_>, block: u64, log_z: f64) {
        let m = self.other.len();
        let mut mean = vec![0.0; m];
        let (mut p_low, mut means_low) = ([0.0; LOW], vec![[0.0; LOW]; m]);
        gray.walk(
            block,
            #[inline(always)]
            |row: Row<'_>| {
                let scale = (row.scale - log_z).exp();
                let p = row.weights.map(|w| w * scale);
                p_low.iter_mut().zip(&p).for_each(|(s, p)| *s += p);
                let units = row.g.iter().zip(gray.low()).zip(&mut means_low);
                for (((Lines(g), Lines(l)), sums), mean) in units.zip(&mut mean) {
                    let g = g[row.row];
                    let mut x = [0.0; LOW];
                    for s in 0..LOW {
                        x[s] = p[s] * l[s] / (g + l[s]);
                        sums[s] += x[s];
                    }
                    *mean = sum_of(&x);
                }
                self.add(row.state, sum_of(&p), &mean);
            },
        );
        for (state, &p) in p_low.iter().enumerate() {
            for (mean, sums) in mean.iter_mut().zip(&means_low) {
                *mean = sums[state];
            }
            self.other.iter_mut().zip(&mean).for_each(|(s, x)| *s += x);
            self.add(state as u64, p, &mean);
        }
    }

    fn merge(&mut self, other: &Self) {
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(s, x)| *s += x);
        add(&mut self.pairs, &other.pairs);
        add(&mut self.own, &other.own);
        add(&mut self.other, &other.other);
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
    /// The layer with fewer units; for machines of other than Bernoulli units the discrete layer
    /// with fewer states.
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

    /// Exact `ln Z` at `beta` by enumeration of the states of `side`. Error: rounding of f64,
    /// provably below 2e-8 for inputs below 100 and a thousand units, and in practice below 1e-10
    /// (derived in `src/model/gray.rs`); the same bits with every instruction set and number of
    /// threads. Cost: an addition and a multiplication for each unit of the other side and each of
    /// the `2^n` states; an exponential instead where some input can exceed 700, or the biases of
    /// the first five units 300.
    ///
    /// # Errors
    /// [`Error::Parameter`] beyond [`MAX_EXACT_UNITS`] units or for a side with continuous units,
    /// [`Error::NotFinite`] for NaN or infinite parameters.
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

    /// As [`Self::log_z`], calling `progress(blocks of states done, all)` now and then; `None` if
    /// it breaks.
    ///
    /// # Errors
    /// As [`Self::log_z_over`].
    pub fn log_z_with(
        &self,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Option<f64>> {
        if !self.is_bernoulli() {
            return general::log_z_with(self, progress);
        }
        Ok(Enumeration::new(self, self.smaller_side(), 1.0)?.log_z_on(isa(), progress))
    }

    /// Exact expectations by enumeration of the smaller layer. Cost: a division and a few additions
    /// for each unit of the other layer and each of its states, beside that of [`Self::log_z`].
    ///
    /// # Errors
    /// As [`Self::log_z_over`].
    pub fn expectations(&self) -> Result<Expectations> {
        Ok(self
            .expectations_until(&Stop::new())?
            .expect("nothing stops it"))
    }

    /// As [`Self::expectations`]; nothing once `stop` is requested.
    ///
    /// # Errors
    /// As [`Self::expectations`].
    pub fn expectations_until(&self, stop: &Stop) -> Result<Option<Expectations>> {
        if !self.is_bernoulli() {
            return general::expectations(self, stop);
        }
        let side = self.smaller_side();
        let e = Enumeration::new(self, side, 1.0)?;
        let Some(log_z) = e.log_z_on(isa(), &mut until(stop)) else {
            return Ok(None);
        };
        let m = e.other_bias.len();
        let sums = e.expectations_on(isa(), log_z, stop);
        if stop.is_requested() {
            return Ok(None);
        }
        let weights = Matrix::from_fn(self.n_visible(), self.n_hidden(), |i, j| {
            let (k, l) = if side == Side::Visible {
                (i, j)
            } else {
                (j, i)
            };
            sums.pairs[k * m + l] as f32
        });
        let (visible, hidden) = if side == Side::Visible {
            (sums.own, sums.other)
        } else {
            (sums.other, sums.own)
        };
        Ok(Some(Expectations {
            log_z,
            weights,
            visible,
            hidden,
            visible_squares: Vec::new(),
            hidden_squares: Vec::new(),
        }))
    }

    /// `p(v)` at `beta` of all `2^n_visible` visible states, in the order of their index: bit `i`
    /// of the index is unit `i`; for other discrete units the index is that of
    /// [`super::Layer::state`].
    ///
    /// # Errors
    /// As [`Self::log_z_over`].
    pub fn visible_distribution(&self, beta: f64) -> Result<Vec<f64>> {
        if !self.is_bernoulli() {
            return general::visible_distribution(self, beta);
        }
        let mut p = Enumeration::new(self, Side::Visible, beta)?.log_weights_on(isa());
        let log_z = crate::kernel::reduce::log_sum_exp(&p);
        p.iter_mut().for_each(|p| *p = (*p - log_z).exp());
        Ok(p)
    }
}
