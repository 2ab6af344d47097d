//! Exact `ln Z` and expectations of an RBM 784-16, in factors: one unit of the visible layer for
//! one state of the hidden one.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use harmonium::{
    Matrix,
    kernel::reference::{log_sum_exp, softplus},
    model::{Rbm, Side},
    rng::HostRng,
};
use std::hint::black_box;

const N_VISIBLE: usize = 784;
const N_HIDDEN: usize = 16;

fn machine(n_visible: usize, n_hidden: usize) -> Rbm {
    let mut rng = HostRng::numbered(0, 0);
    let weights = Matrix::from_fn(n_visible, n_hidden, |_, _| 0.1 * rng.normal() as f32);
    let mut bias = |n| {
        (0..n)
            .map(|_| rng.normal() as f32 - 1.0)
            .collect::<Vec<f32>>()
    };
    let (visible, hidden) = (bias(n_visible), bias(n_hidden));
    Rbm::from_parameters([visible, hidden], [weights]).unwrap()
}

/// Every state of a small machine by its definition.
fn assert_exact() {
    let rbm = machine(50, 10);
    let states: Vec<f64> = (0..1 << 10)
        .map(|state| {
            let on = |j: usize| f64::from(state >> j & 1);
            let sum = |x: &[f32]| -> f64 {
                let terms = x.iter().enumerate();
                terms.map(|(j, &x)| on(j) * f64::from(x)).sum()
            };
            let inputs = rbm.visible().bias.iter().enumerate();
            let inputs = inputs.map(|(i, &b)| f64::from(b) + sum(rbm.weights().row(i)));
            sum(&rbm.hidden().bias) + inputs.map(softplus).sum::<f64>()
        })
        .collect();
    let got = rbm.log_z_over(Side::Hidden, 1.0, &mut ()).unwrap();
    assert!((got - log_sum_exp(&states)).abs() < 1e-10, "{got}");
}

fn exact(c: &mut Criterion) {
    assert_exact();
    let mut group = c.benchmark_group("exact");
    group.throughput(Throughput::Elements((N_VISIBLE << N_HIDDEN) as u64));
    let rbm = machine(N_VISIBLE, N_HIDDEN);
    group.bench_function("log_z", |b| {
        b.iter(|| black_box(&rbm).log_z(&mut ()).unwrap())
    });
    group.bench_function("expectations", |b| {
        b.iter(|| black_box(&rbm).expectations(&mut ()).unwrap());
    });
    group.finish();
}

criterion_group!(benches, exact);
criterion_main!(benches);
