//! Mean-field inference of latent units.
//!
//! With `Q(h) = prod q_j^h_j (1 - q_j)^(1 - h_j)`,
//! `-F(v) >= L(q) = b.v + v'Rv + q.(c + W'v) + q'Sq + H(q)` (Goodfellow, Bengio and Courville 2016,
//! section 19.4). One unit at a time, `q_j <- sigma(c_j + (v W)_j + 2 S_j q)` is the maximum of `L`
//! over `q_j`, and `L` is concave in `q_j`, so every update, damped or not, raises the bound.

use super::{BoltzmannMachine, append, term};
use crate::{
    error::Result,
    kernel::reference::sigmoid,
    matrix::Matrix,
    model::{Convergence, MeanField},
    product::{Direction, Propagation, Tail},
    states::Input,
    threads::{in_pool, prelude::*},
};

impl BoltzmannMachine {
    /// Mean-field means of the hidden units given each row of `v`, `[rows x n_hidden]` of the one
    /// hidden layer, and how the worst row ended; an iteration is a pass over the hidden units, one
    /// after the other, from 1/2. Rows in parallel. Cost: a product `v W`, then `n_hidden^2` a row
    /// and pass.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) unless `v` fits the machine; those of
    /// [`MeanField::check`].
    pub fn posterior_means<'a>(
        &self,
        v: impl Into<Input<'a>>,
        options: &MeanField,
    ) -> Result<(Vec<Matrix>, Convergence)> {
        let v = v.into();
        let start = Matrix::from_fn(v.rows(), self.n_hidden(), |_, _| 0.5);
        self.posterior_means_from(v, options, start)
    }

    /// As [`Self::posterior_means`] from the means `start` `[rows x n_hidden]`.
    ///
    /// # Errors
    /// As [`Self::posterior_means`]; [`Error::Shape`](crate::Error::Shape) for another `start`.
    pub fn posterior_means_from<'a>(
        &self,
        v: impl Into<Input<'a>>,
        options: &MeanField,
        start: Matrix,
    ) -> Result<(Vec<Matrix>, Convergence)> {
        let (v, mut means) = (v.into(), start);
        options.check()?;
        self.check_states(v, (&means).into())?;
        let mut inputs = Matrix::zeros(v.rows(), self.n_hidden());
        let mut buffers = Propagation::default();
        let convergence =
            self.mean_field_into(v, *options, &mut means, &mut inputs, &mut buffers)?;
        Ok((vec![means], convergence))
    }

    /// `L(q)` at the mean-field posterior of each row of `v`, at most `-F(v)`, and how the worst
    /// row ended.
    ///
    /// # Errors
    /// As [`Self::posterior_means`].
    pub fn mean_field_bounds<'a>(
        &self,
        v: impl Into<Input<'a>>,
        options: &MeanField,
    ) -> Result<(Vec<f64>, Convergence)> {
        let v = v.into();
        let (means, convergence) = self.posterior_means(v, options)?;
        Ok((self.mean_field_bound(v, &means[0])?, convergence))
    }

    /// As [`Self::posterior_means`] from what is in `means`, of which the first rows are used, with
    /// buffers that are kept.
    pub(crate) fn mean_field_into(
        &self,
        v: Input<'_>,
        options: MeanField,
        means: &mut Matrix,
        inputs: &mut Matrix,
        buffers: &mut Propagation,
    ) -> Result<Convergence> {
        let (rows, m) = (v.rows(), self.n_hidden());
        if m == 0 || rows == 0 {
            return Ok(Convergence::default());
        }
        let tail = Tail {
            input: Some(inputs.view_rows_mut(0..rows)),
            precise: true,
            ..Tail::new(1.0)
        };
        self.hidden
            .propagate(&[term(v, &self.weights, Direction::Up)], tail, buffers)?;
        let stride = means.stride();
        let s = &self.hidden_weights;
        let means = means.padded_mut()[..rows * stride].par_chunks_mut(stride);
        let inputs = inputs.padded_mut()[..rows * stride].par_chunks_mut(stride);
        let settled = means
            .zip(inputs)
            .map(|(q, y)| settle(&mut q[..m], &mut y[..m], s, options));
        Ok(in_pool(|| {
            settled.reduce(Convergence::default, Convergence::worse)
        }))
    }

    /// `L(q)` of each row in f64, for any means in [0, 1].
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) unless `v` and `q` are `[rows x n_visible]` and
    /// `[rows x n_hidden]`.
    pub fn mean_field_bound<'a>(
        &self,
        v: impl Into<Input<'a>>,
        q: impl Into<Input<'a>>,
    ) -> Result<Vec<f64>> {
        let (v, q) = (v.into(), q.into());
        let mut bounds = self.energy(v, q)?;
        let mut row = Vec::with_capacity(self.n_hidden());
        for (k, bound) in bounds.iter_mut().enumerate() {
            row.clear();
            append(&mut row, q, k);
            let entropy = |&q: &f64| {
                let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
                term(q) + term(1.0 - q)
            };
            *bound = -*bound + row.iter().map(entropy).sum::<f64>();
        }
        Ok(bounds)
    }
}

/// Passes over the units of one row until none moves: `q` are the means, `y` the inputs from
/// visible units and biases, then from all.
fn settle(q: &mut [f32], y: &mut [f32], s: &Matrix, options: MeanField) -> Convergence {
    let send = |y: &mut [f32], j: usize, d: f32| {
        for (y, s) in y.iter_mut().zip(s.row(j)) {
            *y += 2.0 * d * s;
        }
    };
    for (j, &q) in q.iter().enumerate() {
        send(y, j, q);
    }
    let mut end = Convergence::default();
    while end.iterations < options.iterations {
        let mut most = 0.0_f32;
        for j in 0..q.len() {
            let best = sigmoid(f64::from(y[j])) as f32;
            let new = best + options.damping * (q[j] - best);
            let d = new - q[j];
            if d != 0.0 {
                send(y, j, d);
                q[j] = new;
                most = most.max(d.abs());
            }
        }
        end = Convergence {
            iterations: end.iterations + 1,
            change: most,
        };
        if end.is_within(&options) {
            break;
        }
    }
    end
}
