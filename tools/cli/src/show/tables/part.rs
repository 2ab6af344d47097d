//! Columns of data and of samples in the terms of the data.

use crate::failure::Outcome;
use harmonium::{
    BitMatrix, Examples, States,
    dataset::{Code, Encoding},
};

/// Most rows of data that are looked at, spread over all.
const MOST_ROWS: usize = 10_000;

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name, or its number from 1.
    pub name: String,
    /// Names of its categories, if it has any.
    pub categories: Vec<String>,
    /// Numbers, or numbers of categories; NaN where a value is missing.
    pub values: Vec<f64>,
}

/// Rows of one origin.
#[derive(Clone, Debug)]
pub struct Part {
    /// What they are.
    pub name: String,
    /// Columns of the same number of rows.
    pub columns: Vec<Column>,
    /// How often each row counts, if not once.
    pub weights: Option<Vec<f32>>,
}

/// A column and the weights of its rows.
pub type Weighted<'a> = (&'a Column, Option<&'a [f32]>);

impl Part {
    /// Examples, of many some that are spread over all.
    ///
    /// # Errors
    /// States of other units than those of the encoding.
    pub fn of_examples(encoding: &Encoding, name: &str, examples: &Examples) -> Outcome<Self> {
        let (n, most) = (examples.len(), examples.len().min(MOST_ROWS));
        let some: Vec<usize> = (0..most).map(|k| k * n / most).collect();
        let some = examples.take(&some);
        let weights = some.weights().map(<[f32]>::to_vec);
        let part = Self::new(encoding, name, some.states(), some.observed())?;
        Ok(Self { weights, ..part })
    }

    /// States of a machine.
    ///
    /// # Errors
    /// As [`Self::of_examples`].
    pub fn of_states(encoding: &Encoding, name: &str, states: &States) -> Outcome<Self> {
        Self::new(encoding, name, states, None)
    }

    fn new(
        encoding: &Encoding,
        name: &str,
        states: &States,
        observed: Option<&BitMatrix>,
    ) -> Outcome<Self> {
        let table = encoding.decode(&states.first_columns(encoding.units().size()))?;
        let mut unit = 0;
        let mut columns = Vec::with_capacity(table.columns());
        for (j, code) in encoding.columns().iter().enumerate() {
            let categories: Vec<String> = match code {
                Code::Category { values } => values.to_vec(),
                Code::Bit => vec!["0".into(), "1".into()],
                Code::Sign | Code::Spin { from_bits: false } => vec!["−1".into(), "1".into()],
                Code::Spin { from_bits: true } => vec!["0".into(), "1".into()],
                Code::Probability | Code::Number { .. } | Code::Count => Vec::new(),
            };
            let is_seen = |i| observed.is_none_or(|mask| mask.get(i, unit));
            let value = |i| {
                let x = table.get(i, j);
                match code {
                    Code::Category { values } if !table.texts.contains_key(&j) => {
                        let at = values.iter().position(|y| y.parse() == Ok(x));
                        at.map_or(f64::NAN, |at| at as f64)
                    }
                    Code::Bit | Code::Spin { .. } | Code::Sign => f64::from(u8::from(x > 0.5)),
                    _ => x,
                }
            };
            let values = (0..table.len()).map(|i| if is_seen(i) { value(i) } else { f64::NAN });
            columns.push(Column {
                name: match encoding.names().get(j) {
                    Some(name) => name.clone(),
                    None => (j + 1).to_string(),
                },
                categories,
                values: values.collect(),
            });
            unit += code.size();
        }
        Ok(Self {
            name: name.into(),
            columns,
            weights: None,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |x| x.values.len())
    }

    /// A column with the weights of its rows.
    pub fn column(&self, j: usize) -> Weighted<'_> {
        (&self.columns[j], self.weights.as_deref())
    }

    /// Correlations of the first `n` columns, row by row, over the rows that have both values;
    /// NaN of a constant.
    pub fn correlations(&self, n: usize) -> Vec<f32> {
        let columns = &self.columns[..n];
        let mut all = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let r = correlation(
                    &columns[i].values,
                    &columns[j].values,
                    self.weights.as_deref(),
                );
                all[i * n + j] = r as f32;
                all[j * n + i] = r as f32;
            }
        }
        all
    }
}

/// Pearson's, of the pairs without NaN.
fn correlation(x: &[f64], y: &[f64], weights: Option<&[f32]>) -> f64 {
    let pairs = || {
        let weight = |i: usize| weights.map_or(1.0, |w| f64::from(w[i]));
        let all = x.iter().zip(y).enumerate();
        all.filter(|(_, (x, y))| x.is_finite() && y.is_finite())
            .map(move |(i, (&x, &y))| (weight(i), x, y))
    };
    let total: f64 = pairs().map(|(w, ..)| w).sum();
    let mean_x = pairs().map(|(w, x, _)| w * x).sum::<f64>() / total;
    let mean_y = pairs().map(|(w, _, y)| w * y).sum::<f64>() / total;
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (w, x, y) in pairs() {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += w * x * x;
        yy += w * y * y;
        xy += w * x * y;
    }
    // A constant, up to the rounding of its mean.
    let is_constant = |square: f64, mean: f64| square <= 1e-24 * total * mean * mean;
    match is_constant(xx, mean_x) || is_constant(yy, mean_y) {
        true => f64::NAN,
        false => (xy / xx.sqrt() / yy.sqrt()).clamp(-1.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_are_those_of_the_pairs_that_are_there() {
        let x = [1.0, 2.0, 3.0, f64::NAN, 5.0];
        let y = [2.0, 4.0, 6.0, 0.0, f64::NAN];
        assert!((correlation(&x, &y, None) - 1.0).abs() < 1e-12);
        let y = [1.0, 0.0, 1.0];
        assert!(correlation(&[1.0, 2.0, 3.0], &y, None).abs() < 1e-12);
        // (1, 1), (2, 0) twice, (3, 1): weights stand for copies.
        let twice = correlation(&[1.0, 2.0, 3.0], &y, Some(&[1.0, 1.0, 2.0]));
        let copies = correlation(&[1.0, 2.0, 3.0, 3.0], &[1.0, 0.0, 1.0, 1.0], None);
        assert!((twice - copies).abs() < 1e-12);
        assert!(correlation(&[0.1; 9], &[1.0; 9], None).is_nan());
        assert!(correlation(&[f64::NAN; 2], &[1.0, 2.0], None).is_nan());
    }

    #[test]
    fn columns_are_in_the_terms_of_the_data() {
        let encoding = Encoding::of_numbers("bernoulli:1+spin:1+gaussian:1", 3).unwrap();
        let encoding = encoding
            .standardized(&[0.0, 0.0, 5.0], &[1.0, 1.0, 2.0])
            .unwrap();
        let rows = vec![vec![1.0, -1.0, 0.5], vec![0.0, 1.0, -1.0]];
        let examples = Examples::new(rows).unwrap();
        let mask = BitMatrix::from_fn(2, 3, |i, j| (i, j) != (1, 0));
        let examples = examples.with_observed(mask).unwrap();
        let part = Part::of_examples(&encoding, "data", &examples).unwrap();
        assert_eq!(part.columns[0].values[0], 1.0);
        assert!(part.columns[0].values[1].is_nan());
        assert_eq!(part.columns[1].values, [0.0, 1.0]);
        assert_eq!(part.columns[1].categories, ["−1", "1"]);
        assert_eq!(part.columns[2].values, [6.0, 3.0]);
        assert_eq!((part.columns[2].name.as_str(), part.rows()), ("3", 2));
    }
}
