//! What a training run is to do: from the command line alone, or from the file of a run that goes
//! on.

mod negative;
mod resumed;

pub use negative::{check_chains, describe, describe_positive, method_of};
pub use resumed::{Flag, agree, agree_on_epochs, contradiction, refuse_other};

use crate::{
    args::{Method, ObjectiveArg, Preset, TrainArgs},
    failure::{Failure, Outcome},
    run::data::{MNIST, Source, Treatment, resolved},
};
use harmonium::{
    dataset::Binarization,
    model::{Layer, Rbm},
    train::{Centering, Learning, Objective, RbmOptions, Rule, Schedule, Sparsity},
    units::{Kind, Units},
};
use negative::negative;

/// Passes over the data unless told otherwise: on MNIST, what fits into a minute on two cores.
pub const DEFAULT_EPOCHS: usize = 100;
/// Passes of `--preset fast` and of `--preset best`.
const FAST_EPOCHS: usize = 20;
const BEST_EPOCHS: usize = 300;
/// Decay of the weights with `--preset best`.
const BEST_DECAY: f32 = 2e-4;
/// Learning rate at the start, with the centered gradient.
const CENTERED_RATE: f32 = 0.1;
/// Learning rate at the start and momentum of `ln p(y | v)`, with the centered gradient, and the
/// rate without it.
const CLASSIFIER_RATE: f32 = 0.5;
const CLASSIFIER_MOMENTUM: f32 = 0.9;
const UNCENTERED_CLASSIFIER_RATE: f32 = 1.0;
/// Hidden units unless told otherwise.
pub const DEFAULT_HIDDEN: usize = 500;

/// Largest number of weights or of states in all chains: 2^31, which as f32 takes 8 GiB.
pub const MOST_ELEMENTS: usize = 1 << 31;

/// What a run is on and how it learns.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The data.
    pub source: Source,
    /// Kinds of the visible units, without those of labels.
    pub visible_units: String,
    /// Hidden units.
    pub hidden: usize,
    /// Their kinds.
    pub hidden_units: String,
    /// How it learns.
    pub options: RbmOptions,
}

impl Plan {
    /// A new run.
    ///
    /// # Errors
    /// Flags that contradict each other, and numbers out of range.
    pub fn fresh(args: &TrainArgs) -> Outcome<Self> {
        if args.hidden == Some(0) {
            return Err(
                Failure::usage("--hidden 0: expected at least 1 hidden unit")
                    .hint("a machine without hidden units: `harmonium train boltzmann`"),
            );
        }
        let visible_units = args.visible_units.as_deref().unwrap_or("bernoulli");
        let (binarize, values) = treatment(args, visible_units)?;
        let default = RbmOptions::default();
        let hidden_units = args.hidden_units.as_deref().unwrap_or("bernoulli");
        let objective = objective(args)?.unwrap_or_default();
        // What was measured (docs/training.md); other machines keep the ordinary gradient unless
        // told otherwise.
        let bernoulli = [visible_units, hidden_units] == ["bernoulli"; 2];
        let classifies = objective != Objective::Generative;
        let measured = bernoulli && args.labels == classifies;
        let centered =
            measured && args.centering.is_none_or(|x| x.0.is_some()) && !args.no_centering;
        let plan = Self {
            visible_units: visible_units.into(),
            hidden_units: hidden_units.into(),
            source: Source {
                data: resolved(args.data.as_deref().unwrap_or(MNIST)),
                binarize,
                seed: args.seed.unwrap_or(0),
                validation: args.validation.unwrap_or(0),
                stream: args.stream,
                values,
                labels: args.labels.then_some(0),
            },
            hidden: args.hidden.unwrap_or(DEFAULT_HIDDEN),
            options: RbmOptions {
                negative: negative(args, args.method.unwrap_or(Method::Pcd))?,
                doubled: default.doubled,
                steps: scheduled_steps(args),
                objective,
                variance_rate: args.variance_rate.unwrap_or(default.variance_rate),
                centering: centering(args, measured.then(Centering::default))?,
                sparsity: sparsity(args)?,
                learning: learning(args, classifies, centered),
            },
        };
        plan.options.check()?;
        Ok(plan)
    }

