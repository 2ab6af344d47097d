//! What is measured of a machine, the same through every door: `ln Z` by enumeration where that is
//! cheap, by annealing beyond; the log-likelihood of examples, or a lower bound of it.

mod counts;
mod families;
mod observed;
mod partition;

pub use observed::Observed;
pub use partition::{Annealed, Partition};

use crate::{
    dataset::{Examples, Rows},
    error::Result,
    evaluate::{self, Betas, HiddenActivity, Perplexity, PosteriorActivity, Raise, ReverseStart},
    model::{Convergence, Missing, Model, Rbm},
    progress::Progress,
};

/// Units of the smaller side up to which `ln Z` is enumerated, unless told otherwise: seconds.
pub const ENUMERATED_UNITS: usize = 25;
/// States times words up to which `ln Z` of counts is enumerated: an exponential each.
const ENUMERATED_WORDS: f64 = (1_u64 << 32) as f64;
/// Of a general machine, whose states cost more.
const ENUMERATED_BOLTZMANN_UNITS: usize = 24;
/// Inverse temperatures of annealing a general machine.
const BOLTZMANN_BETAS: usize = 10_000;

/// How a machine is measured. The default is what happens at the end of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// All is enumerated, the likelihood beside a bound too, or it is an error.
    pub exact: bool,
    /// Without `exact`, `ln Z` is enumerated of machines whose smaller side has at most
    /// `2^units` states; of none without a number.
    pub enumerated_units: Option<usize>,
    /// Whether RBMs, and tops of DBNs, of other than binary units are annealed where they are not
    /// enumerated; it takes many times as long as of binary ones, and by default it is left to who
    /// asks for it.
    pub any_units: bool,
    /// Chains of annealing, in each direction.
    pub chains: usize,
    /// Inverse temperatures of annealing.
    pub betas: Betas,
    /// Whether annealing goes back too. Of a DBN and a DBM it always does.
    pub reverse: bool,
    /// Gibbs sweeps before annealing back.
    pub burn_in: usize,
    /// Whether chains back start where other chains arrive by annealing, in place of training
    /// examples; exact draws where a side is small enough for them.
    pub from_annealed: bool,
    /// Examples of [RAISE](crate::evaluate::Ais::raise) and chains of each, if it is wanted; of
    /// any machine but a DBN.
    pub raise: Option<(usize, usize)>,
    /// Samples of the recognition distribution of a DBN for each example.
    pub bound_samples: usize,
    /// What a missing value of the examples is to an RBM.
    pub missing: Missing,
    /// Of examples of an RBM that miss more than can be summed over, how many of the first are
    /// annealed, and with how many chains each; without numbers they are [out of
    /// reach](Self::out_of_reach).
    pub observed: Option<(usize, usize)>,
    /// Seed of every draw.
    pub seed: u64,
}

impl Default for Measure {
    fn default() -> Self {
        Self {
            exact: false,
            enumerated_units: Some(ENUMERATED_UNITS),
            any_units: false,
            chains: 100,
            betas: Betas::SalakhutdinovMurray,
            reverse: true,
            burn_in: 1000,
            from_annealed: false,
            raise: None,
            bound_samples: 2,
            missing: Missing::Infer,
            observed: None,
            seed: 0,
        }
    }
}

/// A mean over examples, each times its weight, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// With the estimate of `ln Z`.
    pub mean: f64,
    /// With the upper end of the interval of `ln Z`.
    pub low: f64,
    /// With its lower end.
    pub high: f64,
    /// Standard error of the mean over the examples; of a likelihood that of `ln Z` in quadrature.
    pub standard_error: f64,
}

impl Mean {
    /// Of what is known.
    fn exact((mean, standard_error): (f64, f64)) -> Self {
        Self {
            mean,
            low: mean,
            high: mean,
            standard_error,
        }
    }

    /// Of `ln p*(v) - ln Z`, or of lower bounds of it.
    fn of(rows: Rows<'_>, log_sums: &[f64], z: &Partition) -> Self {
        let of = |z: f64| rows.mean(log_sums.iter().map(|x| x - z));
        let (mean, standard_error) = of(z.log_z);
        Self {
            mean,
            low: of(z.high).0,
            high: of(z.low).0,
            standard_error,
        }
    }

