//! `harmonium train`: trains a machine of any kind, shows what it learned, and can be stopped and
//! resumed at any update of any stage.

mod health;
mod session;
mod start;
mod stopping;
mod trajectory;

use crate::{
    args::{Said, Split, TrainArgs},
    failure::{Failure, Outcome, note},
    kinds::{
        self,
        training::{self, Finished, Trains, agree, contradiction, network, posterior::MACHINE},
    },
    run::{
        classification::Classification,
        data::{Data, Source, Treatment},
        directory::Directory,
        files::{self, Files},
        found::Found,
        interrupt::Interrupt,
        loading::load_model,
    },
    show::{figures::Figures, pictures, report},
};
use harmonium::{
    Examples, Model, Network,
    checkpoint::{Checkpoint, SavedRun},
    recipe::{AnyRun, Measure, Plan, defaults},
    train::{BackpropOptions, Learning},
};
use serde_json::json;
use session::Session;
use start::Start;
use std::{collections::BTreeMap, time::Instant};

/// Runs the command, of which `said` was given.
pub fn run(args: &TrainArgs, said: &Said) -> Outcome<()> {
    let (kind, out) = (training::of(args), &args.shared().output.out);
    // Nobody else writes there from here to the end.
    let mut directory = Directory::at(out);
    let files = Files::in_directory(out);
    let stored = stored(args, &files, &mut directory)?;
    let interrupt = Interrupt::listen()?;
    let begun = Begun::new(args, said, kind, &files, stored)?;
    directory.begin(begun.is_new())?;
    begun.run(args, kind, &files, &interrupt)
}

/// The run to go on with, if one is asked for, which must be of the kind that is asked for.
fn stored(
    args: &TrainArgs,
    files: &Files,
    directory: &mut Directory,
) -> Outcome<Option<Checkpoint>> {
    if !args.shared().output.resume {
        return Ok(None);
    }
    let path = &files.model;
    if path.exists() {
        directory.claim()?;
    }
    let checkpoint = load_model(path).map_err(|failure| {
        failure.hint(
            "leave --resume out to start a new run, or name the directory of a run with --out",
        )
    })?;
    let (found, asked) = (checkpoint.model.kind(), args.kind());
    if found != asked {
        let message = format!(
            "{}: holds a model of kind {found}, not {asked}",
            path.display()
        );
        return Err(Failure::usage(message).hint(match found {
            "rbm" | "dbn" | "dbm" | "boltzmann" => {
                format!("go on with `harmonium train {found} --resume`")
            }
            _ => "machines of this kind are trained with the library".into(),
        }));
    }
    if checkpoint.run.as_ref().is_some_and(SavedRun::is_custom) {
        note(format!(
            "{}: the learning rate was a function of a program; the run goes on at the last rate",
            path.display()
        ));
    }
    Ok(Some(checkpoint))
}

/// The network that learns at last, its notes and its data, of a run that goes on there.
type Tuned = (AnyRun, BTreeMap<String, String>, Data);

/// A run with its data, before it goes on.
struct Begun {
    plan: Plan,
    data: Data,
    run: AnyRun,
    /// Written with every file.
    notes: BTreeMap<String, String>,
    /// Of the file of a run that goes on.
    old_notes: Option<BTreeMap<String, String>>,
    tuned: Option<Tuned>,
}

