//! The negative phase: where samples of the model are said to come from.

pub(super) mod chains;
pub(super) mod delta;
pub(super) mod fast;
pub(super) mod rows;
pub(super) mod snapshots;

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// How contrastive divergence reconstructs visible states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reconstruction {
    /// Binary states drawn from `P(v | h)`, as in Algorithm 18.2 of Goodfellow, Bengio, Courville,
    /// Deep Learning (2016).
    #[default]
    Sampled,
    /// Their means, `v_1 = E[v | h_0]`: less noise, a slightly different objective (Hinton's
    /// practical guide, section 3).
    Smoothed,
}

/// Where the samples of the negative phase come from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Negative {
    /// The exact gradient: expectations under the model by enumeration of the smaller layer.
    Exact,
    /// Algorithm 18.1 of Goodfellow, Bengio, Courville: chains from fair coins at each update,
    /// burnt in for `steps` sweeps.
    Mcmc {
        /// Chains.
        chains: usize,
        /// Sweeps at each update.
        steps: usize,
    },
    /// Contrastive divergence, CD-k (Hinton 2002; Algorithm 18.2): chains from the minibatch at
    /// each update.
    ContrastiveDivergence {
        /// Sweeps at each update, `k`.
        steps: usize,
        /// Drawn or expected reconstructions.
        reconstruction: Reconstruction,
    },
    /// Persistent contrastive divergence, PCD-k (Younes 1998; Tieleman 2008; Algorithm 18.3):
    /// chains that go on between updates.
    Persistent {
        /// Chains.
        chains: usize,
        /// Sweeps at each update, `k`.
        steps: usize,
    },
    /// PCD whose chains move under `W + F` (and likewise biases), with fast weights
    /// `F <- fast_decay F + fast_rate gradient` that drive them on (FPCD; Tieleman and Hinton
    /// 2009). Statistics of the negative phase are those of the chains under `W + F`, data see `W`
    /// alone.
    FastPersistent {
        /// Chains.
        chains: usize,
        /// Sweeps at each update, `k`.
        steps: usize,
        /// Step size of the fast weights.
        fast_rate: f32,
        /// What is left of the fast weights after an update, in [0, 1): 0.95 in the paper.
        fast_decay: f32,
    },
    /// PCD whose chains have replicas at evenly spaced inverse temperatures from 1 to `lowest`,
    /// with swaps after each sweep ([`crate::Tempering`]; Desjardins et al. 2010). Statistics are
    /// those of the replicas at 1.
    Tempered {
        /// Chains.
        chains: usize,
        /// Sweeps at each update, `k`, each with a round of swaps.
        steps: usize,
        /// Temperatures, and so replicas of a chain.
        temperatures: usize,
        /// Lowest inverse temperature, at least 0 and below 1.
        lowest: f32,
    },
    /// PCD whose chains have replicas at snapshots of the machine along its training, with swaps
    /// after each sweep: trajectory parallel tempering ([`crate::Trajectory`]; Bereux, Decelle,
    /// Furtlehner, Rosset and Seoane 2025). Statistics are those of the replicas at the machine
    /// itself. The oldest level is the machine at the start without connections. Before an update,
    /// once swaps between the newest snapshot and the machine are accepted less often than
    /// `acceptance` (a running mean over some 10 rounds), a snapshot of the machine joins, with a
    /// copy of its chains; that allocates memory. Beyond `snapshots` of them, the one goes whose
    /// neighbors overlap most, but neither the newest nor the oldest.
    Trajectory {
        /// Chains.
        chains: usize,
        /// Sweeps at each update, `k`, each with a round of swaps.
        steps: usize,
        /// Share of accepted swaps below which a snapshot is taken, above 0 and below 1: 0.25 in
        /// the paper.
        acceptance: f32,
        /// Most snapshots, beside the machine and its start without connections; at least 1.
        snapshots: usize,
    },
    /// No expectations of the model: the exact gradient of the pseudo-likelihood
    /// `sum_i ln P(x_i | rest)` (Besag 1975) of a general machine whose units are all visible.
    PseudoLikelihood,
}

