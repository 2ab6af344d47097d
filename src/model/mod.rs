//! Machines: parameters and conditionals, no learning.

mod enumerate;
mod gibbs;
mod gray;
mod layer;
mod rbm;

pub use enumerate::{Expectations, MAX_EXACT_UNITS, Side};
pub use gibbs::GibbsChain;
pub use layer::{Layer, Units};
pub use rbm::Rbm;
pub(crate) use rbm::{dot, log_odds, log_z_of_biases};
