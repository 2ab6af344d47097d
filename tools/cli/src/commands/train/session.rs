//! What surrounds a run of any kind while it goes on: progress, metrics, the best machine, and
//! files that it can go on from.

use super::{
    health::Health,
    start::Start,
    stopping::Stopping,
    trajectory::{Trajectory, keep},
};
use crate::{
    args::{OfKind, TrainArgs},
    failure::{Failure, Outcome, warning},
    kinds::training::{
        Finished, Trains, Watch,
        moments::{self, Settling},
    },
    run::{data::Data, files::Files, interrupt::Interrupt, places, run_file::RunFile},
    show::{
        metrics::{Metrics, Row},
        progress::TrainingProgress,
    },
};
use harmonium::{
    Error,
    dataset::Encoding,
    recipe::{AnyEvent, AnyRun, RunRef, StageName},
    train::{Descent, Feed, Verdict},
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

/// A run is saved after an update if the last time is longer ago than this.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// Runs without stages of more epochs than this are not watched at each of them.
const MOST_ROWS: usize = 1000;

/// A run and what it leaves on the way.
pub struct Session<'a> {
    args: &'a TrainArgs,
    kind: &'a dyn Trains,
    files: &'a Files,
    interrupt: &'a Interrupt,
    /// Where the run is stored.
    model: &'a Path,
    /// Its command and time so far.
    record: RunFile,
    stages: Vec<StageName>,
    watch: Watch,
    /// Written with every file.
    pub notes: BTreeMap<String, String>,
    encoding: Encoding,
    /// `metrics.csv`.
    pub metrics: Metrics,
    /// What its chains say.
    pub health: Health,
    kept: Trajectory,
    /// If the run may stop early.
    stopping: Option<Stopping>,
    is_stopped_early: bool,
    /// If the run stops where moments agree.
    settling: Option<Settling>,
    running_since: Instant,
    last_save: Instant,
    /// Seconds and updates at the last row.
    last_row: (f64, u64),
    progress: Option<TrainingProgress>,
    /// Why the run was stopped, if it was not the user.
    failure: Option<Failure>,
}

impl<'a> Session<'a> {
    /// Of a run that starts or goes on.
    ///
    /// # Errors
    /// A file that cannot be written; a criterion that the machine does not have.
    pub fn new(start: Start<'a, '_>) -> Outcome<Self> {
        let Start {
            kind, files, run, ..
        } = start;
        let mut record = match start.old_notes {
            Some(notes) => RunFile::resumed(&files.run, notes),
            None => RunFile::new(),
        };
        let stages = start.plan.stages();
        let running = run.running();
        let (position, now) = (running.position(), rank(&stages, &running.name()));
        let is_staged = kind.table().is_staged;
        if is_staged {
            record.seconds = record.stages.values().sum();
        }
        let is_past = |row: &Row| match is_staged {
            false => row.epoch <= position.epoch,
            true => {
                let then = rank(&stages, &row.stage);
                then < now || then == now && row.epoch <= position.epoch
            }
        };
        let is_new = start.old_notes.is_none();
        let stopping = Stopping::of(&start)?;
        let settling = match start.notes.contains_key(moments::NOTE) {
            true => Settling::of(&start.data.train),
            false => None,
        };
        let metrics = Metrics::open(&files.metrics, kind.table(), !is_new, is_past)?;
        let trajectory = match start.args.of_kind() {
            OfKind::Rbm(args) => args.trajectory,
            _ => None,
        };
        let updates = position.batches as u64;
        let all = updates.saturating_mul(start.plan.learning().epochs as u64);
        let kept = match trajectory {
            Some(n) => Trajectory::begin(n, all, files, is_new)?,
            None => Trajectory::default(),
        };
        Ok(Self {
            args: start.args,
            kind,
            files,
            interrupt: start.interrupt,
            model: &files.model,
            last_row: (record.seconds, position.updates),
            record,
            stages,
            watch: Watch::of(start.data),
            notes: start.notes,
            encoding: start.data.encoding.clone(),
            metrics,
            health: Health::default(),
            kept,
            stopping,
            is_stopped_early: false,
            settling,
            running_since: Instant::now(),
            last_save: Instant::now(),
            progress: None,
            failure: None,
        })
    }

