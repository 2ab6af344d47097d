//! The gradient of an update as far as it must be seen whole before a step, and what goes into it beside the statistics.

use super::{
    centering::{Corrections, Offsets, PhaseMeans, centre_row, dot},
    rule::Rates,
};
use crate::{
    error::Result,
    matrix::Matrix,
    model::{Expectations, Layer, Rbm},
    product::{PhaseTables, Statistics, Tile},
    units::Kind,
};

/// Parts of a gradient beside the statistics.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::train) struct Beside<'a> {
    /// Expectations of the model, to be subtracted with this weight.
    pub(in crate::train) exact: Option<(&'a Expectations, f32)>,
    /// What the discriminative gradient adds to the weights and biases of the labels.
    pub(in crate::train) labels: Option<&'a LabelGradient>,
}

/// A gradient of the rows of the weights and of the biases from unit `first` on.
#[derive(Clone, Debug, Default)]
pub(in crate::train) struct LabelGradient {
    pub(in crate::train) first: usize,
    pub(in crate::train) weights: Matrix,
    pub(in crate::train) bias: Vec<f32>,
}

impl LabelGradient {
    pub(super) fn add_bias(&self, visible: &mut [f32]) {
        let own = visible[self.first..].iter_mut().zip(&self.bias);
        own.for_each(|(g, x)| *g += x);
    }

    /// Adds the weights' part to a rectangle of `[rows, columns]`.
    pub(super) fn add_to_tile(&self, tile: &mut Tile<'_>, [rows, columns]: [usize; 2]) {
        let [top, left] = tile.at;
        let end = (self.first + self.bias.len()).min(top + rows);
        for i in self.first.max(top)..end {
            let x = &self.weights.row(i - self.first)[left..left + columns];
            let row = tile.values[(i - top) * tile.stride..].iter_mut();
            row.zip(x).for_each(|(g, x)| *g += x);
        }
    }
}

/// Buffers kept between updates.
#[derive(Clone, Debug, Default)]
pub(in crate::train) struct Gradient {
    pub(super) tables: PhaseTables,
    pub(super) means: PhaseMeans,
    pub(super) corrections: Corrections,
    pub(super) whole: Whole,
}

/// The gradient itself. That of the weights is used only where rectangles cannot be stepped one by one.
#[derive(Clone, Debug, Default)]
pub(super) struct Whole {
    pub(super) weights: Matrix,
    pub(super) visible: Vec<f32>,
    pub(super) hidden: Vec<f32>,
    pub(super) variances: [Variances; 2],
    /// Squared norms of the weights of hidden units, for constraints.
    pub(super) norms: Vec<f32>,
}

/// Of the Gaussian units of a layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Variances {
    /// `1 / s^2` of every unit; empty without Gaussian ones.
    precision: Vec<f32>,
    /// First sums of `(v - b)^2`, then the gradient of `ln s^2`.
    pub(super) gradient: Vec<f32>,
    /// 1 for Gaussian units, 0 for others.
    gaussian: Vec<f32>,
    /// Offsets, divided by the variances.
    offsets: Vec<f32>,
    /// Products of the centred gradient with the other layer's offsets.
    sums: Vec<f32>,
}

impl Whole {
    /// Biases to zero.
    pub(super) fn begin(&mut self, rbm: &Rbm) {
        self.visible.clear();
        self.visible.resize(rbm.n_visible(), 0.0);
        self.hidden.clear();
        self.hidden.resize(rbm.n_hidden(), 0.0);
    }

