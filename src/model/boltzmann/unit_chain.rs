//! Gibbs sampling unit by unit, 64 chains a word.
//!
//! The bits of 64 chains are one word a unit, so that the input of a unit in 64 chains is a sum of
//! as many vector additions as it has neighbors, masked by their words: nothing is multiplied, and
//! one pass over the couplings serves 64 chains. Words of different chains never meet: threads
//! share nothing.

use super::{BoltzmannMachine, couplings::Couplings};
use crate::{
    bits::{BitMatrix, BitView, WORD_BITS, last_word_mask, transpose_block},
    kernel::sweep::{Sweep, negative_energies, sweep},
    rng::Draws,
    threads,
};

/// Couplings that cost about as much as the draw of a unit.
const DRAW_COST: usize = 32;

/// How the units of a sweep follow one another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// By number.
    Rising,
    Falling,
    /// None depends on another.
    Independent,
}

/// Chains whose units are drawn one after the other, in order of their number.
#[derive(Clone, Debug)]
pub(crate) struct UnitChain {
    couplings: Couplings,
    chains: usize,
    /// `[words of chains][units]`
    states: Vec<u64>,
    /// Likewise, ones where a unit of a chain is held; empty if none is.
    held: Vec<u64>,
}

impl UnitChain {
    /// `chains` chains at zero.
    pub(crate) fn new(couplings: Couplings, chains: usize) -> Self {
        let words = chains.div_ceil(WORD_BITS) * couplings.units();
        Self {
            couplings,
            chains,
            states: vec![0; words],
            held: Vec::new(),
        }
    }

    pub(crate) fn units(&self) -> usize {
        self.couplings.units()
    }

    /// Exchanges the couplings with others of as many units, or with none at all, without which
    /// nothing but copies works.
    pub(crate) fn exchange(&mut self, couplings: &mut Couplings) {
        std::mem::swap(&mut self.couplings, couplings);
    }

    /// The states of the first `chains` chains of `other`, in place of all.
    pub(crate) fn copy_states(&mut self, other: &Self, chains: usize) {
        self.set_chains(chains);
        let words = self.states.len();
        self.states.copy_from_slice(&other.states[..words]);
    }

    /// Exchanges the states of those chains with `other` where `which` has ones, a bit a chain, for
    /// machines of `units` units.
    pub(crate) fn swap_chains(&mut self, other: &mut Self, units: usize, which: &[u64]) {
        let own = self.states.chunks_exact_mut(units.max(1));
        let others = other.states.chunks_exact_mut(units.max(1));
        for ((own, other), which) in own.zip(others).zip(which) {
            for (a, b) in own.iter_mut().zip(other) {
                let difference = (*a ^ *b) & which;
                *a ^= difference;
                *b ^= difference;
            }
        }
    }

    pub(crate) fn refresh(&mut self, machine: &BoltzmannMachine) {
        self.couplings.refresh(machine);
    }

    /// Changes the number of chains; what states they have is then for the caller to say. Allocates
    /// only to grow.
    pub(crate) fn set_chains(&mut self, chains: usize) {
        self.chains = chains;
        self.states
            .resize(chains.div_ceil(WORD_BITS) * self.units(), 0);
    }

    /// States by unit: `[words of chains][units]`, zero beyond the last chain.
    pub(crate) fn words(&self) -> &[u64] {
        &self.states
    }

    /// The units from `first` on get the states `x` `[chains x units]`.
    pub(crate) fn set_units(&mut self, first: usize, x: BitView<'_>) {
        let n = self.units();
        write_words(
            &mut self.states,
            n,
            first,
            self.chains,
            |chain, word| x.row(chain)[word],
            x.columns(),
        );
    }

    /// The states of the units from `first` on into `x` `[chains x units]`.
    pub(crate) fn units_into(&self, first: usize, x: &mut BitMatrix) {
        self.units_of(self.units(), first, x);
    }

