//! Progress on stderr: a bar on a terminal, a plain line now and then elsewhere.

use harmonium::train::Position;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// Without a terminal there is a line after every tenth of the epochs, and at least this often.
const LINE_EVERY: Duration = Duration::from_secs(10);
const LINES: usize = 10;

/// A bar that counts steps; nothing without a terminal.
pub struct Bar(ProgressBar);

/// A bar of work in stages, each with its own name and length.
pub struct Stages {
    bar: Bar,
    stage: &'static str,
}

impl Stages {
    /// Before the first stage.
    pub fn new() -> Self {
        Self {
            bar: Bar::new(1, ""),
            stage: "",
        }
    }

    /// `done` of `all` steps of a stage are done.
    pub fn set(&mut self, stage: &'static str, done: usize, all: usize) {
        if self.stage != stage {
            self.stage = stage;
            self.bar.0.set_prefix(stage);
            self.bar.0.set_length(all as u64);
            self.bar.0.reset_eta();
        }
        self.bar.set(done as u64);
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.bar.clear();
    }
}

impl Bar {
    /// A bar of `length` steps of `what`.
    pub fn new(length: u64, what: &str) -> Self {
        let style = ProgressStyle::with_template(
            "{prefix} {bar:16} {percent:>3}%  ETA {eta:<4} {wide_msg}",
        )
        .expect("the template is valid");
        // Indicatif hides a bar that is not on a terminal.
        let bar = ProgressBar::new(length)
            .with_style(style)
            .with_prefix(what.to_owned());
        Self(bar)
    }

    /// `done` steps are done.
    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// Progress of a stage of a run.
pub struct TrainingProgress {
    bar: Bar,
    stage: String,
    epochs: usize,
    plain: bool,
    last_line: Instant,
}

impl TrainingProgress {
    /// Of a stage of `epochs` epochs of which `position` is done; `stage` is empty where there is
    /// but one.
    pub fn new(stage: &str, epochs: usize, position: Position) -> Self {
        let steps = (epochs as u64).saturating_mul(position.batches as u64);
        let stage = format!("{stage} epoch").trim_start().to_owned();
        let bar = Bar::new(steps, &format!("{stage} {}/{epochs}", position.epoch));
        bar.set(position.updates);
        bar.0.reset_eta();
        Self {
            bar,
            stage,
            epochs,
            plain: !io::stderr().is_terminal(),
            last_line: Instant::now(),
        }
    }

    /// `updates` are done.
    pub fn update(&self, updates: u64) {
        self.bar.set(updates);
    }

    /// An epoch is done, after `seconds` of this stage.
    pub fn epoch(&mut self, epoch: usize, seconds: f64, figures: &str) {
        let (stage, epochs) = (&self.stage, self.epochs);
        let due = epoch.is_multiple_of(epochs.div_ceil(LINES).max(1))
            || epoch == epochs
            || self.last_line.elapsed() >= LINE_EVERY;
        if self.plain && due {
            let left = seconds / epoch.max(1) as f64 * epochs.saturating_sub(epoch) as f64;
            let _ = writeln!(
                io::stderr(),
                "{stage} {epoch}/{epochs}  {figures}  ETA {left:.0} s"
            );
            self.last_line = Instant::now();
        }
        self.bar.0.set_prefix(format!("{stage} {epoch}/{epochs}"));
        self.bar.0.set_message(figures.to_owned());
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.bar.clear();
    }
}
