//! Learning with every kind of unit: gradients by finite differences, likelihoods that rise, files.

use crate::common::{draw_layer_states, memory::last_step, normal_machine};
use harmonium::model::Layered as _;
use harmonium::{
    BitMatrix, Checkpoint, Matrix,
    dataset::Examples,
    model::{Layer, Rbm},
    rng::HostRng,
    train::{
        Learning, Negative, RbmLearner, RbmOptions, RbmTraining, Reconstruction, Schedule, Trainer,
    },
    units::Kind,
};
use std::ops::ControlFlow;

/// Rate at which one update leaves the machine where it was, so that the step divided by it is the
/// gradient.
const TINY_RATE: f32 = 1e-6;

/// The gradient of the first update: W, b, c, log-variances of both layers.
pub(super) fn gradient(rbm: &Rbm, data: &Examples, options: RbmOptions) -> Vec<f64> {
    let options = RbmOptions {
        variance_rate: 1.0,
        learning: Learning {
            learning_rate: Schedule::Constant(TINY_RATE),
            batch_size: data.len(),
            ..options.learning
        },
        ..options
    };
    let mut training = RbmTraining::new(rbm.clone(), options, data).unwrap();
    let _ = training.update(data).unwrap();
    let all = last_step(&training).into_iter();
    all.map(|x| f64::from(x) / f64::from(TINY_RATE)).collect()
}

pub(super) fn with_parameter(rbm: &Rbm, mut k: usize, change: f32) -> Rbm {
    let mut rbm = rbm.clone();
    let (n, m) = (rbm.n_visible(), rbm.n_hidden());
    if k < n * m + n + m {
        match k {
            k if k < n * m => rbm.weights_mut(0).row_mut(k / m)[k % m] += change,
            k if k < n * m + n => rbm.bias_mut(0)[k - n * m] += change,
            k => rbm.bias_mut(1)[k - n * m - n] += change,
        }
        return rbm;
    }
    k -= n * m + n + m;
    match k.checked_sub(rbm.visible().log_variance.len()) {
        None => rbm.log_variance_mut(0)[k] += change,
        Some(k) => rbm.log_variance_mut(1)[k] += change,
    }
    rbm
}

/// Units whose log-variance must stay zero.
fn is_fixed(rbm: &Rbm, k: usize) -> bool {
    let first = rbm.n_visible() * rbm.n_hidden() + rbm.n_visible() + rbm.n_hidden();
    let Some(k) = k.checked_sub(first) else {
        return false;
    };
    let (layer, i) = match k.checked_sub(rbm.visible().log_variance.len()) {
        None => (rbm.visible(), k),
        Some(i) => (rbm.hidden(), i),
    };
    let segments = layer.units.segments().iter();
    !segments
        .filter(|s| s.kind == Kind::Gaussian)
        .any(|s| s.range().contains(&i))
}

pub(super) fn assert_gradient(
    rbm: &Rbm,
    gradient: &[f64],
    objective: impl Fn(&Rbm) -> f64,
    what: &str,
) {
    // A power of two is added exactly to parameters of order one, so the differences are clean to
    // h^2.
    let h = 2_f32.powi(-10);
    for (k, g) in gradient.iter().enumerate() {
        let expected = if is_fixed(rbm, k) {
            0.0
        } else {
            let difference =
                objective(&with_parameter(rbm, k, h)) - objective(&with_parameter(rbm, k, -h));
            difference / (2.0 * f64::from(h))
        };
        assert!(
            (g - expected).abs() < 5e-5,
            "{what}, parameter {k}: {g} for {expected}"
        );
    }
}

/// States of the visible layer, discrete units at random, continuous ones normal or their
/// magnitudes.
fn random_values(layer: &Layer, rows: usize, seed: u64) -> Matrix {
    let mut rng = HostRng::numbered(seed, 5);
    let mut out = Matrix::zeros(rows, layer.size());
    for i in 0..rows {
        for s in layer.units.segments() {
            let on = rng.below(s.size);
            for (k, x) in out.row_mut(i)[s.range()].iter_mut().enumerate() {
                *x = match s.kind {
                    Kind::Bernoulli => f32::from(rng.uniform() < 0.4),
                    Kind::Softmax => f32::from(k == on),
                    Kind::Spin => f32::from(rng.uniform() < 0.4) * 2.0 - 1.0,
                    Kind::Gaussian => rng.normal() as f32,
                    Kind::Relu => rng.normal().abs() as f32,
                };
            }
        }
    }
    out
}

