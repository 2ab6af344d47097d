//! Greedy training and the up-down algorithm.

use super::*;

const PATTERNS: [usize; 4] = [0b0011, 0b0101, 0b1110, 0b1000];

/// One update of these options on as many copies of each pattern; labels 0, 0, 1 and 1.
fn updated(dbn: &Dbn, copies: usize) -> UpDownTraining {
    let rows = copies * PATTERNS.len();
    let v = BitMatrix::from_fn(rows, 4, |s, i| PATTERNS[s % 4] >> i & 1 == 1);
    let labels: Vec<u32> = (0..rows).map(|s| (s % 4 / 2) as u32).collect();
    let data = Examples::new(v).unwrap().with_labels(labels).unwrap();
    let options = UpDownOptions {
        steps: Schedule::Constant(40.0),
        generative_rate: Schedule::Constant(1.0),
        recognition_rate: Schedule::Constant(1.0),
        negative: None,
        learning: Learning {
            batch_size: rows,
            learning_rate: Schedule::Constant(1.0),
            seed: 11,
            ..UpDownOptions::default().learning
        },
    };
    let mut run = UpDownTraining::new(dbn.clone(), options, &data).unwrap();
    let _ = run.update(&data).unwrap();
    run
}

/// The share of the data that are the visible state of this index.
fn share(v: usize) -> f64 {
    PATTERNS.iter().filter(|&&x| x == v).count() as f64 / 4.0
}

/// Expected steps of pair `l`, rows of the senders' weights and then the biases: wake under `q`,
/// sleep under `p`.
fn expected_of_pair(dbn: &Dbn, all: &[Joint], l: usize) -> [Vec<Vec<f64>>; 2] {
    let pair = &dbn.directed()[l];
    let (n, m) = (pair.below().size(), pair.above().size());
    let mut generative = vec![vec![0.0; n]; m + 1];
    let mut recognition = vec![vec![0.0; m]; n + 1];
    for x in all {
        // The top and the label are summed out of q: once each.
        let (below, above) = (&x.layers[l], &x.layers[l + 1][..m]);
        let first = x.class == 0 && index(&x.layers[3]) == 0;
        let weight = if first {
            share(index(&x.layers[0])) * x.q
        } else {
            0.0
        };
        let predicted = generated(pair, above);
        for i in 0..n {
            let error = weight * (below[i] - predicted[i]);
            generative[m][i] += error;
            (0..m).for_each(|j| generative[j][i] += above[j] * error);
        }
        let predicted = inferred(pair, below);
        for j in 0..m {
            let error = x.p * (above[j] - predicted[j]);
            recognition[n][j] += error;
            (0..n).for_each(|i| recognition[i][j] += below[i] * error);
        }
    }
    [generative, recognition]
}

/// Expected steps of the top's weights and visible biases: `E_q[v h']` with the labels of the data,
/// minus `E_p`.
fn expected_of_top(dbn: &Dbn, all: &[Joint]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let (n, m) = (dbn.top().n_visible(), dbn.top().n_hidden());
    let mut expected = vec![vec![0.0; m]; n];
    let mut of_bias = vec![0.0; n];
    let label_of = |v: usize| PATTERNS.iter().position(|&x| x == v).map(|s| s / 2);
    for x in all {
        let visible = &x.layers[2];
        let at = index(&x.layers[0]);
        let labeled = label_of(at) == Some(x.class);
        let hidden = &x.layers[3];
        let mean: Vec<f64> = (0..m)
            .map(|j| {
                let sum: f64 = (0..n)
                    .map(|i| visible[i] * f64::from(dbn.top().weights().row(i)[j]))
                    .sum();
                sigmoid(sum + f64::from(dbn.top().hidden().bias[j]))
            })
            .collect();
        let q = if labeled {
            share(at) * x.q * bernoulli(hidden, &mean)
        } else {
            0.0
        };
        for i in 0..n {
            of_bias[i] += (q - x.p) * visible[i];
            (0..m).for_each(|j| expected[i][j] += (q - x.p) * visible[i] * hidden[j]);
        }
    }
    (expected, of_bias)
}

