//! Rates that change over training.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A rate as a function of the training time `t`, in epochs, of a run of `T` epochs.
///
/// As text: `0.05`, `linear:0.05:0.001`, `step:0.05:0.5:10`, `inverse:0.05:20`, `at:0=0.5,5=0.9`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The same rate always.
    Constant(f32),
    /// From one rate at `t = 0` to another at `t = T` in a straight line.
    Linear {
        /// Rate at the start.
        from: f32,
        /// Rate at the end.
        to: f32,
    },
    /// `initial * factor^floor(t / every)`.
    Step {
        /// Rate at the start.
        initial: f32,
        /// Factor at each step.
        factor: f32,
        /// Epochs between steps.
        every: f32,
    },
    /// `initial / (1 + t / half_life)`: 1/t, halved after `half_life` epochs.
    Inverse {
        /// Rate at the start.
        initial: f32,
        /// Epochs until the rate has halved.
        half_life: f32,
    },
    /// Constant pieces: from the given epoch on, the given rate.
    Pieces(Vec<(f32, f32)>),
}

impl Schedule {
    /// The rate at `epoch` (with fractions) of a run of `epochs`.
    pub fn at(&self, epoch: f64, epochs: usize) -> f32 {
        let t = epoch as f32;
        match self {
            Self::Constant(x) => *x,
            Self::Linear { from, to } => {
                let share = (t / epochs.max(1) as f32).min(1.0);
                from + (to - from) * share
            }
            Self::Step {
                initial,
                factor,
                every,
            } => initial * factor.powi((t / every).floor() as i32),
            Self::Inverse { initial, half_life } => initial / (1.0 + t / half_life),
            Self::Pieces(pieces) => pieces
                .iter()
                .take_while(|(start, _)| *start <= t)
                .last()
                .or(pieces.first())
                .map_or(0.0, |(_, x)| *x),
        }
    }

    /// The greatest rate that it ever gives.
    pub fn most(&self) -> f32 {
        match self {
            Self::Constant(x) => *x,
            Self::Linear { from, to } => from.max(*to),
            Self::Step { initial, .. } | Self::Inverse { initial, .. } => *initial,
            Self::Pieces(pieces) => pieces.iter().fold(0.0, |most, (_, x)| x.max(most)),
        }
    }

    /// Refuses rates that are not finite, negative, or not below `limit`.
    pub(crate) fn check(&self, name: &str, limit: f32) -> Result<()> {
        let ok = |x: f32| x >= 0.0 && x < limit;
        let positive = |x: f32| x > 0.0 && x.is_finite();
        let good = match self {
            Self::Constant(x) => ok(*x),
            Self::Linear { from, to } => ok(*from) && ok(*to),
            Self::Step {
                initial,
                factor,
                every,
            } => ok(*initial) && *factor >= 0.0 && *factor <= 1.0 && positive(*every),
            Self::Inverse { initial, half_life } => ok(*initial) && positive(*half_life),
            Self::Pieces(pieces) => {
                !pieces.is_empty()
                    && pieces
                        .iter()
                        .all(|(t, x)| *t >= 0.0 && t.is_finite() && ok(*x))
                    && pieces.is_sorted_by(|a, b| a.0 < b.0)
            }
        };
        if good {
            Ok(())
        } else {
            let below = if limit.is_finite() {
                format!(" and below {limit}")
            } else {
                " and finite".into()
            };
            Err(Error::parameter(
                name,
                format!("rates of at least 0{below}"),
                self,
            ))
        }
    }
}

