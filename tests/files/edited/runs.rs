//! Runs of every kind of machine, some events old, as files hold them.

use harmonium::{
    BoltzmannMachine,
    checkpoint::Checkpoint,
    dataset::{Binarization, Examples, bars_and_stripes},
    model::{Dbm, Dbn, Network, Rbm},
    train::{
        Averaging, BackpropOptions, BackpropTraining, BoltzmannOptions, BoltzmannTraining,
        Centering, DbmOptions, DbmTraining, GreedyLayer, GreedyPlan, Learning, Negative, Positive,
        PretrainingPlan, RbmOptions, RbmTraining, Rule, Sparsity, Stack, UpDownOptions,
        UpDownTraining,
    },
};
use std::ops::ControlFlow;

/// Bars and stripes of side 2 with the label of their direction, about.
pub fn data() -> Examples {
    let data = bars_and_stripes(2).binarized(Binarization::None, 0, 0);
    let labels = (0..data.len() as u32).map(|i| i % 2).collect();
    data.with_labels(labels).unwrap()
}

fn of_rbm(negative: Negative) -> RbmOptions {
    RbmOptions {
        negative,
        learning: Learning {
            epochs: 9,
            batch_size: 3,
            ..Learning::default()
        },
        ..RbmOptions::default()
    }
}

const PERSISTENT: Negative = Negative::Persistent {
    chains: 3,
    steps: 2,
};

pub type Runs = Vec<(&'static str, Checkpoint)>;

/// Runs of every kind and negative phase, some events old.
pub fn runs() -> Runs {
    let data = data();
    [of_rbms, of_dbns, of_dbms, of_general, of_networks]
        .into_iter()
        .flat_map(|of| of(&data))
        .collect()
}

/// Stops at the fourth event.
fn stop(left: &mut i32) -> ControlFlow<()> {
    *left -= 1;
    match left {
        0 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }
}

fn phases() -> Vec<(&'static str, RbmOptions)> {
    let simple = [
        ("exact", Negative::Exact),
        (
            "mcmc",
            Negative::Mcmc {
                chains: 3,
                steps: 2,
            },
        ),
        (
            "tempered",
            Negative::Tempered {
                chains: 3,
                steps: 2,
                temperatures: 3,
                lowest: 0.5,
            },
        ),
        (
            "trajectory",
            Negative::Trajectory {
                chains: 3,
                steps: 2,
                acceptance: 0.5,
                snapshots: 2,
            },
        ),
        (
            "fast",
            Negative::FastPersistent {
                chains: 3,
                steps: 2,
                fast_rate: 0.1,
                fast_decay: 0.9,
            },
        ),
    ];
    let mut options: Vec<_> = simple.map(|(name, x)| (name, of_rbm(x))).into();
    options.push((
        "all options",
        RbmOptions {
            centering: Some(Centering::default()),
            sparsity: Some(Sparsity {
                target: 0.2,
                ..Sparsity::default()
            }),
            learning: Learning {
                optimizer: Rule::Momentum,
                averaging: Some(Averaging::Last(0.5)),
                gradient_clip: Some(2.0),
                max_norm: Some(3.0),
                momentum: harmonium::train::Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)]),
                ..of_rbm(PERSISTENT).learning
            },
            ..of_rbm(PERSISTENT)
        },
    ));
    options
}

fn of_rbms(data: &Examples) -> Runs {
    let run = |(name, options)| {
        let rbm = Rbm::bernoulli(&[4, 3])
            .unwrap()
            .initialized_from(data, 1)
            .unwrap();
        let mut run = RbmTraining::new(rbm, options, data).unwrap();
        for _ in 0..4 {
            let _ = run.update(data).unwrap();
        }
        (name, Checkpoint::from(&run))
    };
    phases().into_iter().map(run).collect()
}

