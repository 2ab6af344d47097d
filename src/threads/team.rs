//! A team: threads that wait for the next phase of a work awake.
//!
//! An update has some ten phases of some ten to some hundred microseconds. The threads of a pool go
//! to sleep between two of them, and to hand a part over to them takes some 20 microseconds;
//! members of a team look for the next phase all the time, which takes 0.2. After [`SPINS`] looks
//! in vain they sleep too; where there are more threads than cores, at once.
//!
//! Every pool has one team, whose threads start when it is first led and end with the pool. One
//! thread of the pool leads at a time. It publishes a phase, `f(0), ..., f(n - 1)`, does parts of
//! it itself, and waits at its end until nobody is inside: a barrier. Whoever comes takes the next
//! part, so a phase does not wait for members that are late. What parts call runs where it is.
//!
//! Two threads do without: there the pool's thread is awake most of the time, and that both begin
//! every phase at once makes them wait for the same memory (6% of a CD-1 epoch, see
//! `docs/performance.md`).

use super::little;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    hint::spin_loop,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
    sync::{
        Arc, Condvar, Mutex, Once, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

thread_local! {
    /// The team that this thread leads, if it does.
    static TEAM: Cell<*const Team> = const { Cell::new(ptr::null()) };
    /// That of the pool of which this is a thread.
    static OF_POOL: RefCell<Option<Arc<Team>>> = const { RefCell::new(None) };
}

/// Makes this thread one of the pool of a team.
pub(super) fn belongs_to(team: Arc<Team>) {
    OF_POOL.set(Some(team));
}

/// The team of the pool of which this is a thread.
pub(super) fn of_pool() -> Option<Arc<Team>> {
    OF_POOL.with_borrow(Clone::clone)
}

/// The team that this thread leads, unless it is within a phase.
pub(super) fn own_team<'a>() -> Option<&'a Team> {
    if little::is_by_itself() {
        return None;
    }
    // SAFETY: the team outlives what its leader does, and this is only called by that, for the
    // time of a call.
    unsafe { TEAM.get().as_ref() }
}

/// Fewest threads that make a team.
const FEWEST: usize = 3;
/// Looks for a phase before a member goes to sleep: some 40 microseconds.
const SPINS: u32 = 1 << 11;
/// Looks at the end of a phase before the leader lets others run.
const WAITS: u32 = 1 << 10;

/// A phase: `f(k)` for `k` below `n`.
#[derive(Clone, Copy)]
struct Phase<'a> {
    f: &'a (dyn Fn(usize) + Sync),
    n: usize,
}

/// On a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Next(AtomicUsize);

type Panic = Box<dyn Any + Send>;

/// What leader and members share.
struct Shared {
    /// Number of the last phase.
    phase: AtomicU64,
    /// The phase that may be entered; 0 for none.
    open: AtomicU64,
    /// It itself; valid while it is open or somebody is inside.
    work: AtomicPtr<Phase<'static>>,
    /// The next part of the share of each member.
    next: Vec<Next>,
    /// Members inside.
    inside: AtomicUsize,
    /// Whether the pool is gone.
    ended: AtomicBool,
    /// Members that sleep or are about to.
    asleep: AtomicUsize,
    gate: Mutex<()>,
    bell: Condvar,
    /// What the first part that panicked said.
    panic: Mutex<Option<Panic>>,
}

/// The team of a pool.
pub(super) struct Team {
    shared: Arc<Shared>,
    started: Once,
    /// Whether somebody leads.
    is_led: AtomicBool,
}

