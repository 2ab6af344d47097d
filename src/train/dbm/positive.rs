//! Expectations of the data: mean field, chains of hidden layers, or the posterior by enumeration.

use super::{DbmOptions, labels_for};
use crate::{
    bits::{BitMatrix, BitView},
    dataset::Examples,
    error::Result,
    matrix::Matrix,
    model::{Convergence, Dbm, Layer, MeanField, Posterior},
    product::{Propagation, Tail},
    rng::{Draws, Site},
    states::{Input, States},
    tensor::{Saved, Tensor},
    train::{
        Positive,
        negative::rows::restore,
        run::{At, Batch, Done, Stop},
    },
};

/// Most times that mean field of the hidden layers and of missing visible units alternate.
const ROUNDS: usize = 10;

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
    /// Visible states of chains of the minibatch, where values of the data are missing.
    visible: States,
    /// Likewise: visible means of mean field or of the exact posterior, and those before.
    visible_means: Matrix,
    last_visible: Matrix,
    /// Of neighboring layers in the exact posterior, by connection.
    covariances: Vec<Matrix>,
    buffers: Propagation,
}

impl PositivePhase {
    /// Before the first update, for `data` and `batch` examples at once.
    pub(super) fn new(dbm: &Dbm, options: &DbmOptions, data: &Examples, batch: usize) -> Self {
        let examples = data.len();
        let by_gibbs = options.positive.steps().is_some();
        let is_exact = options.positive == Positive::Exact;
        let hidden = dbm.n_hidden_layers();
        let rows = |is: bool, rows: usize| if is { rows } else { 0 };
        let layers = || dbm.layers().iter().enumerate();
        let is_free = |l: usize| (1..=hidden).contains(&l);
        let seed = options.learning.seed;
        let coins = |(l, layer): (usize, &Layer)| {
            let n = rows(by_gibbs && is_free(l) && l % 2 == 1, examples);
            let draws = Draws::new(seed, Site::Positive, l as u64);
            BitMatrix::from_fn(n, layer.size(), |i, j| draws.bits(i, j) >> 31 == 1)
        };
        let mut states: Vec<States> = layers()
            .map(|(l, layer)| States::zeros(rows(by_gibbs && l > 0, batch), layer))
            .collect();
        states[0] = States::Bits(BitMatrix::zeros(0, 0));
        let missing = rows(data.observed().is_some(), batch);
        Self {
            posterior: Posterior::of_learning(),
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
            visible: States::zeros(rows(by_gibbs, missing), dbm.layer(0)),
            visible_means: Matrix::zeros(rows(!by_gibbs, missing), dbm.n_visible()),
            last_visible: Matrix::default(),
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

    /// The visible states of the minibatch, with states or means for what is missing.
    pub(super) fn visible<'a>(&'a self, batch: &Batch<'a>) -> Input<'a> {
        match batch.observed {
            None => batch.states,
            Some(_) if self.visible_means.rows() > 0 => {
                self.visible_means.view_rows(0..batch.len()).into()
            }
            Some(_) => self.visible.view_rows(0..batch.len()),
        }
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
                self.convergence = Some(match batch.observed {
                    None => {
                        self.start_mean_field(dbm, (batch.states, batch), labels, is_warm)?;
                        self.posterior.iterate(dbm, &mean_field)?
                    }
                    Some(observed) => {
                        self.mean_field(dbm, &mean_field, (batch, observed), labels, is_warm)?
                    }
                });
            }
            Positive::Gibbs { steps } => {
                let first = 1 + at.updates() * steps as u64;
                self.sweep(dbm, options.learning.seed, batch, labels, first, steps)?;
            }
            Positive::Exact => return self.enumerate(dbm, batch, labels, stop),
        }
        Ok(Done::Updated)
    }

    /// Mean field of the hidden layers and of the missing visible units, which start at what they
    /// are without connections: that of the hidden layers given the visible means, then the visible
    /// means given those of layer 1, in turn, until these change by no more than the tolerance or
    /// after [`ROUNDS`]. Each is the best for the others, so the bound on `ln p(v_observed)` never
    /// falls.
    fn mean_field(
        &mut self,
        dbm: &Dbm,
        options: &MeanField,
        (batch, observed): (&Batch<'_>, BitView<'_>),
        labels: Option<&[u32]>,
        is_warm: bool,
    ) -> Result<Convergence> {
        let mut v = std::mem::take(&mut self.visible_means);
        start_visible(&mut v, dbm.layer(0), batch, observed);
        let mut found = Ok(Convergence::default());
        for round in 1..=ROUNDS {
            let before = found.unwrap_or_default();
            found = self.hidden_given(dbm, options, (&v, batch), labels, is_warm);
            if let Ok(done) = &mut found {
                done.iterations += before.iterations;
            }
            if found.is_err() || round == ROUNDS {
                break;
            }
            match self.visible_given(dbm, &mut v, batch, observed) {
                Ok(change) if change <= options.tolerance => break,
                Ok(_) => {}
                Err(e) => found = Err(e),
            }
        }
        self.visible_means = v;
        found
    }

