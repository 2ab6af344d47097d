//! Bits as indices of tables: made once a pass and shared by all outputs.

use super::{GROUP, LANES, PACKED, TRIPLES};
use crate::{
    bits::{BitView, WORD_BITS, transpose_block},
    matrix::{Aligned, aligned},
    product::quantize::BLOCK,
    simd::{Operation, Simd, dispatch},
    threads,
};

/// The bits of a layer's states as indices of tables: `[block of 128 inputs][triple of
/// groups][rows, padded to vectors]`.
#[derive(Clone, Debug)]
pub(in crate::product) struct Indices {
    pub(super) words: Aligned<u16>,
    pub(super) rows: usize,
    pub(super) blocks: usize,
}

impl Default for Indices {
    fn default() -> Self {
        Self {
            words: aligned(0, 0),
            rows: 0,
            blocks: 0,
        }
    }
}

impl Indices {
    /// Makes room for `blocks` blocks of inputs of `rows` rows; allocates only to grow.
    fn reset(&mut self, rows: usize, blocks: usize) {
        self.rows = rows.next_multiple_of(LANES);
        self.blocks = blocks;
        let size = blocks * TRIPLES * self.rows;
        if self.words.len() < size {
            self.words.resize(size, 0);
        }
    }

    /// The blocks of one layer's inputs after the other's. Blocks run in parallel.
    pub(in crate::product) fn fill<'x>(
        &mut self,
        inputs: impl Iterator<Item = BitView<'x>> + Clone,
    ) {
        let rows = inputs.clone().map(|x| x.rows()).max().unwrap_or(0);
        self.reset(rows, inputs.clone().map(blocks).sum());
        let size = TRIPLES * self.rows;
        let mut rest = &mut self.words[..self.blocks * size];
        for x in inputs {
            let (words, after) = rest.split_at_mut(blocks(x) * size);
            let index = |block, words: &mut [u16]| dispatch(Index { x, block, words });
            threads::for_each(words, size.max(1), index);
            rest = after;
        }
    }

    /// The same with samples as inputs and units as rows: the bits of each phase transposed.
    pub(in crate::product) fn fill_transposed<'x>(
        &mut self,
        units: usize,
        phases: impl Iterator<Item = BitView<'x>> + Clone + Sync + Send,
    ) {
        let blocks = |x: BitView<'_>| x.rows().div_ceil(BLOCK);
        self.reset(units, phases.clone().map(blocks).sum());
        let size = TRIPLES * self.rows;
        let words = &mut self.words[..self.blocks * size];
        threads::for_each(words, size.max(1), |mut block, words| {
            for x in phases.clone() {
                if block < blocks(x) {
                    return dispatch(IndexTransposed { x, block, words });
                }
                block -= blocks(x);
            }
        });
    }
}

/// Blocks of the inputs.
fn blocks(x: BitView<'_>) -> usize {
    x.columns().div_ceil(BLOCK)
}

/// Indices of one block of inputs.
struct Index<'a> {
    x: BitView<'a>,
    block: usize,
    words: &'a mut [u16],
}

impl Operation for Index<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (words, stride) = self.x.words();
        let rows = self.words.len() / TRIPLES;
        let first = self.block * (BLOCK / WORD_BITS);
        let two = first + 1 < self.x.columns().div_ceil(WORD_BITS);
        for start in (0..rows).step_by(LANES) {
            let (mut low, mut high) = ([0_u64; LANES], [0_u64; LANES]);
            for (k, row) in (start..self.x.rows().min(start + LANES)).enumerate() {
                low[k] = words[row * stride + first];
                high[k] = if two {
                    words[row * stride + first + 1]
                } else {
                    0
                };
            }
            pack(&low, &high, self.words, rows, start);
        }
    }
}

/// Indices of one block of samples.
struct IndexTransposed<'a> {
    x: BitView<'a>,
    block: usize,
    words: &'a mut [u16],
}

impl Operation for IndexTransposed<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (words, stride) = self.x.words();
        let rows = self.words.len() / TRIPLES;
        for column in 0..self.x.columns().div_ceil(WORD_BITS) {
            let mut squares = [[0_u64; WORD_BITS]; 2];
            for (half, square) in squares.iter_mut().enumerate() {
                let first = self.block * BLOCK + half * WORD_BITS;
                let samples = first.min(self.x.rows())..(first + WORD_BITS).min(self.x.rows());
                if samples.is_empty() {
                    continue;
                }
                for (word, sample) in square.iter_mut().zip(samples) {
                    *word = words[sample * stride + column];
                }
                transpose_block(square);
            }
            let [low, high] = &squares;
            for half in 0..WORD_BITS / LANES {
                let start = column * WORD_BITS + half * LANES;
                if start < rows {
                    let lanes = half * LANES..(half + 1) * LANES;
                    let low = low[lanes.clone()].try_into().expect("32 lanes");
                    let high = high[lanes].try_into().expect("32 lanes");
                    pack(low, high, self.words, rows, start);
                }
            }
        }
    }
}

/// Cuts 128 bits of each of a vector of rows into triples of groups.
#[inline(always)]
fn pack(low: &[u64; LANES], high: &[u64; LANES], words: &mut [u16], rows: usize, start: usize) {
    for triple in 0..TRIPLES {
        let shift = triple * PACKED * GROUP;
        let mut all = [0_u16; LANES];
        for k in 0..LANES {
            let bits = if shift == 0 {
                low[k]
            } else if shift < WORD_BITS {
                low[k] >> shift | high[k] << (WORD_BITS - shift)
            } else {
                high[k] >> (shift - WORD_BITS)
            };
            all[k] = bits as u16 & 0x7FFF;
        }
        words[triple * rows + start..][..LANES].copy_from_slice(&all);
    }
}
