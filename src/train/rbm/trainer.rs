//! The training of an RBM in a few lines.

use super::{Objective, RbmLearner, RbmOptions, RbmTraining};
use crate::{
    dataset::Examples,
    error::Result,
    model::Rbm,
    train::{Ended, Event, Negative, Schedule},
};
use std::ops::ControlFlow;

/// Options of a run, set one by one.
///
/// ```
/// # use harmonium::{dataset, model::Rbm, train::{Negative, Trainer}};
/// let data = dataset::bars_and_stripes(3);
/// let mut rbm = Rbm::bernoulli(&[9, 8])?.initialized_from(&data, 1)?;
/// let _ended = Trainer::new(Negative::Persistent { chains: 16, steps: 1 })
///     .epochs(10)
///     .batch_size(16)
///     .learning_rate(0.1)
///     .train(&mut rbm, &data, |_| std::ops::ControlFlow::Continue(()))?;
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trainer {
    options: RbmOptions,
}

impl Trainer {
    /// The default options with this negative phase.
    pub fn new(negative: Negative) -> Self {
        Self {
            options: RbmOptions {
                negative,
                ..RbmOptions::default()
            },
        }
    }

    /// Given options.
    pub fn with_options(options: RbmOptions) -> Self {
        Self { options }
    }

    /// Passes over the data.
    #[must_use]
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.options.learning.epochs = epochs;
        self
    }

    /// Examples an update.
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.options.learning.batch_size = batch_size;
        self
    }

    /// Step size, constant or scheduled.
    #[must_use]
    pub fn learning_rate(mut self, rate: impl Into<Schedule>) -> Self {
        self.options.learning.learning_rate = rate.into();
        self
    }

    /// Momentum, constant or scheduled.
    #[must_use]
    pub fn momentum(mut self, momentum: impl Into<Schedule>) -> Self {
        self.options.learning.momentum = momentum.into();
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
        self.options.learning.weight_decay = decay;
        self
    }

    /// Seed of every choice and draw.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.learning.seed = seed;
        self
    }

    /// Trains `rbm` on `data`, telling `observer` after each update and each epoch, and says
    /// whether the run finished or was stopped. A run that the observer stops leaves what was
    /// learned so far in `rbm`.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] for options out of range or no data, [`crate::Error::Shape`] for
    /// data of another width than the machine, [`crate::Error::NotFinite`] when a parameter became
    /// NaN or infinite (learning rate too large); `rbm` then is as it was.
    pub fn train(
        &self,
        rbm: &mut Rbm,
        data: &Examples,
        observer: impl FnMut(Event<'_, RbmLearner>) -> ControlFlow<()>,
    ) -> Result<Ended> {
        let mut run = RbmTraining::new(rbm.clone(), self.options.clone(), data)?;
        let ended = run.run(data, observer)?;
        *rbm = run.into_result();
        Ok(ended)
    }
}
