//! Annealed importance sampling of `ln Z`.

use super::{
    Annealing, Betas, LogZ,
    anneal::{Anneal, Way},
};
use crate::{
    dataset::Examples,
    error::Result,
    model::{Rbm, log_odds},
    progress::Progress,
};

/// Pseudo-examples of the base rate, half of them on, as a share of the examples. Salakhutdinov and
/// Murray (2008) smooth as strongly, by 3000 that are on among 63,000; half on and half off favors
/// neither polarity.
pub(super) const BASE_RATE_PSEUDO_SHARE: f64 = 0.1;

/// The machine without connections at the other end of annealing.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Base {
    /// Every state equally likely.
    #[default]
    Uniform,
    /// Independent visible units with these biases.
    Biases(Vec<f32>),
}

impl Base {
    /// Independent units at the log-odds of the data, smoothed. Much closer to a trained machine
    /// than [`Base::Uniform`].
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for examples with weights or a mask.
    pub fn rate_of(data: &Examples) -> Result<Self> {
        data.expect_plain("the base rate of annealing")?;
        let n = data.len();
        let biases = log_odds(&data.mean(), n, BASE_RATE_PSEUDO_SHARE * n as f64);
        Ok(Self::Biases(biases))
    }
}

/// Annealed importance sampling (Neal 2001; for RBMs Salakhutdinov and Murray, ICML 2008).
///
/// Chains start from the base machine and make one Gibbs sweep at each of the inverse temperatures
/// on the way from 0 to 1. The intermediate distributions are `p_k(v) ~ e^((1 - beta_k) b0.v +
/// beta_k b.v) prod_j (1 + e^(beta_k (v W + c)_j))`. The mean of the weights `w` is an unbiased
/// estimate of `Z`, so that on average `ln Z` is underestimated and a likelihood overestimated. The
/// other way round see [`Self::reverse_log_z`], both together [`Self::bracket`], and a conservative
/// likelihood [`Self::raise`].
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
    /// Estimates `ln Z`, on average from below. Cost: `2 x chains x betas` rows of products; after
    /// the first temperature nothing is allocated. `progress` counts temperatures.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] without chains or temperatures and for machines of other than
    /// Bernoulli units and softmax groups, [`crate::Error::Shape`] for a base of another size,
    /// [`crate::Error::NotFinite`] for NaN or infinite parameters, [`crate::Error::Stopped`] if
    /// `progress` breaks.
    pub fn log_z(&self, rbm: &Rbm, progress: &mut dyn Progress) -> Result<LogZ> {
        let base = self.checked_base(rbm)?;
        let ladder = self.ladder_from(rbm, &base)?;
        let anneal = Anneal::from_base(Way::Forward, self.seed, rbm, &base, &ladder, self.chains);
        let weights = anneal.ascend(progress, |_, _| ())?;
        Ok(LogZ::new(Annealing::Forward, weights))
    }
}
