//! Gibbs sampling unit by unit, 64 chains a word.
//!
//! The bits of 64 chains are one word a unit, so that one pass over the couplings serves 64 chains.
//! Units are drawn class by class (no two of a class are coupled), so that words of chains and
//! parts of a class go to different threads: whoever draws what, the bits are the same.

use super::{BoltzmannMachine, couplings::Couplings};
use crate::{
    bits::{BitMatrix, BitView, WORD_BITS, last_word_mask, transpose_block},
    kernel::sweep::{
        DenseSweep, MOST_NEIGHBORS, MOST_WORDS, Sweep, Tables, dense_sweep, negative_energies,
        shared, sweep,
    },
    rng::Draws,
    threads::{self, in_pool, prelude::*},
};
use std::ops::Range;

/// Couplings that cost about as much as the draw of a unit.
const DRAW_COST: usize = 32;
/// Places of a class that one thread draws, if there are fewer words of chains than threads.
const PART: usize = 512;

/// How the units of a sweep follow one another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// That of the couplings.
    Rising,
    /// Its reverse.
    Falling,
    /// None depends on another.
    Independent,
}

/// Chains whose units are drawn one after the other, in the order of the couplings.
#[derive(Clone, Debug)]
pub(crate) struct UnitChain {
    couplings: Couplings,
    chains: usize,
    /// `[words of chains][units]`
    states: Vec<u64>,
    /// Likewise, ones where a unit of a chain is held; empty if none is.
    held: Vec<u64>,
    tables: Tables,
    /// Version of the couplings and inverse temperature that the tables are of.
    tables_at: Option<(u64, f32)>,
}

