//! Backpropagation against plain loops in f64 and the definitions of its draws.

use crate::common::{
    memory::remembered,
    network::{
        LINEAR, LOGISTIC, SOFTMAX, examples, loss_and_step, network, plain_options, rows_of,
    },
    twin::Twin,
};
use harmonium::{
    Network, dataset,
    model::Activation,
    rng::{Draws, Site},
    train::{BackpropOptions, BackpropTraining, Learning, Schedule},
};

fn classes(network: &Network) -> usize {
    if network.is_classifier() {
        network.n_outputs()
    } else {
        2
    }
}

fn kinds() -> Vec<(Vec<usize>, Vec<Activation>)> {
    vec![
        (vec![6, 3], vec![SOFTMAX]),
        (vec![6, 5, 3], vec![LOGISTIC, SOFTMAX]),
        (vec![6, 5, 4, 3], vec![LOGISTIC, LINEAR, SOFTMAX]),
        (vec![6, 6], vec![LOGISTIC]),
        (
            vec![6, 4, 2, 4, 6],
            vec![LOGISTIC, LINEAR, LOGISTIC, LOGISTIC],
        ),
        (vec![6, 3, 6], vec![LOGISTIC, LINEAR]),
        (vec![6, 6], vec![LINEAR]),
    ]
}

/// The twin's gradient is that of its loss, by central differences of step h = 1e-4 in f64: off by
/// h^2 f'''/6 with third derivatives of a few, 1e-8, and by the roundings of the loss over h, 1e-15
/// / 1e-4.
#[test]
fn the_twin_has_the_gradient_of_its_loss() {
    for (k, (sizes, activations)) in kinds().into_iter().enumerate() {
        let network = network(&sizes, &activations, 0.7, k as u64);
        let data = examples(5, 6, classes(&network), false, 3);
        let (x, labels) = (rows_of(&data), data.labels().unwrap());
        let mut twin = Twin::new(&network, 5);
        twin.decay = 0.1;
        // Any factors will do for the twin itself.
        for (s, masks) in twin.masks.iter_mut().enumerate() {
            for (l, mask) in masks.iter_mut().enumerate().take(activations.len()) {
                mask.iter_mut()
                    .enumerate()
                    .for_each(|(i, m)| *m = ((s + l + i) % 3) as f64);
            }
        }
        let p = Twin::parameters(&network);
        let (_, gradient) = twin.loss_and_gradient(&p, &x, labels);
        for i in 0..p.len() {
            let at = |h: f64| {
                let mut p = p.clone();
                p[i] += h;
                twin.loss_and_gradient(&p, &x, labels).0
            };
            let difference = (at(1e-4) - at(-1e-4)) / 2e-4;
            assert!(
                (difference - gradient[i]).abs() < 1e-6,
                "{sizes:?} parameter {i}: {difference} for {}",
                gradient[i]
            );
        }
    }
}

/// The gradient against central differences of the twin's loss and against the twin's gradient,
/// every kind of layer and loss. Products of up to 200 terms below 1 in f32 are off by 2^-24 of
/// each partial sum, 1e-5 in all.
#[test]
fn gradients_are_those_of_the_loss() {
    let mut cases = kinds();
    // Sizes beyond tiles and words.
    cases.push((vec![150, 70, 130, 10], vec![LOGISTIC, LOGISTIC, SOFTMAX]));
    cases.push((vec![150, 65, 3, 150], vec![LOGISTIC, LINEAR, LOGISTIC]));
    for (k, (sizes, activations)) in cases.into_iter().enumerate() {
        let small = sizes[0] < 100;
        let deviation = if small { 0.7 } else { 0.15 };
        let network = network(&sizes, &activations, deviation, k as u64);
        for bits in [false, true] {
            let samples = if small { 5 } else { 37 };
            let data = examples(samples, sizes[0], classes(&network), bits, 3);
            let (x, labels) = (rows_of(&data), data.labels().unwrap());
            let twin = Twin::new(&network, samples);
            let p = Twin::parameters(&network);
            let (expected_loss, gradient) = twin.loss_and_gradient(&p, &x, labels);
            let (loss, step) = loss_and_step(&network, &data, plain_options(samples));
            assert!(
                (loss - expected_loss).abs() < 1e-5 * (1.0 + expected_loss),
                "{sizes:?}: {loss} for {expected_loss}"
            );
            for i in 0..p.len() {
                assert!(
                    (step[i] + gradient[i]).abs() < 1e-5,
                    "{sizes:?} parameter {i}: {} for {}",
                    step[i],
                    -gradient[i]
                );
            }
            if small {
                for i in 0..p.len() {
                    let at = |h: f64| {
                        let mut p = p.clone();
                        p[i] += h;
                        twin.loss_and_gradient(&p, &x, labels).0
                    };
                    let difference = (at(1e-4) - at(-1e-4)) / 2e-4;
                    assert!((step[i] + difference).abs() < 1e-5);
                }
            }
        }
    }
}

