//! `kind` = `rbm`: `weights.0`, `bias.0`, `bias.1`.

use super::{reader::Reader, tensor::Writer};
use crate::{error::Result, model::Rbm};

pub(super) fn write(rbm: &Rbm, file: &mut Writer<'_>) {
    let units = format!("{},{}", rbm.visible().units, rbm.hidden().units);
    file.metadata("units", units);
}

pub(super) fn read(reader: &Reader<'_>) -> Result<Rbm> {
    let weights = reader.matrix("weights.0", None)?;
    let units = reader.units_of(2)?;
    let visible = reader.layer(0, units[0], weights.rows())?;
    let hidden = reader.layer(1, units[1], weights.columns())?;
    Rbm::from_parameters([visible, hidden], [weights]).map_err(|e| reader.no_machine(e))
}
