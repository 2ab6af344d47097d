//! Fine-tuning by backpropagation: the run over minibatches.
//!
//! ```text
//! minibatch -> pass forwards -> loss -> pass backwards
//!           -> steps of a rule, fused with the gradient's products | conjugate gradients
//! ```

mod conjugate;
mod dropout;
mod line_search;
mod options;
mod pass;

pub use options::{BackpropOptions, Descent};

use super::{
    parameters::Parameters,
    run::{At, Batch, Done, Figures, Learner, Run, Stop},
    step::{
        gradient::{Gradient, shortened},
        optimizer::{Optimizer, Shaping},
        rule::Rates,
    },
};
use crate::{
    dataset::Examples,
    error::{Error, Result},
    model::{Layer, Network},
    product::{Phase, Statistics},
    tensor::{Saved, Tensor},
    units::Kind,
};
use conjugate::ConjugateGradients;
use dropout::Dropout;
use pass::{Pass, Target};
use std::{borrow::Cow, ops::Range};

/// A run of backpropagation. A softmax output learns the labels of the data, any other output the
/// data themselves.
///
/// ```
/// # use harmonium::{Rbm, dataset, model::{Dbn, Network}};
/// # use harmonium::train::{BackpropTraining, BackpropOptions, Learning};
/// let data = dataset::bars_and_stripes(3);
/// let top = Rbm::bernoulli(&[9, 8])?.initialized_from(&data, 1)?;
/// let dbn = Dbn::bernoulli(&[9, 8])?.with_top(top)?;
/// let options = BackpropOptions::default();
/// let learning = Learning {
///     epochs: 200,
///     batch_size: 14,
///     learning_rate: 0.05.into(),
///     ..options.learning
/// };
/// let options = BackpropOptions { learning, ..options };
/// let mut run = BackpropTraining::new(Network::autoencoder_from_dbn(&dbn)?, options, &data)?;
/// let before = run.model().squared_errors(data.bits().unwrap())?;
/// let _ended = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
/// let after = run.model().squared_errors(data.bits().unwrap())?;
/// assert!(after.iter().sum::<f64>() < 0.5 * before.iter().sum::<f64>());
/// # Ok::<(), harmonium::Error>(())
/// ```
pub type BackpropTraining = Run<BackpropLearner>;

/// A network that learns by backpropagation.
#[derive(Clone, Debug)]
pub struct BackpropLearner {
    network: Network,
    options: BackpropOptions,
    /// Nothing with conjugate gradients, which remember nothing beyond a minibatch.
    optimizer: Option<Optimizer>,
    pass: Pass,
    conjugate: Option<ConjugateGradients>,
    gradient: Gradient,
    /// Sums of rows.
    squares: Vec<f64>,
    loss: f64,
    evaluations: u64,
}

impl Learner for BackpropLearner {
    type Model = Network;
    type Options = BackpropOptions;
    const NAME: &'static str = "backprop";

    fn new(network: Network, options: BackpropOptions, data: &Examples) -> Result<Self> {
        options.check()?;
        network.check_finite()?;
        check_target(&network, data)?;
        let resamples = options.learning.resample_data && data.bits().is_none();
        let units = network.input();
        if resamples && !units.are(Kind::Bernoulli) {
            let what = "inputs of which bits are drawn at each visit";
            return Err(Error::parameter(what, "bernoulli", units));
        }
        let optimizer = match options.descent {
            Descent::ConjugateGradients { .. } => None,
            Descent::Steps(rule) => Some(Optimizer {
                second: rule.is_adaptive().then(|| Parameters::zeros(&network)),
                average: options.learning.averaging.map(|_| Parameters::of(&network)),
                ..Optimizer::new(&network)
            }),
        };
        let batch = options.learning.batch_size.min(data.len());
        Ok(Self {
            pass: Pass::new(&network, batch, options.input_dropout > 0.0),
            conjugate: optimizer
                .is_none()
                .then(|| ConjugateGradients::new(&network)),
            optimizer,
            gradient: Gradient::default(),
            squares: Vec::new(),
            loss: f64::NAN,
            evaluations: 0,
            network,
            options,
        })
    }

    fn visible(network: &Network) -> Cow<'_, Layer> {
        Cow::Owned(network.input_layer())
    }

    fn options(&self) -> &BackpropOptions {
        &self.options
    }

    fn options_mut(&mut self) -> &mut Self::Options {
        &mut self.options
    }

    fn model(&self) -> &Network {
        &self.network
    }

    fn result(&self) -> Cow<'_, Network> {
        match self.optimizer.as_ref().and_then(|x| x.average.as_ref()) {
            Some(average) => Cow::Owned(average.placed_in(&self.network)),
            None => Cow::Borrowed(&self.network),
        }
    }

    fn check_data(&self, data: &Examples) -> Result<()> {
        if self.network.is_classifier() && data.labels().is_none() {
            return check_target(&self.network, data);
        }
        Ok(())
    }

    fn scratch(&self, batch: usize) -> [usize; 2] {
        let layers = 0..self.network.n_layers();
        let widest = layers.map(|l| self.network.size(l)).max();
        [batch, widest.unwrap_or(0)]
    }

    /// A step, or the line searches of a minibatch.
    fn update(&mut self, batch: &Batch<'_>, at: &At, stop: &Stop) -> Result<Done> {
        let connections = self.network.n_layers() - 1;
        let output_alone = at.position.epoch < self.options.output_epochs;
        let lowest = if output_alone { connections - 1 } else { 0 };
        match self.options.descent {
            Descent::Steps(rule) => {
                let rates = Rates { rule, ..at.rates };
                self.step(batch, at, rates, lowest..connections)?;
                Ok(Done::Updated)
            }
            Descent::ConjugateGradients { line_searches } => {
                self.search(batch, line_searches, lowest..connections, stop)
            }
        }
    }

    fn check(&self) -> Result<()> {
        self.network.check_finite()
    }

    /// The mean loss of the last minibatch: before a step of a rule, with its dropout; after
    /// conjugate gradients. None before the first update of a run, also of one that was resumed.
    fn figures(&self) -> Figures {
        Figures {
            loss: (!self.loss.is_nan()).then_some(self.loss),
            evaluations: Some(self.evaluations),
            ..Figures::default()
        }
    }

    fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        if let Some(optimizer) = &self.optimizer {
            optimizer.visit(&self.network, out);
        }
    }

    fn restore(&mut self, saved: &mut Saved) -> Result<()> {
        match &mut self.optimizer {
            Some(optimizer) => optimizer.restore(&mut self.network, saved),
            None => Ok(()),
        }
    }
}

