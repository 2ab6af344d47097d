//! Runs of backpropagation: conjugate gradients, largest norms, interruptions, what they learn and
//! what they refuse.

use super::*;

/// Conjugate gradients on a convex problem, softmax regression with decay, end at the optimum that
/// many steps of exact gradient descent in f64 find.
#[test]
fn conjugate_gradients_find_the_optimum_of_a_convex_problem() {
    let (samples, n, classes) = (200, 12, 3);
    let data = examples(samples, n, classes, false, 8);
    let network = network(&[n, classes], &[SOFTMAX], 1.0, 4);
    let (x, labels) = (rows_of(&data), data.labels().unwrap().to_vec());
    let mut twin = Twin::new(&network, samples);
    twin.decay = f64::from(0.05_f32);
    let mut p = Twin::parameters(&network);
    // The Hessian's largest eigenvalue is below (|x|^2 + 1) / 2 + decay < 4, its least above the
    // decay: an error shrinks by (1 - 0.25 0.05)^3000 = e^-37.
    for _ in 0..3000 {
        let (_, gradient) = twin.loss_and_gradient(&p, &x, &labels);
        p.iter_mut()
            .zip(&gradient)
            .for_each(|(p, g)| *p -= 0.25 * g);
    }
    let (optimum, gradient) = twin.loss_and_gradient(&p, &x, &labels);
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    assert!(norm(&gradient) < 1e-8);
    let options = BackpropOptions {
        output_epochs: 0,
        learning: Learning {
            epochs: 25,
            batch_size: samples,
            weight_decay: 0.05,
            ..BackpropOptions::conjugate_gradients().learning
        },
        ..BackpropOptions::conjugate_gradients()
    };
    let mut run = BackpropTraining::new(network.clone(), options, &data).unwrap();
    let mut evaluations = None;
    let done = run.run(&data, |event| {
        if let Event::Epoch(run) = event
            && loss(run) < optimum + 1e-5
        {
            evaluations.get_or_insert(run.figures().evaluations.unwrap());
        }
        ControlFlow::Continue(())
    });
    assert!(done.unwrap().is_finished());
    let found = Twin::parameters(run.model());
    let (mean, gradient) = twin.loss_and_gradient(&found, &x, &labels);
    // The loss is flat at the optimum: what f32 leaves of the gradient, 1e-5 or so, squared over
    // twice the least curvature, 0.05.
    assert!(norm(&gradient) < 1e-4, "{}", norm(&gradient));
    assert!(mean - optimum < 1e-6, "{mean} for {optimum}");
    assert!((loss(&run) - mean).abs() < 1e-6);
    // Ten restarts of three searches, of which each takes a few evaluations, are plenty for 39
    // parameters.
    assert!(
        evaluations.is_some_and(|n| n <= 10 * (1 + 3 * 3)),
        "{evaluations:?}"
    );
}

#[test]
fn conjugate_gradients_never_end_higher() {
    let data = examples(60, 20, 4, true, 1);
    let network = network(&[20, 15, 4], &[LOGISTIC, SOFTMAX], 0.5, 2);
    let options = BackpropOptions {
        output_epochs: 5,
        learning: Learning {
            epochs: 30,
            batch_size: 60,
            ..BackpropOptions::conjugate_gradients().learning
        },
        ..BackpropOptions::conjugate_gradients()
    };
    let (mut last, _) = loss_and_step(&network, &data, plain_options(60));
    let mut run = BackpropTraining::new(network.clone(), options, &data).unwrap();
    for epoch in 0..30 {
        let _ = run.update(&data).unwrap();
        assert!(loss(&run) <= last + 1e-7, "{} after {last}", loss(&run));
        last = loss(&run);
        // Lower layers wait until the output has learned.
        let same =
            run.model().weights(0) == network.weights(0) && run.model().bias(1) == network.bias(1);
        assert_eq!(same, epoch < 5);
    }
    // Sixty random labels of twenty bits are learned by heart.
    assert!(last < 0.05, "{last}");
}

