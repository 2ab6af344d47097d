//! A layer: the kinds of its units, their biases and variances, and what follows from these in f64.

mod conditional;
mod counts;
pub(super) mod quadratic;
mod values;
mod words;

use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    kernel::{normal, reduce::log_sum_exp, reference},
    matrix::Matrix,
    product::Propagation,
    rng::HostRng,
    states::{Input, States},
    units::{Kind, MAX_LENGTH, Units},
};
pub(crate) use counts::length_of;
use std::f64::consts::TAU;

/// Pseudo-examples, half on and half off, added to the data for the initial biases: a pixel that is
/// never on gets a finite log-odds.
pub(super) const INITIAL_PSEUDO_EXAMPLES: f64 = 1.0;

/// One layer of a machine. The formulas are in the table of [`Units`]'s module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer {
    /// Kinds of the units.
    pub units: Units,
    /// One bias a unit.
    pub bias: Vec<f32>,
    /// `ln s^2`, one a unit, zero for units that are not Gaussian; empty for a layer without
    /// Gaussian units.
    pub log_variance: Vec<f32>,
    /// Of counts: what those of every row add up to; none where each row has its own length. Not in
    /// model files.
    pub length: Option<u32>,
}

/// Bernoulli units with these biases.
impl From<Vec<f32>> for Layer {
    fn from(bias: Vec<f32>) -> Self {
        Self {
            units: Units::of(Kind::Bernoulli, bias.len()),
            bias,
            log_variance: Vec::new(),
            length: None,
        }
    }
}

/// Exactly `N` of `items`, of which a machine is made.
///
/// # Errors
/// [`Error::Shape`] for another number.
pub(super) fn exactly<T, const N: usize>(
    what: &str,
    items: impl IntoIterator<Item = T>,
) -> Result<[T; N]> {
    let items: Vec<T> = items.into_iter().collect();
    let wrong = |items: Vec<T>| Error::shape(format!("number of {what}"), N, items.len());
    items.try_into().map_err(wrong)
}

impl Layer {
    /// Units with zero biases and unit variances.
    pub fn new(units: Units) -> Self {
        let n = units.size();
        let variances = if units.have(Kind::Gaussian) { n } else { 0 };
        Self {
            bias: vec![0.0; n],
            log_variance: vec![0.0; variances],
            length: None,
            units,
        }
    }

    /// `size` units of one kind.
    pub fn of(kind: Kind, size: usize) -> Self {
        Self::new(Units::of(kind, size))
    }

    /// `size` Bernoulli units with zero biases.
    pub fn bernoulli(size: usize) -> Self {
        Self::of(Kind::Bernoulli, size)
    }

    /// Number of units.
    pub fn size(&self) -> usize {
        self.bias.len()
    }

    /// Bernoulli layers of `sizes`, none of which is 0.
    pub(super) fn bernoulli_of(sizes: &[usize]) -> Result<Vec<Self>> {
        if sizes.len() < 2 || sizes.contains(&0) {
            let expected = "sizes of at least two layers, none of them 0";
            return Err(Error::parameter("layers", expected, format!("{sizes:?}")));
        }
        Ok(sizes.iter().map(|&n| Self::bernoulli(n)).collect())
    }

