//! Averages of the parameters along a run: less noise than where the last minibatch left them.

use crate::{
    error::{Error, Result},
    model::Layered,
    train::parameters::Parameters,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Which average. As text: `last:0.2`, `exponential:0.999`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Averaging {
    /// The plain mean over the last share of the updates, above 0 and at most 1 (Polyak and
    /// Juditsky 1992); before these begin, the parameters themselves.
    Last(f32),
    /// `a <- d a + (1 - d) w` with this `d`, at least 0 and below 1; the first `1 / (1 - d)`
    /// updates count alike, so that the start is forgotten.
    Exponential(f32),
}

impl Averaging {
    pub(in crate::train) fn check(self) -> Result<()> {
        match self {
            Self::Last(x) if !(x > 0.0 && x <= 1.0) => Err(Error::parameter(
                "averaged share of the updates",
                "above 0 and at most 1",
                x,
            )),
            Self::Exponential(x) if !(0.0..1.0).contains(&x) => Err(Error::parameter(
                "decay of the average",
                "at least 0 and below 1",
                x,
            )),
            _ => Ok(()),
        }
    }

    /// The weight of the parameters in the average after update `update`, from 1 on, of `updates`.
    pub(super) fn weight(self, update: u64, updates: u64) -> f32 {
        match self {
            Self::Last(share) => {
                let counted = (f64::from(share) * updates as f64).round() as u64;
                let before = updates.saturating_sub(counted);
                1.0 / update.saturating_sub(before).max(1) as f32
            }
            Self::Exponential(decay) => (1.0 - decay).max(1.0 / update as f32),
        }
    }

    /// Adds the parameters as they are now.
    pub(in crate::train) fn add(
        self,
        machine: &impl Layered,
        average: &mut Parameters,
        update: u64,
        updates: u64,
    ) {
        average.mix(machine, self.weight(update, updates));
    }
}

impl fmt::Display for Averaging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last(x) => write!(f, "last:{x}"),
            Self::Exponential(x) => write!(f, "exponential:{x}"),
        }
    }
}

impl FromStr for Averaging {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = match text.split_once(':') {
            Some(("last", x)) => x.parse().ok().map(Self::Last),
            Some(("exponential", x)) => x.parse().ok().map(Self::Exponential),
            _ => None,
        };
        let expected = "last:SHARE or exponential:DECAY";
        let averaging = parsed.ok_or_else(|| Error::parameter("averaging", expected, text))?;
        averaging.check()?;
        Ok(averaging)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rbm;

    /// Averages of the visible bias 1, 2, ..., n.
    fn run(averaging: Averaging, n: u64) -> f32 {
        let mut rbm = Rbm::bernoulli(&[1, 1]).unwrap();
        let mut average = Parameters::of(&rbm);
        for t in 1..=n {
            rbm.biases_mut().0[0] = t as f32;
            rbm.parameters_mut().0.row_mut(0)[0] = -(t as f32);
            averaging.add(&rbm, &mut average, t, n);
        }
        assert_eq!(average.weights[0].row(0)[0], -average.bias[0][0]);
        average.bias[0][0]
    }

    #[test]
    fn averages_by_hand() {
        assert!((run(Averaging::Last(0.3), 10) - 9.0).abs() < 1e-5);
        assert!((run(Averaging::Last(1.0), 10) - 5.5).abs() < 1e-5);
        assert!((run(Averaging::Last(1e-6), 10) - 10.0).abs() < 1e-5);
        // 1, then (1 + 2) / 2, then halves: (1.5 + 3) / 2 = 2.25, (2.25 + 4) / 2.
        assert!((run(Averaging::Exponential(0.5), 4) - 3.125).abs() < 1e-6);
    }

    #[test]
    fn text_there_and_back() {
        for averaging in [Averaging::Last(0.25), Averaging::Exponential(0.999)] {
            assert_eq!(
                averaging.to_string().parse::<Averaging>().unwrap(),
                averaging
            );
        }
        for text in [
            "",
            "last",
            "last:0",
            "last:2",
            "exponential:1",
            "mean:0.5",
            "last:x",
        ] {
            assert!(text.parse::<Averaging>().is_err(), "{text}");
        }
    }
}
