//! The data of a command: named on the command line or in the notes of a model, loaded, binarized
//! and split.

use crate::failure::{Failure, Outcome, note};
use harmonium::{
    Error,
    dataset::{Binarization, Dataset, ExampleStream, Examples},
    recipe::defaults,
};
use std::{collections::BTreeMap, io, path::Path};

/// Name of the data set that the program carries.
pub const MNIST: &str = "mnist";

/// Note of the fingerprint of the examples that a run learns from.
const FINGERPRINT: &str = "fingerprint";
/// Fingerprints as the library defines them begin with this.
const DEFINITION: &str = "1:";

/// No note may tell of more classes.
const MOST_CLASSES: usize = 1 << 16;

/// Examples of a stream that are loaded, and the most values of them.
const SAMPLED: usize = 10_000;
const MOST_SAMPLED_VALUES: usize = 1 << 28;

static TRAIN_IMAGES: &[u8] = include_bytes!("../../../../data/mnist/train-images-idx3-ubyte.gz");
static TRAIN_LABELS: &[u8] = include_bytes!("../../../../data/mnist/train-labels-idx1-ubyte.gz");
static TEST_IMAGES: &[u8] = include_bytes!("../../../../data/mnist/t10k-images-idx3-ubyte.gz");
static TEST_LABELS: &[u8] = include_bytes!("../../../../data/mnist/t10k-labels-idx1-ubyte.gz");

/// Which examples, and how they become bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// [`MNIST`], a directory or a file.
    pub data: String,
    /// From gray values to bits.
    pub binarize: Binarization,
    /// Seed of the binarization and of the split.
    pub seed: u64,
    /// Examples of the training part that are held out.
    pub validation: usize,
    /// Whether the examples stay in their file, and only some are loaded.
    pub stream: bool,
    /// What the values become after that.
    pub values: Treatment,
    /// With `labels`, the classes whose units join the visible ones; found from the training
    /// examples if that is 0.
    pub labels: Option<usize>,
    /// Whether the command line says how many epochs a run has, on which the defaults of few
    /// examples depend, and how their columns are standardized; no note tells it.
    pub are_epochs_said: bool,
}

/// What becomes of values.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Treatment {
    /// Bits, or numbers in [0, 1].
    #[default]
    Unit,
    /// Bits as -1 and 1.
    Spin,
    /// Any numbers.
    Real,
    /// Any numbers, minus the first list and over the second; those of the training examples if the
    /// lists are empty.
    Standardized(Vec<f64>, Vec<f64>),
}

impl Treatment {
    /// As the note `values` has it.
    fn name(&self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Spin => "spin",
            Self::Real => "real",
            Self::Standardized(..) => "standardized",
        }
    }

    fn shifts(&self, columns: usize, train: &Examples) -> Option<(Vec<f64>, Vec<f64>)> {
        match self {
            Self::Unit | Self::Real => None,
            Self::Spin => Some((vec![0.5; columns], vec![0.5; columns])),
            Self::Standardized(mean, _) if mean.is_empty() => {
                Some((train.mean(), train.deviation()))
            }
            Self::Standardized(mean, deviation) => Some((mean.clone(), deviation.clone())),
        }
    }
}

impl Default for Source {
    fn default() -> Self {
        Self {
            data: MNIST.into(),
            binarize: Binarization::Sampled,
            seed: 0,
            validation: 0,
            stream: false,
            values: Treatment::Unit,
            labels: None,
            are_epochs_said: true,
        }
    }
}

/// Loaded data.
#[derive(Clone, Debug)]
pub struct Data {
    /// Name for people.
    pub name: String,
    /// Examples to learn from; with a `stream`, some of its examples.
    pub train: Examples,
    /// All examples to learn from, if they stay in their file.
    pub stream: Option<ExampleStream>,
    /// Examples held out of the training part.
    pub validation: Option<Examples>,
    /// Examples held out by those who published the data.
    pub test: Option<Examples>,
}

impl Data {
    /// The number of classes, which `--labels` asks for.
    ///
    /// # Errors
    /// That there are no labels.
    pub fn classes(&self) -> Outcome<usize> {
        self.train.classes().ok_or_else(|| {
            Failure::usage(format!("--labels: {} has no labels", self.name))
                .hint("labels come from IDX files, a column `label` of CSV, or y_train of NPZ")
        })
    }
}

impl Data {
    /// Examples of an epoch.
    pub fn examples(&self) -> usize {
        self.streamed().unwrap_or(self.train.len())
    }

