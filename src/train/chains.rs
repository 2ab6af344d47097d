//! The negative phase: where samples of the model come from.

use crate::{
    dataset::{Examples, Values},
    error::{Error, Result},
    matrix::Matrix,
    model::{Expectations, Kind, Layer, Rbm, States, Tempering, even_ladder},
    product::{Input, Propagation, Tail},
    rng::{Draws, HostRng, Site},
};
use serde::{Deserialize, Serialize};

/// Streams of [`HostRng`]: the examples at which persistent chains start.
const START_STREAM: u64 = 2 << 32;

/// How contrastive divergence reconstructs visible states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reconstruction {
    /// Binary states drawn from `P(v | h)`, as in Algorithm 18.2 of Goodfellow, Bengio, Courville, Deep Learning (2016).
    #[default]
    Sampled,
    /// Their means, `v_1 = E[v | h_0]`: less noise, a slightly different objective (Hinton's practical guide, section 3).
    Smoothed,
}

/// Where the samples of the negative phase come from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Negative {
    /// The exact gradient: expectations under the model by enumeration of the smaller layer.
    Exact,
    /// Algorithm 18.1 of Goodfellow, Bengio, Courville: chains from fair coins at each update, burnt in for `steps` sweeps.
    Mcmc {
        /// Chains.
        chains: usize,
        /// Sweeps at each update.
        steps: usize,
    },
    /// Contrastive divergence, CD-k (Hinton 2002; Algorithm 18.2): chains from the minibatch at each update.
    ContrastiveDivergence {
        /// Sweeps at each update, `k`.
        steps: usize,
        /// Drawn or expected reconstructions.
        reconstruction: Reconstruction,
    },
    /// Persistent contrastive divergence, PCD-k (Younes 1998; Tieleman 2008; Algorithm 18.3): chains that go on between updates.
    Persistent {
        /// Chains.
        chains: usize,
        /// Sweeps at each update, `k`.
        steps: usize,
    },
    /// PCD whose chains move under `W + F` (and likewise biases), with fast weights `F <- fast_decay F + fast_rate gradient` that drive them on
    /// (FPCD; Tieleman and Hinton 2009). Statistics of the negative phase are those of the chains under `W + F`, data see `W` alone.
    FastPersistent {
        /// Chains.
        chains: usize,
        /// Sweeps at each update, `k`.
        steps: usize,
        /// Step size of the fast weights.
        fast_rate: f32,
        /// What is left of the fast weights after an update, in [0, 1): 0.95 in the paper.
        fast_decay: f32,
    },
    /// PCD whose chains have replicas at evenly spaced inverse temperatures from 1 to `lowest`, with swaps after each sweep
    /// ([`Tempering`]; Desjardins et al. 2010). Statistics are those of the replicas at 1.
    Tempered {
        /// Chains.
        chains: usize,
        /// Sweeps at each update, `k`, each with a round of swaps.
        steps: usize,
        /// Temperatures, and so replicas of a chain.
        temperatures: usize,
        /// Lowest inverse temperature, at least 0 and below 1.
        lowest: f32,
    },
}

impl Negative {
    pub(super) fn check(&self) -> Result<()> {
        let (chains, steps) = match *self {
            Self::Exact => return Ok(()),
            Self::ContrastiveDivergence { steps, .. } => (1, steps),
            Self::Mcmc { chains, steps }
            | Self::Persistent { chains, steps }
            | Self::FastPersistent { chains, steps, .. }
            | Self::Tempered { chains, steps, .. } => (chains, steps),
        };
        match *self {
            Self::FastPersistent {
                fast_rate,
                fast_decay,
                ..
            } => {
                if !(fast_rate >= 0.0 && fast_rate.is_finite()) {
                    let expected = "a finite number of at least 0";
                    return Err(Error::parameter("fast rate", expected, fast_rate));
                }
                if !(0.0..1.0).contains(&fast_decay) {
                    let expected = "a number of at least 0 and below 1";
                    return Err(Error::parameter("fast decay", expected, fast_decay));
                }
            }
            Self::Tempered {
                temperatures,
                lowest,
                ..
            } => {
                if temperatures < 2 {
                    return Err(Error::parameter("temperatures", "at least 2", temperatures));
                }
                if !(0.0..1.0).contains(&lowest) {
                    let expected = "a number of at least 0 and below 1";
                    return Err(Error::parameter(
                        "lowest inverse temperature",
                        expected,
                        lowest,
                    ));
                }
            }
            _ => {}
        }
        for (name, x) in [("chains", chains), ("steps", steps)] {
            if x == 0 {
                return Err(Error::parameter(name, "at least 1", x));
            }
        }
        Ok(())
    }

