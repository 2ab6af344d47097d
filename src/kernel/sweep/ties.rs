//! Draws that the first uniform leaves open, until the end of a class.
//!
//! Whoever waits for what one of them decides is in another class, and a branch a unit that nobody
//! foresees would cost as much as all else. At the end they are taken together, as many at a time
//! as a vector has counters.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators over vectors are functions that are not compiled for the instruction set"
)]

use super::sums::Drawn;
use crate::{bits::WORD_BITS, simd::Simd};

/// Most words of chains that wait.
pub(super) const WAITING: usize = 128;

/// Draws that wait.
pub(super) struct Ties {
    /// Place, and which word of chains of those that are drawn at once.
    pub(super) at: [(u32, u32); WAITING],
    /// Ones where draws are open.
    pub(super) chains: [u64; WAITING],
    /// Of units that were drawn by a sum: first uniforms of the chains, and what the sum says.
    first: [[u32; 16]; WAITING],
    steps: [[i16; WORD_BITS]; WAITING],
    pub(super) count: usize,
}

impl Default for Ties {
    /// None.
    fn default() -> Self {
        Self {
            at: [(0, 0); WAITING],
            chains: [0; WAITING],
            first: [[0; 16]; WAITING],
            steps: [[0; WORD_BITS]; WAITING],
            count: 0,
        }
    }
}

impl Ties {
    /// Forgets what a sweep that ended early may have left.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Whether there is no place for `words` more.
    #[inline(always)]
    pub(super) fn are_many(&self, words: usize) -> bool {
        self.count + words > WAITING
    }

    /// Adds the open draws of a unit with a table, for which there is place.
    #[inline(always)]
    pub(super) fn push<const P: usize>(&mut self, place: usize, chains: &[u64; P]) {
        let mut count = self.count;
        for p in 0..P {
            // The remainder is what tells the compiler that nothing is beyond the end.
            self.at[count % WAITING] = (place as u32, p as u32);
            self.chains[count % WAITING] = chains[p];
            count += usize::from(chains[p] != 0);
        }
        self.count = count;
    }

    /// Adds those of a unit that was drawn by a sum, with these first uniforms.
    #[inline(always)]
    pub(super) fn push_with<S: Simd, const W: usize, const P: usize>(
        &mut self,
        s: S,
        place: usize,
        chains: &[u64; P],
        u: &[[S::I; W]; P],
        drawn: &[Drawn<S, W>; P],
    ) {
        let mut count = self.count;
        for p in 0..P {
            let k = count % WAITING;
            self.at[k] = (place as u32, p as u32);
            self.chains[k] = chains[p];
            let (first, steps) = (&mut self.first[k], &mut self.steps[k]);
            for w in 0..W {
                s.store_u32(&mut first[w * S::LANES..], u[p][w]);
                for parity in 0..2 {
                    let to = &mut steps[(2 * w + parity) * 2 * S::LANES..][..2 * S::LANES];
                    // SAFETY: these are 2 LANES integers.
                    unsafe { s.store_words(to.as_mut_ptr(), drawn[p].steps[w][parity]) };
                }
            }
            count += usize::from(chains[p] != 0);
        }
        self.count = count;
    }

    /// The steps and the first uniform of a chain of a unit that was drawn by a sum.
    #[inline(always)]
    pub(super) fn of<S: Simd>(&self, k: usize, chain: usize) -> (i16, u8) {
        let (w, at) = (chain / (4 * S::LANES), chain % (4 * S::LANES));
        let steps = self.steps[k][((2 * w + at % 2) * 2 * S::LANES + at / 2) % WORD_BITS];
        let first = self.first[k][chain / 4 % 16] >> (8 * (chain % 4));
        (steps, first as u8)
    }
}