/// While it learns alone, the output layer takes no rate at which gradient descent could rise,
/// whatever the schedule says; afterward it does.
#[test]
fn the_output_layer_alone_is_stable_at_any_rate() {
    let data = examples(60, 20, 4, true, 1);
    for (output, size) in [(SOFTMAX, 4), (LOGISTIC, 20), (LINEAR, 20)] {
        let network = network(&[20, 30, size], &[LOGISTIC, output], 1.0, 2);
        let options = BackpropOptions {
            output_epochs: 100,
            learning: Learning {
                epochs: 101,
                batch_size: 60,
                learning_rate: 1000.0.into(),
                momentum: 0.0.into(),
                ..BackpropOptions::default().learning
            },
            ..BackpropOptions::default()
        };
        let mut run = BackpropTraining::new(network, options, &data).unwrap();
        let _ = run.update(&data).unwrap();
        let first = loss(&run);
        let mut last = first;
        for _ in 1..100 {
            let _ = run.update(&data).unwrap();
            assert!(loss(&run) < last, "{} after {last}", loss(&run));
            last = loss(&run);
        }
        assert!(last < 0.8 * first, "{last} after {first}");
        let network = run.model().clone();
        let _ = run.update(&data).unwrap();
        let far = (0..30).flat_map(|i| {
            let rows = run.model().weights(1).row(i).iter();
            rows.zip(network.weights(1).row(i))
                .map(|(a, b)| (a - b).abs())
        });
        assert!(far.fold(0.0, f32::max) > 1.0, "all layers take the rate");
    }
}

fn run_options() -> Vec<BackpropOptions> {
    let base = BackpropOptions {
        output_epochs: 1,
        learning: Learning {
            epochs: 3,
            batch_size: 30,
            seed: 5,
            ..BackpropOptions::default().learning
        },
        ..BackpropOptions::default()
    };
    let steps = |rule| BackpropOptions {
        descent: Descent::Steps(rule),
        input_dropout: 0.2,
        hidden_dropout: 0.5,
        learning: Learning {
            max_norm: Some(2.0),
            weight_decay: 1e-3,
            resample_data: rule == Rule::Nesterov,
            learning_rate: Schedule::Linear {
                from: 0.05,
                to: 0.0,
            },
            ..base.learning.clone()
        },
        ..base.clone()
    };
    vec![
        base.clone(),
        steps(Rule::Momentum),
        steps(Rule::Nesterov),
        steps(Rule::ADAM),
        BackpropOptions {
            descent: Descent::ConjugateGradients { line_searches: 2 },
            learning: Learning {
                weight_decay: 1e-3,
                ..base.learning
            },
            ..base
        },
    ]
}

/// A run stored between two updates and loaded goes on as if nothing had happened, to the bit, at
/// any number of threads.
#[test]
fn resumed_is_never_interrupted_at_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let network = network(&[90, 70, 140, 5], &[LOGISTIC, LOGISTIC, SOFTMAX], 0.2, 7);
    for bits in [false, true] {
        let data = examples(100, 90, 5, bits, 8);
        for options in run_options() {
            let mut finished = Vec::new();
            for threads in [1, 2, 7] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.unwrap().install(|| {
                    let mut run =
                        BackpropTraining::new(network.clone(), options.clone(), &data).unwrap();
                    let _ = run.run(&data, |_| ControlFlow::Continue(())).unwrap();
                    assert_eq!(run.position().updates, 12);
                    finished.push((run.model().clone(), run.state()));
                });
            }
            assert!(finished.iter().all(|x| *x == finished[0]), "{options:?}");
            for stop in [1, 6] {
                let mut run =
                    BackpropTraining::new(network.clone(), options.clone(), &data).unwrap();
                for _ in 0..stop {
                    let _ = run.update(&data).unwrap();
                }
                let path = dir.path().join("run.safetensors");
                Checkpoint::from(&run).save(&path).unwrap();
                let loaded = Checkpoint::load(&path).unwrap();
                assert_eq!(loaded.model.network().unwrap(), run.model());
                let mut resumed = loaded.into_run::<BackpropLearner>(&data).unwrap();
                assert_eq!(resumed.state(), run.state());
                let _ = resumed.run(&data, |_| ControlFlow::Continue(())).unwrap();
                let found = (resumed.model().clone(), resumed.state());
                assert_eq!(found, finished[0]);
            }
        }
    }
}

