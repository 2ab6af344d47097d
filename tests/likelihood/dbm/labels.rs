//! Annealing of machines with labels.

use crate::common::{
    all_states,
    dbm::{LABELED as SIZES, close, joint, labeled, log_sum},
};
use harmonium::{
    dataset::Examples,
    evaluate::{Ais, Base, Betas, ReverseStart},
};

/// The label summed out, above an odd layer, or drawn, above an even one.
#[test]
fn annealing_of_machines_with_labels_brackets_ln_z() {
    for (k, sizes) in SIZES.into_iter().enumerate() {
        let dbm = labeled(sizes, 0.7, 90 + k as u64);
        let log_z = log_sum(joint(&dbm).iter().map(|x| x.1));
        let v = all_states(dbm.n_visible());
        let data = Examples::new(v).unwrap();
        let start = ReverseStart::suited_to(&dbm, &data, 200, 100, 1).unwrap();
        for base in [Base::Uniform, Base::rate_of(&dbm, &data).unwrap()] {
            let ais = Ais {
                chains: 200,
                betas: Betas::Linear(500),
                base,
                seed: 3,
            };
            let bracket = ais.bracket(&dbm, &start, &mut ()).unwrap();
            assert!(bracket.warnings().is_empty(), "{:?}", bracket.warnings());
            for (estimate, error) in [
                (bracket.forward.estimate, bracket.forward.standard_error),
                (bracket.reverse.estimate, bracket.reverse.standard_error),
                (bracket.bennett.estimate, bracket.bennett.standard_error),
            ] {
                // Four standard errors.
                close("ln Z", estimate, log_z, 4.0 * error + 1e-6);
                assert!(error < 0.05);
            }
        }
    }
}
