//! A conservative likelihood: the reverse AIS estimator (RAISE).

use super::{
    Ais, Annealed,
    anneal::Anneal,
    annealed::{Start, Way},
    reverse::fitted,
};
use crate::{
    dataset::Rows,
    error::{Error, Result},
    kernel::reduce::{log_sum_exp, weighted_mean_and_standard_error},
    progress::Progress,
};

/// Log-likelihoods of examples under the annealed model, see [`Ais::raise`].
#[derive(Clone, Debug)]
pub struct Raise {
    /// Of every example, `ln mean(w)` over its chains.
    pub log_likelihoods: Vec<f64>,
    /// `ln w`, `[examples x chains]`.
    pub log_weights: Vec<f64>,
    /// Weights of the examples, if they have any.
    pub weights: Option<Vec<f32>>,
}

impl Raise {
    /// Weighted mean over the examples, and its standard error.
    pub fn mean(&self) -> (f64, f64) {
        let all = self.log_likelihoods.iter().copied();
        weighted_mean_and_standard_error(all, self.weights.as_deref())
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
    /// Where chains have hidden units too, those of `v` are drawn from a distribution `q` near
    /// their mean-field posterior, and `w` is divided by `q`.
    ///
    /// `chains` is the number for each example. Cost: `2 x examples x chains x betas` rows of
    /// products.
    ///
    /// # Errors
    /// As [`Self::log_z`]; [`Error::Shape`] unless `v` has the machine's visible units,
    /// [`Error::Parameter`] for values that they cannot have and missing ones.
    pub fn raise<'a>(
        &self,
        machine: &dyn Annealed,
        v: impl Into<Rows<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<Raise> {
        let rows = v.into();
        let v = rows.complete("RAISE")?;
        let base = self.checked_base(machine)?;
        let n = machine.n_visible();
        if v.columns() != n {
            return Err(Error::shape("units of the examples", n, v.columns()));
        }
        let ladder = self.ladder_from(machine, &base, progress)?;
        let draws = Way::Raise.draws(self.seed, 0);
        let (states, log_q) = machine.proposed(v, self.chains, draws)?;
        let states = fitted(machine, states, "examples")?;
        let way = (Way::Raise, self.seed);
        let mut log_weights = Anneal::new(way, machine, &base, &ladder, Start::At(states))?
            .descend_from_examples(progress)?;
        for (w, log_q) in log_weights.iter_mut().zip(log_q) {
            *w -= log_q;
        }
        Ok(Raise {
            log_likelihoods: log_weights
                .chunks_exact(self.chains)
                .map(|w| log_sum_exp(w) - (self.chains as f64).ln())
                .collect(),
            log_weights,
            weights: rows.weights().map(<[f32]>::to_vec),
        })
    }
}
