//! The model file: safetensors with JSON metadata, written whole or not at all.
//!
//! # Contract (version 1)
//! Tensors `weights.{l}` `[n_l x n_{l+1}]` f32 and `bias.{l}` `[n_l]` f32 for every layer `l`, numbered from the visible one. Metadata:
//! `format` = `harmonium`, `version` = `1`, `kind` = the machine, `units` = comma-separated kinds of the layers. A file with exactly
//! these entries loads. `log_variance.{l}` `[n_l]` f32, optional and zero if it is not there, are the log-variances of a layer with Gaussian
//! units. A run in progress adds tensors `training.*` and the metadata `training`; other programs may ignore
//! them. Any further metadata is kept as notes.
//!
//! What each kind of machine adds is told, written and read in a file of its own.

mod atomic;
mod boltzmann;
mod chains;
mod dbm;
mod dbn;
mod network;
mod pretraining;
mod rbm;
mod reader;
mod snapshots;
mod stage;
mod tensor;
mod training;

pub use atomic::write_atomically;
pub use boltzmann::BoltzmannTrainingState;
pub use chains::{load_chains, save_chains};
pub use dbm::DbmTrainingState;
pub use stage::Stage;
pub use training::TrainingState;

use crate::{
    dataset::Examples,
    error::{Error, Result},
    model::{BoltzmannMachine, Dbm, Dbn, Model, Network, Rbm},
    train::{
        Backprop, BackpropState, BoltzmannTraining, DbmTraining, Greedy, Pretraining, Training,
        UpDown,
    },
};
use reader::Reader;
use safetensors::SafeTensors;
use std::{collections::BTreeMap, fs, path::Path};
use tensor::Writer;

const FORMAT: &str = "harmonium";
const VERSION: &str = "1";
/// Metadata keys of the contract and of training; all others are notes.
const OWN_KEYS: [&str; 6] = ["format", "version", "kind", "units", "training", "stage"];

/// A model file in memory.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The machine.
    pub model: Model,
    /// What a run needs to go on, if the file holds it: of the machine if it is an RBM, of its top if it is a deep belief network, of the RBM that learns if it is
    /// a deep Boltzmann machine that is being pretrained.
    pub training: Option<TrainingState>,
    /// Where the training of a deep machine stands, if the file holds it.
    pub stage: Option<Stage>,
    /// What a run of a deep Boltzmann machine needs to go on, if the file holds it.
    pub dbm_training: Option<DbmTrainingState>,
    /// What a run of a general Boltzmann machine needs to go on, if the file holds it.
    pub boltzmann_training: Option<BoltzmannTrainingState>,
    /// What a run of backpropagation needs to go on, if the file holds it.
    pub backprop: Option<BackpropState>,
    /// Free text by key: provenance, data, figures.
    pub notes: BTreeMap<String, String>,
}

impl From<Model> for Checkpoint {
    fn from(model: Model) -> Self {
        Self {
            model,
            training: None,
            stage: None,
            dbm_training: None,
            boltzmann_training: None,
            backprop: None,
            notes: BTreeMap::new(),
        }
    }
}

impl From<Rbm> for Checkpoint {
    fn from(rbm: Rbm) -> Self {
        Model::from(rbm).into()
    }
}

impl From<Dbn> for Checkpoint {
    fn from(dbn: Dbn) -> Self {
        Model::from(dbn).into()
    }
}

impl From<BoltzmannMachine> for Checkpoint {
    fn from(machine: BoltzmannMachine) -> Self {
        Model::from(machine).into()
    }
}

impl From<Dbm> for Checkpoint {
    fn from(dbm: Dbm) -> Self {
        Model::from(dbm).into()
    }
}

impl From<Network> for Checkpoint {
    fn from(network: Network) -> Self {
        Model::from(network).into()
    }
}

impl From<&Backprop> for Checkpoint {
    fn from(run: &Backprop) -> Self {
        Self {
            backprop: Some(run.state().clone()),
            ..run.network().clone().into()
        }
    }
}

