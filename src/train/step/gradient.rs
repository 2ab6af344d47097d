//! The gradient of an update as far as it must be seen whole before a step.

use super::{
    centering::{Corrections, center_row},
    evidence::{Evidence, Phases},
    rule::Rates,
};
use crate::{
    error::Result,
    kernel::reduce::dot_f32,
    matrix::Matrix,
    model::{Layer, Layered, Undirected},
    product::{Phase, PhaseTables, Statistics},
    units::Kind,
};

/// Buffers kept between updates.
#[derive(Clone, Debug, Default)]
pub(in crate::train) struct Gradient {
    pub(super) tables: PhaseTables,
    /// Of every layer in the positive and in the negative phase.
    pub(super) means: Vec<[Vec<f32>; 2]>,
    pub(super) corrections: Corrections,
    pub(super) whole: Whole,
}

impl Gradient {
    /// Computes the means of both phases, and writes the ordinary gradients of the biases,
    /// statistics and exact expectations alone.
    pub(super) fn fill_means(&mut self, evidence: &Evidence<'_>) {
        let bias = &mut self.whole.bias;
        self.means.resize_with(bias.len(), Default::default);
        for (l, (gradient, [p, n])) in bias.iter_mut().zip(&mut self.means).enumerate() {
            let size = gradient.len();
            let (positive, negative) = crate::threads::join(
                || evidence.signed_sum(l, true, p, size),
                || evidence.signed_sum(l, false, n, size),
            );
            for ((g, p), n) in gradient.iter_mut().zip(p).zip(&mut *n) {
                *g = *p + *n;
                *p /= positive;
                *n /= negative;
            }
            // Labels stand at 0 in the discriminative negative phase: `p(y | v)` is beside it.
            if let Some(labels) = evidence.beside.labels.filter(|_| l == 0) {
                let own = n[labels.first..].iter_mut().zip(&labels.bias);
                own.for_each(|(n, x)| *n += x / negative);
            }
        }
    }
}

impl Gradient {
    /// The square of the norm of a connection's gradient: of its weights, and of the biases of the
    /// layer above, or of both layers.
    pub(in crate::train) fn square(&mut self, phases: &[Phase<'_>], both: bool) -> Result<f64> {
        let square = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        let Some(phase) = phases.first() else {
            return Ok(0.0);
        };
        let sizes = [phase.visible.columns(), phase.hidden.columns()];
        let Whole {
            square: all, norms, ..
        } = &mut self.whole;
        all.reset(sizes[0], sizes[1]);
        Statistics::new(phases, sizes[0], sizes[1])?.write_to(all)?;
        let mut sum = all.elements().map(|x| f64::from(x).powi(2)).sum::<f64>();
        for side in usize::from(!both)..2 {
            norms.clear();
            norms.resize(sizes[side], 0.0);
            for phase in phases {
                let states = [phase.visible, phase.hidden][side];
                states.add_weighted_sums(phase.weight, phase.of_rows, norms);
            }
            sum += square(norms);
        }
        Ok(sum)
    }
}

/// What a gradient of so large a square is to be multiplied by, if it may be `most` long.
pub(in crate::train) fn shortened(most: f32, square: f64) -> f32 {
    (f64::from(most) / square.sqrt()).min(1.0) as f32
}

/// The gradient itself. That of the weights is used only where rectangles cannot be stepped one by
/// one.
#[derive(Clone, Debug, Default)]
pub(super) struct Whole {
    pub(super) weights: Vec<Matrix>,
    /// Of every layer.
    pub(super) bias: Vec<Vec<f32>>,
    /// The ordinary gradients of the biases, where `bias` is becoming the centered ones.
    pub(super) ordinary: Vec<Vec<f32>>,
    /// Of every layer.
    pub(super) variances: Vec<Variances>,
    /// Squared norms of the weights of hidden units, for constraints.
    pub(super) norms: Vec<f32>,
    /// Of one connection, for its square alone.
    pub(super) square: Matrix,
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
    /// Products of the centered gradient with the offsets of the layer below.
    sums: Vec<f32>,
}

impl Whole {
    /// Biases to zero.
    pub(super) fn begin(&mut self, machine: &impl Undirected) {
        let n = machine.n_layers();
        self.bias.resize_with(n, Vec::new);
        self.ordinary.resize_with(n, Vec::new);
        self.variances.resize_with(n, Variances::default);
        for (l, bias) in self.bias.iter_mut().enumerate() {
            bias.clear();
            bias.resize(machine.layer(l).size(), 0.0);
        }
    }

