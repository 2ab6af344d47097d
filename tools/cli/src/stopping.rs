//! When to stop before the last epoch, and which machine was the best.

use crate::{
    data::input,
    failure::{Failure, Outcome},
    watch::Watch,
};
use harmonium::{
    evaluate::{reconstruction_error, stochastic_pseudo_likelihood},
    model::Rbm,
};
use std::collections::BTreeMap;

const NOTE: &str = "early_stopping";

/// Epochs are watched by how well they tell held-out examples.
#[derive(Debug)]
pub struct Stopping {
    /// Epochs without a better one after which a run stops.
    patience: usize,
    /// The best score so far and its epoch.
    best: Option<(f64, usize)>,
}

/// What an epoch was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Better than all before.
    Best,
    /// Not better.
    Worse,
    /// Not better, and patience is at an end.
    Stop,
}

impl Stopping {
    /// With this patience, and what the notes of a resumed run say.
    ///
    /// # Errors
    /// Without held-out examples.
    pub fn new(
        patience: usize,
        validation: usize,
        notes: &BTreeMap<String, String>,
    ) -> Outcome<Self> {
        if validation == 0 {
            return Err(Failure::usage("--early-stopping watches held-out examples")
                .hint("hold some out with --validation, such as --validation 5000"));
        }
        let best = notes.get(NOTE).and_then(|text| {
            let (score, epoch) = text.split_once(" epoch ")?;
            Some((score.parse().ok()?, epoch.parse().ok()?))
        });
        Ok(Self { patience, best })
    }

    /// Pseudo-likelihood of the held-out examples, nats; for other units than Bernoulli less their reconstruction error. The same units of the same
    /// examples each time.
    ///
    /// # Errors
    /// As the measures.
    pub fn score(rbm: &Rbm, watch: &Watch, seed: u64) -> Outcome<Option<f64>> {
        let Some(validation) = &watch.validation_whole else {
            return Ok(None);
        };
        Ok(Some(if rbm.is_bernoulli() {
            stochastic_pseudo_likelihood(rbm, input(validation), seed)?
        } else {
            -reconstruction_error(rbm, input(validation))?
        }))
    }

    /// Takes the score of an epoch.
    pub fn judge(
        &mut self,
        score: f64,
        epoch: usize,
        notes: &mut BTreeMap<String, String>,
    ) -> Verdict {
        match self.best {
            Some((best, at)) if score <= best || score.is_nan() => {
                if epoch >= at + self.patience {
                    Verdict::Stop
                } else {
                    Verdict::Worse
                }
            }
            _ => {
                self.best = Some((score, epoch));
                notes.insert(NOTE.into(), format!("{score} epoch {epoch}"));
                Verdict::Best
            }
        }
    }

    /// The best score and its epoch.
    pub fn best(&self) -> Option<(f64, usize)> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_counted_from_the_best_epoch() {
        let mut notes = BTreeMap::new();
        let mut stopping = Stopping::new(2, 10, &notes).unwrap();
        let verdicts: Vec<_> = [1.0, 3.0, 2.0, 4.0, 4.0, 3.0]
            .into_iter()
            .enumerate()
            .map(|(k, score)| stopping.judge(score, k + 1, &mut notes))
            .collect();
        use Verdict::{Best, Stop, Worse};
        assert_eq!(verdicts, [Best, Best, Worse, Best, Worse, Stop]);
        let resumed = Stopping::new(2, 10, &notes).unwrap();
        assert_eq!(resumed.best(), Some((4.0, 4)));
        assert!(Stopping::new(2, 0, &notes).is_err());
    }
}
