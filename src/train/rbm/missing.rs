//! Minibatches of which values are missing.
//!
//! The gradient of `ln p(v_o)` of the observed values `v_o` is that of complete examples with the
//! missing values `v_m` and the hidden ones drawn from, or summed over, `p(v_m, h | v_o)`:
//!
//! ```text
//! d ln p(v_o) = E[-dE(v_o, v_m, h) | v_o] - E[-dE(v, h)]
//! ```
//!
//! [`Negative::Exact`] enumerates both. Else the missing values of every example are states that
//! stay with it: at each visit Gibbs sweeps over `(h, v_m)` go on where the last visit left them,
//! as many as the negative phase makes, and the example is learned from with them in place.
//! They start as draws of the visible units without connections.
//!
//! Absent units ([`crate::model::Missing::Absent`]) send zeros and learn nothing. The negative
//! phase is of the same examples, each under its own machine: contrastive divergence with the
//! absent units kept at zero, or enumeration.

use crate::{
    bits::{BitMatrix, BitView},
    dataset::{Examples, is_full},
    error::Result,
    matrix::Matrix,
    model::{Expectations, Layer, Rbm},
    product::{Propagation, Tail},
    rng::{Draws, Site},
    states::{Input, States},
    train::{
        negative::{
            chains::visible_tail,
            rows::{copy, keep_observed, restore},
        },
        run::{Batch, Stop},
    },
};

/// The missing values of the examples, and minibatches in which they stand.
#[derive(Clone, Debug)]
pub(super) struct Inferred {
    /// The last states of the missing values of every example; nothing unless chains infer them.
    pub(super) last: Option<States>,
    /// Of the minibatch: observed values, and states, means or zeros in place of the missing ones.
    v: States,
    h: States,
    /// Of exact posteriors: `E[v h'] - E[v] E[h]'`, summed over the examples with their weights,
    /// and by layer what second moments of units are more than those of their means.
    pub(super) covariances: Vec<Matrix>,
    pub(super) variances: Vec<Vec<f32>>,
}

impl Inferred {
    /// For `most` examples at once. Chains of all examples begin where `chains_of` says.
    pub(super) fn new(
        rbm: &Rbm,
        most: usize,
        is_bits: bool,
        chains_of: Option<(&Examples, u64)>,
        is_exact: bool,
    ) -> Result<Self> {
        let (n, m) = (rbm.n_visible(), rbm.n_hidden());
        let states = |rows: usize| match is_bits {
            true => States::Bits(BitMatrix::zeros(rows, n)),
            false => States::Real(Matrix::zeros(rows, n)),
        };
        let last = match chains_of {
            None => None,
            Some((data, seed)) => Some(started(rbm, data.len(), is_bits, seed)?),
        };
        // Means of exact posteriors are no bits.
        let v = match is_exact {
            true => States::Real(Matrix::zeros(most, n)),
            false => states(most),
        };
        Ok(Self {
            h: States::zeros(if last.is_some() { most } else { 0 }, rbm.hidden()),
            last,
            v,
            covariances: match is_exact {
                true => vec![Matrix::zeros(n, m)],
                false => Vec::new(),
            },
            variances: match is_exact {
                true => vec![vec![0.0; n], vec![0.0; m]],
                false => Vec::new(),
            },
        })
    }

