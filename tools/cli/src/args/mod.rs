//! The commands and their options, as clap reads them and `--help` explains them: a file for each
//! command.

mod bench;
mod classify;
mod convert;
mod demo;
mod evaluate;
mod impute;
mod reproduce;
mod sample;
mod train;
mod transform;
mod verify;

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use harmonium::{dataset::Binarization, model::Missing};
use std::path::PathBuf;

pub use bench::{BenchArgs, OWN_UNITS, SECTIONS};
pub use classify::{ClassifyArgs, WayArg};
pub use convert::ConvertArgs;
pub use demo::{DemoArgs, DemoName};
pub use evaluate::{
    DEFAULT_BETAS, DEFAULT_BURN_IN, DEFAULT_CHAINS, EvaluateArgs, ReverseFrom, ScheduleArg,
};
pub use impute::ImputeArgs;
pub use reproduce::ReproduceArgs;
pub use sample::{SampleArgs, ValuesArg};
pub use train::{
    BoltzmannArgs, CenteringArg, CriterionArg, DataArgs, DbmArgs, DbnArgs, FineTuneArg,
    FineTuneArgs, LearningArgs, NegativeArgs, OfKind, OfKindMut, OutputArgs, PositiveArg,
    PositiveArgs, RbmArgs, Said, ShapeArgs, SharedArgs, TrainArgs, UP_DOWN, UnitsArgs,
    of_other_kind, said,
};
pub use transform::{PassArg, TransformArgs};
pub use verify::VerifyArgs;

/// A name, what it means, and the value.
pub(in crate::args) type Choice<T> = (&'static str, &'static str, T);

/// Takes the name of one of `all`.
pub(in crate::args) fn one_of<T: Clone + Send + Sync>(
    all: &'static [Choice<T>],
) -> impl TypedValueParser<Value = T> {
    let names = all.iter().map(|(name, help, _)| {
        let name = PossibleValue::new(*name);
        if help.is_empty() {
            name
        } else {
            name.help(*help)
        }
    });
    PossibleValuesParser::new(names).try_map(|name| {
        let chosen = all.iter().find(|(one, _, _)| *one == name);
        chosen.map(|(_, _, x)| x.clone()).ok_or("not one of them")
    })
}

/// No number of things on the command line may be larger.
const MOST: usize = 1_000_000_000;
const MOST_THREADS: usize = 1024;

const EXAMPLES: &str = "\
Examples:
  harmonium train                                 an RBM 784-500 on MNIST, about a minute; see ./run
  harmonium train --data digits.npy --hidden 64 --epochs 100 --out digits
  harmonium train --out digits --resume           go on after Ctrl-C
  harmonium evaluate run/model.safetensors        test log-likelihood with its interval; --reverse: from both sides
  harmonium train --labels --objective hybrid     an RBM that classifies digits
  harmonium classify run/model.safetensors        its error on the test examples
  harmonium train --data table.csv --visible-units gaussian --standardize --learning-rate 0.001 --method cd
  harmonium sample run/model.safetensors --out fantasies.png
  harmonium train dbn --labels --out deep         a deep belief network 784-500-500-(2000, labels), layer by layer, then up-down
  harmonium train dbm --out boltzmann             a deep Boltzmann machine 784-500-1000: RBMs, then both layers together
  harmonium sample deep/model.safetensors --every-label --out digits.png
  harmonium train boltzmann --data spins.npy --connectivity lattice.ising --method pseudo-likelihood --out couplings
  harmonium sample lattice.ising --beta 0.4407 --out spins.png
                                                  an Ising model: energy, magnetization and states
  harmonium transform run/model.safetensors --out features.npy
  harmonium inspect run/model.safetensors
  harmonium convert run/model.safetensors rbm.npz   the arrays of scikit-learn
  harmonium reproduce rbm-small                   published figures beside those of this program

Results go to stdout, progress and messages to stderr. Exit codes: 0 done, 1 failed, 2 used wrongly.
HARMONIUM_ISA=portable|avx2|avx512 forces an instruction set (README.md has the other variables).
`harmonium COMMAND --help` explains the options of a command.";

