//! Tables of columns that a program holds.

use super::{Cells, Table};
use crate::error::{Error, Result};

/// The cells of a column that a program holds, a row each; see [`Table::from_columns`].
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Numbers; NaN is a missing value.
    Numbers(Vec<f64>),
    /// Texts; an empty one is a missing value.
    Texts(Vec<String>),
}

impl Column {
    /// A column of numbers; NaN is a missing value.
    pub fn numbers(numbers: impl IntoIterator<Item = impl Into<f64>>) -> Self {
        Self::Numbers(numbers.into_iter().map(Into::into).collect())
    }

    /// A column of texts; an empty one is a missing value.
    pub fn texts(texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::Texts(texts.into_iter().map(Into::into).collect())
    }

    fn len(&self) -> usize {
        match self {
            Self::Numbers(x) => x.len(),
            Self::Texts(x) => x.len(),
        }
    }
}

impl Table {
    /// A table of columns that a program holds, each with its name: what a reader makes of a file
    /// of the same cells. Labels and weights are fields to be set.
    ///
    /// ```
    /// use harmonium::{Layer, Rbm, dataset::{Asked, Column, Encoding, Table}};
    /// let table = Table::from_columns([
    ///     ("height", Column::numbers([1.62, 1.75, 1.81])),
    ///     ("color", Column::texts(["red", "blue", "red"])),
    /// ])?;
    /// let units = Some("gaussian:1+softmax".into());
    /// let asked = Asked { units, standardize: true, ..Asked::default() };
    /// let encoding = Encoding::fit(&table, &asked)?;
    /// let data = encoding.encode(&table)?; // a number, and a softmax group of two units
    /// let visible = Layer::new(encoding.units().clone());
    /// let rbm = Rbm::unconnected(visible, Layer::bernoulli(4))?.initialized_from(&data, 1)?;
    ///
    /// let samples = encoding.decode(rbm.chains(5, 1)?.visible())?;
    /// assert_eq!(samples.names, ["height", "color"]);
    /// assert!(["red", "blue"].contains(&samples.text(0, 1).as_str()));
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] for columns that are not as long as the first; [`Error::Parameter`] for an
    /// infinite number; [`Error::File`] without columns or rows.
    pub fn from_columns(
        columns: impl IntoIterator<Item = (impl Into<String>, Column)>,
    ) -> Result<Self> {
        let (names, columns): (Vec<String>, Vec<Column>) = columns
            .into_iter()
            .map(|(name, column)| (name.into(), column))
            .unzip();
        let (rows, width) = (columns.first().map_or(0, Column::len), columns.len());
        let mut cells = vec![0.0; rows * width];
        let mut texts = std::collections::BTreeMap::new();
        for (j, (column, name)) in columns.into_iter().zip(&names).enumerate() {
            if column.len() != rows {
                let (expected, found) = (format!("{rows} rows, as the first"), column.len());
                return Err(Error::shape(format!("column {name:?}"), expected, found));
            }
            let numbers = match column {
                Column::Numbers(numbers) => numbers,
                Column::Texts(column) => {
                    let (numbers, distinct) = coded(&column);
                    texts.insert(j, distinct);
                    numbers
                }
            };
            for (i, x) in numbers.into_iter().enumerate() {
                if x.is_infinite() {
                    let place = format!("row {}, column {name:?}", i + 1);
                    return Err(Error::parameter(place, "a finite number, or NaN", x));
                }
                cells[i * width + j] = x;
            }
        }
        let mut table = Self::new(
            "columns in memory",
            Cells::Numbers(cells),
            rows,
            vec![width],
        )?;
        (table.names, table.texts) = (names, texts);
        Ok(table)
    }
}

/// Which of the distinct texts, in order, each of `column` is: NaN of an empty one.
fn coded(column: &[String]) -> (Vec<f64>, Vec<String>) {
    let mut distinct: Vec<String> = column.iter().filter(|x| !x.is_empty()).cloned().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let code = |text: &String| distinct.binary_search(text).map_or(f64::NAN, |k| k as f64);
    (column.iter().map(code).collect(), distinct)
}
