//! Options of `harmonium train`.
//!
//! Over 500 lines: one list, the flags of one command and what each does.

use super::{DbmArgs, DeepArgs, GeneralArgs, Threads, count, number, positive};
use crate::{kinds::deep::boltzmann, run::plan::DEFAULT_EPOCHS};
use clap::{Args, ValueEnum};
use harmonium::{
    dataset::Binarization,
    train::{Averaging, Objective, Offset, Reconstruction, Rule, Schedule},
};
use std::{fmt, path::PathBuf, str::FromStr};

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
  harmonium train dbn --layers 500,500,2000 --labels --validation 10000 --out deep
      a deep belief network: one RBM upon the other, then the up-down algorithm; --resume goes on in any stage
  harmonium train dbm --layers 500,1000 --validation 10000 --out boltzmann
      a deep Boltzmann machine: RBMs one upon the other, then all layers together; --no-pretraining leaves the RBMs out
  harmonium train boltzmann --data spins.npy --connectivity lattice.ising --method pseudo-likelihood --out couplings
      couplings of the pairs in a file, from states of spins
  harmonium train --data huge.npy --stream --epochs 5 --out huge
      examples that stay in their file

While it runs: epoch, share done, time to go, speed in GCU/s, and of some training examples the mean
square reconstruction error (recon) and the stochastic pseudo-likelihood (PL, nats); with --validation
the free-energy gap (gap, nats). Ctrl-C saves the run and stops; another one, a second later or more, stops at once.

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
  curves.png            metrics.csv as a picture

Of `train dbn` the options of an RBM are those of every greedy stage; --labels joins the labels to the layer below the top. Its defaults are \
--method cd, --momentum at:0=0.5,5=0.9, --weight-decay 2e-4, --centering none, --resample and a rate of 0.1 (last layer linear:0.1:0.02; 0.001 for \
gaussian and relu units); no --epochs, --hidden, --preset, --objective, --stream, --early-stopping, --trajectory. metrics.csv \
has the stage (layer 1, ..., up-down), epoch, seconds, learning rate (of up-down that of the top pair), reconstruction error (of what the \
stage learns; of up-down that of a pass up and down) and, with labels and --validation, the share of wrong classes. --json of a finished \
run: the keys of `evaluate` without --exact, stages (seconds of each), seconds, evaluation_seconds, data, layers, classes, greedy, up_down \
(options), files.

`train dbm` has two stages. In pretraining RBMs learn one upon the other by contrastive divergence with the --pretraining-... options, then all layers learn together: --epochs, \
--learning-rate, --momentum, --weight-decay, --l1-decay, --centering, --optimizer momentum or nesterov, --sparsity, --chains and --steps (Gibbs sweeps an update, a number) \
are those of this joint stage, --batch-size is that of both. Defaults of the joint stage: rate linear:0.005:0, --momentum at:0=0.5,5=0.9, --weight-decay 2e-4, \
5 steps, --resample, the ordinary gradient after pretraining and the centered one without. Data are bits or numbers in [0, 1]. No --hidden, --preset, --method, --objective, \
--visible-units, --stream, --early-stopping, --averaging and their like. metrics.csv is that of train dbn, with the iterations of mean field (of the slowest watched \
example) and, with --validation, the variational free-energy gap: how much lower the mean bound of held-out examples is than that of training examples (nats). --json of \
a finished run: as for train dbn, with pretraining and joint (options) in place of greedy and up_down.

Of `train boltzmann`, a general Boltzmann machine of which any two units may be coupled, there are --data, --binarize, --validation, --hidden [default: 0, fully \
visible], --method pcd, mcmc, exact or pseudo-likelihood, --chains [default: 128], --steps, --epochs [default: 20], --batch-size, --learning-rate [default: \
linear:0.05:0], --momentum, --weight-decay, --l1-decay, --optimizer, --seed, --connectivity, --positive, --positive-steps. metrics.csv has epoch, seconds, learning \
rate, the root mean square of the gradient's elements in the last update, the mean square error of each visible unit's mean given all other units of training and held-out examples, and their mean \
log-likelihood (machines of at most 16 enumerated units) or, fully visible, pseudo-likelihood. couplings.png takes the place of \
filters.png. --json of a finished run: the keys of `evaluate`, epochs, updates, seconds, evaluation_seconds, data, n_visible, n_hidden, options, files.";

