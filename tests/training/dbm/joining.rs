//! RBMs with doubled inputs, and the machine that they are joined to.

#![allow(
    clippy::needless_range_loop,
    reason = "indices are those of the formulas"
)]

use crate::common::{
    self,
    dbm::{bars_and_stripes, close, logistic, mean_of_labels},
    normal_machine,
};
use harmonium::{
    dataset::{self, Examples},
    model::{Dbm, Layer, Rbm},
    train::{
        Doubled, Learning, Negative, PretrainingPlan, RbmOptions, RbmTraining, Reconstruction,
        Schedule, Stack, StackEvent,
    },
};
use std::ops::ControlFlow;

fn on(state: usize, k: usize) -> f64 {
    (state >> k & 1) as f64
}

/// Conditionals of an RBM of four pixels and perhaps labels, whose inputs count as often as
/// `up` and `down` say.
struct Conditionals<'a> {
    rbm: &'a Rbm,
    labels: usize,
    up: f64,
    down: f64,
}

impl Conditionals<'_> {
    fn weight(&self, i: usize, j: usize) -> f64 {
        f64::from(self.rbm.weights().row(i)[j])
    }

    fn h_given(&self, v: usize) -> Vec<f64> {
        let (n, c) = (self.rbm.n_visible(), &self.rbm.hidden().bias);
        let y = |j: usize| (0..n).map(|i| on(v, i) * self.weight(i, j)).sum::<f64>();
        (0..c.len())
            .map(|j| logistic(self.up * (y(j) + f64::from(c[j]))))
            .collect()
    }

    fn input(&self, h: usize, i: usize) -> f64 {
        let products = (0..self.rbm.n_hidden()).map(|j| on(h, j) * self.weight(i, j));
        products.sum::<f64>() + f64::from(self.rbm.visible().bias[i])
    }

    fn pixels_given(&self, h: usize) -> Vec<f64> {
        (0..4)
            .map(|i| logistic(self.down * self.input(h, i)))
            .collect()
    }

    /// Of one label, whose input counts once.
    fn label_given(&self, h: usize, state: usize) -> f64 {
        if self.labels == 0 {
            return 1.0;
        }
        let n = self.rbm.n_visible();
        let weights: Vec<f64> = (4..n).map(|i| self.input(h, i).exp()).collect();
        match (0..self.labels)
            .filter(|k| state >> (4 + k) & 1 == 1)
            .collect::<Vec<_>>()[..]
        {
            [k] => weights[k] / weights.iter().sum::<f64>(),
            _ => 0.0,
        }
    }

    /// `E[CD-1]` of the weights at the example `v0`.
    fn expected_step(&self, v0: usize) -> Vec<Vec<f64>> {
        let (n, m) = (self.rbm.n_visible(), self.rbm.n_hidden());
        let q0 = self.h_given(v0);
        let mut expected = vec![vec![0.0; m]; n];
        for h in 0..1 << m {
            let means = self.pixels_given(h);
            for v1 in 0..1 << n {
                let p = probability(&q0, h) * probability(&means, v1) * self.label_given(h, v1);
                let q1 = self.h_given(v1);
                for i in 0..n {
                    for j in 0..m {
                        expected[i][j] += p * (on(v0, i) * q0[j] - on(v1, i) * q1[j]);
                    }
                }
            }
        }
        expected
    }
}

/// Of the first units of `state`, independent with these means.
fn probability(mean: &[f64], state: usize) -> f64 {
    let factor = |k: usize| {
        if on(state, k) == 1.0 {
            mean[k]
        } else {
            1.0 - mean[k]
        }
    };
    (0..mean.len()).map(factor).product()
}

