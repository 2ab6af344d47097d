//! Deep Boltzmann machines: what the commands do with a stored one.

pub mod measure;
