//! `harmonium train boltzmann`: a general Boltzmann machine; can be stopped and resumed at any update.

use super::{
    measure::{Likelihood, Partition},
    metrics::GeneralRow,
    pictures,
    plan::GeneralPlan,
};
use crate::{
    args::{Split, TrainArgs},
    data::{Data, input},
    failure::{Failure, Outcome, note},
    files::Files,
    interrupt::Interrupt,
    likelihood::{self, DEFAULT_BETAS, DEFAULT_CHAINS},
    metrics::Metrics,
    named::Named,
    progress::{Bar, StageProgress},
    report,
    train::SAVE_EVERY,
};
use harmonium::{
    BitMatrix, BoltzmannMachine, Error, Examples, Matrix,
    checkpoint::Checkpoint,
    evaluate::{Ais, Base, Betas, boltzmann_pseudo_likelihood},
    model::MeanField,
    train::BoltzmannTraining,
};
use serde_json::{Map, json};
use std::{collections::BTreeMap, fs, ops::ControlFlow, path::PathBuf, time::Instant};

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
pub fn run(args: &TrainArgs, stored: Option<Checkpoint>) -> Outcome<()> {
    let interrupt = Interrupt::listen()?;
    let files = Files::in_directory(&args.out);
    let plan = match &stored {
        Some(checkpoint) => GeneralPlan::resumed(args, checkpoint, &files.model)?,
        None => GeneralPlan::fresh(args)?,
    };
    let data = plan.source.load()?;
    let is_new = stored.is_none();
    let (training, notes, seconds) = begin(&plan, &data, stored)?;
    if is_new && files.model.exists() {
        note(format!("replacing the run in {}", args.out.display()));
    }
    fs::create_dir_all(&args.out).map_err(|e| Error::io(&args.out, "create the directory", e))?;
    let epoch = training.position().epoch;
    let metrics = Metrics::open(&files.metrics, !is_new, |row: &GeneralRow| {
        row.epoch <= epoch
    })?;
    let now = Instant::now();
    Run {
        couplings: args.out.join("couplings.png"),
        args,
        plan,
        data,
        files,
        interrupt,
        training,
        notes,
        metrics,
        seconds,
        running_since: now,
        last_save: now,
    }
    .run()
}

/// The run, its notes, and the seconds that it has trained.
fn begin(
    plan: &GeneralPlan,
    data: &Data,
    stored: Option<Checkpoint>,
) -> Outcome<(BoltzmannTraining, BTreeMap<String, String>, f64)> {
    let mut notes = BTreeMap::new();
    plan.source.note(&mut notes);
    notes.insert("harmonium".into(), env!("CARGO_PKG_VERSION").into());
    let command: Vec<String> = std::env::args_os()
        .map(|x| x.to_string_lossy().into_owned())
        .collect();
    notes.insert("command".into(), command.join(" "));
    let Some(mut checkpoint) = stored else {
        if data.train.bits().is_none() {
            return Err(Failure::usage(
                "--binarize none: a general Boltzmann machine learns bits, not grey values",
            )
            .hint("choose --binarize sample or --binarize threshold"));
        }
        let machine = plan.machine(&data.train)?;
        let training = BoltzmannTraining::new(machine, plan.options.clone(), &data.train)?;
        return Ok((training, notes, 0.0));
    };
    if let Some(first) = checkpoint.notes.remove("command") {
        notes.insert("command".into(), first);
    }
    let seconds = checkpoint.notes.get("seconds");
    let seconds = seconds.and_then(|s| s.parse().ok()).unwrap_or(0.0);
    if let Some(run) = &mut checkpoint.boltzmann_training {
        run.options = plan.options.clone();
    }
    Ok((
        checkpoint.into_boltzmann_training(&data.train)?,
        notes,
        seconds,
    ))
}

