//! Mean field: its fixed point, and its bound against enumeration.

use crate::common::{
    self,
    dbm::{EXACT, SIZES, bernoulli, close, divergence, field, joint, probabilities},
};
use harmonium::{
    bits::BitMatrix,
    matrix::Matrix,
    model::{Dbm, Layer, MeanField, Posterior},
    units::Kind,
};

/// Means of all layers for example `s`; those of the visible layer are the example.
fn means(dbm: &Dbm, v: &BitMatrix, posterior: &Posterior, s: usize) -> Vec<Vec<f64>> {
    let layer = |l: usize| match l {
        0 => (0..dbm.n_visible())
            .map(|i| f64::from(v.get(s, i)))
            .collect(),
        l => posterior.mean(l).row(s).iter().map(|&x| x.into()).collect(),
    };
    (0..dbm.n_layers()).map(layer).collect()
}

/// Odd hidden layers, then even ones.
fn order(dbm: &Dbm) -> impl Iterator<Item = usize> + use<> {
    let layers = dbm.n_layers();
    let odd = (1..layers).filter(|l| l % 2 == 1);
    odd.chain((2..layers).filter(|l| l % 2 == 0))
}

/// Six rounds from the start, each of which raises the bound or leaves it alone.
fn climb(dbm: &Dbm, v: &BitMatrix, sums: &[f64]) -> Posterior {
    let mut posterior = Posterior::default();
    posterior.start(dbm, v).unwrap();
    let mut last = posterior.bounds(dbm, v).unwrap();
    for round in 0..6 {
        for l in order(dbm) {
            let before: Vec<_> = (0..v.rows())
                .map(|s| means(dbm, v, &posterior, s))
                .collect();
            posterior.update_layer(dbm, l).unwrap();
            let bounds = posterior.bounds(dbm, v).unwrap();
            for s in 0..v.rows() {
                // f32 means and products of at most 12 terms of order one.
                assert!(
                    bounds[s] >= last[s] - 2e-5,
                    "round {round}, layer {l}, row {s}"
                );
                assert!(bounds[s] <= sums[s] + 2e-5);
                let expected = field(dbm, &before[s], l);
                for (&got, expected) in posterior.mean(l).row(s).iter().zip(expected) {
                    close("mean", got.into(), expected, 3e-6);
                }
            }
            last = bounds;
        }
    }
    posterior
}

#[test]
fn mean_field_climbs_to_a_fixed_point_and_its_bound_is_exact() {
    for (k, sizes) in SIZES.into_iter().enumerate() {
        let dbm = bernoulli(sizes, 1.0, 50 + k as u64);
        let n = dbm.n_visible();
        let v = common::all_states(n);
        let sums = dbm.log_sums_over_hidden(&v, &mut ()).unwrap();
        let all = joint(&dbm);
        let mut posterior = climb(&dbm, &v, &sums);
        let done = posterior.iterate(&dbm, &EXACT).unwrap();
        assert!(done.is_within(&EXACT) && done.iterations < 2000, "{done:?}");
        let bounds = posterior.bounds(&dbm, &v).unwrap();
        for s in (0..v.rows()).step_by(3) {
            let q = means(&dbm, &v, &posterior, s);
            for l in order(&dbm) {
                for (got, expected) in q[l].iter().zip(field(&dbm, &q, l)) {
                    close("fixed point", *got, expected, 1e-5);
                }
            }
            let given: Vec<_> = all
                .iter()
                .copied()
                .filter(|x| x.0 & ((1 << n) - 1) == s)
                .collect();
            let gap = divergence(&dbm, &probabilities(&given, 1.0), &q);
            close("L(Q)", bounds[s], sums[s] - gap, 2e-5);
        }
    }
}

