//! Whether flags agree with a run that goes on.

use super::plan::DeepPlan;
use crate::{
    args::{DeepArgs, TrainArgs},
    failure::Outcome,
    run::data::Treatment,
    run::plan::{Flag, refuse_other},
};
use harmonium::train::{GreedyLayer, RbmOptions};

/// Refuses flags that a new run with them would not have in common with `plan`.
///
/// # Errors
/// The flag.
pub fn agree(plan: &DeepPlan, args: &TrainArgs) -> Outcome<()> {
    let sizes = plan.greedy.layers.iter().map(|x| x.hidden).collect();
    let asked = DeepPlan::fresh(&TrainArgs {
        // A run that has labels keeps them.
        labels: args.labels || plan.greedy.classes.is_some(),
        visible_units: args
            .visible_units
            .clone()
            .or(Some(plan.visible_units.clone())),
        deep: DeepArgs {
            layers: args.deep.layers.clone().or(Some(sizes)),
            up_down_epochs: Some(plan.up_down.learning.epochs),
            ..args.deep.clone()
        },
        ..args.clone()
    })?;
    for group in [OF_DATA, OF_LAYERS, OF_GREEDY_LEARNING, OF_UP_DOWN] {
        refuse_other(group, args, &asked, plan)?;
    }
    Ok(())
}

/// What the run is on.
const OF_DATA: &[Flag<DeepPlan>] = &[
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
                && a.up_down.learning.resample_data == b.up_down.learning.resample_data
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
        |_, b| b.up_down.learning.resample_data,
    ),
    (
        "--labels",
        |args| args.labels,
        |_, b| b.greedy.classes.is_some(),
    ),
];

/// The layers and what they hand up.
const OF_LAYERS: &[Flag<DeepPlan>] = &[
    (
        "--layers",
        |args| args.deep.layers.is_some(),
        |a, b| as_many_layers(a, b, |a, b| a.hidden == b.hidden),
    ),
    (
        "--greedy-epochs",
        |args| args.deep.greedy_epochs.is_some(),
        |a, b| {
            as_many_layers(a, b, |a, b| {
                a.options.learning.epochs == b.options.learning.epochs
            })
        },
    ),
    (
        "--visible-units",
        |args| args.visible_units.is_some(),
        |a, b| a.visible_units == b.visible_units,
    ),
    (
        "--standardize",
        |args| args.standardize,
        |_, b| matches!(b.source.values, Treatment::Standardized(..)),
    ),
    (
        "--variance-rate",
        |args| args.variance_rate.is_some(),
        |a, b| all_options(a, b, |a, b| a.variance_rate == b.variance_rate),
    ),
    (
        "--transposed",
        |args| args.deep.transposed,
        |_, b| b.greedy.layers.iter().any(|x| x.transposed),
    ),
    (
        "--posterior",
        |args| args.deep.posterior.is_some(),
        |a, b| a.greedy.posterior == b.greedy.posterior,
    ),
];

