//! What machines say of examples of which values are missing, against sums over what these can be.

use crate::common::{
    layer_states,
    missing::mask,
    normal_machine,
    units::{nodes, random_data},
};
use harmonium::{
    BitMatrix, Examples, Matrix, Rbm,
    evaluate::{Ais, Betas},
    kernel::reduce::log_sum_exp,
    model::{Imputation, Layer, Missing},
    units::{Kind, Units},
};

const MACHINES: [(&str, usize, &str, usize); 5] = [
    ("bernoulli", 5, "bernoulli", 3),
    ("bernoulli:3+softmax:3", 6, "softmax:2+bernoulli:2", 4),
    ("spin", 4, "bernoulli", 3),
    ("bernoulli", 4, "gaussian", 2),
    ("spin:2+softmax:3", 5, "relu:1+spin:1", 2),
];

fn problem(k: usize, rows: usize) -> (Rbm, Examples) {
    let (visible, n, hidden, m) = MACHINES[k];
    let rbm = normal_machine((visible, n), (hidden, m), 0.6, k as u64);
    let data = random_data(rbm.visible(), rows, k as u64);
    let mask = mask(rbm.visible(), rows, k as u64);
    (rbm, data.with_observed(mask).unwrap())
}

/// All complete states that agree with what was observed of `row`.
fn completions(layer: &Layer, data: &Examples, row: usize) -> Matrix {
    let all = layer_states(layer);
    let (mask, x) = (data.observed().unwrap(), data.input());
    let agrees = |s: &usize| {
        let same = |i: usize| !mask.get(row, i) || all.row(*s)[i] == x.get(row, i);
        (0..layer.size()).all(same)
    };
    let which: Vec<usize> = (0..all.rows()).filter(agrees).collect();
    Matrix::from_fn(which.len(), layer.size(), |k, i| all.row(which[k])[i])
}

/// Hidden biases of what is given are f32: 1e-6 relative to inputs of order 1.
const BOUND: f64 = 5e-6;

#[test]
fn likelihoods_of_what_was_observed_are_sums() {
    for k in 0..MACHINES.len() {
        let (rbm, data) = problem(k, 12);
        let log_z = rbm.log_z(&mut ()).unwrap();
        let log_p = rbm
            .exact_log_p_observed(&data, Missing::Infer, &mut ())
            .unwrap();
        for (row, found) in log_p.iter().enumerate() {
            let all = completions(rbm.visible(), &data, row);
            let free = rbm.exact_free_energies(&all).unwrap();
            let sums: Vec<f64> = free.into_iter().map(|f| -f - log_z).collect();
            let expected = log_sum_exp(&sums);
            assert!(
                (found - expected).abs() < BOUND,
                "{k}, {row}: {found} {expected}"
            );
        }
        assert!(log_p[11].abs() < BOUND, "nothing observed: {}", log_p[11]);
        let exact = rbm.exact_mean_log_likelihood(&data, &mut ()).unwrap();
        let (mean, z) = (exact.mean, exact.log_z);
        assert!((mean - log_p.iter().sum::<f64>() / 12.0).abs() < 1e-9 && z == log_z);
    }
}

/// A missing Gaussian or rectified unit beside others, by quadrature.
#[test]
fn continuous_missing_values_are_integrated_over() {
    for kind in [Kind::Gaussian, Kind::Relu] {
        let units = format!("{}:1+bernoulli:2", kind.name());
        let rbm = normal_machine((units.as_str(), 3), ("bernoulli", 3), 0.6, 1);
        let data = random_data(rbm.visible(), 4, 2);
        let mask = BitMatrix::from_fn(4, 3, |_, i| i > 0);
        let data = data.with_observed(mask).unwrap();
        let nodes = nodes(kind);
        let found = rbm.log_sums_over_missing(&data, &mut ()).unwrap();
        let means = rbm
            .impute(&data, Missing::Infer, Imputation::Exact, &mut ())
            .unwrap();
        for (row, found) in found.iter().enumerate() {
            let all = Matrix::from_fn(nodes.len(), 3, |k, i| match i {
                0 => nodes[k].0 as f32,
                _ => data.input().get(row, i),
            });
            let free = rbm.exact_free_energies(&all).unwrap();
            let terms: Vec<f64> = free
                .iter()
                .zip(&nodes)
                .map(|(f, n)| n.1 * (-f).exp())
                .collect();
            let sum: f64 = terms.iter().sum();
            // Nodes are f32: their rounding moves the sum by less than 1e-5 of it.
            assert!(
                (found - sum.ln()).abs() < 1e-5,
                "{kind}: {found} for {}",
                sum.ln()
            );
            let mean = terms.iter().zip(&nodes).map(|(p, n)| p * n.0).sum::<f64>() / sum;
            let got = f64::from(means.visible.row(row)[0]);
            assert!((got - mean).abs() < 1e-5, "{kind}: {got} for {mean}");
        }
    }
}

