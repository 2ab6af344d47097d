//! How many sweeps a chain takes to forget.

use crate::error::{Error, Result};

/// Windows of Sokal's rule: the sum stops at the first lag that is at least this many
/// autocorrelation times.
const WINDOW_TIMES: f64 = 5.0;
/// Series shorter than this many autocorrelation times cannot tell them.
const FEWEST_TIMES: f64 = 50.0;

/// The integrated autocorrelation time of a figure along chains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutocorrelationTime {
    /// `tau = 1 + 2 sum_t rho(t)` in units of the series' steps: the mean of `n` steps is worth
    /// that of `n / tau` independent draws.
    pub time: f64,
    /// Its standard error, `tau sqrt(2 (2 window + 1) / n)`.
    pub standard_error: f64,
    /// Largest lag in the sum.
    pub window: usize,
    /// Whether each series is at least 50 times as long as `tau`; if not, `tau` is likely larger
    /// than it seems.
    pub long_enough: bool,
}

/// Integrated autocorrelation time of a figure (an energy, the activity of a unit, ...) along one
/// or more chains of the same length in equilibrium, f64. Autocovariances about the mean of all
/// chains are averaged over the chains, so chains in different modes show as a long time. The sum
/// of lags ends by Sokal's rule (Monte Carlo methods in statistical mechanics, 1997, section 3): at
/// the smallest window of at least `5 tau(window)`. Cost: chains x length x window.
///
/// # Errors
/// [`Error::Shape`] without chains, for chains of different lengths, or of fewer than 2 steps;
/// [`Error::Parameter`] for a figure that never changes; [`Error::NotFinite`].
pub fn integrated_autocorrelation_time<S: AsRef<[f64]>>(
    chains: &[S],
) -> Result<AutocorrelationTime> {
    let n = chains.first().map_or(0, |x| x.as_ref().len());
    if n < 2 {
        return Err(Error::shape("steps of a chain", "at least 2", n));
    }
    for chain in chains {
        let x = chain.as_ref();
        if x.len() != n {
            return Err(Error::shape("steps of a chain", n, x.len()));
        }
        if x.iter().any(|x| !x.is_finite()) {
            let what = "series of a chain".into();
            return Err(Error::NotFinite { what });
        }
    }
    let all = (n * chains.len()) as f64;
    let values = || chains.iter().flat_map(|x| x.as_ref().iter().copied());
    let mean = values().sum::<f64>() / all;
    let covariance = |lag: usize| {
        let of_chain = |x: &[f64]| -> f64 {
            x[..n - lag]
                .iter()
                .zip(&x[lag..])
                .map(|(a, b)| (a - mean) * (b - mean))
                .sum()
        };
        chains.iter().map(|x| of_chain(x.as_ref())).sum::<f64>() / all
    };
    let variance = covariance(0);
    let first = chains[0].as_ref()[0];
    if variance <= 0.0 || values().all(|x| x == first) {
        return Err(Error::parameter("series", "values that change", first));
    }
    let (mut time, mut window) = (1.0, 0);
    while window + 1 < n && (window as f64) < WINDOW_TIMES * time {
        window += 1;
        time += 2.0 * covariance(window) / variance;
    }
    Ok(AutocorrelationTime {
        time,
        standard_error: time.abs() * (2.0 * (2 * window + 1) as f64 / all).sqrt(),
        window,
        long_enough: n as f64 >= FEWEST_TIMES * time,
    })
}
