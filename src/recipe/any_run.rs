//! Any run: what a door needs of a run whatever learns, so that no door tells the families apart.

use crate::{
    checkpoint::{Checkpoint, SavedRun, StoredLearner},
    dataset::Examples,
    error::Result,
    model::Model,
    train::{
        BackpropTraining, BoltzmannTraining, ChainHealth, DbmTraining, Ended, Event, Feed, Figures,
        Learning, Position, RbmTraining, Run, Stack, StackEvent, Stop, UpDownTraining,
    },
};
use std::ops::ControlFlow;

/// The stage in which layer `l` of a deep belief network, from 0 on, learns alone.
pub(super) fn layer_name(l: usize) -> String {
    format!("layer {}", l + 1)
}

/// The stage in which RBM `l` of a deep Boltzmann machine, from 0 on, learns alone.
pub(super) fn rbm_name(l: usize) -> String {
    format!("RBM {}", l + 1)
}

/// A run of whatever learns.
pub trait Running {
    /// What it is called, as in metrics: of a stack the layer that learns.
    fn name(&self) -> String;

    /// Where it stands; a stack, where the layer that learns does.
    fn position(&self) -> Position;

    /// Options that every family shares; a stack, those of the layer that learns.
    fn learning(&self) -> &Learning;

    /// Learning rate of the update before.
    fn last_learning_rate(&self) -> f32;

    /// Whether all is done.
    fn is_finished(&self) -> bool;

    /// What the last update told beside the parameters.
    fn figures(&self) -> Figures;

    /// What its chains say of themselves, once an epoch or so; `before` is what they said last.
    ///
    /// # Errors
    /// Those of energies.
    fn chain_health(&self, before: Option<&ChainHealth>) -> Result<Option<ChainHealth>>;

    /// The machine as it is now, with all that the run needs to go on.
    ///
    /// # Errors
    /// Where the layers of a stack do not make a machine together.
    fn checkpoint(&self) -> Result<Checkpoint>;
}

impl<L: StoredLearner> Running for Run<L> {
    fn name(&self) -> String {
        L::NAME.into()
    }

    fn position(&self) -> Position {
        Run::position(self)
    }

    fn learning(&self) -> &Learning {
        Run::learning(self)
    }

    fn last_learning_rate(&self) -> f32 {
        Run::last_learning_rate(self)
    }

    fn is_finished(&self) -> bool {
        Run::is_finished(self)
    }

    fn figures(&self) -> Figures {
        Run::figures(self)
    }

    fn chain_health(&self, before: Option<&ChainHealth>) -> Result<Option<ChainHealth>> {
        Run::chain_health(self, before)
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        Ok(self.into())
    }
}

impl Running for Stack {
    fn name(&self) -> String {
        match self.greedy_plan() {
            Some(_) => layer_name(self.layer()),
            None => rbm_name(self.layer()),
        }
    }

    fn position(&self) -> Position {
        Stack::position(self)
    }

    fn learning(&self) -> &Learning {
        self.training().learning()
    }

    fn last_learning_rate(&self) -> f32 {
        self.training().last_learning_rate()
    }

    fn is_finished(&self) -> bool {
        Stack::is_finished(self)
    }

    fn figures(&self) -> Figures {
        self.training().figures()
    }

    fn chain_health(&self, before: Option<&ChainHealth>) -> Result<Option<ChainHealth>> {
        self.training().chain_health(before)
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        Checkpoint::of_stack(self)
    }
}

