//! Options that several kinds of machines share, in groups.

use crate::args::{AnswerArgs, Choice, ReadingArgs, count, number, one_of, positive};
use crate::show::shape::ShapeArg;
use clap::{Args, ValueEnum};
use harmonium::{
    dataset::Binarization,
    train::{Averaging, Offset, Reconstruction, Rule, Schedule},
};
use std::{fmt, path::PathBuf, str::FromStr};

/// Which examples, and how they become states.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// A file (IDX, NPY, NPZ, HDF5, CSV, libsvm, FASTA), a directory of IDX or PNG files, or mnist.
    ///
    /// The default, `mnist`, is in the program. `FILE.h5:/PATH` is an array of an HDF5 file.
    #[arg(long, value_name = "mnist|DIR|FILE")]
    pub data: Option<String>,
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Height and width of the pictures that examples are [default: what the data say].
    ///
    /// Such as 12x20, or 32x32x3 of colors. Filters and samples are drawn in this shape, and --mask
    /// of `sample` halves it. The model keeps it.
    #[arg(long, value_name = "HxW", hide_short_help = true)]
    pub shape: Option<ShapeArg>,
    /// Gray values to bits, once: sample, threshold:T, none [default: sample].
    ///
    /// `sample` draws each with its value as the probability of a one, `threshold:T` is x > T (T =
    /// 0.5 if left out), `none` keeps them as probabilities. Deep machines and --resample draw them
    /// anew at each visit unless this is given.
    #[arg(long, value_name = "HOW")]
    pub binarize: Option<Binarization>,
    /// Read the examples from an uncompressed IDX or NPY file as training needs them.
    ///
    /// For data that do not fit into memory. Start and figures are those of some 10,000 examples
    /// spread over the file.
    #[arg(long, hide_short_help = true, conflicts_with_all = ["validation", "early_stopping"])]
    pub stream: bool,
    /// Hold N training examples out, to watch them [default: 0].
    #[arg(long, value_name = "N", value_parser = count)]
    pub validation: Option<usize>,
    /// Seed of every choice and draw [default: 0].
    ///
    /// The same seed gives the same model, bit for bit, at any number of threads.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Whether gray data are drawn anew.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub struct ResampleArgs {
    /// Draw the bits of gray data anew at each visit of an example.
    #[arg(long, hide_short_help = true)]
    pub resample: bool,
}

/// Units that take other values than bits.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub struct UnitsArgs {
    /// Units: spin, gaussian, relu, softmax, counts [default: by the data].
    ///
    /// Bernoulli too, or segments such as bernoulli:64+gaussian:10. Spins learn bits as -1 and 1;
    /// gaussian and relu units take any numbers as they are. Counts, such as those of the words of
    /// documents, are all columns: 0, 1, 2, ... that add up to the length of a row.
    #[arg(long, value_name = "KINDS")]
    pub visible_units: Option<String>,
    /// Columns to mean 0 and deviation 1, for gaussian visible units.
    ///
    /// Subtracts each column's mean over the training examples and divides by its deviation. The
    /// numbers are kept with the model, and what comes out is in the data's own.
    #[arg(long)]
    pub standardize: bool,
    /// Deviations of --standardize are at least this share of that of all columns together, for
    /// pixels that are hardly ever on [default: 0].
    #[arg(
        long,
        value_name = "X",
        requires = "standardize",
        hide_short_help = true
    )]
    pub least_deviation: Option<f64>,
    /// Learn the variances of gaussian units at this share of the rate [default: 0, they stay 1].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub variance_rate: Option<f32>,
}

/// Names of negative phases.
const METHODS: [&str; 8] = [
    "pcd",
    "fpcd",
    "tempered",
    "trajectory",
    "cd",
    "mcmc",
    "exact",
    "pseudo-likelihood",
];

/// How contrastive divergence reconstructs.
const RECONSTRUCTIONS: [Choice<Reconstruction>; 2] = [
    (
        "sampled",
        "Binary states drawn from P(v | h)",
        Reconstruction::Sampled,
    ),
    ("smoothed", "Their means E[v | h]", Reconstruction::Smoothed),
];

