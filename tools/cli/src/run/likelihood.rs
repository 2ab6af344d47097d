//! The log-likelihood of examples: exact, or with `ln Z` from annealed importance sampling.

mod report;

use crate::{
    args::Split,
    failure::{Failure, Outcome, note},
    run::annealed::{self, Progress, stage},
    run::data::{self, Data},
};
use harmonium::{
    BitMatrix, Error, Input,
    dataset::{Binarization, Examples},
    evaluate::{
        Ais, Base, Betas, Bracket, HiddenActivity, LogZ, Raise, ReverseStart, Warning,
        exact_mean_log_likelihood,
    },
    kernel::reduce::mean_and_standard_error,
    model::{MAX_EXACT_UNITS, Rbm},
};

/// Chains of annealed importance sampling unless told otherwise.
pub const DEFAULT_CHAINS: usize = 100;
/// Inverse temperatures of annealed importance sampling unless told otherwise.
pub const DEFAULT_BETAS: usize = 10_000;
/// Gibbs sweeps before reverse annealing unless told otherwise.
pub const DEFAULT_BURN_IN: usize = 1000;
/// Examples of RAISE unless told otherwise.
pub const DEFAULT_RAISE_EXAMPLES: usize = 100;
/// Chains an example of RAISE unless told otherwise.
pub const DEFAULT_RAISE_CHAINS: usize = 10;

/// What a log-likelihood is of, as reports name it: the visible states, beside their label or
/// summed over it.
pub fn is_of(with_label: bool) -> &'static str {
    match with_label {
        true => "ln p(v, y)",
        false => "ln p(v)",
    }
}

/// How `ln Z` is found.
#[derive(Clone, Debug)]
pub enum Way {
    /// By enumeration.
    Exact,
    /// By annealed importance sampling.
    Annealing(Annealing),
}

/// What is annealed.
#[derive(Clone, Debug)]
pub struct Annealing {
    ais: Ais,
    /// Start of the reverse direction, if it is wanted.
    pub reverse: Option<ReverseStart>,
    /// Examples of RAISE and chains of each, if it is wanted.
    pub raise: Option<(usize, usize)>,
}

impl Annealing {
    /// Forward from the base rate of `train`.
    ///
    /// # Errors
    /// Those of [`Base::rate_of`].
    pub fn of(train: &Examples, chains: usize, betas: Betas, seed: u64) -> Outcome<Self> {
        Ok(Self {
            ais: Ais {
                chains,
                betas,
                base: Base::rate_of(train)?,
                seed,
            },
            reverse: None,
            raise: None,
        })
    }

    /// Forward and back, as [`Bracket`] needs it, with the temperatures that do best at their
    /// number (docs/likelihood.md).
    ///
    /// # Errors
    /// Examples of another width than the machine.
    pub fn both_ways(rbm: &Rbm, train: &Examples, seed: u64) -> Outcome<Self> {
        let (chains, burn_in) = (DEFAULT_CHAINS, DEFAULT_BURN_IN);
        Ok(Self {
            reverse: Some(ReverseStart::suited_to(rbm, train, chains, burn_in, seed)?),
            ..Self::of(train, chains, Betas::SalakhutdinovMurray, seed)?
        })
    }
}

/// What annealing found.
#[derive(Clone, Debug)]
struct Annealed {
    ais: Ais,
    forward: LogZ,
    reverse: Option<(ReverseStart, Bracket)>,
    raise: Option<Raised>,
}

/// RAISE beside AIS of the same examples.
#[derive(Clone, Debug)]
struct Raised {
    raise: Raise,
    chains: usize,
    /// Mean and standard error of what the report's `ln Z` says more.
    gap: (f64, f64),
}

impl Annealed {
    fn warnings(&self) -> Vec<Warning> {
        match &self.reverse {
            Some((_, bracket)) => bracket.warnings(),
            None => self.forward.warning().into_iter().collect(),
        }
    }
}

/// A log-likelihood with its uncertainty, in nats.
#[derive(Clone, Debug)]
pub struct Likelihood {
    /// `ln Z`.
    log_z: f64,
    /// Interval of `ln Z`; both ends are `log_z` if that is exact.
    interval: (f64, f64),
    /// Mean over the examples.
    mean: f64,
    /// [What](is_of) it is the mean of.
    of: &'static str,
    /// Of the mean, that of `ln Z` included.
    standard_error: f64,
    /// Examples.
    count: usize,
    /// The part of the data that they are.
    split: Split,
    /// Of the hidden units on the examples, if they are on or off.
    activity: Option<HiddenActivity>,
    /// `None` if `ln Z` is exact.
    annealed: Option<Annealed>,
}

impl Likelihood {
    /// Measures binary `examples`, telling `progress` of the temperatures or blocks of states.
    ///
    /// # Errors
    /// Those of the library (stopped if `progress` breaks), and gray examples.
    pub fn measure(
        rbm: &Rbm,
        examples: &Examples,
        split: Split,
        way: &Way,
        progress: &mut Progress<'_>,
    ) -> Outcome<Self> {
        if !rbm.is_bernoulli() {
            let Way::Exact = way else {
                return Err(not_annealed(rbm));
            };
            return Self::exact(rbm, examples.input(), split, progress);
        }
        let Some(bits) = examples.bits() else {
            return Err(Failure::usage(
                "--binarize none: a machine of binary units gives gray values no likelihood",
            )
            .hint("choose --binarize sample or --binarize threshold"));
        };
        match way {
            Way::Exact => Self::exact(rbm, bits.into(), split, progress),
            Way::Annealing(annealing) => {
                Self::annealed(rbm, examples, bits, split, annealing, progress)
            }
        }
    }