    /// The same where they stay in their file.
    pub fn streamed(&self) -> Option<usize> {
        self.stream.as_ref().map(|x| x.len())
    }

    /// Refuses minibatches that are more than there is of a stream to start from.
    ///
    /// # Errors
    /// `--batch-size`.
    pub fn expect_minibatches(&self, size: usize) -> Outcome<()> {
        let most = self.train.len();
        if size.min(self.examples()) <= most {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "--batch-size {size}: expected at most {most} with --stream"
        )))
    }

    /// Writes the fingerprint of the examples to learn from to the `notes` of a run: of all values
    /// and labels, of a stream that of some examples. A run to go on with, the notes and the path
    /// of whose file are `stored`, must have the same; where it has none, a line says that this
    /// cannot be known.
    ///
    /// # Errors
    /// Other data than those of the stored run; those of reading a stream.
    pub fn mark(
        &self,
        notes: &mut BTreeMap<String, String>,
        stored: Option<(&BTreeMap<String, String>, &Path)>,
    ) -> Outcome<()> {
        let (hash, n) = match &self.stream {
            Some(stream) => (stream.fingerprint()?, stream.len()),
            None => (self.train.fingerprint(), self.train.len()),
        };
        let found = format!("{DEFINITION}{hash:016x}:{n}x{}", self.train.columns());
        if let Some((notes, path)) = stored {
            let (name, path) = (&self.name, path.display());
            match notes.get(FINGERPRINT) {
                Some(expected) if expected.starts_with(DEFINITION) => {
                    if *expected != found {
                        let message = format!(
                            "{path}: its run is on other data: expected the fingerprint {expected}, {name} has {found}"
                        );
                        return Err(Failure::failed(message).hint(
                            "put the data of the run back, or start a new run in another --out without --resume",
                        ));
                    }
                }
                _ => note(format!(
                    "{path} holds no fingerprint of its data: whether {name} has changed since cannot be checked"
                )),
            }
        }
        notes.insert(FINGERPRINT.into(), found);
        Ok(())
    }
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
        let list = |key: &str| -> Outcome<Vec<f64>> {
            let text = notes.get(key).map_or("[]", String::as_str);
            serde_json::from_str(text)
                .map_err(|e| Failure::failed(format!("the model's note `{key}` is foreign: {e}")))
        };
        let values = match notes.get("values").map(String::as_str) {
            None | Some("unit") => Treatment::Unit,
            Some("spin") => Treatment::Spin,
            Some("real") => Treatment::Real,
            Some("standardized") => Treatment::Standardized(list("mean")?, list("deviation")?),
            Some(text) => {
                let message = format!("the model's note `values` is foreign: {text:?}");
                return Err(Failure::failed(message));
            }
        };
        let classes = read(notes, "classes", 0)?;
        if classes > MOST_CLASSES {
            return Err(Failure::failed(format!(
                "the model's note `classes` is foreign: expected at most {MOST_CLASSES}, found {classes}"
            )));
        }
        Ok(Some(Self {
            values,
            labels: (classes > 0).then_some(classes),
            data: data.clone(),
            binarize: read(notes, "binarize", Binarization::Sampled)?,
            seed: read(notes, "seed", 0)?,
            validation: read(notes, "validation", 0)?,
            stream: read(notes, "stream", false)?,
            are_epochs_said: true,
        }))
    }

    /// What a model was trained on, by its notes, with other data, binarization or seed where these
    /// are given; and the seed to measure with.
    ///
    /// # Errors
    /// As [`Self::from_notes`].
    pub fn of_model(
        notes: &BTreeMap<String, String>,
        data: Option<&str>,
        binarize: Option<Binarization>,
        seed: Option<u64>,
    ) -> Outcome<(Self, u64)> {
        let noted = Self::from_notes(notes)?;
        let seed = seed.or(noted.as_ref().map(|source| source.seed));
        let seed = seed.unwrap_or(0);
        let mut source = noted.unwrap_or(Self {
            seed,
            ..Self::default()
        });
        if let Some(data) = data.map(resolved)
            && data != source.data
        {
            source.data = data;
            source.validation = 0;
            source.stream = false;
        }
        if let Some(binarize) = binarize {
            source.binarize = binarize;
        }
        Ok((source, seed))
    }

    /// Writes what [`Self::from_notes`] reads.
    pub fn note(&self, notes: &mut BTreeMap<String, String>) {
        notes.insert("data".into(), self.data.clone());
        notes.insert("binarize".into(), self.binarize.to_string());
        notes.insert("seed".into(), self.seed.to_string());
        notes.insert("validation".into(), self.validation.to_string());
        if self.values != Treatment::Unit {
            notes.insert("values".into(), self.values.name().into());
        }
        if let Treatment::Standardized(mean, deviation) = &self.values {
            notes.insert("mean".into(), format!("{mean:?}"));
            notes.insert("deviation".into(), format!("{deviation:?}"));
        }
        if self.stream {
            notes.insert("stream".into(), "true".into());
        }
        if let Some(classes) = self.labels {
            notes.insert("classes".into(), classes.to_string());
        }
    }

    /// Loads the data and settles what was left to them: the means of a standardization, the number
    /// of classes.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn settle(&mut self) -> Outcome<Data> {
        let plain = Self {
            values: match self.values {
                Treatment::Unit | Treatment::Spin => Treatment::Unit,
                _ => Treatment::Real,
            },
            labels: None,
            ..self.clone()
        };
        let data = plain.load()?;
        if let Treatment::Standardized(mean, deviation) = &mut self.values
            && mean.is_empty()
        {
            *mean = data.train.mean();
            *deviation = defaults::deviation(&data.train, self.are_epochs_said);
        }
        if self.labels == Some(0) {
            self.labels = Some(data.classes()?);
        }
        self.treat(data)
    }

    /// Shifts the values and joins the labels.
    fn treat(&self, data: Data) -> Outcome<Data> {
        let shifts = self.values.shifts(data.train.columns(), &data.train);
        let treat = |part: Examples| -> Outcome<Examples> {
            let part = match &shifts {
                Some((offset, scale)) => part.shifted(offset, scale)?,
                None => part,
            };
            Ok(match self.labels {
                Some(classes) => part.with_label_units(classes)?,
                None => part,
            })
        };
        Ok(Data {
            name: data.name,
            stream: data.stream,
            train: treat(data.train)?,
            validation: data.validation.map(treat).transpose()?,
            test: data.test.map(treat).transpose()?,
        })
    }

    /// Loads the data.
    ///
    /// # Errors
    /// Those of [`Dataset::open`]; a validation part that leaves nothing to train on.
    pub fn load(&self) -> Outcome<Data> {
        if self.stream {
            return self.sampled();
        }
        let dataset = if self.data == MNIST {
            Dataset::mnist_from_bytes(TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)?
        } else {
            let is_real = matches!(self.values, Treatment::Real | Treatment::Standardized(..));
            open(&self.data, is_real)?
        };
        let dataset = match self.values {
            Treatment::Unit | Treatment::Spin => dataset.binarized(self.binarize, self.seed),
            _ => dataset,
        };
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
        self.treat(Data {
            name: dataset.name,
            stream: None,
            train,
            validation,
            test: dataset.test,
        })
    }
}

