//! Options of `harmonium train dbm` beside those of all machines.

use super::{count, positive, train};
use crate::kinds::deep::boltzmann::{
    DEFAULT_ITERATIONS, DEFAULT_PRETRAINING_DECAY, DEFAULT_PRETRAINING_EPOCHS,
    DEFAULT_PRETRAINING_RATE, DEFAULT_TOLERANCE,
};
use clap::Args;
use harmonium::train::Schedule;

/// Options of `harmonium train dbm` alone.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Deep Boltzmann machine (train dbm)")]
pub struct DbmArgs {
    #[arg(long, value_name = "N[,N,...]", value_delimiter = ',', value_parser = count,
        help = format!("Epochs in which RBMs are trained one upon the other, the inputs of inner layers doubled: of each, or one number for each [default: {DEFAULT_PRETRAINING_EPOCHS}]"))]
    pub pretraining_epochs: Option<Vec<usize>>,
    /// All layers learn together from the start, by the centered gradient unless --centering says
    /// otherwise: --pretraining-epochs 0.
    #[arg(long, conflicts_with_all = ["pretraining_epochs", "pretraining_rate", "pretraining_steps", "pretraining_momentum", "pretraining_weight_decay"])]
    pub no_pretraining: bool,
    #[arg(long, value_name = "SCHEDULE",
        help = format!("Step size of pretraining; given once for all RBMs, or once for each, the lowest first [default: {DEFAULT_PRETRAINING_RATE}]"))]
    pub pretraining_rate: Vec<Schedule>,
    /// Steps of contrastive divergence in pretraining, a number or a schedule such as at:0=1,20=2;
    /// given once, or once for each RBM [default: 1].
    #[arg(long, value_name = "SCHEDULE", value_parser = train::steps)]
    pub pretraining_steps: Vec<Schedule>,
    /// Momentum of pretraining [default: at:0=0.5,5=0.9].
    #[arg(long, value_name = "SCHEDULE")]
    pub pretraining_momentum: Option<Schedule>,
    #[arg(long, value_name = "X",
        help = format!("L2 decay of the weights in pretraining [default: {DEFAULT_PRETRAINING_DECAY}]"))]
    pub pretraining_weight_decay: Option<f32>,
    /// What the --learning-rate does not fall below [default: 0].
    #[arg(long, value_name = "X")]
    pub least_rate: Option<f32>,
    #[arg(long, value_name = "N", value_parser = positive,
        help = format!("Most iterations of mean field at an update [default: {DEFAULT_ITERATIONS}]"))]
    pub mean_field_iterations: Option<usize>,
    #[arg(long, value_name = "X",
        help = format!("Those of an example end when none of its means changes by more than this [default: {DEFAULT_TOLERANCE}]"))]
    pub mean_field_tolerance: Option<f32>,
    /// Share of the old mean that stays at each update of mean field [default: 0].
    #[arg(long, value_name = "X")]
    pub damping: Option<f32>,
    /// Mean field starts where it ended at the last visit to the same example.
    #[arg(long)]
    pub warm_start: bool,
}

impl DbmArgs {
    /// The first of these options that was given.
    pub fn given(&self) -> Option<&'static str> {
        [
            ("--pretraining-epochs", self.pretraining_epochs.is_some()),
            ("--no-pretraining", self.no_pretraining),
            ("--pretraining-rate", !self.pretraining_rate.is_empty()),
            ("--pretraining-steps", !self.pretraining_steps.is_empty()),
            (
                "--pretraining-momentum",
                self.pretraining_momentum.is_some(),
            ),
            (
                "--pretraining-weight-decay",
                self.pretraining_weight_decay.is_some(),
            ),
            ("--least-rate", self.least_rate.is_some()),
            (
                "--mean-field-iterations",
                self.mean_field_iterations.is_some(),
            ),
            (
                "--mean-field-tolerance",
                self.mean_field_tolerance.is_some(),
            ),
            ("--damping", self.damping.is_some()),
            ("--warm-start", self.warm_start),
        ]
        .into_iter()
        .find_map(|(flag, given)| given.then_some(flag))
    }
}
