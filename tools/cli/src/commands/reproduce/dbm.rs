//! The deep Boltzmann machines of Salakhutdinov and Hinton (2009): RBMs one upon the other with the
//! inputs of inner layers doubled, then all layers together, at last a network that starts from the
//! machine and learns the classes. And one that does without the RBMs, by the centered gradient
//! (Montavon and Mueller 2012).
//!
//! Learning sees gray values, of which it draws bits at each visit; the bound is measured on bits
//! drawn of the test images once, with [`TEST_BITS_SEED`], whatever the seed of the run is. The
//! network sees gray values.

mod bound;

use super::{
    figures::{Figure, Part, cd, falling, growing, momentum},
    network::{errors, fine_tuned, options_of},
    setting::{Setting, quiet, test_part},
};
use crate::{
    failure::{Failure, Outcome, note},
    kinds::training::{network::seen, posterior::MACHINE},
    run::{
        data::{Data, Source},
        run_file::RunFile,
    },
    show::report,
};
use bound::{Annealing, TEST_BITS_SEED};
use harmonium::{
    Checkpoint, Dbm, Examples,
    checkpoint::SavedRun,
    dataset::Binarization,
    model::MeanField,
    recipe::{AnyRun, DbmPlan, Plan, RunRef},
    train::{
        BackpropOptions, Centering, DbmOptions, Learning, Negative, Positive, PretrainingPlan,
        RbmOptions, Schedule, Sparsity,
    },
};
use serde_json::{Value, json};
use std::time::Instant;

/// Names of the experiments below, of which an interrupted one can go on.
pub(super) const RESUMABLE: [&str; 3] = ["dbm-2009", "dbm-2009-three", "dbm-centered"];
const GRAY: Binarization = Binarization::None;
const PRETRAINING_EPOCHS: usize = 100;
const NETWORK_EPOCHS: usize = 205;
/// First of these, in which the output layer learns alone: gradients through its random weights
/// would spoil what the machine has learned.
const NETWORK_OUTPUT_EPOCHS: usize = 5;
/// Name of the last stage.
const NETWORK: &str = "network";

/// A machine and what is published of it: test lower bound in nats and test error in percent.
struct Machine {
    /// Of the experiment, and the beginning of the names of its files.
    name: &'static str,
    hidden: &'static [usize],
    /// Epochs of all layers together.
    epochs: usize,
    bound: Option<f64>,
    error: Option<f64>,
}

/// Two hidden layers.
pub(super) fn two_layers(setting: &Setting) -> Outcome<Vec<Part>> {
    Machine {
        name: "dbm-2009",
        hidden: &[500, 1000],
        epochs: 300,
        bound: Some(-84.62),
        error: Some(0.95),
    }
    .pretrained(setting)
}

/// Three hidden layers.
pub(super) fn three_layers(setting: &Setting) -> Outcome<Vec<Part>> {
    Machine {
        name: "dbm-2009-three",
        hidden: &[500, 500, 1000],
        epochs: 150,
        bound: Some(-85.18),
        error: Some(1.01),
    }
    .pretrained(setting)
}

/// Without pretraining.
pub(super) fn centered(setting: &Setting) -> Outcome<Vec<Part>> {
    let machine = Machine {
        name: "dbm-centered",
        hidden: &[500, 500],
        epochs: 400,
        bound: None,
        error: None,
    };
    let data = setting.data(GRAY, 0)?;
    let annealing = Annealing::new(setting, &data)?;
    let options = DbmOptions {
        learning: setting.learning(Learning {
            epochs: machine.epochs,
            resample_data: true,
            ..DbmOptions::default().learning
        }),
        ..DbmOptions::default()
    };
    let plan = machine.plan(setting, None, options.clone());
    let (dbm, seconds) = machine.together(setting, &options, &data.train, || {
        Ok(plan.start(&data.train, None)?)
    })?;
    let figures = vec![annealing.test_bound(&dbm, machine.bound)?];
    Ok(vec![machine.part(
        "centered",
        figures,
        json!(options),
        seconds,
    )])
}

