//! What the columns of a table become, for the units that are asked for.

use super::{
    Classes, Code, Encoding,
    asked::{Asked, Segment, Softmax, segments, widths},
};
use crate::{
    dataset::table::{Facts, Holds, Table},
    error::{Error, Result},
    units::{Kind, MAX_LENGTH, Units},
};
use std::{collections::BTreeSet, ops::Range, sync::Arc};

/// Most values of a column of categories.
const MOST_CATEGORIES: usize = 1 << 16;
/// Greatest gray value of a byte.
const BYTE: f64 = 255.0;

impl Encoding {
    /// The encoding of the columns of `table` for the units that are `asked` for, by the table of
    /// [`Encoding`]. Means and deviations of a standardization are those of the table, in which
    /// each example counts by its weight and missing values do not; a column that does not vary is
    /// divided by 1. Categories are, of an array, the values of all its columns of categories and,
    /// of a table with named columns, those of each column: K from 0 or from 1 on, if K are asked
    /// for and all columns have no others; else whole numbers from 0 to the greatest if
    /// most of these come, else those that come.
    ///
    /// Cost: two passes over the table.
    ///
    /// # Errors
    /// [`Error::File`], with a cell and the way to ask, for values that the units cannot have;
    /// [`Error::Parameter`] for units that do not exist or are not as many as the columns.
    pub fn fit(table: &Table, asked: &Asked) -> Result<Self> {
        Self::fit_parts((table, &table.facts()), asked, &|see| {
            see(table);
            Ok(())
        })
    }

    /// As [`Self::fit`] for a table of which `first` is the first part, with the facts of all of
    /// them, which `each` shows in turn.
    pub(in crate::dataset) fn fit_parts(
        (table, facts): (&Table, &[Facts]),
        asked: &Asked,
        each: &Parts<'_>,
    ) -> Result<Self> {
        let (units, columns) = match &asked.units {
            None => suggested(table, facts)?,
            Some(text) => {
                let asked = (text.as_str(), asked.signs_as_bits);
                fitted((table, facts, each), &segments(text)?, asked)?
            }
        };
        let are_numbers = |code: &Code| matches!(code, Code::Number { .. });
        let mut encoding = Self {
            units,
            columns,
            shape: table.shape.clone(),
            names: table.names.clone(),
            scale: table.said_scale(),
            first_index: table.first_index,
            classes: table.labels.as_ref().map(|labels| Classes {
                name: labels.name.clone(),
                names: labels.classes.clone(),
            }),
        };
        if asked.standardize {
            if !encoding.columns.iter().any(are_numbers) {
                return Err(Error::parameter(
                    "standardize",
                    "gaussian units, whose states standardized values are",
                    encoding.units.to_string(),
                ));
            }
            if encoding.units.have(Kind::Relu) {
                return Err(Error::parameter(
                    "standardize",
                    "gaussian units: relu units have no states below 0",
                    encoding.units.to_string(),
                ));
            }
            encoding.standardize(asked.least_deviation, each)?;
        }
        Ok(encoding)
    }

    /// Means and deviations of the columns of numbers.
    fn standardize(&mut self, least_share: f64, each: &Parts<'_>) -> Result<()> {
        let n = self.columns.len();
        let (mut mass, mut means) = (vec![0.0; n], vec![0.0; n]);
        each(&mut |part| {
            weighed(part, |j, w, x| {
                means[j] += w * x;
                mass[j] += w;
            });
        })?;
        for (mean, mass) in means.iter_mut().zip(&mass) {
            *mean /= mass.max(f64::MIN_POSITIVE);
        }
        let mut variances = vec![0.0; n];
        each(&mut |part| {
            weighed(part, |j, w, x| {
                if w > 0.0 {
                    variances[j] += w * (x - means[j]).powi(2) / mass[j];
                }
            });
        })?;
        let is_number = |j: &usize| matches!(self.columns[*j], Code::Number { .. });
        let numbers: Vec<usize> = (0..n).filter(is_number).collect();
        let sum: f64 = numbers.iter().map(|&j| variances[j]).sum();
        let least = (sum / numbers.len() as f64).sqrt() * least_share;
        for j in numbers {
            let own = variances[j].sqrt().max(least);
            self.columns[j] = Code::Number {
                mean: means[j],
                deviation: if own > 0.0 { own } else { 1.0 },
            };
        }
        Ok(())
    }
}

