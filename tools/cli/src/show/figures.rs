//! The figures of a report: one list, of which both its table and its JSON are made.

use super::report;
use crate::failure::Outcome;
use serde_json::{Map, Value, json};

/// A row of a table: name, value and remark.
pub type Row = [String; 3];

/// Figures in the order of their table.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    object: Map<String, Value>,
    rows: Vec<Row>,
}

impl Figures {
    /// Tells `value` under `key`, in JSON alone.
    pub fn put(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.object.insert(key.into(), value.into());
        self
    }

    /// Tells `value` with a remark, in the table alone.
    pub fn row(&mut self, name: &str, value: impl Into<String>, remark: impl Into<String>) {
        self.rows.push([name.into(), value.into(), remark.into()]);
    }

    /// Tells a number of nats in both.
    pub fn nats(&mut self, key: &str, name: &str, x: f64, remark: impl Into<String>) {
        self.put(key, x).row(name, format!("{x:.2} nats"), remark);
    }

    /// Tells what speaks against the figures in both, below what was told before.
    pub fn warnings(&mut self, warnings: &[impl ToString]) {
        let all = self.object.entry("warnings").or_insert_with(|| json!([]));
        for warning in warnings.iter().map(ToString::to_string) {
            if let Value::Array(all) = all {
                all.push(warning.clone().into());
            }
            self.rows.push(["warning".into(), warning, String::new()]);
        }
    }

    /// Adds those of `other` below; warnings of both stay.
    pub fn extend(&mut self, mut other: Self) {
        if let (Some(Value::Array(own)), Some(Value::Array(more))) = (
            self.object.get_mut("warnings"),
            other.object.get_mut("warnings"),
        ) {
            own.append(more);
            other.object.remove("warnings");
        }
        self.object.extend(other.object);
        self.rows.extend(other.rows);
    }

    /// As a JSON object.
    pub fn object(&self) -> &Map<String, Value> {
        &self.object
    }

    /// As the rows of a table.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Prints one JSON object, or the table under a title.
    ///
    /// # Errors
    /// Those of writing to stdout.
    pub fn print(self, as_json: bool, title: &str) -> Outcome<()> {
        match as_json {
            true => report::json(self.object),
            false => report::table(title, &self.rows),
        }
    }
}

impl FromIterator<Figures> for Figures {
    fn from_iter<I: IntoIterator<Item = Self>>(all: I) -> Self {
        let mut whole = Self::default();
        all.into_iter().for_each(|figures| whole.extend(figures));
        whole
    }
}
