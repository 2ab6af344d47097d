//! What annealing refuses.

use crate::common::{linear, normal_rbm};
use harmonium::{
    bits::BitMatrix,
    dataset::bars_and_stripes,
    evaluate::{Ais, Betas, ReverseStart},
};

#[test]
fn nonsense_is_refused() {
    let rbm = normal_rbm(4, 3, 1.0, 0);
    let given = |ladder: &[f32]| {
        let betas = Betas::Given(ladder.to_vec());
        let ais = Ais {
            betas,
            ..linear(5, 1, 0)
        };
        ais.log_z(&rbm, &mut ()).is_err()
    };
    for bad in [
        &[][..],
        &[0.0],
        &[0.0, 0.5],
        &[0.1, 1.0],
        &[0.0, 0.0, 1.0],
        &[0.0, 0.6, 0.5, 1.0],
        &[0.0, f32::NAN, 1.0],
    ] {
        assert!(given(bad), "{bad:?}");
    }
    assert!(!given(&[0.0, 1.0]) && !given(&[0.0, 0.5, 0.5, 1.0]));
    assert!(linear(5, 0, 0).log_z(&rbm, &mut ()).is_err());
    let ais = linear(5, 3, 0);
    for (rows, columns) in [(0, 4), (2, 5)] {
        let states = BitMatrix::zeros(rows, columns).into();
        let start = ReverseStart::Gibbs { states, burn_in: 1 };
        assert!(ais.reverse_log_z(&rbm, &start, &mut ()).is_err());
    }
    assert!(ais.raise(&rbm, &BitMatrix::zeros(2, 5), &mut ()).is_err());
    assert!(ReverseStart::suited_to(&rbm, &bars_and_stripes(3), 5, 1, 0).is_err());
    let start = ReverseStart::suited_to(&rbm, &bars_and_stripes(2), 5, 1, 0).unwrap();
    assert!(matches!(start, ReverseStart::Exact));
}
