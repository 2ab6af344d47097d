//! Learning with every kind of unit: gradients by finite differences, likelihoods that rise, labels, files.

use crate::common::{draw_layer_states, memory::last_step, normal_machine};
use harmonium::{
    BitMatrix, Checkpoint, Matrix,
    dataset::Examples,
    evaluate::exact_mean_log_likelihood,
    model::{Layer, Rbm, most_probable},
    rng::HostRng,
    train::{
        Learning, Negative, Objective, Options, RbmLearner, Reconstruction, Schedule, Trainer,
        Training,
    },
    units::{Kind, Units},
};
use std::ops::ControlFlow;

/// Rate at which one update leaves the machine where it was, so that the step divided by it is the gradient.
const TINY_RATE: f32 = 1e-6;

/// The gradient of the first update: W, b, c, log-variances of both layers.
fn gradient(rbm: &Rbm, data: &Examples, options: Options) -> Vec<f64> {
    let options = Options {
        variance_rate: 1.0,
        learning: Learning {
            learning_rate: Schedule::Constant(TINY_RATE),
            batch_size: data.len(),
            ..options.learning
        },
        ..options
    };
    let mut training = Training::new(rbm.clone(), options, data).unwrap();
    let _ = training.update(data).unwrap();
    let all = last_step(&training).into_iter();
    all.map(|x| f64::from(x) / f64::from(TINY_RATE)).collect()
}

