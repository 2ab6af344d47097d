//! What every run is told, whatever learns; checked once at the door.

use super::Position;
use crate::{
    error::{Error, Result},
    train::{Averaging, Rates, Rule, Schedule},
};
use serde::{Deserialize, Serialize};

/// Options that every family shares. Those of a family hold them as `learning`; a file stores both
/// flat, side by side.
///
/// A family has defaults of its own for them ([`DbmOptions`](crate::DbmOptions) a momentum and a
/// decay, [`UpDownOptions`](crate::UpDownOptions) 100 epochs). `..Learning::default()` puts others
/// in their place; who keeps them starts from those of the family.
///
/// ```
/// use harmonium::{DbmOptions, Learning};
/// let mut options = DbmOptions::default();
/// options.learning.epochs = 50;
///
/// let learning = Learning { epochs: 50, ..DbmOptions::default().learning };
/// assert_eq!(options, DbmOptions { learning, ..DbmOptions::default() });
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Learning {
    /// Passes over the data.
    pub epochs: usize,
    /// Examples an update; the last minibatch of an epoch may be shorter and is weighted by its own
    /// size.
    pub batch_size: usize,
    /// Step size.
    pub learning_rate: Schedule,
    /// What the step size does not fall below.
    pub least_rate: f32,
    /// Share of the last step that is repeated.
    pub momentum: Schedule,
    /// Factor of `-W` in the gradient of the weights (L2).
    pub weight_decay: f32,
    /// Factor of `-sign(W)` in the gradient of the weights (L1).
    pub l1_decay: f32,
    /// Longest gradient (Euclidean norm over all parameters); longer ones are shortened to it.
    pub gradient_clip: Option<f32>,
    /// Longest vector of weights into a unit (Euclidean norm of a column of `W`); longer ones are
    /// shortened to it.
    pub max_norm: Option<f32>,
    /// The average of the parameters that is the result of the run.
    pub averaging: Option<Averaging>,
    /// How gradients become steps.
    pub optimizer: Rule,
    /// Real-valued data: draw binary states anew at each visit instead of taking the values as
    /// probabilities.
    pub resample_data: bool,
    /// Seed of every choice and draw.
    pub seed: u64,
}

impl Default for Learning {
    /// 20 epochs of minibatches of 100, a rate from 0.05 to 0 in a straight line; nothing else.
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 100,
            learning_rate: Schedule::Linear {
                from: 0.05,
                to: 0.0,
            },
            least_rate: 0.0,
            momentum: Schedule::Constant(0.0),
            weight_decay: 0.0,
            l1_decay: 0.0,
            gradient_clip: None,
            max_norm: None,
            averaging: None,
            optimizer: Rule::Momentum,
            resample_data: false,
            seed: 0,
        }
    }
}

/// Refuses numbers that are negative, infinite or NaN.
pub(in crate::train) fn not_negative(name: &str, x: f32) -> Result<()> {
    if x >= 0.0 && x.is_finite() {
        return Ok(());
    }
    Err(Error::parameter(name, "a finite number of at least 0", x))
}

/// Refuses zero.
pub(in crate::train) fn at_least_one(name: &str, x: usize) -> Result<()> {
    if x > 0 {
        return Ok(());
    }
    Err(Error::parameter(name, "at least 1", 0))
}

impl Learning {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the option.
    pub fn check(&self) -> Result<()> {
        at_least_one("batch size", self.batch_size)?;
        self.learning_rate.check("learning rate", f32::INFINITY)?;
        self.momentum.check("momentum", 1.0)?;
        not_negative("least learning rate", self.least_rate)?;
        not_negative("weight decay", self.weight_decay)?;
        not_negative("L1 decay", self.l1_decay)?;
        for (name, x) in [
            ("gradient clip", self.gradient_clip),
            ("largest norm of weights", self.max_norm),
        ] {
            if let Some(x) = x.filter(|x| !(*x > 0.0 && x.is_finite())) {
                return Err(Error::parameter(name, "a finite number above 0", x));
            }
        }
        self.optimizer.check()?;
        self.averaging.map_or(Ok(()), Averaging::check)
    }

    /// The rate at `time`, in epochs.
    pub fn rate_at(&self, time: f64) -> f32 {
        let rate = self.learning_rate.at(time, self.epochs);
        rate.max(self.least_rate)
    }

    /// Rates of the next update, at `position`.
    pub(in crate::train) fn rates_at(&self, position: Position) -> Rates {
        let time = position.time();
        Rates {
            rule: self.optimizer,
            learning_rate: self.rate_at(time),
            momentum: self.momentum.at(time, self.epochs),
            weight_decay: self.weight_decay,
            l1_decay: self.l1_decay,
            gradient_clip: self.gradient_clip,
            variance_rate: 0.0,
            update: position.updates + 1,
        }
    }
}
