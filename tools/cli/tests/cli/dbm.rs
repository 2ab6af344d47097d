//! Deep Boltzmann machines from outside: training in stages that go on, what is left and told, what
//! is refused.

mod stored;

use crate::common::{Bench, assert_same, stopped_in, striped_pictures, with_striped};
use harmonium::{
    BitMatrix,
    checkpoint::SavedRun,
    evaluate::DbmBound,
    model::{MeanField, most_probable},
};
use serde_json::{Value, json};
use std::fs;

const MACHINE: &str = "train dbm --data striped.csv --layers 8,6 --batch-size 10";
const SHORT: &str = "--pretraining-epochs 6,4 --epochs 8";

fn bench() -> Bench {
    with_striped(Bench::new())
}

fn bits() -> BitMatrix {
    let all = striped_pictures();
    BitMatrix::from_fn(all.len(), 16, |i, j| all[i].0[j])
}

fn rows(bench: &Bench, run: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(bench.path(&format!("{run}/metrics.csv"))).unwrap();
    let fields = |line: &str| line.split(',').map(ToOwned::to_owned).collect();
    text.lines().map(fields).collect()
}

/// The stage and the epoch of every row.
fn stages(bench: &Bench, run: &str) -> Vec<String> {
    let rows = rows(bench, run);
    rows.iter().map(|row| row[..2].join(" ")).collect()
}

