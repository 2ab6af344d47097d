//! Products of a few rows of bits with weights as they are: the rows of the weights whose inputs
//! are on, added up, 64 to 128 columns in registers. The same bits as the native dense product:
//! inputs in order, in the same blocks, and what is off adds nothing. Nothing is packed or
//! expanded, which a few rows would not pay for.

use super::{
    Direction, Term,
    dense::{Provider, provider},
};
use crate::{
    bits::{BitView, WORD_BITS},
    matrix::Matrix,
    simd::{Operation, Simd, dispatch},
    states::Input,
};
use std::ops::Range;

/// With more rows packing pays, at any density. Measured on Zen 5.
const MOST_ROWS: usize = 8;
/// Inputs whose products are added up before they join the others: those of the dense product.
pub(super) const BLOCK_INPUTS: usize = 4 * WORD_BITS;

/// The bits of a product that is to be computed here.
pub(super) fn takes<'a>(term: &Term<'a>, rows: usize) -> Option<BitView<'a>> {
    match (term.input, term.fixed, term.direction) {
        (Input::Bits(x), None, Direction::Up)
            if rows <= MOST_ROWS && provider() == Provider::Native =>
        {
            Some(x)
        }
        _ => None,
    }
}

/// `product += X[rows] W[.., columns]`, rows of the product `stride` apart; `columns` starts at a
/// word, and up to the next multiple of 16 beyond its end is overwritten.
pub(super) fn add(
    x: BitView<'_>,
    rows: Range<usize>,
    weights: &Matrix,
    columns: Range<usize>,
    product: &mut [f32],
    stride: usize,
) {
    dispatch(AddRows {
        x,
        rows,
        weights,
        columns,
        product,
        stride,
    });
}

struct AddRows<'a> {
    x: BitView<'a>,
    rows: Range<usize>,
    weights: &'a Matrix,
    columns: Range<usize>,
    product: &'a mut [f32],
    stride: usize,
}

impl Operation for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let mut first = 0;
        while first < self.columns.len() {
            first += match (self.columns.len() - first).div_ceil(S::LANES) {
                8.. => self.strip::<S, 8>(s, first),
                4..8 => self.strip::<S, 4>(s, first),
                2..4 => self.strip::<S, 2>(s, first),
                _ => self.strip::<S, 1>(s, first),
            };
        }
    }
}

impl AddRows<'_> {
    /// All rows of `V` vectors of columns from `first` on; how many columns these are.
    #[inline(always)]
    fn strip<S: Simd, const V: usize>(&mut self, s: S, first: usize) -> usize {
        let width = V * S::LANES;
        let (weights, at) = (self.weights.padded(), self.columns.start + first);
        let stride = self.weights.stride();
        assert!(at + width <= stride && first + width <= self.stride);
        for (row, product) in self.rows.clone().zip(self.product.chunks_mut(self.stride)) {
            let product = &mut product[first..first + width];
            let words = self.x.row(row);
            for (block, words) in words.chunks(BLOCK_INPUTS / WORD_BITS).enumerate() {
                let mut sums = [s.splat(0.0); V];
                for (k, &word) in words.iter().enumerate() {
                    let input = block * BLOCK_INPUTS + k * WORD_BITS;
                    let mut rest = word;
                    while rest != 0 {
                        let i = input + rest.trailing_zeros() as usize;
                        rest &= rest - 1;
                        let from = &weights[i * stride + at..][..width];
                        for (v, sum) in sums.iter_mut().enumerate() {
                            *sum = s.add(*sum, s.load(&from[v * S::LANES..]));
                        }
                    }
                }
                for (v, &sum) in sums.iter().enumerate() {
                    let to = &mut product[v * S::LANES..];
                    let total = s.add(s.load(to), sum);
                    s.store(to, total);
                }
            }
        }
        width
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bits::BitMatrix,
        product::{
            dense::{Operand, multiply},
            expand::expand,
        },
        rng::HostRng,
        simd::{Isa, dispatch_on},
    };
    use proptest::prelude::*;

    proptest! {
        /// The bits of the native dense product, and what is beyond the columns stays finite.
        #[test]
        fn rows_that_are_on_are_the_dense_product(
            rows in 1_usize..=MOST_ROWS,
            inputs in 1_usize..600,
            columns in 1_usize..300,
            start in 0_usize..2,
            density in 0.0..1.0,
            seed in any::<u64>(),
        ) {
            let mut rng = HostRng::numbered(seed, 71);
            let weights = Matrix::from_fn(inputs, columns, |_, _| rng.normal() as f32);
            let x = BitMatrix::from_fn(rows, inputs, |_, _| rng.uniform() < density);
            let start = (start * WORD_BITS).min(columns - 1) / WORD_BITS * WORD_BITS;
            let range = start..columns;
            let stride = range.len().next_multiple_of(WORD_BITS);
            let mut dense = vec![0.5; rows * stride];
            let mut expanded = vec![0.0; rows * BLOCK_INPUTS];
            let w = Operand::row_major(weights.padded(), inputs, columns, weights.stride());
            let b = w.columns(range.clone());
            for k in (0..inputs).step_by(BLOCK_INPUTS) {
                let part = k..(k + BLOCK_INPUTS).min(inputs);
                expand(x.view(), 0..rows, part.clone(), 1.0, &mut expanded, BLOCK_INPUTS);
                let a = Operand::row_major(&expanded, rows, part.len(), BLOCK_INPUTS);
                multiply(Provider::Native, 1.0, a, b.rows(part), &mut dense, stride);
            }
            for isa in Isa::available() {
                let mut got = vec![0.5; rows * stride];
                dispatch_on(isa, AddRows {
                    x: x.view(),
                    rows: 0..rows,
                    weights: &weights,
                    columns: range.clone(),
                    product: &mut got,
                    stride,
                });
                for (got, dense) in got.chunks(stride).zip(dense.chunks(stride)) {
                    prop_assert_eq!(&got[..range.len()], &dense[..range.len()], "{}", isa);
                    prop_assert!(got.iter().all(|x| x.is_finite()));
                }
            }
        }
    }
}
