//! Exact sums over all states of the smaller layer of an RBM, in f64, in Gray-code order, on all
//! cores.
//!
//! With the other layer summed in closed form,
//! `ln Z = ln sum_h e^(c.h + sum_i ln(1 + e^(b_i + (W h)_i)))`. Consecutive Gray codes differ in
//! one unit, so a step adds or subtracts one row of weights: [`binary`]. Machines of other units
//! are walked in the order of their index: [`digits`]. Blocks of states start from scratch, so
//! rounding does not pile up, and the [`driver`] combines them in order, so threads do not change
//! the result.

mod binary;
mod digits;
pub(super) mod driver;
mod gray;
mod lengths;
mod likelihood;
mod samples;

pub(crate) use lengths::by_length;
pub use lengths::lengths_of;
pub use likelihood::ExactLikelihood;
pub use samples::MAX_SAMPLED_UNITS;

use super::{Layer, Rbm};
use crate::{error::Result, matrix::Matrix, progress::Progress, simd::isa};
use binary::Enumeration;
use driver::{Enumerated, Sums};

/// Most units of the smaller layer that are enumerated: 2^30 states.
pub const MAX_EXACT_UNITS: usize = 30;

/// Which layer's states are enumerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// All `v`; hidden units summed in closed form.
    Visible,
    /// All `h`; visible units summed in closed form.
    Hidden,
}

impl Side {
    /// The enumerated layer of a machine and the other one.
    fn layers(self, rbm: &Rbm) -> (&Layer, &Layer) {
        match self {
            Self::Visible => (rbm.visible(), rbm.hidden()),
            Self::Hidden => (rbm.hidden(), rbm.visible()),
        }
    }

    /// The place `(i, j)` of the weight between unit `own` of the enumerated layer and `other`.
    fn place(self, own: usize, other: usize) -> (usize, usize) {
        match self {
            Self::Visible => (own, other),
            Self::Hidden => (other, own),
        }
    }

    /// The weights times `beta`, `[own x other]`.
    fn weights(self, rbm: &Rbm, beta: f64) -> Vec<f64> {
        let (own, other) = self.layers(rbm);
        let m = other.size();
        let weight = |k: usize| {
            let (i, j) = self.place(k / m, k % m);
            beta * f64::from(rbm.weights().row(i)[j])
        };
        (0..own.size() * m).map(weight).collect()
    }
}

/// Exact expectations under the machine.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// `ln Z`.
    pub log_z: f64,
    /// `E[v h']` `[n_visible x n_hidden]`.
    pub weights: Matrix,
    /// `E[v]`.
    pub visible: Vec<f64>,
    /// `E[h]`.
    pub hidden: Vec<f64>,
    /// `E[v_i^2]` if there are Gaussian visible units, else empty.
    pub visible_squares: Vec<f64>,
    /// `E[h_j^2]` if there are Gaussian hidden units, else empty.
    pub hidden_squares: Vec<f64>,
}

/// `then(the states of `side` at `beta`)`.
fn enumerated<T>(
    rbm: &Rbm,
    side: Side,
    beta: f64,
    then: impl FnOnce(&dyn Enumerated) -> Result<T>,
) -> Result<T> {
    if rbm.is_bernoulli() {
        then(&Enumeration::new(rbm, side, beta)?.on(isa()))
    } else {
        then(&digits::Walk::new(rbm, side, beta)?)
    }
}

/// The probability of every state of `side` at `beta`.
fn distribution_over(
    rbm: &Rbm,
    side: Side,
    beta: f64,
    progress: &mut dyn Progress,
) -> Result<Vec<f64>> {
    enumerated(rbm, side, beta, |states| {
        driver::distribution(states, progress)
    })
}

impl Rbm {
    /// The layer with fewer units; for machines of other than Bernoulli units the discrete layer
    /// with fewer states, hidden if there is none.
    pub fn smaller_side(&self) -> Side {
        let states = |layer: &Layer| layer.states().unwrap_or(f64::INFINITY);
        let (visible, hidden) = if self.is_bernoulli() {
            (self.n_visible() as f64, self.n_hidden() as f64)
        } else {
            (states(self.visible()), states(self.hidden()))
        };
        if visible < hidden {
            Side::Visible
        } else {
            Side::Hidden
        }
    }

    /// Exact `ln Z` at `beta` by enumeration of the states of `side`. Error: rounding of f64,
    /// provably below 2e-8 for inputs below 100 and a thousand units, and in practice below 1e-10
    /// (derived in `src/model/exact/gray.rs`); the same bits with every instruction set and number
    /// of threads. Cost: an addition and a multiplication for each unit of the other side and each
    /// of the `2^n` states; an exponential instead where some input can exceed 700, or the biases
    /// of the first five units 300.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) beyond [`MAX_EXACT_UNITS`] units or for a side
    /// with continuous units, [`Error::NotFinite`](crate::Error::NotFinite) for NaN or infinite
    /// parameters, [`Error::Stopped`](crate::Error::Stopped) if `progress` breaks.
    pub fn log_z_over(&self, side: Side, beta: f64, progress: &mut dyn Progress) -> Result<f64> {
        enumerated(self, side, beta, |states| driver::log_z(states, progress))
    }

    /// Exact `ln Z` by enumeration of the smaller layer.
    ///
    /// # Errors
    /// As [`Self::log_z_over`].
    pub fn log_z(&self, progress: &mut dyn Progress) -> Result<f64> {
        self.log_z_over(self.smaller_side(), 1.0, progress)
    }

    /// Exact expectations by enumeration of the smaller layer. Cost: a division and a few additions
    /// for each unit of the other layer and each of its states, beside that of [`Self::log_z`].
    ///
    /// # Errors
    /// As [`Self::log_z_over`].
    pub fn expectations(&self, progress: &mut dyn Progress) -> Result<Expectations> {
        let side = self.smaller_side();
        let (log_z, sums) = enumerated(self, side, 1.0, |x| driver::expectations(x, progress))?;
        let m = sums.other.len();
        let weights = Matrix::from_fn(self.n_visible(), self.n_hidden(), |i, j| {
            let (own, other) = side.place(i, j);
            sums.pairs[own * m + other] as f32
        });
        // A discrete layer that also has Gaussian units does not exist: the enumerated side has no
        // squares.
        let (visible, hidden, visible_squares, hidden_squares) = match side {
            Side::Visible => (sums.own, sums.other, Vec::new(), sums.squares),
            Side::Hidden => (sums.other, sums.own, sums.squares, Vec::new()),
        };
        Ok(Expectations {
            log_z,
            weights,
            visible,
            hidden,
            visible_squares,
            hidden_squares,
        })
    }

    /// `p(v)` at `beta` of all `2^n_visible` visible states, in the order of their index: bit `i`
    /// of the index is unit `i`; for other discrete units the index is that of
    /// [`super::Layer::state`].
    ///
    /// # Errors
    /// As [`Self::log_z_over`].
    pub fn visible_distribution(&self, beta: f64, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        distribution_over(self, Side::Visible, beta, progress)
    }
}
