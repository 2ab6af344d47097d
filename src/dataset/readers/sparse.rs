//! Numbers of which most are 0: the layout that every sparse reader fills, and the archives of
//! SciPy.
//!
//! # Source
//! `scipy.sparse.save_npz` of SciPy 1.17.

use super::{archive::Archive, npy};
use crate::{
    dataset::table::{Cells, Sparse, Table},
    error::{Error, Result},
};
use std::path::Path;

/// The arrays that only archives of sparse matrices have.
const FORMAT: &str = "format";
/// Rows or columns that a header may claim beside those that the values justify.
const TRUSTED: u64 = 1 << 20;
/// Empty rows or columns that a value justifies.
const EMPTY: u64 = 64;

/// Values in any order on their way to rows.
#[derive(Default)]
pub(super) struct Triplets {
    pub(super) rows: Vec<u32>,
    pub(super) columns: Vec<u32>,
    pub(super) values: Vec<f32>,
    /// Whether a value lost digits on the way to single precision.
    pub(super) is_rounded: bool,
}

impl Triplets {
    /// One value more; zeros need no place.
    pub(super) fn push(&mut self, row: u32, column: u32, value: f64) {
        if value == 0.0 {
            return;
        }
        let single = value as f32;
        self.is_rounded |= f64::from(single) != value;
        self.rows.push(row);
        self.columns.push(column);
        self.values.push(single);
    }

