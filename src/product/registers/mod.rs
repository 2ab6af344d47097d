//! Look-ups in registers, for many rows on AVX-512: a table of the 32 sums of five weights is one
//! register, and `vpermw` answers 32 rows at once. The same integers, and the same order of f32
//! sums, as the tables in memory of [`super::lookup`]: bit for bit the same products.
//!
//! Lanes are rows, so products come unit by unit and are turned back in fours. Tables of four
//! outputs over a block of inputs are built once and meet all rows; sixteen sums (four vectors of
//! rows, four outputs) stay in registers over the block. Building costs some two look-ups a table,
//! turning some half of one an output: worth it from [`FEWEST_ROWS`] rows on.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod indices;

pub(super) use indices::Indices;

use super::quantize::{BLOCK, WIDTH};
use crate::{
    bits::{BitViewMut, WORD_BITS, last_word_mask, transpose_block},
    kernel::{activation::inverse_sigmoid_lanes, bernoulli::Uniforms},
    matrix::{Aligned, aligned},
    rng::Draws,
    simd::{Isa, Operation, Simd, dispatch_on, isa},
};
use std::ops::Range;

/// Fewest rows for which building tables and turning products pays.
const FEWEST_ROWS: usize = 192;
/// Most rows of a tile: four outputs of them fit the first-level cache.
pub(super) const MAX_ROWS: usize = 1024;
/// Inputs of a table.
const GROUP: usize = 5;
/// Tables over a block of inputs; the last holds three.
const GROUPS: usize = BLOCK.div_ceil(GROUP);
/// Groups that share a 16-bit word of indices.
const PACKED: usize = 3;
/// Words of indices of a row and block.
const TRIPLES: usize = GROUPS.div_ceil(PACKED);
/// Rows of a vector.
const LANES: usize = 32;
/// Outputs whose sums are kept at a time.
const OUTPUTS: usize = 4;
/// Fours of outputs that are turned to rows at a time: a row's products fill a cache line.
const TURNED: usize = 4;

/// Whether products of `rows` rows of bits are looked up in registers.
pub(super) fn takes(rows: usize) -> bool {
    cfg!(target_arch = "x86_64") && rows >= FEWEST_ROWS && isa() == Isa::Avx512
}

/// What a thread needs for a tile.
#[derive(Debug)]
pub(super) struct Scratch {
    #[cfg(target_arch = "x86_64")]
    spread: Vec<avx512::Spread>,
    #[cfg(target_arch = "x86_64")]
    tables: Box<avx512::Tables>,
    sums: Aligned<f32>,
    columns: Vec<[u64; WORD_BITS]>,
}

impl Scratch {
    /// Buffers for tiles of few blocks; more let them grow.
    pub(super) fn new() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            spread: vec![avx512::Spread::default(); 8],
            #[cfg(target_arch = "x86_64")]
            tables: Box::default(),
            sums: aligned(TURNED * OUTPUTS * MAX_ROWS, 0.0),
            columns: vec![[0; WORD_BITS]; MAX_ROWS / WORD_BITS],
        }
    }
}

/// Weights of a block of inputs for [`WIDTH`] outputs.
pub(super) struct Slab<'a> {
    /// `[BLOCK inputs][WIDTH outputs]`, zero beyond the inputs that exist.
    pub(super) weights: &'a [i16],
    pub(super) step: f32,
    /// Inputs that exist.
    pub(super) inputs: usize,
}

/// A tile of products: `sum over blocks of step * (bits x slab)`.
pub(super) struct Tile<'a, F> {
    pub(super) indices: &'a Indices,
    /// Rows of the indices, from a multiple of `LANES` on.
    pub(super) rows: Range<usize>,
    /// Outputs, of which a slab has `WIDTH`.
    pub(super) outputs: usize,
    /// The `k`-th `WIDTH` outputs over a block of the indices.
    pub(super) slab: F,
}

