//! What passes up and down draw, labels held or free, and the ways to classify.

use crate::common::{
    all_states, assert_in_distribution as check_frequencies,
    dbn::{SHAPES, bernoulli, bits, bits_of, inferred, normal_dbn},
    draw_states,
};
use harmonium::{BitMatrix, Dbn};

#[test]
fn passes_follow_their_distributions() {
    let n = 20_000;
    for (k, (sizes, labels)) in SHAPES.into_iter().enumerate().skip(2) {
        let seed = k as u64;
        let dbn = normal_dbn(sizes, labels, 0.8, seed);
        // Down: features from their exact distribution.
        let rest = Dbn::from(dbn.top().clone());
        let features = rest
            .exact_log_p_v(&all_states(dbn.n_features()), None, &mut ())
            .unwrap();
        let p: Vec<f64> = features.iter().map(|x| x.exp()).collect();
        let features = draw_states(&p, dbn.n_features(), n, seed);
        let v = bits(dbn.sample_v_from_features(&features, seed, 3).unwrap());
        let log_p = dbn
            .exact_log_p_v(&all_states(sizes[0]), None, &mut ())
            .unwrap();
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
        let h = bits(dbn.sample_posterior(&v, last, seed, 0).unwrap());
        check_frequencies(&h, &q, "recognition");
        assert_eq!(bits(dbn.sample_features(&v, seed, 0).unwrap()), h);
        // Part of the rows, the same draws; another pass, others.
        let head = bits(
            dbn.sample_posterior(&v.view_rows(0..1500).to_owned(), last, seed, 0)
                .unwrap(),
        );
        assert_eq!(head, h.view_rows(0..1500).to_owned());
        let found = dbn.features(&v).unwrap();
        let all = dbn.posterior_means(&v).unwrap();
        assert_eq!(found, all[last - 1]);
        assert_eq!(all.len(), last + usize::from(labels == 0));
        for (got, expected) in found.row(n - 1).iter().zip(&mean) {
            assert!((f64::from(*got) - expected).abs() < 1e-6);
        }
        let drawn = |layer| dbn.sample_posterior(&v, layer, seed, 0);
        assert_eq!(drawn(last + 1).is_ok(), labels == 0);
        assert!(drawn(0).is_err() && drawn(last + 2).is_err());
        assert!(dbn.features(&all_states(sizes[0] + 1)).is_err());
    }
}

#[test]
fn held_labels_and_free_association() {
    let dbn = normal_dbn(&[3, 2, 3, 2], 3, 0.6, 9);
    let n = 20_000;
    let features = |chain: &harmonium::RbmChain| {
        let v = chain.visible().bits().unwrap();
        BitMatrix::from_fn(n, dbn.n_features(), |s, i| v.get(s, i))
    };
    let rest = Dbn::from(dbn.top().clone());
    for class in 0..3_u32 {
        let mut chain = dbn.chains_with_labels(&vec![class; n], 5).unwrap();
        // Weights of 0.6: a chain forgets its start within some sweeps.
        chain.sweep(dbn.top(), 40, 1.0).unwrap();
        let v = chain.visible().bits().unwrap();
        let group = dbn.label_group().unwrap();
        for y in 0..3 {
            let held = (0..n).all(|s| v.get(s, group.first + y) == (y == class as usize));
            assert!(held);
        }
        let log_p = rest
            .exact_log_p_v(&all_states(3), Some(class as usize), &mut ())
            .unwrap();
        let sum: f64 = log_p.iter().map(|x| x.exp()).sum();
        let p: Vec<f64> = log_p.iter().map(|x| x.exp() / sum).collect();
        check_frequencies(&features(&chain), &p, "features of a class");
        let pictures = dbn.mean_v_from_features(chain.visible(), 1, 0).unwrap();
        assert_eq!((pictures.rows(), pictures.columns()), (n, 3));
    }
    let mut chain = dbn.chains(n, 5).unwrap();
    chain.sweep(dbn.top(), 40, 1.0).unwrap();
    let log_p = rest.exact_log_p_v(&all_states(3), None, &mut ()).unwrap();
    let p: Vec<f64> = log_p.iter().map(|x| x.exp()).collect();
    check_frequencies(&features(&chain), &p, "free association");
    assert!(dbn.chains_with_labels(&[0, 3], 1).is_err());
    assert!(
        normal_dbn(&[3, 2, 2], 0, 1.0, 1)
            .chains_with_labels(&[0], 1)
            .is_err()
    );
}

#[test]
fn three_ways_to_classify() {
    let dbn = normal_dbn(&[4, 3, 3, 4], 3, 0.7, 21);
    let v = all_states(4);
    // p(y | features) of every state of the features.
    let rest = Dbn::from(dbn.top().clone());
    let by_class: Vec<Vec<f64>> = (0..3)
        .map(|y| {
            rest.exact_log_p_v(&all_states(3), Some(y), &mut ())
                .unwrap()
        })
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
            // As above for chains whose states are worth one in four: weights are below 2, and
            // label and hidden units meet at every sweep.
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
