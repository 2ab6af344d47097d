//! The deep Boltzmann machines of Salakhutdinov and Hinton (2009): RBMs one upon the other with the
//! inputs of inner layers doubled, then all layers together, at last a network that starts from the
//! machine and learns the classes. And one that does without the RBMs, by the centered gradient
//! (Montavon and Mueller 2012).
//!
//! Learning sees gray values, of which it draws bits at each visit; the bound is measured on bits
//! drawn of the test images once, with [`TEST_BITS_SEED`], whatever the seed of the run is. The
//! network sees gray values.

mod annealing;

use super::{Figure, Part, Setting, clock::Clock, stack, test_part};
use crate::{
    failure::{Failure, Outcome, note},
    kinds::deep::boltzmann::MACHINE,
    run::data::{Data, Source},
    run::run_file::RunFile,
    show::report,
};
use annealing::{Annealing, TEST_BITS_SEED};
use harmonium::{
    Checkpoint, Dbm, Examples, Network,
    checkpoint::SavedRun,
    dataset::Binarization,
    model::MeanField,
    train::{
        BackpropOptions, Centering, DbmOptions, DbmTraining, Event, Learning, Negative, Positive,
        PretrainingPlan, RbmOptions, Reconstruction, Schedule, Sparsity, Stack, StackEvent,
    },
};
use serde_json::{Value, json};
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// Names of the experiments below, of which an interrupted one can go on.
pub const RESUMABLE: [&str; 3] = ["dbm-2009", "dbm-2009-three", "dbm-centered"];
const CLASSES: usize = 10;
const PRETRAINING_EPOCHS: usize = 100;
const NETWORK_EPOCHS: usize = 205;
/// First of these, in which the output layer learns alone: gradients through its random weights
/// would spoil what the machine has learned.
const NETWORK_OUTPUT_EPOCHS: usize = 5;
/// Name of the last stage.
const NETWORK: &str = "network";
/// Iterations of mean field for the network's data, as published.
const FEATURE_ITERATIONS: usize = 50;

/// A machine and what is published of it: test lower bound in nats and test error in percent.
struct Published {
    /// Of the experiment, and the beginning of the names of its files.
    name: &'static str,
    hidden: &'static [usize],
    /// Epochs of all layers together.
    epochs: usize,
    bound: Option<f64>,
    error: Option<f64>,
}

/// Two hidden layers.
pub fn two_layers(setting: &Setting) -> Outcome<Vec<Part>> {
    let machine = Published {
        name: "dbm-2009",
        hidden: &[500, 1000],
        epochs: 300,
        bound: Some(-84.62),
        error: Some(0.95),
    };
    machine.pretrained(setting)
}

/// Three hidden layers.
pub fn three_layers(setting: &Setting) -> Outcome<Vec<Part>> {
    let machine = Published {
        name: "dbm-2009-three",
        hidden: &[500, 500, 1000],
        epochs: 150,
        bound: Some(-85.18),
        error: Some(1.01),
    };
    machine.pretrained(setting)
}

/// Without pretraining.
pub fn centered(setting: &Setting) -> Outcome<Vec<Part>> {
    let machine = Published {
        name: "dbm-centered",
        hidden: &[500, 500],
        epochs: 400,
        bound: None,
        error: None,
    };
    let data = setting.data(Binarization::None, 0)?;
    let annealing = Annealing::new(setting, &data)?;
    let mut clock = Clock::new(setting);
    let options = DbmOptions {
        learning: Learning {
            epochs: setting.at_most(machine.epochs, 2),
            resample_data: true,
            seed: setting.seed,
            ..DbmOptions::default().learning
        },
        ..DbmOptions::default()
    };
    let run = match machine.unfinished(&mut clock, &options, &data.train)? {
        Some(run) => run,
        None => {
            let sizes = [&[data.train.columns()], &machine.sizes(setting)[..]].concat();
            let dbm = Dbm::bernoulli(&sizes)?.initialized_from(&data.train, setting.seed)?;
            DbmTraining::new(dbm, options.clone(), &data.train)?
        }
    };
    let dbm = together(&mut clock, machine.file(setting), run, &data.train)?;
    let figures = vec![annealing.test_bound(&dbm, machine.bound)?];
    Ok(vec![machine.part(
        &mut clock,
        "centered",
        figures,
        json!(options),
    )])
}

