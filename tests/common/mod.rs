//! Small machines, data, counts and runs that several test files share.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "each test file uses its own part"
)]

pub mod boltzmann;
pub mod counts;
pub mod dbm;
pub mod dbn;
pub mod family;
pub mod files;
pub mod memory;
pub mod missing;
pub mod network;
pub mod pretraining;
pub mod rbm;
pub mod trajectories;
pub mod twin;
pub mod units;

use harmonium::{
    States,
    bits::BitMatrix,
    evaluate::{Ais, Betas},
    matrix::Matrix,
    model::{BoltzmannMachine, Layer, Rbm},
    rng::HostRng,
    units::{Kind, Units},
};

/// An RBM whose parameters are drawn by `draw`.
pub fn random_rbm(n_visible: usize, n_hidden: usize, mut draw: impl FnMut() -> f64) -> Rbm {
    let weights = Matrix::from_fn(n_visible, n_hidden, |_, _| draw() as f32);
    let visible: Vec<f32> = (0..n_visible).map(|_| draw() as f32).collect();
    let hidden = (0..n_hidden).map(|_| draw() as f32).collect();
    Rbm::from_parameters([visible, hidden], [weights]).unwrap()
}

/// All parameters `deviation * N(0, 1)`.
pub fn normal_rbm(n_visible: usize, n_hidden: usize, deviation: f64, seed: u64) -> Rbm {
    let mut rng = HostRng::numbered(seed, 99);
    random_rbm(n_visible, n_hidden, || deviation * rng.normal())
}

/// Every state of `n` units, in the order of its index.
pub fn all_states(n: usize) -> BitMatrix {
    BitMatrix::from_fn(1 << n, n, |i, j| i >> j & 1 == 1)
}

/// `rows` states of `n` units, each row the number `state(row)`.
pub fn states(rows: usize, n: usize, mut state: impl FnMut(usize) -> usize) -> BitMatrix {
    let mut out = BitMatrix::zeros(rows, n);
    for i in 0..rows {
        let index = state(i);
        for j in 0..n {
            out.set(i, j, index >> j & 1 == 1);
        }
    }
    out
}

/// The index of row `i`.
pub fn index_of(bits: &BitMatrix, i: usize) -> usize {
    (0..bits.columns())
        .map(|j| usize::from(bits.get(i, j)) << j)
        .sum()
}

/// `count` states drawn from a distribution over the indices of `n` units.
pub fn draw_states(p: &[f64], n: usize, count: usize, seed: u64) -> BitMatrix {
    let mut rng = HostRng::numbered(seed, 98);
    let cumulated: Vec<f64> = p
        .iter()
        .scan(0.0, |sum, p| {
            *sum += p;
            Some(*sum)
        })
        .collect();
    states(count, n, |_| {
        let u = rng.uniform();
        cumulated.partition_point(|&c| c < u).min(p.len() - 1)
    })
}

/// Total variation distance between the rows and `p`.
pub fn total_variation(rows: &BitMatrix, p: &[f64]) -> f64 {
    let mut counts = vec![0.0; p.len()];
    for i in 0..rows.rows() {
        counts[index_of(rows, i)] += 1.0 / rows.rows() as f64;
    }
    0.5 * counts
        .iter()
        .zip(p)
        .map(|(a, b)| (a - b).abs())
        .sum::<f64>()
}

/// The Monte-Carlo floor of [`total_variation`] of `n` independent rows: half the sum of the
/// standard errors.
pub fn total_variation_floor(p: &[f64], n: usize) -> f64 {
    0.5 * p
        .iter()
        .map(|p| (p * (1.0 - p) / n as f64).sqrt())
        .sum::<f64>()
}

/// The bits of a string of zeros and ones, a row a word.
pub fn rows(text: &str) -> BitMatrix {
    let rows: Vec<&[u8]> = text.split_whitespace().map(str::as_bytes).collect();
    BitMatrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j] == b'1')
}

/// A machine of any units, as a model file names them, with parameters `deviation * N(0, 1)`,
/// log-variances included.
pub fn normal_machine(
    (visible, n): (&str, usize),
    (hidden, m): (&str, usize),
    deviation: f64,
    seed: u64,
) -> Rbm {
    let mut rng = HostRng::numbered(seed, 97);
    let mut layer = |text: &str, n: usize| {
        let mut layer = Layer::new(Units::parse(text, n).unwrap());
        for x in &mut layer.bias {
            *x = (deviation * rng.normal()) as f32;
        }
        for s in layer.units.segments().to_vec() {
            if s.kind == Kind::Gaussian {
                for x in &mut layer.log_variance[s.range()] {
                    *x = (deviation * rng.normal()) as f32;
                }
            }
        }
        layer
    };
    let (visible, hidden) = (layer(visible, n), layer(hidden, m));
    let weights = Matrix::from_fn(n, m, |_, _| (deviation * rng.normal()) as f32);
    Rbm::from_parameters([visible, hidden], [weights]).unwrap()
}

/// Every state of a discrete layer, in the order of its index.
pub fn layer_states(layer: &Layer) -> Matrix {
    let count = layer.states().unwrap() as usize;
    let states: Vec<f32> = (0..count).flat_map(|k| layer.state(k as u64)).collect();
    Matrix::from_slice(&states, count, layer.size()).unwrap()
}

/// `rows` as the layer keeps its states.
pub fn as_states(layer: &Layer, rows: Matrix) -> States {
    if layer.units.are_binary() {
        BitMatrix::from_matrix(&rows).unwrap().into()
    } else {
        rows.into()
    }
}

