//! What the tests of the binary share: running it, small data, and reading what it leaves.

#![allow(dead_code)] // each test file uses a part

use harmonium::{checkpoint::Checkpoint, dataset::bars_and_stripes};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// An empty directory in which a test works, with the 16 bars and stripes of side 3 as `bars.csv`.
pub struct Bench {
    directory: TempDir,
    /// Whether runs draw pictures, which are most of the work of a small run.
    draws: bool,
}

impl Bench {
    /// Where runs draw nothing.
    pub fn new() -> Self {
        Self::with_pictures(false)
    }

    /// Where runs draw.
    pub fn drawing() -> Self {
        Self::with_pictures(true)
    }

    fn with_pictures(draws: bool) -> Self {
        let bench = Self {
            directory: tempfile::tempdir().unwrap(),
            draws,
        };
        let examples = bars_and_stripes(3);
        let bits = examples.bits().unwrap();
        let rows = (0..bits.rows()).map(|i| (0..9).map(|j| f32::from(bits.get(i, j))).collect());
        bench.csv("bars.csv", rows);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes rows of numbers.
    pub fn csv(&self, name: &str, rows: impl Iterator<Item = Vec<f32>>) {
        let lines = rows.map(|row| {
            let fields: Vec<String> = row.iter().map(ToString::to_string).collect();
            fields.join(",") + "\n"
        });
        fs::write(self.path(name), lines.collect::<String>()).unwrap();
    }

    /// Writes an array of bytes of a shape such as `(2, 9)`.
    pub fn npy(&self, name: &str, shape: &str, x: &[u8]) {
        let mut header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
        while (10 + header.len() + 1) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(x);
        fs::write(self.path(name), bytes).unwrap();
    }

    /// The program with the words of `line` as arguments, in this directory.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harmonium"));
        let draws_nothing = line.starts_with("train") && !self.draws && !line.contains("--help");
        command
            .current_dir(self.directory.path())
            .args(line.split_whitespace())
            .args(draws_nothing.then_some("--no-pictures"))
            .env_remove("HARMONIUM_ISA")
            .env_remove("HARMONIUM_PRODUCT")
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

    /// Runs what must fail with `code`, one line of error that has all `words`, and nothing on
    /// stdout.
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
    let [of_a, of_b] = [a, b].map(|x| {
        let file = Checkpoint {
            notes: Default::default(),
            ..x.clone()
        };
        file.to_bytes().unwrap()
    });
    // What differs is told first.
    assert_eq!(a.model, b.model);
    assert_eq!(a.run, b.run);
    assert!(of_a == of_b);
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

/// 160 pictures of 4 x 4 units with their labels: rows that are on or off (0) or columns (1), with
/// every seventh unit flipped.
pub fn striped_pictures() -> Vec<(Vec<bool>, u8)> {
    let picture = |k: usize| {
        let class = k % 2;
        let on = 1 + (k / 2) % 14;
        let unit = move |i: usize| {
            let line = if class == 0 { i / 4 } else { i % 4 };
            (on >> line & 1 == 1) != (k * 16 + i).is_multiple_of(29)
        };
        ((0..16).map(unit).collect(), class as u8)
    };
    (0..160).map(picture).collect()
}

/// With [`striped_pictures`] as `striped.csv`.
pub fn with_striped(bench: Bench) -> Bench {
    let head: Vec<String> = (0..16).map(|i| format!("u{i}")).collect();
    let mut text = head.join(",") + ",label\n";
    for (bits, label) in striped_pictures() {
        let fields: Vec<String> = bits.iter().map(|&x| u8::from(x).to_string()).collect();
        text += &format!("{},{label}\n", fields.join(","));
    }
    fs::write(bench.path("striped.csv"), text).unwrap();
    bench
}

/// Runs `words` in the directory `stopped` until a row of `stage` is written, interrupts it, and
/// asserts that it stops in that stage and says how to `resume`.
pub fn stopped_in(bench: &Bench, stage: &str, words: &str, resume: &str) {
    let words = format!("{words} --out stopped");
    // The run gives way to the test on a busy machine, and what interrupts it is there before it is
    // wanted: stages should last some tenths of a second.
    let command = bench.command(&words);
    let child = Command::new("nice")
        .args(["-n", "19"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(bench.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut killer = Command::new("sh")
        .args(["-c", &format!("read go; kill -INT {}", child.id())])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let reached = || {
        let text = fs::read_to_string(bench.path("stopped/metrics.csv"));
        text.is_ok_and(|text| text.lines().any(|line| line.starts_with(stage)))
    };
    while !reached() {
        assert!(started.elapsed() < Duration::from_secs(60), "no {stage}");
        sleep(Duration::from_millis(1));
    }
    let go = killer.stdin.take().unwrap().write_all(b"go\n");
    assert!(go.is_ok() && killer.wait().unwrap().success());
    let ran = Ran::from(child.wait_with_output().unwrap());
    let told = [&format!("interrupted in {stage}"), resume];
    ran.refused(&words, 1, &told.map(|x| x as &str));
}
