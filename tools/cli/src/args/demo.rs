//! Options of `harmonium demo`.

use super::AnswerArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum DemoName {
    /// A mode that contrastive divergence leaves where the data have none, and that chains of their
    /// own remove.
    SpuriousModes,
}

/// Options of `harmonium demo`.
#[derive(Args, Debug)]
#[command(after_help = "\
JSON: models, each name, spurious_mass, spurious_state, divergence (KL(data || model), nats); out.")]
pub struct DemoArgs {
    /// Which demonstration.
    pub name: DemoName,
    /// Picture of the distributions.
    #[arg(long, value_name = "FILE.png", default_value = "./spurious-modes.png")]
    pub out: PathBuf,
    /// Seed of every choice and draw.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// The answer.
    #[command(flatten)]
    pub answer: AnswerArgs,
}
