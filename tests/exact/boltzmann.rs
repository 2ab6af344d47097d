//! The general Boltzmann machine against brute force over all its states, and against the RBM that
//! it contains.

use crate::common::{self, ROUNDING, all_states, assert_close, normal_boltzmann, normal_rbm};
use harmonium::{
    bits::BitMatrix,
    kernel::reference::{log_sum_exp, sigmoid},
    matrix::Matrix,
    model::{BoltzmannMachine, MeanField, Side},
};

/// `E` by its definition, of the state of all units with this index.
fn energy(machine: &BoltzmannMachine, state: usize) -> f64 {
    let (n, m) = (machine.n_visible(), machine.n_hidden());
    let v = |i: usize| (state >> i & 1) as f64;
    let h = |j: usize| (state >> (n + j) & 1) as f64;
    let mut e = 0.0;
    for i in 0..n {
        for k in 0..n {
            e -= v(i) * f64::from(machine.visible_weights().row(i)[k]) * v(k);
        }
        for j in 0..m {
            e -= v(i) * f64::from(machine.weights().row(i)[j]) * h(j);
        }
        e -= f64::from(machine.visible().bias[i]) * v(i);
    }
    for j in 0..m {
        for k in 0..m {
            e -= h(j) * f64::from(machine.hidden_weights().row(j)[k]) * h(k);
        }
        e -= f64::from(machine.hidden().bias[j]) * h(j);
    }
    e
}

fn minus_energies(machine: &BoltzmannMachine, beta: f64) -> Vec<f64> {
    let energy = |state| -beta * energy(machine, state);
    (0..1 << machine.units()).map(energy).collect()
}

/// The bits of some units of states.
fn units(states: &BitMatrix, range: std::ops::Range<usize>) -> BitMatrix {
    BitMatrix::from_fn(states.rows(), range.len(), |i, j| {
        states.get(i, range.start + j)
    })
}

const SHAPES: [(usize, usize); 6] = [(6, 0), (1, 0), (5, 4), (3, 6), (2, 1), (10, 6)];

#[test]
fn enumeration_is_brute_force() {
    for (seed, (n, m)) in SHAPES.into_iter().enumerate() {
        let machine = normal_boltzmann(n, m, 0.6, seed as u64);
        let all = all_states(n + m);
        let (v, h) = (units(&all, 0..n), units(&all, n..n + m));
        for (state, e) in machine.energy(&v, &h).unwrap().into_iter().enumerate() {
            assert_close(e, energy(&machine, state), ROUNDING, "energy");
        }
        for beta in [0.5, 1.0, 2.0] {
            let log_p = minus_energies(&machine, beta);
            let log_z = log_sum_exp(&log_p);
            assert_close(
                machine.log_z_at(beta, &mut ()).unwrap(),
                log_z,
                ROUNDING,
                "ln Z",
            );
            let joint = machine.joint_distribution(beta, &mut ()).unwrap();
            for (p, log_p) in joint.iter().zip(&log_p) {
                assert_close(*p, (log_p - log_z).exp(), ROUNDING, "p(v, h)");
            }
            let visible = machine.visible_distribution(beta, &mut ()).unwrap();
            let free = machine.free_energy(&all_states(n), beta).unwrap();
            for k in 0..1 << n {
                let given_v: Vec<f64> = (0..1 << m).map(|j| log_p[k | j << n]).collect();
                assert_close(free[k], -log_sum_exp(&given_v), ROUNDING, "F(v)");
                assert_close(visible[k], (-free[k] - log_z).exp(), ROUNDING, "p(v)");
            }
        }
        let p = machine.joint_distribution(1.0, &mut ()).unwrap();
        let expected = machine.expectations(&mut ()).unwrap();
        assert_close(
            expected.log_z,
            machine.log_z(&mut ()).unwrap(),
            ROUNDING,
            "ln Z",
        );
        for i in 0..n + m {
            for j in 0..n + m {
                let on = |state: &usize| state >> i & 1 == 1 && state >> j & 1 == 1;
                let pair: f64 = (0..p.len()).filter(on).map(|state| p[state]).sum();
                assert_close(expected.pairs[i * (n + m) + j], pair, ROUNDING, "E[x x]");
            }
            assert_eq!(expected.means[i], expected.pairs[i * (n + m) + i]);
        }
    }
}

/// Sparse graphs, of which much is summed in closed form, and blocks of states beyond one.
#[test]
fn sparse_and_larger_machines() {
    let edges: Vec<_> = (0..16)
        .flat_map(|i| {
            let right = (i % 4 < 3).then_some((i, i + 1, 0.3 + 0.05 * i as f32));
            let below = (i < 12).then_some((i, i + 4, -0.4 + 0.03 * i as f32));
            right.into_iter().chain(below)
        })
        .collect();
    let grid = BoltzmannMachine::from_edges(12, 4, &edges).unwrap();
    for machine in [grid, normal_boltzmann(11, 5, 0.4, 3)] {
        let log_z = log_sum_exp(&minus_energies(&machine, 1.0));
        assert_close(machine.log_z(&mut ()).unwrap(), log_z, ROUNDING, "ln Z");
        let p = machine.joint_distribution(1.0, &mut ()).unwrap();
        let expected = machine.expectations(&mut ()).unwrap();
        for (i, mean) in expected.means.iter().enumerate() {
            let on: f64 = (0..p.len()).filter(|s| s >> i & 1 == 1).map(|s| p[s]).sum();
            assert_close(*mean, on, ROUNDING, "E[x]");
        }
    }
}

