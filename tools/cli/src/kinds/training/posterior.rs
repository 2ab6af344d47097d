//! The data of a network that starts from a deep Boltzmann machine.

use crate::{
    failure::Outcome,
    kinds::training::network,
    run::data::{Data, check_columns},
    run::loading::load_model,
};
use harmonium::{checkpoint::Checkpoint, model::Layer};
use std::path::Path;

/// The note that names the machine's file, beside that of the network.
pub const MACHINE: &str = "posterior_of";

/// What the model that was read from `path` sees of `data`: themselves, or with the means of the
/// machine that it was made from.
///
/// # Errors
/// Those of the machine's file; data of another width.
pub fn seen_by(path: &Path, checkpoint: &Checkpoint, data: Data) -> Outcome<Data> {
    let Some(machine) = checkpoint.notes.get(MACHINE) else {
        return Ok(data);
    };
    let machine = load_model(&path.with_file_name(machine))?;
    let dbm = machine.model.dbm()?;
    // Data that have the means beside them already are taken as they are.
    let upper = dbm.layers().get(2).map_or(0, Layer::size);
    if data.train.columns() == dbm.n_visible() + upper {
        return Ok(data);
    }
    check_columns(dbm.n_visible(), &data)?;
    network::seen(&machine.model, &data)
}
