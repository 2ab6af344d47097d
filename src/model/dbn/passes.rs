//! Passes through a deep belief network: recognition up, generation down, and the probability of
//! all layers together.

use super::{Dbn, Directed};
use crate::{
    bits::BitMatrix,
    dataset::Rows,
    error::{Error, Result},
    matrix::Matrix,
    model::{Clamp, Layer, RbmChain, rbm::for_each_sent},
    product::{Propagation, Tail},
    rng::{Draws, MAX_STEP, Site},
    states::{Input, States, check_labels},
};
use std::ops::Range;

/// The draws of layer `layer` in pass `step`, below 2^40.
pub(crate) fn layer_draws(seed: u64, site: Site, step: u64, layer: usize) -> Draws {
    assert!(step <= MAX_STEP >> 8, "pass {step} exceeds 40 bits");
    Draws::new(seed, site, step << 8 | layer as u64)
}

/// How a pass goes from layer to layer.
#[derive(Clone, Copy)]
enum PassKind {
    /// Means.
    Mean,
    /// States; the last layer's means if asked for.
    Sample {
        seed: u64,
        step: u64,
        mean_last: bool,
    },
}

impl Dbn {
    fn check_columns(&self, what: &str, expected: usize, x: Input<'_>) -> Result<()> {
        if x.columns() == expected {
            return Ok(());
        }
        Err(Error::shape(
            format!("columns of {what}"),
            expected,
            x.columns(),
        ))
    }

    /// Hidden layers that are inferred from data alone.
    fn n_inferred(&self) -> usize {
        self.n_layers() - 1 - usize::from(self.label_group().is_some())
    }

    /// Refuses layers that are not inferred: 1 to `L`, but not the top layer if that needs a label.
    fn check_inferred(&self, layer: usize) -> Result<()> {
        let most = self.n_inferred();
        if (1..=most).contains(&layer) {
            return Ok(());
        }
        Err(Error::parameter(
            "layer to infer",
            format!("1 to {most}"),
            layer,
        ))
    }

