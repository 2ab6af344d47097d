//! General Boltzmann machines: training, sampling with what physicists observe, `ln Z` and
//! likelihoods.

mod edges;
mod evaluate;
mod measure;
mod observe;
mod pictures;
mod plan;
mod sample;
mod train;
mod watch;

pub use edges::{is_edge_file, load as load_edges};
pub use evaluate::run as evaluate;
pub use plan::describe;
pub use sample::run as sample;
pub use train::run as train;
