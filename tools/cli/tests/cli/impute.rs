//! `harmonium impute`: tables come back whole, by the library's means.

use crate::common::Bench;
use harmonium::{
    BoltzmannMachine, Dbm, Examples, Matrix, Model, Rbm,
    checkpoint::Checkpoint,
    dataset::{Asked, Code, Encoding, Reading, Tables},
    model::{Imputation, Layer, Missing},
    units::{Kind, Units},
};
use std::fs;

/// Numbers of which some are missing.
const PEOPLE: &str = "kg,cm,m\n70.5,180,0.1\n,160,0.25\n55,,0.4\n90,,\n";

fn number(k: usize) -> f32 {
    ((k * 7919 + 104_729) % 2003) as f32 / 1001.5 - 1.0
}

/// Writes a text, and reads it as `units`.
fn read(bench: &Bench, name: &str, text: &str, units: &str) -> (Encoding, Examples) {
    fs::write(bench.path(name), text).unwrap();
    let reading = Reading {
        missing: true,
        ..Reading::default()
    };
    let table = Tables::open(bench.path(name), &reading).unwrap().train;
    let asked = Asked {
        units: Some(units.into()),
        standardize: units == "gaussian",
        ..Asked::default()
    };
    let encoding = Encoding::fit(&table, &asked).unwrap();
    let examples = encoding.encode(&table).unwrap();
    (encoding, examples)
}

fn save(bench: &Bench, model: impl Into<Model>, encoding: Option<Encoding>) {
    let mut checkpoint = Checkpoint::from(model.into());
    checkpoint.encoding = encoding;
    checkpoint.save(bench.path("m.safetensors")).unwrap();
}

fn rbm(visible: &Units, m: usize) -> Rbm {
    let n = visible.size();
    let mut layers = [Layer::new(visible.clone()), Layer::of(Kind::Bernoulli, m)];
    layers[0]
        .bias
        .iter_mut()
        .enumerate()
        .for_each(|(i, b)| *b = number(i));
    let weights = Matrix::from_fn(n, m, |i, j| 1.5 * number(3 * i + n * j));
    Rbm::from_parameters(layers, [weights]).unwrap()
}

/// The rows of the file that `line` writes.
fn rows(bench: &Bench, line: &str) -> Vec<Vec<String>> {
    bench.ok(&format!("impute m.safetensors {line} --out whole.csv"));
    let text = fs::read_to_string(bench.path("whole.csv")).unwrap();
    let fields = |line: &str| line.split(',').map(ToOwned::to_owned).collect();
    text.lines().map(fields).collect()
}

#[test]
fn numbers_come_back_in_the_terms_of_the_data() {
    let bench = Bench::new();
    let (encoding, examples) = read(&bench, "t.csv", PEOPLE, "gaussian");
    let rbm = rbm(encoding.units(), 3);
    let found = rbm
        .impute(&examples, Missing::Infer, Imputation::Exact, &mut ())
        .unwrap();
    let expected = encoding.decode_means(&found.visible).unwrap();
    save(&bench, rbm, Some(encoding));
    let rows = rows(&bench, "--data t.csv");
    assert_eq!(rows[0], ["kg", "cm", "m"]);
    assert_eq!(rows[1], ["70.5", "180", "0.1"]);
    for (i, j) in [(1, 0), (2, 1), (3, 1), (3, 2)] {
        let x: f64 = rows[i + 1][j].parse().unwrap();
        let expected = expected.get(i, j);
        assert!(
            (x - expected).abs() < 1e-9 * expected.abs(),
            "{i}, {j}: {x} for {expected}"
        );
    }
    assert_eq!(
        [&*rows[2][1], &rows[3][0], &rows[4][0]],
        ["160", "55", "90"]
    );
    bench.ok("impute m.safetensors --data t.csv --out whole.npy");
    let bytes = fs::read(bench.path("whole.npy")).unwrap();
    let x: Vec<f64> = npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap();
    let y = rows[1..].concat();
    assert!(
        x.iter()
            .zip(&y)
            .all(|(x, y)| *x == y.parse::<f64>().unwrap())
    );
}

