//! Examples that stay in their file: minibatches are read as they are needed, in memory that does
//! not grow with the data.
//!
//! A thread reads ahead by plain positioned reads. An epoch visits blocks of [`BLOCK_ROWS`]
//! consecutive rows in shuffled order; the rows of [`WINDOW_BLOCKS`] of them at a time are shuffled
//! together. So every row comes once an epoch, from anywhere in the file, but rows that are
//! neighbors there stay within a window: a file sorted by class should be shuffled once before.

use super::{
    Binarization, Examples,
    binarization::{binarize_row, fills},
    idx,
    npy_header::{self, NpyHeader, NpyType},
    source::{Source, hex},
};
use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    matrix::Matrix,
    rng::{HostRng, Stream},
    states::States,
};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

/// Consecutive rows that are read at once.
pub const BLOCK_ROWS: usize = 1024;
/// Blocks whose rows are shuffled together.
pub const WINDOW_BLOCKS: usize = 16;
/// Minibatches that wait for their reader.
const AHEAD: usize = 4;

/// How an element becomes a number in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
enum StoredElement {
    /// A byte divided by this.
    Byte(f32),
    /// A float that must be in the range.
    Float { big_endian: bool },
}

impl StoredElement {
    fn bytes(self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Float { .. } => 4,
        }
    }
}

/// Examples `[len x columns]` in an uncompressed IDX file (unsigned bytes) or NPY file (bool, uint8
/// or float32, in C order).
#[derive(Clone, Debug)]
pub struct ExampleStream {
    path: PathBuf,
    first_byte: u64,
    rows: usize,
    columns: usize,
    element: StoredElement,
    how: Binarization,
    seed: u64,
}

