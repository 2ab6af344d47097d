//! The variational lower bound on the likelihood of data under a deep Boltzmann machine.

use super::{Bracket, INTERVAL_STANDARD_ERRORS};
use crate::{
    error::Result,
    kernel::reduce::mean_and_standard_error,
    model::{Convergence, Dbm, MeanField},
    product::Input,
};

/// `L(Q)` of examples, from which `ln p(v) >= L(Q) - ln Z`.
///
/// ```
/// # use harmonium::{Dbm, dataset, evaluate::DbmBound, model::MeanField};
/// let data = dataset::bars_and_stripes(2);
/// let dbm = Dbm::bernoulli(&[4, 3, 2])?;
/// let bound = DbmBound::new(&dbm, data.bits().unwrap(), &MeanField::default())?;
/// let (mean, _) = bound.mean(dbm.log_z()?);
/// assert!((mean + 4.0 * std::f64::consts::LN_2).abs() < 1e-5);
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DbmBound {
    /// `L(Q)` of every example, without `ln Z`.
    pub bounds: Vec<f64>,
    /// How the worst minibatch of mean field ended.
    pub convergence: Convergence,
}

/// A mean lower bound under a `ln Z` that is known within a bracket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DbmLikelihood {
    /// With the upper end of the bracket's reverse interval, and less three standard errors of the mean over the examples.
    pub low: f64,
    /// With Bennett's estimate.
    pub estimate: f64,
    /// With the lower end of the bracket's forward interval, and three standard errors more.
    pub high: f64,
    /// Of the mean over the examples.
    pub standard_error: f64,
}

impl DbmBound {
    /// The bounds at the mean-field posterior of each row of `v`. Precision: [`crate::model::Posterior::bounds`].
    ///
    /// # Errors
    /// As [`Dbm::mean_field_bounds`].
    pub fn new<'a>(dbm: &Dbm, v: impl Into<Input<'a>>, options: &MeanField) -> Result<Self> {
        let (bounds, convergence) = dbm.mean_field_bounds(v, options)?;
        Ok(Self {
            bounds,
            convergence,
        })
    }

    /// Mean and standard error over the examples of `L(Q) - ln Z`.
    pub fn mean(&self, log_z: f64) -> (f64, f64) {
        mean_and_standard_error(self.bounds.iter().map(|x| x - log_z))
    }

    /// The mean with `ln Z` from both sides. `low` bounds the likelihood of the examples' distribution from below if the bracket holds `ln Z`.
    pub fn within(&self, log_z: &Bracket) -> DbmLikelihood {
        let (mean, standard_error) = self.mean(0.0);
        let margin = INTERVAL_STANDARD_ERRORS * standard_error;
        DbmLikelihood {
            low: mean - log_z.high() - margin,
            estimate: mean - log_z.bennett.estimate,
            high: mean - log_z.low() + margin,
            standard_error,
        }
    }
}
