//! `kind` = `dbm`: `weights.{l}` and `bias.{l}`, layers `0 ..= L`.
//!
//! A run in progress adds, by layer or connection, `training.velocity.weights.{l}`,
//! `training.velocity.bias.{l}`, `training.offset.{l}` if it is centered, `training.activity.{l}`
//! of hidden layers if there are sparsity targets, `training.chains.{l}` of odd layers, and
//! `training.mean_field.{l}` of even hidden layers if mean field starts where it ended before. A
//! label is no hidden layer.

use super::{reader::Reader, tensor::Writer};
use crate::{
    error::{Error, Result},
    model::{Dbm, Layer},
};

pub(super) fn write(dbm: &Dbm, file: &mut Writer<'_>) {
    let units: Vec<String> = dbm.layers().iter().map(|x| x.units.to_string()).collect();
    file.metadata("units", units.join(","));
}

pub(super) fn read(reader: &Reader<'_>) -> Result<Dbm> {
    let units = reader.units()?;
    let Some(last) = units.len().checked_sub(1).filter(|&last| last > 0) else {
        let expected = "units of at least 2 layers";
        let found = format!("\"{}\"", units.join(","));
        return Err(Error::file(reader.path, expected, found));
    };
    // Sizes come from the weights, so nothing is allocated that the file does not hold.
    let (mut weights, mut layers): (Vec<_>, Vec<Layer>) = (Vec::new(), Vec::new());
    let mut size = 0;
    for (l, units) in units[..last].iter().enumerate() {
        let w = reader.matrix(&format!("weights.{l}"), None)?;
        layers.push(reader.layer(l, units, w.rows())?);
        size = w.columns();
        weights.push(w);
    }
    layers.push(reader.layer(last, units[last], size)?);
    Dbm::from_parameters(layers, weights).map_err(|e| reader.no_machine(e))
}
