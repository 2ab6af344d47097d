//! `harmonium evaluate` of a deep Boltzmann machine.

use super::measure::{Annealing, LowerBound};
use crate::{
    args::{EvaluateArgs, ReverseFrom},
    classify::Classification,
    confusion, enumerated,
    enumerated::Enumerated,
    evaluate::{betas, write_weights},
    failure::{Failure, Outcome, note},
    likelihood::{self, DEFAULT_BURN_IN},
    plan::MOST_ELEMENTS,
    progress::Stages,
    report,
};
use harmonium::{checkpoint::Checkpoint, model::Dbm};
use serde_json::{Map, json};
use std::ops::ControlFlow;

/// Machines with labels whose even or odd layers have at most this many units have an enumerated `ln Z`.
const EXACT_UNITS: usize = 25;

/// Runs the command.
///
/// # Errors
/// Options of other kinds; data of another width; those of the library.
pub fn run(args: &EvaluateArgs, checkpoint: &Checkpoint, dbm: &Dbm) -> Outcome<()> {
    for (flag, given) in [
        ("--diagnose", args.diagnose.is_some()),
        ("--raise", args.raise),
        ("--bound-samples", args.bound_samples.is_some()),
    ] {
        if given {
            let message = format!("{flag} is not for a model of kind dbm");
            return Err(Failure::usage(message)
                .hint("its mean-field bound always comes with ln Z from both sides"));
        }
    }
    let from_annealed = args.reverse_from == ReverseFrom::Annealing;
    for (flag, given) in [
        ("--burn-in", args.burn_in.is_some()),
        ("--reverse-from", from_annealed),
    ] {
        if given && args.exact {
            return Err(Failure::usage(format!(
                "{flag} is of annealing, which --exact does without"
            )));
        }
    }
    let betas = betas(args)?;
    let (data, source, seed) = enumerated::load(args, checkpoint, dbm.layer(0))?;
    let examples = likelihood::examples(&data, args.split);
    let units = dbm.layers().iter().map(harmonium::model::Layer::size);
    let most = MOST_ELEMENTS / units.sum::<usize>();
    if args.chains > most {
        return Err(Failure::usage(format!(
            "--chains {}: expected at most {most} of a machine of this size",
            args.chains
        )));
    }
    let title = format!(
        "{}: {} on {}, binarisation {}",
        args.model.display(),
        dbm.name(),
        data.name,
        source.binarize
    );
    let classes = Classification::of_dbm(dbm, examples.0, examples.1)?;
    if let Some(path) = &args.confusion {
        let classes = classes.as_ref().ok_or_else(confusion::without_labels)?;
        confusion::draw(path, &title, classes)?;
        note(format!("confusion table in {}", path.display()));
    }
    let bound = if args.exact {
        Some(LowerBound::enumerated(dbm, examples, true)?)
    } else if dbm.is_bernoulli() {
        let annealing = Annealing {
            chains: args.chains,
            betas,
            burn_in: args.burn_in.unwrap_or(DEFAULT_BURN_IN),
            from_annealed,
            seed,
        };
        let mut bar = Stages::new();
        let measured = LowerBound::annealed(
            dbm,
            &data.train,
            examples,
            &annealing,
            &mut |stage, done, all| {
                bar.set(stage, done, all);
                ControlFlow::Continue(())
            },
        )?;
        bar.clear();
        Some(measured.ok_or_else(|| Failure::failed("interrupted"))?)
    } else if likelihood::is_small(&dbm.bipartite(), EXACT_UNITS) {
        Some(LowerBound::enumerated(dbm, examples, false)?)
    } else if classes.is_some() {
        note(format!(
            "no lower bound: ln Z of a machine with labels is enumerated alone, up to {EXACT_UNITS} units in every other layer"
        ));
        None
    } else {
        return Err(likelihood::not_annealed(&dbm.bipartite()));
    };
    if let Some(path) = &args.save_weights {
        let weights = bound.as_ref().map(LowerBound::log_weights);
        let weights = weights.filter(|directions| !directions.is_empty());
        let weights = weights.ok_or_else(|| {
            Failure::usage("--save-weights: ln Z of this machine is not annealed")
        })?;
        write_weights(path, &weights)?;
        note(format!("log weights in {}", path.display()));
    }
    let (examples, split) = examples;
    if args.json {
        let mut object = Map::new();
        object.insert("count".into(), json!(examples.len()));
        object.insert("split".into(), json!(split.name()));
        object.insert("seed".into(), json!(seed));
        object.extend(classes.map(|classes| classes.json()).unwrap_or_default());
        object.extend(bound.map(|bound| bound.json()).unwrap_or_default());
        return report::json(object);
    }
    let mut rows: Vec<_> = bound.iter().flat_map(LowerBound::rows).collect();
    rows.extend(classes.iter().flat_map(Classification::rows));
    rows.extend(classes.iter().flat_map(Classification::confusion_rows));
    report::table(&title, &rows)
}
