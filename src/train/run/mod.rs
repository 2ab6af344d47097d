//! The training loop.

mod feed;
mod learning;
pub(super) mod minibatch;
mod schedule;

pub use learning::{Doubled, Objective, Options};
pub use schedule::Schedule;

use super::{
    Negative, Reconstruction,
    negative::{
        chains::{Chains, Sampled},
        fast::Fast,
        snapshots::Trail,
    },
    rbm::discriminative::Discriminative,
    step::{
        centering::Offsets,
        gradient::{Beside, Gradient},
        optimizer::{Optimizer, Parameters, Shaping},
        rule::Rates,
    },
};
use crate::{
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::Rbm,
    product::{Phase, Propagation, Statistics, Tail, in_pool, warm_up},
    rng::{Draws, Site},
    states::{Input, States},
};
use minibatch::{Minibatch, order_into};
use std::ops::ControlFlow;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Epochs completed.
    pub epoch: usize,
    /// Minibatches of the current epoch that are done.
    pub batch: usize,
    /// Minibatches of an epoch.
    pub batches: usize,
    /// Updates in all.
    pub updates: u64,
}

/// What the observer of a run is told; it stops the run by breaking.
#[derive(Debug)]
pub enum Event<'a> {
    /// An update is done.
    Update(&'a Training),
    /// An epoch is done, after its last [`Event::Update`].
    Epoch(&'a Training),
}

/// Options of a run, set one by one.
///
/// ```
/// # use harmonium::{dataset, model::Rbm, train::{Negative, Trainer}};
/// let data = dataset::bars_and_stripes(3);
/// let mut rbm = Rbm::bernoulli(9, 8).initialized_from(&data, 1)?;
/// Trainer::new(Negative::Persistent { chains: 16, steps: 1 })
///     .epochs(10)
///     .batch_size(16)
///     .learning_rate(0.1)
///     .train(&mut rbm, &data, |_| std::ops::ControlFlow::Continue(()))?;
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trainer {
    options: Options,
}

impl Trainer {
    /// The default options with this negative phase.
    pub fn new(negative: Negative) -> Self {
        Self {
            options: Options {
                negative,
                ..Options::default()
            },
        }
    }

    /// Given options.
    pub fn with_options(options: Options) -> Self {
        Self { options }
    }

    /// Passes over the data.
    #[must_use]
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.options.epochs = epochs;
        self
    }

    /// Examples an update.
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.options.batch_size = batch_size;
        self
    }

    /// Step size, constant or scheduled.
    #[must_use]
    pub fn learning_rate(mut self, rate: impl Into<Schedule>) -> Self {
        self.options.learning_rate = rate.into();
        self
    }

    /// Momentum, constant or scheduled.
    #[must_use]
    pub fn momentum(mut self, momentum: impl Into<Schedule>) -> Self {
        self.options.momentum = momentum.into();
        self
    }

    /// What is learned.
    #[must_use]
    pub fn objective(mut self, objective: Objective) -> Self {
        self.options.objective = objective;
        self
    }

    /// L2 decay of the weights.
    #[must_use]
    pub fn weight_decay(mut self, decay: f32) -> Self {
        self.options.weight_decay = decay;
        self
    }

    /// Seed of every choice and draw.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// Trains `rbm` on `data`, telling `observer` after each update and each epoch. A run that the observer stops leaves what was
    /// learned so far in `rbm`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for options out of range or no data, [`Error::Shape`] for data of another width than the machine,
    /// [`Error::NotFinite`] when a parameter became NaN or infinite (learning rate too large); `rbm` then is as it was.
    pub fn train(
        &self,
        rbm: &mut Rbm,
        data: &Examples,
        observer: impl FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut training = Training::new(rbm.clone(), self.options.clone(), data)?;
        let _ = training.run(data, observer)?;
        *rbm = training.into_rbm();
        Ok(())
    }
}