    /// Sweeps at each update, if there are any.
    pub fn steps(&self) -> Option<usize> {
        match *self {
            Self::Exact => None,
            Self::ContrastiveDivergence { steps, .. }
            | Self::Mcmc { steps, .. }
            | Self::Persistent { steps, .. }
            | Self::FastPersistent { steps, .. }
            | Self::Tempered { steps, .. } => Some(steps),
        }
    }

    /// The same with another number of sweeps at each update, if there are any.
    #[must_use]
    pub fn with_steps(mut self, n: usize) -> Self {
        match &mut self {
            Self::Exact => {}
            Self::ContrastiveDivergence { steps, .. }
            | Self::Mcmc { steps, .. }
            | Self::Persistent { steps, .. }
            | Self::FastPersistent { steps, .. }
            | Self::Tempered { steps, .. } => *steps = n,
        }
        self
    }

    /// Whether the positive phase must draw hidden states.
    pub(super) fn starts_at_data(&self) -> bool {
        matches!(self, Self::ContrastiveDivergence { .. })
    }

    /// Whether chains go on between updates.
    fn persists(&self) -> bool {
        matches!(
            self,
            Self::Persistent { .. } | Self::FastPersistent { .. } | Self::Tempered { .. }
        )
    }

    /// Connection updates of the negative phase of one update, statistics included, in units of `n_visible x n_hidden`.
    pub(super) fn passes(&self, batch: usize) -> u64 {
        let (rows, passes) = match *self {
            Self::Exact => (0, 0),
            Self::ContrastiveDivergence { steps, .. } => (batch, 2 * steps + 1),
            Self::Mcmc { chains, steps } => (chains, 2 * steps + 2),
            Self::Persistent { chains, steps } => (chains, 2 * steps + 1),
            // The statistics a second time.
            Self::FastPersistent { chains, steps, .. } => (chains, 2 * steps + 2),
            Self::Tempered {
                chains,
                steps,
                temperatures,
                ..
            } => (chains, 3 * steps * temperatures + 1),
        };
        (rows * passes) as u64
    }
}

/// The chains of a run and their buffers.
#[derive(Clone, Debug)]
pub(super) struct Chains {
    negative: Negative,
    seed: u64,
    v: States,
    h: States,
    /// Smoothed reconstructions; empty unless asked for.
    v_mean: Matrix,
    h_mean: Matrix,
    rows: usize,
    /// Factors of the inputs of the hidden and the visible layer.
    factors: [f32; 2],
    /// The states of [`Negative::Tempered`], in place of `v` and `h`.
    tempering: Option<Tempering>,
}

/// What a negative phase yields.
pub(super) enum Sampled<'a> {
    States {
        visible: Input<'a>,
        hidden: Input<'a>,
    },
    Exact(Box<Expectations>),
}

impl Chains {
    /// Fresh chains; persistent ones start at examples drawn with replacement.
    pub(super) fn new(
        negative: Negative,
        factors: [f32; 2],
        seed: u64,
        batch_size: usize,
        rbm: &Rbm,
        data: &Examples,
        buffers: &mut Propagation,
    ) -> Result<Self> {
        let rows = match negative {
            Negative::Exact => 0,
            Negative::ContrastiveDivergence { .. } => batch_size,
            Negative::Mcmc { chains, .. }
            | Negative::Persistent { chains, .. }
            | Negative::FastPersistent { chains, .. }
            | Negative::Tempered { chains, .. } => chains,
        };
        let smoothed = matches!(
            negative,
            Negative::ContrastiveDivergence {
                reconstruction: Reconstruction::Smoothed,
                ..
            }
        );
        let (n_visible, n_hidden) = (rbm.n_visible(), rbm.n_hidden());
        let mut chains = Self {
            negative,
            seed,
            v: States::zeros(rows, rbm.visible()),
            h: States::zeros(rows, rbm.hidden()),
            v_mean: Matrix::zeros(if smoothed { rows } else { 0 }, n_visible),
            h_mean: Matrix::zeros(rows, n_hidden),
            rows,
            factors,
            tempering: None,
        };
        if negative.persists() {
            let mut rng = HostRng::new(seed, START_STREAM);
            let draws = Draws::new(seed, Site::Start, 0);
            for k in 0..rows {
                let i = rng.below(data.len());
                match (data.values(), &mut chains.v) {
                    (Values::Bits(x), States::Bits(v)) => v.copy_row(k, x.view(), i),
                    (Values::Real(x), States::Real(v)) => v.row_mut(k).copy_from_slice(x.row(i)),
                    (Values::Real(x), States::Bits(v)) => {
                        draw_row(rbm.visible(), x.row(i), draws, k, v.view_mut().row_mut(k));
                    }
                    (Values::Bits(x), States::Real(v)) => {
                        for (j, to) in v.row_mut(k).iter_mut().enumerate() {
                            *to = f32::from(x.get(i, j));
                        }
                    }
                }
            }
            if let Negative::Tempered {
                temperatures,
                lowest,
                ..
            } = negative
            {
                let ladder = even_ladder(temperatures, lowest);
                let mut tempering = Tempering::from_visible(rbm, ladder, chains.v, seed)?;
                tempering.draw_hidden(rbm, None)?;
                chains.v = States::zeros(0, rbm.visible());
                chains.h = States::zeros(0, rbm.hidden());
                chains.tempering = Some(tempering);
                return Ok(chains);
            }
            let start = Draws::new(seed, Site::Start, 1);
            let tail = chains.h.sampled(0..rows, start, Tail::new(factors[0]));
            rbm.hidden_from_visible(chains.v.view(), tail, buffers)?;
        }
        Ok(chains)
    }

