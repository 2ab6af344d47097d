//! `kind` = `network`: `weights.{l}` `[n_l x n_{l+1}]`, and `bias.{l}` `[n_l]` of every layer but the input, `l >= 1`.
//!
//! `units` names the kinds whose means are the values of each layer: `bernoulli` for logistic layers, `gaussian` for linear ones, `softmax` for a softmax output; of the input those of the data.
//!
//! A run in progress adds `training.velocity.weights.{l}`, `training.velocity.bias.{l}` if its rule has a memory, and the same of `training.second` if the rule is adaptive.

use super::{
    reader::Reader,
    tensor::{Tensor, Writer},
};
use crate::{
    error::{Error, Result},
    model::{Activation, Network, NetworkLayer},
    train::{BackpropOptions, BackpropState, NetworkParameters},
    units::Units,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

const FIRST: &str = "training.velocity";
const SECOND: &str = "training.second";

/// The part of [`BackpropState`] that is metadata.
#[derive(Serialize, Deserialize)]
struct Header {
    options: BackpropOptions,
    updates: u64,
    examples: usize,
}

pub(super) fn write(network: &Network, file: &mut Writer) {
    let mut units = vec![network.input().to_string()];
    for l in 1..network.n_layers() {
        let weights = Tensor::matrix(network.weights(l - 1));
        file.tensor(format!("weights.{}", l - 1), weights);
        file.vector(format!("bias.{l}"), network.bias(l));
        let kind = network.activation(l).kind();
        units.push(Units::of(kind, network.size(l)).to_string());
    }
    file.metadata("units", units.join(","));
}

pub(super) fn read(reader: &Reader<'_>) -> Result<Network> {
    let units = reader.units()?;
    let mut layers = Vec::new();
    let mut input = Units::default();
    for (l, text) in units.iter().enumerate().skip(1) {
        let weights = reader.matrix(&format!("weights.{}", l - 1), None)?;
        let parse = |text: &str, size: usize| {
            Units::parse(text, size)
                .map_err(|e| Error::file(reader.path, "units that this version knows", e))
        };
        if l == 1 {
            input = parse(units[0], weights.rows())?;
        }
        let own = parse(text, weights.columns())?;
        let activation = match own.segments() {
            [all] => Activation::of(all.kind),
            _ => None,
        };
        let Some(activation) = activation else {
            let expected = "layers above the input of kind bernoulli, gaussian or softmax";
            return Err(Error::file(reader.path, expected, own));
        };
        let bias = reader.vector(&format!("bias.{l}"), weights.columns())?;
        layers.push(NetworkLayer {
            activation,
            weights,
            bias,
        });
    }
    Network::new(input, layers).map_err(|e| reader.no_machine(e))
}

pub(super) fn write_run(state: &BackpropState, file: &mut Writer, path: &Path) -> Result<()> {
    let header = Header {
        options: state.options.clone(),
        updates: state.updates,
        examples: state.examples,
    };
    let json = serde_json::to_string(&header)
        .map_err(|e| Error::file(path, "options that JSON can hold", e))?;
    file.metadata("training", json);
    for (name, parameters) in [(FIRST, &state.first), (SECOND, &state.second)] {
        let Some(parameters) = parameters else {
            continue;
        };
        let all = parameters.weights.iter().zip(&parameters.bias);
        for (l, (weights, bias)) in all.enumerate() {
            file.tensor(format!("{name}.weights.{l}"), Tensor::matrix(weights));
            file.vector(format!("{name}.bias.{}", l + 1), bias);
        }
    }
    Ok(())
}

/// The run of `network` that the file holds, if it holds one.
pub(super) fn read_run(reader: &Reader<'_>, network: &Network) -> Result<Option<BackpropState>> {
    let Some(json) = reader.metadata.get("training") else {
        return Ok(None);
    };
    let header: Header = serde_json::from_str(json)
        .map_err(|e| Error::file(reader.path, "the options of a run in metadata training", e))?;
    let mut state = BackpropState::new(network, header.options, header.examples);
    state.updates = header.updates;
    for (name, parameters) in [(FIRST, &mut state.first), (SECOND, &mut state.second)] {
        if let Some(parameters) = parameters {
            *parameters = read_parameters(reader, name, network)?;
        }
    }
    Ok(Some(state))
}

fn read_parameters(
    reader: &Reader<'_>,
    name: &str,
    network: &Network,
) -> Result<NetworkParameters> {
    let mut parameters = NetworkParameters::default();
    for l in 0..network.n_layers() - 1 {
        let (n, m) = (network.size(l), network.size(l + 1));
        let weights = reader.matrix(&format!("{name}.weights.{l}"), Some((n, m)))?;
        parameters.weights.push(weights);
        let bias = reader.vector(&format!("{name}.bias.{}", l + 1), m)?;
        parameters.bias.push(bias);
    }
    Ok(parameters)
}
