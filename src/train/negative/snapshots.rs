//! Chains at snapshots of the machine along its training: trajectory parallel tempering as the
//! negative phase.

use crate::{
    error::{Error, Result},
    matrix::Matrix,
    model::{Models, Rbm, Rungs},
    states::States,
    tensor::{Saved, Tensor},
    train::Parameters,
};

/// Share of the way to a round's acceptance that the running mean goes.
const ACCEPTANCE_RATE: f32 = 0.1;

/// Names in files: each parameter of all snapshots in one tensor, the newest first.
const WEIGHTS: &str = "training.snapshots.weights.0";
const ACCEPTANCE: &str = "training.snapshots.acceptance";
/// Of both biases and both log-variances.
const VECTORS: [&str; 4] = [
    "training.snapshots.bias.0",
    "training.snapshots.bias.1",
    "training.snapshots.log_variance.0",
    "training.snapshots.log_variance.1",
];

fn vectors(parameters: &mut Parameters) -> impl Iterator<Item = &mut Vec<f32>> {
    let Parameters {
        bias, log_variance, ..
    } = parameters;
    bias.iter_mut().chain(log_variance)
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
    /// Before the first update: chains from the visible states `v` at `rbm` and at its start
    /// without connections.
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

    /// A snapshot of `rbm`, with a copy of its chains. If there are then too many, the one goes
    /// whose neighbors overlap most by the product of the two rates; neither the newest, next to
    /// which the machine now learns on, nor the start.
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

    /// Tells the machine at earlier updates, and the running means of the share of accepted swaps
    /// between each and the next newer one.
    pub(in crate::train) fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        let weights: Vec<&Matrix> = self.older.iter().map(Rbm::weights).collect();
        out(WEIGHTS, Tensor::Matrices(&weights));
        out(ACCEPTANCE, self.acceptance.as_slice().into());
        let mut models: Vec<Parameters> = self.older.iter().map(Parameters::of).collect();
        let mut parts: Vec<_> = models.iter_mut().map(vectors).collect();
        for name in VECTORS {
            let rows: Vec<&mut Vec<f32>> = parts.iter_mut().filter_map(Iterator::next).collect();
            let width = rows.first().map_or(0, |x| x.len());
            let all = Matrix::from_fn(rows.len(), width, |i, j| rows[i][j]);
            out(name, (&all).into());
        }
    }

    /// Takes back what [`Self::visit`] told, for as many models as there are chains of.
    pub(in crate::train) fn restore(&mut self, rbm: &Rbm, saved: &mut Saved) -> Result<()> {
        let count = self.older.len();
        let (n, m) = (rbm.n_visible(), rbm.n_hidden());
        let weights = saved.floats(WEIGHTS, &[count, n, m])?;
        let mut models = vec![Parameters::of(rbm); count];
        for (model, weights) in models.iter_mut().zip(weights.chunks_exact((n * m).max(1))) {
            model.weights[0] = Matrix::from_slice(n, m, weights)?;
        }
        let mut parts: Vec<_> = models.iter_mut().map(vectors).collect();
        for name in VECTORS {
            let rows: Vec<&mut Vec<f32>> = parts.iter_mut().filter_map(Iterator::next).collect();
            let width = rows.first().map_or(0, |x| x.len());
            if width > 0 {
                let all = saved.floats(name, &[count, width])?;
                for (row, x) in rows.into_iter().zip(all.chunks_exact(width)) {
                    row.copy_from_slice(x);
                }
            }
        }
        drop(parts);
        for (own, parameters) in self.older.iter_mut().zip(&models) {
            *own = parameters.placed_in(rbm);
            own.check()?;
        }
        saved.vector_into(ACCEPTANCE, &mut self.acceptance)
    }
}
