//! `train --stream` from outside: data that stay in their file.

use crate::common::{Bench, assert_same};
use harmonium::dataset::bars_and_stripes;

/// Bars and stripes of side 3, over and over: more than the 10,000 examples that are loaded.
const ROWS: usize = 12_000;
const RUN: &str = "train --stream --data bars.npy --hidden 8 --batch-size 100 --chains 50 --seed 2";

fn bars(bench: &Bench) {
    bars_of(bench, ROWS);
}

fn bars_of(bench: &Bench, rows: usize) {
    let examples = bars_and_stripes(3);
    let bits = examples.bits().unwrap();
    let bytes: Vec<u8> = (0..rows)
        .flat_map(|i| (0..9).map(move |j| u8::from(bits.get(i * 5 % bits.rows(), j))))
        .collect();
    bench.npy("bars.npy", &format!("({rows}, 9)"), &bytes);
}

#[test]
fn a_stream_is_learned_and_its_figures_are_of_a_sample() {
    let bench = Bench::new();
    bars(&bench);
    let exact = RUN.replace("--chains 50", "--method exact");
    let before = bench.json(&format!("{exact} --epochs 0 --json"));
    let after = bench.json(&format!(
        "{exact} --epochs 30 --learning-rate 0.4 --json --force"
    ));
    let mean = |report: &serde_json::Value| report["mean_log_likelihood"].as_f64().unwrap();
    assert!(
        mean(&after) > mean(&before) + 1.0,
        "{} {}",
        mean(&before),
        mean(&after)
    );
    // Every example comes once an epoch, 10,000 of them are measured.
    assert_eq!(
        (&after["updates"], &after["count"]),
        (&3600.into(), &10_000.into())
    );
    // The same as learning from memory, up to the order of the examples and to noise: bars have an
    // entropy of at most ln 16 = 2.77 nats, 14 of them being different (all off and all on come
    // twice).
    let whole = exact.replace(" --stream", "");
    let whole = bench.json(&format!(
        "{whole} --epochs 30 --learning-rate 0.4 --out whole --json"
    ));
    assert_eq!(whole["count"], 12_000);
    assert!(
        (mean(&after) - mean(&whole)).abs() < 0.3,
        "{} {}",
        mean(&after),
        mean(&whole)
    );
    let evaluated = bench.json("evaluate run/model.safetensors --exact --json");
    assert_eq!(
        evaluated["mean_log_likelihood"],
        after["mean_log_likelihood"]
    );
}

#[test]
fn a_resumed_stream_is_the_uninterrupted_one_bit_for_bit() {
    let bench = Bench::new();
    bars(&bench);
    for how in ["", "--resample --method fpcd", "--method cd"] {
        let chains = if how.contains("cd") && !how.contains("fpcd") {
            ""
        } else {
            "--chains 50"
        };
        // A rate that does not depend on the number of epochs.
        let run = RUN.replace("--chains 50", chains) + " --learning-rate 0.1";
        bench.ok(&format!("{run} {how} --epochs 3 --out whole --force"));
        bench.ok(&format!("{run} {how} --epochs 1 --out parts --force"));
        bench.ok("train --resume --epochs 3 --out parts");
        assert_same(
            &bench.model("whole/model.safetensors"),
            &bench.model("parts/model.safetensors"),
        );
    }
}

#[test]
fn what_a_stream_cannot_be_is_refused() {
    let bench = Bench::new();
    bars(&bench);
    for flag in ["--labels", "--validation 5", "--early-stopping 3"] {
        bench.refused(
            &format!("{RUN} {flag}"),
            2,
            &["--stream", flag.split(' ').next().unwrap()],
        );
    }
    bench.refused("train --stream", 2, &["--stream", "mnist"]);
    bench.refused("train --stream --data bars.csv", 1, &["bars.csv"]);
    bench.refused(
        "train --stream --data nothing.npy",
        1,
        &["nothing.npy", "--stream"],
    );
    bench.refused(
        &format!("{RUN} --batch-size 11000").replace("--batch-size 100 ", ""),
        2,
        &["--batch-size", "10000"],
    );
    // A run whose file has become another.
    bench.ok(&format!("{RUN} --epochs 1"));
    bench.npy("bars.npy", "(11000, 9)", &vec![0; 99_000]);
    bench.refused("train --resume --epochs 2", 1, &["12000", "11000"]);
    bench.ok("train --data bars.csv --hidden 3 --epochs 1 --out memory");
    bench.refused("train --resume --stream --out memory", 2, &["--stream"]);
}

