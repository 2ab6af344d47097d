//! What the training of a general machine is told beside what all runs are.

use crate::{
    error::Result,
    train::{Learning, Negative, Positive, run::stored_flat},
};
use serde::{Deserialize, Serialize};

/// Options of a training run of a general machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct BoltzmannOptions {
    /// Those that every family shares. The longest gradient is over the elements of `R`, `W`, `S`
    /// and the biases as they are stored; longest weights are the couplings `(2 R_i, W_i)` or
    /// `(W'_j, 2 S_j)` of each unit.
    #[serde(flatten)]
    pub learning: Learning,
    /// Expectations of the data.
    pub positive: Positive,
    /// Expectations of the model.
    pub negative: Negative,
}

stored_flat!(BoltzmannOptions);

impl Default for BoltzmannOptions {
    fn default() -> Self {
        Self {
            learning: Learning::default(),
            positive: Positive::Gibbs { steps: 1 },
            negative: Negative::Persistent {
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
        self.learning.check()?;
        self.positive.check()?;
        self.negative.check_sampled("a general machine")
    }
}
