//! Counts of words, from files to topics and back.

use crate::common::Bench;
use serde_json::Value;
use std::fs;

const TOPICS: usize = 3;
const WORDS: usize = 12;

/// Documents of one of three topics each, four words in five of which are its own four; 10 to 29
/// words.
fn documents(n: usize) -> Vec<Vec<f32>> {
    let mut state = 12345_u64;
    let mut below = move |n: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % n) as usize
    };
    let document = |_| {
        let mut row = vec![0.0; WORDS];
        let topic = below(3);
        for _ in 0..10 + below(20) {
            let own = topic + TOPICS * below(4);
            let any = below(WORDS as u64);
            row[if below(5) < 4 { own } else { any }] += 1.0;
        }
        row
    };
    (0..n).map(document).collect()
}

/// A run on `words.csv`.
fn trained() -> (Bench, Value) {
    let bench = Bench::drawing();
    bench.csv("words.csv", documents(300).into_iter());
    let line = "train --data words.csv --visible-units counts --hidden 4 --epochs 60 --batch-size 30 --learning-rate linear:0.03:0";
    let report = bench.json(&format!("{line} --json"));
    (bench, report)
}

fn number(report: &Value, key: &str) -> f64 {
    report[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} of {report}"))
}

#[test]
fn documents_are_learned_measured_and_drawn() {
    let (bench, report) = trained();
    // Independent words have a perplexity of 12 or so; of a known topic
    // exp(-(4 x 13/60 ln 13/60 + 8 x 1/60 ln 1/60)) = 6.5.
    let of_words = number(&report, "perplexity_of_independent_words");
    assert!((11.5..12.5).contains(&of_words), "{report}");
    let perplexity = number(&report, "perplexity");
    assert!((6.0..8.5).contains(&perplexity), "{report}");

    let exact = bench.json("evaluate --exact --json");
    assert_eq!(exact["log_likelihood_of"], "ln p(words | length)");
    for key in ["perplexity", "mean_log_likelihood", "log_z"] {
        assert!(
            (number(&exact, key) - number(&report, key)).abs() < 1e-6,
            "{key}: {exact}"
        );
    }
    let annealed = bench.json("evaluate --betas 200 --chains 200 --json");
    assert_eq!(annealed["method"], "ais");
    assert_eq!(annealed["lengths"], 20);
    let [low, high] = ["log_z_low", "log_z_high"].map(|key| number(&annealed, key));
    let log_z = number(&exact, "log_z");
    assert!(
        low < log_z && log_z < high && high - low < 0.5,
        "{annealed}"
    );
    let ratio = number(&annealed, "perplexity") / number(&exact, "perplexity");
    assert!((ratio - 1.0).abs() < 0.01, "{annealed}");

    // Scores are of the examples: their mean is the likelihood.
    bench.ok("evaluate --exact --scores scores.csv");
    let text = fs::read_to_string(bench.path("scores.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("example,free_energy,log_likelihood"));
    let log_p: Vec<f64> = lines
        .map(|x| x.rsplit(',').next().unwrap().parse().unwrap())
        .collect();
    let mean = log_p.iter().sum::<f64>() / 300.0;
    assert!((mean - number(&exact, "mean_log_likelihood")).abs() < 1e-9);

    // Samples have the length that is asked for, or those of the examples.
    bench.ok("sample --length 17 --count 40 --steps 20 --out samples.csv");
    let lengths = |name: &str| -> Vec<u32> {
        let text = fs::read_to_string(bench.path(name)).unwrap();
        let row = |line: &str| line.split(',').map(|x| x.parse::<u32>().unwrap()).sum();
        text.lines().skip(1).map(row).collect()
    };
    assert_eq!(lengths("samples.csv"), [17; 40]);
    bench.ok("sample --from-data --count 40 --steps 20 --out own.csv");
    let own: Vec<u32> = documents(40)
        .iter()
        .map(|row| row.iter().sum::<f32>() as u32)
        .collect();
    assert_eq!(lengths("own.csv"), own);
    bench.ok("sample --length 17 --count 40 --steps 20 --values means --out means.csv");
    let text = fs::read_to_string(bench.path("means.csv")).unwrap();
    for line in text.lines().skip(1) {
        let sum: f32 = line.split(',').map(|x| x.parse::<f32>().unwrap()).sum();
        assert!((sum - 17.0).abs() < 1e-3, "{line}");
    }
    bench.ok("sample --length 17 --count 40 --tempering 4 --steps 20 --out tempered.npy");
    bench.ok("sample --length 17 --count 40 --weighted --betas 50 --out weighted.npy");
    bench.ok("sample --length 17 --count 40 --steps 20 --out samples.png");
    assert!(bench.path("run/samples.png").is_file() && bench.path("run/filters.png").is_file());

    bench.ok("transform --out topics.csv --split train");
    let topics = fs::read_to_string(bench.path("topics.csv")).unwrap();
    assert_eq!(
        topics.lines().filter(|x| x.split(',').count() == 4).count(),
        topics.lines().count()
    );
    bench.ok("verify --data words.csv");
    bench.ok("evaluate --exact --diagnose 20");
    bench.ok("inspect");
}

#[test]
fn what_counts_do_not_have_is_refused_in_a_line() {
    let (bench, _) = trained();
    for (line, code, words) in [
        ("sample --out x.csv", 2, &["length", "--length D"][..]),
        (
            "sample --length 5 --from-data --out x.csv",
            2,
            &["--from-data"],
        ),
        ("evaluate --reverse", 2, &["--reverse", "length by length"]),
        ("evaluate --raise", 2, &["--raise", "length by length"]),
        ("evaluate --distribution x.csv", 2, &["2^20 states"]),
        ("classify", 1, &["label"]),
        (
            "sample --length 5 --clamp data --mask left --shape 3x4 --out x.csv",
            1,
            &["counts"],
        ),
    ] {
        bench.refused(line, code, words);
    }
    let train = "train --data words.csv --out x --visible-units";
    for (line, words) in [
        (
            "counts --method tempered",
            &["negative phase", "counts"][..],
        ),
        ("counts --method mcmc", &["negative phase", "counts"]),
        (
            "counts --hidden-units gaussian",
            &["hidden units beside counts"],
        ),
        ("counts:11+bernoulli:1", &["counts alone"]),
        ("bernoulli", &["counts units counts"]),
    ] {
        let ran = bench.run(&format!("{train} {line}"));
        assert!(
            ran.code != 0 && words.iter().all(|x| ran.stderr.contains(x)),
            "{line}: {}",
            ran.stderr
        );
    }
    bench.refused(
        "train --data words.csv --out x",
        1,
        &["counts for counts", "line 1"],
    );
    bench.refused(
        "train dbn --data words.csv --visible-units counts --out x",
        2,
        &["deep belief network", "counts"],
    );
    fs::write(bench.path("empty.csv"), "1,2,0\n0,0,0\n0,1,3\n").unwrap();
    let line = "train --data empty.csv --visible-units counts --epochs 1 --out empty";
    let said = bench.run(line).stderr;
    assert!(said.contains("1 of 3 rows have no counts"), "{said}");
    fs::write(bench.path("half.csv"), "1,2,0\n0,0.5,3\n").unwrap();
    bench.refused(
        "train --data half.csv --visible-units counts --out x",
        1,
        &["half.csv", "line 2, column 2", "0.5", "counts"],
    );
    bench.refused(
        "sample --length 4 --out x.csv nothing.safetensors",
        1,
        &["nothing"],
    );
    bench.ok("train --data bars.csv --hidden 2 --epochs 1 --out bars");
    bench.refused(
        "sample bars/model.safetensors --length 4 --out x.csv",
        2,
        &["--length"],
    );
}
