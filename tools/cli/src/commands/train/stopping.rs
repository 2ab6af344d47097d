//! When to stop before the last epoch, and which machine was the best.

use super::start::Start;
use crate::{
    args::CriterionArg,
    failure::{Failure, Outcome},
};
use harmonium::{
    recipe::Plan,
    train::{BackpropLearner, Best, Better, Judge, Learner, Verdict},
};
use std::collections::BTreeMap;

/// The note of the best epoch.
pub const NOTE: &str = "early_stopping";

/// Epochs are watched by how well they tell held-out examples.
#[derive(Debug)]
pub struct Stopping {
    /// What they are judged by.
    pub by: CriterionArg,
    /// The stage whose epochs these are.
    pub stage: String,
    judge: Judge,
}

impl Stopping {
    /// That of a run, if the command line asks for it.
    ///
    /// # Errors
    /// Without held-out examples, and for a criterion that the machine does not have.
    pub fn of(start: &Start<'_, '_>) -> Outcome<Option<Self>> {
        let flags = &start.args.shared().stopping;
        let Some(patience) = flags.early_stopping else {
            return Ok(None);
        };
        if start.data.validation.is_none() {
            return Err(Failure::usage("--early-stopping watches held-out examples")
                .hint("hold some out with --validation, such as --validation 5000"));
        }
        let model = start.run.result()?;
        let by = start
            .kind
            .criterion(flags.early_stopping_by, start.plan, &model)?;
        Ok(Some(Self::new(
            patience,
            by,
            judged(start.plan),
            &start.notes,
        )))
    }

    /// With this patience, and what the notes of a resumed run say.
    fn new(
        patience: usize,
        by: CriterionArg,
        stage: String,
        notes: &BTreeMap<String, String>,
    ) -> Self {
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
        Self { by, stage, judge }
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
            CriterionArg::ReconstructionError
            | CriterionArg::Error
            | CriterionArg::FreeEnergyGap(_) => -1.0,
        };
        self.judge.best.map(|best| (sign * best.score, best.epoch))
    }
}

/// The stage that is judged: the last before backpropagation.
fn judged(plan: &Plan) -> String {
    let stages = plan.stages();
    let main = stages.iter().rev();
    let mut main = main.filter(|stage| stage.name != BackpropLearner::NAME);
    main.next()
        .map_or_else(String::new, |stage| stage.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Best, Stop, Worse};

    fn verdicts(
        stopping: &mut Stopping,
        scores: &[f64],
        notes: &mut BTreeMap<String, String>,
    ) -> Vec<Verdict> {
        let scores = scores.iter().enumerate();
        scores
            .map(|(k, score)| stopping.judge(*score, k + 1, notes))
            .collect()
    }

    #[test]
    fn the_best_epoch_is_noted_and_read_again_by_the_same_criterion() {
        let mut notes = BTreeMap::new();
        let new =
            |by, notes: &BTreeMap<String, String>| Stopping::new(2, by, "joint".into(), notes);
        let mut stopping = new(CriterionArg::Likelihood, &notes);
        let found = verdicts(&mut stopping, &[1.0, 3.0, 2.0, 4.0, 4.0, 3.0], &mut notes);
        assert_eq!(found, [Best, Best, Worse, Best, Worse, Stop]);
        assert_eq!(stopping.best(), Some((4.0, 4)));
        assert_eq!(new(CriterionArg::Likelihood, &notes).best(), Some((4.0, 4)));
        assert_eq!(new(CriterionArg::Error, &notes).best(), None);
    }

    #[test]
    fn the_last_epoch_within_the_gap_is_the_best() {
        let mut notes = BTreeMap::new();
        let by = CriterionArg::FreeEnergyGap(0.5);
        let mut stopping = Stopping::new(2, by, "training".into(), &notes);
        let gaps = [-0.1, -0.6, -0.4, -0.5, -0.7, -0.6];
        let found = verdicts(&mut stopping, &gaps, &mut notes);
        assert_eq!(found, [Best, Worse, Best, Best, Worse, Stop]);
        assert_eq!(stopping.best(), Some((0.5, 4)));
    }
}
