//! Exact sums for machines of any kinds of units: all states of a discrete layer, in the order of
//! their index, with the other layer's log-partition in closed form, f64.
//!
//! The index of a state is a number with one digit for each Bernoulli or spin unit (0: off or -1,
//! 1: on) and each softmax group (which unit is on), the first unit being the lowest digit.
//! Consecutive indices differ in two digits on average, so a state costs some two rows of weights
//! and one log-partition. Blocks start from scratch and are combined in order.

use super::{Expectations, MAX_EXACT_UNITS, Side, by_block, until};
use crate::{
    error::{Error, Result},
    kernel::reduce::{LogSum, log_sum_exp},
    matrix::Matrix,
    model::{Layer, Rbm},
    stop::Stop,
    threads::{in_pool, prelude::*},
    units::Kind,
};
use std::ops::ControlFlow;

/// States that are walked between fresh starts.
const BLOCK: u64 = 1 << 12;
/// Blocks are dealt to at most this many accumulators of expectations.
const MAX_ACCUMULATORS: u64 = 64;

/// One digit of a state's index.
#[derive(Clone, Copy, Debug)]
struct Digit {
    kind: Kind,
    first: usize,
    values: u64,
}

fn digits(layer: &Layer) -> Vec<Digit> {
    let mut digits = Vec::new();
    for s in layer.units.segments() {
        let (kind, first) = (s.kind, s.first);
        if kind == Kind::Softmax {
            let values = s.size as u64;
            digits.push(Digit {
                kind,
                first,
                values,
            });
        } else {
            let unit = |first| Digit {
                kind,
                first,
                values: 2,
            };
            digits.extend(s.range().map(unit));
        }
    }
    digits
}

impl Layer {
    /// Number of states, if they can be counted: infinity where there are too many for a float.
    pub fn states(&self) -> Option<f64> {
        let product = || digits(self).iter().map(|d| d.values as f64).product();
        self.units.are_discrete().then(product)
    }

    /// The state of index `index` of a discrete layer: Bernoulli and spin units are binary digits,
    /// softmax groups digits of base K, the first unit is the lowest digit.
    ///
    /// # Panics
    /// For a layer with continuous units.
    pub fn state(&self, mut index: u64) -> Vec<f32> {
        assert!(
            self.units.are_discrete(),
            "states of continuous units have no index"
        );
        let mut state = vec![0.0; self.size()];
        for d in digits(self) {
            let value = index % d.values;
            index /= d.values;
            match d.kind {
                Kind::Softmax => state[d.first + value as usize] = 1.0,
                Kind::Spin => state[d.first] = if value == 1 { 1.0 } else { -1.0 },
                _ => state[d.first] = value as f32,
            }
        }
        state
    }
}

/// A machine seen from its enumerated layer.
struct Walk<'a> {
    own: &'a Layer,
    other: &'a Layer,
    digits: Vec<Digit>,
    states: u64,
    /// `[own x other]`.
    weights: Vec<f64>,
    beta: f64,
}

/// Where a walk stands.
struct State {
    values: Vec<u64>,
    units: Vec<f64>,
    own: f64,
    input: Vec<f64>,
}

impl<'a> Walk<'a> {
    fn new(rbm: &'a Rbm, side: Side, beta: f64) -> Result<Self> {
        let (own, other) = match side {
            Side::Visible => (rbm.visible(), rbm.hidden()),
            Side::Hidden => (rbm.hidden(), rbm.visible()),
        };
        let Some(states) = own.states() else {
            return Err(Error::parameter(
                "units to enumerate",
                "a layer of bernoulli, softmax and spin units",
                &own.units,
            ));
        };
        if states > (MAX_EXACT_UNITS as f64).exp2() {
            return Err(Error::parameter(
                "states to enumerate",
                format!("at most 2^{MAX_EXACT_UNITS}"),
                format!("2^{:.1} of {} units", states.log2(), own.size()),
            ));
        }
        if (beta.is_nan() || beta <= 0.0) && !other.units.are_discrete() {
            return Err(Error::parameter(
                "inverse temperature of continuous units",
                "above 0",
                beta,
            ));
        }
        rbm.check()?;
        let (n, m) = (own.size(), other.size());
        let w = rbm.weights();
        let weights = (0..n * m)
            .map(|k| {
                let (a, b) = (k / m, k % m);
                let visible = side == Side::Visible;
                f64::from(if visible { w.row(a)[b] } else { w.row(b)[a] })
            })
            .collect();
        Ok(Self {
            digits: digits(own),
            states: states as u64,
            own,
            other,
            weights,
            beta,
        })
    }

