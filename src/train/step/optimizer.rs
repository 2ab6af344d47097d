//! One update: from statistics to parameters.

use super::{
    averaging::Averaging,
    centering::{Centering, Offsets, TileCentre},
    constraint::{self, Sparsity},
    gradient::{Beside, Gradient, LabelGradient},
    rule::{Rates, Step, StepTile},
};
use crate::{
    error::Result,
    matrix::{Matrix, MatrixViewMut},
    model::Rbm,
    product::{Statistics, Tile, for_each_tile},
    simd::dispatch,
    train::parameters::Parameters,
};

/// What updates remember, beside the machine: all that a stored run needs to go on to the bit.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    /// Last steps, or the decayed means of the gradient of an adaptive [`Rule`](super::Rule): `s`.
    pub first: Parameters,
    /// Decayed means or maxima of the gradient's squares or magnitudes, if the rule is adaptive: `q`.
    pub second: Option<Parameters>,
    /// Offsets of the centred gradient, if there is one.
    pub offsets: Option<Offsets>,
    /// Decayed means of the hidden units under the data, if there is a sparsity target; else empty.
    pub activity: Vec<f32>,
    /// The average of the parameters, if there is to be one.
    pub average: Option<Parameters>,
}

/// What of the options shapes a gradient.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::train) struct Shaping {
    pub(in crate::train) centering: Option<Centering>,
    pub(in crate::train) sparsity: Option<Sparsity>,
    pub(in crate::train) max_norm: Option<f32>,
    pub(in crate::train) averaging: Option<Averaging>,
    /// Updates of the whole run.
    pub(in crate::train) updates: u64,
}

impl Optimizer {
    /// At rest, for a rule without memory of its own beside the steps.
    pub fn new(rbm: &Rbm) -> Self {
        Self {
            first: Parameters::zeros(rbm),
            second: None,
            offsets: None,
            activity: Vec::new(),
            average: None,
        }
    }

