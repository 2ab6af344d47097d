//! Where runs go: one that is there is never replaced unasked.

use crate::common::{Bench, Ran};
use std::{fs, thread::sleep, time::Duration};

const LINE: &str = "train --data bars.csv --batch-size 4 --epochs 1";

fn hidden(bench: &Bench, name: &str) -> usize {
    let model = bench.model(&format!("{name}/model.safetensors")).model;
    model.rbm().unwrap().n_hidden()
}

/// The lines of stderr that have all `words`.
fn lines<'a>(ran: &'a Ran, words: &[&str]) -> Vec<&'a str> {
    let lines = ran.stderr.lines();
    lines
        .filter(|line| words.iter().all(|word| line.contains(word)))
        .collect()
}

/// Later runs are newer by the clock of the file system, however coarse that is.
fn tick() {
    sleep(Duration::from_millis(20));
}

#[test]
fn a_named_directory_with_a_run_is_refused_and_stays_as_it_is() {
    let bench = Bench::new();
    bench.ok(&format!("{LINE} --hidden 5 --out kept"));
    let model = fs::read(bench.path("kept/model.safetensors")).unwrap();
    let words = [
        "--out kept",
        "holds a run",
        "--resume",
        "--force",
        "kept.old-1",
    ];
    bench.refused(&format!("{LINE} --out kept"), 2, &words);
    bench.refused(&format!("{LINE} --out ./kept/"), 2, &words[1..]);
    // Data that cannot be had are told of later: nothing is read before.
    bench.refused("train --data no.csv --out kept", 2, &words);
    assert_eq!(
        fs::read(bench.path("kept/model.safetensors")).unwrap(),
        model
    );
    // A directory that holds no run is no one's.
    fs::create_dir(bench.path("mine")).unwrap();
    fs::write(bench.path("mine/notes.txt"), "mine").unwrap();
    bench.ok(&format!("{LINE} --hidden 2 --out mine"));
    assert_eq!(fs::read(bench.path("mine/notes.txt")).unwrap(), b"mine");
}

#[test]
fn force_renames_the_directory_with_all_that_is_in_it() {
    let bench = Bench::drawing();
    bench.ok(&format!("{LINE} --hidden 5 --out one --trajectory 3"));
    fs::write(bench.path("one/notes.txt"), "mine").unwrap();
    let ran = bench.run(&format!("{LINE} --hidden 4 --out one --force"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(lines(&ran, &["note: --force", "now in one.old-1"]).len(), 1);
    assert_eq!([hidden(&bench, "one"), hidden(&bench, "one.old-1")], [4, 5]);
    for name in ["notes.txt", "samples.png", "trajectory", "run.json"] {
        assert!(bench.path("one.old-1").join(name).exists(), "{name}");
    }
    assert!(!bench.path("one/notes.txt").exists() && !bench.path("one/trajectory").exists());
    bench.ok(&format!("{LINE} --hidden 3 --out one/ --force"));
    let all = ["one", "one.old-1", "one.old-2"].map(|name| hidden(&bench, name));
    assert_eq!(all, [3, 5, 4]);
    // It goes on from where it is now.
    bench.ok("train --resume --epochs 3 --out one.old-1");
    // A run that cannot start moves nothing.
    bench.refused("train --data no.csv --out one --force", 1, &["no.csv"]);
    bench.refused(
        &format!("{LINE} --out one --force --learning-rate=-1"),
        2,
        &["learning rate"],
    );
    assert_eq!(hidden(&bench, "one"), 3);
    assert!(!bench.path("one.old-3").exists());
    bench.refused(&format!("{LINE} --resume --force"), 2, &["--force"]);
    // Nor does one in a directory that has no name.
    fs::copy(
        bench.path("one/model.safetensors"),
        bench.path("model.safetensors"),
    )
    .unwrap();
    bench.refused(
        &format!("{LINE} --out . --force"),
        2,
        &["--force", "no name"],
    );
}

#[test]
fn the_default_name_takes_the_next_that_is_free() {
    let bench = Bench::new();
    for k in [1, 2, 3] {
        let ran = bench.run(&format!("{LINE} --hidden {k}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let told = lines(&ran, &["note: ./run holds a run", &format!("./run-{k}")]);
        assert_eq!(told.len(), usize::from(k > 1), "{}", ran.stderr);
        tick();
    }
    let all = || ["run", "run-2", "run-3"].map(|name| hidden(&bench, name));
    assert_eq!(all(), [1, 2, 3]);
    // The newest goes on, and is said.
    let ran = bench.run("train --resume --epochs 2");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(lines(&ran, &["--resume goes on with", "run-3"]).len(), 1);
    tick();
    // The newest is the one that was trained last, whatever its number.
    bench.ok("train --resume --epochs 3 --out run-2");
    let ran = bench.run("inspect --json");
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["shape"], serde_json::json!([9, 2]));
    assert_eq!(lines(&ran, &["the model is that of", "run-2"]).len(), 1);
    let expected = bench.json("evaluate run-2/model.safetensors --exact --json");
    assert_eq!(bench.json("evaluate --exact --json"), expected);
    for command in ["sample --steps 3 --out a.npy", "transform --out b.npy"] {
        bench.ok(command);
    }
    tick();
    // Names that only look like one are none of these.
    for name in ["run-0", "run-1", "run-02", "running", "run-x"] {
        bench.ok(&format!("{LINE} --hidden 7 --out {name}"));
    }
    assert_eq!(bench.json("inspect --json")["shape"][1], 2);
    // Without --out, --force is about the first.
    bench.ok(&format!("{LINE} --hidden 6 --force"));
    assert_eq!(all(), [6, 2, 3]);
    assert_eq!(hidden(&bench, "run.old-1"), 1);
    fs::remove_dir_all(bench.path("run")).unwrap();
    bench.ok(&format!("{LINE} --hidden 8"));
    assert_eq!(all(), [8, 2, 3]);
}

#[test]
fn no_model_and_no_run_is_said() {
    let bench = Bench::new();
    for command in [
        "evaluate",
        "inspect",
        "classify",
        "transform --out a.npy",
        "sample --out a.npy",
    ] {
        bench.refused(command, 2, &["no MODEL", "./run", "harmonium train"]);
    }
    bench.refused("train --resume", 1, &["run/model.safetensors"]);
}
