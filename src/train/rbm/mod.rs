//! How an RBM learns: positive phase, negative phase, step.

mod counts;
mod discriminative;
mod missing;
mod options;
mod visit;
mod work;

pub use options::{Doubled, Objective, RbmOptions};

use super::{
    Negative, Reconstruction, Told, health,
    negative::{
        chains::{Chains, Sampled},
        fast::Fast,
        rows::start_at,
        snapshots::Trail,
    },
    run::{At, Batch, Done, Learner, Run, Stop, glance},
    step::{
        evidence::{Beside, Evidence, Moments, Phases},
        gradient::Gradient,
        optimizer::{Optimizer, Shaping},
        rule::Rates,
    },
};
use crate::{
    bits::BitView,
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::{Layer, MAX_EXACT_UNITS, Missing, Rbm},
    product::{Phase, Propagation, Tail},
    rng::{Draws, Site},
    states::Input,
    tensor::{Saved, Tensor},
    units::Kind,
};
use discriminative::Discriminative;
use missing::Inferred;
use std::borrow::Cow;

/// A run of an RBM.
///
/// ```
/// use harmonium::{Learning, Negative, Rbm, RbmOptions, RbmTraining, dataset};
/// let data = dataset::bars_and_stripes(3);
/// let rbm = Rbm::bernoulli(&[9, 8])?.initialized_from(&data, 1)?;
/// let options = RbmOptions {
///     negative: Negative::Persistent { chains: 16, steps: 1 },
///     learning: Learning {
///         epochs: 10,
///         batch_size: 16,
///         learning_rate: 0.1.into(),
///         ..Learning::default()
///     },
///     ..RbmOptions::default()
/// };
/// let mut run = RbmTraining::new(rbm, options, &data)?;
/// let _ended = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
/// let rbm = run.into_result();
/// # Ok::<(), harmonium::Error>(())
/// ```
pub type RbmTraining = Run<RbmLearner>;

/// An RBM that learns.
#[derive(Clone, Debug)]
pub struct RbmLearner {
    rbm: Rbm,
    options: RbmOptions,
    optimizer: Optimizer,
    chains: Chains,
    h_mean: Matrix,
    gradient: Gradient,
    buffers: Propagation,
    /// If the objective has a discriminative part.
    discriminative: Option<Discriminative>,
    /// If the chains move under fast weights.
    fast: Option<Fast<Rbm>>,
    /// If values of the data are missing.
    inferred: Option<Inferred>,
}

impl Learner for RbmLearner {
    type Model = Rbm;
    type Options = RbmOptions;
    const NAME: &'static str = "training";

    fn new(rbm: Rbm, options: RbmOptions, data: &Examples) -> Result<Self> {
        options.check()?;
        rbm.check()?;
        check_fits(&rbm, &options)?;
        counts::check_fits(&rbm, &options)?;
        let learning = &options.learning;
        let batch = learning.batch_size.min(data.len());
        let mut buffers = Propagation::default();
        let is_discriminative = options.objective == Objective::Discriminative;
        let bits = learning.resample_data || data.bits().is_some();
        let discriminative = match options.objective {
            Objective::Generative => None,
            _ => Some(Discriminative::new(&rbm, batch, bits)?),
        };
        let inferred = match data.observed() {
            Some(_) => Some(inferred(&rbm, &options, data, bits)?),
            None => None,
        };
        let chains = Chains::new(
            match is_discriminative {
                true => Negative::Exact, // no chains
                false => options.negative,
            },
            options.doubled.factors(),
            learning.seed,
            batch,
            &rbm,
            || {
                let count = options.negative.chains().unwrap_or(0);
                let (mut states, chosen) = start_at(data, rbm.visible(), count, learning.seed);
                if let (Some(inferred), Some(observed)) = (&inferred, data.observed()) {
                    inferred.fill(&mut states, &chosen, observed);
                }
                states
            },
            &mut buffers,
        )?;
        let fast = Fast::of(&rbm, options.negative).filter(|_| !is_discriminative);
        let (rule, shaping) = (learning.optimizer, shaping(&options, 0));
        let optimizer = Optimizer::for_run(&rbm, rule, &shaping, &data.mean());
        Ok(Self {
            optimizer,
            fast,
            inferred,
            discriminative,
            chains,
            h_mean: Matrix::zeros(batch, rbm.n_hidden()),
            gradient: Gradient::default(),
            buffers,
            rbm,
            options,
        })
    }

