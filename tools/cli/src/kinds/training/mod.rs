//! What differs from kind to kind of machine in training: flags, what is watched, pictures, and
//! what is measured at the end.

mod agree;
pub mod boltzmann;
mod couplings;
mod dbm;
mod dbn;
mod describe;
mod fantasies;
pub mod moments;
pub mod network;
mod options;
pub mod posterior;
mod rbm;
mod reading;

pub use agree::{agree, contradiction};
pub use describe::{describe_negative, describe_positive, describe_rbm};

use crate::{
    args::{CriterionArg, FineTuneArgs, OfKind, TrainArgs},
    failure::{Failure, Outcome},
    run::{
        data::{Data, Source},
        files::{Files, Named},
        interrupt::Interrupt,
    },
    show::{figures::Figures, metrics::Table},
};
use harmonium::{
    Examples, Model,
    recipe::{AnyRun, Plan, RunRef},
};
use serde_json::Value;

pub use crate::run::MOST_ELEMENTS;

/// The examples that are watched while a machine learns, and the time since they last were.
pub struct Watch {
    /// The first training examples.
    pub train: Examples,
    /// More of them, for figures that are cheap.
    pub many: Examples,
    /// All that are held out.
    pub validation: Option<Examples>,
    /// Seconds of training and updates since the last row.
    pub since: (f64, u64),
}

impl Watch {
    /// Of so many examples. On MNIST figures of 1000 are less than 2% of the work of an epoch.
    pub const FEW: usize = 1000;

    /// The examples that machines are judged by.
    ///
    /// # Errors
    /// Where none are held out.
    pub fn held_out(&self) -> Outcome<&Examples> {
        let none = || Failure::failed("no examples are held out");
        self.validation.as_ref().ok_or_else(none)
    }

    /// The first of `data`.
    pub fn of(data: &Data) -> Self {
        Self {
            train: data.train.head(Self::FEW),
            many: data.train.head(3 * Self::FEW),
            validation: data.validation.clone(),
            since: (0.0, 0),
        }
    }
}

/// A run that is done, but for the network that may start from its machine.
pub struct Finished<'a> {
    /// What it did.
    pub plan: &'a Plan,
    /// The data.
    pub data: &'a Data,
    /// The run.
    pub run: &'a AnyRun,
    /// Its machine.
    pub model: &'a Model,
    /// The machine and the data in a few words.
    pub title: &'a str,
    /// Seconds of training.
    pub seconds: f64,
    /// Where its files go.
    pub files: &'a Files,
    /// Whether the user wants to stop.
    pub interrupt: &'a Interrupt,
    /// The command that measures it again.
    pub resume: &'a str,
}

impl Finished<'_> {
    /// The seed of measures.
    pub fn seed(&self) -> u64 {
        self.plan.learning().seed
    }

    /// The failure of a measure that was interrupted.
    pub fn interrupted(&self) -> Failure {
        let model = self.files.model.display();
        Failure::failed(format!(
            "interrupted while measuring; the trained model is in {model}"
        ))
        .hint(format!("measure it with `{}`", self.resume))
    }
}

/// Keys of `--json` and what is told of them.
pub type Told = Vec<(&'static str, Value)>;

/// A kind of machine, as the command line asks for one to train.
pub trait Trains {
    /// The number of epochs of the main stage that is asked for, and its flag.
    fn epochs(&self) -> (&'static str, Option<usize>);

    /// The data that are asked for.
    ///
    /// # Errors
    /// Flags that contradict each other.
    fn source(&self) -> Outcome<Source>;

    /// The plan of a new run on `data`.
    ///
    /// # Errors
    /// Flags that contradict each other, and numbers out of range.
    fn plan(&self, source: &Source, data: &Data) -> Outcome<Plan>;

    /// The options that the flags of a resumed run are about: names of the values of a plan.
    fn options_of(&self, flag: &str) -> Vec<String>;

    /// How a network that starts from the machine is asked to learn, if one can be.
    fn fine_tune(&self) -> Option<&FineTuneArgs> {
        None
    }

    /// Whether a new run stops where moments of machine and examples agree.
    fn until_moments_agree(&self, _plan: &Plan, _data: &Data) -> bool {
        false
    }

    /// What the plan does, in a few words.
    fn describe(&self, plan: &Plan, data: &Data) -> String;

    /// The columns of metrics.
    fn table(&self) -> Table {
        network::TABLE
    }

    /// The figures after an epoch. Machines of several stages share columns, figures and scores.
    ///
    /// # Errors
    /// Those of the library.
    fn figures(&self, run: RunRef<'_>, watch: &Watch) -> Outcome<Vec<Option<f64>>> {
        network::figures(run, watch)
    }

    /// What early stopping judges the machine by.
    ///
    /// # Errors
    /// A criterion that the machine does not have.
    fn criterion(
        &self,
        asked: Option<CriterionArg>,
        plan: &Plan,
        _model: &Model,
    ) -> Outcome<CriterionArg> {
        network::criterion(asked, plan)
    }

    /// The figure of the held-out examples, the larger the better (errors and gaps less than 0).
    /// The same draws each time.
    ///
    /// # Errors
    /// As the measures.
    fn score(&self, by: CriterionArg, run: RunRef<'_>, watch: &Watch) -> Outcome<f64> {
        network::score(by, run, watch)
    }

    /// Draws weights and fantasies.
    ///
    /// # Errors
    /// Those of the library; files that cannot be written.
    fn draw(&self, finished: &Finished<'_>) -> Outcome<()>;

    /// What is told at the end beside the measures of `evaluate`.
    ///
    /// # Errors
    /// Those of the library.
    fn more(&self, _finished: &Finished<'_>) -> Outcome<Figures> {
        Ok(Figures::default())
    }

    /// What `--json` tells of the plan and the machine beside the measures.
    fn told(&self, finished: &Finished<'_>) -> Told;

    /// Names and paths of the files.
    fn files<'a>(&self, files: &'a Files) -> Named<'a> {
        files.named()
    }
}

/// The kind of machine that is asked for.
pub fn of(args: &TrainArgs) -> &dyn Trains {
    match args.of_kind() {
        OfKind::Rbm(args) => args,
        OfKind::Dbn(args) => args,
        OfKind::Dbm(args) => args,
        OfKind::Boltzmann(args) => args,
    }
}

/// A criterion that a machine does not have.
fn refused(by: CriterionArg, what: &str) -> Failure {
    Failure::usage(format!("--early-stopping-by {by}: {what}"))
}