    /// From now on the run is stored in `path`, and learns from `data`.
    pub fn store_in(&mut self, path: &'a Path, data: &Data) {
        self.model = path;
        self.watch = Watch::of(data);
    }

    /// Runs a stage, or what is left of it.
    ///
    /// # Errors
    /// Numbers that are no longer finite, what stopped the run, an interrupt.
    pub fn learn(&mut self, run: &mut AnyRun, data: &Data) -> Outcome<()> {
        self.running_since = Instant::now();
        self.is_stopped_early = false;
        let feed = match &data.stream {
            Some(stream) => Feed::from(stream),
            None => Feed::from(&data.train),
        };
        let outcome = run.run(feed, &mut |event| self.event(event));
        self.count(run.get());
        self.clear_progress();
        let ended = outcome.map_err(|e| self.diverged(e, run.get()))?;
        if let Some(failure) = self.failure.take() {
            return Err(match self.save(run.get(), &[]) {
                Ok(()) => failure.hint(format!(
                    "the run is saved; go on with `{}`",
                    self.resume_command()
                )),
                // The first failure is the one to tell.
                Err(_) => failure,
            });
        }
        let running = run.running();
        let (name, epoch) = (running.name(), running.position().epoch);
        let is_done = running.is_finished() || self.is_stopped_early;
        let is_last = self.stages.last().is_none_or(|stage| stage.name == name);
        if is_done && (is_last || !(ended.is_stopped() && self.interrupt.asked())) {
            return Ok(());
        }
        self.save(run.get(), &[])?;
        let (epochs, saved) = (running.learning().epochs, self.model.display());
        let place = match self.kind.table().is_staged {
            true => format!("{name} after {epoch} of {epochs} epochs"),
            false => format!("epoch {} of {epochs}", epoch + 1),
        };
        Err(Failure::failed(format!(
            "interrupted in {place}; the run is saved in {saved}"
        ))
        .hint(format!("go on with `{}`", self.resume_command())))
    }

    fn event(&mut self, event: AnyEvent<'_>) -> ControlFlow<()> {
        let flow = match event {
            AnyEvent::Update(run) => self.update(run),
            AnyEvent::Epoch(run) => {
                self.count(run);
                let flow = self.epoch(run);
                self.running_since = Instant::now();
                flow
            }
            AnyEvent::Layer(_) => {
                self.clear_progress();
                self.last_row = (self.record.seconds, 0);
                Ok(ControlFlow::Continue(()))
            }
        };
        flow.unwrap_or_else(|failure| {
            self.failure = Some(failure);
            ControlFlow::Break(())
        })
    }

    fn update(&mut self, run: RunRef<'_>) -> Outcome<ControlFlow<()>> {
        let running = run.running();
        let position = running.position();
        if self.progress.is_none() {
            let (name, all) = (running.name(), self.stages.len());
            let name = match (self.kind.table().is_staged, rank(&self.stages, &name)) {
                (true, Some(k)) => format!("{name} (stage {} of {all})", k + 1),
                _ => String::new(),
            };
            let epochs = running.learning().epochs;
            self.progress = Some(TrainingProgress::new(&name, epochs, position));
        }
        if let Some(progress) = &self.progress {
            progress.update(position.updates);
        }
        if let RunRef::Rbm(run) = run
            && self.kept.has(position.updates)
        {
            keep(run.model(), &self.files.snapshot(position.updates))?;
        }
        // The last update of an epoch is followed by the event of the epoch.
        if position.batch == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        if self.interrupt.asked() {
            return Ok(ControlFlow::Break(()));
        }
        if self.last_save.elapsed() >= SAVE_EVERY {
            self.count(run);
            self.save(run, &[])?;
            self.running_since = Instant::now();
        }
        Ok(ControlFlow::Continue(()))
    }

