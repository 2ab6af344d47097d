//! Learning: one readable loop over minibatches with a pluggable negative phase.
//!
//! ```text
//! minibatch -> positive phase -> negative phase (chains) -> statistics -> optimizer -> observer
//! ```

mod backprop;
mod boltzmann;
mod dbm;
mod health;
mod negative;
mod parameters;
mod positive;
mod rbm;
mod run;
mod stack;
mod step;
mod up_down;

pub use backprop::{BackpropLearner, BackpropOptions, BackpropTraining, Descent};
pub use boltzmann::{BoltzmannLearner, BoltzmannOptions, BoltzmannTraining};
pub use dbm::{DbmLearner, DbmOptions, DbmTraining};
pub use health::{ChainHealth, ChainWarning, Told};
pub use negative::{Negative, Reconstruction};
pub use parameters::Parameters;
pub use positive::Positive;
pub use rbm::{Doubled, Objective, RbmLearner, RbmOptions, RbmTraining};
pub use run::{
    At, Batch, Best, Better, Done, Ended, Event, Feed, Figures, Judge, Kept, Learner, Learning,
    Position, Run, RunState, Schedule, Stop, Verdict,
};
pub(crate) use stack::Resumed;
pub use stack::{Aggregated, GreedyLayer, GreedyPlan, PretrainingPlan, Stack, StackEvent};
pub use step::{Averaging, Centering, Offset, Optimizer, Rates, Rule, Sparsity};
pub use up_down::{MAX_MEMORY_STEPS, UpDownLearner, UpDownOptions, UpDownTraining};
