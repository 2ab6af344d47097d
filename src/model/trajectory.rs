//! Sampling along the trajectory of training: swaps between models of different ages.

use super::{Rbm, States, SwapRate, replicas::Replicas};
use crate::{
    error::{Error, Result},
    product::{Input, Propagation, Tail, in_pool},
    rng::{Draws, Site},
};
use rayon::prelude::*;

/// Rows whose energies one task sums, at least.
const ROWS_A_TASK: usize = 16;

/// Trajectory parallel tempering (Bereux, Decelle, Furtlehner, Rosset and Seoane, Fast training and sampling of restricted Boltzmann machines, 2024):
/// every chain has a replica at each of the models that were saved while one was trained. A sweep is one of block Gibbs at every model; then neighbours in
/// time propose to swap their visible states, even and odd pairs in turn, accepted with
///
/// ```text
/// min(1, p_t(v') p_s(v) / (p_t(v) p_s(v'))) = min(1, e^(F_t(v) - F_t(v') + F_s(v') - F_s(v))),    p(v) = e^-F(v) / Z:
/// ```
///
/// no `Z` is needed, and each model's distribution is left alone, so the replicas at the last model sample it exactly. Where modes split one after another
/// while a machine learns, neighbours overlap and a path leads from the first model, which mixes at once, to the last; temperatures often have a
/// discontinuous transition in between. The oldest level has no connections: its sweep is an independent draw.
///
/// Draws depend on the seed, the number of sweeps so far, level, chain and pair alone. Cost of a sweep: four products for every replica, two of them
/// for the swaps. After the first sweep nothing is allocated.
#[derive(Clone, Debug)]
pub struct Trajectory {
    /// The last first.
    models: Vec<Rbm>,
    replicas: Replicas,
    /// `-F` under the older of two models.
    older: Vec<f64>,
    seed: u64,
    half_sweeps: u64,
    rounds: u64,
    buffers: Propagation,
}

impl Trajectory {
    /// Replicas of `chains` chains at each of `models`, in the order of training; the last is the one to be sampled. If the first has connections, the same
    /// without them is put before it. All replicas start from draws of the first.
    ///
    /// # Errors
    /// [`Error::Parameter`] without models or chains and for models of different units, [`Error::NotFinite`] and those of [`Rbm::check`].
    pub fn new(models: Vec<Rbm>, chains: usize, seed: u64) -> Result<Self> {
        let mut models = models;
        models.reverse();
        let Some(first) = models.last() else {
            return Err(Error::parameter("models of a trajectory", "at least 1", 0));
        };
        if chains == 0 {
            return Err(Error::parameter("chains", "at least 1", 0));
        }
        let units = |rbm: &Rbm| (rbm.visible().units.clone(), rbm.hidden().units.clone());
        let named = |rbm: &Rbm| {
            let (n, m) = (rbm.n_visible(), rbm.n_hidden());
            format!("{},{} ({n} x {m})", rbm.visible().units, rbm.hidden().units)
        };
        for rbm in &models {
            rbm.check()?;
            if units(rbm) != units(first) {
                let what = "units of the models of a trajectory";
                return Err(Error::parameter(what, named(first), named(rbm)));
            }
        }
        if first.weights().elements().any(|w| w != 0.0) {
            let alone = Rbm::unconnected(first.visible().clone(), first.hidden().clone())?;
            models.push(alone);
        }
        let rows = models.len() * chains;
        let first = &models[models.len() - 1];
        let h = States::zeros(rows, first.hidden());
        let mut v = States::zeros(rows, first.visible());
        let mut buffers = Propagation::default();
        let tail = v.sampled(0..rows, Draws::new(seed, Site::Start, 0), Tail::new(1.0));
        first.visible_from_hidden(h.view(), tail, &mut buffers)?;
        Ok(Self {
            replicas: Replicas::new(v, h, models.len()),
            models,
            older: vec![0.0; 2 * chains],
            seed,
            half_sweeps: 0,
            rounds: 0,
            buffers,
        })
    }

