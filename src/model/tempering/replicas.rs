//! Replicas of chains at several levels, temperatures or models: how they move, and how
//! neighboring levels change places.

use crate::{
    error::{Error, Result},
    matrix::Matrix,
    model::{Clamp, Rbm},
    product::{Propagation, Tail},
    rng::{Draws, Site},
    states::{Input, States},
};
use std::ops::Range;

/// How often replicas of two neighboring levels changed places.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SwapRate {
    /// Proposed swaps.
    pub attempts: u64,
    /// Swaps that took place.
    pub accepted: u64,
    /// Sum of the Metropolis probabilities: over `attempts` the same rate with less noise.
    pub probability: f64,
}

impl SwapRate {
    /// Mean Metropolis probability; 0 before there are attempts.
    pub fn rate(&self) -> f64 {
        self.probability / self.attempts.max(1) as f64
    }
}

/// The states of `chains` chains at each of `levels` levels: level `k` has rows `k chains ..`.
/// Draws depend on the seed, the numbers of half sweeps and swap rounds so far, level, chain and
/// pair alone.
#[derive(Clone, Debug)]
pub(super) struct Replicas {
    v: States,
    h: States,
    chains: usize,
    levels: usize,
    rates: Vec<SwapRate>,
    /// `ln f_k(v) - ln f_{k+1}(v)` of the replicas at two levels.
    scores: Vec<f64>,
    /// Held visible units of all replicas.
    clamp: Option<Clamp>,
    seed: u64,
    half_sweeps: u64,
    rounds: u64,
    buffers: Propagation,
}

impl Replicas {
    /// Replicas of a machine like `rbm`, all of them zero.
    pub(super) fn new(rbm: &Rbm, levels: usize, chains: usize, seed: u64) -> Result<Self> {
        crate::environment::check()?;
        if chains == 0 {
            return Err(Error::parameter("chains", "at least 1", 0));
        }
        Ok(Self {
            v: States::zeros(levels * chains, rbm.visible()),
            h: States::zeros(levels * chains, rbm.hidden()),
            chains,
            levels,
            rates: vec![SwapRate::default(); levels - 1],
            scores: vec![0.0; 2 * chains],
            clamp: None,
            seed,
            half_sweeps: 0,
            rounds: 0,
            buffers: Propagation::default(),
        })
    }

    /// All visible states from `rbm` at `beta`, given hidden states of zero.
    pub(super) fn start(&mut self, rbm: &Rbm, beta: f32) -> Result<()> {
        let draws = Draws::new(self.seed, Site::Start, 0);
        let rows = self.v.rows();
        let tail = self.v.sampled(0..rows, draws, Tail::new(beta));
        rbm.visible_from_hidden(self.h.view(), tail, &mut self.buffers)
    }

    pub(super) fn chains(&self) -> usize {
        self.chains
    }

    pub(super) fn levels(&self) -> usize {
        self.levels
    }

    fn rows(&self, level: usize) -> Range<usize> {
        level * self.chains..(level + 1) * self.chains
    }

    /// All states, level by level.
    pub(super) fn states(&self) -> (&States, &States) {
        (&self.v, &self.h)
    }

    pub(super) fn set_hidden(&mut self, h: States) {
        self.h = h;
    }

    pub(super) fn visible_at(&self, level: usize) -> States {
        self.v.rows_to_owned(self.rows(level))
    }

    pub(super) fn hidden_at(&self, level: usize) -> States {
        self.h.rows_to_owned(self.rows(level))
    }

    pub(super) fn set_visible(&mut self, level: usize, v: &States) -> Result<()> {
        let own = (self.chains, self.v.columns(), self.v.bits().is_some());
        let found = (v.rows(), v.columns(), v.bits().is_some());
        if level >= self.levels || own != found {
            let name = |(rows, columns, bits): (usize, usize, bool)| {
                format!(
                    "{rows} x {columns} {}",
                    if bits { "bits" } else { "numbers" }
                )
            };
            let what = format!("states of level {level} of {}", self.levels);
            return Err(Error::shape(what, name(own), name(found)));
        }
        for row in 0..self.chains {
            self.v.copy_row(level * self.chains + row, v, row);
        }
        self.restore();
        Ok(())
    }

    /// Holds visible units of each chain at given values, at every level: swaps of chains then
    /// leave them where they are.
    pub(super) fn hold(&mut self, layer: usize, clamp: &Clamp) -> Result<()> {
        if layer != 0 {
            let expected = "0: replicas hold visible units";
            return Err(Error::parameter("layer of held units", expected, layer));
        }
        clamp.check_fits(&self.visible_at(0))?;
        self.clamp = Some(clamp.repeated(self.levels));
        self.restore();
        Ok(())
    }

