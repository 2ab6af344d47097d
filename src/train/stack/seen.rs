//! What the layer that learns sees of the data.

use super::{
    check_shape,
    plan::{Aggregated, Plan},
};
use crate::{
    dataset::Examples,
    error::Result,
    model::{Dbn, Rbm},
    states::States,
    train::rbm::Doubled,
};

/// What the layer that learns sees.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    /// What this network infers from a minibatch, made at each visit; the data themselves without
    /// one.
    Passes(Option<Box<Dbn>>),
    /// Features of all examples; the data themselves without any.
    Kept(Option<Examples>),
}

impl Seen {
    /// Of the lowest layer.
    pub(super) fn lowest(plan: &Plan, data: &Examples) -> Result<Self> {
        Ok(match plan {
            Plan::Greedy { .. } => Self::Passes(None),
            Plan::Pretraining(_) => Self::Kept(labeled(plan, 0, data)?),
        })
    }

    /// Of the layer above `rbm`, which is layer `l` and done.
    pub(super) fn above(&self, plan: &Plan, l: usize, rbm: &Rbm, data: &Examples) -> Result<Self> {
        match self {
            Self::Passes(below) => {
                let dbn = match below {
                    Some(below) => (**below).clone().stacked(rbm.clone())?,
                    None => rbm.clone().into(),
                };
                Ok(Self::Passes(Some(Box::new(dbn))))
            }
            Self::Kept(seen) => {
                let seen = seen.as_ref().unwrap_or(data);
                let [beta, _] = Doubled::of(l, plan.layers()).factors();
                let means = rbm.mean_h_from_v(seen.input(), beta)?;
                let features = seen.with_states(States::Real(means))?;
                let labeled = labeled(plan, l + 1, &features)?;
                Ok(Self::Kept(Some(labeled.unwrap_or(features))))
            }
        }
    }

    /// Refuses `rbm` as layer `l`, which is done, if it does not fit what the layer sees.
    pub(super) fn check(&self, plan: &Plan, l: usize, rbm: &Rbm, data: &Examples) -> Result<()> {
        let Self::Kept(seen) = self else {
            return Ok(());
        };
        let columns = seen.as_ref().unwrap_or(data).columns();
        check_shape(rbm, columns, plan.hidden(l))
    }

    /// What layer `l` upon the layers `done` sees of `examples`, as means.
    pub(super) fn features(
        plan: &Plan,
        done: &[Rbm],
        below: Option<&Dbn>,
        examples: &Examples,
    ) -> Result<Examples> {
        let l = done.len();
        let features = match below {
            Some(dbn) => {
                let means = dbn.means_of(examples, dbn.n_layers() - 1)?;
                examples.with_states(States::Real(means))?
            }
            None => {
                let mut seen = Self::Kept(None);
                for (k, rbm) in done.iter().enumerate() {
                    seen = seen.above(plan, k, rbm, examples)?;
                }
                match seen {
                    Self::Kept(Some(features)) => return Ok(features),
                    _ => examples.clone(),
                }
            }
        };
        Ok(labeled(plan, l, &features)?.unwrap_or(features))
    }

    /// The network below, where there is one.
    pub(super) fn below(&self) -> Option<&Dbn> {
        match self {
            Self::Passes(below) => below.as_deref(),
            Self::Kept(_) => None,
        }
    }

    /// What layer `l` starts from.
    pub(super) fn start(&self, plan: &Plan, l: usize, data: &Examples) -> Result<Examples> {
        match self {
            Self::Kept(seen) => Ok(seen.as_ref().unwrap_or(data).clone()),
            Self::Passes(_) => {
                let n = plan.start_examples(l, data.len());
                // Passes of the start are numbered 0.
                self.pass(plan, l, data.head(n), 0)
            }
        }
    }

    /// What layer `l` learns of `examples` in pass number `pass`.
    pub(super) fn pass(
        &self,
        plan: &Plan,
        l: usize,
        examples: Examples,
        pass: u64,
    ) -> Result<Examples> {
        let features = match (self.below(), plan) {
            (Some(dbn), Plan::Greedy { plan, .. }) => {
                let (v, top) = (examples.input(), dbn.n_layers() - 1);
                let seed = plan.layers[l].options.learning.seed;
                let states = match plan.posterior {
                    Aggregated::Means => States::Real(dbn.means_of(v, top)?),
                    Aggregated::Samples => dbn.sample_posterior(v, top, seed, pass)?,
                };
                examples.with_states(states)?
            }
            _ => examples,
        };
        Ok(labeled(plan, l, &features)?.unwrap_or(features))
    }
}

/// `features` with the label beside them, if layer `l` sees it.
fn labeled(plan: &Plan, l: usize, features: &Examples) -> Result<Option<Examples>> {
    let joined = |classes| features.with_label_units(classes);
    plan.classes(l).map(joined).transpose()
}
