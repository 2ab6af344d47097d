//! `harmonium sample`: states of a model from chains: plain, tempered, along a trajectory, with
//! held units, or with weights.

mod sheet;
mod weighted;

use crate::{
    args::SampleArgs,
    failure::{Failure, Outcome, note},
    kinds,
    run::chains::{self, Chains, Samples, Start},
    run::held::{Held, checked_count, origin, start},
    run::loading::open_model,
    run::machine::{self, Act, Machine},
    show::figures::Figures,
    show::numbers::{check_extension, ends_in, write_table},
    show::report,
    show::shape::Shape,
};
use harmonium::{Model, checkpoint::Checkpoint, model::Layer};
use sheet::{Format, Shown};
use std::path::Path;

/// Runs the command.
pub fn run(args: &SampleArgs) -> Outcome<()> {
    let format = Format::of(&args.out)?;
    if let Some(path) = &args.energies {
        check_extension("--energies", path, ".csv")?;
    }
    if !(args.beta >= 0.0 && args.beta.is_finite()) {
        return Err(Failure::usage(format!(
            "--beta {}: expected a finite number of at least 0",
            args.beta
        )));
    }
    let (path, mut checkpoint) = open_model(args.model.as_deref())?;
    give_length(args, &mut checkpoint.model)?;
    let machine = kinds::machine_of(&checkpoint, None)?;
    let machine = &*machine;
    if let Model::Network(_) = &checkpoint.model {
        let message = "sample: a network has no states";
        return Err(Failure::usage(message).hint("the machine that it was made from has"));
    }
    check_options(args, machine, format)?;
    if args.weighted {
        let count = checked_count(args, widest(machine), 1, None)?;
        return weighted::run(args, &checkpoint, machine, count);
    }
    let layers = machine.layers();
    let visible = layers[0];
    let pixels = match machine.columns() {
        0 => visible.size(),
        columns => columns,
    };
    let (held, label) = held(args, &checkpoint, machine, pixels)?;
    let copies = match args.over_time {
        true => chains::times(args.steps).len(),
        false => args.tempering.unwrap_or(1),
    };
    let rows = held.as_ref().or(label.as_ref()).map(|held| held.rows);
    let count = checked_count(args, widest(machine), copies, rows)?;
    let from = args.from_data;
    let states = from.then(|| start(args, &checkpoint, visible, held.as_ref(), count));
    let seed = args.seed.unwrap_or(0);
    let mut chains = machine.chains(&Start {
        args: Some(args),
        count,
        seed,
        states: states.transpose()?,
        held: held.as_ref(),
        label: label.as_ref(),
    })?;
    let usual = chains.usual_burn_in(args.steps);
    let burn_in = usual.map_or(0, |usual| args.burn_in.unwrap_or(usual));
    let values = format.values(args);
    let mut samples = chains::run(args, chains.as_mut(), held.as_ref(), values, burn_in)?;
    if let Some(path) = &args.save_chains {
        chains.save(path)?;
    }
    if let Some(path) = &args.energies {
        energies(path, chains.as_ref())?;
    }
    samples.origin = format!("{} at β = {} {}", samples.origin, args.beta, origin(args));
    let group = label
        .as_ref()
        .or(held.as_ref())
        .map(|held| held.n_classes());
    let shown = Shown {
        title: &machine.name(),
        pixels,
        shape: Shape::new(args.shape, checkpoint.encoding.as_ref(), pixels)?,
        binary: visible.units.are_binary(),
        classes: group,
        encoding: checkpoint.encoding.as_ref(),
    };
    sheet::write(args, format, &shown, held.as_ref(), &samples)?;
    note(told(args, burn_in, &samples));
    let observed = usual.is_some().then(|| chains.figures(args.steps));
    report(
        (args, &path),
        machine,
        burn_in,
        &samples,
        observed.transpose()?,
    )
}

/// Puts a machine of counts that is given the length of `--length` in its place; chains from
/// examples and stored ones have lengths of their own.
///
/// # Errors
/// A length of another machine, or none where it is needed.
fn give_length(args: &SampleArgs, model: &mut Model) -> Outcome<()> {
    let counts = match model {
        Model::Rbm(rbm) if rbm.visible().are_counts() => Some(rbm),
        _ => None,
    };
    match (args.length, counts) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(Failure::usage(
            "--length is of machines of counts: a sample of any other has no length",
        )),
        (Some(length), Some(rbm)) => {
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            let given = rbm.given_length(length);
            *rbm = given.map_err(|e| Failure::usage(format!("--length: {e}")))?;
            Ok(())
        }
        (None, Some(_)) if !args.trajectory.is_empty() => Err(Failure::usage(
            "--trajectory: models of counts have no length in common",
        )),
        (None, Some(_)) if args.from_data || args.continue_from.is_some() => Ok(()),
        (None, Some(_)) => Err(Failure::usage(
            "a sample of counts has a length, and nothing says it",
        )
        .hint("--length D, the words of each sample; or --from-data, those of the examples")),
    }
}

