//! The up-down algorithm: wake-sleep whose top pair learns by contrastive divergence (Hinton,
//! Osindero and Teh 2006, appendix B).
//!
//! ```text
//! wake    one stochastic pass up: v = data -> h_1 ~ q -> ... -> h_{L-1} ~ q, with the label -> h_L
//! memory  k sweeps of the top pair from h_L; statistics: first minus last
//! sleep   one stochastic pass down: h_{L-1} of the last sweep -> ... -> h_1 ~ p -> v ~ p
//! learn   by states of the wake phase, ascending E_q ln p:
//!             W_l, b_l:      h_{l+1}' (h_l - E_p[h_l | h_{l+1}])
//!         by states of the sleep phase, ascending E_p ln q:
//!             R_l, r_{l+1}:  h_l' (h_{l+1} - E_q[h_{l+1} | h_l])
//! ```
//!
//! Where the appendix passes means of the label and of the lowest layer on, states are drawn here:
//! both are then exact samples and all products behind the first are of bits. Gray data stay as
//! they are (or are drawn anew with [`UpDownOptions::resample_data`]). Steps are means over the
//! minibatch.

mod options;
mod update;

pub use options::{MAX_MEMORY_STEPS, UpDownOptions};

use super::{
    parameters::Parameters,
    run::{At, Batch, Done, Learner, Learning, Run, Stop},
    step::{gradient::Gradient, optimizer::Optimizer},
};
use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::{Dbn, Layer},
    product::Propagation,
    tensor::{Saved, Tensor},
};
use std::borrow::Cow;

/// A run of the up-down algorithm. The weights of the network are untied if they are not; it learns
/// examples with labels if it has a label.
///
/// ```
/// # use harmonium::{dataset, model::Dbn, train::{Learning, UpDownTraining, UpDownOptions}};
/// let data = dataset::bars_and_stripes(3).binarized(Default::default(), 0, 0);
/// let learning = Learning { epochs: 2, batch_size: 8, ..Learning::default() };
/// let options = UpDownOptions { learning, ..UpDownOptions::default() };
/// let mut run = UpDownTraining::new(Dbn::bernoulli(&[9, 6, 4])?, options, &data)?;
/// let _ended = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
/// assert!(!run.into_result().is_tied());
/// # Ok::<(), harmonium::Error>(())
/// ```
pub type UpDownTraining = Run<UpDownLearner>;

/// What updates remember of one directed pair.
#[derive(Clone, Debug, PartialEq)]
struct PairOptimizers {
    /// Of `W'` and of the lower layer's bias.
    generative: Optimizer,
    /// Of `R` and of the upper layer's bias.
    recognition: Optimizer,
}

/// A deep belief network that learns by the up-down algorithm.
#[derive(Clone, Debug)]
pub struct UpDownLearner {
    dbn: Dbn,
    options: UpDownOptions,
    /// Of the directed pairs, lowest first.
    pairs: Vec<PairOptimizers>,
    /// Of the top pair.
    optimizer: Optimizer,
    /// States of the layers `1 ..= L-1`, without the label.
    wake: Vec<BitMatrix>,
    /// States of the layers `0 ..= L-1`, without the label.
    sleep: Vec<BitMatrix>,
    /// Visible and hidden states of the top pair, of the wake phase and after the sweeps.
    positive: [BitMatrix; 2],
    negative: [BitMatrix; 2],
    /// By layer: predictions, then their errors.
    errors: Vec<Matrix>,
    gradient: Gradient,
    buffers: Propagation,
}

impl Learner for UpDownLearner {
    type Model = Dbn;
    type Options = UpDownOptions;
    const NAME: &'static str = "up-down";