impl BackpropLearner {
    /// One step of connections `learned`.
    fn step(
        &mut self,
        batch: &Batch<'_>,
        at: &At,
        mut rates: Rates,
        learned: Range<usize>,
    ) -> Result<()> {
        let dropout = Dropout::of(&self.options, at.updates());
        let shaping = Shaping {
            max_norm: self.options.learning.max_norm,
            averaging: self.options.learning.averaging,
            updates: at.updates_in_all(),
            ..Shaping::default()
        };
        let (network, pass) = (&mut self.network, &mut self.pass);
        let (x, of_rows) = (batch.states, batch.weights);
        let target = target(network, batch);
        let last = network.n_layers() - 1;
        pass.forward(network, x, 1..=last, dropout)?;
        self.loss = pass.loss(network, target, batch.weights) / x.rows() as f64;
        self.evaluations += 1;
        if learned.start > 0 && !rates.rule.is_adaptive() {
            // Rates that suit all layers together can be far beyond what the output layer alone
            // bears.
            let most = 1.0 / pass.output_curvature(network, batch);
            rates.learning_rate = rates.learning_rate.min(most as f32);
        }
        pass.backward(network, learned.start + 1)?;
        let mut weight = 1.0 / x.rows() as f32;
        if let Some(most) = rates.gradient_clip {
            let mut square = 0.0;
            for l in learned.clone() {
                let phase =
                    Phase::new(pass.sent(l, x), pass.delta(l + 1), weight).weighted(of_rows);
                square += self.gradient.square(&[phase], false)?;
            }
            weight *= shortened(most, square);
        }
        let Some(optimizer) = &mut self.optimizer else {
            unreachable!("a rule has a memory");
        };
        for l in learned {
            let phase = Phase::new(pass.sent(l, x), pass.delta(l + 1), weight).weighted(of_rows);
            let (parameters, gradient) = (network.connection_to_step(l), &mut self.gradient);
            optimizer.step_directed(l, parameters, phase, false, (rates, shaping), gradient)?;
        }
        Ok(())
    }

    /// Conjugate gradients on the minibatch.
    fn search(
        &mut self,
        batch: &Batch<'_>,
        line_searches: usize,
        learned: Range<usize>,
        stop: &Stop,
    ) -> Result<Done> {
        let decay = self.options.learning.weight_decay;
        let (network, pass) = (&mut self.network, &mut self.pass);
        let Some(conjugate) = &mut self.conjugate else {
            unreachable!("the run was made for conjugate gradients");
        };
        let (x, of_rows) = (batch.states, batch.weights);
        let target = target(network, batch);
        let last = network.n_layers() - 1;
        let first = learned.start + 1;
        // Layers that stay as they are pass once.
        if first > 1 {
            pass.forward(network, x, 1..=learned.start, None)?;
        }
        let share = 1.0 / x.rows() as f32;
        let sums = &mut self.squares;
        let found = conjugate.minimize(
            network,
            stop,
            learned.clone(),
            line_searches,
            |network, gradient| {
                pass.forward(network, x, first..=last, None)?;
                let mut loss = pass.loss(network, target, of_rows) / x.rows() as f64;
                pass.backward(network, first)?;
                for l in learned.clone() {
                    let phases = [
                        Phase::new(pass.sent(l, x), pass.delta(l + 1), -share).weighted(of_rows)
                    ];
                    let (n, m) = (network.size(l), network.size(l + 1));
                    Statistics::new(&phases, n, m)?.write_to(&mut gradient.weights[l])?;
                    gradient.bias[l + 1].fill(0.0);
                    pass.delta(l + 1)
                        .add_weighted_sums(-share, of_rows, &mut gradient.bias[l + 1]);
                }
                if decay > 0.0 {
                    loss += gradient.add_decay(decay, network, learned.clone(), sums);
                }
                Ok(loss)
            },
        )?;
        let Some((loss, evaluations)) = found else {
            return Ok(Done::Stopped);
        };
        self.loss = loss;
        self.evaluations += evaluations;
        Ok(Done::Updated)
    }
}

fn target<'a>(network: &Network, batch: &Batch<'a>) -> Target<'a> {
    match batch.labels {
        Some(labels) if network.is_classifier() => Target::Classes(labels),
        _ => Target::Values(batch.states),
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
