//! Labels of a deep Boltzmann machine: a softmax group as a layer of its own, the last, above the
//! highest hidden layer.
//!
//! ```text
//! E(v, h_1, ..., h_M, y) = E(v, h_1, ..., h_M) - h_M' U y - d.y
//! ```
//!
//! Conditionals, Gibbs sampling, exact sums, mean field and model files know no difference to
//! another layer. What differs is here: the label is observed.

use super::{Convergence, Dbm, MeanField, Posterior};
use crate::{
    bits::BitMatrix,
    dataset::Rows,
    error::{Error, Result},
    kernel::reduce::log_sum_exp,
    matrix::Matrix,
    model::{Layer, Rbm},
    progress::Progress,
    states::States,
    threads::in_pool,
    units::{Kind, Units},
};

impl Dbm {
    /// Number of classes, if the machine has labels: its last layer is one softmax group, and there
    /// is a hidden layer below it.
    pub fn classes(&self) -> Option<usize> {
        let (last, below) = self.layers().split_last()?;
        match last.units.segments() {
            [group] if group.kind == Kind::Softmax && below.len() > 1 => Some(group.size),
            _ => None,
        }
    }

    /// Number of hidden layers: without the visible one and that of the label.
    pub fn n_hidden_layers(&self) -> usize {
        self.n_layers() - 1 - usize::from(self.classes().is_some())
    }

    /// The number of classes, or why there are none.
    pub(crate) fn expect_classes(&self) -> Result<usize> {
        self.classes().ok_or_else(|| {
            let units: Vec<String> = self.layers().iter().map(|x| x.units.to_string()).collect();
            Error::parameter(
                "labels of a deep Boltzmann machine",
                "a last layer of one softmax group above a hidden layer",
                units.join(","),
            )
        })
    }

    /// Hidden layers of parity `parity`, without the label.
    pub(crate) fn unlabeled_hidden_of(&self, parity: usize) -> impl Iterator<Item = usize> + use<> {
        (1..=self.n_hidden_layers()).filter(move |l| l % 2 == parity)
    }

    /// Classes as states of the label layer.
    pub(crate) fn label_states(&self, labels: &[u32]) -> Result<BitMatrix> {
        let classes = self.expect_classes()?;
        let none = States::from(BitMatrix::zeros(labels.len(), 0));
        none.with_one_hot(labels, classes)?.into_bits()
    }

    /// The lowest `n` layers.
    fn lowest(&self, n: usize) -> Result<Self> {
        let weights = (1..n).map(|l| self.weights(l - 1).clone());
        Self::from_parameters(self.layers()[..n].to_vec(), weights)
    }

    /// The machine without its label layer, which is left out and not summed over: `P` of what
    /// remains is another one. Without labels the machine itself.
    #[must_use]
    pub fn without_labels(&self) -> Self {
        self.lowest(1 + self.n_hidden_layers())
            .expect("layers of a machine that was checked")
    }

    /// The machine of the other layers given the label, `P(v, h | y)`: without the label layer, the
    /// biases of the highest hidden layer `c + U_y`, rounded to f32. All that there is for machines
    /// of Bernoulli units then is there for it. With `ln Z_y` that of this machine,
    /// `ln p(y) = d_y + ln Z_y - ln Z` and `ln Z = ln sum_y e^(d_y + ln Z_y)`, by which annealing,
    /// which knows no softmax groups, estimates it.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a machine without labels and a class that is not there.
    pub fn given_class(&self, class: usize) -> Result<Self> {
        let classes = self.expect_classes()?;
        if class >= classes {
            return Err(Error::parameter("class", format!("below {classes}"), class));
        }
        let top = self.n_hidden_layers();
        let mut rest = self.without_labels();
        let u = self.weights(top);
        for (j, b) in rest.bias_mut(top).iter_mut().enumerate() {
            *b += u.row(j)[class];
        }
        Ok(rest)
    }

    /// As [`Self::joined`], with the softmax group at the end of the highest RBM's visible layer,
    /// the label, as a layer of its own above that RBM's hidden layer: `U` is the transpose of its
    /// rows of the weights, `d` its biases. In pretraining the label's input counts once, and so it
    /// does here.
    ///
    /// # Errors
    /// As [`Self::joined`]; [`Error::Parameter`] if the highest RBM has no such group.
    pub fn joined_with_labels(rbms: &[Rbm]) -> Result<Self> {
        let Some((top, lower)) = rbms.split_last() else {
            return Self::joined(rbms);
        };
        let visible = top.visible();
        let beside = |first: usize| match lower.last() {
            Some(below) => first >= below.n_hidden(),
            None => first > 0,
        };
        let group = visible.units.last_group();
        let Some(group) = group.filter(|group| beside(group.first)) else {
            return Err(Error::parameter(
                "visible units of the highest machine",
                "a softmax group, the label, beside the layer below",
                &visible.units,
            ));
        };
        let (n, w) = (group.first, top.weights());
        let segments = visible.units.segments().iter();
        let units = segments
            .filter(|s| s.first < n)
            .fold(Units::default(), |units, s| units.and(s.kind, s.size));
        let features = Layer {
            length: None,
            bias: visible.bias[..n].to_vec(),
            log_variance: visible.log_variance.iter().take(n).copied().collect(),
            units,
        };
        let weights = Matrix::from_fn(n, w.columns(), |i, j| w.row(i)[j]);
        let mut rbms = lower.to_vec();
        rbms.push(Rbm::from_parameters(
            [features, top.hidden().clone()],
            [weights],
        )?);
        let rest = Self::joined(&rbms)?;
        let mut layers = rest.layers().to_vec();
        layers.push(Layer {
            bias: visible.bias[group.range()].to_vec(),
            ..Layer::of(Kind::Softmax, group.size)
        });
        let mut weights: Vec<Matrix> = (1..rest.n_layers())
            .map(|l| rest.weights(l - 1).clone())
            .collect();
        weights.push(Matrix::from_fn(w.columns(), group.size, |j, y| {
            w.row(n + y)[j]
        }));
        Self::from_parameters(layers, weights)
    }

