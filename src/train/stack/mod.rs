//! RBM upon RBM: the greedy training of deep belief networks (Hinton, Osindero and Teh 2006,
//! section 4) and the pretraining of deep Boltzmann machines (Salakhutdinov and Hinton 2009).
//!
//! One run a layer, on what the layers below infer from the data; these are fixed. What differs
//! between both uses is told by [`Plan`].

mod plan;
mod seen;

pub use plan::{Aggregated, GreedyLayer, GreedyPlan, PretrainingPlan};

use super::{
    rbm::{RbmOptions, RbmTraining},
    run::{Done, Ended, Feed, Position, RunState, Stop},
};
use crate::{
    dataset::Examples,
    error::{Error, Result},
    model::{Dbm, Dbn, Model, Rbm},
    units::{Kind, Units},
};
use plan::Plan;
use seen::Seen;
use std::ops::ControlFlow;

/// What refuses missing values.
const WHAT: &str = "a stack of RBMs";

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
/// let layer = |hidden| GreedyLayer { hidden, options: options.clone(), transposed: false };
/// let plan = GreedyPlan {
///     layers: vec![layer(6), layer(4)],
///     posterior: Default::default(),
///     classes: None,
/// };
/// let mut run = Stack::greedy(plan, Default::default(), &data)?;
/// let _ended = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
/// assert_eq!(run.dbn()?.n_layers(), 3);
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stack {
    plan: Plan,
    /// The RBMs that are done, lowest first.
    done: Vec<Rbm>,
    training: RbmTraining,
    seen: Seen,
    stop: Stop,
}

