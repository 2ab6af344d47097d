//! RBM upon RBM: the greedy training of deep belief networks (Hinton, Osindero and Teh 2006,
//! section 4) and the pretraining of deep Boltzmann machines (Salakhutdinov and Hinton 2009).
//!
//! One run a layer, on what the layers below infer from the data; these are fixed. The lowest RBM
//! learns what was observed of examples with missing values, and draws the rest for those above.
//! What differs between both uses is told by [`Plan`].

mod complete;
mod plan;
mod seen;

pub use plan::{Aggregated, GreedyLayer, GreedyPlan, PretrainingPlan};

use super::{
    rbm::{RbmLearner, RbmOptions, RbmTraining},
    run::{
        Done, Driven, Ended, Feed, Judge, Kept, Position, RunState, Schedule, Stop, keeping_best,
    },
};
use crate::{
    dataset::Examples,
    error::{Error, Result},
    model::{Dbm, Dbn, Model, Rbm},
    units::{Kind, Units},
};
use plan::Plan;
use seen::Seen;
use std::{fmt, ops::ControlFlow, sync::Arc};

/// What the observer of a stack is told; it stops the run by breaking.
#[derive(Debug)]
pub enum StackEvent<'a> {
    /// An update of a layer is done.
    Update(&'a mut Stack),
    /// An epoch of a layer is done.
    Epoch(&'a mut Stack),
    /// A layer is done.
    Layer(&'a mut Stack),
}

/// The layers that are done, and the run of that which learns. Stored and resumed, it is one that
/// was never interrupted, to the bit.
///
/// ```
/// # use harmonium::{dataset, train::{GreedyLayer, GreedyPlan, Learning, RbmOptions, Stack}};
/// let data = dataset::bars_and_stripes(3).binarized(Default::default(), 0, 0);
/// let learning = Learning { epochs: 2, ..Learning::default() };
/// let options = RbmOptions { learning, ..RbmOptions::default() };
/// let layer = |hidden| GreedyLayer { hidden, options: options.clone(), ..GreedyLayer::default() };
/// let plan = GreedyPlan { layers: vec![layer(6), layer(4)], ..GreedyPlan::default() };
/// let mut run = Stack::greedy(plan, Default::default(), &data)?;
/// let _ended = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
/// assert_eq!(run.dbn()?.n_layers(), 3);
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stack {
    seen: Seen,
    training: RbmTraining,
    rate: Option<Rate>,
    stop: Stop,
}

/// A rate as a function of the layer, from 0 on, and its training time in epochs.
#[derive(Clone)]
struct Rate(Arc<dyn Fn(usize, f64) -> f32 + Send + Sync>);

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a function of layer and time")
    }
}

impl Driven for Stack {
    type Learner = RbmLearner;

    fn driven(&mut self) -> &mut RbmTraining {
        &mut self.training
    }
}

impl Stack {
    /// A deep belief network on `data`, whose visible layer is of `visible` units: Bernoulli units
    /// if these are none.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a plan without layers or with a layer without units, and for what
    /// [`RbmTraining::new`] refuses.
    pub fn greedy(plan: GreedyPlan, visible: Units, data: &Examples) -> Result<Self> {
        let visible = match visible.size() {
            0 => Units::of(Kind::Bernoulli, data.columns()),
            _ => visible,
        };
        Self::new(Plan::Greedy { plan, visible }, data)
    }

    /// The RBMs that a deep Boltzmann machine starts from, on `data`.
    ///
    /// # Errors
    /// [`Error::Parameter`] without hidden layers, for a number of options that is neither 1 nor
    /// that of the RBMs, and for data without labels where the plan has classes; those of
    /// [`RbmTraining::new`].
    pub fn pretraining(plan: PretrainingPlan, data: &Examples) -> Result<Self> {
        Self::new(Plan::Pretraining(plan), data)
    }

