//! What the up-down algorithm is told, checked once at the door.

use super::super::Schedule;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Most sweeps of the top pair in an update: half sweeps are numbered by 12 bits.
pub const MAX_MEMORY_STEPS: usize = 2000;

/// Options of the up-down algorithm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpDownOptions {
    /// Passes over the data.
    pub epochs: usize,
    /// Examples an update.
    pub batch_size: usize,
    /// Sweeps of the top pair in each update, over the epochs: `at:0=3,100=6,200=10` in the paper. Rounded up, at least 1.
    pub steps: Schedule,
    /// Step size of the directed generative weights.
    pub generative_rate: Schedule,
    /// Step size of the recognition weights.
    pub recognition_rate: Schedule,
    /// Step size of the top pair.
    pub top_rate: Schedule,
    /// Share of the last step that is repeated.
    pub momentum: Schedule,
    /// Factor of `-W` in the gradient of all weights (L2).
    pub weight_decay: f32,
    /// Grey data: draw binary states anew at each visit instead of taking the values as probabilities.
    pub resample_data: bool,
    /// Seed of every choice and draw.
    pub seed: u64,
}

impl Default for UpDownOptions {
    fn default() -> Self {
        let rate = || Schedule::Linear {
            from: 0.05,
            to: 0.0,
        };
        Self {
            epochs: 100,
            batch_size: 100,
            steps: Schedule::Constant(3.0),
            generative_rate: rate(),
            recognition_rate: rate(),
            top_rate: rate(),
            momentum: Schedule::Constant(0.0),
            weight_decay: 0.0,
            resample_data: false,
            seed: 0,
        }
    }
}

impl UpDownOptions {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the option.
    pub fn check(&self) -> Result<()> {
        if self.batch_size == 0 {
            return Err(Error::parameter("batch size", "at least 1", 0));
        }
        for (name, rate, limit) in [
            ("generative rate", &self.generative_rate, f32::INFINITY),
            ("recognition rate", &self.recognition_rate, f32::INFINITY),
            ("top rate", &self.top_rate, f32::INFINITY),
            ("momentum", &self.momentum, 1.0),
            ("steps", &self.steps, f32::INFINITY),
        ] {
            rate.check(name, limit)?;
        }
        if self.steps.most() > MAX_MEMORY_STEPS as f32 {
            let most = format!("at most {MAX_MEMORY_STEPS}");
            return Err(Error::parameter("steps", most, &self.steps));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            let expected = "a finite number of at least 0";
            return Err(Error::parameter(
                "weight decay",
                expected,
                self.weight_decay,
            ));
        }
        Ok(())
    }
}
