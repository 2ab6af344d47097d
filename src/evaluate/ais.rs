//! Annealed importance sampling of `ln Z`.

use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    kernel::reduce::{log_sum_exp, mean_and_standard_error},
    model::{Rbm, log_odds, log_z_of_biases},
    product::{Input, Propagation, Tail},
    rng::{Draws, Site},
};
use std::ops::ControlFlow;

/// Half width of the interval of [`LogZ`] in standard errors of the mean weight, as in Salakhutdinov and Murray (2008).
pub const INTERVAL_STANDARD_ERRORS: f64 = 3.0;

/// Pseudo-examples of the base rate, half of them on, as a share of the examples. Salakhutdinov and Murray (2008) smooth as strongly, by
/// 3000 that are on among 63,000; half on and half off favours neither polarity.
const BASE_RATE_PSEUDO_SHARE: f64 = 0.1;

/// The machine without connections that annealing starts from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Base {
    /// Every state equally likely.
    #[default]
    Uniform,
    /// Independent visible units with these biases.
    Biases(Vec<f32>),
}

impl Base {
    /// Independent units at the log-odds of the data, smoothed. Much closer to a trained machine than [`Base::Uniform`].
    pub fn rate_of(data: &Examples) -> Self {
        let n = data.len();
        Self::Biases(log_odds(&data.mean(), n, BASE_RATE_PSEUDO_SHARE * n as f64))
    }
}

/// Annealed importance sampling (Neal 2001; for RBMs Salakhutdinov and Murray, ICML 2008).
///
/// Chains start from the base machine and make one Gibbs sweep at each of `betas` inverse temperatures from 0 to 1. The intermediate
/// distributions are `p_k(v) ~ e^((1 - beta_k) b0.v + beta_k b.v) prod_j (1 + e^(beta_k (v W + c)_j))`. The mean of the
/// weights `w` is an unbiased estimate of `Z`, so that on average `ln Z` is underestimated and a likelihood overestimated.
#[derive(Clone, Debug)]
pub struct Ais {
    /// Independent chains.
    pub chains: usize,
    /// Inverse temperatures after 0, evenly spaced up to 1; one sweep each.
    pub betas: usize,
    /// Where annealing starts.
    pub base: Base,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Ais {
    fn default() -> Self {
        Self {
            chains: 100,
            betas: 10_000,
            base: Base::Uniform,
            seed: 0,
        }
    }
}

/// An estimate of `ln Z` with its uncertainty.
#[derive(Clone, Debug)]
pub struct LogZ {
    /// `ln` of the mean weight.
    pub estimate: f64,
    /// Standard error of `estimate`, to first order: that of the mean weight over the mean weight.
    pub standard_error: f64,
    /// `ln(mean - 3 standard errors)` of the weights; the smallest log weight where that difference is not positive.
    pub low: f64,
    /// `ln(mean + 3 standard errors)` of the weights.
    pub high: f64,
    /// `(sum w)^2 / sum w^2`: how many equally weighted chains the estimate is worth.
    pub effective_sample_size: f64,
    /// `ln w` of every chain.
    pub log_weights: Vec<f64>,
}

impl LogZ {
    /// From the log weights of the chains, of which there is at least one.
    fn from_log_weights(log_weights: Vec<f64>) -> Self {
        let n = log_weights.len() as f64;
        let estimate = log_sum_exp(&log_weights) - n.ln();
        // Weights relative to their mean: of order one, so nothing overflows.
        let relative: Vec<f64> = log_weights.iter().map(|w| (w - estimate).exp()).collect();
        let (_, error) = mean_and_standard_error(relative.iter().copied());
        let standard_error = if error.is_nan() { 0.0 } else { error };
        let below = 1.0 - INTERVAL_STANDARD_ERRORS * standard_error;
        let low = if below > 0.0 {
            estimate + below.ln()
        } else {
            log_weights.iter().copied().fold(f64::INFINITY, f64::min)
        };
        Self {
            estimate,
            standard_error,
            low,
            high: estimate + (INTERVAL_STANDARD_ERRORS * standard_error).ln_1p(),
            effective_sample_size: n * n / relative.iter().map(|w| w * w).sum::<f64>(),
            log_weights,
        }
    }
}

impl Ais {
    /// Estimates `ln Z`. Cost: `2 x chains x betas` rows of products.
    ///
    /// # Errors
    /// [`Error::Parameter`] without chains or temperatures and for machines of other than Bernoulli units, [`Error::Shape`] for a base of another size, [`Error::NotFinite`] for NaN or
    /// infinite parameters.
    pub fn log_z(&self, rbm: &Rbm) -> Result<LogZ> {
        Ok(self
            .log_z_with(rbm, &mut |_, _| ControlFlow::Continue(()))?
            .expect("nothing stops it"))
    }

