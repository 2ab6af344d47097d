//! Sums have one order: whatever the instruction set, the number of threads and how rows are
//! divided into panels; and over many rows they are as good as a rounding.

#[path = "../common/mod.rs"]
mod common;

mod rows;
mod sets;

use harmonium::simd::{Isa, set_isa};
use std::{fmt::Debug, sync::Mutex};

/// What `compute` gives on each instruction set of this CPU, fastest last. One test at a time: the
/// set is that of the process.
fn on_every_set<T>(mut compute: impl FnMut(Isa) -> T) -> Vec<T> {
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(|broken| broken.into_inner());
    let before = harmonium::simd::isa();
    let all = Isa::available().map(|isa| {
        set_isa(isa).unwrap();
        compute(isa)
    });
    let all = all.collect();
    set_isa(before).unwrap();
    all
}

/// That, where it must be the same.
fn same_on_every_set<T: PartialEq + Debug>(compute: impl FnMut(Isa) -> T) -> T {
    let mut all = on_every_set(compute);
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
    all.remove(0)
}