impl Team {
    /// That of a pool of `threads` threads.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                phase: AtomicU64::new(0),
                open: AtomicU64::new(0),
                work: AtomicPtr::new(ptr::null_mut()),
                next: (0..threads).map(|_| Next::default()).collect(),
                inside: AtomicUsize::new(0),
                ended: AtomicBool::new(false),
                asleep: AtomicUsize::new(0),
                gate: Mutex::new(()),
                bell: Condvar::new(),
                panic: Mutex::new(None),
            }),
            started: Once::new(),
            is_led: AtomicBool::new(false),
        }
    }

    /// Whether the pool has threads enough.
    pub(super) fn pays(&self) -> bool {
        self.threads() >= FEWEST
    }

    /// Threads, with the leader.
    pub(super) fn threads(&self) -> usize {
        self.shared.next.len()
    }

    /// Starts the members. A system that starts fewer has a smaller team.
    fn start(&self) {
        let threads = self.threads();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let spins = if threads <= cores { SPINS } else { 0 };
        for k in 1..threads {
            let shared = Arc::clone(&self.shared);
            let named = thread::Builder::new().name(format!("harmonium-team-{k}"));
            if named.spawn(move || shared.attend(k, spins)).is_err() {
                break;
            }
        }
    }

    /// Runs `work` as the leader; without a team if another thread leads. Once the members are
    /// there it allocates nothing.
    pub(super) fn lead<R>(&self, work: impl FnOnce() -> R) -> R {
        if self.is_led.swap(true, SeqCst) {
            return work();
        }
        self.started.call_once(|| self.start());
        let _led = Led(self, TEAM.replace(ptr::from_ref(self)));
        work()
    }

    /// `f(0), ..., f(n - 1)`, by whoever is there. For the leader, outside of a phase.
    pub(super) fn run(&self, n: usize, f: &(dyn Fn(usize) + Sync)) {
        self.shared.run(&Phase { f, n });
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.ended.store(true, SeqCst);
        self.shared.wake();
    }
}

/// Takes back that this thread leads a team, also where work panics.
struct Led<'a>(&'a Team, *const Team);

impl Drop for Led<'_> {
    fn drop(&mut self) {
        TEAM.set(self.1);
        self.0.is_led.store(false, SeqCst);
    }
}

impl Shared {
    /// What member `own` does.
    fn attend(&self, own: usize, spins: u32) {
        let (mut seen, mut looks) = (0, 0);
        while !self.ended.load(SeqCst) {
            let open = self.open.load(SeqCst);
            if open != 0 && open != seen {
                self.take_part(own, open);
                (seen, looks) = (open, 0);
                continue;
            }
            looks += 1;
            if looks > spins {
                self.sleep(seen);
                looks = 0;
            }
            spin_loop();
        }
    }

    /// Waits until there is something else than the phase that was seen.
    fn sleep(&self, seen: u64) {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.asleep.fetch_add(1, SeqCst);
        let nothing = || {
            let open = self.open.load(SeqCst);
            (open == 0 || open == seen) && !self.ended.load(SeqCst)
        };
        while nothing() {
            let woken = self.bell.wait(gate);
            gate = woken.unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, SeqCst);
    }

    /// Wakes the members that sleep.
    fn wake(&self) {
        if self.asleep.load(SeqCst) > 0 {
            drop(self.gate.lock());
            self.bell.notify_all();
        }
    }

    /// Does parts of phase `number` if it is still open.
    fn take_part(&self, own: usize, number: u64) {
        self.inside.fetch_add(1, SeqCst);
        // Either this sees that the phase is closed, or the leader sees that somebody is inside.
        if self.open.load(SeqCst) == number {
            // SAFETY: the leader keeps the phase until nobody is inside.
            let phase = unsafe { *self.work.load(SeqCst) };
            self.parts(own, &phase);
        }
        self.inside.fetch_sub(1, SeqCst);
    }

