//! Feed-forward networks: what they start as, and what backpropagation makes of them, against plain loops in f64.

use crate::common;
use crate::common::{normal_machine, normal_rbm};
use harmonium::{
    BitMatrix, Checkpoint, Dbm, Dbn, Error, Examples, Matrix, Network, Values, dataset,
    model::{Activation, Directed, Kind, Layer, MeanField, NetworkLayer, Rbm, Units},
    rng::{Draws, HostRng, Site},
    train::{Backprop, BackpropEvent, BackpropOptions, Descent, NetworkParameters, Rule, Schedule},
};
use std::ops::ControlFlow;

const LOGISTIC: Activation = Activation::Logistic;
const LINEAR: Activation = Activation::Linear;
const SOFTMAX: Activation = Activation::Softmax;

/// A network of these sizes whose parameters are `deviation N(0, 1)`.
fn network(sizes: &[usize], activations: &[Activation], deviation: f64, seed: u64) -> Network {
    let mut rng = HostRng::new(seed, 90);
    let mut draw = || (deviation * rng.normal()) as f32;
    let layers = activations.iter().enumerate().map(|(l, &activation)| {
        let weights = Matrix::from_fn(sizes[l], sizes[l + 1], |_, _| draw());
        NetworkLayer {
            activation,
            weights,
            bias: (0..sizes[l + 1]).map(|_| draw()).collect(),
        }
    });
    Network::new(Units::of(Kind::Bernoulli, sizes[0]), layers.collect()).unwrap()
}

/// Labelled examples, bits or grey.
fn examples(n: usize, columns: usize, classes: usize, bits: bool, seed: u64) -> Examples {
    let mut rng = HostRng::new(seed, 91);
    let x = Matrix::from_fn(n, columns, |_, _| {
        let u = rng.uniform() as f32;
        if bits { u.round() } else { u }
    });
    let labels = (0..n).map(|_| rng.below(classes) as u8).collect();
    let values = match bits {
        true => Values::Bits(BitMatrix::from_matrix(&x).unwrap()),
        false => Values::Real(x),
    };
    Examples::new(values, Some(labels)).unwrap()
}

fn rows_of(data: &Examples) -> Vec<Vec<f64>> {
    let matrix = match data.values() {
        Values::Bits(x) => x.to_matrix(),
        Values::Real(x) => x.clone(),
    };
    (0..data.len())
        .map(|s| matrix.row(s).iter().map(|&x| f64::from(x)).collect())
        .collect()
}

/// The plain twin: parameters of all layers in one vector, layer by layer the weights row by row and then the bias; loops over f64.
struct Twin {
    sizes: Vec<usize>,
    activations: Vec<Activation>,
    /// Of each sample and layer but the output, the factors of its values: masks of dropout over what they keep.
    masks: Vec<Vec<Vec<f64>>>,
    decay: f64,
}

impl Twin {
    fn new(network: &Network, samples: usize) -> Self {
        let layers = network.n_layers();
        let sizes: Vec<usize> = (0..layers).map(|l| network.size(l)).collect();
        let ones: Vec<Vec<f64>> = sizes.iter().map(|&n| vec![1.0; n]).collect();
        Self {
            activations: (1..layers).map(|l| network.activation(l)).collect(),
            masks: vec![ones; samples],
            sizes,
            decay: 0.0,
        }
    }

    fn parameters(network: &Network) -> Vec<f64> {
        let mut all = Vec::new();
        for l in 0..network.n_layers() - 1 {
            all.extend(network.weights(l).elements().map(f64::from));
            all.extend(network.bias(l + 1).iter().map(|&x| f64::from(x)));
        }
        all
    }

