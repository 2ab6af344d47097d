//! Weights of examples: equal ones change no bit, whole ones are examples that come so many times,
//! and the updates of an epoch add up to the weighted sum.

use crate::{EXAMPLES, Family, data, go};
use harmonium::{
    Examples,
    train::{
        BackpropLearner, BoltzmannLearner, DbmLearner, Done, Learning, Negative, Positive,
        RbmLearner, Reconstruction, Run, Stack, UpDownLearner,
    },
};

/// Between 0 and 3.
fn weight(i: usize) -> usize {
    (i * 7 + 3) % 4
}

fn weighted() -> Examples {
    let weights = (0..EXAMPLES).map(|i| weight(i) as f32).collect();
    data().with_weights(weights).unwrap()
}

/// Every example as often as its weight says.
fn repeated() -> Examples {
    let rows: Vec<usize> = (0..EXAMPLES)
        .flat_map(|i| std::iter::repeat_n(i, weight(i)))
        .collect();
    data().take(&rows)
}

/// A whole run.
fn trained<L: Family>(
    data: &Examples,
    change: impl Fn(&mut L::Options, &mut Learning),
) -> L::Model {
    let mut learning = L::base();
    let mut options = L::told(learning.clone());
    change(&mut options, &mut learning);
    let mut run = Run::<L>::new(L::start(), options, data).unwrap();
    assert!(run.run(data, go).unwrap().is_finished());
    run.into_result()
}

/// Weights that are all equal are none, whatever they are.
fn equal<L: Family>() {
    let plain = trained::<L>(&data(), |_, _| {});
    for w in [1.0, 0.3, 1e6] {
        let data = data().with_weights(vec![w; EXAMPLES]).unwrap();
        assert_eq!(trained::<L>(&data, |_, _| {}), plain, "{w}");
    }
}

/// The parameters after one update by `minibatch` of a run that starts at examples of mean weight
/// 1/2: those of [`halves`].
fn step<L: Family>(options: &L::Options, minibatch: &Examples) -> Vec<f32> {
    let mut run = Run::<L>::new(L::start(), options.clone(), &halves()).unwrap();
    assert_eq!(run.update_with(minibatch).unwrap(), Done::Updated);
    L::parameters(run.model()).concat()
}

const HALF: usize = crate::BATCH / 2;

/// Of weight 1, then 0.
fn halves() -> Examples {
    let weights = (0..2 * HALF).map(|i| f32::from(i < HALF)).collect();
    data().head(2 * HALF).with_weights(weights).unwrap()
}

/// The first of them, all of one weight.
fn usual(weight: f32) -> Examples {
    let data = data().head(HALF);
    data.with_weights(vec![weight; HALF]).unwrap()
}

/// Draws belong to rows: examples of weight 0 behind the others leave an update as it is without
/// them, whatever is sampled. Products of bits by look-up and in f32 differ by their last digits,
/// 2^-14 or so of a sum of an example.
fn zeros<L: Family>(options: &L::Options) {
    let (expected, found) = (
        step::<L>(options, &usual(0.5)),
        step::<L>(options, &halves()),
    );
    let start = L::parameters(&L::start()).concat();
    let mut moved = expected.iter().zip(&start);
    assert!(moved.any(|(a, b)| (a - b).abs() > 1e-3));
    for (k, (a, b)) in found.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() < 5e-5, "{k}: {a} for {b}");
    }
}

/// A minibatch twice as heavy as usual makes a step twice as long.
fn scales<L: Family>(options: &L::Options) {
    let start = L::parameters(&L::start()).concat();
    let [one, two] = [0.5, 1.0].map(|weight| step::<L>(options, &usual(weight)));
    assert!(one.iter().zip(&start).any(|(a, b)| (a - b).abs() > 1e-3));
    for (k, start) in start.iter().enumerate() {
        let [one, two] = [one[k] - start, two[k] - start];
        assert!((two - 2.0 * one).abs() < 5e-5, "{k}: {two} for twice {one}");
    }
}

/// One update of all examples at rate 1, from rest, of the gradient that `options` make exact: it
/// is that of repeated examples; and the updates of one example each, from the same parameters, are
/// it on average.
fn repeats<L: Family>(told: impl Fn(Learning) -> L::Options) {
    let options = |batch_size: usize| {
        told(Learning {
            batch_size,
            learning_rate: 1.0.into(),
            ..L::base()
        })
    };
    let start = L::parameters(&L::start()).concat();
    let step = |all: &Examples, minibatch: &Examples, batch_size: usize| {
        let mut run = Run::<L>::new(L::start(), options(batch_size), all).unwrap();
        assert_eq!(run.update_with(minibatch).unwrap(), Done::Updated);
        let after = L::parameters(run.model()).concat();
        let steps = after.iter().zip(&start).map(|(a, b)| f64::from(a - b));
        steps.collect::<Vec<f64>>()
    };
    let repeated = repeated();
    let expected = step(&repeated, &repeated, repeated.len());
    let weighted = weighted();
    let found = step(&weighted, &weighted, EXAMPLES);
    assert!(expected.iter().any(|x| x.abs() > 0.01));
    let close = |found: &[f64], what: &str| {
        for (k, (a, b)) in found.iter().zip(&expected).enumerate() {
            assert!((a - b).abs() < 2e-4, "{what}, {k}: {a} for {b}");
        }
    };
    close(&found, "all at once");
    let mut sum = vec![0.0; expected.len()];
    for i in 0..EXAMPLES {
        let one = step(&weighted, &weighted.take(&[i]), 1);
        for (sum, x) in sum.iter_mut().zip(one) {
            *sum += x / EXAMPLES as f64;
        }
    }
    close(&sum, "one by one");
}

