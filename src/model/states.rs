//! States of a layer, bits or reals as the kinds of its units ask.

use super::Layer;
use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    matrix::Matrix,
    product::{Input, Tail},
    rng::Draws,
};
use std::ops::Range;

/// States of one layer, a sample a row: bits for layers of Bernoulli and softmax units, else reals.
#[derive(Clone, Debug, PartialEq)]
pub enum States {
    /// Packed zeros and ones.
    Bits(BitMatrix),
    /// Numbers.
    Real(Matrix),
}

impl States {
    /// `[rows x units]` zeros as `layer` keeps its states. (Zeros are no states of softmax and spin units: they are to be overwritten.)
    pub fn zeros(rows: usize, layer: &Layer) -> Self {
        if layer.units.are_binary() {
            Self::Bits(BitMatrix::zeros(rows, layer.size()))
        } else {
            Self::Real(Matrix::zeros(rows, layer.size()))
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

    /// Refuses states that `layer` does not keep: of another width, bits for reals or the reverse.
    pub(crate) fn check_layer(&self, what: &str, layer: &Layer) -> Result<()> {
        if self.columns() != layer.size() {
            return Err(Error::shape(
                format!("columns of {what}"),
                layer.size(),
                self.columns(),
            ));
        }
        let (expected, found) = (layer.units.are_binary(), self.bits().is_some());
        if expected != found {
            let name = |bits| if bits { "bits" } else { "real numbers" };
            return Err(Error::parameter(what, name(expected), name(found)));
        }
        Ok(())
    }

    /// A copy as numbers.
    pub fn to_matrix(&self) -> Matrix {
        match self {
            Self::Bits(x) => x.to_matrix(),
            Self::Real(x) => x.clone(),
        }
    }

    /// `tail` with samples into the rows `range`.
    pub fn sampled<'a>(
        &'a mut self,
        range: Range<usize>,
        draws: Draws,
        tail: Tail<'a>,
    ) -> Tail<'a> {
        match self {
            Self::Bits(x) => Tail {
                sample: Some((x.view_rows_mut(range), draws)),
                ..tail
            },
            Self::Real(x) => Tail {
                real_sample: Some((x.view_rows_mut(range), draws)),
                ..tail
            },
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
