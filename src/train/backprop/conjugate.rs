//! Nonlinear conjugate gradients on one minibatch (Polak and Ribiere 1969).
//!
//! ```text
//! s_1 = -g_1,   s_{k+1} = -g_{k+1} + b s_k,   b = g_{k+1}.(g_{k+1} - g_k) / g_k.g_k
//! ```
//!
//! A line search follows each direction. One that does not lead down, or whose search fails, gives
//! way to the gradient. The first step of a search is the last one times the quotient of both
//! slopes, at most [`MOST_GROWTH`] of it.

use super::line_search::line_search;
use crate::{error::Result, model::Network, stop::Stop, train::parameters::Parameters};
use std::ops::Range;

/// A first step is at most this multiple of the step before.
const MOST_GROWTH: f64 = 100.0;

/// Buffers, all of which are of one minibatch alone.
#[derive(Clone, Debug)]
pub(super) struct ConjugateGradients {
    /// Where the minibatch begins, to go back to after a stop.
    origin: Parameters,
    /// Where the line begins.
    start: Parameters,
    direction: Parameters,
    /// Gradients at the start and at the step at hand.
    gradients: [Parameters; 2],
    sums: Vec<f64>,
}

impl ConjugateGradients {
    pub(super) fn new(network: &Network) -> Self {
        let zeros = || Parameters::zeros(network);
        Self {
            origin: zeros(),
            start: zeros(),
            direction: zeros(),
            gradients: [zeros(), zeros()],
            sums: Vec::new(),
        }
    }

    /// Moves the parameters of connections `learned` by `line_searches` searches for less of
    /// `objective(network, gradient)`, which gives the value and fills the gradient. Returns the
    /// value at the end and the number of evaluations; nothing, and `network` as it was, if a stop
    /// is requested before the last search.
    pub(super) fn minimize(
        &mut self,
        network: &mut Network,
        stop: &Stop,
        learned: Range<usize>,
        line_searches: usize,
        mut objective: impl FnMut(&Network, &mut Parameters) -> Result<f64>,
    ) -> Result<Option<(f64, u64)>> {
        let Self {
            origin,
            start,
            direction,
            gradients: [here, next],
            sums,
        } = self;
        let learned = || learned.clone();
        origin.copy_from(network, learned());
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
            if stop.is_requested() {
                origin.copy_to(network, learned());
                return Ok(None);
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
        Ok(Some((f, evaluations)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        matrix::Matrix,
        model::{Activation, NetworkLayer},
        units::{Kind, Units},
    };

    /// Zeros of both signs among the weights.
    fn network() -> Network {
        let layer = |n, m| NetworkLayer {
            activation: Activation::Logistic,
            weights: Matrix::from_fn(n, m, |i, j| match (i + 2 * j) % 5 {
                0 => -0.0,
                k => k as f32 - 1.5,
            }),
            bias: vec![-0.0; m],
        };
        let layers = vec![layer(6, 5), layer(5, 4)];
        Network::new(Units::of(Kind::Bernoulli, 6), layers).unwrap()
    }

    fn bits(network: &Network) -> Vec<u32> {
        let of = |l: usize| {
            let weights = network.weights(l).elements();
            weights.chain(network.bias(l + 1).iter().copied())
        };
        (0..2).flat_map(of).map(f32::to_bits).collect()
    }

    /// `(x - 1/4)^2 / 2 + (x - 1/4)^4` of a parameter `x`; the gradient in its place.
    fn term(x: &mut f32) -> f64 {
        let y = *x - 0.25;
        *x = y + 4.0 * y.powi(3);
        f64::from(0.5 * y * y + y.powi(4))
    }

    /// Searches for the minimum of the sum of all terms; a stop is requested at evaluation `at`.
    fn minimize(network: &mut Network, at: u64) -> Option<(f64, u64)> {
        let (stop, mut evaluations) = (Stop::new(), 0);
        ConjugateGradients::new(network)
            .minimize(network, &stop, 0..2, 8, |network, gradient| {
                evaluations += 1;
                if evaluations == at {
                    stop.request();
                }
                gradient.copy_from(network, 0..2);
                let mut loss = 0.0;
                for (weights, bias) in gradient.weights.iter_mut().zip(&mut gradient.bias[1..]) {
                    for i in 0..weights.rows() {
                        loss += weights.row_mut(i).iter_mut().map(term).sum::<f64>();
                    }
                    loss += bias.iter_mut().map(term).sum::<f64>();
                }
                Ok(loss)
            })
            .unwrap()
    }

    #[test]
    fn a_stop_at_any_evaluation_puts_every_bit_back() {
        let before = bits(&network());
        let mut moved = network();
        let (loss, evaluations) = minimize(&mut moved, u64::MAX).unwrap();
        assert!(loss.is_finite() && evaluations > 8);
        assert_ne!(bits(&moved), before);
        let mut stopped = 0;
        for at in 1..=evaluations {
            let mut network = network();
            match minimize(&mut network, at) {
                None => {
                    assert_eq!(bits(&network), before, "stopped at {at}");
                    stopped += 1;
                }
                // In the last search it is too late to stop.
                found => {
                    assert_eq!(found, Some((loss, evaluations)));
                    assert_eq!(bits(&network), bits(&moved));
                }
            }
        }
        assert!(
            stopped > 4 && stopped < evaluations,
            "{stopped} of {evaluations}"
        );
    }
}
