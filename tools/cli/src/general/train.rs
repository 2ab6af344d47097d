//! `harmonium train boltzmann`: a general Boltzmann machine; can be stopped and resumed at any update.

use super::{
    measure::{Likelihood, Partition},
    metrics::GeneralRow,
    pictures,
    plan::GeneralPlan,
};
use crate::{
    args::{Split, TrainArgs},
    data::Data,
    directory::Directory,
    failure::{Failure, Outcome, note},
    files::Files,
    interrupt::Interrupt,
    likelihood::{self, DEFAULT_BETAS, DEFAULT_CHAINS},
    metrics::Metrics,
    named::Named,
    progress::{Bar, StageProgress},
    report,
    run_file::RunFile,
    train::SAVE_EVERY,
};
use harmonium::{
    BitMatrix, BoltzmannMachine, Error, Examples, Matrix,
    checkpoint::{Checkpoint, SavedRun},
    evaluate::{Ais, Base, Betas, boltzmann_pseudo_likelihood},
    model::MeanField,
    train::{BoltzmannTraining, Event},
};
use serde_json::{Map, json};
use std::{collections::BTreeMap, ops::ControlFlow, time::Instant};

/// Examples that are watched, and those of figures that hidden units make dear.
const WATCHED: usize = 1000;
const WATCHED_WITH_HIDDEN: usize = 250;
/// Passes of mean field that are watched.
const PASSES: usize = 10;
/// Most units that are enumerated after each epoch, and most hidden ones for each example.
const ENUMERATED: usize = 16;
const ENUMERATED_HIDDEN: usize = 8;
/// Most units that are enumerated at the end.
const ENUMERATED_AT_THE_END: usize = 24;
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
    let metrics = Metrics::open(&files.metrics, !is_new, |row: &GeneralRow| {
        row.epoch <= epoch
    })?;
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
                "--binarize none: a general Boltzmann machine learns bits, not grey values",
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
    metrics: Metrics<GeneralRow>,
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
            rayon::current_num_threads(),
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
        pictures::draw_curves(&self.files.curves, &title, self.metrics.rows())?;
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
        let mut progress = StageProgress::new("training", epochs, training.position());
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
                    progress.epoch(epoch, *seconds, &figures(&row));
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

    /// Measures the machine, stores the figures with it and reports.
    fn conclude(self) -> Outcome<()> {
        let started = Instant::now();
        let machine = self.training.model();
        let (examples, split) = likelihood::examples(&self.data, Split::Test);
        let (enumerated, _) = machine.enumerated_units()?;
        let base = || Base::rate_of(&self.data.train);
        let base = (enumerated > ENUMERATED_AT_THE_END).then(base);
        let ais = base.transpose()?.map(|base| Ais {
            chains: DEFAULT_CHAINS,
            betas: Betas::Linear(DEFAULT_BETAS),
            base,
            seed: self.plan.options.learning.seed,
        });
        let bar = Bar::new(DEFAULT_BETAS as u64, "ln Z");
        let z = Partition::measure(machine, ais, &mut |done, all| {
            bar.set((done * DEFAULT_BETAS / all.max(1)) as u64);
            if self.interrupt.asked() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        bar.clear();
        let Some(z) = z else {
            return Err(Failure::failed(format!(
                "interrupted while measuring; the trained model is in {}",
                self.files.model.display()
            ))
            .hint(format!("measure it with `{}`", self.resume_command())));
        };
        let measured = Likelihood::measure(machine, examples, split, &z)?;
        let mut object = z.json();
        object.extend(measured.json());
        let figures: Vec<(String, String)> = object
            .iter()
            .map(|(key, value)| {
                let text = value.as_str();
                let text = text.map_or_else(|| value.to_string(), ToOwned::to_owned);
                (format!("figure.{key}"), text)
            })
            .collect();
        self.save(&figures)?;
        let position = self.training.position();
        let more = started.elapsed().as_secs_f64();
        let files = [
            ("model", &self.files.model),
            ("metrics", &self.files.metrics),
            ("couplings", &self.files.couplings),
            ("samples", &self.files.samples),
            ("curves", &self.files.curves),
        ];
        if self.args.json {
            let named = files.iter();
            let named: Map<_, _> = named
                .map(|(name, path)| ((*name).to_owned(), json!(path.to_string_lossy())))
                .collect();
            let options = report::read(serde_json::to_string(&self.plan.options));
            for (key, value) in [
                ("epochs", json!(position.epoch)),
                ("updates", json!(position.updates)),
                ("seconds", json!(self.seconds)),
                ("evaluation_seconds", json!(more)),
                ("data", json!(self.data.name)),
                ("n_visible", json!(machine.n_visible())),
                ("n_hidden", json!(machine.n_hidden())),
                ("options", options),
                ("files", named.into()),
            ] {
                object.insert(key.into(), value);
            }
            return report::json(object);
        }
        let mut rows = measured.rows();
        rows.push(z.row());
        rows.push([
            "training time".into(),
            format!("{:.1} s", self.seconds),
            format!("{more:.1} s more to measure"),
        ]);
        for (name, path) in files {
            rows.push([name.into(), path.display().to_string(), String::new()]);
        }
        let title = format!(
            "{}, {} epochs of {}",
            self.name(),
            position.epoch,
            self.plan.describe()
        );
        report::table(&title, &rows)
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

/// What is watched.
struct Watch {
    train: Examples,
    validation: Option<Examples>,
    /// Of the prediction error.
    predicted: [Option<BitMatrix>; 2],
    is_enumerated: bool,
}

impl Watch {
    fn new(machine: &BoltzmannMachine, data: &Data) -> Outcome<Self> {
        // Couplings that are zero may come, so all that may be there count.
        let n = machine.units();
        let few = n <= 2 * ENUMERATED;
        let is_enumerated = few && {
            let mut edges = Vec::new();
            for i in 0..n {
                let others = (i + 1..n).filter(|&j| machine.may_couple(i, j));
                edges.extend(others.map(|j| (i, j, 1.0)));
            }
            let full =
                BoltzmannMachine::from_edges(machine.n_visible(), machine.n_hidden(), &edges)?;
            let (all, hidden) = full.enumerated_units()?;
            all <= ENUMERATED && hidden <= ENUMERATED_HIDDEN
        };
        let watched = if machine.n_hidden() == 0 {
            WATCHED
        } else {
            WATCHED_WITH_HIDDEN
        };
        let predicted = |part: &Examples| part.head(watched).bits().cloned();
        Ok(Self {
            train: data.train.head(WATCHED),
            validation: data.validation.as_ref().map(|part| part.head(WATCHED)),
            predicted: [
                predicted(&data.train),
                data.validation.as_ref().and_then(predicted),
            ],
            is_enumerated,
        })
    }

    /// The figures after an epoch.
    fn row(&self, training: &BoltzmannTraining, seconds: f64) -> Outcome<GeneralRow> {
        let machine = training.model();
        let position = training.position();
        let rate = training.last_learning_rate();
        let (pairs, biases) = training.gradient();
        let squares =
            |x: &mut dyn Iterator<Item = f32>| x.map(|g| f64::from(g).powi(2)).sum::<f64>();
        let sum = squares(&mut pairs.elements()) + squares(&mut biases.iter().copied());
        let (mut log_likelihood, mut pseudo_likelihood) = ([None, None], [None, None]);
        for (k, part) in [Some(&self.train), self.validation.as_ref()]
            .into_iter()
            .enumerate()
        {
            let Some(part) = part else { continue };
            if self.is_enumerated {
                let all = machine.log_likelihood(part)?;
                log_likelihood[k] = Some(all.iter().sum::<f64>() / all.len() as f64);
            }
            if machine.n_hidden() == 0 {
                pseudo_likelihood[k] = Some(boltzmann_pseudo_likelihood(machine, part)?);
            }
        }
        let error = |v: &Option<BitMatrix>| {
            let v = v.as_ref();
            v.map(|v| prediction_error(machine, v)).transpose()
        };
        Ok(GeneralRow {
            epoch: position.epoch,
            seconds,
            learning_rate: rate.into(),
            gradient: (sum / (pairs.rows() * (pairs.rows() + 1)).max(1) as f64).sqrt(),
            prediction_error: error(&self.predicted[0])?.expect("training takes bits alone"),
            validation_prediction_error: error(&self.predicted[1])?,
            log_likelihood: log_likelihood[0],
            validation_log_likelihood: log_likelihood[1],
            pseudo_likelihood: pseudo_likelihood[0],
            validation_pseudo_likelihood: pseudo_likelihood[1],
        })
    }
}

/// The figures of an epoch in one line.
fn figures(row: &GeneralRow) -> String {
    let mut text = format!("prediction error {:.2e}", row.prediction_error);
    if let Some(x) = row.log_likelihood {
        text.push_str(&format!("  log-likelihood {x:.3}"));
    } else if let Some(x) = row.pseudo_likelihood {
        text.push_str(&format!("  pseudo-likelihood {x:.2}"));
    }
    text
}

/// `E[v_i | all other units]` of examples, hidden units by mean field of a few passes: mean square distance from the examples.
fn prediction_error(machine: &BoltzmannMachine, v: &BitMatrix) -> Outcome<f64> {
    let few = MeanField {
        iterations: PASSES,
        ..MeanField::default()
    };
    let h = if machine.n_hidden() == 0 {
        Matrix::zeros(v.rows(), 0)
    } else {
        machine.mean_field(v, few, None)?.means
    };
    let means = machine.mean_v_from_rest(v, &h, 1.0)?;
    let square = |i: usize, j: usize| {
        (f64::from(u8::from(v.get(i, j))) - f64::from(means.row(i)[j])).powi(2)
    };
    let sum: f64 = (0..v.rows())
        .map(|i| (0..v.columns()).map(|j| square(i, j)).sum::<f64>())
        .sum();
    Ok(sum / (v.rows() * v.columns()).max(1) as f64)
}