    /// The states of `rows` examples.
    pub(super) fn visible(&self, rows: usize) -> Input<'_> {
        self.v.view_rows(0..rows)
    }

    /// The minibatch with zeros where values are missing.
    pub(super) fn clear(&mut self, batch: &Batch<'_>, observed: BitView<'_>) {
        for row in 0..batch.len() {
            copy(&mut self.v, batch.states, row);
        }
        keep_observed(&mut self.v, observed, batch.len());
    }

    /// `sweeps` sweeps of the chains of the minibatch, whose numbers are `rows`.
    pub(super) fn sweep(
        &mut self,
        rbm: &Rbm,
        factors: [f32; 2],
        (batch, observed): (&Batch<'_>, BitView<'_>),
        (seed, first, sweeps): (u64, u64, u64),
        buffers: &mut Propagation,
    ) -> Result<()> {
        let n = batch.len();
        if let Some(last) = &self.last {
            for (row, &i) in batch.rows.unwrap_or_default().iter().enumerate() {
                self.v.copy_row(row, last, i as usize);
            }
        }
        restore(&mut self.v, batch.states, observed, n);
        for k in 0..sweeps {
            let draws = |half: u64| Draws::new(seed, Site::Missing, 2 * (first + k) + half);
            let tail = self.h.sampled(0..n, draws(0), Tail::new(factors[0]));
            rbm.hidden_from_visible(self.v.view_rows(0..n), tail, buffers)?;
            let tail = self.v.sampled(0..n, draws(1), visible_tail(factors));
            rbm.visible_from_hidden(self.h.view_rows(0..n), tail, buffers)?;
            restore(&mut self.v, batch.states, observed, n);
        }
        Ok(())
    }

    /// Puts states in the places of what is missing of the examples `chosen`, which `states` are.
    pub(super) fn fill(&self, states: &mut States, chosen: &[usize], observed: &BitMatrix) {
        let Some(last) = &self.last else { return };
        for (row, &i) in chosen.iter().enumerate() {
            let missing = (0..observed.columns()).filter(|&j| !observed.get(i, j));
            match (&mut *states, last) {
                (States::Bits(x), States::Bits(last)) => {
                    missing.for_each(|j| x.set(row, j, last.get(i, j)));
                }
                (States::Real(x), last) => {
                    let row = x.row_mut(row);
                    missing.for_each(|j| row[j] = last.get(i, j));
                }
                _ => unreachable!("of one layer"),
            }
        }
    }

    /// Remembers the states of the examples `rows`, once nothing can stop the update.
    pub(super) fn keep(&mut self, rows: &[u32]) {
        if let Some(last) = &mut self.last {
            for (row, &i) in rows.iter().enumerate() {
                last.copy_row(i as usize, &self.v, row);
            }
        }
    }

    /// The exact posterior of each example: means of its missing values and of the hidden units,
    /// and what its second moments are more than theirs. Nothing if a stop is requested.
    pub(super) fn enumerate(
        &mut self,
        rbm: &Rbm,
        (batch, observed): (&Batch<'_>, BitView<'_>),
        hidden: &mut Matrix,
        stop: &Stop,
    ) -> Result<Option<()>> {
        let of_example = 1.0 / batch.len() as f64;
        self.variances.iter_mut().for_each(|x| x.fill(0.0));
        let covariances = &mut self.covariances[0];
        covariances.padded_mut().fill(0.0);
        let States::Real(v) = &mut self.v else {
            unreachable!("means are no bits")
        };
        for row in 0..batch.len() {
            batch.states.copy_row_to(row, v.row_mut(row));
            if is_full(observed, row) {
                continue;
            }
            if stop.is_requested() {
                return Ok(None);
            }
            let weight = of_example * f64::from(batch.weight_of(row));
            let given = rbm.given_observed(batch.states, observed, row)?;
            let Some(free) = given.rbm else { continue };
            let expected = free.expectations(&mut ())?;
            for (k, &i) in given.units.iter().enumerate() {
                let mean = expected.visible[k];
                v.row_mut(row)[i] = mean as f32;
                if let Some(square) = expected.visible_squares.get(k) {
                    self.variances[0][i] += (weight * (square - mean * mean)) as f32;
                }
                let pairs = expected.weights.row(k).iter().zip(&expected.hidden);
                let to = covariances.row_mut(i).iter_mut();
                for (to, (&pair, h)) in to.zip(pairs) {
                    *to += (weight * (f64::from(pair) - mean * h)) as f32;
                }
            }
            // The variance given the visible units is that of every example.
            for (j, square) in expected.hidden_squares.iter().enumerate() {
                let mean = expected.hidden[j];
                let more = square - mean * mean - 1.0 / rbm.hidden().precision(j);
                self.variances[1][j] += (weight * more) as f32;
            }
            let to = hidden.row_mut(row).iter_mut();
            to.zip(&expected.hidden).for_each(|(to, x)| *to = *x as f32);
        }
        Ok(Some(()))
    }
}

