//! States of a layer, bits or reals: [`States`], and [`Input`], a view of them.
//!
//! This is the one type for data too: examples, samples, probabilities and clamped values are all
//! states.

mod conversions;

use crate::{
    bits::{BitMatrix, BitView},
    error::{Error, Result},
    matrix::{Matrix, MatrixView},
};
use std::ops::Range;

/// Rows that work over many rows takes at once, so that its memory does not grow with the data.
pub const CHUNK_ROWS: usize = 1000;

/// States of one layer, a sample a row.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Binary states.
    Bits(BitView<'a>),
    /// Real values: probabilities, gray pixels, mean-field values.
    Real(MatrixView<'a>),
}

impl<'a> Input<'a> {
    /// Number of samples.
    pub fn rows(&self) -> usize {
        match self {
            Self::Bits(x) => x.rows(),
            Self::Real(x) => x.rows(),
        }
    }

    /// Number of units.
    pub fn columns(&self) -> usize {
        match self {
            Self::Bits(x) => x.columns(),
            Self::Real(x) => x.columns(),
        }
    }

    /// The state of unit `column` in sample `row`: 0 or 1 of bits.
    ///
    /// # Panics
    /// If there is no such row or column.
    pub fn get(&self, row: usize, column: usize) -> f32 {
        match self {
            Self::Bits(x) => f32::from(x.get(row, column)),
            Self::Real(x) => x.row(row)[column],
        }
    }

    /// Writes sample `row` to `to` `[columns]`.
    ///
    /// # Panics
    /// If there is no such row, or `to` has another length.
    pub fn copy_row_to(&self, row: usize, to: &mut [f32]) {
        assert_eq!(to.len(), self.columns(), "numbers of a row");
        match self {
            Self::Bits(x) => {
                to.fill(0.0);
                x.ones(row).for_each(|j| to[j] = 1.0);
            }
            Self::Real(x) => to.copy_from_slice(x.row(row)),
        }
    }

    /// The states if they are bits.
    pub fn bits(&self) -> Option<BitView<'a>> {
        match self {
            Self::Bits(x) => Some(*x),
            Self::Real(_) => None,
        }
    }

    /// Samples `range`.
    pub fn view_rows(&self, range: Range<usize>) -> Input<'a> {
        match self {
            Self::Bits(x) => Input::Bits(x.view_rows(range)),
            Self::Real(x) => Input::Real(x.view_rows(range)),
        }
    }

    /// The samples in order, [`CHUNK_ROWS`] at a time, the last perhaps fewer, each with its range
    /// of rows.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = (Range<usize>, Input<'a>)> + use<'a> {
        self.chunks_of(CHUNK_ROWS)
    }

    /// As [`Self::chunks`], `size` samples at a time.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn chunks_of(
        &self,
        size: usize,
    ) -> impl ExactSizeIterator<Item = (Range<usize>, Input<'a>)> + use<'a> {
        let all = *self;
        let rows = all.rows();
        (0..rows.div_ceil(size)).map(move |k| {
            let range = k * size..((k + 1) * size).min(rows);
            (range.clone(), all.view_rows(range))
        })
    }

    /// `to += scale` times these.
    pub(crate) fn add_to(&self, scale: f32, to: &mut Matrix) {
        for s in 0..self.rows() {
            let row = to.row_mut(s);
            match self {
                Self::Bits(x) => x.ones(s).for_each(|j| row[j] += scale),
                Self::Real(x) => {
                    let all = row.iter_mut().zip(x.row(s));
                    all.for_each(|(to, x)| *to += scale * x);
                }
            }
        }
    }

    /// A copy of the first `n` columns, or of all if there are fewer.
    pub fn first_columns(&self, n: usize) -> States {
        self.with_columns(n.min(self.columns()))
    }

    /// A copy with `n` columns: the first of these, and zeros in those beyond.
    pub(crate) fn with_columns(&self, n: usize) -> States {
        let common = n.min(self.columns());
        match self {
            Self::Bits(x) => {
                let mut copy = BitMatrix::zeros(x.rows(), n);
                for i in 0..x.rows() {
                    copy.copy_first_columns(i, *x, i);
                }
                States::Bits(copy)
            }
            Self::Real(x) => {
                let mut copy = Matrix::zeros(x.rows(), n);
                for i in 0..x.rows() {
                    copy.row_mut(i)[..common].copy_from_slice(&x.row(i)[..common]);
                }
                States::Real(copy)
            }
        }
    }

    /// A copy with `classes` further columns, of which `labels[i]` is 1 in row `i` and the others
    /// are 0: the visible states of a machine that learns labels.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one label a row; [`Error::Parameter`] for a label from
    /// `classes` on, or more columns than memory can address.
    pub fn with_one_hot(&self, labels: &[u32], classes: usize) -> Result<States> {
        let (rows, n) = (self.rows(), self.columns());
        check_labels(labels, rows, classes)?;
        let columns = n
            .checked_add(classes)
            .filter(|n| n.saturating_mul(rows.max(1)) <= isize::MAX as usize / size_of::<f32>())
            .ok_or_else(|| Error::parameter("classes", "as many as fit into memory", classes))?;
        let mut joint = self.with_columns(columns);
        for (i, &label) in labels.iter().enumerate() {
            match &mut joint {
                States::Bits(x) => x.set(i, n + label as usize, true),
                States::Real(x) => x[(i, n + label as usize)] = 1.0,
            }
        }
        Ok(joint)
    }

    /// Each sample so many times, one after the other.
    pub(crate) fn repeated(&self, copies: usize) -> States {
        let indices: Vec<usize> = (0..self.rows() * copies).map(|s| s / copies).collect();
        self.take(&indices)
    }

    /// A copy of the samples at `indices`, in that order; an index may come more than once.
    ///
    /// # Panics
    /// If an index is not below [`Self::rows`].
    pub fn take(&self, indices: &[usize]) -> States {
        match self {
            Self::Bits(x) => {
                let mut taken = BitMatrix::zeros(indices.len(), x.columns());
                for (to, &from) in indices.iter().enumerate() {
                    taken.copy_row(to, *x, from);
                }
                States::Bits(taken)
            }
            Self::Real(x) => {
                let mut taken = Matrix::zeros(indices.len(), x.columns());
                for (to, &from) in indices.iter().enumerate() {
                    taken.row_mut(to).copy_from_slice(x.row(from));
                }
                States::Real(taken)
            }
        }
    }

    /// A copy of all samples.
    pub fn to_states(&self) -> States {
        match self {
            Self::Bits(x) => States::Bits(x.to_owned()),
            Self::Real(x) => States::Real(x.to_owned()),
        }
    }

    /// A copy as numbers.
    pub fn to_matrix(&self) -> Matrix {
        match self {
            Self::Bits(x) => x.to_owned().to_matrix(),
            Self::Real(x) => x.to_owned(),
        }
    }
}

