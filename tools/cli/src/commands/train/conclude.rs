//! The end of a run: its machine is measured, the figures are stored with it and told.

use super::Run;
use crate::{
    args::Split,
    failure::{Failure, Outcome, note},
    run::classification::Classification,
    run::files,
    run::found::Found,
    run::likelihood,
    run::plan::describe_run,
    run::stopping::Stopping,
    show::figures::Figures,
    show::report,
};
use harmonium::{
    Model,
    evaluate::{pseudo_likelihood, reconstruction_error},
    model::Rbm,
    recipe::Measure,
};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Examples of the exact pseudo-likelihood at the end.
const PSEUDO_LIKELIHOOD_EXAMPLES: usize = 1000;

impl Run<'_> {
    /// Measures the machine, stores the figures with it and reports.
    pub(super) fn conclude(mut self) -> Outcome<()> {
        let started = Instant::now();
        let seed = self.plan.options.learning.seed;
        let machine = self.training.model();
        let drawn = likelihood::drawn(machine.visible(), &self.data, seed);
        if let Some(drawn) = drawn.filter(|_| machine.is_bernoulli()) {
            note("gray values are drawn once as bits to measure the likelihood");
            self.data = drawn;
        }
        let rbm = &self.training.result();
        let measured = self.measure(rbm)?;
        let speed = self.updates_done() as f64 / self.clock.trained / 1e9;
        self.save(&report::figures(measured.object()))?;
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
    fn measure(&self, rbm: &Rbm) -> Outcome<Figures> {
        let seed = self.plan.options.learning.seed;
        let model = Model::from(rbm.clone());
        let how = Measure::at_the_end(&model, seed);
        let (data, interrupt) = (Some(&self.data), Some(&self.interrupt));
        let found = Found::measure(&model, data, Split::Test, &how, seed, interrupt);
        let found = found.map_err(|failure| match self.interrupt.asked() {
            false => failure,
            true => Failure::failed(format!(
                "interrupted while measuring; the trained model is in {}",
                self.files.model.display()
            ))
            .hint(format!("measure it with `{}`", self.resume_command())),
        })?;
        let mut figures = match found.missing {
            None => found.figures(),
            Some(_) => Figures::default(),
        };
        figures.extend(found.classes.iter().map(Classification::figures).collect());
        let (examples, split) = likelihood::part(&self.data, Split::Test);
        if rbm.is_bernoulli() {
            let some = examples.head(PSEUDO_LIKELIHOOD_EXAMPLES);
            let pseudo = pseudo_likelihood(rbm, &some)?;
            let of = format!("of {} {} examples", some.len(), split.name());
            figures.nats("pseudo_likelihood", "pseudo-likelihood", pseudo, of);
        }
        let reconstruction = reconstruction_error(rbm, examples)?;
        figures.put("reconstruction_error", reconstruction).row(
            "reconstruction error",
            format!("{reconstruction:.4}"),
            "mean square a unit",
        );
        Ok(figures)
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
        measured: Figures,
        speed: f64,
        started: Instant,
    ) -> Map<String, Value> {
        let mut object = measured.object().clone();
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

    fn rows(&self, measured: Figures, speed: f64, started: Instant) -> Vec<[String; 3]> {
        let mut rows = measured.rows().to_vec();
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