impl Published {
    /// All stages; with `--only network` the last one alone, from the machine that an earlier run
    /// left.
    fn pretrained(&self, setting: &Setting) -> Outcome<Vec<Part>> {
        if setting.only.is_some() && !setting.wants(NETWORK) {
            return Ok(Vec::new());
        }
        let data = setting.data(Binarization::None, 0)?;
        let mut clock = Clock::new(setting);
        if setting.only.is_some() {
            let dbm = self.stored(setting)?;
            return Ok(vec![self.network(&mut clock, &dbm, &data)?]);
        }
        let annealing = Annealing::new(setting, &data)?;

        let sizes = self.sizes(setting);
        let options = joint_options(setting, sizes.len(), self.epochs);
        let mut parts = Vec::new();
        let run = match self.unfinished(&mut clock, &options, &data.train)? {
            Some(run) => run,
            None => {
                let (dbm, told) = layer_by_layer(&mut clock, &sizes, &data.train)?;
                let figures = vec![annealing.test_bound(&dbm, None)?];
                parts.push(self.part(&mut clock, "layer by layer", figures, told));
                DbmTraining::new(dbm, options.clone(), &data.train)?
            }
        };
        let dbm = together(&mut clock, self.file(setting), run, &data.train)?;
        let figures = vec![annealing.test_bound(&dbm, self.bound)?];
        parts.push(self.part(&mut clock, "joint learning", figures, json!(options)));
        parts.push(self.network(&mut clock, &dbm, &data)?);
        Ok(parts)
    }

    /// The machine in `--out`.
    fn stored(&self, setting: &Setting) -> Outcome<Dbm> {
        let Some(path) = self.file(setting) else {
            return Err(Failure::usage(format!(
                "--only {NETWORK}: starts from the machine of an earlier run, in the directory --out"
            )));
        };
        let checkpoint = Checkpoint::load(&path)?;
        if let Some(SavedRun::Dbm(state)) = &checkpoint.run
            && state.position().epoch < state.learning().epochs
        {
            let message = format!("{}: joint learning is not done", path.display());
            return Err(Failure::failed(message).hint("go on with --resume"));
        }
        Ok(checkpoint.model.into_dbm()?)
    }

    /// With `--resume`, the joint stage that is stored in `--out`.
    fn unfinished(
        &self,
        clock: &mut Clock<'_>,
        options: &DbmOptions,
        data: &Examples,
    ) -> Outcome<Option<DbmTraining>> {
        let setting = clock.setting;
        let (true, Some(path)) = (setting.resume, self.file(setting)) else {
            return Ok(None);
        };
        let checkpoint = Checkpoint::load(&path)?;
        let past = RunFile::resumed(&RunFile::named_after(&path), &checkpoint.notes);
        let source = Source::from_notes(&checkpoint.notes)?;
        let run: DbmTraining = checkpoint.into_run(data)?;
        if run.options() != options || source != Some(setting.source(Binarization::None, 0)) {
            let message = format!(
                "--resume: the run in {} has other options or data",
                path.display()
            );
            let hint = "--seed, --quick and --data are those of its start";
            return Err(Failure::usage(message).hint(hint));
        }
        clock.add_seconds(past.seconds);
        let (epoch, epochs) = (run.position().epoch, options.learning.epochs);
        note(format!(
            "goes on after {epoch} of {epochs} epochs of joint learning"
        ));
        Ok(Some(run))
    }

    fn file(&self, setting: &Setting) -> Option<PathBuf> {
        let out = setting.out.as_ref()?;
        Some(out.join(format!("{}.safetensors", self.name)))
    }

    fn sizes(&self, setting: &Setting) -> Vec<usize> {
        let hidden = self.hidden.iter();
        hidden.map(|&n| setting.at_most(n, n / 10)).collect()
    }

