//! `kind` = `boltzmann`: `visible.weights` (`R`), `bias.0`, and with latent units `weights.0`
//! (`W`), `hidden.weights` (`S`), `bias.1`. `units` names one layer or two: visible units are
//! `bernoulli` and `softmax`, hidden ones `bernoulli`.
//!
//! `connectivity` `[units x units]` of zeros and ones, optional, tells which pairs learning may
//! couple.
//!
//! A run in progress adds `training.velocity.pairs` `[units x units]` and `training.velocity.bias`
//! `[units]`, `training.second.pairs` and `training.second.bias` of an adaptive rule,
//! `training.hidden` `[examples x n_hidden]` if hidden states of the examples are kept, and
//! `training.chains` `[chains x units]` if chains persist.

use super::{reader::Reader, tensor::Writer};
use crate::{
    error::{Error, Result},
    matrix::Matrix,
    model::{BoltzmannMachine, Layer},
};

pub(super) fn write(machine: &BoltzmannMachine, file: &mut Writer<'_>) {
    let mut units = machine.visible().units.to_string();
    if machine.n_hidden() > 0 {
        units = format!("{units},{}", machine.hidden().units);
    }
    if let Some(mask) = machine.connectivity() {
        file.tensor("connectivity", mask);
    }
    file.metadata("units", units);
}

pub(super) fn read(reader: &Reader<'_>) -> Result<BoltzmannMachine> {
    let units = reader.units()?;
    let visible_weights = reader.matrix("visible.weights", None)?;
    let n = visible_weights.rows();
    let visible = reader.layer(0, units[0], n)?;
    let (weights, hidden_weights, hidden) = match units[..] {
        [_] => (
            Matrix::zeros(n, 0),
            Matrix::zeros(0, 0),
            Layer::bernoulli(0),
        ),
        [_, hidden] => {
            let weights = reader.matrix("weights.0", None)?;
            let m = weights.columns();
            let hidden = reader.layer(1, hidden, m)?;
            (weights, reader.matrix("hidden.weights", None)?, hidden)
        }
        _ => {
            let found = format!("\"{}\"", units.join(","));
            return Err(Error::file(reader.path, "units of 1 or 2 layers", found));
        }
    };
    let all = [
        ("visible.weights", &visible_weights, n, n),
        ("weights.0", &weights, n, hidden.size()),
        (
            "hidden.weights",
            &hidden_weights,
            hidden.size(),
            hidden.size(),
        ),
    ];
    for (name, x, rows, columns) in all {
        reader.expect(name, &[rows, columns], &[x.rows(), x.columns()])?;
    }
    let total = n + hidden.size();
    let machine = BoltzmannMachine::from_parameters(
        [visible, hidden],
        [visible_weights, weights, hidden_weights],
    );
    let machine = machine.map_err(|e| reader.no_machine(e))?;
    match reader.bits("connectivity", total)? {
        None => Ok(machine),
        Some(mask) => machine
            .with_connectivity(mask)
            .map_err(|e| reader.no_machine(e)),
    }
}
