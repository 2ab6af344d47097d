//! The variational lower bound of a deep Boltzmann machine, with `ln Z` from annealing both ways or
//! from enumeration.

use crate::{
    args::Split,
    failure::Outcome,
    run::annealed::{self, Progress, stage},
    run::likelihood::{DEFAULT_BURN_IN, DEFAULT_CHAINS, is_of},
};
use harmonium::{
    Examples,
    evaluate::{Ais, Base, Betas, Bracket, DbmBound, RESPONDING_ABOVE, ReverseStart},
    kernel::reduce::mean_and_standard_error,
    model::{Convergence, Dbm, MeanField},
};
use serde_json::{Map, Value, json};

/// Training examples that the base of annealing is taken from, and among which reverse chains
/// start.
const BASE_EXAMPLES: usize = 10_000;

/// How `ln Z` is bracketed.
#[derive(Clone, Debug)]
pub struct Annealing {
    /// Of each direction.
    pub chains: usize,
    /// Temperatures.
    pub betas: Betas,
    /// Gibbs sweeps before reverse annealing.
    pub burn_in: usize,
    /// Whether reverse chains start at states that forward annealing reaches, where they cannot be
    /// drawn exactly, in place of training examples.
    pub from_annealed: bool,
    /// Of every draw.
    pub seed: u64,
}

impl Default for Annealing {
    fn default() -> Self {
        Self {
            chains: DEFAULT_CHAINS,
            betas: Betas::SalakhutdinovMurray,
            burn_in: DEFAULT_BURN_IN,
            from_annealed: false,
            seed: 0,
        }
    }
}

/// What is known of `ln Z`.
enum LogZ {
    Exact(f64),
    Annealed {
        bracket: Box<Bracket>,
        ais: Ais,
        start: ReverseStart,
    },
}

/// The bound of some examples, and their likelihood where it is known.
pub struct LowerBound {
    bound: DbmBound,
    log_z: LogZ,
    /// Exact mean of the likelihood and its standard error.
    exact: Option<(f64, f64)>,
    split: Split,
}

impl LowerBound {
    /// Of binary `examples`, with the base of annealing and the starts of its reverse chains from
    /// the first of `train`.
    ///
    /// # Errors
    /// Those of the library: units of other kinds, examples of another width; stopped if
    /// `progress` breaks.
    pub fn annealed(
        dbm: &Dbm,
        train: &Examples,
        (examples, split): (&Examples, Split),
        annealing: &Annealing,
        progress: &mut Progress<'_>,
    ) -> Outcome<Self> {
        let options = MeanField::default();
        let train = train.head(BASE_EXAMPLES);
        let ais = Ais {
            chains: annealing.chains,
            betas: annealing.betas.clone(),
            base: Base::rate_of_dbm(dbm, &train, &options)?,
            seed: annealing.seed,
        };
        let start = ReverseStart::suited_to_dbm(
            dbm,
            &train,
            annealing.chains,
            annealing.burn_in,
            annealing.seed,
        )?;
        let start = match start {
            ReverseStart::Gibbs { burn_in, .. } if annealing.from_annealed => {
                ReverseStart::Annealed { burn_in }
            }
            start => start,
        };
        let (rbm, ais) = ais.for_dbm(dbm)?;
        let ais = annealed::with_ladder(&ais, &rbm)?;
        let bracket = annealed::both_ways(&ais, &rbm, &start, progress)?;
        Ok(Self {
            bound: DbmBound::new(dbm, examples, &options, &mut stage(progress, "bound"))?,
            log_z: LogZ::Annealed {
                bracket: Box::new(bracket),
                ais,
                start,
            },
            exact: None,
            split,
        })
    }

    /// With an enumerated `ln Z`, and the likelihood of the `examples` too if it is asked for.
    ///
    /// # Errors
    /// Those of the library: layers that are too large.
    pub fn enumerated(
        dbm: &Dbm,
        (examples, split): (&Examples, Split),
        likelihood: bool,
    ) -> Outcome<Self> {
        let log_z = dbm.log_z(&mut ())?;
        let v = examples.input();
        let exact = if likelihood {
            let sums = dbm.log_sums_over_hidden(v, &mut ())?.into_iter();
            Some(mean_and_standard_error(sums.map(|x| x - log_z)))
        } else {
            None
        };
        Ok(Self {
            bound: DbmBound::new(dbm, v, &MeanField::default(), &mut ())?,
            log_z: LogZ::Exact(log_z),
            exact,
            split,
        })
    }

