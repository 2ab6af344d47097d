//! What a run promises: reproducible, fair to short batches, gentle with its input, and learning
//! that reaches the ceiling.

use crate::common::{
    draw_states,
    family::go,
    memory::remembered,
    normal_rbm,
    rbm::{METHODS, data, gray, options, train, trained},
};
use harmonium::{
    bits::BitMatrix,
    dataset::{Binarization, Dataset, Examples, bars_and_stripes, shifting_bar},
    error::Error,
    evaluate::{pseudo_likelihood, stochastic_pseudo_likelihood},
    matrix::Matrix,
    model::{Layered as _, Rbm},
    rng::HostRng,
    train::{
        Centering, Ended, Event, Learning, Negative, RbmOptions, RbmTraining, Reconstruction,
        Schedule,
    },
};
use std::{ops::ControlFlow, path::Path};

/// Little updates run where they are called, larger ones in the pool: on a thread of no pool, in
/// pools of one and of two, the models are the same bits.
#[test]
fn small_machines_learn_alike_wherever_they_do() {
    for (batch, hidden) in [(1, 40), (10, 40), (10, 100), (400, 100)] {
        let data = data(1000, 64);
        for centering in [None, Some(Centering::default())] {
            for negative in METHODS.into_iter().filter(|&x| x != Negative::Exact) {
                let options = RbmOptions {
                    centering,
                    learning: Learning {
                        epochs: 1,
                        batch_size: batch,
                        ..options(negative).learning
                    },
                    ..options(negative)
                };
                let learn = || {
                    let rbm = Rbm::bernoulli(&[64, hidden]).unwrap();
                    let rbm = rbm.initialized_from(&data, 1).unwrap();
                    let mut run = RbmTraining::new(rbm, options.clone(), &data).unwrap();
                    for _ in 0..25 {
                        let _ = run.update(&data).unwrap();
                    }
                    run.into_result()
                };
                let own = learn();
                for threads in [1, 2] {
                    let pooled = harmonium::threads::with(threads, learn).unwrap();
                    assert_eq!(
                        pooled, own,
                        "{negative:?}, batch {batch}, {threads} threads"
                    );
                }
            }
        }
    }
}

#[test]
fn same_seed_same_model_at_any_thread_count() {
    for data in [data(100, 300), gray(100, 300)] {
        for negative in METHODS {
            for resample_data in [false, true] {
                // The exact gradient needs a small layer.
                let hidden = if negative == Negative::Exact { 3 } else { 200 };
                let options = RbmOptions {
                    learning: Learning {
                        resample_data,
                        ..options(negative).learning
                    },
                    ..options(negative)
                };
                let one = train(options.clone(), &data, hidden, 1);
                assert_eq!(
                    one,
                    train(options.clone(), &data, hidden, 2),
                    "{negative:?}"
                );
                assert_eq!(
                    one,
                    train(options.clone(), &data, hidden, 7),
                    "{negative:?}"
                );
                assert_ne!(
                    one,
                    train(
                        RbmOptions {
                            learning: Learning {
                                seed: 6,
                                ..options.learning
                            },
                            ..options
                        },
                        &data,
                        hidden,
                        2
                    ),
                    "{negative:?}"
                );
            }
        }
    }
}

