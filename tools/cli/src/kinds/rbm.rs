//! Restricted Boltzmann machines.

pub mod chains;
mod replicas;

use crate::{
    args::PassArg,
    failure::{Failure, Outcome},
    run::chains::{Chains, Start},
    run::machine::{Act, Machine, Pass, Way},
};
use chains::Gibbs;
use harmonium::{
    Examples, Matrix, Rbm, States,
    evaluate::Annealed,
    model::{Convergence, Layer},
    units::{Segment, Units},
};
use replicas::Replicas;

/// Options of classification, which other kinds than a deep belief network do one way.
pub const WAYS: [&str; 5] = ["--compare", "--way", "--passes", "--sweeps", "--seed"];

impl Machine for Rbm {
    fn kind(&self) -> &'static str {
        "rbm"
    }

    fn name(&self) -> String {
        let sizes = format!("RBM {}-{}", self.n_visible(), self.n_hidden());
        if self.is_bernoulli() {
            return sizes;
        }
        let (visible, hidden) = (&self.visible().units, &self.hidden().units);
        format!("{sizes} ({visible}, {hidden})")
    }

    fn layers(&self) -> Vec<&Layer> {
        vec![self.visible(), self.hidden()]
    }

    fn lacks(&self, act: Act) -> &'static [&'static str] {
        match act {
            Act::Evaluate => &["--bound-samples"],
            Act::Classify => &WAYS,
            Act::Sample => &["--spins"],
        }
    }

    fn columns(&self) -> usize {
        self.label_group().map_or(self.n_visible(), |x| x.first)
    }

    fn labels(&self) -> Outcome<(Units, Option<Segment>)> {
        Ok((self.visible().units.clone(), self.label_group()))
    }

    fn log_p_y(&self, v: &Examples, _: &Way) -> Outcome<Matrix> {
        Ok(self.log_p_y_from_v(v)?)
    }

    fn label_layer(&self) -> Option<&Layer> {
        Some(self.visible()).filter(|layer| layer.units.last_group().is_some())
    }

    fn labels_are_visible(&self) -> bool {
        true
    }

    fn annealed(&self) -> Option<&dyn Annealed> {
        Some(self)
    }

    fn chains<'a>(&'a self, start: &Start<'_>) -> Outcome<Box<dyn Chains + 'a>> {
        Ok(match start.args {
            Some(args) if args.tempering.is_some() || !args.trajectory.is_empty() => {
                Box::new(Replicas::new(self, start, args)?)
            }
            _ => Box::new(Gibbs::new(self, start)?),
        })
    }

    fn feature_layers(&self) -> (usize, usize) {
        (1, 1)
    }

    fn features(&self, of: &Examples, how: Pass) -> Outcome<(States, Option<Convergence>)> {
        let v = of.input();
        let features = match (self.label_group(), how.kind) {
            (None, PassArg::Means) => self.mean_h_from_v(v, 1.0)?.into(),
            (None, PassArg::Samples) => self.sample_h_from_v(v, how.seed, 0, 1.0)?,
            (Some(group), PassArg::Means) => summed_over_labels(self, of, group)?.into(),
            (Some(_), PassArg::Samples) => {
                let message =
                    "--pass samples: the hidden units of an RBM with labels depend on the label";
                return Err(Failure::usage(message).hint("--pass means sums the labels out"));
            }
        };
        Ok((features, None))
    }
}

/// An RBM none of whose softmax groups is a label.
pub struct Unlabeled<'a>(pub &'a Rbm);

impl Machine for Unlabeled<'_> {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn name(&self) -> String {
        self.0.name()
    }

    fn layers(&self) -> Vec<&Layer> {
        self.0.layers()
    }

    fn lacks(&self, act: Act) -> &'static [&'static str] {
        self.0.lacks(act)
    }

    fn labels(&self) -> Outcome<(Units, Option<Segment>)> {
        Ok((self.0.visible().units.clone(), None))
    }

    fn annealed(&self) -> Option<&dyn Annealed> {
        self.0.annealed()
    }

    fn chains<'a>(&'a self, start: &Start<'_>) -> Outcome<Box<dyn Chains + 'a>> {
        Machine::chains(self.0, start)
    }

    fn feature_layers(&self) -> (usize, usize) {
        self.0.feature_layers()
    }

    fn features(&self, examples: &Examples, how: Pass) -> Outcome<(States, Option<Convergence>)> {
        let v = examples.input();
        let features = match how.kind {
            PassArg::Means => self.0.mean_h_from_v(v, 1.0)?.into(),
            PassArg::Samples => self.0.sample_h_from_v(v, how.seed, 0, 1.0)?,
        };
        Ok((features, None))
    }
}

/// `E[h | v] = sum_y p(y | v) E[h | v, y]`.
fn summed_over_labels(rbm: &Rbm, examples: &Examples, group: Segment) -> Outcome<Matrix> {
    let v = examples.input();
    let log_p = rbm.log_p_y_from_v(v)?;
    let mut sum = Matrix::zeros(examples.len(), rbm.n_hidden());
    for class in 0..group.size {
        let labeled = Matrix::from_fn(examples.len(), rbm.n_visible(), |i, j| {
            match j.checked_sub(group.first) {
                None => v.get(i, j),
                Some(y) => f32::from(y == class),
            }
        });
        let means = rbm.mean_h_from_v(&labeled, 1.0)?;
        for i in 0..sum.rows() {
            let p = log_p.row(i)[class].exp();
            let to = sum.row_mut(i).iter_mut().zip(means.row(i));
            to.for_each(|(to, x)| *to += p * x);
        }
    }
    Ok(sum)
}
