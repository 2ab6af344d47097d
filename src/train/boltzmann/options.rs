//! What the training of a general machine is told beside what all runs are.

use crate::{
    error::{Error, Result},
    train::{
        Learning, Negative, Positive,
        run::{Shared, stored_flat},
    },
};
use serde::{Deserialize, Serialize};

/// Options of a training run of a general machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct BoltzmannOptions {
    /// Those that every family shares. No longest gradient, norms or averages yet.
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
        use Shared::{Averaging, GradientClip, MaxNorm};
        self.learning.check()?;
        let refused = [GradientClip, MaxNorm, Averaging];
        let whose = "the training of a general machine";
        self.learning.refuse(&refused, whose)?;
        self.positive.check()?;
        self.negative.check()?;
        let known = matches!(
            self.negative,
            Negative::Exact
                | Negative::PseudoLikelihood
                | Negative::Mcmc { .. }
                | Negative::Persistent { .. }
        );
        if !known {
            let expected = "exact, fair coins, persistent chains or the pseudo-likelihood";
            let found = format!("{:?}", self.negative);
            return Err(Error::parameter("negative phase", expected, found));
        }
        Ok(())
    }
}
