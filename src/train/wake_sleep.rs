//! The up-down algorithm: wake-sleep whose top pair learns by contrastive divergence (Hinton, Osindero and Teh 2006, appendix B).
//!
//! ```text
//! wake    v = data -> h_1 ~ q -> ... -> h_{L-1} ~ q, with the label -> h_L                    one stochastic pass up
//! memory  k sweeps of the top pair from h_L                                              statistics: first minus last
//! sleep   h_{L-1} of the last sweep -> ... -> h_1 ~ p -> v ~ p                              one stochastic pass down
//! learn   W_l, b_l:      h_{l+1}' (h_l - E_p[h_l | h_{l+1}])            states of the wake phase      ascends E_q ln p
//!         R_l, r_{l+1}:  h_l' (h_{l+1} - E_q[h_{l+1} | h_l])            states of the sleep phase     ascends E_p ln q
//! ```
//!
//! Where the appendix passes means of the label and of the lowest layer on, states are drawn here: both are then exact samples and all products
//! behind the first are of bits. Grey data stay as they are (or are drawn anew with [`UpDownOptions::resample_data`]). Steps are means over the
//! minibatch.

use super::{
    Optimizer, Schedule,
    delta::{Delta, Velocity, to_error},
    gradient::{Beside, Gradient},
    minibatch::{Minibatch, order_into},
    optimizer::Shaping,
    rule::{Rates, Rule},
    trainer::Position,
};
use crate::{
    bits::BitMatrix,
    dataset::{Examples, Values},
    error::{Error, Result},
    matrix::Matrix,
    model::{Dbn, layer_draws},
    product::{Input, Phase, Propagation, Statistics, Tail, in_pool, warm_up},
    rng::{Draws, MAX_STEP, Site},
};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// Most sweeps of the top pair in an update: half sweeps are numbered by 12 bits.
pub const MAX_MEMORY_STEPS: usize = 2000;

/// Options of the up-down algorithm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpDownOptions {
    /// Passes over the data.
    pub epochs: usize,
    /// Examples an update.
    pub batch_size: usize,
    /// Sweeps of the top pair in each update, over the epochs: `at:0=3,100=6,200=10` in the paper. Rounded up, at least 1.
    pub steps: Schedule,
    /// Step size of the directed generative weights.
    pub generative_rate: Schedule,
    /// Step size of the recognition weights.
    pub recognition_rate: Schedule,
    /// Step size of the top pair.
    pub top_rate: Schedule,
    /// Share of the last step that is repeated.
    pub momentum: Schedule,
    /// Factor of `-W` in the gradient of all weights (L2).
    pub weight_decay: f32,
    /// Grey data: draw binary states anew at each visit instead of taking the values as probabilities.
    pub resample_data: bool,
    /// Seed of every choice and draw.
    pub seed: u64,
}

impl Default for UpDownOptions {
    fn default() -> Self {
        let rate = || Schedule::Linear {
            from: 0.05,
            to: 0.0,
        };
        Self {
            epochs: 100,
            batch_size: 100,
            steps: Schedule::Constant(3.0),
            generative_rate: rate(),
            recognition_rate: rate(),
            top_rate: rate(),
            momentum: Schedule::Constant(0.0),
            weight_decay: 0.0,
            resample_data: false,
            seed: 0,
        }
    }
}

impl UpDownOptions {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the option.
    pub fn check(&self) -> Result<()> {
        if self.batch_size == 0 {
            return Err(Error::parameter("batch size", "at least 1", 0));
        }
        for (name, rate, limit) in [
            ("generative rate", &self.generative_rate, f32::INFINITY),
            ("recognition rate", &self.recognition_rate, f32::INFINITY),
            ("top rate", &self.top_rate, f32::INFINITY),
            ("momentum", &self.momentum, 1.0),
            ("steps", &self.steps, f32::INFINITY),
        ] {
            rate.check(name, limit)?;
        }
        if self.steps.most() > MAX_MEMORY_STEPS as f32 {
            let most = format!("at most {MAX_MEMORY_STEPS}");
            return Err(Error::parameter("steps", most, &self.steps));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            let expected = "a finite number of at least 0";
            return Err(Error::parameter(
                "weight decay",
                expected,
                self.weight_decay,
            ));
        }
        Ok(())
    }
}

/// What updates remember of one directed pair.
#[derive(Clone, Debug, PartialEq)]
pub struct PairVelocity {
    /// Of `W'` and of the lower layer's bias.
    pub generative: Velocity,
    /// Of `R` and of the upper layer's bias.
    pub recognition: Velocity,
}

