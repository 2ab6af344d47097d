//! Every kind of unit, labels included, against sums over states and quadrature.

use crate::common::{
    self, layer_states, normal_machine, normal_rbm,
    units::{HIDDEN, hidden_states, labeled, nodes, repeated},
};
use harmonium::{
    Matrix,
    model::{Layer, Rbm, Side, most_probable},
    rng::HostRng,
    units::Kind,
};

#[test]
fn free_energies_and_means_are_sums_over_the_energies() {
    for (seed, hidden) in HIDDEN.into_iter().enumerate() {
        for visible in [("bernoulli", 3), ("spin:2+gaussian:2", 4)] {
            // Rectified hidden units with Gaussian visible ones need small weights to be normal.
            let rbm = normal_machine(visible, hidden, 0.4, seed as u64);
            let mut rng = HostRng::numbered(seed as u64, 1);
            let v = Matrix::from_fn(5, visible.1, |_, j| {
                if j >= 2 && visible.1 == 4 {
                    rng.normal() as f32
                } else {
                    f32::from(rng.uniform() < 0.5)
                }
            });
            let (h, weights) = hidden_states(rbm.hidden());
            for beta in [0.5, 1.0, 2.0] {
                let free = rbm.free_energy(&v, beta).unwrap();
                let mean = rbm.mean_h_from_v(&v, beta).unwrap();
                let input = rbm.input_h_from_v(&v, beta).unwrap();
                for (s, free) in free.iter().enumerate() {
                    let energies = rbm.energy(&repeated(v.row(s), h.rows()), &h).unwrap();
                    let p: Vec<f64> = energies
                        .iter()
                        .zip(&weights)
                        .map(|(e, w)| w * (-f64::from(beta) * e).exp())
                        .collect();
                    let z: f64 = p.iter().sum();
                    let what = format!("{visible:?}, {hidden:?}, beta {beta}");
                    assert!(
                        (free + z.ln()).abs() < 2e-5,
                        "{what}: {} for {}",
                        free,
                        -z.ln()
                    );
                    for j in 0..h.columns() {
                        let expected = (0..h.rows())
                            .map(|k| p[k] * f64::from(h.row(k)[j]))
                            .sum::<f64>()
                            / z;
                        let got = f64::from(mean.row(s)[j]);
                        assert!(
                            (got - expected).abs() < 1e-5,
                            "{what}: {got} for {expected}"
                        );
                    }
                    if hidden.0 == "gaussian" {
                        let x = f64::from(beta * mean.row(s)[0]);
                        assert!((f64::from(input.row(s)[0]) - x).abs() < 1e-6);
                    }
                }
                if beta == 1.0 {
                    let exact = rbm.exact_free_energies(&v).unwrap();
                    for (a, b) in free.iter().zip(exact) {
                        assert!((a - b).abs() < 1e-5);
                    }
                }
            }
        }
    }
}

#[test]
fn log_z_from_both_sides_and_by_brute_force() {
    for (seed, (visible, hidden)) in [
        (("softmax:3+bernoulli:2", 5), ("spin:2+softmax:3", 5)),
        (("spin", 4), ("bernoulli", 3)),
        (("softmax:2+softmax:3+spin:1", 6), ("softmax", 5)),
    ]
    .into_iter()
    .enumerate()
    {
        let rbm = normal_machine(visible, hidden, 0.8, seed as u64);
        let (v, h) = (layer_states(rbm.visible()), layer_states(rbm.hidden()));
        for beta in [0.5, 1.0, 2.0] {
            let mut z = 0.0;
            for s in 0..v.rows() {
                let energies = rbm.energy(&repeated(v.row(s), h.rows()), &h).unwrap();
                z += energies.iter().map(|e| (-beta * e).exp()).sum::<f64>();
            }
            for side in [Side::Visible, Side::Hidden] {
                let got = rbm.log_z_over(side, beta, &mut ()).unwrap();
                assert!((got - z.ln()).abs() < 1e-10, "{got} for {}", z.ln());
            }
            let p = rbm.visible_distribution(beta, &mut ()).unwrap();
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let free = rbm.free_energy(&v, beta as f32).unwrap();
            for (p, f) in p.iter().zip(free) {
                assert!((p.ln() + f + z.ln()).abs() < 1e-5);
            }
        }
    }
}

/// More states than one block: the walk's incremental sums against single states.
#[test]
fn walks_over_several_blocks_stay_exact() {
    let rbm = normal_machine(
        ("softmax:5+spin:6+softmax:7+bernoulli:4", 22),
        ("relu", 2),
        0.5,
        3,
    );
    let states = 5.0 * 64.0 * 7.0 * 16.0;
    assert_eq!(rbm.visible().states(), Some(states));
    let v = layer_states(rbm.visible());
    let free = rbm.exact_free_energies(&v).unwrap();
    let z: f64 = free.iter().map(|f| (-f).exp()).sum();
    assert!((rbm.log_z(&mut ()).unwrap() - z.ln()).abs() < 1e-11);
    assert_eq!(rbm.smaller_side(), Side::Visible);
}

