//! What is watched of a machine while it learns, and the time that learning takes.

use crate::{
    failure::Outcome,
    run::data::Data,
    show::metrics::{Column, Digits::Fixed, Row, Table},
};
use harmonium::{
    dataset::Examples,
    evaluate::{free_energy_gap, reconstruction_error, stochastic_pseudo_likelihood},
    train::RbmTraining,
};
use std::time::Instant;

/// Examples on which figures are watched. On MNIST that is less than 2% of the work of an epoch.
const WATCHED: usize = 1000;
/// The stochastic pseudo-likelihood is cheaper and needs more.
const WATCHED_STOCHASTICALLY: usize = 3000;
/// Runs of more epochs than this are not watched at each of them.
const MOST_ROWS: usize = 1000;

/// The columns of `metrics.csv`.
pub const TABLE: Table = Table {
    is_staged: false,
    columns: &[
        Column::new("gcu_per_second", Fixed(3)).told("", Fixed(1), " GCU/s"),
        Column::new("reconstruction_error", Fixed(8))
            .told("recon ", Fixed(4), "")
            .drawn("reconstruction error", ""),
        Column::new("pseudo_likelihood", Fixed(6))
            .told("PL ", Fixed(1), "")
            .drawn("pseudo-likelihood (nats)", ""),
        Column::new("free_energy_gap", Fixed(6))
            .told("gap ", Fixed(2), "")
            .drawn("free-energy gap (nats)", ""),
    ],
};

/// The examples that are watched while the machine learns.
pub struct Watch {
    train: Examples,
    /// More of them, for the pseudo-likelihood.
    pub stochastic: Examples,
    validation: Option<Examples>,
    /// All that are held out.
    pub validation_whole: Option<Examples>,
    /// Epochs from one time to the next.
    pub every: usize,
}

impl Watch {
    /// The first training and held-out examples, for a run of `epochs`.
    pub fn new(data: &Data, epochs: usize) -> Self {
        Self {
            train: data.train.head(WATCHED),
            stochastic: data.train.head(WATCHED_STOCHASTICALLY),
            validation: data.validation.as_ref().map(|part| part.head(WATCHED)),
            validation_whole: data.validation.clone(),
            every: epochs.div_ceil(MOST_ROWS).max(1),
        }
    }
}

/// Seconds of training, without measuring and writing.
pub struct Clock {
    /// Up to the last stop of the clock.
    pub trained: f64,
    /// The last start of the clock.
    pub running_since: Instant,
    /// When the run was last saved.
    pub last_save: Instant,
    /// Seconds and updates at the last row of metrics.
    pub last_row: (f64, u64),
}

impl Clock {
    /// Seconds up to now, if the clock is running.
    pub fn seconds(&self) -> f64 {
        self.trained + self.running_since.elapsed().as_secs_f64()
    }
}

/// The figures after an epoch.
pub fn row(training: &RbmTraining, watch: &Watch, clock: &mut Clock) -> Outcome<Row> {
    let rbm = &training.result();
    let position = training.position();
    let options = training.options();
    let (seconds, updates) = clock.last_row;
    let done = (position.updates - updates) as f64 / position.batches as f64;
    let speed =
        training.connection_updates_per_epoch() as f64 * done / (clock.trained - seconds) / 1e9;
    clock.last_row = (clock.trained, position.updates);
    let last_update = (position.updates - 1) as f64 / position.batches as f64;
    let train = watch.train.input();
    // The same units of the same examples each time: the curve shows the machine and not the
    // choice.
    let pseudo_likelihood = rbm
        .is_bernoulli()
        .then(|| stochastic_pseudo_likelihood(rbm, &watch.stochastic, options.learning.seed))
        .transpose()?;
    Ok(Row {
        epoch: position.epoch,
        seconds: clock.trained,
        learning_rate: options
            .learning
            .learning_rate
            .at(last_update, options.learning.epochs)
            .into(),
        figures: vec![
            Some(speed),
            Some(reconstruction_error(rbm, train)?),
            pseudo_likelihood,
            watch
                .validation
                .as_ref()
                .map(|validation| free_energy_gap(rbm, train, validation))
                .transpose()?,
        ],
        ..Row::default()
    })
}
