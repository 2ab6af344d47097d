//! Options of `harmonium train`: of an RBM, or of the kind of machine that is named.

mod fine_tune;
mod groups;
mod kinds;
mod up_down;

pub use fine_tune::{FineTuneArg, FineTuneArgs};
pub use groups::{
    CenteringArg, CriterionArg, DataArgs, LearningArgs, NegativeArgs, OutputArgs, PositiveArg,
    PositiveArgs, ShapeArgs, UnitsArgs,
};
pub use kinds::{BoltzmannArgs, DbmArgs, DbnArgs, RbmArgs, SharedArgs};
pub use up_down::UP_DOWN;

use crate::failure::Failure;
use clap::{
    Args, CommandFactory, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

const EXAMPLES: &str = "\
Rates are constant or schedules: 0.05, linear:0.05:0.001, step:0.05:0.5:10, at:0=0.5,5=0.9.
--help-all explains all options, schedules and files, with examples.";

const ALL: &str = "\
Examples:
  harmonium train
      RBM 784-500 on the MNIST that the program carries; writes ./run, or ./run-2 and so on
  harmonium train --data patterns.csv --hidden 16 --method exact --learning-rate 0.5 --epochs 2000
      the exact gradient, for machines with a layer of at most 30 units
  harmonium train --method cd --momentum at:0=0.5,5=0.9 --weight-decay 2e-4 --out cd
      contrastive divergence after Hinton's practical guide
  harmonium train --resume --epochs 200
      go on in ./run, and up to 200 epochs
  harmonium train dbn --layers 500,500,2000 --labels --validation 10000 --out deep
      a deep belief network: one RBM upon the other, then the up-down algorithm
  harmonium train dbm --layers 500,1000 --validation 10000 --out dbm
      a deep Boltzmann machine: RBMs one upon the other, then all layers together
  harmonium train boltzmann --data spins.npy --connectivity lattice.ising --method pseudo-likelihood --out couplings
      couplings of the pairs in a file, from states of spins
  harmonium train --data huge.npy --stream --epochs 5 --out huge
      examples that stay in their file

While it runs: epoch, share done, time to go, and the figures watched, of an RBM its speed in GCU/s, \
and of some training examples the mean square reconstruction error (recon) and the stochastic \
pseudo-likelihood (PL, nats); with --validation the free-energy gap (gap, nats). Ctrl-C saves the run \
and stops; another one, a second later or more, stops at once.

Schedules of rates, with times t in epochs and T the number of epochs:
  0.05                  always
  linear:0.05:0.001     from 0.05 at t = 0 to 0.001 at t = T, in a straight line
  step:0.05:0.5:10      halved every 10 epochs
  inverse:0.05:20       0.05 / (1 + t / 20)
  at:0=0.5,5=0.9        0.5, and 0.9 from epoch 5 on (--steps at:0=1,10=2: CD-1, then CD-2)

Files in the output directory:
  model.safetensors     the machine, the state of the run, and notes on where it comes from
  best.safetensors      with --early-stopping: the same of the best epoch
  network.safetensors   with --fine-tune: the network
  metrics.csv           epoch, seconds of training, learning rate and the figures watched; of an \
RBM and a general machine one row an epoch, or up to 1000 rows in all
  filters.png           weights of the hidden units with the largest weights (couplings.png of a \
general machine)
  samples.png           fantasies of the machine beside training examples; of a table (columns with names, numbers or \
categories, no --shape) histograms and correlations
  curves.png            metrics.csv as a picture
docs/training.md, docs/dbn.md, docs/dbm.md and docs/boltzmann.md tell what each kind of machine \
learns by, its columns in metrics.csv and its keys in --json.";

/// Options of `harmonium train`.
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    disable_help_flag = true,
    subcommand_help_heading = "Kinds of machines",
    subcommand_value_name = "KIND",
    after_help = EXAMPLES,
    after_long_help = ALL
)]
pub struct TrainArgs {
    /// The kind, if it is not an RBM.
    #[command(subcommand)]
    kind: Option<KindArgs>,
    #[command(flatten)]
    rbm: RbmArgs,
    #[command(flatten)]
    help: HelpArgs,
}

/// How much is explained.
#[derive(Args, Clone, Debug)]
struct HelpArgs {
    /// The options that most people need.
    #[arg(short, long, action = clap::ArgAction::HelpShort, help_heading = "Help")]
    help: Option<bool>,
    /// All options.
    #[arg(long, action = clap::ArgAction::HelpLong, help_heading = "Help")]
    help_all: Option<bool>,
}

/// The options of a kind of machine.
#[derive(Clone, Debug, Subcommand)]
pub enum KindArgs {
    /// Restricted Boltzmann machine (the default).
    #[command(disable_help_flag = true, after_help = EXAMPLES, after_long_help = ALL)]
    Rbm(Box<Explained<RbmArgs>>),
    /// Deep belief network: RBM upon RBM, then the up-down algorithm.
    #[command(disable_help_flag = true, after_help = EXAMPLES, after_long_help = ALL)]
    Dbn(Box<Explained<DbnArgs>>),
    /// Deep Boltzmann machine: RBM upon RBM, then all layers together.
    #[command(disable_help_flag = true, after_help = EXAMPLES, after_long_help = ALL)]
    Dbm(Box<Explained<DbmArgs>>),
    /// General Boltzmann machine, of which any two units may be coupled.
    #[command(disable_help_flag = true, after_help = EXAMPLES, after_long_help = ALL)]
    Boltzmann(Box<Explained<BoltzmannArgs>>),
}

/// Options with both kinds of help.
#[derive(Args, Clone, Debug)]
pub struct Explained<A: Args> {
    /// The options.
    #[command(flatten)]
    pub args: A,
    #[command(flatten)]
    help: HelpArgs,
}

