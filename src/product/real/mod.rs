//! The product of real inputs in [0, 1] with weights, in exact integers: two multiply-adds where
//! f32 does one.
//!
//! An input becomes the integer `X = round(2^15 x)`; a weight is the integer `q` of its fixed-point
//! copy (see [`super::lookup`]), and a block of 128 inputs adds
//!
//! ```text
//! step 2^-15 sum_i X_i q_i,   sum_i X_i q_i = sum_i (X_i - 2^14) q_i + 2^14 sum_i q_i
//! ```
//!
//! to the product, in f32, blocks in order. `X - 2^14` has 16 bits with its sign, so that one
//! instruction multiplies and adds two of them. No sum over any subset of a row or column of the
//! block leaves 16 bits, so none here leaves 32: `2^14 (2 2^15 + 2^15) < 2^31`. Order, tile, thread
//! and instruction set cannot change it.
//!
//! # Precision
//! The weights are those of the look-up, `|w - q step| <= step / 2`, and inputs that are zeros and
//! ones give the very bits of its product. Of other inputs `|x - 2^-15 X| <= 2^-16 (1 + 2^-10)`,
//! and magnitudes of `q` add up to less than 2^16 in a block, so that a product is off by at most
//! `step (sum_i x_i / 2 + 1.01 blocks)` and f32 rounding: a step a block for the inputs, on top of
//! what the weights are off by.
//!
//! # Where
//! The values decide. A term of which any is below 0, above 1 or not a number is left to the dense
//! product, all its rows.

mod states;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub(super) use states::RealStates;

use super::{
    Direction,
    lookup::FixedPoint,
    quantize::{BLOCK, SLAB, WIDTH},
};
use crate::{
    matrix::{Aligned, MatrixView, aligned},
    simd::{Operation, Simd, dispatch},
    threads::{in_pool, prelude::*},
};
use std::{cell::RefCell, ops::Range};

/// What an input of 1 becomes.
const ONE: f32 = 32_768.0;
/// What is taken from the integers of inputs, so that they have a sign.
const MIDDLE: i16 = 1 << 14;
/// Integers of the packed weights of a slab.
const PACKED: usize = SLAB;
/// Rows that a thread converts at a time.
const ROWS: usize = 16;

/// Real inputs in [0, 1] as integers, made once a pass and shared by all outputs.
#[derive(Clone, Debug)]
pub(super) struct Fractions {
    /// `X - 2^14`, rows `stride` apart.
    words: Aligned<i16>,
    rows: usize,
    columns: usize,
    stride: usize,
    are_taken: bool,
}

impl Default for Fractions {
    fn default() -> Self {
        Self {
            words: aligned(0, 0),
            rows: 0,
            columns: 0,
            stride: 0,
            are_taken: false,
        }
    }
}

impl Fractions {
    /// Takes the inputs `x` if all of them are in [0, 1]. On the calling thread if that is to be
    /// `alone`. Allocates only to grow.
    pub(super) fn take(&mut self, x: MatrixView<'_>, alone: bool) {
        (self.rows, self.columns) = (x.rows(), x.columns());
        self.stride = self.columns.next_multiple_of(WIDTH);
        let size = self.rows * self.stride;
        if self.words.len() < size {
            self.words.resize(size, 0);
        }
        let stride = self.stride;
        let convert = |(k, words): (usize, &mut [i16])| {
            let first = k * ROWS;
            let rows = first..first + words.len() / stride;
            dispatch(Convert {
                x: x.view_rows(rows),
                words,
                stride,
            })
        };
        let words = &mut self.words[..size];
        let part = (ROWS * stride).max(1);
        self.are_taken = match alone {
            true => words.chunks_mut(part).enumerate().all(convert),
            false => in_pool(|| words.par_chunks_mut(part).enumerate().all(convert)),
        };
    }

    /// Takes none.
    pub(super) fn leave(&mut self) {
        self.are_taken = false;
    }

    /// Whether the last inputs were taken.
    pub(super) fn are_taken(&self) -> bool {
        self.are_taken
    }

