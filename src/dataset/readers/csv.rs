//! Text: one example a line, fields between commas, semicolons, tabs or spaces.

use super::{
    field::{Field, field},
    header::{Below, First},
    source::Source,
};
use crate::{
    dataset::{
        reading::Reading,
        table::{Cells, Table},
    },
    error::{Error, Result},
};
use csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet},
    path::Path,
};

/// The byte order mark that some programs begin a text with.
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
/// Most distinct texts of a column that may be categories or classes.
const MOST_TEXTS: usize = 1 << 16;

/// The table in a text, with all its columns.
///
/// Fields are separated by what the first line has most of: commas, semicolons or tabs; by spaces
/// if it has none of them. A first line of names is a header, see [`First`]. A first column without
/// a name, or `Unnamed: 0`, whose fields are all different holds the numbers of the rows as other
/// programs write them: it is left out, and [said](Table::found). Columns of `true` and `false` are
/// 1 and 0. A column with a field that is none of these is text.
pub(in crate::dataset) fn table(source: Source<'_>, reading: &Reading) -> Result<Table> {
    let path = source.path().to_owned();
    let text = source.into_bytes()?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let (text, delimiter) = delimited(text);
    let file = File {
        path: &path,
        text: &text,
        delimiter,
    };
    let survey = file.survey()?;
    let first = First::of(&path, &survey.first, &survey.columns, reading)?;
    let first = first.with_row_names(survey.first_differs && survey.columns.len() > 1);
    if survey.is_short && !first.is_header {
        let (n, found) = (survey.columns.len(), survey.columns.len() - 1);
        return Err(Error::file(
            path,
            format!("{n} fields in line 1, as in the lines after"),
            found,
        ));
    }
    let keeps_names = first.has_row_numbers && reading.row_names;
    let mut table = file.read(&survey, &first, keeps_names)?;
    table.found.extend(first.found);
    if survey.columns.iter().any(|x| x.booleans > 0) {
        table.found.push("true and false as 1 and 0".into());
    }
    Ok(table)
}

/// The text with the byte that separates its fields, by the first line.
fn delimited(text: &[u8]) -> (Cow<'_, [u8]>, u8) {
    let line = text
        .split(|&b| b == b'\n')
        .find(|line| !line.trim_ascii().is_empty());
    let line = line.unwrap_or_default().trim_ascii();
    let mut is_quoted = false;
    let outside: Vec<u8> = line
        .iter()
        .copied()
        .filter(|&b| {
            is_quoted ^= b == b'"';
            !is_quoted
        })
        .collect();
    let count = |d: u8| outside.iter().filter(|&&b| b == d).count();
    // The first of those that are equally many, reversed for `max_by_key`.
    let most = [b'\t', b';', b','].into_iter().max_by_key(|&d| count(d));
    match most.filter(|&d| count(d) > 0) {
        Some(delimiter) => (Cow::Borrowed(text), delimiter),
        None if outside.contains(&b' ') => (Cow::Owned(single_spaces(text)), b' '),
        None => (Cow::Borrowed(text), b','),
    }
}

/// The text with one space where there were several, and none at the ends of lines.
fn single_spaces(text: &[u8]) -> Vec<u8> {
    let mut single = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&b| b == b'\n') {
        let is_whole = line.ends_with(b"\n");
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|x| !x.is_empty());
        if let Some(first) = words.next() {
            single.extend(first);
        }
        for word in words {
            single.push(b' ');
            single.extend(word);
        }
        single.extend(is_whole.then_some(b'\n'));
    }
    single
}

/// What a look at all fields tells.
struct Survey {
    first: Vec<String>,
    columns: Vec<Below>,
    /// Rows after the first.
    rows: usize,
    /// Whether the first line has a field less than the others.
    is_short: bool,
    /// Whether no two rows after the first have the same first field.
    first_differs: bool,
}

struct File<'a> {
    path: &'a Path,
    text: &'a [u8],
    delimiter: u8,
}

