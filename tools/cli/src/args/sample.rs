//! Options of `harmonium sample`.

use super::{AnswerArgs, DEFAULT_BETAS, count, positive};
use crate::show::shape::ShapeArg;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What is shown or written of the visible units.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum ValuesArg {
    /// Means E[v | h] of the last sweep, held units at their values.
    Means,
    /// States.
    States,
}

/// Options of `harmonium sample`.
#[derive(Args, Debug)]
#[command(after_help = "\
Chains start from fair coins and are independent. Few steps show chains that are still on their way; chains of a machine with separate \
modes may never leave theirs. --tempering and --trajectory let them: replicas of each chain at other temperatures, or at the models that \
`train --trajectory` kept, change places with those at the model. Both sample the model exactly after burn-in; swap rates below some 10% \
call for more levels. They print swap rates, and the integrated autocorrelation time (IAT) of the free energy in sweeps beside that of plain \
Gibbs chains of the same number of sweeps. See docs/sampling.md.

--weighted does not rest on mixing: the mean of any figure g under the model is about sum w g(v). It prints ln Z and the effective sample size; where \
that is small, a few samples carry all the weight.

A deep belief network is sampled by chains of its top pair and one pass down; free ones start from fair coins (free association), or without labels at the features of \
examples. Of the options here it has all but --beta, --tempering, --trajectory, --weighted and --clamp.

A deep Boltzmann machine is sampled by block Gibbs sweeps over all its layers, odd ones, then even ones. Of the options here it has all but --tempering, --trajectory, \
--save-chains and --continue.

A general Boltzmann machine is sampled by sweeps over all units, one unit after the other or by blocks, whichever suits its couplings. Of the options here it has all but --label, --every-label, --tempering, --trajectory, \
--save-chains and --continue. It tells means of its energy and its units over the --steps sweeps after --burn-in, with standard errors between chains. MODEL may be a text file of couplings: a line `i j weight` for each pair and \
`i i bias` (.txt or .edges), or of an Ising model a line `i j J` for each term -J s_i s_j of the energy, once a pair, and `i i f` for a field -f s_i (.ising). \
JSON: energy (a unit), magnetization and absolute_magnetization (mean spin; with spins) or activity (share of units that are on), each with its _error (null of one \
chain), autocorrelation_time (of the energy, in sweeps; null if unknown), autocorrelation_long_enough, units, count, steps, burn_in, beta, seed, sweep (units or \
blocks), spins, out.

--clamp holds units at given values and samples the others given them: missing values, or one class with --label. Inpainting of the first examples of the test part:
  harmonium sample run/model.safetensors --clamp data --mask upper --over-time --out completed.png")]
