//! `ln Z` by annealing, both ways, against sums over all states, closed forms and quadrature; RAISE
//! and weighted samples likewise.
//!
//! Thresholds are multiples of standard errors. Each estimate is normal to first order, so one of
//! some hundred is off by more than 4 of them with a probability below 1%; seeds are fixed.

#![allow(
    clippy::needless_range_loop,
    reason = "indices are those of the formulas"
)]

use crate::common::{all_states, dbm as deep, normal_boltzmann, normal_machine, normal_potts};
use harmonium::{
    Dbm, Matrix, Rbm,
    bits::BitMatrix,
    dataset::{Examples, bars_and_stripes},
    evaluate::{Ais, Annealed, Base, Betas, ReverseStart},
    kernel::reduce::{log_sum_exp, mean_and_standard_error},
    model::Layer,
    rng::HostRng,
    units::Units,
};
use std::f64::consts::TAU;

/// f32 inputs, sums and parameters of the way, at magnitudes of some tens.
const ROUNDING: f64 = 1e-4;

fn ais(chains: usize, steps: usize, base: Base) -> Ais {
    let betas = Betas::Linear(steps);
    Ais {
        chains,
        betas,
        base,
        seed: 7,
    }
}

/// Forward, in reverse and by Bennett within 4 standard errors of `exact`, which are small.
fn holds(machine: &dyn Annealed, base: Base, start: &ReverseStart, exact: f64, what: &str) {
    let bracket = ais(300, 400, base)
        .bracket(machine, start, &mut ())
        .unwrap();
    for (way, estimate, error) in [
        (
            "forward",
            bracket.forward.estimate,
            bracket.forward.standard_error,
        ),
        (
            "reverse",
            bracket.reverse.estimate,
            bracket.reverse.standard_error,
        ),
        (
            "Bennett",
            bracket.bennett.estimate,
            bracket.bennett.standard_error,
        ),
    ] {
        assert!(error < 0.08, "{what}, {way}: error {error}");
        let off = (estimate - exact).abs();
        assert!(
            off < 4.0 * error + ROUNDING,
            "{what}, {way}: {estimate} +- {error} for {exact}"
        );
    }
}

/// The mean of unit 0 by weighted samples, within 4 standard errors of `exact`.
fn weighs(machine: &dyn Annealed, exact: f64, what: &str) {
    let samples = ais(2000, 100, Base::Uniform)
        .weighted_samples(machine, &mut ())
        .unwrap();
    let visible = samples.visible();
    assert_eq!(visible.rows(), 2000);
    let terms = |s: usize| (samples.log_weights[s].exp(), f64::from(visible.get(s, 0)));
    let mean: f64 = (0..2000).map(|s| terms(s).0 * terms(s).1).sum();
    let variance: f64 = (0..2000)
        .map(|s| (terms(s).0 * (terms(s).1 - mean)).powi(2))
        .sum();
    let error = variance.sqrt();
    assert!(
        (mean - exact).abs() < 4.0 * error + ROUNDING,
        "{what}: {mean} +- {error} for {exact}"
    );
}

/// A base that is not uniform.
fn some_base(n: usize) -> Base {
    let mut rng = HostRng::numbered(3, 31);
    Base::Biases((0..n).map(|_| 0.5 * rng.normal() as f32).collect())
}

/// Every pair of kinds of which a layer can be enumerated, of mixed layers too.
#[test]
fn rbm() {
    let kinds = [
        ("bernoulli", 7),
        ("softmax:3+softmax:4", 7),
        ("spin", 6),
        ("bernoulli:3+softmax:3+spin:2", 8),
    ];
    let all = [
        &kinds[..],
        &[
            ("gaussian", 5),
            ("relu", 4),
            ("bernoulli:2+gaussian:2+relu:1+spin:1", 6),
        ],
    ]
    .concat();
    let mut discrete = 0;
    for &(hidden, m) in &kinds {
        for &(visible, n) in &all {
            let rbm = normal_machine((visible, n), (hidden, m), 0.5, (n * 10 + m) as u64);
            let exact = rbm.log_z(&mut ()).unwrap();
            for base in [Base::Uniform, some_base(n)] {
                let what = format!("{visible}, {hidden}");
                holds(&rbm, base, &ReverseStart::Exact, exact, &what);
            }
            discrete += 1;
        }
    }
    assert_eq!(discrete, 28);
    // The continuous layer summed out.
    for (hidden, m) in [("gaussian", 4), ("relu", 4)] {
        let rbm = normal_machine(("softmax:3+spin:3", 6), (hidden, m), 0.5, 11);
        let exact = rbm.log_z(&mut ()).unwrap();
        holds(&rbm, some_base(6), &ReverseStart::Exact, exact, hidden);
        let mean = rbm.expectations(&mut ()).unwrap().visible[0];
        weighs(&rbm, mean, hidden);
    }
}

