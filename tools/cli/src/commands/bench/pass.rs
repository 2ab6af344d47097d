//! One pass from bits of a layer to another, and what of it is the tail.

use super::{Ceiling, Row, median_seconds, size::DENSITY};
use harmonium::{
    BitMatrix, Matrix, Rbm, Result,
    product::{Propagation, Tail},
    rng::{Draws, HostRng, Site},
};

/// One pass with its draws: hidden states of `n` rows of visible bits, weights as a trained machine
/// has them in size.
pub(super) fn alone(
    (n_visible, n_hidden): (usize, usize),
    n: usize,
    seconds: f64,
    ceiling: &Ceiling,
) -> Result<Row> {
    let mut rng = HostRng::numbered(0, 0);
    let weights = Matrix::from_fn(n_visible, n_hidden, |_, _| 0.1 * rng.normal() as f32);
    let rbm = Rbm::from_parameters([vec![0.0; n_visible], vec![0.0; n_hidden]], [weights])?;
    let draws = Draws::new(0, Site::Gibbs, 0);
    let v = BitMatrix::from_fn(n, n_visible, |i, j| draws.uniform(i, j) < 0.5);
    let mut h = BitMatrix::zeros(n, n_hidden);
    let mut buffers = Propagation::default();
    let mut call = || {
        let tail = Tail {
            sample: Some((h.view_mut(), draws)),
            ..Tail::new(1.0)
        };
        rbm.hidden_from_visible((&v).into(), tail, &mut buffers)
    };
    let [time] = median_seconds(seconds, [&mut call])?;
    let name = format!("{n} x {n_visible} bits to {n_hidden}: samples");
    Ok(ceiling.row("pass", &name, time, (n * n_visible * n_hidden) as f64))
}

/// The hidden layer from `n` rows of visible bits: the product with its bias alone, and with
/// sigmoid and draw, in turns.
pub(super) fn epilogue(rbm: &Rbm, n: usize, seconds: f64, ceiling: &Ceiling) -> Result<[Row; 2]> {
    let (n_visible, n_hidden) = (rbm.n_visible(), rbm.n_hidden());
    let draws = Draws::new(0, Site::Gibbs, 0);
    let v = BitMatrix::from_fn(n, n_visible, |i, j| draws.uniform(i, j) < DENSITY);
    let mut input = Matrix::zeros(n, n_hidden);
    let mut sample = BitMatrix::zeros(n, n_hidden);
    let mut buffers = [Propagation::default(), Propagation::default()];
    let [for_input, for_sample] = &mut buffers;
    let mut product = || {
        let tail = Tail {
            input: Some(input.view_mut()),
            ..Tail::new(1.0)
        };
        rbm.hidden_from_visible((&v).into(), tail, for_input)
    };
    let mut drawn = || {
        let tail = Tail {
            sample: Some((sample.view_mut(), draws)),
            ..Tail::new(1.0)
        };
        rbm.hidden_from_visible((&v).into(), tail, for_sample)
    };
    let [alone, whole] = median_seconds(seconds, [&mut product, &mut drawn])?;
    let updates = (n * n_visible * n_hidden) as f64;
    let name = format!("{n} x {n_visible} bits to {n_hidden}");
    let bare = ceiling.row("epilogue", &format!("{name}: inputs"), alone, updates);
    let full = Row {
        nanoseconds_per_element: Some((whole - alone) * 1e9 / (n * n_hidden) as f64),
        of_product: Some((whole - alone) / alone),
        ..ceiling.row("epilogue", &format!("{name}: samples"), whole, updates)
    };
    Ok([bare, full])
}