    fn new(mut dbn: Dbn, options: UpDownOptions, data: &Examples) -> Result<Self> {
        options.check()?;
        dbn.check_finite()?;
        dbn.expect_binary("the up-down algorithm")?;
        if dbn.directed().is_empty() {
            let expected = "a network with directed pairs below its top";
            let what = "the up-down algorithm";
            return Err(Error::parameter(what, expected, "an RBM"));
        }
        if let Some(labels) = labels_for(&dbn, data)? {
            dbn.check_labels(labels)?;
        }
        dbn.untie();
        let batch = options.learning.batch_size.min(data.len());
        let top = dbn.top();
        let states = || [top.n_visible(), top.n_hidden()].map(|n| BitMatrix::zeros(batch, n));
        let sizes: Vec<usize> = dbn.directed().iter().map(|p| p.below().size()).collect();
        let above = dbn.directed().iter().map(|p| p.above().size());
        let layers: Vec<usize> = sizes.iter().copied().take(1).chain(above).collect();
        let bits = |n: &usize| BitMatrix::zeros(batch, *n);
        let pairs = dbn.directed().iter().map(|pair| {
            let (n, m) = (pair.below().size(), pair.above().size());
            PairOptimizers {
                generative: directed(m, n),
                recognition: directed(n, m),
            }
        });
        Ok(Self {
            pairs: pairs.collect(),
            optimizer: Optimizer::new(top),
            wake: layers[1..].iter().map(bits).collect(),
            sleep: layers.iter().map(bits).collect(),
            positive: states(),
            negative: states(),
            errors: layers.iter().map(|&n| Matrix::zeros(batch, n)).collect(),
            gradient: Gradient::default(),
            buffers: Propagation::default(),
            dbn,
            options,
        })
    }

    fn visible(dbn: &Dbn) -> Cow<'_, Layer> {
        Cow::Borrowed(dbn.layer(0))
    }

    fn options(&self) -> &UpDownOptions {
        &self.options
    }

    fn learning(&self) -> &Learning {
        &self.options.learning
    }

    fn learning_mut(&mut self) -> &mut Learning {
        &mut self.options.learning
    }

    fn model(&self) -> &Dbn {
        &self.dbn
    }

    fn into_result(self) -> Dbn {
        self.dbn
    }

    fn check_data(&self, data: &Examples) -> Result<()> {
        labels_for(&self.dbn, data).map(|_| ())
    }

    fn scratch(&self, _batch: usize) -> [usize; 2] {
        let layers = 0..self.dbn.n_layers();
        let widest = layers.map(|l| self.dbn.layer(l).size()).max();
        [self.positive[0].rows(), widest.unwrap_or(0)]
    }

    fn update(&mut self, batch: &Batch<'_>, at: &At, _stop: &Stop) -> Result<Done> {
        self.wake_phase(batch, at)?;
        self.memory(batch.len(), at)?;
        self.sleep_phase(batch.len(), at)?;
        self.learn(batch, at)?;
        Ok(Done::Updated)
    }

    fn check(&self) -> Result<()> {
        self.dbn.check_finite()
    }

    fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        for (l, pair) in self.pairs.iter().enumerate() {
            for (direction, velocity) in pair.directions() {
                let [weights, bias] = names(direction, l);
                out(&weights, (&velocity.first.weights[0]).into());
                out(&bias, velocity.first.bias[1].as_slice().into());
            }
        }
        self.optimizer.visit(self.dbn.top(), out);
    }

    fn restore(&mut self, saved: &mut Saved) -> Result<()> {
        for (l, pair) in self.pairs.iter_mut().enumerate() {
            for (direction, velocity) in [
                ("generative", &mut pair.generative),
                ("recognition", &mut pair.recognition),
            ] {
                let [weights, bias] = names(direction, l);
                saved.matrix_into(&weights, &mut velocity.first.weights[0])?;
                saved.vector_into(&bias, &mut velocity.first.bias[1])?;
            }
        }
        self.optimizer.restore(self.dbn.parts_mut().1, saved)
    }
}

impl PairOptimizers {
    fn directions(&self) -> [(&'static str, &Optimizer); 2] {
        [
            ("generative", &self.generative),
            ("recognition", &self.recognition),
        ]
    }
}

/// Of one direction of a pair.
fn directed(senders: usize, receivers: usize) -> Optimizer {
    Optimizer {
        first: Parameters::directed(senders, receivers),
        ..Optimizer::default()
    }
}

fn names(direction: &str, l: usize) -> [String; 2] {
    ["weights", "bias"].map(|part| format!("training.velocity.{direction}.{part}.{l}"))
}

/// The labels that the network learns: those of the data, if it has a label itself.
fn labels_for<'a>(dbn: &Dbn, data: &'a Examples) -> Result<Option<&'a [u32]>> {
    match (dbn.label_group(), data.labels()) {
        (None, _) => Ok(None),
        (Some(_), Some(labels)) => Ok(Some(labels)),
        (Some(_), None) => {
            let expected = "examples with labels";
            Err(Error::parameter("training data", expected, "none"))
        }
    }
}
