//! Mean field: the factorized posterior `Q(h | v) = prod q` of a deep Boltzmann machine that comes
//! closest to the true one, and its bound on the likelihood.
//!
//! ```text
//! L(Q) = E_Q[-E(v, h)] + H(Q) = ln sum_h e^-E(v, h) - KL(Q || P(h | v)),   ln p(v) >= L(Q) - ln Z
//! ```
//!
//! Given the means of its neighbors, the best means of a layer are
//! `E[h_l] = sigma(q_{l-1} W_{l-1} + q_{l+1} W_l' + b_l)`, the conditional with means in place of
//! states (Goodfellow, Bengio, Courville, Deep Learning, section 20.4.2). An iteration does so for
//! all odd layers, which do not touch each other, then for all even ones: coordinate ascent, so
//! without damping `L(Q)` never falls. What `v` sends never changes and is multiplied once.

use super::{Convergence, Dbm, MeanField};
use crate::{
    dataset::Rows,
    error::{Error, Result},
    matrix::{Matrix, MatrixView, MatrixViewMut},
    model::Layer,
    product::{Precision, Propagation, Tail},
    states::Input,
    threads::{self, Parts, in_pool, prelude::*},
    units::Kind,
};
use std::ops::Range;

/// Rows of a task of what is done beside products.
const ROWS: usize = 16;
/// Numbers of a row that are compared side by side.
const LANES: usize = 16;

/// The means of all hidden layers for some rows of visible values. Buffers are kept: nothing is
/// allocated once they have grown.
#[derive(Clone, Debug, Default)]
pub struct Posterior {
    /// By layer; that of layer 0 is empty.
    means: Vec<Matrix>,
    /// `v W_0`; not used by machines of one hidden layer.
    sent: Matrix,
    /// Whether only the even layers hold means, after a warm start.
    half: bool,
    /// Whether the last layer is a label that is held.
    held: bool,
    /// Whether products of means may be rounded.
    rounds: bool,
    /// Whether `v W_0` is precise enough for bounds.
    precise: bool,
    /// Means of the layers that start alike whatever the label.
    starts: Vec<Matrix>,
    /// Which row of `v` the means in each place are of, while rows that are done are set aside.
    order: Vec<usize>,
    /// The largest change of a mean of each row that is left.
    changes: Vec<f32>,
    zeros: Vec<f32>,
    scratch: Vec<Matrix>,
    buffers: Propagation,
}

impl Posterior {
    /// That of learning: products of means with weights are those of rounded ones (see
    /// [`crate::product::FixedPoint`]), twice as fast; others are exact to f32.
    pub(crate) fn of_learning() -> Self {
        Self {
            rounds: true,
            ..Self::default()
        }
    }

