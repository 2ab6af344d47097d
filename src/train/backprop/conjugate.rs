//! Nonlinear conjugate gradients on one minibatch (Polak and Ribiere 1969).
//!
//! ```text
//! s_1 = -g_1,   s_{k+1} = -g_{k+1} + b s_k,   b = g_{k+1}.(g_{k+1} - g_k) / g_k.g_k,   each followed by a line search
//! ```
//!
//! A direction that does not lead down, or whose search fails, gives way to the gradient. The first step of a search is the last one times the quotient of both slopes,
//! at most [`MOST_GROWTH`] of it.

use super::{line_search::line_search, parameters::NetworkParameters};
use crate::{error::Result, model::Network};
use std::ops::Range;

/// A first step is at most this multiple of the step before.
const MOST_GROWTH: f64 = 100.0;

/// Buffers, all of which are of one minibatch alone.
#[derive(Clone, Debug)]
pub(super) struct ConjugateGradients {
    /// Where the line begins.
    start: NetworkParameters,
    direction: NetworkParameters,
    /// Gradients at the start and at the step at hand.
    gradients: [NetworkParameters; 2],
    sums: Vec<f64>,
}

impl ConjugateGradients {
    pub(super) fn new(network: &Network) -> Self {
        let zeros = || NetworkParameters::zeros(network);
        Self {
            start: zeros(),
            direction: zeros(),
            gradients: [zeros(), zeros()],
            sums: Vec::new(),
        }
    }

    /// Moves the parameters of connections `learned` by `line_searches` searches for less of `objective(network, gradient)`, which gives the value and fills
    /// the gradient. Returns the value at the end and the number of evaluations.
    pub(super) fn minimize(
        &mut self,
        network: &mut Network,
        learned: Range<usize>,
        line_searches: usize,
        mut objective: impl FnMut(&Network, &mut NetworkParameters) -> Result<f64>,
    ) -> Result<(f64, u64)> {
        let Self {
            start,
            direction,
            gradients: [here, next],
            sums,
        } = self;
        let learned = || learned.clone();
        let mut f = objective(network, here)?;
        let mut evaluations = 1;
        let mut square = here.dot(here, learned(), sums);
        let mut slope = -square;
        direction.scale_and_subtract(0.0, here, learned());
        let mut step = 1.0 / (1.0 - slope);
        let mut failed = false;
        for _ in 0..line_searches {
            if !(slope < 0.0 && slope.is_finite()) {
                break;
            }
            start.copy_from(network, learned());
            let found = line_search(f, slope, step, |x| {
                start.place(x as f32, direction, network, learned());
                let f = objective(network, next)?;
                Ok((f, next.dot(direction, learned(), sums)))
            })?;
            evaluations += found.evaluations;
            if found.x == 0.0 {
                start.place(0.0, direction, network, learned());
            } else {
                f = found.f;
                std::mem::swap(here, next);
            }
            let before = (square, slope);
            square = here.dot(here, learned(), sums);
            if found.accepted {
                failed = false;
                let mixed = here.dot(next, learned(), sums);
                let share = (square - mixed) / before.0;
                direction.scale_and_subtract(share as f32, here, learned());
                slope = here.dot(direction, learned(), sums);
                if slope >= 0.0 {
                    direction.scale_and_subtract(0.0, here, learned());
                    slope = -square;
                }
                step = found.x * (before.1 / slope).min(MOST_GROWTH);
            } else {
                if failed {
                    break;
                }
                failed = true;
                direction.scale_and_subtract(0.0, here, learned());
                slope = -square;
                step = 1.0 / (1.0 - slope);
            }
        }
        Ok((f, evaluations))
    }
}
