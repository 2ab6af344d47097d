//! `harmonium sample` of a deep Boltzmann machine: block Gibbs sweeps over all its layers, with
//! held units.

use crate::{
    args::SampleArgs,
    commands::sample::{
        chains::{self, Of},
        held::{self, Held, checked_count},
        origin, picture_alone,
        sheet::{self, Format, Shown},
        told,
    },
    failure::{Failure, Outcome, note},
    kinds::machine::Machine,
};
use harmonium::{
    checkpoint::Checkpoint,
    model::{Dbm, Layer},
};

/// Runs the command; the temperature has been checked.
///
/// # Errors
/// Options of other kinds; files and data that do not fit; those of the library.
pub fn run(args: &SampleArgs, checkpoint: &Checkpoint, dbm: &Dbm, format: Format) -> Outcome<()> {
    for (flag, given) in [
        ("--tempering", args.tempering.is_some()),
        ("--trajectory", !args.trajectory.is_empty()),
        ("--weighted", args.weighted),
        ("--save-chains", args.save_chains.is_some()),
        ("--continue", args.continue_from.is_some()),
    ] {
        if given {
            return Err(Failure::usage(format!(
                "{flag} is for RBMs, not for a model of kind dbm"
            )));
        }
    }
    if args.over_time && format != Format::Picture {
        return Err(picture_alone(&args.out));
    }
    let levels = match args.over_time {
        true => chains::times(args.steps).len(),
        false => 1,
    };
    let widest = dbm.layers().iter().map(Layer::size).max().unwrap_or(1);
    checked_count(args, widest, levels, None)?;
    let visible = dbm.layer(0);
    let held = Held::clamped(args, &checkpoint.notes, visible, dbm.n_visible())?;
    let last = dbm.n_layers() - 1;
    let label = Held::label(args, dbm.layer(last), dbm.classes())?;
    let rows = held.as_ref().or(label.as_ref()).map(|held| held.rows);
    let count = checked_count(args, widest, levels, rows)?;
    let seed = args.seed.unwrap_or(0);
    let mut chains = if args.from_data {
        let mut v = held::start(args, &checkpoint.notes, visible, held.as_ref(), count)?;
        if let Some(held) = &held {
            // Hidden layers are drawn from what is held too.
            let chains = dbm.chains_from(v, seed)?;
            v = chains.clamped(0, held.clamp.clone())?.visible().clone();
        }
        dbm.chains_from(v, seed)?
    } else {
        dbm.chains(count, seed)?
    };
    if let Some(held) = &held {
        chains = chains.clamped(0, held.clamp.clone())?;
    }
    if let Some(label) = label {
        chains = chains.clamped(last, label.clamp)?;
    }
    let mut chains = Of {
        machine: dbm,
        chains,
    };
    let origin = format!("block Gibbs sweeps at β = {} {}", args.beta, origin(args));
    let values = format.values(args);
    let samples = chains::run(args, &mut chains, held.as_ref(), values, origin)?;
    let shown = Shown {
        title: &dbm.name(),
        pixels: dbm.n_visible(),
        binary: visible.units.are_binary(),
        classes: dbm.classes(),
    };
    sheet::write(args, format, &shown, held.as_ref(), &samples)?;
    note(told(args, count));
    Ok(())
}
