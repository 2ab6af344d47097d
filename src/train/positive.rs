//! The positive phase of machines whose hidden units depend on one another given the data.

use super::run::at_least_one;
use crate::{error::Result, model::MeanField};
use serde::{Deserialize, Serialize};

/// Where the expectations of the data come from, `E[x x']` over data and `P(h | v)`. Where hidden
/// units are independent given the data (none of them coupled with another) it makes no difference
/// beside noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positive {
    /// The posterior by enumeration, example by example.
    Exact,
    /// A Gibbs chain of `h | v` for each example, which goes on where it was when the example last
    /// came. Wants examples that can be told apart, so no stream.
    Gibbs {
        /// Sweeps at each visit.
        steps: usize,
    },
    /// A factorial approximation of the posterior: of a general machine from 1/2 at each visit, of
    /// a deep Boltzmann machine from a pass upwards or where it ended at the last visit.
    MeanField(MeanField),
}

impl Positive {
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Exact => Ok(()),
            Self::Gibbs { steps } => at_least_one("sweeps of the positive phase", *steps),
            Self::MeanField(options) => options.check(),
        }
    }

    /// Sweeps at each visit, if there are any.
    pub fn steps(&self) -> Option<usize> {
        match self {
            Self::Gibbs { steps } => Some(*steps),
            _ => None,
        }
    }
}
