//! The data of a command: named on the command line or in the notes of a model, loaded, binarized
//! and split.

use crate::{
    failure::{Failure, Outcome, note},
    kinds,
};
use harmonium::{
    Checkpoint, Error, Model,
    dataset::{Asked, Binarization, Dataset, Encoding, ExampleStream, Examples, Reading, Tables},
    recipe::defaults,
    units::{Kind, Units},
};
use std::{collections::BTreeMap, io, path::Path};

/// Name of the data set that the program carries.
pub const MNIST: &str = "mnist";

/// Note of the fingerprint of the examples that a run learns from.
const FINGERPRINT: &str = "fingerprint";
/// Fingerprints as the library defines them begin with this.
const DEFINITION: &str = "1:";

/// What to do about data that a machine cannot have.
const OTHER_DATA: &str = "name the kind of data that the model was trained on with --data";

/// No note may tell of more classes.
const MOST_CLASSES: usize = 1 << 16;

/// Examples of a stream that are loaded, and the most values of them.
const SAMPLED: usize = 10_000;
const MOST_SAMPLED_VALUES: usize = 1 << 28;

static TRAIN_IMAGES: &[u8] = include_bytes!("../../../../data/mnist/train-images-idx3-ubyte.gz");
static TRAIN_LABELS: &[u8] = include_bytes!("../../../../data/mnist/train-labels-idx1-ubyte.gz");
static TEST_IMAGES: &[u8] = include_bytes!("../../../../data/mnist/t10k-images-idx3-ubyte.gz");
static TEST_LABELS: &[u8] = include_bytes!("../../../../data/mnist/t10k-labels-idx1-ubyte.gz");

/// Which examples, how they are read, and what their columns become.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// [`MNIST`], a directory or a file.
    pub data: String,
    /// How the file is read.
    pub reading: Reading,
    /// Which units the columns are to be, where no machine says it.
    pub asked: Asked,
    /// What the columns are as units of a machine that has learned them.
    pub encoding: Option<Encoding>,
    /// From gray values to bits.
    pub binarize: Binarization,
    /// Seed of the binarization and of the split.
    pub seed: u64,
    /// Examples of the training part that are held out.
    pub validation: usize,
    /// Whether the examples stay in their file, and only some are loaded.
    pub stream: bool,
    /// With `labels`, the classes whose units join the visible ones; found from the training
    /// examples if that is 0.
    pub labels: Option<usize>,
    /// The visible units of the machine that says what the columns are, without labels, if one does
    /// and not the command line.
    pub of_model: Option<usize>,
    /// Whether the command line says how many epochs a run has, on which the defaults of few
    /// examples depend.
    pub are_epochs_said: bool,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            data: MNIST.into(),
            reading: Reading::default(),
            asked: Asked::default(),
            encoding: None,
            binarize: Binarization::Sampled,
            seed: 0,
            validation: 0,
            stream: false,
            labels: None,
            of_model: None,
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
    /// What the columns are as units.
    pub encoding: Encoding,
    /// What was recognized in the file and not asked for.
    pub found: Vec<String>,
}

impl Data {
    /// The number of classes, which `--labels` asks for.
    ///
    /// # Errors
    /// That there are no labels.
    pub fn classes(&self) -> Outcome<usize> {
        let classes = self.encoding.classes().map(|x| x.names.len());
        classes.filter(|_| self.train.labels().is_some()).ok_or_else(|| {
            Failure::usage(format!("--labels: {} has no labels", self.name)).hint(
                "labels come from IDX files, a column `label` of CSV, y_train of NPZ, or --label COLUMN|FILE",
            )
        })
    }

    /// Whether labels are among the units of an example.
    pub fn labels_are_units(&self) -> bool {
        self.train.columns() > self.encoding.units().size()
    }

