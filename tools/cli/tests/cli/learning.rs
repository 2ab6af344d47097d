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

/// Runs of `line` for 6 epochs, of which `more` is the flag: with each of `cases` (flags, the
/// option that is stored and its value, flags of another run) the options of `stage` hold it, the
/// machine is another one, and a run that is resumed after 3 epochs agrees with them, with none
/// else, and ends at the same bits.
fn each_is_kept(line: &str, more: &str, stage: &str, cases: &[Case]) {
    let bench = Bench::new();
    let plain = bench.json(&format!("{line} {more} 6 --out plain --json"));
    let kind = line.split(" --").next().unwrap();
    for [flags, option, value, other] in cases {
        let [flags, other] = [flags, other].map(|x| x.replace('@', "--up-down-"));
        let value: serde_json::Value = serde_json::from_str(value).unwrap();
        let whole = bench.json(&format!(
            "{line} {flags} {more} 6 --out whole --force --json"
        ));
        assert_eq!(whole[stage].pointer(option), Some(&value), "{flags}");
        assert_ne!(plain[stage].pointer(option), Some(&value), "{flags}");
        assert_eq!(plain["greedy"], whole["greedy"], "{flags}");
        let whole = bench.model("whole/model.safetensors");
        assert_ne!(
            whole.model,
            bench.model("plain/model.safetensors").model,
            "{flags}"
        );
        bench.ok(&format!("{line} {flags} {more} 3 --out parts --force"));
        let resume = format!("{kind} --resume {more} 6 --out parts");
        bench.refused(&format!("{resume} {other}"), 2, &["the run to resume"]);
        bench.ok(&format!("{resume} {flags}"));
        // Defaults that depend on the number of epochs are stored though nothing reads them.
        let parts = bench.model("parts/model.safetensors");
        assert_eq!(whole.model, parts.model, "{flags}");
    }
}

