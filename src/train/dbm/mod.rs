//! Variational stochastic maximum likelihood: the joint training of a deep Boltzmann machine.
//!
//! ```text
//! minibatch -> mean field (positive phase) -> Gibbs sweeps of persistent chains (negative phase)
//!           -> every connection
//! ```

mod options;

pub use options::DbmOptions;

use super::{
    negative::chains::draw_row,
    run::{At, Batch, Done, Figures, Learner, Learning, Run, Stop, glance},
    step::{
        gradient::{Beside, Evidence, Gradient, Phases},
        optimizer::{Optimizer, Shaping},
    },
};
use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::{Convergence, Dbm, DbmChain, Layer, Posterior},
    product::Phase,
    rng::{Draws, HostRng, Site, Stream},
    states::{Input, States},
    tensor::{Saved, Tensor},
};
use std::borrow::Cow;

/// A run of a deep Boltzmann machine. Chains start at examples drawn with replacement. A machine
/// with labels ([`Dbm::classes`]) learns `ln p(v, y)` of examples with labels: mean field is that
/// of the hidden layers given both.
///
/// ```
/// # use harmonium::{Dbm, dataset, train::{DbmOptions, DbmTraining, Learning}};
/// let data = dataset::bars_and_stripes(3);
/// let dbm = Dbm::bernoulli(&[9, 8, 4])?.initialized_from(&data, 1)?;
/// let options = DbmOptions::default();
/// let learning = Learning {
///     epochs: 1000,
///     batch_size: 16,
///     learning_rate: 0.1.into(),
///     momentum: 0.5.into(),
///     ..options.learning
/// };
/// let mut run = DbmTraining::new(dbm, DbmOptions { learning, ..options }, &data)?;
/// let _ended = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
/// let (likelihood, _, log_z) = run.model().exact_mean_log_likelihood(data.bits().unwrap())?;
/// # assert!(likelihood > -5.0 && log_z.is_finite(), "{likelihood}");
/// # Ok::<(), harmonium::Error>(())
/// ```
pub type DbmTraining = Run<DbmLearner>;

/// A deep Boltzmann machine that learns.
#[derive(Clone, Debug)]
pub struct DbmLearner {
    dbm: Dbm,
    options: DbmOptions,
    optimizer: Optimizer,
    chains: DbmChain,
    /// Means of the odd layers of the chains, by layer.
    chain_means: Vec<Matrix>,
    posterior: Posterior,
    /// Where mean field of every example ended last, by layer: of even hidden layers, if starts are
    /// warm.
    last_means: Vec<Matrix>,
    convergence: Convergence,
    gradient: Gradient,
}

impl Learner for DbmLearner {
    type Model = Dbm;
    type Options = DbmOptions;
    const NAME: &'static str = "joint";

    fn new(dbm: Dbm, options: DbmOptions, data: &Examples) -> Result<Self> {
        options.check(dbm.n_hidden_layers())?;
        dbm.check_finite()?;
        dbm.layer(0).check_values(data.input())?;
        check_labels(&dbm, data)?;
        let seed = options.learning.seed;
        let (v, labels) = start(&dbm, data, options.chains, seed);
        let kept: Vec<usize> = dbm.unlabeled_hidden_of(0).collect();
        let keeps = |l: usize| options.warm_start && kept.contains(&l);
        let by_layer = |rows: &dyn Fn(usize) -> usize| -> Vec<Matrix> {
            let layers = dbm.layers().iter().enumerate();
            layers
                .map(|(l, layer)| Matrix::zeros(rows(l), layer.size()))
                .collect()
        };
        let (rule, shaping) = (options.learning.optimizer, shaping(&options, 0));
        let optimizer = Optimizer::for_run(&dbm, rule, &shaping, &data.mean());
        Ok(Self {
            chains: DbmChain::started(&dbm, v.into(), labels.as_deref(), seed, Site::Chain)?,
            chain_means: by_layer(&|l| options.chains * (l % 2)),
            last_means: by_layer(&|l| if keeps(l) { data.len() } else { 0 }),
            optimizer,
            posterior: Posterior::default(),
            convergence: Convergence::default(),
            gradient: Gradient::default(),
            dbm,
            options,
        })
    }