    /// The models, from the one to be sampled back to the independent one.
    pub fn models(&self) -> &[Rbm] {
        &self.models
    }

    /// Chains, each with a replica at every model.
    pub fn chains(&self) -> usize {
        self.replicas.chains()
    }

    /// A copy of the visible states at the last model, a chain a row: samples of it.
    pub fn visible(&self) -> States {
        self.visible_at(0)
    }

    /// A copy of the visible states at `models()[level]`.
    pub fn visible_at(&self, level: usize) -> States {
        self.replicas.v.rows_to_owned(self.replicas.rows(level))
    }

    /// Puts the visible states at `models()[level]` in place of what is there: a start for each level.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::Parameter`] for states of another layer or number of chains.
    pub fn set_visible_at(&mut self, level: usize, v: &States) -> Result<()> {
        self.replicas.set_visible(level, v)
    }

    /// A copy of the hidden states at the last model as they were before the last swaps.
    pub fn hidden(&self) -> States {
        self.replicas.h.rows_to_owned(self.replicas.rows(0))
    }

    /// Swaps between `models()[k]` and `models()[k + 1]`, for each `k`.
    pub fn swap_rates(&self) -> &[SwapRate] {
        &self.replicas.rates
    }

    /// Counts swaps from zero.
    pub fn reset_swap_rates(&mut self) {
        self.replicas.reset_rates();
    }

    /// `sweeps` sweeps of all replicas, each with a round of swaps.
    ///
    /// # Errors
    /// Those of the models' conditionals.
    pub fn sweep(&mut self, sweeps: usize) -> Result<()> {
        in_pool(|| {
            for _ in 0..sweeps {
                self.half_sweep(true)?;
                self.half_sweep(false)?;
                self.swap()?;
            }
            Ok(())
        })
    }

    fn half_sweep(&mut self, hidden: bool) -> Result<()> {
        self.half_sweeps += 1;
        let draws = Draws::new(self.seed, Site::Tempering, self.half_sweeps);
        for (k, rbm) in self.models.iter().enumerate() {
            let rows = self.replicas.rows(k);
            let draws = draws.from_row(rows.start);
            let Replicas { v, h, .. } = &mut self.replicas;
            if hidden {
                let tail = h.sampled(rows.clone(), draws, Tail::new(1.0));
                rbm.hidden_from_visible(v.view_rows(rows), tail, &mut self.buffers)?;
            } else {
                let tail = v.sampled(rows.clone(), draws, Tail::new(1.0));
                rbm.visible_from_hidden(h.view_rows(rows), tail, &mut self.buffers)?;
            }
        }
        Ok(())
    }

    fn swap(&mut self) -> Result<()> {
        self.rounds += 1;
        let draws = Draws::new(self.seed, Site::Swap, self.rounds);
        let (models, older, buffers) = (&self.models, &mut self.older, &mut self.buffers);
        self.replicas.swap(self.rounds, draws, |k, v, scores| {
            log_weights(&models[k], v, scores, buffers)?;
            log_weights(&models[k + 1], v, older, buffers)?;
            for (score, older) in scores.iter_mut().zip(older.iter()) {
                *score -= older;
            }
            Ok(())
        })
    }
}

/// `-F(v)` of each row, by the products that the draws use.
fn log_weights(rbm: &Rbm, v: Input<'_>, out: &mut [f64], buffers: &mut Propagation) -> Result<()> {
    let tail = Tail {
        softplus_sums: Some(&mut *out),
        ..Tail::new(1.0)
    };
    rbm.hidden_from_visible(v, tail, buffers)?;
    out.par_iter_mut()
        .enumerate()
        .with_min_len(ROWS_A_TASK)
        .for_each(|(s, x)| *x += rbm.visible().own_term(v, s));
    Ok(())
}
