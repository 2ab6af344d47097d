//! Plain loops that specify the kernels; tests compare, nothing fast calls them.

use crate::{
    bits::BitMatrix,
    matrix::{Matrix, MatrixView},
    rng::Draws,
};

/// `1 / (1 + e^-x)` in f64.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// `ln(1 + e^x)` in f64.
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `ln sum_i e^(x_i)` in f64; minus infinity of nothing.
pub fn log_sum_exp(x: &[f64]) -> f64 {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max.is_infinite() {
        return max;
    }
    max + x.iter().map(|&x| (x - max).exp()).sum::<f64>().ln()
}

/// Bits `[rows x columns]`: bit (i, j) is `draws.bernoulli(i, j, mean(i, j))`.
pub fn bernoulli(mean: MatrixView<'_>, draws: Draws) -> BitMatrix {
    BitMatrix::from_fn(mean.rows(), mean.columns(), |i, j| {
        draws.bernoulli(i, j, mean.row(i)[j])
    })
}

/// `X op(W)` in f64, `op` the transpose if `backward`, rounded to f32 at the end.
pub fn product(x: MatrixView<'_>, weights: &Matrix, backward: bool) -> Matrix {
    let columns = if backward {
        weights.rows()
    } else {
        weights.columns()
    };
    Matrix::from_fn(x.rows(), columns, |s, j| {
        let sum: f64 = x
            .row(s)
            .iter()
            .enumerate()
            .map(|(i, &x)| {
                let w = if backward {
                    weights.row(j)[i]
                } else {
                    weights.row(i)[j]
                };
                f64::from(x) * f64::from(w)
            })
            .sum();
        sum as f32
    })
}
