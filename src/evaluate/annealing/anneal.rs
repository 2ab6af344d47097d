//! Annealing between a base machine and a model, in either direction, with the log weights of the
//! way: what AIS, reverse AIS and RAISE share.
//!
//! With `f_k(v) = e^((1 - beta_k) b0.v + beta_k b.v) prod_j (1 + e^(beta_k (v W + c)_j))`, a
//! softmax group's factor `sum_j e^(beta_k (v W + c)_j)`, and states `v_0, ..., v_{K-1}` on the
//! way, the weight is `ln w = ln Z_0 + sum_{k=0}^{K-1} ln f_{k+1}(v_k) - ln f_k(v_k)` whichever end
//! the way began at. A Gibbs sweep at `beta_k` joins `v_{k-1}` and `v_k`. It satisfies detailed
//! balance with respect to `f_k`, so the same sweep is its own reverse.
//!
//! The first half of a sweep computes `v W + c` once, and from it both the hidden states and the
//! difference of the two sums of softplus. States are drawn by look-up, so from weights rounded to
//! fixed point, and so are the `f_k` on the way; `f_K` is computed in f32, which makes the rounded
//! machine one more stop on the way to the model.

use super::{Ais, Base};
use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    kernel::reference::sigmoid,
    model::{Layer, Rbm, dot},
    product::{Propagation, Tail, warm_up},
    progress::Progress,
    rng::{Draws, Site},
    threads::{in_pool, prelude::*},
    units::Kind,
};

/// Rows whose scalar products with the biases one thread computes at a time.
const ROWS_A_TASK: usize = 32;

/// Ways of one seed whose draws must differ.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Forward = 0,
    Reverse = 1,
    Raise = 2,
    Pilot = 3,
    BurnIn = 4,
}

impl Way {
    /// Draws of half sweep `half`, for fewer than 2^44 of them.
    pub(super) fn draws(self, seed: u64, half: u64) -> Draws {
        Draws::new(seed, Site::Ais, ((self as u64) << 44) + half)
    }
}

/// Which end of a step its hidden states are drawn at.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Low,
    High,
}

/// States of many chains on their way.
pub(super) struct Anneal<'a> {
    way: Way,
    seed: u64,
    ladder: &'a [f32],
    model: &'a Rbm,
    base: &'a [f32],
    /// The model with the base's share in its visible bias.
    machine: Rbm,
    /// `b - b0`.
    difference: Vec<f32>,
    v: BitMatrix,
    h: BitMatrix,
    /// Of one step: `ln f_{k+1}(v) - ln f_k(v)` of every chain.
    increments: Vec<f64>,
    lower: Vec<f64>,
    log_weights: Vec<f64>,
    buffers: Propagation,
}

impl<'a> Anneal<'a> {
    /// Chains at the visible states `v`. `ladder` goes from 0 to 1 and is checked.
    pub(super) fn new(
        way: Way,
        seed: u64,
        model: &'a Rbm,
        base: &'a [f32],
        ladder: &'a [f32],
        v: BitMatrix,
    ) -> Self {
        // Without statistics: which thread meets which tile is chance.
        warm_up(0, 0);
        let chains = v.rows();
        let (visible, hidden) = (model.visible(), model.hidden());
        let own: Vec<f64> = base.iter().map(|&b| b.into()).collect();
        let start =
            visible.log_partition(&own, 1.0) + hidden.log_partition(&vec![0.0; hidden.size()], 1.0);
        let bias = &model.visible().bias;
        Self {
            way,
            seed,
            ladder,
            model,
            base,
            machine: model.clone(),
            difference: bias.iter().zip(base).map(|(b, b0)| b - b0).collect(),
            h: BitMatrix::zeros(chains, model.n_hidden()),
            increments: vec![0.0; chains],
            lower: vec![0.0; chains],
            log_weights: vec![start; chains],
            v,
            buffers: Propagation::default(),
        }
    }