    /// The network that starts from the machine: data are `[v, q(h_2)]`, learned by steps with
    /// dropout.
    fn network(&self, clock: &mut Clock<'_>, dbm: &Dbm, data: &Data) -> Outcome<Part> {
        let setting = clock.setting;
        let options = BackpropOptions {
            output_epochs: NETWORK_OUTPUT_EPOCHS,
            learning: Learning {
                epochs: setting.at_most(NETWORK_EPOCHS, 2),
                seed: setting.seed,
                ..BackpropOptions::with_dropout().learning
            },
            ..BackpropOptions::with_dropout()
        };
        let mean_field = MeanField {
            iterations: FEATURE_ITERATIONS,
            ..MeanField::default()
        };
        clock.go();
        let with_features = |x: &Examples| -> Outcome<Examples> {
            let both = dbm.with_posterior(x, 2, &mean_field)?;
            Ok(x.with_states(both)?)
        };
        let (train, test) = (
            with_features(&data.train)?,
            with_features(test_part(data)?)?,
        );
        clock.stop();
        let start = Network::classifier_from_dbm(dbm, CLASSES, setting.seed)?;
        let name = format!("{} {NETWORK}", self.name);
        let quiet = |_: &_| Ok(String::new());
        let notes = [(MACHINE, format!("{}.safetensors", self.name))];
        let (network, seconds) = stack::fine_tuned(
            setting,
            &name,
            &notes,
            start,
            options.clone(),
            &train,
            quiet,
        )?;
        clock.add_seconds(seconds);
        let rate = |what, published, x: &Examples| -> Outcome<_> {
            Ok(stack::rate(
                what,
                published,
                stack::error(&network, x)?,
                x.len(),
            ))
        };
        let figures = vec![
            rate("test error", self.error, &test)?,
            rate("training error", None, &train)?,
        ];
        Ok(self.part(clock, NETWORK, figures, json!(options)))
    }

    fn part(
        &self,
        clock: &mut Clock<'_>,
        stage: &str,
        figures: Vec<Figure>,
        options: Value,
    ) -> Part {
        let sizes: Vec<String> = self.hidden.iter().map(ToString::to_string).collect();
        Part {
            name: format!("784-{} {stage}", sizes.join("-")),
            recipe: json!({"hidden": self.hidden, "options": options, "test_bits_seed": TEST_BITS_SEED}),
            figures,
            seconds: clock.take_seconds(),
        }
    }
}

/// RBM upon RBM, labels beside the last one; returns the options too.
fn layer_by_layer(
    clock: &mut Clock<'_>,
    sizes: &[usize],
    data: &Examples,
) -> Outcome<(Dbm, Value)> {
    let setting = clock.setting;
    // One step more every 20 epochs, and the rate divided by it.
    let growing = |at: &dyn Fn(f32) -> f32| {
        let pieces = (0..5).map(|k| (20.0 * k as f32, at(k as f32 + 1.0)));
        Schedule::Pieces(pieces.collect())
    };
    let contrastive = |steps| Negative::ContrastiveDivergence {
        steps,
        reconstruction: Reconstruction::Sampled,
    };
    let first = RbmOptions {
        negative: contrastive(1),
        learning: Learning {
            epochs: setting.at_most(PRETRAINING_EPOCHS, 2),
            learning_rate: Schedule::Constant(0.05),
            momentum: momentum(),
            weight_decay: 0.001,
            resample_data: true,
            seed: setting.seed,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let upper = RbmOptions {
        negative: contrastive(5),
        steps: Some(growing(&|k| k)),
        learning: Learning {
            learning_rate: growing(&|k| 0.05 / k),
            ..first.learning.clone()
        },
        ..first.clone()
    };
    let mut all = vec![upper; sizes.len()];
    all[0] = first;
    let classes = data.classes();
    clock.go();
    let mut failure = None;
    let plan = PretrainingPlan {
        hidden: sizes.to_vec(),
        options: all.clone(),
        classes,
    };
    let mut stack = Stack::pretraining(plan, data)?;
    let ended = stack.run(data, |event| {
        let StackEvent::Epoch(stack) = event else {
            return clock.flow();
        };
        let (l, epoch) = (stack.layer(), stack.position().epoch);
        let epochs = stack.training().learning().epochs;
        let text = format!("RBM {} of {}: epoch {epoch}/{epochs}", l + 1, sizes.len());
        if let Err(e) = clock.tell(epoch == epochs, &text, || Ok(String::new())) {
            failure = Some(e);
            return ControlFlow::Break(());
        }
        clock.flow()
    })?;
    clock.stop();
    if let Some(failure) = failure {
        return Err(failure);
    }
    if ended.is_stopped() {
        return Err(Failure::failed("interrupted while training the RBMs"));
    }
    let options = json!({
        "batch_size": all[0].learning.batch_size,
        "layers": all.iter().map(report::options).collect::<Vec<_>>(),
        "classes": classes,
    });
    Ok((Dbm::joined(&stack.rbms())?, options))
}

fn momentum() -> Schedule {
    Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)])
}

