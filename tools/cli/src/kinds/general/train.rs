//! `harmonium train boltzmann`: a general Boltzmann machine; can be stopped and resumed at any
//! update.

mod conclude;

use super::{
    pictures,
    plan::GeneralPlan,
    watch::{TABLE, Watch},
};
use crate::{
    args::TrainArgs,
    commands::train::SAVE_EVERY,
    failure::{Failure, Outcome, note},
    kinds::machine::Machine,
    run::data::Data,
    run::directory::Directory,
    run::files::Files,
    run::interrupt::Interrupt,
    run::run_file::RunFile,
    show::progress::TrainingProgress,
    show::{self, metrics::Metrics},
};
use harmonium::{
    Error, Examples,
    checkpoint::{Checkpoint, SavedRun},
    train::{BoltzmannTraining, Event},
};
use std::{collections::BTreeMap, ops::ControlFlow, time::Instant};

/// Runs of more epochs than this are not watched at each of them.
const MOST_ROWS: usize = 1000;

/// Runs the command; `stored` is the run to go on with.
///
/// # Errors
/// Flags that mean nothing here; those of the library; an interrupt.
pub fn run(args: &TrainArgs, stored: Option<Checkpoint>, directory: &mut Directory) -> Outcome<()> {
    let interrupt = Interrupt::listen()?;
    let files = Files::in_directory(&args.out);
    let plan = match &stored {
        Some(checkpoint) => GeneralPlan::resumed(args, checkpoint, &files.model)?,
        None => GeneralPlan::fresh(args)?,
    };
    let data = plan.source.load()?;
    let is_new = stored.is_none();
    let (training, notes, record) = begin(&plan, &data, stored, &files)?;
    directory.begin(is_new)?;
    let epoch = training.position().epoch;
    let metrics = Metrics::open(&files.metrics, TABLE, !is_new, |row| row.epoch <= epoch)?;
    let now = Instant::now();
    Run {
        args,
        plan,
        data,
        files,
        interrupt,
        training,
        notes,
        seconds: record.seconds,
        record,
        is_new,
        metrics,
        running_since: now,
        last_save: now,
    }
    .run()
}

/// The run, its notes, its command and the time that it has trained.
fn begin(
    plan: &GeneralPlan,
    data: &Data,
    stored: Option<Checkpoint>,
    files: &Files,
) -> Outcome<(BoltzmannTraining, BTreeMap<String, String>, RunFile)> {
    let mut notes = BTreeMap::new();
    plan.source.note(&mut notes);
    let past = stored.as_ref().map(|x| (&x.notes, &*files.model));
    data.mark(&mut notes, past)?;
    notes.insert("harmonium".into(), env!("CARGO_PKG_VERSION").into());
    let Some(mut checkpoint) = stored else {
        if data.train.bits().is_none() {
            return Err(Failure::usage(
                "--binarize none: a general Boltzmann machine learns bits, not gray values",
            )
            .hint("choose --binarize sample or --binarize threshold"));
        }
        let machine = plan.machine(&data.train)?;
        let training = BoltzmannTraining::new(machine, plan.options.clone(), &data.train)?;
        return Ok((training, notes, RunFile::new()));
    };
    let record = RunFile::resumed(&files.run, &checkpoint.notes);
    if let Some(SavedRun::Boltzmann(run)) = &mut checkpoint.run {
        run.options = plan.options.clone();
    }
    Ok((checkpoint.into_run(&data.train)?, notes, record))
}

/// A run with everything around it.
struct Run<'a> {
    args: &'a TrainArgs,
    plan: GeneralPlan,
    data: Data,
    files: Files,
    interrupt: Interrupt,
    training: BoltzmannTraining,
    notes: BTreeMap<String, String>,
    /// Its command and time.
    record: RunFile,
    /// Whether nothing of it is stored.
    is_new: bool,
    metrics: Metrics,
    /// Of training, up to the last stop of the clock.
    seconds: f64,
    running_since: Instant,
    last_save: Instant,
}

