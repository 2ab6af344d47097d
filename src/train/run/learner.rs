//! What is different about a family of machines when it learns.

use super::{At, Learning, Run, Stop};
use crate::{
    bits::BitView,
    dataset::{Examples, Rows},
    error::{Error, Result},
    kernel::reduce::are_finite,
    model::{Convergence, Layer},
    states::Input,
    tensor::{Saved, Tensor},
    train::health::Told,
};
use std::borrow::Cow;

/// One minibatch.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// States of the visible layer, `[examples x columns]`.
    pub states: Input<'a>,
    /// Numbers of the examples among all, unless the minibatch came from outside.
    pub rows: Option<&'a [u32]>,
    /// Classes of the examples, if they have labels.
    pub labels: Option<&'a [u32]>,
    /// Weights of the examples relative to the mean weight of all examples of the run, so that 1
    /// is usual; none where each is 1.
    pub weights: Option<&'a [f32]>,
    /// Which values are observed, `[examples x columns]`, if some are missing; the states of these
    /// mean nothing.
    pub observed: Option<BitView<'a>>,
}

impl<'a> Batch<'a> {
    /// The states with what was observed of them.
    pub(in crate::train) fn as_rows(&self) -> Rows<'a> {
        match self.observed {
            None => self.states.into(),
            Some(observed) => Rows::observed_in(self.states, observed),
        }
    }
}

impl Batch<'_> {
    /// Number of examples.
    pub fn len(&self) -> usize {
        self.states.rows()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mean of the weights: what the minibatch counts beside one of usual examples, and so what
    /// a negative phase is multiplied by that is not of these very examples.
    pub fn weight(&self) -> f32 {
        match self.weights {
            None => 1.0,
            Some(weights) => {
                let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
                (sum / self.len() as f64) as f32
            }
        }
    }

    /// The weight of example `row`.
    pub fn weight_of(&self, row: usize) -> f32 {
        self.weights.map_or(1.0, |weights| weights[row])
    }
}

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Done {
    /// The parameters took their step.
    Updated,
    /// A request to stop came first; nothing has changed.
    Stopped,
}

/// What the last update told beside the parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Mean loss of the minibatch, of backpropagation.
    pub loss: Option<f64>,
    /// Passes forwards and backwards since the run was begun or resumed, of backpropagation.
    pub evaluations: Option<u64>,
    /// How mean field ended, of machines whose posterior is that of mean field.
    pub mean_field: Option<Convergence>,
}

/// A machine that learns: what is different about a family. All else (the loop, clock, order,
/// minibatches, streams, events, stops, reports of NaN, resuming) is [`Run`]'s.
pub trait Learner: Sized + Clone + Send {
    /// What learns.
    type Model: Clone;
    /// What a run is told.
    type Options: Clone + AsRef<Learning> + AsMut<Learning>;

    /// What the run is called.
    const NAME: &'static str;

    /// Before the first update of a run on `data`, which [`Run::new`] has checked against
    /// [`Self::visible`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for options out of range and data that the family does not learn,
    /// [`Error::NotFinite`] for NaN or infinite parameters.
    fn new(model: Self::Model, options: Self::Options, data: &Examples) -> Result<Self>;

    /// The layer whose states the data are.
    fn visible(model: &Self::Model) -> Cow<'_, Layer>;

    /// The options of the run.
    fn options(&self) -> &Self::Options;

    /// The same, to be changed while the run goes on.
    fn options_mut(&mut self) -> &mut Self::Options;

    /// Those that every family shares.
    fn learning(&self) -> &Learning {
        self.options().as_ref()
    }

    /// The machine as it learns.
    fn model(&self) -> &Self::Model;