    /// Rows of rising columns, and the row and column of a value that comes twice.
    fn into_rows(self, rows: usize) -> (Sparse, Option<(usize, u32)>) {
        let n = self.values.len();
        let mut starts = vec![0_usize; rows + 1];
        for &i in &self.rows {
            starts[i as usize + 1] += 1;
        }
        for i in 0..rows {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let (mut columns, mut values) = (vec![0; n], vec![0.0; n]);
        for ((&i, &j), &x) in self.rows.iter().zip(&self.columns).zip(&self.values) {
            let at = &mut next[i as usize];
            (columns[*at], values[*at]) = (j, x);
            *at += 1;
        }
        let mut twice = None;
        for i in 0..rows {
            let range = starts[i]..starts[i + 1];
            if columns[range.clone()].is_sorted_by(|a, b| a < b) {
                continue;
            }
            let mut row: Vec<(u32, f32)> = columns[range.clone()]
                .iter()
                .copied()
                .zip(values[range.clone()].iter().copied())
                .collect();
            row.sort_by_key(|&(j, _)| j);
            let repeated = row
                .windows(2)
                .find(|x| x[0].0 == x[1].0)
                .map(|x| (i, x[0].0));
            twice = twice.or(repeated);
            for (at, (j, x)) in range.zip(row) {
                (columns[at], values[at]) = (j, x);
            }
        }
        let sparse = Sparse {
            starts,
            columns,
            values,
        };
        (sparse, twice)
    }

    /// The table of `rows` rows and `columns` columns, in which no value may come twice.
    pub(super) fn into_table(self, path: &Path, rows: u64, columns: u64) -> Result<Table> {
        let n = self.values.len() as u64;
        let most = TRUSTED
            .saturating_add(n.saturating_mul(EMPTY))
            .min(u32::MAX.into());
        if rows > most || columns > most {
            let expected = format!("at most {most} rows and columns of {n} values");
            return Err(Error::file(path, expected, format!("{rows} x {columns}")));
        }
        let rounded = self.is_rounded;
        let (sparse, twice) = self.into_rows(rows as usize);
        if let Some((i, j)) = twice {
            let found = format!("two in row {}, column {}", i + 1, j + 1);
            return Err(Error::file(path, "each value once", found));
        }
        let shape = vec![columns as usize];
        let mut table = Table::new(path, Cells::Sparse(sparse), rows as usize, shape)?;
        if rounded {
            table.found.push("values in single precision".into());
        }
        Ok(table)
    }
}

/// Whether the archive is a sparse matrix of SciPy.
pub(super) fn recognizes(archive: &Archive<'_>) -> bool {
    archive.has(FORMAT) && archive.has("shape") && archive.has("data")
}

/// The matrix in an archive of SciPy: of compressed rows (CSR), compressed columns (CSC) or
/// coordinates (COO).
pub(super) fn table(archive: &mut Archive<'_>) -> Result<Table> {
    let format = archive.word(FORMAT)?;
    let refused = |archive: &Archive<'_>, expected: &str, found: &dyn std::fmt::Display| {
        Err(Error::file(archive.path(), expected, found))
    };
    let shape = whole(archive, "shape")?;
    let &[rows, columns] = &shape[..] else {
        let found = format!("{} dimensions", shape.len());
        return refused(archive, "a sparse matrix of two dimensions", &found);
    };
    let names = match format.as_str() {
        "csr" | "csc" => ["indptr", "indices"],
        "coo" => ["row", "col"],
        _ => {
            let expected = "a matrix of format csr, csc or coo (SciPy: matrix.tocsr())";
            return refused(archive, expected, &format!("{format:?}"));
        }
    };
    let values = archive.array("data", |mut source| npy::column(&mut source))?;
    let n = values.len();
    let (first, second) = (whole(archive, names[0])?, whole(archive, names[1])?);
    let is_of_rows = format != "csc";
    let outer = if is_of_rows { rows } else { columns };
    let (outer_of, inner_of) = match format.as_str() {
        "coo" if first.len() == n && second.len() == n => (first, second),
        "coo" => {
            let expected = format!("{n} rows and columns, one a value");
            return refused(
                archive,
                &expected,
                &format!("{} and {}", first.len(), second.len()),
            );
        }
        _ => {
            let is_whole = first.len() as u64 == outer.saturating_add(1)
                && first.first() == Some(&0)
                && first.last() == Some(&(n as u64))
                && first.is_sorted()
                && second.len() == n;
            if !is_whole {
                let expected = format!(
                    "indptr of {} rising numbers from 0 to {n}",
                    outer.saturating_add(1)
                );
                let found = format!("{} of them, {} indices", first.len(), second.len());
                return refused(archive, &expected, &found);
            }
            let counts = first.windows(2).map(|x| (x[1] - x[0]) as usize);
            let outer_of = counts
                .enumerate()
                .flat_map(|(i, n)| std::iter::repeat_n(i as u64, n));
            (outer_of.collect(), second)
        }
    };
    let mut triplets = Triplets::default();
    for ((&outer, &inner), &x) in outer_of.iter().zip(&inner_of).zip(&values) {
        let (i, j) = if is_of_rows {
            (outer, inner)
        } else {
            (inner, outer)
        };
        if i >= rows || j >= columns || i.max(j) >= u32::MAX.into() {
            let found = format!("row {}, column {}", i + 1, j + 1);
            return refused(
                archive,
                &format!("a place within {rows} x {columns}"),
                &found,
            );
        }
        if !x.is_finite() {
            let found = format!("{x} in row {}, column {}", i + 1, j + 1);
            return refused(archive, "finite values", &found);
        }
        triplets.push(i as u32, j as u32, x);
    }
    let mut table = triplets.into_table(archive.path(), rows, columns)?;
    table.found.insert(
        0,
        format!("a sparse matrix ({format}), {n} of its values stored"),
    );
    Ok(table)
}

/// The whole numbers of an array.
fn whole(archive: &mut Archive<'_>, name: &str) -> Result<Vec<u64>> {
    archive.array(name, |mut source| {
        let numbers = npy::column(&mut source)?;
        let whole = |(k, &x): (usize, &f64)| {
            let is_whole = x >= 0.0 && x.fract() == 0.0 && x < 2_f64.powi(53);
            match is_whole {
                true => Ok(x as u64),
                false => Err(source.error("whole numbers from 0", format!("{x} at {}", k + 1))),
            }
        };
        numbers.iter().enumerate().map(whole).collect()
    })
}
