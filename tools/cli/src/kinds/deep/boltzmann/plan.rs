//! What the training of a deep Boltzmann machine is to do: from the command line alone, or from the
//! file of a run that goes on.

use super::{
    super::{
        fine_tune,
        plan::{FINE_TUNE_STAGE, check_layers, default_momentum, layers_from},
    },
    DEFAULT_EPOCHS, DEFAULT_ITERATIONS, DEFAULT_LAYERS, DEFAULT_PRETRAINING_DECAY,
    DEFAULT_PRETRAINING_EPOCHS, DEFAULT_PRETRAINING_RATE, DEFAULT_TOLERANCE,
    agree::agree,
    stage::{JOINT_STAGE, rbm_name},
};
use crate::{
    args::{Method, TrainArgs},
    failure::{Failure, Outcome},
    run::data::{Data, Source},
    run::plan::{self, Plan, contradiction},
};
use harmonium::{
    checkpoint::{Checkpoint, SavedRun},
    model::{Dbm, Layer, MeanField},
    train::{
        BackpropOptions, Centering, DbmOptions, Learning, Negative, Positive, PretrainingPlan,
        RbmOptions, Rule, Schedule, Sparsity,
    },
};
use std::{collections::BTreeMap, path::Path};

const PRETRAINING: &str = "pretraining";
const JOINT: &str = "joint";
const FINE_TUNE: &str = "fine_tune";

/// The stages of a run and the data that it is on.
#[derive(Clone, Debug)]
pub struct DbmPlan {
    /// The data; their labels stay beside the values.
    pub source: Source,
    /// Sizes of the hidden layers, lowest first.
    pub hidden: Vec<usize>,
    /// Classes of the label above them, if the machine learns labels; of a new run 0 until
    /// [`Self::settle`].
    pub classes: Option<usize>,
    /// RBM upon RBM, unless all layers learn together from the start.
    pub pretraining: Option<PretrainingPlan>,
    /// All layers together.
    pub joint: DbmOptions,
    /// The last stage, in which a network that starts from the machine learns the labels by
    /// backpropagation.
    pub fine_tune: Option<BackpropOptions>,
}

impl DbmPlan {
    /// A new run.
    ///
    /// # Errors
    /// Flags that contradict each other or belong to other machines, and numbers out of range.
    pub fn fresh(args: &TrainArgs) -> Outcome<Self> {
        refuse_foreign(args)?;
        let hidden = layers_from(args, &DEFAULT_LAYERS)?;
        // Data, and the options that both stages share, are those of an RBM.
        let rbm = Plan::fresh(&TrainArgs {
            labels: false,
            method: Some(Method::Cd),
            steps: None,
            chains: None,
            learning_rate: None,
            optimizer: None,
            sparsity: None,
            sparsity_cost: None,
            l1_decay: None,
            centering: None,
            centering_rate: None,
            no_centering: true,
            momentum: Some(
                args.dbm
                    .pretraining_momentum
                    .clone()
                    .unwrap_or(default_momentum()),
            ),
            weight_decay: Some(
                args.dbm
                    .pretraining_weight_decay
                    .unwrap_or(DEFAULT_PRETRAINING_DECAY),
            ),
            // Gray values are drawn anew at each visit unless they are wanted otherwise.
            resample: args.resample || args.binarize.is_none(),
            ..args.clone()
        })?;
        let pretraining = pretraining(args, &hidden, &rbm.options)?;
        let joint = joint(args, &hidden, &rbm.options, pretraining.is_some())?;
        let fine_tune = fine_tune::options(args, joint.learning.seed)?;
        Ok(Self {
            source: rbm.source,
            hidden,
            classes: args.labels.then_some(0),
            pretraining,
            joint,
            fine_tune,
        })
    }

