//! Restricted Boltzmann machines.

pub mod chains;
mod replicas;

use crate::{
    args::PassArg,
    failure::{Failure, Outcome},
    run::chains::{Chains, Start},
    run::imputation::{self, BURN_IN, Filling},
    run::machine::{Act, Machine, Pass, Way},
};
use chains::Gibbs;
use harmonium::{
    Examples, Matrix, Progress, Rbm, States,
    evaluate::Annealed,
    model::{Convergence, Imputation, Imputed, Layer, Missing},
    units::{Segment, Units},
};
use replicas::Replicas;

/// Options of classification, which other kinds than a deep belief network do one way.
pub const WAYS: [&str; 5] = ["--compare", "--way", "--passes", "--sweeps", "--seed"];

/// An RBM with what its file tells of it.
pub struct Told<'a> {
    /// The machine.
    pub rbm: &'a Rbm,
    /// Whether its last softmax group is a label.
    pub has_labels: bool,
    /// What a missing value is to it.
    pub missing: Missing,
}

impl Told<'_> {
    fn label_group(&self) -> Option<Segment> {
        self.rbm.label_group().filter(|_| self.has_labels)
    }

    /// The examples with units of a label that nobody has observed, if there are such units.
    fn joint(&self, of: &Examples) -> Outcome<Examples> {
        Ok(imputation::widened(of, self.rbm.n_visible())?)
    }

    /// The hidden units given what was observed.
    fn given_observed(&self, of: &Examples, how: Pass) -> Outcome<States> {
        let joint = self.joint(of)?;
        let seed = how.seed;
        Ok(match how.kind {
            PassArg::Means => {
                let how = Filling::of_seed(seed).imputation(self, &joint);
                self.impute(&joint, how, &mut ())?
                    .hidden
                    .swap_remove(0)
                    .into()
            }
            PassArg::Samples => {
                let v = self.rbm.impute_samples(&joint, BURN_IN, seed)?;
                self.rbm.sample_h_from_v(&v, seed, 0, 1.0)?
            }
        })
    }
}

impl Machine for Told<'_> {
    fn kind(&self) -> &'static str {
        "rbm"
    }

    fn name(&self) -> String {
        let rbm = self.rbm;
        let sizes = format!("RBM {}-{}", rbm.n_visible(), rbm.n_hidden());
        if rbm.is_bernoulli() {
            return sizes;
        }
        let (visible, hidden) = (&rbm.visible().units, &rbm.hidden().units);
        format!("{sizes} ({visible}, {hidden})")
    }

    fn layers(&self) -> Vec<&Layer> {
        vec![self.rbm.visible(), self.rbm.hidden()]
    }

    fn lacks(&self, act: Act) -> &'static [&'static str] {
        match act {
            Act::Evaluate => &["--bound-samples"],
            Act::Classify => &WAYS,
            Act::Sample => &["--spins"],
        }
    }

    fn columns(&self) -> usize {
        self.label_group().map_or(self.rbm.n_visible(), |x| x.first)
    }

    fn labels(&self) -> Outcome<(Units, Option<Segment>)> {
        Ok((self.rbm.visible().units.clone(), self.label_group()))
    }

    fn log_p_y(&self, v: &Examples, way: &Way) -> Outcome<Matrix> {
        if v.observed().is_none() {
            return Ok(self.rbm.log_p_y_from_v(v)?);
        }
        let how = Filling::of_seed(way.seed).imputation(self, &self.joint(v)?);
        Ok(self
            .rbm
            .log_p_y_from_observed(v, self.missing, how, &mut ())?)
    }

    fn label_layer(&self) -> Option<&Layer> {
        let layer = self.rbm.visible();
        (self.has_labels && layer.units.last_group().is_some()).then_some(layer)
    }

    fn labels_are_visible(&self) -> bool {
        self.has_labels
    }

    fn annealed(&self) -> Option<&dyn Annealed> {
        Some(self.rbm)
    }

    fn chains<'a>(&'a self, start: &Start<'_>) -> Outcome<Box<dyn Chains + 'a>> {
        Ok(match start.args {
            Some(args) if args.tempering.is_some() || !args.trajectory.is_empty() => {
                Box::new(Replicas::new(self.rbm, start, args)?)
            }
            _ => Box::new(Gibbs::new(self.rbm, start)?),
        })
    }

    fn feature_layers(&self) -> (usize, usize) {
        (1, 1)
    }

    fn features(&self, of: &Examples, how: Pass) -> Outcome<(States, Option<Convergence>)> {
        let rbm = self.rbm;
        let without;
        let of = match (of.observed(), self.missing) {
            (None, _) => of,
            (Some(_), Missing::Infer) => return Ok((self.given_observed(of, how)?, None)),
            (Some(_), Missing::Absent) => {
                without = imputation::without_missing(of)?;
                &without
            }
        };
        let v = of.input();
        let features = match (self.label_group(), how.kind) {
            (None, PassArg::Means) => rbm.mean_h_from_v(v, 1.0)?.into(),
            (None, PassArg::Samples) => rbm.sample_h_from_v(v, how.seed, 0, 1.0)?,
            (Some(group), PassArg::Means) => summed_over_labels(rbm, of, group)?.into(),
            (Some(_), PassArg::Samples) => {
                let message =
                    "--pass samples: the hidden units of an RBM with labels depend on the label";
                return Err(Failure::usage(message).hint("--pass means sums the labels out"));
            }
        };
        Ok((features, None))
    }

    fn states_of_missing(&self, of: &Examples) -> f64 {
        self.rbm.states_of_missing(of)
    }

    fn impute(
        &self,
        of: &Examples,
        how: Imputation,
        progress: &mut dyn Progress,
    ) -> Outcome<Imputed> {
        Ok(self.rbm.impute(of, self.missing, how, progress)?)
    }

    fn impute_samples(&self, of: &Examples, sweeps: usize, seed: u64) -> Outcome<States> {
        if self.missing == Missing::Absent {
            let message = "--values states: each absent unit has a mean of its own, not a state beside the others";
            return Err(Failure::usage(message).hint("choose --values means"));
        }
        Ok(self.rbm.impute_samples(of, sweeps, seed)?)
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
