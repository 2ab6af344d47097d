//! Where the minibatches of a run come from.

use super::{Learner, Run};
use crate::{
    dataset::{Batches, ExampleStream, Examples},
    error::{Error, Result},
};
use std::sync::Arc;

/// Where the minibatches of a run come from.
#[derive(Clone, Copy)]
pub struct Feed<'a> {
    source: FeedSource<'a>,
    pass: Option<Pass<'a>>,
}

/// What becomes of the examples of a minibatch for an update.
pub(in crate::train) type Pass<'a> = &'a dyn Fn(Examples, u64) -> Result<Examples>;

#[derive(Clone, Copy)]
enum FeedSource<'a> {
    /// All examples, in memory; the run orders and gathers them.
    Examples(&'a Examples),
    /// Examples in their file, in an order of its own.
    Stream(&'a ExampleStream),
}

impl<'a> From<&'a Examples> for Feed<'a> {
    fn from(data: &'a Examples) -> Self {
        Self {
            source: FeedSource::Examples(data),
            pass: None,
        }
    }
}

impl<'a> From<&'a Arc<Examples>> for Feed<'a> {
    fn from(data: &'a Arc<Examples>) -> Self {
        Self::from(&**data)
    }
}

impl<'a> From<&'a ExampleStream> for Feed<'a> {
    fn from(stream: &'a ExampleStream) -> Self {
        Self {
            source: FeedSource::Stream(stream),
            pass: None,
        }
    }
}

impl<'a> Feed<'a> {
    /// Minibatches that `pass` makes of these.
    pub(in crate::train) fn passed(self, pass: Pass<'a>) -> Self {
        Self {
            pass: Some(pass),
            ..self
        }
    }

    /// The examples, if they are in memory.
    pub(in crate::train) fn examples(&self) -> Option<&'a Examples> {
        match self.source {
            FeedSource::Examples(data) => Some(data),
            FeedSource::Stream(_) => None,
        }
    }

    /// Up to `n` examples to start from: the first, or some that are spread over a stream.
    ///
    /// # Errors
    /// Those of reading a stream.
    pub(in crate::train) fn some(&self, n: usize) -> Result<Examples> {
        match self.source {
            FeedSource::Examples(data) => Ok(data.head(n)),
            FeedSource::Stream(stream) => stream.sample(n),
        }
    }

    pub(in crate::train) fn len(&self) -> usize {
        match self.source {
            FeedSource::Examples(data) => data.len(),
            FeedSource::Stream(stream) => stream.len(),
        }
    }
}

/// A feed on its way through an epoch.
pub(super) struct Reading<'a> {
    feed: Feed<'a>,
    /// Of a stream, the minibatches of this epoch.
    batches: Option<(usize, Batches)>,
}

impl<'a> Reading<'a> {
    /// # Errors
    /// [`Error::Shape`] for another number of examples than the run has.
    pub(super) fn new<L: Learner>(feed: Feed<'a>, run: &Run<L>) -> Result<Self> {
        if feed.len() != run.examples() {
            let what = "examples of the training data";
            return Err(Error::shape(what, run.examples(), feed.len()));
        }
        Ok(Self {
            feed,
            batches: None,
        })
    }

    /// One update of `run`.
    pub(super) fn update<L: Learner>(&mut self, run: &mut Run<L>) -> Result<super::Done> {
        let minibatch = match (self.feed.source, self.feed.pass) {
            (FeedSource::Examples(data), None) => return run.update(data),
            (FeedSource::Examples(data), Some(_)) => {
                run.order_epoch();
                let rows = run.next_rows().iter().map(|&i| i as usize);
                data.take(&rows.collect::<Vec<_>>())
            }
            (FeedSource::Stream(stream), _) if stream.is_in_memory() => {
                run.order_epoch();
                let rows = run.next_rows().iter().map(|&i| i as usize);
                stream.at(&rows.collect::<Vec<_>>())?
            }
            (FeedSource::Stream(stream), _) => self.next_of(stream, run)?,
        };
        match self.feed.pass {
            None => run.update_with(&minibatch),
            Some(pass) => run.update_with(&pass(minibatch, run.position().updates)?),
        }
    }

    /// The next minibatch of `stream`.
    fn next_of<L: Learner>(&mut self, stream: &ExampleStream, run: &Run<L>) -> Result<Examples> {
        let at = run.position();
        let is_other = |(epoch, _): &(usize, Batches)| *epoch != at.epoch;
        if self.batches.as_ref().is_none_or(is_other) {
            let learning = run.learning();
            let (seed, size) = (learning.seed, learning.batch_size);
            let mut batches = stream.epoch(seed, at.epoch as u64, size)?;
            // A run that was stopped goes on where it was.
            for batch in batches.by_ref().take(at.batch) {
                batch?;
            }
            self.batches = Some((at.epoch, batches));
        }
        let batches = self.batches.as_mut();
        match batches.and_then(|(_, batches)| batches.next()) {
            Some(minibatch) => minibatch,
            None => {
                let expected = format!("{} minibatches an epoch", at.batches);
                Err(Error::shape("the stream", expected, at.batch))
            }
        }
    }
}
