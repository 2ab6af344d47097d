//! Signals to runs: what is asked for, what is ignored, and what ends a run at once.

#![cfg(unix)]

use crate::common::{Bench, Ran};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Long enough for whatever a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that listens to signals and waits for its data.
struct Waiting {
    run: Child,
    pipe: File,
}

impl Waiting {
    /// The run of `words` on the data `pipe.csv`, started by a shell after `first`.
    fn new(bench: &Bench, first: &str, words: &str) -> Self {
        let path = bench.path("pipe.csv");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let command = bench.command(words);
        let run = Command::new("sh")
            .args(["-c", &format!("{first}; exec \"$0\" \"$@\"")])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(bench.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = opened_by_a_reader(path);
        Self { run, pipe }
    }

    /// Sends signals, in this order.
    fn send(&self, signals: &[&str]) {
        let kill = |signal: &&str| format!("kill -{signal} {}", self.run.id());
        let all: Vec<String> = signals.iter().map(kill).collect();
        let sent = Command::new("sh").args(["-c", &all.join("; ")]).status();
        assert!(sent.unwrap().success());
    }

    /// Gives it the bars and stripes, and waits for its end.
    fn go(mut self, bench: &Bench) -> Ran {
        let bars = fs::read(bench.path("bars.csv")).unwrap();
        self.pipe.write_all(&bars).unwrap();
        drop(self.pipe);
        Ran::from(self.run.wait_with_output().unwrap())
    }
}

/// The end of a pipe to write to, which can be had once the program has opened the other end.
fn opened_by_a_reader(path: PathBuf) -> File {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(OpenOptions::new().write(true).open(path).unwrap()));
    receiver.recv_timeout(PATIENCE).expect("nobody reads")
}

#[test]
fn a_run_without_a_terminal_goes_on() {
    let bench = Bench::new();
    let words = "train --data pipe.csv --hidden 4 --epochs 3";
    // As nohup does it.
    let run = Waiting::new(&bench, "trap '' HUP", words);
    run.send(&["HUP", "HUP"]);
    let ran = run.go(&bench);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn signals_that_come_again_do_not_cut_the_save() {
    let bench = Bench::new();
    let words = "train --data pipe.csv --hidden 4 --epochs 100000000";
    let run = Waiting::new(&bench, ":", words);
    run.send(&["HUP", "HUP", "TERM", "HUP", "TERM", "TERM"]);
    let told = ["interrupted in epoch", "run/model.safetensors"];
    run.go(&bench).refused(words, 1, &told);
    assert!(bench.model("run/model.safetensors").run.is_some());
}

#[test]
fn ctrl_c_ends_the_program_when_it_comes_again_a_second_later() {
    let bench = Bench::new();
    let mut waiting = Waiting::new(&bench, ":", "train --data pipe.csv --hidden 4 --epochs 1");
    let started = Instant::now();
    let ended = loop {
        waiting.send(&["INT"]);
        if let Some(ended) = waiting.run.try_wait().unwrap() {
            break ended;
        }
        assert!(started.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(ended.code(), Some(130));
    assert!(started.elapsed() >= Duration::from_secs(1));
}
