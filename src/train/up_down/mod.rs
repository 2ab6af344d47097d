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
mod top;
mod update;

pub use options::{MAX_MEMORY_STEPS, UpDownOptions};

use super::{
    Told, health,
    negative::fast::Fast,
    parameters::Parameters,
    run::{At, Batch, Done, Learner, Learning, Run, Stop},
    step::{
        gradient::Gradient,
        optimizer::{Optimizer, Shaping},
    },
};
use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::{Dbn, Layer, Rbm},
    product::Propagation,
    tensor::{Saved, Tensor},
};
use std::borrow::Cow;
use top::{OfTop, TopPhase};

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

/// Name in files.
const FAST: &str = "training.fast";

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
    /// Its samples, unless they are those of contrastive divergence.
    top: Option<TopPhase>,
    /// If its chains move under fast weights.
    fast: Option<Fast<Rbm>>,
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
        let units = [top.n_visible(), top.n_hidden()];
        let states = || units.map(|n| BitMatrix::zeros(batch, n));
        let sizes: Vec<usize> = dbn.directed().iter().map(|p| p.below().size()).collect();
        let above = dbn.directed().iter().map(|p| p.above().size());
        let layers: Vec<usize> = sizes.iter().copied().take(1).chain(above).collect();
        let bits = |n: &usize| BitMatrix::zeros(batch, *n);
        let pairs = dbn.directed().iter().map(|pair| {
            let (n, m) = (pair.below().size(), pair.above().size());
            PairOptimizers {
                generative: directed(m, n, &options.learning),
                recognition: directed(n, m, &options.learning),
            }
        });
        let learning = &options.learning;
        let (rule, shaping) = (learning.optimizer, shaping(learning, 0));
        let mut pairs: Vec<PairOptimizers> = pairs.collect();
        begin_averages(&mut pairs, &mut dbn);
        let top_phase = TopPhase::new(&dbn, &options, data)?;
        let fast = options.negative.and_then(|x| Fast::of(dbn.top(), x));
        let top = dbn.top();
        Ok(Self {
            optimizer: Optimizer::for_run(top, rule, &shaping, &[]),
            top: top_phase,
            fast,
            pairs,
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

    fn options_mut(&mut self) -> &mut Self::Options {
        &mut self.options
    }

    fn model(&self) -> &Dbn {
        &self.dbn
    }

    fn result(&self) -> Cow<'_, Dbn> {
        let Some(average) = &self.optimizer.average else {
            return Cow::Borrowed(&self.dbn);
        };
        let mut dbn = self.dbn.clone();
        let (pairs, top) = dbn.parts_mut();
        *top = average.placed_in(top);
        top.refresh();
        for (pair, memory) in pairs.iter_mut().zip(&self.pairs) {
            if let (Some(average), Some(to)) = (&memory.generative.average, pair.generative_mut()) {
                average.put_directed(to);
            }
            if let Some(average) = &memory.recognition.average {
                average.put_directed(pair.recognition_mut());
            }
            pair.refresh();
        }
        Cow::Owned(dbn)
    }

    fn check_data(&self, data: &Examples) -> Result<()> {
        labels_for(&self.dbn, data).map(|_| ())
    }

    fn scratch(&self, _batch: usize) -> [usize; 2] {
        let layers = 0..self.dbn.n_layers();
        let widest = layers.map(|l| self.dbn.layer(l).size()).max();
        let rows = self.positive[0].rows();
        let of_top = self.top.as_ref().map_or(0, TopPhase::rows);
        [rows.max(of_top), widest.unwrap_or(0)]
    }

    fn update(&mut self, batch: &Batch<'_>, at: &At, stop: &Stop) -> Result<Done> {
        self.wake_phase(batch, at)?;
        // Chains move before anything else changes: they may be stopped.
        let mut top = self.top.take();
        let machine = self.fast.as_ref().map_or(self.dbn.top(), Fast::machine);
        let of_top = match &mut top {
            None => Ok(OfTop::None),
            Some(top) => top.run(machine, at.updates(), stop),
        };
        let done = of_top.and_then(|of_top| self.learn(batch, at, of_top));
        self.top = top;
        done
    }

    fn check(&self) -> Result<()> {
        self.dbn.check_finite()
    }

    /// Of the top pair: its chains, and the states that the wake phase gave it.
    fn chains_told(&self, batch: &Batch<'_>) -> Result<Option<Told>> {
        let (top, rows) = (self.dbn.top(), batch.len());
        let means = self.dbn.posterior_means(batch.states)?;
        let mut told = Told {
            information: means
                .iter()
                .map(|q| health::information(q.into()))
                .collect(),
            entropy: health::entropy([top.visible(), top.hidden()].into_iter()),
            ..Told::default()
        };
        let phase = self.top.as_ref().filter(|_| self.fast.is_none());
        if let Some((phase, (v, h))) = phase.and_then(|x| Some((x, x.last()?))) {
            let features = self.positive[0].view_rows(0..rows);
            let given = top.mean_h_from_v(features, 1.0)?;
            told.data = top.energy(features, &given)?;
            told.chains = top.energy(v, h)?;
            told.swaps = phase.swap_rates().to_vec();
        }
        Ok(Some(told))
    }

    fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        for (l, pair) in self.pairs.iter().enumerate() {
            for (direction, optimizer) in [
                ("generative", &pair.generative),
                ("recognition", &pair.recognition),
            ] {
                let now = optimizer.average.as_ref().map(|_| {
                    let pair = &self.dbn.directed()[l];
                    let mut now = optimizer.first.clone();
                    match direction {
                        "generative" => now.take_directed(
                            &pair.generative_weights().transposed(),
                            &pair.below().bias,
                        ),
                        _ => now.take_directed(pair.recognition_weights(), &pair.above().bias),
                    }
                    now
                });
                for (memory, parameters) in [
                    ("velocity", Some(&optimizer.first)),
                    ("second", optimizer.second.as_ref()),
                    ("parameters", now.as_ref()),
                ] {
                    if let Some(parameters) = parameters {
                        let [weights, bias] = names(memory, direction, l);
                        out(&weights, (&parameters.weights[0]).into());
                        out(&bias, parameters.bias[1].as_slice().into());
                    }
                }
            }
        }
        self.optimizer.visit(self.dbn.top(), out);
        if let Some(fast) = &self.fast {
            fast.weights().visit(FAST, out);
        }
        if let Some(top) = &self.top {
            top.visit(out);
        }
    }

    fn restore(&mut self, saved: &mut Saved) -> Result<()> {
        begin_averages(&mut self.pairs, &mut self.dbn);
        let (pairs, top) = self.dbn.parts_mut();
        for (l, (memory, pair)) in self.pairs.iter_mut().zip(pairs).enumerate() {
            for (direction, optimizer) in [
                ("generative", &mut memory.generative),
                ("recognition", &mut memory.recognition),
            ] {
                let mut now = optimizer.average.clone();
                for (memory, parameters) in [
                    ("velocity", Some(&mut optimizer.first)),
                    ("second", optimizer.second.as_mut()),
                    ("parameters", now.as_mut()),
                ] {
                    if let Some(parameters) = parameters {
                        let [weights, bias] = names(memory, direction, l);
                        saved.matrix_into(&weights, &mut parameters.weights[0])?;
                        saved.vector_into(&bias, &mut parameters.bias[1])?;
                    }
                }
                match (now, direction) {
                    (Some(now), "generative") => {
                        if let Some(to) = pair.generative_mut() {
                            now.put_directed(to);
                        }
                    }
                    (Some(now), _) => now.put_directed(pair.recognition_mut()),
                    (None, _) => {}
                }
            }
            pair.refresh();
        }
        self.optimizer.restore(top, saved)?;
        top.refresh();
        if let Some(fast) = &mut self.fast {
            fast.restore(top, FAST, saved)?;
        }
        match &mut self.top {
            Some(phase) => phase.restore(self.dbn.top(), saved),
            None => Ok(()),
        }
    }
}