impl Stack {
    /// A deep belief network on `data`, whose visible layer is of `visible` units: Bernoulli units
    /// if these are none.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a plan without layers and for what [`RbmTraining::new`] refuses.
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
        plan.check()?;
        data.expect_complete(WHAT)?;
        let seen = Seen::lowest(&plan, data)?;
        let training = start(&plan, 0, &seen, data)?;
        Ok(Self {
            plan,
            done: Vec::new(),
            training,
            seen,
            stop: Stop::new(),
        })
    }

    /// A greedy run that goes on in the midst of a layer: `below` holds the layers that are done,
    /// `top` is the machine that learns, `state` its run.
    ///
    /// # Errors
    /// [`Error::Shape`] where the parts disagree, and those of [`RbmTraining::resumed`].
    pub fn resumed_greedy(
        plan: GreedyPlan,
        below: Option<Dbn>,
        top: Rbm,
        state: RunState<RbmOptions>,
        data: &Examples,
    ) -> Result<Self> {
        let visible = match &below {
            Some(dbn) => dbn.layer(0).units.clone(),
            None => top.visible().units.clone(),
        };
        let mut done = Vec::new();
        if let Some(dbn) = &below {
            for pair in dbn.directed() {
                done.push(pair.to_rbm()?);
            }
            done.push(dbn.top().clone());
        }
        let seen = Seen::Passes(below.map(Box::new));
        Self::resumed(
            Plan::Greedy { plan, visible },
            done,
            seen,
            (top, state),
            data,
        )
    }

    /// A run of pretraining that goes on in the midst of an RBM: `done` are those below it, `top`
    /// is the RBM that learns, `state` its run. Computes what the RBM that learns sees.
    ///
    /// # Errors
    /// As [`Self::pretraining`]; [`Error::Shape`] where the parts disagree.
    pub fn resumed_pretraining(
        plan: PretrainingPlan,
        done: Vec<Rbm>,
        top: Rbm,
        state: RunState<RbmOptions>,
        data: &Examples,
    ) -> Result<Self> {
        let plan = Plan::Pretraining(plan);
        plan.check()?;
        let mut seen = Seen::lowest(&plan, data)?;
        for (l, rbm) in done.iter().enumerate().take(plan.layers()) {
            seen.check(&plan, l, rbm, data)?;
            seen = seen.above(&plan, l, rbm, data)?;
        }
        Self::resumed(plan, done, seen, (top, state), data)
    }

    fn resumed(
        plan: Plan,
        done: Vec<Rbm>,
        seen: Seen,
        (top, state): (Rbm, RunState<RbmOptions>),
        data: &Examples,
    ) -> Result<Self> {
        plan.check()?;
        data.expect_complete(WHAT)?;
        let layer = done.len();
        if layer >= plan.layers() {
            let expected = format!("fewer than {}", plan.layers());
            return Err(Error::shape("layers that are done", expected, layer));
        }
        if data.len() != state.examples {
            let what = "examples of the data";
            return Err(Error::shape(what, state.examples, data.len()));
        }
        let first = seen.start(&plan, layer, data)?;
        let training = RbmTraining::resumed_fed(top, state, &first)?.weighed(data.mean_weight());
        check_shape(training.model(), first.columns(), plan.hidden(layer))?;
        Ok(Self {
            plan,
            done,
            training,
            seen,
            stop: Stop::new(),
        })
    }

    /// The plan, of a deep belief network.
    pub fn greedy_plan(&self) -> Option<&GreedyPlan> {
        match &self.plan {
            Plan::Greedy { plan, .. } => Some(plan),
            Plan::Pretraining(_) => None,
        }
    }

    /// The plan, of the RBMs that a deep Boltzmann machine starts from.
    pub fn pretraining_plan(&self) -> Option<&PretrainingPlan> {
        match &self.plan {
            Plan::Pretraining(plan) => Some(plan),
            Plan::Greedy { .. } => None,
        }
    }

    /// The layer that learns, from 0 on.
    pub fn layer(&self) -> usize {
        self.done.len()
    }

    /// Layers in all.
    pub fn layers(&self) -> usize {
        self.plan.layers()
    }

    /// Classes of the label that the layer that learns sees, if it sees one.
    pub fn classes(&self) -> Option<usize> {
        self.plan.classes(self.layer())
    }

    /// The network below the layer that learns, of a deep belief network, if there is one.
    pub fn below(&self) -> Option<&Dbn> {
        self.seen.below()
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
        self.layer() + 1 == self.layers() && self.training.is_finished()
    }

    /// What the RBM that learns sees of all examples, where features are kept and it is not the
    /// data themselves.
    pub fn seen(&self) -> Option<&Examples> {
        match &self.seen {
            Seen::Kept(seen) => seen.as_ref(),
            Seen::Passes(_) => None,
        }
    }

    /// What the layer that learns sees of `examples`, as means, with the label if it sees one.
    ///
    /// # Errors
    /// [`Error::Shape`] for examples of another width than the data.
    pub fn features(&self, examples: &Examples) -> Result<Examples> {
        Seen::features(&self.plan, &self.done, self.below(), examples)
    }

    /// The RBMs as they are now, lowest first, that which learns among them. Costs a copy.
    pub fn rbms(&self) -> Vec<Rbm> {
        let mut rbms = self.done.clone();
        rbms.push(self.training.result().into_owned());
        rbms
    }

    /// The deep belief network as it is now, the layer that learns its top. Costs a copy.
    ///
    /// # Errors
    /// As [`Dbn::stacked`].
    pub fn dbn(&self) -> Result<Dbn> {
        let top = self.training.result().into_owned();
        match self.below() {
            Some(below) => below.clone().stacked(top),
            None => Ok(top.into()),
        }
    }

    /// The machine of the RBMs that there are, [`Dbm::joined`]; with the label above the highest
    /// hidden layer ([`Dbm::joined_with_labels`]) once the RBM that has it learns.
    ///
    /// # Errors
    /// As [`Dbm::joined`].
    pub fn dbm(&self) -> Result<Dbm> {
        match self.plan.classes(self.layer()) {
            Some(_) => Dbm::joined_with_labels(&self.rbms()),
            None => Dbm::joined(&self.rbms()),
        }
    }

    /// The machine of what there is: [`Self::dbn`] or [`Self::dbm`].
    ///
    /// # Errors
    /// As these.
    pub fn model(&self) -> Result<Model> {
        match &self.plan {
            Plan::Greedy { .. } => Ok(self.dbn()?.into()),
            Plan::Pretraining(_) => Ok(self.dbm()?.into()),
        }
    }

    /// From now on the run stops when `stop` is requested, within an update too.
    pub fn stop_at(&mut self, stop: &Stop) {
        self.stop = stop.clone();
        self.training.stop_at(stop);
    }

    /// Runs until all layers are done or the observer breaks. `data` has labels if the plan has
    /// classes.
    ///
    /// # Errors
    /// As [`RbmTraining::run`] and [`RbmTraining::new`].
    pub fn run(
        &mut self,
        data: &Examples,
        mut observer: impl FnMut(StackEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Ended> {
        loop {
            while !self.training.is_finished() {
                if self.update(data)? == Done::Stopped {
                    return Ok(Ended::Stopped);
                }
                if observer(StackEvent::Update(self)).is_break() {
                    return Ok(Ended::Stopped);
                }
                if self.position().batch == 0 && observer(StackEvent::Epoch(self)).is_break() {
                    return Ok(Ended::Stopped);
                }
            }
            if observer(StackEvent::Layer(self)).is_break() {
                return Ok(Ended::Stopped);
            }
            if self.is_finished() {
                return Ok(Ended::Finished);
            }
            self.advance(data)?;
        }
    }

    /// One update of the layer that learns.
    ///
    /// # Errors
    /// As [`RbmTraining::update`] and [`RbmTraining::update_with`].
    pub fn update(&mut self, data: &Examples) -> Result<Done> {
        // Where features are kept the data themselves are not read any more.
        let expected = self.training.examples();
        if data.len() != expected {
            return Err(Error::shape("examples of the data", expected, data.len()));
        }
        let (plan, seen, l) = (&self.plan, &self.seen, self.done.len());
        match seen {
            Seen::Kept(kept) => self.training.advance(kept.as_ref().unwrap_or(data).into()),
            Seen::Passes(_) => {
                let make = |rows: &[u32], update: u64| {
                    let rows: Vec<usize> = rows.iter().map(|&i| i as usize).collect();
                    seen.pass(plan, l, data.take(&rows), update + 1)
                };
                self.training.advance(Feed::made(data.len(), &make))
            }
        }
    }

    /// Puts the next layer upon the one that is done.
    fn advance(&mut self, data: &Examples) -> Result<()> {
        let l = self.layer();
        let rbm = self.training.result().into_owned();
        let seen = self.seen.above(&self.plan, l, &rbm, data)?;
        self.training = start(&self.plan, l + 1, &seen, data)?;
        self.training.stop_at(&self.stop);
        self.done.push(rbm);
        self.seen = seen;
        Ok(())
    }
}

/// The run of layer `l` before its first update.
fn start(plan: &Plan, l: usize, seen: &Seen, data: &Examples) -> Result<RbmTraining> {
    let first = seen.start(plan, l, data)?;
    let rbm = plan.machine(l, &first, seen.below())?;
    let run = RbmTraining::new(rbm, plan.options(l), &first)?;
    Ok(run.fed(data.len()).weighed(data.mean_weight()))
}

fn check_shape(rbm: &Rbm, n: usize, m: usize) -> Result<()> {
    let found = (rbm.n_visible(), rbm.n_hidden());
    if found == (n, m) {
        return Ok(());
    }
    let [expected, found] = [(n, m), found].map(|(n, m)| format!("{n} x {m}"));
    Err(Error::shape("stored RBM", expected, found))
}
