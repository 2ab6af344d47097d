//! How a gradient becomes a step: momentum, Nesterov's, Adam, AdaMax, on slices and on rectangles
//! of statistics.

use super::centering::{BLOCK, STRIP, TileCenter};
use crate::{
    error::{Error, Result},
    matrix::MatrixViewMut,
    simd::{Operation, Simd},
};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The rule of an update. `g` is the gradient of an objective that is climbed, `r` the learning
/// rate, `m` the momentum, `t` the number of the update from 1 on, `L2`, `L1` the decays, which
/// touch the weights alone and never the biases.
///
/// All rules cost one pass over the parameters and give the same bits on every instruction set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Gradient ascent with momentum: `s <- m s + r d`, `w <- w + s`, with
    /// `d = g - L2 w - L1 sign(w)` (Hinton's practical guide, sections 9 and 10).
    #[default]
    Momentum,
    /// Nesterov's momentum as Sutskever, Martens, Dahl and Hinton (2013) write it, at the point
    /// looked ahead: `s <- m s + r d`, `w <- w + m s + r d`.
    Nesterov,
    /// Adam (Kingma and Ba 2015) with decoupled decay (AdamW, Loshchilov and Hutter 2019):
    /// `s <- b1 s + (1 - b1) g`, `q <- b2 q + (1 - b2) g^2`, `w <- w + r [s / (1 - b1^t) / (sqrt(q
    /// / (1 - b2^t)) + e) - L2 w - L1 sign(w)]`. The option `momentum` has no part in it.
    Adam {
        /// `b1`, 0.9 in the paper.
        first: f32,
        /// `b2`, 0.999 in the paper.
        second: f32,
        /// `e`, 1e-8 in the paper.
        epsilon: f32,
    },
    /// Adam with the largest norm (Kingma and Ba 2015, section 7): `s` as in Adam,
    /// `q <- max(b2 q, |g|)`, `w <- w + r [s / (1 - b1^t) / (q + 1e-30) - L2 w - L1 sign(w)]`. The
    /// tiny number is for gradients that are zero.
    AdaMax {
        /// `b1`, 0.9 in the paper.
        first: f32,
        /// `b2`, 0.999 in the paper.
        second: f32,
    },
}

impl Rule {
    /// Adam with the constants of its paper.
    pub const ADAM: Self = Self::Adam {
        first: 0.9,
        second: 0.999,
        epsilon: 1e-8,
    };
    /// AdaMax with the constants of its paper.
    pub const ADAMAX: Self = Self::AdaMax {
        first: 0.9,
        second: 0.999,
    };

    /// Whether the rule keeps a second number for each parameter.
    pub fn is_adaptive(self) -> bool {
        matches!(self, Self::Adam { .. } | Self::AdaMax { .. })
    }

    pub(in crate::train) fn check(self) -> Result<()> {
        let (first, second, epsilon) = match self {
            Self::Momentum | Self::Nesterov => return Ok(()),
            Self::Adam {
                first,
                second,
                epsilon,
            } => (first, second, epsilon),
            Self::AdaMax { first, second } => (first, second, 1.0),
        };
        for (name, x) in [("first decay", first), ("second decay", second)] {
            if !(0.0..1.0).contains(&x) {
                let name = format!("{name} of the adaptive optimizer");
                return Err(Error::parameter(name, "at least 0 and below 1", x));
            }
        }
        if !(epsilon > 0.0 && epsilon.is_finite()) {
            let name = "epsilon of the adaptive optimizer";
            return Err(Error::parameter(name, "a finite number above 0", epsilon));
        }
        Ok(())
    }
}

/// Rates of one update.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// How the gradient becomes a step.
    pub rule: Rule,
    /// Step size.
    pub learning_rate: f32,
    /// Share of the last step that is repeated.
    pub momentum: f32,
    /// Factor of `-W` in the gradient of the weights.
    pub weight_decay: f32,
    /// Factor of `-sign(W)` in the gradient of the weights.
    pub l1_decay: f32,
    /// Longest gradient.
    pub gradient_clip: Option<f32>,
    /// Of log-variances, as a share of the learning rate.
    pub variance_rate: f32,
    /// Number of the update, from 1 on.
    pub update: u64,
}

