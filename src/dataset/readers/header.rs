//! Whether the first line of a text names its columns.

use super::field::{Field, field};
use crate::{
    dataset::reading::Reading,
    error::{Error, Result},
};
use std::{collections::BTreeSet, path::Path};

/// Distinct fields of a column that are remembered, to tell whether a name comes again.
const REMEMBERED: usize = 256;
/// Fewest columns of which consecutive numbers are a header and no example.
const FEWEST_NUMBERED: usize = 3;

/// What stands in a column below its first field.
#[derive(Clone, Debug)]
pub(super) struct Below {
    numbers: usize,
    pub(super) booleans: usize,
    texts: usize,
    least: f64,
    most: f64,
    /// The first distinct fields that are texts.
    distinct: BTreeSet<Vec<u8>>,
}

impl Default for Below {
    fn default() -> Self {
        Self {
            numbers: 0,
            booleans: 0,
            texts: 0,
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
            distinct: BTreeSet::new(),
        }
    }
}

impl Below {
    pub(super) fn see(&mut self, text: &[u8]) {
        match field(text) {
            Field::Number(x) => {
                self.numbers += 1;
                self.least = self.least.min(x);
                self.most = self.most.max(x);
            }
            Field::Boolean(_) => self.booleans += 1,
            Field::Missing => {}
            Field::Text => {
                self.texts += 1;
                if self.distinct.len() < REMEMBERED && !self.distinct.contains(text) {
                    self.distinct.insert(text.to_vec());
                }
            }
        }
    }

    /// Whether a field is neither a number, nor a boolean, nor missing, or booleans and numbers
    /// are mixed.
    pub(super) fn is_text(&self) -> bool {
        self.texts > 0 || self.booleans > 0 && self.numbers > 0
    }

    fn has_values(&self) -> bool {
        !self.is_text() && self.numbers + self.booleans > 0
    }
}

/// What the first line is.
///
/// It is a header if it has a name, which no field of another line may be mistaken for, above every
/// column of numbers; above columns of text alone, if none of its fields comes again below it. It
/// is a header too if it counts the columns, `0, 1, 2, ...` or `1, 2, 3, ...`, and a third of these
/// numbers lie outside the range of their column. A line with names above some columns of numbers
/// and numbers above others is refused.
#[derive(Debug)]
pub(super) struct First {
    pub(super) is_header: bool,
    /// Whether the first column names the rows.
    pub(super) has_row_numbers: bool,
    /// What is to be said of it.
    pub(super) found: Vec<String>,
}

impl First {
    pub(super) fn of(
        path: &Path,
        first: &[String],
        columns: &[Below],
        reading: &Reading,
    ) -> Result<Self> {
        let mut found = Vec::new();
        let is_header = match reading.header {
            Some(is_header) => is_header,
            None => recognized(path, first, columns, &mut found)?,
        };
        Ok(Self {
            is_header,
            has_row_numbers: is_header && matches!(first[0].as_str(), "" | "Unnamed: 0"),
            found,
        })
    }

    /// With an unnamed first column as names of the rows if these are `distinct`.
    pub(super) fn with_row_names(mut self, distinct: bool) -> Self {
        self.has_row_numbers &= distinct;
        if self.has_row_numbers {
            let what = "the first column holds row names and is left out";
            self.found.push(what.into());
        }
        self
    }

    /// The name of column `j`.
    pub(super) fn name(&self, first: &[String], j: usize) -> String {
        match self.is_header && !first[j].is_empty() {
            true => first[j].clone(),
            false => (j + 1).to_string(),
        }
    }
}

