//! Fine-tuning by backpropagation: the run over minibatches.
//!
//! ```text
//! minibatch -> pass forwards -> loss -> pass backwards -> steps of a rule, fused with the gradient's products | conjugate gradients -> observer
//! ```

mod conjugate;
mod dropout;
mod line_search;
mod options;
mod parameters;
mod pass;

pub use options::{BackpropOptions, Descent};
pub use parameters::NetworkParameters;

use super::{
    Position, Rule,
    run::minibatch::{Minibatch, order_into},
    step::{
        constraint,
        optimizer::update_weights,
        rule::{Rates, Step},
    },
};
use crate::{
    dataset::Examples,
    error::{Error, Result},
    model::{Layer, Network},
    product::{Phase, Statistics, in_pool, warm_up},
    rng::{Draws, Site},
    simd::dispatch,
    states::{Input, States},
    units::Kind,
};
use conjugate::ConjugateGradients;
use dropout::Dropout;
use pass::{Pass, Target};
use std::ops::{ControlFlow, Range};

/// What a run needs to go on to the bit, apart from the network.
#[derive(Clone, Debug, PartialEq)]
pub struct BackpropState {
    /// Options of the run.
    pub options: BackpropOptions,
    /// The last steps, or the running mean of an adaptive rule; nothing with conjugate gradients, which remember nothing beyond a minibatch.
    pub first: Option<NetworkParameters>,
    /// The second number of an adaptive rule.
    pub second: Option<NetworkParameters>,
    /// Updates done: with the options and the data, the position of every random choice.
    pub updates: u64,
    /// Examples of the data that the run is on.
    pub examples: usize,
}

impl BackpropState {
    /// Before the first update.
    pub fn new(network: &Network, options: BackpropOptions, examples: usize) -> Self {
        let zeros = || NetworkParameters::zeros(network);
        let [first, second] = match options.descent {
            Descent::ConjugateGradients { .. } => [false, false],
            Descent::Steps(rule) => [true, rule.is_adaptive()],
        };
        Self {
            options,
            first: first.then(zeros),
            second: second.then(zeros),
            updates: 0,
            examples,
        }
    }

    fn shape(&self) -> (usize, [Option<Vec<[usize; 3]>>; 2]) {
        let of = |x: &Option<NetworkParameters>| x.as_ref().map(NetworkParameters::shape);
        (self.examples, [of(&self.first), of(&self.second)])
    }
}

