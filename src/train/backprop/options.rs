//! What a run of backpropagation is told, checked once at the door.

use crate::{
    error::{Error, Result},
    train::{Learning, Rule, Schedule, run::stored_flat},
};
use serde::{Deserialize, Serialize};

/// How a minibatch's gradient moves the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Descent {
    /// One step by a rule: with momentum, stochastic gradient descent.
    Steps(Rule),
    /// Nonlinear conjugate gradients on the minibatch at hand, started anew for each (Hinton and
    /// Salakhutdinov 2006): directions of Polak and Ribiere, line searches by interpolation to the
    /// conditions of Wolfe and Powell. Wants minibatches of a thousand examples or so; takes no
    /// learning rate, momentum or dropout.
    ConjugateGradients {
        /// Line searches a minibatch, 3 in the paper.
        line_searches: usize,
    },
}

/// Options of a run of backpropagation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct BackpropOptions {
    /// Those that every family shares; the rule of the steps is named by `descent`. Conjugate
    /// gradients have no longest gradient, norms or averages.
    #[serde(flatten)]
    pub learning: Learning,
    /// How the parameters move.
    pub descent: Descent,
    /// First of the epochs, in which the output layer learns alone. Steps that are not adaptive
    /// then take at most the rate `1 / (f (1 + mean |x|^2))`, where the mean is over the
    /// minibatch's values `x` of the layer below, and `f` is 1/2 for a softmax output, 1/4 for a
    /// logistic, 1 for a linear one: the inverse of a bound on the curvature, up to which gradient
    /// descent falls.
    pub output_epochs: usize,
    /// Probability that an input is left out of an update (Hinton et al. 2012); what stays is
    /// divided by the probability to stay.
    pub input_dropout: f32,
    /// The same of each logistic hidden unit.
    pub hidden_dropout: f32,
}

stored_flat!(BackpropOptions);

impl Default for BackpropOptions {
    /// Stochastic gradient descent: 30 epochs of minibatches of 100, rate 0.1 falling to 0,
    /// momentum 0.9, no decay, no dropout.
    fn default() -> Self {
        Self {
            learning: Learning {
                epochs: 30,
                learning_rate: Schedule::Linear { from: 0.1, to: 0.0 },
                momentum: Schedule::Constant(0.9),
                ..Learning::default()
            },
            descent: Descent::Steps(Rule::Momentum),
            output_epochs: 0,
            input_dropout: 0.0,
            hidden_dropout: 0.0,
        }
    }
}

impl BackpropOptions {
    /// The published fine-tuning by conjugate gradients (Hinton and Salakhutdinov 2006): 3 line
    /// searches on minibatches of 1000, 37 epochs, the first 5 of which train the output layer
    /// alone.
    pub fn conjugate_gradients() -> Self {
        Self {
            learning: Learning {
                epochs: 37,
                batch_size: 1000,
                ..Self::default().learning
            },
            descent: Descent::ConjugateGradients { line_searches: 3 },
            output_epochs: 5,
            ..Self::default()
        }
    }

    /// Steps with dropout (Hinton et al. 2012) from a pretrained network: a fifth of the inputs and
    /// half of the hidden units left out, 100 epochs at a rate from 0.2 down to 0.
    pub fn with_dropout() -> Self {
        Self {
            learning: Learning {
                epochs: 100,
                learning_rate: Schedule::Linear { from: 0.2, to: 0.0 },
                momentum: Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)]),
                ..Self::default().learning
            },
            input_dropout: 0.2,
            hidden_dropout: 0.5,
            ..Self::default()
        }
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the option.
    pub fn check(&self) -> Result<()> {
        self.learning.check()?;
        // The rule is that of `descent`.
        if self.learning.optimizer.is_adaptive() {
            let found = format!("{:?}", self.learning.optimizer);
            let expected = "the rule of descent in backpropagation";
            return Err(Error::parameter("optimizer", expected, found));
        }
        for (name, p) in [
            ("input dropout", self.input_dropout),
            ("hidden dropout", self.hidden_dropout),
        ] {
            if !(0.0..1.0).contains(&p) {
                return Err(Error::parameter(name, "at least 0 and below 1", p));
            }
        }
        match self.descent {
            Descent::Steps(rule) => rule.check(),
            Descent::ConjugateGradients { line_searches: 0 } => {
                Err(Error::parameter("line searches", "at least 1", 0))
            }
            Descent::ConjugateGradients { .. } => {
                let set = [
                    ("input dropout", self.input_dropout > 0.0),
                    ("hidden dropout", self.hidden_dropout > 0.0),
                    ("largest norm", self.learning.max_norm.is_some()),
                    ("gradient clip", self.learning.gradient_clip.is_some()),
                    ("averaging", self.learning.averaging.is_some()),
                ];
                match set.into_iter().find(|(_, set)| *set) {
                    None => Ok(()),
                    Some((name, _)) => {
                        let expected =
                            "none with conjugate gradients, which need one function to minimize";
                        Err(Error::parameter(name, expected, "some"))
                    }
                }
            }
        }
    }
}
