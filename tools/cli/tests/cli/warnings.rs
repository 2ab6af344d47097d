//! What chains say of themselves: of a run that they cannot follow, and nothing of one that they
//! can.

use crate::common::Bench;

const DEEP: &str = "train dbm --data bars.csv --layers 8,6";

/// Algorithm 20.1 at a rate of 0.1 without decay, worse than the uniform distribution (-6.24 nats).
#[test]
fn chains_that_do_not_follow_are_told_of_once() {
    let bench = Bench::new();
    let line = format!(
        "{DEEP} --no-pretraining --method pcd --learning-rate 0.1 --weight-decay 0 --epochs 4000 \
         --json"
    );
    let ran = bench.run(&line);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let told = "time and again: chains do not follow the model";
    let lines = ran.stderr.lines();
    let warnings = lines.filter(|x| x.starts_with("warning: joint, epoch ") && x.contains(told));
    // Asked ten times, wrong from the third on.
    assert_eq!(warnings.count(), 1, "{}", ran.stderr);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(
        report["lower_bound"].as_f64().unwrap() < -6.24,
        "{report:#}"
    );
    let standing = report["warnings"].as_array().unwrap();
    let is_told = |x: &serde_json::Value| {
        let text = x.as_str().unwrap();
        text.starts_with("joint: ") && text.contains(told)
    };
    assert!(standing.iter().any(is_told), "{report:#}");
    // The table has them too.
    let text = bench.ok(&line.replace("--json", "--out again"));
    assert!(text.contains("  warning ") && text.contains(told), "{text}");
}

#[test]
fn runs_of_the_defaults_are_silent() {
    let bench = Bench::new();
    for line in [
        "train --data bars.csv --hidden 8",
        "train dbn --data bars.csv --layers 8,6",
        &format!("{DEEP} --epochs 200"),
        "train boltzmann --data bars.csv --hidden 3 --epochs 200 --seed 1",
    ] {
        let ran = bench.run(&format!("{line} --json"));
        assert_eq!(ran.code, 0, "{line}: {}", ran.stderr);
        assert!(!ran.stderr.contains("warning"), "{line}: {}", ran.stderr);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report["warnings"], serde_json::json!([]), "{line}");
        std::fs::remove_dir_all(bench.path("run")).unwrap();
    }
}

/// Replicas of the top pair between which nothing moves at a rate that is far too large, and at one
/// that is not.
#[test]
fn chains_of_the_up_down_stage_are_asked() {
    let bench = Bench::new();
    let line = "train dbn --data bars.csv --layers 8,6 --batch-size 16 --greedy-epochs 200 \
                --up-down-epochs 2000 --up-down-method tempered --up-down-temperatures 2 \
                --up-down-lowest-beta 0 --up-down-chains 10";
    for (rate, is_told) in [(20, true), (1, false)] {
        let ran = bench.run(&format!("{line} --up-down-rate {rate}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let mut lines = ran.stderr.lines();
        let told = lines.any(|x| {
            x.starts_with("warning: up-down, epoch ") && x.contains("no replicas change places")
        });
        assert_eq!(told, is_told, "{rate}: {}", ran.stderr);
    }
}