    /// Most chains at once.
    pub(super) fn rows(&self) -> usize {
        self.hidden().rows()
    }

    /// Hidden states of all chains, replicas included, temperature by temperature.
    fn hidden(&self) -> &States {
        self.tempering.as_ref().map_or(&self.h, |t| t.states().1)
    }

    /// Persistent hidden states, which are all that a resumed run needs.
    pub(super) fn persistent(&self) -> Option<&States> {
        self.negative.persists().then(|| self.hidden())
    }

    pub(super) fn set_persistent(&mut self, h: States) -> Result<()> {
        let own = self.hidden();
        if (h.rows(), h.columns()) != (own.rows(), own.columns())
            || h.bits().is_some() != own.bits().is_some()
        {
            return Err(Error::shape(
                "stored chains",
                format!("{} x {}", own.rows(), own.columns()),
                format!("{} x {}", h.rows(), h.columns()),
            ));
        }
        match &mut self.tempering {
            Some(tempering) => tempering.set_hidden(h),
            None => self.h = h,
        }
        Ok(())
    }

    /// Where the positive phase puts its hidden states if [`Negative::starts_at_data`].
    pub(super) fn sampled_hidden<'a>(
        &'a mut self,
        rows: usize,
        draws: Draws,
        tail: Tail<'a>,
    ) -> Tail<'a> {
        self.rows = rows;
        self.h.sampled(0..rows, draws, tail)
    }

    /// Samples of the model for update `update`, by `negative` as it is now: that of the run with at most as many steps.
    pub(super) fn run(
        &mut self,
        rbm: &Rbm,
        negative: Negative,
        update: u64,
        buffers: &mut Propagation,
    ) -> Result<Sampled<'_>> {
        // By the most steps of an update, so that no two updates of a schedule share a draw.
        let half = 2 * self.negative.steps().unwrap_or(0) as u64 * update;
        match negative {
            Negative::Exact => return Ok(Sampled::Exact(Box::new(rbm.expectations()?))),
            Negative::Mcmc { steps, .. } => {
                let start = Draws::new(self.seed, Site::Start, update);
                // beta = 0: fair coins
                let tail = self.v.sampled(0..self.rows, start, Tail::new(0.0));
                rbm.visible_from_hidden(self.h.view(), tail, buffers)?;
                for k in 0..steps as u64 {
                    self.draw_hidden(rbm, half + 2 * k, buffers)?;
                    self.draw_visible(rbm, half + 2 * k + 1, buffers)?;
                }
                self.mean_hidden(rbm, None, buffers)?;
            }
            Negative::ContrastiveDivergence {
                steps,
                reconstruction,
            } => {
                for k in 0..steps as u64 {
                    if k > 0 {
                        self.draw_hidden(rbm, half + 2 * k, buffers)?;
                    }
                    match reconstruction {
                        Reconstruction::Sampled => {
                            self.draw_visible(rbm, half + 2 * k + 1, buffers)?
                        }
                        Reconstruction::Smoothed => {
                            let tail = Tail {
                                mean: Some(self.v_mean.view_rows_mut(0..self.rows)),
                                ..Tail::new(self.factors[1])
                            };
                            let h = self.h.view_rows(0..self.rows);
                            rbm.visible_from_hidden(h, tail, buffers)?;
                        }
                    }
                }
                self.mean_hidden(rbm, None, buffers)?;
            }
            Negative::Tempered { steps, .. } => {
                let Some(tempering) = &mut self.tempering else {
                    unreachable!("tempered chains were started so");
                };
                let done = half / 2;
                // The first half sweep was the start's.
                tempering.set_position(1 + 2 * done, done);
                for k in 0..steps {
                    tempering.draw_visible(rbm)?;
                    tempering.swap(rbm)?;
                    let mean = (k + 1 == steps).then_some(&mut self.h_mean);
                    tempering.draw_hidden(rbm, mean)?;
                }
                return Ok(Sampled::States {
                    visible: tempering.states().0.view_rows(0..self.rows),
                    hidden: Input::Real(self.h_mean.view_rows(0..self.rows)),
                });
            }
            Negative::Persistent { steps, .. } | Negative::FastPersistent { steps, .. } => {
                for k in 0..steps as u64 {
                    self.draw_visible(rbm, half + 2 * k, buffers)?;
                    if k + 1 < steps as u64 {
                        self.draw_hidden(rbm, half + 2 * k + 1, buffers)?;
                    }
                }
                // Means for the statistics and states for the next update come from one product.
                self.mean_hidden(rbm, Some(half + 2 * steps as u64 - 1), buffers)?;
            }
        }
        Ok(Sampled::States {
            visible: visible(&self.v, &self.v_mean, self.rows),
            hidden: Input::Real(self.h_mean.view_rows(0..self.rows)),
        })
    }

    fn draws(&self, half_sweep: u64) -> Draws {
        Draws::new(self.seed, Site::Chain, half_sweep)
    }

    fn draw_visible(
        &mut self,
        rbm: &Rbm,
        half_sweep: u64,
        buffers: &mut Propagation,
    ) -> Result<()> {
        let draws = self.draws(half_sweep);
        let tail = self
            .v
            .sampled(0..self.rows, draws, Tail::new(self.factors[1]));
        rbm.visible_from_hidden(self.h.view_rows(0..self.rows), tail, buffers)
    }

    fn draw_hidden(&mut self, rbm: &Rbm, half_sweep: u64, buffers: &mut Propagation) -> Result<()> {
        let draws = self.draws(half_sweep);
        let visible = visible(&self.v, &self.v_mean, self.rows);
        let tail = self
            .h
            .sampled(0..self.rows, draws, Tail::new(self.factors[0]));
        rbm.hidden_from_visible(visible, tail, buffers)
    }

    /// `h_mean = E[h | v]`, and the states too if a half sweep is given.
    fn mean_hidden(
        &mut self,
        rbm: &Rbm,
        half_sweep: Option<u64>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        let draws = half_sweep.map(|t| self.draws(t));
        let visible = visible(&self.v, &self.v_mean, self.rows);
        let rows = self.rows;
        let mut tail = Tail {
            mean: Some(self.h_mean.view_rows_mut(0..rows)),
            ..Tail::new(self.factors[0])
        };
        if let Some(draws) = draws {
            tail = self.h.sampled(0..rows, draws, tail);
        }
        rbm.hidden_from_visible(visible, tail, buffers)
    }
}

