//! Couplings from a file: lists of edges, quadratic models of dimod, graphs of G-set.

mod bqm;
mod numbering;
mod text;

use super::BoltzmannMachine;
use crate::error::{Error, Result};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// Most elements of the couplings of a machine from a file: 8 GiB.
const MOST_ELEMENTS: usize = 1 << 31;

/// What the numbers of a file of couplings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeEnergy {
    /// Those of [`BoltzmannMachine::from_edges`]: `R_ij = R_ji`, `W` or `S_ij = S_ji`, so that a
    /// pair within a layer counts twice, and biases.
    Stored,
    /// Couplings and fields of spins -1 and 1: `E = -sum_{i<j} J_ij s_i s_j - sum_i f_i s_i`.
    Spins,
    /// Those of D-Wave: `E = sum_{i<j} J_ij s_i s_j + sum_i h_i s_i`.
    SpinCosts,
    /// Those of D-Wave over bits 0 and 1: `E = sum_{i<j} q_ij x_i x_j + sum_i q_i x_i`.
    BitCosts,
}

/// A number of the file: a coupling of two units, or a bias where both are the same.
struct Edge {
    i: usize,
    j: usize,
    weight: f32,
    /// Where it stands: the line, from 1, or the number of the coupling.
    line: usize,
}

/// What a reader makes of a file, units numbered as the file does it.
struct Content {
    edges: Vec<Edge>,
    energy: EdgeEnergy,
    offset: f64,
    numbers: numbering::Numbers,
    found: Vec<String>,
}

/// Couplings and biases in a file, in any of these forms. Of text, empty lines and what follows
/// `#` are passed over.
///
/// - `.txt`, `.edges`: lines `i j weight` and `i i bias`, [`EdgeEnergy::Stored`].
/// - `.ising`: lines `i j J` and `i i f`, [`EdgeEnergy::Spins`].
/// - `.coo`, or any of these with a line `# vartype=SPIN` or `# vartype=BINARY`: lines `i j J` and
///   `i i h` as dimod writes them, [`EdgeEnergy::SpinCosts`] or [`EdgeEnergy::BitCosts`].
/// - `.json`: a `BinaryQuadraticModel` of dimod, schema 3.0.0, of the same energies.
/// - `.gset`, `.rud`, `G1` to `G99`: a graph of G-set, `nodes edges`, then lines `i j weight`,
///   nodes from 1, [`EdgeEnergy::SpinCosts`]: the states of least energy are the largest cuts. So
///   is any other text whose first line has two numbers, the second that of the lines below.
///
/// Units of edge lists are numbered from 0. A file whose lines never name unit 0 but the unit after
/// the last is numbered from 1, and [`Self::found`] says so; a line `0 0 0` keeps unit 0. Where the
/// file alone tells how many units there are, variables of dimod are numbered in rising order,
/// without gaps.
pub struct EdgeFile {
    path: PathBuf,
    edges: Vec<Edge>,
    units: usize,
    named: usize,
    /// What the numbers of the file are.
    pub energy: EdgeEnergy,
    /// A constant that the energy of the file has beside its couplings and biases.
    pub offset: f64,
    /// What was recognized and not asked for, a phrase each.
    pub found: Vec<String>,
}

impl EdgeFile {
    /// Whether the name is that of such a file.
    pub fn recognizes(path: &Path) -> bool {
        let of_text = ["txt", "edges", "ising", "coo", "gset", "rud", "json"];
        match path.extension().and_then(|e| e.to_str()) {
            Some(e) => of_text.iter().any(|name| e.eq_ignore_ascii_case(name)),
            None => text::is_named_g(path),
        }
    }

    /// The file at `path`, for a machine of `units` units, or of as many as the file names.
    ///
    /// Couplings are dense, four bytes a pair of units. A number that somebody mistyped must not
    /// fill the memory: beyond 16,384 units, which take 1 GiB, at least half of all numbers must be
    /// in some line, unless `units` tells how many there are.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::File`] with the line for one that is not
    /// two units and a finite number, or that repeats a pair or a bias, for a unit from `units` on,
    /// and, without `units`, for a file without edges and for one that names few of many units;
    /// [`Error::Parameter`] for more than 46,340 units, whose couplings would take more than 8 GiB.
    pub fn read(path: impl AsRef<Path>, units: Option<usize>) -> Result<Self> {
        let path = path.as_ref();
        if let Some(units) = units {
            check_size(units)?;
        }
        let bytes = fs::read(path).map_err(|e| Error::io(path, "read the edges", e))?;
        let text = String::from_utf8(bytes)
            .map_err(|e| Error::file(path, "text", format!("other bytes ({e})")))?;
        let content = match text::has_extension(path, "json") {
            true => bqm::content(path, &text)?,
            false => text::content(path, &text)?,
        };
        let file = numbering::numbered(path, content, units)?;
        check_size(file.units)?;
        file.check_repeated()?;
        Ok(file)
    }

    /// How many units the machine has: those of [`Self::read`], or as many as the file names.
    pub fn units(&self) -> usize {
        self.units
    }

