//! `ln Z` and likelihoods by annealed importance sampling, of every kind of machine.

mod ais;
mod anneal;
mod annealed;
mod bennett;
mod betas;
mod boltzmann;
mod bracket;
mod dbm;
mod given;
mod lengths;
mod log_z;
mod raise;
mod rbm;
mod reverse;
mod weighted;

pub use ais::{Ais, Base};
pub use annealed::Annealed;
pub use bennett::{Bennett, bennett};
pub use betas::{Betas, PILOT_CHAINS};
pub use bracket::{Bracket, SMALLEST_EFFECTIVE_SHARE, SMALLEST_OVERLAP, Warning};
pub use log_z::{Annealing, INTERVAL_STANDARD_ERRORS, LogZ};
pub use raise::Raise;
pub use reverse::ReverseStart;
pub use weighted::WeightedSamples;
