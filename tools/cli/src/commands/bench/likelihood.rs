//! `ln Z` by enumeration.

use super::{report::Row, size::Size, timing::median_seconds};
use harmonium::{Matrix, Result, model::Rbm};
use std::hint::black_box;

/// `ln Z` of a machine with few hidden units, all of whose states are summed.
///
/// # Errors
/// Those of the library.
pub fn log_z(size: &Size, seconds: f64, threads: usize) -> Result<Row> {
    let (n, name) = (size.exact_hidden, "ln Z by enumeration: a factor");
    let weights = Matrix::from_fn(size.n_visible, n, |i, j| {
        ((i * 7 + j * 3) % 13) as f32 / 64.0 - 0.1
    });
    let small = Rbm::from_parameters([vec![-1.0; size.n_visible], vec![0.0; n]], [weights])?;
    let mut call = || {
        black_box(small.log_z(&mut ())?);
        Ok(())
    };
    let [time] = median_seconds(seconds, [&mut call])?;
    let factors = (size.n_visible << n) as f64;
    Ok(Row {
        seconds: Some(time),
        nanoseconds_per_element: Some(time * 1e9 / factors),
        ..Row::new("likelihood", name, threads)
    })
}