const CD: Negative = Negative::ContrastiveDivergence {
    steps: 1,
    reconstruction: Reconstruction::Sampled,
};

#[test]
fn rbm() {
    equal::<RbmLearner>();
    for negative in [Negative::Exact, CD, crate::PERSISTENT] {
        for centering in [None, Some(Default::default())] {
            let options = |learning| harmonium::train::RbmOptions {
                negative,
                centering,
                ..RbmLearner::told(learning)
            };
            zeros::<RbmLearner>(&options(RbmLearner::base()));
            scales::<RbmLearner>(&options(RbmLearner::base()));
            if negative == Negative::Exact && centering.is_none() {
                repeats::<RbmLearner>(options);
            }
        }
    }
}

#[test]
fn dbm() {
    equal::<DbmLearner>();
    for negative in [Negative::Exact, CD, crate::PERSISTENT] {
        for positive in [Positive::Exact, Positive::MeanField(Default::default())] {
            let options = |learning| harmonium::train::DbmOptions {
                negative,
                positive,
                warm_start: false,
                ..DbmLearner::told(learning)
            };
            zeros::<DbmLearner>(&options(DbmLearner::base()));
            scales::<DbmLearner>(&options(DbmLearner::base()));
            if negative == Negative::Exact {
                repeats::<DbmLearner>(options);
            }
        }
    }
}

#[test]
fn boltzmann() {
    equal::<BoltzmannLearner>();
    for negative in [Negative::Exact, CD, crate::PERSISTENT] {
        for positive in [Positive::Exact, Positive::MeanField(Default::default())] {
            let options = |learning| harmonium::train::BoltzmannOptions {
                negative,
                positive,
                ..BoltzmannLearner::told(learning)
            };
            zeros::<BoltzmannLearner>(&options(BoltzmannLearner::base()));
            scales::<BoltzmannLearner>(&options(BoltzmannLearner::base()));
            if negative == Negative::Exact {
                repeats::<BoltzmannLearner>(options);
            }
        }
    }
}

#[test]
fn dbn() {
    equal::<UpDownLearner>();
    for negative in [None, Some(Negative::Exact), Some(crate::PERSISTENT)] {
        let options = harmonium::train::UpDownOptions {
            negative,
            ..UpDownLearner::told(UpDownLearner::base())
        };
        scales::<UpDownLearner>(&options);
        // Of persistent chains, as many are fantasies as there are examples.
        if negative != Some(crate::PERSISTENT) {
            zeros::<UpDownLearner>(&options);
        }
    }
}

/// Layers see features of weighted examples.
#[test]
fn dbn_greedy() {
    let stacked = |data: &Examples| {
        let layer = |hidden| harmonium::train::GreedyLayer {
            hidden,
            options: harmonium::train::RbmOptions {
                negative: Negative::Exact,
                ..RbmLearner::told(Learning {
                    batch_size: 1000,
                    epochs: 200,
                    learning_rate: 0.3.into(),
                    ..RbmLearner::base()
                })
            },
            transposed: false,
        };
        let plan = harmonium::train::GreedyPlan {
            layers: vec![layer(5), layer(4)],
            posterior: harmonium::train::Aggregated::Means,
            classes: None,
        };
        let mut run = Stack::greedy(plan, Default::default(), data).unwrap();
        let ended = run.run(data, |_| std::ops::ControlFlow::Continue(()));
        assert!(ended.unwrap().is_finished());
        let dbn = run.dbn().unwrap();
        let top = dbn.top();
        let weights = [dbn.directed()[0].recognition_weights(), top.weights()];
        let bias = [top.visible(), top.hidden()].map(|x| x.bias.clone());
        [crate::elements(weights), bias.concat()].concat()
    };
    let (found, expected) = (stacked(&weighted()), stacked(&repeated()));
    let plain = stacked(&data());
    assert!(
        expected
            .iter()
            .zip(&plain)
            .any(|(a, b)| (a - b).abs() > 0.1)
    );
    // Smoothing of the first biases knows the effective number of examples, not how many there are.
    for (k, (a, b)) in found.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() < 5e-2, "{k}: {a} for {b}");
    }
}

