//! Data, options and runs of general machines.

use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    model::{BoltzmannMachine, MeanField},
    train::{BoltzmannOptions, BoltzmannTraining, Learning, Negative, Positive, Rule},
};
use std::ops::ControlFlow;

pub const EXACT: BoltzmannOptions = BoltzmannOptions {
    positive: Positive::Exact,
    negative: Negative::Exact,
    learning: Learning {
        epochs: 1,
        batch_size: 1_000_000,
        learning_rate: harmonium::train::Schedule::Constant(0.1),
        least_rate: 0.0,
        momentum: harmonium::train::Schedule::Constant(0.0),
        weight_decay: 0.0,
        l1_decay: 0.0,
        gradient_clip: None,
        max_norm: None,
        averaging: None,
        optimizer: Rule::Momentum,
        resample_data: false,
        seed: 1,
    },
};

pub fn examples(bits: BitMatrix) -> Examples {
    Examples::new(bits).unwrap()
}

/// `rows` examples of `n` units, of an uneven distribution.
pub fn data(n: usize, rows: usize) -> Examples {
    examples(BitMatrix::from_fn(rows, n, |i, j| {
        (i * i * 3 + j * 5 + i * j) % 7 < 3
    }))
}

pub fn run(
    machine: &BoltzmannMachine,
    options: &BoltzmannOptions,
    data: &Examples,
) -> BoltzmannTraining {
    let mut run = BoltzmannTraining::new(machine.clone(), options.clone(), data).unwrap();
    let ended = run.run(data, |_| ControlFlow::Continue(())).unwrap();
    assert!(ended.is_finished());
    run
}

pub fn mean_log_likelihood(machine: &BoltzmannMachine, data: &Examples) -> f64 {
    let all = machine
        .exact_log_p_v(data.bits().unwrap(), &mut ())
        .unwrap();
    all.iter().sum::<f64>() / all.len() as f64
}

pub const SAMPLED: [(Positive, Negative); 3] = [
    (
        Positive::Gibbs { steps: 2 },
        Negative::Persistent {
            chains: 700,
            steps: 1,
        },
    ),
    (
        Positive::Gibbs { steps: 1 },
        Negative::Mcmc {
            chains: 700,
            steps: 5,
        },
    ),
    (
        Positive::MeanField(MeanField {
            iterations: 10,
            tolerance: 1e-4,
            damping: 0.0,
        }),
        Negative::Persistent {
            chains: 700,
            steps: 1,
        },
    ),
];
