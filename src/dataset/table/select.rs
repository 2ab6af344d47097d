//! Which columns of a table are read, and which of them hold classes or weights.

use super::{Cells, Labels, Sparse, Table, check_labels};
use crate::{
    dataset::reading::Reading,
    error::{Error, Result},
};
use std::path::Path;

/// The name of a column of classes that needs no telling.
const LABEL: &str = "label";
/// Most classes.
const MOST_CLASSES: usize = 1 << 16;

impl Table {
    /// The columns that `reading` asks for; the label and the weight, if they are columns, apart
    /// from them. Labels and weights that are not columns are left for [`Self::with_label_file`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for a column that is not there or asked for twice; [`Error::File`] for
    /// labels that are missing and weights that are none.
    pub(in crate::dataset) fn selected(mut self, reading: &Reading) -> Result<Self> {
        let label = match &reading.label {
            Some(name) => self.position(name),
            None => self.only_named(LABEL)?,
        };
        let weight = reading.weight.as_ref().and_then(|name| self.position(name));
        let mut kept = self.asked(&reading.columns)?;
        kept.retain(|&j| Some(j) != label && Some(j) != weight);
        if kept.is_empty() {
            return Err(Error::file(
                &self.path,
                "lines of at least one value",
                format!("{} lines with 0 values each", self.rows),
            ));
        }
        if let Some(j) = label {
            let labels = self.labels_of(j)?;
            if reading.label.is_none() {
                let n = labels.classes.len();
                let name = self.column_name(j);
                self.found
                    .push(format!("{name} holds the labels, of {n} classes"));
            }
            self.labels = Some(labels);
        }
        if let Some(j) = weight {
            let weights = (0..self.rows).map(|i| self.get(i, j)).collect::<Vec<_>>();
            self.weights = Some(self.checked_weights(&weights)?);
        }
        if kept.len() == self.columns() {
            return Ok(self);
        }
        Ok(self.with_columns(&kept))
    }

    /// The table with labels from the file at `path`: an array of one dimension or a text of one
    /// column.
    ///
    /// # Errors
    /// Those of the readers; [`Error::File`] unless there is one an example.
    pub(in crate::dataset) fn with_label_file(
        self,
        path: &Path,
        read: impl FnOnce(&Path) -> Result<Self>,
    ) -> Result<Self> {
        let labels = read(path)?.labels_of(0)?;
        check_labels(path, &labels, self.rows)?;
        let labels = Some(labels);
        Ok(Self { labels, ..self })
    }

    /// The table with weights from the file at `path`, as labels.
    ///
    /// # Errors
    /// As [`Self::with_label_file`]; a number that is no weight.
    pub(in crate::dataset) fn with_weight_file(
        self,
        path: &Path,
        read: impl FnOnce(&Path) -> Result<Self>,
    ) -> Result<Self> {
        let column = read(path)?;
        let numbers: Vec<f64> = (0..column.rows).map(|i| column.get(i, 0)).collect();
        let weights = column.checked_weights(&numbers)?;
        if weights.len() != self.rows {
            let expected = format!("{} weights, one for each example", self.rows);
            return Err(Error::file(path, expected, weights.len()));
        }
        let weights = Some(weights);
        Ok(Self { weights, ..self })
    }

    /// The column of this name, or of this number from 1.
    fn position(&self, name: &str) -> Option<usize> {
        let named = self.names.iter().position(|x| x == name);
        let number = || name.parse::<usize>().ok().and_then(|k| k.checked_sub(1));
        named.or_else(|| number().filter(|&j| j < self.columns()))
    }

    fn only_named(&self, name: &str) -> Result<Option<usize>> {
        let mut named = (0..self.names.len()).filter(|&j| self.names[j] == name);
        let first = named.next();
        match named.next() {
            None => Ok(first),
            Some(_) => Err(Error::file(
                &self.path,
                format!("at most one column {name}"),
                "two of them",
            )),
        }
    }