    /// Mean loss over the samples and its gradient.
    fn loss_and_gradient(&self, p: &[f64], x: &[Vec<f64>], labels: &[u8]) -> (f64, Vec<f64>) {
        let last = self.activations.len();
        let first: Vec<usize> = (0..last)
            .scan(0, |at, l| {
                let here = *at;
                *at += (self.sizes[l] + 1) * self.sizes[l + 1];
                Some(here)
            })
            .collect();
        let (mut loss, mut gradient) = (0.0, vec![0.0; p.len()]);
        let share = 1.0 / x.len() as f64;
        for (s, x) in x.iter().enumerate() {
            let masked = |l: usize, v: &[f64]| -> Vec<f64> {
                v.iter()
                    .zip(&self.masks[s][l])
                    .map(|(v, m)| v * m)
                    .collect()
            };
            let mut sent = vec![masked(0, x)];
            let mut values = vec![x.clone()];
            for l in 0..last {
                let (n, m) = (self.sizes[l], self.sizes[l + 1]);
                let w = &p[first[l]..];
                let mut y: Vec<f64> = (0..m).map(|j| w[n * m + j]).collect();
                for (i, v) in sent[l].iter().enumerate() {
                    y.iter_mut()
                        .enumerate()
                        .for_each(|(j, y)| *y += v * w[i * m + j]);
                }
                match self.activations[l] {
                    Activation::Logistic => {
                        y.iter_mut().for_each(|y| *y = 1.0 / (1.0 + (-*y).exp()))
                    }
                    Activation::Linear => {}
                    Activation::Softmax => {
                        let sum: f64 = y.iter().map(|y| y.exp()).sum();
                        y.iter_mut().for_each(|y| *y = y.exp() / sum);
                    }
                }
                sent.push(masked(l + 1, &y));
                values.push(y);
            }
            let out = values[last].clone();
            let target: Vec<f64> = match self.activations[last - 1] {
                Activation::Softmax => (0..out.len())
                    .map(|k| f64::from(u8::from(k == usize::from(labels[s]))))
                    .collect(),
                _ => x.clone(),
            };
            for (t, o) in target.iter().zip(&out) {
                loss += share
                    * match self.activations[last - 1] {
                        Activation::Softmax if *t == 0.0 => 0.0,
                        Activation::Softmax => -o.ln(),
                        Activation::Logistic => -t * o.ln() - (1.0 - t) * (1.0 - o).ln(),
                        Activation::Linear => 0.5 * (t - o).powi(2),
                    };
            }
            let mut delta: Vec<f64> = out
                .iter()
                .zip(&target)
                .map(|(o, t)| share * (o - t))
                .collect();
            for l in (0..last).rev() {
                let (n, m) = (self.sizes[l], self.sizes[l + 1]);
                let at = first[l];
                let mut below = vec![0.0; n];
                for i in 0..n {
                    for j in 0..m {
                        gradient[at + i * m + j] += sent[l][i] * delta[j];
                        below[i] += p[at + i * m + j] * delta[j];
                    }
                }
                for j in 0..m {
                    gradient[at + n * m + j] += delta[j];
                }
                if l > 0 {
                    for i in 0..n {
                        below[i] *= self.masks[s][l][i];
                        if self.activations[l - 1] == LOGISTIC {
                            below[i] *= values[l][i] * (1.0 - values[l][i]);
                        }
                    }
                }
                delta = below;
            }
        }
        for (l, &at) in first.iter().enumerate() {
            for k in at..at + self.sizes[l] * self.sizes[l + 1] {
                loss += 0.5 * self.decay * p[k] * p[k];
                gradient[k] += self.decay * p[k];
            }
        }
        (loss, gradient)
    }
}

/// Minus the gradient that an update of rate 1 without momentum takes, parameters as in [`Twin::parameters`].
fn step_of(parameters: &NetworkParameters) -> Vec<f64> {
    let mut all = Vec::new();
    for (w, b) in parameters.weights.iter().zip(&parameters.bias) {
        all.extend(w.elements().map(f64::from));
        all.extend(b.iter().map(|&x| f64::from(x)));
    }
    all
}

fn plain_options(batch_size: usize) -> BackpropOptions {
    BackpropOptions {
        epochs: 1,
        batch_size,
        learning_rate: Schedule::Constant(1.0),
        momentum: Schedule::Constant(0.0),
        ..BackpropOptions::default()
    }
}

/// Loss and gradient of one update over all examples, whose order does not matter without dropout.
fn loss_and_step(network: &Network, data: &Examples, options: BackpropOptions) -> (f64, Vec<f64>) {
    let mut run = Backprop::new(network.clone(), options, data).unwrap();
    run.update(data).unwrap();
    let step = step_of(run.state().first.as_ref().unwrap());
    (run.loss(), step)
}

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

/// The twin's gradient is that of its loss, by central differences of step h = 1e-4 in f64: off by h^2 f'''/6 with third derivatives of a few, 1e-8, and by the
/// roundings of the loss over h, 1e-15 / 1e-4.
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