    /// Refuses biases and variances that do not fit the units. `name` is that of the layer.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let n = self.units.size();
        if self.bias.len() != n {
            return Err(Error::shape(format!("{name} bias"), n, self.bias.len()));
        }
        let what = || format!("{name} log-variances");
        let variances = if self.units.have(Kind::Gaussian) {
            n
        } else {
            0
        };
        if self.log_variance.len() != variances {
            return Err(Error::shape(what(), variances, self.log_variance.len()));
        }
        if self.are_counts() && !self.units.are(Kind::Counts) {
            let expected = "counts alone: a row of counts has one length";
            return Err(Error::parameter(
                format!("{name} units"),
                expected,
                &self.units,
            ));
        }
        if let Some(length) = self.length {
            let (most, what) = (MAX_LENGTH, format!("length of {name} counts"));
            if !self.are_counts() {
                let what = format!("length of {name} units of kind {}", self.units);
                return Err(Error::parameter(what, "none", length));
            }
            if length > most {
                return Err(Error::parameter(what, format!("at most {most}"), length));
            }
        }
        for segment in self.units.segments() {
            let variances = self.log_variance.get(segment.range()).unwrap_or(&[]);
            if segment.kind != Kind::Gaussian
                && let Some(x) = variances.iter().find(|&&x| x != 0.0)
            {
                let expected = format!("0 for units of kind {}", segment.kind);
                return Err(Error::parameter(what(), expected, x));
            }
        }
        Ok(())
    }

    pub(super) fn check_finite(&self, name: &str) -> Result<()> {
        for (what, x) in [("bias", &self.bias), ("log-variances", &self.log_variance)] {
            if !x.iter().all(|x| x.is_finite()) {
                return Err(Error::NotFinite {
                    what: format!("{name} {what}"),
                });
            }
        }
        Ok(())
    }

    /// Whether neighbors receive something else than the states: a variance is not 1.
    pub(crate) fn is_scaled(&self) -> bool {
        self.log_variance.iter().any(|&x| x != 0.0)
    }

    /// `1 / s_i^2`, 1 for units that are not Gaussian.
    pub(crate) fn precision(&self, i: usize) -> f64 {
        self.log_variance
            .get(i)
            .map_or(1.0, |&x| (-f64::from(x)).exp())
    }

    /// Biases (and no variances) from the means of `data`, with the effective number of its
    /// examples; those of units without any observed value are zero.
    pub(super) fn set_bias_from(&mut self, data: &Examples) {
        self.set_bias_from_means(&data.mean(), data.effective_len());
        if data.observed().is_some() {
            let unknown = (0..self.size()).filter(|&i| !data.has_values(i));
            unknown.for_each(|i| self.bias[i] = 0.0);
        }
    }

    /// Biases (and no variances) from the means of data of `count` examples: those of a machine
    /// without connections, smoothed by half a pseudo-example in each state.
    pub(super) fn set_bias_from_means(&mut self, mean: &[f64], count: f64) {
        let n = count.max(1.0);
        for segment in self.units.segments() {
            let range = segment.range();
            let mean = &mean[range.clone()];
            let bias = &mut self.bias[range];
            let log_odds = |mean: &[f64]| log_odds(mean, count, INITIAL_PSEUDO_EXAMPLES);
            match segment.kind {
                Kind::Bernoulli => bias.copy_from_slice(&log_odds(mean)),
                Kind::Spin => {
                    let p: Vec<f64> = mean.iter().map(|m| 0.5 * (1.0 + m)).collect();
                    for (bias, x) in bias.iter_mut().zip(log_odds(&p)) {
                        *bias = 0.5 * x;
                    }
                }
                Kind::Softmax => {
                    for (bias, p) in bias.iter_mut().zip(mean) {
                        *bias = (p + 0.5 * INITIAL_PSEUDO_EXAMPLES / n).ln() as f32;
                    }
                }
                Kind::Counts => {
                    bias.copy_from_slice(&log_shares(mean, 0.5 * INITIAL_PSEUDO_EXAMPLES / n));
                }
                Kind::Gaussian | Kind::Relu => {
                    for (bias, &m) in bias.iter_mut().zip(mean) {
                        *bias = m as f32;
                    }
                }
            }
        }
    }

    /// `[rows x units]` fair coins, the highest of the bits of each place, and of each softmax
    /// group a unit that those of its first place choose evenly: of a layer whose states are bits.
    pub(crate) fn coins(&self, rows: usize, bits: impl Fn(usize, usize) -> u32) -> BitMatrix {
        let mut x = BitMatrix::from_fn(rows, self.size(), |row, i| bits(row, i) >> 31 == 1);
        for s in self.units.segments() {
            for row in (0..rows).filter(|_| s.kind == Kind::Softmax) {
                let on = s.first + ((u64::from(bits(row, s.first)) * s.size as u64) >> 32) as usize;
                s.range().for_each(|i| x.set(row, i, i == on));
            }
        }
        x
    }

    /// What the states of `row` contribute to `-E` by themselves. Terms in the order of the units,
    /// f64.
    pub(crate) fn own_term(&self, states: Input<'_>, row: usize) -> f64 {
        if self.units.are_discrete() {
            return dot(states, row, &self.bias);
        }
        let of_unit = |kind: Kind, i: usize, x: f64| {
            let b = f64::from(self.bias[i]);
            match kind {
                Kind::Gaussian => -0.5 * (x - b).powi(2) * self.precision(i),
                Kind::Relu => b * x - 0.5 * x * x,
                _ => b * x,
            }
        };
        let segments = self.units.segments().iter();
        segments
            .flat_map(|s| s.range().map(|i| (s.kind, i)))
            .map(|(kind, i)| of_unit(kind, i, f64::from(states.get(row, i))))
            .sum()
    }

    /// `ln` of the sum or integral over the states of unit `i`, not of a softmax group, with input
    /// `y`.
    pub(crate) fn log_partition_of_unit(&self, kind: Kind, i: usize, y: f64, beta: f64) -> f64 {
        let x = beta * y;
        match kind {
            Kind::Bernoulli => reference::softplus(x),
            Kind::Softmax | Kind::Counts => unreachable!("a group is summed as a whole"),
            Kind::Spin => x.abs() + (-2.0 * x.abs()).exp().ln_1p(),
            Kind::Gaussian => {
                let precision = beta * self.precision(i);
                let b = f64::from(self.bias[i]);
                0.5 * (precision * (y - b) * (y + b) + (TAU / precision).ln())
            }
            Kind::Relu => 0.5 * (x * y + (TAU / beta).ln()) + normal::log_cdf(y * beta.sqrt()),
        }
    }

    /// As [`Self::log_partition_of_unit`] at `beta = 1`, of a unit whose input `y` and bias are
    /// multiplied by `scale`.
    pub(crate) fn scaled_log_partition_of_unit(
        &self,
        kind: Kind,
        i: usize,
        y: f64,
        scale: f64,
    ) -> f64 {
        if kind != Kind::Gaussian {
            return self.log_partition_of_unit(kind, i, scale * y, 1.0);
        }
        let (b, precision) = (f64::from(self.bias[i]), self.precision(i));
        0.5 * (precision * scale * scale * (y - b) * (y + b) + (TAU / precision).ln())
    }

    /// `E` of unit `i`, not of a softmax group, with input `y`.
    pub(crate) fn mean_of_unit(&self, kind: Kind, y: f64, beta: f64) -> f64 {
        match kind {
            Kind::Bernoulli => reference::sigmoid(beta * y),
            Kind::Softmax | Kind::Counts => unreachable!("a group is summed as a whole"),
            Kind::Spin => (beta * y).tanh(),
            Kind::Gaussian => y,
            Kind::Relu => {
                let root = beta.sqrt();
                let least = -y * root;
                // Far out hazard and bound cancel: 1 / a - 2 / a^3.
                let excess = if least > 1e4 {
                    1.0 / least
                } else {
                    normal::hazard(least) - least
                };
                excess / root
            }
        }
    }

    /// Variance of unit `i` given its neighbors, if it is Gaussian.
    pub(crate) fn conditional_variance(&self, i: usize, beta: f64) -> f64 {
        1.0 / (beta * self.precision(i))
    }

    /// `ln` of the sum or integral over all states of the layer, whose inputs are `y`.
    pub(crate) fn log_partition(&self, y: &[f64], beta: f64) -> f64 {
        let mut sum = 0.0;
        for s in self.units.segments() {
            match s.kind {
                Kind::Softmax => sum += log_partition_of_group(&y[s.range()], beta),
                Kind::Counts => sum += self.words() * log_partition_of_group(y, beta),
                kind => {
                    for i in s.range() {
                        sum += self.log_partition_of_unit(kind, i, y[i], beta);
                    }
                }
            }
        }
        sum
    }

    /// `E` of every unit, given the inputs `y`.
    pub(crate) fn mean_into(&self, y: &[f64], beta: f64, mean: &mut [f64]) {
        for s in self.units.segments() {
            if matches!(s.kind, Kind::Softmax | Kind::Counts) {
                let log_sum = log_partition_of_group(&y[s.range()], beta);
                let words = if s.kind == Kind::Counts {
                    self.words()
                } else {
                    1.0
                };
                for i in s.range() {
                    mean[i] = words * (beta * y[i] - log_sum).exp();
                }
            } else {
                for i in s.range() {
                    mean[i] = self.mean_of_unit(s.kind, y[i], beta);
                }
            }
        }
    }
}