    fn exact(rbm: &Rbm, v: Input<'_>, split: Split, progress: &mut Progress<'_>) -> Outcome<Self> {
        let progress = &mut stage(progress, "enumerating");
        let measured = exact_mean_log_likelihood(rbm, v, progress);
        let (mean, standard_error, log_z) = measured.map_err(|error| {
                let too_large = rbm.is_bernoulli() && matches!(error, Error::Parameter { .. });
                let failure = Failure::from(error);
                if too_large {
                    failure.hint(format!(
                        "--exact is for machines with a layer of at most {MAX_EXACT_UNITS} units; leave it out for AIS"
                    ))
                } else {
                    failure
                }
            })?;
        Ok(Self {
            log_z,
            interval: (log_z, log_z),
            mean,
            of: is_of(rbm.label_group().is_some()),
            standard_error,
            count: v.rows(),
            split,
            activity: activity(rbm, v)?,
            annealed: None,
        })
    }

    fn annealed(
        rbm: &Rbm,
        examples: &Examples,
        bits: &BitMatrix,
        split: Split,
        annealing: &Annealing,
        progress: &mut Progress<'_>,
    ) -> Outcome<Self> {
        let ais = annealed::with_ladder(&annealing.ais, rbm)?;
        let forward = ais.log_z(rbm, &mut stage(progress, "annealing"))?;
        let reverse = match &annealing.reverse {
            None => None,
            Some(start) => {
                let both = annealed::back(&ais, rbm, start, forward.clone(), progress)?;
                Some((start.clone(), both))
            }
        };
        let (log_z, log_z_error, interval) = match &reverse {
            None => (
                forward.estimate,
                forward.standard_error,
                (forward.low, forward.high),
            ),
            Some((_, bracket)) => (
                bracket.bennett.estimate,
                bracket.bennett.standard_error,
                (bracket.low(), bracket.high()),
            ),
        };
        let free = rbm.free_energy(bits, 1.0)?;
        let raise = match annealing.raise {
            None => None,
            Some((count, chains)) => {
                let some = bits.view_rows(0..count.min(bits.rows())).to_owned();
                let ais = Ais {
                    chains,
                    ..ais.clone()
                };
                let raise = ais.raise(rbm, &some, &mut stage(progress, "annealing examples"))?;
                let gap = free
                    .iter()
                    .zip(&raise.log_likelihoods)
                    .map(|(free, raised)| -free - log_z - raised);
                let gap = mean_and_standard_error(gap);
                Some(Raised { raise, chains, gap })
            }
        };
        let (free, error) = mean_and_standard_error(free);
        Ok(Self {
            log_z,
            interval,
            mean: -free - log_z,
            of: is_of(rbm.label_group().is_some()),
            standard_error: error.hypot(log_z_error),
            count: examples.len(),
            split,
            activity: activity(rbm, bits.into())?,
            annealed: Some(Annealed {
                ais,
                forward,
                reverse,
                raise,
            }),
        })
    }

    /// Mean over the examples.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The mean with the ends of the interval of `ln Z` in place of its estimate.
    pub fn mean_interval(&self) -> (f64, f64) {
        let (low, high) = self.interval;
        // In this order an exact `ln Z` leaves no rounding.
        (
            self.mean + (self.log_z - high),
            self.mean + (self.log_z - low),
        )
    }

    /// `ln w` of the chains of every direction, forward first.
    pub fn log_weights(&self) -> Vec<&[f64]> {
        let mut weights: Vec<&[f64]> = Vec::new();
        if let Some(annealed) = &self.annealed {
            weights.push(&annealed.forward.log_weights);
            if let Some((_, bracket)) = &annealed.reverse {
                weights.push(&bracket.reverse.log_weights);
            }
        }
        weights
    }
}

/// Why a machine of other than Bernoulli units has no annealed likelihood.
pub fn not_annealed(rbm: &Rbm) -> Failure {
    Failure::usage(format!(
        "annealed importance sampling is for Bernoulli units, not for {}, {}",
        rbm.visible().units,
        rbm.hidden().units
    ))
    .hint("--exact enumerates the layer with fewer states, at most 2^30")
}

/// Of hidden units that are on or off.
fn activity(rbm: &Rbm, v: Input<'_>) -> Outcome<Option<HiddenActivity>> {
    if !rbm.hidden().units.are_binary() {
        return Ok(None);
    }
    Ok(Some(HiddenActivity::new(rbm, v)?))
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

/// Gray examples drawn once as bits, which a likelihood needs; bits stay as they are.
pub fn drawn(data: Data, seed: u64) -> Data {
    let first_validation = data.train.len();
    let first_test = first_validation + data.validation.as_ref().map_or(0, Examples::len);
    let draw = |part: Examples, first: usize| part.binarized(Binarization::Sampled, seed, first);
    Data {
        name: data.name,
        stream: data.stream,
        train: draw(data.train, 0),
        validation: data.validation.map(|part| draw(part, first_validation)),
        test: data.test.map(|part| draw(part, first_test)),
    }
}

/// Whether the examples are gray.
pub fn is_gray(data: &Data) -> bool {
    data.train.bits().is_none() || data.test.as_ref().is_some_and(|test| test.bits().is_none())
}

/// Refuses data of another width than the machine.
pub fn check_width(rbm: &Rbm, data: &Data) -> Outcome<()> {
    data::check_columns(rbm.n_visible(), data)
}
