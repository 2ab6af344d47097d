//! When to stop before the last epoch, and which machine was the best.

use crate::{
    args::CriterionArg,
    failure::{Failure, Outcome},
    run::likelihood::{self, DEFAULT_BETAS, DEFAULT_CHAINS},
    run::watch::Watch,
};
use harmonium::{
    dataset::{Binarization, Examples},
    evaluate::{
        Ais, Base, Betas, exact_mean_log_likelihood, free_energy_gap, reconstruction_error,
        stochastic_pseudo_likelihood,
    },
    model::Rbm,
    train::{Best, Better, Judge, Objective, Verdict},
};
use std::collections::BTreeMap;

const NOTE: &str = "early_stopping";
/// Machines whose smaller layer has at most this many units are judged by their exact likelihood:
/// cheap beside an epoch.
const CHEAP_UNITS: usize = 16;
/// Up to this many, likelihoods that are asked for are exact.
const EXACT_UNITS: usize = 20;

/// Epochs are watched by how well they tell held-out examples.
#[derive(Debug)]
pub struct Stopping {
    by: CriterionArg,
    judge: Judge,
}

impl Stopping {
    /// With this patience, and what the notes of a resumed run say.
    ///
    /// # Errors
    /// Without held-out examples, and for a criterion that `machine` does not have.
    pub fn new(
        patience: usize,
        by: Option<CriterionArg>,
        machine: (&Rbm, Objective),
        validation: usize,
        notes: &BTreeMap<String, String>,
    ) -> Outcome<Self> {
        if validation == 0 {
            return Err(Failure::usage("--early-stopping watches held-out examples")
                .hint("hold some out with --validation, such as --validation 5000"));
        }
        let by = criterion(by, machine)?;
        let best = notes.get(NOTE).and_then(|text| {
            let (score, rest) = text.split_once(" epoch ")?;
            // The best by another criterion says nothing.
            let epoch = match rest.split_once(" by ") {
                Some((epoch, of)) if of == by.to_string() => epoch,
                Some(_) => return None,
                None => rest,
            };
            let (score, epoch) = (score.parse().ok()?, epoch.parse().ok()?);
            Some(Best { score, epoch })
        });
        let better = match by {
            CriterionArg::FreeEnergyGap(nats) => Better::AtLeast(-nats),
            _ => Better::Larger,
        };
        let judge = Judge {
            better,
            best,
            ..Judge::with_patience(patience)
        };
        Ok(Self { by, judge })
    }

    /// The figure of the held-out examples, the larger the better (errors and gaps less than 0).
    /// The same draws each time.
    ///
    /// # Errors
    /// As the measures.
    pub fn score(&self, rbm: &Rbm, watch: &Watch, seed: u64) -> Outcome<Option<f64>> {
        let Some(validation) = &watch.validation_whole else {
            return Ok(None);
        };
        Ok(Some(match self.by {
            CriterionArg::PseudoLikelihood => stochastic_pseudo_likelihood(rbm, validation, seed)?,
            CriterionArg::ReconstructionError => -reconstruction_error(rbm, validation)?,
            CriterionArg::FreeEnergyGap(_) => -free_energy_gap(rbm, &watch.stochastic, validation)?,
            CriterionArg::Likelihood => log_likelihood(rbm, &watch.stochastic, validation, seed)?,
        }))
    }

    /// Takes the score of an epoch.
    pub fn judge(
        &mut self,
        score: f64,
        epoch: usize,
        notes: &mut BTreeMap<String, String>,
    ) -> Verdict {
        let verdict = self.judge.judge(score, epoch);
        if verdict == Verdict::Best {
            let note = format!("{score} epoch {epoch} by {}", self.by);
            notes.insert(NOTE.into(), note);
        }
        verdict
    }

    /// The figure of the best epoch, and which it is.
    pub fn best(&self) -> Option<(f64, usize)> {
        let sign = match self.by {
            CriterionArg::Likelihood | CriterionArg::PseudoLikelihood => 1.0,
            CriterionArg::ReconstructionError | CriterionArg::FreeEnergyGap(_) => -1.0,
        };
        self.judge.best.map(|best| (sign * best.score, best.epoch))
    }
}

