//! Options of `harmonium transform`.

use super::{AnswerArgs, ExamplesArgs};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How layers are inferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
pub enum PassArg {
    /// Deterministic: means of means.
    #[default]
    Means,
    /// Stochastic: states.
    Samples,
}

/// Options of `harmonium transform`.
#[derive(Args, Debug)]
#[command(after_help = "\
Features of an RBM are E[h | v]; the labels of one that has learned labels are summed out. Of a deep belief network they are means of a layer, each layer \
inferred from the means of the one below. Of a deep Boltzmann machine they are the means of the mean-field posterior, in which all hidden layers agree. Of a general Boltzmann machine they are mean-field means of its hidden units. With --pass samples they are states drawn given v, layer by layer.

Of examples with missing values (--missing) features of an RBM, a deep and a general Boltzmann machine are E[h | v_observed]: sums over what is missing where these are cheap, else means over Gibbs chains; of a machine of --missing=absent those without the missing units.

JSON: count, split, read (what the columns are), layer, pass, columns, out; of a deep or general Boltzmann machine mean_field_iterations (of the slowest example) and mean_field_change.")]
pub struct TransformArgs {
    /// Model file [default: that of the newest of ./run, ./run-2 and so on].
    pub model: Option<PathBuf>,
    /// The examples.
    #[command(flatten)]
    pub of: ExamplesArgs,
    /// Layer, 1 being the lowest hidden one [default: the highest, or with labels the one that they
    /// are beside].
    #[arg(long, value_name = "L", value_parser = super::positive)]
    pub layer: Option<usize>,
    /// Pass up.
    #[arg(long, default_value = "means")]
    pub pass: PassArg,
    /// Write [v, features]: the values of the example before what the layer makes of them, as a
    /// classifier upon a deep Boltzmann machine takes them.
    #[arg(long)]
    pub with_data: bool,
    /// Seed of --pass samples [default: 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Features, one row an example, f32; states of --pass samples in .npy as u8; in .csv under
    /// names, after the names of the examples if the file has them.
    #[arg(long, value_name = "FILE.npy|FILE.csv")]
    pub out: PathBuf,
    /// The answer.
    #[command(flatten)]
    pub answer: AnswerArgs,
}
