//! What general Boltzmann machines are refused for.

use super::bench;
use std::fs;

/// A command, or flags; the exit code, and words of what is said.
type Refused = (&'static str, i32, [&'static str; 2]);

const COMMANDS: &[Refused] = &[
    ("sample lattice.ising --out x.txt", 2, ["--out", ".csv"]),
    (
        "sample lattice.ising --tempering 3 --out x.npy",
        2,
        ["--tempering", "boltzmann"],
    ),
    (
        "sample lattice.ising --from-data --out x.npy",
        1,
        ["12 visible", "784 values"],
    ),
    (
        "sample lattice.ising --beta=-1 --out x.npy",
        2,
        ["--beta", "at least 0"],
    ),
    (
        "sample lattice.ising --count 999999999 --out x.npy",
        2,
        ["--count", "at most"],
    ),
    (
        "sample broken.edges --out x.npy",
        1,
        ["broken.edges", "line 2"],
    ),
    (
        "sample huge.edges --out x.npy",
        1,
        ["huge.edges", "without gaps"],
    ),
    (
        "sample missing.ising --out x.npy",
        1,
        ["missing.ising", "read"],
    ),
    (
        "evaluate lattice.ising --bound-samples 3",
        2,
        ["--bound-samples", "boltzmann"],
    ),
    (
        "evaluate lattice.ising --diagnose 5",
        2,
        ["--diagnose", "--data"],
    ),
    (
        "evaluate lattice.ising --burn-in 5",
        2,
        ["--burn-in", "--reverse"],
    ),
    (
        "evaluate lattice.ising --data bars.csv",
        1,
        ["12 visible", "9 values"],
    ),
    (
        "train boltzmann --data gray.csv --binarize none",
        2,
        ["--binarize none", "bits"],
    ),
    (
        "train --data bars.csv --connectivity pairs.txt",
        2,
        ["--connectivity", "train boltzmann"],
    ),
    (
        "train dbn --data bars.csv --positive exact",
        2,
        ["--positive", "train boltzmann"],
    ),
    (
        "train --data bars.csv --method pseudo-likelihood",
        2,
        ["pseudo-likelihood", "boltzmann"],
    ),
];

/// Flags of training.
const FLAGS: &[Refused] = &[
    ("--method fast", 2, ["--method", "pseudo-likelihood"]),
    ("--method exact --chains 3", 2, ["--chains", "pcd"]),
    (
        "--method pseudo-likelihood --hidden 2",
        2,
        ["hidden units", "--hidden 2"],
    ),
    ("--positive exact", 2, ["--positive", "hidden units"]),
    (
        "--hidden 2 --positive exact --positive-steps 2",
        2,
        ["--positive-steps", "gibbs"],
    ),
    ("--labels", 2, ["--labels", "train boltzmann"]),
    ("--centering data", 2, ["--centering", "train boltzmann"]),
    ("--layers 3,3", 2, ["--layers", "train dbn"]),
    ("--steps at:0=1,5=2", 2, ["--steps", "one number"]),
    (
        "--connectivity lattice.ising",
        1,
        ["lattice.ising", "below 9"],
    ),
    ("--hidden 99999", 2, ["--hidden 99999", "at most"]),
    ("--hidden 40 --method exact", 2, ["enumerate", "at most 30"]),
    (
        "--learning-rate 3e38 --momentum 0.9",
        1,
        ["parameters", "--learning-rate"],
    ),
];

#[test]
fn what_is_refused() {
    let bench = bench();
    fs::write(bench.path("broken.edges"), "0 1 1\n0 2\n").unwrap();
    fs::write(bench.path("huge.edges"), "0 99999999 1\n").unwrap();
    fs::write(bench.path("gray.csv"), "0.5,0.25\n0,1\n").unwrap();
    for (line, code, words) in COMMANDS {
        bench.refused(line, *code, words);
    }
    for (flags, code, words) in FLAGS {
        let line = format!("train boltzmann --data bars.csv {flags}");
        bench.refused(&line, *code, words);
    }
    bench.ok("train --data bars.csv --hidden 3 --epochs 1 --out rbm");
    let model = "rbm/model.safetensors";
    bench.refused(
        &format!("sample {model} --spins --out x.npy"),
        2,
        &["--spins", "kind rbm"],
    );
    bench.refused(
        "train boltzmann --resume --out rbm",
        2,
        &["kind rbm, not boltzmann"],
    );
}