    fn visible(dbm: &Dbm) -> Cow<'_, Layer> {
        Cow::Borrowed(dbm.layer(0))
    }

    fn options(&self) -> &DbmOptions {
        &self.options
    }

    fn learning(&self) -> &Learning {
        &self.options.learning
    }

    fn learning_mut(&mut self) -> &mut Learning {
        &mut self.options.learning
    }

    fn model(&self) -> &Dbm {
        &self.dbm
    }

    fn result(&self) -> Cow<'_, Dbm> {
        match &self.optimizer.average {
            Some(average) => Cow::Owned(average.placed_in(&self.dbm)),
            None => Cow::Borrowed(&self.dbm),
        }
    }

    fn into_result(self) -> Dbm {
        match &self.optimizer.average {
            Some(average) => average.placed_in(&self.dbm),
            None => self.dbm,
        }
    }

    fn check_data(&self, data: &Examples) -> Result<()> {
        labels_for(&self.dbm, data.labels()).map(|_| ())
    }

    fn needs_rows(&self) -> bool {
        self.options.warm_start
    }

    fn scratch(&self, batch: usize) -> [usize; 2] {
        let widest = self.dbm.layers()[1..].iter().map(Layer::size).max();
        [self.options.chains.max(batch), widest.unwrap_or(0)]
    }

    fn update(&mut self, batch: &Batch<'_>, at: &At, _stop: &Stop) -> Result<Done> {
        self.positive_phase(batch, at)?;
        let sweeps = self.options.sweeps;
        let first = at.updates() * sweeps as u64;
        self.chains
            .train_sweeps(&self.dbm, first, sweeps, &mut self.chain_means)?;
        let (posterior, chains, means) = (&self.posterior, &self.chains, &self.chain_means);
        let of_data = |l: usize| match l {
            0 => batch.states,
            l => posterior.mean(l).into(),
        };
        let of_model = |l: usize| match l % 2 {
            0 => chains.states()[l].view(),
            _ => Input::from(&means[l]),
        };
        let of_example = 1.0 / batch.len() as f32;
        let of_chain = -1.0 / self.options.chains as f32;
        let phases = |l: usize| {
            Phases::pair(
                Phase {
                    visible: of_data(l),
                    hidden: of_data(l + 1),
                    weight: of_example,
                },
                Phase {
                    visible: of_model(l),
                    hidden: of_model(l + 1),
                    weight: of_chain,
                },
            )
        };
        let evidence = Evidence {
            phases: &phases,
            beside: Beside::default(),
            paired: true,
        };
        let shaping = shaping(&self.options, at.updates_in_all());
        let (dbm, gradient) = (&mut self.dbm, &mut self.gradient);
        self.optimizer
            .step(dbm, evidence, at.rates, shaping, gradient)?;
        Ok(Done::Updated)
    }

    fn glance(&self) -> Result<()> {
        glance(self.dbm.layers().iter().flat_map(|x| &x.bias))
    }

    fn check(&self) -> Result<()> {
        self.dbm.check_finite()
    }

    fn figures(&self) -> Figures {
        Figures {
            mean_field: Some(self.convergence),
            ..Figures::default()
        }
    }

    fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        self.optimizer.visit(&self.dbm, out);
        for (l, states) in self.chains.states().iter().enumerate().skip(1).step_by(2) {
            out(&format!("training.chains.{l}"), states.into());
        }
        for (l, means) in self.last_means.iter().enumerate() {
            out(&format!("training.mean_field.{l}"), means.into());
        }
    }

    fn restore(&mut self, saved: &mut Saved) -> Result<()> {
        self.optimizer.restore(&mut self.dbm, saved)?;
        for l in (1..self.dbm.n_layers()).step_by(2) {
            let own = &self.chains.states()[l];
            let name = format!("training.chains.{l}");
            let states = saved.states_like(&name, own, own.rows())?;
            self.chains.set_layer(l, states)?;
        }
        for (l, means) in self.last_means.iter_mut().enumerate() {
            saved.matrix_into(&format!("training.mean_field.{l}"), means)?;
        }
        Ok(())
    }
}

impl DbmLearner {
    /// Mean field of the minibatch, with labels held if the machine has them.
    fn positive_phase(&mut self, batch: &Batch<'_>, at: &At) -> Result<()> {
        let (dbm, posterior) = (&self.dbm, &mut self.posterior);
        let v = batch.states;
        let keeps = self.options.warm_start;
        let rows = batch.rows.unwrap_or_default();
        let visited = at.updates() >= at.position.batches as u64;
        let last = &self.last_means;
        let means = |l: usize, row: usize| last[l].row(rows[row] as usize);
        match labels_for(dbm, batch.labels)? {
            None if keeps && visited => posterior.start_warm(dbm, v, means)?,
            None => posterior.start(dbm, v)?,
            Some(labels) => {
                let label = |row: usize| labels[row] as usize;
                if keeps && visited {
                    posterior.start_warm_with_labels(dbm, v, label, means)?;
                } else {
                    posterior.start_with_labels(dbm, v, label)?;
                }
            }
        }
        self.convergence = posterior.iterate(dbm, &self.options.mean_field)?;
        if keeps {
            for l in dbm.unlabeled_hidden_of(0) {
                for (row, &i) in rows.iter().enumerate() {
                    let to = self.last_means[l].row_mut(i as usize);
                    to.copy_from_slice(posterior.mean(l).row(row));
                }
            }
        }
        Ok(())
    }
}

