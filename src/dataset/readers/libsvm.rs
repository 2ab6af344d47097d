//! The text of libsvm and svmlight: one example a line, `label index:value index:value`.
//!
//! # Source
//! The README of LIBSVM 3.3; `sklearn.datasets.dump_svmlight_file`.

use super::{source::Source, sparse::Triplets};
use crate::{
    dataset::table::{Labels, Table},
    error::{Error, Result},
};
use std::path::Path;

/// Whether the name is that of such a file, perhaps in gzip.
pub(in crate::dataset) fn is_named(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    [".svm", ".libsvm", ".svmlight"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// The table of the text, its first fields as labels. Indices count from 1, or from 0 if one of
/// them is 0, which is [said](Table::found); what follows `#` is passed over, and so is `qid:`.
pub(in crate::dataset) fn table(source: Source<'_>) -> Result<Table> {
    let path = source.path().to_owned();
    let bytes = source.into_bytes()?;
    let text = String::from_utf8(bytes)
        .map_err(|e| Error::file(&path, "text", format!("other bytes ({e})")))?;
    let mut lines = Vec::new();
    let mut labels = Vec::new();
    let mut triplets = Triplets::default();
    let (mut least, mut columns) = (u32::MAX, 0);
    let mut queries = 0;
    for (k, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let mut fields = line.split_ascii_whitespace();
        let Some(label) = fields.next() else {
            continue;
        };
        if label.contains([':', ',']) {
            let expected = format!("one label first in line {}", k + 1);
            return Err(Error::file(&path, expected, format!("{label:?}")));
        }
        let row = u32::try_from(labels.len())
            .map_err(|_| Error::file(&path, "fewer than 2^32 examples", "more"))?;
        for field in fields {
            if field.starts_with("qid:") {
                queries += 1;
                continue;
            }
            let Some((index, value)) = pair(field) else {
                let expected = format!("index:value in line {}", k + 1);
                return Err(Error::file(&path, expected, format!("{field:?}")));
            };
            // Values of 0 count for the width too.
            (least, columns) = (least.min(index), columns.max(u64::from(index) + 1));
            triplets.push(row, index, value);
        }
        labels.push(label);
        lines.push(k as u64 + 1);
    }
    let is_from_0 = least == 0;
    if !is_from_0 {
        triplets.columns.iter_mut().for_each(|j| *j -= 1);
        columns = columns.saturating_sub(1);
    }
    let mut table = triplets.into_table(&path, labels.len() as u64, columns)?;
    table.lines = lines;
    table.first_index = Some(least.min(1));
    table.labels = Some(classes(&path, &labels)?);
    if is_from_0 {
        table.found.push("indices count from 0".into());
    }
    if queries > 0 {
        table
            .found
            .push(format!("{queries} numbers of queries (qid) left out"));
    }
    Ok(table)
}

/// `index:value`, a finite number.
fn pair(field: &str) -> Option<(u32, f64)> {
    let (index, value) = field.split_once(':')?;
    let is_number = index.bytes().all(|b| b.is_ascii_digit());
    let index = index
        .parse()
        .ok()
        .filter(|&i: &u32| is_number && i < u32::MAX)?;
    let value = value.parse().ok().filter(|x: &f64| x.is_finite())?;
    Some((index, value))
}

/// Labels that are all whole numbers are those numbers, `+1` and `1.0` too; else they are texts.
fn classes(path: &Path, labels: &[&str]) -> Result<Labels> {
    let whole = |label: &&str| {
        let x: f64 = label.parse().ok()?;
        (x.fract() == 0.0 && x.abs() < 2_f64.powi(53)).then_some(x as i64)
    };
    if let Some(numbers) = labels.iter().map(whole).collect::<Option<Vec<i64>>>() {
        return Ok(Labels::from_numbers("label", &numbers));
    }
    let texts: Vec<String> = labels.iter().map(|x| (*x).to_owned()).collect();
    let labels = Labels::from_texts("label", &texts);
    match labels.classes.len() {
        n if n <= usize::from(u16::MAX) => Ok(labels),
        n => Err(Error::file(path, "at most 65535 classes", n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Table> {
        table(Source::new("some.svm", text.as_bytes())?)
    }

    fn rows(table: &Table) -> Vec<Vec<f64>> {
        let row = |i| (0..table.columns()).map(|j| table.get(i, j)).collect();
        (0..table.len()).map(row).collect()
    }

    #[test]
    fn lines_become_rows_of_few_values() {
        let text = "# two classes\n+1 1:0.5 3:2 # the first\n\n-1 qid:3 2:-1e-1 1:1\n-1\n";
        let table = read(text).unwrap();
        assert_eq!(
            rows(&table),
            [[0.5, 0.0, 2.0], [1.0, f64::from(-0.1_f32), 0.0], [0.0; 3]]
        );
        assert_eq!(table.lines, [2, 4, 5]);
        let labels = table.labels.as_ref().unwrap();
        assert_eq!(
            (&labels.codes[..], &labels.classes[..]),
            (&[1, 0, 0][..], &["-1".to_string(), "1".into()][..])
        );
        assert_eq!(
            table.found,
            [
                "values in single precision",
                "1 numbers of queries (qid) left out"
            ]
        );
        let from_0 = read("0 0:1 2:1\n1 1:1\n").unwrap();
        assert_eq!(rows(&from_0), [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
        assert_eq!(from_0.found, ["indices count from 0"]);
        let named = read("cat 1:1\ndog 2:1\ncat 1:1\n").unwrap().labels.unwrap();
        assert_eq!(
            (named.codes, named.classes),
            (vec![0, 1, 0], vec!["cat".to_string(), "dog".into()])
        );
    }

    #[test]
    fn refusals_say_line_and_field() {
        for (text, words) in [
            ("", ["at least one example", "0 examples"]),
            ("1\n2\n", ["at least one value", "2 examples of 0"]),
            ("1 1:1\n1:2 2:1\n", ["one label first in line 2", "1:2"]),
            ("1,3 1:1\n", ["one label first in line 1", "1,3"]),
            ("1 1:1\n0 1:x\n", ["index:value in line 2", "1:x"]),
            ("1 1:nan\n", ["index:value in line 1", "1:nan"]),
            ("1 -1:1\n", ["index:value in line 1", "-1:1"]),
            ("1 1:1 1:2\n", ["each value once", "row 1, column 1"]),
            ("1 4294967295:1\n", ["index:value in line 1", "4294967295"]),
            // A line of ten bytes must not make a table of four billion columns.
            (
                "1 4000000000:1\n",
                ["at most 1048640 rows and columns of 1", "1 x 4000000000"],
            ),
        ] {
            let message = read(text).unwrap_err().to_string();
            for word in words.into_iter().chain(["some.svm"]) {
                assert!(message.contains(word), "{message} should tell of {word}");
            }
        }
    }
}
