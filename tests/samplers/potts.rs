//! Gibbs chains of general machines with softmax groups: no drift from the exact distribution, held
//! groups, what is missing.

use crate::common::{assert_in_distribution, draw_states, normal_potts, patterns_of_potts};
use harmonium::{
    BitMatrix, Examples, Matrix, States,
    model::{BoltzmannChain, BoltzmannMachine, Clamp, Imputation, boltzmann::Sweep},
};

const CHAINS: usize = 20_000;

fn machines() -> [BoltzmannMachine; 3] {
    [
        normal_potts("softmax:3*2", (6, 0), 0.6, 1),
        normal_potts("bernoulli:2+softmax:3+bernoulli:1", (6, 2), 0.6, 2),
        normal_potts("softmax:1+softmax:4", (5, 3), 0.6, 3),
    ]
}

fn bits(x: &States) -> BitMatrix {
    x.bits().cloned().unwrap()
}

fn joined(chain: &BoltzmannChain) -> BitMatrix {
    let (v, h) = (bits(chain.visible()), bits(chain.hidden()));
    let n = v.columns();
    BitMatrix::from_fn(v.rows(), n + h.columns(), |i, j| {
        if j < n { v.get(i, j) } else { h.get(i, j - n) }
    })
}

fn columns(x: &BitMatrix, first: usize, count: usize) -> BitMatrix {
    BitMatrix::from_fn(x.rows(), count, |i, j| x.get(i, first + j))
}

#[test]
fn sweeps_leave_the_distribution_alone() {
    for (k, machine) in machines().iter().enumerate() {
        let (n, units) = (machine.n_visible(), machine.units());
        for beta in [0.5, 1.0, 2.0] {
            let p = patterns_of_potts(machine, beta);
            let start = draw_states(&p, units, CHAINS, 10 + k as u64);
            let (v, h) = (columns(&start, 0, n), columns(&start, n, units - n));
            let sweep = Sweep::Automatic;
            let mut chain = BoltzmannChain::from_states(machine, &v, &h, sweep, 3).unwrap();
            assert!(!chain.is_by_blocks());
            for sweeps in [1, 3, 12] {
                chain.sweep(sweeps, beta as f32).unwrap();
                let what = format!("machine {k}, beta {beta}, {} sweeps", chain.sweeps());
                assert_in_distribution(&joined(&chain), &p, &what);
            }
            let expected = machine.energy(chain.visible(), chain.hidden()).unwrap();
            for (x, expected) in chain.energies().iter().zip(expected) {
                // 36 terms below 2 each, in f32.
                let bound = 36.0 * 36.0 * 2.0 * f64::from(f32::EPSILON);
                assert!((x - expected).abs() < bound, "{x}, not {expected}");
            }
        }
    }
}

/// Chains start at fair coins and even groups, and end in the distribution.
#[test]
fn chains_reach_the_distribution() {
    for (k, machine) in machines().iter().enumerate() {
        let mut chain = machine.chains(CHAINS, 5).unwrap();
        let even = patterns_of_potts(machine, 0.0);
        assert_in_distribution(&joined(&chain), &even, "even start");
        chain.sweep(40, 1.0).unwrap();
        let p = patterns_of_potts(machine, 1.0);
        assert_in_distribution(&joined(&chain), &p, &format!("machine {k}"));
        let error = machine.chains_by(Sweep::Blocks, 3, 5).unwrap_err();
        assert!(error.to_string().contains("softmax"), "{error}");
    }
}

/// A group held at another unit in every other chain.
#[test]
fn held_groups_condition_the_rest() {
    let machine = normal_potts("softmax:3+softmax:2", (5, 2), 0.6, 4);
    let p = patterns_of_potts(&machine, 1.0);
    let mask = BitMatrix::from_fn(1, 5, |_, i| i < 3);
    let values = BitMatrix::from_fn(CHAINS, 5, |k, i| i == 2 * (k % 2));
    let clamp = Clamp::new(machine.visible(), values, mask).unwrap();
    let chain = machine.chains(CHAINS, 7).unwrap();
    let mut chain = chain.clamped(0, clamp).unwrap();
    chain.sweep(40, 1.0).unwrap();
    let x = joined(&chain);
    for half in [0, 1] {
        let fits = |state: usize| state & 7 == 1 << (2 * half);
        let all: f64 = (0..p.len()).filter(|&s| fits(s)).map(|s| p[s]).sum();
        let of = |s: usize| if fits(s) { p[s] / all } else { 0.0 };
        let given: Vec<f64> = (0..p.len()).map(of).collect();
        let rows = BitMatrix::from_fn(CHAINS / 2, 7, |k, i| x.get(2 * k + half, i));
        assert_in_distribution(&rows, &given, "given a held group");
    }
}

/// Exact draws are of the distribution.
#[test]
fn exact_samples_are_independent_draws() {
    for machine in machines() {
        assert!(machine.has_exact_samples());
        let x = bits(&machine.exact_samples(CHAINS, 3).unwrap());
        assert_in_distribution(&x, &patterns_of_potts(&machine, 1.0), "exact samples");
    }
}

/// Means of missing groups by chains are those of enumeration.
#[test]
fn missing_groups_are_imputed() {
    let machine = normal_potts("softmax:3*2+bernoulli:1", (7, 2), 0.8, 5);
    let state = BitMatrix::from_fn(3, 7, |s, i| i == s || i == 3 + (s + 1) % 3 || i == 6);
    let mask = BitMatrix::from_fn(3, 7, |s, i| match s {
        0 => i >= 3,
        1 => i < 3 || i == 6,
        _ => i == 6,
    });
    let data = Examples::new(state).unwrap().with_observed(mask).unwrap();
    let exact = machine.impute(&data, Imputation::Exact, &mut ()).unwrap();
    let (sweeps, burn_in) = (20_000, 100);
    let by = Imputation::Gibbs {
        burn_in,
        sweeps,
        seed: 3,
    };
    let gibbs = machine.impute(&data, by, &mut ()).unwrap();
    let largest = |a: &Matrix, b: &Matrix| {
        let pairs = a.elements().zip(b.elements());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    // Deviations of means of 20,000 sweeps of an autocorrelation time below 5: 0.5 sqrt(5 / 20000)
    // is 0.008, and 27 of them.
    assert!(largest(&exact.visible, &gibbs.visible) < 4.0 * 0.008);
    assert!(largest(&exact.hidden[0], &gibbs.hidden[0]) < 4.0 * 0.008);
    for s in 0..3 {
        for first in [0, 3] {
            let sum: f32 = exact.visible.row(s)[first..first + 3].iter().sum();
            assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        }
    }
    assert_eq!(machine.states_of_missing(&data), (3.0 + 3.0 + 9.0) * 4.0);
    let drawn = machine.impute_samples(&data, 20, 4).unwrap();
    for s in 0..3 {
        for first in [0, 3] {
            let on = (first..first + 3).filter(|&i| drawn.view().get(s, i) == 1.0);
            assert_eq!(on.count(), 1);
        }
    }
}
