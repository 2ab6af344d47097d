//! Packed binary states: 64 units a word, rows on cache lines, padding always zero.

use crate::{
    error::{Error, Result},
    matrix::{Aligned, Matrix, ROW_ALIGN_BYTES, aligned},
};
use std::{marker::PhantomData, ops::Range, ptr::NonNull};

/// Units in one word.
pub const WORD_BITS: usize = 64;
const ROW_ALIGN_WORDS: usize = ROW_ALIGN_BYTES / size_of::<u64>();

/// A row-major matrix of bits. Bit `j` of row `i` is bit `j % 64` of word `j / 64` of the row; rows
/// start on 64-byte boundaries; every bit beyond the last column is zero.
#[derive(Clone, Debug)]
pub struct BitMatrix {
    words: Aligned<u64>,
    rows: usize,
    columns: usize,
    stride: usize,
}

impl BitMatrix {
    /// `[rows x columns]` zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        let stride = columns
            .div_ceil(WORD_BITS)
            .next_multiple_of(ROW_ALIGN_WORDS);
        Self {
            words: aligned(rows * stride, 0),
            rows,
            columns,
            stride,
        }
    }

    /// `[rows x columns]` with bit `f(row, column)`.
    pub fn from_fn(rows: usize, columns: usize, mut f: impl FnMut(usize, usize) -> bool) -> Self {
        let mut bits = Self::zeros(rows, columns);
        for i in 0..rows {
            for j in 0..columns {
                bits.set(i, j, f(i, j));
            }
        }
        bits
    }

    /// The bits of a matrix of zeros and ones.
    ///
    /// # Errors
    /// [`Error::Parameter`] at the first element that is neither 0 nor 1.
    pub fn from_matrix(matrix: &Matrix) -> Result<Self> {
        let mut bits = Self::zeros(matrix.rows(), matrix.columns());
        for i in 0..matrix.rows() {
            for (j, &x) in matrix.row(i).iter().enumerate() {
                if x != 0.0 && x != 1.0 {
                    return Err(Error::parameter(
                        format!("binary value in row {i}, column {j}"),
                        "0 or 1",
                        x,
                    ));
                }
                bits.set(i, j, x == 1.0);
            }
        }
        Ok(bits)
    }

    /// The same states as floats 0 and 1.
    pub fn to_matrix(&self) -> Matrix {
        Matrix::from_fn(self.rows, self.columns, |i, j| f32::from(self.get(i, j)))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns (units).
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bit `j` of row `i`.
    pub fn get(&self, i: usize, j: usize) -> bool {
        self.view().get(i, j)
    }

    /// Sets bit `j` of row `i`.
    pub fn set(&mut self, i: usize, j: usize, value: bool) {
        assert!(i < self.rows && j < self.columns);
        let word = &mut self.words[i * self.stride + j / WORD_BITS];
        let mask = 1 << (j % WORD_BITS);
        *word = if value { *word | mask } else { *word & !mask };
    }

    /// The words of row `i` that hold its columns; the last is zero above the last column.
    pub fn row(&self, i: usize) -> &[u64] {
        self.view().row(i)
    }

    /// The whole matrix.
    pub fn view(&self) -> BitView<'_> {
        BitView {
            words: &self.words,
            rows: self.rows,
            columns: self.columns,
            stride: self.stride,
        }
    }

    /// Rows `range` without a copy.
    pub fn view_rows(&self, range: Range<usize>) -> BitView<'_> {
        self.view().view_rows(range)
    }

    /// The whole matrix, writable.
    pub fn view_mut(&mut self) -> BitViewMut<'_> {
        let rows = self.rows;
        self.view_rows_mut(0..rows)
    }

    /// Rows `range`, writable.
    pub fn view_rows_mut(&mut self, range: Range<usize>) -> BitViewMut<'_> {
        assert!(range.start <= range.end && range.end <= self.rows);
        let words = &mut self.words[range.start * self.stride..range.end * self.stride];
        BitViewMut {
            // SAFETY: the pointer of a slice is never null.
            words: unsafe { NonNull::new_unchecked(words.as_mut_ptr()) },
            rows: range.len(),
            columns: self.columns,
            stride: self.stride,
            lifetime: PhantomData,
        }
    }

    /// Copies row `from` of `source` to row `to`. The columns must agree.
    pub fn copy_row(&mut self, to: usize, source: BitView<'_>, from: usize) {
        assert_eq!(self.columns, source.columns, "columns of the two matrices");
        assert!(to < self.rows);
        let n = self.columns.div_ceil(WORD_BITS);
        self.words[to * self.stride..][..n].copy_from_slice(source.row(from));
    }

    /// Copies the first columns of row `from` of `source` to row `to`: as many as both have;
    /// columns beyond become zero.
    pub(crate) fn copy_first_columns(&mut self, to: usize, source: BitView<'_>, from: usize) {
        assert!(to < self.rows);
        let n = self.columns.min(source.columns);
        let words = n.div_ceil(WORD_BITS);
        let all = self.columns.div_ceil(WORD_BITS);
        let row = &mut self.words[to * self.stride..][..all];
        row[..words].copy_from_slice(&source.row(from)[..words]);
        row[words..].fill(0);
        if words > 0 {
            row[words - 1] &= last_word_mask(n);
        }
    }

    /// Exchanges rows `a` and `b`.
    pub fn swap_rows(&mut self, a: usize, b: usize) {
        assert!(a < self.rows && b < self.rows);
        for k in 0..self.columns.div_ceil(WORD_BITS) {
            self.words.swap(a * self.stride + k, b * self.stride + k);
        }
    }

    /// `x = (x & !mask) | (values & mask)`, word by word: the bits of `values` where `mask` is one.
    /// `values` and `mask` have as many rows as this matrix, or one for all rows; the columns must
    /// agree.
    pub fn assign_masked(&mut self, values: BitView<'_>, mask: BitView<'_>) {
        for x in [values, mask] {
            assert_eq!(self.columns, x.columns, "columns of the matrices");
            assert!(x.rows == 1 || x.rows == self.rows, "one row, or all");
        }
        let n = self.columns.div_ceil(WORD_BITS);
        for i in 0..self.rows {
            let row = |x: BitView<'_>| if x.rows == 1 { 0 } else { i };
            let given = values.row(row(values)).iter().zip(mask.row(row(mask)));
            for (x, (value, mask)) in self.words[i * self.stride..][..n].iter_mut().zip(given) {
                *x = (*x & !mask) | (value & mask);
            }
        }
    }

    /// Number of ones in each column, added to `counts` `[columns]`.
    pub fn column_counts_into(&self, counts: &mut [u32]) {
        assert_eq!(counts.len(), self.columns, "one count a column");
        for i in 0..self.rows {
            for (block, &word) in counts.chunks_mut(WORD_BITS).zip(self.row(i)) {
                for (k, count) in block.iter_mut().enumerate() {
                    *count += (word >> k & 1) as u32;
                }
            }
        }
    }

    /// Number of ones.
    pub fn count_ones(&self) -> u64 {
        self.words.iter().map(|w| u64::from(w.count_ones())).sum()
    }

    /// The transpose, by blocks of 64 x 64 bits.
    pub fn transposed(&self) -> Self {
        let mut out = Self::zeros(self.columns, self.rows);
        let mut block = [0_u64; WORD_BITS];
        for i0 in (0..self.rows).step_by(WORD_BITS) {
            for j0 in (0..self.columns).step_by(WORD_BITS) {
                block.fill(0);
                for (k, word) in block.iter_mut().enumerate().take(self.rows - i0) {
                    *word = self.words[(i0 + k) * self.stride + j0 / WORD_BITS];
                }
                transpose_block(&mut block);
                for (k, &word) in block.iter().enumerate().take(self.columns - j0) {
                    out.words[(j0 + k) * out.stride + i0 / WORD_BITS] = word;
                }
            }
        }
        out
    }

    /// Whether every bit beyond the last column is zero, as it must be.
    pub fn padding_is_zero(&self) -> bool {
        let used = self.columns.div_ceil(WORD_BITS);
        (0..self.rows).all(|i| {
            let row = &self.words[i * self.stride..][..self.stride];
            row[used..].iter().all(|&w| w == 0)
                && (used == 0 || row[used - 1] & !last_word_mask(self.columns) == 0)
        })
    }
}

