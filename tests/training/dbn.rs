//! What greedy training, transposed tops and the up-down algorithm learn.

use crate::common::{dbn::bits, index_of, normal_machine};
use harmonium::{
    Dbn, Examples, Rbm,
    dataset::bars_and_stripes,
    train::{
        Aggregated, Event, GreedyLayer, GreedyPlan, Learning, Negative, RbmOptions, RbmTraining,
        Reconstruction, Schedule, Stack, UpDownOptions, UpDownTraining,
    },
};
use std::ops::ControlFlow;

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

/// Exact training of a new layer, upside down at first, on what the layer below infers from the
/// data raises the bound: `ln p(v)` of what was there is the bound at its start, and the only part
/// of it that changes is `E_q ln p(h)`, which the exact gradient climbs.
#[test]
fn training_the_transposed_top_raises_the_bound() {
    let data = bars_and_stripes(2).binarized(Default::default(), 0, 0);
    let v = data.bits().unwrap();
    let mean = |x: Vec<f64>| x.iter().sum::<f64>() / x.len() as f64;
    for seed in 0..5 {
        let rbm = normal_machine(("bernoulli", 4), ("bernoulli", 3), 1.0, seed);
        let below = Dbn::from(rbm);
        let repeated: Vec<usize> = (0..16_000).map(|i| i % 8).collect();
        let many = data.take(&repeated);
        let h = below
            .sample_posterior(many.bits().unwrap(), 1, seed, 0)
            .unwrap();
        let h = Examples::new(bits(h)).unwrap();
        let options = RbmOptions {
            negative: Negative::Exact,
            learning: Learning {
                batch_size: 16_000,
                learning_rate: Schedule::Constant(0.2),
                epochs: 60,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let mut training = RbmTraining::new(below.transposed_top(), options, &h).unwrap();
        let bound = |top: &Rbm| {
            let dbn = below.clone().stacked(top.clone()).unwrap();
            mean(dbn.exact_bound(v, None, &mut ()).unwrap())
        };
        let mut bounds = vec![bound(training.model())];
        let log_p = mean(below.exact_log_p_v(v, None, &mut ()).unwrap());
        assert!((bounds[0] - log_p).abs() < 1e-9);
        let _ = training
            .run(&h, |event| {
                if let Event::Epoch(training) = event {
                    bounds.push(bound(training.model()));
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        let last = bounds[bounds.len() - 1];
        // Far above what 19 parameters gain by fitting 16,000 samples rather than their
        // expectation, 19 / 32,000.
        assert!(last > bounds[0] + 0.002, "{} to {last}", bounds[0]);
        // 16,000 samples stand for the expectation: a step of 0.2 along their gradient, off by less
        // than 5 / (2 sqrt(16,000)), loses no more than the product of both and the gradient,
        // below 4.
        assert!(
            bounds.windows(2).all(|pair| pair[1] > pair[0] - 0.016),
            "{bounds:?}"
        );
    }
}
