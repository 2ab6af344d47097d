//! Training of deep machines, one RBM after the other.

mod greedy;
mod pretrain;

pub use greedy::{Aggregated, Greedy, GreedyEvent, GreedyLayer, GreedyPlan};
pub use pretrain::{Pretraining, PretrainingEvent, PretrainingPlan, pretrained};
