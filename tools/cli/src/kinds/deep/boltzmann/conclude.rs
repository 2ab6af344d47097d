//! What a finished run leaves: pictures, and the bound of the machine with all else that is
//! reported.

use super::{
    super::{
        conclude::{Times, at_the_end, fine_tuned_rows},
        record::{Record, Stage},
    },
    plan::DbmPlan,
};
use crate::{
    failure::{Failure, Outcome},
    kinds::machine::Machine,
    run::classification::Classification,
    run::data::{self, Data},
    run::files::{self, Files},
    run::held::PER_CLASS,
    run::interrupt::Interrupt,
    show::picture::{Color, Sheet},
    show::pictures,
    show::progress::Bar,
    show::report,
};
use harmonium::{
    Binarization, Examples, Model, Network, Rbm,
    model::{Dbm, DbmChain},
};
use serde_json::{Map, Value, json};
use std::{path::Path, time::Instant};

/// Chains of the picture, their sweeps, and training examples beside them.
const FREE: usize = 100;
const SWEEPS: usize = 1000;
const EXAMPLES: usize = 40;
const EXAMPLES_PER_ROW: usize = 4;

/// Weights of the lowest connection.
///
/// # Errors
/// A file that cannot be written.
pub fn filters(path: &Path, title: &str, dbm: &Dbm) -> Outcome<()> {
    let (visible, hidden) = (dbm.layer(0).clone(), dbm.layer(1).clone());
    let first = Rbm::from_parameters([visible, hidden], [dbm.weights(0).clone()])?;
    pictures::filters(path, &format!("{title}, layer 1"), &first)
}

/// The states of chains, and how they came about.
fn chains(dbm: &Dbm, train: &Examples, seed: u64) -> Outcome<(DbmChain, &'static str)> {
    if let Some(classes) = dbm.classes() {
        let labels: Vec<u32> = (0..classes * PER_CLASS)
            .map(|k| (k / PER_CLASS) as u32)
            .collect();
        let chains = dbm.chains(labels.len(), seed)?.with_labels(dbm, &labels)?;
        return Ok((chains, "from fair coins, labels held: a row a class"));
    }
    let starts: Vec<usize> = (0..FREE).map(|k| k % train.len()).collect();
    let start = train.take(&starts);
    let start = start.binarized(Binarization::Sampled, seed, 0);
    let Some(start) = start.bits().cloned() else {
        return Err(Failure::failed("training examples have no bits"));
    };
    let chains = dbm.chains_from(start, seed)?;
    Ok((chains, "from training examples"))
}

/// Chains, with labels a row a class, beside training examples.
///
/// # Errors
/// Those of the library; a file that cannot be written.
pub fn samples(path: &Path, title: &str, dbm: &Dbm, train: &Examples, seed: u64) -> Outcome<()> {
    let (mut chains, what) = chains(dbm, train, seed)?;
    let bar = Bar::new(SWEEPS as u64, "sampling");
    for k in 0..SWEEPS {
        chains.sweep(dbm, 1, 1.0)?;
        bar.set(k as u64 + 1);
    }
    bar.clear();
    let means = dbm.mean_v_from_h(chains.states()[1].view(), 1.0)?;
    let n = dbm.n_visible();
    let caption = format!("E[v | h] after {SWEEPS} Gibbs sweeps of all layers {what}");
    let pages = [
        pictures::grid(&pictures::rows(&means), n, PER_CLASS, Color::Gray)?
            .headed("fantasies", &caption),
        pictures::grid(
            &data::rows(train, EXAMPLES),
            n,
            EXAMPLES_PER_ROW,
            Color::Gray,
        )?
        .headed("training examples", "as the machine sees them"),
    ];
    Sheet::page(title, &pages)?.write_png(path)?;
    Ok(())
}

/// A finished run.
pub struct Conclusion<'a> {
    /// What it did.
    pub plan: &'a DbmPlan,
    /// Where it stands.
    pub stage: &'a dyn Stage,
    /// The machine.
    pub dbm: &'a Dbm,
    /// The network that started from it, and what it makes of the test part.
    pub network: Option<(Network, Classification)>,
    /// Its files.
    pub files: &'a Files,
}

impl Conclusion<'_> {
    /// Measures the machine, stores the figures with it and reports.
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
        let seed = self.plan.joint.learning.seed;
        let model = Model::from(self.dbm.clone());
        let figures = at_the_end(&model, &data, seed, interrupt)?;
        let mut object = figures.object().clone();
        record.save(self.stage, &report::single_figures(&object))?;
        let times = Times::of(&record, started);
        if as_json {
            self.put(&mut object, &data, &times);
            return report::json(object);
        }
        let mut rows = figures.rows().to_vec();
        rows.extend(fine_tuned_rows(self.network.as_ref(), self.files));
        rows.extend(times.rows());
        rows.extend(files::rows(&self.files.named()));
        report::table(&format!("{} on {}", self.dbm.name(), data.name), &rows)
    }

    /// What `--json` tells beside the figures of the machine.
    fn put(&self, object: &mut Map<String, Value>, data: &Data, times: &Times) {
        let sizes: Vec<usize> = self.dbm.layers().iter().map(|x| x.size()).collect();
        let pretraining = self.plan.pretraining.as_ref().map(|plan| {
            let of = |l: usize| report::options(&plan.options_of(l));
            (0..plan.hidden.len()).map(of).collect::<Vec<_>>()
        });
        let fine_tuned = self
            .network
            .as_ref()
            .map(|(_, measured)| measured.figures().object().clone());
        for (key, value) in [
            ("stages", times.json().into()),
            ("seconds", json!(times.seconds)),
            ("evaluation_seconds", json!(times.measuring)),
            ("data", json!(data.name)),
            ("layers", json!(sizes)),
            ("classes", json!(self.dbm.classes())),
            ("pretraining", json!(pretraining)),
            (
                "joint",
                report::read(serde_json::to_string(&self.plan.joint)),
            ),
            (
                "fine_tune",
                report::read(serde_json::to_string(&self.plan.fine_tune)),
            ),
            ("fine_tuned", json!(fine_tuned)),
            ("files", files::json(&self.files.named()).into()),
        ] {
            object.insert(key.into(), value);
        }
    }
}
