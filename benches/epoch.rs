//! Ten updates of an RBM 784-500 on minibatches of 100, and Gibbs sweeps, in connection updates.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harmonium::{
    BitMatrix,
    dataset::Examples,
    model::Rbm,
    rng::{Draws, Site},
    train::{Learning, Negative, RbmOptions, RbmTraining, Reconstruction, Schedule},
};

const N_VISIBLE: usize = 784;
const N_HIDDEN: usize = 500;
const BATCH: usize = 100;
/// Updates of an epoch.
const UPDATES: usize = 10;
/// Share of ones in binarized MNIST.
const DENSITY: f32 = 0.13;

fn data() -> Examples {
    let draws = Draws::new(0, Site::Binarize, 0);
    let bits = BitMatrix::from_fn(UPDATES * BATCH, N_VISIBLE, |i, j| {
        draws.uniform(i, j) < DENSITY
    });
    Examples::new(bits).unwrap()
}

fn epochs(c: &mut Criterion) {
    let mut group = c.benchmark_group("epoch");
    group.sample_size(20);
    let data = data();
    let rbm = Rbm::bernoulli(&[N_VISIBLE, N_HIDDEN])
        .unwrap()
        .initialized_from(&data, 0)
        .unwrap();
    let cd = |reconstruction| Negative::ContrastiveDivergence {
        steps: 1,
        reconstruction,
    };
    for (name, negative) in [
        ("CD-1 sampled", cd(Reconstruction::Sampled)),
        ("CD-1 smoothed", cd(Reconstruction::Smoothed)),
        (
            "PCD-1",
            Negative::Persistent {
                chains: BATCH,
                steps: 1,
            },
        ),
    ] {
        let options = RbmOptions {
            negative,
            learning: Learning {
                batch_size: BATCH,
                learning_rate: Schedule::Constant(0.01),
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let mut training = RbmTraining::new(rbm.clone(), options, &data).unwrap();
        let updates = training.connection_updates_per_epoch();
        assert_eq!(updates, (5 * UPDATES * BATCH * N_VISIBLE * N_HIDDEN) as u64);
        group.throughput(Throughput::Elements(updates));
        let mut epoch = || {
            for _ in 0..UPDATES {
                let _ = training.update(&data).unwrap();
            }
        };
        epoch();
        group.bench_function(name, |b| b.iter(&mut epoch));
        assert!(training.model().check_finite().is_ok());
        assert!(training.model() != &rbm, "{name} changes the machine");
        assert_eq!(training.position().batch, 0);
    }
    group.finish();
}

fn sweeps(c: &mut Criterion) {
    let mut group = c.benchmark_group("gibbs sweep");
    group.sample_size(20);
    let rbm = Rbm::bernoulli(&[N_VISIBLE, N_HIDDEN])
        .unwrap()
        .initialized_from(&data(), 0)
        .unwrap();
    for chains in [100, 1000] {
        group.throughput(Throughput::Elements(
            (2 * chains * N_VISIBLE * N_HIDDEN) as u64,
        ));
        let mut chain = rbm.chains(chains, 1).unwrap();
        chain.sweep(&rbm, 1, 1.0).unwrap();
        group.bench_function(BenchmarkId::from_parameter(chains), |b| {
            b.iter(|| chain.sweep(&rbm, 1, 1.0).unwrap());
        });
        // Weights of 0.01 leave the visible units nearly at their biases, which are the log-odds of
        // the data.
        let ones = chain.visible().bits().expect("binary units").count_ones() as f64;
        let share = ones / (chains * N_VISIBLE) as f64;
        assert!((share - f64::from(DENSITY)).abs() < 0.03, "{share}");
    }
    group.finish();
}

criterion_group!(benches, epochs, sweeps);
criterion_main!(benches);
