//! Machines and graphs that other programs wrote, and a machine of few examples.

use super::inputs::{Draw, Foreign, array, lines, log_sum_exp, mean, softplus, table};
use crate::common::Bench;
use std::fs;

/// All states of 6 units of 0 and 1, or -1 and 1.
fn states(low: f64) -> Vec<Vec<f64>> {
    let unit = |k: usize, i: usize| if k >> i & 1 == 1 { 1.0 } else { low };
    (0..64)
        .map(|k| (0..6).map(|i| unit(k, i)).collect())
        .collect()
}

fn some_bits() -> Vec<Vec<u8>> {
    let mut draw = Draw(4);
    (0..20)
        .map(|_| (0..6).map(|_| draw.below(2) as u8).collect())
        .collect()
}

/// Mean `ln p(v)` of `free` (minus the free energy) over all states of `low` and 1.
fn log_likelihood(v: &[Vec<f64>], low: f64, minus_free: impl Fn(&[f64]) -> f64) -> f64 {
    let all: Vec<f64> = states(low).iter().map(|v| minus_free(v)).collect();
    let some: Vec<f64> = v.iter().map(|v| minus_free(v)).collect();
    mean(&some) - log_sum_exp(&all)
}

fn measured(bench: &Bench, model: &str, data: &str) -> f64 {
    let told = bench.json(&format!("evaluate {model} --data {data} --exact --json"));
    told["mean_log_likelihood"].as_f64().unwrap()
}

#[test]
fn spins_of_another_program_are_measured_on_bits_and_on_signs() {
    let (bench, machine) = (Bench::new(), Foreign::new());
    machine.write(&bench, "spin.safetensors", "spin,spin", false);
    let bits = some_bits();
    array(&bench, "bits.npy", 6, bits.concat());
    array(
        &bench,
        "signs.npy",
        6,
        bits.concat().iter().map(|&x| 2 * x as i8 - 1),
    );
    let sign = |x: &u8| f64::from(2 * *x as i8 - 1);
    let v: Vec<Vec<f64>> = bits
        .iter()
        .map(|row| row.iter().map(sign).collect())
        .collect();
    let expected = log_likelihood(&v, -1.0, |v| {
        let of_hidden = machine.inputs(v).map(|x| log_sum_exp(&[x, -x]));
        machine.by_bias(v) + of_hidden.iter().sum::<f64>()
    });
    for data in ["bits.npy", "signs.npy"] {
        let found = measured(&bench, "spin.safetensors", data);
        assert!(
            (found - expected).abs() < 1e-5,
            "{data}: {found} for {expected}"
        );
    }
    // Its distribution needs no data, and none are guessed.
    let told = bench.json("evaluate spin.safetensors --distribution p.csv --json");
    assert_eq!(told["distribution"], "p.csv");
    assert_eq!(table(&bench, "p.csv").1.len(), 64);
    // What is sampled can be read.
    bench.ok("sample spin.safetensors --count 20 --steps 5 --out s.csv");
    measured(&bench, "spin.safetensors", "s.csv");
}