impl From<&DbmTraining> for Checkpoint {
    fn from(training: &DbmTraining) -> Self {
        Self {
            dbm_training: Some(training.into()),
            ..training.dbm().clone().into()
        }
    }
}

impl From<&BoltzmannTraining> for Checkpoint {
    fn from(training: &BoltzmannTraining) -> Self {
        Self {
            boltzmann_training: Some(training.into()),
            ..training.machine().clone().into()
        }
    }
}

impl From<&Training> for Checkpoint {
    fn from(training: &Training) -> Self {
        Self {
            training: Some(training.into()),
            ..training.averaged().into()
        }
    }
}

impl From<&UpDown> for Checkpoint {
    fn from(run: &UpDown) -> Self {
        Self {
            stage: Some(Stage::UpDown(Box::new(run.state().clone()))),
            ..run.dbn().clone().into()
        }
    }
}

impl Checkpoint {
    /// The network of a greedy run as it is now, with all that the run needs to go on.
    ///
    /// # Errors
    /// As [`Greedy::dbn`].
    pub fn of_greedy(run: &Greedy) -> Result<Self> {
        Ok(Self {
            training: Some(run.training().into()),
            stage: Some(Stage::Greedy(run.plan().clone())),
            ..run.dbn()?.into()
        })
    }

    /// The greedy run that the file was written in the midst of, ready to go on.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the file holds no such run, [`Error::Shape`] if `data` is not of the size that the run was on; else as
    /// [`Greedy::resumed`].
    pub fn into_greedy(mut self, data: &Examples) -> Result<Greedy> {
        let (Some(Stage::Greedy(plan)), Some(state)) = (self.stage.take(), &self.training) else {
            let found = "none";
            return Err(Error::parameter(
                "model file",
                "a greedy run in progress",
                found,
            ));
        };
        if data.len() != state.examples {
            return Err(Error::shape(
                "examples of the data",
                state.examples,
                data.len(),
            ));
        }
        let dbn = self.model.into_dbn()?;
        let top = dbn.top().clone();
        let run = Self {
            training: self.training,
            ..top.into()
        };
        let below = dbn.without_top()?;
        Greedy::resumed(plan, below, data, |start| run.into_fed_training(start))
    }

    /// The machine of the RBMs that a run of pretraining has so far, with all that the run needs to go on.
    ///
    /// # Errors
    /// As [`Pretraining::dbm`].
    pub fn of_pretraining(run: &Pretraining) -> Result<Self> {
        Ok(Self {
            training: Some(run.training().into()),
            stage: Some(Stage::Pretraining {
                plan: run.plan().clone(),
                rbms: run.rbms(),
            }),
            ..run.dbm()?.into()
        })
    }

    /// The run of pretraining that the file was written in the midst of, ready to go on. Computes what the RBM that learns sees.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the file holds no such run, [`Error::Shape`] if `data` is not of the size that the run was on; else as
    /// [`Pretraining::resumed`].
    pub fn into_pretraining(self, data: &Examples) -> Result<Pretraining> {
        let (Some(Stage::Pretraining { plan, mut rbms }), Some(state)) =
            (self.stage, self.training)
        else {
            let expected = "a run of pretraining in progress";
            return Err(Error::parameter("model file", expected, "none"));
        };
        if data.len() != state.examples {
            let (expected, found) = (state.examples, data.len());
            return Err(Error::shape("examples of the data", expected, found));
        }
        let Some(learning) = rbms.pop() else {
            return Err(Error::parameter("RBMs of pretraining", "at least 1", 0));
        };
        let run = Self {
            training: Some(state),
            ..learning.into()
        };
        Pretraining::resumed(plan, rbms, data, |seen| run.into_training(seen))
    }

    /// The run of the up-down algorithm that the file was written in the midst of, ready to go on.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the file holds no such run; else as [`UpDown::resumed`].
    pub fn into_up_down(self, data: &Examples) -> Result<UpDown> {
        let Some(Stage::UpDown(state)) = self.stage else {
            let expected = "a run of the up-down algorithm in progress";
            return Err(Error::parameter("model file", expected, "none"));
        };
        UpDown::resumed(self.model.into_dbn()?, *state, data)
    }