/// Flags, the option that is stored, its value, and a flag of another run.
type Case = [&'static str; 4];

const GENERAL: [Case; 7] = [
    [
        "--gradient-clip 0.25",
        "/gradient_clip",
        "0.25",
        "--gradient-clip 1",
    ],
    ["--max-norm 0.125", "/max_norm", "0.125", "--max-norm 1"],
    [
        "--averaging exponential:0.5",
        "/averaging/exponential",
        "0.5",
        "--averaging none",
    ],
    [
        "--optimizer nesterov --momentum 0.5",
        "/optimizer",
        "\"nesterov\"",
        "--optimizer adam",
    ],
    [
        "--optimizer adam",
        "/optimizer/adam/first",
        "0.9",
        "--optimizer momentum",
    ],
    [
        "--optimizer adamax",
        "/optimizer/ada_max/first",
        "0.9",
        "--optimizer adam",
    ],
    ["--l1-decay 0.01", "/l1_decay", "0.01", "--l1-decay 0.02"],
];

/// The same with `--up-down-` in place of `@`.
const UP_DOWN: [Case; 12] = [
    [
        "@gradient-clip 0.25 @steps 3",
        "/gradient_clip",
        "0.25",
        "@gradient-clip 1",
    ],
    [
        "@max-norm 0.125 @steps 3",
        "/max_norm",
        "0.125",
        "@max-norm 1",
    ],
    [
        "@averaging exponential:0.5 @steps 3",
        "/averaging/exponential",
        "0.5",
        "@averaging none",
    ],
    [
        "@optimizer nesterov @momentum 0.5 @steps 3",
        "/optimizer",
        "\"nesterov\"",
        "@momentum 0.6",
    ],
    [
        "@optimizer adam @steps 3",
        "/optimizer/adam/first",
        "0.9",
        "@optimizer adamax",
    ],
    [
        "@l1-decay 0.01 @steps 3",
        "/l1_decay",
        "0.01",
        "@l1-decay 0.02",
    ],
    [
        "@weight-decay 0.01 @steps 3",
        "/weight_decay",
        "0.01",
        "@weight-decay 0.02",
    ],
    ["@steps 2", "/steps/constant", "2.0", "@steps 4"],
    [
        "@method pcd @chains 7 @steps 2",
        "/negative/persistent/chains",
        "7",
        "@steps 3",
    ],
    [
        "@method tempered @lowest-beta 0.5",
        "/negative/tempered/lowest",
        "0.5",
        "@temperatures 4",
    ],
    [
        "@method trajectory @acceptance 0.5",
        "/negative/trajectory/acceptance",
        "0.5",
        "@snapshots 3",
    ],
    [
        "@method fpcd @fast-rate 0.25",
        "/negative/fast_persistent/fast_rate",
        "0.25",
        "@fast-decay 0.5",
    ],
];

#[test]
fn a_general_machine_has_every_flag_of_learning() {
    let line = "train boltzmann --data bars.csv --hidden 3 --batch-size 4 --learning-rate 0.1";
    each_is_kept(line, "--epochs", "options", &GENERAL);
}

#[test]
fn the_up_down_stage_has_every_flag_of_learning() {
    let line = "train dbn --data bars.csv --layers 6,5 --batch-size 4 --greedy-epochs 2 --up-down-rate 0.1";
    each_is_kept(line, "--up-down-epochs", "up_down", &UP_DOWN);
    let bench = Bench::new();
    for (flags, words) in [
        (
            "--up-down-chains 5",
            ["--up-down-chains", "--up-down-method"],
        ),
        (
            "--up-down-method pcd --up-down-steps at:0=1,3=2",
            ["--up-down-steps", "one number"],
        ),
        (
            "--up-down-method pseudo-likelihood",
            ["negative phase", "contrastive divergence"],
        ),
        (
            "--up-down-optimizer magic",
            ["--up-down-optimizer", "magic"],
        ),
        ("--up-down-max-norm 0", ["norm", "above 0"]),
    ] {
        bench.refused(&format!("{line} {flags}"), 2, &words);
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
            "expected bernoulli, spin or softmax",
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

/// Of one update at a rate of 1 on all rows at once, with the same positive phase, the top pairs
/// that `exact` and 4000 fresh chains of 200 sweeps make differ by the mean of 4000 draws of
/// numbers in [0, 1] less its expectation: of a deviation of at most 0.5 / sqrt(4000) = 0.0079. Six
/// of them are the threshold. One sweep from the data ends much further off, and so do chains of
/// another machine.
#[test]
fn the_exact_phase_of_the_top_pair_is_what_many_chains_tend_to() {
    let bench = Bench::new();
    let line = "train dbn --data bars.csv --layers 6,5 --batch-size 16 --greedy-epochs 400 --seed 2 \
        --up-down-epochs 1 --up-down-rate 1";
    let learned = |flags: &str| {
        let ran = bench.run(&format!("{line} {flags} --force"));
        assert_eq!(ran.code, 0, "{flags}\n{}", ran.stderr);
        let dbn = bench.model("run/model.safetensors").into_dbn().unwrap();
        let (top, pair) = (dbn.top(), dbn.directed()[0].clone());
        let layers = [top.visible(), top.hidden()];
        let biases = layers.into_iter().flat_map(|x| x.bias.clone());
        let all: Vec<f32> = top.weights().elements().chain(biases).collect();
        (all, pair.generative_weights().into_owned(), ran.stderr)
    };
    let (exact, below, told) = learned("--up-down-method exact");
    assert!(told.contains("up-down: 1 epochs, exact gradient"), "{told}");
    let distance = |other: &[f32]| {
        let pairs = exact.iter().zip(other);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    let most = 6.0 * 0.5 / 4000f32.sqrt();
    let (chains, same, _) =
        learned("--up-down-method mcmc --up-down-chains 4000 --up-down-steps 200");
    assert_eq!(below, same, "the wake phase is that of both");
    assert!(distance(&chains) < most, "{}", distance(&chains));
    let (sweeps, _, _) = learned("--up-down-steps 1");
    assert!(distance(&sweeps) > 2.0 * most, "{}", distance(&sweeps));
    let words = ["--up-down-chains", "not to the method of this run"];
    let flags = "--up-down-method exact --up-down-chains 7";
    bench.refused(&format!("{line} {flags}"), 2, &words);
}