pub struct SampleArgs {
    /// Model file, or a text file of couplings: .txt, .edges or, of spins, .ising [default: the
    /// model of the newest of ./run, ./run-2 and so on].
    pub model: Option<PathBuf>,
    /// Chains, of which each gives one sample [default: 100, or as many as the file of --clamp or
    /// --continue has rows].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub count: Option<usize>,
    /// Gibbs sweeps of each chain.
    #[arg(long, value_name = "K", value_parser = count, default_value_t = 1000)]
    pub steps: usize,
    /// Words of each sample of a machine of counts.
    #[arg(long, value_name = "D", value_parser = positive, conflicts_with_all = ["from_data", "continue_from", "trajectory"])]
    pub length: Option<usize>,
    /// Inverse temperature: 0 is fair coins, 1 is the model, more is bolder.
    #[arg(long, value_name = "X", default_value_t = 1.0, conflicts_with_all = ["tempering", "trajectory"])]
    pub beta: f32,
    /// Parallel tempering with K temperatures, adapted during burn-in to equal swap rates.
    #[arg(long, value_name = "K", value_parser = positive, conflicts_with_all = ["trajectory", "save_chains", "continue_from"])]
    pub tempering: Option<usize>,
    /// Lowest inverse temperature of --tempering [default: 0, or 0.1 with gaussian and relu units].
    #[arg(long, value_name = "X", requires = "tempering")]
    pub lowest_beta: Option<f32>,
    /// Swaps between the models that training kept: a directory, or files in the order of training.
    #[arg(long, value_name = "DIR|FILES", num_args = 1.., conflicts_with_all = ["save_chains", "continue_from"])]
    pub trajectory: Vec<PathBuf>,
    /// Samples with weights, by annealed importance sampling from the base rate of the data that
    /// the model was trained on (uniform if they are not known): OUT.npy has the states,
    /// OUT.weights.npy the ln w, which add up to 1 as w.
    #[arg(long, conflicts_with_all = ["steps", "beta", "tempering", "trajectory", "clamp", "label", "save_chains", "continue_from"])]
    pub weighted: bool,
    #[arg(long, value_name = "N", value_parser = positive, requires = "weighted",
        help = format!("Inverse temperatures of --weighted, one sweep each [default: {DEFAULT_BETAS}]"))]
    pub betas: Option<usize>,
    /// Sweeps of --tempering, --trajectory and general Boltzmann machines before the --steps sweeps
    /// that are measured [default: 256].
    #[arg(long, value_name = "N", value_parser = count)]
    pub burn_in: Option<usize>,
    /// Values of held visible units in the terms of the data, one row or one a chain, `.npy` or a
    /// text, of which fields that are empty are not held; `data` takes the first --count test
    /// examples (of the training part if there is no other).
    #[arg(long, value_name = "FILE|data")]
    pub clamp: Option<PathBuf>,
    /// Which visible units are held: 1, and 0 for those that are sampled, `.npy` [n x visible] or
    /// [1 x visible]; or a half of the picture.
    #[arg(
        long,
        value_name = "FILE.npy|upper|lower|left|right",
        requires = "clamp"
    )]
    pub mask: Option<PathBuf>,
    /// Height and width of the pictures that examples are, such as 12x20 [default: what the model
    /// says].
    #[arg(long, value_name = "HxW")]
    pub shape: Option<ShapeArg>,
    /// Chains start at training examples, over and over if there are few, in place of fair coins;
    /// with --clamp data at the examples that are held in part.
    #[arg(long, conflicts_with_all = ["continue_from", "tempering", "trajectory", "weighted"])]
    pub from_data: bool,
    /// Data of --from-data and --clamp data, as in `train` [default: what the model was trained
    /// on].
    #[arg(long, value_name = "mnist|DIR|FILE")]
    pub data: Option<String>,
    /// A sheet of chains over Gibbs time: a row a chain, columns after 0, 1, 2, 5, 10, ... sweeps
    /// [default of --count: 10].
    #[arg(long, conflicts_with_all = ["tempering", "trajectory", "weighted"])]
    pub over_time: bool,
    /// Means or states [default: means on a sheet, states as numbers; states before the first
    /// sweep].
    #[arg(long, value_name = "WHAT", conflicts_with = "weighted")]
    pub values: Option<ValuesArg>,
    /// Hold the label of a machine with labels at this class, as the data name it.
    #[arg(
        long,
        value_name = "CLASS",
        conflicts_with = "clamp",
        allow_hyphen_values = true
    )]
    pub label: Option<String>,
    /// Hold the label at every class in turn, with the same number of chains, on a sheet a row a
    /// class [default of --count: 10 a class].
    #[arg(long, conflicts_with_all = ["label", "clamp", "weighted", "continue_from"])]
    pub every_label: bool,
    /// Write the chains, to go on with.
    #[arg(long, value_name = "FILE")]
    pub save_chains: Option<PathBuf>,
    /// Go on with chains that --save-chains wrote, as if never interrupted, to the bit; held units
    /// are to be told again.
    #[arg(long = "continue", value_name = "FILE", conflicts_with_all = ["seed", "count"])]
    pub continue_from: Option<PathBuf>,
    /// Seed of every draw [default: 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// `.png`: a sheet; `.npy`: states or means [count x visible], binary states as u8, others as
    /// f32; `.csv`: the same, a line each.
    #[arg(long, value_name = "FILE.png|FILE.npy|FILE.csv")]
    pub out: PathBuf,
    /// Write a row a sample: its free energy, or its energy of a machine without one (of the
    /// figures that chains are watched by).
    #[arg(long, value_name = "FILE.csv", conflicts_with = "weighted")]
    pub energies: Option<PathBuf>,
    /// States are spins: they are written as -1 and 1, and energy and magnetization are those of
    /// spins, as they always are of an .ising file. Of general Boltzmann machines.
    #[arg(long)]
    pub spins: bool,
    /// The answer.
    #[command(flatten)]
    pub answer: AnswerArgs,
}
