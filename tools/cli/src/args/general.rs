//! Options of general Boltzmann machines, beside those that they share with other kinds.

use super::positive;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Heading of these options in `--help`.
const HEADING: &str = "General Boltzmann machine (train boltzmann)";

/// Where expectations over the hidden units of data come from.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum PositiveArg {
    /// Enumeration of the posterior.
    Exact,
    /// A chain of hidden units for each example, which goes on when the example comes again.
    Gibbs,
    /// A factorial approximation of the posterior.
    MeanField,
}

/// Options of `harmonium train boltzmann`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = HEADING)]
pub struct GeneralArgs {
    /// Which units may be coupled, visible ones first: a text file with a line `i j weight` for
    /// each pair, or of spins `i j J` if its name ends in .ising (see docs/boltzmann.md). Pairs
    /// that are not there stay uncoupled; learning starts from the weights and biases of the file,
    /// or as without it where all of them are 0 [default: all pairs].
    #[arg(long, value_name = "FILE")]
    pub connectivity: Option<PathBuf>,
    /// Where expectations over hidden units given data come from [default: gibbs; exact with
    /// --method exact].
    #[arg(long)]
    pub positive: Option<PositiveArg>,
    /// Sweeps of --positive gibbs at each visit of an example [default: 1].
    #[arg(long, value_name = "K", value_parser = positive)]
    pub positive_steps: Option<usize>,
}

impl GeneralArgs {
    /// The first of these options that was given.
    pub fn given(&self) -> Option<&'static str> {
        [
            ("--connectivity", self.connectivity.is_some()),
            ("--positive", self.positive.is_some()),
            ("--positive-steps", self.positive_steps.is_some()),
        ]
        .into_iter()
        .find_map(|(flag, given)| given.then_some(flag))
    }
}

/// Options of `harmonium sample` for general Boltzmann machines.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "General Boltzmann machine")]
pub struct GeneralSampleArgs {
    /// States are spins: they are written as -1 and 1, and energy and magnetization are those of
    /// spins, as they always are of an .ising file.
    #[arg(long)]
    pub spins: bool,
    /// What was observed as one JSON object in place of the table.
    #[arg(long)]
    pub json: bool,
}
