//! How an RBM learns: positive phase, negative phase, step.

mod discriminative;
mod options;
mod visit;

pub use options::{Doubled, Objective, RbmOptions};

use super::{
    Negative, Reconstruction, Told, health,
    negative::{
        chains::{Chains, Sampled, start_at},
        fast::Fast,
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
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::{Layer, MAX_EXACT_UNITS, Rbm},
    product::{Phase, Propagation, Tail},
    rng::{Draws, Site},
    states::Input,
    tensor::{Saved, Tensor},
    units::Kind,
};
use discriminative::Discriminative;
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
}

impl Learner for RbmLearner {
    type Model = Rbm;
    type Options = RbmOptions;
    const NAME: &'static str = "training";

    fn new(rbm: Rbm, options: RbmOptions, data: &Examples) -> Result<Self> {
        options.check()?;
        rbm.check()?;
        check_fits(&rbm, &options)?;
        let learning = &options.learning;
        let batch = learning.batch_size.min(data.len());
        let mut buffers = Propagation::default();
        let is_discriminative = options.objective == Objective::Discriminative;
        let bits = learning.resample_data || data.bits().is_some();
        let discriminative = match options.objective {
            Objective::Generative => None,
            _ => Some(Discriminative::new(&rbm, batch, bits)?),
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
                start_at(data, rbm.visible(), count, learning.seed).0
            },
            &mut buffers,
        )?;
        let fast = Fast::of(&rbm, options.negative).filter(|_| !is_discriminative);
        let (rule, shaping) = (learning.optimizer, shaping(&options, 0));
        let optimizer = Optimizer::for_run(&rbm, rule, &shaping, &data.mean());
        Ok(Self {
            optimizer,
            fast,
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

    fn scratch(&self, _batch: usize) -> [usize; 2] {
        let rows = self.chains.rows().max(self.h_mean.rows());
        [rows, self.rbm.n_hidden()]
    }

    fn update(&mut self, batch: &Batch<'_>, at: &At, stop: &Stop) -> Result<Done> {
        let rates = Rates {
            variance_rate: self.options.variance_rate,
            ..at.rates
        };
        self.positive_phase(batch, at)?;
        let of_example = 1.0 / batch.len() as f32;
        let generative = self.options.objective.generative_weight();
        let mut phases = [Phase {
            visible: batch.states,
            hidden: self.h_mean.view_rows(0..batch.len()).into(),
            weight: of_example,
        }; 3];
        let mut n_phases = 1;
        let mut beside = Beside::default();
        if let Some(part) = &mut self.discriminative {
            part.run(&self.rbm, batch.states, of_example, &mut self.buffers)?;
            phases[0].weight *= 1.0 + generative;
            phases[1] = part.phase(of_example);
            n_phases = 2;
            beside.labels = Some(part.labels());
        }
        let expectations;
        if self.options.objective != Objective::Discriminative {
            let machine = self.fast.as_ref().map_or(&self.rbm, Fast::machine);
            let negative = self.options.negative_at(at.time());
            let (chains, buffers) = (&mut self.chains, &mut self.buffers);
            match chains.run(machine, negative, at.updates(), buffers, stop)? {
                Sampled::Stopped => return Ok(Done::Stopped),
                Sampled::Exact(exact) => {
                    expectations = exact;
                    beside.exact = Some((Moments::Rbm(&expectations), generative));
                }
                Sampled::States { visible, hidden } => {
                    phases[n_phases] = Phase {
                        visible,
                        hidden,
                        weight: -generative / visible.rows() as f32,
                    };
                    n_phases += 1;
                }
            }
        }
        let phases = |_| Phases::new(phases, n_phases);
        let evidence = Evidence {
            phases: &phases,
            beside,
            paired: false,
        };
        let shaping = shaping(&self.options, at.updates_in_all());
        let (rbm, gradient) = (&mut self.rbm, &mut self.gradient);
        self.optimizer
            .step(rbm, evidence, rates, shaping, gradient)?;
        if let Some(fast) = &mut self.fast {
            fast.step(&self.rbm, evidence, &mut self.gradient)?;
        }
        Ok(Done::Updated)
    }

    fn glance(&self) -> Result<()> {
        glance(
            self.rbm
                .visible()
                .bias
                .iter()
                .chain(&self.rbm.hidden().bias),
        )
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
            told.data = rbm.energy(batch.states, means)?;
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
    /// `E[h | v]` of the minibatch, and states where the chains start from them.
    fn positive_phase(&mut self, batch: &Batch<'_>, at: &At) -> Result<()> {
        let seed = self.options.learning.seed;
        let draws = Draws::new(seed, Site::Positive, at.updates());
        let rows = batch.len();
        let mut tail = Tail {
            mean: Some(self.h_mean.view_rows_mut(0..rows)),
            ..Tail::new(self.options.doubled.factors()[0])
        };
        if self.options.negative.starts_at_data() && self.chains.rows() > 0 {
            tail = self.chains.sampled_hidden(rows, draws, tail);
        }
        self.rbm
            .hidden_from_visible(batch.states, tail, &mut self.buffers)
    }
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
