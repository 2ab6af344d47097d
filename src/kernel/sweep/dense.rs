//! Sweeps of densely coupled units: sums of look-ups.
//!
//! The couplings of a unit are taken five at a time, in order of the units' numbers. The 32 sums of
//! five of them are a table in registers, built once for up to 256 chains; the five bits of a chain
//! are the index into it. Indices of six such groups share a word of 32 bits, of which a draw
//! changes one bit. So five couplings of 16 chains are a shift, a look-up and an addition.
//!
//! The input of a unit is its bias, and then the sums of the groups one by one, each the sum of its
//! couplings one by one, all in f32: the same bits on every instruction set.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators over vectors are functions that are not compiled for the instruction set"
)]

use super::{Order, word_of};
use crate::{
    bits::WORD_BITS,
    kernel::{activation::sigmoid_lanes, bernoulli::Uniforms},
    rng::Draws,
    simd::{Isa, Operation, Simd, dispatch_on, isa},
};
use std::{
    cell::RefCell,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

/// Couplings of a table.
pub(crate) const GROUP: usize = 5;
/// Groups whose indices share a word.
const PACKED: usize = 6;
/// Couplings of the groups that share a word: rows of couplings are multiples of it.
const SPAN: usize = GROUP * PACKED;
/// Columns whose uniforms come at once.
const BLOCK: usize = 4;
/// Most words of chains at a time.
pub(crate) const MOST_WORDS: usize = 4;

/// All couplings, zeros too, as rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    units: usize,
    stride: usize,
    values: Vec<f32>,
}

impl Rows {
    /// Zeros.
    pub(crate) fn new(units: usize) -> Self {
        let stride = units.next_multiple_of(SPAN);
        Self {
            units,
            stride,
            values: vec![0.0; units * stride],
        }
    }

    /// The couplings of unit `i`.
    pub(crate) fn row_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.values[i * self.stride..][..self.units]
    }

    /// The same, with zeros up to a multiple of [`SPAN`].
    #[inline(always)]
    fn padded(&self, i: usize) -> &[f32] {
        &self.values[i * self.stride..][..self.stride]
    }
}

/// A sweep of up to [`MOST_WORDS`] words of chains, as [`super::Sweep`] does it.
pub(crate) struct DenseSweep<'a> {
    pub(crate) couplings: &'a Rows,
    pub(crate) order: &'a Order,
    pub(crate) is_falling: bool,
    pub(crate) bias: &'a [f32],
    /// `[words][units]`.
    pub(crate) x: &'a [AtomicU64],
    /// Likewise, ones where a unit of a chain is held; empty if none is.
    pub(crate) held: &'a [u64],
    /// Row of the first chain, a multiple of 64.
    pub(crate) first_chain: usize,
    /// Ones where there are chains, of each word.
    pub(crate) lanes: [u64; MOST_WORDS],
    pub(crate) beta: f32,
    /// From a multiple of four rows on.
    pub(crate) draws: Draws,
}

/// Does a sweep on the calling thread. Allocates only as a thread's first.
pub(crate) fn dense_sweep(job: DenseSweep<'_>) {
    dense_sweep_on(isa(), job);
}

/// [`dense_sweep`] on an instruction set.
pub(super) fn dense_sweep_on(isa: Isa, job: DenseSweep<'_>) {
    INDICES.with_borrow_mut(|indices| dispatch_on(isa, WithIndices { job, indices }));
}

thread_local! {
    static INDICES: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

struct WithIndices<'a> {
    job: DenseSweep<'a>,
    indices: &'a mut Vec<u32>,
}

impl Operation for WithIndices<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { job, indices } = self;
        let n = job.order.len();
        assert!(n > 0 && job.x.len().is_multiple_of(n) && job.bias.len() == n);
        assert!(job.held.is_empty() || job.held.len() == job.x.len());
        assert!(job.couplings.units == n);
        let words = job.x.len() / n;
        assert!(words <= MOST_WORDS);
        indices.resize(MOST_WORDS * job.couplings.stride / SPAN * WORD_BITS, 0);
        let mut done = 0;
        while done < words {
            done += match (S::LANES, words - done) {
                (16, 4..) => job.part::<S, 4, 1, 4>(s, done, indices),
                (16, 2..) => job.part::<S, 4, 1, 2>(s, done, indices),
                (16, _) => job.part::<S, 4, 1, 1>(s, done, indices),
                (8, _) => job.part::<S, 8, 2, 1>(s, done, indices),
                (lanes, _) => unreachable!("{lanes} lanes"),
            };
        }
    }
}

