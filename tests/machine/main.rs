//! RBMs: kinds of units, samplers, data, files, learning and what is measured. One binary: each of
//! its own would link the library again.

#[path = "../common/mod.rs"]
mod common;

mod checkpoint;
mod dataset;
mod edited;
mod learning;
mod likelihood;
mod run;
mod samplers;
mod states;
mod stream;
mod trajectory_training;
mod units;
