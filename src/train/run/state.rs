//! What a stored run needs beside its machine.

use super::{Learning, Position};
use crate::{simd::MultiplyAdd, tensor::Saved};

/// What a run needs to go on to the bit, apart from the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState<O> {
    /// Options of the run.
    pub options: O,
    /// Updates done: with the options and the data, the position of every random choice.
    pub updates: u64,
    /// Examples of the data that the run is on.
    pub examples: usize,
    /// Whether the rate was a function of the program's ([`super::Run::set_rate`]), which no file
    /// holds: the options then have the last one.
    pub custom: bool,
    /// How multiply-adds were rounded where the run was stored; none of files that do not say it.
    pub multiply_add: Option<MultiplyAdd>,
    /// The [`crate::rng::VERSION`] of the draws so far.
    pub draws: u32,
    /// What the learner remembers, by name.
    pub tensors: Saved,
}

impl<O: AsRef<Learning>> RunState<O> {
    /// Options that every family shares.
    pub fn learning(&self) -> &Learning {
        self.options.as_ref()
    }

    /// Where the run stands.
    pub fn position(&self) -> Position {
        Position::of(self.updates, self.examples, self.learning().batch_size)
    }
}