/// A run: the machine and all that its future depends on.
#[derive(Clone, Debug)]
pub struct Training {
    pub(super) rbm: Rbm,
    options: Options,
    optimizer: Optimizer,
    pub(super) chains: Chains,
    updates: u64,
    pub(super) examples: usize,
    pub(super) minibatch: Minibatch,
    pub(super) h_mean: Matrix,
    order: Vec<u32>,
    /// Epoch that `order` is of.
    ordered: Option<u64>,
    gradient: Gradient,
    buffers: Propagation,
    /// If the objective has a discriminative part.
    discriminative: Option<Discriminative>,
    /// If the chains move under fast weights.
    fast: Option<Fast>,
    warm: bool,
}

impl Training {
    /// A run of `rbm` on `data`, before its first update.
    ///
    /// # Errors
    /// As [`Trainer::train`].
    pub fn new(rbm: Rbm, options: Options, data: &Examples) -> Result<Self> {
        options.check()?;
        rbm.check()?;
        if data.is_empty() {
            return Err(Error::parameter("training data", "at least one example", 0));
        }
        if data.columns() != rbm.n_visible() {
            return Err(Error::shape(
                "columns of the data",
                rbm.n_visible(),
                data.columns(),
            ));
        }
        let values: Input<'_> = data.input();
        rbm.visible().check_values(values)?;
        let resampled = options.resample_data && matches!(values, Input::Real(_));
        if resampled && !rbm.visible().units.are_binary() {
            return Err(Error::parameter(
                "data drawn anew at each visit",
                "visible units with binary states",
                &rbm.visible().units,
            ));
        }
        if options.negative == Negative::Exact && rbm.is_bernoulli() {
            let n = rbm.n_visible().min(rbm.n_hidden());
            if n > crate::model::MAX_EXACT_UNITS {
                let most = format!("a layer of at most {} units", crate::model::MAX_EXACT_UNITS);
                return Err(Error::parameter("exact gradient", most, n));
            }
        }
        let batch = options.batch_size.min(data.len());
        let mut buffers = Propagation::default();
        let smoothed = matches!(
            options.negative,
            Negative::ContrastiveDivergence {
                reconstruction: Reconstruction::Smoothed,
                ..
            }
        );
        if smoothed && options.variance_rate > 0.0 {
            return Err(Error::parameter(
                "variance rate with smoothed reconstructions, which have no variance",
                0,
                options.variance_rate,
            ));
        }
        let bits = options.resample_data || matches!(values, Input::Bits(_));
        let discriminative = match options.objective {
            Objective::Generative => None,
            _ => Some(Discriminative::new(&rbm, batch, bits)?),
        };
        let chains = Chains::new(
            if options.objective == Objective::Discriminative {
                Negative::Exact // no chains
            } else {
                options.negative
            },
            options.doubled.factors(),
            options.seed,
            batch,
            &rbm,
            data,
            &mut buffers,
        )?;
        let fast = match options.negative {
            Negative::FastPersistent {
                fast_rate,
                fast_decay,
                ..
            } if options.objective != Objective::Discriminative => {
                Some(Fast::new(&rbm, fast_rate, fast_decay))
            }
            _ => None,
        };
        let optimizer = Optimizer {
            second: options
                .optimizer
                .is_adaptive()
                .then(|| Parameters::zeros(&rbm)),
            offsets: options
                .centering
                .map(|centering| Offsets::new(centering, &rbm, &data.mean())),
            activity: vec![0.0; options.sparsity.map_or(0, |_| rbm.n_hidden())],
            average: options.averaging.map(|_| Parameters::of(&rbm)),
            ..Optimizer::new(&rbm)
        };
        Ok(Self {
            optimizer,
            fast,
            discriminative,
            chains,
            updates: 0,
            examples: data.len(),
            minibatch: Minibatch::new(batch, data, options.resample_data),
            h_mean: Matrix::zeros(batch, rbm.n_hidden()),
            order: Vec::new(),
            ordered: None,
            gradient: Gradient::default(),
            buffers,
            warm: false,
            rbm,
            options,
        })
    }

