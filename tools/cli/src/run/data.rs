//! The data of a command: loaded, encoded, binarized and split.

pub use super::source::{Source, classes_among_units, resolved};
use crate::failure::{Failure, Outcome, note, warning};
use harmonium::{
    Error,
    dataset::{
        Binarization, Cells, Dataset, Encoding, ExampleStream, Examples, Reading, Table, Tables,
    },
    recipe::defaults,
    units::Kind,
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

/// Endings of files that flags tell how to read.
const ARRAYS_AND_TEXTS: [&str; 7] = [".csv", ".tsv", ".tab", ".txt", ".data", ".npy", ".npz"];

/// Examples of a stream that are loaded, and the most values of them.
const SAMPLED: usize = 10_000;
const MOST_SAMPLED_VALUES: usize = 1 << 28;

static TRAIN_IMAGES: &[u8] = include_bytes!("../../../../data/mnist/train-images-idx3-ubyte.gz");
static TRAIN_LABELS: &[u8] = include_bytes!("../../../../data/mnist/train-labels-idx1-ubyte.gz");
static TEST_IMAGES: &[u8] = include_bytes!("../../../../data/mnist/t10k-images-idx3-ubyte.gz");
static TEST_LABELS: &[u8] = include_bytes!("../../../../data/mnist/t10k-labels-idx1-ubyte.gz");

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
    /// Whether a machine was not trained on them.
    pub is_given: bool,
    /// Names of the examples to learn from and of those held out by others; none unless the file
    /// has them and [they are asked for](Reading::row_names).
    pub row_names: [Vec<String>; 2],
}