    /// Starts at `v` by an up-pass: each layer from the one below alone, whose input counts twice
    /// where a hidden layer above is still missing.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `v` has the machine's visible units; [`Error::Parameter`] for
    /// missing values; [`Error::NotFinite`] for NaN or infinite weights.
    pub fn start<'a>(&mut self, dbm: &Dbm, v: impl Into<Rows<'a>>) -> Result<()> {
        let v = v.into().complete("mean field")?;
        self.begin(dbm, v, false)?;
        self.up(dbm, v, 1..dbm.n_layers())
    }

    /// As [`Self::start`], with the label layer held at the class `label(row)` until the next
    /// start: what follows is `Q(h | v, y)`, and bounds are those of `ln sum_h e^-E(v, h, y)`. The
    /// highest hidden layer starts from the layer below and the label.
    ///
    /// # Errors
    /// As [`Self::start`]; [`Error::Parameter`] for a machine without labels and a class that is
    /// not there.
    pub fn start_with_labels<'a>(
        &mut self,
        dbm: &Dbm,
        v: impl Into<Rows<'a>>,
        label: impl Fn(usize) -> usize,
    ) -> Result<()> {
        let v = v.into().complete("mean field")?;
        self.begin(dbm, v, false)?;
        self.hold(dbm, label)?;
        let top = dbm.n_hidden_layers();
        self.up(dbm, v, 1..top)?;
        self.update_layer(dbm, top)
    }

    /// Starts at `v` for every class in turn, each to be held by [`Self::start_class`]: what does
    /// not depend on the class is computed here.
    pub(super) fn start_classes(&mut self, dbm: &Dbm, v: Input<'_>) -> Result<()> {
        self.begin(dbm, v, true)?;
        let top = dbm.n_hidden_layers();
        self.up(dbm, v, 1..top)?;
        self.starts.resize_with(top, Matrix::default);
        self.starts.clone_from_slice(&self.means[..top]);
        Ok(())
    }

    /// Starts with `class` held in all rows.
    pub(super) fn start_class(&mut self, dbm: &Dbm, class: usize) -> Result<()> {
        let top = dbm.n_hidden_layers();
        self.means[..top].clone_from_slice(&self.starts);
        self.hold(dbm, |_| class)?;
        self.update_layer(dbm, top)
    }

    /// Starts at `v` with the even hidden layers at `means(layer, row)`, the values that an earlier
    /// run for the same rows ended with. Odd layers follow from them.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// Where a row of means has not as many numbers as the layer units.
    pub fn start_warm<'a>(
        &mut self,
        dbm: &Dbm,
        v: Input<'_>,
        means: impl Fn(usize, usize) -> &'a [f32],
    ) -> Result<()> {
        if dbm.n_layers() == 2 {
            return self.start(dbm, v);
        }
        self.begin(dbm, v, false)?;
        self.take_even(dbm, means);
        Ok(())
    }

    /// As [`Self::start_warm`], with the label layer, which `means` is not asked for, held at the
    /// class `label(row)`.
    ///
    /// # Errors
    /// As [`Self::start_with_labels`].
    ///
    /// # Panics
    /// As [`Self::start_warm`].
    pub fn start_warm_with_labels<'a>(
        &mut self,
        dbm: &Dbm,
        v: Input<'_>,
        label: impl Fn(usize) -> usize,
        means: impl Fn(usize, usize) -> &'a [f32],
    ) -> Result<()> {
        self.begin(dbm, v, false)?;
        self.hold(dbm, label)?;
        self.take_even(dbm, means);
        Ok(())
    }

    fn take_even<'a>(&mut self, dbm: &Dbm, means: impl Fn(usize, usize) -> &'a [f32]) {
        for l in self.free(dbm, 0) {
            for row in 0..self.means[l].rows() {
                self.means[l].row_mut(row).copy_from_slice(means(l, row));
            }
        }
        self.half = true;
    }

    /// Hidden layers of a parity whose means are looked for: not a label that is held.
    fn free(&self, dbm: &Dbm, parity: usize) -> impl Iterator<Item = usize> + use<> {
        let last = dbm.n_layers() - usize::from(self.held);
        (1..last).filter(move |l| l % 2 == parity)
    }

    fn begin(&mut self, dbm: &Dbm, v: Input<'_>, precise: bool) -> Result<()> {
        (self.half, self.held, self.precise) = (false, false, precise);
        if v.columns() != dbm.n_visible() {
            let (expected, found) = (dbm.n_visible(), v.columns());
            return Err(Error::shape("units of the input", expected, found));
        }
        let n = dbm.n_layers();
        self.means.resize_with(n, Matrix::default);
        self.scratch.resize_with(n, Matrix::default);
        for l in 1..n {
            self.means[l].reset(v.rows(), dbm.layer(l).size());
        }
        if n > 2 {
            let m = dbm.layer(1).size();
            self.sent.reset(v.rows(), m);
            self.zeros.resize(m, 0.0);
            let (sent, zeros) = (&mut self.sent, &self.zeros);
            let precision = match (precise, self.rounds) {
                (true, _) => Precision::Exact,
                (false, false) => Precision::ExactReals,
                (false, true) => Precision::Fast,
            };
            dbm.visible_product(v, sent, zeros, precision, &mut self.buffers)?;
        }
        Ok(())
    }

    /// The up-pass of some layers.
    fn up(&mut self, dbm: &Dbm, v: Input<'_>, layers: Range<usize>) -> Result<()> {
        for l in layers {
            let (lower, rest) = self.means.split_at_mut(l);
            let tail = Tail {
                mean: Some(rest[0].view_mut()),
                exact_reals: !self.rounds,
                ..Tail::new(1.0)
            };
            let below = if l == 1 {
                v
            } else {
                Input::from(&lower[l - 1])
            };
            dbm.layer_from_below(l, below, tail, &mut self.buffers)?;
        }
        Ok(())
    }

    /// Holds the label layer.
    fn hold(&mut self, dbm: &Dbm, label: impl Fn(usize) -> usize) -> Result<()> {
        let classes = dbm.expect_classes()?;
        let means = &mut self.means[dbm.n_layers() - 1];
        for row in 0..means.rows() {
            let (y, means) = (label(row), means.row_mut(row));
            if y >= classes {
                return Err(Error::parameter("label", format!("below {classes}"), y));
            }
            means.fill(0.0);
            means[y] = 1.0;
        }
        self.held = true;
        Ok(())
    }

    /// Iterates each row until its means change no more, or `options` say so: rows that are done
    /// cost nothing further, and where a row ends does not depend on the others. A machine of one
    /// hidden layer has its exact posterior from the start. Cost: an iteration is two dense
    /// products for each connection but the lowest, of the rows that are left.
    ///
    /// # Errors
    /// [`Error::Parameter`] for options out of range, [`Error::Shape`] for another machine than
    /// that of the start.
    pub fn iterate(&mut self, dbm: &Dbm, options: &MeanField) -> Result<Convergence> {
        options.check()?;
        let mut done = Convergence::default();
        if dbm.n_layers() == 2 {
            return Ok(done);
        }
        let rows = self.sent.rows();
        self.order.clear();
        self.order.extend(0..rows);
        let (mut left, mut settled) = (rows, 0.0_f32);
        let quick = options.tolerance == 0.0 && options.damping == 0.0;
        while left > 0 && done.iterations < options.iterations {
            done.iterations += 1;
            self.changes.clear();
            self.changes.resize(left, 0.0);
            let compare = !quick || done.iterations == options.iterations;
            // After a warm start the odd layers have nothing to compare with: they follow from the
            // even ones.
            let follows = std::mem::take(&mut self.half);
            for l in self.free(dbm, 1) {
                let damping = if follows { 0.0 } else { options.damping };
                self.update(dbm, l, left, damping, compare && !follows)?;
            }
            for l in self.free(dbm, 0) {
                self.update(dbm, l, left, options.damping, compare)?;
            }
            let most = self.changes.iter().fold(0.0, |a: f32, &b| a.max(b));
            done.change = settled.max(most);
            if compare {
                for k in (0..left).rev() {
                    if self.changes[k] <= options.tolerance {
                        settled = settled.max(self.changes[k]);
                        left -= 1;
                        self.swap_rows(k, left);
                        self.changes.swap(k, left);
                    }
                }
            }
        }
        for k in 0..rows {
            while self.order[k] != k {
                self.swap_rows(k, self.order[k]);
            }
        }
        Ok(done)
    }

    /// Rows that are done go behind those that are left.
    fn swap_rows(&mut self, a: usize, b: usize) {
        if a != b {
            let means = self.means.iter_mut().skip(1);
            means.for_each(|x| x.swap_rows(a, b));
            self.sent.swap_rows(a, b);
            self.order.swap(a, b);
        }
    }

    /// Sets the means of layer `l` to the best given those of its neighbors.
    ///
    /// # Errors
    /// As [`Self::iterate`].
    ///
    /// # Panics
    /// Unless `l` is a hidden layer of a machine of at least two.
    pub fn update_layer(&mut self, dbm: &Dbm, l: usize) -> Result<()> {
        self.update(dbm, l, self.sent.rows(), 0.0, false)
    }

    /// Of the first `left` rows; if it is to `compare`, raises their `changes` to the largest of
    /// this layer.
    fn update(
        &mut self,
        dbm: &Dbm,
        l: usize,
        left: usize,
        damping: f32,
        compare: bool,
    ) -> Result<()> {
        let (lower, rest) = self.means.split_at_mut(l);
        let (own, upper) = rest.split_at_mut(1);
        let own = &mut own[0];
        let out = if compare {
            self.scratch[l].reset(left, own.columns());
            &mut self.scratch[l]
        } else {
            &mut *own
        };
        let tail = Tail {
            mean: Some(out.view_rows_mut(0..left)),
            added: (l == 1).then(|| self.sent.view_rows(0..left)),
            exact_reals: !self.rounds,
            ..Tail::new(1.0)
        };
        let below = (l > 1).then(|| Input::Real(lower[l - 1].view_rows(0..left)));
        let above = upper.first().map(|x| Input::Real(x.view_rows(0..left)));
        dbm.layer_from_neighbors(l, below, above, tail, &mut self.buffers)?;
        if compare {
            let own = own.view_rows_mut(0..left);
            moved(own, self.scratch[l].view(), damping, &mut self.changes);
        }
        Ok(())
    }

    /// `E_Q` of layer `l`, `[rows x n_l]`; of layer 0 it is empty.
    ///
    /// # Panics
    /// Before the first start, and unless `l` is a layer.
    pub fn mean(&self, l: usize) -> &Matrix {
        &self.means[l]
    }

    /// `L(Q)` of each row of the `v` that the means are of, so that `ln p(v) >= L(Q) - ln Z`. Every
    /// connection ends in one odd layer, so one pass for each of these suffices. Products f32, sums
    /// f64: the error is some 1e-4 for 784-500-1000 units.
    ///
    /// # Errors
    /// [`Error::Shape`] for another machine or `v` than those of the start; [`Error::Parameter`]
    /// for missing values.
    pub fn bounds<'a>(&mut self, dbm: &Dbm, v: impl Into<Rows<'a>>) -> Result<Vec<f64>> {
        let v = v.into().complete("mean field")?;
        let mut states = vec![v];
        states.extend(self.means.iter().skip(1).map(Input::from));
        let rows = dbm.check_states(&states)?;
        for l in dbm.hidden_of(1) {
            let input = &mut self.scratch[l];
            input.reset(rows, dbm.layer(l).size());
            let tail = Tail {
                input: Some(input.view_mut()),
                precise: true,
                ..Tail::new(1.0)
            };
            let (mut tail, mut below) = (tail, Some(states[l - 1]));
            if l == 1 && self.precise && dbm.n_layers() > 2 {
                tail.added = Some(self.sent.view());
                below = None;
            }
            let above = states.get(l + 1).copied();
            dbm.layer_from_neighbors(l, below, above, tail, &mut self.buffers)?;
        }
        let of_row = |row: usize| {
            let mut sum = dbm.layer(0).own_term(v, row);
            for (l, &states) in states.iter().enumerate().skip(1) {
                let (layer, q) = (dbm.layer(l), self.means[l].row(row));
                sum += entropy(layer, q);
                sum += if l.is_multiple_of(2) {
                    layer.own_term(states, row)
                } else {
                    let pairs = q.iter().zip(self.scratch[l].row(row));
                    pairs.map(|(&q, &x)| f64::from(q) * f64::from(x)).sum()
                };
            }
            sum
        };
        Ok(in_pool(|| (0..rows).into_par_iter().map(of_row).collect()))
    }
}

