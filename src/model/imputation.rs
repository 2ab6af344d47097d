//! How what is missing is inferred from what was observed, and what comes of it.

use crate::{
    bits::BitView,
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