/// The mean update over many copies of the data against the expectation over all joint states;
/// forty sweeps of small weights forget their start.
#[test]
fn expected_updates_of_both_phases() {
    let mut dbn = normal_dbn(&[4, 3, 2, 3], 2, 0.5, 77);
    dbn.untie();
    let copies = 4000;
    let all = brute(&dbn);
    let run = updated(&dbn, copies);
    // Five standard deviations: the terms are products of a bit and a difference of at most one.
    let allowed = 5.0 / ((copies * PATTERNS.len()) as f64).sqrt();
    for l in 0..dbn.directed().len() {
        let expected = expected_of_pair(&dbn, &all, l);
        for (expected, direction) in expected.iter().zip(["generative", "recognition"]) {
            let found =
                |part: &str| remembered(&run, &format!("training.velocity.{direction}.{part}.{l}"));
            let senders = expected.len() - 1;
            let weights = found("weights");
            let rows = weights.chunks_exact(expected[0].len());
            assert_eq!(rows.len(), senders);
            for (expected, found) in expected.iter().take(senders).zip(rows) {
                for (e, f) in expected.iter().zip(found) {
                    assert!((e - f64::from(*f)).abs() < allowed, "pair {l}: {f} for {e}");
                }
            }
            for (e, f) in expected[senders].iter().zip(&found("bias")) {
                assert!(
                    (e - f64::from(*f)).abs() < allowed,
                    "bias of pair {l}: {f} for {e}"
                );
            }
        }
    }
    let (expected, of_bias) = expected_of_top(&dbn, &all);
    let (n, m) = (dbn.top().n_visible(), dbn.top().n_hidden());
    let weights = remembered(&run, "training.velocity.weights.0");
    let bias = remembered(&run, "training.velocity.bias.0");
    assert_eq!((weights.len(), bias.len()), (n * m, n));
    for i in 0..n {
        for (e, f) in expected[i].iter().zip(&weights[i * m..]) {
            // The difference of two means.
            assert!(
                (e - f64::from(*f)).abs() < 1.5 * allowed,
                "top: {f} for {e}"
            );
        }
        assert!((of_bias[i] - f64::from(bias[i])).abs() < 1.5 * allowed);
    }
}

fn labeled_data(rows: usize, columns: usize, gray: bool) -> Examples {
    let bit = |i: usize, j: usize| (i * 31 + j * 17 + i * j) % 7 < 3;
    let values = match gray {
        false => States::Bits(BitMatrix::from_fn(rows, columns, bit)),
        true => States::Real(Matrix::from_fn(rows, columns, |i, j| {
            ((i * 13 + j * 7) % 11) as f32 / 10.0
        })),
    };
    let labels = (0..rows).map(|i| (i % 3) as u32).collect();
    Examples::new(values).unwrap().with_labels(labels).unwrap()
}

fn up_down_options() -> UpDownOptions {
    UpDownOptions {
        steps: "at:0=1,1=3".parse().unwrap(),
        learning: Learning {
            epochs: 3,
            batch_size: 32,
            momentum: Schedule::Constant(0.5),
            weight_decay: 1e-3,
            seed: 5,
            ..UpDownOptions::default().learning
        },
        ..UpDownOptions::default()
    }
}

