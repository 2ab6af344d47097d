//! The centered gradient: learning as if every unit's state were measured from an offset.
//!
//! With offsets `mu` of the visible and `lambda` of the hidden units, the energy of a centered
//! machine is `-(v - mu)'W(h - lambda) - b.(v - mu) - c.(h - lambda)`. It is the ordinary machine
//! with biases `b - W lambda` and `c - W' mu`, so any offsets leave the distributions that can be
//! learned as they are; what changes is the way there. A step of the centered parameters, told in
//! ordinary ones, is
//!
//! ```text
//! dW' = dW - db lambda' - mu dc' = <(v - mu)(h - lambda)'>_data - <(v - mu)(h - lambda)'>_model
//! db' = db - dW' lambda
//! dc' = dc - dW'' mu                  (dW'' the transpose of dW')
//! ```
//!
//! where `dW`, `db`, `dc` are the ordinary gradient (Montavon and Mueller 2012; Melchior, Fischer
//! and Wiskott 2016, who call it the centered gradient; Cho, Raiko and Ilin 2011 have the same with
//! other offsets). So the machine stays an ordinary one, offsets may move freely, and learning does
//! not depend on which of two states is called 1.
//!
//! A layer of a deep Boltzmann machine has two neighbors: `db` of a layer loses a product with the
//! offsets of each, once, and `dW'` of a connection has the ordinary `db` of both its layers.

use crate::{
    error::{Error, Result},
    kernel::reduce::sum_of_lanes,
    model::Layered,
    simd::Simd,
};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    ops::Range,
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// Hidden and visible units of a block of the weights whose part of `dW' lambda` and of `dW'' mu`
/// is one sum; rectangles of statistics start at multiples of both, or are parts of such a one one
/// after the other, whatever the route, so that sums have one order.
pub(super) const STRIP: usize = 64;
pub(super) const BLOCK: usize = 128;

/// Where the states of a layer are measured from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offset {
    /// A fixed number: 0 leaves the layer uncentered, 0.5 is the middle of a bit.
    Fixed(f32),
    /// The mean under the data: for visible units that of the training examples at the start, for
    /// hidden ones that of the first minibatch; then moved toward the mean of each positive phase.
    Data,
    /// Likewise, but moved toward the average of the positive and the negative phase: the enhanced
    /// gradient (Cho, Raiko and Ilin 2011). In the negative phase of a discriminative objective
    /// labels have the mean of `p(y | v)`; a hybrid one has the mean of both negative phases, by
    /// their weights.
    Average,
}

/// Options of the centered gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Centering {
    /// Of visible units.
    pub visible: Offset,
    /// Of hidden units.
    pub hidden: Offset,
    /// Share of the way to the means of a minibatch that the offsets go at each update, from 0 to
    /// 1.
    pub rate: f32,
}

impl Default for Centering {
    /// Means under the data, moved by 0.01.
    fn default() -> Self {
        Self {
            visible: Offset::Data,
            hidden: Offset::Data,
            rate: 0.01,
        }
    }
}

impl Centering {
    pub(in crate::train) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.rate) {
            return Err(Error::parameter("centering rate", "0 to 1", self.rate));
        }
        for x in [self.visible, self.hidden] {
            if let Offset::Fixed(x) = x
                && !x.is_finite()
            {
                return Err(Error::parameter("offset", "a finite number", x));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(x) => write!(f, "{x}"),
            Self::Data => f.write_str("data"),
            Self::Average => f.write_str("average"),
        }
    }
}

impl FromStr for Offset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "data" => Ok(Self::Data),
            "average" => Ok(Self::Average),
            _ => match text.parse::<f32>() {
                Ok(x) if x.is_finite() => Ok(Self::Fixed(x)),
                _ => Err(Error::parameter(
                    "offset",
                    "data, average or a number",
                    text,
                )),
            },
        }
    }
}

impl Centering {
    /// Of layer `l`.
    fn of(self, l: usize) -> Offset {
        match l {
            0 => self.visible,
            _ => self.hidden,
        }
    }

    /// Offsets of every layer at the start, with the means of the training examples.
    pub(super) fn start(self, machine: &impl Layered, mean: &[f64]) -> Vec<Vec<f32>> {
        let of = |l: usize| match (l, self.of(l)) {
            (_, Offset::Fixed(x)) => vec![x; machine.bias(l).len()],
            (0, _) => mean.iter().map(|&x| x as f32).collect(),
            // The first update sets them.
            _ => vec![0.0; machine.bias(l).len()],
        };
        (0..machine.n_layers()).map(of).collect()
    }

