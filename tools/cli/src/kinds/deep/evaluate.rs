//! `harmonium evaluate` of a deep belief network.

use super::{
    measure::{LowerBound, Measures},
    name,
};
use crate::{
    args::{EvaluateArgs, ReverseFrom},
    commands::classify::Classification,
    commands::evaluate::betas,
    failure::{Failure, Outcome, note},
    run::data::{Source, check_columns},
    run::interrupt::Interrupt,
    run::likelihood::{self, DEFAULT_CHAINS},
    show::confusion,
    show::report,
};
use harmonium::{checkpoint::Checkpoint, model::Dbn};

/// Samples of each example's recognition distribution unless told otherwise.
const BOUND_SAMPLES: usize = 5;

/// Runs the command.
///
/// # Errors
/// Options of other kinds; data of another width; those of the library.
pub fn run(args: &EvaluateArgs, checkpoint: &Checkpoint, dbn: &Dbn) -> Outcome<()> {
    for (flag, given) in [
        ("--reverse", args.reverse),
        ("--burn-in", args.burn_in.is_some()),
        (
            "--reverse-from",
            args.reverse_from == ReverseFrom::Annealing,
        ),
        ("--diagnose", args.diagnose.is_some()),
        ("--raise", args.raise),
        ("--save-weights", args.save_weights.is_some()),
    ] {
        if given {
            return Err(
                Failure::usage(format!("{flag} is for RBMs, not for a model of kind dbn"))
                    .hint("the bound of a deep belief network always anneals both ways"),
            );
        }
    }
    // If they are to be others than those of the end of training.
    let own = args.schedule.is_some() || args.betas.is_some() || args.chains != DEFAULT_CHAINS;
    let betas = betas(args)?;
    let annealing = own.then_some((args.chains, betas));
    let (source, seed) = Source::of_model(
        &checkpoint.notes,
        args.data.as_deref(),
        args.binarize,
        args.seed,
    )?;
    let mut data = source.load()?;
    check_columns(dbn.n_visible(), &data)?;
    let classes = {
        let (examples, split) = likelihood::examples(&data, args.split);
        Classification::of_dbn(dbn, examples, split)?
    };
    let title = format!("{} on {}", name(dbn), data.name);
    confusion::draw_asked(args.confusion.as_deref(), &title, classes.as_ref())?;
    if dbn.layer(0).units.are_binary() && likelihood::is_gray(&data) {
        note("gray values are drawn once as bits (--binarize sample) for the bound");
        data = likelihood::drawn(data, source.seed);
    }
    let (examples, split) = likelihood::examples(&data, args.split);
    let bound = if args.exact {
        Some(LowerBound::exact(dbn, examples.input(), seed)?)
    } else {
        let samples = args.bound_samples.unwrap_or(BOUND_SAMPLES);
        let interrupt = Interrupt::listen()?;
        LowerBound::measure(
            dbn,
            &data.train,
            examples,
            samples,
            annealing,
            seed,
            &interrupt,
        )?
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
    let classes = measures.classes.iter();
    rows.extend(classes.flat_map(Classification::confusion_rows));
    let title = format!(
        "{}: {} on {}, binarization {}",
        args.model.display(),
        name(dbn),
        data.name,
        source.binarize
    );
    report::table(&title, &rows)
}