    /// The columns that are asked for, in that order; all if none is.
    fn asked(&self, columns: &[String]) -> Result<Vec<usize>> {
        if columns.is_empty() {
            return Ok((0..self.columns()).collect());
        }
        let mut asked = Vec::new();
        for name in columns {
            let one = self.position(name).map(|j| j..j + 1);
            let Some(range) = one.or_else(|| self.numbered(name)) else {
                let n = self.columns();
                return Err(Error::parameter(
                    "columns",
                    match self.names.first() {
                        Some(first) => format!(
                            "names as in {} ({first:?} is the first), numbers from 1 to {n} or ranges of them",
                            self.path.display()
                        ),
                        None => format!("numbers from 1 to {n}, or ranges of them such as 2-{n}"),
                    },
                    format!("{name:?}"),
                ));
            };
            asked.extend(range);
        }
        let mut sorted = asked.clone();
        sorted.sort_unstable();
        match sorted.windows(2).find(|x| x[0] == x[1]) {
            Some(twice) => {
                let found = format!("{} twice", self.column_name(twice[0]));
                Err(Error::parameter("columns", "each column once", found))
            }
            None => Ok(asked),
        }
    }

    /// The range `first-last` of numbers from 1.
    fn numbered(&self, text: &str) -> Option<std::ops::Range<usize>> {
        let (first, last) = text.split_once('-')?;
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        let range = first.checked_sub(1)?..last;
        (!range.is_empty() && last <= self.columns()).then_some(range)
    }

    /// The classes in column `j`: whole numbers, other numbers or texts.
    fn labels_of(&self, j: usize) -> Result<Labels> {
        if let Some(i) = self.first_cell(j, f64::is_nan) {
            return Err(self.refused(i, j, "a label of every example"));
        }
        let name = match self.names.get(j) {
            Some(name) => name.clone(),
            None => LABEL.into(),
        };
        let numbers = (0..self.rows).map(|i| self.get(i, j));
        let is_whole = |x: f64| x.fract() == 0.0 && x.abs() < 2_f64.powi(53);
        let labels = match self.texts.contains_key(&j) || !numbers.clone().all(is_whole) {
            false => {
                let numbers: Vec<i64> = numbers.map(|x| x as i64).collect();
                Labels::from_numbers(name, &numbers)
            }
            true => {
                let texts: Vec<String> = (0..self.rows).map(|i| self.text(i, j)).collect();
                Labels::from_texts(name, &texts)
            }
        };
        match labels.classes.len() {
            n if n > MOST_CLASSES => {
                let expected = format!("labels of at most {MOST_CLASSES} classes");
                Err(Error::file(
                    &self.path,
                    expected,
                    format!("{n} in {}", self.column_name(j)),
                ))
            }
            _ => Ok(labels),
        }
    }

    /// Refuses weights that are none; those of a column, by row.
    fn checked_weights(&self, numbers: &[f64]) -> Result<Vec<f32>> {
        let is_weight = |x: &f64| (*x as f32).is_finite() && *x >= 0.0;
        match numbers.iter().position(|x| !is_weight(x)) {
            Some(i) => Err(Error::file(
                &self.path,
                "weights of at least 0",
                format!("{} in row {}", numbers[i], i + 1),
            )),
            None => Ok(numbers.iter().map(|&x| x as f32).collect()),
        }
    }

    /// The columns `kept`, in that order, as a table.
    fn with_columns(mut self, kept: &[usize]) -> Self {
        let n = self.columns();
        let rows = self.rows;
        let cells = (0..rows).flat_map(|i| kept.iter().map(move |&j| i * n + j));
        self.cells = match &self.cells {
            Cells::Bytes(x) => Cells::Bytes(cells.map(|k| x[k]).collect()),
            Cells::Floats(x) => Cells::Floats(cells.map(|k| x[k]).collect()),
            Cells::Numbers(x) => Cells::Numbers(cells.map(|k| x[k]).collect()),
            Cells::Sparse(x) => Cells::Sparse(x.with_columns(n, kept)),
        };
        if !self.names.is_empty() {
            self.names = kept.iter().map(|&j| self.names[j].clone()).collect();
        }
        let mut texts = std::mem::take(&mut self.texts);
        let new = kept.iter().enumerate();
        self.texts = new
            .filter_map(|(to, j)| Some((to, texts.remove(j)?)))
            .collect();
        self.shape = vec![kept.len()];
        self.first_index = None;
        self
    }
}

