//! The draws of a sweep, one unit after the other.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators over vectors are functions that are not compiled for the instruction set"
)]

use super::{
    Group, MOST_WORDS, Sweep, add_couplings, shared,
    sums::Sum,
    table::{MOST_NEIGHBORS, ROW, Table},
    ties::Ties,
    word_at, word_of,
};
use crate::{
    bits::WORD_BITS,
    kernel::{
        activation::{sigmoid_lanes, softplus_lanes},
        bernoulli::Uniforms,
    },
    simd::{Operation, Simd},
};
use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
};

/// Columns whose uniforms come at once.
const BLOCK: usize = 4;

/// What a thread keeps from sweep to sweep.
#[derive(Default)]
pub(super) struct Room {
    /// States of the words that are drawn at once, unit by unit.
    states: Vec<u64>,
    ties: Ties,
}

/// A sweep, and room for it.
pub(super) struct InRoom<'a> {
    pub(super) job: &'a Sweep<'a>,
    pub(super) room: &'a mut Room,
}

impl Operation for InRoom<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { job, room } = self;
        let n = job.order.len();
        assert!(n > 0 && job.x.len().is_multiple_of(n) && job.bias.len() == n);
        assert!(job.places.end <= n);
        assert!(job.held.is_empty() || job.held.len() == job.x.len());
        assert!(job.couplings.is_none_or(|a| a.units() == n));
        assert!(job.tables.is_none_or(|tables| tables.units() == n));
        let words = job.x.len() / n;
        assert!(words <= MOST_WORDS);
        // Others may draw other parts of the words.
        let is_whole = job.groups.is_empty() && job.places.len() == n;
        let mut done = 0;
        while done < words {
            done += match (S::LANES, words - done) {
                (16, 4..) if is_whole => part::<S, 4, 1, 4>(s, job, done, room),
                (16, 2..) if is_whole => part::<S, 4, 1, 2>(s, job, done, room),
                (16, _) => part::<S, 4, 1, 1>(s, job, done, room),
                (8, _) => part::<S, 8, 2, 1>(s, job, done, room),
                (lanes, _) => unreachable!("{lanes} lanes"),
            };
        }
    }
}

/// `P` words from `first` on; `V` vectors are 64 floats, `W` vectors 64 bytes.
#[inline(always)]
fn part<S: Simd, const V: usize, const W: usize, const P: usize>(
    s: S,
    job: &Sweep<'_>,
    first: usize,
    Room { states, ties }: &mut Room,
) -> usize {
    let n = job.order.len();
    let own = &job.x[first * n..][..P * n];
    if P == 1 {
        Drawing::<S, V, W, P>::new(s, job, first, own, ties).sweep(s);
        return P;
    }
    states.resize(P * n, 0);
    for p in 0..P {
        let own = &own[p * n..][..n];
        for i in 0..n {
            states[i * P + p] = own[i].load(Ordering::Relaxed);
        }
    }
    Drawing::<S, V, W, P>::new(s, job, first, shared(states), ties).sweep(s);
    for p in 0..P {
        let own = &own[p * n..][..n];
        for i in 0..n {
            own[i].store(states[i * P + p], Ordering::Relaxed);
        }
    }
    P
}

/// A sweep of `P` words on its way.
pub(super) struct Drawing<'a, S: Simd, const V: usize, const W: usize, const P: usize> {
    pub(super) job: &'a Sweep<'a>,
    /// The first of the words.
    first: usize,
    /// `[units][P]`.
    pub(super) x: &'a [AtomicU64],
    /// Ones where there are chains.
    lanes: [u64; P],
    pub(super) uniforms: Uniforms<S>,
    /// The uniforms of a block of places, and which.
    words: [[[S::I; W]; P]; BLOCK],
    block: usize,
    /// One that the compiler does not know.
    zero: S::I,
    pub(super) ties: &'a mut Ties,
}

