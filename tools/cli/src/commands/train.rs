//! `harmonium train`: trains a machine, shows what it learned, and can be stopped and resumed at
//! any update.

mod conclude;
mod learn;
mod trajectory;

use crate::{
    args::{Kind, TrainArgs},
    failure::{Failure, Outcome, note},
    kinds::deep,
    kinds::general,
    kinds::machine::Machine,
    run::data::Data,
    run::directory::Directory,
    run::files::Files,
    run::interrupt::Interrupt,
    run::loading::load_model,
    run::plan::{Plan, describe_run},
    run::run_file::RunFile,
    run::stopping::Stopping,
    run::watch::{self, Clock, Watch},
    show::metrics::Metrics,
    show::pictures,
};
use harmonium::{
    checkpoint::{Checkpoint, SavedRun},
    dataset::Examples,
    train::RbmTraining,
};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

/// A run is saved after an epoch if the last time is longer ago than this.
pub const SAVE_EVERY: Duration = Duration::from_secs(10);

/// Runs the command.
pub fn run(args: &TrainArgs) -> Outcome<()> {
    // Nobody else writes there from here to the end.
    let mut directory = Directory::at(&args.out);
    let stored = stored(args, &mut directory)?;
    refuse_others(args)?;
    let directory = &mut directory;
    match args.kind {
        Kind::Dbn => deep::train(args, stored, directory),
        Kind::Boltzmann => general::train(args, stored, directory),
        Kind::Dbm => deep::boltzmann::train(args, stored, directory),
        Kind::Rbm => train_rbm(args, stored, directory),
    }
}

/// Refuses options that machines of other kinds alone have.
fn refuse_others(args: &TrainArgs) -> Outcome<()> {
    for (given, kinds) in [
        (args.deep.given_of_both(), &[Kind::Dbn, Kind::Dbm][..]),
        (args.deep.given_of_dbn(), &[Kind::Dbn]),
        (args.dbm.given(), &[Kind::Dbm]),
        (args.general.given(), &[Kind::Boltzmann]),
    ] {
        let Some(flag) = given.filter(|_| !kinds.contains(&args.kind)) else {
            continue;
        };
        let commands: Vec<String> = kinds
            .iter()
            .map(|k| format!("`train {}`", k.name()))
            .collect();
        let (others, asked) = (commands.join(" and "), args.kind.name());
        let message = format!("{flag} is an option of {others}, not of `train {asked}`");
        let hint = format!(
            "name the kind of machine: `harmonium train {}`",
            kinds[0].name()
        );
        return Err(Failure::usage(message).hint(hint));
    }
    Ok(())
}

/// The run to go on with, if one is asked for, which must be of the kind that is asked for.
fn stored(args: &TrainArgs, directory: &mut Directory) -> Outcome<Option<Checkpoint>> {
    if !args.resume {
        return Ok(None);
    }
    let path = Files::in_directory(&args.out).model;
    if path.exists() {
        directory.claim()?;
    }
    let checkpoint = load_model(&path).map_err(|failure| {
        failure.hint(
            "leave --resume out to start a new run, or name the directory of a run with --out",
        )
    })?;
    let (found, asked) = (checkpoint.model.kind(), args.kind.name());
    if found != asked {
        let message = format!(
            "{}: holds a model of kind {found}, not {asked}",
            path.display()
        );
        return Err(Failure::usage(message).hint(match found {
            "rbm" | "dbn" | "dbm" | "boltzmann" => {
                format!("go on with `harmonium train {found} --resume`")
            }
            _ => "machines of this kind are trained with the library".into(),
        }));
    }
    if checkpoint.run.as_ref().is_some_and(SavedRun::is_custom) {
        note(format!(
            "{}: the learning rate was a function of a program; the run goes on at the last rate",
            path.display()
        ));
    }
    Ok(Some(checkpoint))
}

fn train_rbm(
    args: &TrainArgs,
    stored: Option<Checkpoint>,
    directory: &mut Directory,
) -> Outcome<()> {
    let interrupt = Interrupt::listen()?;
    let files = Files::in_directory(&args.out);
    let mut plan = match &stored {
        Some(checkpoint) => Plan::resumed(args, checkpoint, &files.model)?,
        None => Plan::fresh(args)?,
    };
    let data = plan.source.settle()?;
    plan.check_size(data.train.columns())?;
    if let Some(stream) = &data.stream
        && plan.options.learning.batch_size.min(stream.len()) > data.train.len()
    {
        return Err(Failure::usage(format!(
            "--batch-size {}: expected at most {} with --stream",
            plan.options.learning.batch_size,
            data.train.len()
        )));
    }
    Run::new(args, plan, data, (files, directory), stored, interrupt)?.run()
}

/// A run with everything around it.
struct Run<'a> {
    args: &'a TrainArgs,
    plan: Plan,
    data: Data,
    files: Files,
    interrupt: Interrupt,
    training: RbmTraining,
    notes: BTreeMap<String, String>,
    /// Its command and time.
    record: RunFile,
    /// Whether nothing of it is stored.
    is_new: bool,
    metrics: Metrics,
    watch: Watch,
    clock: Clock,
    /// If the run may stop early.
    stopping: Option<Stopping>,
    stopped_early: bool,
}

