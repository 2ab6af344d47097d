//! What the training of a general Boltzmann machine is to do: from the command line alone, or from
//! the file of a run that goes on.

use crate::kinds::boltzmann::edges;
use crate::{
    args::{Method, PositiveArg, TrainArgs},
    failure::{Failure, Outcome, note},
    run::data::{MNIST, Source, resolved},
    run::plan::{
        MOST_ELEMENTS, agree, agree_on_epochs, contradiction, describe as describe_negative,
        describe_positive, method_of,
    },
};
use harmonium::{
    BoltzmannMachine, Examples,
    checkpoint::{Checkpoint, SavedRun},
    dataset::Binarization,
    model::MeanField,
    train::{BoltzmannOptions, Learning, Negative, Positive, Rule, Schedule},
};
use std::path::{Path, PathBuf};

const DEFAULT_CHAINS: usize = 128;
/// Chains of `mcmc` start at fair coins and need some time.
const DEFAULT_MCMC_STEPS: usize = 100;

/// What a run is on and how it learns.
#[derive(Clone, Debug)]
pub struct GeneralPlan {
    /// The data.
    pub source: Source,
    hidden: usize,
    connectivity: Option<PathBuf>,
    /// How it learns.
    pub options: BoltzmannOptions,
}

impl GeneralPlan {
    /// A new run.
    ///
    /// # Errors
    /// Flags that contradict each other or belong to other machines, and numbers out of range.
    pub fn fresh(args: &TrainArgs) -> Outcome<Self> {
        refuse_foreign(args)?;
        let seed = args.seed.unwrap_or(0);
        let hidden = args.hidden.unwrap_or(0);
        let negative = negative(args)?;
        if negative == Negative::PseudoLikelihood && hidden > 0 {
            return Err(Failure::usage(format!(
                "--method pseudo-likelihood is for machines without hidden units, not --hidden {hidden}"
            ))
            .hint("choose --method pcd, or leave --hidden out"));
        }
        let default = BoltzmannOptions::default();
        let plan = Self {
            source: Source {
                data: resolved(args.data.as_deref().unwrap_or(MNIST)),
                binarize: args.binarize.unwrap_or(Binarization::Sampled),
                seed,
                validation: args.validation.unwrap_or(0),
                ..Source::default()
            },
            hidden,
            connectivity: args.general.connectivity.clone(),
            options: BoltzmannOptions {
                positive: positive(args, hidden, negative)?,
                negative,
                learning: Learning {
                    epochs: args.epochs.unwrap_or(default.learning.epochs),
                    batch_size: args.batch_size.unwrap_or(default.learning.batch_size),
                    learning_rate: args
                        .learning_rate
                        .clone()
                        .unwrap_or(default.learning.learning_rate),
                    momentum: args.momentum.clone().unwrap_or(default.learning.momentum),
                    weight_decay: args.weight_decay.unwrap_or(default.learning.weight_decay),
                    l1_decay: args.l1_decay.unwrap_or(default.learning.l1_decay),
                    optimizer: args
                        .optimizer
                        .map_or(default.learning.optimizer, Rule::from),
                    seed,
                    ..Learning::default()
                },
            },
        };
        plan.options.check()?;
        Ok(plan)
    }

    /// The run in `checkpoint`, read from `path`, with the `--epochs` of the command line if it has
    /// any.
    ///
    /// # Errors
    /// A file without a run, and flags that contradict it.
    pub fn resumed(args: &TrainArgs, checkpoint: &Checkpoint, path: &Path) -> Outcome<Self> {
        let foreign = |what: &str| {
            Failure::failed(format!("{}: {what}", path.display()))
                .hint("only models that `harmonium train` has written can be resumed")
        };
        let Some(SavedRun::Boltzmann(run)) = &checkpoint.run else {
            return Err(foreign("holds a machine, but no run that could go on"));
        };
        let source = Source::from_notes(&checkpoint.notes)?
            .ok_or_else(|| foreign("its notes do not say which data the run is on"))?;
        let hidden = checkpoint.model.boltzmann()?.n_hidden();
        let mut options = run.options.clone();
        if args.general.connectivity.is_some() {
            return Err(contradiction("--connectivity", "has its couplings"));
        }
        let data = args.data.as_deref().map(resolved);
        agree("data", data.as_ref(), Some(&source.data))?;
        agree("binarize", args.binarize.as_ref(), Some(&source.binarize))?;
        agree(
            "validation",
            args.validation.as_ref(),
            Some(&source.validation),
        )?;
        agree("hidden", args.hidden.as_ref(), Some(&hidden))?;
        agree_on_phases(args, &options, hidden)?;
        agree_on_steps(args, &options.learning)?;
        if let Some(epochs) = args.epochs {
            let position = run.position();
            let done = position.updates.div_ceil(position.batches as u64);
            agree_on_epochs("--epochs", epochs, done)?;
            options.learning.epochs = epochs;
        }
        Ok(Self {
            source,
            hidden,
            connectivity: None,
            options,
        })
    }

