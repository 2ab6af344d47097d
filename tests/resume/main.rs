//! Runs that are stopped, stored and gone on with are those that never were.

#[path = "../common/mod.rs"]
mod common;

mod boltzmann;
mod dbm;
mod dbn;
mod files;
mod network;
mod optimizers;
mod rbm;
mod samplers;
mod stops;
mod trajectories;
mod units;
