//! How far mean field goes, and how it ended.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// How far mean field goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeanField {
    /// Most iterations: updates of all layers, or of a general machine's hidden units one after the
    /// other.
    pub iterations: usize,
    /// Those of a row end when none of its means has changed by more than this; 0 does them all,
    /// without looking before the last.
    pub tolerance: f32,
    /// Share of the old mean that stays at each update, from 0 to below 1.
    pub damping: f32,
}

impl Default for MeanField {
    /// At most 50 iterations, until changes are below 1e-4, without damping.
    fn default() -> Self {
        Self {
            iterations: 50,
            tolerance: 1e-4,
            damping: 0.0,
        }
    }
}

impl MeanField {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the option.
    pub fn check(&self) -> Result<()> {
        if self.iterations == 0 {
            return Err(Error::parameter("mean-field iterations", "at least 1", 0));
        }
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            let expected = "a finite number of at least 0";
            return Err(Error::parameter(
                "mean-field tolerance",
                expected,
                self.tolerance,
            ));
        }
        if !(0.0..1.0).contains(&self.damping) {
            let expected = "at least 0 and below 1";
            return Err(Error::parameter(
                "mean-field damping",
                expected,
                self.damping,
            ));
        }
        Ok(())
    }
}

/// How mean field ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Convergence {
    /// Iterations done, of the row that took most.
    pub iterations: usize,
    /// The largest change of a mean in the last of each row.
    pub change: f32,
}

impl Convergence {
    /// Whether the last change was within the tolerance.
    pub fn is_within(&self, options: &MeanField) -> bool {
        self.change <= options.tolerance
    }

    /// The worse of two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        Self {
            iterations: self.iterations.max(other.iterations),
            change: self.change.max(other.change),
        }
    }
}
