//! `harmonium evaluate` and `harmonium classify` of a deep belief network.

use super::{
    measure::{Classes, Effort, LowerBound, Measures, WAYS, log_p_y},
    name,
};
use crate::{
    args::{ClassifyArgs, EvaluateArgs, ScheduleArg, WayArg},
    confusion,
    data::{Source, check_columns},
    failure::{Failure, Outcome, note},
    interrupt::Interrupt,
    likelihood::{self, DEFAULT_BETAS, DEFAULT_CHAINS},
    report,
};
use harmonium::{
    checkpoint::Checkpoint,
    evaluate::Betas,
    model::Dbn,
};

/// Samples of each example's recognition distribution unless told otherwise.
const BOUND_SAMPLES: usize = 5;

/// Runs `evaluate`.
pub fn run(args: &EvaluateArgs, checkpoint: &Checkpoint, dbn: &Dbn) -> Outcome<()> {
    for (flag, given) in [
        ("--reverse", args.reverse),
        ("--burn-in", args.burn_in.is_some()),
        ("--diagnose", args.diagnose.is_some()),
        ("--raise", args.raise),
        ("--save-weights", args.save_weights.is_some()),
    ] {
        if given {
            return Err(Failure::usage(format!("{flag} is for RBMs, not for a model of kind dbn"))
                .hint("the bound of a deep belief network always anneals both ways"));
        }
    }
    let (source, seed) = Source::of_model(&checkpoint.notes, args.data.as_deref(), args.binarize, args.seed)?;
    let mut data = source.load()?;
    check_columns(dbn.n_visible(), &data)?;
    let effort = Effort {
        passes: args.passes.unwrap_or(Effort::default().passes),
        sweeps: args.sweeps.unwrap_or(Effort::default().sweeps),
    };
    let classes = {
        let (examples, split) = likelihood::examples(&data, args.split);
        Classes::measure(dbn, examples, split, &effort, seed)?
    };
    if let Some(path) = &args.confusion {
        let Some(classes) = &classes else {
            return Err(confusion::without_labels());
        };
        confusion::draw(path, &format!("{} on {}", name(dbn), data.name), classes.first())?;
        note(format!("confusion table in {}", path.display()));
    }
    if dbn.layer(0).units.are_binary() && likelihood::is_grey(&data) {
        note("grey values are drawn once as bits (--binarize sample) for the bound");
        data = likelihood::drawn(data, source.seed);
    }
    let (examples, split) = likelihood::examples(&data, args.split);
    let bound = if args.exact {
        Some(LowerBound::exact(dbn, examples, seed)?)
    } else {
        let steps = args.betas.unwrap_or(DEFAULT_BETAS);
        let betas = match (args.schedule, args.betas) {
            (Some(ScheduleArg::Linear), _) | (None, Some(_)) => Some(Betas::Linear(steps)),
            (Some(ScheduleArg::Adaptive), _) => Some(Betas::Adaptive(steps)),
            (Some(ScheduleArg::SalakhutdinovMurray), Some(steps)) => {
                return Err(Failure::usage(format!(
                    "--betas {steps}: --schedule salakhutdinov-murray has 14503 of its own"
                )));
            }
            (Some(ScheduleArg::SalakhutdinovMurray), None) => Some(Betas::SalakhutdinovMurray),
            (None, None) => (args.chains != DEFAULT_CHAINS).then_some(Betas::SalakhutdinovMurray),
        };
        let annealing = betas.map(|betas| (args.chains, betas));
        let samples = args.bound_samples.unwrap_or(BOUND_SAMPLES);
        let interrupt = Interrupt::listen()?;
        LowerBound::measure(dbn, &data.train, examples, split, (samples, annealing), seed, &interrupt)?
    };
    let measures = Measures {
        count: examples.len(),
        split,
        seed,
        classes,
        bound,
    };
    if args.json {
        return report::json(measures.json());
    }
    let mut rows = measures.rows();
    rows.extend(measures.classes.iter().flat_map(|x| x.first().confusion_rows()));
    let title = format!("{}: {} on {}, binarisation {}", args.model.display(), name(dbn), data.name, source.binarize);
    report::table(&title, &rows)
}

/// How `classify` is to go about it.
pub struct WayOptions;

impl WayOptions {
    /// Refuses options of deep belief networks, for a model of another kind.
    ///
    /// # Errors
    /// The option.
    pub fn refuse(args: &ClassifyArgs, kind: &str) -> Outcome<()> {
        for (flag, given) in [
            ("--way", args.way.is_some_and(|way| way != WayArg::Deterministic)),
            ("--passes", args.passes.is_some()),
            ("--sweeps", args.sweeps.is_some()),
            ("--seed", args.seed.is_some()),
        ] {
            if given {
                return Err(Failure::usage(format!(
                    "{flag} is for deep belief networks; classes of a model of kind {kind} are exact"
                )));
            }
        }
        Ok(())
    }
}

/// What `classify` needs of a network: the probabilities and how they came about.
///
/// # Errors
/// Options that belong to other ways; those of the library.
pub fn classify(
    args: &ClassifyArgs,
    dbn: &Dbn,
    examples: &harmonium::Examples,
) -> Outcome<(harmonium::Matrix, &'static str)> {
    let way = args.way.unwrap_or(WayArg::Deterministic);
    for (flag, given, of) in [
        ("--passes", args.passes.is_some(), WayArg::Averaged),
        ("--sweeps", args.sweeps.is_some(), WayArg::Gibbs),
    ] {
        if given && way != of {
            return Err(Failure::usage(format!("{flag} belongs to another --way")));
        }
    }
    let effort = Effort {
        passes: args.passes.unwrap_or(Effort::default().passes),
        sweeps: args.sweeps.unwrap_or(Effort::default().sweeps),
    };
    let log_p = log_p_y(dbn, examples, way, &effort, args.seed.unwrap_or(0))?;
    let name = WAYS.iter().find(|(x, _)| *x == way).map_or("", |(_, name)| name);
    Ok((log_p, name))
}