/// A walk leaves out units that are not coupled with one another: of a grid about half, of a fully
/// connected machine one, of hidden units without couplings all.
#[test]
fn units_that_enumeration_walks() {
    let mut edges = Vec::new();
    for i in 0..9 {
        edges.extend((i % 3 < 2).then_some((i, i + 1, 0.5)));
        edges.extend((i < 6).then_some((i, i + 3, 0.5)));
    }
    let grid = BoltzmannMachine::from_edges(9, 0, &edges).unwrap();
    assert_eq!(grid.enumerated_units().unwrap(), (4, 0));
    assert_eq!(
        normal_boltzmann(5, 4, 0.5, 1).enumerated_units().unwrap(),
        (8, 3)
    );
    let rbm = BoltzmannMachine::try_from(&normal_rbm(9, 5, 0.1, 1)).unwrap();
    assert_eq!(rbm.enumerated_units().unwrap(), (5, 0));
}

#[test]
fn conditionals_are_those_of_the_energies() {
    let (n, m) = (4, 3);
    let machine = normal_boltzmann(n, m, 0.8, 1);
    let all = all_states(n + m);
    let (v, h) = (units(&all, 0..n), units(&all, n..n + m));
    for beta in [0.5, 1.0, 2.0_f32] {
        let of_v = machine.mean_v_from_rest(&v, &h, beta).unwrap();
        let of_h = machine.mean_h_from_rest(&v, &h, beta).unwrap();
        for state in 0..1 << (n + m) {
            for i in 0..n + m {
                let on = energy(&machine, state | 1 << i);
                let off = energy(&machine, state & !(1 << i));
                let p = sigmoid(f64::from(beta) * (off - on));
                let got = if i < n {
                    of_v.row(state)[i]
                } else {
                    of_h.row(state)[i - n]
                };
                // f32 sums of seven numbers of order one.
                assert_close(got.into(), p, 2e-6, "P(x_i | rest)");
            }
        }
    }
    let fully = normal_boltzmann(5, 0, 0.8, 2);
    let v = all_states(5);
    let means = fully
        .mean_v_from_rest(&v, &BitMatrix::zeros(32, 0), 1.0)
        .unwrap();
    for state in 0..32 {
        let p = sigmoid(energy(&fully, state & !1) - energy(&fully, state | 1));
        assert_close(means.row(state)[0].into(), p, 2e-6, "P(x_0 | rest)");
    }
}

#[test]
fn expectations_given_held_units() {
    let (n, m) = (4, 4);
    let machine = normal_boltzmann(n, m, 0.7, 5);
    let p = machine.joint_distribution(1.0, &mut ()).unwrap();
    let log_z = machine.log_z(&mut ()).unwrap();
    let held = [
        Some(true),
        None,
        Some(false),
        None,
        None,
        Some(true),
        None,
        None,
    ];
    let fits = |state: usize| {
        let bit = |i: usize| state >> i & 1 == 1;
        held.iter()
            .enumerate()
            .all(|(i, x)| x.is_none_or(|x| x == bit(i)))
    };
    let total: f64 = (0..256).filter(|&s| fits(s)).map(|s| p[s]).sum();
    let given = machine.expectations_given(&held, &mut ()).unwrap();
    assert_close(
        given.log_z,
        total.ln() + log_z,
        ROUNDING,
        "ln Z of free units",
    );
    for i in 0..8 {
        for j in 0..8 {
            let on = |s: usize| fits(s) && s >> i & 1 == 1 && s >> j & 1 == 1;
            let pair: f64 = (0..256).filter(|&s| on(s)).map(|s| p[s]).sum();
            assert_close(
                given.pairs[i * 8 + j],
                pair / total,
                ROUNDING,
                "E[x x | held]",
            );
        }
    }
    let v = BitMatrix::from_fn(1, n, |_, i| i == 1);
    let held: Vec<_> = (0..8).map(|i| (i < n).then_some(i == 1)).collect();
    let posterior = machine.expectations_given(&held, &mut ()).unwrap();
    let free = machine.free_energy(&v, 1.0).unwrap()[0];
    assert_close(-posterior.log_z, free, ROUNDING, "F(v)");
    let log_likelihood = machine.exact_log_p_v(&v, &mut ()).unwrap()[0];
    assert_close(log_likelihood, -free - log_z, ROUNDING, "ln p(v)");
}