    /// Precisions, and `sum (v - b)^2 / (2 s^2)` over the phases, which is what the gradient of `ln s^2` starts from:
    /// `-dE / d ln s_i^2 = (v_i - b_i)^2 / (2 s_i^2) - v_i / s_i^2 (W h~)_i`. The second part is the row sum of `W` times the gradient of `W`.
    pub(super) fn begin_variances(
        &mut self,
        rbm: &Rbm,
        statistics: &Statistics<'_>,
        beside: Beside<'_>,
    ) {
        let exact = beside.exact;
        let [of_visible, of_hidden] = &mut self.variances;
        of_visible.begin(rbm.visible(), |bias, sums| {
            statistics.add_visible_squares(bias, sums);
            if let Some((exact, weight)) = exact {
                subtract_squares(sums, weight, bias, &exact.visible_squares, &exact.visible);
            }
        });
        of_hidden.begin(rbm.hidden(), |bias, sums| {
            statistics.add_hidden_squares(bias, sums);
            if let Some((exact, weight)) = exact {
                subtract_squares(sums, weight, bias, &exact.hidden_squares, &exact.hidden);
            }
        });
        // Hidden states are means: the variance, 1/2 relative to 2 s^2, cancels between phases but not against exact squares.
        if let Some((_, weight)) = exact {
            let gradient = of_hidden.gradient.iter_mut();
            gradient.for_each(|g| *g += 0.5 * weight);
        }
    }

    /// The gradient of the weights, and what is beside the statistics; biases hold theirs, if `has_exact_biases` with the exact part.
    pub(super) fn collect(
        &mut self,
        statistics: &Statistics<'_>,
        beside: Beside<'_>,
        has_exact_biases: bool,
    ) -> Result<()> {
        if self.weights.rows() == 0 {
            self.weights = Matrix::zeros(self.visible.len(), self.hidden.len());
        }
        statistics.write_to(&mut self.weights)?;
        if let Some((exact, weight)) = beside.exact {
            let all = self.weights.padded_mut().iter_mut();
            for (g, x) in all.zip(exact.weights.padded()) {
                *g -= weight * x;
            }
            if !has_exact_biases {
                subtract(&mut self.visible, weight, &exact.visible);
                subtract(&mut self.hidden, weight, &exact.hidden);
            }
        }
        if let Some(labels) = beside.labels {
            labels.add_bias(&mut self.visible);
            for k in 0..labels.bias.len() {
                let row = self.weights.row_mut(labels.first + k).iter_mut();
                row.zip(labels.weights.row(k)).for_each(|(g, x)| *g += x);
            }
        }
        Ok(())
    }

    /// From moments of states to gradients of machines with variances, with respect to the variances too.
    pub(super) fn scale(&mut self, weights: &Matrix) {
        let [of_visible, of_hidden] = &mut self.variances;
        of_visible.scale(&mut self.visible);
        of_hidden.scale(&mut self.hidden);
        for i in 0..weights.rows() {
            let row = self.weights.row_mut(i);
            of_hidden.scale(row);
            if let Some(precision) = of_visible.precision.get(i) {
                row.iter_mut().for_each(|g| *g *= precision);
            }
            let products = weights.row(i).iter().zip(row.iter()).map(|(w, g)| w * g);
            if let Some(gradient) = of_visible.gradient.get_mut(i) {
                *gradient -= products.clone().sum::<f32>();
            }
            for (gradient, x) in of_hidden.gradient.iter_mut().zip(products) {
                *gradient -= x;
            }
        }
        self.variances.iter_mut().for_each(Variances::finish);
    }

    /// The centred gradient in place of the ordinary one; offsets of units with variances are in units of `v / s^2`.
    pub(super) fn centre(&mut self, offsets: &Offsets) {
        let [of_visible, of_hidden] = &mut self.variances;
        let (lambda, sums) = (&mut of_hidden.offsets, &mut of_hidden.sums);
        lambda.clear();
        lambda.extend_from_slice(&offsets.hidden);
        sums.clear();
        sums.resize(lambda.len(), 0.0);
        let scale = |x: &mut [f32], precision: &[f32]| {
            x.iter_mut().zip(precision).for_each(|(x, p)| *x *= p);
        };
        scale(lambda, &of_hidden.precision);
        for (i, db) in self.visible.iter_mut().enumerate() {
            let precision = of_visible.precision.get(i).copied().unwrap_or(1.0);
            let (mu, row) = (offsets.visible[i] * precision, self.weights.row_mut(i));
            centre_row(row, *db, mu, &self.hidden, lambda);
            *db -= dot(row, lambda);
            for (sum, g) in sums.iter_mut().zip(row) {
                *sum += mu * *g;
            }
        }
        let all = self.hidden.iter_mut().zip(sums);
        all.for_each(|(dc, sum)| *dc -= *sum);
    }