    fn new(plan: Plan, data: &Examples) -> Result<Self> {
        let seen = Seen::lowest(plan)?;
        Ok(Self {
            training: start(&seen, data.into())?,
            seen,
            rate: None,
            stop: Stop::new(),
        })
    }

    /// The stack as one whose examples stay in their file, `examples` of them an epoch: what it was
    /// created with then only starts the lowest layer. A higher one starts from examples that are
    /// spread over the stream; what it sees of a minibatch is computed when that comes.
    #[must_use]
    pub fn fed(self, examples: usize) -> Self {
        Self {
            training: self.training.fed(examples),
            ..self
        }
    }

    /// A greedy run that goes on in the midst of a layer: `below` holds the layers that are done,
    /// `top` is the machine that learns and its run.
    pub(crate) fn resumed_greedy(
        plan: GreedyPlan,
        below: Option<Dbn>,
        top: (Rbm, RunState<RbmOptions>),
        from: Resumed<'_>,
    ) -> Result<Self> {
        let visible = match &below {
            Some(dbn) => dbn.layer(0).units.clone(),
            None => top.0.visible().units.clone(),
        };
        let mut done = Vec::new();
        if let Some(dbn) = &below {
            for pair in dbn.directed() {
                done.push(pair.to_rbm()?);
            }
            done.push(dbn.top().clone());
        }
        let mut seen = Seen::lowest(Plan::Greedy { plan, visible })?;
        seen.done = Arc::new(done);
        seen.below = below.map(Arc::new);
        Self::resumed(seen, top, from)
    }

    /// A run of pretraining that goes on in the midst of an RBM: `done` are those below it, `top`
    /// is the RBM that learns and its run.
    pub(crate) fn resumed_pretraining(
        plan: PretrainingPlan,
        done: Vec<Rbm>,
        top: (Rbm, RunState<RbmOptions>),
        from: Resumed<'_>,
    ) -> Result<Self> {
        let mut seen = Seen::lowest(Plan::Pretraining(plan))?;
        for rbm in done {
            seen.expect_more()?;
            seen.check(&rbm, from.data)?;
            seen.stack(rbm, (!from.is_fed).then_some(from.data))?;
        }
        Self::resumed(seen, top, from)
    }

    fn resumed(
        seen: Seen,
        (top, state): (Rbm, RunState<RbmOptions>),
        from: Resumed<'_>,
    ) -> Result<Self> {
        seen.expect_more()?;
        if !from.is_fed && from.data.len() != state.examples {
            let what = "examples of the data";
            return Err(Error::shape(what, state.examples, from.data.len()));
        }
        seen.check(&top, from.data)?;
        let first = seen.start(from.data.into())?;
        let training = RbmTraining::resumed_fed(top, state, &first)?;
        Ok(Self {
            training: training.weighed(from.data.mean_weight()),
            seen,
            rate: None,
            stop: Stop::new(),
        })
    }

    /// The plan, of a deep belief network.
    pub fn greedy_plan(&self) -> Option<&GreedyPlan> {
        match &*self.seen.plan {
            Plan::Greedy { plan, .. } => Some(plan),
            Plan::Pretraining(_) => None,
        }
    }

    /// The plan, of the RBMs that a deep Boltzmann machine starts from.
    pub fn pretraining_plan(&self) -> Option<&PretrainingPlan> {
        match &*self.seen.plan {
            Plan::Pretraining(plan) => Some(plan),
            Plan::Greedy { .. } => None,
        }
    }

    /// The layer that learns, from 0 on.
    pub fn layer(&self) -> usize {
        self.seen.layer()
    }

    /// Layers in all.
    pub fn layers(&self) -> usize {
        self.seen.plan.layers()
    }

    /// Classes of the label that the layer that learns sees, if it sees one.
    pub fn classes(&self) -> Option<usize> {
        self.seen.plan.classes(self.layer())
    }

