//! What a run of backpropagation is told, checked once at the door.

use crate::{
    error::{Error, Result},
    train::{Rule, Schedule},
};
use serde::{Deserialize, Serialize};

/// How a minibatch's gradient moves the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Descent {
    /// One step by a rule: with momentum, stochastic gradient descent.
    Steps(Rule),
    /// Nonlinear conjugate gradients on the minibatch at hand, started anew for each (Hinton and Salakhutdinov 2006): directions of Polak and Ribiere, line
    /// searches by interpolation to the conditions of Wolfe and Powell. Wants minibatches of a thousand examples or so; takes no learning rate, momentum
    /// or dropout.
    ConjugateGradients {
        /// Line searches a minibatch, 3 in the paper.
        line_searches: usize,
    },
}

/// Options of a run of backpropagation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackpropOptions {
    /// How the parameters move.
    pub descent: Descent,
    /// Passes over the data.
    pub epochs: usize,
    /// First of these, in which the output layer learns alone. Steps that are not adaptive then take at most the rate `1 / (f (1 + mean |x|^2))`, where the mean is over
    /// the minibatch's values `x` of the layer below, and `f` is 1/2 for a softmax output, 1/4 for a logistic, 1 for a linear one: the inverse of a bound on the
    /// curvature, up to which gradient descent falls.
    pub output_epochs: usize,
    /// Examples an update.
    pub batch_size: usize,
    /// Step size.
    pub learning_rate: Schedule,
    /// Share of the last step that is repeated.
    pub momentum: Schedule,
    /// Factor of `-W` in the step (L2), and of `|W|^2 / 2` in what conjugate gradients minimise; biases have none.
    pub weight_decay: f32,
    /// Whether bits are drawn of grey inputs at each visit, as a machine's data are (`resample_data` of its options); else they are taken as they are. The trained network takes
    /// the grey values themselves, which are the expectation of the bits.
    pub resample_data: bool,
    /// Probability that an input is left out of an update (Hinton et al. 2012); what stays is divided by the probability to stay.
    pub input_dropout: f32,
    /// The same of each logistic hidden unit.
    pub hidden_dropout: f32,
    /// The longest vector of weights into a unit, of every layer.
    pub max_norm: Option<f32>,
    /// Seed of every choice and draw.
    pub seed: u64,
}

impl Default for BackpropOptions {
    /// Stochastic gradient descent: 30 epochs of minibatches of 100, rate 0.1 falling to 0, momentum 0.9, no decay, no dropout.
    fn default() -> Self {
        Self {
            descent: Descent::Steps(Rule::Momentum),
            epochs: 30,
            output_epochs: 0,
            batch_size: 100,
            learning_rate: Schedule::Linear { from: 0.1, to: 0.0 },
            momentum: Schedule::Constant(0.9),
            weight_decay: 0.0,
            resample_data: false,
            input_dropout: 0.0,
            hidden_dropout: 0.0,
            max_norm: None,
            seed: 0,
        }
    }
}

impl BackpropOptions {
    /// The published fine-tuning by conjugate gradients (Hinton and Salakhutdinov 2006): 3 line searches on minibatches of 1000, 37 epochs, the first
    /// 5 of which train the output layer alone.
    pub fn conjugate_gradients() -> Self {
        Self {
            descent: Descent::ConjugateGradients { line_searches: 3 },
            epochs: 37,
            output_epochs: 5,
            batch_size: 1000,
            ..Self::default()
        }
    }

    /// Steps with dropout (Hinton et al. 2012) from a pretrained network: a fifth of the inputs and half of the hidden units left out, 100 epochs at a rate
    /// from 0.2 down to 0.
    pub fn with_dropout() -> Self {
        Self {
            epochs: 100,
            learning_rate: Schedule::Linear { from: 0.2, to: 0.0 },
            momentum: Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)]),
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
        if self.batch_size == 0 {
            return Err(Error::parameter("batch size", "at least 1", 0));
        }
        self.learning_rate.check("learning rate", f32::INFINITY)?;
        self.momentum.check("momentum", 1.0)?;
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            let expected = "a finite number of at least 0";
            return Err(Error::parameter(
                "weight decay",
                expected,
                self.weight_decay,
            ));
        }
        for (name, p) in [
            ("input dropout", self.input_dropout),
            ("hidden dropout", self.hidden_dropout),
        ] {
            if !(0.0..1.0).contains(&p) {
                return Err(Error::parameter(name, "at least 0 and below 1", p));
            }
        }
        if let Some(most) = self.max_norm.filter(|x| !(*x > 0.0 && x.is_finite())) {
            return Err(Error::parameter(
                "largest norm",
                "a finite number above 0",
                most,
            ));
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
                    ("largest norm", self.max_norm.is_some()),
                ];
                match set.into_iter().find(|(_, set)| *set) {
                    None => Ok(()),
                    Some((name, _)) => {
                        let expected =
                            "none with conjugate gradients, which need one function to minimise";
                        Err(Error::parameter(name, expected, "some"))
                    }
                }
            }
        }
    }
}
