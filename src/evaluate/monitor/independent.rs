//! What units would say that know nothing of each other.

use crate::{
    dataset::{Examples, Rows},
    error::{Error, Result},
    units::{Kind, Units},
};

/// Least variance of a Gaussian column, in the units of its states.
const LEAST_VARIANCE: f64 = 1e-12;

/// The law of the units of a column, or of a softmax group.
enum Law {
    /// `ln p(0)` and `ln p(1)` of a unit whose states are `low` and 1.
    Two([f64; 2], f64),
    /// `ln p` of each unit of a group.
    Group(Vec<f64>),
    /// Mean and variance of a normal variable.
    Normal(f64, f64),
}

/// Weighted mean of `ln p(v)` over `examples` of a machine without connections, whose units have
/// the frequencies, means and variances of `train`: what a machine must exceed to have learned how
/// values go together. Frequencies of a unit, or of the K of a softmax group, are `(n p + 1) / (n +
/// 2)` and `(n p + 1) / (n + K)` of `n` training examples, so that none is 0. Missing values are in
/// neither. Words of counts have `(c + 1) / (C + K)`, `c` of all `C` words of the training
/// examples, and `ln p` is that of a sequence of words. `None` of rectified units, whose law has no
/// closed form.
///
/// Cost: one pass over both.
///
/// # Errors
/// [`Error::Shape`] unless both have as many columns as there are units.
pub fn independent_log_likelihood(
    units: &Units,
    train: &Examples,
    examples: &Examples,
) -> Result<Option<f64>> {
    let log_p = independent_log_p(units, train, examples)?;
    Ok(log_p.map(|log_p| Rows::from(examples).mean(log_p).0))
}

/// The same of each example.
pub(crate) fn independent_log_p(
    units: &Units,
    train: &Examples,
    examples: &Examples,
) -> Result<Option<Vec<f64>>> {
    for found in [train.columns(), examples.columns()] {
        if found != units.size() {
            return Err(Error::shape(
                "examples of independent units",
                units.size(),
                found,
            ));
        }
    }
    if units.have(Kind::Relu) {
        return Ok(None);
    }
    let laws = laws(units, train);
    let (x, mask) = (examples.input(), examples.observed());
    let mut row = vec![0.0; units.size()];
    let log_p = (0..examples.len()).map(|i| {
        x.copy_row_to(i, &mut row);
        let seen = |j: usize| mask.is_none_or(|mask| mask.get(i, j));
        let of_law = laws.iter().filter(|(first, _)| seen(*first));
        of_law
            .map(|(first, law)| law.log_p(&row[*first..]))
            .sum::<f64>()
    });
    Ok(Some(log_p.collect()))
}

impl Law {
    /// `ln p` of the states that begin at `x`; of a mean between two states, its expectation.
    fn log_p(&self, x: &[f32]) -> f64 {
        match self {
            Self::Two([zero, one], low) => {
                let share = (f64::from(x[0]) - low) / (1.0 - low);
                zero + share * (one - zero)
            }
            Self::Group(log_p) => {
                let units = log_p.iter().zip(x);
                units.map(|(log_p, &x)| f64::from(x) * log_p).sum()
            }
            Self::Normal(mean, variance) => {
                let square = (f64::from(x[0]) - mean).powi(2) / variance;
                -0.5 * (square + (std::f64::consts::TAU * variance).ln())
            }
        }
    }
}

