//! Deep belief networks against brute force: all states of all layers, plain loops in f64.

use crate::common::{
    all_states, draw_states, index_of, normal_machine, total_variation, total_variation_floor,
};
use harmonium::{
    BitMatrix, Checkpoint, Dbn, Examples, Matrix, Rbm, Values,
    dataset::bars_and_stripes,
    evaluate::Bound,
    model::{Directed, Layer, States},
    product::Input,
    rng::HostRng,
    train::{
        Aggregated, Event, Greedy, GreedyEvent, GreedyLayer, GreedyPlan, Negative, Options,
        Reconstruction, Schedule, Training, UpDown, UpDownEvent, UpDownOptions,
    },
};
use std::ops::ControlFlow;

/// Layers of these sizes, `labels` more units below the top, parameters `deviation N(0, 1)`, weights untied in every second pair from the first on.
fn normal_dbn(sizes: &[usize], labels: usize, deviation: f64, seed: u64) -> Dbn {
    let mut rng = HostRng::new(seed, 50);
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
    Dbn::new(directed, top).unwrap()
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

/// States of all layers, that below the top with its label, and the joint and the recognition probability of all but the top layer given `v`.
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
        close(&dbn.exact_log_p_v(&v, None).unwrap(), &logs, "ln p(v)");
        for class in 0..labels {
            let logs: Vec<f64> = total(&|x| x.class == class)
                .iter()
                .map(|p| p.ln())
                .collect();
            close(
                &dbn.exact_log_p_v(&v, Some(class)).unwrap(),
                &logs,
                "ln p(v, y)",
            );
        }
        if dbn.label_group().is_none() || labels == 0 {
            assert!(dbn.exact_log_p_v(&v, Some(0)).is_err());
        }
        // The bound: p summed over the top layer and the label, for each state of those that are inferred.
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
        close(&dbn.exact_bound(&v, None).unwrap(), &bound, "bound");
        for (bound, log_p) in bound.iter().zip(&logs) {
            assert!(*bound <= log_p + 1e-12);
        }
        if pairs > 0 {
            for (s, (got, _)) in dbn.exact_posterior(&v).unwrap().into_iter().enumerate() {
                let expected: Vec<f64> = posterior[s].iter().map(|x| x / p[s]).collect();
                close(&got, &expected, "posterior");
            }
        }
        // All layers given.
        let log_z = dbn.top().log_z().unwrap();
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

/// An RBM is the infinite network of its own weights, so its transpose on top changes nothing, and the bound is tight.
#[test]
fn a_transposed_layer_leaves_the_distribution_and_makes_the_bound_tight() {
    for seed in 0..20 {
        let rbm = normal_machine(("bernoulli", 5), ("bernoulli", 4), 1.0, seed);
        let v = all_states(5);
        let one = Dbn::from(rbm);
        let log_p = one.exact_log_p_v(&v, None).unwrap();
        let mut dbn = one;
        for _ in 0..3 {
            let top = dbn.transposed_top();
            dbn = dbn.stacked(top).unwrap();
            let now = dbn.exact_log_p_v(&v, None).unwrap();
            let bound = dbn.exact_bound(&v, None).unwrap();
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

/// More hidden units than the transpose has, of zero weights: the same distribution; of small ones: the same up to second order, `sum_k (h' w_k)^2 / 8`.
#[test]
fn a_wider_transposed_layer_leaves_the_distribution_too() {
    let rbm = normal_machine(("bernoulli", 5), ("bernoulli", 4), 1.0, 3);
    let v = all_states(5);
    let one = Dbn::from(rbm);
    let log_p = one.exact_log_p_v(&v, None).unwrap();
    for (weights, tolerance) in [(0.0, 1e-6), (0.01, 1e-3)] {
        let wide = normal_machine(("bernoulli", 4), ("bernoulli", 8), weights, 1);
        let top = one.transposed_within(wide).unwrap();
        let bound = one.clone().stacked(top).unwrap().exact_bound(&v, None);
        for (bound, log_p) in bound.unwrap().iter().zip(&log_p) {
            assert!((bound - log_p).abs() < tolerance, "{bound} for {log_p}");
        }
    }
    let narrow = normal_machine(("bernoulli", 4), ("bernoulli", 3), 0.0, 1);
    assert!(one.transposed_within(narrow).is_err());
}

/// Exact training of a new layer, upside down at first, on what the layer below infers from the data raises the bound: `ln p(v)` of what was there is
/// the bound at its start, and the only part of it that changes is `E_q ln p(h)`, which the exact gradient climbs.
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
            .sample_h_from_v(many.bits().unwrap(), 1, seed, 0)
            .unwrap();
        let h = Examples::new(Values::Bits(bits(h)), None).unwrap();
        let options = Options {
            negative: Negative::Exact,
            batch_size: 16_000,
            learning_rate: Schedule::Constant(0.2),
            epochs: 60,
            ..Options::default()
        };
        let mut training = Training::new(below.transposed_top(), options, &h).unwrap();
        let bound = |top: &Rbm| {
            let dbn = below.clone().stacked(top.clone()).unwrap();
            mean(dbn.exact_bound(v, None).unwrap())
        };
        let mut bounds = vec![bound(training.rbm())];
        let log_p = mean(below.exact_log_p_v(v, None).unwrap());
        assert!((bounds[0] - log_p).abs() < 1e-9);
        let _ = training
            .run(&h, |event| {
                if let Event::Epoch(training) = event {
                    bounds.push(bound(training.rbm()));
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        let last = bounds[bounds.len() - 1];
        // Far above what 19 parameters gain by fitting 16,000 samples rather than their expectation, 19 / 32,000.
        assert!(last > bounds[0] + 0.002, "{} to {last}", bounds[0]);
        // 16,000 samples stand for the expectation: a step of 0.2 along their gradient, off by less than 5 / (2 sqrt(16,000)), loses no more than
        // the product of both and the gradient, below 4.
        assert!(
            bounds.windows(2).all(|pair| pair[1] > pair[0] - 0.016),
            "{bounds:?}"
        );
    }
}

/// Frequencies of `rows` against `p`: total variation below four times its Monte-Carlo floor.
fn check_frequencies(rows: &BitMatrix, p: &[f64], what: &str) {
    let distance = total_variation(rows, p);
    let floor = total_variation_floor(p, rows.rows());
    assert!(
        distance < 4.0 * floor,
        "{what}: {distance} with a floor of {floor}"
    );
}

fn bits(x: States) -> BitMatrix {
    x.into_bits().unwrap()
}

#[test]
fn passes_follow_their_distributions() {
    let n = 20_000;
    for (k, (sizes, labels)) in SHAPES.into_iter().enumerate().skip(2) {
        let seed = k as u64;
        let dbn = normal_dbn(sizes, labels, 0.8, seed);
        // Down: features from their exact distribution.
        let rest = Dbn::from(dbn.top().clone());
        let features = rest
            .exact_log_p_v(&all_states(dbn.n_features()), None)
            .unwrap();
        let p: Vec<f64> = features.iter().map(|x| x.exp()).collect();
        let features = draw_states(&p, dbn.n_features(), n, seed);
        let v = bits(dbn.sample_v_from_features(&features, seed, 3).unwrap());
        let log_p = dbn.exact_log_p_v(&all_states(sizes[0]), None).unwrap();
        let p: Vec<f64> = log_p.iter().map(|x| x.exp()).collect();
        check_frequencies(&v, &p, "generation");
        assert_eq!(
            bits(dbn.sample_v_from_features(&features, seed, 3).unwrap()),
            v
        );
        assert_ne!(
            bits(dbn.sample_v_from_features(&features, seed, 4).unwrap()),
            v
        );
        // The means of the last layer have the same mean.
        let mean = dbn.mean_v_from_features(&features, seed, 3).unwrap();
        for i in 0..sizes[0] {
            let all: f64 = (0..n).map(|s| f64::from(mean.row(s)[i])).sum::<f64>() / n as f64;
            let p: f64 = p
                .iter()
                .enumerate()
                .filter(|(v, _)| v >> i & 1 == 1)
                .map(|(_, p)| p)
                .sum();
            // Five standard deviations of a mean of numbers in [0, 1], at most 1/2 each.
            assert!((all - p).abs() < 2.5 / (n as f64).sqrt());
        }
        // Up, from one state.
        let last = dbn.directed().len();
        let v = BitMatrix::from_fn(n, sizes[0], |_, i| i % 2 == 0);
        let mut q = vec![1.0];
        let mut below = vec![
            (0..sizes[0])
                .map(|i| f64::from(u8::from(i % 2 == 0)))
                .collect::<Vec<f64>>(),
        ];
        let mut mean = below[0].clone();
        for pair in dbn.directed() {
            let m = pair.above().size();
            let mut next = vec![0.0; 1 << m];
            for (x, q) in below.iter().zip(&q) {
                let p = inferred(pair, x);
                for (h, next) in next.iter_mut().enumerate() {
                    *next += q * bernoulli(&bits_of(h, m), &p);
                }
            }
            mean = inferred(pair, &mean);
            below = (0..1 << m).map(|h| bits_of(h, m)).collect();
            q = next;
        }
        let h = bits(dbn.sample_h_from_v(&v, last, seed, 0).unwrap());
        check_frequencies(&h, &q, "recognition");
        assert_eq!(bits(dbn.sample_features(&v, seed, 0).unwrap()), h);
        // Part of the rows, the same draws; another pass, others.
        let head = bits(
            dbn.sample_h_from_v(&v.view_rows(0..1500).to_owned(), last, seed, 0)
                .unwrap(),
        );
        assert_eq!(head, h.view_rows(0..1500).to_owned());
        let found = dbn.features(&v).unwrap();
        assert_eq!(found, dbn.mean_h_from_v(&v, last).unwrap());
        for (got, expected) in found.row(n - 1).iter().zip(&mean) {
            assert!((f64::from(*got) - expected).abs() < 1e-6);
        }
        assert_eq!(dbn.mean_h_from_v(&v, last + 1).is_ok(), labels == 0);
        assert!(dbn.mean_h_from_v(&v, 0).is_err() && dbn.mean_h_from_v(&v, last + 2).is_err());
        assert!(dbn.features(&all_states(sizes[0] + 1)).is_err());
    }
}

#[test]
fn held_labels_and_free_association() {
    let dbn = normal_dbn(&[3, 2, 3, 2], 3, 0.6, 9);
    let n = 20_000;
    let features = |chain: &harmonium::GibbsChain| {
        let v = chain.visible().bits().unwrap();
        BitMatrix::from_fn(n, dbn.n_features(), |s, i| v.get(s, i))
    };
    let rest = Dbn::from(dbn.top().clone());
    for class in 0..3_u8 {
        let mut chain = dbn.chains(n, Some(&vec![class; n]), 5).unwrap();
        // Weights of 0.6: a chain forgets its start within some sweeps.
        chain.sweep(dbn.top(), 1.0, 40).unwrap();
        let v = chain.visible().bits().unwrap();
        let group = dbn.label_group().unwrap();
        for y in 0..3 {
            let held = (0..n).all(|s| v.get(s, group.first + y) == (y == usize::from(class)));
            assert!(held);
        }
        let log_p = rest
            .exact_log_p_v(&all_states(3), Some(class.into()))
            .unwrap();
        let sum: f64 = log_p.iter().map(|x| x.exp()).sum();
        let p: Vec<f64> = log_p.iter().map(|x| x.exp() / sum).collect();
        check_frequencies(&features(&chain), &p, "features of a class");
        let pictures = dbn.mean_v_from_features(chain.visible(), 1, 0).unwrap();
        assert_eq!((pictures.rows(), pictures.columns()), (n, 3));
    }
    let mut chain = dbn.chains(n, None, 5).unwrap();
    chain.sweep(dbn.top(), 1.0, 40).unwrap();
    let log_p = rest.exact_log_p_v(&all_states(3), None).unwrap();
    let p: Vec<f64> = log_p.iter().map(|x| x.exp()).collect();
    check_frequencies(&features(&chain), &p, "free association");
    assert!(dbn.chains(2, Some(&[0, 3]), 1).is_err() && dbn.chains(3, Some(&[0, 1]), 1).is_err());
    assert!(
        normal_dbn(&[3, 2, 2], 0, 1.0, 1)
            .chains(1, Some(&[0]), 1)
            .is_err()
    );
}

#[test]
fn the_measured_bound_is_the_exact_one() {
    for (k, (sizes, labels)) in SHAPES.into_iter().enumerate() {
        let dbn = normal_dbn(sizes, labels, 0.8, 40 + k as u64);
        let v = all_states(sizes[0]);
        let log_z = dbn.top().log_z().unwrap();
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let bound = Bound {
            samples: 2000,
            seed: 3,
        };
        let found = bound.measure(&dbn, &v, None).unwrap();
        let exact = mean(&dbn.exact_bound(&v, None).unwrap());
        // Five standard errors, and products in f32.
        let allowed = 5.0 * found.sampling_error + 1e-5;
        assert!(
            (found.mean(log_z).0 - exact).abs() < allowed,
            "{sizes:?}: {:?} for {exact}",
            found.mean(log_z)
        );
        if labels > 0 && sizes.len() > 2 {
            let classes: Vec<u8> = (0..v.rows()).map(|s| (s % labels) as u8).collect();
            let found = bound.measure(&dbn, &v, Some(&classes)).unwrap();
            let by_class: Vec<Vec<f64>> = (0..labels)
                .map(|y| dbn.exact_bound(&v, Some(y)).unwrap())
                .collect();
            let exact: Vec<f64> = (0..v.rows()).map(|s| by_class[s % labels][s]).collect();
            let allowed = 5.0 * found.sampling_error + 1e-5;
            assert!((found.mean(log_z).0 - mean(&exact)).abs() < allowed);
            assert!(bound.measure(&dbn, &v, Some(&classes[1..])).is_err());
        }
        assert!(
            Bound {
                samples: 0,
                seed: 0
            }
            .measure(&dbn, &v, None)
            .is_err()
        );
    }
}

#[test]
fn three_ways_to_classify() {
    let dbn = normal_dbn(&[4, 3, 3, 4], 3, 0.7, 21);
    let v = all_states(4);
    // p(y | features) of every state of the features.
    let rest = Dbn::from(dbn.top().clone());
    let by_class: Vec<Vec<f64>> = (0..3)
        .map(|y| rest.exact_log_p_v(&all_states(3), Some(y)).unwrap())
        .collect();
    let p = |h: usize, y: usize| {
        let sum: f64 = (0..3).map(|y| by_class[y][h].exp()).sum();
        by_class[y][h].exp() / sum
    };
    // Deterministic: the free energy of every class at the means, from parameters.
    let (features, found) = (dbn.features(&v).unwrap(), dbn.log_p_y_from_v(&v).unwrap());
    let (w, top) = (dbn.top().weights(), dbn.top());
    for s in 0..16 {
        let log_weight = |y: usize| -> f64 {
            let hidden = (0..top.n_hidden()).map(|j| {
                let sum: f64 = (0..3)
                    .map(|i| f64::from(features.row(s)[i] * w.row(i)[j]))
                    .sum();
                (1.0 + (sum + f64::from(w.row(3 + y)[j]) + f64::from(top.hidden().bias[j])).exp())
                    .ln()
            });
            f64::from(top.visible().bias[3 + y]) + hidden.sum::<f64>()
        };
        let all: Vec<f64> = (0..3).map(log_weight).collect();
        let sum = all.iter().map(|x| x.exp()).sum::<f64>().ln();
        for (x, found) in all.iter().zip(found.row(s)) {
            assert!((f64::from(*found) - (x - sum)).abs() < 1e-5);
        }
    }
    // Averaged: E_q p(y | features).
    let passes = 4000;
    let found = dbn.averaged_log_p_y_from_v(&v, passes, 2).unwrap();
    for s in 0..16 {
        let first = inferred(&dbn.directed()[0], &bits_of(s, 4));
        let mut expected = [0.0; 3];
        for a in 0..8 {
            let second = inferred(&dbn.directed()[1], &bits_of(a, 3));
            for h in 0..8 {
                let q = bernoulli(&bits_of(a, 3), &first) * bernoulli(&bits_of(h, 3), &second);
                (0..3).for_each(|y| expected[y] += q * p(h, y));
            }
        }
        for (expected, found) in expected.iter().zip(found.row(s)) {
            // Five standard deviations of a mean of numbers in [0, 1].
            let off = (f64::from(*found).exp() - expected).abs();
            assert!(off < 2.5 / (passes as f64).sqrt(), "{off}");
        }
    }
    // Gibbs: without directed pairs the features are the data.
    let sweeps = 4000;
    let found = rest
        .gibbs_log_p_y_from_v(&all_states(3), sweeps, 4)
        .unwrap();
    for h in 0..8 {
        for y in 0..3 {
            let off = (f64::from(found.row(h)[y]).exp() - p(h, y)).abs();
            // As above for chains whose states are worth one in four: weights are below 2, and label and hidden units meet at every sweep.
            assert!(off < 5.0 / (sweeps as f64).sqrt(), "{off}");
        }
    }
    assert!(dbn.averaged_log_p_y_from_v(&v, 0, 1).is_err());
    assert!(dbn.gibbs_log_p_y_from_v(&v, 0, 1).is_err());
    assert!(
        normal_dbn(&[3, 2, 2], 0, 1.0, 1)
            .log_p_y_from_v(&all_states(3))
            .is_err()
    );
}

/// The mean update over many copies of the data against the expectation over all joint states: wake under `q`, sleep under `p` (forty sweeps of small
/// weights forget their start), the top pair's difference of both.
#[test]
fn expected_updates_of_both_phases() {
    let mut dbn = normal_dbn(&[4, 3, 2, 3], 2, 0.5, 77);
    dbn.untie();
    let copies = 4000;
    let patterns = [0b0011, 0b0101, 0b1110, 0b1000];
    let rows = copies * patterns.len();
    let v = BitMatrix::from_fn(rows, 4, |s, i| patterns[s % 4] >> i & 1 == 1);
    let labels: Vec<u8> = (0..rows).map(|s| (s % 4 / 2) as u8).collect();
    let data = Examples::new(Values::Bits(v), Some(labels)).unwrap();
    let options = UpDownOptions {
        batch_size: rows,
        steps: Schedule::Constant(40.0),
        generative_rate: Schedule::Constant(1.0),
        recognition_rate: Schedule::Constant(1.0),
        top_rate: Schedule::Constant(1.0),
        seed: 11,
        ..UpDownOptions::default()
    };
    let all = brute(&dbn);
    let mut run = UpDown::new(dbn.clone(), options, &data).unwrap();
    run.update(&data).unwrap();
    let state = run.state();
    // Five standard deviations: the terms are products of a bit and a difference of at most one.
    let allowed = 5.0 / (rows as f64).sqrt();
    let p_of_v: Vec<f64> = (0..16)
        .map(|v| patterns.iter().filter(|&&x| x == v).count() as f64 / 4.0)
        .collect();
    for (l, pair) in dbn.directed().iter().enumerate() {
        let (n, m) = (pair.below().size(), pair.above().size());
        let mut generative = vec![vec![0.0; n]; m + 1];
        let mut recognition = vec![vec![0.0; m]; n + 1];
        for x in &all {
            // The top and the label are summed out of q: once each.
            let (below, above) = (&x.layers[l], &x.layers[l + 1][..m]);
            let first = x.class == 0 && index(&x.layers[3]) == 0;
            let weight = if first {
                p_of_v[index(&x.layers[0])] * x.q
            } else {
                0.0
            };
            let predicted = generated(pair, above);
            for i in 0..n {
                let error = weight * (below[i] - predicted[i]);
                generative[m][i] += error;
                (0..m).for_each(|j| generative[j][i] += above[j] * error);
            }
            let predicted = inferred(pair, below);
            for j in 0..m {
                let error = x.p * (above[j] - predicted[j]);
                recognition[n][j] += error;
                (0..n).for_each(|i| recognition[i][j] += below[i] * error);
            }
        }
        let velocity = &state.pairs[l];
        for (expected, found) in [
            (&generative, &velocity.generative),
            (&recognition, &velocity.recognition),
        ] {
            let senders = expected.len() - 1;
            for (k, expected) in expected.iter().take(senders).enumerate() {
                for (e, f) in expected.iter().zip(found.weights.row(k)) {
                    assert!((e - f64::from(*f)).abs() < allowed, "pair {l}: {f} for {e}");
                }
            }
            for (e, f) in expected[senders].iter().zip(&found.bias) {
                assert!(
                    (e - f64::from(*f)).abs() < allowed,
                    "bias of pair {l}: {f} for {e}"
                );
            }
        }
    }
    // The top: E_q[v h'] with the labels of the data, minus E_p.
    let (n, m) = (dbn.top().n_visible(), dbn.top().n_hidden());
    let mut expected = vec![vec![0.0; m]; n];
    let mut of_bias = vec![0.0; n];
    let label_of = |v: usize| patterns.iter().position(|&x| x == v).map(|s| s / 2);
    for x in &all {
        let visible = &x.layers[2];
        let at = index(&x.layers[0]);
        let labelled = label_of(at) == Some(x.class);
        let hidden = &x.layers[3];
        let mean: Vec<f64> = (0..m)
            .map(|j| {
                let sum: f64 = (0..n)
                    .map(|i| visible[i] * f64::from(dbn.top().weights().row(i)[j]))
                    .sum();
                sigmoid(sum + f64::from(dbn.top().hidden().bias[j]))
            })
            .collect();
        let q = if labelled {
            p_of_v[at] * x.q * bernoulli(hidden, &mean)
        } else {
            0.0
        };
        for i in 0..n {
            of_bias[i] += (q - x.p) * visible[i];
            (0..m).for_each(|j| expected[i][j] += (q - x.p) * visible[i] * hidden[j]);
        }
    }
    for i in 0..n {
        let found = state.top.first.weights.row(i);
        for (e, f) in expected[i].iter().zip(found) {
            // The difference of two means.
            assert!(
                (e - f64::from(*f)).abs() < 1.5 * allowed,
                "top: {f} for {e}"
            );
        }
        assert!((of_bias[i] - f64::from(state.top.first.visible[i])).abs() < 1.5 * allowed);
    }
}

fn labelled_data(rows: usize, columns: usize, grey: bool) -> Examples {
    let bit = |i: usize, j: usize| (i * 31 + j * 17 + i * j) % 7 < 3;
    let values = match grey {
        false => Values::Bits(BitMatrix::from_fn(rows, columns, bit)),
        true => Values::Real(Matrix::from_fn(rows, columns, |i, j| {
            ((i * 13 + j * 7) % 11) as f32 / 10.0
        })),
    };
    let labels = (0..rows).map(|i| (i % 3) as u8).collect();
    Examples::new(values, Some(labels)).unwrap()
}

fn up_down_options() -> UpDownOptions {
    UpDownOptions {
        epochs: 3,
        batch_size: 32,
        steps: "at:0=1,1=3".parse().unwrap(),
        momentum: Schedule::Constant(0.5),
        weight_decay: 1e-3,
        seed: 5,
        ..UpDownOptions::default()
    }
}

#[test]
fn up_down_is_the_same_at_any_thread_count_and_after_a_stop() {
    let directory = tempfile::tempdir().unwrap();
    for (grey, resample_data) in [(false, false), (true, false), (true, true)] {
        let data = labelled_data(100, 70, grey);
        let dbn = normal_dbn(&[70, 40, 33, 64], 3, 0.1, 6);
        let options = UpDownOptions {
            resample_data,
            ..up_down_options()
        };
        let whole = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let mut run = UpDown::new(dbn.clone(), options.clone(), &data).unwrap();
            let done = pool.install(|| run.run(&data, |_| ControlFlow::Continue(())));
            assert!(done.unwrap().is_continue());
            run
        };
        let one = whole(1);
        assert_eq!(one.position().updates, 12);
        for threads in [2, 7] {
            assert_eq!(whole(threads).dbn(), one.dbn(), "{threads} threads");
        }
        let mut stopped = UpDown::new(dbn.clone(), options.clone(), &data).unwrap();
        let _ = stopped
            .run(&data, |event| match event {
                UpDownEvent::Update(run) if run.position().updates == 6 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
            .unwrap();
        let path = directory.path().join("run.safetensors");
        let written = Checkpoint::from(&stopped);
        written.save(&path).unwrap();
        let read = Checkpoint::load(&path).unwrap();
        assert_eq!((&read.model, &read.stage), (&written.model, &written.stage));
        let mut resumed = read.clone().into_up_down(&data).unwrap();
        let _ = resumed.run(&data, |_| ControlFlow::Continue(())).unwrap();
        assert_eq!((resumed.dbn(), resumed.state()), (one.dbn(), one.state()));
        let other = labelled_data(99, 70, grey);
        assert!(read.clone().into_up_down(&other).is_err() && read.into_greedy(&data).is_err());
    }
}

#[test]
fn up_down_refuses_what_cannot_work() {
    let data = labelled_data(20, 4, false);
    let new = |dbn: Dbn, options| {
        UpDown::new(dbn, options, &data)
            .err()
            .map(|e| e.to_string())
    };
    let refuse = |dbn: Dbn, options: UpDownOptions, expected: &str| {
        let message = new(dbn, options).unwrap_or_default();
        assert!(message.contains(expected), "{message} for {expected}");
    };
    let good = || normal_dbn(&[4, 3, 2], 0, 1.0, 1);
    let defaults = UpDownOptions::default;
    assert!(new(good(), defaults()).is_none());
    refuse(Rbm::bernoulli(4, 3).into(), defaults(), "directed pairs");
    refuse(
        normal_dbn(&[5, 3, 2], 0, 1.0, 1),
        defaults(),
        "columns of the data",
    );
    refuse(
        normal_dbn(&[4, 3, 2], 2, 1.0, 1),
        defaults(),
        "label: expected below 2",
    );
    refuse(
        good(),
        UpDownOptions {
            batch_size: 0,
            ..defaults()
        },
        "batch size",
    );
    refuse(
        good(),
        UpDownOptions {
            steps: Schedule::Constant(1e6),
            ..defaults()
        },
        "steps",
    );
    refuse(
        good(),
        UpDownOptions {
            weight_decay: -1.0,
            ..defaults()
        },
        "weight decay",
    );
    refuse(
        good(),
        UpDownOptions {
            top_rate: Schedule::Constant(-1.0),
            ..defaults()
        },
        "top rate",
    );
    // A rate that explodes is an error, not a panic.
    let options = UpDownOptions {
        generative_rate: Schedule::Constant(1.0),
        weight_decay: 10.0,
        epochs: 100,
        ..defaults()
    };
    let mut run = UpDown::new(good(), options, &data).unwrap();
    assert!(run.run(&data, |_| ControlFlow::Continue(())).is_err());
}

fn greedy_plan(posterior: Aggregated) -> GreedyPlan {
    let layer = |hidden, negative| GreedyLayer {
        hidden,
        options: Options {
            negative,
            epochs: 2,
            batch_size: 32,
            momentum: Schedule::Constant(0.5),
            seed: 3,
            ..Options::default()
        },
        transposed: false,
    };
    let steps = 1;
    let reconstruction = Reconstruction::Sampled;
    GreedyPlan {
        layers: vec![
            layer(
                40,
                Negative::ContrastiveDivergence {
                    steps,
                    reconstruction,
                },
            ),
            layer(33, Negative::Persistent { chains: 10, steps }),
            layer(64, Negative::Persistent { chains: 10, steps }),
        ],
        posterior,
        classes: Some(3),
    }
}

#[test]
fn greedy_training_resumes_within_any_layer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.safetensors");
    let data = labelled_data(100, 70, false);
    for posterior in [Aggregated::Means, Aggregated::Samples] {
        let plan = greedy_plan(posterior);
        let mut whole = Greedy::new(plan.clone(), Default::default(), &data).unwrap();
        let mut layers = 0;
        let _ = whole
            .run(&data, |event| {
                layers += usize::from(matches!(event, GreedyEvent::Layer(_)));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(layers == 3 && whole.is_done());
        let expected = whole.dbn().unwrap();
        assert_eq!(
            (expected.n_layers(), expected.label_group().unwrap().size),
            (4, 3)
        );
        // The first layer is the run of an RBM.
        let mut rbm = Rbm::bernoulli(70, 40).initialized_from(&data, 3).unwrap();
        let trainer = harmonium::Trainer::with_options(plan.layers[0].options.clone());
        trainer
            .train(&mut rbm, &data, |_| ControlFlow::Continue(()))
            .unwrap();
        assert_eq!(expected.directed()[0].to_rbm().unwrap(), rbm);
        for (layer, updates) in [(0, 3), (1, 5), (2, 1)] {
            let mut stopped = Greedy::new(plan.clone(), Default::default(), &data).unwrap();
            let _ = stopped
                .run(&data, |event| match event {
                    GreedyEvent::Update(run)
                        if (run.layer(), run.position().updates) == (layer, updates) =>
                    {
                        ControlFlow::Break(())
                    }
                    _ => ControlFlow::Continue(()),
                })
                .unwrap();
            Checkpoint::of_greedy(&stopped)
                .unwrap()
                .save(&path)
                .unwrap();
            let read = Checkpoint::load(&path).unwrap();
            let mut resumed = read.into_greedy(&data).unwrap();
            assert_eq!(
                (resumed.layer(), resumed.position()),
                (layer, stopped.position())
            );
            let _ = resumed.run(&data, |_| ControlFlow::Continue(())).unwrap();
            assert_eq!(
                resumed.into_dbn().unwrap(),
                expected,
                "{posterior:?}, layer {layer}"
            );
        }
    }
}

/// The three stages on bars and stripes: exact likelihoods rise, and classes (bars or stripes) are told apart.
#[test]
fn greedy_and_up_down_learn() {
    let patterns = bars_and_stripes(3).binarized(Default::default(), 0, 0);
    let v = patterns.bits().unwrap();
    // Rows equal: bars; the two plain patterns are left out, they are both.
    let kept: Vec<usize> = (0..v.rows())
        .filter(|&s| !v.view().ones(s).count().is_multiple_of(9))
        .collect();
    let class = |s: usize| {
        let x = index_of(v, s);
        u8::from([x & 7, x >> 3 & 7, x >> 6].iter().all(|row| *row == x & 7))
    };
    let repeated: Vec<usize> = (0..60).flat_map(|_| kept.clone()).collect();
    let labels: Vec<u8> = repeated.iter().map(|&s| class(s)).collect();
    let data = Examples::new(patterns.take(&repeated).values().clone(), Some(labels)).unwrap();
    let layer = |hidden| GreedyLayer {
        hidden,
        options: Options {
            negative: Negative::ContrastiveDivergence {
                steps: 1,
                reconstruction: Reconstruction::Sampled,
            },
            epochs: 60,
            batch_size: 36,
            learning_rate: Schedule::Constant(0.1),
            momentum: Schedule::Constant(0.5),
            seed: 1,
            ..Options::default()
        },
        transposed: false,
    };
    let plan = GreedyPlan {
        layers: vec![layer(8), layer(10)],
        posterior: Aggregated::Means,
        classes: Some(2),
    };
    let mut greedy = Greedy::new(plan, Default::default(), &data).unwrap();
    let _ = greedy.run(&data, |_| ControlFlow::Continue(())).unwrap();
    let dbn = greedy.into_dbn().unwrap();
    let states = patterns.take(&kept);
    let states = states.bits().unwrap();
    let classes: Vec<usize> = kept.iter().map(|&s| class(s).into()).collect();
    let measure = |dbn: &Dbn| {
        let by_class: Vec<Vec<f64>> = (0..2)
            .map(|y| dbn.exact_log_p_v(states, Some(y)).unwrap())
            .collect();
        let sum: f64 = classes
            .iter()
            .enumerate()
            .map(|(s, &y)| by_class[y][s])
            .sum();
        let log_p = dbn.log_p_y_from_v(states).unwrap();
        let found = harmonium::model::most_probable(&log_p);
        let errors = found.iter().zip(&classes).filter(|(a, b)| a != b).count();
        (sum / classes.len() as f64, errors)
    };
    let (before, _) = measure(&dbn);
    let options = UpDownOptions {
        epochs: 100,
        batch_size: 36,
        generative_rate: Schedule::Constant(0.1),
        recognition_rate: Schedule::Constant(0.1),
        top_rate: Schedule::Constant(0.1),
        seed: 2,
        ..UpDownOptions::default()
    };
    let mut run = UpDown::new(dbn, options, &data).unwrap();
    let _ = run.run(&data, |_| ControlFlow::Continue(())).unwrap();
    let (after, errors) = measure(run.dbn());
    // Pixels and labels independent: 10 bits and more.
    assert!(
        after > before && after > -10.0 * std::f64::consts::LN_2,
        "{before}, {after}"
    );
    assert_eq!(errors, 0);
}
