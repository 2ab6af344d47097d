//! Gibbs chains of the general machine: no drift from the exact distribution, by units and by
//! blocks, held units, one result at any number of threads.

use crate::common::{assert_in_distribution, draw_states, index_of, normal_boltzmann, normal_rbm};
use harmonium::{
    States,
    bits::BitMatrix,
    model::{BoltzmannChain, BoltzmannMachine, Clamp, boltzmann::Sweep},
};

const CHAINS: usize = 20_000;

/// A ring of eight units with chords, three classes.
fn sparse() -> BoltzmannMachine {
    let mut edges: Vec<_> = (0..8)
        .map(|i| (i, (i + 1) % 8, 0.4 - 0.1 * i as f32))
        .collect();
    edges.push((0, 2, -0.5));
    edges.push((3, 5, 0.6));
    let mut machine = BoltzmannMachine::from_edges(5, 3, &edges).unwrap();
    let visible = [0.0, -0.4, 0.0, 0.0, 0.0];
    machine.set_parameter("bias.0", &visible).unwrap();
    machine.set_parameter("bias.1", &[0.0, 0.0, 0.7]).unwrap();
    machine
}

fn split(x: &BitMatrix, n: usize) -> (BitMatrix, BitMatrix) {
    let part = |first: usize, count: usize| {
        BitMatrix::from_fn(x.rows(), count, |i, j| x.get(i, first + j))
    };
    (part(0, n), part(n, x.columns() - n))
}

fn joined(chain: &BoltzmannChain) -> BitMatrix {
    let bits = |x: &States| x.bits().cloned().unwrap();
    let (v, h) = (bits(chain.visible()), bits(chain.hidden()));
    assert!(v.padding_is_zero() && h.padding_is_zero());
    let n = v.columns();
    BitMatrix::from_fn(v.rows(), n + h.columns(), |i, j| {
        if j < n { v.get(i, j) } else { h.get(i, j - n) }
    })
}

#[test]
fn sweeps_leave_the_distribution_alone() {
    let rbm = BoltzmannMachine::try_from(&normal_rbm(5, 3, 0.6, 1)).unwrap();
    let machines = [
        (
            normal_boltzmann(6, 0, 0.6, 1),
            [Sweep::Units, Sweep::Blocks],
        ),
        (
            normal_boltzmann(4, 4, 0.6, 2),
            [Sweep::Units, Sweep::Blocks],
        ),
        (sparse(), [Sweep::Units, Sweep::Blocks]),
        (rbm, [Sweep::Units, Sweep::Automatic]),
    ];
    for (k, (machine, sweeps)) in machines.iter().enumerate() {
        for beta in [0.5, 1.0, 2.0] {
            let p = machine.joint_distribution(beta, &mut ()).unwrap();
            let start = draw_states(&p, machine.units(), CHAINS, 10 + k as u64);
            let (v, h) = split(&start, machine.n_visible());
            for sweep in sweeps {
                let mut chain = BoltzmannChain::from_states(machine, &v, &h, *sweep, 3).unwrap();
                assert_eq!(chain.is_by_blocks(), *sweep != Sweep::Units);
                assert_eq!(joined(&chain), start);
                for sweeps in [1, 3, 12] {
                    chain.sweep(sweeps, beta as f32).unwrap();
                    let what = format!(
                        "machine {k}, {sweep:?}, beta {beta}, {} sweeps",
                        chain.sweeps()
                    );
                    assert_in_distribution(&joined(&chain), &p, &what);
                    if *sweep == Sweep::Automatic {
                        let layers = vec![chain.visible().clone(), chain.hidden().clone()];
                        let (seed, done) = (chain.seed(), chain.sweeps());
                        let again = BoltzmannChain::restored(machine, layers, seed, done);
                        let (mut again, mut straight) = (again.unwrap(), chain.clone());
                        again.sweep(2, 1.0).unwrap();
                        straight.sweep(2, 1.0).unwrap();
                        assert_eq!(joined(&again), joined(&straight), "{what}");
                    }
                }
            }
        }
    }
}

