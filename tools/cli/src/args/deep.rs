//! Options of `harmonium train dbn` beside those of all machines, some of them of `train dbm` too.

use super::count;
use crate::kinds::deep::{
    DEFAULT_LAYERS, DEFAULT_LOWER_EPOCHS, DEFAULT_TOP_EPOCHS, DEFAULT_UP_DOWN_EPOCHS, boltzmann,
};
use clap::{Args, ValueEnum};
use harmonium::train::{Aggregated, Schedule};

/// Headings of these options in `--help`.
const HEADING: &str = "Deep belief network (train dbn)";
const BOTH: &str = "Deep machines (train dbn, train dbm)";

/// What higher layers learn.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum PosteriorArg {
    /// Means of the deterministic pass through the layers below.
    Means,
    /// States of a stochastic pass, drawn at each visit.
    Samples,
}

impl From<PosteriorArg> for Aggregated {
    fn from(arg: PosteriorArg) -> Self {
        match arg {
            PosteriorArg::Means => Self::Means,
            PosteriorArg::Samples => Self::Samples,
        }
    }
}

/// How a network is fine-tuned.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum FineTuneArg {
    /// Backpropagation: steps with momentum and dropout.
    Backprop,
    /// Conjugate gradients on minibatches of 1000, as Hinton and Salakhutdinov (2006).
    ConjugateGradients,
}

/// Options of `harmonium train dbn`; layers and fine-tuning are of `train dbm` too.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = HEADING)]
pub struct DeepArgs {
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', value_parser = super::positive, help_heading = BOTH,
        help = format!("Hidden units of each layer, the lowest first [default: {}; of train dbm {}]", list(&DEFAULT_LAYERS), list(&boltzmann::DEFAULT_LAYERS)))]
    pub layers: Option<Vec<usize>>,
    #[arg(long, value_name = "N[,N,...]", value_delimiter = ',', value_parser = count,
        help = format!("Epochs of greedy training, of each layer or one number for each [default: {DEFAULT_LOWER_EPOCHS}, of the last layer {DEFAULT_TOP_EPOCHS}]"))]
    pub greedy_epochs: Option<Vec<usize>>,
    /// Step size of a greedy stage; given once for all layers, or once for each, the lowest first
    /// [default: --learning-rate].
    #[arg(long, value_name = "SCHEDULE", conflicts_with = "learning_rate")]
    pub greedy_rate: Vec<Schedule>,
    /// What a layer learns of those below [default: samples].
    #[arg(long)]
    pub posterior: Option<PosteriorArg>,
    /// Start layers from the one below upside down, so that the network is at first what it was:
    /// those with at least as many units as the layer two below.
    #[arg(long)]
    pub transposed: bool,
    #[arg(long, value_name = "N", value_parser = count,
        help = format!("Epochs of the up-down algorithm, which follows; 0 for none [default: {DEFAULT_UP_DOWN_EPOCHS}]"))]
    pub up_down_epochs: Option<usize>,
    /// Gibbs sweeps of the top pair in an update, a number or a schedule such as
    /// at:0=3,100=6,200=10 [default: 3, 6 and 10 in thirds of the epochs].
    #[arg(long, value_name = "SCHEDULE")]
    pub up_down_steps: Option<Schedule>,
    /// Step size of all weights in the up-down algorithm [default: linear:0.1:0].
    #[arg(long, value_name = "SCHEDULE")]
    pub up_down_rate: Option<Schedule>,
    /// That of the generative weights alone [default: --up-down-rate].
    #[arg(long, value_name = "SCHEDULE")]
    pub generative_rate: Option<Schedule>,
    /// That of the recognition weights alone [default: --up-down-rate].
    #[arg(long, value_name = "SCHEDULE")]
    pub recognition_rate: Option<Schedule>,
    /// That of the top pair alone [default: --up-down-rate].
    #[arg(long, value_name = "SCHEDULE")]
    pub top_rate: Option<Schedule>,
    /// Momentum of the up-down algorithm [default: 0].
    #[arg(long, value_name = "SCHEDULE")]
    pub up_down_momentum: Option<Schedule>,
    /// L2 decay of all weights in the up-down algorithm [default: 0].
    #[arg(long, value_name = "X")]
    pub up_down_weight_decay: Option<f32>,
    /// At last a feed-forward network that starts from the layers learns the labels; it goes to
    /// network.safetensors in --out. That of train dbm, which wants two hidden layers or more, has
    /// the means of the second beside the data as its input.
    #[arg(long, value_name = "HOW", help_heading = BOTH)]
    pub fine_tune: Option<FineTuneArg>,
    #[arg(long, value_name = "N", value_parser = count, requires = "fine_tune", help_heading = BOTH,
        help = "Epochs of --fine-tune [default: 100, of conjugate gradients 37]")]
    pub fine_tune_epochs: Option<usize>,
    #[arg(long, value_name = "N", value_parser = super::positive, requires = "fine_tune", help_heading = BOTH,
        help = "Examples an update of --fine-tune [default: --batch-size; else 100, of conjugate gradients 1000]")]
    pub fine_tune_batch_size: Option<usize>,
    #[arg(long, value_name = "N", value_parser = count, requires = "fine_tune", help_heading = BOTH,
        help = "The first of these, in which the output layer learns alone: of no more epochs, all [default: none, of conjugate gradients 5]")]
    pub output_epochs: Option<usize>,
    #[arg(long, value_name = "SCHEDULE", requires = "fine_tune", help_heading = BOTH,
        help = "Step size of --fine-tune backprop [default: linear:0.2:0]")]
    pub fine_tune_rate: Option<Schedule>,
    #[arg(long, value_name = "P", requires = "fine_tune", help_heading = BOTH,
        help = "Share of pixels left out of an update of --fine-tune backprop [default: 0.2]")]
    pub input_dropout: Option<f32>,
    #[arg(long, value_name = "P", requires = "fine_tune", help_heading = BOTH,
        help = "The same of hidden units [default: 0.5]")]
    pub hidden_dropout: Option<f32>,
    #[arg(long, requires = "fine_tune", help_heading = BOTH,
        help = "--fine-tune draws bits of gray inputs at each visit [default: takes them as they are]")]
    pub fine_tune_resample: bool,
}

