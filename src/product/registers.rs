//! Look-ups in registers, for many rows on AVX-512: a table of the 32 sums of five weights is one register, and `vpermw` answers 32 rows
//! at once. The same integers, and the same order of f32 sums, as the tables in memory of [`super::lookup`]: bit for bit the same products.
//!
//! Lanes are rows, so products come unit by unit and are turned back in fours. Tables of four outputs over a block of inputs are built
//! once and meet all rows; sixteen sums (four vectors of rows, four outputs) stay in registers over the block. Building costs some two
//! look-ups a table, turning some half of one an output: worth it from [`FEWEST_ROWS`] rows on.

use super::lookup::{BLOCK, WIDTH};
use crate::{
    bits::{BitView, BitViewMut, WORD_BITS, last_word_mask, transpose_block},
    kernel::{activation::inverse_sigmoid_lanes, bernoulli::Uniforms},
    matrix::{Aligned, aligned},
    rng::Draws,
    simd::{Isa, Operation, Simd, dispatch, isa},
};
use rayon::prelude::*;
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

/// Whether products of `rows` rows of bits are looked up in registers.
pub(super) fn takes(rows: usize) -> bool {
    cfg!(target_arch = "x86_64") && rows >= FEWEST_ROWS && isa() == Isa::Avx512
}

/// The bits of a layer's states as indices of tables: `[block of 128 inputs][triple of groups][rows, padded to vectors]`.
#[derive(Clone, Debug)]
pub(super) struct Indices {
    words: Aligned<u16>,
    rows: usize,
    blocks: usize,
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