/// The gradient against central differences of the twin's loss and against the twin's gradient, every kind of layer and loss. Products of up to 200 terms below 1
/// in f32 are off by 2^-24 of each partial sum, 1e-5 in all.
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

/// With dropout the gradient is that of the network whose values have the factors which the definition of the masks gives.
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
            seed: 9,
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

/// A linear layer with input dropout of `1 - q` has the expected gradient `x'(t - x W - b) - diag(x^2 (1 - q) / q) W` (Wager, Wang and Liang 2013), without bias along its masks.
#[test]
fn dropout_keeps_the_expected_gradient() {
    let n = 4;
    let network = network(&[n, n], &[LINEAR], 0.5, 5);
    let data = examples(1, n, 2, false, 6);
    let x = rows_of(&data).remove(0);
    let updates = 4000;
    let options = BackpropOptions {
        epochs: updates,
        input_dropout: 0.3,
        // Steps far below a rounding of the weights: the network stays where it is.
        learning_rate: Schedule::Constant(1e-25),
        ..plain_options(1)
    };
    let mut run = Backprop::new(network.clone(), options, &data).unwrap();
    let (mut mean, mut square) = (vec![0.0; n * n], vec![0.0; n * n]);
    for _ in 0..updates {
        run.update(&data).unwrap();
        let step = &run.state().first.as_ref().unwrap().weights[0];
        for (k, s) in step.elements().enumerate() {
            let g = f64::from(s) / 1e-25;
            mean[k] += g / updates as f64;
            square[k] += g * g / updates as f64;
        }
    }
    assert_eq!(*run.network(), network);
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

/// Conjugate gradients on a convex problem, softmax regression with decay, end at the optimum that many steps of exact gradient descent in f64 find.
#[test]
fn conjugate_gradients_find_the_optimum_of_a_convex_problem() {
    let (samples, n, classes) = (200, 12, 3);
    let data = examples(samples, n, classes, false, 8);
    let network = network(&[n, classes], &[SOFTMAX], 1.0, 4);
    let (x, labels) = (rows_of(&data), data.labels().unwrap().to_vec());
    let mut twin = Twin::new(&network, samples);
    twin.decay = f64::from(0.05_f32);
    let mut p = Twin::parameters(&network);
    // The Hessian's largest eigenvalue is below (|x|^2 + 1) / 2 + decay < 4, its least above the decay: an error shrinks by (1 - 0.25 0.05)^3000 = e^-37.
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
        epochs: 25,
        batch_size: samples,
        output_epochs: 0,
        weight_decay: 0.05,
        ..BackpropOptions::conjugate_gradients()
    };
    let mut run = Backprop::new(network.clone(), options, &data).unwrap();
    let mut evaluations = None;
    let done = run.run(&data, |event| {
        if let BackpropEvent::Epoch(run) = event
            && run.loss() < optimum + 1e-5
        {
            evaluations.get_or_insert(run.evaluations());
        }
        ControlFlow::Continue(())
    });
    assert!(done.unwrap().is_continue());
    let found = Twin::parameters(run.network());
    let (loss, gradient) = twin.loss_and_gradient(&found, &x, &labels);
    // The loss is flat at the optimum: what f32 leaves of the gradient, 1e-5 or so, squared over twice the least curvature, 0.05.
    assert!(norm(&gradient) < 1e-4, "{}", norm(&gradient));
    assert!(loss - optimum < 1e-6, "{loss} for {optimum}");
    assert!((run.loss() - loss).abs() < 1e-6);
    // Ten restarts of three searches, of which each takes a few evaluations, are plenty for 39 parameters.
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
        epochs: 30,
        batch_size: 60,
        output_epochs: 5,
        ..BackpropOptions::conjugate_gradients()
    };
    let (mut last, _) = loss_and_step(&network, &data, plain_options(60));
    let mut run = Backprop::new(network.clone(), options, &data).unwrap();
    for epoch in 0..30 {
        run.update(&data).unwrap();
        assert!(run.loss() <= last + 1e-7, "{} after {last}", run.loss());
        last = run.loss();
        // Lower layers wait until the output has learned.
        let same = run.network().weights(0) == network.weights(0)
            && run.network().bias(1) == network.bias(1);
        assert_eq!(same, epoch < 5);
    }
    // Sixty random labels of twenty bits are learned by heart.
    assert!(last < 0.05, "{last}");
}