    /// `L(Q; v, y)` of each row of `v` and every class, held: mean-field lower bounds of
    /// `ln p*(v, y) = ln sum_h e^-E(v, h, y)`, `[rows x classes]` row by row, and how the worst
    /// mean field ended. Mean field of a class starts from an up-pass whose highest hidden layer
    /// has the label as well. With one hidden layer the bounds are exact. Cost: `v W_0` for the
    /// up-pass and once more for all classes, mean field once a class; precision:
    /// [`Posterior::bounds`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for a machine without labels, options out of range and missing values,
    /// [`Error::Shape`] unless `v` has the machine's visible units.
    pub fn class_bounds<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        options: &MeanField,
    ) -> Result<(Vec<f64>, Convergence)> {
        let v = v.into().complete("classification")?;
        let classes = self.expect_classes()?;
        let mut all = vec![0.0; v.rows() * classes];
        let worst = in_pool(|| {
            let mut posterior = Posterior::default();
            let mut worst = Convergence::default();
            for (rows, part) in v.chunks() {
                let all = &mut all[rows.start * classes..rows.end * classes];
                posterior.start_classes(self, part)?;
                for y in 0..classes {
                    posterior.start_class(self, y)?;
                    worst = worst.worse(posterior.iterate(self, options)?);
                    let bounds = posterior.bounds(self, part)?;
                    let to = all.iter_mut().skip(y).step_by(classes);
                    to.zip(bounds).for_each(|(to, bound)| *to = bound);
                }
            }
            Ok(worst)
        })?;
        Ok((all, worst))
    }

    /// `ln q(y | v) = L(Q_y; v, y) - ln sum_z e^L(Q_z; v, z)` of each row of `v`,
    /// `[rows x classes]`, of the bounds of [`Self::class_bounds`]. A ratio of lower bounds, so
    /// neither a bound nor exact: each class is too low by its own `KL(Q || P(h | v, y))`. With one
    /// hidden layer these are zero and it is exact. Cost: that of the bounds.
    ///
    /// # Errors
    /// As [`Self::class_bounds`].
    pub fn log_p_y_from_v<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        options: &MeanField,
    ) -> Result<Matrix> {
        let v = v.into().complete("classification")?;
        let (bounds, _) = self.class_bounds(v, options)?;
        Ok(normalized(&bounds, v.rows(), self.expect_classes()?))
    }

    /// `ln sum_h e^-E(v, h, y)` of each row of `v` and every class, `[rows x classes]` row by row,
    /// by enumeration, so that `ln p(v, y)` is this less [`Self::log_z`]. Cost:
    /// [`Self::log_sums_over_hidden`] once a class.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a machine without labels, and those of
    /// [`Self::log_sums_over_hidden`].
    pub fn exact_class_sums<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>> {
        let v = v.into().complete("classification")?;
        let classes = self.expect_classes()?;
        let top = self.n_hidden_layers();
        let mut all = vec![0.0; v.rows() * classes];
        for y in 0..classes {
            // The label as one unit that is always on.
            let mut layers = self.layers().to_vec();
            layers[top + 1] = Layer {
                bias: vec![self.layer(top + 1).bias[y]],
                ..Layer::of(Kind::Softmax, 1)
            };
            let (n, u) = (self.layer(top).size(), self.weights(top));
            let mut weights: Vec<Matrix> = (0..top).map(|l| self.weights(l).clone()).collect();
            weights.push(Matrix::from_fn(n, 1, |j, _| u.row(j)[y]));
            let sums = Self::from_parameters(layers, weights)?.log_sums_over_hidden(
                v,
                &mut progress.part(y * v.rows(), v.rows(), classes * v.rows()),
            )?;
            let to = all.iter_mut().skip(y).step_by(classes);
            to.zip(sums).for_each(|(to, sum)| *to = sum);
        }
        Ok(all)
    }

    /// Exact `ln p(y | v)` of each row of `v`, `[rows x classes]`, from [`Self::exact_class_sums`].
    ///
    /// # Errors
    /// As [`Self::exact_class_sums`].
    pub fn exact_log_p_y_from_v<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<Matrix> {
        let v = v.into().complete("classification")?;
        let sums = self.exact_class_sums(v, progress)?;
        Ok(normalized(&sums, v.rows(), self.expect_classes()?))
    }
}

/// `x_y - ln sum_z e^(x_z)` of each row.
fn normalized(x: &[f64], rows: usize, classes: usize) -> Matrix {
    let mut out = Matrix::zeros(rows, classes);
    for (s, row) in x.chunks(classes).enumerate() {
        let sum = log_sum_exp(row);
        for (to, x) in out.row_mut(s).iter_mut().zip(row) {
            *to = (x - sum) as f32;
        }
    }
    out
}
