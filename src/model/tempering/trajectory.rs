//! Sampling along the trajectory of training: swaps between models of different ages.

use super::{SwapRate, replicas::Replicas};
use crate::{
    error::{Error, Result},
    matrix::Matrix,
    model::{Clamp, Rbm},
    product::{Propagation, Tail},
    states::{Input, States},
    threads::{in_pool, prelude::*},
};

/// Rows whose energies one task sums, at least.
const ROWS_A_TASK: usize = 16;

/// Trajectory parallel tempering (Bereux, Decelle, Furtlehner, Rosset and Seoane, Fast training and
/// sampling of restricted Boltzmann machines, 2024): every chain has a replica at each of the
/// models that were saved while one was trained. A sweep is one of block Gibbs at every model; then
/// neighbors in time propose to swap their visible states, even and odd pairs in turn, accepted
/// with
///
/// ```text
/// min(1, p_t(v') p_s(v) / (p_t(v) p_s(v')))
///     = min(1, e^(F_t(v) - F_t(v') + F_s(v') - F_s(v))),    p(v) = e^-F(v) / Z:
/// ```
///
/// no `Z` is needed, and each model's distribution is left alone, so the replicas at the last model
/// sample it exactly. Where modes split one after another while a machine learns, neighbors
/// overlap and a path leads from the first model, which mixes at once, to the last; temperatures
/// often have a discontinuous transition in between. The oldest level has no connections: its sweep
/// is an independent draw.
///
/// Draws depend on the seed, the number of sweeps so far, level, chain and pair alone. Cost of a
/// sweep: four products for every replica, two of them for the swaps. After the first sweep nothing
/// is allocated.
#[derive(Clone, Debug)]
pub struct Trajectory {
    /// The last first.
    models: Vec<Rbm>,
    rungs: Rungs,
}

impl Trajectory {
    /// Replicas of `chains` chains at each of `models`, in the order of training; the last is the
    /// one to be sampled. If the first has connections, the same without them is put before it. All
    /// replicas start from draws of the first.
    ///
    /// # Errors
    /// [`Error::Parameter`] without models or chains and for models of different units,
    /// [`Error::NotFinite`] and those of [`Rbm::check`].
    pub fn new(models: Vec<Rbm>, chains: usize, seed: u64) -> Result<Self> {
        let mut models = models;
        models.reverse();
        let Some(first) = models.last() else {
            return Err(Error::parameter("models of a trajectory", "at least 1", 0));
        };
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
        let first = &models[models.len() - 1];
        let mut replicas = Replicas::new(first, models.len(), chains, seed)?;
        replicas.start(first, 1.0)?;
        Ok(Self {
            rungs: Rungs::of(replicas),
            models,
        })
    }

    /// The same with visible units held at given values, at every model: replicas at the last one
    /// then sample its `p(free units | held units)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for another layer than 0, the visible one; [`Error::Shape`] unless
    /// `clamp` is of this layer and of one row or as many as there are chains.
    pub fn clamped(mut self, layer: usize, clamp: Clamp) -> Result<Self> {
        self.rungs.replicas.hold(layer, &clamp)?;
        Ok(self)
    }

    /// The models, from the one to be sampled back to the independent one.
    pub fn models(&self) -> &[Rbm] {
        &self.models
    }

    /// Chains, each with a replica at every model.
    pub fn chains(&self) -> usize {
        self.rungs.chains()
    }

    /// A copy of the visible states at the last model, a chain a row: samples of it.
    pub fn visible(&self) -> States {
        self.visible_at(0)
    }

    /// A copy of the visible states at `models()[level]`.
    pub fn visible_at(&self, level: usize) -> States {
        self.rungs.replicas.visible_at(level)
    }

    /// Puts the visible states at `models()[level]` in place of what is there: a start for each
    /// level.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::Parameter`] for states of another layer or number of chains.
    pub fn set_visible_at(&mut self, level: usize, v: &States) -> Result<()> {
        self.rungs.replicas.set_visible(level, v)
    }

    /// A copy of the hidden states at the last model as they were before the last swaps.
    pub fn hidden(&self) -> States {
        self.rungs.replicas.hidden_at(0)
    }

    /// Swaps between `models()[k]` and `models()[k + 1]`, for each `k`.
    pub fn swap_rates(&self) -> &[SwapRate] {
        self.rungs.swap_rates()
    }

