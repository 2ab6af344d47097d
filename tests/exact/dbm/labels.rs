//! Labels of deep Boltzmann machines against the sum over all joint states, in f64.

use crate::common::{
    all_states,
    dbm::{
        EXACT, LABELED as SIZES, close, divergence, field, firsts, joint, labeled, log_sum,
        probabilities, random,
    },
    normal_machine,
};
use harmonium::{
    bits::BitMatrix,
    checkpoint::Checkpoint,
    evaluate::DbmBound,
    model::{Dbm, Layer, MeanField, Network, Posterior},
    units::{Kind, Units},
};

/// The joint states, with `-E`, whose visible units are `v` and whose class is `y`.
fn given(dbm: &Dbm, joint: &[(usize, f64)], v: usize, y: usize) -> Vec<(usize, f64)> {
    let (n, first) = (dbm.n_visible(), firsts(dbm)[dbm.n_layers() - 1]);
    let fits = |state: usize| state & ((1 << n) - 1) == v && state >> first == 1 << y;
    joint.iter().copied().filter(|x| fits(x.0)).collect()
}

/// `ln sum_h e^-E(v, h, y)` of every visible state and class.
fn class_sums(dbm: &Dbm) -> Vec<Vec<f64>> {
    let (all, classes) = (joint(dbm), dbm.classes().unwrap());
    let of = |v, y| log_sum(given(dbm, &all, v, y).iter().map(|x| x.1));
    (0..1 << dbm.n_visible())
        .map(|v| (0..classes).map(|y| of(v, y)).collect())
        .collect()
}

/// The means of all layers at row `s` of the visible states, in f64.
fn means(dbm: &Dbm, posterior: &Posterior, v: &BitMatrix, s: usize) -> Vec<Vec<f64>> {
    let layer = |l: usize| match l {
        0 => (0..v.columns()).map(|i| f64::from(v.get(s, i))).collect(),
        l => posterior.mean(l).row(s).iter().map(|&x| x.into()).collect(),
    };
    (0..dbm.n_layers()).map(layer).collect()
}

#[test]
fn which_machines_have_labels() {
    let dbm = labeled(&[5, 4, 3, 3], 1.0, 1);
    assert_eq!((dbm.classes(), dbm.n_hidden_layers()), (Some(3), 2));
    let rest = dbm.without_labels();
    assert_eq!((rest.classes(), rest.n_hidden_layers()), (None, 2));
    assert_eq!(rest.layers(), &dbm.layers()[..3]);
    assert!((0..2).all(|l| rest.weights(l) == dbm.weights(l)));
    assert_eq!(rest.without_labels(), rest);
    let two = Units::of(Kind::Softmax, 2).and(Kind::Softmax, 3);
    let mixed = Units::of(Kind::Bernoulli, 2).and(Kind::Softmax, 3);
    for last in [Layer::new(two), Layer::new(mixed), Layer::bernoulli(3)] {
        let layers = vec![Layer::bernoulli(3), Layer::bernoulli(2), last];
        assert_eq!(random(layers, 1.0, 1).classes(), None);
    }
    // A mixture: the group is the hidden layer.
    let mixture = labeled(&[4, 3], 1.0, 1);
    assert_eq!((mixture.classes(), mixture.n_hidden_layers()), (None, 1));
    let path = std::env::temp_dir().join(format!("harmonium-dbm-y-{}", std::process::id()));
    Checkpoint::from(dbm.clone()).save(&path).unwrap();
    let loaded = Checkpoint::load(&path).unwrap();
    assert_eq!(loaded.model.dbm().unwrap(), &dbm);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("bernoulli,bernoulli,bernoulli,softmax:3"));
}

