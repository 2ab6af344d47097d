//! Deep belief networks from outside: training in stages that go on, what is measured of them,
//! samples, features.

use crate::common::{Bench, assert_same, stopped_in, striped_pictures, with_striped};
use harmonium::{BitMatrix, Input, checkpoint::SavedRun, model::Dbn};
use serde_json::{Value, json};
use std::fs;

const NET: &str = "train dbn --data striped.csv --labels --layers 12,8 --batch-size 10";
const SHORT: &str = "--greedy-epochs 15,15 --up-down-epochs 10";

/// What a run leaves.
const MODEL: &str = "run/model.safetensors";

fn bench() -> Bench {
    with_striped(Bench::new())
}

fn bits() -> BitMatrix {
    let all = striped_pictures();
    BitMatrix::from_fn(all.len(), 16, |i, j| all[i].0[j])
}

#[test]
fn a_network_learns_in_stages_and_is_measured_from_all_sides() {
    let bench = with_striped(Bench::drawing());
    let report = bench.json(&format!(
        "{NET} --validation 40 --greedy-epochs 60 --up-down-epochs 30 --json"
    ));
    the_report_tells_the_stages(&bench, &report);
    // What the commands print is what the library says.
    ways_of_classifying_agree(&bench);
    // Named data have no held-out part.
    fs::copy(bench.path("striped.csv"), bench.path("all.csv")).unwrap();
    let dbn = bench.model(MODEL).into_dbn().unwrap();
    figures_are_those_of_the_library(&bench, &dbn);
    features_are_those_of_the_library(&bench, &dbn);
    samples_and_their_kinds_are_written(&bench);
}

fn the_report_tells_the_stages(bench: &Bench, report: &Value) {
    // Rows that are all on or off look like columns: 1 of 7 states of the lines, and flipped units
    // add to it.
    let error = report["error"].as_f64().unwrap();
    assert!(error < 0.25, "{error}");
    assert_eq!(report["layers"], json!([16, 14, 8]));
    assert_eq!(report["stages"].as_object().unwrap().len(), 3);
    assert_eq!(
        report["greedy"][0]["negative"]["contrastive_divergence"]["steps"],
        1
    );
    assert_eq!(report["up_down"]["epochs"], 30);
    // The top is small, so its ln Z is exact.
    assert_eq!(report["method"], "exact");
    for name in ["model", "metrics", "filters", "samples", "curves"] {
        let file = bench.path(report["files"][name].as_str().unwrap());
        assert!(fs::metadata(&file).unwrap().len() > 100, "{name}");
    }
    let metrics = fs::read_to_string(bench.path("run/metrics.csv")).unwrap();
    let rows: Vec<Vec<&str>> = metrics.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(rows.len(), 1 + 60 + 60 + 30);
    assert_eq!(rows[60][..2], ["layer 1", "60"]);
    assert_eq!(rows[60][5], "", "no labels are learned yet");
    assert_eq!(rows[150][..2], ["up-down", "30"]);
    assert!(rows[150][5].parse::<f64>().unwrap() < 0.3);
}

fn ways_of_classifying_agree(bench: &Bench) {
    let compared = bench.json(&format!("classify {MODEL} --split train --compare --json"));
    let ways = compared["ways"].as_object().unwrap();
    let line = format!("classify {MODEL} --split train");
    for (name, way) in ways {
        let one = bench.json(&format!("{line} --way {name} --json"));
        assert_eq!(one["confusion"], way["confusion"], "{name}");
    }
    assert_eq!(ways.len(), 3);
    let text = bench.ok(&format!("{line} --compare"));
    for name in ["deterministic", "averaged", "gibbs"] {
        assert!(text.contains(name), "{text}");
    }
    bench.ok(&format!("{line} --out p.json --confusion confusion.png"));
    let p: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(bench.path("p.json")).unwrap()).unwrap();
    // The file has the examples that the run trained on: those that are not held out.
    assert_eq!(p["found"].as_array().unwrap().len(), 120);
    for row in p["probabilities"].as_array().unwrap() {
        let sum: f64 = row
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap())
            .sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }
    assert!(fs::metadata(bench.path("confusion.png")).unwrap().len() > 100);
}