impl<'s, F: Fn(usize, usize) -> Slab<'s>> Tile<'_, F> {
    /// Computes the tile with AVX-512 and calls `then(output, sums)` after every `FOURS` fours of
    /// outputs, with the sums of these `[outputs][rows, padded to vectors of 32]`; of each 32 rows,
    /// the 16 even ones come first, as 16-bit lanes widen.
    #[cfg(target_arch = "x86_64")]
    fn for_each<const FOURS: usize>(
        self,
        scratch: &mut Scratch,
        mut then: impl FnMut(usize, &[f32]),
    ) {
        let (rows, blocks) = (self.rows.len(), self.indices.blocks);
        let width = self.outputs.next_multiple_of(WIDTH);
        assert!(Isa::Avx512.is_available() && rows <= MAX_ROWS);
        assert!(self.rows.start.is_multiple_of(LANES) && self.rows.end <= self.indices.rows);
        let Scratch {
            spread,
            tables,
            sums,
            ..
        } = scratch;
        if spread.len() < blocks {
            spread.resize(blocks, avx512::Spread::default());
        }
        for k in 0..width / WIDTH {
            for (block, spread) in spread.iter_mut().enumerate().take(blocks) {
                let slab = (self.slab)(k, block);
                assert!(slab.weights.len() == BLOCK * WIDTH && slab.inputs <= BLOCK);
                // SAFETY: the CPU has AVX-512; the slab is whole.
                unsafe { spread.fill(slab.weights, slab.inputs.div_ceil(GROUP), slab.step) };
            }
            let of_four = OUTPUTS * rows.next_multiple_of(LANES);
            for first in (0..WIDTH / OUTPUTS).step_by(FOURS) {
                let sums = &mut sums[..FOURS * of_four];
                sums.fill(0.0);
                for (four, sums) in sums.chunks_exact_mut(of_four).enumerate() {
                    for (block, spread) in spread[..blocks].iter().enumerate() {
                        let at = block * TRIPLES * self.indices.rows + self.rows.start;
                        // SAFETY: the CPU has AVX-512, and the asserts cover the rows of the
                        // indices.
                        unsafe {
                            tables.build(spread, first + four);
                            let indices = &self.indices.words[at..];
                            tables.add(spread, indices, self.indices.rows, sums);
                        }
                    }
                }
                then(k * WIDTH + first * OUTPUTS, sums);
            }
        }
    }

    /// Writes the products, rows `stride` apart, up to the next multiple of `WIDTH` beyond the
    /// outputs.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn write(self, product: &mut [f32], stride: usize, scratch: &mut Scratch) {
        let rows = self.rows.len();
        let width = self.outputs.next_multiple_of(WIDTH);
        assert!(width <= stride && product.len() >= rows.saturating_sub(1) * stride + width);
        self.for_each::<TURNED>(scratch, |output, sums| {
            let product = &mut product[output..];
            // The order of the sums is that of these vectors.
            dispatch_on(
                Isa::Avx512,
                TurnOut {
                    sums,
                    product,
                    stride,
                    rows,
                },
            );
        });
    }

    /// Draws bits that are one with probability `sigma(beta (sum + bias))`: the words of up to 64
    /// outputs, a row each.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn sample(
        self,
        bias: &[f32],
        beta: f32,
        first_column: usize,
        mut sample: BitViewMut<'_>,
        draws: Draws,
        scratch: &mut Scratch,
    ) {
        let (rows, outputs) = (self.rows.len(), self.outputs);
        assert!(outputs <= WORD_BITS && (rows, outputs) == (sample.rows(), sample.columns()));
        // Bits by output: `[64 rows][output]`.
        let mut columns = std::mem::take(&mut scratch.columns);
        self.for_each::<1>(scratch, |output, sums| {
            // Whatever is chosen meanwhile: the order of the sums is that of these vectors.
            let draw = DrawQuad {
                sums,
                bias: std::array::from_fn(|o| bias.get(output + o).copied().unwrap_or(0.0)),
                beta,
                draws,
                column: first_column + output,
                output,
                columns: &mut columns,
            };
            dispatch_on(Isa::Avx512, draw);
        });
        for (k, square) in columns
            .iter_mut()
            .enumerate()
            .take(rows.div_ceil(WORD_BITS))
        {
            transpose_block(square);
            for (row, word) in (k * WORD_BITS..rows).zip(square.iter()) {
                sample.row_mut(row)[0] = word & last_word_mask(outputs);
            }
        }
        scratch.columns = columns;
    }

    /// There are no such registers.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn write(self, _: &mut [f32], _: usize, _: &mut Scratch) {
        unreachable!("look-ups in registers without AVX-512");
    }

    /// There are no such registers.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn sample(
        self,
        _: &[f32],
        _: f32,
        _: usize,
        _: BitViewMut<'_>,
        _: Draws,
        _: &mut Scratch,
    ) {
        unreachable!("look-ups in registers without AVX-512");
    }
}

