//! How far a long call has come, and whether it is to go on.

use crate::{
    error::{Error, Result},
    stop::Stop,
};
use std::ops::ControlFlow;

/// Somebody who watches a long call and may stop it. Every long call takes one.
///
/// `()` is silent: `machine.log_z(&mut ())`. A closure `|done: usize, all: usize|` that returns a
/// [`ControlFlow`] is told and decides, and a [`Stop`] stops the call once it is requested, from
/// any thread. A closure can look at a `Stop` too.
///
/// ```
/// use harmonium::{Error, Progress, Rbm, Stop};
/// use std::ops::ControlFlow;
/// let rbm = Rbm::bernoulli(&[30, 20])?;
/// let mut last = 0.0;
/// rbm.log_z(&mut |done, all| {
///     last = done as f64 / all as f64;
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(last, 1.0);
/// let mut stop = Stop::new();
/// stop.request();
/// assert!(matches!(rbm.log_z(&mut stop), Err(Error::Stopped)));
/// # Ok::<(), Error>(())
/// ```
pub trait Progress {
    /// `done` of `all` parts of the work are done. Called now and then, on the thread of the call.
    /// The call ends with [`Error::Stopped`] if this breaks, and what it has found is lost.
    fn report(&mut self, done: usize, all: usize) -> ControlFlow<()>;
}

impl dyn Progress + '_ {
    /// As [`Progress::report`].
    ///
    /// # Errors
    /// [`Error::Stopped`] if that breaks.
    pub fn check(&mut self, done: usize, all: usize) -> Result<()> {
        match self.report(done, all) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped),
        }
    }

    /// That of `length` of `all` parts of the work, before which `before` are done. It may count in
    /// parts of its own.
    pub(crate) fn part(&mut self, before: usize, length: usize, all: usize) -> Part<'_> {
        Part {
            whole: self,
            before,
            length,
            all,
        }
    }
}

impl Progress for () {
    fn report(&mut self, _: usize, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(usize, usize) -> ControlFlow<()>> Progress for F {
    fn report(&mut self, done: usize, all: usize) -> ControlFlow<()> {
        self(done, all)
    }
}

impl Progress for Stop {
    fn report(&mut self, _: usize, _: usize) -> ControlFlow<()> {
        match self.is_requested() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// See [`Progress::part`](dyn Progress::part).
pub(crate) struct Part<'a> {
    whole: &'a mut dyn Progress,
    before: usize,
    length: usize,
    all: usize,
}

impl Progress for Part<'_> {
    fn report(&mut self, done: usize, all: usize) -> ControlFlow<()> {
        if all == self.length {
            return self.whole.report(self.before + done, self.all);
        }
        let (before, length, of) = (self.before, self.length, self.all);
        self.whole.report(before * all + done * length, of * all)
    }
}
