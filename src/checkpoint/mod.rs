//! The model file: safetensors with JSON metadata, written whole or not at all.
//!
//! # Contract (version 1)
//! Tensors `weights.{l}` `[n_l x n_{l+1}]` f32 and `bias.{l}` `[n_l]` f32 for every layer `l`,
//! numbered from the visible one; parameters of f64 are rounded, of which a note tells. Metadata:
//! `format` = `harmonium`, `version` = `1`, `kind` = the machine, `units` = comma-separated kinds
//! of the layers. A file with exactly these entries loads. `log_variance.{l}` `[n_l]` f32, optional
//! and zero if it is not there, are the log-variances of a layer with Gaussian units. The metadata
//! `encoding`, optional JSON, tells what the columns of data are as visible units ([`Encoding`]). A
//! run in progress adds tensors `training.*` and the metadata `training`; other programs may ignore
//! them. Any further metadata is kept as notes.
//!
//! What each kind of machine adds is told, written and read in a file of its own.
//!
//! # Other programs
//! They write a file of this contract, or give arrays: machines are made of parameters, tell them
//! by their names in the file, and [`Checkpoint::import`] reads files of some other programs.
//!
//! ```
//! use harmonium::{Checkpoint, Matrix, Rbm};
//! // `W` of another program is [n_hidden x n_visible], row by row.
//! let w = Matrix::from_slice(&[0.5, -0.5, 1.0, 0.0, 0.25, -1.0], 2, 3)?;
//! let rbm = Rbm::from_parameters([vec![0.1, 0.2, 0.3], vec![0.0, -0.1]], [w.transposed()])?;
//!
//! let weights = &rbm.parameters()["weights.0"];
//! assert_eq!((&weights.shape[..], weights.values[1]), (&[3, 2][..], 0.0));
//! let bytes = Checkpoint::from(rbm.clone()).to_bytes()?; // those of Checkpoint::save
//! assert_eq!(Checkpoint::from_bytes(&bytes)?.into_rbm()?, rbm);
//! # Ok::<(), harmonium::Error>(())
//! ```

mod atomic;
mod boltzmann;
mod chains;
mod dbm;
mod dbn;
mod foreign;
mod limits;
mod network;
mod pretraining;
mod rbm;
mod reader;
mod run;
mod tensor;

pub use atomic::{remove_strays, write_atomically};
pub use chains::{load_chains, save_chains};
pub use foreign::CONVERTED;
pub use run::{SavedRun, StoredLearner};

use crate::{
    dataset::{Encoding, Examples},
    error::{Error, Result},
    model::{BoltzmannMachine, Dbm, Dbn, Model, Network, Rbm},
    tensor::Saved,
    train::{Resumed, Run, RunState, Stack},
};
use reader::{Reader, opened};
use std::{collections::BTreeMap, fs, path::Path};
use tensor::Writer;

const FORMAT: &str = "harmonium";
const VERSION: &str = "1";
/// What a file holds that holds no run.
const FINISHED: &str = "a finished model";
/// Stands for the path of a file that is none.
const IN_MEMORY: &str = "the model in memory";
/// Metadata keys of the contract and of training; all others are notes.
const OWN_KEYS: [&str; 7] = [
    "format", "version", "kind", "units", "training", "stage", ENCODING,
];
/// Key of what columns of data are as units.
const ENCODING: &str = "encoding";

/// Key of the note that parameters were rounded as the file was read.
pub const ROUNDED: &str = "rounded";

/// A model file in memory.
///
/// ```
/// use harmonium::{Checkpoint, Dataset, Rbm};
/// let data = Dataset::open("data/mnist")?;
/// let mut file = Checkpoint::from(Rbm::bernoulli(&[784, 20])?.initialized_from(&data.train, 1)?);
/// file.encoding = Some(data.encoding); // what the columns are; without it the file does not tell
/// # let path = std::env::temp_dir().join(format!("harmonium-doc-{}", std::process::id()));
/// file.save(&path)?;
///
/// let file = Checkpoint::load(&path)?;
/// # std::fs::remove_file(&path).unwrap();
/// let encoding = file.encoding.clone().expect("it was stored");
/// let rbm = file.into_rbm()?;
/// assert_eq!(encoding.shape(), [28, 28]);
/// # assert_eq!(rbm.n_hidden(), 20);
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The machine.
    pub model: Model,
    /// What the run that the file was written in the midst of needs to go on, if it holds one.
    pub run: Option<SavedRun>,
    /// What the columns of its data are as visible units, if that is known.
    pub encoding: Option<Encoding>,
    /// Free text by key: provenance, data, figures.
    pub notes: BTreeMap<String, String>,
}