    fn restore(&mut self) {
        if let Some(clamp) = &self.clamp {
            clamp.restore(&mut self.v);
        }
    }

    pub(super) fn rates(&self) -> &[SwapRate] {
        &self.rates
    }

    pub(super) fn reset_rates(&mut self) {
        self.rates.fill(SwapRate::default());
    }

    /// Continues the numbering of draws as after so many half sweeps and swap rounds.
    pub(super) fn set_position(&mut self, half_sweeps: u64, rounds: u64) {
        self.half_sweeps = half_sweeps;
        self.rounds = rounds;
    }

    /// The levels `of` in place of all, whose chains go with them; in new memory. Swap rates count
    /// from zero.
    pub(super) fn rearrange(&mut self, of: &[usize]) {
        let n = self.chains;
        for states in [&mut self.v, &mut self.h] {
            let mut moved = match &*states {
                States::Bits(x) => {
                    States::Bits(crate::bits::BitMatrix::zeros(of.len() * n, x.columns()))
                }
                States::Real(x) => States::Real(Matrix::zeros(of.len() * n, x.columns())),
            };
            for (to, from) in of.iter().enumerate() {
                for c in 0..n {
                    moved.copy_row(to * n + c, states, from * n + c);
                }
            }
            *states = moved;
        }
        self.levels = of.len();
        self.rates = vec![SwapRate::default(); of.len() - 1];
    }

    /// `h ~ P_k(h | v)` of every replica, by the machine and the inverse temperature of each level;
    /// and `E[h | v]` at level 0 into `mean` `[chains x n_hidden]`.
    pub(super) fn draw_hidden<'m>(
        &mut self,
        mut mean: Option<&mut Matrix>,
        level: impl Fn(usize) -> (&'m Rbm, f32),
    ) -> Result<()> {
        let draws = self.next_draws();
        for k in 0..self.levels {
            let ((rbm, beta), rows) = (level(k), self.rows(k));
            let mean = if k == 0 { mean.take() } else { None };
            let tail = Tail {
                mean: mean.map(|mean| mean.view_mut()),
                ..Tail::new(beta)
            };
            let draws = draws.from_row(rows.start);
            let tail = self.h.sampled(rows.clone(), draws, tail);
            rbm.hidden_from_visible(self.v.view_rows(rows), tail, &mut self.buffers)?;
        }
        Ok(())
    }

    /// `v ~ P_k(v | h)` of every replica: `draw(k, h, tail, buffers)` does so for a level, at the
    /// inverse temperature that it gives `tail`.
    pub(super) fn draw_visible(
        &mut self,
        mut draw: impl FnMut(usize, Input<'_>, Tail<'_>, &mut Propagation) -> Result<()>,
    ) -> Result<()> {
        let draws = self.next_draws();
        for k in 0..self.levels {
            let rows = self.rows(k);
            let draws = draws.from_row(rows.start);
            let tail = self.v.sampled(rows.clone(), draws, Tail::new(1.0));
            draw(k, self.h.view_rows(rows), tail, &mut self.buffers)?;
        }
        self.restore();
        Ok(())
    }

    /// A round of proposals to swap the visible states of levels `k` and `k + 1` for every other
    /// pair, from pair 0 or 1 on as the round is even or odd. Accepted with probability
    /// `min(1, f_k(v') f_{k+1}(v) / (f_k(v) f_{k+1}(v')))` where `v` is at level `k` and `v'` at
    /// `k + 1`: `f` are marginals, so hidden states are no part of it and must be drawn anew before
    /// they are used with these visible ones. `score(k, v, out, buffers)` writes
    /// `ln f_k - ln f_{k+1}` of each row of `v`, up to a constant.
    pub(super) fn swap(
        &mut self,
        mut score: impl FnMut(usize, Input<'_>, &mut [f64], &mut Propagation) -> Result<()>,
    ) -> Result<()> {
        self.rounds += 1;
        let draws = Draws::new(self.seed, Site::Swap, self.rounds);
        let n = self.chains;
        for k in ((self.rounds % 2) as usize..self.levels - 1).step_by(2) {
            let both = k * n..(k + 2) * n;
            let v = self.v.view_rows(both);
            score(k, v, &mut self.scores, &mut self.buffers)?;
            let rate = &mut self.rates[k];
            for c in 0..n {
                let p = (self.scores[n + c] - self.scores[c]).min(0.0).exp();
                rate.attempts += 1;
                rate.probability += p;
                if draws.bernoulli(c, k, p as f32) {
                    rate.accepted += 1;
                    self.v.swap_rows(k * n + c, (k + 1) * n + c);
                }
            }
        }
        Ok(())
    }

    fn next_draws(&mut self) -> Draws {
        self.half_sweeps += 1;
        Draws::new(self.seed, Site::Tempering, self.half_sweeps)
    }
}
