//! Deep belief networks against brute force: all states of all layers, plain loops in f64.

use crate::common::{
    all_states,
    dbn::{Joint, SHAPES, brute, index, normal_dbn},
    normal_machine,
};
use harmonium::{Dbn, Input, Matrix};

#[test]
fn exact_sums_are_those_over_all_joint_states() {
    for (seed, (sizes, labels)) in SHAPES.into_iter().enumerate() {
        let dbn = normal_dbn(sizes, labels, 0.8, seed as u64);
        let all = brute(&dbn);
        let n = sizes[0];
        let v = all_states(n);
        let total = |filter: &dyn Fn(&Joint) -> bool| -> Vec<f64> {
            let mut p = vec![0.0; 1 << n];
            for x in all.iter().filter(|x| filter(x)) {
                p[index(&x.layers[0][..n])] += x.p;
            }
            p
        };
        let close = |a: &[f64], b: &[f64], what: &str| {
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() < 1e-10, "{what} of {sizes:?}: {a} for {b}");
            }
        };
        let p = total(&|_| true);
        let logs: Vec<f64> = p.iter().map(|p| p.ln()).collect();
        close(&dbn.visible_distribution(&mut ()).unwrap(), &p, "p(v)");
        let log_p = |class| dbn.exact_log_p_v(&v, class, &mut ());
        close(&log_p(None).unwrap(), &logs, "ln p(v)");
        for class in 0..labels {
            let logs: Vec<f64> = total(&|x| x.class == class)
                .iter()
                .map(|p| p.ln())
                .collect();
            close(&log_p(Some(class)).unwrap(), &logs, "ln p(v, y)");
        }
        if dbn.label_group().is_none() || labels == 0 {
            assert!(log_p(Some(0)).is_err());
        }
        // The bound: p summed over the top layer and the label, for each state of those that are
        // inferred.
        let mut bound = vec![0.0; 1 << n];
        let pairs = dbn.directed().len();
        let mut inferred = std::collections::BTreeMap::<Vec<usize>, (f64, f64)>::new();
        for x in &all {
            let mut key: Vec<usize> = x.layers[..=pairs].iter().map(|x| index(x)).collect();
            if labels > 0 {
                key[pairs] &= (1 << dbn.n_features()) - 1;
            }
            let entry = inferred.entry(key).or_default();
            *entry = (entry.0 + x.p, x.q);
        }
        let mut posterior = vec![vec![0.0; 1 << sizes[1]]; 1 << n];
        for (key, (p, q)) in inferred {
            bound[key[0]] += q * (p.ln() - q.ln());
            if pairs > 0 {
                posterior[key[0]][key[1]] += p;
            }
        }
        let got = dbn.exact_bound(&v, None, &mut ()).unwrap();
        close(&got, &bound, "bound");
        for (bound, log_p) in bound.iter().zip(&logs) {
            assert!(*bound <= log_p + 1e-12);
        }
        if pairs > 0 {
            let got = dbn.exact_posterior(&v, &mut ()).unwrap();
            for (s, (got, _)) in got.into_iter().enumerate() {
                let expected: Vec<f64> = posterior[s].iter().map(|x| x / p[s]).collect();
                close(&got, &expected, "posterior");
            }
        }
        // All layers given.
        let log_z = dbn.top().log_z(&mut ()).unwrap();
        let layer = |l: usize| {
            let n = all[0].layers[l].len();
            Matrix::from_fn(all.len(), n, |s, i| all[s].layers[l][i] as f32)
        };
        let layers: Vec<Matrix> = (0..dbn.n_layers()).map(layer).collect();
        let inputs: Vec<Input<'_>> = layers.iter().map(Input::from).collect();
        let joint = dbn.log_joint(&inputs, log_z).unwrap();
        for (got, x) in joint.iter().zip(&all) {
            // f32 inputs of some units.
            assert!((got - x.p.ln()).abs() < 1e-5, "{got} for {}", x.p.ln());
        }
        assert!(dbn.log_joint(&inputs[1..], log_z).is_err());
    }
}

/// An RBM is the infinite network of its own weights, so its transpose on top changes nothing, and
/// the bound is tight.
#[test]
fn a_transposed_layer_leaves_the_distribution_and_makes_the_bound_tight() {
    for seed in 0..20 {
        let rbm = normal_machine(("bernoulli", 5), ("bernoulli", 4), 1.0, seed);
        let v = all_states(5);
        let one = Dbn::from(rbm);
        let log_p = one.exact_log_p_v(&v, None, &mut ()).unwrap();
        let mut dbn = one;
        for _ in 0..3 {
            let top = dbn.transposed_top();
            dbn = dbn.stacked(top).unwrap();
            let now = dbn.exact_log_p_v(&v, None, &mut ()).unwrap();
            let bound = dbn.exact_bound(&v, None, &mut ()).unwrap();
            for ((now, bound), log_p) in now.iter().zip(&bound).zip(&log_p) {
                assert!((now - log_p).abs() < 1e-9 && (bound - log_p).abs() < 1e-9);
            }
        }
        assert_eq!(dbn.n_layers(), 5);
        // Down again.
        assert_eq!(dbn.clone().without_top().unwrap().unwrap().n_layers(), 4);
        dbn.untie();
        assert!(dbn.without_top().is_err());
    }
}

/// More hidden units than the transpose has, of zero weights: the same distribution; of small ones:
/// the same up to second order, `sum_k (h' w_k)^2 / 8`.
#[test]
fn a_wider_transposed_layer_leaves_the_distribution_too() {
    let rbm = normal_machine(("bernoulli", 5), ("bernoulli", 4), 1.0, 3);
    let v = all_states(5);
    let one = Dbn::from(rbm);
    let log_p = one.exact_log_p_v(&v, None, &mut ()).unwrap();
    for (weights, tolerance) in [(0.0, 1e-6), (0.01, 1e-3)] {
        let wide = normal_machine(("bernoulli", 4), ("bernoulli", 8), weights, 1);
        let top = one.transposed_within(wide).unwrap();
        let bound = one
            .clone()
            .stacked(top)
            .unwrap()
            .exact_bound(&v, None, &mut ());
        for (bound, log_p) in bound.unwrap().iter().zip(&log_p) {
            assert!((bound - log_p).abs() < tolerance, "{bound} for {log_p}");
        }
    }
    let narrow = normal_machine(("bernoulli", 4), ("bernoulli", 3), 0.0, 1);
    assert!(one.transposed_within(narrow).is_err());
}
