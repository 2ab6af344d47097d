//! Readers, streams and states: what is read is what was written, and damage is told.

#[path = "../common/mod.rs"]
mod common;

mod back;
mod dataset;
mod edges;
mod feeds;
mod formats;
mod held;
mod sparse;
mod states;
mod stream;
mod widths;
