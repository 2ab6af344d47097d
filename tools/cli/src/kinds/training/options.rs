//! Flags that several kinds of machines share, as options.

use super::MOST_ELEMENTS;
use crate::{
    args::{
        DataArgs, FineTuneArg, FineTuneArgs, LearningArgs, NegativeArgs, PositiveArg, PositiveArgs,
        ShapeArgs, SharedArgs,
    },
    failure::{Failure, Outcome},
    run::data::{MNIST, Source, resolved},
};
use harmonium::{
    dataset::Binarization,
    model::MeanField,
    recipe::defaults,
    train::{
        BackpropOptions, Centering, Learning, Negative, Positive, Reconstruction, Schedule,
        Sparsity,
    },
};

impl DataArgs {
    /// The data without labels, as bits or numbers in [0, 1]; `is_resampled` where bits are drawn
    /// anew at each visit.
    ///
    /// # Errors
    /// Flags that exclude each other.
    pub fn source(&self, is_resampled: bool) -> Outcome<Source> {
        let binarize = match (self.binarize, is_resampled) {
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
        Ok(Source {
            data: resolved(self.data.as_deref().unwrap_or(MNIST)),
            binarize,
            seed: self.seed.unwrap_or(0),
            stream: self.stream,
            validation: self.validation.unwrap_or(0),
            reading: self.reading.reading(),
            shape: self.shape,
            ..Source::default()
        })
    }
}

impl LearningArgs {
    /// Puts what is given in place of defaults.
    pub fn apply(&self, learning: &mut Learning) {
        fn put<T: Clone>(place: &mut T, given: &Option<T>) {
            if let Some(x) = given {
                place.clone_from(x);
            }
        }
        put(&mut learning.batch_size, &self.batch_size);
        put(&mut learning.learning_rate, &self.learning_rate);
        put(&mut learning.momentum, &self.momentum);
        put(&mut learning.weight_decay, &self.weight_decay);
        put(&mut learning.l1_decay, &self.l1_decay);
        put(&mut learning.optimizer, &self.optimizer);
        learning.gradient_clip = self.gradient_clip.or(learning.gradient_clip);
        learning.max_norm = self.max_norm.or(learning.max_norm);
        if let Some(averaging) = self.averaging {
            learning.averaging = averaging.0;
        }
    }
}

impl SharedArgs {
    /// As [`LearningArgs::apply`], with the seed and the number of epochs if they are given.
    pub fn apply(&self, learning: &mut Learning, epochs: Option<usize>) {
        self.learning.apply(learning);
        learning.seed = self.data.seed.unwrap_or(0);
        learning.epochs = epochs.unwrap_or(learning.epochs);
    }
}

/// Chains and sweeps of a negative phase.
fn parts(negative: &mut Negative) -> (Option<&mut usize>, Option<&mut usize>) {
    match negative {
        Negative::Exact | Negative::PseudoLikelihood => (None, None),
        Negative::ContrastiveDivergence { steps, .. } => (None, Some(steps)),
        Negative::Mcmc { chains, steps }
        | Negative::Persistent { chains, steps }
        | Negative::FastPersistent { chains, steps, .. }
        | Negative::Tempered { chains, steps, .. }
        | Negative::Trajectory { chains, steps, .. } => (Some(chains), Some(steps)),
    }
}

impl NegativeArgs {
    /// The negative phase that the flags describe, `default` where they say nothing of it; names of
    /// flags begin with `prefix`.
    ///
    /// # Errors
    /// Flags that have no meaning for the method.
    pub fn negative(
        &self,
        prefix: &str,
        mut default: Negative,
        reconstructs: Option<Reconstruction>,
    ) -> Outcome<Negative> {
        let asked = self.method.as_deref().and_then(defaults::negative);
        let mut negative = asked.unwrap_or(default);
        self.refuse_meaningless(prefix, defaults::method(&negative), reconstructs)?;
        let is_mcmc = matches!(negative, Negative::Mcmc { .. });
        let (usual_chains, usual_steps) = parts(&mut default);
        let (chains, steps) = parts(&mut negative);
        if let Some(place) = chains {
            *place = self.chains.or(usual_chains.copied()).unwrap_or(*place);
        }
        if let Some(place) = steps {
            let usual = usual_steps.copied().filter(|_| !is_mcmc);
            // Of a schedule the most.
            let given = self.steps.as_ref().map(|x| x.most().ceil() as usize);
            *place = given.or(usual).unwrap_or(*place);
        }
        let set = |place: &mut f32, given: Option<f32>| *place = given.unwrap_or(*place);
        let count = |place: &mut usize, given: Option<usize>| *place = given.unwrap_or(*place);
        match &mut negative {
            Negative::ContrastiveDivergence { reconstruction, .. } => {
                *reconstruction = reconstructs.unwrap_or(*reconstruction);
            }
            Negative::FastPersistent {
                fast_rate,
                fast_decay,
                ..
            } => {
                set(fast_rate, self.fast_rate);
                set(fast_decay, self.fast_decay);
            }
            Negative::Tempered {
                temperatures,
                lowest,
                ..
            } => {
                count(temperatures, self.temperatures);
                set(lowest, self.lowest_beta);
            }
            Negative::Trajectory {
                acceptance,
                snapshots,
                ..
            } => {
                set(acceptance, self.acceptance);
                count(snapshots, self.snapshots);
            }
            _ => {}
        }
        Ok(negative)
    }

