//! `train --init`: learning starts from the parameters of a model that is there.

use crate::common::{Bench, with_striped};
use harmonium::{
    Checkpoint, Model,
    model::{BoltzmannMachine, Rbm},
};
use std::fs;

const STRIPED: &str = "--data striped.csv --batch-size 40";

fn model(bench: &Bench, out: &str) -> Model {
    bench.model(&format!("{out}/model.safetensors")).model
}

/// Each kind: flags that make a machine, and flags of a run from it with no updates and with some.
const KINDS: [(&str, &str, &str, &str); 5] = [
    (
        "rbm",
        "--hidden 5 --epochs 3",
        "--epochs 0",
        "--epochs 2 --learning-rate 0.02 --averaging none",
    ),
    (
        "rbm",
        "--labels --hidden 5 --hidden-units spin --visible-units spin --epochs 3",
        "--epochs 0",
        "--epochs 2 --learning-rate 0.001 --averaging none",
    ),
    (
        "dbn",
        "--labels --layers 6,5 --greedy-epochs 2 --up-down-epochs 2",
        "--up-down-epochs 0",
        "--up-down-epochs 2 --up-down-rate 0.01",
    ),
    (
        "dbm",
        "--labels --layers 6,5 --pretraining-epochs 2 --epochs 2",
        "--epochs 0",
        "--epochs 2",
    ),
    (
        "boltzmann",
        "--hidden 3 --epochs 3",
        "--epochs 0",
        "--epochs 2 --learning-rate 0.02 --averaging none",
    ),
];

#[test]
fn learning_starts_from_the_parameters_of_a_model() {
    for (kind, made, none, some) in KINDS {
        let bench = with_striped(Bench::new());
        bench.ok(&format!("train {kind} {STRIPED} {made} --seed 1 --out old"));
        let old = model(&bench, "old");
        let line = format!("train {kind} {STRIPED} --seed 2 --init old/model.safetensors");
        let ran = bench.run(&format!("{line} {none} --out same"));
        assert_eq!(ran.code, 0, "{kind}\n{}", ran.stderr);
        let told = ran.stderr.lines();
        let told = told.filter(|line| line.contains("starts from the parameters of old/model"));
        assert_eq!(told.count(), 1, "{}", ran.stderr);
        // Not a bit of them changes before the first update.
        assert!(model(&bench, "same") == old, "{kind} {made}");
        // A run is as long as it is told to be, and stopped runs go on to the bit.
        bench.ok(&format!("{line} {some} --out whole"));
        let whole = model(&bench, "whole");
        assert!(whole != old, "{kind}");
        let epochs = some.split(' ').next().unwrap();
        let part = some.replace(&format!("{epochs} 2"), &format!("{epochs} 1"));
        bench.ok(&format!("{line} {part} --out part"));
        bench.ok(&format!("train {kind} --resume --out part {epochs} 2"));
        // Rates that fall over the epochs, as those of deep machines by default, know where they
        // end.
        if !["dbn", "dbm"].contains(&kind) {
            assert!(model(&bench, "part") == whole, "{kind}");
        }
        let note = bench.model("part/model.safetensors").notes["init"].clone();
        assert!(note.ends_with("old/model.safetensors"), "{note}");
        assert!(fs::canonicalize(&note).is_ok(), "{note}");
        let rows = fs::read_to_string(bench.path("whole/metrics.csv")).unwrap();
        assert_eq!(rows.lines().count(), 3, "{kind}: {rows}");
    }
}