    fn epoch(&mut self, run: RunRef<'_>) -> Outcome<ControlFlow<()>> {
        let running = run.running();
        let (epoch, epochs) = (running.position().epoch, running.learning().epochs);
        let is_staged = self.kind.table().is_staged;
        let every = match is_staged {
            true => 1,
            false => epochs.div_ceil(MOST_ROWS).max(1),
        };
        if epoch.is_multiple_of(every) || epoch == epochs {
            self.watch(run)?;
        }
        if Health::is_due(epoch, epochs) {
            for news in self.health.ask(running)? {
                // Progress comes back with the next update.
                self.clear_progress();
                warning(news);
            }
        }
        self.judge(run)?;
        if self.settling.as_ref().is_some_and(|x| x.is_settled(run)) {
            self.is_stopped_early = true;
        }
        // The end of a run and an interrupt save it in any case.
        let is_due = self.last_save.elapsed() >= SAVE_EVERY && epoch < epochs;
        if is_due && !self.interrupt.asked() {
            self.save(run, &[])?;
        }
        Ok(match self.interrupt.asked() || self.is_stopped_early {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    }

    /// Writes and tells the figures of an epoch.
    fn watch(&mut self, run: RunRef<'_>) -> Outcome<()> {
        let running = run.running();
        let (position, table) = (running.position(), self.kind.table());
        let (seconds, updates) = self.last_row;
        self.watch.since = (
            self.record.seconds - seconds,
            position.updates.saturating_sub(updates),
        );
        self.last_row = (self.record.seconds, position.updates);
        let figures = self.kind.figures(run, &self.watch)?;
        let of_stage = match table.is_staged {
            true => self.record.stages.get(&running.name()).copied(),
            false => Some(self.record.seconds),
        };
        if let Some(progress) = &mut self.progress {
            let text = table.told(&figures);
            progress.epoch(position.epoch, of_stage.unwrap_or(0.0), &text);
        }
        self.metrics.push(Row {
            stage: running.name(),
            epoch: position.epoch,
            seconds: self.record.seconds,
            learning_rate: rate(run),
            figures,
        });
        Ok(())
    }

    /// Keeps the machine if it is the best, and tells whether learning stops early.
    fn judge(&mut self, run: RunRef<'_>) -> Outcome<()> {
        let (name, epoch) = (run.running().name(), run.running().position().epoch);
        let is_watched = self.watch.validation.is_some();
        let judges = |x: &&mut Stopping| is_watched && x.stage == name;
        let Some(stopping) = self.stopping.as_mut().filter(judges) else {
            return Ok(());
        };
        let score = self.kind.score(stopping.by, run, &self.watch)?;
        match stopping.judge(score, epoch, &mut self.notes) {
            Verdict::Best => self.write(run, &[], &self.files.best)?,
            Verdict::Worse => {}
            Verdict::Stop => self.is_stopped_early = true,
        }
        Ok(())
    }

    /// Counts the time since the clock was started.
    fn count(&mut self, run: RunRef<'_>) {
        let seconds = self.running_since.elapsed().as_secs_f64();
        self.record.seconds += seconds;
        if self.kind.table().is_staged {
            let stage = run.running().name();
            *self.record.stages.entry(stage).or_default() += seconds;
        }
        self.running_since = Instant::now();
    }

    fn clear_progress(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.clear();
        }
    }

    fn write(&self, run: RunRef<'_>, figures: &[(String, String)], path: &Path) -> Outcome<()> {
        let mut checkpoint = run.running().checkpoint()?;
        checkpoint.encoding = Some(self.encoding.clone());
        checkpoint.notes.clone_from(&self.notes);
        checkpoint.notes.extend(figures.iter().cloned());
        Ok(checkpoint.save(path)?)
    }

    /// Writes the machine with the state of its run, and `run.json`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&mut self, run: RunRef<'_>, figures: &[(String, String)]) -> Outcome<()> {
        self.write(run, figures, self.model)?;
        self.record.save(&self.files.run)?;
        self.last_save = Instant::now();
        Ok(())
    }

