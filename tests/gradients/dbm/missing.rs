//! Missing values: each way to the expectations of the data against enumeration.

use super::phases::{MANY, bare, moved, step};
use crate::common::{dbm::bernoulli, missing::mask};
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    model::{Dbm, MeanField},
    train::{Negative, Positive},
};

/// Rows of four examples in turn, of which values are missing.
fn data(dbm: &Dbm, count: usize) -> Examples {
    let n = dbm.n_visible();
    let mask = mask(dbm.layer(0), 4, 5);
    let bits = BitMatrix::from_fn(count, n, |i, j| ((i % 4) * 5 + j * 3 + (i % 4) * j) % 7 < 3);
    Examples::new(bits)
        .unwrap()
        .with_observed(BitMatrix::from_fn(count, n, |i, j| mask.get(i % 4, j)))
        .unwrap()
}

/// As without missing values: third derivatives below 6 times `(2 / 128)^2 / 6`, and f32 rounding
/// of a parameter near 1 over 1/64.
#[test]
fn exact_phases_are_finite_differences_of_what_was_observed() {
    for (sizes, seed) in [(&[5, 3, 3][..], 1), (&[4, 3, 2, 2], 2), (&[5, 3], 3)] {
        let dbm = bernoulli(sizes, 0.6, seed);
        let data = data(&dbm, 4);
        let got = step(&dbm, bare(Positive::Exact, Negative::Exact), 0, &data);
        let likelihood = |x: &Dbm| x.exact_mean_log_likelihood(&data, &mut ()).unwrap().mean;
        for (k, got) in got.iter().enumerate() {
            let (up, x) = moved(&dbm, k, 1.0 / 128.0);
            let (down, y) = moved(&dbm, k, -1.0 / 128.0);
            let expected = (likelihood(&up) - likelihood(&down)) / (x - y);
            assert!(
                (got - expected).abs() < 3e-4,
                "{sizes:?} {k}: {got} for {expected}"
            );
        }
    }
}

/// Bounds as without missing values: five standard errors of a mean over 20,000 chains.
#[test]
fn chains_of_what_is_missing_are_the_enumerated_posterior() {
    let five = 5.0 * 0.5 / (MANY as f64).sqrt();
    for (sizes, seed) in [(&[5, 3, 2][..], 4), (&[4, 3, 2, 2], 5), (&[5, 3], 6)] {
        let dbm = bernoulli(sizes, 0.5, seed);
        let (few, many) = (data(&dbm, 4), data(&dbm, MANY));
        let expected = step(&dbm, bare(Positive::Exact, Negative::Exact), 0, &few);
        let gibbs = bare(Positive::Gibbs { steps: 4 }, Negative::Exact);
        let got = step(&dbm, gibbs, 9, &many);
        for (k, (a, b)) in got.iter().zip(&expected).enumerate() {
            assert!((a - b).abs() < five, "{sizes:?}, {k}: {a} for {b}");
        }
    }
}

/// Of weights that vanish, where the posterior factorizes, mean field is exact: the difference is
/// of second order in them.
#[test]
fn mean_field_of_small_weights_is_the_enumerated_posterior() {
    let options = MeanField {
        iterations: 200,
        tolerance: 1e-6,
        damping: 0.0,
    };
    let sizes = [5, 3, 2];
    let difference = |weight: f64| {
        let dbm = bernoulli(&sizes, weight, 7);
        let data = data(&dbm, 4);
        let expected = step(&dbm, bare(Positive::Exact, Negative::Exact), 0, &data);
        let got = step(
            &dbm,
            bare(Positive::MeanField(options), Negative::Exact),
            0,
            &data,
        );
        let pairs = got.iter().zip(&expected);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    let (small, large) = (difference(0.05), difference(0.2));
    // Statistics in fixed point are off by less than 2^-8 a mean of four examples.
    assert!(small < 0.008, "{small}");
    assert!(large > small && large < 0.08, "{large}");
}
