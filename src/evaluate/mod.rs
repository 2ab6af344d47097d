//! Measuring a machine: exactly where it is small, by annealed importance sampling where it is not, and by what training can afford.
//!
//! `ln Z`: [`Ais::log_z`] from below, [`Ais::reverse_log_z`] from above, [`Ais::bracket`] both with [`bennett`]'s estimate and [`Warning`]s; without
//! `ln Z` the conservative likelihood of [`Ais::raise`]; samples with weights by [`Ais::weighted_samples`]. Deep Boltzmann machines: [`Ais::for_dbm`] and
//! [`DbmBound`]. Chains: [`integrated_autocorrelation_time`], [`ModeJumps`]. Units:
//! [`HiddenActivity`]. While training: [`pseudo_likelihood`], [`reconstruction_error`], [`free_energy_gap`].

mod ais;
mod anneal;
mod autocorrelation;
mod bennett;
mod betas;
mod boltzmann;
mod bound;
mod bracket;
mod dbm;
mod dbm_bound;
mod exact;
mod exact_samples;
mod hidden_activity;
mod log_z;
mod mode_jumps;
mod monitor;
mod pseudo_likelihood;
mod raise;
mod reverse;
mod weighted;

pub use ais::{Ais, Base};
pub use autocorrelation::{AutocorrelationTime, integrated_autocorrelation_time};
pub use bennett::{Bennett, bennett};
pub use betas::{Betas, PILOT_CHAINS};
pub use boltzmann::boltzmann_pseudo_likelihood;
pub use bound::{Bound, BoundEstimate};
pub use bracket::{Bracket, SMALLEST_EFFECTIVE_SHARE, SMALLEST_OVERLAP, Warning};
pub use dbm_bound::{DbmBound, DbmLikelihood, PosteriorActivity, RESPONDING_ABOVE};
pub use exact::{exact_free_energies, exact_mean_log_likelihood, exact_mean_log_likelihood_with};
pub use exact_samples::{MAX_SAMPLED_UNITS, exact_samples};
pub use hidden_activity::{DEAD_BELOW, HiddenActivity, SATURATED_ABOVE};
pub use log_z::{Annealing, INTERVAL_STANDARD_ERRORS, LogZ};
pub use mode_jumps::{ModeJumps, nearest_templates};
pub use monitor::{free_energy_gap, reconstruction_error};
pub use pseudo_likelihood::{pseudo_likelihood, stochastic_pseudo_likelihood};
pub use raise::Raise;
pub use reverse::ReverseStart;
pub use weighted::WeightedSamples;
