//! The log-likelihood of examples: exact, or with `ln Z` from annealed importance sampling.

use crate::{
    args::Split,
    data::{self, Data},
    failure::{Failure, Outcome, note},
};
use harmonium::{
    Error,
    dataset::{Binarization, Examples},
    evaluate::{Ais, Base, exact_mean_log_likelihood},
    kernel::reduce::mean_and_standard_error,
    model::{MAX_EXACT_UNITS, Rbm},
};
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;

/// Chains of annealed importance sampling unless told otherwise.
pub const DEFAULT_CHAINS: usize = 100;
/// Inverse temperatures of annealed importance sampling unless told otherwise.
pub const DEFAULT_BETAS: usize = 10_000;

/// How `ln Z` is found.
#[derive(Clone, Debug)]
pub enum Way {
    /// By enumeration.
    Exact,
    /// By annealed importance sampling.
    Ais(Ais),
}

impl Way {
    /// Annealed importance sampling from the base rate of `train`.
    pub fn ais(train: &Examples, chains: usize, betas: usize, seed: u64) -> Self {
        Self::Ais(Ais {
            chains,
            betas,
            base: Base::rate_of(train),
            seed,
        })
    }
}

/// A log-likelihood with its uncertainty, in nats.
#[derive(Clone, Debug)]
pub struct Likelihood {
    /// `ln Z`.
    pub log_z: f64,
    /// Interval of `ln Z`; both ends are `log_z` if that is exact.
    pub interval: (f64, f64),
    /// Mean over the examples.
    pub mean: f64,
    /// Of the mean, that of `ln Z` included.
    pub standard_error: f64,
    /// Examples.
    pub count: usize,
    /// The part of the data that they are.
    pub split: Split,
    /// Of the chains; `None` if `ln Z` is exact.
    pub effective_sample_size: Option<f64>,
}

impl Likelihood {
    /// Measures binary `examples`, telling `progress(done, all)` of the temperatures; `None` if it breaks.
    ///
    /// # Errors
    /// Those of the library, and grey examples.
    pub fn measure(
        rbm: &Rbm,
        examples: &Examples,
        split: Split,
        way: &Way,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Outcome<Option<Self>> {
        let count = examples.len();
        if !rbm.is_bernoulli() {
            let Way::Exact = way else {
                return Err(Failure::usage(format!(
                    "annealed importance sampling is for Bernoulli units, not for {}, {}",
                    rbm.visible().units,
                    rbm.hidden().units
                ))
                .hint("--exact enumerates the layer with fewer states, at most 2^30"));
            };
            let (mean, standard_error, log_z) =
                exact_mean_log_likelihood(rbm, data::input(examples))?;
            return Ok(Some(Self::exact(mean, standard_error, log_z, count, split)));
        }
        let Some(bits) = examples.bits() else {
            return Err(Failure::usage(
                "--binarize none: a machine of binary units gives grey values no likelihood",
            )
            .hint("choose --binarize sample or --binarize threshold"));
        };
        match way {
            Way::Exact => {
                let (mean, standard_error, log_z) =
                    exact_mean_log_likelihood(rbm, bits).map_err(|error| {
                        let too_large = matches!(error, Error::Parameter { .. });
                        let failure = Failure::from(error);
                        if too_large {
                            failure.hint(format!(
                                "--exact is for machines with a layer of at most {MAX_EXACT_UNITS} units; leave it out for AIS"
                            ))
                        } else {
                            failure
                        }
                    })?;
                Ok(Some(Self::exact(mean, standard_error, log_z, count, split)))
            }
            Way::Ais(ais) => {
                let Some(log_z) = ais.log_z_with(rbm, progress)? else {
                    return Ok(None);
                };
                let free = rbm.free_energy_v(bits, 1.0)?;
                let (free, error) = mean_and_standard_error(free);
                Ok(Some(Self {
                    log_z: log_z.estimate,
                    interval: (log_z.low, log_z.high),
                    mean: -free - log_z.estimate,
                    standard_error: error.hypot(log_z.standard_error),
                    count,
                    split,
                    effective_sample_size: Some(log_z.effective_sample_size),
                }))
            }
        }
    }

    fn exact(mean: f64, standard_error: f64, log_z: f64, count: usize, split: Split) -> Self {
        Self {
            log_z,
            interval: (log_z, log_z),
            mean,
            standard_error,
            count,
            split,
            effective_sample_size: None,
        }
    }

    /// `exact` or `ais`.
    pub fn method(&self) -> &'static str {
        match self.effective_sample_size {
            None => "exact",
            Some(_) => "ais",
        }
    }

