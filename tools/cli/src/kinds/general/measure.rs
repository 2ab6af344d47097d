//! What is measured of a general Boltzmann machine: `ln Z`, the likelihood of examples or its
//! bound, and the pseudo-likelihood.

use crate::{
    args::Split,
    failure::{Failure, Outcome},
    run::likelihood::is_of,
};
use harmonium::{
    BoltzmannMachine, Examples, Progress,
    evaluate::{Ais, LogZ, boltzmann_pseudo_likelihood},
    kernel::reduce::mean_and_standard_error,
    model::MeanField,
};
use serde_json::{Map, Value, json};

/// Free energies are enumerated if that takes at most this many states of the hidden units of all
/// examples together.
const MOST_STATES: u64 = 1 << 25;
/// Examples of the pseudo-likelihood.
const PSEUDO_LIKELIHOOD_EXAMPLES: usize = 1000;

/// `ln Z` with its interval.
pub struct Partition {
    /// `ln Z`.
    pub log_z: f64,
    interval: (f64, f64),
    error: f64,
    annealed: Option<(Ais, LogZ)>,
}

impl Partition {
    /// By enumeration, or by annealing if there is something to anneal with.
    ///
    /// # Errors
    /// Those of the library: too many units to enumerate, stopped if `progress` breaks.
    pub fn measure(
        machine: &BoltzmannMachine,
        ais: Option<Ais>,
        progress: &mut dyn Progress,
    ) -> Outcome<Self> {
        let Some(ais) = ais else {
            let log_z = machine.log_z(progress)?;
            return Ok(Self {
                log_z,
                interval: (log_z, log_z),
                error: 0.0,
                annealed: None,
            });
        };
        let z = ais.boltzmann_log_z(machine, progress)?;
        Ok(Self {
            log_z: z.estimate,
            interval: (z.low, z.high),
            error: z.standard_error,
            annealed: Some((ais, z)),
        })
    }

    /// The same of energies that are larger by `constant`.
    pub fn shifted(mut self, constant: f64) -> Self {
        self.log_z -= constant;
        self.interval.0 -= constant;
        self.interval.1 -= constant;
        self
    }

    /// `ln w` of the chains.
    pub fn log_weights(&self) -> Option<&[f64]> {
        self.annealed.as_ref().map(|(_, z)| &z.log_weights[..])
    }

    /// As `evaluate --json` has it.
    pub fn json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.into(), value);
        put("log_z", json!(self.log_z));
        put("log_z_low", json!(self.interval.0));
        put("log_z_high", json!(self.interval.1));
        let Some((ais, z)) = &self.annealed else {
            put("method", json!("exact"));
            return map;
        };
        put("method", json!("ais"));
        put("effective_sample_size", json!(z.effective_sample_size));
        put("chains", json!(ais.chains));
        put("betas", json!(ais.betas.steps()));
        put("seed", json!(ais.seed));
        let warnings = z.warning();
        let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        put("warnings", json!(warnings));
        map
    }

    /// The row of a table.
    pub fn row(&self) -> [String; 3] {
        let how = match &self.annealed {
            None => "by enumeration".into(),
            Some((ais, z)) => {
                let (low, high) = self.interval;
                let mut text = format!(
                    "{low:.2} .. {high:.2}, AIS of {} chains and {} temperatures, effective sample size {:.0}",
                    ais.chains,
                    ais.betas.steps(),
                    z.effective_sample_size
                );
                if let Some(warning) = z.warning() {
                    text.push_str(&format!("; {warning}"));
                }
                text
            }
        };
        ["ln Z".into(), format!("{:.4}", self.log_z), how]
    }
}

/// The mean log-likelihood of examples, or a lower bound of it.
pub struct Likelihood {
    mean: f64,
    error: f64,
    is_bound: bool,
    /// Of a fully visible machine, with the number of examples that it is the mean of.
    pseudo: Option<(f64, usize)>,
    count: usize,
    split: Split,
    /// The mean with the ends of the interval of `ln Z`, if that is estimated.
    interval: Option<(f64, f64)>,
}

impl Likelihood {
    /// Of binary `examples`, whose machine has the partition function `z`.
    ///
    /// # Errors
    /// Gray examples; those of the library.
    pub fn measure(
        machine: &BoltzmannMachine,
        examples: &Examples,
        split: Split,
        z: &Partition,
    ) -> Outcome<Self> {
        if examples.bits().is_none() {
            return Err(Failure::usage(
                "--binarize none: a machine of binary units gives gray values no likelihood",
            )
            .hint("choose --binarize sample or --binarize threshold"));
        }
        let v = examples.input();
        let (_, hidden) = machine.enumerated_units()?;
        let is_bound = examples.len() as u64 > MOST_STATES >> hidden.min(63);
        // ln of sums over hidden units, or less.
        let log_sums = if is_bound {
            machine.mean_field(v, MeanField::default(), None)?.bounds
        } else {
            let free = machine.free_energy(v, 1.0)?;
            free.into_iter().map(|f| -f).collect()
        };
        let (mean, error) = mean_and_standard_error(log_sums.into_iter().map(|x| x - z.log_z));
        let pseudo = if machine.n_hidden() == 0 {
            let some = examples.head(PSEUDO_LIKELIHOOD_EXAMPLES);
            let mean = boltzmann_pseudo_likelihood(machine, &some)?;
            Some((mean, some.len()))
        } else {
            None
        };
        let (low, high) = z.interval;
        Ok(Self {
            mean,
            error: error.hypot(z.error),
            is_bound,
            pseudo,
            count: examples.len(),
            split,
            interval: z
                .annealed
                .is_some()
                .then_some((mean + (z.log_z - high), mean + (z.log_z - low))),
        })
    }

    /// As `evaluate --json` has it.
    pub fn json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.into(), value);
        if self.is_bound {
            put("lower_bound", json!(self.mean));
            put("lower_bound_error", json!(self.error));
        } else {
            put("mean_log_likelihood", json!(self.mean));
            put("standard_error", json!(self.error));
        }
        put("log_likelihood_of", json!(is_of(false)));
        put("count", json!(self.count));
        put("split", json!(self.split.name()));
        if let Some((mean, _)) = self.pseudo {
            put("pseudo_likelihood", json!(mean));
        }
        map
    }

    /// The rows of a table.
    pub fn rows(&self) -> Vec<[String; 3]> {
        let nats = |x: f64| format!("{x:.2} nats");
        let what = if self.is_bound {
            "lower bound"
        } else {
            "log-likelihood"
        };
        let how = match (self.is_bound, self.interval) {
            (false, None) => "exact".to_owned(),
            (true, None) => "by mean field, ln Z exact".into(),
            (false, Some((low, high))) => format!("interval {low:.2} .. {high:.2}"),
            (true, Some((low, high))) => format!("by mean field, interval {low:.2} .. {high:.2}"),
        };
        let mut rows = vec![
            [
                format!("{} {what}", self.split.name()),
                nats(self.mean),
                format!("of {}, {how}", is_of(false)),
            ],
            [
                "standard error".into(),
                nats(self.error),
                format!("of the mean over {} examples and of ln Z", self.count),
            ],
        ];
        if let Some((mean, count)) = self.pseudo {
            let of = format!("of {count} {} examples", self.split.name());
            rows.push(["pseudo-likelihood".into(), nats(mean), of]);
        }
        rows
    }
}