impl Run<'_> {
    fn run(mut self) -> Outcome<()> {
        note(format!(
            "{}, {} training and {} test examples; {}, batches of {}, learning rate {}, {} epochs; {} threads, {}",
            self.name(),
            self.data.train.len(),
            self.data.test.as_ref().map_or(0, Examples::len),
            self.plan.describe(),
            self.plan.options.learning.batch_size,
            self.plan.options.learning.learning_rate,
            self.plan.options.learning.epochs,
            harmonium::threads::count(),
            harmonium::simd::isa(),
        ));
        if self.is_new {
            // Whatever ends the run from here on, --resume goes on with this one.
            self.save(&[])?;
        }
        self.train()?;
        self.save(&[])?;
        let position = self.training.position();
        if position.epoch < self.plan.options.learning.epochs {
            let saved = self.files.model.display();
            return Err(Failure::failed(format!(
                "interrupted in epoch {} of {}; the run is saved in {saved}",
                position.epoch + 1,
                self.plan.options.learning.epochs
            ))
            .hint(format!("go on with `{}`", self.resume_command())));
        }
        let rows = self.metrics.settle();
        let title = format!("{}, {} epochs", self.name(), position.epoch);
        let machine = self.training.model();
        pictures::draw_couplings(&self.files.couplings, &title, machine)?;
        let (train, seed) = (&self.data.train, self.plan.options.learning.seed);
        pictures::draw_samples(&self.files.samples, &title, machine, train, seed)?;
        show::pictures::curves(&self.files.curves, &title, &self.metrics)?;
        self.conclude()?;
        rows
    }

    fn name(&self) -> String {
        format!("{} on {}", self.training.model().name(), self.data.name)
    }

    fn resume_command(&self) -> String {
        let out = self.args.out.display();
        format!("harmonium train boltzmann --resume --out {out}")
    }

    /// Trains until all epochs are done or the user asks to stop.
    fn train(&mut self) -> Outcome<()> {
        let Self {
            plan,
            data,
            files,
            interrupt,
            training,
            notes,
            record,
            metrics,
            seconds,
            running_since,
            last_save,
            ..
        } = self;
        let watch = Watch::new(training.model(), data)?;
        let epochs = plan.options.learning.epochs;
        let every = epochs.div_ceil(MOST_ROWS).max(1);
        let mut progress = TrainingProgress::new("", epochs, training.position());
        let mut failure = None;
        *running_since = Instant::now();
        let outcome = training.run(&data.train, |event| {
            // The last update of an epoch is followed by the event of the epoch.
            let training = match event {
                Event::Update(run) if run.position().batch == 0 => {
                    return ControlFlow::Continue(());
                }
                Event::Update(run) | Event::Epoch(run) => run,
            };
            let position = training.position();
            progress.update(position.updates);
            if position.batch != 0 && !interrupt.asked() && last_save.elapsed() < SAVE_EVERY {
                return ControlFlow::Continue(());
            }
            *seconds += running_since.elapsed().as_secs_f64();
            let mut work = || -> Outcome<()> {
                let epoch = position.epoch;
                if position.batch == 0 && (epoch.is_multiple_of(every) || epoch == epochs) {
                    let row = watch.row(training, *seconds)?;
                    progress.epoch(epoch, *seconds, &TABLE.told(&row.figures));
                    metrics.push(row);
                }
                // The end of a run and an interrupt save it in any case.
                if last_save.elapsed() >= SAVE_EVERY && epoch < epochs && !interrupt.asked() {
                    checkpoint(training, notes, &[]).save(&files.model)?;
                    record.after(*seconds).save(&files.run)?;
                    *last_save = Instant::now();
                }
                Ok(())
            };
            let done = work();
            *running_since = Instant::now();
            match done {
                Ok(()) if interrupt.asked() => ControlFlow::Break(()),
                Ok(()) => ControlFlow::Continue(()),
                Err(e) => {
                    failure = Some(e);
                    ControlFlow::Break(())
                }
            }
        });
        *seconds += running_since.elapsed().as_secs_f64();
        progress.clear();
        if let Err(e) = outcome {
            let advice = match (&e, files.model.exists()) {
                (Error::NotFinite { .. }, true) => format!(
                    "{} holds the run as it was last saved; try a smaller --learning-rate",
                    files.model.display()
                ),
                (Error::NotFinite { .. }, false) => "try a smaller --learning-rate".into(),
                _ => return Err(e.into()),
            };
            return Err(Failure::from(e).hint(advice));
        }
        match failure {
            None => Ok(()),
            Some(failure) => Err(self.saved_after(failure)),
        }
    }

    /// The failure that has stopped the run, which is saved where it stands.
    fn saved_after(&self, failure: Failure) -> Failure {
        match self.save(&[]) {
            Ok(()) => failure.hint(format!(
                "the run is saved; go on with `{}`",
                self.resume_command()
            )),
            // The first failure is the one to tell.
            Err(_) => failure,
        }
    }

    fn save(&self, figures: &[(String, String)]) -> Outcome<()> {
        let checkpoint = checkpoint(&self.training, &self.notes, figures);
        checkpoint.save(&self.files.model)?;
        Ok(self.record.after(self.seconds).save(&self.files.run)?)
    }
}

/// The machine with the state of its run.
fn checkpoint(
    training: &BoltzmannTraining,
    notes: &BTreeMap<String, String>,
    figures: &[(String, String)],
) -> Checkpoint {
    let mut checkpoint = Checkpoint::from(training);
    checkpoint.notes = notes.clone();
    checkpoint.notes.extend(figures.iter().cloned());
    checkpoint
}
