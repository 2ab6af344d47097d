//! What every door does the same way.

mod any_run;

pub use any_run::{AnyEvent, AnyRun, Running};
