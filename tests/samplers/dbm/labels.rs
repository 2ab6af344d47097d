//! Chains of machines with labels.

use crate::common::{
    dbm::{LABELED as SIZES, block, drawn, firsts, joint, labeled, probabilities},
    total_variation, total_variation_floor,
};
use harmonium::model::DbmChain;

/// 10,000 exact draws of `p(v, h, y)` are still so after sweeps, and chains from anywhere with a
/// class held become draws of `p(v, h | y)`. Four floors are the bound of the project for all
/// samplers: exact draws have about 0.8 floors with a spread of a few percent.
#[test]
fn chains_sample_labels_and_given_labels() {
    const CHAINS: usize = 10_000;
    for (k, sizes) in SIZES.into_iter().enumerate() {
        let dbm = labeled(sizes, 0.6, 20 + k as u64);
        let all = joint(&dbm);
        let near = |chain: &DbmChain, p: &[(usize, f64)]| {
            for parity in [0, 1] {
                let (bits, marginal) = block(&dbm, chain.states(), p, parity);
                let distance = total_variation(&bits, &marginal);
                let floor = total_variation_floor(&marginal, CHAINS);
                assert!(
                    distance < 4.0 * floor,
                    "machine {k}, block {parity}: {distance}, floor {floor}"
                );
            }
        };
        let p = probabilities(&all, 1.0);
        let start = drawn(&dbm, &p, CHAINS, k as u64);
        let mut chain = DbmChain::restored(&dbm, start, 5, 0).unwrap();
        chain.sweep(&dbm, 8, 1.0).unwrap();
        near(&chain, &p);
        let (classes, first) = (*sizes.last().unwrap(), firsts(&dbm)[sizes.len() - 1]);
        for y in 0..classes {
            let of_class = all.iter().copied().filter(|x| x.0 >> first == 1 << y);
            let p = probabilities(&of_class.collect::<Vec<_>>(), 1.0);
            let chain = dbm.chains(CHAINS, 3 + y as u64).unwrap();
            let mut chain = chain.with_labels(&dbm, &[y as u32]).unwrap();
            // Mixing times of machines with weights of 0.6 are a few sweeps.
            chain.sweep(&dbm, 15, 1.0).unwrap();
            near(&chain, &p);
        }
        // A class for each chain.
        let labels: Vec<u32> = (0..60).map(|s| (s % classes) as u32).collect();
        let chain = dbm.chains(60, 1).unwrap();
        let mut chain = chain.with_labels(&dbm, &labels).unwrap();
        chain.sweep(&dbm, 3, 1.0).unwrap();
        let states = chain.states()[sizes.len() - 1].bits().unwrap();
        for (s, &y) in labels.iter().enumerate() {
            assert!((0..classes).all(|k| states.get(s, k) == (k == y as usize)));
        }
    }
}
