//! A machine at earlier points of its training, and chains at each of them: trajectory parallel
//! tempering as the negative phase.

use crate::{
    error::{Error, Result},
    matrix::Matrix,
    model::{Layered, Models, Rbm, Rungs, SwapRate},
    states::States,
    tensor::{Saved, Tensor},
    train::Parameters,
};

/// Share of the way to a round's acceptance that the running mean goes.
const ACCEPTANCE_RATE: f32 = 0.1;

/// Names in files: each parameter of all snapshots in one tensor, the newest first.
const SNAPSHOTS: &str = "training.snapshots";

/// The machine along its training. Which snapshots there are follows from how often chains at
/// neighboring ones change places.
#[derive(Clone, Debug)]
pub(in crate::train) struct Snapshots<M> {
    /// Newest first; the last is the start without connections.
    pub(in crate::train) older: Vec<M>,
    /// Of level `k` and `k + 1`, level 0 being the machine itself.
    acceptance: Vec<f32>,
    target: f32,
    most: usize,
}

impl<M: Layered + Clone> Snapshots<M> {
    /// Before the first update: `machine` without its connections alone.
    pub(in crate::train) fn new(machine: &M, target: f32, most: usize) -> Self {
        let mut alone = machine.clone();
        for l in 0..alone.n_connections() {
            alone.weights_mut(l).padded_mut().fill(0.0);
        }
        alone.refresh();
        Self {
            older: vec![alone],
            acceptance: vec![1.0],
            target,
            most,
        }
    }

    /// Whether the machine has gone too far from the newest snapshot.
    pub(in crate::train) fn is_due(&self) -> bool {
        self.acceptance[0] < self.target
    }

    /// Takes a round of swaps into the running means.
    pub(in crate::train) fn follow(&mut self, rates: &[SwapRate]) {
        let pairs = self.acceptance.iter_mut().zip(rates);
        for (mean, rate) in pairs.filter(|(_, rate)| rate.attempts > 0) {
            *mean += ACCEPTANCE_RATE * (rate.rate() as f32 - *mean);
        }
    }

    /// A snapshot of `machine`; the old levels that chains of the new ones come from. If there are
    /// then too many, the one goes whose neighbors overlap most by the product of the two rates;
    /// neither the newest, next to which the machine now learns on, nor the start.
    pub(in crate::train) fn keep(&mut self, machine: &M) -> Vec<usize> {
        let mut levels: Vec<usize> = (0..=self.older.len()).collect();
        levels.insert(0, 0);
        self.older.insert(0, machine.clone());
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
        levels
    }

    /// Levels of chains that are stored, if `rows` are those of `chains` chains at a number of
    /// levels that there can be.
    pub(in crate::train) fn levels_of(&self, rows: usize, chains: usize) -> Option<usize> {
        let levels = rows / chains.max(1);
        let fits = rows == levels * chains && (2..=self.most + 2).contains(&levels);
        fits.then_some(levels)
    }

    /// As many snapshots as belong to so many levels; what they are is to follow by
    /// [`Self::restore`].
    pub(in crate::train) fn set_levels(&mut self, levels: usize) {
        let alone = self.older[self.older.len() - 1].clone();
        self.older = vec![alone; levels - 1];
        self.acceptance = vec![1.0; levels - 1];
    }

    /// Tells the machine at earlier updates, and the running means of the share of accepted swaps
    /// between each and the next newer one.
    pub(in crate::train) fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        for l in 0..self.older[0].n_connections() {
            let weights: Vec<&Matrix> = self.older.iter().map(|x| x.weights(l)).collect();
            let name = format!("{SNAPSHOTS}.weights.{l}");
            out(&name, Tensor::Matrices(&weights));
        }
        out(&acceptance(), self.acceptance.as_slice().into());
        let mut vectors = |part: &str, of: fn(&M, usize) -> &[f32]| {
            for l in 0..self.older[0].n_layers() {
                let width = of(&self.older[0], l).len();
                let all = Matrix::from_fn(self.older.len(), width, |i, j| of(&self.older[i], l)[j]);
                out(&format!("{SNAPSHOTS}.{part}.{l}"), (&all).into());
            }
        };
        vectors("bias", |x, l| x.bias(l));
        vectors("log_variance", |x, l| x.log_variance(l));
    }

    /// Takes back what [`Self::visit`] told, for as many models as there are chains of.
    pub(in crate::train) fn restore(&mut self, machine: &M, saved: &mut Saved) -> Result<()> {
        let count = self.older.len();
        let mut models = vec![Parameters::of(machine); count];
        for l in 0..machine.n_connections() {
            let (n, m) = (machine.weights(l).rows(), machine.weights(l).columns());
            let weights = saved.floats(&format!("{SNAPSHOTS}.weights.{l}"), &[count, n, m])?;
            for (model, weights) in models.iter_mut().zip(weights.chunks_exact((n * m).max(1))) {
                model.weights[l] = Matrix::from_slice(weights, n, m)?;
            }
        }
        let mut vectors = |part: &str, of: fn(&mut Parameters) -> &mut Vec<Vec<f32>>| {
            for l in 0..machine.n_layers() {
                let width = of(&mut models[0])[l].len();
                if width > 0 {
                    let all = saved.floats(&format!("{SNAPSHOTS}.{part}.{l}"), &[count, width])?;
                    for (model, x) in models.iter_mut().zip(all.chunks_exact(width)) {
                        of(model)[l].copy_from_slice(x);
                    }
                }
            }
            Ok(())
        };
        vectors("bias", |x| &mut x.bias)?;
        vectors("log_variance", |x| &mut x.log_variance)?;
        for (own, parameters) in self.older.iter_mut().zip(&models) {
            *own = parameters.placed_in(machine);
            own.refresh();
        }
        saved.vector_into(&acceptance(), &mut self.acceptance)
    }
}

