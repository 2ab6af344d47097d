//! ferrotherm beside harmonium.
//!
//! Usage: `ferrotherm-peer FILE.ising sampler|multispin CHAINS SWEEPS SECONDS`.
//!
//! Prints one JSON object: the version, mean energy and magnetization a spin of CHAINS independent
//! chains after SWEEPS sweeps at inverse temperature 1 with their standard errors, and, where
//! SECONDS is above 0, the median nanoseconds of a spin update over runs that long together.

use ferrotherm::{
    gibbs::Sampler,
    graph::{Graph, GraphBuilder},
    multispin::{Multispin, REPLICAS},
};
use std::{env, fs, time::Instant};

const VERSION: &str = "0.44.0";
const RUNS: usize = 15;

/// Lines `i j J` and `i i f` of `E = -sum J s s - sum f s`, which is ferrotherm's energy too.
fn graph(path: &str) -> Graph {
    let text = fs::read_to_string(path).expect("a file of couplings");
    let lines: Vec<(usize, usize, f64)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut fields = line.split(' ');
            let mut next = || fields.next().expect("three numbers");
            let (i, j) = (next(), next());
            let [i, j] = [i, j].map(|unit| unit.parse().expect("a unit"));
            (i, j, next().parse().expect("a number"))
        })
        .collect();
    let n = 1 + lines.iter().map(|&(i, ..)| i).max().expect("a spin");
    let mut builder = GraphBuilder::new(n);
    for (i, j, x) in lines {
        match i == j {
            true => builder.bias(i, x),
            false => builder.couple(i, j, x),
        }
    }
    builder.build()
}

/// The mean and its standard error.
fn mean(x: &[f64]) -> [f64; 2] {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    [mean, (variance / n).sqrt()]
}

/// Median nanoseconds of `sweep`.
fn median_ns(seconds: f64, mut sweep: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut warm = 0;
    while warm == 0 || start.elapsed().as_secs_f64() < 0.1 * seconds {
        sweep();
        warm += 1;
    }
    let one = start.elapsed().as_secs_f64() / f64::from(warm);
    let repeats = (seconds / RUNS as f64 / one).max(1.0) as u32;
    let mut runs: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            (0..repeats).for_each(|_| sweep());
            1e9 * start.elapsed().as_secs_f64() / f64::from(repeats)
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    runs[RUNS / 2]
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, path, sampler, chains, sweeps, seconds] = &arguments[..] else {
        panic!("expected FILE.ising sampler|multispin CHAINS SWEEPS SECONDS");
    };
    let graph = graph(path);
    let chains: usize = chains.parse().expect("a number of chains");
    let sweeps: usize = sweeps.parse().expect("a number of sweeps");
    let seconds: f64 = seconds.parse().expect("seconds");
    let multispin = sampler == "multispin";
    let (mut states, mut ns) = (Vec::new(), None);
    if multispin {
        for seed in 0..chains.div_ceil(REPLICAS) {
            let replicas = Multispin::new(&graph, 1.0, seed as u64);
            let mut replicas = replicas.expect("couplings of one size");
            (0..sweeps).for_each(|_| drop(replicas.sweep(None)));
            states.extend((0..REPLICAS).map(|r| replicas.replica(r)));
            if seconds > 0.0 {
                let sweep = || drop(replicas.sweep(None));
                ns = Some(median_ns(seconds, sweep) / (graph.n * REPLICAS) as f64);
                break;
            }
        }
    } else {
        for seed in 0..chains {
            let mut chain = Sampler::new(&graph, 1.0, seed as u64);
            chain.sweeps(sweeps, None);
            states.push(chain.s.clone());
            if seconds > 0.0 {
                ns = Some(median_ns(seconds, || chain.sweep(None)) / graph.n as f64);
                break;
            }
        }
    }
    let told = if let Some(ns) = ns {
        format!("\"ns\": {ns}")
    } else {
        let n = graph.n as f64;
        let energies: Vec<f64> = states.iter().map(|s| graph.energy(s) / n).collect();
        let sum = |s: &Vec<i8>| s.iter().map(|&s| f64::from(s)).sum::<f64>() / n;
        let magnetizations: Vec<f64> = states.iter().map(sum).collect();
        let (energy, magnetization) = (mean(&energies), mean(&magnetizations));
        format!("\"energy\": {energy:?}, \"magnetization\": {magnetization:?}")
    };
    println!("{{\"version\": \"{VERSION}\", {told}}}");
}
