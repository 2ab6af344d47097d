//! The one driver of enumeration: states in blocks, on all cores, combined in a fixed order, so
//! that threads do not change the result.

use crate::{
    error::Result,
    kernel::reduce::{LogSum, log_sum_exp},
    progress::Progress,
    threads::{self, in_pool, prelude::*},
};

/// Units of one block of binary units: 2^12 states are walked between fresh starts.
pub(in crate::model) const BLOCK_UNITS: usize = 12;
/// Blocks are dealt to at most this many accumulators of expectations.
const MAX_ACCUMULATORS: u64 = 64;
/// A long enumeration tells of its progress about so often.
const REPORTS: u64 = 200;

/// States that have an index, in blocks that start from scratch, so that rounding does not pile up.
pub(in crate::model) trait Enumerated: Sync {
    /// How many they are.
    fn states(&self) -> u64;

    /// States of a block, of which the last may have fewer.
    fn block_states(&self) -> u64;

    /// `ln` of the sum of the weights of a block.
    fn log_sum(&self, block: u64) -> LogSum;

    /// `ln` of the weight of each state of a block.
    fn log_weights(&self, block: u64, log_weights: &mut [f64]);

    /// Sums over no states.
    fn no_sums(&self) -> Sums;

    /// Adds the states of a block, each times its probability.
    fn add(&self, block: u64, log_z: f64, sums: &mut Sums);

    fn blocks(&self) -> u64 {
        self.states().div_ceil(self.block_states())
    }
}

/// Sums of what is measured of states, each times its probability. What is measured is `own` of the
/// enumerated units and `other` of those that are summed in closed form.
#[derive(Clone, Default)]
pub(in crate::model) struct Sums {
    /// Of pairs, row-major.
    pub pairs: Vec<f64>,
    pub own: Vec<f64>,
    pub other: Vec<f64>,
    /// Of the squares of `other`.
    pub squares: Vec<f64>,
}

impl Sums {
    fn merge(&mut self, other: &Self) {
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(s, x)| *s += x);
        add(&mut self.pairs, &other.pairs);
        add(&mut self.own, &other.own);
        add(&mut self.other, &other.other);
        add(&mut self.squares, &other.squares);
    }
}

/// `f` of every block, in order, on all cores.
pub(in crate::model) fn by_block<T: Send>(
    blocks: u64,
    f: impl Fn(u64) -> T + Sync,
    progress: &mut dyn Progress,
) -> Result<Vec<T>> {
    let at_once = (blocks / REPORTS).max(4 * threads::count() as u64);
    let mut all = Vec::with_capacity(blocks as usize);
    while (all.len() as u64) < blocks {
        let first = all.len() as u64;
        let next = (first..blocks.min(first + at_once)).into_par_iter();
        in_pool(|| all.par_extend(next.map(&f)));
        progress.check(all.len(), blocks as usize)?;
    }
    Ok(all)
}

/// `ln` of the sum of all weights.
pub(in crate::model) fn log_z(of: &dyn Enumerated, progress: &mut dyn Progress) -> Result<f64> {
    let mut total = LogSum::default();
    let sums = by_block(of.blocks(), |block| of.log_sum(block), progress)?;
    sums.into_iter().for_each(|sum| total.merge(sum));
    Ok(total.value())
}

/// As [`log_z`], on the calling thread, for many small machines in parallel.
pub(in crate::model) fn log_z_alone(of: &dyn Enumerated) -> f64 {
    let mut total = LogSum::default();
    (0..of.blocks()).for_each(|block| total.merge(of.log_sum(block)));
    total.value()
}

/// [`log_z`], and the sums over all states.
pub(in crate::model) fn expectations(
    of: &dyn Enumerated,
    progress: &mut dyn Progress,
) -> Result<(f64, Sums)> {
    let blocks = of.blocks() as usize;
    let log_z = log_z(of, &mut progress.part(0, blocks, 2 * blocks))?;
    let sums = sums(of, log_z, &mut progress.part(blocks, blocks, 2 * blocks))?;
    Ok((log_z, sums))
}