/// The first unit of each law, and the law.
fn laws(units: &Units, train: &Examples) -> Vec<(usize, Law)> {
    let (mean, deviation) = (train.mean(), train.deviation());
    let n = train.len() as f64;
    let two = |p: f64, low| {
        let p = (n * p + 1.0) / (n + 2.0);
        Law::Two([(1.0 - p).ln(), p.ln()], low)
    };
    let mut laws = Vec::new();
    for segment in units.segments() {
        match segment.kind {
            Kind::Bernoulli => laws.extend(segment.range().map(|j| (j, two(mean[j], 0.0)))),
            Kind::Spin => {
                let spins = segment
                    .range()
                    .map(|j| (j, two((1.0 + mean[j]) / 2.0, -1.0)));
                laws.extend(spins);
            }
            Kind::Softmax => {
                let all = n + segment.size as f64;
                let log_p = mean[segment.range()]
                    .iter()
                    .map(|p| ((n * p + 1.0) / all).ln());
                laws.push((segment.first, Law::Group(log_p.collect())));
            }
            Kind::Counts => {
                let all = n * mean.iter().sum::<f64>() + mean.len() as f64;
                let log_p = mean.iter().map(|m| ((n * m + 1.0) / all).ln());
                laws.push((segment.first, Law::Group(log_p.collect())));
            }
            Kind::Gaussian | Kind::Relu => laws.extend(segment.range().map(|j| {
                let variance = deviation[j].powi(2).max(LEAST_VARIANCE);
                (j, Law::Normal(mean[j], variance))
            })),
        }
    }
    laws
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bits::BitMatrix, matrix::Matrix, model::Rbm};

    #[test]
    fn units_without_connections_say_the_same() {
        // Bits whose biases are the logits of the smoothed frequencies.
        let x = BitMatrix::from_fn(7, 3, |i, j| (i * (j + 2) + j) % 3 == 0);
        let train = Examples::new(x).unwrap();
        let rbm = Rbm::bernoulli(&[3, 1]).unwrap();
        let logit = |p: f64| {
            let p = (7.0 * p + 1.0) / 9.0;
            (p / (1.0 - p)).ln() as f32
        };
        let bias = train.mean().into_iter().map(logit).collect::<Vec<_>>();
        let visible = crate::model::Layer {
            bias,
            ..rbm.visible().clone()
        };
        let layers = [visible, rbm.hidden().clone()];
        let rbm = Rbm::from_parameters(layers, [Matrix::zeros(3, 1)]).unwrap();
        let test = train.take(&[0, 3, 4]);
        let expected = rbm.exact_mean_log_likelihood(&test, &mut ()).unwrap().mean;
        let units = Units::of(Kind::Bernoulli, 3);
        let found = independent_log_likelihood(&units, &train, &test)
            .unwrap()
            .unwrap();
        assert!((found - expected).abs() < 1e-6, "{found}, {expected}");
    }

    #[test]
    fn spins_groups_and_numbers_have_their_laws() {
        // Frequencies of 2 of 4 are 3 of 6, those of a group of 3 with 2, 1, 1 of 4 are 3, 2, 2 of
        // 7.
        let rows = [[1.0, 1.0, 0.0, 0.0, 2.0], [-1.0, 1.0, 0.0, 0.0, -2.0]];
        let more = [[1.0, 0.0, 1.0, 0.0, 2.0], [-1.0, 0.0, 0.0, 1.0, -2.0]];
        let rows = Matrix::from_rows(rows.into_iter().chain(more)).unwrap();
        let train = Examples::new(rows).unwrap();
        let units = Units::of(Kind::Spin, 1)
            .and(Kind::Softmax, 3)
            .and(Kind::Gaussian, 1);
        let found = independent_log_likelihood(&units, &train, &train)
            .unwrap()
            .unwrap();
        let group = (2.0 * (3.0_f64 / 7.0).ln() + 2.0 * (2.0_f64 / 7.0).ln()) / 4.0;
        let normal = -0.5 * (1.0 + (std::f64::consts::TAU * 4.0).ln());
        assert!(
            (found - (0.5_f64.ln() + group + normal)).abs() < 1e-12,
            "{found}"
        );
        // A row without its number has no part in the number's law.
        let mask = BitMatrix::from_fn(4, 5, |i, j| j < 4 || i > 1);
        let partly = train.clone().with_observed(mask).unwrap();
        let found = independent_log_likelihood(&units, &partly, &partly)
            .unwrap()
            .unwrap();
        assert!(
            (found - (0.5_f64.ln() + group + normal / 2.0)).abs() < 1e-12,
            "{found}"
        );
        assert!(
            independent_log_likelihood(&Units::of(Kind::Relu, 5), &train, &train)
                .unwrap()
                .is_none()
        );
        assert!(independent_log_likelihood(&Units::of(Kind::Spin, 4), &train, &train).is_err());
    }
}
