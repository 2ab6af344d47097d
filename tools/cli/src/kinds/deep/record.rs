//! What a run of several stages leaves behind while it goes on: progress, metrics, and files that
//! it can go on from.

use super::boltzmann::stage;
use crate::{
    commands::train::SAVE_EVERY,
    failure::{Failure, Outcome},
    run::data::Data,
    run::files::Files,
    run::interrupt::Interrupt,
    run::run_file::RunFile,
    show::metrics::{Column, Digits::Fixed, Metrics, Row, Table},
    show::progress::TrainingProgress,
};
use harmonium::{
    Error, Examples, Matrix,
    evaluate::reconstruction_error,
    model::{Convergence, Dbn, most_probable},
    recipe::Running,
    train::{BackpropTraining, Descent, Stack, UpDownTraining},
};
use std::{collections::BTreeMap, ops::ControlFlow, path::Path, time::Instant};

/// The columns of `metrics.csv`.
pub const TABLE: Table = Table {
    is_staged: true,
    columns: &[
        Column::new("reconstruction_error", Fixed(8))
            .told("reconstruction ", Fixed(4), "")
            .drawn("reconstruction error", ""),
        Column::new("validation_error", Fixed(8))
            .percent()
            .told("validation error ", Fixed(2), " %")
            .drawn("validation error (%)", ""),
        Column::new("loss", Fixed(8))
            .told("loss ", Fixed(4), "")
            .drawn("loss", ""),
        Column::new("mean_field_iterations", Fixed(0))
            .told("mean-field iterations ", Fixed(0), "")
            .drawn("mean-field iterations", ""),
        Column::new("free_energy_gap", Fixed(8))
            .told("gap ", Fixed(2), " nats")
            .drawn("free-energy gap (nats)", ""),
    ],
};

/// Examples of the reconstruction error.
pub const WATCHED: usize = 1000;

/// A run that is watched.
pub trait Stage: Running {
    /// What is measured after an epoch.
    ///
    /// # Errors
    /// Those of the measures.
    fn measured(&self, watch: &Watch) -> Outcome<Figures>;

    /// Step size of the update before.
    fn rate(&self) -> f64 {
        self.last_learning_rate().into()
    }
}

/// What is measured after an epoch.
#[derive(Default)]
pub struct Figures {
    /// Of a machine that reconstructs.
    pub reconstruction: Option<f64>,
    /// Of a network that backpropagation trains: of the last minibatch.
    pub loss: Option<f64>,
    /// With labels and held-out examples, the share of wrong classes.
    pub wrong: Option<f64>,
    /// Of a machine whose posterior is that of mean field, how it ended for the slowest of the
    /// watched examples.
    pub mean_field: Option<Convergence>,
    /// The variational free energy of held-out examples less that of watched ones.
    pub gap: Option<f64>,
}

impl Figures {
    fn of_machine(reconstruction: f64, wrong: Option<f64>) -> Self {
        Self {
            reconstruction: Some(reconstruction),
            wrong,
            ..Self::default()
        }
    }
}

impl Stage for Stack {
    fn measured(&self, watch: &Watch) -> Outcome<Figures> {
        if self.greedy_plan().is_none() {
            return stage::of_pretraining(self, watch);
        }
        let learned = self.features(&watch.train)?;
        let error = reconstruction_error(&self.training().result(), &learned)?;
        let wrong = match (self.classes(), &watch.validation) {
            (Some(_), Some(part)) => of_dbn(&self.dbn()?, part)?,
            _ => None,
        };
        Ok(Figures::of_machine(error, wrong))
    }
}

impl Stage for UpDownTraining {
    fn measured(&self, watch: &Watch) -> Outcome<Figures> {
        let dbn = self.model();
        let features = dbn.features(&watch.train)?;
        let means = dbn.mean_v_from_features(&features, Running::learning(self).seed, 0)?;
        let error = mean_square(&watch.train, &means);
        let wrong = match (&dbn.label_group(), &watch.validation) {
            (Some(_), Some(part)) => of_dbn(dbn, part)?,
            _ => None,
        };
        Ok(Figures::of_machine(error, wrong))
    }
}

impl Stage for BackpropTraining {
    fn measured(&self, watch: &Watch) -> Outcome<Figures> {
        let part = watch.validation.as_ref();
        let log_p = part.map(|x| self.model().log_p_y_from_v(x));
        Ok(Figures {
            loss: self.figures().loss,
            wrong: match (part, log_p.transpose()?) {
                (Some(part), Some(log_p)) => wrong(&log_p, part),
                _ => None,
            },
            ..Figures::default()
        })
    }

