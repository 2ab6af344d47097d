//! What converts into states and views of states.

use super::{Input, States};
use crate::{
    bits::{BitMatrix, BitView},
    matrix::{Matrix, MatrixView},
};

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

/// A copy.
impl From<&BitMatrix> for States {
    fn from(x: &BitMatrix) -> Self {
        Self::Bits(x.clone())
    }
}

/// A copy.
impl From<&Matrix> for States {
    fn from(x: &Matrix) -> Self {
        Self::Real(x.clone())
    }
}

/// A copy.
impl From<Input<'_>> for States {
    fn from(x: Input<'_>) -> Self {
        x.to_states()
    }
}

impl<'a> From<&'a States> for Input<'a> {
    fn from(x: &'a States) -> Self {
        x.view()
    }
}
