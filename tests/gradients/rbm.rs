//! Gradients of RBMs: exact against finite differences, CD against its enumerated expectation.

use crate::{
    common::{all_states, memory::last_step, normal_rbm, random_rbm, states},
    units::{TINY_RATE, with_parameter},
};
use harmonium::{
    dataset::Examples,
    model::Rbm,
    rng::HostRng,
    train::{Learning, Negative, RbmOptions, RbmTraining, Reconstruction, Schedule},
};

/// The gradients (W, b, c) of the first `updates` updates, in f64.
fn gradients(rbm: &Rbm, data: &Examples, options: RbmOptions, updates: usize) -> Vec<Vec<f64>> {
    let options = RbmOptions {
        centering: None,
        learning: Learning {
            learning_rate: Schedule::Constant(TINY_RATE),
            epochs: 1,
            ..options.learning
        },
        ..options
    };
    let mut training = RbmTraining::new(rbm.clone(), options, data).unwrap();
    (0..updates)
        .map(|_| {
            let _ = training.update(data).unwrap();
            let all = last_step(&training).into_iter();
            all.map(|x| f64::from(x) / f64::from(TINY_RATE)).collect()
        })
        .collect()
}

#[test]
fn exact_gradient_equals_finite_differences() {
    let rbm = normal_rbm(5, 3, 0.7, 1);
    let data = Examples::new(states(20, 5, |i| (i * 7 + 3) % 32)).unwrap();
    let options = RbmOptions {
        negative: Negative::Exact,
        learning: Learning {
            batch_size: 20,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let gradient = &gradients(&rbm, &data, options, 1)[0];
    let likelihood = |rbm: &Rbm| {
        rbm.exact_mean_log_likelihood(data.bits().unwrap(), &mut ())
            .unwrap()
            .mean
    };
    // A power of two is added exactly to parameters of order one, so the differences are clean to
    // h^2.
    let h = 2_f32.powi(-10);
    for (k, g) in gradient.iter().enumerate() {
        let difference =
            likelihood(&with_parameter(&rbm, k, h)) - likelihood(&with_parameter(&rbm, k, -h));
        let expected = difference / (2.0 * f64::from(h));
        assert!(
            (g - expected).abs() < 2e-5,
            "parameter {k}: {g} for {expected}"
        );
    }
}

/// The expected CD-1 gradient by enumeration of h0 and v1.
fn expected_cd1(rbm: &Rbm, data: &Examples, smoothed: bool) -> Vec<f64> {
    let (n, m) = (rbm.n_visible(), rbm.n_hidden());
    let v0 = data.bits().unwrap();
    let p0 = rbm.mean_h_from_v(v0, 1.0).unwrap();
    let mut gradient = vec![0.0; n * m + n + m];
    let mut add = |weight: f64, v: &dyn Fn(usize) -> f64, h: &dyn Fn(usize) -> f64| {
        for i in 0..n {
            for j in 0..m {
                gradient[i * m + j] += weight * v(i) * h(j);
            }
            gradient[n * m + i] += weight * v(i);
        }
        for j in 0..m {
            gradient[n * m + n + j] += weight * h(j);
        }
    };
    let count = v0.rows() as f64;
    for s in 0..v0.rows() {
        add(1.0 / count, &|i| f64::from(u8::from(v0.get(s, i))), &|j| {
            f64::from(p0.row(s)[j])
        });
    }
    let h0 = all_states(m);
    let v1_given = rbm.mean_v_from_h(&h0, 1.0).unwrap();
    let v1 = all_states(n);
    let p1 = rbm.mean_h_from_v(&v1, 1.0).unwrap();
    let smoothed_h = rbm.mean_h_from_v(&v1_given, 1.0).unwrap();
    for k in 0..h0.rows() {
        let bernoulli = |p: f32, on: bool| f64::from(if on { p } else { 1.0 - p });
        let weight: f64 = (0..v0.rows())
            .map(|s| {
                (0..m)
                    .map(|j| bernoulli(p0.row(s)[j], h0.get(k, j)))
                    .product::<f64>()
                    / count
            })
            .sum();
        let mean = v1_given.row(k);
        if smoothed {
            add(-weight, &|i| f64::from(mean[i]), &|j| {
                f64::from(smoothed_h.row(k)[j])
            });
            continue;
        }
        for s in 0..v1.rows() {
            let p: f64 = (0..n).map(|i| bernoulli(mean[i], v1.get(s, i))).product();
            add(-weight * p, &|i| f64::from(u8::from(v1.get(s, i))), &|j| {
                f64::from(p1.row(s)[j])
            });
        }
    }
    gradient
}

#[test]
fn cd1_gradients_average_to_their_enumerated_expectation() {
    let mut rng = HostRng::numbered(4, 0);
    let (n, m) = (16, 4);
    let rbm = random_rbm(n, m, || 2.0 * rng.uniform() - 1.0);
    let data = Examples::new(states(32, n, |_| rng.below(1 << n))).unwrap();
    for reconstruction in [Reconstruction::Sampled, Reconstruction::Smoothed] {
        let expected = expected_cd1(&rbm, &data, reconstruction == Reconstruction::Smoothed);
        for minibatches in [1, 2] {
            let mut mean = vec![0.0; expected.len()];
            let runs = 5000 / minibatches;
            for seed in 0..runs {
                let options = RbmOptions {
                    negative: Negative::ContrastiveDivergence {
                        steps: 1,
                        reconstruction,
                    },
                    learning: Learning {
                        batch_size: 32 / minibatches,
                        seed: seed as u64,
                        ..Learning::default()
                    },
                    ..RbmOptions::default()
                };
                for gradient in gradients(&rbm, &data, options, minibatches) {
                    let share = 1.0 / (runs * minibatches) as f64;
                    mean.iter_mut()
                        .zip(gradient)
                        .for_each(|(m, g)| *m += share * g);
                }
            }
            for (k, (got, expected)) in mean.iter().zip(&expected).enumerate() {
                let bound = if k < n * m + n { 5e-2 } else { 5e-3 };
                assert!(
                    (got - expected).abs() < bound,
                    "{reconstruction:?}, parameter {k}: {got} for {expected}"
                );
                // Each of 5000 x 32 samples deviates by at most 1: five standard errors are far
                // tighter.
                assert!((got - expected).abs() < 5.0 / f64::sqrt(5000.0 * 32.0 / 2.0));
            }
        }
    }
}
