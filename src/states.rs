//! States of a layer, bits or reals: [`States`], and [`Input`], a view of them.

use crate::{
    bits::{BitMatrix, BitView},
    error::{Error, Result},
    matrix::{Matrix, MatrixView},
};
use std::ops::Range;

/// States of one layer, a sample a row.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Binary states.
    Bits(BitView<'a>),
    /// Real values: probabilities, grey pixels, mean-field values.
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

    /// Samples `range`.
    pub fn view_rows(&self, range: Range<usize>) -> Input<'a> {
        match self {
            Self::Bits(x) => Input::Bits(x.view_rows(range)),
            Self::Real(x) => Input::Real(x.view_rows(range)),
        }
    }
}

impl<'a> From<BitView<'a>> for Input<'a> {
    fn from(x: BitView<'a>) -> Self {
        Self::Bits(x)
    }
}

impl<'a> From<&'a BitMatrix> for Input<'a> {
    fn from(x: &'a BitMatrix) -> Self {
        Self::Bits(x.view())
    }
}

impl<'a> From<MatrixView<'a>> for Input<'a> {
    fn from(x: MatrixView<'a>) -> Self {
        Self::Real(x)
    }
}

impl<'a> From<&'a Matrix> for Input<'a> {
    fn from(x: &'a Matrix) -> Self {
        Self::Real(x.view())
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
    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.view().rows()
    }

    /// Number of units.
    pub fn columns(&self) -> usize {
        self.view().columns()
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

    /// A copy of the samples `range`.
    pub fn rows_to_owned(&self, range: Range<usize>) -> Self {
        match self {
            Self::Bits(x) => Self::Bits(x.view_rows(range).to_owned()),
            Self::Real(x) => {
                let (first, n) = (range.start, range.len());
                Self::Real(Matrix::from_fn(n, x.columns(), |i, j| x.row(first + i)[j]))
            }
        }
    }

    /// Exchanges samples `a` and `b`.
    pub(crate) fn swap_rows(&mut self, a: usize, b: usize) {
        match self {
            Self::Bits(x) => x.swap_rows(a, b),
            Self::Real(x) => x.swap_rows(a, b),
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
        match self {
            Self::Bits(x) => x.to_matrix(),
            Self::Real(x) => x.clone(),
        }
    }
}

impl From<BitMatrix> for States {
    fn from(x: BitMatrix) -> Self {
        Self::Bits(x)
    }
}

impl From<Matrix> for States {
    fn from(x: Matrix) -> Self {
        Self::Real(x)
    }
}

impl<'a> From<&'a States> for Input<'a> {
    fn from(x: &'a States) -> Self {
        x.view()
    }
}
