//! The commands and their options, as clap reads them and `--help` explains them.

use crate::bench::BenchArgs;
use crate::{likelihood, plan::DEFAULT_EPOCHS};
use clap::{Args, Parser, Subcommand, ValueEnum};
use harmonium::{
    dataset::Binarization,
    train::{Averaging, Objective, Offset, Reconstruction, Rule, Schedule},
};
use std::{path::PathBuf, str::FromStr};

/// No number of things on the command line may be larger.
const MOST: usize = 1_000_000_000;
const MOST_THREADS: usize = 1024;

const EXAMPLES: &str = "\
Examples:
  harmonium train                                 an RBM 784-500 on MNIST, about a minute; see ./run
  harmonium train --data digits.npy --hidden 64 --epochs 100 --out digits
  harmonium train --out digits --resume           go on after Ctrl-C
  harmonium evaluate run/model.safetensors        test log-likelihood with its interval; --reverse: from both sides
  harmonium train --labels --objective hybrid     an RBM that classifies digits
  harmonium classify run/model.safetensors        its error on the test examples
  harmonium train --data table.csv --visible-units gaussian --standardize --learning-rate 0.001 --method cd
  harmonium sample run/model.safetensors --out fantasies.png
  harmonium inspect run/model.safetensors
  harmonium reproduce rbm-small                   published figures beside those of this program

Results go to stdout, progress and messages to stderr. Exit codes: 0 done, 1 failed, 2 used wrongly.
HARMONIUM_ISA=portable|avx2|avx512 forces an instruction set.
`harmonium COMMAND --help` explains the options of a command.";

const TRAIN_EXAMPLES: &str = "\
Examples:
  harmonium train
      RBM 784-500 on the MNIST that the program carries; writes ./run
  harmonium train --data patterns.csv --hidden 16 --method exact --learning-rate 0.5 --epochs 2000
      the exact gradient, for machines with a layer of at most 30 units
  harmonium train --method cd --momentum at:0=0.5,5=0.9 --weight-decay 2e-4 --out cd
      contrastive divergence after Hinton's practical guide
  harmonium train --resume --epochs 100
      go on in ./run, and up to 100 epochs

While it runs: epoch, share done, time to go, speed in GCU/s, and of some training examples the mean
square reconstruction error (recon) and the stochastic pseudo-likelihood (PL, nats); with --validation
the free-energy gap (gap, nats). Ctrl-C saves the run and stops; a second one stops at once.

Schedules of rates, with times t in epochs and T the number of --epochs:
  0.05                  always
  linear:0.05:0.001     from 0.05 at t = 0 to 0.001 at t = T, in a straight line
  step:0.05:0.5:10      halved every 10 epochs
  inverse:0.05:20       0.05 / (1 + t / 20)
  at:0=0.5,5=0.9        0.5, and 0.9 from epoch 5 on (--steps at:0=1,10=2: CD-1, then CD-2)

Files in the output directory:
  model.safetensors     the machine, the state of the run, and notes on where it comes from
  best.safetensors      with --early-stopping: the same of the best epoch
  metrics.csv           epoch, seconds of training, learning rate, speed and the figures watched;
                        one row an epoch, or up to 1000 rows in all
  filters.png           weights of the hidden units with the largest weights
  samples.png           fantasies of the machine beside training examples
  curves.png            metrics.csv as a picture";

/// Boltzmann machines: train, evaluate and sample them on a CPU.
///
/// Units: log-likelihoods are in nats per example; GCU/s are 10^9 connection updates a second, a connection being one
/// weight met by one example or chain in one product.
#[derive(Debug, Parser)]
#[command(name = "harmonium", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a machine and show what it learned; without options, an RBM on MNIST.
    Train(Box<TrainArgs>),
    /// Measure the log-likelihood of data under a model.
    Evaluate(EvaluateArgs),
    /// Classify data with a model that was trained with --labels.
    Classify(ClassifyArgs),
    /// Draw states from a model.
    Sample(SampleArgs),
    /// Show what a model file holds.
    Inspect(InspectArgs),
    /// Repeat a published experiment by its recipe, and show published and measured figures side by side.
    Reproduce(ReproduceArgs),
    Bench(BenchArgs),
}

