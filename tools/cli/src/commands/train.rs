//! `harmonium train`: trains a machine of any kind, shows what it learned, and can be stopped and
//! resumed at any update of any stage.

mod begun;
mod estimate;
mod health;
mod init;
mod session;
mod start;
mod stopping;
mod trajectory;

use crate::{
    args::{OutputArgs, Said, Split, TrainArgs},
    failure::{Outcome, note},
    kinds::{
        self,
        training::{self, Finished, Trains, network, posterior::MACHINE},
    },
    run::{
        classification::Classification,
        data::Data,
        directory::{Directory, Existing},
        files::{self, Files},
        found::Found,
        interrupt::Interrupt,
        places,
    },
    show::{figures::Figures, pictures, report, shape},
};
use begun::{Before, Begun, Tuned, stored};
use harmonium::{Examples, Model, Network, recipe::Measure};
use init::Init;
use serde_json::json;
use session::Session;
use start::Start;
use std::time::Instant;

/// Runs the command, of which `said` was given.
pub fn run(args: &TrainArgs, said: &Said) -> Outcome<()> {
    let output = &args.shared().output;
    let out = places::of_run(output)?;
    let init = Init::of(args, said)?;
    let filled = init.as_ref().map(|init| init.filled(args));
    let args = filled.as_ref().unwrap_or(args);
    let kind = training::of(args);
    // Nobody else writes there from here to the end.
    let mut directory = Directory::at(&out);
    let files = Files::in_directory(&out);
    let stored = stored(args, &files, &mut directory)?;
    let interrupt = Interrupt::listen()?;
    let before = match (stored, init) {
        (Some(stored), _) => Before::Run(stored),
        (None, Some(init)) => Before::Model(init),
        (None, None) => Before::Nothing,
    };
    let mut begun = Begun::new(args, said, kind, &files, before)?;
    if output.dry_run {
        let model = begun.run.result()?;
        let title = format!("{} on {}", kinds::machine(&model).name(), begun.data.name);
        announce(
            &title,
            &kind.describe(&begun.plan, &begun.data),
            &begun.data,
        );
        return estimate::tell(&mut begun, output.answer.json, &title, &interrupt);
    }
    let existing = match output.force {
        true => Existing::IsMoved,
        false => Existing::Stays,
    };
    directory.begin(begun.is_new().then_some(existing))?;
    begun.run(args, kind, &files, &interrupt)
}

impl Begun {
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
            match plan.next(&run, &data.train, data.streamed())? {
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
        let no_pictures = args.shared().output.no_pictures;
        if no_pictures {
            files.remove_pictures()?;
        } else {
            if let Some(unsaid) = shape::unsaid(&data.encoding) {
                note(unsaid);
            }
            kind.draw(&finished)?;
            pictures::curves(&files.curves, &session.title(&finished), &session.metrics)?;
        }
        let network = match plan.fine_tune() {
            None => None,
            Some(_) => Some(fine_tuned(&mut session, &finished, self.tuned)?),
        };
        if network.is_some() && !no_pictures {
            pictures::curves(&files.curves, finished.title, &session.metrics)?;
        }
        let rows = session.metrics.settle();
        let finished = Finished {
            seconds: session.seconds(),
            ..finished
        };
        conclude(kind, session, &finished, network, &args.shared().output)?;
        rows
    }
}

/// Says on stderr what is going to happen.
fn announce(title: &str, plan: &str, data: &Data) {
    let (examples, mut from) = (data.examples(), String::new());
    if data.stream.is_some() {
        from = format!(
            " (in their file; figures are of {} of them)",
            data.train.len()
        );
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
    let missing = finished.plan.missing();
    let how = Measure {
        missing,
        ..Measure::at_the_end(model, seed)
    };
    let (data, interrupt) = (Some(finished.data), Some(finished.interrupt));
    let machine = kinds::known(model, finished.data.labels_are_units(), missing);
    let found = Found::measure((&*machine, model), data, Split::Test, &how, seed, interrupt);
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
    network: Option<(Network, Classification)>,
    output: &OutputArgs,
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
    let mut named = kind.files(finished.files);
    if output.no_pictures {
        named = finished.files.without_pictures(named);
    }
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
    figures.print(output.answer.json, &session.title(finished))
}