impl PartialEq for BitMatrix {
    fn eq(&self, other: &Self) -> bool {
        (self.rows, self.columns) == (other.rows, other.columns)
            && (0..self.rows).all(|i| self.row(i) == other.row(i))
    }
}
impl Eq for BitMatrix {}

/// Ones where the last word of a row of `columns > 0` bits has columns.
pub(crate) fn last_word_mask(columns: usize) -> u64 {
    match columns % WORD_BITS {
        0 => u64::MAX,
        n => (1 << n) - 1,
    }
}

/// Transposes 64 x 64 bits in place by swapping ever smaller off-diagonal squares (Hacker's
/// Delight, 2nd ed., 7-3).
pub(crate) fn transpose_block(block: &mut [u64; WORD_BITS]) {
    let mut width = 32;
    let mut mask = 0x0000_0000_ffff_ffff_u64;
    while width > 0 {
        let mut k = 0;
        while k < WORD_BITS {
            let swap = ((block[k] >> width) ^ block[k + width]) & mask;
            block[k] ^= swap << width;
            block[k + width] ^= swap;
            k = (k + width + 1) & !width;
        }
        width >>= 1;
        mask ^= mask << width;
    }
}

/// A read-only window on consecutive rows of bits.
#[derive(Clone, Copy, Debug)]
pub struct BitView<'a> {
    words: &'a [u64],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> BitView<'a> {
    /// `rows` rows of as many words as hold `columns`, one after the other; the bits beyond the
    /// columns must be zero.
    pub(crate) fn of_words(words: &'a [u64], rows: usize, columns: usize) -> Self {
        let stride = columns.div_ceil(WORD_BITS);
        assert!(rows * stride <= words.len());
        Self {
            words,
            rows,
            columns,
            stride,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bit `j` of row `i`.
    pub fn get(&self, i: usize, j: usize) -> bool {
        assert!(i < self.rows && j < self.columns);
        self.words[i * self.stride + j / WORD_BITS] >> (j % WORD_BITS) & 1 == 1
    }

    /// All words from the first row on, and those from the start of one row to the start of the
    /// next.
    pub(crate) fn words(&self) -> (&'a [u64], usize) {
        (self.words, self.stride)
    }

    /// The words of row `i` that hold its columns.
    pub fn row(&self, i: usize) -> &'a [u64] {
        &self.words[i * self.stride..][..self.columns.div_ceil(WORD_BITS)]
    }

    /// Rows `range` of this view.
    pub fn view_rows(&self, range: Range<usize>) -> BitView<'a> {
        assert!(range.start <= range.end && range.end <= self.rows);
        BitView {
            words: &self.words[range.start * self.stride..range.end * self.stride],
            rows: range.len(),
            ..*self
        }
    }

    /// A copy of the rows.
    pub fn to_owned(&self) -> BitMatrix {
        let mut out = BitMatrix::zeros(self.rows, self.columns);
        for i in 0..self.rows {
            out.copy_row(i, *self, i);
        }
        out
    }

    /// The columns whose bit is one in row `i`, in order.
    pub fn ones(&self, i: usize) -> impl Iterator<Item = usize> + 'a {
        self.row(i).iter().enumerate().flat_map(|(k, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let j = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    k * WORD_BITS + j
                })
            })
        })
    }
}