/// Boltzmann machines: train, evaluate and sample them on a CPU.
///
/// Units: log-likelihoods are in nats per example; GCU/s are 10^9 connection updates a second, a
/// connection being one weight met by one example or chain in one product.
#[derive(Debug, Parser)]
#[command(name = "harmonium", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a machine and show what it learned; without options, an RBM on MNIST.
    Train(Box<TrainArgs>),
    /// Measure the log-likelihood of data under a model.
    Evaluate(EvaluateArgs),
    /// Classify data with a model that was trained with --labels.
    Classify(ClassifyArgs),
    /// Draw states from a model.
    Sample(SampleArgs),
    /// Write what a layer of a model makes of data, for use in other tools.
    Transform(TransformArgs),
    /// Write a table with its missing values filled in.
    Impute(ImputeArgs),
    /// Show what a model file holds.
    Inspect(InspectArgs),
    /// Check whether a model is fit to be used.
    Verify(VerifyArgs),
    /// Convert a model from or for another program.
    Convert(ConvertArgs),
    /// Repeat a published experiment by its recipe, and show published and measured figures side by
    /// side.
    Reproduce(ReproduceArgs),
    /// Show what a demonstration shows, with exact figures and a picture.
    Demo(DemoArgs),
    Bench(BenchArgs),
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Split {
    /// Examples that nothing was learned from.
    Test,
    /// Examples that were learned from.
    Train,
    /// Those of a file, which is no part of what was learned from.
    #[value(skip)]
    Given,
}

impl Split {
    /// As in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Train => "train",
            Self::Given => "given",
        }
    }
}

/// The examples that a command is about.
#[derive(Args, Clone, Debug)]
pub struct ExamplesArgs {
    /// Data, as in `train` [default: what the model was trained on, else mnist].
    #[arg(long, value_name = "mnist|DIR|FILE")]
    pub data: Option<String>,
    /// How gray values become bits, as in `train` [default: as in training; of a
    /// likelihood `sample` if they were left gray].
    #[arg(long, value_name = "HOW")]
    pub binarize: Option<Binarization>,
    /// Part of the data; data without a test part have `train` only.
    #[arg(long, default_value = "test")]
    pub split: Split,
    /// How the file is read, where it is not as in training.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// How a file of data is read, where it does not say so itself.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Data")]
pub struct ReadingArgs {
    /// Column or file of the classes [default: column label].
    ///
    /// A column is a name or a number from 1. Classes are whole numbers or texts and keep their
    /// names.
    #[arg(long, value_name = "COLUMN|FILE")]
    pub label: Option<String>,
    /// The columns to read: names, numbers from 1, ranges such as 3-7 [default: all].
    #[arg(
        long,
        value_name = "COLUMN,...",
        value_delimiter = ',',
        hide_short_help = true
    )]
    pub columns: Vec<String>,
    /// Values may be missing: empty fields, NA and their like, NaN.
    ///
    /// A missing value is the unknown state of its unit, or with --missing=absent, of an RBM, no
    /// unit at all: each example is one of a smaller machine, as of ratings (Salakhutdinov, Mnih
    /// and Hinton 2007). A model remembers what it was trained with.
    #[arg(long, value_name = "infer|absent", num_args = 0..=1, require_equals = true,
        default_missing_value = "infer", value_parser = one_of(&MISSING), hide_possible_values = true,
        hide_short_help = true)]
    pub missing: Option<Missing>,
    /// Divide every number by X: 255 makes gray values of bytes.
    #[arg(long, value_name = "X", hide_short_help = true)]
    pub scale: Option<f64>,
    /// How often each example counts: a column by name or number, or a file of them.
    #[arg(long, value_name = "COLUMN|FILE", hide_short_help = true)]
    pub weight: Option<String>,
    /// Whether the first line of a text names the columns [default: recognized].
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no, hide_short_help = true)]
    pub header: Option<bool>,
}

/// What a missing value is.
const MISSING: [Choice<Missing>; 2] = [
    ("infer", "", Missing::Infer),
    ("absent", "", Missing::Absent),
];

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("expected yes or no".into()),
    }
}

/// How a command answers.
#[derive(Args, Clone, Debug)]
pub struct AnswerArgs {
    /// One JSON object on stdout in place of the table.
    #[arg(long)]
    pub json: bool,
    /// Threads of the command.
    #[command(flatten)]
    pub threads: Threads,
}

/// Threads of a command.
#[derive(Args, Clone, Debug)]
pub struct Threads {
    /// Threads [default: one a core]. Results do not depend on it, bit for bit.
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
}

/// Options of `harmonium inspect`.
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// Model file [default: that of the newest of ./run, ./run-2 and so on].
    pub model: Option<PathBuf>,
    /// One JSON object on stdout in place of the table.
    #[arg(long)]
    pub json: bool,
}

fn number(text: &str, least: usize, most: usize) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| format!("expected a whole number from {least} to {most}"))
}

fn count(text: &str) -> Result<usize, String> {
    number(text, 0, MOST)
}

fn positive(text: &str) -> Result<usize, String> {
    number(text, 1, MOST)
}

fn threads(text: &str) -> Result<usize, String> {
    number(text, 1, MOST_THREADS)
}
