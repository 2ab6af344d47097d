//! `harmonium train dbm`: pretraining, then all layers together, then perhaps backpropagation; can
//! be stopped and resumed at any update of any stage.

use super::{
    super::{
        fine_tune,
        record::{self, Record, Stage},
    },
    conclude::{self, Conclusion},
    plan::DbmPlan,
    posterior::{MACHINE, with_posterior},
};
use crate::{
    args::TrainArgs,
    failure::{Failure, Outcome, note},
    kinds::machine::Machine,
    run::classification::Classification,
    run::data::Data,
    run::directory::Directory,
    run::files::Files,
    run::interrupt::Interrupt,
    run::plan::{contradiction, describe, describe_run},
    show::pictures,
};
use harmonium::{
    Examples, Matrix, Network,
    checkpoint::{Checkpoint, SavedRun},
    model::{Dbm, Layer},
    train::{BackpropOptions, BackpropTraining, DbmTraining, Event, Negative, Stack, StackEvent},
    units::{Kind, Units},
};
use std::collections::BTreeMap;

/// Where a run stands.
pub enum Run {
    /// RBM upon RBM.
    Pretraining(Box<Stack>),
    /// All layers together.
    Joint(Box<DbmTraining>),
}

impl Run {
    /// What learns.
    pub fn stage(&self) -> &dyn Stage {
        match self {
            Self::Pretraining(run) => &**run,
            Self::Joint(run) => &**run,
        }
    }

    fn dbm(&self) -> Outcome<Dbm> {
        Ok(match self {
            Self::Pretraining(run) => run.dbm()?,
            Self::Joint(run) => run.model().clone(),
        })
    }

    /// Whether there is nothing left to do before backpropagation.
    fn is_done(&self, plan: &DbmPlan) -> bool {
        match self {
            Self::Pretraining(run) => plan.joint.learning.epochs == 0 && run.is_finished(),
            Self::Joint(run) => run.position().epoch >= plan.joint.learning.epochs,
        }
    }

    /// A new run, or the one that is stored.
    fn new(plan: &DbmPlan, data: &Examples, stored: Option<Checkpoint>) -> Outcome<Self> {
        let Some(mut checkpoint) = stored else {
            return match &plan.pretraining {
                Some(pretraining) => {
                    let run = Stack::pretraining(pretraining.clone(), data)?;
                    Ok(Self::Pretraining(Box::new(run)))
                }
                None => {
                    let dbm = unconnected(plan, data.columns())?;
                    Self::joint(
                        plan,
                        dbm.initialized_from(data, plan.joint.learning.seed)?,
                        data,
                    )
                }
            };
        };
        if let Some(SavedRun::Dbm(state)) = &mut checkpoint.run {
            state.options = plan.joint.clone();
            return Ok(Self::Joint(Box::new(checkpoint.into_run(data)?)));
        }
        Ok(Self::Pretraining(Box::new(checkpoint.into_stack(data)?)))
    }

    /// All layers together, from `dbm` on.
    fn joint(plan: &DbmPlan, dbm: Dbm, data: &Examples) -> Outcome<Self> {
        let run = DbmTraining::new(dbm, plan.joint.clone(), data)?;
        Ok(Self::Joint(Box::new(run)))
    }
}

