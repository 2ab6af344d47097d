//! Learning: one readable loop over minibatches with a pluggable negative phase.
//!
//! ```text
//! minibatch -> positive phase -> negative phase (chains) -> statistics -> optimizer -> observer
//! ```

mod averaging;
mod backprop;
mod boltzmann;
mod centering;
mod constraint;
mod dbm;
mod gradient;
mod negative;
mod optimizer;
mod rbm;
mod rule;
mod run;
mod spurious;
mod stack;
mod wake_sleep;

pub use averaging::Averaging;
pub use backprop::{
    Backprop, BackpropEvent, BackpropOptions, BackpropState, Descent, NetworkParameters,
};
pub use boltzmann::{
    BoltzmannNegative, BoltzmannOptions, BoltzmannPositive, BoltzmannState, BoltzmannTraining,
    PairMemory,
};
pub use centering::{Centering, Offset, Offsets};
pub use constraint::Sparsity;
pub use dbm::{DbmEvent, DbmOptimizer, DbmOptions, DbmParameters, DbmTraining};
pub use negative::{Negative, Reconstruction, Snapshots, Velocity};
pub use optimizer::{Optimizer, Parameters};
pub use rule::Rule;
pub use run::{Doubled, Event, Objective, Options, Position, Schedule, Trainer, Training};
pub use spurious::{SpuriousModel, SpuriousModes, SpuriousReport};
pub use stack::{
    Aggregated, Greedy, GreedyEvent, GreedyLayer, GreedyPlan, Pretraining, PretrainingEvent,
    PretrainingPlan, pretrained,
};
pub use wake_sleep::{
    MAX_MEMORY_STEPS, PairVelocity, UpDown, UpDownEvent, UpDownOptions, UpDownState,
};
