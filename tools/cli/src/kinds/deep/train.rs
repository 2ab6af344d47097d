//! `harmonium train dbn`: greedy stages, then the up-down algorithm; can be stopped and resumed at
//! any update of any stage.

use super::{
    conclude::Conclusion,
    fine_tune,
    plan::DeepPlan,
    record::{self, Record, Stage},
    sample,
};
use crate::{
    args::TrainArgs,
    failure::{Failure, Outcome, note},
    kinds::machine::Machine,
    run::data::Data,
    run::directory::Directory,
    run::files::Files,
    run::interrupt::Interrupt,
    run::plan::describe_run,
    show::pictures,
};
use harmonium::{
    Network,
    checkpoint::{Checkpoint, SavedRun},
    dataset::Examples,
    model::{Dbn, Rbm},
    train::{Event, Stack, StackEvent, UpDownTraining},
};
use std::{collections::BTreeMap, path::Path};

/// Where a run stands.
enum Run {
    Greedy(Box<Stack>),
    UpDown(Box<UpDownTraining>),
}

impl Run {
    fn stage(&self) -> &dyn Stage {
        match self {
            Self::Greedy(run) => &**run,
            Self::UpDown(run) => &**run,
        }
    }

    fn dbn(&self) -> Outcome<Dbn> {
        Ok(match self {
            Self::Greedy(run) => run.dbn()?,
            Self::UpDown(run) => run.model().clone(),
        })
    }

    /// A new run, or the one that is stored.
    fn new(plan: &DeepPlan, data: &Data, stored: Option<Checkpoint>) -> Outcome<Self> {
        let train = &data.train;
        let Some(mut checkpoint) = stored else {
            let units = plan.visible(train.columns())?;
            let run = Stack::greedy(plan.greedy.clone(), units, train)?;
            return Ok(Self::Greedy(Box::new(run)));
        };
        if let Some(SavedRun::UpDown(state)) = &mut checkpoint.run {
            state.options = plan.up_down.clone();
            return Ok(Self::UpDown(Box::new(checkpoint.into_run(train)?)));
        }
        Ok(Self::Greedy(Box::new(checkpoint.into_stack(train)?)))
    }
}

/// Runs the command; `stored` is the run to go on with.
pub fn run(args: &TrainArgs, stored: Option<Checkpoint>, directory: &mut Directory) -> Outcome<()> {
    let interrupt = Interrupt::listen()?;
    let files = Files::in_directory(&args.out);
    let mut plan = match &stored {
        Some(checkpoint) => DeepPlan::resumed(args, checkpoint, &files.model)?,
        None => DeepPlan::fresh(args)?,
    };
    let data = plan.settle()?;
    let mut notes = BTreeMap::new();
    let past = stored.as_ref().map(|x| (&x.notes, &*files.model));
    data.mark(&mut notes, past)?;
    let is_new = stored.is_none();
    let old_notes = stored.as_ref().map(|checkpoint| checkpoint.notes.clone());
    let run = Run::new(&plan, &data, stored)?;
    directory.begin(is_new)?;
    let tuned = fine_tune::stored(args, plan.fine_tune.as_ref(), &data, &files)?;
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
    let run = learn(args, &plan, &data, run, &mut record, &interrupt, &files)?;
    record.save(run.stage(), &[])?;
    let dbn = run.dbn()?;
    let title = format!("{} on {}", dbn.name(), data.name);
    let seed = plan.up_down.learning.seed;
    filters(&files.filters, &title, &dbn)?;
    sample::pictures(&files.samples, &title, &dbn, &data.train, seed)?;
    pictures::curves(&files.curves, &title, &record.metrics)?;
    let tuned = tuned.map(|(run, _)| run);
    let network = match &plan.fine_tune {
        None => None,
        Some(options) => {
            let resume = resume_command(args);
            let tuned = fine_tune::run(
                options,
                &data,
                |classes| Network::classifier_from_dbn(&dbn, classes, options.learning.seed),
                tuned,
                &mut record,
                &interrupt,
                (&files, &resume),
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
        dbn: &dbn,
        network,
        files: &files,
    };
    conclusion.report(args.json, data, record, &interrupt)?;
    rows
}

/// Says on stderr what is going to happen.
fn announce(plan: &DeepPlan, data: &Data) {
    let layers: Vec<String> = plan
        .greedy
        .layers
        .iter()
        .map(|x| {
            format!(
                "{} ({} epochs of {})",
                x.hidden,
                x.options.learning.epochs,
                describe_run(&x.options)
            )
        })
        .collect();
    let label = plan
        .greedy
        .classes
        .map_or(String::new(), |n| format!(", {n} classes"));
    note(format!(
        "deep belief network of {} visible units{label}, layers of {}; up-down: {} epochs, {} sweeps; {} training, {} validation and {} test examples; {} threads, {}",
        data.train.columns(),
        layers.join(", "),
        plan.up_down.learning.epochs,
        plan.up_down.steps,
        data.train.len(),
        data.validation.as_ref().map_or(0, Examples::len),
        data.test.as_ref().map_or(0, Examples::len),
        harmonium::threads::count(),
        harmonium::simd::isa(),
    ));
}

/// Runs all stages that are left.
fn learn(
    args: &TrainArgs,
    plan: &DeepPlan,
    data: &Data,
    mut run: Run,
    record: &mut Record<'_>,
    interrupt: &Interrupt,
    files: &Files,
) -> Outcome<Run> {
    loop {
        record.start();
        let outcome = match &mut run {
            Run::Greedy(greedy) => greedy.run(&data.train, |event| match event {
                StackEvent::Update(run) => record.update(run),
                StackEvent::Epoch(run) => record.epoch(run),
                StackEvent::Layer(_) => record.stage(),
            }),
            Run::UpDown(up_down) => up_down.run(&data.train, |event| match event {
                Event::Update(run) => record.update(run),
                Event::Epoch(run) => record.epoch(run),
            }),
        };
        record.stop(run.stage());
        let ended = outcome.map_err(|e| record::diverged(e, &files.model, "--up-down-rate"))?;
        record.check(run.stage())?;
        let position = run.stage().position();
        let is_done = run.stage().is_finished();
        if !is_done || ended.is_stopped() && interrupt.asked() {
            record.save(run.stage(), &[])?;
            let (stage, saved) = (run.stage().name(), files.model.display());
            return Err(Failure::failed(format!(
                "interrupted in {stage} after {} of {} epochs; the run is saved in {saved}",
                position.epoch,
                run.stage().learning().epochs
            ))
            .hint(format!("go on with `{}`", resume_command(args))));
        }
        let Run::Greedy(greedy) = run else {
            return Ok(run);
        };
        if plan.up_down.learning.epochs == 0 {
            return Ok(Run::Greedy(greedy));
        }
        let dbn = greedy.dbn()?;
        let options = plan.up_down.clone();
        run = Run::UpDown(Box::new(UpDownTraining::new(dbn, options, &data.train)?));
        record.save(run.stage(), &[])?;
    }
}

fn resume_command(args: &TrainArgs) -> String {
    format!("harmonium train dbn --resume --out {}", args.out.display())
}

/// Weights of the first layer, as it infers.
fn filters(path: &Path, title: &str, dbn: &Dbn) -> Outcome<()> {
    let Some(pair) = dbn.directed().first() else {
        return pictures::filters(path, title, dbn.top());
    };
    let (below, above) = (pair.below().clone(), pair.above().clone());
    let first = Rbm::from_parameters([below, above], [pair.recognition_weights().clone()])?;
    pictures::filters(path, &format!("{title}, lowest layer"), &first)
}
