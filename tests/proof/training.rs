//! What a run promises: reproducible, resumable, fair to short batches, gentle with its input.

use crate::common::{memory::remembered, normal_rbm};
use harmonium::{
    bits::BitMatrix,
    checkpoint::Checkpoint,
    dataset::{Binarization, Dataset, Examples},
    error::Error,
    evaluate::{pseudo_likelihood, stochastic_pseudo_likelihood},
    matrix::Matrix,
    model::Rbm,
    train::{
        Event, Learning, Negative, RbmLearner, RbmOptions, RbmTraining, Reconstruction, Schedule,
        Trainer,
    },
};
use std::{ops::ControlFlow, path::Path};

fn go(_: Event<'_, RbmLearner>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn data(rows: usize, columns: usize) -> Examples {
    let bits = BitMatrix::from_fn(rows, columns, |i, j| (i * i * 31 + j * 17 + i * j) % 11 < 4);
    Examples::new(bits).unwrap()
}

fn gray(rows: usize, columns: usize) -> Examples {
    let x = Matrix::from_fn(rows, columns, |i, j| {
        ((i * i * 31 + j * 17 + i * j) % 11) as f32 / 10.0
    });
    Examples::new(x).unwrap()
}

const METHODS: [Negative; 7] = [
    Negative::FastPersistent {
        chains: 30,
        steps: 2,
        fast_rate: 0.05,
        fast_decay: 0.95,
    },
    Negative::Tempered {
        chains: 15,
        steps: 2,
        temperatures: 3,
        lowest: 0.5,
    },
    Negative::Persistent {
        chains: 30,
        steps: 2,
    },
    Negative::Mcmc {
        chains: 30,
        steps: 2,
    },
    Negative::ContrastiveDivergence {
        steps: 2,
        reconstruction: Reconstruction::Sampled,
    },
    Negative::ContrastiveDivergence {
        steps: 2,
        reconstruction: Reconstruction::Smoothed,
    },
    Negative::Exact,
];

fn options(negative: Negative) -> RbmOptions {
    RbmOptions {
        negative,
        learning: Learning {
            epochs: 4,
            batch_size: 30,
            momentum: "at:0=0.5,2=0.9".parse().unwrap(),
            weight_decay: 1e-3,
            learning_rate: Schedule::Linear { from: 0.1, to: 0.0 },
            seed: 5,
            ..Learning::default()
        },
        ..RbmOptions::default()
    }
}

fn train(options: RbmOptions, data: &Examples, hidden: usize, threads: usize) -> Rbm {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| {
        let mut rbm = Rbm::bernoulli(&[data.columns(), hidden])
            .unwrap()
            .initialized_from(data, 1)
            .unwrap();
        let _ = Trainer::with_options(options)
            .train(&mut rbm, data, go)
            .unwrap();
        rbm
    })
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
fn save_load_train_on_equals_never_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    for data in [data(100, 70), gray(100, 70)] {
        for negative in METHODS {
            let options = options(negative);
            let hidden = if negative == Negative::Exact { 4 } else { 33 };
            let whole = train(options.clone(), &data, hidden, 2);
            // Stops in the middle of an epoch, at its end, and before the first update.
            for stop in [0, 5, 8] {
                let rbm = Rbm::bernoulli(&[70, hidden])
                    .unwrap()
                    .initialized_from(&data, 1)
                    .unwrap();
                let mut training = RbmTraining::new(rbm, options.clone(), &data).unwrap();
                for _ in 0..stop {
                    let _ = training.update(&data).unwrap();
                }
                Checkpoint::from(&training).save(&path).unwrap();
                drop(training);
                let mut training = Checkpoint::load(&path)
                    .unwrap()
                    .into_run::<RbmLearner>(&data)
                    .unwrap();
                assert_eq!(training.position().updates, stop as u64);
                let _ = training.run(&data, go).unwrap();
                assert_eq!(
                    training.model(),
                    &whole,
                    "{negative:?} stopped after {stop} updates"
                );
            }
        }
    }
}

