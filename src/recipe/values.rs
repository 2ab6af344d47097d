//! The options of a plan as names and texts: what a run that goes on must agree with.

use super::{Plan, defaults::method};
use crate::train::{Averaging, Negative, Offset, Positive, Schedule};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Options by name, each with its value as text, or with one text a layer.
///
/// Names are those of the model file, parts of an option after a dot: `learning_rate`, `negative`
/// (the name of its [method](super::defaults::negative)) with `negative.chains`,
/// `greedy.layers.options.momentum`. What is not set is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(BTreeMap<String, Vec<String>>);

impl Values {
    /// Adds options as they are stored, as parts of `name` if it is not empty.
    pub fn add(&mut self, name: &str, options: &impl Serialize) {
        // By way of text numbers keep the digits of f32.
        let text = serde_json::to_string(options).unwrap_or_default();
        self.read(name, &serde_json::from_str(&text).unwrap_or_default());
    }

    fn read(&mut self, name: &str, value: &Value) {
        let is_negative = name == "negative" || name.ends_with(".negative");
        if let Some(negative) = Some(value).filter(|_| is_negative).and_then(read_negative) {
            // By the name of the method, and what it takes.
            self.put(name, method(&negative));
            if let Some(Value::Object(parts)) = value.as_object().and_then(|x| x.values().next()) {
                self.read_parts(name, parts);
            }
            return;
        }
        if let Some(text) = text_of(value) {
            return self.put(name, text);
        }
        match value {
            Value::Array(all) => all.iter().for_each(|value| self.read(name, value)),
            Value::Object(all) => {
                let mut members = all.iter();
                // An option of several kinds: its kind is its value, what that takes are parts.
                if let (Some((kind, Value::Object(parts))), None) = (members.next(), members.next())
                    && !name.is_empty()
                {
                    self.put(name, kind.clone());
                    return self.read_parts(name, parts);
                }
                self.read_parts(name, all);
            }
            _ => {}
        }
    }

    fn read_parts(&mut self, name: &str, parts: &serde_json::Map<String, Value>) {
        for (part, value) in parts {
            match name {
                "" => self.read(part, value),
                name => self.read(&format!("{name}.{part}"), value),
            }
        }
    }

    /// Adds a value.
    pub fn put(&mut self, name: &str, text: impl Into<String>) {
        self.0.entry(name.into()).or_default().push(text.into());
    }

    /// Puts a value in place of all others.
    pub fn set(&mut self, name: &str, text: impl Into<String>) {
        self.0.insert(name.into(), vec![text.into()]);
    }

    /// The value of an option, one for each layer where these have their own; empty if it is not
    /// set.
    pub fn get(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether an option has the value that was `said`: one for all layers, or one for each.
    pub fn agree(&self, name: &str, said: &[String]) -> bool {
        let stored = self.get(name);
        match said {
            [one] => !stored.is_empty() && stored.iter().all(|x| is_same(x, one)),
            all => {
                let same = all.iter().zip(stored).all(|(a, b)| is_same(a, b));
                all.len() == stored.len() && same
            }
        }
    }
}

/// A value that is one text: numbers, names, and options that people write as one word.
fn text_of(value: &Value) -> Option<String> {
    fn word<T: serde::de::DeserializeOwned + ToString>(value: &Value) -> Option<String> {
        let read: Option<T> = serde_json::from_value(value.clone()).ok();
        read.map(|x| x.to_string())
    }
    match value {
        Value::Bool(x) => Some(x.to_string()),
        Value::Number(x) => Some(x.to_string()),
        Value::String(x) => Some(x.clone()),
        Value::Object(_) => word::<Schedule>(value)
            .or_else(|| word::<Averaging>(value))
            .or_else(|| word::<Offset>(value)),
        Value::Array(_) | Value::Null => None,
    }
}

fn read_negative(value: &Value) -> Option<Negative> {
    serde_json::from_value(value.clone()).ok()
}

/// Whether two texts are the same value: `2e-4` is `0.0002`, `linear:0.10:0` is `linear:0.1:0`.
fn is_same(a: &str, b: &str) -> bool {
    fn both<T: std::str::FromStr + PartialEq>(a: &str, b: &str) -> bool {
        matches!((a.parse::<T>(), b.parse::<T>()), (Ok(a), Ok(b)) if a == b)
    }
    let is_whole = |x: &str| x.parse::<u64>().is_ok();
    if a == b || both::<u64>(a, b) {
        return true;
    }
    let word = |x: &str| x.replace(['-', '_'], "");
    let is_word = |x: &str| x.starts_with(|c: char| c.is_alphabetic());
    if is_word(a) && is_word(b) && word(a) == word(b) {
        return true;
    }
    // Large whole numbers are not told apart as f32.
    !(is_whole(a) && is_whole(b)) && (both::<Schedule>(a, b) || both::<Averaging>(a, b))
}

impl Plan {
    /// All options of all stages. A run that goes on must agree with them, but for epochs, which
    /// may grow.
    pub fn values(&self) -> Values {
        let mut values = Values::default();
        match self {
            Self::Rbm(plan) => {
                values.add("", &plan.options);
                values.put("visible_units", plan.visible.to_string());
                values.put("hidden_units", plan.hidden.to_string());
                values.put("hidden", plan.hidden.size().to_string());
            }
            Self::Boltzmann(plan) => {
                values.add("", &plan.options);
                values.put("hidden", plan.hidden.to_string());
            }
            Self::Dbn(plan) => {
                values.add("greedy", &plan.greedy);
                values.add("up_down", &plan.up_down);
                values.put("visible_units", plan.visible.to_string());
            }
            Self::Dbm(plan) => {
                if let Some(rbms) = &plan.pretraining {
                    for l in 0..rbms.hidden.len() {
                        values.add("pretraining", &rbms.options_of(l));
                    }
                }
                values.add("hidden", &plan.hidden);
                values.add("joint", &plan.joint);
                values.set("joint.negative", method(&plan.joint.negative));
                let positive = match plan.joint.positive {
                    Positive::Exact => "exact",
                    Positive::Gibbs { .. } => "gibbs",
                    Positive::MeanField(_) => "mean_field",
                };
                values.set("joint.positive", positive);
            }
        }
        values.add("fine_tune", &self.fine_tune());
        values
    }
}
