//! Which units each column of a table is, and how states come back as what the table held.

mod apply;
mod asked;
mod decode;
mod drawn;
mod fit;
mod stored;

pub use asked::Asked;

use crate::{
    dataset::{Examples, Rows, table::Table},
    error::{Error, Result},
    units::{Kind, Units},
};
use std::sync::Arc;

/// What a column becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum Code {
    /// 0 and 1, of a Bernoulli unit or of a softmax group whose units are columns; a number between
    /// them is a probability.
    Bit,
    /// A number in [0, 1]: the probability of a one.
    Probability,
    /// -1 and 1, as 0 and 1 of a Bernoulli unit.
    Sign,
    /// -1 and 1.
    Spin {
        /// Whether the table has 0 in place of -1.
        from_bits: bool,
    },
    /// `(x - mean) / deviation`.
    Number {
        /// What is subtracted.
        mean: f64,
        /// What is divided by after that.
        deviation: f64,
    },
    /// 0, 1, 2, ..., as they are.
    Count,
    /// One of the values, each of which has a unit of a softmax group.
    Category {
        /// The values as texts, in the order of their units; numbers as they are written in
        /// decimals.
        values: Arc<Vec<String>>,
    },
}

impl Code {
    /// Number of units.
    pub fn size(&self) -> usize {
        match self {
            Self::Category { values } => values.len(),
            _ => 1,
        }
    }
}

/// Classes of examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    /// What the data call them.
    pub name: String,
    /// Their names, in the order of their numbers.
    pub names: Vec<String>,
}

/// What the columns of a table are as units: part of a machine, for what it means cannot be told
/// without.
///
/// | a column holds | no units asked for | bernoulli | spin | softmax | gaussian, relu | counts |
/// |---|---|---|---|---|---|---|
/// | 0, 1 | bits | bits | -1 and 1 | 2 categories | numbers | counts |
/// | -1, 1 | spins | refused | as they are | 2 categories | numbers | refused |
/// | whole numbers from 0 | refused | refused | refused | categories | numbers | counts |
/// | other whole numbers | refused | refused | refused | categories | numbers | refused |
/// | numbers in [0, 1] | probabilities | probabilities | refused | refused | numbers | refused |
/// | other numbers | refused | refused | refused | refused | numbers | refused |
/// | text | refused | refused | refused | categories | refused | refused |
///
/// Without units that are asked for, all columns together decide. Every refusal names a cell and
/// the way to ask. Missing values stay missing: they are not observed; counts cannot be missing,
/// for a row's length is the sum of all of them.
///
/// # In model files
/// The metadata `encoding` is JSON: `version` is 1; `shape`, of an example; `scale`, what the
/// numbers of the file are divided by before all else; `units`, as in the metadata `units`;
/// `columns`, a list of `{"count": n, "code": c}` for `n` columns in turn, where `c` is `"bit"`,
/// `"probability"`, `"sign"`, `"count"`, `{"spin": {"from_bits": true}}`, `{"number": {"mean": 0.0,
/// "deviation": 1.0}}` or `{"category": {"values": ["A", "B"]}}`; `names`, of the columns if they
/// have any; `first_index`, the number of the first column of a file that numbers the columns of
/// its values (libsvm); `classes`, `{"name": "species", "names": ["cat", "dog"]}` if examples have
/// labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoding {
    units: Units,
    columns: Vec<Code>,
    shape: Vec<usize>,
    names: Vec<String>,
    scale: f64,
    first_index: Option<u32>,
    classes: Option<Classes>,
}

impl Encoding {
    /// Columns of bits of no names.
    pub(in crate::dataset) fn bits(shape: &[usize]) -> Self {
        let n = shape.iter().product();
        Self {
            units: Units::of(Kind::Bernoulli, n),
            columns: vec![Code::Bit; n],
            shape: shape.to_vec(),
            names: Vec::new(),
            scale: 1.0,
            first_index: None,
            classes: None,
        }
    }

