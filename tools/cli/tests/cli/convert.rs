//! Models from and for other programs, whether they are fit to be used, and what a run will take.

use crate::common::{Bench, with_striped};
use harmonium::{
    Checkpoint, Kind, Matrix, Model,
    model::{Layer, Rbm},
};
use std::{fs, path::Path};

#[test]
fn models_go_to_other_programs_and_come_back_with_their_energies() {
    let bench = Bench::new();
    bench.ok("train --data bars.csv --hidden 4 --epochs 3");
    let of = |name: &str| bench.model(name).model;
    let exact = |name: &str| {
        let line = format!("evaluate {name} --data bars.csv --exact --json");
        bench.json(&line)["mean_log_likelihood"].as_f64().unwrap()
    };
    bench.ok("convert run/model.safetensors rbm.npz");
    // The arrays are taken as they are by every command, and back.
    bench.ok("convert rbm.npz back.safetensors");
    assert!(of("back.safetensors") == of("run/model.safetensors"));
    let back = bench.model("back.safetensors");
    assert!(back.run.is_none());
    assert_eq!(back.notes["converted_from"], "scikit-learn");
    assert_eq!(exact("rbm.npz"), exact("run/model.safetensors"));
    bench.ok("train --data bars.csv --init rbm.npz --epochs 0 --out warm");
    assert!(of("warm/model.safetensors") == of("back.safetensors"));
    // A model file without its run.
    bench.ok("convert run/model.safetensors plain.safetensors");
    let plain = bench.model("plain.safetensors");
    assert!(plain.run.is_none() && plain.model == of("run/model.safetensors"));
    // Couplings.
    bench.ok("train boltzmann --data bars.csv --epochs 2 --out couplings");
    bench.ok("convert couplings/model.safetensors couplings.ising");
    bench.ok("convert couplings.ising again.safetensors");
    let (a, b) = (of("couplings/model.safetensors"), of("again.safetensors"));
    let (a, b) = (a.into_boltzmann().unwrap(), b.into_boltzmann().unwrap());
    assert_eq!(a.visible_weights(), b.visible_weights());
    for (a, b) in a.visible().bias.iter().zip(&b.visible().bias) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    let difference = exact("again.safetensors") - exact("couplings/model.safetensors");
    assert!(difference.abs() < 1e-4, "{difference}");
}

/// Machines that rbms and RestrictedBoltzmannMachines.jl saved, as every command takes them.
#[test]
fn machines_of_hdf5_are_taken_by_every_command() {
    let bench = Bench::new();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/files/programs");
    for name in ["bits.h5", "potts.h5", "binary.h5", "two_slopes.h5"] {
        fs::copy(stored.join(name), bench.path(name)).unwrap();
    }
    let codes = (0..12_u8).map(|i| (0..5).map(|j| f32::from((i + j * j) % 3)).collect());
    bench.csv("codes.csv", codes);
    let ran = bench.run("evaluate potts.h5 --data codes.csv --exact --json");
    assert!(
        ran.stderr
            .contains("potts.h5: a model of rbms, update_20, of 1 saved")
    );
    bench.ok("convert potts.h5 potts.safetensors");
    let exact =
        |model: &str| bench.json(&format!("evaluate {model} --data codes.csv --exact --json"));
    assert_eq!(exact("potts.h5"), exact("potts.safetensors"));
    bench.ok("train --data codes.csv --init potts.h5 --epochs 0 --out warm");
    let of = |name: &str| bench.model(name).model;
    assert!(of("warm/model.safetensors") == of("potts.safetensors"));
    bench.ok("sample potts.h5 --count 4 --steps 3 --out codes_of_it.csv");
    bench.ok("convert bits.h5:/update_2 early.safetensors");
    bench.ok("convert bits.h5 late.safetensors");
    assert!(of("early.safetensors") != of("late.safetensors"));
    bench.ok("convert binary.h5 binary.safetensors");
    assert!(
        bench
            .ok("inspect binary.safetensors")
            .contains("RestrictedBoltzmannMachines.jl")
    );
    let words = ["two_slopes.h5:/hidden_type", "xReLU"];
    bench.refused("evaluate two_slopes.h5 --data bars.csv", 1, &words);
    bench.refused(
        "inspect bits.h5:/update_3",
        1,
        &["/update_3", "no such group"],
    );
}

