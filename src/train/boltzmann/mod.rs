//! Learning of general Boltzmann machines.
//!
//! ```text
//! minibatch -> pairs of the data (h by enumeration, Gibbs or mean field) -> pairs of the model -> optimizer -> observer
//! ```
//! The gradient of the log-likelihood with respect to an element of `R`, `W` or `S` is `E[x_i x_j]` of the data minus that of the model (Ackley, Hinton and
//! Sejnowski 1985); since `R` and `S` stay symmetric, an update moves a coupling `2 R_ij` twice as far as a `W_ij` of the same gradient.

mod gradient;
mod options;
mod state;

pub use options::{BoltzmannNegative, BoltzmannOptions, BoltzmannPositive};
pub use state::{BoltzmannState, PairMemory};

use super::{
    Position,
    run::minibatch::order_into,
    step::rule::{Rates, Step},
};
use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::{
        BoltzmannMachine,
        boltzmann::{Couplings, UnitChain},
    },
    product::{Direction, Propagation, Tail, Term, in_pool, warm_up},
    rng::{Draws, Site},
    simd::dispatch,
};
use gradient::{Gradient, PseudoLikelihood};
use std::ops::ControlFlow;

/// A run: the machine and all that its future depends on. Same seed, same machine, at any number of threads.
///
/// ```
/// use harmonium::{BoltzmannMachine, dataset, train::{BoltzmannNegative, BoltzmannOptions, BoltzmannTraining}};
/// use std::ops::ControlFlow;
/// let data = dataset::bars_and_stripes(2);
/// let options = BoltzmannOptions {
///     negative: BoltzmannNegative::Exact,
///     epochs: 50,
///     learning_rate: 0.5.into(),
///     ..BoltzmannOptions::default()
/// };
/// let mut run = BoltzmannTraining::new(BoltzmannMachine::bernoulli(4, 0), options, &data)?;
/// let _ = run.run(&data, |_| ControlFlow::Continue(()))?;
/// let likelihood = run.machine().log_likelihood(data.bits().expect("binary"))?;
/// assert!(likelihood.iter().sum::<f64>() / 8.0 > -2.6);
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BoltzmannTraining {
    machine: BoltzmannMachine,
    options: BoltzmannOptions,
    updates: u64,
    examples: usize,
    order: Vec<u32>,
    /// Epoch that `order` is of.
    ordered: Option<u64>,
    batch: BitMatrix,
    /// Data and hidden states of the examples of the minibatch.
    positive: UnitChain,
    /// Hidden states of every example, of [`BoltzmannPositive::Gibbs`].
    hidden: BitMatrix,
    batch_hidden: BitMatrix,
    /// Of [`BoltzmannPositive::MeanField`].
    means: Matrix,
    inputs: Matrix,
    negative: Option<UnitChain>,
    pseudo: Option<PseudoLikelihood>,
    gradient: Gradient,
    /// What the rule of the update remembers of each parameter.
    first: Gradient,
    second: Option<Gradient>,
    buffers: Propagation,
    warm: bool,
}

impl BoltzmannTraining {
    /// A run of `machine` on `data`, before its first update.
    ///
    /// # Errors
    /// [`Error::Parameter`] for options out of range, no data, data that are not bits, or a pseudo-likelihood of a machine with hidden units;
    /// [`Error::Shape`] for data of another width than the machine; those of [`BoltzmannMachine::check`].
    pub fn new(
        machine: BoltzmannMachine,
        options: BoltzmannOptions,
        data: &Examples,
    ) -> Result<Self> {
        options.check()?;
        machine.check()?;
        if data.is_empty() {
            return Err(Error::parameter("training data", "at least one example", 0));
        }
        let (n, m) = (machine.n_visible(), machine.n_hidden());
        check_data(&machine, data)?;
        let is_pseudo = options.negative == BoltzmannNegative::PseudoLikelihood;
        if is_pseudo && m > 0 {
            return Err(Error::parameter(
                "hidden units of a pseudo-likelihood",
                0,
                m,
            ));
        }
        let (units, batch) = (n + m, options.batch_size.min(data.len()));
        let mut positive = UnitChain::new(Couplings::allowed(&machine), batch);
        positive.hold(0, BitMatrix::from_fn(1, n, |_, _| true).view());
        let negative = match options.negative {
            BoltzmannNegative::Mcmc { chains, .. }
            | BoltzmannNegative::Persistent { chains, .. } => {
                let mut chain = UnitChain::new(Couplings::allowed(&machine), chains);
                chain.draw_uniform(Draws::new(options.seed, Site::Start, 0));
                Some(chain)
            }
            BoltzmannNegative::Exact | BoltzmannNegative::PseudoLikelihood => None,
        };
        let draws = Draws::new(options.seed, Site::Positive, 0);
        let by_gibbs = matches!(options.positive, BoltzmannPositive::Gibbs { .. });
        let (stored, gathered) = if by_gibbs {
            (data.len(), batch)
        } else {
            (0, 0)
        };
        let rows = match options.positive {
            BoltzmannPositive::MeanField(_) => batch,
            _ => 0,
        };
        Ok(Self {
            updates: 0,
            examples: data.len(),
            order: Vec::with_capacity(data.len()),
            ordered: None,
            batch: BitMatrix::zeros(batch, n),
            positive,
            hidden: BitMatrix::from_fn(stored, m, |i, j| draws.bits(i, j) >> 31 == 1),
            batch_hidden: BitMatrix::zeros(gathered, m),
            means: Matrix::zeros(rows, m),
            inputs: Matrix::zeros(rows, m),
            negative,
            pseudo: is_pseudo.then(|| PseudoLikelihood::new(n, batch)),
            gradient: Gradient::zeros(units),
            first: Gradient::zeros(units),
            second: options
                .optimizer
                .is_adaptive()
                .then(|| Gradient::zeros(units)),
            buffers: Propagation::default(),
            warm: false,
            machine,
            options,
        })
    }

