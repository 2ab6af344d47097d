//! The end of a run: its machine is measured, the figures are stored with it and told.

use super::Run;
use crate::{
    args::Split,
    failure::{Failure, Outcome},
    run::files,
    run::found::Found,
    show::figures::Figures,
    show::report,
};
use harmonium::{Model, recipe::Measure};
use serde_json::{Map, Value, json};
use std::time::Instant;

impl Run<'_> {
    /// Measures the machine, stores the figures with it and reports.
    pub(super) fn conclude(self) -> Outcome<()> {
        let started = Instant::now();
        let figures = self.figures()?;
        let mut object = figures.object().clone();
        self.save(&report::figures(&object))?;
        let more = started.elapsed().as_secs_f64();
        if self.args.json {
            self.put(&mut object, more);
            return report::json(object);
        }
        let mut rows = figures.rows().to_vec();
        rows.push([
            "training time".into(),
            format!("{:.1} s", self.seconds),
            format!("{more:.1} s more to measure"),
        ]);
        rows.extend(files::rows(&self.files.named_of_general()));
        let title = format!(
            "{}, {} epochs of {}",
            self.name(),
            self.training.position().epoch,
            self.plan.describe()
        );
        report::table(&title, &rows)
    }

    /// All that is measured of the machine.
    fn figures(&self) -> Outcome<Figures> {
        let model = Model::from(self.training.model().clone());
        let seed = self.plan.options.learning.seed;
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
        Ok(found.figures())
    }

    /// What `--json` tells beside the figures of the machine.
    fn put(&self, object: &mut Map<String, Value>, more: f64) {
        let (machine, position) = (self.training.model(), self.training.position());
        let options = report::read(serde_json::to_string(&self.plan.options));
        for (key, value) in [
            ("epochs", json!(position.epoch)),
            ("updates", json!(position.updates)),
            ("seconds", json!(self.seconds)),
            ("evaluation_seconds", json!(more)),
            ("data", json!(self.data.name)),
            ("n_visible", json!(machine.n_visible())),
            ("n_hidden", json!(machine.n_hidden())),
            ("options", options),
            ("files", files::json(&self.files.named_of_general()).into()),
        ] {
            object.insert(key.into(), value);
        }
    }
}
