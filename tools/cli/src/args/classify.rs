//! Options of `harmonium classify`.

use super::{Split, Threads};
use clap::Args;
use harmonium::dataset::Binarization;
use std::path::PathBuf;

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
