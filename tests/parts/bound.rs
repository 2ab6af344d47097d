//! Units that respond, of a deep Boltzmann machine.

use harmonium::{
    Dbm, MeanField,
    bits::BitMatrix,
    evaluate::{DbmBound, RESPONDING_ABOVE},
    kernel::reference::sigmoid,
    matrix::Matrix,
    model::Layer,
};

#[test]
fn units_that_follow_the_data_respond() {
    // Unit 0 of the first hidden layer follows its visible unit, 1 is off, 2 on, 3 undecided
    // whatever comes; the unit above follows unit 0.
    let first = Matrix::from_fn(2, 4, |i, j| if (i, j) == (0, 0) { 20.0 } else { 0.0 });
    let second = Matrix::from_fn(4, 1, |i, _| if i == 0 { 8.0 } else { 0.0 });
    let mut layers = [2, 4, 1].map(Layer::bernoulli);
    layers[1].bias = vec![-14.0, -20.0, 20.0, 0.0];
    layers[2].bias = vec![-4.0];
    let dbm = Dbm::from_parameters(layers.to_vec(), vec![first, second]).unwrap();
    // More rows than mean field takes at a time, a quarter of them with the first bit.
    let v = BitMatrix::from_fn(6000, 2, |s, i| i == 0 && s % 4 == 0);
    let bound = DbmBound::new(&dbm, &v, &MeanField::default(), &mut ()).unwrap();
    let responding: Vec<usize> = bound
        .hidden
        .iter()
        .map(|x| x.responding(RESPONDING_ABOVE))
        .collect();
    assert_eq!(responding, [1, 1]);
    let on = [sigmoid(4.0), sigmoid(-4.0)];
    let mean = 0.25 * on[0] + 0.75 * on[1];
    let deviation = (0.25 * 0.75_f64).sqrt() * (on[0] - on[1]);
    let top = &bound.hidden[1];
    assert!(
        (top.mean[0] - mean).abs() < 1e-3,
        "{} for {mean}",
        top.mean[0]
    );
    assert!(
        (top.deviation[0] - deviation).abs() < 1e-3,
        "{} for {deviation}",
        top.deviation[0]
    );
    assert!((bound.hidden[0].mean[3] - 0.5).abs() < 1e-6);
    let (bounds, convergence) = dbm.mean_field_bounds(&v, &MeanField::default()).unwrap();
    assert_eq!((bounds, convergence), (bound.bounds, bound.convergence));
}
