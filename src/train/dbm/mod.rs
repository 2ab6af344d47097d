//! The joint training of a deep Boltzmann machine: variational stochastic maximum likelihood, and
//! its other phases.
//!
//! ```text
//! minibatch -> mean field, Gibbs chains or enumeration (positive phase)
//!           -> chains of the model or enumeration (negative phase) -> every connection
//! ```

mod negative;
mod options;
mod positive;

pub use options::DbmOptions;

use super::{
    Told, health,
    negative::fast::Fast,
    run::{At, Batch, Done, Figures, Learner, Run, Stop, glance},
    step::{
        evidence::{Beside, Evidence, Phases},
        gradient::Gradient,
        optimizer::{Optimizer, Shaping},
    },
};
use crate::{
    dataset::Examples,
    error::{Error, Result},
    model::{Dbm, Layer},
    product::Phase,
    states::Input,
    tensor::{Saved, Tensor},
};
use negative::NegativePhase;
use positive::PositivePhase;
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
/// let v = data.bits().expect("binary");
/// let exact = run.model().exact_mean_log_likelihood(v, &mut ())?;
/// # assert!(exact.mean > -5.0 && exact.log_z.is_finite(), "{exact:?}");
/// # Ok::<(), harmonium::Error>(())
/// ```
pub type DbmTraining = Run<DbmLearner>;

/// Name in files.
const FAST: &str = "training.fast";

/// A deep Boltzmann machine that learns.
#[derive(Clone, Debug)]
pub struct DbmLearner {
    dbm: Dbm,
    options: DbmOptions,
    optimizer: Optimizer,
    positive: PositivePhase,
    negative: NegativePhase,
    /// If the chains move under fast weights.
    fast: Option<Fast<Dbm>>,
    gradient: Gradient,
    /// Whether values of the data are missing.
    takes_missing: bool,
}

impl Learner for DbmLearner {
    type Model = Dbm;
    type Options = DbmOptions;
    const NAME: &'static str = "joint";