pub(super) fn random_data(layer: &Layer, rows: usize, seed: u64) -> Examples {
    let values = random_values(layer, rows, seed);
    if layer.units.are_binary() {
        let bits = BitMatrix::from_matrix(&values).unwrap();
        Examples::new(bits).unwrap()
    } else {
        Examples::new(values).unwrap()
    }
}

#[test]
fn exact_gradients_equal_finite_differences() {
    for (seed, (visible, hidden)) in [
        (("gaussian", 3), ("bernoulli", 3)),
        (("gaussian:2+bernoulli:2", 4), ("softmax:3+spin:1", 4)),
        (("spin", 4), ("gaussian", 2)),
        (("bernoulli:2+softmax:3", 5), ("relu:2+gaussian:1", 3)),
        (("relu", 2), ("spin:2+bernoulli:1", 3)),
        (("softmax:3+softmax:2", 5), ("bernoulli", 2)),
    ]
    .into_iter()
    .enumerate()
    {
        let rbm = normal_machine(visible, hidden, 0.4, seed as u64);
        let data = random_data(rbm.visible(), 20, seed as u64);
        let options = RbmOptions {
            negative: Negative::Exact,
            ..RbmOptions::default()
        };
        let gradient = gradient(&rbm, &data, options);
        let likelihood = |rbm: &Rbm| {
            rbm.exact_mean_log_likelihood(data.input(), &mut ())
                .unwrap()
                .0
        };
        assert_gradient(
            &rbm,
            &gradient,
            likelihood,
            &format!("{visible:?}, {hidden:?}"),
        );
    }
}

/// The machine with biases that cancel what the middle of the other layer's states sends: units
/// that are neither on nor off.
fn centered(mut rbm: Rbm) -> Rbm {
    let middle = |layer: &Layer| -> Vec<f32> {
        let segments = layer.units.segments().iter();
        let of = |s: &harmonium::units::Segment| match s.kind {
            Kind::Bernoulli => 0.5,
            Kind::Softmax => 1.0 / s.size as f32,
            Kind::Spin | Kind::Gaussian => 0.0,
            Kind::Relu => 0.8,
        };
        segments.flat_map(|s| vec![of(s); s.size]).collect()
    };
    let (v, h) = (middle(rbm.visible()), middle(rbm.hidden()));
    let w = rbm.weights().clone();
    for (i, b) in rbm.bias_mut(0).iter_mut().enumerate() {
        *b = -w.row(i).iter().zip(&h).map(|(w, h)| w * h).sum::<f32>();
    }
    for (j, c) in rbm.bias_mut(1).iter_mut().enumerate() {
        *c = -v
            .iter()
            .enumerate()
            .map(|(i, v)| w.row(i)[j] * v)
            .sum::<f32>();
    }
    rbm
}

