//! Two routes to every scalar: published numbers, enumeration, and the fast conditionals against
//! energies.

use crate::common::{all_states, normal_rbm, rows};
use harmonium::{
    Error,
    bits::BitMatrix,
    kernel::reference::{log_sum_exp, sigmoid},
    matrix::Matrix,
    model::{Rbm, Side},
};
use rayon::ThreadPoolBuilder;
use std::ops::ControlFlow;

/// A 4 x 4 machine of the literature with large weights, rounded to f32 (errors of some 2e-6 in the
/// largest).
fn known() -> Rbm {
    let weights = [
        [0.12179488, 2.95950177, 0.33513356, 35.05380642],
        [0.20318085, -28.62372894, 26.52611278, 28.41793445],
        [-0.19105386, -28.58530584, -26.52747507, 28.78447320],
        [0.08953740, -59.82556859, -0.06665933, -27.71723459_f64],
    ];
    let b = [-19.24399659, -13.26258696, 13.25909850, 43.74408543_f64];
    let c = [-0.11155958, 57.02097584, -0.13331758, -32.25991501_f64];
    Rbm::from_parameters(
        [b.map(|x| x as f32).to_vec(), c.map(|x| x as f32).to_vec()],
        [Matrix::from_fn(4, 4, |i, j| weights[i][j] as f32)],
    )
    .unwrap()
}

/// Sixteen parameters of magnitude up to 60, each rounded to f32, and f32 products of them.
const ROUNDING: f64 = 2e-5;

fn assert_all_close(got: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(got.len(), expected.len());
    for (a, b) in got.iter().zip(expected) {
        assert!((a - b).abs() <= bound, "{got:?} for {expected:?}");
    }
}

#[test]
fn known_machine_of_the_literature() {
    let rbm = known();
    let log_z = 59.6749019726;
    assert_all_close(
        &[
            rbm.log_z_over(Side::Visible, 1.0, &mut ()).unwrap(),
            rbm.log_z_over(Side::Hidden, 1.0, &mut ()).unwrap(),
        ],
        &[log_z, log_z],
        ROUNDING,
    );
    let v = rows("0000 0000 1010 0101 1100 0011 1111 1111");
    let minus_f = [
        58.28860656,
        58.28860656,
        57.59545755,
        57.59545757,
        57.59545753,
        57.59545756,
        58.28860656,
        58.28860656,
    ];
    let expected: Vec<f64> = minus_f.iter().map(|f| -f).collect();
    assert_all_close(&rbm.free_energy(&v, 1.0).unwrap(), &expected, ROUNDING);
    assert_all_close(&rbm.exact_free_energies(&v).unwrap(), &expected, ROUNDING);
    let exact = rbm.exact_mean_log_likelihood(&v, &mut ()).unwrap();
    let (mean, z) = (exact.mean, exact.log_z);
    assert_all_close(&[mean, z], &[-1.7328699078, log_z], ROUNDING);
    assert_all_close(
        &[rbm.mean_log_likelihood(&v, z).unwrap()],
        &[mean],
        ROUNDING,
    );
    let energies = [
        0.0,
        0.0,
        32.49137574,
        32.50603837,
        0.93641873,
        0.91694445,
        0.03276686,
        0.03276686,
    ];
    assert_all_close(&rbm.energy(&v, &v).unwrap(), &energies, ROUNDING);
    let p = rbm.mean_h_from_v(&rows("0000"), 1.0).unwrap();
    let p: Vec<f64> = p.row(0).iter().map(|&x| f64::from(x)).collect();
    assert_all_close(&p, &[0.472138994, 1.0, 0.466719883, 9.77e-15], 1e-6);
}

/// With units that are connected to nothing, each of which doubles Z, the machine is large enough
/// for the walk without exponentials.
#[test]
fn known_machine_with_idle_units() {
    for idle in [5, 6, 9, 12] {
        let rbm = known();
        let weights = Matrix::from_fn(4, 4 + idle, |i, j| {
            if j < idle {
                0.0
            } else {
                rbm.weights().row(i)[j - idle]
            }
        });
        let hidden = [&vec![0.0; idle], rbm.hidden().bias.as_slice()].concat();
        let wide = Rbm::from_parameters([rbm.visible().bias.clone(), hidden], [weights]).unwrap();
        let log_z = rbm.log_z(&mut ()).unwrap();
        assert_all_close(&[log_z], &[59.6749019726], ROUNDING);
        let expected = log_z + idle as f64 * std::f64::consts::LN_2;
        for side in [Side::Visible, Side::Hidden] {
            let got = wide.log_z_over(side, 1.0, &mut ()).unwrap();
            assert_all_close(&[got], &[expected], 1e-11);
        }
        let e = wide.transposed().expectations(&mut ()).unwrap();
        let narrow = rbm.transposed().expectations(&mut ()).unwrap();
        assert_all_close(&e.visible[idle..], &narrow.visible, 1e-11);
        assert_all_close(&e.visible[..idle], &vec![0.5; idle], 1e-11);
        assert_all_close(&e.hidden, &narrow.hidden, 1e-11);
    }
}

