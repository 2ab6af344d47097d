//! Chains, tempered replicas, trajectories and held units against the distributions they must
//! keep.

#[path = "../common/mod.rs"]
mod common;

mod boltzmann;
mod counts;
mod dbm;
mod dbn;
mod held;
mod potts;
mod rbm;
mod tempering;
mod trajectories;
mod units;
