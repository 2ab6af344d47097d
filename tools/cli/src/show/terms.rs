//! Files of states and means in the terms of the data: the names, categories and numbers of its
//! columns.

use super::numbers::{ends_in, write, write_table};
use crate::failure::Outcome;
use harmonium::{
    Matrix, States,
    dataset::{Code, Encoding, Table},
};
use std::path::Path;

/// Writes visible states, or their means, one row each: in CSV under the names of the columns,
/// categories and classes by theirs; in NPY bits as u8, categories that are numbers as i64,
/// standardized numbers as f64 and all else as f32. Units of labels follow: in CSV one column with
/// the class, or with the probability of each.
///
/// # Errors
/// Texts in NPY, which holds numbers; a file that cannot be written.
pub fn write_terms(
    path: &Path,
    encoding: &Encoding,
    states: &States,
    means: Option<&Matrix>,
) -> Outcome<()> {
    let n = encoding.units().size();
    if ends_in(path, "csv") {
        return write_csv(path, encoding, states, means, n);
    }
    let table = match means {
        Some(means) => encoding.decode_means(&first_columns(means, n))?,
        None => encoding.decode(&states.first_columns(n))?,
    };
    write_npy(
        path,
        encoding,
        &table,
        means.is_some(),
        &rest(states, means, n),
    )
}

/// Writes a table as its file has it, with what is missing from `filled`, which is in the same
/// terms: in CSV under the names of the columns, with the classes of its rows; in NPY as f64.
///
/// # Errors
/// Texts in NPY, which holds numbers; a file that cannot be written.
pub fn write_filled(
    path: &Path,
    encoding: &Encoding,
    table: &Table,
    filled: &Table,
) -> Outcome<()> {
    let (rows, columns) = (table.len(), table.columns());
    if !ends_in(path, "csv") {
        expect_numbers(path, filled)?;
        let scale = table.scale();
        let cell = |i: usize, j: usize| match table.get(i, j) * scale {
            x if x.is_nan() => filled.get(i, j),
            x => x,
        };
        let cells = (0..rows).flat_map(|i| (0..columns).map(move |j| cell(i, j)));
        return write(path, [rows, columns], cells);
    }
    let mut names = match table.names.is_empty() {
        true => (1..=columns).map(|j| j.to_string()).collect(),
        false => table.names.clone(),
    };
    // As the reader takes row names back.
    if !table.row_names.is_empty() {
        names.insert(0, String::new());
    }
    names.extend(table.labels.iter().map(|labels| labels.name.clone()));
    let is_single = |j: usize| !matches!(encoding.columns().get(j), Some(Code::Number { .. }));
    let row = |i: usize| {
        let name = table.row_names.get(i).cloned().into_iter();
        let cells = (0..columns).map(|j| match table.text(i, j) {
            text if !text.is_empty() => text,
            // A mean of units of single precision has no more digits.
            _ if is_single(j) && !filled.texts.contains_key(&j) => {
                (filled.get(i, j) as f32).to_string()
            }
            _ => filled.text(i, j),
        });
        let class = table.labels.iter();
        let class = class.map(|labels| labels.classes[labels.codes[i] as usize].clone());
        name.chain(cells).chain(class).collect()
    };
    write_table("--out", path, &names, (0..rows).map(row))
}

/// Refuses texts in NPY.
fn expect_numbers(path: &Path, table: &Table) -> Outcome<()> {
    let Some(&j) = table.texts.keys().next() else {
        return Ok(());
    };
    Err(crate::failure::Failure::usage(format!(
        "--out {}: {} holds texts, and NPY numbers",
        path.display(),
        table.column_name(j)
    ))
    .hint("choose a file name that ends in .csv"))
}

fn first_columns(x: &Matrix, n: usize) -> Matrix {
    Matrix::from_fn(x.rows(), n, |i, j| x[(i, j)])
}

/// The units of labels.
fn rest(states: &States, means: Option<&Matrix>, n: usize) -> Matrix {
    let (rows, all) = (states.rows(), states.columns());
    Matrix::from_fn(rows, all - n, |i, j| match means {
        Some(means) => means[(i, n + j)],
        None => states.get(i, n + j),
    })
}

fn write_csv(
    path: &Path,
    encoding: &Encoding,
    states: &States,
    means: Option<&Matrix>,
    n: usize,
) -> Outcome<()> {
    let labels = rest(states, means, n);
    let classes = encoding
        .classes()
        .filter(|x| x.names.len() == labels.columns());
    let table = match means {
        Some(means) => encoding.decode_means(&first_columns(means, n))?,
        None => encoding.decode(&states.first_columns(n))?,
    };
    let mut names = match table.names.is_empty() {
        true => (1..=table.columns()).map(|j| j.to_string()).collect(),
        false => table.names.clone(),
    };
    match (classes, means) {
        (Some(classes), None) => names.push(classes.name.clone()),
        (Some(classes), Some(_)) => {
            let of = |class: &String| format!("{}={class}", classes.name);
            names.extend(classes.names.iter().map(of));
        }
        (None, _) => names.extend((0..labels.columns()).map(|y| format!("label={y}"))),
    }
    let is_single = |j: usize| matches!(encoding.columns().get(j), Some(Code::Number { .. }));
    let row = |i: usize| {
        let cells = (0..table.columns()).map(|j| match table.texts.contains_key(&j) {
            true => table.text(i, j),
            false if means.is_none() && is_single(j) && !encoding.is_standardized() => {
                (table.get(i, j) as f32).to_string()
            }
            false => table.get(i, j).to_string(),
        });
        let mut cells: Vec<String> = cells.collect();
        match (classes, means) {
            (Some(classes), None) => {
                let y = (0..labels.columns()).find(|&y| labels[(i, y)] == 1.0);
                cells.push(y.map_or_else(String::new, |y| classes.names[y].clone()));
            }
            _ => cells.extend(labels.row(i).iter().map(f32::to_string)),
        }
        cells
    };
    write_table("--out", path, &names, (0..table.len()).map(row))
}

fn write_npy(
    path: &Path,
    encoding: &Encoding,
    table: &Table,
    are_means: bool,
    labels: &Matrix,
) -> Outcome<()> {
    expect_numbers(path, table)?;
    let (rows, columns) = (table.len(), table.columns());
    let shape = [rows, columns + labels.columns()];
    let cell = |i: usize, j: usize| match j.checked_sub(columns) {
        None => table.get(i, j),
        Some(k) => labels[(i, k)].into(),
    };
    let cells = (0..rows).flat_map(|i| (0..shape[1]).map(move |j| cell(i, j)));
    let all = |is: &dyn Fn(&Code) -> bool| !are_means && encoding.columns().iter().all(is);
    if all(&|x| {
        matches!(
            x,
            Code::Bit | Code::Probability | Code::Spin { from_bits: true }
        )
    }) && encoding.scale() == 1.0
    {
        return write(path, shape, cells.map(|x| x as u8));
    }
    if all(&|x| matches!(x, Code::Category { .. } | Code::Count)) {
        return write(path, shape, cells.map(|x| x as i64));
    }
    match encoding.is_standardized() {
        true => write(path, shape, cells),
        false => write(path, shape, cells.map(|x| x as f32)),
    }
}
