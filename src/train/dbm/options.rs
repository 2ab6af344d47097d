//! What the training of a deep Boltzmann machine is told beside what all runs are, checked once at
//! the door.

use crate::{
    error::{Error, Result},
    model::MeanField,
    train::{Centering, Learning, Negative, Positive, Schedule, Sparsity, run::stored_flat},
};
use serde::{Deserialize, Serialize};

/// Options of the joint training of all layers. The default is variational stochastic maximum
/// likelihood (Algorithm 20.1 of Goodfellow, Bengio, Courville, Deep Learning, 2016): mean field
/// for the data, persistent chains for the model.
#[derive(Clone, Debug, PartialEq)]
pub struct DbmOptions {
    /// Those that every family shares.
    pub learning: Learning,
    /// Where the expectations of the data come from.
    pub positive: Positive,
    /// Mean field starts where it ended at the last visit to the same example. Keeps 4 bytes for
    /// each example and unit of the even hidden layers, a label left out.
    pub warm_start: bool,
    /// Where the samples of the model come from. Plain persistent chains go layer by layer; all
    /// others are those of the RBM that the machine is ([`crate::Dbm::bipartite`]), whose visible
    /// units are the even layers and whose hidden ones are the odd.
    pub negative: Negative,
    /// Offsets of the centered gradient, for all layers; none for the ordinary one. Without
    /// pretraining the ordinary one hardly learns (Montavon and Mueller 2012).
    pub centering: Option<Centering>,
    /// Targets for the activity of hidden units, one a hidden layer, lowest first, or none at all;
    /// a label is no hidden layer.
    pub sparsity: Vec<Sparsity>,
}

stored_flat!(DbmOptions, as Stored);

/// Options as files have them: mean field and persistent chains by names of their own, which were
/// once all that there was; other phases beside them.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    learning: Learning,
    mean_field: MeanField,
    warm_start: bool,
    chains: usize,
    sweeps: usize,
    centering: Option<Centering>,
    sparsity: Vec<Sparsity>,
    positive: Option<Positive>,
    negative: Option<Negative>,
}

impl From<&DbmOptions> for Stored {
    fn from(options: &DbmOptions) -> Self {
        let (positive, negative) = (options.positive, options.negative);
        let (mean_field, positive) = match positive {
            Positive::MeanField(mean_field) => (mean_field, None),
            other => (DEFAULT_MEAN_FIELD, Some(other)),
        };
        let is_plain = matches!(negative, Negative::Persistent { .. });
        Self {
            learning: options.learning.clone(),
            mean_field,
            warm_start: options.warm_start,
            chains: negative.chains().unwrap_or(0),
            sweeps: negative.steps().unwrap_or(0),
            centering: options.centering,
            sparsity: options.sparsity.clone(),
            positive,
            negative: (!is_plain).then_some(negative),
        }
    }
}

impl From<Stored> for DbmOptions {
    fn from(stored: Stored) -> Self {
        let plain = Negative::Persistent {
            chains: stored.chains,
            steps: stored.sweeps,
        };
        let mean_field = Positive::MeanField(stored.mean_field);
        Self {
            learning: stored.learning,
            positive: stored.positive.unwrap_or(mean_field),
            warm_start: stored.warm_start,
            negative: stored.negative.unwrap_or(plain),
            centering: stored.centering,
            sparsity: stored.sparsity,
        }
    }
}

const DEFAULT_MEAN_FIELD: MeanField = MeanField {
    iterations: 10,
    tolerance: 1e-2,
    damping: 0.0,
};

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
            positive: Positive::MeanField(DEFAULT_MEAN_FIELD),
            warm_start: false,
            negative: Negative::Persistent {
                chains: 100,
                steps: 5,
            },
            centering: Some(Centering::default()),
            sparsity: Vec::new(),
        }
    }
}

impl DbmOptions {
    /// How far mean field goes: that of the positive phase, or where that is another the default
    /// one.
    pub fn mean_field(&self) -> MeanField {
        match self.positive {
            Positive::MeanField(mean_field) => mean_field,
            _ => DEFAULT_MEAN_FIELD,
        }
    }

    /// Refuses what cannot work with a machine of `hidden` hidden layers.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the option.
    pub fn check(&self, hidden: usize) -> Result<()> {
        self.learning.check()?;
        self.positive.check()?;
        self.negative.check_sampled("a deep Boltzmann machine")?;
        if self.negative == Negative::PseudoLikelihood {
            let expected = "a general machine whose units are all visible";
            let found = "a deep Boltzmann machine";
            return Err(Error::parameter("pseudo-likelihood", expected, found));
        }
        if self.warm_start && !matches!(self.positive, Positive::MeanField(_)) {
            let expected = "none, where the posterior is not that of mean field";
            return Err(Error::parameter("warm starts", expected, "some"));
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
