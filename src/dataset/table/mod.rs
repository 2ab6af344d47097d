//! A table: what a file holds, before anybody decides which units its columns are.

mod columns;
mod facts;
mod select;

pub use columns::Column;
pub use facts::{Facts, Holds};

use crate::error::{Error, Result};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Numbers of a table in row-major order, as narrow as its file has them. NaN is a missing value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// Whole numbers from 0 to 255.
    Bytes(Vec<u8>),
    /// Numbers of single precision.
    Floats(Vec<f32>),
    /// Numbers of double precision.
    Numbers(Vec<f64>),
    /// Numbers of which most are 0.
    Sparse(Sparse),
}

/// Rows of numbers of which most are 0 (the layout CSR): those of row `i` are
/// `columns[starts[i]..starts[i + 1]]`, in rising order, with their `values`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sparse {
    /// `[rows + 1]`, from 0 to the number of values.
    pub starts: Vec<usize>,
    /// The column of each value.
    pub columns: Vec<u32>,
    /// The values.
    pub values: Vec<f32>,
}

/// Classes of the examples of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// What the file calls them.
    pub name: String,
    /// The class of each example `[rows]`: which of the names.
    pub codes: Vec<u32>,
    /// The names of the classes.
    pub classes: Vec<String>,
}

/// Rows of cells under columns that may have names: what a reader makes of a file.
///
/// A cell is a number, or missing. In a column of text it is the number of one of the column's
/// [distinct texts](Table::texts). Numbers are kept in the precision of the file until an
/// [encoding](super::Encoding) makes states of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The file, or what stands for it in errors.
    pub path: PathBuf,
    /// Shape of an example: `[28, 28]` of images, else the number of columns.
    pub shape: Vec<usize>,
    /// Names of the columns; none if the file has no names.
    pub names: Vec<String>,
    /// Names of the rows; none if the file has no names, and unless
    /// [asked for](super::Reading::row_names).
    pub row_names: Vec<String>,
    /// The distinct texts of each column of text, sorted.
    pub texts: BTreeMap<usize, Vec<String>>,
    /// What the file tells of the classes of its examples.
    pub labels: Option<Labels>,
    /// How often each example counts.
    pub weights: Option<Vec<f32>>,
    /// The line of each row in a file of text, from 1; empty for other files.
    pub lines: Vec<u64>,
    /// What was recognized and not asked for, a phrase each: a header, a column of row numbers.
    pub found: Vec<String>,
    /// Of a file that numbers the columns of its values and tells no width, the number of the first
    /// column: 0 or 1. Such a table is as wide as the largest number that comes.
    pub first_index: Option<u32>,
    /// Whether the file is one of pictures: its bytes are gray values.
    pub is_image: bool,
    cells: Cells,
    rows: usize,
    scale: f64,
    /// Rows of the file before these.
    first_row: usize,
}

impl Table {
    /// A table of `rows` rows whose examples have the shape `shape`; `path` stands for the file in
    /// errors. Of columns with names and texts see [`Self::from_columns`].
    ///
    /// # Errors
    /// [`Error::File`] for a table without cells; [`Error::Shape`] for another number of cells, and
    /// for a sparse layout that contradicts itself.
    pub fn new(
        path: impl Into<PathBuf>,
        cells: Cells,
        rows: usize,
        shape: Vec<usize>,
    ) -> Result<Self> {
        let path = path.into();
        let columns = shape
            .iter()
            .try_fold(1_usize, |n, &size| n.checked_mul(size));
        let expected = columns.and_then(|n| n.checked_mul(rows));
        if rows == 0 || expected == Some(0) {
            let sizes = shape.iter().map(usize::to_string).collect::<Vec<_>>();
            let found = format!("{rows} examples of {}", sizes.join(" x "));
            return Err(Error::file(
                path,
                "at least one example of at least one value",
                found,
            ));
        }
        let found = match &cells {
            Cells::Bytes(x) => Some(x.len()),
            Cells::Floats(x) => Some(x.len()),
            Cells::Numbers(x) => Some(x.len()),
            Cells::Sparse(x) => x.is_sound(rows, columns.unwrap_or(0)).then_some(0),
        };
        let is_sparse = matches!(cells, Cells::Sparse(_));
        if found.is_none() || !is_sparse && found != expected {
            return Err(Error::shape(
                format!("cells of {}", path.display()),
                format!("{rows} rows of {} columns", columns.unwrap_or(usize::MAX)),
                found.map_or("a sparse layout of another shape".into(), |n| {
                    format!("{n} cells")
                }),
            ));
        }
        Ok(Self {
            path,
            shape,
            names: Vec::new(),
            row_names: Vec::new(),
            texts: BTreeMap::new(),
            labels: None,
            weights: None,
            lines: Vec::new(),
            found: Vec::new(),
            first_index: None,
            is_image: false,
            cells,
            rows,
            scale: 1.0,
            first_row: 0,
        })
    }

