//! Hidden units that are dead or saturated.

use harmonium::{
    Rbm,
    bits::BitMatrix,
    evaluate::{DEAD_BELOW, HiddenActivity, SATURATED_ABOVE},
    kernel::reference::sigmoid,
    matrix::Matrix,
};

#[test]
fn means_counts_and_refusal_by_hand() {
    // Units 0 and 1 follow their visible unit, 2 is off and 3 on whatever comes.
    let weights = Matrix::from_fn(2, 4, |i, j| if i == j { 20.0 } else { 0.0 });
    let hidden = vec![-10.0, -10.0, -6.0, 6.0];
    let rbm = Rbm::from_parameters([vec![0.0; 2], hidden], [weights]).unwrap();
    let v = BitMatrix::from_fn(1000, 2, |s, i| i == 0 && s % 4 == 0);
    let activity = HiddenActivity::new(&rbm, &v).unwrap();
    let on = sigmoid(10.0);
    let expected = [
        0.25 * on + 0.75 * (1.0 - on),
        1.0 - on,
        sigmoid(-6.0),
        sigmoid(6.0),
    ];
    for (got, expected) in activity.mean.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-6, "{got} for {expected}");
    }
    assert_eq!(activity.dead(DEAD_BELOW), 2);
    assert_eq!(activity.saturated(SATURATED_ABOVE), 1);
    assert_eq!(activity.dead(0.3), 3);
    assert!(HiddenActivity::new(&rbm, &BitMatrix::zeros(3, 5)).is_err());
}
