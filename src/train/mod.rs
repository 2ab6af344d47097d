//! Learning: one readable loop over minibatches with a pluggable negative phase.
//!
//! ```text
//! minibatch -> positive phase -> negative phase (chains) -> statistics -> optimizer -> observer
//! ```

mod chains;
mod discriminative;
mod minibatch;
mod optimizer;
mod options;
mod schedule;
mod stream;
mod trainer;

pub use chains::{Negative, Reconstruction};
pub use optimizer::Optimizer;
pub use options::{Objective, Options};
pub use schedule::Schedule;
pub use trainer::{Event, Position, Trainer, Training};
