//! Answers by example, by state and by sample.

use crate::common::{Bench, with_striped};
use std::fs;

/// The head of a CSV file and its rows of numbers, none of which is in exponents.
fn table(bench: &Bench, name: &str) -> (Vec<String>, Vec<Vec<f64>>) {
    let text = fs::read_to_string(bench.path(name)).unwrap();
    let mut lines = text.lines();
    let head = lines.next().unwrap().split(',').map(ToOwned::to_owned);
    let row = |line: &str| {
        let cells = line.split(',');
        cells
            .map(|x| x.parse().unwrap_or_else(|_| panic!("{name}: {line}")))
            .collect()
    };
    let head = head.collect();
    let rows: Vec<Vec<f64>> = lines.map(row).collect();
    let body = text.split_once('\n').unwrap().1;
    assert!(!body.contains('e'), "{name}: {body}");
    (head, rows)
}

fn mean(rows: &[Vec<f64>], column: usize) -> f64 {
    rows.iter().map(|row| row[column]).sum::<f64>() / rows.len() as f64
}

#[test]
fn every_example_has_its_scores() {
    let bench = Bench::new();
    for kind in [
        "rbm --hidden 4 --epochs 3",
        "boltzmann --hidden 2 --epochs 3",
    ] {
        bench.ok(&format!("train {kind} --data bars.csv --force"));
        let told = bench.json("evaluate --exact --scores scores.csv --json");
        let (head, rows) = table(&bench, "scores.csv");
        assert_eq!(head, ["example", "free_energy", "log_likelihood"]);
        assert_eq!(rows.len(), 16);
        let number = |key: &str| told[key].as_f64().unwrap();
        assert!(
            (mean(&rows, 2) - number("mean_log_likelihood")).abs() < 1e-9,
            "{kind}"
        );
        for (i, row) in rows.iter().enumerate() {
            assert_eq!(row[0], i as f64);
            assert!((row[1] + row[2] + number("log_z")).abs() < 1e-9, "{kind}");
        }
        // All on and all off come twice in the data, with the same score.
        assert_eq!(
            rows[0][1..],
            rows.iter()
                .skip(1)
                .find(|row| row[1] == rows[0][1])
                .unwrap()[1..]
        );
    }
    bench.ok("train dbm --layers 4,3 --pretraining-epochs 2 --epochs 2 --data bars.csv --out dbm");
    let told = bench.json("evaluate dbm/model.safetensors --scores bounds.csv --json");
    let (head, rows) = table(&bench, "bounds.csv");
    assert_eq!(head, ["example", "log_likelihood_bound"]);
    let bound = told["lower_bound"].as_f64();
    let bound = bound.unwrap_or_else(|| panic!("{told}"));
    assert!((mean(&rows, 1) - bound).abs() < 1e-9);
}

#[test]
fn classes_have_their_probabilities() {
    let bench = with_striped(Bench::new());
    bench.ok("train --data striped.csv --labels --hidden 6 --epochs 5");
    bench.ok("evaluate --scores scores.csv");
    bench.ok("classify --out p.npy --split train");
    let (head, rows) = table(&bench, "scores.csv");
    assert_eq!(
        head,
        [
            "example",
            "free_energy",
            "log_likelihood",
            "class_0",
            "class_1"
        ]
    );
    let told = bench.json("classify --split train --json");
    let labels = |i: usize| i % 2;
    let wrong = rows.iter().enumerate().filter(|(i, row)| {
        assert!((row[3] + row[4] - 1.0).abs() < 1e-5);
        row[3 + labels(*i)] < 0.5
    });
    assert_eq!(wrong.count() as u64, told["wrong"].as_u64().unwrap());
}

#[test]
fn small_machines_are_told_state_by_state() {
    let bench = Bench::new();
    for kind in [
        "rbm --hidden 4 --epochs 3",
        "boltzmann --hidden 2 --epochs 3",
        "dbm --layers 4,3 --pretraining-epochs 1 --epochs 1",
        "dbn --layers 4,3 --greedy-epochs 1 --up-down-epochs 1",
    ] {
        bench.ok(&format!("train {kind} --data bars.csv --force"));
        bench.ok("evaluate --exact --distribution p.csv --scores scores.csv");
        let (head, states) = table(&bench, "p.csv");
        assert_eq!(head.len(), 10);
        assert_eq!(
            (&*head[0], &*head[8], &*head[9]),
            ("v0", "v8", "probability")
        );
        assert_eq!(states.len(), 512);
        let all: f64 = states.iter().map(|row| row[9]).sum();
        assert!((all - 1.0).abs() < 1e-9, "{all}");
        // Probabilities of states are the likelihoods of examples.
        let (head, scores) = table(&bench, "scores.csv");
        let column = head.iter().position(|x| x == "log_likelihood").unwrap();
        let data = fs::read_to_string(bench.path("bars.csv")).unwrap();
        for (line, score) in data.lines().zip(&scores) {
            let v: Vec<f64> = line.split(',').map(|x| x.parse().unwrap()).collect();
            let state = states.iter().find(|row| row[..9] == v[..]).unwrap();
            assert!((state[9].ln() - score[column]).abs() < 1e-5, "{kind}");
        }
    }
    bench.csv(
        "wide.csv",
        (0..40).map(|i| (0..21).map(|j| f32::from((i + j) % 3 == 0)).collect()),
    );
    bench.ok("train --data wide.csv --hidden 2 --epochs 0 --out wide");
    bench.refused(
        "evaluate wide/model.safetensors --distribution p.csv",
        2,
        &["--distribution", "2^20", "2097152"],
    );
    for flag in ["--scores a.npy", "--distribution a.txt"] {
        let words = [flag.split(' ').next().unwrap(), ".csv"];
        bench.refused(&format!("evaluate {flag}"), 2, &words);
    }
}

#[test]
fn samples_have_their_energies() {
    let bench = Bench::new();
    bench.ok("train --data bars.csv --hidden 4 --epochs 3");
    bench.ok("sample --steps 5 --count 20 --out v.csv --energies f.csv");
    let (head, rows) = table(&bench, "f.csv");
    assert_eq!(head, ["sample", "free_energy"]);
    assert_eq!(rows.len(), 20);
    // Those of the same states as examples.
    bench.ok("evaluate --data v.csv --exact --scores scores.csv");
    let (_, scores) = table(&bench, "scores.csv");
    for (sample, score) in rows.iter().zip(&scores) {
        assert!((sample[1] - score[1]).abs() < 1e-4, "{sample:?} {score:?}");
    }
    bench.refused(
        "sample --out v.csv --energies f.npy",
        2,
        &["--energies", ".csv"],
    );
}
