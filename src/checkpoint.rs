//! The model file: safetensors with JSON metadata, written whole or not at all.
//!
//! # Contract (version 1)
//! Tensors `weights.{l}` `[n_l x n_{l+1}]` f32 and `bias.{l}` `[n_l]` f32 for every layer `l`, numbered from the visible one. Metadata:
//! `format` = `harmonium`, `version` = `1`, `kind` = `rbm`, `units` = comma-separated kinds of the layers. A file with exactly
//! these entries loads. `log_variance.{l}` `[n_l]` f32, optional and zero if it is not there, are the log-variances of a layer with Gaussian
//! units. A run in progress adds tensors `training.*` and the metadata `training`; other programs may ignore
//! them. Any further metadata is kept as notes.

mod snapshots;

use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::{Kind, Layer, Rbm, States, Units},
    train::{Offsets, Optimizer, Options, Parameters, Snapshots, Training},
};
use safetensors::{Dtype, SafeTensors, View, tensor::serialize};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

const FORMAT: &str = "harmonium";
const VERSION: &str = "1";
/// Metadata keys of the contract and of training; all others are notes.
const OWN_KEYS: [&str; 5] = ["format", "version", "kind", "units", "training"];

/// Tensors with a number for each parameter: weights, both biases, both log-variances.
type Names = [&'static str; 5];
/// The first memory of the optimizer: velocities, of the rule that has them.
const FIRST: Names = [
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

/// A model file in memory.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The machine.
    pub rbm: Rbm,
    /// What a run needs to go on, if the file holds it.
    pub training: Option<TrainingState>,
    /// Free text by key: provenance, data, figures.
    pub notes: BTreeMap<String, String>,
}

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

/// One tensor to be written.
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Tensor {
    fn floats(shape: Vec<usize>, x: impl Iterator<Item = f32>) -> Self {
        Self {
            dtype: Dtype::F32,
            shape,
            bytes: x.flat_map(f32::to_le_bytes).collect(),
        }
    }
    fn vector(x: &[f32]) -> Self {
        Self::floats(vec![x.len()], x.iter().copied())
    }
    fn matrix(x: &Matrix) -> Self {
        Self::floats(vec![x.rows(), x.columns()], x.elements())
    }
    fn states(x: &States) -> Self {
        match x {
            States::Bits(x) => Self::bits(x),
            States::Real(x) => Self::matrix(x),
        }
    }
    fn bits(x: &BitMatrix) -> Self {
        let bytes =
            (0..x.rows()).flat_map(|i| (0..x.columns()).map(move |j| u8::from(x.get(i, j))));
        Self {
            dtype: Dtype::U8,
            shape: vec![x.rows(), x.columns()],
            bytes: bytes.collect(),
        }
    }
}

impl From<Rbm> for Checkpoint {
    fn from(rbm: Rbm) -> Self {
        Self {
            rbm,
            training: None,
            notes: BTreeMap::new(),
        }
    }
}

impl From<&Training> for Checkpoint {
    fn from(training: &Training) -> Self {
        let options = training.options();
        let state = TrainingState {
            options: options.clone(),
            optimizer: training.optimizer().clone(),
            parameters: options.averaging.map(|_| Parameters::of(training.rbm())),
            fast: training.fast_weights().cloned(),
            snapshots: training.snapshots(),
            chains: training.chains().cloned(),
            updates: training.position().updates,
            examples: training.examples(),
        };
        Self {
            training: Some(state),
            ..training.averaged().into()
        }
    }
}

impl Checkpoint {
    /// The run that the file was written in the midst of, ready to go on.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the file holds no run, [`Error::Shape`] if `data` is not of the size that the run was on; else as
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

    /// As [`Self::into_training`], for a run that is fed: `start` is what it was started with, see [`Training::fed`].
    ///
    /// # Errors
    /// As [`Training::resumed`]; [`Error::Parameter`] if the file holds no run.
    pub fn into_fed_training(self, start: &Examples) -> Result<Training> {
        let Some(state) = self.training else {
            return Err(Error::parameter(
                "model file",
                "a run in progress",
                "a finished model",
            ));
        };
        let rbm = match &state.parameters {
            Some(parameters) => parameters.placed_in(&self.rbm),
            None => self.rbm,
        };
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
        let rbm = &self.rbm;
        let mut tensors = vec![
            ("weights.0", Tensor::matrix(rbm.weights())),
            ("bias.0", Tensor::vector(&rbm.visible().bias)),
            ("bias.1", Tensor::vector(&rbm.hidden().bias)),
        ];
        let mut variances = |name, x: &[f32]| {
            if !x.is_empty() {
                tensors.push((name, Tensor::vector(x)));
            }
        };
        variances("log_variance.0", &rbm.visible().log_variance);
        variances("log_variance.1", &rbm.hidden().log_variance);
        let mut metadata: HashMap<String, String> = self
            .notes
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let mut own = |key: &str, value: String| metadata.insert(key.to_owned(), value);
        own("format", FORMAT.into());
        own("version", VERSION.into());
        own("kind", "rbm".into());
        own(
            "units",
            format!("{},{}", rbm.visible().units, rbm.hidden().units),
        );
        if let Some(state) = &self.training {
            let header = TrainingHeader {
                options: state.options.clone(),
                updates: state.updates,
                examples: state.examples,
            };
            let json = serde_json::to_string(&header)
                .map_err(|e| Error::file(path, "options that JSON can hold", e))?;
            own("training", json);
            let optimizer = &state.optimizer;
            // The average is the machine itself.
            for (names, parameters) in [
                (&FIRST, Some(&optimizer.first)),
                (&SECOND, optimizer.second.as_ref()),
                (&PARAMETERS, state.parameters.as_ref()),
                (&FAST, state.fast.as_ref()),
            ] {
                if let Some(parameters) = parameters {
                    tensors.push((names[0], Tensor::matrix(&parameters.weights)));
                    for (name, x) in names[1..].iter().zip([
                        &parameters.visible,
                        &parameters.hidden,
                        &parameters.visible_log_variance,
                        &parameters.hidden_log_variance,
                    ]) {
                        if !x.is_empty() {
                            tensors.push((name, Tensor::vector(x)));
                        }
                    }
                }
            }
            if let Some(offsets) = &optimizer.offsets {
                tensors.push((OFFSETS[0], Tensor::vector(&offsets.visible)));
                tensors.push((OFFSETS[1], Tensor::vector(&offsets.hidden)));
            }
            if !optimizer.activity.is_empty() {
                tensors.push((ACTIVITY, Tensor::vector(&optimizer.activity)));
            }
            if let Some(snapshots) = &state.snapshots {
                tensors.extend(snapshots::tensors(snapshots));
            }
            if let Some(chains) = &state.chains {
                tensors.push(("training.chains.1", Tensor::states(chains)));
            }
        }
        serialize(tensors, Some(metadata))
            .map_err(|e| Error::file(path, "tensors that safetensors can hold", e))
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
        for (key, expected) in [("format", FORMAT), ("version", VERSION), ("kind", "rbm")] {
            match metadata.get(key) {
                Some(value) if value == expected => {}
                Some(value) => {
                    return Err(Error::file(
                        path,
                        format!("{key} \"{expected}\""),
                        format!("\"{value}\""),
                    ));
                }
                None => {
                    return Err(Error::file(
                        path,
                        format!("metadata {key} = \"{expected}\""),
                        "no such entry",
                    ));
                }
            }
        }
        let reader = Reader {
            tensors: &tensors,
            path,
        };
        let weights = reader.matrix("weights.0", None)?;
        let (n, m) = (weights.rows(), weights.columns());
        let visible = reader.vector("bias.0", n)?;
        let hidden = reader.vector("bias.1", m)?;
        let units = metadata
            .get("units")
            .ok_or_else(|| Error::file(path, "metadata units", "no such entry"))?;
        let kinds: Vec<_> = units.split(',').collect();
        if kinds.len() != 2 {
            return Err(Error::file(
                path,
                "units of 2 layers",
                format!("\"{units}\""),
            ));
        }
        let mut layers = Vec::with_capacity(2);
        for (l, (kind, bias)) in kinds.into_iter().zip([visible, hidden]).enumerate() {
            let size = bias.len();
            let units = Units::parse(kind, size)
                .map_err(|e| Error::file(path, "units that this version knows", e))?;
            let log_variance = reader.log_variance(&format!("log_variance.{l}"), &units)?;
            layers.push(Layer {
                units,
                bias,
                log_variance,
            });
        }
        let hidden = layers.pop().unwrap_or_default();
        let visible = layers.pop().unwrap_or_default();
        let rbm = Rbm::from_layers(visible, hidden, weights).map_err(|e| {
            let finite = matches!(e, Error::NotFinite { .. });
            let expected = if finite {
                "finite parameters"
            } else {
                "parameters of a machine"
            };
            Error::file(path, expected, e)
        })?;
        let training = match metadata.get("training") {
            None => None,
            Some(json) => {
                let header: TrainingHeader = serde_json::from_str(json).map_err(|e| {
                    Error::file(path, "the options of a run in metadata training", e)
                })?;
                Some(TrainingState {
                    optimizer: Optimizer {
                        first: reader.parameters(&FIRST, &rbm)?,
                        second: match header.options.optimizer.is_adaptive() {
                            true => Some(reader.parameters(&SECOND, &rbm)?),
                            false => None,
                        },
                        offsets: match header.options.centering {
                            Some(_) => Some(Offsets {
                                visible: reader.vector(OFFSETS[0], n)?,
                                hidden: reader.vector(OFFSETS[1], m)?,
                            }),
                            None => None,
                        },
                        activity: match header.options.sparsity {
                            Some(_) => reader.vector(ACTIVITY, m)?,
                            None => Vec::new(),
                        },
                        average: header.options.averaging.map(|_| Parameters::of(&rbm)),
                    },
                    parameters: match header.options.averaging {
                        Some(_) => Some(reader.parameters(&PARAMETERS, &rbm)?),
                        None => None,
                    },
                    fast: reader.fast(&rbm)?,
                    snapshots: snapshots::read(&reader, &rbm)?,
                    chains: reader.states("training.chains.1", rbm.hidden())?,
                    options: header.options,
                    updates: header.updates,
                    examples: header.examples,
                })
            }
        };
        let notes = metadata
            .into_iter()
            .filter(|(k, _)| !OWN_KEYS.contains(&k.as_str()))
            .collect();
        Ok(Self {
            rbm,
            training,
            notes,
        })
    }
}

/// Typed access to the tensors of a file, with errors that name it.
struct Reader<'a> {
    tensors: &'a SafeTensors<'a>,
    path: &'a Path,
}

