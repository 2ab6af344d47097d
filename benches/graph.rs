//! Gibbs sweeps over graphs of spins through the chains of a general machine, in spin updates: a
//! torus, random graphs, all pairs.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harmonium::{BitMatrix, BoltzmannMachine, rng::HostRng};
use std::{collections::BTreeSet, hint::black_box};

const SIDE: usize = 64;
const SPINS: usize = SIDE * SIDE;
const DENSE: usize = 200;
const CHAINS: [usize; 2] = [64, 1024];
/// Deviation of a coupling of spins, times the root of the number of neighbors.
const COUPLING: f64 = 0.5;

type Pairs = BTreeSet<(usize, usize)>;

/// A square lattice whose opposite borders meet.
fn torus() -> Pairs {
    let at = |row: usize, column: usize| row % SIDE * SIDE + column % SIDE;
    let mut pairs = Pairs::new();
    for i in 0..SPINS {
        let (row, column) = (i / SIDE, i % SIDE);
        for j in [at(row, column + 1), at(row + 1, column)] {
            pairs.insert((i.min(j), i.max(j)));
        }
    }
    pairs
}

/// Random pairs, half as many as all spins have neighbors in the mean.
fn random(neighbors: usize, rng: &mut HostRng) -> Pairs {
    let mut pairs = Pairs::new();
    while pairs.len() < SPINS * neighbors / 2 {
        let (i, j) = (rng.below(SPINS), rng.below(SPINS));
        if i != j {
            pairs.insert((i.min(j), i.max(j)));
        }
    }
    pairs
}

fn dense() -> Pairs {
    (0..DENSE)
        .flat_map(|i| (0..i).map(move |j| (j, i)))
        .collect()
}

/// Random couplings that leave the spins disordered, and no fields.
fn machine(spins: usize, pairs: &Pairs, rng: &mut HostRng) -> BoltzmannMachine {
    let neighbors = 2.0 * pairs.len() as f64 / spins as f64;
    let mut biases = vec![0.0; spins];
    let edges: Vec<_> = pairs
        .iter()
        .map(|&(i, j)| {
            // A pair of bits counts twice, and stands for four times the coupling of two spins.
            let weight = (2.0 * COUPLING / neighbors.sqrt() * rng.normal()) as f32;
            biases[i] -= weight;
            biases[j] -= weight;
            (i, j, weight)
        })
        .collect();
    let mut machine = BoltzmannMachine::from_edges(spins, 0, &edges).expect("pairs of spins");
    let set = machine.set_parameter("bias.0", &biases);
    set.expect("as many as there are spins");
    machine
}

fn sweeps(c: &mut Criterion) {
    let mut rng = HostRng::numbered(2, 5);
    let mut graphs = vec![("torus".to_owned(), SPINS, torus())];
    for neighbors in [3, 6, 20] {
        let name = format!("random, {neighbors} neighbors in the mean");
        graphs.push((name, SPINS, random(neighbors, &mut rng)));
    }
    graphs.push(("all pairs".to_owned(), DENSE, dense()));
    let mut group = c.benchmark_group("graph");
    for (name, spins, pairs) in graphs {
        let machine = machine(spins, &pairs, &mut rng);
        for chains in CHAINS {
            let mut chain = machine.chains(chains, 1).expect("chains");
            group.throughput(Throughput::Elements((spins * chains) as u64));
            group.bench_function(BenchmarkId::new(&name, chains), |b| {
                b.iter(|| chain.sweep(black_box(1), 1.0).expect("a finite beta"));
            });
            assert_balanced(chain.visible().bits().expect("bits"), spins * chains);
        }
    }
    group.finish();
}

/// Without fields a spin is as often up as down: to within six standard deviations of the mean of
/// as many independent ones, and what their correlation adds, which is below as much again.
fn assert_balanced(states: &BitMatrix, spins: usize) {
    let ones: usize = (0..states.rows())
        .map(|i| (0..states.columns()).filter(|&j| states.get(i, j)).count())
        .sum();
    let share = ones as f64 / spins as f64;
    assert!((share - 0.5).abs() < 12.0 * 0.5 / (spins as f64).sqrt());
}

criterion_group!(benches, sweeps);
criterion_main!(benches);
