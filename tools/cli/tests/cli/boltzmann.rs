//! General Boltzmann machines from outside: couplings from files, what chains tell of them,
//! training that goes on, `ln Z` from both ways.

mod forms;
mod moments;
mod refused;

use crate::common::{Bench, Ran, assert_same};
use harmonium::{BitMatrix, BoltzmannMachine, checkpoint::Checkpoint, evaluate::pseudo_likelihood};
use serde_json::{Value, json};
use std::{
    fs,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const ROWS: usize = 3;
const COLUMNS: usize = 4;
const N: usize = ROWS * COLUMNS;

/// `(i, j, J)` of pairs and `(i, f)` of spins.
type Ising = (Vec<(usize, usize, f64)>, Vec<(usize, f64)>);

/// A lattice with open ends whose couplings differ, and fields of two of its spins.
fn lattice() -> Ising {
    let mut edges = Vec::new();
    for i in 0..N {
        let coupling = 0.3 + 0.25 * ((i * 5) % 7) as f64 / 7.0;
        if i % COLUMNS + 1 < COLUMNS {
            edges.push((i, i + 1, coupling));
        }
        if i + COLUMNS < N {
            edges.push((i + COLUMNS, i, if i == 2 { -coupling } else { coupling }));
        }
    }
    (edges, vec![(1, 0.25), (7, -0.125)])
}

/// The lattice as a file of spins, and the pairs of it with couplings 0 as one of the machine.
fn bench() -> Bench {
    let bench = Bench::drawing();
    let (edges, fields) = lattice();
    let mut text = String::from("# a lattice\n");
    let mut pairs = String::new();
    for (i, j, coupling) in edges {
        text += &format!("{i} {j} {coupling}\n");
        pairs += &format!("{i} {j} 0\n");
    }
    for (i, field) in fields {
        text += &format!("{i} {i} {field}\n");
    }
    fs::write(bench.path("lattice.ising"), text).unwrap();
    fs::write(bench.path("pairs.txt"), pairs).unwrap();
    bench
}

/// `ln Z`, mean energy a unit, means and correlations of spins at `beta`, summed over all states
/// here.
fn exact(beta: f64) -> (f64, f64, Vec<f64>, Vec<f64>) {
    let (edges, fields) = lattice();
    let (mut z, mut energy) = (0.0, 0.0);
    let (mut means, mut pairs) = (vec![0.0; N], vec![0.0; N * N]);
    for state in 0..1_u32 << N {
        let s: Vec<f64> = (0..N)
            .map(|i| f64::from(state >> i & 1) * 2.0 - 1.0)
            .collect();
        let e = -edges.iter().map(|&(i, j, x)| x * s[i] * s[j]).sum::<f64>()
            - fields.iter().map(|&(i, f)| f * s[i]).sum::<f64>();
        let w = (-beta * e).exp();
        z += w;
        energy += w * e;
        for i in 0..N {
            means[i] += w * s[i];
            (0..N).for_each(|j| pairs[i * N + j] += w * s[i] * s[j]);
        }
    }
    means.iter_mut().chain(&mut pairs).for_each(|x| *x /= z);
    (z.ln(), energy / z / N as f64, means, pairs)
}

fn table(text: &str) -> Vec<Vec<f64>> {
    let line = |line: &str| line.split(',').map(|x| x.parse().unwrap()).collect();
    text.lines().map(line).collect()
}

fn number(object: &Value, key: &str) -> f64 {
    object[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} in {object:#}"))
}

#[test]
fn a_lattice_is_sampled_as_it_is_enumerated() {
    let bench = bench();
    for beta in [1.0, 0.5] {
        let (_, energy, means, pairs) = exact(beta);
        let found = bench.json(&format!(
            "sample lattice.ising --spins --beta {beta} --count 10000 --steps 60 --burn-in 100 --seed 3 --json --out x.csv"
        ));
        let states = table(&fs::read_to_string(bench.path("x.csv")).unwrap());
        assert_eq!((states.len(), states[0].len()), (10_000, N));
        assert!(states.iter().flatten().all(|x| x.abs() == 1.0));
        // Independent chains, whose means have an error of at most 1 / sqrt(10 000); 78 of them for
        // each of two temperatures pass 4.9 errors with a probability of 1.5e-4.
        let bound = 4.9 / 100.0;
        for i in 0..N {
            for j in 0..=i {
                let product = |s: &Vec<f64>| if i == j { s[i] } else { s[i] * s[j] };
                let mean = states.iter().map(product).sum::<f64>() / 10_000.0;
                let expected = if i == j { means[i] } else { pairs[i * N + j] };
                assert!(
                    (mean - expected).abs() < bound,
                    "({i}, {j}): {mean}, not {expected}"
                );
            }
        }
        // What the command tells has its own errors, between chains.
        let magnetization = means.iter().sum::<f64>() / N as f64;
        for (key, expected) in [("energy", energy), ("magnetization", magnetization)] {
            let (x, error) = (number(&found, key), number(&found, &format!("{key}_error")));
            assert!(
                (x - expected).abs() < 4.5 * error,
                "{key}: {x} ± {error}, not {expected}"
            );
            assert!(error > 0.0 && error < 0.005, "{key}: {error}");
        }
        assert!(number(&found, "absolute_magnetization") > number(&found, "magnetization"));
        assert_eq!(
            (&found["units"], &found["spins"]),
            (&json!(N), &json!(true))
        );
    }
    // ln Z of the energy of spins, enumerated and by annealing; no data are needed.
    let (log_z, ..) = exact(1.0);
    let found = bench.json("evaluate lattice.ising --exact --json");
    // Biases of the machine are sums of f32, each of them below 4.
    assert!((number(&found, "log_z") - log_z).abs() < 12.0 * 4.0 * f64::from(f32::EPSILON));
    assert!(found.get("count").is_none());
    let found = bench.json("evaluate lattice.ising --chains 500 --betas 300 --json");
    let (low, high) = (number(&found, "log_z_low"), number(&found, "log_z_high"));
    assert!(
        low < log_z && log_z < high && high - low < 0.2,
        "{low} .. {high}"
    );
}

#[test]
fn states_are_written_as_asked_and_held_units_stay() {
    let bench = bench();
    let sample = "sample lattice.ising --steps 5 --count 7";
    let read = |name: &str| fs::read(bench.path(name)).unwrap();
    bench.ok(&format!("{sample} --out bits.npy"));
    bench.ok(&format!("{sample} --spins --out spins.npy"));
    bench.ok(&format!("{sample} --out bits.csv"));
    bench.ok(&format!("{sample} --out sheet.png"));
    let states = |name: &str| {
        let bytes = read(name);
        bytes[bytes.len() - 7 * N..].to_vec()
    };
    let (bits, spins) = (states("bits.npy"), states("spins.npy"));
    assert!(bits.contains(&0) && bits.contains(&1));
    for (&x, &s) in bits.iter().zip(&spins) {
        assert_eq!(s as i8, 2 * x as i8 - 1);
    }
    let text: Vec<u8> = table(&fs::read_to_string(bench.path("bits.csv")).unwrap())
        .concat()
        .into_iter()
        .map(|x| x as u8)
        .collect();
    assert_eq!(text, bits);
    // Another seed, other states; no sweep, fair coins.
    bench.ok(&format!("{sample} --seed 1 --out other.npy"));
    assert_ne!(bits, states("other.npy"));
    let coins = bench.json("sample lattice.ising --steps 0 --count 5000 --json --out x.npy");
    assert_eq!(coins["burn_in"], 0);
    // 60 000 fair coins: an error of 0.004.
    assert!(number(&coins, "magnetization").abs() < 0.02);
    let one = bench.json("sample lattice.ising --count 1 --json --out x.npy");
    assert!(one["energy"].is_f64() && one["energy_error"].is_null());

    let values: Vec<u8> = (0..2 * N).map(|k| u8::from(k % 3 == 0)).collect();
    bench.npy("values.npy", &format!("(2, {N})"), &values);
    let mask: Vec<u8> = (0..N).map(|i| u8::from(i < 5)).collect();
    bench.npy("mask.npy", &format!("({N},)"), &mask);
    let held = "sample lattice.ising --clamp values.npy --mask mask.npy";
    bench.ok(&format!("{held} --out held.npy"));
    bench.ok(&format!("{held} --out held.png"));
    let bytes = read("held.npy");
    let states = &bytes[bytes.len() - 2 * N..];
    assert_eq!(
        (&states[..5], &states[N..N + 5]),
        (&values[..5], &values[N..N + 5])
    );
    bench.refused(&format!("{held} --count 3 --out x.npy"), 1, &["held units"]);
}

#[test]
fn exact_learning_recovers_the_moments_of_a_lattice() {
    let bench = bench();
    bench.ok("sample lattice.ising --count 3000 --steps 100 --out x.npy");
    let report = bench.json(
        "train boltzmann --data x.npy --connectivity pairs.txt --method exact --batch-size 3000 --learning-rate 1 --momentum 0.9 --epochs 400 --json",
    );
    assert_eq!(report["method"], "exact");
    assert_eq!(report["n_hidden"], 0);
    assert_eq!(report["options"]["negative"], "exact");
    let names = ["model", "metrics", "couplings", "samples", "curves"];
    for name in names {
        let file = bench.path(report["files"][name].as_str().unwrap());
        assert!(fs::metadata(&file).unwrap().len() > 100, "{name}");
    }
    assert_eq!(
        fs::read_dir(bench.path("run")).unwrap().count(),
        // run.json and the lock.
        names.len() + 2
    );
    let metrics = fs::read_to_string(bench.path("run/metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 401);
    let machine = bench
        .model("run/model.safetensors")
        .into_boltzmann()
        .unwrap();
    let bytes = fs::read(bench.path("x.npy")).unwrap();
    let x = &bytes[bytes.len() - 3000 * N..];
    let data = BitMatrix::from_fn(3000, N, |s, i| x[s * N + i] == 1);
    let expected = machine.expectations(&mut ()).unwrap();
    let (edges, _) = lattice();
    let is_edge = |i: usize, j: usize| {
        i == j
            || edges
                .iter()
                .any(|&(a, b, _)| (a, b) == (i, j) || (b, a) == (i, j))
    };
    for i in 0..N {
        for j in 0..N {
            if !is_edge(i, j) {
                assert_eq!(machine.visible_weights().row(i)[j], 0.0, "({i}, {j})");
                continue;
            }
            let both = (0..3000)
                .filter(|&s| data.get(s, i) && data.get(s, j))
                .count();
            let moment = both as f64 / 3000.0;
            let found = expected.pairs[i * N + j];
            // The likelihood is concave, and the error of its maximum after so many steps is one of
            // f32.
            assert!(
                (found - moment).abs() < 1e-5,
                "({i}, {j}): {found}, not {moment}"
            );
        }
    }
    // The command measures what the library does.
    let evaluated = bench.json("evaluate run/model.safetensors --exact --json");
    for (key, value) in evaluated.as_object().unwrap() {
        assert_eq!(&report[key], value, "{key}");
    }
    let log_p = machine.exact_log_p_v(&data, &mut ()).unwrap();
    let mean = log_p.iter().sum::<f64>() / 3000.0;
    assert!((number(&report, "mean_log_likelihood") - mean).abs() < 1e-9);
    let some = BitMatrix::from_fn(1000, N, |s, i| data.get(s, i));
    let pseudo = pseudo_likelihood(&machine, &some).unwrap();
    assert!((number(&report, "pseudo_likelihood") - pseudo).abs() < 1e-9);
    let shown = bench.ok("inspect run/model.safetensors");
    for words in ["epoch 400.00 of 400", "exact gradient", "visible.weights"] {
        assert!(shown.contains(words), "{words}:\n{shown}");
    }
    let shown = bench.json("inspect run/model.safetensors --json");
    assert_eq!(shown["training"]["updates"], 400);
    // Chains from the data are at the distribution of the machine already.
    let found = bench
        .json("sample run/model.safetensors --from-data --count 3000 --steps 0 --json --out y.npy");
    let on = (0..3000)
        .map(|s| (0..N).filter(|&i| data.get(s, i)).count())
        .sum::<usize>();
    assert!((number(&found, "activity") - on as f64 / (3000 * N) as f64).abs() < 1e-12);
}

#[test]
fn files_of_couplings_start_learning() {
    let bench = bench();
    bench.ok("train boltzmann --data bars.csv --epochs 0 --out plain");
    // Nine units and three hidden ones: the pairs of the lattice, and its values.
    let train = "train boltzmann --data bars.csv --hidden 3 --epochs 0";
    bench.ok(&format!("{train} --connectivity lattice.ising --out given"));
    bench.ok(&format!("{train} --connectivity pairs.txt --out drawn"));
    let machine = |name: &str| {
        let model = bench.model(&format!("{name}/model.safetensors"));
        model.into_boltzmann().unwrap()
    };
    let (given, drawn) = (machine("given"), machine("drawn"));
    let (edges, fields) = lattice();
    for &(i, j, coupling) in &edges {
        let (i, j) = (i.min(j), i.max(j));
        // A = 4 J is stored as it is between layers, by half within one.
        let found = match (i < 9, j < 9) {
            (true, true) => 2.0 * given.visible_weights().row(i)[j],
            (true, false) => given.weights().row(i)[j - 9],
            _ => 2.0 * given.hidden_weights().row(i - 9)[j - 9],
        };
        assert_eq!(found, 4.0 * coupling as f32, "({i}, {j})");
    }
    let of_unit: f64 = edges
        .iter()
        .filter(|e| e.0 == 1 || e.1 == 1)
        .map(|e| e.2)
        .sum();
    let bias = 2.0 * fields[0].1 - 2.0 * of_unit;
    assert!((f64::from(given.visible().bias[1]) - bias).abs() < 1e-6);
    for i in 0..N {
        for j in 0..N {
            assert_eq!(given.may_couple(i, j), drawn.may_couple(i, j));
        }
    }
    // A file of zeros tells who may be coupled alone: small weights there, and biases of the data.
    let weights = drawn.weights();
    let is_small = |x: f32| x == 0.0 || x.abs() < 0.06;
    assert!(weights.elements().any(|x| x != 0.0) && weights.elements().all(is_small));
    assert_eq!(drawn.visible().bias, machine("plain").visible().bias);
}

#[test]
fn runs_go_on_to_the_bit() {
    let bench = bench();
    let train = "train boltzmann --data bars.csv --batch-size 5 --learning-rate 0.1";
    let before = bench.json(&format!("{train} --hidden 4 --epochs 0 --json"));
    for flags in [
        "--hidden 4",
        "--hidden 4 --method mcmc --steps 10 --chains 50 --positive mean-field --optimizer adam",
        "--hidden 4 --method exact --momentum 0.5",
        "--hidden 4 --method exact --positive-steps 2 --weight-decay 0.001",
        "--method pseudo-likelihood --l1-decay 0.001 --validation 4",
    ] {
        bench.ok(&format!("{train} {flags} --epochs 6 --out part --force"));
        bench.ok("train boltzmann --resume --epochs 40 --out part --threads 3");
        let whole = bench.json(&format!("{train} {flags} --epochs 40 --json --force"));
        let path = "run/model.safetensors";
        assert_same(&bench.model(path), &bench.model("part/model.safetensors"));
        if !flags.contains("pseudo") {
            let gain =
                number(&whole, "mean_log_likelihood") - number(&before, "mean_log_likelihood");
            assert!(gain > 0.3, "{flags}: {gain}");
        }
        let rows = |name: &str| {
            let text = fs::read_to_string(bench.path(&format!("{name}/metrics.csv"))).unwrap();
            let figures = |line: &str| {
                let mut fields: Vec<String> = line.split(',').map(ToOwned::to_owned).collect();
                fields.remove(1);
                fields
            };
            text.lines().map(figures).collect::<Vec<_>>()
        };
        assert_eq!(rows("run"), rows("part"), "{flags}");
        assert_eq!(rows("run").len(), 41);
    }
    for (flags, word) in [
        ("--method pcd", "--method"),
        ("--seed 7", "--seed 7"),
        ("--hidden 3", "--hidden 3"),
        ("--connectivity pairs.txt", "--connectivity"),
        ("--learning-rate 0.2", "--learning-rate 0.2"),
        ("--epochs 3", "--epochs 3"),
    ] {
        let line = format!("train boltzmann --resume --out part {flags}");
        bench.refused(&line, 2, &[word, "the run to resume"]);
    }
    bench.refused("train --resume --out part", 2, &["kind boltzmann, not rbm"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_on_to_the_bit() {
    let bench = Bench::new();
    let line = "train boltzmann --data bars.csv --hidden 5 --batch-size 1 --chains 16 --learning-rate 0.05";
    let child = bench
        .command(&format!("{line} --out stopped --epochs 100000000"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !bench.path("stopped/metrics.csv").exists() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "no run has started"
        );
        sleep(Duration::from_millis(5));
    }
    sleep(Duration::from_millis(200));
    let killed = Command::new("sh")
        .args(["-c", &format!("kill -INT {}", child.id())])
        .status()
        .unwrap();
    assert!(killed.success());
    let ran = Ran::from(child.wait_with_output().unwrap());
    let words = [
        "interrupted in epoch",
        "harmonium train boltzmann --resume --out stopped",
    ];
    ran.refused(line, 1, &words);
    let stopped = bench.model("stopped/model.safetensors");
    let epochs = stopped.run.unwrap().position().updates.div_ceil(16) + 3;
    bench.ok(&format!(
        "train boltzmann --resume --out stopped --epochs {epochs}"
    ));
    bench.ok(&format!("{line} --epochs {epochs} --out whole"));
    assert_same(
        &bench.model("whole/model.safetensors"),
        &bench.model("stopped/model.safetensors"),
    );
}

/// Machines whose couplings look like none, by a rule that is written out.
fn machine(n: usize, m: usize, scale: f32) -> BoltzmannMachine {
    let units = n + m;
    let mut edges = Vec::new();
    for i in 0..units {
        for j in i + 1..units {
            let x = ((i * 31 + j * 17 + i * j * 7) % 23) as f32 / 11.0 - 0.97;
            edges.push((i, j, scale * x));
        }
    }
    BoltzmannMachine::from_edges(n, m, &edges).unwrap()
}

#[test]
fn large_machines_are_annealed_and_bounded() {
    let bench = Bench::new();
    let save = |machine: BoltzmannMachine| {
        let path = bench.path("m.safetensors");
        Checkpoint::from(machine).save(path).unwrap();
    };
    save(machine(9, 6, 0.6));
    let line = "evaluate m.safetensors --data bars.csv --split train --json";
    let exact = bench.json(&format!("{line} --exact"));
    for flags in ["--betas 500", "--betas 500 --schedule adaptive"] {
        let found = bench.json(&format!("{line} --chains 400 {flags} --save-weights w.npy"));
        let (low, high) = (number(&found, "log_z_low"), number(&found, "log_z_high"));
        let z = number(&exact, "log_z");
        assert!(
            low < z && z < high && high - low < 0.5,
            "{low} .. {high} for {z}"
        );
        // The same free energies, with another ln Z.
        let of = |x: &Value| number(x, "mean_log_likelihood") + number(x, "log_z");
        assert!((of(&found) - of(&exact)).abs() < 1e-9);
        assert_eq!(
            (&found["method"], &found["betas"]),
            (&json!("ais"), &json!(500))
        );
        let weights = fs::read(bench.path("w.npy")).unwrap();
        assert!(weights.len() > 8 * 400);
    }
    let text = bench.ok(&line.replace(" --json", " --betas 300"));
    for words in ["log-likelihood", "AIS of 100 chains", "interval"] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    // Hidden units that would have to be enumerated for every example: a lower bound.
    let large = machine(9, 18, 0.2);
    let bars = harmonium::dataset::bars_and_stripes(3);
    let free = large.free_energy(bars.bits().unwrap(), 1.0).unwrap();
    let mean = -free.iter().sum::<f64>() / 16.0;
    save(large);
    // 320 examples of 2^17 states.
    let text = fs::read_to_string(bench.path("bars.csv")).unwrap();
    fs::write(bench.path("bars.csv"), text.repeat(20)).unwrap();
    let found = bench.json(&format!("{line} --betas 300"));
    assert!(found.get("mean_log_likelihood").is_none());
    let bound = number(&found, "lower_bound") + number(&found, "log_z");
    // Mean field is close where couplings are weak.
    assert!(bound < mean && bound > mean - 2.0, "{bound} for {mean}");
}