/// Runs the command; `stored` is the run to go on with.
///
/// # Errors
/// Options that are wrong or contradict the stored run, those of the data and of the library, an
/// interrupt.
pub fn run(args: &TrainArgs, stored: Option<Checkpoint>, directory: &mut Directory) -> Outcome<()> {
    let interrupt = Interrupt::listen()?;
    let files = Files::in_directory(&args.out);
    let mut plan = match &stored {
        Some(checkpoint) => DbmPlan::resumed(args, checkpoint, &files.model)?,
        None => DbmPlan::fresh(args)?,
    };
    let data = plan.settle()?;
    let mut notes = BTreeMap::new();
    let past = stored.as_ref().map(|x| (&x.notes, &*files.model));
    data.mark(&mut notes, past)?;
    let is_new = stored.is_none();
    let old_notes = stored.as_ref().map(|checkpoint| checkpoint.notes.clone());
    let run = Run::new(&plan, &data.train, stored)?;
    directory.begin(is_new)?;
    let (features, tuned) = stored_network(args, &plan, &run, &data, &files)?;
    let resumed = match (&tuned, &old_notes) {
        (Some((run, notes)), _) => Some((notes, run as &dyn Stage)),
        (None, notes) => notes.as_ref().map(|notes| (notes, run.stage())),
    };
    plan.note(&mut notes);
    let mut record = Record::new(&files, &interrupt, plan.stages(), notes, &data, resumed)?;
    announce(&plan, &data);
    if is_new {
        // Whatever ends the run from here on, --resume goes on with this one.
        record.save(run.stage(), &[])?;
    }
    let resume = format!("harmonium train dbm --resume --out {}", args.out.display());
    let run = learn(
        &plan,
        &data,
        run,
        &mut record,
        &interrupt,
        (&files, &resume),
    )?;
    record.save(run.stage(), &[])?;
    let dbm = run.dbm()?;
    let title = format!("{} on {}", dbm.name(), data.name);
    conclude::filters(&files.filters, &title, &dbm)?;
    conclude::samples(
        &files.samples,
        &title,
        &dbm,
        &data.train,
        plan.joint.learning.seed,
    )?;
    pictures::curves(&files.curves, &title, &record.metrics)?;
    let tuned = tuned.map(|(run, _)| run);
    let network = match &plan.fine_tune {
        None => None,
        Some(options) => {
            let features = match features {
                Some(features) => features,
                None => with_posterior(&dbm, &data)?,
            };
            let places = (&files, resume.as_str());
            let tuned = fine_tuned(
                options,
                &dbm,
                &features,
                tuned,
                &mut record,
                &interrupt,
                places,
            )?;
            pictures::curves(&files.curves, &title, &record.metrics)?;
            Some(tuned)
        }
    };
    record.store_in(&files.model);
    let rows = record.metrics.settle();
    let conclusion = Conclusion {
        plan: &plan,
        stage: run.stage(),
        dbm: &dbm,
        network,
        files: &files,
    };
    conclusion.report(args.json, data, record, &interrupt)?;
    rows
}

/// The run of backpropagation that is stored, if there is one.
type StoredNetwork = (BackpropTraining, BTreeMap<String, String>);

/// The stored stage of backpropagation and the data that it is on, if there is one to go on with.
///
/// # Errors
/// A machine that is to learn more before; those of its file and of the library.
fn stored_network(
    args: &TrainArgs,
    plan: &DbmPlan,
    run: &Run,
    data: &Data,
    files: &Files,
) -> Outcome<(Option<Data>, Option<StoredNetwork>)> {
    if plan.fine_tune.is_none() || !fine_tune::is_stored(args, files) {
        return Ok((None, None));
    }
    if !run.is_done(plan) {
        let flag = format!("--epochs {}", plan.joint.learning.epochs);
        let has = format!("went on to {}, made from it", files.network.display());
        return Err(contradiction(&flag, has));
    }
    let features = with_posterior(&run.dbm()?, data)?;
    let tuned = fine_tune::stored(args, plan.fine_tune.as_ref(), &features, files)?;
    Ok((Some(features), tuned))
}

/// Learns the labels of `features` by the network that starts from the machine, whose file its
/// own file names.
fn fine_tuned<'a>(
    options: &BackpropOptions,
    dbm: &Dbm,
    features: &Data,
    stored: Option<BackpropTraining>,
    record: &mut Record<'a>,
    interrupt: &Interrupt,
    (files, resume): (&'a Files, &str),
) -> Outcome<(Network, Classification)> {
    let machine = files.model.file_name().unwrap_or_default();
    let machine = machine.to_string_lossy().into_owned();
    record.notes.insert(MACHINE.into(), machine);
    let start = |classes| Network::classifier_from_dbm(dbm, classes, options.learning.seed);
    let places = (files, resume);
    let tuned = fine_tune::run(options, features, start, stored, record, interrupt, places)?;
    record.notes.remove(MACHINE);
    Ok(tuned)
}

