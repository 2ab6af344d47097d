//! Sums over rows against exact twins in f64, at sizes where a running sum of f32 is off by 1e-7,
//! 1e-5 and 1e-4 of itself.

use crate::{common::memory::last_step, common::normal_rbm, same_on_every_set};
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    matrix::Matrix,
    product::{Direction, FixedPoint, Propagation, Tail, Term, propagate},
    rng::HostRng,
    threads::Pool,
    train::{Learning, Negative, RbmOptions, RbmTraining, Schedule},
};

/// One rounding to f32, and what the f64 sums lose.
const ROUNDING: f64 = 1.01 / (1 << 24) as f64;

fn random_bits(rows: usize, columns: usize, seed: u64) -> BitMatrix {
    let mut rng = HostRng::numbered(seed, 91);
    BitMatrix::from_fn(rows, columns, |_, _| rng.uniform() < 0.4)
}

/// Fused column sums, dense and by look-up (in registers, where there are some), for pools that
/// divide panels and words of columns differently: those of the means that the same pass writes.
#[test]
fn column_sums_are_those_of_the_means() {
    let (below, columns) = (40, 70);
    let mut rng = HostRng::numbered(1, 92);
    let weights = Matrix::from_fn(below, columns, |_, _| rng.normal() as f32);
    let bias: Vec<f32> = (0..columns).map(|j| j as f32 / 20.0 - 2.0).collect();
    let fixed = FixedPoint::new(&weights);
    let pools = [1, 2, 7].map(|threads| Pool::new(threads).unwrap());
    for rows in [1, 100, 255, 257, 10_000, 60_000] {
        let x = random_bits(rows, below, rows as u64);
        for fixed in [None, Some(&fixed)] {
            same_on_every_set(|_| {
                let run = |pool: &Pool| {
                    let (mut mean, mut sums) = (Matrix::zeros(rows, columns), vec![0.0; columns]);
                    let tail = Tail {
                        mean: Some(mean.view_mut()),
                        column_sums: Some(&mut sums),
                        ..Tail::new(1.0)
                    };
                    let term = Term {
                        input: (&x).into(),
                        weights: &weights,
                        direction: Direction::Up,
                        fixed,
                    };
                    let mut buffers = Propagation::default();
                    pool.install(|| propagate(&[term], &bias, tail, &mut buffers))
                        .unwrap();
                    for (j, &sum) in sums.iter().enumerate() {
                        let exact: f64 = (0..rows).map(|i| f64::from(mean.row(i)[j])).sum();
                        let error = (f64::from(sum) - exact).abs() / exact;
                        assert!(error <= ROUNDING, "{rows} rows, column {j}: {error:e}");
                    }
                    sums
                };
                let [one, two, seven] = [0, 1, 2].map(|k| run(&pools[k]));
                assert!(one == two && two == seven, "{rows} rows");
                one
            });
        }
    }
}

/// The gradients of the biases of one minibatch of all rows, exact expectations of the model
/// beside them, with and without weights of the examples.
#[test]
fn gradients_of_biases_are_exact_over_many_rows() {
    let rbm = normal_rbm(9, 6, 0.4, 2);
    let model = rbm.expectations(&mut ()).unwrap();
    for rows in [100, 10_000, 60_000] {
        let v = random_bits(rows, 9, 3);
        let weights: Vec<f32> = (0..rows).map(|i| 0.25 + (i % 13) as f32 / 8.0).collect();
        for weights in [None, Some(weights)] {
            let plain = Examples::new(v.clone()).unwrap();
            let data = match &weights {
                None => plain,
                Some(weights) => plain.with_weights(weights.clone()).unwrap(),
            };
            same_on_every_set(|isa| {
                let options = RbmOptions {
                    negative: Negative::Exact,
                    centering: None,
                    learning: Learning {
                        batch_size: rows,
                        learning_rate: Schedule::Constant(1.0),
                        momentum: Schedule::Constant(0.0),
                        weight_decay: 0.0,
                        epochs: 1,
                        ..Learning::default()
                    },
                    ..RbmOptions::default()
                };
                let mut training = RbmTraining::new(rbm.clone(), options, &data).unwrap();
                let _ = training.update(&data).unwrap();
                let gradient = last_step(&training);
                let p = rbm.mean_h_from_v(&v, 1.0).unwrap();
                let weight = |i: usize| weights.as_ref().map_or(1.0, |w| f64::from(w[i]));
                let mass: f64 = (0..rows).map(weight).sum();
                for j in 0..6 {
                    let sum: f64 = (0..rows).map(|i| weight(i) * f64::from(p.row(i)[j])).sum();
                    let mean = sum / mass;
                    let got = f64::from(gradient[9 * 6 + 9 + j]);
                    let error = (got - (mean - model.hidden[j])).abs() / mean;
                    assert!(error < 5e-7, "{isa}, {rows} rows, unit {j}: {error:e}");
                }
                gradient
                    .into_iter()
                    .skip(9 * 6)
                    .map(f32::to_bits)
                    .collect::<Vec<_>>()
            });
        }
    }
}
