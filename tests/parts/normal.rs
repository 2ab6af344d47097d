//! Functions of the normal distribution.

use harmonium::kernel::normal::{erfcx, hazard, log_cdf, quantile, truncated};

/// `erfc(x) e^(x^2) sqrt(pi) = 1 / (x + (1/2) / (x + 1 / (x + (3/2) / (x + ...))))`, which
/// converges for positive `x`.
fn erfcx_by_continued_fraction(x: f64) -> f64 {
    let mut fraction = x;
    for k in (1..20_000).rev() {
        fraction = x + 0.5 * f64::from(k) / fraction;
    }
    1.0 / (fraction * std::f64::consts::PI.sqrt())
}

#[test]
fn erfcx_matches_its_continued_fraction_and_reflects() {
    for k in 1..400 {
        let x = f64::from(k) * 0.05;
        let expected = erfcx_by_continued_fraction(x);
        let error = (erfcx(x) / expected - 1.0).abs();
        // The fraction itself converges as e^(-x sqrt(8 n)), up to a small factor.
        let bound = 1e-14 + 10.0 * (-x * (8.0_f64 * 20_000.0).sqrt()).exp();
        assert!(error < bound, "{x}: {error:e}");
    }
    assert_eq!(erfcx(0.0), 1.0);
    for x in [0.1, 0.46, 0.5, 2.0] {
        let sum = (erfcx(x) + erfcx(-x)) * (-x * x).exp();
        assert!((sum - 2.0).abs() < 1e-14, "erfc(x) + erfc(-x) = {sum}");
    }
}

#[test]
fn quantile_inverts_the_distribution_function() {
    assert_eq!(quantile(0.5), 0.0);
    assert!((quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-14);
    for k in -360..80 {
        let x = f64::from(k) * 0.1;
        let p = log_cdf(x).exp();
        // Rounding of p moves the quantile by 1e-16 p / phi; the exponential of the logarithm
        // adds |ln p| more.
        let slope = p * (0.5 * x * x).exp() * 2.51;
        let bound = 1e-14 * (1.0 + x.abs()) + 3e-16 * slope * (1.0 + 0.5 * x * x);
        assert!(
            (quantile(p) - x).abs() < bound,
            "{x}: {:e}",
            quantile(p) - x
        );
    }
}

#[test]
fn tails_agree_with_one_another() {
    for k in -300..300 {
        let x = f64::from(k) * 0.1;
        let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        let by_log = density * (-log_cdf(-x)).exp();
        assert!((hazard(x) / by_log - 1.0).abs() < 1e-12, "{x}");
        for u in [0.001, 0.3, 0.9, 0.9999] {
            let t = truncated(x, u);
            let rest = (log_cdf(-t) - log_cdf(-x)).exp();
            assert!((rest - (1.0 - u)).abs() < 1e-9, "{x}, {u}: {rest}");
        }
    }
    // Across the border to the far tail the excess is continuous to its stated error.
    let excess = |least: f64| truncated(least, 0.7) - least;
    assert!((excess(35.999) / excess(36.001) - 1.0).abs() < 2.0 / 36.0_f64.powi(2));
    assert!(truncated(1e4, 0.5) > 1e4);
}
