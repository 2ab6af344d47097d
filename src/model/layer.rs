//! A layer: its biases and the kinds of its units.

use crate::error::{Error, Result};
use std::fmt;

/// The kinds of units that a layer is made of, as the model file names them: `bernoulli`, or segments joined by `+`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Units {
    /// Binary units, `P(1) = sigma(x)`.
    #[default]
    Bernoulli,
}

impl Units {
    /// Reads one layer's part of a model file's `units`, for a layer of `size` units.
    ///
    /// # Errors
    /// [`Error::Parameter`] for kinds that this version does not know or sizes that do not add up.
    pub fn parse(text: &str, size: usize) -> Result<Self> {
        let mut sum = 0;
        for segment in text.split('+') {
            let (kind, n) = match segment.split_once(':') {
                None => (segment, Ok(size)),
                Some((kind, n)) => (kind, n.parse::<usize>()),
            };
            match (kind, n) {
                ("bernoulli", Ok(n)) => sum += n,
                _ => return Err(Error::parameter("units", "bernoulli", text)),
            }
        }
        if sum != size {
            return Err(Error::parameter(
                "units",
                format!("segments of {size} units in all"),
                text,
            ));
        }
        Ok(Self::Bernoulli)
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bernoulli => f.write_str("bernoulli"),
        }
    }
}

/// One layer of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Kinds of the units.
    pub units: Units,
    /// One bias a unit.
    pub bias: Vec<f32>,
}

impl Layer {
    /// `size` Bernoulli units with zero biases.
    pub fn bernoulli(size: usize) -> Self {
        Self {
            units: Units::Bernoulli,
            bias: vec![0.0; size],
        }
    }

    /// Number of units.
    pub fn size(&self) -> usize {
        self.bias.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_the_contract() {
        assert_eq!(Units::parse("bernoulli", 7).unwrap(), Units::Bernoulli);
        assert_eq!(Units::parse("bernoulli:7", 7).unwrap(), Units::Bernoulli);
        assert_eq!(
            Units::parse("bernoulli:3+bernoulli:4", 7).unwrap(),
            Units::Bernoulli
        );
        for bad in [
            "",
            "gaussian",
            "bernoulli:6",
            "bernoulli:x",
            "bernoulli:3+softmax:4",
        ] {
            assert!(Units::parse(bad, 7).is_err(), "{bad}");
        }
    }
}