    /// With the error of `ln Z` in quadrature.
    fn and_error_of(mut self, z: &Partition) -> Self {
        self.standard_error = self.standard_error.hypot(z.standard_error);
        self
    }
}

/// RAISE beside the likelihood of the same examples.
#[derive(Clone, Debug)]
pub struct Raised {
    /// What it found.
    pub raise: Raise,
    /// Chains of each example.
    pub chains: usize,
    /// Mean and standard error of what the likelihood by annealing says more; `None` where there is
    /// a lower bound alone.
    pub gap: Option<(f64, f64)>,
}

/// What was measured; what a machine of its kind does not have is `None`.
#[derive(Clone, Debug)]
pub struct Measures {
    /// `ln Z`.
    pub partition: Partition,
    /// Examples; 0 if `ln Z` is all.
    pub count: usize,
    /// Log-likelihood of the examples.
    pub likelihood: Option<Mean>,
    /// Whether that is `ln p(v, y)`, as of an RBM with labels; of any other machine it is
    /// `ln p(v)`.
    pub with_label: bool,
    /// A lower bound of it: variational of a DBN, mean-field of a DBM and a general machine.
    pub bound: Option<Mean>,
    /// Samples of the recognition distribution that the bound is from.
    pub bound_samples: Option<usize>,
    /// How mean field ended, on the slowest of the examples.
    pub mean_field: Option<Convergence>,
    /// Of the hidden layers of a DBM, lowest first: how posterior means vary over the examples.
    pub posterior: Vec<PosteriorActivity>,
    /// Of the hidden units of an RBM, if they are on or off.
    pub activity: Option<HiddenActivity>,
    /// If it was asked for.
    pub raise: Option<Raised>,
    /// Of the first examples, and their number; of a fully visible general machine.
    pub pseudo_likelihood: Option<(f64, usize)>,
    /// How `ln p*` was found, of examples with missing values: all is of what was observed of them.
    pub observed: Option<Observed>,
    /// Of each example `ln p*(v)`, which is `-F(v)`, or the lower bound of it: without `ln Z`. What
    /// the mean of the likelihood or else of the bound is of. Under machines of their own
    /// ([`Observed::Absent`]) it is `ln p`, and `ln Z` is 0.
    pub log_sums: Vec<f64>,
    /// Of counts, `ln Z` of the length of each example; `partition` is then their mean.
    pub log_z_of_rows: Option<Vec<f64>>,
    /// Of counts: that of the machine, and that of independent words as frequent as in the training
    /// examples.
    pub perplexity: Option<[Perplexity; 2]>,
}

impl Measures {
    /// `ln p(v)` of each example, or its lower bound, with the estimate of `ln Z`.
    pub fn log_likelihoods(&self) -> impl Iterator<Item = f64> {
        let log_z = |i: usize| match &self.log_z_of_rows {
            Some(of_rows) => of_rows[i],
            None => self.partition.log_z,
        };
        let all = self.log_sums.iter().enumerate();
        all.map(move |(i, x)| x - log_z(i))
    }
}

impl Measures {
    /// The log-densities of what the data held, in place of those of standardized states: less by
    /// the log of the Jacobian
    /// ([`Encoding::log_jacobian`](crate::dataset::Encoding::log_jacobian)).
    pub fn less(&mut self, log_jacobian: f64) {
        let means = [&mut self.likelihood, &mut self.bound];
        for mean in means.into_iter().flatten() {
            mean.mean -= log_jacobian;
            mean.low -= log_jacobian;
            mean.high -= log_jacobian;
        }
        if let Some(raised) = &mut self.raise {
            let all = raised.raise.log_likelihoods.iter_mut();
            all.for_each(|x| *x -= log_jacobian);
        }
    }

    fn of(partition: Partition, count: usize) -> Self {
        Self {
            partition,
            count,
            likelihood: None,
            with_label: false,
            bound: None,
            bound_samples: None,
            mean_field: None,
            posterior: Vec::new(),
            activity: None,
            raise: None,
            pseudo_likelihood: None,
            observed: None,
            log_sums: Vec::new(),
            log_z_of_rows: None,
            perplexity: None,
        }
    }
}