    /// One update along `statistics` and what is `beside` them. The weights are updated rectangle by rectangle while their statistics are in
    /// cache, unless the whole gradient is needed first.
    pub(in crate::train) fn step(
        &mut self,
        rbm: &mut Rbm,
        statistics: &Statistics<'_>,
        beside: Beside<'_>,
        rates: Rates,
        shaping: Shaping,
        gradient: &mut Gradient,
    ) -> Result<()> {
        let scaled = rbm.visible().is_scaled() || rbm.hidden().is_scaled();
        let learns_variances = rates.variance_rate > 0.0 && {
            !rbm.visible().log_variance.is_empty() || !rbm.hidden().log_variance.is_empty()
        };
        let Gradient {
            tables,
            means,
            corrections,
            whole,
        } = gradient;
        if scaled || learns_variances {
            whole.begin_variances(rbm, statistics, beside);
        }
        // The exact gradient is for machines so small that f32 is fast enough; fixed point takes states in [0, 1] alone.
        let by_look_up = beside.exact.is_none() && rbm.hidden().units.are_binary();
        whole.begin(rbm);
        let statistics = &if by_look_up {
            statistics.by_look_up(tables)
        } else {
            *statistics
        };
        let needs_means = shaping.centering.is_some() || shaping.sparsity.is_some();
        if needs_means {
            means.fill(statistics, beside, &mut whole.visible, &mut whole.hidden);
        }
        if let (Some(centering), Some(offsets)) = (shaping.centering, &mut self.offsets) {
            offsets.follow(centering, means, rates.update == 1);
        }
        let in_one_piece =
            beside.exact.is_some() || rates.gradient_clip.is_some() || scaled || learns_variances;
        if in_one_piece {
            if !needs_means {
                statistics.add_visible_sums(&mut whole.visible);
                statistics.add_hidden_sums(&mut whole.hidden);
            }
            whole.collect(statistics, beside, needs_means)?;
            if scaled || learns_variances {
                whole.scale(rbm.weights());
            }
            if let Some(offsets) = &self.offsets {
                whole.centre(offsets);
            }
            whole.clip(rates, learns_variances);
            let weights = rbm.parameters_mut().0;
            for i in 0..weights.rows() {
                dispatch(Step {
                    gradient: whole.weights.row(i),
                    first: self.first.weights[0].row_mut(i),
                    second: match &mut self.second {
                        Some(second) => second.weights[0].row_mut(i),
                        None => &mut [],
                    },
                    parameter: weights.row_mut(i),
                    rates,
                });
            }
        } else {
            let (weights, visible, hidden) = rbm.parameters_mut();
            corrections.begin(visible.len(), hidden.len());
            let (first, second) = (&mut self.first.weights[0], &mut self.second);
            let labels = beside.labels;
            let mut update = |centre| {
                let second = second.as_mut().map(|x| &mut x.weights[0]);
                update_weights(statistics, labels, weights, first, second, centre, rates);
            };
            if let Some(labels) = labels.filter(|_| needs_means) {
                labels.add_bias(&mut whole.visible);
            }
            match &self.offsets {
                None if needs_means => update(None),
                None => {
                    let sums = || {
                        statistics.add_visible_sums(&mut whole.visible);
                        statistics.add_hidden_sums(&mut whole.hidden);
                        if let Some(labels) = labels {
                            labels.add_bias(&mut whole.visible);
                        }
                    };
                    rayon::join(|| update(None), sums);
                }
                Some(offsets) => {
                    let centre = TileCentre {
                        offsets,
                        visible: &whole.visible,
                        hidden: &whole.hidden,
                        corrections,
                        at: [0, 0],
                    };
                    update(Some(centre));
                    corrections.finish(&mut whole.visible, &mut whole.hidden);
                }
            }
        }
        if let Some(sparsity) = shaping.sparsity {
            let [positive, _] = &means.hidden;
            sparsity.add(
                positive,
                &mut self.activity,
                &mut whole.hidden,
                rates.update == 1,
            );
        }
        let of_variances = Rates {
            learning_rate: rates.learning_rate * rates.variance_rate,
            ..rates
        };
        let [visible_variances, hidden_variances] = &whole.variances;
        let (first, mut second) = (&mut self.first, self.second.as_mut());
        let mut step = |gradient: &[f32],
                        parameter: &mut [f32],
                        rates: Rates,
                        part: fn(&mut Parameters) -> &mut [f32]| {
            dispatch(Step {
                gradient,
                first: part(first),
                second: second.as_deref_mut().map_or(&mut [], part),
                parameter,
                rates: rates.without_decay(),
            });
        };
        let (_, visible, hidden) = rbm.parameters_mut();
        step(&whole.visible, visible, rates, |x| &mut x.bias[0]);
        step(&whole.hidden, hidden, rates, |x| &mut x.bias[1]);
        if learns_variances {
            let (visible, hidden) = rbm.log_variances_mut();
            step(&visible_variances.gradient, visible, of_variances, |x| {
                &mut x.log_variance[0]
            });
            step(&hidden_variances.gradient, hidden, of_variances, |x| {
                &mut x.log_variance[1]
            });
        }
        if let Some(most) = shaping.max_norm {
            constraint::limit_norms(rbm.parameters_mut().0, most, &mut whole.norms);
        }
        rbm.refresh();
        if let (Some(averaging), Some(average)) = (shaping.averaging, &mut self.average) {
            averaging.add(rbm, average, rates.update, shaping.updates);
        }
        Ok(())
    }
}

