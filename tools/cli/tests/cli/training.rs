//! `harmonium train` from outside: what it writes, and that stopping, resuming and threads leave no
//! trace.

use crate::common;
use crate::common::{Bench, assert_same, epochs};
use std::{
    fs,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const BARS: &str =
    "train --data bars.csv --hidden 8 --batch-size 4 --chains 16 --learning-rate 0.1";

#[test]
fn a_run_writes_its_files_and_reports_the_keys_of_evaluate() {
    let bench = Bench::drawing();
    let report = bench.json(&format!("{BARS} --epochs 20 --json"));
    for name in [
        "model.safetensors",
        "metrics.csv",
        "filters.png",
        "samples.png",
        "curves.png",
        "run.json",
    ] {
        assert!(
            fs::metadata(bench.path("run").join(name)).unwrap().len() > 100,
            "{name}"
        );
    }
    // And its lock.
    assert_eq!(fs::read_dir(bench.path("run")).unwrap().count(), 7);
    for file in report["files"].as_object().unwrap().values() {
        assert!(bench.path(file.as_str().unwrap()).is_file(), "{file}");
    }
    assert_eq!(
        epochs(&bench.path("run/metrics.csv")),
        (1..=20).collect::<Vec<_>>()
    );
    assert_eq!(report["method"], "exact");
    assert_eq!(report["epochs"], 20);
    assert_eq!(report["updates"], 80);
    for key in [
        "pseudo_likelihood",
        "reconstruction_error",
        "gcu_per_second",
        "seconds",
    ] {
        assert!(report[key].is_f64(), "{key}: {report:#}");
    }
    let evaluated = bench.json("evaluate run/model.safetensors --exact --json");
    for (key, value) in evaluated.as_object().unwrap() {
        match (key.as_str(), value.as_array()) {
            // Training has more to say.
            ("warnings", Some(all)) => {
                let told = report[key].as_array().unwrap();
                assert!(all.iter().all(|x| told.contains(x)), "{told:?}");
            }
            _ => assert_eq!(&report[key], value, "{key}"),
        }
    }
    let notes = bench.model("run/model.safetensors").notes;
    for key in [
        "data",
        "binarize",
        "seed",
        "harmonium",
        "fingerprint",
        "figure.mean_log_likelihood",
    ] {
        assert!(notes.contains_key(key), "{key}");
    }

    // Without pictures those of an earlier end go too.
    let report = bench.json("train --resume --epochs 21 --no-pictures --json");
    let files: Vec<_> = report["files"].as_object().unwrap().keys().collect();
    assert_eq!(files, ["metrics", "model"]);
    assert_eq!(fs::read_dir(bench.path("run")).unwrap().count(), 4);

    let table = bench.ok(&format!("{BARS} --epochs 1 --out other"));
    for words in [
        "train log-likelihood",
        "pseudo-likelihood",
        "GCU/s",
        "other/samples.png",
    ] {
        assert!(table.contains(words), "{words}:\n{table}");
    }
}

#[test]
fn the_default_data_are_in_the_program() {
    let bench = Bench::new();
    let report = bench.json("train rbm --hidden 3 --epochs 0 --json");
    assert_eq!(
        (&report["count"], &report["split"]),
        (&10_000.into(), &"test".into())
    );
    // Independent pixels at the rates of MNIST: a known figure of about -206 nats.
    let mean = report["mean_log_likelihood"].as_f64().unwrap();
    assert!((-210.0..-203.0).contains(&mean), "{mean}");
}

#[test]
fn every_method_learns() {
    let bench = Bench::new();
    let before = bench.json("train --data bars.csv --hidden 8 --epochs 0 --json");
    for (k, method) in [
        "--method exact",
        "--method pcd --steps 2 --chains 20",
        "--method cd --steps 2",
        "--method cd --reconstruction smoothed --momentum at:0=0.5,20=0.8 --gradient-clip 5",
        "--method mcmc --steps 10 --chains 50 --weight-decay 0.0001 --l1-decay 0.0001",
        "--resample --method pcd",
    ]
    .into_iter()
    .enumerate()
    {
        let after = bench.json(&format!(
            "train --data bars.csv --hidden 8 --epochs 300 --batch-size 4 --learning-rate 0.2 --seed {k} --json {method}"
        ));
        let mean = |report: &serde_json::Value| report["mean_log_likelihood"].as_f64().unwrap();
        assert!(
            mean(&after) > mean(&before) + 0.5,
            "{method}: {}",
            mean(&after)
        );
    }
}

#[test]
fn held_out_examples_are_watched() {
    let bench = Bench::new();
    let report = bench.json(&format!("{BARS} --epochs 3 --validation 4 --json"));
    assert_eq!(report["count"], 12);
    let metrics = fs::read_to_string(bench.path("run/metrics.csv")).unwrap();
    for line in metrics.lines().skip(1) {
        let gap = line.split(',').nth(6).unwrap();
        assert!(gap.parse::<f64>().unwrap().is_finite(), "{line}");
    }
    // The same split, for the same figures.
    let evaluated = bench.json("evaluate run/model.safetensors --exact --json");
    assert_eq!(
        evaluated["mean_log_likelihood"],
        report["mean_log_likelihood"]
    );
}

#[test]
fn threads_do_not_change_a_bit() {
    let bench = Bench::drawing();
    let rows = (0..300).map(|i| (0..70).map(|j| ((i * j) % 11) as f32 / 10.0).collect());
    bench.csv("gray.csv", rows);
    for (threads, out) in [(1, "one"), (2, "two")] {
        bench.ok(&format!(
            "train --data gray.csv --hidden 33 --epochs 3 --chains 40 --seed 5 --threads {threads} --out {out}"
        ));
    }
    let (one, two) = (
        bench.model("one/model.safetensors"),
        bench.model("two/model.safetensors"),
    );
    assert_same(&one, &two);
    for key in [
        "log_z",
        "mean_log_likelihood",
        "pseudo_likelihood",
        "reconstruction_error",
    ] {
        let key = format!("figure.{key}");
        assert_eq!(one.notes[&key], two.notes[&key], "{key}");
    }
    for picture in ["filters.png", "samples.png"] {
        let read = |out: &str| fs::read(bench.path(out).join(picture)).unwrap();
        assert!(read("one") == read("two"), "{picture}");
    }
}

#[test]
fn a_resumed_run_is_an_uninterrupted_one() {
    let bench = Bench::drawing();
    for method in [
        "--method pcd --chains 16",
        "--method cd --momentum 0.5",
        "--method exact",
    ] {
        let line = "train --data bars.csv --hidden 8 --batch-size 5 --learning-rate step:0.1:0.5:4 --seed 3";
        bench.ok(&format!("{line} {method} --epochs 9 --out whole --force"));
        bench.ok(&format!("{line} {method} --epochs 4 --out parts --force"));
        // Options that agree with those of the run may be repeated.
        bench.ok(&format!("{line} {method} --epochs 6 --out parts --resume"));
        bench.ok("train --out parts --resume --epochs 9");
        let parts = bench.model("parts/model.safetensors");
        assert_same(&bench.model("whole/model.safetensors"), &parts);
        assert_eq!(
            epochs(&bench.path("parts/metrics.csv")),
            (1..=9).collect::<Vec<_>>()
        );
        let run = fs::read_to_string(bench.path("parts/run.json")).unwrap();
        assert!(run.contains("--epochs 4") && !run.contains("--resume"));
    }
    // Nothing left to do: the pictures and the report again.
    fs::remove_file(bench.path("parts/filters.png")).unwrap();
    assert_eq!(bench.json("train --out parts --resume --json")["epochs"], 9);
    assert!(bench.path("parts/filters.png").is_file());
}

#[test]
fn resuming_refuses_flags_that_contradict_the_run() {
    let bench = Bench::new();
    bench.ok(&format!("{BARS} --epochs 2"));
    for (flag, words) in [
        ("--hidden 9", "--hidden 9: the run to resume has 8"),
        ("--data mnist", "--data mnist"),
        ("--binarize threshold", "--binarize"),
        ("--method cd", "--method: the run to resume has pcd"),
        ("--chains 17", "--chains 17"),
        ("--steps 2", "--steps 2"),
        ("--batch-size 5", "--batch-size 5"),
        (
            "--learning-rate 0.2",
            "--learning-rate 0.2: the run to resume has 0.1",
        ),
        ("--momentum 0.5", "--momentum 0.5"),
        ("--weight-decay 0.5", "--weight-decay 0.5"),
        ("--l1-decay 0.5", "--l1-decay 0.5"),
        (
            "--gradient-clip 1",
            "--gradient-clip 1: the run to resume has none",
        ),
        ("--validation 3", "--validation 3"),
        ("--seed 1", "--seed 1"),
        (
            "--epochs 1",
            "--epochs 1: the run to resume is in epoch 2 already",
        ),
        ("--resample", "--resample"),
        ("--reconstruction smoothed", "--reconstruction"),
    ] {
        bench.refused(&format!("train --resume {flag}"), 2, &[words, "hint: "]);
    }
    bench.refused(
        "train --resume --out nowhere",
        1,
        &["nowhere", "leave --resume out"],
    );
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_a_run_that_goes_on_bit_for_bit() {
    let bench = Bench::new();
    let line = "train --data bars.csv --hidden 8 --batch-size 1 --chains 16 --learning-rate 0.05 --out stopped";
    let child = bench
        .command(&format!("{line} --epochs 100000000"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let model = bench.path("stopped/model.safetensors");
    // Rows of metrics come once in a hundred thousand epochs here, but the file is there from the
    // start.
    while !bench.path("stopped/metrics.csv").exists() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "no run has started"
        );
        sleep(Duration::from_millis(5));
    }
    sleep(Duration::from_millis(200));
    let killed = Command::new("sh")
        .args(["-c", &format!("kill -INT {}", child.id())])
        .status()
        .unwrap();
    assert!(killed.success());
    let ran = common::Ran::from(child.wait_with_output().unwrap());
    let words = [
        "interrupted in epoch",
        "harmonium train --resume --out stopped",
    ];
    ran.refused(line, 1, &words);

    let stopped = harmonium::checkpoint::Checkpoint::load(&model).unwrap();
    let done = stopped.run.unwrap().position().updates.div_ceil(16);
    let epochs = done + 3;
    bench.ok(&format!("train --resume --out stopped --epochs {epochs}"));
    bench.ok(&format!("{line} --epochs {epochs} --out whole").replace("--out stopped ", ""));
    assert_same(
        &bench.model("whole/model.safetensors"),
        &bench.model("stopped/model.safetensors"),
    );
}
