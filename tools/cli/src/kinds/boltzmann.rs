//! General Boltzmann machines.

pub mod chains;

use crate::{
    failure::Outcome,
    run::chains::{Chains, Start},
    run::imputation,
    run::machine::{Act, Machine, Pass},
};
use chains::Observed;
use harmonium::{
    BoltzmannMachine, Examples, Progress, States,
    evaluate::Annealed,
    model::{Convergence, Imputation, Imputed, Layer, MeanField},
    units::Kind,
};

impl Machine for BoltzmannMachine {
    fn kind(&self) -> &'static str {
        "boltzmann"
    }

    fn name(&self) -> String {
        let (n, m) = (self.n_visible(), self.n_hidden());
        let units = &self.visible().units;
        let groups = units.segments().iter();
        let groups = groups.filter(|s| s.kind == Kind::Softmax).count();
        let among = match groups {
            0 => String::new(),
            groups if units.are(Kind::Softmax) => format!(" in {groups} softmax groups"),
            groups => format!(", {groups} softmax groups among them"),
        };
        match (m, groups) {
            (0, _) => format!("fully visible Boltzmann machine of {n} units{among}"),
            (m, 0) => format!("Boltzmann machine of {n} visible and {m} hidden units"),
            (m, _) => format!("Boltzmann machine of {m} hidden and {n} visible units{among}"),
        }
    }

    fn layers(&self) -> Vec<&Layer> {
        match self.n_hidden() {
            0 => vec![self.visible()],
            _ => vec![self.visible(), self.hidden()],
        }
    }

    fn lacks(&self, act: Act) -> &'static [&'static str] {
        match act {
            Act::Evaluate => &["--confusion", "--bound-samples"],
            Act::Classify => &[],
            Act::Sample => &[
                "--tempering",
                "--trajectory",
                "--label",
                "--every-label",
                "--save-chains",
                "--continue",
            ],
        }
    }

    fn annealed(&self) -> Option<&dyn Annealed> {
        Some(self)
    }

    fn chains<'a>(&'a self, start: &Start<'_>) -> Outcome<Box<dyn Chains + 'a>> {
        Ok(Box::new(Observed::new(self, start)?))
    }

    fn feature_layers(&self) -> (usize, usize) {
        let most = usize::from(self.n_hidden() > 0);
        (most, most)
    }

    fn features(&self, of: &Examples, how: Pass) -> Outcome<(States, Option<Convergence>)> {
        let units = "hidden units of a general Boltzmann machine";
        imputation::features(self, units, (of, how), || {
            self.posterior_means(of.input(), &MeanField::default())
        })
    }

    fn states_of_missing(&self, of: &Examples) -> f64 {
        BoltzmannMachine::states_of_missing(self, of)
    }

    fn impute(
        &self,
        of: &Examples,
        how: Imputation,
        progress: &mut dyn Progress,
    ) -> Outcome<Imputed> {
        Ok(BoltzmannMachine::impute(self, of, how, progress)?)
    }

    fn impute_samples(&self, of: &Examples, sweeps: usize, seed: u64) -> Outcome<States> {
        Ok(BoltzmannMachine::impute_samples(self, of, sweeps, seed)?)
    }
}
