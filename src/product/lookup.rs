//! The product of bits with weights, by look-up: nobody multiplies by a bit.
//!
//! Inputs are taken four at a time. For a block of 32 outputs the sum of four weights has 16
//! values, a row of 32 integers each; four bits of a sample choose the row, and one load and one
//! addition do 128 multiply-adds (the method of the four Russians: Arlazarov, Dinic, Kronrod,
//! Faradzev 1970). Tables of 128 inputs fit the first-level cache and are shared by all samples of
//! a panel.
//!
//! # Fixed point
//! Within a block of 128 x 128 weights, `q = round(w / step)` with one step for both directions,
//! chosen so that no sum over any subset of a row or column of the block leaves 16 bits: `step =
//! max over rows and columns of max(sum of positive w, sum of |negative w|) /`
//! [`super::quantize::LARGEST_SUM`]. From there integer addition is exact: order, tile, thread and
//! instruction set cannot change it. Blocks are added in f32 in order.
//!
//! # Precision
//! Sampling by look-up is sampling the machine of weights `q step`, the same in both directions, so
//! the stationary distribution of Gibbs sampling is exactly that machine's;
//! `|w - q step| <= step / 2`, and an input of `n` active units is off by at most `n step / 2` (and
//! f32 rounding). Where a step would exceed [`LARGEST_STEP`] the dense product is used instead.

use crate::{
    bits::{BitView, WORD_BITS},
    matrix::{Aligned, Matrix, aligned},
    product::{
        Direction, active,
        copies::CopiesMut,
        quantize::{BLOCK, SLAB, SLABS, WIDTH},
        registers::Slab,
        slabs::{Bits, SlabSums},
    },
    simd::{Operation, Simd, dispatch},
};
use std::{cell::RefCell, ops::Range};

/// Inputs that are looked up at once.
const GROUP: usize = 4;
/// Integers of the tables of a slab.
pub(super) const TABLE_SIZE: usize = BLOCK / GROUP * 16 * WIDTH;
/// Largest step that is taken: weights are then off by at most 2^-9.
pub const LARGEST_STEP: f32 = 1.0 / 256.0;

/// Fixed-point copies of the weights of a connection, one for each direction that is walked.
#[derive(Clone, Debug)]
pub struct FixedPoint {
    /// `[block of rows][slab of columns]` slabs: inputs are rows.
    up: Aligned<i16>,
    /// `[block of rows][block of columns][slab of rows in the block]` slabs: inputs are columns.
    /// Empty if nobody walks down.
    down: Aligned<i16>,
    /// `[block of rows][block of columns]`.
    steps: Vec<f32>,
    row_blocks: usize,
    column_blocks: usize,
}

impl FixedPoint {
    /// The copies of `weights` for both directions.
    pub fn new(weights: &Matrix) -> Self {
        Self::of(weights, true)
    }

    /// The copy of `weights` for the way up alone: half the work and the memory.
    pub fn one_way(weights: &Matrix) -> Self {
        Self::of(weights, false)
    }

    fn of(weights: &Matrix, both: bool) -> Self {
        let row_blocks = weights.rows().div_ceil(BLOCK);
        let column_blocks = weights.columns().div_ceil(BLOCK);
        let size = row_blocks * column_blocks * SLABS * SLAB;
        let mut fixed = Self {
            up: aligned(size, 0),
            down: aligned(if both { size } else { 0 }, 0),
            steps: vec![0.0; row_blocks * column_blocks],
            row_blocks,
            column_blocks,
        };
        fixed.refresh(weights);
        fixed
    }

    /// Copies weights of the same shape anew. Blocks of rows run in parallel.
    pub fn refresh(&mut self, weights: &Matrix) {
        assert_eq!(self.row_blocks, weights.rows().div_ceil(BLOCK));
        assert_eq!(self.column_blocks, weights.columns().div_ceil(BLOCK));
        self.renewable().renew_in_parallel(weights);
    }

