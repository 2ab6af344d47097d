//! Calls on one row of bits or a few, each on other rows: what a service pays.

use super::{
    report::Row,
    size::{DENSITY, Size},
    timer::{Measure, Timer},
};
use crate::{
    failure::Outcome,
    show::numbers::{write, write_bits},
};
use harmonium::{
    BitMatrix, Checkpoint, Matrix, Rbm, Result,
    rng::{Draws, HostRng, Site},
};
use std::{path::Path, thread};

/// Different rows in turn: their weights are more than the caches hold at once.
const ROWS: usize = 1024;
/// Threads that call at once, and calls of each.
const CALLERS: usize = 4;
const CALLS: usize = 1000;
const CALL: (f64, &str) = (1e6, "us a call");

/// An RBM with weights in size as a trained one has them.
fn machine(size: &Size) -> Result<Rbm> {
    let mut rng = HostRng::numbered(1, 5);
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| 0.1 * rng.normal() as f32).collect() };
    let (n, m) = (size.n_visible, size.n_hidden);
    let weights = Matrix::from_slice(&draw(n * m), n, m)?;
    Rbm::from_parameters([draw(n), draw(m)], [weights])
}

/// Its visible states.
fn rows(size: &Size) -> BitMatrix {
    let draws = Draws::new(0, Site::Start, 0);
    BitMatrix::from_fn(ROWS, size.n_visible, |i, j| draws.uniform(i, j) < DENSITY)
}

/// Calls of each number of rows, and callers at once.
pub(super) fn cases(size: &Size) -> impl Iterator<Item = Measure<'_>> {
    let calls = size
        .calls
        .map(|count| -> Measure<'_> { Box::new(move |t| calls(t, size, count)) });
    let callers: Measure<'_> = Box::new(|t| callers(t, size));
    calls.into_iter().chain([callers])
}

fn calls(t: &Timer<'_>, size: &Size, count: usize) -> Result<Vec<Row>> {
    let (rbm, all) = (machine(size)?, rows(size));
    let mut next = 0;
    let mut part = || {
        next = (next + count) % (ROWS - count + 1);
        all.view_rows(next..next + count)
    };
    let mut mean = Matrix::zeros(count, size.n_hidden);
    let mut free = vec![0.0; count];
    let of = |what: &str| {
        let plural = if count == 1 { "" } else { "s" };
        let (n, m) = (size.n_visible, size.n_hidden);
        format!("{what} of {count} row{plural} of {n} bits: {m} hidden units")
    };
    Ok(vec![
        t.in_unit(of("means"), CALL, || {
            rbm.mean_h_from_v_into(part(), 1.0, &mut mean)
        })?,
        t.in_unit(of("free energies"), CALL, || {
            rbm.free_energy_into(part(), 1.0, &mut free)
        })?,
    ])
}

/// The time over all calls of threads of the program's own, which are on no pool.
fn callers(t: &Timer<'_>, size: &Size) -> Result<Vec<Row>> {
    let (rbm, all) = (&machine(size)?, &rows(size));
    let caller = |first: usize| {
        let mut mean = Matrix::zeros(1, size.n_hidden);
        (0..CALLS).try_for_each(|k| {
            let row = (first + k * CALLERS) % ROWS;
            rbm.mean_h_from_v_into(all.view_rows(row..row + 1), 1.0, &mut mean)
        })
    };
    let scale = CALL.0 / (CALLERS * CALLS) as f64;
    let name = format!("means of 1 row: {CALLERS} callers at once");
    let row = t.in_unit(name, (scale, CALL.1), || {
        thread::scope(|scope| {
            let callers = [0, 1, 2, 3].map(|first| scope.spawn(move || caller(first)));
            callers.into_iter().try_for_each(|caller| {
                let called = caller.join();
                called.unwrap_or_else(|e| std::panic::resume_unwind(e))
            })
        })
    })?;
    Ok(vec![row])
}

/// Writes the machine, its rows, and what the calls give of them.
///
/// # Errors
/// Files that cannot be written.
pub(super) fn save(size: &Size, to: &Path) -> Outcome<()> {
    let (rbm, all) = (machine(size)?, rows(size));
    write_bits(&to.join("latency-rows.npy"), &all)?;
    let m = size.n_hidden;
    let mut mean = Matrix::zeros(1, m);
    let mut means = Vec::with_capacity(ROWS * m);
    let mut free = vec![0.0; ROWS];
    for (i, free) in free.iter_mut().enumerate() {
        let row = all.view_rows(i..i + 1);
        rbm.mean_h_from_v_into(row, 1.0, &mut mean)?;
        rbm.free_energy_into(row, 1.0, std::slice::from_mut(free))?;
        means.extend_from_slice(mean.row(0));
    }
    write(&to.join("latency-means.npy"), [ROWS, m], means.into_iter())?;
    let path = to.join("latency-free-energies.npy");
    write(&path, [ROWS, 1], free.into_iter())?;
    Ok(Checkpoint::from(rbm).save(to.join("latency.safetensors"))?)
}