impl<'a> File<'a> {
    fn reader(&self) -> Reader<&'a [u8]> {
        ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .trim(Trim::All)
            .from_reader(self.text)
    }

    fn broken(&self, e: csv::Error) -> Error {
        Error::file(self.path, "a table in text", e)
    }

    /// Looks at all fields.
    fn survey(&self) -> Result<Survey> {
        let (mut reader, mut record) = (self.reader(), ByteRecord::new());
        let mut lines = Lines::new(self.text);
        let read = |reader: &mut Reader<_>, record: &mut ByteRecord| {
            reader.read_byte_record(record).map_err(|e| self.broken(e))
        };
        if !read(&mut reader, &mut record)? {
            let found = "a file without lines";
            return Err(Error::file(self.path, "lines of values", found));
        }
        let text = |x: &[u8]| String::from_utf8_lossy(x).into_owned();
        let first: Vec<String> = record.iter().map(text).collect();
        let mut survey = Survey {
            columns: vec![Below::default(); first.len()],
            first,
            rows: 0,
            is_short: false,
            first_differs: true,
        };
        let mut first_fields = HashSet::new();
        while read(&mut reader, &mut record)? {
            if survey.rows == 0 && record.len() == survey.first.len() + 1 {
                // R leaves the name of the row numbers out.
                survey.first.insert(0, String::new());
                survey.columns.push(Below::default());
                survey.is_short = true;
            }
            let expected = survey.columns.len();
            if record.len() != expected {
                let line = lines.of(&record);
                return Err(Error::file(
                    self.path,
                    format!("{expected} fields in line {line}, as in the lines before"),
                    record.len(),
                ));
            }
            for (column, field) in survey.columns.iter_mut().zip(&record) {
                column.see(field);
            }
            if survey.first_differs {
                survey.first_differs = first_fields.insert(record[0].to_vec());
            }
            survey.rows += 1;
        }
        Ok(survey)
    }

    /// The cells, with the names of the rows if `keeps_names`.
    fn read(&self, survey: &Survey, first: &First, keeps_names: bool) -> Result<Table> {
        let columns = &survey.columns;
        let is_text = |j: usize| {
            let in_first = !first.is_header && field(survey.first[j].as_bytes()) == Field::Text;
            in_first || columns[j].is_text()
        };
        let kept: Vec<usize> = (usize::from(first.has_row_numbers)..columns.len()).collect();
        let mut texts = self.texts(survey, first, &kept, is_text)?;
        let (mut reader, mut record) = (self.reader(), ByteRecord::new());
        let mut lines = Lines::new(self.text);
        let mut cells = Growing::default();
        let (mut numbers, mut names) = (Vec::new(), Vec::new());
        let mut is_first = true;
        while reader
            .read_byte_record(&mut record)
            .map_err(|e| self.broken(e))?
        {
            let is_header = std::mem::take(&mut is_first) && first.is_header;
            let line = lines.of(&record);
            if is_header {
                continue;
            }
            numbers.push(line);
            if keeps_names {
                names.push(String::from_utf8_lossy(&record[0]).into_owned());
            }
            for (to, &j) in kept.iter().enumerate() {
                let x = &record[j];
                cells.push(match (texts.get(&to), field(x)) {
                    (_, Field::Missing) => f64::NAN,
                    (Some(texts), _) => {
                        let text = String::from_utf8_lossy(x);
                        texts
                            .binary_search_by(|t| t.as_str().cmp(&text))
                            .unwrap_or(0) as f64
                    }
                    (None, Field::Number(x)) if x.is_finite() => x,
                    (None, Field::Boolean(x)) => x.into(),
                    (None, _) => {
                        let found = String::from_utf8_lossy(x);
                        let place = format!("{found:?} in line {line}, column {}", j + 1);
                        return Err(Error::file(self.path, "a finite number", place));
                    }
                });
            }
        }
        let (rows, width) = (numbers.len(), kept.len());
        if rows == 0 || width == 0 {
            let found = format!("{rows} lines with {width} values each");
            return Err(Error::file(self.path, "lines of at least one value", found));
        }
        let mut table = Table::new(self.path, cells.finish(), rows, vec![width])?;
        (table.lines, table.row_names) = (numbers, names);
        table.texts.append(&mut texts);
        if first.is_header {
            table.names = kept.iter().map(|&j| first.name(&survey.first, j)).collect();
        }
        Ok(table)
    }

    /// The distinct texts of the columns of text, by their place among the kept ones.
    fn texts(
        &self,
        survey: &Survey,
        first: &First,
        kept: &[usize],
        is_text: impl Fn(usize) -> bool,
    ) -> Result<BTreeMap<usize, Vec<String>>> {
        let mut texts = BTreeMap::new();
        let of_text: Vec<(usize, usize)> = kept
            .iter()
            .enumerate()
            .filter(|&(_, &j)| is_text(j))
            .map(|(to, &j)| (to, j))
            .collect();
        if of_text.is_empty() {
            return Ok(texts);
        }
        let mut distinct: Vec<BTreeSet<Vec<u8>>> = vec![BTreeSet::new(); of_text.len()];
        let (mut reader, mut record) = (self.reader(), ByteRecord::new());
        let mut is_first = true;
        while reader
            .read_byte_record(&mut record)
            .map_err(|e| self.broken(e))?
        {
            if std::mem::take(&mut is_first) && first.is_header {
                continue;
            }
            for (set, &(_, j)) in distinct.iter_mut().zip(&of_text) {
                if field(&record[j]) != Field::Missing && !set.contains(&record[j]) {
                    set.insert(record[j].to_vec());
                }
                if set.len() > MOST_TEXTS {
                    let name = first.name(&survey.first, j);
                    let expected = format!("at most {MOST_TEXTS} different texts in a column");
                    return Err(Error::file(
                        self.path,
                        expected,
                        format!("more in {name:?}"),
                    ));
                }
            }
        }
        for (set, (to, _)) in distinct.into_iter().zip(of_text) {
            let mut all: Vec<String> = set
                .iter()
                .map(|x| String::from_utf8_lossy(x).into_owned())
                .collect();
            all.sort_unstable();
            all.dedup();
            texts.insert(to, all);
        }
        Ok(texts)
    }
}