#[test]
fn imputed_means_are_those_of_all_completions() {
    for k in 0..MACHINES.len() {
        let (rbm, data) = problem(k, 12);
        let found = rbm
            .impute(&data, Missing::Infer, Imputation::Exact, &mut ())
            .unwrap();
        for row in 0..12 {
            let all = completions(rbm.visible(), &data, row);
            let free = rbm.exact_free_energies(&all).unwrap();
            let h = rbm.mean_h_from_v(&all, 1.0).unwrap();
            let sum: f64 = free.iter().map(|f| (-f).exp()).sum();
            let mean = |x: &Matrix, i: usize| {
                let states = free.iter().enumerate();
                states
                    .map(|(s, f)| (-f).exp() * f64::from(x.row(s)[i]))
                    .sum::<f64>()
                    / sum
            };
            let visible = (0..rbm.n_visible()).map(|i| (found.visible.row(row)[i], mean(&all, i)));
            let hidden = (0..rbm.n_hidden()).map(|j| (found.hidden[0].row(row)[j], mean(&h, j)));
            for (got, expected) in visible.chain(hidden) {
                let off = (f64::from(got) - expected).abs();
                assert!(off < BOUND, "{k}, {row}: {got} for {expected}");
            }
        }
    }
}

/// Means over chains, and samples, within six standard errors of the exact means: of means over
/// 4000 sweeps, which forget each other within some 10, an error below `sqrt(10 / 4000) / 2`.
#[test]
fn chains_impute_what_enumeration_does() {
    for k in 0..3 {
        let (rbm, data) = problem(k, 12);
        let exact = rbm
            .impute(&data, Missing::Infer, Imputation::Exact, &mut ())
            .unwrap();
        let how = Imputation::Gibbs {
            burn_in: 100,
            sweeps: 4000,
            seed: 3,
        };
        let found = rbm.impute(&data, Missing::Infer, how, &mut ()).unwrap();
        let bound = 6.0 * (10.0 / 4000.0_f32).sqrt() / 2.0;
        let hidden = found.hidden[0].elements().zip(exact.hidden[0].elements());
        for (a, b) in found
            .visible
            .elements()
            .zip(exact.visible.elements())
            .chain(hidden)
        {
            assert!((a - b).abs() < bound, "{k}: {a} for {b}");
        }
        // The same row many times.
        let rows = vec![5; 4000];
        let many = data.take(&rows);
        let samples = rbm.impute_samples(&many, 60, 4).unwrap();
        let mask = data.observed().unwrap();
        for i in 0..rbm.n_visible() {
            let x = |s: usize| samples.get(s, i);
            if mask.get(5, i) {
                assert!((0..4000).all(|s| x(s) == data.input().get(5, i)));
            }
            let mean = (0..4000).map(x).sum::<f32>() / 4000.0;
            let expected = exact.visible.row(5)[i];
            assert!(
                (mean - expected).abs() < 6.0 / 4000.0_f32.sqrt(),
                "{mean} for {expected}"
            );
        }
    }
}