impl Measure {
    /// What happens at the end of the training of a machine like `model`.
    pub fn at_the_end(model: &Model, seed: u64) -> Self {
        let usual = Self {
            seed,
            ..Self::default()
        };
        match model {
            Model::Boltzmann(_) => Self {
                enumerated_units: Some(ENUMERATED_BOLTZMANN_UNITS),
                betas: Betas::Linear(BOLTZMANN_BETAS),
                reverse: false,
                ..usual
            },
            _ => usual,
        }
    }

    /// Measures the machine on `examples`, with `train` for the base of annealing and for chains
    /// back to start at.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) of a machine that [is out of
    /// reach](Self::out_of_reach), of a network, and of other than a general machine without data;
    /// those of enumeration and annealing; [`Error::Stopped`](crate::Error::Stopped) if `progress`
    /// breaks.
    pub fn run(
        &self,
        model: &Model,
        train: Option<&Examples>,
        examples: Option<&Examples>,
        progress: &mut dyn Progress,
    ) -> Result<Measures> {
        use crate::Error;
        let (train, examples) = match (model, train, examples) {
            (Model::Boltzmann(machine), ..) => {
                return self.boltzmann(machine, train, examples, progress);
            }
            (_, Some(train), Some(examples)) => (train, examples),
            _ => return Err(Error::parameter("examples", "some", "none")),
        };
        match model {
            Model::Rbm(rbm) => self.rbm(rbm, train, examples, progress),
            Model::Dbn(dbn) => self.dbn(dbn, train, examples, progress),
            Model::Dbm(dbm) => self.dbm(dbm, train, examples, progress),
            other => {
                let kind = format!("a model of kind {}", other.kind());
                Err(Error::parameter("likelihood", "a machine", kind))
            }
        }
    }

    /// Why a likelihood cannot be had this way, if so: `train` lacks what a base is made of, or
    /// `examples` miss more than can be summed over.
    pub fn out_of_reach(
        &self,
        model: &Model,
        train: &Examples,
        examples: &Examples,
    ) -> Option<String> {
        if let Some(reason) = self.missing_out_of_reach(model, examples) {
            return Some(reason);
        }
        let (rbm, what) = match model {
            Model::Rbm(rbm) => (rbm, "a machine"),
            Model::Dbn(dbn) => (dbn.top(), "a top pair"),
            _ => return None,
        };
        if self.enumerates(rbm) {
            return None;
        }
        let (visible, hidden) = (&rbm.visible().units, &rbm.hidden().units);
        let is_binary = visible.are_binary() && hidden.are_binary();
        if !(self.any_units || is_binary) {
            return Some(format!(
                "{what} of {visible}, {hidden} is annealed by `evaluate` alone"
            ));
        }
        let labels = model.dbn().is_ok_and(|dbn| dbn.label_group().is_some());
        (labels && train.labels().is_none())
            .then(|| "ln Z of a top pair with labels wants training examples with labels".into())
    }

    /// Whether `ln Z` of `rbm`, or of a machine that is one in another form, is enumerated.
    fn enumerates(&self, rbm: &Rbm) -> bool {
        let states = [rbm.visible(), rbm.hidden()].map(|layer| layer.states());
        let fewest = states.into_iter().flatten().fold(f64::INFINITY, f64::min);
        let most = match rbm.visible().are_counts() {
            true => ENUMERATED_WORDS / rbm.n_visible().max(1) as f64,
            false => f64::INFINITY,
        };
        self.exact
            || self
                .enumerated_units
                .is_some_and(|n| fewest <= (n as f64).exp2().min(most))
    }

    /// The start of annealing back that was asked for; without `train` where other chains arrive.
    fn start(
        &self,
        machine: &dyn evaluate::Annealed,
        train: Option<&Examples>,
    ) -> Result<ReverseStart> {
        let burn_in = self.burn_in;
        // Chains have no start at examples of which they know but a part.
        let suited = match train.filter(|train| train.observed().is_none()) {
            None if machine.can_be_drawn() => ReverseStart::Exact,
            None => ReverseStart::Annealed { burn_in },
            Some(train) => {
                ReverseStart::suited_to(machine, train, self.chains, burn_in, self.seed)?
            }
        };
        Ok(match suited {
            ReverseStart::Gibbs { .. } if self.from_annealed => ReverseStart::Annealed { burn_in },
            start => start,
        })
    }
}