fn of_dbns(data: &Examples) -> Runs {
    let layer = |hidden| GreedyLayer {
        hidden,
        options: of_rbm(PERSISTENT),
        transposed: false,
    };
    let plan = GreedyPlan {
        layers: vec![layer(3), layer(5)],
        posterior: Default::default(),
        classes: Some(2),
    };
    let mut run = Stack::greedy(plan, Default::default(), data).unwrap();
    let mut left = 4;
    let _ = run.run(data, |_| stop(&mut left)).unwrap();
    let of_layers = Checkpoint::of_stack(&run).unwrap();
    let _ = run.run(data, |_| ControlFlow::Continue(())).unwrap();
    let options = UpDownOptions {
        learning: Learning {
            epochs: 9,
            batch_size: 3,
            ..UpDownOptions::default().learning
        },
        ..UpDownOptions::default()
    };
    let mut run = UpDownTraining::new(run.dbn().unwrap(), options, data).unwrap();
    let mut left = 4;
    let _ = run.run(data, |_| stop(&mut left)).unwrap();
    vec![("greedy", of_layers), ("up-down", Checkpoint::from(&run))]
}

fn of_dbms(data: &Examples) -> Runs {
    let mut all = Vec::new();
    let plan = PretrainingPlan {
        visible: None,
        hidden: vec![3, 5],
        options: vec![of_rbm(PERSISTENT)],
        classes: Some(2),
    };
    let mut run = Stack::pretraining(plan, data).unwrap();
    let mut left = 4;
    let _ = run.run(data, |_| stop(&mut left)).unwrap();
    all.push(("pretraining", Checkpoint::of_stack(&run).unwrap()));
    let options = DbmOptions {
        warm_start: true,
        negative: Negative::Persistent {
            chains: 3,
            steps: 2,
        },
        sparsity: vec![
            Sparsity {
                target: 0.2,
                ..Sparsity::default()
            };
            2
        ],
        learning: Learning {
            epochs: 9,
            batch_size: 3,
            ..DbmOptions::default().learning
        },
        ..DbmOptions::default()
    };
    let dbm = Dbm::bernoulli(&[4, 3, 2]).unwrap();
    let dbm = dbm.initialized_from(data, 1).unwrap();
    let mut run = DbmTraining::new(dbm, options, data).unwrap();
    let mut left = 4;
    let _ = run.run(data, |_| stop(&mut left)).unwrap();
    all.push(("dbm", Checkpoint::from(&run)));
    all
}

fn of_general(data: &Examples) -> Runs {
    let mut all = Vec::new();
    for (name, negative) in [
        (
            "boltzmann",
            Negative::Persistent {
                chains: 3,
                steps: 2,
            },
        ),
        (
            "boltzmann mcmc",
            Negative::Mcmc {
                chains: 3,
                steps: 2,
            },
        ),
    ] {
        let options = BoltzmannOptions {
            positive: Positive::Gibbs { steps: 2 },
            negative,
            learning: Learning {
                epochs: 9,
                batch_size: 3,
                optimizer: Rule::Momentum,
                ..Learning::default()
            },
        };
        let machine = BoltzmannMachine::bernoulli(&[4, 2]).unwrap();
        let machine = machine.initialized_from(data, 1).unwrap();
        let mut run = BoltzmannTraining::new(machine, options, data).unwrap();
        let mut left = 4;
        let _ = run.run(data, |_| stop(&mut left)).unwrap();
        all.push((name, Checkpoint::from(&run)));
    }
    all
}

fn of_networks(data: &Examples) -> Runs {
    let mut all = Vec::new();
    let dbn = Dbn::bernoulli(&[4, 3, 3]).unwrap();
    for (name, options) in [
        ("network", BackpropOptions::with_dropout()),
        (
            "conjugate gradients",
            BackpropOptions::conjugate_gradients(),
        ),
    ] {
        let options = BackpropOptions {
            learning: Learning {
                epochs: 9,
                batch_size: 3,
                ..options.learning
            },
            ..options
        };
        let network = Network::classifier_from_dbn(&dbn, 2, 1).unwrap();
        let mut run = BackpropTraining::new(network, options, data).unwrap();
        let mut left = 4;
        let _ = run.run(data, |_| stop(&mut left)).unwrap();
        all.push((name, Checkpoint::from(&run)));
    }
    all
}
