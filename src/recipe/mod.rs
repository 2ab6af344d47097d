//! What every door does the same way: what this data and this machine want, in which stages they
//! learn, and what a run that goes on must agree with.

mod any_run;
pub mod defaults;
mod measure;
mod plan;
mod stored;
mod values;
mod warm;

pub use any_run::{AnyEvent, AnyRun, RunRef, Running};
pub use measure::{
    Annealed, ENUMERATED_UNITS, Mean, Measure, Measures, Observed, Partition, Raised,
};
pub use plan::{BoltzmannPlan, DbmPlan, DbnPlan, Plan, RbmPlan, StageName};
pub use values::Values;
