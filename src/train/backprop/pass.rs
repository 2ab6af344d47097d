//! One minibatch forwards and backwards.
//!
//! ```text
//! forwards   x_{l+1} = f(x_l W_l + b_{l+1})      one fused product a layer, dropout in place
//! loss       d_L = t - x_L                       for every output; each has its own loss
//! backwards  d_l = (d_{l+1} W_l') f'(x_l)        one product a layer
//! gradient   -dW_l = x_l' d_{l+1} / n,  -db_l = mean d_l    by the caller, as statistics
//! ```
//!
//! Loss of a sample: `-ln p(y | x)` of a softmax output, `-sum t ln x_L + (1 - t) ln(1 - x_L)` of a
//! logistic one, `|t - x_L|^2 / 2` of a linear one; targets of the last two are the data. Each is
//! the negative log-likelihood of its units (up to a constant), so all have the same `d_L` (Bishop
//! 2006, section 5.3).

use super::dropout::Dropout;
use crate::{
    error::Result,
    kernel::rows::times_derivative,
    matrix::Matrix,
    model::{Activation, Network},
    product::{Direction, Propagation, Tail, Term, propagate},
    states::Input,
    threads::prelude::*,
    train::run::Batch,
};

/// Rows of a task of what is done beside products.
const ROWS: usize = 8;

/// Buffers of the two directions; layers are numbered from the input, 0, which has none of its own
/// unless some of it is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Pass {
    /// Values of each layer, of hidden ones after dropout.
    values: Vec<Matrix>,
    /// `d_l`, minus the derivative of a sample's loss by the layer's inputs.
    deltas: Vec<Matrix>,
    /// Of each sample.
    losses: Vec<f64>,
    /// The bias of the way back.
    zeros: Vec<f32>,
    buffers: Propagation,
    rows: usize,
    /// Whether layer 0 of `values` is the input.
    dropped: bool,
    /// Share of the values that dropout keeps in hidden layers.
    keep: f32,
}