    /// Chains at states drawn from the base.
    pub(super) fn from_base(
        way: Way,
        seed: u64,
        model: &'a Rbm,
        base: &'a [f32],
        ladder: &'a [f32],
        chains: usize,
    ) -> Self {
        let v = base_states(model.visible(), base, chains, way.draws(seed, 0));
        Self::new(way, seed, model, base, ladder, v)
    }

    fn steps(&self) -> usize {
        self.ladder.len() - 1
    }

    fn draws(&self, k: usize, half: u64) -> Draws {
        self.way.draws(self.seed, 2 * k as u64 + half)
    }

    /// From base to model: `ln w` of every chain. `observe(k, increments)` sees every step.
    pub(super) fn ascend(
        self,
        progress: &mut dyn Progress,
        observe: impl FnMut(usize, &[f64]),
    ) -> Result<Vec<f64>> {
        Ok(self.ascend_to_states(progress, observe)?.0)
    }

    /// As [`Self::ascend`], with the last states.
    pub(super) fn ascend_to_states(
        mut self,
        progress: &mut dyn Progress,
        mut observe: impl FnMut(usize, &[f64]),
    ) -> Result<(Vec<f64>, BitMatrix)> {
        let steps = self.steps();
        for k in 0..steps {
            let draw = (k + 1 < steps).then(|| (End::High, self.draws(k + 1, 0)));
            self.step(k, draw, k + 1 == steps)?;
            observe(k, &self.increments);
            if k + 1 < steps {
                self.draw_visible(k + 1)?;
            }
            progress.check(k + 1, steps)?;
        }
        Ok((self.log_weights, self.v))
    }

    /// From states of the model to the base: `ln w` of every chain.
    pub(super) fn descend(self, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        self.descend_from(true, progress)
    }

    /// From any states to the base, with a sweep at the model before the first step:
    /// `ln f_K(v) - ln w` of every chain, the weight of RAISE.
    pub(super) fn descend_from_examples(mut self, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        let steps = self.steps();
        let draws = self.draws(steps, 0);
        let tail = Tail {
            sample: Some((self.h.view_mut(), draws)),
            softplus_sums: Some(&mut self.increments),
            ..Tail::new(1.0)
        };
        self.machine
            .hidden_from_visible((&self.v).into(), tail, &mut self.buffers)?;
        let bias = &self.model.visible().bias;
        let top: Vec<f64> = (0..self.v.rows())
            .map(|s| self.increments[s] + dot((&self.v).into(), s, bias))
            .collect();
        self.draw_visible(steps)?;
        let mut weights = self.descend_from(false, progress)?;
        for (w, top) in weights.iter_mut().zip(top) {
            *w = top - *w;
        }
        Ok(weights)
    }

    fn descend_from(mut self, exact_top: bool, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        let steps = self.steps();
        for k in (0..steps).rev() {
            let draw = (k > 0).then(|| (End::Low, self.draws(k, 0)));
            self.step(k, draw, exact_top && k + 1 == steps)?;
            if k > 0 {
                self.draw_visible(k)?;
            }
            progress.check(steps - k, steps)?;
        }
        Ok(self.log_weights)
    }

    /// Adds `ln f_{k+1}(v) - ln f_k(v)` to the weights, and draws the hidden states at one end of
    /// the step. With `exact` the upper of the two is computed from the weights as they are; hidden
    /// states are then drawn at the lower.
    fn step(&mut self, k: usize, draw: Option<(End, Draws)>, exact: bool) -> Result<()> {
        let (low, high) = (self.ladder[k], self.ladder[k + 1]);
        let at_low = exact || draw.is_some_and(|(end, _)| end == End::Low);
        let sample = draw.map(|(_, draws)| (self.h.view_mut(), draws));
        let (beta, minus) = if at_low { (low, high) } else { (high, low) };
        let tail = Tail {
            sample,
            softplus_sums: Some(&mut self.increments),
            minus_beta: (!exact).then_some(minus),
            ..Tail::new(beta)
        };
        let v = (&self.v).into();
        self.machine
            .hidden_from_visible(v, tail, &mut self.buffers)?;
        if exact {
            std::mem::swap(&mut self.increments, &mut self.lower);
            let tail = Tail {
                softplus_sums: Some(&mut self.increments),
                precise: true,
                ..Tail::new(high)
            };
            self.machine
                .hidden_from_visible(v, tail, &mut self.buffers)?;
            let pairs = self.increments.iter_mut().zip(&self.lower);
            pairs.for_each(|(x, lower)| *x -= lower);
        } else if at_low {
            self.increments.iter_mut().for_each(|x| *x = -*x);
        }
        let rise = f64::from(high) - f64::from(low);
        let (v, difference) = (&self.v, &self.difference);
        let add = |(s, (weight, increment)): (usize, (&mut f64, &mut f64))| {
            *increment += rise * dot(v.into(), s, difference);
            *weight += *increment;
        };
        let weights = self.log_weights.par_iter_mut().zip(&mut self.increments);
        let weights = weights.enumerate().with_min_len(ROWS_A_TASK);
        in_pool(|| weights.for_each(add));
        Ok(())
    }