/// Shows the parts of a table in turn.
type Parts<'a> = dyn Fn(&mut dyn FnMut(&Table)) -> Result<()> + 'a;

/// Calls `add(column, weight, number)` for every number that is there, row by row.
fn weighed(table: &Table, mut add: impl FnMut(usize, f64, f64)) {
    let mut row = vec![0.0; table.columns()];
    for i in 0..table.len() {
        table.copy_row_to(i, &mut row);
        let w = table.weights.as_ref().map_or(1.0, |w| f64::from(w[i]));
        let numbers = row.iter().enumerate().filter(|x| !x.1.is_nan());
        numbers.for_each(|(j, &x)| add(j, w, x));
    }
}

/// The first cell that is not what it should be.
fn refuse(
    table: &Table,
    range: Range<usize>,
    expected: &str,
    is_wrong: impl Fn(f64) -> bool,
) -> Error {
    let is_text = |j: &usize| table.texts.contains_key(j);
    let of_column = |j: usize| table.first_cell(j, &is_wrong).map(|i| (i, j));
    let text = range
        .clone()
        .find(is_text)
        .map(|j| (first_text(table, j), j));
    let first = range
        .clone()
        .filter(|j| !is_text(j))
        .filter_map(of_column)
        .min();
    match text.or(first) {
        Some((i, j)) => table.refused(i, j, expected),
        None => table.refused(0, range.start, expected),
    }
}

/// The first row of column `j` whose text is no number.
pub(super) fn first_text(table: &Table, j: usize) -> usize {
    let is_text = |&i: &usize| {
        let text = table.text(i, j);
        !text.is_empty() && text.parse::<f64>().is_err()
    };
    (0..table.len()).find(is_text).unwrap_or(0)
}

/// What all columns together suggest.
fn suggested(table: &Table, facts: &[Facts]) -> Result<(Units, Vec<Code>)> {
    let n = facts.len();
    let all = facts.iter().copied().reduce(|a, b| a.and(&b));
    let all = all.expect("a table has columns");
    let of = |kind, code| Ok((Units::of(kind, n), vec![code; n]));
    let refused = |expected: &str, is_wrong: &dyn Fn(f64) -> bool| {
        Err(refuse(table, 0..n, expected, is_wrong))
    };
    match all.holds() {
        Holds::Bits => of(Kind::Bernoulli, Code::Bit),
        Holds::Spins => of(Kind::Spin, Code::Spin { from_bits: false }),
        Holds::UnitReals => of(Kind::Bernoulli, Code::Probability),
        Holds::Integers => {
            let gray = match all.least >= 0.0 && all.most <= BYTE && table.scale() == 1.0 {
                true => "; gray values need a scale of 255",
                false => "",
            };
            let expected = format!(
                "zeros and ones, or -1 and 1, or units to be told for other whole numbers: softmax for categories, counts for counts, gaussian for numbers{gray}"
            );
            refused(&expected, &|x| x != 0.0 && x != 1.0 && !x.is_nan())
        }
        Holds::Reals => refused(
            "numbers in [0, 1], or gaussian units to be told for others",
            &|x| !(0.0..=1.0).contains(&x) && !x.is_nan(),
        ),
        Holds::Text => refused(
            "numbers, or softmax units to be told for categories, or the column of the labels",
            &|_| false,
        ),
    }
}