fn run_options() -> Vec<BackpropOptions> {
    let base = BackpropOptions {
        epochs: 3,
        output_epochs: 1,
        batch_size: 30,
        seed: 5,
        ..BackpropOptions::default()
    };
    let steps = |rule| BackpropOptions {
        descent: Descent::Steps(rule),
        input_dropout: 0.2,
        hidden_dropout: 0.5,
        max_norm: Some(2.0),
        weight_decay: 1e-3,
        learning_rate: Schedule::Linear {
            from: 0.05,
            to: 0.0,
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
            weight_decay: 1e-3,
            ..base
        },
    ]
}

/// A run stored between two updates and loaded goes on as if nothing had happened, to the bit, at any number of threads.
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
                    let mut run = Backprop::new(network.clone(), options.clone(), &data).unwrap();
                    let _ = run.run(&data, |_| ControlFlow::Continue(())).unwrap();
                    assert_eq!(run.position().updates, 12);
                    finished.push((run.network().clone(), run.state().clone()));
                });
            }
            assert!(finished.iter().all(|x| *x == finished[0]), "{options:?}");
            for stop in [1, 6] {
                let mut run = Backprop::new(network.clone(), options.clone(), &data).unwrap();
                for _ in 0..stop {
                    run.update(&data).unwrap();
                }
                let path = dir.path().join("run.safetensors");
                Checkpoint::from(&run).save(&path).unwrap();
                let loaded = Checkpoint::load(&path).unwrap();
                assert_eq!(loaded.model.network().unwrap(), run.network());
                let mut resumed = loaded.into_backprop(&data).unwrap();
                assert_eq!(resumed.state(), run.state());
                let _ = resumed.run(&data, |_| ControlFlow::Continue(())).unwrap();
                let found = (resumed.network().clone(), resumed.state().clone());
                assert_eq!(found, finished[0]);
            }
        }
    }
}

#[test]
fn norms_stay_below_the_largest() {
    let data = examples(50, 20, 3, false, 8);
    let options = BackpropOptions {
        max_norm: Some(0.5),
        epochs: 2,
        batch_size: 10,
        ..BackpropOptions::default()
    };
    let mut run = Backprop::new(
        network(&[20, 9, 3], &[LOGISTIC, SOFTMAX], 1.0, 3),
        options,
        &data,
    );
    let run = run.as_mut().unwrap();
    run.update(&data).unwrap();
    for l in 0..2 {
        let w = run.network().weights(l);
        for j in 0..w.columns() {
            let square: f32 = (0..w.rows()).map(|i| w.row(i)[j].powi(2)).sum();
            assert!(square.sqrt() <= 0.5 + 1e-6);
        }
    }
}

fn close(a: &Matrix, b: &Matrix, bound: f32) {
    assert_eq!((a.rows(), a.columns()), (b.rows(), b.columns()));
    let worst = a.elements().zip(b.elements()).map(|(a, b)| (a - b).abs());
    let worst = worst.fold(0.0, f32::max);
    assert!(worst <= bound, "{worst} above {bound}");
}