/// The negative phase.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Method")]
pub struct NegativeArgs {
    /// Negative phase: pcd, cd, mcmc, exact, tempered and others [default: pcd].
    ///
    /// Where the samples of the model come from: pcd, persistent contrastive divergence, chains
    /// that go on between updates; fpcd, PCD whose chains move under fast weights as well (Tieleman
    /// and Hinton 2009); tempered, PCD with replicas at several temperatures (Desjardins et al.
    /// 2010); trajectory, PCD with replicas at snapshots of the machine along its training (Bereux
    /// et al. 2025); cd, chains from the minibatch; mcmc, chains from fair coins at each update;
    /// exact, by enumeration of the smaller layer (at most 30 units); pseudo-likelihood, its exact
    /// gradient, of a fully visible machine (train boltzmann). The default of train dbn is cd.
    #[arg(long, value_parser = METHODS, hide_possible_values = true)]
    pub method: Option<String>,
    /// Gibbs sweeps an update, a number or a schedule [default: 1].
    ///
    /// Such as at:0=1,10=2; rates of a schedule are rounded up. The default with mcmc is 100, of a
    /// deep Boltzmann machine 5.
    #[arg(long, value_name = "K", value_parser = steps)]
    pub steps: Option<Schedule>,
    /// Chains of the negative phase [default: 100].
    ///
    /// Of pcd, fpcd, tempered, trajectory and mcmc; of a general machine 128.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub chains: Option<usize>,
    /// Step size of the fast weights of fpcd [default: 0.01].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub fast_rate: Option<f32>,
    /// What is left of the fast weights of fpcd after an update [default: 0.95].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub fast_decay: Option<f32>,
    /// Temperatures of tempered, each with a replica of every chain [default: 10].
    #[arg(long, value_name = "K", value_parser = positive, hide_short_help = true)]
    pub temperatures: Option<usize>,
    /// Lowest inverse temperature of tempered; the others are evenly spaced up to 1 [default: 0.9].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub lowest_beta: Option<f32>,
    /// Share of accepted swaps with the newest snapshot of trajectory below which it takes another
    /// [default: 0.25].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub acceptance: Option<f32>,
    /// Most snapshots of trajectory, each with a replica of every chain [default: 10].
    #[arg(long, value_name = "N", value_parser = positive, hide_short_help = true)]
    pub snapshots: Option<usize>,
}

/// Where expectations over the hidden units of data come from.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum PositiveArg {
    Exact,
    Gibbs,
    MeanField,
}

/// The positive phase of machines whose hidden units depend on one another.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Method")]
pub struct PositiveArgs {
    /// Hidden units given data: exact, gibbs or mean-field.
    ///
    /// Where expectations over them come from: exact, enumeration of the posterior; gibbs, a chain
    /// for each example, which goes on when the example comes again; mean-field, a factorial
    /// approximation [default: of a deep Boltzmann machine mean-field; of a general one gibbs,
    /// exact with --method exact].
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    pub positive: Option<PositiveArg>,
    /// Sweeps of --positive gibbs at each visit of an example [default: 1].
    #[arg(long, value_name = "K", value_parser = positive, hide_short_help = true)]
    pub positive_steps: Option<usize>,
}

/// The reconstruction of contrastive divergence.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Method")]
pub struct ReconstructionArgs {
    /// Reconstructions of cd [default: sampled].
    #[arg(long, value_parser = one_of(&RECONSTRUCTIONS), hide_short_help = true)]
    pub reconstruction: Option<Reconstruction>,
}

/// How gradients become steps.
const RULES: [Choice<Rule>; 4] = [
    ("momentum", "", Rule::Momentum),
    ("nesterov", "", Rule::Nesterov),
    ("adam", "", Rule::ADAM),
    ("adamax", "", Rule::ADAMAX),
];

/// An average of the parameters, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AveragingArg(pub Option<Averaging>);

fn averaging(text: &str) -> Result<AveragingArg, harmonium::Error> {
    if text == "none" {
        return Ok(AveragingArg(None));
    }
    text.parse().map(|x| AveragingArg(Some(x)))
}

