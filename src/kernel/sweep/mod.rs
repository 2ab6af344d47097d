//! Gibbs sweeps unit by unit, 64 chains a word: the bits of 64 chains are one word a unit. Nothing
//! is multiplied, and one pass over the couplings serves 64 chains.
//!
//! A unit of few neighbors has few conditionals: their means are a table ([`Tables`]), in which the
//! neighbors' bits are the index, made for 64 chains at once by as many masked additions. Of units
//! with more neighbors the conditionals are bracketed by sums of look-ups in fixed point
//! ([`sums`]), where an instruction looks up 16 bits; else the input is a sum of masked vector
//! additions. Every way gives the same bits: means are those of the same sums in the same order,
//! and what a bracket leaves open is drawn from the mean ([`ties`]). Machines most of whose units
//! are coupled sum look-ups of five couplings each ([`DenseSweep`]).
//!
//! Up to [`MOST_WORDS`] words of chains are drawn at once, so that lists of neighbors, tables and
//! branches are there once for all of them. Their states lie unit by unit meanwhile: a line of the
//! cache has all that a neighbor is asked for.

mod dense;
mod draw;
mod energies;
mod settle;
mod sums;
mod table;
#[cfg(test)]
mod tests;
mod ties;

pub(crate) use dense::{DenseSweep, MOST_WORDS, Rows, dense_sweep};
pub(crate) use energies::negative_energies;
pub(crate) use table::{MOST_NEIGHBORS, Tables};

use crate::{
    rng::Draws,
    simd::{Isa, Simd, dispatch_on, isa},
};
use draw::{InRoom, Room};
use std::{
    cell::RefCell,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

/// A symmetric sparse matrix by rows.
#[derive(Clone, Debug)]
pub(crate) struct Neighbors {
    /// Where the neighbors of each unit start; one more for the end.
    starts: Vec<usize>,
    /// Neighbors, rising; all are units.
    units: Vec<u32>,
    values: Vec<f32>,
}

impl Neighbors {
    /// Zeros at the rising neighbors of each unit.
    pub(crate) fn new(of_units: impl Iterator<Item = impl Iterator<Item = u32>>) -> Self {
        let (mut starts, mut units) = (vec![0], Vec::new());
        for neighbors in of_units {
            units.extend(neighbors);
            starts.push(units.len());
        }
        let values = vec![0.0; units.len()];
        assert!(units.iter().all(|&j| (j as usize) < starts.len() - 1));
        Self {
            starts,
            units,
            values,
        }
    }

    /// Neighbors of unit `i`.
    #[inline(always)]
    pub(crate) fn degree(&self, i: usize) -> usize {
        self.starts[i + 1] - self.starts[i]
    }

    /// Rows.
    pub(crate) fn units(&self) -> usize {
        self.starts.len() - 1
    }

    /// Elements.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Neighbors of unit `i`, rising, and their elements.
    #[inline(always)]
    pub(crate) fn of(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.units[range.clone()], &self.values[range])
    }

    /// The same, unchecked.
    ///
    /// # Safety
    /// There must be a unit `i`.
    #[inline(always)]
    unsafe fn of_unit(&self, i: usize) -> (&[u32], &[f32]) {
        debug_assert!(i < self.units());
        // SAFETY: the caller vouches for `i`; starts rise up to the number of elements.
        unsafe {
            let range = *self.starts.get_unchecked(i)..*self.starts.get_unchecked(i + 1);
            let units = self.units.get_unchecked(range.clone());
            (units, self.values.get_unchecked(range))
        }
    }

    /// The same, with elements to be changed.
    pub(crate) fn of_mut(&mut self, i: usize) -> (&[u32], &mut [f32]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.units[range.clone()], &mut self.values[range])
    }
}

impl Default for Neighbors {
    /// Of no units.
    fn default() -> Self {
        Self::new(std::iter::empty::<std::iter::Empty<u32>>())
    }
}

/// Consecutive units of which exactly one is on, and which are not coupled with one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) first: usize,
    pub(crate) end: usize,
}

/// The order in which a sweep draws the units: class by class. A unit's place in it is the column
/// of its draws.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    units: Vec<u32>,
    /// Where each class ends.
    ends: Vec<usize>,
}

