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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::HostRng;

    fn autoregressive(phi: f64, n: usize, rng: &mut HostRng) -> Vec<f64> {
        // Starts in equilibrium, variance 1 / (1 - phi^2).
        let mut x = rng.normal() / (1.0 - phi * phi).sqrt();
        (0..n)
            .map(|_| {
                x = phi * x + rng.normal();
                x
            })
            .collect()
    }

    /// AR(1) has `rho(t) = phi^t`, so `tau = (1 + phi) / (1 - phi)`. Cutting the sum at five times
    /// leaves out less than 1% of it.
    #[test]
    fn autoregressive_series_have_their_known_times() {
        let mut rng = HostRng::numbered(4, 0);
        for phi in [-0.3, 0.0, 0.5, 0.9, 0.98] {
            let expected = (1.0 + phi) / (1.0 - phi);
            let one = autoregressive(phi, 200_000, &mut rng);
            let many: Vec<Vec<f64>> = (0..10)
                .map(|_| autoregressive(phi, 20_000, &mut rng))
                .collect();
            for got in [
                integrated_autocorrelation_time(&[one]).unwrap(),
                integrated_autocorrelation_time(&many).unwrap(),
            ] {
                assert!(
                    (got.time - expected).abs() < 4.0 * got.standard_error + 0.01 * expected,
                    "{phi}: {got:?} for {expected}"
                );
                // At the longest time, 99 of 200,000 steps, the window is some 500: sqrt(2 x 1001 /
                // 200,000) = 0.1.
                assert!(got.long_enough && got.standard_error < 0.12 * expected);
            }
        }
    }

    #[test]
    fn the_stated_error_is_that_of_repetitions() {
        let mut rng = HostRng::numbered(9, 0);
        let runs: Vec<AutocorrelationTime> = (0..200)
            .map(|_| {
                let x = autoregressive(0.8, 20_000, &mut rng);
                integrated_autocorrelation_time(&[x]).unwrap()
            })
            .collect();
        let mean = runs.iter().map(|r| r.time).sum::<f64>() / 200.0;
        let variance = runs.iter().map(|r| (r.time - mean).powi(2)).sum::<f64>() / 199.0;
        let stated = runs.iter().map(|r| r.standard_error.powi(2)).sum::<f64>() / 200.0;
        // A variance of 200 runs has relative deviation sqrt(2 / 199) = 0.1; the formula itself is
        // to leading order in 1 / window.
        assert!((variance / stated - 1.0).abs() < 0.5, "{variance} {stated}");
    }

    #[test]
    fn stuck_chains_in_two_modes_are_told_and_nonsense_is_refused() {
        let mut rng = HostRng::numbered(1, 0);
        let mut at = |mode: f64| -> Vec<f64> { (0..500).map(|_| mode + rng.normal()).collect() };
        let stuck = [at(-10.0), at(10.0)];
        let time = integrated_autocorrelation_time(&stuck).unwrap();
        assert!(time.time > 100.0 && !time.long_enough, "{time:?}");
        let refused = |chains: &[Vec<f64>]| integrated_autocorrelation_time(chains).is_err();
        assert!(refused(&[]) && refused(&[vec![1.0]]) && refused(&[vec![2.0; 9]]));
        assert!(refused(&[vec![1.0, 2.0], vec![1.0]]));
        assert!(refused(&[vec![1.0, f64::NAN]]));
    }
}