/// A look at a run of any family.
#[derive(Clone, Copy)]
pub enum RunRef<'a> {
    /// Of an RBM.
    Rbm(&'a RbmTraining),
    /// RBM upon RBM.
    Stack(&'a Stack),
    /// By the up-down algorithm.
    UpDown(&'a UpDownTraining),
    /// Of a deep Boltzmann machine, all layers together.
    Dbm(&'a DbmTraining),
    /// Of a general machine.
    Boltzmann(&'a BoltzmannTraining),
    /// Of a network, by backpropagation.
    Backprop(&'a BackpropTraining),
}

impl<'a> RunRef<'a> {
    /// What a door needs of it.
    pub fn running(self) -> &'a dyn Running {
        match self {
            Self::Rbm(run) => run,
            Self::Stack(run) => run,
            Self::UpDown(run) => run,
            Self::Dbm(run) => run,
            Self::Boltzmann(run) => run,
            Self::Backprop(run) => run,
        }
    }

    /// The result as it is now.
    ///
    /// # Errors
    /// Where the layers of a stack do not make a machine together.
    pub fn result(self) -> Result<Model> {
        Ok(match self {
            Self::Rbm(run) => run.result().into_owned().into(),
            Self::Stack(run) => run.model()?,
            Self::UpDown(run) => run.result().into_owned().into(),
            Self::Dbm(run) => run.result().into_owned().into(),
            Self::Boltzmann(run) => run.result().into_owned().into(),
            Self::Backprop(run) => run.result().into_owned().into(),
        })
    }
}

/// A run of any family.
#[derive(Clone, Debug)]
pub enum AnyRun {
    /// Of an RBM.
    Rbm(Box<RbmTraining>),
    /// RBM upon RBM, of a deep belief network or a deep Boltzmann machine.
    Stack(Box<Stack>),
    /// Of a deep belief network, by the up-down algorithm.
    UpDown(Box<UpDownTraining>),
    /// Of a deep Boltzmann machine, all layers together.
    Dbm(Box<DbmTraining>),
    /// Of a general machine.
    Boltzmann(Box<BoltzmannTraining>),
    /// Of a network, by backpropagation.
    Backprop(Box<BackpropTraining>),
}

/// What the observer of any run is told; it stops the run by breaking.
pub enum AnyEvent<'a> {
    /// An update is done.
    Update(RunRef<'a>),
    /// An epoch is done.
    Epoch(RunRef<'a>),
    /// A layer of a stack is done.
    Layer(RunRef<'a>),
}

impl AnyRun {
    /// The run that a file was written in the midst of, ready to go on. A run that was
    /// [fed](Run::fed) is asked for by `start`, what it was started with; else `start` are the data
    /// that it was on.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] if the file holds no run; as [`Run::resumed`].
    pub fn resumed(checkpoint: Checkpoint, start: &Examples, is_fed: bool) -> Result<Self> {
        fn run<L: StoredLearner>(
            file: Checkpoint,
            start: &Examples,
            is_fed: bool,
        ) -> Result<Box<Run<L>>> {
            let run = match is_fed {
                true => file.into_fed_run(start),
                false => file.into_run(start),
            };
            run.map(Box::new)
        }
        Ok(match &checkpoint.run {
            None | Some(SavedRun::Rbm(_)) => Self::Rbm(run(checkpoint, start, is_fed)?),
            Some(SavedRun::Dbm(_)) => Self::Dbm(run(checkpoint, start, is_fed)?),
            Some(SavedRun::Boltzmann(_)) => Self::Boltzmann(run(checkpoint, start, is_fed)?),
            Some(SavedRun::Backprop(_)) => Self::Backprop(run(checkpoint, start, is_fed)?),
            Some(SavedRun::UpDown(_)) => Self::UpDown(run(checkpoint, start, is_fed)?),
            Some(SavedRun::Greedy { .. } | SavedRun::Pretraining { .. }) => {
                Self::Stack(Box::new(match is_fed {
                    true => checkpoint.into_fed_stack(start)?,
                    false => checkpoint.into_stack(start)?,
                }))
            }
        })
    }

    /// A look at it.
    pub fn get(&self) -> RunRef<'_> {
        match self {
            Self::Rbm(run) => RunRef::Rbm(run),
            Self::Stack(run) => RunRef::Stack(run),
            Self::UpDown(run) => RunRef::UpDown(run),
            Self::Dbm(run) => RunRef::Dbm(run),
            Self::Boltzmann(run) => RunRef::Boltzmann(run),
            Self::Backprop(run) => RunRef::Backprop(run),
        }
    }

    /// What a door needs of it.
    pub fn running(&self) -> &dyn Running {
        self.get().running()
    }

    /// The result as it is now.
    ///
    /// # Errors
    /// Where the layers of a stack do not make a machine together.
    pub fn result(&self) -> Result<Model> {
        self.get().result()
    }

    /// From now on the run stops when `stop` is requested.
    pub fn stop_at(&mut self, stop: &Stop) {
        match self {
            Self::Rbm(run) => run.stop_at(stop),
            Self::Stack(run) => run.stop_at(stop),
            Self::UpDown(run) => run.stop_at(stop),
            Self::Dbm(run) => run.stop_at(stop),
            Self::Boltzmann(run) => run.stop_at(stop),
            Self::Backprop(run) => run.stop_at(stop),
        }
    }

    /// Runs until all is done, the observer breaks, or a stop is requested.
    ///
    /// # Errors
    /// As [`Run::run`] and [`Stack::run`].
    pub fn run<'a>(
        &mut self,
        feed: impl Into<Feed<'a>>,
        observer: &mut dyn FnMut(AnyEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Ended> {
        let feed = feed.into();
        match self {
            Self::Rbm(run) => observed(run, feed, observer, |run| RunRef::Rbm(run)),
            Self::UpDown(run) => observed(run, feed, observer, |run| RunRef::UpDown(run)),
            Self::Dbm(run) => observed(run, feed, observer, |run| RunRef::Dbm(run)),
            Self::Boltzmann(run) => observed(run, feed, observer, |run| RunRef::Boltzmann(run)),
            Self::Backprop(run) => observed(run, feed, observer, |run| RunRef::Backprop(run)),
            Self::Stack(run) => run.run(feed, |event| {
                observer(match event {
                    StackEvent::Update(run) => AnyEvent::Update(RunRef::Stack(run)),
                    StackEvent::Epoch(run) => AnyEvent::Epoch(RunRef::Stack(run)),
                    StackEvent::Layer(run) => AnyEvent::Layer(RunRef::Stack(run)),
                })
            }),
        }
    }
}

fn observed<L: StoredLearner>(
    run: &mut Run<L>,
    feed: Feed<'_>,
    observer: &mut dyn FnMut(AnyEvent<'_>) -> ControlFlow<()>,
    look: impl for<'r> Fn(&'r Run<L>) -> RunRef<'r>,
) -> Result<Ended> {
    run.run(feed, |event| {
        observer(match event {
            Event::Update(run) => AnyEvent::Update(look(run)),
            Event::Epoch(run) => AnyEvent::Epoch(look(run)),
        })
    })
}