    /// The deterministic recognition pass: means of the hidden layers `[samples x n_l]`, from layer
    /// 1 on, each layer from the means of the one below, `sigma(r + x R)`; of a machine with a
    /// label without the top layer, which needs it. The last ones are the features of the data.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of columns; [`Error::Parameter`] for missing values.
    pub fn posterior_means<'a>(&self, v: impl Into<Rows<'a>>) -> Result<Vec<Matrix>> {
        let v = v.into().complete("a recognition pass")?;
        let mut all: Vec<Matrix> = Vec::new();
        for l in 0..self.n_inferred() {
            let below = all.last().map_or(v, Input::from);
            let means = self.inferred(below, l..l + 1, PassKind::Mean)?;
            all.push(means.into_matrix());
        }
        Ok(all)
    }

    /// Those of `layer` alone of [`Self::posterior_means`].
    pub(crate) fn means_of<'a>(&self, v: impl Into<Input<'a>>, layer: usize) -> Result<Matrix> {
        self.check_inferred(layer)?;
        let means = self.inferred(v.into(), 0..layer, PassKind::Mean)?;
        Ok(means.into_matrix())
    }

    /// The stochastic recognition pass: states of layer `layer`, drawn layer by layer. Row `i` of
    /// the same seed and step (below 2^40) always draws the same.
    ///
    /// # Errors
    /// As [`Self::posterior_means`]; [`Error::Parameter`] for layers that are not inferred.
    pub fn sample_posterior<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        layer: usize,
        seed: u64,
        step: u64,
    ) -> Result<States> {
        self.check_inferred(layer)?;
        let way = PassKind::Sample {
            seed,
            step,
            mean_last: false,
        };
        self.inferred(v.into().complete("a recognition pass")?, 0..layer, way)
    }

    /// What the top pair sees of `v` `[samples x n_features]`: the means of the deterministic pass,
    /// or `v` itself without directed pairs.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of columns; [`Error::Parameter`] for missing values.
    pub fn features<'a>(&self, v: impl Into<Rows<'a>>) -> Result<Matrix> {
        let v = v.into().complete("a recognition pass")?;
        let steps = 0..self.directed().len();
        Ok(self.inferred(v, steps, PassKind::Mean)?.into_matrix())
    }

    /// As [`Self::features`] by a stochastic pass.
    ///
    /// # Errors
    /// As [`Self::features`].
    pub fn sample_features<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        seed: u64,
        step: u64,
    ) -> Result<States> {
        let way = PassKind::Sample {
            seed,
            step,
            mean_last: false,
        };
        self.inferred(
            v.into().complete("a recognition pass")?,
            0..self.directed().len(),
            way,
        )
    }

    /// Layer `steps.end` from layer `steps.start`.
    fn inferred(&self, v: Input<'_>, steps: Range<usize>, way: PassKind) -> Result<States> {
        if steps.start == 0 {
            self.check_columns("the data", self.n_visible(), v)?;
        }
        let pairs = self.directed();
        let top = self.top().hidden();
        let above = |l: usize| pairs.get(l).map_or(top, Directed::above);
        self.pass(
            v,
            steps,
            Site::Recognition,
            way,
            |l| above(l),
            |l, x, tail, buffers| match pairs.get(l) {
                Some(pair) => pair.above_from_below(x, tail, buffers),
                None => self.top().hidden_from_visible(x, tail, buffers),
            },
        )
    }

    /// Through the given steps in order, some rows at a time.
    fn pass<'l>(
        &self,
        x: Input<'_>,
        steps: impl Iterator<Item = usize> + Clone,
        site: Site,
        way: PassKind,
        layer_of: impl Fn(usize) -> &'l Layer,
        go: impl Fn(usize, Input<'_>, Tail<'_>, &mut Propagation) -> Result<()>,
    ) -> Result<States> {
        let Some(last) = steps.clone().last() else {
            return Ok(x.to_states());
        };
        let target = layer_of(last);
        let means = !matches!(
            way,
            PassKind::Sample {
                mean_last: false,
                ..
            }
        );
        let mut out = match means {
            true => States::Real(Matrix::zeros(x.rows(), target.size())),
            false => States::zeros(x.rows(), target),
        };
        let mut buffers = Propagation::default();
        for (rows, part) in x.chunks() {
            let mut from: Option<States> = None;
            for l in steps.clone() {
                let layer = layer_of(l);
                let is_last = l == last;
                let input = from.as_ref().map_or(part, States::view);
                let n = input.rows();
                let mut next = match way {
                    _ if is_last => None,
                    PassKind::Mean => Some(States::Real(Matrix::zeros(n, layer.size()))),
                    PassKind::Sample { .. } => Some(States::zeros(n, layer)),
                };
                let (to, range) = match &mut next {
                    Some(next) => (next, 0..n),
                    None => (&mut out, rows.clone()),
                };
                let tail = match (way, to) {
                    (PassKind::Sample { seed, step, .. }, to) if !(is_last && means) => {
                        let draws = layer_draws(seed, site, step, l).from_row(rows.start);
                        to.sampled(range, draws, Tail::new(1.0))
                    }
                    (_, States::Real(to)) => Tail {
                        mean: Some(to.view_rows_mut(range)),
                        exact_reals: true,
                        ..Tail::new(1.0)
                    },
                    _ => unreachable!("means are reals"),
                };
                go(l, input, tail, &mut buffers)?;
                from = next;
            }
        }
        Ok(out)
    }

    /// States of `v` generated by `features` `[samples x n_features]`, or by states of the top's
    /// visible layer, whose label is left out: each layer drawn from the one above.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of columns.
    pub fn sample_v_from_features<'a>(
        &self,
        features: impl Into<Input<'a>>,
        seed: u64,
        step: u64,
    ) -> Result<States> {
        self.generated(
            features.into(),
            PassKind::Sample {
                seed,
                step,
                mean_last: false,
            },
        )
    }

    /// As [`Self::sample_v_from_features`], but the means of `v` given the layer above: smoother
    /// pictures of the same samples.
    ///
    /// # Errors
    /// As [`Self::sample_v_from_features`].
    pub fn mean_v_from_features<'a>(
        &self,
        features: impl Into<Input<'a>>,
        seed: u64,
        step: u64,
    ) -> Result<Matrix> {
        let way = PassKind::Sample {
            seed,
            step,
            mean_last: true,
        };
        Ok(self.generated(features.into(), way)?.into_matrix())
    }

    fn generated(&self, features: Input<'_>, way: PassKind) -> Result<States> {
        let n = self.n_features();
        let stripped;
        let features = if features.columns() == self.top().n_visible() {
            stripped = features.first_columns(n);
            stripped.view()
        } else {
            features
        };
        self.check_columns("the features", n, features)?;
        let pairs = self.directed();
        let down = (0..pairs.len()).rev();
        self.pass(
            features,
            down,
            Site::Generation,
            way,
            |l| pairs[l].below(),
            |l, h, tail, buffers| pairs[l].below_from_above(h, tail, buffers),
        )
    }

    /// `count` Gibbs chains of the top pair that start from fair coins. After sweeps with
    /// [`RbmChain::sweep`] of [`Self::top`] the visible states of the chains go down by
    /// [`Self::sample_v_from_features`] or [`Self::mean_v_from_features`].
    ///
    /// # Errors
    /// Those of [`Rbm::visible_from_hidden`](crate::Rbm::visible_from_hidden).
    pub fn chains(&self, count: usize, seed: u64) -> Result<RbmChain> {
        let top = self.top();
        let mut v = States::zeros(count, top.visible());
        let h = States::zeros(count, top.hidden());
        let draws = Draws::new(seed, Site::Start, 0);
        let tail = v.sampled(0..count, draws, Tail::new(0.0));
        top.visible_from_hidden(h.view(), tail, &mut Propagation::default())?;
        top.chains_from(v, seed)
    }

    /// As [`Self::chains`], a chain a label, which is held.
    ///
    /// # Errors
    /// [`Error::Parameter`] for labels of a network without any, or beyond its classes.
    pub fn chains_with_labels(&self, labels: &[u32], seed: u64) -> Result<RbmChain> {
        let (top, count) = (self.top(), labels.len());
        let chain = self.chains(count, seed)?;
        let mut values = States::zeros(count, top.visible());
        let group = self.check_labels(labels)?;
        for (s, &y) in labels.iter().enumerate() {
            let unit = group.first + y as usize;
            match &mut values {
                States::Bits(x) => x.set(s, unit, true),
                States::Real(x) => x.row_mut(s)[unit] = 1.0,
            }
        }
        let held = |_, i| group.range().contains(&i);
        let mask = BitMatrix::from_fn(1, top.n_visible(), held);
        chain.clamped(0, Clamp::new(top.visible(), values, mask)?)
    }

    /// The label group, if all of `labels` are classes of it.
    pub(crate) fn check_labels(&self, labels: &[u32]) -> Result<crate::units::Segment> {
        let Some(group) = self.label_group() else {
            return Err(Error::parameter(
                "label",
                "a network with a label",
                "one without",
            ));
        };
        check_labels(labels, labels.len(), group.size)?;
        Ok(group)
    }

    /// `ln p(h_0, ..., h_L)` of each row of `layers`, the states of all layers from the visible one
    /// up (that below the top with its label), for a given `ln Z` of the top. f32 products, f64
    /// sums: an error of some 1e-4 for 784 x 500.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are states of every layer, as many of each.
    pub fn log_joint(&self, layers: &[Input<'_>], log_z: f64) -> Result<Vec<f64>> {
        let n = self.n_layers();
        if layers.len() != n {
            return Err(Error::shape("layers of states", n, layers.len()));
        }
        let (v, h) = (layers[n - 2], layers[n - 1]);
        let mut log_p: Vec<f64> = self
            .top()
            .energy(v, h)?
            .iter()
            .map(|e| -e - log_z)
            .collect();
        let features = v.first_columns(self.n_features());
        let mut buffers = Propagation::default();
        for (l, pair) in self.directed().iter().enumerate() {
            let above = match l + 1 == self.directed().len() {
                true => features.view(),
                false => layers[l + 1],
            };
            pair.add_log_p_below(layers[l], above, &mut log_p, &mut buffers)?;
        }
        Ok(log_p)
    }
}