/// Algorithm 20.1 with the published chains, momentum, decay and sparsity targets. Two things are
/// not as published: the gradient is centered, and the rate falls in a straight line. By the
/// ordinary gradient the second hidden layer falls silent, at the published rate too
/// (docs/results.md).
fn joint_options(setting: &Setting, layers: usize, epochs: usize) -> DbmOptions {
    let sparsity = |target| Sparsity {
        target,
        cost: 0.001,
        decay: 0.9,
    };
    DbmOptions {
        positive: Positive::MeanField(MeanField {
            iterations: 30,
            tolerance: 0.03,
            damping: 0.0,
        }),
        negative: Negative::Persistent {
            chains: 100,
            steps: 5,
        },
        // 0.2 for the first hidden layer, 0.1 for those above.
        centering: Some(Centering::default()),
        sparsity: (0..layers)
            .map(|l| sparsity(if l == 0 { 0.2 } else { 0.1 }))
            .collect(),
        learning: Learning {
            epochs: setting.at_most(epochs, 2),
            batch_size: 100,
            learning_rate: Schedule::Linear {
                from: 0.002,
                to: 0.0,
            },
            least_rate: 0.0,
            momentum: momentum(),
            weight_decay: 2e-4,
            resample_data: true,
            seed: setting.seed,
            ..DbmOptions::default().learning
        },
        ..DbmOptions::default()
    }
}

/// Runs the joint stage to its end; `file` holds it after every epoch.
fn together(
    clock: &mut Clock<'_>,
    file: Option<PathBuf>,
    mut run: DbmTraining,
    data: &Examples,
) -> Outcome<Dbm> {
    clock.go();
    let mut failure = None;
    let done = run.run(data, |event| {
        let Event::Epoch(run) = event else {
            return clock.flow();
        };
        let (epoch, epochs) = (run.position().epoch, run.learning().epochs);
        let text = format!("joint learning: epoch {epoch}/{epochs}");
        let told = clock.tell(epoch == epochs, &text, || {
            let mean_field = run.figures().mean_field.unwrap_or_default();
            Ok(format!(
                "{} iterations of mean field",
                mean_field.iterations
            ))
        });
        let stored = told.and_then(|()| match &file {
            Some(path) => store(clock, run, path),
            None => Ok(()),
        });
        if let Err(e) = stored {
            failure = Some(e);
            return ControlFlow::Break(());
        }
        clock.flow()
    })?;
    clock.stop();
    let epoch = run.position().epoch;
    clock.check(done, failure).map_err(|e| match &file {
        Some(_) if epoch > 0 => e.hint(format!("--resume goes on after {epoch} epochs")),
        _ => e,
    })?;
    if let Some(path) = &file {
        note(format!("model in {}", path.display()));
    }
    Ok(run.into_result())
}

fn store(clock: &mut Clock<'_>, run: &DbmTraining, path: &Path) -> Outcome<()> {
    clock.stop();
    let mut checkpoint = Checkpoint::from(run);
    let source = clock.setting.source(Binarization::None, 0);
    source.note(&mut checkpoint.notes);
    checkpoint.save(path)?;
    let run = RunFile::new().after(clock.seconds());
    run.save(&RunFile::named_after(path))?;
    clock.go();
    Ok(())
}
