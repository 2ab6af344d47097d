//! Who is coupled with whom, and how strongly: the couplings of a general machine as lists of
//! neighbors.

use super::BoltzmannMachine;
use crate::kernel::sweep::{Group, MOST_NEIGHBORS, Neighbors, Order, Rows};
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
};

/// Machines of which at least one in so many pairs of units is coupled are dense.
const DENSE: usize = 4;

/// The next [`Couplings::version`].
static VERSION: AtomicU64 = AtomicU64::new(1);

fn next_version() -> u64 {
    VERSION.fetch_add(1, Ordering::Relaxed)
}

/// `A` without its zeros, and `a`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Couplings {
    neighbors: Neighbors,
    bias: Vec<f32>,
    groups: Vec<Group>,
    order: Order,
    /// The most neighbors, as far as a table takes them; none if no unit has so few.
    tabled: Option<usize>,
    /// All couplings, if most units have so many neighbors that tables of theirs do not pay.
    rows: Option<Rows>,
    /// Changes with the parameters: equal versions have equal ones.
    version: u64,
}

impl Couplings {
    /// The couplings of the pairs for which `is_edge(i, j)`, a symmetric relation.
    pub(crate) fn new(machine: &BoltzmannMachine, is_edge: impl Fn(usize, usize) -> bool) -> Self {
        let n = machine.units();
        let of = |i: usize| (0..n).filter(move |&j| j != i).map(move |j| (i, j));
        let edges = |i: usize| of(i).filter(|&(i, j)| is_edge(i, j)).map(|(_, j)| j as u32);
        let mut couplings = Self {
            neighbors: Neighbors::new((0..n).map(edges)),
            bias: vec![0.0; n],
            groups: machine.groups().collect(),
            ..Self::default()
        };
        let degree = |i: usize| couplings.neighbors.degree(i);
        couplings.tabled = (0..n).map(degree).filter(|&k| k <= MOST_NEIGHBORS).max();
        couplings.order = if couplings.groups.is_empty() {
            let mut classes = couplings.classes();
            // Units of as many neighbors go the same way.
            let classes_by_degree = classes.iter_mut();
            classes_by_degree.for_each(|class| class.sort_by_key(|&i| degree(i as usize)));
            Order::by_classes(&classes)
        } else {
            Order::by_number(n)
        };
        let is_dense = couplings.len() * DENSE >= n * n && n > 2 * MOST_NEIGHBORS;
        if is_dense && couplings.groups.is_empty() {
            couplings.rows = Some(Rows::new(n));
        }
        couplings.refresh(machine);
        couplings
    }

    /// The pairs whose coupling is not zero.
    pub(crate) fn present(machine: &BoltzmannMachine) -> Self {
        Self::new(machine, |i, j| machine.coupling(i, j) != 0.0)
    }

    /// The pairs that learning may couple.
    pub(crate) fn allowed(machine: &BoltzmannMachine) -> Self {
        Self::new(machine, |i, j| machine.may_couple(i, j))
    }

    /// Takes the parameters of `machine`, which has the same edges. Allocates nothing.
    pub(crate) fn refresh(&mut self, machine: &BoltzmannMachine) {
        self.version = next_version();
        for i in 0..self.units() {
            self.bias[i] = machine.bias(i);
            let (neighbors, values) = self.neighbors.of_mut(i);
            for (value, &j) in values.iter_mut().zip(neighbors) {
                *value = machine.coupling(i, j as usize);
            }
            if let Some(rows) = &mut self.rows {
                let row = rows.row_mut(i);
                for (&value, &j) in values.iter().zip(neighbors) {
                    row[j as usize] = value;
                }
            }
        }
    }

    /// `a`.
    pub(super) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// `a`, to be changed.
    pub(crate) fn bias_mut(&mut self) -> &mut [f32] {
        self.version = next_version();
        &mut self.bias
    }