impl<'a, S: Simd, const V: usize, const W: usize, const P: usize> Drawing<'a, S, V, W, P> {
    #[inline(always)]
    fn new(s: S, job: &'a Sweep<'a>, first: usize, x: &'a [AtomicU64], ties: &'a mut Ties) -> Self {
        assert!(x.len() == P * job.order.len());
        ties.clear();
        let mut lanes = [0; P];
        lanes.copy_from_slice(&job.lanes[first..first + P]);
        Self {
            job,
            first,
            x,
            lanes,
            uniforms: Uniforms::new(s, job.draws),
            words: [[[s.splat_u64(0); W]; P]; BLOCK],
            block: usize::MAX,
            zero: s.splat_u64(black_box(0)),
            ties,
        }
    }

    /// The absolute row of a chain of a word.
    #[inline(always)]
    pub(super) fn row(&self, word: usize, chain: usize) -> u32 {
        self.job.draws.first_row + (self.chain(word) + chain) as u32
    }

    /// Row of the first chain of a word.
    #[inline(always)]
    fn chain(&self, word: usize) -> usize {
        self.job.first_chain + (self.first + word) * WORD_BITS
    }

    /// The first uniforms of the draws of a place.
    #[inline(always)]
    fn uniforms_of(&mut self, s: S, place: usize) -> [[S::I; W]; P] {
        if place / BLOCK != self.block {
            self.block = place / BLOCK;
            for p in 0..P {
                for w in 0..W {
                    let row = self.chain(p) + w * 4 * S::LANES;
                    let of_columns = self.uniforms.of_columns(s, row, self.block * BLOCK);
                    for k in 0..BLOCK {
                        self.words[k][p][w] = of_columns[k];
                    }
                }
            }
        }
        self.words[place % BLOCK]
    }

    #[inline(always)]
    fn sweep(mut self, s: S) {
        let places = self.job.places.clone();
        if P == 1 && !self.job.groups.is_empty() {
            return self.sweep_groups(s);
        }
        let (order, falls) = (self.job.order, self.job.is_falling);
        for k in 0..order.classes() {
            let class = order.class(if falls { order.classes() - 1 - k } else { k });
            let (start, end) = (class.start.max(places.start), class.end.min(places.end));
            for at in start..end {
                self.draw_at(s, if falls { start + end - 1 - at } else { at });
            }
            self.settle(s);
        }
    }

    /// With groups, in order of numbers.
    #[inline(always)]
    fn sweep_groups(&mut self, s: S) {
        let (places, is_falling) = (self.job.places.clone(), self.job.is_falling);
        let mut left = self.job.groups;
        let mut done = 0;
        while done < places.len() {
            let place = match is_falling {
                true => places.end - 1 - done,
                false => places.start + done,
            };
            if let Some(group) = next_group(&mut left, place, is_falling) {
                self.draw_group(s, group);
                done += group.end - group.first;
            } else {
                self.draw_at(s, place);
                self.settle(s);
                done += 1;
            }
        }
    }

    /// Chains of which unit `i` is to be drawn.
    #[inline(always)]
    fn free(&self, i: usize) -> [u64; P] {
        let mut free = self.lanes;
        if !self.job.held.is_empty() {
            for p in 0..P {
                free[p] &= !self.job.held[(self.first + p) * self.job.order.len() + i];
            }
        }
        free
    }

    #[inline(always)]
    fn draw_at(&mut self, s: S, place: usize) {
        let i = self.job.order.units()[place] as usize;
        let free = self.free(i);
        if !self.job.held.is_empty() && free == [0; P] {
            return;
        }
        let u = self.uniforms_of(s, place);
        let drawn = if let Some((table, near)) = self.table_of(i) {
            self.by_table(s, place, (table.first, near), &u, &free)
        } else if let Some((sum, near)) = self.sum_of(i) {
            self.by_sum(s, place, &sum, near, &u, &free)
        } else {
            let mut drawn = [0; P];
            for p in 0..P {
                let inputs = self.inputs(s, i, p);
                drawn[p] = self.drawn(s, place, p, &u[p], &inputs);
            }
            drawn
        };
        let x = &self.x[i * P..][..P];
        for p in 0..P {
            let kept = x[p].load(Ordering::Relaxed) & !free[p];
            x[p].store(kept | drawn[p] & free[p], Ordering::Relaxed);
        }
    }

