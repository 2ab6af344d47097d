//! `kind` = `boltzmann`: `visible.weights` (`R`), `bias.0`, and with latent units `weights.0` (`W`), `hidden.weights` (`S`), `bias.1`. `units` names one layer or two.
//!
//! `connectivity` `[units x units]` of zeros and ones, optional, tells which pairs learning may couple.
//!
//! A run in progress adds `training.velocity.pairs` `[units x units]` and `training.velocity.bias` `[units]`, `training.second.pairs` and `training.second.bias` of
//! an adaptive rule, `training.hidden` `[examples x n_hidden]` if hidden states of the examples are kept, and `training.chains` `[chains x units]` if chains persist.

use super::{
    reader::Reader,
    tensor::{Tensor, Writer},
};
use crate::{
    error::{Error, Result},
    matrix::Matrix,
    model::{BoltzmannMachine, Layer},
    train::{BoltzmannOptions, BoltzmannState, BoltzmannTraining, PairMemory},
    units::Kind,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The state of a run between two updates, apart from the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct BoltzmannTrainingState {
    /// Options of the run.
    pub options: BoltzmannOptions,
    /// What it remembers.
    pub state: BoltzmannState,
}

/// The part of [`BoltzmannTrainingState`] that is metadata.
#[derive(Serialize, Deserialize)]
struct Header {
    options: BoltzmannOptions,
    updates: u64,
    examples: usize,
}

const FIRST: [&str; 2] = ["training.velocity.pairs", "training.velocity.bias"];
const SECOND: [&str; 2] = ["training.second.pairs", "training.second.bias"];
const HIDDEN: &str = "training.hidden";
const CHAINS: &str = "training.chains";

impl From<&BoltzmannTraining> for BoltzmannTrainingState {
    fn from(training: &BoltzmannTraining) -> Self {
        Self {
            options: training.options().clone(),
            state: training.state(),
        }
    }
}

impl BoltzmannTrainingState {
    pub(super) fn write(&self, file: &mut Writer, path: &Path) -> Result<()> {
        let state = &self.state;
        let header = Header {
            options: self.options.clone(),
            updates: state.updates,
            examples: state.examples,
        };
        let json = serde_json::to_string(&header)
            .map_err(|e| Error::file(path, "options that JSON can hold", e))?;
        file.metadata("training", json);
        let memories = [(FIRST, Some(&state.first)), (SECOND, state.second.as_ref())];
        for ([pairs, bias], memory) in memories {
            if let Some((w, b)) = memory {
                file.tensor(pairs, Tensor::matrix(w));
                file.vector(bias, b);
            }
        }
        for (name, bits) in [(HIDDEN, &state.hidden), (CHAINS, &state.chains)] {
            if let Some(bits) = bits {
                file.tensor(name, Tensor::bits(bits));
            }
        }
        Ok(())
    }

    /// The run of `machine` that the file holds, if it holds one.
    pub(super) fn read(reader: &Reader<'_>, machine: &BoltzmannMachine) -> Result<Option<Self>> {
        let Some(json) = reader.metadata.get("training") else {
            return Ok(None);
        };
        let header: Header = serde_json::from_str(json).map_err(|e| {
            Error::file(reader.path, "the options of a run in metadata training", e)
        })?;
        let units = machine.units();
        let memory = |[pairs, bias]: [&str; 2]| -> Result<PairMemory> {
            let pairs = reader.matrix(pairs, Some((units, units)))?;
            Ok((pairs, reader.vector(bias, units)?))
        };
        let is_adaptive = header.options.optimizer.is_adaptive();
        Ok(Some(Self {
            state: BoltzmannState {
                updates: header.updates,
                examples: header.examples,
                first: memory(FIRST)?,
                second: is_adaptive.then(|| memory(SECOND)).transpose()?,
                hidden: reader.bits(HIDDEN, machine.n_hidden())?,
                chains: reader.bits(CHAINS, units)?,
            },
            options: header.options,
        }))
    }
}

pub(super) fn write(machine: &BoltzmannMachine, file: &mut Writer) {
    file.tensor("visible.weights", Tensor::matrix(machine.visible_weights()));
    file.layer(0, machine.visible());
    let mut units = machine.visible().units.to_string();
    if machine.n_hidden() > 0 {
        file.tensor("weights.0", Tensor::matrix(machine.weights()));
        file.tensor("hidden.weights", Tensor::matrix(machine.hidden_weights()));
        file.layer(1, machine.hidden());
        units = format!("{units},{}", machine.hidden().units);
    }
    if let Some(mask) = machine.connectivity() {
        file.tensor("connectivity", Tensor::bits(mask));
    }
    file.metadata("units", units);
}

pub(super) fn read(reader: &Reader<'_>) -> Result<BoltzmannMachine> {
    let units = reader.units()?;
    let visible_weights = reader.matrix("visible.weights", None)?;
    let n = visible_weights.rows();
    let visible = layer(reader, 0, units[0], n)?;
    let (weights, hidden_weights, hidden) = match units[..] {
        [_] => (Matrix::zeros(n, 0), Matrix::zeros(0, 0), Vec::new()),
        [_, hidden] => {
            let weights = reader.matrix("weights.0", None)?;
            let m = weights.columns();
            let hidden = layer(reader, 1, hidden, m)?;
            (weights, reader.matrix("hidden.weights", None)?, hidden)
        }
        _ => {
            let found = format!("\"{}\"", units.join(","));
            return Err(Error::file(reader.path, "units of 1 or 2 layers", found));
        }
    };
    let all = [
        ("visible.weights", &visible_weights, n, n),
        ("weights.0", &weights, n, hidden.len()),
        (
            "hidden.weights",
            &hidden_weights,
            hidden.len(),
            hidden.len(),
        ),
    ];
    for (name, x, rows, columns) in all {
        reader.expect(name, &[rows, columns], &[x.rows(), x.columns()])?;
    }
    let total = n + hidden.len();
    let machine = BoltzmannMachine::from_parameters(
        visible_weights,
        weights,
        hidden_weights,
        visible,
        hidden,
    );
    let machine = machine.map_err(|e| reader.no_machine(e))?;
    match reader.bits("connectivity", total)? {
        None => Ok(machine),
        Some(mask) => machine
            .with_connectivity(mask)
            .map_err(|e| reader.no_machine(e)),
    }
}

/// The biases of a layer of Bernoulli units.
fn layer(reader: &Reader<'_>, l: usize, units: &str, size: usize) -> Result<Vec<f32>> {
    let Layer { units, bias, .. } = reader.layer(l, units, size)?;
    if !units.are(Kind::Bernoulli) {
        let expected = "units bernoulli of a general Boltzmann machine";
        return Err(Error::file(reader.path, expected, units));
    }
    Ok(bias)
}
