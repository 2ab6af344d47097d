//! Learning of general Boltzmann machines.
//!
//! ```text
//! minibatch -> pairs of the data (h by enumeration, Gibbs or mean field)
//!           -> pairs of the model -> step
//! ```
//! The gradient of the log-likelihood with respect to an element of `R`, `W` or `S` is `E[x_i x_j]`
//! of the data minus that of the model (Ackley, Hinton and Sejnowski 1985); since `R` and `S` stay
//! symmetric, an update moves a coupling `2 R_ij` twice as far as a `W_ij` of the same gradient.

mod gradient;
mod negative;
mod options;
mod phases;
mod step;

pub use options::BoltzmannOptions;

use super::{
    Negative, Positive, Told, health,
    parameters::Parameters,
    run::{At, Batch, Done, Learner, Run, Stop},
    step::{
        optimizer::Optimizer,
        rule::{Rates, Rule},
    },
};
use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::{
        BoltzmannMachine, Layer,
        boltzmann::{Couplings, UnitChain},
    },
    product::Propagation,
    rng::{Draws, Site},
    states::Input,
    tensor::{Saved, Tensor},
};
use gradient::PseudoLikelihood;
use negative::NegativePhase;
use std::borrow::Cow;

/// A run of a general machine, on bits.
///
/// ```
/// use harmonium::{
///     BoltzmannMachine, dataset,
///     train::{Negative, BoltzmannOptions, BoltzmannTraining, Learning},
/// };
/// use std::ops::ControlFlow;
/// let data = dataset::bars_and_stripes(2);
/// let learning = Learning { epochs: 50, learning_rate: 0.5.into(), ..Learning::default() };
/// let negative = Negative::Exact;
/// let options = BoltzmannOptions { negative, learning, ..BoltzmannOptions::default() };
/// let mut run = BoltzmannTraining::new(BoltzmannMachine::bernoulli(&[4])?, options, &data)?;
/// let _ended = run.run(&data, |_| ControlFlow::Continue(()))?;
/// let likelihood = run.model().exact_log_p_v(data.bits().expect("binary"), &mut ())?;
/// assert!(likelihood.iter().sum::<f64>() / 8.0 > -2.6);
/// # Ok::<(), harmonium::Error>(())
/// ```
pub type BoltzmannTraining = Run<BoltzmannLearner>;

/// Names in a file.
const FIRST: [&str; 2] = ["training.velocity.pairs", "training.velocity.bias"];
const SECOND: [&str; 2] = ["training.second.pairs", "training.second.bias"];
const FAST: [&str; 2] = ["training.fast.pairs", "training.fast.bias"];
const PARAMETERS: &str = "training.parameters";
const HIDDEN: &str = "training.hidden";
const MISSING: &str = "training.missing";

impl BoltzmannTraining {
    /// The gradient of the last update: of the elements of `[R W; W' S]`, visible units first, zero
    /// where nothing is learned, and of `(b, c)`.
    pub fn gradient(&self) -> (&Matrix, &[f32]) {
        let gradient = &self.learner.gradient;
        (&gradient.weights[0], &gradient.bias[0])
    }
}

/// A general machine that learns.
#[derive(Clone, Debug)]
pub struct BoltzmannLearner {
    machine: BoltzmannMachine,
    options: BoltzmannOptions,
    /// Data and hidden states of the examples of the minibatch.
    positive: UnitChain,
    /// Hidden states of every example, of [`Positive::Gibbs`].
    hidden: BitMatrix,
    batch_hidden: BitMatrix,
    /// Visible states of every example, of [`Positive::Gibbs`] if values are missing: the states of
    /// these.
    visible: BitMatrix,
    batch_visible: BitMatrix,
    /// A mask without zeros.
    all_held: BitMatrix,
    /// Whether examples may have missing values.
    takes_missing: bool,
    /// Of [`Positive::MeanField`].
    means: Matrix,
    inputs: Matrix,
    negative: NegativePhase,
    pseudo: Option<PseudoLikelihood>,
    gradient: Parameters,
    /// Of all pairs; an average is of the parameters as they are stored.
    optimizer: Optimizer,
    /// The machine of chains under fast weights, and these: the last step of its optimizer.
    fast: Option<(BoltzmannMachine, Optimizer)>,
    norms: Vec<f32>,
    buffers: Propagation,
}

impl Learner for BoltzmannLearner {
    type Model = BoltzmannMachine;
    type Options = BoltzmannOptions;
    const NAME: &'static str = "training";