    /// The machine as it is now.
    pub fn machine(&self) -> &BoltzmannMachine {
        &self.machine
    }

    /// The machine at the end.
    pub fn into_machine(self) -> BoltzmannMachine {
        self.machine
    }

    /// The options of the run.
    pub fn options(&self) -> &BoltzmannOptions {
        &self.options
    }

    /// The gradient of the last update: of the elements of `[R W; W' S]`, visible units first, zero where nothing is learned, and of `(b, c)`.
    pub fn gradient(&self) -> (&Matrix, &[f32]) {
        (&self.gradient.pairs, &self.gradient.bias)
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

    /// Runs until all epochs are done or the observer, called after each update, breaks.
    ///
    /// # Errors
    /// Those of [`Self::update`].
    pub fn run(
        &mut self,
        data: &Examples,
        mut observer: impl FnMut(&Self) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        while self.position().epoch < self.options.epochs {
            self.update(data)?;
            if observer(self).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One update. Allocates nothing after the first, but for the exact phases.
    ///
    /// # Errors
    /// [`Error::Shape`] for other data than the run began with; [`Error::NotFinite`] when a parameter became NaN or infinite (learning rate too
    /// large); those of enumeration for exact phases.
    pub fn update(&mut self, data: &Examples) -> Result<()> {
        check_data(&self.machine, data)?;
        if data.len() != self.examples {
            return Err(Error::shape("examples", self.examples, data.len()));
        }
        if !self.warm {
            warm_up(0, 0);
            self.warm = true;
        }
        in_pool(|| self.update_in_pool(data))
    }

    fn update_in_pool(&mut self, data: &Examples) -> Result<()> {
        let rows = self.gather(data);
        self.gradient.clear();
        if self.pseudo.is_some() {
            self.add_pseudo_likelihood(rows)?;
        } else {
            self.add_positive(rows)?;
            self.add_negative()?;
        }
        self.gradient.finish(&self.machine);
        self.step();
        self.updates += 1;
        let is_finite = self.machine.parameters_mut().iter().all(|x| x.is_finite());
        let (b, c) = self.machine.biases_mut();
        if !is_finite || !b.iter().chain(c.iter()).all(|x| x.is_finite()) {
            return Err(Error::NotFinite {
                what: format!(
                    "parameters after update {} (learning rate too large?)",
                    self.updates
                ),
            });
        }
        Ok(())
    }

    /// The examples of the minibatch; how many they are.
    fn gather(&mut self, data: &Examples) -> usize {
        let position = self.position();
        let epoch = position.epoch as u64;
        if self.ordered != Some(epoch) {
            order_into(self.options.seed, epoch, self.examples, &mut self.order);
            self.ordered = Some(epoch);
        }
        let first = position.batch * self.options.batch_size;
        let last = (first + self.options.batch_size).min(self.examples);
        let from = data.bits().expect("checked at the door").view();
        for (k, &i) in self.order[first..last].iter().enumerate() {
            self.batch.copy_row(k, from, i as usize);
            if self.hidden.rows() > 0 {
                self.batch_hidden
                    .copy_row(k, self.hidden.view(), i as usize);
            }
        }
        last - first
    }

    fn add_positive(&mut self, rows: usize) -> Result<()> {
        let n = self.machine.n_visible();
        let v = self.batch.view_rows(0..rows);
        self.positive.set_chains(rows);
        self.positive.set_units(0, v);
        let weight = 1.0 / rows as f32;
        if self.machine.n_hidden() == 0 {
            self.gradient.add_counts(&self.positive, weight);
            return Ok(());
        }
        match self.options.positive {
            BoltzmannPositive::Gibbs { steps } => {
                self.positive.refresh(&self.machine);
                self.positive
                    .set_units(n, self.batch_hidden.view_rows(0..rows));
                for k in 0..steps as u64 {
                    let step = 1 + self.updates * steps as u64 + k;
                    let draws = Draws::new(self.options.seed, Site::Positive, step);
                    self.positive.sweep(1.0, draws);
                }
                self.positive.units_into(n, &mut self.batch_hidden);
                let first = self.position().batch * self.options.batch_size;
                for (k, &i) in self.order[first..first + rows].iter().enumerate() {
                    self.hidden
                        .copy_row(i as usize, self.batch_hidden.view(), k);
                }
                self.gradient.add_counts(&self.positive, weight);
            }
            BoltzmannPositive::MeanField(options) => {
                self.means.padded_mut().fill(0.0);
                for s in 0..rows {
                    self.means.row_mut(s).fill(0.5);
                }
                self.machine.mean_field_into(
                    v.into(),
                    options,
                    &mut self.means,
                    &mut self.inputs,
                    &mut self.buffers,
                )?;
                self.gradient.add_counts(&self.positive, weight);
                self.gradient.add_means(v, &self.means, weight);
            }
            BoltzmannPositive::Exact => {
                let mut held = vec![None; self.machine.units()];
                for s in 0..rows {
                    for (i, held) in held[..n].iter_mut().enumerate() {
                        *held = Some(v.get(s, i));
                    }
                    let posterior = self.machine.expectations_given(&held)?;
                    self.gradient
                        .add_expectations(&posterior, 1.0 / rows as f64);
                }
            }
        }
        Ok(())
    }

    fn add_negative(&mut self) -> Result<()> {
        let (seed, updates) = (self.options.seed, self.updates);
        let (chains, steps, restart) = match self.options.negative {
            BoltzmannNegative::Exact => {
                let expected = self.machine.expectations()?;
                self.gradient.add_expectations(&expected, -1.0);
                return Ok(());
            }
            BoltzmannNegative::PseudoLikelihood => return Ok(()),
            BoltzmannNegative::Mcmc { chains, steps } => (chains, steps as u64, true),
            BoltzmannNegative::Persistent { chains, steps } => (chains, steps as u64, false),
        };
        let chain = self.negative.as_mut().expect("a phase of chains has them");
        chain.refresh(&self.machine);
        if restart {
            chain.draw_uniform(Draws::new(seed, Site::Start, updates));
        }
        for k in 0..steps {
            chain.sweep(1.0, Draws::new(seed, Site::Chain, updates * steps + k));
        }
        self.gradient.add_counts(chain, -1.0 / chains as f32);
        Ok(())
    }

    fn add_pseudo_likelihood(&mut self, rows: usize) -> Result<()> {
        let pseudo = self.pseudo.as_mut().expect("checked by the caller");
        pseudo.refresh(&self.machine);
        let x = self.batch.view_rows(0..rows);
        let term = Term {
            input: x.into(),
            weights: &pseudo.twice,
            direction: Direction::Up,
            fixed: None,
        };
        let tail = Tail {
            mean: Some(pseudo.rest.view_rows_mut(0..rows)),
            precise: true,
            ..Tail::new(1.0)
        };
        self.machine
            .visible()
            .propagate(&[term], tail, &mut self.buffers)?;
        pseudo.gradient_into(x, &mut self.gradient);
        Ok(())
    }

    fn step(&mut self) {
        let position = self.position();
        let options = &self.options;
        let time = position.epoch as f64 + position.batch as f64 / position.batches as f64;
        let rates = Rates {
            rule: options.optimizer,
            learning_rate: options.learning_rate.at(time, options.epochs),
            momentum: options.momentum.at(time, options.epochs),
            weight_decay: options.weight_decay,
            l1_decay: options.l1_decay,
            gradient_clip: None,
            variance_rate: 0.0,
            update: self.updates + 1,
        };
        let n = self.machine.n_visible();
        let (gradient, first) = (&self.gradient, &mut self.first);
        let mut second = self.second.as_mut();
        let [r, w, s] = self.machine.parameters_mut();
        // Equal numbers go through equal operations: R and S stay symmetric to the bit.
        for (matrix, rows, columns) in [(r, 0, 0), (w, 0, n), (s, n, n)] {
            let width = matrix.columns();
            for i in 0..matrix.rows() {
                dispatch(Step {
                    gradient: &gradient.pairs.row(rows + i)[columns..][..width],
                    first: &mut first.pairs.row_mut(rows + i)[columns..][..width],
                    second: match &mut second {
                        Some(second) => &mut second.pairs.row_mut(rows + i)[columns..][..width],
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
                gradient: &gradient.bias[at..][..size],
                first: &mut first.bias[at..][..size],
                second: match &mut second {
                    Some(second) => &mut second.bias[at..][..size],
                    None => &mut [],
                },
                parameter: bias,
                rates: rates.without_decay(),
            });
        }
    }
}

/// Refuses data that are not bits of the machine's visible units.
fn check_data(machine: &BoltzmannMachine, data: &Examples) -> Result<()> {
    if data.columns() != machine.n_visible() {
        return Err(Error::shape(
            "columns of the data",
            machine.n_visible(),
            data.columns(),
        ));
    }
    if data.bits().is_none() {
        return Err(Error::parameter("training data", "bits", "real numbers"));
    }
    Ok(())
}
