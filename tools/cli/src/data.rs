//! The data of a command: named on the command line or in the notes of a model, loaded, binarised and split.

use crate::failure::{Failure, Outcome};
use harmonium::{
    Error,
    dataset::{Binarization, Dataset, Examples, Values},
    product::Input,
};
use std::{collections::BTreeMap, io, path::Path};

/// Name of the data set that the program carries.
pub const MNIST: &str = "mnist";

static TRAIN_IMAGES: &[u8] = include_bytes!("../../../data/mnist/train-images-idx3-ubyte.gz");
static TRAIN_LABELS: &[u8] = include_bytes!("../../../data/mnist/train-labels-idx1-ubyte.gz");
static TEST_IMAGES: &[u8] = include_bytes!("../../../data/mnist/t10k-images-idx3-ubyte.gz");
static TEST_LABELS: &[u8] = include_bytes!("../../../data/mnist/t10k-labels-idx1-ubyte.gz");

/// Which examples, and how they become bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// [`MNIST`], a directory or a file.
    pub data: String,
    /// From grey values to bits.
    pub binarize: Binarization,
    /// Seed of the binarisation and of the split.
    pub seed: u64,
    /// Examples of the training part that are held out.
    pub validation: usize,
}

/// Loaded data.
#[derive(Debug)]
pub struct Data {
    /// Name for people.
    pub name: String,
    /// Examples to learn from.
    pub train: Examples,
    /// Examples held out of the training part.
    pub validation: Option<Examples>,
    /// Examples held out by those who published the data.
    pub test: Option<Examples>,
}

/// `data` as notes hold it: a path that means the same in every directory.
pub fn resolved(data: &str) -> String {
    if data == MNIST {
        return data.to_owned();
    }
    // What is not there cannot be resolved; loading will say so.
    std::fs::canonicalize(data).map_or_else(
        |_| data.to_owned(),
        |path| path.to_string_lossy().into_owned(),
    )
}

impl Source {
    /// The source that a training run left in the notes of its model, if it did.
    ///
    /// # Errors
    /// Notes that this program did not write.
    pub fn from_notes(notes: &BTreeMap<String, String>) -> Outcome<Option<Self>> {
        let Some(data) = notes.get("data") else {
            return Ok(None);
        };
        fn read<T: std::str::FromStr>(
            notes: &BTreeMap<String, String>,
            key: &str,
            default: T,
        ) -> Outcome<T> {
            notes.get(key).map_or(Ok(default), |text| {
                text.parse().map_err(|_| {
                    Failure::failed(format!("the model's note `{key}` is foreign: {text:?}"))
                })
            })
        }
        Ok(Some(Self {
            data: data.clone(),
            binarize: read(notes, "binarize", Binarization::Sampled)?,
            seed: read(notes, "seed", 0)?,
            validation: read(notes, "validation", 0)?,
        }))
    }

    /// Writes what [`Self::from_notes`] reads.
    pub fn note(&self, notes: &mut BTreeMap<String, String>) {
        notes.insert("data".into(), self.data.clone());
        notes.insert("binarize".into(), self.binarize.to_string());
        notes.insert("seed".into(), self.seed.to_string());
        notes.insert("validation".into(), self.validation.to_string());
    }

    /// Loads the data.
    ///
    /// # Errors
    /// Those of [`Dataset::open`]; a validation part that leaves nothing to train on.
    pub fn load(&self) -> Outcome<Data> {
        let dataset = if self.data == MNIST {
            Dataset::mnist_from_bytes(TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)?
        } else {
            open(&self.data)?
        };
        let dataset = dataset.binarized(self.binarize, self.seed);
        let (train, validation) = if self.validation == 0 {
            (dataset.train, None)
        } else {
            let n = dataset.train.len();
            if self.validation >= n {
                return Err(Failure::usage(format!(
                    "--validation {}: the training part of {} has {n} examples",
                    self.validation, dataset.name
                )));
            }
            let (train, validation) = dataset.train.split(self.validation, self.seed)?;
            (train, Some(validation))
        };
        Ok(Data {
            name: dataset.name,
            train,
            validation,
            test: dataset.test,
        })
    }
}

fn open(path: &str) -> Outcome<Dataset> {
    Dataset::open(Path::new(path)).map_err(|error| {
        let missing =
            matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
        let failure = Failure::from(error);
        if missing {
            failure.hint(format!(
                "--data takes {MNIST}, a directory of IDX files, or an IDX, NPY, NPZ or CSV file"
            ))
        } else {
            failure
        }
    })
}

/// The values of examples as the products take them.
pub fn input(examples: &Examples) -> Input<'_> {
    match examples.values() {
        Values::Bits(bits) => bits.into(),
        Values::Real(matrix) => matrix.into(),
    }
}

/// Examples `0..n`, each as one row of numbers.
pub fn rows(examples: &Examples, n: usize) -> Vec<Vec<f32>> {
    let n = n.min(examples.len());
    match examples.values() {
        Values::Bits(bits) => (0..n)
            .map(|i| {
                (0..bits.columns())
                    .map(|j| f32::from(bits.get(i, j)))
                    .collect()
            })
            .collect(),
        Values::Real(matrix) => (0..n).map(|i| matrix.row(i).to_vec()).collect(),
    }
}
