//! Learning: one readable loop over minibatches with a pluggable negative phase.
//!
//! ```text
//! minibatch -> positive phase -> negative phase (chains) -> statistics -> optimizer -> observer
//! ```

mod averaging;
mod boltzmann;
mod centering;
mod chains;
mod constraint;
mod discriminative;
mod fast;
mod gradient;
mod minibatch;
mod optimizer;
mod options;
mod rule;
mod schedule;
mod spurious;
mod stream;
mod trainer;

pub use averaging::Averaging;
pub use boltzmann::{BoltzmannNegative, BoltzmannOptions, BoltzmannPositive, BoltzmannTraining};
pub use centering::{Centering, Offset, Offsets};
pub use chains::{Negative, Reconstruction};
pub use constraint::Sparsity;
pub use optimizer::{Optimizer, Parameters};
pub use options::{Objective, Options};
pub use rule::Rule;
pub use schedule::Schedule;
pub use spurious::{SpuriousModel, SpuriousModes, SpuriousReport};
pub use trainer::{Event, Position, Trainer, Training};