impl Begun {
    fn new(
        args: &TrainArgs,
        said: &Said,
        kind: &dyn Trains,
        files: &Files,
        stored: Option<Checkpoint>,
    ) -> Outcome<Self> {
        let (mut source, planned) = match &stored {
            None => (kind.source()?, None),
            Some(checkpoint) => {
                let (source, plan) = resumed(args, said, checkpoint, files)?;
                (source, Some(plan))
            }
        };
        let data = source.settle()?;
        let plan = match planned {
            Some(plan) => plan,
            None => {
                tell_of_few(&source, &data);
                kind.plan(&source, &data)?
            }
        };
        if plan.fine_tune().is_some() && data.train.classes().is_none() {
            let message = format!("--fine-tune: {} has no labels", data.name);
            return Err(Failure::usage(message));
        }
        let mut notes = BTreeMap::new();
        source.note(&mut notes);
        let past = stored.as_ref().map(|x| (&x.notes, &*files.model));
        data.mark(&mut notes, past)?;
        notes.insert("harmonium".into(), env!("CARGO_PKG_VERSION").into());
        plan.note(&mut notes);
        let old_notes = stored.as_ref().map(|x| x.notes.clone());
        let best = old_notes.as_ref().and_then(|x| x.get(stopping::NOTE));
        notes.extend(best.map(|best| (stopping::NOTE.to_owned(), best.clone())));
        let streamed = data.stream.as_ref().map(|x| x.len());
        let run = match stored {
            None => plan.start(&data.train, streamed)?,
            Some(checkpoint) => plan.resumed(checkpoint, &data.train, streamed.is_some())?,
        };
        let tuned = match old_notes.is_some() {
            true => stored_network(args, &plan, &run, &data, files)?,
            false => None,
        };
        Ok(Self {
            plan,
            data,
            run,
            notes,
            old_notes,
            tuned,
        })
    }

    fn is_new(&self) -> bool {
        self.old_notes.is_none()
    }

    /// Runs what is left of all stages, then draws, measures and reports.
    fn run(
        self,
        args: &TrainArgs,
        kind: &dyn Trains,
        files: &Files,
        interrupt: &Interrupt,
    ) -> Outcome<()> {
        let is_new = self.is_new();
        let (plan, data, mut run) = (self.plan, self.data, self.run);
        let model = run.result()?;
        let title = format!("{} on {}", kinds::machine(&model).name(), data.name);
        announce(&title, &kind.describe(&plan, &data), &data);
        let (at, old_notes) = match (&self.tuned, &self.old_notes) {
            (Some((run, notes, _)), _) => (run, Some(notes)),
            (None, notes) => (&run, notes.as_ref()),
        };
        let mut session = Session::new(Start {
            args,
            kind,
            plan: &plan,
            files,
            interrupt,
            notes: self.notes,
            data: &data,
            run: at,
            old_notes,
        })?;
        if is_new {
            // Whatever ends the run from here on, --resume goes on with this one.
            session.save(run.get(), &[])?;
        }
        loop {
            session.learn(&mut run, &data)?;
            session.save(run.get(), &[])?;
            match plan.next(&run, &data.train)? {
                Some(next) => run = next,
                None => break,
            }
            session.save(run.get(), &[])?;
        }
        let model = run.result()?;
        let title = format!("{} on {}", kinds::machine(&model).name(), data.name);
        let resume = session.resume_command();
        let finished = Finished {
            plan: &plan,
            data: &data,
            run: &run,
            model: &model,
            title: &title,
            seconds: session.seconds(),
            files,
            interrupt,
            resume: &resume,
        };
        kind.draw(&finished)?;
        pictures::curves(&files.curves, &session.title(&finished), &session.metrics)?;
        let network = match plan.fine_tune() {
            None => None,
            Some(_) => Some(fine_tuned(&mut session, &finished, self.tuned)?),
        };
        let rows = session.metrics.settle();
        let finished = Finished {
            seconds: session.seconds(),
            ..finished
        };
        let is_json = args.shared().output.json;
        conclude(kind, session, &finished, (network, is_json))?;
        rows
    }
}

