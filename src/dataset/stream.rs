//! Examples that stay in their file: minibatches are read as they are needed, in memory that does
//! not grow with the data.
//!
//! A thread reads ahead by plain positioned reads. An epoch visits blocks of [`BLOCK_ROWS`]
//! consecutive rows in shuffled order; the rows of [`WINDOW_BLOCKS`] of them at a time are shuffled
//! together. So every row comes once an epoch, from anywhere in the file, but rows that are
//! neighbors there stay within a window: a file sorted by class should be shuffled once before.
//!
//! A sparse matrix is in memory as the few values that it has; a minibatch alone becomes dense.

mod layout;
mod sparse;

use self::layout::{Counted, npy_layout};
use super::{
    Asked, Binarization, Encoding, Examples, Reading, Tables,
    binarization::{binarize_row, fills},
    readers::{
        idx, libsvm,
        npy_header::{self, NpyHeader},
        npz,
        source::{Source, hex},
    },
    table::{Cells, Facts, Sparse, Table},
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
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    thread,
};

/// Consecutive rows that are read at once.
pub const BLOCK_ROWS: usize = 1024;
/// Blocks whose rows are shuffled together.
pub const WINDOW_BLOCKS: usize = 16;
/// Minibatches that wait for their reader.
const AHEAD: usize = 4;
/// Greatest gray value of a byte.
const BYTE: f64 = 255.0;

/// How the elements of the file are stored.
#[derive(Clone, Debug, PartialEq)]
enum Stored {
    /// Bytes of IDX.
    Bytes,
    /// An array of NPY.
    Array(NpyHeader),
    /// The cells of a sparse table, in memory.
    Sparse(Arc<Sparse>),
}

impl Stored {
    /// Bytes of an element.
    fn bytes(&self) -> usize {
        match self {
            Self::Bytes => 1,
            Self::Array(header) => header.kind.bytes(),
            Self::Sparse(_) => 0,
        }
    }
}

/// Examples `[len x units]` in an uncompressed IDX file (unsigned bytes) or NPY file (in C order),
/// or in a sparse matrix (SciPy, libsvm).
#[derive(Clone, Debug)]
pub struct ExampleStream {
    path: PathBuf,
    first_byte: u64,
    rows: usize,
    shape: Vec<usize>,
    stored: Stored,
    scale: f64,
    /// Whether nobody said the scale.
    is_image: bool,
    /// That of the table, see [`Table::first_index`].
    first_index: Option<u32>,
    encoding: Encoding,
    how: Binarization,
    seed: u64,
}

