//! The data of a network that starts from a deep Boltzmann machine: the examples, and beside them
//! what the machine infers from them.

use crate::{
    failure::Outcome,
    run::data::{Data, check_columns},
    run::loading::load_model,
};
use harmonium::{
    Examples,
    checkpoint::Checkpoint,
    model::{Dbm, Layer, MeanField},
};
use std::path::Path;

/// The note that names the machine's file, beside that of the network.
pub const MACHINE: &str = "posterior_of";

/// `[v, q(h_2)]` of every example, without what a label adds.
///
/// # Errors
/// Those of the library.
pub fn with_posterior(dbm: &Dbm, data: &Data) -> Outcome<Data> {
    let dbm = dbm.without_labels();
    let of = |part: &Examples| -> Outcome<Examples> {
        let both = dbm.with_posterior(part, 2, &MeanField::default())?;
        Ok(part.with_states(both)?)
    };
    Ok(Data {
        name: data.name.clone(),
        train: of(&data.train)?,
        stream: None,
        validation: data.validation.as_ref().map(of).transpose()?,
        test: data.test.as_ref().map(of).transpose()?,
    })
}

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
    with_posterior(dbm, &data)
}
