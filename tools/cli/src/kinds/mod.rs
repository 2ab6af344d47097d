//! What differs from kind of machine to kind of machine.

pub mod boltzmann;
pub mod dbm;
pub mod dbn;
pub mod network;
pub mod rbm;
pub mod training;

use crate::{
    failure::{Failure, Outcome},
    run::{data::classes_among_units, machine::Machine},
};
use harmonium::{Checkpoint, Model, checkpoint::SavedRun, model::Missing};
use std::ops::Deref;

/// The machine of a file, which tells whether labels are among its visible units, and what it was
/// trained to take a missing value for where that is not `said`.
///
/// # Errors
/// Notes that this program did not write; absent units of another machine than an RBM.
pub fn machine_of(checkpoint: &Checkpoint, said: Option<Missing>) -> Outcome<Known<'_>> {
    let missing = missing_of(checkpoint, said)?;
    let classes = classes_among_units(checkpoint)?;
    Ok(known(&checkpoint.model, classes > 0, missing))
}

/// What a missing value is to the machine of a file: what is `said`, or what its run took it for.
///
/// # Errors
/// Absent units of another machine than an RBM.
pub fn missing_of(checkpoint: &Checkpoint, said: Option<Missing>) -> Outcome<Missing> {
    let is_rbm = matches!(checkpoint.model, Model::Rbm(_));
    if said == Some(Missing::Absent) && !is_rbm {
        let kind = checkpoint.model.kind();
        let message = format!("--missing=absent is not for a model of kind {kind}");
        return Err(Failure::usage(message).hint("--missing infers what is missing"));
    }
    let learned = match &checkpoint.run {
        Some(SavedRun::Rbm(run)) => run.options.missing,
        _ => Missing::Infer,
    };
    Ok(said.unwrap_or(learned))
}

/// The machine of a model, of which nobody tells more than its units do.
pub fn machine(model: &Model) -> Known<'_> {
    known(model, true, Missing::Infer)
}

/// The machine of a model, whose visible units have labels among them or not.
pub fn known(model: &Model, has_labels: bool, missing: Missing) -> Known<'_> {
    Known::Plain(match model {
        Model::Rbm(rbm) => {
            return Known::Rbm(rbm::Told {
                rbm,
                has_labels,
                missing,
            });
        }
        Model::Dbn(x) => x,
        Model::Dbm(x) => x,
        Model::Boltzmann(x) => x,
        Model::Network(x) => x,
        _ => unreachable!("{} has no commands", model.kind()),
    })
}

/// A machine with what its file tells of it.
pub enum Known<'a> {
    /// Where the units tell all.
    Plain(&'a dyn Machine),
    /// Whose softmax groups may be labels, and whose missing units may be absent.
    Rbm(rbm::Told<'a>),
}

impl<'a> Deref for Known<'a> {
    type Target = dyn Machine + 'a;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Plain(machine) => *machine,
            Self::Rbm(rbm) => rbm,
        }
    }
}
