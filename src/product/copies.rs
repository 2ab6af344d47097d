//! Parts of the fixed-point copies of weights, to be renewed by whoever changes the weights.

use super::quantize::{BLOCK, QuantizeBlock, SLAB, SLABS};
use crate::{
    matrix::Matrix,
    simd::dispatch,
    threads::{self, Parts},
};
use std::{marker::PhantomData, ptr::NonNull};

/// Integers of a block for one direction.
const SIZE: usize = SLABS * SLAB;

/// A rectangle of whole blocks of the copies. Rectangles split from one another never overlap.
#[derive(Debug)]
pub(crate) struct CopiesMut<'a> {
    /// The first block of the rectangle for the way up; blocks `[row of blocks][block]`.
    up: NonNull<i16>,
    /// For the way down, if somebody walks it.
    down: Option<NonNull<i16>>,
    /// A step a block.
    steps: NonNull<f32>,
    /// Rows and columns of blocks of the rectangle.
    blocks: [usize; 2],
    /// Blocks of a row of blocks of all copies.
    stride: usize,
    lifetime: PhantomData<&'a mut [i16]>,
}

// SAFETY: a rectangle is the only way to its blocks, like the slices that it stands for.
unsafe impl Send for CopiesMut<'_> {}

impl<'a> CopiesMut<'a> {
    /// All copies, of `[rows of blocks][columns of blocks]`; `down` may be empty.
    pub(super) fn new(
        up: &'a mut [i16],
        down: &'a mut [i16],
        steps: &'a mut [f32],
        columns: usize,
    ) -> Self {
        assert!(steps.len().is_multiple_of(columns.max(1)) && up.len() == steps.len() * SIZE);
        assert!(down.is_empty() || down.len() == up.len());
        let has_down = !down.is_empty();
        Self {
            up: NonNull::from(up).cast(),
            down: has_down.then(|| NonNull::from(down).cast()),
            blocks: [steps.len() / columns.max(1), columns],
            steps: NonNull::from(steps).cast(),
            stride: columns,
            lifetime: PhantomData,
        }
    }

    /// The rectangle of `blocks` from block `at` on.
    fn part(&self, at: [usize; 2], blocks: [usize; 2]) -> Self {
        let first = at[0] * self.stride + at[1];
        let is_empty = blocks.contains(&0);
        let first = if is_empty { 0 } else { first };
        // SAFETY: the first block of a rectangle that is not empty lies within this one.
        unsafe {
            Self {
                up: self.up.add(first * SIZE),
                down: self.down.map(|down| down.add(first * SIZE)),
                steps: self.steps.add(first),
                blocks,
                ..*self
            }
        }
    }

    /// The blocks before and from that of row `row` of the weights on, which starts one or is
    /// beyond the last.
    pub(crate) fn split_at_row(self, row: usize) -> (Self, Self) {
        let [rows, columns] = self.blocks;
        let at = of_blocks(row, rows);
        (
            self.part([0, 0], [at, columns]),
            self.part([at, 0], [rows - at, columns]),
        )
    }

    /// The same with a column.
    pub(crate) fn split_at_column(self, column: usize) -> (Self, Self) {
        let [rows, columns] = self.blocks;
        let at = of_blocks(column, columns);
        (
            self.part([0, 0], [rows, at]),
            self.part([0, at], [rows, columns - at]),
        )
    }

    /// Copies `[rows, columns]` weights anew, those of the rectangle: `row(i)` with its padding. On
    /// the calling thread.
    pub(crate) fn renew<'w>(self, sizes: [usize; 2], row: impl Fn(usize) -> &'w [f32]) {
        assert_eq!(sizes.map(|n| n.div_ceil(BLOCK)), self.blocks);
        for i in 0..self.blocks[0] {
            for j in 0..self.blocks[1] {
                let block = i * self.stride + j;
                // SAFETY: a block of this rectangle, which is consumed and the only way to it.
                let (up, down, step) = unsafe {
                    let slice = |x: NonNull<i16>| {
                        std::slice::from_raw_parts_mut(x.add(block * SIZE).as_ptr(), SIZE)
                    };
                    let down = self.down.map(slice).unwrap_or_default();
                    (slice(self.up), down, &mut *self.steps.add(block).as_ptr())
                };
                dispatch(QuantizeBlock {
                    rows: (sizes[0] - i * BLOCK).min(BLOCK),
                    columns: (sizes[1] - j * BLOCK).min(BLOCK),
                    row: |k| &row(i * BLOCK + k)[j * BLOCK..],
                    up,
                    down,
                    step,
                });
            }
        }
    }

    /// Copies all of `weights` anew; rows of blocks run in parallel.
    pub(super) fn renew_in_parallel(self, weights: &Matrix) {
        let split = |(first, copies): (usize, CopiesMut<'a>)| match copies.blocks[0] {
            0 | 1 => Parts::One((first, copies)),
            n => {
                let at = n / 2 * BLOCK;
                let (upper, lower) = copies.split_at_row(at);
                Parts::Two((first, upper), (first + at, lower))
            }
        };
        let renew = |(first, copies): (usize, CopiesMut<'a>)| {
            let rows = (weights.rows() - first).min(BLOCK);
            let padded = &weights.padded()[first * weights.stride()..];
            copies.renew([rows, weights.columns()], |i| {
                &padded[i * weights.stride()..][..weights.stride()]
            });
        };
        if !self.blocks.contains(&0) {
            threads::divide((0, self), &split, &renew);
        }
    }
}

/// The block that unit `at` starts, of `blocks`.
fn of_blocks(at: usize, blocks: usize) -> usize {
    let block = at.div_ceil(BLOCK);
    assert!(at.is_multiple_of(BLOCK) && block <= blocks || block == blocks);
    block
}
