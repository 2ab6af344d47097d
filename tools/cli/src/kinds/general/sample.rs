//! `harmonium sample` of a general Boltzmann machine: Gibbs chains, their last states, and what was
//! observed on the way.

use super::{
    edges::is_of_spins,
    observe::Observed,
    pictures::{chains_from, shown, tiles},
};
use crate::{
    args::SampleArgs,
    commands::sample::{
        held::{self, Held, checked_count},
        sheet::{Format, write_states},
    },
    failure::{Failure, Outcome, note},
    kinds::machine::Machine,
    show::numbers::write_matrix,
    show::picture::{Color, Sheet},
    show::pictures,
    show::progress::Bar,
    show::report,
};
use harmonium::{
    BoltzmannMachine, Error, Matrix, States,
    checkpoint::{Checkpoint, write_atomically},
    model::BoltzmannChain,
};
use npyz::WriterBuilder;
use serde_json::{Value, json};
use std::{io, path::Path};

const DEFAULT_BURN_IN: usize = 256;
const TILES_PER_ROW: usize = 20;
/// Energies that are kept for their autocorrelation.
const MOST_ENERGIES: usize = 1 << 28;

/// Runs the command; the file name and the temperature have been checked.
///
/// # Errors
/// Options of other kinds; files that do not fit the machine; those of the library.
pub fn run(
    args: &SampleArgs,
    checkpoint: &Checkpoint,
    machine: &BoltzmannMachine,
    format: Format,
) -> Outcome<()> {
    refuse_options(args)?;
    let spins = args.general.spins || is_of_spins(&args.model);
    let seed = args.seed.unwrap_or(0);
    let held = Held::clamped(
        args,
        &checkpoint.notes,
        machine.visible(),
        machine.n_visible(),
    )?;
    let rows = held.as_ref().map(|held| held.rows);
    let count = checked_count(args, machine.units(), 1, rows)?;
    if args.steps > MOST_ENERGIES / count {
        return Err(Failure::usage(format!(
            "--steps {}: expected at most {} sweeps of {count} chains",
            args.steps,
            MOST_ENERGIES / count
        )));
    }
    let mut chains = start(args, checkpoint, machine, held.as_ref(), count)?;
    let is_held = held.is_some();
    if let Some(held) = held {
        chains = chains.clamped(0, held.clamp)?;
    }
    let default = if args.steps == 0 { 0 } else { DEFAULT_BURN_IN };
    let burn_in = args.burn_in.unwrap_or(default);
    let mut observed = Observed::new(machine, count, spins);
    sweep(args, &mut chains, burn_in, &mut observed)?;
    let sweeps = burn_in + args.steps;
    match format {
        Format::Picture => draw(args, machine, &chains, is_held, sweeps)?,
        Format::States if args.general.spins => write_spins(&args.out, chains.visible())?,
        Format::States => write_states(&args.out, chains.visible())?,
    }
    let order = if chains.is_by_blocks() {
        "blocks"
    } else {
        "units"
    };
    note(format!(
        "{count} samples after {sweeps} sweeps by {order} in {}",
        args.out.display()
    ));
    if args.general.json {
        let mut object = observed.json();
        for (key, value) in [
            ("units", json!(machine.units())),
            ("count", json!(count)),
            ("steps", json!(args.steps)),
            ("burn_in", json!(burn_in)),
            // As it was written: f32 widened to f64 shows its rounding.
            ("beta", report::read(serde_json::to_string(&args.beta))),
            ("seed", json!(seed)),
            ("sweep", json!(order)),
            ("spins", Value::Bool(spins)),
            ("out", json!(args.out.to_string_lossy())),
        ] {
            object.insert(key.into(), value);
        }
        return report::json(object);
    }
    let title = format!(
        "{}: {}, β = {}, {count} chains, {} sweeps after {burn_in}",
        args.model.display(),
        machine.name(),
        args.beta,
        args.steps
    );
    report::table(&title, &observed.rows())
}