/// The steps of an update.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Learning")]
pub struct LearningArgs {
    /// Examples an update [default: 100; fewer of small data].
    ///
    /// Without a number of epochs: a tenth of the examples, at least 10, where there are fewer than
    /// 1000.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch_size: Option<usize>,
    /// Step size, constant or a schedule [default: see --help-all].
    ///
    /// Of an RBM linear:0.1:0; linear:0.05:0 without centering; with a discriminative or hybrid
    /// objective linear:0.5:0, and linear:1:0 without centering. Of the greedy stages of a deep
    /// belief network 0.1, of the last linear:0.1:0.02, of gaussian and relu units 0.001. Of the
    /// joint stage of a deep Boltzmann machine linear:0.005:0. Of a general machine linear:0.05:0.
    #[arg(long, value_name = "SCHEDULE")]
    pub learning_rate: Option<Schedule>,
    /// Share of the last step that is repeated [default: 0].
    ///
    /// Constant or a schedule. With a discriminative or hybrid objective and centering 0.9; of deep
    /// machines at:0=0.5,5=0.9.
    #[arg(long, value_name = "SCHEDULE")]
    pub momentum: Option<Schedule>,
    /// L2 decay of the weights [default: 0; of deep machines 2e-4].
    #[arg(long, value_name = "X")]
    pub weight_decay: Option<f32>,
    /// L1 decay of the weights, in the gradient [default: 0].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub l1_decay: Option<f32>,
    /// Longest gradient; longer ones are shortened to it [default: none].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub gradient_clip: Option<f32>,
    /// momentum, nesterov, adam or adamax [default: momentum].
    ///
    /// How gradients become steps.
    ///
    /// adam and adamax decay weights on their own, by the learning rate times --weight-decay, and
    /// want smaller learning rates, such as linear:0.001:0.
    #[arg(long, value_name = "RULE", value_parser = one_of(&RULES), hide_possible_values = true)]
    pub optimizer: Option<Rule>,
    /// Longest vector of weights of a hidden unit; longer ones are shortened to it [default: none].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub max_norm: Option<f32>,
    /// The result is an average of the parameters: last:SHARE, exponential:DECAY [default: none].
    ///
    /// `last:SHARE` over the last share of the updates, `exponential:DECAY` a decayed one.
    #[arg(long, value_name = "HOW", value_parser = averaging, hide_short_help = true)]
    pub averaging: Option<AveragingArg>,
}

/// Offsets of the visible and of the hidden units, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CenteringArg(pub Option<(Offset, Offset)>);

impl FromStr for CenteringArg {
    type Err = harmonium::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(None));
        }
        let (visible, hidden) = text.split_once(',').unwrap_or((text, text));
        Ok(Self(Some((visible.parse()?, hidden.parse()?))))
    }
}

/// The centered gradient, and targets for hidden units.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Learning")]
pub struct ShapeArgs {
    /// Offsets of the centered gradient: none, data, average, a number, or two [default: data].
    ///
    /// `none` for the ordinary gradient, `data` for means under the data, `average` for the average
    /// of both phases (the enhanced gradient), a number such as 0.5, or two of these for visible
    /// and hidden units, `data,0.5`. The default is for RBMs of bernoulli units, except with
    /// --labels and the generative objective, and for deep Boltzmann machines without pretraining;
    /// else none.
    #[arg(long, value_name = "HOW", hide_short_help = true)]
    pub centering: Option<CenteringArg>,
    /// The ordinary gradient: --centering none.
    #[arg(long, conflicts_with = "centering", hide_short_help = true)]
    pub no_centering: bool,
    /// Share of the way to the means of a minibatch that offsets go at each update, 0 to 1
    /// [default: 0.01].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub centering_rate: Option<f32>,
    /// Mean activity that hidden units are drawn to, between 0 and 1 [default: none].
    ///
    /// With train dbm one for all hidden layers, or one for each, the lowest first.
    #[arg(
        long,
        value_name = "P[,P,...]",
        value_delimiter = ',',
        hide_short_help = true
    )]
    pub sparsity: Option<Vec<f32>>,
    /// Weight of --sparsity in the gradient of the hidden biases [default: 0.1].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub sparsity_cost: Option<f32>,
}

/// What early stopping judges machines by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CriterionArg {
    /// Mean log-likelihood of the held-out examples.
    Likelihood,
    /// Their stochastic pseudo-likelihood.
    PseudoLikelihood,
    /// Their reconstruction error.
    ReconstructionError,
    /// The share of them whose class is not found.
    Error,
    /// Whether they have at most this much more free energy than training examples.
    FreeEnergyGap(f64),
}

/// Largest free-energy gap unless told otherwise.
const DEFAULT_GAP: f64 = 1.0;

