//! Little work: done on the thread that asks, with all that is within it.

use std::cell::Cell;

thread_local! {
    /// Whether this thread does all of a work by itself.
    static BY_ITSELF: Cell<bool> = const { Cell::new(false) };
}

/// Takes back what [`begin`] said, also where work panics.
pub(super) struct Before(bool);

impl Drop for Before {
    fn drop(&mut self) {
        BY_ITSELF.set(self.0);
    }
}

/// From now on this thread does all by itself, until what this returns is dropped.
pub(super) fn begin() -> Before {
    Before(BY_ITSELF.replace(true))
}

/// Whether the calling thread does all of a work by itself.
pub(crate) fn is_by_itself() -> bool {
    BY_ITSELF.get()
}

/// Couplings, draws and the like (some nanoseconds each) that one thread does alone: some 20
/// microseconds, before which another thread would not have begun.
pub(super) const LITTLE_WORK: usize = 8192;

/// Whether `work` is so little that the calling thread does all of it, on whatever pool; or does it
/// within a work that is its own.
pub(crate) fn is_little(work: usize) -> bool {
    work <= LITTLE_WORK || is_by_itself()
}
