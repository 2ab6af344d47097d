//! Replicas of chains of a general machine, drawn unit by unit, at several levels: temperatures of
//! one machine, or machines.

use super::SwapRate;
use crate::{
    bits::{BitMatrix, WORD_BITS},
    model::boltzmann::{BoltzmannMachine, Couplings, UnitChain},
    rng::{Draws, Site},
};

/// Chains whose replicas at neighboring levels change places. Level `k` leaves `e^(-beta_k E_k)`
/// alone; a round of swaps proposes that whole states of levels `k` and `k + 1` change places, for
/// the pairs (0,1), (2,3), ... in one round and (1,2), (3,4), ... in the next, accepted with
///
/// ```text
/// min(1, f_k(y) f_{k+1}(x) / (f_k(x) f_{k+1}(y))),    ln f_k = -beta_k E_k.
/// ```
///
/// Draws depend on the seed, the number of the sweep, level, unit and chain alone.
#[derive(Clone, Debug)]
pub(crate) struct UnitReplicas {
    /// One for all levels, or one each.
    couplings: Vec<Couplings>,
    /// One for each level.
    betas: Vec<f32>,
    levels: Vec<UnitChain>,
    chains: usize,
    units: usize,
    seed: u64,
    rates: Vec<SwapRate>,
    /// `ln f_k - ln f_{k+1}` of the chains at either of two levels, and a buffer.
    scores: [Vec<f64>; 3],
    /// Ones where a swap is accepted, a bit a chain.
    accepted: Vec<u64>,
}

impl UnitReplicas {
    /// Replicas of fair coins at the inverse temperatures `betas` of one machine.
    pub(crate) fn tempered(
        machine: &BoltzmannMachine,
        betas: Vec<f32>,
        chains: usize,
        seed: u64,
    ) -> Self {
        Self::new(vec![Couplings::allowed(machine)], betas, chains, seed)
    }

    /// Replicas of fair coins at each of `models`, which have the same edges.
    pub(crate) fn along(models: &[&BoltzmannMachine], chains: usize, seed: u64) -> Self {
        let couplings = models.iter().map(|x| Couplings::allowed(x)).collect();
        Self::new(couplings, vec![1.0; models.len()], chains, seed)
    }

    fn new(couplings: Vec<Couplings>, betas: Vec<f32>, chains: usize, seed: u64) -> Self {
        let units = couplings[0].units();
        let start = Draws::new(seed, Site::Start, 0);
        let rows = chains.next_multiple_of(WORD_BITS);
        let levels = (0..betas.len()).map(|k| {
            let mut chain = UnitChain::new(couplings[0].clone(), chains);
            chain.draw_uniform(start.from_row(k * rows));
            chain.exchange(&mut Couplings::default());
            chain
        });
        Self {
            levels: levels.collect(),
            rates: vec![SwapRate::default(); betas.len() - 1],
            couplings,
            betas,
            chains,
            units,
            seed,
            scores: std::array::from_fn(|_| vec![0.0; chains]),
            accepted: vec![0; chains.div_ceil(WORD_BITS)],
        }
    }

    pub(crate) fn levels(&self) -> usize {
        self.levels.len()
    }

    /// The chains at level 0.
    pub(crate) fn first(&self) -> &UnitChain {
        &self.levels[0]
    }

    /// Takes the parameters of the machine of level `k`; of temperatures, of all.
    pub(crate) fn refresh(&mut self, k: usize, machine: &BoltzmannMachine) {
        self.couplings[k].refresh(machine);
    }

    /// Swaps between levels `k` and `k + 1`, for each `k`.
    pub(crate) fn swap_rates(&self) -> &[SwapRate] {
        &self.rates
    }

    pub(crate) fn reset_swap_rates(&mut self) {
        self.rates.fill(SwapRate::default());
    }

    /// The levels `of` in place of all, whose chains and machines go with them; swap rates count
    /// from zero.
    pub(crate) fn rearrange(&mut self, of: &[usize]) {
        self.levels = of.iter().map(|&k| self.levels[k].clone()).collect();
        self.couplings = of.iter().map(|&k| self.couplings[k].clone()).collect();
        self.betas = of.iter().map(|&k| self.betas[k]).collect();
        self.rates = vec![SwapRate::default(); of.len() - 1];
    }

    /// All states, level by level.
    pub(crate) fn states(&self) -> BitMatrix {
        let mut all = BitMatrix::zeros(self.levels() * self.chains, self.units);
        let mut of_level = BitMatrix::zeros(self.chains, self.units);
        for (k, chain) in self.levels.iter().enumerate() {
            chain.units_of(self.units, 0, &mut of_level);
            for row in 0..self.chains {
                all.copy_row(k * self.chains + row, of_level.view(), row);
            }
        }
        all
    }

    /// Puts back what [`Self::states`] told, for as many levels as there are.
    pub(crate) fn set_states(&mut self, all: &BitMatrix) {
        for (k, chain) in self.levels.iter_mut().enumerate() {
            let rows = k * self.chains..(k + 1) * self.chains;
            chain.exchange(&mut self.couplings[0]);
            chain.set_units(0, all.view_rows(rows));
            chain.exchange(&mut self.couplings[0]);
        }
    }

    fn couplings_of(&self, k: usize) -> usize {
        k.min(self.couplings.len() - 1)
    }

