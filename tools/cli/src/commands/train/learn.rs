//! The updates and epochs of a run: what is told, kept and saved on the way.

use super::{
    Run, SAVE_EVERY, save,
    trajectory::{Trajectory, keep},
};
use crate::{
    failure::{Failure, Outcome},
    run::files::Files,
    run::interrupt::Interrupt,
    run::plan::Plan,
    run::run_file::RunFile,
    run::stopping::Stopping,
    run::watch::{Clock, TABLE, Watch, row},
    show::metrics::Metrics,
    show::progress::TrainingProgress,
};
use harmonium::{
    Error,
    train::{Event, RbmLearner, RbmTraining, Verdict},
};
use std::{collections::BTreeMap, ops::ControlFlow, time::Instant};

impl Run<'_> {
    /// Trains until all epochs are done or the user asks to stop.
    pub(super) fn train(&mut self) -> Outcome<()> {
        let training = &mut self.training;
        let progress = TrainingProgress::new("", training.learning().epochs, training.position());
        let batches = training.position().batches as u64;
        let all = batches.saturating_mul(self.plan.options.learning.epochs as u64);
        let kept = match self.args.trajectory {
            Some(n) => Trajectory::begin(n, all, &self.files, !self.args.resume)?,
            None => Trajectory::default(),
        };
        self.clock.running_since = Instant::now();
        let mut observer = Observer {
            plan: &self.plan,
            files: &self.files,
            interrupt: &self.interrupt,
            watch: &self.watch,
            kept,
            record: &self.record,
            notes: &mut self.notes,
            metrics: &mut self.metrics,
            clock: &mut self.clock,
            stopping: &mut self.stopping,
            stopped_early: &mut self.stopped_early,
            progress,
            failure: None,
        };
        let outcome = {
            let told = |event: Event<'_, RbmLearner>| observer.event(event);
            match &self.data.stream {
                Some(stream) => training.run(stream, told),
                None => training.run(&self.data.train, told),
            }
        };
        let Observer {
            clock,
            progress,
            failure,
            ..
        } = observer;
        clock.trained = clock.seconds();
        progress.clear();
        let _stopped = outcome.map_err(|e| diverged(e, &self.files))?;
        match failure {
            None => Ok(()),
            Some(failure) => Err(self.saved_after(failure)),
        }
    }
}

/// What looks at a run while it trains.
struct Observer<'a> {
    plan: &'a Plan,
    files: &'a Files,
    interrupt: &'a Interrupt,
    watch: &'a Watch,
    kept: Trajectory,
    record: &'a RunFile,
    notes: &'a mut BTreeMap<String, String>,
    metrics: &'a mut Metrics,
    clock: &'a mut Clock,
    stopping: &'a mut Option<Stopping>,
    stopped_early: &'a mut bool,
    progress: TrainingProgress,
    /// What has stopped the run.
    failure: Option<Failure>,
}

impl Observer<'_> {
    fn event(&mut self, event: Event<'_, RbmLearner>) -> ControlFlow<()> {
        let done = match event {
            Event::Update(training) => self.update(training),
            Event::Epoch(training) => {
                self.clock.trained = self.clock.seconds();
                let done = self.epoch(training);
                self.clock.running_since = Instant::now();
                done
            }
        };
        done.unwrap_or_else(|e| {
            self.failure = Some(e);
            ControlFlow::Break(())
        })
    }

    fn update(&mut self, training: &RbmTraining) -> Outcome<ControlFlow<()>> {
        let position = training.position();
        self.progress.update(position.updates);
        if self.kept.has(position.updates) {
            keep(training.model(), &self.files.snapshot(position.updates))?;
        }
        // The last update of an epoch is followed by the event of the epoch.
        Ok(if self.interrupt.asked() && position.batch != 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }

    fn epoch(&mut self, training: &RbmTraining) -> Outcome<ControlFlow<()>> {
        let (epoch, epochs) = (training.position().epoch, self.plan.options.learning.epochs);
        if epoch % self.watch.every == 0 || epoch == epochs {
            let row = row(training, self.watch, self.clock)?;
            self.progress
                .epoch(epoch, row.seconds, &TABLE.told(&row.figures));
            self.metrics.push(row);
        }
        self.judge(training)?;
        // The end of a run and an interrupt save it in any case.
        let due = self.clock.last_save.elapsed() >= SAVE_EVERY;
        if due && epoch < epochs && !self.interrupt.asked() {
            save(training, self.notes, &[], &self.files.model)?;
            self.record
                .after(self.clock.trained)
                .save(&self.files.run)?;
            self.clock.last_save = Instant::now();
        }
        Ok(if self.interrupt.asked() || *self.stopped_early {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }

    /// Keeps the machine if it is the best, and tells whether learning stops early.
    fn judge(&mut self, training: &RbmTraining) -> Outcome<()> {
        let Some(stopping) = self.stopping else {
            return Ok(());
        };
        let seed = self.plan.options.learning.seed;
        let Some(score) = stopping.score(&training.result(), self.watch, seed)? else {
            return Ok(());
        };
        match stopping.judge(score, training.position().epoch, self.notes) {
            Verdict::Best => save(training, self.notes, &[], &self.files.best)?,
            Verdict::Worse => {}
            Verdict::Stop => *self.stopped_early = true,
        }
        Ok(())
    }
}

/// The failure of an update, with advice if the numbers are no longer finite.
fn diverged(error: Error, files: &Files) -> Failure {
    let is_diverged = matches!(error, Error::NotFinite { .. });
    let failure = Failure::from(error);
    if !is_diverged {
        return failure;
    }
    failure.hint(if files.model.exists() {
        format!(
            "{} holds the run as it was last saved; try a smaller --learning-rate",
            files.model.display()
        )
    } else {
        "try a smaller --learning-rate".into()
    })
}
