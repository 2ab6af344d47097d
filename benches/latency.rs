//! Calls on one row of bits or a few of an RBM 784-500, each on other rows: what a service pays.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use harmonium::{
    BitMatrix, Matrix, Rbm,
    rng::{Draws, HostRng, Site},
    threads,
};
use std::hint::black_box;

const N_VISIBLE: usize = 784;
const N_HIDDEN: usize = 500;
/// Different rows in turn: more than the caches hold of their weights at once.
const ROWS: usize = 1024;

fn machine() -> Rbm {
    let mut rng = HostRng::numbered(1, 5);
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| 0.1 * rng.normal() as f32).collect() };
    let weights = Matrix::from_slice(&draw(N_VISIBLE * N_HIDDEN), N_VISIBLE, N_HIDDEN);
    let layers = [draw(N_VISIBLE), draw(N_HIDDEN)];
    Rbm::from_parameters(layers, [weights.expect("as many numbers")]).expect("a machine")
}

fn rows() -> BitMatrix {
    let draws = Draws::new(0, Site::Start, 0);
    BitMatrix::from_fn(ROWS, N_VISIBLE, |i, j| draws.uniform(i, j) < 0.13)
}

fn calls(c: &mut Criterion) {
    let (rbm, all) = (machine(), rows());
    let mut group = c.benchmark_group("latency");
    for count in [1, 8, 64] {
        let mut next = 0;
        let mut part = || {
            next = (next + count) % ROWS;
            all.view_rows(next..next + count)
        };
        let mut means = Matrix::zeros(count, N_HIDDEN);
        group.bench_function(BenchmarkId::new("means", count), |b| {
            b.iter(|| {
                let v = black_box(part());
                rbm.mean_h_from_v_into(v, 1.0, &mut means)
                    .expect("they fit");
            });
        });
        let mut free = vec![0.0; count];
        group.bench_function(BenchmarkId::new("free energies", count), |b| {
            b.iter(|| {
                let v = black_box(part());
                rbm.free_energy_into(v, 1.0, &mut free).expect("they fit");
            });
        });
    }
    // As a service calls: four threads of its own, and a pool of many.
    let calls = 2000;
    group.bench_function(
        BenchmarkId::new("four callers", format!("{calls} calls each")),
        |b| {
            b.iter(|| {
                std::thread::scope(|scope| {
                    for caller in 0..4 {
                        let (rbm, all) = (&rbm, &all);
                        scope.spawn(move || {
                            let mut means = Matrix::zeros(1, N_HIDDEN);
                            for k in 0..calls {
                                let row = (k * 4 + caller) % ROWS;
                                rbm.mean_h_from_v_into(
                                    all.view_rows(row..row + 1),
                                    1.0,
                                    &mut means,
                                )
                                .expect("it fits");
                            }
                        });
                    }
                });
            });
        },
    );
    group.finish();
    black_box(threads::count());
}

criterion_group!(benches, calls);
criterion_main!(benches);
