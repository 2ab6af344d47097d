//! What is measured of examples of which values are missing.

use super::{Mean, Measure, Measures, Partition};
use crate::{
    dataset::{Examples, Rows},
    error::{Error, Result},
    evaluate::{Ais, Base},
    model::{Dbm, Missing, Model, Rbm},
    progress::Progress,
};
use std::collections::HashSet;

/// Sums over what is missing are enumerated, unless that is asked for anyway, where all examples
/// together have at most so many states: a minute.
const MOST_STATES: f64 = (1 << 28) as f64;

/// How `ln p*` of what was observed of an example was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// By the sum over what is missing.
    Enumerated,
    /// By annealing what is missing with so many chains for each example: on average from below.
    Annealed(usize),
    /// Under the machine of the observed units alone, with a `ln Z` of its own, by enumeration
    /// ([`Missing::Absent`]).
    Absent,
}

/// States of the machines that have the observed units of an example each, every one once.
fn states_of_own_machines(rbm: &Rbm, rows: Rows<'_>) -> f64 {
    let Some(mask) = rows.observed() else {
        return 0.0;
    };
    let hidden = rbm.hidden().states().unwrap_or(f64::INFINITY);
    let kept: HashSet<Vec<usize>> = (0..mask.rows()).map(|i| mask.ones(i).collect()).collect();
    let of = |units: &Vec<usize>| {
        let part = rbm.visible().units.segments().iter().map(|s| {
            let observed = units.iter().filter(|i| s.range().contains(i));
            s.kind.states(observed.count())
        });
        part.product::<f64>().min(hidden)
    };
    kept.iter().map(of).sum()
}

impl Measure {
    /// Why examples with missing values are out of reach of a machine, if they are.
    pub(super) fn missing_out_of_reach(&self, model: &Model, of: &Examples) -> Option<String> {
        of.observed()?;
        let rows = Rows::from(of);
        let too_many = |states: f64| !self.exact && states > MOST_STATES;
        let what = match model {
            Model::Rbm(rbm) if self.missing == Missing::Absent => {
                return too_many(states_of_own_machines(rbm, rows)).then(|| {
                    "without absent units each example has a machine and a ln Z of its own, and these have too many states to enumerate".into()
                });
            }
            Model::Rbm(rbm) => {
                let is_annealed = self.observed.is_some();
                return (too_many(rbm.states_of_missing(rows)) && !is_annealed).then(|| {
                    "what is missing of the examples has too many states to enumerate, and is annealed by `evaluate` alone".into()
                });
            }
            Model::Dbm(dbm) => dbm.states_of_missing(rows),
            Model::Boltzmann(machine) => machine.states_of_missing(rows),
            Model::Dbn(_) | Model::Network(_) => {
                return Some(format!(
                    "a model of kind {} has no likelihood of examples with missing values",
                    model.kind()
                ));
            }
        };
        too_many(what).then(|| {
            "what is missing of the examples, with hidden units, has too many states to enumerate"
                .into()
        })
    }

    /// As [`Self::rbm`], of examples with missing values.
    pub(super) fn rbm_of_observed(
        &self,
        rbm: &Rbm,
        [train, examples]: [&Examples; 2],
        progress: &mut dyn Progress,
    ) -> Result<Measures> {
        if self.raise.is_some() {
            let found = "examples with missing values";
            return Err(Error::parameter("RAISE", "complete examples", found));
        }
        let rows = Rows::from(examples);
        if self.missing == Missing::Absent {
            return own_machines(rbm, rows, progress);
        }
        let z = if self.enumerates(rbm) {
            Partition::exact(rbm.log_z(&mut progress.part(0, 1, 2))?)
        } else {
            let ais = self.ais(Base::rate_of(rbm, train)?);
            let start = self.reverse.then(|| self.start(rbm, Some(train)));
            Partition::anneal(&ais, rbm, start.transpose()?, &mut progress.part(0, 1, 2))?
        };
        let mut rest = progress.part(1, 1, 2);
        let is_summed = self.exact || rbm.states_of_missing(rows) <= MOST_STATES;
        let some;
        let (rows, log_sums, errors, how) = match (is_summed, self.observed) {
            (false, Some((count, chains))) => {
                some = examples.head(count);
                let rows = Rows::from(&some);
                let ais = Ais {
                    chains,
                    ..self.ais(Base::rate_of(rbm, train)?)
                };
                let found = ais.log_sums_over_missing(rbm, rows, &mut rest)?;
                let sums: Vec<f64> = found.iter().map(|x| x.estimate).collect();
                let errors = found.iter().map(|x| x.standard_error).collect();
                (rows, sums, errors, Observed::Annealed(chains))
            }
            _ => {
                let sums = rbm.log_sums_over_missing(rows, &mut rest)?;
                (rows, sums, Vec::new(), Observed::Enumerated)
            }
        };
        let mut mean = Mean::of(rows, &log_sums, &z).and_error_of(&z);
        let share = rows.share();
        let squares = errors.iter().enumerate();
        let squares: f64 = squares.map(|(i, &x)| share(i, x).powi(2)).sum();
        mean.standard_error = mean.standard_error.hypot(squares.sqrt());
        Ok(Measures {
            likelihood: Some(mean),
            with_label: rbm.label_group().is_some(),
            observed: Some(how),
            log_sums,
            ..Measures::of(z, rows.input().rows())
        })
    }

    /// As [`Self::dbm`], of examples with missing values: the likelihood alone.
    pub(super) fn dbm_of_observed(
        &self,
        dbm: &Dbm,
        z: Partition,
        examples: &Examples,
        progress: &mut dyn Progress,
    ) -> Result<Measures> {
        let rows = Rows::from(examples);
        let log_sums = dbm.log_sums_over_missing(rows, progress)?;
        Ok(Measures {
            likelihood: Some(Mean::of(rows, &log_sums, &z).and_error_of(&z)),
            observed: Some(Observed::Enumerated),
            log_sums,
            ..Measures::of(z, examples.len())
        })
    }
}

/// The likelihood of each example under the machine of its own units.
fn own_machines(rbm: &Rbm, rows: Rows<'_>, progress: &mut dyn Progress) -> Result<Measures> {
    let missing = Missing::Absent;
    let log_p = rbm.exact_log_p_observed(rows, missing, progress)?;
    let none = Partition::exact(0.0);
    Ok(Measures {
        likelihood: Some(Mean::of(rows, &log_p, &none)),
        with_label: rbm.label_group().is_some(),
        observed: Some(Observed::Absent),
        log_sums: log_p,
        ..Measures::of(none, rows.input().rows())
    })
}
