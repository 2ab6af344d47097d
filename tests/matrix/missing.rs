//! Missing values: what stands in their place does not matter, a mask of ones is none, a stored run
//! goes on to the bit, and a machine learns what was observed. Families that do not infer refuse
//! them.

use crate::{
    BATCH, EXAMPLES, Family, UNITS,
    common::missing::{mask, with_other_values},
    data, go, greedy,
};
use harmonium::{
    BitMatrix, Examples, Matrix,
    checkpoint::Checkpoint,
    model::{Layer, MeanField, Missing},
    train::{
        Aggregated, BackpropLearner, BoltzmannLearner, BoltzmannOptions, DbmLearner, DbmOptions,
        Done, GreedyPlan, Learning, Negative, Positive, PretrainingPlan, RbmLearner, RbmOptions,
        Reconstruction, Run, Stack, StackEvent, UpDownLearner,
    },
};

fn layer() -> Layer {
    Layer::bernoulli(UNITS)
}

fn with_missing() -> Examples {
    data().with_observed(mask(&layer(), EXAMPLES, 8)).unwrap()
}

/// Runs of the family, each of which learns from missing values in its own way.
fn all<L: Family>(ways: &[L::Options]) {
    let plain = Run::<L>::new(L::start(), ways[0].clone(), &data()).unwrap();
    let ones = BitMatrix::from_fn(EXAMPLES, UNITS, |_, _| true);
    let ones = data().with_observed(ones).unwrap();
    let observed = Run::<L>::new(L::start(), ways[0].clone(), &ones).unwrap();
    assert_eq!(ends(plain, &data()), ends(observed, &ones));
    let data = with_missing();
    let other = with_other_values(&data, &layer(), 9);
    assert_ne!(data, other);
    for options in ways {
        let start = |data: &Examples| Run::<L>::new(L::start(), options.clone(), data).unwrap();
        let end = ends(start(&data), &data);
        assert_ne!(end, L::start());
        assert_eq!(ends(start(&other), &other), end, "{options:?}");
        let mut run = start(&data);
        for _ in 0..4 {
            assert_eq!(run.update(&data).unwrap(), Done::Updated);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        Checkpoint::from(&run).save(file.path()).unwrap();
        let checkpoint = Checkpoint::load(file.path()).unwrap();
        let resumed: Run<L> = checkpoint.into_run(&data).unwrap();
        assert_eq!(ends(resumed, &data), end, "{options:?}");
    }
}

fn ends<L: Family>(mut run: Run<L>, data: &Examples) -> L::Model {
    assert!(run.run(data, go).unwrap().is_finished());
    run.into_result()
}

fn refuses<L: Family>() {
    let data = with_missing();
    let refused = Run::<L>::new(L::start(), L::told(L::base()), &data);
    let message = refused.expect_err("refused").to_string();
    assert!(message.contains("missing values"), "{message}");
    let mut run = L::run_with(|_| {});
    let message = run
        .update_with(&data.take(&[1, 2]))
        .unwrap_err()
        .to_string();
    assert!(message.contains("missing values"), "{message}");
}

const CD: Negative = Negative::ContrastiveDivergence {
    steps: 2,
    reconstruction: Reconstruction::Sampled,
};

#[test]
fn rbm() {
    let smoothed = Negative::ContrastiveDivergence {
        steps: 1,
        reconstruction: Reconstruction::Smoothed,
    };
    let tempered = Negative::Tempered {
        chains: 5,
        steps: 1,
        temperatures: 3,
        lowest: 0.5,
    };
    let (infer, absent) = (Missing::Infer, Missing::Absent);
    let ways = [
        (crate::PERSISTENT, infer),
        (CD, infer),
        (smoothed, infer),
        (tempered, infer),
        (Negative::Exact, infer),
        (CD, absent),
        (smoothed, absent),
        (Negative::Exact, absent),
    ]
    .map(|(negative, missing)| RbmOptions {
        negative,
        missing,
        centering: Some(Default::default()),
        ..RbmLearner::told(RbmLearner::base())
    });
    all::<RbmLearner>(&ways);
}

/// A machine learns more of what was observed than independent units know.
#[test]
fn rbm_learns_what_was_observed() {
    // Three bits, three times each.
    let bits = BitMatrix::from_fn(320, 9, |i, j| i >> (j % 3) & 1 == 1);
    let mask = mask(&Layer::bernoulli(9), 320, 3);
    let data = Examples::new(bits).unwrap().with_observed(mask).unwrap();
    let rbm = harmonium::Rbm::bernoulli(&[9, 8]).unwrap();
    let rbm = rbm.initialized_from(&data, 1).unwrap();
    let likelihood =
        |rbm: &harmonium::Rbm| rbm.exact_mean_log_likelihood(&data, &mut ()).unwrap().mean;
    let before = likelihood(&rbm);
    let options = RbmOptions {
        negative: Negative::Persistent {
            chains: 100,
            steps: 2,
        },
        learning: Learning {
            epochs: 100,
            batch_size: BATCH,
            learning_rate: 0.1.into(),
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let mut run = Run::<RbmLearner>::new(rbm, options, &data).unwrap();
    assert!(run.run(&data, go).unwrap().is_finished());
    let after = likelihood(run.model());
    assert!(after > before + 0.5, "{after} after {before}");
}

#[test]
fn rbm_refuses_what_does_not_infer() {
    let data = with_missing();
    let persistent = RbmOptions {
        missing: Missing::Absent,
        ..RbmLearner::told(RbmLearner::base())
    };
    let message = Run::<RbmLearner>::new(RbmLearner::start(), persistent, &data);
    let message = message.expect_err("refused").to_string();
    assert!(message.contains("absent units"), "{message}");
    // The states of missing values belong to their examples.
    let options = RbmLearner::told(RbmLearner::base());
    let mut run = Run::<RbmLearner>::new(RbmLearner::start(), options, &data).unwrap();
    let message = run.update_with(&data.take(&[1])).unwrap_err().to_string();
    assert!(message.contains("in memory"), "{message}");
}

#[test]
fn dbn() {
    refuses::<UpDownLearner>();
}

/// One that was started with examples that miss nothing does not learn from others.
#[test]
fn dbn_greedy_refuses_what_it_was_not_started_with() {
    let (options, with) = (greedy::options(|_| {}), with_missing());
    let mut stack = greedy::stack(&options, &data());
    for refused in [
        stack.run(&with, greedy::on).unwrap_err(),
        stack.update(&with).unwrap_err(),
    ] {
        let message = refused.to_string();
        assert!(message.contains("missing values"), "{message}");
    }
}

/// The lowest layer learns what was observed, and those above what it infers: what stands in place
/// of missing values does not matter, and a stored run goes on to the bit in every layer.
fn stacks(start: impl Fn(&Examples) -> Stack) {
    let end = |mut stack: Stack, data: &Examples| {
        assert!(stack.run(data, greedy::on).unwrap().is_finished());
        stack.model().unwrap()
    };
    let (data, complete) = (with_missing(), data());
    let ones = BitMatrix::from_fn(EXAMPLES, UNITS, |_, _| true);
    let ones = complete.clone().with_observed(ones).unwrap();
    assert_eq!(end(start(&complete), &complete), end(start(&ones), &ones));
    let other = with_other_values(&data, &layer(), 9);
    let expected = end(start(&data), &data);
    assert_eq!(end(start(&other), &other), expected);
    assert_ne!(end(start(&complete), &complete), expected);
    let batches = start(&data).position().batches;
    let epochs = start(&data).training().learning().epochs;
    for updates in [3, batches * epochs + 2] {
        let mut stack = start(&data);
        let mut left = updates;
        let _stopped = stack
            .run(&data, |event| {
                left -= usize::from(matches!(event, StackEvent::Update(_)));
                match left {
                    0 => std::ops::ControlFlow::Break(()),
                    _ => std::ops::ControlFlow::Continue(()),
                }
            })
            .unwrap();
        assert_eq!(stack.layer(), usize::from(updates > 3));
        let file = tempfile::NamedTempFile::new().unwrap();
        Checkpoint::of_stack(&stack)
            .unwrap()
            .save(file.path())
            .unwrap();
        let checkpoint = Checkpoint::load(file.path()).unwrap();
        assert_eq!(end(checkpoint.into_stack(&data).unwrap(), &data), expected);
    }
}

#[test]
fn dbn_greedy() {
    for (negative, posterior) in [
        (crate::PERSISTENT, Aggregated::Samples),
        (CD, Aggregated::Means),
        (Negative::Exact, Aggregated::Samples),
    ] {
        stacks(|data| {
            let options = greedy::options(|x| x.negative = negative);
            let plan = GreedyPlan {
                posterior,
                ..greedy::plan(|_| options.clone())
            };
            Stack::greedy(plan, Default::default(), data).unwrap()
        });
    }
}

#[test]
fn dbm_pretraining() {
    stacks(|data| {
        let plan = PretrainingPlan {
            visible: None,
            hidden: greedy::HIDDEN.to_vec(),
            options: vec![greedy::options(|x| x.negative = CD)],
            classes: None,
        };
        Stack::pretraining(plan, data).unwrap()
    });
}

#[test]
fn dbm() {
    let gibbs = Positive::Gibbs { steps: 2 };
    let mean_field = Positive::MeanField(MeanField::default());
    let exact = Negative::Exact;
    let mut ways: Vec<DbmOptions> = [
        (mean_field, crate::PERSISTENT),
        (mean_field, CD),
        (gibbs, crate::PERSISTENT),
        (gibbs, CD),
        (gibbs, exact),
        (Positive::Exact, exact),
        (Positive::Exact, crate::PERSISTENT),
    ]
    .map(|(positive, negative)| DbmOptions {
        positive,
        negative,
        ..DbmLearner::told(DbmLearner::base())
    })
    .into();
    ways.push(DbmOptions {
        warm_start: true,
        ..ways[0].clone()
    });
    all::<DbmLearner>(&ways);
}

/// Means of bits have no states to stand in place of what is missing.
#[test]
fn dbm_refuses_means() {
    let x = Matrix::from_fn(EXAMPLES, UNITS, |_, _| 0.5);
    let data = Examples::new(x).unwrap();
    let data = data.with_observed(mask(&layer(), EXAMPLES, 8)).unwrap();
    let options = DbmLearner::told(DbmLearner::base());
    let refused = Run::<DbmLearner>::new(DbmLearner::start(), options, &data);
    let message = refused.expect_err("refused").to_string();
    assert!(message.contains("means of binary units"), "{message}");
}

#[test]
fn boltzmann() {
    let positive = Positive::Gibbs { steps: 1 };
    let ways = [
        (positive, crate::PERSISTENT),
        (positive, CD),
        (positive, Negative::Exact),
        (Positive::Exact, Negative::Exact),
        (Positive::Exact, crate::PERSISTENT),
    ]
    .map(|(positive, negative)| BoltzmannOptions {
        positive,
        negative,
        ..BoltzmannLearner::told(BoltzmannLearner::base())
    });
    all::<BoltzmannLearner>(&ways);
    // Its options say mean field.
    refuses::<BoltzmannLearner>();
}

#[test]
fn network() {
    refuses::<BackpropLearner>();
}
