//! Row-major f32 matrices whose rows start on a cache line, and their views.

use crate::error::{Error, Result};
use aligned_vec::{AVec, ConstAlign};
use std::{
    marker::PhantomData,
    ops::{Index, IndexMut, Range},
    ptr::NonNull,
};

/// Alignment of every row of a [`Matrix`] and of every row of packed bits.
pub const ROW_ALIGN_BYTES: usize = 64;

/// Floats a row is padded to.
pub(crate) const ROW_ALIGN_FLOATS: usize = ROW_ALIGN_BYTES / size_of::<f32>();

/// A 64-byte-aligned buffer.
pub(crate) type Aligned<T> = AVec<T, ConstAlign<ROW_ALIGN_BYTES>>;

/// `n` copies of `value` that start on a cache line.
pub(crate) fn aligned<T: Copy>(n: usize, value: T) -> Aligned<T> {
    AVec::from_iter(ROW_ALIGN_BYTES, std::iter::repeat_n(value, n))
}

/// A row-major f32 matrix. Row `i` is `columns` floats long, starts on a 64-byte boundary, and is
/// followed by zeros up to the next boundary, so that element-wise work may run over whole rows
/// with padding.
#[derive(Clone, Debug)]
pub struct Matrix {
    data: Aligned<f32>,
    rows: usize,
    columns: usize,
    stride: usize,
}

