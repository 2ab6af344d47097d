//! Annealing of deep Boltzmann machines against the sum over all joint states.

mod labels;

use crate::common::{
    self,
    dbm::{SIZES, bernoulli, close},
};
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    evaluate::{Ais, Base, Betas, DbmBound, ReverseStart},
    model::{Dbm, MeanField},
};

#[test]
fn annealing_brackets_ln_z() {
    for (k, sizes) in SIZES.into_iter().enumerate() {
        let dbm = bernoulli(sizes, 0.8, 70 + k as u64);
        let log_z = dbm.log_z(&mut ()).unwrap();
        let v = common::all_states(dbm.n_visible());
        let data = Examples::new(v.clone()).unwrap();
        let base = Base::rate_of(&dbm, &data).unwrap();
        let Base::Biases(mut visible) = base.clone() else {
            panic!("biases");
        };
        visible.truncate(dbm.n_visible());
        for base in [Base::Uniform, Base::Biases(visible), base] {
            let ais = Ais {
                chains: 200,
                betas: Betas::Linear(500),
                base,
                seed: 3,
            };
            let bracket = ais.bracket(&dbm, &ReverseStart::Exact, &mut ()).unwrap();
            assert!(bracket.warnings().is_empty(), "{:?}", bracket.warnings());
            // Four standard errors, and the 2^-9 that weights in fixed point may be off are not
            // met: these machines are too narrow for look-ups.
            for (estimate, error) in [
                (bracket.forward.estimate, bracket.forward.standard_error),
                (bracket.reverse.estimate, bracket.reverse.standard_error),
                (bracket.bennett.estimate, bracket.bennett.standard_error),
            ] {
                close("ln Z", estimate, log_z, 4.0 * error + 1e-6);
                assert!(error < 0.05);
            }
            let bound = DbmBound::new(&dbm, &v, &MeanField::default(), &mut ()).unwrap();
            let within = bound.within(&bracket);
            let (mean, error) = bound.mean(log_z);
            assert!(within.low < mean && mean < within.high);
            close("estimate", within.estimate, mean, 0.05);
            close("error", within.standard_error, error, 1e-9);
            let likelihood = dbm.exact_mean_log_likelihood(&v, &mut ()).unwrap().mean;
            assert!(mean <= likelihood + 1e-5);
        }
        // The other way of summing out, and chains that do not start from exact states.
        let ais = Ais {
            betas: Betas::Linear(1000),
            ..Ais::default()
        };
        let odd = dbm.bipartite().transposed();
        let other = ais.log_z(&odd, &mut ()).unwrap();
        close(
            "odd",
            other.estimate,
            log_z,
            4.0 * other.standard_error + 1e-6,
        );
    }
    let wide = bernoulli(&[30, 25, 22], 0.1, 1);
    let data = Examples::new(BitMatrix::from_fn(50, 30, |i, j| (i + j) % 3 == 0)).unwrap();
    let start = ReverseStart::suited_to(&wide, &data, 50, 20, 1).unwrap();
    assert!(matches!(start, ReverseStart::Gibbs { .. }));
    let ais = Ais {
        betas: Betas::Linear(300),
        ..Ais::default()
    };
    let bracket = ais.bracket(&wide, &start, &mut ()).unwrap();
    // The odd layer of 25 units can still be enumerated.
    let log_z = wide.log_z(&mut ()).unwrap();
    let error = bracket.bennett.standard_error;
    close("ln Z", bracket.bennett.estimate, log_z, 4.0 * error + 1e-3);
    // Without weights every way is the answer itself.
    let zero = Dbm::bernoulli(&[5, 4, 3]).unwrap();
    let z = Ais::default().log_z(&zero, &mut ()).unwrap();
    close("zero", z.estimate, 12.0 * std::f64::consts::LN_2, 1e-4);
}