impl<M: Into<Model>> From<M> for Checkpoint {
    fn from(model: M) -> Self {
        Self {
            model: model.into(),
            run: None,
            encoding: None,
            notes: BTreeMap::new(),
        }
    }
}

impl<L: StoredLearner> From<&Run<L>> for Checkpoint {
    /// The result of the run as it is now, with all that the run needs to go on.
    fn from(run: &Run<L>) -> Self {
        Self {
            model: run.result().into_owned().into(),
            run: Some(L::saved(run.state())),
            encoding: None,
            notes: BTreeMap::new(),
        }
    }
}

impl Checkpoint {
    /// The machine of the layers that a stack has so far, with all that its run needs to go on.
    ///
    /// # Errors
    /// Where they do not make a machine together.
    pub fn of_stack(stack: &Stack) -> Result<Self> {
        let top = stack.training().state();
        let run = match (stack.greedy_plan(), stack.pretraining_plan()) {
            (Some(plan), _) => SavedRun::Greedy {
                plan: plan.clone(),
                top,
            },
            (None, Some(plan)) => SavedRun::Pretraining {
                plan: plan.clone(),
                rbms: stack.rbms(),
                top,
            },
            (None, None) => SavedRun::Rbm(top),
        };
        Ok(Self {
            run: Some(run),
            ..stack.model()?.into()
        })
    }

    /// The run that the file was written in the midst of, ready to go on on `data`, those that it
    /// was on.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the file holds no run, or one of another family; as
    /// [`Run::resumed`].
    pub fn into_run<L: StoredLearner>(self, data: &Examples) -> Result<Run<L>> {
        let (machine, state) = self.into_state::<L>()?;
        Run::resumed(machine, state, data)
    }

    /// As [`Self::into_run`], of a run that is [fed](Run::fed): `start` is what it was started
    /// with.
    ///
    /// # Errors
    /// As [`Self::into_run`] and [`Run::resumed_fed`].
    pub fn into_fed_run<L: StoredLearner>(self, start: &Examples) -> Result<Run<L>> {
        let (machine, state) = self.into_state::<L>()?;
        Run::resumed_fed(machine, state, start)
    }

    fn into_state<L: StoredLearner>(self) -> Result<(L::Model, RunState<L::Options>)> {
        let Some(run) = self.run else {
            return Err(Error::parameter(
                "model file",
                "a run in progress",
                FINISHED,
            ));
        };
        let found = run.name();
        let Some(state) = L::state(run) else {
            let expected = format!("a run in progress: {}", L::RUN);
            return Err(Error::parameter("model file", expected, found));
        };
        Ok((L::machine(self.model)?, state))
    }

    /// The stack that the file was written in the midst of, ready to go on on `data`, those that it
    /// was on.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the file holds no run, or one of a machine as a whole;
    /// [`Error::Shape`] where the parts or the data disagree; as [`Run::resumed`].
    pub fn into_stack(self, data: &Examples) -> Result<Stack> {
        self.stack(Resumed {
            data,
            is_fed: false,
        })
    }

    /// As [`Self::into_stack`], of a stack that is [fed](Stack::fed): `start` is what it was
    /// started with.
    ///
    /// # Errors
    /// As [`Self::into_stack`].
    pub fn into_fed_stack(self, start: &Examples) -> Result<Stack> {
        self.stack(Resumed {
            data: start,
            is_fed: true,
        })
    }

    fn stack(self, from: Resumed<'_>) -> Result<Stack> {
        match self.run {
            Some(SavedRun::Greedy { plan, top }) => {
                let dbn = self.model.into_dbn()?;
                let machine = dbn.top().clone();
                Stack::resumed_greedy(plan, dbn.without_top()?, (machine, top), from)
            }
            Some(SavedRun::Pretraining {
                plan,
                mut rbms,
                top,
            }) => {
                let Some(machine) = rbms.pop() else {
                    return Err(Error::parameter("RBMs of pretraining", "at least 1", 0));
                };
                Stack::resumed_pretraining(plan, rbms, (machine, top), from)
            }
            run => {
                let found = run.map_or(FINISHED, |run| run.name());
                let expected = "a run in progress, greedy or of pretraining";
                Err(Error::parameter("model file", expected, found))
            }
        }
    }

    /// The machine of a file of kind `rbm`; [`Self::model`] lends it.
    ///
    /// # Errors
    /// [`Error::Parameter`] if it is of another kind; so for those that follow.
    pub fn into_rbm(self) -> Result<Rbm> {
        self.model.into_rbm()
    }

