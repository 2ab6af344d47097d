//! Options of a network that starts from the layers of a deep machine.

use crate::args::{count, positive};
use clap::{Args, ValueEnum};
use harmonium::train::Schedule;

/// How a network is fine-tuned.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum FineTuneArg {
    /// Backpropagation: steps with momentum and dropout.
    Backprop,
    /// Conjugate gradients on minibatches of 1000, as Hinton and Salakhutdinov (2006).
    ConjugateGradients,
}

/// A network that starts from the layers of a deep machine.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Fine-tuning")]
pub struct FineTuneArgs {
    /// At last a network that starts from the layers learns the labels.
    ///
    /// It goes to network.safetensors in --out. That of train dbm, which wants two hidden layers or
    /// more, has the means of the second beside the data as its input.
    #[arg(long, value_name = "HOW")]
    pub fine_tune: Option<FineTuneArg>,
    /// Epochs of --fine-tune [default: 100, of conjugate gradients 37].
    #[arg(long, value_name = "N", value_parser = count, requires = "fine_tune")]
    pub fine_tune_epochs: Option<usize>,
    /// Examples an update of --fine-tune [default: --batch-size; else 100, of conjugate gradients
    /// 1000].
    #[arg(long, value_name = "N", value_parser = positive, requires = "fine_tune", hide_short_help = true)]
    pub fine_tune_batch_size: Option<usize>,
    /// The first of these, in which the output layer learns alone: of no more epochs, all [default:
    /// none, of conjugate gradients 5].
    #[arg(long, value_name = "N", value_parser = count, requires = "fine_tune", hide_short_help = true)]
    pub output_epochs: Option<usize>,
    /// Step size of --fine-tune backprop [default: linear:0.2:0].
    #[arg(
        long,
        value_name = "SCHEDULE",
        requires = "fine_tune",
        hide_short_help = true
    )]
    pub fine_tune_rate: Option<Schedule>,
    /// Share of pixels left out of an update of --fine-tune backprop [default: 0.2].
    #[arg(long, value_name = "P", requires = "fine_tune", hide_short_help = true)]
    pub input_dropout: Option<f32>,
    /// The same of hidden units [default: 0.5].
    #[arg(long, value_name = "P", requires = "fine_tune", hide_short_help = true)]
    pub hidden_dropout: Option<f32>,
    /// --fine-tune draws bits of gray inputs at each visit [default: takes them as they are].
    #[arg(long, requires = "fine_tune", hide_short_help = true)]
    pub fine_tune_resample: bool,
}
