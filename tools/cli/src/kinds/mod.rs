//! What differs from kind of machine to kind of machine.

pub mod boltzmann;
pub mod dbm;
pub mod dbn;
pub mod deep;
pub mod general;
pub mod machine;
pub mod network;
pub mod rbm;
