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

mod options;
mod state;
mod update;

pub use options::{MAX_MEMORY_STEPS, UpDownOptions};
pub use state::{PairVelocity, UpDownState};

use super::{
    negative::delta::Delta,
    run::{Position, minibatch::Minibatch},
    step::gradient::Gradient,
};
use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::Dbn,
    product::{Propagation, in_pool, warm_up},
    states::Input,
};
use std::ops::ControlFlow;

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
    labels: Vec<u32>,
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
        let values: Input<'_> = data.input();
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
        state.check_fits(&dbn, data.len())?;
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
}
