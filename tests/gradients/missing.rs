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
    train::{
        BoltzmannOptions, BoltzmannTraining, Learning, Negative, Positive, RbmOptions, RbmTraining,
        Reconstruction,
    },
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

/// The gradient of the first update of a general machine, of pairs and biases; and the mean of that
/// of `updates`, with six standard errors of blocks of 100 of them.
fn of_general_machine(
    machine: &harmonium::BoltzmannMachine,
    data: &Examples,
    positive: Positive,
    updates: usize,
) -> Vec<(f64, f64)> {
    let options = BoltzmannOptions {
        positive,
        negative: Negative::Exact,
        learning: Learning {
            learning_rate: 0.0.into(),
            batch_size: data.len(),
            epochs: updates.max(1),
            ..Learning::default()
        },
    };
    let mut run = BoltzmannTraining::new(machine.clone(), options, data).unwrap();
    let mut update = || {
        let _ = run.update(data).unwrap();
        let (pairs, bias) = run.gradient();
        let all: Vec<f32> = pairs.elements().chain(bias.iter().copied()).collect();
        all
    };
    if updates == 1 {
        return update().iter().map(|&x| (f64::from(x), 0.0)).collect();
    }
    let blocks: Vec<Vec<f64>> = (0..updates / 100)
        .map(|_| {
            let mut sum = Vec::new();
            for _ in 0..100 {
                let now = update();
                sum.resize(now.len(), 0.0);
                let all = sum.iter_mut().zip(now);
                all.for_each(|(sum, x)| *sum += f64::from(x) / 100.0);
            }
            sum
        })
        .collect();
    (0..blocks[0].len())
        .map(|k| mean_and_standard_error(blocks[1..].iter().map(|x| x[k])))
        .collect()
}

/// Of `R`, `W`, `S` and both biases, with and without hidden units: exact against finite
/// differences, and chains against exact.
#[test]
fn general_machines_learn_what_was_observed() {
    for m in [0, 2] {
        let machine = crate::common::normal_boltzmann(4, m, 0.5, 3);
        let layer = harmonium::model::Layer::bernoulli(4);
        let data = random_data(&layer, 12, 2);
        let data = data.with_observed(mask(&layer, 12, 2)).unwrap();
        let weights = (0..12).map(|i| 0.5 + (i % 3) as f32).collect();
        let data = data.with_weights(weights).unwrap();
        let units = 4 + m;
        let exact = of_general_machine(&machine, &data, Positive::Exact, 1);
        let likelihood = |change: &dyn Fn(&mut [Vec<f32>; 5])| {
            let mut x = [
                machine.visible().bias.clone(),
                machine.hidden().bias.clone(),
                machine.visible_weights().to_vec(),
                machine.weights().to_vec(),
                machine.hidden_weights().to_vec(),
            ];
            change(&mut x);
            let [b, c, r, w, s] = x;
            let of =
                |x: &[f32], n: usize, k: usize| harmonium::Matrix::from_slice(x, n, k).unwrap();
            let (layers, weights) = match m {
                0 => (vec![b], vec![of(&r, 4, 4)]),
                _ => (vec![b, c], vec![of(&r, 4, 4), of(&w, 4, m), of(&s, m, m)]),
            };
            let machine = harmonium::BoltzmannMachine::from_parameters(layers, weights).unwrap();
            machine
                .exact_mean_log_likelihood(&data, &mut ())
                .unwrap()
                .mean
        };
        let h = 2_f32.powi(-10);
        let slope = |k: usize, i: usize| {
            let both = [h, -h].map(|h| likelihood(&|x| x[k][i] += h));
            (both[0] - both[1]) / (2.0 * f64::from(h))
        };
        let pair = |i: usize, j: usize| exact[i * units + j].0;
        for i in 0..4 {
            assert!((exact[units * units + i].0 - slope(0, i)).abs() < 5e-5);
            for j in 0..m {
                assert!((pair(i, 4 + j) - slope(3, i * m + j)).abs() < 5e-5);
            }
            for j in (0..4).filter(|&j| j != i) {
                // Along `R_ij = R_ji` it is twice that of an element.
                let both = [h, -h].map(|h| {
                    likelihood(&|x| {
                        x[2][i * 4 + j] += h;
                        x[2][j * 4 + i] += h;
                    })
                });
                let slope = (both[0] - both[1]) / (4.0 * f64::from(h));
                assert!(
                    (pair(i, j) - slope).abs() < 5e-5,
                    "{} for {slope}",
                    pair(i, j)
                );
            }
        }
        for j in 0..m {
            assert!((exact[units * units + 4 + j].0 - slope(1, j)).abs() < 5e-5);
        }
        let chains = of_general_machine(&machine, &data, Positive::Gibbs { steps: 2 }, 4000);
        for (k, ((mean, error), (expected, _))) in chains.iter().zip(&exact).enumerate() {
            let bound = 6.0 * error + 1e-4;
            assert!(
                (mean - expected).abs() < bound,
                "{k}: {mean} for {expected}"
            );
        }
    }
}
