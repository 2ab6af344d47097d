//! What differs from kind of machine to kind of machine.

pub mod boltzmann;
pub mod dbm;
pub mod dbn;
pub mod network;
pub mod rbm;
pub mod training;

use crate::{
    failure::Outcome,
    run::{data::classes_among_units, machine::Machine},
};
use harmonium::{Checkpoint, Model};
use std::ops::Deref;

/// The machine of a file, which tells whether labels are among its visible units.
///
/// # Errors
/// Notes that this program did not write.
pub fn machine_of(checkpoint: &Checkpoint) -> Outcome<Known<'_>> {
    let classes = classes_among_units(checkpoint)?;
    Ok(known(&checkpoint.model, classes > 0))
}

/// The machine of a model, whose visible units have labels among them or not.
pub fn known(model: &Model, has_labels: bool) -> Known<'_> {
    match model {
        Model::Rbm(x) if !has_labels => Known::Unlabeled(rbm::Unlabeled(x)),
        other => Known::Plain(machine(other)),
    }
}

/// A machine of which it is known whether labels are among its visible units.
pub enum Known<'a> {
    /// Where the units tell it.
    Plain(&'a dyn Machine),
    /// None of its softmax groups is a label.
    Unlabeled(rbm::Unlabeled<'a>),
}

impl<'a> Deref for Known<'a> {
    type Target = dyn Machine + 'a;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Plain(machine) => *machine,
            Self::Unlabeled(rbm) => rbm,
        }
    }
}

/// The machine of a model.
pub fn machine(model: &Model) -> &dyn Machine {
    match model {
        Model::Rbm(x) => x,
        Model::Dbn(x) => x,
        Model::Dbm(x) => x,
        Model::Boltzmann(x) => x,
        Model::Network(x) => x,
        _ => unreachable!("{} has no commands", model.kind()),
    }
}
