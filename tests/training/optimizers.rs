//! The centered gradient, optimizers, constraints and averages: what they promise, on machines that
//! are enumerated.

use crate::common::{
    draw_states, normal_rbm,
    rbm::{bits, everything, run, some_data},
};
use harmonium::{
    Error,
    bits::BitMatrix,
    dataset::Examples,
    model::Rbm,
    train::{
        Centering, Learning, Negative, Offset, RbmLearner, RbmOptions, RbmTraining, Rule, Schedule,
        Sparsity,
    },
};
use std::ops::ControlFlow;

fn flipped(data: &Examples) -> Examples {
    let v = data.bits().unwrap();
    bits(BitMatrix::from_fn(v.rows(), v.columns(), |i, j| {
        !v.get(i, j)
    }))
}

/// The machine of `1 - v` and `1 - h`: `W`, `-b - W 1`, `-c - W' 1`.
fn flipped_machine(rbm: &Rbm) -> Rbm {
    let (w, n, m) = (rbm.weights(), rbm.n_visible(), rbm.n_hidden());
    let visible = (0..n).map(|i| -rbm.visible().bias[i] - w.row(i).iter().sum::<f32>());
    let hidden = (0..m).map(|j| -rbm.hidden().bias[j] - (0..n).map(|i| w.row(i)[j]).sum::<f32>());
    Rbm::from_parameters([visible.collect::<Vec<_>>(), hidden.collect()], [w.clone()]).unwrap()
}

fn likelihood(rbm: &Rbm, data: &Examples) -> f64 {
    rbm.exact_mean_log_likelihood(data.bits().unwrap(), &mut ())
        .unwrap()
        .mean
}

/// Learning `1 - v` by the flipped machine goes the same way, with the centered gradient alone.
#[test]
fn centered_learning_does_not_depend_on_what_is_called_one() {
    let data = some_data(6);
    let rbm = normal_rbm(6, 4, 0.5, 1);
    for (offset, same) in [
        (Offset::Data, true),
        (Offset::Average, true),
        (Offset::Fixed(0.5), true),
        (Offset::Fixed(0.0), false),
    ] {
        let options = RbmOptions {
            negative: Negative::Exact,
            centering: Some(Centering {
                visible: offset,
                hidden: offset,
                rate: 0.05,
            }),
            learning: Learning {
                epochs: 30,
                batch_size: 16,
                learning_rate: Schedule::Constant(0.1),
                momentum: Schedule::Constant(0.5),
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let one = run(rbm.clone(), options.clone(), &data).into_result();
        let other = run(flipped_machine(&rbm), options, &flipped(&data)).into_result();
        let (one, other) = (flipped_machine(&one), other);
        let far = one
            .weights()
            .elements()
            .zip(other.weights().elements())
            .map(|(a, b)| (a - b).abs());
        let biases = |rbm: &Rbm| [rbm.visible().bias.clone(), rbm.hidden().bias.clone()].concat();
        let far = far.chain(
            biases(&one)
                .into_iter()
                .zip(biases(&other))
                .map(|(a, b)| (a - b).abs()),
        );
        let far = far.fold(0.0, f32::max);
        // 90 updates in f32, each off by some units in the last place of parameters of order one.
        assert_eq!(far < 1e-4, same, "{offset:?}: {far}");
    }
}

#[test]
fn every_rule_climbs_the_exact_likelihood() {
    let teacher = normal_rbm(7, 3, 1.5, 5);
    let v = draw_states(
        &teacher.visible_distribution(1.0, &mut ()).unwrap(),
        7,
        500,
        2,
    );
    let data = bits(v);
    let start = normal_rbm(7, 4, 0.1, 7);
    for (optimizer, rate) in [
        (Rule::Momentum, 0.1),
        (Rule::Nesterov, 0.1),
        (Rule::ADAM, 0.02),
        (Rule::ADAMAX, 0.02),
    ] {
        for centering in [None, Some(Centering::default())] {
            let options = RbmOptions {
                negative: Negative::Exact,
                centering,
                learning: Learning {
                    epochs: 1,
                    batch_size: 500,
                    learning_rate: Schedule::Constant(rate),
                    momentum: Schedule::Constant(0.5),
                    optimizer,
                    ..Learning::default()
                },
                ..RbmOptions::default()
            };
            let mut training = RbmTraining::new(start.clone(), options, &data).unwrap();
            let mut before = likelihood(training.model(), &data);
            let first = before;
            for _ in 0..200 {
                let _ = training.update(&data).unwrap();
                let now = likelihood(training.model(), &data);
                // Adaptive rules may overshoot a little where the gradient turns.
                assert!(
                    now > before - 1e-3,
                    "{optimizer:?}, {centering:?}: {before} to {now}"
                );
                before = now;
            }
            let of_teacher = likelihood(&teacher, &data);
            assert!(
                before > first + 0.75 * (of_teacher - first),
                "{optimizer:?}, {centering:?}: from {first} to {before}, the teacher {of_teacher}"
            );
        }
    }
}

/// Layers of several blocks and strips, whose parts several threads sum.
#[test]
fn centered_learning_has_the_same_bits_on_any_number_of_threads() {
    let data = bits(BitMatrix::from_fn(250, 300, |i, j| {
        (i * 3 + j * 7 + i * j) % 5 < 2
    }));
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let rbm = Rbm::bernoulli(&[300, 200])
                .unwrap()
                .initialized_from(&data, 1)
                .unwrap();
            let options = RbmOptions {
                learning: Learning {
                    epochs: 2,
                    batch_size: 96,
                    ..everything(Rule::ADAM).learning
                },
                ..everything(Rule::ADAM)
            };
            run(rbm, options, &data).into_result()
        })
    };
    let one = on(1);
    assert_eq!(on(2), one);
    assert_eq!(on(7), one);
}

