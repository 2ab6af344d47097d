//! A stored machine as the commands see it: one implementation a family.

use super::chains::{Chains, Start};
use crate::{
    args::{PassArg, WayArg},
    failure::{Failure, Outcome},
};
use harmonium::{
    Examples, Matrix, Progress, States,
    evaluate::Annealed,
    model::{Convergence, Imputation, Imputed, Layer},
    units::{Segment, Units},
};

/// A machine of some family.
pub trait Machine {
    /// The name of the kind in model files.
    fn kind(&self) -> &'static str;

    /// The machine in a few words.
    fn name(&self) -> String;

    /// Layers from the visible one up; none of a network.
    fn layers(&self) -> Vec<&Layer>;

    /// Options of a command that are for other kinds.
    fn lacks(&self, act: Act) -> &'static [&'static str];

    /// Values of an example, without its label.
    fn columns(&self) -> usize {
        self.layers()[0].size()
    }

    /// The units that labels are among, and which of them they are if there are any.
    ///
    /// # Errors
    /// A machine that never has classes.
    fn labels(&self) -> Outcome<(Units, Option<Segment>)> {
        let message = format!("a model of kind {} does not classify", self.kind());
        Err(Failure::usage(message).hint("`harmonium train --labels` makes models that do"))
    }

    /// `ln p(y)` of every example, which have no labels among their values.
    ///
    /// # Errors
    /// Those of the library.
    fn log_p_y(&self, _: &Examples, _: &Way) -> Outcome<Matrix> {
        self.labels().map(|_| Matrix::default())
    }

    /// The same of examples that may have units of a label, which are left out.
    ///
    /// # Errors
    /// As [`Self::log_p_y`].
    fn log_p_of_classes(&self, examples: &Examples) -> Outcome<Matrix> {
        let columns = self.columns();
        match examples.columns() > columns {
            true => self.log_p_y(&examples.first_columns(columns), &Way::default()),
            false => self.log_p_y(examples, &Way::default()),
        }
    }

    /// The layer whose last units are the label that chains may hold, if there is one.
    fn label_layer(&self) -> Option<&Layer> {
        None
    }

    /// Whether that is the visible layer.
    fn labels_are_visible(&self) -> bool {
        false
    }

    /// The machine for annealing of its states, if it is one.
    fn annealed(&self) -> Option<&dyn Annealed> {
        None
    }

    /// Chains over the states of the machine.
    ///
    /// # Errors
    /// A machine without states; those of the library.
    fn chains<'a>(&'a self, start: &Start<'_>) -> Outcome<Box<dyn Chains + 'a>>;

    /// The last layer that has features, and the one that is taken unless told otherwise.
    fn feature_layers(&self) -> (usize, usize);

    /// What a layer makes of the examples, and how far mean field went for it.
    ///
    /// # Errors
    /// A pass that the machine does not have; those of the library.
    fn features(&self, of: &Examples, how: Pass) -> Outcome<(States, Option<Convergence>)>;

    /// States that enumeration of what the examples miss goes through.
    fn states_of_missing(&self, _: &Examples) -> f64 {
        f64::INFINITY
    }

    /// Means of the visible units of examples, and of the hidden ones, given what was observed.
    ///
    /// # Errors
    /// A machine that does not infer what is missing; those of the library.
    fn impute(&self, _: &Examples, _: Imputation, _: &mut dyn Progress) -> Outcome<Imputed> {
        Err(no_imputation(self.kind()))
    }

    /// The examples with draws of what is missing after so many sweeps.
    ///
    /// # Errors
    /// As [`Self::impute`].
    fn impute_samples(&self, _: &Examples, _: usize, _: u64) -> Outcome<States> {
        Err(no_imputation(self.kind()))
    }
}

fn no_imputation(kind: &str) -> Failure {
    let message = format!("a model of kind {kind} does not infer missing values");
    Failure::usage(message).hint("RBMs, deep and general Boltzmann machines do")
}

/// Which features are taken.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Of this layer.
    pub layer: usize,
    /// Means or samples.
    pub kind: PassArg,
    /// Seed of the samples.
    pub seed: u64,
}

/// A command with options of its own for some kinds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// `evaluate`.
    Evaluate,
    /// `classify`.
    Classify,
    /// `sample`.
    Sample,
}

/// How classes are found, where there is a choice.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// By which of the ways.
    pub by: WayArg,
    /// Stochastic passes that are averaged.
    pub passes: usize,
    /// Sweeps of label Gibbs sampling.
    pub sweeps: usize,
    /// Of every draw.
    pub seed: u64,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            by: WayArg::Deterministic,
            passes: 20,
            sweeps: 100,
            seed: 0,
        }
    }
}

/// Refuses the first option that is given and for other kinds.
///
/// # Errors
/// That.
pub fn refuse(machine: &dyn Machine, act: Act, given: &[(&'static str, bool)]) -> Outcome<()> {
    let lacks = machine.lacks(act);
    match given
        .iter()
        .find(|(flag, given)| *given && lacks.contains(flag))
    {
        None => Ok(()),
        Some((flag, _)) => Err(Failure::usage(format!(
            "{flag} is not for a model of kind {}",
            machine.kind()
        ))),
    }
}
