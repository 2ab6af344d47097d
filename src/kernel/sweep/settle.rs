//! The draws of a class that the first uniform left open, decided together by the second one.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators over vectors are functions that are not compiled for the instruction set"
)]

use super::{draw::Drawing, ties::WAITING, word_at};
use crate::{bits::WORD_BITS, kernel::activation::sigmoid_lanes, simd::Simd};
use std::sync::atomic::Ordering;

/// Most draws in a list.
const LIST: usize = 4 * WORD_BITS;
/// Counters of a vector.
const COUNTERS: usize = 8;

impl<S: Simd, const V: usize, const W: usize, const P: usize> Drawing<'_, S, V, W, P> {
    /// Draws what waits.
    #[inline(always)]
    pub(super) fn settle(&mut self, s: S) {
        if self.ties.count == 0 {
            return;
        }
        let mut list = [(0_u16, 0_u16); LIST];
        let mut count = 0;
        for k in 0..self.ties.count.min(WAITING) {
            let mut chains = self.ties.chains[k];
            while chains != 0 {
                list[count % LIST] = (k as u16, chains.trailing_zeros() as u16);
                count += 1;
                chains &= chains - 1;
            }
            if count > LIST - WORD_BITS {
                self.decide(s, &list[..count]);
                count = 0;
            }
        }
        self.decide(s, &list[..count]);
        self.ties.count = 0;
    }

    /// Draws those of a list.
    #[inline(always)]
    fn decide(&self, s: S, list: &[(u16, u16)]) {
        for some in list.chunks(S::LANES / 2) {
            let (mut rows, mut columns) = ([0; COUNTERS], [0; COUNTERS]);
            let (mut units, mut words) = ([0; COUNTERS], [0; COUNTERS]);
            // Of those with a table; of the others, which.
            let (mut states, mut next) = ([0; COUNTERS], [0; COUNTERS]);
            let mut by_sum = 0_u32;
            for (at, &(k, chain)) in some.iter().enumerate() {
                let chain = usize::from(chain);
                let (place, word) = self.ties.at[usize::from(k) % WAITING];
                let (place, word) = (place as usize, word as usize);
                let i = self.job.order.units()[place] as usize;
                (units[at], words[at]) = (i, i * P + word);
                rows[at] = u64::from(self.row(word, chain));
                columns[at] = place as u64;
                if let Some((table, near)) = self.table_of(i) {
                    states[at] = self.state(near, word, chain);
                    next[at] = table.next[states[at]];
                } else {
                    by_sum |= 1 << at;
                }
            }
            let second = self.uniforms.second(s, &rows, &columns);
            for (at, &(k, chain)) in some.iter().enumerate() {
                let chain = usize::from(chain);
                let upper = (second[at] >> 45) as u8;
                let is_one = if by_sum >> at & 1 == 1 {
                    self.settles(s, usize::from(k), units[at], chain, second[at])
                } else if upper == next[at] {
                    self.settles_by_table(units[at], states[at], second[at])
                } else {
                    upper < next[at]
                };
                let x = &self.x[words[at]];
                let word = x.load(Ordering::Relaxed) | u64::from(is_one) << chain;
                x.store(word, Ordering::Relaxed);
            }
        }
    }

    /// Draws unit `i` by the mean of this state of its neighbors.
    #[inline(always)]
    fn settles_by_table(&self, i: usize, state: usize, second: u64) -> bool {
        let (table, _) = self.table_of(i).expect("a table that left it open");
        // The first uniform is the threshold.
        let rest = f64::from(256.0 * table.means[state]) - f64::from(table.first[state]);
        is_below(second, rest)
    }

    /// Draws unit `i` of a chain of open word `k`, by its sum if that tells, else by the mean.
    #[inline(always)]
    fn settles(&self, s: S, k: usize, i: usize, chain: usize, second: u64) -> bool {
        let (steps, first) = self.ties.of::<S>(k % WAITING, chain);
        let (sum, _) = self.sum_of(i).expect("a sum that left it open");
        // A match: what a closure calls is not compiled for the instruction set.
        match sum.settles(steps, first, second) {
            Some(is_one) => is_one,
            None => {
                let (_, word) = self.ties.at[k % WAITING];
                let mean = self.mean(s, i, word as usize, chain);
                is_below(second, f64::from(256.0 * mean) - f64::from(first))
            }
        }
    }

    /// The number of the state of the neighbors in a chain.
    #[inline(always)]
    fn state(&self, near: &[u32], word: usize, chain: usize) -> usize {
        let mut state = 0;
        for (k, &j) in near.iter().enumerate() {
            // SAFETY: all neighbors are units, each of which has `P` words (asserted where the
            // sweep begins).
            let bit = unsafe { word_at(self.x, j as usize * P + word) } >> chain & 1;
            state |= (bit as usize) << k;
        }
        state
    }

    /// `sigma(beta (A_i x + a_i))` of a chain.
    #[inline(always)]
    fn mean(&self, s: S, i: usize, word: usize, chain: usize) -> f32 {
        let mut y = self.job.bias[i];
        if let Some(couplings) = self.job.couplings {
            let (near, values) = couplings.of(i);
            for (&j, &a) in near.iter().zip(values) {
                // SAFETY: as above.
                let bit = unsafe { word_at(self.x, j as usize * P + word) } >> chain & 1;
                y += f32::from_bits(a.to_bits() & (bit as u32).wrapping_neg());
            }
        }
        let mut means = [0.0; 16];
        s.store(&mut means, sigmoid_lanes(s, s.splat(self.job.beta * y)));
        means[0]
    }
}

/// Whether a second uniform is below `rest`.
#[inline(always)]
fn is_below(second: u64, rest: f64) -> bool {
    (second as f64) < rest * (1_u64 << 53) as f64
}
