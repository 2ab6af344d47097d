//! The gradient of a general machine: pairs of all units, `[units x units]`, symmetric to the bit.

use crate::{
    bits::{BitView, WORD_BITS},
    kernel::{
        reduce::{add_column_sums, add_weighted_column_sums},
        rows::add_pair_counts,
    },
    matrix::Matrix,
    model::{
        BoltzmannMachine,
        boltzmann::{BoltzmannExpectations, UnitChain},
    },
    threads::prelude::*,
    train::parameters::Parameters,
    units::Kind,
};

/// `dL / dA_ij`-like sums `E[x_i x_j]` of one phase minus the other, biases beside them
/// ([`Parameters::of_pairs`]). With respect to an element of `R`, `W` or `S` taken by itself the
/// gradient of the likelihood is exactly this difference; along a pair `R_ij = R_ji` it is twice
/// that. While sums are collected, `E[x_i]` is on the diagonal of the pairs.
impl Parameters {
    pub(super) fn clear(&mut self) {
        self.weights[0].padded_mut().fill(0.0);
        self.bias[0].fill(0.0);
    }

    /// `+= weight` times how many chains have both units on; of chains with factors, times the sum
    /// of these.
    pub(super) fn add_counts(&mut self, chain: &UnitChain, weight: f32, of_chains: Option<&[f32]>) {
        let n = self.bias[0].len();
        let stride = self.weights[0].stride().max(1);
        let words = chain.words();
        self.weights[0]
            .padded_mut()
            .par_chunks_mut(stride)
            .enumerate()
            .for_each(|(i, row)| match of_chains {
                None => add_pair_counts(words, i, weight, &mut row[..n]),
                Some(of_chains) => add_pair_sums(words, i, (weight, of_chains), &mut row[..n]),
            });
    }

    /// `+= weight` times expectations.
    pub(super) fn add_expectations(&mut self, expected: &BoltzmannExpectations, weight: f64) {
        let n = self.bias[0].len();
        for i in 0..n {
            let row = self.weights[0].row_mut(i).iter_mut();
            for (to, x) in row.zip(&expected.pairs[i * n..]) {
                *to += (weight * x) as f32;
            }
        }
    }

    /// `+= weight sum_s x_s x_s'` over rows `(v_s, q_s)`, but for the pairs of visible units; the
    /// hidden units of a row are independent. A row with a factor counts so many times. Sums are
    /// f64, rounded once.
    pub(super) fn add_means(
        &mut self,
        v: BitView<'_>,
        q: &Matrix,
        weight: f32,
        of_rows: Option<&[f32]>,
    ) {
        let (n, m) = (v.columns(), q.columns());
        let q = q.view_rows(0..v.rows());
        let of_row = |s: usize| of_rows.map_or(1.0, |w| f64::from(w[s]));
        for i in 0..n {
            let row = &mut self.weights[0].row_mut(i)[n..];
            let of_row = |s| v.get(s, i).then(|| of_row(s));
            add_weighted_column_sums(q, of_row, weight, row);
        }
        for i in 0..n {
            for j in 0..m {
                self.weights[0].row_mut(n + j)[i] = self.weights[0].row(i)[n + j];
            }
        }
        for j in 0..m {
            let own = |s: usize| of_row(s) * f64::from(q.row(s)[j]);
            let row = &mut self.weights[0].row_mut(n + j)[n..];
            // E[h_j^2] is E[h_j].
            let square =
                f64::from(row[j]) + f64::from(weight) * (0..q.rows()).map(own).sum::<f64>();
            add_weighted_column_sums(q, |s| Some(own(s)), weight, row);
            row[j] = square as f32;
        }
    }

