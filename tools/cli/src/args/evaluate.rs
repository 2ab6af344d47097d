//! Options of `harmonium evaluate`.

use super::{AnswerArgs, ExamplesArgs, count, positive};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

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

/// Temperatures of annealing.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum ScheduleArg {
    /// Evenly spaced.
    Linear,
    /// The 14,503 of Salakhutdinov and Murray (2008).
    SalakhutdinovMurray,
    /// Spaced so that each step's log weight has the same variance over the chains of a pilot run.
    Adaptive,
}

/// Start of reverse annealing.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum ReverseFrom {
    /// Training examples.
    Data,
    /// What forward annealing reaches, by weight.
    Annealing,
}

/// Options of `harmonium evaluate`.
#[derive(Args, Debug)]
#[command(after_help = "\
The standard error is that of the mean over the examples; with AIS, that of ln Z is added in quadrature. The interval is that \
of ln Z: three standard errors of the mean weight to either side. AIS tends to underestimate ln Z, and so to \
overestimate likelihoods; --reverse tends to overestimate ln Z, as far as its chains start from the model's distribution: exact \
draws if the smaller layer has at most 20 units, else Gibbs chains after --burn-in sweeps from training examples or, with --reverse-from annealing, from what forward annealing finds. The interval is then \
from the low end of the forward interval to the high end of the reverse one. Warnings say when chains disagree.

--raise needs no ln Z: it is a lower bound, on average, of the likelihood of the annealed model (Burda, Grosse and \
Salakhutdinov 2015), of any machine but a DBN. The gap is what the likelihood with ln Z, Bennett's with --reverse, says more of the same examples.

--diagnose tells the integrated autocorrelation time of the free energy (of a DBM and a general machine: of the energy), in sweeps, and how often chains jump between modes: for binary visible units, \
between the means of classes if the data have labels, else between ten examples far from one another, whichever is nearest.

Of a deep belief network: its error and confusion table (deterministic pass; `classify --compare` has the other ways), and the variational lower bound of \
the mean log-likelihood with ln Z of the top pair from annealing both ways, worst to best of that bracket; ln Z is enumerated where a layer of the top has at \
most 25 units. --exact enumerates all layers of a tiny network.

log_likelihood_of says what a likelihood or its bound is of: ln p(v, y) of an RBM with labels, whose label y is among its visible units; ln p(v) of any other machine, summed over its labels.

Of a deep Boltzmann machine: the mean-field lower bound of the mean log-likelihood with ln Z from annealing both ways, which is always done: --chains, --betas, --schedule, --burn-in, \
--reverse-from, --save-weights as of an RBM. Chains are states of the even layers. --exact enumerates the even or the odd layers (at most 30 units) and gives the likelihood beside the bound. With \
labels there is the error too.

Of a general Boltzmann machine: ln Z by annealing of all units, or --exact (at most 30 enumerated units beside those that are not coupled with one another), with --chains, --betas, --schedule, --reverse, --save-weights; the free energy of examples by enumeration of the hidden units where that is cheap, else the mean-field lower bound; the pseudo-likelihood of a fully visible machine. Without data, named or in the notes of the model, ln Z alone; --reverse then starts where forward annealing arrives. In place of a model a text file of couplings will do, \
as in `sample`; of an .ising file ln Z is that of the energy of spins.

Of examples with missing values (--missing) all is of what was observed of them, ln p(v_observed): the sum over what is missing where that has at most 2^28 states in all, or with --exact whatever it takes; else, of an RBM, the missing units of each of the first 100 examples are annealed by 10 chains \
with the others held, which on average underestimates ln p (observed_chains). Of an RBM of --missing=absent each example has the likelihood of the machine of its own units, with a ln Z of its own, by enumeration. RAISE, --diagnose, the free-energy gap and bounds are of complete examples.