    /// The table as one whose first row is row `first` of its file.
    pub(crate) fn starting_at(self, first: usize) -> Self {
        Self {
            first_row: first,
            ..self
        }
    }

    /// Number of examples; there is at least one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.shape.iter().product()
    }

    /// The cells without a copy.
    pub(in crate::dataset) fn into_cells(self) -> Cells {
        self.cells
    }

    /// All cells in row-major order, as the file has them.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// What the numbers of the file are divided by.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// What they are divided by because somebody said so: 1 of pictures, whose bytes are known to
    /// be gray values.
    pub fn said_scale(&self) -> f64 {
        if self.is_image { 1.0 } else { self.scale }
    }

    /// The number in row `i` of column `j`, divided by the scale; NaN if it is missing.
    ///
    /// # Panics
    /// If there is no such cell.
    pub fn get(&self, i: usize, j: usize) -> f64 {
        self.stored(i, j) / self.scale
    }

    /// The number as the file has it.
    fn stored(&self, i: usize, j: usize) -> f64 {
        let at = i * self.columns() + j;
        match &self.cells {
            Cells::Bytes(x) => x[at].into(),
            Cells::Floats(x) => x[at].into(),
            Cells::Numbers(x) => x[at],
            Cells::Sparse(x) => x.get(i, j).into(),
        }
    }

    /// Writes the numbers of row `i`, divided by the scale, to `to` `[columns]`; missing ones are
    /// NaN.
    ///
    /// # Panics
    /// If there is no such row, or `to` has another length.
    pub fn copy_row_to(&self, i: usize, to: &mut [f64]) {
        let (n, scale) = (self.columns(), self.scale);
        assert_eq!(to.len(), n, "numbers of a row");
        let range = i * n..(i + 1) * n;
        fn copy<T: Copy + Into<f64>>(to: &mut [f64], from: &[T], scale: f64) {
            let cells = to.iter_mut().zip(from);
            cells.for_each(|(y, &x)| *y = x.into() / scale);
        }
        match &self.cells {
            Cells::Bytes(x) => copy(to, &x[range], scale),
            Cells::Floats(x) => copy(to, &x[range], scale),
            Cells::Numbers(x) => copy(to, &x[range], scale),
            Cells::Sparse(x) => {
                to.fill(0.0);
                let (columns, values) = x.row(i);
                for (&j, &value) in columns.iter().zip(values) {
                    to[j as usize] = f64::from(value) / scale;
                }
            }
        }
    }

    /// Column `j` as people know it: its name, or its number from 1.
    pub fn column_name(&self, j: usize) -> String {
        match self.names.get(j) {
            Some(name) => format!("column {name:?}"),
            None => format!("column {}", j + 1),
        }
    }

    /// Where the cell in row `i` of column `j` stands in its file, for errors.
    pub fn place(&self, i: usize, j: usize) -> String {
        match self.lines.get(i) {
            Some(line) => format!("line {line}, {}", self.column_name(j)),
            None => format!("row {}, {}", self.first_row + i + 1, self.column_name(j)),
        }
    }

    /// What the file has in row `i` of column `j`, as text: empty if it is missing.
    pub fn text(&self, i: usize, j: usize) -> String {
        let x = self.stored(i, j);
        match self.texts.get(&j) {
            _ if x.is_nan() => String::new(),
            Some(texts) => texts[x as usize].clone(),
            None => x.to_string(),
        }
    }

    /// What is wrong with the cell in row `i` of column `j`.
    pub fn refused(&self, i: usize, j: usize, expected: &str) -> Error {
        let found = match self.texts.contains_key(&j) {
            _ if self.get(i, j).is_nan() => "a missing value".into(),
            true => format!("{:?}", self.text(i, j)),
            false => self.text(i, j),
        };
        Error::file(
            &self.path,
            expected,
            format!("{found} in {}", self.place(i, j)),
        )
    }

    /// Refuses a table with a missing value.
    ///
    /// # Errors
    /// [`Error::File`], with the place of the first.
    pub fn expect_whole(&self) -> Result<()> {
        let at = match &self.cells {
            Cells::Bytes(_) | Cells::Sparse(_) => None,
            Cells::Floats(x) => x.iter().position(|x| x.is_nan()),
            Cells::Numbers(x) => x.iter().position(|x| x.is_nan()),
        };
        match at {
            None => Ok(()),
            Some(at) => {
                let (i, j) = (at / self.columns(), at % self.columns());
                let expected = "a value in every cell (or ask for missing values)";
                Err(self.refused(i, j, expected))
            }
        }
    }

    /// The table with every number divided by `scale`.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `scale` is finite and above 0; [`Error::File`] if columns are
    /// text.
    pub fn scaled(mut self, scale: f64) -> Result<Self> {
        if !(scale.is_finite() && scale > 0.0) {
            return Err(Error::parameter("scale", "a number above 0", scale));
        }
        if let Some(&j) = self.texts.keys().next() {
            return Err(self.refused(0, j, "numbers to divide by the scale"));
        }
        self.scale = scale;
        Ok(self)
    }
}