    /// Moves the diagonal to the biases, and forgets the pairs that may not be coupled.
    pub(super) fn finish(&mut self, machine: &BoltzmannMachine) {
        for i in 0..self.bias[0].len() {
            let row = self.weights[0].row_mut(i);
            self.bias[0][i] += row[i];
            row[i] = 0.0;
            if let Some(mask) = machine.connectivity() {
                let pairs = row.iter_mut().enumerate();
                pairs
                    .filter(|(j, _)| !mask.get(i, *j))
                    .for_each(|(_, g)| *g = 0.0);
            }
        }
        let segments = machine.visible().units.segments().iter();
        for group in segments.filter(|s| s.kind == Kind::Softmax) {
            for i in group.range() {
                self.weights[0].row_mut(i)[group.range()].fill(0.0);
            }
        }
    }
}

/// `row_j += weight` times the sum of the factors of the chains that have units `i` and `j` on:
/// [`add_pair_counts`] of chains that do not weigh the same, in f64, rounded once.
fn add_pair_sums(words: &[u64], i: usize, (weight, of_chains): (f32, &[f32]), row: &mut [f32]) {
    let n = row.len();
    for (j, to) in row.iter_mut().enumerate() {
        let mut sum = 0.0;
        let parts = words.chunks_exact(n).zip(of_chains.chunks(WORD_BITS));
        for (words, factors) in parts {
            let mut both = words[i] & words[j];
            while both != 0 {
                sum += f64::from(factors[both.trailing_zeros() as usize]);
                both &= both - 1;
            }
        }
        *to = (f64::from(*to) + f64::from(weight) * sum) as f32;
    }
}

/// Buffers of the gradient of the pseudo-likelihood.
#[derive(Clone, Debug, Default)]
pub(super) struct PseudoLikelihood {
    /// `2 U`.
    pub(super) twice: Matrix,
    /// `P(x_i = 1 | rest)`, then `x - P`.
    pub(super) rest: Matrix,
    /// `X' (X - P)`.
    products: Matrix,
}

impl PseudoLikelihood {
    pub(super) fn new(units: usize, batch: usize) -> Self {
        Self {
            twice: Matrix::zeros(units, units),
            rest: Matrix::zeros(batch, units),
            products: Matrix::zeros(units, units),
        }
    }

    /// Takes the weights of `machine`.
    pub(super) fn refresh(&mut self, machine: &BoltzmannMachine) {
        let from = machine.visible_weights().padded();
        let to = self.twice.padded_mut().iter_mut();
        to.zip(from).for_each(|(to, u)| *to = 2.0 * u);
    }

    /// The gradient of the mean over the rows `x`, each times its factor, of `sum_i ln P(x_i |
    /// rest)` over single units and softmax groups, from the means in `rest`: with `D = X - P`,
    /// `(X'D + D'X) / rows` with respect to an element of `U`, the mean of `D` with respect to the
    /// biases.
    pub(super) fn gradient_into(
        &mut self,
        x: BitView<'_>,
        of_rows: Option<&[f32]>,
        gradient: &mut Parameters,
    ) {
        let weight = 1.0 / x.rows() as f32;
        for s in 0..x.rows() {
            let row = self.rest.row_mut(s);
            row.iter_mut().for_each(|p| *p = -*p);
            x.ones(s).for_each(|i| row[i] += 1.0);
            if let Some(of_rows) = of_rows {
                row.iter_mut().for_each(|d| *d *= of_rows[s]);
            }
        }
        let rest = self.rest.view_rows(0..x.rows());
        add_column_sums(rest, weight, &mut gradient.bias[0]);
        let stride = self.products.stride().max(1);
        self.products
            .padded_mut()
            .par_chunks_mut(stride)
            .enumerate()
            .for_each(|(j, to)| {
                to.fill(0.0);
                let of_row = |s| x.get(s, j).then_some(1.0);
                add_weighted_column_sums(rest, of_row, weight, &mut to[..x.columns()]);
            });
        for i in 0..self.products.rows() {
            let row = gradient.weights[0].row_mut(i);
            for (j, g) in row.iter_mut().enumerate() {
                *g = self.products.row(i)[j] + self.products.row(j)[i];
            }
            // The diagonal goes to the biases, which are done.
            row[i] = 0.0;
        }
    }
}
