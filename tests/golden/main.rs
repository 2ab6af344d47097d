//! Parity with independent programs, whose results lie in files here.

#[path = "../common/mod.rs"]
mod common;

mod numpy_parity;
