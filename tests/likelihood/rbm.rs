//! AIS against enumeration, pseudo-likelihood against its definition.

use crate::common::{self, all_states, normal_rbm, rows};
use harmonium::{
    Error,
    bits::BitMatrix,
    dataset::Examples,
    evaluate::{
        Ais, Base, Betas, ReverseStart, free_energy_gap, pseudo_likelihood, reconstruction_error,
        stochastic_pseudo_likelihood,
    },
    kernel::reference::sigmoid,
    matrix::Matrix,
    model::Rbm,
    rng::HostRng,
};
use std::ops::ControlFlow;

#[test]
fn ais_interval_holds_the_exact_value() {
    for seed in 0..20 {
        let rbm = normal_rbm(12, 9, 1.0, seed);
        let exact = rbm.log_z(&mut ()).unwrap();
        let ais = Ais {
            chains: 200,
            betas: Betas::Linear(300),
            seed,
            ..Ais::default()
        };
        let z = ais.log_z(&rbm, &mut ()).unwrap();
        assert!(
            z.low <= exact && exact <= z.high,
            "seed {seed}: {exact} outside {} .. {}",
            z.low,
            z.high
        );
        assert!(
            (z.estimate - exact).abs() < 0.2,
            "seed {seed}: {} for {exact}",
            z.estimate
        );
        assert!(z.effective_sample_size > 20.0 && z.effective_sample_size <= 200.0 + 1e-9);
        assert_eq!(z.log_weights.len(), 200);
    }
}

/// More temperatures, smaller error, as the literature found for its 4 x 4 machine.
#[test]
fn ais_converges_on_a_machine_with_large_weights() {
    let weights = [
        [0.12179488, 2.95950177, 0.33513356, 35.05380642],
        [0.20318085, -28.62372894, 26.52611278, 28.41793445],
        [-0.19105386, -28.58530584, -26.52747507, 28.78447320],
        [0.08953740, -59.82556859, -0.06665933, -27.71723459_f64],
    ];
    let rbm = Rbm::from_parameters(
        [
            vec![-19.243_996, -13.262_587, 13.259_099, 43.744_085],
            vec![-0.111_559_58, 57.020_977, -0.133_317_58, -32.259_914],
        ],
        [Matrix::from_fn(4, 4, |i, j| weights[i][j] as f32)],
    )
    .unwrap();
    let exact = rbm.log_z(&mut ()).unwrap();
    for (betas, bound) in [(100, 0.5), (1000, 0.05), (10_000, 0.005)] {
        let z = Ais {
            chains: 100,
            betas: Betas::Linear(betas),
            seed: 1,
            ..Ais::default()
        }
        .log_z(&rbm, &mut ())
        .unwrap();
        let error = (z.estimate - exact).abs();
        assert!(error < bound, "{betas} betas: error {error}");
    }
}

#[test]
fn ais_without_weights_is_analytic() {
    let bias = vec![0.5, -1.0, 2.0];
    let rbm = Rbm::from_parameters([bias.clone(), vec![0.0, 0.0]], [Matrix::zeros(3, 2)]).unwrap();
    let exact = rbm.log_z(&mut ()).unwrap();
    // From its own biases every weight is the analytic ratio.
    let z = Ais {
        chains: 5,
        betas: Betas::Linear(10),
        base: Base::Biases(bias),
        ..Ais::default()
    }
    .log_z(&rbm, &mut ())
    .unwrap();
    assert!((z.estimate - exact).abs() < 1e-5 && z.high - z.low < 1e-4);
    assert!((z.effective_sample_size - 5.0).abs() < 1e-4);
    let z = Ais {
        chains: 2000,
        betas: Betas::Linear(20),
        ..Ais::default()
    }
    .log_z(&rbm, &mut ())
    .unwrap();
    assert!(z.low <= exact && exact <= z.high);
}