impl Machine {
    /// All stages; with `--only network` the last one alone, from the machine that an earlier run
    /// left.
    fn pretrained(&self, setting: &Setting) -> Outcome<Vec<Part>> {
        let data = setting.data(GRAY, 0)?;
        if setting.only.is_some() {
            let dbm = self.stored(setting)?;
            return Ok(vec![self.network(setting, dbm, &data)?]);
        }
        let annealing = Annealing::new(setting, &data)?;
        let options = joint_options(setting, self.hidden.len(), self.epochs);
        let mut parts = Vec::new();
        let (dbm, seconds) = self.together(setting, &options, &data.train, || {
            let (dbm, told, seconds) = self.layer_by_layer(setting, &options, &data.train)?;
            let figures = vec![annealing.test_bound(&dbm, None)?];
            parts.push(self.part("layer by layer", figures, told, seconds));
            // As published, the joint stage does without the labels.
            let plan = self.plan(setting, None, options.clone());
            Ok(plan.start_from(&dbm.into(), &data.train, None)?)
        })?;
        let figures = vec![annealing.test_bound(&dbm, self.bound)?];
        parts.push(self.part("joint learning", figures, json!(options), seconds));
        parts.push(self.network(setting, dbm, &data)?);
        Ok(parts)
    }

    /// The machine in `--out`.
    fn stored(&self, setting: &Setting) -> Outcome<Dbm> {
        let Some(path) = setting.file(self.name) else {
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
        Ok(checkpoint.into_dbm()?)
    }

    /// All layers together, with `--resume` from the stage that is stored in `--out`, which holds
    /// it after every epoch; else from `start`. Returns the machine and the seconds.
    fn together(
        &self,
        setting: &Setting,
        options: &DbmOptions,
        data: &Examples,
        start: impl FnOnce() -> Outcome<AnyRun>,
    ) -> Outcome<(Dbm, f64)> {
        let (mut run, before) = match self.unfinished(setting, options, data)? {
            Some(begun) => begun,
            None => (start()?, 0.0),
        };
        let file = setting.file(self.name);
        let learned = setting.learn(
            "joint learning",
            &mut run,
            data,
            before,
            &mut |run, seconds, _| {
                if let Some(path) = &file {
                    let mut checkpoint = run.running().checkpoint()?;
                    setting.source(GRAY, 0).note(&mut checkpoint.notes);
                    checkpoint.save(path)?;
                    let run = RunFile::new().after(seconds);
                    run.save(&RunFile::named_after(path))?;
                }
                Ok(String::new())
            },
        );
        let epoch = run.running().position().epoch;
        let seconds = learned.map_err(|e| match &file {
            Some(_) if epoch > 0 => e.hint(format!("--resume goes on after {epoch} epochs")),
            _ => e,
        })?;
        if let Some(path) = &file {
            note(format!("model in {}", path.display()));
        }
        Ok((run.result()?.into_dbm()?, seconds))
    }

    /// With `--resume`, the joint stage that is stored in `--out`, and its seconds.
    fn unfinished(
        &self,
        setting: &Setting,
        options: &DbmOptions,
        data: &Examples,
    ) -> Outcome<Option<(AnyRun, f64)>> {
        let (true, Some(path)) = (setting.resume, setting.file(self.name)) else {
            return Ok(None);
        };
        let checkpoint = Checkpoint::load(&path)?;
        let past = RunFile::resumed(&RunFile::named_after(&path), &checkpoint.notes);
        let source = Source::from_notes(&checkpoint)?;
        let is_same = source.is_some_and(|x| x.is_of(&setting.source(GRAY, 0)));
        let run = AnyRun::resumed(checkpoint, data, false)?;
        let is_of = |run: RunRef<'_>| matches!(run, RunRef::Dbm(run) if run.options() == options);
        if !is_of(run.get()) || !is_same {
            let message = format!(
                "--resume: the run in {} has other options or data",
                path.display()
            );
            let hint = "--seed, --quick and --data are those of its start";
            return Err(Failure::usage(message).hint(hint));
        }
        let epoch = run.running().position().epoch;
        let epochs = options.learning.epochs;
        note(format!(
            "goes on after {epoch} of {epochs} epochs of joint learning"
        ));
        Ok(Some((run, past.seconds)))
    }

    fn sizes(&self, setting: &Setting) -> Vec<usize> {
        let hidden = self.hidden.iter();
        hidden.map(|&n| setting.at_most(n, n / 10)).collect()
    }

    /// What the machine is, and how its stages learn.
    fn plan(
        &self,
        setting: &Setting,
        pretraining: Option<PretrainingPlan>,
        joint: DbmOptions,
    ) -> Plan {
        Plan::Dbm(DbmPlan {
            hidden: self.sizes(setting),
            visible: None,
            classes: None,
            pretraining,
            joint,
            fine_tune: Some(options_of(setting, &network_options(setting))),
        })
    }

    /// The network that starts from the machine: data are `[v, q(h_2)]`, learned by steps with
    /// dropout.
    fn network(&self, setting: &Setting, dbm: Dbm, data: &Data) -> Outcome<Part> {
        let begun = Instant::now();
        let dbm = dbm.into();
        let seen = seen(&dbm, data)?;
        let before = begun.elapsed().as_secs_f64();
        let (train, test) = (&seen.train, test_part(&seen)?);
        let run = self.plan(setting, None, DbmOptions::default());
        let run = run.network(&dbm, train)?;
        let name = format!("{} {NETWORK}", self.name);
        let machine = (MACHINE, format!("{}.safetensors", self.name));
        let (network, seconds) = fine_tuned(setting, &name, Some(machine), run, train, &mut quiet)?;
        let figures = errors(&network, self.error, test, train)?;
        let told = json!(network_options(setting));
        Ok(self.part(NETWORK, figures, told, before + seconds))
    }

    /// RBM upon RBM, labels beside the last one; returns the options and the seconds too.
    fn layer_by_layer(
        &self,
        setting: &Setting,
        joint: &DbmOptions,
        data: &Examples,
    ) -> Outcome<(Dbm, Value, f64)> {
        let options = |steps, learning_rate| {
            let options = cd(steps, Learning::default());
            RbmOptions {
                learning: setting.learning(Learning {
                    epochs: PRETRAINING_EPOCHS,
                    learning_rate,
                    weight_decay: 0.001,
                    resample_data: true,
                    ..options.learning
                }),
                ..options
            }
        };
        // One step more every 20 epochs, and the rate divided by it.
        let upper = RbmOptions {
            steps: Some(growing(5, 20.0, |k| k)),
            ..options(5, growing(5, 20.0, |k| 0.05 / k))
        };
        let mut all = vec![upper; self.hidden.len()];
        all[0] = options(1, Schedule::Constant(0.05));
        let classes = data.classes();
        let told = json!({
            "batch_size": all[0].learning.batch_size,
            "layers": all.iter().map(report::options).collect::<Vec<_>>(),
            "classes": classes,
        });
        let plan = PretrainingPlan {
            visible: None,
            hidden: self.sizes(setting),
            options: all,
            classes,
        };
        let mut run = self
            .plan(setting, Some(plan), joint.clone())
            .start(data, None)?;
        let seconds = setting.learn("pretraining", &mut run, data, 0.0, &mut quiet)?;
        let RunRef::Stack(stack) = run.get() else {
            unreachable!("it was begun as a stack")
        };
        Ok((Dbm::joined(&stack.rbms())?, told, seconds))
    }

    fn part(&self, stage: &str, figures: Vec<Figure>, options: Value, seconds: f64) -> Part {
        let sizes: Vec<String> = self.hidden.iter().map(ToString::to_string).collect();
        Part {
            name: format!("784-{} {stage}", sizes.join("-")),
            recipe: json!({"hidden": self.hidden, "options": options, "test_bits_seed": TEST_BITS_SEED}),
            figures,
            seconds,
        }
    }
}

/// How the network learns.
fn network_options(setting: &Setting) -> BackpropOptions {
    let dropout = BackpropOptions::with_dropout();
    BackpropOptions {
        output_epochs: NETWORK_OUTPUT_EPOCHS,
        learning: setting.learning(Learning {
            epochs: NETWORK_EPOCHS,
            ..dropout.learning
        }),
        ..dropout
    }
}

/// Algorithm 20.1 with the published chains, momentum, decay and sparsity targets. Two things are
/// not as published: the gradient is centered, and the rate falls in a straight line. By the
/// ordinary gradient the second hidden layer falls silent, at the published rate too
/// (docs/results.md).
fn joint_options(setting: &Setting, layers: usize, epochs: usize) -> DbmOptions {
    // 0.2 for the first hidden layer, 0.1 for those above.
    let sparsity = |l| Sparsity {
        target: if l == 0 { 0.2 } else { 0.1 },
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
        centering: Some(Centering::default()),
        sparsity: (0..layers).map(sparsity).collect(),
        learning: setting.learning(Learning {
            epochs,
            batch_size: 100,
            learning_rate: falling(0.002),
            least_rate: 0.0,
            momentum: momentum(),
            weight_decay: 2e-4,
            resample_data: true,
            ..DbmOptions::default().learning
        }),
        ..DbmOptions::default()
    }
}