/// Layers of a network from a deep belief network are its recognition, also of Gaussian data with variances and beside a label.
#[test]
fn a_classifier_starts_as_the_recognition_of_a_deep_belief_network() {
    let bottom = normal_machine(("gaussian", 9), ("bernoulli", 8), 0.5, 1);
    let top = normal_machine(("bernoulli:8+softmax:3", 11), ("bernoulli", 7), 0.5, 2);
    let pair = Directed::from_rbm(&bottom).unwrap();
    let labelled = Dbn::new(vec![pair], top).unwrap();
    let alone = Dbn::from(normal_machine(("gaussian", 9), ("bernoulli", 8), 0.5, 1));
    let x = Matrix::from_fn(6, 9, |i, j| ((i * 5 + j * 3) % 7) as f32 / 2.0 - 1.0);
    for dbn in [labelled.clone(), alone] {
        let network = Network::classifier_from_dbn(&dbn, 4, 3).unwrap();
        assert_eq!(network.n_layers(), dbn.n_layers() + 1);
        assert_eq!(
            (network.n_outputs(), network.activation(dbn.n_layers())),
            (4, SOFTMAX)
        );
        for l in 1..dbn.n_layers() - usize::from(dbn.label_group().is_some()) {
            let expected = dbn.mean_h_from_v(&x, l).unwrap();
            close(&network.values(&x, l).unwrap(), &expected, 1e-6);
        }
        let log_p = network.log_p_y_from_v(&x).unwrap();
        let p = network.output(&x).unwrap();
        for s in 0..6 {
            let sum: f32 = log_p.row(s).iter().map(|x| x.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-6);
            assert!(
                p.row(s)
                    .iter()
                    .zip(log_p.row(s))
                    .all(|(p, l)| (p.ln() - l).abs() < 1e-5)
            );
        }
    }
    // The top hidden layer given the features alone: a label of zeros.
    let network = Network::classifier_from_dbn(&labelled, 3, 3).unwrap();
    let features = labelled.features(&x).unwrap();
    let padded = Matrix::from_fn(6, 11, |i, j| if j < 8 { features.row(i)[j] } else { 0.0 });
    let expected = labelled.top().mean_h_from_v(&padded, 1.0).unwrap();
    close(&network.features(&x).unwrap(), &expected, 1e-6);
}

/// At the end of mean field the hidden layers of the network are its means: they are the fixed point of the same equations.
#[test]
fn a_classifier_starts_as_the_mean_field_of_a_deep_boltzmann_machine() {
    let rbms = [normal_rbm(8, 6, 0.3, 1), normal_rbm(6, 5, 0.3, 2)];
    let weights = rbms.iter().map(|r| r.weights().clone()).collect();
    let layers = [rbms[0].visible(), rbms[0].hidden(), rbms[1].hidden()];
    let dbm = Dbm::new(layers.map(Layer::clone).to_vec(), weights).unwrap();
    let v = common::all_states(8);
    let mean_field = MeanField {
        iterations: 500,
        tolerance: 1e-7,
        ..MeanField::default()
    };
    let x = dbm.with_posterior(&v, 2, &mean_field).unwrap();
    let (means, _) = dbm.posterior_means(&v, &mean_field).unwrap();
    let network = Network::classifier_from_dbm(&dbm, 3, 1).unwrap();
    assert_eq!(network.n_inputs(), 13);
    // Two more half iterations at the fixed point move means by less than the tolerance and roundings.
    close(&network.values(&x, 1).unwrap(), &means[0], 2e-6);
    close(&network.values(&x, 2).unwrap(), &means[1], 2e-6);
    let shallow = Dbm::bernoulli(&[4, 3]).unwrap();
    assert!(Network::classifier_from_dbm(&shallow, 3, 1).is_err());

    // A third hidden layer: the second has its input from below twice.
    let mut rng = HostRng::new(6, 0);
    let third = Matrix::from_fn(5, 4, |_, _| rng.normal() as f32);
    let deep = Dbm::new(
        [dbm.layers(), &[Layer::bernoulli(4)]].concat(),
        vec![dbm.weights(0).clone(), dbm.weights(1).clone(), third],
    )
    .unwrap();
    let x = deep.with_posterior(&v, 2, &mean_field).unwrap();
    let network = Network::classifier_from_dbm(&deep, 3, 1).unwrap();
    let (below, found) = (
        network.values(&x, 1).unwrap(),
        network.values(&x, 2).unwrap(),
    );
    let expected = Matrix::from_fn(v.rows(), 5, |i, j| {
        let sum: f32 = (0..6)
            .map(|k| below.row(i)[k] * deep.weights(1).row(k)[j])
            .sum();
        1.0 / (1.0 + (-2.0 * sum - deep.layer(2).bias[j]).exp())
    });
    close(&found, &expected, 2e-6);
    assert_eq!(network.values(&x, 3).unwrap().columns(), 4);
}

