//! Measuring a machine: exactly where it is small, by annealed importance sampling where it is not, and by what training can afford.

mod ais;
mod exact;
mod monitor;
mod pseudo_likelihood;

pub use ais::{Ais, Base, INTERVAL_STANDARD_ERRORS, LogZ};
pub use exact::{exact_free_energies, exact_mean_log_likelihood, exact_mean_log_likelihood_with};
pub use monitor::{free_energy_gap, reconstruction_error};
pub use pseudo_likelihood::{pseudo_likelihood, stochastic_pseudo_likelihood};
