//! `harmonium bench`: its sections, and the files that other programs measure beside it.

use crate::common::Bench;
use harmonium::{Matrix, dataset::read_npy, model::EdgeFile};
use std::fs;

#[test]
fn sections_in_units_of_their_own_need_no_ceilings() {
    let bench = Bench::new();
    let line = "bench --only latency,small --threads 2 --quick --seconds 0.0001 --json";
    let told = bench.json(line);
    let rows = told["measurements"].as_array().unwrap();
    assert_eq!(rows.len(), 7 + 20);
    for row in rows {
        let unit = match row["section"].as_str().unwrap() {
            "latency" => "us a call",
            "small" => "us an update",
            other => panic!("{other}"),
        };
        assert_eq!(row["unit"], unit);
        assert!(row["median"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["spread"].as_f64().unwrap() >= 0.0, "{row}");
    }
    let sections = "kernel, pass, epilogue, training, sampling, deep, likelihood, latency, small, \
                    graph";
    for wrong in ["smal", "latency,smal", "latency,", "SMALL"] {
        let line = format!("bench --only {wrong}");
        bench.refused(&line, 2, &["--only", sections]);
    }
}

#[test]
fn what_is_measured_is_written_for_other_programs() {
    let bench = Bench::new();
    bench.ok("bench --only small,latency --inputs files");
    let table = |name: &str| read_npy(bench.path(name)).unwrap();
    let means = |name: &str| -> Matrix {
        bench.ok(&format!(
            "transform files/latency.safetensors --data {name} --out means.npy"
        ));
        table("means.npy")
    };
    let rows = table("files/latency-rows.npy");
    assert_eq!((rows.rows(), rows.columns()), (1024, 784));
    let (found, expected) = (
        table("files/latency-means.npy"),
        means("files/latency-rows.npy"),
    );
    assert_eq!((found.rows(), found.columns()), (1024, 500));
    for (a, b) in (0..1024).flat_map(|i| found.row(i).iter().zip(expected.row(i))) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    // Free energies, by their definition in f64.
    let rbm = bench.model("files/latency.safetensors").into_rbm().unwrap();
    let free = table("files/latency-free-energies.npy");
    for i in [0, 1023] {
        let on: Vec<usize> = (0..784).filter(|&k| rows[(i, k)] == 1.0).collect();
        let bias: f64 = on.iter().map(|&k| f64::from(rbm.visible().bias[k])).sum();
        let hidden: f64 = (0..500)
            .map(|j| {
                let of_rows: f64 = on.iter().map(|&k| f64::from(rbm.weights()[(k, j)])).sum();
                (of_rows + f64::from(rbm.hidden().bias[j])).exp().ln_1p()
            })
            .sum();
        let found = f64::from(free[(i, 0)]);
        assert!((found + bias + hidden).abs() < 1e-3, "{found}");
    }
    for n in [16, 64, 256, 784] {
        let examples = table(&format!("files/small-{n}.npy"));
        assert_eq!((examples.rows(), examples.columns()), (1800, n));
    }

    bench.ok("bench --only graph --inputs files");
    let mut graphs: Vec<String> = fs::read_dir(bench.path("files"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".ising"))
        .collect();
    graphs.sort();
    let expected = [
        "degree-20-of-4096-spins.ising",
        "degree-3-of-4096-spins.ising",
        "degree-6-of-4096-spins.ising",
        "dense-of-1000-spins.ising",
        "dense-of-200-spins.ising",
        "torus-64-x-64-of-equal-couplings.ising",
        "torus-64-x-64.ising",
    ];
    assert_eq!(graphs, expected);
    let path = bench.path("files/dense-of-200-spins.ising");
    let file = EdgeFile::read(&path, None).unwrap();
    assert_eq!(file.machine(200).unwrap().units(), 200);

    for (line, words) in [
        ("bench --only kernel,pass --inputs other", "latency, small"),
        ("bench --inputs other --json", "--json"),
    ] {
        bench.refused(line, 2, &["--inputs", words]);
    }
    assert!(!bench.path("other").exists());
}