    /// What was read, in a line.
    pub fn told(&self) -> String {
        let mut told = format!("{}: {}", self.name, self.encoding.describe());
        for found in &self.found {
            told.push_str("; ");
            told.push_str(found);
        }
        told
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

/// The text of a note.
fn noted<T: std::str::FromStr>(
    notes: &BTreeMap<String, String>,
    key: &str,
    default: T,
) -> Outcome<T> {
    notes.get(key).map_or(Ok(default), |text| {
        text.parse()
            .map_err(|_| Failure::failed(format!("the model's note `{key}` is foreign: {text:?}")))
    })
}

/// What a note holds, if it is there, or why it is foreign.
fn noted_json<T>(
    notes: &BTreeMap<String, String>,
    key: &str,
    read: impl FnOnce(&str) -> serde_json::Result<T>,
) -> Outcome<Option<T>> {
    let read = notes.get(key).map(|text| read(text));
    read.transpose()
        .map_err(|e| Failure::failed(format!("the model's note `{key}` is foreign: {e}")))
}

/// The number of classes of the labels among the visible units of a machine: of a file that tells
/// what its columns are by the units that are no columns, of other files by its notes; of a file
/// without notes a softmax group after units of another kind is the label.
///
/// # Errors
/// Notes that this program did not write.
pub fn classes_among_units(checkpoint: &Checkpoint) -> Outcome<usize> {
    let units = visible(&checkpoint.model);
    if let Some(encoding) = &checkpoint.encoding {
        return Ok(units.size().saturating_sub(encoding.units().size()));
    }
    let notes = &checkpoint.notes;
    if notes.contains_key("data") {
        let classes = noted(notes, "classes", 0)?;
        return match classes > MOST_CLASSES.min(units.size()) {
            true => {
                let most = MOST_CLASSES.min(units.size());
                let message = format!(
                    "the model's note `classes` is foreign: expected at most {most}, found {classes}"
                );
                Err(Failure::failed(message))
            }
            false => Ok(classes),
        };
    }
    Ok(match (&checkpoint.model, units.segments()) {
        (Model::Rbm(_), [.., before, last])
            if last.kind == Kind::Softmax && before.kind != Kind::Softmax =>
        {
            last.size
        }
        _ => 0,
    })
}

/// The visible units of a model; of a network bits, or the numbers of its first layer.
fn visible(model: &Model) -> Units {
    let machine = kinds::machine(model);
    match machine.layers().first() {
        Some(layer) => layer.units.clone(),
        None => Units::of(Kind::Bernoulli, machine.columns()),
    }
}

/// What to ask of data of a machine whose file does not say what its columns are: the units decide,
/// without those of `classes` labels.
fn asked_by(model: &Model, classes: usize) -> Asked {
    let units = visible(model);
    let n = units.segments().len() - usize::from(classes > 0);
    let segments = units.segments()[..n]
        .iter()
        .map(|x| format!("{}:{}", x.kind, x.size));
    let is_network = matches!(model, Model::Network(_));
    Asked {
        units: (!is_network).then(|| segments.collect::<Vec<_>>().join("+")),
        signs_as_bits: matches!(model, Model::Boltzmann(_) | Model::Dbm(_)),
        ..Asked::default()
    }
}

impl Source {
    /// The source that a training run left in the notes of its model, if it did.
    ///
    /// # Errors
    /// Notes that this program did not write.
    pub fn from_notes(checkpoint: &Checkpoint) -> Outcome<Option<Self>> {
        let notes = &checkpoint.notes;
        let Some(data) = notes.get("data") else {
            return Ok(None);
        };
        let classes = classes_among_units(checkpoint)?;
        let mut source = Self {
            labels: (classes > 0).then_some(classes),
            data: data.clone(),
            reading: noted_json(notes, "reading", |x| serde_json::from_str(x))?.unwrap_or_default(),
            asked: asked_by(&checkpoint.model, classes),
            encoding: checkpoint.encoding.clone(),
            binarize: noted(notes, "binarize", Binarization::Sampled)?,
            seed: noted(notes, "seed", 0)?,
            validation: noted(notes, "validation", 0)?,
            stream: noted(notes, "stream", false)?,
            of_model: Some(visible(&checkpoint.model).size() - classes),
            are_epochs_said: true,
        };
        source.recall_standard(checkpoint)?;
        Ok(Some(source))
    }

    /// What a model was trained on, by its notes, with other data, binarization or seed where these
    /// are given; and the seed to measure with.
    ///
    /// # Errors
    /// As [`Self::from_notes`].
    pub fn of_model(
        checkpoint: &Checkpoint,
        data: Option<&str>,
        binarize: Option<Binarization>,
        seed: Option<u64>,
    ) -> Outcome<(Self, u64)> {
        let noted = Self::from_notes(checkpoint)?;
        let seed = seed.or(noted.as_ref().map(|source| source.seed));
        let seed = seed.unwrap_or(0);
        let classes = classes_among_units(checkpoint)?;
        let mut source = noted.unwrap_or(Self {
            seed,
            labels: (classes > 0).then_some(classes),
            asked: asked_by(&checkpoint.model, classes),
            encoding: checkpoint.encoding.clone(),
            of_model: Some(visible(&checkpoint.model).size() - classes),
            ..Self::default()
        });
        if let Some(data) = data.map(resolved)
            && data != source.data
        {
            source.data = data;
            source.validation = 0;
            source.stream = false;
            // Files of labels and weights were those of other examples.
            for part in [&mut source.reading.label, &mut source.reading.weight] {
                *part = part.take().filter(|x| !Path::new(x).is_file());
            }
        }
        if let Some(binarize) = binarize {
            source.binarize = binarize;
        }
        Ok((source, seed))
    }

    /// Means and deviations in the notes of files that do not tell what their columns are.
    fn recall_standard(&mut self, checkpoint: &Checkpoint) -> Outcome<()> {
        let notes = &checkpoint.notes;
        if self.encoding.is_some() || !notes.contains_key("mean") {
            return Ok(());
        }
        let list = |key| -> Outcome<Vec<f64>> {
            Ok(noted_json(notes, key, |x| serde_json::from_str(x))?.unwrap_or_default())
        };
        let (mean, deviation) = (list("mean")?, list("deviation")?);
        let units = self.asked.units.as_deref().unwrap_or_default();
        let encoding = Encoding::of_numbers(units, mean.len())?;
        self.encoding = Some(encoding.standardized(&mean, &deviation)?);
        Ok(())
    }

    /// Whether the examples and the bits drawn of them are those of `other`.
    pub fn is_of(&self, other: &Self) -> bool {
        let of = |x: &Self| (x.data.clone(), x.binarize, x.seed, x.validation, x.stream);
        of(self) == of(other)
    }

    /// Writes what [`Self::from_notes`] reads, but for what the columns are.
    pub fn note(&self, notes: &mut BTreeMap<String, String>) {
        notes.insert("data".into(), self.data.clone());
        notes.insert("binarize".into(), self.binarize.to_string());
        notes.insert("seed".into(), self.seed.to_string());
        notes.insert("validation".into(), self.validation.to_string());
        if self.reading != Reading::default() {
            let json = serde_json::to_string(&self.reading).unwrap_or_default();
            notes.insert("reading".into(), json);
        }
        if self.stream {
            notes.insert("stream".into(), "true".into());
        }
        if let Some(classes) = self.labels {
            notes.insert("classes".into(), classes.to_string());
        }
    }

    /// Loads the data and settles what was left to them: what the columns are, the number of
    /// classes.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn settle(&mut self) -> Outcome<Data> {
        let data = self.without_labels()?;
        self.encoding = Some(data.encoding.clone());
        if defaults::are_real(data.encoding.units()) {
            self.binarize = Binarization::None;
        }
        if self.labels == Some(0) {
            self.labels = Some(data.classes()?);
        }
        self.with_labels(data)
    }

    /// Joins the labels to the visible units, if they are among them.
    fn with_labels(&self, data: Data) -> Outcome<Data> {
        let Some(classes) = self.labels else {
            return Ok(data);
        };
        let join = |part: Examples| part.with_label_units(classes);
        Ok(Data {
            train: join(data.train)?,
            validation: data.validation.map(join).transpose()?,
            test: data.test.map(join).transpose()?,
            ..data
        })
    }

    /// Loads the data.
    ///
    /// # Errors
    /// Those of [`Tables::open`] and of the encoding; a validation part that leaves nothing to
    /// train on.
    pub fn load(&self) -> Outcome<Data> {
        self.with_labels(self.without_labels()?)
    }

    fn without_labels(&self) -> Outcome<Data> {
        if self.stream {
            return self.sampled();
        }
        let tables = match self.data == MNIST {
            true => Tables::mnist_from_bytes(TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)?,
            false => open(&self.data, &self.read_with())?,
        };
        let encoding = match &self.encoding {
            Some(encoding) => encoding.clone(),
            None => self.fit(&tables)?,
        };
        let dataset = Dataset::encoded(&tables, encoding).map_err(|e| self.advised(e))?;
        let found = tables.train.found;
        let dataset = match dataset.encoding.units().are_binary() {
            true => dataset.binarized(self.binarize, self.seed),
            false => dataset,
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
        Ok(Data {
            name: dataset.name,
            stream: None,
            train,
            validation,
            test: dataset.test,
            encoding: dataset.encoding,
            found,
        })
    }

    /// What the columns become, for the units that are asked for.
    fn fit(&self, tables: &Tables) -> Outcome<Encoding> {
        Encoding::fit(&tables.train, &self.asked).map_err(|error| match (&error, self.of_model) {
            (Error::Parameter { .. }, Some(units)) => {
                let (n, name) = (tables.train.columns(), &tables.name);
                Failure::failed(format!(
                    "the model has {units} visible units, but {name} has {n} values an example"
                ))
                .hint(OTHER_DATA)
            }
            (
                Error::Parameter {
                    name,
                    expected,
                    found,
                },
                None,
            ) if name == "units" => Failure::usage(format!(
                "--visible-units: expected {expected}, found {found}"
            )),
            _ => self.advised(error),
        })
    }

    /// A refusal of values with what to do about it.
    fn advised(&self, error: Error) -> Failure {
        match (&error, self.of_model) {
            (Error::File { .. }, Some(_)) => Failure::from(error).hint(OTHER_DATA),
            (Error::File { .. }, None) => Failure::from(error).hint(
                "--visible-units softmax are categories, gaussian (with --standardize) numbers, spin -1 and 1; --scale 255 divides gray values; --label COLUMN are classes; --columns chooses",
            ),
            _ => error.into(),
        }
    }

    /// The reading, with the scale of the machine's columns and the name of its labels where none
    /// is said.
    fn read_with(&self) -> Reading {
        let mut reading = self.reading.clone();
        if let Some(encoding) = &self.encoding
            && reading.scale.is_none()
            && encoding.scale() != 1.0
        {
            reading.scale = Some(encoding.scale());
        }
        reading
    }

    /// Some of the examples of a stream, and the stream.
    fn sampled(&self) -> Outcome<Data> {
        if self.data == MNIST {
            return Err(
                Failure::usage(format!("--stream: {MNIST} is in the program"))
                    .hint("name an IDX or NPY file with --data"),
            );
        }
        let reading = self.read_with();
        let stream = match &self.encoding {
            None => ExampleStream::open_as(&self.data, &reading, &self.asked),
            Some(encoding) => ExampleStream::open_encoded(&self.data, &reading, encoding.clone()),
        };
        let stream = stream.map_err(|e| {
            let advice = "--stream takes an uncompressed IDX or NPY file";
            missing(e, advice)
        })?;
        let is_binary = stream.encoding().units().are_binary();
        let how = if is_binary {
            self.binarize
        } else {
            Binarization::None
        };
        let stream = stream.binarized(how, self.seed);
        let most = (MOST_SAMPLED_VALUES / stream.columns()).max(1);
        let train = stream.sample(SAMPLED.min(most))?;
        let name = Path::new(&self.data).file_name().unwrap_or_default();
        Ok(Data {
            name: name.to_string_lossy().into_owned(),
            encoding: stream.encoding().clone(),
            found: Vec::new(),
            train,
            stream: Some(stream),
            validation: None,
            test: None,
        })
    }
}

fn open(path: &str, reading: &Reading) -> Outcome<Tables> {
    Tables::open(path, reading).map_err(|error| {
        let takes = "--data takes mnist, a directory of IDX files, or an IDX, NPY, NPZ or CSV file";
        match error {
            Error::File { .. } => Failure::from(error).hint(
                "--header yes|no, --columns, --label, --scale and --missing tell how a file is to be read",
            ),
            error => missing(error, takes),
        }
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
    .hint(OTHER_DATA))
}