#[test]
fn what_cannot_be_converted_is_refused() {
    let bench = Bench::new();
    bench.ok("train --data bars.csv --hidden 4 --epochs 0 --out rbm");
    bench.ok("train --data bars.csv --visible-units spin --hidden 4 --epochs 0 --out spins");
    bench.ok("train boltzmann --data bars.csv --hidden 2 --epochs 0 --out latent");
    fs::write(bench.path("potts.dat"), "J 0 1 A C 0.25\nh 0 A one\n").unwrap();
    for (line, code, words) in [
        (
            "rbm/model.safetensors a.ising",
            2,
            &["a.ising", "kind rbm"][..],
        ),
        (
            "rbm/model.safetensors a.h5",
            2,
            &[".safetensors, .npz, .ising or .dat"],
        ),
        (
            "spins/model.safetensors a.npz",
            2,
            &["a.npz", "Bernoulli", "spin"],
        ),
        ("latent/model.safetensors a.npz", 2, &["a.npz", "boltzmann"]),
        (
            "latent/model.safetensors a.ising",
            2,
            &["a.ising", "2 hidden units"],
        ),
        (
            "potts.dat a.safetensors",
            1,
            &["potts.dat", "adabmDCA", "line 2"],
        ),
        ("rbm/model.safetensors a.dat", 2, &["a.dat", "kind rbm"]),
        (
            "latent/model.safetensors a.dat",
            2,
            &["a.dat", "softmax groups", "2 hidden"],
        ),
        ("bars.csv a.safetensors", 1, &["bars.csv", "model file"]),
        ("no.npz a.safetensors", 1, &["no.npz"]),
    ] {
        bench.refused(&format!("convert {line}"), code, words);
    }
    assert!(!bench.path("a.safetensors").exists() && !bench.path("a.ising").exists());
}

#[test]
fn models_are_verified() {
    let bench = Bench::new();
    bench.ok("train --data bars.csv --hidden 4 --epochs 1");
    let told = bench.json("verify --data bars.csv --json");
    assert_eq!(told["good"], true, "{told}");
    let names: Vec<&str> = told["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["finite", "normalizable", "saturated", "look_up", "data"]
    );
    assert!(bench.ok("verify run/model.safetensors").contains("finite"));
    // Gaussian units on both sides whose energy does not grow: nothing can be made of the file.
    let gaussian = |n| Layer::of(Kind::Gaussian, n);
    let weights = Matrix::from_fn(2, 1, |_, _| 0.1);
    let rbm = Rbm::from_parameters([gaussian(2), gaussian(1)], [weights]).unwrap();
    let bytes = |x: f32| [x, x].map(f32::to_le_bytes).concat();
    let mut file = Checkpoint::from(Model::from(rbm)).to_bytes().unwrap();
    let at = file.windows(8).position(|x| x == bytes(0.1)).unwrap();
    file[at..at + 8].copy_from_slice(&bytes(0.9));
    fs::write(bench.path("wide.safetensors"), file).unwrap();
    let words = ["wide.safetensors", "the energy grows in every direction"];
    bench.refused("verify wide.safetensors", 1, &words);
    bench.csv("narrow.csv", (0..4).map(|_| vec![0.0, 1.0]));
    let ran = bench.run("verify run/model.safetensors --data narrow.csv");
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr
            .contains("expected 9 columns, as the machine has learned, found 2"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_dry_run_tells_its_time_and_memory_and_writes_nothing() {
    let bench = Bench::new();
    let bench = with_striped(bench);
    for (line, names) in [
        ("rbm --hidden 4 --epochs 100000000", &["training"][..]),
        ("boltzmann --epochs 100000000", &["training"]),
        (
            "dbm --layers 4,3 --pretraining-epochs 100000000 --epochs 30",
            &["RBM 1", "RBM 2", "joint"],
        ),
        (
            "dbn --layers 4,3 --greedy-epochs 100000000 --up-down-epochs 30",
            &["layer 1", "layer 2", "up-down"],
        ),
        (
            "dbm --layers 4,3 --pretraining-epochs 20 --fine-tune backprop --data striped.csv",
            &["RBM 1", "RBM 2", "joint", "backprop"],
        ),
    ] {
        let data = if line.contains("--data") {
            ""
        } else {
            "--data bars.csv"
        };
        let told = bench.json(&format!("train {line} {data} --dry-run --json"));
        let stages = told["stages"].as_array().unwrap();
        let found: Vec<&str> = stages.iter().map(|x| x["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{told}");
        let number = |key: &str| told[key].as_f64().unwrap();
        let mut sum = 0.0;
        for stage in stages {
            let of_stage = |key: &str| stage[key].as_f64().unwrap();
            assert!(of_stage("updates_measured") >= 3.0, "{told}");
            assert!(of_stage("seconds_per_update") > 0.0, "{told}");
            let updates = of_stage("epochs") * if data.is_empty() { 2.0 } else { 1.0 };
            let expected = updates * of_stage("seconds_per_update");
            assert!(
                (of_stage("seconds") / expected - 1.0).abs() < 1e-9,
                "{told}"
            );
            sum += of_stage("seconds");
        }
        assert!((number("seconds") / sum - 1.0).abs() < 1e-9, "{told}");
        if cfg!(target_os = "linux") {
            assert!(number("memory_bytes") > 1e6, "{told}");
        }
        assert!(!bench.path("run").exists());
    }
    let table = bench.ok("train --hidden 3 --data bars.csv --epochs 1000000 --dry-run");
    for word in ["time of training", "memory", "parameters"] {
        assert!(table.contains(word), "{table}");
    }
    bench.refused("train --resume --dry-run", 2, &["--dry-run", "--resume"]);
}