/// Kinds of machines.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Kind {
    /// Restricted Boltzmann machine.
    Rbm,
    /// Deep belief network.
    Dbn,
    /// Deep Boltzmann machine.
    Dbm,
    /// General Boltzmann machine.
    Boltzmann,
}

impl Kind {
    /// As in model files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rbm => "rbm",
            Self::Dbn => "dbn",
            Self::Dbm => "dbm",
            Self::Boltzmann => "boltzmann",
        }
    }
}

/// Where the samples of the negative phase come from.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Method {
    /// Persistent contrastive divergence: chains that go on between updates.
    Pcd,
    /// PCD whose chains move under fast weights as well, which drive them on (Tieleman and Hinton
    /// 2009).
    Fpcd,
    /// PCD whose chains are tempered: replicas at several temperatures change places (Desjardins et
    /// al. 2010).
    Tempered,
    /// PCD whose chains have replicas at snapshots of the machine along its training, which change
    /// places (Bereux et al. 2025).
    Trajectory,
    /// Contrastive divergence: chains from the minibatch.
    Cd,
    /// Chains from fair coins at each update.
    Mcmc,
    /// The exact gradient, by enumeration of the smaller layer (at most 30 units).
    Exact,
    /// The exact gradient of the pseudo-likelihood, of a fully visible machine (train boltzmann).
    PseudoLikelihood,
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

/// Weight of the generative part unless told otherwise, of the order that Larochelle et al. (2012)
/// chose by validation.
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
    /// Some ten times the default.
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

/// What early stopping judges machines by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CriterionArg {
    /// Mean log-likelihood of the held-out examples.
    Likelihood,
    /// Their stochastic pseudo-likelihood.
    PseudoLikelihood,
    /// Their reconstruction error.
    ReconstructionError,
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
                "free-energy-gap" => return Ok(Self::FreeEnergyGap(DEFAULT_GAP)),
                _ => {}
            },
            Some(("free-energy-gap", nats)) => match nats.parse() {
                Ok(x) if x >= 0.0 && f64::is_finite(x) => return Ok(Self::FreeEnergyGap(x)),
                _ => return Err("expected free-energy-gap:NATS with NATS of at least 0".into()),
            },
            Some(_) => {}
        }
        Err(
            "expected likelihood, pseudo-likelihood, reconstruction-error or free-energy-gap:NATS"
                .into(),
        )
    }
}

impl fmt::Display for CriterionArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Likelihood => f.write_str("likelihood"),
            Self::PseudoLikelihood => f.write_str("pseudo-likelihood"),
            Self::ReconstructionError => f.write_str("reconstruction-error"),
            Self::FreeEnergyGap(nats) => write!(f, "free-energy-gap:{nats}"),
        }
    }
}

