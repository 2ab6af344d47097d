//! A run of every family on the same data.

use crate::common::normal_rbm;
use harmonium::{
    BoltzmannMachine, Checkpoint, Dbm, Dbn, Examples, Network, Rbm,
    bits::BitMatrix,
    checkpoint::StoredLearner,
    model::MeanField,
    train::{
        BackpropLearner, BackpropOptions, BoltzmannLearner, BoltzmannOptions, DbmLearner,
        DbmOptions, Event, Learner, Learning, Negative, Positive, RbmLearner, RbmOptions, Run,
        Schedule, UpDownLearner, UpDownOptions,
    },
};
use std::{fmt::Debug, ops::ControlFlow};

/// Units of the data.
pub const UNITS: usize = 12;
/// Examples: two minibatches of 20 and one of 10.
pub const EXAMPLES: usize = 50;
pub const BATCH: usize = 20;
pub const EPOCHS: usize = 3;
pub const SEED: u64 = 4;

pub fn bit(i: usize, j: usize) -> bool {
    (i * i * 31 + j * 17 + i * j) % 11 < 4
}

pub fn data() -> Examples {
    let bits = BitMatrix::from_fn(EXAMPLES, UNITS, bit);
    Examples::new(bits).unwrap()
}

pub fn go<L: Learner>(_: Event<'_, L>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A family on [`data`]: a machine before its first update, and options whose shared part is
/// `learning`.
pub trait Family:
    StoredLearner<Model: PartialEq + Debug, Options: PartialEq + Debug> + 'static
{
    fn start() -> Self::Model;

    fn told(learning: Learning) -> Self::Options;

    /// Those of the family beside the shared ones that every test here has.
    fn plain() -> Self::Options {
        Self::told(Learning {
            epochs: EPOCHS,
            batch_size: BATCH,
            learning_rate: Schedule::Linear { from: 0.1, to: 0.0 },
            seed: SEED,
            ..Learning::default()
        })
    }

    fn run() -> Run<Self> {
        Run::new(Self::start(), Self::plain(), &data()).unwrap()
    }

    /// A run without interruptions, at its end.
    fn whole() -> Run<Self> {
        let mut run = Self::run();
        assert!(run.run(&data(), go).unwrap().is_finished());
        run
    }
}

impl Family for RbmLearner {
    fn start() -> Rbm {
        let rbm = Rbm::bernoulli(&[UNITS, 7]).unwrap();
        rbm.initialized_from(&data(), 1).unwrap()
    }

    fn told(learning: Learning) -> RbmOptions {
        let negative = Negative::Persistent {
            chains: 15,
            steps: 1,
        };
        RbmOptions {
            learning,
            negative,
            ..RbmOptions::default()
        }
    }
}

impl Family for DbmLearner {
    fn start() -> Dbm {
        let dbm = Dbm::bernoulli(&[UNITS, 7, 5]).unwrap();
        dbm.initialized_from(&data(), 1).unwrap()
    }

    fn told(learning: Learning) -> DbmOptions {
        DbmOptions {
            learning,
            negative: Negative::Persistent {
                chains: 15,
                steps: 5,
            },
            ..DbmOptions::default()
        }
    }
}

impl Family for BoltzmannLearner {
    fn start() -> BoltzmannMachine {
        let machine = BoltzmannMachine::bernoulli(&[UNITS, 3]).unwrap();
        machine.initialized_from(&data(), 1).unwrap()
    }

    fn told(learning: Learning) -> BoltzmannOptions {
        BoltzmannOptions {
            learning,
            positive: Positive::MeanField(MeanField::default()),
            negative: Negative::Persistent {
                chains: 15,
                steps: 1,
            },
        }
    }
}

impl Family for UpDownLearner {
    fn start() -> Dbn {
        let below = Dbn::from(RbmLearner::start());
        below.stacked(normal_rbm(7, 6, 0.1, 2)).unwrap()
    }

    fn told(learning: Learning) -> UpDownOptions {
        UpDownOptions {
            learning,
            ..UpDownOptions::default()
        }
    }
}

impl Family for BackpropLearner {
    fn start() -> Network {
        Network::autoencoder_from_dbn(&Dbn::from(RbmLearner::start())).unwrap()
    }

    fn told(learning: Learning) -> BackpropOptions {
        BackpropOptions {
            learning,
            ..BackpropOptions::default()
        }
    }
}

/// Runs `check::<L>()` of every family.
macro_rules! in_every_family {
    ($check:ident) => {
        $check::<harmonium::train::RbmLearner>();
        $check::<harmonium::train::DbmLearner>();
        $check::<harmonium::train::BoltzmannLearner>();
        $check::<harmonium::train::UpDownLearner>();
        $check::<harmonium::train::BackpropLearner>();
    };
}
pub(crate) use in_every_family;

/// Both runs are at one place with the same bits.
#[track_caller]
pub fn assert_same<L: Family>(a: &Run<L>, b: &Run<L>) {
    assert_eq!(a.position(), b.position(), "{}", L::NAME);
    assert_eq!(a.state(), b.state(), "{}", L::NAME);
    assert_eq!(tensors(a), tensors(b), "{}", L::NAME);
}

/// All tensors of the file of a run, with their bits.
pub fn tensors<L: Family>(run: &Run<L>) -> Vec<(String, Vec<u8>)> {
    let bytes = Checkpoint::from(run).to_bytes().unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Vec<_> = file
        .iter()
        .map(|(name, x)| (name.to_owned(), x.data().to_vec()))
        .collect();
    all.sort();
    assert!(all.iter().any(|(name, _)| name.contains("weights")));
    all
}