#[test]
fn an_rbm_is_a_general_machine() {
    for (n, m) in [(6, 4), (4, 7), (12, 10)] {
        let rbm = normal_rbm(n, m, 0.8, 7);
        let machine = BoltzmannMachine::try_from(&rbm).unwrap();
        for beta in [0.5, 1.0, 2.0] {
            let expected = rbm.log_z_over(Side::Visible, beta, &mut ()).unwrap();
            assert_close(
                machine.log_z_at(beta, &mut ()).unwrap(),
                expected,
                ROUNDING,
                "ln Z",
            );
            let pairs = machine.visible_distribution(beta, &mut ()).unwrap();
            let pairs = pairs
                .into_iter()
                .zip(rbm.visible_distribution(beta, &mut ()).unwrap());
            pairs.for_each(|(a, b)| assert_close(a, b, ROUNDING, "p(v)"));
        }
        let v = all_states(n);
        let exact = rbm.exact_free_energies(&v).unwrap();
        for (a, b) in machine.free_energy(&v, 1.0).unwrap().into_iter().zip(exact) {
            assert_close(a, b, ROUNDING, "F(v)");
        }
        let (a, b) = (
            machine.expectations(&mut ()).unwrap(),
            rbm.expectations(&mut ()).unwrap(),
        );
        for i in 0..n {
            assert_close(a.means[i], b.visible[i], ROUNDING, "E[v]");
            for j in 0..m {
                // Stored as f32.
                let (a, b) = (a.pairs[i * (n + m) + n + j], b.weights.row(i)[j]);
                assert_close(a, b.into(), 1e-7, "E[v h]");
            }
        }
        let h = BitMatrix::zeros(v.rows(), m);
        assert_eq!(machine.energy(&v, &h).unwrap(), rbm.energy(&v, &h).unwrap());
        let a = machine.mean_h_from_rest(&v, &h, 1.0).unwrap();
        let b = rbm.mean_h_from_v(&v, 1.0).unwrap();
        a.elements()
            .zip(b.elements())
            .for_each(|(a, b)| assert_close(a.into(), b.into(), 1e-6, "E[h | v]"));
    }
    let spins = common::normal_machine(("spin", 3), ("bernoulli", 2), 0.5, 1);
    assert!(BoltzmannMachine::try_from(&spins).is_err());
}

/// The bound grows with every pass, damped or not, stays below the exact value, and reaches it
/// where hidden units are not coupled.
#[test]
fn mean_field_bound_grows() {
    let (n, m) = (6, 7);
    let v = all_states(n);
    for (seed, damping) in [(0, 0.0), (1, 0.5), (2, 0.0), (3, 0.9)] {
        let machine = normal_boltzmann(n, m, 0.8, seed);
        let exact = machine.free_energy(&v, 1.0).unwrap();
        let one = MeanField {
            iterations: 1,
            damping,
            ..MeanField::default()
        };
        let mut last = vec![f64::NEG_INFINITY; v.rows()];
        let mut q = Matrix::from_fn(v.rows(), m, |_, _| 0.5);
        for _ in 0..30 {
            let (mut means, _) = machine.posterior_means_from(&v, &one, q).unwrap();
            q = means.remove(0);
            let bounds = machine.mean_field_bound(&v, &q).unwrap();
            for (k, bound) in bounds.iter().enumerate() {
                // f32 means are off by 2^-24; near the maximum the bound is flat.
                assert!(*bound >= last[k] - 1e-6, "fell from {} to {bound}", last[k]);
                assert!(*bound <= -exact[k] + 1e-9, "{bound} above {}", -exact[k]);
            }
            last = bounds;
        }
        let options = MeanField {
            iterations: 2000,
            tolerance: 1e-5,
            damping,
        };
        let (settled, done) = machine.posterior_means(&v, &options).unwrap();
        assert!(done.is_within(&options));
        // A fixed point: every mean is that of its input from all others.
        for k in 0..v.rows() {
            let q = settled[0].row(k);
            for j in 0..m {
                let mut y = f64::from(machine.hidden().bias[j]);
                y += (0..n)
                    .filter(|&i| v.get(k, i))
                    .map(|i| f64::from(machine.weights().row(i)[j]))
                    .sum::<f64>();
                let s = machine.hidden_weights().row(j);
                y += s
                    .iter()
                    .zip(q)
                    .map(|(s, q)| 2.0 * f64::from(s * q))
                    .sum::<f64>();
                // A move of the tolerance in each of seven units, through couplings of up to 4 and
                // a slope of 1/4; damping shrinks moves tenfold.
                assert_close(q[j].into(), sigmoid(y), 7.0 * 1e-5 * 10.0, "fixed point");
            }
        }
    }
    let machine = BoltzmannMachine::try_from(&normal_rbm(n, m, 0.8, 1)).unwrap();
    let (bounds, _) = machine
        .mean_field_bounds(&v, &MeanField::default())
        .unwrap();
    let exact = machine.free_energy(&v, 1.0).unwrap();
    for (bound, f) in bounds.iter().zip(&exact) {
        assert_close(*bound, -f, 1e-6, "bound of independent hidden units");
    }
}