impl Reader<'_> {
    fn tensor(&self, name: &str, dtype: Dtype, dimensions: usize) -> Result<(Vec<usize>, &[u8])> {
        let tensor = self
            .tensors
            .tensor(name)
            .map_err(|_| Error::file(self.path, format!("tensor {name}"), "no such tensor"))?;
        if tensor.dtype() != dtype || tensor.shape().len() != dimensions {
            return Err(Error::file(
                self.path,
                format!("tensor {name} of {dimensions} dimensions of {dtype:?}"),
                format!("{:?} of {:?}", tensor.shape(), tensor.dtype()),
            ));
        }
        Ok((tensor.shape().to_vec(), tensor.data()))
    }

    /// Fast weights, if there are any.
    fn fast(&self, rbm: &Rbm) -> Result<Option<Parameters>> {
        if self.tensors.tensor(FAST[0]).is_err() {
            return Ok(None);
        }
        self.parameters(&FAST, rbm).map(Some)
    }

    fn expect(&self, name: &str, expected: &[usize], found: &[usize]) -> Result<()> {
        if expected == found {
            return Ok(());
        }
        Err(Error::file(
            self.path,
            format!("tensor {name} of shape {expected:?}"),
            format!("{found:?}"),
        ))
    }

    fn vector(&self, name: &str, n: usize) -> Result<Vec<f32>> {
        let (shape, bytes) = self.tensor(name, Dtype::F32, 1)?;
        self.expect(name, &[n], &shape)?;
        Ok(floats(bytes).collect())
    }

    fn matrix(&self, name: &str, expected: Option<(usize, usize)>) -> Result<Matrix> {
        let (shape, bytes) = self.tensor(name, Dtype::F32, 2)?;
        if let Some((n, m)) = expected {
            self.expect(name, &[n, m], &shape)?;
        }
        // A matrix without elements may still claim many rows, each of which would be padded.
        if shape.contains(&0) {
            return Err(Error::file(
                self.path,
                format!("tensor {name} with elements"),
                format!("shape {shape:?}"),
            ));
        }
        let elements: Vec<f32> = floats(bytes).collect();
        Matrix::from_slice(shape[0], shape[1], &elements)
            .map_err(|e| Error::file(self.path, format!("tensor {name}"), e))
    }

    /// One number a unit of a layer with Gaussian units, zeros if there is no such tensor; nothing for other layers.
    fn log_variance(&self, name: &str, units: &Units) -> Result<Vec<f32>> {
        let there = self.tensors.tensor(name).is_ok();
        match (units.have(Kind::Gaussian), there) {
            (true, true) => self.vector(name, units.size()),
            (true, false) => Ok(vec![0.0; units.size()]),
            (false, false) => Ok(Vec::new()),
            (false, true) => Err(Error::file(
                self.path,
                format!("no tensor {name} beside units {units}"),
                "one",
            )),
        }
    }

    /// One number for each parameter of `rbm`, finite all of them.
    fn parameters(&self, names: &[&str; 5], rbm: &Rbm) -> Result<Parameters> {
        let (n, m) = (rbm.n_visible(), rbm.n_hidden());
        let parameters = Parameters {
            weights: self.matrix(names[0], Some((n, m)))?,
            visible: self.vector(names[1], n)?,
            hidden: self.vector(names[2], m)?,
            visible_log_variance: self.log_variance(names[3], &rbm.visible().units)?,
            hidden_log_variance: self.log_variance(names[4], &rbm.hidden().units)?,
        };
        Ok(parameters)
    }

    /// States of `layer`, if there is such a tensor.
    fn states(&self, name: &str, layer: &Layer) -> Result<Option<States>> {
        let n = layer.size();
        if layer.units.are_binary() {
            return Ok(self.bits(name, n)?.map(States::Bits));
        }
        let Ok(tensor) = self.tensors.tensor(name) else {
            return Ok(None);
        };
        let rows = tensor.shape().first().copied().unwrap_or(0);
        Ok(Some(States::Real(self.matrix(name, Some((rows, n)))?)))
    }

    /// Rows of `n` bits, if there is such a tensor.
    fn bits(&self, name: &str, n: usize) -> Result<Option<BitMatrix>> {
        if self.tensors.tensor(name).is_err() {
            return Ok(None);
        }
        let (shape, bytes) = self.tensor(name, Dtype::U8, 2)?;
        self.expect(name, &[shape[0], n], &shape)?;
        if let Some(x) = bytes.iter().find(|&&x| x > 1) {
            return Err(Error::file(
                self.path,
                format!("tensor {name} of zeros and ones"),
                x,
            ));
        }
        Ok(Some(BitMatrix::from_fn(shape[0], n, |i, j| {
            bytes[i * n + j] == 1
        })))
    }
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes
        .chunks_exact(4)
        .map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]]))
}

/// Writes `bytes` to a temporary file beside `path`, flushes it to the disk and renames it to `path`; on failure the temporary
/// file is removed and `path` is as it was.
///
/// # Errors
/// [`Error::Io`] with the path.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut name = path.file_name().map(ToOwned::to_owned).unwrap_or_default();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|e| {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        Error::io(path, "write the file", e)
    })
}