/// Refuses labels that are not one a row of `rows`, or not all below `classes`.
pub(crate) fn check_labels(labels: &[u32], rows: usize, classes: usize) -> Result<()> {
    if labels.len() != rows {
        return Err(Error::shape(
            "labels",
            format!("{rows}, one a row"),
            labels.len(),
        ));
    }
    match labels.iter().position(|&y| y as usize >= classes) {
        Some(i) => Err(Error::parameter(
            format!("label of row {i}"),
            format!("below {classes}"),
            labels[i],
        )),
        None => Ok(()),
    }
}

/// States of one layer, a sample a row: bits for layers of Bernoulli and softmax units, else reals.
#[derive(Clone, Debug, PartialEq)]
pub enum States {
    /// Packed zeros and ones.
    Bits(BitMatrix),
    /// Numbers.
    Real(Matrix),
}

impl States {
    /// Rows of `width` numbers, in row-major order, as the numbers that they are; see
    /// [`Self::packed`] for bits.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `elements` are whole rows of at least one number.
    pub fn from_slice(elements: &[f32], width: usize) -> Result<Self> {
        let rows = whole_rows(elements.len(), width)?;
        Matrix::from_slice(elements, rows, width).map(Self::Real)
    }

    /// Rows of `width` bits, in row-major order, each a byte 0 or 1.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `bytes` are whole rows of at least one bit; [`Error::Parameter`],
    /// with row and column, at the first other byte.
    pub fn from_bytes(bytes: &[u8], width: usize) -> Result<Self> {
        let rows = whole_rows(bytes.len(), width)?;
        if let Some(at) = bytes.iter().position(|&byte| byte > 1) {
            return Err(Error::parameter(
                format!("byte in row {}, column {}", at / width, at % width),
                "0 or 1",
                bytes[at],
            ));
        }
        let bit = |i: usize, j: usize| bytes[i * width + j] == 1;
        Ok(Self::Bits(BitMatrix::from_fn(rows, width, bit)))
    }

    /// One sample from each of `rows`, whatever iterates them, as the numbers that they are; see
    /// [`Self::packed`] for bits.
    ///
    /// # Errors
    /// [`Error::Shape`] at the first row that is not as long as row 0.
    pub fn from_rows(rows: impl IntoIterator<Item = impl AsRef<[f32]>>) -> Result<Self> {
        Matrix::from_rows(rows).map(Self::Real)
    }

    /// Category codes, each below `k`, as groups of `k` bits of which one is 1: the states of
    /// softmax units.
    ///
    /// ```
    /// use harmonium::States;
    /// let states = States::one_hot(&[2, 0], 3)?;
    /// assert_eq!(states.to_matrix().to_vec(), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`], with the row, at the first code from `k` on.
    pub fn one_hot(codes: &[u32], k: usize) -> Result<Self> {
        Self::Bits(BitMatrix::zeros(codes.len(), 0)).with_one_hot(codes, k)
    }