/// 2^17 states have 16 blocks, and with inputs beyond the range of the fast walk 32.
#[test]
fn threads_do_not_change_a_bit_and_progress_is_told() {
    for (deviation, blocks) in [(0.3, 16), (300.0, 32)] {
        let rbm = normal_rbm(18, 17, deviation, 3);
        let expected = rbm.log_z(&mut ()).unwrap();
        let expectations = rbm.expectations(&mut ()).unwrap();
        for threads in [1, 2, 3] {
            let pool = ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut told = Vec::new();
                let got = rbm.log_z(&mut |done, all| {
                    told.push((done, all));
                    ControlFlow::Continue(())
                });
                assert_eq!(got.unwrap(), expected);
                assert!(told.is_sorted_by(|a, b| a.0 < b.0 && a.1 == b.1));
                assert_eq!(told.last(), Some(&(blocks, blocks)));
                assert!(told.len() > 1);
                let e = rbm.expectations(&mut ()).unwrap();
                assert_eq!(e.visible, expectations.visible);
                assert_eq!(e.hidden, expectations.hidden);
                assert_eq!(e.weights, expectations.weights);
                let mut calls = 0;
                let stopped = rbm.log_z(&mut |_, _| {
                    calls += 1;
                    ControlFlow::Break(())
                });
                assert!(matches!(stopped, Err(Error::Stopped)) && calls == 1);
            });
        }
    }
}

#[test]
fn two_layer_numbers() {
    let weights = Matrix::from_fn(3, 2, |i, j| 0.3 * (i + 1) as f32 - 0.5 * (j + 1) as f32);
    let rbm = Rbm::from_parameters([vec![0.1, -0.2, 0.3], vec![-0.3, 0.2]], [weights]).unwrap();
    assert_all_close(&[rbm.log_z(&mut ()).unwrap()], &[3.386156563762], 1e-6);
}