    /// Conjugate gradients have none.
    fn rate(&self) -> f64 {
        match self.options().descent {
            Descent::Steps(_) => self.last_learning_rate().into(),
            Descent::ConjugateGradients { .. } => 0.0,
        }
    }
}

/// Where a stage comes among all.
fn rank(stages: &[(String, usize)], name: &str) -> Option<usize> {
    stages.iter().position(|(x, _)| x == name)
}

/// Share of examples whose most probable class is not the label.
pub fn wrong(log_p: &Matrix, examples: &Examples) -> Option<f64> {
    let labels = examples.labels()?;
    let found = most_probable(log_p);
    let wrong = labels.iter().zip(found).filter(|(y, x)| **y as usize != *x);
    Some(wrong.count() as f64 / labels.len().max(1) as f64)
}

fn of_dbn(dbn: &Dbn, examples: &Examples) -> Outcome<Option<f64>> {
    Ok(wrong(&dbn.log_p_y_from_v(examples)?, examples))
}

/// Mean of the squared differences between examples and the same columns of `means`.
pub fn mean_square(examples: &Examples, means: &Matrix) -> f64 {
    let (n, columns, x) = (examples.len(), examples.columns(), examples.input());
    let of_row = |i: usize| -> f64 {
        let squares = (0..columns).map(|j| f64::from(x.get(i, j) - means.row(i)[j]).powi(2));
        squares.sum()
    };
    (0..n).map(of_row).sum::<f64>() / (n * columns).max(1) as f64
}

/// The examples that are watched.
pub struct Watch {
    /// The first to learn from.
    pub train: Examples,
    /// All that are held out.
    pub validation: Option<Examples>,
}

impl Watch {
    fn of(data: &Data) -> Self {
        Self {
            train: data.train.head(WATCHED),
            validation: data.validation.clone(),
        }
    }
}

/// The record of a run.
pub struct Record<'a> {
    /// Where the run is stored.
    model: &'a Path,
    /// Where its command and time are.
    run: &'a Path,
    command: String,
    interrupt: &'a Interrupt,
    /// Names and epochs, in the order of training.
    pub stages: Vec<(String, usize)>,
    watch: Watch,
    /// Written with every file.
    pub notes: BTreeMap<String, String>,
    /// `metrics.csv`.
    pub metrics: Metrics,
    /// Of each stage, without measuring and writing.
    pub seconds: BTreeMap<String, f64>,
    running_since: Instant,
    last_save: Instant,
    progress: Option<TrainingProgress>,
    /// Why the run was stopped, if it was not the user.
    failure: Option<Failure>,
}

