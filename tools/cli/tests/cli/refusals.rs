//! Bad input from outside: one line of error, the right exit code, never a panic.

use crate::common;
use crate::common::Bench;
use std::{fs, process::Stdio};

/// What is no command, and a word of what is said of it.
const NO_COMMANDS: &[(&str, &str)] = &[
    ("", "Usage"),
    ("fly", "fly"),
    ("train dbx", "dbx"),
    ("train --hidden 0", "--hidden"),
    ("train --hidden many", "--hidden"),
    ("train --chains 0", "--chains"),
    ("train --batch-size 0", "--batch-size"),
    ("train --steps 0", "--steps"),
    ("train --threads 0", "--threads"),
    ("train --epochs=-1", "--epochs"),
    ("train --seed x", "--seed"),
    ("train --learning-rate fast", "--learning-rate"),
    ("train --binarize maybe", "--binarize"),
    ("train --method magic", "--method"),
    ("train --reconstruction none", "--reconstruction"),
    (
        "evaluate run/model.safetensors --exact --betas 5",
        "--betas",
    ),
    (
        "evaluate run/model.safetensors --split validation",
        "--split",
    ),
    ("sample run/model.safetensors", "--out"),
];

/// Commands that could be, of values that make no run.
const NO_RUNS: &[(&str, &str)] = &[
    ("train --data bars.csv --learning-rate=-1", "learning rate"),
    ("train --data bars.csv --momentum 1.5", "momentum"),
    ("train --data bars.csv --weight-decay nan", "weight decay"),
    ("train --data bars.csv --l1-decay=-1", "L1 decay"),
    ("train --data bars.csv --gradient-clip 0", "gradient clip"),
    ("train --data bars.csv --validation 16", "--validation 16"),
    (
        "train --data bars.csv --hidden 999999999",
        "--hidden 999999999",
    ),
    (
        "train --data bars.csv --chains 999999999",
        "--chains 999999999",
    ),
    ("train --data bars.csv --method exact --steps 2", "--steps"),
    ("train --data bars.csv --method cd --chains 2", "--chains"),
    (
        "train --data bars.csv --reconstruction smoothed",
        "--reconstruction",
    ),
    (
        "train --data bars.csv --resample --binarize sample",
        "--resample",
    ),
    (
        "evaluate run/model.safetensors --chains 999999999",
        "--chains 999999999",
    ),
    (
        "sample run/model.safetensors --out a.jpg",
        ".png, .npy or .csv",
    ),
    (
        "sample run/model.safetensors --out png",
        ".png, .npy or .csv",
    ),
    (
        "sample run/model.safetensors --beta nan --out a.png",
        "--beta",
    ),
    (
        "sample run/model.safetensors --beta=-1 --out a.png",
        "--beta",
    ),
    (
        "sample run/model.safetensors --count 999999999 --out a.png",
        "--count",
    ),
    (
        "sample run/model.safetensors --count 900000 --steps 0 --out a.png",
        "pixels",
    ),
];

#[test]
fn wrong_use_is_exit_code_2() {
    let bench = Bench::new();
    bench.ok("train --data bars.csv --hidden 4 --epochs 1");
    for &(line, words) in NO_COMMANDS {
        let ran = bench.run(line);
        assert_eq!(ran.code, 2, "{line}\n{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{line}\n{}", ran.stderr);
        assert_eq!(ran.stdout, "", "{line}");
    }
    for &(line, words) in NO_RUNS {
        bench.refused(line, 2, &[words]);
    }
    bench.ok("train --data bars.csv --hidden 40 --epochs 0 --out wide");
    let rows = (0..40).map(|i| (0..40).map(|j| f32::from(i == j)).collect());
    bench.csv("wide.csv", rows);
    bench.refused(
        "train --data wide.csv --hidden 40 --method exact",
        2,
        &["30"],
    );
    bench.ok("train --data wide.csv --hidden 40 --epochs 0 --out wide --force");
    bench.refused(
        "evaluate wide/model.safetensors --exact",
        2,
        &["30", "leave it out for AIS"],
    );
    assert!(!bench.path("a.png").exists());
}

#[test]
fn options_of_other_kinds_are_refused() {
    let bench = Bench::new();
    for (kind, flags, of) in [
        (
            "rbm",
            &[
                "--pretraining-epochs 3",
                "--damping 0.5",
                "--no-pretraining",
            ][..],
            "`train dbm`",
        ),
        ("dbn", &["--no-pretraining", "--warm-start"], "`train dbm`"),
        (
            "boltzmann",
            &["--pretraining-epochs 3", "--damping 0.5"],
            "`train dbm`",
        ),
        (
            "rbm",
            &["--layers 3", "--fine-tune backprop"],
            "`train dbn`",
        ),
        (
            "boltzmann",
            &["--layers 3", "--fine-tune backprop"],
            "`train dbn`",
        ),
        ("dbm", &["--up-down-epochs 3"], "`train dbn`"),
        ("boltzmann", &["--greedy-epochs 3"], "`train dbn`"),
        (
            "rbm",
            &["--connectivity x", "--positive exact"],
            "`train boltzmann`",
        ),
        (
            "dbn",
            &["--connectivity x", "--positive exact"],
            "`train boltzmann`",
        ),
        ("dbm", &["--connectivity x"], "`train boltzmann`"),
    ] {
        for flag in flags {
            let name = flag.split(' ').next().unwrap();
            let line = format!("train {kind} {flag} --data bars.csv --epochs 1");
            bench.refused(&line, 2, &[name, of, &format!("not of `train {kind}`")]);
        }
    }
    assert!(!bench.path("run").exists());
}