/// The plan of the run in `checkpoint` and what it is on, with the epochs and the fine-tuning of
/// the command line if it has any.
///
/// # Errors
/// A file without a run, and flags that contradict it.
fn resumed(
    args: &TrainArgs,
    said: &Said,
    checkpoint: &Checkpoint,
    files: &Files,
) -> Outcome<(Source, Plan)> {
    let kind = training::of(args);
    let path = files.model.display();
    let foreign = |what: String| {
        Failure::failed(format!("{path}: {what}"))
            .hint("only models that `harmonium train` has written can be resumed")
    };
    let mut plan = Plan::of_checkpoint(checkpoint).map_err(|e| foreign(e.to_string()))?;
    let source = Source::from_notes(&checkpoint.notes)?
        .ok_or_else(|| foreign("its notes do not say which data the run is on".into()))?;
    agree(said, kind, &plan, &source)?;
    if let (flag, Some(epochs)) = kind.epochs() {
        let run = checkpoint.run.as_ref();
        let is_main = |run: &&SavedRun| {
            !matches!(run, SavedRun::Greedy { .. } | SavedRun::Pretraining { .. })
        };
        let position = run.filter(is_main).map(SavedRun::position);
        let done = position.map_or(0, |x| x.updates.div_ceil(x.batches as u64));
        if (epochs as u64) < done {
            let has = format!("is in epoch {done} already");
            return Err(contradiction(&format!("{flag} {epochs}"), has));
        }
        plan.learning_mut().epochs = epochs;
    }
    let tuned = kind.fine_tune();
    let tuned = tuned
        .map(|flags| flags.options(args.shared()))
        .transpose()?;
    if let (Some(place), Some(Some(options))) = (plan.fine_tune_mut(), tuned) {
        *place = Some(options);
    }
    Ok((source, plan))
}

/// The stored stage of backpropagation with its notes and its data, if there is one to go on with.
///
/// # Errors
/// A machine that is to learn more before; a file that is there and holds no such run, or one of
/// other options; those of the library.
fn stored_network(
    args: &TrainArgs,
    plan: &Plan,
    run: &AnyRun,
    data: &Data,
    files: &Files,
) -> Outcome<Option<Tuned>> {
    let Some(options) = plan.fine_tune().filter(|_| files.network.exists()) else {
        return Ok(None);
    };
    let path = files.network.display();
    if !plan.is_done(run) {
        let (flag, _) = training::of(args).epochs();
        let flag = format!("{flag} {}", plan.learning().epochs);
        return Err(contradiction(
            &flag,
            format!("went on to {path}, made from it"),
        ));
    }
    let checkpoint = load_model(&files.network)?;
    let notes = checkpoint.notes.clone();
    let Some(SavedRun::Backprop(state)) = &checkpoint.run else {
        return Err(Failure::failed(format!(
            "{path}: holds a network, but no run that could go on"
        )));
    };
    let flags = training::of(args).fine_tune();
    let said = flags.and_then(|flags| flags.batch_size(args.shared()));
    let stored = &state.options.learning;
    let asked = BackpropOptions {
        learning: Learning {
            epochs: stored.epochs,
            batch_size: said.unwrap_or(stored.batch_size),
            ..options.learning.clone()
        },
        ..options.clone()
    };
    if asked != state.options {
        return Err(Failure::usage(format!(
            "--fine-tune: the run in {path} has other options"
        )));
    }
    let seen = network::seen(&run.result()?, data)?;
    let run = plan.resumed(checkpoint, &seen.train, false)?;
    Ok(Some((run, notes, seen)))
}

/// Says that the defaults are those of few examples, if they are.
fn tell_of_few(source: &Source, data: &Data) {
    let examples = data.stream.as_ref().map_or(data.train.len(), |x| x.len());
    if !defaults::are_few(examples, source.are_epochs_said) {
        return;
    }
    let columns = match &source.values {
        Treatment::Standardized(..) => {
            "; columns are divided by their own deviations, those of mostly one value by a common one"
        }
        _ => "",
    };
    note(format!(
        "{examples} training examples are few: as no epochs are said, there are as many updates as for {}{columns}",
        defaults::MANY
    ));
}

/// Says on stderr what is going to happen.
fn announce(title: &str, plan: &str, data: &Data) {
    let (mut examples, mut from) = (data.train.len(), String::new());
    if let Some(stream) = &data.stream {
        from = format!(" (in their file; figures are of {examples} of them)");
        examples = stream.len();
    }
    note(format!(
        "{title}, {examples} training{from}, {} validation and {} test examples; {plan}; {} threads, {}",
        data.validation.as_ref().map_or(0, Examples::len),
        data.test.as_ref().map_or(0, Examples::len),
        harmonium::threads::count(),
        harmonium::simd::isa(),
    ));
}

