//! The one seam for parallel work: which threads it runs on, and how many they are.
//!
//! ```text
//! called on a thread of a rayon pool    that pool (Pool::install, with, another program's pool)
//! called on any other thread            the pool of this process, made when it is first needed
//! ```
//!
//! The pool of the process has the threads that [`set`] asks for, else those of the environment
//! variable `RAYON_NUM_THREADS`, else one a core. [`with`] and [`Pool`] run work on others, of
//! which one is a pool too.
//!
//! ```
//! use harmonium::{Rbm, threads};
//! let rbm = Rbm::bernoulli(&[10, 8])?;
//! let log_z = rbm.log_z(&mut ())?;
//! let alone = threads::Pool::new(1)?;
//! assert_eq!(alone.install(|| rbm.log_z(&mut ()))?, log_z); // the same bits
//! // Two results: whether the threads start, and what the work returns.
//! assert_eq!(threads::with(2, || rbm.log_z(&mut ()))??, log_z);
//! # Ok::<(), harmonium::Error>(())
//! ```
//!
//! A machine is `Send` and `Sync`, and what it tells takes `&self`: a program may ask one machine
//! from many threads of its own. A few rows are done on the thread that asks.
//!
//! The pool belongs to a process: the child of a `fork` makes its own at its first use, where a
//! pool inherited without its threads would wait for ever. (A thread of a pool must not fork
//! itself: its child would take itself for one of that pool.) Sums are split by shapes, so a result
//! does not depend on the number of threads.
//!
//! Nothing else in the library names the crate `rayon`.

use crate::error::{Error, Result};
use rayon::ThreadPool;
use std::{
    cell::Cell,
    fmt, process,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Iterators whose items are done in parallel: to be run within [`in_pool`].
pub(crate) use rayon::prelude;

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
    named.build().map_err(|e| {
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

thread_local! {
    /// Whether this thread does all of a work by itself.
    static BY_ITSELF: Cell<bool> = const { Cell::new(false) };
}

/// Takes back what [`by_itself`] said, also where work panics.
struct Before(bool);

impl Drop for Before {
    fn drop(&mut self) {
        BY_ITSELF.set(self.0);
    }
}

/// Runs `work` where it is called if it `is_little`, with all that [`join`] and
/// [`for_each_chunk`] would share within it; else in the pool. The results are the same.
pub(crate) fn by_itself<R: Send>(is_little: bool, work: impl FnOnce() -> R + Send) -> R {
    if !is_little {
        return in_pool(work);
    }
    let _before = Before(BY_ITSELF.replace(true));
    work()
}

/// Whether the calling thread does all of a work by itself.
pub(crate) fn is_by_itself() -> bool {
    BY_ITSELF.get()
}

/// `a` and `b`, perhaps at the same time.
pub(crate) fn join<A: Send, B: Send>(
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if is_by_itself() {
        return (a(), b());
    }
    in_pool(|| rayon::join(a, b))
}

/// `work` once on every thread of the pool.
pub(crate) fn on_every_thread(work: impl Fn() + Sync) {
    in_pool(|| {
        rayon::broadcast(|_| work());
    });
}

/// Couplings, draws and the like (some nanoseconds each) that one thread does alone: some 20
/// microseconds, before which another thread would not have begun.
const LITTLE_WORK: usize = 8192;

/// Whether `work` is so little that the calling thread does all of it, on whatever pool; or does it
/// within a work that is its own.
pub(crate) fn is_little(work: usize) -> bool {
    work <= LITTLE_WORK || is_by_itself()
}

/// `f(k, chunk k)` of `size` items each, the last perhaps fewer. All `work` of them is done on the
/// calling thread if it is little; chunks are the same in either case.
pub(crate) fn for_each_chunk<T: Send>(
    work: usize,
    items: &mut [T],
    size: usize,
    f: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    use prelude::*;
    if is_little(work) {
        let chunks = items.chunks_mut(size).enumerate();
        chunks.for_each(|(k, chunk)| f(k, chunk));
    } else {
        in_pool(|| {
            let chunks = items.par_chunks_mut(size).enumerate();
            chunks.for_each(|(k, chunk)| f(k, chunk));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, fs, path::Path, sync::Mutex, thread};

    #[test]
    fn work_runs_on_the_pool_of_the_caller_else_on_that_of_the_process() {
        let name = || thread::current().name().map(str::to_string);
        let own = in_pool(|| (name(), count()));
        assert!(own.0.unwrap().starts_with("harmonium-"));
        assert_eq!(own.1, count());
        let another = rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build()
            .unwrap();
        let (outer, inner) =
            another.install(|| (thread::current().id(), in_pool(|| thread::current().id())));
        assert_eq!(outer, inner, "no handover within a pool");
        assert_eq!(another.install(count), 3);
        assert_eq!(with(2, || with(3, count).unwrap()).unwrap(), 3);
        assert_eq!(Pool::new(2).unwrap().install(count), 2);
        let seen = Mutex::new(HashSet::new());
        with(3, || {
            on_every_thread(|| {
                seen.lock().unwrap().insert(thread::current().id());
            });
        })
        .unwrap();
        assert_eq!(seen.into_inner().unwrap().len(), 3);
        assert_eq!(join(|| 1, || "a"), (1, "a"));
    }

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

    #[test]
    fn chunks_are_the_same_alone_and_in_parallel() {
        for work in [0, LITTLE_WORK, LITTLE_WORK + 1] {
            let mut items = [0; 10];
            let threads = Mutex::new(HashSet::new());
            for_each_chunk(work, &mut items, 4, |k, chunk| {
                threads.lock().unwrap().insert(thread::current().id());
                chunk.fill(10 * k + chunk.len());
            });
            assert_eq!(items, [4, 4, 4, 4, 14, 14, 14, 14, 22, 22]);
            let own = threads
                .into_inner()
                .unwrap()
                .contains(&thread::current().id());
            assert_eq!(own, work <= LITTLE_WORK);
        }
    }

    #[test]
    fn little_work_stays_where_it_is_with_all_that_is_within() {
        let own = thread::current().id();
        let (a, b) = by_itself(true, || {
            let chunk = Mutex::new(None);
            for_each_chunk(LITTLE_WORK + 1, &mut [0], 1, |_, _| {
                *chunk.lock().unwrap() = Some(thread::current().id());
            });
            assert_eq!(chunk.into_inner().unwrap(), Some(own));
            join(|| thread::current().id(), || thread::current().id())
        });
        assert!(a == own && b == own && !is_by_itself());
        assert_ne!(by_itself(false, || thread::current().id()), own);
        let panicked = std::panic::catch_unwind(|| by_itself(true, || panic!("on purpose")));
        assert!(panicked.is_err() && !is_by_itself());
    }

    /// The promise of the head of this file.
    #[test]
    fn nothing_else_names_rayon() {
        fn look(folder: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    look(&path, found);
                } else if !path.ends_with("src/threads.rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    if text.contains("rayon::") {
                        found.push(path.display().to_string());
                    }
                }
            }
        }
        let mut found = Vec::new();
        look(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut found,
        );
        assert!(found.is_empty(), "{found:?}");
    }
}
