//! A data set from files.

use super::{
    accepted::Accepted,
    binarization::Binarization,
    csv,
    examples::Examples,
    idx, npy, npy_header, npz,
    source::{Source, hex},
};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Images and labels of the training and of the test examples, as MNIST and its relatives name
/// them.
const TRAIN_FILES: [&str; 2] = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"];
const TEST_FILES: [&str; 2] = ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// Training examples and perhaps test examples of the same width.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Name of the directory or file, without extension.
    pub name: String,
    /// Examples to learn from.
    pub train: Examples,
    /// Examples held out by those who published the data.
    pub test: Option<Examples>,
}

impl Dataset {
    /// A directory of MNIST-named IDX files: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
    /// `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`, each plain or with `.gz` (the plain file
    /// wins). Only the training images must be there. Pixels are divided by 255.
    ///
    /// # Errors
    /// [`Error::File`] if the training images are missing, a file is not IDX of unsigned bytes, is
    /// truncated, has trailing bytes or no example, or if counts or widths disagree; [`Error::Io`]
    /// if the system refuses to read.
    pub fn idx(directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref();
        let train = idx_part(directory, TRAIN_FILES)?;
        let Some(train) = train else {
            // A directory that cannot be listed is the system's refusal, not a data set without
            // images.
            std::fs::read_dir(directory).map_err(|e| Error::io(directory, "open", e))?;
            return Err(Error::file(
                directory,
                format!("a file {0} or {0}.gz", TRAIN_FILES[0]),
                "neither",
            ));
        };
        let test = idx_part(directory, TEST_FILES)?;
        Self::checked(directory, name_of(directory), train, test)
    }

    /// A data set from whatever is at `path`: a directory is read by [`Dataset::idx`]; a file by
    /// its extension (`.npy`, `.npz`, `.csv`) or else its first bytes (IDX, NPY, NPZ; IDX and NPY
    /// also inside gzip). A lone file is the training part, and only NPZ can bring a test part or,
    /// like CSV, labels.
    ///
    /// - IDX: unsigned bytes in two or more dimensions, divided by 255.
    /// - NPY: bool, integers, float32, float64 in two or more dimensions, in [0, 1]; uint8 with a
    ///   value above 1 is divided by 255.
    /// - NPZ: values `train`, `x_train`, `data` or `x`, else the only array of two or more
    ///   dimensions; test values `test` or `x_test`; labels `y_train` or `y`, test labels `y_test`;
    ///   the first name that is there counts. Members may be stored or deflated, archives smaller
    ///   than 4 GB.
    /// - CSV: commas, lines of equal width, numbers in [0, 1]; a first line in which any field is
    ///   not a number is a header; a column that it names `label` holds labels from 0 to 65535.
    ///
    /// # Errors
    /// [`Error::File`] if the file is none of these or breaks a rule above; [`Error::Io`] if the
    /// system refuses to read. Memory follows the (decompressed) bytes that are there, whatever a
    /// header claims.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_accepting(path.as_ref(), Accepted::UnitInterval)
    }

    /// As [`Dataset::open`], with any finite numbers in NPY, NPZ and CSV in place of those in [0,
    /// 1]: data for Gaussian and rectified units.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn open_real(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_accepting(path.as_ref(), Accepted::Finite)
    }

    fn open_accepting(path: &Path, range: Accepted) -> Result<Self> {
        if path.is_dir() {
            return Self::idx(path);
        }
        let npz = |path, range| {
            let (train, test) = npz::parts(path, range)?;
            Self::checked(path, name_of(path), train, test)
        };
        let extension = path.extension().map(|e| e.to_ascii_lowercase());
        let source = Source::open(path)?;
        let head = source.peek();
        let train = match extension.as_ref().and_then(|e| e.to_str()) {
            Some("csv") => csv::examples(source, range)?,
            Some("npy") => Examples::from_states(npy::values(source, range)?),
            Some("npz") => return npz(path, range),
            _ if npy_header::recognizes(head) => Examples::from_states(npy::values(source, range)?),
            _ if idx::recognizes(head) => Examples::from_states(idx::images(source)?),
            _ if npz::recognizes(head) && !source.is_compressed() => return npz(path, range),
            _ => {
                return Err(source.error("a file of IDX, NPY, NPZ or (named .csv) CSV", hex(head)));
            }
        };
        Self::checked(path, name_of(path), train, None)
    }

    /// MNIST from the four IDX files in memory, gzipped or not; for programs that carry the data in
    /// their binary.
    ///
    /// # Errors
    /// [`Error::File`], which calls the parts by their file names, as in [`Dataset::idx`].
    pub fn mnist_from_bytes(
        train_images: &[u8],
        train_labels: &[u8],
        test_images: &[u8],
        test_labels: &[u8],
    ) -> Result<Self> {
        let part = |names: [&str; 2], images, labels| {
            idx_examples(
                Source::new(names[0], images)?,
                Some(Source::new(names[1], labels)?),
            )
        };
        let train = part(TRAIN_FILES, train_images, train_labels)?;
        let test = part(TEST_FILES, test_images, test_labels)?;
        Self::checked(Path::new(TEST_FILES[0]), "mnist".into(), train, Some(test))
    }

    /// Both parts as [`Examples::binarized`] does it: training example `i` draws as row `i`, test
    /// example `i` as row `train.len() + i`.
    pub fn binarized(self, how: Binarization, seed: u64) -> Self {
        let first_test_row = self.train.len();
        Self {
            name: self.name,
            train: self.train.binarized(how, seed, 0),
            test: self
                .test
                .map(|test| test.binarized(how, seed, first_test_row)),
        }
    }

    /// A data set whose parts are equally wide.
    fn checked(path: &Path, name: String, train: Examples, test: Option<Examples>) -> Result<Self> {
        if let Some(test) = &test
            && test.columns() != train.columns()
        {
            return Err(Error::file(
                path,
                format!(
                    "test examples of {} values, like the training examples",
                    train.columns()
                ),
                test.columns(),
            ));
        }
        Ok(Self { name, train, test })
    }
}

/// The images `names[0]` in `directory` with the labels `names[1]`, if the images are there.
fn idx_part(directory: &Path, names: [&str; 2]) -> Result<Option<Examples>> {
    let [images, labels] = names.map(|name| plain_or_gzipped(directory, name));
    let Some(images) = images else {
        return Ok(None);
    };
    let labels = labels.as_deref().map(Source::open).transpose()?;
    idx_examples(Source::open(&images)?, labels).map(Some)
}

/// The file `name` or `name.gz` in `directory`.
fn plain_or_gzipped(directory: &Path, name: &str) -> Option<PathBuf> {
    let candidates = [directory.join(name), directory.join(format!("{name}.gz"))];
    candidates.into_iter().find(|path| path.is_file())
}

fn idx_examples(images: Source<'_>, labels: Option<Source<'_>>) -> Result<Examples> {
    let images_path = images.path().to_owned();
    let examples = Examples::from_states(idx::images(images)?);
    let Some(labels) = labels else {
        return Ok(examples);
    };
    let labels_path = labels.path().to_owned();
    let labels = idx::labels(labels)?;
    let (expected, found) = (examples.len(), labels.len());
    examples.with_labels(labels).map_err(|_| {
        Error::file(
            labels_path,
            format!(
                "{expected} labels, one for each image of {}",
                images_path.display()
            ),
            found,
        )
    })
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