impl Order {
    /// One class after the other. No two units of a class are coupled, and every unit is in one.
    pub(crate) fn by_classes(classes: &[Vec<u32>]) -> Self {
        let mut order = Self::default();
        for class in classes {
            order.units.extend(class);
            order.ends.push(order.units.len());
        }
        order
    }

    /// By number, every unit a class.
    pub(crate) fn by_number(units: usize) -> Self {
        Self {
            units: (0..units as u32).collect(),
            ends: (1..=units).collect(),
        }
    }

    /// Units.
    pub(crate) fn len(&self) -> usize {
        self.units.len()
    }

    /// The unit at each place.
    pub(crate) fn units(&self) -> &[u32] {
        &self.units
    }

    /// Classes.
    pub(crate) fn classes(&self) -> usize {
        self.ends.len()
    }

    /// The places of a class.
    pub(crate) fn class(&self, k: usize) -> Range<usize> {
        k.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[k]
    }
}

/// Draws every unit that is not held from `sigma(beta (A_i x + a_i))`, in order: the bits are
/// [`Draws::bernoulli`] of the means in f32, row = chain, column = place of the unit in the order.
/// On the calling thread.
///
/// Of a group one unit is drawn with `P(k) ~ e^(y_k)`, `y = beta (A x + a)`, all held if one is:
/// unit after unit takes over from those before it with `sigma(y_k - ln sum_{j<k} e^(y_j))`, and
/// the last one that did is on. That is one pass without a buffer of inputs, and a uniform a unit.
pub(crate) fn sweep(job: &Sweep<'_>) {
    sweep_on(isa(), job);
}

/// [`sweep`] on an instruction set. Allocates only as a thread's first.
fn sweep_on(isa: Isa, job: &Sweep<'_>) {
    ROOM.with_borrow_mut(|room| {
        let room = room.get_or_insert_default();
        dispatch_on(isa, InRoom { job, room });
    });
}

thread_local! {
    static ROOM: RefCell<Option<Box<Room>>> = const { RefCell::new(None) };
}

/// One sweep, or a part of it, over the units of up to [`MOST_WORDS`] words of 64 chains, whose
/// bits are one word a unit.
pub(crate) struct Sweep<'a> {
    /// None: every unit by itself.
    pub(crate) couplings: Option<&'a Neighbors>,
    pub(crate) order: &'a Order,
    /// Which places; whole groups. Of a part of a class, others may draw other parts at the same
    /// time.
    pub(crate) places: Range<usize>,
    /// Whether they come in the opposite order.
    pub(crate) is_falling: bool,
    /// Rising; if there are any, the order is by number.
    pub(crate) groups: &'a [Group],
    pub(crate) bias: &'a [f32],
    /// Of these couplings and biases at this inverse temperature, if there are any.
    pub(crate) tables: Option<&'a Tables>,
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

/// Words as ones that several threads may change.
pub(crate) fn shared(x: &mut [u64]) -> &[AtomicU64] {
    // SAFETY: an `AtomicU64` has the size, bits and alignment of a `u64` (asserted below), and the
    // exclusive borrow lasts as long as the shared one that it becomes.
    unsafe { &*(std::ptr::from_mut(x) as *const [AtomicU64]) }
}

const _: () = assert!(align_of::<AtomicU64>() == align_of::<u64>());

/// Word `j`.
#[inline(always)]
fn word_of(x: &[AtomicU64], j: usize) -> u64 {
    x[j].load(Ordering::Relaxed)
}

/// Word `j`, unchecked.
///
/// # Safety
/// `j` must be a word of `x`.
#[inline(always)]
unsafe fn word_at(x: &[AtomicU64], j: usize) -> u64 {
    debug_assert!(j < x.len());
    // SAFETY: the caller vouches for `j`.
    unsafe { x.get_unchecked(j) }.load(Ordering::Relaxed)
}

/// `y += A_i x` in 64 chains, neighbors in order.
#[inline(always)]
fn add_couplings<S: Simd, const V: usize>(
    s: S,
    (neighbors, values): (&[u32], &[f32]),
    word_of: impl Fn(usize) -> u64,
    y: &mut [S::F; V],
) {
    for (&j, &a) in neighbors.iter().zip(values) {
        let (word, a) = (word_of(j as usize), s.splat(a));
        #[allow(
            clippy::needless_range_loop,
            reason = "compiled for the instruction set"
        )]
        for v in 0..V {
            y[v] = s.add_where(y[v], (word >> (v * S::LANES)) as u32, a);
        }
    }
}