    /// All couplings of a dense machine: at least a quarter of all pairs, no softmax groups, more
    /// than a few units.
    pub(super) fn rows(&self) -> Option<&Rows> {
        self.rows.as_ref()
    }

    /// The order of a sweep.
    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    /// The most neighbors of a unit that has at most [`MOST_NEIGHBORS`].
    pub(super) fn tabled(&self) -> Option<usize> {
        self.tabled
    }

    /// Changes with the parameters: equal versions have equal ones.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn units(&self) -> usize {
        self.neighbors.units()
    }

    /// Softmax groups, rising.
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// `A`.
    pub(super) fn neighbors(&self) -> &Neighbors {
        &self.neighbors
    }

    /// Couplings, each counted from both sides.
    pub(super) fn len(&self) -> usize {
        self.neighbors.len()
    }

    /// Neighbors of unit `i`, rising, and the couplings with them.
    pub(super) fn of(&self, i: usize) -> (&[u32], &[f32]) {
        self.neighbors.of(i)
    }

    /// Classes of units no two of which are coupled, by greedy coloring in breadth-first order:
    /// two classes whenever two suffice. A unit without couplings is in the first class. Units of a
    /// class are rising.
    pub(super) fn classes(&self) -> Vec<Vec<u32>> {
        const NONE: usize = usize::MAX;
        let n = self.units();
        let mut color = vec![NONE; n];
        let mut classes: Vec<Vec<u32>> = Vec::new();
        let mut queue = VecDeque::new();
        let mut is_queued = vec![false; n];
        let mut is_taken = Vec::new();
        for root in 0..n {
            if is_queued[root] {
                continue;
            }
            is_queued[root] = true;
            queue.push_back(root);
            while let Some(i) = queue.pop_front() {
                is_taken.clear();
                is_taken.resize(classes.len() + 1, false);
                for &j in self.of(i).0 {
                    let j = j as usize;
                    if color[j] != NONE {
                        is_taken[color[j]] = true;
                    }
                    if !is_queued[j] {
                        is_queued[j] = true;
                        queue.push_back(j);
                    }
                }
                let free = is_taken.iter().position(|taken| !taken);
                color[i] = free.expect("one more color than there are");
                if color[i] == classes.len() {
                    classes.push(Vec::new());
                }
                classes[color[i]].push(i as u32);
            }
        }
        classes.iter_mut().for_each(|class| class.sort_unstable());
        classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rbm;

    fn classes_of(n: usize, edges: &[(usize, usize, f32)]) -> Vec<Vec<u32>> {
        let machine = BoltzmannMachine::from_edges(n, 0, edges).unwrap();
        Couplings::allowed(&machine).classes()
    }

    #[test]
    fn two_colors_where_two_suffice() {
        let side = 6;
        let mut edges = Vec::new();
        for i in 0..side * side {
            let (row, column) = (i / side, i % side);
            edges.push((i, row * side + (column + 1) % side, 1.0));
            edges.push((i, (row + 1) % side * side + column, 1.0));
        }
        let classes = classes_of(side * side, &edges);
        assert_eq!(classes.len(), 2);
        assert!(classes[0].iter().all(|&i| {
            let i = i as usize;
            (i / side + i % side).is_multiple_of(2)
        }));
        // An odd ring needs three, a complete graph as many as it has units.
        assert_eq!(
            classes_of(3, &[(0, 1, 1.0), (1, 2, 1.0), (2, 0, 1.0)]).len(),
            3
        );
        assert_eq!(classes_of(4, &[]), [vec![0, 1, 2, 3]]);
        let mut rbm = Rbm::bernoulli(&[5, 3]).unwrap();
        rbm.parameters_mut().0.padded_mut().fill(1.0);
        let machine = BoltzmannMachine::try_from(&rbm).unwrap();
        let classes = Couplings::present(&machine).classes();
        assert_eq!(classes, [vec![0, 1, 2, 3, 4], vec![5, 6, 7]]);
    }
}
