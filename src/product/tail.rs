//! What becomes of a layer's input.

use super::Precision;
use crate::{
    bits::BitViewMut,
    error::{Error, Result},
    matrix::{Matrix, MatrixView, MatrixViewMut},
    rng::Draws,
};

/// What becomes of a layer's input `y = sum of products + bias`: `x = beta * y`, and any of the
/// outputs. An output that is not asked for costs nothing.
#[derive(Debug, Default)]
pub struct Tail<'a> {
    /// Inverse temperature.
    pub beta: f32,
    /// That of softmax groups, where it is another.
    pub group_beta: Option<f32>,
    /// Whether products must be exact to f32 where a faster way is off by a known step.
    pub precise: bool,
    /// Whether those of real inputs must be, whatever those of bits are.
    pub exact_reals: bool,
    /// Added to the products, `[rows x columns]`: what neighbors send that stay as they are was
    /// multiplied before.
    pub added: Option<MatrixView<'a>>,
    /// Receives `x`.
    pub input: Option<MatrixViewMut<'a>>,
    /// The first column whose `x` is wanted; earlier ones may stay as they are.
    pub input_from: usize,
    /// Receives `sigma(x)`.
    pub mean: Option<MatrixViewMut<'a>>,
    /// Receives bits that are one with probability `sigma(x)`.
    pub sample: Option<(BitViewMut<'a>, Draws)>,
    /// Receives the states of a layer of real-valued units; [`super::propagate`], whose units are
    /// binary, takes none.
    pub real_sample: Option<(MatrixViewMut<'a>, Draws)>,
    /// `[columns]`, overwritten with the sums of `sigma(x)` over the rows, added in f64.
    pub column_sums: Option<&'a mut [f32]>,
    /// `[rows]`, overwritten with `sum_j ln(1 + e^(x_j))`.
    pub softplus_sums: Option<&'a mut [f64]>,
    /// With `softplus_sums`: subtract the same sum at this inverse temperature.
    pub minus_beta: Option<f32>,
    /// Of units with a continuum of states: inverse temperatures multiply the input alone, and the
    /// quadratic term of the energy stays, so that 0 is a temperature too.
    pub linear: bool,
}

/// What [`Tail::matrix_of`] returns.
#[derive(Clone, Copy)]
pub(crate) enum Exact {
    /// `x`.
    Input,
    /// The means.
    Mean,
}

impl Tail<'_> {
    /// No output at `beta`.
    pub fn new(beta: f32) -> Self {
        Self {
            beta,
            ..Self::default()
        }
    }

    /// How exact products must be.
    pub(crate) fn precision(&self) -> Precision {
        match (self.precise, self.exact_reals) {
            (true, _) => Precision::Exact,
            (false, true) => Precision::ExactReals,
            (false, false) => Precision::Fast,
        }
    }

    /// What is `asked` for, exact to f32, of so many rows and columns, which `compute` writes.
    pub(crate) fn matrix_of(
        asked: Exact,
        (rows, columns): (usize, usize),
        beta: f32,
        compute: impl FnOnce(Tail<'_>) -> Result<()>,
    ) -> Result<Matrix> {
        let mut out = Matrix::zeros(rows, columns);
        let (input, mean) = match asked {
            Exact::Input => (Some(out.view_mut()), None),
            Exact::Mean => (None, Some(out.view_mut())),
        };
        compute(Tail {
            input,
            mean,
            precise: true,
            ..Tail::new(beta)
        })?;
        Ok(out)
    }

    /// Refuses outputs that are not of `rows` rows and `columns` columns.
    pub(super) fn check(&self, rows: usize, columns: usize) -> Result<()> {
        let shape = |what: &str, r: usize, c: usize| {
            if (r, c) == (rows, columns) {
                return Ok(());
            }
            Err(Error::shape(
                what,
                format!("{rows} x {columns}"),
                format!("{r} x {c}"),
            ))
        };
        if let Some(x) = &self.added {
            shape("added inputs", x.rows(), x.columns())?;
        }
        if let Some(x) = &self.input {
            shape("inputs", x.rows(), x.columns())?;
        }
        if let Some(x) = &self.mean {
            shape("means", x.rows(), x.columns())?;
        }
        if let Some((x, _)) = &self.sample {
            shape("samples", x.rows(), x.columns())?;
        }
        if let Some(x) = &self.column_sums {
            shape("column sums", rows, x.len())?;
        }
        if let Some(x) = &self.softplus_sums {
            shape("softplus sums", x.len(), columns)?;
        }
        Ok(())
    }
}