/// Learns the labels by the network that starts from the machine, or on from the `stored` one; what
/// it makes of the test part.
///
/// # Errors
/// Those of the library, an interrupt.
fn fine_tuned<'a>(
    session: &mut Session<'a>,
    finished: &Finished<'a>,
    stored: Option<Tuned>,
) -> Outcome<(Network, Classification)> {
    let (mut run, data) = match stored {
        Some((run, _, data)) => (run, data),
        None => {
            let data = network::seen(finished.model, finished.data)?;
            (finished.plan.network(finished.model, &data.train)?, data)
        }
    };
    let files = finished.files;
    let machine = files.model.file_name().unwrap_or_default();
    if matches!(finished.model, Model::Dbm(_)) {
        let machine = machine.to_string_lossy().into_owned();
        session.notes.insert(MACHINE.into(), machine);
    }
    session.store_in(&files.network, &data);
    session.learn(&mut run, &data)?;
    session.save(run.get(), &[])?;
    session.notes.remove(MACHINE);
    session.store_in(&files.model, finished.data);
    pictures::curves(&files.curves, finished.title, &session.metrics)?;
    let network = run.result()?.into_network()?;
    let measured = network::classified(&network, &data)?;
    Ok((network, measured))
}

/// All that is measured of the machine.
///
/// # Errors
/// Those of the library; an interrupt.
fn measured(kind: &dyn Trains, finished: &Finished<'_>) -> Outcome<Figures> {
    let (model, seed) = (finished.model, finished.seed());
    let how = Measure::at_the_end(model, seed);
    let (data, interrupt) = (Some(finished.data), Some(finished.interrupt));
    let found = Found::measure(
        (kinds::machine(model), model),
        data,
        Split::Test,
        &how,
        seed,
        interrupt,
    );
    let found = found.map_err(|failure| match finished.interrupt.asked() {
        true => finished.interrupted(),
        false => failure,
    })?;
    // Of an RBM there is more to tell without a likelihood.
    let mut figures = match (&found.missing, kind.table().is_staged) {
        (Some(_), false) => Figures::default(),
        (missing, _) => {
            if let Some(missing) = missing {
                note(format!("no lower bound: {missing}"));
            }
            found.figures()
        }
    };
    figures.extend(found.classes.iter().map(Classification::figures).collect());
    figures.extend(kind.more(finished)?);
    Ok(figures)
}

/// Measures the machine, stores the figures with it and reports.
fn conclude(
    kind: &dyn Trains,
    mut session: Session<'_>,
    finished: &Finished<'_>,
    (network, is_json): (Option<(Network, Classification)>, bool),
) -> Outcome<()> {
    let started = Instant::now();
    let mut figures = measured(kind, finished)?;
    let is_staged = kind.table().is_staged;
    let notes = match is_staged {
        true => report::single_figures(figures.object()),
        false => report::figures(figures.object()),
    };
    session.save(finished.run.get(), &notes)?;
    let more = started.elapsed().as_secs_f64();
    let named = kind.files(finished.files);
    let told = kind.told(finished);
    let speed = told.iter().find(|(key, _)| *key == "gcu_per_second");
    let speed = speed.and_then(|(_, speed)| speed.as_f64());
    for (key, value) in told {
        figures.put(key, value);
    }
    figures
        .put("seconds", finished.seconds)
        .put("evaluation_seconds", more)
        .put("data", finished.data.name.clone())
        .put("files", files::json(&named));
    figures.warnings(&session.health.standing());
    if is_staged {
        let options = report::read(serde_json::to_string(&finished.plan.fine_tune()));
        let fine_tuned = network.as_ref().map(|(_, x)| x.figures().object().clone());
        figures
            .put("stages", session.stages_json())
            .put("fine_tune", options)
            .put("fine_tuned", json!(fine_tuned));
    }
    let mut rows = session.rows(more);
    if let Some((network, classes)) = &network {
        rows.splice(0..0, network::rows(network, classes, finished.files));
    }
    if let Some(speed) = speed {
        let unit = "10^9 connection updates a second";
        rows.push([
            "throughput".into(),
            format!("{speed:.1} GCU/s"),
            unit.into(),
        ]);
    }
    rows.extend(files::rows(&named));
    for [name, value, remark] in rows {
        figures.row(&name, value, remark);
    }
    figures.print(is_json, &session.title(finished))
}