#[test]
fn gaussian_units_of_another_program_take_numbers() {
    let (bench, machine) = (Bench::new(), Foreign::new());
    machine.write(&bench, "gauss.safetensors", "gaussian,bernoulli", false);
    let x: Vec<f32> = Draw(12)
        .normals(120, 1.0)
        .iter()
        .map(|&x| x as f32)
        .collect();
    array(&bench, "gauss.npy", 6, x.iter().copied());
    let v: Vec<Vec<f64>> = x
        .chunks(6)
        .map(|row| row.iter().map(|&x| x.into()).collect())
        .collect();
    let b: Vec<f64> = machine.visible.iter().map(|&x| x.into()).collect();
    // ln Z = ln sum_h exp(c h + (|b + W h|^2 - |b|^2) / 2) + 3 ln 2 pi.
    let of_state = |k: usize| {
        let h = |j: usize| (k >> j & 1) as f64;
        let input = |i: usize| {
            let products = (0..3).map(|j| h(j) * f64::from(machine.weights[i * 3 + j]));
            b[i] + products.sum::<f64>()
        };
        let squares: f64 = (0..6).map(|i| input(i).powi(2) - b[i].powi(2)).sum();
        (0..3)
            .map(|j| h(j) * f64::from(machine.hidden[j]))
            .sum::<f64>()
            + squares / 2.0
    };
    let log_z =
        log_sum_exp(&(0..8).map(of_state).collect::<Vec<_>>()) + 3.0 * std::f64::consts::TAU.ln();
    let density = |v: &Vec<f64>| {
        let squares: f64 = v.iter().zip(&b).map(|(v, b)| (v - b).powi(2)).sum();
        machine.inputs(v).map(softplus).iter().sum::<f64>() - squares / 2.0
    };
    let expected = mean(&v.iter().map(density).collect::<Vec<_>>()) - log_z;
    let found = measured(&bench, "gauss.safetensors", "gauss.npy");
    assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
    bench.ok("transform gauss.safetensors --data gauss.npy --out f.npy");
    let bytes = fs::read(bench.path("f.npy")).unwrap();
    let features: Vec<f32> = npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap();
    for (row, v) in features.chunks(3).zip(&v) {
        for (found, input) in row.iter().zip(machine.inputs(v)) {
            assert!((f64::from(*found) - 1.0 / (1.0 + (-input).exp())).abs() < 1e-5);
        }
    }
    let from = "sample gauss.safetensors --data gauss.npy --from-data --count 20";
    bench.ok(&format!("{from} --steps 0 --out s.npy"));
    let bytes = fs::read(bench.path("s.npy")).unwrap();
    let back: Vec<f32> = npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap();
    assert_eq!(back, x);
    bench.ok(&format!("{from} --steps 5 --out s.npy"));
}

#[test]
fn parameters_of_double_precision_are_rounded_and_that_is_said() {
    let (bench, machine) = (Bench::new(), Foreign::new());
    for (name, in_double) in [("single", false), ("double", true)] {
        let name = format!("{name}.safetensors");
        machine.write(&bench, &name, "bernoulli,bernoulli", in_double);
    }
    let of = |name: &str| bench.model(&format!("{name}.safetensors")).model;
    assert_eq!(of("single"), of("double"));
    let ran = bench.run("inspect double.safetensors --json");
    assert!(
        ran.stderr
            .contains("rounded parameters of double precision"),
        "{}",
        ran.stderr
    );
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(told["notes"]["rounded"].is_string(), "{told}");
    array(&bench, "bits.npy", 6, some_bits().concat());
    let v: Vec<Vec<f64>> = some_bits()
        .iter()
        .map(|row| row.iter().map(|&x| x.into()).collect())
        .collect();
    let expected = log_likelihood(&v, 0.0, |v| {
        machine.by_bias(v) + machine.inputs(v).map(softplus).iter().sum::<f64>()
    });
    let found = measured(&bench, "double.safetensors", "bits.npy");
    assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
}

#[test]
fn few_examples_are_learned_without_another_option() {
    let bench = Bench::new();
    let stripes = harmonium::dataset::bars_and_stripes(4);
    let mut rows: Vec<Vec<u8>> = (0..stripes.len())
        .map(|i| {
            (0..16)
                .map(|j| stripes.bits().unwrap().get(i, j).into())
                .collect()
        })
        .collect();
    rows.sort();
    rows.dedup();
    assert_eq!(rows.len(), 30);
    array(&bench, "stripes.npy", 16, rows.concat());
    let told = bench.json("train --data stripes.npy --hidden 16 --json");
    assert_eq!(told["method"], "exact");
    let found = told["mean_log_likelihood"].as_f64().unwrap();
    // The best is -ln 30 = -3.4; independent units have -16 ln 2 = -11.1.
    assert!((-4.3..=-(30_f64.ln())).contains(&found), "{found}");
    let independent = told["independent_log_likelihood"].as_f64().unwrap();
    assert!(
        (independent + 16.0 * 2_f64.ln()).abs() < 1e-6,
        "{independent}"
    );
    // Other examples are neither the test part nor the training part.
    array(&bench, "others.npy", 16, rows[..10].concat());
    let given = bench.run("evaluate --data others.npy --exact --json");
    assert!(!given.stderr.contains("training part"), "{}", given.stderr);
    let given: serde_json::Value = serde_json::from_str(&given.stdout).unwrap();
    assert_eq!(given["split"], "given");
    assert_eq!(given["count"], 10);
}

