//! What chains of a general Boltzmann machine tell of it: means of the energy and of the units,
//! with errors between independent chains.

use super::edges::spin_constant;
use harmonium::{
    BoltzmannMachine, States, evaluate::integrated_autocorrelation_time,
    kernel::reduce::mean_and_standard_error, model::BoltzmannChain,
};
use serde_json::{Map, Value, json};

/// Sums over the sweeps of every chain.
pub struct Observed {
    units: f64,
    /// What energies of spins have more, if states are spins.
    constant: Option<f64>,
    /// Energy a unit of every chain, sweep by sweep.
    energies: Vec<Vec<f64>>,
    /// Mean unit of every chain, and its size, added up over sweeps.
    means: Vec<f64>,
    sizes: Vec<f64>,
}

impl Observed {
    /// Nothing yet, of `chains` chains.
    pub fn new(machine: &BoltzmannMachine, chains: usize, spins: bool) -> Self {
        Self {
            units: machine.units().max(1) as f64,
            constant: spins.then(|| spin_constant(machine)),
            energies: vec![Vec::new(); chains],
            means: vec![0.0; chains],
            sizes: vec![0.0; chains],
        }
    }

    /// Takes the states that the chains have now.
    pub fn add(&mut self, chains: &BoltzmannChain) {
        let constant = self.constant.unwrap_or(0.0);
        for (series, energy) in self.energies.iter_mut().zip(chains.energies()) {
            series.push((energy + constant) / self.units);
        }
        for k in 0..self.means.len() {
            let on = |x: &States| x.bits().map_or(0, |x| x.view().ones(k).count());
            let on = (on(chains.visible()) + on(chains.hidden())) as f64 / self.units;
            let mean = if self.constant.is_some() {
                2.0 * on - 1.0
            } else {
                on
            };
            self.means[k] += mean;
            self.sizes[k] += mean.abs();
        }
    }

    fn sweeps(&self) -> f64 {
        self.energies.first().map_or(1, Vec::len).max(1) as f64
    }

    /// Names, means and standard errors between chains.
    fn figures(&self) -> Vec<(&'static str, f64, f64)> {
        let sweeps = self.sweeps();
        let energies = self.energies.iter().map(|x| x.iter().sum::<f64>() / sweeps);
        let (energy, energy_error) = mean_and_standard_error(energies);
        let of = |sums: &[f64]| mean_and_standard_error(sums.iter().map(|x| x / sweeps));
        let (mean, mean_error) = of(&self.means);
        let mut figures = vec![("energy", energy, energy_error)];
        if self.constant.is_some() {
            let (size, size_error) = of(&self.sizes);
            figures.push(("magnetization", mean, mean_error));
            figures.push(("absolute_magnetization", size, size_error));
        } else {
            figures.push(("activity", mean, mean_error));
        }
        figures
    }

    /// Keys and values; an error that one chain cannot tell is null.
    pub fn json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        for (name, mean, error) in self.figures() {
            map.insert(name.into(), json!(mean));
            map.insert(format!("{name}_error"), json!(error));
        }
        let time = integrated_autocorrelation_time(&self.energies).ok();
        map.insert(
            "autocorrelation_time".into(),
            json!(time.as_ref().map(|t| t.time)),
        );
        map.insert(
            "autocorrelation_long_enough".into(),
            json!(time.map(|t| t.long_enough)),
        );
        map
    }

    /// The rows of a table.
    pub fn rows(&self) -> Vec<[String; 3]> {
        let mut rows: Vec<[String; 3]> = self
            .figures()
            .into_iter()
            .map(|(name, mean, error)| {
                let (name, what) = match name {
                    "energy" => ("energy", "a unit"),
                    "magnetization" => ("magnetization", "mean spin"),
                    "absolute_magnetization" => ("|magnetization|", "of each chain and sweep"),
                    _ => ("activity", "share of units that are on"),
                };
                let error = if error.is_finite() {
                    format!(" ± {error:.5}")
                } else {
                    String::new()
                };
                [name.into(), format!("{mean:.5}{error}"), what.into()]
            })
            .collect();
        let time = match integrated_autocorrelation_time(&self.energies) {
            Ok(t) if t.long_enough => format!("{:.1} ± {:.1}", t.time, t.standard_error),
            Ok(t) => format!("at least {:.1}", t.time),
            Err(_) => "unknown".into(),
        };
        let remark = "autocorrelation of the energy, in sweeps".into();
        rows.push(["IAT".into(), time, remark]);
        rows
    }
}
