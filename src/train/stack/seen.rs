//! What the layer that learns sees of the data.

use super::{
    complete::completed,
    plan::{Aggregated, Plan},
};
use crate::{
    dataset::Examples,
    error::{Error, Result},
    model::{Dbm, Dbn, Model, Rbm},
    states::States,
    train::{rbm::Doubled, run::Feed},
};
use std::{borrow::Cow, sync::Arc};

/// The layers that are done, and what the next one sees of the data. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) plan: Arc<Plan>,
    /// The RBMs that are done, lowest first.
    pub(super) done: Arc<Vec<Rbm>>,
    /// Those of a deep belief network as one.
    pub(super) below: Option<Arc<Dbn>>,
    /// Features of all examples, of pretraining on data in memory; none where they are the data.
    kept: Option<Arc<Examples>>,
}

impl Seen {
    /// By the lowest layer of a stack.
    pub(super) fn lowest(plan: Plan) -> Result<Self> {
        plan.check()?;
        Ok(Self {
            plan: Arc::new(plan),
            done: Arc::default(),
            below: None,
            kept: None,
        })
    }

    /// The layer that learns.
    pub(super) fn layer(&self) -> usize {
        self.done.len()
    }

    pub(super) fn kept(&self) -> Option<&Examples> {
        self.kept.as_deref()
    }

    /// Puts the next layer upon `rbm`, which is done. Features of `data`, if there are any, are
    /// kept where the plan asks for it.
    pub(super) fn stack(&mut self, rbm: Rbm, data: Option<&Examples>) -> Result<()> {
        let features = match (&*self.plan, data) {
            (Plan::Greedy { .. }, _) => {
                let dbn = match &self.below {
                    Some(below) => (**below).clone().stacked(rbm.clone())?,
                    None => rbm.clone().into(),
                };
                self.below = Some(Arc::new(dbn));
                None
            }
            (Plan::Pretraining(_), Some(data)) => {
                let seen = match self.kept() {
                    Some(kept) => Cow::Borrowed(kept),
                    // Of the lowest RBM, which is done.
                    None => Cow::Owned(self.completed_by(&rbm, data, 0)?),
                };
                Some(self.through(self.layer(), &rbm, &seen)?)
            }
            (Plan::Pretraining(_), None) => None,
        };
        Arc::make_mut(&mut self.done).push(rbm);
        let labeled = features.map(|x| self.labeled(x)).transpose()?;
        self.kept = labeled.map(Arc::new);
        Ok(())
    }