    fn new(machine: BoltzmannMachine, options: BoltzmannOptions, data: &Examples) -> Result<Self> {
        options.check()?;
        machine.check()?;
        let (n, m) = (machine.n_visible(), machine.n_hidden());
        let learning = &options.learning;
        let is_pseudo = options.negative == Negative::PseudoLikelihood;
        if is_pseudo && m > 0 {
            let what = "hidden units of a pseudo-likelihood";
            return Err(Error::parameter(what, 0, m));
        }
        let (units, batch) = (n + m, learning.batch_size.min(data.len()));
        let takes_missing = data.observed().is_some();
        if takes_missing {
            phases::check_missing(&options)?;
        }
        let mut positive = UnitChain::new(Couplings::allowed(&machine), batch);
        positive.hold(0, BitMatrix::from_fn(1, n, |_, _| true).view());
        let negative = NegativePhase::new(&machine, options.negative, learning.seed, batch);
        let draws = Draws::new(learning.seed, Site::Positive, 0);
        let missing = Draws::new(learning.seed, Site::Missing, 0);
        let by_gibbs = matches!(options.positive, Positive::Gibbs { .. });
        let starts = options.negative.starts_at_data();
        let stored = if by_gibbs { data.len() } else { 0 };
        let gathered = if by_gibbs || starts { batch } else { 0 };
        let rows = match options.positive {
            Positive::MeanField(_) => batch,
            Positive::Exact if starts => batch,
            _ => 0,
        };
        let memory = || Optimizer {
            first: Parameters::of_pairs(units),
            ..Optimizer::default()
        };
        let is_adaptive = learning.optimizer.is_adaptive();
        let optimizer = Optimizer {
            second: is_adaptive.then(|| Parameters::of_pairs(units)),
            average: learning.averaging.map(|_| Parameters::of(&machine)),
            ..memory()
        };
        let fast = match options.negative {
            Negative::FastPersistent { .. } => Some((machine.clone(), memory())),
            _ => None,
        };
        Ok(Self {
            positive,
            hidden: machine.hidden().coins(stored, |i, j| draws.bits(i, j)),
            batch_hidden: BitMatrix::zeros(gathered, m),
            visible: machine
                .visible()
                .coins(if takes_missing { stored } else { 0 }, |i, j| {
                    missing.bits(i, j)
                }),
            batch_visible: BitMatrix::zeros(if takes_missing { batch } else { 0 }, n),
            all_held: BitMatrix::from_fn(if takes_missing { batch } else { 0 }, n, |_, _| true),
            takes_missing,
            means: Matrix::zeros(rows, m),
            inputs: Matrix::zeros(rows, m),
            negative,
            pseudo: is_pseudo.then(|| PseudoLikelihood::new(n, batch)),
            gradient: Parameters::of_pairs(units),
            optimizer,
            fast,
            norms: Vec::new(),
            buffers: Propagation::default(),
            machine,
            options,
        })
    }