#[test]
fn observer_sees_every_update_and_can_stop() {
    let data = data(100, 20);
    let rbm = Rbm::bernoulli(&[20, 10]).unwrap();
    let (mut updates, mut epochs) = (0, 0);
    let mut run = RbmTraining::new(rbm, options(METHODS[0]), &data).unwrap();
    let ended = run
        .run(&data, |event| {
            match event {
                Event::Update(t) => {
                    updates += 1;
                    assert_eq!(t.position().updates, updates);
                }
                Event::Epoch(t) => {
                    epochs += 1;
                    assert_eq!((t.position().epoch, t.position().batch), (epochs, 0));
                }
            }
            if updates == 10 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
    assert_eq!((ended, updates, epochs), (Ended::Stopped, 10, 2));
    assert_ne!(
        run.into_result(),
        Rbm::bernoulli(&[20, 10]).unwrap(),
        "what was learned is kept"
    );
}

/// The short last batch counts by its own size: with a batch of 3 of the same rows, the mean
/// gradient is that of one row.
#[test]
fn a_short_last_batch_is_weighted_by_its_own_size() {
    let row = BitMatrix::from_fn(7, 12, |_, j| j % 3 == 0);
    let data = Examples::new(row).unwrap();
    let rbm = normal_rbm(12, 5, 0.3, 1);
    for negative in [Negative::Exact, METHODS[3]] {
        let options = RbmOptions {
            negative,
            learning: Learning {
                batch_size: 4,
                learning_rate: Schedule::Constant(1e-6),
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let mut training = RbmTraining::new(rbm.clone(), options, &data).unwrap();
        let mut norms = Vec::new();
        for _ in 0..2 {
            let _ = training.update(&data).unwrap();
            norms.push(
                remembered(&training, "training.velocity.bias.0")
                    .iter()
                    .map(|x| f64::from(*x).abs())
                    .sum::<f64>()
                    / 1e-6,
            );
        }
        assert_eq!(training.position().epoch, 1);
        if negative == Negative::Exact {
            // All rows are equal, so the full batch and the short one have the same gradient.
            assert!((norms[0] - norms[1]).abs() < 1e-4 * norms[0], "{norms:?}");
        } else {
            // Noisy, but a sum over 3 divided by 4 (or 4 by 3) would be off by a quarter
            // everywhere.
            assert!(
                norms[1] < 2.0 * norms[0] && norms[1] > 0.5 * norms[0],
                "{norms:?}"
            );
        }
    }
}

#[test]
fn input_is_never_modified_and_batches_larger_than_the_data_work() {
    let data = gray(10, 9);
    let before = data.clone();
    for negative in METHODS {
        train(
            RbmOptions {
                learning: Learning {
                    batch_size: 64,
                    resample_data: true,
                    ..options(negative).learning
                },
                ..options(negative)
            },
            &data,
            4,
            2,
        );
    }
    assert_eq!(data, before);
}

/// A rate that blows up is an error that leaves the machine as it was.
#[test]
fn a_rate_that_blows_up_is_an_error() {
    let data = data(10, 9);
    let good = options(METHODS[0]);
    let rbm = Rbm::bernoulli(&[9, 3]).unwrap();
    let blow_up = RbmOptions {
        learning: Learning {
            learning_rate: Schedule::Constant(1e38),
            momentum: Schedule::Constant(0.9),
            epochs: 50,
            ..good.learning
        },
        ..good
    };
    let mut run = RbmTraining::new(rbm, blow_up, &data).unwrap();
    let error = run.run(&data, go).unwrap_err();
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");
}

/// scikit-learn's test of its BernoulliRBM on the digits: mean pseudo-likelihood about -21.
#[test]
fn digits_as_scikit_learn_tests_them() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/digits.npz");
    let digits = Dataset::open(file).unwrap().train;
    assert_eq!((digits.len(), digits.columns()), (1797, 64));
    let rbm = Rbm::bernoulli(&[64, 64])
        .unwrap()
        .initialized_from(&digits, 9)
        .unwrap();
    let options = RbmOptions {
        negative: Negative::Persistent {
            chains: 10,
            steps: 1,
        },
        learning: Learning {
            epochs: 7,
            batch_size: 10,
            learning_rate: 0.1.into(),
            seed: 9,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let rbm = trained(rbm, options, &digits);
    let score = pseudo_likelihood(&rbm, &digits).unwrap();
    assert!((score + 21.0).abs() < 1.5, "{score}");
}

/// scikit-learn's test of extreme rows: every score under -300.
#[test]
fn rows_of_all_zeros_and_all_ones() {
    let bits = BitMatrix::from_fn(2, 1000, |i, _| i == 1);
    let data = Examples::new(bits).unwrap();
    let rbm = Rbm::bernoulli(&[1000, 10])
        .unwrap()
        .initialized_from(&data, 42)
        .unwrap();
    let options = RbmOptions {
        negative: Negative::Persistent {
            chains: 2,
            steps: 1,
        },
        learning: Learning {
            epochs: 10,
            batch_size: 2,
            learning_rate: 0.1.into(),
            seed: 42,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let rbm = trained(rbm, options, &data);
    for row in 0..2 {
        let one = data.bits().unwrap().view_rows(row..row + 1);
        for seed in 0..10 {
            let score = stochastic_pseudo_likelihood(&rbm, one, seed).unwrap();
            assert!(score < -300.0, "row {row}: {score}");
        }
    }
}

/// Real-valued data as probabilities and data drawn anew teach the same machine.
#[test]
fn gray_data_either_way() {
    let gray = Examples::new(Matrix::from_fn(200, 6, |i, j| {
        if (i + j) % 2 == 0 { 0.9 } else { 0.2 }
    }))
    .unwrap();
    let bits = gray.clone().binarized(Binarization::Sampled, 3, 0);
    let bits = bits.bits().unwrap();
    for resample_data in [false, true] {
        let options = RbmOptions {
            learning: Learning {
                epochs: 100,
                batch_size: 20,
                resample_data,
                ..options(Negative::Persistent {
                    chains: 100,
                    steps: 1,
                })
                .learning
            },
            ..options(Negative::Persistent {
                chains: 100,
                steps: 1,
            })
        };
        let rbm = train(options, &gray, 3, 2);
        let mean = rbm.exact_mean_log_likelihood(bits, &mut ()).unwrap().mean;
        // The entropy of the mixture of the two rows bounds what can be reached; independent units
        // reach some -4.1.
        let rate = 3.0
            * (0.9_f64 * 0.9_f64.ln()
                + 0.1 * 0.1_f64.ln()
                + 0.2 * 0.2_f64.ln()
                + 0.8 * 0.8_f64.ln());
        let best = rate - std::f64::consts::LN_2;
        assert!(
            mean > best - 0.35,
            "resampled {resample_data}: {mean}, best {best}"
        );
    }
}

fn train_exactly(data: &Examples, hidden: usize, epochs: usize, rate: f32) -> f64 {
    let mut rbm = Rbm::bernoulli(&[data.columns(), hidden])
        .unwrap()
        .initialized_from(data, 3)
        .unwrap();
    // Small weights are a saddle of symmetric data: start further out.
    let mut rng = HostRng::numbered(5, 0);
    for i in 0..data.columns() {
        rbm.weights_mut(0)
            .row_mut(i)
            .iter_mut()
            .for_each(|w| *w = 0.3 * rng.normal() as f32);
    }
    let options = RbmOptions {
        negative: Negative::Exact,
        learning: Learning {
            epochs,
            batch_size: data.len(),
            learning_rate: rate.into(),
            momentum: 0.9.into(),
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let rbm = trained(rbm, options, data);
    rbm.exact_mean_log_likelihood(data.bits().unwrap(), &mut ())
        .unwrap()
        .mean
        * data.len() as f64
}

#[test]
fn exact_gradient_learns_bars_and_stripes_to_the_ceiling() {
    for (n, hidden, ceiling) in [
        (2, 4, -13.862943611),
        (3, 9, -41.588830834),
        (4, 12, -108.130960167),
    ] {
        let data = bars_and_stripes(n).binarized(Binarization::None, 0, 0);
        let sum = train_exactly(&data, hidden, 3000, 0.3);
        let gap = (ceiling - sum) / data.len() as f64;
        assert!(
            (-1e-6..0.1).contains(&gap),
            "{n} x {n}: {gap} nats a row below the ceiling"
        );
    }
    let data = shifting_bar(9, 1).binarized(Binarization::None, 0, 0);
    let gap = (-19.775 - train_exactly(&data, 6, 3000, 0.3)) / 9.0;
    assert!(
        (-1e-3..0.1).contains(&gap),
        "shifting bar: {gap} nats a row below the ceiling"
    );
}

/// Data of a known machine that mixes well: every sampler must find the student that the exact
/// gradient finds.
#[test]
fn every_method_learns_what_a_teacher_made() {
    let (n, examples) = (8, 4000);
    // Centered units: biases that cancel half of the weights.
    let mut teacher = normal_rbm(n, 4, 1.5, 3);
    let w = teacher.weights().clone();
    for (i, b) in teacher.bias_mut(0).iter_mut().enumerate() {
        *b = -0.5 * w.row(i).iter().sum::<f32>();
    }
    for (j, c) in teacher.bias_mut(1).iter_mut().enumerate() {
        *c = -0.5 * (0..n).map(|i| w.row(i)[j]).sum::<f32>();
    }
    let v = draw_states(
        &teacher.visible_distribution(1.0, &mut ()).unwrap(),
        n,
        examples,
        1,
    );
    let data = Examples::new(v).unwrap();
    let likelihood = |rbm: &Rbm| {
        rbm.exact_mean_log_likelihood(data.bits().unwrap(), &mut ())
            .unwrap()
    };
    let of_teacher = likelihood(&teacher).mean;
    let of_biases = likelihood(
        &Rbm::bernoulli(&[n, 6])
            .unwrap()
            .initialized_from(&data, 1)
            .unwrap(),
    )
    .mean;
    assert!(
        of_teacher - of_biases > 0.3,
        "the data must have something to learn"
    );
    let learned = |negative| {
        let rbm = Rbm::bernoulli(&[n, 6])
            .unwrap()
            .initialized_from(&data, 1)
            .unwrap();
        let options = RbmOptions {
            negative,
            learning: Learning {
                epochs: 200,
                learning_rate: Schedule::Linear { from: 0.2, to: 0.0 },
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        likelihood(&trained(rbm, options, &data)).mean
    };
    let exactly = learned(Negative::Exact);
    assert!(
        exactly > of_teacher - 0.05,
        "{exactly}, the teacher {of_teacher}"
    );
    for negative in [
        Negative::Persistent {
            chains: 100,
            steps: 1,
        },
        Negative::Mcmc {
            chains: 100,
            steps: 20,
        },
        Negative::ContrastiveDivergence {
            steps: 5,
            reconstruction: Reconstruction::Sampled,
        },
    ] {
        let mean = learned(negative);
        assert!(
            (mean - exactly).abs() < 0.03,
            "{negative:?}: {mean}, by the exact gradient {exactly}"
        );
    }
}
