//! `harmonium convert`: models from and for other programs.

use crate::{
    args::ConvertArgs,
    failure::{Failure, Outcome, note},
    kinds,
    run::loading::load_model,
    show::numbers::ends_in,
};
use harmonium::{
    Error, Model,
    checkpoint::{Checkpoint, write_atomically},
};

/// Runs the command.
pub fn run(args: &ConvertArgs) -> Outcome<()> {
    let (from, to) = (&args.from, &args.to);
    let is_known = ["safetensors", "npz", "ising", "dat"];
    if !is_known.iter().any(|extension| ends_in(to, extension)) {
        return Err(Failure::usage(format!(
            "{}: expected a file name that ends in .safetensors, .npz, .ising or .dat",
            to.display()
        )));
    }
    let stored = load_model(from)?;
    let checkpoint = Checkpoint {
        run: None,
        ..stored
    };
    let named = |e: Error| Failure::usage(format!("{}: {e}", to.display()));
    let bytes = if ends_in(to, "npz") {
        checkpoint.to_scikit_learn().map_err(named)?
    } else if ends_in(to, "ising") {
        let text = match &checkpoint.model {
            Model::Boltzmann(machine) => machine.to_ising().map_err(named)?,
            other => {
                return Err(Failure::usage(format!(
                    "{}: couplings of spins are those of a general machine, not of a model of kind {}",
                    to.display(),
                    other.kind()
                )));
            }
        };
        text.into_bytes()
    } else if ends_in(to, "dat") {
        checkpoint.to_adabmdca().map_err(named)?.into_bytes()
    } else {
        checkpoint.to_bytes()?
    };
    write_atomically(to, &bytes)?;
    note(format!(
        "{}: {} from {}",
        to.display(),
        kinds::machine(&checkpoint.model).name(),
        from.display()
    ));
    Ok(())
}
