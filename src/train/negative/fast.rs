//! Fast weights: what drives persistent chains away from where they are.

use crate::{
    error::Result,
    model::Undirected,
    tensor::Saved,
    train::{
        Negative,
        parameters::Parameters,
        step::{
            evidence::Evidence,
            gradient::Gradient,
            optimizer::{Optimizer, Shaping},
            rule::{Rates, Rule},
        },
    },
};

/// Fast weights `F`, biases included, and the machine with parameters `theta + F` that the chains
/// move under (Tieleman and Hinton, Using fast weights to improve persistent contrastive
/// divergence, ICML 2009). After each update, with its gradient `g`,
/// `F <- decay F + rate g`. They raise the energy of where the chains are, and are forgotten within
/// some `1 / (1 - decay)` updates.
#[derive(Clone, Debug)]
pub(in crate::train) struct Fast<M> {
    machine: M,
    /// `F` is what this optimizer takes for its last step: `step <- momentum step + rate g`.
    weights: Optimizer,
    rate: f32,
    decay: f32,
}

impl<M: Undirected + Clone> Fast<M> {
    /// Fast weights of zero, if the chains of `negative` have any.
    pub(in crate::train) fn of(machine: &M, negative: Negative) -> Option<Self> {
        let Negative::FastPersistent {
            fast_rate,
            fast_decay,
            ..
        } = negative
        else {
            return None;
        };
        Some(Self {
            machine: machine.clone(),
            weights: Optimizer::new(machine),
            rate: fast_rate,
            decay: fast_decay,
        })
    }

    /// The machine of the chains.
    pub(in crate::train) fn machine(&self) -> &M {
        &self.machine
    }

    /// `F`.
    pub(in crate::train) fn weights(&self) -> &Parameters {
        &self.weights.first
    }

    /// After an update of `learned` along the same evidence. Cost: the outer products a second
    /// time.
    pub(in crate::train) fn step(
        &mut self,
        learned: &M,
        evidence: Evidence<'_>,
        gradient: &mut Gradient,
    ) -> Result<()> {
        self.copy(learned);
        let rates = Rates {
            rule: Rule::Momentum,
            update: 1,
            learning_rate: self.rate,
            momentum: self.decay,
            weight_decay: 0.0,
            l1_decay: 0.0,
            gradient_clip: None,
            variance_rate: 0.0,
        };
        // The step is added to the copied parameters: theta + F.
        let (machine, shaping) = (&mut self.machine, Shaping::default());
        self.weights
            .step(machine, evidence, rates, shaping, gradient)
    }

    /// Takes back stored fast weights of a run whose machine is `learned`.
    pub(in crate::train) fn restore(
        &mut self,
        learned: &M,
        prefix: &str,
        saved: &mut Saved,
    ) -> Result<()> {
        self.weights.first.restore(prefix, saved)?;
        self.copy(learned);
        self.weights.first.add_to(&mut self.machine);
        self.machine.refresh();
        Ok(())
    }

    fn copy(&mut self, learned: &M) {
        for l in 0..learned.n_connections() {
            let weights = self.machine.weights_mut(l).padded_mut();
            weights.copy_from_slice(learned.weights(l).padded());
        }
        for l in 0..learned.n_layers() {
            self.machine.bias_mut(l).copy_from_slice(learned.bias(l));
            let log_variance = self.machine.log_variance_mut(l);
            log_variance.copy_from_slice(learned.log_variance(l));
        }
    }
}
