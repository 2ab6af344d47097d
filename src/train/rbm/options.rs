//! What the training of an RBM is told beside what all runs are, checked once at the door.

use crate::{
    error::{Error, Result},
    model::Missing,
    train::{
        Centering, Learning, Negative, Schedule, Sparsity,
        run::{not_negative, stored_flat},
    },
};
use serde::{Deserialize, Serialize};

/// What is learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The likelihood of the visible states, labels included: `ln p(v, y)`.
    #[default]
    Generative,
    /// The conditional likelihood of the label alone, `ln p(y | v)`, by its exact gradient. For
    /// machines whose visible layer ends in a softmax group, with Bernoulli hidden units
    /// (Larochelle and Bengio 2008).
    Discriminative,
    /// `ln p(y | v) + generative_weight ln p(v, y)` (Larochelle, Mandel, Pascanu and Bengio 2012).
    Hybrid {
        /// Weight of the generative part.
        generative_weight: f32,
    },
}

impl Objective {
    /// The weight of the generative part.
    pub(in crate::train) fn generative_weight(self) -> f32 {
        match self {
            Self::Generative => 1.0,
            Self::Discriminative => 0.0,
            Self::Hybrid { generative_weight } => generative_weight,
        }
    }

    pub(in crate::train) fn is_generative(&self) -> bool {
        *self == Self::Generative
    }
}

/// Conditionals of an RBM that is to become part of a deep Boltzmann machine, in which layers
/// between two others receive input from both sides (Salakhutdinov and Hinton 2009): the missing
/// half is made up for by counting the other one twice, `P(h | v) = sigma(2 (v W + c))` or
/// `P(v | h) = sigma(2 (h W' + b))`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubled {
    /// An ordinary RBM.
    #[default]
    Neither,
    /// The input of the hidden layer: the lowest RBM.
    Hidden,
    /// The input of the visible layer, but for softmax groups, the labels, which have no other
    /// neighbor than the highest hidden layer: the highest RBM.
    Visible,
    /// Both, but for softmax groups among the visible units; without these an ordinary RBM of twice
    /// the parameters: those between.
    Both,
}

impl Doubled {
    /// That of connection `l` of `connections`.
    pub fn of(l: usize, connections: usize) -> Self {
        match (l == 0, l + 1 == connections) {
            (true, true) => Self::Neither,
            (true, false) => Self::Hidden,
            (false, true) => Self::Visible,
            (false, false) => Self::Both,
        }
    }

    /// Factors of the inputs of the hidden and of the visible layer; that of softmax groups among
    /// the visible units is 1.
    pub fn factors(self) -> [f32; 2] {
        match self {
            Self::Neither => [1.0, 1.0],
            Self::Hidden => [2.0, 1.0],
            Self::Visible => [1.0, 2.0],
            Self::Both => [2.0, 2.0],
        }
    }
}

/// Options of a run of an RBM; [`Default`] is persistent contrastive divergence by the ordinary
/// gradient. The command line centers the gradient of machines of Bernoulli units and learns them
/// twice as fast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RbmOptions {
    /// Those that every family shares.
    #[serde(flatten)]
    pub learning: Learning,
    /// Where the samples of the negative phase come from.
    pub negative: Negative,
    /// Gibbs sweeps of the negative phase as a function of the epoch, rounded up to whole ones and
    /// at least 1; at most those of `negative`, by which draws are numbered. Without it there are
    /// always that many.
    pub steps: Option<Schedule>,
    /// What is learned.
    pub objective: Objective,
    /// Step size of the log-variances of Gaussian units as a share of the learning rate; 0 keeps
    /// them.
    pub variance_rate: f32,
    /// Inputs that count twice, for the RBMs that a deep Boltzmann machine starts from.
    pub doubled: Doubled,
    /// Offsets of the centered gradient; none for the ordinary one.
    pub centering: Option<Centering>,
    /// A target for the activity of hidden units.
    pub sparsity: Option<Sparsity>,
    /// What a missing value of the data is.
    pub missing: Missing,
}

stored_flat!(RbmOptions);

impl Default for RbmOptions {
    /// 100 persistent chains, a sweep at each update, [`Learning::default`], the ordinary gradient;
    /// variances are kept.
    fn default() -> Self {
        Self {
            learning: Learning::default(),
            negative: Negative::Persistent {
                chains: 100,
                steps: 1,
            },
            steps: None,
            objective: Objective::Generative,
            variance_rate: 0.0,
            doubled: Doubled::Neither,
            centering: None,
            sparsity: None,
            missing: Missing::Infer,
        }
    }
}

impl RbmOptions {
    /// The negative phase at `epoch` (with fractions): `negative` with its scheduled number of
    /// steps.
    pub fn negative_at(&self, epoch: f64) -> Negative {
        match &self.steps {
            None => self.negative,
            Some(steps) => {
                let steps = steps.at(epoch, self.learning.epochs).ceil();
                self.negative.with_steps((steps as usize).max(1))
            }
        }
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the option.
    pub fn check(&self) -> Result<()> {
        self.learning.check()?;
        self.negative.check()?;
        if self.negative == Negative::PseudoLikelihood {
            let expected = "a general machine whose units are all visible";
            return Err(Error::parameter("pseudo-likelihood", expected, "an RBM"));
        }
        not_negative("variance rate", self.variance_rate)?;
        not_negative("generative weight", self.objective.generative_weight())?;
        self.check_steps()?;
        self.check_doubled()?;
        if let Some(centering) = &self.centering {
            centering.check()?;
        }
        self.sparsity.as_ref().map_or(Ok(()), Sparsity::check)
    }

    fn check_steps(&self) -> Result<()> {
        let Some(steps) = &self.steps else {
            return Ok(());
        };
        let Some(most) = self.negative.steps() else {
            return Err(Error::parameter(
                "scheduled steps",
                "a negative phase of Gibbs sweeps",
                "the exact gradient",
            ));
        };
        steps.check("steps", f32::INFINITY)?;
        if steps.most().ceil() > most as f32 {
            let expected = format!("at most the {most} of the negative phase");
            return Err(Error::parameter("scheduled steps", expected, steps));
        }
        Ok(())
    }

    fn check_doubled(&self) -> Result<()> {
        let simple = matches!(
            self.negative,
            Negative::ContrastiveDivergence { .. }
                | Negative::Persistent { .. }
                | Negative::Mcmc { .. }
        );
        if self.doubled == Doubled::Neither || simple && self.objective.is_generative() {
            return Ok(());
        }
        let expected = "contrastive divergence, plain persistent chains or naive MCMC, and the \
                        generative objective";
        let found = "another negative phase or objective";
        Err(Error::parameter("doubled inputs", expected, found))
    }
}
