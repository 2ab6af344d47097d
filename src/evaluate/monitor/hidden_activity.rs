//! Hidden units that do nothing.

use crate::{
    error::{Error, Result},
    model::Rbm,
    product::{Propagation, Tail},
    states::Input,
};

/// Hidden units on for less than this share of the data are called dead.
pub const DEAD_BELOW: f64 = 0.01;
/// Hidden units on for more than this share of the data are called saturated.
pub const SATURATED_ABOVE: f64 = 0.99;

/// Mean activation of every hidden unit on data.
#[derive(Clone, Debug, PartialEq)]
pub struct HiddenActivity {
    /// `mean over the rows of P(h_j = 1 | v)`, of every hidden unit.
    pub mean: Vec<f64>,
}

impl HiddenActivity {
    /// Of `rbm` on the rows of `v`. Precision: sums in f32 over 256 rows, in f64 beyond. Cost: one
    /// dense product.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `v` has the machine's visible units, [`Error::Parameter`] for hidden
    /// units that are not on or off.
    pub fn new<'a>(rbm: &Rbm, v: impl Into<Input<'a>>) -> Result<Self> {
        /// Rows at a time, those of one panel.
        const ROWS: usize = 256;
        let v = v.into();
        if !rbm.hidden().units.are_binary() {
            return Err(Error::parameter(
                "hidden units whose activity is counted",
                "units that are on or off",
                &rbm.hidden().units,
            ));
        }
        let mut mean = vec![0.0; rbm.n_hidden()];
        let mut sums = vec![0.0; rbm.n_hidden()];
        let mut buffers = Propagation::default();
        for (_, part) in v.chunks_of(ROWS) {
            let tail = Tail {
                column_sums: Some(&mut sums),
                precise: true,
                ..Tail::new(1.0)
            };
            rbm.hidden_from_visible(part, tail, &mut buffers)?;
            for (mean, &sum) in mean.iter_mut().zip(&sums) {
                *mean += f64::from(sum) / v.rows() as f64;
            }
        }
        Ok(Self { mean })
    }

    /// Units whose mean is below `threshold`; [`DEAD_BELOW`] is usual.
    pub fn dead(&self, threshold: f64) -> usize {
        self.mean.iter().filter(|&&p| p < threshold).count()
    }

    /// Units whose mean is above `threshold`; [`SATURATED_ABOVE`] is usual.
    pub fn saturated(&self, threshold: f64) -> usize {
        self.mean.iter().filter(|&&p| p > threshold).count()
    }
}
