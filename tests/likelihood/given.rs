//! Annealing given what was observed, against enumeration.

use crate::common::{missing::mask, normal_machine, units::random_data};
use harmonium::{
    BitMatrix, Error, Examples, Rbm,
    evaluate::{Ais, Base, Betas},
    kernel::reduce::mean_and_standard_error,
};
use std::ops::ControlFlow;

const ROWS: usize = 8;

fn problem((visible, n): (&str, usize), (hidden, m): (&str, usize), seed: u64) -> (Rbm, Examples) {
    let rbm = normal_machine((visible, n), (hidden, m), 0.5, seed);
    let data = random_data(rbm.visible(), ROWS, seed);
    let mask = mask(rbm.visible(), ROWS, seed);
    (rbm, data.with_observed(mask).unwrap())
}

/// The mean of the weights is the sum over what is missing, however few temperatures there are; of
/// the complete row it is exact.
#[test]
fn weights_have_the_sum_over_what_is_missing_as_their_mean() {
    let machines = [
        (("bernoulli", 7), ("bernoulli", 4)),
        (("bernoulli:3+softmax:3", 6), ("softmax:2+bernoulli:2", 4)),
        (("spin", 5), ("bernoulli", 3)),
        (("bernoulli", 5), ("gaussian", 2)),
        (("gaussian:2+bernoulli:3", 5), ("bernoulli", 3)),
    ];
    for (k, (visible, hidden)) in machines.into_iter().enumerate() {
        let (rbm, data) = problem(visible, hidden, k as u64);
        let exact = rbm.log_sums_over_missing(&data, &mut ()).unwrap();
        for base in [Base::Uniform, Base::rate_of(&rbm, &data).unwrap()] {
            let ais = Ais {
                chains: 2000,
                betas: Betas::Linear(12),
                base,
                seed: k as u64,
            };
            let found = ais.log_sums_over_missing(&rbm, &data, &mut ()).unwrap();
            assert_eq!(found.len(), ROWS);
            assert_eq!(found[0].log_weights.len(), 1);
            for (found, exact) in found.iter().zip(&exact) {
                if found.log_weights.len() == 1 {
                    assert!((found.estimate - exact).abs() < 1e-9);
                    continue;
                }
                // 70 means that are off by 4.5 standard errors once in 2000 such tests; 1e-3 is what
                // look-up may move the weights by.
                let relative = found.log_weights.iter().map(|w| (w - exact).exp());
                let (mean, error) = mean_and_standard_error(relative);
                assert!(
                    (mean - 1.0).abs() < 4.5 * error + 1e-3,
                    "{k}: {mean} +- {error}"
                );
                assert!(found.low < found.high);
            }
        }
    }
}

#[test]
fn many_temperatures_find_the_sum_itself() {
    let (rbm, data) = problem(("bernoulli", 12), ("bernoulli", 8), 3);
    let exact = rbm.log_sums_over_missing(&data, &mut ()).unwrap();
    let ais = Ais {
        chains: 50,
        betas: Betas::Linear(1000),
        ..Ais::default()
    };
    let found = ais.log_sums_over_missing(&rbm, &data, &mut ()).unwrap();
    for (found, exact) in found.iter().zip(&exact) {
        assert!(
            (found.estimate - exact).abs() < 0.05,
            "{} {exact}",
            found.estimate
        );
    }
    // Nothing observed: ln Z.
    let log_z = rbm.log_z(&mut ()).unwrap();
    assert!((found[ROWS - 1].estimate - log_z).abs() < 0.05);
    // Values that are not observed do not matter.
    let other = crate::common::missing::with_other_values(&data, rbm.visible(), 9);
    let again = ais.log_sums_over_missing(&rbm, &other, &mut ()).unwrap();
    let all = found.iter().zip(&again);
    assert!(all.into_iter().all(|(a, b)| a.estimate == b.estimate));
}

#[test]
fn what_cannot_be_annealed_is_refused_and_a_stop_stops() {
    let (rbm, data) = problem(("bernoulli", 6), ("bernoulli", 3), 1);
    let ais = Ais {
        betas: Betas::Linear(10),
        ..Ais::default()
    };
    let narrow = data.first_columns(5);
    let error = ais
        .log_sums_over_missing(&rbm, &narrow, &mut ())
        .unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    let none = Ais {
        chains: 0,
        ..ais.clone()
    };
    let error = none
        .log_sums_over_missing(&rbm, &data, &mut ())
        .unwrap_err();
    assert!(error.to_string().contains("chains"), "{error}");
    let stop =
        ais.log_sums_over_missing(
            &rbm,
            &data,
            &mut |_: usize, _: usize| ControlFlow::Break(()),
        );
    assert!(matches!(stop, Err(Error::Stopped)));
    // Complete rows take no chains.
    let whole = Examples::new(BitMatrix::zeros(2, 6)).unwrap();
    let found = ais.log_sums_over_missing(&rbm, &whole, &mut ()).unwrap();
    let free = rbm.exact_free_energies(&whole).unwrap();
    assert!(found.iter().zip(free).all(|(z, f)| z.estimate == -f));
}
