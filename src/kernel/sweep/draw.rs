//! The draws of a sweep, one unit after the other.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators over vectors are functions that are not compiled for the instruction set"
)]

use super::{
    Group, Sweep, add_couplings,
    table::{MOST_NEIGHBORS, ROW},
    word_at, word_of,
};
use crate::{
    kernel::{
        activation::{sigmoid_lanes, softplus_lanes},
        bernoulli::Uniforms,
    },
    simd::{Operation, Simd},
};
use std::sync::atomic::{AtomicU64, Ordering};

/// Columns whose uniforms come at once.
const BLOCK: usize = 4;
/// Most units whose ties wait.
const WAITING: usize = 128;

impl Operation for Sweep<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match S::LANES {
            16 => Drawing::<S, 4, 1>::new(s, &self).sweep(s),
            8 => Drawing::<S, 8, 2>::new(s, &self).sweep(s),
            lanes => unreachable!("{lanes} lanes"),
        }
    }
}

/// Draws that tie, before they are decided.
#[derive(Default)]
struct Ties {
    count: usize,
    /// Unit and chain.
    units: [(u32, u32); 8],
    /// Absolute, and places.
    rows: [u64; 8],
    columns: [u64; 8],
    /// Of the second uniforms, integers below 2^53.
    bounds: [f64; 8],
}

/// A sweep on its way. `V` vectors are 64 floats, `W` vectors 64 bytes.
struct Drawing<'a, S: Simd, const V: usize, const W: usize> {
    job: &'a Sweep<'a>,
    uniforms: Uniforms<S>,
    /// The uniforms of a block of places, and which.
    words: [[S::I; W]; BLOCK],
    block: usize,
    /// Places of the class with chains that tie: whoever waits for what a tie decides is in another
    /// class, and a branch a unit that nobody foresees would cost as much as all else.
    waiting: [(u32, u64); WAITING],
    count: usize,
}

impl<'a, S: Simd, const V: usize, const W: usize> Drawing<'a, S, V, W> {
    #[inline(always)]
    fn new(s: S, job: &'a Sweep<'a>) -> Self {
        let n = job.order.len();
        assert!(job.x.len() == n && job.bias.len() == n && job.places.end <= n);
        assert!(job.held.is_empty() || job.held.len() == n);
        assert!(job.couplings.is_none_or(|a| a.units() == n));
        Self {
            job,
            uniforms: Uniforms::new(s, job.draws),
            words: [[s.splat_u64(0); W]; BLOCK],
            block: usize::MAX,
            waiting: [(0, 0); WAITING],
            count: 0,
        }
    }

    /// The first uniforms of the draws of a place.
    #[inline(always)]
    fn uniforms_of(&mut self, s: S, place: usize) -> [S::I; W] {
        if place / BLOCK != self.block {
            self.block = place / BLOCK;
            for w in 0..W {
                let row = self.job.first_chain + w * 4 * S::LANES;
                let of_columns = self.uniforms.of_columns(s, row, self.block * BLOCK);
                for k in 0..BLOCK {
                    self.words[k][w] = of_columns[k];
                }
            }
        }
        self.words[place % BLOCK]
    }

