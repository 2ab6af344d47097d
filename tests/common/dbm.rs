//! Deep Boltzmann machines by the sum over all joint states, in f64, written once more.

#![allow(
    clippy::needless_range_loop,
    reason = "indices are those of the formulas"
)]

use harmonium::{
    Input, States,
    bits::BitMatrix,
    dataset::{self, Examples},
    matrix::Matrix,
    model::{Dbm, Layer, MeanField},
    rng::HostRng,
    train::{DbmOptions, Learning, Negative, Positive, Schedule},
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

pub const SIZES: [&[usize]; 4] = [
    &[5, 4, 6, 3],
    &[5, 6, 7],
    &[4, 4, 2, 4, 3],
    &[4, 3, 2, 2, 3, 2],
];

pub fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The means of layer `l >= 1` given those of its neighbors, in f64.
pub fn field(dbm: &Dbm, q: &[Vec<f64>], l: usize) -> Vec<f64> {
    let layer = dbm.layer(l);
    let x: Vec<f64> = (0..layer.size())
        .map(|j| {
            let below = q[l - 1].iter().enumerate();
            let below = below.map(|(i, q)| q * f64::from(dbm.weights(l - 1).row(i)[j]));
            let above = q.get(l + 1).into_iter().flatten().enumerate();
            let above = above.map(|(k, q)| q * f64::from(dbm.weights(l).row(j)[k]));
            f64::from(layer.bias[j]) + below.sum::<f64>() + above.sum::<f64>()
        })
        .collect();
    if layer.units.have(Kind::Softmax) {
        let sum = log_sum(x.iter().copied());
        x.iter().map(|x| (x - sum).exp()).collect()
    } else {
        x.iter().map(|x| logistic(*x)).collect()
    }
}

/// `KL(Q || P)` over hidden states, and labels unless they are held: the states of `p`.
pub fn divergence(dbm: &Dbm, p: &[(usize, f64)], q: &[Vec<f64>]) -> f64 {
    let firsts = firsts(dbm);
    p.iter()
        .map(|&(state, p)| {
            let mut log_q = 0.0;
            for l in 1..dbm.n_layers() {
                let groups = dbm.layer(l).units.have(Kind::Softmax);
                for (i, q) in q[l].iter().enumerate() {
                    let on = state >> (firsts[l] + i) & 1 == 1;
                    log_q += match (on, groups) {
                        (true, _) => q.ln(),
                        (false, true) => 0.0,
                        (false, false) => (-q).ln_1p(),
                    };
                }
            }
            log_q.exp() * (log_q - p.ln())
        })
        .sum()
}

/// Options of one bare update along the gradient itself.
pub fn bare(chains: usize, batch: usize) -> DbmOptions {
    DbmOptions {
        positive: Positive::MeanField(MeanField {
            iterations: 300,
            tolerance: 0.0,
            damping: 0.0,
        }),
        negative: Negative::Persistent { chains, steps: 2 },
        centering: None,
        learning: Learning {
            batch_size: batch,
            learning_rate: Schedule::Constant(1.0),
            momentum: Schedule::Constant(0.0),
            weight_decay: 0.0,
            ..DbmOptions::default().learning
        },
        ..DbmOptions::default()
    }
}

/// Until means change by less than 1e-6.
pub const EXACT: MeanField = MeanField {
    iterations: 2000,
    tolerance: 1e-6,
    damping: 0.0,
};

pub fn layers(sizes: &[usize]) -> Vec<Layer> {
    let (classes, below) = sizes.split_last().unwrap();
    let mut layers: Vec<Layer> = below.iter().map(|&n| Layer::bernoulli(n)).collect();
    layers.push(Layer::of(Kind::Softmax, *classes));
    layers
}

pub fn labeled(sizes: &[usize], deviation: f64, seed: u64) -> Dbm {
    random(layers(sizes), deviation, seed)
}

/// Bars and stripes of side 3 with the label which of the two they are. The empty and the full
/// image are both, once each.
pub fn bars_and_stripes() -> Examples {
    let data = dataset::bars_and_stripes(3);
    let labels = (0..16).map(|i| u32::from(i >= 8)).collect();
    data.with_labels(labels).unwrap()
}

pub fn mean_of_labels(log_p: &Matrix, labels: &[u32]) -> f64 {
    let terms = labels.iter().enumerate();
    let terms = terms.map(|(s, &y)| f64::from(log_p.row(s)[y as usize]));
    terms.sum::<f64>() / labels.len() as f64
}

/// Sizes of all layers, the last that of the label: above an odd and above an even layer, and above
/// one hidden layer.
pub const LABELED: [&[usize]; 4] = [&[5, 4, 3, 3], &[4, 3, 2, 3, 3], &[5, 4, 3], &[4, 3, 4, 2]];