/// Deep machines and general ones learn from a file too, in all their stages.
#[test]
fn every_kind_learns_a_stream_and_goes_on_bit_for_bit() {
    let bench = Bench::new();
    bars_of(&bench, 450);
    let general = "boltzmann --hidden 3 --positive mean-field --learning-rate 0.1";
    for (kind, more, updates) in [
        (
            "dbn --layers 6,5 --greedy-epochs 2 --up-down-rate 0.1 --up-down-steps 3",
            "--up-down-epochs",
            15,
        ),
        (
            "dbm --layers 6,5 --pretraining-epochs 2 --learning-rate 0.01",
            "--epochs",
            15,
        ),
        (
            "dbm --layers 6,5 --no-pretraining --learning-rate 0.01",
            "--epochs",
            15,
        ),
        (general, "--epochs", 15),
    ] {
        let line = format!("train {kind} --stream --data bars.npy --batch-size 100 --seed 2");
        bench.ok(&format!("{line} {more} 3 --out whole --force"));
        bench.ok(&format!("{line} {more} 1 --out parts --force"));
        let name = kind.split(' ').next().unwrap();
        bench.ok(&format!(
            "train {name} --resume --stream {more} 3 --out parts"
        ));
        let [whole, parts] =
            ["whole", "parts"].map(|x| bench.model(&format!("{x}/model.safetensors")));
        assert_same(&whole, &parts);
        assert_eq!(
            whole.run.as_ref().unwrap().position().updates,
            updates,
            "{kind}"
        );
        // Another order of the examples than that of data in memory.
        let line = line.replace("--stream ", "");
        bench.ok(&format!("{line} {more} 3 --out memory --force"));
        assert_ne!(
            bench.model("memory/model.safetensors").model,
            whole.model,
            "{kind}"
        );
    }
    let line = general.replace("--positive mean-field ", "");
    let line = format!("train {line} --stream --data bars.npy");
    bench.refused(&line, 2, &["minibatches from outside", "in memory"]);
    for (kind, flag) in [
        ("dbn --layers 6,5", "--labels"),
        ("dbm --layers 6,5", "--labels"),
    ] {
        let line = format!("train {kind} --stream --data bars.npy {flag}");
        bench.refused(&line, 2, &["--stream", flag]);
    }
}

#[test]
fn categories_of_a_stream_are_those_of_the_whole_file() {
    let bench = Bench::new();
    // Two columns of categories from 0 to 2; a 4 and a 3 come late, once.
    let value = |i: usize, j: usize| match (i, j) {
        (2900, 0) => 4,
        (2950, 1) => 3,
        _ => (i * (j + 2) / 3 % 3) as u8,
    };
    let all: Vec<u8> = (0..3000).flat_map(|i| [value(i, 0), value(i, 1)]).collect();
    bench.npy("kinds.npy", "(3000, 2)", &all);
    let train = "train --data kinds.npy --visible-units softmax --hidden 3 --epochs 1";
    bench.ok(&format!("{train} --out whole"));
    bench.ok(&format!("{train} --out stream --stream"));
    let [whole, stream] = ["whole", "stream"].map(|x| {
        let model = bench.model(&format!("{x}/model.safetensors"));
        model.encoding.unwrap()
    });
    assert_eq!(stream, whole);
    assert_eq!(stream.units().to_string(), "softmax:5+softmax:5");
    // A value that the machine has not learned is refused with its place.
    bench.npy(
        "kinds.npy",
        "(3000, 2)",
        &all.iter().map(|&x| x * 2).collect::<Vec<_>>(),
    );
    bench.refused(
        "train --resume --epochs 2 --out stream",
        1,
        &["kinds.npy", "category"],
    );
}