/// Kinds of machines.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Kind {
    /// Restricted Boltzmann machine.
    Rbm,
}

/// Where the samples of the negative phase come from.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Method {
    /// Persistent contrastive divergence: chains that go on between updates.
    Pcd,
    /// PCD whose chains move under fast weights as well, which drive them on (Tieleman and Hinton 2009).
    Fpcd,
    /// PCD whose chains are tempered: replicas at several temperatures change places (Desjardins et al. 2010).
    Tempered,
    /// Contrastive divergence: chains from the minibatch.
    Cd,
    /// Chains from fair coins at each update.
    Mcmc,
    /// The exact gradient, by enumeration of the smaller layer (at most 30 units).
    Exact,
}

/// How contrastive divergence reconstructs.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum ReconstructionArg {
    /// Binary states drawn from P(v | h).
    Sampled,
    /// Their means E[v | h].
    Smoothed,
}

impl From<ReconstructionArg> for Reconstruction {
    fn from(arg: ReconstructionArg) -> Self {
        match arg {
            ReconstructionArg::Sampled => Self::Sampled,
            ReconstructionArg::Smoothed => Self::Smoothed,
        }
    }
}

/// What a machine with labels learns.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum ObjectiveArg {
    /// ln p(v, y), by the negative phase of --method.
    Generative,
    /// ln p(y | v), by its exact gradient.
    Discriminative,
    /// ln p(y | v) + W ln p(v, y), with W the --generative-weight.
    Hybrid,
}

/// Weight of the generative part unless told otherwise, of the order that Larochelle et al. (2012) chose by validation.
pub const DEFAULT_GENERATIVE_WEIGHT: f32 = 0.01;

impl ObjectiveArg {
    /// With the weight that `hybrid` takes.
    pub fn objective(self, generative_weight: Option<f32>) -> Objective {
        match self {
            Self::Generative => Objective::Generative,
            Self::Discriminative => Objective::Discriminative,
            Self::Hybrid => Objective::Hybrid {
                generative_weight: generative_weight.unwrap_or(DEFAULT_GENERATIVE_WEIGHT),
            },
        }
    }
}

/// How gradients become steps.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum OptimizerArg {
    /// Gradient ascent with the --momentum.
    Momentum,
    /// Nesterov's momentum.
    Nesterov,
    /// Adam with decay rates 0.9 and 0.999.
    Adam,
    /// Adam with the largest norm.
    Adamax,
}

impl From<OptimizerArg> for Rule {
    fn from(arg: OptimizerArg) -> Self {
        match arg {
            OptimizerArg::Momentum => Self::Momentum,
            OptimizerArg::Nesterov => Self::Nesterov,
            OptimizerArg::Adam => Self::ADAM,
            OptimizerArg::Adamax => Self::ADAMAX,
        }
    }
}

/// Recipes.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Preset {
    /// A fifth of the time of the default.
    Fast,
    /// The default.
    Good,
    /// Five times the default.
    Best,
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

/// An average of the parameters, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AveragingArg(pub Option<Averaging>);

fn averaging(text: &str) -> Result<AveragingArg, harmonium::Error> {
    if text == "none" {
        return Ok(AveragingArg(None));
    }
    text.parse().map(|x| AveragingArg(Some(x)))
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Split {
    /// Examples that nothing was learned from.
    Test,
    /// Examples that were learned from.
    Train,
}

impl Split {
    /// As in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Train => "train",
        }
    }
}

/// Threads of a command.
#[derive(Args, Debug)]
pub struct Threads {
    /// Threads [default: one a core]. Results do not depend on it, bit for bit.
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
}