    /// The mean with the upper end of what is known of `ln Z`, the best estimate and the lower end:
    /// worst, estimate, best. And the standard error over the examples.
    pub fn ends(&self) -> ([f64; 3], f64) {
        let (log_z, low, high) = match &self.log_z {
            LogZ::Exact(z) => (*z, *z, *z),
            LogZ::Annealed { bracket, .. } => {
                (bracket.bennett.estimate, bracket.low(), bracket.high())
            }
        };
        let error = self.bound.mean(log_z).1;
        ([high, log_z, low].map(|z| self.bound.mean(z).0), error)
    }

    /// `ln w` of the chains of every direction, forward first.
    pub fn log_weights(&self) -> Vec<&[f64]> {
        match &self.log_z {
            LogZ::Exact(_) => Vec::new(),
            LogZ::Annealed { bracket, .. } => {
                vec![&bracket.forward.log_weights, &bracket.reverse.log_weights]
            }
        }
    }

    /// As `evaluate --json` prints it.
    pub fn json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.into(), value);
        if let Some((mean, error)) = self.exact {
            put("mean_log_likelihood", json!(mean));
            put("standard_error", json!(error));
        }
        put("log_likelihood_of", json!(is_of(false)));
        let ([low, mean, high], error) = self.ends();
        put("lower_bound", json!(mean));
        put("lower_bound_low", json!(low));
        put("lower_bound_high", json!(high));
        put("lower_bound_error", json!(error));
        let convergence = self.bound.convergence;
        put("mean_field_iterations", json!(convergence.iterations));
        put("mean_field_change", json!(convergence.change));
        let hidden = self.bound.hidden.iter();
        let responding: Vec<usize> = hidden.map(|x| x.responding(RESPONDING_ABOVE)).collect();
        put("responding_units", json!(responding));
        match &self.log_z {
            LogZ::Exact(z) => {
                put("method", json!("exact"));
                for key in ["log_z", "log_z_low", "log_z_high"] {
                    put(key, json!(z));
                }
            }
            LogZ::Annealed {
                bracket,
                ais,
                start,
            } => {
                let warnings = bracket.warnings();
                let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
                let size = bracket.forward.effective_sample_size;
                put("method", json!("ais"));
                put("log_z", json!(bracket.bennett.estimate));
                put("log_z_low", json!(bracket.low()));
                put("log_z_high", json!(bracket.high()));
                put("effective_sample_size", json!(size));
                put("chains", json!(ais.chains));
                put("betas", json!(ais.betas.steps()));
                put("warnings", json!(warnings));
                map.extend(annealed::json(start, bracket));
            }
        }
        map
    }

    /// The rows of a table.
    pub fn rows(&self) -> Vec<[String; 3]> {
        let nats = |x: f64| format!("{x:.2} nats");
        let ([low, mean, high], error) = self.ends();
        let mut rows = Vec::new();
        let name = self.split.name();
        if let Some((mean, error)) = self.exact {
            rows.push([
                format!("{name} log-likelihood"),
                nats(mean),
                format!(
                    "of {}, exact, standard error over the examples {error:.2}",
                    is_of(false)
                ),
            ]);
        }
        let interval = match &self.log_z {
            LogZ::Exact(_) => format!("of {}, exact ln Z", is_of(false)),
            LogZ::Annealed { .. } => format!("of {}, interval {low:.2} .. {high:.2}", is_of(false)),
        };
        rows.push([format!("{name} lower bound"), nats(mean), interval]);
        rows.push([
            "standard error".into(),
            nats(error),
            format!(
                "of the mean bound over {} examples",
                self.bound.bounds.len()
            ),
        ]);
        rows.push(mean_field_row(self.bound.convergence));
        for (l, hidden) in (1..).zip(&self.bound.hidden) {
            rows.push([
                format!("hidden layer {l}"),
                format!("{} units respond", hidden.responding(RESPONDING_ABOVE)),
                format!(
                    "of {}: posterior means that vary by more than {RESPONDING_ABOVE} over the examples",
                    hidden.mean.len()
                ),
            ]);
        }
        match &self.log_z {
            LogZ::Exact(z) => rows.push(["ln Z".into(), nats(*z), "by enumeration".into()]),
            LogZ::Annealed { bracket, start, .. } => {
                rows.extend(annealed::rows(&bracket.forward, Some((start, bracket))));
                let warnings = bracket.warnings();
                let row = |w: &_| ["warning".into(), format!("{w}"), String::new()];
                rows.extend(warnings.iter().map(row));
            }
        }
        rows
    }
}

/// How mean field with its defaults ended, as the row of a table.
pub fn mean_field_row(done: Convergence) -> [String; 3] {
    let remark = match done.is_within(&MeanField::default()) {
        true => "at most",
        false => "the limit",
    };
    [
        "mean field".into(),
        format!("{} iterations", done.iterations),
        format!("{remark}, last change {:.0e}", done.change),
    ]
}