impl Matrix {
    /// `[rows x columns]` zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        let stride = columns.next_multiple_of(ROW_ALIGN_FLOATS);
        Self {
            data: aligned(rows * stride, 0.0),
            rows,
            columns,
            stride,
        }
    }

    /// Becomes `[rows x columns]` with elements of any value, without an allocation where the
    /// memory suffices; the padding is zero.
    pub(crate) fn reset(&mut self, rows: usize, columns: usize) {
        if self.columns != columns {
            self.columns = columns;
            self.stride = columns.next_multiple_of(ROW_ALIGN_FLOATS);
            self.data.fill(0.0);
        }
        self.rows = rows;
        self.data.resize(rows * self.stride, 0.0);
    }

    /// `[rows x columns]` with element `f(row, column)`.
    pub fn from_fn(rows: usize, columns: usize, mut f: impl FnMut(usize, usize) -> f32) -> Self {
        let mut matrix = Self::zeros(rows, columns);
        for i in 0..rows {
            for (j, x) in matrix.row_mut(i).iter_mut().enumerate() {
                *x = f(i, j);
            }
        }
        matrix
    }

    /// `[rows x columns]` from its elements in row-major order.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `elements` holds `rows * columns` numbers.
    pub fn from_slice(elements: &[f32], rows: usize, columns: usize) -> Result<Self> {
        if rows.checked_mul(columns) != Some(elements.len()) {
            return Err(Error::shape(
                "matrix elements",
                format!("{rows} x {columns}"),
                elements.len(),
            ));
        }
        Ok(Self::from_fn(rows, columns, |i, j| {
            elements[i * columns + j]
        }))
    }

    /// One row from each of `rows`, whatever iterates them; `[0 x 0]` from none.
    ///
    /// # Errors
    /// [`Error::Shape`] at the first row that is not as long as row 0.
    pub fn from_rows(rows: impl IntoIterator<Item = impl AsRef<[f32]>>) -> Result<Self> {
        let mut matrix = Self::default();
        for (i, row) in rows.into_iter().enumerate() {
            let row = row.as_ref();
            let columns = if i == 0 { row.len() } else { matrix.columns };
            if row.len() != columns {
                return Err(Error::shape(
                    format!("row {i}"),
                    format!("{columns} numbers, as in row 0"),
                    row.len(),
                ));
            }
            matrix.reset(i + 1, columns);
            matrix.row_mut(i).copy_from_slice(row);
        }
        Ok(matrix)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Floats from the start of one row to the start of the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Row `i`, without padding.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.stride..][..self.columns]
    }

    /// Row `i`, without padding.
    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.data[i * self.stride..][..self.columns]
    }

    /// Exchanges rows `a` and `b`.
    pub fn swap_rows(&mut self, a: usize, b: usize) {
        assert!(a < self.rows && b < self.rows);
        for j in 0..self.columns {
            self.data.swap(a * self.stride + j, b * self.stride + j);
        }
    }

    /// All rows with their padding, which is zero and must stay so.
    pub fn padded(&self) -> &[f32] {
        &self.data
    }

    /// All rows with their padding, which is zero and must stay so.
    pub fn padded_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The elements in row-major order, without padding.
    pub fn elements(&self) -> impl Iterator<Item = f32> + '_ {
        (0..self.rows).flat_map(|i| self.row(i).iter().copied())
    }

    /// The elements in row-major order, without padding.
    pub fn to_vec(&self) -> Vec<f32> {
        self.elements().collect()
    }

    /// The whole matrix.
    pub fn view(&self) -> MatrixView<'_> {
        MatrixView {
            data: &self.data,
            rows: self.rows,
            columns: self.columns,
            stride: self.stride,
        }
    }

    /// Rows `range` without a copy.
    pub fn view_rows(&self, range: Range<usize>) -> MatrixView<'_> {
        assert!(range.start <= range.end && range.end <= self.rows);
        MatrixView {
            data: &self.data[range.start * self.stride..range.end * self.stride],
            rows: range.len(),
            columns: self.columns,
            stride: self.stride,
        }
    }

    /// The whole matrix, writable.
    pub fn view_mut(&mut self) -> MatrixViewMut<'_> {
        let rows = self.rows;
        self.view_rows_mut(0..rows)
    }

    /// Rows `range`, writable.
    pub fn view_rows_mut(&mut self, range: Range<usize>) -> MatrixViewMut<'_> {
        assert!(range.start <= range.end && range.end <= self.rows);
        let data = &mut self.data[range.start * self.stride..range.end * self.stride];
        MatrixViewMut {
            // SAFETY: the pointer of a slice is never null.
            data: unsafe { NonNull::new_unchecked(data.as_mut_ptr()) },
            rows: range.len(),
            columns: self.columns,
            stride: self.stride,
            has_padding: true,
            lifetime: PhantomData,
        }
    }

    /// The transpose, `[columns x rows]`.
    pub fn transposed(&self) -> Self {
        Self::from_fn(self.columns, self.rows, |i, j| self.row(j)[i])
    }

    /// Whether every element is finite.
    pub fn is_finite(&self) -> bool {
        self.data.iter().all(|x| x.is_finite())
    }
}

/// Element `(row, column)`.
///
/// # Panics
/// If there is no such row or column.
impl Index<(usize, usize)> for Matrix {
    type Output = f32;

    fn index(&self, (i, j): (usize, usize)) -> &f32 {
        &self.row(i)[j]
    }
}

impl IndexMut<(usize, usize)> for Matrix {
    fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut f32 {
        &mut self.row_mut(i)[j]
    }
}

impl Default for Matrix {
    fn default() -> Self {
        Self::zeros(0, 0)
    }
}

impl PartialEq for Matrix {
    fn eq(&self, other: &Self) -> bool {
        (self.rows, self.columns) == (other.rows, other.columns)
            && self.elements().eq(other.elements())
    }
}

