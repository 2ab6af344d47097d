//! `harmonium evaluate`: the log-likelihood of data under a model.

use crate::{
    args::{EvaluateArgs, ReverseFrom, ScheduleArg, Split},
    commands::classify::{Classification, name},
    failure::{Failure, Outcome, note},
    kinds::dbm,
    kinds::deep,
    kinds::general,
    run::data::{Data, Source},
    run::diagnose::Diagnosis,
    run::likelihood::{self, DEFAULT_BETAS, DEFAULT_BURN_IN, DEFAULT_CHAINS, Likelihood, Way},
    run::plan::MOST_ELEMENTS,
    show::confusion,
    show::progress::Stages,
    show::report,
};
use harmonium::{
    Error, Examples, Model, Rbm,
    checkpoint::{Checkpoint, write_atomically},
    evaluate::{Betas, ReverseStart, free_energy_gap},
};
use npyz::WriterBuilder;
use std::{io, ops::ControlFlow, path::Path};

/// Training examples of the free-energy gap.
const GAP_EXAMPLES: usize = 10_000;

/// Reads a model file, with advice if there is none.
pub fn load_model(path: &Path) -> Outcome<Checkpoint> {
    if general::is_edge_file(path) {
        return general::load_edges(path);
    }
    Checkpoint::load(path).map_err(|error| {
        let missing =
            matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
        let foreign = matches!(&error, Error::File { .. });
        let failure = Failure::from(error);
        if missing {
            failure.hint("`harmonium train` makes a model: ./run/model.safetensors")
        } else if foreign {
            failure.hint("`harmonium train` writes files of this kind as model.safetensors")
        } else {
            failure
        }
    })
}

/// Runs the command.
pub fn run(args: &EvaluateArgs) -> Outcome<()> {
    args.save_weights
        .as_deref()
        .map_or(Ok(()), check_extension)?;
    let checkpoint = load_model(&args.model)?;
    let rbm = match &checkpoint.model {
        Model::Dbn(dbn) => return deep::evaluate(args, &checkpoint, dbn),
        Model::Boltzmann(machine) => return general::evaluate(args, &checkpoint, machine),
        Model::Dbm(dbm) => return dbm::evaluate(args, &checkpoint, dbm),
        Model::Network(_) => {
            return Err(Failure::usage("a model of kind network has no likelihood")
                .hint("`harmonium classify` measures its errors"));
        }
        other => other.rbm()?,
    };
    refuse_options(args)?;
    let (data, source, seed) = load(args, &checkpoint, rbm)?;
    let (examples, split) = likelihood::examples(&data, args.split);
    let title = format!(
        "{}: {} on {}, binarization {}",
        args.model.display(),
        name(rbm),
        data.name,
        source.binarize
    );
    let classified = match rbm.label_group() {
        Some(group) => Classification::measure(rbm, &examples.first_columns(group.first), split)?,
        None => None,
    };
    confusion::draw_asked(args.confusion.as_deref(), &title, classified.as_ref())?;
    let (mut object, mut rows) = mixing(args, rbm, &data, examples, split, seed)?;
    if let Some(classified) = &classified
        && !(args.exact || args.reverse || args.raise || args.save_weights.is_some())
    {
        note("the likelihood of a machine with labels is enumerated alone: --exact");
        object.extend(classified.json());
        if args.json {
            return report::json(object);
        }
        let rows = [classified.rows(), classified.confusion_rows(), rows].concat();
        return report::table(&title, &rows);
    }
    let way = if args.exact {
        Way::Exact
    } else {
        Way::Annealing(annealing(args, rbm, &data.train, seed)?)
    };
    let mut bar = Stages::new();
    let measured = Likelihood::measure(rbm, examples, split, &way, &mut |stage, done, all| {
        bar.set(stage, done, all);
        ControlFlow::Continue(())
    })?;
    bar.clear();
    if let Some(path) = &args.save_weights {
        write_weights(path, &measured.log_weights())?;
        note(format!("log weights in {}", path.display()));
    }
    if args.json {
        object.extend(measured.json());
        object.extend(classified.map(|c| c.json()).unwrap_or_default());
        return report::json(object);
    }
    rows.splice(..0, measured.rows());
    if let Some(classified) = &classified {
        rows.extend(classified.rows());
        rows.extend(classified.confusion_rows());
    }
    report::table(&title, &rows)
}

/// Refuses options that belong to others which are not given, or to other machines.
fn refuse_options(args: &EvaluateArgs) -> Outcome<()> {
    if args.reverse_from == ReverseFrom::Annealing && !args.reverse {
        return Err(Failure::usage("--reverse-from belongs to --reverse"));
    }
    if args.burn_in.is_some() && !args.reverse && args.diagnose.is_none() {
        return Err(Failure::usage(
            "--burn-in belongs to --reverse and --diagnose",
        ));
    }
    if args.bound_samples.is_some() {
        return Err(Failure::usage(
            "--bound-samples is for deep belief networks",
        ));
    }
    Ok(())
}

