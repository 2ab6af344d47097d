//! What is measured of machines of counts: `ln Z` of every length that comes.

use super::{Annealed, Mean, Measure, Measures, Partition, families::NAME};
use crate::{
    dataset::{Examples, Rows},
    error::{Error, Result},
    evaluate::{Base, HiddenActivity, LogZ, Perplexity, independent_log_p},
    model::{Rbm, by_length, lengths_of},
    progress::Progress,
};

impl Measure {
    /// As [`Self::rbm`], of a machine of counts, whose `ln Z` is the weighted mean of those of the
    /// rows' lengths. Lengths are annealed one by one, forward alone.
    pub(super) fn counts(
        &self,
        rbm: &Rbm,
        [train, examples]: [&Examples; 2],
        progress: &mut dyn Progress,
    ) -> Result<Measures> {
        let rows = Rows::from(examples);
        let v = rows.complete(NAME)?;
        for (what, asked) in [
            ("RAISE", self.raise.is_some()),
            ("annealing back", self.reverse),
        ] {
            if asked && !self.enumerates(rbm) {
                let expected = "a machine of one length: counts are annealed forward alone";
                return Err(Error::parameter(
                    what,
                    expected,
                    "rows of lengths of their own",
                ));
            }
        }
        let lengths = lengths_of(v);
        let activity = rbm.hidden().units.are_binary();
        let activity = activity
            .then(|| HiddenActivity::new(rbm, rows))
            .transpose()?;
        let of_rows = |of: &[f64]| by_length(v, &lengths, of);
        let (log_sums, z, log_z) = if self.enumerates(rbm) {
            let log_z = of_rows(&rbm.log_z_of_lengths(&lengths, progress)?);
            let free = rbm.exact_free_energies(v)?;
            (
                free,
                Partition::exact(rows.mean(log_z.iter().copied()).0),
                log_z,
            )
        } else {
            let ais = self.ais(Base::rate_of(rbm, train)?);
            let all = ais.log_z_of_lengths(rbm, &lengths, progress)?;
            let of = |f: &dyn Fn(&LogZ) -> f64| of_rows(&all.iter().map(f).collect::<Vec<f64>>());
            let mean = |x: &[f64]| rows.mean(x.iter().copied()).0;
            let log_z = of(&|z| z.estimate);
            let z = Partition {
                log_z: mean(&log_z),
                low: mean(&of(&|z| z.low)),
                high: mean(&of(&|z| z.high)),
                standard_error: error_of_mean(rows, &lengths, &all),
                annealed: Some((
                    ais,
                    Annealed::Lengths(lengths.iter().copied().zip(all).collect()),
                )),
            };
            (rbm.free_energy(v, 1.0)?, z, log_z)
        };
        let log_sums: Vec<f64> = log_sums.iter().map(|f| -f).collect();
        let log_p: Vec<f64> = log_sums.iter().zip(&log_z).map(|(x, z)| x - z).collect();
        let likelihood = {
            let (mean, standard_error) = rows.mean(log_p.iter().copied());
            Mean {
                mean,
                low: mean + z.log_z - z.high,
                high: mean + z.log_z - z.low,
                standard_error,
            }
        };
        let independent = independent_log_p(&rbm.visible().units, train, examples)?;
        let perplexity = [log_p, independent.unwrap_or_default()];
        let perplexity = perplexity.map(|log_p| Perplexity::new(rows, log_p));
        Ok(Measures {
            likelihood: Some(likelihood.and_error_of(&z)),
            activity,
            log_sums,
            log_z_of_rows: Some(log_z),
            perplexity: Some(perplexity),
            ..Measures::of(z, examples.len())
        })
    }
}

/// Standard error of the weighted mean over the rows of the estimates for their lengths, which are
/// independent.
fn error_of_mean(rows: Rows<'_>, lengths: &[u32], all: &[LogZ]) -> f64 {
    let squares = all.iter().enumerate().map(|(k, z)| {
        let is_own: Vec<f64> = (0..all.len())
            .map(|i| f64::from(u8::from(i == k)))
            .collect();
        let share = rows.mean(by_length(rows.input(), lengths, &is_own)).0;
        (share * z.standard_error).powi(2)
    });
    squares.sum::<f64>().sqrt()
}