/// `ln sum_k e^(beta y_k)`.
fn log_partition_of_group(y: &[f64], beta: f64) -> f64 {
    if beta == 1.0 {
        return log_sum_exp(y);
    }
    let mut sum = crate::kernel::reduce::LogSum::default();
    y.iter().for_each(|y| sum.add(beta * y));
    sum.value()
}

/// Standard deviation of the initial weights (Hinton, A practical guide to training restricted
/// Boltzmann machines, section 8).
pub(super) const INITIAL_WEIGHT_DEVIATION: f64 = 0.01;

/// The usual start of learning: `W` normal with deviation 0.01, row by row.
pub(super) fn draw_weights(weights: &mut Matrix, rng: &mut HostRng) {
    for i in 0..weights.rows() {
        for w in weights.row_mut(i) {
            *w = (INITIAL_WEIGHT_DEVIATION * rng.normal()) as f32;
        }
    }
}

/// `ln((p + q) / (1 - p + q))` with `q` half of `pseudo` over `count`: the log-odds of means with
/// pseudo-examples, half of them on.
pub(crate) fn log_odds(mean: &[f64], count: f64, pseudo: f64) -> Vec<f32> {
    let half = 0.5 * pseudo / count.max(1.0);
    mean.iter()
        .map(|&p| ((p + half).ln() - (1.0 - p + half).ln()) as f32)
        .collect()
}

