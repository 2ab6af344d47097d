//! Gradients of general machines against finite differences and enumeration.

use crate::common::{
    boltzmann::{EXACT, data, examples, mean_log_likelihood, run},
    normal_boltzmann, normal_rbm,
};
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    evaluate::pseudo_likelihood,
    matrix::Matrix,
    model::{BoltzmannMachine, MeanField},
    train::{BoltzmannOptions, Learning, Negative, Positive},
};

/// The gradient of one update.
fn gradient(
    machine: &BoltzmannMachine,
    options: BoltzmannOptions,
    data: &Examples,
) -> (Matrix, Vec<f32>) {
    let training = run(machine, &options, data);
    let (pairs, bias) = training.gradient();
    (pairs.clone(), bias.to_vec())
}

/// The machine with `step` added to the weight that is stored of a pair, or to a bias where
/// `i = j`, and the number that came of it.
fn moved(machine: &BoltzmannMachine, i: usize, j: usize, step: f32) -> (BoltzmannMachine, f64) {
    let n = machine.n_visible();
    let mut r = machine.visible_weights().clone();
    let mut w = machine.weights().clone();
    let mut s = machine.hidden_weights().clone();
    let mut b = machine.visible().bias.clone();
    let mut c = machine.hidden().bias.clone();
    let at = match (i < n, j < n) {
        _ if i == j && i < n => &mut b[i],
        _ if i == j => &mut c[i - n],
        (true, true) => &mut r.row_mut(i)[j],
        (true, false) => &mut w.row_mut(i)[j - n],
        _ => &mut s.row_mut(i - n)[j - n],
    };
    *at += step;
    let value = f64::from(*at);
    let x = *at;
    if i != j && i < n && j < n {
        r.row_mut(j)[i] = x;
    } else if i != j && i >= n {
        s.row_mut(j - n)[i - n] = x;
    }
    (
        BoltzmannMachine::from_parameters([b, c], [r, w, s]).unwrap(),
        value,
    )
}

/// Along a pair `R_ij = R_ji` the derivative is twice the gradient of one element. Central
/// differences of step 1/128: errors of their third derivatives, which are below 6 for products of
/// means, times `(2 / 128)^2 / 6`, and f32 rounding.
fn assert_gradient(
    machine: &BoltzmannMachine,
    (pairs, bias): &(Matrix, Vec<f32>),
    f: impl Fn(&BoltzmannMachine) -> f64,
) {
    let n = machine.n_visible();
    for (i, &of_bias) in bias.iter().enumerate() {
        for j in i..machine.units() {
            let (up, x) = moved(machine, i, j, 1.0 / 128.0);
            let (down, y) = moved(machine, i, j, -1.0 / 128.0);
            let expected = (f(&up) - f(&down)) / (x - y);
            let got = match (i == j, (i < n) == (j < n)) {
                (true, _) => f64::from(of_bias),
                (_, within) => f64::from(pairs.row(i)[j]) * if within { 2.0 } else { 1.0 },
            };
            assert!(
                (got - expected).abs() < 3e-4,
                "({i}, {j}): {got} for {expected}"
            );
            assert_eq!(pairs.row(i)[j], if i == j { 0.0 } else { pairs.row(j)[i] });
        }
    }
}

#[test]
fn exact_gradients_are_finite_differences() {
    for (n, m) in [(5, 0), (4, 3), (3, 4)] {
        let (machine, data) = (normal_boltzmann(n, m, 0.6, 1), data(n, 23));
        let got = gradient(&machine, EXACT, &data);
        assert_gradient(&machine, &got, |x| mean_log_likelihood(x, &data));
    }
}

#[test]
fn pseudo_likelihood_gradients_are_finite_differences() {
    let (machine, data) = (normal_boltzmann(6, 0, 0.6, 2), data(6, 23));
    let options = BoltzmannOptions {
        negative: Negative::PseudoLikelihood,
        ..EXACT
    };
    let got = gradient(&machine, options, &data);
    assert_gradient(&machine, &got, |x| {
        pseudo_likelihood(x, data.bits().unwrap()).unwrap()
    });
}

/// Each phase is the mean of 20,000 chains of two values, of standard error at most 1 / (2
/// sqrt(20,000)): five of the difference of two. Forty sweeps of machines of eight units with
/// couplings of 0.6 are long enough (see the tests of sampling).
#[test]
fn sampled_gradients_are_the_enumerated_ones() {
    const CHAINS: usize = 20_000;
    let bound = 5.0 * 2.0_f64.sqrt() * 0.5 / (CHAINS as f64).sqrt();
    let small = data(5, 4);
    let many = examples(BitMatrix::from_fn(CHAINS, 5, |k, i| {
        small.bits().unwrap().get(k % 4, i)
    }));
    for (machine, data) in [
        (normal_boltzmann(5, 3, 0.6, 3), &many),
        (normal_boltzmann(5, 0, 0.6, 4), &many),
    ] {
        let (pairs, bias) = gradient(&machine, EXACT, &small);
        for (negative, epochs) in [
            (
                Negative::Mcmc {
                    chains: CHAINS,
                    steps: 40,
                },
                1,
            ),
            (
                Negative::Persistent {
                    chains: CHAINS,
                    steps: 2,
                },
                20,
            ),
        ] {
            let options = BoltzmannOptions {
                positive: Positive::Gibbs { steps: 40 / epochs },
                negative,
                learning: Learning {
                    epochs,
                    learning_rate: 0.0.into(),
                    ..EXACT.learning
                },
            };
            let (got, got_bias) = gradient(&machine, options, data);
            for (a, b) in got
                .elements()
                .zip(pairs.elements())
                .chain(got_bias.into_iter().zip(bias.clone()))
            {
                assert!(f64::from(a - b).abs() < bound, "{negative:?}: {a} for {b}");
            }
        }
    }
}

/// Where hidden units are not coupled with one another the mean-field posterior is exact.
#[test]
fn mean_field_gradient_of_independent_hidden_units() {
    let machine = BoltzmannMachine::try_from(&normal_rbm(5, 4, 0.7, 1)).unwrap();
    let data = data(5, 17);
    let options = BoltzmannOptions {
        positive: Positive::MeanField(MeanField::default()),
        ..EXACT
    };
    let (a, a_bias) = gradient(&machine, EXACT, &data);
    let (b, b_bias) = gradient(&machine, options, &data);
    for (a, b) in a
        .elements()
        .zip(b.elements())
        .chain(a_bias.into_iter().zip(b_bias))
    {
        assert!((a - b).abs() < 1e-5, "{a} for {b}");
    }
}
