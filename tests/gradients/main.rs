//! Gradients against finite differences and enumeration, steps against their definitions.

#[path = "../common/mod.rs"]
mod common;

mod boltzmann;
mod counts;
mod dbm;
mod dbn;
mod fast_weights;
mod labels;
mod missing;
mod network;
mod potts;
mod rbm;
mod units;