impl Rates {
    /// For parameters without decay.
    pub(in crate::train) fn without_decay(self) -> Self {
        Self {
            weight_decay: 0.0,
            l1_decay: 0.0,
            ..self
        }
    }
}

/// `1 - decay^t`. A call, so that rules without it never compute a power.
#[cold]
#[inline(never)]
fn correction(decay: f32, t: u64) -> f32 {
    let t = i32::try_from(t).unwrap_or(i32::MAX);
    (1.0 - f64::from(decay).powi(t)) as f32
}

/// The rule on a slice of parameters. Operations round one by one, so every instruction set gives
/// the same bits. It stands here, beside [`Rule`] and centering. The usual rule has vectors and a
/// plain twin in the tests; the others are plain loops themselves: compiled for the portable set
/// these are the twins that the tests hold other sets against, to the bit.
pub(in crate::train) struct Step<'a> {
    pub(in crate::train) gradient: &'a [f32],
    /// `s`.
    pub(in crate::train) first: &'a mut [f32],
    /// `q`; empty unless the rule is adaptive.
    pub(in crate::train) second: &'a mut [f32],
    pub(in crate::train) parameter: &'a mut [f32],
    pub(in crate::train) rates: Rates,
}

impl Operation for Step<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Rates {
            rule,
            learning_rate: rate,
            momentum,
            weight_decay: l2,
            l1_decay: l1,
            update,
            ..
        } = self.rates;
        let sign = |w: f32| if w == 0.0 { 0.0 } else { w.signum() };
        if rule == Rule::Momentum && l1 == 0.0 {
            return self.momentum(s);
        }
        let all = self.parameter.iter_mut().zip(self.first.iter_mut());
        let all = all.zip(self.gradient);
        match rule {
            Rule::Momentum => {
                for ((w, s), g) in all {
                    *s = momentum * *s + rate * (g - l2 * *w - l1 * sign(*w));
                    *w += *s;
                }
            }
            Rule::Nesterov => {
                for ((w, s), g) in all {
                    let d = rate * (g - l2 * *w - l1 * sign(*w));
                    *s = momentum * *s + d;
                    *w += momentum * *s + d;
                }
            }
            Rule::Adam {
                first,
                second,
                epsilon,
            } => {
                let of_first = 1.0 / correction(first, update);
                let of_second = 1.0 / correction(second, update);
                for (((w, s), g), q) in all.zip(self.second.iter_mut()) {
                    *s = first * *s + (1.0 - first) * g;
                    *q = second * *q + (1.0 - second) * (g * g);
                    let d = of_first * *s / ((of_second * *q).sqrt() + epsilon);
                    *w += rate * (d - l2 * *w - l1 * sign(*w));
                }
            }
            Rule::AdaMax { first, second } => {
                let of_first = 1.0 / correction(first, update);
                for (((w, s), g), q) in all.zip(self.second.iter_mut()) {
                    *s = first * *s + (1.0 - first) * g;
                    let old = second * *q;
                    *q = if old > g.abs() { old } else { g.abs() };
                    let d = of_first * *s / (*q + 1e-30);
                    *w += rate * (d - l2 * *w - l1 * sign(*w));
                }
            }
        }
    }
}

impl Step<'_> {
    /// `s <- m s + r (g - L2 w)`, `w <- w + s`.
    #[inline(always)]
    fn momentum<S: Simd>(self, s: S) {
        let Rates {
            learning_rate: rate,
            momentum,
            weight_decay: l2,
            ..
        } = self.rates;
        let n = self.parameter.len();
        let (parameter, first) = (&mut self.parameter[..n], &mut self.first[..n]);
        let gradient = &self.gradient[..n];
        let whole = n - n % S::LANES;
        let [m, r, decay] = [momentum, rate, l2].map(|x| s.splat(x));
        for at in (0..whole).step_by(S::LANES) {
            let (w, g) = (s.load(&parameter[at..]), s.load(&gradient[at..]));
            let d = s.sub(g, s.mul(decay, w));
            let step = s.add(s.mul(m, s.load(&first[at..])), s.mul(r, d));
            s.store(&mut first[at..], step);
            s.store(&mut parameter[at..], s.add(w, step));
        }
        for at in whole..n {
            let (w, s) = (&mut parameter[at], &mut first[at]);
            *s = momentum * *s + rate * (gradient[at] - l2 * *w);
            *w += *s;
        }
    }
}

