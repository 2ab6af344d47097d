//! Learning with every kind of unit: likelihoods that rise, classes that are told apart.

use crate::common::{draw_layer_states, normal_machine, rbm::trained};
use harmonium::{
    BitMatrix, Matrix,
    dataset::Examples,
    model::{Layer, Layered as _, Rbm, most_probable},
    rng::HostRng,
    train::{Learning, Negative, Objective, RbmOptions, RbmTraining, Reconstruction, Schedule},
    units::{Kind, Units},
};

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
            Kind::Counts => unreachable!("no teacher of counts"),
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
                .mean
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
            let options = RbmOptions {
                negative,
                learning: Learning {
                    epochs: 30,
                    learning_rate: Schedule::Linear { from: 0.4, to: 0.0 },
                    ..Learning::default()
                },
                ..RbmOptions::default()
            };
            likelihood(&trained(start.clone(), options, &data))
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
            .mean
    };
    let learned = |negative| {
        let rbm = Rbm::unconnected(Layer::of(Kind::Gaussian, 3), Layer::bernoulli(1))
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
        let rbm = trained(rbm, options, &data);
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
        let rbm = Rbm::unconnected(Layer::new(units), Layer::bernoulli(20))
            .and_then(|rbm| rbm.initialized_from(&joint, 1))
            .unwrap();
        let options = RbmOptions {
            objective,
            learning: Learning {
                epochs: 40,
                learning_rate: Schedule::Constant(0.1),
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let rbm = trained(rbm, options, &joint);
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
    let rbm = Rbm::bernoulli(&[44, 5]).unwrap();
    let options = RbmOptions {
        objective: Objective::Discriminative,
        ..RbmOptions::default()
    };
    assert!(RbmTraining::new(rbm, options, &joint).is_err());
}