/// What the observer of a run is told; it stops the run by breaking.
#[derive(Debug)]
pub enum BackpropEvent<'a> {
    /// An update is done.
    Update(&'a Backprop),
    /// An epoch is done, after its last update.
    Epoch(&'a Backprop),
}

/// A run: the network and all that its future depends on. A softmax output learns the labels of the data, any other output the data themselves.
///
/// ```
/// # use harmonium::{dataset, model::{Dbn, Network}, train::{Backprop, BackpropOptions, Schedule}};
/// let data = dataset::bars_and_stripes(3);
/// let dbn = Dbn::bernoulli(&[9, 8])?.with_top(harmonium::Rbm::bernoulli(9, 8).initialized_from(&data, 1)?)?;
/// let options = BackpropOptions { epochs: 200, batch_size: 14, learning_rate: 0.05.into(), ..BackpropOptions::default() };
/// let mut run = Backprop::new(Network::autoencoder_from_dbn(&dbn)?, options, &data)?;
/// let before = run.network().squared_errors(data.bits().unwrap())?;
/// let _ = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
/// let after = run.network().squared_errors(data.bits().unwrap())?;
/// assert!(after.iter().sum::<f64>() < 0.5 * before.iter().sum::<f64>());
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Backprop {
    network: Network,
    state: BackpropState,
    input: Layer,
    minibatch: Minibatch,
    /// Classes of the minibatch.
    labels: Vec<u32>,
    order: Vec<u32>,
    /// Epoch that `order` is of.
    ordered: Option<u64>,
    pass: Pass,
    conjugate: Option<ConjugateGradients>,
    /// The gradient of a layer's bias, and norms of a connection's columns.
    sums: Vec<f32>,
    /// Sums of rows.
    squares: Vec<f64>,
    loss: f64,
    evaluations: u64,
    warm: bool,
}

impl Backprop {
    /// A run of `network` on `data`, which has labels if the output is a softmax layer.
    ///
    /// # Errors
    /// [`Error::Parameter`] for options out of range, no data, values that the input units cannot have, labels that are no class or are not there; [`Error::Shape`] for data
    /// of another width, and for an output that is no reconstruction of the input and no softmax layer either; [`Error::NotFinite`] for NaN or infinite parameters.
    pub fn new(network: Network, options: BackpropOptions, data: &Examples) -> Result<Self> {
        let state = BackpropState::new(&network, options, data.len());
        Self::resumed(network, state, data)
    }

    /// A run that goes on where another was stored.
    ///
    /// # Errors
    /// As [`Self::new`]; [`Error::Shape`] where the stored state does not fit.
    pub fn resumed(network: Network, state: BackpropState, data: &Examples) -> Result<Self> {
        let options = &state.options;
        options.check()?;
        network.check_finite()?;
        if data.is_empty() {
            return Err(Error::parameter("training data", "at least one example", 0));
        }
        let input = network.input_layer();
        input.check_values(values(data))?;
        check_target(&network, data)?;
        let resample = options.resample_data && matches!(data.states(), States::Real(_));
        if resample && !input.units.are(Kind::Bernoulli) {
            let what = "inputs of which bits are drawn at each visit";
            return Err(Error::parameter(what, "bernoulli", &input.units));
        }
        let fresh = BackpropState::new(&network, options.clone(), data.len());
        if state.shape() != fresh.shape() {
            let (expected, found) = (fresh.shape(), state.shape());
            let what = "stored state of backpropagation (examples, memory of the rule)";
            return Err(Error::shape(
                what,
                format!("{expected:?}"),
                format!("{found:?}"),
            ));
        }
        let batch = options.batch_size.min(data.len());
        let conjugate = matches!(options.descent, Descent::ConjugateGradients { .. });
        Ok(Self {
            minibatch: Minibatch::new(batch, data, resample),
            labels: Vec::with_capacity(batch),
            order: Vec::new(),
            ordered: None,
            pass: Pass::new(&network, batch, options.input_dropout > 0.0),
            conjugate: conjugate.then(|| ConjugateGradients::new(&network)),
            sums: Vec::new(),
            squares: Vec::new(),
            loss: f64::NAN,
            evaluations: 0,
            warm: false,
            input,
            network,
            state,
        })
    }

    /// The network as it is now.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The network at the end.
    pub fn into_network(self) -> Network {
        self.network
    }

    /// The options of the run.
    pub fn options(&self) -> &BackpropOptions {
        &self.state.options
    }

    /// What a stored run needs beside the network.
    pub fn state(&self) -> &BackpropState {
        &self.state
    }

    /// The mean loss of the last update's minibatch: before a step of a rule, with its dropout; after conjugate gradients. NaN before the first update of a
    /// run, also of one that was resumed.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// Passes forwards and backwards so far, since the run was begun or resumed.
    pub fn evaluations(&self) -> u64 {
        self.evaluations
    }

    /// Where the run stands.
    pub fn position(&self) -> Position {
        let BackpropState {
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
    /// [`Error::Shape`] if `data` is not of the size that the run was started with, [`Error::NotFinite`] when a parameter became NaN or infinite (a rate too large).
    pub fn run(
        &mut self,
        data: &Examples,
        mut observer: impl FnMut(BackpropEvent<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        while self.position().epoch < self.state.options.epochs {
            self.update(data)?;
            if observer(BackpropEvent::Update(self)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.position().batch == 0 {
                self.network.check_finite()?;
                if observer(BackpropEvent::Epoch(self)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One update: a step, or the line searches of a minibatch. Allocates nothing once the buffers have grown in the first.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn update(&mut self, data: &Examples) -> Result<()> {
        let expected = (self.state.examples, self.network.n_inputs());
        if (data.len(), data.columns()) != expected {
            let expected = format!("{} x {}", expected.0, expected.1);
            let found = format!("{} x {}", data.len(), data.columns());
            return Err(Error::shape("training data", expected, found));
        }
        if self.network.is_classifier() && data.labels().is_none() {
            check_target(&self.network, data)?;
        }
        if !self.warm {
            let widest = (0..self.network.n_layers())
                .map(|l| self.network.size(l))
                .max();
            warm_up(self.minibatch.most(), widest.unwrap_or(0));
            self.warm = true;
        }
        in_pool(|| self.try_update(data))
    }

    fn try_update(&mut self, data: &Examples) -> Result<()> {
        self.gather(data);
        let connections = self.network.n_layers() - 1;
        let output_alone = self.position().epoch < self.state.options.output_epochs;
        let lowest = if output_alone { connections - 1 } else { 0 };
        match self.state.options.descent {
            Descent::Steps(rule) => self.step(rule, lowest..connections)?,
            Descent::ConjugateGradients { line_searches } => {
                self.search(line_searches, lowest..connections)?;
            }
        }
        self.state.updates += 1;
        Ok(())
    }

    fn gather(&mut self, data: &Examples) {
        let Position { epoch, batch, .. } = self.position();
        let BackpropState {
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
        self.minibatch.fill(data, indices, draws, &self.input);
        self.labels.clear();
        if let Some(labels) = data.labels() {
            let labels = indices.iter().map(|&i| labels[i as usize]);
            self.labels.extend(labels);
        }
    }

    /// One step of connections `learned`.
    fn step(&mut self, rule: Rule, learned: Range<usize>) -> Result<()> {
        let options = &self.state.options;
        let position = self.position();
        let time = position.epoch as f64 + position.batch as f64 / position.batches as f64;
        let mut rates = Rates {
            rule,
            learning_rate: options.learning_rate.at(time, options.epochs),
            momentum: options.momentum.at(time, options.epochs),
            weight_decay: options.weight_decay,
            l1_decay: 0.0,
            gradient_clip: None,
            variance_rate: 0.0,
            update: self.state.updates + 1,
        };
        let dropout = Dropout::of(options, self.state.updates);
        let max_norm = options.max_norm;
        let (network, pass) = (&mut self.network, &mut self.pass);
        let x = self.minibatch.input();
        let target = target(network, x, &self.labels);
        let last = network.n_layers() - 1;
        pass.forward(network, x, 1..=last, dropout)?;
        self.loss = pass.loss(network, target) / x.rows() as f64;
        self.evaluations += 1;
        if learned.start > 0 && !rule.is_adaptive() {
            // Rates that suit all layers together can be far beyond what the output layer alone bears.
            let most = 1.0 / pass.output_curvature(network, x);
            rates.learning_rate = rates.learning_rate.min(most as f32);
        }
        pass.backward(network, learned.start + 1)?;
        let weight = 1.0 / x.rows() as f32;
        for l in learned {
            let (below, delta) = (pass.sent(l, x), pass.delta(l + 1));
            let (weights, bias) = network.parameters_mut(l);
            let phases = [Phase {
                visible: below,
                hidden: delta,
                weight,
            }];
            let statistics = Statistics::new(&phases, weights.rows(), weights.columns())?;
            let Some(first) = &mut self.state.first else {
                unreachable!("a rule has a memory");
            };
            let mut second = self.state.second.as_mut();
            update_weights(
                &statistics,
                None,
                weights,
                &mut first.weights[l],
                second.as_mut().map(|x| &mut x.weights[l]),
                None,
                rates,
            );
            self.sums.clear();
            self.sums.resize(bias.len(), 0.0);
            delta.add_column_sums(weight, &mut self.sums);
            dispatch(Step {
                gradient: &self.sums,
                first: &mut first.bias[l],
                second: second.map_or(&mut [], |x| &mut x.bias[l]),
                parameter: bias,
                rates: rates.without_decay(),
            });
            if let Some(most) = max_norm {
                constraint::limit_norms(weights, most, &mut self.sums);
            }
        }
        Ok(())
    }

    /// Conjugate gradients on the minibatch.
    fn search(&mut self, line_searches: usize, learned: Range<usize>) -> Result<()> {
        let decay = self.state.options.weight_decay;
        let (network, pass) = (&mut self.network, &mut self.pass);
        let Some(conjugate) = &mut self.conjugate else {
            unreachable!("the run was made for conjugate gradients");
        };
        let x = self.minibatch.input();
        let target = target(network, x, &self.labels);
        let last = network.n_layers() - 1;
        let first = learned.start + 1;
        // Layers that stay as they are pass once.
        if first > 1 {
            pass.forward(network, x, 1..=learned.start, None)?;
        }
        let share = 1.0 / x.rows() as f32;
        let sums = &mut self.squares;
        let (loss, evaluations) = conjugate.minimize(
            network,
            learned.clone(),
            line_searches,
            |network, gradient| {
                pass.forward(network, x, first..=last, None)?;
                let mut loss = pass.loss(network, target) / x.rows() as f64;
                pass.backward(network, first)?;
                for l in learned.clone() {
                    let phases = [Phase {
                        visible: pass.sent(l, x),
                        hidden: pass.delta(l + 1),
                        weight: -share,
                    }];
                    let (n, m) = (network.size(l), network.size(l + 1));
                    Statistics::new(&phases, n, m)?.write_to(&mut gradient.weights[l])?;
                    gradient.bias[l].fill(0.0);
                    pass.delta(l + 1)
                        .add_column_sums(-share, &mut gradient.bias[l]);
                }
                if decay > 0.0 {
                    loss += gradient.add_decay(decay, network, learned.clone(), sums);
                }
                Ok(loss)
            },
        )?;
        self.loss = loss;
        self.evaluations += evaluations;
        Ok(())
    }
}

fn values(data: &Examples) -> Input<'_> {
    data.input()
}

fn target<'a>(network: &Network, x: Input<'a>, labels: &'a [u32]) -> Target<'a> {
    if network.is_classifier() {
        Target::Classes(labels)
    } else {
        Target::Values(x)
    }
}

fn check_target(network: &Network, data: &Examples) -> Result<()> {
    let outputs = network.n_outputs();
    if !network.is_classifier() {
        if network.n_inputs() == outputs {
            return Ok(());
        }
        let what = "outputs of a network that reconstructs its input";
        return Err(Error::shape(what, network.n_inputs(), outputs));
    }
    let Some(labels) = data.labels() else {
        let expected = "examples with labels";
        return Err(Error::parameter("training data", expected, "none"));
    };
    match labels.iter().find(|&&y| y as usize >= outputs) {
        None => Ok(()),
        Some(y) => {
            let expected = format!("a class below {outputs}");
            Err(Error::parameter("label of the training data", expected, y))
        }
    }
}
