//! Whether flags agree with a run that goes on.

use super::plan::DbmPlan;
use crate::{
    args::{DbmArgs, DeepArgs, TrainArgs},
    failure::Outcome,
    plan::contradiction,
};
use harmonium::train::Options;

/// Refuses flags that a new run with them would not have in common with `plan`.
///
/// # Errors
/// The flag.
pub fn agree(plan: &DbmPlan, args: &TrainArgs) -> Outcome<()> {
    let flags = &args.dbm;
    let asked = DbmPlan::fresh(&TrainArgs {
        epochs: Some(plan.joint.learning.epochs),
        // A run that has labels keeps them.
        labels: args.labels || plan.classes.is_some(),
        deep: DeepArgs {
            layers: args.deep.layers.clone().or(Some(plan.hidden.clone())),
            ..args.deep.clone()
        },
        dbm: DbmArgs {
            // A run without pretraining is centred unless told otherwise.
            no_pretraining: flags.no_pretraining
                || plan.pretraining.is_none() && flags.pretraining_epochs.is_none(),
            ..flags.clone()
        },
        ..args.clone()
    })?;
    let of_rbms =
        |of: &dyn Fn(&Options, &Options) -> bool| match (&asked.pretraining, &plan.pretraining) {
            (Some(a), Some(b)) => a.options.iter().zip(&b.options).all(|(a, b)| of(a, b)),
            _ => false,
        };
    let (a, b) = (&asked.source, &plan.source);
    let (x, y) = (&asked.joint, &plan.joint);
    let centres = args.centering.is_some() || args.no_centering || args.centering_rate.is_some();
    for (flag, given, same) in [
        ("--data", args.data.is_some(), a.data == b.data),
        (
            "--binarize",
            args.binarize.is_some(),
            a.binarize == b.binarize && x.learning.resample_data == y.learning.resample_data,
        ),
        (
            "--validation",
            args.validation.is_some(),
            a.validation == b.validation,
        ),
        ("--seed", args.seed.is_some(), a.seed == b.seed),
        ("--resample", args.resample, y.learning.resample_data),
        ("--labels", args.labels, plan.classes.is_some()),
        (
            "--layers",
            args.deep.layers.is_some(),
            asked.hidden == plan.hidden,
        ),
        (
            "--no-pretraining",
            flags.no_pretraining,
            plan.pretraining.is_none(),
        ),
        (
            "--pretraining-epochs",
            flags.pretraining_epochs.is_some(),
            of_rbms(&|a, b| a.learning.epochs == b.learning.epochs)
                || asked.pretraining.is_none() && plan.pretraining.is_none(),
        ),
        (
            "--pretraining-rate",
            !flags.pretraining_rate.is_empty(),
            of_rbms(&|a, b| a.learning.learning_rate == b.learning.learning_rate),
        ),
        (
            "--pretraining-steps",
            !flags.pretraining_steps.is_empty(),
            of_rbms(&|a, b| a.negative == b.negative && a.steps == b.steps),
        ),
        (
            "--pretraining-momentum",
            flags.pretraining_momentum.is_some(),
            of_rbms(&|a, b| a.learning.momentum == b.learning.momentum),
        ),
        (
            "--pretraining-weight-decay",
            flags.pretraining_weight_decay.is_some(),
            of_rbms(&|a, b| a.learning.weight_decay == b.learning.weight_decay),
        ),
        (
            "--batch-size",
            args.batch_size.is_some(),
            x.learning.batch_size == y.learning.batch_size,
        ),
        (
            "--learning-rate",
            args.learning_rate.is_some(),
            x.learning.learning_rate == y.learning.learning_rate,
        ),
        (
            "--least-rate",
            flags.least_rate.is_some(),
            x.learning.least_rate == y.learning.least_rate,
        ),
        (
            "--momentum",
            args.momentum.is_some(),
            x.learning.momentum == y.learning.momentum,
        ),
        (
            "--weight-decay",
            args.weight_decay.is_some(),
            x.learning.weight_decay == y.learning.weight_decay,
        ),
        (
            "--l1-decay",
            args.l1_decay.is_some(),
            x.learning.l1_decay == y.learning.l1_decay,
        ),
        ("--centering", centres, x.centering == y.centering),
        (
            "--optimizer",
            args.optimizer.is_some(),
            x.learning.optimizer == y.learning.optimizer,
        ),
        (
            "--sparsity",
            args.sparsity.is_some(),
            x.sparsity == y.sparsity,
        ),
        ("--chains", args.chains.is_some(), x.chains == y.chains),
        ("--steps", args.steps.is_some(), x.sweeps == y.sweeps),
        (
            "--mean-field-iterations",
            flags.mean_field_iterations.is_some(),
            x.mean_field.iterations == y.mean_field.iterations,
        ),
        (
            "--mean-field-tolerance",
            flags.mean_field_tolerance.is_some(),
            x.mean_field.tolerance == y.mean_field.tolerance,
        ),
        (
            "--damping",
            flags.damping.is_some(),
            x.mean_field.damping == y.mean_field.damping,
        ),
        ("--warm-start", flags.warm_start, y.warm_start),
    ] {
        if given && !same {
            return Err(contradiction(flag, "has another"));
        }
    }
    Ok(())
}
