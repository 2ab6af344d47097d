//! The state of a run: what updates remember, chains, and where the run stands.

use super::{
    reader::Reader,
    snapshots,
    tensor::{Tensor, Writer},
};
use crate::{
    error::{Error, Result},
    model::Rbm,
    states::States,
    train::{Offsets, Optimizer, Options, Parameters, Snapshots, Training},
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Tensors with a number for each parameter: weights, both biases, both log-variances.
pub(super) type Names = [&'static str; 5];
/// The first memory of the optimizer: velocities, of the rule that has them.
pub(super) const FIRST: Names = [
    "training.velocity.weights.0",
    "training.velocity.bias.0",
    "training.velocity.bias.1",
    "training.velocity.log_variance.0",
    "training.velocity.log_variance.1",
];
/// The second memory, of adaptive rules.
const SECOND: Names = [
    "training.second.weights.0",
    "training.second.bias.0",
    "training.second.bias.1",
    "training.second.log_variance.0",
    "training.second.log_variance.1",
];
/// The parameters where learning goes on, if the machine is their average.
const PARAMETERS: Names = [
    "training.parameters.weights.0",
    "training.parameters.bias.0",
    "training.parameters.bias.1",
    "training.parameters.log_variance.0",
    "training.parameters.log_variance.1",
];
/// Fast weights.
const FAST: Names = [
    "training.fast.weights.0",
    "training.fast.bias.0",
    "training.fast.bias.1",
    "training.fast.log_variance.0",
    "training.fast.log_variance.1",
];
const OFFSETS: [&str; 2] = ["training.offset.0", "training.offset.1"];
const ACTIVITY: &str = "training.activity.1";
const CHAINS: &str = "training.chains.1";

/// The state of a run between two updates, apart from the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingState {
    /// Options of the run.
    pub options: Options,
    /// What updates remember.
    pub optimizer: Optimizer,
    /// The parameters where learning goes on, if the machine of the file is their average.
    pub parameters: Option<Parameters>,
    /// Fast weights of [`crate::train::Negative::FastPersistent`].
    pub fast: Option<Parameters>,
    /// Snapshots of the machine, of [`crate::train::Negative::Trajectory`].
    pub snapshots: Option<Snapshots>,
    /// Hidden states of the persistent chains.
    pub chains: Option<States>,
    /// Updates done: with the options and the data, the position of every random choice.
    pub updates: u64,
    /// Examples of the data that the run was on.
    pub examples: usize,
}

/// The part of [`TrainingState`] that is metadata.
#[derive(Serialize, Deserialize)]
struct TrainingHeader {
    options: Options,
    updates: u64,
    examples: usize,
}

impl From<&Training> for TrainingState {
    fn from(training: &Training) -> Self {
        let options = training.options();
        Self {
            options: options.clone(),
            optimizer: training.optimizer().clone(),
            parameters: options.averaging.map(|_| Parameters::of(training.rbm())),
            fast: training.fast_weights().cloned(),
            snapshots: training.snapshots(),
            chains: training.chains().cloned(),
            updates: training.position().updates,
            examples: training.examples(),
        }
    }
}

impl TrainingState {
    pub(super) fn write(&self, file: &mut Writer, path: &Path) -> Result<()> {
        let header = TrainingHeader {
            options: self.options.clone(),
            updates: self.updates,
            examples: self.examples,
        };
        let json = serde_json::to_string(&header)
            .map_err(|e| Error::file(path, "options that JSON can hold", e))?;
        file.metadata("training", json);
        let optimizer = &self.optimizer;
        // The average is the machine itself.
        for (names, parameters) in [
            (&FIRST, Some(&optimizer.first)),
            (&SECOND, optimizer.second.as_ref()),
            (&PARAMETERS, self.parameters.as_ref()),
            (&FAST, self.fast.as_ref()),
        ] {
            if let Some(parameters) = parameters {
                write_parameters(file, names, parameters);
            }
        }
        if let Some(offsets) = &optimizer.offsets {
            file.tensor(OFFSETS[0], Tensor::vector(&offsets.visible));
            file.tensor(OFFSETS[1], Tensor::vector(&offsets.hidden));
        }
        file.vector(ACTIVITY, &optimizer.activity);
        if let Some(snapshots) = &self.snapshots {
            snapshots::write(snapshots, file);
        }
        if let Some(chains) = &self.chains {
            file.tensor(CHAINS, Tensor::states(chains));
        }
        Ok(())
    }

    /// The run of `rbm` that the file holds, if it holds one.
    pub(super) fn read(reader: &Reader<'_>, rbm: &Rbm) -> Result<Option<Self>> {
        let Some(json) = reader.metadata.get("training") else {
            return Ok(None);
        };
        let (n, m) = (rbm.n_visible(), rbm.n_hidden());
        let header: TrainingHeader = serde_json::from_str(json).map_err(|e| {
            Error::file(reader.path, "the options of a run in metadata training", e)
        })?;
        let options = header.options;
        Ok(Some(Self {
            optimizer: Optimizer {
                first: parameters(reader, &FIRST, rbm)?,
                second: match options.optimizer.is_adaptive() {
                    true => Some(parameters(reader, &SECOND, rbm)?),
                    false => None,
                },
                offsets: match options.centering {
                    Some(_) => Some(Offsets {
                        visible: reader.vector(OFFSETS[0], n)?,
                        hidden: reader.vector(OFFSETS[1], m)?,
                    }),
                    None => None,
                },
                activity: match options.sparsity {
                    Some(_) => reader.vector(ACTIVITY, m)?,
                    None => Vec::new(),
                },
                average: options.averaging.map(|_| Parameters::of(rbm)),
            },
            parameters: match options.averaging {
                Some(_) => Some(parameters(reader, &PARAMETERS, rbm)?),
                None => None,
            },
            fast: match reader.has(FAST[0]) {
                true => Some(parameters(reader, &FAST, rbm)?),
                false => None,
            },
            snapshots: snapshots::read(reader, rbm)?,
            chains: reader.states(CHAINS, rbm.hidden())?,
            options,
            updates: header.updates,
            examples: header.examples,
        }))
    }
}

pub(super) fn write_parameters(file: &mut Writer, names: &Names, parameters: &Parameters) {
    file.tensor(names[0], Tensor::matrix(&parameters.weights));
    file.vector(names[1], &parameters.visible);
    file.vector(names[2], &parameters.hidden);
    file.vector(names[3], &parameters.visible_log_variance);
    file.vector(names[4], &parameters.hidden_log_variance);
}

/// One number for each parameter of `rbm`.
pub(super) fn parameters(reader: &Reader<'_>, names: &Names, rbm: &Rbm) -> Result<Parameters> {
    let (n, m) = (rbm.n_visible(), rbm.n_hidden());
    Ok(Parameters {
        weights: reader.matrix(names[0], Some((n, m)))?,
        visible: reader.vector(names[1], n)?,
        hidden: reader.vector(names[2], m)?,
        visible_log_variance: reader.log_variance(names[3], &rbm.visible().units)?,
        hidden_log_variance: reader.log_variance(names[4], &rbm.hidden().units)?,
    })
}
