//! Whether flags agree with a run that goes on.

use super::plan::DeepPlan;
use crate::{
    args::{DeepArgs, TrainArgs},
    data::Treatment,
    failure::Outcome,
    plan::contradiction,
};
use harmonium::train::{GreedyLayer, Options};

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
    let deep = &args.deep;
    let (a, b) = (&asked.source, &plan.source);
    let layers = |of: &dyn Fn(&GreedyLayer, &GreedyLayer) -> bool| {
        let (a, b) = (&asked.greedy.layers, &plan.greedy.layers);
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| of(a, b))
    };
    let all = |of: &dyn Fn(&Options, &Options) -> bool| {
        let (a, b) = (&asked.greedy.layers, &plan.greedy.layers);
        a.iter().zip(b).all(|(a, b)| of(&a.options, &b.options))
    };
    let (x, y) = (&asked.up_down, &plan.up_down);
    let of_negative = args.method.is_some()
        || args.steps.is_some()
        || args.chains.is_some()
        || args.fast_rate.is_some()
        || args.fast_decay.is_some()
        || args.temperatures.is_some()
        || args.lowest_beta.is_some()
        || args.acceptance.is_some()
        || args.snapshots.is_some()
        || args.reconstruction.is_some();
    let centres = args.centering.is_some() || args.no_centering || args.centering_rate.is_some();
    let rates = deep.up_down_rate.is_some();
    let is_labelled = plan.greedy.classes.is_some();
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
        ("--labels", args.labels, is_labelled),
        (
            "--layers",
            deep.layers.is_some(),
            layers(&|a, b| a.hidden == b.hidden),
        ),
        (
            "--greedy-epochs",
            deep.greedy_epochs.is_some(),
            layers(&|a, b| a.options.learning.epochs == b.options.learning.epochs),
        ),
        (
            "--visible-units",
            args.visible_units.is_some(),
            asked.visible_units == plan.visible_units,
        ),
        (
            "--standardize",
            args.standardize,
            matches!(b.values, Treatment::Standardized(..)),
        ),
        (
            "--variance-rate",
            args.variance_rate.is_some(),
            all(&|a, b| a.variance_rate == b.variance_rate),
        ),
        (
            "--transposed",
            deep.transposed,
            plan.greedy.layers.iter().any(|x| x.transposed),
        ),
        (
            "--posterior",
            deep.posterior.is_some(),
            asked.greedy.posterior == plan.greedy.posterior,
        ),
        (
            "--batch-size",
            args.batch_size.is_some(),
            x.learning.batch_size == y.learning.batch_size,
        ),
        (
            "--learning-rate",
            args.learning_rate.is_some() || !deep.greedy_rate.is_empty(),
            all(&|a, b| a.learning.learning_rate == b.learning.learning_rate),
        ),
        (
            "--momentum",
            args.momentum.is_some(),
            all(&|a, b| a.learning.momentum == b.learning.momentum),
        ),
        (
            "--weight-decay",
            args.weight_decay.is_some(),
            all(&|a, b| a.learning.weight_decay == b.learning.weight_decay),
        ),
        (
            "--l1-decay",
            args.l1_decay.is_some(),
            all(&|a, b| a.learning.l1_decay == b.learning.l1_decay),
        ),
        (
            "--gradient-clip",
            args.gradient_clip.is_some(),
            all(&|a, b| a.learning.gradient_clip == b.learning.gradient_clip),
        ),
        (
            "--method and its options",
            of_negative,
            all(&|a, b| a.negative == b.negative && a.steps == b.steps),
        ),
        (
            "--centering",
            centres,
            all(&|a, b| a.centering == b.centering),
        ),
        (
            "--optimizer",
            args.optimizer.is_some(),
            all(&|a, b| a.learning.optimizer == b.learning.optimizer),
        ),
        (
            "--sparsity",
            args.sparsity.is_some(),
            all(&|a, b| a.sparsity == b.sparsity),
        ),
        (
            "--max-norm",
            args.max_norm.is_some(),
            all(&|a, b| a.learning.max_norm == b.learning.max_norm),
        ),
        (
            "--averaging",
            args.averaging.is_some(),
            all(&|a, b| a.learning.averaging == b.learning.averaging),
        ),
        (
            "--up-down-steps",
            deep.up_down_steps.is_some(),
            x.steps == y.steps,
        ),
        (
            "--generative-rate",
            rates || deep.generative_rate.is_some(),
            x.generative_rate == y.generative_rate,
        ),
        (
            "--recognition-rate",
            rates || deep.recognition_rate.is_some(),
            x.recognition_rate == y.recognition_rate,
        ),
        (
            "--top-rate",
            rates || deep.top_rate.is_some(),
            x.learning.learning_rate == y.learning.learning_rate,
        ),
        (
            "--up-down-momentum",
            deep.up_down_momentum.is_some(),
            x.learning.momentum == y.learning.momentum,
        ),
        (
            "--up-down-weight-decay",
            deep.up_down_weight_decay.is_some(),
            x.learning.weight_decay == y.learning.weight_decay,
        ),
    ] {
        if given && !same {
            return Err(contradiction(flag, "has another"));
        }
    }
    Ok(())
}
