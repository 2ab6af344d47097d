//! Reverse annealed importance sampling: an estimate of `ln Z` from the other side.

use super::{
    Ais, Annealing, Betas, LogZ,
    anneal::{Anneal, Way},
};
use crate::{
    bits::BitMatrix,
    dataset::{Binarization, Examples},
    error::{Error, Result},
    evaluate::{MAX_SAMPLED_UNITS, exact_samples},
    model::Rbm,
    product::{Propagation, Tail},
    progress::Progress,
    rng::{HostRng, Stream},
};

/// Where the states of the model come from that reverse annealing starts at.
#[derive(Clone, Debug)]
pub enum ReverseStart {
    /// Independent exact draws, see [`exact_samples`]: the estimate is then an upper bound of
    /// `ln Z` on average.
    Exact,
    /// Gibbs chains from `states`, which are used in turn if there are fewer than chains, after
    /// `burn_in` sweeps at `beta = 1`. An upper bound only as far as the burn-in reaches the
    /// model's distribution: modes that no chain is in are missed, and a bound may be too low by up
    /// to the log share of those that are found.
    Gibbs {
        /// `[any number x n_visible]`.
        states: BitMatrix,
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
    /// [`Self::Exact`] if the machine is of Bernoulli units and can be enumerated, else
    /// [`Self::Gibbs`] from `chains` examples that `seed` chooses, each once while they last. Gray
    /// examples are drawn as bits.
    ///
    /// # Errors
    /// [`Error::Shape`] for examples of another width; [`Error::Parameter`] for values that the
    /// visible units cannot have, for data that are neither binary nor gray, and for examples with
    /// weights or a mask.
    pub fn suited_to(
        rbm: &Rbm,
        data: &Examples,
        chains: usize,
        burn_in: usize,
        seed: u64,
    ) -> Result<Self> {
        data.expect_plain("the start of annealing back")?;
        rbm.visible().check_values(data.input())?;
        if rbm.is_bernoulli() && rbm.n_visible().min(rbm.n_hidden()) <= MAX_SAMPLED_UNITS {
            return Ok(Self::Exact);
        }
        let mut order: Vec<usize> = (0..data.len()).collect();
        HostRng::new(seed, Stream::Reverse).shuffle(&mut order);
        order.truncate(chains);
        let chosen = data.take(&order).binarized(Binarization::Sampled, seed, 0);
        let states = match chosen.bits() {
            Some(bits) => bits.clone(),
            None => {
                return Err(Error::parameter(
                    "data",
                    "binary or gray examples",
                    "others",
                ));
            }
        };
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
        rbm: &Rbm,
        start: &ReverseStart,
        progress: &mut dyn Progress,
    ) -> Result<LogZ> {
        let base = self.checked_base(rbm)?;
        let ladder = self.ladder_from(rbm, &base)?;
        let (way, burn_in) = (ladder.len() - 1, start.burn_in());
        let all = start.sweeps(way);
        let before = all - way;
        let first = before - burn_in;
        let v = match start {
            ReverseStart::Exact => exact_samples(rbm, self.chains, self.seed)?,
            ReverseStart::Gibbs { states, .. } => {
                let burning = &mut progress.part(first, burn_in, all);
                self.burnt_in(rbm, states, burn_in, burning)?
            }
            ReverseStart::Annealed { .. } => {
                let other = Self {
                    seed: self.seed.wrapping_add(Stream::Reverse.number()),
                    betas: Betas::Given(ladder.clone()),
                    ..self.clone()
                };
                let found = other.weighted_samples(rbm, &mut progress.part(0, first, all))?;
                let states = found.resampled(self.chains, other.seed);
                let burning = &mut progress.part(first, burn_in, all);
                self.burnt_in(rbm, &states, burn_in, burning)?
            }
        };
        let weights = Anneal::new(Way::Reverse, self.seed, rbm, &base, &ladder, v)
            .descend(&mut progress.part(before, way, all))?;
        Ok(LogZ::new(Annealing::Reverse, weights))
    }

    fn burnt_in(
        &self,
        rbm: &Rbm,
        states: &BitMatrix,
        sweeps: usize,
        progress: &mut dyn Progress,
    ) -> Result<BitMatrix> {
        if states.columns() != rbm.n_visible() {
            let (expected, found) = (rbm.n_visible(), states.columns());
            return Err(Error::shape(
                "units of the starting states",
                expected,
                found,
            ));
        }
        if states.rows() == 0 {
            return Err(Error::parameter("starting states", "at least 1", 0));
        }
        let mut v = BitMatrix::zeros(self.chains, rbm.n_visible());
        for s in 0..self.chains {
            v.copy_row(s, states.view(), s % states.rows());
        }
        let mut h = BitMatrix::zeros(self.chains, rbm.n_hidden());
        let mut buffers = Propagation::default();
        for k in 0..sweeps {
            let draws = |half| Way::BurnIn.draws(self.seed, 2 * k as u64 + half);
            let tail = Tail {
                sample: Some((h.view_mut(), draws(0))),
                ..Tail::new(1.0)
            };
            rbm.hidden_from_visible((&v).into(), tail, &mut buffers)?;
            let tail = Tail {
                sample: Some((v.view_mut(), draws(1))),
                ..Tail::new(1.0)
            };
            rbm.visible_from_hidden((&h).into(), tail, &mut buffers)?;
            progress.check(k + 1, sweeps)?;
        }
        Ok(v)
    }
}