#[test]
fn up_down_is_the_same_at_any_thread_count_and_after_a_stop() {
    let directory = tempfile::tempdir().unwrap();
    for (gray, resample_data) in [(false, false), (true, false), (true, true)] {
        let data = labeled_data(100, 70, gray);
        let dbn = normal_dbn(&[70, 40, 33, 64], 3, 0.1, 6);
        let options = UpDownOptions {
            learning: Learning {
                resample_data,
                ..up_down_options().learning
            },
            ..up_down_options()
        };
        let whole = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let mut run = UpDownTraining::new(dbn.clone(), options.clone(), &data).unwrap();
            let done = pool.install(|| run.run(&data, |_| ControlFlow::Continue(())));
            assert!(done.unwrap().is_finished());
            run
        };
        let one = whole(1);
        assert_eq!(one.position().updates, 12);
        for threads in [2, 7] {
            assert_eq!(whole(threads).model(), one.model(), "{threads} threads");
        }
        let mut stopped = UpDownTraining::new(dbn.clone(), options.clone(), &data).unwrap();
        let _ = stopped
            .run(&data, |event| match event {
                Event::Update(run) if run.position().updates == 6 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
            .unwrap();
        let path = directory.path().join("run.safetensors");
        let written = Checkpoint::from(&stopped);
        written.save(&path).unwrap();
        let read = Checkpoint::load(&path).unwrap();
        assert_eq!((&read.model, &read.run), (&written.model, &written.run));
        let mut resumed = read.clone().into_run::<UpDownLearner>(&data).unwrap();
        let _ = resumed.run(&data, |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(
            (resumed.model(), resumed.state()),
            (one.model(), one.state())
        );
        let other = labeled_data(99, 70, gray);
        assert!(read.clone().into_run::<UpDownLearner>(&other).is_err());
        assert!(read.into_stack(&data).is_err());
    }
}

#[test]
fn up_down_refuses_what_cannot_work() {
    let data = labeled_data(20, 4, false);
    let new = |dbn: Dbn, options| {
        UpDownTraining::new(dbn, options, &data)
            .err()
            .map(|e| e.to_string())
    };
    let refuse = |dbn: Dbn, options: UpDownOptions, expected: &str| {
        let message = new(dbn, options).unwrap_or_default();
        assert!(message.contains(expected), "{message} for {expected}");
    };
    let good = || normal_dbn(&[4, 3, 2], 0, 1.0, 1);
    let defaults = UpDownOptions::default;
    assert!(new(good(), defaults()).is_none());
    refuse(
        Rbm::bernoulli(&[4, 3]).unwrap().into(),
        defaults(),
        "directed pairs",
    );
    refuse(
        normal_dbn(&[5, 3, 2], 0, 1.0, 1),
        defaults(),
        "columns of the data",
    );
    refuse(
        normal_dbn(&[4, 3, 2], 2, 1.0, 1),
        defaults(),
        "expected below 2",
    );
    refuse(
        good(),
        UpDownOptions {
            learning: Learning {
                batch_size: 0,
                ..defaults().learning
            },
            ..defaults()
        },
        "batch size",
    );
    refuse(
        good(),
        UpDownOptions {
            steps: Schedule::Constant(1e6),
            ..defaults()
        },
        "steps",
    );
    refuse(
        good(),
        UpDownOptions {
            learning: Learning {
                weight_decay: -1.0,
                ..defaults().learning
            },
            ..defaults()
        },
        "weight decay",
    );
    refuse(
        good(),
        UpDownOptions {
            learning: Learning {
                learning_rate: Schedule::Constant(-1.0),
                ..defaults().learning
            },
            ..defaults()
        },
        "top rate",
    );
    // A rate that explodes is an error, not a panic.
    let options = UpDownOptions {
        generative_rate: Schedule::Constant(1.0),
        learning: Learning {
            weight_decay: 10.0,
            epochs: 100,
            ..defaults().learning
        },
        ..defaults()
    };
    let mut run = UpDownTraining::new(good(), options, &data).unwrap();
    assert!(run.run(&data, |_| ControlFlow::Continue(())).is_err());
}

fn greedy_plan(posterior: Aggregated) -> GreedyPlan {
    let layer = |hidden, negative| GreedyLayer {
        hidden,
        options: RbmOptions {
            negative,
            learning: Learning {
                epochs: 2,
                batch_size: 32,
                momentum: Schedule::Constant(0.5),
                seed: 3,
                ..Learning::default()
            },
            ..RbmOptions::default()
        },
        transposed: false,
    };
    let steps = 1;
    let reconstruction = Reconstruction::Sampled;
    GreedyPlan {
        layers: vec![
            layer(
                40,
                Negative::ContrastiveDivergence {
                    steps,
                    reconstruction,
                },
            ),
            layer(33, Negative::Persistent { chains: 10, steps }),
            layer(64, Negative::Persistent { chains: 10, steps }),
        ],
        posterior,
        classes: Some(3),
    }
}

#[test]
fn greedy_training_resumes_within_any_layer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.safetensors");
    let data = labeled_data(100, 70, false);
    for posterior in [Aggregated::Means, Aggregated::Samples] {
        let plan = greedy_plan(posterior);
        let mut whole = Stack::greedy(plan.clone(), Default::default(), &data).unwrap();
        let mut layers = 0;
        let _ = whole
            .run(&data, |event| {
                layers += usize::from(matches!(event, StackEvent::Layer(_)));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(layers == 3 && whole.is_finished());
        let expected = whole.dbn().unwrap();
        assert_eq!(
            (expected.n_layers(), expected.label_group().unwrap().size),
            (4, 3)
        );
        // The first layer is the run of an RBM.
        let mut rbm = Rbm::bernoulli(&[70, 40])
            .unwrap()
            .initialized_from(&data, 3)
            .unwrap();
        let trainer = harmonium::Trainer::with_options(plan.layers[0].options.clone());
        let _ = trainer
            .train(&mut rbm, &data, |_| ControlFlow::Continue(()))
            .unwrap();
        assert_eq!(expected.directed()[0].to_rbm().unwrap(), rbm);
        for (layer, updates) in [(0, 3), (1, 5), (2, 1)] {
            let mut stopped = Stack::greedy(plan.clone(), Default::default(), &data).unwrap();
            let _ = stopped
                .run(&data, |event| match event {
                    StackEvent::Update(run)
                        if (run.layer(), run.position().updates) == (layer, updates) =>
                    {
                        ControlFlow::Break(())
                    }
                    _ => ControlFlow::Continue(()),
                })
                .unwrap();
            Checkpoint::of_stack(&stopped).unwrap().save(&path).unwrap();
            let read = Checkpoint::load(&path).unwrap();
            let mut resumed = read.into_stack(&data).unwrap();
            assert_eq!(
                (resumed.layer(), resumed.position()),
                (layer, stopped.position())
            );
            let _ = resumed.run(&data, |_| ControlFlow::Continue(())).unwrap();
            assert_eq!(
                resumed.dbn().unwrap(),
                expected,
                "{posterior:?}, layer {layer}"
            );
        }
    }
}

/// The three stages on bars and stripes: exact likelihoods rise, and classes (bars or stripes) are
/// told apart.
#[test]
fn greedy_and_up_down_learn() {
    let patterns = bars_and_stripes(3).binarized(Default::default(), 0, 0);
    let v = patterns.bits().unwrap();
    // Rows equal: bars; the two plain patterns are left out, they are both.
    let kept: Vec<usize> = (0..v.rows())
        .filter(|&s| !v.view().ones(s).count().is_multiple_of(9))
        .collect();
    let class = |s: usize| {
        let x = index_of(v, s);
        u32::from([x & 7, x >> 3 & 7, x >> 6].iter().all(|row| *row == x & 7))
    };
    let repeated: Vec<usize> = (0..60).flat_map(|_| kept.clone()).collect();
    let labels: Vec<u32> = repeated.iter().map(|&s| class(s)).collect();
    let data = patterns.take(&repeated).with_labels(labels).unwrap();
    let layer = |hidden| GreedyLayer {
        hidden,
        options: RbmOptions {
            negative: Negative::ContrastiveDivergence {
                steps: 1,
                reconstruction: Reconstruction::Sampled,
            },
            learning: Learning {
                epochs: 60,
                batch_size: 36,
                learning_rate: Schedule::Constant(0.1),
                momentum: Schedule::Constant(0.5),
                seed: 1,
                ..Learning::default()
            },
            ..RbmOptions::default()
        },
        transposed: false,
    };
    let plan = GreedyPlan {
        layers: vec![layer(8), layer(10)],
        posterior: Aggregated::Means,
        classes: Some(2),
    };
    let mut greedy = Stack::greedy(plan, Default::default(), &data).unwrap();
    let _ = greedy.run(&data, |_| ControlFlow::Continue(())).unwrap();
    let dbn = greedy.dbn().unwrap();
    let states = patterns.take(&kept);
    let states = states.bits().unwrap();
    let classes: Vec<usize> = kept.iter().map(|&s| class(s) as usize).collect();
    let measure = |dbn: &Dbn| {
        let by_class: Vec<Vec<f64>> = (0..2)
            .map(|y| dbn.exact_log_p_v(states, Some(y), &mut ()).unwrap())
            .collect();
        let sum: f64 = classes
            .iter()
            .enumerate()
            .map(|(s, &y)| by_class[y][s])
            .sum();
        let log_p = dbn.log_p_y_from_v(states).unwrap();
        let found = harmonium::model::most_probable(&log_p);
        let errors = found.iter().zip(&classes).filter(|(a, b)| a != b).count();
        (sum / classes.len() as f64, errors)
    };
    let (before, _) = measure(&dbn);
    let options = UpDownOptions {
        generative_rate: Schedule::Constant(0.1),
        recognition_rate: Schedule::Constant(0.1),
        learning: Learning {
            epochs: 100,
            batch_size: 36,
            learning_rate: Schedule::Constant(0.1),
            seed: 2,
            ..UpDownOptions::default().learning
        },
        ..UpDownOptions::default()
    };
    let mut run = UpDownTraining::new(dbn, options, &data).unwrap();
    let _ = run.run(&data, |_| ControlFlow::Continue(())).unwrap();
    let (after, errors) = measure(run.model());
    // Pixels and labels independent: 10 bits and more.
    assert!(
        after > before && after > -10.0 * std::f64::consts::LN_2,
        "{before}, {after}"
    );
    assert_eq!(errors, 0);
}