#[test]
fn exact_sums_of_classes_are_brute_force() {
    for (k, sizes) in SIZES.into_iter().enumerate() {
        let dbm = labeled(sizes, 0.9, k as u64);
        let (n, classes) = (sizes[0], *sizes.last().unwrap());
        let v = all_states(n);
        let (sums, got) = (class_sums(&dbm), dbm.exact_class_sums(&v, &mut ()).unwrap());
        let log_p = dbm.exact_log_p_y_from_v(&v, &mut ()).unwrap();
        for s in 0..v.rows() {
            let all = log_sum(sums[s].iter().copied());
            for y in 0..classes {
                close("ln p*(v, y)", got[s * classes + y], sums[s][y], 1e-10);
                // Rounded to f32.
                let expected = sums[s][y] - all;
                close("ln p(y | v)", log_p.row(s)[y].into(), expected, 1e-6);
            }
        }
        let log_z = log_sum(sums.iter().flatten().copied());
        close("ln Z", dbm.log_z(&mut ()).unwrap(), log_z, 1e-10);
        for y in 0..classes {
            // Biases of some units are rounded to f32: 6e-8 of numbers of order one, each.
            let of_class = dbm.given_class(y).unwrap();
            let d = f64::from(dbm.layer(dbm.n_layers() - 1).bias[y]);
            let expected = log_sum(sums.iter().map(|x| x[y]));
            close(
                "ln Z_y",
                d + of_class.log_z(&mut ()).unwrap(),
                expected,
                1e-6,
            );
            let p = of_class.visible_distribution(1.0, &mut ()).unwrap();
            for s in 0..v.rows() {
                close("p(v | y)", p[s], (sums[s][y] - expected).exp(), 1e-6);
            }
        }
    }
}

/// Without and with labels held: `L(Q)` is the exact sum less the enumerated divergence, at a fixed
/// point of the equations of mean field.
#[test]
fn bounds_are_exact_sums_less_the_divergence() {
    for (k, sizes) in SIZES.into_iter().enumerate() {
        let dbm = labeled(sizes, 1.0, 10 + k as u64);
        let (n, last, classes) = (sizes[0], sizes.len() - 1, *sizes.last().unwrap());
        let v = all_states(n);
        let (all, sums) = (joint(&dbm), class_sums(&dbm));
        let mut posterior = Posterior::default();
        let fixed = |q: &[Vec<f64>], layers: std::ops::Range<usize>| {
            for l in layers {
                for (got, expected) in q[l].iter().zip(field(&dbm, q, l)) {
                    close("fixed point", *got, expected, 1e-5);
                }
            }
        };
        // The label is one more hidden layer.
        posterior.start(&dbm, &v).unwrap();
        let done = posterior.iterate(&dbm, &EXACT).unwrap();
        assert!(done.is_within(&EXACT), "{done:?}");
        let bounds = posterior.bounds(&dbm, &v).unwrap();
        let of_data = DbmBound::new(&dbm, &v, &EXACT, &mut ()).unwrap().bounds;
        for s in 0..v.rows() {
            let q = means(&dbm, &posterior, &v, s);
            fixed(&q, 1..last + 1);
            let p = (0..classes).flat_map(|y| given(&dbm, &all, s, y));
            let p = probabilities(&p.collect::<Vec<_>>(), 1.0);
            let exact = log_sum(sums[s].iter().copied());
            // f32 means and products of at most 12 terms of order one.
            let expected = exact - divergence(&dbm, &p, &q);
            close("L(Q; v)", bounds[s], expected, 2e-5);
            assert!(bounds[s] <= exact + 2e-5);
            close("the same", of_data[s], bounds[s], 1e-9);
        }
        let (by_class, worst) = dbm.class_bounds(&v, &EXACT).unwrap();
        assert!(worst.is_within(&EXACT), "{worst:?}");
        let log_q = dbm.log_p_y_from_v(&v, &EXACT).unwrap();
        for y in 0..classes {
            posterior.start_with_labels(&dbm, &v, |_| y).unwrap();
            posterior.iterate(&dbm, &EXACT).unwrap();
            let bounds = posterior.bounds(&dbm, &v).unwrap();
            for s in 0..v.rows() {
                let q = means(&dbm, &posterior, &v, s);
                assert!((0..classes).all(|k| q[last][k] == f64::from(u8::from(k == y))));
                fixed(&q, 1..last);
                let p = probabilities(&given(&dbm, &all, s, y), 1.0);
                let exact = sums[s][y];
                let mut expected = exact - divergence(&dbm, &p, &q);
                close("L(Q; v, y)", bounds[s], expected, 2e-5);
                assert!(bounds[s] <= exact + 2e-5);
                if last == 2 {
                    close("one hidden layer", bounds[s], exact, 2e-5);
                    expected = exact;
                }
                let bound = by_class[s * classes + y];
                close("all classes", bound, expected, 2e-5);
                let row = &by_class[s * classes..(s + 1) * classes];
                let ratio = bound - log_sum(row.iter().copied());
                close("ln q(y | v)", log_q.row(s)[y].into(), ratio, 1e-6);
            }
            // A warm start at the end of the last run stays there.
            let kept = posterior.clone();
            let old = |l: usize, row: usize| kept.mean(l).row(row);
            posterior
                .start_warm_with_labels(&dbm, (&v).into(), |_| y, old)
                .unwrap();
            let done = posterior.iterate(&dbm, &EXACT).unwrap();
            assert!(done.iterations <= 3, "{done:?}");
            let again = posterior.bounds(&dbm, &v).unwrap();
            let pairs = again.iter().zip(&bounds);
            pairs.for_each(|(a, b)| close("warm", *a, *b, 2e-5));
        }
        // Small weights have one fixed point: the machine of the class finds it too.
        let small = labeled(sizes, 0.3, k as u64);
        let (by_class, _) = small.class_bounds(&v, &EXACT).unwrap();
        for y in 0..classes {
            let d = f64::from(small.layer(last).bias[y]);
            let of_class = small.given_class(y).unwrap();
            let (bounds, _) = of_class.mean_field_bounds(&v, &EXACT).unwrap();
            for s in 0..v.rows() {
                close("class", by_class[s * classes + y], d + bounds[s], 2e-5);
            }
        }
    }
}

