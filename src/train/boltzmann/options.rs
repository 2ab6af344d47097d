//! What the training of a general machine is told.

use crate::{
    error::{Error, Result},
    model::MeanField,
    train::{Rule, Schedule},
};
use serde::{Deserialize, Serialize};

/// Where the expectations of the data come from if there are hidden units: `E[x x']` over data and `P(h | v)`. Without hidden units it makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoltzmannPositive {
    /// The posterior by enumeration.
    Exact,
    /// A Gibbs chain of `h | v` for each example, which goes on where it was when the example last came.
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
    /// Chains of fair coins at each update, burnt in for `steps` sweeps (Goodfellow, Bengio and Courville 2016, Algorithm 18.1).
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
    /// No expectations of the model: the exact gradient of the pseudo-likelihood `sum_i ln P(x_i | rest)` (Besag 1975) of a fully visible machine.
    PseudoLikelihood,
}

/// Options of a training run of a general machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoltzmannOptions {
    /// Expectations of the data.
    pub positive: BoltzmannPositive,
    /// Expectations of the model.
    pub negative: BoltzmannNegative,
    /// Passes over the data.
    pub epochs: usize,
    /// Examples an update; the last minibatch of an epoch may be shorter and is weighted by its own size.
    pub batch_size: usize,
    /// Step size.
    pub learning_rate: Schedule,
    /// Share of the last step that is repeated.
    pub momentum: Schedule,
    /// Factor of minus the weights in their gradient (L2).
    pub weight_decay: f32,
    /// Factor of minus the signs of the weights in their gradient (L1).
    pub l1_decay: f32,
    /// How gradients become steps.
    pub optimizer: Rule,
    /// Seed of every choice and draw.
    pub seed: u64,
}

impl Default for BoltzmannOptions {
    fn default() -> Self {
        Self {
            positive: BoltzmannPositive::Gibbs { steps: 1 },
            negative: BoltzmannNegative::Persistent {
                chains: 128,
                steps: 1,
            },
            epochs: 20,
            batch_size: 100,
            learning_rate: Schedule::Linear {
                from: 0.05,
                to: 0.0,
            },
            momentum: Schedule::Constant(0.0),
            weight_decay: 0.0,
            l1_decay: 0.0,
            optimizer: Rule::Momentum,
            seed: 0,
        }
    }
}

impl BoltzmannOptions {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the option.
    pub fn check(&self) -> Result<()> {
        let at_least_one = |name: &str, x: usize| {
            if x > 0 {
                return Ok(());
            }
            Err(Error::parameter(name, "at least 1", 0))
        };
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
        at_least_one("batch size", self.batch_size)?;
        self.learning_rate.check("learning rate", f32::INFINITY)?;
        self.momentum.check("momentum", 1.0)?;
        for (name, x) in [
            ("weight decay", self.weight_decay),
            ("L1 decay", self.l1_decay),
        ] {
            if !(x >= 0.0 && x.is_finite()) {
                return Err(Error::parameter(name, "a finite number of at least 0", x));
            }
        }
        self.optimizer.check()
    }
}