    /// The examples with draws in place of what they miss, by the lowest RBM, once that is done.
    fn complete<'a>(&self, examples: &'a Examples, pass: u64) -> Result<Cow<'a, Examples>> {
        let lowest = self.done.first().filter(|_| examples.observed().is_some());
        let Some(rbm) = lowest else {
            return Ok(Cow::Borrowed(examples));
        };
        self.completed_by(rbm, examples, pass).map(Cow::Owned)
    }

    fn completed_by(&self, rbm: &Rbm, examples: &Examples, pass: u64) -> Result<Examples> {
        let options = self.plan.options(0);
        completed(rbm, &options, examples, pass)
    }

    /// Means of RBM `l` of pretraining given `examples`.
    fn through(&self, l: usize, rbm: &Rbm, examples: &Examples) -> Result<Examples> {
        let [beta, _] = Doubled::of(l, self.plan.layers()).factors();
        let means = rbm.mean_h_from_v(examples.input(), beta)?;
        examples.with_states(States::Real(means))
    }

    /// `features` with the label beside them, if the layer that learns sees it.
    fn labeled(&self, features: Examples) -> Result<Examples> {
        match self.plan.classes(self.layer()) {
            Some(classes) => features.with_label_units(classes),
            None => Ok(features),
        }
    }

    /// What the layer sees of `examples`, as means; of missing values as in pass 0.
    pub(super) fn features(&self, examples: &Examples) -> Result<Examples> {
        self.features_of(&*self.complete(examples, 0)?)
    }

    fn features_of(&self, examples: &Examples) -> Result<Examples> {
        let features = match &self.below {
            Some(dbn) => {
                let means = dbn.means_of(examples.input(), dbn.n_layers() - 1)?;
                examples.with_states(States::Real(means))?
            }
            None => {
                let mut features = examples.clone();
                for (l, rbm) in self.done.iter().enumerate() {
                    features = self.through(l, rbm, &features)?;
                }
                features
            }
        };
        self.labeled(features)
    }

    /// What the layer learns of `examples` in pass number `pass`.
    pub(super) fn pass(&self, examples: Examples, pass: u64) -> Result<Examples> {
        let completed = match self.complete(&examples, pass)? {
            Cow::Owned(completed) => Some(completed),
            Cow::Borrowed(_) => None,
        };
        let examples = completed.unwrap_or(examples);
        match (&*self.plan, &self.below) {
            (Plan::Greedy { plan, .. }, Some(dbn)) if plan.posterior == Aggregated::Samples => {
                let seed = plan.layers[self.layer()].options.learning.seed;
                let (v, top) = (examples.input(), dbn.n_layers() - 1);
                let states = dbn.sample_posterior(v, top, seed, pass)?;
                self.labeled(examples.with_states(states)?)
            }
            _ if self.sees_data() => Ok(examples),
            _ => self.features_of(&examples),
        }
    }

    /// Whether the layer sees the data themselves.
    fn sees_data(&self) -> bool {
        self.layer() == 0 && self.plan.classes(0).is_none()
    }

    /// What the layer starts from.
    pub(super) fn start(&self, feed: Feed<'_>) -> Result<Examples> {
        if let Some(kept) = self.kept() {
            return Ok(kept.clone());
        }
        let n = self.plan.start_examples(self.layer(), feed.len());
        // Passes of the start are numbered 0.
        self.pass(feed.some(n)?, 0)
    }

    /// What the layer learns of `feed`; `pass` is [`Self::pass`].
    pub(super) fn feed<'a>(
        &'a self,
        feed: Feed<'a>,
        pass: &'a dyn Fn(Examples, u64) -> Result<Examples>,
    ) -> Feed<'a> {
        // Data of another length are refused by the run.
        let is_kept =
            |kept: &&Arc<Examples>| feed.examples().is_some_and(|x| x.len() == kept.len());
        match self.kept.as_ref().filter(is_kept) {
            Some(kept) => kept.into(),
            _ if self.sees_data() => feed,
            _ => feed.passed(pass),
        }
    }

    /// The machine of the layers that are done and `top` upon them.
    pub(super) fn model(&self, top: Rbm) -> Result<Model> {
        Ok(match (&*self.plan, &self.below) {
            (Plan::Greedy { .. }, None) => Dbn::from(top).into(),
            (Plan::Greedy { .. }, Some(below)) => (**below).clone().stacked(top)?.into(),
            (Plan::Pretraining(plan), _) => {
                let mut rbms = (*self.done).clone();
                rbms.push(top);
                match plan.classes.filter(|_| rbms.len() == self.plan.layers()) {
                    Some(_) => Dbm::joined_with_labels(&rbms)?.into(),
                    None => Dbm::joined(&rbms)?.into(),
                }
            }
        })
    }

    /// Refuses a stack of which all layers are done.
    pub(super) fn expect_more(&self) -> Result<()> {
        let (done, all) = (self.layer(), self.plan.layers());
        if done < all {
            return Ok(());
        }
        let expected = format!("fewer than {all}");
        Err(Error::shape("layers that are done", expected, done))
    }

    /// Refuses `rbm` as the layer that learns, upon `data`.
    pub(super) fn check(&self, rbm: &Rbm, data: &Examples) -> Result<()> {
        let (l, plan) = (self.layer(), &self.plan);
        let below = match l {
            0 => data.columns(),
            _ => plan.hidden(l - 1),
        };
        let expected = (below + plan.classes(l).unwrap_or(0), plan.hidden(l));
        let found = (rbm.n_visible(), rbm.n_hidden());
        if found == expected {
            return Ok(());
        }
        let [expected, found] = [expected, found].map(|(n, m)| format!("{n} x {m}"));
        Err(Error::shape("stored RBM", expected, found))
    }
}
