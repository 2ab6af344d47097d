//! What is measured of the machines of each family.

use super::{Mean, Measure, Measures, Observed, Partition, Raised};
use crate::{
    dataset::{Examples, Rows},
    error::{Error, Result},
    evaluate::{Ais, Annealed, Base, Bound, DbmBound, HiddenActivity, pseudo_likelihood},
    model::{BoltzmannMachine, Dbm, Dbn, MeanField, Rbm},
    progress::Progress,
};

/// Training examples of a deep machine that the base of annealing is taken from, and among which
/// chains back start.
const BASE_EXAMPLES: usize = 10_000;
/// Free energies of a general machine are enumerated if that takes at most this many states of the
/// hidden units of all examples together.
const MOST_STATES: u64 = 1 << 25;
/// What refuses missing values.
pub(super) const NAME: &str = "a likelihood";
/// Examples of the pseudo-likelihood.
const PSEUDO_LIKELIHOOD_EXAMPLES: usize = 1000;

impl Measure {
    pub(super) fn ais(&self, base: Base) -> Ais {
        Ais {
            chains: self.chains,
            betas: self.betas.clone(),
            base,
            seed: self.seed,
        }
    }

    /// As [`Self::run`], of an RBM.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn rbm(
        &self,
        rbm: &Rbm,
        train: &Examples,
        examples: &Examples,
        progress: &mut dyn Progress,
    ) -> Result<Measures> {
        if rbm.visible().are_counts() {
            return self.counts(rbm, [train, examples], progress);
        }
        if examples.observed().is_some() {
            return self.rbm_of_observed(rbm, [train, examples], progress);
        }
        let rows = Rows::from(examples);
        let binary = rbm.hidden().units.are_binary();
        let activity = || binary.then(|| HiddenActivity::new(rbm, rows)).transpose();
        if self.enumerates(rbm) {
            let free = rbm.exact_free_energies(rows.complete(NAME)?)?;
            let log_sums: Vec<f64> = free.iter().map(|f| -f).collect();
            let log_z = rbm.log_z(progress)?;
            let z = Partition::exact(log_z);
            return Ok(Measures {
                likelihood: Some(Mean::of(rows, &log_sums, &z)),
                with_label: rbm.label_group().is_some(),
                activity: activity()?,
                log_sums,
                ..Measures::of(z, examples.len())
            });
        }
        let v = rows.complete(NAME)?;
        let ais = self.ais(Base::rate_of(rbm, train)?);
        let start = self.reverse.then(|| self.start(rbm, Some(train)));
        let start = start.transpose()?;
        let z = Partition::anneal(&ais, rbm, start, progress)?;
        let log_sums: Vec<f64> = rbm.free_energy(v, 1.0)?.iter().map(|f| -f).collect();
        let raised = |wanted| raised(wanted, rbm, examples, &z, Some(&log_sums), progress);
        let raise = self.raise.map(raised).transpose()?;
        Ok(Measures {
            likelihood: Some(Mean::of(rows, &log_sums, &z).and_error_of(&z)),
            with_label: rbm.label_group().is_some(),
            activity: activity()?,
            raise,
            log_sums,
            ..Measures::of(z, examples.len())
        })
    }

    /// As [`Self::run`], of a deep belief network: the variational lower bound with `ln Z` of the
    /// top pair, annealed from the features of training examples.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn dbn(
        &self,
        dbn: &Dbn,
        train: &Examples,
        examples: &Examples,
        progress: &mut dyn Progress,
    ) -> Result<Measures> {
        let (top, rows) = (dbn.top(), Rows::from(examples));
        let v = rows.complete(NAME)?;
        if self.exact {
            let log_p = dbn.exact_log_p_v(v, None, progress)?;
            let likelihood = rows.mean(log_p.iter().copied());
            let bound = rows.mean(dbn.exact_bound(v, None, progress)?);
            let log_z = top.log_z(progress)?;
            return Ok(Measures {
                likelihood: Some(Mean::exact(likelihood)),
                bound: Some(Mean::exact(bound)),
                log_sums: log_p.iter().map(|x| x + log_z).collect(),
                ..Measures::of(Partition::exact(log_z), examples.len())
            });
        }
        let z = if self.enumerates(top) {
            Partition::exact(top.log_z(progress)?)
        } else {
            let some = train.head(BASE_EXAMPLES);
            let mut features = some.with_states(dbn.sample_features(&some, self.seed, 0)?)?;
            if let Some(group) = dbn.label_group() {
                features = features.with_label_units(group.size)?;
            }
            let ais = self.ais(Base::rate_of(top, &features)?);
            let start = self.start(top, Some(&features))?;
            Partition::anneal(&ais, top, Some(start), progress)?
        };
        let (samples, seed) = (self.bound_samples, self.seed);
        let estimate = Bound { samples, seed }.measure(dbn, rows, None, progress)?;
        Ok(Measures {
            bound: Some(Mean::of(rows, &estimate.with_log_z, &z)),
            bound_samples: Some(samples),
            log_sums: estimate.with_log_z,
            ..Measures::of(z, examples.len())
        })
    }

    /// As [`Self::run`], of a deep Boltzmann machine: the mean-field lower bound, and with `exact`
    /// the likelihood. Chains of annealing are states of the even layers.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn dbm(
        &self,
        dbm: &Dbm,
        train: &Examples,
        examples: &Examples,
        progress: &mut dyn Progress,
    ) -> Result<Measures> {
        let rows = Rows::from(examples);
        let options = MeanField::default();
        let rbm = dbm.bipartite();
        let z = if self.enumerates(&rbm) {
            Partition::exact(dbm.log_z(progress)?)
        } else {
            let train = train.head(BASE_EXAMPLES);
            let ais = self.ais(Base::rate_of(dbm, &train)?);
            let start = self.start(dbm, Some(&train))?;
            Partition::anneal(&ais, dbm, Some(start), progress)?
        };
        if examples.observed().is_some() {
            return self.dbm_of_observed(dbm, z, examples, progress);
        }
        let v = rows.complete(NAME)?;
        let exact = self.exact.then(|| dbm.log_sums_over_hidden(v, progress));
        let exact = exact.transpose()?;
        let likelihood = exact.as_ref().map(|sums| Mean::of(rows, sums, &z));
        let raised = |wanted| raised(wanted, dbm, examples, &z, None, &mut *progress);
        let raise = self.raise.map(raised).transpose()?;
        let bound = DbmBound::new(dbm, rows, &options, progress)?;
        Ok(Measures {
            likelihood,
            bound: Some(Mean::of(rows, &bound.bounds, &z)),
            mean_field: Some(bound.convergence),
            posterior: bound.hidden,
            raise,
            log_sums: exact.unwrap_or(bound.bounds),
            ..Measures::of(z, examples.len())
        })
    }

    /// As [`Self::run`], of a general machine: the likelihood where sums over hidden units are
    /// cheap, else its mean-field lower bound; `ln Z` alone without examples. Annealing starts from
    /// the uniform distribution without `train`, and back from states that other chains reach.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn boltzmann(
        &self,
        machine: &BoltzmannMachine,
        train: Option<&Examples>,
        examples: Option<&Examples>,
        progress: &mut dyn Progress,
    ) -> Result<Measures> {
        let (walked, hidden) = machine.enumerated_units()?;
        let z = if self.exact || self.enumerated_units.is_some_and(|n| walked <= n) {
            Partition::exact(machine.log_z(progress)?)
        } else {
            let base = train.map_or(Ok(Base::Uniform), |train| Base::rate_of(machine, train))?;
            let start = self.reverse.then(|| self.start(machine, train));
            Partition::anneal(&self.ais(base), machine, start.transpose()?, progress)?
        };
        let Some(examples) = examples else {
            return Ok(Measures::of(z, 0));
        };
        let rows = Rows::from(examples);
        let mut measures = Measures::of(z, examples.len());
        if examples.observed().is_some() {
            let log_sums = machine.log_sums_over_missing(rows)?;
            let z = &measures.partition;
            measures.likelihood = Some(Mean::of(rows, &log_sums, z).and_error_of(z));
            measures.observed = Some(Observed::Enumerated);
            measures.log_sums = log_sums;
            return Ok(measures);
        }
        let v = rows.complete(NAME)?;
        let z = &measures.partition;
        let mut log_sums = None;
        if examples.len() as u64 > MOST_STATES >> hidden.min(63) {
            let (bounds, convergence) = machine.mean_field_bounds(v, &MeanField::default())?;
            measures.bound = Some(Mean::of(rows, &bounds, z));
            measures.log_sums = bounds;
            measures.mean_field = Some(convergence);
        } else {
            let free = machine.free_energy(v, 1.0)?;
            let sums: Vec<f64> = free.iter().map(|f| -f).collect();
            measures.likelihood = Some(Mean::of(rows, &sums, z).and_error_of(z));
            log_sums = Some(sums);
        }
        if let Some(wanted) = self.raise {
            let log_sums = log_sums.as_deref();
            measures.raise = Some(raised(wanted, machine, examples, z, log_sums, progress)?);
        }
        if let Some(sums) = log_sums {
            measures.log_sums = sums;
        }
        if machine.n_hidden() == 0 {
            let some = examples.head(PSEUDO_LIKELIHOOD_EXAMPLES);
            let mean = pseudo_likelihood(machine, &some)?;
            measures.pseudo_likelihood = Some((mean, some.len()));
        }
        Ok(measures)
    }
}

/// RAISE of the first examples, along the temperatures of `z`; `log_sums` are `ln p*` of the
/// examples, where they are known.
fn raised(
    (count, chains): (usize, usize),
    machine: &dyn Annealed,
    examples: &Examples,
    z: &Partition,
    log_sums: Option<&[f64]>,
    progress: &mut dyn Progress,
) -> Result<Raised> {
    let Some((ais, _)) = &z.annealed else {
        return Err(Error::parameter("ln Z beside RAISE", "annealed", "exact"));
    };
    let some = examples.head(count);
    let ais = Ais {
        chains,
        ..ais.clone()
    };
    let raise = ais.raise(machine, &some, progress)?;
    let gap = log_sums.map(|log_sums| {
        let pairs = log_sums.iter().zip(&raise.log_likelihoods);
        Rows::from(&some).mean(pairs.map(|(x, raised)| x - z.log_z - raised))
    });
    Ok(Raised { raise, chains, gap })
}
