//! Updates of general machines by every way of sampling.

use super::allocations;
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    model::{BoltzmannMachine, Layer, MeanField},
    train::{BoltzmannOptions, BoltzmannTraining, Learning, Negative, Positive, Rule},
    units::Units,
};
use rayon::ThreadPool;

pub(super) fn updates(pool: &ThreadPool) {
    let bits = BitMatrix::from_fn(1000, 90, |i, j| (i * 3 + j * 7) % 5 < 2);
    let plain = Examples::new(bits).unwrap();
    let mask = BitMatrix::from_fn(1000, 90, |i, j| (i + j) % 5 > 0);
    let weights = (0..1000).map(|i| 0.5 + (i % 3) as f32).collect();
    let missing = plain.clone().with_observed(mask).unwrap();
    let missing = missing.with_weights(weights).unwrap();
    let (gibbs, mean_field) = (
        Positive::Gibbs { steps: 2 },
        Positive::MeanField(MeanField::default()),
    );
    let persistent = Negative::Persistent {
        chains: 100,
        steps: 2,
    };
    let mcmc = Negative::Mcmc {
        chains: 50,
        steps: 2,
    };
    for (n_hidden, positive, negative, data) in [
        (40, gibbs, persistent, &plain),
        (40, mean_field, persistent, &plain),
        (40, gibbs, mcmc, &plain),
        (0, gibbs, persistent, &plain),
        (0, gibbs, Negative::PseudoLikelihood, &plain),
        (40, gibbs, persistent, &missing),
    ] {
        let options = BoltzmannOptions {
            positive,
            negative,
            learning: Learning {
                batch_size: 96,
                optimizer: Rule::ADAM,
                ..Learning::default()
            },
        };
        let machine = BoltzmannMachine::bernoulli(&[90, n_hidden]).unwrap();
        allocate_nothing(pool, machine, options, data);
    }
    let units = Units::parse("softmax:9*10", 90).unwrap();
    let bits = BitMatrix::from_fn(1000, 90, |i, j| j % 9 == (i + j / 9) % 9);
    let groups = Examples::new(bits).unwrap();
    for (n_hidden, negative) in [(40, persistent), (0, mcmc), (0, Negative::PseudoLikelihood)] {
        let options = BoltzmannOptions {
            positive: gibbs,
            negative,
            learning: Learning {
                batch_size: 96,
                ..Learning::default()
            },
        };
        let visible = Layer::new(units.clone());
        let machine = BoltzmannMachine::of_visible(visible, n_hidden).unwrap();
        allocate_nothing(pool, machine, options, &groups);
    }
}

fn allocate_nothing(
    pool: &ThreadPool,
    machine: BoltzmannMachine,
    options: BoltzmannOptions,
    data: &Examples,
) {
    let what = format!("{:?}, {:?}", options.positive, options.negative);
    let machine = machine.initialized_from(data, 1).unwrap();
    let mut training = BoltzmannTraining::new(machine, options, data).unwrap();
    let count = allocations(pool, 30, || {
        let _ = training.update(data).unwrap();
    });
    let threads = pool.current_num_threads();
    assert_eq!(count, 0, "{what} on {threads} threads");
}