fn figures_are_those_of_the_library(bench: &Bench, dbn: &Dbn) {
    let v = bits();
    let x: Input<'_> = (&v).into();
    let exact = bench.json(&format!(
        "evaluate {MODEL} --data all.csv --exact --json --confusion confusion.png"
    ));
    let of = |key: &str| exact[key].as_f64().unwrap();
    let log_p = dbn.exact_log_p_v(x, None, &mut ()).unwrap();
    let mean = log_p.iter().sum::<f64>() / log_p.len() as f64;
    assert!((of("mean_log_likelihood") - mean).abs() < 1e-9);
    assert!((of("log_z") - dbn.top().log_z(&mut ()).unwrap()).abs() < 1e-9);
    assert!(of("lower_bound") <= of("mean_log_likelihood"));
    let bound = bench.json(&format!(
        "evaluate {MODEL} --data all.csv --bound-samples 200 --json"
    ));
    // 200 samples of each of 160 examples, whose terms differ by some nats: an error of the mean of
    // about 0.02.
    let sampled = bound["lower_bound"].as_f64().unwrap();
    assert!((sampled - of("lower_bound")).abs() < 0.1, "{sampled}");
    // Temperatures ask for annealing, of the top pair with its label too.
    let annealed = bench.json(&format!(
        "evaluate {MODEL} --json --split train --betas 1000"
    ));
    assert_eq!(annealed["method"], "ais");
    let [z, low, high] =
        ["log_z", "log_z_low", "log_z_high"].map(|key| annealed[key].as_f64().unwrap());
    let known = of("log_z");
    assert!(
        low <= known && known <= high && (z - known).abs() < 0.02,
        "{low} {z} {high}: {known}"
    );
    assert_eq!(bound["confusion"], exact["confusion"]);
}

fn features_are_those_of_the_library(bench: &Bench, dbn: &Dbn) {
    let v = bits();
    let x: Input<'_> = (&v).into();
    let transform = format!("transform {MODEL} --data all.csv");
    let features = bench.json(&format!("{transform} --out f.csv --json"));
    assert_eq!(
        [&features["layer"], &features["columns"]],
        [&json!(1), &json!(12)]
    );
    let expected = dbn.features(x).unwrap();
    let text = fs::read_to_string(bench.path("f.csv")).unwrap();
    let mut lines = text.lines();
    let head: Vec<String> = (0..12).map(|j| format!("h{j}")).collect();
    assert_eq!(lines.next().unwrap(), head.join(","));
    for (i, line) in lines.enumerate() {
        let row: Vec<f32> = line.split(',').map(|x| x.parse().unwrap()).collect();
        assert_eq!(row, expected.row(i));
    }
    bench.ok(&format!("{transform} --out s.npy --pass samples --seed 4"));
    let states = fs::read(bench.path("s.npy")).unwrap();
    let expected = dbn.sample_posterior(x, 1, 4, 0).unwrap().to_matrix();
    let written = states[states.len() - 160 * 12..]
        .iter()
        .map(|&x| f32::from(x));
    assert!(written.eq(expected.elements()));
}