/// The columns for segments of units.
fn fitted(
    (table, facts, each): (&Table, &[Facts], &Parts<'_>),
    segments: &[Segment],
    (text, signs_as_bits): (&str, bool),
) -> Result<(Units, Vec<Code>)> {
    let n = facts.len();
    let readings = [Softmax::OneHot, Softmax::Categories];
    let softmax = segments.iter().any(|x| x.kind == Kind::Softmax);
    let widths_of = |reading| widths(segments, reading, n).map(|widths| (reading, widths));
    let mut possible = readings.into_iter().filter_map(widths_of);
    let one_hot = possible.next();
    let chosen = match (one_hot, possible.next()) {
        (Some(x), _) if !softmax => Some(x),
        (Some(x), Some(y)) => match is_one_hot(facts, each, segments, &x.1)? {
            true if x.0 == Softmax::OneHot => Some(x),
            _ => Some(y),
        },
        (one, _) => one,
    };
    let Some((reading, widths)) = chosen else {
        let expected = format!(
            "units of {n} columns in all, those of {}",
            table.path.display()
        );
        return Err(Error::parameter("units", expected, format!("{text:?}")));
    };
    let (mut units, mut columns) = (Units::default(), Vec::with_capacity(n));
    let spins = spins(table, facts, segments, &widths)?;
    for (segment, &width) in segments.iter().zip(&widths) {
        let range = columns.len()..columns.len() + width;
        let codes = match segment.kind {
            Kind::Bernoulli if signs_as_bits && are_signs(facts, range.clone()) => {
                vec![Code::Sign; width]
            }
            Kind::Bernoulli => bits(table, facts, range)?,
            Kind::Spin => vec![spins.clone(); width],
            Kind::Gaussian | Kind::Relu => numbers(table, facts, range, segment.kind)?,
            Kind::Counts if segments.len() > 1 => {
                let expected = "counts alone: a row of counts has one length";
                return Err(Error::parameter("units", expected, format!("{text:?}")));
            }
            Kind::Counts => counts(table, facts, range)?,
            Kind::Softmax if reading == Softmax::OneHot => bits(table, facts, range)?,
            Kind::Softmax => categories((table, facts, each), range, segment.size)?,
        };
        units = match segment.kind {
            Kind::Softmax if reading == Softmax::OneHot => {
                let size = segment.size.unwrap_or(width);
                (0..width / size).fold(units, |units, _| units.and(Kind::Softmax, size))
            }
            Kind::Softmax => codes
                .iter()
                .fold(units, |units, code| units.and(Kind::Softmax, code.size())),
            kind => units.and(kind, width),
        };
        columns.extend(codes);
    }
    Ok((units, columns))
}

/// Whether the columns of softmax segments are groups of more than one column, of which one is 1 in
/// every row.
fn is_one_hot(
    facts: &[Facts],
    each: &Parts<'_>,
    segments: &[Segment],
    widths: &[usize],
) -> Result<bool> {
    let (mut first, mut groups) = (0, Vec::new());
    for (segment, &width) in segments.iter().zip(widths) {
        let range = first..first + width;
        first += width;
        if segment.kind != Kind::Softmax {
            continue;
        }
        let size = segment.size.unwrap_or(width);
        if size <= 1 || range.clone().any(|j| facts[j].holds() != Holds::Bits) {
            return Ok(false);
        }
        groups.extend(range.step_by(size).map(|first| first..first + size));
    }
    let mut is_one_hot = true;
    each(&mut |part| {
        let is_one = |i, group: &Range<usize>| {
            let values = group.clone().map(|j| part.get(i, j));
            values.sum::<f64>() == 1.0
        };
        is_one_hot = is_one_hot && (0..part.len()).all(|i| groups.iter().all(|g| is_one(i, g)));
    })?;
    Ok(is_one_hot)
}

fn are_signs(facts: &[Facts], range: Range<usize>) -> bool {
    let all = range.map(|j| facts[j]).reduce(|a, b| a.and(&b));
    all.is_some_and(|x| x.holds() == Holds::Spins)
}

fn bits(table: &Table, facts: &[Facts], range: Range<usize>) -> Result<Vec<Code>> {
    let of_column = |j: usize| match facts[j].holds() {
        Holds::Bits => Ok(Code::Bit),
        Holds::UnitReals => Ok(Code::Probability),
        _ if facts[j].missing == table.len() => Ok(Code::Bit),
        _ => Err(()),
    };
    let codes: std::result::Result<_, ()> = range.clone().map(of_column).collect();
    codes.map_err(|()| {
        let of_all = range.clone().map(|j| facts[j]).reduce(|a, b| a.and(&b));
        let expected = match of_all.map(|x| x.holds()) {
            Some(Holds::Spins) => "0 or 1 for bernoulli units (spin units take -1 and 1)",
            Some(Holds::Integers) => {
                "0 or 1 for bernoulli units (softmax units take categories, counts units counts, gaussian units numbers; gray values need a scale)"
            }
            Some(Holds::Text) => "numbers for bernoulli units (softmax units take categories)",
            _ => "numbers in [0, 1] for bernoulli units (gaussian units take others)",
        };
        refuse(table, range, expected, |x| !(0.0..=1.0).contains(&x) && !x.is_nan())
    })
}

/// The code of all columns of spins: -1 and 1 if one of them has a -1, else 0 and 1.
fn spins(table: &Table, facts: &[Facts], segments: &[Segment], widths: &[usize]) -> Result<Code> {
    let mut first = 0;
    let mut columns = Vec::new();
    for (segment, &width) in segments.iter().zip(widths) {
        if segment.kind == Kind::Spin {
            columns.extend(first..first + width);
        }
        first += width;
    }
    let all = columns.iter().map(|&j| facts[j]).reduce(|a, b| a.and(&b));
    match all.map(|x| x.holds()) {
        None => Ok(Code::Spin { from_bits: false }),
        Some(Holds::Bits) => Ok(Code::Spin { from_bits: true }),
        Some(Holds::Spins) => Ok(Code::Spin { from_bits: false }),
        Some(_) => {
            let has_minus = all.is_some_and(|x| x.least < 0.0);
            let (low, expected) = match has_minus {
                true => (-1.0, "-1 or 1 for spin units, whose other values are so"),
                false => (0.0, "-1 and 1, or 0 and 1, for spin units"),
            };
            let is_wrong = |x: f64| x != low && x != 1.0 && !x.is_nan();
            let first = columns.iter().find_map(|&j| {
                let is_text = table.texts.contains_key(&j);
                let cell = if is_text {
                    Some(first_text(table, j))
                } else {
                    table.first_cell(j, is_wrong)
                };
                cell.map(|i| table.refused(i, j, expected))
            });
            Err(first.unwrap_or_else(|| table.refused(0, columns[0], expected)))
        }
    }
}

fn numbers(table: &Table, facts: &[Facts], range: Range<usize>, kind: Kind) -> Result<Vec<Code>> {
    let width = range.len();
    let is_wrong = |x: f64| kind == Kind::Relu && x < 0.0;
    for j in range {
        let is_text = facts[j].is_text;
        if is_text || kind == Kind::Relu && facts[j].least < 0.0 {
            let expected = match kind {
                Kind::Relu => "numbers of at least 0 for relu units",
                _ => "numbers for gaussian units (softmax units take categories)",
            };
            return Err(refuse(table, j..j + 1, expected, is_wrong));
        }
    }
    let (mean, deviation) = (0.0, 1.0);
    Ok(vec![Code::Number { mean, deviation }; width])
}

/// Columns of counts.
fn counts(table: &Table, facts: &[Facts], range: Range<usize>) -> Result<Vec<Code>> {
    let is_wrong = |x: f64| !is_count(x);
    for j in range.clone() {
        let of = &facts[j];
        let are_counts = of.are_whole && of.least >= 0.0 && of.most <= f64::from(MAX_LENGTH);
        if of.is_text || of.missing > 0 || !are_counts {
            let expected = "0, 1, 2, ... for units of counts, none of them missing (gaussian units take other numbers)";
            return Err(refuse(table, j..j + 1, expected, is_wrong));
        }
    }
    Ok(vec![Code::Count; range.len()])
}

/// Whether a number is a count.
pub(super) fn is_count(x: f64) -> bool {
    (0.0..=f64::from(MAX_LENGTH)).contains(&x) && x.fract() == 0.0
}

/// Columns of categories, of which there are `told` if that is said.
fn categories(
    (table, facts, each): (&Table, &[Facts], &Parts<'_>),
    range: Range<usize>,
    told: Option<usize>,
) -> Result<Vec<Code>> {
    let are_shared = table.names.is_empty();
    let of_numbers = |j: &usize| !table.texts.contains_key(j);
    if let Some(j) = range
        .clone()
        .filter(of_numbers)
        .find(|&j| !facts[j].are_whole)
    {
        let expected = "whole numbers or texts for the categories of softmax units (gaussian units take numbers)";
        return Err(refuse(table, j..j + 1, expected, |x| {
            x.fract() != 0.0 && !x.is_nan()
        }));
    }
    let mut own = vec![BTreeSet::new(); range.len()];
    let mut seen = Ok(());
    each(&mut |part| {
        let columns = range.clone().zip(&mut own);
        let mut columns = columns.filter(|(j, _)| of_numbers(j));
        if seen.is_ok() {
            seen = columns.try_for_each(|(j, set)| distinct(part, j, set));
        }
    })?;
    seen?;
    let shared: BTreeSet<i64> = own.iter().flatten().copied().collect();
    let code = |(j, own): (usize, BTreeSet<i64>)| -> Result<Code> {
        let values: Vec<String> = match table.texts.get(&j) {
            Some(texts) => texts.clone(),
            None => told
                .and_then(|k| counted(&shared, k))
                .unwrap_or_else(|| named(if are_shared { &shared } else { &own })),
        };
        let n = values.len();
        if told.is_some_and(|k| k != n) || n == 0 {
            let expected = match told {
                Some(k) => format!("{k} categories, as many as the softmax units of its group"),
                None => "a value at least".into(),
            };
            let found = format!("{n} different values in {}", table.column_name(j));
            return Err(Error::file(&table.path, expected, found));
        }
        Ok(Code::Category {
            values: Arc::new(values),
        })
    };
    range.zip(own).map(code).collect()
}

/// Adds the different whole numbers of column `j`.
fn distinct(table: &Table, j: usize, set: &mut BTreeSet<i64>) -> Result<()> {
    for i in 0..table.len() {
        let x = table.get(i, j);
        if !x.is_nan() {
            set.insert(x as i64);
        }
        if set.len() > MOST_CATEGORIES {
            let expected = format!("at most {MOST_CATEGORIES} categories");
            return Err(table.refused(i, j, &expected));
        }
    }
    Ok(())
}

/// Names of `k` categories that are counted from 0 or from 1, if all numbers are among them.
fn counted(numbers: &BTreeSet<i64>, k: usize) -> Option<Vec<String>> {
    let (least, most) = (*numbers.first()?, *numbers.last()?);
    let k = k as i64;
    let first = [0, 1]
        .into_iter()
        .find(|&first| least >= first && most < first + k)?;
    Some((first..first + k).map(|x| x.to_string()).collect())
}

/// Names of categories that are whole numbers: `0..=most` if most of these come, else those that
/// come.
fn named(numbers: &BTreeSet<i64>) -> Vec<String> {
    let (least, most) = (numbers.first().copied(), numbers.last().copied());
    let (least, most) = (least.unwrap_or(0), most.unwrap_or(-1));
    match least >= 0 && (most as u64) < 2 * numbers.len() as u64 {
        true => (0..=most).map(|x| x.to_string()).collect(),
        false => numbers.iter().map(i64::to_string).collect(),
    }
}
