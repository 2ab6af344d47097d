//! The negative phase in all its kinds: each against enumeration, and runs that go on to the bit.

use crate::{Family, common, greedy};
use harmonium::{
    BoltzmannMachine, Dbm, Dbn, Examples, Rbm,
    bits::BitMatrix,
    checkpoint::Checkpoint,
    train::{
        BoltzmannLearner, BoltzmannOptions, DbmLearner, DbmOptions, Learning, Negative, Positive,
        RbmLearner, RbmOptions, Run, StackEvent, UpDownLearner, UpDownOptions,
    },
};
use std::ops::ControlFlow;

/// Chains of a sampled phase.
const CHAINS: usize = 20_000;
/// Visible units of the small machines.
const SMALL: usize = 5;

fn rows(count: usize) -> Examples {
    let bit = |i: usize, j: usize| ((i % 4) * 5 + j * 3 + (i % 4) * j) % 7 < 3;
    Examples::new(BitMatrix::from_fn(count, SMALL, bit)).unwrap()
}

/// Every kind with its chains and its sweeps an update, which are as many in all over `updates`.
fn kinds(chains: usize, steps: usize) -> [Negative; 5] {
    [
        Negative::Mcmc { chains, steps },
        Negative::Persistent { chains, steps },
        Negative::FastPersistent {
            chains,
            steps,
            fast_rate: 0.0,
            fast_decay: 0.9,
        },
        Negative::Tempered {
            chains,
            steps,
            temperatures: 3,
            lowest: 0.2,
        },
        Negative::Trajectory {
            chains,
            steps,
            acceptance: 0.25,
            snapshots: 2,
        },
    ]
}

/// A family whose machine is small enough to be enumerated.
trait Sampled: Family {
    fn small() -> Self::Model;

    fn by(learning: Learning, negative: Negative) -> Self::Options;
}

impl Sampled for RbmLearner {
    fn small() -> Rbm {
        common::normal_rbm(SMALL, 4, 0.6, 3)
    }

    fn by(learning: Learning, negative: Negative) -> RbmOptions {
        RbmOptions {
            learning,
            negative,
            ..RbmOptions::default()
        }
    }
}

impl Sampled for DbmLearner {
    fn small() -> Dbm {
        let rbms = [
            common::normal_rbm(SMALL, 4, 0.5, 4),
            common::normal_rbm(4, 2, 0.5, 5),
        ];
        Dbm::joined(&rbms).unwrap()
    }

    fn by(learning: Learning, negative: Negative) -> DbmOptions {
        DbmOptions {
            learning,
            positive: Positive::Exact,
            negative,
            centering: None,
            ..DbmOptions::default()
        }
    }
}

impl Sampled for BoltzmannLearner {
    fn small() -> BoltzmannMachine {
        common::normal_boltzmann(SMALL, 3, 0.6, 3)
    }

    fn by(learning: Learning, negative: Negative) -> BoltzmannOptions {
        BoltzmannOptions {
            learning,
            positive: Positive::Exact,
            negative,
        }
    }
}

impl Sampled for UpDownLearner {
    fn small() -> Dbn {
        let below = Dbn::from(common::normal_rbm(SMALL, 4, 0.5, 4));
        let mut dbn = below.stacked(common::normal_rbm(4, 3, 0.5, 5)).unwrap();
        dbn.untie();
        dbn
    }

    fn by(learning: Learning, negative: Negative) -> UpDownOptions {
        UpDownOptions {
            learning,
            negative: Some(negative),
            generative_rate: 0.0.into(),
            recognition_rate: 0.0.into(),
            ..UpDownOptions::default()
        }
    }
}

/// The step at rate 1 after `before` updates at rate 0, of all parameters.
fn step<L: Sampled>(negative: Negative, before: usize, data: &Examples) -> Vec<f64> {
    let learning = Learning {
        batch_size: data.len(),
        learning_rate: 0.0.into(),
        epochs: 100,
        seed: 8,
        ..Learning::default()
    };
    let mut run = Run::<L>::new(L::small(), L::by(learning, negative), data).unwrap();
    for _ in 0..before {
        let _ = run.update(data).unwrap();
    }
    assert_eq!(run.model(), &L::small());
    run.set_learning_rate(1.0).unwrap();
    let _ = run.update(data).unwrap();
    let [to, from] = [run.model(), &L::small()].map(|x| L::parameters(x).concat());
    let pairs = to.iter().zip(from);
    pairs.map(|(a, b)| f64::from(*a) - f64::from(b)).collect()
}

