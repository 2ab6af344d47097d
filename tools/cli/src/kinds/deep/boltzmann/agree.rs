//! Whether flags agree with a run that goes on.

use super::plan::DbmPlan;
use crate::{
    args::{DbmArgs, DeepArgs, TrainArgs},
    failure::Outcome,
    run::plan::{Flag, refuse_other},
};
use harmonium::train::RbmOptions;

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
            // A run without pretraining is centered unless told otherwise.
            no_pretraining: flags.no_pretraining
                || plan.pretraining.is_none() && flags.pretraining_epochs.is_none(),
            ..flags.clone()
        },
        ..args.clone()
    })?;
    for group in [OF_DATA, OF_PRETRAINING, OF_LEARNING, OF_PHASES] {
        refuse_other(group, args, &asked, plan)?;
    }
    Ok(())
}

/// What the run is on.
const OF_DATA: &[Flag<DbmPlan>] = &[
    (
        "--data",
        |args| args.data.is_some(),
        |a, b| a.source.data == b.source.data,
    ),
    (
        "--binarize",
        |args| args.binarize.is_some(),
        |a, b| {
            a.source.binarize == b.source.binarize
                && a.joint.learning.resample_data == b.joint.learning.resample_data
        },
    ),
    (
        "--validation",
        |args| args.validation.is_some(),
        |a, b| a.source.validation == b.source.validation,
    ),
    (
        "--seed",
        |args| args.seed.is_some(),
        |a, b| a.source.seed == b.source.seed,
    ),
    (
        "--resample",
        |args| args.resample,
        |_, b| b.joint.learning.resample_data,
    ),
    ("--labels", |args| args.labels, |_, b| b.classes.is_some()),
    (
        "--layers",
        |args| args.deep.layers.is_some(),
        |a, b| a.hidden == b.hidden,
    ),
];

/// The RBMs upon one another.
const OF_PRETRAINING: &[Flag<DbmPlan>] = &[
    (
        "--no-pretraining",
        |args| args.dbm.no_pretraining,
        |_, b| b.pretraining.is_none(),
    ),
    (
        "--pretraining-epochs",
        |args| args.dbm.pretraining_epochs.is_some(),
        |a, b| {
            of_rbms(a, b, |a, b| a.learning.epochs == b.learning.epochs)
                || a.pretraining.is_none() && b.pretraining.is_none()
        },
    ),
    (
        "--pretraining-rate",
        |args| !args.dbm.pretraining_rate.is_empty(),
        |a, b| {
            of_rbms(a, b, |a, b| {
                a.learning.learning_rate == b.learning.learning_rate
            })
        },
    ),
    (
        "--pretraining-steps",
        |args| !args.dbm.pretraining_steps.is_empty(),
        |a, b| of_rbms(a, b, |a, b| a.negative == b.negative && a.steps == b.steps),
    ),
    (
        "--pretraining-momentum",
        |args| args.dbm.pretraining_momentum.is_some(),
        |a, b| of_rbms(a, b, |a, b| a.learning.momentum == b.learning.momentum),
    ),
    (
        "--pretraining-weight-decay",
        |args| args.dbm.pretraining_weight_decay.is_some(),
        |a, b| {
            of_rbms(a, b, |a, b| {
                a.learning.weight_decay == b.learning.weight_decay
            })
        },
    ),
];

/// How all layers learn together.
const OF_LEARNING: &[Flag<DbmPlan>] = &[
    (
        "--batch-size",
        |args| args.batch_size.is_some(),
        |a, b| a.joint.learning.batch_size == b.joint.learning.batch_size,
    ),
    (
        "--learning-rate",
        |args| args.learning_rate.is_some(),
        |a, b| a.joint.learning.learning_rate == b.joint.learning.learning_rate,
    ),
    (
        "--least-rate",
        |args| args.dbm.least_rate.is_some(),
        |a, b| a.joint.learning.least_rate == b.joint.learning.least_rate,
    ),
    (
        "--momentum",
        |args| args.momentum.is_some(),
        |a, b| a.joint.learning.momentum == b.joint.learning.momentum,
    ),
    (
        "--weight-decay",
        |args| args.weight_decay.is_some(),
        |a, b| a.joint.learning.weight_decay == b.joint.learning.weight_decay,
    ),
    (
        "--l1-decay",
        |args| args.l1_decay.is_some(),
        |a, b| a.joint.learning.l1_decay == b.joint.learning.l1_decay,
    ),
    (
        "--centering",
        |args| args.centering.is_some() || args.no_centering || args.centering_rate.is_some(),
        |a, b| a.joint.centering == b.joint.centering,
    ),
    (
        "--optimizer",
        |args| args.optimizer.is_some(),
        |a, b| a.joint.learning.optimizer == b.joint.learning.optimizer,
    ),
    (
        "--sparsity",
        |args| args.sparsity.is_some(),
        |a, b| a.joint.sparsity == b.joint.sparsity,
    ),
];

/// The chains and mean field of the two phases.
const OF_PHASES: &[Flag<DbmPlan>] = &[
    (
        "--chains",
        |args| args.chains.is_some(),
        |a, b| a.joint.negative.chains() == b.joint.negative.chains(),
    ),
    (
        "--steps",
        |args| args.steps.is_some(),
        |a, b| a.joint.negative.steps() == b.joint.negative.steps(),
    ),
    (
        "--mean-field-iterations",
        |args| args.dbm.mean_field_iterations.is_some(),
        |a, b| a.joint.mean_field().iterations == b.joint.mean_field().iterations,
    ),
    (
        "--mean-field-tolerance",
        |args| args.dbm.mean_field_tolerance.is_some(),
        |a, b| a.joint.mean_field().tolerance == b.joint.mean_field().tolerance,
    ),
    (
        "--damping",
        |args| args.dbm.damping.is_some(),
        |a, b| a.joint.mean_field().damping == b.joint.mean_field().damping,
    ),
    (
        "--warm-start",
        |args| args.dbm.warm_start,
        |_, b| b.joint.warm_start,
    ),
];

/// Whether both plans have RBMs whose options are all as `same` wants.
fn of_rbms(a: &DbmPlan, b: &DbmPlan, same: fn(&RbmOptions, &RbmOptions) -> bool) -> bool {
    match (&a.pretraining, &b.pretraining) {
        (Some(a), Some(b)) => a.options.iter().zip(&b.options).all(|(a, b)| same(a, b)),
        _ => false,
    }
}
