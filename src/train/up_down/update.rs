//! One update of the up-down algorithm: wake, sweeps of the top pair, sleep, steps.

use super::{UpDownLearner, shaping, top::OfTop};
use crate::{
    bits::BitMatrix,
    error::Result,
    matrix::Matrix,
    model::layer_draws,
    product::{Phase, Tail},
    rng::{Draws, MAX_STEP, Site},
    states::Input,
    train::{
        Schedule,
        negative::delta::{self, to_error},
        run::{At, Batch, Done},
        step::{
            evidence::{Beside, Evidence, Moments, Phases},
            gradient::shortened,
            rule::Rates,
        },
    },
};

impl UpDownLearner {
    /// States of every layer given the data.
    pub(super) fn wake_phase(&mut self, batch: &Batch<'_>, at: &At) -> Result<()> {
        let (rows, seed, update) = (batch.len(), self.options.learning.seed, at.updates());
        for (l, pair) in self.dbn.directed().iter().enumerate() {
            let (below, above) = self.wake.split_at_mut(l);
            let x = match below.last() {
                Some(x) => x.view_rows(0..rows).into(),
                None => batch.states,
            };
            let draws = layer_draws(seed, Site::Wake, update, l + 1);
            let tail = sampled(&mut above[0], rows, draws);
            pair.above_from_below(x, tail, &mut self.buffers)?;
        }
        let [v, h] = &mut self.positive;
        let features = &self.wake[self.wake.len() - 1];
        for s in 0..rows {
            v.copy_first_columns(s, features.view(), s);
            if let (Some(group), Some(labels)) = (self.dbn.label_group(), batch.labels) {
                v.set(s, group.first + labels[s] as usize, true);
            }
        }
        let draws = layer_draws(seed, Site::Wake, update, self.wake.len() + 1);
        let tail = sampled(h, rows, draws);
        let v = v.view_rows(0..rows);
        self.dbn
            .top()
            .hidden_from_visible(v.into(), tail, &mut self.buffers)
    }

    /// The sweeps of the top pair.
    pub(super) fn memory(&mut self, rows: usize, at: &At) -> Result<()> {
        let steps = self.options.steps.at(at.time(), at.epochs);
        let steps = steps.ceil().max(1.0) as u64;
        let (first, seed) = (at.updates() << 12, self.options.learning.seed);
        debug_assert!(first + 2 * steps <= MAX_STEP);
        let top = self.dbn.top();
        let [v, h] = &mut self.negative;
        for k in 0..steps {
            let from = if k == 0 { &self.positive[1] } else { &*h };
            let draws = Draws::new(seed, Site::Memory, first + 2 * k);
            let tail = sampled(v, rows, draws);
            top.visible_from_hidden(from.view_rows(0..rows).into(), tail, &mut self.buffers)?;
            let draws = Draws::new(seed, Site::Memory, first + 2 * k + 1);
            let tail = sampled(h, rows, draws);
            top.hidden_from_visible(v.view_rows(0..rows).into(), tail, &mut self.buffers)?;
        }
        Ok(())
    }

    /// States of every layer given the end of the sweeps.
    pub(super) fn sleep_phase(&mut self, rows: usize, at: &At) -> Result<()> {
        let (seed, update) = (self.options.learning.seed, at.updates());
        let last = self.dbn.directed().len();
        for s in 0..rows {
            self.sleep[last].copy_first_columns(s, self.negative[0].view(), s);
        }
        for (l, pair) in self.dbn.directed().iter().enumerate().rev() {
            let (below, above) = self.sleep.split_at_mut(l + 1);
            let draws = layer_draws(seed, Site::Sleep, update, l);
            let tail = sampled(&mut below[l], rows, draws);
            let h = above[0].view_rows(0..rows);
            pair.below_from_above(h.into(), tail, &mut self.buffers)?;
        }
        Ok(())
    }

