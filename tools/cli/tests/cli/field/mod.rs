//! Inputs of the kinds that people bring come out right: a test a kind, with answers that are
//! computed here.

mod inputs;
mod machines;
mod missing;
mod tables;
