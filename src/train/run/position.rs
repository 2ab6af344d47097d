//! Where a run stands.

use crate::train::Rates;

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

impl Position {
    /// After `updates` updates on minibatches of `batch_size` of `examples` examples.
    pub(crate) fn of(updates: u64, examples: usize, batch_size: usize) -> Self {
        let batches = examples.div_ceil(batch_size.max(1)).max(1);
        Self {
            epoch: (updates / batches as u64) as usize,
            batch: (updates % batches as u64) as usize,
            batches,
            updates,
        }
    }

    /// Epochs so far, with fractions.
    pub fn time(&self) -> f64 {
        self.epoch as f64 + self.batch as f64 / self.batches as f64
    }

    /// Epochs, with fractions, at the last update that was done: where the rate of a report is of.
    pub fn last_update(&self) -> f64 {
        self.updates.saturating_sub(1) as f64 / self.batches as f64
    }
}

/// What an update knows of the run that it is one of.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// Where the run stands before the update.
    pub position: Position,
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Rates of this update.
    pub rates: Rates,
}

impl At {
    /// Epochs so far, with fractions.
    pub fn time(&self) -> f64 {
        self.position.time()
    }

    /// Updates done before.
    pub fn updates(&self) -> u64 {
        self.position.updates
    }

    /// Updates of the whole run.
    pub fn updates_in_all(&self) -> u64 {
        (self.epochs as u64).saturating_mul(self.position.batches as u64)
    }
}
