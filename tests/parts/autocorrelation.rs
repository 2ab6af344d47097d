//! How long chains remember.

use harmonium::{
    evaluate::{AutocorrelationTime, integrated_autocorrelation_time},
    rng::HostRng,
};

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
