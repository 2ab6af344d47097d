//! Expectations of the data: mean field, chains of hidden layers, or the posterior by enumeration.

use super::{DbmOptions, labels_for};
use crate::{
    bits::BitMatrix,
    error::Result,
    matrix::Matrix,
    model::{Convergence, Dbm, Posterior},
    product::{Propagation, Tail},
    rng::{Draws, Site},
    states::{Input, States},
    tensor::{Saved, Tensor},
    train::{
        Positive,
        run::{At, Batch, Done, Stop},
    },
};

/// States or means of every layer given the data.
///
/// A sweep of [`Positive::Gibbs`] draws the even hidden layers given the odd ones and then the odd
/// given the even; the last one's means of the odd layers are what is learned from, and its states
/// of them wait for the next visit. A machine of one hidden layer has its exact posterior.
#[derive(Clone, Debug)]
pub(super) struct PositivePhase {
    posterior: Posterior,
    convergence: Option<Convergence>,
    /// Where mean field of every example ended last, by layer: of even hidden layers, if starts are
    /// warm.
    last_means: Vec<Matrix>,
    /// The states of every example, by layer: of odd hidden layers, of chains.
    last_states: Vec<BitMatrix>,
    /// Of the minibatch, by layer.
    states: Vec<States>,
    /// Likewise: of odd layers given the states, or of the exact posterior.
    means: Vec<Matrix>,
    /// Of neighboring layers in the exact posterior, by connection.
    covariances: Vec<Matrix>,
    buffers: Propagation,
}

impl PositivePhase {
    /// Before the first update, for so many examples and `batch` of them at once.
    pub(super) fn new(dbm: &Dbm, options: &DbmOptions, examples: usize, batch: usize) -> Self {
        let by_gibbs = options.positive.steps().is_some();
        let is_exact = options.positive == Positive::Exact;
        let hidden = dbm.n_hidden_layers();
        let rows = |is: bool, rows: usize| if is { rows } else { 0 };
        let layers = || dbm.layers().iter().enumerate();
        let is_free = |l: usize| (1..=hidden).contains(&l);
        let seed = options.learning.seed;
        let coins = |(l, layer): (usize, &crate::model::Layer)| {
            let n = rows(by_gibbs && is_free(l) && l % 2 == 1, examples);
            let draws = Draws::new(seed, Site::Positive, l as u64);
            BitMatrix::from_fn(n, layer.size(), |i, j| draws.bits(i, j) >> 31 == 1)
        };
        let mut states: Vec<States> = layers()
            .map(|(l, layer)| States::zeros(rows(by_gibbs && l > 0, batch), layer))
            .collect();
        states[0] = States::Bits(BitMatrix::zeros(0, 0));
        Self {
            posterior: Posterior::default(),
            convergence: match options.positive {
                Positive::MeanField(_) => Some(Convergence::default()),
                _ => None,
            },
            last_means: layers()
                .map(|(l, layer)| {
                    let keeps = options.warm_start && is_free(l) && l % 2 == 0;
                    Matrix::zeros(rows(keeps, examples), layer.size())
                })
                .collect(),
            last_states: layers().map(coins).collect(),
            states,
            means: layers()
                .map(|(l, layer)| {
                    let of_states = by_gibbs && is_free(l) && l % 2 == 1;
                    Matrix::zeros(rows(is_exact && l > 0 || of_states, batch), layer.size())
                })
                .collect(),
            covariances: match is_exact {
                true => (1..dbm.n_layers())
                    .map(|l| Matrix::zeros(dbm.layer(l - 1).size(), dbm.layer(l).size()))
                    .collect(),
                false => Vec::new(),
            },
            buffers: Propagation::default(),
        }
    }

    /// Whether something of every example is remembered.
    pub(super) fn keeps(&self) -> bool {
        self.last_means.iter().any(|x| x.rows() > 0)
            || self.last_states.iter().any(|x| x.rows() > 0)
    }

