//! What the tests of the binary share: running it, small data, and reading what it leaves.

#![allow(dead_code)] // each test file uses a part

use harmonium::{checkpoint::Checkpoint, dataset::bars_and_stripes};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

/// An empty directory in which a test works, with the 16 bars and stripes of side 3 as `bars.csv`.
pub struct Bench(TempDir);

impl Bench {
    pub fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        let examples = bars_and_stripes(3);
        let bits = examples.bits().unwrap();
        let rows = (0..bits.rows()).map(|i| (0..9).map(|j| f32::from(bits.get(i, j))).collect());
        bench.csv("bars.csv", rows);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes rows of numbers.
    pub fn csv(&self, name: &str, rows: impl Iterator<Item = Vec<f32>>) {
        let lines = rows.map(|row| {
            let fields: Vec<String> = row.iter().map(ToString::to_string).collect();
            fields.join(",") + "\n"
        });
        fs::write(self.path(name), lines.collect::<String>()).unwrap();
    }

    /// The program with the words of `line` as arguments, in this directory.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harmonium"));
        command
            .current_dir(self.0.path())
            .args(line.split_whitespace())
            .env_remove("HARMONIUM_ISA")
            .env_remove("HARMONIUM_GEMM");
        command
    }

    pub fn run(&self, line: &str) -> Ran {
        Ran::from(self.command(line).output().unwrap())
    }

    /// Runs what must succeed and returns stdout.
    pub fn ok(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{line}\n{}", ran.stderr);
        ran.stdout
    }

    /// Runs what must succeed and print one JSON object.
    pub fn json(&self, line: &str) -> Value {
        let value: Value = serde_json::from_str(&self.ok(line)).unwrap();
        assert!(value.is_object());
        value
    }

    /// Runs what must fail with `code`, one line of error that has all `words`, and nothing on stdout.
    pub fn refused(&self, line: &str, code: i32, words: &[&str]) {
        self.run(line).refused(line, code, words);
    }

    pub fn model(&self, name: &str) -> Checkpoint {
        Checkpoint::load(self.path(name)).unwrap()
    }
}

/// What a run of the program left.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal ended the program"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    pub fn refused(&self, line: &str, code: i32, words: &[&str]) {
        let Self { stderr, .. } = self;
        assert_eq!(self.code, code, "{line}\n{stderr}");
        assert_eq!(self.stdout, "", "{line}");
        let errors: Vec<&str> = stderr
            .lines()
            .filter(|l| l.starts_with("error: "))
            .collect();
        assert_eq!(errors.len(), 1, "{line}\n{stderr}");
        for word in words {
            assert!(stderr.contains(word), "{line}: no {word:?} in\n{stderr}");
        }
        assert!(!stderr.contains("panicked"), "{line}\n{stderr}");
    }
}

/// Asserts that two model files hold the same machine and the same state of the run, bit for bit.
pub fn assert_same(a: &Checkpoint, b: &Checkpoint) {
    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let elements = |c: &Checkpoint| {
        let weights: Vec<f32> = c.rbm().unwrap().weights().elements().collect();
        bits(&weights)
    };
    assert_eq!(elements(a), elements(b));
    assert_eq!(
        bits(&a.rbm().unwrap().visible().bias),
        bits(&b.rbm().unwrap().visible().bias)
    );
    assert_eq!(
        bits(&a.rbm().unwrap().hidden().bias),
        bits(&b.rbm().unwrap().hidden().bias)
    );
    assert_eq!(a.training, b.training);
}

/// The epochs of the rows of a `metrics.csv`.
pub fn epochs(path: &Path) -> Vec<usize> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap(),
        "epoch,seconds,learning_rate,gcu_per_second,reconstruction_error,pseudo_likelihood,free_energy_gap"
    );
    lines
        .map(|line| line.split(',').next().unwrap().parse().unwrap())
        .collect()
}