impl ExampleStream {
    /// The examples of the file at `path`, numbers as [`super::Dataset::open`] would have them:
    /// bytes of IDX divided by 255, and those of NPY too if one of them is above 1, for which the
    /// file is read up to the first such byte.
    ///
    /// # Errors
    /// [`Error::File`] unless the file is one of these and exactly as long as its header says,
    /// [`Error::Io`] if the system refuses to read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
        let length = file
            .metadata()
            .map_err(|e| Error::io(path, "read", e))?
            .len();
        let mut counted = Counted { file, bytes: 0 };
        let (rows, columns, element) = {
            let mut source = Source::new(path, &mut counted)?;
            if source.is_compressed() {
                return Err(source.error("an uncompressed file", "one in gzip"));
            }
            if npy_header::recognizes(source.peek()) {
                npy_layout(&mut source)?
            } else if idx::recognizes(source.peek()) {
                let (rows, columns) = idx::layout(&mut source)?;
                (rows, columns, StoredElement::Byte(255.0))
            } else {
                return Err(source.error("a file of IDX or NPY", hex(source.peek())));
            }
        };
        let first_byte = counted.bytes;
        let bytes = rows
            .checked_mul(columns)
            .and_then(|n| n.checked_mul(element.bytes()))
            .and_then(|n| (n as u64).checked_add(first_byte));
        if bytes != Some(length) {
            return Err(Error::file(
                path,
                format!(
                    "{rows} x {columns} elements of {} bytes after a header of {first_byte}",
                    element.bytes()
                ),
                format!("a file of {length} bytes"),
            ));
        }
        let mut stream = Self {
            path: path.to_owned(),
            first_byte,
            rows,
            columns,
            element,
            how: Binarization::None,
            seed: 0,
        };
        if stream.element == StoredElement::Byte(1.0) && stream.has_large_byte()? {
            stream.element = StoredElement::Byte(255.0);
        }
        Ok(stream)
    }

    /// The examples as bits, drawn or cut as [`super::Dataset::binarized`] does it: the same bits
    /// for the same seed, however they are read. With [`Binarization::None`] they stay numbers,
    /// even if all are 0 or 1. (`train::RbmOptions::resample_data` draws them anew at each visit.)
    #[must_use]
    pub fn binarized(mut self, how: Binarization, seed: u64) -> Self {
        (self.how, self.seed) = (how, seed);
        self
    }

    /// Number of examples; there is at least one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Number of values in one example.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// About `n` examples spread evenly over the file, in its order: all of them if there are no
    /// more.
    ///
    /// # Errors
    /// As [`Self::open`]; [`Error::File`] for a float outside [0, 1].
    pub fn sample(&self, n: usize) -> Result<Examples> {
        let mut file = self.file()?;
        let n = n.clamp(1, self.rows);
        let rows: Result<Vec<Examples>> = (0..n)
            .map(|k| {
                self.read(
                    &mut file,
                    (k as u128 * self.rows as u128 / n as u128) as usize,
                    1,
                )
            })
            .collect();
        let rows = rows?;
        let picks: Vec<(usize, usize)> = (0..n).map(|k| (k, 0)).collect();
        Ok(gather(&rows, &picks))
    }

    /// Examples `start..start + n`, or as many of them as there are.
    ///
    /// # Errors
    /// As [`Self::sample`].
    pub fn range(&self, start: usize, n: usize) -> Result<Examples> {
        let start = start.min(self.rows);
        self.read(&mut self.file()?, start, n.min(self.rows - start))
    }

    /// The minibatches of an epoch, `batch_size` examples each, the last perhaps fewer: an order
    /// that (seed, epoch) determines.
    ///
    /// # Errors
    /// [`Error::Parameter`] for minibatches of nothing, [`Error::Io`] if the file or the thread
    /// cannot be had. Errors of reading are items.
    pub fn epoch(&self, seed: u64, epoch: u64, batch_size: usize) -> Result<Batches> {
        if batch_size == 0 {
            return Err(Error::parameter("batch size", "at least 1", 0));
        }
        let mut file = self.file()?;
        let (send, receive) = sync_channel(AHEAD);
        let stream = self.clone();
        let read = move || {
            let mut rng = HostRng::new(seed, Stream::Blocks(epoch));
            let mut order: Vec<usize> = (0..stream.rows).step_by(BLOCK_ROWS).collect();
            rng.shuffle(&mut order);
            let mut left = None;
            for window in order.chunks(WINDOW_BLOCKS) {
                let blocks = window.iter().map(|&start| {
                    let n = BLOCK_ROWS.min(stream.rows - start);
                    stream.read(&mut file, start, n)
                });
                let blocks: Result<Vec<Examples>> =
                    left.take().map(Ok).into_iter().chain(blocks).collect();
                let blocks = match blocks {
                    Ok(blocks) => blocks,
                    Err(e) => {
                        // A receiver that is gone needs no error.
                        let _ = send.send(Err(e));
                        return;
                    }
                };
                let rows = |k: usize| (0..blocks[k].len()).map(move |i| (k, i));
                let mut picks: Vec<(usize, usize)> = (0..blocks.len()).flat_map(rows).collect();
                let fresh = picks.len()
                    - window
                        .iter()
                        .map(|&start| BLOCK_ROWS.min(stream.rows - start))
                        .sum::<usize>();
                rng.shuffle(&mut picks[fresh..]);
                let whole = picks.len() / batch_size * batch_size;
                for batch in picks[..whole].chunks(batch_size) {
                    if send.send(Ok(gather(&blocks, batch))).is_err() {
                        return;
                    }
                }
                left = (whole < picks.len()).then(|| gather(&blocks, &picks[whole..]));
            }
            if let Some(last) = left {
                let _ = send.send(Ok(last));
            }
        };
        thread::Builder::new()
            .name("read-ahead".into())
            .spawn(read)
            .map_err(|e| Error::io(&self.path, "start a thread that reads", e))?;
        Ok(Batches(receive))
    }

    fn file(&self) -> Result<File> {
        File::open(&self.path).map_err(|e| Error::io(&self.path, "open", e))
    }

    fn bytes(&self, file: &mut File, start: usize, n: usize) -> Result<Vec<u8>> {
        let of_row = self.columns * self.element.bytes();
        let mut bytes = vec![0; n * of_row];
        let at = self.first_byte + start as u64 * of_row as u64;
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|e| Error::io(&self.path, "read", e))?;
        Ok(bytes)
    }

    fn has_large_byte(&self) -> Result<bool> {
        let mut file = self.file()?;
        for start in (0..self.rows).step_by(BLOCK_ROWS) {
            let n = BLOCK_ROWS.min(self.rows - start);
            if self.bytes(&mut file, start, n)?.iter().any(|&x| x > 1) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rows `start..start + n`. Runs on no thread of a pool: it may be called from the reader.
    fn read(&self, file: &mut File, start: usize, n: usize) -> Result<Examples> {
        let bytes = self.bytes(file, start, n)?;
        let mut matrix = Matrix::zeros(n, self.columns);
        for (i, bytes) in bytes
            .chunks_exact((self.columns * self.element.bytes()).max(1))
            .enumerate()
        {
            let row = matrix.row_mut(i);
            match self.element {
                StoredElement::Byte(most) => {
                    for (x, &byte) in row.iter_mut().zip(bytes) {
                        *x = f32::from(byte) / most;
                    }
                }
                StoredElement::Float { big_endian } => {
                    for (j, (x, b)) in row.iter_mut().zip(bytes.chunks_exact(4)).enumerate() {
                        let b = [b[0], b[1], b[2], b[3]];
                        *x = if big_endian {
                            f32::from_be_bytes(b)
                        } else {
                            f32::from_le_bytes(b)
                        };
                        if !(0.0..=1.0).contains(x) {
                            return Err(Error::file(
                                &self.path,
                                "numbers in [0, 1]",
                                format!("{x} in row {}, column {j}", start + i),
                            ));
                        }
                    }
                }
            }
        }
        if !fills(self.how) {
            return Ok(Examples::from_states(matrix));
        }
        let mut bits = BitMatrix::zeros(n, self.columns);
        for i in 0..n {
            let row = start + i;
            binarize_row(
                matrix.row(i),
                self.how,
                self.seed,
                row,
                bits.view_mut().row_mut(i),
            );
        }
        Ok(Examples::from_states(bits))
    }
}

/// Rows, columns and elements of an NPY file.
fn npy_layout(source: &mut Source<'_>) -> Result<(usize, usize, StoredElement)> {
    let header = NpyHeader::read(source)?;
    if header.dimensions() < 2 || header.fortran {
        return Err(source.error(
            "an array of two or more dimensions in C order",
            header.describe(),
        ));
    }
    let element = match header.kind {
        NpyType::Bool | NpyType::U8 => StoredElement::Byte(1.0),
        NpyType::F32 => StoredElement::Float {
            big_endian: header.is_big_endian(),
        },
        _ => {
            return Err(source.error("elements of bool, uint8 or float32", header.describe()));
        }
    };
    let columns = header.shape[1..]
        .iter()
        .try_fold(1_usize, |n, &size| n.checked_mul(size));
    match (header.shape[0], columns) {
        (1.., Some(columns @ 1..)) => Ok((header.shape[0], columns, element)),
        (_, None) => Err(source.error("a size that fits into memory", header.describe())),
        _ => Err(source.error(
            "at least one example of at least one value",
            header.describe(),
        )),
    }
}

/// The rows `(block, row)`, in that order, of blocks that are all bits or all numbers.
fn gather(blocks: &[Examples], picks: &[(usize, usize)]) -> Examples {
    let columns = blocks.first().map_or(0, Examples::columns);
    let mut bits = BitMatrix::zeros(0, columns);
    let mut real = Matrix::zeros(0, columns);
    let is_bits = blocks.first().is_some_and(|x| x.bits().is_some());
    if is_bits {
        bits = BitMatrix::zeros(picks.len(), columns);
    } else {
        real = Matrix::zeros(picks.len(), columns);
    }
    for (to, &(block, row)) in picks.iter().enumerate() {
        match blocks[block].states() {
            States::Bits(x) => bits.copy_row(to, x.view(), row),
            States::Real(x) => real.row_mut(to).copy_from_slice(x.row(row)),
        }
    }
    if is_bits {
        Examples::from_states(bits)
    } else {
        Examples::from_states(real)
    }
}

/// The minibatches of an epoch of an [`ExampleStream`], read ahead; ends after the first error.
/// Dropping it stops the reader.
#[derive(Debug)]
pub struct Batches(Receiver<Result<Examples>>);

impl Iterator for Batches {
    type Item = Result<Examples>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.recv().ok()
    }
}

/// A file that counts what is read of it.
struct Counted {
    file: File,
    bytes: u64,
}

impl Read for Counted {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(to)?;
        self.bytes += n as u64;
        Ok(n)
    }
}