/// Options of `harmonium train`.
#[derive(Args, Debug)]
#[command(after_help = TRAIN_EXAMPLES)]
pub struct TrainArgs {
    /// Kind of machine.
    #[arg(
        value_name = "KIND",
        default_value = "rbm",
        hide_possible_values = true
    )]
    pub kind: Kind,

    /// `mnist` (in the program), a directory of MNIST-named IDX files, or a file: IDX, NPY, NPZ, CSV of numbers in [0, 1]
    /// [default: mnist].
    #[arg(long, value_name = "mnist|DIR|FILE", help_heading = "Data")]
    pub data: Option<String>,
    /// How grey values become bits, once: `sample` draws each with its value as the probability of a one, `threshold:T` is
    /// x > T (T = 0.5 if left out), `none` keeps them as probabilities [default: sample; none with --resample].
    #[arg(long, value_name = "HOW", help_heading = "Data")]
    pub binarize: Option<Binarization>,
    /// Draw the bits of grey data anew at each visit of an example.
    #[arg(long, help_heading = "Data")]
    pub resample: bool,
    /// Hold N examples of the training part out, to watch the free-energy gap for overfitting [default: 0].
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Data")]
    pub validation: Option<usize>,

    /// Kind of the visible units: bernoulli, spin, gaussian, relu, softmax, or segments such as bernoulli:64+gaussian:10. Spins learn bits as
    /// -1 and 1; gaussian and relu units take any numbers as they are [default: bernoulli].
    #[arg(long, value_name = "KINDS", help_heading = "Machine and method")]
    pub visible_units: Option<String>,
    /// Kind of the hidden units, likewise [default: bernoulli].
    #[arg(long, value_name = "KINDS", help_heading = "Machine and method")]
    pub hidden_units: Option<String>,
    /// Subtract each column's mean over the training examples and divide by its deviation (at least a tenth of that of all columns
    /// together), for gaussian visible units. The numbers are kept with the model.
    #[arg(long, help_heading = "Data")]
    pub standardize: bool,
    /// Learn the variances of gaussian units too, at this share of the learning rate [default: 0, they stay 1].
    #[arg(long, value_name = "X", help_heading = "Machine and method")]
    pub variance_rate: Option<f32>,
    /// Labels of the data become visible units, a softmax group: the machine learns to classify.
    #[arg(long, help_heading = "Machine and method")]
    pub labels: bool,
    /// What a machine with --labels learns [default: generative].
    #[arg(long, requires = "labels", help_heading = "Machine and method")]
    pub objective: Option<ObjectiveArg>,
    /// Weight of ln p(v, y) beside ln p(y | v) in the hybrid objective [default: 0.01].
    #[arg(
        long,
        value_name = "X",
        requires = "objective",
        help_heading = "Machine and method"
    )]
    pub generative_weight: Option<f32>,
    /// Hidden units [default: 500].
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Machine and method")]
    pub hidden: Option<usize>,
    /// Where the samples of the negative phase come from [default: pcd].
    #[arg(long, help_heading = "Machine and method")]
    pub method: Option<Method>,
    /// Gibbs sweeps an update, a number or a schedule (below) whose rates are rounded up [default: 1; 100 with mcmc].
    #[arg(long, value_name = "K", value_parser = steps, help_heading = "Machine and method")]
    pub steps: Option<Schedule>,
    /// Chains of pcd, fpcd, tempered and mcmc [default: 100].
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Machine and method")]
    pub chains: Option<usize>,
    /// Step size of the fast weights of fpcd [default: 0.01].
    #[arg(long, value_name = "X", help_heading = "Machine and method")]
    pub fast_rate: Option<f32>,
    /// What is left of the fast weights of fpcd after an update [default: 0.95].
    #[arg(long, value_name = "X", help_heading = "Machine and method")]
    pub fast_decay: Option<f32>,
    /// Temperatures of tempered, each with a replica of every chain [default: 10].
    #[arg(long, value_name = "K", value_parser = positive, help_heading = "Machine and method")]
    pub temperatures: Option<usize>,
    /// Lowest inverse temperature of tempered; the others are evenly spaced up to 1 [default: 0.9].
    #[arg(long, value_name = "X", help_heading = "Machine and method")]
    pub lowest_beta: Option<f32>,
    /// Reconstructions of cd [default: sampled].
    #[arg(long, help_heading = "Machine and method")]
    pub reconstruction: Option<ReconstructionArg>,

    #[arg(long, value_name = "N", value_parser = count, help_heading = "Learning",
        help = format!("Passes over the training examples [default: {DEFAULT_EPOCHS}]"))]
    pub epochs: Option<usize>,
    /// Examples an update [default: 100].
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Learning")]
    pub batch_size: Option<usize>,
    /// Step size, constant or a schedule (below) [default: linear:0.1:0; linear:0.05:0 without centering; linear:1:0 with a discriminative or hybrid objective].
    #[arg(long, value_name = "SCHEDULE", help_heading = "Learning")]
    pub learning_rate: Option<Schedule>,
    /// Share of the last step that is repeated, constant or a schedule [default: 0].
    #[arg(long, value_name = "SCHEDULE", help_heading = "Learning")]
    pub momentum: Option<Schedule>,
    /// L2 decay of the weights, in the gradient [default: 0].
    #[arg(long, value_name = "X", help_heading = "Learning")]
    pub weight_decay: Option<f32>,
    /// L1 decay of the weights, in the gradient [default: 0].
    #[arg(long, value_name = "X", help_heading = "Learning")]
    pub l1_decay: Option<f32>,
    /// Longest gradient; longer ones are shortened to it [default: none].
    #[arg(long, value_name = "X", help_heading = "Learning")]
    pub gradient_clip: Option<f32>,
    /// Offsets of the centred gradient: `none` for the ordinary one, `data` for means under the data, `average` for the average of both phases (the
    /// enhanced gradient), a number such as 0.5, or two of these for visible and hidden units, `data,0.5` [default: data for bernoulli units and the generative objective, else none].
    #[arg(long, value_name = "HOW", help_heading = "Learning")]
    pub centering: Option<CenteringArg>,
    /// The ordinary gradient: --centering none.
    #[arg(long, conflicts_with = "centering", help_heading = "Learning")]
    pub no_centering: bool,
    /// Share of the way to the means of a minibatch that offsets go at each update, 0 to 1 [default: 0.01].
    #[arg(long, value_name = "X", help_heading = "Learning")]
    pub centering_rate: Option<f32>,
    /// How gradients become steps; adam and adamax decay weights on their own, by the learning rate times --weight-decay, and want smaller learning
    /// rates, such as linear:0.001:0 [default: momentum].
    #[arg(long, help_heading = "Learning")]
    pub optimizer: Option<OptimizerArg>,
    /// Mean activity that hidden units are drawn to, between 0 and 1 [default: none].
    #[arg(long, value_name = "P", help_heading = "Learning")]
    pub sparsity: Option<f32>,
    /// Weight of --sparsity in the gradient of the hidden biases [default: 0.1].
    #[arg(long, value_name = "X", help_heading = "Learning")]
    pub sparsity_cost: Option<f32>,
    /// Longest vector of weights of a hidden unit; longer ones are shortened to it [default: none].
    #[arg(long, value_name = "X", help_heading = "Learning")]
    pub max_norm: Option<f32>,
    /// The result is an average of the parameters: `last:SHARE` over the last share of the updates, `exponential:DECAY` a decayed one, `none`
    /// [default: none].
    #[arg(long, value_name = "HOW", value_parser = averaging, help_heading = "Learning")]
    pub averaging: Option<AveragingArg>,
    /// Stop after this many epochs in which held-out examples (--validation) have not become likelier, by pseudo-likelihood in nats, or by
    /// reconstruction error for units other than bernoulli; the best machine is kept in best.safetensors [default: never].
    #[arg(long, value_name = "EPOCHS", value_parser = positive, help_heading = "Learning")]
    pub early_stopping: Option<usize>,
    /// Recipes for machines of bernoulli units, which other options override: `fast` 20 epochs, `good` the default, `best` 500 epochs.
    #[arg(long, help_heading = "Learning")]
    pub preset: Option<Preset>,
    /// Seed of every choice and draw [default: 0]. The same seed gives the same model, bit for bit.
    #[arg(long, value_name = "N", help_heading = "Learning")]
    pub seed: Option<u64>,

    /// Directory of the results. A run that is there is replaced, unless --resume.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "./run",
        help_heading = "Output"
    )]
    pub out: PathBuf,
    /// Go on with the run in --out, bit for bit as if it had never stopped. Options come from its file; a larger --epochs
    /// extends it (a schedule that depends on T is then that of the new T, from here on).
    #[arg(long, help_heading = "Output")]
    pub resume: bool,
    /// Keep N models on the way, at updates evenly spaced in the logarithm, in DIR/trajectory: for `sample --trajectory`.
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Output")]
    pub trajectory: Option<usize>,
    /// One JSON object on stdout in place of the table.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Threads of the command.
    #[command(flatten)]
    pub threads: Threads,
}

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