JSON, the same keys for every kind: count, split (test, train, or given: a file that the model was not trained on), read (what the columns are); log_z, log_z_low, log_z_high, method (exact or ais); mean_log_likelihood and standard_error, or lower_bound, \
lower_bound_low, lower_bound_high and lower_bound_error (of the mean over the examples), or both with --exact; log_likelihood_of; independent_log_likelihood (of independent units with the frequencies, means and variances of the training part); seed of what was drawn. With ais effective_sample_size, chains, betas, warnings; both ways \
log_z_low and log_z_high are those of the bracket (forward low .. reverse high), and there are log_z_forward, log_z_reverse and log_z_bar (Bennett's acceptance ratio), each with its _error, log_z_overlap, \
reverse_effective_sample_size, reverse_start (exact, gibbs or annealed), burn_in; log_z is then Bennett's. With labels error, wrong, mean_log_probability, confusion. Of an RBM dead_hidden_units, saturated_hidden_units, of a test part \
beside a training part free_energy_gap. With --raise raise_mean_log_likelihood, raise_standard_error, raise_gap, raise_gap_error (not beside a lower bound alone), raise_count, raise_chains; with --diagnose autocorrelation_time (null if unknown), its _error, \
autocorrelation_long_enough, mode_jumps, mode_jump_rate (a chain and sweep), stuck_chains, modes, diagnosed_chains, diagnosed_sweeps, diagnosed_burn_in. Of a deep belief network bound_samples. By mean field mean_field_iterations (of the slowest example), \
mean_field_change (of its last one), of a deep Boltzmann machine responding_units (of each hidden layer, those whose posterior means vary over the examples). Of a fully visible machine pseudo_likelihood. An error without bound is null.")]
pub struct EvaluateArgs {
    /// Model file [default: that of the newest of ./run, ./run-2 and so on].
    pub model: Option<PathBuf>,
    /// The examples.
    #[command(flatten)]
    pub of: ExamplesArgs,
    /// Enumerate the smaller layer (at most 30 units) in place of annealed importance sampling.
    #[arg(long, conflicts_with_all = ["chains", "betas", "schedule", "reverse", "raise", "save_weights"])]
    pub exact: bool,
    /// Chains of annealed importance sampling, in each direction.
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = DEFAULT_CHAINS)]
    pub chains: usize,
    #[arg(long, value_name = "N", value_parser = positive,
        help = format!("Inverse temperatures of annealing, one sweep each [default: the 14503 of salakhutdinov-murray; {} with another schedule]", DEFAULT_BETAS))]
    pub betas: Option<usize>,
    /// How the inverse temperatures are spaced [default: salakhutdinov-murray; linear with
    /// --betas].
    #[arg(long, value_name = "HOW")]
    pub schedule: Option<ScheduleArg>,
    /// Anneal from the model to the base too: ln Z from both sides, and Bennett's estimate from
    /// both.
    #[arg(long)]
    pub reverse: bool,
    /// Where the chains of --reverse and of deep Boltzmann machines start: at training examples, or
    /// at states that other chains reach by annealing forward, which also finds modes far from the
    /// data; exact draws if the smaller layer has at most 20 units.
    #[arg(long, value_name = "WHERE", default_value = "data")]
    pub reverse_from: ReverseFrom,
    #[arg(long, value_name = "N", value_parser = count,
        help = format!("Gibbs sweeps before reverse annealing, and before chains are watched by --diagnose [default: {}]", DEFAULT_BURN_IN))]
    pub burn_in: Option<usize>,
    /// Watch 100 Gibbs chains from data for N sweeps: how long they remember, and how often they
    /// jump between modes.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub diagnose: Option<usize>,
    /// A conservative log-likelihood without ln Z, of the first examples.
    #[arg(long)]
    pub raise: bool,
    /// Examples of --raise.
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = DEFAULT_RAISE_EXAMPLES, requires = "raise")]
    pub raise_examples: usize,
    /// Chains of each example of --raise.
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = DEFAULT_RAISE_CHAINS, requires = "raise")]
    pub raise_chains: usize,
    /// Write the log weights ln w of the chains, f64 [directions x chains], forward first.
    #[arg(long, value_name = "FILE.npy")]
    pub save_weights: Option<PathBuf>,
    /// Write a row an example: free energy, log-likelihood or its lower bound, probabilities of the
    /// classes.
    #[arg(long, value_name = "FILE.csv")]
    pub scores: Option<PathBuf>,
    /// Write every visible state of a small machine, of at most 2^20 states, with its probability.
    #[arg(long, value_name = "FILE.csv")]
    pub distribution: Option<PathBuf>,
    /// Seed of annealed importance sampling, and of --binarize sample where the model's notes tell
    /// none [default: that of the training, else 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Draw the confusion table of a model with labels.
    #[arg(long, value_name = "FILE.png")]
    pub confusion: Option<PathBuf>,
    /// Samples of the recognition distribution for each example, of the bound of a deep belief
    /// network [default: 5].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub bound_samples: Option<usize>,
    /// The answer.
    #[command(flatten)]
    pub answer: AnswerArgs,
}
