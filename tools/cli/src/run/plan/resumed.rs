//! A run that goes on: what its file says, and flags that must not contradict it.

use super::{Plan, centering, negative::agree_on_negative, objective, sparsity};
use crate::{
    args::TrainArgs,
    failure::{Failure, Outcome},
    run::data::{Source, Treatment, resolved},
};
use harmonium::{
    checkpoint::{Checkpoint, SavedRun},
    model::Rbm,
    train::{Centering, Learning, RbmOptions, Rule},
    units::Units,
};
use std::{fmt::Display, path::Path};

impl Plan {
    /// The run in `checkpoint`, read from `path`, with the `--epochs` of the command line if it has
    /// any.
    ///
    /// # Errors
    /// A file without a run, and flags that contradict it.
    pub fn resumed(args: &TrainArgs, checkpoint: &Checkpoint, path: &Path) -> Outcome<Self> {
        let Some(SavedRun::Rbm(state)) = &checkpoint.run else {
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
        agree_on_data(args, &source)?;
        let rbm = checkpoint.rbm()?;
        agree("hidden", args.hidden.as_ref(), Some(&rbm.n_hidden()))?;
        agree_on_steps(args, &options.learning)?;
        agree_on_learning(args, &options)?;
        if args.resample && !options.learning.resample_data {
            return Err(contradiction("--resample", "draws its data once"));
        }
        agree_on_negative(args, &options)?;

        if let Some(epochs) = args.epochs {
            let batches = state
                .examples
                .div_ceil(options.learning.batch_size.max(1))
                .max(1) as u64;
            agree_on_epochs("--epochs", epochs, state.updates.div_ceil(batches))?;
            options.learning.epochs = epochs;
        }
        let visible = visible_units(args, rbm, &source)?;
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
            visible_units: agree_on_units(args.visible_units.as_deref(), &visible)?,
            hidden_units: agree_on_units(args.hidden_units.as_deref(), &rbm.hidden().units)?,
            source,
            hidden: rbm.n_hidden(),
            options,
        })
    }
}

/// Refuses flags about the data that contradict those of the run.
fn agree_on_data(args: &TrainArgs, source: &Source) -> Outcome<()> {
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
    )
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
    agree(
        "gradient-clip",
        args.gradient_clip.as_ref(),
        stored.gradient_clip.as_ref(),
    )?;
    agree("seed", args.seed.as_ref(), Some(&stored.seed))
}

/// The visible units without those of labels, which the run must have if they are asked for.
fn visible_units(args: &TrainArgs, rbm: &Rbm, source: &Source) -> Outcome<Units> {
    let visible = rbm.visible().units.clone();
    if source.labels.is_some() {
        let segments = visible.segments().split_last().map_or(&[][..], |(_, s)| s);
        return Ok(segments
            .iter()
            .fold(Units::default(), |units, s| units.and(s.kind, s.size)));
    }
    if args.labels {
        return Err(contradiction("--labels", "has none"));
    }
    Ok(visible)
}

/// The kinds of the stored units, which those that are given must be.
fn agree_on_units(given: Option<&str>, stored: &Units) -> Outcome<String> {
    match given {
        Some(text) if Units::parse(text, stored.size()).ok().as_ref() != Some(stored) => Err(
            contradiction(&format!("units {text}"), format!("has {stored}")),
        ),
        _ => Ok(stored.to_string()),
    }
}

/// Refuses flags about the way of learning that contradict that of the run.
fn agree_on_learning(args: &TrainArgs, stored: &RbmOptions) -> Outcome<()> {
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
        .is_some_and(|x| Rule::from(x) != stored.learning.optimizer)
    {
        return Err(contradiction("--optimizer", "has another"));
    }
    let asked = sparsity(args)?;
    if asked.is_some() && asked != stored.sparsity {
        return Err(contradiction("--sparsity", "has another"));
    }
    if args
        .averaging
        .is_some_and(|x| x.0 != stored.learning.averaging)
    {
        return Err(contradiction("--averaging", "has another"));
    }
    agree(
        "max-norm",
        args.max_norm.as_ref(),
        stored.learning.max_norm.as_ref(),
    )
}

/// A flag: whether it is given, and whether a new plan (first) has the same as the stored one.
pub type Flag<P> = (&'static str, fn(&TrainArgs) -> bool, fn(&P, &P) -> bool);

/// Refuses the first of `flags` that is given and that the plans do not have in common.
///
/// # Errors
/// The flag.
pub fn refuse_other<P>(flags: &[Flag<P>], args: &TrainArgs, asked: &P, stored: &P) -> Outcome<()> {
    for &(flag, given, same) in flags {
        if given(args) && !same(asked, stored) {
            return Err(contradiction(flag, "has another"));
        }
    }
    Ok(())
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

/// Refuses a number of epochs at which a run that is in epoch `done` would have ended before.
///
/// # Errors
/// The flag.
pub fn agree_on_epochs(flag: &str, epochs: usize, done: u64) -> Outcome<()> {
    if (epochs as u64) < done {
        return Err(contradiction(
            &format!("{flag} {epochs}"),
            format!("is in epoch {done} already"),
        ));
    }
    Ok(())
}

/// What refuses a flag of a run to go on with.
pub fn contradiction(flag: &str, has: impl Display) -> Failure {
    Failure::usage(format!("{flag}: the run to resume {has}"))
        .hint("leave the flag out, or start a new run in another --out without --resume")
}
