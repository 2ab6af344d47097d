//! Deep belief networks against brute force: all states of all layers, plain loops in f64.

mod passes;
mod training;

use crate::common::{
    all_states, draw_states, index_of, memory::remembered, normal_machine, total_variation,
    total_variation_floor,
};
use harmonium::{
    BitMatrix, Checkpoint, Dbn, Examples, Input, Matrix, Rbm, States,
    dataset::bars_and_stripes,
    evaluate::Bound,
    model::{Directed, Layer},
    rng::HostRng,
    train::{
        Aggregated, Event, GreedyLayer, GreedyPlan, Learning, Negative, RbmOptions, RbmTraining,
        Reconstruction, Schedule, Stack, StackEvent, UpDownLearner, UpDownOptions, UpDownTraining,
    },
};
use std::ops::ControlFlow;

/// Layers of these sizes, `labels` more units below the top, parameters `deviation N(0, 1)`,
/// weights untied in every second pair from the first on.
fn normal_dbn(sizes: &[usize], labels: usize, deviation: f64, seed: u64) -> Dbn {
    let mut rng = HostRng::numbered(seed, 50);
    let mut normal = || (deviation * rng.normal()) as f32;
    let pairs = sizes.len() - 2;
    let mut directed = Vec::new();
    for l in 0..pairs {
        let mut layer = |n: usize| Layer {
            bias: (0..n).map(|_| normal()).collect(),
            ..Layer::bernoulli(n)
        };
        let (below, above) = (layer(sizes[l]), layer(sizes[l + 1]));
        let mut weights = || Matrix::from_fn(sizes[l], sizes[l + 1], |_, _| normal());
        let recognition = (l % 2 == 0).then(&mut weights);
        directed.push(Directed::new(below, above, weights(), recognition).unwrap());
    }
    let (n, m) = (sizes[pairs] + labels, sizes[pairs + 1]);
    let units = if labels > 0 {
        format!("bernoulli+softmax:{labels}")
    } else {
        "bernoulli".into()
    };
    let top = normal_machine((&units, n), ("bernoulli", m), deviation, seed + 1);
    Dbn::from_parts(directed, top).unwrap()
}