fn acceptance() -> String {
    format!("{SNAPSHOTS}.acceptance")
}

/// An RBM along its training, with chains at every snapshot.
#[derive(Clone, Debug)]
pub(in crate::train) struct Trail {
    snapshots: Snapshots<Rbm>,
    rungs: Rungs,
}

impl Trail {
    /// Before the first update: chains from the visible states `v` at `rbm` and at its start
    /// without connections.
    pub(super) fn new(rbm: &Rbm, v: &States, target: f32, most: usize, seed: u64) -> Result<Self> {
        let mut trail = Self {
            snapshots: Snapshots::new(rbm, target, most),
            rungs: Rungs::from_visible(rbm, 2, v, seed)?,
        };
        let models = Models {
            last: rbm,
            older: &trail.snapshots.older,
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

    /// Swaps of the last round between each level and the next.
    pub(in crate::train) fn swap_rates(&self) -> &[SwapRate] {
        self.rungs.swap_rates()
    }

    /// `steps` sweeps with swaps of all chains, after `done` of them in earlier updates; `E[h | v]`
    /// at `rbm` into `mean`. Before, `rbm` joins the snapshots if it has gone too far from the
    /// newest.
    pub(super) fn advance(
        &mut self,
        rbm: &Rbm,
        steps: usize,
        done: u64,
        mean: &mut Matrix,
    ) -> Result<()> {
        if self.snapshots.is_due() {
            self.rungs.rearrange(&self.snapshots.keep(rbm));
        }
        // The first half sweep was the start's.
        self.rungs.set_position(1 + 2 * done, done);
        for k in 0..steps {
            let models = Models {
                last: rbm,
                older: &self.snapshots.older,
            };
            self.rungs.draw_visible(models)?;
            self.rungs.reset_swap_rates();
            self.rungs.swap(models)?;
            let mean = (k + 1 == steps).then_some(&mut *mean);
            self.rungs.draw_hidden(models, mean)?;
            self.snapshots.follow(self.rungs.swap_rates());
        }
        Ok(())
    }

    /// Stored hidden states; the models that they belong to are to follow by [`Self::restore`].
    pub(super) fn set_hidden(&mut self, h: States) -> Result<()> {
        let (chains, own) = (self.rungs.chains(), self.states().1);
        let kind = h.columns() == own.columns() && h.bits().is_some() == own.bits().is_some();
        let levels = self.snapshots.levels_of(h.rows(), chains);
        let Some(levels) = levels.filter(|_| kind) else {
            let most = self.snapshots.most + 2;
            return Err(Error::shape(
                "stored chains",
                format!("{chains} x {} at each of 2 to {most} models", own.columns()),
                format!("{} x {}", h.rows(), h.columns()),
            ));
        };
        self.snapshots.set_levels(levels);
        self.rungs.rearrange(&vec![0; levels]);
        self.rungs.set_hidden(h);
        Ok(())
    }

    pub(in crate::train) fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        self.snapshots.visit(out);
    }

    /// Takes back what [`Self::visit`] told, for as many models as there are chains of.
    pub(in crate::train) fn restore(&mut self, rbm: &Rbm, saved: &mut Saved) -> Result<()> {
        self.snapshots.restore(rbm, saved)?;
        self.snapshots.older.iter().try_for_each(Rbm::check)
    }
}
