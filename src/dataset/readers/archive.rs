//! The archive of NPY arrays that NumPy and SciPy write.

use super::{
    npy,
    npy_header::{self, NpyHeader},
    source::{Source, hex},
};
use crate::{
    dataset::table::{Table, check_labels},
    error::{Error, Result},
};
use std::{
    io::Cursor,
    path::{Path, PathBuf},
};
use zip::{CompressionMethod, ZipArchive};

/// Names of the training values, test values, training labels and test labels; the first that is
/// there is read.
pub(super) const TRAIN: &[&str] = &["train", "x_train", "data", "x"];
pub(super) const TEST: &[&str] = &["test", "x_test"];
pub(super) const TRAIN_LABELS: &[&str] = &["y_train", "y"];
pub(super) const TEST_LABELS: &[&str] = &["y_test"];

const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
const END_OF_DIRECTORY: [u8; 4] = *b"PK\x05\x06";
const ZIP64_LOCATOR: [u8; 4] = *b"PK\x06\x07";

/// Whether a file that starts with `head` is an archive.
pub(in crate::dataset) fn recognizes(head: &[u8]) -> bool {
    head.starts_with(&LOCAL_HEADER) || head.starts_with(&END_OF_DIRECTORY)
}

/// The arrays of an archive.
pub(super) struct Archive<'a> {
    path: &'a Path,
    zip: ZipArchive<Cursor<Vec<u8>>>,
}

impl<'a> Archive<'a> {
    pub(super) fn new(path: &'a Path, bytes: Vec<u8>) -> Result<Self> {
        if !recognizes(&bytes) {
            let head = &bytes[..bytes.len().min(4)];
            return Err(Error::file(path, "an NPZ archive (50 4b 03 04)", hex(head)));
        }
        if has_zip64_directory(&bytes) {
            return Err(Error::file(
                path,
                "an archive of less than 4 GB",
                "a ZIP64 directory",
            ));
        }
        let zip = ZipArchive::new(Cursor::new(bytes))
            .map_err(|e| Error::file(path, "an intact NPZ archive", e))?;
        Ok(Self { path, zip })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        self.path
    }

    /// Whether there is an array `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.array_names().any(|n| n == name)
    }

    /// The text in the array `name`, of which no more than a word is expected.
    pub(super) fn word(&mut self, name: &str) -> Result<String> {
        self.array(name, npy_header::word)
    }

    /// The first of `names` that the archive holds.
    pub(super) fn first_of(&self, names: &[&str]) -> Option<String> {
        names
            .iter()
            .find(|name| self.has(name))
            .map(ToString::to_string)
    }

    /// Members that end in `.npy`, without that ending.
    pub(super) fn array_names(&self) -> impl Iterator<Item = String> {
        let names = self.zip.file_names().filter_map(|name| name.ok());
        names.filter_map(|name| Some(name.strip_suffix(".npy")?.to_owned()))
    }

    /// The array `name` with the first of the arrays `labels` that is there.
    pub(super) fn table(&mut self, name: &str, labels: &[&str]) -> Result<Table> {
        let mut table = self.array(name, npy::table)?;
        let Some(label) = self.first_of(labels) else {
            return Ok(table);
        };
        let labels = self.array(&label, npy::labels)?;
        check_labels(&self.inside(&label), &labels, table.len())?;
        table.labels = Some(labels);
        Ok(table)
    }

    /// The name of the only array of two or more dimensions.
    pub(super) fn only_table(&mut self) -> Result<String> {
        let mut names: Vec<String> = self.array_names().collect();
        names.sort_unstable();
        let mut tables = Vec::new();
        for name in &names {
            let header = self.array(name, |mut source| NpyHeader::read(&mut source))?;
            if header.dimensions() >= 2 {
                tables.push(name);
            }
        }
        match tables[..] {
            [name] => Ok(name.clone()),
            _ => Err(Error::file(
                self.path,
                format!("one of the arrays {} or a single table", TRAIN.join(", ")),
                format!("the arrays [{}]", names.join(", ")),
            )),
        }
    }

    /// What `read` makes of the array `name`.
    pub(super) fn array<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Source<'_>) -> Result<T>,
    ) -> Result<T> {
        let inside = self.inside(name);
        let refused = |found: &dyn std::fmt::Display| {
            Error::file(&inside, "an array that is stored or deflated", found)
        };
        let member = self
            .zip
            .by_name(&format!("{name}.npy"))
            .map_err(|e| refused(&e))?;
        match member.compression() {
            CompressionMethod::Stored | CompressionMethod::Deflated => {}
            other => return Err(refused(&format!("compression {other}"))),
        }
        read(Source::new(&inside, member)?)
    }

    /// `archive.npz/name.npy`.
    fn inside(&self, name: &str) -> PathBuf {
        // Joined as text: a name that begins with a slash would take the place of the archive's.
        let mut inside = self.path.as_os_str().to_owned();
        inside.push(format!("/{name}.npy"));
        inside.into()
    }
}

/// Whether the end of the archive points to a ZIP64 directory. The zip reader would reserve memory
/// for as many members as that claims; a plain directory claims at most 65535.
fn has_zip64_directory(bytes: &[u8]) -> bool {
    const END_BYTES: usize = 22;
    const LOCATOR_BYTES: usize = 20;
    let Some(last) = bytes.len().checked_sub(END_BYTES) else {
        return false;
    };
    let first = last.saturating_sub(usize::from(u16::MAX));
    let Some(end) = (first..=last)
        .rev()
        .find(|&i| bytes[i..].starts_with(&END_OF_DIRECTORY))
    else {
        return false;
    };
    // The zip reader measures from the end of the file, by the length of the comment.
    let comment = usize::from(u16::from_le_bytes([bytes[end + 20], bytes[end + 21]]));
    bytes
        .len()
        .checked_sub(LOCATOR_BYTES + END_BYTES + comment)
        .is_some_and(|i| bytes[i..].starts_with(&ZIP64_LOCATOR))
}