impl DeepArgs {
    /// The first that was given of those that deep belief networks share with deep Boltzmann
    /// machines.
    pub fn given_of_both(&self) -> Option<&'static str> {
        [
            ("--layers", self.layers.is_some()),
            ("--fine-tune", self.fine_tune.is_some()),
        ]
        .into_iter()
        .find_map(|(flag, given)| given.then_some(flag))
    }

    /// The first that was given of those that are for deep belief networks alone.
    pub fn given_of_dbn(&self) -> Option<&'static str> {
        [
            ("--greedy-epochs", self.greedy_epochs.is_some()),
            ("--greedy-rate", !self.greedy_rate.is_empty()),
            ("--posterior", self.posterior.is_some()),
            ("--transposed", self.transposed),
            ("--up-down-epochs", self.up_down_epochs.is_some()),
            ("--up-down-steps", self.up_down_steps.is_some()),
            ("--up-down-rate", self.up_down_rate.is_some()),
            ("--generative-rate", self.generative_rate.is_some()),
            ("--recognition-rate", self.recognition_rate.is_some()),
            ("--top-rate", self.top_rate.is_some()),
            ("--up-down-momentum", self.up_down_momentum.is_some()),
            (
                "--up-down-weight-decay",
                self.up_down_weight_decay.is_some(),
            ),
        ]
        .into_iter()
        .find_map(|(flag, given)| given.then_some(flag))
    }
}

fn list(numbers: &[usize]) -> String {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    texts.join(",")
}
