//! Learning: one readable loop over minibatches with a pluggable negative phase.
//!
//! ```text
//! minibatch -> positive phase -> negative phase (chains) -> statistics -> optimizer -> observer
//! ```

mod backprop;
mod boltzmann;
mod dbm;
mod negative;
mod rbm;
mod run;
mod stack;
mod step;
mod up_down;

pub use backprop::{
    Backprop, BackpropEvent, BackpropOptions, BackpropState, Descent, NetworkParameters,
};
pub use boltzmann::{
    BoltzmannNegative, BoltzmannOptions, BoltzmannPositive, BoltzmannState, BoltzmannTraining,
    PairMemory,
};
pub use dbm::{DbmEvent, DbmOptimizer, DbmOptions, DbmParameters, DbmTraining};
pub use negative::{Negative, Reconstruction, Snapshots, Velocity};
pub use run::{Doubled, Event, Objective, Options, Position, Schedule, Trainer, Training};
pub use stack::{
    Aggregated, Greedy, GreedyEvent, GreedyLayer, GreedyPlan, Pretraining, PretrainingEvent,
    PretrainingPlan, pretrained,
};
pub use step::{Averaging, Centering, Offset, Offsets, Optimizer, Parameters, Rule, Sparsity};
pub use up_down::{
    MAX_MEMORY_STEPS, PairVelocity, UpDown, UpDownEvent, UpDownOptions, UpDownState,
};
