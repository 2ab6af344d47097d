//! Data, options and runs of RBMs.

use crate::common::{family::go, states};
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    matrix::Matrix,
    model::Rbm,
    train::{
        Averaging, Centering, Ended, Learning, Negative, Offset, RbmOptions, RbmTraining,
        Reconstruction, Rule, Schedule, Sparsity,
    },
};
use std::ops::ControlFlow;

pub fn data(rows: usize, columns: usize) -> Examples {
    let bits = BitMatrix::from_fn(rows, columns, |i, j| (i * i * 31 + j * 17 + i * j) % 11 < 4);
    Examples::new(bits).unwrap()
}

pub fn gray(rows: usize, columns: usize) -> Examples {
    let x = Matrix::from_fn(rows, columns, |i, j| {
        ((i * i * 31 + j * 17 + i * j) % 11) as f32 / 10.0
    });
    Examples::new(x).unwrap()
}

pub const METHODS: [Negative; 7] = [
    Negative::FastPersistent {
        chains: 30,
        steps: 2,
        fast_rate: 0.05,
        fast_decay: 0.95,
    },
    Negative::Tempered {
        chains: 15,
        steps: 2,
        temperatures: 3,
        lowest: 0.5,
    },
    Negative::Persistent {
        chains: 30,
        steps: 2,
    },
    Negative::Mcmc {
        chains: 30,
        steps: 2,
    },
    Negative::ContrastiveDivergence {
        steps: 2,
        reconstruction: Reconstruction::Sampled,
    },
    Negative::ContrastiveDivergence {
        steps: 2,
        reconstruction: Reconstruction::Smoothed,
    },
    Negative::Exact,
];

pub fn options(negative: Negative) -> RbmOptions {
    RbmOptions {
        negative,
        learning: Learning {
            epochs: 4,
            batch_size: 30,
            momentum: "at:0=0.5,2=0.9".parse().unwrap(),
            weight_decay: 1e-3,
            learning_rate: Schedule::Linear { from: 0.1, to: 0.0 },
            seed: 5,
            ..Learning::default()
        },
        ..RbmOptions::default()
    }
}

pub fn train(options: RbmOptions, data: &Examples, hidden: usize, threads: usize) -> Rbm {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| {
        let rbm = Rbm::bernoulli(&[data.columns(), hidden])
            .unwrap()
            .initialized_from(data, 1)
            .unwrap();
        trained(rbm, options, data)
    })
}

/// What a whole run makes of `rbm`.
pub fn trained(rbm: Rbm, options: RbmOptions, data: &Examples) -> Rbm {
    let mut run = RbmTraining::new(rbm, options, data).unwrap();
    assert_eq!(run.run(data, go).unwrap(), Ended::Finished);
    run.into_result()
}

pub fn bits(v: BitMatrix) -> Examples {
    Examples::new(v).unwrap()
}

pub fn some_data(n: usize) -> Examples {
    bits(states(40, n, |i| (i * i * 7 + 3 * i) % (1 << n)))
}

pub fn run(rbm: Rbm, options: RbmOptions, data: &Examples) -> RbmTraining {
    let mut training = RbmTraining::new(rbm, options, data).unwrap();
    let ended = training.run(data, |_| ControlFlow::Continue(())).unwrap();
    assert!(ended.is_finished());
    training
}

/// Options that use every state that a run can have.
pub fn everything(optimizer: Rule) -> RbmOptions {
    RbmOptions {
        negative: Negative::Persistent {
            chains: 7,
            steps: 1,
        },
        centering: Some(Centering {
            hidden: Offset::Average,
            ..Centering::default()
        }),
        sparsity: Some(Sparsity::default()),
        learning: Learning {
            epochs: 6,
            batch_size: 16,
            optimizer,
            momentum: Schedule::Constant(0.5),
            weight_decay: 1e-3,
            l1_decay: 1e-4,
            max_norm: Some(2.0),
            averaging: Some(Averaging::Exponential(0.9)),
            ..Learning::default()
        },
        ..RbmOptions::default()
    }
}
