//! How well chains mix.

mod autocorrelation;
mod mode_jumps;

pub use autocorrelation::{AutocorrelationTime, integrated_autocorrelation_time};
pub use mode_jumps::{ModeJumps, nearest_templates};
