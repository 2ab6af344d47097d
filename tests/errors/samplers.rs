//! What samplers refuse.

use crate::common::{self, normal_rbm};
use harmonium::{
    bits::BitMatrix,
    matrix::Matrix,
    model::{Clamp, Layer, Rbm},
    units::{Kind, Units},
};

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
