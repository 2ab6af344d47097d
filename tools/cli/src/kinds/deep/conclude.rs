//! The end of a run: the network is measured, the figures are stored with it and told.

use super::{
    plan::DeepPlan,
    record::{Record, Stage},
};
use crate::{
    args::Split,
    failure::{Outcome, note},
    kinds::machine::Machine,
    run::classification::Classification,
    run::data::Data,
    run::files::{self, Files},
    run::found::Found,
    run::interrupt::Interrupt,
    show::figures::Figures,
    show::report,
};
use harmonium::{Model, Network, model::Dbn, recipe::Measure};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// A finished run.
pub struct Conclusion<'a> {
    /// What it did.
    pub plan: &'a DeepPlan,
    /// Where it stands.
    pub stage: &'a dyn Stage,
    /// The deep belief network.
    pub dbn: &'a Dbn,
    /// The network that started from it, and what it makes of the test part.
    pub network: Option<(Network, Classification)>,
    /// Its files.
    pub files: &'a Files,
}

impl Conclusion<'_> {
    /// Measures the network, stores the figures with it and reports.
    ///
    /// # Errors
    /// Those of the library; a file that cannot be written; an interrupt.
    pub fn report(
        &self,
        as_json: bool,
        data: Data,
        mut record: Record<'_>,
        interrupt: &Interrupt,
    ) -> Outcome<()> {
        let started = Instant::now();
        let on = data.name.clone();
        let model = Model::from(self.dbn.clone());
        let figures = at_the_end(&model, &data, self.plan.up_down.learning.seed, interrupt)?;
        let mut object = figures.object().clone();
        record.save(self.stage, &report::single_figures(&object))?;
        let times = Times::of(&record, started);
        if as_json {
            self.put(&mut object, &on, &times);
            return report::json(object);
        }
        let mut rows = figures.rows().to_vec();
        rows.extend(fine_tuned_rows(self.network.as_ref(), self.files));
        rows.extend(times.rows());
        rows.extend(files::rows(&self.files.named()));
        report::table(&format!("{} on {on}", self.dbn.name()), &rows)
    }

    /// What `--json` tells beside the figures of the network.
    fn put(&self, object: &mut Map<String, Value>, on: &str, times: &Times) {
        let (plan, dbn) = (self.plan, self.dbn);
        let sizes: Vec<usize> = (0..dbn.n_layers()).map(|l| dbn.layer(l).size()).collect();
        let of_layers = plan.greedy.layers.iter();
        let greedy: Vec<Value> = of_layers.map(|x| report::options(&x.options)).collect();
        let fine_tuned = self
            .network
            .as_ref()
            .map(|(_, measured)| measured.figures().object().clone());
        for (key, value) in [
            ("stages", times.json().into()),
            ("seconds", json!(times.seconds)),
            ("evaluation_seconds", json!(times.measuring)),
            ("data", json!(on)),
            ("layers", json!(sizes)),
            ("classes", json!(plan.greedy.classes)),
            ("greedy", json!(greedy)),
            (
                "up_down",
                report::read(serde_json::to_string(&plan.up_down)),
            ),
            (
                "fine_tune",
                report::read(serde_json::to_string(&plan.fine_tune)),
            ),
            ("fine_tuned", json!(fine_tuned)),
            ("files", files::json(&self.files.named()).into()),
        ] {
            object.insert(key.into(), value);
        }
    }
}

/// What is told of a machine at the end of its training.
///
/// # Errors
/// Those of the library; an interrupt.
pub fn at_the_end(
    model: &Model,
    data: &Data,
    seed: u64,
    interrupt: &Interrupt,
) -> Outcome<Figures> {
    let how = Measure::at_the_end(model, seed);
    let found = Found::measure(model, Some(data), Split::Test, &how, seed, Some(interrupt))?;
    if let Some(missing) = &found.missing {
        note(format!("no lower bound: {missing}"));
    }
    let mut figures: Figures = found.classes.iter().map(Classification::figures).collect();
    figures.extend(found.figures());
    Ok(figures)
}

/// The time that a run took.
pub struct Times {
    /// Stages with their epochs and seconds, in the order of training.
    stages: Vec<(String, usize, f64)>,
    /// Of training.
    pub seconds: f64,
    /// Seconds after that.
    pub measuring: f64,
}

impl Times {
    /// Of the stages of a run that has been measured since `started`.
    pub fn of(record: &Record<'_>, started: Instant) -> Self {
        let seconds = |stage: &str| record.seconds.get(stage).copied().unwrap_or(0.0);
        let stages = record.stages.iter();
        Self {
            stages: stages
                .map(|(stage, epochs)| (stage.clone(), *epochs, seconds(stage)))
                .collect(),
            seconds: record.seconds.values().sum(),
            measuring: started.elapsed().as_secs_f64(),
        }
    }

    /// Seconds of the stages.
    pub fn json(&self) -> Map<String, Value> {
        let stages = self.stages.iter();
        stages
            .map(|(stage, _, seconds)| (stage.clone(), json!(seconds)))
            .collect()
    }

    /// The rows of a table.
    pub fn rows(&self) -> Vec<[String; 3]> {
        let stages = self.stages.iter().map(|(stage, epochs, seconds)| {
            [
                format!("time of {stage}"),
                format!("{seconds:.1} s"),
                format!("{epochs} epochs"),
            ]
        });
        let whole = [
            "training time".into(),
            format!("{:.1} s", self.seconds),
            format!("{:.1} s more to measure", self.measuring),
        ];
        stages.chain([whole]).collect()
    }
}

/// The rows of a table that tell of the network of the last stage, if there was one.
pub fn fine_tuned_rows(
    network: Option<&(Network, Classification)>,
    files: &Files,
) -> Vec<[String; 3]> {
    let Some((network, measured)) = network else {
        return Vec::new();
    };
    let mut rows = measured.figures().rows().to_vec();
    for [what, ..] in &mut rows {
        *what = format!("fine-tuned, {what}");
    }
    let path = files.network.display().to_string();
    rows.push(["fine-tuned".into(), path, network.name()]);
    rows
}