    /// The failure of an update, with advice if the numbers are no longer finite.
    fn diverged(&self, error: Error, run: RunRef<'_>) -> Failure {
        let is_diverged = matches!(error, Error::NotFinite { .. });
        let failure = Failure::from(error);
        if !is_diverged {
            return failure;
        }
        let flag = match run {
            RunRef::Rbm(_) | RunRef::Boltzmann(_) => "--learning-rate",
            RunRef::Dbm(_) => "--learning-rate or a --gradient-clip",
            RunRef::Stack(stack) if stack.greedy_plan().is_some() => {
                "--learning-rate or --greedy-rate"
            }
            RunRef::Stack(_) => "--pretraining-rate",
            RunRef::UpDown(_) => "--up-down-rate",
            RunRef::Backprop(_) => "--fine-tune-rate",
        };
        let advice = format!("try a smaller {flag}");
        failure.hint(match self.model.exists() {
            false => advice,
            true => format!(
                "{} holds the run as it was last saved; {advice}",
                self.model.display()
            ),
        })
    }

    /// What goes on with the run.
    pub fn resume_command(&self) -> String {
        let flags = places::resume_flags(&self.files.directory);
        match self.args.kind() {
            "rbm" => format!("harmonium train {flags}"),
            kind => format!("harmonium train {kind} {flags}"),
        }
    }

    /// Seconds of training, without measuring and writing.
    pub fn seconds(&self) -> f64 {
        self.record.seconds
    }

    /// The title of pictures and of the table.
    pub fn title(&self, finished: &Finished<'_>) -> String {
        let epoch = finished.run.running().position().epoch;
        match self.kind.table().is_staged {
            true => finished.title.to_owned(),
            false => format!("{}, {epoch} epochs", finished.title),
        }
    }

    /// Seconds of the stages.
    pub fn stages_json(&self) -> Map<String, Value> {
        let seconds = |name: &str| self.record.stages.get(name).copied().unwrap_or(0.0);
        let stages = self.stages.iter();
        stages
            .map(|stage| (stage.name.clone(), json!(seconds(&stage.name))))
            .collect()
    }

    /// The rows of a table that tell of the best epoch and of the time, `more` of it to measure.
    pub fn rows(&self, more: f64) -> Vec<[String; 3]> {
        let mut rows = Vec::new();
        if let Some((score, epoch)) = self.stopping.as_ref().and_then(Stopping::best) {
            rows.push([
                "best epoch".into(),
                epoch.to_string(),
                format!("{score:.4} held out; {}", self.files.best.display()),
            ]);
        }
        for stage in self.stages.iter().filter(|_| self.kind.table().is_staged) {
            let seconds = self.record.stages.get(&stage.name).copied().unwrap_or(0.0);
            rows.push([
                format!("time of {}", stage.name),
                format!("{seconds:.1} s"),
                format!("{} epochs", stage.epochs),
            ]);
        }
        rows.push([
            "training time".into(),
            format!("{:.1} s", self.record.seconds),
            format!("{more:.1} s more to measure"),
        ]);
        rows
    }
}

/// Where a stage comes among all.
fn rank(stages: &[StageName], name: &str) -> Option<usize> {
    stages.iter().position(|stage| stage.name == name)
}

/// Step size of the update before; conjugate gradients have none.
fn rate(run: RunRef<'_>) -> f64 {
    match run {
        RunRef::Backprop(run)
            if matches!(run.options().descent, Descent::ConjugateGradients { .. }) =>
        {
            0.0
        }
        run => run.running().last_learning_rate().into(),
    }
}
