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

mod little;
mod pool;
mod team;

pub(crate) use little::{is_by_itself, is_little};
pub(crate) use pool::check_environment;
pub use pool::{Pool, count, in_pool, set, start, with};

use std::{
    cell::UnsafeCell,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};
use team::own_team;

/// Iterators whose items are done in parallel: to be run within [`in_pool`].
pub(crate) use rayon::prelude;

/// [`in_pool`], as the leader of the team of the pool: the phases of `work` ([`join`], [`divide`],
/// [`for_each_chunk`]) are handed over in a fraction of a microsecond.
pub(crate) fn as_team<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if is_by_itself() || own_team().is_some() {
        return work();
    }
    in_pool(|| match team::of_pool() {
        Some(team) if team.pays() => team.lead(work),
        _ => work(),
    })
}

/// Runs `work` where it is called if it `is_little`, with all that [`join`], [`divide`] and
/// [`for_each_chunk`] would share within it; else by a team. The results are the same.
pub(crate) fn by_itself<R: Send>(is_little: bool, work: impl FnOnce() -> R + Send) -> R {
    if !is_little {
        return as_team(work);
    }
    let _alone = little::begin();
    work()
}

/// `a` and `b`, perhaps at the same time.
pub(crate) fn join<A: Send, B: Send>(
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if is_by_itself() {
        return (a(), b());
    }
    if let Some(team) = own_team() {
        let (a, b) = (Slot::new(a), Slot::new(b));
        let (to_a, to_b) = (Slot::empty(), Slot::empty());
        team.run(2, &|k| match k {
            0 => to_a.put(a.take()()),
            _ => to_b.put(b.take()()),
        });
        return (to_a.take(), to_b.take());
    }
    in_pool(|| rayon::join(a, b))
}

/// A value that one part of a phase takes or puts.
struct Slot<T>(UnsafeCell<Option<T>>);

// SAFETY: every slot is used by one part of a phase, and by the leader before and after it.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    fn new(value: T) -> Self {
        Self(UnsafeCell::new(Some(value)))
    }

    fn empty() -> Self {
        Self(UnsafeCell::new(None))
    }

    fn take(&self) -> T {
        // SAFETY: nobody else uses it meanwhile.
        let value = unsafe { (*self.0.get()).take() };
        value.expect("a slot is filled before it is emptied")
    }

    fn put(&self, value: T) {
        // SAFETY: nobody else uses it meanwhile.
        unsafe { *self.0.get() = Some(value) };
    }
}

/// A work, or two that it is split into.
pub(crate) enum Parts<W> {
    One(W),
    Two(W, W),
}

/// Most pieces that a team shares.
const MOST_PIECES: usize = 64;
/// Pieces for each thread, where there are as many: so that all are done at about the same time.
const PIECES: usize = 4;

/// `leaf` of every part of `whole` that `split` leaves as one, in parallel.
pub(crate) fn divide<W: Send>(
    whole: W,
    split: &(impl Fn(W) -> Parts<W> + Sync),
    leaf: &(impl Fn(W) + Sync),
) {
    let Some(team) = own_team() else {
        return match split(whole) {
            Parts::One(one) => leaf(one),
            Parts::Two(a, b) => {
                join(|| divide(a, split, leaf), || divide(b, split, leaf));
            }
        };
    };
    let wanted = (PIECES * team.threads()).min(MOST_PIECES);
    let pieces: [Slot<W>; MOST_PIECES] = [const { Slot(UnsafeCell::new(None)) }; MOST_PIECES];
    pieces[0].put(whole);
    let mut n = 1;
    // Splits every piece in its turn while that makes more of them.
    let (mut at, mut whole_ones) = (0, 0);
    while n < wanted && whole_ones < n {
        match split(pieces[at].take()) {
            Parts::One(one) => {
                pieces[at].put(one);
                whole_ones += 1;
            }
            Parts::Two(a, b) => {
                pieces[at].put(a);
                pieces[n].put(b);
                (n, whole_ones) = (n + 1, 0);
            }
        }
        at = (at + 1) % n;
    }
    team.run(n, &|k| divide(pieces[k].take(), split, leaf));
}

/// `work` once on every thread of the pool and of its team.
pub(crate) fn on_every_thread(work: impl Fn() + Sync) {
    as_team(|| {
        rayon::broadcast(|_| work());
        let Some(team) = own_team() else { return };
        let (n, come) = (team.threads(), AtomicUsize::new(0));
        team.run(n, &|_| {
            work();
            // Nobody takes two parts. A member that the system did not start never comes.
            come.fetch_add(1, Ordering::SeqCst);
            let begun = Instant::now();
            while come.load(Ordering::SeqCst) < n && begun.elapsed() < Duration::from_millis(100) {
                thread::yield_now();
            }
        });
    });
}

/// `f(k, chunk k)` of `size` items each, the last perhaps fewer. All `work` of them is done on the
/// calling thread if it is little; chunks are the same in either case.
pub(crate) fn for_each_chunk<T: Send>(
    work: usize,
    items: &mut [T],
    size: usize,
    f: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    if is_little(work) {
        let chunks = items.chunks_mut(size).enumerate();
        return chunks.for_each(|(k, chunk)| f(k, chunk));
    }
    for_each(items, size, f);
}

/// The same of work that is much.
pub(crate) fn for_each<T: Send>(
    items: &mut [T],
    size: usize,
    f: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    fn halves<T>((first, items): (usize, &mut [T]), size: usize) -> Parts<(usize, &mut [T])> {
        match items.len().div_ceil(size) {
            0 | 1 => Parts::One((first, items)),
            n => {
                let (a, b) = items.split_at_mut(n / 2 * size);
                Parts::Two((first, a), (first + n / 2, b))
            }
        }
    }
    if !items.is_empty() {
        divide((0, items), &|part| halves(part, size), &|(k, chunk)| {
            f(k, chunk)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::little::LITTLE_WORK;
    use super::*;
    use std::{collections::HashSet, fs, path::Path, sync::Mutex};

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
        assert_eq!(
            seen.into_inner().unwrap().len(),
            3 + 2,
            "of the pool and of its team"
        );
        assert_eq!(join(|| 1, || "a"), (1, "a"));
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
                } else if !path.parent().is_some_and(|x| x.ends_with("src/threads")) {
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