/// The sums over all states, given [`log_z`].
pub(super) fn sums(of: &dyn Enumerated, log_z: f64, progress: &mut dyn Progress) -> Result<Sums> {
    let blocks = of.blocks();
    let accumulators = blocks.min(MAX_ACCUMULATORS);
    let mut parts: Vec<Sums> = (0..accumulators).map(|_| of.no_sums()).collect();
    let rounds = blocks.div_ceil(accumulators);
    let at_once = (rounds / REPORTS).max(1);
    for first in (0..rounds).step_by(at_once as usize) {
        let last = rounds.min(first + at_once);
        let add = |(part, sums): (usize, &mut Sums)| {
            let blocks = (first..last).map(|round| round * accumulators + part as u64);
            blocks
                .take_while(|&block| block < of.blocks())
                .for_each(|block| of.add(block, log_z, sums));
        };
        in_pool(|| parts.par_iter_mut().enumerate().for_each(add));
        let done = blocks.min(last * accumulators);
        progress.check(done as usize, blocks as usize)?;
    }
    let mut total = of.no_sums();
    parts.iter().for_each(|part| total.merge(part));
    Ok(total)
}

/// `ln` of the weight of every state, in the order of their index.
pub(super) fn log_weights(of: &dyn Enumerated, progress: &mut dyn Progress) -> Result<Vec<f64>> {
    let mut all = vec![0.0; of.states() as usize];
    let blocks = of.blocks() as usize;
    let size = of.block_states() as usize;
    let at_once = (blocks / REPORTS as usize).max(4 * threads::count());
    for (k, part) in all.chunks_mut(at_once * size).enumerate() {
        let first = k * at_once;
        let of_block = |(i, out): (usize, &mut [f64])| of.log_weights((first + i) as u64, out);
        in_pool(|| part.par_chunks_mut(size).enumerate().for_each(of_block));
        progress.check(blocks.min(first + at_once), blocks)?;
    }
    Ok(all)
}

/// The probability of every state, in the order of their index.
pub(in crate::model) fn distribution(
    of: &dyn Enumerated,
    progress: &mut dyn Progress,
) -> Result<Vec<f64>> {
    Ok(normalized(log_weights(of, progress)?))
}

/// Probabilities from their logarithms up to a constant.
pub(in crate::model) fn normalized(mut log_p: Vec<f64>) -> Vec<f64> {
    let log_z = log_sum_exp(&log_p);
    log_p.iter_mut().for_each(|p| *p = (*p - log_z).exp());
    log_p
}

/// A number with a digit of its own base for each variable, the first one being the lowest.
#[derive(Clone, Debug)]
pub(in crate::model) struct Counter<'a> {
    bases: &'a [u64],
    /// What it is made of.
    pub digits: Vec<u64>,
}

impl<'a> Counter<'a> {
    /// The number `value`.
    pub(in crate::model) fn at(bases: &'a [u64], mut value: u64) -> Self {
        let of = |&base: &u64| {
            let digit = value % base;
            value /= base;
            digit
        };
        let digits = bases.iter().map(of).collect();
        Self { bases, digits }
    }

    /// Adds one: `change(digit, old, new)` for each digit that becomes another.
    pub(in crate::model) fn advance(&mut self, mut change: impl FnMut(usize, u64, u64)) {
        for (k, (digit, &base)) in self.digits.iter_mut().zip(self.bases).enumerate() {
            let old = *digit;
            *digit = if old + 1 == base { 0 } else { old + 1 };
            if *digit != old {
                change(k, old, *digit);
            }
            if *digit > 0 {
                return;
            }
        }
    }
}

/// Calls `visit(state, own, input)` for every state of a block of `units` binary units, in
/// Gray-code order: `own` is `constant` and what `own_change(k, input)` says of every unit `k` that
/// is on, as `input` was when it was switched on, and `input` is `bias` and the `row(k)` of these
/// units. A step adds or subtracts one row.
pub(in crate::model) fn walk_binary<'a>(
    units: usize,
    block: u64,
    (constant, bias): (f64, &[f64]),
    own_change: impl Fn(usize, &[f64]) -> f64,
    row: impl Fn(usize) -> &'a [f64],
    mut visit: impl FnMut(u64, f64, &[f64]),
) {
    let block_units = units.min(BLOCK_UNITS);
    let mut state = block << block_units;
    let mut own = constant;
    let mut input = bias.to_vec();
    for k in (0..units).filter(|&k| state >> k & 1 == 1) {
        own += own_change(k, &input);
        input.iter_mut().zip(row(k)).for_each(|(x, w)| *x += w);
    }
    visit(state, own, &input);
    for step in 1_u64..1 << block_units {
        let k = step.trailing_zeros() as usize;
        state ^= 1 << k;
        if state >> k & 1 == 1 {
            own += own_change(k, &input);
            input.iter_mut().zip(row(k)).for_each(|(x, w)| *x += w);
        } else {
            own -= own_change(k, &input);
            input.iter_mut().zip(row(k)).for_each(|(x, w)| *x -= w);
        }
        visit(state, own, &input);
    }
}
