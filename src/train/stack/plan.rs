//! What a stack trains, lowest layer first; where both uses differ.

use crate::{
    dataset::Examples,
    error::{Error, Result},
    model::{Dbn, Layer, Rbm},
    train::rbm::{Doubled, RbmOptions},
    units::{Kind, Units},
};
use serde::{Deserialize, Serialize};

/// Fewest examples from which a higher layer's biases and persistent chains start, where features
/// are made anew at each visit.
const START_EXAMPLES: usize = 1000;

/// What higher layers learn of the aggregated posterior, the distribution of the layer below over
/// all examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregated {
    /// Probabilities: means of the deterministic pass.
    #[default]
    Means,
    /// States of a stochastic pass, drawn anew at each visit.
    Samples,
}

/// One layer's part of [`GreedyPlan`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GreedyLayer {
    /// Hidden units of the RBM.
    pub hidden: usize,
    /// How it is trained.
    pub options: RbmOptions,
    /// Start from the layer below upside down, `W'` with its biases exchanged
    /// ([`Dbn::transposed_within`], which `hidden` units must suffice for): then the network's
    /// distribution is at first what it was. Has no meaning in the lowest layer.
    #[serde(default)]
    pub transposed: bool,
}

/// A deep belief network, layer by layer, lowest first. A higher layer learns the deterministic or
/// stochastic pass over a minibatch, made when the minibatch is wanted: its data never exist as a
/// whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GreedyPlan {
    /// The RBMs.
    pub layers: Vec<GreedyLayer>,
    /// What higher layers learn.
    #[serde(default)]
    pub posterior: Aggregated,
    /// Classes of a label that joins the visible layer of the last RBM.
    #[serde(default)]
    pub classes: Option<usize>,
}

/// The RBMs that a deep Boltzmann machine starts from, with the inputs doubled that it asks for
/// ([`Doubled`]) and on the means `E[h | v]` of the one below. The means of all examples are kept,
/// `4 x examples x units` bytes of the layer below that which learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainingPlan {
    /// Sizes of the hidden layers, lowest first: one RBM each.
    pub hidden: Vec<usize>,
    /// Options of each RBM, or one for all; what they say of [`Doubled`] is passed over, it follows
    /// from the RBM's place.
    pub options: Vec<RbmOptions>,
    /// Classes of a label that is a softmax group beside the other visible units of the highest
    /// RBM.
    #[serde(default)]
    pub classes: Option<usize>,
    /// The visible units as text, of which a softmax group is one: bits if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible: Option<String>,
}

impl PretrainingPlan {
    /// The units of `features` columns that RBM `l` sees.
    ///
    /// # Errors
    /// [`Error::Parameter`] for visible units that do not exist or are not as many.
    pub(crate) fn units(&self, l: usize, features: usize) -> Result<Units> {
        match &self.visible {
            Some(text) if l == 0 => Units::parse(text, features),
            _ => Ok(Units::of(Kind::Bernoulli, features)),
        }
    }

    /// Refuses layers without units and a number of options that is not theirs.
    pub(crate) fn check(&self) -> Result<()> {
        if self.hidden.is_empty() || self.hidden.contains(&0) {
            let expected = "at least one layer of at least one unit";
            let found = format!("{:?}", self.hidden);
            return Err(Error::parameter("hidden layers", expected, found));
        }
        let (n, found) = (self.hidden.len(), self.options.len());
        if found != 1 && found != n {
            let expected = format!("1 or {n}");
            return Err(Error::parameter("options of pretraining", expected, found));
        }
        Ok(())
    }

    /// The options with which RBM `l` is trained.
    ///
    /// # Panics
    /// Without options.
    pub fn options_of(&self, l: usize) -> RbmOptions {
        let options = self.options.get(l).unwrap_or(&self.options[0]);
        RbmOptions {
            doubled: Doubled::of(l, self.hidden.len()),
            ..options.clone()
        }
    }
}

/// Either plan: what a stack asks of it.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    Greedy { plan: GreedyPlan, visible: Units },
    Pretraining(PretrainingPlan),
}

