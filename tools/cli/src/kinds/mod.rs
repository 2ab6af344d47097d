//! What differs from kind of machine to kind of machine.

pub mod boltzmann;
pub mod dbm;
pub mod dbn;
pub mod network;
pub mod rbm;
pub mod training;

use crate::run::machine::Machine;
use harmonium::Model;

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
