//! What a run promises and what is learned by it, with every kind of unit and machine.

#[path = "../common/mod.rs"]
mod common;

mod best;
mod boltzmann;
mod counts;
mod dbm;
mod dbn;
mod network;
mod optimizers;
mod rates;
mod rbm;
mod units;