/// The options of the kind that is trained.
#[derive(Clone, Copy)]
pub enum OfKind<'a> {
    Rbm(&'a RbmArgs),
    Dbn(&'a DbnArgs),
    Dbm(&'a DbmArgs),
    Boltzmann(&'a BoltzmannArgs),
}

/// The same, to be changed.
pub enum OfKindMut<'a> {
    Rbm(&'a mut RbmArgs),
    Dbn(&'a mut DbnArgs),
    Dbm(&'a mut DbmArgs),
    Boltzmann(&'a mut BoltzmannArgs),
}

impl TrainArgs {
    /// Those of the kind that is named, or of an RBM.
    pub fn of_kind(&self) -> OfKind<'_> {
        match &self.kind {
            None => OfKind::Rbm(&self.rbm),
            Some(KindArgs::Rbm(x)) => OfKind::Rbm(&x.args),
            Some(KindArgs::Dbn(x)) => OfKind::Dbn(&x.args),
            Some(KindArgs::Dbm(x)) => OfKind::Dbm(&x.args),
            Some(KindArgs::Boltzmann(x)) => OfKind::Boltzmann(&x.args),
        }
    }

    /// The kind, as in model files.
    pub fn kind(&self) -> &'static str {
        match self.of_kind() {
            OfKind::Rbm(_) => "rbm",
            OfKind::Dbn(_) => "dbn",
            OfKind::Dbm(_) => "dbm",
            OfKind::Boltzmann(_) => "boltzmann",
        }
    }

    /// The same, to be changed.
    pub fn of_kind_mut(&mut self) -> OfKindMut<'_> {
        match &mut self.kind {
            None => OfKindMut::Rbm(&mut self.rbm),
            Some(KindArgs::Rbm(x)) => OfKindMut::Rbm(&mut x.args),
            Some(KindArgs::Dbn(x)) => OfKindMut::Dbn(&mut x.args),
            Some(KindArgs::Dbm(x)) => OfKindMut::Dbm(&mut x.args),
            Some(KindArgs::Boltzmann(x)) => OfKindMut::Boltzmann(&mut x.args),
        }
    }

    /// What every kind has.
    pub fn shared(&self) -> &SharedArgs {
        match self.of_kind() {
            OfKind::Rbm(x) => &x.shared,
            OfKind::Dbn(x) => &x.shared,
            OfKind::Dbm(x) => &x.shared,
            OfKind::Boltzmann(x) => &x.shared,
        }
    }
}

/// What to write in place of a flag of other kinds.
const ADVICE: &[(&str, &str)] = &[
    ("--hidden", "name the sizes of the layers with --layers"),
    ("--epochs", "choose --greedy-epochs and --up-down-epochs"),
    ("--preset", "choose the epochs of the stages"),
    (
        "--objective",
        "the labels are learned together with the layers below them",
    ),
];

/// The failure of `train` with a flag that other kinds of machines alone have, if that is what
/// `error` is.
pub fn of_other_kind(error: &clap::Error) -> Option<Failure> {
    let words = std::env::args().skip(1);
    let words: Vec<String> = words.collect();
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let (first, rest) = words.split_first()?;
    if error.kind() != ErrorKind::UnknownArgument || first != "train" {
        return None;
    }
    let flag = given.split('=').next()?;
    let command = super::Cli::command();
    let train = command.find_subcommand("train")?;
    let kinds: Vec<&str> = train
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    let asked = rest.first().map_or("rbm", String::as_str);
    let asked = kinds
        .iter()
        .find(|kind| **kind == asked)
        .copied()
        .unwrap_or("rbm");
    let has = |kind: &&clap::Command| {
        let mut longs = kind.get_arguments().filter_map(clap::Arg::get_long);
        longs.any(|long| flag.strip_prefix("--") == Some(long))
    };
    let others = train.get_subcommands().filter(has);
    let others: Vec<&str> = others.map(clap::Command::get_name).collect();
    let first = others.first()?;
    let named: Vec<String> = others
        .iter()
        .map(|kind| format!("`train {kind}`"))
        .collect();
    let named = named.join(" and ");
    let message = format!("{flag} is an option of {named}, not of `train {asked}`");
    let advice = ADVICE.iter().find(|(name, _)| *name == flag);
    let advice = advice.filter(|_| asked.starts_with("db"));
    Some(Failure::usage(message).hint(match advice {
        Some((_, advice)) => (*advice).to_owned(),
        None => format!("name the kind of machine: `harmonium train {first}`"),
    }))
}

/// A flag that was given, without its dashes, and its values.
pub type Said = Vec<(String, Vec<String>)>;

/// What the command line said to `train`.
pub fn said(matches: &clap::ArgMatches) -> Said {
    let command = super::Cli::command();
    let (Some(mut command), Some(mut matches)) = (
        command.find_subcommand("train"),
        matches.subcommand_matches("train"),
    ) else {
        return Said::new();
    };
    if let Some((kind, of_kind)) = matches.subcommand() {
        matches = of_kind;
        command = command.find_subcommand(kind).unwrap_or(command);
    }
    let is_said = |id: &str| {
        let source = matches.value_source(id);
        source == Some(clap::parser::ValueSource::CommandLine)
    };
    let said = command
        .get_arguments()
        .filter(|arg| is_said(arg.get_id().as_str()));
    let texts = said.filter_map(|arg| {
        let raw = matches.get_raw(arg.get_id().as_str())?;
        let raw = raw.map(|x| x.to_string_lossy().into_owned());
        Some((arg.get_long()?.to_owned(), raw.collect()))
    });
    texts.collect()
}
