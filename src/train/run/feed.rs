//! Where the minibatches of a run come from.

use super::{Learner, Run};
use crate::{
    dataset::{Batches, ExampleStream, Examples},
    error::{Error, Result},
};

/// Where the minibatches of a run come from.
#[derive(Clone, Copy)]
pub struct Feed<'a>(FeedSource<'a>);

/// Makes the minibatch of the examples `indices` for an update.
pub(in crate::train) type Make<'a> = &'a dyn Fn(&[u32], u64) -> Result<Examples>;

#[derive(Clone, Copy)]
enum FeedSource<'a> {
    /// All examples, in memory; the run orders and gathers them.
    Examples(&'a Examples),
    /// Examples in their file, in an order of its own.
    Stream(&'a ExampleStream),
    /// What becomes of `len` examples in the run's order.
    Made { len: usize, make: Make<'a> },
}

impl<'a> From<&'a Examples> for Feed<'a> {
    fn from(data: &'a Examples) -> Self {
        Self(FeedSource::Examples(data))
    }
}

impl<'a> From<&'a ExampleStream> for Feed<'a> {
    fn from(stream: &'a ExampleStream) -> Self {
        Self(FeedSource::Stream(stream))
    }
}

impl<'a> Feed<'a> {
    /// Minibatches that `make` makes of the examples that the run names.
    pub(in crate::train) fn made(len: usize, make: Make<'a>) -> Self {
        Self(FeedSource::Made { len, make })
    }

    /// Examples in memory.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a stream.
    pub(crate) fn examples(&self) -> Result<&'a Examples> {
        match self.0 {
            FeedSource::Examples(data) => Ok(data),
            _ => Err(Error::parameter(
                "training data",
                "examples in memory",
                "a stream",
            )),
        }
    }

    fn len(&self) -> usize {
        match self.0 {
            FeedSource::Examples(data) => data.len(),
            FeedSource::Stream(stream) => stream.len(),
            FeedSource::Made { len, .. } => len,
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
        match self.feed.0 {
            FeedSource::Examples(data) => run.update(data),
            FeedSource::Made { make, .. } => {
                run.order_epoch();
                let minibatch = make(run.next_rows(), run.position().updates)?;
                run.update_with(&minibatch)
            }
            FeedSource::Stream(stream) => {
                let at = run.position();
                if self
                    .batches
                    .as_ref()
                    .is_none_or(|(epoch, _)| *epoch != at.epoch)
                {
                    let learning = run.learning();
                    let (seed, size) = (learning.seed, learning.batch_size);
                    let mut batches = stream.epoch(seed, at.epoch as u64, size)?;
                    // A run that was stopped goes on where it was.
                    for batch in batches.by_ref().take(at.batch) {
                        batch?;
                    }
                    self.batches = Some((at.epoch, batches));
                }
                let next = self
                    .batches
                    .as_mut()
                    .and_then(|(_, batches)| batches.next());
                let Some(minibatch) = next else {
                    let expected = format!("{} minibatches an epoch", at.batches);
                    return Err(Error::shape("the stream", expected, at.batch));
                };
                run.update_with(&minibatch?)
            }
        }
    }
}
