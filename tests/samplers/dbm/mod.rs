//! Gibbs chains of all layers: no drift from the exact distribution, held units, one result at any
//! number of threads.

mod labels;

use crate::common::{
    self,
    dbm::{SIZES, bernoulli, block, close, drawn, joint, probabilities, random},
    total_variation, total_variation_floor,
};
use harmonium::{
    Input,
    bits::BitMatrix,
    matrix::Matrix,
    model::{Clamp, Dbm, DbmChain, Layer},
    product::{Propagation, Tail},
    rng::{Draws, Site},
    units::{Kind, Units},
};

/// 20,000 chains drawn exactly from `p` are still so after sweeps, in both blocks. The bound of
/// four floors is that of the project for all samplers: the distance of exact draws is about 0.8
/// floors with a spread of a few percent.
#[test]
fn gibbs_does_not_drift() {
    let softmax = vec![
        Layer::bernoulli(4),
        Layer::new(Units::of(Kind::Bernoulli, 2).and(Kind::Softmax, 3)),
        Layer::bernoulli(3),
    ];
    let mut machines: Vec<Dbm> = SIZES.iter().map(|s| bernoulli(s, 0.6, 30)).collect();
    machines.push(random(softmax, 0.6, 31));
    for (k, dbm) in machines.iter().enumerate() {
        let all = joint(dbm);
        for beta in [0.5, 1.0, 2.0] {
            let p = probabilities(&all, f64::from(beta));
            let start = drawn(dbm, &p, 20_000, k as u64);
            let mut chain = DbmChain::restored(dbm, start, 5, 0).unwrap();
            for more in [1, 3, 12] {
                chain.sweep(dbm, more, beta).unwrap();
                for parity in [0, 1] {
                    let (bits, marginal) = block(dbm, chain.states(), &p, parity);
                    let distance = total_variation(&bits, &marginal);
                    let floor = total_variation_floor(&marginal, 20_000);
                    assert!(
                        distance < 4.0 * floor,
                        "machine {k}, beta {beta}, after {} sweeps, block {parity}: {distance}, floor {floor}",
                        chain.sweeps()
                    );
                }
            }
        }
    }
}

#[test]
fn held_units_condition_the_rest() {
    let dbm = bernoulli(&[5, 4, 6], 0.8, 40);
    // Visible units 0, 2 and 3 held at 1, 0, 1; unit 1 of layer 2 at 1.
    let held = |state: usize| state & 0b01101 == 0b01001 && state >> 10 & 1 == 1;
    let all: Vec<_> = joint(&dbm).into_iter().filter(|x| held(x.0)).collect();
    let p = probabilities(&all, 1.0);
    let bits = |text: &str| common::rows(text);
    let clamp = |l: usize, values, mask| Clamp::new(dbm.layer(l), values, mask).unwrap();
    let mut chain = DbmChain::restored(&dbm, drawn(&dbm, &p, 20_000, 1), 7, 0)
        .unwrap()
        .clamped(0, clamp(0, bits("10010"), bits("10110")))
        .unwrap()
        .clamped(2, clamp(2, bits("010000"), bits("010000")))
        .unwrap();
    chain.sweep(&dbm, 8, 1.0).unwrap();
    for parity in [0, 1] {
        let (bits, marginal) = block(&dbm, chain.states(), &p, parity);
        let floor = total_variation_floor(&marginal, 20_000);
        assert!(total_variation(&bits, &marginal) < 4.0 * floor);
    }
    assert!(
        dbm.chains(3, 1)
            .unwrap()
            .clamped(3, clamp(2, bits("010000"), bits("010000")))
            .is_err()
    );
}

#[test]
fn chains_go_on_as_if_never_interrupted_at_any_thread_count() {
    let dbm = bernoulli(&[300, 200, 100], 0.1, 3);
    let mut whole = dbm.chains(250, 9).unwrap();
    whole.sweep(&dbm, 2, 1.0).unwrap();
    let (states, sweeps) = (whole.states().to_vec(), whole.sweeps());
    whole.sweep(&dbm, 2, 1.0).unwrap();
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let mut rest = DbmChain::restored(&dbm, states.clone(), 9, sweeps).unwrap();
        pool.install(|| rest.sweep(&dbm, 2, 1.0)).unwrap();
        assert_eq!(rest.states(), whole.states(), "{threads} threads");
    }
}

/// `added` with every way of multiplying: few rows, many rows of bits (registers), reals.
#[test]
fn inputs_that_were_multiplied_before_are_added() {
    let dbm = bernoulli(&[5, 150, 100], 0.1, 4);
    for rows in [3, 300] {
        let above = BitMatrix::from_fn(rows, 100, |i, j| (i * 7 + j * 5) % 3 == 0);
        let added = Matrix::from_fn(rows, 150, |i, j| ((i + 2 * j) % 9) as f32 * 0.25 - 1.0);
        let real = above.to_matrix();
        for above in [Input::from(&above), Input::from(&real)] {
            let mut got = Matrix::zeros(rows, 150);
            let mut bits = BitMatrix::zeros(rows, 150);
            let draws = Draws::new(1, Site::Gibbs, 0);
            let mut buffers = Propagation::default();
            let tail = Tail {
                mean: Some(got.view_mut()),
                added: Some(added.view()),
                ..Tail::new(1.0)
            };
            dbm.layer_from_neighbors(1, None, Some(above), tail, &mut buffers)
                .unwrap();
            let tail = Tail {
                sample: Some((bits.view_mut(), draws)),
                added: Some(added.view()),
                ..Tail::new(1.0)
            };
            dbm.layer_from_neighbors(1, None, Some(above), tail, &mut buffers)
                .unwrap();
            let mut differ = 0;
            for i in 0..rows {
                for j in 0..150 {
                    let products = real.row(i).iter().zip(dbm.weights(1).row(j));
                    let x = products
                        .map(|(&x, &w)| f64::from(x) * f64::from(w))
                        .sum::<f64>()
                        + f64::from(added.row(i)[j])
                        + f64::from(dbm.layer(1).bias[j]);
                    let p = 1.0 / (1.0 + (-x).exp());
                    // A step of fixed point is at most 8 / 32700 here: 34 active units, half a step
                    // each, a quarter in p.
                    close("mean", f64::from(got.row(i)[j]), p, 1.1e-3);
                    differ += usize::from(bits.get(i, j) != draws.bernoulli(i, j, p as f32));
                }
            }
            // Draws differ from those by the exact p with probability below 1.1e-3; mean and five
            // deviations.
            let expected = 1.1e-3 * (rows * 150) as f64;
            assert!(
                (differ as f64) < expected + 5.0 * expected.sqrt() + 1.0,
                "{differ}"
            );
        }
    }
}