    /// Keeps the ordinary gradients of the biases.
    pub(super) fn keep_ordinary(&mut self) {
        for (to, from) in self.ordinary.iter_mut().zip(&self.bias) {
            to.clear();
            to.extend_from_slice(from);
        }
    }

    /// Precisions, and `sum (v - b)^2 / (2 s^2)` over the phases, which is what the gradient of `ln
    /// s^2` starts from:
    /// `-dE / d ln s_i^2 = (v_i - b_i)^2 / (2 s_i^2) - v_i / s_i^2 (W h~)_i`. The second part is
    /// the row sum of `W` times the gradient of `W`.
    pub(super) fn begin_variances(
        &mut self,
        machine: &impl Undirected,
        evidence: &Evidence<'_>,
    ) -> Result<()> {
        let exact = evidence.beside.exact;
        for (l, of_layer) in self.variances.iter_mut().enumerate() {
            let below = l.saturating_sub(1);
            let (n, m) = sizes(machine, below);
            let phases = (evidence.phases)(below);
            let statistics = Statistics::new(phases.as_slice(), n, m)?;
            of_layer.begin(machine.layer(l), |bias, sums| {
                match l {
                    0 => statistics.add_visible_squares(bias, sums),
                    _ => statistics.add_hidden_squares(bias, sums),
                }
                if let Some(more) = evidence.beside.variances.get(l) {
                    sums.iter_mut().zip(more).for_each(|(sum, x)| *sum += x);
                }
                if let Some((exact, weight)) = exact {
                    let (squares, mean) = (exact.squares(l), exact.layer(l));
                    subtract_squares(sums, weight, bias, squares, mean);
                }
            });
            // Hidden states are means: the variance, 1/2 relative to 2 s^2, cancels between phases
            // but not against exact squares.
            if let Some((_, weight)) = exact.filter(|_| l > 0) {
                let gradient = of_layer.gradient.iter_mut();
                gradient.for_each(|g| *g += 0.5 * weight);
            }
        }
        Ok(())
    }

    /// The gradient of the weights, and what is beside the statistics; biases hold theirs, if
    /// `has_exact_biases` with the exact part.
    pub(super) fn collect(
        &mut self,
        machine: &impl Undirected,
        evidence: &Evidence<'_>,
        tables: &mut PhaseTables,
        has_exact_biases: bool,
    ) -> Result<()> {
        for l in 0..machine.n_layers() - 1 {
            let (n, m) = sizes(machine, l);
            if self.weights.len() == l {
                self.weights.push(Matrix::zeros(n, m));
            }
            let phases = (evidence.phases)(l);
            statistics(machine, l, evidence, &phases, tables)?.write_to(&mut self.weights[l])?;
        }
        if let Some((exact, weight)) = evidence.beside.exact {
            for (l, weights) in self.weights.iter_mut().enumerate() {
                let all = weights.padded_mut().iter_mut();
                for (g, x) in all.zip(exact.connection(l).padded()) {
                    *g -= weight * x;
                }
            }
            if !has_exact_biases {
                for (l, bias) in self.bias.iter_mut().enumerate() {
                    subtract(bias, weight, exact.layer(l));
                }
            }
        }
        for (weights, x) in self.weights.iter_mut().zip(evidence.beside.covariances) {
            let all = weights.padded_mut().iter_mut();
            all.zip(x.padded()).for_each(|(g, x)| *g += x);
        }
        if let Some(labels) = evidence.beside.labels {
            labels.add_bias(&mut self.bias[0]);
            for k in 0..labels.bias.len() {
                let row = self.weights[0].row_mut(labels.first + k).iter_mut();
                row.zip(labels.weights.row(k)).for_each(|(g, x)| *g += x);
            }
        }
        Ok(())
    }

