//! Activations and draws.

use super::{report::Row, size::Size, timing::median_seconds};
use harmonium::{
    BitMatrix, Matrix, Result,
    kernel::{activation, bernoulli},
    rng::{Draws, Site},
};
use std::hint::black_box;

/// Sigmoid, softplus and draws, on the calling thread.
pub fn measure(size: &Size, seconds: f64) -> Result<Vec<Row>> {
    // The results are the next inputs: no cost depends on the values.
    let mut x: Vec<f32> = (0..size.elements)
        .map(|i| (i % 41) as f32 * 0.5 - 10.0)
        .collect();
    let mut y = x.clone();
    let [sigmoid] = median_seconds(
        seconds,
        [&mut || {
            activation::sigmoid(black_box(&mut x));
            Ok(())
        }],
    )?;
    let [softplus] = median_seconds(
        seconds,
        [&mut || {
            activation::softplus(black_box(&mut y));
            Ok(())
        }],
    )?;
    let mean = Matrix::from_fn(size.batch, size.n_hidden, |_, j| (j % 11) as f32 / 10.0);
    let mut bits = BitMatrix::zeros(size.batch, size.n_hidden);
    let mut step = 0;
    let [draw] = median_seconds(
        seconds,
        [&mut || {
            step += 1;
            let draws = Draws::new(0, Site::Gibbs, step);
            bernoulli::draw(mean.view(), draws, bits.view_mut());
            Ok(())
        }],
    )?;
    black_box(bits);
    let drawn = size.batch * size.n_hidden;
    Ok([
        ("sigmoid", sigmoid, size.elements),
        ("softplus", softplus, size.elements),
        ("Bernoulli draw", draw, drawn),
    ]
    .into_iter()
    .map(|(name, time, n)| Row {
        seconds: Some(time),
        nanoseconds_per_element: Some(time * 1e9 / n as f64),
        ..Row::new("kernel", name, 1)
    })
    .collect())
}