    /// The machine that is the result as it is now: with averaging another one.
    fn result(&self) -> Cow<'_, Self::Model> {
        Cow::Borrowed(self.model())
    }

    /// The same at the end.
    fn into_result(self) -> Self::Model {
        self.result().into_owned()
    }

    /// Refuses data that the family cannot learn, beyond what the visible layer refuses.
    ///
    /// # Errors
    /// [`Error::Parameter`] with what is missing.
    fn check_data(&self, data: &Examples) -> Result<()> {
        let _ = data;
        Ok(())
    }

    /// Whether it learns from examples of which values are missing: told by the data that the run
    /// was started with.
    fn takes_missing(&self) -> bool {
        false
    }

    /// Whether updates need [`Batch::rows`], which minibatches from outside do not have.
    fn needs_rows(&self) -> bool {
        false
    }

    /// Most rows of its products, and most units of a layer that these go to.
    fn scratch(&self, batch: usize) -> [usize; 2];

    /// What a phase of an update on `batch` examples costs, in units of some nanoseconds: where
    /// that is little, the update runs on the thread that calls, and then must not iterate in
    /// parallel. By default it is more than anything, so that updates run in the pool.
    fn work(&self, batch: usize) -> usize {
        let _ = batch;
        usize::MAX
    }

    /// One update along `batch`. Allocates nothing after the first.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where a product met NaN; those of exact phases.
    fn update(&mut self, batch: &Batch<'_>, at: &At, stop: &Stop) -> Result<Done>;

    /// A cheap look after every update: parameters that are no numbers reach the biases within
    /// an update or two.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    fn glance(&self) -> Result<()> {
        Ok(())
    }

    /// Whether all parameters are numbers.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    fn check(&self) -> Result<()>;

    /// What the last update told.
    fn figures(&self) -> Figures {
        Figures::default()
    }

    /// What the chains of the last update, which was along `batch`, say of themselves; nothing of
    /// learners without.
    ///
    /// # Errors
    /// Those of energies.
    fn chains_told(&self, batch: &Batch<'_>) -> Result<Option<Told>> {
        let _ = batch;
        Ok(None)
    }

    /// Tells all that the future of the run depends on beside the machine of [`Self::result`], by
    /// the names that files have had since the first version.
    fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>));

    /// Takes back what [`Self::visit`] told.
    ///
    /// # Errors
    /// [`Error::File`] for what is missing or of another shape.
    fn restore(&mut self, saved: &mut Saved) -> Result<()>;
}

/// Whether all of `parameters` are numbers.
pub(in crate::train) fn glance<'a>(mut parameters: impl Iterator<Item = &'a [f32]>) -> Result<()> {
    if parameters.all(are_finite) {
        return Ok(());
    }
    Err(Error::NotFinite {
        what: "biases".into(),
    })
}

/// What the observer of a run is told; it stops the run by breaking, and may change its rates.
#[derive(Debug)]
pub enum Event<'a, L: Learner> {
    /// An update is done.
    Update(&'a mut Run<L>),
    /// An epoch is done, after its last [`Event::Update`].
    Epoch(&'a mut Run<L>),
}

impl<'a, L: Learner> Event<'a, L> {
    pub(super) fn of(run: &'a mut Run<L>, is_epoch: bool) -> Self {
        match is_epoch {
            true => Self::Epoch(run),
            false => Self::Update(run),
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ended {
    /// All epochs are done.
    Finished,
    /// The observer or a [`Stop`] ended it before; it can go on.
    Stopped,
    /// A parameter became NaN or infinite. [`Run::run`] says so by [`Error::NotFinite`], with the
    /// update, the epoch and the rate; [`Run::ended`] remembers it.
    NotFinite,
}

impl Ended {
    /// Whether all epochs are done.
    pub fn is_finished(self) -> bool {
        self == Self::Finished
    }

    /// Whether the run was stopped before.
    pub fn is_stopped(self) -> bool {
        self == Self::Stopped
    }
}

/// Refuses missing values that the learner does not infer.
pub(super) fn check_complete<L: Learner>(learner: &L, data: &Examples) -> Result<()> {
    match learner.takes_missing() {
        true => Ok(()),
        false => data.expect_complete("training of this machine"),
    }
}

pub(super) fn check_columns(visible: &Layer, data: &Examples) -> Result<()> {
    if data.columns() == visible.size() {
        return Ok(());
    }
    let what = "columns of the data";
    Err(Error::shape(what, visible.size(), data.columns()))
}