#[test]
fn network() {
    equal::<BackpropLearner>();
    zeros::<BackpropLearner>(&BackpropLearner::told(BackpropLearner::base()));
    scales::<BackpropLearner>(&BackpropLearner::told(BackpropLearner::base()));
    repeats::<BackpropLearner>(BackpropLearner::told);
    let searched = harmonium::train::BackpropOptions {
        descent: harmonium::train::Descent::ConjugateGradients { line_searches: 3 },
        ..BackpropLearner::told(BackpropLearner::base())
    };
    zeros::<BackpropLearner>(&searched);
}

/// A mean over examples is that over repeated ones, of everything that is a mean, and its standard
/// error that of as many examples as the weights are worth.
#[test]
fn rbm_means() {
    use harmonium::evaluate::{self, HiddenActivity};
    let (weighted, repeated) = (weighted(), repeated());
    let rbm = RbmLearner::start();
    let all = |data: &Examples| {
        let mean = rbm.exact_mean_log_likelihood(data, &mut ()).unwrap().mean;
        let mut all = vec![
            mean,
            rbm.mean_log_likelihood(data, 1.5).unwrap(),
            evaluate::reconstruction_error(&rbm, data).unwrap(),
            evaluate::pseudo_likelihood(&rbm, data).unwrap(),
            evaluate::free_energy_gap(&rbm, &crate::data(), data).unwrap(),
            evaluate::free_energy_gap(&rbm, data, &crate::data()).unwrap(),
        ];
        all.extend(HiddenActivity::new(&rbm, data).unwrap().mean);
        all.extend(data.mean());
        all
    };
    for (k, (a, b)) in all(&weighted).iter().zip(all(&repeated)).enumerate() {
        assert!((a - b).abs() < 1e-5, "{k}: {a} for {b}");
    }
    let ones = crate::data().with_weights(vec![2.0; EXAMPLES]).unwrap();
    let [plain, ones] =
        [&crate::data(), &ones].map(|data| rbm.exact_mean_log_likelihood(data, &mut ()).unwrap());
    assert_eq!(plain, ones);
    let sum: usize = (0..EXAMPLES).map(weight).sum();
    let squares: usize = (0..EXAMPLES).map(|i| weight(i).pow(2)).sum();
    assert_eq!(
        weighted.effective_len(),
        (sum * sum) as f64 / squares as f64
    );
}

#[test]
fn dbn_means() {
    let (weighted, repeated) = (weighted(), repeated());
    let dbn = UpDownLearner::start();
    let [a, b] = [&weighted, &repeated]
        .map(|data| dbn.exact_mean_log_likelihood(data, &mut ()).unwrap().mean);
    assert!((a - b).abs() < 1e-9, "{a} for {b}");
    let bound = harmonium::evaluate::Bound {
        samples: 2,
        seed: 1,
    };
    let of_each = bound.measure(&dbn, &data(), None, &mut ()).unwrap();
    let found = bound.measure(&dbn, &weighted, None, &mut ()).unwrap();
    assert_eq!(found.with_log_z, of_each.with_log_z);
    let (mut sum, mut all) = (0.0, 0.0);
    for (i, x) in found.with_log_z.iter().enumerate() {
        sum += weight(i) as f64 * x;
        all += weight(i) as f64;
    }
    assert!((found.mean(0.0).0 - sum / all).abs() < 1e-9);
}

#[test]
fn dbm_means() {
    use harmonium::evaluate::DbmBound;
    let (weighted, repeated) = (weighted(), repeated());
    let dbm = DbmLearner::start();
    let all = |data: &Examples| {
        let bound = DbmBound::new(&dbm, data, &Default::default(), &mut ()).unwrap();
        let mut all = vec![
            dbm.exact_mean_log_likelihood(data, &mut ()).unwrap().mean,
            bound.mean(0.0).0,
        ];
        for layer in bound.hidden {
            all.extend(layer.mean.into_iter().chain(layer.deviation));
        }
        all
    };
    for (k, (a, b)) in all(&weighted).iter().zip(all(&repeated)).enumerate() {
        assert!((a - b).abs() < 1e-5, "{k}: {a} for {b}");
    }
}

#[test]
fn boltzmann_means() {
    let (weighted, repeated) = (weighted(), repeated());
    let machine = BoltzmannLearner::start();
    let visible = crate::common::normal_boltzmann(crate::UNITS, 0, 0.3, 2);
    let all = |data: &Examples| {
        [
            machine
                .exact_mean_log_likelihood(data, &mut ())
                .unwrap()
                .mean,
            harmonium::evaluate::pseudo_likelihood(&visible, data).unwrap(),
        ]
    };
    for (a, b) in all(&weighted).iter().zip(all(&repeated)) {
        assert!((a - b).abs() < 1e-9, "{a} for {b}");
    }
}
