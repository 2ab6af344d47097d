//! Feed-forward networks that were made of machines.

use super::rbm::WAYS;
use crate::{
    args::PassArg,
    failure::{Failure, Outcome},
    run::chains::{Chains, Start},
    run::machine::{Act, Machine, Pass, Way},
};
use harmonium::{
    Examples, Matrix, Network, States,
    model::{Convergence, Layer},
    units::{Segment, Units},
};

impl Machine for Network {
    fn kind(&self) -> &'static str {
        "network"
    }

    fn name(&self) -> String {
        let sizes = (0..self.n_layers()).map(|l| self.size(l).to_string());
        format!("network {}", sizes.collect::<Vec<_>>().join("-"))
    }

    fn layers(&self) -> Vec<&Layer> {
        Vec::new()
    }

    fn lacks(&self, act: Act) -> &'static [&'static str] {
        match act {
            Act::Classify => &WAYS,
            _ => &[],
        }
    }

    fn columns(&self) -> usize {
        self.n_inputs()
    }

    fn labels(&self) -> Outcome<(Units, Option<Segment>)> {
        if !self.is_classifier() {
            let message = "the network is an autoencoder: it has no classes";
            return Err(Failure::failed(message));
        }
        let output = self.activation(self.n_layers() - 1).kind();
        let units = Units::of(output, self.n_outputs());
        let labels = units.last_group();
        Ok((units, labels))
    }

    fn log_p_y(&self, v: &Examples, _: &Way) -> Outcome<Matrix> {
        v.expect_complete("a network")?;
        Ok(self.log_p_y_from_v(v)?)
    }

    fn chains<'a>(&'a self, _: &Start<'_>) -> Outcome<Box<dyn Chains + 'a>> {
        Err(Failure::usage("a network has no states"))
    }

    /// What a classifier's output layer sees, and the codes of an autoencoder.
    fn feature_layers(&self) -> (usize, usize) {
        let most = self.n_layers() - 1;
        match self.is_classifier() {
            true => (most, most - 1),
            false => (most, most / 2),
        }
    }

    fn features(&self, of: &Examples, how: Pass) -> Outcome<(States, Option<Convergence>)> {
        if how.kind == PassArg::Samples {
            let message = "--pass samples: the units of a network have values, not states";
            return Err(Failure::usage(message));
        }
        of.expect_complete("a network")?;
        Ok((self.values(of, how.layer)?.into(), None))
    }
}
