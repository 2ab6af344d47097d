//! How what is missing is inferred from what was observed, and what comes of it.

use super::Layer;
use crate::{
    bits::BitView,
    dataset::Rows,
    error::{Error, Result},
    matrix::Matrix,
    states::Input,
};

/// How the missing values of an example are inferred from those that were observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imputation {
    /// By enumeration, example by example.
    Exact,
    /// By a Gibbs chain for each example, with the observed units held: the mean over `sweeps`
    /// sweeps of the conditional means, after `burn_in` of them.
    Gibbs {
        /// Sweeps before the first that counts.
        burn_in: usize,
        /// Sweeps that count.
        sweeps: usize,
        /// Seed of the draws.
        seed: u64,
    },
}

impl Imputation {
    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::Gibbs { sweeps: 0, .. } => {
                let what = "sweeps of the imputation";
                Err(Error::parameter(what, "at least 1", 0))
            }
            _ => Ok(()),
        }
    }
}

/// Puts the values of `v` that were observed into `means`.
pub(super) fn put_observed(means: &mut Matrix, v: Input<'_>, observed: BitView<'_>) {
    for row in 0..v.rows() {
        let to = means.row_mut(row);
        observed.ones(row).for_each(|i| to[i] = v.get(row, i));
    }
}

/// Means of all units given what was observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Imputed {
    /// `E[v | v_observed]` `[examples x n_visible]`: observed values are what they are.
    pub visible: Matrix,
    /// `E[h | v_observed]` of every hidden layer `[examples x units]`, lowest first.
    pub hidden: Vec<Matrix>,
}

/// The sum over the rows of what `of_row` makes of the number of states that the missing units of
/// one have: infinity of continuous ones and of counts. Rows that miss nothing add nothing.
pub(super) fn states_of_missing(
    visible: &Layer,
    rows: Rows<'_>,
    of_row: impl Fn(f64) -> f64,
) -> f64 {
    let Some(mask) = rows.observed() else {
        return 0.0;
    };
    let of_missing = |i: usize| -> f64 {
        let segments = visible.units.segments().iter();
        let factors = segments.map(|s| {
            let missing = s.range().filter(|&j| !mask.get(i, j));
            s.kind.states(missing.count())
        });
        factors.product()
    };
    let all = (0..mask.rows()).map(of_missing);
    all.filter(|&n| n > 1.0).map(of_row).sum()
}