    /// How mean field ended.
    pub(super) fn convergence(&self) -> Option<Convergence> {
        self.convergence
    }

    /// States or means of the hidden layer `l`, of `rows` examples.
    pub(super) fn layer(&self, l: usize, rows: usize) -> Input<'_> {
        if self.means[l].rows() > 0 {
            self.means[l].view_rows(0..rows).into()
        } else if self.states[l].rows() > 0 {
            self.states[l].view_rows(0..rows)
        } else {
            self.posterior.mean(l).into()
        }
    }

    /// Covariances of the posterior, where its means are not all that there is to it.
    pub(super) fn covariances(&self) -> &[Matrix] {
        &self.covariances
    }

    /// The states of the odd layer `l` at the end of a chain, where there are chains.
    pub(super) fn states(&self, l: usize) -> Option<&States> {
        Some(&self.states[l]).filter(|x| x.rows() > 0)
    }

    /// Expectations of the minibatch, labels held if the machine has them. What is remembered of
    /// the examples stays as it is until [`Self::keep`].
    pub(super) fn run(
        &mut self,
        dbm: &Dbm,
        options: &DbmOptions,
        batch: &Batch<'_>,
        at: &At,
        stop: &Stop,
    ) -> Result<Done> {
        let labels = labels_for(dbm, batch.labels)?;
        match options.positive {
            Positive::MeanField(mean_field) => {
                let visited = at.updates() >= at.position.batches as u64;
                let is_warm = options.warm_start && visited;
                self.start_mean_field(dbm, batch, labels, is_warm)?;
                self.convergence = Some(self.posterior.iterate(dbm, &mean_field)?);
            }
            Positive::Gibbs { steps } => {
                let first = 1 + at.updates() * steps as u64;
                self.sweep(dbm, options.learning.seed, batch, labels, first, steps)?;
            }
            Positive::Exact => return self.enumerate(dbm, batch, labels, stop),
        }
        Ok(Done::Updated)
    }

    fn start_mean_field(
        &mut self,
        dbm: &Dbm,
        batch: &Batch<'_>,
        labels: Option<&[u32]>,
        is_warm: bool,
    ) -> Result<()> {
        let (v, rows, last) = (
            batch.states,
            batch.rows.unwrap_or_default(),
            &self.last_means,
        );
        let means = |l: usize, row: usize| last[l].row(rows[row] as usize);
        let posterior = &mut self.posterior;
        match labels {
            None if is_warm => posterior.start_warm(dbm, v, means),
            None => posterior.start(dbm, v),
            Some(labels) => {
                let label = |row: usize| labels[row] as usize;
                match is_warm {
                    true => posterior.start_warm_with_labels(dbm, v, label, means),
                    false => posterior.start_with_labels(dbm, v, label),
                }
            }
        }
    }

    /// Sweeps of the chains, numbered from `first` on.
    fn sweep(
        &mut self,
        dbm: &Dbm,
        seed: u64,
        batch: &Batch<'_>,
        labels: Option<&[u32]>,
        first: u64,
        steps: usize,
    ) -> Result<()> {
        let n = batch.len();
        if let (Some(labels), Some(States::Bits(states))) = (labels, self.states.last_mut()) {
            let values = dbm.label_states(labels)?;
            (0..n).for_each(|row| states.copy_row(row, values.view(), row));
        }
        for l in dbm.unlabeled_hidden_of(1) {
            if let States::Bits(states) = &mut self.states[l] {
                for (row, &i) in batch.rows.unwrap_or_default().iter().enumerate() {
                    states.copy_row(row, self.last_states[l].view(), i as usize);
                }
            }
        }
        for k in 0..steps {
            for parity in [0, 1] {
                for l in dbm.unlabeled_hidden_of(parity) {
                    let step = (first + k as u64) * dbm.n_layers() as u64 + l as u64;
                    let draws = Draws::new(seed, Site::Positive, step);
                    let (lower, rest) = self.states.split_at_mut(l);
                    let (own, upper) = rest.split_at_mut(1);
                    let is_last = parity == 1 && k + 1 == steps;
                    let tail = Tail {
                        mean: is_last.then(|| self.means[l].view_rows_mut(0..n)),
                        ..Tail::new(1.0)
                    };
                    let tail = own[0].sampled(0..n, draws, tail);
                    let below = match l {
                        1 => batch.states,
                        _ => lower[l - 1].view_rows(0..n),
                    };
                    let above = upper.first().map(|x| x.view_rows(0..n));
                    dbm.layer_from_neighbors(l, Some(below), above, tail, &mut self.buffers)?;
                }
            }
        }
        Ok(())
    }

    /// The exact posterior, example by example.
    fn enumerate(
        &mut self,
        dbm: &Dbm,
        batch: &Batch<'_>,
        labels: Option<&[u32]>,
        stop: &Stop,
    ) -> Result<Done> {
        let share = 1.0 / batch.len() as f64;
        let covariances = self.covariances.iter_mut();
        covariances.for_each(|x| x.padded_mut().fill(0.0));
        for row in 0..batch.len() {
            if stop.is_requested() {
                return Ok(Done::Stopped);
            }
            let of_example = share * f64::from(batch.weight_of(row));
            let given = match labels {
                None => dbm.posterior_expectations(batch.states, row, &mut ())?,
                Some(labels) => {
                    let class = labels[row] as usize;
                    let label = self.means.last_mut().expect("that of the label");
                    label.row_mut(row).fill(0.0);
                    label.row_mut(row)[class] = 1.0;
                    let rest = dbm.given_class(class)?;
                    rest.posterior_expectations(batch.states, row, &mut ())?
                }
            };
            for (l, expected) in given.layers.iter().enumerate().skip(1) {
                let means = self.means[l].row_mut(row).iter_mut();
                means.zip(expected).for_each(|(to, x)| *to = *x as f32);
            }
            // Of the visible layer, which is given, there is none.
            for (l, pairs) in given.connections.iter().enumerate().skip(1) {
                let (below, above) = (&given.layers[l], &given.layers[l + 1]);
                for (i, a) in below.iter().enumerate() {
                    let to = self.covariances[l].row_mut(i).iter_mut();
                    for ((to, pair), b) in to.zip(pairs.row(i)).zip(above) {
                        *to += (of_example * (f64::from(*pair) - a * b)) as f32;
                    }
                }
            }
        }
        Ok(Done::Updated)
    }

    /// Remembers what there is of the examples `rows`, once nothing can stop the update.
    pub(super) fn keep(&mut self, rows: &[u32]) {
        for (l, last) in self.last_means.iter_mut().enumerate() {
            if last.rows() > 0 {
                for (row, &i) in rows.iter().enumerate() {
                    let to = last.row_mut(i as usize);
                    to.copy_from_slice(self.posterior.mean(l).row(row));
                }
            }
        }
        for (last, states) in self.last_states.iter_mut().zip(&self.states) {
            if let (true, States::Bits(states)) = (last.rows() > 0, states) {
                for (row, &i) in rows.iter().enumerate() {
                    last.copy_row(i as usize, states.view(), row);
                }
            }
        }
    }

    pub(super) fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        for (l, means) in self.last_means.iter().enumerate() {
            out(&format!("training.mean_field.{l}"), means.into());
        }
        for (l, states) in self.last_states.iter().enumerate() {
            if states.rows() > 0 {
                out(&format!("training.hidden.{l}"), states.into());
            }
        }
    }

    pub(super) fn restore(&mut self, saved: &mut Saved) -> Result<()> {
        for (l, means) in self.last_means.iter_mut().enumerate() {
            saved.matrix_into(&format!("training.mean_field.{l}"), means)?;
        }
        for (l, states) in self.last_states.iter_mut().enumerate() {
            if states.rows() > 0 {
                let (rows, units) = (states.rows(), states.columns());
                *states = saved.bits(&format!("training.hidden.{l}"), rows, units)?;
            }
        }
        Ok(())
    }
}