/// A machine that hardly moved is told of: it is no better than units that know of nothing.
#[test]
fn a_machine_that_learned_nothing_is_told_of() {
    let bench = Bench::new();
    for (how, words) in [
        (
            "--learning-rate 0.000001",
            "no better than independent units",
        ),
        ("--learning-rate 20 --method cd", "worse than their mean"),
    ] {
        let line = format!("train --data bars.csv --hidden 4 --epochs 1 {how} --force --json");
        let ran = bench.run(&line);
        let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let warnings = told["warnings"].to_string();
        assert!(warnings.contains(words), "{told:#}");
    }
}

#[test]
fn units_that_are_counted_from_1_make_the_same_machine() {
    let bench = Bench::new();
    for first in [0, 1] {
        let pairs = (0..36).flat_map(|k| {
            let (i, j) = (k / 6, k % 6);
            [i * 6 + (j + 1) % 6, (i + 1) % 6 * 6 + j].map(|to| (k, to))
        });
        let text = pairs.map(|(a, b)| format!("{} {} 1", a + first, b + first));
        lines(&bench, &format!("from_{first}.ising"), text);
    }
    let sample = |first: usize| {
        let line = format!("sample from_{first}.ising --count 20 --steps 5 --out s.npy");
        let ran = bench.run(&line);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        (ran.stderr, fs::read(bench.path("s.npy")).unwrap())
    };
    let ((_, a), (said, b)) = (sample(0), sample(1));
    assert_eq!(npyz::NpyFile::new(&a[..]).unwrap().shape(), [20, 36]);
    assert_eq!(a, b);
    assert!(said.contains("numbered from 1"), "{said}");
}

#[test]
fn quadratic_models_keep_their_sign() {
    let bench = Bench::new();
    let coo = ["# vartype=SPIN", "0 1 -1.000000"].map(ToOwned::to_owned);
    lines(&bench, "pair.coo", coo.clone());
    lines(&bench, "pair.ising", coo);
    let bqm = serde_json::json!({
        "type": "BinaryQuadraticModel", "version": { "bqm_schema": "3.0.0" }, "use_bytes": false,
        "index_type": "int32", "bias_type": "float32", "num_variables": 2, "num_interactions": 1,
        "variable_labels": [0, 1], "variable_type": "SPIN", "offset": 0.0, "info": {},
        "linear_biases": [0.0, 0.0], "quadratic_biases": [-1.0], "quadratic_head": [0],
        "quadratic_tail": [1],
    });
    lines(&bench, "pair.json", [bqm.to_string()]);
    for name in ["pair.coo", "pair.json", "pair.ising"] {
        bench.ok(&format!(
            "sample {name} --count 4000 --steps 20 --seed 1 --out s.csv"
        ));
        let samples = table(&bench, "s.csv").1;
        let product = |row: &Vec<String>| if row[0] == row[1] { 1.0 } else { -1.0 };
        let found = mean(&samples.iter().map(product).collect::<Vec<_>>());
        // The energy is -s0 s1. Four deviations of a mean over 4000 chains: sqrt(1 - tanh^2 1) is
        // 0.65.
        let expected = 1_f64.tanh();
        assert!(
            (found - expected).abs() < 4.0 * 0.65 / 4000_f64.sqrt(),
            "{name}: {found}"
        );
    }
}
