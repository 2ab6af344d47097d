//! Model files of every kind that hold no more than the contract of the format: what is enumerated
//! of them against sums that are written out here.

use crate::common::Bench;
use serde_json::{Map, json};
use std::{collections::BTreeMap, fs};

/// The tensors of a file.
type Tensors = BTreeMap<&'static str, (Vec<usize>, Vec<f32>)>;

const N: usize = 4;
const M: usize = 3;
const K: usize = 2;

/// Writes a safetensors file by hand: length of the header, header, numbers.
fn write(bench: &Bench, name: &str, kind: &str, units: &str, tensors: &Tensors) {
    let mut header = Map::new();
    let metadata = json!({"format": "harmonium", "version": "1", "kind": kind, "units": units});
    header.insert("__metadata__".into(), metadata);
    let mut data: Vec<u8> = Vec::new();
    for (name, (shape, x)) in tensors {
        let start = data.len();
        data.extend(x.iter().flat_map(|x| x.to_le_bytes()));
        let offsets = [start, data.len()];
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": offsets});
        header.insert((*name).into(), entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    fs::write(bench.path(name), bytes).unwrap();
}

/// Numbers between -1 and 1 that look like none.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    let x = |k: usize| (((k + 1) * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0;
    (0..count).map(x).collect()
}

fn matrix(rows: usize, columns: usize, seed: usize) -> (Vec<usize>, Vec<f32>) {
    (vec![rows, columns], numbers(rows * columns, seed))
}

fn vector(n: usize, seed: usize) -> (Vec<usize>, Vec<f32>) {
    (vec![n], numbers(n, seed))
}

fn symmetric(n: usize, seed: usize) -> (Vec<usize>, Vec<f32>) {
    let x = numbers(n * n, seed);
    let at = |k: usize| {
        let (i, j) = (k / n, k % n);
        if i == j {
            0.0
        } else {
            x[i.min(j) * n + i.max(j)]
        }
    };
    (vec![n, n], (0..n * n).map(at).collect())
}

/// All states of `n` units.
fn states(n: usize) -> Vec<Vec<f64>> {
    let state = |k: usize| (0..n).map(|i| f64::from((k >> i & 1) as u8)).collect();
    (0..1 << n).map(state).collect()
}

fn linear(t: &Tensors, name: &str, x: &[f64]) -> f64 {
    t[name]
        .1
        .iter()
        .zip(x)
        .map(|(b, x)| f64::from(*b) * x)
        .sum()
}

fn quadratic(t: &Tensors, name: &str, x: &[f64], y: &[f64]) -> f64 {
    let w = &t[name].1;
    let terms = (0..x.len()).flat_map(|i| (0..y.len()).map(move |j| (i, j)));
    terms
        .map(|(i, j)| x[i] * f64::from(w[i * y.len() + j]) * y[j])
        .sum()
}

fn log_sum(x: impl Iterator<Item = f64>) -> f64 {
    x.map(f64::exp).sum::<f64>().ln()
}

/// `ln Z` and the mean of `ln p(v)` over `data`, for the sum of `e^f(v)` over the latent units.
fn of_sums(data: &[Vec<f64>], log_sum_h: impl Fn(&[f64]) -> f64) -> (f64, f64) {
    let log_z = log_sum(states(N).iter().map(|v| log_sum_h(v)));
    let all: f64 = data.iter().map(|v| log_sum_h(v) - log_z).sum();
    (log_z, all / data.len() as f64)
}

/// Layers of `N`, `M` and `K` units.
fn layers() -> Tensors {
    BTreeMap::from([
        ("weights.0", matrix(N, M, 1)),
        ("weights.1", matrix(M, K, 2)),
        ("bias.0", vector(N, 3)),
        ("bias.1", vector(M, 4)),
        ("bias.2", vector(K, 5)),
    ])
}

/// The lower two of them.
fn pair() -> Tensors {
    let mut pair = layers();
    pair.retain(|name, _| !["weights.1", "bias.2"].contains(name));
    pair
}

/// Those with couplings within each.
fn general() -> Tensors {
    let mut general = pair();
    general.insert("visible.weights", symmetric(N, 6));
    general.insert("hidden.weights", symmetric(M, 7));
    general
}

/// The lowest of those.
fn visible() -> Tensors {
    let mut visible = general();
    visible.retain(|name, _| ["visible.weights", "bias.0"].contains(name));
    visible
}

/// Of an RBM.
fn rbm(t: &Tensors, v: &[f64], h: &[f64]) -> f64 {
    linear(t, "bias.0", v) + linear(t, "bias.1", h) + quadratic(t, "weights.0", v, h)
}

/// Of the upper two layers, the sum of `e^f` over the uppermost.
fn log_top(t: &Tensors, x: &[f64]) -> f64 {
    let of = |y: &Vec<f64>| {
        linear(t, "bias.1", x) + linear(t, "bias.2", y) + quadratic(t, "weights.1", x, y)
    };
    log_sum(states(K).iter().map(of))
}

/// A directed layer below a pair: ln Z is that of the pair.
fn of_dbn(data: &[Vec<f64>], t: &Tensors) -> (f64, f64) {
    let h = states(M);
    let log_z = log_sum(h.iter().map(|h| log_top(t, h)));
    let log_p_v = |v: &[f64], h: &[f64]| -> f64 {
        let w = &t["weights.0"].1;
        let ln_p = |i: usize| {
            let into: f64 = (0..M).map(|j| f64::from(w[i * M + j]) * h[j]).sum();
            let x = f64::from(t["bias.0"].1[i]) + into;
            x * v[i] - (1.0 + x.exp()).ln()
        };
        (0..N).map(ln_p).sum()
    };
    let mean: f64 = data
        .iter()
        .map(|v| log_sum(h.iter().map(|h| log_p_v(v, h) + log_top(t, h) - log_z)))
        .sum();
    (log_z, mean / data.len() as f64)
}

/// Kind, units, tensors, `ln Z` and mean of `ln p(v)` of every kind of file.
fn cases(data: &[Vec<f64>]) -> [(&'static str, &'static str, Tensors, (f64, f64)); 5] {
    let (layers, pair, general, visible) = (layers(), pair(), general(), visible());
    let h = states(M);
    let of_rbm = of_sums(data, |v| log_sum(h.iter().map(|h| rbm(&pair, v, h))));
    let of_dbm = of_sums(data, |v| {
        log_sum(
            h.iter()
                .map(|h| rbm(&layers, v, h) - linear(&layers, "bias.1", h) + log_top(&layers, h)),
        )
    });
    let of_general = of_sums(data, |v| {
        log_sum(h.iter().map(|h| {
            rbm(&general, v, h)
                + quadratic(&general, "visible.weights", v, v)
                + quadratic(&general, "hidden.weights", h, h)
        }))
    });
    let of_visible = of_sums(data, |v| {
        linear(&visible, "bias.0", v) + quadratic(&visible, "visible.weights", v, v)
    });
    let of_dbn = of_dbn(data, &layers);
    let (two, three) = ("bernoulli,bernoulli", "bernoulli,bernoulli,bernoulli");
    [
        ("rbm", two, pair, of_rbm),
        ("dbn", three, layers.clone(), of_dbn),
        ("dbm", three, layers, of_dbm),
        ("boltzmann", two, general, of_general),
        ("boltzmann", "bernoulli", visible, of_visible),
    ]
}

#[test]
fn files_of_every_kind_are_enumerated() {
    let bench = Bench::new();
    let data: Vec<Vec<f64>> = states(N).into_iter().step_by(3).collect();
    let bytes: Vec<u8> = data.iter().flatten().map(|&x| x as u8).collect();
    bench.npy("bits.npy", &format!("({}, {N})", data.len()), &bytes);
    for (kind, units, tensors, (log_z, mean)) in cases(&data) {
        write(&bench, "m.safetensors", kind, units, &tensors);
        let found = bench.json("evaluate m.safetensors --data bits.npy --exact --json");
        for (key, expected) in [("log_z", log_z), ("mean_log_likelihood", mean)] {
            let x = found[key].as_f64().unwrap();
            assert!(
                (x - expected).abs() < 1e-9,
                "{kind} {units} {key}: {x}, not {expected}"
            );
        }
        assert_eq!(found["count"], data.len());
        let shown = bench.json("inspect m.safetensors --json");
        assert_eq!(shown["kind"], kind);
        for (name, (shape, _)) in &tensors {
            assert_eq!(
                shown["parameters"][name]["shape"],
                json!(shape),
                "{kind} {name}"
            );
        }
        bench.ok("inspect m.safetensors");
    }
    let line = "evaluate m.safetensors --data bits.npy";
    bench.ok(&format!("{line} --exact --diagnose 5"));
    bench.refused(
        "evaluate m.safetensors --data bars.csv --exact",
        1,
        &["4 visible", "9 values"],
    );
    bench.refused(
        "classify m.safetensors --data bits.npy",
        2,
        &["kind boltzmann"],
    );
}