    /// Refuses flags that have no meaning for the method.
    fn refuse_meaningless(
        &self,
        prefix: &str,
        method: &str,
        reconstructs: Option<Reconstruction>,
    ) -> Outcome<()> {
        let (of_chains, of_steps) = (
            "pcd, fpcd, tempered, trajectory and mcmc",
            "pcd, fpcd, tempered, trajectory, cd and mcmc",
        );
        for (flag, is_given, methods) in [
            ("reconstruction", reconstructs.is_some(), "cd"),
            ("chains", self.chains.is_some(), of_chains),
            ("fast-rate", self.fast_rate.is_some(), "fpcd"),
            ("fast-decay", self.fast_decay.is_some(), "fpcd"),
            ("temperatures", self.temperatures.is_some(), "tempered"),
            ("lowest-beta", self.lowest_beta.is_some(), "tempered"),
            ("acceptance", self.acceptance.is_some(), "trajectory"),
            ("snapshots", self.snapshots.is_some(), "trajectory"),
            ("steps", self.steps.is_some(), of_steps),
        ] {
            if is_given && !methods.split([',', ' ']).any(|x| x == method) {
                return Err(Failure::usage(format!(
                    "--{prefix}{flag} belongs to --{prefix}method {methods}, not to the method of this run"
                ))
                .hint(format!("leave the flag out, or choose another --{prefix}method")));
            }
        }
        Ok(())
    }

