//! Deep belief networks.

use super::rbm::chains::Top;
use crate::{
    args::{PassArg, WayArg},
    failure::Outcome,
    run::chains::{Chains, Start},
    run::machine::{Act, Machine, Pass, Way},
};
use harmonium::{
    Dbn, Examples, Matrix, States,
    model::{Convergence, Layer},
    units::{Segment, Units},
};

impl Machine for Dbn {
    fn kind(&self) -> &'static str {
        "dbn"
    }

    /// Sizes from the visible layer up, the label beside the layer that it belongs to.
    fn name(&self) -> String {
        let last = self.n_layers() - 1;
        let sizes: Vec<String> = (0..=last)
            .map(|l| match self.label_group() {
                Some(group) if l + 1 == last => format!("({}+{})", group.first, group.size),
                _ => self.layer(l).size().to_string(),
            })
            .collect();
        format!("DBN {}", sizes.join("-"))
    }

    fn layers(&self) -> Vec<&Layer> {
        (0..self.n_layers()).map(|l| self.layer(l)).collect()
    }

    fn lacks(&self, act: Act) -> &'static [&'static str] {
        match act {
            Act::Evaluate => &["--diagnose", "--raise"],
            Act::Classify => &[],
            Act::Sample => &[
                "--beta",
                "--tempering",
                "--trajectory",
                "--weighted",
                "--clamp",
                "--spins",
            ],
        }
    }

    fn labels(&self) -> Outcome<(Units, Option<Segment>)> {
        Ok((self.top().visible().units.clone(), self.label_group()))
    }

    fn log_p_y(&self, v: &Examples, way: &Way) -> Outcome<Matrix> {
        v.expect_complete("classification by a deep belief network")?;
        Ok(match way.by {
            WayArg::Deterministic => self.log_p_y_from_v(v)?,
            WayArg::Averaged => self.averaged_log_p_y_from_v(v, way.passes, way.seed)?,
            WayArg::Gibbs => self.gibbs_log_p_y_from_v(v, way.sweeps, way.seed)?,
        })
    }

    fn label_layer(&self) -> Option<&Layer> {
        self.label_group().map(|_| self.top().visible())
    }

    fn chains<'a>(&'a self, start: &Start<'_>) -> Outcome<Box<dyn Chains + 'a>> {
        Ok(Box::new(Top::new(self, start)?))
    }

    /// The top layer of a network with a label is not inferred from the data alone.
    fn feature_layers(&self) -> (usize, usize) {
        let most = self.n_layers() - 1 - usize::from(self.label_group().is_some());
        (most, most)
    }

    fn features(&self, of: &Examples, how: Pass) -> Outcome<(States, Option<Convergence>)> {
        of.expect_complete("a pass through a deep belief network")?;
        let features = match how.kind {
            PassArg::Means => self.posterior_means(of)?.swap_remove(how.layer - 1).into(),
            PassArg::Samples => self.sample_posterior(of, how.layer, how.seed, 0)?,
        };
        Ok((features, None))
    }
}
