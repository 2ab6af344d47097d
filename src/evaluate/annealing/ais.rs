//! Annealed importance sampling of `ln Z`.

use super::{
    Annealed, Annealing, Betas, LogZ,
    anneal::Anneal,
    annealed::{Start, Way, base_biases},
};
use crate::{
    dataset::Examples,
    error::{Error, Result},
    progress::Progress,
    states::States,
};

/// The machine without connections at the other end of annealing.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Base {
    /// Every state equally likely.
    #[default]
    Uniform,
    /// Independent visible units with these biases. A machine whose chains have hidden units too
    /// takes biases of all of them, the visible ones first, or gives the others zero.
    Biases(Vec<f32>),
}

impl Base {
    /// Independent visible units at the log-odds of the data, smoothed; at their means where units
    /// are continuous; of what was observed where values are missing. Of a deep Boltzmann machine,
    /// its even hidden layers likewise at the mean-field posterior of examples that miss nothing,
    /// else at fair coins. Much closer to a trained machine than [`Base::Uniform`].
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for examples of another width than the machine.
    pub fn rate_of(machine: &dyn Annealed, data: &Examples) -> Result<Self> {
        let visible = machine.n_visible();
        if data.columns() != visible {
            return Err(Error::shape("columns of the data", visible, data.columns()));
        }
        if data.observed().is_some() {
            let (mean, n) = (data.mean(), data.effective_len());
            return Ok(Self::Biases(base_biases(machine.visible_layer(), &mean, n)));
        }
        machine.base_rate(data).map(Self::Biases)
    }
}

/// Annealed importance sampling (Neal 2001; for RBMs Salakhutdinov and Murray, ICML 2008).
///
/// Chains start from the base machine and make one Gibbs sweep at each of the inverse temperatures
/// on the way from 0 to 1. Of an RBM of Bernoulli units the intermediate distributions are
/// `p_k(v) ~ e^((1 - beta_k) b0.v + beta_k b.v) prod_j (1 + e^(beta_k (v W + c)_j))`; what is
/// annealed of other units and machines, [`Annealed`] says. The mean of the weights `w` is an
/// unbiased estimate of `Z`, so that on average `ln Z` is underestimated and a likelihood
/// overestimated. The other way round see [`Self::reverse_log_z`], both together
/// [`Self::bracket`], and a conservative likelihood [`Self::raise`].
///
/// ```
/// use harmonium::{Rbm, evaluate::{Ais, Betas}};
/// let ais = Ais { chains: 100, betas: Betas::Linear(1000), ..Ais::default() };
/// let log_z = ais.log_z(&Rbm::bernoulli(&[6, 5])?, &mut ())?;
/// assert!((log_z.estimate - 11.0 * std::f64::consts::LN_2).abs() < 1e-3);
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ais {
    /// Independent chains; of [`Self::raise`], of each example.
    pub chains: usize,
    /// Inverse temperatures.
    pub betas: Betas,
    /// The other end of annealing.
    pub base: Base,
    /// Seed of the draws. Each estimator has draws of its own.
    pub seed: u64,
}

impl Default for Ais {
    /// 100 chains, [`Betas::default`], the uniform base, seed 0.
    fn default() -> Self {
        Self {
            chains: 100,
            betas: Betas::default(),
            base: Base::Uniform,
            seed: 0,
        }
    }
}

impl Ais {
    /// Estimates `ln Z`, on average from below. `progress` counts temperatures. Cost of an RBM:
    /// `2 x chains x betas` rows of products; of a deep Boltzmann machine those of the RBM that it
    /// is, [`Dbm::bipartite`](crate::Dbm::bipartite); of a general machine a sweep and a half for
    /// each temperature. After the first temperature nothing is allocated.
    ///
    /// # Errors
    /// [`Error::Parameter`] without chains or temperatures and for machines without a guaranteed
    /// normal form, [`Error::Shape`] for a base of another size, [`Error::NotFinite`] for NaN or
    /// infinite parameters, [`Error::Stopped`] if `progress` breaks.
    pub fn log_z(&self, machine: &dyn Annealed, progress: &mut dyn Progress) -> Result<LogZ> {
        Ok(self.ascended(machine, progress)?.0)
    }

    /// The estimate and the last states of the chains.
    pub(super) fn ascended(
        &self,
        machine: &dyn Annealed,
        progress: &mut dyn Progress,
    ) -> Result<(LogZ, States)> {
        let base = self.checked_base(machine)?;
        let ladder = self.ladder_from(machine, &base, progress)?;
        let (way, start) = ((Way::Forward, self.seed), Start::Base(self.chains));
        let anneal = Anneal::new(way, machine, &base, &ladder, start)?;
        let (weights, states) = anneal.ascend(progress, |_, _| ())?;
        Ok((LogZ::new(Annealing::Forward, weights), states))
    }
}
