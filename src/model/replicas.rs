//! Replicas of chains at several levels, and the swaps between neighbouring levels.

use super::States;
use crate::{
    error::{Error, Result},
    product::Input,
    rng::Draws,
};
use std::ops::Range;

/// How often replicas of two neighbouring levels changed places.
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
#[derive(Clone, Debug)]
pub(super) struct Replicas {
    pub(super) v: States,
    pub(super) h: States,
    chains: usize,
    levels: usize,
    pub(super) rates: Vec<SwapRate>,
    /// `ln f_k(v) - ln f_{k+1}(v)` of the replicas at two levels.
    scores: Vec<f64>,
}

impl Replicas {
    /// `v` and `h` have `levels x chains` rows.
    pub(super) fn new(v: States, h: States, levels: usize) -> Self {
        let chains = v.rows() / levels;
        Self {
            v,
            h,
            chains,
            levels,
            rates: vec![SwapRate::default(); levels - 1],
            scores: vec![0.0; 2 * chains],
        }
    }

    pub(super) fn chains(&self) -> usize {
        self.chains
    }

    pub(super) fn rows(&self, level: usize) -> Range<usize> {
        level * self.chains..(level + 1) * self.chains
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
        Ok(())
    }

    pub(super) fn reset_rates(&mut self) {
        self.rates.fill(SwapRate::default());
    }

    /// Proposes to swap the visible states of levels `k` and `k + 1` for every other pair, from pair 0 or 1 on as `round` is even or odd. Accepted with
    /// probability `min(1, f_k(v') f_{k+1}(v) / (f_k(v) f_{k+1}(v')))` where `v` is at level `k` and `v'` at `k + 1`: `f` are marginals, so hidden
    /// states are no part of it and must be drawn anew before they are used with these visible ones. `score(k, v, out)` writes
    /// `ln f_k - ln f_{k+1}` of each row of `v`, up to a constant.
    pub(super) fn swap(
        &mut self,
        round: u64,
        draws: Draws,
        mut score: impl FnMut(usize, Input<'_>, &mut [f64]) -> Result<()>,
    ) -> Result<()> {
        let n = self.chains;
        for k in ((round % 2) as usize..self.levels - 1).step_by(2) {
            let both = k * n..(k + 2) * n;
            score(k, self.v.view_rows(both), &mut self.scores)?;
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
}
