//! Progress on stderr: a bar on a terminal, a plain line now and then elsewhere.

use crate::metrics::Row;
use harmonium::train::Training;
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

impl Bar {
    /// A bar of `length` steps of `what`.
    pub fn new(length: u64, what: &str) -> Self {
        let style = ProgressStyle::with_template(
            "{prefix} {bar:24} {percent:>3}%  ETA {eta:<4} {wide_msg}",
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

/// Progress of a training run.
pub struct TrainingProgress {
    bar: Bar,
    plain: bool,
    last_line: Instant,
}

impl TrainingProgress {
    /// Of a run that has done `training.position().updates` updates already.
    pub fn new(training: &Training) -> Self {
        let position = training.position();
        let epochs = training.options().epochs;
        let bar = Bar::new(epochs as u64 * position.batches as u64, "training");
        bar.set(position.updates);
        bar.0.reset_eta();
        bar.0
            .set_message(format!("epoch {}/{epochs}", position.epoch));
        Self {
            bar,
            plain: !io::stderr().is_terminal(),
            last_line: Instant::now(),
        }
    }

    /// An update is done.
    pub fn update(&self, training: &Training) {
        self.bar.set(training.position().updates);
    }

    /// An epoch is done, after which `row` was measured.
    pub fn epoch(&mut self, training: &Training, row: &Row) {
        let (epoch, epochs) = (training.position().epoch, training.options().epochs);
        let gap = row
            .free_energy_gap
            .map_or(String::new(), |gap| format!("  gap {gap:.2}"));
        let message = format!(
            "epoch {epoch}/{epochs}  {:.1} GCU/s  reconstruction {:.4}  pseudo-likelihood {:.1}{gap}",
            row.gcu_per_second, row.reconstruction_error, row.pseudo_likelihood,
        );
        let due = epoch % epochs.div_ceil(LINES).max(1) == 0
            || epoch == epochs
            || self.last_line.elapsed() >= LINE_EVERY;
        if self.plain && due {
            let rate = row.seconds / epoch.max(1) as f64;
            let left = rate * (epochs - epoch.min(epochs)) as f64;
            let _ = writeln!(io::stderr(), "{message}  ETA {left:.0} s");
            self.last_line = Instant::now();
        }
        self.bar.0.set_message(message);
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.bar.clear();
    }
}
