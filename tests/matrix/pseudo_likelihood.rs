//! The pseudo-likelihood against its definition: the probability of every value of a variable among
//! all that it can have, by free energies in f64.

use crate::common::{normal_boltzmann, normal_machine};
use harmonium::{
    Matrix, Rbm, States,
    evaluate::{pseudo_likelihood, stochastic_pseudo_likelihood},
    kernel::reduce::{log_sum_exp, mean_and_standard_error},
    model::BoltzmannMachine,
    units::Kind,
};

/// Of each row of `v` (whole states), the sum over the variables of `ln P`.
fn by_definition(rbm: &Rbm, v: &Matrix) -> Vec<f64> {
    let minus_free = |x: &[f32]| {
        let x = Matrix::from_slice(x, 1, x.len()).unwrap();
        -rbm.exact_free_energies(&x).unwrap()[0]
    };
    let of_row = |s: usize| {
        let row = v.row(s).to_vec();
        let own = minus_free(&row);
        let mut sum = 0.0;
        for segment in rbm.visible().units.segments() {
            let values: Vec<Vec<Vec<f32>>> = match segment.kind {
                Kind::Softmax => vec![
                    segment
                        .range()
                        .map(|on| {
                            let mut x = row.clone();
                            x[segment.range()].fill(0.0);
                            x[on] = 1.0;
                            x
                        })
                        .collect(),
                ],
                kind => {
                    let low = if kind == Kind::Spin { -1.0 } else { 0.0 };
                    let with = |i: usize, value: f32| {
                        let mut x = row.clone();
                        x[i] = value;
                        x
                    };
                    let of = |i: usize| vec![with(i, low), with(i, 1.0)];
                    segment.range().map(of).collect()
                }
            };
            for of_variable in values {
                let all: Vec<f64> = of_variable.iter().map(|x| minus_free(x)).collect();
                sum += own - log_sum_exp(&all);
            }
        }
        sum
    };
    (0..v.rows()).map(of_row).collect()
}

/// Every visible kind that has one, with hidden units of every kind.
#[test]
fn rbm() {
    for (visible, n, variables) in [
        ("bernoulli", 5, 5.0),
        ("softmax:3+softmax:4", 7, 2.0),
        ("spin", 5, 5.0),
        ("bernoulli:2+softmax:3+spin:2", 7, 5.0),
    ] {
        for (hidden, m) in [
            ("bernoulli", 19),
            ("softmax:3+bernoulli:2", 5),
            ("spin", 4),
            ("gaussian", 3),
            ("relu", 3),
        ] {
            let rbm = normal_machine((visible, n), (hidden, m), 0.5, 4);
            let layer = rbm.visible();
            let count = layer.states().unwrap() as usize;
            let v = Matrix::from_fn(count, n, |s, i| layer.state(s as u64)[i]);
            let expected = by_definition(&rbm, &v);
            let mean = expected.iter().sum::<f64>() / count as f64;
            let got = pseudo_likelihood(&rbm, &v).unwrap();
            // f32 inputs of some units, relative errors of softplus of 1e-5 a variable.
            assert!(
                (got - mean).abs() < 2e-4,
                "{visible}, {hidden}: {got} for {mean}"
            );
            // One row: its mean over seeds, whose spread is that of the variables.
            let one = States::Real(v).rows_to_owned(1..2);
            let draws = (0..2000).map(|seed| stochastic_pseudo_likelihood(&rbm, &one, seed));
            let (mean, error) = mean_and_standard_error(draws.map(|x| x.unwrap()));
            let bound = 4.0 * error + 2e-4 * variables;
            assert!(
                (mean - expected[1]).abs() < bound,
                "{visible}, {hidden}: {mean} +- {error}"
            );
        }
    }
    let gaussian = normal_machine(("gaussian", 3), ("bernoulli", 3), 0.5, 1);
    let message = pseudo_likelihood(&gaussian, &Matrix::zeros(1, 3))
        .unwrap_err()
        .to_string();
    assert!(message.contains("gaussian"), "{message}");
}

#[test]
fn boltzmann() {
    let n = 5;
    let machine = normal_boltzmann(n, 0, 1.0, 4);
    let v = crate::common::all_states(n);
    let free = machine.free_energy(&v, 1.0).unwrap();
    let of = |s: usize| -> f64 {
        let flips = (0..n).map(|i| -(free[s] - free[s ^ 1 << i]).exp().ln_1p());
        flips.sum()
    };
    let mean = (0..1 << n).map(of).sum::<f64>() / 32.0;
    let got = pseudo_likelihood(&machine, &v).unwrap();
    assert!((got - mean).abs() < 1e-9, "{got} for {mean}");
    let draws = (0..400).map(|seed| stochastic_pseudo_likelihood(&machine, &v, seed));
    let (mean, error) = mean_and_standard_error(draws.map(|x| x.unwrap()));
    assert!(
        (mean - got).abs() < 4.0 * error,
        "{mean} +- {error} for {got}"
    );
    let latent = BoltzmannMachine::bernoulli(&[3, 2]).unwrap();
    assert!(pseudo_likelihood(&latent, &crate::common::all_states(3)).is_err());
}
