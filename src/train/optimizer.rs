//! Stochastic gradient ascent with momentum and decay.

use crate::{
    error::Result,
    matrix::{Matrix, MatrixViewMut},
    model::{Expectations, Kind, Layer, Rbm},
    product::{PhaseTables, Statistics, for_each_tile},
    simd::{Operation, Simd, dispatch},
};

/// Rates of one update.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    pub(super) learning_rate: f32,
    pub(super) momentum: f32,
    pub(super) weight_decay: f32,
    pub(super) l1_decay: f32,
    pub(super) gradient_clip: Option<f32>,
    /// Of log-variances, as a share of the learning rate.
    pub(super) variance_rate: f32,
}

/// The velocities: `step <- momentum * step + learning_rate * (gradient - weight_decay * W - l1_decay * sign(W))`, then
/// `W <- W + step`; biases without decay (Hinton's practical guide, sections 9 and 10).
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    /// Last step of the weights.
    pub weights: Matrix,
    /// Last step of the visible biases.
    pub visible: Vec<f32>,
    /// Last step of the hidden biases.
    pub hidden: Vec<f32>,
    /// Last step of the log-variances of the visible units; empty without Gaussian ones.
    pub visible_log_variance: Vec<f32>,
    /// Last step of the log-variances of the hidden units; empty without Gaussian ones.
    pub hidden_log_variance: Vec<f32>,
}

/// Parts of a gradient beside the statistics.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beside<'a> {
    /// Expectations of the model, to be subtracted with this weight.
    pub(super) exact: Option<(&'a Expectations, f32)>,
    /// What the discriminative gradient adds to the weights and biases of the labels.
    pub(super) labels: Option<&'a LabelGradient>,
}

/// A gradient of the rows of the weights and of the biases from unit `first` on.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelGradient {
    pub(super) first: usize,
    pub(super) weights: Matrix,
    pub(super) bias: Vec<f32>,
}

/// Gradients that must be seen whole before a step: buffers kept between updates.
#[derive(Clone, Debug, Default)]
pub(super) struct Gradient {
    weights: Option<Matrix>,
    visible: Vec<f32>,
    hidden: Vec<f32>,
    variances: [Variances; 2],
    tables: PhaseTables,
}

/// Of the Gaussian units of a layer.
#[derive(Clone, Debug, Default)]
struct Variances {
    /// `1 / s^2` of every unit; empty without Gaussian ones.
    precision: Vec<f32>,
    /// First sums of `(v - b)^2`, then the gradient of `ln s^2`.
    gradient: Vec<f32>,
    /// 1 for Gaussian units, 0 for others.
    gaussian: Vec<f32>,
}

impl Optimizer {
    /// At rest.
    pub fn new(n_visible: usize, n_hidden: usize) -> Self {
        Self {
            weights: Matrix::zeros(n_visible, n_hidden),
            visible: vec![0.0; n_visible],
            hidden: vec![0.0; n_hidden],
            visible_log_variance: Vec::new(),
            hidden_log_variance: Vec::new(),
        }
    }

    /// At rest, for all parameters of `rbm`.
    pub fn of(rbm: &Rbm) -> Self {
        Self {
            visible_log_variance: vec![0.0; rbm.visible().log_variance.len()],
            hidden_log_variance: vec![0.0; rbm.hidden().log_variance.len()],
            ..Self::new(rbm.n_visible(), rbm.n_hidden())
        }
    }

