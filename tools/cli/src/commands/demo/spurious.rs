//! The demonstration of spurious modes: contrastive divergence leaves a mode that the data do not
//! have, because its chains start at the data and never get there; chains that go their own way
//! find it and remove it (Goodfellow, Bengio and Courville 2016, section 18.2 and figure 18.1).
//!
//! A machine that first learned three patterns goes on learning from two of them, by each way of
//! training, for as many updates. Everything is enumerated, so the figures are exact: what
//! contrastive divergence leaves is no noise of an estimate.

use harmonium::{
    BitMatrix, Examples, Learning, Negative, Rbm, RbmOptions, RbmTraining, Result, Schedule,
    train::Reconstruction,
};
use std::ops::ControlFlow;

/// Visible units: few enough to show every state.
const UNITS: usize = 9;
/// The patterns of the data, and the one that they no longer have.
pub const PATTERNS: [usize; 2] = [0b000_000_111, 0b000_111_000];
const FORMER: usize = 0b111_000_000;
/// States that differ from every pattern of the data in more units than this are counted as
/// spurious. The data reach to one.
const NEAR: u32 = 2;

/// Hidden units.
const HIDDEN: usize = 8;
/// Examples that are a pattern itself; for each of its units there is one with that unit flipped.
const COPIES: usize = 40;
/// Updates of either stage, each by all data.
const UPDATES: usize = 3000;
/// Step size at the start of a stage; it falls to 0 in a straight line, so that chains of their own
/// come to rest.
const LEARNING_RATE: f32 = 0.1;
/// Chains of the ways that have their own.
const CHAINS: usize = 100;

/// A machine of the demonstration.
#[derive(Clone, Debug, PartialEq)]
pub struct SpuriousModel {
    /// How it was trained.
    pub name: &'static str,
    /// Exact `p(v)` of every state: bit `i` of the index is unit `i`.
    pub distribution: Vec<f64>,
    /// Exact probability of all states far from the data.
    pub spurious_mass: f64,
    /// The most probable of these states.
    pub spurious_state: usize,
    /// Exact `KL(data || model)` in nats.
    pub divergence: f64,
}

/// What [`run`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct SpuriousReport {
    /// Visible units.
    pub units: usize,
    /// The data's distribution over states.
    pub data: Vec<f64>,
    /// The states in an order for a figure, in which neighbors differ in one unit (Gray code).
    pub order: Vec<usize>,
    /// The machine before the second stage, then those of CD-1, PCD-1, naive MCMC and the exact
    /// gradient.
    pub models: Vec<SpuriousModel>,
}

/// Trains and enumerates: seconds. The same figures for the same seed, at any number of threads.
///
/// # Errors
/// Those of the library.
pub fn run(seed: u64) -> Result<SpuriousReport> {
    let former = examples(&[PATTERNS[0], PATTERNS[1], FORMER])?;
    let data = examples(&PATTERNS)?;
    let target = distribution(&data);
    let start = Rbm::bernoulli(&[UNITS, HIDDEN])?.initialized_from(&former, seed)?;
    let start = trained(&start, seed, Negative::Exact, &former)?;
    let ways = [
        (
            "CD-1",
            Negative::ContrastiveDivergence {
                steps: 1,
                reconstruction: Reconstruction::Sampled,
            },
        ),
        (
            "PCD-1",
            Negative::Persistent {
                chains: CHAINS,
                steps: 1,
            },
        ),
        (
            "naive MCMC",
            Negative::Mcmc {
                chains: CHAINS,
                steps: 20,
            },
        ),
        ("exact", Negative::Exact),
    ];
    let mut models = vec![measured("before", &start, &target)?];
    for (name, negative) in ways {
        let rbm = trained(&start, seed, negative, &data)?;
        models.push(measured(name, &rbm, &target)?);
    }
    Ok(SpuriousReport {
        units: UNITS,
        data: target,
        order: (0..1_usize << UNITS).map(|k| k ^ (k >> 1)).collect(),
        models,
    })
}

fn trained(start: &Rbm, seed: u64, negative: Negative, data: &Examples) -> Result<Rbm> {
    let options = RbmOptions {
        negative,
        learning: Learning {
            epochs: UPDATES,
            batch_size: data.len(),
            learning_rate: Schedule::Linear {
                from: LEARNING_RATE,
                to: 0.0,
            },
            seed,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let mut run = RbmTraining::new(start.clone(), options, data)?;
    let _ended = run.run(data, |_| ControlFlow::Continue(()))?;
    Ok(run.into_result())
}

/// Copies of each pattern, and the pattern with each of its units flipped.
fn examples(patterns: &[usize]) -> Result<Examples> {
    let of_pattern = |&pattern: &usize| {
        let flipped = (0..UNITS).map(move |i| pattern ^ 1 << i);
        std::iter::repeat_n(pattern, COPIES).chain(flipped)
    };
    let states: Vec<usize> = patterns.iter().flat_map(of_pattern).collect();
    let bits = BitMatrix::from_fn(states.len(), UNITS, |k, i| states[k] >> i & 1 == 1);
    Examples::new(bits)
}

/// The share of each state among the examples.
fn distribution(data: &Examples) -> Vec<f64> {
    let mut p = vec![0.0; 1 << UNITS];
    let bits = data.bits().expect("made of bits");
    for k in 0..bits.rows() {
        p[bits.row(k)[0] as usize] += 1.0 / bits.rows() as f64;
    }
    p
}

/// Whether a state is far from all data.
pub fn is_far(state: &usize) -> bool {
    PATTERNS.iter().all(|q| (state ^ q).count_ones() > NEAR)
}

fn measured(name: &'static str, rbm: &Rbm, data: &[f64]) -> Result<SpuriousModel> {
    let distribution = rbm.visible_distribution(1.0, &mut ())?;
    let far = (0..distribution.len()).filter(is_far);
    let most = |a: usize, b: usize| {
        if distribution[b] > distribution[a] {
            b
        } else {
            a
        }
    };
    let seen = data.iter().zip(&distribution).filter(|(p, _)| **p > 0.0);
    Ok(SpuriousModel {
        name,
        spurious_mass: far.clone().map(|x| distribution[x]).sum(),
        spurious_state: far.reduce(most).expect("most states are far"),
        divergence: seen.map(|(p, q)| p * (p / q).ln()).sum(),
        distribution,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data have no state there; CD-1 leaves a mode, around the pattern that was learned
    /// before, and the others remove it.
    #[test]
    fn contrastive_divergence_leaves_a_mode_that_others_remove() {
        let report = run(0).unwrap();
        assert!((report.data.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let [before, cd, pcd, mcmc, exact] = &report.models[..] else {
            panic!("five machines")
        };
        // A third of what was learned before is the former pattern.
        assert!((before.spurious_mass - 1.0 / 3.0).abs() < 0.02);
        assert!(cd.spurious_mass > 0.05, "{}", cd.spurious_mass);
        assert_eq!(cd.spurious_state, FORMER);
        for model in [pcd, mcmc, exact] {
            assert!(model.spurious_mass < 0.01, "{model:?}");
        }
        // Chains of PCD share themselves out between the patterns that are left by chance: its
        // divergence swings.
        assert!(exact.divergence < cd.divergence);
        for model in &report.models {
            assert!((model.distribution.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
        let mut order = report.order.clone();
        let differ_in_one = |pair: &[usize]| (pair[0] ^ pair[1]).count_ones() == 1;
        assert!(order.windows(2).all(differ_in_one));
        order.sort_unstable();
        assert!(order.into_iter().eq(0..512));
    }
}
