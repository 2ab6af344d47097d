//! Model files whose metadata somebody edited: each number of a run replaced by others. They load
//! or are refused; nothing panics, hangs or takes all memory.

mod runs;

use harmonium::{Error, checkpoint::Checkpoint, dataset::Examples, model::Model, recipe::AnyRun};
use runs::{data, runs};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::{collections::HashMap, fs, ops::ControlFlow, path::Path};

const FILE: &str = "edited.safetensors";

/// Resumes whatever the file holds a run of, and does an update if it is asked for.
fn go_on(file: Checkpoint, data: &Examples, update: bool) -> Result<(), Error> {
    let mut run = AnyRun::resumed(file, data, false)?;
    run.running().position();
    if let AnyRun::Rbm(run) = &run {
        run.connection_updates_per_epoch();
    }
    if update {
        let _ended = run.run(data, &mut |_| ControlFlow::Break(()))?;
    }
    Ok(())
}

/// The paths of all leaves.
fn leaves(value: &Value, path: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(inner) => {
            for (name, value) in inner {
                leaves(value, &format!("{path}/{name}"), all);
            }
        }
        Value::Array(inner) => {
            for (k, value) in inner.iter().enumerate() {
                leaves(value, &format!("{path}/{k}"), all);
            }
        }
        _ => all.push(path.to_owned()),
    }
}

/// The file at `from` with one entry of its metadata replaced, at `to`.
fn edit(from: &[u8], key: &str, text: String, to: &Path) {
    let tensors = SafeTensors::deserialize(from).unwrap();
    let (_, header) = SafeTensors::read_metadata(from).unwrap();
    let mut metadata: HashMap<String, String> = header.metadata().clone().unwrap();
    metadata.insert(key.into(), text);
    let bytes = safetensors::serialize(tensors.tensors(), Some(metadata)).unwrap();
    fs::write(to, bytes).unwrap();
}

#[test]
fn whatever_a_number_of_a_run_is_nothing_panics() {
    let directory = tempfile::tempdir().unwrap();
    let (whole, path) = (directory.path().join("whole"), directory.path().join(FILE));
    let data = data();
    let values = [
        json!(0),
        json!(1),
        json!(1_000_000_000),
        json!(1_000_000_001),
        json!(1_u64 << 32),
        json!(1_u64 << 40),
        json!(1_u64 << 50),
        json!(1_u64 << 63),
        json!(u64::MAX),
        json!(-1),
        json!(0.5),
        json!(1e39),
        json!(-1e39),
        json!(null),
        json!("x"),
        json!([]),
    ];
    // Numbers of these may be large and right, and an update then takes long.
    let slow = ["steps", "sweeps", "iterations", "line_searches"];
    let (mut loaded, mut refused) = (0, 0);
    for (name, checkpoint) in runs() {
        checkpoint.save(&whole).unwrap();
        let bytes = fs::read(&whole).unwrap();
        go_on(Checkpoint::load(&whole).unwrap(), &data, true).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        for key in ["training", "stage"] {
            let Some(text) = metadata.get(key) else {
                continue;
            };
            let state: Value = serde_json::from_str(text).unwrap();
            let mut all = Vec::new();
            leaves(&state, "", &mut all);
            assert!(all.len() > 3, "{name}: {all:?}");
            for (leaf, value) in all.iter().flat_map(|x| values.iter().map(move |v| (x, v))) {
                let mut edited = state.clone();
                *edited.pointer_mut(leaf).unwrap() = value.clone();
                edit(&bytes, key, edited.to_string(), &path);
                println!("{name}: {key}{leaf} = {value}");
                match Checkpoint::load(&path) {
                    Err(e) => {
                        refused += 1;
                        assert!(e.to_string().contains(FILE), "{e}");
                    }
                    Ok(file) => {
                        loaded += 1;
                        // A flush to the disk each is slow.
                        if value == &json!(u64::MAX) {
                            file.save(&path).unwrap();
                        }
                        let is_slow = slow.iter().any(|x| leaf.ends_with(&format!("/{x}")));
                        let _ = go_on(file, &data, !is_slow);
                    }
                }
            }
        }
    }
    assert!(loaded > 500 && refused > 2500, "{loaded}, {refused}");
}

/// One entry of a run's metadata, another value, and what is said of it.
type Edit = (
    &'static str,
    &'static str,
    &'static str,
    Value,
    &'static str,
);

