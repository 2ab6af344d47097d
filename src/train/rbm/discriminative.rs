//! The exact gradient of `ln p(y | v)` of a machine with labels (Larochelle and Bengio 2008).
//!
//! With `o_yj = c_j + U_yj + (v W)_j` and `t` the label of an example, the gradient of one example
//! is
//!
//! ```text
//! W, c:   v_i D_j, D_j       D_j = sigma(o_tj) - S_j,  S_j = sum_y p(y | v) sigma(o_yj)
//! U:      (1[y = t] - p(y | v)) sigma(o_yj)
//! d:      1[y = t] - p(y | v)                          nothing for the other visible biases
//! ```
//!
//! The first halves are the positive phase of the generative gradient, with states `(v, t)` and
//! `E[h | v, t]`; `v` without its label and `S` are a negative phase; what `p(y | v)` takes from
//! `U` and `d` goes beside the statistics.

use crate::{
    error::Result,
    kernel::rows::{TASK_UNITS, add_sigmoids},
    matrix::{Matrix, MatrixView, MatrixViewMut},
    model::{Rbm, clear_group},
    product::{Phase, Propagation, Tail},
    states::{Input, States},
    threads::{self, Parts},
    train::{run::Batch, step::evidence::LabelGradient},
    units::Segment,
};

/// Buffers of the gradient.
#[derive(Clone, Debug)]
pub(in crate::train) struct Discriminative {
    group: Segment,
    /// Visible states without their labels.
    unlabeled: States,
    /// `c + v W`.
    base: Matrix,
    /// `ln p(y | v)`, then `p(y | v)`.
    p: Matrix,
    /// `S`.
    expected: Matrix,
    labels: LabelGradient,
    rows: usize,
}

impl Discriminative {
    /// For batches of up to `batch_size` rows of bits or reals.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] for a machine without a label.
    pub(in crate::train) fn new(rbm: &Rbm, batch_size: usize, bits: bool) -> Result<Self> {
        let group = rbm.expect_label_group()?;
        let n = rbm.n_visible();
        Ok(Self {
            group,
            unlabeled: if bits {
                States::Bits(crate::bits::BitMatrix::zeros(batch_size, n))
            } else {
                States::Real(Matrix::zeros(batch_size, n))
            },
            base: Matrix::zeros(batch_size, rbm.n_hidden()),
            p: Matrix::zeros(batch_size, group.size),
            expected: Matrix::zeros(batch_size, rbm.n_hidden()),
            labels: LabelGradient {
                first: group.first,
                weights: Matrix::zeros(group.size, rbm.n_hidden()),
                bias: vec![0.0; group.size],
            },
            rows: 0,
        })
    }

    /// Computes everything for the labeled states of a minibatch.
    pub(in crate::train) fn run(
        &mut self,
        rbm: &Rbm,
        batch: &Batch<'_>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        let (v, rows) = (batch.states, batch.len());
        let of_example = 1.0 / rows as f32;
        self.rows = rows;
        match (&mut self.unlabeled, v) {
            (States::Bits(to), Input::Bits(v)) => {
                for i in 0..rows {
                    to.copy_row(i, v, i);
                    clear_group(self.group, to.view_mut().row_mut(i));
                }
            }
            (States::Real(to), Input::Real(v)) => {
                for i in 0..rows {
                    to.row_mut(i).copy_from_slice(v.row(i));
                    to.row_mut(i)[self.group.range()].fill(0.0);
                }
            }
            _ => unreachable!("a run's batches are all bits or all reals"),
        }
        let tail = Tail {
            input: Some(self.base.view_rows_mut(0..rows)),
            ..Tail::new(1.0)
        };
        rbm.hidden_from_visible(unlabeled(&self.unlabeled, rows), tail, buffers)?;
        let base = self.base.view_rows(0..rows);
        rbm.fill_log_p(self.group, base, self.p.view_rows_mut(0..rows));
        self.labels.bias.fill(0.0);
        for s in 0..rows {
            let weight = of_example * batch.weight_of(s);
            for (p, bias) in self.p.row_mut(s).iter_mut().zip(&mut self.labels.bias) {
                *p = p.exp();
                *bias -= weight * *p;
            }
        }
        let job = LabelJob {
            rbm,
            group: self.group,
            base,
            p: self.p.view_rows(0..rows),
            weights: batch.weights,
            weight: of_example,
        };
        job.fill(
            self.expected.view_rows_mut(0..rows),
            self.labels.weights.view_mut(),
        );
        Ok(())
    }

    /// The negative phase of [`Self::run`], of weight `-weight`.
    pub(in crate::train) fn phase(&self, weight: f32) -> Phase<'_> {
        Phase::new(
            unlabeled(&self.unlabeled, self.rows),
            self.expected.view_rows(0..self.rows).into(),
            -weight,
        )
    }

    /// What the weights and biases of the labels receive beside the phases.
    pub(in crate::train) fn labels(&self) -> &LabelGradient {
        &self.labels
    }
}

fn unlabeled(values: &States, rows: usize) -> Input<'_> {
    values.view_rows(0..rows)
}

/// What does not depend on the hidden units.
struct LabelJob<'a> {
    rbm: &'a Rbm,
    group: Segment,
    base: MatrixView<'a>,
    p: MatrixView<'a>,
    /// Of the examples, if they are not 1 each.
    weights: Option<&'a [f32]>,
    weight: f32,
}

/// What is written of the hidden units from the first on.
type OfUnits<'a> = (usize, MatrixViewMut<'a>, MatrixViewMut<'a>);

/// Few units, or both halves.
fn halves((first, expected, labels): OfUnits<'_>) -> Parts<OfUnits<'_>> {
    let n = labels.columns();
    if n <= TASK_UNITS {
        return Parts::One((first, expected, labels));
    }
    let at = n.div_ceil(TASK_UNITS) / 2 * TASK_UNITS;
    let (expected, expected2) = expected.split_at_column(at);
    let (labels, labels2) = labels.split_at_column(at);
    Parts::Two((first, expected, labels), (first + at, expected2, labels2))
}

impl LabelJob<'_> {
    /// `S` and the labels' gradient; tasks split the hidden units, so sums over the examples keep
    /// their order.
    fn fill(&self, expected: MatrixViewMut<'_>, labels: MatrixViewMut<'_>) {
        threads::divide((0, expected, labels), &halves, &|(
            first,
            expected,
            labels,
        )| {
            self.units(first, expected, labels);
        });
    }

    /// Those of the hidden units from `first` on.
    fn units(&self, first: usize, mut expected: MatrixViewMut<'_>, mut labels: MatrixViewMut<'_>) {
        let n = labels.columns();
        let mut u = [0.0; TASK_UNITS];
        for s in 0..self.base.rows() {
            expected.row_mut(s).fill(0.0);
        }
        for y in 0..self.group.size {
            let row = self.rbm.weights().row(self.group.first + y);
            u[..n].copy_from_slice(&row[first..first + n]);
            let mut sums = [0.0; TASK_UNITS];
            for s in 0..self.base.rows() {
                let base = &self.base.row(s)[first..first + n];
                let p = self.p.row(s)[y];
                let weight = self.weights.map_or(1.0, |weights| f64::from(weights[s]));
                add_sigmoids(base, &u, p, expected.row_mut(s), (weight, &mut sums));
            }
            for (to, sum) in labels.row_mut(y).iter_mut().zip(&sums) {
                *to = (-f64::from(self.weight) * sum) as f32;
            }
        }
    }
}
