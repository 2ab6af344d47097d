//! The products of an RBM 784-500, in connection updates: up and down, from bits and from real
//! values, and statistics.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harmonium::{
    BitMatrix, Input, Matrix,
    kernel::reference,
    product::{
        Direction, FixedPoint, Phase, Propagation, Provider, Statistics, Tail, Term, gemm,
        propagate,
    },
    rng::{Draws, Site},
};
use std::hint::black_box;

const N_VISIBLE: usize = 784;
const N_HIDDEN: usize = 500;
const BATCHES: [usize; 2] = [100, 1000];

fn weights() -> Matrix {
    Matrix::from_fn(N_VISIBLE, N_HIDDEN, |i, j| {
        ((i * 7 + j * 3) % 13) as f32 / 64.0 - 0.09375
    })
}

/// Bits of which an eighth is on, and real values with nearly the same mean.
fn states(rows: usize, columns: usize) -> (BitMatrix, Matrix) {
    let draws = Draws::new(0, Site::Start, 0);
    (
        BitMatrix::from_fn(rows, columns, |i, j| draws.uniform(i, j) < 0.125),
        Matrix::from_fn(rows, columns, |i, j| ((i * 5 + j * 3) % 9) as f32 / 32.0),
    )
}

fn propagations(c: &mut Criterion) {
    let mut group = c.benchmark_group("propagate");
    let weights = weights();
    let fixed = FixedPoint::new(&weights);
    let seen = fixed.weights(N_VISIBLE, N_HIDDEN);
    let mut buffers = Propagation::default();
    for rows in BATCHES {
        let updates = (rows * N_VISIBLE * N_HIDDEN) as u64;
        group.throughput(Throughput::Elements(updates));
        for (way, direction, from, to) in [
            ("up", Direction::Up, N_VISIBLE, N_HIDDEN),
            ("down", Direction::Down, N_HIDDEN, N_VISIBLE),
        ] {
            let (bits, real) = states(rows, from);
            // What look-ups see of the weights is what their products must equal.
            let inputs: [(&str, Input<'_>, _, _); 4] = [
                ("bits", (&bits).into(), None, &weights),
                ("real", (&real).into(), None, &weights),
                ("look-up", (&bits).into(), Some(&fixed), &seen),
                ("integers", (&real).into(), Some(&fixed), &seen),
            ];
            let bias = vec![0.0; to];
            let mut out = Matrix::zeros(rows, to);
            for (kind, input, fixed, seen) in inputs {
                let term = Term {
                    input,
                    weights: &weights,
                    direction,
                    fixed,
                };
                let mut run = |out: &mut Matrix| {
                    let tail = Tail {
                        input: Some(out.view_mut()),
                        ..Tail::new(1.0)
                    };
                    propagate(black_box(&[term]), &bias, tail, &mut buffers).unwrap();
                };
                run(&mut out);
                assert_first_rows(input, seen, direction, &out);
                let id = BenchmarkId::new(format!("{way} {kind}"), rows);
                group.bench_function(id, |b| b.iter(|| run(&mut out)));
            }
        }
    }
    group.finish();
}

/// The first rows are what the plain product gives.
fn assert_first_rows(input: Input<'_>, weights: &Matrix, direction: Direction, out: &Matrix) {
    let first = match input.view_rows(0..2) {
        Input::Bits(x) => x.to_owned().to_matrix(),
        Input::Real(x) => Matrix::from_fn(2, x.columns(), |i, j| x.row(i)[j]),
    };
    let expected = reference::product(first.view(), weights, direction == Direction::Down);
    for i in 0..2 {
        for (&x, &y) in out.row(i).iter().zip(expected.row(i)) {
            assert!((x - y).abs() < 1e-4, "{x} and {y}");
        }
    }
}

/// Both phases of CD-1: visible bits and hidden means of the data, the same of reconstructions.
fn statistics(c: &mut Criterion) {
    let mut group = c.benchmark_group("statistics");
    for rows in BATCHES {
        group.throughput(Throughput::Elements(
            (2 * rows * N_VISIBLE * N_HIDDEN) as u64,
        ));
        let (visible, visible_mean) = states(rows, N_VISIBLE);
        let (_, hidden) = states(rows, N_HIDDEN);
        let weight = 1.0 / rows as f32;
        let mut out = Matrix::zeros(N_VISIBLE, N_HIDDEN);
        for (kind, negative) in [
            ("bits", Input::from(&visible)),
            ("real", Input::from(&visible_mean)),
        ] {
            let phases = [
                Phase::new((&visible).into(), (&hidden).into(), weight),
                Phase::new(negative, (&hidden).into(), -weight),
            ];
            let statistics = Statistics::new(&phases, N_VISIBLE, N_HIDDEN).unwrap();
            group.bench_function(BenchmarkId::new(kind, rows), |b| {
                b.iter(|| black_box(statistics).write_to(&mut out).unwrap());
            });
            statistics.write_to(&mut out).unwrap();
            // Equal phases cancel; different ones do not, and means in [0, 1] bound the difference.
            let largest = out.elements().fold(0.0_f32, |max, x| max.max(x.abs()));
            match kind {
                "bits" => assert!(largest < 1e-6, "{largest}"),
                _ => assert!(largest > 1e-3 && largest < 1.0, "{largest}"),
            }
        }
    }
    group.finish();
}

/// The dense providers on one thread, on the shapes of the products above with 100 rows.
fn providers(c: &mut Criterion) {
    let mut group = c.benchmark_group("sgemm");
    for (m, n, k) in [
        (100, N_HIDDEN, N_VISIBLE),
        (100, N_VISIBLE, N_HIDDEN),
        (N_VISIBLE, N_HIDDEN, 100),
    ] {
        group.throughput(Throughput::Elements((m * n * k) as u64));
        let a: Vec<f32> = (0..m * k).map(|i| (i % 5) as f32 - 2.0).collect();
        let b: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32 - 3.0).collect();
        for &provider in Provider::ALL {
            let mut product = vec![0.0; m * n];
            gemm(provider, (m, n, k), &a, &b, &mut product);
            let first: f32 = (0..k).map(|l| a[l] * b[l * n]).sum();
            assert_eq!(product[0], first, "small integers: exact in any order");
            let id = BenchmarkId::new(provider.name(), format!("{m}x{n}x{k}"));
            group.bench_function(id, |bench| {
                bench.iter(|| gemm(provider, (m, n, k), black_box(&a), &b, &mut product));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, propagations, statistics, providers);
criterion_main!(benches);