    /// The sweeps of the top pair or what there is in their place, the sleep phase, and steps of
    /// all parameters; those of the states' own directions stayed as they were until here.
    pub(super) fn learn(&mut self, batch: &Batch<'_>, at: &At, of_top: OfTop<'_>) -> Result<Done> {
        let rows = batch.len();
        match &of_top {
            OfTop::Stopped => return Ok(Done::Stopped),
            OfTop::States(phase) => {
                for row in 0..rows {
                    if let Input::Bits(v) = phase.visible {
                        self.negative[0].copy_row(row, v, row % v.rows());
                    }
                }
            }
            OfTop::None | OfTop::Exact(_) => self.memory(rows, at)?,
        }
        self.sleep_phase(rows, at)?;
        let [generative, recognition, mut rates] = self.rates(at);
        let weighing = Weighing::of(batch, &of_top);
        let factor = match rates.gradient_clip.take() {
            None => 1.0,
            Some(most) => shortened(most, self.square(batch, &of_top, weighing)?),
        };
        let shaping = shaping(&self.options.learning, at.updates_in_all());
        for l in 0..self.pairs.len() {
            // Wake: the lower layer predicted from the upper one. Sleep: the reverse.
            for (is_wake, rates) in [(true, generative), (false, recognition)] {
                self.predict(l, is_wake, batch)?;
                let (pairs, memory) = (self.dbn.parts_mut().0, &mut self.pairs[l]);
                let error = &self.errors[l + usize::from(!is_wake)];
                let source = if is_wake {
                    &self.wake[l]
                } else {
                    &self.sleep[l]
                };
                let mut phase = weighing.phase(source.view_rows(0..rows).into(), error, is_wake);
                phase.weight *= factor;
                let (optimizer, parameters) = match is_wake {
                    true => (&mut memory.generative, pairs[l].generative_to_step()),
                    false => (
                        &mut memory.recognition,
                        Some(pairs[l].recognition_to_step()),
                    ),
                };
                if let Some(parameters) = parameters {
                    let (how, gradient) = ((rates, shaping), &mut self.gradient);
                    optimizer.step_directed(0, parameters, phase, true, how, gradient)?;
                }
            }
            self.dbn.parts_mut().0[l].refresh();
        }
        let (phases, n) = of_top_pair(
            &self.positive,
            &self.negative,
            rows,
            (factor, weighing),
            &of_top,
        );
        let phases = |_| Phases::new(phases, n);
        let exact = match &of_top {
            OfTop::Exact(expected) => Some((Moments::Rbm(expected), factor * weighing.mass)),
            _ => None,
        };
        let evidence = Evidence {
            counts: false,
            phases: &phases,
            beside: Beside {
                exact,
                ..Beside::default()
            },
            paired: false,
        };
        let (top, gradient) = (self.dbn.parts_mut().1, &mut self.gradient);
        self.optimizer
            .step(top, evidence, rates, shaping, gradient)?;
        if let Some(fast) = &mut self.fast {
            fast.step(top, evidence, gradient)?;
        }
        Ok(Done::Updated)
    }

    /// What the prediction of a layer of pair `l` by the other lacks, into its errors: of the lower
    /// one by states of the wake phase, of the upper one by those of the sleep phase.
    fn predict(&mut self, l: usize, is_wake: bool, batch: &Batch<'_>) -> Result<()> {
        let (rows, pair) = (batch.len(), &self.dbn.directed()[l]);
        if is_wake {
            let target = match l {
                0 => batch.states,
                _ => self.wake[l - 1].view_rows(0..rows).into(),
            };
            let source = self.wake[l].view_rows(0..rows).into();
            let error = &mut self.errors[l];
            pair.below_from_above(source, mean(error, rows), &mut self.buffers)?;
            to_error(target, error);
        } else {
            let [source, target] =
                [l, l + 1].map(|l| Input::from(self.sleep[l].view_rows(0..rows)));
            let error = &mut self.errors[l + 1];
            pair.above_from_below(source, mean(error, rows), &mut self.buffers)?;
            to_error(target, error);
        }
        Ok(())
    }

    /// The square of the norm of the whole gradient.
    fn square(
        &mut self,
        batch: &Batch<'_>,
        of_top: &OfTop<'_>,
        weighing: Weighing<'_>,
    ) -> Result<f64> {
        let (rows, mut square) = (batch.len(), 0.0);
        for l in 0..self.pairs.len() {
            for is_wake in [true, false] {
                self.predict(l, is_wake, batch)?;
                let error = &self.errors[l + usize::from(!is_wake)];
                let source = if is_wake {
                    &self.wake[l]
                } else {
                    &self.sleep[l]
                };
                let phase = weighing.phase(source.view_rows(0..rows).into(), error, is_wake);
                square += self.gradient.square(&[phase], false)?;
            }
        }
        let (phases, n) = of_top_pair(
            &self.positive,
            &self.negative,
            rows,
            (1.0, weighing),
            of_top,
        );
        Ok(square + self.gradient.square(&phases[..n], true)?)
    }