    /// The run of backpropagation that the file was written in the midst of, ready to go on.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the file holds no such run; else as [`Backprop::resumed`].
    pub fn into_backprop(self, data: &Examples) -> Result<Backprop> {
        let Some(state) = self.backprop else {
            let expected = "a run of backpropagation in progress";
            return Err(Error::parameter("model file", expected, "none"));
        };
        Backprop::resumed(self.model.into_network()?, state, data)
    }

    /// The machine of a file of kind `rbm`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if it is of another kind.
    pub fn rbm(&self) -> Result<&Rbm> {
        self.model.rbm()
    }

    /// The machine of a file of kind `rbm`.
    ///
    /// # Errors
    /// As [`Self::rbm`].
    pub fn into_rbm(self) -> Result<Rbm> {
        self.model.into_rbm()
    }

    /// The run that the file was written in the midst of, ready to go on.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the file holds no run or is not of kind `rbm`, [`Error::Shape`] if `data` is not of the size that the run was on; else as
    /// [`Training::resumed`].
    pub fn into_training(self, data: &Examples) -> Result<Training> {
        if let Some(state) = &self.training
            && data.len() != state.examples
        {
            return Err(Error::shape(
                "examples of the data",
                state.examples,
                data.len(),
            ));
        }
        self.into_fed_training(data)
    }

    /// The run of a deep Boltzmann machine that the file was written in the midst of, ready to go on.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the file holds no run or is not of kind `dbm`; as [`DbmTraining::resumed`], and [`Error::Shape`] if `data` is not of the size
    /// that the run was on.
    pub fn into_dbm_training(self, data: &Examples) -> Result<DbmTraining> {
        let dbm = self.model.into_dbm()?;
        let Some(state) = self.dbm_training else {
            let expected = "a run in progress";
            return Err(Error::parameter("model file", expected, "a finished model"));
        };
        if data.len() != state.examples {
            let (expected, found) = (state.examples, data.len());
            return Err(Error::shape("examples of the data", expected, found));
        }
        DbmTraining::resumed(
            dbm,
            state.options,
            data,
            state.optimizer,
            state.chains,
            state.last_means,
            state.updates,
        )
    }

    /// The run of a general Boltzmann machine that the file was written in the midst of, ready to go on.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the file holds no run or is not of kind `boltzmann`; else as [`BoltzmannTraining::resumed`].
    pub fn into_boltzmann_training(self, data: &Examples) -> Result<BoltzmannTraining> {
        let machine = self.model.into_boltzmann()?;
        let Some(run) = self.boltzmann_training else {
            let expected = "a run in progress";
            return Err(Error::parameter("model file", expected, "a finished model"));
        };
        BoltzmannTraining::resumed(machine, run.options, data, run.state)
    }

    /// As [`Self::into_training`], for a run that is fed: `start` is what it was started with, see [`Training::fed`].
    ///
    /// # Errors
    /// As [`Training::resumed`]; [`Error::Parameter`] if the file holds no run or is not of kind `rbm`.
    pub fn into_fed_training(self, start: &Examples) -> Result<Training> {
        let Some(state) = self.training else {
            return Err(Error::parameter(
                "model file",
                "a run in progress",
                "a finished model",
            ));
        };
        let mut rbm = self.model.into_rbm()?;
        if let Some(parameters) = &state.parameters {
            rbm = parameters.placed_in(&rbm);
        }
        let examples = state.examples;
        let mut training = Training::resumed(
            rbm,
            state.options,
            start,
            state.optimizer,
            state.chains,
            state.updates,
        )?;
        training.set_fast_weights(state.fast)?;
        training.set_snapshots(state.snapshots.as_ref())?;
        Ok(training.fed(examples))
    }

