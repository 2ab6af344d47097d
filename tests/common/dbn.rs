//! Deep belief networks by brute force: all states of all layers, plain loops in f64.

use crate::common::normal_machine;
use harmonium::{
    BitMatrix, Dbn, Examples, Matrix, States,
    model::{Directed, Layer},
    rng::HostRng,
    train::{Learning, Schedule, UpDownOptions},
};

/// Layers of these sizes, `labels` more units below the top, parameters `deviation N(0, 1)`,
/// weights untied in every second pair from the first on.
pub fn normal_dbn(sizes: &[usize], labels: usize, deviation: f64, seed: u64) -> Dbn {
    let mut rng = HostRng::numbered(seed, 50);
    let mut normal = || (deviation * rng.normal()) as f32;
    let pairs = sizes.len() - 2;
    let mut directed = Vec::new();
    for l in 0..pairs {
        let mut layer = |n: usize| Layer {
            bias: (0..n).map(|_| normal()).collect(),
            ..Layer::bernoulli(n)
        };
        let (below, above) = (layer(sizes[l]), layer(sizes[l + 1]));
        let mut weights = || Matrix::from_fn(sizes[l], sizes[l + 1], |_, _| normal());
        let recognition = (l % 2 == 0).then(&mut weights);
        directed.push(Directed::new(below, above, weights(), recognition).unwrap());
    }
    let (n, m) = (sizes[pairs] + labels, sizes[pairs + 1]);
    let units = if labels > 0 {
        format!("bernoulli+softmax:{labels}")
    } else {
        "bernoulli".into()
    };
    let top = normal_machine((&units, n), ("bernoulli", m), deviation, seed + 1);
    Dbn::from_parts(directed, top).unwrap()
}

pub fn bits_of(index: usize, n: usize) -> Vec<f64> {
    (0..n).map(|i| f64::from((index >> i & 1) as u8)).collect()
}

pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `prod p^t (1 - p)^(1 - t)`.
pub fn bernoulli(t: &[f64], p: &[f64]) -> f64 {
    t.iter()
        .zip(p)
        .map(|(&t, &p)| if t == 1.0 { p } else { 1.0 - p })
        .product()
}

pub fn generated(pair: &Directed, h: &[f64]) -> Vec<f64> {
    let w = pair.generative_weights();
    let input = |i: usize| -> f64 {
        let sum: f64 = w.row(i).iter().zip(h).map(|(&w, h)| f64::from(w) * h).sum();
        sum + f64::from(pair.below().bias[i])
    };
    (0..pair.below().size())
        .map(|i| sigmoid(input(i)))
        .collect()
}

pub fn inferred(pair: &Directed, x: &[f64]) -> Vec<f64> {
    let r = pair.recognition_weights();
    let input = |j: usize| -> f64 {
        let sum: f64 = x
            .iter()
            .enumerate()
            .map(|(i, x)| f64::from(r.row(i)[j]) * x)
            .sum();
        sum + f64::from(pair.above().bias[j])
    };
    (0..pair.above().size())
        .map(|j| sigmoid(input(j)))
        .collect()
}

/// States of all layers, that below the top with its label, and the joint and the recognition
/// probability of all but the top layer given `v`.
pub struct Joint {
    pub layers: Vec<Vec<f64>>,
    pub class: usize,
    pub p: f64,
    pub q: f64,
}

/// Every joint state.
pub fn brute(dbn: &Dbn) -> Vec<Joint> {
    let pairs = dbn.directed();
    let labels = dbn.label_group().map_or(1, |group| group.size);
    let sizes: Vec<usize> = pairs
        .iter()
        .map(|pair| pair.below().size())
        .chain([dbn.n_features(), dbn.top().n_hidden()])
        .collect();
    let all: usize = sizes.iter().sum();
    let (w, visible) = (dbn.top().weights(), dbn.top().visible());
    let mut out = Vec::new();
    for index in 0..1 << all {
        for class in 0..labels {
            let mut at = index;
            let mut layers: Vec<Vec<f64>> = Vec::new();
            for &n in &sizes {
                layers.push(bits_of(at & ((1 << n) - 1), n));
                at >>= n;
            }
            let (mut p, mut q) = (1.0, 1.0);
            for (l, pair) in pairs.iter().enumerate() {
                p *= bernoulli(&layers[l], &generated(pair, &layers[l + 1]));
                q *= bernoulli(&layers[l + 1], &inferred(pair, &layers[l]));
            }
            let below = pairs.len();
            if dbn.label_group().is_some() {
                let one_hot = (0..labels).map(|y| f64::from(u8::from(y == class)));
                layers[below].extend(one_hot);
            }
            let (v, h) = (&layers[below], &layers[below + 1]);
            let mut minus_energy = 0.0;
            for (i, v) in v.iter().enumerate() {
                minus_energy += v * f64::from(visible.bias[i]);
                for (j, h) in h.iter().enumerate() {
                    minus_energy += v * h * f64::from(w.row(i)[j]);
                }
            }
            for (j, h) in h.iter().enumerate() {
                minus_energy += h * f64::from(dbn.top().hidden().bias[j]);
            }
            out.push(Joint {
                layers,
                class,
                p: p * minus_energy.exp(),
                q,
            });
        }
    }
    let z: f64 = {
        // The top's own normal form: the directed layers sum to one.
        out.iter().map(|x| x.p).sum()
    };
    out.iter_mut().for_each(|x| x.p /= z);
    out
}

pub fn index(x: &[f64]) -> usize {
    x.iter().enumerate().map(|(i, &x)| (x as usize) << i).sum()
}

pub const SHAPES: [(&[usize], usize); 5] = [
    (&[4, 3], 0),
    (&[4, 3], 2),
    (&[4, 3, 2], 0),
    (&[3, 2, 2, 3], 0),
    (&[3, 2, 3, 2], 3),
];

pub fn bits(x: States) -> BitMatrix {
    x.into_bits().unwrap()
}

pub fn labeled_data(rows: usize, columns: usize, gray: bool) -> Examples {
    let bit = |i: usize, j: usize| (i * 31 + j * 17 + i * j) % 7 < 3;
    let values = match gray {
        false => States::Bits(BitMatrix::from_fn(rows, columns, bit)),
        true => States::Real(Matrix::from_fn(rows, columns, |i, j| {
            ((i * 13 + j * 7) % 11) as f32 / 10.0
        })),
    };
    let labels = (0..rows).map(|i| (i % 3) as u32).collect();
    Examples::new(values).unwrap().with_labels(labels).unwrap()
}

pub fn up_down_options() -> UpDownOptions {
    UpDownOptions {
        steps: "at:0=1,1=3".parse().unwrap(),
        learning: Learning {
            epochs: 3,
            batch_size: 32,
            momentum: Schedule::Constant(0.5),
            weight_decay: 1e-3,
            seed: 5,
            ..UpDownOptions::default().learning
        },
        ..UpDownOptions::default()
    }
}