    fn visible(rbm: &Rbm) -> Cow<'_, Layer> {
        Cow::Borrowed(rbm.visible())
    }

    fn options(&self) -> &RbmOptions {
        &self.options
    }

    fn options_mut(&mut self) -> &mut Self::Options {
        &mut self.options
    }

    fn model(&self) -> &Rbm {
        &self.rbm
    }

    fn result(&self) -> Cow<'_, Rbm> {
        self.optimizer.result(&self.rbm)
    }

    fn takes_missing(&self) -> bool {
        self.inferred.is_some()
    }

    /// The states of missing values belong to their examples.
    fn needs_rows(&self) -> bool {
        self.inferred.as_ref().is_some_and(|x| x.last.is_some())
    }

    fn scratch(&self, _batch: usize) -> [usize; 2] {
        let rows = self.chains.rows().max(self.h_mean.rows());
        [rows, self.rbm.n_hidden()]
    }

    fn work(&self, batch: usize) -> usize {
        let is_plain = work::is_plain(&self.options) && self.inferred.is_none();
        match is_plain {
            true => work::of_update(&self.rbm, self.options.negative, batch),
            false => usize::MAX,
        }
    }

    fn update(&mut self, batch: &Batch<'_>, at: &At, stop: &Stop) -> Result<Done> {
        let rates = Rates {
            variance_rate: self.options.variance_rate,
            ..at.rates
        };
        if self.positive_phase(batch, at, stop)? == Done::Stopped {
            return Ok(Done::Stopped);
        }
        let absent = batch
            .observed
            .filter(|_| self.options.missing == Missing::Absent);
        let states = visible(self.inferred.as_ref(), batch);
        let of_example = 1.0 / batch.len() as f32;
        let generative = self.options.objective.generative_weight();
        let mut phases = [Phase::new(
            states,
            self.h_mean.view_rows(0..batch.len()).into(),
            of_example,
        )
        .weighted(batch.weights); 3];
        let mut n_phases = 1;
        let mut beside = Beside::default();
        if let Some(part) = &mut self.discriminative {
            part.run(&self.rbm, batch, &mut self.buffers)?;
            phases[0].weight *= 1.0 + generative;
            phases[1] = part.phase(of_example).weighted(batch.weights);
            n_phases = 2;
            beside.labels = Some(part.labels());
        }
        let expectations;
        if self.options.objective != Objective::Discriminative {
            let machine = self.fast.as_ref().map_or(&self.rbm, Fast::machine);
            let negative = self.options.negative_at(at.time());
            // Chains from the examples weigh what these do, others what the minibatch does.
            let (of_chains, mass) = match negative.starts_at_data() {
                true => (batch.weights, generative),
                false => (None, generative * batch.weight()),
            };
            let (chains, buffers) = (&mut self.chains, &mut self.buffers);
            let sampled = match counts::exact_of_rows(machine, negative, batch, absent, stop)? {
                Some(exact) => exact,
                None => {
                    chains.run_without(machine, negative, at.updates(), absent, buffers, stop)?
                }
            };
            match sampled {
                Sampled::Stopped => return Ok(Done::Stopped),
                Sampled::Exact(exact) => {
                    expectations = exact;
                    beside.exact = Some((Moments::Rbm(&expectations), mass));
                }
                Sampled::States { visible, hidden } => {
                    phases[n_phases] = Phase::new(visible, hidden, -mass / visible.rows() as f32)
                        .weighted(of_chains);
                    n_phases += 1;
                }
            }
        }
        if let (Some(inferred), Some(_)) = (&self.inferred, batch.observed) {
            beside.covariances = &inferred.covariances;
            beside.variances = &inferred.variances;
        }
        let phases = |_| Phases::new(phases, n_phases);
        let evidence = Evidence {
            phases: &phases,
            beside,
            paired: false,
            counts: self.rbm.visible().are_counts(),
        };
        let shaping = shaping(&self.options, at.updates_in_all());
        let (rbm, gradient) = (&mut self.rbm, &mut self.gradient);
        self.optimizer
            .step(rbm, evidence, rates, shaping, gradient)?;
        if let Some(fast) = &mut self.fast {
            fast.step(&self.rbm, evidence, &mut self.gradient)?;
        }
        if let (Some(inferred), Some(_)) = (&mut self.inferred, batch.observed) {
            inferred.keep(batch.rows.unwrap_or_default());
        }
        Ok(Done::Updated)
    }

    fn glance(&self) -> Result<()> {
        let layers = [self.rbm.visible(), self.rbm.hidden()];
        glance(layers.into_iter().map(|x| &x.bias[..]))
    }

    fn check(&self) -> Result<()> {
        self.rbm.check()
    }

    fn chains_told(&self, batch: &Batch<'_>) -> Result<Option<Told>> {
        let rbm = &self.rbm;
        let means = Input::Real(self.h_mean.view_rows(0..batch.len()));
        let mut told = Told {
            information: match rbm.hidden().units.are(Kind::Bernoulli) {
                true => vec![health::information(means)],
                false => Vec::new(),
            },
            entropy: health::entropy([rbm.visible(), rbm.hidden()].into_iter()),
            ..Told::default()
        };
        // Chains under fast weights, and of inputs that count twice, are those of other machines.
        let is_own = self.fast.is_none() && self.options.doubled == Doubled::Neither;
        if let Some((v, h)) = self.chains.last().filter(|_| is_own) {
            told.data = rbm.energy(visible(self.inferred.as_ref(), batch), means)?;
            told.chains = rbm.energy(v, h)?;
            told.swaps = self.chains.swap_rates().to_vec();
        }
        Ok(Some(told))
    }

    fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        visit::tell(self, out);
    }

    fn restore(&mut self, saved: &mut Saved) -> Result<()> {
        visit::take(self, saved)
    }
}