/// A read-only window on consecutive rows: of a matrix, or of numbers that lie one after the other.
#[derive(Clone, Copy, Debug)]
pub struct MatrixView<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> MatrixView<'a> {
    /// Rows of `columns` numbers that lie one after the other, `rows` of them, without a copy.
    pub(crate) fn of_rows(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(Some(data.len()), rows.checked_mul(columns));
        Self {
            data,
            rows,
            columns,
            stride: columns,
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

    /// Floats from the start of one row to the start of the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Row `i`, without padding.
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.stride..][..self.columns]
    }

    /// Rows, [`Self::stride`] floats apart, with their padding if they are those of a matrix.
    pub fn padded(&self) -> &'a [f32] {
        self.data
    }

    /// A copy of the rows.
    pub fn to_owned(&self) -> Matrix {
        let mut matrix = Matrix::zeros(self.rows, self.columns);
        for i in 0..self.rows {
            matrix.row_mut(i).copy_from_slice(self.row(i));
        }
        matrix
    }

    /// Rows `range` of this view.
    pub fn view_rows(&self, range: Range<usize>) -> MatrixView<'a> {
        assert!(range.start <= range.end && range.end <= self.rows);
        MatrixView {
            data: &self.data[range.start * self.stride..range.end * self.stride],
            rows: range.len(),
            ..*self
        }
    }
}

/// A writable window on a rectangle of a matrix. Windows split from one another never overlap, so
/// that threads may fill the tiles of one matrix.
#[derive(Debug)]
pub struct MatrixViewMut<'a> {
    data: NonNull<f32>,
    rows: usize,
    columns: usize,
    stride: usize,
    /// Whether the padding of the matrix's rows belongs to this window.
    has_padding: bool,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: a view is the only way to its rectangle, like the `&mut [f32]` rows that it stands for.
unsafe impl Send for MatrixViewMut<'_> {}
// SAFETY: `&MatrixViewMut` gives no access to the elements.
unsafe impl Sync for MatrixViewMut<'_> {}

impl<'a> MatrixViewMut<'a> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `i`, without padding.
    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        assert!(i < self.rows);
        // SAFETY: row `i` of the rectangle lies in the matrix, and `self` is borrowed exclusively.
        unsafe {
            std::slice::from_raw_parts_mut(self.data.as_ptr().add(i * self.stride), self.columns)
        }
    }

    /// The same window for a shorter time.
    pub(crate) fn reborrow(&mut self) -> MatrixViewMut<'_> {
        MatrixViewMut { ..*self }
    }

    /// Rows `range` of this window, for a shorter time.
    pub(crate) fn rows_mut(&mut self, range: Range<usize>) -> MatrixViewMut<'_> {
        let from_start = self.reborrow().split_at_row(range.end).0;
        from_start.split_at_row(range.start).1
    }

    /// Row `i` up to a whole vector: with its padding, where its columns do not fill the last one.
    pub(crate) fn padded_row(&self, i: usize) -> &[f32] {
        assert!(
            i < self.rows && (self.has_padding || self.columns.is_multiple_of(ROW_ALIGN_FLOATS))
        );
        let columns = self.columns.next_multiple_of(ROW_ALIGN_FLOATS);
        // SAFETY: row `i` of the rectangle lies in the matrix, and so does its padding, which no
        // other window has; `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr().add(i * self.stride), columns) }
    }

    /// The columns before and from `column` on.
    pub fn split_at_column(self, column: usize) -> (MatrixViewMut<'a>, MatrixViewMut<'a>) {
        assert!(column <= self.columns);
        let right = MatrixViewMut {
            // SAFETY: at most one past the end of the first row, inside the allocation or at its
            // end.
            data: unsafe { self.data.add(if self.rows == 0 { 0 } else { column }) },
            columns: self.columns - column,
            ..self
        };
        (
            MatrixViewMut {
                columns: column,
                has_padding: self.has_padding && column == self.columns,
                ..self
            },
            right,
        )
    }

    /// The rows before and from `row` on.
    pub fn split_at_row(self, row: usize) -> (MatrixViewMut<'a>, MatrixViewMut<'a>) {
        assert!(row <= self.rows);
        // The last row of a column window may end before its stride does.
        let offset = if row == self.rows {
            0
        } else {
            row * self.stride
        };
        let below = MatrixViewMut {
            // SAFETY: the start of an existing row, or of this window when nothing is left below.
            data: unsafe { self.data.add(offset) },
            rows: self.rows - row,
            ..self
        };
        (MatrixViewMut { rows: row, ..self }, below)
    }
}