    fn visible(machine: &BoltzmannMachine) -> Cow<'_, Layer> {
        Cow::Borrowed(machine.visible())
    }

    fn options(&self) -> &BoltzmannOptions {
        &self.options
    }

    fn options_mut(&mut self) -> &mut Self::Options {
        &mut self.options
    }

    fn model(&self) -> &BoltzmannMachine {
        &self.machine
    }

    fn result(&self) -> Cow<'_, BoltzmannMachine> {
        match &self.optimizer.average {
            Some(average) => Cow::Owned(average.placed_in(&self.machine)),
            None => Cow::Borrowed(&self.machine),
        }
    }

    fn check_data(&self, data: &Examples) -> Result<()> {
        if data.bits().is_some() || self.options.learning.resample_data {
            return Ok(());
        }
        Err(Error::parameter("training data", "bits", "real numbers"))
    }

    fn takes_missing(&self) -> bool {
        self.takes_missing
    }

    fn needs_rows(&self) -> bool {
        self.keeps_hidden() || self.visible.rows() > 0
    }

    fn scratch(&self, _batch: usize) -> [usize; 2] {
        [0, 0]
    }

    fn update(&mut self, batch: &Batch<'_>, at: &At, stop: &Stop) -> Result<Done> {
        let x = batch
            .states
            .bits()
            .ok_or_else(|| Error::parameter("training data", "bits", "real numbers"))?;
        self.gradient.clear();
        if self.pseudo.is_some() {
            self.add_pseudo_likelihood(x, batch)?;
        } else {
            let rows = batch.rows.unwrap_or_default();
            if self.add_positive(x, batch, at, stop)? == Done::Stopped
                || self.add_negative(batch, at, stop)? == Done::Stopped
            {
                return Ok(Done::Stopped);
            }
            self.keep_hidden(rows);
        }
        self.gradient.finish(&self.machine);
        let learning = &self.options.learning;
        step::step(
            &mut self.machine,
            &mut self.gradient,
            &mut self.optimizer,
            at.rates,
            learning.max_norm.map(|most| (most, &mut self.norms)),
            learning.averaging.map(|x| (x, at.updates_in_all())),
        );
        self.follow();
        Ok(Done::Updated)
    }

    fn glance(&self) -> Result<()> {
        let machine = &self.machine;
        let pairs = [
            machine.visible_weights(),
            machine.weights(),
            machine.hidden_weights(),
        ];
        let mut biases = machine.visible().bias.iter().chain(&machine.hidden().bias);
        if pairs.iter().all(|x| x.is_finite()) && biases.all(|x| x.is_finite()) {
            return Ok(());
        }
        Err(Error::NotFinite {
            what: "parameters".into(),
        })
    }

    fn check(&self) -> Result<()> {
        self.machine.check()
    }

    fn chains_told(&self, batch: &Batch<'_>) -> Result<Option<Told>> {
        let (machine, n) = (&self.machine, batch.len());
        let layers = [machine.visible(), machine.hidden()];
        let mut told = Told {
            entropy: health::entropy(layers.into_iter()),
            ..Told::default()
        };
        if !self.options.negative.persists() || self.fast.is_some() {
            return Ok(Some(told));
        }
        let none = BitMatrix::zeros(n, 0);
        let hidden: Option<Input<'_>> = match self.options.positive {
            _ if machine.n_hidden() == 0 => Some((&none).into()),
            Positive::Gibbs { .. } => Some(self.batch_hidden.view_rows(0..n).into()),
            Positive::MeanField(_) => Some(self.means.view_rows(0..n).into()),
            Positive::Exact => None,
        };
        if let Some(hidden) = hidden {
            told.data = match batch.observed {
                None => machine.energy(batch.states, hidden)?,
                Some(_) if self.visible.rows() > 0 => {
                    machine.energy(self.batch_visible.view_rows(0..n), hidden)?
                }
                Some(_) => Vec::new(),
            };
        }
        told.chains = self.negative.energies(machine);
        told.swaps = self.negative.swap_rates().to_vec();
        Ok(Some(told))
    }

    fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        let Optimizer { first, second, .. } = &self.optimizer;
        let fast = self.fast.as_ref().map(|(_, fast)| &fast.first);
        for ([pairs, bias], memory) in [
            (FIRST, Some(first)),
            (SECOND, second.as_ref()),
            (FAST, fast),
        ] {
            if let Some(memory) = memory {
                out(pairs, (&memory.weights[0]).into());
                out(bias, memory.bias[0].as_slice().into());
            }
        }
        if self.optimizer.average.is_some() {
            Parameters::of(&self.machine).visit(PARAMETERS, out);
        }
        if self.keeps_hidden() {
            out(HIDDEN, (&self.hidden).into());
        }
        if self.visible.rows() > 0 {
            out(MISSING, (&self.visible).into());
        }
        self.negative.visit(&self.machine, out);
    }

    fn restore(&mut self, saved: &mut Saved) -> Result<()> {
        self.optimizer.restore_average(&mut self.machine, saved)?;
        let Optimizer { first, second, .. } = &mut self.optimizer;
        let fast = self.fast.as_mut().map(|(_, fast)| &mut fast.first);
        for ([pairs, bias], memory) in [
            (FIRST, Some(first)),
            (SECOND, second.as_mut()),
            (FAST, fast),
        ] {
            if let Some(memory) = memory {
                saved.matrix_into(pairs, &mut memory.weights[0])?;
                saved.vector_into(bias, &mut memory.bias[0])?;
            }
        }
        if let Some((machine, fast)) = &mut self.fast {
            // One step of rate 0 and momentum 1 adds F.
            let rates = Rates {
                momentum: 1.0,
                ..fast_rates(0.0, 1.0)
            };
            machine.clone_from(&self.machine);
            step::move_along(machine, &self.gradient, fast, rates);
        }
        if self.keeps_hidden() {
            let (rows, columns) = (self.hidden.rows(), self.hidden.columns());
            self.hidden = saved.bits(HIDDEN, rows, columns)?;
        }
        if self.visible.rows() > 0 {
            let (rows, columns) = (self.visible.rows(), self.visible.columns());
            self.visible = saved.bits(MISSING, rows, columns)?;
        }
        self.negative.restore(&self.machine, saved)
    }
}

/// Of fast weights.
fn fast_rates(rate: f32, decay: f32) -> Rates {
    Rates {
        rule: Rule::Momentum,
        update: 1,
        learning_rate: rate,
        momentum: decay,
        weight_decay: 0.0,
        l1_decay: 0.0,
        gradient_clip: None,
        variance_rate: 0.0,
    }
}

impl BoltzmannLearner {
    /// Whether hidden states of every example are remembered.
    fn keeps_hidden(&self) -> bool {
        self.hidden.columns() > 0 && self.hidden.rows() > 0
    }

    /// Moves the fast weights along the gradient of the update, and the machine of the chains to
    /// `theta + F`.
    fn follow(&mut self) {
        let Negative::FastPersistent {
            fast_rate,
            fast_decay,
            ..
        } = self.options.negative
        else {
            return;
        };
        if let Some((machine, fast)) = &mut self.fast {
            machine.clone_from(&self.machine);
            let rates = fast_rates(fast_rate, fast_decay);
            step::move_along(machine, &self.gradient, fast, rates);
        }
    }
}