/// Data of a teacher of every kind: chains must find the student that the exact gradient finds.
#[test]
fn chains_learn_what_a_teacher_made() {
    for (seed, (visible, hidden, deviation)) in [
        (("softmax:3+bernoulli:3", 6), ("bernoulli", 3), 2.0),
        (("spin", 6), ("spin", 3), 0.7),
        (("spin", 6), ("gaussian", 2), 0.35),
        (("bernoulli", 6), ("relu", 2), 0.8),
        (("bernoulli", 6), ("softmax", 4), 2.0),
    ]
    .into_iter()
    .enumerate()
    {
        let teacher = centered(normal_machine(visible, hidden, deviation, 20 + seed as u64));
        let p = teacher.visible_distribution(1.0, &mut ()).unwrap();
        let data = Examples::new(draw_layer_states(teacher.visible(), &p, 4000, 1)).unwrap();
        let likelihood = |rbm: &Rbm| {
            rbm.exact_mean_log_likelihood(data.input(), &mut ())
                .unwrap()
                .0
        };
        let start = Rbm::unconnected(
            Layer::new(teacher.visible().units.clone()),
            Layer::new(teacher.hidden().units.clone()),
        )
        .and_then(|rbm| rbm.initialized_from(&data, 1))
        .unwrap();
        let (before, best) = (likelihood(&start), likelihood(&teacher));
        assert!(
            best - before > 0.02,
            "{visible:?}: nothing to learn, {before} and {best}"
        );
        let learned = |negative| {
            let mut rbm = start.clone();
            let _ = Trainer::with_options(RbmOptions {
                negative,
                learning: Learning {
                    epochs: 30,
                    learning_rate: Schedule::Linear { from: 0.4, to: 0.0 },
                    ..Learning::default()
                },
                ..RbmOptions::default()
            })
            .train(&mut rbm, &data, |_| ControlFlow::Continue(()))
            .unwrap();
            likelihood(&rbm)
        };
        let exactly = learned(Negative::Exact);
        assert!(
            exactly > before + 0.5 * (best - before),
            "{visible:?}, {hidden:?}: {before} to {exactly}, teacher {best}"
        );
        for negative in [
            Negative::Persistent {
                chains: 100,
                steps: 1,
            },
            Negative::Mcmc {
                chains: 100,
                steps: 10,
            },
            Negative::ContrastiveDivergence {
                steps: 5,
                reconstruction: Reconstruction::Sampled,
            },
        ] {
            let after = learned(negative);
            assert!(
                (after - exactly).abs() < 0.03,
                "{visible:?}, {hidden:?}, {negative:?}: {before} to {after}, exactly {exactly}"
            );
        }
    }
}

