//! Deep Boltzmann machines by the sum over all joint states, in f64, written once more.

#![allow(
    clippy::needless_range_loop,
    reason = "indices are those of the formulas"
)]

use harmonium::{
    Input, States,
    bits::BitMatrix,
    matrix::Matrix,
    model::{Dbm, Layer},
    rng::HostRng,
    units::Kind,
};

/// All parameters `deviation N(0, 1)`.
pub fn random(layers: Vec<Layer>, deviation: f64, seed: u64) -> Dbm {
    let mut rng = HostRng::numbered(seed, 77);
    let mut draw = || (deviation * rng.normal()) as f32;
    let mut layers = layers;
    for layer in &mut layers {
        layer.bias.iter_mut().for_each(|b| *b = draw());
    }
    let weights = layers
        .windows(2)
        .map(|x| Matrix::from_fn(x[0].size(), x[1].size(), |_, _| draw()))
        .collect::<Vec<_>>();
    Dbm::from_parameters(layers, weights).unwrap()
}

pub fn bernoulli(sizes: &[usize], deviation: f64, seed: u64) -> Dbm {
    random(
        sizes.iter().map(|&n| Layer::bernoulli(n)).collect(),
        deviation,
        seed,
    )
}

/// First unit of every layer, and the number of all.
pub fn firsts(dbm: &Dbm) -> Vec<usize> {
    let mut firsts = vec![0];
    for layer in dbm.layers() {
        firsts.push(firsts.last().unwrap() + layer.size());
    }
    firsts
}

/// Every joint state, layer 0 the lowest bits, that has exactly one unit on in each softmax group,
/// with `-E`.
pub fn joint(dbm: &Dbm) -> Vec<(usize, f64)> {
    let firsts = firsts(dbm);
    let all = *firsts.last().unwrap();
    let fits = |state: usize| {
        dbm.layers().iter().zip(&firsts).all(|(layer, first)| {
            layer.units.segments().iter().all(|s| {
                let mask = ((1 << s.size) - 1) << (first + s.first);
                s.kind != Kind::Softmax || (state & mask).count_ones() == 1
            })
        })
    };
    let on = |state: usize, unit: usize| state >> unit & 1 == 1;
    (0..1_usize << all)
        .filter(|&state| fits(state))
        .map(|state| {
            let mut sum = 0.0;
            for (l, layer) in dbm.layers().iter().enumerate() {
                for i in (0..layer.size()).filter(|i| on(state, firsts[l] + i)) {
                    sum += f64::from(layer.bias[i]);
                    if l + 1 < dbm.n_layers() {
                        let row = dbm.weights(l).row(i).iter().enumerate();
                        let row = row.filter(|(j, _)| on(state, firsts[l + 1] + j));
                        sum += row.map(|(_, &w)| f64::from(w)).sum::<f64>();
                    }
                }
            }
            (state, sum)
        })
        .collect()
}

pub fn log_sum(x: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = x.clone().fold(f64::MIN, f64::max);
    most + x.map(|x| (x - most).exp()).sum::<f64>().ln()
}

pub fn probabilities(joint: &[(usize, f64)], beta: f64) -> Vec<(usize, f64)> {
    let log_z = log_sum(joint.iter().map(|x| beta * x.1));
    let p = |&(state, x): &(usize, f64)| (state, (beta * x - log_z).exp());
    joint.iter().map(p).collect()
}

/// `count` joint states drawn from `p`, as states of every layer.
pub fn drawn(dbm: &Dbm, p: &[(usize, f64)], count: usize, seed: u64) -> Vec<States> {
    let mut rng = HostRng::numbered(seed, 78);
    let mut sum = 0.0;
    let cumulated: Vec<f64> = p
        .iter()
        .map(|x| {
            sum += x.1;
            sum
        })
        .collect();
    let states: Vec<usize> = (0..count)
        .map(|_| {
            let u = rng.uniform() * sum;
            p[cumulated.partition_point(|&c| c < u).min(p.len() - 1)].0
        })
        .collect();
    split(dbm, &states)
}

/// Joint states as states of every layer.
pub fn split(dbm: &Dbm, states: &[usize]) -> Vec<States> {
    let firsts = firsts(dbm);
    let layers = dbm.layers().iter().zip(firsts);
    layers
        .map(|(layer, first)| {
            let bit = |s: usize, i: usize| states[s] >> (first + i) & 1 == 1;
            BitMatrix::from_fn(states.len(), layer.size(), bit).into()
        })
        .collect()
}

pub fn inputs(states: &[States]) -> Vec<Input<'_>> {
    states.iter().map(States::view).collect()
}

/// Layers of a parity side by side, and the distribution of these.
pub fn block(
    dbm: &Dbm,
    states: &[States],
    p: &[(usize, f64)],
    parity: usize,
) -> (BitMatrix, Vec<f64>) {
    let firsts = firsts(dbm);
    let layers: Vec<usize> = (parity..dbm.n_layers()).step_by(2).collect();
    let place = |l: usize| -> (usize, usize) {
        let below = layers.iter().filter(|&&k| k < l);
        (
            below.map(|&k| dbm.layer(k).size()).sum(),
            dbm.layer(l).size(),
        )
    };
    let n = layers.iter().map(|&l| dbm.layer(l).size()).sum();
    let mut bits = BitMatrix::zeros(states[0].rows(), n);
    let mut marginal = vec![0.0; 1 << n];
    for &l in &layers {
        let (first, size) = place(l);
        for s in 0..bits.rows() {
            for i in 0..size {
                bits.set(s, first + i, states[l].bits().unwrap().get(s, i));
            }
        }
    }
    for &(state, p) in p {
        let index: usize = layers
            .iter()
            .map(|&l| {
                let (first, size) = place(l);
                (state >> firsts[l] & ((1 << size) - 1)) << first
            })
            .sum();
        marginal[index] += p;
    }
    (bits, marginal)
}

pub fn close(what: &str, got: f64, expected: f64, tolerance: f64) {
    assert!(
        (got - expected).abs() <= tolerance,
        "{what}: {got}, expected {expected} within {tolerance}"
    );
}