    /// Visible states at temperature `k > 0`: `beta_k (h W' + b) + (1 - beta_k) b0`, with the
    /// base's share put into the bias.
    fn draw_visible(&mut self, k: usize) -> Result<()> {
        let beta = self.ladder[k];
        let draws = self.draws(k, 1);
        let (bias, _) = self.machine.biases_mut();
        let own = &self.model.visible().bias;
        for ((bias, b), b0) in bias.iter_mut().zip(own).zip(self.base) {
            *bias = b + (1.0 - beta) / beta * b0;
        }
        let tail = Tail {
            sample: Some((self.v.view_mut(), draws)),
            ..Tail::new(beta)
        };
        self.machine
            .visible_from_hidden((&self.h).into(), tail, &mut self.buffers)
    }
}

/// `chains` states of the units of `layer` with the biases `base` and no connections. A softmax
/// group takes the draw of its first unit.
fn base_states(layer: &Layer, base: &[f32], chains: usize, draws: Draws) -> BitMatrix {
    let mut v = BitMatrix::zeros(chains, base.len());
    for segment in layer.units.segments() {
        if segment.kind != Kind::Softmax {
            for i in segment.range() {
                let mean = sigmoid(base[i].into()) as f32;
                (0..chains).for_each(|s| v.set(s, i, draws.uniform(s, i) < mean));
            }
            continue;
        }
        let most = segment.range().map(|i| base[i]).fold(f32::MIN, f32::max);
        let cumulated: Vec<f64> = segment
            .range()
            .scan(0.0, |sum, i| {
                *sum += f64::from(base[i] - most).exp();
                Some(*sum)
            })
            .collect();
        let all = cumulated[segment.size - 1];
        for s in 0..chains {
            let u = all * f64::from(draws.uniform(s, segment.first));
            let chosen = cumulated.partition_point(|&c| c <= u);
            v.set(s, segment.first + chosen.min(segment.size - 1), true);
        }
    }
    v
}

impl Ais {
    /// Refuses what cannot be annealed; the biases of the base.
    pub(super) fn checked_base(&self, rbm: &Rbm) -> Result<Vec<f32>> {
        crate::environment::check()?;
        for layer in [rbm.visible(), rbm.hidden()] {
            if !layer.units.are_binary() {
                return Err(Error::parameter(
                    "annealed importance sampling",
                    "a machine of Bernoulli units and softmax groups",
                    format!("{},{}", rbm.visible().units, rbm.hidden().units),
                ));
            }
        }
        let n = rbm.n_visible();
        if self.chains == 0 {
            return Err(Error::parameter("chains", "at least 1", 0));
        }
        rbm.check_finite()?;
        let base = match &self.base {
            Base::Uniform => vec![0.0; n],
            Base::Biases(b) if b.len() == n => b.clone(),
            Base::Biases(b) => return Err(Error::shape("biases of the base", n, b.len())),
        };
        if base.iter().any(|b| !b.is_finite()) {
            let what = "biases of the base".into();
            return Err(Error::NotFinite { what });
        }
        Ok(base)
    }
}