/// What the conditionals are of.
struct Conditionals<'a> {
    /// The machine's if there are none.
    bias: Option<&'a [f32]>,
    beta: f32,
    order: Order,
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
            tables: Tables::default(),
            tables_at: None,
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

    /// Every unit of every chain a fair coin, every group uniform: row = chain, column = place in
    /// the order of `draws`, which are from a multiple of four rows on.
    pub(crate) fn draw_uniform(&mut self, draws: Draws) {
        let coins = Conditionals {
            bias: None,
            beta: 0.0,
            order: Order::Independent,
        };
        self.run(coins, draws);
    }

    /// Every unit of every chain drawn with probability `sigma(bias)`, of a group one with
    /// `P(k) ~ e^(bias_k)`.
    pub(crate) fn draw_independent(&mut self, bias: &[f32], draws: Draws) {
        let alone = Conditionals {
            bias: Some(bias),
            beta: 1.0,
            order: Order::Independent,
        };
        self.run(alone, draws);
    }

    /// One sweep at inverse temperature `beta`: every unit that is not held is drawn from
    /// `sigma(beta (A_i x + a_i))`, of a group one from the softmax of these. Row = chain, column =
    /// place in the order of `draws`, which are from a multiple of four rows on.
    pub(crate) fn sweep(&mut self, beta: f32, draws: Draws) {
        let order = Order::Rising;
        let bias = None;
        self.run(Conditionals { bias, beta, order }, draws);
    }

    /// As [`Self::sweep`] with `bias` in place of the machine's; if `is_back`, in the opposite
    /// order, which is the reverse of the sweep.
    pub(crate) fn sweep_with_bias(&mut self, bias: &[f32], beta: f32, draws: Draws, is_back: bool) {
        let order = match is_back {
            true => Order::Falling,
            false => Order::Rising,
        };
        let bias = Some(bias);
        self.run(Conditionals { bias, beta, order }, draws);
    }

    /// Tables of the conditionals where they pay: of units whose states of neighbors are no more
    /// than the chains, or, where parameters and temperature stay from sweep to sweep, of all that
    /// may have one; and what brackets those of the others. Draws are the same with and without.
    fn prepare(&mut self, of: &Conditionals<'_>) -> bool {
        let has_sums = self.couplings.groups().is_empty();
        let tabled = self.couplings.tabled();
        if of.order == Order::Independent || !has_sums && tabled.is_none() {
            return false;
        }
        let at = (self.couplings.version(), of.beta);
        let stays = of.bias.is_none() && self.tables_at == Some(at);
        let most = match stays {
            true => MOST_NEIGHBORS,
            false => self.chains.max(WORD_BITS).ilog2() as usize,
        };
        if !(stays && self.tables.has(most.min(tabled.unwrap_or(0)))) {
            let (couplings, tables) = (&self.couplings, &mut self.tables);
            let bias = of.bias.unwrap_or(couplings.bias());
            tables.fill(couplings.neighbors(), bias, of.beta, most, has_sums);
        }
        self.tables_at = of.bias.is_none().then_some(at);
        true
    }

    fn run(&mut self, of: Conditionals<'_>, draws: Draws) {
        if self.units() == 0 {
            return;
        }
        match of.order == Order::Independent || self.couplings.rows().is_none() {
            true => self.run_units(of, draws),
            false => self.run_dense(of, draws),
        }
    }

    /// A sweep of a dense machine.
    fn run_dense(&mut self, of: Conditionals<'_>, draws: Draws) {
        let (n, work) = (self.units(), self.work());
        let (couplings, held, chains) = (&self.couplings, &self.held, self.chains);
        let rows = couplings.rows().expect("a dense machine");
        let at_once = words_at_once(chains);
        let draw = |chunk: usize, x: &mut [u64]| {
            let first = chunk * at_once;
            let words = first * n..first * n + x.len();
            dense_sweep(DenseSweep {
                couplings: rows,
                order: couplings.order(),
                is_falling: of.order == Order::Falling,
                bias: of.bias.unwrap_or(couplings.bias()),
                x: shared(x),
                held: held.get(words).unwrap_or(&[]),
                first_chain: first * WORD_BITS,
                lanes: std::array::from_fn(|p| lanes_of(first + p, chains)),
                beta: of.beta,
                draws,
            });
        };
        threads::for_each_chunk(work, &mut self.states, at_once * n, draw);
    }

    fn run_units(&mut self, of: Conditionals<'_>, draws: Draws) {
        let n = self.units();
        let tables = self.prepare(&of);
        let work = self.work();
        let (couplings, held, chains) = (&self.couplings, &self.held, self.chains);
        let is_coupled = of.order != Order::Independent;
        let states = shared(&mut self.states);
        let (tables, bias) = (
            tables.then_some(&self.tables),
            of.bias.unwrap_or(couplings.bias()),
        );
        // Words `first ..` of chains, at most `MOST_WORDS`.
        let draw = |first: usize, words: usize, places: Range<usize>| {
            let all = first * n..(first + words) * n;
            sweep(&Sweep {
                couplings: is_coupled.then_some(couplings.neighbors()),
                order: couplings.order(),
                places,
                is_falling: of.order == Order::Falling,
                groups: couplings.groups(),
                bias,
                tables,
                x: &states[all.clone()],
                held: held.get(all).unwrap_or(&[]),
                first_chain: first * WORD_BITS,
                lanes: std::array::from_fn(|p| lanes_of(first + p, chains)),
                beta: of.beta,
                draws,
            });
        };
        let words = chains.div_ceil(WORD_BITS);
        let at_once = words_at_once(chains);
        let draw_chunk = |chunk: usize| {
            let first = chunk * at_once;
            draw(first, at_once.min(words - first), 0..n);
        };
        let chunks = words.div_ceil(at_once);
        if threads::is_little(work) {
            return (0..chunks).for_each(draw_chunk);
        }
        in_pool(|| {
            let order = couplings.order();
            if words >= threads::count() || order.classes() * PART > n {
                return (0..chunks).into_par_iter().for_each(draw_chunk);
            }
            for k in 0..order.classes() {
                let class = order.class(match of.order {
                    Order::Falling => order.classes() - 1 - k,
                    _ => k,
                });
                let parts = class.len().div_ceil(PART);
                (0..words * parts).into_par_iter().for_each(|at| {
                    let first = class.start + at % parts * PART;
                    draw(at / parts, 1, first..class.end.min(first + PART));
                });
            }
        });
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
            negative_energies(couplings.neighbors(), couplings.bias(), x, out);
        };
        let work = words * (couplings.len() + DRAW_COST * n);
        threads::for_each_chunk(work, &mut out[..chains], WORD_BITS, add);
    }
}

/// As many words of chains at a time as leave work for every thread.
fn words_at_once(chains: usize) -> usize {
    (chains.div_ceil(WORD_BITS) / threads::count()).clamp(1, MOST_WORDS)
}

/// Ones where word `chunk` has chains.
fn lanes_of(chunk: usize, chains: usize) -> u64 {
    if chunk * WORD_BITS >= chains {
        0
    } else if (chunk + 1) * WORD_BITS <= chains {
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
