//! `harmonium train`: trains a machine, shows what it learned, and can be stopped and resumed at any update.

use crate::{
    args::{Kind, Split, TrainArgs},
    classify::{self, Classification},
    data::Data,
    deep,
    directory::Directory,
    evaluate::load_model,
    failure::{Failure, Outcome, note},
    files::Files,
    general,
    interrupt::Interrupt,
    likelihood::{self, Annealing, Likelihood, Way},
    metrics::{Metrics, Row},
    pictures,
    plan::{Plan, describe_run},
    progress::{Stages, TrainingProgress},
    report,
    run_file::RunFile,
    stopping::Stopping,
    watch::{Clock, Watch, row},
};
use harmonium::{
    Error,
    checkpoint::{Checkpoint, SavedRun},
    dataset::Examples,
    evaluate::{pseudo_likelihood, reconstruction_error},
    model::Rbm,
    train::{Event, RbmLearner, Training, Verdict},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

/// A run is saved after an epoch if the last time is longer ago than this.
pub const SAVE_EVERY: Duration = Duration::from_secs(10);
/// Examples of the exact pseudo-likelihood at the end.
const PSEUDO_LIKELIHOOD_EXAMPLES: usize = 1000;
/// Machines whose smaller layer is at most this large are measured exactly at the end.
const EXACT_UNITS: usize = 25;

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
    training: Training,
    notes: BTreeMap<String, String>,
    /// Its command and time.
    record: RunFile,
    /// Whether nothing of it is stored.
    is_new: bool,
    metrics: Metrics<Row>,
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
                let training = Training::new(rbm, plan.options.clone(), &data.train)?;
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
            metrics: Metrics::open(&files.metrics, resumed, |row: &Row| {
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
        format!("{} on {}", classify::name(rbm), self.data.name)
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
            rayon::current_num_threads(),
            harmonium::simd::isa(),
        ));
    }

    /// Trains until all epochs are done or the user asks to stop.
    fn train(&mut self) -> Outcome<()> {
        let Self {
            args,
            plan,
            data,
            files,
            interrupt,
            training,
            notes,
            record,
            metrics,
            watch,
            clock,
            stopping,
            stopped_early,
            ..
        } = self;
        let mut progress = TrainingProgress::new(training);
        let mut failure = None;
        let batches = training.position().batches as u64;
        let all = batches.saturating_mul(plan.options.learning.epochs as u64);
        let kept = args.trajectory.map_or(Vec::new(), |n| logarithmic(n, all));
        if args.trajectory.is_some() {
            let directory = &files.trajectory;
            fs::create_dir_all(directory)
                .map_err(|e| Error::io(directory, "create the directory", e))?;
            if !args.resume {
                forget(files)?;
            }
        }
        clock.running_since = Instant::now();
        let observer = |event: Event<'_, RbmLearner>| match event {
            Event::Update(training) => {
                progress.update(training);
                let updates = training.position().updates;
                if kept.binary_search(&updates).is_ok()
                    && let Err(e) = keep(training.model(), &files.snapshot(updates))
                {
                    failure = Some(e);
                    return ControlFlow::Break(());
                }
                // The last update of an epoch is followed by the event of the epoch.
                if interrupt.asked() && training.position().batch != 0 {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            }
            Event::Epoch(training) => {
                clock.trained = clock.seconds();
                let epoch = training.position().epoch;
                let mut work = || -> Outcome<()> {
                    if epoch % watch.every == 0 || epoch == plan.options.learning.epochs {
                        let row = row(training, watch, clock)?;
                        progress.epoch(training, &row);
                        metrics.push(row);
                    }
                    if let Some(stopping) = stopping {
                        let averaged = training.result();
                        let seed = plan.options.learning.seed;
                        if let Some(score) = stopping.score(&averaged, watch, seed)? {
                            match stopping.judge(score, epoch, notes) {
                                Verdict::Best => {
                                    save(training, notes, &[], &files.best)?;
                                }
                                Verdict::Worse => {}
                                Verdict::Stop => *stopped_early = true,
                            }
                        }
                    }
                    // The end of a run and an interrupt save it in any case.
                    let due = clock.last_save.elapsed() >= SAVE_EVERY;
                    if due && epoch < plan.options.learning.epochs && !interrupt.asked() {
                        save(training, notes, &[], &files.model)?;
                        record.after(clock.trained).save(&files.run)?;
                        clock.last_save = Instant::now();
                    }
                    Ok(())
                };
                let done = work();
                clock.running_since = Instant::now();
                match done {
                    Ok(()) if interrupt.asked() || *stopped_early => ControlFlow::Break(()),
                    Ok(()) => ControlFlow::Continue(()),
                    Err(e) => {
                        failure = Some(e);
                        ControlFlow::Break(())
                    }
                }
            }
        };
        let outcome = match &data.stream {
            Some(stream) => training.run(stream, observer),
            None => training.run(&data.train, observer),
        };
        clock.trained = clock.seconds();
        progress.clear();
        let _stopped = outcome.map_err(|e| {
            let kept = if files.model.exists() {
                format!(
                    "{} holds the run as it was last saved; try a smaller --learning-rate",
                    files.model.display()
                )
            } else {
                "try a smaller --learning-rate".into()
            };
            let diverged = matches!(e, Error::NotFinite { .. });
            let failure = Failure::from(e);
            if diverged {
                failure.hint(kept)
            } else {
                failure
            }
        })?;
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
        pictures::curves(&self.files.curves, &title, self.metrics.rows())
    }

    /// Measures the machine, stores the figures with it and reports.
    fn conclude(mut self) -> Outcome<()> {
        let started = Instant::now();
        let seed = self.plan.options.learning.seed;
        let bernoulli = self.training.model().is_bernoulli();
        if bernoulli && likelihood::is_grey(&self.data) {
            note("grey values are drawn once as bits to measure the likelihood");
            self.data = likelihood::drawn(self.data, seed);
        }
        let rbm = &self.training.result();
        let (examples, split) = likelihood::examples(&self.data, Split::Test);
        let way = if likelihood::is_small(rbm, EXACT_UNITS) {
            Some(Way::Exact)
        } else {
            bernoulli
                .then(|| Annealing::both_ways(rbm, &self.data.train, seed))
                .transpose()?
                .map(Way::Annealing)
        };
        let mut object = serde_json::Map::new();
        let mut rows = Vec::new();
        if let Some(way) = way {
            let mut bar = Stages::new();
            let measured =
                Likelihood::measure(rbm, examples, split, &way, &mut |stage, done, all| {
                    bar.set(stage, done, all);
                    if self.interrupt.asked() {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                })?;
            bar.clear();
            let Some(measured) = measured else {
                return Err(Failure::failed(format!(
                    "interrupted while measuring; the trained model is in {}",
                    self.files.model.display()
                ))
                .hint(format!("measure it with `{}`", self.resume_command())));
            };
            object.extend(measured.json());
            rows.extend(measured.rows());
        }
        if let Some(group) = rbm.label_group() {
            let pixels = examples.first_columns(group.first);
            if let Some(classified) = Classification::measure(rbm, &pixels, split)? {
                object.extend(classified.json());
                rows.extend(classified.rows());
            }
        }
        if bernoulli {
            let some = examples.head(PSEUDO_LIKELIHOOD_EXAMPLES);
            let pseudo = pseudo_likelihood(rbm, &some)?;
            object.insert("pseudo_likelihood".into(), json!(pseudo));
            rows.push([
                "pseudo-likelihood".into(),
                format!("{pseudo:.2} nats"),
                format!("of {} {} examples", some.len(), split.name()),
            ]);
        }
        let reconstruction = reconstruction_error(rbm, examples)?;
        object.insert("reconstruction_error".into(), json!(reconstruction));
        let seconds = self.clock.trained;
        let position = self.training.position();
        // What a file claims to have been done beyond its epochs counts for nothing.
        let done: u64 = (0..position.epoch.min(self.plan.options.learning.epochs))
            .map(|epoch| self.training.connection_updates_in_epoch(epoch))
            .fold(0, u64::saturating_add);
        let speed = done as f64 / seconds / 1e9;

        let figures: Vec<(String, String)> = object
            .iter()
            .map(|(key, value)| {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), ToOwned::to_owned);
                (format!("figure.{key}"), text)
            })
            .collect();
        self.save(&figures)?;

        if self.args.json {
            object.insert("epochs".into(), json!(position.epoch));
            object.insert("updates".into(), json!(position.updates));
            object.insert("seconds".into(), json!(seconds));
            object.insert(
                "evaluation_seconds".into(),
                json!(started.elapsed().as_secs_f64()),
            );
            object.insert("gcu_per_second".into(), json!(speed));
            object.insert("data".into(), json!(self.data.name));
            object.insert("n_visible".into(), json!(rbm.n_visible()));
            object.insert("n_hidden".into(), json!(rbm.n_hidden()));
            object.insert("options".into(), report::options(&self.plan.options));
            let files = self.files.named();
            object.insert(
                "files".into(),
                files
                    .into_iter()
                    .map(|(name, path)| (name.to_owned(), json!(path.to_string_lossy())))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            );
            return report::json(object);
        }
        rows.push([
            "reconstruction error".into(),
            format!("{reconstruction:.4}"),
            "mean square a unit".into(),
        ]);
        if let Some((score, epoch)) = self.stopping.as_ref().and_then(Stopping::best) {
            rows.push([
                "best epoch".into(),
                epoch.to_string(),
                format!("{score:.4} held out; {}", self.files.best.display()),
            ]);
        }
        rows.push([
            "training time".into(),
            format!("{seconds:.1} s"),
            format!("{:.1} s more to measure", started.elapsed().as_secs_f64()),
        ]);
        rows.push([
            "throughput".into(),
            format!("{speed:.1} GCU/s"),
            "10^9 connection updates a second".into(),
        ]);
        for (name, path) in self.files.named() {
            rows.push([name.into(), path.display().to_string(), String::new()]);
        }
        let title = format!(
            "{}, {} epochs of {}",
            self.name(),
            position.epoch,
            describe_run(&self.plan.options)
        );
        report::table(&title, &rows)
    }
}

