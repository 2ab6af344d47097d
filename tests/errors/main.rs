//! What is refused, with the names that a user needs.

#[path = "../common/mod.rs"]
mod common;

mod boltzmann;
mod counts;
mod dbm;
mod dbn;
mod environment;
mod likelihood;
mod missing;
mod network;
mod optimizers;
mod rbm;
mod samplers;
mod units;