impl Source {
    /// Some of the examples of a stream, and the stream.
    fn sampled(&self) -> Outcome<Data> {
        if self.data == MNIST {
            return Err(
                Failure::usage(format!("--stream: {MNIST} is in the program"))
                    .hint("name an IDX or NPY file with --data"),
            );
        }
        let stream = ExampleStream::open(&self.data)
            .map_err(|error| missing(error, "--stream takes an uncompressed IDX or NPY file"))?
            .binarized(self.binarize, self.seed);
        let most = (MOST_SAMPLED_VALUES / stream.columns()).max(1);
        let train = stream.sample(SAMPLED.min(most))?;
        let name = Path::new(&self.data).file_name().unwrap_or_default();
        Ok(Data {
            name: name.to_string_lossy().into_owned(),
            train,
            stream: Some(stream),
            validation: None,
            test: None,
        })
    }
}

fn open(path: &str, is_real: bool) -> Outcome<Dataset> {
    let path = Path::new(path);
    let dataset = if is_real {
        Dataset::open_real(path)
    } else {
        Dataset::open(path)
    };
    dataset.map_err(|error| {
        let takes = "--data takes mnist, a directory of IDX files, or an IDX, NPY, NPZ or CSV file";
        missing(error, takes)
    })
}

/// An error with advice if a file is not there.
fn missing(error: Error, advice: &str) -> Failure {
    let missing =
        matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
    let failure = Failure::from(error);
    if missing {
        failure.hint(advice)
    } else {
        failure
    }
}

/// Refuses data of another width than a model of `units` visible units.
pub fn check_columns(units: usize, data: &Data) -> Outcome<()> {
    let columns = data.train.columns();
    if units == columns {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "the model has {units} visible units, but {} has {columns} values an example",
        data.name
    ))
    .hint("name the kind of data that the model was trained on with --data"))
}
