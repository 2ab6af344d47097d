//! General Boltzmann machines: training.

mod pictures;
mod plan;
mod train;
mod watch;

pub use plan::describe;
pub use train::run as train;