#[test]
fn a_machine_learns_in_stages_and_is_measured() {
    let bench = with_striped(Bench::drawing());
    let report = bench.json(&format!(
        "{MACHINE} --validation 40 --pretraining-epochs 60 --epochs 150 --learning-rate linear:0.1:0 --json"
    ));
    let of = |key: &str| report[key].as_f64().unwrap();
    assert_eq!(report["layers"], json!([16, 8, 6]));
    assert_eq!(report["classes"], Value::Null);
    let timed: Vec<&String> = report["stages"].as_object().unwrap().keys().collect();
    assert_eq!(timed, ["RBM 1", "RBM 2", "joint"]);
    assert_eq!(report["pretraining"][0]["doubled"], "hidden");
    assert_eq!(report["pretraining"][1]["doubled"], "visible");
    assert_eq!(
        report["pretraining"][1]["negative"]["contrastive_divergence"]["steps"],
        1
    );
    assert_eq!(report["joint"]["epochs"], 150);
    assert_eq!(report["joint"]["centering"], Value::Null);
    for name in ["model", "metrics", "filters", "samples", "curves"] {
        let file = bench.path(report["files"][name].as_str().unwrap());
        assert!(fs::metadata(&file).unwrap().len() > 100, "{name}");
    }
    // 8 units between the others: ln Z is exact, and so is what the library says of the file.
    assert_eq!(report["method"], "exact");
    let checkpoint = bench.model("run/model.safetensors");
    let dbm = checkpoint.model.dbm().unwrap();
    assert_eq!(report["count"], 120);
    assert_eq!(report["split"], "train");
    assert!((of("log_z") - dbm.log_z(&mut ()).unwrap()).abs() < 1e-9);
    let all = bits();
    let bound = DbmBound::new(dbm, &all, &MeanField::default(), &mut ()).unwrap();
    let (mean, _) = bound.mean(dbm.log_z(&mut ()).unwrap());
    // 120 of the 160 examples: means differ by sampling alone, whose deviation is the standard
    // error.
    let error = of("lower_bound_error");
    assert!((of("lower_bound") - mean).abs() < 5.0 * error);
    // Independent units of these means have 16 ln 2 = 11.1 nats less the little that unequal means
    // give; lines of four make it far less.
    assert!(of("lower_bound") > -9.0, "{}", of("lower_bound"));
    let note = checkpoint.notes["figure.lower_bound"]
        .parse::<f64>()
        .unwrap();
    assert_eq!(note, of("lower_bound"));

    let rows = rows(&bench, "run");
    assert_eq!(rows.len(), 1 + 60 + 60 + 150);
    assert_eq!(
        rows[0].join(","),
        "stage,epoch,seconds,learning_rate,reconstruction_error,validation_error,loss,mean_field_iterations,free_energy_gap"
    );
    assert_eq!(rows[60][..2], ["RBM 1", "60"]);
    assert_eq!(rows[60][7..], ["", ""]);
    assert_eq!(rows[270][..2], ["joint", "150"]);
    let iterations: usize = rows[270][7].parse().unwrap();
    assert!((1..=30).contains(&iterations));
    assert!(rows[270][8].parse::<f64>().unwrap().abs() < 5.0);
    let errors = [60, 120, 121, 270].map(|k| rows[k][4].parse::<f64>().unwrap());
    // Of fair coins it would be 1/4.
    assert!(errors.iter().all(|x| (0.0..0.25).contains(x)), "{errors:?}");

    let table = bench.ok("train dbm --resume");
    for word in [
        "DBM 16-8-6",
        "lower bound",
        "time of joint",
        "by enumeration",
    ] {
        assert!(table.contains(word), "no {word} in\n{table}");
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_is_stopped_in_every_stage_is_an_uninterrupted_one() {
    let bench = bench();
    let line = format!(
        "{MACHINE} --pretraining-epochs 1000 --pretraining-steps at:0=1,100=2 --epochs 500 --chains 20 --warm-start --sparsity 0.3,0.2 --optimizer nesterov"
    );
    bench.ok(&format!("{line} --out whole"));
    for (stage, words) in [
        ("RBM 1", line.as_str()),
        ("RBM 2", "train dbm --resume"),
        ("joint", "train dbm --resume"),
    ] {
        stopped_in(
            &bench,
            stage,
            words,
            "harmonium train dbm --resume --out stopped",
        );
        let stored = bench.model("stopped/model.safetensors");
        let pretrains = matches!(stored.run, Some(SavedRun::Pretraining { .. }));
        assert_eq!(pretrains, stage != "joint", "{stage}");
        assert_eq!(matches!(stored.run, Some(SavedRun::Dbm(_))), !pretrains);
    }
    bench.ok("train dbm --resume --out stopped");
    let [whole, stopped] =
        ["whole", "stopped"].map(|run| bench.model(&format!("{run}/model.safetensors")));
    assert_same(&whole, &stopped);
    assert_eq!(stages(&bench, "whole"), stages(&bench, "stopped"));
    // More epochs of the joint stage go on from its end.
    bench.ok("train dbm --resume --out stopped --epochs 502");
    let (whole, stopped) = (stages(&bench, "whole"), stages(&bench, "stopped"));
    assert_eq!(stopped.len(), whole.len() + 2);
}

#[test]
fn the_same_bits_at_any_number_of_threads_and_the_joint_stage_may_come_later() {
    let bench = bench();
    bench.ok(&format!("{MACHINE} {SHORT} --threads 1 --out one"));
    let alone = SHORT.replace("--epochs 8", "--epochs 0");
    bench.ok(&format!("{MACHINE} {alone} --threads 2 --out two"));
    let first = bench.model("two/model.safetensors");
    assert!(matches!(first.run, Some(SavedRun::Pretraining { .. })));
    let shown = bench.ok("inspect two/model.safetensors");
    assert!(shown.contains("pretraining, RBM 2 of 2"), "{shown}");
    let shown = bench.json("inspect two/model.safetensors --json");
    assert_eq!(shown["stage"]["name"], "pretraining");
    bench.ok("train dbm --resume --out two --epochs 8 --threads 3");
    let shown = bench.ok("inspect two/model.safetensors");
    assert!(shown.contains("joint, epoch 8.00 of 8"), "{shown}");
    let shown = bench.json("inspect two/model.safetensors --json");
    assert_eq!(shown["stage"]["options"]["epochs"], 8);
    let [one, two] = ["one", "two"].map(|run| bench.model(&format!("{run}/model.safetensors")));
    assert_same(&one, &two);
}

#[test]
fn without_pretraining_the_gradient_is_centered_and_large_machines_are_annealed() {
    let bench = bench();
    let line = "train dbm --data striped.csv --layers 40,30,20 --batch-size 40 --epochs 2";
    let report = bench.json(&format!("{line} --no-pretraining --json"));
    assert_eq!(report["pretraining"], Value::Null);
    assert!(report["joint"]["centering"].is_object());
    assert_eq!(report["stages"].as_object().unwrap().len(), 1);
    // 16 + 30 units against 40 + 20.
    assert_eq!(report["method"], "ais");
    let of = |key: &str| report[key].as_f64().unwrap();
    assert!(of("log_z_low") <= of("log_z_high"));
    assert!(of("lower_bound_low") <= of("lower_bound_high"));
    // Two epochs leave weights near zero: ln Z is near that of independent units, all hidden ones
    // with fair coins.
    let dbm = bench.model("run/model.safetensors").into_dbm().unwrap();
    let softplus = |b: &f32| f64::from(*b).exp().ln_1p();
    let free: f64 = dbm
        .layers()
        .iter()
        .flat_map(|x| &x.bias)
        .map(softplus)
        .sum();
    assert!((of("log_z") - free).abs() < 1.0, "{} {free}", of("log_z"));

    bench.ok(&format!("{line} --pretraining-epochs 0 --out zero"));
    let [a, b] = ["run", "zero"].map(|run| bench.model(&format!("{run}/model.safetensors")));
    assert_same(&a, &b);
    let told = bench.json(&format!(
        "{line} --no-pretraining --no-centering --out x --json"
    ));
    assert_eq!(told["joint"]["centering"], Value::Null);
}

#[cfg(unix)]
#[test]
fn a_machine_with_labels_classifies_and_goes_on_to_the_bit() {
    let bench = bench();
    let line = format!(
        "{MACHINE} --labels --validation 40 --pretraining-epochs 200,800 --pretraining-rate 0.1 --epochs 300 --learning-rate linear:0.05:0"
    );
    let report = bench.json(&format!("{line} --json --out whole"));
    assert_eq!(report["layers"], json!([16, 8, 6, 2]));
    assert_eq!(report["classes"], 2);
    assert_eq!(report["method"], "exact");
    let of = |key: &str| report[key].as_f64().unwrap();
    // What the library says of the examples that the run learned from: all but the held-out ones.
    let checkpoint = bench.model("whole/model.safetensors");
    let dbm = checkpoint.model.dbm().unwrap();
    assert!((of("log_z") - dbm.log_z(&mut ()).unwrap()).abs() < 1e-9);
    let log_p = dbm.log_p_y_from_v(&bits(), &MeanField::default()).unwrap();
    let labels = striped_pictures().into_iter().map(|(_, y)| usize::from(y));
    let wrong = labels.zip(most_probable(&log_p)).filter(|(y, x)| y != x);
    let wrong = wrong.count() as f64;
    assert!((0.0..=40.0).contains(&(wrong - of("wrong"))), "{wrong}");
    let classified = bench.json("classify whole/model.safetensors --split train --json");
    assert_eq!(classified["confusion"], report["confusion"]);
    // A half is guessing.
    assert!(of("error") < 0.3, "{}", of("error"));
    let written = rows(&bench, "whole");
    assert_eq!(written[1000][5], "", "no label can be told yet");
    assert!(written[1300][5].parse::<f64>().unwrap() < 0.4);

    let resume = "harmonium train dbm --resume --out stopped";
    stopped_in(&bench, "RBM 2", &line, resume);
    stopped_in(&bench, "joint", "train dbm --resume", resume);
    bench.ok("train dbm --resume --labels --layers 8,6 --out stopped");
    assert_same(&checkpoint, &bench.model("stopped/model.safetensors"));
    // From the start together.
    let together = format!("{MACHINE} --labels --no-pretraining --epochs 2 --out together");
    let report = bench.json(&format!("{together} --json"));
    assert_eq!(report["layers"], json!([16, 8, 6, 2]));
    let unlabeled = "train dbm --data bars.csv --layers 4,3 --labels";
    bench.refused(unlabeled, 2, &["--labels", "no labels"]);
    bench.ok(&format!("{MACHINE} {SHORT} --out plain"));
    let refused = "train dbm --resume --out plain --labels";
    bench.refused(refused, 2, &["--labels", "the run to resume"]);
    // Too large to enumerate: the bound and the share of wrong classes.
    let large = "train dbm --data striped.csv --layers 40,30 --labels --pretraining-epochs 1 --epochs 1 --fine-tune conjugate-gradients --fine-tune-epochs 1 --fine-tune-resample";
    let report = bench.json(&format!("{large} --json --out large"));
    assert!(report["lower_bound"].is_number() && report["error"].is_number());
    assert_eq!(report["method"], "ais");
    let network = bench.model("large/network.safetensors");
    assert_eq!(network.model.network().unwrap().n_inputs(), 16 + 30);
    assert!(network.run.unwrap().learning().resample_data);
}

#[test]
fn a_fine_tuned_network_goes_on_to_the_bit() {
    let bench = bench();
    let tune = "--fine-tune backprop --fine-tune-rate 0.5 --input-dropout 0 --hidden-dropout 0";
    let line = format!(
        "{MACHINE} --validation 40 --pretraining-epochs 60 --pretraining-rate 0.2 --pretraining-weight-decay 0 --epochs 8"
    );
    let report = bench.json(&format!(
        "{line} {tune} --fine-tune-epochs 400 --json --out whole"
    ));
    // Far from the half of guessing, at which so small a network before this stage still is.
    let error = report["fine_tuned"]["error"].as_f64().unwrap();
    assert!(error < 0.15, "{error}");
    let written = rows(&bench, "whole");
    assert_eq!(written.len(), 1 + 60 + 60 + 8 + 400);
    assert_eq!(written[528][..2], ["backprop", "400"]);
    assert!(written[528][5].parse::<f64>().unwrap() < 0.3);
    // Begun later than the rest, stopped and gone on.
    bench.ok(&format!("{line} --out parts"));
    for begun in ["20 --fine-tune-batch-size 10", "400"] {
        bench.ok(&format!(
            "train dbm --resume --out parts {tune} --fine-tune-epochs {begun}"
        ));
    }
    let [a, b] = ["whole", "parts"].map(|x| bench.model(&format!("{x}/network.safetensors")));
    assert_eq!(a.model, b.model);
    assert_eq!(a.run, b.run);
    assert_eq!(stages(&bench, "whole"), stages(&bench, "parts"));
    let network = a.model.network().unwrap();
    assert_eq!(network.n_inputs(), 16 + 6);
    // Its data are completed with the means of the machine beside it.
    let classified = bench.json("classify whole/network.safetensors --split train --json");
    assert_eq!(classified["confusion"], report["fine_tuned"]["confusion"]);
    bench.ok("transform whole/network.safetensors --layer 1 --out features.csv");
    let text = fs::read_to_string(bench.path("features.csv")).unwrap();
    let widths = text.lines().map(|line| line.split(',').count());
    assert_eq!(widths.collect::<Vec<_>>(), [8; 121]);
    assert!(text.starts_with("h1_0,h1_1,"), "{text}");
    // The network is made from the machine as it is.
    let refused = "train dbm --resume --out parts --epochs 20";
    bench.refused(refused, 2, &["--epochs 20", "network.safetensors"]);
    bench.ok(&format!("{line} --out parts --force"));
    assert!(!bench.path("parts/network.safetensors").exists());
    bench.refused(
        "train dbm --data striped.csv --layers 5 --fine-tune backprop",
        2,
        &["--layers", "2 to"],
    );
    bench.ok("train dbm --data striped.csv --layers 5,4,3 --pretraining-epochs 1 --epochs 1 --fine-tune backprop --fine-tune-epochs 1 --out three");
    bench.ok("classify three/network.safetensors --split train");
    bench.refused(
        "train dbm --data bars.csv --layers 4,3 --pretraining-epochs 1 --epochs 1 --fine-tune backprop --out bars",
        2,
        &["--fine-tune", "no labels"],
    );
}

/// Flags that make no sense beside those of the machine, and words of what is said of them.
const NO_FLAGS: &[(&str, &[&str])] = &[
    ("--hidden 5", &["--hidden", "--layers"]),
    ("--preset best", &["--preset"]),
    ("--reconstruction sampled", &["--reconstruction"]),
    ("--fast-rate 0.1", &["--fast-rate"]),
    ("--temperatures 3", &["--temperatures"]),
    ("--snapshots 3", &["--snapshots"]),
    ("--visible-units gaussian", &["--visible-units"]),
    ("--hidden-units spin", &["--hidden-units"]),
    ("--standardize", &["--standardize"]),
    ("--early-stopping 3", &["--early-stopping", "--validation"]),
    ("--method pseudo-likelihood", &["pseudo-likelihood"]),
    ("--positive gibbs --warm-start", &["warm starts"]),
    ("--positive exact --positive-steps 2", &["--positive-steps"]),
    ("--trajectory 3", &["--trajectory"]),
    ("--greedy-epochs 3", &["--greedy-epochs", "train dbn"]),
    ("--up-down-epochs 3", &["--up-down-epochs", "train dbn"]),
    ("--posterior means", &["--posterior", "train dbn"]),
    (
        "--pretraining-epochs 1,2,3",
        &["--pretraining-epochs", "2 layers"],
    ),
    (
        "--pretraining-rate 0.1 --pretraining-rate 0.2 --pretraining-rate 0.3",
        &["--pretraining-rate"],
    ),
    (
        "--pretraining-epochs 0 --pretraining-rate 0.1",
        &["--pretraining-rate"],
    ),
    ("--pretraining-rate=-1", &["rate"]),
    ("--steps at:0=1,5=2", &["--steps"]),
    ("--sparsity 0.1,0.1,0.1", &["sparsity", "2"]),
    ("--sparsity-cost 0.1", &["--sparsity-cost"]),
    ("--centering-rate 0.1", &["--centering-rate"]),
    ("--damping 1", &["damping"]),
    ("--mean-field-tolerance=-1", &["tolerance"]),
    ("--learning-rate=-1", &["learning rate"]),
    ("--least-rate=-1", &["least learning rate"]),
    ("--chains 999999999", &["--chains 999999999"]),
    ("--binarize sample --resample", &["--resample"]),
];

/// Whole commands that make none.
const NO_RUNS: &[(&str, &[&str])] = &[
    ("train dbm --layers 5", &["--layers", "train rbm"]),
    (
        "train dbm --layers 999999999,2 --data striped.csv",
        &["--layers"],
    ),
    (
        "train --pretraining-epochs 3",
        &["--pretraining-epochs", "train dbm"],
    ),
    ("train dbn --warm-start", &["--warm-start", "train dbm"]),
    ("train dbn --layers 4,3 --sparsity 0.1,0.2", &["--sparsity"]),
    ("train --sparsity 0.1,0.2", &["--sparsity"]),
];

/// Flags that a run to resume does not have, and which of them is told.
const OF_ANOTHER_RUN: &[(&str, &str)] = &[
    ("--layers 8,5", "--layers"),
    ("--data bars.csv", "--data"),
    ("--validation 3", "--validation"),
    ("--seed 3", "--seed"),
    ("--binarize none", "--binarize"),
    ("--pretraining-epochs 9", "--pretraining-epochs"),
    ("--no-pretraining", "--no-pretraining"),
    ("--pretraining-rate 0.3", "--pretraining-rate"),
    ("--pretraining-steps 2", "--pretraining-steps"),
    ("--pretraining-momentum 0.3", "--pretraining-momentum"),
    (
        "--pretraining-weight-decay 0.3",
        "--pretraining-weight-decay",
    ),
    ("--epochs 3", "--epochs"),
    ("--batch-size 3", "--batch-size"),
    ("--learning-rate 0.3", "--learning-rate"),
    ("--least-rate 0.3", "--least-rate"),
    ("--momentum 0.3", "--momentum"),
    ("--weight-decay 0.3", "--weight-decay"),
    ("--l1-decay 0.3", "--l1-decay"),
    ("--centering data", "--centering"),
    ("--optimizer nesterov", "--optimizer"),
    ("--sparsity 0.2", "--sparsity"),
    ("--chains 3", "--chains"),
    ("--steps 3", "--steps"),
    ("--mean-field-iterations 3", "--mean-field-iterations"),
    ("--mean-field-tolerance 0.3", "--mean-field-tolerance"),
    ("--damping 0.3", "--damping"),
    ("--warm-start", "--warm-start"),
];

#[test]
fn what_makes_no_sense_is_refused_in_one_line() {
    let bench = bench();
    for &(flags, words) in NO_FLAGS {
        bench.refused(&format!("{MACHINE} {flags}"), 2, words);
    }
    for &(line, words) in NO_RUNS {
        bench.refused(line, 2, words);
    }
    let both = bench.run(&format!(
        "{MACHINE} --no-pretraining --pretraining-epochs 3"
    ));
    assert_eq!(both.code, 2);
    bench.refused("train dbm --data none.csv", 1, &["none.csv"]);
    bench.refused("train dbm --resume --out nowhere", 1, &["nowhere"]);
    bench.refused(
        &format!("{MACHINE} {SHORT} --pretraining-rate 1e30 --out wild"),
        1,
        &["--pretraining-rate"],
    );
}

#[test]
fn flags_of_another_run_are_refused() {
    let bench = bench();
    bench.ok(&format!("{MACHINE} {SHORT} --out machine"));
    for &(flags, word) in OF_ANOTHER_RUN {
        let line = format!("train dbm --resume --out machine {flags}");
        bench.refused(&line, 2, &[word, "the run to resume"]);
    }
    bench.ok("train dbm --resume --out machine --layers 8,6 --pretraining-epochs 6,4 --steps 5");
    bench.refused(
        "train dbn --resume --out machine",
        2,
        &["kind dbm", "train dbm --resume"],
    );
}