    /// All of it, to be renewed block by block.
    pub(super) fn renewable(&mut self) -> CopiesMut<'_> {
        CopiesMut::new(
            &mut self.up,
            &mut self.down,
            &mut self.steps,
            self.column_blocks,
        )
    }

    /// Whether there is a copy for this direction.
    pub fn walks(&self, direction: Direction) -> bool {
        direction == Direction::Up || !self.down.is_empty()
    }

    /// The largest step of any block; infinite if a weight is.
    pub fn largest_step(&self) -> f32 {
        self.steps.iter().fold(
            0.0,
            |a, &b| if b.is_nan() { f32::INFINITY } else { a.max(b) },
        )
    }

    /// The weights that look-ups see, `q step`.
    pub fn weights(&self, rows: usize, columns: usize) -> Matrix {
        Matrix::from_fn(rows, columns, |i, j| {
            let slab = (i / BLOCK * self.column_blocks * SLABS + j / WIDTH) * SLAB;
            let q = self.up[slab + i % BLOCK * WIDTH + j % WIDTH];
            f32::from(q) * self.steps[i / BLOCK * self.column_blocks + j / BLOCK]
        })
    }

    /// `count` slabs from that of `output` on, of one block of outputs, over a block of inputs,
    /// with their step.
    fn slabs(
        &self,
        direction: Direction,
        output: usize,
        input_block: usize,
        count: usize,
    ) -> (&[i16], f32) {
        let (at, step) = match direction {
            Direction::Up => (
                input_block * self.column_blocks * SLABS + output / WIDTH,
                input_block * self.column_blocks + output / BLOCK,
            ),
            Direction::Down => {
                let block = output / BLOCK * self.column_blocks + input_block;
                (block * SLABS + output % BLOCK / WIDTH, block)
            }
        };
        let slabs = if direction == Direction::Up {
            &self.up
        } else {
            &self.down
        };
        (&slabs[at * SLAB..(at + count) * SLAB], self.steps[step])
    }

    /// The slab of `outputs ..` over a block of inputs, of which `inputs` exist in all blocks.
    pub(super) fn slab_of(
        &self,
        direction: Direction,
        output: usize,
        block: usize,
        inputs: usize,
    ) -> Slab<'_> {
        let (weights, step) = self.slabs(direction, output, block, 1);
        Slab {
            weights,
            step,
            inputs: (inputs - block * BLOCK).min(BLOCK),
        }
    }

    /// `product += X[rows] op(W)[.., columns]`, rows of `product` `stride` apart; `columns` starts
    /// at a multiple of `WIDTH`, and up to the next multiple beyond its end `product` may be
    /// overwritten with finite numbers.
    pub(super) fn add_product(
        &self,
        direction: Direction,
        x: BitView<'_>,
        rows: Range<usize>,
        columns: Range<usize>,
        product: &mut [f32],
        stride: usize,
    ) {
        assert!(columns.start.is_multiple_of(WIDTH));
        assert!(columns.len().next_multiple_of(WIDTH) <= stride);
        let (words, words_stride) = x.view_rows(rows.clone()).words();
        let rows = rows.len();
        for block in 0..x.columns().div_ceil(BLOCK) {
            add_block(
                |output, count| self.slabs(direction, output, block, count),
                columns.clone(),
                Bits {
                    words: &words[(block * BLOCK / WORD_BITS).min(words.len())..],
                    stride: words_stride,
                    inputs: (x.columns() - block * BLOCK).min(BLOCK),
                    rows,
                },
                product,
                stride,
            );
        }
    }
}

/// Adds the products of a block of inputs with `outputs`: `slabs(output, count)` gives `count`
/// slabs of one block of outputs from that of `output` on, and their step. Tables or active inputs,
/// whichever is faster: they give the same bits.
pub(super) fn add_block<'a>(
    slabs: impl Fn(usize, usize) -> (&'a [i16], f32),
    outputs: Range<usize>,
    bits: Bits<'_>,
    product: &mut [f32],
    stride: usize,
) {
    let sparse = active::takes(bits);
    let mut output = outputs.start;
    while output < outputs.end {
        // Tables for one slab, active inputs for all slabs of a block of outputs.
        let width = if sparse {
            (BLOCK - output % BLOCK).min((outputs.end - output).next_multiple_of(WIDTH))
        } else {
            WIDTH
        };
        let (slabs, step) = slabs(output, width / WIDTH);
        let job = SlabSums {
            slabs,
            step,
            bits,
            product: &mut product[output - outputs.start..],
            stride,
        };
        if sparse {
            active::add(job);
        } else {
            look_up(job);
        }
        output += width;
    }
}