/// Numbers of lines, one record after the other.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8]) -> Self {
        let (at, line) = (0, 1);
        Self { text, at, line }
    }

    /// The line of a record, which comes after those before it.
    fn of(&mut self, record: &ByteRecord) -> u64 {
        let start = record.position().map_or(0, |x| x.byte() as usize);
        let start = start.clamp(self.at, self.text.len());
        // A record may begin with empty lines.
        let rest = &self.text[start..];
        let empty = rest
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'))
            .count();
        let passed = &self.text[self.at..start + empty];
        self.line += passed.iter().filter(|&&b| b == b'\n').count() as u64;
        self.at = start + empty;
        self.line
    }
}

/// Cells that are bytes as long as all of them are.
#[derive(Default)]
struct Growing {
    bytes: Vec<u8>,
    numbers: Option<Vec<f64>>,
}

impl Growing {
    fn push(&mut self, x: f64) {
        match &mut self.numbers {
            Some(numbers) => numbers.push(x),
            None if f64::from(x as u8).to_bits() == x.to_bits() => self.bytes.push(x as u8),
            None => {
                let bytes = std::mem::take(&mut self.bytes);
                let mut numbers: Vec<f64> = bytes.into_iter().map(f64::from).collect();
                numbers.push(x);
                self.numbers = Some(numbers);
            }
        }
    }

    fn finish(self) -> Cells {
        match self.numbers {
            Some(numbers) => Cells::Numbers(numbers),
            None => Cells::Bytes(self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(text: &str, reading: &Reading) -> Result<Table> {
        table(Source::new("some.csv", text.as_bytes())?, reading)
    }

    fn read(text: &str) -> Result<Table> {
        read_as(text, &Reading::default())
    }

    fn numbers(table: &Table) -> Vec<f64> {
        let cells = (0..table.len()).flat_map(|i| (0..table.columns()).map(move |j| (i, j)));
        cells.map(|(i, j)| table.get(i, j)).collect()
    }

    #[test]
    fn delimiters_and_ends_of_lines() {
        let expected = [0.0, 0.5, 1.0, 0.25];
        for text in [
            "0,0.5\n1,0.25\n",
            "a,b\r\n 0 ,5e-1\r\n1,.25",
            "a;b\n0;0.5\n1;0.25\n",
            "a\tb\n0\t0.5\n1\t0.25\n",
            " 0.0   5.0e-01\n\n 1.0   2.5e-01 \n",
            "\u{feff}a,b\n0,0.5\n1,0.25\n",
            "\"a,1\";b\n0;0.5\n1;0.25\n",
        ] {
            let table = read(text).unwrap();
            assert_eq!(numbers(&table), expected, "{text:?}");
        }
        assert_eq!(read("a,b\n0,1\n\n1,0").unwrap().lines, [2, 4]);
        assert_eq!(read("a,b\n0,1\n").unwrap().names, ["a", "b"]);
        assert!(matches!(read("0,255\n").unwrap().cells(), Cells::Bytes(_)));
        assert!(matches!(
            read("0,256\n").unwrap().cells(),
            Cells::Numbers(_)
        ));
    }

    #[test]
    fn text_booleans_and_what_is_missing() {
        let table = read("kind,on,x\nb,True,\na,FALSE,2\nb,true,NA\n").unwrap();
        assert_eq!(table.texts[&0], ["a", "b"]);
        assert_eq!(
            (table.get(0, 0), table.get(0, 1), table.get(1, 2)),
            (1.0, 1.0, 2.0)
        );
        assert!(table.get(0, 2).is_nan() && table.get(2, 2).is_nan());
        assert_eq!(
            (table.text(1, 0), table.text(0, 2)),
            ("a".into(), String::new())
        );
        assert!(table.found.iter().any(|x| x.contains("true and false")));
    }

    #[test]
    fn row_numbers_are_left_out() {
        for text in [
            ",a,b\n0,5,6\n1,7,8\n",
            "Unnamed: 0,a,b\n0,5,6\n1,7,8\n",
            "\"a\" \"b\"\n\"1\" 5 6\n\"2\" 7 8\n",
            ",a,b\nx,5,6\ny,7,8\n",
        ] {
            let table = read(text).unwrap();
            assert_eq!(numbers(&table), [5.0, 6.0, 7.0, 8.0], "{text:?}");
            assert_eq!(table.names, ["a", "b"]);
            assert!(
                table.found.iter().any(|x| x.contains("row")),
                "{:?}",
                table.found
            );
        }
    }

    #[test]
    fn refusals_say_what_came() {
        for (text, words) in [
            ("", "without lines"),
            ("a,b\n", "0 lines"),
            ("0,1\n0,1\n1\n", "expected 2 fields in line 3"),
            ("0,1\n\n0", "fields in line 3"),
            ("0,1\n0,inf\n", "\"inf\" in line 2, column 2"),
            ("x,1\n0,1\n0,0\n", "line 1"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(
                message.contains(words) && message.contains("some.csv"),
                "{text:?}: {message}"
            );
        }
    }
}