/// `ln` of the share of each count in the sum of all, each with `pseudo` more.
pub(crate) fn log_shares(mean: &[f64], pseudo: f64) -> Vec<f32> {
    let all: f64 = mean.iter().map(|m| m + pseudo).sum();
    let share = |m: &f64| ((m + pseudo) / all).ln() as f32;
    mean.iter().map(share).collect()
}

/// `then(what neighbors of `layer` receive of its `states`)`: the states themselves unless a
/// Gaussian unit's variance is not 1.
pub(super) fn between(
    layer: &Layer,
    states: Input<'_>,
    buffers: &mut Propagation,
    then: impl FnOnce(Input<'_>, &mut Propagation) -> Result<()>,
) -> Result<()> {
    if !layer.is_scaled() || states.columns() != layer.size() {
        return then(states, buffers);
    }
    let mut scaled = buffers.scaled.take().unwrap_or_default();
    scaled.reset(states.rows(), layer.size());
    for s in 0..states.rows() {
        let row = scaled.row_mut(s);
        states.copy_row_to(s, row);
        for (x, log_variance) in row.iter_mut().zip(&layer.log_variance) {
            *x *= (-log_variance).exp();
        }
    }
    let done = then((&scaled).into(), buffers);
    buffers.scaled = Some(scaled);
    done
}

/// `x[row] . bias` in f64.
pub(crate) fn dot(x: Input<'_>, row: usize, bias: &[f32]) -> f64 {
    match x {
        Input::Bits(x) => x.ones(row).map(|i| f64::from(bias[i])).sum(),
        Input::Real(x) => x
            .row(row)
            .iter()
            .zip(bias)
            .map(|(&x, &b)| f64::from(x) * f64::from(b))
            .sum(),
    }
}

impl States {
    /// `[rows x units]` zeros as `layer` keeps its states. (Zeros are no states of softmax and spin
    /// units: they are to be overwritten.)
    pub fn zeros(rows: usize, layer: &Layer) -> Self {
        if layer.units.are_binary() {
            Self::Bits(BitMatrix::zeros(rows, layer.size()))
        } else {
            Self::Real(Matrix::zeros(rows, layer.size()))
        }
    }

    /// Refuses states that `layer` does not keep: of another width, bits for reals or the reverse.
    pub(crate) fn check_layer(&self, what: &str, layer: &Layer) -> Result<()> {
        if self.columns() != layer.size() {
            return Err(Error::shape(
                format!("columns of {what}"),
                layer.size(),
                self.columns(),
            ));
        }
        let (expected, found) = (layer.units.are_binary(), self.bits().is_some());
        if expected != found {
            let name = |bits| if bits { "bits" } else { "real numbers" };
            return Err(Error::parameter(what, name(expected), name(found)));
        }
        Ok(())
    }
}
