//! `harmonium classify` of a deep belief network: one of the three ways, or all of them beside one
//! another.

use super::name;
use crate::{
    args::{ClassifyArgs, Split, WayArg},
    commands::classify::Classification,
    failure::{Failure, Outcome},
    show::report,
};
use harmonium::{Examples, Matrix, model::Dbn};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Stochastic passes that are averaged, and sweeps of label Gibbs sampling, unless told otherwise.
const DEFAULT_PASSES: usize = 20;
const DEFAULT_SWEEPS: usize = 100;

/// The ways in the order of reports.
const WAYS: [WayArg; 3] = [WayArg::Deterministic, WayArg::Averaged, WayArg::Gibbs];

impl WayArg {
    /// As in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deterministic => "deterministic",
            Self::Averaged => "averaged",
            Self::Gibbs => "gibbs",
        }
    }
}

/// Refuses options of deep belief networks, for a model of another kind.
///
/// # Errors
/// The option.
pub fn refuse_options(args: &ClassifyArgs, kind: &str) -> Outcome<()> {
    for (flag, given) in [
        ("--compare", args.compare),
        (
            "--way",
            args.way.is_some_and(|way| way != WayArg::Deterministic),
        ),
        ("--passes", args.passes.is_some()),
        ("--sweeps", args.sweeps.is_some()),
        ("--seed", args.seed.is_some()),
    ] {
        if given {
            return Err(Failure::usage(format!(
                "{flag} is for deep belief networks, not for a model of kind {kind}"
            )));
        }
    }
    Ok(())
}

/// `ln p(y)` of each row of `examples` by the way that is asked for, and its name.
///
/// # Errors
/// Options that belong to other ways; those of the library.
pub fn log_p_y(
    args: &ClassifyArgs,
    dbn: &Dbn,
    examples: &Examples,
) -> Outcome<(Matrix, &'static str)> {
    let way = args.way.unwrap_or(WayArg::Deterministic);
    for (flag, given, of) in [
        ("--passes", args.passes.is_some(), WayArg::Averaged),
        ("--sweeps", args.sweeps.is_some(), WayArg::Gibbs),
    ] {
        if given && way != of {
            let message = format!("{flag} belongs to --way {} or --compare", of.name());
            return Err(Failure::usage(message));
        }
    }
    Ok((by(way, args, dbn, examples)?, way.name()))
}

fn by(way: WayArg, args: &ClassifyArgs, dbn: &Dbn, examples: &Examples) -> Outcome<Matrix> {
    let (v, seed) = (examples, args.seed.unwrap_or(0));
    Ok(match way {
        WayArg::Deterministic => dbn.log_p_y_from_v(v)?,
        WayArg::Averaged => {
            dbn.averaged_log_p_y_from_v(v, args.passes.unwrap_or(DEFAULT_PASSES), seed)?
        }
        WayArg::Gibbs => {
            dbn.gibbs_log_p_y_from_v(v, args.sweeps.unwrap_or(DEFAULT_SWEEPS), seed)?
        }
    })
}

/// Prints the three ways beside one another.
///
/// # Errors
/// Examples without labels; those of the library.
pub fn compare(
    args: &ClassifyArgs,
    dbn: &Dbn,
    data: &str,
    examples: &Examples,
    split: Split,
) -> Outcome<()> {
    let Some(labels) = examples.labels() else {
        return Err(Failure::usage(format!("--compare: {data} has no labels")));
    };
    let (mut object, mut rows) = (Map::new(), Vec::new());
    for way in WAYS {
        let started = Instant::now();
        let found = Classification::of(&by(way, args, dbn, examples)?, labels, split)?;
        let seconds = started.elapsed().as_secs_f64();
        let how = match way {
            WayArg::Deterministic => "deterministic pass, exact free energies".into(),
            WayArg::Averaged => {
                let passes = args.passes.unwrap_or(DEFAULT_PASSES);
                format!("{passes} stochastic passes averaged")
            }
            WayArg::Gibbs => {
                let sweeps = args.sweeps.unwrap_or(DEFAULT_SWEEPS);
                format!("label Gibbs sampling, {sweeps} sweeps")
            }
        };
        rows.push([
            way.name().to_owned(),
            format!("{:.2} %", 100.0 * found.error()),
            found.wrong.to_string(),
            format!("{:.4}", found.mean_log_probability),
            format!("{seconds:.1} s"),
            how,
        ]);
        let mut of_way = found.json();
        of_way.insert("seconds".into(), json!(seconds));
        object.insert(way.name().into(), Value::Object(of_way));
    }
    if args.json {
        let mut all = Map::new();
        all.insert("count".into(), json!(examples.len()));
        all.insert("split".into(), json!(split.name()));
        all.insert("ways".into(), object.into());
        return report::json(all);
    }
    let title = format!(
        "{}: {} on {data}, {} {} examples",
        args.model.display(),
        name(dbn),
        examples.len(),
        split.name()
    );
    let heads = ["way", "error", "wrong", "mean ln p(label)", "time", ""];
    report::columns(&title, &heads, &rows)
}
