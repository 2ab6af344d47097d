//! Held units: the conditional of the others, and what cannot be held.

use super::{CHAINS, assert_in_distribution};
use crate::common::{self, draw_states, normal_rbm};
use harmonium::{
    bits::BitMatrix,
    matrix::Matrix,
    model::{Clamp, Layer, Rbm},
    units::{Kind, Units},
};

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

#[test]
fn what_cannot_be_held_is_refused() {
    let visible = Layer::new(Units::of(Kind::Bernoulli, 3).and(Kind::Softmax, 2));
    let bits = |text: &str| common::rows(text);
    assert!(Clamp::new(&visible, bits("00010"), bits("10011")).is_ok());
    assert!(
        Clamp::new(&visible, bits("00011"), bits("10000")).is_ok(),
        "free values are ignored"
    );
    for (values, mask) in [
        ("00010", "00010"),
        ("00000", "00011"),
        ("00011", "00011"),
        ("0001", "0001"),
        ("00010 00010 00010", "10000 10000"),
    ] {
        assert!(
            Clamp::new(&visible, bits(values), bits(mask)).is_err(),
            "{values} {mask}"
        );
    }
    assert!(Clamp::new(&visible, Matrix::zeros(1, 5), bits("10000")).is_err());
    let rbm = normal_rbm(5, 4, 0.5, 1);
    let three = Clamp::new(
        rbm.visible(),
        BitMatrix::zeros(3, 5),
        BitMatrix::zeros(1, 5),
    )
    .unwrap();
    assert!(rbm.chains(2, 0).unwrap().clamped(0, three).is_err());
    // Real states: spins.
    let spins = Layer::of(Kind::Spin, 2);
    let x = |a: f32| Matrix::from_fn(1, 2, |_, _| a);
    assert!(Clamp::new(&spins, x(-1.0), bits("10")).is_ok());
    assert!(Clamp::new(&spins, x(0.5), bits("10")).is_err());
    let rbm = Rbm::unconnected(spins.clone(), Layer::bernoulli(1)).unwrap();
    let clamp = Clamp::new(&spins, x(-1.0), bits("10")).unwrap();
    let mut chain = rbm.chains(200, 0).unwrap().clamped(0, clamp).unwrap();
    chain.sweep(&rbm, 2, 1.0).unwrap();
    let v = chain.visible().to_matrix();
    assert!((0..200).all(|i| v.row(i)[0] == -1.0));
    assert!((0..200).any(|i| v.row(i)[1] == 1.0));
}
