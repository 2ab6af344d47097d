//! The one loop, of a run and of what drives one.

use super::{Done, Ended, Feed, Learner, Run, feed::Reading};
use crate::error::{Error, Result};
use std::ops::ControlFlow;

/// A run, or what drives one.
pub(in crate::train) trait Driven {
    type Learner: Learner;

    /// The run.
    fn driven(&mut self) -> &mut Run<Self::Learner>;
}

impl<L: Learner> Driven for Run<L> {
    type Learner = L;

    fn driven(&mut self) -> &mut Self {
        self
    }
}

/// Is told of every update, and with `true` of every epoch after its last update; stops the run by
/// breaking.
pub(in crate::train) type Watcher<'a, T> = &'a mut dyn FnMut(&mut T, bool) -> ControlFlow<()>;

/// Runs until all epochs are done, the watcher breaks, or a stop is requested.
pub(in crate::train) fn drive<T: Driven>(
    of: &mut T,
    feed: Feed<'_>,
    watcher: Watcher<'_, T>,
) -> Result<Ended> {
    let outcome = epochs(of, feed, watcher);
    of.driven().ended = match &outcome {
        Ok(ended) => Some(*ended),
        Err(Error::NotFinite { .. }) => Some(Ended::NotFinite),
        Err(_) => Some(Ended::Stopped),
    };
    outcome
}

fn epochs<T: Driven>(of: &mut T, feed: Feed<'_>, watcher: Watcher<'_, T>) -> Result<Ended> {
    let mut reading = Reading::new(feed, of.driven())?;
    while !of.driven().is_finished() {
        let done = of.driven().advance_by(&mut reading)?;
        if done == Done::Stopped || watcher(of, false).is_break() {
            return Ok(Ended::Stopped);
        }
        if of.driven().position().batch == 0 && watcher(of, true).is_break() {
            return Ok(Ended::Stopped);
        }
    }
    Ok(Ended::Finished)
}
