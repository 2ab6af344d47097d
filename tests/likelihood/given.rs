//! Annealing given what was observed, against enumeration.

use crate::common::{missing::mask, normal_machine, units::random_data};
use harmonium::{
    BitMatrix, BoltzmannMachine, Dbm, Dbn, Error, Examples, Matrix, Model, Rbm,
    evaluate::{Ais, Base, Betas},
    kernel::reduce::mean_and_standard_error,
    model::{Layer, Missing},
    recipe::{Measure, Observed},
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
                // 70 means that are off by 4.5 standard errors once in 2000 such tests; 1e-3 is
                // what look-up may move the weights by.
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

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// The same data for machines of every family, of 6 visible bits.
fn families() -> (Examples, Vec<Model>) {
    let (rbm, data) = problem(("bernoulli", 6), ("bernoulli", 4), 2);
    let number = |k: usize| ((k * 7919 + 104_729) % 2003) as f32 / 1001.5 - 1.0;
    let weights = [(6, 4), (4, 3)].map(|(n, m)| Matrix::from_fn(n, m, |i, j| number(7 * i + j)));
    let layers = [6, 4, 3].map(Layer::bernoulli);
    let dbm = Dbm::from_parameters(layers, weights).unwrap();
    let pairs = (0..9).flat_map(|i| (i + 1..9).map(move |j| (i, j, number(11 * i + j))));
    let pairs: Vec<(usize, usize, f32)> = pairs.collect();
    let general = BoltzmannMachine::from_edges(6, 3, &pairs).unwrap();
    (data, vec![rbm.into(), dbm.into(), general.into()])
}

#[test]
fn measures_are_of_what_was_observed() {
    let (data, models) = families();
    let how = Measure::default();
    let run = |how: &Measure, model: &Model| {
        assert_eq!(how.out_of_reach(model, &data, &data), None);
        how.run(model, Some(&data), Some(&data), &mut ()).unwrap()
    };
    let expected = [
        models[0]
            .rbm()
            .unwrap()
            .exact_mean_log_likelihood(&data, &mut ()),
        models[1]
            .dbm()
            .unwrap()
            .exact_mean_log_likelihood(&data, &mut ()),
        models[2]
            .boltzmann()
            .unwrap()
            .exact_mean_log_likelihood(&data, &mut ()),
    ];
    for (model, expected) in models.iter().zip(expected) {
        let (found, expected) = (run(&how, model), expected.unwrap());
        let kind = model.kind();
        let mean = found.likelihood.unwrap().mean;
        assert!(
            (mean - expected.mean).abs() < 1e-9,
            "{kind}: {mean} {expected:?}"
        );
        assert_eq!(found.observed, Some(Observed::Enumerated));
        assert!(found.bound.is_none() && found.log_sums.len() == ROWS);
        let annealed = Measure {
            enumerated_units: None,
            chains: 200,
            betas: Betas::Linear(500),
            ..how.clone()
        };
        let found = run(&annealed, model);
        let likelihood = found.likelihood.unwrap();
        assert!(
            likelihood.low < expected.mean && expected.mean < likelihood.high,
            "{kind}"
        );
    }
    // Of complete examples beside others with missing values to start from.
    let whole = Examples::new(BitMatrix::from_fn(4, 6, |i, j| (i + j) % 3 == 0)).unwrap();
    let found = Measure {
        enumerated_units: None,
        chains: 200,
        betas: Betas::Linear(500),
        burn_in: 20,
        ..how.clone()
    };
    let found = found
        .run(&models[0], Some(&data), Some(&whole), &mut ())
        .unwrap();
    let expected = models[0]
        .rbm()
        .unwrap()
        .exact_mean_log_likelihood(&whole, &mut ())
        .unwrap();
    assert!((found.likelihood.unwrap().mean - expected.mean).abs() < 0.05);
    assert_eq!(found.observed, None);
    let raise = Measure {
        raise: Some((2, 2)),
        ..how
    };
    let error = raise
        .run(&models[0], Some(&data), Some(&data), &mut ())
        .unwrap_err();
    assert!(error.to_string().contains("RAISE"), "{error}");
}

#[test]
fn machines_without_absent_units_have_a_likelihood_each() {
    let (data, models) = families();
    let how = Measure {
        missing: Missing::Absent,
        ..Measure::default()
    };
    let found = how
        .run(&models[0], Some(&data), Some(&data), &mut ())
        .unwrap();
    let rbm = models[0].rbm().unwrap();
    let log_p = rbm
        .exact_log_p_observed(&data, Missing::Absent, &mut ())
        .unwrap();
    let likelihood = found.likelihood.unwrap();
    assert!((likelihood.mean - mean(&log_p)).abs() < 1e-12);
    assert_eq!(
        (likelihood.low, likelihood.high),
        (likelihood.mean, likelihood.mean)
    );
    assert_eq!(found.observed, Some(Observed::Absent));
    assert!(found.log_likelihoods().eq(log_p));
}

/// 40 bits of which 36 are missing beside 40 hidden units: no sum, but chains, where these are
/// asked for; else one line says why not.
#[test]
fn what_cannot_be_summed_over_is_annealed_or_out_of_reach() {
    let small = Rbm::bernoulli(&[40, 40]).unwrap();
    // Half of what was observed of each unit is on: the base rate is a fair coin.
    let data = Examples::new(BitMatrix::from_fn(4, 40, |i, _| i % 2 == 0)).unwrap();
    let data = data
        .with_observed(BitMatrix::from_fn(4, 40, |i, j| i < 2 || j < 4))
        .unwrap();
    let how = Measure {
        chains: 20,
        betas: Betas::Linear(50),
        observed: Some((3, 8)),
        reverse: false,
        ..Measure::default()
    };
    let model = Model::from(small);
    assert_eq!(how.out_of_reach(&model, &data, &data), None);
    let found = how.run(&model, Some(&data), Some(&data), &mut ()).unwrap();
    assert_eq!((found.count, found.log_sums.len()), (3, 3));
    assert_eq!(found.observed, Some(Observed::Annealed(8)));
    // Without weights every state is as likely: annealing is exact, of 40 and 4 fair coins.
    let expected = -(40.0 + 40.0 + 4.0) / 3.0 * std::f64::consts::LN_2;
    let found = found.likelihood.unwrap().mean;
    assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    let silent = Measure {
        observed: None,
        ..how.clone()
    };
    let reason = silent.out_of_reach(&model, &data, &data).unwrap();
    assert!(reason.contains("too many states"), "{reason}");
    let absent = Measure {
        missing: Missing::Absent,
        ..how.clone()
    };
    let reason = absent.out_of_reach(&model, &data, &data).unwrap();
    assert!(reason.contains("ln Z of its own"), "{reason}");
    let weights = [(40, 40), (40, 40)].map(|(n, m)| Matrix::zeros(n, m));
    let dbm = Dbm::from_parameters([40; 3].map(Layer::bernoulli), weights).unwrap();
    let general = BoltzmannMachine::bernoulli(&[40, 2]).unwrap();
    let dbn = Dbn::bernoulli(&[40, 3, 2]).unwrap();
    for (model, words) in [
        (Model::from(dbm), "too many states"),
        (general.into(), "too many states"),
        (dbn.into(), "dbn"),
    ] {
        let reason = how.out_of_reach(&model, &data, &data).unwrap();
        assert!(reason.contains(words), "{reason}");
    }
}