    /// One more than the last unit that a line names.
    pub fn named(&self) -> usize {
        self.named
    }

    /// Whether the energy is one of spins -1 and 1.
    pub fn is_of_spins(&self) -> bool {
        matches!(self.energy, EdgeEnergy::Spins | EdgeEnergy::SpinCosts)
    }

    /// The machine whose first `n_visible` units are visible, with the energy of the file up to a
    /// constant. It remembers its edges, those of weight 0 too: learning touches no other pair.
    ///
    /// With spins `s = 2x - 1`, `-sum_{i<j} J_ij s_i s_j - sum_i f_i s_i` is `E(x)` of the
    /// couplings `A_ij = 4 J_ij` and biases `2 f_i - 2 sum_j J_ij`, plus the constant `(sum_{i<j}
    /// A_ij) / 4 + (sum_i a_i) / 2`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there are fewer units; [`Error::NotFinite`] where a sum of couplings
    /// is not finite.
    pub fn machine(&self, n_visible: usize) -> Result<BoltzmannMachine> {
        let Some(n_hidden) = self.units.checked_sub(n_visible) else {
            let expected = format!("at most the {} units of the file", self.units);
            return Err(Error::parameter("visible units", expected, n_visible));
        };
        // A pair within a layer counts twice.
        let halves = |i: usize, j: usize| {
            if (i < n_visible) == (j < n_visible) {
                0.5
            } else {
                1.0
            }
        };
        let (mut edges, mut biases) = (Vec::new(), vec![0.0; self.units]);
        for &Edge { i, j, weight, .. } in &self.edges {
            match self.energy {
                EdgeEnergy::Stored if i == j => biases[i] = weight,
                EdgeEnergy::Spins if i == j => biases[i] = 2.0 * weight,
                EdgeEnergy::SpinCosts if i == j => biases[i] = -2.0 * weight,
                EdgeEnergy::BitCosts if i == j => biases[i] = -weight,
                EdgeEnergy::Stored => edges.push((i, j, weight)),
                EdgeEnergy::BitCosts => edges.push((i, j, -weight * halves(i, j))),
                EdgeEnergy::Spins | EdgeEnergy::SpinCosts => {
                    edges.push((i.min(j), i.max(j), weight))
                }
            }
        }
        if self.is_of_spins() {
            let sign = if self.energy == EdgeEnergy::Spins {
                1.0
            } else {
                -1.0
            };
            // The biases are sums of f32: their order is that of the pairs.
            edges.sort_unstable_by_key(|&(i, j, _)| (i, j));
            for (i, j, weight) in &mut edges {
                let coupling = sign * *weight;
                biases[*i] -= 2.0 * coupling;
                biases[*j] -= 2.0 * coupling;
                *weight = 4.0 * halves(*i, *j) * coupling;
            }
        }
        let mut machine = BoltzmannMachine::from_edges(n_visible, n_hidden, &edges)?;
        let (b, c) = machine.biases_mut();
        b.copy_from_slice(&biases[..n_visible]);
        c.copy_from_slice(&biases[n_visible..]);
        machine.check()?;
        Ok(machine)
    }

    fn check_repeated(&self) -> Result<()> {
        let mut lines = HashMap::new();
        for &Edge { i, j, line, .. } in &self.edges {
            if let Some(earlier) = lines.insert((i.min(j), i.max(j)), line) {
                let expected = format!("each pair and each bias once, also in line {line}");
                let found = format!("units {i} and {j}, which line {earlier} has");
                return Err(Error::file(&self.path, expected, found));
            }
        }
        Ok(())
    }
}

impl BoltzmannMachine {
    /// A machine of the couplings in a file of any form of [`EdgeFile`]. One of edges has a
    /// coupling a line: `i j weight`, separated by white space, units numbered from 0, visible ones
    /// first. `weight` is what [`Self::from_edges`] takes: `R_ij = R_ji`, `W` or `S_ij = S_ji`, so
    /// that a pair within a layer counts twice. A line `i i bias` is the bias of a unit: in `-x'Ux`
    /// the diagonal is one, because `x_i^2 = x_i`.
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
    /// Those of [`EdgeFile::read`] and [`EdgeFile::machine`].
    pub fn from_edge_file(
        path: impl AsRef<Path>,
        n_visible: usize,
        n_hidden: usize,
    ) -> Result<Self> {
        EdgeFile::read(path, Some(n_visible.saturating_add(n_hidden)))?.machine(n_visible)
    }
}

fn check_size(units: usize) -> Result<()> {
    let most = MOST_ELEMENTS.isqrt();
    match units > most {
        true => Err(Error::parameter(
            "units",
            format!("at most {most}"),
            format!("{units}: their couplings take {}", memory(units)),
        )),
        false => Ok(()),
    }
}

/// What the dense couplings of `units` units take, in words.
fn memory(units: usize) -> String {
    format!(
        "{:.1} GiB",
        4.0 * (units as f64).powi(2) / f64::from(1 << 30)
    )
}