    /// A run that goes on where another was stored: `new`, then its velocities, chains and number of updates.
    ///
    /// # Errors
    /// As [`Self::new`], and [`Error::Shape`] where the stored parts do not fit.
    pub fn resumed(
        rbm: Rbm,
        options: Options,
        data: &Examples,
        optimizer: Optimizer,
        chains: Option<States>,
        updates: u64,
    ) -> Result<Self> {
        let mut training = Self::new(rbm, options, data)?;
        let shape = |x: &Optimizer| {
            (
                x.first.shape(),
                x.second.as_ref().map(Parameters::shape),
                x.offsets
                    .as_ref()
                    .map(|x| (x.visible.len(), x.hidden.len())),
                x.activity.len(),
                x.average.as_ref().map(Parameters::shape),
            )
        };
        if shape(&optimizer) != shape(&training.optimizer) {
            return Err(Error::shape(
                "stored state of the optimizer",
                format!("{:?}", shape(&training.optimizer)),
                format!("{:?}", shape(&optimizer)),
            ));
        }
        training.optimizer = optimizer;
        match chains {
            Some(h) => training.chains.set_persistent(h)?,
            None if training.chains.persistent().is_some() => {
                return Err(Error::shape(
                    "stored chains",
                    "hidden states of every chain",
                    "none",
                ));
            }
            None => {}
        }
        training.updates = updates;
        Ok(training)
    }

    /// Puts back the fast weights of a stored run of [`Negative::FastPersistent`].
    ///
    /// # Errors
    /// [`Error::Shape`] if they are of another machine, [`Error::Parameter`] if the run has none or `fast` is missing.
    pub fn set_fast_weights(&mut self, fast: Option<Parameters>) -> Result<()> {
        match (&mut self.fast, fast) {
            (None, None) => Ok(()),
            (Some(own), Some(fast)) => own.restore(&self.rbm, fast),
            (own, fast) => {
                let name = |is: bool| if is { "fast weights" } else { "none" };
                let (expected, found) = (name(own.is_some()), name(fast.is_some()));
                Err(Error::parameter("stored fast weights", expected, found))
            }
        }
    }

    /// The fast weights, if the chains move under any.
    pub fn fast_weights(&self) -> Option<&Parameters> {
        self.fast.as_ref().map(Fast::weights)
    }

    /// The machine as it is now.
    pub fn rbm(&self) -> &Rbm {
        &self.rbm
    }

    /// The result of the run as it is now: the averaged machine if the options ask for one, else the machine itself. Costs a copy.
    pub fn averaged(&self) -> Rbm {
        match &self.optimizer.average {
            Some(average) => average.placed_in(&self.rbm),
            None => self.rbm.clone(),
        }
    }

    /// The result at the end, as [`Self::averaged`].
    pub fn into_rbm(self) -> Rbm {
        match &self.optimizer.average {
            Some(average) => average.placed_in(&self.rbm),
            None => self.rbm,
        }
    }

    /// The options of the run.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What updates remember.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// Hidden states of the persistent chains, if there are any.
    pub fn chains(&self) -> Option<&States> {
        self.chains.persistent()
    }

    /// Examples of the data that the run is on, or that an epoch has if it is fed.
    pub fn examples(&self) -> usize {
        self.examples
    }

    /// Where the run stands.
    pub fn position(&self) -> Position {
        let batches = self.examples.div_ceil(self.options.batch_size);
        Position {
            epoch: (self.updates / batches as u64) as usize,
            batch: (self.updates % batches as u64) as usize,
            batches,
            updates: self.updates,
        }
    }

    /// Learning rate of the next update.
    pub fn learning_rate(&self) -> f32 {
        self.options
            .learning_rate
            .at(self.time(), self.options.epochs)
    }

    /// Connection updates of the epoch that is going on.
    pub fn connection_updates_per_epoch(&self) -> u64 {
        self.connection_updates_in_epoch(self.position().epoch)
    }