/// What another program wrote, six entries alone, and text files of couplings.
#[test]
fn models_of_other_programs_are_started_from() {
    let bench = Bench::new();
    let rbm = Rbm::from_parameters(
        [vec![0.5; 9], vec![-0.25; 2]],
        [harmonium::Matrix::from_fn(9, 2, |i, j| {
            (i as f32 - 4.0) * (j as f32 - 0.5) / 10.0
        })],
    );
    let rbm = rbm.unwrap();
    Checkpoint::from(rbm.clone())
        .save(bench.path("foreign.safetensors"))
        .unwrap();
    bench.ok("train --data bars.csv --init foreign.safetensors --epochs 0");
    assert!(model(&bench, "run") == Model::from(rbm));
    fs::write(
        bench.path("pairs.edges"),
        "0 1 0.5\n3 8 -0.25\n2 2 1\n8 8 0.125\n",
    )
    .unwrap();
    bench.ok("train boltzmann --data bars.csv --init pairs.edges --epochs 0 --out pairs");
    let machine = BoltzmannMachine::from_edge_file(bench.path("pairs.edges"), 9, 0).unwrap();
    assert!(model(&bench, "pairs") == Model::from(machine));
}

#[test]
fn columns_are_standardized_as_those_of_the_model() {
    let bench = Bench::new();
    let rows = |shift: f32| (0..40).map(move |i| vec![i as f32 + shift, (i % 7) as f32 * 3.0]);
    bench.csv("old.csv", rows(0.0));
    bench.csv("new.csv", rows(5.0));
    let gaussian = "--visible-units gaussian --standardize --method cd --learning-rate 0.001";
    bench.ok(&format!(
        "train --data old.csv {gaussian} --hidden 3 --epochs 2 --out old"
    ));
    let line = "train --data new.csv --init old/model.safetensors --epochs 1 --method cd --learning-rate 0.001";
    let ran = bench.run(&format!("{line} --out new"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("standardized by the means and deviations of old/")
    );
    let models = ["old", "new"].map(|out| bench.model(&format!("{out}/model.safetensors")));
    assert!(models[0].encoding.as_ref().unwrap().is_standardized());
    assert_eq!(models[0].encoding, models[1].encoding);
}

#[test]
fn models_that_do_not_fit_are_refused() {
    let bench = with_striped(Bench::new());
    bench.ok("train --data bars.csv --hidden 4 --epochs 1 --out rbm");
    bench.ok(&format!(
        "train dbn {STRIPED} --layers 6,5 --greedy-epochs 1 --up-down-epochs 1 --out dbn"
    ));
    bench.ok(&format!(
        "train dbm {STRIPED} --layers 6,5 --pretraining-epochs 1 --epochs 1 --out dbm"
    ));
    let (rbm, dbn, dbm) = (
        "--init rbm/model.safetensors",
        "--init dbn/model.safetensors",
        "--init dbm/model.safetensors",
    );
    for (line, words) in [
        (
            format!("train dbn --data bars.csv {rbm}"),
            &["--init rbm", "kind rbm, not dbn", "hint"][..],
        ),
        (
            format!("train --data bars.csv {rbm} --hidden 5"),
            &[
                "--init rbm",
                "9 bernoulli, 5 bernoulli",
                "9 bernoulli, 4 bernoulli",
            ],
        ),
        (
            format!("train --data bars.csv {rbm} --visible-units spin"),
            &["--init rbm", "9 spin", "9 bernoulli"],
        ),
        (
            format!("train dbn {STRIPED} {dbn} --layers 6,5,4"),
            &["--init dbn", "16 bernoulli, 6 bernoulli, 5 bernoulli"],
        ),
        (
            format!("train dbn {STRIPED} {dbn} --greedy-epochs 3"),
            &["--greedy-epochs", "greedy stages", "--up-down-rate"],
        ),
        (
            format!("train dbn {STRIPED} {dbn} --learning-rate 0.1"),
            &["--learning-rate", "greedy stages"],
        ),
        (
            format!("train dbm {STRIPED} {dbm} --pretraining-rate 0.1"),
            &["--pretraining-rate", "pretraining"],
        ),
        (
            format!("train --data bars.csv {rbm} --resume"),
            &["--init", "--resume"],
        ),
    ] {
        bench.refused(&line, 2, words);
    }
    bench.refused(
        &format!("train {STRIPED} {rbm}"),
        1,
        &["expected 9 columns", "found 16"],
    );
    bench.refused(
        "train --data bars.csv --init no.safetensors",
        1,
        &["no.safetensors"],
    );
    assert!(!bench.path("run").exists());
}