    /// Mean field of the hidden layers given visible means.
    fn hidden_given(
        &mut self,
        dbm: &Dbm,
        options: &MeanField,
        (v, batch): (&Matrix, &Batch<'_>),
        labels: Option<&[u32]>,
        is_warm: bool,
    ) -> Result<Convergence> {
        let v = Input::Real(v.view_rows(0..batch.len()));
        self.start_mean_field(dbm, (v, batch), labels, is_warm)?;
        self.posterior.iterate(dbm, options)
    }

    /// Visible means given those of layer 1, observed values as they are; the largest change.
    fn visible_given(
        &mut self,
        dbm: &Dbm,
        v: &mut Matrix,
        batch: &Batch<'_>,
        observed: BitView<'_>,
    ) -> Result<f32> {
        let n = batch.len();
        self.last_visible.clone_from(v);
        let tail = Tail {
            mean: Some(v.view_rows_mut(0..n)),
            ..Tail::new(1.0)
        };
        let above = self.posterior.mean(1).into();
        dbm.layer_from_neighbors(0, None, Some(above), tail, &mut self.buffers)?;
        let mut change = 0.0_f32;
        for row in 0..n {
            let to = v.row_mut(row);
            observed
                .ones(row)
                .for_each(|i| to[i] = batch.states.get(row, i));
            let pairs = to.iter().zip(self.last_visible.row(row));
            change = pairs.map(|(a, b)| (a - b).abs()).fold(change, f32::max);
        }
        Ok(change)
    }

    fn start_mean_field(
        &mut self,
        dbm: &Dbm,
        (v, batch): (Input<'_>, &Batch<'_>),
        labels: Option<&[u32]>,
        is_warm: bool,
    ) -> Result<()> {
        let (rows, last) = (batch.rows.unwrap_or_default(), &self.last_means);
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
            if let Some(observed) = batch.observed {
                let step = (first + k as u64) * dbm.n_layers() as u64;
                let draws = Draws::new(seed, Site::Positive, step);
                let tail = self.visible.sampled(0..n, draws, Tail::new(1.0));
                let above = Some(self.states[1].view_rows(0..n));
                dbm.layer_from_neighbors(0, None, above, tail, &mut self.buffers)?;
                restore(&mut self.visible, batch.states, observed, n);
            }
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
                        1 if batch.observed.is_some() => self.visible.view_rows(0..n),
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
            let rows = batch.as_rows();
            let given = match labels {
                None => dbm.expectations_given_observed(rows, row, &mut ())?,
                Some(labels) => {
                    let class = labels[row] as usize;
                    let label = self.means.last_mut().expect("that of the label");
                    label.row_mut(row).fill(0.0);
                    label.row_mut(row)[class] = 1.0;
                    let rest = dbm.given_class(class)?;
                    rest.expectations_given_observed(rows, row, &mut ())?
                }
            };
            if batch.observed.is_some() {
                let means = self.visible_means.row_mut(row).iter_mut();
                means
                    .zip(&given.layers[0])
                    .for_each(|(to, x)| *to = *x as f32);
            }
            for (l, expected) in given.layers.iter().enumerate().skip(1) {
                let means = self.means[l].row_mut(row).iter_mut();
                means.zip(expected).for_each(|(to, x)| *to = *x as f32);
            }
            // Of the visible layer there is none where it is given.
            let first = usize::from(batch.observed.is_none());
            for (l, pairs) in given.connections.iter().enumerate().skip(first) {
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

/// Observed values, and in place of missing ones the means of units without connections.
fn start_visible(v: &mut Matrix, layer: &Layer, batch: &Batch<'_>, observed: BitView<'_>) {
    let own: Vec<f64> = layer.bias.iter().map(|&b| b.into()).collect();
    let mut means = vec![0.0; own.len()];
    layer.mean_into(&own, 1.0, &mut means);
    for row in 0..batch.len() {
        let to = v.row_mut(row);
        to.iter_mut()
            .zip(&means)
            .for_each(|(to, &x)| *to = x as f32);
        observed
            .ones(row)
            .for_each(|i| to[i] = batch.states.get(row, i));
    }
}