/// From fair coins, forty sweeps of small machines, whose slowest modes decay within a few.
#[test]
fn chains_reach_the_distribution() {
    for machine in [normal_boltzmann(5, 3, 0.6, 4), sparse()] {
        let p = machine.joint_distribution(1.0, &mut ()).unwrap();
        for sweep in [Sweep::Units, Sweep::Blocks] {
            let mut chain = machine.chains_by(sweep, CHAINS, 5).unwrap();
            assert_in_distribution(&joined(&chain), &[1.0 / 256.0; 256], "fair coins");
            chain.sweep(40, 1.0).unwrap();
            assert_in_distribution(&joined(&chain), &p, "after 40 sweeps");
        }
    }
}

/// A chain's energies are those of its states, for counts of chains that fill no word.
#[test]
fn energies_are_those_of_the_states() {
    for machine in [normal_boltzmann(5, 3, 0.6, 4), sparse()] {
        for sweep in [Sweep::Units, Sweep::Blocks] {
            let mut chain = machine.chains_by(sweep, 131, 5).unwrap();
            chain.sweep(3, 1.0).unwrap();
            let expected = machine.energy(chain.visible(), chain.hidden()).unwrap();
            for (x, expected) in chain.energies().iter().zip(expected) {
                // 36 terms below 2 each, in f32.
                let bound = 36.0 * 36.0 * 2.0 * f64::from(f32::EPSILON);
                assert!((x - expected).abs() < bound, "{x}, not {expected}");
            }
        }
    }
}

/// Units held at other values in every other chain: each half samples its own conditional
/// distribution.
#[test]
fn held_units_condition_the_rest() {
    for machine in [normal_boltzmann(5, 3, 0.6, 6), sparse()] {
        let p = machine.joint_distribution(1.0, &mut ()).unwrap();
        let mask_v = BitMatrix::from_fn(1, 5, |_, i| i == 1 || i == 4);
        let mask_h = BitMatrix::from_fn(CHAINS, 3, |k, j| j == 0 && k % 2 == 0);
        let values_v = BitMatrix::from_fn(CHAINS, 5, |k, i| i == 1 || k % 2 == 0);
        let values_h = BitMatrix::from_fn(1, 3, |_, _| true);
        let clamp_v = Clamp::new(machine.visible(), values_v, mask_v).unwrap();
        let clamp_h = Clamp::new(machine.hidden(), values_h, mask_h).unwrap();
        for sweep in [Sweep::Units, Sweep::Blocks] {
            let chain = machine.chains_by(sweep, CHAINS, 7).unwrap();
            let chain = chain.clamped(0, clamp_v.clone()).unwrap();
            let mut chain = chain.clamped(1, clamp_h.clone()).unwrap();
            chain.sweep(40, 1.0).unwrap();
            let x = joined(&chain);
            for half in [0, 1] {
                let fits = |state: usize| {
                    let bit = |i: usize| state >> i & 1 == 1;
                    bit(1) && bit(4) == (half == 0) && (half == 1 || bit(5))
                };
                let total: f64 = (0..256).filter(|&s| fits(s)).map(|s| p[s]).sum();
                let given: Vec<f64> = (0..256)
                    .map(|s| if fits(s) { p[s] / total } else { 0.0 })
                    .collect();
                let rows = BitMatrix::from_fn(CHAINS / 2, 8, |k, i| x.get(2 * k + half, i));
                assert!((0..rows.rows()).all(|k| fits(index_of(&rows, k))));
                assert_in_distribution(&rows, &given, "given held units");
            }
        }
    }
    let machine = normal_boltzmann(5, 3, 0.6, 6);
    let chain = machine.chains_by(Sweep::Units, 4, 7).unwrap();
    let zeros = BitMatrix::zeros(3, 5);
    let clamp = Clamp::new(machine.visible(), zeros.clone(), zeros).unwrap();
    assert!(chain.clamped(0, clamp).is_err());
}

#[test]
fn the_same_bits_at_any_number_of_threads() {
    let dense = normal_boltzmann(70, 60, 0.1, 1);
    let rbm = BoltzmannMachine::try_from(&normal_rbm(150, 90, 0.1, 1)).unwrap();
    for machine in [dense, rbm] {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut chain = machine.chains(300, 3).unwrap();
                chain.sweep(5, 1.0).unwrap();
                joined(&chain)
            })
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(7));
    }
}
