//! Every feature of training and of measuring for every family: a module a row, a test a family.
//! What is tested is the mathematics of the feature: a step against its definition, a result
//! against its iterates.

#[path = "../common/mod.rs"]
mod common;

mod annealing;
mod best;
mod constraints;
mod greedy;
mod missing;
mod negative;
mod not_finite;
mod progress;
mod pseudo_likelihood;
mod rates;
mod rules;
mod streams;
mod weights;

use common::{
    family::{BATCH, EXAMPLES, UNITS, data, go},
    normal_rbm,
};
use harmonium::{
    BoltzmannMachine, Dbm, Dbn, Network, Rbm,
    checkpoint::StoredLearner,
    matrix::Matrix,
    model::Layered as _,
    train::{
        BackpropLearner, BackpropOptions, BoltzmannLearner, BoltzmannOptions, DbmLearner,
        DbmOptions, Learning, Negative, Positive, RbmLearner, RbmOptions, Run, UpDownLearner,
        UpDownOptions,
    },
};
use std::fmt::Debug;

/// A family on [`data`]: a machine before its first update, its options, and its parameters, those
/// that decay first.
trait Family: StoredLearner<Model: PartialEq + Debug, Options: PartialEq + Debug> + 'static {
    fn start() -> Self::Model;

    fn told(learning: Learning) -> Self::Options;

    /// Weights, and what has no decay.
    fn parameters(model: &Self::Model) -> [Vec<f32>; 2];

    /// Rates 0.1, one minibatch size, 3 epochs.
    fn base() -> Learning {
        Learning {
            epochs: 3,
            batch_size: BATCH,
            learning_rate: 0.1.into(),
            seed: 4,
            ..Learning::default()
        }
    }

    fn run_with(change: impl Fn(&mut Learning)) -> Run<Self> {
        let mut learning = Self::base();
        change(&mut learning);
        Run::new(Self::start(), Self::told(learning), &data()).unwrap()
    }

    /// `n` updates of `run`, and the parameters after each.
    fn path(run: &mut Run<Self>, n: usize) -> Vec<[Vec<f32>; 2]> {
        let data = data();
        let update = |_| {
            let _ = run.update(&data).unwrap();
            Self::parameters(run.model())
        };
        (0..n).map(update).collect()
    }
}

fn elements<'a>(all: impl IntoIterator<Item = &'a Matrix>) -> Vec<f32> {
    all.into_iter()
        .flat_map(|x| x.elements().collect::<Vec<_>>())
        .collect()
}

const PERSISTENT: Negative = Negative::Persistent {
    chains: 15,
    steps: 1,
};

impl Family for RbmLearner {
    fn start() -> Rbm {
        normal_rbm(UNITS, 7, 0.3, 1)
    }

    fn told(learning: Learning) -> RbmOptions {
        RbmOptions {
            learning,
            negative: PERSISTENT,
            ..RbmOptions::default()
        }
    }

    fn parameters(rbm: &Rbm) -> [Vec<f32>; 2] {
        let bias = [rbm.visible(), rbm.hidden()].map(|x| x.bias.clone());
        [elements([rbm.weights()]), bias.concat()]
    }
}

impl Family for DbmLearner {
    fn start() -> Dbm {
        let dbm = Dbm::bernoulli(&[UNITS, 7, 5]).unwrap();
        let mut dbm = dbm.initialized_from(&data(), 1).unwrap();
        for l in 0..2 {
            let w = dbm.weights_mut(l).padded_mut();
            w.iter_mut().for_each(|w| *w *= 20.0);
        }
        dbm.refresh();
        dbm
    }

    fn told(learning: Learning) -> DbmOptions {
        DbmOptions {
            learning,
            negative: PERSISTENT,
            centering: None,
            ..DbmOptions::default()
        }
    }

    fn parameters(dbm: &Dbm) -> [Vec<f32>; 2] {
        let bias: Vec<Vec<f32>> = dbm.layers().iter().map(|x| x.bias.clone()).collect();
        [elements((0..2).map(|l| dbm.weights(l))), bias.concat()]
    }
}

impl Family for BoltzmannLearner {
    fn start() -> BoltzmannMachine {
        common::normal_boltzmann(UNITS, 3, 0.3, 2)
    }

    fn told(learning: Learning) -> BoltzmannOptions {
        BoltzmannOptions {
            learning,
            positive: Positive::MeanField(Default::default()),
            negative: PERSISTENT,
        }
    }

    fn parameters(machine: &BoltzmannMachine) -> [Vec<f32>; 2] {
        let weights = [
            machine.visible_weights(),
            machine.weights(),
            machine.hidden_weights(),
        ];
        let bias = [machine.visible(), machine.hidden()].map(|x| x.bias.clone());
        [elements(weights), bias.concat()]
    }
}

impl Family for UpDownLearner {
    fn start() -> Dbn {
        let below = Dbn::from(RbmLearner::start());
        let mut dbn = below.stacked(normal_rbm(7, 6, 0.3, 2)).unwrap();
        dbn.untie();
        dbn
    }

    fn told(learning: Learning) -> UpDownOptions {
        UpDownOptions {
            generative_rate: learning.learning_rate.clone(),
            recognition_rate: learning.learning_rate.clone(),
            negative: None,
            learning,
            ..UpDownOptions::default()
        }
    }

    fn parameters(dbn: &Dbn) -> [Vec<f32>; 2] {
        let (pair, top) = (&dbn.directed()[0], dbn.top());
        let generative = pair.generative_weights().into_owned();
        let weights = [&generative, pair.recognition_weights(), top.weights()];
        let bias = [pair.below(), pair.above(), top.visible(), top.hidden()];
        [elements(weights), bias.map(|x| x.bias.clone()).concat()]
    }
}

impl Family for BackpropLearner {
    fn start() -> Network {
        Network::autoencoder_from_dbn(&Dbn::from(RbmLearner::start())).unwrap()
    }

    fn told(learning: Learning) -> BackpropOptions {
        BackpropOptions {
            descent: harmonium::train::Descent::Steps(learning.optimizer),
            learning: Learning {
                optimizer: Default::default(),
                ..learning
            },
            ..BackpropOptions::default()
        }
    }

    fn parameters(network: &Network) -> [Vec<f32>; 2] {
        let bias: Vec<Vec<f32>> = (1..3).map(|l| network.bias(l).to_vec()).collect();
        [elements((0..2).map(|l| network.weights(l))), bias.concat()]
    }
}

/// A test of `check::<L>()` for every family.
macro_rules! in_every_family {
    ($check:ident) => {
        #[test]
        fn rbm() {
            $check::<harmonium::train::RbmLearner>();
        }

        #[test]
        fn dbn() {
            $check::<harmonium::train::UpDownLearner>();
        }

        #[test]
        fn dbm() {
            $check::<harmonium::train::DbmLearner>();
        }

        #[test]
        fn boltzmann() {
            $check::<harmonium::train::BoltzmannLearner>();
        }

        #[test]
        fn network() {
            $check::<harmonium::train::BackpropLearner>();
        }
    };
}
pub(crate) use in_every_family;
