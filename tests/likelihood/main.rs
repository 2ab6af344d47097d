//! Annealing from both sides, RAISE, bounds and pseudo-likelihood against what they estimate.

#[path = "../common/mod.rs"]
mod common;

mod annealing;
mod counts;
mod dbm;
mod dbn;
mod given;
mod measure;
mod raise;
mod rbm;