    /// Of the generative, the recognition and the top weights.
    fn rates(&self, at: &At) -> [Rates; 3] {
        let of = |rate: &Schedule| Rates {
            learning_rate: rate
                .at(at.time(), at.epochs)
                .max(self.options.learning.least_rate),
            ..at.rates
        };
        let options = &self.options;
        [
            of(&options.generative_rate),
            of(&options.recognition_rate),
            at.rates,
        ]
    }
}

/// What examples weigh, and the states that stand beside them.
#[derive(Clone, Copy)]
struct Weighing<'a> {
    /// Of the states that start at the examples.
    of_rows: Option<&'a [f32]>,
    /// Whether the fantasies do not.
    is_free: bool,
    /// Of states that do not: what the minibatch weighs.
    mass: f32,
}

impl<'a> Weighing<'a> {
    fn of(batch: &Batch<'a>, of_top: &OfTop<'_>) -> Self {
        Self {
            of_rows: batch.weights,
            is_free: matches!(of_top, OfTop::States(_)),
            mass: batch.weight(),
        }
    }

    /// The phase of a directed connection, of the wake or of the sleep phase.
    fn phase(self, source: Input<'a>, error: &'a Matrix, is_wake: bool) -> Phase<'a> {
        if is_wake || !self.is_free {
            return delta::phase(source, error, self.of_rows);
        }
        let mut phase = delta::phase(source, error, None);
        phase.weight *= self.mass;
        phase
    }
}

/// Phases of the top pair, weights times `factor`, and how many they are.
fn of_top_pair<'a>(
    positive: &'a [BitMatrix; 2],
    negative: &'a [BitMatrix; 2],
    rows: usize,
    (factor, weighing): (f32, Weighing<'a>),
    of_top: &OfTop<'a>,
) -> ([Phase<'a>; 3], usize) {
    let weight = 1.0 / rows as f32;
    let phases = [(positive, weight), (negative, -weight)];
    let [positive, mut negative] = phases.map(|([v, h], weight)| {
        Phase::new(
            v.view_rows(0..rows).into(),
            h.view_rows(0..rows).into(),
            weight * factor,
        )
        .weighted(weighing.of_rows)
    });
    let mut n = 2;
    match of_top {
        OfTop::States(phase) => {
            negative = *phase;
            negative.weight *= factor * weighing.mass;
        }
        OfTop::Exact(_) => n = 1,
        OfTop::None | OfTop::Stopped => {}
    }
    ([positive, negative, negative], n)
}

fn sampled(x: &mut BitMatrix, rows: usize, draws: Draws) -> Tail<'_> {
    Tail {
        sample: Some((x.view_rows_mut(0..rows), draws)),
        ..Tail::new(1.0)
    }
}

