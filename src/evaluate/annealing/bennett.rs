//! Bennett's acceptance ratio: the best estimate of `ln Z` from annealing both ways.

use super::INTERVAL_STANDARD_ERRORS;
use crate::kernel::{reduce::LogSum, reference::softplus};

/// An estimate of `ln Z` from chains of both directions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bennett {
    /// `ln Z`.
    pub estimate: f64,
    /// Its asymptotic standard error, `sqrt((1 / n + 1 / m) (1 / overlap - 1))`.
    pub standard_error: f64,
    /// How much the log weights of both directions overlap, from 0 to 1:
    /// `(1 / n + 1 / m) sum p (1 - p)` over all chains, where `p` is the probability that a chain
    /// of this weight ran forward. It is one minus the second eigenvalue of the overlap matrix of
    /// Klimovich, Shirts and Mobley (2015).
    pub overlap: f64,
    /// `estimate - 3 standard errors`.
    pub low: f64,
    /// `estimate + 3 standard errors`.
    pub high: f64,
}

/// Bennett's estimate from the log weights `l` of `n` forward and `m` reverse chains, at least one
/// of each: the one solution `x = ln Z` of `sum_forward sigma(l - x - ln(n / m)) = sum_reverse
/// sigma(x - l + ln(n / m))`.
///
/// It is consistent if the reverse chains started from exact states, and of all estimates from
/// these weights the one of least asymptotic variance. Deterministic; found by bisection to the
/// last bit. Sources: Bennett 1976; for annealing both ways Crooks 2000; the error from Shirts,
/// Bair, Hooker and Pande 2003.
///
/// # Panics
/// Without a chain of either direction.
pub fn bennett(forward: &[f64], reverse: &[f64]) -> Bennett {
    assert!(
        !forward.is_empty() && !reverse.is_empty(),
        "chains of both directions"
    );
    let (n, m) = (forward.len() as f64, reverse.len() as f64);
    let shift = (n / m).ln();
    // Logarithms of both sums: without any overlap the sums themselves would vanish.
    let log_sum = |logits: &mut dyn Iterator<Item = f64>| {
        let mut sum = LogSum::default();
        logits.for_each(|x| sum.add(-softplus(-x)));
        sum.value()
    };
    let forward_exceeds = |x: f64| {
        log_sum(&mut forward.iter().map(|l| l - x - shift))
            > log_sum(&mut reverse.iter().map(|l| x - l + shift))
    };
    // At the largest log weight no term of the left is above m / (n + m) and none of the right
    // below n / (n + m); at the smallest, the reverse.
    let both = || forward.iter().chain(reverse).copied();
    let (mut low, mut high) = (
        both().fold(f64::INFINITY, f64::min),
        both().fold(f64::NEG_INFINITY, f64::max),
    );
    loop {
        let middle = low + 0.5 * (high - low);
        if !(low < middle && middle < high) {
            break;
        }
        if forward_exceeds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    let estimate = low + 0.5 * (high - low);
    // p (1 - p) with p = sigma(x), without cancellation.
    let spread = |x: f64| (-softplus(x) - softplus(-x)).exp();
    let sum: f64 = both().map(|l| spread(l - estimate - shift)).sum();
    let overlap = ((1.0 / n + 1.0 / m) * sum).min(1.0);
    let standard_error = ((1.0 / n + 1.0 / m) * (1.0 / overlap - 1.0)).sqrt();
    Bennett {
        estimate,
        standard_error,
        overlap,
        low: estimate - INTERVAL_STANDARD_ERRORS * standard_error,
        high: estimate + INTERVAL_STANDARD_ERRORS * standard_error,
    }
}