/// Averages begin at the parameters as they are.
fn begin_averages(pairs: &mut [PairOptimizers], dbn: &mut Dbn) {
    for (memory, pair) in pairs.iter_mut().zip(dbn.parts_mut().0) {
        let generative = pair.generative_mut();
        if let (Some(average), Some((w, b))) = (&mut memory.generative.average, generative) {
            average.take_directed(w, b);
        }
        if let Some(average) = &mut memory.recognition.average {
            let (w, b) = pair.recognition_mut();
            average.take_directed(w, b);
        }
    }
}

/// Of one direction of a pair.
fn directed(senders: usize, receivers: usize, learning: &Learning) -> Optimizer {
    let zeros = || Parameters::directed(senders, receivers);
    Optimizer {
        first: zeros(),
        second: learning.optimizer.is_adaptive().then(zeros),
        average: learning.averaging.map(|_| zeros()),
        ..Optimizer::default()
    }
}

/// What shapes the steps of a run of so many updates.
fn shaping(learning: &Learning, updates: u64) -> Shaping<'static> {
    Shaping {
        max_norm: learning.max_norm,
        averaging: learning.averaging,
        updates,
        ..Shaping::default()
    }
}

fn names(memory: &str, direction: &str, l: usize) -> [String; 2] {
    ["weights", "bias"].map(|part| format!("training.{memory}.{direction}.{part}.{l}"))
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
