//! Measuring a general Boltzmann machine: AIS over all of its units, and the pseudo-likelihood of a
//! fully visible one.

use super::{
    Ais, Annealing, Base, LogZ, PILOT_CHAINS,
    anneal::Way,
    betas::{divided, pilot_ladder},
};
use crate::{
    error::{Error, Result},
    kernel::{reduce::mean_and_standard_error, reference::softplus},
    model::{
        BoltzmannMachine,
        boltzmann::{Couplings, UnitChain},
    },
    progress::Progress,
    states::Input,
};

impl Ais {
    /// Estimates `ln Z` of a general machine, on average from below. Chains of all units, hidden
    /// ones included, start from the base, whose hidden units are fair coins, and go through
    /// `p_k(x) ~ e^((1 - beta_k) b0.v - beta_k E(x))` with one sweep by units at each temperature
    /// on the way. Cost: a sweep and a half of all chains for each temperature; after the first
    /// nothing is allocated. For an RBM, [`Self::log_z`] sums hidden units out and is the better
    /// estimate.
    ///
    /// # Errors
    /// [`Error::Parameter`] without chains or temperatures, [`Error::Shape`] for a base of another
    /// size, [`Error::NotFinite`] for a base that is not finite; those of
    /// [`BoltzmannMachine::check`].
    pub fn boltzmann_log_z(
        &self,
        machine: &BoltzmannMachine,
        progress: &mut dyn Progress,
    ) -> Result<LogZ> {
        crate::environment::check()?;
        machine.check()?;
        if self.chains == 0 {
            return Err(Error::parameter("chains", "at least 1", 0));
        }
        let n = machine.n_visible();
        let mut base = match &self.base {
            Base::Uniform => vec![0.0; n],
            Base::Biases(b) if b.len() == n => b.clone(),
            Base::Biases(b) => return Err(Error::shape("biases of the base", n, b.len())),
        };
        if base.iter().any(|b| !b.is_finite()) {
            let what = "biases of the base".into();
            return Err(Error::NotFinite { what });
        }
        base.resize(machine.units(), 0.0);
        let ladder = self.ladder_with(|steps| {
            let pilot = pilot_ladder(steps);
            let mut spread = Vec::with_capacity(pilot.len() - 1);
            let pilot_run = Run::new(machine, &base, Way::Pilot, self.seed, PILOT_CHAINS);
            pilot_run.ascend(&pilot, &mut (), |increments| {
                spread.push(mean_and_standard_error(increments.iter().copied()).1);
            })?;
            Ok(divided(&pilot, &spread, steps))
        })?;
        let run = Run::new(machine, &base, Way::Forward, self.seed, self.chains);
        let weights = run.ascend(&ladder, progress, |_| ())?;
        Ok(LogZ::new(Annealing::Forward, weights))
    }
}

/// Chains on their way from the base to the machine.
struct Run<'a> {
    base: &'a [f32],
    /// The machine's biases, and those of the current temperature.
    own: Vec<f32>,
    bias: Vec<f32>,
    way: Way,
    seed: u64,
    chain: UnitChain,
    increments: Vec<f64>,
    log_weights: Vec<f64>,
}

impl<'a> Run<'a> {
    fn new(
        machine: &BoltzmannMachine,
        base: &'a [f32],
        way: Way,
        seed: u64,
        chains: usize,
    ) -> Self {
        let log_z: f64 = base.iter().map(|&b| softplus(b.into())).sum();
        let mut couplings = Couplings::present(machine);
        let own = couplings.bias_mut().to_vec();
        // What annealing raises from 0 to 1 is -E - b0.v.
        for (bias, b0) in couplings.bias_mut().iter_mut().zip(base) {
            *bias -= b0;
        }
        Self {
            base,
            bias: own.clone(),
            own,
            way,
            seed,
            chain: UnitChain::new(couplings, chains),
            increments: vec![0.0; chains],
            log_weights: vec![log_z; chains],
        }
    }

    fn ascend(
        mut self,
        ladder: &[f32],
        progress: &mut dyn Progress,
        mut observe: impl FnMut(&[f64]),
    ) -> Result<Vec<f64>> {
        let steps = ladder.len() - 1;
        let draws = self.way.draws(self.seed, 0);
        self.chain.draw_independent(self.base, draws);
        for (k, pair) in ladder.windows(2).enumerate() {
            let (low, high) = (pair[0], pair[1]);
            let rise = f64::from(high) - f64::from(low);
            self.chain.negative_energies_into(&mut self.increments);
            for (weight, increment) in self.log_weights.iter_mut().zip(&mut self.increments) {
                *increment *= rise;
                *weight += *increment;
            }
            observe(&self.increments);
            if k + 1 < steps {
                // beta (A x + bias) = beta (A x + a) + (1 - beta) b0.
                let own = self.own.iter().zip(self.base);
                for (bias, (a, b0)) in self.bias.iter_mut().zip(own) {
                    *bias = a + (1.0 - high) / high * b0;
                }
                let draws = self.way.draws(self.seed, k as u64 + 1);
                self.chain.sweep_with_bias(&self.bias, high, draws);
            }
            progress.check(k + 1, steps)?;
        }
        Ok(self.log_weights)
    }
}

/// The mean over the rows `x` of the log-pseudo-likelihood `sum_i ln P(x_i | rest)` of a fully
/// visible machine, in f64 (Besag 1975). Cost: `n_visible^2` a row.
///
/// # Errors
/// [`Error::Parameter`] for a machine with latent units or no rows, [`Error::Shape`] unless `x` has
/// the machine's units.
pub fn boltzmann_pseudo_likelihood<'a>(
    machine: &BoltzmannMachine,
    x: impl Into<Input<'a>>,
) -> Result<f64> {
    let x = x.into();
    let n = machine.n_visible();
    if machine.n_hidden() > 0 {
        let what = "hidden units of a pseudo-likelihood";
        return Err(Error::parameter(what, 0, machine.n_hidden()));
    }
    if x.columns() != n {
        return Err(Error::shape("units of the input", n, x.columns()));
    }
    if x.rows() == 0 {
        return Err(Error::parameter("rows", "at least 1", 0));
    }
    let mut total = 0.0;
    let mut row = vec![0.0; n];
    for s in 0..x.rows() {
        for (i, to) in row.iter_mut().enumerate() {
            *to = f64::from(x.get(s, i));
        }
        for i in 0..n {
            let weights = machine.visible_weights().row(i).iter().zip(&row);
            let y = f64::from(machine.visible().bias[i])
                + 2.0 * weights.map(|(&u, x)| f64::from(u) * x).sum::<f64>();
            total += row[i] * y - softplus(y);
        }
    }
    Ok(total / x.rows() as f64)
}