    /// The schedule of `--steps`, if it is not one number.
    pub fn schedule(&self) -> Option<Schedule> {
        let steps = self.steps.clone();
        steps.filter(|steps| !matches!(steps, Schedule::Constant(_)))
    }
}

impl PositiveArgs {
    /// The positive phase that the flags describe, `default` where they say nothing of it;
    /// `mean_field` is how far that goes.
    ///
    /// # Errors
    /// Sweeps of another phase than Gibbs sampling.
    pub fn positive(&self, default: Positive, mean_field: MeanField) -> Outcome<Positive> {
        let is_gibbs = match self.positive {
            Some(asked) => asked == PositiveArg::Gibbs,
            None => matches!(default, Positive::Gibbs { .. }),
        };
        if self.positive_steps.is_some() && !is_gibbs {
            return Err(Failure::usage(
                "--positive-steps belongs to --positive gibbs",
            ));
        }
        Ok(match self.positive {
            Some(PositiveArg::Exact) => Positive::Exact,
            Some(PositiveArg::MeanField) => Positive::MeanField(mean_field),
            _ if is_gibbs => Positive::Gibbs {
                steps: self.positive_steps.unwrap_or(1),
            },
            _ => default,
        })
    }
}

/// The options that a flag is about, of the stage whose values begin with `prefix`.
pub fn of_stage(prefix: &str, flag: &str) -> Vec<String> {
    let own = flag.replace('-', "_");
    let names = match flag {
        "method" => vec!["negative"],
        "steps" => vec!["steps", "negative.steps"],
        "chains" => vec!["negative.chains"],
        "fast-rate" => vec!["negative.fast_rate"],
        "fast-decay" => vec!["negative.fast_decay"],
        "temperatures" => vec!["negative.temperatures"],
        "lowest-beta" => vec!["negative.lowest"],
        "acceptance" => vec!["negative.acceptance"],
        "snapshots" => vec!["negative.snapshots"],
        "reconstruction" => vec!["negative.reconstruction"],
        "positive-steps" => vec!["positive.steps"],
        "resample" => vec!["resample_data"],
        "centering-rate" => vec!["centering.rate"],
        "sparsity" => vec!["sparsity.target"],
        "sparsity-cost" => vec!["sparsity.cost"],
        _ => vec![own.as_str()],
    };
    names.iter().map(|name| format!("{prefix}{name}")).collect()
}

/// `flag`, the sweeps of chains that take one number of them.
///
/// # Errors
/// A schedule.
pub fn one_number(flag: &str, steps: Option<&Schedule>) -> Outcome<Option<usize>> {
    match steps {
        None => Ok(None),
        Some(Schedule::Constant(k)) => Ok(Some(*k as usize)),
        Some(schedule) => Err(Failure::usage(format!(
            "--{flag} {schedule}: expected one number of Gibbs sweeps an update"
        ))),
    }
}

impl ShapeArgs {
    /// Whether the ordinary gradient is asked for.
    pub fn is_uncentered(&self) -> bool {
        self.no_centering || self.centering.is_some_and(|x| x.0.is_none())
    }

