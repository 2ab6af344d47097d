//! The variational lower bound of a deep Boltzmann machine, with `ln Z` from annealing both ways or from enumeration.

use crate::{
    annealed::{self, Progress},
    args::Split,
    data::input,
    failure::Outcome,
    likelihood::{DEFAULT_BURN_IN, DEFAULT_CHAINS},
};
use harmonium::{
    Examples,
    evaluate::{Ais, Base, Betas, Bracket, DbmBound, ReverseStart},
    kernel::reduce::{log_sum_exp, mean_and_standard_error},
    model::{Convergence, Dbm, MeanField},
};
use serde_json::{Map, Value, json};

/// Training examples that the base of annealing is taken from, and among which reverse chains start.
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
    /// Whether reverse chains start at states that forward annealing reaches, where they cannot be drawn exactly, in place of training examples.
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
    /// Of the machine given each class, with the bias of the class: `ln Z = ln sum_y e^(d_y + ln Z_y)`.
    ByClass {
        parts: Vec<(f64, Bracket)>,
        ais: Ais,
    },
}

impl LogZ {
    /// Low end, estimate, high end.
    fn known(&self) -> [f64; 3] {
        match self {
            Self::Exact(z) => [*z; 3],
            Self::Annealed { bracket, .. } => of_bracket(bracket),
            Self::ByClass { parts, .. } => [0, 1, 2].map(|k| {
                let terms = parts.iter().map(|(bias, part)| bias + of_bracket(part)[k]);
                log_sum_exp(&terms.collect::<Vec<_>>())
            }),
        }
    }

    /// All that speaks against the estimates.
    fn warnings(&self) -> Vec<String> {
        let told = |bracket: &Bracket, whose: &str| -> Vec<String> {
            let warnings = bracket.warnings();
            warnings.iter().map(|w| format!("{whose}{w}")).collect()
        };
        match self {
            Self::Exact(_) => Vec::new(),
            Self::Annealed { bracket, .. } => told(bracket, ""),
            Self::ByClass { parts, .. } => {
                let parts = parts.iter().enumerate();
                parts
                    .flat_map(|(y, (_, part))| told(part, &format!("class {y}: ")))
                    .collect()
            }
        }
    }
}

fn of_bracket(bracket: &Bracket) -> [f64; 3] {
    [bracket.low(), bracket.bennett.estimate, bracket.high()]
}

