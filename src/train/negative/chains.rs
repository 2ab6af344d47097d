//! The chains of the negative phase.

use super::{
    Negative, Reconstruction,
    rows::{keep_observed, keep_observed_means},
    snapshots::Trail,
};
use crate::{
    bits::BitView,
    error::{Error, Result},
    matrix::Matrix,
    model::{Expectations, Rbm, SwapRate, Tempering, even_ladder},
    product::{Propagation, Tail},
    rng::{Draws, Site},
    states::{Input, States},
    stop::Stop,
    tensor::{Saved, Tensor},
};

/// The chains of a run and their buffers.
#[derive(Clone, Debug)]
pub(in crate::train) struct Chains {
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
    /// In place of `v` and `h`.
    replicated: Option<Replicated>,
}

/// Chains with replicas.
#[derive(Clone, Debug)]
enum Replicated {
    /// Of [`Negative::Tempered`].
    Tempering(Box<Tempering>),
    /// Of [`Negative::Trajectory`].
    Trail(Box<Trail>),
}

impl Replicated {
    /// Visible and hidden states, level by level.
    fn states(&self) -> (&States, &States) {
        match self {
            Self::Tempering(x) => x.states(),
            Self::Trail(x) => x.states(),
        }
    }
}

/// What a negative phase yields.
pub(in crate::train) enum Sampled<'a> {
    States {
        visible: Input<'a>,
        hidden: Input<'a>,
    },
    Exact(Box<Expectations>),
    /// A stop was requested before there were any.
    Stopped,
}

impl Chains {
    /// Fresh chains of `negative` for up to `most` examples; persistent ones start from the visible
    /// states `start`, as many as there are chains.
    pub(in crate::train) fn new(
        negative: Negative,
        factors: [f32; 2],
        seed: u64,
        most: usize,
        rbm: &Rbm,
        start: impl FnOnce() -> States,
        buffers: &mut Propagation,
    ) -> Result<Self> {
        let rows = match negative {
            Negative::Exact | Negative::PseudoLikelihood => 0,
            _ => negative.chains().unwrap_or(most),
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
            replicated: None,
            factors,
        };
        if !negative.persists() {
            return Ok(chains);
        }
        let v = start();
        chains.replicated = match negative {
            Negative::Tempered {
                temperatures,
                lowest,
                ..
            } => {
                let ladder = even_ladder(temperatures, lowest);
                let mut tempering = Tempering::from_visible(rbm, ladder, v.clone(), seed)?;
                tempering.draw_hidden(rbm, None)?;
                Some(Replicated::Tempering(Box::new(tempering)))
            }
            Negative::Trajectory {
                acceptance,
                snapshots,
                ..
            } => {
                let trail = Trail::new(rbm, &v, acceptance, snapshots, seed)?;
                Some(Replicated::Trail(Box::new(trail)))
            }
            _ => None,
        };
        if chains.replicated.is_some() {
            chains.v = States::zeros(0, rbm.visible());
            chains.h = States::zeros(0, rbm.hidden());
            return Ok(chains);
        }
        chains.v = v;
        let draws = Draws::new(seed, Site::Start, 1);
        let tail = chains.h.sampled(0..rows, draws, Tail::new(factors[0]));
        rbm.hidden_from_visible(chains.v.view(), tail, buffers)?;
        Ok(chains)
    }

    /// Most chains at once.
    pub(in crate::train) fn rows(&self) -> usize {
        self.hidden().rows()
    }

    /// Hidden states of all chains, replicas included, level by level.
    fn hidden(&self) -> &States {
        self.replicated.as_ref().map_or(&self.h, |r| r.states().1)
    }

    /// The visible states and hidden means of the last update, of chains that go on.
    pub(in crate::train) fn last(&self) -> Option<(Input<'_>, Input<'_>)> {
        if !self.negative.persists() {
            return None;
        }
        let v = match &self.replicated {
            None => &self.v,
            Some(replicated) => replicated.states().0,
        };
        let h = Input::Real(self.h_mean.view_rows(0..self.rows));
        Some((v.view_rows(0..self.rows), h))
    }

    /// Swaps between each level of the chains and the next.
    pub(in crate::train) fn swap_rates(&self) -> &[SwapRate] {
        match &self.replicated {
            None => &[],
            Some(Replicated::Tempering(x)) => x.swap_rates(),
            Some(Replicated::Trail(x)) => x.swap_rates(),
        }
    }

    /// The machine along its training, if chains are at snapshots of it.
    pub(in crate::train) fn trail(&self) -> Option<&Trail> {
        match &self.replicated {
            Some(Replicated::Trail(trail)) => Some(trail),
            _ => None,
        }
    }

    /// The same, to be restored.
    pub(in crate::train) fn trail_mut(&mut self) -> Option<&mut Trail> {
        match &mut self.replicated {
            Some(Replicated::Trail(trail)) => Some(trail),
            _ => None,
        }
    }

    /// Persistent hidden states, which are all that a resumed run needs.
    pub(in crate::train) fn persistent(&self) -> Option<&States> {
        self.negative.persists().then(|| self.hidden())
    }

    pub(in crate::train) fn set_persistent(&mut self, h: States) -> Result<()> {
        if let Some(Replicated::Trail(trail)) = &mut self.replicated {
            return trail.set_hidden(h);
        }
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
        match &mut self.replicated {
            Some(Replicated::Tempering(tempering)) => tempering.set_hidden(h),
            _ => self.h = h,
        }
        Ok(())
    }

