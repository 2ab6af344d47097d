//! Kinds of units, and how a layer is made of segments of them.
//!
//! With `x = beta y` the layer's input at inverse temperature `beta` (`y` = bias + what its
//! neighbors send) and `s^2` the variance of a Gaussian unit:
//!
//! | kind | states | own energy | mean | log-partition | what neighbors receive |
//! |---|---|---|---|---|---|
//! | `bernoulli` | 0, 1 | `-b v` | `sigma(x)` | `ln(1 + e^x)` | `v` |
//! | `softmax:K` | one of K units is 1 | `-b.v` | `e^(x_k) / sum e^x` | `ln sum e^x` | `v` |
//! | `spin` | -1, 1 | `-b v` | `tanh x`, so `P(1) = sigma(2 x)` | `ln(2 cosh x)` | `v` |
//! | `gaussian` | reals | `(v - b)^2 / (2 s^2)` | `y`, variance `s^2 / beta` | (1) | `v / s^2` |
//! | `relu` | reals from 0 | `v^2 / 2 - b v` | (2) | (3) | `v` |
//! | `counts` | 0, 1, ..., `D` in all | `-b.v` | `D e^(x_k) / sum e^x` | `D ln sum e^x` | `v` |
//!
//! 1. `beta (y^2 - b^2) / (2 s^2) + ln(2 pi s^2 / beta) / 2`
//! 2. `y + phi(a) / ((1 - Phi(a)) sqrt(beta))`, with `a = -y sqrt(beta)`
//! 3. `beta y^2 / 2 + ln(2 pi / beta) / 2 + ln Phi(-a)`
//!
//! The Gaussian unit is that of Cho, Ilin and Raiko (ICANN 2011); `ln s^2` is stored, so a variance
//! is positive whatever it is. `relu` is the exactly normalized rectified unit, a normal variable
//! truncated to the positive half line; it stands for the noisy rectifier of Nair and Hinton
//! (2010), `max(0, y + N(0, sigma(y)))`, which approximates a sum of binary units and has no normal
//! form.
//!
//! `counts` is the replicated softmax of Salakhutdinov and Hinton (NIPS 2009): how often each of K
//! words comes in a document of `D` words, each word a softmax unit of the same weights. It is the
//! whole visible layer of an RBM; see [`crate::Rbm::given_length`].

use crate::error::{Error, Result};
use std::{fmt, ops::Range};

/// Most that the counts of a row add up to: sums of f32 are exact up to it.
pub const MAX_LENGTH: u32 = 1 << 24;

/// A kind of unit; see the table of this module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Binary: 0 or 1.
    #[default]
    Bernoulli,
    /// A group of binary units of which exactly one is on: a Potts variable, a class.
    Softmax,
    /// -1 or 1.
    Spin,
    /// Real, normally distributed.
    Gaussian,
    /// Real and not negative: a truncated normal.
    Relu,
    /// How often each of K words comes: a multinomial variable, the replicated softmax.
    Counts,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Bernoulli,
        Self::Softmax,
        Self::Spin,
        Self::Gaussian,
        Self::Relu,
        Self::Counts,
    ];

    /// The name in model files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bernoulli => "bernoulli",
            Self::Softmax => "softmax",
            Self::Spin => "spin",
            Self::Gaussian => "gaussian",
            Self::Relu => "relu",
            Self::Counts => "counts",
        }
    }

    /// Whether states are bits.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Bernoulli | Self::Softmax)
    }

    /// States of `n` units, of `softmax` those of one group: infinity of a continuum and of counts,
    /// whose states have no numbers.
    pub fn states(self, n: usize) -> f64 {
        match self {
            _ if n == 0 => 1.0,
            Self::Bernoulli | Self::Spin => (n as f64).exp2(),
            Self::Softmax => n as f64,
            Self::Gaussian | Self::Relu | Self::Counts => f64::INFINITY,
        }
    }

    /// Whether states are a continuum, which no enumeration covers.
    pub fn is_continuous(self) -> bool {
        matches!(self, Self::Gaussian | Self::Relu)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Consecutive units of one kind; of `softmax`, one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Their kind.
    pub kind: Kind,
    /// The first of them.
    pub first: usize,
    /// How many they are.
    pub size: usize,
}

impl Segment {
    /// The units.
    pub fn range(&self) -> Range<usize> {
        self.first..self.first + self.size
    }
}

