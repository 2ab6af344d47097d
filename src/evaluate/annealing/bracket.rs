//! Forward and reverse annealing together, and when not to trust them.

use super::{Ais, Annealed, Annealing, Bennett, Betas, LogZ, ReverseStart, bennett};
use crate::{error::Result, progress::Progress};
use std::fmt;

/// Effective sample sizes below this share of the chains are warned of.
pub const SMALLEST_EFFECTIVE_SHARE: f64 = 0.1;
/// Overlaps below this are warned of; Klimovich, Shirts and Mobley (2015) ask for as much of
/// neighboring states.
pub const SMALLEST_OVERLAP: f64 = 0.03;

/// Why an estimate of `ln Z` should not be trusted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// A few chains carry nearly all the weight.
    ChainsDisagree {
        /// Of which direction.
        annealing: Annealing,
        /// Their effective sample size.
        effective: f64,
        /// Their number.
        chains: usize,
    },
    /// The lower estimate is above the upper one beyond both intervals, which cannot be if reverse
    /// chains start from exact states.
    Inverted {
        /// Of forward annealing.
        forward: f64,
        /// Of reverse annealing.
        reverse: f64,
    },
    /// The upper estimate is above the lower one beyond both intervals: at least one of them is
    /// further off than it says.
    Apart {
        /// Of forward annealing.
        forward: f64,
        /// Of reverse annealing.
        reverse: f64,
    },
    /// Bennett's estimate rests on hardly any chains.
    SmallOverlap {
        /// See [`Bennett::overlap`].
        overlap: f64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChainsDisagree {
                annealing,
                effective,
                chains,
            } => write!(
                f,
                "the {annealing} chains disagree: the {chains} are worth {effective:.1}, so the error of ln Z is larger than stated; take more betas"
            ),
            Self::Inverted { forward, reverse } => write!(
                f,
                "the bracket is inverted: forward {forward:.2} is above reverse {reverse:.2}, so the reverse chains did not start from the model's distribution; take a longer burn-in"
            ),
            Self::Apart { forward, reverse } => write!(
                f,
                "forward {forward:.2} and reverse {reverse:.2} differ by {:.2} nats, more than their intervals; take more betas",
                reverse - forward
            ),
            Self::SmallOverlap { overlap } => write!(
                f,
                "the weights of both directions overlap by {overlap:.3} only, so Bennett's estimate rests on a few chains; take more betas"
            ),
        }
    }
}

/// `ln Z` from both sides.
#[derive(Clone, Debug)]
pub struct Bracket {
    /// From below, on average.
    pub forward: LogZ,
    /// From above, on average, if its chains started from exact states.
    pub reverse: LogZ,
    /// From the weights of both.
    pub bennett: Bennett,
}

impl Bracket {
    /// Of two estimates along the same temperatures and from the same base.
    ///
    /// # Panics
    /// Unless the first is of forward and the second of reverse annealing.
    pub fn new(forward: LogZ, reverse: LogZ) -> Self {
        assert_eq!(
            (forward.annealing, reverse.annealing),
            (Annealing::Forward, Annealing::Reverse)
        );
        Self {
            bennett: bennett(&forward.log_weights, &reverse.log_weights),
            forward,
            reverse,
        }
    }

    /// The lower end of the forward interval.
    pub fn low(&self) -> f64 {
        self.forward.low
    }

    /// The upper end of the reverse interval.
    pub fn high(&self) -> f64 {
        self.reverse.high
    }

    /// All that speaks against the estimates; nothing if nothing does.
    pub fn warnings(&self) -> Vec<Warning> {
        let (f, r) = (&self.forward, &self.reverse);
        let (forward, reverse) = (f.estimate, r.estimate);
        let mut warnings: Vec<Warning> = f.warning().into_iter().chain(r.warning()).collect();
        if f.low > r.high {
            warnings.push(Warning::Inverted { forward, reverse });
        }
        if r.low > f.high {
            warnings.push(Warning::Apart { forward, reverse });
        }
        let overlap = self.bennett.overlap;
        if overlap < SMALLEST_OVERLAP {
            warnings.push(Warning::SmallOverlap { overlap });
        }
        warnings
    }
}

impl Ais {
    /// [`Self::log_z`] and [`Self::reverse_log_z`] along the same temperatures, with Bennett's
    /// estimate from both.
    ///
    /// # Errors
    /// As [`Self::reverse_log_z`].
    pub fn bracket(
        &self,
        machine: &dyn Annealed,
        start: &ReverseStart,
        progress: &mut dyn Progress,
    ) -> Result<Bracket> {
        let given = Self {
            betas: Betas::Given(self.ladder(machine, progress)?),
            ..self.clone()
        };
        let (there, back) = (given.betas.steps(), start.sweeps(given.betas.steps()));
        let all = there + back;
        let forward = given.log_z(machine, &mut progress.part(0, there, all))?;
        let back = &mut progress.part(there, back, all);
        Ok(Bracket::new(
            forward,
            given.reverse_log_z(machine, start, back)?,
        ))
    }
}
