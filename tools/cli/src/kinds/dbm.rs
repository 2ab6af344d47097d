//! Deep Boltzmann machines.

mod chains;

use super::rbm::WAYS;
use crate::{
    failure::Outcome,
    run::chains::{Chains, Start},
    run::imputation::{self, Filling},
    run::machine::{Act, Machine, Pass, Way},
};
use chains::Blocks;
use harmonium::{
    Dbm, Examples, Matrix, Progress, States,
    evaluate::Annealed,
    model::{Convergence, Imputation, Imputed, Layer, MeanField},
    units::{Segment, Units},
};

impl Machine for Dbm {
    fn kind(&self) -> &'static str {
        "dbm"
    }

    fn name(&self) -> String {
        let layers = self.layers()[..=self.n_hidden_layers()].iter();
        let sizes: Vec<String> = layers.map(|x| x.size().to_string()).collect();
        let labels = self.classes().map(|n| format!(" with {n} classes"));
        format!("DBM {}{}", sizes.join("-"), labels.unwrap_or_default())
    }

    fn layers(&self) -> Vec<&Layer> {
        self.layers().iter().collect()
    }

    fn lacks(&self, act: Act) -> &'static [&'static str] {
        match act {
            Act::Evaluate => &["--bound-samples"],
            Act::Classify => &WAYS,
            Act::Sample => &[
                "--tempering",
                "--trajectory",
                "--save-chains",
                "--continue",
                "--spins",
            ],
        }
    }

    fn labels(&self) -> Outcome<(Units, Option<Segment>)> {
        let last = &self.layer(self.n_layers() - 1).units;
        let labels = self.classes().and(last.last_group());
        Ok((last.clone(), labels))
    }

    fn log_p_y(&self, v: &Examples, way: &Way) -> Outcome<Matrix> {
        if v.observed().is_some() {
            // Of all hidden layers the last is the label.
            let how = Filling::of_seed(way.seed).imputation(self, v);
            let label = Dbm::impute(self, v, how, &mut ())?.hidden.pop();
            let p = label.unwrap_or_default();
            return Ok(Matrix::from_fn(p.rows(), p.columns(), |i, y| {
                p[(i, y)].ln()
            }));
        }
        Ok(self.log_p_y_from_v(v, &MeanField::default())?)
    }

    fn label_layer(&self) -> Option<&Layer> {
        self.classes().map(|_| self.layer(self.n_layers() - 1))
    }

    fn annealed(&self) -> Option<&dyn Annealed> {
        Some(self)
    }

    fn chains<'a>(&'a self, start: &Start<'_>) -> Outcome<Box<dyn Chains + 'a>> {
        Ok(Box::new(Blocks::new(self, start)?))
    }

    fn feature_layers(&self) -> (usize, usize) {
        let most = self.n_hidden_layers();
        (most, most)
    }

    fn features(&self, of: &Examples, how: Pass) -> Outcome<(States, Option<Convergence>)> {
        let units = "hidden layers of a deep Boltzmann machine";
        imputation::features(self, units, (of, how), || {
            self.posterior_means(of, &MeanField::default())
        })
    }

    fn states_of_missing(&self, of: &Examples) -> f64 {
        Dbm::states_of_missing(self, of)
    }

    fn impute(
        &self,
        of: &Examples,
        how: Imputation,
        progress: &mut dyn Progress,
    ) -> Outcome<Imputed> {
        Ok(Dbm::impute(self, of, how, progress)?)
    }

    fn impute_samples(&self, of: &Examples, sweeps: usize, seed: u64) -> Outcome<States> {
        Ok(Dbm::impute_samples(self, of, sweeps, seed)?)
    }
}