impl<'a> Record<'a> {
    /// Of a run of `stages`, with `notes` that tell what it is; it goes on where there was one
    /// before, of a file with those notes, at that stage.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn new(
        files: &'a Files,
        interrupt: &'a Interrupt,
        stages: Vec<(String, usize)>,
        mut notes: BTreeMap<String, String>,
        data: &Data,
        resumed: Option<(&BTreeMap<String, String>, &dyn Stage)>,
    ) -> Outcome<Self> {
        notes.insert("harmonium".into(), env!("CARGO_PKG_VERSION").into());
        let run = match resumed {
            Some((old, _)) => RunFile::resumed(&files.run, old),
            None => RunFile::new(),
        };
        let kept = |row: &Row| {
            resumed.is_some_and(|(_, stage)| {
                let (now, then) = (rank(&stages, &stage.name()), rank(&stages, &row.stage));
                then < now || then == now && row.epoch <= stage.position().epoch
            })
        };
        let metrics = Metrics::open(&files.metrics, TABLE, resumed.is_some(), kept)?;
        let now = Instant::now();
        Ok(Self {
            model: &files.model,
            run: &files.run,
            command: run.command,
            interrupt,
            stages,
            watch: Watch::of(data),
            notes,
            metrics,
            seconds: run.stages,
            running_since: now,
            last_save: now,
            progress: None,
            failure: None,
        })
    }

    /// From now on the run is stored in `path`.
    pub fn store_in(&mut self, path: &'a Path) {
        self.model = path;
    }

    /// From now on these examples are watched.
    pub fn watch(&mut self, data: &Data) {
        self.watch = Watch::of(data);
    }

    /// Starts the clock.
    pub fn start(&mut self) {
        self.running_since = Instant::now();
    }

    /// Stops the clock of a stage and its progress.
    pub fn stop(&mut self, stage: &dyn Stage) {
        self.count(stage);
        if let Some(progress) = self.progress.take() {
            progress.clear();
        }
    }

    fn count(&mut self, stage: &dyn Stage) {
        let seconds = self.running_since.elapsed().as_secs_f64();
        *self.seconds.entry(stage.name()).or_default() += seconds;
        self.start();
    }

    /// Why the run was stopped, if it was not the user; it is saved where it stands.
    ///
    /// # Errors
    /// That.
    pub fn check(&mut self, stage: &dyn Stage) -> Outcome<()> {
        let Some(failure) = self.failure.take() else {
            return Ok(());
        };
        Err(match self.save(stage, &[]) {
            Ok(()) => failure.hint("the run is saved; --resume goes on with it"),
            // The first failure is the one to tell.
            Err(_) => failure,
        })
    }

    /// An update is done.
    pub fn update(&mut self, stage: &dyn Stage) -> ControlFlow<()> {
        let position = stage.position();
        let progress = self.progress.get_or_insert_with(|| {
            let (name, all) = (stage.name(), self.stages.len());
            let name = match rank(&self.stages, &name) {
                Some(k) => format!("{name} (stage {} of {all})", k + 1),
                None => name,
            };
            TrainingProgress::new(&name, stage.learning().epochs, position)
        });
        progress.update(position.updates);
        // The last update of an epoch is followed by the event of the epoch.
        if position.batch == 0 {
            return ControlFlow::Continue(());
        }
        if self.interrupt.asked() {
            return ControlFlow::Break(());
        }
        if self.last_save.elapsed() >= SAVE_EVERY {
            self.count(stage);
            let saved = self.save(stage, &[]);
            self.start();
            return self.go_on(saved);
        }
        ControlFlow::Continue(())
    }

    /// An epoch is done.
    pub fn epoch(&mut self, stage: &dyn Stage) -> ControlFlow<()> {
        self.count(stage);
        let done = self.epoch_done(stage);
        self.start();
        match self.go_on(done) {
            ControlFlow::Continue(()) if self.interrupt.asked() => ControlFlow::Break(()),
            flow => flow,
        }
    }

    /// A stage is done: the next one has progress of its own.
    pub fn stage(&mut self) -> ControlFlow<()> {
        if let Some(progress) = self.progress.take() {
            progress.clear();
        }
        ControlFlow::Continue(())
    }

    fn epoch_done(&mut self, stage: &dyn Stage) -> Outcome<()> {
        let figures = stage.measured(&self.watch)?;
        let epoch = stage.position().epoch;
        let iterations = figures.mean_field.map(|x| x.iterations as f64);
        let figures = vec![
            figures.reconstruction,
            figures.wrong,
            figures.loss,
            iterations,
            figures.gap,
        ];
        let seconds = self.seconds.get(&stage.name()).copied().unwrap_or(0.0);
        if let Some(progress) = &mut self.progress {
            progress.epoch(epoch, seconds, &TABLE.told(&figures));
        }
        self.metrics.push(Row {
            stage: stage.name(),
            epoch,
            seconds: self.seconds.values().sum(),
            learning_rate: stage.rate(),
            figures,
        });
        if self.last_save.elapsed() >= SAVE_EVERY {
            self.save(stage, &[])?;
        }
        Ok(())
    }

    fn go_on(&mut self, done: Outcome<()>) -> ControlFlow<()> {
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                self.failure = Some(failure);
                ControlFlow::Break(())
            }
        }
    }

    /// Writes the network with the state of its run.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&mut self, stage: &dyn Stage, figures: &[(String, String)]) -> Outcome<()> {
        let mut checkpoint = stage.checkpoint()?;
        checkpoint.notes = self.notes.clone();
        checkpoint.notes.extend(figures.iter().cloned());
        checkpoint.save(self.model)?;
        let run = RunFile {
            command: self.command.clone(),
            seconds: self.seconds.values().sum(),
            stages: self.seconds.clone(),
        };
        run.save(self.run)?;
        self.last_save = Instant::now();
        Ok(())
    }
}

/// What a run that ended with `error` leaves; `rate` is the option of the step size beside
/// `--learning-rate`.
pub fn diverged(error: Error, model: &Path, rate: &str) -> Failure {
    let diverged = matches!(error, Error::NotFinite { .. });
    let failure = Failure::from(error);
    if !diverged {
        return failure;
    }
    let rates = format!("try a smaller --learning-rate or {rate}");
    if model.exists() {
        let model = model.display();
        failure.hint(format!(
            "{model} holds the run as it was last saved; {rates}"
        ))
    } else {
        failure.hint(rates)
    }
}
