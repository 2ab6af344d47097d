//! Options of `harmonium train` by kind of machine.

use super::groups::{
    DataArgs, LearningArgs, NegativeArgs, OutputArgs, PositiveArgs, ReconstructionArgs,
    ResampleArgs, ShapeArgs, StoppingArgs, UnitsArgs, steps,
};
use super::{fine_tune::FineTuneArgs, up_down::UpDown};
use crate::args::{Choice, count, one_of, positive};
use clap::{Args, ValueEnum};
use harmonium::{
    recipe::defaults::Preset,
    train::{Aggregated, Objective, Schedule},
};
use std::path::PathBuf;

/// What a machine with labels learns.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum ObjectiveArg {
    /// ln p(v, y), by the negative phase of --method.
    Generative,
    /// ln p(y | v), by its exact gradient.
    Discriminative,
    /// ln p(y | v) + W ln p(v, y), with W the --generative-weight.
    Hybrid,
}

/// Weight of the generative part unless told otherwise, of the order that Larochelle et al. (2012)
/// chose by validation.
const GENERATIVE_WEIGHT: f32 = 0.01;

impl ObjectiveArg {
    /// With the weight that `hybrid` takes.
    pub fn objective(self, generative_weight: Option<f32>) -> Objective {
        match self {
            Self::Generative => Objective::Generative,
            Self::Discriminative => Objective::Discriminative,
            Self::Hybrid => Objective::Hybrid {
                generative_weight: generative_weight.unwrap_or(GENERATIVE_WEIGHT),
            },
        }
    }
}

/// How much work a machine is worth.
const PRESETS: [Choice<Preset>; 3] = [
    ("fast", "", Preset::Fast),
    ("good", "", Preset::Good),
    ("best", "", Preset::Best),
];

/// What every kind has.
#[derive(Args, Clone, Debug)]
pub struct SharedArgs {
    /// Start from the parameters of this model.
    ///
    /// It is of the same kind and shape.
    ///
    /// On new data, or at a new rate. Sizes and units are those of the model where nothing is said
    /// of them; steps, averages and chains begin anew. A deep belief network learns by the up-down
    /// algorithm alone, a deep Boltzmann machine by the joint stage alone.
    #[arg(
        long,
        value_name = "MODEL",
        help_heading = "Machine",
        conflicts_with = "resume"
    )]
    pub init: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub learning: LearningArgs,
    #[command(flatten)]
    pub stopping: StoppingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Options of `train rbm`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Machine")]
pub struct RbmArgs {
    /// Hidden units [default: 500].
    #[arg(long, value_name = "N", value_parser = count)]
    pub hidden: Option<usize>,
    /// Kind of the hidden units, as --visible-units [default: bernoulli].
    #[arg(long, value_name = "KINDS", hide_short_help = true)]
    pub hidden_units: Option<String>,
    /// Labels become visible units: the machine classifies.
    #[arg(long, conflicts_with = "stream")]
    pub labels: bool,
    /// generative, discriminative or hybrid, with --labels [default: generative].
    ///
    /// Generative learns ln p(v, y) by the negative phase of --method, discriminative ln p(y | v)
    /// by its exact gradient, hybrid ln p(y | v) + W ln p(v, y) with W the --generative-weight.
    #[arg(
        long,
        requires = "labels",
        value_name = "WHAT",
        hide_possible_values = true
    )]
    pub objective: Option<ObjectiveArg>,
    /// Weight of ln p(v, y) beside ln p(y | v) in the hybrid objective [default: 0.01].
    #[arg(long, value_name = "X", requires = "objective", hide_short_help = true)]
    pub generative_weight: Option<f32>,
    /// Passes over the training examples [default: 100; more of small data].
    ///
    /// Of fewer than 20,000 examples as many updates as with 20,000.
    #[arg(long, value_name = "N", value_parser = count)]
    pub epochs: Option<usize>,
    /// Recipes, which other options override: fast, good or best.
    ///
    /// `fast` is a fifth of the epochs, `good` the default, `best` three times the epochs with 5
    /// Gibbs sweeps an update and --weight-decay 2e-4.
    #[arg(long, value_parser = one_of(&PRESETS), hide_possible_values = true)]
    pub preset: Option<Preset>,
    #[command(flatten)]
    pub units: UnitsArgs,
    #[command(flatten)]
    pub resample: ResampleArgs,
    #[command(flatten)]
    pub negative: NegativeArgs,
    #[command(flatten)]
    pub reconstruction: ReconstructionArgs,
    #[command(flatten)]
    pub shape: ShapeArgs,
    #[command(flatten)]
    pub shared: SharedArgs,
    /// Keep N models on the way, for `sample --trajectory`.
    ///
    /// At updates evenly spaced in the logarithm, in DIR/trajectory.
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Output", hide_short_help = true)]
    pub trajectory: Option<usize>,
}

