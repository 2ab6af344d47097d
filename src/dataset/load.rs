//! A data set from files.

use super::{
    binarization::Binarization,
    encoding::{Asked, Encoding},
    examples::Examples,
    readers::{
        csv, fasta, foreign, hdf5, idx, image_folder, libsvm, npy, npy_header, npz, ratings,
        source::{Source, hex},
    },
    reading::Reading,
    table::{Cells, Table, check_labels},
};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Images and labels of the training and of the test examples, as MNIST and its relatives name
/// them.
const TRAIN_FILES: [&str; 2] = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"];
const TEST_FILES: [&str; 2] = ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// What the bytes of images are divided by.
const BYTE: f64 = 255.0;

/// The tables of a data set: training examples and perhaps test examples of the same columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    /// Name of the directory or file, without extension.
    pub name: String,
    /// Examples to learn from.
    pub train: Table,
    /// Examples held out by those who published the data.
    pub test: Option<Table>,
}

impl Tables {
    /// What is at `path`, read as `reading` says. A directory holds MNIST-named IDX files:
    /// `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`,
    /// `t10k-labels-idx1-ubyte`, each plain or with `.gz` (the plain file wins); only the training
    /// images must be there. Or it holds PNG files. A file is known by its extension (`.npy`,
    /// `.npz`, `.h5`, `.csv`, `.tsv`, `.txt`, `.data`, `.svm`, `.fasta` and their like, each
    /// perhaps with `.gz`) or else its first bytes (IDX, NPY, NPZ, HDF5). A lone file is the
    /// training part, and only NPZ and HDF5 can bring a test part.
    ///
    /// - IDX: unsigned bytes in two or more dimensions; divided by 255 unless `reading` has a
    ///   scale.
    /// - NPY: bool, integers, float32, float64 in two or more dimensions. Bytes in three or more
    ///   that reach 255 are images and divided by 255 unless `reading` has a scale.
    /// - NPZ: values `train`, `x_train`, `data` or `x`, else the only array of two or more
    ///   dimensions; test values `test` or `x_test`; labels `y_train` or `y`, test labels `y_test`;
    ///   the first name that is there counts. Members may be stored or deflated, archives smaller
    ///   than 4 GB. An archive of SciPy is a [sparse](Cells::Sparse) table (CSR, CSC, COO).
    /// - HDF5: the same names in the root of the file, in any case; `FILE.h5:/PATH` chooses an
    ///   array. Labels may be text.
    /// - PNG: a picture an example, of gray values or colors, all of one size; subfolders are
    ///   classes, of the parts in subfolders `train` and `test` if there are such.
    /// - libsvm: lines `label index:value ..`, a sparse table.
    /// - FASTA: aligned sequences, a column of text a site; insertions of A2M are left out.
    /// - Text: one example a line; fields between commas, semicolons, tabs or spaces; numbers,
    ///   booleans or text; a header of names is recognized, and so is a first column of row
    ///   numbers. A column named `label` holds classes. Columns `user`, `item` and `rating` become
    ///   a row a user and a column an item, missing where there is no rating.
    ///
    /// What was recognized is in [`Table::found`].
    ///
    /// # Errors
    /// [`Error::File`] if the file is none of these or breaks a rule above, for a missing value
    /// unless `reading` has [`Reading::missing`]; [`Error::Parameter`] for columns that are not
    /// there; [`Error::Io`] if the system refuses to read. Memory follows the (decompressed) bytes
    /// that are there, whatever a header claims.
    pub fn open(path: impl AsRef<Path>, reading: &Reading) -> Result<Self> {
        let path = path.as_ref();
        if let Some((file, array)) = hdf5::split(path) {
            let parts = hdf5::tables(&file, Some(&array))?;
            return Self::finished(path, name_of(&file), parts, reading);
        }
        let parts = match path.is_dir() {
            true => directory_tables(path, reading)?,
            false => file_tables(path, reading)?,
        };
        Self::finished(path, name_of(path), parts, reading)
    }

