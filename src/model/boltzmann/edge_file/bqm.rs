//! A binary quadratic model as dimod writes it in JSON.
//!
//! # Source
//! `BinaryQuadraticModel.to_serializable` of dimod 0.12, schema 3.0.0.

use super::{
    Content, Edge, EdgeEnergy,
    numbering::{Numbers, renumbered},
};
use crate::error::{Error, Result};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

const SCHEMA: &str = "3.0.0";

/// What the arrays come after.
#[derive(Deserialize)]
struct Head {
    r#type: String,
    version: Version,
    use_bytes: bool,
}

#[derive(Deserialize)]
struct Version {
    bqm_schema: String,
}

#[derive(Deserialize)]
struct Model {
    variable_labels: Vec<Value>,
    variable_type: String,
    offset: f64,
    linear_biases: Vec<f64>,
    quadratic_biases: Vec<f64>,
    quadratic_head: Vec<usize>,
    quadratic_tail: Vec<usize>,
}

pub(super) fn content(path: &Path, text: &str) -> Result<Content> {
    let model = model(path, text)?;
    let energy = match model.variable_type.as_str() {
        "SPIN" => EdgeEnergy::SpinCosts,
        "BINARY" => EdgeEnergy::BitCosts,
        other => {
            let found = format!("{other:?}");
            return Err(Error::file(path, "variable_type SPIN or BINARY", found));
        }
    };
    let n = model.variable_labels.len();
    let mut found = Vec::new();
    let units = units(&model.variable_labels, &mut found);
    let mut edges = Vec::with_capacity(n + model.quadratic_biases.len());
    let mut push = |what: &str, k: usize, i: usize, j: usize, bias: f64| {
        let (weight, line) = (bias as f32, k + 1);
        if !weight.is_finite() {
            let found = format!("{bias} in {what}, number {line}");
            return Err(Error::file(path, "numbers of single precision", found));
        }
        edges.push(Edge { i, j, weight, line });
        Ok(())
    };
    for (k, &bias) in model.linear_biases.iter().enumerate() {
        push("linear_biases", k, units[k], units[k], bias)?;
    }
    for (k, &bias) in model.quadratic_biases.iter().enumerate() {
        let (i, j) = (model.quadratic_head[k], model.quadratic_tail[k]);
        if i >= n || j >= n || i == j {
            let found = format!("{i} and {j} in quadratic_head and tail, number {}", k + 1);
            return Err(Error::file(
                path,
                format!("two different variables below {n}"),
                found,
            ));
        }
        push("quadratic_biases", k, units[i], units[j], bias)?;
    }
    Ok(Content {
        edges,
        energy,
        offset: model.offset,
        numbers: Numbers::All(n),
        found,
    })
}

/// The model of the text, whose arrays agree in length.
fn model(path: &Path, text: &str) -> Result<Model> {
    let refused =
        |expected: &str, found: &dyn std::fmt::Display| Error::file(path, expected, found);
    let expected = "a BinaryQuadraticModel of dimod (json.dump(bqm.to_serializable(), file))";
    let head: Head = serde_json::from_str(text).map_err(|e| refused(expected, &e))?;
    if head.r#type != "BinaryQuadraticModel" {
        return Err(refused(expected, &format!("type {:?}", head.r#type)));
    }
    let version = head.version.bqm_schema;
    if version != SCHEMA {
        let found = format!("bqm_schema {version:?}");
        return Err(refused(
            "a model of bqm_schema 3.0.0 (dimod 0.9 or later)",
            &found,
        ));
    }
    if head.use_bytes {
        return Err(refused("numbers (dimod: use_bytes=False)", &"bytes"));
    }
    let model: Model = serde_json::from_str(text).map_err(|e| refused(expected, &e))?;
    let n = model.variable_labels.len();
    if n == 0 {
        return Err(refused("at least one variable", &"none"));
    }
    if model.linear_biases.len() != n {
        let expected = format!("{n} linear_biases, one a variable");
        return Err(refused(&expected, &model.linear_biases.len()));
    }
    let m = model.quadratic_biases.len();
    let (heads, tails) = (model.quadratic_head.len(), model.quadratic_tail.len());
    if (heads, tails) != (m, m) {
        let expected = format!("{m} quadratic_head and quadratic_tail, as quadratic_biases");
        return Err(refused(&expected, &format!("{heads} and {tails}")));
    }
    Ok(model)
}

/// The unit of each variable: in rising order if the labels are whole numbers, else in the order of
/// the file.
fn units(labels: &[Value], found: &mut Vec<String>) -> Vec<usize> {
    let numbers: Option<Vec<u64>> = labels.iter().map(Value::as_u64).collect();
    let Some(numbers) = numbers else {
        found.push(renumbered(labels));
        return (0..labels.len()).collect();
    };
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|&k| numbers[k]);
    if order
        .iter()
        .enumerate()
        .any(|(unit, &k)| numbers[k] != unit as u64)
    {
        found.push(renumbered(order.iter().map(|&k| numbers[k])));
    }
    let mut units = vec![0; labels.len()];
    for (unit, k) in order.into_iter().enumerate() {
        units[k] = unit;
    }
    units
}
