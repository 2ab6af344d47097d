//! CSV: one example a line, values separated by commas.

use super::{
    accepted::{Accepted, MAX_LABEL},
    examples::Examples,
    source::{Source, broken_stream},
};
use crate::{
    error::{Error, Result},
    matrix::Matrix,
};
use csv::{ByteRecord, ErrorKind, Position, ReaderBuilder, Trim};
use std::{io::Read, path::PathBuf};

/// Name of the column of labels.
const LABEL: &str = "label";

/// Examples of a CSV file. A first line in which any field is not a number is a header; its column
/// `label`, if there is one, holds labels from 0 to 65535. All other fields must be numbers in
/// `range`, and all lines equally wide.
pub(super) fn examples(source: Source<'_>, range: Accepted) -> Result<Examples> {
    if source.is_compressed() {
        return Err(source.error("an uncompressed CSV file", "gzip"));
    }
    let path = source.path().to_owned();
    let mut text = Vec::new();
    source
        .into_reader()
        .read_to_end(&mut text)
        .map_err(|e| broken_stream(&path, text.len(), e))?;
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .trim(Trim::All)
        .from_reader(&text[..]);
    let mut table = Table {
        path,
        range,
        text: &text,
        label: None,
        rows: 0,
        elements: Vec::new(),
        labels: Vec::new(),
    };
    let mut record = ByteRecord::new();
    let mut first = true;
    while reader
        .read_byte_record(&mut record)
        .map_err(|e| table.refused(e))?
    {
        if first && record.iter().any(|field| number(field).is_none()) {
            table.header(&record)?;
        } else {
            table.push(&record)?;
        }
        first = false;
    }
    table.finish()
}

/// What has been read of a file.
struct Table<'a> {
    path: PathBuf,
    range: Accepted,
    text: &'a [u8],
    /// The column of labels.
    label: Option<usize>,
    rows: usize,
    elements: Vec<f32>,
    labels: Vec<u32>,
}

impl Table<'_> {
    fn header(&mut self, record: &ByteRecord) -> Result<()> {
        let mut named = (0..record.len()).filter(|&j| &record[j] == LABEL.as_bytes());
        self.label = named.next();
        match named.next() {
            Some(_) => Err(Error::file(
                &self.path,
                "at most one column label",
                "two of them",
            )),
            None => Ok(()),
        }
    }

    fn push(&mut self, record: &ByteRecord) -> Result<()> {
        for (j, field) in record.iter().enumerate() {
            let refused = |expected: &str| {
                let field = String::from_utf8_lossy(field);
                let line = self.line(record.position());
                let place = format!("{field:?} in line {line}, field {}", j + 1);
                Error::file(&self.path, expected, place)
            };
            if self.label == Some(j) {
                let label = str::from_utf8(field)
                    .ok()
                    .and_then(|text| text.parse().ok())
                    .filter(|&label: &u32| label <= MAX_LABEL);
                self.labels
                    .push(label.ok_or_else(|| refused(&format!("a label from 0 to {MAX_LABEL}")))?);
            } else {
                let x = number(field).filter(|&x| self.range.contains(x.into()));
                self.elements
                    .push(x.ok_or_else(|| refused(&format!("a number{}", self.range.phrase())))?);
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Line of the record that starts at `position`, or after empty lines that start there.
    fn line(&self, position: Option<&Position>) -> usize {
        let start = position
            .map_or(0, |p| p.byte() as usize)
            .min(self.text.len());
        let (before, rest) = self.text.split_at(start);
        let empty = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n'));
        1 + before.iter().chain(empty).filter(|&&b| b == b'\n').count()
    }

    /// What the CSV reader complains about.
    fn refused(&self, e: csv::Error) -> Error {
        if let ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } = e.kind()
        {
            let line = self.line(pos.as_ref());
            return Error::file(
                &self.path,
                format!("{expected_len} fields in line {line}, as in the first"),
                len,
            );
        }
        Error::file(&self.path, "comma-separated values", e)
    }

    fn finish(self) -> Result<Examples> {
        if self.rows == 0 || self.elements.is_empty() {
            return Err(Error::file(
                &self.path,
                "at least one example of at least one value",
                format!("{} lines with {} values", self.rows, self.elements.len()),
            ));
        }
        let columns = self.elements.len() / self.rows;
        let examples =
            Examples::from_states(Matrix::from_slice(&self.elements, self.rows, columns)?);
        match self.label {
            Some(_) => examples.with_labels(self.labels),
            None => Ok(examples),
        }
    }
}

/// The number that a field holds; NaN and infinities count as numbers, to be refused as values.
fn number(field: &[u8]) -> Option<f32> {
    str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::states::States;
    use std::io::Write;

    fn read(text: &str) -> Result<Examples> {
        examples(
            Source::new("some.csv", text.as_bytes())?,
            Accepted::UnitInterval,
        )
    }

    #[test]
    fn header_and_labels_are_optional() {
        let plain = read("0,0.5\n1,0.25\n").unwrap();
        let expected = Matrix::from_slice(&[0.0, 0.5, 1.0, 0.25], 2, 2).unwrap();
        assert_eq!(plain.states(), &States::Real(expected));
        assert_eq!(plain.labels(), None);
        assert_eq!(read("a,b\r\n 0 ,5e-1\r\n1,.25").unwrap(), plain);
        let labeled = read("a,label,b\n0,7,0.5\n\n1,65535,0.25\n").unwrap();
        assert_eq!(labeled.states(), plain.states());
        assert_eq!(labeled.labels(), Some(&[7, 65535][..]));
    }

    #[test]
    fn refusals_say_what_came() {
        for (text, words) in [
            ("", "0 lines"),
            ("a,b\n", "0 lines"),
            ("label\n3\n", "1 lines with 0 values"),
            ("0,1\n0,1\n1\n", "expected 2 fields in line 3"),
            ("0,1\n0,x\n", "\"x\" in line 2, field 2"),
            ("0,1\n\n0,x\n", "\"x\" in line 3, field 2"),
            ("\r\n0,1\r\n\r\n0,1\r\n0,y\r\n", "\"y\" in line 5, field 2"),
            ("0,1\n\n0", "fields in line 3"),
            ("0,1\n0,nan\n", "\"nan\" in line 2, field 2"),
            ("0,1.5\n", "\"1.5\" in line 1, field 2"),
            ("-0.5\n", "\"-0.5\" in line 1, field 1"),
            ("label,a\n65536,0\n", "\"65536\" in line 2, field 1"),
            ("label,label\n1,0\n", "two of them"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(
                message.contains(words) && message.contains("some.csv"),
                "{message}"
            );
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"0,1\n").unwrap();
        let gzip = gzip.finish().unwrap();
        let refused = examples(
            Source::new("some.csv", &gzip[..]).unwrap(),
            Accepted::UnitInterval,
        )
        .unwrap_err();
        assert!(refused.to_string().contains("found gzip"));
    }
}