/// Each edit is refused with the file, the metadata and the entry.
fn assert_named(edits: impl IntoIterator<Item = Edit>) {
    let directory = tempfile::tempdir().unwrap();
    let (whole, path) = (directory.path().join("whole"), directory.path().join(FILE));
    let runs: HashMap<_, _> = runs().into_iter().collect();
    for (name, key, leaf, value, words) in edits {
        runs[name].save(&whole).unwrap();
        let bytes = fs::read(&whole).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let text = &header.metadata().clone().unwrap()[key];
        let mut state: Value = serde_json::from_str(text).unwrap();
        let place = state.pointer_mut(leaf);
        *place.unwrap_or_else(|| panic!("{name} has no {leaf} in {text}")) = value;
        edit(&bytes, key, state.to_string(), &path);
        let error = Checkpoint::load(&path).unwrap_err().to_string();
        for word in [FILE, &format!("metadata {key}"), words] {
            assert!(error.contains(word), "{name}, {leaf}: no {word} in {error}");
        }
    }
}

#[test]
fn refusals_of_rbms_name_the_file_and_the_entry() {
    assert_named([
        (
            "mcmc",
            "training",
            "/updates",
            json!(1_u64 << 50),
            "updates",
        ),
        (
            "mcmc",
            "training",
            "/options/negative/mcmc/chains",
            json!(1_000_000_000),
            "chains",
        ),
        (
            "mcmc",
            "training",
            "/options/negative/mcmc/chains",
            json!(u64::MAX),
            "chains",
        ),
        (
            "mcmc",
            "training",
            "/options/weight_decay",
            json!(1e39),
            "options.weight_decay",
        ),
        ("mcmc", "training", "/examples", json!(0), "examples"),
        (
            "tempered",
            "training",
            "/options/negative/tempered/temperatures",
            json!(4),
            "chains",
        ),
        (
            "all options",
            "training",
            "/options/momentum/pieces/1/1",
            json!(1e39),
            "options.momentum.pieces[1][1]",
        ),
    ]);
}

#[test]
fn refusals_of_other_machines_name_the_file_and_the_entry() {
    assert_named([
        (
            "greedy",
            "stage",
            "/greedy/classes",
            json!(1_u64 << 63),
            "greedy.classes",
        ),
        (
            "greedy",
            "stage",
            "/greedy/layers/1/hidden",
            json!(999_999_999),
            "hidden",
        ),
        (
            "pretraining",
            "stage",
            "/pretraining/plan/classes",
            json!(1_u64 << 63),
            "plan.classes",
        ),
        (
            "up-down",
            "stage",
            "/up_down/updates",
            json!(1_u64 << 50),
            "updates",
        ),
        ("dbm", "training", "/options/chains", json!(4), "chains"),
        (
            "boltzmann",
            "training",
            "/options/negative/persistent/chains",
            json!(4),
            "chains",
        ),
        (
            "boltzmann mcmc",
            "training",
            "/options/negative/mcmc/chains",
            json!(1_000_000_000),
            "chains",
        ),
        (
            "network",
            "training",
            "/options/batch_size",
            json!(0),
            "batch size",
        ),
    ]);
}

#[test]
fn two_runs_in_a_file_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let runs: HashMap<_, _> = runs().into_iter().collect();
    runs["up-down"].save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    edit(&bytes, "training", "{}".into(), &path);
    let error = Checkpoint::load(&path).unwrap_err().to_string();
    for word in [FILE, "metadata training", "up-down"] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn whatever_kind_and_units_a_file_claims_nothing_panics() {
    let directory = tempfile::tempdir().unwrap();
    let (whole, path) = (directory.path().join("whole"), directory.path().join(FILE));
    let data = data();
    let most = usize::MAX;
    let units = [
        format!("bernoulli:{most}"),
        format!("bernoulli:{most}+spin:{most}"),
        "softmax:9223372036854775808+softmax:9223372036854775808".into(),
        "bernoulli:3+softmax:1".into(),
        "softmax".into(),
        "gaussian".into(),
        String::new(),
    ];
    for (name, checkpoint) in runs() {
        checkpoint.save(&whole).unwrap();
        let bytes = fs::read(&whole).unwrap();
        for kind in Model::KINDS {
            edit(&bytes, "kind", kind.into(), &path);
            println!("{name} as {kind}");
            if let Ok(file) = Checkpoint::load(&path) {
                assert_eq!(file.model.kind(), kind);
            }
        }
        for text in &units {
            for layers in 1..4 {
                let text = vec![&**text; layers].join(",");
                edit(&bytes, "units", text.clone(), &path);
                println!("{name}: {text}");
                match Checkpoint::load(&path) {
                    Ok(file) => drop(go_on(file, &data, true)),
                    Err(e) => assert!(e.to_string().contains(FILE), "{e}"),
                }
            }
        }
    }
}