thread_local! {
    static TABLES: RefCell<Aligned<i16>> = RefCell::new(aligned(TABLE_SIZE, 0));
}

/// Makes this thread's buffers.
pub(super) fn warm_up() {
    TABLES.with_borrow(|_| ());
}

/// One slab: tables first, then every row through them.
fn look_up(job: SlabSums<'_>) {
    TABLES.with_borrow_mut(|tables| dispatch(WithTables { job, tables }));
}

pub(super) struct WithTables<'a> {
    pub(super) job: SlabSums<'a>,
    /// Of [`TABLE_SIZE`].
    pub(super) tables: &'a mut Aligned<i16>,
}

impl Operation for WithTables<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let SlabSums {
            slabs: slab,
            step,
            bits:
                Bits {
                    words,
                    stride: words_stride,
                    inputs,
                    rows,
                },
            product,
            stride,
        } = self.job;
        if rows == 0 || inputs == 0 {
            return;
        }
        assert!(inputs <= BLOCK && product.len() >= (rows - 1) * stride + WIDTH);
        let groups = inputs.div_ceil(GROUP);
        build(s, slab, groups, self.tables);
        let tables: &[i16] = self.tables;
        let two = inputs > 64;
        let words_of = |row: usize| {
            let words = &words[row * words_stride..];
            [words[0], if two { words[1] } else { 0 }]
        };
        let mut row = 0;
        while rows - row >= 4 {
            let four = [0, 1, 2, 3].map(|k| words_of(row + k));
            let product = &mut product[row * stride..];
            if groups == BLOCK / GROUP {
                // The usual depth as a constant, so that the loop over groups unrolls.
                gather::<S, 4>(s, tables, BLOCK / GROUP, four, step, product, stride);
            } else {
                gather::<S, 4>(s, tables, groups, four, step, product, stride);
            }
            row += 4;
        }
        while row < rows {
            gather::<S, 1>(
                s,
                tables,
                groups,
                [words_of(row)],
                step,
                &mut product[row * stride..],
                stride,
            );
            row += 1;
        }
    }
}

/// The 16 sums of every group of four inputs: `[groups][16][WIDTH]`.
#[inline(always)]
fn build<S: Simd>(s: S, slab: &[i16], groups: usize, tables: &mut [i16]) {
    assert!(groups * GROUP * WIDTH <= slab.len() && groups * 16 * WIDTH <= tables.len());
    for group in 0..groups {
        for v in (0..WIDTH).step_by(2 * S::LANES) {
            // SAFETY: the assert covers GROUP rows of the slab and 16 rows of the table, each WIDTH
            // wide.
            unsafe {
                let from = slab.as_ptr().add(group * GROUP * WIDTH + v);
                let to = tables.as_mut_ptr().add(group * 16 * WIDTH + v);
                let mut sums = [s.narrow([s.splat(0.0); 2]); 16];
                for k in 0..GROUP {
                    let w = s.load_words(from.add(k * WIDTH));
                    for i in 0..1 << k {
                        sums[(1 << k) + i] = s.add_words(sums[i], w);
                    }
                }
                for (i, &sum) in sums.iter().enumerate() {
                    s.store_words(to.add(i * WIDTH), sum);
                }
            }
        }
    }
}