impl RbmLearner {
    /// What stands for the missing values of the minibatch, in states.
    fn complete(&mut self, batch: &Batch<'_>, observed: BitView<'_>, at: &At) -> Result<()> {
        let options = &self.options;
        let Some(inferred) = &mut self.inferred else {
            unreachable!("refused at the door")
        };
        if options.missing == Missing::Absent {
            inferred.clear(batch, observed);
            return Ok(());
        }
        let sweeps = options.negative_at(at.time()).steps().unwrap_or(1) as u64;
        let most = options.negative.steps().unwrap_or(1) as u64;
        let draws = (options.learning.seed, 1 + at.updates() * most, sweeps);
        let factors = options.doubled.factors();
        let (rbm, buffers) = (&self.rbm, &mut self.buffers);
        inferred.sweep(rbm, factors, (batch, observed), draws, buffers)
    }

    /// `E[h | v]` of the minibatch, and states where the chains start from them.
    fn positive_phase(&mut self, batch: &Batch<'_>, at: &At, stop: &Stop) -> Result<Done> {
        let seed = self.options.learning.seed;
        let is_enumerated = self.is_enumerated();
        if let Some(observed) = batch.observed.filter(|_| !is_enumerated) {
            self.complete(batch, observed, at)?;
        }
        let states = match is_enumerated {
            true => batch.states,
            false => visible(self.inferred.as_ref(), batch),
        };
        let draws = Draws::new(seed, Site::Positive, at.updates());
        let rows = batch.len();
        let mut tail = Tail {
            mean: Some(self.h_mean.view_rows_mut(0..rows)),
            ..Tail::new(self.options.doubled.factors()[0])
        };
        if self.options.negative.starts_at_data() && self.chains.rows() > 0 {
            if self.rbm.visible().are_counts() {
                self.chains.keep_lengths(states);
            }
            tail = self.chains.sampled_hidden(rows, draws, tail);
        }
        self.rbm
            .hidden_from_visible(states, tail, &mut self.buffers)?;
        if let (Some(observed), Some(inferred), true) =
            (batch.observed, &mut self.inferred, is_enumerated)
        {
            let batch = (batch, observed);
            let found = inferred.enumerate(&self.rbm, batch, &mut self.h_mean, stop)?;
            if found.is_none() {
                return Ok(Done::Stopped);
            }
        }
        Ok(Done::Updated)
    }

    /// Whether missing values are summed over.
    fn is_enumerated(&self) -> bool {
        enumerates(&self.options)
    }
}

