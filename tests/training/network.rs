//! Runs of backpropagation: conjugate gradients, largest norms and what they learn.

use crate::common::{
    network::{
        LINEAR, LOGISTIC, SOFTMAX, examples, loss, loss_and_step, network, plain_options, rows_of,
    },
    normal_machine, normal_rbm,
    twin::Twin,
};
use harmonium::{
    Dbn, Network, dataset,
    model::Rbm,
    train::{BackpropOptions, BackpropTraining, Event, Learning, Schedule},
};
use std::ops::ControlFlow;

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
