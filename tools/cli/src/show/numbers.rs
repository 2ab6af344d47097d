//! Files of numbers: rows of NPY or CSV.

use crate::failure::{Failure, Outcome};
use harmonium::{BitMatrix, Error, Matrix, States, checkpoint::write_atomically};
use npyz::{AutoSerialize, WriterBuilder};
use std::{fmt::Display, io, path::Path};

/// Whether the name of a file ends in `extension`.
pub fn ends_in(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

/// Refuses the file of `flag` unless its name ends in `extension`, which begins with a dot.
///
/// # Errors
/// That.
pub fn check_extension(flag: &str, path: &Path, extension: &str) -> Outcome<()> {
    match ends_in(path, &extension[1..]) {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "{flag} {}: expected a file name that ends in {extension}",
            path.display()
        ))),
    }
}

/// Writes `x`, row by row `[rows x columns]`, as `.npy` or `.csv`.
///
/// # Errors
/// A name of another kind; a file that cannot be written.
pub fn write<T: AutoSerialize + Display>(
    path: &Path,
    [rows, columns]: [usize; 2],
    x: impl Iterator<Item = T>,
) -> Outcome<()> {
    let mut bytes = Vec::new();
    if ends_in(path, "npy") {
        let written = (|| -> io::Result<()> {
            let mut writer = npyz::WriteOptions::new()
                .default_dtype()
                .shape(&[rows as u64, columns as u64])
                .writer(&mut bytes)
                .begin_nd()?;
            writer.extend(x)?;
            writer.finish()
        })();
        written.map_err(|e| Error::io(path, "encode the numbers", e))?;
    } else if ends_in(path, "csv") {
        let mut x = x.map(|x| x.to_string());
        for _ in 0..rows {
            let fields: Vec<String> = x.by_ref().take(columns).collect();
            bytes.extend((fields.join(",") + "\n").into_bytes());
        }
    } else {
        return Err(Failure::usage(format!(
            "--out {}: expected a file name that ends in .npy or .csv (or .json, of `classify`)",
            path.display()
        )));
    }
    Ok(write_atomically(path, &bytes)?)
}

/// Writes rows of cells under their names, as `.csv`.
///
/// # Errors
/// A name of another kind, of the file of `flag`; a file that cannot be written.
pub fn write_table(
    flag: &str,
    path: &Path,
    head: &[String],
    rows: impl Iterator<Item = Vec<String>>,
) -> Outcome<()> {
    check_extension(flag, path, ".csv")?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = (|| -> Result<Vec<u8>, csv::Error> {
        writer.write_record(head)?;
        for row in rows {
            writer.write_record(&row)?;
        }
        writer.flush()?;
        writer.into_inner().map_err(|e| e.into_error().into())
    })();
    let bytes = written.map_err(|e| Error::io(path, "encode the rows", e.into()))?;
    Ok(write_atomically(path, &bytes)?)
}

/// As [`write_table`], with the `names` of the rows under `name` in the first column, if there are
/// any.
///
/// # Errors
/// As there.
pub fn write_named(
    flag: &str,
    path: &Path,
    (names, head): (&[String], &[String]),
    rows: impl Iterator<Item = Vec<String>>,
) -> Outcome<()> {
    if names.is_empty() {
        return write_table(flag, path, head, rows);
    }
    let head: Vec<String> = ["name".to_owned()].iter().chain(head).cloned().collect();
    let rows = rows.zip(names).map(|(mut row, name)| {
        row.insert(0, name.clone());
        row
    });
    write_table(flag, path, &head, rows)
}

/// Writes a matrix, in NPY as f32.
///
/// # Errors
/// As [`write`].
pub fn write_matrix(path: &Path, x: &Matrix) -> Outcome<()> {
    write(path, [x.rows(), x.columns()], x.elements())
}

/// Writes states: bits as zeros and ones, in NPY as u8, others as f32.
///
/// # Errors
/// As [`write`].
pub fn write_states(path: &Path, states: &States) -> Outcome<()> {
    match states {
        States::Real(x) => write_matrix(path, x),
        States::Bits(x) => {
            let (n, m) = (x.rows(), x.columns());
            let bits = (0..n).flat_map(|i| (0..m).map(move |j| u8::from(x.get(i, j))));
            write(path, [n, m], bits)
        }
    }
}

/// Writes log weights, f64 `[directions x chains]`.
///
/// # Errors
/// As [`write`].
pub fn write_weights(path: &Path, directions: &[&[f64]]) -> Outcome<()> {
    let chains = directions.first().map_or(0, |w| w.len());
    let all = directions.iter().copied().flatten().copied();
    write(path, [directions.len(), chains], all)
}

/// Writes bits as numbers, a row each.
///
/// # Errors
/// A file that cannot be written.
pub fn write_bits(path: &Path, bits: &BitMatrix) -> Outcome<()> {
    let shape = [bits.rows(), bits.columns()];
    let places = (0..shape[0]).flat_map(|i| (0..shape[1]).map(move |j| (i, j)));
    write(path, shape, places.map(|(i, j)| u8::from(bits.get(i, j))))
}