    /// The network below the layer that learns, of a deep belief network, if there is one.
    pub fn below(&self) -> Option<&Dbn> {
        self.seen.below.as_deref()
    }

    /// The run of the layer that learns.
    pub fn training(&self) -> &RbmTraining {
        &self.training
    }

    /// Where the layer that learns stands.
    pub fn position(&self) -> Position {
        self.training.position()
    }

    /// Whether the last layer is done.
    pub fn is_finished(&self) -> bool {
        self.is_last() && self.training.is_finished()
    }

    fn is_last(&self) -> bool {
        self.layer() + 1 == self.layers()
    }

    /// What the RBM that learns sees of all examples, where features are kept and it is not the
    /// data themselves.
    pub fn seen(&self) -> Option<&Examples> {
        self.seen.kept()
    }

    /// What the layer that learns sees of `examples`, as means, with the label if it sees one.
    ///
    /// # Errors
    /// [`Error::Shape`] for examples of another width than the data.
    pub fn features(&self, examples: &Examples) -> Result<Examples> {
        self.seen.features(examples)
    }

    /// The RBMs as they are now, lowest first, that which learns among them. Costs a copy.
    pub fn rbms(&self) -> Vec<Rbm> {
        let mut rbms = (*self.seen.done).clone();
        rbms.push(self.training.result().into_owned());
        rbms
    }

    /// The deep belief network as it is now, the layer that learns its top. Costs a copy.
    ///
    /// # Errors
    /// As [`Dbn::stacked`]; [`Error::Parameter`] of pretraining.
    pub fn dbn(&self) -> Result<Dbn> {
        self.model()?.into_dbn()
    }

    /// The machine of the RBMs that there are, [`Dbm::joined`]; with the label above the highest
    /// hidden layer ([`Dbm::joined_with_labels`]) once the RBM that has it learns.
    ///
    /// # Errors
    /// As [`Dbm::joined`]; [`Error::Parameter`] of a deep belief network.
    pub fn dbm(&self) -> Result<Dbm> {
        self.model()?.into_dbm()
    }

    /// The machine of what there is: [`Self::dbn`] or [`Self::dbm`].
    ///
    /// # Errors
    /// As these.
    pub fn model(&self) -> Result<Model> {
        self.seen.model(self.training.result().into_owned())
    }

    /// From now on the run stops when `stop` is requested, within an update too.
    pub fn stop_at(&mut self, stop: &Stop) {
        self.stop = stop.clone();
        self.training.stop_at(stop);
    }

    /// The layer that learns goes on at another learning rate, from the next update on; files hold
    /// it. Layers above have that of the plan.
    ///
    /// # Errors
    /// [`Error::Parameter`] for rates that are negative or not finite.
    pub fn set_learning_rate(&mut self, rate: impl Into<Schedule>) -> Result<()> {
        self.training.set_learning_rate(rate)?;
        self.rate = None;
        Ok(())
    }

    /// Goes on at the learning rate `rate(l, t)`, in this layer and those above: `l` is the layer
    /// from 0 on, `t` its training time in epochs. A file cannot hold a function: as
    /// [`super::Run::set_rate`], and layers above have the rates of the plan then.
    pub fn set_rate(&mut self, rate: impl Fn(usize, f64) -> f32 + Send + Sync + 'static) {
        self.rate = Some(Rate(Arc::new(rate)));
        self.pass_rate_on();
    }

    fn pass_rate_on(&mut self) {
        if let Some(Rate(rate)) = self.rate.clone() {
            let l = self.layer();
            self.training.set_rate(move |t| rate(l, t));
        }
    }