/// The criterion that is asked for, if the machine has it, or the one that suits it.
fn criterion(
    asked: Option<CriterionArg>,
    (rbm, objective): (&Rbm, Objective),
) -> Outcome<CriterionArg> {
    let refused = |by: CriterionArg, what: &str| {
        let message = format!("--early-stopping-by {by}: {what}");
        Err(Failure::usage(message).hint("choose reconstruction-error or free-energy-gap"))
    };
    let bernoulli = rbm.is_bernoulli();
    match asked {
        Some(by @ CriterionArg::PseudoLikelihood) if !bernoulli => {
            refused(by, "expected a machine of bernoulli units")
        }
        Some(by @ CriterionArg::Likelihood)
            if !bernoulli && !likelihood::is_small(rbm, EXACT_UNITS) =>
        {
            refused(
                by,
                "this machine has units that are not annealed, and too many to enumerate",
            )
        }
        Some(by) => Ok(by),
        // What discriminates need not be likely.
        None if objective == Objective::Generative && likelihood::is_small(rbm, CHEAP_UNITS) => {
            Ok(CriterionArg::Likelihood)
        }
        None if bernoulli => Ok(CriterionArg::PseudoLikelihood),
        None => Ok(CriterionArg::ReconstructionError),
    }
}

/// Mean over `held_out`, whose gray values are drawn once; `ln Z` exact, or by annealing from the
/// base rate of `train`.
fn log_likelihood(rbm: &Rbm, train: &Examples, held_out: &Examples, seed: u64) -> Outcome<f64> {
    let drawn;
    let held_out = if rbm.is_bernoulli() && held_out.bits().is_none() {
        drawn = held_out.clone().binarized(Binarization::Sampled, seed, 0);
        &drawn
    } else {
        held_out
    };
    if likelihood::is_small(rbm, EXACT_UNITS) {
        return Ok(exact_mean_log_likelihood(rbm, held_out, &mut ())?.0);
    }
    let ais = Ais {
        chains: DEFAULT_CHAINS,
        betas: Betas::Linear(DEFAULT_BETAS),
        base: Base::rate_of(train)?,
        seed,
    };
    let log_z = ais.log_z(rbm, &mut ())?.estimate;
    Ok(rbm.mean_log_likelihood(held_out, log_z)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_counted_from_the_best_epoch() {
        let mut notes = BTreeMap::new();
        let small = Rbm::bernoulli(&[9, 4]).unwrap();
        let machine = (&small, Objective::Generative);
        let mut stopping = Stopping::new(2, None, machine, 10, &notes).unwrap();
        let verdicts: Vec<_> = [1.0, 3.0, 2.0, 4.0, 4.0, 3.0]
            .into_iter()
            .enumerate()
            .map(|(k, score)| stopping.judge(score, k + 1, &mut notes))
            .collect();
        use Verdict::{Best, Stop, Worse};
        assert_eq!(verdicts, [Best, Best, Worse, Best, Worse, Stop]);
        let resumed = Stopping::new(2, None, machine, 10, &notes).unwrap();
        assert_eq!(resumed.best(), Some((4.0, 4)));
        let other = Some(CriterionArg::PseudoLikelihood);
        let other = Stopping::new(2, other, machine, 10, &notes).unwrap();
        assert_eq!(other.best(), None, "by another criterion");
        assert!(Stopping::new(2, None, machine, 0, &notes).is_err());
    }

    #[test]
    fn the_last_epoch_within_the_gap_is_the_best() {
        let mut notes = BTreeMap::new();
        let small = Rbm::bernoulli(&[9, 4]).unwrap();
        let machine = (&small, Objective::Generative);
        let by = Some(CriterionArg::FreeEnergyGap(0.5));
        let mut stopping = Stopping::new(2, by, machine, 10, &notes).unwrap();
        let verdicts: Vec<_> = [0.1, 0.6, 0.4, 0.5, 0.7, 0.6]
            .into_iter()
            .enumerate()
            .map(|(k, gap)| stopping.judge(-gap, k + 1, &mut notes))
            .collect();
        use Verdict::{Best, Stop, Worse};
        assert_eq!(verdicts, [Best, Worse, Best, Best, Worse, Stop]);
        assert_eq!(stopping.best(), Some((0.5, 4)));
    }

    #[test]
    fn machines_have_criteria_that_suit_them() {
        use CriterionArg::{Likelihood, PseudoLikelihood, ReconstructionError};
        let generative = Objective::Generative;
        let (small, large) = (
            Rbm::bernoulli(&[40, 16]).unwrap(),
            Rbm::bernoulli(&[40, 17]).unwrap(),
        );
        let layer = |kind, n| harmonium::model::Layer::of(kind, n);
        let spins = layer(harmonium::units::Kind::Spin, 40);
        let spins = Rbm::unconnected(spins.clone(), spins).unwrap();
        for (rbm, objective, expected) in [
            (&small, generative, Likelihood),
            (&large, generative, PseudoLikelihood),
            (&small, Objective::Discriminative, PseudoLikelihood),
            (&spins, generative, ReconstructionError),
        ] {
            assert_eq!(criterion(None, (rbm, objective)).unwrap(), expected);
        }
        assert!(criterion(Some(Likelihood), (&large, generative)).is_ok());
        for asked in [Likelihood, PseudoLikelihood] {
            assert!(criterion(Some(asked), (&spins, generative)).is_err());
        }
    }
}