fn mean(x: &mut Matrix, rows: usize) -> Tail<'_> {
    Tail {
        mean: Some(x.view_rows_mut(0..rows)),
        ..Tail::new(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Done, UpDownOptions},
        *,
    };
    use crate::{
        dataset::Examples,
        model::{Dbn, Directed, Layer, Rbm},
        product::Propagation,
        train::{Learning, Parameters, UpDownTraining},
    };

    const ROWS: usize = 200;
    const SIZES: [usize; 4] = [130, 70, 64, 90];

    fn weight(i: usize, j: usize) -> f32 {
        ((i * 7 + j * 13) % 19) as f32 / 60.0 - 0.15
    }

    fn network() -> Dbn {
        let pair = |l: usize| {
            let layer = |n: usize| Layer {
                bias: (0..n).map(|i| weight(i, l)).collect(),
                ..Layer::bernoulli(n)
            };
            let weights = Matrix::from_fn(SIZES[l], SIZES[l + 1], weight);
            let (below, above) = (layer(SIZES[l]), layer(SIZES[l + 1]));
            Directed::new(below, above, weights, None).unwrap()
        };
        let top = Rbm::from_parameters(
            [vec![0.1; 64], vec![-0.1; 90]],
            [Matrix::from_fn(64, 90, weight)],
        );
        Dbn::from_parts(vec![pair(0), pair(1)], top.unwrap()).unwrap()
    }

    /// Exact means of the layer above `x`, or below it.
    fn mean_of(pair: &Directed, x: &Matrix, up: bool) -> Matrix {
        let layer = if up { pair.above() } else { pair.below() };
        let mut out = Matrix::zeros(ROWS, layer.size());
        let tail = Tail {
            mean: Some(out.view_mut()),
            precise: true,
            ..Tail::new(1.0)
        };
        let buffers = &mut Propagation::default();
        match up {
            true => pair.above_from_below(x.into(), tail, buffers).unwrap(),
            false => pair.below_from_above(x.into(), tail, buffers).unwrap(),
        }
        out
    }

    /// Predictions by look-up are off by up to half a step of each active input, 70 of 2^-14 or so;
    /// sums in fixed point by less than 2^-8 of an example each, without bias.
    fn assert_step(velocity: &Parameters, source: &Matrix, target: &Matrix, mean: &Matrix) {
        let error = |s: usize, j: usize| target.row(s)[j] - mean.row(s)[j];
        for i in 0..source.columns() {
            for j in 0..target.columns() {
                let sum: f32 = (0..ROWS).map(|s| source.row(s)[i] * error(s, j)).sum();
                let (found, expected) = (velocity.weights[0].row(i)[j], sum / ROWS as f32);
                assert!((found - expected).abs() < 2e-3, "{found} for {expected}");
            }
        }
        for (j, found) in velocity.bias[1].iter().enumerate() {
            let sum: f32 = (0..ROWS).map(|s| error(s, j)).sum();
            assert!((found - sum / ROWS as f32).abs() < 2e-3);
        }
    }

    /// Steps by look-up against plain sums over the states that were drawn.
    #[test]
    fn steps_are_those_of_the_states_at_hand() {
        let dbn = network();
        let bits = BitMatrix::from_fn(ROWS, 130, |i, j| (i * 3 + j * 5 + i * j) % 7 < 3);
        let data = Examples::new(bits).unwrap();
        let one = || Schedule::Constant(1.0);
        let options = UpDownOptions {
            generative_rate: one(),
            recognition_rate: one(),
            learning: Learning {
                batch_size: ROWS,
                learning_rate: one(),
                ..UpDownOptions::default().learning
            },
            ..UpDownOptions::default()
        };
        let mut run = UpDownTraining::new(dbn.clone(), options, &data).unwrap();
        assert_eq!(run.update(&data).unwrap(), Done::Updated);
        let v = run.minibatch.input();
        let run = &run.learner;
        for (l, pair) in dbn.directed().iter().enumerate() {
            let target = match l {
                0 => v.to_matrix(),
                _ => run.wake[l - 1].to_matrix(),
            };
            let source = run.wake[l].to_matrix();
            let velocity = &run.pairs[l];
            let mean = mean_of(pair, &source, false);
            assert_step(&velocity.generative.first, &source, &target, &mean);
            let (source, target) = (run.sleep[l].to_matrix(), run.sleep[l + 1].to_matrix());
            let mean = mean_of(pair, &source, true);
            assert_step(&velocity.recognition.first, &source, &target, &mean);
        }
        let [positive, negative] =
            [&run.positive, &run.negative].map(|x| [x[0].to_matrix(), x[1].to_matrix()]);
        for i in 0..64 {
            for j in 0..90 {
                let of = |[v, h]: &[Matrix; 2]| {
                    (0..ROWS).map(|s| v.row(s)[i] * h.row(s)[j]).sum::<f32>()
                };
                let expected = (of(&positive) - of(&negative)) / ROWS as f32;
                let found = run.optimizer.first.weights[0].row(i)[j];
                assert!((found - expected).abs() < 1e-5);
            }
        }
        assert_eq!(run.sleep[2], run.negative[0]);
        assert_eq!(run.wake[1], run.positive[0]);
    }
}
