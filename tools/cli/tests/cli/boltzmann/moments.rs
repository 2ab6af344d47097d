//! Couplings from states with nothing but the defaults, and what is told of moments.

use crate::common::Bench;
use harmonium::{BoltzmannMachine, Matrix, States};

const UNITS: usize = 8;
const ROWS: usize = 2000;

/// Couplings of bits between -3 and 3, a third of them zero.
fn coupling(i: usize, j: usize) -> f32 {
    match (3 * i + 5 * j + i * j) % 6 {
        0 => 2.4,
        1 => -1.8,
        2 => 1.2,
        3 => -3.0,
        _ => 0.0,
    }
}

fn symmetric(i: usize, j: usize) -> f32 {
    match i == j {
        true => 0.0,
        false => coupling(i.min(j), i.max(j)),
    }
}

/// A bench with states of a machine of these couplings, as 0 and 1 and as -1 and 1.
fn bench() -> Bench {
    let bench = Bench::new();
    let all = (0..UNITS * UNITS).map(|k| symmetric(k / UNITS, k % UNITS) / 2.0);
    let weights = Matrix::from_slice(&all.collect::<Vec<_>>(), UNITS, UNITS).unwrap();
    // Spins without fields.
    let bias = |i: usize| -(0..UNITS).map(|j| symmetric(i, j)).sum::<f32>() / 2.0;
    let bias: Vec<f32> = (0..UNITS).map(bias).collect();
    let machine = BoltzmannMachine::from_parameters([bias], [weights]).unwrap();
    let States::Bits(x) = machine.exact_samples(ROWS, 5).unwrap() else {
        panic!("no bits");
    };
    let cells = |s: usize| (0..UNITS).map(move |i| (s, i));
    let bits = (0..ROWS)
        .flat_map(cells)
        .map(|(s, i)| u8::from(x.get(s, i)));
    let shape = format!("({ROWS}, {UNITS})");
    bench.npy("bits.npy", &shape, &bits.collect::<Vec<_>>());
    let sign = |s: usize, i: usize| f32::from(2 * i8::from(x.get(s, i)) - 1);
    let row = |s: usize| (0..UNITS).map(|i| sign(s, i)).collect();
    bench.csv("spins.csv", (0..ROWS).map(row));
    bench
}

/// The standard error of the slope is about 0.02: of a coupling, `1 / sqrt(n)` over the deviation
/// of a bit given the others, some 0.1, in 28 of them whose deviation is 1.8.
#[test]
fn the_defaults_return_couplings_and_tell_of_moments() {
    let bench = bench();
    for data in ["bits.npy", "spins.csv"] {
        let report = bench.json(&format!("train boltzmann --data {data} --force --json"));
        assert!(report["moments_largest_difference"].as_f64().unwrap() < 2e-4);
        assert!(report["moments_correlation"].as_f64().unwrap() > 0.9999);
        assert_eq!(report["warnings"], serde_json::json!([]));
        let learned = bench.model("run/model.safetensors");
        let learned = learned.into_boltzmann().unwrap();
        let (mut product, mut square) = (0.0, 0.0);
        for i in 0..UNITS {
            for j in i + 1..UNITS {
                let truth = coupling(i, j);
                product += truth * 2.0 * learned.visible_weights().row(i)[j];
                square += truth * truth;
            }
        }
        let slope = product / square;
        assert!((0.93..1.07).contains(&slope), "{data}: {slope}");
    }
}

#[test]
fn moments_that_are_off_are_warned_of() {
    let bench = bench();
    let line = "train boltzmann --data bits.npy --method exact --epochs 1 --json";
    let ran = bench.run(line);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("warning: moments of the machine are"),
        "{}",
        ran.stderr
    );
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let all = report["warnings"].as_array().unwrap();
    assert!(all.iter().any(|x| {
        x.as_str()
            .unwrap()
            .contains("is the most that chance makes")
    }));
}
