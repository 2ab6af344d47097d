//! Machines: parameters and conditionals, no learning.

mod any;
pub mod boltzmann;
mod clamp;
mod dbm;
mod dbn;
mod exact;
mod imputation;
mod layer;
mod layered;
mod named;
mod network;
mod rbm;
mod tempering;

pub use any::Model;
pub use boltzmann::{BoltzmannChain, BoltzmannMachine, EdgeEnergy, EdgeFile};
pub use clamp::Clamp;
pub use dbm::{Convergence, Dbm, DbmChain, DbmExpectations, MeanField, Posterior};
pub(crate) use dbn::layer_draws;
pub use dbn::{Dbn, Directed, MAX_EXACT_LAYER_PAIR, MAX_LAYERS};
pub(crate) use exact::by_length;
pub use exact::{
    ExactLikelihood, Expectations, MAX_EXACT_UNITS, MAX_SAMPLED_UNITS, Side, lengths_of,
};
pub use imputation::{Imputation, Imputed};
pub use layer::Layer;
pub(crate) use layer::{dot, length_of, log_odds, log_shares};
pub use layered::{Layered, Undirected};
pub use named::Parameter;
pub use network::{Activation, Network, NetworkLayer};
pub use rbm::{GivenObserved, Missing, Rbm, RbmChain, most_probable};
pub(crate) use rbm::{clear_group, for_each_sent};
pub(crate) use tempering::{Models, Rungs, UnitReplicas};
pub use tempering::{SwapRate, Tempering, Trajectory, even_ladder};
