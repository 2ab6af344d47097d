//! General Boltzmann machines. One binary: each of its own would link the library again.

#[path = "../common/mod.rs"]
mod common;

mod boltzmann;
mod boltzmann_checkpoint;
mod boltzmann_sampling;
mod boltzmann_training;