    /// Connection updates of the whole epoch `epoch`: `n_visible x n_hidden x` rows `x` passes, both phases and their statistics; those of
    /// [`Negative::Trajectory`] with as many snapshots as there are now.
    pub fn connection_updates_in_epoch(&self, epoch: usize) -> u64 {
        let negative = self.options.negative_at(epoch as f64);
        let (size, n) = (self.options.batch_size, self.examples);
        let (generative, discriminative) = match self.options.objective {
            Objective::Generative => (1, 0),
            Objective::Discriminative => (0, 2),
            Objective::Hybrid { .. } => (1, 2),
        };
        let models = self.chains.trail().map_or(1, Trail::levels);
        let of_batch = |rows: usize| {
            (2 + discriminative) * rows as u64 + generative * negative.passes(rows, models)
        };
        let rows = (n / size) as u64 * of_batch(size)
            + if n.is_multiple_of(size) {
                0
            } else {
                of_batch(n % size)
            };
        rows * (self.rbm.n_visible() * self.rbm.n_hidden()) as u64
    }

    /// Epochs so far, with fractions.
    fn time(&self) -> f64 {
        let position = self.position();
        position.epoch as f64 + position.batch as f64 / position.batches as f64
    }

    /// Runs until all epochs are done or the observer breaks.
    ///
    /// # Errors
    /// As [`Trainer::train`].
    pub fn run(
        &mut self,
        data: &Examples,
        mut observer: impl FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        while self.position().epoch < self.options.epochs {
            self.update(data)?;
            if observer(Event::Update(self)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.position().batch == 0 {
                self.rbm.check().map_err(|e| match e {
                    Error::NotFinite { what } => self.not_finite(&what),
                    e => e,
                })?;
                if observer(Event::Epoch(self)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One update. Allocates nothing once the buffers have grown in the first.
    ///
    /// # Errors
    /// [`Error::Shape`] if `data` is not of the size that the run was started with.
    pub fn update(&mut self, data: &Examples) -> Result<()> {
        if data.len() != self.examples || data.columns() != self.rbm.n_visible() {
            return Err(Error::shape(
                "training data",
                format!("{} x {}", self.examples, self.rbm.n_visible()),
                format!("{} x {}", data.len(), data.columns()),
            ));
        }
        self.warm_up();
        in_pool(|| self.update_in_pool(data, false))
    }

    /// Lets every thread grow its buffers, once.
    pub(super) fn warm_up(&mut self) {
        if !self.warm {
            let chains = self.chains.rows().max(self.h_mean.rows());
            warm_up(chains, self.rbm.n_hidden());
            self.warm = true;
        }
    }

    /// An update on the minibatch of the run's own order, or on all of `data` in its order.
    pub(super) fn update_in_pool(&mut self, data: &Examples, whole: bool) -> Result<()> {
        self.try_update(data, whole).map_err(|e| match e {
            // A product met them before the biases showed them.
            Error::NotFinite { what } if what == "weights" => self.not_finite(&what),
            e => e,
        })
    }

    fn try_update(&mut self, data: &Examples, whole: bool) -> Result<()> {
        let rates = self.rates();
        let negative = self.options.negative_at(self.time());
        let rows = if whole {
            self.gather_all(data)
        } else {
            self.gather(data)
        };
        let updates = (self.options.epochs * self.position().batches) as u64;
        self.positive_phase(rows)?;
        let of_example = 1.0 / rows as f32;
        let generative = self.options.objective.generative_weight();
        let mut phases = [Phase {
            visible: self.minibatch.input(),
            hidden: self.h_mean.view_rows(0..rows).into(),
            weight: of_example,
        }; 3];
        let mut n_phases = 1;
        let mut beside = Beside::default();
        if let Some(part) = &mut self.discriminative {
            let v = self.minibatch.input();
            part.run(&self.rbm, v, of_example, &mut self.buffers)?;
            phases[0].weight *= 1.0 + generative;
            phases[1] = part.phase(of_example);
            n_phases = 2;
            beside.labels = Some(part.labels());
        }
        let expectations;
        if self.options.objective != Objective::Discriminative {
            let machine = self.fast.as_ref().map_or(&self.rbm, Fast::machine);
            match self
                .chains
                .run(machine, negative, self.updates, &mut self.buffers)?
            {
                Sampled::Exact(exact) => {
                    expectations = exact;
                    beside.exact = Some((&expectations, generative));
                }
                Sampled::States { visible, hidden } => {
                    phases[n_phases] = Phase {
                        visible,
                        hidden,
                        weight: -generative / visible.rows() as f32,
                    };
                    n_phases += 1;
                }
            }
        }
        let phases = &phases[..n_phases];
        let statistics = Statistics::new(phases, self.rbm.n_visible(), self.rbm.n_hidden())?;
        let shaping = Shaping {
            centering: self.options.centering,
            sparsity: self.options.sparsity,
            max_norm: self.options.max_norm,
            averaging: self.options.averaging,
            updates,
        };
        let (rbm, gradient) = (&mut self.rbm, &mut self.gradient);
        self.optimizer
            .step(rbm, &statistics, beside, rates, shaping, gradient)?;
        if let Some(fast) = &mut self.fast {
            fast.step(&self.rbm, &statistics, beside, &mut self.gradient)?;
        }
        self.updates += 1;
        self.check_biases()
    }

    fn rates(&self) -> Rates {
        let options = &self.options;
        Rates {
            learning_rate: self.learning_rate(),
            momentum: options.momentum.at(self.time(), options.epochs),
            weight_decay: options.weight_decay,
            l1_decay: options.l1_decay,
            gradient_clip: options.gradient_clip,
            variance_rate: options.variance_rate,
            rule: options.optimizer,
            update: self.updates + 1,
        }
    }

    /// Parameters that are no numbers reach the biases within an update or two: looking there costs nothing.
    fn check_biases(&self) -> Result<()> {
        let (visible, hidden) = (&self.rbm.visible().bias, &self.rbm.hidden().bias);
        let sum: f32 = visible.iter().chain(hidden).map(|x| x * 0.0).sum();
        if sum == 0.0 {
            Ok(())
        } else {
            Err(self.not_finite("biases"))
        }
    }

    fn not_finite(&self, what: &str) -> Error {
        let position = self.position();
        // The update that has just been done may have been the last of its epoch.
        let epoch = (self.updates.max(1) - 1) / position.batches as u64 + 1;
        Error::NotFinite {
            what: format!(
                "{what} after update {} (epoch {epoch}, learning rate {})",
                self.updates,
                self.learning_rate()
            ),
        }
    }

    /// Fills the minibatch and returns its size.
    fn gather(&mut self, data: &Examples) -> usize {
        let Position { epoch, batch, .. } = self.position();
        if self.ordered != Some(epoch as u64) {
            order_into(
                self.options.seed,
                epoch as u64,
                self.examples,
                &mut self.order,
            );
            self.ordered = Some(epoch as u64);
        }
        let start = batch * self.options.batch_size;
        let end = (start + self.options.batch_size).min(self.examples);
        let draws = Draws::new(self.options.seed, Site::Data, self.updates);
        let indices = &self.order[start..end];
        self.minibatch
            .fill(data, indices, draws, self.rbm.visible());
        end - start
    }

    /// Fills the minibatch with all of `data` and returns its size.
    fn gather_all(&mut self, data: &Examples) -> usize {
        self.order.clear();
        self.order.extend(0..data.len() as u32);
        self.ordered = None;
        let draws = Draws::new(self.options.seed, Site::Data, self.updates);
        self.minibatch
            .fill(data, &self.order, draws, self.rbm.visible());
        data.len()
    }

    /// `E[h | v]` of the minibatch, and states where the chains start from them.
    fn positive_phase(&mut self, rows: usize) -> Result<()> {
        let draws = Draws::new(self.options.seed, Site::Positive, self.updates);
        let mut tail = Tail {
            mean: Some(self.h_mean.view_rows_mut(0..rows)),
            ..Tail::new(self.options.doubled.factors()[0])
        };
        if self.options.negative.starts_at_data() && self.chains.rows() > 0 {
            tail = self.chains.sampled_hidden(rows, draws, tail);
        }
        self.rbm
            .hidden_from_visible(self.minibatch.input(), tail, &mut self.buffers)
    }
}