/// With one hidden layer the machine is an RBM of data and label, and its classes are those of the
/// RBM.
#[test]
fn one_hidden_layer_classifies_as_the_rbm() {
    let units = "bernoulli:40+softmax:3";
    let rbm = normal_machine((units, 43), ("bernoulli", 50), 0.3, 5);
    let dbm = Dbm::joined_with_labels(std::slice::from_ref(&rbm)).unwrap();
    let units: Vec<String> = dbm.layers().iter().map(|x| x.units.to_string()).collect();
    assert_eq!(units.join(","), "bernoulli,bernoulli,softmax:3");
    // More rows than are taken at a time.
    let v = BitMatrix::from_fn(1100, 40, |i, j| (i * 7 + j * 13 + i * j) % 5 < 2);
    let expected = rbm.log_p_y_from_v(&v).unwrap();
    for v in [(&v).into(), harmonium::Input::from(&v.to_matrix())] {
        let got = dbm.log_p_y_from_v(v, &MeanField::default()).unwrap();
        for (got, expected) in got.elements().zip(expected.elements()) {
            // f32 sums of 50 and of 40 terms of order one.
            close("ln p(y | v)", got.into(), expected.into(), 1e-4);
        }
    }
    let rbm = normal_machine(("bernoulli:4+softmax:3", 7), ("bernoulli", 5), 0.8, 6);
    let dbm = Dbm::joined_with_labels(std::slice::from_ref(&rbm)).unwrap();
    close(
        "ln Z",
        dbm.log_z(&mut ()).unwrap(),
        rbm.log_z(&mut ()).unwrap(),
        1e-10,
    );
}

#[test]
fn networks_leave_the_label_out() {
    let dbm = labeled(&[6, 5, 4, 3], 0.5, 1);
    let network = Network::classifier_from_dbm(&dbm, 3, 1).unwrap();
    let rest = dbm.without_labels();
    assert_eq!(network, Network::classifier_from_dbm(&rest, 3, 1).unwrap());
    let v = all_states(6);
    let x = rest.with_posterior(&v, 2, &EXACT).unwrap();
    let (means, _) = rest.posterior_means(&v, &EXACT).unwrap();
    let hidden = network.values(&x, 2).unwrap();
    for (a, b) in hidden.elements().zip(means[1].elements()) {
        // At the fixed point further half iterations move means by less than the tolerance and
        // roundings.
        close("means", a.into(), b.into(), 1e-5);
    }
    assert!(Network::classifier_from_dbm(&labeled(&[6, 5, 3], 0.5, 1), 3, 1).is_err());
}
