//! `harmonium evaluate`: the log-likelihood of data under a model.

mod each;

use crate::{
    args::{
        DEFAULT_BETAS, DEFAULT_BURN_IN, DEFAULT_CHAINS, EvaluateArgs, ReverseFrom, ScheduleArg,
        Split,
    },
    failure::{Failure, Outcome, note},
    kinds,
    run::MOST_ELEMENTS,
    run::data::class_names,
    run::data::{Data, Source, check_columns},
    run::diagnose::Diagnosis,
    run::edges::{Energy, spin_constant},
    run::found::Found,
    run::likelihood,
    run::loading::{Asked, open_model},
    run::machine::{self, Act, Machine},
    show::confusion,
    show::figures::Figures,
    show::numbers::{check_extension, write_weights},
};
use harmonium::{
    Model,
    checkpoint::Checkpoint,
    evaluate::{Betas, free_energy_gap},
    recipe::{ENUMERATED_UNITS, Measure},
    units::Kind,
};
use std::path::Path;

/// Training examples of the free-energy gap.
const GAP_EXAMPLES: usize = 10_000;
/// Examples whose missing values are annealed, where there are too many states to sum over, and
/// chains of each.
const OBSERVED: (usize, usize) = (100, 10);
/// Samples of each example's recognition distribution unless told otherwise.
const BOUND_SAMPLES: usize = 5;

/// Runs the command.
pub fn run(args: &EvaluateArgs) -> Outcome<()> {
    check_names(args)?;
    let (path, checkpoint) = open_model(args.model.as_deref())?;
    let machine = kinds::machine_of(&checkpoint, args.of.reading.missing)?;
    let (model, machine) = (&checkpoint.model, &*machine);
    if let Model::Network(_) = model {
        return Err(Failure::usage("a model of kind network has no likelihood")
            .hint("`harmonium classify` measures its errors"));
    }
    check_options(args, machine)?;
    if let Some(file) = &args.distribution {
        each::distribution(file, model)?;
        if machine.kind() != "boltzmann" && !has_data(args, &checkpoint)? {
            return distribution_alone(args, &path, file);
        }
    }
    let betas = betas(args)?;
    let (data, source, seed) = load(args, &checkpoint, machine)?;
    let how = measure(args, &checkpoint, betas, seed)?;
    let on = on(data.as_ref(), &source, machine);
    let beside = match &data {
        Some(data) => mixing(args, (machine, model), data, seed)?,
        None if args.raise || args.diagnose.is_some() => {
            let message = "--raise and --diagnose are of examples, and there are no data";
            return Err(Failure::usage(message).hint("name them by --data"));
        }
        None => Figures::default(),
    };
    let mut found = Found::measure(
        (machine, model),
        data.as_ref(),
        args.of.split,
        &how,
        source.seed,
        None,
    )?;
    let energy = Energy::of(&path)?;
    let of = if energy.of_spins {
        ", energy of spins"
    } else {
        ""
    };
    let title = format!("{}: {}{of}{on}", path.display(), machine.name());
    let n_classes = found.classes.as_ref().map_or(0, |x| x.confusion.len());
    let names = class_names(data.as_ref().map(|data| &data.encoding), n_classes);
    let confusion = found.classes.as_ref();
    let confusion = confusion.map(|x| (&x.confusion[..], &names[..]));
    confusion::draw_asked(args.confusion.as_deref(), &title, confusion)?;
    if let Some(missing) = &found.missing {
        let nothing = found.classes.is_none() && args.diagnose.is_none();
        let asked = args.reverse || args.raise || args.save_weights.is_some();
        if matches!(model, Model::Rbm(_)) && (nothing || asked) {
            return Err(Failure::usage(missing)
                .hint("--exact enumerates the layer with fewer states, at most 2^30"));
        }
        note(format!("no likelihood: {missing}"));
    }
    if let Some(measures) = &mut found.measures {
        if let Some(weights) = &args.save_weights {
            let Some((_, annealed)) = &measures.partition.annealed else {
                let message = "--save-weights: ln Z of this machine is not annealed";
                return Err(Failure::usage(message));
            };
            write_weights(weights, &annealed.log_weights())?;
            note(format!("log weights in {}", weights.display()));
        }
        if let Model::Boltzmann(machine) = model {
            let of_spins = energy.of_spins.then(|| spin_constant(machine));
            let constant = of_spins.unwrap_or(0.0) + energy.offset;
            measures.partition = measures.partition.clone().shifted(constant);
        }
    }
    write_scores(args, (machine, model), data.as_ref(), &found)?;
    let mut figures = found.figures();
    figures.extend(beside);
    if let Some(classes) = &found.classes {
        figures.extend(classes.with_confusion(&names));
    }
    figures.print(args.answer.json, &title)
}

