//! A request to stop, from any thread.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A request to stop that any holder of a clone may make: a signal handler, a window, a test.
///
/// A run looks at it before each update, and long updates (exact phases, conjugate gradients) look
/// at it on their way; an update that stops leaves the run as it was before.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Not requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks all holders of clones to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes the request back, so that a run can go on.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
