//! What a mean over examples takes: states, and what each of them counts.

use super::Examples;
use crate::{
    bits::{BitMatrix, BitView},
    error::{Error, Result},
    kernel::reduce::weighted_mean_and_standard_error,
    matrix::{Matrix, MatrixView},
    states::{Input, States},
};

/// States, an example a row, with the weights and the mask of observed values that [`Examples`]
/// have: `&Examples`, or whatever becomes an [`Input`] (`&States`, `&Matrix`, `&BitMatrix`, one row
/// `&[f32]`), whose rows count once each and miss nothing.
///
/// A mean over rows is weighted. What has no use for missing values refuses them, be it a mean or
/// a figure of each row. Values are taken as they are, NaN too;
/// [`Layer::check_values`](crate::Layer::check_values) refuses those that units cannot have.
///
/// ```
/// use harmonium::{BitMatrix, Error, Examples, Rbm};
/// let rbm = Rbm::bernoulli(&[3, 2])?;
/// let data = Examples::new([[1.0, 0.0, 1.0]])?;
/// assert_eq!(rbm.free_energy(&data, 1.0)?, rbm.free_energy(&[1.0, 0.0, 1.0], 1.0)?);
/// let data = data.with_observed(BitMatrix::from_fn(1, 3, |_, unit| unit != 1))?;
/// assert!(matches!(rbm.free_energy(&data, 1.0), Err(Error::Parameter { .. })));
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    input: Input<'a>,
    weights: Option<&'a [f32]>,
    observed: Option<BitView<'a>>,
}

impl<'a> Rows<'a> {
    /// Rows that count once, of which `observed` says what is not missing.
    pub(crate) fn observed_in(input: Input<'a>, observed: BitView<'a>) -> Self {
        Self {
            input,
            weights: None,
            observed: Some(observed),
        }
    }

    /// The states alone.
    pub fn input(&self) -> Input<'a> {
        self.input
    }

    /// The weights, if there are any.
    pub fn weights(&self) -> Option<&'a [f32]> {
        self.weights
    }

    /// The mask, unless all is observed.
    pub fn observed(&self) -> Option<BitView<'a>> {
        self.observed
    }

    /// The states, if none is missing.
    ///
    /// # Errors
    /// [`Error::Parameter`] for rows with missing values, which `what` cannot use.
    pub fn complete(&self, what: &str) -> Result<Input<'a>> {
        match self.observed {
            None => Ok(self.input),
            Some(_) => Err(missing(what, self.input.rows())),
        }
    }

    /// The mean over the rows, each times its weight, and its standard error, of one value a row:
    /// `sum w x / sum w` and `sqrt(sum w^2 (x - mean)^2 n / (n - 1)) / sum w` with the effective
    /// number `n` of [`Examples::effective_len`]; without weights the usual ones.
    pub fn mean(&self, x: impl IntoIterator<Item = f64>) -> (f64, f64) {
        weighted_mean_and_standard_error(x, self.weights)
    }

    /// What `x` of a row adds to a mean over the rows: `w x / sum w`.
    pub(crate) fn share(&self) -> impl Fn(usize, f64) -> f64 + Sync + 'a {
        let (weights, rows) = (self.weights, self.input.rows().max(1) as f64);
        let sum: f64 = weights.map_or(rows, |w| w.iter().map(|&w| f64::from(w)).sum());
        move |row, x| match weights {
            None => x / sum,
            Some(weights) => f64::from(weights[row]) * x / sum,
        }
    }
}

impl Examples {
    /// Refuses examples with missing values, on behalf of `what`, which cannot use them.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a value is missing.
    pub fn expect_complete(&self, what: &str) -> Result<()> {
        match self.observed() {
            Some(_) => Err(missing(what, self.len())),
            None => Ok(()),
        }
    }

    /// The mean of the weights: 1 without weights.
    pub fn mean_weight(&self) -> f64 {
        match self.weights() {
            Some(weights) if !weights.is_empty() => {
                weights.iter().map(|&w| f64::from(w)).sum::<f64>() / weights.len() as f64
            }
            _ => 1.0,
        }
    }

    /// How many examples of one weight tell as much: `(sum w)^2 / sum w^2` (Kish 1965), the number
    /// of examples without weights.
    ///
    /// ```
    /// use harmonium::Examples;
    /// let data = Examples::new(vec![vec![0.0], vec![1.0], vec![1.0]])?;
    /// assert_eq!(data.effective_len(), 3.0);
    /// assert_eq!(data.with_weights(vec![2.0, 2.0, 0.0])?.effective_len(), 2.0);
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    pub fn effective_len(&self) -> f64 {
        let Some(weights) = self.weights() else {
            return self.len() as f64;
        };
        let (mut sum, mut squares) = (0.0, 0.0);
        for &w in weights {
            sum += f64::from(w);
            squares += f64::from(w).powi(2);
        }
        if squares > 0.0 {
            sum * sum / squares
        } else {
            0.0
        }
    }
}

/// The refusal of examples with missing values on behalf of `what`.
fn missing(what: &str, examples: usize) -> Error {
    Error::parameter(
        format!("examples for {what}"),
        format!(
            "examples without missing values, which {what} does not support; imputation fills them in"
        ),
        format!("{examples} examples with a mask of observed values"),
    )
}

impl<'a> From<&'a Examples> for Rows<'a> {
    fn from(x: &'a Examples) -> Self {
        Self {
            input: x.input(),
            weights: x.weights(),
            observed: x.observed().map(BitMatrix::view),
        }
    }
}

impl<'a> From<Input<'a>> for Rows<'a> {
    fn from(input: Input<'a>) -> Self {
        Self {
            input,
            weights: None,
            observed: None,
        }
    }
}

/// Whatever converts into [`Input`] without being [`Examples`].
macro_rules! rows_from {
    ($($source:ty),*) => {
        $(impl<'a> From<$source> for Rows<'a> {
            fn from(x: $source) -> Self {
                Input::from(x).into()
            }
        })*
    };
}

rows_from!(
    BitView<'a>,
    &'a BitMatrix,
    MatrixView<'a>,
    &'a Matrix,
    &'a States,
    &'a [f32],
    &'a Vec<f32>
);

/// One sample, without a copy.
impl<'a, const N: usize> From<&'a [f32; N]> for Rows<'a> {
    fn from(x: &'a [f32; N]) -> Self {
        Input::from(x).into()
    }
}