fn recognized(
    path: &Path,
    first: &[String],
    columns: &[Below],
    found: &mut Vec<String>,
) -> Result<bool> {
    let fields: Vec<Field> = first.iter().map(|x| field(x.as_bytes())).collect();
    let is_text = |j: usize| matches!(fields[j], Field::Text);
    let is_value = |j: usize| matches!(fields[j], Field::Number(_) | Field::Boolean(_));
    let named = first.iter().filter(|x| !x.is_empty());
    let distinct: BTreeSet<&String> = named.clone().collect();
    let differ = distinct.len() == named.count();
    if (0..first.len()).all(|j| !is_text(j)) {
        let counts = counts_columns(&fields, columns);
        if counts {
            found.push("the first line counts the columns and is their header".into());
        }
        return Ok(counts);
    }
    let of_numbers: Vec<usize> = (0..first.len())
        .filter(|&j| columns[j].has_values())
        .collect();
    let (texts, values) = (
        of_numbers.iter().filter(|&&j| is_text(j)).count(),
        of_numbers.iter().find(|&&j| is_value(j)),
    );
    let is_header = match (texts, values) {
        (0, Some(_)) => false,
        (0, None) => {
            let comes_again = |j: usize| columns[j].distinct.contains(first[j].as_bytes());
            differ && !(0..first.len()).any(comes_again)
        }
        (_, None) if differ => true,
        (_, None) => {
            let expected = "names in line 1 that differ";
            return Err(Error::file(path, expected, format!("{first:?}")));
        }
        (_, Some(&j)) => {
            let name = of_numbers.iter().find(|&&j| is_text(j)).map(|&j| &first[j]);
            return Err(Error::file(
                path,
                "a first line of names or one of values (say which with header yes or no)",
                format!(
                    "{:?} beside {:?} in line 1, column {}",
                    name.map_or("", String::as_str),
                    first[j],
                    j + 1
                ),
            ));
        }
    };
    let is_plain = is_header || columns.iter().any(|x| x.has_values());
    if !is_plain {
        found.push("the first line is an example, for its fields come again below".into());
    }
    Ok(is_header)
}

/// Whether the first line counts the columns, perhaps after one without a name, and cannot be an
/// example.
fn counts_columns(fields: &[Field], columns: &[Below]) -> bool {
    let skipped = usize::from(fields[0] == Field::Missing);
    let counted = &fields[skipped..];
    let start = match counted.first() {
        Some(Field::Number(x)) if *x == 0.0 || *x == 1.0 => *x,
        _ => return false,
    };
    let counts = counted.iter().enumerate();
    let mut counts = counts.map(|(k, x)| *x == Field::Number(start + k as f64));
    let is_outside = |&j: &usize| match fields[j] {
        Field::Number(x) => x < columns[j].least || x > columns[j].most,
        _ => false,
    };
    let outside = (skipped..fields.len()).filter(is_outside).count();
    let n = counted.len();
    n >= FEWEST_NUMBERED && counts.all(|x| x) && 3 * outside >= n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_header(lines: &[&str]) -> Result<bool> {
        let split = |line: &&str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        let first = split(&lines[0]);
        let mut columns = vec![Below::default(); first.len()];
        for line in &lines[1..] {
            for (column, text) in columns.iter_mut().zip(split(line)) {
                column.see(text.as_bytes());
            }
        }
        let first = First::of(Path::new("x.csv"), &first, &columns, &Reading::default());
        first.map(|x| x.is_header)
    }

    #[test]
    fn headers_are_recognized() {
        for (lines, expected) in [
            (&["a,b", "0,1"][..], true),
            (&["0,1", "0,1"], false),
            // Names of columns that hold numbers, whatever text columns hold.
            (&["name,x", "anna,1", "name,2"], true),
            (&["anna,1", "bert,2"], false),
            // Text alone.
            (&["q0,q1", "A,B", "B,A"], true),
            (&["A,B", "B,A", "A,A"], false),
            (&["A,A", "B,C"], false),
            // A count of the columns.
            (&["0,1,2,3", "0,1,1,0", "1,1,1,0"], true),
            (&["1,2,3", "0,1,1"], true),
            (&[",0,1,2", "0,0,1,1", "1,0,1,0"], true),
            (&["0,1,2", "5,5,2", "-1,0,7"], false),
            (&["0,1", "5,7"], false),
            (&["0,1,0", "0,1,1"], false),
            // A value that is missing is no name.
            (&["?,1,0", "1,1,0"], false),
        ] {
            assert_eq!(is_header(lines).unwrap(), expected, "{lines:?}");
        }
        for lines in [&["x,1,0", "1,1,0"][..], &["x,x", "1,0"]] {
            assert!(is_header(lines).is_err(), "{lines:?}");
        }
    }
}
