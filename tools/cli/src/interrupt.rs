//! Ctrl-C: the first asks a run to stop where it can be resumed, the second ends the program.

use crate::failure::{Failure, Outcome};
use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Exit code of a program that an interrupt has ended.
const KILLED: i32 = 130;

/// Whether the user asked to stop.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on, to SIGTERM and SIGHUP too; once in a program.
    pub fn listen() -> Outcome<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let flag = asked.clone();
        ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::Relaxed) {
                process::exit(KILLED);
            }
        })
        .map_err(|e| Failure::failed(format!("cannot listen to Ctrl-C: {e}")))?;
        Ok(Self(asked))
    }

    /// Whether to stop.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