    /// The centered gradient that the flags ask for.
    ///
    /// # Errors
    /// A rate of what is off.
    pub fn centering(&self, default: Option<Centering>) -> Outcome<Option<Centering>> {
        let mut centering = match self.centering {
            Some(asked) => asked.0.map(|(visible, hidden)| Centering {
                visible,
                hidden,
                ..default.unwrap_or_default()
            }),
            None if self.no_centering => None,
            None => default,
        };
        match (&mut centering, self.centering_rate) {
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

    /// All targets for hidden units that the flags ask for.
    ///
    /// # Errors
    /// A cost without a target.
    pub fn sparsity_targets(&self) -> Outcome<Vec<Sparsity>> {
        let default = Sparsity::default();
        let targets = self.sparsity.as_deref().unwrap_or_default();
        if targets.is_empty() && self.sparsity_cost.is_some() {
            return Err(Failure::usage("--sparsity-cost belongs to --sparsity"));
        }
        let of = |&target: &f32| Sparsity {
            target,
            cost: self.sparsity_cost.unwrap_or(default.cost),
            ..default
        };
        Ok(targets.iter().map(of).collect())
    }

    /// The one target that the flags ask for, if they do.
    ///
    /// # Errors
    /// Several of them.
    pub fn sparsity(&self) -> Outcome<Option<Sparsity>> {
        let targets = self.sparsity_targets()?;
        match targets[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(Failure::usage(format!(
                "--sparsity: expected one target, found {}",
                targets.len()
            ))),
        }
    }
}

impl FineTuneArgs {
    /// Examples an update, if they are said.
    pub fn batch_size(&self, shared: &SharedArgs) -> Option<usize> {
        self.fine_tune_batch_size.or(shared.learning.batch_size)
    }

    /// What the command line asks for, if it does.
    ///
    /// # Errors
    /// Numbers out of range, options of steps with conjugate gradients.
    pub fn options(&self, shared: &SharedArgs) -> Outcome<Option<BackpropOptions>> {
        let Some(how) = self.fine_tune else {
            return Ok(None);
        };
        let mut options = match how {
            FineTuneArg::Backprop => {
                let recipe = BackpropOptions::with_dropout();
                BackpropOptions {
                    input_dropout: self.input_dropout.unwrap_or(recipe.input_dropout),
                    hidden_dropout: self.hidden_dropout.unwrap_or(recipe.hidden_dropout),
                    ..recipe
                }
            }
            FineTuneArg::ConjugateGradients => {
                for (flag, given) in [
                    ("--fine-tune-rate", self.fine_tune_rate.is_some()),
                    ("--input-dropout", self.input_dropout.is_some()),
                    ("--hidden-dropout", self.hidden_dropout.is_some()),
                ] {
                    if given {
                        let message = format!("{flag} belongs to --fine-tune backprop");
                        return Err(Failure::usage(message));
                    }
                }
                BackpropOptions::conjugate_gradients()
            }
        };
        let learning = &mut options.learning;
        if let Some(rate) = &self.fine_tune_rate {
            learning.learning_rate = rate.clone();
        }
        learning.epochs = self.fine_tune_epochs.unwrap_or(learning.epochs);
        learning.batch_size = self.batch_size(shared).unwrap_or(learning.batch_size);
        learning.resample_data = self.fine_tune_resample;
        learning.seed = shared.data.seed.unwrap_or(0);
        options.output_epochs = self.output_epochs.unwrap_or(options.output_epochs);
        options.check()?;
        Ok(Some(options))
    }
}

/// Refuses chains that would not fit into memory, of a machine whose widest layer has `widest`
/// units.
///
/// # Errors
/// `--chains`.
pub fn check_chains(negative: Negative, widest: usize) -> Outcome<()> {
    let most = MOST_ELEMENTS / widest.max(1) / negative.levels().max(1);
    match negative.chains() {
        Some(chains) if chains > most => Err(Failure::usage(format!(
            "--chains {chains}: expected at most {most} for a machine of this size"
        ))),
        _ => Ok(()),
    }
}

/// Refuses layers whose weights would not fit into memory; `sizes` with the visible layer.
///
/// # Errors
/// `--layers`.
pub fn check_layers(sizes: &[usize]) -> Outcome<()> {
    for pair in sizes.windows(2) {
        let most = MOST_ELEMENTS / pair[0].max(1);
        if pair[1] > most {
            return Err(Failure::usage(format!(
                "--layers: expected at most {most} units above {} others, found {}",
                pair[0], pair[1]
            )));
        }
    }
    Ok(())
}

/// The sizes of the hidden layers of a deep machine.
///
/// # Errors
/// Numbers of layers that are not those of a deep machine.
pub fn layers(given: Option<&[usize]>, default: &[usize]) -> Outcome<Vec<usize>> {
    let sizes = given.unwrap_or(default);
    let most = harmonium::model::MAX_LAYERS - 1;
    if (2..=most).contains(&sizes.len()) {
        return Ok(sizes.to_vec());
    }
    Err(Failure::usage(format!(
        "--layers: expected 2 to {most} hidden layers, found {}",
        sizes.len()
    ))
    .hint("one layer is an RBM: `harmonium train rbm`"))
}

/// What is `given` of each of `n` layers, for all or one by one; `default` where nothing is.
///
/// # Errors
/// Another number.
pub fn of_each<T: Clone>(flag: &str, given: &[T], n: usize) -> Outcome<Option<Vec<T>>> {
    match given {
        [] => Ok(None),
        [one] => Ok(Some(vec![one.clone(); n])),
        all if all.len() == n => Ok(Some(all.to_vec())),
        all => Err(Failure::usage(format!(
            "{flag}: expected one, or one for each of the {n} layers, found {}",
            all.len()
        ))),
    }
}