    /// The names of the stages with their epochs, in the order of training.
    pub fn stages(&self) -> Vec<(String, usize)> {
        let rbms = self.pretraining.iter().flat_map(|plan| {
            let epochs = |l: usize| plan.options_of(l).learning.epochs;
            (0..plan.hidden.len()).map(move |l| (rbm_name(l), epochs(l)))
        });
        let joint = (JOINT_STAGE.to_owned(), self.joint.learning.epochs);
        let tuned = self.fine_tune.iter();
        let tuned = tuned.map(|x| (FINE_TUNE_STAGE.to_owned(), x.learning.epochs));
        rbms.chain((self.joint.learning.epochs > 0).then_some(joint))
            .chain(tuned)
            .collect()
    }

    /// The run in `checkpoint`, read from `path`, with the `--epochs` and the `--fine-tune` of the
    /// command line if it has any.
    ///
    /// # Errors
    /// A file without a run, and flags that contradict it.
    pub fn resumed(args: &TrainArgs, checkpoint: &Checkpoint, path: &Path) -> Outcome<Self> {
        let foreign = |what: &str| {
            Failure::failed(format!("{}: {what}", path.display()))
                .hint("only models that `harmonium train` has written can be resumed")
        };
        let source = Source::from_notes(&checkpoint.notes)?
            .ok_or_else(|| foreign("its notes do not say which data the run is on"))?;
        let note = |key: &str| checkpoint.notes.get(key).map(String::as_str);
        let wrong = |key: &str, e: serde_json::Error| foreign(&format!("its note `{key}`: {e}"));
        let stored = |text| serde_json::from_str(text).map_err(|e| wrong(PRETRAINING, e));
        let dbm = checkpoint.model.dbm()?;
        let (hidden, classes, pretraining, mut joint, done) = match &checkpoint.run {
            Some(SavedRun::Pretraining { plan, .. }) => {
                let text = note(JOINT).ok_or_else(|| foreign(&format!("has no note `{JOINT}`")))?;
                let joint = serde_json::from_str(text).map_err(|e| wrong(JOINT, e))?;
                let classes = plan.classes;
                (plan.hidden.clone(), classes, Some(plan.clone()), joint, 0)
            }
            Some(SavedRun::Dbm(state)) => {
                let position = state.position();
                let done = position.updates.div_ceil(position.batches as u64);
                let pretraining = note(PRETRAINING).map(stored).transpose()?;
                let options = state.options.clone();
                (hidden_of(dbm), dbm.classes(), pretraining, options, done)
            }
            _ => return Err(foreign("holds a machine, but no run that could go on")),
        };
        if let Some(epochs) = args.epochs {
            if (epochs as u64) < done {
                let flag = format!("--epochs {epochs}");
                return Err(contradiction(&flag, format!("is in epoch {done} already")));
            }
            joint.learning.epochs = epochs;
        }
        let fine_tune = match (note(FINE_TUNE), args.deep.fine_tune) {
            (_, Some(_)) => fine_tune::options(args, joint.learning.seed)?,
            (Some(text), None) => {
                Some(serde_json::from_str(text).map_err(|e| wrong(FINE_TUNE, e))?)
            }
            (None, None) => None,
        };
        let plan = Self {
            source,
            hidden,
            classes,
            pretraining,
            joint,
            fine_tune,
        };
        agree(&plan, args)?;
        Ok(plan)
    }

    /// Loads the data and settles what was left to them: the number of classes.
    ///
    /// # Errors
    /// Those of the data; labels that are not there; layers and chains that would not fit into
    /// memory.
    pub fn settle(&mut self) -> Outcome<Data> {
        let data = self.source.settle()?;
        if self.classes == Some(0) {
            self.classes = Some(data.classes()?);
            if let Some(plan) = &mut self.pretraining {
                plan.classes = self.classes;
            }
        }
        let sizes: Vec<usize> = std::iter::once(data.train.columns())
            .chain(self.hidden.iter().copied())
            .collect();
        check_layers(&sizes)?;
        plan::check_chains(self.joint.negative, sizes.iter().sum())?;
        Ok(data)
    }