/// The data of the command, as bits where the machine is of bits; where they come from, and the
/// seed to measure with.
fn load(args: &EvaluateArgs, checkpoint: &Checkpoint, rbm: &Rbm) -> Outcome<(Data, Source, u64)> {
    let (source, seed) = Source::of_model(
        &checkpoint.notes,
        args.data.as_deref(),
        args.binarize,
        args.seed,
    )?;
    let mut data = source.load().map_err(|failure| {
        if args.data.is_some() {
            failure
        } else {
            failure.hint("this is what the model was trained on; name other data with --data")
        }
    })?;
    likelihood::check_width(rbm, &data)?;
    check_chains(args, rbm)?;
    if args.binarize.is_none() && rbm.is_bernoulli() && likelihood::is_gray(&data) {
        note("gray values are drawn once as bits (--binarize sample)");
        data = likelihood::drawn(data, source.seed);
    }
    Ok((data, source, seed))
}

/// Refuses chains that would not fit into memory.
fn check_chains(args: &EvaluateArgs, rbm: &Rbm) -> Outcome<()> {
    let most = MOST_ELEMENTS / rbm.n_visible().max(rbm.n_hidden()).max(1);
    let rows = if args.raise {
        args.raise_examples.saturating_mul(args.raise_chains)
    } else {
        0
    };
    for (name, chains) in [
        ("--chains", args.chains),
        ("--raise-examples times --raise-chains", rows),
    ] {
        if chains > most {
            return Err(Failure::usage(format!(
                "{name} {chains}: expected at most {most} of a machine of this size"
            )));
        }
    }
    Ok(())
}

/// What needs no likelihood: the free-energy gap between the test and the training part, and what
/// chains do.
#[allow(clippy::type_complexity)]
fn mixing(
    args: &EvaluateArgs,
    rbm: &Rbm,
    data: &Data,
    examples: &Examples,
    split: Split,
    seed: u64,
) -> Outcome<(serde_json::Map<String, serde_json::Value>, Vec<[String; 3]>)> {
    let (mut object, mut rows) = (serde_json::Map::new(), Vec::new());
    // Of data with labels, the machine's visible units are known with them alone.
    if split == Split::Test && data.train.columns() == rbm.n_visible() {
        let train = data.train.head(GAP_EXAMPLES);
        let gap = free_energy_gap(rbm, &train, examples)?;
        object.insert("free_energy_gap".into(), gap.into());
        rows.push([
            "free-energy gap".into(),
            format!("{gap:.2} nats"),
            format!("of the test part over {} training examples", train.len()),
        ]);
    }
    if let Some(sweeps) = args.diagnose {
        let burn_in = args.burn_in.unwrap_or(DEFAULT_BURN_IN);
        let size = (DEFAULT_CHAINS, burn_in, sweeps);
        let found = Diagnosis::measure(rbm, examples, size, seed)?;
        object.extend(found.json());
        rows.extend(found.rows());
    }
    Ok((object, rows))
}

/// The temperatures that the options ask for.
///
/// # Errors
/// A number of temperatures for a schedule that has its own.
pub fn betas(args: &EvaluateArgs) -> Outcome<Betas> {
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

/// What the options ask for.
fn annealing(
    args: &EvaluateArgs,
    rbm: &Rbm,
    train: &Examples,
    seed: u64,
) -> Outcome<likelihood::Annealing> {
    if !rbm.is_bernoulli() {
        return Err(likelihood::not_annealed(rbm));
    }
    let betas = betas(args)?;
    let mut annealing = likelihood::Annealing::of(train, args.chains, betas, seed)?;
    if args.reverse {
        let start = ReverseStart::suited_to(
            rbm,
            train,
            args.chains,
            args.burn_in.unwrap_or(DEFAULT_BURN_IN),
            seed,
        )?;
        annealing.reverse = Some(match (start, args.reverse_from) {
            (ReverseStart::Gibbs { burn_in, .. }, ReverseFrom::Annealing) => {
                ReverseStart::Annealed { burn_in }
            }
            (start, _) => start,
        });
    }
    if args.raise {
        annealing.raise = Some((args.raise_examples, args.raise_chains));
    }
    Ok(annealing)
}

/// Refuses a file name of another kind.
fn check_extension(path: &Path) -> Outcome<()> {
    if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("npy"))
    {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--save-weights {}: expected a file name that ends in .npy",
        path.display()
    )))
}

/// Writes log weights, f64 `[directions x chains]`.
pub fn write_weights(path: &Path, directions: &[&[f64]]) -> Outcome<()> {
    let mut bytes = Vec::new();
    let write = |bytes: &mut Vec<u8>| -> io::Result<()> {
        let chains = directions.first().map_or(0, |w| w.len());
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&[directions.len() as u64, chains as u64])
            .writer(bytes)
            .begin_nd()?;
        for weights in directions {
            writer.extend(weights.iter().copied())?;
        }
        writer.finish()
    };
    write(&mut bytes).map_err(|e| Error::io(path, "encode the log weights", e))?;
    Ok(write_atomically(path, &bytes)?)
}
