//! Gradients of the likelihood of what was observed.

use crate::{
    common::{
        memory::last_step,
        missing::{mask, with_other_values},
        normal_machine,
        units::random_data,
    },
    units::{TINY_RATE, assert_gradient, gradient},
};
use harmonium::{
    Examples, Rbm,
    kernel::reduce::mean_and_standard_error,
    model::Missing,
    train::{Learning, Negative, RbmOptions, RbmTraining, Reconstruction},
};

const MACHINES: [(&str, usize, &str, usize); 6] = [
    ("bernoulli", 5, "bernoulli", 3),
    ("bernoulli:3+softmax:3", 6, "softmax:2+bernoulli:2", 4),
    ("spin", 4, "bernoulli", 3),
    ("gaussian", 3, "bernoulli", 3),
    ("gaussian:2+spin:1+softmax:2", 5, "spin", 3),
    ("bernoulli", 4, "gaussian", 2),
];

/// A machine, and weighted examples of which values are missing.
fn problem(k: usize) -> (Rbm, Examples) {
    let (visible, n, hidden, m) = MACHINES[k];
    let rbm = normal_machine((visible, n), (hidden, m), 0.5, k as u64);
    let rows = 12;
    let data = random_data(rbm.visible(), rows, k as u64);
    let data = data
        .with_observed(mask(rbm.visible(), rows, k as u64))
        .unwrap();
    let weights = (0..rows).map(|i| 0.5 + (i % 3) as f32).collect();
    (rbm, data.with_weights(weights).unwrap())
}

fn exact(missing: Missing) -> RbmOptions {
    RbmOptions {
        negative: Negative::Exact,
        missing,
        ..RbmOptions::default()
    }
}

/// `sum w ln p(v_observed) / sum w`.
fn likelihood(rbm: &Rbm, data: &Examples, missing: Missing) -> f64 {
    let log_p = rbm.exact_log_p_observed(data, missing, &mut ()).unwrap();
    let weights = data.weights().unwrap().iter().map(|&w| f64::from(w));
    let sum: f64 = weights.clone().sum();
    log_p.iter().zip(weights).map(|(x, w)| w * x).sum::<f64>() / sum
}

/// Of every kind of unit, whatever stands where values are missing.
#[test]
fn exact_gradients_equal_finite_differences() {
    for missing in [Missing::Infer, Missing::Absent] {
        for (k, machine) in MACHINES.iter().enumerate() {
            let (rbm, data) = problem(k);
            let found = gradient(&rbm, &data, exact(missing));
            let objective = |rbm: &Rbm| likelihood(rbm, &data, missing);
            let what = format!("{missing:?} of {machine:?}");
            assert_gradient(&rbm, &found, objective, &what);
            let other = with_other_values(&data, rbm.visible(), 77);
            let other = other
                .with_weights(data.weights().unwrap().to_vec())
                .unwrap();
            assert_ne!(other.states(), data.states());
            assert_eq!(gradient(&rbm, &other, exact(missing)), found, "{what}");
        }
    }
}

/// Gibbs chains of every example, which go on between its visits, have the exact gradient on
/// average: blocks of updates tell the standard error of their mean, of which six is the bound.
#[test]
fn chains_of_missing_values_have_the_exact_gradient_on_average() {
    const BLOCKS: usize = 40;
    const UPDATES: usize = 100;
    for k in [1, 2, 3] {
        let (rbm, data) = problem(k);
        let expected = gradient(&rbm, &data, exact(Missing::Infer));
        let options = RbmOptions {
            negative: Negative::Persistent {
                chains: 100,
                steps: 2,
            },
            variance_rate: 1.0,
            learning: Learning {
                learning_rate: TINY_RATE.into(),
                batch_size: data.len(),
                epochs: BLOCKS * UPDATES,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let mut run = RbmTraining::new(rbm, options, &data).unwrap();
        let mut blocks = vec![vec![0.0; expected.len()]; BLOCKS];
        for block in &mut blocks {
            for _ in 0..UPDATES {
                let _ = run.update(&data).unwrap();
                for (sum, x) in block.iter_mut().zip(last_step(&run)) {
                    *sum += f64::from(x / TINY_RATE) / UPDATES as f64;
                }
            }
        }
        // The first block is burn-in.
        for (i, expected) in expected.iter().enumerate() {
            let (mean, error) = mean_and_standard_error(blocks[1..].iter().map(|x| x[i]));
            let bound = 6.0 * error + 1e-4;
            assert!(
                (mean - expected).abs() < bound,
                "{:?}, parameter {i}: {mean} for {expected} +- {error}",
                MACHINES[k]
            );
        }
    }
}

/// Absent units are none: examples that all miss the same columns are those of the machine without
/// them. Draws belong to columns, so those before others are drawn alike.
#[test]
fn absent_units_learn_as_the_machine_without_them() {
    for (units, n, kept) in [
        ("bernoulli", 6, 4),
        ("bernoulli:4+softmax:3", 7, 4),
        ("spin", 5, 3),
        ("gaussian", 5, 3),
    ] {
        let rbm = normal_machine((units, n), ("bernoulli", 3), 0.5, 3);
        let data = random_data(rbm.visible(), 16, 5);
        let mask = harmonium::BitMatrix::from_fn(16, n, |_, j| j < kept);
        let small = rbm.without_missing(mask.view(), 0).unwrap();
        let of_kept = data.first_columns(kept);
        let data = data.with_observed(mask).unwrap();
        for negative in [
            Negative::Exact,
            Negative::ContrastiveDivergence {
                steps: 2,
                reconstruction: Reconstruction::Sampled,
            },
        ] {
            let options = RbmOptions {
                negative,
                missing: Missing::Absent,
                ..RbmOptions::default()
            };
            let found = gradient(&rbm, &data, options.clone());
            let expected = gradient(&small, &of_kept, options);
            let (all, m) = (rbm.n_visible(), 3);
            let place = |k: usize| match k {
                k if k < kept * m => k,
                k if k < kept * m + kept => k - kept * m + all * m,
                k if k < kept * m + kept + m => k - kept * m - kept + all * m + all,
                k => k - kept * m - kept - m + all * m + all + m,
            };
            let mut rest = found.clone();
            for (k, x) in expected.iter().enumerate() {
                assert!(
                    (found[place(k)] - x).abs() < 2e-4,
                    "{units}, {negative:?}, {k}"
                );
                rest[place(k)] = 0.0;
            }
            assert!(rest.iter().all(|x| x.abs() < 1e-5), "{units}: {rest:?}");
        }
    }
}
