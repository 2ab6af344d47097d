//! What a training run is told, checked once at the door.

use super::Schedule;
use crate::{
    error::{Error, Result},
    train::{Averaging, Centering, Negative, Rule, Sparsity},
};
use serde::{Deserialize, Serialize};

/// What is learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The likelihood of the visible states, labels included: `ln p(v, y)`.
    #[default]
    Generative,
    /// The conditional likelihood of the label alone, `ln p(y | v)`, by its exact gradient. For machines whose visible layer ends in a
    /// softmax group, with Bernoulli hidden units (Larochelle and Bengio 2008).
    Discriminative,
    /// `ln p(y | v) + generative_weight ln p(v, y)` (Larochelle, Mandel, Pascanu and Bengio 2012).
    Hybrid {
        /// Weight of the generative part.
        generative_weight: f32,
    },
}

impl Objective {
    /// The weight of the generative part.
    pub(super) fn generative_weight(self) -> f32 {
        match self {
            Self::Generative => 1.0,
            Self::Discriminative => 0.0,
            Self::Hybrid { generative_weight } => generative_weight,
        }
    }

    pub(super) fn is_generative(&self) -> bool {
        *self == Self::Generative
    }
}

/// Conditionals of an RBM that is to become part of a deep Boltzmann machine, in which layers between two others receive input from both sides
/// (Salakhutdinov and Hinton 2009): the missing half is made up for by counting the other one twice, `P(h | v) = sigma(2 (v W + c))` or `P(v | h) = sigma(2 (h W' + b))`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubled {
    /// An ordinary RBM.
    #[default]
    Neither,
    /// The input of the hidden layer: the lowest RBM.
    Hidden,
    /// The input of the visible layer, but for softmax groups, the labels, which have no other neighbour than the highest hidden layer: the highest RBM.
    Visible,
    /// Both, but for softmax groups among the visible units; without these an ordinary RBM of twice the parameters: those between.
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

    /// Factors of the inputs of the hidden and of the visible layer; that of softmax groups among the visible units is 1.
    pub fn factors(self) -> [f32; 2] {
        match self {
            Self::Neither => [1.0, 1.0],
            Self::Hidden => [2.0, 1.0],
            Self::Visible => [1.0, 2.0],
            Self::Both => [2.0, 2.0],
        }
    }

    fn is_neither(&self) -> bool {
        *self == Self::Neither
    }
}

/// Options of a training run; [`Default`] is persistent contrastive divergence by the ordinary gradient. The command line centres the gradient of
/// machines of Bernoulli units and learns them twice as fast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where the samples of the negative phase come from.
    pub negative: Negative,
    /// Passes over the data.
    pub epochs: usize,
    /// Examples an update; the last minibatch of an epoch may be shorter and is weighted by its own size.
    pub batch_size: usize,
    /// Step size.
    pub learning_rate: Schedule,
    /// Share of the last step that is repeated.
    pub momentum: Schedule,
    /// Factor of `-W` in the gradient of the weights (L2).
    pub weight_decay: f32,
    /// Factor of `-sign(W)` in the gradient of the weights (L1).
    pub l1_decay: f32,
    /// Longest gradient (Euclidean norm over all parameters); longer ones are shortened to it.
    pub gradient_clip: Option<f32>,
    /// Real-valued data: draw binary states anew at each visit instead of taking the values as probabilities.
    pub resample_data: bool,
    /// Gibbs sweeps of the negative phase as a function of the epoch, rounded up to whole ones and at least 1; at most those of `negative`, by
    /// which draws are numbered. Without it there are always that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Schedule>,
    /// Seed of every choice and draw.
    pub seed: u64,
    /// What is learned.
    #[serde(skip_serializing_if = "Objective::is_generative")]
    pub objective: Objective,
    /// Step size of the log-variances of Gaussian units as a share of the learning rate; 0 keeps them.
    #[serde(skip_serializing_if = "is_zero")]
    pub variance_rate: f32,
    /// Inputs that count twice, for the RBMs that a deep Boltzmann machine starts from.
    #[serde(skip_serializing_if = "Doubled::is_neither")]
    pub doubled: Doubled,
    /// How gradients become steps.
    #[serde(default)]
    pub optimizer: Rule,
    /// Offsets of the centred gradient; none for the ordinary one, as in files that do not say.
    #[serde(default = "none")]
    pub centering: Option<Centering>,
    /// A target for the activity of hidden units.
    #[serde(default)]
    pub sparsity: Option<Sparsity>,
    /// Longest vector of weights of a hidden unit (Euclidean norm of a column of `W`); longer ones are shortened to it.
    #[serde(default)]
    pub max_norm: Option<f32>,
    /// The average of the parameters that is the result of the run.
    #[serde(default)]
    pub averaging: Option<Averaging>,
}

