//! Categories as visible units of machines of several layers.

use crate::common::Bench;
use std::fs;

/// Rows of five codes of three, of which the last is that of the first.
fn codes(bench: &Bench) {
    let row = |i: usize| {
        let code = |j: usize| (i / 3_usize.pow(j as u32 % 4) + j) % 3;
        let all = [code(0), code(1), code(2), code(3), code(0)];
        all.map(|x| ["a", "c", "g"][x]).join(",") + "\n"
    };
    let text: String = (0..81).map(row).collect();
    fs::write(bench.path("codes.csv"), format!("p,q,r,s,t\n{text}")).unwrap();
}

#[test]
fn deep_machines_learn_categories() {
    let bench = Bench::new();
    codes(&bench);
    let train =
        "train dbm --data codes.csv --visible-units softmax:3*5 --layers 4,3 --batch-size 9";
    for (more, out) in [
        ("--pretraining-epochs 5 --epochs 30", "stacked"),
        ("--no-pretraining --epochs 5", "joint"),
    ] {
        bench.ok(&format!("{train} {more} --out {out}"));
        let model = bench.model(&format!("{out}/model.safetensors"));
        let dbm = model.model.dbm().unwrap();
        assert_eq!(dbm.layer(0).units.segments().len(), 5);
        let file = format!("{out}/model.safetensors");
        let told = bench.json(&format!(
            "evaluate {file} --exact --distribution p.csv --json"
        ));
        let exact = told["mean_log_likelihood"].as_f64().unwrap();
        // Those of states that are drawn alike.
        assert!(exact > -5.0 * 3.0_f64.ln() - 0.5 && exact < 0.0, "{told}");
        let text = fs::read_to_string(bench.path("p.csv")).unwrap();
        let p = text.lines().skip(1).map(|line| {
            let last = line.rsplit(',').next().unwrap();
            last.parse::<f64>().unwrap()
        });
        let p: Vec<f64> = p.collect();
        assert_eq!(p.len(), 243);
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        bench.ok(&format!("sample {file} --count 6 --steps 5 --out s.csv"));
        let samples = fs::read_to_string(bench.path("s.csv")).unwrap();
        let mut lines = samples.lines();
        assert_eq!(lines.next().unwrap(), "p,q,r,s,t");
        for field in lines.flat_map(|line| line.split(',')) {
            assert!(["a", "c", "g"].contains(&field), "{samples}");
        }
        bench.ok(&format!("transform {file} --out f.csv"));
        // A run goes on, and starts from a model, with the same units.
        bench.ok(&format!("train dbm --resume --out {out} --epochs 31"));
        bench.ok(&format!(
            "train dbm --init {file} --data codes.csv --epochs 1 --out {out}-2"
        ));
    }
    let other = "train dbm --resume --out joint --visible-units softmax:5*3";
    bench.refused(other, 2, &["--visible-units"]);
    let line = "train dbm --data codes.csv --visible-units gaussian";
    bench.refused(line, 2, &["gaussian", "bernoulli and softmax"]);
}

#[test]
fn general_machines_say_who_has_categories() {
    let bench = Bench::new();
    codes(&bench);
    let words = [
        "codes.csv",
        "bernoulli",
        "train rbm --visible-units softmax",
    ];
    bench.refused("train boltzmann --data codes.csv", 1, &words);
    let line = "train boltzmann --data codes.csv --visible-units softmax";
    bench.refused(line, 2, &["--visible-units", "train dbm"]);
}
