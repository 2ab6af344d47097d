//! Exact sums for machines of any kinds of units: all states of a discrete layer, in the order of
//! their index, with the other layer's log-partition in closed form, f64.
//!
//! The index of a state is a number with one digit for each Bernoulli or spin unit (0: off or -1,
//! 1: on) and each softmax group (which unit is on), the first unit being the lowest digit.
//! Consecutive indices differ in two digits on average, so a state costs some two rows of weights
//! and one log-partition. Blocks start from scratch and are combined in order.

use super::{Enumerated, MAX_EXACT_UNITS, Side, Sums, driver::Counter};
use crate::{
    error::{Error, Result},
    kernel::reduce::LogSum,
    model::{Layer, Rbm},
    units::Kind,
};

/// States that are walked between fresh starts.
const BLOCK: u64 = 1 << 12;

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
    /// Number of states, if they can be numbered: infinity where there are too many for a float.
    pub fn states(&self) -> Option<f64> {
        let product = || digits(self).iter().map(|d| d.values as f64).product();
        let are_digits = self.units.are_discrete() && !self.are_counts();
        are_digits.then(product)
    }

    /// The state of index `index` of a discrete layer: Bernoulli and spin units are binary digits,
    /// softmax groups digits of base K, the first unit is the lowest digit.
    ///
    /// # Panics
    /// For a layer of counts or with continuous units.
    pub fn state(&self, mut index: u64) -> Vec<f32> {
        assert!(
            self.units.are_discrete() && !self.are_counts(),
            "states of counts and of continuous units have no index"
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
pub(super) struct Walk<'a> {
    own: &'a Layer,
    other: &'a Layer,
    digits: Vec<Digit>,
    bases: Vec<u64>,
    states: u64,
    /// `[own x other]`.
    weights: Vec<f64>,
    beta: f64,
}

/// Where a walk stands.
struct State {
    units: Vec<f64>,
    own: f64,
    input: Vec<f64>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(rbm: &'a Rbm, side: Side, beta: f64) -> Result<Self> {
        let (own, other) = side.layers(rbm);
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
        rbm.visible().expect_length("states to enumerate")?;
        let digits = digits(own);
        Ok(Self {
            bases: digits.iter().map(|d| d.values).collect(),
            digits,
            states: states as u64,
            own,
            other,
            weights: side.weights(rbm, 1.0),
            beta,
        })
    }

    fn change(&self, state: &mut State, unit: usize, change: f64) {
        let m = self.other.size();
        state.units[unit] += change;
        state.own += change * f64::from(self.own.bias[unit]);
        for (x, w) in state.input.iter_mut().zip(&self.weights[unit * m..][..m]) {
            *x += change * w;
        }
    }

    /// Digit `k` becomes `value`.
    fn set(&self, state: &mut State, k: usize, old: u64, value: u64) {
        let d = self.digits[k];
        match d.kind {
            Kind::Softmax => {
                self.change(state, d.first + old as usize, -1.0);
                self.change(state, d.first + value as usize, 1.0);
            }
            kind => {
                let step = if kind == Kind::Spin { 2.0 } else { 1.0 };
                self.change(state, d.first, step * (value as f64 - old as f64));
            }
        }
    }

    /// Calls `visit(index, state)` for every state of a block.
    fn walk(&self, block: u64, mut visit: impl FnMut(u64, &State)) {
        let start = block * BLOCK;
        let mut state = State {
            units: vec![0.0; self.own.size()],
            own: 0.0,
            input: self.other.bias.iter().map(|&b| f64::from(b)).collect(),
        };
        let mut counter = Counter::at(&self.bases, start);
        for (d, &value) in self.digits.iter().zip(&counter.digits) {
            match d.kind {
                Kind::Softmax => self.change(&mut state, d.first + value as usize, 1.0),
                Kind::Spin => self.change(&mut state, d.first, 2.0 * value as f64 - 1.0),
                _ if value == 1 => self.change(&mut state, d.first, 1.0),
                _ => {}
            }
        }
        visit(start, &state);
        for index in start + 1..(start + BLOCK).min(self.states) {
            counter.advance(|k, old, value| self.set(&mut state, k, old, value));
            visit(index, &state);
        }
    }

    /// `ln` of the unnormalized probability of a state of the enumerated layer.
    fn log_weight(&self, state: &State) -> f64 {
        self.beta * state.own + self.other.log_partition(&state.input, self.beta)
    }
}

impl Enumerated for Walk<'_> {
    fn states(&self) -> u64 {
        self.states
    }

    fn block_states(&self) -> u64 {
        BLOCK
    }

    fn log_sum(&self, block: u64) -> LogSum {
        let mut sum = LogSum::default();
        self.walk(block, |_, state| sum.add(self.log_weight(state)));
        sum
    }

    fn log_weights(&self, block: u64, log_weights: &mut [f64]) {
        self.walk(block, |index, state| {
            log_weights[(index - block * BLOCK) as usize] = self.log_weight(state);
        });
    }

    fn no_sums(&self) -> Sums {
        let (n, m) = (self.own.size(), self.other.size());
        let squares = if self.other.log_variance.is_empty() {
            0
        } else {
            m
        };
        Sums {
            pairs: vec![0.0; n * m],
            own: vec![0.0; n],
            other: vec![0.0; m],
            squares: vec![0.0; squares],
        }
    }

    fn add(&self, block: u64, log_z: f64, sums: &mut Sums) {
        let m = self.other.size();
        let mut mean = vec![0.0; m];
        self.walk(block, |_, state| {
            let p = (self.log_weight(state) - log_z).exp();
            self.other.mean_into(&state.input, 1.0, &mut mean);
            for (j, sum) in sums.squares.iter_mut().enumerate() {
                *sum += p * (mean[j].powi(2) + self.other.conditional_variance(j, 1.0));
            }
            let other = sums.other.iter_mut().zip(&mean);
            other.for_each(|(s, x)| *s += p * x);
            for (k, &x) in state.units.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                sums.own[k] += p * x;
                let row = &mut sums.pairs[k * m..][..m];
                row.iter_mut().zip(&mean).for_each(|(s, y)| *s += p * x * y);
            }
        });
    }
}