/// The machine of a run without pretraining, all parameters zero.
fn unconnected(plan: &DbmPlan, n_visible: usize) -> Outcome<Dbm> {
    let sizes = std::iter::once(n_visible).chain(plan.hidden.iter().copied());
    let mut layers: Vec<Layer> = sizes.map(Layer::bernoulli).collect();
    let label = |classes| Layer::new(Units::of(Kind::Softmax, classes));
    layers.extend(plan.classes.map(label));
    let weights = layers.windows(2);
    let weights = weights.map(|x| Matrix::zeros(x[0].size(), x[1].size()));
    let weights: Vec<_> = weights.collect();
    Ok(Dbm::from_parameters(layers, weights)?)
}

/// Says on stderr what is going to happen.
fn announce(plan: &DbmPlan, data: &Data) {
    let sizes: Vec<String> = plan.hidden.iter().map(ToString::to_string).collect();
    let pretraining = plan.pretraining.as_ref().map_or("none".into(), |plan| {
        let of = |l: usize| {
            let options = plan.options_of(l);
            format!(
                "{} epochs of {}",
                options.learning.epochs,
                describe_run(&options)
            )
        };
        (0..plan.hidden.len())
            .map(of)
            .collect::<Vec<_>>()
            .join(", ")
    });
    let joint = &plan.joint;
    let gradient = match joint.centering {
        Some(_) => "the centered gradient",
        None => "the ordinary gradient",
    };
    let phases = match joint.negative {
        Negative::Persistent { chains, steps } => format!("{chains} chains of {steps} sweeps"),
        other => describe(other),
    };
    let label = plan
        .classes
        .map_or(String::new(), |n| format!(", {n} classes"));
    note(format!(
        "deep Boltzmann machine of {} visible units{label}, layers of {}; pretraining: {pretraining}; together: {} epochs by {gradient}, {}; {} training, {} validation and {} test examples; {} threads, {}",
        data.train.columns(),
        sizes.join(", "),
        joint.learning.epochs,
        phases,
        data.train.len(),
        data.validation.as_ref().map_or(0, Examples::len),
        data.test.as_ref().map_or(0, Examples::len),
        harmonium::threads::count(),
        harmonium::simd::isa(),
    ));
}

/// Runs pretraining and the joint stage, or what is left of them.
fn learn(
    plan: &DbmPlan,
    data: &Data,
    mut run: Run,
    record: &mut Record<'_>,
    interrupt: &Interrupt,
    (files, resume): (&Files, &str),
) -> Outcome<Run> {
    loop {
        record.start();
        let outcome = match &mut run {
            Run::Pretraining(run) => run.run(&data.train, |event| match event {
                StackEvent::Update(run) => record.update(run),
                StackEvent::Epoch(run) => record.epoch(run),
                StackEvent::Layer(_) => record.stage(),
            }),
            Run::Joint(run) => run.run(&data.train, |event| match event {
                Event::Update(run) => record.update(run),
                Event::Epoch(run) => record.epoch(run),
            }),
        };
        record.stop(run.stage());
        let ended = outcome.map_err(|e| record::diverged(e, &files.model, "--pretraining-rate"))?;
        record.check(run.stage())?;
        let stage_is_done = match &run {
            Run::Pretraining(run) => run.is_finished(),
            Run::Joint(_) => run.is_done(plan),
        };
        if !stage_is_done || ended.is_stopped() && interrupt.asked() {
            record.save(run.stage(), &[])?;
            let (epoch, epochs) = (run.stage().position().epoch, run.stage().learning().epochs);
            let (stage, saved) = (run.stage().name(), files.model.display());
            return Err(Failure::failed(format!(
                "interrupted in {stage} after {epoch} of {epochs} epochs; the run is saved in {saved}"
            ))
            .hint(format!("go on with `{resume}`")));
        }
        if run.is_done(plan) {
            return Ok(run);
        }
        run = Run::joint(plan, run.dbm()?, &data.train)?;
        record.save(run.stage(), &[])?;
    }
}
