//! The step of a general machine along the gradient of all its pairs.
//!
//! Equal numbers go through equal operations: `R` and `S` stay symmetric to the bit.

use crate::{
    matrix::Matrix,
    model::BoltzmannMachine,
    simd::dispatch,
    train::{
        Averaging,
        parameters::Parameters,
        step::{
            optimizer::Optimizer,
            rule::{Rates, Step},
        },
    },
};

/// Moves `machine` along `gradient`, which is first shortened to the longest that is allowed; then
/// its weights are, and the average takes them in.
pub(super) fn step(
    machine: &mut BoltzmannMachine,
    gradient: &mut Parameters,
    optimizer: &mut Optimizer,
    rates: Rates,
    norms: Option<(f32, &mut Vec<f32>)>,
    averaging: Option<(Averaging, u64)>,
) {
    if let Some(most) = rates.gradient_clip {
        clip(gradient, machine.n_visible(), most);
    }
    move_along(machine, gradient, optimizer, rates);
    if let Some((most, norms)) = norms {
        limit_norms(machine, most, norms);
    }
    if let (Some((averaging, updates)), Some(average)) = (averaging, &mut optimizer.average) {
        averaging.add(machine, average, rates.update, updates);
    }
}

/// The step alone.
pub(super) fn move_along(
    machine: &mut BoltzmannMachine,
    gradient: &Parameters,
    optimizer: &mut Optimizer,
    rates: Rates,
) {
    let n = machine.n_visible();
    let Optimizer { first, second, .. } = optimizer;
    let [r, w, s] = machine.parameters_mut();
    for (matrix, rows, columns) in [(r, 0, 0), (w, 0, n), (s, n, n)] {
        let width = matrix.columns();
        for i in 0..matrix.rows() {
            dispatch(Step {
                gradient: &gradient.weights[0].row(rows + i)[columns..][..width],
                first: &mut first.weights[0].row_mut(rows + i)[columns..][..width],
                second: match second {
                    Some(second) => &mut second.weights[0].row_mut(rows + i)[columns..][..width],
                    None => &mut [],
                },
                parameter: matrix.row_mut(i),
                rates,
            });
        }
    }
    let (b, c) = machine.biases_mut();
    for (bias, at) in [(b, 0), (c, n)] {
        let size = bias.len();
        dispatch(Step {
            gradient: &gradient.bias[0][at..][..size],
            first: &mut first.bias[0][at..][..size],
            second: match second {
                Some(second) => &mut second.bias[0][at..][..size],
                None => &mut [],
            },
            parameter: bias,
            rates: rates.without_decay(),
        });
    }
}

/// Shortens the gradient to the Euclidean norm `most` over the elements of `R`, `W`, `S` and both
/// biases, as they are stored: a pair within `R` or `S` counts twice, one of `W` once.
fn clip(gradient: &mut Parameters, n_visible: usize, most: f32) {
    let square = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    let pairs = &gradient.weights[0];
    let mut squares = square(&gradient.bias[0]);
    for i in 0..pairs.rows() {
        let row = pairs.row(i);
        // The lower left is the transpose of W.
        squares += square(&row[if i < n_visible { 0 } else { n_visible }..]);
    }
    let norm = squares.sqrt();
    if norm > f64::from(most) {
        let factor = (f64::from(most) / norm) as f32;
        let pairs = gradient.weights[0].padded_mut().iter_mut();
        pairs
            .chain(&mut gradient.bias[0])
            .for_each(|x| *x *= factor);
    }
}

/// Shortens what each unit is coupled by, the vector `(2 R_i, W_i)` or `(W'_j, 2 S_j)`, to the
/// Euclidean norm `most` where it is longer. A pair takes the smaller of the factors of its two
/// units, so that it stays one number.
fn limit_norms(machine: &mut BoltzmannMachine, most: f32, norms: &mut Vec<f32>) {
    let (n, units) = (machine.n_visible(), machine.units());
    norms.clear();
    norms.extend((0..units).map(|i| {
        let square: f32 = (0..units).map(|j| machine.coupling(i, j).powi(2)).sum();
        match square > most * most {
            true => most / square.sqrt(),
            false => 1.0,
        }
    }));
    if norms.iter().all(|&x| x == 1.0) {
        return;
    }
    let scale = |matrix: &mut Matrix, rows: usize, columns: usize| {
        for i in 0..matrix.rows() {
            let row = matrix.row_mut(i).iter_mut().zip(&norms[columns..]);
            row.for_each(|(w, factor)| *w *= factor.min(norms[rows + i]));
        }
    };
    let [r, w, s] = machine.parameters_mut();
    scale(r, 0, 0);
    scale(w, 0, n);
    scale(s, n, n);
}