/// From the same start and from the last end, where there is one fixed point alone: small weights.
#[test]
fn damped_and_warm_starts_end_at_the_same_fixed_point() {
    for (k, sizes) in SIZES.into_iter().enumerate() {
        let small = bernoulli(sizes, 0.3, k as u64);
        let n = small.n_visible();
        let v = common::all_states(n);
        let damped = MeanField {
            damping: 0.5,
            ..EXACT
        };
        let (plain, _) = small.posterior_means(&v, &EXACT).unwrap();
        let (slow, done) = small.posterior_means(&v, &damped).unwrap();
        assert!(done.is_within(&damped));
        for (a, b) in plain.iter().zip(&slow) {
            let pairs = a.elements().zip(b.elements());
            pairs.for_each(|(a, b)| close("damped", a.into(), b.into(), 1e-5));
        }
        // A warm start at the end of the last run stays there.
        let mut posterior = Posterior::default();
        posterior.start(&small, &v).unwrap();
        posterior.iterate(&small, &EXACT).unwrap();
        let kept = posterior.clone();
        posterior
            .start_warm(&small, (&v).into(), |l, row| kept.mean(l).row(row))
            .unwrap();
        let done = posterior.iterate(&small, &EXACT).unwrap();
        assert!(done.iterations <= 2, "{done:?}");
        let both = small.with_posterior(&v, 2, &EXACT).unwrap();
        for s in 0..v.rows() {
            assert!((0..n).all(|i| both.row(s)[i] == f32::from(v.get(s, i))));
            assert_eq!(&both.row(s)[n..], plain[1].row(s));
        }
    }
}

/// A row ends where it would by itself: a mean that is one iteration off differs by some 1e-3 here.
#[test]
fn rows_end_where_they_would_alone() {
    for (k, sizes) in SIZES.into_iter().enumerate() {
        let dbm = bernoulli(sizes, 1.0, 50 + k as u64);
        let v = common::all_states(dbm.n_visible());
        let coarse = MeanField {
            tolerance: 1e-2,
            ..EXACT
        };
        let (together, worst) = dbm.posterior_means(&v, &coarse).unwrap();
        let mut most = 0;
        for s in 0..v.rows() {
            let (alone, done) = dbm.posterior_means(v.view_rows(s..s + 1), &coarse).unwrap();
            most = most.max(done.iterations);
            for (all, own) in together.iter().zip(&alone) {
                let pairs = all.row(s).iter().zip(own.row(0));
                pairs.for_each(|(a, b)| close("row", (*a).into(), (*b).into(), 1e-6));
            }
        }
        assert_eq!(most, worst.iterations);
    }
}

#[test]
fn one_hidden_layer_has_its_exact_posterior_and_groups_their_entropy() {
    let options = MeanField::default();
    let rbm = bernoulli(&[5, 4], 1.0, 60);
    let v = common::all_states(5);
    let (bounds, _) = rbm.mean_field_bounds(&v, &options).unwrap();
    let sums = rbm.log_sums_over_hidden(&v, &mut ()).unwrap();
    bounds
        .iter()
        .zip(&sums)
        .for_each(|(a, b)| close("exact", *a, *b, 1e-5));
    // The top layer is one softmax group: given layer 1 off (bias -30), Q is exact again.
    let mut layers = vec![
        Layer::bernoulli(5),
        Layer::bernoulli(2),
        Layer::of(Kind::Softmax, 4),
    ];
    layers[2].bias = vec![0.3, -0.5, 1.0, 0.0];
    layers[1].bias = vec![-30.0; 2];
    let weights = vec![
        Matrix::zeros(5, 2),
        Matrix::from_fn(2, 4, |i, j| (i + j) as f32 * 0.2),
    ];
    let dbm = Dbm::from_parameters(layers, weights).unwrap();
    let (bounds, _) = dbm.mean_field_bounds(&v, &options).unwrap();
    let sums = dbm.log_sums_over_hidden(&v, &mut ()).unwrap();
    bounds
        .iter()
        .zip(&sums)
        .for_each(|(a, b)| close("group", *a, *b, 1e-5));
}
