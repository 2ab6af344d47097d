//! Updates of the up-down algorithm against their expectation over all joint states.

use crate::common::{
    dbn::{Joint, bernoulli, brute, generated, index, inferred, normal_dbn, sigmoid},
    memory::remembered,
};
use harmonium::{
    BitMatrix, Dbn, Examples,
    train::{Learning, Schedule, UpDownOptions, UpDownTraining},
};

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