    #[inline(always)]
    fn sweep(mut self, s: S) {
        let places = self.job.places.clone();
        if !self.job.groups.is_empty() {
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
    fn free(&self, i: usize) -> u64 {
        !self.job.held.get(i).copied().unwrap_or(0) & self.job.lanes
    }

    #[inline(always)]
    fn draw_at(&mut self, s: S, place: usize) {
        let i = self.job.order.units()[place] as usize;
        let free = self.free(i);
        if free == 0 {
            return;
        }
        let u = self.uniforms_of(s, place);
        let drawn = match self.table_of(i) {
            Some((thresholds, _, near)) => self.by_table(s, place, (thresholds, near), &u, free),
            None => {
                let inputs = self.inputs(s, i);
                self.drawn(s, place, &u, &inputs)
            }
        };
        let x = &self.job.x[i];
        let kept = x.load(Ordering::Relaxed) & !free;
        x.store(kept | drawn & free, Ordering::Relaxed);
    }

    /// `beta (A_i x + a_i)` of 64 chains.
    #[inline(always)]
    fn inputs(&self, s: S, i: usize) -> [S::F; V] {
        let beta = s.splat(self.job.beta);
        let mut y = [s.splat(self.job.bias[i]); V];
        if let Some(couplings) = self.job.couplings {
            add_couplings(s, couplings.of(i), |j| word_of(self.job.x, j), &mut y);
        }
        for v in 0..V {
            y[v] = s.mul(beta, y[v]);
        }
        y
    }

    /// Ones with probability `sigma(y)`.
    #[inline(always)]
    fn drawn(&self, s: S, place: usize, u: &[S::I; W], y: &[S::F; V]) -> u64 {
        let mut word = 0;
        for w in 0..W {
            let u = s.widen_bytes(u[w]);
            for k in 0..4 {
                let at = (4 * w + k) * S::LANES;
                let chain = |lane| (self.job.first_chain + at + lane, place);
                let mean = sigmoid_lanes(s, y[4 * w + k]);
                let bits = self.uniforms.draw(s, u[k], mean, chain);
                word |= u64::from(bits) << at;
            }
        }
        word
    }

    /// Where the means of unit `i` stand in the tables, if they do.
    #[inline(always)]
    fn table_of(&self, i: usize) -> Option<(&'a [u8], &'a [f32], &'a [u32])> {
        let (tables, couplings) = (self.job.tables?, self.job.couplings?);
        let (thresholds, means) = tables.of(i)?;
        Some((thresholds, means, couplings.of(i).0))
    }

    /// The draws of a unit by its table, zeros where they tie; those of chains that are not free
    /// mean nothing.
    #[inline(always)]
    fn by_table(
        &mut self,
        s: S,
        place: usize,
        (thresholds, near): (&[u8], &[u32]),
        u: &[S::I; W],
        free: u64,
    ) -> u64 {
        let t = match near.len() {
            0 => look_up::<S, W, 0>(s, near, self.job.x, thresholds),
            1 => look_up::<S, W, 1>(s, near, self.job.x, thresholds),
            2 => look_up::<S, W, 2>(s, near, self.job.x, thresholds),
            3 => look_up::<S, W, 3>(s, near, self.job.x, thresholds),
            4 => look_up::<S, W, 4>(s, near, self.job.x, thresholds),
            5 => look_up::<S, W, 5>(s, near, self.job.x, thresholds),
            6 => look_up::<S, W, 6>(s, near, self.job.x, thresholds),
            7 => look_up::<S, W, 7>(s, near, self.job.x, thresholds),
            MOST_NEIGHBORS => look_up::<S, W, MOST_NEIGHBORS>(s, near, self.job.x, thresholds),
            degree => unreachable!("a table of {degree} neighbors"),
        };
        let (mut drawn, mut ties) = (0_u64, 0_u64);
        for w in 0..W {
            drawn |= s.less_bytes(u[w], t[w]) << (w * 4 * S::LANES);
            ties |= s.equal_bytes(u[w], t[w]) << (w * 4 * S::LANES);
        }
        if self.count == WAITING {
            self.settle(s);
        }
        self.waiting[self.count] = (place as u32, ties & free);
        self.count += usize::from(ties & free != 0);
        drawn
    }

    /// Draws the ties that wait, as many at a time as a vector has counters.
    #[inline(always)]
    fn settle(&mut self, s: S) {
        if self.count == 0 {
            return;
        }
        let mut ties = Ties::default();
        for k in 0..self.count {
            let (place, mut chains) = self.waiting[k];
            let i = self.job.order.units()[place as usize] as usize;
            let (thresholds, means, near) = self.table_of(i).expect("a table that drew it");
            while chains != 0 {
                let chain = chains.trailing_zeros() as usize;
                chains &= chains - 1;
                let mut state = 0;
                for (k, &j) in near.iter().enumerate() {
                    state |= ((word_of(self.job.x, j as usize) >> chain & 1) as usize) << k;
                }
                let at = ties.count;
                ties.units[at] = (i as u32, chain as u32);
                let row = self.job.draws.first_row + (self.job.first_chain + chain) as u32;
                (ties.rows[at], ties.columns[at]) = (u64::from(row), u64::from(place));
                // The first uniform is the integer part, at most 255.
                let rest = f64::from(256.0 * means[state]) - f64::from(thresholds[state]);
                ties.bounds[at] = rest * (1_u64 << 53) as f64;
                ties.count += 1;
                if ties.count == S::LANES / 2 {
                    self.decide(s, &mut ties);
                }
            }
        }
        self.decide(s, &mut ties);
        self.count = 0;
    }

    #[inline(always)]
    fn decide(&self, s: S, ties: &mut Ties) {
        let second = self.uniforms.second(s, &ties.rows, &ties.columns);
        for k in 0..ties.count {
            let (i, chain) = ties.units[k];
            let is_one = (second[k] as f64) < ties.bounds[k];
            let x = &self.job.x[i as usize];
            x.store(
                x.load(Ordering::Relaxed) | u64::from(is_one) << chain,
                Ordering::Relaxed,
            );
        }
        ties.count = 0;
    }

    #[inline(always)]
    fn draw_group(&mut self, s: S, group: Group) {
        let units = group.first..group.end;
        // Held units of a group are all held.
        let free = units.clone().fold(u64::MAX, |free, i| free & self.free(i));
        if free == 0 {
            return;
        }
        let put = |i: usize, word: u64| {
            let x = &self.job.x[i];
            x.store(
                x.load(Ordering::Relaxed) & !free | word & free,
                Ordering::Relaxed,
            );
        };
        let mut sums = self.inputs(s, group.first);
        put(group.first, u64::MAX);
        for i in group.first + 1..group.end {
            let mut y = self.inputs(s, i);
            for v in 0..V {
                y[v] = s.sub(y[v], sums[v]);
                sums[v] = s.add(sums[v], softplus_lanes(s, y[v]));
            }
            let u = self.uniforms_of(s, i);
            let word = self.drawn(s, i, &u, &y);
            put(i, word);
        }
        let mut later = 0;
        for i in units.rev() {
            let taken = word_of(self.job.x, i) & free;
            put(i, taken & !later);
            later |= taken;
        }
    }
}

/// The thresholds of 64 chains from a table of `K` neighbors, rows of 16: four of the neighbors'
/// bits look up a byte in each row, the others choose among the rows.
#[inline(always)]
fn look_up<S: Simd, const W: usize, const K: usize>(
    s: S,
    near: &[u32],
    x: &[AtomicU64],
    table: &[u8],
) -> [S::I; W] {
    let table = &table[..ROW << K.saturating_sub(4)];
    let near: &[u32; K] = near.try_into().expect("as many neighbors");
    let mut words = [0; K];
    for k in 0..K {
        // SAFETY: all neighbors are units, of which there are as many as words (asserted where the
        // sweep begins).
        words[k] = unsafe { word_at(x, near[k]) };
    }
    let mut thresholds = [s.splat_u64(0); W];
    for w in 0..W {
        let mut masks = [s.byte_mask(0); K];
        let mut index = s.splat_u64(0);
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
        thresholds[w] = t[0];
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
