//! Time and talk of the stages of a deep machine.

use super::{DEVIATIONS, Figure, LINE_EVERY, Part, Setting};
use crate::failure::{Failure, Outcome};
use harmonium::train::Ended;
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// Seconds of learning, and lines about it.
pub(super) struct Clock<'a> {
    pub(super) setting: &'a Setting,
    seconds: f64,
    since: Option<Instant>,
    told: Instant,
}

impl<'a> Clock<'a> {
    pub(super) fn new(setting: &'a Setting) -> Self {
        let told = Instant::now();
        Self {
            setting,
            seconds: 0.0,
            since: None,
            told,
        }
    }

    pub(super) fn go(&mut self) {
        self.since = Some(Instant::now());
    }

    pub(super) fn stop(&mut self) {
        let spent = self
            .since
            .take()
            .as_ref()
            .map_or(Duration::ZERO, Instant::elapsed);
        self.seconds += spent.as_secs_f64();
    }

    pub(super) fn flow(&self) -> ControlFlow<()> {
        if self.setting.interrupt.asked() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Writes a line now and then, and if it is `due`; `more` costs no time of learning.
    pub(super) fn tell(
        &mut self,
        due: bool,
        text: &str,
        more: impl FnOnce() -> Outcome<String>,
    ) -> Outcome<()> {
        if !due && self.told.elapsed() < LINE_EVERY {
            return Ok(());
        }
        self.stop();
        let line = format!("{text}, {:.0} s  {}", self.seconds, more()?);
        let _ = writeln!(io::stderr(), "{}", line.trim_end());
        self.told = Instant::now();
        self.go();
        Ok(())
    }

    /// Seconds of learning that were measured elsewhere.
    pub(super) fn add_seconds(&mut self, seconds: f64) {
        self.seconds += seconds;
    }

    /// Seconds of learning up to the last [`Self::stop`].
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Seconds of learning since the last call.
    pub(super) fn take_seconds(&mut self) -> f64 {
        std::mem::take(&mut self.seconds)
    }

    /// Why a run ended before its time, if it did.
    pub(super) fn check(&self, ended: Ended, failure: Option<Failure>) -> Outcome<()> {
        if let Some(failure) = failure {
            return Err(failure);
        }
        if ended.is_stopped() {
            return Err(Failure::failed("interrupted while training"));
        }
        Ok(())
    }

    /// Test error, beside the published one, and held-out error if there is one; shares and numbers
    /// of examples.
    pub(super) fn part(
        &mut self,
        name: &str,
        published: f64,
        errors: impl IntoIterator<Item = (f64, usize)>,
        options: Value,
    ) -> Part {
        let names = [("test error", Some(published)), ("validation error", None)];
        let figures = names
            .into_iter()
            .zip(errors)
            .map(|((what, published), (p, n))| {
                let deviation = (p * (1.0 - p) / n.max(1) as f64).sqrt();
                let [low, high] = [-1.0, 1.0].map(|s| 100.0 * (p + s * DEVIATIONS * deviation));
                Figure {
                    what,
                    published,
                    measured: 100.0 * p,
                    interval: (low.max(0.0), high),
                    unit: "%",
                    remark: format!("{n} examples, 3 binomial standard errors"),
                    of_seeds: Vec::new(),
                }
            });
        Part {
            name: name.into(),
            recipe: json!({"options": options}),
            figures: figures.collect(),
            seconds: self.take_seconds(),
        }
    }
}
