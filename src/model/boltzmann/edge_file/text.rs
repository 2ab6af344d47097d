//! Couplings one a line: edge lists, the COO format of dimod, graphs of G-set.
//!
//! # Source
//! `dimod.serialization.coo` 0.12; <https://web.stanford.edu/~yyye/yyye/Gset/>, the output of
//! Rinaldi's generator rudy.

use super::{Content, Edge, EdgeEnergy, numbering::Numbers};
use crate::error::{Error, Result};
use std::path::Path;

/// Whether the name ends like this.
pub(super) fn has_extension(path: &Path, name: &str) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| e.eq_ignore_ascii_case(name))
}

/// Whether the file is called as those of G-set are: `G22`.
pub(super) fn is_named_g(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let number = name.and_then(|name| name.strip_prefix('G'));
    number.is_some_and(|x| matches!(x.len(), 1 | 2) && x.bytes().all(|b| b.is_ascii_digit()))
}

pub(super) fn content(path: &Path, text: &str) -> Result<Content> {
    let mut lines = lines_of(text);
    let is_graph = is_named_g(path) || ["gset", "rud"].iter().any(|e| has_extension(path, e));
    let (number, line) = lines_of(text).next().unwrap_or((1, ""));
    if let Some(size) = size(line)
        && (is_graph || size.1 > 0 && size.1 == lines_of(text).count() - 1)
    {
        lines.next();
        return graph(path, size, lines);
    }
    if is_graph {
        let expected = format!("numbers of nodes and edges in line {number}");
        return Err(Error::file(path, expected, format!("{line:?}")));
    }
    let mut found = Vec::new();
    let energy = match vartype(text) {
        Some(name) => {
            let energy = match name.to_ascii_uppercase().as_str() {
                "SPIN" => EdgeEnergy::SpinCosts,
                "BINARY" => EdgeEnergy::BitCosts,
                _ => {
                    let found = format!("vartype={name}");
                    return Err(Error::file(path, "vartype=SPIN or vartype=BINARY", found));
                }
            };
            if !has_extension(path, "coo") {
                found.push(format!(
                    "its line vartype={name} says costs of dimod: E = +sum J_ij s_i s_j + sum h_i s_i"
                ));
            }
            energy
        }
        None if has_extension(path, "coo") => {
            return Err(Error::file(
                path,
                "a line `# vartype=SPIN` or `# vartype=BINARY` (dimod: \
                 coo.dump(bqm, file, vartype_header=True))",
                "none",
            ));
        }
        None if has_extension(path, "ising") => EdgeEnergy::Spins,
        None => EdgeEnergy::Stored,
    };
    let edges: Result<Vec<Edge>> = lines
        .map(|(number, line)| edge(path, number, line))
        .collect();
    Ok(Content {
        edges: edges?,
        energy,
        offset: 0.0,
        numbers: match energy {
            EdgeEnergy::Stored | EdgeEnergy::Spins => Numbers::Units,
            EdgeEnergy::SpinCosts | EdgeEnergy::BitCosts => Numbers::Variables,
        },
        found,
    })
}

/// The graph whose first line is `nodes edges`.
fn graph<'a>(
    path: &Path,
    (nodes, count): (usize, usize),
    lines: impl Iterator<Item = (usize, &'a str)>,
) -> Result<Content> {
    let mut edges = Vec::new();
    for (number, line) in lines {
        let mut edge = edge(path, number, line)?;
        let are_nodes = [edge.i, edge.j].iter().all(|x| (1..=nodes).contains(x));
        if !are_nodes || edge.i == edge.j {
            let expected = format!("two different nodes from 1 to {nodes} in line {number}");
            return Err(Error::file(path, expected, format!("{line:?}")));
        }
        (edge.i, edge.j) = (edge.i - 1, edge.j - 1);
        edges.push(edge);
    }
    if edges.len() != count {
        let expected = format!("{count} edges, as its first line says");
        return Err(Error::file(path, expected, edges.len()));
    }
    let found = format!(
        "a graph of {nodes} nodes, numbered from 1: E = sum w s s, whose least is the largest cut"
    );
    Ok(Content {
        edges,
        energy: EdgeEnergy::SpinCosts,
        offset: 0.0,
        numbers: Numbers::All(nodes),
        found: vec![found],
    })
}

/// Numbered from 1, without comments and empty ones.
fn lines_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(k, line)| (k + 1, line.split('#').next().unwrap_or_default().trim()));
    lines.filter(|(_, line)| !line.is_empty())
}

/// The two numbers of a line that has no others.
fn size(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace().map(|x| x.parse().ok());
    let size = (fields.next()??, fields.next()??);
    fields.next().is_none().then_some(size)
}

/// The word after `vartype` in a comment.
fn vartype(text: &str) -> Option<&str> {
    let comments = text.lines().filter_map(|line| line.split_once('#'));
    let mut words = comments.filter_map(|(_, comment)| comment.split_once("vartype"));
    let rest = words.next()?.1.strip_prefix([':', '='])?.trim();
    rest.split_whitespace().next()
}

fn edge(path: &Path, number: usize, line: &str) -> Result<Edge> {
    let parse = || {
        let mut fields = line.split_whitespace();
        let mut unit = || {
            let number = fields.next()?.parse().ok();
            number.filter(|&i: &usize| i < usize::MAX)
        };
        let (i, j) = (unit()?, unit()?);
        let weight: f32 = fields.next()?.parse().ok()?;
        let is_whole = fields.next().is_none();
        (is_whole && weight.is_finite()).then_some((i, j, weight))
    };
    match parse() {
        Some((i, j, weight)) => Ok(Edge {
            i,
            j,
            weight,
            line: number,
        }),
        None => Err(Error::file(
            path,
            format!("two units and a finite number in line {number}"),
            format!("{line:?}"),
        )),
    }
}
