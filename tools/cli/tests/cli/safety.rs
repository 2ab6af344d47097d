//! No data are lost: interrupts, kills, other runs, other data, full disks, and files that somebody
//! edited.

use crate::common::{Bench, Ran, assert_same};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    process::{Child, ChildStderr, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// A run that does not end.
struct Endless {
    run: Child,
    stderr: BufReader<ChildStderr>,
    /// Its lines so far.
    told: String,
}

impl Endless {
    /// The command `words` with endless epochs by the flag `epochs`, in the directory `run`, stored
    /// for the first time.
    fn new(bench: &Bench, words: &str, epochs: &str) -> Self {
        let mut run = bench
            .command(&format!("{words} {epochs} 100000000"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut endless = Self {
            stderr: BufReader::new(run.stderr.take().unwrap()),
            run,
            told: String::new(),
        };
        // The line of a run that has its directory, and is about to be stored.
        endless.read_to("100000000 epochs");
        let model = bench.path("run/model.safetensors");
        let started = Instant::now();
        while !model.exists() {
            assert!(started.elapsed() < Duration::from_secs(60), "no model");
            sleep(Duration::from_millis(1));
        }
        endless
    }

    fn read_to(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            let n = self.stderr.read_line(&mut line).unwrap();
            assert!(n > 0, "no {words:?} in\n{}", self.told);
            self.told += &line;
            if line.contains(words) {
                return;
            }
        }
    }

    /// Ends it, and it can do nothing about that.
    fn kill(mut self) {
        self.run.kill().unwrap();
        self.run.wait().unwrap();
    }
}

const BARS: &str = "--data bars.csv --batch-size 4";

/// The bytes of a file.
fn read(bench: &Bench, name: &str) -> Vec<u8> {
    fs::read(bench.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Commands that train each kind of machine in a moment, and the flag of their epochs.
const KINDS: [(&str, &str); 4] = [
    (
        "rbm --hidden 4 --method pcd --chains 4 --averaging last:0.5",
        "--epochs",
    ),
    ("boltzmann --hidden 2 --chains 4", "--epochs"),
    (
        "dbn --layers 4,3 --greedy-epochs 2 --up-down-steps 3",
        "--up-down-epochs",
    ),
    (
        "dbm --layers 4,3 --chains 4 --pretraining-epochs 2",
        "--epochs",
    ),
];

#[test]
fn a_run_that_is_killed_is_itself_when_it_is_resumed() {
    for (words, epochs) in KINDS {
        let bench = Bench::new();
        let line = format!("train {words} {BARS}");
        let kind = words.split(' ').next().unwrap();
        bench.ok(&format!("{line} --seed 8 {epochs} 1"));
        let run = Endless::new(&bench, &format!("{line} --seed 3 --force"), epochs);
        run.kill();
        bench.ok(&format!("train {kind} --resume {epochs} 3"));
        bench.ok(&format!("{line} --seed 3 {epochs} 3 --out whole"));
        let models = ["run", "whole"].map(|out| bench.model(&format!("{out}/model.safetensors")));
        assert!(models[0].model == models[1].model, "{kind}");
    }
}

#[test]
fn a_directory_has_one_run_at_a_time() {
    let bench = Bench::new();
    let line = format!("train {BARS} --hidden 4 --out run");
    let run = Endless::new(&bench, &line, "--epochs");
    let metrics = read(&bench, "run/metrics.csv");
    let process = format!("process {}", run.run.id());
    for second in [
        &format!("{line} --force --epochs 1"),
        "train --resume",
        "train dbn --resume",
    ] {
        let words = [
            "run: another run writes to this directory",
            &process,
            "--out",
        ];
        bench.refused(second, 1, &words);
    }
    assert!(read(&bench, "run/metrics.csv").starts_with(&metrics[..20]));
    // The lock ends with its process, however that ends.
    run.kill();
    bench.ok("train --resume --epochs 2");
    // A program that holds the lock and says nothing of itself, such as one on another machine.
    let lock = File::create(bench.path("run/.lock")).unwrap();
    lock.lock().unwrap();
    bench.refused(
        "train --resume",
        1,
        &["another run writes to this directory"],
    );
    drop(lock);
    bench.ok("train --resume --epochs 2");
}

#[test]
fn what_a_killed_run_was_writing_goes_with_the_next() {
    let bench = Bench::new();
    let line = format!("train {BARS} --hidden 4 --epochs 1");
    bench.ok(&line);
    let run = Endless::new(&bench, &line.replace("--epochs 1", "--force"), "--epochs");
    let dead = {
        let id = run.run.id();
        run.kill();
        id
    };
    let strays = [
        "model.safetensors",
        "network.safetensors",
        "metrics.csv",
        "run.json",
    ];
    let strays = strays.map(|name| format!("run/{name}.{dead}.tmp"));
    for name in &strays {
        fs::write(bench.path(name), "cut").unwrap();
    }
    let foreign = format!("run/notes.txt.{dead}.tmp");
    fs::write(bench.path(&foreign), "mine").unwrap();
    bench.ok("train --resume --epochs 1");
    for name in &strays {
        assert!(!bench.path(name).exists(), "{name}");
    }
    assert!(bench.path(&foreign).exists());
}

#[test]
fn resuming_refuses_other_data() {
    for (words, epochs) in KINDS {
        let bench = Bench::new();
        let kind = words.split(' ').next().unwrap();
        bench.ok(&format!("train {words} {BARS} {epochs} 1"));
        let good = read(&bench, "bars.csv");
        let mut other = good.clone();
        let bit = other.iter().rposition(|&x| x == b'0').unwrap();
        other[bit] = b'1';
        fs::write(bench.path("bars.csv"), &other).unwrap();
        let model = read(&bench, "run/model.safetensors");
        let resume = format!("train {kind} --resume {epochs} 2");
        bench.refused(
            &resume,
            1,
            &[
                "run/model.safetensors",
                "other data",
                "fingerprint",
                "bars has",
                "hint: ",
            ],
        );
        assert!(read(&bench, "run/model.safetensors") == model);
        fs::write(bench.path("bars.csv"), &good).unwrap();
        let ran = bench.run(&resume);
        assert_eq!((ran.code, ran.stderr.contains("fingerprint")), (0, false));
        // A file of an earlier version has none.
        let mut old = bench.model("run/model.safetensors");
        old.notes.remove("fingerprint").unwrap();
        old.save(bench.path("run/model.safetensors")).unwrap();
        let ran = bench.run(&format!("train {kind} --resume {epochs} 3"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let lines = ran.stderr.lines();
        let told = lines.filter(|line| line.contains("run/model.safetensors holds no fingerprint"));
        assert_eq!(told.count(), 1, "{}", ran.stderr);
        assert!(
            bench
                .model("run/model.safetensors")
                .notes
                .contains_key("fingerprint")
        );
    }
}

#[test]
fn a_stream_is_known_by_its_size_and_some_of_its_examples() {
    let bench = Bench::new();
    let bytes: Vec<u8> = (0..900).map(|k| u8::from(k * k % 7 < 3)).collect();
    bench.npy("stream.npy", "(100, 9)", &bytes);
    let line = "train --data stream.npy --stream --hidden 4 --batch-size 20";
    bench.ok(&format!("{line} --epochs 1"));
    let mut other = bytes.clone();
    other[450] ^= 1;
    bench.npy("stream.npy", "(100, 9)", &other);
    bench.refused(
        "train --resume --epochs 2",
        1,
        &["other data", "stream.npy has"],
    );
    bench.npy("stream.npy", "(100, 9)", &bytes);
    bench.ok("train --resume --epochs 2");
}

#[test]
fn the_same_run_is_the_same_bytes() {
    for (words, epochs) in KINDS {
        let bench = Bench::drawing();
        let line = format!("train {words} {BARS} {epochs} 2");
        bench.ok(&format!("{line} --out one"));
        bench.ok(&format!("{line} --out two --threads 1"));
        let [one, two] =
            ["one", "two"].map(|out| read(&bench, &format!("{out}/model.safetensors")));
        assert!(one == two, "{words}");
        let notes = bench.model("one/model.safetensors").notes;
        let of_run = |key: &&String| *key == "command" || key.starts_with("seconds");
        assert_eq!(notes.keys().find(of_run), None);
        let run = read(&bench, "two/run.json");
        let run: serde_json::Value = serde_json::from_slice(&run).unwrap();
        assert_eq!(
            run["command"],
            format!("harmonium {line} --out two --threads 1")
        );
        assert!(run["seconds"].as_f64().unwrap() >= 0.0, "{run}");
        let inspected = bench.json("inspect two/model.safetensors --json");
        assert_eq!(inspected["run"], run);
        let table = bench.ok("inspect two/model.safetensors");
        assert!(table.contains("--out two --threads 1") && table.contains("training time"));
    }
}

#[test]
fn files_that_hold_the_time_of_their_run_are_resumed() {
    for (words, epochs) in KINDS {
        let bench = Bench::new();
        let kind = words.split(' ').next().unwrap();
        bench.ok(&format!("train {words} {BARS} {epochs} 1"));
        // As an earlier version wrote it.
        fs::remove_file(bench.path("run/run.json")).unwrap();
        let mut old = bench.model("run/model.safetensors");
        old.notes
            .insert("command".into(), "/old/harmonium train".into());
        let stage = match kind {
            "rbm" | "boltzmann" => "seconds",
            "dbn" => "seconds.up-down",
            _ => "seconds.joint",
        };
        old.notes.insert(stage.into(), "1000.250".into());
        old.save(bench.path("run/model.safetensors")).unwrap();
        bench.ok(&format!("train {kind} --resume {epochs} 2"));
        let run = read(&bench, "run/run.json");
        let run: serde_json::Value = serde_json::from_slice(&run).unwrap();
        assert_eq!(run["command"], "/old/harmonium train");
        assert!(run["seconds"].as_f64().unwrap() >= 1000.25, "{run}");
        let notes = bench.model("run/model.safetensors").notes;
        assert!(!notes.contains_key("command") && !notes.contains_key(stage));
        // What somebody wrote there does no harm.
        for text in ["", "[]", "{\"command\": 1, \"seconds\": -1}"] {
            fs::write(bench.path("run/run.json"), text).unwrap();
            let ran = bench.run(&format!("train {kind} --resume"));
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            assert!(
                ran.stderr.contains("run.json: passed over"),
                "{}",
                ran.stderr
            );
        }
    }
}

/// The program, which may write files of so many half KiB alone.
#[cfg(unix)]
fn limited(bench: &Bench, blocks: usize, words: &str) -> Ran {
    let command = bench.command(words);
    let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let output = std::process::Command::new("sh")
        .args(["-c", &limit])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(bench.path(""))
        .output();
    Ran::from(output.unwrap())
}

#[cfg(unix)]
#[test]
fn rows_that_cannot_be_written_do_not_end_the_run() {
    let bench = Bench::drawing();
    // Its rows are longer than the largest picture.
    let line = "train dbn --layers 4,3 --greedy-epochs 2500 --up-down-epochs 0 --data bars.csv --batch-size 20";
    bench.ok(&format!("{line} --out whole"));
    let size = |name: &str| fs::metadata(bench.path("whole").join(name)).unwrap().len();
    let others = [
        "model.safetensors",
        "filters.png",
        "samples.png",
        "curves.png",
    ];
    let most = others.map(size).into_iter().max().unwrap();
    let blocks = most.div_ceil(512) as usize + 8;
    assert!(
        size("metrics.csv") > 512 * (blocks as u64 + 8),
        "the limit is that of metrics.csv alone"
    );
    let ran = limited(&bench, blocks, line);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for (kind, words) in [("note: ", "the run goes on"), ("error: ", "model is saved")] {
        let lines = ran.stderr.lines().filter(|line| line.starts_with(kind));
        let told = lines.filter(|line| line.contains(words) && line.contains("run/metrics.csv"));
        assert_eq!(told.count(), 1, "{}", ran.stderr);
    }
    assert!(ran.stdout.contains("training time"), "{}", ran.stdout);
    assert!(read(&bench, "run/model.safetensors") == read(&bench, "whole/model.safetensors"));
}

#[test]
fn a_run_that_fails_is_saved_where_it_stands() {
    let bench = Bench::new();
    let line = format!("train {BARS} --hidden 4 --learning-rate 0.05 --trajectory 4");
    bench.ok(&format!("{line} --epochs 2"));
    // A directory stands where the machine of the last update is to be kept.
    let place = bench.path("run/trajectory/update-0000000024.safetensors");
    fs::create_dir(&place).unwrap();
    let resume = "train --resume --epochs 6 --trajectory 4";
    bench.refused(resume, 1, &["update-0000000024", "the run is saved"]);
    let state = bench.model("run/model.safetensors").run.unwrap().position();
    assert_eq!(state.updates, 24);
    fs::remove_dir(&place).unwrap();
    bench.ok("train --resume --epochs 8");
    bench.ok(&format!("{line} --epochs 8 --out whole"));
    assert_same(
        &bench.model("whole/model.safetensors"),
        &bench.model("run/model.safetensors"),
    );
}
