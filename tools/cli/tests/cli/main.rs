//! The command line, run as its users do. One binary: each of its own would link the library again.

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod boltzmann;
mod categories;
mod convert;
mod counts;
mod dbm;
mod dbn;
mod enumerated;
mod field;
mod fixtures;
mod impute;
mod kinds;
mod learning;
mod measuring;
mod names;
mod offers;
mod pictures;
mod places;
mod refusals;
mod reproduce;
mod safety;
mod sampling;
mod scores;
mod signals;
mod streaming;
mod training;
mod units;
mod warm;
mod warnings;
