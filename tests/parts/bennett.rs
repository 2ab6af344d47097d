//! Bennett's estimate.

use harmonium::{evaluate::bennett, kernel::reduce::mean_and_standard_error, rng::HostRng};

#[test]
fn equal_weights_are_the_answer() {
    for (n, m) in [(1, 1), (3, 7), (100, 10)] {
        let z = bennett(&vec![5.25; n], &vec![5.25; m]);
        assert!((z.estimate - 5.25).abs() < 1e-12);
        assert!((z.overlap - 1.0).abs() < 1e-12 && z.standard_error < 1e-6);
    }
}

#[test]
fn far_apart_weights_meet_in_the_middle_without_overlap() {
    let z = bennett(&[0.0, 1.0], &[5000.0, 5001.0]);
    assert!((z.estimate - 2500.5).abs() < 1e-6, "{z:?}");
    assert_eq!((z.overlap, z.standard_error), (0.0, f64::INFINITY));
}

/// Gaussian log weights of variance `s^2` obey the symmetry `P_forward(l) e^l = P_reverse(l) Z`
/// when their means are `ln Z -+ s^2 / 2`.
#[test]
fn errors_of_gaussian_weights_are_as_stated() {
    let mut rng = HostRng::numbered(5, 0);
    for (deviation, n, m) in [(0.5, 200, 200), (1.5, 300, 100), (2.0, 150, 400_usize)] {
        let log_z = 40.0;
        let half = 0.5 * deviation * deviation;
        let scores: Vec<f64> = (0..400)
            .map(|_| {
                let mut draw = |mean: f64, count: usize| -> Vec<f64> {
                    (0..count)
                        .map(|_| mean + deviation * rng.normal())
                        .collect()
                };
                let z = bennett(&draw(log_z - half, n), &draw(log_z + half, m));
                (z.estimate - log_z) / z.standard_error
            })
            .collect();
        let (mean, error) = mean_and_standard_error(scores.iter().copied());
        assert!(mean.abs() < 4.0 * error, "{deviation}: mean {mean}");
        // chi-square of 400 degrees of freedom: standard deviation sqrt(800) = 28.3, four of
        // them.
        let sum: f64 = scores.iter().map(|x| x * x).sum();
        assert!((sum - 400.0).abs() < 4.0 * 28.3, "{deviation}: {sum}");
    }
}
