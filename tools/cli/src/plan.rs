//! What a training run is to do: from the command line alone, or from the file of a run that goes on.

use crate::{
    args::{Method, ObjectiveArg, Preset, TrainArgs},
    data::{MNIST, Source, Treatment, resolved},
    failure::{Failure, Outcome},
};
use harmonium::{
    checkpoint::Checkpoint,
    dataset::Binarization,
    model::{Kind, Layer, Rbm, Units},
    train::{Centering, Negative, Objective, Options, Reconstruction, Rule, Schedule, Sparsity},
};
use std::{fmt::Display, path::Path};

/// Passes over the data unless told otherwise: on MNIST, what fits into a minute on two cores.
pub const DEFAULT_EPOCHS: usize = 100;
/// Passes of `--preset fast` and of `--preset best`.
const FAST_EPOCHS: usize = 20;
const BEST_EPOCHS: usize = 300;
/// Gibbs sweeps an update and decay of the weights with `--preset best`.
const BEST_STEPS: usize = 5;
const BEST_DECAY: f32 = 2e-4;
/// Learning rate at the start, with the centred gradient.
const CENTRED_RATE: f32 = 0.1;
/// Learning rate at the start and momentum of `ln p(y | v)`, with the centred gradient, and the rate without it.
const CLASSIFIER_RATE: f32 = 0.5;
const CLASSIFIER_MOMENTUM: f32 = 0.9;
const UNCENTRED_CLASSIFIER_RATE: f32 = 1.0;
/// Hidden units unless told otherwise.
pub const DEFAULT_HIDDEN: usize = 500;
const DEFAULT_CHAINS: usize = 100;
const DEFAULT_STEPS: usize = 1;
/// Chains of `mcmc` start at fair coins and need some time.
const DEFAULT_MCMC_STEPS: usize = 100;
/// Step size of fast weights.
const DEFAULT_FAST_RATE: f32 = 0.01;
/// What is left of fast weights after an update, as in Tieleman and Hinton (2009).
const DEFAULT_FAST_DECAY: f32 = 0.95;
/// Temperatures of tempered training and the lowest inverse one.
const DEFAULT_TEMPERATURES: usize = 10;
const DEFAULT_LOWEST_BETA: f32 = 0.9;
/// Share of accepted swaps of trajectory training, as in Bereux et al. (2025), and most snapshots.
const DEFAULT_ACCEPTANCE: f32 = 0.25;
const DEFAULT_SNAPSHOTS: usize = 10;

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
    pub options: Options,
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
        let seed = args.seed.unwrap_or(0);
        let binarize = match (args.binarize, args.resample) {
            (None, false) => Binarization::Sampled,
            (None | Some(Binarization::None), true) => Binarization::None,
            (Some(how), false) => how,
            (Some(how), true) => {
                return Err(Failure::usage(format!(
                    "--binarize {how} and --resample exclude each other"
                ))
                .hint("--resample draws grey data at each visit: leave --binarize out"));
            }
        };
        let visible_units = args.visible_units.as_deref().unwrap_or("bernoulli");
        let has = |kind: Kind| visible_units.split('+').any(|s| s.starts_with(kind.name()));
        let is_real = has(Kind::Gaussian) || has(Kind::Relu);
        let values = match (args.standardize, is_real, has(Kind::Spin)) {
            (true, true, _) => Treatment::Standardized(Vec::new(), Vec::new()),
            (true, false, _) => {
                return Err(Failure::usage(
                    "--standardize: standardised values are states of gaussian units alone",
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
        let binarize = if is_real {
            Binarization::None
        } else {
            binarize
        };
        if args.stream && values != Treatment::Unit {
            return Err(Failure::usage(format!(
                "--stream: examples are bits or numbers in [0, 1], not states of {visible_units} units"
            ))
            .hint("leave --stream out to load the data"));
        }
        let default = Options::default();
        let hidden_units = args.hidden_units.as_deref().unwrap_or("bernoulli");
        let objective = objective(args)?.unwrap_or_default();
        // What was measured (docs/training.md); other machines keep the ordinary gradient unless told otherwise.
        let bernoulli = [visible_units, hidden_units] == ["bernoulli"; 2];
        let classifies = objective != Objective::Generative;
        let measured = bernoulli && args.labels == classifies;
        let centred =
            measured && args.centering.is_none_or(|x| x.0.is_some()) && !args.no_centering;
        let plan = Self {
            visible_units: visible_units.into(),
            hidden_units: hidden_units.into(),
            source: Source {
                data: resolved(args.data.as_deref().unwrap_or(MNIST)),
                binarize,
                seed,
                validation: args.validation.unwrap_or(0),
                stream: args.stream,
                values,
                labels: args.labels.then_some(0),
            },
            hidden: args.hidden.unwrap_or(DEFAULT_HIDDEN),
            options: Options {
                negative: negative(args, args.method.unwrap_or(Method::Pcd))?,
                epochs: args.epochs.unwrap_or(match args.preset {
                    Some(Preset::Fast) => FAST_EPOCHS,
                    Some(Preset::Best) => BEST_EPOCHS,
                    Some(Preset::Good) | None => DEFAULT_EPOCHS,
                }),
                batch_size: args.batch_size.unwrap_or(default.batch_size),
                learning_rate: args
                    .learning_rate
                    .clone()
                    .unwrap_or(match (classifies, centred) {
                        (true, true) => falling(CLASSIFIER_RATE),
                        // One step must not move all inputs of a label past each other.
                        (true, false) => falling(UNCENTRED_CLASSIFIER_RATE),
                        (false, true) => falling(CENTRED_RATE),
                        (false, false) => default.learning_rate,
                    }),
                momentum: args.momentum.clone().unwrap_or(if classifies && centred {
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
                doubled: default.doubled,
                resample_data: args.resample,
                steps: scheduled_steps(args),
                seed,
                objective,
                variance_rate: args.variance_rate.unwrap_or(default.variance_rate),
                optimizer: args.optimizer.map_or(default.optimizer, Rule::from),
                centering: centering(args, measured.then(Centering::default))?,
                sparsity: sparsity(args)?,
                max_norm: args.max_norm,
                averaging: args.averaging.map_or(default.averaging, |x| x.0),
            },
        };
        plan.options.check()?;
        Ok(plan)
    }

    /// The run in `checkpoint`, read from `path`, with the `--epochs` of the command line if it has any.
    ///
    /// # Errors
    /// A file without a run, and flags that contradict it.
    pub fn resumed(args: &TrainArgs, checkpoint: &Checkpoint, path: &Path) -> Outcome<Self> {
        let Some(state) = &checkpoint.training else {
            return Err(Failure::failed(format!(
                "{}: holds a machine, but no run that could go on",
                path.display()
            ))
            .hint("only models that `harmonium train` has written can be resumed"));
        };
        let Some(source) = Source::from_notes(&checkpoint.notes)? else {
            return Err(Failure::failed(format!(
                "{}: its notes do not say which data the run is on",
                path.display()
            )));
        };
        let mut options = state.options.clone();
        let data = args.data.as_deref().map(resolved);
        agree("data", data.as_ref(), Some(&source.data))?;
        agree("binarize", args.binarize.as_ref(), Some(&source.binarize))?;
        if args.stream && !source.stream {
            return Err(contradiction("--stream", "has its data in memory"));
        }
        agree(
            "validation",
            args.validation.as_ref(),
            Some(&source.validation),
        )?;
        agree(
            "hidden",
            args.hidden.as_ref(),
            Some(&checkpoint.rbm()?.n_hidden()),
        )?;
        agree(
            "batch-size",
            args.batch_size.as_ref(),
            Some(&options.batch_size),
        )?;
        agree(
            "learning-rate",
            args.learning_rate.as_ref(),
            Some(&options.learning_rate),
        )?;
        agree("momentum", args.momentum.as_ref(), Some(&options.momentum))?;
        agree(
            "weight-decay",
            args.weight_decay.as_ref(),
            Some(&options.weight_decay),
        )?;
        agree("l1-decay", args.l1_decay.as_ref(), Some(&options.l1_decay))?;
        agree(
            "gradient-clip",
            args.gradient_clip.as_ref(),
            options.gradient_clip.as_ref(),
        )?;
        agree("seed", args.seed.as_ref(), Some(&options.seed))?;
        agree_on_learning(args, &options)?;
        if args.resample && !options.resample_data {
            return Err(contradiction("--resample", "draws its data once"));
        }
        agree_on_negative(args, &options)?;

        if let Some(epochs) = args.epochs {
            let batches = state.examples.div_ceil(options.batch_size.max(1)).max(1) as u64;
            let done = state.updates.div_ceil(batches);
            if (epochs as u64) < done {
                return Err(contradiction(
                    &format!("--epochs {epochs}"),
                    format!("is in epoch {done} already"),
                ));
            }
            options.epochs = epochs;
        }
        let units = |given: &Option<String>, stored: &Units| match given {
            Some(text) if Units::parse(text, stored.size()).ok().as_ref() != Some(stored) => Err(
                contradiction(&format!("units {text}"), format!("has {stored}")),
            ),
            _ => Ok(stored.to_string()),
        };
        let rbm = checkpoint.rbm()?;
        let mut visible = rbm.visible().units.clone();
        if source.labels.is_some() {
            let segments = visible.segments().split_last().map_or(&[][..], |(_, s)| s);
            visible = segments
                .iter()
                .fold(Units::default(), |units, s| units.and(s.kind, s.size));
        } else if args.labels {
            return Err(contradiction("--labels", "has none"));
        }
        if args.standardize && !matches!(source.values, Treatment::Standardized(..)) {
            return Err(contradiction(
                "--standardize",
                "takes its values as they are",
            ));
        }
        agree(
            "variance-rate",
            args.variance_rate.as_ref(),
            Some(&options.variance_rate),
        )?;
        if objective(args)?.is_some_and(|asked| asked != options.objective) {
            return Err(contradiction("--objective", "has another"));
        }
        Ok(Self {
            visible_units: units(&args.visible_units, &visible)?,
            hidden_units: units(&args.hidden_units, &rbm.hidden().units)?,
            source,
            hidden: rbm.n_hidden(),
            options,
        })
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
        let replicas = match self.options.negative {
            Negative::Tempered { temperatures, .. } => temperatures,
            Negative::Trajectory { snapshots, .. } => snapshots.saturating_add(2),
            _ => 1,
        };
        if let Negative::Persistent { chains, .. }
        | Negative::FastPersistent { chains, .. }
        | Negative::Tempered { chains, .. }
        | Negative::Trajectory { chains, .. }
        | Negative::Mcmc { chains, .. } = self.options.negative
        {
            let most = MOST_ELEMENTS / n_visible.max(self.hidden).max(1) / replicas;
            if chains > most {
                return Err(Failure::usage(format!(
                    "--chains {chains}: expected at most {most} for a machine of this size"
                )));
            }
        }
        Ok(())
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

/// The centred gradient that the flags ask for.
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
                "--centering-rate belongs to the centred gradient, which is off",
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
pub fn describe_run(options: &Options) -> String {
    let negative = describe(options.negative);
    match options.objective {
        Objective::Generative => negative,
        Objective::Discriminative => "discriminative gradient".into(),
        Objective::Hybrid { generative_weight } => {
            format!("discriminative gradient and {generative_weight} x {negative}")
        }
    }
}

/// A negative phase in a few words.
pub fn describe(negative: Negative) -> String {
    match negative {
        Negative::Exact => "exact gradient".into(),
        Negative::Mcmc { chains, steps } => {
            format!("{chains} chains of {steps} sweeps from fair coins")
        }
        Negative::ContrastiveDivergence {
            steps,
            reconstruction: Reconstruction::Sampled,
        } => format!("CD-{steps}"),
        Negative::ContrastiveDivergence {
            steps,
            reconstruction: Reconstruction::Smoothed,
        } => format!("CD-{steps}, smoothed reconstructions"),
        Negative::Persistent { chains, steps } => format!("PCD-{steps}, {chains} chains"),
        Negative::FastPersistent {
            chains,
            steps,
            fast_rate,
            fast_decay,
        } => format!(
            "FPCD-{steps}, {chains} chains, fast weights of rate {fast_rate} and decay {fast_decay}"
        ),
        Negative::Tempered {
            chains,
            steps,
            temperatures,
            lowest,
        } => format!(
            "tempered PCD-{steps}, {chains} chains at {temperatures} temperatures down to β = {lowest}"
        ),
        Negative::Trajectory {
            chains,
            steps,
            acceptance,
            snapshots,
        } => format!(
            "trajectory PCD-{steps}, {chains} chains at up to {snapshots} snapshots, taken when fewer than {acceptance} of the swaps are accepted"
        ),
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

/// The negative phase that the flags describe.
fn negative(args: &TrainArgs, method: Method) -> Outcome<Negative> {
    let meaningless = |flag: &str, given: bool, methods: &str| {
        if given {
            Err(Failure::usage(format!(
                "{flag} belongs to --method {methods}, not to the method of this run"
            ))
            .hint("leave the flag out, or choose another --method"))
        } else {
            Ok(())
        }
    };
    if method != Method::Cd {
        meaningless("--reconstruction", args.reconstruction.is_some(), "cd")?;
    }
    if matches!(method, Method::Cd | Method::Exact) {
        let methods = "pcd, fpcd, tempered, trajectory and mcmc";
        meaningless("--chains", args.chains.is_some(), methods)?;
    }
    if method != Method::Fpcd {
        meaningless("--fast-rate", args.fast_rate.is_some(), "fpcd")?;
        meaningless("--fast-decay", args.fast_decay.is_some(), "fpcd")?;
    }
    if method != Method::Tempered {
        meaningless("--temperatures", args.temperatures.is_some(), "tempered")?;
        meaningless("--lowest-beta", args.lowest_beta.is_some(), "tempered")?;
    }
    if method != Method::Trajectory {
        meaningless("--acceptance", args.acceptance.is_some(), "trajectory")?;
        meaningless("--snapshots", args.snapshots.is_some(), "trajectory")?;
    }
    if method == Method::Exact {
        meaningless(
            "--steps",
            args.steps.is_some(),
            "pcd, fpcd, tempered, trajectory, cd and mcmc",
        )?;
    }
    let chains = args.chains.unwrap_or(DEFAULT_CHAINS);
    // Of a schedule the most.
    let given = args
        .steps
        .as_ref()
        .map(|steps| steps.most().ceil() as usize);
    let steps = given.unwrap_or(if is_best(args) {
        BEST_STEPS
    } else {
        DEFAULT_STEPS
    });
    Ok(match method {
        Method::PseudoLikelihood => {
            return Err(Failure::usage(
                "--method pseudo-likelihood is for machines without hidden units",
            )
            .hint("name the kind of machine: `harmonium train boltzmann`"));
        }
        Method::Exact => Negative::Exact,
        Method::Mcmc => Negative::Mcmc {
            chains,
            steps: given.unwrap_or(DEFAULT_MCMC_STEPS),
        },
        Method::Cd => Negative::ContrastiveDivergence {
            steps,
            reconstruction: args.reconstruction.map(Into::into).unwrap_or_default(),
        },
        Method::Pcd => Negative::Persistent { chains, steps },
        Method::Fpcd => Negative::FastPersistent {
            chains,
            steps,
            fast_rate: args.fast_rate.unwrap_or(DEFAULT_FAST_RATE),
            fast_decay: args.fast_decay.unwrap_or(DEFAULT_FAST_DECAY),
        },
        Method::Tempered => Negative::Tempered {
            chains,
            steps,
            temperatures: args.temperatures.unwrap_or(DEFAULT_TEMPERATURES),
            lowest: args.lowest_beta.unwrap_or(DEFAULT_LOWEST_BETA),
        },
        Method::Trajectory => Negative::Trajectory {
            chains,
            steps,
            acceptance: args.acceptance.unwrap_or(DEFAULT_ACCEPTANCE),
            snapshots: args.snapshots.unwrap_or(DEFAULT_SNAPSHOTS),
        },
    })
}

/// Refuses flags about the negative phase that contradict that of the run.
fn agree_on_negative(args: &TrainArgs, options: &Options) -> Outcome<()> {
    let stored = options.negative;
    let (method, name) = match stored {
        Negative::Exact => (Method::Exact, "exact"),
        Negative::Mcmc { .. } => (Method::Mcmc, "mcmc"),
        Negative::ContrastiveDivergence { .. } => (Method::Cd, "cd"),
        Negative::Persistent { .. } => (Method::Pcd, "pcd"),
        Negative::FastPersistent { .. } => (Method::Fpcd, "fpcd"),
        Negative::Tempered { .. } => (Method::Tempered, "tempered"),
        Negative::Trajectory { .. } => (Method::Trajectory, "trajectory"),
    };
    if args.method.is_some_and(|asked| asked != method) {
        return Err(contradiction("--method", format!("has {name}")));
    }
    // Flags that have no meaning for the method are refused here.
    negative(args, method)?;
    let (chains, steps, reconstruction) = match stored {
        Negative::Exact => (None, None, None),
        Negative::Mcmc { chains, steps }
        | Negative::Persistent { chains, steps }
        | Negative::FastPersistent { chains, steps, .. }
        | Negative::Tempered { chains, steps, .. }
        | Negative::Trajectory { chains, steps, .. } => (Some(chains), Some(steps), None),
        Negative::ContrastiveDivergence {
            steps,
            reconstruction,
        } => (None, Some(steps), Some(reconstruction)),
    };
    agree("chains", args.chains.as_ref(), chains.as_ref())?;
    let scheduled = options.steps.clone();
    let steps = scheduled.or(steps.map(|k| Schedule::Constant(k as f32)));
    agree("steps", args.steps.as_ref(), steps.as_ref())?;
    if let Negative::FastPersistent {
        fast_rate,
        fast_decay,
        ..
    } = stored
    {
        agree("fast-rate", args.fast_rate.as_ref(), Some(&fast_rate))?;
        agree("fast-decay", args.fast_decay.as_ref(), Some(&fast_decay))?;
    }
    if let Negative::Tempered {
        temperatures,
        lowest,
        ..
    } = stored
    {
        let asked = args.temperatures.as_ref();
        agree("temperatures", asked, Some(&temperatures))?;
        agree("lowest-beta", args.lowest_beta.as_ref(), Some(&lowest))?;
    }
    if let Negative::Trajectory {
        acceptance,
        snapshots,
        ..
    } = stored
    {
        agree("acceptance", args.acceptance.as_ref(), Some(&acceptance))?;
        agree("snapshots", args.snapshots.as_ref(), Some(&snapshots))?;
    }
    let asked = args.reconstruction.map(Reconstruction::from);
    if asked.is_some() && asked != reconstruction {
        return Err(contradiction("--reconstruction", "has the other kind"));
    }
    Ok(())
}

/// Refuses flags about the way of learning that contradict that of the run.
fn agree_on_learning(args: &TrainArgs, stored: &Options) -> Outcome<()> {
    if args.preset.is_some() {
        return Err(contradiction("--preset", "has its own options"));
    }
    let asked = centering(args, stored.centering.or(Some(Centering::default())))?;
    let said = args.centering.is_some() || args.no_centering || args.centering_rate.is_some();
    if said && asked != stored.centering {
        return Err(contradiction("--centering", "has another"));
    }
    if args
        .optimizer
        .is_some_and(|x| Rule::from(x) != stored.optimizer)
    {
        return Err(contradiction("--optimizer", "has another"));
    }
    let asked = sparsity(args)?;
    if asked.is_some() && asked != stored.sparsity {
        return Err(contradiction("--sparsity", "has another"));
    }
    if args.averaging.is_some_and(|x| x.0 != stored.averaging) {
        return Err(contradiction("--averaging", "has another"));
    }
    agree("max-norm", args.max_norm.as_ref(), stored.max_norm.as_ref())
}

/// Refuses a flag that was given with another value than the run has.
pub fn agree<T: PartialEq + Display>(
    flag: &str,
    given: Option<&T>,
    stored: Option<&T>,
) -> Outcome<()> {
    match given {
        Some(x) if given != stored => {
            let has = stored.map_or_else(|| "has none".into(), |stored| format!("has {stored}"));
            Err(contradiction(&format!("--{flag} {x}"), has))
        }
        _ => Ok(()),
    }
}

/// What refuses a flag of a run to go on with.
pub fn contradiction(flag: &str, has: impl Display) -> Failure {
    Failure::usage(format!("{flag}: the run to resume {has}"))
        .hint("leave the flag out, or start a new run in another --out without --resume")
}
