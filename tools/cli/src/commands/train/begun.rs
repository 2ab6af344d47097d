//! A run with its data, before it goes on: a new one, one from the parameters of a model, or one
//! that was stored.

use super::{
    init::{self, Init},
    stopping,
};
use crate::{
    args::{Said, TrainArgs},
    failure::{Failure, Outcome, note},
    kinds::training::{self, Trains, agree, contradiction, moments, network},
    run::{
        data::{Data, Source},
        directory::Directory,
        files::Files,
        loading::load_model,
    },
};
use harmonium::{
    checkpoint::{Checkpoint, SavedRun},
    recipe::{AnyRun, Plan, defaults},
    rng::VERSION,
    simd::{self, MultiplyAdd},
    train::{BackpropOptions, Learning},
};
use std::{collections::BTreeMap, path::Path};

/// What a run starts from.
pub enum Before {
    Nothing,
    /// Parameters.
    Model(Init),
    /// A run that goes on.
    Run(Checkpoint),
}

/// A run with its data, before it goes on.
pub struct Begun {
    /// What it does.
    pub plan: Plan,
    /// What it learns from.
    pub data: Data,
    /// Where it stands.
    pub run: AnyRun,
    /// Written with every file.
    pub notes: BTreeMap<String, String>,
    /// Of the file of a run that goes on.
    pub old_notes: Option<BTreeMap<String, String>>,
    /// The network, if that learns already.
    pub tuned: Option<Tuned>,
}

impl Begun {
    /// A run that starts from, or goes on with, what is there before.
    ///
    /// # Errors
    /// Data that cannot be had; flags that contradict each other or the stored run; those of the
    /// library.
    pub fn new(
        args: &TrainArgs,
        said: &Said,
        kind: &dyn Trains,
        files: &Files,
        before: Before,
    ) -> Outcome<Self> {
        let (mut source, planned) = match &before {
            Before::Run(checkpoint) => {
                let (source, plan) = resumed(args, said, checkpoint, files)?;
                (source, Some(plan))
            }
            _ => (kind.source()?, None),
        };
        if let Before::Model(init) = &before {
            init.settle(&mut source)?;
        }
        let data = source.settle()?;
        note(data.told());
        if let Before::Model(init) = &before {
            init.check(&data)?;
        }
        let plan = match planned {
            Some(plan) => plan,
            None => {
                let plan = kind.plan(&source, &data)?;
                if !kind.until_moments_agree(&plan, &data) {
                    tell_of_few(&source, &data);
                }
                plan
            }
        };
        let plan = match &before {
            Before::Model(_) => plan.without_first_stages(),
            _ => plan,
        };
        if plan.fine_tune().is_some() && data.train.classes().is_none() {
            let message = format!("--fine-tune: {} has no labels", data.name);
            return Err(Failure::usage(message));
        }
        data.expect_minibatches(plan.learning().batch_size)?;
        let mut notes = BTreeMap::new();
        source.note(&mut notes);
        let old_notes = match &before {
            Before::Run(checkpoint) => Some(checkpoint.notes.clone()),
            _ => None,
        };
        data.mark(&mut notes, old_notes.as_ref().map(|x| (x, &*files.model)))?;
        notes.insert("harmonium".into(), env!("CARGO_PKG_VERSION").into());
        plan.note(&mut notes);
        if old_notes.is_none() && kind.until_moments_agree(&plan, &data) {
            notes.insert(moments::NOTE.into(), moments::AGREE.to_string());
        }
        for key in [stopping::NOTE, init::NOTE, moments::NOTE] {
            let kept = old_notes.as_ref().and_then(|x| x.get(key));
            notes.extend(kept.map(|text| (key.to_owned(), text.clone())));
        }
        let streamed = data.streamed();
        let run = match before {
            Before::Nothing => plan.start(&data.train, streamed)?,
            Before::Model(init) => {
                init.note(&mut notes);
                init.start(&plan, &data.train, streamed)?
            }
            Before::Run(checkpoint) => plan.resumed(checkpoint, &data.train, streamed.is_some())?,
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

    /// Whether it starts.
    pub fn is_new(&self) -> bool {
        self.old_notes.is_none()
    }
}

/// The network that learns at last, its notes and its data, of a run that goes on there.
pub type Tuned = (AnyRun, BTreeMap<String, String>, Data);

/// The run to go on with, if one is asked for, which must be of the kind that is asked for.
pub fn stored(
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
    tell_of_set(&checkpoint, path);
    Ok(Some(checkpoint))
}

/// Says that a run was stored on an instruction set of other bits, or by a version of other draws,
/// if it was.
fn tell_of_set(checkpoint: &Checkpoint, path: &Path) {
    let draws = checkpoint.run.as_ref().map(SavedRun::draws);
    if let Some(draws) = draws.filter(|&draws| draws != VERSION) {
        note(format!(
            "{}: the run was stored with draws of version {draws}, here they are of version {VERSION}: it goes on to other bits",
            path.display()
        ));
    }
    let (here, then) = (
        simd::isa(),
        checkpoint.run.as_ref().and_then(SavedRun::multiply_add),
    );
    if then.is_some_and(|then| then != here.multiply_add()) {
        let [then, now] = match here.multiply_add() {
            MultiplyAdd::Fused => ["twice", "once"],
            MultiplyAdd::Separate => ["once", "twice"],
        };
        note(format!(
            "{}: the run was stored where multiply-adds are rounded {then}, {here} rounds them {now}: it may go on to other bits",
            path.display()
        ));
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
    let source = Source::from_notes(checkpoint)?
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
    tell_of_set(&checkpoint, &files.network);
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
    let examples = data.examples();
    if !defaults::are_few(examples, source.are_epochs_said) {
        return;
    }
    note(format!(
        "{examples} training examples are few: as no epochs are said, there are as many updates as for {}",
        defaults::MANY
    ));
}
