//! The one loop of training: whatever learns, minibatches, clock, order, events, stops, reports of
//! NaN and resuming are these.
//!
//! ```text
//! feed -> minibatch -> learner (positive phase, negative phase, step) -> observer
//! ```

mod best;
mod drive;
mod feed;
mod learner;
mod learning;
mod minibatch;
mod position;
mod rates;
mod schedule;
mod state;
pub(super) mod stored;

pub use best::{Best, Better, Judge, Kept, Verdict};
pub use feed::Feed;
pub use learner::{Batch, Done, Ended, Event, Figures, Learner};
pub use learning::Learning;
pub use position::{At, Position};
pub use schedule::Schedule;
pub use state::RunState;

pub(super) use best::keeping_best;
pub(super) use drive::Driven;
pub(super) use learner::glance;
use learner::{check_columns, check_complete};
pub(super) use learning::{at_least_one, not_negative};
pub(super) use stored::stored_flat;

pub use crate::stop::Stop;
use crate::{
    dataset::Examples,
    error::{Error, Result},
    model::Layer,
    product::warm_up,
    rng::{self, Draws, Site},
    simd::isa,
    tensor::Saved,
    threads,
    train::ChainHealth,
};
use drive::drive;
use feed::Reading;
use minibatch::{Minibatch, Order};
use rates::Rate;
use std::{borrow::Cow, fmt, ops::ControlFlow};

/// A run: a learner and all that its future depends on. The same seed gives the same machine, bit
/// for bit, at any number of threads; a run that is stored and resumed equals one that never
/// stopped.
///
/// ```
/// use harmonium::{Rbm, dataset, train::{Ended, Event, Learning, RbmOptions, RbmTraining}};
/// use std::ops::ControlFlow;
/// let data = dataset::bars_and_stripes(3);
/// let rbm = Rbm::bernoulli(&[9, 8])?.initialized_from(&data, 1)?;
/// let learning = Learning { epochs: 3, batch_size: 16, ..Learning::default() };
/// let mut run = RbmTraining::new(rbm, RbmOptions { learning, ..RbmOptions::default() }, &data)?;
/// let ended = run.run(&data, |event| {
///     if let Event::Epoch(run) = event {
///         println!("epoch {}", run.position().epoch);
///     }
///     ControlFlow::Continue(()) // Break stops the run
/// })?;
/// assert_eq!(ended, Ended::Finished);
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone)]
pub struct Run<L: Learner> {
    pub(super) learner: L,
    /// The layer whose states the data are.
    visible: Layer,
    updates: u64,
    /// Examples of an epoch.
    examples: usize,
    order: Order,
    pub(super) minibatch: Minibatch,
    /// In place of the schedule of the options.
    rate: Option<Rate>,
    /// Whether a rate was a function that a file cannot hold.
    custom: bool,
    stop: Stop,
    ended: Option<Ended>,
    warm: bool,
}

