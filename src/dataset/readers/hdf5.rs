//! HDF5: arrays by their path in the file.

use super::{
    archive::{TEST, TEST_LABELS, TRAIN, TRAIN_LABELS},
    npz::Array,
};
use crate::{
    dataset::table::{Cells, Labels, Table, check_labels},
    error::{Error, Result},
};
use hdf5_reader::{
    BlockCacheStorage, Dataset, Datatype, FileStorage, Hdf5File, OpenOptions, group::Group,
};
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
/// Bytes that one of the file can become: deflate has no more than 1032.
const EXPANSION: u64 = 1032;
/// Bytes of an array that need no bytes in the file: those that were never written.
const TRUSTED_BYTES: u64 = 1 << 20;
/// Most groups and arrays that are looked through.
const MOST_MEMBERS: usize = 10_000;
/// Arrays that are named where none was chosen.
const SHOWN: usize = 10;

/// Whether a file that starts with `head` is HDF5.
pub(crate) fn recognizes(head: &[u8]) -> bool {
    head.starts_with(SIGNATURE)
}

/// The file and the path of an array in it, of `file.h5:/path`; all of `path` without one.
pub(crate) fn split(path: &Path) -> Option<(PathBuf, String)> {
    let text = path.to_str()?;
    let (file, inside) = text.rsplit_once(":/")?;
    let is_file = !path.exists() && Path::new(file).is_file();
    is_file.then(|| (file.into(), format!("/{inside}")))
}

/// The table of the array at `inside`; without it, of the arrays of the root that are named as in
/// NPZ archives, with the test part and the labels, or else of the only array of two or more
/// dimensions.
pub(in crate::dataset) fn tables(
    path: &Path,
    inside: Option<&str>,
) -> Result<(Table, Option<Table>)> {
    let file = Hdf5::open(path)?;
    if let Some(inside) = inside {
        return Ok((file.table(inside)?, None));
    }
    let names = file.names()?;
    // Names of the root in any case: `X` and `y` are usual.
    let first_of = |wanted: &[&str]| {
        let is = |name: &&String, x: &&str| name[1..].eq_ignore_ascii_case(x);
        wanted
            .iter()
            .find_map(|x| names.iter().find(|name| is(name, x)))
    };
    let labeled = |name: &str, labels: &[&str]| {
        let mut table = file.table(name)?;
        if let Some(name) = first_of(labels) {
            let labels = file.labels(name)?;
            check_labels(&file.inside(name), &labels, table.len())?;
            table.labels = Some(labels);
        }
        Ok(table)
    };
    let train = match first_of(TRAIN) {
        Some(name) => name.clone(),
        None => file.only_table(&names)?,
    };
    let test = first_of(TEST).map(|name| labeled(name, TEST_LABELS));
    let mut train = labeled(&train, TRAIN_LABELS)?;
    train
        .found
        .insert(0, format!("the array {}", train.path.display()));
    Ok((train, test.transpose()?))
}

/// An HDF5 file and its arrays.
pub(crate) struct Hdf5<'a> {
    path: &'a Path,
    file: Hdf5File,
    /// Most bytes that an array of this file may have.
    most: u64,
}

