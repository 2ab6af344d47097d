//! Exact probabilities and bounds of small deep belief networks: all states of the hidden layers,
//! f64 throughout.
//!
//! Layer by layer: `p(h_l) = sum over h_{l+1} of p(h_l | h_{l+1}) p(h_{l+1})` down from the top's
//! exact distribution, and the bound up from `B_{L-1}(h) = ln p(h)` by `B_l(h_l) = sum over h_{l+1}
//! of q(h_{l+1} | h_l) [ln p(h_l | h_{l+1}) - ln q(h_{l+1} | h_l) + B_{l+1}(h_{l+1})]`. The cost is
//! that of the states of two neighboring layers together, not of all.

use super::{Dbn, Directed};
use crate::{
    dataset::Rows,
    error::{Error, Result},
    kernel::{
        reduce::{LogSum, log_sum_exp},
        reference::{sigmoid, softplus},
    },
    matrix::Matrix,
    model::{Layer, rbm::for_each_sent},
    progress::Progress,
    states::Input,
    threads::{in_pool, prelude::*},
};

use std::borrow::Cow;

/// Most units of two neighboring hidden layers together whose states are enumerated.
pub const MAX_EXACT_LAYER_PAIR: usize = 26;

/// Visible states whose probabilities are computed together.
const BLOCK: usize = 1 << 16;

/// Parts of the work that a pair of layers counts as.
const REPORTS: usize = 200;

/// States of a layer, as numbers and as what neighbors receive.
struct LayerState {
    own: f64,
    sent: Vec<f64>,
}

fn rows_of(layer: &Layer, x: Input<'_>) -> Vec<LayerState> {
    let row = |s| {
        let mut sent = vec![0.0; layer.size()];
        for_each_sent(layer, x, s, |i, x| sent[i] = x);
        LayerState {
            own: layer.own_term(x, s),
            sent,
        }
    };
    (0..x.rows()).map(row).collect()
}

fn all_rows(layer: &Layer) -> Vec<LayerState> {
    let n = layer.size();
    let bits = crate::bits::BitMatrix::from_fn(1 << n, n, |k, i| k >> i & 1 == 1);
    rows_of(layer, (&bits).into())
}

fn is_on(state: usize, j: usize) -> bool {
    state >> j & 1 == 1
}

/// `ln p(x | h)` for every state `h` above, by `visit(h, ln p)`.
struct Generation<'a> {
    layer: &'a Layer,
    /// `(W h, log-partition)` of every `h`.
    of: Vec<(Vec<f64>, f64)>,
}

impl<'a> Generation<'a> {
    fn new(pair: &'a Directed) -> Self {
        let (layer, weights) = (pair.below(), pair.generative_weights());
        let states = (0..1_usize << pair.above().size()).into_par_iter();
        let of_state = |h| {
            let products = |i: usize| -> f64 {
                let row = weights.row(i).iter().enumerate();
                row.filter(|(j, _)| is_on(h, *j))
                    .map(|(_, &w)| f64::from(w))
                    .sum()
            };
            let products: Vec<f64> = (0..layer.size()).map(products).collect();
            let y: Vec<f64> = products
                .iter()
                .zip(&layer.bias)
                .map(|(x, &b)| x + f64::from(b))
                .collect();
            let partition = layer.log_partition(&y, 1.0);
            (products, partition)
        };
        let of = in_pool(|| states.map(of_state).collect());
        Self { layer, of }
    }

    fn log_p(&self, x: &LayerState, h: usize) -> f64 {
        debug_assert_eq!(x.sent.len(), self.layer.size());
        let (products, partition) = &self.of[h];
        x.own + x.sent.iter().zip(products).map(|(a, b)| a * b).sum::<f64>() - partition
    }

    /// `ln p(x)` of rows below, given `ln p(h)` of all states above.
    fn log_marginal(&self, below: &[LayerState], log_p: &[f64]) -> Vec<f64> {
        let of = |x: &LayerState| {
            let mut sum = LogSum::default();
            log_p
                .iter()
                .enumerate()
                .for_each(|(h, p)| sum.add(self.log_p(x, h) + p));
            sum.value()
        };
        in_pool(|| below.par_iter().map(of).collect())
    }
}

/// The inputs of the layer above a row below.
fn recognition_inputs(pair: &Directed, x: &LayerState) -> Vec<f64> {
    let mut y: Vec<f64> = pair.above().bias.iter().map(|&r| f64::from(r)).collect();
    for (i, &x) in x.sent.iter().enumerate().filter(|(_, x)| **x != 0.0) {
        for (y, &w) in y.iter_mut().zip(pair.recognition_weights().row(i)) {
            *y += x * f64::from(w);
        }
    }
    y
}