/// Options of `harmonium evaluate`.
#[derive(Args, Debug)]
#[command(after_help = "\
The standard error is that of the mean over the examples; with AIS, that of ln Z is added in quadrature. The interval is that \
of ln Z: three standard errors of the mean weight to either side. AIS tends to underestimate ln Z, and so to \
overestimate likelihoods; --reverse tends to overestimate ln Z, as far as its chains start from the model's distribution: exact \
draws if the smaller layer has at most 20 units, else Gibbs chains from training examples after --burn-in sweeps. The interval is then \
from the low end of the forward interval to the high end of the reverse one. Warnings say when chains disagree.

--raise needs no ln Z: it is a lower bound, on average, of the likelihood of the annealed model (Burda, Grosse and \
Salakhutdinov 2015). The gap is what AIS says more of the same examples.

JSON: log_z, log_z_low, log_z_high, method (exact or ais), mean_log_likelihood, standard_error, count, split, \
dead_hidden_units, saturated_hidden_units; with ais effective_sample_size, chains, betas, seed, warnings; with --reverse log_z_low and log_z_high are \
those of the bracket (forward low .. reverse high), and there are log_z_forward, log_z_reverse and log_z_bar (Bennett's acceptance \
ratio), each with its _error, log_z_overlap, reverse_effective_sample_size, reverse_start (exact or gibbs), burn_in; with --raise \
raise_mean_log_likelihood, raise_standard_error, raise_gap, raise_gap_error, raise_count, raise_chains. log_z and \
mean_log_likelihood are those of Bennett's estimate with --reverse, else of the forward chains. An error without bound is null.")]
pub struct EvaluateArgs {
    /// Model file.
    pub model: PathBuf,
    /// Data, as in `train` [default: what the model was trained on, else mnist].
    #[arg(long, value_name = "mnist|DIR|FILE")]
    pub data: Option<String>,
    /// How grey values become bits, as in `train` [default: as in training; sample if they were left grey].
    #[arg(long, value_name = "HOW")]
    pub binarize: Option<Binarization>,
    /// Part of the data; data without a test part have `train` only.
    #[arg(long, default_value = "test")]
    pub split: Split,
    /// Enumerate the smaller layer (at most 30 units) in place of annealed importance sampling.
    #[arg(long, conflicts_with_all = ["chains", "betas", "schedule", "reverse", "raise", "save_weights"])]
    pub exact: bool,
    /// Chains of annealed importance sampling, in each direction.
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = likelihood::DEFAULT_CHAINS)]
    pub chains: usize,
    #[arg(long, value_name = "N", value_parser = positive,
        help = format!("Inverse temperatures of annealing, one sweep each [default: the 14503 of salakhutdinov-murray; {} with another schedule]", likelihood::DEFAULT_BETAS))]
    pub betas: Option<usize>,
    /// How the inverse temperatures are spaced [default: salakhutdinov-murray; linear with --betas].
    #[arg(long, value_name = "HOW")]
    pub schedule: Option<ScheduleArg>,
    /// Anneal from the model to the base too: ln Z from both sides, and Bennett's estimate from both.
    #[arg(long)]
    pub reverse: bool,
    /// Gibbs sweeps before reverse annealing.
    #[arg(long, value_name = "N", value_parser = count, default_value_t = likelihood::DEFAULT_BURN_IN, requires = "reverse")]
    pub burn_in: usize,
    /// A conservative log-likelihood without ln Z, of the first examples.
    #[arg(long)]
    pub raise: bool,
    /// Examples of --raise.
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = likelihood::DEFAULT_RAISE_EXAMPLES, requires = "raise")]
    pub raise_examples: usize,
    /// Chains of each example of --raise.
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = likelihood::DEFAULT_RAISE_CHAINS, requires = "raise")]
    pub raise_chains: usize,
    /// Write the log weights ln w of the chains, f64 [directions x chains], forward first.
    #[arg(long, value_name = "FILE.npy")]
    pub save_weights: Option<PathBuf>,
    /// Seed of annealed importance sampling, and of --binarize sample where the model's notes tell none [default: that of
    /// the training, else 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// One JSON object on stdout in place of the table.
    #[arg(long)]
    pub json: bool,
    /// Threads of the command.
    #[command(flatten)]
    pub threads: Threads,
}

