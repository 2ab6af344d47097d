//! Stochastic gradient ascent with momentum and decay.

use crate::{
    error::Result,
    matrix::{Matrix, MatrixViewMut},
    model::{Expectations, Rbm},
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
}

/// Gradients that must be seen whole before a step: buffers kept between updates.
#[derive(Clone, Debug, Default)]
pub(super) struct Gradient {
    weights: Option<Matrix>,
    visible: Vec<f32>,
    hidden: Vec<f32>,
    tables: PhaseTables,
}

impl Optimizer {
    /// At rest.
    pub fn new(n_visible: usize, n_hidden: usize) -> Self {
        Self {
            weights: Matrix::zeros(n_visible, n_hidden),
            visible: vec![0.0; n_visible],
            hidden: vec![0.0; n_hidden],
        }
    }

    /// One update along `statistics`, from which the `exact` expectations of the model are subtracted if given. The weights are
    /// updated panel by panel while their statistics are in cache, unless the whole gradient is needed first.
    pub(super) fn step(
        &mut self,
        rbm: &mut Rbm,
        statistics: &Statistics<'_>,
        exact: Option<&Expectations>,
        mut rates: Rates,
        gradient: &mut Gradient,
    ) -> Result<()> {
        let (weights, visible, hidden) = rbm.parameters_mut();
        gradient.visible.clear();
        gradient.visible.resize(visible.len(), 0.0);
        gradient.hidden.clear();
        gradient.hidden.resize(hidden.len(), 0.0);
        // The exact gradient is for machines so small that f32 is fast enough.
        let statistics = &match exact {
            Some(_) => *statistics,
            None => statistics.by_look_up(&mut gradient.tables),
        };
        let (of_visible, of_hidden) = (&mut gradient.visible, &mut gradient.hidden);
        let mut sums = || {
            statistics.add_visible_sums(of_visible);
            statistics.add_hidden_sums(of_hidden);
        };
        if exact.is_none() && rates.gradient_clip.is_none() {
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
            if let Some(exact) = exact {
                for (g, x) in whole.padded_mut().iter_mut().zip(exact.weights.padded()) {
                    *g -= x;
                }
                subtract(&mut gradient.visible, &exact.visible);
                subtract(&mut gradient.hidden, &exact.hidden);
            }
            if let Some(clip) = rates.gradient_clip {
                let square = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
                let norm =
                    (square(whole.padded()) + square(&gradient.visible) + square(&gradient.hidden))
                        .sqrt();
                if norm > f64::from(clip) {
                    let factor = (f64::from(clip) / norm) as f32;
                    for part in [
                        whole.padded_mut(),
                        &mut gradient.visible,
                        &mut gradient.hidden,
                    ] {
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
        rbm.refresh();
        Ok(())
    }
}

fn subtract(from: &mut [f32], x: &[f64]) {
    from.iter_mut()
        .zip(x)
        .for_each(|(a, b)| *a = (f64::from(*a) - b) as f32);
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
                .step(&mut rbm, &statistics, None, rates, &mut Gradient::default())
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
