//! Variational stochastic maximum likelihood: the joint training of a deep Boltzmann machine.
//!
//! ```text
//! minibatch -> mean field (positive phase) -> Gibbs sweeps of persistent chains (negative phase) -> every connection -> observer
//! ```

mod optimizer;
mod options;

pub use optimizer::{DbmOptimizer, DbmParameters};
pub use options::DbmOptions;

use super::{
    Position,
    negative::chains::draw_row,
    run::minibatch::{Minibatch, order_into},
    step::rule::Rates,
};
use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::{Convergence, Dbm, DbmChain, Layer, Posterior},
    product::{in_pool, warm_up},
    rng::{Draws, HostRng, Site},
    states::{Input, States},
};
use optimizer::{DbmGradient, DbmPhase, DbmShaping};
use std::ops::ControlFlow;

/// Streams of [`HostRng`]: the examples at which chains start.
const START_STREAM: u64 = 2 << 32;

/// What the observer of a run is told; it stops the run by breaking.
#[derive(Debug)]
pub enum DbmEvent<'a> {
    /// An update is done.
    Update(&'a DbmTraining),
    /// An epoch is done, after its last [`DbmEvent::Update`].
    Epoch(&'a DbmTraining),
}

/// A run: the machine and all that its future depends on.
///
/// ```
/// # use harmonium::{Dbm, dataset, train::{DbmOptions, DbmTraining}};
/// let data = dataset::bars_and_stripes(3);
/// let dbm = Dbm::bernoulli(&[9, 8, 4])?.initialized_from(&data, 1)?;
/// let options = DbmOptions {
///     epochs: 1000,
///     batch_size: 16,
///     learning_rate: 0.1.into(),
///     momentum: 0.5.into(),
///     ..DbmOptions::default()
/// };
/// let mut training = DbmTraining::new(dbm, options, &data)?;
/// let _ = training.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
/// let (likelihood, _, log_z) = training.dbm().exact_mean_log_likelihood(data.bits().unwrap())?;
/// # assert!(likelihood > -5.0 && log_z.is_finite(), "{likelihood}");
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DbmTraining {
    dbm: Dbm,
    options: DbmOptions,
    optimizer: DbmOptimizer,
    chains: DbmChain,
    /// Means of the odd layers of the chains, by layer.
    chain_means: Vec<Matrix>,
    posterior: Posterior,
    /// Where mean field of every example ended last, by layer: of even hidden layers, if starts are warm.
    last_means: Vec<Matrix>,
    convergence: Convergence,
    updates: u64,
    examples: usize,
    minibatch: Minibatch,
    order: Vec<u32>,
    /// Epoch that `order` is of.
    ordered: Option<u64>,
    gradient: DbmGradient,
    warm: bool,
}

impl DbmTraining {
    /// A run of `dbm` on `data`, before its first update. Chains start at examples drawn with replacement. A machine with labels ([`Dbm::classes`]) learns `ln p(v, y)` of
    /// examples with labels: mean field is that of the hidden layers given both.
    ///
    /// # Errors
    /// [`Error::Parameter`] for options out of range, no data, values that the visible units cannot have, and for a machine with labels data without, or with a
    /// label that is none of its classes; [`Error::Shape`] for data of another width; [`Error::NotFinite`] for NaN or infinite parameters.
    pub fn new(dbm: Dbm, options: DbmOptions, data: &Examples) -> Result<Self> {
        options.check(dbm.n_hidden_layers())?;
        dbm.check_finite()?;
        if data.is_empty() {
            return Err(Error::parameter("training data", "at least one example", 0));
        }
        dbm.layer(0).check_values(data.input())?;
        if let Some(labels) = labels_for(&dbm, data)? {
            dbm.label_states(labels)?;
        }
        let batch = options.batch_size.min(data.len());
        let (v, labels) = start(&dbm, data, options.chains, options.seed);
        let (seed, labels) = (options.seed, labels.as_deref());
        let kept: Vec<usize> = dbm.unlabelled_hidden_of(0).collect();
        let keeps = |l: usize| options.warm_start && kept.contains(&l);
        let by_layer = |rows: &dyn Fn(usize) -> usize| -> Vec<Matrix> {
            let layers = dbm.layers().iter().enumerate();
            layers
                .map(|(l, layer)| Matrix::zeros(rows(l), layer.size()))
                .collect()
        };
        Ok(Self {
            chains: DbmChain::started(&dbm, v.into(), labels, seed, Site::Chain)?,
            chain_means: by_layer(&|l| options.chains * (l % 2)),
            last_means: by_layer(&|l| if keeps(l) { data.len() } else { 0 }),
            optimizer: DbmOptimizer::new(&dbm, options.centering, &options.sparsity, &data.mean()),
            posterior: Posterior::default(),
            convergence: Convergence::default(),
            updates: 0,
            examples: data.len(),
            minibatch: Minibatch::new(batch, data, options.resample_data),
            order: Vec::new(),
            ordered: None,
            gradient: DbmGradient::default(),
            warm: false,
            dbm,
            options,
        })
    }

    /// A run that goes on where another was stored: `new`, then what [`Self::optimizer`], [`Self::chains`] and [`Self::last_means`] told.
    ///
    /// # Errors
    /// As [`Self::new`], and [`Error::Shape`] where the stored parts do not fit.
    pub fn resumed(
        dbm: Dbm,
        options: DbmOptions,
        data: &Examples,
        optimizer: DbmOptimizer,
        chains: Vec<(usize, States)>,
        last_means: Vec<(usize, Matrix)>,
        updates: u64,
    ) -> Result<Self> {
        let mut training = Self::new(dbm, options, data)?;
        let (own, found) = (training.optimizer.shape(), optimizer.shape());
        if own != found {
            let what = "stored state of the optimizer";
            return Err(Error::shape(what, format!("{own:?}"), format!("{found:?}")));
        }
        training.optimizer = optimizer;
        let layers = |x: &mut dyn Iterator<Item = usize>| format!("{:?}", x.collect::<Vec<_>>());
        for (what, own, found) in [
            (
                "layers of stored chains",
                layers(&mut training.chains().map(|(l, _)| l)),
                layers(&mut chains.iter().map(|(l, _)| *l)),
            ),
            (
                "layers of stored means",
                layers(&mut training.last_means().map(|(l, _)| l)),
                layers(&mut last_means.iter().map(|(l, _)| *l)),
            ),
        ] {
            if own != found {
                return Err(Error::shape(what, own, found));
            }
        }
        for (l, states) in chains {
            training.chains.set_layer(l, states)?;
        }
        for (l, means) in last_means {
            let own = &mut training.last_means[l];
            if (own.rows(), own.columns()) != (means.rows(), means.columns()) {
                return Err(Error::shape(
                    format!("stored means of layer {l}"),
                    format!("{} x {}", own.rows(), own.columns()),
                    format!("{} x {}", means.rows(), means.columns()),
                ));
            }
            *own = means;
        }
        training.updates = updates;
        Ok(training)
    }

    /// The machine as it is now.
    pub fn dbm(&self) -> &Dbm {
        &self.dbm
    }

    /// The result at the end.
    pub fn into_dbm(self) -> Dbm {
        self.dbm
    }

    /// The options of the run.
    pub fn options(&self) -> &DbmOptions {
        &self.options
    }

    /// What updates remember.
    pub fn optimizer(&self) -> &DbmOptimizer {
        &self.optimizer
    }

    /// The states of the persistent chains that the next update depends on: those of the odd layers.
    pub fn chains(&self) -> impl Iterator<Item = (usize, &States)> {
        let layers = self.chains.states().iter().enumerate();
        layers.filter(|(l, _)| l % 2 == 1)
    }

    /// Where mean field of every example ended last, by layer; nothing unless starts are warm.
    pub fn last_means(&self) -> impl Iterator<Item = (usize, &Matrix)> {
        let layers = self.last_means.iter().enumerate();
        layers.filter(|(_, x)| x.rows() > 0)
    }

    /// How mean field of the last minibatch ended.
    pub fn convergence(&self) -> Convergence {
        self.convergence
    }

    /// Examples of the data that the run is on.
    pub fn examples(&self) -> usize {
        self.examples
    }

    /// Where the run stands.
    pub fn position(&self) -> Position {
        let batches = self.examples.div_ceil(self.options.batch_size);
        Position {
            epoch: (self.updates / batches as u64) as usize,
            batch: (self.updates % batches as u64) as usize,
            batches,
            updates: self.updates,
        }
    }

    /// Learning rate of the next update.
    pub fn learning_rate(&self) -> f32 {
        let rate = self
            .options
            .learning_rate
            .at(self.time(), self.options.epochs);
        rate.max(self.options.least_rate)
    }

    /// Epochs so far, with fractions.
    fn time(&self) -> f64 {
        let position = self.position();
        position.epoch as f64 + position.batch as f64 / position.batches as f64
    }

    /// Runs until all epochs are done or the observer breaks.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn run(
        &mut self,
        data: &Examples,
        mut observer: impl FnMut(DbmEvent<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        while self.position().epoch < self.options.epochs {
            self.update(data)?;
            if observer(DbmEvent::Update(self)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.position().batch == 0 {
                self.dbm.check_finite().map_err(|e| self.not_finite(e))?;
                if observer(DbmEvent::Epoch(self)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One update. Allocates nothing once the buffers have grown in the first.
    ///
    /// # Errors
    /// [`Error::Shape`] if `data` is not of the size that the run was started with, [`Error::Parameter`] for data of another type, and without the labels that
    /// the machine has;
    /// [`Error::NotFinite`] when a parameter became NaN or infinite (learning rate too large).
    pub fn update(&mut self, data: &Examples) -> Result<()> {
        if data.len() != self.examples || data.columns() != self.dbm.n_visible() {
            return Err(Error::shape(
                "training data",
                format!("{} x {}", self.examples, self.dbm.n_visible()),
                format!("{} x {}", data.len(), data.columns()),
            ));
        }
        labels_for(&self.dbm, data)?;
        if !self.minibatch.takes(data.states()) {
            let expected = "of the type that the run was started with";
            return Err(Error::parameter("training data", expected, "another"));
        }
        if !self.warm {
            let rows = self.options.chains.max(self.minibatch.most());
            let widest = self.dbm.layers()[1..].iter().map(Layer::size).max();
            warm_up(rows, widest.unwrap_or(0));
            self.warm = true;
        }
        in_pool(|| self.try_update(data)).map_err(|e| self.not_finite(e))
    }

    fn try_update(&mut self, data: &Examples) -> Result<()> {
        let rates = self.rates();
        let batch = self.gather(data);
        let examples = batch.len();
        self.positive_phase(batch, data)?;
        let sweeps = self.options.sweeps;
        let first = self.updates * sweeps as u64;
        self.chains
            .train_sweeps(&self.dbm, first, sweeps, &mut self.chain_means)?;
        let (posterior, chains, means) = (&self.posterior, &self.chains, &self.chain_means);
        let minibatch = &self.minibatch;
        let of_data = |l: usize| match l {
            0 => minibatch.input(),
            l => posterior.mean(l).into(),
        };
        let of_model = |l: usize| match l % 2 {
            0 => chains.states()[l].view(),
            _ => Input::from(&means[l]),
        };
        let phases = [
            DbmPhase {
                layer: &of_data,
                weight: 1.0 / examples as f32,
            },
            DbmPhase {
                layer: &of_model,
                weight: 1.0 / self.options.chains as f32,
            },
        ];
        let shaping = DbmShaping {
            centering: self.options.centering,
            sparsity: &self.options.sparsity,
        };
        let (dbm, gradient) = (&mut self.dbm, &mut self.gradient);
        self.optimizer.step(dbm, phases, rates, shaping, gradient)?;
        self.updates += 1;
        // Parameters that are no numbers reach the biases within an update or two: looking there costs nothing.
        let biases = self.dbm.layers().iter().flat_map(|x| &x.bias);
        let sum: f32 = biases.map(|x| x * 0.0).sum();
        if sum == 0.0 {
            return Ok(());
        }
        Err(Error::NotFinite {
            what: "biases".into(),
        })
    }

    fn rates(&self) -> Rates {
        let options = &self.options;
        Rates {
            learning_rate: self.learning_rate(),
            momentum: options.momentum.at(self.time(), options.epochs),
            weight_decay: options.weight_decay,
            l1_decay: options.l1_decay,
            gradient_clip: None,
            variance_rate: 0.0,
            rule: options.optimizer,
            update: self.updates + 1,
        }
    }

    fn not_finite(&self, error: Error) -> Error {
        let Error::NotFinite { what } = error else {
            return error;
        };
        Error::NotFinite {
            what: format!(
                "{what} after update {} (learning rate {})",
                self.updates,
                self.learning_rate()
            ),
        }
    }

    /// Fills the minibatch; the range of the order that it is.
    fn gather(&mut self, data: &Examples) -> std::ops::Range<usize> {
        let Position { epoch, batch, .. } = self.position();
        let (epoch, seed) = (epoch as u64, self.options.seed);
        if self.ordered != Some(epoch) {
            order_into(seed, epoch, self.examples, &mut self.order);
            self.ordered = Some(epoch);
        }
        let start = batch * self.options.batch_size;
        let range = start..(start + self.options.batch_size).min(self.examples);
        let draws = Draws::new(seed, Site::Data, self.updates);
        let indices = &self.order[range.clone()];
        self.minibatch.fill(data, indices, draws, self.dbm.layer(0));
        range
    }

    /// Mean field of the minibatch, which is these examples of the order, with labels held if the machine has them.
    fn positive_phase(&mut self, batch: std::ops::Range<usize>, data: &Examples) -> Result<()> {
        let (dbm, posterior) = (&self.dbm, &mut self.posterior);
        let v = self.minibatch.input();
        let indices = &self.order[batch];
        let visited = self.updates >= self.examples.div_ceil(self.options.batch_size) as u64;
        let keeps = self.options.warm_start;
        let last = &self.last_means;
        let means = |l: usize, row: usize| last[l].row(indices[row] as usize);
        match labels_for(dbm, data)? {
            None if keeps && visited => posterior.start_warm(dbm, v, means)?,
            None => posterior.start(dbm, v)?,
            Some(labels) => {
                let label = |row: usize| labels[indices[row] as usize] as usize;
                if keeps && visited {
                    posterior.start_warm_with_labels(dbm, v, label, means)?;
                } else {
                    posterior.start_with_labels(dbm, v, label)?;
                }
            }
        }
        self.convergence = posterior.iterate(dbm, &self.options.mean_field)?;
        if keeps {
            for l in dbm.unlabelled_hidden_of(0) {
                for (row, &i) in indices.iter().enumerate() {
                    let to = self.last_means[l].row_mut(i as usize);
                    to.copy_from_slice(posterior.mean(l).row(row));
                }
            }
        }
        Ok(())
    }
}

/// The labels that the machine learns: those of the data, if it has labels itself.
fn labels_for<'a>(dbm: &Dbm, data: &'a Examples) -> Result<Option<&'a [u32]>> {
    match (dbm.classes(), data.labels()) {
        (None, _) => Ok(None),
        (Some(_), Some(labels)) => Ok(Some(labels)),
        (Some(classes), None) => Err(Error::parameter(
            format!("training data of a machine with labels of {classes} classes"),
            "examples with labels",
            "none",
        )),
    }
}

/// States of the visible layer at examples drawn with replacement, and their labels if the machine has some.
fn start(dbm: &Dbm, data: &Examples, chains: usize, seed: u64) -> (BitMatrix, Option<Vec<u32>>) {
    let layer = dbm.layer(0);
    let mut v = BitMatrix::zeros(chains, layer.size());
    let mut rng = HostRng::new(seed, START_STREAM);
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
