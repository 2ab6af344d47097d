use super::*;
use crate::{
    bits::BitMatrix,
    product::{Direction, Route, Term, propagate, route},
    rng::HostRng,
};

const SIZES: [usize; 3] = [90, 130, 150];
const ROWS: usize = 60;

fn machine(seed: u64, deviation: f64) -> Dbm {
    let mut rng = HostRng::numbered(seed, 82);
    let mut dbm = Dbm::bernoulli(&SIZES).unwrap();
    for l in 0..2 {
        *dbm.connections[l].weights_mut() = Matrix::from_fn(SIZES[l], SIZES[l + 1], |_, _| {
            (deviation * rng.normal()) as f32
        });
    }
    for l in 0..3 {
        let bias = dbm.bias_mut(l).iter_mut();
        bias.for_each(|b| *b = 0.5 * rng.normal() as f32);
    }
    dbm
}

fn data(seed: u64) -> BitMatrix {
    let mut rng = HostRng::numbered(seed, 83);
    BitMatrix::from_fn(ROWS, SIZES[0], |_, _| rng.uniform() < 0.3)
}

fn means_of(posterior: &Posterior, l: usize) -> Vec<f32> {
    posterior.mean(l).elements().collect()
}

/// What converges by exact products converges by rounded ones, in nearly as many iterations, to
/// nearly the same means: for tolerances far below the resolution of the inputs, 2^-15, too, since
/// integers that repeat are at rest.
#[test]
fn rounded_products_converge_below_the_tolerance() {
    for seed in 0..6 {
        for deviation in [0.05, 0.1, 0.2] {
            let (dbm, v) = (machine(seed, deviation), data(seed));
            let step = dbm.connections[1].look_up_step().unwrap_or(0.0);
            // An input is off by so much, a mean by a quarter of it; of inputs that are off by what
            // means are, the machine makes no more than twice as much.
            let bound = 0.25 * step * (0.5 * SIZES[2] as f32 + 3.0) * 2.0;
            for tolerance in [1e-2_f32, 1e-4, 1e-6] {
                let options = MeanField {
                    iterations: 100,
                    tolerance,
                    damping: 0.0,
                };
                let mut all = [Posterior::default(), Posterior::of_learning()];
                let [exact, rounded] = all.each_mut().map(|posterior| {
                    posterior.start(&dbm, &v).unwrap();
                    posterior.iterate(&dbm, &options).unwrap()
                });
                assert!(exact.is_within(&options) && rounded.is_within(&options));
                assert!(rounded.iterations <= exact.iterations + 10, "{rounded:?}");
                for l in 1..3 {
                    let [a, b] = [0, 1].map(|k| means_of(&all[k], l));
                    for (a, b) in a.iter().zip(b) {
                        // Each may have stopped some changes away from rest.
                        let apart = (a - b).abs();
                        assert!(
                            apart <= bound + 2.0 * tolerance,
                            "{apart}, {seed} {deviation}"
                        );
                    }
                }
            }
        }
    }
}

/// What a program asks for is exact to f32; learning rounds.
#[test]
fn means_are_exact_unless_they_are_of_learning() {
    let (dbm, v) = (machine(1, 0.2), data(1));
    for mut posterior in [Posterior::default(), Posterior::of_learning()] {
        posterior.start(&dbm, &v).unwrap();
        let mut expected = Matrix::zeros(ROWS, SIZES[2]);
        let term = Term {
            input: posterior.mean(1).into(),
            weights: dbm.weights(1),
            direction: Direction::Up,
            fixed: None,
        };
        let tail = Tail {
            mean: Some(expected.view_mut()),
            ..Tail::new(1.0)
        };
        propagate(
            &[term],
            &dbm.layer(2).bias,
            tail,
            &mut Propagation::default(),
        )
        .unwrap();
        let is_exact = *posterior.mean(2) == expected;
        let rounds = posterior.rounds && route() != Route::Dense;
        assert_eq!(is_exact, !rounds);
    }
}
