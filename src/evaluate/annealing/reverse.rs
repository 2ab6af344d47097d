//! Reverse annealed importance sampling: an estimate of `ln Z` from the other side.

use super::{
    Ais, Annealed, Annealing, Betas, LogZ,
    anneal::Anneal,
    annealed::{Start, Way},
};
use crate::{
    dataset::{Binarization, Examples},
    error::{Error, Result},
    progress::Progress,
    rng::{HostRng, Stream},
    states::States,
};

/// Where the states of the model come from that reverse annealing starts at.
#[derive(Clone, Debug)]
pub enum ReverseStart {
    /// Independent exact draws, see [`Rbm::exact_samples`](crate::Rbm::exact_samples): the estimate
    /// is then an upper bound of `ln Z` on average.
    Exact,
    /// Gibbs chains from `states`, which are used in turn if there are fewer than chains, after
    /// `burn_in` sweeps at `beta = 1`. An upper bound only as far as the burn-in reaches the
    /// model's distribution: modes that no chain is in are missed, and a bound may be too low by up
    /// to the log share of those that are found.
    Gibbs {
        /// `[any number x n_visible]`; hidden units that chains have too are drawn given these, or
        /// stand beside them.
        states: States,
        /// Sweeps before annealing.
        burn_in: usize,
    },
    /// Gibbs chains from states that forward annealing of as many other chains has drawn by their
    /// weights ([`WeightedSamples::resampled`]), after `burn_in` sweeps at `beta = 1`. Finds modes
    /// far from the data by their mass, where [`Self::Gibbs`] from examples cannot; an upper bound
    /// only as far as that annealing finds all of them. Cost: forward annealing once more.
    ///
    /// [`WeightedSamples::resampled`]: super::WeightedSamples::resampled
    Annealed {
        /// Sweeps before annealing back.
        burn_in: usize,
    },
}

impl ReverseStart {
    /// [`Self::Exact`] if the machine can be enumerated for it, else [`Self::Gibbs`] from `chains`
    /// examples that `seed` chooses, each once while they last. Hidden units that chains have too
    /// are drawn given the examples. Gray examples of binary units are drawn as bits.
    ///
    /// # Errors
    /// [`Error::Shape`] for examples of another width; [`Error::Parameter`] for values that the
    /// visible units cannot have, for data of binary units that are neither binary nor gray, and
    /// for examples with missing values.
    pub fn suited_to(
        machine: &dyn Annealed,
        data: &Examples,
        chains: usize,
        burn_in: usize,
        seed: u64,
    ) -> Result<Self> {
        data.expect_complete("the start of annealing back")?;
        machine.visible_layer().check_values(data.input())?;
        if machine.can_be_drawn() {
            return Ok(Self::Exact);
        }
        let mut order: Vec<usize> = (0..data.len()).collect();
        HostRng::new(seed, machine.start_stream()).shuffle(&mut order);
        order.truncate(chains);
        let mut chosen = data.take(&order);
        if machine.kept().units.are_binary() {
            chosen = chosen.binarized(Binarization::Sampled, seed, 0);
        }
        let states = machine.completed(chosen.into_states(), seed)?;
        let states = fitted(machine, states, "data")?;
        Ok(Self::Gibbs { states, burn_in })
    }

    /// Sweeps before annealing.
    pub fn burn_in(&self) -> usize {
        match self {
            Self::Exact => 0,
            Self::Gibbs { burn_in, .. } | Self::Annealed { burn_in } => *burn_in,
        }
    }

    /// Sweeps and temperatures of annealing back by `way` temperatures, the start included.
    pub(super) fn sweeps(&self, way: usize) -> usize {
        let before = match self {
            Self::Annealed { .. } => way,
            _ => 0,
        };
        before + self.burn_in() + way
    }
}

impl Ais {
    /// Estimates `ln Z`, on average from above: chains start from states of the model and anneal to
    /// the base, along the way of [`Self::log_z`] backwards, and `1 / Z` is the mean of `1 / w`. It
    /// relies on `start`. Cost: as [`Self::log_z`], and the start. `progress` counts sweeps of
    /// burn-in and temperatures.
    ///
    /// # Errors
    /// As [`Self::log_z`]; [`Error::Parameter`] for exact draws from a machine that is too large or
    /// without states to start at, [`Error::Shape`] for states of another size.
    pub fn reverse_log_z(
        &self,
        machine: &dyn Annealed,
        start: &ReverseStart,
        progress: &mut dyn Progress,
    ) -> Result<LogZ> {
        let base = self.checked_base(machine)?;
        let ladder = self.ladder_from(machine, &base, progress)?;
        let (way, burn_in) = (ladder.len() - 1, start.burn_in());
        let all = start.sweeps(way);
        let first = all - way - burn_in;
        let states = match start {
            ReverseStart::Exact => machine.exact_states(self.chains, self.seed)?,
            ReverseStart::Gibbs { states, .. } => self.repeated(machine, states)?,
            ReverseStart::Annealed { .. } => {
                let other = Self {
                    seed: self.seed.wrapping_add(Stream::Reverse.number()),
                    betas: Betas::Given(ladder.clone()),
                    ..self.clone()
                };
                let found = other.weighted_samples(machine, &mut progress.part(0, first, all))?;
                found.resampled_states(self.chains, other.seed)
            }
        };
        let anneal =
            |way, states| Anneal::new((way, self.seed), machine, &base, &ladder, Start::At(states));
        let states = match start {
            ReverseStart::Exact => states,
            _ => anneal(Way::BurnIn, states)?
                .burn_in(burn_in, &mut progress.part(first, burn_in, all))?,
        };
        let weights =
            anneal(Way::Reverse, states)?.descend(&mut progress.part(first + burn_in, way, all))?;
        Ok(LogZ::new(Annealing::Reverse, weights))
    }

    /// `states`, completed, in turn.
    fn repeated(&self, machine: &dyn Annealed, states: &States) -> Result<States> {
        let what = "starting states";
        if states.rows() == 0 {
            return Err(Error::parameter(what, "at least 1", 0));
        }
        let (visible, kept) = (machine.n_visible(), machine.kept().size());
        let complete = match states.columns() {
            n if n == visible && kept > visible => machine.completed(states.clone(), self.seed)?,
            _ => states.clone(),
        };
        let complete = fitted(machine, complete, what)?;
        let turns: Vec<usize> = (0..self.chains).map(|s| s % complete.rows()).collect();
        Ok(complete.take(&turns))
    }
}

/// The states as chains keep them: bits of binary units, else numbers that the units can have.
pub(super) fn fitted(machine: &dyn Annealed, states: States, what: &str) -> Result<States> {
    let kept = machine.kept();
    if states.columns() != kept.size() {
        let (expected, found) = (kept.size(), states.columns());
        return Err(Error::shape(
            format!("units of the {what}"),
            expected,
            found,
        ));
    }
    if kept.units.are_binary() {
        return match states.packed() {
            States::Real(_) => Err(Error::parameter(what, "binary values", "others")),
            bits => Ok(bits),
        };
    }
    kept.check_values(&states)?;
    Ok(States::Real(states.into_matrix()))
}
