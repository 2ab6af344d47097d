//! Greedy layer-wise training: an RBM at a time, each on what the layers below it infer from the data (Hinton, Osindero and Teh 2006, section 4).
//!
//! The layers below are fixed; their deterministic or stochastic recognition pass over a minibatch is computed when the minibatch is wanted, so the
//! data of a higher layer never exist as a whole.

use crate::{
    dataset::Examples,
    error::{Error, Result},
    model::{Dbn, Layer, Rbm},
    states::{Input, States},
    train::{Options, Position, Training, run::minibatch::order_into},
    units::{Kind, Units},
};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// Fewest examples from which a higher layer's biases and persistent chains start.
const START_EXAMPLES: usize = 1000;

/// What higher layers learn of the aggregated posterior, the distribution of the layer below over all examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregated {
    /// Probabilities: means of the deterministic pass.
    #[default]
    Means,
    /// States of a stochastic pass, drawn anew at each visit.
    Samples,
}

/// One layer's part of [`GreedyPlan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GreedyLayer {
    /// Hidden units of the RBM.
    pub hidden: usize,
    /// How it is trained.
    pub options: Options,
    /// Start from the layer below upside down, `W'` with its biases exchanged ([`Dbn::transposed_within`], which `hidden` units must suffice for): then the
    /// network's distribution is at first what it was. Has no meaning in the lowest layer.
    #[serde(default)]
    pub transposed: bool,
}

/// What is trained, lowest layer first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GreedyPlan {
    /// The RBMs.
    pub layers: Vec<GreedyLayer>,
    /// What higher layers learn.
    #[serde(default)]
    pub posterior: Aggregated,
    /// Classes of a label that joins the visible layer of the last RBM.
    #[serde(default)]
    pub classes: Option<usize>,
}

