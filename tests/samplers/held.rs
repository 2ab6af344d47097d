//! Held units leave the conditional of the others.

use crate::{
    common::{draw_states, normal_rbm},
    tempering::{CHAINS, assert_in_distribution},
};
use harmonium::{bits::BitMatrix, model::Clamp};

#[test]
fn held_units_leave_the_conditional_of_the_others() {
    let rbm = normal_rbm(5, 4, 0.8, 7);
    let p = rbm.visible_distribution(1.0, &mut ()).unwrap();
    let (mask, values) = (0b01001, 0b01000);
    let one = |k: usize, n: usize| BitMatrix::from_fn(1, n, |_, j| k >> j & 1 == 1);
    let clamp = Clamp::new(rbm.visible(), one(values, 5), one(mask, 5)).unwrap();
    let mass: f64 = (0..32).filter(|k| k & mask == values).map(|k| p[k]).sum();
    let given: Vec<f64> = (0..32)
        .map(|k| if k & mask == values { p[k] / mass } else { 0.0 })
        .collect();
    // Exact starts cannot drift, and starts far away arrive.
    let exact = rbm
        .chains_from(draw_states(&given, 5, CHAINS, 1), 2)
        .unwrap();
    let coins = rbm.chains(CHAINS, 2).unwrap();
    for (chain, sweeps) in [(exact, 1), (coins, 50)] {
        let mut chain = chain.clamped(0, clamp.clone()).unwrap();
        for _ in 0..3 {
            chain.sweep(&rbm, sweeps, 1.0).unwrap();
            assert_in_distribution(chain.visible(), &given, "held visible units");
        }
    }
    // Hidden units: the same of the machine with its layers exchanged.
    let turned = rbm.transposed();
    let clamp = Clamp::new(turned.hidden(), one(values, 5), one(mask, 5)).unwrap();
    let mut chain = turned.chains(CHAINS, 2).unwrap();
    chain.sweep(&turned, 1, 1.0).unwrap();
    let mut chain = chain.clamped(1, clamp).unwrap();
    chain.sweep(&turned, 50, 1.0).unwrap();
    assert_in_distribution(chain.hidden(), &given, "held hidden units");
}