    /// Shortens the gradient to the length that is allowed.
    pub(super) fn clip(&mut self, rates: Rates, learns_variances: bool) {
        let Some(clip) = rates.gradient_clip else {
            return;
        };
        let square = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        let [of_visible, of_hidden] = &mut self.variances;
        let mut parts = [
            self.weights.padded_mut(),
            &mut self.visible[..],
            &mut self.hidden[..],
            &mut of_visible.gradient[..],
            &mut of_hidden.gradient[..],
        ];
        let parts = if learns_variances {
            &mut parts[..]
        } else {
            &mut parts[..3]
        };
        let norm = parts.iter().map(|x| square(x)).sum::<f64>().sqrt();
        if norm > f64::from(clip) {
            let factor = (f64::from(clip) / norm) as f32;
            for part in parts {
                part.iter_mut().for_each(|x| *x *= factor);
            }
        }
    }
}

impl Variances {
    fn begin(&mut self, layer: &Layer, squares: impl FnOnce(&[f32], &mut [f32])) {
        let n = layer.log_variance.len();
        self.precision.clear();
        self.precision
            .extend(layer.log_variance.iter().map(|x| (-x).exp()));
        self.gradient.clear();
        self.gradient.resize(n, 0.0);
        if n == 0 {
            return;
        }
        squares(&layer.bias, &mut self.gradient);
        for (gradient, precision) in self.gradient.iter_mut().zip(&self.precision) {
            *gradient *= 0.5 * precision;
        }
        self.gaussian.clear();
        for s in layer.units.segments() {
            let is_gaussian = f32::from(s.kind == Kind::Gaussian);
            self.gaussian
                .extend(std::iter::repeat_n(is_gaussian, s.size));
        }
    }

    /// Leaves out the units that are not Gaussian.
    fn finish(&mut self) {
        let all = self.gradient.iter_mut().zip(&self.gaussian);
        all.for_each(|(g, x)| *g *= x);
    }

    /// `x / s^2`.
    fn scale(&self, x: &mut [f32]) {
        x.iter_mut().zip(&self.precision).for_each(|(x, p)| *x *= p);
    }
}

/// `from -= weight E[(v - b)^2]`.
fn subtract_squares(from: &mut [f32], weight: f32, bias: &[f32], squares: &[f64], mean: &[f64]) {
    for (i, square) in squares.iter().enumerate() {
        let b = f64::from(bias[i]);
        from[i] -= weight * (square - 2.0 * b * mean[i] + b * b) as f32;
    }
}

fn subtract(from: &mut [f32], weight: f32, x: &[f64]) {
    from.iter_mut()
        .zip(x)
        .for_each(|(a, b)| *a = (f64::from(*a) - f64::from(weight) * b) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centred_gradient_by_hand() {
        let mut whole = Whole {
            weights: Matrix::from_slice(2, 2, &[0.3, 0.5, -0.4, 0.8]).unwrap(),
            visible: vec![2.0, 4.0],
            hidden: vec![-2.0, -1.0],
            ..Whole::default()
        };
        whole.centre(&Offsets {
            visible: vec![0.5, 0.5],
            hidden: vec![0.1, 0.2],
        });
        let all = whole.weights.elements();
        let all = all.chain(whole.visible).chain(whole.hidden);
        let expected = [1.1, 0.6, 0.2, 0.5, 1.77, 3.88, -2.65, -1.55];
        for (got, expected) in all.zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{got} for {expected}");
        }
    }
}