    /// That of a file of kind `dbn`.
    ///
    /// # Errors
    /// As [`Self::into_rbm`].
    pub fn into_dbn(self) -> Result<Dbn> {
        self.model.into_dbn()
    }

    /// That of a file of kind `dbm`.
    ///
    /// # Errors
    /// As [`Self::into_rbm`].
    pub fn into_dbm(self) -> Result<Dbm> {
        self.model.into_dbm()
    }

    /// That of a file of kind `boltzmann`.
    ///
    /// # Errors
    /// As [`Self::into_rbm`].
    pub fn into_boltzmann(self) -> Result<BoltzmannMachine> {
        self.model.into_boltzmann()
    }

    /// That of a file of kind `network`.
    ///
    /// # Errors
    /// As [`Self::into_rbm`].
    pub fn into_network(self) -> Result<Network> {
        self.model.into_network()
    }

    /// Writes the file under a temporary name beside `path`, then renames it: a reader sees the old
    /// file or the new one.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        write_atomically(path, &self.bytes(path)?)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// [`Error::File`] for what the format cannot hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.bytes(Path::new(IN_MEMORY))
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>> {
        if let Model::Rbm(rbm) = &self.model
            && let Some(length) = rbm.visible().length
        {
            let expected = "one without a length: a file does not hold it";
            return Err(Error::parameter(
                "machine of counts to store",
                expected,
                length,
            ));
        }
        let mut file = Writer::new(path);
        for (key, value) in &self.notes {
            file.metadata(key, value);
        }
        file.metadata("format", FORMAT);
        file.metadata("version", VERSION);
        file.metadata("kind", self.model.kind());
        if let Some(encoding) = &self.encoding {
            file.metadata(ENCODING, encoding.to_json());
        }
        self.write_model(&mut file);
        if let Some(run) = &self.run {
            run.write(&mut file)?;
        }
        file.into_bytes()
    }

    fn write_model(&self, file: &mut Writer<'_>) {
        self.model.named().visit(&mut |name, x| {
            if !dbn::goes_without_saying(&self.model, &name) {
                file.tensor(name, x);
            }
        });
        match &self.model {
            Model::Rbm(rbm) => rbm::write(rbm, file),
            Model::Dbn(dbn) => dbn::write(dbn, file),
            Model::Boltzmann(machine) => boltzmann::write(machine, file),
            Model::Dbm(dbm) => dbm::write(dbm, file),
            Model::Network(network) => network::write(network, file),
        }
    }

    /// The tensors of the model as its file holds them, copied: its parameters
    /// ([`Model::parameters`]) but for those that follow from others, and the mask of which pairs
    /// are coupled; without those of a run.
    pub fn tensors(&self) -> Saved {
        let mut file = Writer::new(Path::new(IN_MEMORY));
        self.write_model(&mut file);
        file.into_tensors()
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::File`] if it is foreign, truncated, of another
    /// version or kind, or its tensors are missing, of the wrong type or shape, or not finite.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|e| Error::io(path, "read the model file", e))?;
        Self::parsed(&bytes, path)
    }

    /// The model file of these bytes.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::parsed(bytes, Path::new(IN_MEMORY))
    }

    fn parsed(bytes: &[u8], path: &Path) -> Result<Self> {
        let (tensors, metadata) = opened(bytes, path, "a model file")?;
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
        let reader = Reader::new(&tensors, &metadata, path);
        let model: Model = match metadata["kind"].as_str() {
            "rbm" => rbm::read(&reader)?.into(),
            "dbn" => dbn::read(&reader)?.into(),
            "dbm" => dbm::read(&reader)?.into(),
            "network" => network::read(&reader)?.into(),
            _ => boltzmann::read(&reader)?.into(),
        };
        let run = SavedRun::read(&reader, &model)?;
        let encoding = metadata.get(ENCODING).map(|text| Encoding::from_json(text));
        let encoding = encoding
            .transpose()
            .map_err(|e| Error::file(path, "metadata encoding as of this version", e))?;
        let rounded = reader.rounded.get();
        let mut notes: BTreeMap<String, String> = metadata
            .into_iter()
            .filter(|(k, _)| !OWN_KEYS.contains(&k.as_str()))
            .collect();
        if rounded {
            let what = "parameters of double precision, to single precision";
            notes.insert(ROUNDED.into(), what.into());
        }
        Ok(Self {
            model,
            run,
            encoding,
            notes,
        })
    }
}