    /// Does the parts of its own share, the same of every phase of so many, then those that others
    /// have not begun; keeps the first panic.
    fn parts(&self, own: usize, phase: &Phase<'_>) {
        let _alone = little::begin();
        let threads = self.next.len();
        for k in 0..threads {
            let share = (own + k) % threads;
            let end = (share + 1) * phase.n / threads;
            loop {
                let part = share * phase.n / threads + self.next[share].0.fetch_add(1, SeqCst);
                if part >= end {
                    break;
                }
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (phase.f)(part))) {
                    let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
                    first.get_or_insert(panic);
                }
            }
        }
    }

    /// A phase, from its start to the barrier at its end.
    fn run(&self, phase: &Phase<'_>) {
        let number = self.phase.fetch_add(1, SeqCst) + 1;
        for next in &self.next {
            next.0.store(0, SeqCst);
        }
        self.work
            .store(ptr::from_ref(phase).cast_mut().cast(), SeqCst);
        self.open.store(number, SeqCst);
        self.wake();
        self.parts(0, phase);
        self.open.store(0, SeqCst);
        let mut looks = 0;
        while self.inside.load(SeqCst) > 0 {
            looks += 1;
            match looks < WAITS {
                true => spin_loop(),
                false => thread::yield_now(),
            }
        }
        let mut panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(panic) = panic.take() {
            resume_unwind(panic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::{Parts, Pool, as_team, count, divide, for_each, is_by_itself, join};
    use std::{collections::HashSet, time::Duration};

    /// Every item once, whatever the threads, also more than cores, after pauses in which members
    /// fall asleep, and one phase after the other.
    #[test]
    fn every_part_of_every_phase_is_done_once() {
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(threads).unwrap();
            pool.install(|| {
                as_team(|| {
                    for round in 0..300 {
                        if round % 100 == 99 {
                            thread::sleep(Duration::from_millis(5));
                        }
                        let n = round % 70;
                        let mut items = vec![0; n];
                        for_each(&mut items, 3, |k, chunk| {
                            assert!(is_by_itself() || count() < FEWEST);
                            chunk.iter_mut().for_each(|x| *x += k + 1);
                        });
                        let expected: Vec<_> = (0..n).map(|i| i / 3 + 1).collect();
                        assert_eq!(items, expected, "{threads} threads, {n} items");
                        assert_eq!(join(|| round + 1, || n), (round + 1, n));
                    }
                });
            });
        }
    }

    /// Uneven halves down to single numbers, and phases within a part.
    #[test]
    fn a_whole_is_divided_and_what_is_within_runs_where_it_is() {
        let sum = AtomicUsize::new(0);
        let split = |range: std::ops::Range<usize>| match range.len() {
            1 => Parts::One(range),
            n => {
                let at = range.start + n.div_ceil(3);
                Parts::Two(range.start..at, at..range.end)
            }
        };
        let leaf = |range: std::ops::Range<usize>| {
            let own = thread::current().id();
            divide(0..5, &split, &|_: std::ops::Range<usize>| {
                assert_eq!(thread::current().id(), own);
            });
            sum.fetch_add(range.start, SeqCst);
        };
        Pool::new(3).unwrap().install(|| {
            as_team(|| divide(0..1000, &split, &leaf));
        });
        assert_eq!(sum.into_inner(), 999 * 1000 / 2);
    }

    /// The members take part: two parts that wait for one another.
    #[test]
    fn members_take_part_and_end_with_the_pool() {
        let pool = Pool::new(FEWEST).unwrap();
        let seen = Mutex::new(HashSet::new());
        let met = AtomicUsize::new(0);
        let part = || {
            met.fetch_add(1, SeqCst);
            while met.load(SeqCst) < 2 {
                thread::yield_now();
            }
            let name = thread::current().name().map(str::to_string);
            seen.lock().unwrap().insert(name);
        };
        let team = pool.install(|| {
            as_team(|| join(part, part));
            of_pool().unwrap()
        });
        let names = seen.into_inner().unwrap();
        let is_member = |name: &Option<String>| {
            let name = name.as_deref().unwrap_or_default();
            name.starts_with("harmonium-team-")
        };
        assert!(names.iter().any(is_member), "{names:?}");
        let shared = Arc::clone(&team.shared);
        drop((pool, team));
        // The member lets go of what it shares.
        while Arc::strong_count(&shared) > 1 {
            thread::yield_now();
        }
    }

    /// A panic of any part is that of the phase, and the team goes on.
    #[test]
    fn a_panic_is_told_and_the_team_goes_on() {
        Pool::new(3).unwrap().install(|| {
            as_team(|| {
                for bad in 0..6 {
                    let mut items = [0; 6];
                    let panicked = catch_unwind(AssertUnwindSafe(|| {
                        for_each(&mut items, 1, |k, _| assert!(k != bad, "on purpose"));
                    }));
                    assert!(panicked.is_err() && !is_by_itself());
                    assert_eq!(join(|| 1, || 2), (1, 2));
                }
            });
        });
    }

    /// Another thread of the same pool that wants to lead meanwhile does without.
    #[test]
    fn one_leads_at_a_time() {
        Pool::new(FEWEST).unwrap().install(|| {
            let lead = || as_team(|| own_team().is_some());
            assert!(lead());
            let all = as_team(|| rayon::broadcast(|_| lead()));
            assert_eq!(all.iter().filter(|&&leads| leads).count(), 1, "{all:?}");
        });
    }
}