    fn blocks(&self) -> u64 {
        self.states.div_ceil(BLOCK)
    }

    fn add(&self, state: &mut State, unit: usize, change: f64) {
        let m = self.other.size();
        state.units[unit] += change;
        state.own += change * f64::from(self.own.bias[unit]);
        for (x, w) in state.input.iter_mut().zip(&self.weights[unit * m..][..m]) {
            *x += change * w;
        }
    }

    /// Sets digit `k` to `value`.
    fn set(&self, state: &mut State, k: usize, value: u64) {
        let d = self.digits[k];
        let old = std::mem::replace(&mut state.values[k], value);
        match d.kind {
            Kind::Softmax => {
                self.add(state, d.first + old as usize, -1.0);
                self.add(state, d.first + value as usize, 1.0);
            }
            kind => {
                let step = if kind == Kind::Spin { 2.0 } else { 1.0 };
                self.add(state, d.first, step * (value as f64 - old as f64));
            }
        }
    }

    /// Calls `visit(index, state)` for every state of a block.
    fn walk(&self, block: u64, mut visit: impl FnMut(u64, &State)) {
        let start = block * BLOCK;
        let mut state = State {
            values: Vec::with_capacity(self.digits.len()),
            units: vec![0.0; self.own.size()],
            own: 0.0,
            input: self.other.bias.iter().map(|&b| f64::from(b)).collect(),
        };
        let mut rest = start;
        for d in &self.digits {
            let value = rest % d.values;
            rest /= d.values;
            state.values.push(value);
            match d.kind {
                Kind::Softmax => self.add(&mut state, d.first + value as usize, 1.0),
                Kind::Spin => self.add(&mut state, d.first, 2.0 * value as f64 - 1.0),
                _ if value == 1 => self.add(&mut state, d.first, 1.0),
                _ => {}
            }
        }
        visit(start, &state);
        for index in start + 1..(start + BLOCK).min(self.states) {
            let mut k = 0;
            while state.values[k] + 1 == self.digits[k].values {
                self.set(&mut state, k, 0);
                k += 1;
            }
            let value = state.values[k] + 1;
            self.set(&mut state, k, value);
            visit(index, &state);
        }
    }

    /// `ln` of the unnormalized probability of a state of the enumerated layer.
    fn log_weight(&self, state: &State) -> f64 {
        self.beta * state.own + self.other.log_partition(&state.input, self.beta)
    }

    /// `ln Z`; `None` if `progress` breaks.
    fn log_z_with(&self, progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>) -> Option<f64> {
        let of_block = |block| {
            let mut sum = LogSum::default();
            self.walk(block, |_, state| sum.add(self.log_weight(state)));
            sum
        };
        let mut total = LogSum::default();
        let sums = by_block(self.blocks(), of_block, progress);
        sums?.into_iter().for_each(|sum| total.merge(sum));
        Some(total.value())
    }

    fn log_z(&self) -> f64 {
        self.log_z_with(&mut |_, _| ControlFlow::Continue(()))
            .expect("nothing stops it")
    }
}

/// The discrete layer with fewer states; hidden if there is none.
pub(super) fn smaller_side(rbm: &Rbm) -> Side {
    let states = |layer: &Layer| layer.states().unwrap_or(f64::INFINITY);
    if states(rbm.visible()) < states(rbm.hidden()) {
        Side::Visible
    } else {
        Side::Hidden
    }
}