/// Absent units: the machine without their columns, and of each alone what it would be beside what
/// was observed.
#[test]
fn absent_units_are_those_of_smaller_machines() {
    for (k, &(_, _, hidden, _)) in MACHINES.iter().enumerate() {
        let (rbm, data) = problem(k, 12);
        let mask = data.observed().unwrap();
        let log_p = rbm
            .exact_log_p_observed(&data, Missing::Absent, &mut ())
            .unwrap();
        assert_eq!(log_p[11], 0.0);
        let how = Imputation::Exact;
        let found = rbm.impute(&data, Missing::Absent, how, &mut ()).unwrap();
        for (row, log_p) in log_p.iter().enumerate().take(11) {
            let kept: Vec<usize> = (0..rbm.n_visible()).filter(|&i| mask.get(row, i)).collect();
            if kept.is_empty() {
                continue;
            }
            let small = rbm.without_missing(mask.view(), row).unwrap();
            let v = Matrix::from_fn(1, kept.len(), |_, i| data.input().get(row, kept[i]));
            let expected =
                -small.exact_free_energies(&v).unwrap()[0] - small.log_z(&mut ()).unwrap();
            assert!((log_p - expected).abs() < 1e-9, "{k}, {row}");
            let h = small.mean_h_from_v(&v, 1.0).unwrap();
            for (a, b) in found.hidden[0].row(row).iter().zip(h.row(0)) {
                assert!((a - b).abs() < 1e-6, "{hidden}: {a} for {b}");
            }
        }
        assert!(found.visible.elements().all(f32::is_finite));
    }
    // A rating of two: by hand, `p(v_1 = 1 | v_0) ~ e^b_1 prod_j (1 + e^(c_j + W_0j + W_1j))`.
    let rbm = normal_machine(("bernoulli", 3), ("bernoulli", 3), 0.6, 1);
    let data = Examples::new(BitMatrix::from_fn(1, 3, |_, _| true)).unwrap();
    let mask = BitMatrix::from_fn(1, 3, |_, i| i == 0);
    let data = data.with_observed(mask).unwrap();
    let found = rbm
        .impute(&data, Missing::Absent, Imputation::Exact, &mut ())
        .unwrap();
    let log = |on: f64| {
        let hidden = (0..3).map(|j| {
            let [w0, w1] = [0, 1].map(|i| f64::from(rbm.weights().row(i)[j]));
            (f64::from(rbm.hidden().bias[j]) + w0 + on * w1)
                .exp()
                .ln_1p()
        });
        on * f64::from(rbm.visible().bias[1]) + hidden.sum::<f64>()
    };
    let expected = 1.0 / (1.0 + (log(0.0) - log(1.0)).exp());
    assert!((f64::from(found.visible.row(0)[1]) - expected).abs() < 1e-6);
}

#[test]
fn classes_of_rows_with_missing_values() {
    let rbm = normal_machine(("bernoulli:4+softmax:3", 7), ("bernoulli", 3), 0.8, 3);
    let v = random_data(&Layer::bernoulli(4), 9, 1);
    let data = v
        .clone()
        .with_observed(mask(&Layer::bernoulli(4), 9, 2))
        .unwrap();
    let exact = Imputation::Exact;
    let found = rbm
        .log_p_y_from_observed(&data, Missing::Infer, exact, &mut ())
        .unwrap();
    let absent = rbm
        .log_p_y_from_observed(&data, Missing::Absent, exact, &mut ())
        .unwrap();
    let complete = rbm.log_p_y_from_v(&v).unwrap();
    let observed = data.observed().unwrap();
    for row in 0..9 {
        let joint = v.states().with_one_hot(&[0; 9], 3).unwrap();
        let joint = Examples::new(joint).unwrap();
        let of_label = BitMatrix::from_fn(9, 7, |i, j| j < 4 && observed.get(i, j));
        let all = completions(rbm.visible(), &joint.with_observed(of_label).unwrap(), row);
        let free = rbm.exact_free_energies(&all).unwrap();
        let mut p = [0.0; 3];
        for (s, f) in free.iter().enumerate() {
            let y = (0..3).find(|y| all.row(s)[4 + y] == 1.0).unwrap();
            p[y] += (-f).exp();
        }
        let sum: f64 = p.iter().sum();
        for (y, p) in p.iter().enumerate() {
            let got = f64::from(found.row(row)[y]);
            assert!((got - (p / sum).ln()).abs() < 1e-5, "{row}: {got}");
        }
        let zeros = BitMatrix::from_fn(1, 4, |_, i| {
            observed.get(row, i) && v.input().get(row, i) > 0.0
        });
        let of_zeros = rbm.log_p_y_from_v(&zeros).unwrap();
        for y in 0..3 {
            assert!((absent.row(row)[y] - of_zeros.row(0)[y]).abs() < 1e-5);
        }
    }
    assert_eq!(
        rbm.log_p_y_from_observed(&v, Missing::Infer, exact, &mut ())
            .unwrap(),
        complete
    );
}

/// Where enumeration is out of reach the RBM of what is missing can be annealed as any other:
/// an estimate of `ln p(v_observed)`.
#[test]
fn what_is_missing_can_be_annealed() {
    let (rbm, data) = problem(0, 12);
    let exact = rbm.log_sums_over_missing(&data, &mut ()).unwrap();
    let ais = Ais {
        chains: 200,
        betas: Betas::Linear(500),
        ..Ais::default()
    };
    for (row, exact) in exact.iter().enumerate() {
        let observed = data.observed().unwrap().view();
        let given = rbm.given_observed(data.input(), observed, row).unwrap();
        let Some(free) = given.rbm else {
            assert!((given.log_weight - exact).abs() < BOUND);
            continue;
        };
        let z = ais.log_z(&free, &mut ()).unwrap();
        let bound = 6.0 * z.standard_error + 1e-5;
        assert!((given.log_weight + z.estimate - exact).abs() < bound);
    }
}

