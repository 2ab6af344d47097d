//! Couplings from a text file.

use super::BoltzmannMachine;
use crate::error::{Error, Result};
use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

/// Most elements of the couplings of a machine from a file: 8 GiB.
const MOST_ELEMENTS: usize = 1 << 31;
/// Couplings of at most this many elements, 1 GiB, may be of units that no line names.
const UNNAMED_ELEMENTS: usize = 1 << 28;

impl BoltzmannMachine {
    /// A machine of the couplings in a text file, one a line: `i j weight`, separated by white
    /// space, units numbered from 0, visible ones first. `weight` is what [`Self::from_edges`]
    /// takes: `R_ij = R_ji`, `W` or `S_ij = S_ji`, so that a pair within a layer counts twice. A
    /// line `i i bias` is the bias of a unit: in `-x'Ux` the diagonal is one, because
    /// `x_i^2 = x_i`. Empty lines and what follows `#` are passed over. The machine remembers its
    /// edges, those of weight 0 too: learning touches no other pair.
    ///
    /// ```
    /// # use harmonium::BoltzmannMachine;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("edges.txt");
    /// let triangle = "# a triangle with a field\n0 1 0.5\n1 2 -0.5\n2 0 1\n0 0 0.25\n";
    /// std::fs::write(&path, triangle).unwrap();
    /// let machine = BoltzmannMachine::from_edge_file(&path, 3, 0)?;
    /// assert_eq!(machine.visible_weights().row(0), [0.0, 0.5, 1.0]);
    /// assert_eq!(machine.visible().bias, [0.25, 0.0, 0.0]);
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::File`] with the line for one that is not
    /// two units below `n_visible + n_hidden` and a finite number, or that repeats a pair or a
    /// bias; [`Error::Parameter`] for more than 46,340 units, whose couplings are dense and would
    /// take more than 8 GiB.
    pub fn from_edge_file(
        path: impl AsRef<Path>,
        n_visible: usize,
        n_hidden: usize,
    ) -> Result<Self> {
        let path = path.as_ref();
        let units = n_visible.saturating_add(n_hidden);
        if units > MOST_ELEMENTS.isqrt() {
            let expected = format!("at most {}", MOST_ELEMENTS.isqrt());
            let found = format!("{units}: their couplings take {}", memory(units));
            return Err(Error::parameter("units", expected, found));
        }
        let text = text_of(path)?;
        let (mut edges, mut biases) = (Vec::new(), Vec::new());
        let mut lines = HashMap::new();
        for (line_number, line) in lines_of(&text) {
            let Some((i, j, weight)) = edge(line, units) else {
                let expected =
                    format!("two units below {units} and a finite number in line {line_number}");
                return Err(Error::file(path, expected, format!("{line:?}")));
            };
            if let Some(earlier) = lines.insert((i.min(j), i.max(j)), line_number) {
                let expected = format!("each pair and each bias once, also in line {line_number}");
                let found = format!("{line:?}, which line {earlier} has");
                return Err(Error::file(path, expected, found));
            }
            match i == j {
                true => biases.push((i, weight)),
                false => edges.push((i, j, weight)),
            }
        }
        let mut machine = Self::from_edges(n_visible, n_hidden, &edges)?;
        let (b, c) = machine.biases_mut();
        for (i, bias) in biases {
            match i.checked_sub(n_visible) {
                None => b[i] = bias,
                Some(j) => c[j] = bias,
            }
        }
        Ok(machine)
    }

    /// How many units a text file of couplings names: one more than the largest number, for
    /// [`Self::from_edge_file`].
    ///
    /// Couplings are dense, four bytes a pair of units. A number that somebody mistyped must not
    /// fill the memory: beyond 16,384 units, which take 1 GiB, at least half of all numbers must be
    /// in some line.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::File`] with the line for one that is not
    /// two numbers of units and a finite number, for a file without edges, and for one that names
    /// few of many units.
    pub fn units_of_edge_file(path: impl AsRef<Path>) -> Result<usize> {
        let path = path.as_ref();
        let text = text_of(path)?;
        let mut named = HashSet::new();
        let mut largest = (0, 0);
        for (line_number, line) in lines_of(&text) {
            let Some((i, j, _)) = edge(line, usize::MAX) else {
                let expected = format!("two units and a finite number in line {line_number}");
                return Err(Error::file(path, expected, format!("{line:?}")));
            };
            named.extend([i, j]);
            largest = largest.max((i.max(j), line_number));
        }
        if named.is_empty() {
            return Err(Error::file(path, "lines `i j weight`", "none"));
        }
        let (last, line_number) = largest;
        let (units, n) = (last + 1, named.len());
        if units.saturating_mul(units) > UNNAMED_ELEMENTS && n < units.div_ceil(2) {
            let expected = format!("units numbered from 0 on without gaps, line {line_number}");
            let found = format!(
                "{n} of {units} units in all lines; couplings of {units} units take {}",
                memory(units)
            );
            return Err(Error::file(path, expected, found));
        }
        Ok(units)
    }
}

/// What the dense couplings of `units` units take, in words.
fn memory(units: usize) -> String {
    format!(
        "{:.1} GiB",
        4.0 * (units as f64).powi(2) / f64::from(1 << 30)
    )
}

fn text_of(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|e| Error::io(path, "read the edges", e))?;
    String::from_utf8(bytes).map_err(|e| Error::file(path, "text", format!("other bytes ({e})")))
}

/// Numbered from 1, without comments and empty ones.
fn lines_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(k, line)| (k + 1, line.split('#').next().unwrap_or_default().trim()));
    lines.filter(|(_, line)| !line.is_empty())
}

fn edge(line: &str, units: usize) -> Option<(usize, usize, f32)> {
    let mut fields = line.split_whitespace();
    let mut unit = || fields.next()?.parse().ok().filter(|&i: &usize| i < units);
    let (i, j) = (unit()?, unit()?);
    let weight: f32 = fields.next()?.parse().ok()?;
    let is_whole = fields.next().is_none();
    (is_whole && weight.is_finite()).then_some((i, j, weight))
}