/// What shapes the gradients of a run of so many updates.
fn shaping(options: &DbmOptions, updates: u64) -> Shaping<'_> {
    Shaping {
        centering: options.centering,
        sparsity: &options.sparsity,
        max_norm: options.learning.max_norm,
        averaging: options.learning.averaging,
        updates,
    }
}

/// The labels that the machine learns: those of the data, if it has labels itself.
fn labels_for<'a>(dbm: &Dbm, labels: Option<&'a [u32]>) -> Result<Option<&'a [u32]>> {
    match (dbm.classes(), labels) {
        (None, _) => Ok(None),
        (Some(_), Some(labels)) => Ok(Some(labels)),
        (Some(classes), None) => Err(Error::parameter(
            format!("training data of a machine with labels of {classes} classes"),
            "examples with labels",
            "none",
        )),
    }
}

fn check_labels(dbm: &Dbm, data: &Examples) -> Result<()> {
    if let Some(labels) = labels_for(dbm, data.labels())? {
        dbm.label_states(labels)?;
    }
    Ok(())
}

/// States of the visible layer at examples drawn with replacement, and their labels if the machine
/// has some.
fn start(dbm: &Dbm, data: &Examples, chains: usize, seed: u64) -> (BitMatrix, Option<Vec<u32>>) {
    let layer = dbm.layer(0);
    let mut v = BitMatrix::zeros(chains, layer.size());
    let mut rng = HostRng::new(seed, Stream::Start);
    let draws = Draws::new(seed, Site::Start, 0);
    let all = data.labels().filter(|_| dbm.classes().is_some());
    let mut labels = all.map(|_| Vec::with_capacity(chains));
    for k in 0..chains {
        let i = rng.below(data.len());
        match data.states() {
            States::Bits(x) => v.copy_row(k, x.view(), i),
            States::Real(x) => draw_row(layer, x.row(i), draws, k, v.view_mut().row_mut(k)),
        }
        if let (Some(labels), Some(all)) = (&mut labels, all) {
            labels.push(all[i]);
        }
    }
    (v, labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset,
        train::{Averaging, Rule, Sparsity},
    };

    /// What all machines are told: each changes the run, and a stored run goes on to the bit.
    #[test]
    fn shared_options_learn_and_resume() {
        let data = dataset::bars_and_stripes(3);
        let dbm = Dbm::bernoulli(&[9, 6, 4]).unwrap();
        let dbm = dbm.initialized_from(&data, 1).unwrap();
        let base = Learning {
            epochs: 4,
            batch_size: 5,
            learning_rate: 0.05.into(),
            ..DbmOptions::default().learning
        };
        let start = |learning: Learning| {
            let options = DbmOptions {
                chains: 7,
                sparsity: vec![Sparsity::default(); 2],
                learning,
                ..DbmOptions::default()
            };
            DbmTraining::new(dbm.clone(), options, &data).unwrap()
        };
        let plain = start(base.clone());
        for change in [
            |x: &mut Learning| x.optimizer = Rule::ADAM,
            |x: &mut Learning| x.gradient_clip = Some(0.05),
            |x: &mut Learning| x.max_norm = Some(0.02),
            |x: &mut Learning| x.averaging = Some(Averaging::Last(0.5)),
        ] {
            let mut learning = base.clone();
            change(&mut learning);
            let (mut run, mut plain) = (start(learning), plain.clone());
            for _ in 0..5 {
                assert_eq!(run.update(&data).unwrap(), Done::Updated);
                assert_eq!(plain.update(&data).unwrap(), Done::Updated);
            }
            let stored = run.result().into_owned();
            let mut resumed = DbmTraining::resumed(stored, run.state(), &data).unwrap();
            for _ in 5..12 {
                for run in [&mut run, &mut plain, &mut resumed] {
                    assert_eq!(run.update(&data).unwrap(), Done::Updated);
                }
            }
            assert_eq!(run.result(), resumed.result());
            assert_eq!(run.model(), resumed.model());
            let which = &run.options().learning;
            assert!(run.result() != plain.result(), "{which:?}");
        }
    }
}
