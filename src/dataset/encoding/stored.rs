//! Encodings as JSON.

use super::{Classes, Code, Encoding};
use crate::{
    error::{Error, Result},
    units::Units,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const VERSION: u32 = 1;
/// Most units of an encoding: a file that claims more is not read.
const MOST_UNITS: usize = 1 << 28;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    shape: Vec<usize>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    scale: f64,
    units: String,
    columns: Vec<StoredColumns>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_index: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<StoredClasses>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredColumns {
    count: usize,
    code: StoredCode,
}

#[derive(Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StoredCode {
    Bit,
    Probability,
    Sign,
    Count,
    Spin { from_bits: bool },
    Number { mean: f64, deviation: f64 },
    Category { values: Vec<String> },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredClasses {
    name: String,
    names: Vec<String>,
}

fn one() -> f64 {
    1.0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(x: &f64) -> bool {
    *x == 1.0
}

impl From<&Code> for StoredCode {
    fn from(code: &Code) -> Self {
        match code {
            Code::Bit => Self::Bit,
            Code::Probability => Self::Probability,
            Code::Sign => Self::Sign,
            Code::Count => Self::Count,
            &Code::Spin { from_bits } => Self::Spin { from_bits },
            &Code::Number { mean, deviation } => Self::Number { mean, deviation },
            Code::Category { values } => Self::Category {
                values: values.to_vec(),
            },
        }
    }
}

impl From<StoredCode> for Code {
    fn from(code: StoredCode) -> Self {
        match code {
            StoredCode::Bit => Self::Bit,
            StoredCode::Probability => Self::Probability,
            StoredCode::Sign => Self::Sign,
            StoredCode::Count => Self::Count,
            StoredCode::Spin { from_bits } => Self::Spin { from_bits },
            StoredCode::Number { mean, deviation } => Self::Number { mean, deviation },
            StoredCode::Category { values } => Self::Category {
                values: Arc::new(values),
            },
        }
    }
}

impl Encoding {
    /// As the metadata `encoding` of a model file holds it, see [`Encoding`].
    pub fn to_json(&self) -> String {
        let mut columns: Vec<StoredColumns> = Vec::new();
        for code in &self.columns {
            let code = StoredCode::from(code);
            match columns.last_mut() {
                Some(last) if last.code == code => last.count += 1,
                _ => columns.push(StoredColumns { count: 1, code }),
            }
        }
        let stored = Stored {
            version: VERSION,
            shape: self.shape.clone(),
            scale: self.scale,
            units: self.units.to_string(),
            columns,
            names: self.names.clone(),
            first_index: self.first_index,
            classes: self.classes.as_ref().map(|x| StoredClasses {
                name: x.name.clone(),
                names: x.names.clone(),
            }),
        };
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Reads what [`Self::to_json`] writes.
    ///
    /// # Errors
    /// [`Error::Parameter`] for other text and for an encoding that contradicts itself.
    pub fn from_json(text: &str) -> Result<Self> {
        let foreign =
            |found: String| Error::parameter("encoding", "the JSON of an encoding", found);
        let stored: Stored = serde_json::from_str(text).map_err(|e| foreign(e.to_string()))?;
        if stored.version != VERSION {
            return Err(foreign(format!("version {}", stored.version)));
        }
        let size = |x: &StoredColumns| match &x.code {
            StoredCode::Category { values } => x.count.checked_mul(values.len()),
            _ => Some(x.count),
        };
        let sizes: Option<Vec<usize>> = stored.columns.iter().map(size).collect();
        let n = sizes.and_then(|x| x.into_iter().try_fold(0_usize, |a, b| a.checked_add(b)));
        let n = n.filter(|&n| n > 0 && n <= MOST_UNITS);
        let n = n.ok_or_else(|| foreign("columns of no or too many units".into()))?;
        let units = Units::parse(&stored.units, n)?;
        let columns: Vec<Code> = stored
            .columns
            .into_iter()
            .flat_map(|x| std::iter::repeat_n(Code::from(x.code), x.count))
            .collect();
        let shape = stored
            .shape
            .iter()
            .try_fold(1_usize, |n, &k| n.checked_mul(k));
        let is_deviation = |x: &Code| match x {
            Code::Number { mean, deviation } => {
                mean.is_finite() && deviation.is_finite() && *deviation > 0.0
            }
            _ => true,
        };
        if shape != Some(columns.len()) {
            return Err(foreign(format!(
                "{} columns of another shape",
                columns.len()
            )));
        }
        if !(stored.names.is_empty() || stored.names.len() == columns.len()) {
            return Err(foreign(format!(
                "{} names of {} columns",
                stored.names.len(),
                columns.len()
            )));
        }
        if !(columns.iter().all(is_deviation) && stored.scale.is_finite() && stored.scale > 0.0) {
            return Err(foreign(
                "a deviation or a scale that is no number above 0".into(),
            ));
        }
        Ok(Self {
            units,
            columns,
            shape: stored.shape,
            names: stored.names,
            scale: stored.scale,
            first_index: stored.first_index,
            classes: stored.classes.map(|x| Classes {
                name: x.name,
                names: x.names,
            }),
        })
    }
}