/// A writable window on a rectangle of bits that starts at a word boundary. Windows split from one
/// another share no word, so that threads may fill the tiles of one matrix.
#[derive(Debug)]
pub struct BitViewMut<'a> {
    words: NonNull<u64>,
    rows: usize,
    columns: usize,
    stride: usize,
    lifetime: PhantomData<&'a mut [u64]>,
}

// SAFETY: a view is the only way to its words, like the `&mut [u64]` rows that it stands for.
unsafe impl Send for BitViewMut<'_> {}
// SAFETY: `&BitViewMut` gives no access to the words.
unsafe impl Sync for BitViewMut<'_> {}

impl<'a> BitViewMut<'a> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The words of row `i` that hold its columns. Whoever writes must leave the bits beyond the
    /// last column zero.
    pub fn row_mut(&mut self, i: usize) -> &mut [u64] {
        assert!(i < self.rows);
        // SAFETY: row `i` of the rectangle lies in the matrix, and `self` is borrowed exclusively.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.words.as_ptr().add(i * self.stride),
                self.columns.div_ceil(WORD_BITS),
            )
        }
    }

    /// The same window for a shorter time.
    pub(crate) fn reborrow(&mut self) -> BitViewMut<'_> {
        BitViewMut { ..*self }
    }

    /// The columns before and from `column` on, a multiple of 64.
    pub fn split_at_column(self, column: usize) -> (BitViewMut<'a>, BitViewMut<'a>) {
        assert!(column <= self.columns && column.is_multiple_of(WORD_BITS));
        let offset = if self.rows == 0 {
            0
        } else {
            column / WORD_BITS
        };
        let right = BitViewMut {
            // SAFETY: a word of the first row, or one past its end inside the allocation.
            words: unsafe { self.words.add(offset) },
            columns: self.columns - column,
            ..self
        };
        (
            BitViewMut {
                columns: column,
                ..self
            },
            right,
        )
    }

    /// The rows before and from `row` on.
    pub fn split_at_row(self, row: usize) -> (BitViewMut<'a>, BitViewMut<'a>) {
        assert!(row <= self.rows);
        let offset = if row == self.rows {
            0
        } else {
            row * self.stride
        };
        let below = BitViewMut {
            // SAFETY: the start of an existing row, or of this window when nothing is left below.
            words: unsafe { self.words.add(offset) },
            rows: self.rows - row,
            ..self
        };
        (BitViewMut { rows: row, ..self }, below)
    }
}