/// A mean over 20,000 chains of values in [0, 1] has a standard error of at most
/// 0.5 / sqrt(20,000): five of them. Forty sweeps of machines of so few
/// units with weights of deviation 0.6 forget their start.
fn enumerated<L: Sampled>(data: &Examples) {
    let bound = 5.0 * 0.5 / (CHAINS as f64).sqrt();
    // What is drawn of the data depends on the number of the update.
    let exact = [0, 9].map(|before| step::<L>(Negative::Exact, before, data));
    for (k, negative) in kinds(CHAINS, 40).into_iter().enumerate() {
        // Fair coins are drawn anew at each update; the others go on.
        let (negative, before) = match k {
            0 => (negative, 0),
            _ => (negative.with_steps(4), 9),
        };
        let got = step::<L>(negative, before, data);
        let expected = &exact[usize::from(before > 0)];
        for (i, (a, b)) in got.iter().zip(expected).enumerate() {
            assert!((a - b).abs() < bound, "{negative:?} {i}: {a} for {b}");
        }
    }
}

/// A run that is stored after 4 of 9 updates, and read, is the one that never stopped.
fn resumed<L: Sampled>() {
    let data = rows(11);
    let learning = Learning {
        batch_size: 4,
        learning_rate: 0.3.into(),
        seed: 9,
        ..Learning::default()
    };
    for negative in kinds(70, 2) {
        let mut negative = negative;
        if let Negative::FastPersistent { fast_rate, .. } = &mut negative {
            *fast_rate = 0.1;
        }
        if let Negative::Trajectory { acceptance, .. } = &mut negative {
            *acceptance = 0.95;
        }
        let options = L::by(learning.clone(), negative);
        let mut run = Run::<L>::new(L::small(), options, &data).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        for k in 0..9 {
            if k == 4 {
                Checkpoint::from(&run).save(file.path()).unwrap();
            }
            let _ = run.update(&data).unwrap();
        }
        let checkpoint = Checkpoint::load(file.path()).unwrap();
        let mut rest: Run<L> = checkpoint.into_run(&data).unwrap();
        for _ in 4..9 {
            let _ = rest.update(&data).unwrap();
        }
        assert_eq!(rest.model(), run.model(), "{negative:?}");
        assert_eq!(rest.state(), run.state(), "{negative:?}");
    }
}

#[test]
fn rbm() {
    enumerated::<RbmLearner>(&rows(4));
    resumed::<RbmLearner>();
}

#[test]
fn dbm() {
    enumerated::<DbmLearner>(&rows(4));
    resumed::<DbmLearner>();
}

#[test]
fn boltzmann() {
    enumerated::<BoltzmannLearner>(&rows(4));
    resumed::<BoltzmannLearner>();
}

/// Of the top pair. The wake phase is drawn too, but alike in every run of a seed.
#[test]
fn dbn() {
    enumerated::<UpDownLearner>(&rows(400));
    resumed::<UpDownLearner>();
}

/// Chains of a general machine that start at the data forget them in forty sweeps.
#[test]
fn boltzmann_from_the_data() {
    let many = rows(CHAINS);
    let negative = Negative::ContrastiveDivergence {
        steps: 40,
        reconstruction: Default::default(),
    };
    let expected = step::<BoltzmannLearner>(Negative::Exact, 0, &rows(4));
    let got = step::<BoltzmannLearner>(negative, 0, &many);
    let bound = 5.0 * 0.5 / (CHAINS as f64).sqrt();
    for (a, b) in got.iter().zip(&expected) {
        assert!((a - b).abs() < bound, "{a} for {b}");
    }
}

/// Every kind reaches every layer, and a stack that is stored in the second goes on to the bit.
#[test]
fn dbn_greedy() {
    let data = crate::data();
    let mut all = kinds(70, 2).to_vec();
    all.push(Negative::Exact);
    for negative in all {
        greedy::reaches_every_layer(|x| x.negative = negative);
        let options = greedy::options(|x| x.negative = negative);
        let mut run = greedy::stack(&options, &data);
        let mut file = None;
        let ended = run.run(&data, |event| {
            if let StackEvent::Update(run) = event
                && (run.layer(), run.position().updates) == (1, 4)
            {
                file = Some(Checkpoint::of_stack(run).unwrap().to_bytes().unwrap());
            }
            ControlFlow::Continue(())
        });
        assert!(ended.unwrap().is_finished());
        let read = Checkpoint::from_bytes(&file.unwrap()).unwrap();
        let mut rest = read.into_stack(&data).unwrap();
        assert!(rest.run(&data, greedy::on).unwrap().is_finished());
        assert_eq!(rest.rbms(), run.rbms(), "{negative:?}");
        let [a, b] = [&rest, &run].map(|x| x.training().state());
        assert_eq!(a, b, "{negative:?}");
    }
}