    /// Moves the offsets of every layer toward the means of a minibatch.
    pub(super) fn follow(self, offsets: &mut [Vec<f32>], means: &[[Vec<f32>; 2]], is_first: bool) {
        for (l, (offsets, means)) in offsets.iter_mut().zip(means).enumerate() {
            let rate = if is_first && l > 0 { 1.0 } else { self.rate };
            self.of(l).follow(offsets, means, rate);
        }
    }
}

impl Offset {
    /// Moves the offsets of a layer toward its means in the positive and the negative phase.
    fn follow(self, offsets: &mut [f32], [positive, negative]: &[Vec<f32>; 2], rate: f32) {
        match self {
            Self::Fixed(_) => {}
            Self::Data => {
                for (x, p) in offsets.iter_mut().zip(positive) {
                    *x += rate * (p - *x);
                }
            }
            Self::Average => {
                for ((x, p), n) in offsets.iter_mut().zip(positive).zip(negative) {
                    *x += rate * (0.5 * (p + n) - *x);
                }
            }
        }
    }
}

/// What centering does to the gradient of the weights and, in parts that are summed in fixed order,
/// to those of the biases.
#[derive(Debug, Default)]
pub(super) struct Corrections {
    /// `dW' lambda` by strip of hidden units, `[strips x n_visible]`; floats as bits, so that
    /// rectangles can write side by side.
    visible: Vec<AtomicU32>,
    /// `dW'' mu` by block of visible units, `[blocks x n_hidden]`.
    hidden: Vec<AtomicU32>,
}

impl Clone for Corrections {
    /// They hold nothing between updates.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Corrections {
    /// Grows the buffers, in the first update.
    pub(super) fn begin(&mut self, n_visible: usize, n_hidden: usize) {
        let zeros = |x: &mut Vec<AtomicU32>, n| x.resize_with(n, AtomicU32::default);
        zeros(&mut self.visible, n_hidden.div_ceil(STRIP) * n_visible);
        zeros(&mut self.hidden, n_visible.div_ceil(BLOCK) * n_hidden);
    }

    /// `db - dW' lambda` and `dc - dW'' mu`, once all blocks are done.
    pub(super) fn finish(&self, visible: &mut [f32], hidden: &mut [f32]) {
        for (parts, gradient) in [(&self.visible, visible), (&self.hidden, hidden)] {
            for part in parts.chunks_exact(gradient.len()) {
                for (g, x) in gradient.iter_mut().zip(part) {
                    *g -= f32::from_bits(x.load(Relaxed));
                }
            }
        }
    }
}

/// The centering of one rectangle.
#[derive(Clone, Copy)]
pub(super) struct TileCenter<'a> {
    /// `mu` and `lambda`.
    pub(super) offsets: [&'a [f32]; 2],
    /// `db`.
    pub(super) visible: &'a [f32],
    /// `dc`.
    pub(super) hidden: &'a [f32],
    pub(super) corrections: &'a Corrections,
    /// First visible and hidden unit.
    pub(super) at: [usize; 2],
}