/// `own <- new + damping (own - new)`; raises the change of each row to its largest.
fn moved(own: MatrixViewMut<'_>, new: MatrixView<'_>, damping: f32, changes: &mut [f32]) {
    threads::divide((own, new, changes), &halves, &|(own, new, changes)| {
        moved_rows(own, new, damping, changes);
    });
}

/// Old and new means and the changes of some rows.
type Moved<'a> = (MatrixViewMut<'a>, MatrixView<'a>, &'a mut [f32]);

/// Few rows, or both halves.
fn halves<'a>((own, new, changes): Moved<'a>) -> Parts<Moved<'a>> {
    let rows = own.rows();
    if rows <= ROWS {
        return Parts::One((own, new, changes));
    }
    let at = rows / 2;
    let (upper, lower) = own.split_at_row(at);
    let (first, second) = changes.split_at_mut(at);
    Parts::Two(
        (upper, new.view_rows(0..at), first),
        (lower, new.view_rows(at..rows), second),
    )
}

/// The same of few rows.
fn moved_rows(mut own: MatrixViewMut<'_>, new: MatrixView<'_>, damping: f32, changes: &mut [f32]) {
    for (i, change) in changes.iter_mut().enumerate() {
        // Maxima of lanes: the compiler makes vectors of them.
        let mut most = [0.0_f32; LANES];
        let (own, rest) = own.row_mut(i).as_chunks_mut::<LANES>();
        let (new, new_rest) = new.row(i).as_chunks::<LANES>();
        let step = |old: &mut f32, new: f32, most: &mut f32| {
            let next = new + damping * (*old - new);
            let change = (next - *old).abs();
            *most = if change > *most { change } else { *most };
            *old = next;
        };
        for (own, new) in own.iter_mut().zip(new) {
            for k in 0..LANES {
                step(&mut own[k], new[k], &mut most[k]);
            }
        }
        for (old, &new) in rest.iter_mut().zip(new_rest) {
            step(old, new, &mut most[0]);
        }
        *change = most.iter().fold(*change, |a, &b| a.max(b));
    }
}

/// The entropy of independent units with means `q`.
fn entropy(layer: &Layer, q: &[f32]) -> f64 {
    let term = |q: f64| if q > 0.0 { -q * q.ln() } else { 0.0 };
    let of = |s: &crate::units::Segment| -> f64 {
        let means = q[s.range()].iter().map(|&q| f64::from(q));
        match s.kind {
            Kind::Softmax => means.map(term).sum(),
            _ => means.map(|q| term(q) + term(1.0 - q)).sum(),
        }
    };
    layer.units.segments().iter().map(of).sum()
}

#[cfg(test)]
mod tests;