#[test]
fn observer_sees_every_update_and_can_stop() {
    let data = data(100, 20);
    let mut rbm = Rbm::bernoulli(&[20, 10]).unwrap();
    let (mut updates, mut epochs) = (0, 0);
    let _ = Trainer::with_options(options(METHODS[0]))
        .train(&mut rbm, &data, |event| {
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
    assert_eq!((updates, epochs), (10, 2));
    assert_ne!(
        rbm,
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

fn assert_refused(bad: RbmOptions, name: &str) {
    let error = RbmTraining::new(Rbm::bernoulli(&[9, 3]).unwrap(), bad, &data(10, 9)).unwrap_err();
    assert!(
        matches!(&error, Error::Parameter { name: n, .. } if n == name),
        "{error}"
    );
}

#[test]
fn options_are_checked_at_the_door() {
    let good = options(METHODS[0]);
    for (learning, name) in [
        (
            Learning {
                batch_size: 0,
                ..good.learning.clone()
            },
            "batch size",
        ),
        (
            Learning {
                learning_rate: Schedule::Constant(-1.0),
                ..good.learning.clone()
            },
            "learning rate",
        ),
        (
            Learning {
                learning_rate: Schedule::Constant(f32::NAN),
                ..good.learning.clone()
            },
            "learning rate",
        ),
        (
            Learning {
                momentum: Schedule::Constant(1.0),
                ..good.learning.clone()
            },
            "momentum",
        ),
        (
            Learning {
                weight_decay: f32::INFINITY,
                ..good.learning.clone()
            },
            "weight decay",
        ),
        (
            Learning {
                gradient_clip: Some(0.0),
                ..good.learning.clone()
            },
            "gradient clip",
        ),
    ] {
        let bad = RbmOptions {
            learning,
            ..good.clone()
        };
        assert_refused(bad, name);
    }
}

#[test]
fn negative_phases_are_checked_at_the_door() {
    let good = options(METHODS[0]);
    for (negative, name) in [
        (
            Negative::Persistent {
                chains: 0,
                steps: 1,
            },
            "chains",
        ),
        (
            Negative::Mcmc {
                chains: 1,
                steps: 0,
            },
            "steps",
        ),
    ] {
        let bad = RbmOptions {
            negative,
            ..good.clone()
        };
        assert_refused(bad, name);
    }
}

#[test]
fn machines_that_do_not_fit_are_refused() {
    let data = data(10, 9);
    let good = options(METHODS[0]);
    let error =
        RbmTraining::new(Rbm::bernoulli(&[8, 3]).unwrap(), good.clone(), &data).unwrap_err();
    assert_eq!(
        error.to_string(),
        "columns of the data: expected 8, found 9"
    );
    let exact = RbmOptions {
        negative: Negative::Exact,
        ..good
    };
    assert!(RbmTraining::new(Rbm::bernoulli(&[9, 3]).unwrap(), exact.clone(), &data).is_ok());
    let wide = Examples::new(BitMatrix::zeros(3, 40)).unwrap();
    assert!(RbmTraining::new(Rbm::bernoulli(&[40, 31]).unwrap(), exact, &wide).is_err());
}

/// A rate that blows up is an error that leaves the machine as it was.
#[test]
fn a_rate_that_blows_up_leaves_the_machine_alone() {
    let data = data(10, 9);
    let good = options(METHODS[0]);
    let mut rbm = Rbm::bernoulli(&[9, 3]).unwrap();
    let blow_up = RbmOptions {
        learning: Learning {
            learning_rate: Schedule::Constant(1e38),
            momentum: Schedule::Constant(0.9),
            epochs: 50,
            ..good.learning
        },
        ..good
    };
    let error = Trainer::with_options(blow_up)
        .train(&mut rbm, &data, go)
        .unwrap_err();
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");
    assert_eq!(rbm, Rbm::bernoulli(&[9, 3]).unwrap());
}

/// scikit-learn's test of its BernoulliRBM on the digits: mean pseudo-likelihood about -21.
#[test]
fn digits_as_scikit_learn_tests_them() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/digits.npz");
    let digits = Dataset::open(file).unwrap().train;
    assert_eq!((digits.len(), digits.columns()), (1797, 64));
    let mut rbm = Rbm::bernoulli(&[64, 64])
        .unwrap()
        .initialized_from(&digits, 9)
        .unwrap();
    let _ = Trainer::new(Negative::Persistent {
        chains: 10,
        steps: 1,
    })
    .epochs(7)
    .batch_size(10)
    .learning_rate(0.1)
    .seed(9)
    .train(&mut rbm, &digits, go)
    .unwrap();
    let score = pseudo_likelihood(&rbm, &digits).unwrap();
    assert!((score + 21.0).abs() < 1.5, "{score}");
}

/// scikit-learn's test of extreme rows: every score under -300.
#[test]
fn rows_of_all_zeros_and_all_ones() {
    let bits = BitMatrix::from_fn(2, 1000, |i, _| i == 1);
    let data = Examples::new(bits).unwrap();
    let mut rbm = Rbm::bernoulli(&[1000, 10])
        .unwrap()
        .initialized_from(&data, 42)
        .unwrap();
    let _ = Trainer::new(Negative::Persistent {
        chains: 2,
        steps: 1,
    })
    .epochs(10)
    .batch_size(2)
    .learning_rate(0.1)
    .seed(42)
    .train(&mut rbm, &data, go)
    .unwrap();
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
        let (mean, ..) = rbm.exact_mean_log_likelihood(bits, &mut ()).unwrap();
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