    /// Tells the hidden states of chains that go on by `name`, and the machine along its training.
    pub(in crate::train) fn visit(&self, name: &str, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        if let Some(trail) = self.trail() {
            trail.visit(out);
        }
        if let Some(h) = self.persistent() {
            out(name, h.into());
        }
    }

    /// Takes back what [`Self::visit`] told.
    pub(in crate::train) fn restore(
        &mut self,
        name: &str,
        rbm: &Rbm,
        saved: &mut Saved,
    ) -> Result<()> {
        if let Some(own) = self.persistent() {
            let rows = match self.trail() {
                Some(_) => saved.shape(name).map_or(0, |shape| shape[0]),
                None => own.rows(),
            };
            let states = saved.states_like(name, own, rows)?;
            self.set_persistent(states)?;
        }
        match self.trail_mut() {
            Some(trail) => trail.restore(rbm, saved),
            None => Ok(()),
        }
    }

    /// Puts the hidden states `h` where chains start from, if [`Negative::starts_at_data`].
    pub(in crate::train) fn start_from(&mut self, h: &States, rows: usize) {
        self.rows = rows;
        for row in 0..rows {
            self.h.copy_row(row, h, row);
        }
    }

    /// Where the positive phase puts its hidden states if [`Negative::starts_at_data`].
    pub(in crate::train) fn sampled_hidden<'a>(
        &'a mut self,
        rows: usize,
        draws: Draws,
        tail: Tail<'a>,
    ) -> Tail<'a> {
        self.rows = rows;
        self.h.sampled(0..rows, draws, tail)
    }

    /// Chains of counts take the lengths of these rows, where they start from them.
    pub(in crate::train) fn keep_lengths(&mut self, states: Input<'_>) {
        if let States::Real(v) = &mut self.v {
            (0..states.rows()).for_each(|row| states.copy_row_to(row, v.row_mut(row)));
        }
    }

    /// Samples of the model for update `update`, by `negative` as it is now: that of the run with
    /// at most as many steps.
    pub(in crate::train) fn run(
        &mut self,
        rbm: &Rbm,
        negative: Negative,
        update: u64,
        buffers: &mut Propagation,
        stop: &Stop,
    ) -> Result<Sampled<'_>> {
        self.run_without(rbm, negative, update, None, buffers, stop)
    }

    /// The same; chains that start at examples keep the visible units at zero that row by row
    /// `observed` has not.
    pub(in crate::train) fn run_without(
        &mut self,
        rbm: &Rbm,
        negative: Negative,
        update: u64,
        observed: Option<BitView<'_>>,
        buffers: &mut Propagation,
        stop: &Stop,
    ) -> Result<Sampled<'_>> {
        // By the most steps of an update, so that no two updates of a schedule share a draw.
        let half = 2 * self.negative.steps().unwrap_or(0) as u64 * update;
        match negative {
            Negative::PseudoLikelihood => unreachable!("refused at the door"),
            Negative::Exact => {
                return match rbm.expectations(&mut stop.clone()) {
                    Ok(expectations) => Ok(Sampled::Exact(Box::new(expectations))),
                    Err(Error::Stopped) => Ok(Sampled::Stopped),
                    Err(error) => Err(error),
                };
            }
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
                self.reconstruct(rbm, (half, steps), reconstruction, observed, buffers)?;
                self.mean_hidden(rbm, None, buffers)?;
            }
            Negative::Tempered { steps, .. } | Negative::Trajectory { steps, .. } => {
                let done = half / 2;
                let replicated = self.replicated.as_mut().expect("started so");
                match replicated {
                    Replicated::Tempering(tempering) => {
                        // The first half sweep was the start's.
                        tempering.set_position(1 + 2 * done, done);
                        for k in 0..steps {
                            tempering.draw_visible(rbm)?;
                            tempering.swap(rbm)?;
                            let mean = (k + 1 == steps).then_some(&mut self.h_mean);
                            tempering.draw_hidden(rbm, mean)?;
                        }
                    }
                    Replicated::Trail(trail) => {
                        trail.advance(rbm, steps, done, &mut self.h_mean)?;
                    }
                }
                return Ok(Sampled::States {
                    visible: replicated.states().0.view_rows(0..self.rows),
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

    /// `steps` sweeps of contrastive divergence.
    fn reconstruct(
        &mut self,
        rbm: &Rbm,
        (half, steps): (u64, usize),
        reconstruction: Reconstruction,
        observed: Option<BitView<'_>>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        for k in 0..steps as u64 {
            if k > 0 {
                self.draw_hidden(rbm, half + 2 * k, buffers)?;
            }
            match reconstruction {
                Reconstruction::Sampled => self.draw_visible(rbm, half + 2 * k + 1, buffers)?,
                Reconstruction::Smoothed => {
                    let tail = Tail {
                        mean: Some(self.v_mean.view_rows_mut(0..self.rows)),
                        ..visible_tail(self.factors)
                    };
                    let h = self.h.view_rows(0..self.rows);
                    rbm.visible_from_hidden(h, tail, buffers)?;
                }
            }
            if let Some(observed) = observed {
                keep_observed(&mut self.v, observed, self.rows);
                keep_observed_means(&mut self.v_mean, observed);
            }
        }
        Ok(())
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
        let tail = visible_tail(self.factors);
        let tail = self.v.sampled(0..self.rows, draws, tail);
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

/// Of the visible layer. Labels are joined to the hidden layer alone, so their inputs count once.
pub(in crate::train) fn visible_tail<'a>([_, factor]: [f32; 2]) -> Tail<'a> {
    Tail {
        group_beta: Some(1.0),
        ..Tail::new(factor)
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