/// Options of `harmonium train`.
#[derive(Args, Clone, Debug)]
#[command(after_help = TRAIN_EXAMPLES)]
pub struct TrainArgs {
    /// Kind of machine: `rbm`, `dbn`, a deep belief network, `dbm`, a deep Boltzmann machine, or
    /// `boltzmann`, a general one.
    #[arg(
        value_name = "KIND",
        default_value = "rbm",
        hide_possible_values = true
    )]
    pub kind: Kind,

    /// `mnist` (in the program), a directory of MNIST-named IDX files, or a file: IDX, NPY, NPZ,
    /// CSV of numbers in [0, 1] [default: mnist].
    #[arg(long, value_name = "mnist|DIR|FILE", help_heading = "Data")]
    pub data: Option<String>,
    /// How gray values become bits, once: `sample` draws each with its value as the probability of
    /// a one, `threshold:T` is x > T (T = 0.5 if left out), `none` keeps them as probabilities
    /// [default: sample; none with --resample].
    #[arg(long, value_name = "HOW", help_heading = "Data")]
    pub binarize: Option<Binarization>,
    /// Read the examples from an uncompressed IDX or NPY file as training needs them, for data that
    /// do not fit into memory. Start and figures are those of some 10,000 examples spread over the
    /// file.
    #[arg(long, conflicts_with_all = ["validation", "labels", "standardize", "early_stopping"], help_heading = "Data")]
    pub stream: bool,
    /// Draw the bits of gray data anew at each visit of an example.
    #[arg(long, help_heading = "Data")]
    pub resample: bool,
    /// Hold N examples of the training part out, to watch the free-energy gap for overfitting
    /// [default: 0].
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Data")]
    pub validation: Option<usize>,

    /// Kind of the visible units: bernoulli, spin, gaussian, relu, softmax, or segments such as
    /// bernoulli:64+gaussian:10. Spins learn bits as -1 and 1; gaussian and relu units take any
    /// numbers as they are [default: bernoulli].
    #[arg(long, value_name = "KINDS", help_heading = "Machine and method")]
    pub visible_units: Option<String>,
    /// Kind of the hidden units, likewise [default: bernoulli].
    #[arg(long, value_name = "KINDS", help_heading = "Machine and method")]
    pub hidden_units: Option<String>,
    /// Subtract each column's mean over the training examples and divide by its deviation (at least
    /// a tenth of that of all columns together), for gaussian visible units. The numbers are kept
    /// with the model.
    #[arg(long, help_heading = "Data")]
    pub standardize: bool,
    /// Learn the variances of gaussian units too, at this share of the learning rate [default: 0,
    /// they stay 1].
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
    /// Hidden units [default: 500; 0 of train boltzmann].
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Machine and method")]
    pub hidden: Option<usize>,
    /// Where the samples of the negative phase come from [default: pcd].
    #[arg(long, help_heading = "Machine and method")]
    pub method: Option<Method>,
    /// Gibbs sweeps an update, a number or a schedule (below) whose rates are rounded up [default:
    /// 1; 100 with mcmc].
    #[arg(long, value_name = "K", value_parser = steps, help_heading = "Machine and method")]
    pub steps: Option<Schedule>,
    /// Chains of pcd, fpcd, tempered, trajectory and mcmc [default: 100].
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
    /// Share of accepted swaps with the newest snapshot of trajectory below which it takes another
    /// [default: 0.25].
    #[arg(long, value_name = "X", help_heading = "Machine and method")]
    pub acceptance: Option<f32>,
    /// Most snapshots of trajectory, each with a replica of every chain [default: 10].
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Machine and method")]
    pub snapshots: Option<usize>,
    /// Reconstructions of cd [default: sampled].
    #[arg(long, help_heading = "Machine and method")]
    pub reconstruction: Option<ReconstructionArg>,

    #[arg(long, value_name = "N", value_parser = count, help_heading = "Learning",
        help = format!("Passes over the training examples [default: {DEFAULT_EPOCHS}; of train dbm, in the joint stage, {}]", boltzmann::DEFAULT_EPOCHS))]
    pub epochs: Option<usize>,
    /// Examples an update, of every stage [default: 100].
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Learning")]
    pub batch_size: Option<usize>,
    /// Step size, constant or a schedule (below) [default: linear:0.1:0; linear:0.05:0 without
    /// centering; with a discriminative or hybrid objective linear:0.5:0, and linear:1:0 without
    /// centering].
    #[arg(long, value_name = "SCHEDULE", help_heading = "Learning")]
    pub learning_rate: Option<Schedule>,
    /// Share of the last step that is repeated, constant or a schedule [default: 0; 0.9 with a
    /// discriminative or hybrid objective and centering].
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
    /// Offsets of the centered gradient: `none` for the ordinary one, `data` for means under the
    /// data, `average` for the average of both phases (the enhanced gradient), a number such as
    /// 0.5, or two of these for visible and hidden units, `data,0.5` [default: data for bernoulli
    /// units, except with --labels and the generative objective; else none].
    #[arg(long, value_name = "HOW", help_heading = "Learning")]
    pub centering: Option<CenteringArg>,
    /// The ordinary gradient: --centering none.
    #[arg(long, conflicts_with = "centering", help_heading = "Learning")]
    pub no_centering: bool,
    /// Share of the way to the means of a minibatch that offsets go at each update, 0 to 1
    /// [default: 0.01].
    #[arg(long, value_name = "X", help_heading = "Learning")]
    pub centering_rate: Option<f32>,
    /// How gradients become steps; adam and adamax decay weights on their own, by the learning rate
    /// times --weight-decay, and want smaller learning rates, such as linear:0.001:0 [default:
    /// momentum].
    #[arg(long, help_heading = "Learning")]
    pub optimizer: Option<OptimizerArg>,
    /// Mean activity that hidden units are drawn to, between 0 and 1; with train dbm one for all
    /// hidden layers, or one for each, the lowest first [default: none].
    #[arg(
        long,
        value_name = "P[,P,...]",
        value_delimiter = ',',
        help_heading = "Learning"
    )]
    pub sparsity: Option<Vec<f32>>,
    /// Weight of --sparsity in the gradient of the hidden biases [default: 0.1].
    #[arg(long, value_name = "X", help_heading = "Learning")]
    pub sparsity_cost: Option<f32>,
    /// Longest vector of weights of a hidden unit; longer ones are shortened to it [default: none].
    #[arg(long, value_name = "X", help_heading = "Learning")]
    pub max_norm: Option<f32>,
    /// The result is an average of the parameters: `last:SHARE` over the last share of the updates,
    /// `exponential:DECAY` a decayed one, `none` [default: none].
    #[arg(long, value_name = "HOW", value_parser = averaging, help_heading = "Learning")]
    pub averaging: Option<AveragingArg>,
    /// Stop after this many epochs in which held-out examples (--validation) have not become
    /// likelier, by the --early-stopping-by; the best machine is kept in best.safetensors [default:
    /// never].
    #[arg(long, value_name = "EPOCHS", value_parser = positive, help_heading = "Learning")]
    pub early_stopping: Option<usize>,
    /// What tells how good a machine is: `likelihood` (exact up to 20 units in the smaller layer,
    /// else by AIS, which costs seconds an epoch), `pseudo-likelihood`, `reconstruction-error`, or
    /// `free-energy-gap:NATS`, by which an epoch is good while held-out examples have at most NATS
    /// (1 if left out) more free energy than training examples, and the last good one is the best
    /// [default: likelihood up to 16 units, else pseudo-likelihood for bernoulli units, else
    /// reconstruction-error].
    #[arg(
        long,
        value_name = "WHAT",
        requires = "early_stopping",
        help_heading = "Learning"
    )]
    pub early_stopping_by: Option<CriterionArg>,
    /// Recipes for machines of bernoulli units, which other options override: `fast` 20 epochs,
    /// `good` the default, `best` 300 epochs with 5 Gibbs sweeps an update and --weight-decay 2e-4.
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
    /// Go on with the run in --out, bit for bit as if it had never stopped. Options come from its
    /// file; a larger --epochs extends it (a schedule that depends on T is then that of the new T,
    /// from here on).
    #[arg(long, help_heading = "Output")]
    pub resume: bool,
    /// Keep N models on the way, at updates evenly spaced in the logarithm, in DIR/trajectory: for
    /// `sample --trajectory`.
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Output")]
    pub trajectory: Option<usize>,
    /// One JSON object on stdout in place of the table.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Options of general Boltzmann machines.
    #[command(flatten)]
    pub general: GeneralArgs,
    /// Threads of the command.
    #[command(flatten)]
    pub threads: Threads,
    /// Options of deep belief networks.
    #[command(flatten)]
    pub deep: DeepArgs,
    /// Options of deep Boltzmann machines.
    #[command(flatten)]
    pub dbm: DbmArgs,
}

/// Sweeps an update: draws are numbered by 48 bits, which is enough for a million of them in 10^8
/// updates.
pub(super) fn steps(text: &str) -> Result<Schedule, String> {
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