/// For options whose default is not what files without them mean.
fn none<T>() -> Option<T> {
    None
}

fn is_zero(x: &f32) -> bool {
    *x == 0.0
}

impl Default for Options {
    fn default() -> Self {
        Self {
            negative: Negative::Persistent {
                chains: 100,
                steps: 1,
            },
            epochs: 20,
            batch_size: 100,
            learning_rate: Schedule::Linear {
                from: 0.05,
                to: 0.0,
            },
            momentum: Schedule::Constant(0.0),
            weight_decay: 0.0,
            l1_decay: 0.0,
            gradient_clip: None,
            resample_data: false,
            steps: None,
            seed: 0,
            objective: Objective::Generative,
            variance_rate: 0.0,
            doubled: Doubled::Neither,
            optimizer: Rule::Momentum,
            centering: None,
            sparsity: None,
            max_norm: None,
            averaging: None,
        }
    }
}

impl Options {
    /// The negative phase at `epoch` (with fractions): `negative` with its scheduled number of steps.
    pub fn negative_at(&self, epoch: f64) -> Negative {
        match &self.steps {
            None => self.negative,
            Some(steps) => {
                let steps = steps.at(epoch, self.epochs).ceil();
                self.negative.with_steps((steps as usize).max(1))
            }
        }
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the option.
    pub fn check(&self) -> Result<()> {
        self.negative.check()?;
        if self.batch_size == 0 {
            return Err(Error::parameter("batch size", "at least 1", 0));
        }
        self.learning_rate.check("learning rate", f32::INFINITY)?;
        self.momentum.check("momentum", 1.0)?;
        for (name, x) in [
            ("weight decay", self.weight_decay),
            ("L1 decay", self.l1_decay),
            ("variance rate", self.variance_rate),
            ("generative weight", self.objective.generative_weight()),
        ] {
            if !(x >= 0.0 && x.is_finite()) {
                return Err(Error::parameter(name, "a finite number of at least 0", x));
            }
        }
        if let Some(steps) = &self.steps {
            let Some(most) = self.negative.steps() else {
                return Err(Error::parameter(
                    "scheduled steps",
                    "a negative phase of Gibbs sweeps",
                    "the exact gradient",
                ));
            };
            steps.check("steps", f32::INFINITY)?;
            if steps.most().ceil() > most as f32 {
                return Err(Error::parameter(
                    "scheduled steps",
                    format!("at most the {most} of the negative phase"),
                    steps,
                ));
            }
        }
        for (name, x) in [
            ("gradient clip", self.gradient_clip),
            ("largest norm of weights", self.max_norm),
        ] {
            if let Some(x) = x
                && !(x > 0.0 && x.is_finite())
            {
                return Err(Error::parameter(name, "a finite number above 0", x));
            }
        }
        self.optimizer.check()?;
        let simple = matches!(
            self.negative,
            Negative::ContrastiveDivergence { .. }
                | Negative::Persistent { .. }
                | Negative::Mcmc { .. }
        );
        let takes_doubled = simple && self.objective.is_generative();
        if !takes_doubled && !self.doubled.is_neither() {
            return Err(Error::parameter(
                "doubled inputs",
                "contrastive divergence, plain persistent chains or naive MCMC, and the generative objective",
                "another negative phase or objective",
            ));
        }
        if let Some(centering) = &self.centering {
            centering.check()?;
        }
        if let Some(sparsity) = &self.sparsity {
            sparsity.check()?;
        }
        if let Some(averaging) = self.averaging {
            averaging.check()?;
        }
        Ok(())
    }
}