/// What higher layers learn.
const POSTERIORS: [Choice<Aggregated>; 2] = [
    (
        "means",
        "Means of the deterministic pass through the layers below",
        Aggregated::Means,
    ),
    (
        "samples",
        "States of a stochastic pass, drawn at each visit",
        Aggregated::Samples,
    ),
];

/// Options of `train dbn`; those of learning are of every greedy stage.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Machine")]
pub struct DbnArgs {
    /// Hidden units of each layer, the lowest first [default: 500,500,2000].
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', value_parser = positive)]
    pub layers: Option<Vec<usize>>,
    /// Labels join the layer below the top.
    #[arg(long, conflicts_with = "stream")]
    pub labels: bool,
    /// Epochs of each layer alone, or one for each [default: 20, last 40].
    #[arg(long, value_name = "N[,N,...]", value_delimiter = ',', value_parser = count)]
    pub greedy_epochs: Option<Vec<usize>>,
    /// Step size of a greedy stage; once for all layers, or once for each [default:
    /// --learning-rate].
    #[arg(
        long,
        value_name = "SCHEDULE",
        conflicts_with = "learning_rate",
        hide_short_help = true
    )]
    pub greedy_rate: Vec<Schedule>,
    /// What a layer learns of those below [default: samples].
    #[arg(long, value_parser = one_of(&POSTERIORS), hide_short_help = true)]
    pub posterior: Option<Aggregated>,
    /// Start layers from the one below upside down, so that the network is at first what it was:
    /// those with at least as many units as the layer two below.
    #[arg(long, hide_short_help = true)]
    pub transposed: bool,
    /// Epochs of the up-down algorithm, which follows; 0 for none [default: 300].
    #[arg(long, value_name = "N", value_parser = count)]
    pub up_down_epochs: Option<usize>,
    /// Step size of all weights in the up-down algorithm [default: linear:0.1:0].
    #[arg(long, value_name = "SCHEDULE")]
    pub up_down_rate: Option<Schedule>,
    /// That of the generative weights alone [default: --up-down-rate].
    #[arg(long, value_name = "SCHEDULE", hide_short_help = true)]
    pub generative_rate: Option<Schedule>,
    /// That of the recognition weights alone [default: --up-down-rate].
    #[arg(long, value_name = "SCHEDULE", hide_short_help = true)]
    pub recognition_rate: Option<Schedule>,
    /// That of the top pair alone [default: --up-down-rate].
    #[arg(long, value_name = "SCHEDULE", hide_short_help = true)]
    pub top_rate: Option<Schedule>,
    #[command(flatten)]
    pub up_down_negative: UpDown<NegativeArgs>,
    #[command(flatten)]
    pub up_down: UpDown<LearningArgs>,
    #[command(flatten)]
    pub units: UnitsArgs,
    #[command(flatten)]
    pub resample: ResampleArgs,
    #[command(flatten)]
    pub negative: NegativeArgs,
    #[command(flatten)]
    pub reconstruction: ReconstructionArgs,
    #[command(flatten)]
    pub shape: ShapeArgs,
    #[command(flatten)]
    pub fine_tune: FineTuneArgs,
    #[command(flatten)]
    pub shared: SharedArgs,
}

