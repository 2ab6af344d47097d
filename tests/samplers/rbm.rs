//! No drift: chains drawn exactly from the model's distribution stay in it, which slow mixing
//! cannot hide.

use crate::common::{all_states, assert_in_distribution, draw_states, normal_rbm};
use harmonium::{bits::BitMatrix, model::Rbm};

const CHAINS: usize = 20_000;

#[test]
fn sweeps_leave_the_distribution_alone() {
    for (seed, (n, m)) in [(5, 4), (4, 6)].into_iter().enumerate() {
        let rbm = normal_rbm(n, m, 0.6, seed as u64);
        for beta in [0.5, 1.0, 2.0] {
            let p = rbm.visible_distribution(beta, &mut ()).unwrap();
            let q = rbm
                .transposed()
                .visible_distribution(beta, &mut ())
                .unwrap();
            let beta = beta as f32;
            let from_v = draw_states(&p, n, CHAINS, 10 + seed as u64);
            let from_h = draw_states(&q, m, CHAINS, 20 + seed as u64);
            let chains = [
                rbm.chains_from(from_v, 1).unwrap(),
                rbm.chains_from_hidden(from_h, 2, beta).unwrap(),
            ];
            for (mut chain, start) in chains.into_iter().zip(["v", "h"]) {
                for sweeps in [1, 3, 12] {
                    chain.sweep(&rbm, sweeps, beta).unwrap();
                    let what = format!(
                        "{n}-{m}, beta {beta}, from {start}, {} half sweeps",
                        chain.half_sweeps()
                    );
                    assert_in_distribution(chain.visible().bits().unwrap(), &p, &what);
                    assert_in_distribution(chain.hidden().bits().unwrap(), &q, &what);
                }
            }
        }
    }
}

/// Samples of each conditional against the conditional itself, chi-square over the states of a
/// layer.
#[test]
fn conditional_samples_follow_the_conditional() {
    let rbm = normal_rbm(4, 3, 1.0, 5);
    let v = all_states(4);
    for s in 0..v.rows() {
        let one = v.view_rows(s..s + 1).to_owned();
        let many = BitMatrix::from_fn(CHAINS, 4, |_, i| one.get(0, i));
        let h = rbm
            .sample_h_from_v(&many, 3, s as u64, 1.0)
            .and_then(|h| h.into_bits())
            .unwrap();
        let mean = rbm.mean_h_from_v(&one, 1.0).unwrap();
        let p: Vec<f64> = (0..8)
            .map(|k| {
                (0..3)
                    .map(|j| {
                        let p = f64::from(mean.row(0)[j]);
                        if k >> j & 1 == 1 { p } else { 1.0 - p }
                    })
                    .product()
            })
            .collect();
        assert_in_distribution(&h, &p, "h given v");
    }
}

#[test]
fn uniform_start_and_reproducible_chains() {
    let rbm = normal_rbm(5, 4, 0.6, 1);
    let chain = rbm.chains(CHAINS, 3).unwrap();
    assert_in_distribution(
        chain.visible().bits().unwrap(),
        &[1.0 / 32.0; 32],
        "fair coins",
    );
    let run = |threads: usize, rbm: &Rbm| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut chain = rbm.chains(300, 3).unwrap();
            chain.sweep(rbm, 5, 1.0).unwrap();
            chain.visible().clone()
        })
    };
    let wide = normal_rbm(300, 200, 0.1, 1);
    let one = run(1, &wide);
    assert_eq!(one, run(2, &wide));
    assert_eq!(one, run(7, &wide));
}
