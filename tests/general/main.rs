//! General Boltzmann machines. One binary: each of its own would link the library again.

#[path = "../common/mod.rs"]
mod common;

mod checkpoint;
mod machine;
mod sampling;
mod training;
