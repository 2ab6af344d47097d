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
fn general_machines_learn_categories() {
    let bench = Bench::new();
    codes(&bench);
    let words = ["codes.csv", "bernoulli", "--visible-units softmax"];
    bench.refused("train boltzmann --data codes.csv", 1, &words);
    let train = "train boltzmann --data codes.csv --visible-units softmax --epochs 200 --learning-rate linear:0.3:0";
    for (more, out) in [
        ("--method exact", "exact"),
        ("--method pseudo-likelihood", "pseudo"),
        ("--hidden 3 --chains 200", "latent"),
    ] {
        let told = bench.json(&format!("{train} {more} --out {out} --json"));
        let model = bench.model(&format!("{out}/model.safetensors"));
        let machine = model.model.boltzmann().unwrap();
        assert_eq!(machine.visible().units.segments().len(), 5);
        assert!((0..3).all(|i| !machine.may_couple(3, 3 + i)));
        // The first and the last column are the same: of 3^5 states 81 come, once each.
        let likelihood = told["mean_log_likelihood"].as_f64().unwrap();
        let best = -(81.0_f64.ln());
        assert!(
            likelihood > best - 0.3 && likelihood <= best,
            "{out}: {likelihood}"
        );
        let file = format!("{out}/model.safetensors");
        bench.ok(&format!("sample {file} --count 300 --steps 50 --out s.csv"));
        let samples = fs::read_to_string(bench.path("s.csv")).unwrap();
        let mut lines = samples.lines();
        assert_eq!(lines.next().unwrap(), "p,q,r,s,t");
        let agree = lines.filter(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            assert!(fields.iter().all(|x| ["a", "c", "g"].contains(x)), "{line}");
            fields[0] == fields[4]
        });
        assert!(agree.count() > 240, "{samples}");
        fs::write(bench.path("held.csv"), "p,q,r,s,t\n,c,,,\n").unwrap();
        bench.ok(&format!(
            "sample {file} --count 9 --steps 5 --clamp held.csv --out c.csv"
        ));
        let samples = fs::read_to_string(bench.path("c.csv")).unwrap();
        assert!(
            samples
                .lines()
                .skip(1)
                .all(|line| line.split(',').nth(1) == Some("c")),
            "{samples}"
        );
        bench.ok(&format!("verify {file} --data codes.csv"));
        bench.ok(&format!(
            "train boltzmann --resume --out {out} --epochs 201"
        ));
    }
    bench.refused(
        "sample exact/model.safetensors --spins --out spins.npy",
        2,
        &["--spins", "softmax"],
    );
    let other = "train boltzmann --resume --out exact --visible-units softmax:5*3";
    bench.refused(other, 2, &["--visible-units"]);
    let line = "train boltzmann --data codes.csv --visible-units spin";
    bench.refused(line, 2, &["spin", "bernoulli and softmax"]);
    // What is missing is inferred, by chains and by enumeration.
    let text = fs::read_to_string(bench.path("codes.csv")).unwrap();
    let holes = text.lines().enumerate().map(|(k, line)| {
        let mut fields: Vec<&str> = line.split(',').collect();
        if k > 0 && k % 3 == 0 {
            fields[k % 5] = "";
        }
        fields.join(",") + "\n"
    });
    fs::write(bench.path("holes.csv"), holes.collect::<String>()).unwrap();
    bench.ok(
        "train boltzmann --data holes.csv --visible-units softmax --missing --epochs 100 --out holes",
    );
    bench.ok("impute holes/model.safetensors --data holes.csv --missing --out filled.csv");
    let filled = fs::read_to_string(bench.path("filled.csv")).unwrap();
    assert_eq!(filled.lines().count(), 82);
    assert!(
        filled
            .lines()
            .all(|line| !line.contains(",,") && !line.ends_with(','))
    );
}

/// A model of adabmDCA measures sequences, and goes back with the same letters.
#[test]
fn potts_models_of_other_programs_measure_sequences() {
    let bench = Bench::new();
    let letters = "-ACGT";
    let mut text = String::new();
    for (i, j) in [(0, 1), (0, 2), (1, 2)] {
        for (a, x) in letters.chars().enumerate() {
            for (b, y) in letters.chars().enumerate() {
                let value = ((i + 2 * a + 3 * b + j) % 7) as f64 / 4.0 - 0.75;
                text += &format!("J {i} {j} {x} {y} {value}\n");
            }
        }
    }
    for i in 0..3 {
        for (a, x) in letters.chars().enumerate() {
            text += &format!("h {i} {x} {}\n", (i + a) as f64 / 8.0);
        }
    }
    fs::write(bench.path("dca_params.dat"), &text).unwrap();
    fs::write(bench.path("some.fasta"), ">a\nAC-\n>b\nGTT\n").unwrap();
    let score = |a: &str| -> f64 {
        let on = |i: &str, x: &str| &a[i.parse().unwrap()..][..1] == x;
        let of_line = |line: &str| {
            let x: Vec<&str> = line.split(' ').collect();
            let is_on = match x[0] {
                "J" => on(x[1], x[3]) && on(x[2], x[4]),
                _ => on(x[1], x[2]),
            };
            if is_on {
                x[x.len() - 1].parse().unwrap()
            } else {
                0.0
            }
        };
        text.lines().map(of_line).sum()
    };
    let all: Vec<String> = (0..125)
        .map(|k| [k / 25, k / 5 % 5, k % 5].map(|c| &letters[c..=c]).concat())
        .collect();
    let log_z = all.iter().map(|a| score(a).exp()).sum::<f64>().ln();
    let expected = (score("AC-") + score("GTT")) / 2.0 - log_z;
    let told = bench.json("evaluate dca_params.dat --data some.fasta --exact --json");
    let found = told["mean_log_likelihood"].as_f64().unwrap();
    assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
    bench.ok("convert dca_params.dat model.safetensors");
    bench.ok("convert model.safetensors back.dat");
    let lines = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(bench.path(name)).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines("back.dat"), lines("dca_params.dat"));
    bench.ok("sample dca_params.dat --count 4 --steps 5 --out s.csv");
    bench.ok("train boltzmann --data some.fasta --init dca_params.dat --visible-units softmax --epochs 1 --out more");
}
