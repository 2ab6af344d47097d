//! The flags of learning from outside: what is stored, what goes on, what stops, what is refused.

use crate::common::{Bench, assert_same};

const BARS: &str = "train --data bars.csv --hidden 8 --batch-size 4 --chains 16";
const ALL: &str = "--centering average,0.5 --centering-rate 0.02 --optimizer adam --learning-rate 0.01 --sparsity 0.2 \
    --max-norm 3 --averaging last:0.5";

#[test]
fn every_flag_is_kept_and_a_resumed_run_is_the_same() {
    let bench = Bench::new();
    let whole = bench.json(&format!("{BARS} {ALL} --epochs 12 --out whole --json"));
    let options = &whole["options"];
    assert_eq!(options["centering"]["visible"], "average");
    assert_eq!(options["centering"]["hidden"]["fixed"], 0.5);
    assert_eq!(options["centering"]["rate"], 0.02);
    assert_eq!(options["averaging"]["last"], 0.5);
    assert_eq!(options["optimizer"]["adam"]["first"], 0.9);
    assert_eq!(options["max_norm"], 3.0);
    let averaging = ALL.replace("last:0.5", "exponential:0.9");
    bench.ok(&format!("{BARS} {averaging} --epochs 12 --out one"));
    bench.ok(&format!("{BARS} {averaging} --epochs 5 --out two"));
    bench.ok("train --resume --epochs 12 --out two");
    assert_same(
        &bench.model("one/model.safetensors"),
        &bench.model("two/model.safetensors"),
    );
    for flag in [
        "--centering none",
        "--no-centering",
        "--optimizer nesterov",
        "--sparsity 0.3",
        "--max-norm 1",
        "--averaging none",
        "--preset best",
    ] {
        let words = ["the run to resume"];
        bench.refused(&format!("train --resume --out two {flag}"), 2, &words);
    }
}

#[test]
fn presets_give_way_to_flags() {
    let bench = Bench::new();
    let epochs = |flags: &str| {
        let report = bench.json(&format!("{BARS} {flags} --json"));
        report["options"]["epochs"].as_u64().unwrap()
    };
    let (fast, good, best) = (
        epochs("--preset fast"),
        epochs("--preset good"),
        epochs("--preset best"),
    );
    assert_eq!(epochs(""), good);
    assert!(fast < good && good < best);
    assert_eq!(epochs("--preset best --epochs 3"), 3);
}

#[test]
fn early_stopping_keeps_the_best_machine() {
    let bench = Bench::new();
    // A large rate on few examples: held-out ones get worse soon.
    let line = format!(
        "{BARS} --validation 6 --learning-rate 0.5 --early-stopping 5 --epochs 2000 --json"
    );
    let report = bench.json(&line);
    let epochs = report["epochs"].as_u64().unwrap();
    assert!(epochs < 2000, "{epochs}");
    let best = bench.model("run/best.safetensors").run.unwrap().position();
    assert_eq!(
        best.updates / 3 + 5,
        epochs,
        "patience is counted from the best epoch"
    );
    bench.refused(
        &format!("{BARS} --early-stopping 5"),
        2,
        &["--early-stopping", "--validation"],
    );
}

#[test]
fn early_stopping_by_a_criterion() {
    let bench = Bench::new();
    let line = format!("{BARS} --validation 6 --learning-rate 0.5 --early-stopping 5 --epochs 400");
    for by in [
        "likelihood",
        "pseudo-likelihood",
        "reconstruction-error",
        "free-energy-gap:0.5",
    ] {
        let report = bench.json(&format!("{line} --early-stopping-by {by} --json --force"));
        let epochs = report["epochs"].as_u64().unwrap();
        let best = bench.model("run/best.safetensors").run.unwrap().position();
        assert!(epochs < 400, "{by}: {epochs}");
        assert_eq!(best.updates / 3 + 5, epochs, "{by}");
        let note = &bench.model("run/model.safetensors").notes["early_stopping"];
        assert!(note.ends_with(&format!("by {by}")), "{note}");
    }
    let train = "train --data bars.csv --hidden 21 --validation 4 --early-stopping 2";
    let spin = format!("{train} --visible-units spin --epochs 3");
    bench.ok(&(spin + " --early-stopping-by pseudo-likelihood"));
    for (flags, words) in [
        (
            " --visible-units gaussian --early-stopping-by pseudo-likelihood",
            "continuous",
        ),
        (
            " --visible-units spin --hidden-units gaussian --early-stopping-by nonsense",
            "free-energy-gap:NATS",
        ),
        (
            " --visible-units spin --early-stopping-by free-energy-gap:-1",
            "at least 0",
        ),
    ] {
        let line = train.to_owned() + flags;
        bench.refused(&line, 2, &["--early-stopping-by", words]);
    }
    bench.refused(
        "train --data bars.csv --early-stopping-by likelihood",
        2,
        &["--early-stopping"],
    );
}

#[test]
fn a_run_that_diverges_says_where_and_leaves_no_bad_file() {
    let bench = Bench::new();
    let line = format!("{BARS} --learning-rate 1e38 --weight-decay 1e5 --epochs 50");
    bench.refused(&line, 1, &["after update", "epoch", "--learning-rate"]);
    // That of its start, before a step was too large.
    let state = bench.model("run/model.safetensors").run.unwrap().position();
    assert_eq!(state.updates, 0);
}

#[test]
fn flags_without_meaning_are_refused() {
    let bench = Bench::new();
    for (flags, words) in [
        ("--centering middle", "--centering"),
        ("--centering none --centering-rate 0.1", "--centering-rate"),
        ("--centering-rate 2", "centering rate"),
        ("--sparsity-cost 1", "--sparsity-cost"),
        ("--sparsity 1", "sparsity target"),
        ("--max-norm 0", "norm"),
        ("--averaging last:2", "--averaging"),
        ("--optimizer magic", "--optimizer"),
        ("--preset slow", "--preset"),
    ] {
        let ran = bench.run(&format!("{BARS} {flags}"));
        assert_eq!(ran.code, 2, "{flags}\n{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{flags}\n{}", ran.stderr);
    }
}
