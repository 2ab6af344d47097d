//! Options of `sample` for general Boltzmann machines.

use clap::Args;

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