    /// MNIST from the four IDX files in memory, gzipped or not; for programs that carry the data in
    /// their binary.
    ///
    /// # Errors
    /// [`Error::File`], which calls the parts by their file names, as in [`Self::open`].
    pub fn mnist_from_bytes(
        train_images: &[u8],
        train_labels: &[u8],
        test_images: &[u8],
        test_labels: &[u8],
    ) -> Result<Self> {
        let part = |names: [&str; 2], images, labels| {
            let labels = Source::new(names[1], labels)?;
            idx_table(Source::new(names[0], images)?, Some(labels))
        };
        let train = part(TRAIN_FILES, train_images, train_labels)?;
        let test = part(TEST_FILES, test_images, test_labels)?;
        let path = Path::new(TEST_FILES[0]);
        let parts = (train, Some(test));
        Self::finished(path, "mnist".into(), parts, &Reading::default())
    }

    /// Columns, labels, weights and scale as asked for.
    fn finished(
        path: &Path,
        name: String,
        (train, test): (Table, Option<Table>),
        reading: &Reading,
    ) -> Result<Self> {
        let finish = |table: Table| match reading.scale {
            Some(scale) => {
                let mut table = table.selected(reading)?.scaled(scale)?;
                table.is_image = false;
                Ok(table)
            }
            None => table.selected(reading),
        };
        let (mut train, test) = (finish(train)?, test.map(finish).transpose()?);
        // Files of labels and weights are about the training examples.
        if let Some(label) = reading.label.as_ref().filter(|_| train.labels.is_none()) {
            let path = beside(label, &train, "label")?;
            train = train.with_label_file(path, one_column)?;
        }
        if let Some(weight) = reading.weight.as_ref().filter(|_| train.weights.is_none()) {
            let path = beside(weight, &train, "weight")?;
            train = train.with_weight_file(path, one_column)?;
        }
        if let Some(test) = &test
            && test.columns() != train.columns()
        {
            let n = train.columns();
            let expected = format!("test examples of {n} values, like the training examples");
            return Err(Error::file(path, expected, test.columns()));
        }
        let mut tables = Self { name, train, test };
        if reading.scale.is_none() && tables.are_images() {
            let image = |table: Table| {
                let mut table = table.scaled(BYTE)?;
                table.is_image = true;
                Ok::<_, Error>(table)
            };
            tables.train = image(tables.train)?;
            tables.test = tables.test.map(image).transpose()?;
            let found = format!("bytes of pictures, {BYTE} as 1");
            tables.train.found.push(found);
        }
        if !reading.missing {
            let parts = [Some(&tables.train), tables.test.as_ref()];
            parts
                .into_iter()
                .flatten()
                .try_for_each(Table::expect_whole)?;
        }
        Ok(tables)
    }

    /// Whether these are bytes from 0 to 255 of a picture's shape.
    fn are_images(&self) -> bool {
        let parts = [Some(&self.train), self.test.as_ref()];
        let are_bytes = |table: &&Table| matches!(table.cells(), Cells::Bytes(_));
        let mut bytes = parts.into_iter().flatten().filter(are_bytes);
        self.train.is_image
            || self.train.shape.len() > 1 && bytes.any(|x| x.all_facts().most == BYTE)
    }
}

/// Training examples and perhaps test examples of the same width, and how they came from tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Name of the directory or file, without extension.
    pub name: String,
    /// Examples to learn from.
    pub train: Examples,
    /// Examples held out by those who published the data.
    pub test: Option<Examples>,
    /// What the columns became.
    pub encoding: Encoding,
}

