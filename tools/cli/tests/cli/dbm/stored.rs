//! What the commands do with a stored deep Boltzmann machine: its bound, samples, features and
//! classes, against the library and against enumeration.

use crate::common::Bench;
use harmonium::{
    BitMatrix, Dbm, Matrix,
    checkpoint::Checkpoint,
    dataset::bars_and_stripes,
    evaluate::{DbmBound, RESPONDING_ABOVE},
    kernel::reduce::mean_and_standard_error,
    model::{Layer, MeanField, most_probable},
    units::Kind,
};
use std::fs;

/// Bars and stripes of side 3.
const N: usize = 9;
const CHAINS: usize = 4000;

/// A machine 9-6-4 whose parameters look like none, with labels of three classes above if they are
/// asked for.
fn machine(labels: bool) -> Dbm {
    let number = |k: usize, seed: usize| ((k * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0;
    let mut layers: Vec<Layer> = [N, 6, 4].map(Layer::bernoulli).into();
    if labels {
        layers.push(Layer::of(Kind::Softmax, 3));
    }
    for (l, layer) in layers.iter_mut().enumerate() {
        let bias = layer.bias.iter_mut().enumerate();
        bias.for_each(|(i, b)| *b = 0.5 * number(i, l));
    }
    let sizes: Vec<usize> = layers.iter().map(Layer::size).collect();
    let weights = sizes
        .windows(2)
        .enumerate()
        .map(|(l, n)| Matrix::from_fn(n[0], n[1], |i, j| number(i * n[1] + j, 10 + l)));
    Dbm::from_parameters(layers, weights).unwrap()
}

fn bench(dbm: &Dbm) -> Bench {
    let bench = Bench::new();
    let path = bench.path("m.safetensors");
    Checkpoint::from(dbm.clone()).save(path).unwrap();
    bench
}

fn bars() -> BitMatrix {
    bars_and_stripes(3).bits().unwrap().clone()
}

/// The bars with labels that are not theirs to tell: any will do.
fn labeled(bench: &Bench) -> Vec<u32> {
    let bits = bars();
    let head: Vec<String> = (0..N).map(|i| format!("u{i}")).collect();
    let mut text = head.join(",") + ",label\n";
    let labels: Vec<u32> = (0..bits.rows()).map(|i| (i % 3) as u32).collect();
    for (i, label) in labels.iter().enumerate() {
        let fields: Vec<String> = (0..N)
            .map(|j| u8::from(bits.get(i, j)).to_string())
            .collect();
        text += &format!("{},{label}\n", fields.join(","));
    }
    fs::write(bench.path("labeled.csv"), text).unwrap();
    labels
}

fn file<T: npyz::Deserialize>(bench: &Bench, name: &str) -> Vec<T> {
    let bytes = fs::read(bench.path(name)).unwrap();
    npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap()
}

/// Asserts that the means of independent states of `CHAINS` chains are `exact`: within five
/// standard errors, which any of some tens of means leaves with a probability below 1e-4. Chains of
/// these weak machines have forgotten their start, and the seed is fixed.
fn assert_means(states: &[u8], exact: &[f64]) {
    assert_eq!(states.len(), CHAINS * exact.len());
    for (i, &p) in exact.iter().enumerate() {
        let on = states
            .iter()
            .skip(i)
            .step_by(exact.len())
            .filter(|&&x| x == 1);
        let mean = on.count() as f64 / CHAINS as f64;
        let error = (p * (1.0 - p) / CHAINS as f64).sqrt();
        assert!((mean - p).abs() <= 5.0 * error, "unit {i}: {mean}, not {p}");
    }
}

#[test]
fn bounds_come_with_ln_z_from_both_sides() {
    let dbm = machine(false);
    let bench = bench(&dbm);
    let bits = bars();
    let bound = DbmBound::new(&dbm, &bits, &MeanField::default(), &mut ()).unwrap();
    let exact = dbm.exact_mean_log_likelihood(&bits, &mut ()).unwrap();
    let (likelihood, log_z) = (exact.mean, exact.log_z);

    let evaluate = "evaluate m.safetensors --data bars.csv";
    let exact = bench.json(&format!("{evaluate} --exact --json"));
    let number = |x: &serde_json::Value, key: &str| x[key].as_f64().unwrap();
    assert_eq!(number(&exact, "log_z"), log_z);
    assert_eq!(number(&exact, "mean_log_likelihood"), likelihood);
    assert_eq!(number(&exact, "lower_bound"), bound.mean(log_z).0);
    assert!(number(&exact, "lower_bound") < likelihood);
    assert_eq!(exact["method"], "exact");

    let annealed = "--chains 200 --betas 500 --seed 3 --save-weights w.npy";
    let found = bench.json(&format!("{evaluate} {annealed} --json"));
    // The ends are three standard errors beyond estimates from below and from above.
    let of = |key: &str| number(&found, key);
    assert!(
        of("log_z_low") <= log_z && log_z <= of("log_z_high"),
        "{found}"
    );
    assert!((of("log_z_bar") - log_z).abs() <= 5.0 * of("log_z_bar_error"));
    assert_eq!(of("log_z"), of("log_z_bar"));
    for (key, log_z) in [
        ("lower_bound", "log_z"),
        ("lower_bound_low", "log_z_high"),
        ("lower_bound_high", "log_z_low"),
    ] {
        assert_eq!(of(key), bound.mean(of(log_z)).0, "{key}");
    }
    assert_eq!(of("lower_bound_error"), bound.mean(of("log_z")).1);
    let done = bound.convergence;
    assert_eq!(found["mean_field_iterations"], done.iterations);
    assert_eq!(of("mean_field_change") as f32, done.change);
    let responding = bound.hidden.iter();
    let responding: Vec<_> = responding.map(|x| x.responding(RESPONDING_ABOVE)).collect();
    assert_eq!(found["responding_units"], serde_json::json!(responding));
    for (key, x) in [("count", 16), ("chains", 200), ("betas", 500), ("seed", 3)] {
        assert_eq!(found[key], x, "{key}");
    }
    assert_eq!(
        [&found["method"], &found["reverse_start"]],
        ["ais", "exact"]
    );
    assert!(of("effective_sample_size") > 150.0 && of("reverse_effective_sample_size") > 150.0);
    assert_eq!(file::<f64>(&bench, "w.npy").len(), 400);

    let table = bench.ok(&format!("{evaluate} {annealed}"));
    for words in [
        "given lower bound",
        "interval",
        "mean field",
        "hidden layer 2",
        "units respond",
        "Bennett",
        "bracket",
        "DBM 9-6-4",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let line = format!("{evaluate} --bound-samples 3");
    bench.refused(&line, 2, &["--bound-samples", "kind dbm"]);
    bench.refused(
        &format!("{evaluate} --exact --burn-in 5"),
        2,
        &["--burn-in", "--exact"],
    );
    bench.refused(&format!("{evaluate} --confusion c.png"), 2, &["labels"]);
    bench.csv("wide.csv", (0..3).map(|_| vec![1.0, 0.0]));
    for command in [
        "evaluate",
        "transform --out x.npy",
        "sample --from-data --out x.npy",
    ] {
        let line = format!("{command} m.safetensors --data wide.csv");
        bench.refused(&line, 1, &["9 visible", "2 values"]);
    }
}

#[test]
fn samples_have_the_exact_means() {
    let dbm = machine(false);
    let bench = bench(&dbm);
    let exact = dbm.expectations(&mut ()).unwrap();
    let sample = format!("sample m.safetensors --count {CHAINS} --steps 60 --seed 2 --out");
    bench.ok(&format!("{sample} x.npy"));
    assert_means(&file(&bench, "x.npy"), &exact.layers[0]);
    bench.ok(&format!("{sample} y.npy --data bars.csv --from-data"));
    assert_means(&file(&bench, "y.npy"), &exact.layers[0]);
    // Without a sweep chains are where they start.
    let start = "sample m.safetensors --steps 0 --count 20 --data bars.csv --out s.npy";
    bench.ok(&format!("{start} --from-data"));
    let (bits, started) = (bars(), file::<u8>(&bench, "s.npy"));
    assert!((0..20 * N).all(|k| (started[k] == 1) == bits.get(k / N % bits.rows(), k % N)));
    // At infinite temperature all is coins.
    bench.ok(&format!("{sample} z.npy --beta 0"));
    assert_means(&file(&bench, "z.npy"), &[0.5; N]);

    bench.ok(&format!("{sample} x.csv"));
    let text = fs::read_to_string(bench.path("x.csv")).unwrap();
    let states: Vec<u8> = text
        .split([',', '\n'])
        .filter_map(|x| x.parse().ok())
        .collect();
    assert_eq!(states, file::<u8>(&bench, "x.npy"));
    // Of means the same means, with less noise.
    bench.ok(&format!("{sample} m.npy --values means"));
    let means: Vec<f32> = file(&bench, "m.npy");
    for (i, &p) in exact.layers[0].iter().enumerate() {
        let of_unit = means.iter().skip(i).step_by(N).map(|&x| f64::from(x));
        let (mean, error) = mean_and_standard_error(of_unit);
        assert!((mean - p).abs() <= 5.0 * error, "unit {i}: {mean}, not {p}");
    }
}

#[test]
fn held_pixels_stay_and_the_others_follow_them() {
    let dbm = machine(false);
    let bench = bench(&dbm);
    let bits = bars();
    let upper = |i: usize, j: usize| bits.get(i, j);
    let sample = "sample m.safetensors --data bars.csv --clamp data --mask upper --steps 20 --out";
    for how in ["", "--from-data", "--values states"] {
        bench.ok(&format!("{sample} x.npy --count 8 {how}"));
        let states: Vec<u8> = file(&bench, "x.npy");
        assert!((0..8 * 3).all(|k| (states[k / 3 * N + k % 3] == 1) == upper(k / 3, k % 3)));
    }
    bench.ok(&format!("{sample} m.npy --count 8 --values means"));
    let means: Vec<f32> = file(&bench, "m.npy");
    let held = |k: usize| f32::from(upper(k / 3, k % 3));
    assert!((0..8 * 3).all(|k| means[k / 3 * N + k % 3] == held(k)));
    assert!((0..8 * N).all(|k| k % N < 3 || means[k] > 0.0 && means[k] < 1.0));

    // Given 1, 0, 1 above, the others against the sum over all visible states.
    bench.npy("values.npy", "(9,)", &[1, 0, 1, 0, 0, 0, 0, 0, 0]);
    bench.npy("mask.npy", "(9,)", &[1, 1, 1, 0, 0, 0, 0, 0, 0]);
    bench.ok(&format!(
        "sample m.safetensors --clamp values.npy --mask mask.npy --steps 60 --seed 4 --count {CHAINS} --out g.npy"
    ));
    let p = dbm.visible_distribution(1.0, &mut ()).unwrap();
    let on = |k: usize, j: usize| k >> j & 1 == 1;
    let fits = |k: &usize| [0, 1, 2].map(|j| on(*k, j)) == [true, false, true];
    let all: f64 = (0..1 << N).filter(fits).map(|k| p[k]).sum();
    let given = |j: usize| -> f64 {
        let states = (0..1 << N).filter(fits).filter(|&k| on(k, j));
        states.map(|k| p[k]).sum::<f64>() / all
    };
    let given: Vec<f64> = (0..N).map(given).collect();
    assert_means(&file(&bench, "g.npy"), &given);

    // Sheets: chains by sweeps, with and without held units.
    let size = |name: &str| {
        let bytes = fs::read(bench.path(name)).unwrap();
        let at = |k: usize| u32::from_be_bytes(bytes[k..k + 4].try_into().unwrap());
        (at(16), at(20))
    };
    let time = "sample m.safetensors --data bars.csv --over-time --steps 20";
    bench.ok(&format!("{time} --count 4 --out four.png"));
    bench.ok(&format!("{time} --count 8 --from-data --out eight.png"));
    bench.ok(&format!("{time} --clamp data --mask left --out ten.png"));
    let (four, eight, ten) = (size("four.png"), size("eight.png"), size("ten.png"));
    assert_eq!(four.0, eight.0);
    assert!(four.1 < eight.1 && eight.1 < ten.1);
    assert!(ten.0 > four.0, "the examples stand beside the samples");
    bench.refused(&format!("{time} --out x.npy"), 2, &["--over-time", ".png"]);
}

#[test]
fn features_are_those_of_the_library() {
    let dbm = machine(false);
    let bench = bench(&dbm);
    let bits = bars();
    let (means, done) = dbm.posterior_means(&bits, &MeanField::default()).unwrap();
    let transform = "transform m.safetensors --data bars.csv";
    for (option, layer) in [("", 2), ("--layer 1", 1), ("--layer 2", 2)] {
        let told = bench.json(&format!("{transform} {option} --json --out f.npy"));
        assert_eq!(told["layer"], layer);
        assert_eq!(told["columns"], dbm.layer(layer).size());
        assert_eq!(told["mean_field_iterations"], done.iterations);
        let found: Vec<f32> = file(&bench, "f.npy");
        assert!(found.into_iter().eq(means[layer - 1].elements()));
    }
    let both = dbm.with_posterior(&bits, 2, &MeanField::default()).unwrap();
    let table = bench.ok(&format!("{transform} --with-data --out f.csv"));
    assert!(table.contains("13 units, 9 of them of the data") && table.contains("mean field"));
    let text = fs::read_to_string(bench.path("f.csv")).unwrap();
    let (head, rows) = text.split_once('\n').unwrap();
    assert!(
        head.starts_with("v0,v1,") && head.contains(",v8,h2_0,"),
        "{head}"
    );
    for (i, line) in rows.lines().enumerate() {
        let row: Vec<f32> = line.split(',').map(|x| x.parse().unwrap()).collect();
        assert_eq!(row, both.row(i));
    }
    assert_eq!(rows.lines().count(), bits.rows());
    for (option, words) in [
        ("--layer 3", ["--layer 3", "1 to 2"]),
        ("--pass samples", ["--pass samples", "mean field"]),
        (
            "--pass samples --with-data",
            ["--with-data", "--pass means"],
        ),
    ] {
        bench.refused(&format!("{transform} {option} --out f.npy"), 2, &words);
    }
}

#[test]
fn labels_are_found_and_held() {
    let dbm = machine(true);
    let bench = bench(&dbm);
    let labels = labeled(&bench);
    let log_p = dbm.log_p_y_from_v(&bars(), &MeanField::default()).unwrap();
    let found = most_probable(&log_p);
    let pairs = found.iter().zip(&labels);
    let wrong = pairs.filter(|&(&y, &label)| y != label as usize).count();

    let classify = "classify m.safetensors --data labeled.csv";
    let found = bench.json(&format!("{classify} --json --out p.npy --confusion c.png"));
    assert_eq!([&found["classes"], &found["wrong"]], [3, wrong]);
    let p: Vec<f32> = file(&bench, "p.npy");
    assert!(p.into_iter().eq(log_p.elements().map(f32::exp)));
    assert!(bench.path("c.png").exists());
    let table = bench.ok(classify);
    assert!(table.contains("label 2") && table.contains("DBM 9-6-4 with 3 classes"));
    for option in ["--compare", "--way gibbs", "--sweeps 3"] {
        let flag = option.split(' ').next().unwrap();
        bench.refused(&format!("{classify} {option}"), 2, &[flag, "kind dbm"]);
    }

    let evaluate = "evaluate m.safetensors --data labeled.csv --confusion d.png";
    for exact in ["", "--exact"] {
        let all = bench.json(&format!("{evaluate} {exact} --json"));
        assert_eq!([&all["wrong"], &all["count"]], [wrong, 16]);
        let log_z = dbm.log_z(&mut ()).unwrap();
        let [low, high] = ["log_z_low", "log_z_high"].map(|key| all[key].as_f64().unwrap());
        // By annealing without --exact.
        let found = all["log_z"].as_f64().unwrap();
        assert!((found - log_z).abs() < if exact.is_empty() { 0.02 } else { 1e-9 });
        assert!(low <= log_z && log_z <= high);
        assert_eq!(all["mean_log_likelihood"].is_null(), exact.is_empty());
    }
    assert!(bench.ok(evaluate).contains("ln p(label)"));

    let sample = format!("sample m.safetensors --steps 60 --seed 5 --count {CHAINS}");
    bench.ok(&format!("{sample} --label 2 --out x.npy"));
    let given = dbm.given_class(2).unwrap().expectations(&mut ()).unwrap();
    assert_means(&file(&bench, "x.npy"), &given.layers[0]);
    let every = "sample m.safetensors --steps 5 --every-label --count 7 --out";
    bench.ok(&format!("{every} every.npy"));
    assert_eq!(file::<u8>(&bench, "every.npy").len(), 9 * N);
    bench.ok(&format!("{every} every.png"));
    bench.refused(
        &format!("{sample} --label 3 --out x.npy"),
        2,
        &["--label 3", "one of the 3 classes 0, 1, 2"],
    );
    // Features are those of hidden layers, of which the label is none.
    let line = "transform m.safetensors --data bars.csv --out f.npy";
    assert_eq!(bench.json(&format!("{line} --json"))["layer"], 2);
    bench.refused(&format!("{line} --layer 3"), 2, &["1 to 2"]);
}

#[test]
fn options_of_other_machines_are_refused() {
    let bench = bench(&machine(false));
    for option in [
        "--tempering 3",
        "--trajectory x",
        "--save-chains x",
        "--continue x",
    ] {
        let flag = option.split(' ').next().unwrap();
        let line = format!("sample m.safetensors {option} --out x.png");
        bench.refused(&line, 2, &[flag, "kind dbm"]);
    }
    for (line, code, words) in [
        (
            "sample m.safetensors --label 1 --out x.npy",
            2,
            ["--label", "no labels"],
        ),
        (
            "sample m.safetensors --every-label --out x.npy",
            2,
            ["--every-label", "no labels"],
        ),
        (
            "sample m.safetensors --count 999999999 --out x.npy",
            2,
            ["--count", "at most"],
        ),
        ("sample m.safetensors --out x.txt", 2, [".npy", ".csv"]),
        (
            "sample m.safetensors --clamp none.npy --mask upper --out x.npy",
            1,
            ["none.npy", "open"],
        ),
        (
            "classify m.safetensors --data bars.csv",
            1,
            ["bernoulli", "labels"],
        ),
        (
            "evaluate m.safetensors --data bars.csv --chains 999999999",
            2,
            ["--chains", "at most"],
        ),
        (
            "evaluate m.safetensors --data bars.csv --exact --chains 3",
            2,
            ["--exact", "--chains"],
        ),
    ] {
        bench.refused(line, code, &words);
    }
    // Half a mask that is no half.
    bench.npy("short.npy", "(8,)", &[1; 8]);
    let line = "sample m.safetensors --data bars.csv --clamp data --mask short.npy --out x.npy";
    bench.refused(line, 1, &["mask", "9", "8"]);
}
