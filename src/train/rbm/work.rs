//! What an update costs: little ones are done where they are called.

use super::RbmOptions;
use crate::{model::Rbm, train::Negative};

/// Phases of an update. One comes after the other, so that an update is shared between threads only
/// where each of them is more than a little work.
const PHASES: usize = 4;
/// Multiply-adds in the time of a unit of work; steps of a weight; draws.
const MULTIPLY_ADDS: usize = 256;
const STEPS: usize = 8;
const DRAWS: usize = 4;

/// Whether an update is products, draws and a step alone, as far as options say.
pub(super) fn is_plain(options: &RbmOptions) -> bool {
    let negative = match options.negative {
        Negative::Mcmc { .. }
        | Negative::ContrastiveDivergence { .. }
        | Negative::Persistent { .. } => true,
        Negative::Exact
        | Negative::FastPersistent { .. }
        | Negative::Tempered { .. }
        | Negative::Trajectory { .. }
        | Negative::PseudoLikelihood => false,
    };
    negative && options.objective.is_generative()
}

/// What such an update costs, a phase of it.
pub(super) fn of_update(rbm: &Rbm, negative: Negative, batch: usize) -> usize {
    let (n, m) = (rbm.n_visible(), rbm.n_hidden());
    let passes = 2 * batch as u64 + negative.passes(batch, 1);
    let passes = usize::try_from(passes).unwrap_or(usize::MAX);
    let products = passes.saturating_mul(n * m) / MULTIPLY_ADDS;
    let draws = passes.saturating_mul(n.max(m)) / DRAWS;
    products.saturating_add(draws).saturating_add(n * m / STEPS) / PHASES
}
