//! States in the terms of the data.

use super::{Code, Encoding};
use crate::{
    dataset::{
        Rows,
        table::{Cells, Table},
    },
    error::{Error, Result},
    matrix::Matrix,
};

impl Encoding {
    /// The table of states `[n x units]`: what [`Self::encode`] takes back, but that numbers are
    /// those of single precision times the deviation, and a probability is what it was. Of a
    /// softmax group the unit with the greatest value counts. What examples miss is missing in the
    /// table, and their weights are its weights; their labels are no column, see
    /// [`Examples::labels`](crate::Examples::labels) and [`Self::classes`].
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of units, or no states.
    pub fn decode<'a>(&self, states: impl Into<Rows<'a>>) -> Result<Table> {
        let rows = states.into();
        let states = rows.input();
        let is_missing = |i: usize, j: usize| rows.observed().is_some_and(|mask| !mask.get(i, j));
        self.check_width(states.columns())?;
        let mut cells = Vec::with_capacity(states.rows() * self.columns.len());
        let mut row = vec![0.0; states.columns()];
        for i in 0..states.rows() {
            states.copy_row_to(i, &mut row);
            let mut unit = 0;
            for code in &self.columns {
                cells.push(match code {
                    _ if is_missing(i, unit) => f64::NAN,
                    Code::Category { values } => {
                        let group = &row[unit..unit + values.len()];
                        let best = (0..group.len())
                            .rev()
                            .max_by(|&a, &b| group[a].total_cmp(&group[b]));
                        let best = best.unwrap_or(0);
                        match self.are_texts(values) {
                            true => best as f64,
                            false => values[best].parse().unwrap_or(f64::NAN),
                        }
                    }
                    code => self.number(code, row[unit].into()),
                });
                unit += code.size();
            }
        }
        let n = states.rows();
        let mut table = Table::new("states", Cells::Numbers(cells), n, self.shape.clone())?;
        table.names.clone_from(&self.names);
        table.weights = rows.weights().map(<[f32]>::to_vec);
        for (j, code) in self.columns.iter().enumerate() {
            if let Code::Category { values } = code
                && self.are_texts(values)
            {
                table.texts.insert(j, values.to_vec());
            }
        }
        Ok(table)
    }

    /// Means of the units `[n x units]` in the terms of the data, one column a unit: of a category
    /// its probability, under the name `column=category`. Names are numbers from 1 where the
    /// columns have none.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_means(&self, means: &Matrix) -> Result<Table> {
        self.check_width(means.columns())?;
        let codes: Vec<&Code> = self
            .columns
            .iter()
            .flat_map(|x| std::iter::repeat_n(x, x.size()))
            .collect();
        let mut cells = Vec::with_capacity(means.rows() * codes.len());
        for i in 0..means.rows() {
            let row = means.row(i).iter().zip(&codes);
            cells.extend(row.map(|(&x, code)| self.number(code, x.into())));
        }
        let shape = match codes.len() == self.columns.len() {
            true => self.shape.clone(),
            false => vec![codes.len()],
        };
        let mut table = Table::new("means", Cells::Numbers(cells), means.rows(), shape)?;
        table.names = self.unit_names();
        Ok(table)
    }

    /// What is expected of each column `[n x columns]`, in the terms of the data, by the means of
    /// its units `[n x units]`: of categories that are numbers `sum_k p_k x_k`, of texts the most
    /// probable, of all else the mean. Of states it is what [`Self::decode`] has.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_expected(&self, means: &Matrix) -> Result<Table> {
        let mut table = self.decode(means)?;
        let rows = (0..means.rows()).flat_map(|i| {
            let mut unit = 0;
            let (table, row) = (&table, means.row(i));
            self.columns.iter().enumerate().map(move |(j, code)| {
                let group = &row[unit..unit + code.size()];
                unit += code.size();
                match code {
                    Code::Category { values } if !table.texts.contains_key(&j) => {
                        let value = |k: usize| values[k].parse().unwrap_or(f64::NAN);
                        let terms = group.iter().enumerate();
                        let terms = terms.map(|(k, &p)| f64::from(p) * value(k));
                        terms.sum::<f64>() / group.iter().map(|&p| f64::from(p)).sum::<f64>()
                    }
                    _ => table.get(i, j),
                }
            })
        });
        let cells = Cells::Numbers(rows.collect());
        let names = std::mem::take(&mut table.names);
        let texts = std::mem::take(&mut table.texts);
        let mut expected = Table::new("means", cells, means.rows(), self.shape.clone())?;
        (expected.names, expected.texts) = (names, texts);
        Ok(expected)
    }

    /// The names of the units: those of the columns, `column=category` of a softmax group.
    pub fn unit_names(&self) -> Vec<String> {
        let mut names = Vec::with_capacity(self.units.size());
        for (j, code) in self.columns.iter().enumerate() {
            let name = match self.names.get(j) {
                Some(name) => name.clone(),
                None => (j + 1).to_string(),
            };
            match code {
                Code::Category { values } => {
                    names.extend(values.iter().map(|value| format!("{name}={value}")));
                }
                _ => names.push(name),
            }
        }
        names
    }

    /// The state or mean `x` of a unit in the terms of the data.
    fn number(&self, code: &Code, x: f64) -> f64 {
        match code {
            Code::Sign => 2.0 * x - 1.0,
            Code::Spin { from_bits: true } => (x + 1.0) / 2.0,
            Code::Number { mean, deviation } => (x * deviation + mean) * self.scale,
            Code::Probability | Code::Count => x * self.scale,
            Code::Bit if self.scale != 1.0 => x * self.scale,
            Code::Bit | Code::Spin { from_bits: false } | Code::Category { .. } => x,
        }
    }

    /// Whether categories are texts and no numbers.
    fn are_texts(&self, values: &[String]) -> bool {
        values.iter().any(|value| value.parse::<i64>().is_err())
    }

    fn check_width(&self, found: usize) -> Result<()> {
        match self.units.size() {
            n if n == found => Ok(()),
            n => Err(Error::shape(
                "states to decode",
                format!("{n} units"),
                found,
            )),
        }
    }
}