/// The visible states of the minibatch, with states, means or zeros for what is missing.
fn visible<'a>(inferred: Option<&'a Inferred>, batch: &Batch<'a>) -> Input<'a> {
    match inferred {
        Some(inferred) if batch.observed.is_some() => inferred.visible(batch.len()),
        _ => batch.states,
    }
}

/// Whether missing values are summed over.
fn enumerates(options: &RbmOptions) -> bool {
    options.missing == Missing::Infer && options.negative == Negative::Exact
}

/// What stands for the missing values of `data`.
fn inferred(rbm: &Rbm, options: &RbmOptions, data: &Examples, is_bits: bool) -> Result<Inferred> {
    let refused = |what: &str, expected: &str, found: String| {
        let what = format!("{what} of examples with missing values");
        Err(Error::parameter(what, expected, found))
    };
    if !options.objective.is_generative() {
        let found = format!("{:?}", options.objective);
        return refused("objective", "the generative one", found);
    }
    if options.missing == Missing::Absent
        && !matches!(
            options.negative,
            Negative::Exact | Negative::ContrastiveDivergence { .. }
        )
    {
        return refused(
            "negative phase, with absent units,",
            "contrastive divergence or the exact gradient: chains of the examples' own machines",
            "chains of one machine".into(),
        );
    }
    let by_chains = options.missing == Missing::Infer && !enumerates(options);
    if by_chains && is_bits != rbm.visible().units.are_binary() {
        let expected = "states of the units, or data drawn anew at each visit";
        return refused("values", expected, "means of binary units".into());
    }
    let most = options.learning.batch_size.min(data.len());
    let chains = by_chains.then_some((data, options.learning.seed));
    Inferred::new(rbm, most, is_bits, chains, enumerates(options))
}

/// What shapes the gradients of a run of so many updates.
fn shaping(options: &RbmOptions, updates: u64) -> Shaping<'_> {
    Shaping {
        centering: options.centering,
        sparsity: options.sparsity.as_slice(),
        max_norm: options.learning.max_norm,
        averaging: options.learning.averaging,
        updates,
    }
}

/// Refuses options that `rbm` cannot learn by.
fn check_fits(rbm: &Rbm, options: &RbmOptions) -> Result<()> {
    if options.negative == Negative::Exact && rbm.is_bernoulli() {
        let n = rbm.n_visible().min(rbm.n_hidden());
        if n > MAX_EXACT_UNITS {
            let most = format!("a layer of at most {MAX_EXACT_UNITS} units");
            return Err(Error::parameter("exact gradient", most, n));
        }
    }
    let smoothed = matches!(
        options.negative,
        Negative::ContrastiveDivergence {
            reconstruction: Reconstruction::Smoothed,
            ..
        }
    );
    if smoothed && options.variance_rate > 0.0 {
        let what = "variance rate with smoothed reconstructions, which have no variance";
        return Err(Error::parameter(what, 0, options.variance_rate));
    }
    Ok(())
}

impl RbmTraining {
    /// Connection updates of the epoch that is going on.
    pub fn connection_updates_per_epoch(&self) -> u64 {
        self.connection_updates_in_epoch(self.position().epoch)
    }

    /// Connection updates of the whole epoch `epoch`: `n_visible x n_hidden x` rows `x` passes,
    /// both phases and their statistics; those of [`Negative::Trajectory`] with as many snapshots
    /// as there are now.
    pub fn connection_updates_in_epoch(&self, epoch: usize) -> u64 {
        let (learner, options) = (&self.learner, self.options());
        let negative = options.negative_at(epoch as f64);
        let (size, n) = (options.learning.batch_size, self.examples());
        let (generative, discriminative) = match options.objective {
            Objective::Generative => (1, 0),
            Objective::Discriminative => (0, 2),
            Objective::Hybrid { .. } => (1, 2),
        };
        let models = learner.chains.trail().map_or(1, Trail::levels);
        let of_batch = |rows: usize| {
            (2 + discriminative) * rows as u64 + generative * negative.passes(rows, models)
        };
        let rest = match n % size {
            0 => 0,
            rows => of_batch(rows),
        };
        // Of absurd options some figure, and no panic.
        let rows = match n / size {
            0 => rest,
            whole => rest.saturating_add(of_batch(size).saturating_mul(whole as u64)),
        };
        rows.saturating_mul((learner.rbm.n_visible() * learner.rbm.n_hidden()) as u64)
    }
}