    /// The blocks of one layer's inputs after the other's. Blocks run on rayon.
    pub(super) fn fill<'x>(&mut self, inputs: impl Iterator<Item = BitView<'x>> + Clone) {
        let rows = inputs.clone().map(|x| x.rows()).max().unwrap_or(0);
        self.reset(rows, inputs.clone().map(blocks).sum());
        let size = TRIPLES * self.rows;
        let mut rest = &mut self.words[..self.blocks * size];
        for x in inputs {
            let (words, after) = rest.split_at_mut(blocks(x) * size);
            words
                .par_chunks_mut(size.max(1))
                .enumerate()
                .for_each(|(block, words)| dispatch(Index { x, block, words }));
            rest = after;
        }
    }

    /// The same with samples as inputs and units as rows: the bits of each phase transposed. Chunks of units run on rayon.
    pub(super) fn fill_transposed<'x>(
        &mut self,
        units: usize,
        phases: impl Iterator<Item = BitView<'x>> + Clone,
    ) {
        self.reset(
            units,
            phases.clone().map(|x| x.rows().div_ceil(BLOCK)).sum(),
        );
        let size = TRIPLES * self.rows;
        let mut rest = &mut self.words[..self.blocks * size];
        for x in phases {
            let (words, after) = rest.split_at_mut(x.rows().div_ceil(BLOCK) * size);
            words
                .par_chunks_mut(size.max(1))
                .enumerate()
                .for_each(|(block, words)| dispatch(IndexTransposed { x, block, words }));
            rest = after;
        }
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
            sums: aligned(OUTPUTS * MAX_ROWS, 0.0),
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
    /// Computes the tile with AVX-512 and calls `then(output, sums)` for every fourth output, with the sums of it and the next three
    /// `[OUTPUTS][rows, padded to vectors of 32]`; of each 32 rows, the 16 even ones come first, as 16-bit lanes widen.
    #[cfg(target_arch = "x86_64")]
    fn for_each_quad(self, scratch: &mut Scratch, mut then: impl FnMut(usize, &[f32])) {
        let (rows, blocks) = (self.rows.len(), self.indices.blocks);
        let width = self.outputs.next_multiple_of(WIDTH);
        assert!(isa() == Isa::Avx512 && rows <= MAX_ROWS);
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
                // SAFETY: AVX-512 is the instruction set in use; the slab is whole.
                unsafe { spread.fill(slab.weights, slab.inputs.div_ceil(GROUP), slab.step) };
            }
            for quad in 0..WIDTH / OUTPUTS {
                let sums = &mut sums[..OUTPUTS * rows.next_multiple_of(LANES)];
                sums.fill(0.0);
                for (block, spread) in spread[..blocks].iter().enumerate() {
                    let at = block * TRIPLES * self.indices.rows + self.rows.start;
                    // SAFETY: AVX-512 is in use, and the asserts cover the rows of the indices.
                    unsafe {
                        tables.build(spread, quad);
                        let indices = &self.indices.words[at..];
                        tables.add(spread, indices, self.indices.rows, sums);
                    }
                }
                then(k * WIDTH + quad * OUTPUTS, sums);
            }
        }
    }

    /// Writes the products, rows `stride` apart, up to the next multiple of `WIDTH` beyond the outputs.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn write(self, product: &mut [f32], stride: usize, scratch: &mut Scratch) {
        let rows = self.rows.len();
        let width = self.outputs.next_multiple_of(WIDTH);
        assert!(width <= stride && product.len() >= rows.saturating_sub(1) * stride + width);
        self.for_each_quad(scratch, |output, sums| {
            let to = product[output..].as_mut_ptr();
            // SAFETY: AVX-512 is in use, and the assert covers the products.
            unsafe { avx512::turn_out(sums, to, stride, rows) };
        });
    }

    /// Draws bits that are one with probability `sigma(beta (sum + bias))`: the words of up to 64 outputs, a row each.
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
        self.for_each_quad(scratch, |output, sums| {
            dispatch(DrawQuad {
                sums,
                bias: std::array::from_fn(|o| bias.get(output + o).copied().unwrap_or(0.0)),
                beta,
                draws,
                column: first_column + output,
                output,
                columns: &mut columns,
            });
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

/// Draws the units of four consecutive outputs for all rows, from an even row on.
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
        for row in (0..rows).step_by(2 * S::LANES) {
            let words = uniforms.of_columns(s, row, self.column);
            let columns = &mut self.columns[row / WORD_BITS][self.output..][..OUTPUTS];
            for o in 0..OUTPUTS {
                let bias = s.splat(self.bias[o]);
                let sums = &self.sums[o * rows + row..][..2 * S::LANES];
                let mut halves = [0; 2];
                for (half, bits) in halves.iter_mut().enumerate() {
                    let x = s.mul(beta, s.add(s.load(&sums[half * S::LANES..]), bias));
                    let at = |lane| (row + 2 * lane + half, self.column + o);
                    *bits = uniforms.draw_inverse(
                        s,
                        words[o],
                        half == 1,
                        inverse_sigmoid_lanes(s, x),
                        at,
                    );
                }
                let bits = s.interleave_bits(halves[0], halves[1]);
                let shift = row % WORD_BITS;
                let others = columns[o] & !(u64::from(u32::MAX) << shift);
                columns[o] = others | u64::from(bits) << shift;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{BLOCK, GROUP, GROUPS, LANES, OUTPUTS, PACKED, WIDTH};
    use core::arch::{asm, x86_64::*};

    /// A slab in the form that tables are built from. Of each group of inputs a, b, c, d, e and each output:
    /// the four sums of a and b, those of c and d, and e twice. Outputs stand in the order of interleaving 128-bit lanes: see `place`.
    #[derive(Clone, Debug)]
    pub(super) struct Spread {
        ab: [[u64; WIDTH]; GROUPS],
        cd: [[u64; WIDTH]; GROUPS],
        ee: [[u32; WIDTH]; GROUPS],
        groups: usize,
        step: f32,
    }

    impl Default for Spread {
        fn default() -> Self {
            Self {
                ab: [[0; WIDTH]; GROUPS],
                cd: [[0; WIDTH]; GROUPS],
                ee: [[0; WIDTH]; GROUPS],
                groups: 0,
                step: 0.0,
            }
        }
    }

    /// Where output `j` stands among the 64-bit sums: vector `j % 8 / 2`, 128-bit lane `j / 8`, half `j % 2`.
    const fn place_sums(j: usize) -> usize {
        j % 8 / 2 * 8 + j / 8 * 2 + j % 2
    }

    /// Where output `j` stands among the 32-bit pairs: vector `j % 8 / 4`, 128-bit lane `j / 8`, quarter `j % 4`.
    const fn place_pairs(j: usize) -> usize {
        j % 8 / 4 * 16 + j / 8 * 4 + j % 4
    }

    impl Spread {
        /// # Safety
        /// The CPU must have AVX-512 F and BW, and the slab `BLOCK * WIDTH` integers.
        #[target_feature(enable = "avx512f,avx512bw")]
        pub(super) unsafe fn fill(&mut self, slab: &[i16], groups: usize, step: f32) {
            self.groups = groups;
            self.step = step;
            // SAFETY: rows below BLOCK lie in the slab; the stores fill one row of 32 words of 64 or 32 bits.
            unsafe {
                let zero = _mm512_setzero_si512();
                for group in 0..groups {
                    let row = |k: usize| {
                        let i = group * GROUP + k;
                        if i < BLOCK {
                            _mm512_loadu_si512(slab.as_ptr().add(i * WIDTH).cast())
                        } else {
                            zero
                        }
                    };
                    let sums = |a: __m512i, b: __m512i, to: *mut u64| {
                        let both = _mm512_add_epi16(a, b);
                        for (half, (x, y)) in [
                            (
                                _mm512_unpacklo_epi16(zero, a),
                                _mm512_unpacklo_epi16(b, both),
                            ),
                            (
                                _mm512_unpackhi_epi16(zero, a),
                                _mm512_unpackhi_epi16(b, both),
                            ),
                        ]
                        .into_iter()
                        .enumerate()
                        {
                            let to = to.add(half * 16);
                            _mm512_storeu_si512(to.cast(), _mm512_unpacklo_epi32(x, y));
                            _mm512_storeu_si512(to.add(8).cast(), _mm512_unpackhi_epi32(x, y));
                        }
                    };
                    sums(row(0), row(1), self.ab[group].as_mut_ptr());
                    sums(row(2), row(3), self.cd[group].as_mut_ptr());
                    let e = row(4);
                    let to = self.ee[group].as_mut_ptr();
                    _mm512_storeu_si512(to.cast(), _mm512_unpacklo_epi16(e, e));
                    _mm512_storeu_si512(to.add(16).cast(), _mm512_unpackhi_epi16(e, e));
                }
            }
        }
    }

    /// `[group][output]`: lane `i` is the sum of the weights whose bit of `i` is one.
    #[repr(C, align(64))]
    #[derive(Debug)]
    pub(super) struct Tables([[[i16; LANES]; OUTPUTS]; GROUPS]);

    impl Default for Tables {
        fn default() -> Self {
            Self([[[0; LANES]; OUTPUTS]; GROUPS])
        }
    }

    impl Tables {
        /// Tables of outputs `4 quad ..` of the slab.
        ///
        /// # Safety
        /// The CPU must have AVX-512 F and BW.
        #[target_feature(enable = "avx512f,avx512bw")]
        pub(super) unsafe fn build(&mut self, spread: &Spread, quad: usize) {
            // Bytes of the 64-bit word of c and d for lanes i: sum number i / 4 % 4.
            let pattern: [u8; 16] = [0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3];
            // SAFETY: loads and stores of whole local arrays and tables.
            unsafe {
                let low = _mm_loadu_si128(pattern.as_ptr().cast());
                let high = _mm_add_epi8(low, _mm_set1_epi8(4));
                let quarter = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high);
                let pattern = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(quarter), quarter);
                for group in 0..spread.groups {
                    for o in 0..OUTPUTS {
                        let j = quad * OUTPUTS + o;
                        let ab = _mm512_set1_epi64(spread.ab[group][place_sums(j)] as i64);
                        let cd = _mm512_set1_epi64(spread.cd[group][place_sums(j)] as i64);
                        let e = _mm512_set1_epi32(spread.ee[group][place_pairs(j)] as i32);
                        let four = _mm512_add_epi16(ab, _mm512_shuffle_epi8(cd, pattern));
                        let five = _mm512_mask_add_epi16(four, 0xFFFF_0000, four, e);
                        _mm512_store_si512(self.0[group][o].as_mut_ptr().cast(), five);
                    }
                }
            }
        }

        /// Adds `step *` the looked-up sums to `sums` `[OUTPUTS][rows]`; `indices` are `[triple][stride]`.
        ///
        /// # Safety
        /// The CPU must have AVX-512 F and BW; rows are a multiple of `LANES` for which there are indices.
        #[target_feature(enable = "avx512f,avx512bw")]
        pub(super) unsafe fn add(
            &self,
            spread: &Spread,
            indices: &[u16],
            stride: usize,
            sums: &mut [f32],
        ) {
            let &Spread { groups, step, .. } = spread;
            let rows = sums.len() / OUTPUTS;
            let mut row = 0;
            // SAFETY: the caller's indices and sums.
            unsafe {
                while row < rows {
                    let from = indices.as_ptr().add(row);
                    let to = sums.as_mut_ptr().add(row);
                    match (rows - row) / LANES {
                        1 => self.add_vectors::<1>(groups, from, stride, step, to, rows),
                        2 => self.add_vectors::<2>(groups, from, stride, step, to, rows),
                        3 => self.add_vectors::<3>(groups, from, stride, step, to, rows),
                        _ => self.add_vectors::<4>(groups, from, stride, step, to, rows),
                    }
                    row += 4 * LANES;
                }
            }
        }

        /// The same for `N` vectors of rows.
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw")]
        unsafe fn add_vectors<const N: usize>(
            &self,
            groups: usize,
            indices: *const u16,
            stride: usize,
            step: f32,
            sums: *mut f32,
            rows: usize,
        ) {
            // SAFETY: the caller's; a triple of groups is within the tables as far as `groups` goes.
            unsafe {
                let mut acc = [[_mm512_setzero_si512(); OUTPUTS]; N];
                let whole = groups / PACKED;
                if N == 4 {
                    self.look_up_triples(whole, indices, stride, acc.as_flattened_mut());
                } else {
                    for triple in 0..whole {
                        let mut index: [__m512i; N] = std::array::from_fn(|n| {
                            _mm512_loadu_si512(indices.add(triple * stride + n * LANES).cast())
                        });
                        for k in 0..PACKED {
                            self.look_up(triple * PACKED + k, &index, &mut acc);
                            index = index.map(|x| _mm512_srli_epi16::<{ GROUP as u32 }>(x));
                        }
                    }
                }
                if whole * PACKED < groups {
                    let mut index: [__m512i; N] = std::array::from_fn(|n| {
                        _mm512_loadu_si512(indices.add(whole * stride + n * LANES).cast())
                    });
                    for group in whole * PACKED..groups {
                        self.look_up(group, &index, &mut acc);
                        index = index.map(|x| _mm512_srli_epi16::<{ GROUP as u32 }>(x));
                    }
                }
                let step = _mm512_set1_ps(step);
                // Even lanes, then odd ones, as 32 bits.
                let halves = [_mm512_set1_epi32(1), _mm512_set1_epi32(1 << 16)];
                for (n, acc) in acc.iter().enumerate() {
                    for (o, &acc) in acc.iter().enumerate() {
                        for (half, &one) in halves.iter().enumerate() {
                            let x = _mm512_cvtepi32_ps(_mm512_madd_epi16(acc, one));
                            let to = sums.add(o * rows + n * LANES + half * 16);
                            _mm512_storeu_ps(to, _mm512_fmadd_ps(x, step, _mm512_loadu_ps(to)));
                        }
                    }
                }
            }
        }

        /// Whole triples for four vectors of rows: the inner loop, in assembler because compilers spill its registers and make shifts,
        /// which wait for the same ports as permutations, of its multiplications.
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw")]
        unsafe fn look_up_triples(
            &self,
            triples: usize,
            indices: *const u16,
            stride: usize,
            acc: &mut [__m512i],
        ) {
            /// One vector of rows (`index`) through the four tables in zmm16..19.
            macro_rules! rows {
                ($index:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
                    concat!(
                        "vpermw zmm24, ",
                        $index,
                        ", zmm16\n",
                        "vpermw zmm25, ",
                        $index,
                        ", zmm17\n",
                        "vpermw zmm26, ",
                        $index,
                        ", zmm18\n",
                        "vpermw zmm27, ",
                        $index,
                        ", zmm19\n",
                        "vpaddw ",
                        $a,
                        ", ",
                        $a,
                        ", zmm24\n",
                        "vpaddw ",
                        $b,
                        ", ",
                        $b,
                        ", zmm25\n",
                        "vpaddw ",
                        $c,
                        ", ",
                        $c,
                        ", zmm26\n",
                        "vpaddw ",
                        $d,
                        ", ",
                        $d,
                        ", zmm27\n",
                    )
                };
            }
            /// The tables of group `$at / 256` of the triple, for all rows.
            macro_rules! group {
                ($at:literal) => {
                    concat!(
                        "vmovdqa64 zmm16, [{tables} + ",
                        $at,
                        "]\n",
                        "vmovdqa64 zmm17, [{tables} + ",
                        $at,
                        " + 64]\n",
                        "vmovdqa64 zmm18, [{tables} + ",
                        $at,
                        " + 128]\n",
                        "vmovdqa64 zmm19, [{tables} + ",
                        $at,
                        " + 192]\n",
                        rows!("zmm20", "zmm0", "zmm1", "zmm2", "zmm3"),
                        rows!("zmm21", "zmm4", "zmm5", "zmm6", "zmm7"),
                        rows!("zmm22", "zmm8", "zmm9", "zmm10", "zmm11"),
                        rows!("zmm23", "zmm12", "zmm13", "zmm14", "zmm15"),
                    )
                };
            }
            /// `x >> 5` as the upper half of a product.
            macro_rules! shift {
                () => {
                    "vpmulhuw zmm20, zmm20, zmm28
                     vpmulhuw zmm21, zmm21, zmm28
                     vpmulhuw zmm22, zmm22, zmm28
                     vpmulhuw zmm23, zmm23, zmm28"
                };
            }
            const { assert!(OUTPUTS == 4 && LANES == 32 && PACKED == 3 && GROUP == 5) };
            assert!(triples * PACKED <= GROUPS && acc.len() == 4 * OUTPUTS);
            if triples == 0 {
                return;
            }
            let mut a: [__m512i; 16] = std::array::from_fn(|k| acc[k]);
            // SAFETY: the caller's indices; the assert covers the tables.
            unsafe {
                asm!(
                    "2:",
                    "vmovdqu64 zmm20, [{indices}]",
                    "vmovdqu64 zmm21, [{indices} + 64]",
                    "vmovdqu64 zmm22, [{indices} + 128]",
                    "vmovdqu64 zmm23, [{indices} + 192]",
                    group!("0"),
                    shift!(),
                    group!("256"),
                    shift!(),
                    group!("512"),
                    "add {tables}, 768",
                    "add {indices}, {stride}",
                    "dec {triples}",
                    "jnz 2b",
                    tables = inout(reg) self.0.as_ptr() => _,
                    indices = inout(reg) indices => _,
                    stride = in(reg) stride * size_of::<u16>(),
                    triples = inout(reg) triples => _,
                    inout("zmm0") a[0], inout("zmm1") a[1], inout("zmm2") a[2], inout("zmm3") a[3],
                    inout("zmm4") a[4], inout("zmm5") a[5], inout("zmm6") a[6], inout("zmm7") a[7],
                    inout("zmm8") a[8], inout("zmm9") a[9], inout("zmm10") a[10], inout("zmm11") a[11],
                    inout("zmm12") a[12], inout("zmm13") a[13], inout("zmm14") a[14], inout("zmm15") a[15],
                    out("zmm16") _, out("zmm17") _, out("zmm18") _, out("zmm19") _,
                    out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _,
                    out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _,
                    in("zmm28") _mm512_set1_epi16(1 << (16 - GROUP)),
                    options(nostack, readonly),
                );
            }
            acc.copy_from_slice(&a);
        }

        /// One group's tables.
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw")]
        unsafe fn look_up<const N: usize>(
            &self,
            group: usize,
            index: &[__m512i; N],
            acc: &mut [[__m512i; OUTPUTS]; N],
        ) {
            // SAFETY: the caller's group is below GROUPS.
            unsafe {
                let tables = self.0.get_unchecked(group);
                let tables: [__m512i; OUTPUTS] =
                    std::array::from_fn(|o| _mm512_load_si512(tables[o].as_ptr().cast()));
                for n in 0..N {
                    for o in 0..OUTPUTS {
                        let x = _mm512_permutexvar_epi16(index[n], tables[o]);
                        acc[n][o] = _mm512_add_epi16(acc[n][o], x);
                    }
                }
            }
        }
    }

    /// 4 x 4 transposes: lane `l` (128 bits) of vector `c` holds elements `4 l + c` of the four vectors.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn turn(x: [__m512; 4]) -> [__m512; 4] {
        let (a, b) = (
            _mm512_unpacklo_ps(x[0], x[1]),
            _mm512_unpackhi_ps(x[0], x[1]),
        );
        let (c, d) = (
            _mm512_unpacklo_ps(x[2], x[3]),
            _mm512_unpackhi_ps(x[2], x[3]),
        );
        [
            _mm512_shuffle_ps::<0b01_00_01_00>(a, c),
            _mm512_shuffle_ps::<0b11_10_11_10>(a, c),
            _mm512_shuffle_ps::<0b01_00_01_00>(b, d),
            _mm512_shuffle_ps::<0b11_10_11_10>(b, d),
        ]
    }

    /// Sums `[OUTPUTS][rows padded]` become `OUTPUTS` columns of `rows` rows of products.
    ///
    /// # Safety
    /// The CPU must have AVX-512 F and BW; the products must be writable.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn turn_out(sums: &[f32], product: *mut f32, stride: usize, rows: usize) {
        let padded = sums.len() / OUTPUTS;
        // SAFETY: sums are padded to whole vectors; rows below `rows` are the caller's.
        unsafe {
            for first in (0..padded).step_by(16) {
                let x = turn(std::array::from_fn(|o| {
                    _mm512_loadu_ps(sums.as_ptr().add(o * padded + first))
                }));
                // Even rows of 32, then odd ones.
                let start = first / LANES * LANES + first % LANES / 16;
                for (c, x) in x.into_iter().enumerate() {
                    let lanes = [
                        _mm512_castps512_ps128(x),
                        _mm512_extractf32x4_ps::<1>(x),
                        _mm512_extractf32x4_ps::<2>(x),
                        _mm512_extractf32x4_ps::<3>(x),
                    ];
                    for (l, x) in lanes.into_iter().enumerate() {
                        let row = start + 2 * (4 * l + c);
                        if row < rows {
                            _mm_storeu_ps(product.add(row * stride), x);
                        }
                    }
                }
            }
        }
    }
}