    /// The same of a machine of `n` units.
    pub(crate) fn units_of(&self, n: usize, first: usize, x: &mut BitMatrix) {
        let columns = x.columns();
        let mut x = x.view_mut();
        for (chunk, words) in self.states.chunks_exact(n.max(1)).enumerate() {
            for column in (0..columns).step_by(WORD_BITS) {
                let mut square = [0; WORD_BITS];
                let units = column..columns.min(column + WORD_BITS);
                for (to, i) in square.iter_mut().zip(units) {
                    *to = words[first + i];
                }
                transpose_block(&mut square);
                let chains = chunk * WORD_BITS..self.chains.min((chunk + 1) * WORD_BITS);
                for (row, chain) in square.iter().zip(chains) {
                    x.row_mut(chain)[column / WORD_BITS] = *row;
                }
            }
        }
    }

    /// Holds units from `first` on where `mask` `[1 or chains x units]` is one, beside those that
    /// are held already.
    pub(crate) fn hold(&mut self, first: usize, mask: BitView<'_>) {
        let n = self.units();
        let mut held = vec![0; self.states.len()];
        let of = |chain: usize| if mask.rows() == 1 { 0 } else { chain };
        write_words(
            &mut held,
            n,
            first,
            self.chains,
            |chain, word| mask.row(of(chain))[word],
            mask.columns(),
        );
        if self.held.is_empty() {
            self.held = held;
        } else {
            self.held.iter_mut().zip(held).for_each(|(a, b)| *a |= b);
        }
    }

    /// Holds of each chain the units from `first` on where `mask` `[chains x units]` is one, and no
    /// other. Allocates only to grow.
    pub(crate) fn hold_only(&mut self, first: usize, mask: BitView<'_>) {
        let n = self.units();
        self.held.clear();
        self.held.resize(self.states.len(), 0);
        write_words(
            &mut self.held,
            n,
            first,
            self.chains,
            |chain, word| mask.row(chain)[word],
            mask.columns(),
        );
    }

    /// Every unit of every chain a fair coin, every group uniform: row = unit, column = chain of
    /// `draws`.
    pub(crate) fn draw_uniform(&mut self, draws: Draws) {
        let bias = std::mem::take(&mut self.couplings.bias);
        self.run(&bias, 0.0, draws, Order::Independent);
        self.couplings.bias = bias;
    }

    /// Every unit of every chain drawn with probability `sigma(bias)`, of a group one with
    /// `P(k) ~ e^(bias_k)`.
    pub(crate) fn draw_independent(&mut self, bias: &[f32], draws: Draws) {
        self.run(bias, 1.0, draws, Order::Independent);
    }

    /// One sweep at inverse temperature `beta`: every unit that is not held is drawn from
    /// `sigma(beta (A_i x + a_i))`, of a group one from the softmax of these. Row = unit, column =
    /// chain of `draws`.
    pub(crate) fn sweep(&mut self, beta: f32, draws: Draws) {
        let bias = std::mem::take(&mut self.couplings.bias);
        self.run(&bias, beta, draws, Order::Rising);
        self.couplings.bias = bias;
    }

    /// As [`Self::sweep`] with `bias` in place of the machine's; if `is_back`, by units in the
    /// opposite order, which is the reverse of the sweep.
    pub(crate) fn sweep_with_bias(&mut self, bias: &[f32], beta: f32, draws: Draws, is_back: bool) {
        let order = if is_back {
            Order::Falling
        } else {
            Order::Rising
        };
        self.run(bias, beta, draws, order);
    }

    fn run(&mut self, bias: &[f32], beta: f32, draws: Draws, order: Order) {
        let n = self.units();
        if n == 0 {
            return;
        }
        let work = self.work();
        let (couplings, held, chains) = (&self.couplings, &self.held, self.chains);
        let groups = couplings.groups();
        let sweep = |chunk: usize, x: &mut [u64]| {
            sweep(Sweep {
                couplings: (order != Order::Independent).then_some(couplings.neighbors()),
                is_falling: order == Order::Falling,
                groups,
                bias,
                x,
                held: held.get(chunk * n..(chunk + 1) * n).unwrap_or(&[]),
                first_chain: chunk * WORD_BITS,
                lanes: lanes_of(chunk, chains),
                beta,
                draws,
            });
        };
        // A whole number of chunks.
        threads::for_each_chunk(work, &mut self.states, n, sweep);
    }

    /// Couplings and draws of a sweep.
    fn work(&self) -> usize {
        let of_word = self.couplings.len() + DRAW_COST * self.units();
        self.chains.div_ceil(WORD_BITS) * of_word
    }