fn with_parameter(rbm: &Rbm, mut k: usize, change: f32) -> Rbm {
    let mut rbm = rbm.clone();
    let (n, m) = (rbm.n_visible(), rbm.n_hidden());
    if k < n * m + n + m {
        let (w, b, c) = rbm.parameters_mut();
        match k {
            k if k < n * m => w.row_mut(k / m)[k % m] += change,
            k if k < n * m + n => b[k - n * m] += change,
            k => c[k - n * m - n] += change,
        }
        return rbm;
    }
    k -= n * m + n + m;
    let (visible, hidden) = rbm.log_variances_mut();
    if k < visible.len() {
        visible[k] += change;
    } else {
        hidden[k - visible.len()] += change;
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

fn assert_gradient(rbm: &Rbm, gradient: &[f64], objective: impl Fn(&Rbm) -> f64, what: &str) {
    // A power of two is added exactly to parameters of order one, so the differences are clean to h^2.
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

/// States of the visible layer, discrete units at random, continuous ones normal or their magnitudes.
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

fn random_data(layer: &Layer, rows: usize, seed: u64) -> Examples {
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
        let options = Options {
            negative: Negative::Exact,
            ..Options::default()
        };
        let gradient = gradient(&rbm, &data, options);
        let likelihood = |rbm: &Rbm| exact_mean_log_likelihood(rbm, data.input()).unwrap().0;
        assert_gradient(
            &rbm,
            &gradient,
            likelihood,
            &format!("{visible:?}, {hidden:?}"),
        );
    }
}

/// The machine with biases that cancel what the middle of the other layer's states sends: units that are neither on nor off.
fn centred(mut rbm: Rbm) -> Rbm {
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
    let (w, b, c) = rbm.parameters_mut();
    for (i, b) in b.iter_mut().enumerate() {
        *b = -w.row(i).iter().zip(&h).map(|(w, h)| w * h).sum::<f32>();
    }
    for (j, c) in c.iter_mut().enumerate() {
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
        let teacher = centred(normal_machine(visible, hidden, deviation, 20 + seed as u64));
        let p = teacher.visible_distribution(1.0).unwrap();
        let data = Examples::new(draw_layer_states(teacher.visible(), &p, 4000, 1)).unwrap();
        let likelihood = |rbm: &Rbm| exact_mean_log_likelihood(rbm, data.input()).unwrap().0;
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
            let _ = Trainer::with_options(Options {
                negative,
                learning: Learning {
                    epochs: 30,
                    learning_rate: Schedule::Linear { from: 0.4, to: 0.0 },
                    ..Learning::default()
                },
                ..Options::default()
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

/// Two overlapping clusters of three widths: chains find the means and variances that the exact gradient finds.
#[test]
fn gaussian_visible_units_learn_clusters_and_variances() {
    let mut rng = HostRng::numbered(7, 1);
    let values = Matrix::from_fn(4000, 3, |i, j| {
        let centre = if i % 2 == 0 { 1.0 } else { -1.0 };
        (centre * [1.0, -1.0, 0.5][j] + [0.7, 0.9, 1.2][j] * rng.normal()) as f32
    });
    let data = Examples::new(values).unwrap();
    let likelihood = |rbm: &Rbm| exact_mean_log_likelihood(rbm, data.input()).unwrap().0;
    let learned = |negative| {
        let mut rbm = Rbm::unconnected(Layer::of(Kind::Gaussian, 3), Layer::bernoulli(1))
            .and_then(|rbm| rbm.initialized_from(&data, 1))
            .unwrap();
        let before = likelihood(&rbm);
        let options = Options {
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
            ..Options::default()
        };
        let _ = Trainer::with_options(options)
            .train(&mut rbm, &data, |_| ControlFlow::Continue(()))
            .unwrap();
        (before, likelihood(&rbm), rbm)
    };
    let (before, exactly, rbm) = learned(Negative::Exact);
    assert!(exactly > before + 0.2, "{before} to {exactly}");
    for (log_variance, s) in rbm.visible().log_variance.iter().zip([0.7_f32, 0.9, 1.2]) {
        // Standard error of a log-variance of 4000: sqrt(2 / 4000) = 0.022, more where the clusters overlap.
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

/// Rectified hidden states exceed 1, which fixed point could not hold: with weights of zero, `dW_ij = E[h_j] db_i` to rounding.
#[test]
fn statistics_of_large_hidden_means_are_exact() {
    let mut hidden = Layer::of(Kind::Relu, 40);
    hidden.bias.fill(3.0);
    let rbm = Rbm::unconnected(Layer::bernoulli(70), hidden).unwrap();
    let data = random_data(rbm.visible(), 64, 1);
    let options = Options {
        negative: Negative::Persistent {
            chains: 64,
            steps: 1,
        },
        ..Options::default()
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

/// A joint machine of 5 pixels and 3 labels, and labelled examples.
fn labelled() -> (Rbm, Examples, Vec<u32>) {
    let rbm = normal_machine(("bernoulli:5+softmax:3", 8), ("bernoulli", 4), 0.8, 3);
    let data = random_data(rbm.visible(), 30, 4);
    let bits = data.bits().unwrap();
    let labels = (0..30).map(|i| (0..3).position(|y| bits.get(i, 5 + y)).unwrap() as u32);
    let labels = labels.collect();
    (rbm, data, labels)
}

fn mean_log_p(rbm: &Rbm, data: &Examples, labels: &[u32]) -> f64 {
    let pixels = data.first_columns(rbm.label_group().unwrap().first);
    let log_p = rbm.log_p_y_from_v(pixels.input()).unwrap();
    let of_labels = labels
        .iter()
        .enumerate()
        .map(|(s, &y)| f64::from(log_p.row(s)[y as usize]));
    of_labels.sum::<f64>() / labels.len() as f64
}

#[test]
fn class_probabilities_are_those_of_the_joint_distribution() {
    let (rbm, data, _) = labelled();
    let pixels = data.first_columns(5);
    let log_p = rbm.log_p_y_from_v(pixels.input()).unwrap();
    let grey = Matrix::from_fn(30, 5, |i, j| f32::from(pixels.bits().unwrap().get(i, j)));
    assert_eq!(
        most_probable(&log_p),
        most_probable(&rbm.log_p_y_from_v(&grey).unwrap())
    );
    for s in 0..30 {
        let joint = Matrix::from_fn(3, 8, |y, j| {
            if j < 5 {
                grey.row(s)[j]
            } else {
                f32::from(j - 5 == y)
            }
        });
        let free = harmonium::evaluate::exact_free_energies(&rbm, &joint).unwrap();
        let z: f64 = free.iter().map(|f| (-f).exp()).sum();
        for (y, f) in free.iter().enumerate() {
            let expected = -f - z.ln();
            assert!((f64::from(log_p.row(s)[y]) - expected).abs() < 1e-5);
        }
    }
    let plain = Rbm::bernoulli(5, 2);
    assert!(plain.log_p_y_from_v(&grey).is_err());
    assert!(rbm.log_p_y_from_v(&Matrix::zeros(1, 8)).is_err());
}

#[test]
fn discriminative_and_hybrid_gradients_equal_finite_differences() {
    let (rbm, data, labels) = labelled();
    let options = |objective| Options {
        objective,
        negative: Negative::Exact,
        ..Options::default()
    };
    let discriminative = |rbm: &Rbm| mean_log_p(rbm, &data, &labels);
    let found = gradient(&rbm, &data, options(Objective::Discriminative));
    // f32 in ln p: 1e-7 / 2 h = 5e-5 a difference, and less of a mean of 30.
    assert_gradient(&rbm, &found, discriminative, "discriminative");
    let hybrid = |rbm: &Rbm| {
        discriminative(rbm) + 0.3 * exact_mean_log_likelihood(rbm, data.input()).unwrap().0
    };
    let objective = Objective::Hybrid {
        generative_weight: 0.3,
    };
    let found = gradient(&rbm, &data, options(objective));
    assert_gradient(&rbm, &found, hybrid, "hybrid");
    // Real-valued pixels take the other way through the same formulas.
    let grey = Examples::new(data.states().to_matrix()).unwrap();
    let found = gradient(&rbm, &grey, options(Objective::Discriminative));
    assert_gradient(&rbm, &found, discriminative, "discriminative, reals");
}

/// Wide enough for look-up and for several tasks of hidden units: the gradient is that of the small formulas.
#[test]
fn the_discriminative_gradient_of_a_wide_machine_equals_a_difference() {
    let rbm = normal_machine(("bernoulli:90+softmax:10", 100), ("bernoulli", 150), 0.1, 8);
    let data = random_data(rbm.visible(), 64, 4);
    let bits = data.bits().unwrap();
    let labels: Vec<u32> = (0..64)
        .map(|i| (0..10).position(|y| bits.get(i, 90 + y)).unwrap() as u32)
        .collect();
    let options = Options {
        objective: Objective::Discriminative,
        ..Options::default()
    };
    let gradient = gradient(&rbm, &data, options);
    let h = 2_f32.powi(-6);
    for k in [
        0,
        149,
        70 * 150 + 64,
        90 * 150 + 3,
        99 * 150 + 149,
        100 * 150 + 95,
        15_100 + 149,
    ] {
        let at = |h| mean_log_p(&with_parameter(&rbm, k, h), &data, &labels);
        let expected = (at(h) - at(-h)) / f64::from(2.0 * h);
        // Weights and statistics of the look-up route are in fixed point: an error of some 1e-3 of the largest of a gradient of order 0.1.
        assert!(
            (gradient[k] - expected).abs() < 5e-4,
            "{k}: {} for {expected}",
            gradient[k]
        );
    }
}

/// Labels that depend on the pixels: two of four prototypes with noise.
fn prototypes(n: usize, seed: u64) -> Examples {
    let mut rng = HostRng::numbered(seed, 3);
    let labels: Vec<u32> = (0..n).map(|i| (i % 4) as u32).collect();
    let bits = BitMatrix::from_fn(n, 40, |i, j| {
        let prototype = (j * (i % 4 + 2) / 3) % 2 == 1;
        prototype != (rng.uniform() < 0.25)
    });
    Examples::new(bits).unwrap().with_labels(labels).unwrap()
}

#[test]
fn every_objective_learns_to_classify() {
    let (train, test) = (prototypes(1000, 1), prototypes(1000, 2));
    let joint = train.with_label_units(4).unwrap();
    for objective in [
        Objective::Generative,
        Objective::Discriminative,
        Objective::Hybrid {
            generative_weight: 0.1,
        },
    ] {
        let units = Units::of(Kind::Bernoulli, 40).and(Kind::Softmax, 4);
        let mut rbm = Rbm::unconnected(Layer::new(units), Layer::bernoulli(20))
            .and_then(|rbm| rbm.initialized_from(&joint, 1))
            .unwrap();
        let options = Options {
            objective,
            learning: Learning {
                epochs: 40,
                learning_rate: Schedule::Constant(0.1),
                ..Learning::default()
            },
            ..Options::default()
        };
        let _ = Trainer::with_options(options)
            .train(&mut rbm, &joint, |_| ControlFlow::Continue(()))
            .unwrap();
        let found = most_probable(&rbm.log_p_y_from_v(test.input()).unwrap());
        let labels = test.labels().unwrap();
        let wrong = found
            .iter()
            .zip(labels)
            .filter(|(a, b)| **a != **b as usize)
            .count();
        // Chance is 750 of 1000.
        assert!(wrong < 100, "{objective:?}: {wrong} of 1000 wrong");
    }
    let rbm = Rbm::bernoulli(44, 5);
    let options = Options {
        objective: Objective::Discriminative,
        ..Options::default()
    };
    assert!(Training::new(rbm, options, &joint).is_err());
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
        let options = Options {
            variance_rate: 0.5,
            learning: Learning {
                epochs: 4,
                batch_size: 20,
                momentum: Schedule::Constant(0.5),
                ..Learning::default()
            },
            ..Options::default()
        };
        let mut straight = Training::new(rbm, options, &data).unwrap();
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
            loaded.rbm().unwrap().visible().units,
            loaded.rbm().unwrap().hidden().units
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
    let message = Training::new(spins, Options::default(), &bits)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("spin") && message.contains("-1"),
        "{message}"
    );
    let reals = Examples::new(Matrix::from_fn(4, 3, |_, _| 2.0)).unwrap();
    assert!(Training::new(Rbm::bernoulli(3, 2), Options::default(), &reals).is_err());
    let gaussian = Rbm::unconnected(Layer::of(Kind::Gaussian, 3), Layer::bernoulli(2)).unwrap();
    let options = Options {
        learning: Learning {
            resample_data: true,
            ..Learning::default()
        },
        ..Options::default()
    };
    assert!(Training::new(gaussian.clone(), options, &reals).is_err());
    let reconstruction = Reconstruction::Smoothed;
    let options = Options {
        negative: Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction,
        },
        variance_rate: 0.1,
        ..Options::default()
    };
    assert!(Training::new(gaussian, options, &reals).is_err());
    let potts = Rbm::unconnected(Layer::of(Kind::Softmax, 3), Layer::bernoulli(2)).unwrap();
    let message = Training::new(potts, Options::default(), &bits)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("softmax") && message.contains("row 0"),
        "{message}"
    );
}
