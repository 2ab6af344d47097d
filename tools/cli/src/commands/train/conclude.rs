//! The end of a run: its machine is measured, the figures are stored with it and told.

use super::Run;
use crate::{
    args::Split,
    commands::classify::Classification,
    failure::{Failure, Outcome, note},
    run::files,
    run::likelihood::{self, Annealing, Likelihood, Way},
    run::plan::describe_run,
    run::stopping::Stopping,
    show::progress::Stages,
    show::report,
};
use harmonium::{
    dataset::Examples,
    evaluate::{pseudo_likelihood, reconstruction_error},
    model::Rbm,
};
use serde_json::{Map, Value, json};
use std::{ops::ControlFlow, time::Instant};

/// Examples of the exact pseudo-likelihood at the end.
const PSEUDO_LIKELIHOOD_EXAMPLES: usize = 1000;
/// Machines whose smaller layer is at most this large are measured exactly at the end.
const EXACT_UNITS: usize = 25;

/// The figures of the machine, for JSON and for the table.
#[derive(Default)]
struct Measured {
    object: Map<String, Value>,
    rows: Vec<[String; 3]>,
    reconstruction: f64,
}

impl Run<'_> {
    /// Measures the machine, stores the figures with it and reports.
    pub(super) fn conclude(mut self) -> Outcome<()> {
        let started = Instant::now();
        let seed = self.plan.options.learning.seed;
        if self.training.model().is_bernoulli() && likelihood::is_gray(&self.data) {
            note("gray values are drawn once as bits to measure the likelihood");
            self.data = likelihood::drawn(self.data, seed);
        }
        let rbm = &self.training.result();
        let measured = self.measure(rbm)?;
        let speed = self.updates_done() as f64 / self.clock.trained / 1e9;
        self.save(&report::figures(&measured.object))?;
        if self.args.json {
            report::json(self.json(rbm, measured, speed, started))
        } else {
            let title = format!(
                "{}, {} epochs of {}",
                self.name(),
                self.training.position().epoch,
                describe_run(&self.plan.options)
            );
            report::table(&title, &self.rows(measured, speed, started))
        }
    }

    /// All figures of the test part.
    fn measure(&self, rbm: &Rbm) -> Outcome<Measured> {
        let (examples, split) = likelihood::examples(&self.data, Split::Test);
        let mut measured = Measured::default();
        if let Some(found) = self.likelihood(rbm, examples, split)? {
            measured.object.extend(found.json());
            measured.rows.extend(found.rows());
        }
        if let Some(group) = rbm.label_group() {
            let pixels = examples.first_columns(group.first);
            if let Some(classified) = Classification::measure(rbm, &pixels, split)? {
                measured.object.extend(classified.json());
                measured.rows.extend(classified.rows());
            }
        }
        if rbm.is_bernoulli() {
            let some = examples.head(PSEUDO_LIKELIHOOD_EXAMPLES);
            let pseudo = pseudo_likelihood(rbm, &some)?;
            measured
                .object
                .insert("pseudo_likelihood".into(), json!(pseudo));
            measured.rows.push([
                "pseudo-likelihood".into(),
                format!("{pseudo:.2} nats"),
                format!("of {} {} examples", some.len(), split.name()),
            ]);
        }
        measured.reconstruction = reconstruction_error(rbm, examples)?;
        measured.object.insert(
            "reconstruction_error".into(),
            json!(measured.reconstruction),
        );
        Ok(measured)
    }

    /// The likelihood, if the machine is small or of bits.
    fn likelihood(
        &self,
        rbm: &Rbm,
        examples: &Examples,
        split: Split,
    ) -> Outcome<Option<Likelihood>> {
        let seed = self.plan.options.learning.seed;
        let way = if likelihood::is_small(rbm, EXACT_UNITS) {
            Way::Exact
        } else if rbm.is_bernoulli() {
            Way::Annealing(Annealing::both_ways(rbm, &self.data.train, seed)?)
        } else {
            return Ok(None);
        };
        let mut bar = Stages::new();
        let measured = Likelihood::measure(rbm, examples, split, &way, &mut |stage, done, all| {
            bar.set(stage, done, all);
            if self.interrupt.asked() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        bar.clear();
        measured
            .map(Some)
            .map_err(|failure| match self.interrupt.asked() {
                false => failure,
                true => Failure::failed(format!(
                    "interrupted while measuring; the trained model is in {}",
                    self.files.model.display()
                ))
                .hint(format!("measure it with `{}`", self.resume_command())),
            })
    }

    /// Connection updates of all epochs; what a file claims to have been done beyond them counts
    /// for nothing.
    fn updates_done(&self) -> u64 {
        let epochs = self.plan.options.learning.epochs;
        (0..self.training.position().epoch.min(epochs))
            .map(|epoch| self.training.connection_updates_in_epoch(epoch))
            .fold(0, u64::saturating_add)
    }

    fn json(
        &self,
        rbm: &Rbm,
        measured: Measured,
        speed: f64,
        started: Instant,
    ) -> Map<String, Value> {
        let mut object = measured.object;
        let position = self.training.position();
        for (key, value) in [
            ("epochs", json!(position.epoch)),
            ("updates", json!(position.updates)),
            ("seconds", json!(self.clock.trained)),
            ("evaluation_seconds", json!(started.elapsed().as_secs_f64())),
            ("gcu_per_second", json!(speed)),
            ("data", json!(self.data.name)),
            ("n_visible", json!(rbm.n_visible())),
            ("n_hidden", json!(rbm.n_hidden())),
            ("options", report::options(&self.plan.options)),
            ("files", files::json(&self.files.named()).into()),
        ] {
            object.insert(key.into(), value);
        }
        object
    }

    fn rows(&self, measured: Measured, speed: f64, started: Instant) -> Vec<[String; 3]> {
        let mut rows = measured.rows;
        rows.push([
            "reconstruction error".into(),
            format!("{:.4}", measured.reconstruction),
            "mean square a unit".into(),
        ]);
        if let Some((score, epoch)) = self.stopping.as_ref().and_then(Stopping::best) {
            rows.push([
                "best epoch".into(),
                epoch.to_string(),
                format!("{score:.4} held out; {}", self.files.best.display()),
            ]);
        }
        rows.push([
            "training time".into(),
            format!("{:.1} s", self.clock.trained),
            format!("{:.1} s more to measure", started.elapsed().as_secs_f64()),
        ]);
        rows.push([
            "throughput".into(),
            format!("{speed:.1} GCU/s"),
            "10^9 connection updates a second".into(),
        ]);
        rows.extend(files::rows(&self.files.named()));
        rows
    }
}
