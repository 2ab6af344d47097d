//! A conservative likelihood: the reverse AIS estimator (RAISE).

use super::{
    Ais,
    anneal::{Anneal, Way},
};
use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    kernel::reduce::{log_sum_exp, mean_and_standard_error},
    model::Rbm,
    progress::Progress,
};

/// Log-likelihoods of examples under the annealed model, see [`Ais::raise`].
#[derive(Clone, Debug)]
pub struct Raise {
    /// Of every example, `ln mean(w)` over its chains.
    pub log_likelihoods: Vec<f64>,
    /// `ln w`, `[examples x chains]`.
    pub log_weights: Vec<f64>,
}

impl Raise {
    /// Mean over the examples, and its standard error.
    pub fn mean(&self) -> (f64, f64) {
        mean_and_standard_error(self.log_likelihoods.iter().copied())
    }
}

impl Ais {
    /// A conservative estimate of `ln p(v)` of each row of `v`, without `ln Z` (Burda, Grosse and
    /// Salakhutdinov, AISTATS 2015).
    ///
    /// The annealed model draws `v_0` from the base and makes one sweep `T_k` at each `beta_k`,
    /// `k = 1 .. K`, that at `beta_K = 1` included; `p_ann(v)` is the distribution of its last
    /// state. It is a normalized model that comes near `p` with many temperatures. Its likelihood
    /// is estimated by importance sampling of the way there: from `v` back, `v_{k-1} ~ T_k(v_k)`,
    /// with `w = f_K(v) / Z_0 prod_{k=1}^K f_{k-1}(v_{k-1}) / f_k(v_{k-1})` and `E[w] = p_ann(v)`.
    /// So `E[ln mean(w)] <= ln p_ann(v)`, whatever the mixing, and for examples of the model itself
    /// `E ln p_ann <= E ln p`. On other examples it is the annealed model that is measured: its
    /// likelihood is usually, but not necessarily, below the model's.
    ///
    /// `chains` is the number for each example. Cost: `2 x examples x chains x betas` rows of
    /// products.
    ///
    /// # Errors
    /// As [`Self::log_z`]; [`Error::Shape`] unless `v` has the machine's visible units.
    pub fn raise(&self, rbm: &Rbm, v: &BitMatrix, progress: &mut dyn Progress) -> Result<Raise> {
        let base = self.checked_base(rbm)?;
        if v.columns() != rbm.n_visible() {
            let (expected, found) = (rbm.n_visible(), v.columns());
            return Err(Error::shape("units of the examples", expected, found));
        }
        let ladder = self.ladder_from(rbm, &base)?;
        let mut states = BitMatrix::zeros(v.rows() * self.chains, v.columns());
        for s in 0..states.rows() {
            states.copy_row(s, v.view(), s / self.chains);
        }
        let log_weights = Anneal::new(Way::Raise, self.seed, rbm, &base, &ladder, states)
            .descend_from_examples(progress)?;
        Ok(Raise {
            log_likelihoods: log_weights
                .chunks_exact(self.chains)
                .map(|w| log_sum_exp(w) - (self.chains as f64).ln())
                .collect(),
            log_weights,
        })
    }
}