    /// `beta (A_i x + a_i)` of the 64 chains of a word.
    #[inline(always)]
    fn inputs(&self, s: S, i: usize, word: usize) -> [S::F; V] {
        let beta = s.splat(self.job.beta);
        let mut y = [s.splat(self.job.bias[i]); V];
        if let Some(couplings) = self.job.couplings {
            let of = |j| word_of(self.x, j * P + word);
            add_couplings(s, couplings.of(i), of, &mut y);
        }
        for v in 0..V {
            y[v] = s.mul(beta, y[v]);
        }
        y
    }

    /// Ones with probability `sigma(y)`.
    #[inline(always)]
    fn drawn(&self, s: S, place: usize, word: usize, u: &[S::I; W], y: &[S::F; V]) -> u64 {
        let mut drawn = 0;
        for w in 0..W {
            let u = s.widen_bytes(u[w]);
            for k in 0..4 {
                let at = (4 * w + k) * S::LANES;
                let chain = |lane| (self.chain(word) + at + lane, place);
                let mean = sigmoid_lanes(s, y[4 * w + k]);
                let bits = self.uniforms.draw(s, u[k], mean, chain);
                drawn |= u64::from(bits) << at;
            }
        }
        drawn
    }

    /// The table of unit `i`, and its neighbors, if it has one.
    #[inline(always)]
    pub(super) fn table_of(&self, i: usize) -> Option<(Table<'a>, &'a [u32])> {
        let (tables, couplings) = (self.job.tables?, self.job.couplings?);
        // SAFETY: both are of as many units as there are (asserted where the sweep begins), of
        // which an order names no other.
        unsafe { Some((tables.of_unit(i)?, couplings.of_unit(i).0)) }
    }

    /// The integers of unit `i`, and its neighbors, if it has any.
    #[inline(always)]
    pub(super) fn sum_of(&self, i: usize) -> Option<(Sum<'a>, &'a [u32])> {
        let (tables, couplings) = (self.job.tables?, self.job.couplings?);
        // SAFETY: as above.
        let (near, _) = unsafe { couplings.of_unit(i) };
        Some((tables.sums.of(i, near.len())?, near))
    }

    /// The draws of a unit by its table, zeros where they tie; those of chains that are not free
    /// mean nothing.
    #[inline(always)]
    fn by_table(
        &mut self,
        s: S,
        place: usize,
        (thresholds, near): (&[u8], &[u32]),
        u: &[[S::I; W]; P],
        free: &[u64; P],
    ) -> [u64; P] {
        let zero = self.zero;
        let t = match near.len() {
            0 => look_up::<S, W, P, 0>(s, zero, near, self.x, thresholds),
            1 => look_up::<S, W, P, 1>(s, zero, near, self.x, thresholds),
            2 => look_up::<S, W, P, 2>(s, zero, near, self.x, thresholds),
            3 => look_up::<S, W, P, 3>(s, zero, near, self.x, thresholds),
            4 => look_up::<S, W, P, 4>(s, zero, near, self.x, thresholds),
            5 => look_up::<S, W, P, 5>(s, zero, near, self.x, thresholds),
            6 => look_up::<S, W, P, 6>(s, zero, near, self.x, thresholds),
            7 => look_up::<S, W, P, 7>(s, zero, near, self.x, thresholds),
            MOST_NEIGHBORS => look_up::<S, W, P, MOST_NEIGHBORS>(s, zero, near, self.x, thresholds),
            degree => unreachable!("a table of {degree} neighbors"),
        };
        let (mut drawn, mut ties) = ([0; P], [0; P]);
        for p in 0..P {
            for w in 0..W {
                drawn[p] |= s.less_bytes(u[p][w], t[p][w]) << (w * 4 * S::LANES);
                ties[p] |= s.equal_bytes(u[p][w], t[p][w]) << (w * 4 * S::LANES);
            }
            ties[p] &= free[p];
        }
        if self.ties.are_many(P) {
            self.settle(s);
        }
        self.ties.push(place, &ties);
        drawn
    }