    /// The mean with the ends of the interval of `ln Z` in place of its estimate.
    pub fn mean_interval(&self) -> (f64, f64) {
        let (low, high) = self.interval;
        (self.mean + self.log_z - high, self.mean + self.log_z - low)
    }

    /// As `evaluate --json` and `train --json` print it.
    pub fn json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.into(), value);
        put("log_z", json!(self.log_z));
        put("log_z_low", json!(self.interval.0));
        put("log_z_high", json!(self.interval.1));
        put("method", json!(self.method()));
        put("mean_log_likelihood", json!(self.mean));
        put("standard_error", json!(self.standard_error));
        put("count", json!(self.count));
        put("split", json!(self.split.name()));
        if let Some(size) = self.effective_sample_size {
            put("effective_sample_size", json!(size));
        }
        map
    }

    /// The rows of a table.
    pub fn rows(&self) -> Vec<[String; 3]> {
        let (low, high) = self.mean_interval();
        let interval = match self.effective_sample_size {
            None => "exact".to_owned(),
            Some(_) => format!("interval {low:.2} .. {high:.2}"),
        };
        let log_z = match self.effective_sample_size {
            None => "by enumeration".to_owned(),
            Some(size) => format!(
                "AIS, interval {:.2} .. {:.2}, effective sample size {size:.0}",
                self.interval.0, self.interval.1
            ),
        };
        vec![
            [
                format!("{} log-likelihood", self.split.name()),
                format!("{:.2} nats", self.mean),
                interval,
            ],
            [
                "standard error".into(),
                format!("{:.2} nats", self.standard_error),
                format!("of the mean over {} examples and of ln Z", self.count),
            ],
            ["ln Z".into(), format!("{:.2} nats", self.log_z), log_z],
        ]
    }
}

/// The examples to measure: the test part if it is asked for and there, else the training part.
pub fn examples(data: &Data, split: Split) -> (&Examples, Split) {
    match (&data.test, split) {
        (Some(test), Split::Test) => (test, Split::Test),
        (None, Split::Test) => {
            note(format!(
                "{} has no test part: measuring the training part",
                data.name
            ));
            (&data.train, Split::Train)
        }
        (_, Split::Train) => (&data.train, Split::Train),
    }
}

/// Whether `ln Z` can be enumerated over at most `2^units` states.
pub fn is_small(rbm: &Rbm, units: usize) -> bool {
    let fewest = [rbm.visible(), rbm.hidden()]
        .into_iter()
        .filter_map(|layer| layer.states())
        .fold(f64::INFINITY, f64::min);
    fewest <= (units as f64).exp2()
}

/// Grey examples drawn once as bits, which a likelihood needs; bits stay as they are.
pub fn drawn(data: Data, seed: u64) -> Data {
    let first_validation = data.train.len();
    let first_test = first_validation + data.validation.as_ref().map_or(0, Examples::len);
    let draw = |part: Examples, first: usize| part.binarized(Binarization::Sampled, seed, first);
    Data {
        name: data.name,
        train: draw(data.train, 0),
        validation: data.validation.map(|part| draw(part, first_validation)),
        test: data.test.map(|part| draw(part, first_test)),
    }
}

/// Whether the examples are grey.
pub fn is_grey(data: &Data) -> bool {
    data.train.bits().is_none() || data.test.as_ref().is_some_and(|test| test.bits().is_none())
}

/// Refuses data of another width than the machine.
pub fn check_width(rbm: &Rbm, data: &Data) -> Outcome<()> {
    let (units, columns) = (rbm.n_visible(), data::input(&data.train).columns());
    if units == columns {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "the model has {units} visible units, but {} has {columns} values an example",
        data.name
    ))
    .hint("name the kind of data that the model was trained on with --data"))
}