/// What is measured on, as titles say it: of bits also how they are made of gray values.
fn on(data: Option<&Data>, source: &Source, machine: &dyn Machine) -> String {
    let Some(data) = data else {
        return String::new();
    };
    let drawn = match machine.layers()[0].units.have(Kind::Bernoulli) {
        true => format!(", binarization {}", source.binarize),
        false => String::new(),
    };
    format!(" on {}{drawn}", data.name)
}

/// Reports that the distribution is written, and no more.
fn distribution_alone(args: &EvaluateArgs, model: &Path, file: &Path) -> Outcome<()> {
    let (mut figures, name) = (Figures::default(), file.display().to_string());
    figures.put("distribution", name.clone());
    let remark = "nothing says of which data to measure more";
    figures.row("distribution", name, remark);
    figures.print(args.answer.json, &model.display().to_string())
}

/// Whether data are named, on the command line or in the notes of the model.
fn has_data(args: &EvaluateArgs, checkpoint: &Checkpoint) -> Outcome<bool> {
    Ok(args.of.data.is_some() || Source::from_notes(checkpoint)?.is_some())
}

/// Refuses files that are not of the kind that is written.
fn check_names(args: &EvaluateArgs) -> Outcome<()> {
    for (flag, path, extension) in [
        ("--save-weights", &args.save_weights, ".npy"),
        ("--scores", &args.scores, ".csv"),
        ("--distribution", &args.distribution, ".csv"),
    ] {
        if let Some(path) = path {
            check_extension(flag, path, extension)?;
        }
    }
    Ok(())
}

/// Writes the scores of the examples, if they are asked for.
fn write_scores(
    args: &EvaluateArgs,
    of: (&dyn Machine, &Model),
    data: Option<&Data>,
    found: &Found,
) -> Outcome<()> {
    let Some(file) = &args.scores else {
        return Ok(());
    };
    let Some(data) = data else {
        let message = "--scores are of examples, and there are no data";
        return Err(Failure::usage(message).hint("name them by --data"));
    };
    let (examples, split) = likelihood::part(data, args.of.split);
    let names = likelihood::row_names(data, split);
    each::scores(file, of, (examples, names, &data.encoding), found)
}

/// Refuses options that belong to others which are not given, or to other machines.
fn check_options(args: &EvaluateArgs, machine: &dyn Machine) -> Outcome<()> {
    let from_annealed = args.reverse_from == ReverseFrom::Annealing;
    let are_counts = machine.layers().first().is_some_and(|x| x.are_counts());
    for (flag, given) in [("--reverse", args.reverse), ("--raise", args.raise)] {
        if are_counts && given {
            let message = format!("{flag}: counts are annealed forward alone, length by length");
            return Err(Failure::usage(message)
                .hint("--exact enumerates the hidden units, at most 30 of them"));
        }
    }
    let given = [
        ("--reverse", args.reverse),
        ("--reverse-from", from_annealed),
        ("--burn-in", args.burn_in.is_some()),
        ("--diagnose", args.diagnose.is_some()),
        ("--raise", args.raise),
        ("--confusion", args.confusion.is_some()),
        ("--bound-samples", args.bound_samples.is_some()),
    ];
    machine::refuse(machine, Act::Evaluate, &given)?;
    let one_way = ["rbm", "boltzmann"].contains(&machine.kind()) && !args.reverse;
    if from_annealed && one_way {
        return Err(Failure::usage("--reverse-from belongs to --reverse"));
    }
    if args.burn_in.is_some() && one_way && args.diagnose.is_none() {
        let message = "--burn-in belongs to --reverse and --diagnose";
        return Err(Failure::usage(message));
    }
    for (flag, given) in [
        ("--burn-in", args.burn_in.is_some()),
        ("--reverse-from", from_annealed),
    ] {
        if given && args.exact && args.diagnose.is_none() {
            return Err(Failure::usage(format!(
                "{flag} is of annealing, which --exact does without"
            )));
        }
    }
    let layers = machine.layers();
    let most = MOST_ELEMENTS / layers.iter().map(|x| x.size()).sum::<usize>().max(1);
    let rows = args
        .raise
        .then(|| args.raise_examples.saturating_mul(args.raise_chains));
    for (name, chains) in [
        ("--chains", args.chains),
        ("--raise-examples times --raise-chains", rows.unwrap_or(0)),
    ] {
        if chains > most {
            return Err(Failure::usage(format!(
                "{name} {chains}: expected at most {most} of a machine of this size"
            )));
        }
    }
    Ok(())
}

