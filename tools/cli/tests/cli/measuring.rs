//! `evaluate`, `sample` and `inspect` from outside.

use crate::common::{Bench, with_striped};
use harmonium::{
    Matrix,
    checkpoint::Checkpoint,
    dataset::bars_and_stripes,
    evaluate::{Ais, Base, Betas, ReverseStart},
    model::Rbm,
    simd::Isa,
};
use serde_json::Value;
use std::fs;

const KEYS: [&str; 13] = [
    "count",
    "dead_hidden_units",
    "independent_log_likelihood",
    "log_likelihood_of",
    "log_z",
    "log_z_high",
    "log_z_low",
    "mean_log_likelihood",
    "method",
    "read",
    "saturated_hidden_units",
    "split",
    "standard_error",
];

/// A machine of 9 and 4 units as another program would write it: no notes, no run.
fn foreign_model(bench: &Bench) -> Rbm {
    let weights = Matrix::from_fn(9, 4, |i, j| ((i * 7 + j * 5) % 11) as f32 / 5.0 - 1.0);
    let rbm = Rbm::from_parameters([vec![-0.25; 9], vec![0.5; 4]], [weights]).unwrap();
    Checkpoint::from(rbm.clone())
        .save(bench.path("model.safetensors"))
        .unwrap();
    rbm
}

fn number(value: &Value, key: &str) -> f64 {
    value[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} in {value:#}"))
}

#[test]
fn chains_are_diagnosed() {
    let bench = Bench::new();
    foreign_model(&bench);
    let line = "evaluate model.safetensors --data bars.csv --exact --diagnose 3000 --burn-in 10";
    let found = bench.json(&format!("{line} --json"));
    assert_eq!(found["diagnosed_chains"], 100);
    assert_eq!(
        (&found["diagnosed_sweeps"], &found["diagnosed_burn_in"]),
        (&3000.into(), &10.into())
    );
    assert_eq!(found["autocorrelation_long_enough"], true);
    let time = number(&found, "autocorrelation_time");
    assert!((0.9..60.0).contains(&time), "{time}");
    let rate = number(&found, "mode_jumps") / (100.0 * 2999.0);
    assert!((number(&found, "mode_jump_rate") - rate).abs() < 1e-12 && rate > 0.0);
    assert!(
        found["modes"]
            .as_str()
            .unwrap()
            .contains("examples far from one another")
    );
    let table = bench.ok(line);
    assert!(
        table.contains("autocorrelation time") && table.contains("mode jumps"),
        "{table}"
    );
}

#[test]
fn a_test_part_beside_a_training_part_has_a_free_energy_gap() {
    let bench = Bench::new();
    let found = bench.json("train --hidden 3 --epochs 0 --json --out mnist");
    assert!(found.get("free_energy_gap").is_none());
    let line = "evaluate mnist/model.safetensors --exact --json";
    // Hardly trained: a fraction of a nat.
    let gap = number(&bench.json(line), "free_energy_gap");
    assert!(gap != 0.0 && gap.abs() < 3.0, "{gap}");
    let train = bench.json(&format!("{line} --split train"));
    assert!(train.get("free_energy_gap").is_none());
}

#[test]
fn exact_figures_are_those_of_the_library() {
    let bench = Bench::new();
    let rbm = foreign_model(&bench);
    let measured = bench.json("evaluate model.safetensors --data bars.csv --exact --json");
    let examples = bars_and_stripes(3);
    let exact = rbm
        .exact_mean_log_likelihood(examples.bits().unwrap(), &mut ())
        .unwrap();
    let (mean, error, log_z) = (exact.mean, exact.standard_error, exact.log_z);
    let keys: Vec<&String> = measured.as_object().unwrap().keys().collect();
    assert_eq!(keys, sorted(&[&KEYS[..], &["warnings"]].concat()));
    let warnings = measured["warnings"].to_string();
    assert!(
        warnings.contains("no better than independent units"),
        "{warnings}"
    );
    assert_eq!(number(&measured, "mean_log_likelihood"), mean);
    assert_eq!(number(&measured, "standard_error"), error);
    for key in ["log_z", "log_z_low", "log_z_high"] {
        assert_eq!(number(&measured, key), log_z);
    }
    assert_eq!(
        (&measured["method"], &measured["count"]),
        (&"exact".into(), &16.into())
    );
    // Nothing says that the machine was trained on them.
    assert_eq!(measured["split"], "given");
    let text = bench.ok("evaluate model.safetensors --data bars.csv --exact");
    assert!(text.contains("given log-likelihood"), "{text}");
    // Of a machine that was there is no test part, and that is said.
    bench.ok("train --data bars.csv --hidden 3 --epochs 1");
    let ran = bench.run("evaluate --exact");
    assert!(ran.stderr.contains("no test part"), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("train log-likelihood"),
        "{}",
        ran.stdout
    );
}

/// Of a label among the visible units, a likelihood is joint; of one anywhere else it is summed
/// over.
#[test]
fn a_likelihood_says_what_it_is_of() {
    let bench = with_striped(Bench::new());
    let dbn = "--layers 4,3 --greedy-epochs 1 --up-down-epochs 1";
    let dbm = "--layers 4,3 --pretraining-epochs 1 --epochs 1";
    for (k, (words, of)) in [
        ("--hidden 3 --epochs 1", "ln p(v)"),
        ("--hidden 3 --epochs 1 --labels", "ln p(v, y)"),
        (&format!("dbn {dbn}"), "ln p(v)"),
        (&format!("dbn {dbn} --labels"), "ln p(v)"),
        (&format!("dbm {dbm}"), "ln p(v)"),
        (&format!("dbm {dbm} --labels"), "ln p(v)"),
        ("boltzmann --hidden 2 --epochs 1", "ln p(v)"),
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("run{k}");
        let told = bench.json(&format!(
            "train {words} --data striped.csv --json --out {out}"
        ));
        assert_eq!(told["log_likelihood_of"], of, "{words}");
        let line = format!("evaluate {out}/model.safetensors --exact");
        let told = bench.json(&format!("{line} --json"));
        assert_eq!(told["log_likelihood_of"], of, "{line}");
        let text = bench.ok(&line);
        assert!(text.contains(&format!("of {of},")), "{line}:\n{text}");
    }
}

#[test]
fn annealed_figures_surround_the_exact_ones() {
    let bench = Bench::new();
    let log_z = foreign_model(&bench).log_z(&mut ()).unwrap();
    let line =
        "evaluate model.safetensors --data bars.csv --split train --chains 200 --betas 500 --json";
    let measured = bench.json(line);
    assert_eq!(measured["method"], "ais");
    let keys: Vec<&String> = measured.as_object().unwrap().keys().collect();
    let own = [
        "betas",
        "chains",
        "effective_sample_size",
        "seed",
        "warnings",
    ];
    assert_eq!(keys, sorted(&[&KEYS[..], &own].concat()));
    // It was made up, not trained.
    let warnings = measured["warnings"].as_array().unwrap();
    assert!(warnings.len() == 1 && warnings[0].to_string().contains("independent"));
    let (low, high) = (
        number(&measured, "log_z_low"),
        number(&measured, "log_z_high"),
    );
    assert!(low <= log_z && log_z <= high, "{low} .. {high}, {log_z}");
    assert!(low < number(&measured, "log_z") && number(&measured, "log_z") < high);
    assert_eq!(measured, bench.json(&format!("{line} --threads 1")));
    assert_ne!(measured, bench.json(&format!("{line} --seed 1")));
}

fn sorted<'a>(keys: &[&'a str]) -> Vec<&'a str> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys
}

