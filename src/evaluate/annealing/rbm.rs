//! Annealing of RBMs of any kinds of units.
//!
//! Chains are states of the visible layer, and hidden units are summed in closed form:
//! `ln f_beta(v) = own_beta(v) + sum_j ln sum over h_j of e^(beta x_j h_j + quadratic term)`, with
//! `x = v~ W + c`. `own_beta` is what the visible units contribute with the biases
//! `(1 - beta) b0 + beta b`; for Bernoulli units `f_beta(v) = e^((1 - beta) b0.v + beta b.v) prod_j
//! (1 + e^(beta x_j))`. A Gibbs sweep at `beta` satisfies detailed balance with respect to
//! `f_beta`, so the same sweep is its own reverse.
//!
//! The first half of a sweep computes `v~ W + c` once, and from it both the hidden states and the
//! difference of the two log-partitions. States of bits are drawn by look-up, so from weights
//! rounded to fixed point, and so are the `f_k` on the way; `f_K` is computed in f32, which makes
//! the rounded machine one more stop on the way to the model.

use super::{
    Annealed,
    annealed::{BoxedChains, Chains, End, Seeded, Start, Way},
};
use crate::{
    bits::BitMatrix,
    error::Result,
    kernel::reference::sigmoid,
    model::{Layer, Rbm},
    product::{Propagation, Tail, warm_up},
    rng::Draws,
    states::{Input, States},
    threads::{in_pool, prelude::*},
    units::Kind,
};
use std::borrow::Cow;

/// Rows whose scalar products with the biases one thread computes at a time.
const ROWS_A_TASK: usize = 32;

impl Annealed for Rbm {
    fn check_annealed(&self) -> Result<()> {
        self.visible().expect_length("annealing")?;
        self.check()
    }

    fn kept(&self) -> Cow<'_, Layer> {
        Cow::Borrowed(self.visible())
    }

    fn visible_layer(&self) -> &Layer {
        self.visible()
    }

    fn can_be_drawn(&self) -> bool {
        self.has_exact_samples()
    }

    fn exact_states(&self, count: usize, seed: u64) -> Result<States> {
        Rbm::exact_samples(self, count, seed)
    }

    fn completed(&self, v: States, _: u64) -> Result<States> {
        Ok(v)
    }

    fn proposed(&self, v: Input<'_>, copies: usize, _: Draws) -> Result<(States, Vec<f64>)> {
        Ok((v.repeated(copies), vec![0.0; v.rows() * copies]))
    }

    fn chains<'a>(&'a self, base: &'a [f32], on: Seeded, at: Start) -> Result<BoxedChains<'a>> {
        let chains = RbmChains::new(Cow::Borrowed(self), base, on, at)?;
        Ok(Box::new(chains))
    }
}

/// See the module.
pub(super) struct RbmChains<'a> {
    way: Way,
    seed: u64,
    model: Cow<'a, Rbm>,
    base: &'a [f32],
    /// The model with the base's share in its visible bias.
    machine: Rbm,
    rise: OwnRise,
    v: States,
    h: States,
    lower: Vec<f64>,
    buffers: Propagation,
}

/// What the visible units contribute by themselves, from `beta` to `beta'`: `(beta' - beta) (v .
/// slope - constant - middle of both . curvature)`.
struct OwnRise {
    /// `(b - b0) / s^2`
    slope: Vec<f64>,
    /// Of Gaussian units, `slope . b0`.
    constant: f64,
    /// Of Gaussian units, `slope . (b - b0)`.
    curvature: f64,
}

impl OwnRise {
    fn new(layer: &Layer, base: &[f32]) -> Self {
        let mut rise = Self {
            slope: vec![0.0; layer.size()],
            constant: 0.0,
            curvature: 0.0,
        };
        for segment in layer.units.segments() {
            for i in segment.range() {
                let (b, b0) = (layer.bias[i], base[i]);
                if segment.kind != Kind::Gaussian {
                    rise.slope[i] = f64::from(b - b0);
                    continue;
                }
                let difference = f64::from(b) - f64::from(b0);
                let slope = difference * layer.precision(i);
                rise.slope[i] = slope;
                rise.constant += slope * f64::from(b0);
                rise.curvature += slope * difference;
            }
        }
        rise
    }

    fn of(&self, v: Input<'_>, row: usize, (low, high): (f64, f64)) -> f64 {
        let product: f64 = match v {
            Input::Bits(v) => v.ones(row).map(|i| self.slope[i]).sum(),
            Input::Real(v) => {
                let units = v.row(row).iter().zip(&self.slope);
                units.map(|(&v, d)| f64::from(v) * d).sum()
            }
        };
        (high - low) * (product - (self.constant + 0.5 * (low + high) * self.curvature))
    }
}

impl<'a> RbmChains<'a> {
    pub(super) fn new(
        model: Cow<'a, Rbm>,
        base: &'a [f32],
        (way, seed): Seeded,
        start: Start,
    ) -> Result<Self> {
        // Without statistics: which thread meets which tile is chance.
        warm_up(0, 0);
        let visible = model.visible();
        let mut chains = Self {
            way,
            seed,
            rise: OwnRise::new(visible, base),
            machine: model.as_ref().clone(),
            base,
            v: match start {
                Start::Base(count) => States::zeros(count, visible),
                Start::At(ref states) => states.clone(),
            },
            h: States::zeros(0, model.hidden()),
            lower: Vec::new(),
            buffers: Propagation::default(),
            model,
        };
        let count = chains.v.rows();
        chains.h = States::zeros(count, chains.model.hidden());
        chains.lower = vec![0.0; count];
        if matches!(start, Start::Base(_)) {
            chains.draw_base()?;
        }
        Ok(chains)
    }