fn bits_of(index: usize, n: usize) -> Vec<f64> {
    (0..n).map(|i| f64::from((index >> i & 1) as u8)).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `prod p^t (1 - p)^(1 - t)`.
fn bernoulli(t: &[f64], p: &[f64]) -> f64 {
    t.iter()
        .zip(p)
        .map(|(&t, &p)| if t == 1.0 { p } else { 1.0 - p })
        .product()
}

fn generated(pair: &Directed, h: &[f64]) -> Vec<f64> {
    let w = pair.generative_weights();
    let input = |i: usize| -> f64 {
        let sum: f64 = w.row(i).iter().zip(h).map(|(&w, h)| f64::from(w) * h).sum();
        sum + f64::from(pair.below().bias[i])
    };
    (0..pair.below().size())
        .map(|i| sigmoid(input(i)))
        .collect()
}

fn inferred(pair: &Directed, x: &[f64]) -> Vec<f64> {
    let r = pair.recognition_weights();
    let input = |j: usize| -> f64 {
        let sum: f64 = x
            .iter()
            .enumerate()
            .map(|(i, x)| f64::from(r.row(i)[j]) * x)
            .sum();
        sum + f64::from(pair.above().bias[j])
    };
    (0..pair.above().size())
        .map(|j| sigmoid(input(j)))
        .collect()
}

/// States of all layers, that below the top with its label, and the joint and the recognition
/// probability of all but the top layer given `v`.
struct Joint {
    layers: Vec<Vec<f64>>,
    class: usize,
    p: f64,
    q: f64,
}

/// Every joint state.
fn brute(dbn: &Dbn) -> Vec<Joint> {
    let pairs = dbn.directed();
    let labels = dbn.label_group().map_or(1, |group| group.size);
    let sizes: Vec<usize> = pairs
        .iter()
        .map(|pair| pair.below().size())
        .chain([dbn.n_features(), dbn.top().n_hidden()])
        .collect();
    let all: usize = sizes.iter().sum();
    let (w, visible) = (dbn.top().weights(), dbn.top().visible());
    let mut out = Vec::new();
    for index in 0..1 << all {
        for class in 0..labels {
            let mut at = index;
            let mut layers: Vec<Vec<f64>> = Vec::new();
            for &n in &sizes {
                layers.push(bits_of(at & ((1 << n) - 1), n));
                at >>= n;
            }
            let (mut p, mut q) = (1.0, 1.0);
            for (l, pair) in pairs.iter().enumerate() {
                p *= bernoulli(&layers[l], &generated(pair, &layers[l + 1]));
                q *= bernoulli(&layers[l + 1], &inferred(pair, &layers[l]));
            }
            let below = pairs.len();
            if dbn.label_group().is_some() {
                let one_hot = (0..labels).map(|y| f64::from(u8::from(y == class)));
                layers[below].extend(one_hot);
            }
            let (v, h) = (&layers[below], &layers[below + 1]);
            let mut minus_energy = 0.0;
            for (i, v) in v.iter().enumerate() {
                minus_energy += v * f64::from(visible.bias[i]);
                for (j, h) in h.iter().enumerate() {
                    minus_energy += v * h * f64::from(w.row(i)[j]);
                }
            }
            for (j, h) in h.iter().enumerate() {
                minus_energy += h * f64::from(dbn.top().hidden().bias[j]);
            }
            out.push(Joint {
                layers,
                class,
                p: p * minus_energy.exp(),
                q,
            });
        }
    }
    let z: f64 = {
        // The top's own normal form: the directed layers sum to one.
        out.iter().map(|x| x.p).sum()
    };
    out.iter_mut().for_each(|x| x.p /= z);
    out
}

fn index(x: &[f64]) -> usize {
    x.iter().enumerate().map(|(i, &x)| (x as usize) << i).sum()
}

const SHAPES: [(&[usize], usize); 5] = [
    (&[4, 3], 0),
    (&[4, 3], 2),
    (&[4, 3, 2], 0),
    (&[3, 2, 2, 3], 0),
    (&[3, 2, 3, 2], 3),
];

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

/// Exact training of a new layer, upside down at first, on what the layer below infers from the
/// data raises the bound: `ln p(v)` of what was there is the bound at its start, and the only part
/// of it that changes is `E_q ln p(h)`, which the exact gradient climbs.
#[test]
fn training_the_transposed_top_raises_the_bound() {
    let data = bars_and_stripes(2).binarized(Default::default(), 0, 0);
    let v = data.bits().unwrap();
    let mean = |x: Vec<f64>| x.iter().sum::<f64>() / x.len() as f64;
    for seed in 0..5 {
        let rbm = normal_machine(("bernoulli", 4), ("bernoulli", 3), 1.0, seed);
        let below = Dbn::from(rbm);
        let repeated: Vec<usize> = (0..16_000).map(|i| i % 8).collect();
        let many = data.take(&repeated);
        let h = below
            .sample_posterior(many.bits().unwrap(), 1, seed, 0)
            .unwrap();
        let h = Examples::new(bits(h)).unwrap();
        let options = RbmOptions {
            negative: Negative::Exact,
            learning: Learning {
                batch_size: 16_000,
                learning_rate: Schedule::Constant(0.2),
                epochs: 60,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let mut training = RbmTraining::new(below.transposed_top(), options, &h).unwrap();
        let bound = |top: &Rbm| {
            let dbn = below.clone().stacked(top.clone()).unwrap();
            mean(dbn.exact_bound(v, None, &mut ()).unwrap())
        };
        let mut bounds = vec![bound(training.model())];
        let log_p = mean(below.exact_log_p_v(v, None, &mut ()).unwrap());
        assert!((bounds[0] - log_p).abs() < 1e-9);
        let _ = training
            .run(&h, |event| {
                if let Event::Epoch(training) = event {
                    bounds.push(bound(training.model()));
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        let last = bounds[bounds.len() - 1];
        // Far above what 19 parameters gain by fitting 16,000 samples rather than their
        // expectation, 19 / 32,000.
        assert!(last > bounds[0] + 0.002, "{} to {last}", bounds[0]);
        // 16,000 samples stand for the expectation: a step of 0.2 along their gradient, off by less
        // than 5 / (2 sqrt(16,000)), loses no more than the product of both and the gradient,
        // below 4.
        assert!(
            bounds.windows(2).all(|pair| pair[1] > pair[0] - 0.016),
            "{bounds:?}"
        );
    }
}

fn bits(x: States) -> BitMatrix {
    x.into_bits().unwrap()
}

#[test]
fn the_measured_bound_is_the_exact_one() {
    for (k, (sizes, labels)) in SHAPES.into_iter().enumerate() {
        let dbn = normal_dbn(sizes, labels, 0.8, 40 + k as u64);
        let v = all_states(sizes[0]);
        let log_z = dbn.top().log_z(&mut ()).unwrap();
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let bound = Bound {
            samples: 2000,
            seed: 3,
        };
        let found = bound.measure(&dbn, &v, None, &mut ()).unwrap();
        let exact = mean(&dbn.exact_bound(&v, None, &mut ()).unwrap());
        // Five standard errors, and products in f32.
        let allowed = 5.0 * found.sampling_error + 1e-5;
        assert!(
            (found.mean(log_z).0 - exact).abs() < allowed,
            "{sizes:?}: {:?} for {exact}",
            found.mean(log_z)
        );
        if labels > 0 && sizes.len() > 2 {
            let classes: Vec<u32> = (0..v.rows()).map(|s| (s % labels) as u32).collect();
            let found = bound.measure(&dbn, &v, Some(&classes), &mut ()).unwrap();
            let by_class: Vec<Vec<f64>> = (0..labels)
                .map(|y| dbn.exact_bound(&v, Some(y), &mut ()).unwrap())
                .collect();
            let exact: Vec<f64> = (0..v.rows()).map(|s| by_class[s % labels][s]).collect();
            let allowed = 5.0 * found.sampling_error + 1e-5;
            assert!((found.mean(log_z).0 - mean(&exact)).abs() < allowed);
            assert!(
                bound
                    .measure(&dbn, &v, Some(&classes[1..]), &mut ())
                    .is_err()
            );
        }
        assert!(
            Bound {
                samples: 0,
                seed: 0
            }
            .measure(&dbn, &v, None, &mut ())
            .is_err()
        );
    }
}