    /// `product += X[rows] op(W)[.., columns]`, rows of `product` `stride` apart; `columns` starts
    /// at a multiple of `WIDTH`, and up to the next multiple beyond its end `product` may be
    /// overwritten with finite numbers.
    pub(super) fn add_product(
        &self,
        (fixed, direction): (&FixedPoint, Direction),
        rows: Range<usize>,
        columns: Range<usize>,
        product: &mut [f32],
        stride: usize,
    ) {
        assert!(self.are_taken && columns.start.is_multiple_of(WIDTH) && rows.end <= self.rows);
        assert!(columns.len().next_multiple_of(WIDTH) <= stride);
        if rows.is_empty() {
            return;
        }
        let at_once = multiplies_and_adds_at_once();
        PACK.with_borrow_mut(|packed| {
            for output in columns.clone().step_by(WIDTH) {
                for block in 0..self.columns.div_ceil(BLOCK) {
                    let slab = fixed.slab_of(direction, output, block, self.columns);
                    dispatch(SlabProduct {
                        slab: slab.weights,
                        inputs: slab.inputs,
                        step: slab.step / ONE,
                        taken: MIDDLE,
                        x: &self.words[rows.start * self.stride + block * BLOCK..],
                        x_stride: self.stride,
                        rows: rows.len(),
                        product: &mut product[output - columns.start..],
                        stride,
                        packed,
                        at_once,
                    });
                }
            }
        });
    }
}

thread_local! {
    static PACK: RefCell<Aligned<i16>> = RefCell::new(aligned(PACKED, 0));
}

/// Whether the CPU has one instruction that multiplies pairs and adds to sums.
fn multiplies_and_adds_at_once() -> bool {
    #[cfg(target_arch = "x86_64")]
    return vnni::is_available();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Makes this thread's buffer.
pub(super) fn warm_up() {
    PACK.with_borrow(|_| ());
}

/// Rows of inputs to integers; whether all are in [0, 1].
struct Convert<'a> {
    x: MatrixView<'a>,
    words: &'a mut [i16],
    stride: usize,
}

impl Operation for Convert<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        let (one, middle) = (s.splat(ONE), s.splat(f32::from(MIDDLE)));
        let width = 2 * S::LANES;
        let mut all_inside = true;
        for (i, to) in self.words.chunks_exact_mut(self.stride).enumerate() {
            let row = self.x.row(i);
            for (from, to) in row.chunks(width).zip(to.chunks_exact_mut(width)) {
                let mut last = [0.0; 32];
                let from = if from.len() < width {
                    last[..from.len()].copy_from_slice(from);
                    &last[..width]
                } else {
                    from
                };
                all_inside &= are_inside(s, from);
                let q = [0, S::LANES].map(|k| s.sub(s.mul(s.load(&from[k..]), one), middle));
                // SAFETY: the chunk is of 2 * LANES integers.
                unsafe { s.store_words(to.as_mut_ptr(), s.narrow(q)) };
            }
        }
        all_inside
    }
}

/// Whether all of some vectors are in [0, 1].
#[inline(always)]
fn are_inside<S: Simd>(s: S, x: &[f32]) -> bool {
    let (zero, above) = (s.splat(0.0), s.splat(1.0_f32.next_up()));
    let every = u32::MAX >> (32 - S::LANES);
    let (mut below_zero, mut up_to_one) = (0, every);
    for x in x.chunks_exact(S::LANES) {
        let x = s.load(x);
        // Nothing is less than NaN, nor NaN than anything.
        below_zero |= s.less(x, zero);
        up_to_one &= s.less(x, above);
    }
    below_zero == 0 && up_to_one == every
}

/// A slab against the rows of a panel.
struct SlabProduct<'a> {
    /// `[BLOCK inputs][WIDTH outputs]`, zero beyond the inputs that exist.
    slab: &'a [i16],
    /// Inputs that exist.
    inputs: usize,
    /// That of the products of integers.
    step: f32,
    /// What was taken from the inputs, which the sums get back.
    taken: i16,
    /// From the first row's first integer of the block on.
    x: &'a [i16],
    x_stride: usize,
    rows: usize,
    /// `step *` the sums is added to `WIDTH` floats of each row.
    product: &'a mut [f32],
    stride: usize,
    /// Of [`PACKED`].
    packed: &'a mut [i16],
    /// Whether one instruction may multiply and add to sums, which the CPU has then.
    at_once: bool,
}

impl Operation for SlabProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let pairs = self.inputs.div_ceil(2);
        assert!(self.slab.len() == SLAB && self.packed.len() == PACKED && pairs <= BLOCK / 2);
        let strip = 2 * S::LANES;
        for first in (0..WIDTH).step_by(strip) {
            let mut starts = [0; WIDTH];
            let slab = &self.slab[first..];
            pack(s, (slab, self.taken), pairs, self.packed, &mut starts);
            let mut row = 0;
            while row < self.rows {
                let rows = (self.rows - row).min(S::GEMM_ROWS);
                let mut tile = RegisterTile {
                    x: &self.x[row * self.x_stride..],
                    x_stride: self.x_stride,
                    pairs,
                    packed: self.packed,
                    starts: &starts,
                    step: self.step,
                    product: &mut self.product[row * self.stride + first..],
                    stride: self.stride,
                };
                macro_rules! by_rows {
                    ($($m:literal)*) => {
                        match rows {
                            $($m => tile.add_either::<S, $m>(s, self.at_once),)*
                            _ => unreachable!("at most twelve rows"),
                        }
                    };
                }
                by_rows!(1 2 3 4 5 6 7 8 9 10 11 12);
                row += rows;
            }
        }
    }
}

