//! Requests to stop. The first of any kind asks a run to stop where it can be resumed.
//!
//! Only Ctrl-C ends the program at once, when it comes again a second or more after it came first:
//! by then it is no bouncing key. SIGTERM and SIGHUP, which a closing terminal and those who shut a
//! machine down send several times, never cut the save that the first of them asked for.

use crate::failure::{Failure, Outcome};
use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Exit code of a program that a second Ctrl-C has ended.
const KILLED: i32 = 130;
/// How long after the first Ctrl-C another one ends the program.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the user asked to stop.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on, to SIGTERM and SIGHUP too; once in a program. One of these two that the
    /// program was started to ignore, as `nohup` does, stays ignored. Ctrl-C is heard in any case:
    /// a shell without job control starts what runs in the background with SIGINT ignored, and
    /// users stop it with `kill -INT`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn listen() -> Outcome<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let (flag, mut keys) = (asked.clone(), Keys::default());
        hear(move |is_key| {
            flag.store(true, Ordering::Relaxed);
            if is_key && keys.end(Instant::now()) {
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

/// Ctrl-C so far.
#[derive(Default)]
struct Keys {
    first: Option<Instant>,
}

impl Keys {
    /// Whether Ctrl-C at the time `now` ends the program.
    fn end(&mut self, now: Instant) -> bool {
        now.duration_since(*self.first.get_or_insert(now)) >= PATIENCE
    }
}

/// Calls `request` for each signal, on a thread of its own, with whether it is Ctrl-C.
#[cfg(unix)]
fn hear(mut request: impl FnMut(bool) + Send + 'static) -> Result<(), std::io::Error> {
    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        iterator::Signals,
    };
    let stopping = [SIGTERM, SIGHUP].into_iter().filter(|&x| !is_ignored(x));
    let mut signals = Signals::new(stopping.chain([SIGINT]))?;
    let thread = std::thread::Builder::new().name("signals".into());
    thread.spawn(move || {
        for signal in signals.forever() {
            request(signal == SIGINT);
        }
    })?;
    Ok(())
}

/// Whether the program was started to ignore `signal`.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let mut present = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action sigaction changes nothing and fills in the present one, for
    // which there is room.
    let told = unsafe { libc::sigaction(signal, std::ptr::null(), present.as_mut_ptr()) };
    // SAFETY: it is integers and a pointer, zero before the call.
    told == 0 && unsafe { present.assume_init() }.sa_sigaction == libc::SIG_IGN
}

/// Calls `request` for each request to stop, all of which count as Ctrl-C.
#[cfg(not(unix))]
fn hear(mut request: impl FnMut(bool) + Send + 'static) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || request(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_later_key_ends_the_program() {
        let (mut keys, start) = (Keys::default(), Instant::now());
        let told = [0, 1, 500, 999, 1000, 5000].map(|ms| {
            let at = start + Duration::from_millis(ms);
            keys.end(at)
        });
        assert_eq!(told, [false, false, false, false, true, true]);
    }
}