    /// The same states as bits if all of them are 0 or 1, else as they are.
    #[must_use]
    pub fn packed(self) -> Self {
        match self {
            Self::Real(x) => match BitMatrix::from_matrix(&x) {
                Ok(bits) => Self::Bits(bits),
                Err(_) => Self::Real(x),
            },
            bits => bits,
        }
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.view().rows()
    }

    /// Number of units.
    pub fn columns(&self) -> usize {
        self.view().columns()
    }

    /// The state of unit `column` in sample `row`, as [`Input::get`].
    ///
    /// # Panics
    /// If there is no such row or column.
    pub fn get(&self, row: usize, column: usize) -> f32 {
        self.view().get(row, column)
    }

    /// The states as products take them.
    pub fn view(&self) -> Input<'_> {
        match self {
            Self::Bits(x) => x.into(),
            Self::Real(x) => x.into(),
        }
    }

    /// Samples `range`.
    pub fn view_rows(&self, range: Range<usize>) -> Input<'_> {
        self.view().view_rows(range)
    }

    /// The states if they are bits.
    pub fn bits(&self) -> Option<&BitMatrix> {
        match self {
            Self::Bits(x) => Some(x),
            Self::Real(_) => None,
        }
    }

    /// The states if they are numbers.
    pub fn real(&self) -> Option<&Matrix> {
        match self {
            Self::Bits(_) => None,
            Self::Real(x) => Some(x),
        }
    }

    /// The states as bits.
    ///
    /// # Errors
    /// [`Error::Parameter`] if they are reals.
    pub fn into_bits(self) -> Result<BitMatrix> {
        match self {
            Self::Bits(x) => Ok(x),
            Self::Real(_) => Err(Error::parameter("states", "bits", "real numbers")),
        }
    }

    /// A copy with `classes` further columns, of which `labels[i]` is 1 in row `i`; see
    /// [`Input::with_one_hot`].
    ///
    /// # Errors
    /// As [`Input::with_one_hot`].
    pub fn with_one_hot(&self, labels: &[u32], classes: usize) -> Result<Self> {
        self.view().with_one_hot(labels, classes)
    }

    /// A copy of the first `n` columns, or of all if there are fewer.
    #[must_use]
    pub fn first_columns(&self, n: usize) -> Self {
        self.view().first_columns(n)
    }

    /// A copy of the samples at `indices`, in that order; an index may come more than once.
    ///
    /// # Panics
    /// If an index is not below [`Self::rows`].
    #[must_use]
    pub fn take(&self, indices: &[usize]) -> Self {
        self.view().take(indices)
    }

    /// A copy of the samples `range`.
    #[must_use]
    pub fn rows_to_owned(&self, range: Range<usize>) -> Self {
        self.view_rows(range).to_states()
    }

    /// Exchanges samples `a` and `b`.
    pub(crate) fn swap_rows(&mut self, a: usize, b: usize) {
        match self {
            Self::Bits(x) => x.swap_rows(a, b),
            Self::Real(x) => x.swap_rows(a, b),
        }
    }

    /// The units from `column` on of the first `rows` samples become the `units` units from `from`
    /// on of `source`, of the same kind of states, from its sample 0 on.
    pub(crate) fn copy_columns(
        &mut self,
        column: usize,
        source: Input<'_>,
        from: usize,
        [rows, units]: [usize; 2],
    ) {
        match (self, source) {
            (Self::Bits(x), Input::Bits(source)) => {
                for row in 0..rows {
                    (0..units).for_each(|j| x.set(row, column + j, source.get(row, from + j)));
                }
            }
            (Self::Real(x), Input::Real(source)) => {
                for row in 0..rows {
                    let own = &mut x.row_mut(row)[column..][..units];
                    own.copy_from_slice(&source.row(row)[from..][..units]);
                }
            }
            _ => unreachable!("bits and reals were told apart at the door"),
        }
    }

    /// Sample `to = ` sample `from` of `source`, of the same kind of states.
    pub(crate) fn copy_row(&mut self, to: usize, source: &Self, from: usize) {
        match (self, source) {
            (Self::Bits(x), Self::Bits(source)) => x.copy_row(to, source.view(), from),
            (Self::Real(x), Self::Real(source)) => x.row_mut(to).copy_from_slice(source.row(from)),
            _ => unreachable!("bits and reals were told apart at the door"),
        }
    }

    /// A copy as numbers.
    pub fn to_matrix(&self) -> Matrix {
        self.view().to_matrix()
    }

    /// The states as numbers, without a copy of those that are.
    pub fn into_matrix(self) -> Matrix {
        match self {
            Self::Bits(x) => x.to_matrix(),
            Self::Real(x) => x,
        }
    }
}

/// How many rows of `width` elements `n` elements are.
fn whole_rows(n: usize, width: usize) -> Result<usize> {
    match n.checked_rem(width) {
        Some(0) => Ok(n / width),
        _ => Err(Error::shape(
            "elements of the states",
            format!("whole rows of {width}, which is at least 1"),
            n,
        )),
    }
}
