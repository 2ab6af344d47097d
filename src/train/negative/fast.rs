//! Fast weights: what drives persistent chains away from where they are.

use crate::{
    error::Result,
    model::Rbm,
    tensor::Saved,
    train::{
        parameters::Parameters,
        step::{
            gradient::{Evidence, Gradient},
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
pub(in crate::train) struct Fast {
    machine: Rbm,
    /// `F` is what this optimizer takes for its last step: `step <- momentum step + rate g`.
    weights: Optimizer,
    rate: f32,
    decay: f32,
}

impl Fast {
    /// Fast weights of zero.
    pub(in crate::train) fn new(rbm: &Rbm, rate: f32, decay: f32) -> Self {
        Self {
            machine: rbm.clone(),
            weights: Optimizer::new(rbm),
            rate,
            decay,
        }
    }

    /// The machine of the chains.
    pub(in crate::train) fn machine(&self) -> &Rbm {
        &self.machine
    }

    /// `F`.
    pub(in crate::train) fn weights(&self) -> &Parameters {
        &self.weights.first
    }

    /// After an update of `rbm` along the same evidence. Cost: the outer products a second time.
    pub(in crate::train) fn step(
        &mut self,
        rbm: &Rbm,
        evidence: Evidence<'_>,
        gradient: &mut Gradient,
    ) -> Result<()> {
        self.copy(rbm);
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

    /// Takes back stored fast weights of a run whose machine is `rbm`.
    pub(in crate::train) fn restore(
        &mut self,
        rbm: &Rbm,
        prefix: &str,
        saved: &mut Saved,
    ) -> Result<()> {
        self.weights.first.restore(prefix, saved)?;
        self.copy(rbm);
        let fast = &self.weights.first;
        let (w, b, c) = self.machine.parameters_mut();
        add(w.padded_mut(), fast.weights[0].padded());
        add(b, &fast.bias[0]);
        add(c, &fast.bias[1]);
        self.machine.refresh();
        Ok(())
    }

    fn copy(&mut self, rbm: &Rbm) {
        let (w, b, c) = self.machine.parameters_mut();
        w.padded_mut().copy_from_slice(rbm.weights().padded());
        b.copy_from_slice(&rbm.visible().bias);
        c.copy_from_slice(&rbm.hidden().bias);
        let (visible, hidden) = self.machine.log_variances_mut();
        visible.copy_from_slice(&rbm.visible().log_variance);
        hidden.copy_from_slice(&rbm.hidden().log_variance);
    }
}

fn add(to: &mut [f32], x: &[f32]) {
    to.iter_mut().zip(x).for_each(|(to, x)| *to += x);
}