    /// The draws of a unit by sums of look-ups, zeros where they are open; those of chains that are
    /// not free mean nothing.
    #[inline(always)]
    fn by_sum(
        &mut self,
        s: S,
        place: usize,
        sum: &Sum<'_>,
        near: &[u32],
        u: &[[S::I; W]; P],
        free: &[u64; P],
    ) -> [u64; P] {
        let both = sum.draw(s, self.zero, near, self.x, u);
        if self.ties.are_many(P) {
            self.settle(s);
        }
        let (mut drawn, mut ties) = ([0; P], [0; P]);
        for p in 0..P {
            drawn[p] = both[p].ones;
            ties[p] = both[p].open & free[p];
        }
        self.ties.push_with(s, place, &ties, u, &both);
        drawn
    }

    #[inline(always)]
    fn draw_group(&mut self, s: S, group: Group) {
        let units = group.first..group.end;
        // Held units of a group are all held.
        let free = units
            .clone()
            .fold(u64::MAX, |free, i| free & self.free(i)[0]);
        if free == 0 {
            return;
        }
        let put = |i: usize, word: u64| {
            let x = &self.x[i];
            x.store(
                x.load(Ordering::Relaxed) & !free | word & free,
                Ordering::Relaxed,
            );
        };
        let mut sums = self.inputs(s, group.first, 0);
        put(group.first, u64::MAX);
        for i in group.first + 1..group.end {
            let mut y = self.inputs(s, i, 0);
            for v in 0..V {
                y[v] = s.sub(y[v], sums[v]);
                sums[v] = s.add(sums[v], softplus_lanes(s, y[v]));
            }
            let u = self.uniforms_of(s, i);
            let word = self.drawn(s, i, 0, &u[0], &y);
            put(i, word);
        }
        let mut later = 0;
        for i in units.rev() {
            let taken = word_of(self.x, i) & free;
            put(i, taken & !later);
            later |= taken;
        }
    }
}

/// The thresholds of the chains from a table of `K` neighbors, rows of 16: four of the neighbors'
/// bits look up a byte in each row, the others choose among the rows.
#[inline(always)]
fn look_up<S: Simd, const W: usize, const P: usize, const K: usize>(
    s: S,
    zero: S::I,
    near: &[u32],
    x: &[AtomicU64],
    table: &[u8],
) -> [[S::I; W]; P] {
    let table = &table[..ROW << K.saturating_sub(4)];
    let near: &[u32; K] = near.try_into().expect("as many neighbors");
    let mut thresholds = [[s.splat_u64(0); W]; P];
    for p in 0..P {
        let mut words = [0; K];
        for k in 0..K {
            // SAFETY: all neighbors are units, each of which has `P` words (asserted where the
            // sweep begins).
            words[k] = unsafe { word_at(x, near[k] as usize * P + p) };
        }
        for w in 0..W {
            let mut masks = [s.byte_mask(0); K];
            let mut index = zero;
            for k in 0..K {
                masks[k] = s.byte_mask(words[k] >> (w * 4 * S::LANES));
                if k < 4 {
                    index = s.add_bytes_where(index, masks[k], 1 << k);
                }
            }
            let mut rows = 1 << K.saturating_sub(4);
            let mut t = [s.splat_u64(0); 1 << (MOST_NEIGHBORS - 4)];
            for r in 0..rows {
                t[r] = s.look_up_16(&table[ROW * r..], index);
            }
            for k in 4..K {
                rows /= 2;
                for r in 0..rows {
                    t[r] = s.blend_bytes(masks[k], t[2 * r], t[2 * r + 1]);
                }
            }
            thresholds[p][w] = t[0];
        }
    }
    thresholds
}

/// The first or the last of the groups if unit `i` is in it, which is then taken away.
#[inline(always)]
fn next_group(left: &mut &[Group], i: usize, is_falling: bool) -> Option<Group> {
    let (group, rest) = match is_falling {
        true => left.split_last()?,
        false => left.split_first()?,
    };
    (group.first..group.end).contains(&i).then(|| {
        *left = rest;
        *group
    })
}
