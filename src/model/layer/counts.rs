//! Counts: the second pass over a row of words.

use super::{Layer, conditional::UnitRow};
use crate::{
    error::{Error, Result},
    kernel::{multinomial, normal, reduce::LogSum},
    states::Input,
    units::Kind,
};

impl Layer {
    /// Whether the units are counts.
    pub fn are_counts(&self) -> bool {
        self.units.have(Kind::Counts)
    }

    /// Whether every row of counts has a length of its own.
    pub(crate) fn has_lengths_of_rows(&self) -> bool {
        self.are_counts() && self.length.is_none()
    }

    /// Refuses counts without a length for `what`, which is of one.
    pub(crate) fn expect_length(&self, what: &str) -> Result<()> {
        if !self.has_lengths_of_rows() {
            return Ok(());
        }
        Err(Error::parameter(
            format!("{what} of a machine of counts"),
            "the machine given a length (Rbm::given_length): words of a row",
            "no length",
        ))
    }

    /// Refuses counts for `what`, which is not defined for them.
    pub(crate) fn refuse_counts(&self, what: &str) -> Result<()> {
        if !self.are_counts() {
            return Ok(());
        }
        let expected = "units of another kind: counts are the whole visible layer of an RBM";
        Err(Error::parameter(what, expected, &self.units))
    }

    /// Words of which means and log-partitions are: one where each row has its own length.
    pub(super) fn words(&self) -> f64 {
        self.length.map_or(1.0, f64::from)
    }
}

/// What the counts of row `row` add up to.
pub(crate) fn length_of(states: Input<'_>, row: usize) -> f64 {
    match states {
        Input::Bits(x) => x.ones(row).count() as f64,
        Input::Real(x) => sum(x.row(row)),
    }
}

fn sum(row: &[f32]) -> f64 {
    row.iter().map(|&n| f64::from(n)).sum()
}

impl UnitRow<'_> {
    /// The counts of a row. A sample has the layer's length, without one that of what stood in its
    /// place; a mean that of the sample beside it, without one a single word.
    pub(super) fn counts(&mut self) {
        let (layer, beta) = (self.pass.layer, self.pass.beta);
        let most = self.input.iter().fold(f32::MIN, |a, &b| a.max(b));
        let most = beta * f64::from(most);
        if self.wants_sum {
            let of = |beta: f64| {
                let mut sum = LogSum::default();
                self.input
                    .iter()
                    .for_each(|&x| sum.add(beta * f64::from(x)));
                sum.value()
            };
            self.sum += layer.words() * (of(beta) - self.pass.minus_beta.map_or(0.0, of));
        }
        let mut length = layer.words();
        if let (Some(words), Some(real)) = (&mut self.words, &mut self.real) {
            if layer.length.is_none() {
                length = sum(real);
            }
            for (weight, &x) in real.iter_mut().zip(&*self.input) {
                *weight = (beta * f64::from(x) - most).exp() as f32;
            }
            let uniform = |i: u32| normal::uniform(words.word(i as usize));
            multinomial::draw(real, length as u32, uniform);
        }
        if self.mean.is_some() || self.pass.keep_means {
            let weight = |x: f32| (beta * f64::from(x) - most).exp();
            let all: f64 = self.input.iter().map(|&x| weight(x)).sum();
            for i in 0..layer.size() {
                let mean = length * weight(self.input[i]) / all;
                self.put_mean(i, mean as f32);
            }
        }
    }
}
