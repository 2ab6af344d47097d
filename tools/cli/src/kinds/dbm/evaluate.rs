//! `harmonium evaluate` of a deep Boltzmann machine.

use super::measure::{Annealing, LowerBound};
use crate::{
    args::{EvaluateArgs, ReverseFrom},
    commands::classify::Classification,
    commands::evaluate::{betas, write_weights},
    failure::{Failure, Outcome, note},
    run::data::{Data, Source, check_columns},
    run::likelihood::{self, DEFAULT_BURN_IN},
    run::named::Named,
    run::plan::MOST_ELEMENTS,
    show::confusion,
    show::progress::Stages,
    show::report,
};
use harmonium::{
    checkpoint::Checkpoint,
    model::{Dbm, Layer},
};
use serde_json::{Map, json};
use std::ops::ControlFlow;

/// Runs the command.
///
/// # Errors
/// Options of other kinds; data of another width; those of the library.
pub fn run(args: &EvaluateArgs, checkpoint: &Checkpoint, dbm: &Dbm) -> Outcome<()> {
    refuse_options(args)?;
    let betas = betas(args)?;
    let (data, source, seed) = load(args, checkpoint, dbm.layer(0))?;
    let examples = likelihood::examples(&data, args.split);
    let units = dbm.layers().iter().map(Layer::size);
    let most = MOST_ELEMENTS / units.sum::<usize>();
    if args.chains > most {
        return Err(Failure::usage(format!(
            "--chains {}: expected at most {most} of a machine of this size",
            args.chains
        )));
    }
    let title = format!(
        "{}: {} on {}, binarization {}",
        args.model.display(),
        dbm.name(),
        data.name,
        source.binarize
    );
    let classes = Classification::of_dbm(dbm, examples.0, examples.1)?;
    confusion::draw_asked(args.confusion.as_deref(), &title, classes.as_ref())?;
    let bound = if args.exact {
        LowerBound::enumerated(dbm, examples, true)?
    } else {
        let annealing = Annealing {
            chains: args.chains,
            betas,
            burn_in: args.burn_in.unwrap_or(DEFAULT_BURN_IN),
            from_annealed: is_from_annealed(args),
            seed,
        };
        let mut bar = Stages::new();
        let bound = LowerBound::annealed(
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
        bound
    };
    if let Some(path) = &args.save_weights {
        let weights = bound.log_weights();
        if weights.is_empty() {
            let message = "--save-weights: ln Z of this machine is not annealed";
            return Err(Failure::usage(message));
        }
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
        object.extend(bound.json());
        return report::json(object);
    }
    let mut rows = bound.rows();
    rows.extend(classes.iter().flat_map(Classification::rows));
    rows.extend(classes.iter().flat_map(Classification::confusion_rows));
    report::table(&title, &rows)
}

/// Refuses options of other kinds, and those of annealing where nothing is annealed.
fn refuse_options(args: &EvaluateArgs) -> Outcome<()> {
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
    for (flag, given) in [
        ("--burn-in", args.burn_in.is_some()),
        ("--reverse-from", is_from_annealed(args)),
    ] {
        if given && args.exact {
            return Err(Failure::usage(format!(
                "{flag} is of annealing, which --exact does without"
            )));
        }
    }
    Ok(())
}

fn is_from_annealed(args: &EvaluateArgs) -> bool {
    args.reverse_from == ReverseFrom::Annealing
}

/// The data of the command, as bits where the layer of the data is binary; where they come from,
/// and the seed to measure with.
///
/// # Errors
/// Data of another width, or gray where states are bits.
fn load(
    args: &EvaluateArgs,
    checkpoint: &Checkpoint,
    visible: &Layer,
) -> Outcome<(Data, Source, u64)> {
    let (source, seed) = Source::of_model(
        &checkpoint.notes,
        args.data.as_deref(),
        args.binarize,
        args.seed,
    )?;
    let mut data = source.load()?;
    check_columns(visible.size(), &data)?;
    if visible.units.are_binary() && likelihood::is_gray(&data) {
        if args.binarize.is_some() {
            return Err(Failure::usage(
                "--binarize none: a machine of binary units gives gray values no likelihood",
            )
            .hint("choose --binarize sample or --binarize threshold"));
        }
        note("gray values are drawn once as bits (--binarize sample)");
        data = likelihood::drawn(data, source.seed);
    }
    Ok((data, source, seed))
}
