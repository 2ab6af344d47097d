//! An estimate of `ln Z` from the log weights of chains.

use super::Warning;
use crate::kernel::reduce::{log_sum_exp, mean_and_standard_error};
use std::fmt;

/// Half width of the intervals of `ln Z` in standard errors, as in Salakhutdinov and Murray (2008):
/// 99.7% of normal errors.
pub const INTERVAL_STANDARD_ERRORS: f64 = 3.0;

/// Where annealing starts, and so which way the estimate errs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Annealing {
    /// From the base to the model: `E[w] = Z`, so on average `ln Z` is underestimated.
    Forward,
    /// From the model to the base: `E[1 / w] = 1 / Z`, so on average `ln Z` is overestimated.
    Reverse,
}

impl fmt::Display for Annealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward",
            Self::Reverse => "reverse",
        })
    }
}

/// An estimate of `ln Z` with its uncertainty. `x = w` for forward annealing, `x = 1 / w` for
/// reverse.
#[derive(Clone, Debug)]
pub struct LogZ {
    /// Where annealing started.
    pub annealing: Annealing,
    /// `ln mean(w)`; in reverse `-ln mean(1 / w)`.
    pub estimate: f64,
    /// Standard error of `estimate`, to first order: that of the mean of `x` over that mean; 0 of
    /// one chain.
    pub standard_error: f64,
    /// `ln(mean - 3 standard errors)` of the weights; the smallest log weight where that difference
    /// is not positive. In reverse `-ln(mean + 3 standard errors)` of their reciprocals.
    pub low: f64,
    /// `ln(mean + 3 standard errors)` of the weights; in reverse `-ln(mean - 3 standard errors)` of
    /// their reciprocals, and the largest log weight where that difference is not positive.
    pub high: f64,
    /// `(sum x)^2 / sum x^2`: how many equally weighted chains the estimate is worth.
    pub effective_sample_size: f64,
    /// `ln w` of every chain.
    pub log_weights: Vec<f64>,
}

impl LogZ {
    /// From the log weights `ln w` of the chains, of which there is at least one.
    pub(super) fn new(annealing: Annealing, log_weights: Vec<f64>) -> Self {
        let n = log_weights.len() as f64;
        let sign = match annealing {
            Annealing::Forward => 1.0,
            Annealing::Reverse => -1.0,
        };
        let logs: Vec<f64> = log_weights.iter().map(|w| sign * w).collect();
        let estimate = log_sum_exp(&logs) - n.ln();
        // Relative to their mean: of order one, so nothing overflows.
        let relative: Vec<f64> = logs.iter().map(|w| (w - estimate).exp()).collect();
        let (_, error) = mean_and_standard_error(relative.iter().copied());
        let standard_error = if error.is_nan() { 0.0 } else { error };
        let below = 1.0 - INTERVAL_STANDARD_ERRORS * standard_error;
        let low = if below > 0.0 {
            estimate + below.ln()
        } else {
            logs.iter().copied().fold(f64::INFINITY, f64::min)
        };
        let high = estimate + (INTERVAL_STANDARD_ERRORS * standard_error).ln_1p();
        let (low, high) = match annealing {
            Annealing::Forward => (low, high),
            Annealing::Reverse => (-high, -low),
        };
        Self {
            annealing,
            estimate: sign * estimate,
            standard_error,
            low,
            high,
            effective_sample_size: n * n / relative.iter().map(|w| w * w).sum::<f64>(),
            log_weights,
        }
    }

    /// [`Warning::ChainsDisagree`] if the effective sample size is below a tenth of the chains: the
    /// standard error and the interval are then too small themselves.
    pub fn warning(&self) -> Option<Warning> {
        let (effective, chains) = (self.effective_sample_size, self.log_weights.len());
        (effective < super::bracket::SMALLEST_EFFECTIVE_SHARE * chains as f64).then_some(
            Warning::ChainsDisagree {
                annealing: self.annealing,
                effective,
                chains,
            },
        )
    }
}