impl Table {
    /// The table as one of `n` columns, the first of which has the number `first`, where its file
    /// [tells no width](Self::first_index); any other table as it is.
    ///
    /// # Errors
    /// [`Error::File`], with its line, for a value outside these columns.
    pub fn with_width(mut self, n: usize, first: u32) -> Result<Self> {
        let (Some(own), Cells::Sparse(cells)) = (self.first_index, &mut self.cells) else {
            return Ok(self);
        };
        let moved = i64::from(own) - i64::from(first);
        if moved == 0 && self.shape == [n] {
            return Ok(self);
        }
        let is_outside = |j: &u32| !(0..n as i64).contains(&(i64::from(*j) + moved));
        if let Some(at) = cells.columns.iter().position(is_outside) {
            let i = cells.starts.partition_point(|&start| start <= at) - 1;
            let place = match self.lines.get(i) {
                Some(line) => format!("line {line}"),
                None => format!("row {}", i + 1),
            };
            let most = (n as u64 + u64::from(first)).saturating_sub(1);
            let expected = format!("numbers of columns from {first} to {most}");
            let found = u64::from(cells.columns[at]) + u64::from(own);
            return Err(Error::file(
                &self.path,
                expected,
                format!("{found} in {place}"),
            ));
        }
        for j in &mut cells.columns {
            *j = (i64::from(*j) + moved) as u32;
        }
        (self.shape, self.first_index) = (vec![n], Some(first));
        Ok(self)
    }
}

impl Sparse {
    /// The columns `kept` of `n`, in that order.
    fn with_columns(&self, n: usize, kept: &[usize]) -> Self {
        let mut places = vec![None; n];
        kept.iter()
            .enumerate()
            .for_each(|(to, &j)| places[j] = Some(to as u32));
        let mut new = Self {
            starts: vec![0],
            ..Self::default()
        };
        for i in 0..self.starts.len() - 1 {
            let (columns, values) = self.row(i);
            let row = columns.iter().zip(values);
            let mut row: Vec<(u32, f32)> = row
                .filter_map(|(&j, &x)| Some((places[j as usize]?, x)))
                .collect();
            row.sort_unstable_by_key(|&(j, _)| j);
            new.columns.extend(row.iter().map(|x| x.0));
            new.values.extend(row.iter().map(|x| x.1));
            new.starts.push(new.values.len());
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let cells = Cells::Numbers((0..12).map(f64::from).collect());
        let mut table = Table::new("x.csv", cells, 3, vec![4]).unwrap();
        table.names = ["a", "b", "label", "w"].map(String::from).to_vec();
        table
            .texts
            .insert(1, (0..12).map(|k| format!("t{k}")).collect());
        table
    }

    fn asking(columns: &[&str], label: Option<&str>, weight: Option<&str>) -> Reading {
        Reading {
            columns: columns.iter().map(|x| (*x).into()).collect(),
            label: label.map(String::from),
            weight: weight.map(String::from),
            ..Reading::default()
        }
    }

    #[test]
    fn columns_by_name_number_and_range() {
        let row = |reading: &Reading| {
            let table = table().selected(reading)?;
            Ok::<_, Error>(
                (0..table.columns())
                    .map(|j| table.get(1, j))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(row(&asking(&[], None, None)).unwrap(), [4.0, 5.0, 7.0]);
        assert_eq!(row(&asking(&[], Some("a"), Some("w"))).unwrap(), [5.0, 6.0]);
        assert_eq!(
            row(&asking(&["w", "1-2"], None, None)).unwrap(),
            [7.0, 4.0, 5.0]
        );
        for bad in ["c", "0", "5", "3-5", "2-1"] {
            let error = row(&asking(&[bad], None, None)).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
        assert!(row(&asking(&["a", "1"], None, None)).is_err());
        let texts = table()
            .selected(&asking(&["w", "b"], None, None))
            .unwrap()
            .texts;
        assert_eq!(texts.keys().copied().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn classes_have_names() {
        let labels = table()
            .selected(&asking(&["a"], None, None))
            .unwrap()
            .labels
            .unwrap();
        assert_eq!(
            (labels.codes, labels.classes),
            (vec![0, 1, 2], ["2", "6", "10"].map(String::from).to_vec())
        );
        let of = |numbers: &[i64]| Labels::from_numbers("y", numbers);
        assert_eq!(of(&[0, 2, 1, 0]).classes, ["0", "1", "2"]);
        // One that has no example keeps its number.
        assert_eq!(of(&[0, 1, 3]).codes, [0, 1, 3]);
        assert_eq!(of(&[1, -1]).classes, ["-1", "1"]);
        let weights = table()
            .selected(&asking(&["a"], None, Some("w")))
            .unwrap()
            .weights;
        assert_eq!(weights.unwrap(), [3.0, 7.0, 11.0]);
    }
}
