//! Machines of other than Bernoulli units, and labels, through the program.

use crate::common::{Bench, assert_same};
use harmonium::{Matrix, dataset::Code};
use serde_json::json;

/// Two clusters in three columns, far outside [0, 1].
fn clusters(bench: &Bench) {
    let rows = (0..200).map(|i| {
        let center = if i % 2 == 0 { 40.0 } else { -20.0 };
        let noise = |k: usize| ((i * k) % 17) as f32 - 8.0;
        vec![center + noise(3), center / 2.0 + noise(5), noise(7)]
    });
    bench.csv("clusters.csv", rows);
}

/// Bars and stripes of side 3 with the label of their direction.
fn labeled_bars(bench: &Bench) {
    let mut text = String::from("a,b,c,d,e,f,g,h,i,label\n");
    for pattern in 1..7 {
        let on = |k: usize| (pattern >> k) & 1;
        for label in 0..2 {
            let fields: Vec<String> = (0..9)
                .map(|k| on(if label == 0 { k / 3 } else { k % 3 }).to_string())
                .collect();
            text.push_str(&format!("{},{label}\n", fields.join(",")));
        }
    }
    std::fs::write(bench.path("labeled.csv"), text).unwrap();
}

/// Annealing both ways finds `ln Z` of a machine of any units within 4 standard errors of the
/// enumerated one, and so the likelihood.
fn annealed_beside(bench: &Bench, run: &str, exact: &serde_json::Value) {
    let line = "model.safetensors --split train --betas 1000 --reverse --seed 2 --json";
    let annealed = bench.json(&format!("evaluate {run}/{line}"));
    let of = |report: &serde_json::Value, key: &str| report[key].as_f64().unwrap();
    let error = of(&annealed, "log_z_bar_error");
    // f32 inputs of free energies, beside sums in f64.
    let bound = 4.0 * error + 1e-3;
    for key in ["log_z", "mean_log_likelihood"] {
        let off = (of(&annealed, key) - of(exact, key)).abs();
        assert!(
            error < 0.05 && off < bound,
            "{run}, {key}: {off} +- {error}"
        );
    }
}

