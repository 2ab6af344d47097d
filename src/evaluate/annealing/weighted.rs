//! Samples of a model with weights, from annealed importance sampling.

use super::{
    Ais, Annealing, LogZ,
    anneal::{Anneal, Way},
};
use crate::{
    bits::BitMatrix,
    error::Result,
    kernel::reduce::log_sum_exp,
    model::Rbm,
    progress::Progress,
    rng::{HostRng, Stream},
};

/// States with weights: of any figure `g`, `sum_s w_s g(v_s)` over the normalized weights `w`
/// estimates its mean under the model, consistently as the number of chains grows, whether or not
/// chains mix. (Bias of order 1 / effective sample size; modes that no chain has found are
/// missing.)
#[derive(Clone, Debug)]
pub struct WeightedSamples {
    /// `[chains x n_visible]`: independent draws.
    pub visible: BitMatrix,
    /// `ln w` of each, so that the `w` add up to 1.
    pub log_weights: Vec<f64>,
    /// The estimate of `ln Z` from the same weights, with their effective sample size.
    pub log_z: LogZ,
}

impl WeightedSamples {
    /// `count` states by systematic resampling (Kitagawa 1996): the steps of the accumulated
    /// weights that a comb of `count` even teeth at a random offset falls on. State `s` comes
    /// `count w_s` times on average, rounded up or down. In the order of the chains.
    pub fn resampled(&self, count: usize, seed: u64) -> BitMatrix {
        let mut out = BitMatrix::zeros(count, self.visible.columns());
        let offset = HostRng::new(seed, Stream::Resample).uniform();
        let (mut at, mut upper) = (0, self.log_weights.first().map_or(0.0, |w| w.exp()));
        for k in 0..count {
            let tooth = (k as f64 + offset) / count as f64;
            while upper < tooth && at + 1 < self.log_weights.len() {
                at += 1;
                upper += self.log_weights[at].exp();
            }
            out.copy_row(k, self.visible.view(), at);
        }
        out
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
        rbm: &Rbm,
        progress: &mut dyn Progress,
    ) -> Result<WeightedSamples> {
        let base = self.checked_base(rbm)?;
        let ladder = self.ladder_from(rbm, &base)?;
        let anneal = Anneal::from_base(Way::Forward, self.seed, rbm, &base, &ladder, self.chains);
        let (weights, visible) = anneal.ascend_to_states(progress, |_, _| ())?;
        let all = log_sum_exp(&weights);
        Ok(WeightedSamples {
            visible,
            log_weights: weights.iter().map(|w| w - all).collect(),
            log_z: LogZ::new(Annealing::Forward, weights),
        })
    }
}
