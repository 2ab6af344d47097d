//! Examples from a table.

use super::{
    Code, Encoding,
    fit::{first_text, is_count},
};
use crate::{
    bits::{BitMatrix, WORD_BITS},
    dataset::{
        examples::Examples,
        memory,
        table::{Cells, Labels, Table},
    },
    error::{Error, Result},
    matrix::Matrix,
    states::{Input, States},
    threads::{in_pool, prelude::*},
    units::Kind,
};
use std::{borrow::Cow, collections::HashMap};

/// Most that a softmax group of means adds up to beside 1, as [`crate::Layer::check_values`] has
/// it.
const SUM_TOLERANCE: f32 = 1e-4;

/// Where a column of the encoding stands in a table, and its first unit.
pub(super) struct Place<'a> {
    pub(super) column: usize,
    unit: usize,
    code: &'a Code,
    /// Of a category, the unit of each value: of numbers by their bits, of a column of text by the
    /// number of the text.
    category: HashMap<u64, usize>,
}

impl Encoding {
    /// The states of the units, one example a row, with the labels and weights of the table and a
    /// mask of what was observed if a value is missing (whose units are 0). States are packed bits
    /// if all of them are 0 or 1. Columns with names are found by them, wherever they stand; others
    /// by their number.
    ///
    /// # Errors
    /// [`Error::File`], with the cell, for a value that the column does not have: a category that
    /// was not there when the encoding was made, a number outside [0, 1] for a probability; for a
    /// column or class that is not there, and another number of columns. [`Error::Parameter`] for
    /// states that are numbers and do not fit into memory: a stream has them by the minibatch.
    pub fn encode(&self, table: &Table) -> Result<Examples> {
        let table = &*self.widened(table)?;
        self.with_sides(table, self.states(table)?)
    }

    /// States with what the table holds beside them.
    pub(super) fn with_sides(&self, table: &Table, states: States) -> Result<Examples> {
        let mut examples = Examples::from_states(states);
        if let Some(mask) = self.observed(table)? {
            examples = examples.with_observed(mask)?;
        }
        if let Some(labels) = &table.labels {
            examples = examples.with_labels(self.classes_of(table, labels)?)?;
        }
        match &table.weights {
            Some(weights) => examples.with_weights(weights.clone()),
            None => Ok(examples),
        }
    }