impl From<f32> for Schedule {
    fn from(x: f32) -> Self {
        Self::Constant(x)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(x) => write!(f, "{x}"),
            Self::Linear { from, to } => write!(f, "linear:{from}:{to}"),
            Self::Step {
                initial,
                factor,
                every,
            } => write!(f, "step:{initial}:{factor}:{every}"),
            Self::Inverse { initial, half_life } => write!(f, "inverse:{initial}:{half_life}"),
            Self::Pieces(pieces) => {
                let pieces: Vec<_> = pieces.iter().map(|(t, x)| format!("{t}={x}")).collect();
                write!(f, "at:{}", pieces.join(","))
            }
        }
    }
}

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || -> Option<Self> {
            let (kind, rest) = match text.split_once(':') {
                None => return Some(Self::Constant(text.parse().ok()?)),
                Some(parts) => parts,
            };
            if kind == "at" {
                return rest
                    .split(',')
                    .map(|piece| {
                        let (t, x) = piece.split_once('=')?;
                        Some((t.parse().ok()?, x.parse().ok()?))
                    })
                    .collect::<Option<_>>()
                    .map(Self::Pieces);
            }
            let numbers: Vec<f32> = rest
                .split(':')
                .map(|x| x.parse().ok())
                .collect::<Option<_>>()?;
            match (kind, numbers.as_slice()) {
                ("linear", &[from, to]) => Some(Self::Linear { from, to }),
                ("step", &[initial, factor, every]) => Some(Self::Step {
                    initial,
                    factor,
                    every,
                }),
                ("inverse", &[initial, half_life]) => Some(Self::Inverse { initial, half_life }),
                _ => None,
            }
        };
        parse().ok_or_else(|| {
            Error::parameter(
                "schedule",
                "a number, linear:FROM:TO, step:INITIAL:FACTOR:EVERY, inverse:INITIAL:HALF_LIFE or at:EPOCH=RATE,...",
                text,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_over_time() {
        let at = |text: &str, t: f64| text.parse::<Schedule>().unwrap().at(t, 10);
        assert_eq!(at("0.5", 3.0), 0.5);
        assert_eq!(at("linear:1:0", 2.5), 0.75);
        assert_eq!(at("linear:1:0", 20.0), 0.0);
        assert_eq!(at("step:1:0.5:2", 1.9), 1.0);
        assert_eq!(at("step:1:0.5:2", 4.0), 0.25);
        assert_eq!(at("inverse:1:4", 4.0), 0.5);
        assert_eq!(at("at:0=0.5,5=0.9", 4.99), 0.5);
        assert_eq!(at("at:0=0.5,5=0.9", 5.0), 0.9);
    }

    #[test]
    fn no_rate_is_above_the_greatest() {
        for (text, most) in [
            ("0.5", 0.5),
            ("linear:1:0", 1.0),
            ("linear:0:2", 2.0),
            ("step:1:0.5:2", 1.0),
            ("inverse:3:4", 3.0),
            ("at:0=1,3=5,7=2", 5.0),
        ] {
            let schedule: Schedule = text.parse().unwrap();
            assert_eq!(schedule.most(), most);
            let rates: Vec<f32> = (0..=100)
                .map(|t| schedule.at(f64::from(t) / 10.0, 10))
                .collect();
            assert!(
                rates.iter().all(|&x| x <= most) && rates.contains(&most),
                "{text}"
            );
        }
    }

    #[test]
    fn text_round_trips_and_nonsense_is_refused() {
        for text in [
            "0.05",
            "linear:0.05:0.001",
            "step:0.05:0.5:10",
            "inverse:0.1:20",
            "at:0=0.5,5=0.9",
        ] {
            let schedule: Schedule = text.parse().unwrap();
            assert_eq!(schedule.to_string(), text);
            let json = serde_json::to_string(&schedule).unwrap();
            assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), schedule);
        }
        for text in ["", "x", "linear:1", "linear:1:2:3", "at:5", "cosine:1:2"] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
        for text in [
            "-1",
            "nan",
            "inf",
            "1.5",
            "step:0.1:2:1",
            "step:0.1:0.5:0",
            "at:5=0.1,5=0.2",
        ] {
            assert!(
                text.parse::<Schedule>()
                    .unwrap()
                    .check("rate", 1.0)
                    .is_err(),
                "{text}"
            );
        }
    }
}
