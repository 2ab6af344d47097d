//! Pools of threads: that of the process, and others.

use super::team::{self, Team};
use crate::error::{Error, Result};
use rayon::ThreadPool;
use std::{
    fmt, process,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The environment variable with the number of threads of a process.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Threads that code asked for; 0 if it did not.
static ASKED: AtomicUsize = AtomicUsize::new(0);
/// The pools of this process and of those that it was forked from, the eldest first.
static POOLS: OnceLock<Box<Made>> = OnceLock::new();

/// A pool and the process whose threads it has.
struct Made {
    process: u32,
    pool: ThreadPool,
    /// That of a child that was forked after this was made.
    next: OnceLock<Box<Made>>,
}

/// The pool of this process if there is one, else the place for it.
fn find() -> std::result::Result<&'static ThreadPool, &'static OnceLock<Box<Made>>> {
    let own = process::id();
    let mut place = &POOLS;
    loop {
        match place.get() {
            Some(made) if made.process == own => return Ok(&made.pool),
            Some(made) => place = &made.next,
            None => return Err(place),
        }
    }
}

/// The pool of this process, made if there is none.
fn own_pool() -> Result<&'static ThreadPool> {
    loop {
        let place = match find() {
            Ok(pool) => return Ok(pool),
            Err(place) => place,
        };
        let made = Box::new(Made {
            process: process::id(),
            pool: build(ASKED.load(Ordering::Relaxed))?,
            next: OnceLock::new(),
        });
        // The threads of a pool that comes second end here.
        drop(place.set(made));
    }
}

/// A pool of `threads` threads; of 0, as many as the environment says, or as there are cores.
fn build(threads: usize) -> Result<ThreadPool> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let named = builder.thread_name(|k| format!("harmonium-{k}"));
    let team = Arc::new(OnceLock::new());
    let with_team = named.start_handler(move |_| {
        let new = || Arc::new(Team::new(rayon::current_num_threads()));
        team::belongs_to(Arc::clone(team.get_or_init(new)));
    });
    with_team.build().map_err(|e| {
        let found = match threads {
            0 => e.to_string(),
            n => format!("{n}: {e}"),
        };
        Error::parameter("threads", "as many as the system starts", found)
    })
}

fn check_number(name: &str, threads: usize) -> Result<()> {
    let most = rayon::max_num_threads();
    match threads {
        0 => Err(Error::parameter(name, "at least 1", 0)),
        n if n > most => Err(Error::parameter(name, format!("at most {most}"), n)),
        _ => Ok(()),
    }
}

/// Refuses a `RAYON_NUM_THREADS` that is no number of threads; 0 and none at all mean one a core.
pub(crate) fn check_environment() -> Result<()> {
    match std::env::var_os(VARIABLE) {
        None => Ok(()),
        Some(value) => check_value(&value.to_string_lossy()),
    }
}

fn check_value(text: &str) -> Result<()> {
    match text.parse() {
        Ok(0) => Ok(()),
        Ok(n) => check_number(VARIABLE, n),
        Err(_) => Err(Error::parameter(
            VARIABLE,
            "a number of threads",
            format!("`{text}`"),
        )),
    }
}

/// Makes the pool of this process, unless the caller is on a thread of another one.
///
/// # Errors
/// [`Error::Parameter`] if the system does not start as many threads.
pub fn start() -> Result<()> {
    match inside() {
        true => Ok(()),
        false => own_pool().map(|_| ()),
    }
}

/// Takes `threads` threads for the pool of this process, before its first work. Other numbers
/// later: [`with`] and [`Pool`].
///
/// # Errors
/// [`Error::Parameter`] for no threads or too many, and once the pool has another number.
pub fn set(threads: usize) -> Result<()> {
    check_number("threads", threads)?;
    if let Ok(pool) = find() {
        let has = pool.current_num_threads();
        if has != threads {
            let expected = format!("{has} as before, now that work has begun");
            return Err(Error::parameter("threads", expected, threads));
        }
    }
    ASKED.store(threads, Ordering::Relaxed);
    Ok(())
}

/// Runs `work`, and all that it calls, on `threads` threads that end with it.
///
/// # Errors
/// As [`Pool::new`].
pub fn with<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> Result<R> {
    Ok(Pool::new(threads)?.install(work))
}

/// Threads apart from those of the process.
pub struct Pool(ThreadPool);

impl Pool {
    /// `threads` threads, which end when this is dropped.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no threads, too many, or more than the system starts.
    pub fn new(threads: usize) -> Result<Self> {
        check_number("threads", threads)?;
        build(threads).map(Self)
    }

    /// Runs `work`, and all that it calls, on these threads.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.install(work)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool")
            .field(&self.0.current_num_threads())
            .finish()
    }
}

/// Number of threads that work runs on which is called here.
pub fn count() -> usize {
    match inside() {
        true => rayon::current_num_threads(),
        false => own_pool().map_or(1, ThreadPool::current_num_threads),
    }
}

/// Whether the caller is on a thread of a pool.
fn inside() -> bool {
    rayon::current_thread_index().is_some()
}

/// Runs `work` on a thread of the pool: parallel work within then meets it without a handover each.
/// On a thread of a pool, `work` runs where it is.
pub fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if inside() {
        return work();
    }
    match own_pool() {
        Ok(pool) => pool.install(work),
        Err(_) => alone(work),
    }
}

/// Runs `work` without other threads, where the system starts none: the caller becomes a pool of
/// one, for good. [`start`] tells those who want to know.
#[cold]
fn alone<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(1);
    if let Ok(pool) = builder.use_current_thread().build() {
        // The thread stays its worker, so the pool must not end before it.
        std::mem::forget(pool);
    }
    work()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::join;
    use std::thread;

    #[test]
    fn numbers_of_threads_are_checked() {
        let most = rayon::max_num_threads();
        for result in [set(0), with(0, || ()), Pool::new(0).map(|_| ())] {
            let text = result.unwrap_err().to_string();
            assert_eq!(text, "threads: expected at least 1, found 0");
        }
        assert!(Pool::new(most + 1).is_err());
        // The pool of the process stays what it is once it is there.
        start().unwrap();
        let has = in_pool(count);
        set(has).unwrap();
        let text = set(has + 1).unwrap_err().to_string();
        let expected = format!(
            "{has} as before, now that work has begun, found {}",
            has + 1
        );
        assert_eq!(text, format!("threads: expected {expected}"));
        for good in ["0", "1", "16"] {
            check_value(good).unwrap();
        }
        for bad in ["", "two", "-1", "1.5", &format!("{}", most + 1)] {
            let text = check_value(bad).unwrap_err().to_string();
            assert!(text.starts_with("RAYON_NUM_THREADS: expected"), "{text}");
        }
    }

    #[test]
    fn a_thread_does_all_where_there_are_no_others() {
        let done = thread::spawn(|| {
            let own = thread::current().id();
            let where_it_ran = alone(|| (thread::current().id(), count()));
            assert_eq!(where_it_ran, (own, 1));
            let (a, b) = join(|| thread::current().id(), || thread::current().id());
            assert!(a == own && b == own);
        });
        done.join().unwrap();
    }
}