    /// Runs until all layers are done, the observer breaks, or a stop is requested. `feed` is the
    /// training data: [`Examples`], with labels if the plan has classes, or an
    /// [`crate::dataset::ExampleStream`] for a stack that is [fed](Self::fed).
    ///
    /// # Errors
    /// As [`RbmTraining::run`] and [`RbmTraining::new`].
    pub fn run<'a>(
        &mut self,
        feed: impl Into<Feed<'a>>,
        observer: impl FnMut(StackEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Ended> {
        let kept = self.run_keeping_best(feed, &Judge::default(), |_| Ok(None), observer)?;
        Ok(kept.ended)
    }

    /// As [`Self::run`]; after each epoch `measure` scores the stack, or gives `None` for one that
    /// is not to be judged. Each layer has a judge of its own, a copy of this one: it is done when
    /// its patience is at an end, and the layers above learn from its best epoch. The machine that
    /// is kept is that of the best epoch of the layer that learned last.
    ///
    /// # Errors
    /// Those of [`Self::run`] and of `measure`.
    pub fn run_keeping_best<'a>(
        &mut self,
        feed: impl Into<Feed<'a>>,
        judge: &Judge,
        mut measure: impl FnMut(&Self) -> Result<Option<f64>>,
        mut observer: impl FnMut(StackEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Kept<Model>> {
        let feed = feed.into();
        loop {
            let seen = self.seen.clone();
            // Passes of updates are numbered from 1 on.
            let pass = |examples, update: u64| seen.pass(examples, update + 1);
            let kept = keeping_best(
                self,
                seen.feed(feed, &pass),
                &mut judge.clone(),
                &mut measure,
                &mut |stack, is_epoch| match is_epoch {
                    true => observer(StackEvent::Epoch(stack)),
                    false => observer(StackEvent::Update(stack)),
                },
            )?;
            let is_done = kept.ended.is_finished() || kept.is_out_of_patience;
            let is_stopped = !is_done || observer(StackEvent::Layer(self)).is_break();
            if is_stopped || self.is_last() {
                let ended = match is_stopped {
                    true => Ended::Stopped,
                    false => kept.ended,
                };
                let model = |(rbm, best)| Ok((self.seen.model(rbm)?, best));
                return Ok(Kept {
                    ended,
                    best: kept.best.map(model).transpose()?,
                    is_out_of_patience: kept.is_out_of_patience,
                });
            }
            let best = kept.best.map(|(rbm, _)| rbm);
            let rbm = best.unwrap_or_else(|| self.training.result().into_owned());
            self.advance(rbm, feed)?;
        }
    }

    /// How the last call of [`Self::run`] ended in the layer that learns, if there was one.
    pub fn ended(&self) -> Option<Ended> {
        self.training.ended()
    }

    /// One update of the layer that learns.
    ///
    /// # Errors
    /// As [`RbmTraining::update`] and [`RbmTraining::update_with`].
    pub fn update(&mut self, data: &Examples) -> Result<Done> {
        let seen = &self.seen;
        let pass = |examples, update: u64| seen.pass(examples, update + 1);
        self.training.advance(seen.feed(data.into(), &pass))
    }

    /// Puts the next layer upon `rbm`, that which is done.
    fn advance(&mut self, rbm: Rbm, feed: Feed<'_>) -> Result<()> {
        let mut seen = self.seen.clone();
        seen.stack(rbm, feed.examples())?;
        self.training = start(&seen, feed)?;
        self.training.stop_at(&self.stop);
        self.seen = seen;
        self.pass_rate_on();
        Ok(())
    }
}

/// What a stack goes on with: the data that it was on, or of one that is fed what it started with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resumed<'a> {
    pub(crate) data: &'a Examples,
    pub(crate) is_fed: bool,
}

/// The run of the layer that learns before its first update.
fn start(seen: &Seen, feed: Feed<'_>) -> Result<RbmTraining> {
    let (first, l) = (seen.start(feed)?, seen.layer());
    let rbm = seen.plan.machine(l, &first, seen.below.as_deref())?;
    let run = RbmTraining::new(rbm, seen.plan.options(l), &first)?.fed(feed.len());
    Ok(match feed.examples() {
        Some(data) => run.weighed(data.mean_weight()),
        None => run,
    })
}