    /// Sweep number `number` of all replicas, with a round of swaps.
    pub(crate) fn sweep(&mut self, number: u64) {
        let draws = Draws::new(self.seed, Site::Tempering, number);
        for k in 0..self.levels() {
            let own = self.couplings_of(k);
            let chain = &mut self.levels[k];
            chain.exchange(&mut self.couplings[own]);
            chain.sweep(
                self.betas[k],
                draws.from_row(k * self.chains.next_multiple_of(WORD_BITS)),
            );
            chain.exchange(&mut self.couplings[own]);
        }
        self.swap(number);
    }

    fn swap(&mut self, number: u64) {
        let draws = Draws::new(self.seed, Site::Swap, number);
        for k in ((number % 2) as usize..self.levels() - 1).step_by(2) {
            let [x, y] = [k, k + 1].map(|level| self.score(k, level));
            self.accepted.fill(0);
            let rate = &mut self.rates[k];
            for (c, (x, y)) in x.iter().zip(&y).enumerate() {
                let p = (y - x).min(0.0).exp();
                rate.attempts += 1;
                rate.probability += p;
                if draws.bernoulli(c, k, p as f32) {
                    rate.accepted += 1;
                    self.accepted[c / WORD_BITS] |= 1 << (c % WORD_BITS);
                }
            }
            let (lower, upper) = self.levels.split_at_mut(k + 1);
            lower[k].swap_chains(&mut upper[0], self.units, &self.accepted);
            self.scores[0] = x;
            self.scores[1] = y;
        }
    }

    /// `ln f_k - ln f_{k+1}` of the chains at `level`, in a buffer that is to be given back.
    fn score(&mut self, k: usize, level: usize) -> Vec<f64> {
        let mut score = std::mem::take(&mut self.scores[level - k]);
        let chain = &self.levels[level];
        let (high, low) = (self.couplings_of(k), self.couplings_of(k + 1));
        let (beta, below) = (f64::from(self.betas[k]), f64::from(self.betas[k + 1]));
        chain.negative_energies_under(&self.couplings[high], &mut score);
        if high == low {
            score.iter_mut().for_each(|x| *x *= beta - below);
        } else {
            let other = &mut self.scores[2];
            chain.negative_energies_under(&self.couplings[low], other);
            let pairs = score.iter_mut().zip(other);
            pairs.for_each(|(x, y)| *x = beta * *x - below * *y);
        }
        score
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::even_ladder;

    const CHAINS: usize = 20_000;

    /// Six units of which two groups of three hold together: two deep modes.
    fn modes(strength: f32) -> BoltzmannMachine {
        let mut machine = BoltzmannMachine::bernoulli(&[4, 2]).unwrap();
        for i in 0..6 {
            for j in 0..i {
                machine.set_weight(i, j, if i / 3 == j / 3 { 0.5 } else { -0.5 } * strength);
            }
        }
        let (b, c) = machine.biases_mut();
        b.copy_from_slice(&[0.1, -0.2, 0.3, 0.0]);
        c.copy_from_slice(&[-0.1, 0.2]);
        machine
    }

    /// Frequencies of all 64 states against enumeration: `N(p, p (1 - p) / 20,000)` each, so the
    /// statistic `sum (f - p)^2 / p` times the number of chains is a chi-square of 63 degrees, of
    /// mean 63 and deviation 11.2: five of them.
    fn assert_samples(replicas: &UnitReplicas, machine: &BoltzmannMachine, sweeps: u64) {
        let mut replicas = replicas.clone();
        (0..sweeps).for_each(|number| replicas.sweep(number));
        let mut counts = [0.0; 64];
        let states = replicas.states();
        for row in 0..CHAINS {
            let index: usize = (0..6).map(|i| usize::from(states.get(row, i)) << i).sum();
            counts[index] += 1.0;
        }
        let n = CHAINS as f64;
        let chi: f64 = machine
            .joint_distribution(1.0, &mut ())
            .unwrap()
            .iter()
            .zip(counts)
            .map(|(p, count)| (count / n - p).powi(2) / p * n)
            .sum();
        assert!(chi < 63.0 + 5.0 * 126.0_f64.sqrt(), "{chi}");
        assert!(replicas.swap_rates().iter().all(|x| x.accepted > 0));
    }

    #[test]
    fn replicas_sample_the_enumerated_distribution() {
        let machine = modes(1.5);
        let tempered = UnitReplicas::tempered(&machine, even_ladder(4, 0.0), CHAINS, 1);
        assert_samples(&tempered, &machine, 40);
        let [middle, alone] = [0.7, 0.0].map(modes);
        let along = UnitReplicas::along(&[&machine, &middle, &alone], CHAINS, 2);
        assert_samples(&along, &machine, 40);
    }

    #[test]
    fn states_come_out_and_go_in() {
        let replicas = UnitReplicas::tempered(&modes(1.0), even_ladder(3, 0.5), 70, 3);
        let states = replicas.states();
        let mut other = UnitReplicas::tempered(&modes(1.0), even_ladder(3, 0.5), 70, 4);
        assert_ne!(other.states(), states);
        other.set_states(&states);
        assert_eq!(other.states(), states);
        other.rearrange(&[0, 0]);
        assert_eq!(other.states().rows(), 2 * 70);
    }
}