    /// From moments of states to gradients of machines with variances, with respect to the
    /// variances too.
    pub(super) fn scale(&mut self, machine: &impl Layered) {
        for (bias, of_layer) in self.bias.iter_mut().zip(&self.variances) {
            of_layer.scale(bias);
        }
        for (l, gradient) in self.weights.iter_mut().enumerate() {
            let (below, above) = self.variances.split_at_mut(l + 1);
            let (of_visible, of_hidden) = (&mut below[l], &mut above[0]);
            let weights = machine.weights(l);
            for i in 0..weights.rows() {
                let row = gradient.row_mut(i);
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
        }
        self.variances.iter_mut().for_each(Variances::finish);
    }

    /// The centered gradient in place of the ordinary one; offsets of units with variances are in
    /// units of `v / s^2`.
    pub(super) fn center(&mut self, offsets: &[Vec<f32>]) {
        self.keep_ordinary();
        for (l, weights) in self.weights.iter_mut().enumerate() {
            let (below, above) = self.variances.split_at_mut(l + 1);
            let (of_visible, of_hidden) = (&below[l], &mut above[0]);
            let (lambda, sums) = (&mut of_hidden.offsets, &mut of_hidden.sums);
            lambda.clear();
            lambda.extend_from_slice(&offsets[l + 1]);
            sums.clear();
            sums.resize(lambda.len(), 0.0);
            let precisions = lambda.iter_mut().zip(&of_hidden.precision);
            precisions.for_each(|(x, p)| *x *= p);
            let (lower, upper) = self.bias.split_at_mut(l + 1);
            for (i, bias) in lower[l].iter_mut().enumerate() {
                let precision = of_visible.precision.get(i).copied().unwrap_or(1.0);
                let (mu, row) = (offsets[l][i] * precision, weights.row_mut(i));
                center_row(row, self.ordinary[l][i], mu, &self.ordinary[l + 1], lambda);
                *bias -= dot_f32(row, lambda);
                for (sum, g) in sums.iter_mut().zip(row) {
                    *sum += mu * *g;
                }
            }
            let all = upper[0].iter_mut().zip(sums);
            all.for_each(|(dc, sum)| *dc -= *sum);
        }
    }

    /// Shortens the gradient to the length that is allowed.
    pub(super) fn clip(&mut self, rates: Rates, learns_variances: bool) {
        let Some(clip) = rates.gradient_clip else {
            return;
        };
        let square = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        let learned = usize::from(learns_variances) * self.variances.len();
        let variances = &mut self.variances[..learned];
        let weights = self.weights.iter().map(Matrix::padded);
        let rest = self
            .bias
            .iter()
            .chain(variances.iter().map(|x| &x.gradient));
        let squares = weights.map(square).chain(rest.map(|x| square(x)));
        let norm = squares.sum::<f64>().sqrt();
        if norm > f64::from(clip) {
            let factor = (f64::from(clip) / norm) as f32;
            let weights = self.weights.iter_mut().map(Matrix::padded_mut);
            let variances = variances.iter_mut().map(|x| &mut x.gradient[..]);
            let bias = self.bias.iter_mut().map(Vec::as_mut_slice);
            for part in weights.chain(bias).chain(variances) {
                part.iter_mut().for_each(|x| *x *= factor);
            }
        }
    }
}

/// Units of the two layers of connection `l`.
fn sizes(machine: &impl Undirected, l: usize) -> (usize, usize) {
    (machine.layer(l).size(), machine.layer(l + 1).size())
}

/// Statistics of connection `l`, by look-up where that may be.
pub(super) fn statistics<'a>(
    machine: &impl Undirected,
    l: usize,
    evidence: &Evidence<'_>,
    phases: &'a Phases<'a>,
    tables: &'a mut PhaseTables,
) -> Result<Statistics<'a>> {
    let (n, m) = sizes(machine, l);
    let statistics = Statistics::new(phases.as_slice(), n, m)?;
    // The exact gradient is for machines so small that f32 is fast enough; fixed point takes states
    // in [0, 1] alone.
    let beside = &evidence.beside;
    let is_exact = beside.exact.is_some() || !beside.covariances.is_empty();
    let may_look_up = !is_exact && machine.layer(l + 1).units.are_binary();
    Ok(statistics.fastest(may_look_up, tables))
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
    fn centered_gradient_by_hand() {
        let mut whole = Whole {
            weights: vec![Matrix::from_slice(&[0.3, 0.5, -0.4, 0.8], 2, 2).unwrap()],
            bias: vec![vec![2.0, 4.0], vec![-2.0, -1.0]],
            ordinary: vec![Vec::new(); 2],
            variances: vec![Variances::default(); 2],
            ..Whole::default()
        };
        whole.center(&[vec![0.5, 0.5], vec![0.1, 0.2]]);
        let all = whole.weights[0].elements();
        let all = all.chain(whole.bias.concat());
        let expected = [1.1, 0.6, 0.2, 0.5, 1.77, 3.88, -2.65, -1.55];
        for (got, expected) in all.zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{got} for {expected}");
        }
    }
}