    /// The table with the columns of this encoding, where its file tells no width: values that do
    /// not come are 0.
    ///
    /// # Errors
    /// As [`Table::with_width`].
    pub fn widened<'a>(&self, table: &'a Table) -> Result<Cow<'a, Table>> {
        let Some(own) = table.first_index else {
            return Ok(Cow::Borrowed(table));
        };
        let (n, first) = (self.columns.len(), self.first_index.unwrap_or(own));
        match table.columns() == n && own == first {
            true => Ok(Cow::Borrowed(table)),
            false => table.clone().with_width(n, first).map(Cow::Owned),
        }
    }

    /// The states alone.
    pub(crate) fn states(&self, table: &Table) -> Result<States> {
        let places = self.places(table)?;
        let are_bits = |x: &Place<'_>| {
            matches!(
                x.code,
                Code::Bit | Code::Probability | Code::Sign | Code::Category { .. }
            )
        };
        let packed = match places.iter().all(are_bits) {
            true => self.packed(table, &places)?,
            false => None,
        };
        let states = match packed {
            Some(bits) => States::Bits(bits),
            None => States::Real(self.real(table, &places)?),
        };
        self.check_groups(table, &places, states.view())?;
        Ok(states)
    }

    /// Refuses rows of which the columns of a softmax group, one a unit, do not add up to 1.
    fn check_groups(&self, table: &Table, places: &[Place<'_>], states: Input<'_>) -> Result<()> {
        let groups = self.units.segments().iter();
        let groups = groups.filter(|s| s.kind == Kind::Softmax).filter_map(|s| {
            let of = |place: &&Place<'_>| s.range().contains(&place.unit);
            let columns = places.iter().filter(of).map(|place| place.column);
            let columns: Vec<usize> = columns.collect();
            (columns.len() == s.size).then_some((s, columns))
        });
        for (group, columns) in groups {
            for row in 0..states.rows() {
                let value = |k: usize| states.get(row, group.first + k);
                let sum: f32 = (0..group.size).map(value).sum();
                let is_missing = || columns.iter().any(|&j| table.get(row, j).is_nan());
                if (sum - 1.0).abs() <= SUM_TOLERANCE || is_missing() {
                    continue;
                }
                // The cell that is neither 0 nor 1, else a second 1, else the first of zeros.
                let odd = (0..group.size).find(|&k| value(k).fract() != 0.0);
                let second = || (0..group.size).filter(|&k| value(k) == 1.0).nth(1);
                let k = odd.or_else(second).unwrap_or(0);
                let (first, last) = (columns[0], columns[group.size - 1]);
                let expected = format!(
                    "1 in one of {} to {}, 0 in the others",
                    table.column_name(first),
                    table.column_name(last)
                );
                return Err(table.refused(row, columns[k], &expected));
            }
        }
        Ok(())
    }

    /// The states as numbers, on the calling thread.
    pub(in crate::dataset) fn matrix(&self, table: &Table) -> Result<Matrix> {
        let places = self.places(table)?;
        let n = self.units.size();
        let mut matrix = Matrix::zeros(table.len(), n);
        if let Some(gray) = Gray::of(table, &places) {
            for (i, bytes) in gray.bytes.chunks_exact(n).enumerate() {
                gray.write(bytes, matrix.row_mut(i));
            }
        } else {
            let mut row = vec![0.0; table.columns()];
            for i in 0..table.len() {
                table.copy_row_to(i, &mut row);
                write_row(table, &places, (i, &row), &mut matrix.row_mut(i)[..n])?;
            }
        }
        self.check_groups(table, &places, Input::Real(matrix.view()))?;
        Ok(matrix)
    }

    /// The states as numbers, in parallel.
    fn real(&self, table: &Table, places: &[Place<'_>]) -> Result<Matrix> {
        let n = self.units.size();
        let bytes = (table.len() as u64).saturating_mul(n as u64);
        let bytes = bytes.saturating_mul(size_of::<f32>() as u64);
        memory::expect(&table.path, [table.len(), n], bytes)?;
        let mut matrix = Matrix::zeros(table.len(), n);
        let stride = matrix.stride();
        let rows = matrix.padded_mut().par_chunks_mut(stride).enumerate();
        if let Some(gray) = Gray::of(table, places) {
            let rows = rows.zip(gray.bytes.par_chunks_exact(n));
            in_pool(|| rows.for_each(|((_, states), bytes)| gray.write(bytes, states)));
            return Ok(matrix);
        }
        let width = table.columns();
        in_pool(|| {
            rows.try_for_each_init(
                || vec![0.0; width],
                |row, (i, states)| {
                    table.copy_row_to(i, row);
                    write_row(table, places, (i, row), &mut states[..n])
                },
            )
        })?;
        Ok(matrix)
    }

    /// The columns of the encoding in `table`.
    pub(super) fn places(&self, table: &Table) -> Result<Vec<Place<'_>>> {
        let has_names = !self.names.is_empty() && !table.names.is_empty();
        let n = self.columns.len();
        if !has_names && table.columns() != n {
            return Err(Error::file(
                &table.path,
                format!("{n} columns, as the machine has learned"),
                table.columns(),
            ));
        }
        let mut unit = 0;
        let of_column = |(j, code): (usize, &'_ Code)| -> Result<(usize, usize)> {
            let column = match has_names {
                false => j,
                true => table
                    .names
                    .iter()
                    .position(|x| *x == self.names[j])
                    .ok_or_else(|| {
                        Error::file(
                            &table.path,
                            format!("a column {:?}, as the machine has learned", self.names[j]),
                            format!("the columns {}", table.names.join(", ")),
                        )
                    })?,
            };
            let first = unit;
            unit += code.size();
            Ok((column, first))
        };
        let found: Result<Vec<(usize, usize)>> =
            self.columns.iter().enumerate().map(of_column).collect();
        let places = found?.into_iter().zip(&self.columns);
        Ok(places
            .map(|((column, unit), code)| Place {
                column,
                unit,
                code,
                category: categories(table, column, code),
            })
            .collect())
    }

    /// The states as bits, if all of them are.
    fn packed(&self, table: &Table, places: &[Place<'_>]) -> Result<Option<BitMatrix>> {
        let (rows, n, width) = (table.len(), self.units.size(), table.columns());
        if let Some(gray) = Gray::of(table, places) {
            return Ok(gray.packed(rows, n));
        }
        let mut bits = BitMatrix::zeros(rows, n);
        if let (Cells::Sparse(x), true) = (table.cells(), table.scale() == 1.0)
            && places
                .iter()
                .enumerate()
                .all(|(j, x)| x.column == j && *x.code == Code::Bit)
        {
            for i in 0..rows {
                let (columns, values) = x.row(i);
                if values.iter().any(|&x| x != 0.0 && x != 1.0) {
                    return Ok(None);
                }
                let ones = columns.iter().zip(values).filter(|x| *x.1 == 1.0);
                ones.for_each(|(&j, _)| bits.set(i, j as usize, true));
            }
            return Ok(Some(bits));
        }
        let mut row = vec![0.0; width];
        let mut states = vec![0.0; n];
        for i in 0..rows {
            table.copy_row_to(i, &mut row);
            states.fill(0.0);
            write_row(table, places, (i, &row), &mut states)?;
            let mut view = bits.view_mut();
            for (word, states) in view.row_mut(i).iter_mut().zip(states.chunks(WORD_BITS)) {
                for (k, &x) in states.iter().enumerate() {
                    if x != 0.0 && x != 1.0 {
                        return Ok(None);
                    }
                    *word |= u64::from(x == 1.0) << k;
                }
            }
        }
        Ok(Some(bits))
    }

    /// Ones where a unit's value was observed, if one was not.
    fn observed(&self, table: &Table) -> Result<Option<BitMatrix>> {
        if table.expect_whole().is_ok() {
            return Ok(None);
        }
        let places = self.places(table)?;
        let mut mask = BitMatrix::from_fn(table.len(), self.units.size(), |_, _| true);
        for i in 0..table.len() {
            for place in places.iter().filter(|x| table.get(i, x.column).is_nan()) {
                let units = place.unit..place.unit + place.code.size();
                units.for_each(|j| mask.set(i, j, false));
            }
        }
        Ok(Some(mask))
    }

    /// The classes of the table's labels, by their names.
    fn classes_of(&self, table: &Table, labels: &Labels) -> Result<Vec<u32>> {
        let Some(classes) = &self.classes else {
            return Ok(labels.codes.clone());
        };
        let code = |name: &String| classes.names.iter().position(|x| x == name);
        let codes: Vec<Option<usize>> = labels.classes.iter().map(code).collect();
        let of_row = |(i, &k): (usize, &u32)| {
            codes[k as usize].map(|x| x as u32).ok_or_else(|| {
                let most = 10;
                let mut known = classes
                    .names
                    .iter()
                    .take(most)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ");
                if classes.names.len() > most {
                    known.push_str(", ...");
                }
                let place = match table.lines.get(i) {
                    Some(line) => format!("line {line}"),
                    None => format!("row {}", i + 1),
                };
                Error::file(
                    &table.path,
                    format!("a label among {known}, as the machine has learned"),
                    format!("{:?} in {place}", labels.classes[k as usize]),
                )
            })
        };
        labels.codes.iter().enumerate().map(of_row).collect()
    }
}

/// The unit of each value of a column of categories, by the bits of its number in the table.
fn categories(table: &Table, column: usize, code: &Code) -> HashMap<u64, usize> {
    let Code::Category { values } = code else {
        return HashMap::new();
    };
    let units = values.iter().enumerate();
    match table.texts.get(&column) {
        None => units
            .filter_map(|(k, value)| Some((value.parse::<f64>().ok()?.to_bits(), k)))
            .collect(),
        Some(texts) => {
            let units: HashMap<&String, usize> = units.map(|(k, value)| (value, k)).collect();
            let texts = texts.iter().enumerate();
            texts
                .filter_map(|(x, text)| Some(((x as f64).to_bits(), *units.get(text)?)))
                .collect()
        }
    }
}

/// A table of bytes that are numbers in [0, 1] after division by the scale, in the order of the
/// columns.
struct Gray<'a> {
    bytes: &'a [u8],
    /// The number of each byte.
    numbers: [f32; 256],
}