/// Packs `2 LANES` outputs of a slab in pairs of inputs, `[pair][2 vectors]`, and writes `taken`
/// times the sums of their weights.
#[inline(always)]
fn pack<S: Simd>(
    s: S,
    (slab, taken): (&[i16], i16),
    pairs: usize,
    packed: &mut [i16],
    starts: &mut [u32; WIDTH],
) {
    let vector = 2 * S::LANES;
    assert!(slab.len() >= SLAB - WIDTH + vector && pairs <= BLOCK / 2);
    assert!(packed.len() >= pairs * 2 * vector);
    let taken = s.splat_pair(u32::from(taken as u16) * 0x1_0001);
    let mut sums = [s.splat_u64(0); 2];
    for pair in 0..pairs {
        // SAFETY: the asserts cover two rows of the slab and two vectors of the packed weights.
        unsafe {
            let from = slab.as_ptr().add(2 * pair * WIDTH);
            let to = packed.as_mut_ptr().add(pair * 2 * vector);
            let both = s.interleave_words(s.load_words(from), s.load_words(from.add(WIDTH)));
            for (k, &words) in both.iter().enumerate() {
                sums[k] = s.add_pairs(sums[k], words, taken);
                s.store_words(to.add(k * vector), words);
            }
        }
    }
    for (sum, to) in sums.into_iter().zip(starts.chunks_exact_mut(S::LANES)) {
        s.store_u32(to, sum);
    }
}

/// The operands of a register tile: some rows, two vectors of outputs.
struct RegisterTile<'a> {
    x: &'a [i16],
    x_stride: usize,
    pairs: usize,
    packed: &'a [i16],
    /// Where the sums of each row start.
    starts: &'a [u32; WIDTH],
    /// That of the products of integers.
    step: f32,
    product: &'a mut [f32],
    stride: usize,
}

impl RegisterTile<'_> {
    /// Refuses operands that `M` rows with vectors of so many floats would leave.
    #[inline(always)]
    fn check<const M: usize>(&self, lanes: usize) {
        assert!(self.x.len() >= (M - 1) * self.x_stride + 2 * self.pairs);
        assert!(self.packed.len() >= self.pairs * 4 * lanes && 2 * lanes <= WIDTH);
        assert!(self.product.len() >= (M - 1) * self.stride + 2 * lanes);
    }

    /// [`Self::add`], or what does the same with one instruction where that is there.
    #[inline(always)]
    fn add_either<S: Simd, const M: usize>(&mut self, s: S, at_once: bool) {
        #[cfg(target_arch = "x86_64")]
        if at_once && S::LANES == 16 {
            // SAFETY: the CPU has the instruction.
            return unsafe { self.add_at_once::<M>() };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = at_once;
        self.add::<S, M>(s);
    }

    /// Adds the products of `M` rows.
    #[inline(always)]
    fn add<S: Simd, const M: usize>(&mut self, s: S) {
        // Taller tiles than the registers hold are never asked for; do not compile them.
        if M > S::GEMM_ROWS {
            return;
        }
        self.check::<M>(S::LANES);
        let vector = 2 * S::LANES;
        // SAFETY: the starts are two vectors.
        let start = [0, S::LANES].map(|k| unsafe { s.load_u32(self.starts[k..].as_ptr()) });
        let mut sums = [start; M];
        for pair in 0..self.pairs {
            // SAFETY: the check covers a pair of inputs of each of the M rows, and two vectors of
            // weights of each pair.
            unsafe {
                let w = self.packed.as_ptr().add(pair * 2 * vector);
                let w = [s.load_words(w), s.load_words(w.add(vector))];
                let x = self.x.as_ptr().add(2 * pair);
                for (m, sums) in sums.iter_mut().enumerate() {
                    let x = x.add(m * self.x_stride).cast::<u32>().read_unaligned();
                    let x = s.splat_pair(x);
                    sums[0] = s.add_pairs(sums[0], x, w[0]);
                    sums[1] = s.add_pairs(sums[1], x, w[1]);
                }
            }
        }
        let step = s.splat(self.step);
        for (m, sums) in sums.iter().enumerate() {
            let product = &mut self.product[m * self.stride..][..vector];
            for (&sum, to) in sums.iter().zip(product.chunks_exact_mut(S::LANES)) {
                let sum = s.mul(s.integers_to_floats(sum), step);
                s.store(to, s.add(s.load(to), sum));
            }
        }
    }
}

#[cfg(test)]
mod tests;