/// Writes the figure of the state of every chain.
///
/// # Errors
/// Those of the library; a file that cannot be written.
fn energies(path: &Path, chains: &dyn Chains) -> Outcome<()> {
    let head = ["sample".to_owned(), chains.energy().replace(' ', "_")];
    let all = chains.energies()?;
    let rows = all.iter().enumerate();
    let rows = rows.map(|(k, energy)| vec![k.to_string(), energy.to_string()]);
    write_table("--energies", path, &head, rows)
}

/// Held visible units, a label among them too; and the label of a machine whose label is elsewhere.
fn held(
    args: &SampleArgs,
    checkpoint: &Checkpoint,
    machine: &dyn Machine,
    pixels: usize,
) -> Outcome<(Option<Held>, Option<Held>)> {
    // Before anything is made of the number.
    checked_count(args, widest(machine), 1, None)?;
    let held = Held::clamped(args, checkpoint, machine.layers()[0], pixels)?;
    let encoding = checkpoint.encoding.as_ref();
    let label = Held::label(args, encoding, machine.label_layer())?;
    Ok(match machine.labels_are_visible() {
        true => (held.or(label), None),
        false => (held, label),
    })
}

fn widest(machine: &dyn Machine) -> usize {
    let layers = machine.layers();
    let sizes = layers.iter().map(|layer: &&Layer| layer.size());
    sizes.max().unwrap_or(0)
}

/// Refuses options of other kinds, and those that belong to others that are not given.
fn check_options(args: &SampleArgs, machine: &dyn Machine, format: Format) -> Outcome<()> {
    let given = [
        ("--beta", args.beta != 1.0),
        ("--tempering", args.tempering.is_some()),
        ("--trajectory", !args.trajectory.is_empty()),
        ("--weighted", args.weighted),
        ("--clamp", args.clamp.is_some()),
        ("--label", args.label.is_some()),
        ("--every-label", args.every_label),
        ("--save-chains", args.save_chains.is_some()),
        ("--continue", args.continue_from.is_some()),
        ("--spins", args.spins),
    ];
    machine::refuse(machine, Act::Sample, &given)?;
    let observed = machine.kind() == "boltzmann" || args.tempering.is_some();
    if args.burn_in.is_some() && !observed && args.trajectory.is_empty() {
        return Err(Failure::usage(
            "--burn-in belongs to --tempering and --trajectory, and to general Boltzmann machines",
        ));
    }
    if args.weighted && !ends_in(&args.out, "npy") {
        return Err(Failure::usage(
            "--weighted: expected an --out that ends in .npy, beside which weights are written",
        ));
    }
    if args.over_time && format != Format::Picture {
        return Err(Failure::usage(format!(
            "--over-time: expected an --out that ends in .png, not {}",
            args.out.display()
        )));
    }
    Ok(())
}

/// What was done, in a line.
fn told(args: &SampleArgs, burn_in: usize, samples: &Samples) -> String {
    format!(
        "{} samples after {} sweeps in {}",
        samples.visible.rows(),
        burn_in + args.steps,
        args.out.display()
    )
}

/// What was observed, if anything was; with `--json` what was done in any case.
fn report(
    (args, path): (&SampleArgs, &Path),
    machine: &dyn Machine,
    burn_in: usize,
    samples: &Samples,
    observed: Option<Figures>,
) -> Outcome<()> {
    if observed.is_none() && !args.answer.json {
        return Ok(());
    }
    let mut figures = observed.unwrap_or_default();
    let units: usize = machine.layers().iter().map(|layer| layer.size()).sum();
    figures
        .put("units", units)
        .put("count", samples.visible.rows())
        .put("steps", args.steps)
        .put("burn_in", burn_in)
        // As it was written: f32 widened to f64 shows its rounding.
        .put("beta", report::read(serde_json::to_string(&args.beta)))
        .put("seed", args.seed.unwrap_or(0))
        .put("out", args.out.to_string_lossy());
    let title = format!(
        "{}: {}, β = {}, {} chains, {} sweeps after {burn_in}",
        path.display(),
        machine.name(),
        args.beta,
        samples.visible.rows(),
        args.steps
    );
    figures.print(args.answer.json, &title)
}
