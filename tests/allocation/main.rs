//! A training update and a temperature of annealing allocate nothing once the buffers have grown.
//! Its own test binary: it has an allocator of its own, which counts what the threads of the pools
//! allocate. The thread of the test harness allocates when a test takes long, and says so.

mod annealing;
mod deep;
mod general;
mod rbm;
mod rows;

use harmonium::{
    bits::BitMatrix,
    product::{Provider, provider},
};
use rayon::ThreadPool;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering},
};

struct Counting;
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether what this thread allocates counts. Neither made nor dropped at run time, so the
    /// allocator may look at it.
    static COUNTS: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    if COUNTS.get() {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

/// How often the threads of the pools have allocated so far.
fn counted() -> usize {
    ALLOCATIONS.load(Ordering::Relaxed)
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of `n` updates in `pool` after the first `n`.
fn allocations(pool: &ThreadPool, n: usize, mut update: impl FnMut() + Send) -> usize {
    pool.install(|| {
        // Which thread meets which tile is chance: let every thread's scratch grow.
        rayon::broadcast(|_| {});
        (0..n).for_each(|_| update());
        let before = counted();
        (0..n).for_each(|_| update());
        counted() - before
    })
}

/// Pools of one thread and of two, whose allocations count.
fn pools() -> [ThreadPool; 2] {
    let pools = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.start_handler(|_| COUNTS.set(true)).build().unwrap()
    });
    for pool in &pools {
        let found = pool.broadcast(|_| {
            let before = counted();
            black_box(Box::new(0));
            counted() - before
        });
        assert!(found.iter().all(|&n| n > 0), "{found:?}");
    }
    pools
}

/// One test, so that no other thread allocates meanwhile.
#[test]
fn updates_and_temperatures_allocate_nothing_after_the_first() {
    assert_eq!(
        provider(),
        Provider::Native,
        "other providers allocate their packing buffers"
    );
    let bits = BitMatrix::from_fn(1000, 300, |i, j| (i * 3 + j * 7) % 5 < 2);
    // All of them to the end: threads that end allocate, and when they do is chance.
    let pools = pools();
    for pool in &pools {
        rbm::negative_phases(&bits, pool);
        rbm::weights_and_missing(&bits, pool);
        rbm::small(pool);
        rbm::optimizers(&bits, pool);
        rbm::other_units(&bits, pool);
    }
    for pool in &pools {
        deep::boltzmann_machines(&bits, pool);
    }
    for pool in &pools {
        annealing::both_ways(pool);
    }
    for pool in &pools {
        deep::up_down(pool);
    }
    for pool in &pools {
        deep::backpropagation(&bits, pool);
    }
    for pool in &pools {
        general::updates(pool);
        annealing::general_machine(pool);
    }
    rows::calls();
}
