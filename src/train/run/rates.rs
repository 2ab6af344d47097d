//! The learning rate of a run, which may change while it goes on.

use super::{Learner, Run, Schedule};
use crate::error::Result;
use std::sync::Arc;

/// A rate as a function of the training time in epochs.
pub(super) type Rate = Arc<dyn Fn(f64) -> f32 + Send + Sync>;

impl<L: Learner> Run<L> {
    /// Learning rate of the next update.
    pub fn learning_rate(&self) -> f32 {
        self.rate_at(self.position().time())
    }

    /// Learning rate of the update before.
    pub fn last_learning_rate(&self) -> f32 {
        self.rate_at(self.position().last_update())
    }

    pub(super) fn rate_at(&self, time: f64) -> f32 {
        match &self.rate {
            Some(rate) => rate(time),
            None => self.learning().rate_at(time),
        }
    }

    /// Goes on at another learning rate, from the next update on; files hold it.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] for rates that are negative or not finite.
    pub fn set_learning_rate(&mut self, rate: impl Into<Schedule>) -> Result<()> {
        let rate = rate.into();
        rate.check("learning rate", f32::INFINITY)?;
        self.learner.options_mut().as_mut().learning_rate = rate;
        (self.rate, self.custom) = (None, false);
        Ok(())
    }

    /// Goes on at the learning rate `rate(t)`, where `t` is the training time in epochs. A file
    /// cannot hold a function: it holds the rate of the last update and says that it was custom.
    /// A rate below 0 or not finite ends the run with an error.
    pub fn set_rate(&mut self, rate: impl Fn(f64) -> f32 + Send + Sync + 'static) {
        self.rate = Some(Arc::new(rate));
        self.custom = true;
    }

    /// Whether the learning rate is a function of the program's, or was one in the run that this
    /// one goes on with ([`Self::set_rate`]).
    pub fn is_custom(&self) -> bool {
        self.custom
    }
}