/// How each layer learns alone.
const OF_GREEDY_LEARNING: &[Flag<DeepPlan>] = &[
    (
        "--batch-size",
        |args| args.batch_size.is_some(),
        |a, b| a.up_down.learning.batch_size == b.up_down.learning.batch_size,
    ),
    (
        "--learning-rate",
        |args| args.learning_rate.is_some() || !args.deep.greedy_rate.is_empty(),
        |a, b| {
            all_options(a, b, |a, b| {
                a.learning.learning_rate == b.learning.learning_rate
            })
        },
    ),
    (
        "--momentum",
        |args| args.momentum.is_some(),
        |a, b| all_options(a, b, |a, b| a.learning.momentum == b.learning.momentum),
    ),
    (
        "--weight-decay",
        |args| args.weight_decay.is_some(),
        |a, b| {
            all_options(a, b, |a, b| {
                a.learning.weight_decay == b.learning.weight_decay
            })
        },
    ),
    (
        "--l1-decay",
        |args| args.l1_decay.is_some(),
        |a, b| all_options(a, b, |a, b| a.learning.l1_decay == b.learning.l1_decay),
    ),
    (
        "--gradient-clip",
        |args| args.gradient_clip.is_some(),
        |a, b| {
            all_options(a, b, |a, b| {
                a.learning.gradient_clip == b.learning.gradient_clip
            })
        },
    ),
    (
        "--method and its options",
        asks_for_negative_phase,
        |a, b| all_options(a, b, |a, b| a.negative == b.negative && a.steps == b.steps),
    ),
    (
        "--centering",
        |args| args.centering.is_some() || args.no_centering || args.centering_rate.is_some(),
        |a, b| all_options(a, b, |a, b| a.centering == b.centering),
    ),
    (
        "--optimizer",
        |args| args.optimizer.is_some(),
        |a, b| all_options(a, b, |a, b| a.learning.optimizer == b.learning.optimizer),
    ),
    (
        "--sparsity",
        |args| args.sparsity.is_some(),
        |a, b| all_options(a, b, |a, b| a.sparsity == b.sparsity),
    ),
    (
        "--max-norm",
        |args| args.max_norm.is_some(),
        |a, b| all_options(a, b, |a, b| a.learning.max_norm == b.learning.max_norm),
    ),
    (
        "--averaging",
        |args| args.averaging.is_some(),
        |a, b| all_options(a, b, |a, b| a.learning.averaging == b.learning.averaging),
    ),
];

/// How all layers learn together.
const OF_UP_DOWN: &[Flag<DeepPlan>] = &[
    (
        "--up-down-steps",
        |args| args.deep.up_down_steps.is_some(),
        |a, b| a.up_down.steps == b.up_down.steps,
    ),
    (
        "--generative-rate",
        |args| args.deep.up_down_rate.is_some() || args.deep.generative_rate.is_some(),
        |a, b| a.up_down.generative_rate == b.up_down.generative_rate,
    ),
    (
        "--recognition-rate",
        |args| args.deep.up_down_rate.is_some() || args.deep.recognition_rate.is_some(),
        |a, b| a.up_down.recognition_rate == b.up_down.recognition_rate,
    ),
    (
        "--top-rate",
        |args| args.deep.up_down_rate.is_some() || args.deep.top_rate.is_some(),
        |a, b| a.up_down.learning.learning_rate == b.up_down.learning.learning_rate,
    ),
    (
        "--up-down-momentum",
        |args| args.deep.up_down_momentum.is_some(),
        |a, b| a.up_down.learning.momentum == b.up_down.learning.momentum,
    ),
    (
        "--up-down-weight-decay",
        |args| args.deep.up_down_weight_decay.is_some(),
        |a, b| a.up_down.learning.weight_decay == b.up_down.learning.weight_decay,
    ),
];

/// Whether both plans have the same number of layers, and all pairs of them are as `same` wants.
fn as_many_layers(
    a: &DeepPlan,
    b: &DeepPlan,
    same: fn(&GreedyLayer, &GreedyLayer) -> bool,
) -> bool {
    let (a, b) = (&a.greedy.layers, &b.greedy.layers);
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

/// Whether the options of all layers that both plans have are as `same` wants.
fn all_options(a: &DeepPlan, b: &DeepPlan, same: fn(&RbmOptions, &RbmOptions) -> bool) -> bool {
    let (a, b) = (&a.greedy.layers, &b.greedy.layers);
    a.iter().zip(b).all(|(a, b)| same(&a.options, &b.options))
}

/// Whether a flag of the negative phase is given.
fn asks_for_negative_phase(args: &TrainArgs) -> bool {
    args.method.is_some()
        || args.steps.is_some()
        || args.chains.is_some()
        || args.fast_rate.is_some()
        || args.fast_decay.is_some()
        || args.temperatures.is_some()
        || args.lowest_beta.is_some()
        || args.acceptance.is_some()
        || args.snapshots.is_some()
        || args.reconstruction.is_some()
}