impl Dbn {
    /// Refuses layers whose states are too many, for sums whose visible states are given.
    fn check_enumerable(&self) -> Result<()> {
        let mut sizes: Vec<usize> = self
            .directed()
            .iter()
            .map(|pair| pair.above().size())
            .collect();
        sizes.push(0);
        let most = sizes
            .windows(2)
            .map(|pair| pair[0] + pair[1])
            .max()
            .unwrap_or(0);
        if most > MAX_EXACT_LAYER_PAIR {
            let what = "units of two neighboring hidden layers to enumerate";
            return Err(Error::parameter(
                what,
                format!("at most {MAX_EXACT_LAYER_PAIR}"),
                most,
            ));
        }
        self.check_finite()
    }

    /// `ln p*(features)` or, with a class, `ln p*(features, y)`, of rows of the layer below the
    /// top: `-F`.
    fn log_weights_of_top(&self, rows: &[LayerState], class: Option<usize>) -> Vec<f64> {
        let (top, group) = (self.top(), self.label_group());
        let (weights, bias) = (top.weights(), &top.visible().bias);
        let log_weight = |x: &LayerState| {
            let mut y: Vec<f64> = top.hidden().bias.iter().map(|&c| f64::from(c)).collect();
            let add = |y: &mut Vec<f64>, i: usize, x: f64| {
                let all = y.iter_mut().zip(weights.row(i));
                all.for_each(|(y, &w)| *y += x * f64::from(w));
            };
            for (i, &x) in x.sent.iter().enumerate() {
                add(&mut y, i, x);
            }
            let Some(group) = group else {
                return x.own + top.hidden().log_partition(&y, 1.0);
            };
            let of_class = |k: usize| {
                let mut y = y.clone();
                add(&mut y, group.first + k, 1.0);
                f64::from(bias[group.first + k]) + top.hidden().log_partition(&y, 1.0)
            };
            x.own
                + match class {
                    Some(k) => of_class(k),
                    None => log_sum_exp(&(0..group.size).map(of_class).collect::<Vec<_>>()),
                }
        };
        in_pool(|| rows.par_iter().map(log_weight).collect())
    }

    /// The layer below the top without its label.
    fn feature_layer(&self) -> Layer {
        let n = self.n_features();
        let visible = self.top().visible();
        let segments = visible.units.segments().iter().filter(|s| s.first < n);
        let units = segments.fold(crate::units::Units::default(), |units, s| {
            units.and(s.kind, s.size)
        });
        let variances = if visible.log_variance.is_empty() {
            0
        } else {
            n
        };
        Layer {
            length: None,
            bias: visible.bias[..n].to_vec(),
            log_variance: visible.log_variance[..variances].to_vec(),
            units,
        }
    }

    /// `then(pair, rows below, what is known of all states above) = what is known of the rows
    /// below`, from the top down to `v`, starting from `ln p(features)`.
    fn descend(
        &self,
        v: Input<'_>,
        class: Option<usize>,
        progress: &mut dyn Progress,
        then: impl Fn(&Directed, &[LayerState], &[f64]) -> Vec<f64>,
    ) -> Result<Vec<f64>> {
        self.check_enumerable()?;
        if v.columns() != self.n_visible() {
            return Err(Error::shape(
                "columns of the data",
                self.n_visible(),
                v.columns(),
            ));
        }
        if let (Some(class), group) = (class, self.label_group())
            && group.is_none_or(|group| class >= group.size)
        {
            let most = group.map_or(0, |group| group.size);
            return Err(Error::parameter("label", format!("below {most}"), class));
        }
        let pairs = self.directed().len();
        let all = (pairs + 1) * REPORTS;
        let log_z = self.top().log_z(&mut progress.part(0, REPORTS, all))?;
        let features = self.feature_layer();
        let Some(last) = pairs.checked_sub(1) else {
            let rows = rows_of(&features, v);
            let all = self.log_weights_of_top(&rows, class);
            return Ok(all.into_iter().map(|x| x - log_z).collect());
        };
        let mut known = self.log_weights_of_top(&all_rows(&features), class);
        known.iter_mut().for_each(|x| *x -= log_z);
        for l in (0..=last).rev() {
            let pair = &self.directed()[l];
            let rows = match l {
                0 => rows_of(pair.below(), v),
                _ => all_rows(pair.below()),
            };
            known = then(pair, &rows, &known);
            progress.check((pairs + 1 - l) * REPORTS, all)?;
        }
        Ok(known)
    }

    /// Exact `ln p(v)` of each row, or `ln p(v, y)` with a class, by enumeration of the hidden
    /// layers.
    ///
    /// # Errors
    /// [`Error::Parameter`] where two neighboring hidden layers have more than
    /// [`MAX_EXACT_LAYER_PAIR`] units, for a top pair that cannot be enumerated and for classes
    /// that do not exist, and for missing values; [`Error::Shape`] for another number of columns;
    /// [`Error::Stopped`] if `progress` breaks; so for those that follow.
    pub fn exact_log_p_v<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        class: Option<usize>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>> {
        let v = v.into().complete("ln p(v)")?;
        self.descend(v, class, progress, |pair, rows, log_p| {
            Generation::new(pair).log_marginal(rows, log_p)
        })
    }

