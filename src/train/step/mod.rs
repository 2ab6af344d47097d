//! The step of the parameters: from statistics to new weights.

mod averaging;
pub(super) mod centering;
pub(super) mod constraint;
pub(super) mod evidence;
pub(super) mod gradient;
pub(super) mod optimizer;
pub(super) mod rule;
mod weights;

pub use averaging::Averaging;
pub use centering::{Centering, Offset};
pub use constraint::Sparsity;
pub use optimizer::Optimizer;
pub use rule::{Rates, Rule};