/// Writes the machine with the state of its run.
fn save(
    training: &Training,
    notes: &BTreeMap<String, String>,
    figures: &[(String, String)],
    path: &Path,
) -> Outcome<()> {
    let mut checkpoint = Checkpoint::from(training);
    checkpoint.notes = notes.clone();
    checkpoint.notes.extend(figures.iter().cloned());
    Ok(checkpoint.save(path)?)
}

/// `n` numbers of updates, evenly spaced in the logarithm from 1 to `all`; fewer where they would coincide.
fn logarithmic(n: usize, all: u64) -> Vec<u64> {
    let last = n.saturating_sub(1).max(1) as f64;
    let mut out: Vec<u64> = (0..n)
        .map(|k| {
            (all as f64)
                .powf(if n == 1 { 1.0 } else { k as f64 / last })
                .round() as u64
        })
        .filter(|&x| x > 0)
        .collect();
    out.dedup();
    out
}

/// Removes the models that an earlier run kept: what is there is one trajectory.
fn forget(files: &Files) -> Outcome<()> {
    for path in files.snapshots() {
        fs::remove_file(&path).map_err(|e| Error::io(&path, "remove the file", e))?;
    }
    Ok(())
}

/// Writes the machine alone.
fn keep(rbm: &Rbm, path: &Path) -> Outcome<()> {
    Ok(Checkpoint::from(rbm.clone()).save(path)?)
}
