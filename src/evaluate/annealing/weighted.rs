//! Samples of a model with weights, from annealed importance sampling.

use super::{Ais, Annealed, LogZ};
use crate::{
    error::Result,
    kernel::reduce::log_sum_exp,
    progress::Progress,
    rng::{HostRng, Stream},
    states::States,
};

/// States with weights: of any figure `g`, `sum_s w_s g(v_s)` over the normalized weights `w`
/// estimates its mean under the model, consistently as the number of chains grows, whether or not
/// chains mix. (Bias of order 1 / effective sample size; modes that no chain has found are
/// missing.)
#[derive(Clone, Debug)]
pub struct WeightedSamples {
    /// Of the units that chains keep: the visible ones, and beside them the even hidden layers of a
    /// deep Boltzmann machine or the hidden units of a general one.
    states: States,
    n_visible: usize,
    /// `ln w` of each, so that the `w` add up to 1.
    pub log_weights: Vec<f64>,
    /// The estimate of `ln Z` from the same weights, with their effective sample size.
    pub log_z: LogZ,
}

impl WeightedSamples {
    /// The visible states `[chains x n_visible]`: independent draws.
    pub fn visible(&self) -> States {
        self.states.first_columns(self.n_visible)
    }

    /// `count` visible states by systematic resampling (Kitagawa 1996): the steps of the
    /// accumulated weights that a comb of `count` even teeth at a random offset falls on. State `s`
    /// comes `count w_s` times on average, rounded up or down. In the order of the chains.
    pub fn resampled(&self, count: usize, seed: u64) -> States {
        let states = self.resampled_states(count, seed);
        states.first_columns(self.n_visible)
    }

    pub(super) fn resampled_states(&self, count: usize, seed: u64) -> States {
        let offset = HostRng::new(seed, Stream::Resample).uniform();
        let (mut at, mut upper) = (0, self.log_weights.first().map_or(0.0, |w| w.exp()));
        let mut chosen = Vec::with_capacity(count);
        for k in 0..count {
            let tooth = (k as f64 + offset) / count as f64;
            while upper < tooth && at + 1 < self.log_weights.len() {
                at += 1;
                upper += self.log_weights[at].exp();
            }
            chosen.push(at);
        }
        self.states.take(&chosen)
    }
}

impl Ais {
    /// The last states of the chains of [`Self::log_z`] with their weights (Neal 2001): the same
    /// draws, temperatures and cost.
    ///
    /// # Errors
    /// As [`Self::log_z`].
    pub fn weighted_samples(
        &self,
        machine: &dyn Annealed,
        progress: &mut dyn Progress,
    ) -> Result<WeightedSamples> {
        let (log_z, states) = self.ascended(machine, progress)?;
        let all = log_sum_exp(&log_z.log_weights);
        Ok(WeightedSamples {
            states,
            n_visible: machine.n_visible(),
            log_weights: log_z.log_weights.iter().map(|w| w - all).collect(),
            log_z,
        })
    }
}