    /// As [`Self::log_z`], calling `progress(temperatures done, all)` after each temperature; `None` if it breaks.
    ///
    /// # Errors
    /// As [`Self::log_z`].
    pub fn log_z_with(
        &self,
        rbm: &Rbm,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Option<LogZ>> {
        rbm.expect_bernoulli("annealed importance sampling")?;
        let n = rbm.n_visible();
        for (name, value) in [("chains", self.chains), ("betas", self.betas)] {
            if value == 0 {
                return Err(Error::parameter(name, "at least 1", value));
            }
        }
        let base = match &self.base {
            Base::Uniform => vec![0.0; n],
            Base::Biases(b) if b.len() == n => b.clone(),
            Base::Biases(b) => return Err(Error::shape("biases of the base", n, b.len())),
        };
        if base.iter().any(|b| !b.is_finite()) {
            return Err(Error::NotFinite {
                what: "biases of the base".into(),
            });
        }
        rbm.check_finite()?;
        let start = log_z_of_biases(&base) + rbm.n_hidden() as f64 * std::f64::consts::LN_2;
        let mut difference = rbm.visible().clone();
        for (b, b0) in difference.bias.iter_mut().zip(&base) {
            *b -= b0;
        }

        let draws = Draws::new(self.seed, Site::Ais, 0);
        let mean: Vec<f32> = base
            .iter()
            .map(|&b| crate::kernel::reference::sigmoid(f64::from(b)) as f32)
            .collect();
        let mut v = BitMatrix::from_fn(self.chains, n, |s, i| draws.uniform(s, i) < mean[i]);
        let mut h = BitMatrix::zeros(self.chains, rbm.n_hidden());
        let mut log_weights = vec![start; self.chains];
        let mut sums = vec![0.0; self.chains];
        let mut machine = rbm.clone();
        let mut buffers = Propagation::default();
        let beta_of = |k: usize| k as f32 / self.betas as f32;
        for k in 1..=self.betas {
            let (beta, last) = (beta_of(k), beta_of(k - 1));
            let draws = Draws::new(self.seed, Site::Ais, 2 * k as u64);
            let tail = Tail {
                sample: Some((h.view_mut(), draws)),
                softplus_sums: Some(&mut sums),
                minus_beta: Some(last),
                ..Tail::new(beta)
            };
            rbm.hidden_from_visible((&v).into(), tail, &mut buffers)?;
            for (s, (weight, sum)) in log_weights.iter_mut().zip(&sums).enumerate() {
                *weight += sum + f64::from(beta - last) * difference.own_term(Input::from(&v), s);
            }
            if k < self.betas {
                // beta (h W' + b) + (1 - beta) b0, with the base's share put into the bias.
                let (bias, _) = machine.biases_mut();
                for ((bias, b), b0) in bias.iter_mut().zip(&rbm.visible().bias).zip(&base) {
                    *bias = b + (1.0 - beta) / beta * b0;
                }
                let draws = Draws::new(self.seed, Site::Ais, 2 * k as u64 + 1);
                let tail = Tail {
                    sample: Some((v.view_mut(), draws)),
                    ..Tail::new(beta)
                };
                machine.visible_from_hidden((&h).into(), tail, &mut buffers)?;
            }
            if progress(k, self.betas).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(LogZ::from_log_weights(log_weights)))
    }
}
