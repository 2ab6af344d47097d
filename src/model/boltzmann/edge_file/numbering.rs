//! Which units the numbers of a file are.

use super::{Content, Edge, EdgeFile, memory};
use crate::error::{Error, Result};
use std::{collections::BTreeSet, path::Path};

/// Couplings of at most this many elements, 1 GiB, may be of units that no line names.
const UNNAMED_ELEMENTS: usize = 1 << 28;
/// Variables that are named where they are renumbered.
const SHOWN: usize = 4;

/// How a file numbers its units.
pub(super) enum Numbers {
    /// From 0, or, if no line names unit 0, from 1.
    Units,
    /// The numbers are names of variables, of which there are no others.
    Variables,
    /// From 0, this many, those without a line too.
    All(usize),
}

/// The content with units numbered from 0: `units` of them, or as many as the file names.
pub(super) fn numbered(path: &Path, content: Content, units: Option<usize>) -> Result<EdgeFile> {
    let mut found = content.found;
    let mut edges = content.edges;
    let mut last = edges
        .iter()
        .map(|x| (x.i.max(x.j), x.line))
        .max()
        .map_or((0, 0), |(number, line)| (number + 1, line));
    let names: BTreeSet<usize> = edges.iter().flat_map(|x| [x.i, x.j]).collect();
    let is_from_1 = names.first().is_some_and(|&least| least > 0)
        && units.is_none_or(|units| last.0 == units + 1);
    let count = match (content.numbers, units) {
        (Numbers::All(all), units) => {
            let units = units.unwrap_or(all);
            if all > units {
                let expected = format!("at most {units} units");
                return Err(Error::file(path, expected, all));
            }
            check_gaps(path, (all, 1), names.len())?;
            units
        }
        (Numbers::Variables, None) if !names.is_empty() => {
            if last.0 != names.len() {
                found.push(renumbered(&names));
                rank(&mut edges, &names);
            }
            last.0 = names.len();
            names.len()
        }
        (_, None) if names.is_empty() => {
            return Err(Error::file(path, "lines `i j weight`", "none"));
        }
        (_, units) => {
            if is_from_1 {
                found.push(
                    "units are numbered from 1, for no line names 0 (a line `0 0 0` would)".into(),
                );
                for edge in &mut edges {
                    (edge.i, edge.j) = (edge.i - 1, edge.j - 1);
                }
                last.0 -= 1;
            }
            if units.is_none() {
                check_gaps(path, last, names.len())?;
            }
            units.unwrap_or(last.0)
        }
    };
    if let Some(edge) = edges.iter().find(|x| x.i.max(x.j) >= count) {
        let Edge { i, j, line, .. } = edge;
        let expected = format!("two units below {count} and a finite number in line {line}");
        return Err(Error::file(path, expected, format!("units {i} and {j}")));
    }
    Ok(EdgeFile {
        path: path.to_owned(),
        edges,
        units: count,
        named: last.0,
        energy: content.energy,
        offset: content.offset,
        found,
    })
}

fn check_gaps(path: &Path, (units, line): (usize, usize), named: usize) -> Result<()> {
    if units.saturating_mul(units) <= UNNAMED_ELEMENTS || named >= units.div_ceil(2) {
        return Ok(());
    }
    Err(Error::file(
        path,
        format!("units numbered from 0 on without gaps, line {line}"),
        format!(
            "{named} of {units} units in all lines; couplings of {units} units take {}",
            memory(units)
        ),
    ))
}

/// Gives each number its place among `names`.
fn rank(edges: &mut [Edge], names: &BTreeSet<usize>) {
    let names: Vec<usize> = names.iter().copied().collect();
    let rank = |name| names.partition_point(|&other| other < name);
    for edge in edges {
        (edge.i, edge.j) = (rank(edge.i), rank(edge.j));
    }
}

/// Says that the variables have become units.
pub(super) fn renumbered(
    names: impl IntoIterator<Item = impl ToString, IntoIter: ExactSizeIterator>,
) -> String {
    let names = names.into_iter();
    let n = names.len();
    let mut shown: Vec<String> = names.take(SHOWN).map(|x| x.to_string()).collect();
    if n > SHOWN {
        shown.push("..".into());
    }
    format!(
        "variables {} are units 0 to {}",
        shown.join(", "),
        n.max(1) - 1
    )
}