#[test]
fn norms_stay_below_the_largest() {
    let data = examples(50, 20, 3, false, 8);
    let options = BackpropOptions {
        learning: Learning {
            max_norm: Some(0.5),
            epochs: 2,
            batch_size: 10,
            ..BackpropOptions::default().learning
        },
        ..BackpropOptions::default()
    };
    let mut run = BackpropTraining::new(
        network(&[20, 9, 3], &[LOGISTIC, SOFTMAX], 1.0, 3),
        options,
        &data,
    );
    let run = run.as_mut().unwrap();
    let _ = run.update(&data).unwrap();
    for l in 0..2 {
        let w = run.model().weights(l);
        for j in 0..w.columns() {
            let square: f32 = (0..w.rows()).map(|i| w.row(i)[j].powi(2)).sum();
            assert!(square.sqrt() <= 0.5 + 1e-6);
        }
    }
}

/// Fine-tuning a pretrained stack reconstructs bars and stripes; a network from a belief network
/// tells bars from stripes.
#[test]
fn fine_tuning_learns() {
    let data = dataset::bars_and_stripes(4);
    let bits = data.bits().unwrap();
    let mean = |network: &Network| {
        let errors = network.squared_errors(bits).unwrap();
        errors.iter().sum::<f64>() / errors.len() as f64
    };
    let start = Network::autoencoder_from_rbms(&[
        normal_rbm(16, 12, 0.3, 1),
        normal_machine(("bernoulli", 12), ("gaussian", 4), 0.3, 2),
    ]);
    let options = BackpropOptions {
        output_epochs: 0,
        learning: Learning {
            epochs: 60,
            batch_size: data.len(),
            ..BackpropOptions::conjugate_gradients().learning
        },
        ..BackpropOptions::conjugate_gradients()
    };
    let mut run = BackpropTraining::new(start.unwrap(), options, &data).unwrap();
    let before = mean(run.model());
    let _ = run.run(&data, |_| ControlFlow::Continue(())).unwrap();
    let after = mean(run.model());
    // The variance of the images is 4; what is left is some pixels of a few images.
    assert!(before > 2.0 && after < 0.3, "{before} to {after}");
    // Bars are constant along rows; the two images of one color are both and out.
    let bars: Vec<usize> = (0..data.len())
        .filter(|&s| !(1..16).all(|j| bits.get(s, j) == bits.get(s, 0)))
        .collect();
    let labels = bars
        .iter()
        .map(|&s| u32::from((0..16).all(|j| bits.get(s, j) == bits.get(s, j / 4 * 4))));
    let bars_alone = data.take(&bars);
    let labeled = bars_alone.with_labels(labels.collect()).unwrap();
    let dbn = Dbn::from(
        Rbm::bernoulli(&[16, 20])
            .unwrap()
            .initialized_from(&data, 1)
            .unwrap(),
    );
    let network = Network::classifier_from_dbn(&dbn, 2, 1).unwrap();
    let options = BackpropOptions {
        learning: Learning {
            epochs: 600,
            batch_size: 7,
            learning_rate: Schedule::Linear { from: 0.5, to: 0.0 },
            ..BackpropOptions::default().learning
        },
        ..BackpropOptions::default()
    };
    let mut run = BackpropTraining::new(network, options, &labeled).unwrap();
    let _ = run.run(&labeled, |_| ControlFlow::Continue(())).unwrap();
    let found = harmonium::model::most_probable(&run.model().log_p_y_from_v(&labeled).unwrap());
    let labels = labeled.labels().unwrap();
    assert!(found.iter().zip(labels).all(|(y, l)| *y == *l as usize));
}

