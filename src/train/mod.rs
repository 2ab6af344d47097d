//! Learning: one readable loop over minibatches with a pluggable negative phase.
//!
//! ```text
//! minibatch -> positive phase -> negative phase (chains) -> statistics -> optimizer -> observer
//! ```

mod averaging;
mod centering;
mod chains;
mod constraint;
mod discriminative;
mod fast;
mod gradient;
mod minibatch;
mod negative;
mod optimizer;
mod options;
mod rule;
mod schedule;
mod snapshots;
mod stream;
mod trainer;

pub use averaging::Averaging;
pub use centering::{Centering, Offset, Offsets};
pub use constraint::Sparsity;
pub use negative::{Negative, Reconstruction};
pub use optimizer::{Optimizer, Parameters};
pub use options::{Objective, Options};
pub use rule::Rule;
pub use schedule::Schedule;
pub use snapshots::Snapshots;
pub use trainer::{Event, Position, Trainer, Training};
