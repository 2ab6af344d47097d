//! What differs from kind of machine to kind of machine.

pub mod dbm;
pub mod deep;
pub mod general;