impl DenseSweep<'_> {
    /// `P` words from `first` on; `V` vectors are 64 floats, `W` vectors 64 bytes.
    #[inline(always)]
    fn part<S: Simd, const V: usize, const W: usize, const P: usize>(
        &self,
        s: S,
        first: usize,
        indices: &mut [u32],
    ) -> usize {
        let n = self.order.len();
        let words: Range<usize> = first..first + P;
        let mut x = [&self.x[..0]; P];
        for (p, word) in words.enumerate() {
            x[p] = &self.x[word * n..][..n];
            index_of(x[p], indices, P, p);
        }
        let uniforms = Uniforms::new(s, self.draws);
        let mut u = [[[s.splat_u64(0); W]; BLOCK]; P];
        let mut block = usize::MAX;
        for k in 0..n {
            let place = if self.is_falling { n - 1 - k } else { k };
            let i = self.order.units()[place] as usize;
            let mut free = [0; P];
            for (p, free) in free.iter_mut().enumerate() {
                let held = self.held.get((first + p) * n + i).copied().unwrap_or(0);
                *free = !held & self.lanes[first + p];
            }
            if free == [0; P] {
                continue;
            }
            if place / BLOCK != block {
                block = place / BLOCK;
                for p in 0..P {
                    for w in 0..W {
                        let row = self.chain(first + p) + w * 4 * S::LANES;
                        let of_columns = uniforms.of_columns(s, row, block * BLOCK);
                        for k in 0..BLOCK {
                            u[p][k][w] = of_columns[k];
                        }
                    }
                }
            }
            let y = self.inputs::<S, V, P>(s, i, indices);
            for p in 0..P {
                let mut drawn = 0;
                for w in 0..W {
                    let u = s.widen_bytes(u[p][place % BLOCK][w]);
                    for k in 0..4 {
                        let at = (4 * w + k) * S::LANES;
                        let chain = |lane| (self.chain(first + p) + at + lane, place);
                        let mean = sigmoid_lanes(s, y[p][4 * w + k]);
                        drawn |= u64::from(uniforms.draw(s, u[k], mean, chain)) << at;
                    }
                }
                let old = word_of(x[p], i);
                let new = old & !free[p] | drawn & free[p];
                x[p][i].store(new, Ordering::Relaxed);
                let indices = &mut indices[(i / SPAN * P + p) * WORD_BITS..][..WORD_BITS];
                for (v, lanes) in indices.chunks_exact_mut(S::LANES).enumerate() {
                    let changed = (old ^ new) >> (v * S::LANES);
                    // SAFETY: the chunk is of LANES integers.
                    let index = unsafe { s.load_u32(lanes.as_ptr()) };
                    let index = s.xor_where(index, changed as u32, 1 << (i % SPAN));
                    s.store_u32(lanes, index);
                }
            }
        }
        P
    }

    /// Row of the first chain of a word.
    #[inline(always)]
    fn chain(&self, word: usize) -> usize {
        self.first_chain + word * WORD_BITS
    }

    /// `beta (A_i x + a_i)` of `P` words of chains.
    #[inline(always)]
    fn inputs<S: Simd, const V: usize, const P: usize>(
        &self,
        s: S,
        i: usize,
        indices: &[u32],
    ) -> [[S::F; V]; P] {
        assert!(V * S::LANES == WORD_BITS);
        let mut y = [[s.splat(self.bias[i]); V]; P];
        let spans = self.couplings.padded(i).chunks_exact(SPAN);
        for (span, indices) in spans.zip(indices.chunks_exact(P * WORD_BITS)) {
            let indices = indices.as_ptr();
            for g in 0..PACKED {
                let table = table_of(s, &span[g * GROUP..(g + 1) * GROUP]);
                let shift = (g * GROUP) as u32;
                for p in 0..P {
                    for v in 0..V {
                        // SAFETY: a chunk has P words of V vectors each.
                        let index = unsafe { s.load_u32(indices.add((p * V + v) * S::LANES)) };
                        let index = s.shift_down(index, shift);
                        y[p][v] = s.add(y[p][v], s.look_up_32(&table, index));
                    }
                }
            }
        }
        let beta = s.splat(self.beta);
        for p in 0..P {
            for v in 0..V {
                y[p][v] = s.mul(beta, y[p][v]);
            }
        }
        y
    }
}

/// Bit `j % SPAN` of lane `c` of span `j / SPAN` of word `p` of `of` is that of unit `j` in chain
/// `c`: `[spans][words][chains]`.
fn index_of(x: &[AtomicU64], indices: &mut [u32], of: usize, p: usize) {
    let spans = indices.chunks_exact_mut(of * WORD_BITS);
    for (units, lanes) in x.chunks(SPAN).zip(spans) {
        let lanes = &mut lanes[p * WORD_BITS..][..WORD_BITS];
        lanes.fill(0);
        for (k, word) in units.iter().enumerate() {
            let word = word.load(Ordering::Relaxed);
            for (c, lane) in lanes.iter_mut().enumerate() {
                *lane |= ((word >> c & 1) as u32) << k;
            }
        }
    }
}

/// The sums of five numbers: entry `e` has those of the ones of `e`.
#[inline(always)]
fn table_of<S: Simd>(s: S, of: &[f32]) -> [S::F; 4] {
    const LANES: [u32; 4] = [0xAAAA, 0xCCCC, 0xF0F0, 0xFF00];
    let zero = s.splat(0.0);
    let of: &[f32; GROUP] = of.try_into().expect("a group");
    let mut low = zero;
    for k in 0..3 {
        low = s.add_where(low, LANES[k], s.splat(of[k]));
    }
    let last = s.splat(of[4]);
    if S::LANES == 16 {
        low = s.add_where(low, LANES[3], s.splat(of[3]));
        [low, s.add(low, last), zero, zero]
    } else {
        let next = s.add(low, s.splat(of[3]));
        [low, next, s.add(low, last), s.add(next, last)]
    }
}
