//! General Boltzmann machines: what the command line measures of them, all of it exact.

use crate::{
    args::EvaluateArgs,
    data::{Source, check_columns, input},
    failure::{Failure, Outcome, note},
    likelihood, report,
};
use harmonium::{BoltzmannMachine, checkpoint::Checkpoint, kernel::reduce::mean_and_standard_error};
use serde_json::{Map, json};

/// A machine in a few words.
pub fn name(machine: &BoltzmannMachine) -> String {
    let (n, m) = (machine.n_visible(), machine.n_hidden());
    format!("Boltzmann machine of {n} visible and {m} hidden units")
}

/// Runs `harmonium evaluate`.
pub fn evaluate(args: &EvaluateArgs, checkpoint: &Checkpoint, machine: &BoltzmannMachine) -> Outcome<()> {
    if !args.exact {
        return Err(Failure::usage("evaluate: the likelihood of a model of kind boltzmann is enumerated alone")
            .hint("--exact, for up to 30 units to enumerate; larger ones with the library: Ais::boltzmann_log_z"));
    }
    for (flag, given) in [
        ("--diagnose", args.diagnose.is_some()),
        ("--confusion", args.confusion.is_some()),
        ("--bound-samples", args.bound_samples.is_some()),
        ("--passes", args.passes.is_some()),
        ("--sweeps", args.sweeps.is_some()),
    ] {
        if given {
            return Err(Failure::usage(format!("{flag} is not for a model of kind boltzmann")));
        }
    }
    let (source, _) = Source::of_model(&checkpoint.notes, args.data.as_deref(), args.binarize, args.seed)?;
    let mut data = source.load()?;
    check_columns(machine.n_visible(), &data)?;
    if args.binarize.is_none() && likelihood::is_grey(&data) {
        note("grey values are drawn once as bits (--binarize sample)");
        data = likelihood::drawn(data, source.seed);
    }
    let (examples, split) = likelihood::examples(&data, args.split);
    if examples.bits().is_none() {
        return Err(Failure::usage("--binarize none: a machine of binary units gives grey values no likelihood")
            .hint("choose --binarize sample or --binarize threshold"));
    }
    let log_z = machine.log_z()?;
    let free = machine.free_energy_v(input(examples), 1.0)?;
    let (mean, error) = mean_and_standard_error(free.into_iter().map(|f| -f - log_z));
    if args.json {
        let mut object = Map::new();
        for (key, value) in [
            ("log_z", json!(log_z)),
            ("mean_log_likelihood", json!(mean)),
            ("standard_error", json!(error)),
            ("count", json!(examples.len())),
            ("split", json!(split.name())),
            ("method", json!("exact")),
        ] {
            object.insert(key.into(), value);
        }
        return report::json(object);
    }
    let title = format!("{}: {} on {}", args.model.display(), name(machine), data.name);
    let nats = |x: f64| format!("{x:.2} nats");
    let remark = format!("of the mean over {} examples", examples.len());
    report::table(&title, &[
        [format!("{} log-likelihood", split.name()), nats(mean), "exact".into()],
        ["standard error".into(), nats(error), remark],
        ["ln Z".into(), nats(log_z), "by enumeration".into()],
    ])
}