impl TileCenter<'_> {
    /// Centres the gradients of row `i` of the rectangle and the hidden units `strip` of it; adds
    /// their part of `dW'' mu` to `sums`.
    #[inline(always)]
    pub(super) fn row<S: Simd>(
        &self,
        s: S,
        i: usize,
        strip: Range<usize>,
        gradient: &mut [f32],
        sums: &mut [f32; STRIP],
    ) {
        let i = self.at[0] + i;
        let strip = self.at[1] + strip.start..self.at[1] + strip.end;
        let (db, mu) = (self.visible[i], self.offsets[0][i]);
        let (dc, lambda) = (&self.hidden[strip.clone()], &self.offsets[1][strip.clone()]);
        // As [`center_row`] and [`dot_f32`] would, in one pass.
        let n = gradient.len();
        let whole = n - n % 16;
        let mut lanes = [0.0; 16];
        for part in (0..16).step_by(S::LANES) {
            let [db, mu] = [db, mu].map(|x| s.splat(x));
            let mut product = s.splat(0.0);
            for at in (part..whole).step_by(16) {
                let lambda = s.load(&lambda[at..]);
                let less = s.add(s.mul(db, lambda), s.mul(mu, s.load(&dc[at..])));
                let g = s.sub(s.load(&gradient[at..]), less);
                s.store(&mut gradient[at..], g);
                product = s.add(product, s.mul(g, lambda));
                let sum = &mut sums[at..];
                s.store(sum, s.add(s.load(sum), s.mul(mu, g)));
            }
            s.store(&mut lanes[part..], product);
        }
        let mut rest = 0.0;
        for at in whole..n {
            let g = &mut gradient[at];
            *g -= db * lambda[at] + mu * dc[at];
            rest += *g * lambda[at];
            sums[at] += mu * *g;
        }
        let product = sum_of_lanes(lanes) + rest;
        let at = strip.start / STRIP * self.visible.len() + i;
        self.corrections.visible[at].store(product.to_bits(), Relaxed);
    }

    /// The sums over the rows of a block before its row `first`: rectangles of few samples are
    /// parts of one, in order.
    #[inline(always)]
    pub(super) fn begin(&self, first: usize, strip: Range<usize>) -> [f32; STRIP] {
        let mut sums = [0.0; STRIP];
        let first = self.at[0] + first;
        if !first.is_multiple_of(BLOCK) {
            let at = first / BLOCK * self.hidden.len() + self.at[1] + strip.start;
            let before = &self.corrections.hidden[at..][..strip.len()];
            for (sum, x) in sums.iter_mut().zip(before) {
                *sum = f32::from_bits(x.load(Relaxed));
            }
        }
        sums
    }

    /// Keeps the sums over the rows from `first` on of a strip.
    #[inline(always)]
    pub(super) fn store(&self, first: usize, strip: Range<usize>, sums: &[f32]) {
        let at = (self.at[0] + first) / BLOCK * self.hidden.len() + self.at[1] + strip.start;
        for (to, sum) in self.corrections.hidden[at..][..strip.len()]
            .iter()
            .zip(sums)
        {
            to.store(sum.to_bits(), Relaxed);
        }
    }
}

/// `g -= db lambda' + mu dc'`, of one visible unit.
#[inline(always)]
pub(super) fn center_row(gradient: &mut [f32], db: f32, mu: f32, dc: &[f32], lambda: &[f32]) {
    for ((g, dc), lambda) in gradient.iter_mut().zip(dc).zip(lambda) {
        *g -= db * lambda + mu * dc;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernel::reduce::dot_f32,
        simd::{Isa, Operation, dispatch_on},
    };
    use proptest::prelude::*;

    struct Row<'a> {
        center: TileCenter<'a>,
        gradient: &'a mut [f32],
        sums: &'a mut [f32; STRIP],
    }

    impl Operation for Row<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let n = self.gradient.len();
            self.center.row(s, 0, 0..n, self.gradient, self.sums);
        }
    }

    proptest! {
        /// What three plain loops one after the other give, to the bit.
        #[test]
        fn a_row_is_centered_alike_on_every_isa(
            all in prop::collection::vec([-2.0_f32..2.0, -1.0_f32..1.0, 0.0_f32..1.0, -3.0_f32..3.0], 1..=STRIP),
            db in -1.0_f32..1.0,
            mu in 0.0_f32..1.0,
        ) {
            let part = |k: usize| all.iter().map(|x| x[k]).collect::<Vec<_>>();
            let (gradient, dc, lambda) = (part(0), part(1), part(2));
            let mut start = [0.0; STRIP];
            start.iter_mut().zip(part(3)).for_each(|(to, x)| *to = x);
            let (mut expected, mut expected_sums) = (gradient.clone(), start);
            center_row(&mut expected, db, mu, &dc, &lambda);
            let product = dot_f32(&expected, &lambda);
            for (sum, g) in expected_sums.iter_mut().zip(&expected) {
                *sum += mu * g;
            }
            for isa in Isa::available() {
                let mut corrections = Corrections::default();
                corrections.begin(1, all.len());
                let (mut got, mut sums) = (gradient.clone(), start);
                dispatch_on(isa, Row {
                    center: TileCenter {
                        offsets: [&[mu], &lambda],
                        visible: &[db],
                        hidden: &dc,
                        corrections: &corrections,
                        at: [0, 0],
                    },
                    gradient: &mut got,
                    sums: &mut sums,
                });
                prop_assert_eq!(&got, &expected, "{}", isa);
                prop_assert_eq!(&sums, &expected_sums, "{}", isa);
                prop_assert_eq!(corrections.visible[0].load(Relaxed), product.to_bits(), "{}", isa);
            }
        }
    }
}
