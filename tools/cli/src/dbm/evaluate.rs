//! `harmonium evaluate` of a deep Boltzmann machine.

use super::measure::{Annealing, LowerBound};
use crate::{
    args::{EvaluateArgs, ReverseFrom},
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
    if args.confusion.is_some() {
        return Err(confusion::without_labels());
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
    let bound = if args.exact {
        LowerBound::enumerated(dbm, examples, true)?
    } else if dbm.is_bernoulli() {
        let annealing = Annealing {
            chains: args.chains,
            betas,
            burn_in: args.burn_in.unwrap_or(DEFAULT_BURN_IN),
            from_annealed: args.reverse_from == ReverseFrom::Annealing,
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
        measured.ok_or_else(|| Failure::failed("interrupted"))?
    } else {
        return Err(likelihood::not_annealed(&dbm.bipartite()));
    };
    if let Some(path) = &args.save_weights {
        write_weights(path, &bound.log_weights())?;
        note(format!("log weights in {}", path.display()));
    }
    let (examples, split) = examples;
    if args.json {
        let mut object = Map::new();
        object.insert("count".into(), json!(examples.len()));
        object.insert("split".into(), json!(split.name()));
        object.insert("seed".into(), json!(seed));
        object.extend(bound.json());
        return report::json(object);
    }
    let title = format!(
        "{}: {} on {}, binarisation {}",
        args.model.display(),
        dbm.name(),
        data.name,
        source.binarize
    );
    report::table(&title, &bound.rows())
}