/// The kinds of units that a layer is made of. As text: `bernoulli`, `gaussian` and so on for a
/// layer of one kind, else segments joined by `+`, as in `bernoulli:784+softmax:10`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// In order; neighbors of one kind are one segment, apart from `softmax`.
    segments: Vec<Segment>,
}

impl Units {
    /// `size` units of one kind: of `softmax`, one group.
    pub fn of(kind: Kind, size: usize) -> Self {
        Self::default().and(kind, size)
    }

    /// These units followed by `size` more of a kind.
    #[must_use]
    pub fn and(mut self, kind: Kind, size: usize) -> Self {
        let first = self.size();
        match self.segments.last_mut() {
            _ if size == 0 => {}
            Some(last) if last.kind == kind && kind != Kind::Softmax => last.size += size,
            _ => self.segments.push(Segment { kind, first, size }),
        }
        self
    }

    /// Reads one layer's part of a model file's `units`, for a layer of `size` units; one segment
    /// may leave its size out. `softmax:21*53` are 53 groups of 21 units.
    ///
    /// # Errors
    /// [`Error::Parameter`] for kinds that do not exist or sizes that do not add up.
    pub fn parse(text: &str, size: usize) -> Result<Self> {
        let mut parts = Vec::new();
        for segment in text.split('+') {
            let (name, n) = match segment.split_once(':') {
                None => (segment, None),
                Some((name, n)) => (name, Some(n)),
            };
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
            let (n, times) = match n.and_then(|n| n.split_once('*')) {
                Some((n, times)) => (Some(n), times.parse::<usize>().unwrap_or(0)),
                None => (n, 1),
            };
            let is_softmax = kind == Some(Kind::Softmax);
            let is_fit = times == 1 || is_softmax && (1..=size).contains(&times);
            match (kind, n.map(str::parse::<usize>).transpose()) {
                (Some(kind), Ok(n)) if n != Some(0) && is_fit => {
                    parts.extend(std::iter::repeat_n((kind, n), times));
                }
                _ => {
                    let names = Kind::ALL.map(Kind::name).join(", ");
                    return Err(Error::parameter(
                        "units",
                        format!("{names}, or segments such as bernoulli:500+softmax:10"),
                        text,
                    ));
                }
            }
        }
        let wrong = || Error::parameter("units", format!("segments of {size} units in all"), text);
        let told = parts
            .iter()
            .try_fold(0_usize, |sum, (_, n)| sum.checked_add(n.unwrap_or(0)))
            .ok_or_else(wrong)?;
        let untold = parts.iter().filter(|(_, n)| n.is_none()).count();
        let rest = size.checked_sub(told).ok_or_else(wrong)?;
        if untold > 1 || (untold == 0) != (rest == 0) && size > 0 {
            return Err(wrong());
        }
        Ok(parts.into_iter().fold(Self::default(), |units, (kind, n)| {
            units.and(kind, n.unwrap_or(rest))
        }))
    }

    /// The segments in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Number of units.
    pub fn size(&self) -> usize {
        self.segments.last().map_or(0, |last| last.range().end)
    }

    /// Whether all units are of `kind`; so of no units.
    pub fn are(&self, kind: Kind) -> bool {
        self.segments.iter().all(|s| s.kind == kind)
    }

    /// Whether a unit is of `kind`.
    pub fn have(&self, kind: Kind) -> bool {
        self.segments.iter().any(|s| s.kind == kind)
    }

    /// Whether the layer's states are bits: Bernoulli and softmax units alone.
    pub fn are_binary(&self) -> bool {
        self.segments.iter().all(|s| s.kind.is_binary())
    }

    /// Whether the layer has finitely many states.
    pub fn are_discrete(&self) -> bool {
        !self.segments.iter().any(|s| s.kind.is_continuous())
    }

    /// The last segment if it is a softmax group: the classes of a layer of data and labels.
    pub fn last_group(&self) -> Option<Segment> {
        self.segments
            .last()
            .copied()
            .filter(|s| s.kind == Kind::Softmax)
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.segments[..] {
            [] => f.write_str(Kind::Bernoulli.name()),
            [one] if one.kind != Kind::Softmax => f.write_str(one.kind.name()),
            many => {
                for (k, s) in many.iter().enumerate() {
                    let plus = if k == 0 { "" } else { "+" };
                    write!(f, "{plus}{}:{}", s.kind, s.size)?;
                }
                Ok(())
            }
        }
    }
}