/// Annealing of a machine of Bernoulli units, both ways; `None` if `progress` breaks.
fn bracket(
    dbm: &Dbm,
    train: &Examples,
    annealing: &Annealing,
    progress: &mut Progress<'_>,
) -> Outcome<Option<(Bracket, Ais, ReverseStart)>> {
    let train = train.head(BASE_EXAMPLES);
    let (chains, seed) = (annealing.chains, annealing.seed);
    let ais = Ais {
        chains,
        betas: annealing.betas.clone(),
        base: Base::rate_of_dbm(dbm, &train, &MeanField::default())?,
        seed,
    };
    let start = ReverseStart::suited_to_dbm(dbm, &train, chains, annealing.burn_in, seed)?;
    let start = match start {
        ReverseStart::Gibbs { burn_in, .. } if annealing.from_annealed => {
            ReverseStart::Annealed { burn_in }
        }
        start => start,
    };
    let (rbm, ais) = ais.for_dbm(dbm)?;
    let ais = annealed::with_ladder(&ais, &rbm)?;
    let bracket = annealed::both_ways(&ais, &rbm, &start, progress)?;
    Ok(bracket.map(|bracket| (bracket, ais, start)))
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
    /// Of binary `examples`, with the base of annealing and the starts of its reverse chains from the first of `train`; of a machine with labels there is an annealing for
    /// each class. `None` if `progress` breaks.
    ///
    /// # Errors
    /// Those of the library: units of other kinds, examples of another width.
    pub fn annealed(
        dbm: &Dbm,
        train: &Examples,
        (examples, split): (&Examples, Split),
        annealing: &Annealing,
        progress: &mut Progress<'_>,
    ) -> Outcome<Option<Self>> {
        let log_z = if let Some(classes) = dbm.classes() {
            let mut parts = Vec::with_capacity(classes);
            let mut of_all = None;
            for y in 0..classes {
                let part = dbm.given_class(y)?;
                let bias = f64::from(dbm.layer(dbm.n_layers() - 1).bias[y]);
                let Some((found, ais, _)) = bracket(&part, train, annealing, progress)? else {
                    return Ok(None);
                };
                parts.push((bias, found));
                of_all = Some(ais);
            }
            let ais = of_all.expect("a softmax group has a class");
            LogZ::ByClass { parts, ais }
        } else {
            let Some((found, ais, start)) = bracket(dbm, train, annealing, progress)? else {
                return Ok(None);
            };
            LogZ::Annealed {
                bracket: Box::new(found),
                ais,
                start,
            }
        };
        Ok(Some(Self {
            bound: DbmBound::new(dbm, input(examples), &MeanField::default())?,
            log_z,
            exact: None,
            split,
        }))
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
        let log_z = dbm.log_z()?;
        let v = input(examples);
        let exact = if likelihood {
            let sums = dbm.log_sums_over_hidden(v)?.into_iter();
            Some(mean_and_standard_error(sums.map(|x| x - log_z)))
        } else {
            None
        };
        Ok(Self {
            bound: DbmBound::new(dbm, v, &MeanField::default())?,
            log_z: LogZ::Exact(log_z),
            exact,
            split,
        })
    }

    /// The mean with the upper end of what is known of `ln Z`, the best estimate and the lower end: worst, estimate, best. And the standard error over the
    /// examples.
    pub fn ends(&self) -> ([f64; 3], f64) {
        let [low, log_z, high] = self.log_z.known();
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
            LogZ::ByClass { parts, .. } => {
                let of = |x: fn(&Bracket) -> &[f64]| parts.iter().map(move |(_, part)| x(part));
                let forward = of(|x| &x.forward.log_weights);
                forward.chain(of(|x| &x.reverse.log_weights)).collect()
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
        let ([low, mean, high], error) = self.ends();
        put("lower_bound", json!(mean));
        put("lower_bound_low", json!(low));
        put("lower_bound_high", json!(high));
        put("lower_bound_error", json!(error));
        let convergence = self.bound.convergence;
        put("mean_field_iterations", json!(convergence.iterations));
        put("mean_field_change", json!(convergence.change));
        let [low, log_z, high] = self.log_z.known();
        put("log_z", json!(log_z));
        put("log_z_low", json!(low));
        put("log_z_high", json!(high));
        let (LogZ::Annealed { ais, .. } | LogZ::ByClass { ais, .. }) = &self.log_z else {
            put("method", json!("exact"));
            return map;
        };
        put("method", json!("ais"));
        put("chains", json!(ais.chains));
        put("betas", json!(ais.betas.steps()));
        put("warnings", json!(self.log_z.warnings()));
        match &self.log_z {
            LogZ::Exact(_) => {}
            LogZ::Annealed { bracket, start, .. } => {
                let size = bracket.forward.effective_sample_size;
                put("effective_sample_size", json!(size));
                map.extend(annealed::json(start, bracket));
            }
            LogZ::ByClass { parts, .. } => {
                // Of the class whose chains are worth least.
                for (key, of) in [
                    ("effective_sample_size", forward_size as fn(&Bracket) -> f64),
                    ("reverse_effective_sample_size", reverse_size),
                ] {
                    put(key, json!(least(parts, of)));
                }
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
                format!("exact, standard error over the examples {error:.2}"),
            ]);
        }
        let interval = match &self.log_z {
            LogZ::Exact(_) => "exact ln Z".to_owned(),
            _ => format!("interval {low:.2} .. {high:.2}"),
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
        match &self.log_z {
            LogZ::Exact(z) => rows.push(["ln Z".into(), nats(*z), "by enumeration".into()]),
            LogZ::Annealed { bracket, start, .. } => {
                rows.extend(annealed::rows(&bracket.forward, Some((start, bracket))));
            }
            LogZ::ByClass { parts, .. } => {
                let [low, log_z, high] = self.log_z.known();
                rows.push([
                    "ln Z".into(),
                    nats(log_z),
                    format!(
                        "Bennett, from {} classes; effective sample sizes at least {:.0} and in reverse {:.0}",
                        parts.len(),
                        least(parts, forward_size),
                        least(parts, reverse_size)
                    ),
                ]);
                rows.push([
                    "bracket".into(),
                    format!("{low:.2} .. {high:.2}"),
                    "of ln Z: forward low .. reverse high".into(),
                ]);
            }
        }
        let warnings = self.log_z.warnings().into_iter();
        rows.extend(warnings.map(|w| ["warning".into(), w, String::new()]));
        rows
    }
}

fn forward_size(bracket: &Bracket) -> f64 {
    bracket.forward.effective_sample_size
}

fn reverse_size(bracket: &Bracket) -> f64 {
    bracket.reverse.effective_sample_size
}

fn least(parts: &[(f64, Bracket)], of: fn(&Bracket) -> f64) -> f64 {
    let sizes = parts.iter().map(|(_, part)| of(part));
    sizes.fold(f64::INFINITY, f64::min)
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
