//! What general machines refuse.

mod training;

use crate::common::{ROUNDING, assert_close, normal_boltzmann, normal_rbm};
use harmonium::{
    Error,
    bits::BitMatrix,
    matrix::Matrix,
    model::{BoltzmannMachine, MeanField, boltzmann::Sweep},
};

#[test]
fn what_is_refused() {
    let message = |x: Result<BoltzmannMachine, Error>| x.unwrap_err().to_string();
    let u = |x: [f32; 4]| Matrix::from_slice(&x, 2, 2).unwrap();
    let fully = |x| message(BoltzmannMachine::from_parameters([vec![0.0; 2]], [u(x)]));
    assert!(fully([0.0, 1.0, 2.0, 0.0]).contains("(1, 0)"));
    assert!(fully([0.0, 1.0, 1.0, 3.0]).contains("diagonal element 1"));
    assert!(fully([0.0, f32::NAN, f32::NAN, 0.0]).contains("visible weights"));
    let shape = BoltzmannMachine::from_parameters([vec![0.0; 2]], [Matrix::zeros(2, 3)]);
    assert!(message(shape).contains("2 x 2"));
    let bias = BoltzmannMachine::from_parameters([vec![f32::INFINITY]], [Matrix::zeros(1, 1)]);
    assert!(message(bias).contains("bias"));
    for edges in [
        &[(0, 0, 1.0)][..],
        &[(0, 3, 1.0)],
        &[(0, 1, 1.0), (1, 0, 2.0)],
    ] {
        assert!(message(BoltzmannMachine::from_edges(2, 1, edges)).contains("edge"));
    }
    let machine = BoltzmannMachine::bernoulli(&[40]).unwrap();
    assert!(machine.visible_distribution(1.0, &mut ()).is_err());
    // Without couplings everything is summed in closed form.
    assert_close(
        machine.log_z(&mut ()).unwrap(),
        40.0 * std::f64::consts::LN_2,
        ROUNDING,
        "ln Z",
    );
    let dense = normal_boltzmann(40, 0, 0.1, 1);
    assert!(dense.log_z(&mut ()).unwrap_err().to_string().contains("39"));
    assert!(
        dense
            .energy(&BitMatrix::zeros(2, 39), &BitMatrix::zeros(2, 0))
            .is_err()
    );
    assert!(dense.expectations_given(&[None; 39], &mut ()).is_err());
    let bad = MeanField {
        damping: 1.0,
        ..MeanField::default()
    };
    assert!(
        dense
            .posterior_means(&BitMatrix::zeros(1, 40), &bad)
            .is_err()
    );
}

#[test]
fn the_automatic_choice_and_what_is_refused() {
    let by_blocks = |machine: &BoltzmannMachine| {
        let chain = machine.chains(1, 1).unwrap();
        chain.is_by_blocks()
    };
    assert!(!by_blocks(&normal_boltzmann(12, 0, 0.1, 1)));
    assert!(by_blocks(
        &BoltzmannMachine::try_from(&normal_rbm(9, 5, 0.1, 1)).unwrap()
    ));
    let edges: Vec<_> = (1..100).map(|i| (i - 1, i, 1.0)).collect();
    assert!(!by_blocks(
        &BoltzmannMachine::from_edges(100, 0, &edges).unwrap()
    ));
    assert!(!by_blocks(&BoltzmannMachine::bernoulli(&[5, 2]).unwrap()));
    let dense = normal_boltzmann(9, 0, 0.1, 1);
    assert!(dense.chains_by(Sweep::Blocks, 1, 1).is_err());
    let mut chain = dense.chains_by(Sweep::Units, 1, 1).unwrap();
    assert!(chain.sweep(1, f32::NAN).is_err());
}