    /// The machine before learning, for `n_visible` visible units, those of labels included.
    ///
    /// # Errors
    /// Kinds of units that do not exist or do not add up, and pairs of kinds that are no machine.
    pub fn machine(&self, n_visible: usize) -> Outcome<Rbm> {
        let classes = self.source.labels.unwrap_or(0);
        let refused = |flag: &str| {
            let flag = flag.to_owned();
            move |e: harmonium::Error| Failure::usage(format!("{flag}: {e}"))
        };
        let visible = Units::parse(&self.visible_units, n_visible.saturating_sub(classes))
            .map_err(refused("--visible-units"))?
            .and(Kind::Softmax, classes);
        let hidden =
            Units::parse(&self.hidden_units, self.hidden).map_err(refused("--hidden-units"))?;
        Ok(Rbm::unconnected(Layer::new(visible), Layer::new(hidden))?)
    }

    /// Refuses what would not fit into memory.
    ///
    /// # Errors
    /// The flag that asks for too much.
    pub fn check_size(&self, n_visible: usize) -> Outcome<()> {
        let most = MOST_ELEMENTS / n_visible.max(1);
        if self.hidden > most {
            return Err(Failure::usage(format!(
                "--hidden {}: expected at most {most} units beside {n_visible} visible ones",
                self.hidden
            )));
        }
        check_chains(self.options.negative, n_visible.max(self.hidden))
    }
}

/// Whether examples become bits, and what the visible units make of their values.
///
/// # Errors
/// Flags that contradict each other or do not suit the units.
fn treatment(args: &TrainArgs, visible_units: &str) -> Outcome<(Binarization, Treatment)> {
    let binarize = match (args.binarize, args.resample) {
        (None, false) => Binarization::Sampled,
        (None | Some(Binarization::None), true) => Binarization::None,
        (Some(how), false) => how,
        (Some(how), true) => {
            return Err(Failure::usage(format!(
                "--binarize {how} and --resample exclude each other"
            ))
            .hint("--resample draws gray data at each visit: leave --binarize out"));
        }
    };
    let has = |kind: Kind| visible_units.split('+').any(|s| s.starts_with(kind.name()));
    let is_real = has(Kind::Gaussian) || has(Kind::Relu);
    let values = match (args.standardize, is_real, has(Kind::Spin)) {
        (true, true, _) => Treatment::Standardized(Vec::new(), Vec::new()),
        (true, false, _) => {
            return Err(Failure::usage(
                "--standardize: standardized values are states of gaussian units alone",
            )
            .hint("choose --visible-units gaussian"));
        }
        (false, true, _) => Treatment::Real,
        (false, false, true) => Treatment::Spin,
        (false, false, false) => Treatment::Unit,
    };
    let bits_asked = args.resample || args.binarize.is_some_and(|b| b != Binarization::None);
    if is_real && bits_asked || args.resample && values == Treatment::Spin {
        return Err(Failure::usage(format!(
            "--visible-units {visible_units}: such units take numbers, not bits drawn from them"
        ))
        .hint("leave --binarize and --resample out"));
    }
    if args.stream && values != Treatment::Unit {
        return Err(Failure::usage(format!(
            "--stream: examples are bits or numbers in [0, 1], not states of {visible_units} units"
        ))
        .hint("leave --stream out to load the data"));
    }
    let binarize = if is_real {
        Binarization::None
    } else {
        binarize
    };
    Ok((binarize, values))
}

