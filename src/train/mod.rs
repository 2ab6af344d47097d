//! Learning: one readable loop over minibatches with a pluggable negative phase.
//!
//! ```text
//! minibatch -> positive phase -> negative phase (chains) -> statistics -> optimizer -> observer
//! ```

mod averaging;
mod centering;
mod chains;
mod constraint;
mod dbm;
mod dbm_optimizer;
mod dbm_options;
mod discriminative;
mod fast;
mod gradient;
mod minibatch;
mod optimizer;
mod options;
mod pretrain;
mod rule;
mod schedule;
mod stream;
mod trainer;

pub use averaging::Averaging;
pub use centering::{Centering, Offset, Offsets};
pub use chains::{Negative, Reconstruction};
pub use constraint::Sparsity;
pub use dbm::{DbmEvent, DbmTraining};
pub use dbm_optimizer::{DbmOptimizer, DbmParameters};
pub use dbm_options::DbmOptions;
pub use optimizer::{Optimizer, Parameters};
pub use options::{Doubled, Objective, Options};
pub use pretrain::pretrained;
pub use rule::Rule;
pub use schedule::Schedule;
pub use trainer::{Event, Position, Trainer, Training};
