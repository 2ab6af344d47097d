//! Stages of a deep machine's training: metadata `stage`, and of the up-down algorithm the tensors
//! `training.velocity.{generative,recognition}.{weights,bias}.{l}` beside those of the top pair. What pretraining adds is in a file of its own.

use super::{
    pretraining,
    reader::Reader,
    tensor::{Tensor, Writer},
    training,
};
use crate::{
    error::{Error, Result},
    model::{Dbn, Rbm},
    train::{
        GreedyPlan, Optimizer, PairVelocity, PretrainingPlan, UpDownOptions, UpDownState, Velocity,
    },
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where the training of a deep machine stands, unless all layers of a deep Boltzmann machine learn together ([`super::Checkpoint::dbm_training`]).
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Of a deep belief network, layer by layer: the top pair learns, its run is [`super::Checkpoint::training`].
    Greedy(GreedyPlan),
    /// Of a deep belief network, the up-down algorithm.
    UpDown(Box<UpDownState>),
    /// Of a deep Boltzmann machine, RBM upon RBM, with the inputs of inner layers doubled.
    Pretraining {
        /// What is trained.
        plan: PretrainingPlan,
        /// The RBMs so far, lowest first: the last learns, its run is [`super::Checkpoint::training`].
        rbms: Vec<Rbm>,
    },
}

/// The part of [`Stage`] that is metadata.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Header {
    Greedy(GreedyPlan),
    Pretraining {
        plan: PretrainingPlan,
        rbms: usize,
    },
    UpDown {
        options: UpDownOptions,
        updates: u64,
        examples: usize,
    },
}

impl Header {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Option<Self>> {
        let Some(json) = reader.metadata.get("stage") else {
            return Ok(None);
        };
        serde_json::from_str(json)
            .map(Some)
            .map_err(|e| Error::file(reader.path, "a stage of training in metadata stage", e))
    }
}

impl Stage {
    pub(super) fn write(&self, file: &mut Writer, path: &Path) -> Result<()> {
        let header = match self {
            Self::Greedy(plan) => Header::Greedy(plan.clone()),
            Self::Pretraining { plan, rbms } => {
                pretraining::write(rbms, file);
                Header::Pretraining {
                    plan: plan.clone(),
                    rbms: rbms.len(),
                }
            }
            Self::UpDown(state) => {
                for (l, pair) in state.pairs.iter().enumerate() {
                    for (name, velocity) in [
                        ("generative", &pair.generative),
                        ("recognition", &pair.recognition),
                    ] {
                        let [weights, bias] = names(name, l);
                        file.tensor(weights, Tensor::matrix(&velocity.weights));
                        file.vector(bias, &velocity.bias);
                    }
                }
                training::write_parameters(file, &training::FIRST, &state.top.first);
                Header::UpDown {
                    options: state.options.clone(),
                    updates: state.updates,
                    examples: state.examples,
                }
            }
        };
        let json = serde_json::to_string(&header)
            .map_err(|e| Error::file(path, "options that JSON can hold", e))?;
        file.metadata("stage", json);
        Ok(())
    }

    /// The stage of a deep belief network that the file holds, if it holds one.
    pub(super) fn read(reader: &Reader<'_>, dbn: &Dbn) -> Result<Option<Self>> {
        let Some(header) = Header::read(reader)? else {
            return Ok(None);
        };
        Ok(Some(match header {
            Header::Pretraining { .. } => {
                let expected = "a stage of a deep belief network in metadata stage";
                return Err(Error::file(reader.path, expected, "pretraining"));
            }
            Header::Greedy(plan) => Self::Greedy(plan),
            Header::UpDown {
                options,
                updates,
                examples,
            } => {
                let mut pairs = Vec::with_capacity(dbn.directed().len());
                for (l, pair) in dbn.directed().iter().enumerate() {
                    let (n, m) = (pair.below().size(), pair.above().size());
                    let read = |name, senders, receivers| -> Result<Velocity> {
                        let [weights, bias] = names(name, l);
                        Ok(Velocity {
                            weights: reader.matrix(&weights, Some((senders, receivers)))?,
                            bias: reader.vector(&bias, receivers)?,
                        })
                    };
                    pairs.push(PairVelocity {
                        generative: read("generative", m, n)?,
                        recognition: read("recognition", n, m)?,
                    });
                }
                let top = Optimizer {
                    first: training::parameters(reader, &training::FIRST, dbn.top())?,
                    ..Optimizer::new(dbn.top())
                };
                Self::UpDown(Box::new(UpDownState {
                    options,
                    pairs,
                    top,
                    updates,
                    examples,
                }))
            }
        }))
    }
}

fn names(direction: &str, l: usize) -> [String; 2] {
    ["weights", "bias"].map(|part| format!("training.velocity.{direction}.{part}.{l}"))
}