/// The data of the command, as bits where the machine is of bits; of a general machine there may be
/// none. Where they come from, and the
/// seed to measure with.
fn load(
    args: &EvaluateArgs,
    checkpoint: &Checkpoint,
    machine: &dyn Machine,
) -> Outcome<(Option<Data>, Source, u64)> {
    let asked = Asked {
        data: args.of.data.as_deref(),
        binarize: args.of.binarize,
        seed: args.seed,
        labels: true,
        row_names: args.scores.is_some(),
        reading: &args.of.reading,
    };
    if machine.kind() == "boltzmann" && !has_data(args, checkpoint)? {
        let (source, seed) = Source::of_model(checkpoint, None, args.of.binarize, args.seed)?;
        return Ok((None, source, seed));
    }
    let (data, source, seed) = asked.load(checkpoint)?;
    let visible = machine.layers()[0];
    check_columns(visible.size(), &data)?;
    if args.of.binarize.is_some() && visible.units.are_binary() && likelihood::is_gray(&data) {
        return Err(Failure::usage(
            "--binarize none: a machine of binary units gives gray values no likelihood",
        )
        .hint("choose --binarize sample or --binarize threshold"));
    }
    // A deep belief network classifies gray values as they are.
    let drawn = match machine.kind() {
        "dbn" => None,
        _ => likelihood::drawn(visible, &data, source.seed),
    };
    if drawn.is_some() {
        note("gray values are drawn once as bits (--binarize sample)");
    }
    Ok((Some(drawn.unwrap_or(data)), source, seed))
}

/// What needs no likelihood: of an RBM the free-energy gap between the test and the training part;
/// what chains do.
fn mixing(
    args: &EvaluateArgs,
    (machine, model): (&dyn Machine, &Model),
    data: &Data,
    seed: u64,
) -> Outcome<Figures> {
    let mut figures = Figures::default();
    let (examples, split) = likelihood::part(data, args.of.split);
    let are_whole = examples.observed().is_none() && data.train.observed().is_none();
    // A free energy of counts grows with the length of the row.
    if let (Model::Rbm(rbm), Split::Test, true) = (model, split, are_whole)
        && !rbm.visible().are_counts()
    {
        let train = data.train.head(GAP_EXAMPLES);
        let gap = free_energy_gap(rbm, &train, examples)?;
        let of = format!("of the test part over {} training examples", train.len());
        figures.nats("free_energy_gap", "free-energy gap", gap, of);
    }
    if let Some(sweeps) = args.diagnose {
        if !are_whole {
            let message = "--diagnose: chains start from examples, and these have missing values";
            return Err(
                Failure::usage(message).hint("`harmonium impute --values states` fills them in")
            );
        }
        let burn_in = args.burn_in.unwrap_or(DEFAULT_BURN_IN);
        let size = (DEFAULT_CHAINS, burn_in, sweeps);
        figures.extend(Diagnosis::measure(machine, examples, size, seed)?.figures());
    }
    Ok(figures)
}

/// The temperatures that the options ask for.
///
/// # Errors
/// A number of temperatures for a schedule that has its own.
fn betas(args: &EvaluateArgs) -> Outcome<Betas> {
    let steps = args.betas.unwrap_or(DEFAULT_BETAS);
    match (args.schedule, args.betas) {
        (Some(ScheduleArg::Linear), _) | (None, Some(_)) => Ok(Betas::Linear(steps)),
        (Some(ScheduleArg::Adaptive), _) => Ok(Betas::Adaptive(steps)),
        (Some(ScheduleArg::SalakhutdinovMurray) | None, None) => Ok(Betas::SalakhutdinovMurray),
        (Some(ScheduleArg::SalakhutdinovMurray), Some(steps)) => Err(Failure::usage(format!(
            "--betas {steps}: --schedule salakhutdinov-murray has 14503 of its own"
        ))),
    }
}

/// What the options ask for. The top of a deep belief network, and a machine of counts, are
/// enumerated where they are small, unless chains or temperatures of annealing are given.
fn measure(
    args: &EvaluateArgs,
    checkpoint: &Checkpoint,
    betas: Betas,
    seed: u64,
) -> Outcome<Measure> {
    let own = args.schedule.is_some() || args.betas.is_some() || args.chains != DEFAULT_CHAINS;
    let is_small = match &checkpoint.model {
        Model::Dbn(_) => true,
        Model::Rbm(rbm) => rbm.visible().are_counts(),
        _ => false,
    };
    let enumerated = is_small && !own && args.save_weights.is_none();
    Ok(Measure {
        exact: args.exact,
        any_units: true,
        enumerated_units: enumerated.then_some(ENUMERATED_UNITS),
        chains: args.chains,
        betas,
        reverse: args.reverse,
        burn_in: args.burn_in.unwrap_or(DEFAULT_BURN_IN),
        from_annealed: args.reverse_from == ReverseFrom::Annealing,
        raise: args
            .raise
            .then_some((args.raise_examples, args.raise_chains)),
        bound_samples: args.bound_samples.unwrap_or(BOUND_SAMPLES),
        observed: Some(OBSERVED),
        missing: kinds::missing_of(checkpoint, args.of.reading.missing)?,
        seed,
    })
}
