//! Model files: the contract to the byte, what others wrote, what somebody edited.

#[path = "../common/mod.rs"]
mod common;

mod boltzmann;
mod contract;
mod edited;
mod network;
mod options;
mod parameters;
mod programs;
