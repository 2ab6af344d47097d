//! `kind` = `network`: `weights.{l}` `[n_l x n_{l+1}]`, and `bias.{l}` `[n_l]` of every layer but
//! the input, `l >= 1`.
//!
//! `units` names the kinds whose means are the values of each layer: `bernoulli` for logistic
//! layers, `gaussian` for linear ones, `softmax` for a softmax output; of the input those of the
//! data.
//!
//! A run in progress adds `training.velocity.weights.{l}`, `training.velocity.bias.{l}` if its rule
//! has a memory, and the same of `training.second` if the rule is adaptive.

use super::{reader::Reader, tensor::Writer};
use crate::{
    error::{Error, Result},
    model::{Activation, Network, NetworkLayer},
    units::Units,
};

pub(super) fn write(network: &Network, file: &mut Writer<'_>) {
    let mut units = vec![network.input().to_string()];
    for l in 1..network.n_layers() {
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
