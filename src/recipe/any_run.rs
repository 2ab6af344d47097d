//! Any run: what a door needs of a run whatever learns, so that no door tells the families apart.

use crate::{
    checkpoint::{Checkpoint, SavedRun, StoredLearner},
    dataset::Examples,
    error::Result,
    model::Model,
    train::{
        BackpropTraining, BoltzmannTraining, DbmTraining, Ended, Event, Feed, Figures, Learning,
        Position, RbmTraining, Run, Stack, StackEvent, Stop, UpDownTraining,
    },
};
use std::ops::ControlFlow;

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

    fn checkpoint(&self) -> Result<Checkpoint> {
        Ok(self.into())
    }
}

impl Running for Stack {
    fn name(&self) -> String {
        let n = self.layer() + 1;
        match self.greedy_plan() {
            Some(_) => format!("layer {n}"),
            None => format!("RBM {n}"),
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

    fn checkpoint(&self) -> Result<Checkpoint> {
        Checkpoint::of_stack(self)
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
    Update(&'a dyn Running),
    /// An epoch is done.
    Epoch(&'a dyn Running),
    /// A layer of a stack is done.
    Layer(&'a dyn Running),
}

impl AnyRun {
    /// The run that a file was written in the midst of, ready to go on. A run that was
    /// [fed](Run::fed) is asked for by `start`, what it was started with; else `start` are the data
    /// that it was on.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] if the file holds no run; as [`Run::resumed`].
    pub fn resumed(checkpoint: Checkpoint, start: &Examples, is_fed: bool) -> Result<Self> {
        Ok(match &checkpoint.run {
            Some(SavedRun::Rbm(_)) if is_fed => {
                Self::Rbm(Box::new(checkpoint.into_fed_run(start)?))
            }
            None | Some(SavedRun::Rbm(_)) => Self::Rbm(Box::new(checkpoint.into_run(start)?)),
            Some(SavedRun::Dbm(_)) => Self::Dbm(Box::new(checkpoint.into_run(start)?)),
            Some(SavedRun::Boltzmann(_)) => Self::Boltzmann(Box::new(checkpoint.into_run(start)?)),
            Some(SavedRun::Backprop(_)) => Self::Backprop(Box::new(checkpoint.into_run(start)?)),
            Some(SavedRun::UpDown(_)) => Self::UpDown(Box::new(checkpoint.into_run(start)?)),
            Some(SavedRun::Greedy { .. } | SavedRun::Pretraining { .. }) => {
                Self::Stack(Box::new(checkpoint.into_stack(start)?))
            }
        })
    }

    /// What a door needs of it.
    pub fn running(&self) -> &dyn Running {
        match self {
            Self::Rbm(run) => &**run,
            Self::Stack(run) => &**run,
            Self::UpDown(run) => &**run,
            Self::Dbm(run) => &**run,
            Self::Boltzmann(run) => &**run,
            Self::Backprop(run) => &**run,
        }
    }

    /// The result as it is now.
    ///
    /// # Errors
    /// Where the layers of a stack do not make a machine together.
    pub fn result(&self) -> Result<Model> {
        Ok(match self {
            Self::Rbm(run) => run.result().into_owned().into(),
            Self::Stack(run) => run.model()?,
            Self::UpDown(run) => run.result().into_owned().into(),
            Self::Dbm(run) => run.result().into_owned().into(),
            Self::Boltzmann(run) => run.result().into_owned().into(),
            Self::Backprop(run) => run.result().into_owned().into(),
        })
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
    /// As [`Run::run`] and [`Stack::run`]; [`crate::Error::Parameter`] for a stack on a stream.
    pub fn run<'a>(
        &mut self,
        feed: impl Into<Feed<'a>>,
        observer: &mut dyn FnMut(AnyEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Ended> {
        let feed = feed.into();
        match self {
            Self::Rbm(run) => observed(run, feed, observer),
            Self::UpDown(run) => observed(run, feed, observer),
            Self::Dbm(run) => observed(run, feed, observer),
            Self::Boltzmann(run) => observed(run, feed, observer),
            Self::Backprop(run) => observed(run, feed, observer),
            Self::Stack(run) => run.run(feed.examples()?, |event| {
                observer(match event {
                    StackEvent::Update(run) => AnyEvent::Update(run),
                    StackEvent::Epoch(run) => AnyEvent::Epoch(run),
                    StackEvent::Layer(run) => AnyEvent::Layer(run),
                })
            }),
        }
    }
}

fn observed<L: StoredLearner>(
    run: &mut Run<L>,
    feed: Feed<'_>,
    observer: &mut dyn FnMut(AnyEvent<'_>) -> ControlFlow<()>,
) -> Result<Ended> {
    run.run(feed, |event| {
        observer(match event {
            Event::Update(run) => AnyEvent::Update(run),
            Event::Epoch(run) => AnyEvent::Epoch(run),
        })
    })
}