#[test]
fn parts_of_groups_and_means_of_units_are_refused() {
    let units = Units::of(Kind::Softmax, 3);
    let rbm = Rbm::unconnected(Layer::new(units), Layer::bernoulli(2)).unwrap();
    let data = Examples::new(BitMatrix::from_fn(1, 3, |_, i| i == 0)).unwrap();
    let part = BitMatrix::from_fn(1, 3, |_, i| i == 0);
    let data = data.with_observed(part).unwrap();
    let message = rbm
        .log_sums_over_missing(&data, &mut ())
        .unwrap_err()
        .to_string();
    assert!(message.contains("group"), "{message}");
    assert!(rbm.visible().check_values(&data).is_err());
    let how = Imputation::Gibbs {
        burn_in: 1,
        sweeps: 0,
        seed: 1,
    };
    assert!(rbm.impute(&data, Missing::Infer, how, &mut ()).is_err());
}

/// A general machine and a deep one against sums of `p(v)` over all completions.
#[test]
fn other_families_sum_over_what_is_missing() {
    let layer = Layer::bernoulli(5);
    let data = random_data(&layer, 12, 3);
    let data = data.with_observed(mask(&layer, 12, 3)).unwrap();
    let machine = crate::common::normal_boltzmann(5, 3, 0.6, 2);
    let layers = [5, 4, 3].map(Layer::bernoulli);
    let mut rng = harmonium::rng::HostRng::numbered(5, 1);
    let mut normal = |n: usize, m: usize| Matrix::from_fn(n, m, |_, _| 0.6 * rng.normal() as f32);
    let weights = [normal(5, 4), normal(4, 3)];
    let dbm = harmonium::Dbm::from_parameters(layers, weights).unwrap();
    let log_z = [machine.log_z(&mut ()).unwrap(), dbm.log_z(&mut ()).unwrap()];
    let sums = [
        machine.log_sums_over_missing(&data).unwrap(),
        dbm.log_sums_over_missing(&data, &mut ()).unwrap(),
    ];
    let how = Imputation::Gibbs {
        burn_in: 100,
        sweeps: 4000,
        seed: 3,
    };
    let exact = [
        machine.impute(&data, Imputation::Exact, &mut ()).unwrap(),
        dbm.impute(&data, Imputation::Exact, &mut ()).unwrap(),
    ];
    let chains = [
        machine.impute(&data, how, &mut ()).unwrap(),
        dbm.impute(&data, how, &mut ()).unwrap(),
    ];
    let samples = [
        machine.impute_samples(&data, 20, 4).unwrap(),
        dbm.impute_samples(&data, 20, 4).unwrap(),
    ];
    let observed = data.observed().unwrap();
    for k in 0..2 {
        for row in 0..12 {
            let all = BitMatrix::from_matrix(&completions(&layer, &data, row)).unwrap();
            let log_p = match k {
                0 => machine.exact_log_p_v(&all, &mut ()).unwrap(),
                _ => {
                    let sums = dbm.log_sums_over_hidden(&all, &mut ()).unwrap();
                    sums.into_iter().map(|x| x - log_z[1]).collect()
                }
            };
            let (found, expected) = (sums[k][row] - log_z[k], log_sum_exp(&log_p));
            assert!(
                (found - expected).abs() < BOUND,
                "{k}, {row}: {found} {expected}"
            );
            for i in 0..5 {
                let p = log_p.iter().enumerate();
                let on: f64 = p
                    .map(|(s, p)| f64::from(u8::from(all.get(s, i))) * (p - expected).exp())
                    .sum();
                let got = f64::from(exact[k].visible.row(row)[i]);
                assert!((got - on).abs() < BOUND, "{k}, {row}: {got} for {on}");
                if observed.get(row, i) {
                    assert_eq!(samples[k].get(row, i), data.input().get(row, i));
                }
            }
        }
        // As of RBMs: six times sqrt(10 / 4000) / 2.
        let pairs = exact[k]
            .visible
            .elements()
            .zip(chains[k].visible.elements());
        let hidden = exact[k].hidden.iter().zip(&chains[k].hidden);
        let hidden = hidden.flat_map(|(a, b)| a.elements().zip(b.elements()));
        for (a, b) in pairs.chain(hidden) {
            assert!((a - b).abs() < 0.15, "{k}: {a} for {b}");
        }
    }
    let mean = machine
        .exact_mean_log_likelihood(&data, &mut ())
        .unwrap()
        .mean;
    let expected = sums[0].iter().map(|x| x - log_z[0]).sum::<f64>() / 12.0;
    assert!((mean - expected).abs() < 1e-9);
}
