//! What a command prints on stdout: an aligned table, or one JSON object.

use crate::failure::{Failure, Outcome};
use harmonium::train::RbmOptions;
use serde_json::{Map, Value};
use std::io::{self, ErrorKind, Write};

/// Prints rows of name, value and remark, each column as wide as its widest cell.
pub fn table(title: &str, rows: &[[String; 3]]) -> Outcome<()> {
    let width = |column: usize| {
        rows.iter()
            .filter(|row| column == 0 || !row[column + 1].is_empty())
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let (names, values) = (width(0), width(1));
    let mut text = format!("{title}\n");
    for [name, value, remark] in rows {
        let line = format!("  {name:<names$}  {value:<values$}  {remark}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    print(&text)
}

/// Prints rows of `N` cells under `heads`, each column as wide as its widest cell.
pub fn columns<const N: usize>(
    title: &str,
    heads: &[&str; N],
    rows: &[[String; N]],
) -> Outcome<()> {
    let heads = heads.map(str::to_owned);
    let all = || std::iter::once(&heads).chain(rows);
    let width = |k: usize| all().map(|row| row[k].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = format!("{title}\n");
    for row in all() {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(x, width)| format!("  {x:<width$}"));
        text.push_str(cells.collect::<String>().trim_end());
        text.push('\n');
    }
    print(&text)
}

/// Prints one JSON object.
pub fn json(object: Map<String, Value>) -> Outcome<()> {
    print(&format!("{:#}\n", Value::Object(object)))
}

/// Figures as the notes of a model file that tell them.
pub fn figures<'a>(
    figures: impl IntoIterator<Item = (&'a String, &'a Value)>,
) -> Vec<(String, String)> {
    let note = |(key, value): (&String, &Value)| {
        let text = value.as_str();
        let text = text.map_or_else(|| value.to_string(), ToOwned::to_owned);
        (format!("figure.{key}"), text)
    };
    figures.into_iter().map(note).collect()
}

/// As [`figures`], without tables and lists.
pub fn single_figures(object: &Map<String, Value>) -> Vec<(String, String)> {
    let is_single = |(_, value): &(&String, &Value)| !value.is_object() && !value.is_array();
    figures(object.iter().filter(is_single))
}

/// Options of a run, with numbers as short as they were written: f32 widened to f64 shows its
/// rounding.
pub fn options(options: &RbmOptions) -> Value {
    read(serde_json::to_string(options))
}

/// What was written as JSON, as a value: numbers keep the digits of f32.
pub fn read(text: serde_json::Result<String>) -> Value {
    text.and_then(|text| serde_json::from_str(&text))
        .unwrap_or(Value::Null)
}

fn print(text: &str) -> Outcome<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|e| match e.kind() {
            ErrorKind::BrokenPipe => Failure::BrokenPipe,
            _ => Failure::failed(format!("cannot write to stdout: {e}")),
        })
}