/// What a run of the up-down algorithm needs to go on to the bit, apart from the network.
#[derive(Clone, Debug, PartialEq)]
pub struct UpDownState {
    /// Options of the run.
    pub options: UpDownOptions,
    /// Of the directed pairs, lowest first.
    pub pairs: Vec<PairVelocity>,
    /// Of the top pair.
    pub top: Optimizer,
    /// Updates done.
    pub updates: u64,
    /// Examples of the data that the run is on.
    pub examples: usize,
}

impl UpDownState {
    /// Before the first update.
    pub fn new(dbn: &Dbn, options: UpDownOptions, examples: usize) -> Self {
        let pairs = dbn.directed().iter().map(|pair| {
            let (n, m) = (pair.below().size(), pair.above().size());
            PairVelocity {
                generative: Velocity::zeros(m, n),
                recognition: Velocity::zeros(n, m),
            }
        });
        Self {
            options,
            pairs: pairs.collect(),
            top: Optimizer::new(dbn.top()),
            updates: 0,
            examples,
        }
    }
}

/// What the observer of a run is told; it stops the run by breaking.
#[derive(Debug)]
pub enum UpDownEvent<'a> {
    /// An update is done.
    Update(&'a UpDown),
    /// An epoch is done, after its last update.
    Epoch(&'a UpDown),
}

/// A run of the up-down algorithm: the network and all that its future depends on.
///
/// ```
/// # use harmonium::{dataset, model::{Dbn, Rbm}, train::{UpDown, UpDownOptions}};
/// let data = dataset::bars_and_stripes(3).binarized(Default::default(), 0, 0);
/// let dbn = Dbn::bernoulli(&[9, 6, 4])?;
/// let options = UpDownOptions { epochs: 2, batch_size: 8, ..UpDownOptions::default() };
/// let mut run = UpDown::new(dbn, options, &data)?;
/// let _ = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
/// assert!(!run.into_dbn().is_tied());
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct UpDown {
    dbn: Dbn,
    state: UpDownState,
    minibatch: Minibatch,
    /// Classes of the minibatch.
    labels: Vec<u8>,
    order: Vec<u32>,
    ordered: Option<u64>,
    /// States of the layers `1 ..= L-1`, without the label.
    wake: Vec<BitMatrix>,
    /// States of the layers `0 ..= L-1`, without the label.
    sleep: Vec<BitMatrix>,
    /// Visible and hidden states of the top pair, of the wake phase and after the sweeps.
    positive: [BitMatrix; 2],
    negative: [BitMatrix; 2],
    /// By layer: predictions, then their errors.
    errors: Vec<Matrix>,
    delta: Delta,
    gradient: Gradient,
    buffers: Propagation,
    warm: bool,
}

impl UpDown {
    /// A run of `dbn`, whose weights are untied if they are not, on `data`, which has labels if the network has.
    ///
    /// # Errors
    /// [`Error::Parameter`] for options out of range, networks without directed pairs or of other than binary units, no data or data without the
    /// labels that the network learns; [`Error::Shape`] for data of another width; [`Error::NotFinite`] for NaN or infinite parameters.
    pub fn new(dbn: Dbn, options: UpDownOptions, data: &Examples) -> Result<Self> {
        let state = UpDownState::new(&dbn, options, data.len());
        Self::resumed(dbn, state, data)
    }

    /// A run that goes on where another was stored.
    ///
    /// # Errors
    /// As [`Self::new`]; [`Error::Shape`] where the stored state does not fit.
    pub fn resumed(mut dbn: Dbn, state: UpDownState, data: &Examples) -> Result<Self> {
        let options = &state.options;
        options.check()?;
        dbn.check_finite()?;
        dbn.expect_binary("the up-down algorithm")?;
        if dbn.directed().is_empty() {
            let expected = "a network with directed pairs below its top";
            return Err(Error::parameter(
                "the up-down algorithm",
                expected,
                "an RBM",
            ));
        }
        if data.is_empty() {
            return Err(Error::parameter("training data", "at least one example", 0));
        }
        let values: Input<'_> = match data.values() {
            Values::Bits(x) => x.into(),
            Values::Real(x) => x.into(),
        };
        dbn.layer(0).check_values(values)?;
        if dbn.label_group().is_some() {
            match data.labels() {
                Some(labels) => dbn.check_labels(labels)?,
                None => {
                    return Err(Error::parameter(
                        "training data",
                        "examples with labels",
                        "none",
                    ));
                }
            };
        }
        let fresh = UpDownState::new(&dbn, options.clone(), data.len());
        let shape = |state: &UpDownState| -> (usize, Vec<[usize; 3]>, [usize; 6]) {
            let of = |v: &Velocity| [v.weights.rows(), v.weights.columns(), v.bias.len()];
            let pairs = state
                .pairs
                .iter()
                .flat_map(|p| [of(&p.generative), of(&p.recognition)]);
            (state.examples, pairs.collect(), state.top.first.shape())
        };
        if shape(&state) != shape(&fresh) {
            let (expected, found) = (shape(&fresh), shape(&state));
            let what = "stored state of the up-down algorithm (examples, pairs, top)";
            return Err(Error::shape(
                what,
                format!("{expected:?}"),
                format!("{found:?}"),
            ));
        }
        dbn.untie();
        let batch = options.batch_size.min(data.len());
        let top = dbn.top();
        let states = || [top.n_visible(), top.n_hidden()].map(|n| BitMatrix::zeros(batch, n));
        let sizes: Vec<usize> = dbn.directed().iter().map(|p| p.below().size()).collect();
        let above = dbn.directed().iter().map(|p| p.above().size());
        let layers: Vec<usize> = sizes.iter().copied().take(1).chain(above).collect();
        Ok(Self {
            minibatch: Minibatch::new(batch, data, options.resample_data),
            labels: Vec::with_capacity(batch),
            order: Vec::new(),
            ordered: None,
            wake: layers[1..]
                .iter()
                .map(|&n| BitMatrix::zeros(batch, n))
                .collect(),
            sleep: layers.iter().map(|&n| BitMatrix::zeros(batch, n)).collect(),
            positive: states(),
            negative: states(),
            errors: layers.iter().map(|&n| Matrix::zeros(batch, n)).collect(),
            delta: Delta::default(),
            gradient: Gradient::default(),
            buffers: Propagation::default(),
            warm: false,
            dbn,
            state,
        })
    }

    /// The network as it is now.
    pub fn dbn(&self) -> &Dbn {
        &self.dbn
    }

    /// The network at the end.
    pub fn into_dbn(self) -> Dbn {
        self.dbn
    }

    /// The options of the run.
    pub fn options(&self) -> &UpDownOptions {
        &self.state.options
    }

    /// What a stored run needs beside the network.
    pub fn state(&self) -> &UpDownState {
        &self.state
    }

    /// Where the run stands.
    pub fn position(&self) -> Position {
        let UpDownState {
            updates,
            examples,
            options,
            ..
        } = &self.state;
        let batches = examples.div_ceil(options.batch_size);
        Position {
            epoch: (updates / batches as u64) as usize,
            batch: (updates % batches as u64) as usize,
            batches,
            updates: *updates,
        }
    }

    /// Runs until all epochs are done or the observer breaks.
    ///
    /// # Errors
    /// [`Error::Shape`] if `data` is not of the size that the run was started with, [`Error::NotFinite`] when a parameter became NaN or
    /// infinite (a rate too large).
    pub fn run(
        &mut self,
        data: &Examples,
        mut observer: impl FnMut(UpDownEvent<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        while self.position().epoch < self.state.options.epochs {
            self.update(data)?;
            if observer(UpDownEvent::Update(self)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.position().batch == 0 {
                self.dbn.check_finite()?;
                if observer(UpDownEvent::Epoch(self)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One update. Allocates nothing once the buffers have grown in the first.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn update(&mut self, data: &Examples) -> Result<()> {
        let expected = (self.state.examples, self.dbn.n_visible());
        if (data.len(), data.columns()) != expected {
            let expected = format!("{} x {}", expected.0, expected.1);
            let found = format!("{} x {}", data.len(), data.columns());
            return Err(Error::shape("training data", expected, found));
        }
        if self.dbn.label_group().is_some() && data.labels().is_none() {
            return Err(Error::parameter(
                "training data",
                "examples with labels",
                "none",
            ));
        }
        if !self.warm {
            let widest = (0..self.dbn.n_layers())
                .map(|l| self.dbn.layer(l).size())
                .max();
            warm_up(self.positive[0].rows(), widest.unwrap_or(0));
            self.warm = true;
        }
        in_pool(|| self.try_update(data))
    }

    fn try_update(&mut self, data: &Examples) -> Result<()> {
        let rows = self.gather(data);
        self.wake_phase(rows)?;
        self.memory(rows)?;
        self.sleep_phase(rows)?;
        self.learn(rows)?;
        self.state.updates += 1;
        Ok(())
    }

    fn gather(&mut self, data: &Examples) -> usize {
        let Position { epoch, batch, .. } = self.position();
        let UpDownState {
            options,
            examples,
            updates,
            ..
        } = &self.state;
        if self.ordered != Some(epoch as u64) {
            order_into(options.seed, epoch as u64, *examples, &mut self.order);
            self.ordered = Some(epoch as u64);
        }
        let start = batch * options.batch_size;
        let indices = &self.order[start..(start + options.batch_size).min(*examples)];
        let draws = Draws::new(options.seed, Site::Data, *updates);
        self.minibatch.fill(data, indices, draws, self.dbn.layer(0));
        self.labels.clear();
        if let Some(labels) = data.labels() {
            self.labels
                .extend(indices.iter().map(|&i| labels[i as usize]));
        }
        indices.len()
    }

    /// States of every layer given the data.
    fn wake_phase(&mut self, rows: usize) -> Result<()> {
        let (seed, update) = (self.state.options.seed, self.state.updates);
        for (l, pair) in self.dbn.directed().iter().enumerate() {
            let (below, above) = self.wake.split_at_mut(l);
            let x = match below.last() {
                Some(x) => x.view_rows(0..rows).into(),
                None => self.minibatch.input(),
            };
            let draws = layer_draws(seed, Site::Wake, update, l + 1);
            let tail = sampled(&mut above[0], rows, draws);
            pair.above_from_below(x, tail, &mut self.buffers)?;
        }
        let [v, h] = &mut self.positive;
        let features = &self.wake[self.wake.len() - 1];
        for s in 0..rows {
            v.copy_first_columns(s, features.view(), s);
            if let Some(group) = self.dbn.label_group() {
                v.set(s, group.first + usize::from(self.labels[s]), true);
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
    fn memory(&mut self, rows: usize) -> Result<()> {
        let UpDownState {
            options, updates, ..
        } = &self.state;
        let steps = options
            .steps
            .at(self.time(), options.epochs)
            .ceil()
            .max(1.0) as u64;
        let (first, seed) = (updates << 12, options.seed);
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
    fn sleep_phase(&mut self, rows: usize) -> Result<()> {
        let (seed, update) = (self.state.options.seed, self.state.updates);
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

    /// Steps of all parameters; those of the states' own directions stayed as they were until here.
    fn learn(&mut self, rows: usize) -> Result<()> {
        let [generative, recognition, of_top] = self.rates();
        let (pairs, top) = self.dbn.parts_mut();
        for (l, pair) in pairs.iter_mut().enumerate() {
            let velocity = &mut self.state.pairs[l];
            // Wake: the lower layer predicted from the upper one.
            let target = match l {
                0 => self.minibatch.input(),
                _ => self.wake[l - 1].view_rows(0..rows).into(),
            };
            let source: Input<'_> = self.wake[l].view_rows(0..rows).into();
            let error = &mut self.errors[l];
            pair.below_from_above(source, mean(error, rows), &mut self.buffers)?;
            to_error(target, error);
            if let Some(parameters) = pair.generative_mut() {
                let velocity = &mut velocity.generative;
                self.delta
                    .step(source, error, parameters, velocity, generative)?;
            }
            // Sleep: the upper layer predicted from the lower one.
            let [source, target] =
                [l, l + 1].map(|l| Input::from(self.sleep[l].view_rows(0..rows)));
            let error = &mut self.errors[l + 1];
            pair.above_from_below(source, mean(error, rows), &mut self.buffers)?;
            to_error(target, error);
            let (parameters, velocity) = (pair.recognition_mut(), &mut velocity.recognition);
            self.delta
                .step(source, error, parameters, velocity, recognition)?;
            pair.refresh();
        }
        let weight = 1.0 / rows as f32;
        let phases = [(&self.positive, weight), (&self.negative, -weight)];
        let phases = phases.map(|([v, h], weight)| Phase {
            visible: v.view_rows(0..rows).into(),
            hidden: h.view_rows(0..rows).into(),
            weight,
        });
        let statistics = Statistics::new(&phases, top.n_visible(), top.n_hidden())?;
        let (shaping, gradient) = (Shaping::default(), &mut self.gradient);
        let optimizer = &mut self.state.top;
        optimizer.step(
            top,
            &statistics,
            Beside::default(),
            of_top,
            shaping,
            gradient,
        )
    }

    /// Epochs so far, with fractions.
    fn time(&self) -> f64 {
        let position = self.position();
        position.epoch as f64 + position.batch as f64 / position.batches as f64
    }

    /// Of the generative, the recognition and the top weights.
    fn rates(&self) -> [Rates; 3] {
        let options = &self.state.options;
        let at = |rate: &Schedule| rate.at(self.time(), options.epochs);
        let rates = [
            &options.generative_rate,
            &options.recognition_rate,
            &options.top_rate,
        ];
        rates.map(|rate| Rates {
            rule: Rule::Momentum,
            learning_rate: at(rate),
            momentum: at(&options.momentum),
            weight_decay: options.weight_decay,
            l1_decay: 0.0,
            gradient_clip: None,
            variance_rate: 0.0,
            update: self.state.updates + 1,
        })
    }
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
    use super::*;
    use crate::model::{Directed, Layer, Rbm};

    /// Steps by look-up against plain sums over the states that were drawn.
    #[test]
    fn steps_are_those_of_the_states_at_hand() {
        let sizes = [130, 70, 64, 90];
        let weight = |i: usize, j: usize| ((i * 7 + j * 13) % 19) as f32 / 60.0 - 0.15;
        let pair = |l: usize| {
            let layer = |n: usize| Layer {
                bias: (0..n).map(|i| weight(i, l)).collect(),
                ..Layer::bernoulli(n)
            };
            let weights = Matrix::from_fn(sizes[l], sizes[l + 1], weight);
            let (below, above) = (layer(sizes[l]), layer(sizes[l + 1]));
            Directed::new(below, above, weights, None).unwrap()
        };
        let top = Rbm::from_parameters(
            Matrix::from_fn(64, 90, weight),
            vec![0.1; 64],
            vec![-0.1; 90],
        );
        let dbn = Dbn::new(vec![pair(0), pair(1)], top.unwrap()).unwrap();
        let bits = BitMatrix::from_fn(200, 130, |i, j| (i * 3 + j * 5 + i * j) % 7 < 3);
        let data = Examples::new(Values::Bits(bits), None).unwrap();
        let one = || Schedule::Constant(1.0);
        let options = UpDownOptions {
            batch_size: 200,
            generative_rate: one(),
            recognition_rate: one(),
            top_rate: one(),
            ..UpDownOptions::default()
        };
        let mut run = UpDown::new(dbn.clone(), options, &data).unwrap();
        run.update(&data).unwrap();
        let v = run.minibatch.input();
        let numbers = |x: Input<'_>| match x {
            Input::Bits(x) => x.to_owned().to_matrix(),
            Input::Real(_) => unreachable!("bits"),
        };
        // Predictions by look-up are off by up to half a step of each active input, 70 of 2^-14 or so; sums in fixed point by less than 2^-8
        // of an example each, without bias.
        let close = |velocity: &Velocity, source: &Matrix, target: &Matrix, mean: &Matrix| {
            for i in 0..source.columns() {
                for j in 0..target.columns() {
                    let sum: f32 = (0..200)
                        .map(|s| source.row(s)[i] * (target.row(s)[j] - mean.row(s)[j]))
                        .sum();
                    let found = velocity.weights.row(i)[j];
                    assert!(
                        (found - sum / 200.0).abs() < 2e-3,
                        "{found} for {}",
                        sum / 200.0
                    );
                }
            }
            for (j, found) in velocity.bias.iter().enumerate() {
                let sum: f32 = (0..200).map(|s| target.row(s)[j] - mean.row(s)[j]).sum();
                assert!((found - sum / 200.0).abs() < 2e-3);
            }
        };
        for (l, pair) in dbn.directed().iter().enumerate() {
            let mean_of = |x: &Matrix, up: bool| {
                let n = if up { sizes[l + 1] } else { sizes[l] };
                let mut out = Matrix::zeros(200, n);
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
            };
            let target = if l == 0 {
                numbers(v)
            } else {
                run.wake[l - 1].to_matrix()
            };
            let source = run.wake[l].to_matrix();
            let velocity = &run.state.pairs[l];
            close(
                &velocity.generative,
                &source,
                &target,
                &mean_of(&source, false),
            );
            let (source, target) = (run.sleep[l].to_matrix(), run.sleep[l + 1].to_matrix());
            close(
                &velocity.recognition,
                &source,
                &target,
                &mean_of(&source, true),
            );
        }
        let [positive, negative] =
            [&run.positive, &run.negative].map(|x| [x[0].to_matrix(), x[1].to_matrix()]);
        for i in 0..64 {
            for j in 0..90 {
                let of =
                    |[v, h]: &[Matrix; 2]| (0..200).map(|s| v.row(s)[i] * h.row(s)[j]).sum::<f32>();
                let expected = (of(&positive) - of(&negative)) / 200.0;
                let found = run.state.top.first.weights.row(i)[j];
                assert!((found - expected).abs() < 1e-5);
            }
        }
        assert_eq!(run.sleep[2], run.negative[0]);
        assert_eq!(run.wake[1], run.positive[0]);
    }
}
