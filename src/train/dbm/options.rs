//! What the training of a deep Boltzmann machine is told, checked once at the door.

use crate::{
    error::{Error, Result},
    model::MeanField,
    train::{Centering, Rule, Schedule, Sparsity},
};
use serde::{Deserialize, Serialize};

/// Options of variational stochastic maximum likelihood (Algorithm 20.1 of Goodfellow, Bengio, Courville, Deep Learning, 2016), the joint training of
/// all layers: mean field for the data, persistent chains for the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbmOptions {
    /// How far mean field goes at each update.
    pub mean_field: MeanField,
    /// Mean field starts where it ended at the last visit to the same example. Keeps 4 bytes for each example and unit of the even hidden layers, a label left out.
    pub warm_start: bool,
    /// Persistent chains.
    pub chains: usize,
    /// Gibbs sweeps at each update.
    pub sweeps: usize,
    /// Passes over the data.
    pub epochs: usize,
    /// Examples an update; the last minibatch of an epoch may be shorter and is weighted by its own size.
    pub batch_size: usize,
    /// Step size.
    pub learning_rate: Schedule,
    /// What the step size does not fall below.
    pub least_rate: f32,
    /// Share of the last step that is repeated.
    pub momentum: Schedule,
    /// Factor of `-W` in the gradients of the weights (L2).
    pub weight_decay: f32,
    /// Factor of `-sign(W)` in the gradients of the weights (L1).
    pub l1_decay: f32,
    /// How gradients become steps: [`Rule::Momentum`] or [`Rule::Nesterov`].
    pub optimizer: Rule,
    /// Offsets of the centred gradient, for all layers; none for the ordinary one. Without pretraining the ordinary one hardly learns (Montavon and Mueller 2012).
    pub centering: Option<Centering>,
    /// Targets for the activity of hidden units, one a hidden layer, lowest first, or none at all; a label is no hidden layer.
    pub sparsity: Vec<Sparsity>,
    /// Real-valued data: draw binary states anew at each visit instead of taking the values as probabilities.
    pub resample_data: bool,
    /// Seed of every choice and draw.
    pub seed: u64,
}

impl Default for DbmOptions {
    /// 100 chains, 5 sweeps, at most 10 iterations of mean field until changes are below 0.01, rate 0.005 falling to zero in a straight line, momentum 0.5, from the fifth epoch 0.9, decay
    /// 2e-4, the centred gradient.
    fn default() -> Self {
        Self {
            mean_field: MeanField {
                iterations: 10,
                tolerance: 1e-2,
                damping: 0.0,
            },
            warm_start: false,
            chains: 100,
            sweeps: 5,
            epochs: 20,
            batch_size: 100,
            learning_rate: Schedule::Linear {
                from: 0.005,
                to: 0.0,
            },
            least_rate: 0.0,
            momentum: Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)]),
            weight_decay: 2e-4,
            l1_decay: 0.0,
            optimizer: Rule::Momentum,
            centering: Some(Centering::default()),
            sparsity: Vec::new(),
            resample_data: false,
            seed: 0,
        }
    }
}

impl DbmOptions {
    /// Refuses what cannot work with a machine of `hidden` hidden layers.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the option.
    pub fn check(&self, hidden: usize) -> Result<()> {
        self.mean_field.check()?;
        for (name, x) in [
            ("chains", self.chains),
            ("sweeps", self.sweeps),
            ("batch size", self.batch_size),
        ] {
            if x == 0 {
                return Err(Error::parameter(name, "at least 1", 0));
            }
        }
        self.learning_rate.check("learning rate", f32::INFINITY)?;
        self.momentum.check("momentum", 1.0)?;
        for (name, x) in [
            ("least learning rate", self.least_rate),
            ("weight decay", self.weight_decay),
            ("L1 decay", self.l1_decay),
        ] {
            if !(x >= 0.0 && x.is_finite()) {
                return Err(Error::parameter(name, "a finite number of at least 0", x));
            }
        }
        if self.optimizer.is_adaptive() {
            let found = format!("{:?}", self.optimizer);
            return Err(Error::parameter("optimizer", "momentum or nesterov", found));
        }
        if let Some(centering) = &self.centering {
            centering.check()?;
        }
        let targets = self.sparsity.len();
        if targets != 0 && targets != hidden {
            let expected = format!("none, or {hidden}, one a hidden layer");
            return Err(Error::parameter("sparsity targets", expected, targets));
        }
        self.sparsity.iter().try_for_each(Sparsity::check)
    }
}