impl FromStr for CriterionArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None => match text {
                "likelihood" => return Ok(Self::Likelihood),
                "pseudo-likelihood" => return Ok(Self::PseudoLikelihood),
                "reconstruction-error" => return Ok(Self::ReconstructionError),
                "error" => return Ok(Self::Error),
                "free-energy-gap" => return Ok(Self::FreeEnergyGap(DEFAULT_GAP)),
                _ => {}
            },
            Some(("free-energy-gap", nats)) => match nats.parse() {
                Ok(x) if x >= 0.0 && f64::is_finite(x) => return Ok(Self::FreeEnergyGap(x)),
                _ => return Err("expected free-energy-gap:NATS with NATS of at least 0".into()),
            },
            Some(_) => {}
        }
        let all =
            "likelihood, pseudo-likelihood, reconstruction-error, error or free-energy-gap:NATS";
        Err(format!("expected {all}"))
    }
}

impl fmt::Display for CriterionArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Likelihood => f.write_str("likelihood"),
            Self::PseudoLikelihood => f.write_str("pseudo-likelihood"),
            Self::ReconstructionError => f.write_str("reconstruction-error"),
            Self::Error => f.write_str("error"),
            Self::FreeEnergyGap(nats) => write!(f, "free-energy-gap:{nats}"),
        }
    }
}

/// When to stop before the last epoch.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Learning")]
pub struct StoppingArgs {
    /// Stop after so many epochs no better on --validation.
    ///
    /// By the --early-stopping-by; the best machine is kept in best.safetensors. Of a machine that
    /// learns in stages in the last one before --fine-tune [default: never].
    #[arg(long, value_name = "EPOCHS", value_parser = positive)]
    pub early_stopping: Option<usize>,
    /// What tells how good a machine is.
    ///
    /// `likelihood` (exact up to 20 units in the smaller layer, else by AIS, which costs seconds an
    /// epoch), `pseudo-likelihood`, `reconstruction-error`, `error` (the share of wrong classes),
    /// or `free-energy-gap:NATS`, by which an epoch is good while held-out examples have at most
    /// NATS (1 if left out) more free energy than training examples, and the last good one is the
    /// best [default: of an RBM likelihood up to 16 units, else pseudo-likelihood for bernoulli
    /// units, else reconstruction-error; of a deep machine error with --labels, else
    /// reconstruction-error; of a general one likelihood or, fully visible, pseudo-likelihood].
    #[arg(
        long,
        value_name = "WHAT",
        requires = "early_stopping",
        hide_short_help = true
    )]
    pub early_stopping_by: Option<CriterionArg>,
}

/// Where the results go.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Directory of the results [default: ./run, ./run-2, ..., the first without a run].
    ///
    /// A directory that holds a run is refused.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Rename a run that is there to DIR.old-1, DIR.old-2, ... first.
    ///
    /// Without --out the directory is ./run.
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Go on with the run in --out, bit for bit as if it had never stopped.
    ///
    /// Without --out with the newest of ./run, ./run-2 and so on. Options come from its file; more
    /// epochs extend it (a schedule that depends on T is then that of the new T, from here on).
    #[arg(long)]
    pub resume: bool,
    /// Tell what the run takes of time and memory, and write nothing.
    ///
    /// Time from a few updates of every stage, memory as the program has it by then.
    #[arg(long, conflicts_with = "resume")]
    pub dry_run: bool,
    /// Draw nothing: filters, samples and curves are not made.
    ///
    /// Those of an earlier end of a resumed run are removed.
    #[arg(long, hide_short_help = true)]
    pub no_pictures: bool,
    /// The answer.
    #[command(flatten)]
    pub answer: AnswerArgs,
}

/// Sweeps an update: draws are numbered by 48 bits, which is enough for a million of them in 10^8
/// updates.
pub fn steps(text: &str) -> Result<Schedule, String> {
    const MOST: usize = 1_000_000;
    if !text.contains(':') {
        return number(text, 1, MOST).map(|k| Schedule::Constant(k as f32));
    }
    let schedule: Schedule = text.parse().map_err(|e: harmonium::Error| e.to_string())?;
    if schedule.most() > MOST as f32 {
        return Err(format!("expected at most {MOST} steps"));
    }
    Ok(schedule)
}
