//! The gradient of machines of counts against finite differences of the exact likelihood.

use super::units::{assert_gradient, gradient};
use crate::common::{counts, normal_machine};
use harmonium::{
    Examples, Matrix,
    train::{Learning, Negative, RbmOptions},
};

fn exact() -> RbmOptions {
    RbmOptions {
        negative: Negative::Exact,
        ..RbmOptions::default()
    }
}

/// Of rows of seven lengths, so that hidden biases count `D` times; with and without weights.
#[test]
fn exact_gradients_equal_finite_differences() {
    for hidden in [("bernoulli", 3), ("softmax:2+spin:1", 3)] {
        let rbm = normal_machine(("counts", 4), hidden, 0.3, 1);
        let data = counts::data(21, 4, 2);
        let weights = (0..21).map(|i| 0.25 + (i % 4) as f32).collect();
        for data in [data.clone(), data.with_weights(weights).unwrap()] {
            let found = gradient(&rbm, &data, exact());
            let likelihood =
                |rbm: &harmonium::Rbm| rbm.exact_mean_log_likelihood(&data, &mut ()).unwrap().mean;
            assert_gradient(&rbm, &found, likelihood, "counts");
        }
    }
}

/// One row: the gradient of `c_j` is that of `c_j / D` as often as there are words.
#[test]
fn hidden_biases_count_once_a_word() {
    let rbm = counts::machine(3, 2, 0.4, 3);
    for length in [1.0, 8.0] {
        let data = Examples::new(Matrix::from_rows([[length - 1.0, 0.0, 1.0]]).unwrap()).unwrap();
        let found = gradient(&rbm, &data, exact());
        let likelihood =
            |rbm: &harmonium::Rbm| rbm.exact_mean_log_likelihood(&data, &mut ()).unwrap().mean;
        assert_gradient(&rbm, &found, likelihood, "one row");
        // The same by the rows of the weights: sum_k n_k = D.
        for j in 0..2 {
            let of_weights: f64 = (0..3).map(|k| found[2 * k + j]).sum();
            assert!((found[9 + j] - of_weights).abs() < 5e-5);
        }
    }
}

/// Contrastive divergence and persistent chains: means over many seeds of the first step. With
/// chains of so many sweeps both are the exact gradient but for noise.
#[test]
fn chains_estimate_the_exact_gradient() {
    const SEEDS: u64 = 60;
    let rbm = counts::machine(4, 3, 0.3, 5);
    let data = counts::data(70, 4, 6);
    let expected = gradient(&rbm, &data, exact());
    let steps = 30;
    for negative in [
        Negative::ContrastiveDivergence {
            steps,
            reconstruction: harmonium::train::Reconstruction::Sampled,
        },
        Negative::Persistent { chains: 70, steps },
    ] {
        let all: Vec<Vec<f64>> = (0..SEEDS)
            .map(|seed| {
                let learning = Learning {
                    seed,
                    ..Learning::default()
                };
                let options = RbmOptions {
                    negative,
                    learning,
                    ..RbmOptions::default()
                };
                gradient(&rbm, &data, options)
            })
            .collect();
        for (k, expected) in expected.iter().enumerate() {
            let n = SEEDS as f64;
            let mean = all.iter().map(|x| x[k]).sum::<f64>() / n;
            let variance = all.iter().map(|x| (x[k] - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let error = (variance / n).sqrt();
            // 21 parameters twice: Student's t of 59 degrees exceeds 4.5 with probability 3e-5.
            assert!(
                (mean - expected).abs() < 4.5 * error,
                "{negative:?}, {k}: {mean} +- {error} for {expected}"
            );
        }
    }
}
