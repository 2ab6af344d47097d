//! What the training of a deep Boltzmann machine is told beside what all runs are, checked once at
//! the door.

use crate::{
    error::{Error, Result},
    model::MeanField,
    train::{
        Centering, Learning, Schedule, Sparsity,
        run::{at_least_one, stored_flat},
    },
};
use serde::{Deserialize, Serialize};

/// Options of variational stochastic maximum likelihood (Algorithm 20.1 of Goodfellow, Bengio,
/// Courville, Deep Learning, 2016), the joint training of all layers: mean field for the data,
/// persistent chains for the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct DbmOptions {
    /// Those that every family shares. No longest gradient, norms, averages or adaptive rules yet.
    #[serde(flatten)]
    pub learning: Learning,
    /// How far mean field goes at each update.
    pub mean_field: MeanField,
    /// Mean field starts where it ended at the last visit to the same example. Keeps 4 bytes for
    /// each example and unit of the even hidden layers, a label left out.
    pub warm_start: bool,
    /// Persistent chains.
    pub chains: usize,
    /// Gibbs sweeps at each update.
    pub sweeps: usize,
    /// Offsets of the centered gradient, for all layers; none for the ordinary one. Without
    /// pretraining the ordinary one hardly learns (Montavon and Mueller 2012).
    pub centering: Option<Centering>,
    /// Targets for the activity of hidden units, one a hidden layer, lowest first, or none at all;
    /// a label is no hidden layer.
    pub sparsity: Vec<Sparsity>,
}

stored_flat!(DbmOptions);

impl Default for DbmOptions {
    /// 100 chains, 5 sweeps, at most 10 iterations of mean field until changes are below 0.01, rate
    /// 0.005 falling to zero in a straight line, momentum 0.5, from the fifth epoch 0.9, decay
    /// 2e-4, the centered gradient.
    fn default() -> Self {
        Self {
            learning: Learning {
                learning_rate: Schedule::Linear {
                    from: 0.005,
                    to: 0.0,
                },
                momentum: Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)]),
                weight_decay: 2e-4,
                ..Learning::default()
            },
            mean_field: MeanField {
                iterations: 10,
                tolerance: 1e-2,
                damping: 0.0,
            },
            warm_start: false,
            chains: 100,
            sweeps: 5,
            centering: Some(Centering::default()),
            sparsity: Vec::new(),
        }
    }
}

impl DbmOptions {
    /// Refuses what cannot work with a machine of `hidden` hidden layers.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the option.
    pub fn check(&self, hidden: usize) -> Result<()> {
        self.learning.check()?;
        self.mean_field.check()?;
        at_least_one("chains", self.chains)?;
        at_least_one("sweeps", self.sweeps)?;
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