#[test]
fn categories_come_back_as_means_of_numbers_and_as_texts() {
    let bench = Bench::new();
    let text = "stars,tree\n1,oak\n,ash\n5,\n3,elm\n,\n";
    let (encoding, examples) = read(&bench, "t.csv", text, "softmax");
    let rbm = rbm(encoding.units(), 3);
    let found = rbm
        .impute(&examples, Missing::Infer, Imputation::Exact, &mut ())
        .unwrap();
    save(&bench, rbm, Some(encoding.clone()));
    let expected = encoding.decode_expected(&found.visible).unwrap();
    let names = encoding.unit_names();
    let filled = rows(&bench, "--data t.csv --exact");
    let trees = names.iter().position(|x| x.starts_with("tree=")).unwrap();
    for i in [1, 4] {
        // The mean by the names of the units.
        let p = found.visible.row(i).iter().zip(&names[..trees]);
        let mean: f64 = p
            .map(|(&p, name)| f64::from(p) * name["stars=".len()..].parse::<f64>().unwrap())
            .sum();
        assert!((expected.get(i, 0) - mean).abs() < 1e-6);
        let x: f64 = filled[i + 1][0].parse().unwrap();
        assert!((x - mean).abs() < 1e-6, "{x} for {mean}");
    }
    for i in [2, 4] {
        let p = &found.visible.row(i)[trees..];
        let best = (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap();
        assert_eq!(names[trees + best], format!("tree={}", filled[i + 1][1]));
    }
    // Draws are states; each seed has its own, and what was there stays.
    let draws = |seed: usize| {
        rows(
            &bench,
            &format!("--data t.csv --values states --seed {seed}"),
        )
    };
    let all: Vec<_> = (0..8).map(draws).collect();
    assert_eq!(all[0], draws(0));
    assert!(all.iter().any(|x| *x != all[0]));
    for draw in &all {
        assert_eq!([&draw[1], &draw[4]], [&["1", "oak"], &["3", "elm"]]);
        assert_eq!([&*draw[2][1], &draw[3][0]], ["ash", "5"]);
        assert!((1..6).all(|i| draw[i][0].parse::<u8>().unwrap() <= 5));
    }
    let refused = |line: &str, words: &[&str]| {
        let line = format!("impute m.safetensors --data t.csv {line}");
        bench.refused(&line, 2, words);
    };
    refused("--out x.npy", &["texts", ".csv"]);
    refused("--values states --exact --out x.csv", &["--exact"]);
    refused(
        "--values states --missing=absent --out x.csv",
        &["absent", "--values means"],
    );
    refused("--exact --sweeps 3 --out x.csv", &["--exact", "--sweeps"]);
    let chains = rows(&bench, "--data t.csv --sweeps 4000 --burn-in 100");
    // Of 4000 sweeps: the error of a mean of numbers in 0..=5 is small beside 0.2.
    for i in [1, 4] {
        let x: f64 = chains[i + 1][0].parse().unwrap();
        assert!((x - expected.get(i, 0)).abs() < 0.2);
    }
}

#[test]
fn machines_of_bits_say_probabilities() {
    let bench = Bench::new();
    let text = "1,0,,1\n0,,,\n1,1,0,1\n";
    let (_, examples) = read(&bench, "t.csv", text, "bernoulli");
    let couplings: Vec<(usize, usize, f32)> = (0..6)
        .flat_map(|i| (i + 1..6).map(move |j| (i, j, number(5 * i + j))))
        .collect();
    let general = BoltzmannMachine::from_edges(4, 2, &couplings).unwrap();
    let of_general = general
        .impute(&examples, Imputation::Exact, &mut ())
        .unwrap();
    let layers = [4, 3, 2].map(|n| Layer::of(Kind::Bernoulli, n));
    let weights = [(4, 3), (3, 2)].map(|(n, m)| Matrix::from_fn(n, m, |i, j| number(7 * i + j)));
    let dbm = Dbm::from_parameters(layers, weights).unwrap();
    let of_dbm = dbm.impute(&examples, Imputation::Exact, &mut ()).unwrap();
    for (model, expected) in [(Model::from(general), of_general), (dbm.into(), of_dbm)] {
        save(&bench, model, None);
        let rows = rows(&bench, "--data t.csv --header no");
        for (i, row) in rows[1..].iter().enumerate() {
            let found = row.iter().map(|x| x.parse::<f32>().unwrap());
            assert!(
                found.eq(expected.visible.row(i).iter().copied()),
                "{rows:?}"
            );
        }
    }
    bench.ok("train dbn --data bars.csv --layers 4,3 --greedy-epochs 1 --up-down-epochs 0");
    let line = "impute --data t.csv --out x.csv";
    bench.refused(line, 1, &["t.csv", "9 columns", "found 4"]);
    bench.refused("impute --out x.csv", 2, &["dbn", "RBMs"]);
    let line = "evaluate --missing=absent";
    bench.refused(line, 2, &["--missing=absent", "dbn"]);
}

#[test]
fn what_was_observed_is_measured() {
    let bench = Bench::new();
    let (encoding, examples) = read(&bench, "t.csv", PEOPLE, "gaussian");
    let rbm = rbm(encoding.units(), 3);
    let exact = rbm.exact_mean_log_likelihood(&examples, &mut ()).unwrap();
    let log_p = rbm
        .exact_log_p_observed(&examples, Missing::Absent, &mut ())
        .unwrap();
    // Each row is a density of the columns that it has.
    let jacobian = encoding.mean_log_jacobian(&examples);
    let log_deviation: Vec<f64> = encoding
        .columns()
        .iter()
        .map(|code| match code {
            Code::Number { deviation, .. } => deviation.ln(),
            other => panic!("{other:?}"),
        })
        .collect();
    let [a, b, c] = log_deviation[..] else {
        panic!()
    };
    assert!((jacobian - (3.0 * a + 2.0 * b + 3.0 * c) / 4.0).abs() < 1e-9);
    save(&bench, rbm, Some(encoding));
    let evaluate = "evaluate m.safetensors --data t.csv --json --scores s.csv";
    let told = bench.json(&format!("{evaluate} --missing --exact"));
    let found = told["mean_log_likelihood"].as_f64().unwrap();
    assert!((found - (exact.mean - jacobian)).abs() < 1e-6, "{told}");
    assert_eq!(told["log_likelihood_of"], "ln p(v_observed)");
    let told = bench.json(&format!("{evaluate} --missing=absent --exact"));
    let found = told["mean_log_likelihood"].as_f64().unwrap();
    let mean = log_p.iter().sum::<f64>() / 4.0;
    assert!((found - (mean - jacobian)).abs() < 1e-6, "{told}");
    assert!(
        told["log_likelihood_of"]
            .as_str()
            .unwrap()
            .contains("machine of its units")
    );
    assert!(told.get("log_z").is_none());
    let scores = fs::read_to_string(bench.path("s.csv")).unwrap();
    assert!(scores.starts_with("example,log_likelihood\n"), "{scores}");
    bench.refused(
        &format!("{evaluate} --missing --diagnose 5"),
        2,
        &["--diagnose", "missing"],
    );
    bench.refused(
        &evaluate.replace("--json", ""),
        1,
        &["t.csv", "missing value", "--missing"],
    );
}

#[test]
fn what_was_observed_has_features() {
    let bench = Bench::new();
    let (encoding, examples) = read(&bench, "t.csv", PEOPLE, "gaussian");
    let rbm = rbm(encoding.units(), 3);
    let imputed = rbm
        .impute(&examples, Missing::Infer, Imputation::Exact, &mut ())
        .unwrap();
    save(&bench, rbm.clone(), Some(encoding));
    let features = |missing: &str| -> Vec<f32> {
        let line = format!("transform m.safetensors --data t.csv {missing} --out f.npy");
        bench.ok(&line);
        let bytes = fs::read(bench.path("f.npy")).unwrap();
        npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap()
    };
    assert!(
        features("--missing")
            .into_iter()
            .eq(imputed.hidden[0].elements())
    );
    let absent = rbm
        .impute(&examples, Missing::Absent, Imputation::Exact, &mut ())
        .unwrap();
    assert!(
        features("--missing=absent")
            .into_iter()
            .eq(absent.hidden[0].elements())
    );
    bench.ok("transform m.safetensors --data t.csv --missing --pass samples --out f.csv");
    let states = fs::read_to_string(bench.path("f.csv")).unwrap();
    assert!(
        states
            .lines()
            .skip(1)
            .all(|row| row.split(',').all(|x| x == "0" || x == "1"))
    );
    bench.refused(
        "transform m.safetensors --data t.csv --missing --with-data --out f.npy",
        2,
        &["--with-data", "missing"],
    );
}

#[test]
fn classes_are_found_of_what_was_observed() {
    let bench = Bench::new();
    let text = "a,b,c,label\n1,0,1,cat\n,1,0,dog\n0,,,cat\n";
    let (encoding, examples) = read(&bench, "t.csv", text, "bernoulli");
    let rbm = rbm(&encoding.units().clone().and(Kind::Softmax, 2), 3);
    for missing in [Missing::Infer, Missing::Absent] {
        let expected = rbm
            .log_p_y_from_observed(&examples, missing, Imputation::Exact, &mut ())
            .unwrap();
        save(&bench, rbm.clone(), Some(encoding.clone()));
        let name = format!("{missing:?}").to_lowercase();
        bench.ok(&format!(
            "classify m.safetensors --data t.csv --missing={name} --split train --out p.npy"
        ));
        let bytes = fs::read(bench.path("p.npy")).unwrap();
        let p: Vec<f32> = npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap();
        assert!(
            p.into_iter().eq(expected.elements().map(f32::exp)),
            "{name}"
        );
        // The features sum over the label, as over all that is missing.
        bench.ok(&format!(
            "transform m.safetensors --data t.csv --missing={name} --split train --out f.npy"
        ));
    }
    let bytes = fs::read(bench.path("f.npy")).unwrap();
    let f: Vec<f32> = npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap();
    assert!(f.len() == 9 && f.iter().all(|&p| 0.0 < p && p < 1.0));
    let told = bench.json("impute m.safetensors --data t.csv --out whole.csv --json");
    assert_eq!(told["missing"], 3);
    let text = fs::read_to_string(bench.path("whole.csv")).unwrap();
    assert!(text.starts_with("a,b,c,label\n1,0,1,cat\n"), "{text}");
}

/// Every kind learns from missing values, and says what of it takes complete examples.
#[test]
fn every_kind_learns_what_was_observed() {
    let bench = Bench::new();
    let rows = (0..60).map(|i| {
        let cell = |j: usize| match (i * 7 + j * 5) % 9 {
            0 => String::new(),
            _ => ((i >> (j % 3)) & 1).to_string(),
        };
        let cells: Vec<String> = (0..6).map(cell).collect();
        format!(
            "{},{}",
            cells.join(","),
            if i % 2 == 0 { "cat" } else { "dog" }
        )
    });
    let rows: Vec<String> = rows.collect();
    let text = format!("a,b,c,d,e,f,kind\n{}\n", rows.join("\n"));
    fs::write(bench.path("t.csv"), text).unwrap();
    let data = "--data t.csv --label kind --missing --force --threads 1";
    let greedy = "train dbn --layers 5,4 --greedy-epochs 3 --up-down-epochs 0";
    for (line, has_likelihood) in [
        ("train boltzmann --hidden 2 --epochs 3", true),
        ("train boltzmann --epochs 3", true),
        (
            "train dbm --layers 5,4 --labels --epochs 3 --pretraining-epochs 3",
            true,
        ),
        (
            "train dbm --layers 5,4 --epochs 3 --no-pretraining --positive gibbs",
            true,
        ),
        (greedy, false),
    ] {
        let told = bench.json(&format!("{line} {data} --json"));
        let likelihood = told.get("mean_log_likelihood").and_then(|x| x.as_f64());
        assert_eq!(
            likelihood.is_some_and(|x| x < 0.0),
            has_likelihood,
            "{line}: {told}"
        );
    }
    bench.refused("classify", 1, &["labels"]);
    bench.refused(
        "transform --out f.npy",
        2,
        &["deep belief network", "missing values"],
    );
    let up_down = greedy.replace("--up-down-epochs 0", "--up-down-epochs 1");
    let words = ["--missing", "up-down", "--up-down-epochs 0"];
    bench.refused(&format!("{up_down} {data}"), 2, &words);
    let early = "--early-stopping 2 --validation 10";
    bench.refused(
        &format!("{greedy} {early} {data}"),
        2,
        &["--early-stopping", "complete"],
    );
    bench.refused(
        &format!("{greedy} {data} ").replace("--missing ", "--missing=absent "),
        2,
        &["absent"],
    );
    let dbm = "train dbm --layers 5,4 --labels --epochs 3 --pretraining-epochs 3";
    bench.ok(&format!("{dbm} {data}"));
    bench.ok("classify --out p.csv");
    bench.ok("transform --out f.npy");
    bench.ok("impute --out whole.csv");
}
