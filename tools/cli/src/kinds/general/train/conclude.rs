//! The end of a run: its machine is measured, the figures are stored with it and told.

use super::{
    super::measure::{Likelihood, Partition},
    Run,
};
use crate::{
    args::Split,
    failure::{Failure, Outcome},
    run::files,
    run::likelihood::{self, DEFAULT_BETAS, DEFAULT_CHAINS},
    show::progress::Bar,
    show::report,
};
use harmonium::evaluate::{Ais, Base, Betas};
use serde_json::{Map, Value, json};
use std::{ops::ControlFlow, time::Instant};

/// Most units that are enumerated at the end.
const ENUMERATED_AT_THE_END: usize = 24;

impl Run<'_> {
    /// Measures the machine, stores the figures with it and reports.
    pub(super) fn conclude(self) -> Outcome<()> {
        let started = Instant::now();
        let (examples, split) = likelihood::examples(&self.data, Split::Test);
        let z = self.partition()?;
        let measured = Likelihood::measure(self.training.model(), examples, split, &z)?;
        let mut object = z.json();
        object.extend(measured.json());
        self.save(&report::figures(&object))?;
        let more = started.elapsed().as_secs_f64();
        if self.args.json {
            self.put(&mut object, more);
            return report::json(object);
        }
        let mut rows = measured.rows();
        rows.push(z.row());
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

    /// `ln Z`, enumerated where that is cheap.
    fn partition(&self) -> Outcome<Partition> {
        let machine = self.training.model();
        let (enumerated, _) = machine.enumerated_units()?;
        let base = || Base::rate_of(&self.data.train);
        let base = (enumerated > ENUMERATED_AT_THE_END).then(base);
        let ais = base.transpose()?.map(|base| Ais {
            chains: DEFAULT_CHAINS,
            betas: Betas::Linear(DEFAULT_BETAS),
            base,
            seed: self.plan.options.learning.seed,
        });
        let bar = Bar::new(DEFAULT_BETAS as u64, "ln Z");
        let z = Partition::measure(machine, ais, &mut |done: usize, all: usize| {
            bar.set((done * DEFAULT_BETAS / all.max(1)) as u64);
            if self.interrupt.asked() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        bar.clear();
        z.map_err(|failure| match self.interrupt.asked() {
            false => failure,
            true => Failure::failed(format!(
                "interrupted while measuring; the trained model is in {}",
                self.files.model.display()
            ))
            .hint(format!("measure it with `{}`", self.resume_command())),
        })
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