impl<'a> Run<'a> {
    fn new(
        args: &'a TrainArgs,
        plan: Plan,
        data: Data,
        (files, directory): (Files, &mut Directory),
        stored: Option<Checkpoint>,
        interrupt: Interrupt,
    ) -> Outcome<Self> {
        let mut notes = BTreeMap::new();
        plan.source.note(&mut notes);
        let past = stored.as_ref().map(|x| (&x.notes, &*files.model));
        data.mark(&mut notes, past)?;
        notes.insert("harmonium".into(), env!("CARGO_PKG_VERSION").into());
        let mut record = RunFile::new();
        let resumed = stored.is_some();
        let training = match stored {
            None => {
                let rbm = plan
                    .machine(data.train.columns())?
                    .initialized_from(&data.train, plan.options.learning.seed)?;
                let training = RbmTraining::new(rbm, plan.options.clone(), &data.train)?;
                match &data.stream {
                    Some(stream) => training.fed(stream.len()),
                    None => training,
                }
            }
            Some(mut checkpoint) => {
                record = RunFile::resumed(&files.run, &checkpoint.notes);
                if let Some(best) = checkpoint.notes.remove("early_stopping") {
                    notes.insert("early_stopping".into(), best);
                }
                if let Some(SavedRun::Rbm(state)) = &mut checkpoint.run {
                    state.options = plan.options.clone();
                }
                match &data.stream {
                    Some(_) => checkpoint.into_fed_run(&data.train)?,
                    None => checkpoint.into_run(&data.train)?,
                }
            }
        };
        let trained = record.seconds;
        let position = training.position();
        let patience = args.early_stopping;
        let stopping = patience
            .map(|patience| {
                let machine = (training.model(), plan.options.objective);
                let by = args.early_stopping_by;
                Stopping::new(patience, by, machine, plan.source.validation, &notes)
            })
            .transpose()?;
        directory.begin(!resumed)?;
        let now = Instant::now();
        Ok(Self {
            is_new: !resumed,
            metrics: Metrics::open(&files.metrics, watch::TABLE, resumed, |row| {
                row.epoch <= position.epoch
            })?,
            watch: Watch::new(&data, plan.options.learning.epochs),
            clock: Clock {
                trained,
                running_since: now,
                last_save: now,
                last_row: (trained, position.updates),
            },
            args,
            plan,
            data,
            files,
            interrupt,
            training,
            notes,
            record,
            stopping,
            stopped_early: false,
        })
    }

    fn run(mut self) -> Outcome<()> {
        self.announce();
        if self.is_new {
            // Whatever ends the run from here on, --resume goes on with this one.
            self.save(&[])?;
        }
        self.train()?;
        let position = self.training.position();
        self.save(&[])?;
        if position.epoch < self.plan.options.learning.epochs && !self.stopped_early {
            let saved = self.files.model.display();
            return Err(Failure::failed(format!(
                "interrupted in epoch {} of {}; the run is saved in {saved}",
                position.epoch + 1,
                self.plan.options.learning.epochs
            ))
            .hint(format!("go on with `{}`", self.resume_command())));
        }
        let rows = self.metrics.settle();
        self.draw()?;
        self.conclude()?;
        rows
    }

    fn resume_command(&self) -> String {
        let out = self.args.out.display().to_string();
        if out == "./run" {
            "harmonium train --resume".into()
        } else {
            format!("harmonium train --resume --out {out}")
        }
    }

    fn name(&self) -> String {
        let rbm = &self.training.result();
        format!("{} on {}", rbm.name(), self.data.name)
    }

    /// Says on stderr what is going to happen.
    fn announce(&self) {
        let options = &self.plan.options;
        let test = self.data.test.as_ref().map_or(0, Examples::len);
        let (mut examples, mut from) = (self.data.train.len(), String::new());
        if let Some(stream) = &self.data.stream {
            from = format!(" (in their file; figures are of {examples} of them)");
            examples = stream.len();
        }
        note(format!(
            "{}, {examples} training{from} and {test} test examples; {}, batches of {}, learning rate {}, {} epochs; {} threads, {}",
            self.name(),
            describe_run(options),
            options.learning.batch_size,
            options.learning.learning_rate,
            options.learning.epochs,
            harmonium::threads::count(),
            harmonium::simd::isa(),
        ));
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
        let files = &self.files;
        save(&self.training, &self.notes, figures, &files.model)?;
        Ok(self.record.after(self.clock.trained).save(&files.run)?)
    }

    fn draw(&self) -> Outcome<()> {
        let rbm = &self.training.result();
        let title = format!("{}, {} epochs", self.name(), self.training.position().epoch);
        pictures::filters(&self.files.filters, &title, rbm)?;
        pictures::samples(
            &self.files.samples,
            &title,
            rbm,
            &self.data.train,
            self.plan.options.learning.seed,
        )?;
        pictures::curves(&self.files.curves, &title, &self.metrics)
    }
}

/// Writes the machine with the state of its run.
fn save(
    training: &RbmTraining,
    notes: &BTreeMap<String, String>,
    figures: &[(String, String)],
    path: &Path,
) -> Outcome<()> {
    let mut checkpoint = Checkpoint::from(training);
    checkpoint.notes = notes.clone();
    checkpoint.notes.extend(figures.iter().cloned());
    Ok(checkpoint.save(path)?)
}