    /// Writes what [`Self::resumed`] reads.
    pub fn note(&self, notes: &mut BTreeMap<String, String>) {
        self.source.note(notes);
        let mut put = |key: &str, json: serde_json::Result<String>| {
            notes.insert(key.into(), json.unwrap_or_default());
        };
        put(JOINT, serde_json::to_string(&self.joint));
        if let Some(plan) = &self.pretraining {
            put(PRETRAINING, serde_json::to_string(plan));
        }
        if let Some(options) = &self.fine_tune {
            put(FINE_TUNE, serde_json::to_string(options));
        }
    }
}

/// Sizes of the hidden layers.
fn hidden_of(dbm: &Dbm) -> Vec<usize> {
    let hidden = dbm.layers().iter().skip(1).take(dbm.n_hidden_layers());
    hidden.map(Layer::size).collect()
}

/// RBM upon RBM, if any has epochs.
fn pretraining(
    args: &TrainArgs,
    hidden: &[usize],
    of_rbm: &RbmOptions,
) -> Outcome<Option<PretrainingPlan>> {
    let flags = &args.dbm;
    let n = hidden.len();
    let of_each = |flag: &str, found: usize| {
        Failure::usage(format!(
            "{flag}: expected one, or one for each of the {n} layers, found {found}"
        ))
    };
    let epochs = match flags.pretraining_epochs.as_deref() {
        _ if flags.no_pretraining => vec![0; n],
        None => vec![DEFAULT_PRETRAINING_EPOCHS; n],
        Some(&[one]) => vec![one; n],
        Some(all) if all.len() == n => all.to_vec(),
        Some(all) => return Err(of_each("--pretraining-epochs", all.len())),
    };
    let spread = |flag: &str, given: &[Schedule], default: f32| match given {
        [] => Ok(vec![Schedule::Constant(default); n]),
        [one] => Ok(vec![one.clone(); n]),
        all if all.len() == n => Ok(all.to_vec()),
        all => Err(of_each(flag, all.len())),
    };
    let rates = spread(
        "--pretraining-rate",
        &flags.pretraining_rate,
        DEFAULT_PRETRAINING_RATE,
    )?;
    let steps = spread("--pretraining-steps", &flags.pretraining_steps, 1.0)?;
    let all = epochs.iter().zip(rates).zip(steps).enumerate();
    let options: Vec<RbmOptions> = all
        .map(|(l, ((&epochs, learning_rate), steps))| RbmOptions {
            negative: of_rbm.negative.with_steps(steps.most().ceil() as usize),
            steps: (!matches!(steps, Schedule::Constant(_))).then_some(steps),
            learning: Learning {
                epochs,
                learning_rate, // Of the layers above, states drawn from the means of the one below.
                resample_data: of_rbm.learning.resample_data || l > 0,
                ..of_rbm.learning.clone()
            },
            ..of_rbm.clone()
        })
        .collect();
    for options in &options {
        options.check()?;
    }
    let wanted = epochs.iter().any(|&n| n > 0);
    for (flag, given) in [
        ("--pretraining-rate", !flags.pretraining_rate.is_empty()),
        ("--pretraining-steps", !flags.pretraining_steps.is_empty()),
        (
            "--pretraining-momentum",
            flags.pretraining_momentum.is_some(),
        ),
        (
            "--pretraining-weight-decay",
            flags.pretraining_weight_decay.is_some(),
        ),
    ] {
        if given && !wanted {
            return Err(Failure::usage(format!(
                "{flag} belongs to pretraining, of which there is none"
            )));
        }
    }
    Ok(wanted.then(|| PretrainingPlan {
        hidden: hidden.to_vec(),
        options,
        classes: None,
    }))
}