/// Sums `[TURNED * OUTPUTS][rows padded]` become as many columns of `rows` rows of products.
#[cfg(target_arch = "x86_64")]
struct TurnOut<'a> {
    sums: &'a [f32],
    product: &'a mut [f32],
    stride: usize,
    rows: usize,
}

#[cfg(target_arch = "x86_64")]
impl Operation for TurnOut<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        /// Columns, and rows that are turned at once.
        const SIDE: usize = TURNED * OUTPUTS;
        let Self {
            sums,
            product,
            stride,
            rows,
        } = self;
        let padded = sums.len() / SIDE;
        assert!(S::LANES == SIDE && rows <= padded && padded.is_multiple_of(LANES));
        assert!(rows == 0 || product.len() >= (rows - 1) * stride + SIDE);
        for first in (0..padded).step_by(SIDE) {
            // Even rows of 32, then odd ones.
            let row = first / LANES * LANES + first % LANES / SIDE;
            if row + 2 * (SIDE - 1) < rows {
                // SAFETY: a square of the sums; every second row of so many, which exist.
                unsafe {
                    let to = product.as_mut_ptr().add(row * stride);
                    s.transpose(sums.as_ptr().add(first), padded, to, 2 * stride);
                }
                continue;
            }
            let mut square = [0.0; SIDE * SIDE];
            // SAFETY: a square of the sums, and one of the size of the other.
            unsafe { s.transpose(sums.as_ptr().add(first), padded, square.as_mut_ptr(), SIDE) };
            for (k, from) in square.chunks_exact(SIDE).enumerate() {
                if row + 2 * k < rows {
                    product[(row + 2 * k) * stride..][..SIDE].copy_from_slice(from);
                }
            }
        }
    }
}

/// Draws the units of four consecutive outputs for all rows, from one on that starts a block of
/// draws.
struct DrawQuad<'a> {
    sums: &'a [f32],
    bias: [f32; OUTPUTS],
    beta: f32,
    draws: Draws,
    column: usize,
    output: usize,
    columns: &'a mut [[u64; WORD_BITS]],
}

impl Operation for DrawQuad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.sums.len() / OUTPUTS;
        let beta = s.splat(self.beta);
        let uniforms = Uniforms::new(s, self.draws);
        let vector = 2 * S::LANES;
        for row in (0..rows).step_by(2 * vector) {
            let words = uniforms.of_columns(s, row, self.column);
            for (o, &words) in words.iter().enumerate() {
                let bias = s.splat(self.bias[o]);
                let u = s.widen_bytes(s.even_bytes_first(words));
                for (k, u) in u.chunks_exact(2).enumerate() {
                    let row = row + k * vector;
                    if row >= rows {
                        break;
                    }
                    let sums = &self.sums[o * rows + row..][..vector];
                    let mut halves = [0; 2];
                    for (half, bits) in halves.iter_mut().enumerate() {
                        let x = s.mul(beta, s.add(s.load(&sums[half * S::LANES..]), bias));
                        let at = |lane| (row + 2 * lane + half, self.column + o);
                        *bits = uniforms.draw_inverse(s, u[half], inverse_sigmoid_lanes(s, x), at);
                    }
                    let bits = u64::from(s.interleave_bits(halves[0], halves[1]));
                    let column = &mut self.columns[row / WORD_BITS][self.output + o];
                    let shift = row % WORD_BITS;
                    *column = *column & !(u64::from(u32::MAX) << shift) | bits << shift;
                }
            }
        }
    }
}
