//! What the training of a general machine is told beside what all runs are.

use crate::{
    error::Result,
    model::MeanField,
    train::{
        Learning,
        run::{Shared, at_least_one, stored_flat},
    },
};
use serde::{Deserialize, Serialize};

/// Where the expectations of the data come from if there are hidden units: `E[x x']` over data and
/// `P(h | v)`. Without hidden units it makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoltzmannPositive {
    /// The posterior by enumeration.
    Exact,
    /// A Gibbs chain of `h | v` for each example, which goes on where it was when the example last
    /// came.
    Gibbs {
        /// Sweeps at each visit.
        steps: usize,
    },
    /// A factorial approximation of the posterior, from 1/2 at each visit.
    MeanField(MeanField),
}

/// Where the expectations of the model come from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoltzmannNegative {
    /// Enumeration.
    Exact,
    /// Chains of fair coins at each update, burnt in for `steps` sweeps (Goodfellow, Bengio and
    /// Courville 2016, Algorithm 18.1).
    Mcmc {
        /// Chains.
        chains: usize,
        /// Sweeps at each update.
        steps: usize,
    },
    /// Chains that go on between updates (Younes 1989; Algorithm 18.3).
    Persistent {
        /// Chains.
        chains: usize,
        /// Sweeps at each update.
        steps: usize,
    },
    /// No expectations of the model: the exact gradient of the pseudo-likelihood
    /// `sum_i ln P(x_i | rest)` (Besag 1975) of a fully visible machine.
    PseudoLikelihood,
}

/// Options of a training run of a general machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct BoltzmannOptions {
    /// Those that every family shares. No longest gradient, norms or averages yet.
    #[serde(flatten)]
    pub learning: Learning,
    /// Expectations of the data.
    pub positive: BoltzmannPositive,
    /// Expectations of the model.
    pub negative: BoltzmannNegative,
}

stored_flat!(BoltzmannOptions);

impl Default for BoltzmannOptions {
    fn default() -> Self {
        Self {
            learning: Learning::default(),
            positive: BoltzmannPositive::Gibbs { steps: 1 },
            negative: BoltzmannNegative::Persistent {
                chains: 128,
                steps: 1,
            },
        }
    }
}

impl BoltzmannOptions {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] with the name of the option.
    pub fn check(&self) -> Result<()> {
        use Shared::{Averaging, GradientClip, MaxNorm};
        self.learning.check()?;
        let refused = [GradientClip, MaxNorm, Averaging];
        let whose = "the training of a general machine";
        self.learning.refuse(&refused, whose)?;
        match self.positive {
            BoltzmannPositive::Exact => {}
            BoltzmannPositive::Gibbs { steps } => {
                at_least_one("sweeps of the positive phase", steps)?;
            }
            BoltzmannPositive::MeanField(options) => options.check()?,
        }
        match self.negative {
            BoltzmannNegative::Exact | BoltzmannNegative::PseudoLikelihood => {}
            BoltzmannNegative::Mcmc { chains, steps }
            | BoltzmannNegative::Persistent { chains, steps } => {
                at_least_one("chains", chains)?;
                at_least_one("sweeps of the negative phase", steps)?;
            }
        }
        Ok(())
    }
}