/// Steps the weights rectangle by rectangle; the gradient of those of labels comes on top where rectangles meet them.
pub(in crate::train) fn update_weights(
    statistics: &Statistics<'_>,
    labels: Option<&LabelGradient>,
    weights: &mut Matrix,
    first: &mut Matrix,
    second: Option<&mut Matrix>,
    centre: Option<TileCentre<'_>>,
    rates: Rates,
) {
    let update = |mut tile: Tile<'_>,
                  [parameter, first]: [MatrixViewMut<'_>; 2],
                  second: Option<MatrixViewMut<'_>>| {
        if let Some(labels) = labels {
            labels.add_to_tile(&mut tile, [parameter.rows(), parameter.columns()]);
        }
        dispatch(StepTile {
            gradient: tile.values,
            stride: tile.stride,
            first,
            second,
            parameter,
            centre: centre.map(|centre| TileCentre {
                at: tile.at,
                ..centre
            }),
            rates,
        });
    };
    let (weights, first) = (weights.view_mut(), first.view_mut());
    match second {
        None => for_each_tile(statistics, [weights, first], &|tile, [w, s]| {
            update(tile, [w, s], None);
        }),
        Some(second) => {
            let second = second.view_mut();
            for_each_tile(statistics, [weights, first, second], &|tile, [w, s, q]| {
                update(tile, [w, s], Some(q));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{product::Phase, train::step::Rule};

    const RATES: Rates = Rates {
        rule: Rule::Momentum,
        learning_rate: 0.5,
        momentum: 0.25,
        weight_decay: 0.0,
        l1_decay: 0.0,
        gradient_clip: None,
        variance_rate: 0.0,
        update: 2,
    };

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
            let mut optimizer = Optimizer::new(&rbm);
            let rates = Rates {
                gradient_clip: clip,
                ..RATES
            };
            optimizer
                .step(
                    &mut rbm,
                    &statistics,
                    Beside::default(),
                    rates,
                    Shaping::default(),
                    &mut Gradient::default(),
                )
                .unwrap();
            (rbm, optimizer.first)
        };
        let (free, _) = run(None);
        assert_eq!(run(Some(1e9)).0, free);
        let (_, clipped) = run(Some(2.0));
        let square = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        let norm = (square(clipped.weights[0].padded())
            + square(&clipped.bias[0])
            + square(&clipped.bias[1]))
        .sqrt();
        assert!(
            (norm - 0.5 * 2.0).abs() < 1e-5,
            "learning rate 0.5 x clipped norm 2, not {norm}"
        );
    }

    /// What is beside the statistics of labels goes into rectangles as into the whole gradient, also where labels lie in two rectangles,
    /// centred or not. Sums of the centred biases have another order: 2^-24 of sums below 2^7, times some tens of additions.
    #[test]
    fn label_gradients_are_the_same_by_rectangles_and_in_one_piece() {
        let (n, m, samples) = (270, 200, 40);
        let v = crate::bits::BitMatrix::from_fn(samples, n, |i, j| (i * 5 + j * 3) % 7 < 3);
        let h = Matrix::from_fn(samples, m, |i, j| ((i * 3 + j) % 5) as f32 / 5.0);
        let dense = Matrix::from_fn(samples, n, |i, j| f32::from(v.get(i, j)));
        let labels = LabelGradient {
            first: 250,
            weights: Matrix::from_fn(20, m, |i, j| (i * 7 + j) as f32 / 100.0),
            bias: (0..20).map(|i| i as f32 / 10.0 - 0.7).collect(),
        };
        for visible in [(&v).into(), (&dense).into()] {
            for centering in [None, Some(Centering::default())] {
                let phases = [Phase {
                    visible,
                    hidden: (&h).into(),
                    weight: 1.0 / samples as f32,
                }];
                let statistics = Statistics::new(&phases, n, m).unwrap();
                let run = |gradient_clip, labels| {
                    let mut rbm = Rbm::bernoulli(n, m);
                    let mut optimizer = Optimizer::new(&rbm);
                    optimizer.offsets = centering.map(|c| Offsets::new(c, &rbm, &vec![0.4; n]));
                    let rates = Rates {
                        gradient_clip,
                        ..RATES
                    };
                    let beside = Beside {
                        labels,
                        ..Beside::default()
                    };
                    let shaping = Shaping {
                        centering,
                        ..Shaping::default()
                    };
                    let gradient = &mut Gradient::default();
                    optimizer
                        .step(&mut rbm, &statistics, beside, rates, shaping, gradient)
                        .unwrap();
                    rbm
                };
                let distance = |a: &Rbm, b: &Rbm| {
                    let all = |x: &Rbm| {
                        let biases = x.visible().bias.iter().chain(&x.hidden().bias);
                        biases.copied().chain(x.weights().elements()).collect()
                    };
                    let (a, b): (Vec<f32>, Vec<f32>) = (all(a), all(b));
                    let gaps = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
                    gaps.fold(0.0, f32::max)
                };
                let by_rectangles = run(None, Some(&labels));
                let in_one_piece = run(Some(1e9), Some(&labels));
                assert!(distance(&by_rectangles, &in_one_piece) < 1e-3);
                assert!(distance(&by_rectangles, &run(None, None)) > 0.1);
            }
        }
    }

    /// Both ways, by rectangles and in one piece, against the definition `sum_p weight_p (V_p - mu)'(H_p - lambda)` and what follows for biases.
    #[test]
    fn centred_steps_are_those_of_the_definition() {
        for (n, m, samples) in [(3, 2, 4), (150, 70, 9), (300, 200, 70)] {
            let v = Matrix::from_fn(samples, n, |i, j| f32::from((i * 5 + j * 3) % 7 < 3));
            let h = Matrix::from_fn(samples, m, |i, j| ((i * 3 + j) % 5) as f32 / 5.0);
            let model_v = Matrix::from_fn(samples, n, |i, j| f32::from((i + j * 2) % 5 < 2));
            let model_h = Matrix::from_fn(samples, m, |i, j| ((i * 2 + j) % 9) as f32 / 9.0);
            let weight = 1.0 / samples as f32;
            let phases =
                [(&v, &h, weight), (&model_v, &model_h, -weight)].map(|(v, h, weight)| Phase {
                    visible: v.into(),
                    hidden: h.into(),
                    weight,
                });
            let statistics = Statistics::new(&phases, n, m).unwrap();
            let offsets = Offsets {
                visible: (0..n).map(|i| 0.3 + 0.01 * (i % 50) as f32).collect(),
                hidden: (0..m).map(|j| 0.8 - 0.01 * (j % 60) as f32).collect(),
            };
            let mut expected = Matrix::zeros(n, m);
            let (mut db, mut dc) = (vec![0.0; n], vec![0.0; m]);
            for (v, h, weight) in [(&v, &h, weight), (&model_v, &model_h, -weight)] {
                for s in 0..samples {
                    for (i, db) in db.iter_mut().enumerate() {
                        *db += weight * v.row(s)[i];
                        let centred = weight * (v.row(s)[i] - offsets.visible[i]);
                        for j in 0..m {
                            expected.row_mut(i)[j] += centred * (h.row(s)[j] - offsets.hidden[j]);
                        }
                    }
                    for (dc, h) in dc.iter_mut().zip(h.row(s)) {
                        *dc += weight * h;
                    }
                }
            }
            for (i, db) in db.iter_mut().enumerate() {
                for (j, dc) in dc.iter_mut().enumerate() {
                    *db -= expected.row(i)[j] * offsets.hidden[j];
                    *dc -= expected.row(i)[j] * offsets.visible[i];
                }
            }
            for gradient_clip in [None, Some(1e9)] {
                let mut rbm = Rbm::bernoulli(n, m);
                let mut optimizer = Optimizer {
                    offsets: Some(offsets.clone()),
                    ..Optimizer::new(&rbm)
                };
                let rates = Rates {
                    gradient_clip,
                    learning_rate: 1.0,
                    ..RATES
                };
                let shaping = Shaping {
                    centering: Some(Centering {
                        rate: 0.0,
                        ..Centering::default()
                    }),
                    ..Shaping::default()
                };
                let (beside, gradient) = (Beside::default(), &mut Gradient::default());
                optimizer
                    .step(&mut rbm, &statistics, beside, rates, shaping, gradient)
                    .unwrap();
                // Sums of some hundred terms of order one in f32; fixed point of hidden means adds 1e-4 a sample.
                let close = |a: f32, b: f32| (a - b).abs() < 2e-3;
                let step = &optimizer.first;
                assert!(
                    step.weights[0]
                        .elements()
                        .zip(expected.elements())
                        .all(|(a, b)| close(a, b))
                );
                assert!(
                    step.bias[0].iter().zip(&db).all(|(a, b)| close(*a, *b)),
                    "{n} x {m}"
                );
                assert!(
                    step.bias[1].iter().zip(&dc).all(|(a, b)| close(*a, *b)),
                    "{n} x {m}"
                );
            }
        }
    }
}