#[test]
fn both_directions_and_raise_are_those_of_the_library() {
    let bench = Bench::new();
    let rbm = foreign_model(&bench);
    let exact = rbm.log_z(&mut ()).unwrap();
    let line = "evaluate model.safetensors --data bars.csv --split train --chains 150 --betas 400 --seed 4 \
        --reverse --raise --raise-examples 7 --raise-chains 3 --save-weights weights.npy";
    let measured = bench.json(&format!("{line} --json"));
    let keys: Vec<&String> = measured.as_object().unwrap().keys().collect();
    let own = "betas chains effective_sample_size seed warnings burn_in reverse_start reverse_effective_sample_size \
        log_z_forward log_z_forward_error log_z_reverse log_z_reverse_error log_z_bar log_z_bar_error log_z_overlap \
        raise_mean_log_likelihood raise_standard_error raise_gap raise_gap_error raise_count raise_chains";
    let own: Vec<&str> = own.split_whitespace().collect();
    assert_eq!(keys, sorted(&[&KEYS[..], &own].concat()));

    let data = bars_and_stripes(3);
    let ais = Ais {
        chains: 150,
        betas: Betas::Linear(400),
        base: Base::rate_of(&rbm, &data).unwrap(),
        seed: 4,
    };
    let bracket = ais.bracket(&rbm, &ReverseStart::Exact, &mut ()).unwrap();
    for (key, value) in [
        ("log_z", bracket.bennett.estimate),
        ("log_z_forward", bracket.forward.estimate),
        ("log_z_low", bracket.forward.low),
        ("log_z_reverse", bracket.reverse.estimate),
        ("log_z_high", bracket.reverse.high),
        ("log_z_bar", bracket.bennett.estimate),
        ("log_z_bar_error", bracket.bennett.standard_error),
    ] {
        assert_eq!(number(&measured, key), value, "{key}");
    }
    assert!(bracket.low() < exact && exact < bracket.high());
    assert_eq!(measured["reverse_start"], "exact");
    let some = data.head(7);
    let raised = Ais { chains: 3, ..ais }
        .raise(&rbm, some.bits().unwrap(), &mut ())
        .unwrap();
    assert_eq!(
        number(&measured, "raise_mean_log_likelihood"),
        raised.mean().0
    );
    // The gap is to the likelihood of the same report, which has Bennett's ln Z.
    let free = rbm.free_energy(some.bits().unwrap(), 1.0).unwrap();
    let likelihood = -free.iter().sum::<f64>() / 7.0 - bracket.bennett.estimate;
    let gap = likelihood - raised.mean().0;
    assert!((number(&measured, "raise_gap") - gap).abs() < 1e-12);
    assert!((bracket.bennett.estimate - bracket.forward.estimate).abs() > 1e-6);
    let npy = fs::read(bench.path("weights.npy")).unwrap();
    let npy = npyz::NpyFile::new(&npy[..]).unwrap();
    assert_eq!(npy.shape(), [2, 150]);
    let weights: Vec<f64> = npy.into_vec().unwrap();
    let expected = [bracket.forward.log_weights, bracket.reverse.log_weights].concat();
    assert_eq!(weights, expected);

    let text = bench.ok(line);
    for words in [
        "ln Z, reverse",
        "exact draws",
        "Bennett",
        "bracket",
        "RAISE",
        "dead",
        "saturated",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    let warnings: Vec<&str> = text.lines().filter(|x| x.contains("warning")).collect();
    assert!(
        warnings.len() == 1 && warnings[0].contains("independent"),
        "{text}"
    );
}

#[test]
fn schedules_and_warnings_of_evaluate() {
    let bench = Bench::new();
    let log_z = foreign_model(&bench).log_z(&mut ()).unwrap();
    let line = "evaluate model.safetensors --data bars.csv --split train --json";
    for (schedule, betas) in [
        ("salakhutdinov-murray", 14_502),
        ("adaptive --betas 300", 300),
    ] {
        let measured = bench.json(&format!("{line} --schedule {schedule} --reverse"));
        assert_eq!(measured["betas"], betas);
        assert!((number(&measured, "log_z_bar") - log_z).abs() < 0.1);
    }
    // Weights that one step cannot bridge.
    let weights = Matrix::from_fn(9, 4, |i, j| ((i * 7 + j * 5) % 11) as f32 - 5.0);
    let rbm = Rbm::from_parameters([vec![0.0; 9], vec![0.0; 4]], [weights]).unwrap();
    Checkpoint::from(rbm)
        .save(bench.path("strong.safetensors"))
        .unwrap();
    let strong = line.replace("model", "strong");
    let measured = bench.json(&format!("{strong} --betas 1 --reverse"));
    let warnings = measured["warnings"].as_array().unwrap();
    assert!(!warnings.is_empty(), "{measured:#}");
    let text = bench.ok(&strong.replace(" --json", " --betas 1"));
    assert!(
        text.contains("warning") && text.contains("more betas"),
        "{text}"
    );

    bench.refused(
        &format!("{line} --schedule salakhutdinov-murray --betas 7"),
        2,
        &["--betas 7", "14503"],
    );
    bench.refused(
        &format!("{line} --save-weights w.txt"),
        2,
        &["--save-weights w.txt", ".npy"],
    );
    bench.refused(
        &format!("{line} --exact --reverse"),
        2,
        &["--exact", "--reverse"],
    );
    bench.refused(&format!("{line} --burn-in 5"), 2, &["--reverse"]);
}

#[test]
fn gray_data_need_to_become_bits() {
    let bench = Bench::new();
    foreign_model(&bench);
    let rows = (0..20).map(|i| (0..9).map(|j| ((i + j) % 5) as f32 / 4.0).collect());
    bench.csv("gray.csv", rows);
    let line = "evaluate model.safetensors --data gray.csv --exact --json";
    bench.refused(
        &format!("{line} --binarize none"),
        2,
        &["--binarize none", "--binarize sample"],
    );
    let sampled = bench.json(line);
    let thresholded = bench.json(&format!("{line} --binarize threshold:0.3"));
    assert_ne!(
        sampled["mean_log_likelihood"],
        thresholded["mean_log_likelihood"]
    );
    // A model of gray data is measured on bits drawn from them, by both commands alike.
    let trained = bench.json("train --data gray.csv --binarize none --hidden 4 --epochs 2 --json");
    let measured = bench.json("evaluate run/model.safetensors --exact --json");
    assert_eq!(
        measured["mean_log_likelihood"],
        trained["mean_log_likelihood"]
    );
}

#[test]
fn samples_are_those_of_the_library() {
    let bench = Bench::new();
    let rbm = foreign_model(&bench);
    bench.ok("sample model.safetensors --count 50 --steps 7 --beta 0.5 --seed 3 --out states.npy");
    let bytes = fs::read(bench.path("states.npy")).unwrap();
    let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
    assert_eq!(npy.shape(), [50, 9]);
    let states: Vec<u8> = npy.into_vec().unwrap();
    let mut chains = rbm.chains(50, 3).unwrap();
    chains.sweep(&rbm, 7, 0.5).unwrap();
    for (k, &state) in states.iter().enumerate() {
        let bits = chains.visible().bits().unwrap();
        assert_eq!(state, u8::from(bits.get(k / 9, k % 9)), "{k}");
    }
    // The states are data that the program reads.
    bench.ok("evaluate model.safetensors --data states.npy --exact");

    for (steps, name) in [(0, "coins.png"), (5, "samples.png")] {
        bench.ok(&format!(
            "sample model.safetensors --count 30 --steps {steps} --out {name}"
        ));
        let picture = image::open(bench.path(name)).unwrap();
        assert!(picture.width() > 200 && picture.height() > 200);
    }
}

#[test]
fn inspect_tells_shapes_parameters_and_provenance() {
    let bench = Bench::new();
    foreign_model(&bench);
    let text = bench.ok("inspect model.safetensors");
    for words in [
        "RBM 9-4",
        "bernoulli",
        "9 x 4",
        "-1.0000 .. 1.0000",
        "none in the file",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    let json = bench.json("inspect model.safetensors --json");
    assert_eq!(json["shape"], serde_json::json!([9, 4]));
    assert_eq!(json["units"], serde_json::json!(["bernoulli", "bernoulli"]));
    assert_eq!(json["training"], Value::Null);
    assert_eq!(number(&json["parameters"]["bias.0"], "norm"), 0.75);

    bench.ok("train --data bars.csv --hidden 4 --epochs 2 --chains 12 --momentum 0.5");
    let text = bench.ok("inspect run/model.safetensors");
    for words in [
        "epoch 2.00 of 2",
        "PCD-1, 12 chains",
        "0.5",
        "bars.csv",
        "note fingerprint",
        "harmonium train --data bars.csv --hidden 4",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    let json = bench.json("inspect run/model.safetensors --json");
    assert_eq!(json["training"]["updates"], 2);
    assert_eq!(json["training"]["chains"], 12);
    assert_eq!(json["notes"]["binarize"], "sample");
}

/// Products by look-up are the same integers on AVX2 and AVX-512, and so are the draws: the same
/// states, bit for bit.
#[test]
fn instruction_sets_with_fused_multiply_add_draw_the_same_states() {
    let bench = Bench::new();
    let weights = Matrix::from_fn(300, 170, |i, j| {
        ((i * 7 + j * 5) % 23) as f32 / 40.0 - 0.275
    });
    let rbm = Rbm::from_parameters([vec![-0.25; 300], vec![0.5; 170]], [weights]).unwrap();
    Checkpoint::from(rbm)
        .save(bench.path("model.safetensors"))
        .unwrap();
    let mut states = Vec::new();
    for isa in [Isa::Avx2, Isa::Avx512] {
        if isa.is_available() {
            let out = format!("{isa}.npy");
            let line = format!("sample model.safetensors --count 64 --steps 20 --out {out}");
            let done = bench
                .command(&line)
                .env("HARMONIUM_ISA", isa.name())
                .env("HARMONIUM_PRODUCT", "lookup")
                .output()
                .unwrap();
            assert!(done.status.success(), "{done:?}");
            states.push(fs::read(bench.path(&out)).unwrap());
        }
    }
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]));
}
