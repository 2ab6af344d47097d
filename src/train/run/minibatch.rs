//! Minibatches: examples in shuffled order, gathered row by row.

use crate::{
    bits::BitMatrix,
    dataset::Examples,
    matrix::{Matrix, MatrixView},
    model::Layer,
    rng::{Draws, HostRng},
    simd::{Operation, Simd, dispatch},
    states::{Input, States},
    train::negative::chains::redraw_groups,
};

/// Streams of [`HostRng`]: epoch `e` shuffles with stream `SHUFFLE_STREAM + e`.
const SHUFFLE_STREAM: u64 = 1 << 32;

/// The order of the examples in an epoch: a function of (seed, epoch).
pub(in crate::train) fn order_into(seed: u64, epoch: u64, n: usize, order: &mut Vec<u32>) {
    order.clear();
    order.extend(0..u32::try_from(n).expect("fewer than 2^32 examples"));
    HostRng::new(seed, SHUFFLE_STREAM + epoch).shuffle(order);
}

/// The states of one minibatch.
#[derive(Clone, Debug)]
pub(in crate::train) struct Minibatch {
    bits: BitMatrix,
    real: Matrix,
    rows: usize,
    is_bits: bool,
    /// Whether bits are drawn of numbers.
    draws: bool,
}

impl Minibatch {
    pub(in crate::train) fn new(batch_size: usize, data: &Examples, resample: bool) -> Self {
        let is_bits = resample || matches!(data.states(), States::Bits(_));
        let n = data.columns();
        Self {
            bits: BitMatrix::zeros(if is_bits { batch_size } else { 0 }, n),
            real: Matrix::zeros(if is_bits { 0 } else { batch_size }, n),
            rows: 0,
            is_bits,
            draws: resample,
        }
    }

    /// Gathers the examples `indices`; grey ones are drawn with `draws`, as states of `layer`, if the batch holds bits.
    pub(in crate::train) fn fill(
        &mut self,
        data: &Examples,
        indices: &[u32],
        draws: Draws,
        layer: &Layer,
    ) {
        self.rows = indices.len();
        match data.states() {
            States::Bits(x) => {
                for (k, &i) in indices.iter().enumerate() {
                    self.bits.copy_row(k, x.view(), i as usize);
                }
            }
            States::Real(x) if self.is_bits => {
                for (k, &i) in indices.iter().enumerate() {
                    dispatch(DrawRow {
                        mean: x.view(),
                        row: i as usize,
                        to: &mut self.bits,
                        at: k,
                        draws,
                    });
                    let mut bits = self.bits.view_mut();
                    redraw_groups(layer, x.row(i as usize), draws, k, bits.row_mut(k));
                }
            }
            States::Real(x) => {
                for (k, &i) in indices.iter().enumerate() {
                    self.real.row_mut(k).copy_from_slice(x.row(i as usize));
                }
            }
        }
    }

    /// Most examples of a minibatch.
    pub(in crate::train) fn most(&self) -> usize {
        self.bits.rows().max(self.real.rows())
    }

    /// Whether examples with these values fit the buffers.
    pub(in crate::train) fn takes(&self, values: &States) -> bool {
        self.is_bits && self.draws || self.is_bits == matches!(values, States::Bits(_))
    }

    pub(in crate::train) fn input(&self) -> Input<'_> {
        if self.is_bits {
            Input::Bits(self.bits.view_rows(0..self.rows))
        } else {
            Input::Real(self.real.view_rows(0..self.rows))
        }
    }
}

/// Row `at` of `to` drawn from row `row` of `mean`.
struct DrawRow<'a> {
    mean: MatrixView<'a>,
    row: usize,
    to: &'a mut BitMatrix,
    at: usize,
    draws: Draws,
}

impl Operation for DrawRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        crate::kernel::bernoulli::draw_row(
            s,
            self.mean.row(self.row),
            self.draws,
            self.at,
            self.to.view_mut().row_mut(self.at),
        );
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
    fn grey_rows_are_drawn_as_the_definition_says() {
        let grey = Matrix::from_fn(5, 70, |i, j| ((i * 70 + j) % 11) as f32 / 10.0);
        let data = Examples::new(grey.clone()).unwrap();
        let mut batch = Minibatch::new(3, &data, true);
        let draws = Draws::new(1, Site::Data, 2);
        batch.fill(&data, &[4, 0], draws, &Layer::bernoulli(70));
        let Input::Bits(bits) = batch.input() else {
            panic!("bits were asked for")
        };
        assert_eq!(bits.rows(), 2);
        for (k, i) in [4, 0].into_iter().enumerate() {
            for j in 0..70 {
                assert_eq!(bits.get(k, j), draws.bernoulli(k, j, grey.row(i)[j]));
            }
        }
        let mut batch = Minibatch::new(3, &data, false);
        batch.fill(&data, &[4, 0], draws, &Layer::bernoulli(70));
        assert!(matches!(batch.input(), Input::Real(x) if x.row(1) == grey.row(0)));
    }
}
