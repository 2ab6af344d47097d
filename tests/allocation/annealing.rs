//! Annealing, from the first temperature to the last.

use super::counted;
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    evaluate::{Ais, Betas, ReverseStart},
    model::{BoltzmannMachine, Rbm},
};
use rayon::ThreadPool;
use std::ops::ControlFlow;

const TEMPERATURES: usize = 60;

fn ais() -> Ais {
    Ais {
        betas: Betas::Linear(TEMPERATURES),
        ..Ais::default()
    }
}

/// An RBM forwards and in reverse, and the likelihood of examples.
pub(super) fn both_ways(pool: &ThreadPool) {
    let bits = BitMatrix::from_fn(100, 300, |i, j| (i * 3 + j * 7) % 5 < 2);
    let data = Examples::new(bits.clone()).unwrap();
    let rbm = Rbm::bernoulli(&[300, 200])
        .unwrap()
        .initialized_from(&data, 1)
        .unwrap();
    let ais = ais();
    let start = ReverseStart::Gibbs {
        states: bits.clone().into(),
        burn_in: 0,
    };
    let mut counts = Vec::with_capacity(3 * TEMPERATURES);
    let mut progress = |_, _| {
        counts.push(counted());
        ControlFlow::Continue(())
    };
    pool.install(|| {
        // The pool's own queues grow.
        ais.log_z(&rbm, &mut ()).unwrap();
        ais.log_z(&rbm, &mut progress).unwrap();
        ais.reverse_log_z(&rbm, &start, &mut progress).unwrap();
        ais.raise(&rbm, &bits, &mut progress).unwrap();
    });
    let threads = pool.current_num_threads();
    for (way, counts) in counts.chunks(TEMPERATURES).enumerate() {
        let count = counts[TEMPERATURES - 1] - counts[0];
        assert_eq!(count, 0, "way {way} on {threads} threads");
    }
}

pub(super) fn general_machine(pool: &ThreadPool) {
    let bits = BitMatrix::from_fn(1000, 90, |i, j| (i * 3 + j * 7) % 5 < 2);
    let data = Examples::new(bits).unwrap();
    let machine = BoltzmannMachine::bernoulli(&[90, 40]).unwrap();
    let machine = machine.initialized_from(&data, 1).unwrap();
    let ais = ais();
    let mut counts = Vec::with_capacity(TEMPERATURES);
    let mut progress = |_, _| {
        counts.push(counted());
        ControlFlow::Continue(())
    };
    pool.install(|| {
        ais.log_z(&machine, &mut ()).unwrap();
        ais.log_z(&machine, &mut progress).unwrap();
    });
    let count = counts[TEMPERATURES - 1] - counts[0];
    let threads = pool.current_num_threads();
    assert_eq!(count, 0, "annealing on {threads} threads");
}
