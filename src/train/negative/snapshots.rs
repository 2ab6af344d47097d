//! Chains at snapshots of the machine along its training: trajectory parallel tempering as the negative phase.

use crate::{
    error::{Error, Result},
    matrix::Matrix,
    model::{Models, Rbm, Rungs},
    states::States,
    train::{Parameters, Training},
};

/// Share of the way to a round's acceptance that the running mean goes.
const ACCEPTANCE_RATE: f32 = 0.1;

/// What a stored run of [`super::Negative::Trajectory`] needs beside its chains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshots {
    /// The machine at earlier updates, the newest first; the last is its start without connections.
    pub models: Vec<Parameters>,
    /// Running means of the share of accepted swaps between each of them and the next newer one, the first being with the machine itself.
    pub acceptance: Vec<f32>,
}

/// The machine along its training, with chains at every snapshot.
#[derive(Clone, Debug)]
pub(in crate::train) struct Trail {
    /// Newest first; the last is the start without connections.
    older: Vec<Rbm>,
    /// Of level `k` and `k + 1`, level 0 being the machine itself.
    acceptance: Vec<f32>,
    rungs: Rungs,
    target: f32,
    most: usize,
}

impl Trail {
    /// Before the first update: chains from the visible states `v` at `rbm` and at its start without connections.
    pub(super) fn new(rbm: &Rbm, v: &States, target: f32, most: usize, seed: u64) -> Result<Self> {
        let alone = Rbm::unconnected(rbm.visible().clone(), rbm.hidden().clone())?;
        let mut trail = Self {
            older: vec![alone],
            acceptance: vec![1.0],
            rungs: Rungs::from_visible(rbm, 2, v, seed)?,
            target,
            most,
        };
        let models = Models {
            last: rbm,
            older: &trail.older,
        };
        trail.rungs.draw_hidden(models, None)?;
        Ok(trail)
    }

    /// Visible and hidden states, level by level.
    pub(super) fn states(&self) -> (&States, &States) {
        self.rungs.states()
    }

    /// Snapshots and the machine.
    pub(in crate::train) fn levels(&self) -> usize {
        self.rungs.levels()
    }

    /// `steps` sweeps with swaps of all chains, after `done` of them in earlier updates; `E[h | v]` at `rbm` into `mean`. Before, `rbm` joins the
    /// snapshots if it has gone too far from the newest.
    pub(super) fn advance(
        &mut self,
        rbm: &Rbm,
        steps: usize,
        done: u64,
        mean: &mut Matrix,
    ) -> Result<()> {
        if self.acceptance[0] < self.target {
            self.keep(rbm);
        }
        // The first half sweep was the start's.
        self.rungs.set_position(1 + 2 * done, done);
        let models = Models {
            last: rbm,
            older: &self.older,
        };
        for k in 0..steps {
            self.rungs.draw_visible(models)?;
            self.rungs.reset_swap_rates();
            self.rungs.swap(models)?;
            let pairs = self.acceptance.iter_mut().zip(self.rungs.swap_rates());
            for (mean, rate) in pairs.filter(|(_, rate)| rate.attempts > 0) {
                *mean += ACCEPTANCE_RATE * (rate.rate() as f32 - *mean);
            }
            let mean = (k + 1 == steps).then_some(&mut *mean);
            self.rungs.draw_hidden(models, mean)?;
        }
        Ok(())
    }

    /// A snapshot of `rbm`, with a copy of its chains. If there are then too many, the one goes whose neighbours overlap most by the product of the two
    /// rates; neither the newest, next to which the machine now learns on, nor the start.
    fn keep(&mut self, rbm: &Rbm) {
        let mut levels: Vec<usize> = (0..self.levels()).collect();
        levels.insert(0, 0);
        self.older.insert(0, rbm.clone());
        self.acceptance.insert(0, 1.0);
        if self.older.len() > self.most + 1 {
            let joined = |k: usize| self.acceptance[k - 1] * self.acceptance[k];
            let inner = 2..levels.len() - 1;
            if let Some(k) = inner.max_by(|&a, &b| joined(a).total_cmp(&joined(b))) {
                self.acceptance[k - 1] = joined(k);
                self.acceptance.remove(k);
                self.older.remove(k - 1);
                levels.remove(k);
            }
        }
        self.rungs.rearrange(&levels);
    }

    /// Stored hidden states; the models that they belong to are to follow by [`Self::restore`].
    pub(super) fn set_hidden(&mut self, h: States) -> Result<()> {
        let (chains, own) = (self.rungs.chains(), self.states().1);
        let levels = h.rows() / chains;
        let fits = h.rows() == levels * chains && (2..=self.most + 2).contains(&levels);
        let kind = h.columns() == own.columns() && h.bits().is_some() == own.bits().is_some();
        if !fits || !kind {
            return Err(Error::shape(
                "stored chains",
                format!(
                    "{chains} x {} at each of 2 to {} models",
                    own.columns(),
                    self.most + 2
                ),
                format!("{} x {}", h.rows(), h.columns()),
            ));
        }
        let alone = self.older[self.older.len() - 1].clone();
        self.older = vec![alone; levels - 1];
        self.acceptance = vec![1.0; levels - 1];
        self.rungs.rearrange(&vec![0; levels]);
        self.rungs.set_hidden(h);
        Ok(())
    }

    fn snapshots(&self) -> Snapshots {
        Snapshots {
            models: self.older.iter().map(Parameters::of).collect(),
            acceptance: self.acceptance.clone(),
        }
    }

    fn restore(&mut self, rbm: &Rbm, stored: &Snapshots) -> Result<()> {
        let found = (stored.models.len(), stored.acceptance.len());
        let expected = (self.older.len(), self.older.len());
        if found != expected {
            let name = |(n, m): (usize, usize)| format!("{n} with {m} rates");
            return Err(Error::shape(
                "stored snapshots",
                name(expected),
                name(found),
            ));
        }
        for (own, parameters) in self.older.iter_mut().zip(&stored.models) {
            let shape = Parameters::of(rbm).shape();
            if parameters.shape() != shape {
                return Err(Error::shape(
                    "stored snapshots",
                    format!("{shape:?}"),
                    format!("{:?}", parameters.shape()),
                ));
            }
            *own = parameters.placed_in(rbm);
            own.check()?;
        }
        self.acceptance.copy_from_slice(&stored.acceptance);
        Ok(())
    }
}

impl Training {
    /// Copies of the snapshots of the machine, if there are chains at any.
    pub fn snapshots(&self) -> Option<Snapshots> {
        self.chains.trail().map(Trail::snapshots)
    }

    /// Puts back the snapshots of a stored run of [`super::Negative::Trajectory`].
    ///
    /// # Errors
    /// [`Error::Shape`] if they are of another machine or not as many as the run has chains for, [`Error::Parameter`] if the run has none or `stored`
    /// is missing, [`Error::NotFinite`].
    pub fn set_snapshots(&mut self, stored: Option<&Snapshots>) -> Result<()> {
        match (self.chains.trail_mut(), stored) {
            (None, None) => Ok(()),
            (Some(trail), Some(stored)) => trail.restore(&self.rbm, stored),
            (own, stored) => {
                let name = |is: bool| if is { "snapshots" } else { "none" };
                let (expected, found) = (name(own.is_some()), name(stored.is_some()));
                Err(Error::parameter("stored snapshots", expected, found))
            }
        }
    }
}
