//! Each way to the expectations of the data and of the model against enumeration.

use crate::common::dbm::bernoulli;
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    model::{Dbm, Layered as _},
    train::{DbmOptions, DbmTraining, Learning, Negative, Positive},
};

/// Chains and copies of examples of a sampled phase.
pub const MANY: usize = 20_000;

/// Updates along the gradient itself.
pub fn bare(positive: Positive, negative: Negative) -> DbmOptions {
    DbmOptions {
        positive,
        negative,
        centering: None,
        learning: Learning {
            batch_size: MANY,
            learning_rate: 1.0.into(),
            ..Learning::default()
        },
        ..DbmOptions::default()
    }
}

fn parameters(dbm: &Dbm) -> Vec<f64> {
    let layers = 0..dbm.n_layers();
    let weights = (1..dbm.n_layers()).flat_map(|l| dbm.weights(l - 1).elements());
    let bias = layers.flat_map(|l| dbm.layer(l).bias.clone());
    weights.chain(bias).map(f64::from).collect()
}

/// The step of an update, after others that change nothing.
pub fn step(dbm: &Dbm, options: DbmOptions, before: usize, data: &Examples) -> Vec<f64> {
    let mut run = DbmTraining::new(dbm.clone(), options, data).unwrap();
    run.set_learning_rate(0.0).unwrap();
    for _ in 0..before {
        let _ = run.update(data).unwrap();
    }
    assert_eq!(run.model(), dbm);
    run.set_learning_rate(1.0).unwrap();
    let _ = run.update(data).unwrap();
    let (to, from) = (parameters(run.model()), parameters(dbm));
    to.iter().zip(from).map(|(a, b)| a - b).collect()
}

fn rows(n: usize, count: usize) -> BitMatrix {
    BitMatrix::from_fn(count, n, |i, j| ((i % 4) * 5 + j * 3 + (i % 4) * j) % 7 < 3)
}

/// Central differences of step 1/128 as in the tests of general machines: third derivatives below
/// 6 times `(2 / 128)^2 / 6`, and f32 rounding of a parameter near 1 over 1/64.
#[test]
fn exact_phases_are_finite_differences() {
    let exact = || bare(Positive::Exact, Negative::Exact);
    for (sizes, seed) in [(&[4, 3, 3][..], 1), (&[3, 3, 2, 2], 2), (&[4, 3], 3)] {
        let dbm = bernoulli(sizes, 0.6, seed);
        let data = rows(sizes[0], 4);
        let got = step(&dbm, exact(), 0, &Examples::new(data.clone()).unwrap());
        let likelihood = |x: &Dbm| x.exact_mean_log_likelihood(&data, &mut ()).unwrap().mean;
        for (k, got) in got.iter().enumerate() {
            let (up, x) = moved(&dbm, k, 1.0 / 128.0);
            let (down, y) = moved(&dbm, k, -1.0 / 128.0);
            let expected = (likelihood(&up) - likelihood(&down)) / (x - y);
            assert!((got - expected).abs() < 3e-4, "{k}: {got} for {expected}");
        }
    }
}

/// The machine with `by` added to its parameter `k`, in the order of [`parameters`], and that
/// parameter.
pub fn moved(dbm: &Dbm, mut k: usize, by: f32) -> (Dbm, f64) {
    let mut dbm = dbm.clone();
    for l in 1..dbm.n_layers() {
        let w = dbm.weights_mut(l - 1);
        let n = w.rows() * w.columns();
        if k < n {
            let (i, j) = (k / w.columns(), k % w.columns());
            w.row_mut(i)[j] += by;
            let x = f64::from(w.row(i)[j]);
            dbm.refresh();
            return (dbm, x);
        }
        k -= n;
    }
    for l in 0..dbm.n_layers() {
        let b = dbm.bias_mut(l);
        if k < b.len() {
            b[k] += by;
            let x = f64::from(b[k]);
            return (dbm, x);
        }
        k -= b.len();
    }
    unreachable!("a parameter of the machine")
}

/// Every way to the model's expectations, with the exact posterior, and every way to the data's,
/// with exact expectations of the model. A mean over 20,000 independent chains of values in [0, 1]
/// has a standard error of at most 0.5 / sqrt(20,000): five of them. Forty sweeps of machines of
/// 10 units with weights of 0.5 forget their start; statistics in fixed point are off by less than
/// 2^-8 / sqrt(20,000) a mean, far less.
#[test]
fn each_phase_is_the_enumerated_one() {
    let five = 5.0 * 0.5 / (MANY as f64).sqrt();
    for (sizes, seed) in [(&[5, 3, 2][..], 4), (&[4, 3, 2, 2], 5)] {
        let dbm = bernoulli(sizes, 0.5, seed);
        let few = Examples::new(rows(sizes[0], 4)).unwrap();
        let many = Examples::new(rows(sizes[0], MANY)).unwrap();
        let expected = step(&dbm, bare(Positive::Exact, Negative::Exact), 0, &few);
        let check = |options: DbmOptions, before: usize, data: &Examples| {
            let what = format!("{:?} {:?} {sizes:?}", options.positive, options.negative);
            let got = step(&dbm, options, before, data);
            for (k, (a, b)) in got.iter().zip(&expected).enumerate() {
                assert!((a - b).abs() < five, "{what}, {k}: {a} for {b}");
            }
        };
        let chains = MANY;
        for (negative, before) in [
            (Negative::Persistent { chains, steps: 4 }, 9),
            (Negative::Mcmc { chains, steps: 40 }, 0),
            (
                Negative::FastPersistent {
                    chains,
                    steps: 4,
                    fast_rate: 0.0,
                    fast_decay: 0.9,
                },
                9,
            ),
            (
                Negative::Tempered {
                    chains,
                    steps: 4,
                    temperatures: 3,
                    lowest: 0.2,
                },
                9,
            ),
            (
                Negative::Trajectory {
                    chains,
                    steps: 4,
                    acceptance: 0.25,
                    snapshots: 2,
                },
                9,
            ),
        ] {
            check(bare(Positive::Exact, negative), before, &few);
        }
        let exact = Negative::Exact;
        check(bare(Positive::Gibbs { steps: 4 }, exact), 9, &many);
        // Chains that start at the data and forget them.
        let cd = Negative::ContrastiveDivergence {
            steps: 40,
            reconstruction: Default::default(),
        };
        let both = bare(Positive::Gibbs { steps: 40 }, cd);
        let got = step(&dbm, both, 0, &many);
        for (a, b) in got.iter().zip(&expected) {
            assert!((a - b).abs() < 2.0_f64.sqrt() * five, "{a} for {b}");
        }
    }
}