impl Negative {
    pub(super) fn check(&self) -> Result<()> {
        for (name, x) in [("chains", self.chains()), ("steps", self.steps())] {
            if x == Some(0) {
                return Err(Error::parameter(name, "at least 1", 0));
            }
        }
        match *self {
            Self::FastPersistent {
                fast_rate,
                fast_decay,
                ..
            } => {
                if !(fast_rate >= 0.0 && fast_rate.is_finite()) {
                    let expected = "a finite number of at least 0";
                    return Err(Error::parameter("fast rate", expected, fast_rate));
                }
                if !(0.0..1.0).contains(&fast_decay) {
                    let expected = "a number of at least 0 and below 1";
                    return Err(Error::parameter("fast decay", expected, fast_decay));
                }
            }
            Self::Tempered {
                temperatures,
                lowest,
                ..
            } => {
                if temperatures < 2 {
                    return Err(Error::parameter("temperatures", "at least 2", temperatures));
                }
                if !(0.0..1.0).contains(&lowest) {
                    let expected = "a number of at least 0 and below 1";
                    return Err(Error::parameter(
                        "lowest inverse temperature",
                        expected,
                        lowest,
                    ));
                }
            }
            Self::Trajectory {
                acceptance,
                snapshots,
                ..
            } => {
                if !(acceptance > 0.0 && acceptance < 1.0) {
                    let expected = "a number above 0 and below 1";
                    return Err(Error::parameter("acceptance", expected, acceptance));
                }
                if snapshots == 0 {
                    return Err(Error::parameter("snapshots", "at least 1", 0));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// As [`Self::check`], for `whose` chains, which move by states and not by means.
    pub(super) fn check_sampled(&self, whose: &str) -> Result<()> {
        if let Self::ContrastiveDivergence {
            reconstruction: Reconstruction::Smoothed,
            ..
        } = self
        {
            let expected = format!("drawn states in {whose}");
            return Err(Error::parameter("reconstruction", expected, "means"));
        }
        self.check()
    }

    /// Chains, if there is a number of them beside that of the examples of a minibatch.
    pub fn chains(&self) -> Option<usize> {
        match *self {
            Self::Exact | Self::PseudoLikelihood | Self::ContrastiveDivergence { .. } => None,
            Self::Mcmc { chains, .. }
            | Self::Persistent { chains, .. }
            | Self::FastPersistent { chains, .. }
            | Self::Tempered { chains, .. }
            | Self::Trajectory { chains, .. } => Some(chains),
        }
    }

    /// Most replicas of a chain.
    pub fn levels(&self) -> usize {
        match *self {
            Self::Tempered { temperatures, .. } => temperatures,
            Self::Trajectory { snapshots, .. } => snapshots.saturating_add(2),
            _ => 1,
        }
    }

    /// Sweeps at each update, if there are any.
    pub fn steps(&self) -> Option<usize> {
        match *self {
            Self::Exact | Self::PseudoLikelihood => None,
            Self::ContrastiveDivergence { steps, .. }
            | Self::Mcmc { steps, .. }
            | Self::Persistent { steps, .. }
            | Self::FastPersistent { steps, .. }
            | Self::Tempered { steps, .. }
            | Self::Trajectory { steps, .. } => Some(steps),
        }
    }

    /// The same with another number of sweeps at each update, if there are any.
    #[must_use]
    pub fn with_steps(mut self, n: usize) -> Self {
        match &mut self {
            Self::Exact | Self::PseudoLikelihood => {}
            Self::ContrastiveDivergence { steps, .. }
            | Self::Mcmc { steps, .. }
            | Self::Persistent { steps, .. }
            | Self::FastPersistent { steps, .. }
            | Self::Tempered { steps, .. }
            | Self::Trajectory { steps, .. } => *steps = n,
        }
        self
    }

    /// Whether the positive phase must draw hidden states.
    pub(super) fn starts_at_data(&self) -> bool {
        matches!(self, Self::ContrastiveDivergence { .. })
    }

    /// Whether chains go on between updates.
    pub(super) fn persists(&self) -> bool {
        matches!(
            self,
            Self::Persistent { .. }
                | Self::FastPersistent { .. }
                | Self::Tempered { .. }
                | Self::Trajectory { .. }
        )
    }

    /// Connection updates of the negative phase of one update, statistics included, in units of
    /// `n_visible x n_hidden`, with so many models of a trajectory.
    pub(super) fn passes(&self, batch: usize, models: usize) -> u64 {
        let (rows, passes) = match *self {
            Self::Exact | Self::PseudoLikelihood => (0, 0),
            Self::ContrastiveDivergence { steps, .. } => (batch, 2 * steps + 1),
            Self::Mcmc { chains, steps } => (chains, 2 * steps + 2),
            Self::Persistent { chains, steps } => (chains, 2 * steps + 1),
            // The statistics a second time.
            Self::FastPersistent { chains, steps, .. } => (chains, 2 * steps + 2),
            Self::Tempered {
                chains,
                steps,
                temperatures,
                ..
            } => (chains, 3 * steps * temperatures + 1),
            Self::Trajectory { chains, steps, .. } => (chains, 4 * steps * models + 1),
        };
        (rows * passes) as u64
    }
}