/// Options of `train dbm`; those of learning are of the joint stage, --batch-size of both.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Machine")]
pub struct DbmArgs {
    /// Hidden units of each layer, the lowest first [default: 500,1000].
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', value_parser = positive)]
    pub layers: Option<Vec<usize>>,
    /// Visible units: softmax, which are categories, or segments such as bernoulli:5+softmax:3*2
    /// [default: bits].
    #[arg(long, value_name = "KINDS")]
    pub visible_units: Option<String>,
    /// Labels join the highest hidden layer.
    #[arg(long, conflicts_with = "stream")]
    pub labels: bool,
    /// Epochs in which all layers learn together [default: 20].
    #[arg(long, value_name = "N", value_parser = count)]
    pub epochs: Option<usize>,
    /// Epochs of the RBMs before, or one for each [default: 20].
    #[arg(long, value_name = "N[,N,...]", value_delimiter = ',', value_parser = count)]
    pub pretraining_epochs: Option<Vec<usize>>,
    /// All layers learn together from the start.
    ///
    /// --pretraining-epochs 0, and the centered gradient unless --centering says otherwise.
    #[arg(long, conflicts_with_all = ["pretraining_epochs", "pretraining_rate", "pretraining_steps",
        "pretraining_momentum", "pretraining_weight_decay"])]
    pub no_pretraining: bool,
    /// Step size of pretraining; given once for all RBMs, or once for each [default: 0.05].
    #[arg(long, value_name = "SCHEDULE", hide_short_help = true)]
    pub pretraining_rate: Vec<Schedule>,
    /// Steps of contrastive divergence in pretraining, a number or a schedule such as at:0=1,20=2;
    /// given once, or once for each RBM [default: 1].
    #[arg(long, value_name = "SCHEDULE", value_parser = steps, hide_short_help = true)]
    pub pretraining_steps: Vec<Schedule>,
    /// Momentum of pretraining [default: at:0=0.5,5=0.9].
    #[arg(long, value_name = "SCHEDULE", hide_short_help = true)]
    pub pretraining_momentum: Option<Schedule>,
    /// L2 decay of the weights in pretraining [default: 0.001].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub pretraining_weight_decay: Option<f32>,
    /// What the --learning-rate does not fall below [default: 0].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub least_rate: Option<f32>,
    /// Most iterations of mean field at an update [default: 30].
    #[arg(long, value_name = "N", value_parser = positive, hide_short_help = true)]
    pub mean_field_iterations: Option<usize>,
    /// Those of an example end when none of its means changes by more than this [default: 0.01].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub mean_field_tolerance: Option<f32>,
    /// Share of the old mean that stays at each update of mean field [default: 0].
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub damping: Option<f32>,
    /// Mean field starts where it ended at the last visit to the same example.
    #[arg(long, hide_short_help = true)]
    pub warm_start: bool,
    #[command(flatten)]
    pub positive: PositiveArgs,
    #[command(flatten)]
    pub negative: NegativeArgs,
    #[command(flatten)]
    pub resample: ResampleArgs,
    #[command(flatten)]
    pub shape: ShapeArgs,
    #[command(flatten)]
    pub fine_tune: FineTuneArgs,
    #[command(flatten)]
    pub shared: SharedArgs,
}

/// Options of `train boltzmann`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Machine")]
pub struct BoltzmannArgs {
    /// Hidden units [default: 0, fully visible].
    #[arg(long, value_name = "N", value_parser = count)]
    pub hidden: Option<usize>,
    /// Visible units: softmax, which are categories, or segments such as bernoulli:5+softmax:3*2
    /// [default: bits].
    #[arg(long, value_name = "KINDS")]
    pub visible_units: Option<String>,
    /// Which units may be coupled, a text file of pairs [default: all].
    ///
    /// Visible units first: a line `i j weight` for each pair, or of spins `i j J` if the name of
    /// the file ends in .ising (see docs/boltzmann.md). Pairs that are not there stay uncoupled;
    /// learning starts from the weights and biases of the file, or as without it where all of them
    /// are 0.
    #[arg(long, value_name = "FILE")]
    pub connectivity: Option<PathBuf>,
    /// Passes over the training examples [default: 20; more of small data].
    #[arg(long, value_name = "N", value_parser = count)]
    pub epochs: Option<usize>,
    #[command(flatten)]
    pub positive: PositiveArgs,
    #[command(flatten)]
    pub negative: NegativeArgs,
    #[command(flatten)]
    pub shared: SharedArgs,
}
