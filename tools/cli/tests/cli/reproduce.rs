//! `harmonium reproduce`: every experiment on its short way, and what it says.

use crate::common::Bench;
use harmonium::checkpoint::{Checkpoint, SavedRun};

#[test]
fn every_experiment_has_a_short_way_with_a_record() {
    let bench = Bench::new();
    let list = bench.ok("reproduce --list");
    let names: Vec<&str> = list
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() >= 5, "{list}");
    for name in names {
        let line = format!("reproduce {name} --quick --seed 3 --json --out out");
        let record = bench.json(&line);
        assert_eq!(record["experiment"], name);
        assert_eq!(
            (&record["seed"], &record["quick"]),
            (&3.into(), &true.into())
        );
        assert!(record["machine"]["threads"].as_u64().unwrap() > 0);
        assert!(
            !record["machine"]["instruction_set"]
                .as_str()
                .unwrap()
                .is_empty()
        );
        let parts = record["parts"].as_array().unwrap();
        assert!(!parts.is_empty());
        for part in parts {
            assert_eq!(
                part["recipe"]["options"]["batch_size"]
                    .as_u64()
                    .map(|n| n > 0),
                Some(true)
            );
            for figure in part["figures"].as_array().unwrap() {
                let [low, measured, high] =
                    ["low", "measured", "high"].map(|key| figure[key].as_f64().unwrap());
                assert!(low <= measured && measured <= high, "{figure}");
            }
        }
        let stored = std::fs::read_to_string(bench.path(&format!("out/{name}.json"))).unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&stored).unwrap(),
            record
        );
        // The same seed gives the same figures.
        let again = bench.json(&line);
        let figures = |x: &serde_json::Value| -> Vec<serde_json::Value> {
            let parts = x["parts"].as_array().unwrap();
            parts.iter().map(|part| part["figures"].clone()).collect()
        };
        assert_eq!(figures(&again), figures(&record));
    }
}

#[test]
fn the_table_has_published_and_measured_figures_and_refusals_say_what_there_is() {
    let bench = Bench::new();
    let table = bench.ok("reproduce rbm-small --quick");
    for word in [
        "published",
        "measured",
        "-164.52",
        "784-20 PCD-1",
        "no result",
    ] {
        assert!(table.contains(word), "{word}: {table}");
    }
    bench.refused("reproduce rbm-nothing", 2, &["rbm-nothing", "rbm-small"]);
    bench.refused(
        "reproduce rbm-small --quick --only x",
        2,
        &["--only", "rbm-small"],
    );
}

#[test]
fn one_experiment_at_a_time_writes_to_a_directory() {
    let bench = Bench::new();
    let line = "reproduce rbm-small --quick --out out";
    std::fs::create_dir(bench.path("out")).unwrap();
    let lock = std::fs::File::create(bench.path("out/.lock")).unwrap();
    lock.lock().unwrap();
    bench.refused(line, 1, &["another run writes to this directory"]);
    drop(lock);
    bench.ok(line);
}

#[test]
fn the_network_of_a_stored_machine_is_that_of_the_whole_run() {
    let bench = Bench::new();
    let line = "reproduce dbm-2009 --quick --seed 3 --json --out out";
    let whole = bench.json(line);
    let alone = bench.json(&format!("{line} --only network"));
    let [whole, alone] = [&whole, &alone].map(|x| x["parts"].as_array().unwrap().clone());
    assert_eq!((whole.len(), alone.len()), (3, 1));
    assert_eq!(whole[2]["figures"], alone[0]["figures"]);
    bench.refused(
        "reproduce dbm-2009 --quick --only network",
        2,
        &["--only network", "--out"],
    );
}

#[test]
fn a_machine_that_learned_goes_on_from_its_file() {
    let bench = Bench::new();
    let line = "reproduce dbm-2009 --quick --seed 3 --json --out out";
    let resume = format!("{line} --resume");
    bench.refused(&resume, 1, &["dbm-2009.safetensors"]);
    let whole = bench.json(line);
    // No epoch of the joint stage is left, so what follows it must be the same to the bit.
    let rest = bench.json(&resume);
    let [whole, rest] = [&whole, &rest].map(|x| x["parts"].as_array().unwrap().clone());
    assert_eq!((whole.len(), rest.len()), (3, 2));
    for (a, b) in whole[1..].iter().zip(&rest) {
        assert_eq!(
            [&a["name"], &a["figures"], &a["recipe"]],
            [&b["name"], &b["figures"], &b["recipe"]]
        );
    }
    bench.refused(
        &resume.replace("--seed 3", "--seed 4"),
        2,
        &["--resume", "out/dbm-2009.safetensors"],
    );
    // A network needs the machine at the end of its joint stage.
    let path = bench.path("out/dbm-2009.safetensors");
    let mut checkpoint = Checkpoint::load(&path).unwrap();
    let Some(SavedRun::Dbm(state)) = &mut checkpoint.run else {
        panic!("a joint stage")
    };
    state.updates -= 1;
    checkpoint.save(&path).unwrap();
    let network = format!("{line} --only network");
    bench.refused(
        &network,
        1,
        &["dbm-2009.safetensors", "not done", "--resume"],
    );
    bench.refused(
        "reproduce rbm-small --quick --out out --resume",
        2,
        &["--resume", "dbm-2009", "rbm-small"],
    );
    bench.refused("reproduce dbm-2009 --quick --resume", 2, &["--out"]);
}

#[test]
fn steps_may_grow_over_the_epochs() {
    let bench = Bench::new();
    let run = "train --data bars.csv --hidden 4 --method cd --batch-size 4 --seed 1";
    let constant = bench.json(&format!("{run} --epochs 4 --steps 3 --out a --json"));
    let flat = bench.json(&format!("{run} --epochs 4 --steps at:0=3 --out b --json"));
    // A schedule of one number is that number, to the bit.
    assert_eq!(constant["log_z"], flat["log_z"]);
    let growing = bench.json(&format!(
        "{run} --epochs 4 --steps at:0=1,2=3 --out c --json"
    ));
    assert_ne!(constant["log_z"], growing["log_z"]);
    // Interrupted at an epoch and resumed, it is the same run.
    bench.ok(&format!(
        "{run} --epochs 3 --steps at:0=1,2=3 --out d --json"
    ));
    let resumed = bench.json("train --resume --epochs 4 --steps at:0=1,2=3 --out d --json");
    assert_ne!(resumed["log_z"], serde_json::Value::Null);
    bench.refused(
        "train --resume --epochs 5 --steps 3 --out d",
        2,
        &["--steps"],
    );
    bench.refused(&format!("{run} --steps at:0=2000000"), 2, &["steps"]);
}