#[test]
fn gaussian_units_learn_standardized_numbers() {
    let bench = Bench::new();
    clusters(&bench);
    bench.refused(
        "train --data clusters.csv --out x",
        1,
        &["gaussian for numbers", "line 1, column 1"],
    );
    let trained = bench.json(
        "train --data clusters.csv --visible-units gaussian --standardize --variance-rate 0.1 --hidden 2 \
         --epochs 60 --batch-size 20 --learning-rate 0.05 --method cd --json",
    );
    // Three independent standard normal columns would have ln p = -3/2 (ln 2 pi + 1) = -4.26.
    // In the units of the table it is less by the log of the deviations.
    let number = |key: &str| trained[key].as_f64().unwrap();
    let standardized = number("mean_log_likelihood") + number("log_jacobian");
    assert!(standardized > -4.0, "{trained}");
    let model = bench.model("run/model.safetensors");
    assert_eq!(
        model.model.rbm().unwrap().visible().units.to_string(),
        "gaussian"
    );
    let first = &model.encoding.as_ref().unwrap().columns()[0];
    let Code::Number { mean, .. } = first else {
        panic!("{first:?}");
    };
    assert!((mean - 10.0).abs() < 1.0, "{mean}");
    // The standardization is part of the model: other commands see the same numbers.
    let evaluated = bench.json("evaluate run/model.safetensors --exact --json");
    assert_eq!(
        evaluated["mean_log_likelihood"],
        trained["mean_log_likelihood"]
    );
    annealed_beside(&bench, "run", &evaluated);
    let text = bench.ok("inspect run/model.safetensors");
    for words in [
        "3 gaussian, 2 bernoulli",
        "log_variance.0",
        "over its deviation",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    bench.ok("sample run/model.safetensors --count 20 --steps 10 --out states.npy");
    bench.ok("sample run/model.safetensors --count 20 --steps 10 --out states.png");
    // Straight through is the same as stopped and resumed.
    for epochs in [20, 60] {
        let resume = if epochs == 60 { "--resume" } else { "" };
        bench.ok(&format!(
            "train --data clusters.csv --visible-units gaussian --standardize --variance-rate 0.1 --hidden 2 \
             --epochs {epochs} --batch-size 20 --learning-rate 0.05 --method cd --out parts {resume}"
        ));
    }
    assert_same(&bench.model("parts/model.safetensors"), &model);
}

#[test]
fn softmax_groups_are_annealed_and_have_a_pseudo_likelihood() {
    let bench = Bench::new();
    let on = |group: usize, k: usize| if group == k { "1" } else { "0" };
    let row = |i: usize| -> String {
        let groups = [i % 3, (i + i / 5) % 3];
        let fields = groups.iter().flat_map(|&g| (0..3).map(move |k| on(g, k)));
        fields.collect::<Vec<_>>().join(",")
    };
    let text: Vec<String> = (0..60).map(row).collect();
    std::fs::write(bench.path("potts.csv"), text.join("\n")).unwrap();
    let trained = bench.json(
        "train --data potts.csv --visible-units softmax:3+softmax:3 --hidden 4 --epochs 50 --json",
    );
    // Two groups of three by themselves have -2 ln 3 = -2.2 nats at least.
    let pseudo = trained["pseudo_likelihood"].as_f64().unwrap();
    assert!((-2.3..0.0).contains(&pseudo), "{pseudo}");
    let metrics = std::fs::read_to_string(bench.path("run/metrics.csv")).unwrap();
    let mut lines = metrics
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let column = names
        .iter()
        .position(|x| *x == "pseudo_likelihood")
        .unwrap();
    assert!(lines.all(|fields| fields[column].parse::<f64>().is_ok_and(f64::is_finite)));
    let exact = bench.json("evaluate run/model.safetensors --exact --split train --json");
    annealed_beside(&bench, "run", &exact);
}

#[test]
fn spins_and_other_kinds_train_from_bits() {
    let bench = Bench::new();
    // Nine uniform bits have -6.24 nats. With Gaussian hidden units the exact gradient reaches
    // -5.15; a constant rate would keep the noise of chains that seldom change sides, so theirs
    // falls to zero, and half of the way is asked for.
    for (line, units, least) in [
        (
            "--visible-units spin --hidden-units spin --hidden 4 --learning-rate 0.05",
            "spin,spin",
            -5.2,
        ),
        (
            "--visible-units spin --hidden-units gaussian --hidden 2 --learning-rate linear:0.05:0",
            "spin,gaussian",
            -5.7,
        ),
        (
            "--hidden-units relu --hidden 3 --learning-rate 0.05",
            "bernoulli,relu",
            -6.0,
        ),
        (
            "--hidden-units bernoulli:2+softmax:3 --hidden 5 --learning-rate 0.05",
            "bernoulli,bernoulli:2+softmax:3",
            -6.0,
        ),
    ] {
        let trained = bench.json(&format!(
            "train --data bars.csv {line} --epochs 2000 --json --force"
        ));
        let likelihood = trained["mean_log_likelihood"].as_f64().unwrap();
        assert!(likelihood > least, "{line}: {likelihood}");
        let exact = bench.json("evaluate run/model.safetensors --exact --split train --json");
        annealed_beside(&bench, "run", &exact);
        let inspected = bench.json("inspect run/model.safetensors --json");
        let names: Vec<&str> = units.split(',').collect();
        assert_eq!(inspected["units"], json!(names));
        bench.ok("train --resume --epochs 2001");
    }
    bench.refused(
        "train --data bars.csv --visible-units gauss --out x",
        2,
        &["--visible-units", "gauss"],
    );
    bench.refused(
        "train --data bars.csv --standardize --out x",
        2,
        &["--standardize", "gaussian"],
    );
    bench.refused(
        "train --data bars.csv --visible-units gaussian --resample --out x",
        2,
        &["gaussian"],
    );
}

#[test]
fn labels_are_learned_and_classified() {
    let bench = Bench::new();
    labeled_bars(&bench);
    for objective in [
        "generative --batch-size 12 --learning-rate 0.2",
        // Rows and columns differ by no single pixel: centered learning would stay where the small
        // weights of the start are (docs/training.md).
        "discriminative --batch-size 4 --learning-rate 0.5 --momentum 0.9 --centering none",
        "hybrid --batch-size 4 --learning-rate 0.5 --momentum 0.9 --centering none",
    ] {
        let trained = bench.json(&format!(
            "train --data labeled.csv --labels --hidden 12 --epochs 1500 --objective {objective} --json --force"
        ));
        assert_eq!(trained["error"], 0.0, "{objective}");
        let classified = bench.json("classify run/model.safetensors --split train --json");
        assert_eq!(classified["confusion"], json!([[6, 0], [0, 6]]));
        let evaluated = bench.json("evaluate run/model.safetensors --json");
        assert_eq!(evaluated["confusion"], classified["confusion"]);
        assert_eq!(
            evaluated["mean_log_probability"],
            trained["mean_log_probability"]
        );
    }
    let text = bench.ok("evaluate run/model.safetensors --exact");
    for words in ["train error", "0.00 %", "label 1", "by enumeration"] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    bench.ok("classify run/model.safetensors --confusion c.png");
    assert!(bench.path("c.png").is_file());
    features_sum_the_labels_out(&bench);
    samples_have_the_labels_in_order(&bench);
    probabilities_are_written(&bench);
    bench.ok("train --resume --epochs 1501");
    bench.refused("train --data bars.csv --labels --out x", 2, &["labels"]);
    bench.refused(
        "train --data labeled.csv --objective hybrid --out x",
        2,
        &["--labels"],
    );
    bench.ok("train --data bars.csv --hidden 3 --epochs 1 --out plain");
    bench.refused("classify plain/model.safetensors", 1, &["labels"]);
}

/// Features do not know the labels: E[h | v] is the mean of E[h | v, y] over p(y | v).
fn features_sum_the_labels_out(bench: &Bench) {
    bench.ok("transform run/model.safetensors --out features.csv");
    let text = std::fs::read_to_string(bench.path("features.csv")).unwrap();
    let rbm = bench.model("run/model.safetensors");
    let rbm = rbm.model.rbm().unwrap();
    let first: Vec<f32> = std::fs::read_to_string(bench.path("labeled.csv"))
        .unwrap()
        .lines()
        .nth(1)
        .unwrap()
        .split(',')
        .map(|x| x.parse().unwrap())
        .collect();
    let n = rbm.label_group().unwrap().first;
    let v = |y: usize| {
        Matrix::from_fn(1, n + 2, |_, j| {
            if j < n {
                first[j]
            } else {
                f32::from(j - n == y)
            }
        })
    };
    let pixels = Matrix::from_fn(1, n, |_, j| first[j]);
    let log_p = rbm.log_p_y_from_v(&pixels).unwrap();
    for (j, x) in text.lines().nth(1).unwrap().split(',').enumerate() {
        let mean = |y: usize| rbm.mean_h_from_v(&v(y), 1.0).unwrap().row(0)[j];
        let expected: f32 = (0..2).map(|y| log_p.row(0)[y].exp() * mean(y)).sum();
        assert!((x.parse::<f32>().unwrap() - expected).abs() < 1e-5);
    }
    bench.refused(
        "transform run/model.safetensors --pass samples --out f.npy",
        2,
        &["labels"],
    );
}

fn samples_have_the_labels_in_order(bench: &Bench) {
    let rbm = bench.model("run/model.safetensors");
    let n = rbm.model.rbm().unwrap().label_group().unwrap().first;
    bench.ok("sample run/model.safetensors --every-label --count 6 --steps 5 --out every.png");
    bench.ok("sample run/model.safetensors --every-label --count 6 --steps 5 --out every.npy");
    let states = std::fs::read(bench.path("every.npy")).unwrap();
    for (k, row) in states[states.len() - 6 * (n + 2)..]
        .chunks(n + 2)
        .enumerate()
    {
        assert_eq!(row[n + k / 3], 1, "three of each class, in order");
    }
}

fn probabilities_are_written(bench: &Bench) {
    bench.ok("classify run/model.safetensors --out p.csv");
    bench.ok("classify run/model.safetensors --out p.npy");
    let csv = std::fs::read_to_string(bench.path("p.csv")).unwrap();
    assert_eq!(csv.lines().count(), 13);
    assert_eq!(csv.lines().next(), Some("label=0,label=1"));
    for (k, line) in csv.lines().skip(1).enumerate() {
        let p: Vec<f64> = line.split(',').map(|x| x.parse().unwrap()).collect();
        assert!(
            (p.iter().sum::<f64>() - 1.0).abs() < 1e-5 && p[k % 2] > 0.5,
            "{line}"
        );
    }
    let npy = std::fs::read(bench.path("p.npy")).unwrap();
    assert_eq!(npyz::NpyFile::new(&npy[..]).unwrap().shape(), [12, 2]);
}

#[test]
fn a_standardized_run_goes_on_bit_for_bit() {
    let bench = Bench::new();
    let number = |i: usize, j: usize| ((i * i + 31 * j * i + 7 * j) % 1009) as f32 / 10.09 - 37.0;
    let rows = (0..90).map(|i| (0..24).map(|j| number(i, j)).collect());
    bench.csv("numbers.csv", rows);
    let line = "train --data numbers.csv --visible-units gaussian --standardize --hidden 5 --batch-size 10 \
                --learning-rate 0.01 --method cd";
    bench.ok(&format!("{line} --epochs 4 --out whole"));
    bench.ok(&format!("{line} --epochs 2 --out parts"));
    bench.ok("train --resume --epochs 4 --out parts");
    let (whole, parts) = (
        bench.model("whole/model.safetensors"),
        bench.model("parts/model.safetensors"),
    );
    assert!(whole.encoding.as_ref().unwrap().is_standardized());
    assert_eq!(whole.encoding, parts.encoding);
    assert_same(&whole, &parts);
}
