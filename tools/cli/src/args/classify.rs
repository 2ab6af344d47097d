//! Options of `harmonium classify`.

use super::{AnswerArgs, ExamplesArgs, positive};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How a deep belief network classifies.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum WayArg {
    /// Deterministic pass up, exact probabilities of the classes.
    Deterministic,
    /// Stochastic passes up, exact probabilities averaged.
    Averaged,
    /// One stochastic pass up, label Gibbs sampling in the top pair.
    Gibbs,
}

/// Options of `harmonium classify`.
#[derive(Args, Debug)]
#[command(after_help = "\
Prints the share of wrong classes where the data have labels. Probabilities p(y | v) of an RBM are exact, those of a deep belief network given what --way infers, those of a deep Boltzmann machine from the mean-field bounds of every class; --out writes them, one row an \
example and one column a class; .json has probabilities, found (the most probable classes) and labels.

JSON: count, classes, split, read (what the columns are), of a deep belief network way; and with labels error, wrong, mean_log_probability, confusion (rows: labels, columns: classes found); with \
--compare count, split, ways: each with the keys of labels and seconds.")]
pub struct ClassifyArgs {
    /// Model file [default: that of the newest of ./run, ./run-2 and so on].
    pub model: Option<PathBuf>,
    /// The examples.
    #[command(flatten)]
    pub of: ExamplesArgs,
    /// Write the class probabilities.
    #[arg(long, value_name = "FILE.npy|FILE.csv|FILE.json")]
    pub out: Option<PathBuf>,
    /// How a deep belief network classifies [default: deterministic].
    #[arg(long)]
    pub way: Option<WayArg>,
    /// Show the error by each of the three ways of a deep belief network.
    #[arg(long, conflicts_with_all = ["way", "out", "confusion"])]
    pub compare: bool,
    /// Stochastic passes of --way averaged [default: 20].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub passes: Option<usize>,
    /// Sweeps of --way gibbs [default: 100].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub sweeps: Option<usize>,
    /// Draw the confusion table.
    #[arg(long, value_name = "FILE.png")]
    pub confusion: Option<PathBuf>,
    /// Seed of --way averaged and gibbs [default: 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The answer.
    #[command(flatten)]
    pub answer: AnswerArgs,
}

impl WayArg {
    /// As in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deterministic => "deterministic",
            Self::Averaged => "averaged",
            Self::Gibbs => "gibbs",
        }
    }
}