/// The steps of a machine that learns the labels or not, with the centered gradient or not.
fn learning(args: &TrainArgs, classifies: bool, centered: bool) -> Learning {
    let default = Learning::default();
    Learning {
        epochs: args.epochs.unwrap_or(match args.preset {
            Some(Preset::Fast) => FAST_EPOCHS,
            Some(Preset::Best) => BEST_EPOCHS,
            Some(Preset::Good) | None => DEFAULT_EPOCHS,
        }),
        batch_size: args.batch_size.unwrap_or(default.batch_size),
        learning_rate: args
            .learning_rate
            .clone()
            .unwrap_or(match (classifies, centered) {
                (true, true) => falling(CLASSIFIER_RATE),
                // One step must not move all inputs of a label past each other.
                (true, false) => falling(UNCENTERED_CLASSIFIER_RATE),
                (false, true) => falling(CENTERED_RATE),
                (false, false) => default.learning_rate,
            }),
        momentum: args.momentum.clone().unwrap_or(if classifies && centered {
            Schedule::Constant(CLASSIFIER_MOMENTUM)
        } else {
            default.momentum
        }),
        weight_decay: args.weight_decay.unwrap_or(if is_best(args) {
            BEST_DECAY
        } else {
            default.weight_decay
        }),
        l1_decay: args.l1_decay.unwrap_or(default.l1_decay),
        gradient_clip: args.gradient_clip.or(default.gradient_clip),
        resample_data: args.resample,
        seed: args.seed.unwrap_or(0),
        optimizer: args.optimizer.map_or(default.optimizer, Rule::from),
        max_norm: args.max_norm,
        averaging: args.averaging.map_or(default.averaging, |x| x.0),
        ..Learning::default()
    }
}

/// A rate that falls to 0 in a straight line.
fn falling(from: f32) -> Schedule {
    Schedule::Linear { from, to: 0.0 }
}

/// The objective that the flags ask for.
fn objective(args: &TrainArgs) -> Outcome<Option<Objective>> {
    if args.generative_weight.is_some() && args.objective != Some(ObjectiveArg::Hybrid) {
        return Err(Failure::usage(
            "--generative-weight belongs to --objective hybrid",
        ));
    }
    Ok(args
        .objective
        .map(|objective| objective.objective(args.generative_weight)))
}

/// The centered gradient that the flags ask for.
pub fn centering(args: &TrainArgs, default: Option<Centering>) -> Outcome<Option<Centering>> {
    let mut centering = match args.centering {
        Some(asked) => asked.0.map(|(visible, hidden)| Centering {
            visible,
            hidden,
            ..default.unwrap_or_default()
        }),
        None if args.no_centering => None,
        None => default,
    };
    match (&mut centering, args.centering_rate) {
        (Some(centering), Some(rate)) => centering.rate = rate,
        (None, Some(_)) => {
            return Err(Failure::usage(
                "--centering-rate belongs to the centered gradient, which is off",
            ));
        }
        _ => {}
    }
    Ok(centering)
}

/// The target for hidden units that the flags ask for.
fn sparsity(args: &TrainArgs) -> Outcome<Option<Sparsity>> {
    let targets = sparsity_targets(args)?;
    match targets[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(Failure::usage(format!(
            "--sparsity: expected one target, found {}",
            targets.len()
        ))),
    }
}

/// All targets for hidden units that the flags ask for.
pub fn sparsity_targets(args: &TrainArgs) -> Outcome<Vec<Sparsity>> {
    let default = Sparsity::default();
    let targets = args.sparsity.as_deref().unwrap_or_default();
    if targets.is_empty() && args.sparsity_cost.is_some() {
        return Err(Failure::usage("--sparsity-cost belongs to --sparsity"));
    }
    let of = |&target: &f32| Sparsity {
        target,
        cost: args.sparsity_cost.unwrap_or(default.cost),
        ..default
    };
    Ok(targets.iter().map(of).collect())
}

/// What a run learns and how, in a few words.
pub fn describe_run(options: &RbmOptions) -> String {
    let negative = describe(options.negative);
    match options.objective {
        Objective::Generative => negative,
        Objective::Discriminative => "discriminative gradient".into(),
        Objective::Hybrid { generative_weight } => {
            format!("discriminative gradient and {generative_weight} x {negative}")
        }
    }
}

/// The schedule of `--steps`, if it is not one number.
fn scheduled_steps(args: &TrainArgs) -> Option<Schedule> {
    let steps = args.steps.clone()?;
    (!matches!(steps, Schedule::Constant(_))).then_some(steps)
}

fn is_best(args: &TrainArgs) -> bool {
    args.preset == Some(Preset::Best)
}
