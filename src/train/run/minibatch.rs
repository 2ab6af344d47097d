//! Minibatches: examples in shuffled order, gathered row by row.

use super::Batch;
use crate::{
    bits::BitMatrix,
    dataset::{Examples, is_full},
    kernel::bernoulli,
    matrix::Matrix,
    model::Layer,
    rng::{Draws, HostRng, Stream},
    states::{Input, States},
    train::negative::rows::redraw_groups,
};
use std::ops::Range;

/// The order of the examples in an epoch: a function of (seed, epoch).
fn order_into(seed: u64, epoch: u64, n: usize, order: &mut Vec<u32>) {
    order.clear();
    order.extend(0..u32::try_from(n).unwrap_or(u32::MAX));
    HostRng::new(seed, Stream::Shuffle(epoch)).shuffle(order);
}

/// The order of the examples in the epoch that goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    order: Vec<u32>,
    /// Epoch that `order` is of.
    epoch: Option<u64>,
}

impl Order {
    /// Orders `n` examples for `epoch`, if that is not done.
    pub(super) fn of_epoch(&mut self, seed: u64, epoch: u64, n: usize) {
        if self.epoch != Some(epoch) {
            order_into(seed, epoch, n, &mut self.order);
            self.epoch = Some(epoch);
        }
    }

    /// The examples at these places of the order.
    pub(super) fn rows(&self, range: Range<usize>) -> &[u32] {
        &self.order[range]
    }
}

/// One minibatch: states, and what else there is of its examples.
#[derive(Clone, Debug)]
pub(in crate::train) struct Minibatch {
    states: States,
    /// Numbers of the examples among all; none where they came from outside.
    rows: Vec<u32>,
    labels: Vec<u32>,
    /// Relative to `mean_weight`; nothing if all are 1.
    weights: Vec<f32>,
    /// Of the examples that the run was started with.
    mean_weight: f64,
    observed: BitMatrix,
    /// Whether a value of the examples at hand is missing.
    is_missing: bool,
    /// Examples at hand.
    len: usize,
    /// Whether the examples are numbered.
    numbered: bool,
    /// Whether bits are drawn of numbers.
    draws: bool,
}

impl Minibatch {
    /// For up to `most` examples like those of `data`; bits are drawn of numbers if it `draws`.
    pub(super) fn new(most: usize, data: &Examples, draws: bool) -> Self {
        let n = data.columns();
        let has = |is: bool| if is { most } else { 0 };
        let mut all = Self {
            states: match draws || data.bits().is_some() {
                true => States::Bits(BitMatrix::zeros(most, n)),
                false => States::Real(Matrix::zeros(most, n)),
            },
            rows: Vec::with_capacity(most),
            labels: Vec::with_capacity(has(data.labels().is_some())),
            weights: Vec::with_capacity(has(data.weights().is_some())),
            mean_weight: 1.0,
            observed: BitMatrix::zeros(has(data.observed().is_some()), n),
            is_missing: false,
            len: 0,
            numbered: false,
            draws,
        };
        all.set_mean_weight(data.mean_weight());
        all
    }

    /// Makes weights relative to this one, unless it is 0.
    pub(super) fn set_mean_weight(&mut self, mean_weight: f64) {
        if mean_weight > 0.0 {
            self.mean_weight = mean_weight;
        }
    }

    /// Most examples of a minibatch.
    pub(super) fn most(&self) -> usize {
        self.states.rows()
    }

    /// Whether examples with these values fit the buffers.
    pub(super) fn takes(&self, data: &Examples) -> bool {
        let (own, other) = (self.states.bits().is_some(), data.bits().is_some());
        self.draws || own == other
    }

    /// Gathers the examples `rows`; gray ones are drawn with `draws`, as states of `layer`, if the
    /// batch holds bits.
    pub(super) fn fill(&mut self, data: &Examples, rows: &[u32], draws: Draws, layer: &Layer) {
        self.rows.clear();
        self.rows.extend_from_slice(rows);
        self.numbered = true;
        self.gather(data, draws, layer);
    }

