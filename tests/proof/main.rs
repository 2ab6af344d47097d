//! What every instruction set, route of products and dense provider must pass: RBMs against
//! enumeration, finite differences and an independent program. One binary: each of its own would
//! link the library again.

#[path = "../common/mod.rs"]
mod common;

mod estimators;
mod exact;
mod gradient;
mod numpy_parity;
mod sampling;
mod training;