#[test]
fn constraints_hold() {
    let data = some_data(6);
    let plain = RbmOptions {
        negative: Negative::Exact,
        learning: Learning {
            epochs: 200,
            batch_size: 40,
            learning_rate: Schedule::Constant(0.2),
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let mean = |rbm: &Rbm| {
        let h = rbm.mean_h_from_v(data.bits().unwrap(), 1.0).unwrap();
        h.elements().sum::<f32>() / (h.rows() * h.columns()) as f32
    };
    let norm = |rbm: &Rbm| {
        let square = |j: usize| (0..6).map(|i| rbm.weights().row(i)[j].powi(2)).sum::<f32>();
        (0..4).map(square).fold(0.0, f32::max).sqrt()
    };
    let start = normal_rbm(6, 4, 0.3, 2);
    let free = run(start.clone(), plain.clone(), &data).into_result();
    assert!(
        norm(&free) > 1.0 && mean(&free) > 0.3,
        "{} {}",
        norm(&free),
        mean(&free)
    );
    let limited = RbmOptions {
        learning: Learning {
            max_norm: Some(0.75),
            ..plain.learning.clone()
        },
        ..plain.clone()
    };
    assert!(norm(&run(start.clone(), limited, &data).into_result()) < 0.75 * 1.00001);
    let sparse = RbmOptions {
        sparsity: Some(Sparsity {
            target: 0.1,
            cost: 3.0,
            decay: 0.5,
        }),
        ..plain
    };
    let sparse = mean(&run(start, sparse, &data).into_result());
    assert!((0.07..0.15).contains(&sparse), "{sparse} for 0.1");
}

#[test]
fn a_run_that_diverges_says_where() {
    let data = some_data(6);
    let options = RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction: Default::default(),
        },
        learning: Learning {
            learning_rate: Schedule::Constant(1e30),
            momentum: Schedule::Constant(0.9),
            weight_decay: 1.0,
            batch_size: 10,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let mut training = RbmTraining::new(normal_rbm(6, 4, 0.3, 2), options, &data).unwrap();
    let mut epochs = 0;
    let error = training.run(&data, |event: harmonium::train::Event<'_, RbmLearner>| {
        if let harmonium::train::Event::Epoch(training) = event {
            assert!(
                training.model().check_finite().is_ok(),
                "an observer may save"
            );
            epochs += 1;
        }
        ControlFlow::Continue(())
    });
    let error = error.unwrap_err();
    assert!(matches!(error, Error::NotFinite { .. }));
    let text = error.to_string();
    assert!(
        text.contains("after update") && text.contains("(epoch"),
        "{text}"
    );
    assert!(epochs < 20);
}
