//! Bytes with the name of the file they come from; gzip is undone on the way.

use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::{
    fmt::Display,
    fs::File,
    io::{self, BufReader, Cursor, Read},
    path::{Path, PathBuf},
};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Bytes that [`Source::peek`] shows: enough for every magic number.
const PEEK_BYTES: usize = 8;
/// Most that is reserved on the word of a header, before a byte has come.
const TRUSTED_BYTES: usize = 1 << 16;

/// A stream that knows its file. Gzip is told by its magic number and undone.
pub(in crate::dataset) struct Source<'a> {
    path: PathBuf,
    compressed: bool,
    head: Vec<u8>,
    reader: Box<dyn Read + 'a>,
}

impl<'a> Source<'a> {
    /// The file at `path`.
    pub(in crate::dataset) fn open(path: &Path) -> Result<Source<'static>> {
        let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
        Source::new(path, BufReader::new(file))
    }

    /// A stream that errors call `path`.
    pub(in crate::dataset) fn new(
        path: impl Into<PathBuf>,
        mut reader: impl Read + 'a,
    ) -> Result<Self> {
        let path = path.into();
        let magic = read_at_most(&path, &mut reader, GZIP_MAGIC.len())?;
        let compressed = magic == GZIP_MAGIC;
        let whole = Cursor::new(magic).chain(reader);
        let mut reader: Box<dyn Read + 'a> = if compressed {
            Box::new(BufReader::new(MultiGzDecoder::new(whole)))
        } else {
            Box::new(whole)
        };
        let head = read_at_most(&path, &mut reader, PEEK_BYTES)?;
        Ok(Self {
            path,
            compressed,
            reader: Box::new(Cursor::new(head.clone()).chain(reader)),
            head,
        })
    }

    /// The first bytes of the contents: eight, or all if there are fewer.
    pub(in crate::dataset) fn peek(&self) -> &[u8] {
        &self.head
    }

    /// Whether the contents came out of gzip.
    pub(in crate::dataset) fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// The name in errors.
    pub(in crate::dataset) fn path(&self) -> &Path {
        &self.path
    }

    /// [`Error::File`] of this file.
    pub(in crate::dataset) fn error(&self, expected: impl Display, found: impl Display) -> Error {
        Error::file(&self.path, expected, found)
    }

    /// The next `n` bytes, called `what` if they are not there.
    pub(in crate::dataset) fn next(&mut self, n: usize, what: &str) -> Result<Vec<u8>> {
        let bytes = read_at_most(&self.path, &mut self.reader, n)?;
        if bytes.len() < n {
            return Err(self.error(
                format!("{n} bytes of {what}"),
                format!("a truncated file with {} of them", bytes.len()),
            ));
        }
        Ok(bytes)
    }

    /// The last `n` bytes, called `what`; no byte may follow them. Reads at most one more, so that
    /// a small compressed file cannot expand without bound.
    pub(in crate::dataset) fn last(&mut self, n: usize, what: &str) -> Result<Vec<u8>> {
        let bytes = self.next(n, what)?;
        if !read_at_most(&self.path, &mut self.reader, 1)?.is_empty() {
            return Err(self.error(
                format!("the end of the file after {n} bytes of {what}"),
                format!("trailing bytes (at least {})", n.saturating_add(1)),
            ));
        }
        Ok(bytes)
    }

    /// The stream from here on.
    pub(in crate::dataset) fn into_reader(self) -> Box<dyn Read + 'a> {
        self.reader
    }

    /// All bytes that are left.
    pub(in crate::dataset) fn into_bytes(self) -> Result<Vec<u8>> {
        let path = self.path.clone();
        read_at_most(&path, &mut self.into_reader(), usize::MAX)
    }
}

/// The next bytes, `n` unless the stream ends before.
fn read_at_most(path: &Path, reader: &mut impl Read, n: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(n.min(TRUSTED_BYTES));
    reader
        .take(n as u64)
        .read_to_end(&mut bytes)
        .map_err(|e| broken_stream(path, bytes.len(), e))?;
    Ok(bytes)
}

/// A failed read: the system's refusal, or else a decoder's verdict on the bytes.
pub(in crate::dataset) fn broken_stream(path: &Path, so_far: usize, e: io::Error) -> Error {
    if e.raw_os_error().is_some() {
        return Error::io(path, "read", e);
    }
    Error::file(
        path,
        "an intact compressed stream",
        format!("a broken one ({e}) after {so_far} bytes of this part"),
    )
}

/// Bytes in hexadecimal, for errors about magic numbers.
pub(in crate::dataset) fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "an empty file".into();
    }
    let digits: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("bytes {}", digits.join(" "))
}
