//! Classification by a machine whose visible layer ends in a softmax group, the label (Larochelle
//! and Bengio, ICML 2008).
//!
//! With Bernoulli hidden units the label's distribution given all other visible units is exact:
//! `ln p(y | v) = d_y + sum_j ln(1 + e^(o_yj)) - ln of their sum of exponentials`,
//! `o_yj = c_j + U_yj + (v W)_j`, where `U` are the rows of the weights and `d` the biases that
//! belong to the group. `v W` is one product for all classes.

use super::Rbm;
use crate::{
    bits::WORD_BITS,
    dataset::Rows,
    error::{Error, Result},
    kernel::{reduce::LogSum, softplus::softplus_sum},
    matrix::{Matrix, MatrixView, MatrixViewMut},
    product::{Propagation, Tail},
    threads::{self, Parts},
    units::{Kind, Segment},
};

/// Rows of one task.
const TASK_ROWS: usize = 4;

impl Rbm {
    /// The softmax group at the end of the visible layer, if there is one and the hidden units are
    /// Bernoulli units: then the machine classifies.
    pub fn label_group(&self) -> Option<Segment> {
        let group = self.visible().units.last_group()?;
        self.hidden().units.are(Kind::Bernoulli).then_some(group)
    }

    /// Number of classes, if the machine knows labels: the size of [`Self::label_group`].
    pub fn classes(&self) -> Option<usize> {
        self.label_group().map(|group| group.size)
    }

    /// As [`Self::label_group`], or why there is none.
    pub(crate) fn expect_label_group(&self) -> Result<Segment> {
        self.label_group().ok_or_else(|| {
            Error::parameter(
                "classification",
                "visible units that end in a softmax group, and Bernoulli hidden units",
                format!("{},{}", self.visible().units, self.hidden().units),
            )
        })
    }

    /// Exact `ln p(y | v)` `[samples x classes]` of the visible units before the label, `v`
    /// `[samples x (n_visible - classes)]`. Cost: a product and `classes x n_hidden` softplus a
    /// row. Error: that of the product in f32, some 1e-4 for 784 x 500.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a machine without a label and for missing values, which
    /// [`Self::log_p_y_from_observed`] takes; [`Error::Shape`] for another number of columns.
    pub fn log_p_y_from_v<'a>(&self, v: impl Into<Rows<'a>>) -> Result<Matrix> {
        let v = v.into().complete("classification")?;
        let group = self.expect_label_group()?;
        if v.columns() != group.first {
            return Err(Error::shape(
                "units before the label",
                group.first,
                v.columns(),
            ));
        }
        let mut out = Matrix::zeros(v.rows(), group.size);
        let mut buffers = Propagation::default();
        let mut base = Matrix::zeros(0, 0);
        for (rows, part) in v.chunks() {
            base.reset(rows.len(), self.n_hidden());
            let tail = Tail {
                input: Some(base.view_mut()),
                precise: true,
                ..Tail::new(1.0)
            };
            let joint = part.with_columns(self.n_visible());
            self.hidden_from_visible(joint.view(), tail, &mut buffers)?;
            let out = out.view_rows_mut(rows);
            self.fill_log_p(group, base.view(), out);
        }
        Ok(out)
    }

    /// `ln p(y | v)` of rows whose hidden inputs without a label are `base`.
    pub(crate) fn fill_log_p(&self, group: Segment, base: MatrixView<'_>, out: MatrixViewMut<'_>) {
        threads::divide((base, out), &halves, &|(base, out)| {
            self.fill_rows(group, base, out);
        });
    }

    /// Those of few rows.
    fn fill_rows(&self, group: Segment, base: MatrixView<'_>, mut out: MatrixViewMut<'_>) {
        let rows = base.rows();
        for s in 0..rows {
            let out = out.row_mut(s);
            let mut sum = LogSum::default();
            let mut first = 0.0;
            for (y, out) in out.iter_mut().enumerate() {
                let i = group.first + y;
                let u = self.weights().row(i);
                let base = base.row(s);
                let mut x = f64::from(self.visible().bias[i]) + softplus_sum(base, u);
                // Relative to the first class: as large as the differences that matter.
                if y == 0 {
                    first = x;
                }
                x -= first;
                sum.add(x);
                *out = x as f32;
            }
            let sum = sum.value();
            out.iter_mut()
                .for_each(|x| *x = (f64::from(*x) - sum) as f32);
        }
    }
}

/// The most probable class of each row; the first of equals.
///
/// ```
/// use harmonium::{Kind, Layer, Rbm, RbmOptions, RbmTraining, Units, dataset, model};
/// let data = dataset::bars_and_stripes(3); // eight bars, then eight stripes
/// let data = data.with_labels([[0; 8], [1; 8]].concat())?;
/// // The label is a softmax group behind the other visible units.
/// let both = data.with_label_units(2)?;
/// let visible = Units::of(Kind::Bernoulli, 9).and(Kind::Softmax, 2);
/// let rbm = Rbm::unconnected(Layer::new(visible), Layer::bernoulli(16))?;
/// let options = RbmOptions::default();
/// let mut run = RbmTraining::new(rbm.initialized_from(&both, 1)?, options, &both)?;
/// let _ended = run.run(&both, |_| std::ops::ControlFlow::Continue(()))?;
/// let classes = model::most_probable(&run.into_result().log_p_y_from_v(&data)?);
/// assert_eq!(classes.len(), 16);
/// # Ok::<(), harmonium::Error>(())
/// ```
pub fn most_probable(log_p: &Matrix) -> Vec<usize> {
    (0..log_p.rows())
        .map(|s| {
            let row = log_p.row(s);
            (1..row.len()).fold(0, |best, y| if row[y] > row[best] { y } else { best })
        })
        .collect()
}

/// Clears the columns of `group` in row `words`.
pub(crate) fn clear_group(group: Segment, words: &mut [u64]) {
    for i in group.range() {
        words[i / WORD_BITS] &= !(1 << (i % WORD_BITS));
    }
}

/// Inputs and outputs of some rows, or of both halves.
fn halves<'a>(
    (base, out): (MatrixView<'a>, MatrixViewMut<'a>),
) -> Parts<(MatrixView<'a>, MatrixViewMut<'a>)> {
    let rows = base.rows();
    if rows <= TASK_ROWS {
        return Parts::One((base, out));
    }
    let at = rows / 2;
    let (upper, lower) = out.split_at_row(at);
    Parts::Two(
        (base.view_rows(0..at), upper),
        (base.view_rows(at..rows), lower),
    )
}
