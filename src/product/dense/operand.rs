//! What the dense providers multiply: floats on raw strides.

/// An operand: `rows x columns` floats, `row_stride` and `column_stride` apart, one of which is 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl<'a> Operand<'a> {
    /// A row-major window, `stride` floats a row.
    pub(crate) fn row_major(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        Self {
            data,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The transpose.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Columns `range`.
    pub(crate) fn columns(self, range: std::ops::Range<usize>) -> Self {
        let start = range.start * self.column_stride;
        Self {
            data: self.data.get(start..).unwrap_or(&[]),
            columns: range.len(),
            ..self
        }
    }

    /// Rows `range`.
    pub(crate) fn rows(self, range: std::ops::Range<usize>) -> Self {
        self.transposed().columns(range).transposed()
    }

    pub(super) fn assert_in_bounds(&self) {
        assert!(self.row_stride == 1 || self.column_stride == 1);
        if self.rows > 0 && self.columns > 0 {
            let last = (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride;
            assert!(last < self.data.len(), "an operand reaches beyond its data");
        }
    }
}
