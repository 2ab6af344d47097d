//! Numbers and distributions against enumeration, quadrature and published values: energies,
//! conditionals, sums, mean field.

#[path = "../common/mod.rs"]
mod common;

mod boltzmann;
mod counts;
mod dbm;
mod dbn;
mod missing;
mod network;
mod potts;
mod rbm;
mod units;