    /// Gathers all of `data` in its order.
    pub(super) fn fill_all(&mut self, data: &Examples, draws: Draws, layer: &Layer) {
        self.rows.clear();
        self.rows.extend(0..data.len() as u32);
        self.numbered = false;
        self.gather(data, draws, layer);
    }

    fn gather(&mut self, data: &Examples, draws: Draws, layer: &Layer) {
        let rows = self.rows.iter().map(|&i| i as usize);
        self.len = self.rows.len();
        match (&mut self.states, data.states()) {
            (States::Bits(to), States::Bits(x)) => {
                for (k, i) in rows.clone().enumerate() {
                    to.copy_row(k, x.view(), i);
                }
            }
            (States::Bits(to), States::Real(x)) => {
                for (at, row) in rows.clone().enumerate() {
                    let (mean, mut bits) = (x.row(row), to.view_mut());
                    bernoulli::draw_row(mean, draws, at, bits.row_mut(at));
                    redraw_groups(layer, mean, draws, at, bits.row_mut(at));
                }
            }
            (States::Real(to), States::Real(x)) => {
                for (k, i) in rows.clone().enumerate() {
                    to.row_mut(k).copy_from_slice(x.row(i));
                }
            }
            (States::Real(_), States::Bits(_)) => unreachable!("types are checked at the door"),
        }
        self.labels.clear();
        if let Some(labels) = data.labels() {
            self.labels.extend(rows.clone().map(|i| labels[i]));
        }
        self.weights.clear();
        let relative = |i: usize| {
            let weight = data.weights().map_or(1.0, |weights| weights[i]);
            (f64::from(weight) / self.mean_weight) as f32
        };
        if rows.clone().any(|i| relative(i) != 1.0) {
            self.weights.extend(rows.clone().map(relative));
        }
        self.is_missing = false;
        if let Some(observed) = data.observed().filter(|_| self.observed.rows() > 0) {
            for (k, i) in rows.enumerate() {
                self.observed.copy_row(k, observed.view(), i);
                self.is_missing |= !is_full(observed.view(), i);
            }
        }
    }

    /// The states.
    pub(in crate::train) fn input(&self) -> Input<'_> {
        self.states.view_rows(0..self.len)
    }

    /// All that there is of the examples.
    pub(super) fn batch(&self) -> Batch<'_> {
        let all = |x: usize| x == self.len && self.len > 0;
        Batch {
            states: self.input(),
            rows: self.numbered.then_some(&self.rows),
            labels: all(self.labels.len()).then_some(&self.labels),
            weights: all(self.weights.len()).then_some(&self.weights),
            observed: self
                .is_missing
                .then(|| self.observed.view_rows(0..self.len)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Site;

    #[test]
    fn order_is_a_permutation_of_its_own_each_epoch() {
        let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
        order_into(1, 0, 100, &mut a);
        order_into(1, 1, 100, &mut b);
        order_into(1, 0, 100, &mut c);
        assert_eq!(a, c);
        assert_ne!(a, b);
        b.sort_unstable();
        assert!(b.into_iter().eq(0..100));
    }

    #[test]
    fn gray_rows_are_drawn_as_the_definition_says() {
        let gray = Matrix::from_fn(5, 70, |i, j| ((i * 70 + j) % 11) as f32 / 10.0);
        let data = Examples::new(gray.clone()).unwrap();
        let mut batch = Minibatch::new(3, &data, true);
        let draws = Draws::new(1, Site::Data, 2);
        batch.fill(&data, &[4, 0], draws, &Layer::bernoulli(70));
        let Input::Bits(bits) = batch.input() else {
            panic!("bits were asked for")
        };
        assert_eq!(bits.rows(), 2);
        for (k, i) in [4, 0].into_iter().enumerate() {
            for j in 0..70 {
                assert_eq!(bits.get(k, j), draws.bernoulli(k, j, gray.row(i)[j]));
            }
        }
        let mut batch = Minibatch::new(3, &data, false);
        batch.fill(&data, &[4, 0], draws, &Layer::bernoulli(70));
        assert!(matches!(batch.input(), Input::Real(x) if x.row(1) == gray.row(0)));
    }
}