    fn new(dbm: Dbm, options: DbmOptions, data: &Examples) -> Result<Self> {
        options.check(dbm.n_hidden_layers())?;
        dbm.check_finite()?;
        dbm.layer(0).check_values(data)?;
        check_labels(&dbm, data)?;
        check_missing(&dbm, &options, data)?;
        let (rule, shaping) = (options.learning.optimizer, shaping(&options, 0));
        let optimizer = Optimizer::for_run(&dbm, rule, &shaping, &data.mean());
        let batch = options.learning.batch_size.min(data.len());
        Ok(Self {
            fast: Fast::of(&dbm, options.negative),
            positive: PositivePhase::new(&dbm, &options, data, batch),
            negative: NegativePhase::new(&dbm, &options, data, batch)?,
            optimizer,
            gradient: Gradient::default(),
            takes_missing: data.observed().is_some(),
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

    fn options_mut(&mut self) -> &mut Self::Options {
        &mut self.options
    }

    fn model(&self) -> &Dbm {
        &self.dbm
    }

    fn result(&self) -> Cow<'_, Dbm> {
        self.optimizer.result(&self.dbm)
    }

    fn check_data(&self, data: &Examples) -> Result<()> {
        labels_for(&self.dbm, data.labels()).map(|_| ())
    }

    fn takes_missing(&self) -> bool {
        self.takes_missing
    }

    fn needs_rows(&self) -> bool {
        self.positive.keeps()
    }

    fn scratch(&self, batch: usize) -> [usize; 2] {
        let widest = self.dbm.layers()[1..].iter().map(Layer::size).max();
        let widest = widest.unwrap_or(0).max(self.negative.widest());
        [self.negative.rows().max(batch), widest]
    }

    fn update(&mut self, batch: &Batch<'_>, at: &At, stop: &Stop) -> Result<Done> {
        let (dbm, options) = (&self.dbm, &self.options);
        let of_chains = self.fast.as_ref().map_or(dbm, Fast::machine);
        let (positive, negative) = (&mut self.positive, &mut self.negative);
        let n = batch.len();
        if positive.run(dbm, options, batch, at, stop)? == Done::Stopped
            || negative.run(of_chains, options, (positive, n), at, stop)? == Done::Stopped
        {
            return Ok(Done::Stopped);
        }
        positive.keep(batch.rows.unwrap_or_default());
        let of_data = |l: usize| match l {
            0 => positive.visible(batch),
            l => positive.layer(l, n),
        };
        let of_example = 1.0 / n as f32;
        // Chains from the examples weigh what these do, others what the minibatch does.
        let (of_chains, mass) = match options.negative.starts_at_data() {
            true => (batch.weights, 1.0),
            false => (None, batch.weight()),
        };
        let of_chain = -mass / negative.chains().max(1) as f32;
        let phases = |l: usize| {
            let data = Phase::new(of_data(l), of_data(l + 1), of_example).weighted(batch.weights);
            match (negative.layer(l), negative.layer(l + 1)) {
                (Some(visible), Some(hidden)) => Phases::pair(
                    data,
                    Phase::new(visible, hidden, of_chain).weighted(of_chains),
                ),
                _ => Phases::new([data; 3], 1),
            }
        };
        let evidence = Evidence {
            counts: false,
            phases: &phases,
            beside: Beside {
                exact: negative.moments().map(|exact| (exact, mass)),
                covariances: positive.covariances(),
                ..Beside::default()
            },
            // Phases of other masses than 1 are no means as they are.
            paired: batch.weights.is_none(),
        };
        let shaping = shaping(&self.options, at.updates_in_all());
        let (dbm, gradient) = (&mut self.dbm, &mut self.gradient);
        self.optimizer
            .step(dbm, evidence, at.rates, shaping, gradient)?;
        if let Some(fast) = &mut self.fast {
            fast.step(&self.dbm, evidence, &mut self.gradient)?;
        }
        Ok(Done::Updated)
    }

    fn glance(&self) -> Result<()> {
        glance(self.dbm.layers().iter().map(|x| &x.bias[..]))
    }

    fn check(&self) -> Result<()> {
        self.dbm.check_finite()
    }

    fn figures(&self) -> Figures {
        Figures {
            mean_field: self.positive.convergence(),
            ..Figures::default()
        }
    }

    fn chains_told(&self, batch: &Batch<'_>) -> Result<Option<Told>> {
        let (dbm, n) = (&self.dbm, batch.len());
        let all: Vec<Input<'_>> = std::iter::once(self.positive.visible(batch))
            .chain((1..dbm.n_layers()).map(|l| self.positive.layer(l, n)))
            .collect();
        let hidden = 1..=dbm.n_hidden_layers();
        let is_sampled = self.options.positive.steps().is_some();
        let mut told = Told {
            // States of one sweep say nothing of means.
            information: match is_sampled {
                true => Vec::new(),
                false => hidden.map(|l| health::information(all[l])).collect(),
            },
            entropy: health::entropy(dbm.layers().iter()),
            ..Told::default()
        };
        let chains: Option<Vec<Input<'_>>> = (0..dbm.n_layers())
            .map(|l| self.negative.layer(l))
            .collect();
        let is_own = self.fast.is_none() && self.options.negative.persists();
        if let Some(chains) = chains.filter(|_| is_own) {
            let covariances = self.positive.covariances().iter().enumerate();
            let joint: f64 = covariances
                .map(|(l, x)| {
                    let pairs = x.elements().zip(dbm.weights(l).elements());
                    pairs.map(|(x, w)| f64::from(x) * f64::from(w)).sum::<f64>()
                })
                .sum();
            told.data = dbm.energy(&all)?.into_iter().map(|x| x - joint).collect();
            told.chains = dbm.energy(&chains)?;
            told.swaps = self.negative.swap_rates().to_vec();
        }
        Ok(Some(told))
    }

    fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        self.optimizer.visit(&self.dbm, out);
        if let Some(fast) = &self.fast {
            fast.weights().visit(FAST, out);
        }
        self.negative.visit(&self.dbm, out);
        self.positive.visit(out);
    }

    fn restore(&mut self, saved: &mut Saved) -> Result<()> {
        self.optimizer.restore(&mut self.dbm, saved)?;
        if let Some(fast) = &mut self.fast {
            fast.restore(&self.dbm, FAST, saved)?;
        }
        self.negative.restore(&self.dbm, saved)?;
        self.positive.restore(saved)
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

/// Refuses missing values of other than bits, in whose place bits are drawn.
fn check_missing(dbm: &Dbm, options: &DbmOptions, data: &Examples) -> Result<()> {
    if data.observed().is_none() {
        return Ok(());
    }
    let units = &dbm.layer(0).units;
    if !units.are_binary() {
        let what = "visible units of examples with missing values";
        return Err(Error::parameter(what, "binary units", units));
    }
    if options.learning.resample_data || data.bits().is_some() {
        return Ok(());
    }
    let expected = "states of the units, or data drawn anew at each visit";
    let what = "values of examples with missing values";
    Err(Error::parameter(what, expected, "means of binary units"))
}

fn check_labels(dbm: &Dbm, data: &Examples) -> Result<()> {
    if let Some(labels) = labels_for(dbm, data.labels())? {
        dbm.label_states(labels)?;
    }
    Ok(())
}