impl<'a> Gray<'a> {
    fn of(table: &'a Table, places: &[Place<'_>]) -> Option<Self> {
        let is_plain = |(j, place): (usize, &Place<'_>)| {
            place.column == j && matches!(place.code, Code::Bit | Code::Probability)
        };
        let (Cells::Bytes(bytes), scale) = (table.cells(), table.scale()) else {
            return None;
        };
        let are_plain = places.len() == table.columns() && places.iter().enumerate().all(is_plain);
        let are_unit = || bytes.iter().all(|&x| f64::from(x) <= scale);
        (are_plain && are_unit()).then(|| Self {
            bytes,
            numbers: std::array::from_fn(|x| (x as f64 / scale) as f32),
        })
    }

    fn write(&self, bytes: &[u8], states: &mut [f32]) {
        let row = states.iter_mut().zip(bytes);
        row.for_each(|(state, &x)| *state = self.numbers[usize::from(x)]);
    }

    /// The bits, if all bytes are 0 or 1.
    fn packed(&self, rows: usize, columns: usize) -> Option<BitMatrix> {
        let is_bit = |&x: &u8| matches!(self.numbers[usize::from(x)], 0.0 | 1.0);
        if !self.bytes.iter().all(is_bit) {
            return None;
        }
        let mut bits = BitMatrix::zeros(rows, columns);
        let mut view = bits.view_mut();
        for (i, row) in self.bytes.chunks_exact(columns).enumerate() {
            for (word, bytes) in view.row_mut(i).iter_mut().zip(row.chunks(WORD_BITS)) {
                let bits = bytes.iter().enumerate();
                *word = bits.fold(0, |word, (k, &x)| word | u64::from(x != 0) << k);
            }
        }
        Some(bits)
    }
}

