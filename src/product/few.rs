//! Products of few or sparse rows of bits with weights as they are: the rows of the weights whose
//! inputs are on, added up, 16 to 256 columns in registers. The same bits as the native dense
//! product, so that which of the two computes a tile never shows: inputs in order, in the same
//! blocks, and what is off adds nothing. Nothing is packed or expanded. Statistics of few samples
//! are such a product too: of the units' bits with the other layer's states.

use super::{
    Direction, Term,
    dense::{Provider, provider},
};
use crate::{
    bits::{BitView, WORD_BITS},
    simd::{Operation, Simd, dispatch},
    states::Input,
};
use std::ops::Range;

/// So few rows are taken at any density: packing would not pay.
pub(super) const FEW_ROWS: usize = 8;
/// Of more rows those of at most one active input among so many. Measured on Zen 5.
const SPARSITY: usize = 5;
/// The same where all weights lie in the first cache.
const SPARSITY_IN_CACHE: usize = 2;
/// Floats of weights that lie there.
const IN_CACHE: usize = 8192;
/// Inputs whose products are added up before they join the others: those of the dense product.
pub(super) const BLOCK_INPUTS: usize = 4 * WORD_BITS;

/// The bits of a product whose rows `rows` are to be computed here.
pub(super) fn takes<'a>(term: &Term<'a>, rows: Range<usize>) -> Option<BitView<'a>> {
    let (Input::Bits(x), None, Direction::Up, Provider::Native) =
        (term.input, term.fixed, term.direction, provider())
    else {
        return None;
    };
    let count = rows.len();
    let sparsity = match term.weights.padded().len() {
        0..=IN_CACHE => SPARSITY_IN_CACHE,
        _ => SPARSITY,
    };
    let is_taken = count <= FEW_ROWS || ones(x, rows) * sparsity <= count * x.columns();
    is_taken.then_some(x)
}

/// Bits of some rows that are on.
pub(super) fn ones(x: BitView<'_>, rows: Range<usize>) -> usize {
    let of_row = |row: usize| x.row(row).iter().map(|word| word.count_ones() as usize);
    rows.flat_map(of_row).sum()
}

/// A product to be computed by adding.
pub(super) struct AddRows<'a> {
    pub(super) x: BitView<'a>,
    pub(super) rows: Range<usize>,
    /// Rows of weights, `stride` floats apart.
    pub(super) weights: &'a [f32],
    pub(super) weights_stride: usize,
    /// Of the weights; they start at a word.
    pub(super) columns: Range<usize>,
    /// Rows `stride` apart; up to the next multiple of 16 beyond the columns is overwritten.
    pub(super) product: &'a mut [f32],
    pub(super) stride: usize,
    /// Whether the product is added to what is there; else it replaces it.
    pub(super) adds: bool,
}

/// `product += X[rows] W[.., columns]`, or `=`.
pub(super) fn add(work: AddRows<'_>) {
    dispatch(work);
}

impl Operation for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let mut first = 0;
        while first < self.columns.len() {
            first += match (self.columns.len() - first).div_ceil(S::LANES) {
                16.. if S::LANES == 16 => self.strip::<S, 16>(s, first),
                8.. => self.strip::<S, 8>(s, first),
                7 => self.strip::<S, 7>(s, first),
                6 => self.strip::<S, 6>(s, first),
                5 => self.strip::<S, 5>(s, first),
                4 => self.strip::<S, 4>(s, first),
                3 => self.strip::<S, 3>(s, first),
                2 => self.strip::<S, 2>(s, first),
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
        let (weights, at) = (self.weights, self.columns.start + first);
        let stride = self.weights_stride;
        assert!(at + width <= stride && first + width <= self.stride);
        // What some rows of weights bring into the cache serves all rows of bits.
        // Of no inputs at all the product is zero.
        for (block, first_word) in (0..self.x.columns().div_ceil(WORD_BITS).max(1))
            .step_by(BLOCK_INPUTS / WORD_BITS)
            .enumerate()
        {
            let adds = self.adds || block > 0;
            let products = self.product.chunks_mut(self.stride);
            for (row, product) in self.rows.clone().zip(products) {
                let words = &self.x.row(row)[first_word..];
                let mut sums = [s.splat(0.0); V];
                for (k, &word) in words.iter().take(BLOCK_INPUTS / WORD_BITS).enumerate() {
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
                let product = &mut product[first..first + width];
                for (v, &sum) in sums.iter().enumerate() {
                    let to = &mut product[v * S::LANES..];
                    let total = if adds { s.add(s.load(to), sum) } else { sum };
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
        matrix::Matrix,
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
            rows in 1_usize..20,
            inputs in 0_usize..600,
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
            let mut dense = [vec![0.0; rows * stride], vec![0.5; rows * stride]];
            let mut expanded = vec![0.0; rows * BLOCK_INPUTS];
            let w = Operand::row_major(weights.padded(), inputs, columns, weights.stride());
            let b = w.columns(range.clone());
            for k in (0..inputs).step_by(BLOCK_INPUTS) {
                let part = k..(k + BLOCK_INPUTS).min(inputs);
                expand(x.view(), 0..rows, part.clone(), 1.0, &mut expanded, BLOCK_INPUTS);
                let a = Operand::row_major(&expanded, rows, part.len(), BLOCK_INPUTS);
                for dense in &mut dense {
                    multiply(Provider::Native, 1.0, a, b.rows(part.clone()), dense, stride);
                }
            }
            for isa in Isa::available() {
                for (adds, start) in [(true, 0.5), (false, f32::NAN)] {
                    let mut got = vec![start; rows * stride];
                    dispatch_on(isa, AddRows {
                        x: x.view(),
                        rows: 0..rows,
                        weights: weights.padded(),
                        weights_stride: weights.stride(),
                        columns: range.clone(),
                        product: &mut got,
                        stride,
                        adds,
                    });
                    for (got, dense) in got.chunks(stride).zip(dense[usize::from(adds)].chunks(stride)) {
                        prop_assert_eq!(&got[..range.len()], &dense[..range.len()], "{}", isa);
                        let beyond = got[range.len()..].iter();
                        prop_assert!(beyond.clone().all(|x| x.is_finite() || !adds));
                    }
                }
            }
        }
    }
}
