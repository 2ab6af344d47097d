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

/// `x . y` in f64.
pub fn dot(x: &[f32], y: &[f32]) -> f64 {
    x.iter()
        .zip(y)
        .map(|(&x, &y)| f64::from(x) * f64::from(y))
        .sum()
}

/// `sum_j ln(1 + e^(base_j + u_j))` in f64.
pub fn softplus_sum(base: &[f32], u: &[f32]) -> f64 {
    let x = base
        .iter()
        .zip(u)
        .map(|(&x, &u)| f64::from(x) + f64::from(u));
    x.map(softplus).sum()
}

/// `sum_j ln(1 + e^(x_j + by w_j)) - ln(1 + e^(x_j))` in f64.
pub fn softplus_change(x: &[f32], w: &[f32], by: f32) -> f64 {
    let all = x.iter().zip(w).map(|(&x, &w)| (f64::from(x), f64::from(w)));
    all.map(|(x, w)| softplus(x + f64::from(by) * w) - softplus(x))
        .sum()
}

/// `p sigma(base_j + u_j)` in f64.
pub fn scaled_sigmoids(base: &[f32], u: &[f32], p: f32) -> Vec<f64> {
    let x = base
        .iter()
        .zip(u)
        .map(|(&x, &u)| f64::from(x) + f64::from(u));
    x.map(|x| f64::from(p) * sigmoid(x)).collect()
}

/// `bit j of the words - mean_j`.
pub fn bits_minus(words: &[u64], mean: &[f32]) -> Vec<f32> {
    let bit = |j: usize| (words[j / 64] >> (j % 64) & 1) as f32;
    mean.iter().enumerate().map(|(j, m)| bit(j) - m).collect()
}

/// `d x (1 - keep x)`.
pub fn times_derivative(delta: &[f32], x: &[f32], keep: f32) -> Vec<f32> {
    delta
        .iter()
        .zip(x)
        .map(|(d, x)| d * (x * (1.0 - keep * x)))
        .collect()
}

/// `a_i + sum_j A_ij x_j` in f32, neighbors in order.
pub fn input((neighbors, values): (&[u32], &[f32]), bias: f32, on: impl Fn(usize) -> bool) -> f32 {
    let all = neighbors.iter().zip(values);
    all.fold(bias, |y, (&j, a)| y + a * f32::from(on(j as usize)))
}

/// The unit of a group that is on, of the logarithms `y` of their weights: the last one that takes
/// over from those before it, which `takes(k, p)` says with probability
/// `p = sigma(y_k - ln sum_{j<k} e^(y_j))`. The first one needs no draw.
pub fn choice(y: impl Iterator<Item = f64>, takes: impl Fn(usize, f64) -> bool) -> usize {
    let (mut sum, mut chosen) = (f64::NEG_INFINITY, 0);
    for (k, y) in y.enumerate() {
        if k == 0 {
            sum = y;
        } else {
            let x = y - sum;
            sum += softplus(x);
            if takes(k, sigmoid(x)) {
                chosen = k;
            }
        }
    }
    chosen
}

/// `sum_i x_i (a_i + sum_{j<i} A_ij x_j)` of the 64 chains of words.
pub fn negative_energies<'a>(
    of: impl Fn(usize) -> (&'a [u32], &'a [f32]),
    bias: &[f32],
    x: &[u64],
) -> Vec<f64> {
    let energy = |chain: usize| {
        let on = |j: usize| x[j] >> chain & 1 == 1;
        let units = (0..x.len()).filter(|&i| on(i));
        units
            .map(|i| f64::from(input(of(i), bias[i], |j| j < i && on(j))))
            .sum()
    };
    (0..64).map(energy).collect()
}

/// How many bits units `i` and `j` of `[words][n]` both have.
pub fn pair_count(words: &[u64], n: usize, i: usize, j: usize) -> u32 {
    words
        .chunks_exact(n)
        .map(|x| (x[i] & x[j]).count_ones())
        .sum()
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