    /// Counts swaps from zero.
    pub fn reset_swap_rates(&mut self) {
        self.rungs.reset_swap_rates();
    }

    /// `sweeps` sweeps of all replicas, each with a round of swaps.
    ///
    /// # Errors
    /// Those of the models' conditionals.
    pub fn sweep(&mut self, sweeps: usize) -> Result<()> {
        in_pool(|| {
            for _ in 0..sweeps {
                let models = Models::of(&self.models);
                self.rungs.draw_hidden(models, None)?;
                self.rungs.draw_visible(models)?;
                self.rungs.swap(models)?;
            }
            Ok(())
        })
    }
}

/// A machine and those before it, the newest of them first.
#[derive(Clone, Copy)]
pub(crate) struct Models<'a> {
    pub(crate) last: &'a Rbm,
    pub(crate) older: &'a [Rbm],
}

impl<'a> Models<'a> {
    fn of(models: &'a [Rbm]) -> Self {
        Self {
            last: &models[0],
            older: &models[1..],
        }
    }

    fn level(self, k: usize) -> &'a Rbm {
        k.checked_sub(1).map_or(self.last, |k| &self.older[k])
    }
}

/// The replicas at every model, whoever keeps the models.
#[derive(Clone, Debug)]
pub(crate) struct Rungs {
    replicas: Replicas,
    /// `-F` under the older of two models.
    older: Vec<f64>,
}

impl Rungs {
    fn of(replicas: Replicas) -> Self {
        Self {
            older: vec![0.0; 2 * replicas.chains()],
            replicas,
        }
    }

    /// Replicas of `chains` chains at each of `levels` models like `rbm`, all of them from the
    /// visible states `v`, a chain a row.
    pub(crate) fn from_visible(rbm: &Rbm, levels: usize, v: &States, seed: u64) -> Result<Self> {
        let mut replicas = Replicas::new(rbm, levels, v.rows(), seed)?;
        for level in 0..levels {
            replicas.set_visible(level, v)?;
        }
        Ok(Self::of(replicas))
    }

    pub(crate) fn levels(&self) -> usize {
        self.replicas.levels()
    }

    pub(crate) fn chains(&self) -> usize {
        self.replicas.chains()
    }

    /// All states, level by level.
    pub(crate) fn states(&self) -> (&States, &States) {
        self.replicas.states()
    }

    pub(crate) fn set_hidden(&mut self, h: States) {
        self.replicas.set_hidden(h);
    }

    pub(crate) fn set_position(&mut self, half_sweeps: u64, rounds: u64) {
        self.replicas.set_position(half_sweeps, rounds);
    }

    /// See [`Replicas::rearrange`].
    pub(crate) fn rearrange(&mut self, of: &[usize]) {
        self.replicas.rearrange(of);
    }

    /// As [`Trajectory::swap_rates`].
    pub(crate) fn swap_rates(&self) -> &[SwapRate] {
        self.replicas.rates()
    }

    pub(crate) fn reset_swap_rates(&mut self) {
        self.replicas.reset_rates();
    }

    /// `h ~ P_k(h | v)` of every replica; and `E[h | v]` at the last model into `mean`
    /// `[chains x n_hidden]`.
    pub(crate) fn draw_hidden(
        &mut self,
        models: Models<'_>,
        mean: Option<&mut Matrix>,
    ) -> Result<()> {
        self.replicas.draw_hidden(mean, |k| (models.level(k), 1.0))
    }

    /// `v ~ P_k(v | h)` of every replica.
    pub(crate) fn draw_visible(&mut self, models: Models<'_>) -> Result<()> {
        self.replicas.draw_visible(|k, h, tail, buffers| {
            models.level(k).visible_from_hidden(h, tail, buffers)
        })
    }

    /// A round of swaps of visible states.
    pub(crate) fn swap(&mut self, models: Models<'_>) -> Result<()> {
        let older = &mut self.older;
        self.replicas.swap(|k, v, scores, buffers| {
            log_weights(models.level(k), v, scores, buffers)?;
            log_weights(models.level(k + 1), v, older, buffers)?;
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
    in_pool(|| {
        out.par_iter_mut()
            .enumerate()
            .with_min_len(ROWS_A_TASK)
            .for_each(|(s, x)| *x += rbm.visible().own_term(v, s));
    });
    Ok(())
}
