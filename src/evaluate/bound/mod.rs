//! Lower bounds on the likelihood, of deep belief networks and of deep Boltzmann machines.

mod dbm;
mod dbn;

pub use dbm::{DbmBound, DbmLikelihood, PosteriorActivity, RESPONDING_ABOVE};
pub use dbn::{Bound, BoundEstimate};