impl Sparse {
    /// Columns and values of row `i`.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.columns[range.clone()], &self.values[range])
    }

    /// Rows `rows`, in that order.
    pub(in crate::dataset) fn rows(&self, rows: impl Iterator<Item = usize>) -> Self {
        let mut taken = Self {
            starts: vec![0],
            ..Self::default()
        };
        for i in rows {
            let (columns, values) = self.row(i);
            taken.columns.extend_from_slice(columns);
            taken.values.extend_from_slice(values);
            taken.starts.push(taken.values.len());
        }
        taken
    }

    fn get(&self, i: usize, j: usize) -> f32 {
        let (columns, values) = self.row(i);
        match columns.binary_search(&(j as u32)) {
            Ok(at) => values[at],
            Err(_) => 0.0,
        }
    }

    /// Whether this is a layout of `rows` rows of `columns` columns.
    fn is_sound(&self, rows: usize, columns: usize) -> bool {
        let n = self.values.len();
        let rises = |i: usize| {
            let (start, end) = (self.starts[i], self.starts[i + 1]);
            start <= end
                && end <= n
                && self.columns[start..end].windows(2).all(|x| x[0] < x[1])
                && self.columns[start..end]
                    .last()
                    .is_none_or(|&j| (j as usize) < columns)
        };
        self.starts.len() == rows + 1
            && self.columns.len() == n
            && self.starts[0] == 0
            && self.starts[rows] == n
            && (0..rows).all(rises)
    }
}

impl Labels {
    /// Classes from whole numbers: numbers from 0 are classes by themselves unless most of the
    /// numbers below the largest never come; else each number that comes is one.
    pub fn from_numbers(name: impl Into<String>, numbers: &[i64]) -> Self {
        let mut distinct = numbers.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let (least, most) = (
            distinct.first().copied().unwrap_or(0),
            distinct.last().copied().unwrap_or(0),
        );
        let is_dense = least >= 0 && (most as u64) < 2 * distinct.len() as u64;
        let classes: Vec<i64> = match is_dense {
            true => (0..=most).collect(),
            false => distinct,
        };
        let code = |x: &i64| classes.binary_search(x).unwrap_or(0) as u32;
        Self {
            name: name.into(),
            codes: numbers.iter().map(code).collect(),
            classes: classes.iter().map(i64::to_string).collect(),
        }
    }

    /// Classes from texts: each that comes is one, in sorted order.
    pub fn from_texts(name: impl Into<String>, texts: &[String]) -> Self {
        let mut classes = texts.to_vec();
        classes.sort_unstable();
        classes.dedup();
        let code = |x: &String| classes.binary_search(x).unwrap_or(0) as u32;
        Self {
            name: name.into(),
            codes: texts.iter().map(code).collect(),
            classes,
        }
    }
}

/// Labels that are not one an example of the table at `path`.
pub(super) fn check_labels(path: &Path, labels: &Labels, rows: usize) -> Result<()> {
    match labels.codes.len() {
        n if n == rows => Ok(()),
        n => Err(Error::file(
            path,
            format!("{rows} labels, one for each example"),
            n,
        )),
    }
}
