//! Measuring a machine: exactly where it is small, by annealed importance sampling where it is not,
//! and by what training can afford.
//!
//! `ln Z`: [`Ais::log_z`] from below, [`Ais::reverse_log_z`] from above, [`Ais::bracket`] both with
//! [`bennett`]'s estimate and [`Warning`]s; without `ln Z` the conservative likelihood of
//! [`Ais::raise`]; samples with weights by [`Ais::weighted_samples`]; all of them of whatever is
//! [`Annealed`]. Bounds: [`DbmBound`] and [`Bound`]. Chains: [`integrated_autocorrelation_time`],
//! [`ModeJumps`]. Counts: [`Perplexity`]. Units: [`HiddenActivity`]. While training:
//! [`pseudo_likelihood`], [`reconstruction_error`], [`free_energy_gap`]. Whether it is fit to be
//! used: [`verify`].

mod annealing;
mod bound;
mod chains;
mod monitor;
mod perplexity;
mod verify;

pub use annealing::{
    Ais, Annealed, Annealing, Base, Bennett, Betas, Bracket, INTERVAL_STANDARD_ERRORS, LogZ,
    PILOT_CHAINS, Raise, ReverseStart, SMALLEST_EFFECTIVE_SHARE, SMALLEST_OVERLAP, Warning,
    WeightedSamples, bennett,
};
pub use bound::{
    Bound, BoundEstimate, DbmBound, DbmLikelihood, PosteriorActivity, RESPONDING_ABOVE,
};
pub use chains::{
    AutocorrelationTime, ModeJumps, integrated_autocorrelation_time, nearest_templates,
};
pub(crate) use monitor::independent_log_p;
pub use monitor::{
    DEAD_BELOW, HiddenActivity, PseudoLikelihood, SATURATED_ABOVE, free_energy_gap,
    independent_log_likelihood, pseudo_likelihood, reconstruction_error,
    stochastic_pseudo_likelihood,
};
pub use perplexity::Perplexity;
pub use verify::{Check, SATURATED_INPUT, Verdict, verify};
