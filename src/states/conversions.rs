//! What converts into states and views of states.

use super::{Input, States, whole_rows};
use crate::{
    bits::{BitMatrix, BitView},
    error::{Error, Result},
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

/// One sample, without a copy.
impl<'a> From<&'a [f32]> for Input<'a> {
    fn from(row: &'a [f32]) -> Self {
        Self::Real(MatrixView::of_rows(row, 1, row.len()))
    }
}

/// One sample, without a copy.
impl<'a> From<&'a Vec<f32>> for Input<'a> {
    fn from(row: &'a Vec<f32>) -> Self {
        row.as_slice().into()
    }
}

/// One sample, without a copy.
impl<'a, const N: usize> From<&'a [f32; N]> for Input<'a> {
    fn from(row: &'a [f32; N]) -> Self {
        row.as_slice().into()
    }
}

/// Samples of so many numbers, one after the other, without a copy. [`Error::Shape`] unless they
/// are whole samples.
///
/// ```
/// use harmonium::Input;
/// let numbers = [0.0, 1.0, 1.0, 0.5, 0.0, 1.0];
/// let two = Input::try_from((&numbers[..], 3))?;
/// assert_eq!((two.rows(), two.get(1, 0)), (2, 0.5));
/// # Ok::<(), harmonium::Error>(())
/// ```
impl<'a> TryFrom<(&'a [f32], usize)> for Input<'a> {
    type Error = Error;

    fn try_from((elements, width): (&'a [f32], usize)) -> Result<Self> {
        let rows = whole_rows(elements.len(), width)?;
        Ok(Self::Real(MatrixView::of_rows(elements, rows, width)))
    }
}

/// As [`States::from_slice`].
impl TryFrom<(&[f32], usize)> for States {
    type Error = Error;

    fn try_from((elements, width): (&[f32], usize)) -> Result<Self> {
        Self::from_slice(elements, width)
    }
}

/// As [`States::from_rows`].
impl<R: AsRef<[f32]>> TryFrom<Vec<R>> for States {
    type Error = Error;

    fn try_from(rows: Vec<R>) -> Result<Self> {
        Self::from_rows(rows)
    }
}

/// As [`States::from_rows`].
impl<R: AsRef<[f32]>> TryFrom<&Vec<R>> for States {
    type Error = Error;

    fn try_from(rows: &Vec<R>) -> Result<Self> {
        Self::from_rows(rows)
    }
}

/// As [`States::from_rows`].
impl<R: AsRef<[f32]>> TryFrom<&[R]> for States {
    type Error = Error;

    fn try_from(rows: &[R]) -> Result<Self> {
        Self::from_rows(rows)
    }
}

/// As [`States::from_rows`].
impl<R: AsRef<[f32]>, const N: usize> TryFrom<[R; N]> for States {
    type Error = Error;

    fn try_from(rows: [R; N]) -> Result<Self> {
        Self::from_rows(rows)
    }
}