    /// The machine before learning.
    ///
    /// # Errors
    /// More units than fit into memory; those of a file of couplings.
    pub fn machine(&self, train: &Examples) -> Outcome<BoltzmannMachine> {
        let (n, m) = (train.columns(), self.hidden);
        let units = n + m;
        if units > MOST_ELEMENTS / units.max(1) {
            let most = MOST_ELEMENTS.isqrt();
            return Err(Failure::usage(format!(
                "--hidden {m}: expected at most {most} units in all, {n} of them visible"
            )));
        }
        if let Some(chains) = self.options.negative.chains() {
            let most = MOST_ELEMENTS / units.max(1);
            if chains > most {
                return Err(Failure::usage(format!(
                    "--chains {chains}: expected at most {most} for a machine of this size"
                )));
            }
        }
        let Some(path) = &self.connectivity else {
            let machine = BoltzmannMachine::bernoulli(&[n, m])?;
            return Ok(machine.initialized_from(train, self.options.learning.seed)?);
        };
        let machine = edges::of_layers(path, n, m)?;
        // The data tell how many units there are: a file that names few of them is none the worse.
        if let Ok(named) = BoltzmannMachine::units_of_edge_file(path)
            && named < units
        {
            note(format!(
                "{} couples the first {named} of {units} units; the others stay alone",
                path.display()
            ));
        }
        let biases = [&machine.visible().bias, &machine.hidden().bias];
        let is_zero = machine.visible_weights().elements().all(|x| x == 0.0)
            && machine.weights().elements().all(|x| x == 0.0)
            && machine.hidden_weights().elements().all(|x| x == 0.0)
            && biases.into_iter().flatten().all(|&x| x == 0.0);
        Ok(if is_zero {
            machine.initialized_from(train, self.options.learning.seed)?
        } else {
            machine
        })
    }

    /// How it learns, in a few words.
    pub fn describe(&self) -> String {
        describe(&self.options, self.hidden)
    }
}

/// Refuses flags about both phases and the rule of learning that contradict those of the run.
fn agree_on_phases(args: &TrainArgs, stored: &BoltzmannOptions, hidden: usize) -> Outcome<()> {
    // Flags that were not given are those of the run.
    let (chains, steps) = (stored.negative.chains(), stored.negative.steps());
    let (method, _) = method_of(stored.negative);
    let same = args.method.is_none_or(|asked| asked == method);
    let chains = chains.filter(|_| same);
    let steps = steps.filter(|_| same).map(|k| Schedule::Constant(k as f32));
    let asked = GeneralPlan::fresh(&TrainArgs {
        hidden: Some(hidden),
        method: args.method.or(Some(method)),
        chains: args.chains.or(chains),
        steps: args.steps.clone().or(steps),
        ..args.clone()
    })?
    .options;
    let positive = args.general.positive.is_some() || args.general.positive_steps.is_some();
    for (flag, same) in [
        ("--method", asked.negative == stored.negative),
        ("--positive", !positive || asked.positive == stored.positive),
        (
            "--optimizer",
            args.optimizer.is_none() || asked.learning.optimizer == stored.learning.optimizer,
        ),
    ] {
        if !same {
            return Err(contradiction(
                flag,
                format!("has another: {}", describe(stored, hidden)),
            ));
        }
    }
    Ok(())
}

/// Refuses flags about the step of an update that contradict that of the run.
fn agree_on_steps(args: &TrainArgs, stored: &Learning) -> Outcome<()> {
    agree(
        "batch-size",
        args.batch_size.as_ref(),
        Some(&stored.batch_size),
    )?;
    agree(
        "learning-rate",
        args.learning_rate.as_ref(),
        Some(&stored.learning_rate),
    )?;
    agree("momentum", args.momentum.as_ref(), Some(&stored.momentum))?;
    agree(
        "weight-decay",
        args.weight_decay.as_ref(),
        Some(&stored.weight_decay),
    )?;
    agree("l1-decay", args.l1_decay.as_ref(), Some(&stored.l1_decay))?;
    agree("seed", args.seed.as_ref(), Some(&stored.seed))
}

/// How a machine with `hidden` units learns, in a few words.
pub fn describe(options: &BoltzmannOptions, hidden: usize) -> String {
    let negative = describe_negative(options.negative);
    if hidden == 0 {
        return negative;
    }
    format!("{negative}, {}", describe_positive(options.positive))
}

