//! `kind` = `dbm`: `weights.{l}` and `bias.{l}`, layers `0 ..= L`.
//!
//! A run in progress adds, by layer or connection, `training.velocity.weights.{l}`, `training.velocity.bias.{l}`, `training.offset.{l}` if it is centred,
//! `training.activity.{l}` of hidden layers if there are sparsity targets, `training.chains.{l}` of odd layers, and `training.mean_field.{l}` of even hidden layers if mean
//! field starts where it ended before. A label is no hidden layer.

use super::{
    reader::Reader,
    tensor::{Tensor, Writer},
};
use crate::{
    error::{Error, Result},
    matrix::Matrix,
    model::{Dbm, Layer},
    states::States,
    train::{DbmOptimizer, DbmOptions, DbmParameters, DbmTraining},
};
use serde::{Deserialize, Serialize};
use std::{ops::Range, path::Path};

/// The state of a run between two updates, apart from the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct DbmTrainingState {
    /// Options of the run.
    pub options: DbmOptions,
    /// What updates remember.
    pub optimizer: DbmOptimizer,
    /// States of the persistent chains by layer, of the odd ones.
    pub chains: Vec<(usize, States)>,
    /// Where mean field of every example ended, by layer; nothing unless starts are warm.
    pub last_means: Vec<(usize, Matrix)>,
    /// Updates done: with the options and the data, the position of every random choice.
    pub updates: u64,
    /// Examples of the data that the run was on.
    pub examples: usize,
}

/// The part of [`DbmTrainingState`] that is metadata.
#[derive(Serialize, Deserialize)]
struct Header {
    options: DbmOptions,
    updates: u64,
    examples: usize,
}

impl From<&DbmTraining> for DbmTrainingState {
    fn from(training: &DbmTraining) -> Self {
        let own = |(l, states): (usize, &States)| (l, states.clone());
        Self {
            options: training.options().clone(),
            optimizer: training.optimizer().clone(),
            chains: training.chains().map(own).collect(),
            last_means: training
                .last_means()
                .map(|(l, means)| (l, means.clone()))
                .collect(),
            updates: training.position().updates,
            examples: training.examples(),
        }
    }
}

impl DbmTrainingState {
    pub(super) fn write(&self, file: &mut Writer, path: &Path) -> Result<()> {
        let header = Header {
            options: self.options.clone(),
            updates: self.updates,
            examples: self.examples,
        };
        let json = serde_json::to_string(&header)
            .map_err(|e| Error::file(path, "options that JSON can hold", e))?;
        file.metadata("training", json);
        let optimizer = &self.optimizer;
        for (l, w) in optimizer.velocity.weights.iter().enumerate() {
            file.tensor(format!("training.velocity.weights.{l}"), Tensor::matrix(w));
        }
        for (name, vectors, first) in [
            ("velocity.bias", &optimizer.velocity.biases, 0),
            ("offset", &optimizer.offsets, 0),
            ("activity", &optimizer.activity, 1),
        ] {
            for (l, x) in vectors.iter().enumerate() {
                file.vector(format!("training.{name}.{}", first + l), x);
            }
        }
        for (l, states) in &self.chains {
            file.tensor(format!("training.chains.{l}"), Tensor::states(states));
        }
        for (l, means) in &self.last_means {
            file.tensor(format!("training.mean_field.{l}"), Tensor::matrix(means));
        }
        Ok(())
    }

    /// The run of `dbm` that the file holds, if it holds one.
    pub(super) fn read(reader: &Reader<'_>, dbm: &Dbm) -> Result<Option<Self>> {
        let Some(json) = reader.metadata.get("training") else {
            return Ok(None);
        };
        let header: Header = serde_json::from_str(json).map_err(|e| {
            Error::file(reader.path, "the options of a run in metadata training", e)
        })?;
        let (options, n) = (header.options, dbm.n_layers());
        let hidden = dbm.n_hidden_layers();
        let vectors = |name: &str, layers: Range<usize>| -> Result<Vec<Vec<f32>>> {
            layers
                .map(|l| reader.vector(&format!("training.{name}.{l}"), dbm.layer(l).size()))
                .collect()
        };
        let weights = (0..n - 1).map(|l| {
            let shape = (dbm.layer(l).size(), dbm.layer(l + 1).size());
            reader.matrix(&format!("training.velocity.weights.{l}"), Some(shape))
        });
        let mut chains = Vec::new();
        for l in (1..n).step_by(2) {
            let states = reader.states(&format!("training.chains.{l}"), dbm.layer(l))?;
            chains.extend(states.map(|states| (l, states)));
        }
        let mut last_means = Vec::new();
        for l in dbm.unlabelled_hidden_of(0).filter(|_| options.warm_start) {
            let shape = (header.examples, dbm.layer(l).size());
            let name = format!("training.mean_field.{l}");
            last_means.push((l, reader.matrix(&name, Some(shape))?));
        }
        Ok(Some(Self {
            optimizer: DbmOptimizer {
                velocity: DbmParameters {
                    weights: weights.collect::<Result<_>>()?,
                    biases: vectors("velocity.bias", 0..n)?,
                },
                offsets: match options.centering {
                    Some(_) => vectors("offset", 0..n)?,
                    None => Vec::new(),
                },
                activity: match options.sparsity.is_empty() {
                    true => Vec::new(),
                    false => vectors("activity", 1..hidden + 1)?,
                },
            },
            chains,
            last_means,
            options,
            updates: header.updates,
            examples: header.examples,
        }))
    }
}

pub(super) fn write(dbm: &Dbm, file: &mut Writer) {
    for (l, layer) in dbm.layers().iter().enumerate() {
        if l + 1 < dbm.n_layers() {
            file.tensor(format!("weights.{l}"), Tensor::matrix(dbm.weights(l)));
        }
        file.layer(l, layer);
    }
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
    Dbm::new(layers, weights).map_err(|e| reader.no_machine(e))
}
