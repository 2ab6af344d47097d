//! Hidden units that do nothing.

use crate::{
    dataset::Rows,
    error::{Error, Result},
    model::Rbm,
    product::{Propagation, Tail},
};

/// Hidden units on for less than this share of the data are called dead.
pub const DEAD_BELOW: f64 = 0.01;
/// Hidden units on for more than this share of the data are called saturated.
pub const SATURATED_ABOVE: f64 = 0.99;

/// Mean activation of every hidden unit on data.
#[derive(Clone, Debug, PartialEq)]
pub struct HiddenActivity {
    /// `mean over the rows of P(h_j = 1 | v)`, each times its weight, of every hidden unit.
    pub mean: Vec<f64>,
}

impl HiddenActivity {
    /// Of `rbm` on the rows of `v`. Precision: sums in f64, rounded to f32 for each 256 rows. Cost:
    /// one dense product.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `v` has the machine's visible units, [`Error::Parameter`] for hidden
    /// units that are not on or off and for missing values.
    pub fn new<'a>(rbm: &Rbm, v: impl Into<Rows<'a>>) -> Result<Self> {
        /// Rows at a time, those of one panel.
        const ROWS: usize = 256;
        let rows = v.into();
        let v = rows.complete("the activity of hidden units")?;
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
        if rows.weights().is_some() {
            let share = rows.share();
            for (at, part) in v.chunks_of(ROWS) {
                let p = rbm.mean_h_from_v(part, 1.0)?;
                for s in 0..part.rows() {
                    let all = mean.iter_mut().zip(p.row(s));
                    all.for_each(|(mean, &p)| *mean += share(at.start + s, f64::from(p)));
                }
            }
            return Ok(Self { mean });
        }
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
