//! Options of `harmonium impute`.

use super::{AnswerArgs, ReadingArgs, ValuesArg, count, positive};
use clap::Args;
use std::path::PathBuf;

/// Options of `harmonium impute`.
#[derive(Args, Debug)]
#[command(after_help = "\
The table comes back with what it held; each field that was missing has what the model expects of it given the fields of its row that are there: \
the mean of a number, in the terms of the data; the probability of a one; of categories that are numbers, such as ratings, their mean, and of texts the most probable. \
With --values states it has a draw, all fields of a row together, from the distribution given the others: draws of several seeds are multiple imputation.

Means are sums over all states where these are few, else means over a Gibbs chain for each row, which holds the fields that are there. \
Of a machine of --missing=absent a field is predicted as if it alone joined those that are there (Salakhutdinov, Mnih and Hinton 2007), exactly. \
RBMs, deep and general Boltzmann machines infer what is missing.

JSON: count, columns, missing (fields), values, how (exact or gibbs), burn_in and sweeps of gibbs, seed, out.")]
pub struct ImputeArgs {
    /// Model file [default: that of the newest of ./run, ./run-2 and so on].
    pub model: Option<PathBuf>,
    /// Table with missing values [default: what the model was trained on].
    #[arg(long, value_name = "FILE")]
    pub data: Option<String>,
    /// How the file is read, where it is not as in training.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// What stands in place of what is missing: means, or states, which are draws.
    #[arg(long, value_name = "WHAT", default_value = "means")]
    pub values: ValuesArg,
    /// Means by enumeration, whatever it takes.
    #[arg(long, conflicts_with_all = ["burn_in", "sweeps"])]
    pub exact: bool,
    /// Sweeps of each chain before the first that counts [default: 50].
    #[arg(long, value_name = "N", value_parser = count)]
    pub burn_in: Option<usize>,
    /// Sweeps of each chain that count [default: 250].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub sweeps: Option<usize>,
    /// Seed of every draw [default: 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The table, a line or a row each.
    #[arg(long, value_name = "FILE.csv|FILE.npy")]
    pub out: PathBuf,
    /// The answer.
    #[command(flatten)]
    pub answer: AnswerArgs,
}