    /// `n` columns of categories of the same values.
    pub(crate) fn of_categories(values: Vec<String>, n: usize) -> Self {
        let values = Arc::new(values);
        let units = (0..n).fold(Units::default(), |x, _| x.and(Kind::Softmax, values.len()));
        Self {
            units,
            columns: vec![Code::Category { values }; n],
            ..Self::bits(&[n])
        }
    }

    /// `n` columns of the `units` of a machine, each a unit: bits, spins as -1 and 1, numbers.
    ///
    /// # Errors
    /// [`Error::Parameter`] for units that do not exist or are not as many.
    pub fn of_numbers(units: &str, n: usize) -> Result<Self> {
        let units = Units::parse(units, n)?;
        let code = |kind| match kind {
            Kind::Bernoulli | Kind::Softmax => Code::Bit,
            Kind::Spin => Code::Spin { from_bits: false },
            Kind::Gaussian | Kind::Relu => Code::Number {
                mean: 0.0,
                deviation: 1.0,
            },
            Kind::Counts => Code::Count,
        };
        let segments = units.segments().iter();
        let columns = segments.flat_map(|x| std::iter::repeat_n(code(x.kind), x.size));
        Ok(Self {
            columns: columns.collect(),
            units,
            ..Self::bits(&[n])
        })
    }

    /// The units of all columns, without those of labels.
    pub fn units(&self) -> &Units {
        &self.units
    }

    /// What each column becomes.
    pub fn columns(&self) -> &[Code] {
        &self.columns
    }

    /// Shape of an example: `[height, width]` of pictures.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The same columns, which are examples of another shape.
    ///
    /// # Errors
    /// [`Error::Shape`] for a shape of another number of columns.
    pub fn shaped(mut self, shape: &[usize]) -> Result<Self> {
        let n = self.columns.len();
        let size = shape.iter().try_fold(1_usize, |n, &x| n.checked_mul(x));
        if shape.is_empty() || size != Some(n) {
            let expected = format!("{n} values");
            return Err(Error::shape(
                "shape of examples",
                expected,
                format!("{shape:?}"),
            ));
        }
        self.shape = shape.to_vec();
        Ok(self)
    }

    /// Names of the columns, if they have any.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What the numbers of the file are divided by before all else.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The number of the first column of a file that numbers the columns of its values.
    pub fn first_index(&self) -> Option<u32> {
        self.first_index
    }

    /// The classes of the examples, if they have labels.
    pub fn classes(&self) -> Option<&Classes> {
        self.classes.as_ref()
    }

    /// The same columns, those of numbers minus `mean` and over `deviation`, one a column each.
    ///
    /// # Errors
    /// [`Error::Shape`] for other numbers of columns; [`Error::Parameter`] for what is no mean or
    /// no deviation.
    pub fn standardized(mut self, mean: &[f64], deviation: &[f64]) -> Result<Self> {
        let n = self.columns.len();
        if (mean.len(), deviation.len()) != (n, n) {
            let found = format!("{} and {}", mean.len(), deviation.len());
            return Err(Error::shape(
                "means and deviations",
                format!("{n} each"),
                found,
            ));
        }
        for ((code, &mean), &deviation) in self.columns.iter_mut().zip(mean).zip(deviation) {
            if !(mean.is_finite() && deviation.is_finite() && deviation > 0.0) {
                let found = format!("{mean} and {deviation}");
                return Err(Error::parameter(
                    "mean and deviation",
                    "finite numbers, the second above 0",
                    found,
                ));
            }
            if let Code::Number { .. } = code {
                *code = Code::Number { mean, deviation };
            }
        }
        Ok(self)
    }

    /// The columns of numbers whose differences states cannot hold: single precision has 24 bits,
    /// and the range of such a column is less than 2^-20 of its largest state.
    pub fn collapsed(&self, table: &Table) -> Vec<usize> {
        let facts = table.facts();
        let is_collapsed = |j: &usize| {
            let (Code::Number { mean, deviation }, Some(facts)) =
                (&self.columns[*j], facts.get(*j))
            else {
                return false;
            };
            let state = |x: f64| (x - mean) / deviation;
            let (least, most) = (state(facts.least), state(facts.most));
            let range = most - least;
            range > 0.0 && range < least.abs().max(most.abs()) * 2_f64.powi(-20)
        };
        let numbers = self
            .columns
            .iter()
            .any(|x| matches!(x, Code::Number { .. }));
        let columns = 0..if numbers { self.columns.len() } else { 0 };
        columns.filter(is_collapsed).collect()
    }