#[test]
fn base_rate_is_the_smoothed_log_odds() {
    let data = Examples::new(rows("110 100 100 100")).unwrap();
    let Base::Biases(b) = Base::rate_of(&Rbm::bernoulli(&[3, 2]).unwrap(), &data).unwrap() else {
        panic!("biases")
    };
    // Four examples and 0.4 pseudo-examples, half of them on.
    for (b, on) in b.iter().zip([4.0, 1.0, 0.0_f64]) {
        let p = (on + 0.2) / 4.4;
        assert!((f64::from(*b) - (p / (1.0 - p)).ln()).abs() < 1e-5);
    }
}

#[test]
fn pseudo_likelihood_equals_its_definition() {
    for (n, m) in [(5, 3), (4, 40)] {
        let rbm = normal_rbm(n, m, 0.8, 2);
        let v = all_states(n);
        let free = rbm.exact_free_energies(&v).unwrap();
        let expected: f64 = (0..v.rows())
            .map(|s| {
                (0..n)
                    .map(|i| sigmoid(free[s ^ 1 << i] - free[s]).ln())
                    .sum::<f64>()
            })
            .sum::<f64>()
            / v.rows() as f64;
        let got = pseudo_likelihood(&rbm, &v).unwrap();
        assert!((got - expected).abs() < 1e-5, "{got} for {expected}");
        let real = pseudo_likelihood(&rbm, &v.to_matrix()).unwrap();
        assert!((real - expected).abs() < 1e-5);
        // The stochastic estimate: each row is within a few nats, so 400 seeds of 2^n rows average
        // to it.
        let estimates: Vec<f64> = (0..400)
            .map(|seed| stochastic_pseudo_likelihood(&rbm, &v, seed).unwrap())
            .collect();
        let mean = estimates.iter().sum::<f64>() / 400.0;
        let variance = estimates.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 399.0;
        assert!(
            (mean - expected).abs() < 4.0 * (variance / 400.0).sqrt(),
            "{mean} for {expected}"
        );
    }
}

#[test]
fn reconstruction_error_and_free_energy_gap_by_hand() {
    let rbm = Rbm::bernoulli(&[3, 2]).unwrap();
    // Without parameters every unit is reconstructed as one half.
    assert!((reconstruction_error(&rbm, &rows("101 000")).unwrap() - 0.25).abs() < 1e-7);
    let rbm =
        Rbm::from_parameters([vec![1.0, 2.0, 4.0], vec![0.0; 2]], [Matrix::zeros(3, 2)]).unwrap();
    let gap = free_energy_gap(&rbm, &rows("111"), &rows("100 010")).unwrap();
    assert!((gap - (7.0 - 1.5)).abs() < 1e-5);
}

/// AIS over all units of general machines, fully visible and with coupled latent units, whatever
/// the base and the schedule.
#[test]
fn ais_of_general_machines_holds_the_exact_value() {
    let ais = |betas, base, seed| Ais {
        chains: 200,
        betas,
        base,
        seed,
    };
    for seed in 0..6 {
        for (n, m) in [(9, 0), (6, 6)] {
            let machine = common::normal_boltzmann(n, m, 0.6, seed);
            let exact = machine.log_z(&mut ()).unwrap();
            let biases = Base::Biases((0..n).map(|i| 0.3 * i as f32 - 1.0).collect());
            for (betas, base) in [
                (Betas::Linear(300), Base::Uniform),
                (Betas::Linear(300), biases),
                (Betas::Adaptive(300), Base::Uniform),
            ] {
                let z = ais(betas.clone(), base, seed)
                    .log_z(&machine, &mut ())
                    .unwrap();
                assert!(
                    z.low <= exact && exact <= z.high,
                    "seed {seed}, {n}-{m}, {betas:?}: {exact} outside {} .. {}",
                    z.low,
                    z.high
                );
                assert!(
                    (z.estimate - exact).abs() < 0.2,
                    "{} for {exact}",
                    z.estimate
                );
            }
        }
    }
    // Without couplings every weight is the exact value, whatever the base.
    let mut machine = harmonium::BoltzmannMachine::bernoulli(&[3, 2]).unwrap();
    machine.set_parameter("bias.0", &[0.5, -1.0, 2.0]).unwrap();
    let z = ais(Betas::Linear(50), Base::Biases(vec![0.5, -1.0, 2.0]), 1);
    let z = z.log_z(&machine, &mut ()).unwrap();
    assert!((z.estimate - machine.log_z(&mut ()).unwrap()).abs() < 1e-9);
    assert!(z.standard_error < 1e-9);
    assert!(
        ais(Betas::Linear(0), Base::Uniform, 1)
            .log_z(&machine, &mut ())
            .is_err()
    );
    assert!(
        ais(Betas::Linear(9), Base::Biases(vec![0.0; 4]), 1)
            .log_z(&machine, &mut ())
            .is_err()
    );
    let stopped =
        ais(Betas::Linear(9), Base::Uniform, 1).log_z(&machine, &mut |_, _| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(Error::Stopped)));
}