/// Options of `harmonium classify`.
#[derive(Args, Debug)]
#[command(after_help = "\
Prints the share of wrong classes where the data have labels. Probabilities p(y | v) are exact; --out writes them, one row an \
example and one column a class.

JSON: count, classes, split, and with labels error, wrong, mean_log_probability, confusion (rows: labels, columns: classes found).")]
pub struct ClassifyArgs {
    /// Model file.
    pub model: PathBuf,
    /// Data, as in `train` [default: what the model was trained on].
    #[arg(long, value_name = "mnist|DIR|FILE")]
    pub data: Option<String>,
    /// How grey values become bits, as in `train` [default: as in training].
    #[arg(long, value_name = "HOW")]
    pub binarize: Option<Binarization>,
    /// Part of the data; data without a test part have `train` only.
    #[arg(long, default_value = "test")]
    pub split: Split,
    /// Write the class probabilities.
    #[arg(long, value_name = "FILE.npy|FILE.csv")]
    pub out: Option<PathBuf>,
    /// One JSON object on stdout in place of the table.
    #[arg(long)]
    pub json: bool,
    /// Threads of the command.
    #[command(flatten)]
    pub threads: Threads,
}

/// Options of `harmonium sample`.
#[derive(Args, Debug)]
#[command(after_help = "\
Chains start from fair coins and are independent. Few steps show chains that are still on their way; chains of a machine with separate \
modes may never leave theirs. --tempering and --trajectory let them: replicas of each chain at other temperatures, or at the models that \
`train --trajectory` kept, change places with those at the model. Both sample the model exactly after burn-in; swap rates below some 10% \
call for more levels. They print swap rates, and the integrated autocorrelation time (IAT) of the free energy in sweeps beside that of plain \
Gibbs chains of the same number of sweeps. See docs/sampling.md.

