//! The last stage of `train dbn --fine-tune` and `train dbm --fine-tune`: a feed-forward network
//! that starts from the layers learns the labels by backpropagation.

use super::{plan::FINE_TUNE_STAGE, record::Record};
use crate::{
    args::{FineTuneArg, Split, TrainArgs},
    failure::{Failure, Outcome},
    run::classification::Classification,
    run::data::Data,
    run::files::Files,
    run::interrupt::Interrupt,
    run::likelihood,
    run::loading::load_model,
};
use harmonium::{
    Network,
    checkpoint::SavedRun,
    train::{BackpropOptions, BackpropTraining, Event, Learning},
};
use std::collections::BTreeMap;

/// What the command line asks for, if it does.
///
/// # Errors
/// Numbers out of range, labels that are not wanted, options of steps with conjugate gradients.
pub fn options(args: &TrainArgs, seed: u64) -> Outcome<Option<BackpropOptions>> {
    let deep = &args.deep;
    let Some(how) = deep.fine_tune else {
        return Ok(None);
    };
    let mut options = match how {
        FineTuneArg::Backprop => {
            let recipe = BackpropOptions::with_dropout();
            BackpropOptions {
                input_dropout: deep.input_dropout.unwrap_or(recipe.input_dropout),
                hidden_dropout: deep.hidden_dropout.unwrap_or(recipe.hidden_dropout),
                ..recipe
            }
        }
        FineTuneArg::ConjugateGradients => {
            for (flag, given) in [
                ("--fine-tune-rate", deep.fine_tune_rate.is_some()),
                ("--input-dropout", deep.input_dropout.is_some()),
                ("--hidden-dropout", deep.hidden_dropout.is_some()),
            ] {
                if given {
                    let message = format!("{flag} belongs to --fine-tune backprop");
                    return Err(Failure::usage(message));
                }
            }
            BackpropOptions::conjugate_gradients()
        }
    };
    if let Some(rate) = &deep.fine_tune_rate {
        options.learning.learning_rate = rate.clone();
    }
    let learning = &mut options.learning;
    learning.epochs = deep.fine_tune_epochs.unwrap_or(learning.epochs);
    learning.batch_size = batch_size(args).unwrap_or(learning.batch_size);
    options.output_epochs = deep.output_epochs.unwrap_or(options.output_epochs);
    options.learning.resample_data = deep.fine_tune_resample;
    options.learning.seed = seed;
    options.check()?;
    Ok(Some(options))
}

/// Examples an update, if the command line tells: of this stage, or of every stage.
fn batch_size(args: &TrainArgs) -> Option<usize> {
    args.deep.fine_tune_batch_size.or(args.batch_size)
}

/// Whether `train --resume` finds a stored run.
pub fn is_stored(args: &TrainArgs, files: &Files) -> bool {
    args.resume && files.network.exists()
}

/// The stored run that `train --resume` goes on with on its `data`, and its notes, if [there is
/// one](is_stored) and it is wanted.
///
/// # Errors
/// A file that is there and holds no such run, or one of other options.
pub fn stored(
    args: &TrainArgs,
    options: Option<&BackpropOptions>,
    data: &Data,
    files: &Files,
) -> Outcome<Option<(BackpropTraining, BTreeMap<String, String>)>> {
    let Some(options) = options.filter(|_| is_stored(args, files)) else {
        return Ok(None);
    };
    let path = files.network.display();
    let mut checkpoint = load_model(&files.network)?;
    let notes = checkpoint.notes.clone();
    let Some(SavedRun::Backprop(state)) = &mut checkpoint.run else {
        return Err(Failure::failed(format!(
            "{path}: holds a network, but no run that could go on"
        )));
    };
    let stored = &state.options.learning;
    let asked = BackpropOptions {
        learning: Learning {
            epochs: stored.epochs,
            batch_size: batch_size(args).unwrap_or(stored.batch_size),
            ..options.learning.clone()
        },
        ..options.clone()
    };
    if asked != state.options {
        return Err(Failure::usage(format!(
            "--fine-tune: the run in {path} has other options"
        )));
    }
    state.options.learning.epochs = options.learning.epochs;
    Ok(Some((checkpoint.into_run(&data.train)?, notes)))
}

/// Runs the stage from the network that `start` makes for a number of classes, or on from `stored`;
/// the network and what it makes of the test part.
///
/// # Errors
/// Data without labels, those of the library, an interrupt.
pub fn run<'a>(
    options: &BackpropOptions,
    data: &Data,
    start: impl FnOnce(usize) -> harmonium::Result<Network>,
    stored: Option<BackpropTraining>,
    record: &mut Record<'a>,
    interrupt: &Interrupt,
    (files, resume): (&'a Files, &str),
) -> Outcome<(Network, Classification)> {
    let mut run = match stored {
        Some(run) => run,
        None => {
            let classes = data.train.classes().ok_or_else(|| {
                Failure::usage(format!("--fine-tune: {} has no labels", data.name))
            })?;
            BackpropTraining::new(start(classes)?, options.clone(), &data.train)?
        }
    };
    record.store_in(&files.network);
    record.watch(data);
    record.start();
    let outcome = run.run(&data.train, |event| match event {
        Event::Update(run) => record.update(run),
        Event::Epoch(run) => record.epoch(run),
    });
    record.stop(&run);
    let ended = outcome.map_err(|e| Failure::from(e).hint("try a smaller --fine-tune-rate"))?;
    record.check(&run)?;
    record.save(&run, &[])?;
    let (epoch, epochs) = (run.position().epoch, run.learning().epochs);
    if epoch < epochs || ended.is_stopped() && interrupt.asked() {
        return Err(Failure::failed(format!(
            "interrupted in {FINE_TUNE_STAGE} after {epoch} of {epochs} epochs; the run is saved in {}",
            files.network.display()
        ))
        .hint(format!("go on with `{resume}`")));
    }
    let network = run.into_result();
    let (examples, split) = likelihood::examples(data, Split::Test);
    let measured = Classification::measure(&network, examples, split)?;
    let measured = measured.ok_or_else(|| Failure::failed("the test part has no labels"))?;
    Ok((network, measured))
}