/// An autoencoder is the way up through the machines and down again.
#[test]
fn an_autoencoder_starts_as_the_machines_up_and_down() {
    for (data, codes, activation) in [
        ("bernoulli", "gaussian", LINEAR),
        ("gaussian", "gaussian", LINEAR),
        ("bernoulli", "bernoulli", LOGISTIC),
    ] {
        let rbms = [
            normal_machine((data, 9), ("bernoulli", 7), 0.5, 1),
            normal_machine(("bernoulli", 7), (codes, 3), 0.5, 2),
        ];
        let network = Network::autoencoder_from_rbms(&rbms).unwrap();
        assert_eq!((network.n_layers(), network.activation(2)), (5, activation));
        let x = Matrix::from_fn(6, 9, |i, j| ((i * 5 + j * 3) % 7) as f32 / 6.0);
        let h = rbms[0].mean_h_from_v(&x, 1.0).unwrap();
        let code = rbms[1].mean_h_from_v(&h, 1.0).unwrap();
        close(&network.codes(&x).unwrap(), &code, 2e-6);
        let h = rbms[1].mean_v_from_h(&code, 1.0).unwrap();
        let out = rbms[0].mean_v_from_h(&h, 1.0).unwrap();
        close(&network.output(&x).unwrap(), &out, 5e-6);
        let errors = network.squared_errors(&x).unwrap();
        for (s, error) in errors.iter().enumerate() {
            let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
            let expected: f64 = x.row(s).iter().zip(out.row(s)).map(square).sum();
            assert!((error - expected).abs() < 1e-4);
        }
        if codes == "bernoulli" {
            let pair = Directed::from_rbm(&rbms[0]).unwrap();
            let mut dbn = Dbn::new(vec![pair], rbms[1].clone()).unwrap();
            let of_dbn = Network::autoencoder_from_dbn(&dbn).unwrap();
            assert_eq!(of_dbn, network);
            dbn.untie();
            assert_eq!(Network::autoencoder_from_dbn(&dbn).unwrap(), network);
        }
    }
    let rbms = [normal_rbm(5, 4, 1.0, 1), normal_rbm(3, 4, 1.0, 1)];
    assert!(matches!(
        Network::autoencoder_from_rbms(&rbms),
        Err(Error::Shape { .. })
    ));
    assert!(Network::autoencoder_from_rbms(&[]).is_err());
    let classifier = network(&[5, 3], &[SOFTMAX], 1.0, 1);
    assert!(classifier.codes(&Matrix::zeros(1, 5)).is_err());
}

/// Fine-tuning a pretrained stack reconstructs bars and stripes; a network from a belief network tells bars from stripes.
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
        epochs: 60,
        batch_size: data.len(),
        output_epochs: 0,
        ..BackpropOptions::conjugate_gradients()
    };
    let mut run = Backprop::new(start.unwrap(), options, &data).unwrap();
    let before = mean(run.network());
    let _ = run.run(&data, |_| ControlFlow::Continue(())).unwrap();
    let after = mean(run.network());
    // The variance of the images is 4; what is left is some pixels of a few images.
    assert!(before > 2.0 && after < 0.3, "{before} to {after}");
    // Bars are constant along rows; the two images of one colour are both and out.
    let bars: Vec<usize> = (0..data.len())
        .filter(|&s| !(1..16).all(|j| bits.get(s, j) == bits.get(s, 0)))
        .collect();
    let labels = bars
        .iter()
        .map(|&s| u8::from((0..16).all(|j| bits.get(s, j) == bits.get(s, j / 4 * 4))));
    let bars_alone = data.take(&bars);
    let Values::Bits(x) = bars_alone.values().clone() else {
        panic!("bits");
    };
    let labelled = Examples::new(Values::Bits(x.clone()), Some(labels.collect())).unwrap();
    let dbn = Dbn::from(Rbm::bernoulli(16, 20).initialized_from(&data, 1).unwrap());
    let network = Network::classifier_from_dbn(&dbn, 2, 1).unwrap();
    let options = BackpropOptions {
        epochs: 600,
        batch_size: 7,
        learning_rate: Schedule::Linear { from: 0.5, to: 0.0 },
        ..BackpropOptions::default()
    };
    let mut run = Backprop::new(network, options, &labelled).unwrap();
    let _ = run.run(&labelled, |_| ControlFlow::Continue(())).unwrap();
    let found = harmonium::model::most_probable(&run.network().log_p_y_from_v(&x).unwrap());
    let labels = labelled.labels().unwrap();
    assert!(found.iter().zip(labels).all(|(y, l)| *y == usize::from(*l)));
}

