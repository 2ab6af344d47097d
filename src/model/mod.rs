//! Machines: parameters and conditionals, no learning.

pub mod boltzmann;
mod clamp;
mod classify;
mod conditional;
mod enumerate;
mod enumerate_general;
mod gibbs;
mod gray;
mod layer;
mod quadratic;
mod rbm;
mod replicas;
mod states;
mod tempering;
mod trajectory;
pub mod units;

pub use boltzmann::{BoltzmannChain, BoltzmannMachine};
pub use clamp::Clamp;
pub(crate) use classify::clear_group;
pub use classify::most_probable;
pub use enumerate::{Expectations, MAX_EXACT_UNITS, Side};
pub use gibbs::GibbsChain;
pub use layer::Layer;
pub(crate) use layer::dot;
pub use rbm::Rbm;
pub(crate) use rbm::{for_each_sent, log_odds, log_z_of_biases};
pub use replicas::SwapRate;
pub use states::States;
pub use tempering::{Tempering, even_ladder};
pub use trajectory::Trajectory;
pub use units::{Kind, Units};
