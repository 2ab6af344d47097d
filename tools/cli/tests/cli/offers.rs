//! What a command offers for a machine of any kind, where the library has it.

use crate::common::{Bench, with_striped};
use harmonium::{
    BoltzmannMachine, Dbm, Matrix, Model, Rbm,
    checkpoint::Checkpoint,
    dataset::bars_and_stripes,
    evaluate::{Ais, Annealed, Base, Betas, ReverseStart},
    model::{Layer, MeanField},
    units::{Kind, Units},
};
use std::fs;

fn file<T: npyz::Deserialize>(bench: &Bench, name: &str) -> Vec<T> {
    let bytes = fs::read(bench.path(name)).unwrap();
    npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap()
}

/// Couplings that look like none.
fn general(bench: &Bench, n_hidden: usize) -> BoltzmannMachine {
    let units = 9 + n_hidden;
    let pairs = (0..units).flat_map(|i| (i + 1..units).map(move |j| (i, j)));
    let coupling = |(i, j): (usize, usize)| {
        (
            i,
            j,
            0.4 * (((i * 31 + j * 17 + i * j * 7) % 23) as f32 / 11.0 - 0.97),
        )
    };
    let pairs: Vec<(usize, usize, f32)> = pairs.map(coupling).collect();
    let machine = BoltzmannMachine::from_edges(9, n_hidden, &pairs).unwrap();
    let path = bench.path("m.safetensors");
    Checkpoint::from(machine.clone()).save(path).unwrap();
    machine
}

#[test]
fn general_machines_have_features_means_and_sheets_over_time() {
    let bench = Bench::new();
    let machine = general(&bench, 4);
    let data = bars_and_stripes(3);
    let (means, done) = machine
        .posterior_means(data.input(), &MeanField::default())
        .unwrap();
    let transform = "transform m.safetensors --data bars.csv --out f.npy";
    let told = bench.json(&format!("{transform} --json"));
    assert_eq!([&told["columns"], &told["layer"]], [4, 1]);
    assert_eq!(told["mean_field_iterations"], done.iterations);
    assert!(
        file::<f32>(&bench, "f.npy")
            .into_iter()
            .eq(means[0].elements())
    );
    for option in ["--layer 2", "--pass samples"] {
        let line = format!("{transform} {option}");
        bench.refused(&line, 2, &[option.split(' ').next().unwrap()]);
    }
    let sample = "sample m.safetensors --count 5 --steps 6 --seed 2";
    bench.ok(&format!("{sample} --values means --out x.npy"));
    let means: Vec<f32> = file(&bench, "x.npy");
    assert!(means.len() == 45 && means.iter().all(|&p| p > 0.0 && p < 1.0));
    bench.ok(&format!("{sample} --over-time --out x.png"));
    bench.refused(
        &format!("{sample} --over-time --out x.npy"),
        2,
        &["--over-time"],
    );
    let line = "sample m.safetensors --label 1 --out x.npy";
    bench.refused(line, 2, &["--label", "boltzmann"]);
    // Without hidden units there are no features, and means are states.
    general(&bench, 0);
    bench.refused(transform, 2, &["no hidden layer"]);
    for (values, out) in [("means", "a.csv"), ("states", "b.csv")] {
        bench.ok(&format!("{sample} --values {values} --out {out}"));
    }
    let read = |name: &str| fs::read(bench.path(name)).unwrap();
    assert_eq!(read("a.csv"), read("b.csv"));
}

#[test]
fn chains_of_a_belief_network_are_stored_and_start_from_data() {
    let bench = with_striped(Bench::new());
    bench.ok("train dbn --data bars.csv --layers 6,5,4 --greedy-epochs 2 --up-down-epochs 1");
    let sample = "sample run/model.safetensors --seed 3 --out";
    bench.ok(&format!("{sample} all.npy --steps 7 --count 11"));
    bench.ok(&format!(
        "{sample} part.npy --steps 3 --count 11 --save-chains chains"
    ));
    let rest = "sample run/model.safetensors --out rest.npy --steps 4 --continue chains";
    bench.ok(rest);
    // The chains are the same; the pass down has the seed of the command.
    let means = |name: &str, line: &str| {
        bench.ok(&format!("{line} --values means --out {name}"));
        file::<f32>(&bench, name)
    };
    let all = means(
        "a.npy",
        "sample run/model.safetensors --steps 7 --count 11 --seed 0",
    );
    let go = "sample run/model.safetensors --steps 3 --count 11 --seed 0 --save-chains chains";
    bench.ok(&format!("{go} --out part.npy"));
    let rest = means(
        "b.npy",
        "sample run/model.safetensors --steps 4 --continue chains",
    );
    assert_eq!(all, rest);
    bench.ok(&format!("{sample} x.png --steps 5 --count 4 --over-time"));
    bench.ok(&format!("{sample} x.npy --steps 0 --count 20 --from-data"));
    assert_eq!(file::<u8>(&bench, "x.npy").len(), 20 * 9);
    let told = bench.json(&format!("{sample} x.npy --steps 2 --count 3 --json"));
    assert_eq!([&told["count"], &told["steps"], &told["units"]], [3, 2, 24]);
    bench.ok("train dbn --data striped.csv --labels --layers 6,5 --greedy-epochs 1 --up-down-epochs 1 --out labeled");
    let line = "sample labeled/model.safetensors --from-data --out x.npy";
    bench.refused(line, 2, &["--from-data", "labels"]);
}