#[test]
fn what_cannot_work_is_refused() {
    let net = || network(&[6, 4, 3], &[LOGISTIC, SOFTMAX], 0.5, 1);
    let data = examples(10, 6, 3, false, 1);
    let with = |options: BackpropOptions| Backprop::new(net(), options, &data).err();
    let said = |error: Option<Error>, words: &[&str]| {
        let text = error.expect("refused").to_string();
        assert!(words.iter().all(|w| text.contains(w)), "{text}");
    };
    let base = BackpropOptions::default;
    said(
        with(BackpropOptions {
            batch_size: 0,
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
            weight_decay: f32::NAN,
            ..base()
        }),
        &["weight decay"],
    );
    said(
        with(BackpropOptions {
            max_norm: Some(0.0),
            ..base()
        }),
        &["largest norm"],
    );
    said(
        with(BackpropOptions {
            momentum: 1.0.into(),
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
    let refused = |network: Network, data: &Examples| Backprop::new(network, base(), data).err();
    said(refused(net(), &examples(10, 7, 3, false, 1)), &["7"]);
    said(
        refused(net(), &examples(10, 6, 9, false, 1)),
        &["label", "below 3"],
    );
    let unlabelled = Examples::new(data.values().clone(), None).unwrap();
    said(refused(net(), &unlabelled), &["labels"]);
    said(
        refused(network(&[6, 4], &[LOGISTIC], 0.5, 1), &data),
        &["outputs", "6", "4"],
    );
    let layer = |n, m, activation| NetworkLayer {
        activation,
        weights: Matrix::zeros(n, m),
        bias: vec![0.0; m],
    };
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
    assert!(Network::classifier_from_dbn(&Rbm::bernoulli(4, 3).into(), 1, 0).is_err());
}

/// A file with exactly the entries of the contract loads; one with less says what is missing.
#[test]
fn model_files_hold_weights_and_biases_from_the_first_layer_on() {
    use safetensors::{Dtype, tensor::TensorView};
    use std::collections::HashMap;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("network.safetensors");
    let bytes = |n: usize| -> Vec<u8> { (0..n).flat_map(|k| (k as f32).to_le_bytes()).collect() };
    let store = |units: &str, names: &[(&str, Vec<usize>)]| {
        let data: Vec<Vec<u8>> = names
            .iter()
            .map(|(_, s)| bytes(s.iter().product()))
            .collect();
        let tensors = names.iter().zip(&data).map(|((name, shape), data)| {
            (
                *name,
                TensorView::new(Dtype::F32, shape.clone(), data).unwrap(),
            )
        });
        let metadata = [
            ("format", "harmonium"),
            ("version", "1"),
            ("kind", "network"),
            ("units", units),
        ];
        let metadata: HashMap<_, _> = metadata.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        safetensors::serialize_to_file(tensors, Some(metadata), &path).unwrap();
        Checkpoint::load(&path)
    };
    let all = [
        ("weights.0", vec![4, 3]),
        ("bias.1", vec![3]),
        ("weights.1", vec![3, 2]),
        ("bias.2", vec![2]),
    ];
    let network = store("bernoulli,bernoulli,softmax:2", &all)
        .unwrap()
        .model
        .into_network()
        .unwrap();
    assert_eq!(network.n_layers(), 3);
    assert_eq!(
        (network.activation(1), network.activation(2)),
        (LOGISTIC, SOFTMAX)
    );
    assert_eq!(network.weights(0).row(1), [3.0, 4.0, 5.0]);
    assert_eq!(network.bias(2), [0.0, 1.0]);
    for (units, names, word) in [
        ("bernoulli,bernoulli,softmax:2", &all[..3], "bias.2"),
        ("bernoulli,bernoulli,spin", &all[..], "spin"),
        ("bernoulli,softmax:3,softmax:2", &all[..], "softmax"),
        ("bernoulli,bernoulli,softmax:3", &all[..], "units"),
        ("bernoulli", &all[..], "layers"),
    ] {
        let text = store(units, names).unwrap_err().to_string();
        assert!(
            text.contains(word) && text.contains("network.safetensors"),
            "{text}"
        );
    }
    Checkpoint::from(network.clone()).save(&path).unwrap();
    let loaded = Checkpoint::load(&path).unwrap();
    assert_eq!(loaded.model.network().unwrap(), &network);
    assert!(loaded.model.dbn().is_err() && loaded.backprop.is_none());
    assert!(loaded.into_backprop(&examples(4, 4, 2, true, 1)).is_err());
}