impl<'a> Hdf5<'a> {
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::File`] if it is no such file.
    pub(crate) fn open(path: &'a Path) -> Result<Self> {
        let length = fs::metadata(path)
            .map_err(|e| Error::io(path, "open", e))?
            .len();
        let most = length
            .saturating_mul(EXPANSION)
            .saturating_add(TRUSTED_BYTES);
        let most_bytes = usize::try_from(most).unwrap_or(usize::MAX);
        let options = OpenOptions::default()
            .with_max_read_bytes(most_bytes)
            .with_max_chunk_bytes(most_bytes.min(hdf5_reader::DEFAULT_MAX_CHUNK_BYTES));
        let file = FileStorage::open(path)
            .map(|file| Arc::new(BlockCacheStorage::with_defaults(Arc::new(file))))
            .and_then(|storage| Hdf5File::from_storage_with_options(storage, options))
            .map_err(|e| refused(path, &e))?;
        Ok(Self { path, file, most })
    }

    /// `file.h5:/path`.
    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        let mut inside = self.path.as_os_str().to_owned();
        inside.push(format!(":{name}"));
        inside.into()
    }

    /// The paths of all arrays.
    fn names(&self) -> Result<Vec<String>> {
        let root = self.file.root_group().map_err(|e| refused(self.path, &e))?;
        let mut names = Vec::new();
        let mut seen = HashSet::from([root.address()]);
        let mut groups: Vec<(String, Group)> = vec![(String::new(), root)];
        while let Some((above, group)) = groups.pop() {
            let (inner, arrays) = group.members().map_err(|e| refused(self.path, &e))?;
            names.extend(arrays.iter().map(|x| format!("{above}/{}", last(x.name()))));
            for group in inner {
                // A link may lead back.
                if seen.insert(group.address()) {
                    groups.push((format!("{above}/{}", last(group.name())), group));
                }
            }
            if names.len() + seen.len() > MOST_MEMBERS {
                let expected = format!("at most {MOST_MEMBERS} groups and arrays");
                return Err(Error::file(
                    self.path,
                    expected,
                    "more (choose one: FILE:/PATH)",
                ));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The groups and the arrays of the root.
    pub(crate) fn root(&self) -> Result<(Vec<String>, Vec<String>)> {
        let root = self.file.root_group();
        let names = root.and_then(|root| root.member_names());
        names.map_err(|e| refused(self.path, &e))
    }

    /// The elements of the array `name`, in row-major order.
    ///
    /// # Errors
    /// [`Error::File`] without such an array of numbers.
    pub(crate) fn numbers(&self, name: &str) -> Result<Array> {
        let array = self.array(name)?;
        let elements = f64s(self.cells(&array, &self.inside(name))?);
        // The elements are there, so that their numbers are of this machine.
        let shape = array.shape().iter().map(|&n| n as usize).collect();
        Ok((shape, elements))
    }

    /// The text `name`.
    ///
    /// # Errors
    /// [`Error::File`] without such a text.
    pub(crate) fn text(&self, name: &str) -> Result<String> {
        let text = self.array(name)?.read_string();
        text.map_err(|e| Error::file(self.inside(name), "a text", e))
    }

    fn array(&self, name: &str) -> Result<Dataset> {
        self.file.dataset(name).map_err(|e| {
            let inside = self.inside(name);
            match self.names() {
                Ok(names) if names.iter().all(|x| x != name) => Error::file(
                    inside,
                    format!("one of the arrays {}", shown(&names)),
                    "no such array",
                ),
                _ => refused(&inside, &e),
            }
        })
    }

    fn only_table(&self, names: &[String]) -> Result<String> {
        let mut tables = Vec::new();
        for name in names {
            if self.array(name)?.ndim() >= 2 {
                tables.push(name);
            }
        }
        if let [name] = tables[..] {
            return Ok(name.clone());
        }
        let named = TRAIN.join(", ");
        let expected = format!(
            "an array {named}, a single table, or a choice {}:/PATH",
            self.path.display()
        );
        Err(Error::file(
            self.path,
            expected,
            format!("the arrays {}", shown(names)),
        ))
    }

    fn table(&self, name: &str) -> Result<Table> {
        let array = self.array(name)?;
        let path = self.inside(name);
        let shape: Option<Vec<usize>> = array
            .shape()
            .iter()
            .map(|&n| usize::try_from(n).ok())
            .collect();
        let (rows, inner) = match shape.as_deref() {
            Some([rows, inner @ ..]) if !inner.is_empty() => (*rows, inner.to_vec()),
            _ => {
                let expected = "an array of two or more dimensions";
                return Err(Error::file(path, expected, format!("{:?}", array.shape())));
            }
        };
        Table::new(&path, self.cells(&array, &path)?, rows, inner)
    }

    fn labels(&self, name: &str) -> Result<Labels> {
        let array = self.array(name)?;
        let path = self.inside(name);
        if !matches!(array.shape(), [_] | [_, 1]) {
            let found = format!("{:?}", array.shape());
            return Err(Error::file(path, "an array of one dimension", found));
        }
        if matches!(
            array.dtype(),
            Datatype::String { .. } | Datatype::VarLen { .. }
        ) {
            let texts = array.read_strings().map_err(|e| refused(&path, &e))?;
            return Ok(Labels::from_texts(last(name), &texts));
        }
        let numbers = f64s(self.cells(&array, &path)?);
        let is_whole = |x: &f64| x.fract() == 0.0 && x.abs() < 2_f64.powi(53);
        if let Some(i) = numbers.iter().position(|x| !is_whole(x)) {
            let found = format!("{} in row {}", numbers[i], i + 1);
            return Err(Error::file(path, "whole numbers as labels", found));
        }
        let numbers: Vec<i64> = numbers.into_iter().map(|x| x as i64).collect();
        Ok(Labels::from_numbers(last(name), &numbers))
    }

    /// The elements of an array as they are, in row-major order.
    fn cells(&self, array: &Dataset, path: &Path) -> Result<Cells> {
        // Booleans of h5py are an enumeration of bytes.
        let kind = match array.dtype() {
            Datatype::Enum { base, .. } => base,
            other => other,
        };
        let (size, kind) = match *kind {
            Datatype::FixedPoint { size, signed, .. } => (size, if signed { 'i' } else { 'u' }),
            Datatype::FloatingPoint { size, .. } => (size, 'f'),
            _ => (0, ' '),
        };
        let elements = array.num_elements().unwrap_or(u64::MAX);
        let bytes = elements.saturating_mul(size.into());
        if bytes > self.most {
            let expected = format!("at most {} bytes, which the file can hold", self.most);
            return Err(Error::file(
                path,
                expected,
                format!("{bytes} bytes {:?}", array.shape()),
            ));
        }
        let read = || array.read_native_bytes().map_err(|e| refused(path, &e));
        macro_rules! numbers {
            ($type:ty, $to:ty) => {{
                let bytes = read()?;
                let chunks = bytes.as_chunks::<{ size_of::<$type>() }>().0;
                chunks
                    .iter()
                    .map(|x| <$type>::from_ne_bytes(*x) as $to)
                    .collect()
            }};
        }
        Ok(match (kind, size) {
            ('u', 1) => Cells::Bytes(read()?),
            ('i', 1) if matches!(array.dtype(), Datatype::Enum { .. }) => Cells::Bytes(read()?),
            ('i', 1) => Cells::Floats(numbers!(i8, f32)),
            ('u', 2) => Cells::Floats(numbers!(u16, f32)),
            ('i', 2) => Cells::Floats(numbers!(i16, f32)),
            ('u', 4) => Cells::Numbers(numbers!(u32, f64)),
            ('i', 4) => Cells::Numbers(numbers!(i32, f64)),
            ('u', 8) => Cells::Numbers(numbers!(u64, f64)),
            ('i', 8) => Cells::Numbers(numbers!(i64, f64)),
            ('f', 4) => Cells::Floats(numbers!(f32, f32)),
            ('f', 8) => Cells::Numbers(numbers!(f64, f64)),
            _ => {
                let expected = "bool, int8 to int64, uint8 to uint64, float32 or float64";
                return Err(Error::file(path, expected, in_words(array.dtype())));
            }
        })
    }
}

fn f64s(cells: Cells) -> Vec<f64> {
    match cells {
        Cells::Bytes(x) => x.into_iter().map(f64::from).collect(),
        Cells::Floats(x) => x.into_iter().map(f64::from).collect(),
        Cells::Numbers(x) => x,
        Cells::Sparse(_) => unreachable!("arrays are dense"),
    }
}

/// The first of the names.
fn shown(names: &[String]) -> String {
    let mut shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    if names.len() > SHOWN {
        shown.push("..");
    }
    format!("[{}]", shown.join(", "))
}

fn in_words(kind: &Datatype) -> String {
    match kind {
        Datatype::FixedPoint { size, .. } => format!("integers of {size} bytes"),
        Datatype::FloatingPoint { size, .. } => format!("floats of {size} bytes"),
        Datatype::String { .. } | Datatype::VarLen { .. } => "text".into(),
        Datatype::Compound { .. } => "records of several fields (save a field alone)".into(),
        _ => "another type".into(),
    }
}

/// The last name of a path.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// What the HDF5 reader complains about.
fn refused(path: &Path, e: &hdf5_reader::error::Error) -> Error {
    Error::file(path, "an intact HDF5 file that this reader knows", e)
}