/// Refuses options of other kinds.
fn refuse_options(args: &SampleArgs) -> Outcome<()> {
    for (flag, given) in [
        ("--tempering", args.tempering.is_some()),
        ("--trajectory", !args.trajectory.is_empty()),
        ("--weighted", args.weighted),
        ("--label", args.label.is_some()),
        ("--every-label", args.every_label),
        ("--save-chains", args.save_chains.is_some()),
        ("--continue", args.continue_from.is_some()),
        ("--over-time", args.over_time),
        ("--values", args.values.is_some()),
    ] {
        if given {
            return Err(Failure::usage(format!(
                "{flag} is not for a model of kind boltzmann"
            )));
        }
    }
    Ok(())
}

/// Chains from where the options say.
fn start(
    args: &SampleArgs,
    checkpoint: &Checkpoint,
    machine: &BoltzmannMachine,
    held: Option<&Held>,
    count: usize,
) -> Outcome<BoltzmannChain> {
    let seed = args.seed.unwrap_or(0);
    if !args.from_data {
        return Ok(machine.chains(count, seed)?);
    }
    let v = held::start(args, &checkpoint.notes, machine.visible(), held, count)?;
    let v = v.bits().expect("states of binary units");
    chains_from(machine, v, count, seed)
}

/// Lets the chains forget their start, then observes each sweep; without one, the start alone.
fn sweep(
    args: &SampleArgs,
    chains: &mut BoltzmannChain,
    burn_in: usize,
    observed: &mut Observed,
) -> Outcome<()> {
    let bar = Bar::new((burn_in + args.steps) as u64, "sampling");
    for k in 0..burn_in + args.steps {
        chains.sweep(1, args.beta)?;
        if k >= burn_in {
            observed.add(chains);
        }
        bar.set(k as u64 + 1);
    }
    bar.clear();
    if args.steps == 0 {
        observed.add(chains);
    }
    Ok(())
}

/// Writes the chains as a sheet of tiles.
fn draw(
    args: &SampleArgs,
    machine: &BoltzmannMachine,
    chains: &BoltzmannChain,
    is_held: bool,
    sweeps: usize,
) -> Outcome<()> {
    let start = match (args.from_data, is_held) {
        (false, false) => "fair coins",
        (false, true) => "fair coins, with held units",
        (true, false) => "training examples",
        (true, true) => "training examples, with held units",
    };
    let (v, h) = (chains.visible(), chains.hidden());
    let count = v.rows();
    // Of held units the means say nothing.
    let tiles = if is_held {
        pictures::rows(&v.to_matrix())
    } else {
        tiles(machine, v, h)?
    };
    let what = if is_held { "states" } else { shown(machine) };
    let per_row = (count as f64).sqrt().ceil() as usize;
    let n = machine.n_visible();
    let sheet = pictures::grid(&tiles, n, per_row.clamp(1, TILES_PER_ROW), Color::Gray)?;
    let caption = format!(
        "{what} of {count} chains after {sweeps} Gibbs sweeps at β = {} from {start}",
        args.beta
    );
    Sheet::page(&machine.name(), &[sheet.headed("samples", &caption)])?.write_png(&args.out)?;
    Ok(())
}

/// -1 and 1.
fn spin(x: bool) -> i8 {
    if x { 1 } else { -1 }
}

/// `[chains x visible]`: `.npy` of i8, or `.csv`.
fn write_spins(path: &Path, v: &States) -> Outcome<()> {
    if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("csv"))
    {
        let (n, m) = (v.rows(), v.columns());
        let spins = Matrix::from_fn(n, m, |i, j| spin(v.get(i, j) > 0.0).into());
        return write_matrix(path, &spins);
    }
    let mut bytes = Vec::new();
    let write = |bytes: &mut Vec<u8>| -> io::Result<()> {
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&[v.rows() as u64, v.columns() as u64])
            .writer(bytes)
            .begin_nd()?;
        for i in 0..v.rows() {
            writer.extend((0..v.columns()).map(|j| spin(v.get(i, j) > 0.0)))?;
        }
        writer.finish()
    };
    write(&mut bytes).map_err(|e| Error::io(path, "encode the states", e))?;
    Ok(write_atomically(path, &bytes)?)
}
