//! Likelihoods in f64 throughout, for machines whose `ln Z` can be enumerated:
//! `exact_mean_log_likelihood` of every family.

use crate::{
    dataset::Rows,
    error::{Error, Result},
    model::{BoltzmannMachine, Dbm, Dbn, Rbm, rbm::for_each_sent},
    progress::Progress,
    threads::{in_pool, prelude::*},
};

/// What refuses missing values.
const NAME: &str = "a mean of ln p(v)";

/// A log-likelihood in nats whose `ln Z` is exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExactLikelihood {
    /// Weighted mean of `ln p` over the examples.
    pub mean: f64,
    /// Standard error of the mean, as of a sample of examples.
    pub standard_error: f64,
    /// `ln Z`; of a deep belief network that of its top pair; of counts the mean over the examples
    /// of those of their lengths.
    pub log_z: f64,
}

impl ExactLikelihood {
    /// Of the sums `ln sum e^-E` of the rows.
    fn of_sums(rows: Rows<'_>, sums: Vec<f64>, log_z: f64) -> Self {
        Self::of(rows, sums.into_iter().map(|x| x - log_z), log_z)
    }

    fn of(rows: Rows<'_>, log_p: impl IntoIterator<Item = f64>, log_z: f64) -> Self {
        let (mean, standard_error) = rows.mean(log_p);
        Self {
            mean,
            standard_error,
            log_z,
        }
    }
}

impl Rbm {
    /// `F(v)` of each row at `beta = 1`, every sum in f64. Cost: a dense product in f64, several
    /// times that of [`Self::free_energy`].
    ///
    /// # Errors
    /// [`Error::Shape`] unless `v` has the machine's visible units; [`Error::Parameter`] for
    /// missing values.
    pub fn exact_free_energies<'a>(&self, v: impl Into<Rows<'a>>) -> Result<Vec<f64>> {
        let v = v.into().complete("a free energy")?;
        if v.columns() != self.n_visible() {
            let (expected, found) = (self.n_visible(), v.columns());
            return Err(Error::shape("units of the input", expected, found));
        }
        let of_row = |s| {
            let bias = self.hidden().bias.iter().map(|&c| f64::from(c));
            let count = self.bias_count(v, s);
            let mut input: Vec<f64> = bias.map(|c| count * c).collect();
            for_each_sent(self.visible(), v, s, |i, x| {
                for (y, &w) in input.iter_mut().zip(self.weights().row(i)) {
                    *y += x * f64::from(w);
                }
            });
            -self.visible().own_term(v, s) - self.hidden().log_partition(&input, 1.0)
        };
        let rows = (0..v.rows()).into_par_iter();
        Ok(in_pool(|| rows.map(of_row).collect()))
    }

    /// Weighted mean and standard error over the rows of `ln p(v) = -F(v) - ln Z`, with `ln Z`
    /// enumerated. Of a machine with label units, `v` and so the
    /// likelihood are of examples and labels together. Of rows with missing values it is that of
    /// what was observed, see [`Self::exact_log_p_observed`]. Of counts each row has the `ln Z` of
    /// its length, and `ln p` is that of a sequence of words, see [`Self::given_length`].
    ///
    /// # Errors
    /// Those of [`Self::log_z`] and [`Self::exact_free_energies`].
    pub fn exact_mean_log_likelihood<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<ExactLikelihood> {
        let rows = v.into();
        let sums = self.log_sums_over_missing(rows, &mut ())?;
        if self.visible().has_lengths_of_rows() {
            let log_z = self.log_z_of_rows(rows.input(), progress)?;
            let log_p = sums.into_iter().zip(&log_z).map(|(x, z)| x - z);
            let mean = rows.mean(log_z.iter().copied()).0;
            return Ok(ExactLikelihood::of(rows, log_p, mean));
        }
        let log_z = self.log_z(progress)?;
        Ok(ExactLikelihood::of_sums(rows, sums, log_z))
    }
}

impl Dbn {
    /// Weighted mean and standard error over the rows of `ln p(v)`, and `ln Z` of the top pair, all
    /// exact. Of a network with labels, `p(v)` is the sum over
    /// them.
    ///
    /// # Errors
    /// As [`Self::exact_log_p_v`].
    pub fn exact_mean_log_likelihood<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<ExactLikelihood> {
        let rows = v.into();
        let v = rows.complete(NAME)?;
        let log_z = self.top().log_z(&mut progress.part(0, 1, 2))?;
        let log_p = self.exact_log_p_v(v, None, &mut progress.part(1, 1, 2))?;
        Ok(ExactLikelihood::of(rows, log_p, log_z))
    }
}

impl Dbm {
    /// Weighted mean and standard error over the rows of `ln p(v)`, with `ln Z`, all exact.
    /// Of a machine with labels, `p(v)` is the sum over them.
    ///
    /// # Errors
    /// As [`Self::log_sums_over_hidden`].
    pub fn exact_mean_log_likelihood<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<ExactLikelihood> {
        let rows = v.into();
        let log_z = self.log_z(&mut progress.part(0, 1, 2))?;
        let sums = self.log_sums_over_missing(rows, &mut progress.part(1, 1, 2))?;
        Ok(ExactLikelihood::of_sums(rows, sums, log_z))
    }
}

impl BoltzmannMachine {
    /// Weighted mean and standard error over the rows of `ln p(v) = -F(v) - ln Z`, all exact.
    ///
    /// # Errors
    /// As [`Self::free_energy`] and [`Self::log_z_at`].
    pub fn exact_mean_log_likelihood<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<ExactLikelihood> {
        let rows = v.into();
        let (sums, log_z) = (self.log_sums_over_missing(rows)?, self.log_z(progress)?);
        Ok(ExactLikelihood::of_sums(rows, sums, log_z))
    }
}
