//! Every kind of machine is trained by the same rules: what is asked for by name, what small data
//! get where nothing is said, what is explained.

use crate::common::{Bench, with_striped};
use serde_json::Value;
use std::fs;

const KINDS: [&str; 4] = ["rbm", "dbn", "dbm", "boltzmann"];

fn number(report: &Value, key: &str) -> f64 {
    report[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key}: {report:#}"))
}

#[test]
fn help_is_a_page_and_the_rest_is_there_on_request() {
    let bench = Bench::new();
    for kind in ["", "rbm", "dbn", "dbm", "boltzmann"] {
        let page = bench.ok(&format!("train {kind} --help"));
        assert!(
            page.lines().count() <= 60,
            "{kind}: {}",
            page.lines().count()
        );
        let widest = page.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{kind}: {widest:?}");
        let all = bench.ok(&format!("train {kind} --help-all"));
        assert!(all.lines().count() > 2 * page.lines().count(), "{kind}");
        for flag in [
            "--l1-decay",
            "--max-norm",
            "--averaging",
            "--early-stopping-by",
        ] {
            assert!(all.contains(flag) && !page.contains(flag), "{kind} {flag}");
        }
    }
}

/// Flags of learning that every kind takes, and the names of their options.
const LEARNING: [(&str, &str); 4] = [
    ("--optimizer adam", "/optimizer/adam/first"),
    ("--l1-decay 0.001", "/l1_decay"),
    ("--momentum 0.25", "/momentum/constant"),
    ("--weight-decay 0.002", "/weight_decay"),
];

#[test]
fn every_kind_has_the_rules_of_the_library() {
    let bench = with_striped(Bench::new());
    for (kind, line, options) in [
        ("rbm", "--hidden 4 --epochs 2", "/options"),
        (
            "dbn",
            "--layers 4,3 --greedy-epochs 1 --up-down-epochs 1",
            "/greedy/0",
        ),
        (
            "dbm",
            "--layers 4,3 --pretraining-epochs 1 --epochs 2",
            "/joint",
        ),
        ("boltzmann", "--hidden 2 --epochs 2", "/options"),
    ] {
        let flags: Vec<&str> = LEARNING.iter().map(|(flag, _)| *flag).collect();
        let flags = flags.join(" ");
        let report = bench.json(&format!(
            "train {kind} --data striped.csv --batch-size 40 {line} {flags} --json"
        ));
        for (flag, name) in LEARNING {
            let found = report.pointer(&format!("{options}{name}"));
            assert!(found.is_some_and(|x| x != 0.0), "{kind} {flag}: {report:#}");
        }
        // The same said again agrees, something else does not.
        bench.ok(&format!("train {kind} --resume {flags}"));
        for flag in ["--optimizer momentum", "--l1-decay 0.1", "--momentum 0.5"] {
            bench.refused(
                &format!("train {kind} --resume {flag}"),
                2,
                &[flag, "the run to resume has"],
            );
        }
    }
}

#[test]
fn machines_of_all_layers_take_every_negative_phase_and_go_on() {
    let bench = with_striped(Bench::new());
    let line = "train dbm --data striped.csv --layers 5,4 --no-pretraining --batch-size 40 --chains 8 --learning-rate 0.01";
    for flags in [
        "--method tempered --temperatures 4 --lowest-beta 0.5 --positive gibbs --positive-steps 2",
        "--method fpcd --fast-rate 0.02 --positive exact --gradient-clip 1 --max-norm 2",
        "--averaging last:0.5 --optimizer adamax",
    ] {
        // The share of the last updates is that of all epochs: --epochs of both runs are the same.
        let flags = match flags.contains("averaging") {
            true => "--averaging exponential:0.9 --optimizer adamax",
            false => flags,
        };
        bench.ok(&format!("{line} {flags} --epochs 4 --out whole --force"));
        bench.ok(&format!("{line} {flags} --epochs 2 --out parts --force"));
        bench.ok(&format!(
            "train dbm --resume --out parts --epochs 4 {flags}"
        ));
        let [a, b] = ["whole", "parts"].map(|x| bench.model(&format!("{x}/model.safetensors")));
        assert!(a.model == b.model && a.run == b.run, "{flags}");
    }
    for (flag, words) in [
        ("--method exact", "--method: the run to resume has pcd"),
        (
            "--positive gibbs",
            "--positive gibbs: the run to resume has mean_field",
        ),
        ("--optimizer adam", "--optimizer adam"),
    ] {
        bench.refused(
            &format!("train dbm --resume --out whole {flag}"),
            2,
            &[words],
        );
    }
}

#[test]
fn every_kind_keeps_its_best_machine() {
    let bench = with_striped(Bench::new());
    // A large rate on few examples: held-out ones get worse soon.
    for (kind, line, by) in [
        ("rbm", "--hidden 20 --epochs 2000", "likelihood"),
        (
            "dbn",
            "--labels --layers 20,20 --greedy-epochs 5 --up-down-epochs 2000 --up-down-rate 0.5",
            "error",
        ),
        (
            "dbm",
            "--layers 12,12 --pretraining-epochs 20 --epochs 2000 --learning-rate 0.2",
            "reconstruction-error",
        ),
        (
            "boltzmann",
            "--hidden 0 --epochs 2000 --learning-rate 0.5 --method pseudo-likelihood",
            "likelihood",
        ),
    ] {
        let run = format!(
            "train {kind} --data striped.csv --validation 80 --batch-size 10 {line} --early-stopping 4 --json --force"
        );
        bench.json(&run);
        let last = bench.model("run/model.safetensors").run.unwrap().position();
        let best = bench.model("run/best.safetensors");
        assert!(last.epoch < 2000, "{kind}");
        assert_eq!(best.run.unwrap().position().epoch + 4, last.epoch, "{kind}");
        let note = &bench.model("run/model.safetensors").notes["early_stopping"];
        assert!(note.ends_with(&format!("by {by}")), "{kind}: {note}");
    }
    bench.refused(
        "train dbn --data striped.csv --layers 4,3 --validation 40 --early-stopping 3 --early-stopping-by likelihood",
        2,
        &["--early-stopping-by likelihood", "reconstruction-error"],
    );
    for kind in KINDS {
        let words = ["--early-stopping", "--validation"];
        bench.refused(
            &format!("train {kind} --data striped.csv --early-stopping 3"),
            2,
            &words,
        );
    }
}

#[test]
fn a_few_rows_are_learned_where_nothing_is_said() {
    let bench = Bench::new();
    let mut patterns: Vec<Vec<u8>> = Vec::new();
    for lines in 0..16_u8 {
        let on = |line: usize| lines >> line & 1;
        patterns.push((0..16).map(|i| on(i / 4)).collect());
        patterns.push((0..16).map(|i| on(i % 4)).collect());
    }
    patterns.sort();
    patterns.dedup();
    assert_eq!(patterns.len(), 30);
    bench.npy("stripes.npy", "(30, 16)", &patterns.concat());
    let report = bench.json("train --data stripes.npy --hidden 16 --json");
    // At best ln 30 = 3.40 nats below 0; independent units have 16 ln 2 = 11.09.
    let mean = number(&report, "mean_log_likelihood");
    assert!(mean > -4.3, "{mean}");
    // What was chosen for the user is said, and nothing where it was not.
    for (kind, epochs) in [
        ("rbm --hidden 4", "--epochs 2"),
        ("dbn --layers 3,3", "--greedy-epochs 1 --up-down-epochs 1"),
        ("dbm --layers 3,3", "--pretraining-epochs 1 --epochs 1"),
        ("boltzmann", "--epochs 2"),
    ] {
        let line = format!("train {kind} --data stripes.npy {epochs} --out said --force");
        let ran = bench.run(&line);
        assert_eq!(ran.code, 0, "{line}\n{}", ran.stderr);
        assert!(!ran.stderr.contains("are few"), "{line}\n{}", ran.stderr);
    }
    let ran = bench.run("train boltzmann --data stripes.npy --method pseudo-likelihood --out few");
    let told = "30 training examples are few: as no epochs are said";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
}

/// Numbers of a fixed sequence (SplitMix64): uniform, and of a standard normal distribution.
struct Numbers(u64);

impl Numbers {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Table `k` of 50: 2 to 50 columns, 200 to 2000 rows of a normal distribution whose covariance has
/// a condition number of up to 1e4, columns of scales apart by orders of magnitude.
fn table(k: usize) -> Vec<Vec<f32>> {
    let mut numbers = Numbers(0x7ab1_e500 + k as u64);
    let columns = 2 + 48 * k / 49;
    let rows = [200, 500, 1000, 2000][k % 4];
    let condition = match k % 5 {
        0 => 1e4,
        _ => 10_f64.powf(4.0 * numbers.uniform()),
    };
    let deviation = |j: usize| condition.powf(-0.5 * j as f64 / (columns - 1) as f64);
    // Reflections make all columns depend on each other.
    let mirrors: Vec<Vec<f64>> = (0..4)
        .map(|_| {
            let x: Vec<f64> = (0..columns).map(|_| numbers.normal()).collect();
            let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
            x.iter().map(|x| x / length).collect()
        })
        .collect();
    let scales: Vec<(f64, f64)> = (0..columns)
        .map(|_| (10_f64.powf(numbers.normal()), 100.0 * numbers.normal()))
        .collect();
    let row = |_| {
        let mut x: Vec<f64> = (0..columns)
            .map(|j| deviation(j) * numbers.normal())
            .collect();
        for mirror in &mirrors {
            let along = 2.0 * x.iter().zip(mirror).map(|(x, m)| x * m).sum::<f64>();
            x.iter_mut().zip(mirror).for_each(|(x, m)| *x -= along * m);
        }
        let scaled = x.iter().zip(&scales);
        scaled
            .map(|(x, (scale, shift))| (x * scale + shift) as f32)
            .collect()
    };
    (0..rows).map(row).collect()
}

/// Trains on a table with no option but its units, and holds the likelihood against that of
/// independent normal columns, which is `-(ln 2 pi + 1) / 2` nats a standardized column.
fn is_no_worse_than_independent(bench: &Bench, k: usize, table: Vec<Vec<f32>>) {
    let columns = table[0].len();
    bench.csv("table.csv", table.into_iter());
    let report = bench.json("train --data table.csv --visible-units gaussian --standardize --json");
    // In the units of the table it is less by the log of the deviations.
    let independent = -0.5 * columns as f64 * (std::f64::consts::TAU.ln() + 1.0)
        - number(&report, "log_jacobian");
    let mean = number(&report, "mean_log_likelihood");
    assert!(
        mean >= independent,
        "table {k}: {mean}, independent {independent}"
    );
}

#[test]
fn tables_of_numbers_are_learned_where_nothing_is_said() {
    let bench = Bench::drawing();
    for k in [0, 5, 10] {
        is_no_worse_than_independent(&bench, k, table(k));
    }
    // Three columns that share a factor beside a large one that is alone, and seconds of a clock.
    let mut numbers = Numbers(3);
    let mixed = (0..500).map(|_| {
        let side = if numbers.uniform() < 0.5 { -1.0 } else { 1.0 };
        let near = |at: f64, by: f64, x: f64| (at + by * x) as f32;
        vec![
            near(side, 0.3, numbers.normal()),
            near(-side, 0.3, numbers.normal()),
            near(5e4, 2e4, numbers.normal()),
            near(0.01 * side, 0.003, numbers.normal()),
        ]
    });
    is_no_worse_than_independent(&bench, 50, mixed.collect());
    let seconds = (0..300).map(|_| {
        let x = numbers.normal();
        vec![
            (1.7e9 + 5000.0 * x) as f32,
            (x + 0.1 * numbers.normal()) as f32,
        ]
    });
    is_no_worse_than_independent(&bench, 51, seconds.collect());
    assert!(fs::metadata(bench.path("run/filters.png")).is_ok());
}

#[test]
#[ignore = "minutes: .ci/long"]
fn all_tables_of_numbers_are_learned_where_nothing_is_said() {
    let bench = Bench::new();
    for k in 0..50 {
        is_no_worse_than_independent(&bench, k, table(k));
    }
}