/// The rule on a rectangle of weights, whose gradient is centered first if asked for.
pub(super) struct StepTile<'a> {
    pub(super) gradient: &'a mut [f32],
    /// Floats between the gradient's rows.
    pub(super) stride: usize,
    pub(super) first: MatrixViewMut<'a>,
    pub(super) second: Option<MatrixViewMut<'a>>,
    pub(super) parameter: MatrixViewMut<'a>,
    pub(super) center: Option<TileCenter<'a>>,
    pub(super) rates: Rates,
}

impl Operation for StepTile<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (rows, columns) = (self.parameter.rows(), self.parameter.columns());
        if self.center.is_none() {
            self.block(s, 0..rows, 0..columns);
            return;
        }
        for first in (0..rows).step_by(BLOCK) {
            for at in (0..columns).step_by(STRIP) {
                let block = first..(first + BLOCK).min(rows);
                self.block(s, block, at..(at + STRIP).min(columns));
            }
        }
    }
}

impl StepTile<'_> {
    #[inline(always)]
    fn block<S: Simd>(&mut self, s: S, rows: Range<usize>, strip: Range<usize>) {
        let mut sums = match &self.center {
            Some(center) => center.begin(rows.start, strip.clone()),
            None => [0.0; STRIP],
        };
        for i in rows.clone() {
            let gradient = &mut self.gradient[i * self.stride..][strip.clone()];
            if let Some(center) = &self.center {
                center.row(s, i, strip.clone(), gradient, &mut sums);
            }
            let step = Step {
                gradient,
                first: &mut self.first.row_mut(i)[strip.clone()],
                second: match &mut self.second {
                    Some(second) => &mut second.row_mut(i)[strip.clone()],
                    None => &mut [],
                },
                parameter: &mut self.parameter.row_mut(i)[strip.clone()],
                rates: self.rates,
            };
            step.run(s);
        }
        if let Some(center) = &self.center {
            center.store(rows.start, strip, &sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, dispatch_on};
    use proptest::prelude::*;

    fn rates(rule: Rule) -> Rates {
        Rates {
            rule,
            learning_rate: 0.5,
            momentum: 0.25,
            weight_decay: 0.125,
            l1_decay: 0.0625,
            gradient_clip: None,
            variance_rate: 0.0,
            update: 1,
        }
    }

    /// Parameters, first and second numbers after one step.
    fn stepped(isa: Isa, rates: Rates, start: [&[f32]; 3], gradient: &[f32]) -> [Vec<f32>; 3] {
        let [mut parameter, mut first, mut second] = start.map(<[f32]>::to_vec);
        dispatch_on(
            isa,
            Step {
                gradient,
                first: &mut first,
                second: &mut second,
                parameter: &mut parameter,
                rates,
            },
        );
        [parameter, first, second]
    }

    #[test]
    fn momentum_by_hand_on_every_isa() {
        for isa in Isa::available() {
            let start = [&[2.0, -4.0, 0.0][..], &[1.0, 0.0, 2.0], &[]];
            let gradient = [1.0, 1.0, -1.0];
            let [w, s, _] = stepped(isa, rates(Rule::Momentum), start, &gradient);
            let expected = [
                0.25 + 0.5 * (1.0 - 0.25 - 0.0625),
                0.5 * (1.0 + 0.5 + 0.0625),
                0.5 - 0.5,
            ];
            assert_eq!(s, expected);
            assert_eq!(w, [2.0 + s[0], -4.0 + s[1], s[2]]);
            let [w, s, _] = stepped(isa, rates(Rule::Nesterov), start, &gradient);
            assert_eq!(s, expected);
            let d = [0.5 * (1.0 - 0.25 - 0.0625), expected[1], -0.5];
            assert_eq!(
                w,
                [
                    2.0 + (0.25 * s[0] + d[0]),
                    -4.0 + (0.25 * s[1] + d[1]),
                    0.25 * s[2] + d[2]
                ]
            );
        }
    }

    /// Two updates with `b1 = 1/2`, `b2 = 3/4`: gradients 2 and -4.
    #[test]
    fn adaptive_rules_by_hand_on_every_isa() {
        for isa in Isa::available() {
            let adam = Rule::Adam {
                first: 0.5,
                second: 0.75,
                epsilon: 0.5,
            };
            let first = stepped(isa, rates(adam), [&[1.0], &[0.0], &[0.0]], &[2.0]);
            // s = 1, q = 1; corrected 2 and 4: 2 / (2 + 0.5) = 0.8.
            assert_eq!((first[1][0], first[2][0]), (1.0, 1.0));
            let expected = 1.0 + 0.5 * (0.8 - 0.125 - 0.0625);
            assert!((first[0][0] - expected).abs() < 1e-6);
            let second = Rates {
                update: 2,
                ..rates(adam)
            };
            let second = stepped(isa, second, first.each_ref().map(|x| &x[..]), &[-4.0]);
            // s = 0.5 - 2 = -1.5, corrected by 3/4 to -2; q = 0.75 + 4 = 4.75, corrected by 7/16.
            assert_eq!((second[1][0], second[2][0]), (-1.5, 4.75));
            let d = -2.0 / ((4.75_f32 / 0.4375).sqrt() + 0.5);
            let expected = first[0][0] + 0.5 * (d - 0.125 * first[0][0] - 0.0625);
            assert!((second[0][0] - expected).abs() < 1e-6);

            let adamax = Rule::AdaMax {
                first: 0.5,
                second: 0.75,
            };
            let start = [&[-1.0][..], &[0.0], &[4.0]];
            let [w, s, q] = stepped(isa, rates(adamax), start, &[2.0]);
            // q = max(3, 2), s = 1, corrected 2.
            assert_eq!((s[0], q[0]), (1.0, 3.0));
            let expected = -1.0 + 0.5 * (2.0 / 3.0 + 0.125 + 0.0625);
            assert!((w[0] - expected).abs() < 1e-6);
            let [_, _, q] = stepped(isa, rates(adamax), start, &[-5.0]);
            assert_eq!(q[0], 5.0);
        }
    }

    proptest! {
        #[test]
        fn same_bits_on_every_isa(
            all in prop::collection::vec((-3.0_f32..3.0, -1.0_f32..1.0, 0.0_f32..2.0, -2.0_f32..2.0), 1..150),
            update in 1_u64..5000,
            which in 0_usize..4,
        ) {
            let rule = [Rule::Momentum, Rule::Nesterov, Rule::ADAM, Rule::ADAMAX][which];
            let part = |f: fn(&(f32, f32, f32, f32)) -> f32| all.iter().map(f).collect::<Vec<_>>();
            let (w, s, q, g) = (part(|x| x.0), part(|x| x.1), part(|x| x.2), part(|x| x.3));
            let rates = Rates { update, ..rates(rule) };
            let usual = Rates { l1_decay: 0.0, rule: Rule::Momentum, ..rates };
            for isa in Isa::available() {
                let got = stepped(isa, usual, [&w, &s, &q], &g);
                for i in 0..w.len() {
                    let step = 0.25 * s[i] + 0.5 * (g[i] - 0.125 * w[i]);
                    prop_assert_eq!((got[0][i], got[1][i]), (w[i] + step, step), "{}, {}", isa, i);
                }
            }
            let bits = |isa| stepped(isa, rates, [&w, &s, &q], &g).map(|x| {
                x.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            });
            let expected = bits(Isa::Portable);
            for isa in Isa::available() {
                prop_assert_eq!(&bits(isa), &expected);
            }
        }
    }
}
