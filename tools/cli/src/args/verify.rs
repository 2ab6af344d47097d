//! Options of `harmonium verify`.

use super::{AnswerArgs, ExamplesArgs};
use clap::Args;
use std::path::PathBuf;

/// Options of `harmonium verify`.
#[derive(Args, Debug)]
#[command(after_help = "\
Checks: `finite` parameters; `normalizable`, whether the energy of continuous units has a normal form; `saturated` hidden units, which are constants \
whatever they see; `look_up`, the largest error of the weights of fast products; with --data `data`, whether all values are states of the visible units. \
Each is good, odd (it can be used) or wrong. The exit code is 0 unless one is wrong.

JSON: good, checks: each with name, verdict, told.")]
pub struct VerifyArgs {
    /// Model file [default: that of the newest of ./run, ./run-2 and so on].
    pub model: Option<PathBuf>,
    /// The examples; without --data there are none.
    #[command(flatten)]
    pub of: ExamplesArgs,
    /// The answer.
    #[command(flatten)]
    pub answer: AnswerArgs,
}