fn samples_and_their_kinds_are_written(bench: &Bench) {
    bench.ok(&format!(
        "sample {MODEL} --label 1 --count 5 --steps 20 --out one.npy"
    ));
    bench.ok(&format!("sample {MODEL} --steps 20 --out free.png"));
    bench.ok(&format!(
        "sample {MODEL} --every-label --count 6 --steps 20 --out every.npy"
    ));
    let rows = |name: &str| {
        let bytes = fs::read(bench.path(name)).unwrap();
        let length = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        (bytes.len() - length) / 16
    };
    assert_eq!((rows("one.npy"), rows("every.npy")), (5, 6));
    let shown = bench.ok(&format!("inspect {MODEL}"));
    for word in [
        "DBN 16-(12+2)-8",
        "up-down, epoch 30.00 of 30",
        "recognition.weights.0",
    ] {
        assert!(shown.contains(word), "no {word} in\n{shown}");
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_is_stopped_in_every_stage_is_an_uninterrupted_one() {
    let bench = bench();
    let line =
        format!("{NET} --greedy-epochs 1000,1000 --up-down-epochs 1000 --up-down-momentum 0.5");
    bench.ok(&format!("{line} --out whole"));
    for (stage, words) in [
        ("layer 1", line.clone()),
        ("layer 2", "train dbn --resume".into()),
        ("up-down", "train dbn --resume".into()),
    ] {
        stopped_in(
            &bench,
            stage,
            &words,
            "harmonium train dbn --resume --out stopped",
        );
        let stored = bench.model("stopped/model.safetensors").run;
        assert_eq!(
            matches!(stored, Some(SavedRun::UpDown(_))),
            stage == "up-down",
            "{stage}"
        );
    }
    bench.ok("train dbn --resume --out stopped");
    let [whole, stopped] =
        ["whole", "stopped"].map(|run| bench.model(&format!("{run}/model.safetensors")));
    assert_same(&whole, &stopped);
    let stages = |run: &str| -> Vec<String> {
        let text = fs::read_to_string(bench.path(&format!("{run}/metrics.csv"))).unwrap();
        let two = |line: &str| line.splitn(3, ',').take(2).collect::<Vec<_>>().join(" ");
        text.lines().map(two).collect()
    };
    assert_eq!(stages("whole"), stages("stopped"));
    // More epochs of the last stage go on from its end.
    bench.ok("train dbn --resume --out stopped --up-down-epochs 1002");
    assert_eq!(stages("stopped").len(), stages("whole").len() + 2);
}

#[test]
fn the_same_bits_at_any_number_of_threads_and_up_down_may_come_later() {
    let bench = bench();
    bench.ok(&format!("{NET} {SHORT} --threads 1 --out one"));
    let greedy = SHORT.replace("--up-down-epochs 10", "--up-down-epochs 0");
    bench.ok(&format!(
        "{NET} {greedy} --up-down-steps at:0=3,3=6,7=10 --threads 2 --out two"
    ));
    let first = bench.model("two/model.safetensors");
    assert!(matches!(first.run, Some(SavedRun::Greedy { .. })));
    bench.ok("train dbn --resume --out two --up-down-epochs 10 --threads 3");
    let [one, two] = ["one", "two"].map(|run| bench.model(&format!("{run}/model.safetensors")));
    assert_eq!(one.model, two.model);
}

#[test]
fn networks_without_labels_and_of_numbers_have_a_bound() {
    let bench = bench();
    let line = "train dbn --data bars.csv --layers 6,5,4 --greedy-epochs 3 --batch-size 4";
    let report = bench.json(&format!(
        "{line} --up-down-epochs 2 --posterior means --json"
    ));
    assert!(report["lower_bound"].as_f64().unwrap() < 0.0);
    assert!(report.get("error").is_none());
    let model = "run/model.safetensors";
    let annealed = bench.json(&format!(
        "evaluate {model} --chains 50 --betas 500 --json --split train"
    ));
    assert_eq!(annealed["method"], "ais");
    let of = |key: &str| annealed[key].as_f64().unwrap();
    let exact = bench.model(model).into_dbn().unwrap();
    let exact = exact.top().log_z(&mut ()).unwrap();
    // A top of 20 weights that hardly differ from 0: annealing is as good as exact.
    assert!(of("log_z_low") - 0.05 < exact && exact < of("log_z_high") + 0.05);
    assert!(of("lower_bound_low") <= of("lower_bound_high"));
    // Layer 2 is smaller than the visible one, layer 3 as large as layer 1: it alone starts from
    // layer 2 upside down.
    let line = "train dbn --data bars.csv --layers 6,5,6 --transposed --greedy-epochs 1 --up-down-epochs 0";
    let report = bench.json(&format!("{line} --out upside --json"));
    assert_eq!(report["layers"], json!([9, 6, 5, 6]));
    let Some(SavedRun::Greedy { plan, .. }) = bench.model("upside/model.safetensors").run else {
        panic!("greedy alone")
    };
    let transposed: Vec<bool> = plan.layers.iter().map(|x| x.transposed).collect();
    assert_eq!(transposed, [false, false, true]);
    bench.ok("train dbn --resume --transposed --out upside");
    let rows = (0..40_u16).map(|k| {
        (0..5_u16)
            .map(|j| f32::from((k * 7 + j * 3) % 11) / 5.0 - 1.0)
            .collect()
    });
    bench.csv("numbers.csv", rows);
    let line = "train dbn --data numbers.csv --layers 5,4 --greedy-epochs 3 --visible-units gaussian --standardize";
    bench.refused(line, 2, &["--visible-units gaussian", "--up-down-epochs 0"]);
    bench.ok(&format!("{line} --up-down-epochs 0 --out real"));
    bench.ok("sample real/model.safetensors --count 3 --steps 5 --out x.npy");
}

#[test]
fn what_makes_no_sense_is_refused_in_one_line() {
    let bench = bench();
    for (flags, words) in [
        ("--hidden 5", "--hidden"),
        ("--epochs 5", "--epochs"),
        ("--preset best", "--preset"),
        ("--objective hybrid", "--objective"),
        ("--greedy-epochs 1,2,3", "--greedy-epochs"),
        (
            "--greedy-rate 0.1 --greedy-rate 0.2 --greedy-rate 0.3",
            "--greedy-rate",
        ),
        ("--chains 5", "--chains"),
        ("--up-down-rate=-1", "rate"),
        ("--up-down-steps 5000", "steps"),
        ("--binarize sample --resample", "--resample"),
    ] {
        bench.refused(&format!("{NET} {flags}"), 2, &[words]);
    }
    let narrow = "train dbn --data bars.csv --layers 6,5 --transposed";
    bench.refused(narrow, 2, &["--transposed"]);
    bench.refused("train dbn --layers 5", 2, &["--layers", "train rbm"]);
    bench.refused("train --layers 5,6", 2, &["--layers", "train dbn"]);
    let unlabeled = "train dbn --data bars.csv --labels --layers 4,3";
    bench.refused(unlabeled, 2, &["--labels", "no labels"]);
    bench.ok(&format!("{NET} {SHORT} --out net"));
    for (flags, word) in [
        ("--layers 12,9", "--layers"),
        ("--greedy-epochs 9", "--greedy-epochs"),
        ("--learning-rate 0.3", "--learning-rate"),
        ("--top-rate 0.3", "--top-rate"),
        ("--up-down-epochs 3", "--up-down-epochs"),
        ("--posterior means", "--posterior"),
        ("--method pcd", "--method"),
    ] {
        bench.refused(
            &format!("train dbn --resume --out net {flags}"),
            2,
            &[word, "the run to resume"],
        );
    }
    bench.ok("train dbn --resume --out net --layers 12,8 --greedy-epochs 15,15");
    bench.refused(
        "train --resume --out net",
        2,
        &["kind dbn", "train dbn --resume"],
    );
    let model = "net/model.safetensors";
    for (line, word) in [
        ("sample MODEL --label 2 --out x.npy", "--label"),
        ("sample MODEL --beta 0.5 --out x.npy", "--beta"),
        ("evaluate MODEL --raise", "--raise"),
        ("classify MODEL --passes 3", "--passes"),
        ("transform MODEL --layer 2 --out f.npy", "--layer"),
        ("transform MODEL --seed 2 --out f.npy", "--seed"),
        ("transform MODEL --out f.txt", "--out"),
        ("demo spurious-modes --out x.txt", "--out"),
    ] {
        bench.refused(&line.replace("MODEL", model), 2, &[word]);
    }
    bench.refused(
        &format!("evaluate {model} --data bars.csv"),
        1,
        &["16", "9"],
    );
    bench.ok(
        "train dbn --data bars.csv --layers 4,3 --greedy-epochs 1 --up-down-epochs 1 --out plain",
    );
    let plain = "plain/model.safetensors";
    bench.refused(
        &format!("sample {plain} --every-label --out x.npy"),
        2,
        &["no labels"],
    );
    bench.refused(&format!("classify {plain}"), 1, &["labels"]);
    bench.refused(
        &format!("evaluate {plain} --confusion c.png"),
        2,
        &["--confusion"],
    );
}

#[test]
fn the_demonstration_of_spurious_modes_leaves_a_figure() {
    let bench = Bench::new();
    let report = bench.json("demo spurious-modes --json --out modes.png");
    let mass = |k: usize| report["models"][k]["spurious_mass"].as_f64().unwrap();
    let names: Vec<&str> = (0..5)
        .map(|k| report["models"][k]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["before", "CD-1", "PCD-1", "naive MCMC", "exact"]);
    assert!(mass(1) > 10.0 * mass(4));
    let picture = fs::read(bench.path("modes.png")).unwrap();
    assert_eq!(picture[..4], *b"\x89PNG");
}

#[test]
fn a_fine_tuned_network_classifies_and_goes_on_to_the_bit() {
    let bench = bench();
    let tune = "--fine-tune backprop --fine-tune-rate 0.3 --input-dropout 0.1 --hidden-dropout 0";
    let line = format!("{NET} --validation 40 {SHORT} {tune}");
    let report = bench.json(&format!("{line} --fine-tune-epochs 200 --json --out whole"));
    // Far from the half of guessing, at which so small a network before this stage still is.
    let error = report["fine_tuned"]["error"].as_f64().unwrap();
    assert!(error < 0.1, "{error}");
    let metrics = fs::read_to_string(bench.path("whole/metrics.csv")).unwrap();
    let rows: Vec<Vec<&str>> = metrics.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(rows.len(), 1 + 15 + 15 + 10 + 200);
    assert_eq!(rows[240][..2], ["backprop", "200"]);
    assert!(
        rows[240][6].parse::<f64>().unwrap() < 0.6,
        "{:?}",
        rows[240]
    );

    // Begun later than the rest, stopped and gone on.
    bench.ok(&format!("{NET} --validation 40 {SHORT} --out parts"));
    for begun in ["20 --batch-size 10", "200"] {
        bench.ok(&format!(
            "train dbn --resume --out parts {tune} --fine-tune-epochs {begun}"
        ));
    }
    let [a, b] = ["whole", "parts"].map(|x| bench.model(&format!("{x}/network.safetensors")));
    assert_eq!(a.model, b.model);
    assert_eq!(a.run, b.run);
    assert_eq!(a.run.unwrap().learning().batch_size, 10);
    let parts = fs::read_to_string(bench.path("parts/metrics.csv")).unwrap();
    assert_eq!(parts.lines().count(), rows.len());
    let other = "train dbn --resume --out parts --fine-tune backprop";
    bench.refused(other, 2, &["--fine-tune", "other options"]);

    let model = "whole/network.safetensors";
    let network = a.model.network().unwrap();
    let classified = bench.json(&format!("classify {model} --split train --json"));
    assert_eq!(classified["confusion"], report["fine_tuned"]["confusion"]);
    // Named data have no held-out part.
    fs::copy(bench.path("striped.csv"), bench.path("all.csv")).unwrap();
    bench.ok(&format!(
        "transform {model} --data all.csv --out features.csv"
    ));
    let text = fs::read_to_string(bench.path("features.csv")).unwrap();
    let features = network.features(&bits()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for i in 0..160 {
        let row: Vec<f32> = lines[lines.len() - 160 + i]
            .split(',')
            .map(|x| x.parse().unwrap())
            .collect();
        assert_eq!(row, features.row(i));
    }
    bench.refused(&format!("evaluate {model}"), 2, &["network", "likelihood"]);
    for flags in [
        "--fine-tune conjugate-gradients --hidden-dropout 0.5",
        "--fine-tune backprop --hidden-dropout 1",
    ] {
        bench.refused(&format!("{NET} {flags}"), 2, &["dropout"]);
    }
}
