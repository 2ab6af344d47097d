//! Whether machines of continuous units have a normal form.
//!
//! With both layers continuous the exponent is a quadratic form of the states, `sum v^2 / (2 s^2) +
//! sum h^2 / (2 t^2) - sum v W h / (s^2 t^2)` (rectified units with `s = 1`), which must grow in
//! every direction. With `D_ij = W_ij / (s_i t_j)` it is positive definite if and only if `I - D'D`
//! is, and that is what Cholesky's decomposition finds out. Between two rectified units, which are
//! never negative, a negative weight only helps and counts as zero. For rectified units the
//! condition is sufficient and not necessary: what is refused might have a normal form, but nothing
//! here guarantees it.

use super::Layer;
use crate::{
    error::{Error, Result},
    matrix::Matrix,
    units::Kind,
};

/// The continuous units of a layer: index and whether it is rectified.
fn continuous(layer: &Layer) -> Vec<(usize, bool)> {
    let segments = layer.units.segments().iter();
    segments
        .filter(|s| s.kind.is_continuous())
        .flat_map(|s| s.range().map(|i| (i, s.kind == Kind::Relu)))
        .collect()
}

/// Refuses weights between continuous units that leave the machine without a normal form. Cost: a
/// Cholesky decomposition of the size of the smaller layer, if both layers have continuous units.
pub(in crate::model) fn check_normalizable(
    visible: &Layer,
    hidden: &Layer,
    weights: &Matrix,
) -> Result<()> {
    let (rows, columns) = (continuous(visible), continuous(hidden));
    if rows.is_empty() || columns.is_empty() {
        return Ok(());
    }
    let element = |(i, relu): (usize, bool), (j, relu2): (usize, bool)| {
        let w = f64::from(weights.row(i)[j]);
        let w = if relu && relu2 { w.max(0.0) } else { w };
        w * (visible.precision(i) * hidden.precision(j)).sqrt()
    };
    // D or its transpose, with the smaller layer as columns.
    let by_row = columns.len() <= rows.len();
    let d: Vec<Vec<f64>> = if by_row {
        let row = |&r: &_| columns.iter().map(|&c| element(r, c)).collect();
        rows.iter().map(row).collect()
    } else {
        let row = |&c: &_| rows.iter().map(|&r| element(r, c)).collect();
        columns.iter().map(row).collect()
    };
    let n = columns.len().min(rows.len());
    let mut a = vec![0.0; n * n];
    for d in &d {
        for (i, x) in d.iter().enumerate().filter(|(_, x)| **x != 0.0) {
            for (a, y) in a[i * n..].iter_mut().zip(&d[..=i]) {
                *a -= x * y;
            }
        }
    }
    for i in 0..n {
        a[i * n + i] += 1.0;
    }
    if is_positive_definite(&mut a, n) {
        return Ok(());
    }
    Err(Error::parameter(
        format!(
            "weights between {} and {} units",
            visible.units, hidden.units
        ),
        "small enough that the energy grows in every direction (I - D'D positive definite with D_ij = W_ij / (s_i t_j))",
        "weights that leave the machine without a guaranteed normal form",
    ))
}

/// Cholesky's decomposition of the lower triangle of `a` `[n x n]`, in place.
fn is_positive_definite(a: &mut [f64], n: usize) -> bool {
    for j in 0..n {
        for i in j..n {
            let (upper, lower) = a.split_at(i * n);
            let row_i = &lower[..n];
            let row_j = if i == j { row_i } else { &upper[j * n..][..n] };
            let dot: f64 = row_i[..j].iter().zip(&row_j[..j]).map(|(x, y)| x * y).sum();
            let rest = row_i[j] - dot;
            let pivot = if i == j { rest.sqrt() } else { row_j[j] };
            // NaN is not positive either.
            if i == j && (rest.is_nan() || rest <= 0.0) {
                return false;
            }
            a[i * n + j] = if i == j { pivot } else { rest / pivot };
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Units;

    fn check(visible: Kind, hidden: Kind, weights: &[f32], variance: f32) -> bool {
        let mut visible = Layer::of(visible, 2);
        visible
            .log_variance
            .iter_mut()
            .for_each(|x| *x = variance.ln());
        let w = Matrix::from_slice(weights, 2, weights.len() / 2).unwrap();
        check_normalizable(&visible, &Layer::of(hidden, weights.len() / 2), &w).is_ok()
    }

    #[test]
    fn the_border_is_a_spectral_norm_of_one() {
        use Kind::*;
        // Orthogonal columns of length 1.
        for (scale, ok) in [(0.999, true), (1.001, false)] {
            let w = [0.6, -0.8, 0.8, 0.6].map(|x: f32| x * scale);
            assert_eq!(check(Gaussian, Gaussian, &w, 1.0), ok);
            // Weights are in units of the deviations.
            assert_eq!(check(Gaussian, Gaussian, &w.map(|x| 2.0 * x), 4.0), ok);
            let single = [0.6 * scale, 0.8 * scale];
            assert_eq!(check(Gaussian, Relu, &single, 1.0), ok);
            assert_eq!(check(Relu, Relu, &single, 1.0), ok);
        }
        assert!(check(Relu, Relu, &[-5.0, -5.0], 1.0));
        assert!(!check(Relu, Gaussian, &[-5.0, -5.0], 1.0));
        assert!(check(Spin, Gaussian, &[50.0, 50.0], 1.0));
        assert!(check(Gaussian, Bernoulli, &[50.0, 50.0], 1.0));
    }

    #[test]
    fn only_the_continuous_part_of_mixed_layers_counts() {
        let mixed = Layer::new(Units::of(Kind::Bernoulli, 1).and(Kind::Gaussian, 1));
        let w = Matrix::from_slice(&[9.0, 9.0, 9.0, 0.5], 2, 2).unwrap();
        assert!(check_normalizable(&mixed, &mixed, &w).is_ok());
        let w = Matrix::from_slice(&[0.0, 0.0, 0.0, 1.5], 2, 2).unwrap();
        assert!(check_normalizable(&mixed, &mixed, &w).is_err());
    }
}