#[test]
fn machines_with_labels_are_annealed() {
    let bench = with_striped(Bench::new());
    let number = |k: usize, seed: usize| ((k * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0;
    let units = Units::parse("bernoulli:16+softmax:2", 18).unwrap();
    let visible = Layer {
        bias: (0..18).map(|i| 0.5 * number(i, 1)).collect(),
        ..Layer::new(units)
    };
    let hidden = Layer::of(Kind::Bernoulli, 5);
    let weights = Matrix::from_fn(18, 5, |i, j| 0.6 * number(i * 5 + j, 2));
    let rbm = Rbm::from_parameters([visible, hidden], [weights]).unwrap();
    let mut checkpoint = Checkpoint::from(rbm);
    checkpoint.notes.insert(
        "data".into(),
        bench.path("striped.csv").display().to_string(),
    );
    checkpoint.notes.insert("classes".into(), "2".into());
    checkpoint.save(bench.path("m.safetensors")).unwrap();
    let line = "evaluate m.safetensors --chains 300 --betas 400 --reverse --save-weights w.npy";
    let exact = bench.json("evaluate m.safetensors --exact --json");
    let found = bench.json(&format!("{line} --json"));
    let [z, low, high] = [&exact["log_z"], &found["log_z_low"], &found["log_z_high"]];
    let [z, low, high] = [z, low, high].map(|x| x.as_f64().unwrap());
    assert!(
        low < z && z < high && high - low < 0.5,
        "{low} .. {high} for {z}"
    );
    assert_eq!(found["log_likelihood_of"], "ln p(v, y)");
    for key in ["confusion", "mean_log_probability", "dead_hidden_units"] {
        assert_eq!(found[key], exact[key], "{key}");
    }
    assert_eq!(file::<f64>(&bench, "w.npy").len(), 600);
}

/// Layers 9-5-3 of couplings that look like none.
fn dbm(bench: &Bench) -> Dbm {
    let number = |k: usize| ((k * 7919) % 2003) as f32 / 1001.5 - 1.0;
    let sizes = [9, 5, 3];
    let layers = sizes.map(|n| Layer {
        bias: (0..n).map(|i| 0.4 * number(i + n)).collect(),
        ..Layer::of(Kind::Bernoulli, n)
    });
    let weights =
        [[9, 5], [5, 3]].map(|[n, m]| Matrix::from_fn(n, m, |i, j| number(i * m + j + n)));
    let machine = Dbm::from_parameters(layers, weights).unwrap();
    let path = bench.path("m.safetensors");
    Checkpoint::from(machine.clone()).save(path).unwrap();
    machine
}

fn number(told: &serde_json::Value, key: &str) -> f64 {
    let value = told[key].as_f64();
    value.unwrap_or_else(|| panic!("{key} in {told:#}"))
}

/// Both directions and RAISE; a DBM always goes back.
#[test]
fn machines_of_any_kind_are_annealed_both_ways() {
    let bench = Bench::new();
    let examples = bars_and_stripes(3);
    let line = "evaluate m.safetensors --data bars.csv --json";
    let exact_z = || number(&bench.json(&format!("{line} --exact")), "log_z");
    let compare = |machine: &dyn Annealed, exact: f64, options: &str, start: ReverseStart| {
        let told = bench.json(&format!(
            "{line} --chains 50 --betas 300 --seed 4 --burn-in 20 \
            --raise --raise-examples 6 --raise-chains 3 {options}"
        ));
        let [low, high] = ["log_z_low", "log_z_high"].map(|key| number(&told, key));
        assert!(low < exact && exact < high, "{low} .. {high} for {exact}");
        let ais = Ais {
            chains: 50,
            betas: Betas::Linear(300),
            base: Base::rate_of(machine, &examples).unwrap(),
            seed: 4,
        };
        let bracket = ais.bracket(machine, &start, &mut ()).unwrap();
        assert_eq!(number(&told, "log_z"), bracket.bennett.estimate);
        let ais = Ais { chains: 3, ..ais };
        let raised = ais.raise(machine, &examples.head(6), &mut ()).unwrap();
        let mean = raised.mean().0;
        assert_eq!(number(&told, "raise_mean_log_likelihood"), mean);
        // The gap is that of a likelihood, not of a bound.
        let likelihood = told.get("mean_log_likelihood");
        assert_eq!(told.get("raise_gap").is_some(), likelihood.is_some());
        told
    };
    let machine = dbm(&bench);
    let told = compare(&machine, exact_z(), "", ReverseStart::Exact);
    assert_eq!(told["reverse_start"], "exact");
    // Too many units for exact draws.
    let machine = general(&bench, 12);
    let exact = exact_z();
    let start = ReverseStart::suited_to(&machine, &examples, 50, 20, 4).unwrap();
    let told = compare(&machine, exact, "--reverse", start);
    assert_eq!(told["reverse_start"], "gibbs");
    let start = ReverseStart::Annealed { burn_in: 20 };
    let options = "--reverse --reverse-from annealing";
    let told = compare(&machine, exact, options, start);
    assert_eq!(told["reverse_start"], "annealed");
    // Without data chains back start there too.
    let line = "evaluate m.safetensors --chains 50 --betas 300 --json --reverse";
    let told = bench.json(line);
    assert_eq!(told["reverse_start"], "annealed");
    assert!(number(&told, "log_z_low") < exact && exact < number(&told, "log_z_high"));
    bench.refused(&format!("{line} --raise"), 2, &["--raise", "--data"]);
}

/// Chains that forget at once: without couplings a sweep is a draw.
#[test]
fn chains_of_any_kind_are_diagnosed() {
    let bench = Bench::new();
    let general = BoltzmannMachine::from_edges(9, 2, &[]).unwrap();
    let bias = [9, 4, 2].map(|n| vec![0.3; n]);
    let dbm = Dbm::from_parameters(bias, [Matrix::zeros(9, 4), Matrix::zeros(4, 2)]).unwrap();
    for model in [Model::from(general), dbm.into()] {
        let path = bench.path("m.safetensors");
        Checkpoint::from(model).save(path).unwrap();
        let line = "evaluate m.safetensors --data bars.csv --exact --diagnose 400 --burn-in 1";
        let told = bench.json(&format!("{line} --json"));
        assert_eq!(told["diagnosed_sweeps"], 400);
        assert!(number(&told, "mode_jump_rate") > 0.5, "{told:#}");
        assert_eq!(told["stuck_chains"], 0);
        if !told["autocorrelation_time"].is_null() {
            let error = number(&told, "autocorrelation_time_error");
            let time = number(&told, "autocorrelation_time");
            assert!((time - 1.0).abs() < 4.0 * error, "{told:#}");
        }
        assert!(bench.ok(line).contains("of the energy, 100 chains"));
    }
}

#[test]
fn machines_of_any_kind_have_weighted_samples() {
    let bench = Bench::new();
    let compare = |machine: &dyn Annealed| {
        bench.ok("sample m.safetensors --weighted --betas 20 --count 30 --seed 5 --out x.npy");
        let ais = Ais {
            chains: 30,
            betas: Betas::Linear(20),
            base: Base::Uniform,
            seed: 5,
        };
        let expected = ais.weighted_samples(machine, &mut ()).unwrap();
        assert_eq!(file::<f64>(&bench, "x.weights.npy"), expected.log_weights);
        let states = file::<u8>(&bench, "x.npy").into_iter().map(f32::from);
        assert!(states.eq(expected.visible().to_matrix().elements()));
    };
    compare(&general(&bench, 3));
    compare(&dbm(&bench));
}

#[test]
fn networks_are_inspected_and_have_no_states() {
    let bench = with_striped(Bench::new());
    bench.ok("train dbn --data striped.csv --labels --layers 6,5 --greedy-epochs 1 --up-down-epochs 1 --fine-tune backprop --fine-tune-epochs 2");
    let model = "run/network.safetensors";
    let shown = bench.json(&format!("inspect {model} --json"));
    assert_eq!(shown["kind"], "network");
    assert_eq!(
        shown["parameters"]["weights.0"]["shape"],
        serde_json::json!([16, 6])
    );
    assert!(shown["parameters"]["bias.1"]["norm"].is_f64());
    assert!(
        bench
            .ok(&format!("inspect {model}"))
            .contains("backpropagation")
    );
    bench.refused(&format!("sample {model} --out x.npy"), 2, &["network"]);
}
