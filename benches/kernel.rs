//! Element-wise work on one core, in elements: sigmoid, softplus, Bernoulli draws; then the
//! epilogue behind its product.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use harmonium::{
    BitMatrix, Matrix, MatrixView,
    kernel::{activation, bernoulli, reference},
    product::{Direction, Propagation, Tail, Term, propagate},
    rng::{Draws, Site},
};
use std::hint::black_box;

/// Numbers of a call: they stay in the first-level cache.
const ELEMENTS: usize = 4096;
const ROWS: usize = 100;
const N_VISIBLE: usize = 784;
const N_HIDDEN: usize = 500;

/// The name of an activation, its kernel, and the formula that the kernel computes.
type Activation = (&'static str, fn(&mut [f32]), fn(f64) -> f64);

fn activations(c: &mut Criterion) {
    let mut group = c.benchmark_group("activation");
    group.throughput(Throughput::Elements(ELEMENTS as u64));
    let inputs: Vec<f32> = (0..ELEMENTS).map(|i| i as f32 / 100.0 - 20.0).collect();
    let all: [Activation; 2] = [
        ("sigmoid", activation::sigmoid, reference::sigmoid),
        ("softplus", activation::softplus, reference::softplus),
    ];
    for (name, fast, plain) in all {
        let mut x = inputs.clone();
        fast(&mut x);
        for (&x, &y) in inputs.iter().zip(&x) {
            let expected = plain(f64::from(x));
            assert!((f64::from(y) - expected).abs() <= 1e-6 * expected);
        }
        // The results are the next inputs: no cost depends on the values.
        group.bench_function(name, |b| b.iter(|| fast(black_box(&mut x))));
    }
    group.finish();
}

fn draws(c: &mut Criterion) {
    let mut group = c.benchmark_group("bernoulli");
    group.throughput(Throughput::Elements((ROWS * N_HIDDEN) as u64));
    let mean = Matrix::from_fn(ROWS, N_HIDDEN, |_, j| (j % 11) as f32 / 10.0);
    let mut bits = BitMatrix::zeros(ROWS, N_HIDDEN);
    let mut step = 0;
    let mut draw = || {
        step += 1;
        let draws = Draws::new(0, Site::Gibbs, step);
        bernoulli::draw(black_box(mean.view()), draws, bits.view_mut());
    };
    draw();
    group.bench_function("draw", |b| b.iter(&mut draw));
    assert_share(&bits, mean.view());
    group.finish();
}

/// The bits are on as often as their means say, to within five standard deviations of the mean of
/// so many coins.
fn assert_share(bits: &BitMatrix, mean: MatrixView<'_>) {
    let n = (bits.rows() * bits.columns()) as f64;
    let rows = (0..mean.rows()).flat_map(|i| mean.row(i));
    let expected = rows.map(|&p| f64::from(p)).sum::<f64>() / n;
    let share = bits.count_ones() as f64 / n;
    assert!((share - expected).abs() < 2.5 / n.sqrt());
}

/// What an epilogue is asked for.
#[derive(Clone, Copy, Debug)]
enum Output {
    Input,
    Mean,
    Sample,
    SoftplusSums,
}

/// The same product with each tail: the differences are what the tails cost.
fn epilogues(c: &mut Criterion) {
    let mut group = c.benchmark_group("epilogue");
    group.throughput(Throughput::Elements((ROWS * N_VISIBLE * N_HIDDEN) as u64));
    let v = BitMatrix::from_fn(ROWS, N_VISIBLE, |i, j| (i * 31 + j * 17) % 8 == 0);
    let weights = Matrix::from_fn(N_VISIBLE, N_HIDDEN, |i, j| {
        ((i * 7 + j * 3) % 13) as f32 / 64.0 - 0.09375
    });
    let bias = [0.25; N_HIDDEN];
    let term = Term {
        input: (&v).into(),
        weights: &weights,
        direction: Direction::Up,
        fixed: None,
    };
    let mut buffers = Propagation::default();
    let (mut input, mut mean) = (Matrix::zeros(ROWS, N_HIDDEN), Matrix::zeros(ROWS, N_HIDDEN));
    let mut sample = BitMatrix::zeros(ROWS, N_HIDDEN);
    let mut sums = vec![0.0; ROWS];
    let mut run = |output| {
        let mut tail = Tail::new(1.0);
        match output {
            Output::Input => tail.input = Some(input.view_mut()),
            Output::Mean => tail.mean = Some(mean.view_mut()),
            Output::Sample => {
                tail.sample = Some((sample.view_mut(), Draws::new(0, Site::Gibbs, 1)))
            }
            Output::SoftplusSums => tail.softplus_sums = Some(&mut sums),
        }
        propagate(black_box(&[term]), &bias, tail, &mut buffers).unwrap();
    };
    for output in [
        Output::Input,
        Output::Mean,
        Output::Sample,
        Output::SoftplusSums,
    ] {
        run(output);
        group.bench_function(format!("{output:?}"), |b| b.iter(|| run(output)));
    }
    assert_share(&sample, mean.view());
    for (i, &sum) in sums.iter().enumerate() {
        for (&x, &p) in input.row(i).iter().zip(mean.row(i)) {
            assert!((f64::from(p) - reference::sigmoid(f64::from(x))).abs() < 1e-6);
        }
        let row = input.row(i).iter();
        let expected: f64 = row.map(|&x| reference::softplus(f64::from(x))).sum();
        assert!((sum - expected).abs() < 1e-4 * expected);
    }
    group.finish();
}

criterion_group!(benches, activations, draws, epilogues);
criterion_main!(benches);
