//! Keeping the best machine, and stopping when it does not get better.

use super::{
    Ended, Event, Feed, Learner, Run,
    drive::{Driven, Watcher, drive},
};
use crate::error::Result;
use std::ops::ControlFlow;

/// What is better.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Better {
    /// A larger score.
    #[default]
    Larger,
    /// A later epoch whose score is at least this: the last one that is good enough.
    AtLeast(f64),
}

/// The best epoch of a run so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// Its score.
    pub score: f64,
    /// Which it is, from 1 on.
    pub epoch: usize,
}

/// What an epoch was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Better than all before.
    Best,
    /// Not better.
    Worse,
    /// Not better, and patience is at an end.
    Stop,
}

/// Judges epochs by their scores.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    /// Epochs without a better one after which a run stops; without it none does.
    pub patience: Option<usize>,
    /// What is better.
    pub better: Better,
    /// The best so far.
    pub best: Option<Best>,
}

impl Judge {
    /// Before the first epoch; a run stops after `patience` epochs without a better one.
    pub fn with_patience(patience: usize) -> Self {
        Self {
            patience: Some(patience),
            ..Self::default()
        }
    }

    /// Takes the score of an epoch. A score that is no number is never better.
    pub fn judge(&mut self, score: f64, epoch: usize) -> Verdict {
        let is_better = match (self.better, self.best) {
            (Better::AtLeast(least), Some(_)) => score >= least,
            (Better::Larger, Some(best)) => score > best.score,
            (_, None) => !score.is_nan(),
        };
        if is_better {
            self.best = Some(Best { score, epoch });
            return Verdict::Best;
        }
        let since = self.best.map_or(0, |best| best.epoch);
        match self.patience {
            Some(patience) if epoch >= since + patience => Verdict::Stop,
            _ => Verdict::Worse,
        }
    }
}

/// What [`Run::run_keeping_best`] ended with.
#[derive(Clone, Debug)]
#[must_use]
pub struct Kept<M> {
    /// How the run ended; [`Ended::Stopped`] at the end of patience too.
    pub ended: Ended,
    /// Whether the end of patience stopped it.
    pub is_out_of_patience: bool,
    /// The best machine and when it was; none without a score.
    pub best: Option<(M, Best)>,
}

impl<L: Learner> Run<L> {
    /// As [`Self::run`]; after each epoch `measure` scores the run, the machine of the best epoch
    /// is kept, and the run stops when `judge` says so. `measure` gives `None` for an epoch that is
    /// not to be judged. Costs a copy of the machine at each epoch that is better.
    ///
    /// # Errors
    /// Those of [`Self::run`] and of `measure`.
    pub fn run_keeping_best<'a>(
        &mut self,
        feed: impl Into<Feed<'a>>,
        judge: &mut Judge,
        mut measure: impl FnMut(&Self) -> Result<Option<f64>>,
        mut observer: impl FnMut(Event<'_, L>) -> ControlFlow<()>,
    ) -> Result<Kept<L::Model>> {
        keeping_best(
            self,
            feed.into(),
            judge,
            &mut measure,
            &mut |run, is_epoch| observer(Event::of(run, is_epoch)),
        )
    }
}

/// As [`Run::run_keeping_best`], of a run or what drives one.
pub(in crate::train) fn keeping_best<T: Driven>(
    of: &mut T,
    feed: Feed<'_>,
    judge: &mut Judge,
    measure: &mut dyn FnMut(&T) -> Result<Option<f64>>,
    watcher: Watcher<'_, T>,
) -> Result<Kept<<T::Learner as Learner>::Model>> {
    let (mut kept, mut failure, mut is_out) = (None, None, false);
    let ended = drive(of, feed, &mut |of, is_epoch| {
        if !is_epoch {
            return watcher(of, false);
        }
        let score = measure(of).unwrap_or_else(|e| {
            failure = Some(e);
            None
        });
        let run = of.driven();
        let epoch = run.position().epoch;
        let verdict = score.map(|score| (score, judge.judge(score, epoch)));
        if let Some((score, Verdict::Best)) = verdict {
            kept = Some((run.result().into_owned(), Best { score, epoch }));
        }
        let flow = watcher(of, true);
        is_out = flow.is_continue() && matches!(verdict, Some((_, Verdict::Stop)));
        match is_out || failure.is_some() {
            true => ControlFlow::Break(()),
            false => flow,
        }
    })?;
    match failure {
        Some(e) => Err(e),
        None => Ok(Kept {
            ended,
            is_out_of_patience: is_out,
            best: kept,
        }),
    }
}