impl<L: Learner> fmt::Debug for Run<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("position", &self.position())
            .field("examples", &self.examples)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl<L: Learner> Run<L> {
    /// A run of `model` on `data`, before its first update.
    ///
    /// Weights of examples make it one that maximizes `sum w_n ln p(x_n) / sum w_n` (or what the
    /// family has in place of `ln p`), as examples that come `w_n` times would. Each minibatch
    /// gives each example its weight relative to the mean weight of all of `data`: the positive
    /// phase, and chains that start at the examples, are `sum r_n x_n / n` over its `n` examples,
    /// `r_n = w_n / mean(w)`, and expectations of the model are multiplied by the mean of `r_n`, so
    /// that the updates of an epoch add up to the weighted sum and no minibatch of light examples
    /// counts as much as one of heavy ones. A minibatch of weight 0 passes without an update.
    /// Weights that are all equal change no bit. Statistics of examples of unequal weights are
    /// summed in f32 and never by look-up.
    ///
    /// # Errors
    /// [`Error::Parameter`] for options out of range, no data, values that the visible units cannot
    /// have, and data that the family does not learn; [`Error::Shape`] for data of another width
    /// than the machine; [`Error::NotFinite`] for NaN or infinite parameters; those of
    /// [`crate::environment::check`].
    pub fn new(model: L::Model, options: L::Options, data: &Examples) -> Result<Self> {
        crate::environment::check()?;
        if data.is_empty() {
            return Err(Error::parameter("training data", "at least one example", 0));
        }
        let visible = L::visible(&model).into_owned();
        check_columns(&visible, data)?;
        let learner = L::new(model, options, data)?;
        visible.check_values(data)?;
        check_complete(&learner, data)?;
        learner.check_data(data)?;
        let learning = learner.learning();
        if learning.resample_data && data.bits().is_none() && !visible.units.are_binary() {
            return Err(Error::parameter(
                "data drawn anew at each visit",
                "visible units with binary states",
                &visible.units,
            ));
        }
        let most = learning.batch_size.min(data.len());
        Ok(Self {
            minibatch: Minibatch::new(most, data, learning.resample_data),
            visible,
            updates: 0,
            examples: data.len(),
            order: Order::default(),
            rate: None,
            custom: false,
            stop: Stop::new(),
            ended: None,
            warm: false,
            learner,
        })
    }

    /// A run that goes on where another was stored: `new`, then what [`Self::state`] told.
    ///
    /// # Errors
    /// As [`Self::new`], [`Error::Shape`] for another number of examples, and [`Error::File`] where
    /// the stored parts do not fit.
    pub fn resumed(model: L::Model, state: RunState<L::Options>, data: &Examples) -> Result<Self> {
        if data.len() != state.examples {
            let what = "examples of the data";
            return Err(Error::shape(what, state.examples, data.len()));
        }
        Self::resumed_fed(model, state, data)
    }

    /// As [`Self::resumed`], for a run that is [fed](Self::fed): `start` is what it was started
    /// with.
    ///
    /// # Errors
    /// As [`Self::resumed`].
    pub fn resumed_fed(
        model: L::Model,
        mut state: RunState<L::Options>,
        start: &Examples,
    ) -> Result<Self> {
        let mut run = Self::new(model, state.options, start)?.fed(state.examples);
        run.learner.restore(&mut state.tensors)?;
        state.tensors.check_all_taken()?;
        run.updates = state.updates;
        run.custom = state.custom;
        Ok(run)
    }

    /// What a stored run needs beside [`Self::result`]. Costs a copy.
    pub fn state(&self) -> RunState<L::Options> {
        let mut tensors = Saved::in_memory();
        self.learner
            .visit(&mut |name, tensor| tensors.insert(name, tensor));
        RunState {
            options: self.learner.options().clone(),
            updates: self.updates,
            examples: self.examples,
            custom: self.custom,
            multiply_add: Some(isa().multiply_add()),
            draws: rng::VERSION,
            tensors,
        }
    }

    /// The run as one that is fed by [`Self::update_with`] or a stream, `examples` of them an
    /// epoch. What it was created with then only starts the persistent chains and says whether
    /// examples are bits or numbers.
    #[must_use]
    pub fn fed(mut self, examples: usize) -> Self {
        self.examples = examples.max(1);
        self
    }

    /// The same, with weights of examples relative to `mean_weight` in place of the mean weight of
    /// what the run was created with.
    #[must_use]
    pub(super) fn weighed(mut self, mean_weight: f64) -> Self {
        self.minibatch.set_mean_weight(mean_weight);
        self
    }

    /// The machine as it is now.
    pub fn model(&self) -> &L::Model {
        self.learner.model()
    }

    /// The result of the run as it is now: the averaged machine if the options ask for one, else
    /// the machine itself.
    pub fn result(&self) -> Cow<'_, L::Model> {
        self.learner.result()
    }

    /// The result at the end.
    #[must_use]
    pub fn into_result(self) -> L::Model {
        self.learner.into_result()
    }

    /// The options of the run.
    pub fn options(&self) -> &L::Options {
        self.learner.options()
    }

    /// Those of them that every family shares.
    pub fn learning(&self) -> &Learning {
        self.learner.learning()
    }

    /// What the last update told beside the parameters.
    pub fn figures(&self) -> Figures {
        self.learner.figures()
    }

    /// What the chains of the run, as the last update left them, say of themselves; `before` is
    /// what they said when they were last asked. Nothing before the first update since the run was
    /// begun or resumed, and of learners without chains.
    ///
    /// # Errors
    /// Those of energies.
    pub fn chain_health(&self, before: Option<&ChainHealth>) -> Result<Option<ChainHealth>> {
        let batch = self.minibatch.batch();
        if batch.is_empty() {
            return Ok(None);
        }
        let mut told = self.learner.chains_told(&batch)?;
        if let Some(told) = &mut told {
            told.weights = batch.weights.map(<[f32]>::to_vec);
        }
        let size = (self.updates, self.examples);
        let health = |told| ChainHealth::new(told, self.position(), size, before);
        Ok(told.map(health))
    }

    /// Examples of an epoch.
    pub fn examples(&self) -> usize {
        self.examples
    }

    /// Where the run stands.
    pub fn position(&self) -> Position {
        Position::of(self.updates, self.examples, self.learning().batch_size)
    }

    /// Whether all epochs are done.
    pub fn is_finished(&self) -> bool {
        self.position().epoch >= self.learning().epochs
    }

    /// How the last call of [`Self::run`] ended, if there was one.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// From now on the run stops when `stop` is requested, within an update too.
    pub fn stop_at(&mut self, stop: &Stop) {
        self.stop = stop.clone();
    }

    /// Runs until all epochs are done, the observer breaks, or a stop is requested. `feed` is the
    /// training data: [`Examples`], or an [`crate::dataset::ExampleStream`] for a run that is
    /// [fed](Self::fed).
    ///
    /// # Errors
    /// [`Error::Shape`] if the data are not of the size that the run was started with,
    /// [`Error::NotFinite`] when a parameter became NaN or infinite (a rate too large), with the
    /// update, epoch and rate; those of reading a stream.
    pub fn run<'a>(
        &mut self,
        feed: impl Into<Feed<'a>>,
        mut observer: impl FnMut(Event<'_, L>) -> ControlFlow<()>,
    ) -> Result<Ended> {
        drive(self, feed.into(), &mut |run, is_epoch| {
            observer(Event::of(run, is_epoch))
        })
    }

    /// One update of an epoch of `feed`, for those who drive several runs.
    pub(super) fn advance(&mut self, feed: Feed<'_>) -> Result<Done> {
        let mut reading = Reading::new(feed, self)?;
        self.advance_by(&mut reading)
    }

    /// One update, unless a stop is requested; at the end of an epoch a look at all parameters.
    fn advance_by(&mut self, reading: &mut Reading<'_>) -> Result<Done> {
        if self.stop.is_requested() || reading.update(self)? == Done::Stopped {
            return Ok(Done::Stopped);
        }
        if self.position().batch == 0 {
            self.learner.check().map_err(|e| self.report(e))?;
        }
        Ok(Done::Updated)
    }

    /// One update on the next minibatch of `data`. Allocates nothing once the buffers have grown in
    /// the first.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn update(&mut self, data: &Examples) -> Result<Done> {
        if data.len() != self.examples || data.columns() != self.visible.size() {
            return Err(Error::shape(
                "training data",
                format!("{} x {}", self.examples, self.visible.size()),
                format!("{} x {}", data.len(), data.columns()),
            ));
        }
        check_complete(&self.learner, data)?;
        self.learner.check_data(data)?;
        self.check_type(data)?;
        self.order_epoch();
        self.update_where_it_pays(data, false)
    }

    /// One update on all of `minibatch`, in its order: the same, bit for bit, as [`Self::update`]
    /// when that comes to the same examples. An epoch is as many updates as its examples fill
    /// minibatches.
    ///
    /// # Errors
    /// [`Error::Shape`] for examples of another width, or more than a minibatch holds;
    /// [`Error::Parameter`] for none at all, for bits where the run learns numbers or the other way
    /// round, and for a learner that remembers something of each example.
    pub fn update_with(&mut self, minibatch: &Examples) -> Result<Done> {
        check_complete(&self.learner, minibatch)?;
        check_columns(&self.visible, minibatch)?;
        let most = self.minibatch.most();
        if minibatch.is_empty() || minibatch.len() > most {
            return Err(Error::shape(
                "examples of the minibatch",
                format!("1 to {most}"),
                minibatch.len(),
            ));
        }
        self.check_type(minibatch)?;
        self.expect_fed()?;
        self.visible.check_values(minibatch)?;
        self.learner.check_data(minibatch)?;
        self.update_where_it_pays(minibatch, true)
    }

    /// Refuses minibatches from outside for a learner that remembers something of each example.
    pub(crate) fn expect_fed(&self) -> Result<()> {
        if !self.learner.needs_rows() {
            return Ok(());
        }
        Err(Error::parameter(
            "minibatches from outside",
            "examples in memory, of each of which the run remembers something",
            "examples without numbers",
        ))
    }

    /// Refuses bits where the run learns numbers, and numbers where it learns bits.
    fn check_type(&self, data: &Examples) -> Result<()> {
        if self.minibatch.takes(data) {
            return Ok(());
        }
        Err(Error::parameter(
            "training data",
            "values of the kind that the run was started with",
            "numbers instead of bits, or bits instead of numbers",
        ))
    }

    /// An update in the pool, or of little work where it is called; the results are the same. Every
    /// thread of the pool lets its buffers grow, once.
    fn update_where_it_pays(&mut self, data: &Examples, whole: bool) -> Result<Done> {
        let most = self.minibatch.most();
        let is_little = threads::is_little(self.learner.work(most));
        if !is_little && !self.warm {
            let [rows, widest] = self.learner.scratch(most);
            warm_up(rows, widest);
            self.warm = true;
        }
        threads::by_itself(is_little, || self.update_here(data, whole))
    }

    /// Orders the examples of the epoch, if that is not done.
    fn order_epoch(&mut self) {
        let (epoch, seed) = (self.position().epoch as u64, self.learning().seed);
        self.order.of_epoch(seed, epoch, self.examples);
    }

    /// The examples of the next minibatch, after [`Self::order_epoch`].
    fn next_rows(&self) -> &[u32] {
        let size = self.learning().batch_size;
        let start = self.position().batch * size;
        self.order.rows(start..(start + size).min(self.examples))
    }

    /// An update on the minibatch of the run's own order, or on all of `data` in its order.
    fn update_here(&mut self, data: &Examples, whole: bool) -> Result<Done> {
        let (position, learning) = (self.position(), self.learner.learning());
        let mut rates = learning.rates_at(position);
        if let Some(rate) = &self.rate {
            rates.learning_rate = rate(position.time());
            not_negative("learning rate", rates.learning_rate)?;
        }
        let (seed, size) = (learning.seed, learning.batch_size);
        let at = At {
            position,
            epochs: learning.epochs,
            rates,
        };
        let draws = Draws::new(seed, Site::Data, self.updates);
        if whole {
            self.minibatch.fill_all(data, draws, &self.visible);
        } else {
            let start = position.batch * size;
            let rows = self.order.rows(start..(start + size).min(self.examples));
            self.minibatch.fill(data, rows, draws, &self.visible);
        }
        let batch = self.minibatch.batch();
        if batch.weight() == 0.0 {
            self.updates += 1;
            return Ok(Done::Updated);
        }
        match self.learner.update(&batch, &at, &self.stop) {
            Ok(Done::Stopped) => return Ok(Done::Stopped),
            Ok(Done::Updated) => {}
            Err(e) => return Err(self.report(e)),
        }
        self.updates += 1;
        if self.custom && self.rate.is_some() {
            self.learner.options_mut().as_mut().learning_rate =
                Schedule::Constant(rates.learning_rate);
        }
        self.learner.glance().map_err(|e| self.report(e))?;
        Ok(Done::Updated)
    }

    /// The error of a run whose parameters are no numbers any more.
    fn report(&self, error: Error) -> Error {
        let Error::NotFinite { what } = error else {
            return error;
        };
        let position = self.position();
        // The update that has just been done may have been the last of its epoch.
        let epoch = (self.updates.max(1) - 1) / position.batches as u64 + 1;
        Error::NotFinite {
            what: format!(
                "{what} after update {} (epoch {epoch}, learning rate {})",
                self.updates,
                self.last_learning_rate()
            ),
        }
    }
}
