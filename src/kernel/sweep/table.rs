//! Conditionals of units of few neighbors.

use super::{
    Neighbors,
    sums::{self, Sums},
};
use crate::{
    kernel::activation::sigmoid_lanes,
    simd::{Isa, Operation, Simd, dispatch_on, isa},
    threads::{self, Parts},
};

/// A unit of more neighbors has no table.
pub(crate) const MOST_NEIGHBORS: usize = 8;
/// The same where sums are faster.
const FEWER: usize = 6;
/// Fewest entries of a table: a row of a look-up.
pub(super) const ROW: usize = 16;

/// `sigma(beta (A_i x + a_i))` for all states `x` of the neighbors of the units of few of them. Bit
/// `k` of an entry's number is the state of the `k`-th neighbor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    /// Where the entries of each unit start; one more for the end. None for units of many
    /// neighbors.
    starts: Vec<usize>,
    means: Vec<f32>,
    /// Of each unit the first 8 bits of its means, `floor(256 mean)`, at most 255; then the 8 bits
    /// that follow, likewise of what is left. So a draw that ties finds them near.
    bytes: Vec<u8>,
    /// Units of at most so many neighbors have one, or sums.
    most: usize,
    /// Of units of more.
    pub(super) sums: Sums,
}

impl Tables {
    /// Whether all units of at most `most` neighbors have one, or sums where these are faster.
    pub(crate) fn has(&self, most: usize) -> bool {
        self.most >= most
    }

    /// Computes the entries of all units of at most `most` neighbors and, if `has_sums`, the
    /// integers of the others. Allocates only to grow.
    pub(crate) fn fill(
        &mut self,
        couplings: &Neighbors,
        bias: &[f32],
        beta: f32,
        most: usize,
        has_sums: bool,
    ) {
        let isa = isa();
        let has_sums = has_sums && sums::pay(isa);
        let few = most.min(if has_sums { FEWER } else { MOST_NEIGHBORS });
        self.fill_on(isa, couplings, bias, beta, few);
        if has_sums {
            self.sums.fill_on(isa, couplings, bias, beta, few);
        } else {
            self.sums.clear();
        }
        self.most = most;
    }

    /// The entries alone, on an instruction set.
    pub(super) fn fill_on(
        &mut self,
        isa: Isa,
        couplings: &Neighbors,
        bias: &[f32],
        beta: f32,
        most: usize,
    ) {
        let most = most.min(MOST_NEIGHBORS);
        self.starts.clear();
        self.starts.push(0);
        let mut end = 0;
        for i in 0..couplings.units() {
            let degree = couplings.degree(i);
            if degree <= most {
                end += (1 << degree).max(ROW);
            }
            self.starts.push(end);
        }
        self.means.resize(end, 0.0);
        self.bytes.resize(2 * end, 0);
        let part = Part {
            couplings,
            bias,
            beta,
            starts: &self.starts,
            first: 0,
            means: &mut self.means,
            bytes: &mut self.bytes,
        };
        match threads::is_little(end) {
            true => dispatch_on(isa, part),
            false => threads::divide(part, &Part::halves, &|part| dispatch_on(isa, part)),
        }
        self.most = most;
    }

    /// Units.
    pub(super) fn units(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The table of unit `i`, if it has few neighbors.
    ///
    /// # Safety
    /// There must be a unit `i`.
    #[inline(always)]
    pub(super) unsafe fn of_unit(&self, i: usize) -> Option<Table<'_>> {
        debug_assert!(i < self.units());
        // SAFETY: the caller vouches for `i`; starts rise up to the number of entries.
        unsafe {
            let start = *self.starts.get_unchecked(i);
            let end = *self.starts.get_unchecked(i + 1);
            (start < end).then(|| Table {
                first: self.bytes.get_unchecked(2 * start..start + end),
                next: self.bytes.get_unchecked(start + end..2 * end),
                means: self.means.get_unchecked(start..end),
            })
        }
    }
}

/// The table of a unit.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    /// Thresholds of the first uniform.
    pub(super) first: &'a [u8],
    /// Of the upper 8 bits of the second.
    pub(super) next: &'a [u8],
    pub(super) means: &'a [f32],
}

/// The tables of some consecutive units.
struct Part<'a> {
    couplings: &'a Neighbors,
    bias: &'a [f32],
    beta: f32,
    /// Of these units, with the end of the last.
    starts: &'a [usize],
    /// The first of them.
    first: usize,
    means: &'a mut [f32],
    bytes: &'a mut [u8],
}

impl<'a> Part<'a> {
    /// Both halves, until it is little.
    fn halves(self) -> Parts<Self> {
        let units = self.starts.len() - 1;
        if units < 2 || threads::is_little(self.means.len()) {
            return Parts::One(self);
        }
        let half = units / 2;
        let at = self.starts[half] - self.starts[0];
        let (means, other_means) = self.means.split_at_mut(at);
        let (bytes, other_bytes) = self.bytes.split_at_mut(2 * at);
        let lower = Part {
            starts: &self.starts[..=half],
            means,
            bytes,
            ..self
        };
        let upper = Part {
            starts: &self.starts[half..],
            first: self.first + half,
            means: other_means,
            bytes: other_bytes,
            ..self
        };
        Parts::Two(lower, upper)
    }
}

impl Operation for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // Lanes whose number has bit k.
        const LANES: [u32; 4] = [0xAAAA, 0xCCCC, 0xF0F0, 0xFF00];
        let beta = s.splat(self.beta);
        let begin = self.starts[0];
        for (k, ends) in self.starts.windows(2).enumerate() {
            let range = ends[0] - begin..ends[1] - begin;
            let (_, values) = self.couplings.of(self.first + k);
            let means = &mut self.means[range.clone()];
            for (at, means) in means.chunks_exact_mut(S::LANES).enumerate() {
                let number = (at * S::LANES) as u32;
                let mut y = s.splat(self.bias[self.first + k]);
                for (j, &a) in values.iter().enumerate() {
                    let of_number = if number >> j & 1 == 1 { u32::MAX } else { 0 };
                    let mask = match LANES.get(j).filter(|_| 1 << j < S::LANES) {
                        Some(&lanes) => lanes,
                        None => of_number,
                    };
                    y = s.add_where(y, mask, s.splat(a));
                }
                s.store(means, sigmoid_lanes(s, s.mul(beta, y)));
            }
            let bytes = &mut self.bytes[2 * range.start..2 * range.end];
            let (first, next) = bytes.split_at_mut(range.len());
            for ((mean, first), next) in means.iter().zip(first).zip(next) {
                *first = (256.0 * *mean) as u8;
                *next = (256.0 * (256.0 * *mean - f32::from(*first))) as u8;
            }
        }
    }
}