/// `p(v)` of Gaussian visible units is a mixture with one component a hidden state, and integrates
/// to one.
#[test]
fn gaussian_visible_units_are_a_mixture_of_gaussians() {
    let rbm = normal_machine(("gaussian", 1), ("bernoulli:2+spin:1", 3), 0.7, 5);
    let log_z = rbm.log_z(&mut ()).unwrap();
    let nodes = nodes(Kind::Gaussian);
    let v = Matrix::from_fn(nodes.len(), 1, |i, _| nodes[i].0 as f32);
    let free = rbm.exact_free_energies(&v).unwrap();
    let h = layer_states(rbm.hidden());
    let q = rbm.transposed().visible_distribution(1.0, &mut ()).unwrap();
    let mean = rbm.mean_v_from_h(&h, 1.0).unwrap();
    let variance = f64::from(rbm.visible().log_variance[0]).exp();
    let mut total = 0.0;
    for (k, (f, (_, weight))) in free.iter().zip(&nodes).enumerate() {
        let p = (-f - log_z).exp();
        total += weight * p;
        let x = f64::from(v.row(k)[0]);
        let mixture: f64 = (0..h.rows())
            .map(|s| {
                let z = (x - f64::from(mean.row(s)[0])).powi(2) / variance;
                q[s] * (-0.5 * z).exp() / (std::f64::consts::TAU * variance).sqrt()
            })
            .sum();
        assert!((p - mixture).abs() < 1e-6, "{p} for {mixture} at {x}");
    }
    assert!((total - 1.0).abs() < 1e-8, "{total}");
}

#[test]
fn a_softmax_group_of_two_is_a_bernoulli_unit() {
    let one = normal_rbm(3, 2, 1.0, 1);
    // Units 2 i and 2 i + 1: off and on.
    let mut visible = Layer::new(
        (0..3).fold(Default::default(), |units: harmonium::units::Units, _| {
            units.and(Kind::Softmax, 2)
        }),
    );
    for i in 0..3 {
        visible.bias[2 * i + 1] = one.visible().bias[i];
    }
    let w = Matrix::from_fn(6, 2, |i, j| {
        if i % 2 == 1 {
            one.weights().row(i / 2)[j]
        } else {
            0.0
        }
    });
    let two = Rbm::from_parameters([visible, one.hidden().clone()], [w]).unwrap();
    assert!((one.log_z(&mut ()).unwrap() - two.log_z(&mut ()).unwrap()).abs() < 1e-12);
    let h = common::all_states(2);
    let (p, q) = (
        one.mean_v_from_h(&h, 1.0).unwrap(),
        two.mean_v_from_h(&h, 1.0).unwrap(),
    );
    for s in 0..4 {
        for i in 0..3 {
            assert!((p.row(s)[i] - q.row(s)[2 * i + 1]).abs() < 1e-6);
            assert!((p.row(s)[i] + q.row(s)[2 * i] - 1.0).abs() < 1e-6);
        }
    }
    // Units in index order: the first unit of each pair is "off".
    let (p, q) = (
        one.visible_distribution(1.0, &mut ()).unwrap(),
        two.visible_distribution(1.0, &mut ()).unwrap(),
    );
    p.iter()
        .zip(&q)
        .for_each(|(p, q)| assert!((p - q).abs() < 1e-12));
}

/// With `s = 2 u - 1`: `E_spin(W, b, c) = E_bernoulli(4 W, 2 b - 2 W 1, 2 c - 2 W' 1) - sum W + sum
/// b + sum c`.
#[test]
fn a_spin_machine_is_a_transformed_bernoulli_machine() {
    let spin = normal_machine(("spin", 4), ("spin", 3), 0.6, 7);
    let w = spin.weights();
    let weights = Matrix::from_fn(4, 3, |i, j| 4.0 * w.row(i)[j]);
    let visible = (0..4)
        .map(|i| 2.0 * (spin.visible().bias[i] - w.row(i).iter().sum::<f32>()))
        .collect::<Vec<_>>();
    let hidden = (0..3)
        .map(|j| 2.0 * (spin.hidden().bias[j] - (0..4).map(|i| w.row(i)[j]).sum::<f32>()))
        .collect();
    let binary = Rbm::from_parameters([visible, hidden], [weights]).unwrap();
    let sum = |x: &[f32]| x.iter().map(|&x| f64::from(x)).sum::<f64>();
    let shift = w.elements().map(f64::from).sum::<f64>()
        - sum(&spin.visible().bias)
        - sum(&spin.hidden().bias);
    let difference = spin.log_z(&mut ()).unwrap() - binary.log_z(&mut ()).unwrap() - shift;
    // The transformed parameters are rounded to f32.
    assert!(difference.abs() < 1e-5, "{difference}");
    let pairs = spin.visible_distribution(1.0, &mut ()).unwrap();
    for (p, q) in pairs
        .iter()
        .zip(binary.visible_distribution(1.0, &mut ()).unwrap())
    {
        assert!((p - q).abs() < 1e-6);
    }
}

#[test]
fn class_probabilities_are_those_of_the_joint_distribution() {
    let (rbm, data, _) = labeled();
    let pixels = data.first_columns(5);
    let log_p = rbm.log_p_y_from_v(pixels.input()).unwrap();
    let gray = Matrix::from_fn(30, 5, |i, j| f32::from(pixels.bits().unwrap().get(i, j)));
    assert_eq!(
        most_probable(&log_p),
        most_probable(&rbm.log_p_y_from_v(&gray).unwrap())
    );
    for s in 0..30 {
        let joint = Matrix::from_fn(3, 8, |y, j| {
            if j < 5 {
                gray.row(s)[j]
            } else {
                f32::from(j - 5 == y)
            }
        });
        let free = rbm.exact_free_energies(&joint).unwrap();
        let z: f64 = free.iter().map(|f| (-f).exp()).sum();
        for (y, f) in free.iter().enumerate() {
            let expected = -f - z.ln();
            assert!((f64::from(log_p.row(s)[y]) - expected).abs() < 1e-5);
        }
    }
    let plain = Rbm::bernoulli(&[5, 2]).unwrap();
    assert!(plain.log_p_y_from_v(&gray).is_err());
    assert!(rbm.log_p_y_from_v(&Matrix::zeros(1, 8)).is_err());
}
