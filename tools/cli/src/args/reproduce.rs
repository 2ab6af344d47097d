//! Options of `harmonium reproduce`.

use super::{AnswerArgs, positive};
use clap::Args;
use std::path::PathBuf;

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
    /// Repeat with N seeds from --seed on, and print means over them; models of a later seed
    /// replace those of an earlier one.
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = 1)]
    pub seeds: usize,
    /// Directory for the record NAME.json and the models.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with the joint stage that an earlier run of a DBM, interrupted or not, left in --out
    /// after its last epoch.
    #[arg(long, requires = "out", conflicts_with_all = ["only", "seeds"])]
    pub resume: bool,
    /// The answer.
    #[command(flatten)]
    pub answer: AnswerArgs,
}
