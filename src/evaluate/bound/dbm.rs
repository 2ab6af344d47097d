//! The variational lower bound on the likelihood of data under a deep Boltzmann machine.

use crate::{
    dataset::Rows,
    error::Result,
    evaluate::{Bracket, INTERVAL_STANDARD_ERRORS},
    kernel::reduce::weighted_mean_and_standard_error,
    model::{Convergence, Dbm, MeanField},
    progress::Progress,
};

/// A hidden unit responds to data if its posterior mean varies over them with a standard deviation
/// of more than this.
pub const RESPONDING_ABOVE: f64 = 0.03;

/// `L(Q)` of examples, from which `ln p(v) >= L(Q) - ln Z`.
///
/// ```
/// # use harmonium::{Dbm, dataset, evaluate::DbmBound, model::MeanField};
/// let data = dataset::bars_and_stripes(2);
/// let dbm = Dbm::bernoulli(&[4, 3, 2])?;
/// let bound = DbmBound::new(&dbm, data.bits().unwrap(), &MeanField::default(), &mut ())?;
/// let (mean, _) = bound.mean(dbm.log_z(&mut ())?);
/// assert!((mean + 4.0 * std::f64::consts::LN_2).abs() < 1e-5);
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DbmBound {
    /// `L(Q)` of every example, without `ln Z`.
    pub bounds: Vec<f64>,
    /// How the worst minibatch of mean field ended.
    pub convergence: Convergence,
    /// The posterior means of the hidden layers over the examples, lowest first; not of a label.
    pub hidden: Vec<PosteriorActivity>,
    /// Weights of the examples, if they have any.
    pub weights: Option<Vec<f32>>,
}

/// How the posterior means of a hidden layer's units vary over examples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PosteriorActivity {
    /// Weighted mean over the examples, of each unit.
    pub mean: Vec<f64>,
    /// Standard deviation over the examples, of each unit.
    pub deviation: Vec<f64>,
}

impl PosteriorActivity {
    /// Units whose standard deviation is above `threshold`; [`RESPONDING_ABOVE`] is usual. The
    /// others do nothing for these data, whether they are always off, always on or in between.
    pub fn responding(&self, threshold: f64) -> usize {
        self.deviation.iter().filter(|&&d| d > threshold).count()
    }
}

/// A mean lower bound under a `ln Z` that is known within a bracket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DbmLikelihood {
    /// With the upper end of the bracket's reverse interval, and less three standard errors of the
    /// mean over the examples.
    pub low: f64,
    /// With Bennett's estimate.
    pub estimate: f64,
    /// With the lower end of the bracket's forward interval, and three standard errors more.
    pub high: f64,
    /// Of the mean over the examples.
    pub standard_error: f64,
}

impl DbmBound {
    /// The bounds at the mean-field posterior of each row of `v`. Precision:
    /// [`crate::model::Posterior::bounds`].
    ///
    /// # Errors
    /// As [`Dbm::mean_field_bounds`]; [`Error::Parameter`](crate::Error::Parameter) for missing
    /// values; [`Error::Stopped`](crate::Error::Stopped) if `progress`,
    /// which counts rows, breaks.
    pub fn new<'a>(
        dbm: &Dbm,
        v: impl Into<Rows<'a>>,
        options: &MeanField,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let rows = v.into();
        let v = rows.complete("a mean-field bound")?;
        let weight = |s: usize| rows.weights().map_or(1.0, |w| f64::from(w[s]));
        let mut bounds = Vec::with_capacity(v.rows());
        let hidden = 1..dbm.n_layers() - usize::from(dbm.classes().is_some());
        // Sums of means and of their squares.
        let mut sums: Vec<Vec<[f64; 2]>> = hidden
            .map(|l| vec![[0.0; 2]; dbm.layer(l).size()])
            .collect();
        let convergence = dbm.for_each_posterior(v, options, progress, |first, v, posterior| {
            for (l, sums) in (1..).zip(&mut sums) {
                let mean = posterior.mean(l);
                for s in 0..v.rows() {
                    let weight = weight(first + s);
                    for (sum, &q) in sums.iter_mut().zip(mean.row(s)) {
                        let q = f64::from(q);
                        sum[0] += weight * q;
                        sum[1] += weight * (q * q);
                    }
                }
            }
            bounds.extend(posterior.bounds(dbm, v)?);
            Ok(())
        })?;
        let n = match rows.weights() {
            None => v.rows().max(1) as f64,
            Some(weights) => weights.iter().map(|&w| f64::from(w)).sum(),
        };
        let activity = |sums: Vec<[f64; 2]>| {
            let of = |[sum, squares]: [f64; 2]| {
                let mean = sum / n;
                (mean, (squares / n - mean * mean).max(0.0).sqrt())
            };
            let (mean, deviation) = sums.into_iter().map(of).unzip();
            PosteriorActivity { mean, deviation }
        };
        Ok(Self {
            bounds,
            convergence,
            hidden: sums.into_iter().map(activity).collect(),
            weights: rows.weights().map(<[f32]>::to_vec),
        })
    }

    /// Weighted mean and standard error over the examples of `L(Q) - ln Z`.
    pub fn mean(&self, log_z: f64) -> (f64, f64) {
        let bounds = self.bounds.iter().map(|x| x - log_z);
        weighted_mean_and_standard_error(bounds, self.weights.as_deref())
    }

    /// The mean with `ln Z` from both sides. `low` bounds the likelihood of the examples'
    /// distribution from below if the bracket holds `ln Z`.
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