/// All layers together.
fn joint(
    args: &TrainArgs,
    hidden: &[usize],
    of_rbm: &RbmOptions,
    pretrained: bool,
) -> Outcome<DbmOptions> {
    let default = DbmOptions::default();
    let sweeps = match &args.steps {
        None => default.negative.steps().unwrap_or(1),
        Some(Schedule::Constant(k)) => *k as usize,
        Some(other) => {
            return Err(Failure::usage(format!(
                "--steps {other}: expected a number of Gibbs sweeps an update"
            )));
        }
    };
    let mut sparsity: Vec<Sparsity> = plan::sparsity_targets(args)?;
    if let [one] = sparsity[..] {
        sparsity = vec![one; hidden.len()];
    }
    let flags = &args.dbm;
    let options = DbmOptions {
        positive: Positive::MeanField(MeanField {
            iterations: flags.mean_field_iterations.unwrap_or(DEFAULT_ITERATIONS),
            tolerance: flags.mean_field_tolerance.unwrap_or(DEFAULT_TOLERANCE),
            damping: flags.damping.unwrap_or(default.mean_field().damping),
        }),
        warm_start: flags.warm_start,
        negative: Negative::Persistent {
            chains: args.chains.or(default.negative.chains()).unwrap_or(1),
            steps: sweeps,
        },
        centering: plan::centering(args, (!pretrained).then(Centering::default))?,
        sparsity,
        learning: Learning {
            epochs: args.epochs.unwrap_or(DEFAULT_EPOCHS),
            batch_size: of_rbm.learning.batch_size,
            learning_rate: args
                .learning_rate
                .clone()
                .unwrap_or(default.learning.learning_rate),
            least_rate: flags.least_rate.unwrap_or(default.learning.least_rate),
            momentum: args.momentum.clone().unwrap_or(default.learning.momentum),
            weight_decay: args.weight_decay.unwrap_or(default.learning.weight_decay),
            l1_decay: args.l1_decay.unwrap_or(default.learning.l1_decay),
            optimizer: args
                .optimizer
                .map_or(default.learning.optimizer, Rule::from),
            resample_data: of_rbm.learning.resample_data,
            seed: of_rbm.learning.seed,
            ..Learning::default()
        },
    };
    options.check(hidden.len())?;
    Ok(options)
}

/// Refuses options that mean nothing for a deep Boltzmann machine.
fn refuse_foreign(args: &TrainArgs) -> Outcome<()> {
    const ORDINARY: &str = "RBMs of pretraining learn by contrastive divergence, all layers together by mean field and persistent chains";
    let of_units = "all units are of kind bernoulli";
    for (flag, given, advice) in [
        (
            "--hidden",
            args.hidden.is_some(),
            "name the sizes of the layers with --layers",
        ),
        (
            "--preset",
            args.preset.is_some(),
            "choose --pretraining-epochs and --epochs",
        ),
        (
            "--visible-units",
            args.visible_units
                .as_deref()
                .is_some_and(|x| x != "bernoulli"),
            of_units,
        ),
        ("--hidden-units", args.hidden_units.is_some(), of_units),
        ("--standardize", args.standardize, of_units),
        ("--variance-rate", args.variance_rate.is_some(), of_units),
        ("--method", args.method.is_some(), ORDINARY),
        ("--reconstruction", args.reconstruction.is_some(), ORDINARY),
        ("--fast-rate", args.fast_rate.is_some(), ORDINARY),
        ("--fast-decay", args.fast_decay.is_some(), ORDINARY),
        ("--temperatures", args.temperatures.is_some(), ORDINARY),
        ("--lowest-beta", args.lowest_beta.is_some(), ORDINARY),
        ("--acceptance", args.acceptance.is_some(), ORDINARY),
        ("--snapshots", args.snapshots.is_some(), ORDINARY),
        ("--objective", args.objective.is_some(), ORDINARY),
        (
            "--gradient-clip",
            args.gradient_clip.is_some(),
            "choose a smaller --learning-rate",
        ),
        (
            "--max-norm",
            args.max_norm.is_some(),
            "choose a --weight-decay",
        ),
        (
            "--averaging",
            args.averaging.is_some(),
            "the result is the machine after the last update",
        ),
        (
            "--stream",
            args.stream,
            "data of a deep Boltzmann machine are in memory",
        ),
        (
            "--early-stopping",
            args.early_stopping.is_some(),
            "metrics.csv has the free-energy gap of every epoch",
        ),
        (
            "--trajectory",
            args.trajectory.is_some(),
            "sampling along a trajectory is for RBMs",
        ),
    ] {
        if given {
            return Err(Failure::usage(format!("{flag} is no option of `train dbm`")).hint(advice));
        }
    }
    Ok(())
}