/// Adds `step *` the looked-up sums of `N` rows to their products.
#[inline(always)]
fn gather<S: Simd, const N: usize>(
    s: S,
    tables: &[i16],
    groups: usize,
    words: [[u64; 2]; N],
    step: f32,
    product: &mut [f32],
    stride: usize,
) {
    /// Bytes of a table row, a power of two: four bits are shifted to an offset.
    const SHIFT: u32 = (WIDTH * size_of::<i16>()).trailing_zeros();
    assert!(groups * 16 * WIDTH <= tables.len());
    assert!(product.len() >= (N - 1) * stride + WIDTH);
    let step = s.splat(step);
    for v in (0..WIDTH).step_by(2 * S::LANES) {
        let mut sums = [s.narrow([s.splat(0.0); 2]); N];
        for half in [0, 1] {
            let mut rest = words.map(|words| words[half].rotate_left(SHIFT));
            for group in half * 16..(half * 16 + 16).min(groups) {
                for (sum, rest) in sums.iter_mut().zip(&mut rest) {
                    let offset = (*rest & (15 << SHIFT)) as usize / size_of::<i16>();
                    *rest = rest.rotate_right(GROUP as u32);
                    // SAFETY: offset selects one of the 16 rows of a group below `groups`.
                    let row = unsafe {
                        s.load_words(tables.as_ptr().add(group * 16 * WIDTH + v + offset))
                    };
                    *sum = s.add_words(*sum, row);
                }
            }
        }
        for (n, sum) in sums.into_iter().enumerate() {
            let to = &mut product[n * stride + v..][..2 * S::LANES];
            for (sum, to) in s.widen(sum).into_iter().zip(to.chunks_exact_mut(S::LANES)) {
                let total = s.add(s.load(to), s.mul(sum, step));
                s.store(to, total);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bits::BitMatrix, kernel::reference, product::quantize::SMALLEST_SUM, rng::HostRng,
    };
    use proptest::prelude::*;

    /// Products by look-up against f64 sums of the same fixed-point weights (exact) and of the true
    /// ones (within the bound).
    fn check(weights: &Matrix, rows: usize) {
        let fixed = FixedPoint::new(weights);
        let seen = fixed.weights(weights.rows(), weights.columns());
        for (a, b) in seen.elements().zip(weights.elements()) {
            assert!(
                (a - b).abs()
                    <= 0.5001 * fixed.largest_step() + f32::EPSILON * b.abs() + SMALLEST_SUM,
                "{a} for {b}"
            );
        }
        for direction in [Direction::Up, Direction::Down] {
            let backward = direction == Direction::Down;
            let (inputs, outputs) = if backward {
                (weights.columns(), weights.rows())
            } else {
                (weights.rows(), weights.columns())
            };
            let x = BitMatrix::from_fn(rows, inputs, |i, j| {
                i % 7 == 3 || (i * 31 + j * 17 + i * j) % 5 < 2
            });
            let stride = outputs.next_multiple_of(WIDTH);
            let mut product = vec![0.0; rows * stride];
            fixed.add_product(
                direction,
                x.view(),
                0..rows,
                0..outputs,
                &mut product,
                stride,
            );
            let expected = reference::product(x.to_matrix().view(), &seen, backward);
            let largest = seen.elements().fold(0.0_f32, |a, b| a.max(b.abs()));
            for i in 0..rows {
                for (j, &e) in expected.row(i).iter().enumerate() {
                    let got = product[i * stride + j];
                    let rounding =
                        largest * inputs as f32 * f32::EPSILON * (2 + inputs / BLOCK) as f32;
                    assert!(
                        (got - e).abs() <= rounding,
                        "{direction:?} ({i}, {j}): {got} for {e}"
                    );
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn look_ups_are_sums_of_the_fixed_point_weights(
            rows in prop::sample::select(vec![1_usize, 2, 3, 8, 9]),
            n in prop::sample::select(vec![1_usize, 3, 4, 5, 31, 63, 64, 65, 127, 128, 129, 260]),
            m in prop::sample::select(vec![1_usize, 4, 31, 32, 33, 127, 128, 129, 200]),
            seed in 0_u64..100,
            kind in 0..6,
        ) {
            let mut rng = HostRng::numbered(seed, 1);
            let weights = Matrix::from_fn(n, m, |i, j| match kind {
                0 => rng.normal() as f32,
                1 => 1.0,                                                  // all of one sign
                2 => -0.37,
                3 => 0.0,
                4 => f32::MIN_POSITIVE * 0.01 * rng.normal() as f32,       // denormals
                // one huge among small
                _ => if (i, j) == (n / 2, m / 2) { 1e4 } else { rng.normal() as f32 },
            });
            check(&weights, rows);
        }
    }

    #[test]
    fn a_copy_for_one_way_is_that_of_both() {
        let weights = Matrix::from_fn(300, 170, |i, j| ((i * 7 + j * 3) % 23) as f32 / 9.0 - 1.0);
        let (both, mut one) = (FixedPoint::new(&weights), FixedPoint::one_way(&weights));
        one.refresh(&weights);
        assert_eq!((&both.up[..], &both.steps), (&one.up[..], &one.steps));
        assert!(both.walks(Direction::Down) && both.walks(Direction::Up));
        assert!(!one.walks(Direction::Down) && one.walks(Direction::Up));
    }
}