fn net() -> Network {
    network(&[6, 4, 3], &[LOGISTIC, SOFTMAX], 0.5, 1)
}

fn said(error: Option<Error>, words: &[&str]) {
    let text = error.expect("refused").to_string();
    assert!(words.iter().all(|w| text.contains(w)), "{text}");
}

#[test]
fn options_that_cannot_work_are_refused() {
    let data = examples(10, 6, 3, false, 1);
    let with = |options: BackpropOptions| BackpropTraining::new(net(), options, &data).err();
    let base = BackpropOptions::default;
    said(
        with(BackpropOptions {
            learning: Learning {
                batch_size: 0,
                ..base().learning
            },
            ..base()
        }),
        &["batch size"],
    );
    said(
        with(BackpropOptions {
            hidden_dropout: 1.0,
            ..base()
        }),
        &["hidden dropout", "below 1"],
    );
    said(
        with(BackpropOptions {
            learning: Learning {
                weight_decay: f32::NAN,
                ..base().learning
            },
            ..base()
        }),
        &["weight decay"],
    );
    said(
        with(BackpropOptions {
            learning: Learning {
                max_norm: Some(0.0),
                ..base().learning
            },
            ..base()
        }),
        &["largest norm"],
    );
    said(
        with(BackpropOptions {
            learning: Learning {
                momentum: 1.0.into(),
                ..base().learning
            },
            ..base()
        }),
        &["momentum"],
    );
    let cg = BackpropOptions::conjugate_gradients;
    said(
        with(BackpropOptions {
            input_dropout: 0.2,
            ..cg()
        }),
        &["input dropout", "conjugate"],
    );
    let none = Descent::ConjugateGradients { line_searches: 0 };
    said(
        with(BackpropOptions {
            descent: none,
            ..cg()
        }),
        &["line searches"],
    );
}

fn layer(n: usize, m: usize, activation: Activation) -> NetworkLayer {
    NetworkLayer {
        activation,
        weights: Matrix::zeros(n, m),
        bias: vec![0.0; m],
    }
}

#[test]
fn data_that_do_not_fit_are_refused() {
    let data = examples(10, 6, 3, false, 1);
    let base = BackpropOptions::default;
    let refused =
        |network: Network, data: &Examples| BackpropTraining::new(network, base(), data).err();
    said(refused(net(), &examples(10, 7, 3, false, 1)), &["7"]);
    said(
        refused(net(), &examples(10, 6, 9, false, 1)),
        &["label", "below 3"],
    );
    let unlabeled = Examples::new(data.states().clone()).unwrap();
    said(refused(net(), &unlabeled), &["labels"]);
    said(
        refused(network(&[6, 4], &[LOGISTIC], 0.5, 1), &data),
        &["outputs", "6", "4"],
    );
    let of_reals = Network::new(Units::of(Kind::Gaussian, 6), vec![layer(6, 3, SOFTMAX)]);
    let resampled = BackpropOptions {
        learning: Learning {
            resample_data: true,
            ..base().learning
        },
        ..base()
    };
    said(
        BackpropTraining::new(of_reals.unwrap(), resampled, &data).err(),
        &["drawn", "bernoulli", "gaussian"],
    );
}

#[test]
fn layers_that_do_not_fit_are_refused() {
    let input = || Units::of(Kind::Bernoulli, 6);
    for layers in [
        vec![],
        vec![layer(5, 3, SOFTMAX)],
        vec![layer(6, 4, SOFTMAX), layer(4, 3, SOFTMAX)],
        vec![layer(6, 0, LOGISTIC)],
        vec![NetworkLayer {
            bias: vec![f32::NAN; 3],
            ..layer(6, 3, SOFTMAX)
        }],
    ] {
        assert!(Network::new(input(), layers).is_err());
    }
    assert!(net().values(&Matrix::zeros(2, 6), 3).is_err());
    assert!(net().values(&Matrix::zeros(2, 5), 1).is_err());
    assert!(Network::classifier_from_dbn(&Rbm::bernoulli(&[4, 3]).unwrap().into(), 1, 0).is_err());
}