    /// Writes the file under a temporary name beside `path`, then renames it: a reader sees the old file or the new one.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        write_atomically(path, &self.to_bytes(path)?)
    }

    fn to_bytes(&self, path: &Path) -> Result<Vec<u8>> {
        let mut file = Writer::default();
        for (key, value) in &self.notes {
            file.metadata(key, value);
        }
        file.metadata("format", FORMAT);
        file.metadata("version", VERSION);
        file.metadata("kind", self.model.kind());
        match &self.model {
            Model::Rbm(rbm) => rbm::write(rbm, &mut file),
            Model::Dbn(dbn) => dbn::write(dbn, &mut file),
            Model::Boltzmann(machine) => boltzmann::write(machine, &mut file),
            Model::Dbm(dbm) => dbm::write(dbm, &mut file),
            Model::Network(network) => network::write(network, &mut file),
        }
        if let Some(state) = &self.backprop {
            network::write_run(state, &mut file, path)?;
        }
        if let Some(state) = &self.dbm_training {
            state.write(&mut file, path)?;
        }
        if let Some(state) = &self.boltzmann_training {
            state.write(&mut file, path)?;
        }
        if let Some(state) = &self.training {
            state.write(&mut file, path)?;
        }
        if let Some(stage) = &self.stage {
            stage.write(&mut file, path)?;
        }
        file.into_bytes(path)
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::File`] if it is foreign, truncated, of another version or kind, or its tensors
    /// are missing, of the wrong type or shape, or not finite.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|e| Error::io(path, "read the model file", e))?;
        Self::from_bytes(&bytes, path)
    }

    fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let foreign =
            |e: &dyn std::fmt::Display| Error::file(path, "a model file (safetensors)", e);
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| foreign(&e))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| foreign(&e))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let kinds = Model::KINDS.map(|kind| format!("\"{kind}\"")).join(" or ");
        for (key, expected, fits) in [
            ("format", format!("\"{FORMAT}\""), &[FORMAT][..]),
            ("version", format!("\"{VERSION}\""), &[VERSION]),
            ("kind", kinds, &Model::KINDS),
        ] {
            match metadata.get(key) {
                Some(value) if fits.contains(&value.as_str()) => {}
                Some(value) => {
                    let expected = format!("{key} {expected}");
                    return Err(Error::file(path, expected, format!("\"{value}\"")));
                }
                None => {
                    let expected = format!("metadata {key} = {expected}");
                    return Err(Error::file(path, expected, "no such entry"));
                }
            }
        }
        let reader = Reader {
            tensors: &tensors,
            metadata: &metadata,
            path,
        };
        let model: Model = match metadata["kind"].as_str() {
            "rbm" => rbm::read(&reader)?.into(),
            "dbn" => dbn::read(&reader)?.into(),
            "dbm" => dbm::read(&reader)?.into(),
            "network" => network::read(&reader)?.into(),
            _ => boltzmann::read(&reader)?.into(),
        };
        let (mut training, mut stage) = (None, None);
        let (mut dbm_training, mut boltzmann_training, mut backprop) = (None, None, None);
        match &model {
            Model::Rbm(rbm) => training = TrainingState::read(&reader, rbm)?,
            Model::Dbn(dbn) => {
                training = TrainingState::read(&reader, dbn.top())?;
                stage = Stage::read(&reader, dbn)?;
            }
            Model::Dbm(dbm) => match pretraining::read(&reader)? {
                Some((plan, rbms)) => {
                    training = TrainingState::read(&reader, &rbms[rbms.len() - 1])?;
                    stage = Some(Stage::Pretraining { plan, rbms });
                }
                None => dbm_training = DbmTrainingState::read(&reader, dbm)?,
            },
            Model::Boltzmann(machine) => {
                boltzmann_training = BoltzmannTrainingState::read(&reader, machine)?;
            }
            Model::Network(network) => backprop = network::read_run(&reader, network)?,
        }
        let notes = metadata
            .into_iter()
            .filter(|(k, _)| !OWN_KEYS.contains(&k.as_str()))
            .collect();
        Ok(Self {
            model,
            training,
            stage,
            dbm_training,
            boltzmann_training,
            backprop,
            notes,
        })
    }
}
