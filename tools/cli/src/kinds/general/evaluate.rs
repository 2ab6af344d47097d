//! `harmonium evaluate` of a general Boltzmann machine.

use super::{
    edges::{is_of_spins, spin_constant},
    measure::{Likelihood, Partition},
};
use crate::{
    args::{EvaluateArgs, ScheduleArg},
    commands::evaluate::write_weights,
    failure::{Failure, Outcome, note},
    run::data::{Data, Source, check_columns},
    run::likelihood::{self, DEFAULT_BETAS},
    run::named::Named,
    run::plan::MOST_ELEMENTS,
    show::progress::Bar,
    show::report,
};
use harmonium::{
    BoltzmannMachine,
    checkpoint::Checkpoint,
    evaluate::{Ais, Base, Betas},
};
use std::ops::ControlFlow;

/// Runs the command.
///
/// # Errors
/// Options of other kinds; data of another width, or gray; those of the library.
pub fn run(
    args: &EvaluateArgs,
    checkpoint: &Checkpoint,
    machine: &BoltzmannMachine,
) -> Outcome<()> {
    refuse_options(args)?;
    let (data, source, seed) = load(args, checkpoint, machine)?;
    let ais = if args.exact {
        None
    } else {
        Some(annealing(args, machine, data.as_ref(), seed)?)
    };
    let steps = ais.as_ref().map_or(1, |ais| ais.betas.steps());
    let bar = Bar::new(steps as u64, "ln Z");
    let mut progress = |done: usize, all: usize| {
        bar.set((done * steps / all.max(1)) as u64);
        ControlFlow::Continue(())
    };
    let z = Partition::measure(machine, ais, &mut progress)?;
    bar.clear();
    if let Some(path) = &args.save_weights {
        let weights = z.log_weights().expect("--exact excludes --save-weights");
        write_weights(path, &[weights])?;
        note(format!("log weights in {}", path.display()));
    }
    let measured = match &data {
        None => None,
        Some(data) => {
            let (examples, split) = likelihood::examples(data, args.split);
            Some(Likelihood::measure(machine, examples, split, &z)?)
        }
    };
    let (z, of) = if is_of_spins(&args.model) {
        (z.shifted(spin_constant(machine)), ", energy of spins")
    } else {
        (z, "")
    };
    if args.json {
        let mut object = z.json();
        object.extend(measured.map(|x| x.json()).unwrap_or_default());
        return report::json(object);
    }
    let on = data.map_or(String::new(), |data| {
        format!(" on {}, binarization {}", data.name, source.binarize)
    });
    let title = format!("{}: {}{of}{on}", args.model.display(), machine.name());
    let mut rows = measured.map_or(Vec::new(), |x| x.rows());
    rows.push(z.row());
    report::table(&title, &rows)
}

/// Refuses options of other kinds.
fn refuse_options(args: &EvaluateArgs) -> Outcome<()> {
    for (flag, given) in [
        ("--reverse", args.reverse),
        ("--burn-in", args.burn_in.is_some()),
        ("--diagnose", args.diagnose.is_some()),
        ("--raise", args.raise),
        ("--confusion", args.confusion.is_some()),
        ("--bound-samples", args.bound_samples.is_some()),
    ] {
        if given {
            return Err(Failure::usage(format!(
                "{flag} is not for a model of kind boltzmann"
            )));
        }
    }
    Ok(())
}

/// The data of the command, if there are any, as bits; where they come from, and the seed to
/// measure with.
fn load(
    args: &EvaluateArgs,
    checkpoint: &Checkpoint,
    machine: &BoltzmannMachine,
) -> Outcome<(Option<Data>, Source, u64)> {
    let is_known = args.data.is_some() || Source::from_notes(&checkpoint.notes)?.is_some();
    let (source, seed) = Source::of_model(
        &checkpoint.notes,
        args.data.as_deref(),
        args.binarize,
        args.seed,
    )?;
    if !is_known {
        return Ok((None, source, seed));
    }
    let mut data = source.load()?;
    check_columns(machine.n_visible(), &data)?;
    if args.binarize.is_none() && likelihood::is_gray(&data) {
        note("gray values are drawn once as bits (--binarize sample)");
        data = likelihood::drawn(data, source.seed);
    }
    Ok((Some(data), source, seed))
}

/// The annealing that the options ask for, from the base rate of the data if there are any.
fn annealing(
    args: &EvaluateArgs,
    machine: &BoltzmannMachine,
    data: Option<&Data>,
    seed: u64,
) -> Outcome<Ais> {
    let most = MOST_ELEMENTS / machine.units().max(1);
    if args.chains > most {
        return Err(Failure::usage(format!(
            "--chains {}: expected at most {most} of a machine of this size",
            args.chains
        )));
    }
    Ok(Ais {
        chains: args.chains,
        betas: betas(args)?,
        base: match data {
            Some(data) => Base::rate_of(&data.train)?,
            None => Base::Uniform,
        },
        seed,
    })
}

fn betas(args: &EvaluateArgs) -> Outcome<Betas> {
    let steps = args.betas.unwrap_or(DEFAULT_BETAS);
    match (args.schedule, args.betas) {
        (Some(ScheduleArg::SalakhutdinovMurray), Some(steps)) => Err(Failure::usage(format!(
            "--betas {steps}: --schedule salakhutdinov-murray has 14503 of its own"
        ))),
        (Some(ScheduleArg::Linear), _) | (None, Some(_)) => Ok(Betas::Linear(steps)),
        (Some(ScheduleArg::Adaptive), _) => Ok(Betas::Adaptive(steps)),
        (Some(ScheduleArg::SalakhutdinovMurray) | None, None) => Ok(Betas::SalakhutdinovMurray),
    }
}