--clamp holds units at given values and samples the others given them: missing values, or one class with --label.")]
pub struct SampleArgs {
    /// Model file.
    pub model: PathBuf,
    /// Chains, of which each gives one sample [default: 100, or as many as the file of --clamp or --continue has rows].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub count: Option<usize>,
    /// Gibbs sweeps of each chain.
    #[arg(long, value_name = "K", value_parser = count, default_value_t = 1000)]
    pub steps: usize,
    /// Inverse temperature: 0 is fair coins, 1 is the model, more is bolder.
    #[arg(long, value_name = "X", default_value_t = 1.0, conflicts_with_all = ["tempering", "trajectory"])]
    pub beta: f32,
    /// Parallel tempering with K temperatures, adapted during burn-in to equal swap rates.
    #[arg(long, value_name = "K", value_parser = positive, conflicts_with_all = ["trajectory", "clamp", "label", "save_chains", "continue_from"])]
    pub tempering: Option<usize>,
    /// Lowest inverse temperature of --tempering [default: 0, or 0.1 with gaussian and relu units].
    #[arg(long, value_name = "X", requires = "tempering")]
    pub lowest_beta: Option<f32>,
    /// Swaps between the models that training kept: a directory, or files in the order of training.
    #[arg(long, value_name = "DIR|FILES", num_args = 1.., conflicts_with_all = ["clamp", "label", "save_chains", "continue_from"])]
    pub trajectory: Vec<PathBuf>,
    /// Sweeps of --tempering and --trajectory before the --steps sweeps that are measured [default: 256].
    #[arg(long, value_name = "N", value_parser = count)]
    pub burn_in: Option<usize>,
    /// Values of held visible units, `.npy` [n x visible] or [1 x visible].
    #[arg(long, value_name = "FILE.npy", requires = "mask")]
    pub clamp: Option<PathBuf>,
    /// Which visible units are held: 1, and 0 for those that are sampled, `.npy` [n x visible] or [1 x visible].
    #[arg(long, value_name = "FILE.npy", requires = "clamp")]
    pub mask: Option<PathBuf>,
    /// Hold the label of a machine with labels at this class.
    #[arg(long, value_name = "CLASS", conflicts_with = "clamp")]
    pub label: Option<usize>,
    /// Write the chains, to go on with.
    #[arg(long, value_name = "FILE")]
    pub save_chains: Option<PathBuf>,
    /// Go on with chains that --save-chains wrote, as if never interrupted, to the bit; held units are to be told again.
    #[arg(long = "continue", value_name = "FILE", conflicts_with_all = ["seed", "count"])]
    pub continue_from: Option<PathBuf>,
    /// Seed of every draw [default: 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// `.png`: a sheet of the means E[v | h] of the last sweep; `.npy`: the states [count x visible], binary ones as u8, others as f32.
    #[arg(long, value_name = "FILE.png|FILE.npy")]
    pub out: PathBuf,
    /// Threads of the command.
    #[command(flatten)]
    pub threads: Threads,
}