    /// `-E = sum_i x_i (a_i + sum_{j<i} A_ij x_j)` of every chain, inputs in f32 and their sum in
    /// f64. Costs half a sweep.
    pub(crate) fn negative_energies_into(&self, out: &mut [f64]) {
        self.negative_energies_under(&self.couplings, out);
    }

    /// The same under other couplings.
    pub(crate) fn negative_energies_under(&self, couplings: &Couplings, out: &mut [f64]) {
        let n = couplings.units();
        if n == 0 {
            return out.fill(0.0);
        }
        let words = self.states.chunks_exact(n).len();
        let chains = out.len().min(words * WORD_BITS);
        let add = |chunk: usize, out: &mut [f64]| {
            let x = &self.states[chunk * n..][..n];
            negative_energies(couplings.neighbors(), &couplings.bias, x, out);
        };
        let work = words * (couplings.len() + DRAW_COST * n);
        threads::for_each_chunk(work, &mut out[..chains], WORD_BITS, add);
    }
}

/// Ones where word `chunk` has chains.
fn lanes_of(chunk: usize, chains: usize) -> u64 {
    if (chunk + 1) * WORD_BITS <= chains {
        u64::MAX
    } else {
        last_word_mask(chains)
    }
}

/// Transposes `columns` columns of rows of words into words by unit, from unit `first` on.
fn write_words(
    words: &mut [u64],
    n: usize,
    first: usize,
    chains: usize,
    row: impl Fn(usize, usize) -> u64,
    columns: usize,
) {
    for (chunk, words) in words.chunks_exact_mut(n.max(1)).enumerate() {
        for column in (0..columns).step_by(WORD_BITS) {
            let mut square = [0; WORD_BITS];
            let samples = chunk * WORD_BITS..chains.min((chunk + 1) * WORD_BITS);
            for (to, chain) in square.iter_mut().zip(samples) {
                *to = row(chain, column / WORD_BITS);
            }
            transpose_block(&mut square);
            let units = columns.min(column + WORD_BITS) - column;
            words[first + column..][..units].copy_from_slice(&square[..units]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn biases_that_are_not_finite_are_not_sampled_from() {
        let mut broken = BoltzmannMachine::bernoulli(&[4, 2]).unwrap();
        broken.biases_mut().0[2] = f32::NAN;
        let error = broken.chains(1, 1).unwrap_err();
        assert!(error.to_string().contains("visible bias"), "{error}");
    }

    /// States go in and come out, and energies are those of the definition, for counts of chains
    /// and units that fill no word.
    #[test]
    fn transposed_states_and_energies() {
        let (n, m, chains) = (70, 9, 131);
        let mut machine = BoltzmannMachine::bernoulli(&[n, m]).unwrap();
        for i in 0..n + m {
            for j in 0..i {
                machine.set_weight(i, j, ((i * 7 + j * 3) % 11) as f32 / 50.0 - 0.1);
            }
        }
        machine.biases_mut().0[3] = 0.5;
        let v = BitMatrix::from_fn(chains, n, |i, j| (i * 5 + j * 3) % 7 < 3);
        let h = BitMatrix::from_fn(chains, m, |i, j| (i + j * 3) % 5 < 2);
        let mut chain = UnitChain::new(Couplings::allowed(&machine), chains);
        chain.set_units(0, v.view());
        chain.set_units(n, h.view());
        let (mut v2, mut h2) = (BitMatrix::zeros(chains, n), BitMatrix::zeros(chains, m));
        chain.units_into(0, &mut v2);
        chain.units_into(n, &mut h2);
        assert_eq!((&v2, &h2), (&v, &h));
        assert!(v2.padding_is_zero() && h2.padding_is_zero());
        let mut energies = vec![0.0; chains];
        chain.negative_energies_into(&mut energies);
        for (a, b) in energies.iter().zip(machine.energy(&v, &h).unwrap()) {
            // Some 80 f32 additions of magnitude up to 8, 80 times.
            assert!(
                (a + b).abs() < 80.0 * 80.0 * 8.0 * f64::from(f32::EPSILON),
                "{a} {b}"
            );
        }
    }
}
