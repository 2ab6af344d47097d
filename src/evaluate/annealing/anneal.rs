//! Annealing between a base machine and a model, in either direction, with the log weights of the
//! way: what AIS, reverse AIS and RAISE share.
//!
//! With states `x_0, ..., x_{K-1}` on the way, the weight is
//! `ln w = ln Z_0 + sum_{k=0}^{K-1} ln f_{k+1}(x_k) - ln f_k(x_k)` whichever end the way began at.
//! A sweep at `beta_k` joins `x_{k-1}` and `x_k`; on the way back it is the reverse of that on the
//! way there.

use super::{
    Ais, Annealed, Base,
    annealed::{BoxedChains, End, Seeded, Start},
};
use crate::{
    error::{Error, Result},
    progress::Progress,
    states::States,
};

/// Chains on their way, with their weights.
pub(super) struct Anneal<'a> {
    chains: BoxedChains<'a>,
    ladder: &'a [f32],
    /// Of one step: `ln f_{k+1}(x) - ln f_k(x)` of every chain.
    increments: Vec<f64>,
    log_weights: Vec<f64>,
}

impl<'a> Anneal<'a> {
    /// Chains at `start`. `ladder` goes from 0 to 1 and is checked.
    pub(super) fn new(
        on: Seeded,
        machine: &'a dyn Annealed,
        base: &'a [f32],
        ladder: &'a [f32],
        start: Start,
    ) -> Result<Self> {
        let count = start.count();
        let chains = machine.chains(base, on, start)?;
        Ok(Self {
            increments: vec![0.0; count],
            log_weights: vec![chains.log_z_of_base(); count],
            chains,
            ladder,
        })
    }

    fn steps(&self) -> usize {
        self.ladder.len() - 1
    }

    /// From base to model: `ln w` of every chain, and their last states. `observe(k, increments)`
    /// sees every step.
    pub(super) fn ascend(
        mut self,
        progress: &mut dyn Progress,
        mut observe: impl FnMut(usize, &[f64]),
    ) -> Result<(Vec<f64>, States)> {
        let steps = self.steps();
        for k in 0..steps {
            let is_last = k + 1 == steps;
            self.step(k, (!is_last).then_some((End::High, k as u64 + 1)), is_last)?;
            observe(k, &self.increments);
            progress.check(k + 1, steps)?;
        }
        Ok((self.log_weights, self.chains.into_states()))
    }

    /// From states of the model to the base: `ln w` of every chain.
    pub(super) fn descend(self, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        self.descend_from(true, progress)
    }

    /// From any states to the base, with a sweep at the model before the first step:
    /// `ln f_K(x) - ln w` of every chain, the weight of RAISE.
    pub(super) fn descend_from_examples(mut self, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        let steps = self.steps() as u64;
        let mut top = vec![0.0; self.log_weights.len()];
        self.chains.begin(steps, Some(&mut top))?;
        self.chains.sweep(1.0, steps)?;
        let mut weights = self.descend_from(false, progress)?;
        for (w, top) in weights.iter_mut().zip(top) {
            *w = top - *w;
        }
        Ok(weights)
    }

    fn descend_from(mut self, exact_top: bool, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        let steps = self.steps();
        for k in (0..steps).rev() {
            let begin = (k > 0).then_some((End::Low, k as u64));
            self.step(k, begin, exact_top && k + 1 == steps)?;
            progress.check(steps - k, steps)?;
        }
        Ok(self.log_weights)
    }

    /// `sweeps` sweeps at the model: the states that they end at.
    pub(super) fn burn_in(mut self, sweeps: usize, progress: &mut dyn Progress) -> Result<States> {
        for k in 0..sweeps {
            self.chains.begin(k as u64, None)?;
            self.chains.sweep(1.0, k as u64)?;
            progress.check(k + 1, sweeps)?;
        }
        Ok(self.chains.into_states())
    }

    /// Adds `ln f_{k+1}(x) - ln f_k(x)` to the weights, and makes the sweep that begins at one end
    /// of the step.
    fn step(&mut self, k: usize, begin: Option<(End, u64)>, exact: bool) -> Result<()> {
        let (low, high) = (self.ladder[k], self.ladder[k + 1]);
        let increments = &mut self.increments;
        self.chains.rise((low, high), begin, exact, increments)?;
        for (weight, increment) in self.log_weights.iter_mut().zip(&self.increments) {
            *weight += increment;
        }
        if let Some((end, step)) = begin {
            let beta = if end == End::High { high } else { low };
            self.chains.sweep(beta, step)?;
        }
        Ok(())
    }
}

impl Ais {
    /// Refuses what cannot be annealed; the biases of the base, of all units that chains keep.
    pub(super) fn checked_base(&self, machine: &dyn Annealed) -> Result<Vec<f32>> {
        crate::environment::check()?;
        machine.check_annealed()?;
        if self.chains == 0 {
            return Err(Error::parameter("chains", "at least 1", 0));
        }
        let (visible, kept) = (machine.n_visible(), machine.kept().size());
        let mut base = match &self.base {
            Base::Uniform => vec![0.0; kept],
            Base::Biases(b) if [visible, kept].contains(&b.len()) => b.clone(),
            Base::Biases(b) => return Err(Error::shape("biases of the base", visible, b.len())),
        };
        if base.iter().any(|b| !b.is_finite()) {
            let what = "biases of the base".into();
            return Err(Error::NotFinite { what });
        }
        base.resize(kept, 0.0);
        Ok(base)
    }
}