impl Dataset {
    /// What is at `path`, as [`Tables::open`] reads it, with the units that its values suggest:
    /// zeros and ones are bits, -1 and 1 are spins, numbers in [0, 1] probabilities.
    ///
    /// # Errors
    /// Those of [`Tables::open`]; [`Error::File`] for other values, with the units to
    /// [ask](Self::open_as) for.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_as(path, &Reading::default(), &Asked::default())
    }

    /// What is at `path`, read as `reading` says, for the units that are `asked` for.
    ///
    /// ```
    /// use harmonium::{Dataset, Layer, Rbm, dataset::{Asked, Reading}};
    /// let asked = Asked { units: Some("gaussian".into()), standardize: true, ..Asked::default() };
    /// let data = Dataset::open_as("data/iris.csv", &Reading::default(), &asked)?;
    /// let visible = Layer::new(data.encoding.units().clone());
    /// let rbm = Rbm::unconnected(visible, Layer::bernoulli(8))?.initialized_from(&data.train, 1)?;
    /// // Samples are centimeters again.
    /// let samples = data.encoding.decode(rbm.chains(10, 1)?.visible())?;
    /// println!("{:?}, {} ...", samples.names, samples.text(0, 0));
    /// # assert_eq!((samples.len(), samples.columns()), (10, 4));
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tables::open`] and [`Encoding::fit`].
    pub fn open_as(path: impl AsRef<Path>, reading: &Reading, asked: &Asked) -> Result<Self> {
        let tables = Tables::open(path, reading)?;
        let encoding = Encoding::fit(&tables.train, asked)?;
        Self::encoded(&tables, encoding)
    }

    /// The examples that `encoding` makes of `tables`.
    ///
    /// # Errors
    /// Those of [`Encoding::encode`].
    pub fn encoded(tables: &Tables, encoding: Encoding) -> Result<Self> {
        let test = tables.test.as_ref().map(|test| encoding.encode(test));
        Ok(Self {
            name: tables.name.clone(),
            train: encoding.encode(&tables.train)?,
            test: test.transpose()?,
            encoding,
        })
    }

    /// As [`Self::encoded`] and then [`Self::binarized`], to the bit; of a sparse table in the
    /// memory of its bits ([`Encoding::encode_binarized`]).
    ///
    /// # Errors
    /// Those of [`Encoding::encode_binarized`].
    pub fn encoded_binarized(
        tables: &Tables,
        encoding: Encoding,
        how: Binarization,
        seed: u64,
    ) -> Result<Self> {
        let part = |table: &Table, first| encoding.encode_binarized(table, how, seed, first);
        let train = part(&tables.train, 0)?;
        let test = tables.test.as_ref().map(|test| part(test, train.len()));
        Ok(Self {
            name: tables.name.clone(),
            test: test.transpose()?,
            train,
            encoding,
        })
    }

    /// MNIST from the four IDX files in memory, as [`Tables::mnist_from_bytes`].
    ///
    /// # Errors
    /// As there.
    pub fn mnist_from_bytes(
        train_images: &[u8],
        train_labels: &[u8],
        test_images: &[u8],
        test_labels: &[u8],
    ) -> Result<Self> {
        let tables =
            Tables::mnist_from_bytes(train_images, train_labels, test_images, test_labels)?;
        let encoding = Encoding::fit(&tables.train, &Asked::default())?;
        Self::encoded(&tables, encoding)
    }

    /// Both parts as [`Examples::binarized`] does it: training example `i` draws as row `i`, test
    /// example `i` as row `train.len() + i`.
    pub fn binarized(self, how: Binarization, seed: u64) -> Self {
        let first_test_row = self.train.len();
        Self {
            train: self.train.binarized(how, seed, 0),
            test: self
                .test
                .map(|test| test.binarized(how, seed, first_test_row)),
            ..self
        }
    }
}

/// The tables of MNIST-named files in a directory, or of pictures.
fn directory_tables(directory: &Path, reading: &Reading) -> Result<(Table, Option<Table>)> {
    let Some(train) = idx_part(directory, TRAIN_FILES)? else {
        if image_folder::recognizes(directory) {
            return image_folder::tables(directory, reading.row_names);
        }
        // A directory that cannot be listed is the system's refusal, not a data set without
        // images.
        std::fs::read_dir(directory).map_err(|e| Error::io(directory, "open", e))?;
        return Err(Error::file(
            directory,
            format!("a file {0} or {0}.gz, or PNG files", TRAIN_FILES[0]),
            "neither",
        ));
    };
    Ok((train, idx_part(directory, TEST_FILES)?))
}

/// The extension of `path` in small letters, without `.gz`.
fn extension(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.')
        .map_or_else(String::new, |x| x.1.to_owned())
}

fn file_tables(path: &Path, reading: &Reading) -> Result<(Table, Option<Table>)> {
    let source = Source::open(path)?;
    let head = source.peek();
    let extension = extension(path);
    if let Some(error) = foreign::refusal(&source, &extension) {
        return Err(error);
    }
    let table = match extension.as_str() {
        "csv" | "tsv" | "tab" | "txt" | "data" => text_table(source, reading)?,
        _ if libsvm::is_named(path) => libsvm::table(source)?,
        "fasta" | "fa" | "fas" | "faa" | "fna" | "afa" | "a2m" | "a3m" => {
            fasta::table(source, reading)?
        }
        "npy" => npy::table(source)?,
        "npz" => return npz::tables(path),
        "h5" | "hdf5" | "hdf" => return hdf5_tables(&source),
        _ if npy_header::recognizes(head) => npy::table(source)?,
        _ if idx::recognizes(head) => idx_table(source, None)?,
        _ if hdf5::recognizes(head) => return hdf5_tables(&source),
        _ if npz::recognizes(head) && !source.is_compressed() => return npz::tables(path),
        _ => {
            let expected = "a file of IDX, NPY, NPZ or HDF5, or one that is named as text (.csv, \
                            .tsv, .txt), libsvm (.svm) or FASTA (.fasta)";
            return Err(source.error(expected, hex(head)));
        }
    };
    Ok((table, None))
}

/// The tables of an HDF5 file, which must be one.
fn hdf5_tables(source: &Source<'_>) -> Result<(Table, Option<Table>)> {
    let head = source.peek();
    match hdf5::recognizes(head) && !source.is_compressed() {
        true => hdf5::tables(source.path(), None),
        false if source.is_compressed() => Err(source.error("an uncompressed HDF5 file", "gzip")),
        false => Err(source.error("an HDF5 file (89 48 44 46)", hex(head))),
    }
}

/// The table of a text; of ratings one a line, that of users by items.
fn text_table(source: Source<'_>, reading: &Reading) -> Result<Table> {
    let table = csv::table(source, reading)?;
    let is_plain =
        reading.columns.is_empty() && reading.label.is_none() && reading.weight.is_none();
    match is_plain && ratings::recognizes(&table) {
        true => ratings::table(&table, reading.row_names),
        false => Ok(table),
    }
}

/// A table of labels or weights.
fn one_column(path: &Path) -> Result<Table> {
    let source = Source::open(path)?;
    let expected = "an array of one dimension or a text of one column";
    let table = match npy_header::recognizes(source.peek()) {
        true => {
            let mut source = source;
            let numbers = npy::column(&mut source)?;
            let rows = numbers.len();
            Table::new(path, Cells::Numbers(numbers), rows, vec![1])?
        }
        false if idx::recognizes(source.peek()) => {
            let numbers: Vec<u8> = idx::numbers(source)?;
            let rows = numbers.len();
            Table::new(path, Cells::Bytes(numbers), rows, vec![1])?
        }
        false => csv::table(source, &Reading::default())?,
    };
    match table.columns() {
        1 => Ok(table),
        n => Err(Error::file(path, expected, format!("{n} columns"))),
    }
}

/// The file that `name`, which is no column of `table`, must be.
fn beside<'a>(name: &'a str, table: &Table, what: &str) -> Result<&'a Path> {
    let path = Path::new(name);
    match path.is_file() {
        true => Ok(path),
        false => {
            let expected = format!(
                "a column of {} by name or number from 1, or a file",
                table.path.display()
            );
            Err(Error::parameter(what, expected, format!("{name:?}")))
        }
    }
}

/// The images `names[0]` in `directory` with the labels `names[1]`, if the images are there.
fn idx_part(directory: &Path, names: [&str; 2]) -> Result<Option<Table>> {
    let [images, labels] = names.map(|name| plain_or_gzipped(directory, name));
    let Some(images) = images else {
        return Ok(None);
    };
    let labels = labels.as_deref().map(Source::open).transpose()?;
    idx_table(Source::open(&images)?, labels).map(Some)
}

/// The file `name` or `name.gz` in `directory`.
fn plain_or_gzipped(directory: &Path, name: &str) -> Option<PathBuf> {
    let candidates = [directory.join(name), directory.join(format!("{name}.gz"))];
    candidates.into_iter().find(|path| path.is_file())
}

fn idx_table(images: Source<'_>, labels: Option<Source<'_>>) -> Result<Table> {
    let mut table = idx::table(images)?;
    table.is_image = true;
    if let Some(labels) = labels {
        let path = labels.path().to_owned();
        let labels = idx::labels(labels)?;
        check_labels(&path, &labels, table.len())?;
        table.labels = Some(labels);
    }
    Ok(table)
}

/// The last part of `path` without extensions such as `.npy` or `.gz`; of `.` and `..`, that of the
/// directory meant.
fn name_of(path: &Path) -> String {
    let resolved = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let named = if path.file_name().is_some() {
        path
    } else {
        &resolved
    };
    let name = if named.is_dir() {
        named.file_name()
    } else {
        named.file_stem()
    };
    name.map_or_else(|| "data".into(), |name| name.to_string_lossy().into_owned())
}