    /// The states of the visible units.
    pub(super) fn visible_mut(&mut self) -> &mut States {
        &mut self.v
    }

    /// States drawn from the base.
    fn draw_base(&mut self) -> Result<()> {
        let draws = self.draws(0, 0);
        if let States::Bits(v) = &mut self.v {
            draw_binary(v, self.model.visible(), self.base, draws);
            return Ok(());
        }
        // Hidden units at zero send nothing.
        self.machine.biases_mut().0.copy_from_slice(self.base);
        let tail = self.v.sampled(0..self.h.rows(), draws, linear(1.0));
        self.machine
            .visible_from_hidden(self.h.view(), tail, &mut self.buffers)
    }

    fn draws(&self, step: u64, half: u64) -> Draws {
        self.way.draws(self.seed, 2 * step + half)
    }
}

fn linear<'a>(beta: f32) -> Tail<'a> {
    Tail {
        linear: true,
        ..Tail::new(beta)
    }
}

impl Chains for RbmChains<'_> {
    fn log_z_of_base(&self) -> f64 {
        let of = |layer: &Layer, bias: &[f32]| {
            let layer = Layer {
                bias: bias.to_vec(),
                ..layer.clone()
            };
            let own: Vec<f64> = bias.iter().map(|&b| b.into()).collect();
            layer.log_partition(&own, 1.0)
        };
        let hidden = self.model.hidden();
        of(self.model.visible(), self.base) + of(hidden, &vec![0.0; hidden.size()])
    }

    /// Hidden states are drawn at one end; with `exact` at the lower.
    fn rise(
        &mut self,
        (low, high): (f32, f32),
        begin: Option<(End, u64)>,
        exact: bool,
        increments: &mut [f64],
    ) -> Result<()> {
        let at_low = exact || begin.is_some_and(|(end, _)| end == End::Low);
        let (beta, minus) = if at_low { (low, high) } else { (high, low) };
        let tail = Tail {
            softplus_sums: Some(&mut *increments),
            minus_beta: (!exact).then_some(minus),
            ..linear(beta)
        };
        let rows = self.v.rows();
        let draws = begin.map(|(_, step)| self.draws(step, 0));
        let tail = match draws {
            Some(draws) => self.h.sampled(0..rows, draws, tail),
            None => tail,
        };
        let v = self.v.view();
        self.machine
            .hidden_from_visible(v, tail, &mut self.buffers)?;
        if exact {
            self.lower.copy_from_slice(increments);
            let tail = Tail {
                softplus_sums: Some(&mut *increments),
                precise: true,
                ..linear(high)
            };
            self.machine
                .hidden_from_visible(v, tail, &mut self.buffers)?;
            let pairs = increments.iter_mut().zip(&self.lower);
            pairs.for_each(|(x, lower)| *x -= lower);
        } else if at_low {
            increments.iter_mut().for_each(|x| *x = -*x);
        }
        let (rise, ends) = (&self.rise, (f64::from(low), f64::from(high)));
        let rows = increments.par_iter_mut().enumerate();
        let rows = rows.with_min_len(ROWS_A_TASK);
        in_pool(|| rows.for_each(|(s, x)| *x += rise.of(v, s, ends)));
        Ok(())
    }

    fn begin(&mut self, step: u64, log_weights: Option<&mut [f64]>) -> Result<()> {
        let (rows, draws) = (self.v.rows(), self.draws(step, 0));
        let (mut log_weights, v) = (log_weights, self.v.view());
        let tail = Tail {
            softplus_sums: log_weights.as_deref_mut(),
            ..linear(1.0)
        };
        let tail = self.h.sampled(0..rows, draws, tail);
        self.machine
            .hidden_from_visible(v, tail, &mut self.buffers)?;
        for (s, weight) in log_weights.into_iter().flatten().enumerate() {
            *weight += self.model.visible().own_term(v, s);
        }
        Ok(())
    }

    /// Visible states at `beta (h~ W' + b) + (1 - beta) b0`, with the base's share put into the
    /// bias.
    fn sweep(&mut self, beta: f32, step: u64) -> Result<()> {
        let draws = self.draws(step, 1);
        let (bias, _) = self.machine.biases_mut();
        let own = &self.model.visible().bias;
        for ((bias, b), b0) in bias.iter_mut().zip(own).zip(self.base) {
            *bias = b + (1.0 - beta) / beta * b0;
        }
        let tail = self.v.sampled(0..self.h.rows(), draws, linear(beta));
        self.machine
            .visible_from_hidden(self.h.view(), tail, &mut self.buffers)
    }

    fn into_states(self: Box<Self>) -> States {
        self.v
    }
}

/// States of the units of a binary layer with the biases `base` and no connections. A softmax group
/// takes the draw of its first unit.
fn draw_binary(v: &mut BitMatrix, layer: &Layer, base: &[f32], draws: Draws) {
    let chains = v.rows();
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
}