/// The states of row `i`, whose cells are `row`; units of missing values stay 0.
fn write_row(
    table: &Table,
    places: &[Place<'_>],
    (i, row): (usize, &[f64]),
    states: &mut [f32],
) -> Result<()> {
    let mut all = places.iter();
    all.try_for_each(|place| write_cell(table, place, (i, row[place.column]), states))
}

/// The states of the cell of row `i` in a column, which is `x`.
#[inline]
pub(super) fn write_cell(
    table: &Table,
    place: &Place<'_>,
    (i, x): (usize, f64),
    states: &mut [f32],
) -> Result<()> {
    if x.is_nan() {
        return Ok(());
    }
    let j = place.column;
    let is_text = table.texts.contains_key(&j);
    let refused = |expected: &str| Err(table.refused(i, j, expected));
    let to = &mut states[place.unit];
    match place.code {
        Code::Category { .. } => {
            // -0 is 0.
            match place.category.get(&(x + 0.0).to_bits()) {
                Some(k) => states[place.unit + k] = 1.0,
                None => return refused("a category that the machine has learned"),
            }
        }
        _ if is_text => return Err(table.refused(first_text(table, j), j, "a number")),
        Code::Bit | Code::Probability if (0.0..=1.0).contains(&x) => *to = x as f32,
        Code::Bit | Code::Probability => return refused("a number in [0, 1]"),
        Code::Spin { from_bits: true } if x == 0.0 || x == 1.0 => *to = (2.0 * x - 1.0) as f32,
        Code::Spin { from_bits: true } => return refused("0 or 1, as the machine has learned"),
        Code::Sign if x.abs() == 1.0 => *to = f32::from(x > 0.0),
        Code::Sign => return refused("-1 or 1, as the machine has learned"),
        Code::Spin { from_bits: false } if x.abs() == 1.0 => *to = x as f32,
        Code::Spin { from_bits: false } => return refused("-1 or 1, as the machine has learned"),
        Code::Count if is_count(x) => *to = x as f32,
        Code::Count => return refused("a count: 0, 1, 2, ..."),
        Code::Number { mean, deviation } => {
            let state = ((x - mean) / deviation) as f32;
            if !state.is_finite() {
                return refused("a number of finite size");
            }
            *to = state;
        }
    }
    Ok(())
}