/// What the outputs should be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a> {
    Classes(&'a [u32]),
    Values(Input<'a>),
}

impl Pass {
    /// Buffers for `rows` samples.
    pub(super) fn new(network: &Network, rows: usize, input_dropout: bool) -> Self {
        let matrix = |l: usize| match l {
            0 if !input_dropout => Matrix::default(),
            _ => Matrix::zeros(rows, network.size(l)),
        };
        let layers = 0..network.n_layers();
        let widest = layers.clone().map(|l| network.size(l)).max();
        Self {
            values: layers.clone().map(matrix).collect(),
            deltas: layers
                .map(|l| Matrix::zeros(if l == 0 { 0 } else { rows }, network.size(l)))
                .collect(),
            losses: vec![0.0; rows],
            zeros: vec![0.0; widest.unwrap_or(0)],
            buffers: Propagation::default(),
            rows: 0,
            dropped: false,
            keep: 1.0,
        }
    }

    /// Layers `first ..= last`, given the data `x` or what an earlier call left in layer
    /// `first - 1`; of the output layer, its inputs and what its loss needs. Products are exact to
    /// f32, also those of bits: tables for look-ups would have to be made anew in every update,
    /// which takes longer than they save.
    pub(super) fn forward(
        &mut self,
        network: &Network,
        x: Input<'_>,
        layers: std::ops::RangeInclusive<usize>,
        dropout: Option<Dropout>,
    ) -> Result<()> {
        self.rows = x.rows();
        let rows = 0..self.rows;
        if *layers.start() == 1 {
            self.keep = dropout.map_or(1.0, |d| d.keep(1));
            self.dropped = dropout.is_some_and(|d| d.keep(0) < 1.0);
            if let Some(dropout) = dropout.filter(|_| self.dropped) {
                copy_rows(x, &mut self.values[0]);
                dropout.apply(0, &mut self.values[0], self.rows);
            }
        }
        for l in layers {
            let (below, above) = self.values.split_at_mut(l);
            let below = match l {
                1 if !self.dropped => x,
                _ => below[l - 1].view_rows(rows.clone()).into(),
            };
            let (to, delta) = (&mut above[0], &mut self.deltas[l]);
            let mut tail = Tail {
                precise: true,
                ..Tail::new(1.0)
            };
            let activation = network.activation(l);
            let output = l + 1 == network.n_layers();
            let (to, delta) = (
                to.view_rows_mut(rows.clone()),
                delta.view_rows_mut(rows.clone()),
            );
            match activation {
                Activation::Logistic => {
                    tail.mean = Some(to);
                    if output {
                        tail.input = Some(delta);
                        tail.softplus_sums = Some(&mut self.losses[rows.clone()]);
                    }
                }
                Activation::Linear => tail.input = Some(to),
                Activation::Softmax => tail.input = Some(delta),
            }
            network.layer_from_below(l, below, tail, &mut self.buffers)?;
            if let Some(dropout) = dropout.filter(|_| !output && activation == Activation::Logistic)
            {
                dropout.apply(l, &mut self.values[l], self.rows);
            }
        }
        Ok(())
    }

    /// The sum of the samples' losses, each times its weight, and `d_L`, of which each sample
    /// counts once, after [`Self::forward`].
    pub(super) fn loss(
        &mut self,
        network: &Network,
        target: Target<'_>,
        weights: Option<&[f32]>,
    ) -> f64 {
        let last = network.n_layers() - 1;
        let n = network.size(last);
        let (values, deltas) = (&self.values[last], &mut self.deltas[last]);
        let activation = network.activation(last);
        let stride = deltas.stride().max(1);
        let rows = deltas.padded_mut()[..self.rows * stride].par_chunks_mut(stride);
        rows.zip(&mut self.losses[..self.rows])
            .enumerate()
            .with_min_len(ROWS)
            .for_each(|(s, (delta, loss))| {
                let delta = &mut delta[..n];
                match (activation, target) {
                    (Activation::Softmax, Target::Classes(y)) => {
                        *loss = of_class(y[s] as usize, delta);
                    }
                    (activation, Target::Values(t)) => {
                        let logistic = activation == Activation::Logistic;
                        of_values(logistic, t, s, values.row(s), delta, loss);
                    }
                    (_, Target::Classes(_)) => unreachable!("classes are of softmax outputs"),
                }
            });
        let losses = self.losses[..self.rows].iter();
        match weights {
            None => losses.sum(),
            Some(weights) => {
                let weighted = losses.zip(weights).map(|(x, &w)| x * f64::from(w));
                weighted.sum()
            }
        }
    }

    /// `d_l` of the layers below the output down to `lowest`.
    pub(super) fn backward(&mut self, network: &Network, lowest: usize) -> Result<()> {
        let rows = 0..self.rows;
        for l in (lowest..network.n_layers() - 1).rev() {
            let (delta, above) = self.deltas.split_at_mut(l + 1);
            let delta = &mut delta[l];
            let term = Term {
                input: above[0].view_rows(rows.clone()).into(),
                weights: network.weights(l),
                direction: Direction::Down,
                fixed: None,
            };
            let tail = Tail {
                precise: true,
                input: Some(delta.view_rows_mut(rows.clone())),
                ..Tail::new(1.0)
            };
            propagate(
                &[term],
                &self.zeros[..network.size(l)],
                tail,
                &mut self.buffers,
            )?;
            if network.activation(l) == Activation::Logistic {
                let (stride, keep) = (delta.stride().max(1), self.keep);
                let values = self.values[l].padded().par_chunks(stride);
                let delta = delta.padded_mut()[..self.rows * stride].par_chunks_mut(stride);
                delta
                    .zip(values)
                    .with_min_len(ROWS)
                    .for_each(|(delta, values)| times_derivative(delta, values, keep));
            }
        }
        Ok(())
    }

    /// The values of layer `l` that the layer above got; of layer 0, `x` unless some of it was
    /// dropped.
    pub(super) fn sent<'a>(&'a self, l: usize, x: Input<'a>) -> Input<'a> {
        match l {
            0 if !self.dropped => x,
            _ => self.values[l].view_rows(0..self.rows).into(),
        }
    }

    /// A bound on the curvature of the mean loss along the parameters of the output layer, for this
    /// minibatch: `f (1 + mean |x|^2)` with the values `x` that the layer gets (1 for its bias) and
    /// the largest slope `f` of its means, `1/2` of a softmax layer (its `diag(p) - p p'`), `1/4`
    /// of logistic units, 1 of linear ones. It is the trace of the values' second moments, which
    /// bounds their largest eigenvalue.
    pub(super) fn output_curvature(&self, network: &Network, batch: &Batch<'_>) -> f64 {
        let last = network.n_layers() - 1;
        let slope = match network.activation(last) {
            Activation::Softmax => 0.5,
            Activation::Logistic => 0.25,
            Activation::Linear => 1.0,
        };
        let below = self.sent(last - 1, batch.states);
        let square = |s: usize| match below {
            Input::Bits(x) => x.ones(s).count() as f64,
            Input::Real(x) => x.row(s).iter().map(|&x| f64::from(x * x)).sum(),
        };
        let weight = |s: usize| f64::from(batch.weight_of(s));
        let squares: f64 = (0..self.rows).map(|s| weight(s) * square(s)).sum();
        slope * (f64::from(batch.weight()) + squares / self.rows as f64)
    }

    /// `d_l`.
    pub(super) fn delta(&self, l: usize) -> Input<'_> {
        self.deltas[l].view_rows(0..self.rows).into()
    }
}

/// `-ln p(y)` of the inputs `row`, which become `t - p`.
fn of_class(y: usize, row: &mut [f32]) -> f64 {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let of = |y: f32| (f64::from(y) - f64::from(most)).exp();
    let sum: f64 = row.iter().map(|&y| of(y)).sum();
    let loss = sum.ln() + f64::from(most) - f64::from(row[y]);
    for (k, x) in row.iter_mut().enumerate() {
        *x = (f64::from(u8::from(k == y)) - of(*x) / sum) as f32;
    }
    loss
}

/// The loss of sample `s` against row `s` of `t`; `row` holds the inputs of a logistic output,
/// whose softplus sum stands in `loss`, and becomes `t - x`.
fn of_values(
    logistic: bool,
    t: Input<'_>,
    s: usize,
    values: &[f32],
    row: &mut [f32],
    loss: &mut f64,
) {
    let of = |t: f32, x: f32, y: &mut f32, sum: &mut f64| {
        if logistic {
            *sum -= f64::from(t) * f64::from(*y);
        } else {
            *sum += 0.5 * f64::from(t - x).powi(2);
        }
        *y = t - x;
    };
    let mut sum = 0.0;
    let all = row.iter_mut().zip(values);
    match t {
        Input::Real(t) => {
            for ((y, &x), &t) in all.zip(t.row(s)) {
                of(t, x, y, &mut sum);
            }
        }
        Input::Bits(t) => {
            for (j, (y, &x)) in all.enumerate() {
                of(f32::from(t.get(s, j)), x, y, &mut sum);
            }
        }
    }
    *loss = if logistic { *loss + sum } else { sum };
}

fn copy_rows(x: Input<'_>, to: &mut Matrix) {
    for s in 0..x.rows() {
        x.copy_row_to(s, to.row_mut(s));
    }
}