    /// One update along `statistics` and what is `beside` them. The weights are updated panel by panel while their statistics are in
    /// cache, unless the whole gradient is needed first.
    pub(super) fn step(
        &mut self,
        rbm: &mut Rbm,
        statistics: &Statistics<'_>,
        beside: Beside<'_>,
        mut rates: Rates,
        gradient: &mut Gradient,
    ) -> Result<()> {
        let scaled = rbm.visible().is_scaled() || rbm.hidden().is_scaled();
        let learns_variances = rates.variance_rate > 0.0 && {
            !rbm.visible().log_variance.is_empty() || !rbm.hidden().log_variance.is_empty()
        };
        if scaled || learns_variances {
            gradient.begin_variances(rbm, statistics, beside);
        }
        // The exact gradient is for machines so small that f32 is fast enough; fixed point takes states in [0, 1] alone.
        let by_look_up = beside.exact.is_none() && rbm.hidden().units.are_binary();
        let (weights, visible, hidden) = rbm.parameters_mut();
        gradient.visible.clear();
        gradient.visible.resize(visible.len(), 0.0);
        gradient.hidden.clear();
        gradient.hidden.resize(hidden.len(), 0.0);
        let statistics = &if by_look_up {
            statistics.by_look_up(&mut gradient.tables)
        } else {
            *statistics
        };
        let (of_visible, of_hidden) = (&mut gradient.visible, &mut gradient.hidden);
        let mut sums = || {
            statistics.add_visible_sums(of_visible);
            statistics.add_hidden_sums(of_hidden);
        };
        let whole = beside.exact.is_some()
            || beside.labels.is_some()
            || rates.gradient_clip.is_some()
            || scaled
            || learns_variances;
        if !whole {
            let targets = [weights.view_mut(), self.weights.view_mut()];
            let update = |tile: &[f32], stride: usize, [w, step]: [MatrixViewMut<'_>; 2]| {
                dispatch(StepTile {
                    gradient: tile,
                    stride,
                    step,
                    parameter: w,
                    rates,
                });
            };
            rayon::join(|| for_each_tile(statistics, targets, &update), sums);
        } else {
            sums();
            let shape = (weights.rows(), weights.columns());
            let whole = gradient
                .weights
                .get_or_insert_with(|| Matrix::zeros(shape.0, shape.1));
            statistics.write_to(whole)?;
            if let Some((exact, weight)) = beside.exact {
                for (g, x) in whole.padded_mut().iter_mut().zip(exact.weights.padded()) {
                    *g -= weight * x;
                }
                subtract(&mut gradient.visible, weight, &exact.visible);
                subtract(&mut gradient.hidden, weight, &exact.hidden);
            }
            if let Some(labels) = beside.labels {
                for (k, bias) in labels.bias.iter().enumerate() {
                    let i = labels.first + k;
                    gradient.visible[i] += bias;
                    let row = whole.row_mut(i).iter_mut().zip(labels.weights.row(k));
                    row.for_each(|(g, x)| *g += x);
                }
            }
            if scaled || learns_variances {
                let [of_visible, of_hidden] = &mut gradient.variances;
                of_visible.scale(&mut gradient.visible);
                of_hidden.scale(&mut gradient.hidden);
                for i in 0..shape.0 {
                    let row = whole.row_mut(i);
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
            if scaled || learns_variances {
                gradient.variances.iter_mut().for_each(Variances::finish);
            }
            if let Some(clip) = rates.gradient_clip {
                let square = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
                let [of_visible, of_hidden] = &mut gradient.variances;
                let mut parts = [
                    whole.padded_mut(),
                    &mut gradient.visible[..],
                    &mut gradient.hidden[..],
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
            for i in 0..shape.0 {
                let (step, parameter) = (self.weights.row_mut(i), weights.row_mut(i));
                dispatch(Step {
                    gradient: whole.row(i),
                    step,
                    parameter,
                    rates,
                });
            }
        }
        rates.weight_decay = 0.0;
        rates.l1_decay = 0.0;
        dispatch(Step {
            gradient: &gradient.visible,
            step: &mut self.visible,
            parameter: visible,
            rates,
        });
        dispatch(Step {
            gradient: &gradient.hidden,
            step: &mut self.hidden,
            parameter: hidden,
            rates,
        });
        if learns_variances {
            rates.learning_rate *= rates.variance_rate;
            let (visible, hidden) = rbm.log_variances_mut();
            let [of_visible, of_hidden] = &gradient.variances;
            for (gradient, step, parameter) in [
                (of_visible, &mut self.visible_log_variance, visible),
                (of_hidden, &mut self.hidden_log_variance, hidden),
            ] {
                dispatch(Step {
                    gradient: &gradient.gradient,
                    step,
                    parameter,
                    rates,
                });
            }
        }
        rbm.refresh();
        Ok(())
    }
}

impl Gradient {
    /// Precisions, and `sum (v - b)^2 / (2 s^2)` over the phases, which is what the gradient of `ln s^2` starts from:
    /// `-dE / d ln s_i^2 = (v_i - b_i)^2 / (2 s_i^2) - v_i / s_i^2 (W h~)_i`. The second part is the row sum of `W` times the gradient of `W`.
    fn begin_variances(&mut self, rbm: &Rbm, statistics: &Statistics<'_>, beside: Beside<'_>) {
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

/// The rule on a rectangle of weights.
struct StepTile<'a> {
    gradient: &'a [f32],
    /// Floats between the gradient's rows.
    stride: usize,
    step: MatrixViewMut<'a>,
    parameter: MatrixViewMut<'a>,
    rates: Rates,
}

impl Operation for StepTile<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for i in 0..self.parameter.rows() {
            let parameter = self.parameter.row_mut(i);
            let step = Step {
                gradient: &self.gradient[i * self.stride..][..parameter.len()],
                step: self.step.row_mut(i),
                parameter,
                rates: self.rates,
            };
            step.run(s);
        }
    }
}

/// The rule on a slice of parameters. Multiplications and additions round separately, so every instruction set gives the same
/// bits.
struct Step<'a> {
    gradient: &'a [f32],
    step: &'a mut [f32],
    parameter: &'a mut [f32],
    rates: Rates,
}

impl Operation for Step<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Rates {
            learning_rate,
            momentum,
            weight_decay,
            l1_decay,
            ..
        } = self.rates;
        let all = self
            .parameter
            .iter_mut()
            .zip(self.step.iter_mut())
            .zip(self.gradient);
        if l1_decay == 0.0 {
            for ((w, step), g) in all {
                *step = momentum * *step + learning_rate * (g - weight_decay * *w);
                *w += *step;
            }
        } else {
            for ((w, step), g) in all {
                let sign = if *w == 0.0 { 0.0 } else { w.signum() };
                *step =
                    momentum * *step + learning_rate * (g - weight_decay * *w - l1_decay * sign);
                *w += *step;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        product::Phase,
        simd::{Isa, dispatch_on},
    };

    const RATES: Rates = Rates {
        learning_rate: 0.5,
        momentum: 0.25,
        weight_decay: 0.125,
        l1_decay: 0.0625,
        gradient_clip: None,
        variance_rate: 0.0,
    };

    #[test]
    fn rule_by_hand_on_every_isa() {
        for isa in Isa::available() {
            let (mut w, mut step) = (vec![2.0, -4.0, 0.0], vec![1.0, 0.0, 2.0]);
            let gradient = [1.0, 1.0, -1.0];
            dispatch_on(
                isa,
                Step {
                    gradient: &gradient,
                    step: &mut step,
                    parameter: &mut w,
                    rates: RATES,
                },
            );
            assert_eq!(
                step,
                [
                    0.25 + 0.5 * (1.0 - 0.25 - 0.0625),
                    0.5 * (1.0 + 0.5 + 0.0625),
                    0.5 - 0.5
                ]
            );
            assert_eq!(w, [2.0 + step[0], -4.0 + step[1], step[2]]);
        }
    }

    #[test]
    fn clipping_shortens_the_gradient_and_else_changes_nothing() {
        let v = Matrix::from_fn(4, 150, |i, j| ((i + j) % 3) as f32);
        let h = Matrix::from_fn(4, 70, |i, j| ((i * j) % 5) as f32);
        let phases = [Phase {
            visible: (&v).into(),
            hidden: (&h).into(),
            weight: 0.25,
        }];
        let statistics = Statistics::new(&phases, 150, 70).unwrap();
        let run = |clip| {
            let mut rbm = Rbm::bernoulli(150, 70);
            let mut optimizer = Optimizer::new(150, 70);
            let rates = Rates {
                gradient_clip: clip,
                weight_decay: 0.0,
                l1_decay: 0.0,
                ..RATES
            };
            optimizer
                .step(
                    &mut rbm,
                    &statistics,
                    Beside::default(),
                    rates,
                    &mut Gradient::default(),
                )
                .unwrap();
            (rbm, optimizer)
        };
        let (free, _) = run(None);
        assert_eq!(run(Some(1e9)).0, free);
        let (_, clipped) = run(Some(2.0));
        let square = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        let norm =
            (square(clipped.weights.padded()) + square(&clipped.visible) + square(&clipped.hidden))
                .sqrt();
        assert!(
            (norm - 0.5 * 2.0).abs() < 1e-5,
            "learning rate 0.5 x clipped norm 2, not {norm}"
        );
    }
}