/// A run with everything around it.
struct Run<'a> {
    args: &'a TrainArgs,
    plan: GeneralPlan,
    data: Data,
    files: Files,
    /// The picture of the couplings.
    couplings: PathBuf,
    interrupt: Interrupt,
    training: BoltzmannTraining,
    notes: BTreeMap<String, String>,
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
            self.plan.options.batch_size,
            self.plan.options.learning_rate,
            self.plan.options.epochs,
            rayon::current_num_threads(),
            harmonium::simd::isa(),
        ));
        self.train()?;
        self.save(&[])?;
        let position = self.training.position();
        if position.epoch < self.plan.options.epochs {
            let saved = self.files.model.display();
            return Err(Failure::failed(format!(
                "interrupted in epoch {} of {}; the run is saved in {saved}",
                position.epoch + 1,
                self.plan.options.epochs
            ))
            .hint(format!("go on with `{}`", self.resume_command())));
        }
        let title = format!("{}, {} epochs", self.name(), position.epoch);
        let machine = self.training.machine();
        pictures::draw_couplings(&self.couplings, &title, machine)?;
        let (train, seed) = (&self.data.train, self.plan.options.seed);
        pictures::draw_samples(&self.files.samples, &title, machine, train, seed)?;
        pictures::draw_curves(&self.files.curves, &title, self.metrics.rows())?;
        self.conclude()
    }

    fn name(&self) -> String {
        format!("{} on {}", self.training.machine().name(), self.data.name)
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
            metrics,
            seconds,
            running_since,
            last_save,
            ..
        } = self;
        let watch = Watch::new(training.machine(), data)?;
        let epochs = plan.options.epochs;
        let every = epochs.div_ceil(MOST_ROWS).max(1);
        let mut progress = StageProgress::new("training", epochs, training.position());
        let mut failure = None;
        *running_since = Instant::now();
        let outcome = training.run(&data.train, |training| {
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
                    metrics.push(row)?;
                }
                // The end of a run and an interrupt save it in any case.
                if last_save.elapsed() >= SAVE_EVERY && epoch < epochs && !interrupt.asked() {
                    let checkpoint = checkpoint(training, notes, *seconds, &[]);
                    checkpoint.save(&files.model)?;
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
        failure.map_or(Ok(()), Err)
    }

    fn save(&self, figures: &[(String, String)]) -> Outcome<()> {
        let checkpoint = checkpoint(&self.training, &self.notes, self.seconds, figures);
        Ok(checkpoint.save(&self.files.model)?)
    }

    /// Measures the machine, stores the figures with it and reports.
    fn conclude(self) -> Outcome<()> {
        let started = Instant::now();
        let machine = self.training.machine();
        let (examples, split) = likelihood::examples(&self.data, Split::Test);
        let (enumerated, _) = machine.enumerated_units()?;
        let ais = (enumerated > ENUMERATED_AT_THE_END).then(|| Ais {
            chains: DEFAULT_CHAINS,
            betas: Betas::Linear(DEFAULT_BETAS),
            base: Base::rate_of(&self.data.train),
            seed: self.plan.options.seed,
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
            ("couplings", &self.couplings),
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
    seconds: f64,
    figures: &[(String, String)],
) -> Checkpoint {
    let mut checkpoint = Checkpoint::from(training);
    checkpoint.notes = notes.clone();
    let seconds = format!("{seconds:.3}");
    checkpoint.notes.insert("seconds".into(), seconds);
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
        let machine = training.machine();
        let (options, position) = (training.options(), training.position());
        let last_update = (position.updates - 1) as f64 / position.batches as f64;
        let rate = options.learning_rate.at(last_update, options.epochs);
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
                let all = machine.log_likelihood(input(part))?;
                log_likelihood[k] = Some(all.iter().sum::<f64>() / all.len() as f64);
            }
            if machine.n_hidden() == 0 {
                pseudo_likelihood[k] = Some(boltzmann_pseudo_likelihood(machine, input(part))?);
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