/// `ln` of the integral of `e^-E` of two Gaussian layers: a determinant and a quadratic form.
fn gaussian_log_z(rbm: &Rbm) -> f64 {
    let (n, m) = (rbm.n_visible(), rbm.n_hidden());
    let p = |layer: &Layer, i: usize| (-f64::from(layer.log_variance[i])).exp();
    let (v, h) = (rbm.visible(), rbm.hidden());
    let size = n + m;
    // -E = -x'Ax / 2 + k.x + constant.
    let mut a = vec![vec![0.0; size + 1]; size];
    let mut constant = 0.0;
    for i in 0..size {
        let (layer, k) = if i < n { (v, i) } else { (h, i - n) };
        let b = f64::from(layer.bias[k]);
        a[i][i] = p(layer, k);
        a[i][size] = p(layer, k) * b;
        constant -= 0.5 * p(layer, k) * b * b;
    }
    for i in 0..n {
        for j in 0..m {
            let w = f64::from(rbm.weights().row(i)[j]) * p(v, i) * p(h, j);
            a[i][n + j] = -w;
            a[n + j][i] = -w;
        }
    }
    let k: Vec<f64> = a.iter().map(|row| row[size]).collect();
    // Elimination: the determinant, and A^-1 k.
    let mut log_determinant = 0.0;
    for c in 0..size {
        log_determinant += a[c][c].ln();
        let pivot = a[c].clone();
        for (_, row) in a.iter_mut().enumerate().filter(|(r, _)| *r != c) {
            let factor = row[c] / pivot[c];
            row.iter_mut()
                .zip(&pivot)
                .for_each(|(x, p)| *x -= factor * p);
        }
    }
    let quadratic: f64 = (0..size).map(|i| k[i] * a[i][size] / a[i][i]).sum();
    0.5 * (size as f64 * TAU.ln() - log_determinant + quadratic) + constant
}

/// Both layers continuous: no state can be enumerated. Chains back start from long Gibbs chains.
#[test]
fn rbm_of_continuous_layers() {
    let start = |rbm: &Rbm| ReverseStart::Gibbs {
        states: Matrix::from_fn(20, rbm.n_visible(), |i, j| ((i + j) % 3) as f32).into(),
        burn_in: 200,
    };
    let rbm = normal_machine(("gaussian", 4), ("gaussian", 3), 0.2, 5);
    rbm.check().unwrap();
    let exact = gaussian_log_z(&rbm);
    for base in [Base::Uniform, some_base(4)] {
        holds(&rbm, base, &start(&rbm), exact, "gaussian, gaussian");
    }
    // One rectified unit beside Gaussian hidden ones and rectified ones: the sum over the hidden
    // layer in closed form, integrated over the visible unit by the midpoint rule, whose error
    // falls with the square of the step: both steps agree.
    for (hidden, m) in [("gaussian", 2), ("relu", 2)] {
        let rbm = normal_machine(("relu", 1), (hidden, m), 0.3, 6);
        let integral = |points: usize| {
            let step = 40.0 / points as f64;
            let v = Matrix::from_fn(points, 1, |i, _| ((i as f64 + 0.5) * step) as f32);
            let free = rbm.exact_free_energies(&v).unwrap();
            let terms: Vec<f64> = free.iter().map(|f| -f).collect();
            log_sum_exp(&terms) + step.ln()
        };
        let exact = integral(40_000);
        assert!((exact - integral(20_000)).abs() < 1e-5);
        holds(&rbm, some_base(1), &start(&rbm), exact, hidden);
    }
}

/// RAISE of examples of the machine itself: on average it is not above their likelihood, and near
/// it with many temperatures.
fn raises(machine: &dyn Annealed, v: &BitMatrix, log_p: &[f64], what: &str) {
    let raised = ais(20, 1000, Base::Uniform)
        .raise(machine, v, &mut ())
        .unwrap();
    let gaps = log_p
        .iter()
        .zip(&raised.log_likelihoods)
        .map(|(p, x)| p - x);
    let (gap, error) = mean_and_standard_error(gaps);
    assert!(
        gap > -4.0 * error && gap < 0.05 + 4.0 * error,
        "{what}: {gap} +- {error}"
    );
    assert!(error < 0.02, "{what}: {error}");
}

#[test]
fn dbn() {
    let top = normal_machine(("bernoulli:5+softmax:3", 8), ("bernoulli", 6), 0.6, 3);
    let exact = top.log_z(&mut ()).unwrap();
    let data = Examples::new(top.exact_samples(300, 2).unwrap()).unwrap();
    let base = Base::rate_of(&top, &data).unwrap();
    let start = ReverseStart::suited_to(&top, &data, 300, 10, 1).unwrap();
    assert!(matches!(start, ReverseStart::Exact));
    holds(&top, base, &start, exact, "top");
}

