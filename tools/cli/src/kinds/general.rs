//! General Boltzmann machines: training, sampling with what physicists observe, `ln Z` and
//! likelihoods.

mod edges;
mod observe;
mod pictures;
mod plan;
mod sample;
mod train;
mod watch;

pub use edges::{is_edge_file, is_of_spins, load as load_edges, spin_constant};
pub use plan::describe;
pub use sample::run as sample;
pub use train::run as train;