/// The visible states of the first `rows` chains: reconstructions' means where those are kept.
fn visible<'a>(v: &'a States, v_mean: &'a Matrix, rows: usize) -> Input<'a> {
    if v_mean.rows() > 0 {
        Input::Real(v_mean.view_rows(0..rows))
    } else {
        v.view_rows(0..rows)
    }
}

/// Bits `words` of row `row` drawn with `means` as probabilities: each on its own, of a softmax group exactly one.
pub(super) fn draw_row(layer: &Layer, means: &[f32], draws: Draws, row: usize, words: &mut [u64]) {
    for (j, &p) in means.iter().enumerate() {
        let bit = 1 << (j % 64);
        if draws.uniform(row, j) < p {
            words[j / 64] |= bit;
        } else {
            words[j / 64] &= !bit;
        }
    }
    redraw_groups(layer, means, draws, row, words);
}

/// The softmax groups of a row whose bits were drawn each on its own.
pub(super) fn redraw_groups(
    layer: &Layer,
    means: &[f32],
    draws: Draws,
    row: usize,
    words: &mut [u64],
) {
    let groups = layer.units.segments().iter();
    for group in groups.filter(|s| s.kind == Kind::Softmax) {
        let u = draws.uniform(row, group.first);
        let (mut running, mut chosen) = (0.0, group.first);
        for j in group.range() {
            words[j / 64] &= !(1 << (j % 64));
            if means[j] > 0.0 && running <= u {
                chosen = j;
            }
            running += means[j];
        }
        words[chosen / 64] |= 1 << (chosen % 64);
    }
}