/// `E[CD-1]` of an RBM with doubled inputs, by enumeration of its hidden states and
/// reconstructions.
#[test]
fn pretraining_doubles_the_inputs() {
    const ROWS: usize = 20_000;
    for (doubled, labels) in [
        (Doubled::Hidden, 0),
        (Doubled::Visible, 0),
        (Doubled::Both, 0),
        (Doubled::Visible, 3),
    ] {
        let (n, m) = (4 + labels, 3);
        let units = match labels {
            0 => "bernoulli",
            _ => "bernoulli:4+softmax:3",
        };
        let rbm = common::normal_machine((units, n), ("bernoulli", m), 0.7, 90);
        let v0 = if labels == 0 { 0b0110 } else { 0b010_0110 };
        let v = common::states(ROWS, n, |_| v0);
        let data = Examples::new(v).unwrap();
        let [up, down] = doubled.factors().map(f64::from);
        let conditionals = Conditionals {
            rbm: &rbm,
            labels,
            up,
            down,
        };
        let expected = conditionals.expected_step(v0);
        let options = RbmOptions {
            negative: Negative::ContrastiveDivergence {
                steps: 1,
                reconstruction: Reconstruction::Sampled,
            },
            doubled,
            learning: Learning {
                batch_size: ROWS,
                learning_rate: Schedule::Constant(1.0),
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let mut training = RbmTraining::new(rbm.clone(), options, &data).unwrap();
        let _ = training.update(&data).unwrap();
        for i in 0..n {
            for j in 0..m {
                let got = training.model().weights().row(i)[j] - rbm.weights().row(i)[j];
                // Five deviations of a mean of numbers in [-1, 1] whose spread is at most 1/2.
                let five = 5.0 * 0.5 / (ROWS as f64).sqrt() + 1e-3;
                close("dW", got.into(), expected[i][j], five);
            }
        }
    }
    let fails = RbmOptions {
        doubled: Doubled::Both,
        negative: Negative::Exact,
        ..RbmOptions::default()
    };
    assert!(fails.check().is_err());
}

#[test]
fn pretrained_machines_are_joined() {
    let data = dataset::bars_and_stripes(3);
    let labels = (0..data.len()).map(|i| (i % 2) as u32).collect();
    let data = data.with_labels(labels).unwrap();
    let options = RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction: Reconstruction::Sampled,
        },
        learning: Learning {
            epochs: 1000,
            batch_size: 16,
            learning_rate: Schedule::Linear { from: 0.3, to: 0.0 },
            momentum: Schedule::Constant(0.5),
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let mut levels = Vec::new();
    let plan = PretrainingPlan {
        visible: None,
        hidden: vec![8, 6, 5],
        options: vec![options.clone()],
        classes: Some(3),
    };
    let mut run = Stack::pretraining(plan, &data).unwrap();
    let ended = run.run(&data, |event| {
        if let StackEvent::Update(run) | StackEvent::Epoch(run) = event {
            levels.push(run.layer());
        }
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_finished());
    let rbms = run.rbms();
    levels.dedup();
    assert_eq!(levels, [0, 1, 2]);
    assert_eq!(rbms[2].n_visible(), 6 + 3);
    let dbm = Dbm::joined(&rbms).unwrap();
    let sizes: Vec<usize> = dbm.layers().iter().map(Layer::size).collect();
    assert_eq!(sizes, [9, 8, 6, 5]);
    for l in 0..3 {
        assert!((0..sizes[l]).all(|i| dbm.weights(l).row(i) == rbms[l].weights().row(i)));
    }
    for j in 0..8 {
        let sum = rbms[0].hidden().bias[j] + rbms[1].visible().bias[j];
        assert_eq!(dbm.layer(1).bias[j], sum);
    }
    assert_eq!(dbm.layer(3).bias, rbms[2].hidden().bias);
    let after = dbm
        .exact_mean_log_likelihood(data.bits().unwrap(), &mut ())
        .unwrap()
        .mean;
    // Independent units have -6.24, the best machine -2.599.
    assert!(after > -4.6, "{after}");
    let plan = PretrainingPlan {
        visible: None,
        hidden: vec![8, 6],
        options: vec![options],
        classes: None,
    };
    let mut stopped = Stack::pretraining(plan, &data).unwrap();
    let ended = stopped.run(&data, |_| ControlFlow::Break(()));
    assert!(ended.unwrap().is_stopped());
    assert_eq!((stopped.layer(), stopped.position().updates), (0, 1));
    assert!(Dbm::joined(&rbms[1..2]).is_ok() && Dbm::joined(&[]).is_err());
    assert!(Dbm::joined(&[rbms[0].clone(), rbms[2].clone()]).is_err());
}

/// Upper RBMs, whose visible units double their inputs, start from the means of what they see; the
/// label, whose input counts once, too.
#[test]
fn upper_rbms_start_from_the_means_of_their_data() {
    let data = dataset::bars_and_stripes(4);
    let labels = (0..data.len()).map(|i| (i % 3) as u32).collect();
    let data = data.with_labels(labels).unwrap();
    let options = |epochs| RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction: Reconstruction::Sampled,
        },
        learning: Learning {
            epochs,
            learning_rate: Schedule::Constant(0.1),
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    for learned in 1..3 {
        let options = (0..3).map(|l| options(if l < learned { 40 } else { 0 }));
        let plan = PretrainingPlan {
            visible: None,
            hidden: vec![12, 10, 8],
            options: options.collect(),
            classes: Some(3),
        };
        let mut run = Stack::pretraining(plan, &data).unwrap();
        let stopped = run.run(&data, |event| match event {
            StackEvent::Layer(run) if run.layer() == learned => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        assert!(stopped.unwrap().is_stopped());
        let (mean, bias) = (
            run.seen().unwrap().mean(),
            &run.training().model().visible().bias,
        );
        let features = [12, 10][learned - 1];
        for (m, b) in mean.iter().zip(bias).take(features) {
            // Half a pseudo-example in each state draws the means to a half.
            let n = data.len() as f64;
            let smoothed = (m * n + 0.5) / (n + 1.0);
            close("mean", logistic(2.0 * f64::from(*b)), smoothed, 1e-6);
        }
        let sum: f64 = bias[features..].iter().map(|b| f64::from(*b).exp()).sum();
        for (m, b) in mean[features..].iter().zip(&bias[features..]) {
            close("label", f64::from(*b).exp() / sum, *m, 0.02);
        }
        assert_eq!(bias.len() - features, if learned == 2 { 3 } else { 0 });
    }
}

#[test]
fn pretrained_machines_are_joined_with_their_labels() {
    let data = bars_and_stripes();
    let options = RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction: Reconstruction::Sampled,
        },
        learning: Learning {
            epochs: 1000,
            batch_size: 16,
            learning_rate: Schedule::Linear { from: 0.3, to: 0.0 },
            momentum: Schedule::Constant(0.5),
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let plan = PretrainingPlan {
        visible: None,
        hidden: vec![10, 8],
        options: vec![options],
        classes: Some(2),
    };
    let mut run = Stack::pretraining(plan, &data).unwrap();
    let ended = run.run(&data, |_| ControlFlow::Continue(())).unwrap();
    assert!(ended.is_finished());
    let rbms = run.rbms();
    let dbm = Dbm::joined_with_labels(&rbms).unwrap();
    assert_eq!(dbm.without_labels(), Dbm::joined(&rbms).unwrap());
    let top = &rbms[1];
    assert_eq!(dbm.layer(3).bias, top.visible().bias[10..]);
    for (j, y) in (0..8).flat_map(|j| [(j, 0), (j, 1)]) {
        assert_eq!(dbm.weights(2).row(j)[y], top.weights().row(10 + y)[j]);
    }
    // Before any joint training better than classes by chance, which is -ln 2 on average.
    let log_p = dbm
        .exact_log_p_y_from_v(data.bits().unwrap(), &mut ())
        .unwrap();
    let mean = mean_of_labels(&log_p, data.labels().unwrap());
    assert!(mean > -std::f64::consts::LN_2, "{mean}");
    for wrong in [&rbms[..1], &[]] {
        assert!(Dbm::joined_with_labels(wrong).is_err());
    }
    // A group that is part of the layer below is no label.
    let lower = normal_machine(("bernoulli", 4), ("bernoulli:2+softmax:3", 5), 1.0, 1);
    let upper = normal_machine(("bernoulli:2+softmax:3", 5), ("bernoulli", 3), 1.0, 1);
    let error = Dbm::joined_with_labels(&[lower, upper]).unwrap_err();
    assert!(error.to_string().contains("softmax"), "{error}");
}