/// Two overlapping clusters of three widths: chains find the means and variances that the exact
/// gradient finds.
#[test]
fn gaussian_visible_units_learn_clusters_and_variances() {
    let mut rng = HostRng::numbered(7, 1);
    let values = Matrix::from_fn(4000, 3, |i, j| {
        let center = if i % 2 == 0 { 1.0 } else { -1.0 };
        (center * [1.0, -1.0, 0.5][j] + [0.7, 0.9, 1.2][j] * rng.normal()) as f32
    });
    let data = Examples::new(values).unwrap();
    let likelihood = |rbm: &Rbm| {
        rbm.exact_mean_log_likelihood(data.input(), &mut ())
            .unwrap()
            .0
    };
    let learned = |negative| {
        let mut rbm = Rbm::unconnected(Layer::of(Kind::Gaussian, 3), Layer::bernoulli(1))
            .and_then(|rbm| rbm.initialized_from(&data, 1))
            .unwrap();
        let before = likelihood(&rbm);
        let options = RbmOptions {
            negative,
            variance_rate: 0.5,
            learning: Learning {
                epochs: 150,
                learning_rate: Schedule::Linear {
                    from: 0.05,
                    to: 0.0,
                },
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let _ = Trainer::with_options(options)
            .train(&mut rbm, &data, |_| ControlFlow::Continue(()))
            .unwrap();
        (before, likelihood(&rbm), rbm)
    };
    let (before, exactly, rbm) = learned(Negative::Exact);
    assert!(exactly > before + 0.2, "{before} to {exactly}");
    for (log_variance, s) in rbm.visible().log_variance.iter().zip([0.7_f32, 0.9, 1.2]) {
        // Standard error of a log-variance of 4000: sqrt(2 / 4000) = 0.022, more where the clusters
        // overlap.
        assert!(
            (log_variance - 2.0 * s.ln()).abs() < 0.15,
            "{log_variance} for {s}"
        );
    }
    for negative in [
        Negative::Persistent {
            chains: 100,
            steps: 2,
        },
        Negative::ContrastiveDivergence {
            steps: 5,
            reconstruction: Reconstruction::Sampled,
        },
    ] {
        let (_, after, _) = learned(negative);
        assert!(
            (after - exactly).abs() < 0.03,
            "{negative:?}: {after}, exactly {exactly}"
        );
    }
}

/// Rectified hidden states exceed 1, which fixed point could not hold: with weights of zero,
/// `dW_ij = E[h_j] db_i` to rounding.
#[test]
fn statistics_of_large_hidden_means_are_exact() {
    let mut hidden = Layer::of(Kind::Relu, 40);
    hidden.bias.fill(3.0);
    let rbm = Rbm::unconnected(Layer::bernoulli(70), hidden).unwrap();
    let data = random_data(rbm.visible(), 64, 1);
    let options = RbmOptions {
        negative: Negative::Persistent {
            chains: 64,
            steps: 1,
        },
        ..RbmOptions::default()
    };
    let gradient = gradient(&rbm, &data, options);
    let mean = f64::from(rbm.mean_h_from_v(data.input(), 1.0).unwrap().row(0)[0]);
    assert!(mean > 3.0);
    for i in 0..70 {
        let expected = mean * gradient[70 * 40 + i];
        assert!(
            (gradient[i * 40] - expected).abs() < 1e-4,
            "{} for {expected}",
            gradient[i * 40]
        );
    }
}

#[test]
fn files_of_every_kind_round_trip_and_runs_resume_to_the_bit() {
    let directory = tempfile::tempdir().unwrap();
    for (seed, (visible, hidden, units)) in [
        (("gaussian", 3), ("bernoulli", 4), "gaussian,bernoulli"),
        (
            ("bernoulli:5+softmax:3", 8),
            ("spin", 4),
            "bernoulli:5+softmax:3,spin",
        ),
        (
            ("spin", 6),
            ("gaussian:1+relu:2", 3),
            "spin,gaussian:1+relu:2",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let path = directory.path().join(format!("{seed}.safetensors"));
        let rbm = normal_machine(visible, hidden, 0.3, seed as u64);
        let data = random_data(rbm.visible(), 50, seed as u64);
        let options = RbmOptions {
            variance_rate: 0.5,
            learning: Learning {
                epochs: 4,
                batch_size: 20,
                momentum: Schedule::Constant(0.5),
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let mut straight = RbmTraining::new(rbm, options, &data).unwrap();
        for _ in 0..5 {
            let _ = straight.update(&data).unwrap();
        }
        let checkpoint = Checkpoint::from(&straight);
        checkpoint.save(&path).unwrap();
        let loaded = Checkpoint::load(&path).unwrap();
        assert_eq!(loaded.model, checkpoint.model);
        assert_eq!(loaded.run, checkpoint.run);
        let kinds = format!(
            "{},{}",
            loaded.model.rbm().unwrap().visible().units,
            loaded.model.rbm().unwrap().hidden().units
        );
        assert_eq!(kinds, units);
        let mut resumed = loaded.into_run::<RbmLearner>(&data).unwrap();
        for training in [&mut straight, &mut resumed] {
            let _ = training.update(&data).unwrap();
        }
        assert_eq!(straight.model(), resumed.model());
        assert_eq!(straight.state(), resumed.state());
    }
}

#[test]
fn data_that_are_no_states_are_refused() {
    let bits = Examples::new(BitMatrix::zeros(4, 3)).unwrap();
    let spins = Rbm::unconnected(Layer::of(Kind::Spin, 3), Layer::bernoulli(2)).unwrap();
    let message = RbmTraining::new(spins, RbmOptions::default(), &bits)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("spin") && message.contains("-1"),
        "{message}"
    );
    let reals = Examples::new(Matrix::from_fn(4, 3, |_, _| 2.0)).unwrap();
    assert!(
        RbmTraining::new(
            Rbm::bernoulli(&[3, 2]).unwrap(),
            RbmOptions::default(),
            &reals
        )
        .is_err()
    );
    let gaussian = Rbm::unconnected(Layer::of(Kind::Gaussian, 3), Layer::bernoulli(2)).unwrap();
    let options = RbmOptions {
        learning: Learning {
            resample_data: true,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    assert!(RbmTraining::new(gaussian.clone(), options, &reals).is_err());
    let reconstruction = Reconstruction::Smoothed;
    let options = RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction,
        },
        variance_rate: 0.1,
        ..RbmOptions::default()
    };
    assert!(RbmTraining::new(gaussian, options, &reals).is_err());
    let potts = Rbm::unconnected(Layer::of(Kind::Softmax, 3), Layer::bernoulli(2)).unwrap();
    let message = RbmTraining::new(potts, RbmOptions::default(), &bits)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("softmax") && message.contains("row 0"),
        "{message}"
    );
}