impl Directed {
    /// `log_p[s] += ln p(x_s | h_s)`.
    pub(crate) fn add_log_p_below(
        &self,
        x: Input<'_>,
        h: Input<'_>,
        log_p: &mut [f64],
        buffers: &mut Propagation,
    ) -> Result<()> {
        let (rows, layer) = (x.rows(), self.below());
        if (rows, x.columns()) != (log_p.len(), layer.size()) {
            let expected = format!("{} x {}", log_p.len(), layer.size());
            return Err(Error::shape(
                "states",
                expected,
                format!("{rows} x {}", x.columns()),
            ));
        }
        let mut input = Matrix::zeros(rows, layer.size());
        let mut log_partition = vec![0.0; rows];
        let tail = Tail {
            input: Some(input.view_mut()),
            softplus_sums: Some(&mut log_partition),
            precise: true,
            ..Tail::new(1.0)
        };
        self.below_from_above(h, tail, buffers)?;
        for (s, (log_p, partition)) in log_p.iter_mut().zip(log_partition).enumerate() {
            let y = input.row(s);
            let mut sum = layer.own_term(x, s) - partition;
            for_each_sent(layer, x, s, |i, x| {
                sum += x * (f64::from(y[i]) - f64::from(layer.bias[i]));
            });
            *log_p += sum;
        }
        Ok(())
    }
}
