//! Conditionals of units of few neighbors.

use super::Neighbors;
use crate::{
    kernel::activation::sigmoid_lanes,
    simd::{Isa, Operation, Simd, dispatch_on, isa},
    threads,
};

/// A unit of more neighbors has no table.
pub(crate) const MOST_NEIGHBORS: usize = 8;
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
    /// `floor(256 mean)`, at most 255.
    thresholds: Vec<u8>,
    /// Units of at most so many neighbors have one.
    most: usize,
}

impl Tables {
    /// Whether all units of at most `most` neighbors have one.
    pub(crate) fn has(&self, most: usize) -> bool {
        self.most >= most
    }

    /// Computes the entries of all units of at most `most` neighbors. Allocates only to grow.
    pub(crate) fn fill(&mut self, couplings: &Neighbors, bias: &[f32], beta: f32, most: usize) {
        self.fill_on(isa(), couplings, bias, beta, most);
    }

    /// [`Self::fill`] on an instruction set.
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
        self.thresholds.resize(end, 0);
        let part = Part {
            couplings,
            bias,
            beta,
            starts: &self.starts,
            first: 0,
            means: &mut self.means,
            thresholds: &mut self.thresholds,
        };
        match threads::is_little(end) {
            true => dispatch_on(isa, part),
            false => threads::in_pool(|| part.split(isa)),
        }
        self.most = most;
    }

    /// Thresholds and means of unit `i`, if it has few neighbors.
    #[inline(always)]
    pub(crate) fn of(&self, i: usize) -> Option<(&[u8], &[f32])> {
        let range = self.starts[i]..self.starts[i + 1];
        (!range.is_empty()).then(|| (&self.thresholds[range.clone()], &self.means[range]))
    }
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
    thresholds: &'a mut [u8],
}

impl Part<'_> {
    /// Halves until they are little, in parallel.
    fn split(self, isa: Isa) {
        let units = self.starts.len() - 1;
        if units < 2 || threads::is_little(self.means.len()) {
            return dispatch_on(isa, self);
        }
        let half = units / 2;
        let at = self.starts[half] - self.starts[0];
        let (means, other_means) = self.means.split_at_mut(at);
        let (thresholds, other_thresholds) = self.thresholds.split_at_mut(at);
        let lower = Part {
            starts: &self.starts[..=half],
            means,
            thresholds,
            ..self
        };
        let upper = Part {
            starts: &self.starts[half..],
            first: self.first + half,
            means: other_means,
            thresholds: other_thresholds,
            ..self
        };
        threads::join(|| lower.split(isa), || upper.split(isa));
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
            let all = self.thresholds[range].iter_mut().zip(means);
            all.for_each(|(t, mean)| *t = (256.0 * *mean) as u8);
        }
    }
}