/// `count` states of a discrete layer, drawn from `p` by index.
pub fn draw_layer_states(layer: &Layer, p: &[f64], count: usize, seed: u64) -> States {
    let mut rng = HostRng::numbered(seed, 96);
    as_states(layer, draw_rows(&layer_states(layer), p, count, &mut rng))
}

/// `count` of the rows `all`, drawn from `p`.
pub fn draw_rows(all: &Matrix, p: &[f64], count: usize, rng: &mut HostRng) -> Matrix {
    let mut rows = Matrix::zeros(count, all.columns());
    for i in 0..count {
        let mut u = rng.uniform();
        let k = p.iter().position(|p| {
            u -= p;
            u < 0.0
        });
        rows.row_mut(i)
            .copy_from_slice(all.row(k.unwrap_or(p.len() - 1)));
    }
    rows
}

/// Total variation distance between the rows, states of `layer`, and `p` by index.
pub fn states_variation(layer: &Layer, rows: &States, p: &[f64]) -> f64 {
    let all = layer_states(layer);
    let rows = rows.to_matrix();
    let mut share = vec![0.0; p.len()];
    for i in 0..rows.rows() {
        let k = (0..all.rows()).position(|k| all.row(k) == rows.row(i));
        share[k.expect("a state of the layer")] += 1.0 / rows.rows() as f64;
    }
    let distance: f64 = share.iter().zip(p).map(|(a, b)| (a - b).abs()).sum();
    0.5 * distance
}

/// A general machine with all couplings, `A` and the biases `deviation * N(0, 1)`: `R` and `S` are
/// half of `A`.
pub fn normal_boltzmann(
    n_visible: usize,
    n_hidden: usize,
    deviation: f64,
    seed: u64,
) -> BoltzmannMachine {
    let mut rng = HostRng::numbered(seed, 95);
    let n = n_visible + n_hidden;
    let mut edges = Vec::new();
    for i in 0..n {
        for j in i + 1..n {
            let half = if (i < n_visible) == (j < n_visible) {
                0.5
            } else {
                1.0
            };
            edges.push((i, j, (half * deviation * rng.normal()) as f32));
        }
    }
    let mut machine = BoltzmannMachine::from_edges(n_visible, n_hidden, &edges).unwrap();
    for (name, n) in [("bias.0", n_visible), ("bias.1", n_hidden)] {
        let bias: Vec<f32> = (0..n).map(|_| (deviation * rng.normal()) as f32).collect();
        if n > 0 {
            machine.set_parameter(name, &bias).unwrap();
        }
    }
    machine
}

/// The same with visible `units`, and without couplings between those of a softmax group.
pub fn normal_potts(
    units: &str,
    (n_visible, n_hidden): (usize, usize),
    deviation: f64,
    seed: u64,
) -> BoltzmannMachine {
    let machine = normal_boltzmann(n_visible, n_hidden, deviation, seed);
    let units = Units::parse(units, n_visible).unwrap();
    let group = |i: usize| {
        let mut all = units.segments().iter();
        all.position(|s| s.kind == Kind::Softmax && s.range().contains(&i))
    };
    let within = Matrix::from_fn(n_visible, n_visible, |i, j| {
        let is_of_group = group(i).is_some() && group(i) == group(j);
        if is_of_group {
            0.0
        } else {
            machine.visible_weights().row(i)[j]
        }
    });
    let visible = Layer {
        units: units.clone(),
        ..machine.visible().clone()
    };
    let weights = [machine.weights(), machine.hidden_weights()].map(Clone::clone);
    let [between, hidden] = weights;
    BoltzmannMachine::from_parameters(
        [visible, machine.hidden().clone()],
        [within, between, hidden],
    )
    .unwrap()
}

/// `p` of every pattern of on and off of all units, most of which no softmax group has; from the
/// machine of as many Bernoulli units, given that one unit of each group is on.
pub fn patterns_of_potts(machine: &BoltzmannMachine, beta: f64) -> Vec<f64> {
    let units = machine.visible().units.clone();
    let bits = Units::of(Kind::Bernoulli, units.size());
    let bits = machine.clone().with_visible_units(bits).unwrap();
    let mut p = bits.joint_distribution(beta, &mut ()).unwrap();
    for (state, p) in p.iter_mut().enumerate() {
        let mut groups = units.segments().iter().filter(|s| s.kind == Kind::Softmax);
        if !groups.all(|s| s.range().filter(|i| state >> i & 1 == 1).count() == 1) {
            *p = 0.0;
        }
    }
    let sum: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= sum);
    p
}

pub fn assert_in_distribution(v: &BitMatrix, p: &[f64], what: &str) {
    let (distance, floor) = (total_variation(v, p), total_variation_floor(p, v.rows()));
    assert!(
        distance < 4.0 * floor,
        "{what}: total variation {distance}, Monte-Carlo floor {floor}"
    );
}

pub fn linear(chains: usize, betas: usize, seed: u64) -> Ais {
    Ais {
        chains,
        betas: Betas::Linear(betas),
        seed,
        ..Ais::default()
    }
}

/// f64 rounding of sums of a few thousand terms.
pub const ROUNDING: f64 = 1e-10;

pub fn assert_close(a: f64, b: f64, bound: f64, what: &str) {
    assert!((a - b).abs() <= bound, "{what}: {a} for {b}");
}