impl Plan {
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Greedy { plan, .. } if plan.layers.is_empty() => {
                Err(Error::parameter("layers", "at least one", 0))
            }
            Self::Greedy { plan, .. } if plan.layers.iter().any(|layer| layer.hidden == 0) => {
                let found = plan.layers.iter().map(|layer| layer.hidden);
                let found = format!("{:?}", found.collect::<Vec<_>>());
                let expected = "at least one unit in every layer";
                Err(Error::parameter("hidden layers", expected, found))
            }
            Self::Greedy { visible, .. } => {
                let lowest = Layer::new(visible.clone());
                lowest.refuse_counts("lowest layer of a deep belief network")
            }
            Self::Pretraining(plan) => plan.check(),
        }
    }

    /// RBMs in all.
    pub(super) fn layers(&self) -> usize {
        match self {
            Self::Greedy { plan, .. } => plan.layers.len(),
            Self::Pretraining(plan) => plan.hidden.len(),
        }
    }

    /// Hidden units of RBM `l`.
    pub(super) fn hidden(&self, l: usize) -> usize {
        match self {
            Self::Greedy { plan, .. } => plan.layers[l].hidden,
            Self::Pretraining(plan) => plan.hidden[l],
        }
    }

    /// Classes of a label that RBM `l` sees: the highest alone.
    pub(super) fn classes(&self, l: usize) -> Option<usize> {
        let classes = match self {
            Self::Greedy { plan, .. } => plan.classes,
            Self::Pretraining(plan) => plan.classes,
        };
        classes.filter(|_| l + 1 == self.layers())
    }

    /// The options with which RBM `l` is trained.
    pub(super) fn options(&self, l: usize) -> RbmOptions {
        match self {
            Self::Greedy { plan, .. } => plan.layers[l].options.clone(),
            Self::Pretraining(plan) => plan.options_of(l),
        }
    }

    /// Of how many of `examples` RBM `l` sees the features when it starts, where these are made
    /// anew: the first layer starts as a run of its own would.
    pub(super) fn start_examples(&self, l: usize, examples: usize) -> usize {
        match l {
            0 => examples,
            _ => {
                let batch = self.options(l).learning.batch_size;
                START_EXAMPLES.max(batch).min(examples)
            }
        }
    }

    /// RBM `l` before its first update, for what it `sees`; `below` is the network that is done.
    pub(super) fn machine(&self, l: usize, sees: &Examples, below: Option<&Dbn>) -> Result<Rbm> {
        let labels = self.classes(l).unwrap_or(0);
        let features = sees.columns() - labels;
        let (units, seed) = match self {
            Self::Greedy { visible, plan } if l == 0 => {
                (visible.clone(), plan.layers[l].options.learning.seed)
            }
            Self::Greedy { .. } => (Units::of(Kind::Bernoulli, features), self.seed(l)),
            Self::Pretraining(plan) => (plan.units(l, features)?, self.seed(l)),
        };
        let units = units.and(Kind::Softmax, labels);
        let rbm = Rbm::unconnected(Layer::new(units), Layer::bernoulli(self.hidden(l)))?;
        let rbm = rbm.initialized_from(sees, seed)?;
        match (self, below) {
            (Self::Greedy { plan, .. }, Some(dbn)) if plan.layers[l].transposed => {
                dbn.transposed_within(rbm)
            }
            (Self::Pretraining(plan), _) => halved(rbm, plan.options_of(l).doubled, labels),
            _ => Ok(rbm),
        }
    }

    /// Of the start of RBM `l`.
    fn seed(&self, l: usize) -> u64 {
        match self {
            Self::Greedy { plan, .. } => plan.layers[l].options.learning.seed,
            Self::Pretraining(plan) => {
                let seed = plan.options_of(l).learning.seed;
                seed.wrapping_add(l as u64)
            }
        }
    }
}

/// The start of an RBM whose visible units double their inputs: half the bias has the same means.
/// From other means all weights set out the same way, and as one step of many hidden units goes too
/// far, hardly any of these would ever be on. The `labels` at the end count once.
fn halved(rbm: Rbm, doubled: Doubled, labels: usize) -> Result<Rbm> {
    let [_, factor] = doubled.factors();
    let mut visible = rbm.visible().clone();
    let features = visible.size() - labels;
    visible.bias[..features]
        .iter_mut()
        .for_each(|b| *b /= factor);
    Rbm::from_parameters([visible, rbm.hidden().clone()], [rbm.weights().clone()])
}