    /// Width and height of an example that is a picture: one of two dimensions.
    pub fn picture(&self) -> Option<(usize, usize)> {
        match self.shape[..] {
            [height, width] => Some((width, height)),
            _ => None,
        }
    }

    /// Whether states are numbers of another unit than those of the file.
    pub fn is_standardized(&self) -> bool {
        let is_changed = |code: &Code| matches!(code, Code::Number { mean, deviation } if (*mean, *deviation) != (0.0, 1.0));
        self.columns.iter().any(is_changed)
    }

    /// `sum ln deviation` over the columns: what the log-density of states is larger by than that
    /// of what the table held. `ln p(x) = ln p(state) - sum ln deviation`, by the Jacobian of
    /// `(x - mean) / deviation`; 0 without columns of numbers. Where the file is divided by a
    /// scale, `x` is what comes after that.
    pub fn log_jacobian(&self) -> f64 {
        let log = |code: &Code| match code {
            Code::Number { deviation, .. } => deviation.ln(),
            _ => 0.0,
        };
        self.columns.iter().map(log).sum()
    }

    /// The mean of [`Self::log_jacobian`] over examples, each times its weight: of one that misses
    /// values that of the others.
    pub fn mean_log_jacobian(&self, examples: &Examples) -> f64 {
        let mask = examples.observed();
        let of_row = |i: usize| -> f64 {
            let mut unit = 0;
            let terms = self.columns.iter().map(|code| {
                let first = unit;
                unit += code.size();
                match code {
                    Code::Number { deviation, .. } if mask.is_none_or(|x| x.get(i, first)) => {
                        deviation.ln()
                    }
                    _ => 0.0,
                }
            });
            terms.sum()
        };
        match mask {
            None => self.log_jacobian(),
            Some(_) => Rows::from(examples).mean((0..examples.len()).map(of_row)).0,
        }
    }

    /// The columns in a few words: `784 columns of probabilities`.
    pub fn describe(&self) -> String {
        let mut parts: Vec<(&str, usize, String)> = Vec::new();
        let softmax_columns = self.units.have(Kind::Softmax);
        for code in &self.columns {
            let (what, more) = match code {
                Code::Bit if softmax_columns => {
                    ("bits, one-hot where units are softmax", String::new())
                }
                Code::Bit => ("bits", String::new()),
                Code::Probability => ("probabilities", String::new()),
                Code::Sign => ("bits, -1 as 0", String::new()),
                Code::Spin { from_bits: true } => ("spins, 0 as -1", String::new()),
                Code::Spin { from_bits: false } => ("spins", String::new()),
                Code::Number { mean, deviation } if (*mean, *deviation) == (0.0, 1.0) => {
                    ("numbers", String::new())
                }
                Code::Number { .. } => (
                    "numbers, each minus its mean and over its deviation",
                    String::new(),
                ),
                Code::Count => ("counts", String::new()),
                Code::Category { values } => ("categories", format!(" of {}", values.len())),
            };
            match parts.last_mut() {
                Some(last) if last.0 == what && last.2 == more => last.1 += 1,
                _ => parts.push((what, 1, more)),
            }
        }
        let most = 6;
        let mut words: Vec<String> = parts
            .iter()
            .take(most)
            .map(|(what, n, more)| {
                let columns = if *n == 1 { "column" } else { "columns" };
                format!("{n} {columns} of {what}{more}")
            })
            .collect();
        if parts.len() > most {
            words.push(format!(
                "{} more",
                self.columns.len() - parts[..most].iter().map(|x| x.1).sum::<usize>()
            ));
        }
        if let Some(classes) = &self.classes {
            words.push(format!("labels of {} classes", classes.names.len()));
        }
        words.join(", ")
    }
}