    /// The visible layer, without a label that is beside it.
    pub fn visible(&self) -> Cow<'_, Layer> {
        match self.directed().first() {
            Some(pair) => Cow::Borrowed(pair.below()),
            None => Cow::Owned(self.feature_layer()),
        }
    }

    /// `p(v)` of every visible state, by enumeration, in the order of [`Layer::state`]; labels are
    /// summed out.
    ///
    /// # Errors
    /// As [`Self::exact_log_p_v`]; [`Error::Parameter`] for a visible layer that is continuous or
    /// has more than `2^26` states.
    pub fn visible_distribution(&self, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        let visible = self.visible();
        let most = (1_u64 << MAX_EXACT_LAYER_PAIR) as f64;
        let states = visible.states().filter(|&states| states <= most);
        let Some(states) = states else {
            let expected = format!("at most 2^{MAX_EXACT_LAYER_PAIR} visible states to enumerate");
            let found = format!("{} {} units", visible.size(), visible.units);
            return Err(Error::parameter("visible distribution", expected, found));
        };
        let mut p = Vec::with_capacity(states as usize);
        for first in (0..states as u64).step_by(BLOCK) {
            let block: Vec<Vec<f32>> = (first..(first + BLOCK as u64).min(states as u64))
                .map(|index| visible.state(index))
                .collect();
            let block = Matrix::from_fn(block.len(), visible.size(), |i, j| block[i][j]);
            let log_p = self.exact_log_p_v(&block, None, progress)?;
            p.extend(log_p.into_iter().map(f64::exp));
        }
        Ok(p)
    }

    /// The exact variational lower bound of [`Self::exact_log_p_v`] under the recognition
    /// distribution: `E_q[ln p(v | h_1) + ... + ln p(h_{L-1})] + H(q)`.
    ///
    /// # Errors
    /// As [`Self::exact_log_p_v`].
    pub fn exact_bound<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        class: Option<usize>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>> {
        let v = v.into().complete("a bound of ln p(v)")?;
        self.descend(v, class, progress, |pair, rows, bounds| {
            let generation = Generation::new(pair);
            let of = |x: &LayerState| {
                let y = recognition_inputs(pair, x);
                let rest: f64 = y.iter().map(|&y| softplus(y)).sum();
                let mut sum = 0.0;
                for (h, bound) in bounds.iter().enumerate() {
                    let on = y.iter().enumerate().filter(|(j, _)| is_on(h, *j));
                    let log_q = on.map(|(_, y)| y).sum::<f64>() - rest;
                    sum += log_q.exp() * (generation.log_p(x, h) - log_q + bound);
                }
                sum
            };
            in_pool(|| rows.par_iter().map(of).collect())
        })
    }

    /// The exact posterior `p(h_1 | v)` of each row over the states of the first hidden layer in
    /// the order of their index, beside the recognition distribution `q(h_1 | v)`: `(p, q)`.
    ///
    /// # Errors
    /// As [`Self::exact_log_p_v`]; [`Error::Parameter`] without directed pairs.
    pub fn exact_posterior<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<(Vec<f64>, Vec<f64>)>> {
        let v = v.into().complete("a posterior")?;
        let Some(pair) = self.directed().first() else {
            return Err(Error::parameter(
                "posterior",
                "a network with directed pairs",
                "none",
            ));
        };
        self.check_enumerable()?;
        if v.columns() != self.n_visible() {
            return Err(Error::shape(
                "columns of the data",
                self.n_visible(),
                v.columns(),
            ));
        }
        let n = pair.above().size();
        let all = crate::bits::BitMatrix::from_fn(1 << n, n, is_on);
        // The distribution of the first hidden layer is that of a network without the pair.
        let rest = Self::from_parts(self.directed()[1..].to_vec(), self.top().clone())?;
        let log_p = rest.exact_log_p_v(&all, None, progress)?;
        let generation = Generation::new(pair);
        let of = |x: &LayerState| {
            let joint: Vec<f64> = (0..1 << n)
                .map(|h| generation.log_p(x, h) + log_p[h])
                .collect();
            let sum = log_sum_exp(&joint);
            let mean: Vec<f64> = recognition_inputs(pair, x)
                .iter()
                .map(|&y| sigmoid(y))
                .collect();
            let q = |h: usize| -> f64 {
                let units = mean.iter().enumerate();
                units
                    .map(|(j, &p)| if is_on(h, j) { p } else { 1.0 - p })
                    .product()
            };
            (
                joint.iter().map(|x| (x - sum).exp()).collect(),
                (0..1 << n).map(q).collect(),
            )
        };
        Ok(rows_of(pair.below(), v).iter().map(of).collect())
    }
}
