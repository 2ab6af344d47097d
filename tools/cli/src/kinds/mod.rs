//! What differs from kind of machine to kind of machine.

pub mod boltzmann;
pub mod dbm;
pub mod dbn;
pub mod machine;
pub mod network;
pub mod rbm;
pub mod training;