/// Every pair of states by its energy: log Z, free energies of both sides, conditionals.
#[test]
fn factorized_formulas_equal_brute_force() {
    for (n, m, beta, seed) in [
        (1, 1, 1.0, 0),
        (3, 5, 1.0, 1),
        (6, 4, 0.5, 2),
        (5, 5, 2.0, 3),
        (7, 2, 1.0, 4),
    ] {
        let rbm = normal_rbm(n, m, 0.8, seed);
        let (v, h) = (all_states(n), all_states(m));
        let pair_v = BitMatrix::from_fn(v.rows() * h.rows(), n, |k, i| v.get(k / h.rows(), i));
        let pair_h = BitMatrix::from_fn(v.rows() * h.rows(), m, |k, j| h.get(k % h.rows(), j));
        let minus_e: Vec<f64> = rbm
            .energy(&pair_v, &pair_h)
            .unwrap()
            .iter()
            .map(|e| -beta * e)
            .collect();
        let log_z = log_sum_exp(&minus_e);
        for side in [Side::Visible, Side::Hidden] {
            assert_all_close(
                &[rbm.log_z_over(side, beta, &mut ()).unwrap()],
                &[log_z],
                1e-10,
            );
        }
        let of_v: Vec<f64> = minus_e.chunks(h.rows()).map(|x| -log_sum_exp(x)).collect();
        let column = |j: usize| {
            minus_e
                .iter()
                .skip(j)
                .step_by(h.rows())
                .copied()
                .collect::<Vec<_>>()
        };
        let of_h: Vec<f64> = (0..h.rows()).map(|j| -log_sum_exp(&column(j))).collect();
        assert_all_close(&rbm.free_energy(&v, beta as f32).unwrap(), &of_v, 1e-5);
        assert_all_close(&rbm.free_energy_h(&h, beta as f32).unwrap(), &of_h, 1e-5);
        if beta == 1.0 {
            assert_all_close(&rbm.exact_free_energies(&v).unwrap(), &of_v, 1e-12);
        }
        let p: Vec<f64> = of_v.iter().map(|f| (-f - log_z).exp()).collect();
        assert_all_close(&rbm.visible_distribution(beta, &mut ()).unwrap(), &p, 1e-12);
        // P(unit = 1 | other layer) from the energies of all states of its layer.
        let h_given_v = rbm.mean_h_from_v(&v, beta as f32).unwrap();
        for (s, x) in minus_e.chunks(h.rows()).enumerate() {
            for j in 0..m {
                let p: f64 = (0..h.rows())
                    .filter(|&k| h.get(k, j))
                    .map(|k| (x[k] + of_v[s]).exp())
                    .sum();
                assert!((f64::from(h_given_v.row(s)[j]) - p).abs() < 1e-6);
            }
        }
        let v_given_h = rbm.mean_v_from_h(&h, beta as f32).unwrap();
        for (k, free) in of_h.iter().enumerate() {
            let x = column(k);
            for i in 0..n {
                let p: f64 = (0..v.rows())
                    .filter(|&s| v.get(s, i))
                    .map(|s| (x[s] + free).exp())
                    .sum();
                assert!((f64::from(v_given_h.row(k)[i]) - p).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn expectations_equal_brute_force() {
    for (n, m) in [(6, 3), (3, 6), (13, 14)] {
        let rbm = normal_rbm(n, m, 0.5, 7);
        let e = rbm.expectations(&mut ()).unwrap();
        let v = all_states(n);
        let p = rbm.visible_distribution(1.0, &mut ()).unwrap();
        let h = rbm.mean_h_from_v(&v, 1.0).unwrap();
        for i in 0..n {
            let on = || (0..v.rows()).filter(|&s| v.get(s, i));
            assert!((e.visible[i] - on().map(|s| p[s]).sum::<f64>()).abs() < 1e-9);
            for j in 0..m {
                let pair: f64 = on().map(|s| p[s] * f64::from(h.row(s)[j])).sum();
                assert!((f64::from(e.weights.row(i)[j]) - pair).abs() < 1e-6);
            }
        }
        for j in 0..m {
            let on: f64 = (0..v.rows()).map(|s| p[s] * f64::from(h.row(s)[j])).sum();
            assert!((e.hidden[j] - on).abs() < 1e-6);
        }
        assert_eq!(e.log_z, rbm.log_z(&mut ()).unwrap());
    }
}

#[test]
fn zero_weights_give_the_base_rate() {
    let mean = [0.1, 0.5, 0.73, 0.999, 0.2];
    let bias: Vec<f32> = mean
        .iter()
        .map(|p: &f64| (p / (1.0 - p)).ln() as f32)
        .collect();
    let rbm = Rbm::from_parameters([bias.clone(), vec![0.0; 3]], [Matrix::zeros(5, 3)]).unwrap();
    let v = all_states(5);
    let got = rbm.exact_mean_log_likelihood(&v, &mut ()).unwrap().mean;
    // The base rate of the biases as f32 holds them.
    let expected: f64 = (0..32)
        .map(|s| {
            (0..5)
                .map(|i| {
                    let p = sigmoid(f64::from(bias[i]));
                    if v.get(s, i) { p.ln() } else { (1.0 - p).ln() }
                })
                .sum::<f64>()
        })
        .sum::<f64>()
        / 32.0;
    assert!((got - expected).abs() < 1e-10, "{got} for {expected}");
}

#[test]
fn joined_independent_machines_add_their_log_z() {
    let (a, b) = (normal_rbm(4, 3, 1.0, 1), normal_rbm(2, 5, 1.0, 2));
    let weights = Matrix::from_fn(6, 8, |i, j| match (i < 4, j < 3) {
        (true, true) => a.weights().row(i)[j],
        (false, false) => b.weights().row(i - 4)[j - 3],
        _ => 0.0,
    });
    let join = |x: &[f32], y: &[f32]| [x, y].concat();
    let both = Rbm::from_parameters(
        [
            join(&a.visible().bias, &b.visible().bias),
            join(&a.hidden().bias, &b.hidden().bias),
        ],
        [weights],
    )
    .unwrap();
    assert!(
        (both.log_z(&mut ()).unwrap() - a.log_z(&mut ()).unwrap() - b.log_z(&mut ()).unwrap())
            .abs()
            < 1e-11
    );
    assert!((a.transposed().log_z(&mut ()).unwrap() - a.log_z(&mut ()).unwrap()).abs() < 1e-11);
}