/// What the observer of a run is told; it stops the run by breaking.
#[derive(Debug)]
pub enum GreedyEvent<'a> {
    /// An update of a layer is done.
    Update(&'a Greedy),
    /// An epoch of a layer is done.
    Epoch(&'a Greedy),
    /// A layer is done.
    Layer(&'a Greedy),
}

/// A run: the layers that are done, and that which learns.
///
/// ```
/// # use harmonium::{dataset, train::{Greedy, GreedyLayer, GreedyPlan, Options}};
/// let data = dataset::bars_and_stripes(3).binarized(Default::default(), 0, 0);
/// let layer = |hidden| GreedyLayer { hidden, options: Options { epochs: 2, ..Options::default() }, transposed: false };
/// let plan = GreedyPlan { layers: vec![layer(6), layer(4)], posterior: Default::default(), classes: None };
/// let mut run = Greedy::new(plan, Default::default(), &data)?;
/// let _ = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
/// assert_eq!(run.into_dbn()?.n_layers(), 3);
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Greedy {
    plan: GreedyPlan,
    visible: Units,
    /// The layers that are done, if any is.
    below: Option<Dbn>,
    layer: usize,
    training: Training,
    order: Vec<u32>,
    ordered: Option<u64>,
}

impl Greedy {
    /// A run on `data`, whose visible layer is of `visible` units: Bernoulli units if these are none.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a plan without layers and for what [`Training::new`] refuses.
    pub fn new(plan: GreedyPlan, visible: Units, data: &Examples) -> Result<Self> {
        let visible = match visible.size() {
            0 => Units::of(Kind::Bernoulli, data.columns()),
            _ => visible,
        };
        if plan.layers.is_empty() {
            return Err(Error::parameter("layers", "at least one", 0));
        }
        let training = start(&plan, &visible, None, 0, data)?;
        Ok(Self {
            plan,
            visible,
            below: None,
            layer: 0,
            training,
            order: Vec::new(),
            ordered: None,
        })
    }

    /// A run that goes on in the midst of a layer: `below` holds the layers that are done, `training(start)` makes the stored run of the one that
    /// learns from the examples that it is to be started with.
    ///
    /// # Errors
    /// [`Error::Shape`] where the parts disagree, and those of `training`.
    pub fn resumed(
        plan: GreedyPlan,
        below: Option<Dbn>,
        data: &Examples,
        training: impl FnOnce(&Examples) -> Result<Training>,
    ) -> Result<Self> {
        let layer = below.as_ref().map_or(0, |dbn| dbn.n_layers() - 1);
        if layer >= plan.layers.len() {
            return Err(Error::shape(
                "layers that are done",
                format!("fewer than {}", plan.layers.len()),
                layer,
            ));
        }
        let first = examples_of(
            &plan,
            below.as_ref(),
            layer,
            data,
            &start_indices(&plan, data, layer),
            0,
        )?;
        let training = training(&first)?.fed(data.len());
        let expected = (first.columns(), plan.layers[layer].hidden);
        let found = (training.rbm().n_visible(), training.rbm().n_hidden());
        if expected != found {
            let [expected, found] = [expected, found].map(|(n, m)| format!("{n} x {m}"));
            return Err(Error::shape("stored machine", expected, found));
        }
        let visible = match &below {
            Some(dbn) => dbn.layer(0).units.clone(),
            None => training.rbm().visible().units.clone(),
        };
        Ok(Self {
            plan,
            visible,
            below,
            layer,
            training,
            order: Vec::new(),
            ordered: None,
        })
    }

    /// The plan of the run.
    pub fn plan(&self) -> &GreedyPlan {
        &self.plan
    }

    /// The layer that learns, from 0 on.
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// The layers that are done, if any is.
    pub fn below(&self) -> Option<&Dbn> {
        self.below.as_ref()
    }

    /// The run of the layer that learns.
    pub fn training(&self) -> &Training {
        &self.training
    }

    /// Where the layer that learns stands.
    pub fn position(&self) -> Position {
        self.training.position()
    }

    /// Whether the last layer is done.
    pub fn is_done(&self) -> bool {
        self.layer + 1 == self.plan.layers.len() && self.layer_is_done()
    }

    fn layer_is_done(&self) -> bool {
        self.position().epoch >= self.training.options().epochs
    }

    /// The network as it is now, the layer that learns its top.
    ///
    /// # Errors
    /// As [`Dbn::stacked`].
    pub fn dbn(&self) -> Result<Dbn> {
        let top = self.training.averaged();
        match &self.below {
            Some(below) => below.clone().stacked(top),
            None => Ok(top.into()),
        }
    }

    /// The network at the end.
    ///
    /// # Errors
    /// As [`Self::dbn`].
    pub fn into_dbn(self) -> Result<Dbn> {
        self.dbn()
    }

    /// Runs until all layers are done or the observer breaks. `data` has labels if the plan has classes.
    ///
    /// # Errors
    /// As [`Training::run`] and [`Training::new`].
    pub fn run(
        &mut self,
        data: &Examples,
        mut observer: impl FnMut(GreedyEvent<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        loop {
            while !self.layer_is_done() {
                self.update(data)?;
                if observer(GreedyEvent::Update(self)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if self.position().batch == 0 {
                    self.training.rbm().check()?;
                    if observer(GreedyEvent::Epoch(self)).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            if observer(GreedyEvent::Layer(self)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.is_done() {
                return Ok(ControlFlow::Continue(()));
            }
            self.advance(data)?;
        }
    }

    /// One update of the layer that learns.
    ///
    /// # Errors
    /// As [`Training::update_with`].
    pub fn update(&mut self, data: &Examples) -> Result<()> {
        if data.len() != self.training.examples() {
            return Err(Error::shape(
                "examples of the data",
                self.training.examples(),
                data.len(),
            ));
        }
        let Position {
            epoch,
            batch,
            updates,
            ..
        } = self.position();
        let (seed, size) = (
            self.training.options().seed,
            self.training.options().batch_size,
        );
        if self.ordered != Some(epoch as u64) {
            order_into(seed, epoch as u64, data.len(), &mut self.order);
            self.ordered = Some(epoch as u64);
        }
        let first = batch * size;
        let indices = &self.order[first..(first + size).min(data.len())];
        let indices: Vec<usize> = indices.iter().map(|&i| i as usize).collect();
        // Passes of the start are numbered 0.
        let (plan, below) = (&self.plan, self.below.as_ref());
        let minibatch = examples_of(plan, below, self.layer, data, &indices, updates + 1)?;
        self.training.update_with(&minibatch)
    }

    /// Puts the next layer upon the one that is done.
    fn advance(&mut self, data: &Examples) -> Result<()> {
        let below = self.dbn()?;
        let layer = self.layer + 1;
        self.training = start(&self.plan, &self.visible, Some(&below), layer, data)?;
        (self.below, self.layer, self.ordered) = (Some(below), layer, None);
        Ok(())
    }
}

fn start_indices(plan: &GreedyPlan, data: &Examples, layer: usize) -> Vec<usize> {
    // The first layer starts as a run of its own would.
    let n = if layer == 0 {
        data.len()
    } else {
        START_EXAMPLES.max(plan.layers[layer].options.batch_size)
    };
    (0..n.min(data.len())).collect()
}

/// What layer `layer` learns of the examples `indices`.
fn examples_of(
    plan: &GreedyPlan,
    below: Option<&Dbn>,
    layer: usize,
    data: &Examples,
    indices: &[usize],
    pass: u64,
) -> Result<Examples> {
    let examples = data.take(indices);
    let examples = match below {
        None => examples,
        Some(dbn) => {
            let v: Input<'_> = examples.input();
            let top = dbn.n_layers() - 1;
            let seed = plan.layers[layer].options.seed;
            let values = match plan.posterior {
                Aggregated::Means => States::Real(dbn.mean_h_from_v(v, top)?),
                Aggregated::Samples => dbn.sample_h_from_v(v, top, seed, pass)?,
            };
            examples.with_states(values)?
        }
    };
    match plan.classes {
        Some(classes) if layer + 1 == plan.layers.len() => examples.with_label_units(classes),
        _ => Ok(examples),
    }
}

/// The run of layer `layer` before its first update.
fn start(
    plan: &GreedyPlan,
    visible: &Units,
    below: Option<&Dbn>,
    layer: usize,
    data: &Examples,
) -> Result<Training> {
    let GreedyLayer {
        hidden,
        options,
        transposed,
    } = &plan.layers[layer];
    let first = examples_of(
        plan,
        below,
        layer,
        data,
        &start_indices(plan, data, layer),
        0,
    )?;
    let units = match below {
        None => visible.clone(),
        Some(dbn) => Units::of(Kind::Bernoulli, dbn.layer(dbn.n_layers() - 1).size()),
    };
    let labels = first.columns().saturating_sub(units.size());
    let units = units.and(Kind::Softmax, labels);
    let rbm = Rbm::unconnected(Layer::new(units), Layer::bernoulli(*hidden))?;
    let rbm = rbm.initialized_from(&first, options.seed)?;
    let rbm = match below {
        Some(dbn) if *transposed => dbn.transposed_within(rbm)?,
        _ => rbm,
    };
    Ok(Training::new(rbm, options.clone(), &first)?.fed(data.len()))
}
