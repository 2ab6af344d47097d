//! Deep machines and networks. One binary: each of its own would link the library again.

#[path = "../common/mod.rs"]
mod common;

mod dbm;
mod dbn;
mod network;