/// What the data call `n` classes: their numbers where the data do not have as many.
pub fn class_names(encoding: Option<&Encoding>, n: usize) -> Vec<String> {
    match encoding.and_then(Encoding::classes) {
        Some(classes) if classes.names.len() == n => classes.names.clone(),
        _ => (0..n).map(|y| y.to_string()).collect(),
    }
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
    /// Other examples in the place of these: `of` has a part and the number of examples before it.
    ///
    /// # Errors
    /// Those of `of`.
    pub fn with_parts<E>(
        &self,
        mut of: impl FnMut(&Examples, usize) -> Result<Examples, E>,
    ) -> Result<Self, E> {
        let mut before = 0;
        let mut part = |examples: &Examples| {
            let of_part = of(examples, before);
            before += examples.len();
            of_part
        };
        Ok(Self {
            name: self.name.clone(),
            train: part(&self.train)?,
            stream: None,
            validation: self.validation.as_ref().map(&mut part).transpose()?,
            test: self.test.as_ref().map(&mut part).transpose()?,
            encoding: self.encoding.clone(),
            found: Vec::new(),
            is_given: self.is_given,
            row_names: self.row_names.clone(),
        })
    }

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

impl Source {
    /// Loads the data and settles what was left to them: what the columns are, the number of
    /// classes.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn settle(&mut self) -> Outcome<Data> {
        // A run that goes on keeps to what it began with.
        let data = self.shaped(self.encoding.is_none())?;
        self.stream = data.stream.is_some();
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
        self.with_labels(self.shaped(false)?)
    }

    /// The training table as the file has it, what its columns are as units, and its examples,
    /// which are neither drawn as bits nor split, without labels among their units.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn table(&self) -> Outcome<(Table, Encoding, Examples)> {
        if self.data == MNIST {
            let message = format!("--data: {MNIST} has no missing values");
            return Err(Failure::usage(message).hint("name a table with --data"));
        }
        let mut tables = self.opened()?;
        let encoding = match &self.encoding {
            Some(encoding) => encoding.clone(),
            None => self.fit(&tables)?,
        };
        tables.train = encoding.widened(&tables.train)?.into_owned();
        let examples = encoding
            .encode(&tables.train)
            .map_err(|e| self.advised(e))?;
        Ok((tables.train, encoding, examples))
    }

    /// The data without labels among the units, of the shape that is said; if they `may_stream`, by
    /// the minibatch where their numbers do not fit into memory.
    fn shaped(&self, may_stream: bool) -> Outcome<Data> {
        let mut data = self.without_labels(may_stream)?;
        if let Some(shape) = self.shape {
            shape.expect(data.encoding.columns().len())?;
            data.encoding = data.encoding.shaped(&shape.dimensions())?;
        }
        Ok(data)
    }

    fn without_labels(&self, may_stream: bool) -> Outcome<Data> {
        if self.stream {
            return self.sampled();
        }
        let mut tables = match self.data == MNIST {
            true => Tables::mnist_from_bytes(TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)?,
            false => self.opened()?,
        };
        let names = |table: Option<&mut Table>| table.map(|x| std::mem::take(&mut x.row_names));
        let row_names = [Some(&mut tables.train), tables.test.as_mut()];
        let mut row_names = row_names.map(|table| names(table).unwrap_or_default());
        let encoding = match &self.encoding {
            Some(encoding) => encoding.clone(),
            None => self.fit(&tables)?,
        };
        let dataset = match encoding.units().are_binary() {
            true => Dataset::encoded_binarized(&tables, encoding, self.binarize, self.seed),
            false => Dataset::encoded(&tables, encoding),
        };
        let dataset = match dataset {
            Err(error) if may_stream && self.streams(&tables, &error) => {
                note(format!(
                    "{error}: {} stays sparse and comes by the minibatch, as with --stream",
                    tables.name
                ));
                return self.sampled();
            }
            other => other.map_err(|e| self.advised(e))?,
        };
        for j in dataset.encoding.collapsed(&tables.train) {
            warning(format!(
                "{}: the values of {} differ too little for their size: numbers of single precision do not tell them apart; --standardize does",
                dataset.name,
                tables.train.column_name(j)
            ));
        }
        let found = tables.train.found;
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
            if !row_names[0].is_empty() {
                let names = &row_names[0];
                let [kept, _] = Examples::split_rows(names.len(), self.validation, self.seed)?;
                row_names[0] = kept.iter().map(|&i| names[i].clone()).collect();
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
            is_given: self.is_given,
            row_names,
        })
    }

    /// Whether a sparse matrix that does not fit into memory as numbers can be learned by the
    /// minibatch.
    fn streams(&self, tables: &Tables, error: &Error) -> bool {
        let is_of_memory = matches!(error, Error::Parameter { name, .. } if name == "memory");
        let is_plain = self.labels.is_none() && self.validation == 0 && tables.test.is_none();
        let beside = &self.reading;
        let is_alone = !beside.missing && beside.label.is_none() && beside.weight.is_none();
        let is_sparse = matches!(tables.train.cells(), Cells::Sparse(_));
        is_of_memory && is_plain && is_alone && is_sparse
    }

    /// The tables; where the file tells no width and the machine not its columns, with as many as
    /// the machine has units.
    fn opened(&self) -> Outcome<Tables> {
        let mut tables = open(&self.data, &self.read_with())?;
        let are_columns = || {
            let units = self.asked.units.as_deref();
            units.is_none_or(|x| !x.contains(Kind::Softmax.name()))
        };
        if let (None, Some(n)) = (&self.encoding, self.of_model)
            && let Some(first) = tables.train.first_index
            && are_columns()
        {
            tables.train = tables.train.with_width(n, first)?;
        }
        Ok(tables)
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
            (Error::Parameter { name, .. }, _) if name == "memory" => Failure::failed(error).hint(
                "`train --stream` learns from a sparse matrix, IDX or NPY by the minibatch; fewer rows or --columns need less",
            ),
            (Error::File { .. }, Some(_)) => Failure::from(error).hint(OTHER_DATA),
            (Error::File { .. }, None) if self.asked.signs_as_bits => Failure::from(error).hint(
                "--visible-units softmax are categories, `train rbm --visible-units gaussian` has numbers; --scale 255 divides gray values; --label COLUMN are classes; --columns chooses",
            ),
            (Error::File { .. }, None) => Failure::from(error).hint(
                "--visible-units softmax are categories, gaussian (with --standardize) numbers, counts how often each word comes, spin -1 and 1; --scale 255 divides gray values; --label COLUMN are classes; --columns chooses",
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
            let advice =
                "--stream takes an uncompressed IDX or NPY file, or a sparse matrix (.npz, libsvm)";
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
            is_given: self.is_given,
            row_names: Default::default(),
            train,
            stream: Some(stream),
            validation: None,
            test: None,
        })
    }
}

fn open(path: &str, reading: &Reading) -> Outcome<Tables> {
    Tables::open(path, reading).map_err(|error| {
        let takes = "--data takes mnist, a directory of IDX files or PNG pictures, or a file of IDX, NPY, NPZ, HDF5, text (CSV, TSV), libsvm or FASTA";
        match error {
            // Other files are read in one way alone.
            Error::File { .. } if ARRAYS_AND_TEXTS.iter().any(|x| path.contains(x)) => {
                Failure::from(error).hint(
                    "--header yes|no, --columns, --label, --scale and --missing tell how a file is to be read",
                )
            }
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
