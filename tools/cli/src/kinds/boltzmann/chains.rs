//! Gibbs chains of a general Boltzmann machine, and what is observed of them: means of the energy
//! and of the units, with errors between independent chains.

use crate::{
    failure::{Failure, Outcome},
    run::chains::{Chains, Start},
    run::diagnose::autocorrelation,
    run::edges::{Energy, spin_constant},
    show::figures::Figures,
};
use harmonium::{
    BoltzmannMachine, Matrix, States, evaluate::integrated_autocorrelation_time,
    kernel::reduce::mean_and_standard_error, model::BoltzmannChain, units::Kind,
};
use std::borrow::Cow;

/// Sweeps before those that are observed.
const BURN_IN: usize = 256;
/// Energies that are kept for their autocorrelation.
const MOST_ENERGIES: usize = 1 << 28;

/// Chains with their machine, and sums over the sweeps of every chain.
pub struct Observed<'a> {
    machine: &'a BoltzmannMachine,
    chains: BoltzmannChain,
    /// Whether states are told as spins.
    spins: bool,
    /// What energies have beside those of the machine.
    constant: f64,
    /// Energy a unit of every chain, sweep by sweep.
    energies: Vec<Vec<f64>>,
    /// Mean unit of every chain, and its size, added up over sweeps.
    means: Vec<f64>,
    sizes: Vec<f64>,
}

impl<'a> Observed<'a> {
    /// As `start` says.
    ///
    /// # Errors
    /// More sweeps than fit into memory; held units that do not fit.
    pub fn new(machine: &'a BoltzmannMachine, start: &Start<'_>) -> Outcome<Self> {
        let (count, seed) = (start.count, start.seed);
        let most = MOST_ENERGIES / count;
        if let Some(args) = start.args.filter(|args| args.steps > most) {
            return Err(Failure::usage(format!(
                "--steps {}: expected at most {most} sweeps of {count} chains",
                args.steps
            )));
        }
        let mut chains = match &start.states {
            None => machine.chains(count, seed)?,
            Some(v) => machine.chains_from(v.clone(), seed)?,
        };
        if let Some(held) = start.held {
            chains = chains.clamped(0, held.clamp.clone())?;
        }
        let path = start.args.and_then(|args| args.model.as_deref());
        let of_model = path.map(Energy::of).transpose()?;
        let asked = start.args.is_some_and(|args| args.spins);
        let units = &machine.visible().units;
        if asked && !units.are(Kind::Bernoulli) {
            return Err(Failure::usage(format!(
                "--spins: expected visible units of two states, found {units}"
            ))
            .hint("without it categories are told as the data have them"));
        }
        let spins = asked || of_model.as_ref().is_some_and(|x| x.of_spins);
        let offset = of_model.map_or(0.0, |x| x.offset);
        Ok(Self {
            machine,
            chains,
            spins,
            constant: offset + if spins { spin_constant(machine) } else { 0.0 },
            energies: vec![Vec::new(); count],
            means: vec![0.0; count],
            sizes: vec![0.0; count],
        })
    }

    fn units(&self) -> f64 {
        self.machine.units().max(1) as f64
    }

    fn sweeps_seen(&self) -> f64 {
        self.energies.first().map_or(1, Vec::len).max(1) as f64
    }
}

impl Chains for Observed<'_> {
    fn sweeps(&self) -> String {
        match self.chains.is_by_blocks() {
            true => "Gibbs sweeps by blocks".into(),
            false => "Gibbs sweeps by units".into(),
        }
    }

    fn sweep(&mut self, beta: f32) -> Outcome<()> {
        Ok(self.chains.sweep(1, beta)?)
    }

    fn visible(&self) -> Outcome<Cow<'_, States>> {
        Ok(Cow::Borrowed(self.chains.visible()))
    }

    fn energies(&self) -> Outcome<Vec<f64>> {
        Ok(self.chains.energies())
    }

    fn energy(&self) -> &'static str {
        "energy"
    }

    fn mean(&self) -> &'static str {
        "E[v_i | all others]"
    }

    fn means(&self, beta: f32) -> Outcome<Option<Matrix>> {
        if self.machine.n_hidden() == 0 {
            return Ok(None);
        }
        let (v, h) = (self.chains.visible(), self.chains.hidden());
        Ok(Some(self.machine.mean_v_from_rest(v, h, beta)?))
    }

    fn usual_burn_in(&self, steps: usize) -> Option<usize> {
        Some(if steps == 0 { 0 } else { BURN_IN })
    }

    fn observe(&mut self) -> Outcome<()> {
        let units = self.units();
        for (series, energy) in self.energies.iter_mut().zip(self.chains.energies()) {
            series.push((energy + self.constant) / units);
        }
        let (v, h) = (self.chains.visible(), self.chains.hidden());
        let on = |x: &States, k: usize| x.bits().map_or(0, |x| x.view().ones(k).count());
        for k in 0..self.means.len() {
            let on = (on(v, k) + on(h, k)) as f64 / units;
            let mean = if self.spins { 2.0 * on - 1.0 } else { on };
            self.means[k] += mean;
            self.sizes[k] += mean.abs();
        }
        Ok(())
    }

    /// An error that one chain cannot tell is null.
    fn figures(&self, _: usize) -> Outcome<Figures> {
        let sweeps = self.sweeps_seen();
        let of = |sums: &[f64]| mean_and_standard_error(sums.iter().map(|x| x / sweeps));
        let energies: Vec<f64> = self.energies.iter().map(|x| x.iter().sum()).collect();
        let mut all = vec![("energy", "energy", of(&energies), "a unit")];
        if self.spins {
            let key = "absolute_magnetization";
            all.push((
                "magnetization",
                "magnetization",
                of(&self.means),
                "mean spin",
            ));
            let each = "of each chain and sweep";
            all.push((key, "|magnetization|", of(&self.sizes), each));
        } else if self.machine.visible().units.are(Kind::Bernoulli) {
            // Of a softmax group one is on.
            let what = "share of units that are on";
            all.push(("activity", "activity", of(&self.means), what));
        }
        let mut figures = Figures::default();
        for (key, name, (mean, error), what) in all {
            let told = match error.is_finite() {
                true => format!(" ± {error:.5}"),
                false => String::new(),
            };
            figures
                .put(key, mean)
                .put(&format!("{key}_error"), error)
                .row(name, format!("{mean:.5}{told}"), what);
        }
        let time = integrated_autocorrelation_time(&self.energies).ok();
        autocorrelation(&mut figures, "IAT", time, "autocorrelation of the energy");
        let sweep = match self.chains.is_by_blocks() {
            true => "blocks",
            false => "units",
        };
        figures.put("sweep", sweep);
        figures.put("spins", self.spins);
        Ok(figures)
    }
}