/// Options of `harmonium reproduce`.
#[derive(Args, Debug)]
#[command(after_help = "\
Full experiments take minutes to hours; `--quick` goes the same way with few examples in seconds, and its figures mean nothing. \
The interval of a likelihood is that of ln Z (exact, or forward low to reverse high), of an error rate three binomial \
standard errors to either side. docs/results.md has figures of full runs.")]
pub struct ReproduceArgs {
    /// Which experiment; --list shows all.
    #[arg(required_unless_present = "list")]
    pub name: Option<String>,
    /// Show the experiments, one a line.
    #[arg(long)]
    pub list: bool,
    /// Data in place of the MNIST that the program carries, as in `train`.
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// A smoke test: few examples, few epochs.
    #[arg(long)]
    pub quick: bool,
    /// One machine of an experiment that has several, by its name in the table.
    #[arg(long, value_name = "PART")]
    pub only: Option<String>,
    /// Seed of every choice and draw.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Repeat with N seeds from --seed on, and print means over them; models of a later seed replace those of an earlier one.
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = 1)]
    pub seeds: usize,
    /// Directory for the record NAME.json and the models.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The record on stdout in place of the table.
    #[arg(long)]
    pub json: bool,
    /// Threads of the command.
    #[command(flatten)]
    pub threads: Threads,
}

/// Options of `harmonium inspect`.
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// Model file.
    pub model: PathBuf,
    /// One JSON object on stdout in place of the table.
    #[arg(long)]
    pub json: bool,
}

fn number(text: &str, least: usize, most: usize) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| format!("expected a whole number from {least} to {most}"))
}

fn count(text: &str) -> Result<usize, String> {
    number(text, 0, MOST)
}

fn positive(text: &str) -> Result<usize, String> {
    number(text, 1, MOST)
}

/// Sweeps an update: draws are numbered by 48 bits, which is enough for a million of them in 10^8 updates.
fn steps(text: &str) -> Result<Schedule, String> {
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

fn threads(text: &str) -> Result<usize, String> {
    number(text, 1, MOST_THREADS)
}