/// Softmax groups in either layer: forward and reverse annealing hold the exact value, from uniform
/// and from other bases.
#[test]
fn ais_of_machines_with_softmax_groups_holds_the_exact_value() {
    let (mut missed, mut runs) = (0, 0);
    for seed in 0..20 {
        for (visible, hidden) in [
            (("bernoulli:7+softmax:3", 10), ("bernoulli", 5)),
            (("bernoulli", 7), ("bernoulli:3+softmax:4", 7)),
            (("bernoulli:5+softmax:4", 9), ("bernoulli:3+softmax:3", 6)),
        ] {
            let (n, m) = (visible.1, hidden.1);
            let rbm = common::normal_machine(visible, hidden, 0.7, seed);
            let exact = rbm.log_z(&mut ()).unwrap();
            let mut rng = HostRng::numbered(seed, 31);
            let base = match seed % 2 {
                0 => Base::Uniform,
                _ => Base::Biases((0..n).map(|_| rng.normal() as f32).collect()),
            };
            let ais = Ais {
                chains: 200,
                betas: Betas::Linear(300),
                base,
                seed,
            };
            let start = BitMatrix::zeros(1, n);
            let start = ReverseStart::Gibbs {
                states: start.into(),
                burn_in: 100,
            };
            let bracket = ais.bracket(&rbm, &start, &mut ()).unwrap();
            for found in [&bracket.forward, &bracket.reverse] {
                runs += 1;
                missed += usize::from(exact < found.low || exact > found.high);
                assert!(
                    (found.estimate - exact).abs() < 0.3,
                    "{n} x {m}: {found:?} {exact}"
                );
            }
        }
    }
    // Intervals of three standard errors: 120 of them miss more than 4 times with a probability
    // below 1e-4 if normal. The weights are skew, so one more.
    assert!(missed <= 5, "{missed} of {runs}");
}

/// `E[w] = Z` whatever the number of temperatures, and the intervals of many runs hold the exact
/// value.
#[test]
fn weights_of_general_machines_are_unbiased() {
    let (runs, chains) = (100, 200);
    for (machine_seed, (n, m)) in [(7, 0), (4, 4), (5, 2)].into_iter().enumerate() {
        let machine = common::normal_boltzmann(n, m, 0.5, machine_seed as u64);
        let exact = machine.log_z(&mut ()).unwrap();
        let (mut relative, mut held) = (Vec::new(), 0);
        for seed in 0..runs {
            let ais = Ais {
                chains,
                betas: Betas::Linear(20),
                base: Base::Uniform,
                seed,
            };
            let z = ais.log_z(&machine, &mut ()).unwrap();
            held += usize::from(z.low <= exact && exact <= z.high);
            relative.extend(z.log_weights.iter().map(|w| (w - exact).exp()));
        }
        let count = relative.len() as f64;
        let mean = relative.iter().sum::<f64>() / count;
        let variance = relative.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let error = (variance / count).sqrt();
        // 4.5 standard errors: 7e-6 of normal errors, for each of three machines.
        assert!(
            (mean - 1.0).abs() < 4.5 * error,
            "{n}-{m}: mean weight {mean} Z, error {error}"
        );
        // The test has to see a bias of a few percent.
        assert!(error < 0.02, "{error}");
        // Three standard errors miss 0.27% of normal errors; of 100 runs, more than 4 with a
        // probability below 1e-4. The weights are skew, so twice that.
        assert!(held >= runs as usize - 8, "{held} of {runs}");
    }
}