#[test]
fn the_environment_is_checked_at_the_start() {
    let bench = Bench::new();
    for name in ["HARMONIUM_ISA", "HARMONIUM_PRODUCT", "HARMONIUM_GEMM"] {
        for line in ["train", "inspect nowhere"] {
            let output = bench.command(line).env(name, "sse9").output().unwrap();
            common::Ran::from(output).refused(line, 2, &[name, "sse9"]);
        }
    }
}

#[test]
fn what_cannot_be_done_is_exit_code_1() {
    let bench = Bench::new();
    bench.ok("train --data bars.csv --hidden 4 --epochs 1");
    let model = fs::read(bench.path("run/model.safetensors")).unwrap();
    fs::write(bench.path("cut.safetensors"), &model[..model.len() / 2]).unwrap();
    fs::write(bench.path("empty.safetensors"), "").unwrap();
    fs::write(bench.path("text.safetensors"), "not a model at all").unwrap();
    fs::write(bench.path("text.csv"), "a,b\n1,x\n").unwrap();
    fs::write(bench.path("narrow.csv"), "0,1\n1,0\n").unwrap();
    fs::write(bench.path("file"), "in the way").unwrap();
    for (line, words) in [
        ("train --data nowhere.csv", "nowhere.csv"),
        ("train --data text.csv", "text.csv"),
        ("train --data text.safetensors", "text.safetensors"),
        ("train --data bars.csv --hidden 4 --out file", "file"),
        (
            "train --data bars.csv --hidden 4 --epochs 200 --learning-rate 3e38 --momentum 0.9",
            "finite",
        ),
        (
            "evaluate nowhere.safetensors",
            "`harmonium train` makes a model",
        ),
        (
            "evaluate run/model.safetensors --data nowhere.csv",
            "nowhere.csv",
        ),
        (
            "evaluate run/model.safetensors --data narrow.csv",
            "expected 9 columns, as the machine has learned, found 2",
        ),
        ("evaluate run", "run"),
        (
            "sample run/model.safetensors --out missing/a.png",
            "missing",
        ),
        (
            "sample run/model.safetensors --out missing/a.npy",
            "missing",
        ),
    ] {
        bench.refused(line, 1, &[words]);
    }
    for name in ["cut", "empty", "text"] {
        let file = format!("{name}.safetensors");
        for line in ["evaluate {}", "sample {} --out a.png", "inspect {}"] {
            bench.refused(&line.replace("{}", &file), 1, &[&file, "hint: "]);
        }
    }
    // Data that the notes name and that are gone.
    fs::remove_file(bench.path("bars.csv")).unwrap();
    bench.refused("evaluate run/model.safetensors", 1, &["bars.csv", "--data"]);
    bench.refused("train --resume", 1, &["bars.csv"]);
}

#[test]
fn help_teaches() {
    let bench = Bench::new();
    for (line, words) in [
        ("--help", "harmonium train"),
        ("train --help", "linear:0.05:0.001"),
        ("evaluate --help", "quadrature"),
        ("sample --help", "fair coins"),
        ("inspect --help", "MODEL"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        let text = bench.ok(line);
        assert!(text.contains(words), "{line}\n{text}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::new();
    bench.ok("train --data bars.csv --hidden 4 --epochs 1");
    for line in [
        "inspect run/model.safetensors",
        "evaluate run/model.safetensors --exact --json",
        "--help",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = bench.command(line);
        let output = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = output.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panicked"), "{line}\n{stderr}");
        assert_eq!(output.status.code(), Some(0), "{line}\n{stderr}");
    }
}

#[test]
fn whatever_the_notes_of_a_model_say_nothing_panics() {
    let bench = Bench::new();
    let rows = (0..20).map(|i| (0..3).map(|j| (i * j % 7) as f32 - 3.0).collect());
    bench.csv("numbers.csv", rows);
    bench.ok("train --data numbers.csv --visible-units gaussian --standardize --hidden 2 --epochs 1 --method cd");
    let model = bench.model("run/model.safetensors");
    let numbers = [
        "0",
        "-1",
        "18446744073709551615",
        "9223372036854775808",
        "1e39",
        "x",
        "",
    ];
    let lists = [
        "[]",
        "[1]",
        "[0,0,0]",
        "[1e308,1e308,1e308]",
        "[null]",
        "[1e999,0,0]",
        "x",
    ];
    let mut all: Vec<(&str, &str)> = Vec::new();
    for key in [
        "classes",
        "seed",
        "validation",
        "stream",
        "binarize",
        "values",
        "fingerprint",
    ] {
        all.extend(numbers.map(|value| (key, value)));
    }
    for key in ["mean", "deviation"] {
        all.extend(lists.map(|value| (key, value)));
    }
    for (key, value) in all {
        let mut edited = model.clone();
        edited.notes.insert(key.into(), value.into());
        edited.save(bench.path("run/model.safetensors")).unwrap();
        for line in ["train --resume", "evaluate run/model.safetensors --exact"] {
            let ran = bench.run(line);
            let what = format!("{line}, {key} = {value:?}: {}", ran.stderr);
            assert!((0..=2).contains(&ran.code), "{what}");
            assert!(!ran.stderr.contains("panicked"), "{what}");
        }
    }
}
