//! What enumeration gives of small machines.

mod likelihood;
mod samples;

pub use likelihood::{exact_free_energies, exact_mean_log_likelihood};
pub use samples::{MAX_SAMPLED_UNITS, exact_samples};