pub(super) fn log_z_over(rbm: &Rbm, side: Side, beta: f64) -> Result<f64> {
    Ok(Walk::new(rbm, side, beta)?.log_z())
}

pub(super) fn log_z_with(
    rbm: &Rbm,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Option<f64>> {
    Ok(Walk::new(rbm, smaller_side(rbm), 1.0)?.log_z_with(progress))
}

/// Sums of one accumulator: `E[own other']`, `E[own]`, `E[other]`, `E[other^2]`.
#[derive(Clone)]
struct Sums {
    pairs: Vec<f64>,
    own: Vec<f64>,
    other: Vec<f64>,
    squares: Vec<f64>,
}

pub(super) fn expectations(rbm: &Rbm, stop: &Stop) -> Result<Option<Expectations>> {
    let side = smaller_side(rbm);
    let walk = Walk::new(rbm, side, 1.0)?;
    let Some(log_z) = walk.log_z_with(&mut until(stop)) else {
        return Ok(None);
    };
    let (n, m) = (walk.own.size(), walk.other.size());
    let gaussian = !walk.other.log_variance.is_empty();
    let zero = Sums {
        pairs: vec![0.0; n * m],
        own: vec![0.0; n],
        other: vec![0.0; m],
        squares: vec![0.0; if gaussian { m } else { 0 }],
    };
    let accumulators = walk.blocks().min(MAX_ACCUMULATORS);
    let of_part = |part| {
        let mut sums = zero.clone();
        let mut mean = vec![0.0; m];
        let blocks = (part..walk.blocks()).step_by(accumulators as usize);
        for block in blocks.take_while(|_| !stop.is_requested()) {
            walk.walk(block, |_, state| {
                let p = (walk.log_weight(state) - log_z).exp();
                walk.other.mean_into(&state.input, 1.0, &mut mean);
                for (j, sum) in sums.squares.iter_mut().enumerate() {
                    *sum += p * (mean[j].powi(2) + walk.other.conditional_variance(j, 1.0));
                }
                sums.other
                    .iter_mut()
                    .zip(&mean)
                    .for_each(|(s, x)| *s += p * x);
                for (k, &x) in state.units.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                    sums.own[k] += p * x;
                    let row = &mut sums.pairs[k * m..][..m];
                    row.iter_mut().zip(&mean).for_each(|(s, y)| *s += p * x * y);
                }
            });
        }
        sums
    };
    let parts = (0..accumulators).into_par_iter();
    let parts: Vec<Sums> = in_pool(|| parts.map(of_part).collect());
    if stop.is_requested() {
        return Ok(None);
    }
    let mut total = zero;
    let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(s, x)| *s += x);
    for part in &parts {
        add(&mut total.pairs, &part.pairs);
        add(&mut total.own, &part.own);
        add(&mut total.other, &part.other);
        add(&mut total.squares, &part.squares);
    }
    let weights = Matrix::from_fn(rbm.n_visible(), rbm.n_hidden(), |i, j| {
        let (k, l) = if side == Side::Visible {
            (i, j)
        } else {
            (j, i)
        };
        total.pairs[k * m + l] as f32
    });
    // A discrete layer that also has Gaussian units does not exist: the enumerated side has no
    // squares.
    let (visible, hidden, visible_squares, hidden_squares) = if side == Side::Visible {
        (total.own, total.other, Vec::new(), total.squares)
    } else {
        (total.other, total.own, total.squares, Vec::new())
    };
    Ok(Some(Expectations {
        log_z,
        weights,
        visible,
        hidden,
        visible_squares,
        hidden_squares,
    }))
}

pub(super) fn visible_distribution(rbm: &Rbm, beta: f64) -> Result<Vec<f64>> {
    let walk = Walk::new(rbm, Side::Visible, beta)?;
    let mut p = vec![0.0; walk.states as usize];
    for block in 0..walk.blocks() {
        walk.walk(block, |index, state| {
            p[index as usize] = walk.log_weight(state)
        });
    }
    let log_z = log_sum_exp(&p);
    p.iter_mut().for_each(|p| *p = (*p - log_z).exp());
    Ok(p)
}
