//! `sample` beyond plain chains, and the training that goes with it, from outside.

mod common;

use common::Bench;
use harmonium::{Matrix, checkpoint::Checkpoint, model::Rbm};
use std::fs;

fn model(bench: &Bench) {
    let weights = Matrix::from_fn(9, 4, |i, j| ((i * 7 + j * 5) % 11) as f32 / 5.0 - 1.0);
    let rbm = Rbm::from_parameters(weights, vec![-0.25; 9], vec![0.5; 4]).unwrap();
    let path = bench.path("model.safetensors");
    Checkpoint::from(rbm).save(path).unwrap();
}

#[test]
fn stored_chains_continue_as_never_interrupted() {
    let bench = Bench::new();
    model(&bench);
    let sample = "sample model.safetensors --out";
    bench.ok(&format!("{sample} all.npy --steps 7 --seed 3 --count 11"));
    bench.ok(&format!(
        "{sample} part.npy --steps 3 --seed 3 --count 11 --save-chains chains"
    ));
    bench.ok(&format!("{sample} rest.npy --steps 4 --continue chains"));
    let bytes = |name: &str| fs::read(bench.path(name)).unwrap();
    assert_eq!(bytes("all.npy"), bytes("rest.npy"));
    assert_ne!(bytes("all.npy"), bytes("part.npy"));
    let line = format!("{sample} x.npy --continue model.safetensors");
    bench.refused(&line, 1, &["model.safetensors", "harmonium-chains"]);
}

#[test]
fn tempering_and_trajectories_report_their_swaps() {
    let bench = Bench::new();
    let train = "train --data bars.csv --hidden 4 --epochs 20 --batch-size 8 --out run";
    bench.ok(&format!("{train} --trajectory 5"));
    let kept = fs::read_dir(bench.path("run/trajectory")).unwrap().count();
    assert_eq!(kept, 5);
    let sample = "sample run/model.safetensors --out x.npy --steps 30 --burn-in 16";
    for how in ["--tempering 4", "--trajectory run/trajectory"] {
        let out = bench.ok(&format!("{sample} {how}"));
        for word in ["swaps", "IAT", "plain Gibbs"] {
            assert!(out.contains(word), "{how}: {out}");
        }
    }
    bench.refused(
        "sample run/model.safetensors --out x.npy --burn-in 3",
        2,
        &["--burn-in"],
    );
    // A new run leaves nothing of the old trajectory.
    bench.ok(&format!("{train} --trajectory 2"));
    assert_eq!(
        fs::read_dir(bench.path("run/trajectory")).unwrap().count(),
        2
    );
    for method in ["fpcd --fast-rate 0.02", "tempered --temperatures 3"] {
        bench.ok(&format!("{train} --method {method}"));
    }
    bench.refused(
        &format!("{train} --fast-rate 0.1"),
        2,
        &["--fast-rate", "fpcd"],
    );
}

#[test]
fn held_units_stay() {
    let bench = Bench::new();
    model(&bench);
    let npy = |name: &str, shape: &str, x: &[u8]| bench.npy(name, shape, x);
    npy(
        "values.npy",
        "(2, 9)",
        &[1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    );
    npy("mask.npy", "(9,)", &[1, 1, 1, 0, 0, 0, 0, 0, 0]);
    let line = "sample model.safetensors --steps 5 --clamp values.npy --mask mask.npy";
    bench.ok(&format!("{line} --out held.npy"));
    bench.ok(&format!("{line} --out held.png"));
    let bytes = fs::read(bench.path("held.npy")).unwrap();
    let states = &bytes[bytes.len() - 18..];
    assert_eq!(states[..3], [1, 0, 1]);
    assert_eq!(states[9..12], [0, 1, 0]);
    npy("short.npy", "(8,)", &[1; 8]);
    let line = "sample model.safetensors --clamp values.npy --mask short.npy --out x.npy";
    bench.refused(line, 1, &["mask", "9", "8"]);
    bench.refused(
        "sample model.safetensors --label 3 --out x.npy",
        2,
        &["--label"],
    );
}
