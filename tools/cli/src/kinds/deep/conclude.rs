//! The end of a run: the network is measured, the figures are stored with it and told.

use super::{
    fine_tune,
    measure::{LowerBound, Measures},
    name,
    plan::DeepPlan,
    record::{Record, Stage},
};
use crate::{
    args::Split,
    commands::classify::Classification,
    failure::{Outcome, note},
    run::data::Data,
    run::files::{self, Files},
    run::interrupt::Interrupt,
    run::likelihood,
    show::report,
};
use harmonium::{Network, model::Dbn};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Samples of each example's recognition distribution, of the bound at the end.
const BOUND_SAMPLES: usize = 2;

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
        let measures = self.measure(data, interrupt)?;
        let mut object = measures.json();
        record.save(self.stage, &report::single_figures(&object))?;
        let times = Times::of(&record, started);
        if as_json {
            self.put(&mut object, &on, &times);
            return report::json(object);
        }
        let mut rows = measures.rows();
        rows.extend(fine_tuned_rows(self.network.as_ref(), self.files));
        rows.extend(times.rows());
        rows.extend(files::rows(&self.files.named()));
        report::table(&format!("{} on {on}", name(self.dbn)), &rows)
    }

    /// The classes that are found, and the bound of the data as bits.
    fn measure(&self, mut data: Data, interrupt: &Interrupt) -> Outcome<Measures> {
        let seed = self.plan.up_down.learning.seed;
        let classes = {
            let (examples, split) = likelihood::examples(&data, Split::Test);
            Classification::of_dbn(self.dbn, examples, split)?
        };
        if self.dbn.layer(0).units.are_binary() && likelihood::is_gray(&data) {
            note("gray values are drawn once as bits to measure the bound");
            data = likelihood::drawn(data, seed);
        }
        let (examples, split) = likelihood::examples(&data, Split::Test);
        let bound = LowerBound::measure(
            self.dbn,
            &data.train,
            examples,
            BOUND_SAMPLES,
            None,
            seed,
            interrupt,
        )?;
        Ok(Measures {
            count: examples.len(),
            split,
            seed,
            classes,
            bound,
        })
    }

    /// What `--json` tells beside the figures of the network.
    fn put(&self, object: &mut Map<String, Value>, on: &str, times: &Times) {
        let (plan, dbn) = (self.plan, self.dbn);
        let sizes: Vec<usize> = (0..dbn.n_layers()).map(|l| dbn.layer(l).size()).collect();
        let of_layers = plan.greedy.layers.iter();
        let greedy: Vec<Value> = of_layers.map(|x| report::options(&x.options)).collect();
        let fine_tuned = self.network.as_ref().map(|(_, measured)| measured.json());
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
    let of_classes = measured.rows().into_iter();
    let mut rows: Vec<[String; 3]> = of_classes
        .map(|[what, figure, remark]| [format!("fine-tuned, {what}"), figure, remark])
        .collect();
    let path = files.network.display().to_string();
    rows.push(["fine-tuned".into(), path, fine_tune::name(network)]);
    rows
}
