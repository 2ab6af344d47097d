//! Sweeps over graphs of spins, at inverse temperature 1. Couplings are in the disordered phase,
//! where chains forget their start in a few sweeps: a peer's samples can be held against them.

use super::{
    report::Row,
    size::Size,
    timer::{Measure, Timer},
};
use crate::failure::Outcome;
use harmonium::{BoltzmannMachine, Result, checkpoint::write_atomically, rng::HostRng};
use std::path::Path;

/// Deviation of a coupling, times the root of the number of neighbors.
const COUPLING: f64 = 0.5;
/// Deviation of a field.
const FIELD: f64 = 0.1;
/// The coupling where all are equal and there is no field.
const EQUAL: f32 = 0.3;

type Edges = Vec<(usize, usize)>;

/// Which spins are coupled.
#[derive(Clone, Copy)]
enum Graph {
    /// A square lattice whose opposite borders meet, and whether its couplings are equal.
    Torus { side: usize, equal: bool },
    /// Random pairs: each spin has this many neighbors, or a few less.
    Random { spins: usize, degree: usize },
    /// All pairs.
    Dense { spins: usize },
}

fn graphs(size: &Size) -> impl Iterator<Item = Graph> + use<> {
    let torus = [false, true].map(|equal| Graph::Torus {
        side: size.torus,
        equal,
    });
    let spins = size.spins;
    let random = size.degrees.map(|degree| Graph::Random { spins, degree });
    let dense = size.dense.map(|spins| Graph::Dense { spins });
    torus.into_iter().chain(random).chain(dense)
}

impl Graph {
    fn name(self) -> String {
        match self {
            Self::Torus { side, equal } => {
                let equal = if equal { " of equal couplings" } else { "" };
                format!("torus {side} x {side}{equal}")
            }
            Self::Random { spins, degree } => format!("degree {degree} of {spins} spins"),
            Self::Dense { spins } => format!("dense of {spins} spins"),
        }
    }

    fn spins(self) -> usize {
        match self {
            Self::Torus { side, .. } => side * side,
            Self::Random { spins, .. } | Self::Dense { spins } => spins,
        }
    }

    /// Each pair once.
    fn edges(self, rng: &mut HostRng) -> Edges {
        let n = self.spins();
        match self {
            Self::Torus { side, .. } => (0..n)
                .flat_map(|i| {
                    let (row, column) = (i / side, i % side);
                    let right = row * side + (column + 1) % side;
                    let below = (row + 1) % side * side + column;
                    [(i, right), (i, below)]
                })
                .collect(),
            Self::Random { degree, .. } => random_edges(n, degree, rng),
            Self::Dense { .. } => (0..n).flat_map(|i| (0..i).map(move |j| (j, i))).collect(),
        }
    }

    fn machine(self) -> Result<BoltzmannMachine> {
        let mut rng = HostRng::numbered(2, 5);
        let n = self.spins();
        let edges = self.edges(&mut rng);
        let deviation = COUPLING / (2.0 * edges.len() as f64 / n as f64).sqrt();
        // Of spins: the coupling J of a pair is half a visible weight; the field f of a spin is
        // b / 2 and the sum of its J.
        let mut biases = vec![0.0; n];
        let equal = matches!(self, Self::Torus { equal: true, .. });
        if !equal {
            biases.fill_with(|| (2.0 * FIELD * rng.normal()) as f32);
        }
        let weighted: Vec<(usize, usize, f32)> = edges
            .into_iter()
            .map(|(i, j)| {
                let coupling = if equal {
                    EQUAL
                } else {
                    (deviation * rng.normal()) as f32
                };
                biases[i] -= 2.0 * coupling;
                biases[j] -= 2.0 * coupling;
                (i, j, 2.0 * coupling)
            })
            .collect();
        let mut machine = BoltzmannMachine::from_edges(n, 0, &weighted)?;
        machine.set_parameter("bias.0", &biases)?;
        Ok(machine)
    }
}

/// As many random perfect matchings as spins have neighbors, without the pairs that come again.
fn random_edges(spins: usize, degree: usize, rng: &mut HostRng) -> Edges {
    let mut order: Vec<usize> = (0..spins).collect();
    let mut edges = Edges::new();
    for _ in 0..degree {
        rng.shuffle(&mut order);
        let pairs = order.chunks_exact(2);
        edges.extend(pairs.map(|pair| (pair[0].min(pair[1]), pair[0].max(pair[1]))));
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Each graph with each number of chains.
pub(super) fn cases(size: &Size) -> impl Iterator<Item = Measure<'_>> {
    graphs(size).map(move |graph| -> Measure<'_> { Box::new(move |t| sweeps(t, size, graph)) })
}

fn sweeps(t: &Timer<'_>, size: &Size, graph: Graph) -> Result<Vec<Row>> {
    let machine = graph.machine()?;
    let rows = size.spin_chains.into_iter().map(|chains| {
        let mut chain = machine.chains(chains, 1)?;
        let scale = 1e9 / (chains * graph.spins()) as f64;
        let name = format!("{}: {chains} chains", graph.name());
        t.in_unit(name, (scale, "ns a spin update"), || chain.sweep(1, 1.0))
    });
    rows.collect()
}

/// Writes the couplings and fields of each graph.
///
/// # Errors
/// Files that cannot be written.
pub(super) fn save(size: &Size, to: &Path) -> Outcome<()> {
    for graph in graphs(size) {
        let name = graph.name().replace(' ', "-");
        let text = graph.machine()?.to_ising()?;
        write_atomically(&to.join(format!("{name}.ising")), text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn graphs_have_the_pairs_that_they_say() {
        let mut rng = HostRng::numbered(0, 0);
        let mut degrees = |graph: Graph| {
            let edges = graph.edges(&mut rng);
            let once: HashSet<_> = edges.iter().map(|&(i, j)| (i.min(j), i.max(j))).collect();
            assert_eq!(once.len(), edges.len(), "{}", graph.name());
            let mut degrees = vec![0; graph.spins()];
            for (i, j) in edges {
                assert_ne!(i, j);
                degrees[i] += 1;
                degrees[j] += 1;
            }
            degrees
        };
        let torus = |equal| Graph::Torus { side: 5, equal };
        assert_eq!(degrees(torus(true)), [4; 25]);
        assert_eq!(degrees(Graph::Dense { spins: 7 }), [6; 7]);
        let random = degrees(Graph::Random {
            spins: 4096,
            degree: 6,
        });
        assert!(random.iter().all(|&d| (3..=6).contains(&d)));
        // Each of the 15 pairs of matchings shares half a pair of spins on average, which takes two
        // neighbors away.
        let missing = 6 * 4096 - random.iter().sum::<usize>();
        assert!(missing <= 40, "{missing}");
    }

    /// The file of spins has the couplings and fields that were drawn.
    #[test]
    fn equal_couplings_have_no_fields() {
        let graph = Graph::Torus {
            side: 4,
            equal: true,
        };
        let text = graph.machine().unwrap().to_ising().unwrap();
        let lines = text.lines().skip(1).map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let number: f64 = fields[2].parse().unwrap();
            (fields[0] == fields[1], number)
        });
        let (fields, couplings): (Vec<_>, Vec<_>) = lines.partition(|(own, _)| *own);
        assert_eq!((fields.len(), couplings.len()), (16, 32));
        assert!(fields.iter().all(|(_, f)| f.abs() < 1e-6));
        assert!(couplings.iter().all(|(_, j)| (j - 0.3).abs() < 1e-6));
    }
}
