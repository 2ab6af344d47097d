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
mod options;
mod phases;

pub use options::BoltzmannOptions;

use super::{
    Negative, Positive,
    parameters::Parameters,
    run::{At, Batch, Done, Learner, Learning, Run, Stop},
    step::rule::{Rates, Step},
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
    simd::dispatch,
    tensor::{Saved, Tensor},
};
use gradient::PseudoLikelihood;
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
const HIDDEN: &str = "training.hidden";
const CHAINS: &str = "training.chains";

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
    /// Of [`Positive::MeanField`].
    means: Matrix,
    inputs: Matrix,
    negative: Option<UnitChain>,
    pseudo: Option<PseudoLikelihood>,
    gradient: Parameters,
    /// What the rule of the update remembers of each parameter.
    first: Parameters,
    second: Option<Parameters>,
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
        let mut positive = UnitChain::new(Couplings::allowed(&machine), batch);
        positive.hold(0, BitMatrix::from_fn(1, n, |_, _| true).view());
        let negative = match options.negative {
            Negative::Mcmc { chains, .. } | Negative::Persistent { chains, .. } => {
                let mut chain = UnitChain::new(Couplings::allowed(&machine), chains);
                chain.draw_uniform(Draws::new(learning.seed, Site::Start, 0));
                Some(chain)
            }
            _ => None,
        };
        let draws = Draws::new(learning.seed, Site::Positive, 0);
        let by_gibbs = matches!(options.positive, Positive::Gibbs { .. });
        let (stored, gathered) = match by_gibbs {
            true => (data.len(), batch),
            false => (0, 0),
        };
        let rows = match options.positive {
            Positive::MeanField(_) => batch,
            _ => 0,
        };
        let is_adaptive = learning.optimizer.is_adaptive();
        Ok(Self {
            positive,
            hidden: BitMatrix::from_fn(stored, m, |i, j| draws.bits(i, j) >> 31 == 1),
            batch_hidden: BitMatrix::zeros(gathered, m),
            means: Matrix::zeros(rows, m),
            inputs: Matrix::zeros(rows, m),
            negative,
            pseudo: is_pseudo.then(|| PseudoLikelihood::new(n, batch)),
            gradient: Parameters::of_pairs(units),
            first: Parameters::of_pairs(units),
            second: is_adaptive.then(|| Parameters::of_pairs(units)),
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

    fn learning(&self) -> &Learning {
        &self.options.learning
    }

    fn learning_mut(&mut self) -> &mut Learning {
        &mut self.options.learning
    }

    fn model(&self) -> &BoltzmannMachine {
        &self.machine
    }

    fn into_result(self) -> BoltzmannMachine {
        self.machine
    }

    fn check_data(&self, data: &Examples) -> Result<()> {
        if data.bits().is_some() || self.options.learning.resample_data {
            return Ok(());
        }
        Err(Error::parameter("training data", "bits", "real numbers"))
    }

    fn needs_rows(&self) -> bool {
        self.keeps_hidden()
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
            self.add_pseudo_likelihood(x)?;
        } else {
            let rows = batch.rows.unwrap_or_default();
            if self.add_positive(x, rows, at, stop)? == Done::Stopped
                || self.add_negative(at, stop)? == Done::Stopped
            {
                return Ok(Done::Stopped);
            }
            self.keep_hidden(rows);
        }
        self.gradient.finish(&self.machine);
        self.step(at.rates);
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

    fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        for ([pairs, bias], memory) in [(FIRST, Some(&self.first)), (SECOND, self.second.as_ref())]
        {
            if let Some(memory) = memory {
                out(pairs, (&memory.weights[0]).into());
                out(bias, memory.bias[0].as_slice().into());
            }
        }
        if self.keeps_hidden() {
            out(HIDDEN, (&self.hidden).into());
        }
        if let Some((chain, chains)) = self.persistent() {
            let mut states = BitMatrix::zeros(chains, self.machine.units());
            chain.units_into(0, &mut states);
            out(CHAINS, (&states).into());
        }
    }

    fn restore(&mut self, saved: &mut Saved) -> Result<()> {
        for ([pairs, bias], memory) in [
            (FIRST, Some(&mut self.first)),
            (SECOND, self.second.as_mut()),
        ] {
            if let Some(memory) = memory {
                saved.matrix_into(pairs, &mut memory.weights[0])?;
                saved.vector_into(bias, &mut memory.bias[0])?;
            }
        }
        if self.keeps_hidden() {
            let (rows, columns) = (self.hidden.rows(), self.hidden.columns());
            self.hidden = saved.bits(HIDDEN, rows, columns)?;
        }
        if let Some((_, chains)) = self.persistent() {
            let states = saved.bits(CHAINS, chains, self.machine.units())?;
            if let Some(chain) = &mut self.negative {
                chain.set_units(0, states.view());
            }
        }
        Ok(())
    }
}

impl BoltzmannLearner {
    /// Whether hidden states of every example are remembered.
    fn keeps_hidden(&self) -> bool {
        self.hidden.columns() > 0 && self.hidden.rows() > 0
    }

    /// The chains that go on between updates, and how many they are.
    fn persistent(&self) -> Option<(&UnitChain, usize)> {
        match (self.options.negative, &self.negative) {
            (Negative::Persistent { chains, .. }, Some(chain)) => Some((chain, chains)),
            _ => None,
        }
    }

    fn step(&mut self, rates: Rates) {
        let n = self.machine.n_visible();
        let (gradient, first) = (&self.gradient, &mut self.first);
        let mut second = self.second.as_mut();
        let [r, w, s] = self.machine.parameters_mut();
        // Equal numbers go through equal operations: R and S stay symmetric to the bit.
        for (matrix, rows, columns) in [(r, 0, 0), (w, 0, n), (s, n, n)] {
            let width = matrix.columns();
            for i in 0..matrix.rows() {
                dispatch(Step {
                    gradient: &gradient.weights[0].row(rows + i)[columns..][..width],
                    first: &mut first.weights[0].row_mut(rows + i)[columns..][..width],
                    second: match &mut second {
                        Some(second) => {
                            &mut second.weights[0].row_mut(rows + i)[columns..][..width]
                        }
                        None => &mut [],
                    },
                    parameter: matrix.row_mut(i),
                    rates,
                });
            }
        }
        let (b, c) = self.machine.biases_mut();
        for (bias, at) in [(b, 0), (c, n)] {
            let size = bias.len();
            dispatch(Step {
                gradient: &gradient.bias[0][at..][..size],
                first: &mut first.bias[0][at..][..size],
                second: match &mut second {
                    Some(second) => &mut second.bias[0][at..][..size],
                    None => &mut [],
                },
                parameter: bias,
                rates: rates.without_decay(),
            });
        }
    }
}
