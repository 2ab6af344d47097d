//! The data of a network that starts from a deep Boltzmann machine.

use crate::{
    args::ExamplesArgs,
    failure::Outcome,
    kinds::training::network,
    run::data::{Data, check_columns},
    run::loading::{Asked, load_model},
};
use harmonium::{checkpoint::Checkpoint, model::Layer};
use std::path::Path;

/// The note that names the machine's file, beside that of the network.
pub const MACHINE: &str = "posterior_of";

/// The examples that are asked for, as the model that was read from `path` sees them: themselves,
/// or with the means of the machine that it was made from. With `row_names` their names are kept.
///
/// # Errors
/// Those of the data and of the machine's file; data of another width.
pub fn data_of(
    of: &ExamplesArgs,
    row_names: bool,
    path: &Path,
    checkpoint: &Checkpoint,
) -> Outcome<Data> {
    let asked = Asked {
        data: of.data.as_deref(),
        binarize: of.binarize,
        seed: None,
        labels: false,
        row_names,
        reading: &of.reading,
    };
    let Some(machine) = checkpoint.notes.get(MACHINE) else {
        return Ok(asked.load(checkpoint)?.0);
    };
    // Data with the means beside them have other columns than those of the machine.
    let plain = Checkpoint {
        encoding: None,
        ..checkpoint.clone()
    };
    let loaded = asked.load(checkpoint);
    let (data, _, _) = loaded.or_else(|failure| asked.load(&plain).map_err(|_| failure))?;
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