/// The negative phase that the flags describe.
fn negative(args: &TrainArgs) -> Outcome<Negative> {
    let method = args.method.unwrap_or(Method::Pcd);
    if matches!(method, Method::Exact | Method::PseudoLikelihood) {
        for (flag, given) in [
            ("--chains", args.chains.is_some()),
            ("--steps", args.steps.is_some()),
        ] {
            if given {
                return Err(Failure::usage(format!(
                    "{flag} belongs to --method pcd and mcmc, not to the method of this run"
                ))
                .hint("leave the flag out, or choose another --method"));
            }
        }
    }
    let chains = args.chains.unwrap_or(DEFAULT_CHAINS);
    let steps = match &args.steps {
        None => None,
        Some(Schedule::Constant(k)) => Some(*k as usize),
        Some(schedule) => {
            return Err(Failure::usage(format!(
                "--steps {schedule}: expected one number for a general Boltzmann machine"
            )));
        }
    };
    Ok(match method {
        Method::Exact => Negative::Exact,
        Method::PseudoLikelihood => Negative::PseudoLikelihood,
        Method::Mcmc => Negative::Mcmc {
            chains,
            steps: steps.unwrap_or(DEFAULT_MCMC_STEPS),
        },
        Method::Pcd => Negative::Persistent {
            chains,
            steps: steps.unwrap_or(1),
        },
        Method::Fpcd | Method::Tempered | Method::Trajectory | Method::Cd => {
            return Err(Failure::usage(
                "--method: expected pcd, mcmc, exact or pseudo-likelihood for a general Boltzmann machine",
            ));
        }
    })
}

/// The positive phase that the flags describe.
fn positive(args: &TrainArgs, hidden: usize, negative: Negative) -> Outcome<Positive> {
    let (asked, steps) = (args.general.positive, args.general.positive_steps);
    if hidden == 0 {
        for (flag, given) in [
            ("--positive", asked.is_some()),
            ("--positive-steps", steps.is_some()),
        ] {
            if given {
                return Err(
                    Failure::usage(format!("{flag} is for machines with hidden units"))
                        .hint("choose their number with --hidden"),
                );
            }
        }
    }
    let asked = asked.unwrap_or(match negative {
        Negative::Exact if steps.is_none() => PositiveArg::Exact,
        _ => PositiveArg::Gibbs,
    });
    if steps.is_some() && asked != PositiveArg::Gibbs {
        return Err(Failure::usage(
            "--positive-steps belongs to --positive gibbs",
        ));
    }
    Ok(match asked {
        PositiveArg::Exact => Positive::Exact,
        PositiveArg::Gibbs => Positive::Gibbs {
            steps: steps.unwrap_or(1),
        },
        PositiveArg::MeanField => Positive::MeanField(MeanField::default()),
    })
}

/// Refuses options of other kinds of machines.
fn refuse_foreign(args: &TrainArgs) -> Outcome<()> {
    let other = |kinds: &Option<String>| kinds.as_deref().is_some_and(|x| x != "bernoulli");
    for (flag, given) in [
        ("--stream", args.stream),
        ("--resample", args.resample),
        ("--visible-units", other(&args.visible_units)),
        ("--hidden-units", other(&args.hidden_units)),
        ("--standardize", args.standardize),
        ("--variance-rate", args.variance_rate.is_some()),
        ("--labels", args.labels),
        ("--fast-rate", args.fast_rate.is_some()),
        ("--fast-decay", args.fast_decay.is_some()),
        ("--temperatures", args.temperatures.is_some()),
        ("--lowest-beta", args.lowest_beta.is_some()),
        ("--acceptance", args.acceptance.is_some()),
        ("--snapshots", args.snapshots.is_some()),
        ("--reconstruction", args.reconstruction.is_some()),
        ("--gradient-clip", args.gradient_clip.is_some()),
        ("--centering", args.centering.is_some()),
        ("--no-centering", args.no_centering),
        ("--centering-rate", args.centering_rate.is_some()),
        ("--sparsity", args.sparsity.is_some()),
        ("--sparsity-cost", args.sparsity_cost.is_some()),
        ("--max-norm", args.max_norm.is_some()),
        ("--averaging", args.averaging.is_some()),
        ("--early-stopping", args.early_stopping.is_some()),
        ("--preset", args.preset.is_some()),
        ("--trajectory", args.trajectory.is_some()),
    ] {
        if given {
            return Err(Failure::usage(format!(
                "{flag} is no option of `train boltzmann`"
            )));
        }
    }
    Ok(())
}