impl ExampleStream {
    /// The examples of the file at `path`, as [`super::Dataset::open`] would have them.
    ///
    /// # Errors
    /// As [`Self::open_as`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_as(path, &Reading::default(), &Asked::default())
    }

    /// The examples of the file at `path`, as [`super::Dataset::open_as`] would have them, without
    /// labels, weights and missing values; of an array with all its columns.
    ///
    /// Cost: one pass over the file, two more for a standardization, and two for softmax units: of
    /// which categories, and whether these are units already.
    ///
    /// # Errors
    /// [`Error::File`] unless the file is one of these and exactly as long as its header says, and
    /// those of [`Encoding::fit`]; [`Error::Io`] if the system refuses to read.
    pub fn open_as(path: impl AsRef<Path>, reading: &Reading, asked: &Asked) -> Result<Self> {
        let mut stream = Self::laid_out(path.as_ref(), reading, None)?;
        let facts = stream.scale_as(reading)?;
        let first = stream.table(&mut stream.file()?, 0, BLOCK_ROWS)?;
        let each = |see: &mut dyn FnMut(&Table)| {
            stream.each(&mut |part| {
                see(part);
                Ok(())
            })
        };
        let fitted = Encoding::fit_parts((&first, &facts), asked, &each);
        stream.encoding = match fitted {
            Ok(encoding) => encoding,
            Err(error) => {
                // The part with the cell tells of it.
                stream.each(&mut |part| Encoding::fit(part, asked).map(|_| ()))?;
                return Err(error);
            }
        };
        Ok(stream)
    }

    /// The examples of the file at `path` with `encoding`, that of a machine.
    ///
    /// # Errors
    /// As [`Self::open_as`]; those of [`Encoding::encode`].
    pub fn open_encoded(
        path: impl AsRef<Path>,
        reading: &Reading,
        encoding: Encoding,
    ) -> Result<Self> {
        let mut stream = Self::laid_out(path.as_ref(), reading, Some(&encoding))?;
        stream.scale_as(reading)?;
        match stream.stored {
            // Its rows come in any order later: here errors tell their numbers.
            Stored::Sparse(_) => stream.each(&mut |part| encoding.states(part).map(|_| ()))?,
            _ => encoding
                .states(&stream.table(&mut stream.file()?, 0, 1)?)
                .map(|_| ())?,
        }
        stream.encoding = encoding;
        Ok(stream)
    }

    /// Settles what the numbers are divided by; the facts of the columns.
    fn scale_as(&mut self, reading: &Reading) -> Result<Vec<Facts>> {
        if self.is_in_memory() {
            return self.facts();
        }
        let is_idx = self.stored == Stored::Bytes;
        self.scale = reading.scale.unwrap_or(if is_idx { BYTE } else { 1.0 });
        self.is_image = is_idx && reading.scale.is_none();
        let facts = self.facts()?;
        let are_bytes = self.stored.bytes() == 1 && self.shape.len() > 1;
        let is_gray = are_bytes && facts.iter().any(|x| x.most == BYTE);
        if reading.scale.is_some() || !is_gray {
            return Ok(facts);
        }
        (self.scale, self.is_image) = (BYTE, true);
        self.facts()
    }

    /// The file without a look at its elements; of a sparse matrix, all of them.
    /// Such a one has the columns of `encoding`, if there is one.
    fn laid_out(path: &Path, reading: &Reading, encoding: Option<&Encoding>) -> Result<Self> {
        // What stays in its file is read row by row, without what is beside the values.
        for (what, is_asked) in [
            ("labels", reading.label.is_some()),
            ("weights", reading.weight.is_some()),
            ("missing values", reading.missing),
        ] {
            if is_asked {
                let expected = format!("no {what}, of examples that stay in their file");
                return Err(Error::parameter("stream", expected, what));
            }
        }
        let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
        let length = file
            .metadata()
            .map_err(|e| Error::io(path, "read", e))?
            .len();
        let mut counted = Counted { file, bytes: 0 };
        let (rows, shape, stored) = {
            let mut source = Source::new(path, &mut counted)?;
            if source.is_compressed() {
                return Err(source.error("an uncompressed file", "one in gzip"));
            }
            let is_dense = npy_header::recognizes(source.peek()) || idx::recognizes(source.peek());
            if is_dense && !reading.columns.is_empty() {
                let expected = "all columns, of an array that stays in its file";
                let found = reading.columns.join(",");
                return Err(Error::parameter("columns", expected, found));
            }
            if npy_header::recognizes(source.peek()) {
                let header = npy_layout(&mut source)?;
                (
                    header.shape[0],
                    header.shape[1..].to_vec(),
                    Stored::Array(header),
                )
            } else if idx::recognizes(source.peek()) {
                let (rows, shape) = idx::layout(&mut source)?;
                (rows, shape, Stored::Bytes)
            } else {
                let refused = |found: &dyn std::fmt::Display| {
                    Err(source.error("a file of IDX or NPY, or a sparse matrix", found))
                };
                if !(npz::recognizes(source.peek()) || libsvm::is_named(path)) {
                    return refused(&hex(source.peek()));
                }
                let mut table = Tables::open(path, reading)?.train;
                if let Some(encoding) = encoding {
                    table = encoding.widened(&table)?.into_owned();
                }
                return Self::of_sparse(table).map_or_else(|| refused(&"a dense one"), Ok);
            }
        };
        let first_byte = counted.bytes;
        let columns: usize = shape.iter().product();
        let bytes = rows
            .checked_mul(columns)
            .and_then(|n| n.checked_mul(stored.bytes()))
            .and_then(|n| (n as u64).checked_add(first_byte));
        if bytes != Some(length) {
            return Err(Error::file(
                path,
                format!(
                    "{rows} x {columns} elements of {} bytes after a header of {first_byte}",
                    stored.bytes()
                ),
                format!("a file of {length} bytes"),
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            first_byte,
            rows,
            encoding: Encoding::bits(&shape),
            shape,
            stored,
            scale: 1.0,
            is_image: false,
            first_index: None,
            how: Binarization::None,
            seed: 0,
        })
    }

    /// Shows the parts of the file in turn.
    fn each(&self, see: &mut dyn FnMut(&Table) -> Result<()>) -> Result<()> {
        let mut file = self.file()?;
        for start in (0..self.rows).step_by(BLOCK_ROWS) {
            see(&self.table(&mut file, start, BLOCK_ROWS)?)?;
        }
        Ok(())
    }

    /// What the columns hold.
    fn facts(&self) -> Result<Vec<Facts>> {
        let mut all: Option<Vec<Facts>> = None;
        self.each(&mut |part| {
            let facts = part.facts();
            all = Some(match all.take() {
                None => facts,
                Some(all) => all.iter().zip(&facts).map(|(a, b)| a.and(b)).collect(),
            });
            Ok(())
        })?;
        Ok(all.unwrap_or_default())
    }

    /// What the columns became.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
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

    /// Number of units of one example.
    pub fn columns(&self) -> usize {
        self.encoding.units().size()
    }

    /// About `n` examples spread evenly over the file, in its order: all of them if there are no
    /// more.
    ///
    /// # Errors
    /// As [`Self::open`]; [`Error::File`] for a float outside [0, 1].
    pub fn sample(&self, n: usize) -> Result<Examples> {
        let n = n.clamp(1, self.rows);
        let row = |k| (k as u128 * self.rows as u128 / n as u128) as usize;
        self.at(&(0..n).map(row).collect::<Vec<_>>())
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

    /// At most `n` rows from `start` on, as the file has them.
    fn table(&self, file: &mut File, start: usize, n: usize) -> Result<Table> {
        let n = n.min(self.rows - start);
        let mut bytes = || -> Result<Vec<u8>> {
            let columns: usize = self.shape.iter().product();
            let of_row = columns * self.stored.bytes();
            let mut bytes = vec![0; n * of_row];
            let at = self.first_byte + start as u64 * of_row as u64;
            file.seek(SeekFrom::Start(at))
                .and_then(|_| file.read_exact(&mut bytes))
                .map_err(|e| Error::io(&self.path, "read", e))?;
            Ok(bytes)
        };
        let cells = match &self.stored {
            Stored::Bytes => Cells::Bytes(bytes()?),
            Stored::Array(header) => header.cells(bytes()?, n),
            Stored::Sparse(cells) => Cells::Sparse(cells.rows(start..start + n)),
        };
        let table = Table::new(&self.path, cells, n, self.shape.clone())?;
        let mut table = table.starting_at(start).scaled(self.scale)?;
        (table.is_image, table.first_index) = (self.is_image, self.first_index);
        Ok(table)
    }

    /// Rows `start..start + n`, of which there is at least one. Runs on no thread of a pool: it may
    /// be called from the reader.
    fn read(&self, file: &mut File, start: usize, n: usize) -> Result<Examples> {
        if n == 0 {
            return Ok(Examples::from_states(Matrix::zeros(0, self.columns())));
        }
        let table = self.table(file, start, n)?;
        table.expect_whole()?;
        self.encoded(&table, start..start + n)
    }

    /// The examples of `table`, which are `rows` of all.
    fn encoded(&self, table: &Table, rows: impl Iterator<Item = usize>) -> Result<Examples> {
        let matrix = self.encoding.matrix(table)?;
        if !fills(self.how) {
            return Ok(Examples::from_states(matrix));
        }
        let mut bits = BitMatrix::zeros(matrix.rows(), self.columns());
        for (i, row) in rows.enumerate() {
            let mut view = bits.view_mut();
            binarize_row(matrix.row(i), self.how, self.seed, row, view.row_mut(i));
        }
        Ok(Examples::from_states(bits))
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