/// With dropout the gradient is that of the network whose values have the factors which the
/// definition of the masks gives.
#[test]
fn dropout_is_by_the_definition_of_its_draws() {
    let (sizes, activations) = ([40, 70, 33, 5], [LOGISTIC, LOGISTIC, SOFTMAX]);
    let network = network(&sizes, &activations, 0.3, 1);
    let samples = 20;
    let one = examples(1, 40, 5, false, 2);
    // Equal examples, so that their order does not matter.
    let data = one.take(&vec![0; samples]);
    for bits in [false, true] {
        let data = match bits {
            false => data.clone(),
            true => data
                .clone()
                .binarized(dataset::Binarization::Threshold(0.5), 0, 0),
        };
        let options = BackpropOptions {
            input_dropout: 0.2,
            hidden_dropout: 0.5,
            learning: Learning {
                seed: 9,
                ..plain_options(samples).learning
            },
            ..plain_options(samples)
        };
        let mut twin = Twin::new(&network, samples);
        for (l, &n) in sizes.iter().enumerate().take(3) {
            let keep = if l == 0 { 1.0 - 0.2_f32 } else { 1.0 - 0.5_f32 };
            let draws = Draws::new(9, Site::Dropout, l as u64);
            for s in 0..samples {
                for i in 0..n {
                    let kept = draws.bernoulli(s, i, keep);
                    twin.masks[s][l][i] = if kept { 1.0 / f64::from(keep) } else { 0.0 };
                }
            }
        }
        let p = Twin::parameters(&network);
        let labels = data.labels().unwrap();
        let (expected_loss, gradient) = twin.loss_and_gradient(&p, &rows_of(&data), labels);
        let (loss, step) = loss_and_step(&network, &data, options);
        assert!(
            (loss - expected_loss).abs() < 1e-5,
            "{loss} for {expected_loss}"
        );
        for i in 0..p.len() {
            assert!((step[i] + gradient[i]).abs() < 1e-5);
        }
    }
}

/// Gray inputs that are drawn as bits at each visit are those of the definition: a draw for each
/// update, row of the minibatch and unit.
#[test]
fn gray_inputs_are_drawn_by_the_definition() {
    let (sizes, activations) = ([70, 33, 5], [LOGISTIC, SOFTMAX]);
    let network = network(&sizes, &activations, 0.3, 1);
    let samples = 20;
    // Equal examples, so that their order does not matter.
    let data = examples(1, 70, 5, false, 2).take(&vec![0; samples]);
    let options = BackpropOptions {
        learning: Learning {
            resample_data: true,
            seed: 9,
            ..plain_options(samples).learning
        },
        ..plain_options(samples)
    };
    let draws = Draws::new(9, Site::Data, 0);
    let mut rows = rows_of(&data);
    for (s, row) in rows.iter_mut().enumerate() {
        for (j, x) in row.iter_mut().enumerate() {
            *x = f64::from(u8::from(draws.bernoulli(s, j, *x as f32)));
        }
    }
    assert_ne!(rows[0], rows[1]);
    let twin = Twin::new(&network, samples);
    let p = Twin::parameters(&network);
    let (expected_loss, gradient) = twin.loss_and_gradient(&p, &rows, data.labels().unwrap());
    let (loss, step) = loss_and_step(&network, &data, options);
    assert!((loss - expected_loss).abs() < 1e-5);
    for i in 0..p.len() {
        assert!((step[i] + gradient[i]).abs() < 1e-5);
    }
}

/// A linear layer with input dropout of `1 - q` has the expected gradient
/// `x'(t - x W - b) - diag(x^2 (1 - q) / q) W` (Wager, Wang and Liang 2013), without bias along its
/// masks.
#[test]
fn dropout_keeps_the_expected_gradient() {
    let n = 4;
    let network = network(&[n, n], &[LINEAR], 0.5, 5);
    let data = examples(1, n, 2, false, 6);
    let x = rows_of(&data).remove(0);
    let updates = 4000;
    let options = BackpropOptions {
        input_dropout: 0.3,
        learning: Learning {
            epochs: updates,
            // Steps far below a rounding of the weights: the network stays where it is.
            learning_rate: Schedule::Constant(1e-25),
            ..plain_options(1).learning
        },
        ..plain_options(1)
    };
    let mut run = BackpropTraining::new(network.clone(), options, &data).unwrap();
    let (mut mean, mut square) = (vec![0.0; n * n], vec![0.0; n * n]);
    for _ in 0..updates {
        let _ = run.update(&data).unwrap();
        let step = remembered(&run, "training.velocity.weights.0");
        for (k, s) in step.into_iter().enumerate() {
            let g = f64::from(s) / 1e-25;
            mean[k] += g / updates as f64;
            square[k] += g * g / updates as f64;
        }
    }
    assert_eq!(*run.model(), network);
    let w = network.weights(0);
    for i in 0..n {
        for j in 0..n {
            let y: f64 = (0..n).map(|i| x[i] * f64::from(w.row(i)[j])).sum();
            let rest = x[j] - y - f64::from(network.bias(1)[j]);
            let spread = x[i] * x[i] * 0.3 / 0.7 * f64::from(w.row(i)[j]);
            let expected = x[i] * rest - spread;
            let k = i * n + j;
            // Five standard errors.
            let error = ((square[k] - mean[k] * mean[k]) / updates as f64).sqrt();
            assert!(
                (mean[k] - expected).abs() < 5.0 * error,
                "({i}, {j}): {} for {expected}, {error}",
                mean[k]
            );
        }
    }
}