#[test]
fn dbm() {
    let dbm: Dbm = deep::bernoulli(&[5, 4, 4, 3], 0.6, 2);
    let exact = dbm.log_z(&mut ()).unwrap();
    let n = dbm.n_visible();
    let states = all_states(n);
    let data = Examples::new(states.clone()).unwrap();
    for base in [
        Base::Uniform,
        Base::rate_of(&dbm, &data).unwrap(),
        some_base(n),
    ] {
        holds(&dbm, base, &ReverseStart::Exact, exact, "exact");
    }
    for start in [
        ReverseStart::Annealed { burn_in: 50 },
        ReverseStart::Gibbs {
            states: states.clone().into(),
            burn_in: 100,
        },
    ] {
        holds(&dbm, Base::Uniform, &start, exact, "chains");
    }
    let mean = dbm.expectations(&mut ()).unwrap().layers[0][0];
    weighs(&dbm, mean, "dbm");
    let v = dbm.exact_samples(300, 4).unwrap().into_bits().unwrap();
    let sums = dbm.log_sums_over_hidden(&v, &mut ()).unwrap();
    let log_p: Vec<f64> = sums.iter().map(|x| x - exact).collect();
    raises(&dbm, &v, &log_p, "dbm");
}

/// Reverse annealing, Bennett and RAISE need sweeps in the opposite order.
#[test]
fn boltzmann() {
    for (sizes, deviation) in [(vec![6, 4], 0.6), (vec![9], 0.5)] {
        let (n, m) = (sizes[0], sizes.get(1).copied().unwrap_or(0));
        let machine = normal_boltzmann(n, m, deviation, 5);
        let exact = machine.log_z(&mut ()).unwrap();
        let v = machine.exact_samples(300, 4).unwrap().first_columns(n);
        let data = Examples::new(v.clone()).unwrap();
        for base in [Base::Uniform, Base::rate_of(&machine, &data).unwrap()] {
            holds(&machine, base, &ReverseStart::Exact, exact, "general");
        }
        let start = ReverseStart::Gibbs {
            states: v.clone(),
            burn_in: 100,
        };
        holds(&machine, Base::Uniform, &start, exact, "general, chains");
        let mean = machine.expectations(&mut ()).unwrap().means[0];
        weighs(&machine, mean, "general");
        let v = v.into_bits().unwrap();
        let log_p = machine.exact_log_p_v(&v, &mut ()).unwrap();
        raises(&machine, &v, &log_p, "general");
    }
}

/// General machines with softmax groups.
#[test]
fn boltzmann_of_groups() {
    for (units, sizes) in [("softmax:3*2", (6, 2)), ("bernoulli:2+softmax:4", (6, 0))] {
        let n = sizes.0;
        let machine = normal_potts(units, sizes, 0.6, 5);
        let exact = machine.log_z(&mut ()).unwrap();
        let v = machine.exact_samples(300, 4).unwrap().first_columns(n);
        let data = Examples::new(v.clone()).unwrap();
        for base in [Base::Uniform, Base::rate_of(&machine, &data).unwrap()] {
            holds(&machine, base, &ReverseStart::Exact, exact, units);
        }
        let start = ReverseStart::Gibbs {
            states: v.clone(),
            burn_in: 100,
        };
        holds(&machine, Base::Uniform, &start, exact, units);
        let mean = machine.expectations(&mut ()).unwrap().means[0];
        weighs(&machine, mean, units);
        let v = v.into_bits().unwrap();
        let log_p = machine.exact_log_p_v(&v, &mut ()).unwrap();
        raises(&machine, &v, &log_p, units);
    }
}

/// Starts and examples are refused that the units cannot have; bases of other units than on or off.
#[test]
fn rbm_refusals() {
    let spin = normal_machine(("spin", 4), ("bernoulli", 3), 0.5, 1);
    let start = ReverseStart::Gibbs {
        states: BitMatrix::zeros(2, 4).into(),
        burn_in: 1,
    };
    let message = ais(5, 5, Base::Uniform)
        .reverse_log_z(&spin, &start, &mut ())
        .unwrap_err();
    assert!(message.to_string().contains("spin"), "{message}");
    let gray = Matrix::from_fn(1, 9, |_, _| 0.5);
    let rbm = Rbm::bernoulli(&[9, 3]).unwrap();
    let message = ais(5, 5, Base::Uniform)
        .raise(&rbm, &gray, &mut ())
        .unwrap_err();
    assert!(message.to_string().contains("binary"), "{message}");
    let wide = bars_and_stripes(2);
    assert!(Base::rate_of(&rbm, &wide).is_err());
    let units = Units::parse("spin:2+gaussian:2", 4).unwrap();
    let mixed = Rbm::unconnected(Layer::new(units), Layer::bernoulli(2)).unwrap();
    let data = Examples::new(Matrix::from_fn(
        50,
        4,
        |i, j| if j < 2 { 1.0 } else { i as f32 },
    ));
    let Base::Biases(b) = Base::rate_of(&mixed, &data.unwrap()).unwrap() else {
        panic!("biases")
    };
    // Spins at half the smoothed log-odds of always on, ln(52.5 / 2.5) / 2; reals at their mean.
    for (got, expected) in b
        .iter()
        .zip([21_f32.ln() / 2.0, 21_f32.ln() / 2.0, 24.5, 24.5])
    {
        assert!((got - expected).abs() < 1e-4, "{got} for {expected}");
    }
}