/// Exact expectations of the machines of which each has the observed units of one example, their
/// mean over the examples by weight; absent units are zero. Nothing if a stop is requested.
pub(super) fn expectations_of_each(
    rbm: &Rbm,
    batch: &Batch<'_>,
    observed: BitView<'_>,
    stop: &Stop,
) -> Result<Option<Expectations>> {
    let (n, m) = (rbm.n_visible(), rbm.n_hidden());
    let squares = |layer: &Layer| vec![0.0; layer.log_variance.len()];
    let mut all = Expectations {
        log_z: 0.0,
        weights: Matrix::zeros(n, m),
        visible: vec![0.0; n],
        hidden: vec![0.0; m],
        visible_squares: squares(rbm.visible()),
        hidden_squares: squares(rbm.hidden()),
    };
    let mass = f64::from(batch.weight()) * batch.len() as f64;
    for row in 0..batch.len() {
        if stop.is_requested() {
            return Ok(None);
        }
        let weight = f64::from(batch.weight_of(row)) / mass;
        let units: Vec<usize> = observed.ones(row).collect();
        let add = |to: &mut [f64], x: &[f64]| {
            to.iter_mut().zip(x).for_each(|(to, x)| *to += weight * x);
        };
        if units.is_empty() {
            // Hidden units alone: what they are without any input, in either phase.
            let none = Matrix::zeros(1, n);
            let h = rbm.mean_h_from_v(&none, 1.0)?;
            let h: Vec<f64> = h.row(0).iter().map(|&x| f64::from(x)).collect();
            for (j, square) in all.hidden_squares.iter_mut().enumerate() {
                *square += weight * (h[j] * h[j] + 1.0 / rbm.hidden().precision(j));
            }
            add(&mut all.hidden, &h);
            continue;
        }
        let of = rbm.without_missing(observed, row)?.expectations(&mut ())?;
        add(&mut all.hidden, &of.hidden);
        add(&mut all.hidden_squares, &of.hidden_squares);
        for (k, &i) in units.iter().enumerate() {
            all.visible[i] += weight * of.visible[k];
            if let Some(square) = of.visible_squares.get(k) {
                all.visible_squares[i] += weight * square;
            }
            let to = all.weights.row_mut(i).iter_mut();
            let row = to.zip(of.weights.row(k));
            row.for_each(|(to, &x)| *to += (weight * f64::from(x)) as f32);
        }
    }
    Ok(Some(all))
}

/// States of `examples` examples drawn from the visible units of `rbm` without connections.
fn started(rbm: &Rbm, examples: usize, is_bits: bool, seed: u64) -> Result<States> {
    /// Examples at once.
    const ROWS: usize = 1024;
    let mut all = match is_bits {
        true => States::Bits(BitMatrix::zeros(examples, rbm.n_visible())),
        false => States::Real(Matrix::zeros(examples, rbm.n_visible())),
    };
    let alone = Rbm::unconnected(rbm.visible().clone(), Layer::bernoulli(1))?;
    let mut buffers = Propagation::default();
    let draws = Draws::new(seed, Site::Missing, 0);
    for first in (0..examples).step_by(ROWS) {
        let range = first..(first + ROWS).min(examples);
        let h = BitMatrix::zeros(range.len(), 1);
        let tail = all.sampled(range, draws.from_row(first), Tail::new(1.0));
        alone.visible_from_hidden((&h).into(), tail, &mut buffers)?;
    }
    Ok(all)
}
