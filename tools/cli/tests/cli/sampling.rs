//! `sample` beyond plain chains, and the training that goes with it, from outside.

use crate::common::{Bench, assert_same};
use harmonium::{
    Matrix,
    checkpoint::{Checkpoint, SavedRun},
    evaluate::{Ais, Base, Betas},
    model::Rbm,
};
use std::fs;

fn model(bench: &Bench) {
    let weights = Matrix::from_fn(9, 4, |i, j| ((i * 7 + j * 5) % 11) as f32 / 5.0 - 1.0);
    let rbm = Rbm::from_parameters([vec![-0.25; 9], vec![0.5; 4]], [weights]).unwrap();
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
    bench.ok(&format!("{train} --trajectory 2 --force"));
    assert_eq!(
        fs::read_dir(bench.path("run/trajectory")).unwrap().count(),
        2
    );
    for method in [
        "fpcd --fast-rate 0.02",
        "tempered --temperatures 3",
        "trajectory --acceptance 0.999 --snapshots 3",
    ] {
        bench.ok(&format!(
            "{train} --method {method} --learning-rate 0.5 --force"
        ));
        let whole = bench.model("run/model.safetensors");
        bench.ok(
            &format!("{train} --method {method} --learning-rate 0.5 --force --epochs 8")
                .replace("--epochs 20 ", ""),
        );
        bench.ok("train --resume --epochs 20");
        assert_same(&whole, &bench.model("run/model.safetensors"));
        if method.starts_with("trajectory") {
            let Some(SavedRun::Rbm(state)) = &whole.run else {
                panic!("a run of an RBM")
            };
            let models = state.tensors.shape("training.snapshots.weights.0").unwrap()[0];
            assert!((2..=4).contains(&models));
            let line = "train --resume --acceptance 0.5 --epochs 21";
            bench.refused(line, 2, &["--acceptance 0.5", "0.999"]);
        }
    }
    bench.refused(
        &format!("{train} --snapshots 4 --force"),
        2,
        &["--snapshots", "trajectory"],
    );
    bench.refused(
        &format!("{train} --fast-rate 0.1 --force"),
        2,
        &["--fast-rate", "fpcd"],
    );
}

#[test]
fn weighted_samples_are_those_of_the_library() {
    let bench = Bench::new();
    model(&bench);
    let line = "sample model.safetensors --weighted --betas 20 --count 30 --seed 5";
    let table = bench.ok(&format!("{line} --out x.npy"));
    assert!(table.contains("effective sample size"), "{table}");
    let ais = Ais {
        chains: 30,
        betas: Betas::Linear(20),
        base: Base::Uniform,
        seed: 5,
    };
    let rbm = bench.model("model.safetensors").into_rbm().unwrap();
    let expected = ais.weighted_samples(&rbm, &mut ()).unwrap();
    let read = |name: &str| {
        npyz::NpyFile::new(&fs::read(bench.path(name)).unwrap()[..])
            .unwrap()
            .shape()
            .to_vec()
    };
    assert_eq!(
        (read("x.npy"), read("x.weights.npy")),
        (vec![30, 9], vec![1, 30])
    );
    let bytes = fs::read(bench.path("x.weights.npy")).unwrap();
    let weights = npyz::NpyFile::new(&bytes[..])
        .unwrap()
        .into_vec::<f64>()
        .unwrap();
    assert_eq!(weights, expected.log_weights);
    let bytes = fs::read(bench.path("x.npy")).unwrap();
    let states = npyz::NpyFile::new(&bytes[..])
        .unwrap()
        .into_vec::<u8>()
        .unwrap();
    let visible = expected.visible();
    assert!((0..270).all(|k| f32::from(states[k]) == visible.get(k / 9, k % 9)));
    bench.refused(&format!("{line} --out x.png"), 2, &["--weighted", ".npy"]);
    for flag in ["--steps 3", "--tempering 3"] {
        bench.refused(&format!("{line} {flag} --out x.npy"), 2, &["--weighted"]);
    }
    // With the data of the run there are their base rates.
    bench.ok("train --data bars.csv --hidden 4 --epochs 10 --batch-size 8 --out run");
    let line = "sample run/model.safetensors --weighted --betas 20 --out y.npy";
    assert!(!bench.run(line).stderr.contains("uniform"));
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
    // The same with replicas, a chain for each row.
    let train = "train --data bars.csv --hidden 4 --epochs 10 --batch-size 8 --out run";
    bench.ok(&format!("{train} --trajectory 3"));
    for how in ["--tempering 3", "--trajectory run/trajectory"] {
        let line =
            "sample run/model.safetensors --steps 5 --burn-in 8 --clamp values.npy --mask mask.npy";
        bench.ok(&format!("{line} {how} --out replicas.npy"));
        let bytes = fs::read(bench.path("replicas.npy")).unwrap();
        let states = &bytes[bytes.len() - 18..];
        assert_eq!(
            (&states[..3], &states[9..12]),
            (&[1, 0, 1][..], &[0, 1, 0][..]),
            "{how}"
        );
        let line = format!("{line} {how} --count 3 --out x.npy");
        bench.refused(&line, 1, &["held units", "3 x 9"]);
    }
    npy("short.npy", "(8,)", &[1; 8]);
    let line = "sample model.safetensors --clamp values.npy --mask short.npy --out x.npy";
    bench.refused(line, 1, &["mask", "9", "8"]);
    bench.refused(
        "sample model.safetensors --label 3 --out x.npy",
        2,
        &["--label"],
    );
}
