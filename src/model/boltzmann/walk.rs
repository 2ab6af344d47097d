//! The walk of exact sums over the states of a general machine.
//!
//! Variables are single units and softmax groups. Those no two of which are coupled are independent
//! given the rest, so an independent set of the coupling graph is summed in closed form and only
//! the others are enumerated: `Z = sum_s e^(own(s)) prod_i (1 + e^(a_i + A_i s))`, with `sum_k
//! e^(a_k + A_k s)` in place of a factor for each group of the set. Single units are walked in
//! Gray-code order, where a step adds or subtracts a row of couplings to the inputs of all units;
//! with groups among them states are counted, two rows a step on average. The input of the changed
//! unit is the change of `own`. Blocks of 2^12 states start from scratch, so rounding does not pile
//! up, and are combined in order, so threads do not change the result. An RBM is enumerated over
//! its smaller layer, a fully connected machine over all variables but one.

use super::BoltzmannMachine;
use crate::{
    error::{Error, Result},
    kernel::{
        reduce::{LogSum, log_sum_exp},
        reference::{sigmoid, softplus},
        sweep::Group,
    },
    model::{
        MAX_EXACT_UNITS,
        exact::driver::{self, BLOCK_UNITS, Counter, Enumerated, Sums},
    },
    progress::Progress,
};
use std::ops::Range;

/// Exact expectations under a general machine, units numbered visible ones first.
#[derive(Clone, Debug)]
pub struct BoltzmannExpectations {
    /// `ln Z`; of expectations given held units, that of the free ones.
    pub log_z: f64,
    /// `E[x_i]`.
    pub means: Vec<f64>,
    /// `E[x_i x_j]`, `[units x units]` row-major; `E[x_i]` on the diagonal, 0 for two units of a
    /// softmax group.
    pub pairs: Vec<f64>,
}

/// Couplings and biases times `beta` in f64: `-E = constant + a.x + sum_{i<j} A_ij x_i x_j`.
#[derive(Clone, Debug)]
pub(super) struct Joint {
    n: usize,
    /// `[n x n]`
    couplings: Vec<f64>,
    bias: Vec<f64>,
    constant: f64,
    /// Rising.
    groups: Vec<Group>,
}

/// A single unit or a softmax group.
#[derive(Clone, Debug)]
struct Variable {
    units: Range<usize>,
    is_group: bool,
}

impl Variable {
    fn states(&self) -> u64 {
        match self.is_group {
            true => self.units.len() as u64,
            false => 2,
        }
    }
}

impl Joint {
    pub(super) fn of(machine: &BoltzmannMachine, beta: f64) -> Result<Self> {
        crate::environment::check()?;
        machine.check()?;
        let n = machine.units();
        let coupling = |k: usize| beta * f64::from(machine.coupling(k / n, k % n));
        Ok(Self {
            n,
            couplings: (0..n * n).map(coupling).collect(),
            bias: (0..n).map(|i| beta * f64::from(machine.bias(i))).collect(),
            constant: 0.0,
            groups: machine.groups().collect(),
        })
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.couplings[i * self.n..][..self.n]
    }

    /// The units that are not held, given those that are, at the values `x` (those of free units do
    /// not matter).
    pub(super) fn given(&self, is_held: impl Fn(usize) -> bool, x: &[f64]) -> Result<Self> {
        let free: Vec<usize> = (0..self.n).filter(|&i| !is_held(i)).collect();
        let held: Vec<usize> = (0..self.n).filter(|&i| is_held(i)).collect();
        let sum = |i: usize| held.iter().map(|&j| self.row(i)[j] * x[j]).sum::<f64>();
        // Pairs of held units are met from both sides.
        let own = |&i: &usize| x[i] * (self.bias[i] + 0.5 * sum(i));
        let mut groups = Vec::new();
        for group in &self.groups {
            let free = |i: usize| free.partition_point(|&j| j < i);
            let (first, end) = (free(group.first), free(group.end));
            match end - first {
                0 => {}
                size if size == group.end - group.first => groups.push(Group { first, end }),
                size => {
                    return Err(Error::parameter(
                        format!("held units of the softmax group from unit {}", group.first),
                        "all of them or none",
                        group.end - group.first - size,
                    ));
                }
            }
        }
        Ok(Self {
            n: free.len(),
            couplings: free
                .iter()
                .flat_map(|&i| free.iter().map(move |&j| self.row(i)[j]))
                .collect(),
            bias: free.iter().map(|&i| self.bias[i] + sum(i)).collect(),
            constant: self.constant + held.iter().map(own).sum::<f64>(),
            groups,
        })
    }

    fn variables(&self) -> Vec<Variable> {
        let mut all = Vec::new();
        let mut end = 0;
        let single = |i: usize| Variable {
            units: i..i + 1,
            is_group: false,
        };
        for group in &self.groups {
            all.extend((end..group.first).map(single));
            end = group.end;
            all.push(Variable {
                units: group.first..end,
                is_group: true,
            });
        }
        all.extend((end..self.n).map(single));
        all
    }

    /// The variables in the order in which they are walked: the enumerated ones, of which there are
    /// as many as told, then an independent set, chosen greedily by rising couplings a unit.
    fn split(&self) -> (Vec<Variable>, usize) {
        let all = self.variables();
        let couplings_of = |x: &Variable| {
            let elements = x.units.clone().flat_map(|i| self.row(i));
            elements.filter(|a| **a != 0.0).count()
        };
        let couplings: Vec<usize> = all.iter().map(couplings_of).collect();
        let mut by_degree: Vec<usize> = (0..all.len()).collect();
        by_degree.sort_by_key(|&k| couplings[k] / all[k].units.len());
        let are_coupled = |a: &Variable, b: &Variable| {
            let mut rows = a.units.clone().map(|i| &self.row(i)[b.units.clone()]);
            rows.any(|row| row.iter().any(|a| *a != 0.0))
        };
        let mut independent = Vec::new();
        for k in by_degree {
            if independent
                .iter()
                .all(|&j: &usize| !are_coupled(&all[k], &all[j]))
            {
                independent.push(k);
            }
        }
        independent.sort_unstable();
        let mut order: Vec<usize> = (0..all.len())
            .filter(|k| independent.binary_search(k).is_err())
            .collect();
        let enumerated = order.len();
        order.extend(independent);
        let of = |k: usize| all[k].clone();
        (order.into_iter().map(of).collect(), enumerated)
    }

    /// The binary units that have as many states as are walked.
    pub(super) fn walked_units(&self) -> usize {
        let (variables, enumerated) = self.split();
        bits(&variables[..enumerated]).ceil() as usize
    }

    fn walk(&self) -> Result<Walk> {
        let (variables, enumerated) = self.split();
        let walked = bits(&variables[..enumerated]);
        if walked > MAX_EXACT_UNITS as f64 {
            let (what, found) = match self.groups.is_empty() {
                true => ("units", enumerated.to_string()),
                false => ("states", format!("2^{walked:.1}")),
            };
            let most = match self.groups.is_empty() {
                true => MAX_EXACT_UNITS.to_string(),
                false => format!("2^{MAX_EXACT_UNITS}"),
            };
            return Err(Error::parameter(
                format!("{what} to enumerate"),
                format!("at most {most} beside a set without couplings"),
                found,
            ));
        }
        Ok(Walk::new(self, variables, enumerated))
    }

    pub(super) fn log_z(&self, progress: &mut dyn Progress) -> Result<f64> {
        driver::log_z(&self.walk()?, progress)
    }

    /// On the calling thread, for many small machines in parallel.
    pub(super) fn log_z_alone(&self) -> Result<f64> {
        Ok(driver::log_z_alone(&self.walk()?))
    }

    pub(super) fn expectations(
        &self,
        progress: &mut dyn Progress,
    ) -> Result<BoltzmannExpectations> {
        let walk = self.walk()?;
        let (log_z, sums) = driver::expectations(&walk, progress)?;
        // Back to the order of the machine.
        let n = self.n;
        let mut pairs = vec![0.0; n * n];
        for (k, x) in sums.pairs.into_iter().enumerate() {
            pairs[walk.order[k / n] * n + walk.order[k % n]] = x;
        }
        // Two units of a group are never on together.
        for group in &self.groups {
            for i in group.first..group.end {
                let others = (group.first..group.end).filter(|&j| j != i);
                others.for_each(|j| pairs[i * n + j] = 0.0);
            }
        }
        Ok(BoltzmannExpectations {
            log_z,
            means: (0..n).map(|i| pairs[i * n + i]).collect(),
            pairs,
        })
    }
}

/// `log2` of the states of variables.
fn bits(variables: &[Variable]) -> f64 {
    variables.iter().map(|x| (x.states() as f64).log2()).sum()
}

/// A machine in the order of a walk.
pub(super) struct Walk {
    n: usize,
    /// The first of them are enumerated, units as they stand here.
    variables: Vec<Variable>,
    enumerated: usize,
    /// States of the enumerated variables, if groups are among them.
    bases: Option<Vec<u64>>,
    couplings: Vec<f64>,
    bias: Vec<f64>,
    constant: f64,
    /// The machine's unit at each place.
    order: Vec<usize>,
}

impl Walk {
    /// Over all variables, in their order.
    pub(super) fn of_all(joint: Joint) -> Self {
        let variables = joint.variables();
        let all = variables.len();
        Self::new(&joint, variables, all)
    }

    fn new(joint: &Joint, variables: Vec<Variable>, enumerated: usize) -> Self {
        let n = joint.n;
        let order: Vec<usize> = variables.iter().flat_map(|x| x.units.clone()).collect();
        let mut end = 0;
        let placed = variables.into_iter().map(|x| {
            let units = end..end + x.units.len();
            end = units.end;
            Variable { units, ..x }
        });
        let variables: Vec<Variable> = placed.collect();
        let walked = &variables[..enumerated];
        let has_groups = walked.iter().any(|x| x.is_group);
        Self {
            n,
            enumerated,
            bases: has_groups.then(|| walked.iter().map(Variable::states).collect()),
            couplings: (0..n * n)
                .map(|k| joint.row(order[k / n])[order[k % n]])
                .collect(),
            bias: order.iter().map(|&i| joint.bias[i]).collect(),
            constant: joint.constant,
            order,
            variables,
        }
    }

    fn row(&self, k: usize) -> &[f64] {
        &self.couplings[k * self.n..][..self.n]
    }

    /// Calls `visit(state, ln of its weight but for the independent units, inputs of all units)`
    /// for every state of a block.
    fn walk(&self, block: u64, mut visit: impl FnMut(u64, f64, &[f64])) {
        let Some(bases) = &self.bases else {
            // A unit has no coupling with itself: its input does not change with it.
            let own = |k: usize, input: &[f64]| input[k];
            let start = (self.constant, &self.bias[..]);
            return driver::walk_binary(self.enumerated, block, start, own, |k| self.row(k), visit);
        };
        let start = block << BLOCK_UNITS;
        let mut at = At {
            walk: self,
            own: self.constant,
            input: self.bias.clone(),
        };
        let mut counter = Counter::at(bases, start);
        for (k, &value) in counter.digits.iter().enumerate() {
            at.take(k, value, 1.0);
        }
        visit(start, at.own, &at.input);
        for state in start + 1..self.states().min(start + self.block_states()) {
            counter.advance(|k, old, value| {
                at.take(k, old, -1.0);
                at.take(k, value, 1.0);
            });
            visit(state, at.own, &at.input);
        }
    }

    /// The enumerated units in state `state`.
    fn put_state(&self, state: u64, x: &mut [f64]) {
        let Some(bases) = &self.bases else {
            let bits = x[..self.enumerated].iter_mut().enumerate();
            return bits.for_each(|(k, x)| *x = (state >> k & 1) as f64);
        };
        let counter = Counter::at(bases, state);
        for (variable, &value) in self.variables.iter().zip(&counter.digits) {
            let units = &mut x[variable.units.clone()];
            match variable.is_group {
                true => {
                    units.fill(0.0);
                    units[value as usize] = 1.0;
                }
                false => units[0] = value as f64,
            }
        }
    }

    fn independent(&self) -> &[Variable] {
        &self.variables[self.enumerated..]
    }

    fn log_weight(&self, own: f64, input: &[f64]) -> f64 {
        let of = |x: &Variable| match x.is_group {
            true => log_sum_exp(&input[x.units.clone()]),
            false => softplus(input[x.units.start]),
        };
        own + self.independent().iter().map(of).sum::<f64>()
    }

    /// Means of the independent units of inputs `input`.
    fn put_means(&self, input: &[f64], mean: &mut [f64]) {
        for x in self.independent() {
            if !x.is_group {
                mean[x.units.start] = sigmoid(input[x.units.start]);
                continue;
            }
            let sum = log_sum_exp(&input[x.units.clone()]);
            for i in x.units.clone() {
                mean[i] = (input[i] - sum).exp();
            }
        }
    }
}

/// Where a walk of counted states stands.
struct At<'a> {
    walk: &'a Walk,
    own: f64,
    input: Vec<f64>,
}

impl At<'_> {
    /// The unit of variable `k` that is on at `value`, if one is, is switched on (`by` is 1) or
    /// off (-1).
    fn take(&mut self, k: usize, value: u64, by: f64) {
        let variable = &self.walk.variables[k];
        let unit = match (variable.is_group, value) {
            (true, value) => variable.units.start + value as usize,
            (false, 1) => variable.units.start,
            (false, _) => return,
        };
        // A unit has no coupling with itself, nor with others of its group.
        self.own += by * self.input[unit];
        let row = self.input.iter_mut().zip(self.walk.row(unit));
        row.for_each(|(x, w)| *x += by * w);
    }
}

impl Enumerated for Walk {
    fn states(&self) -> u64 {
        match &self.bases {
            Some(bases) => bases.iter().product(),
            None => 1 << self.enumerated,
        }
    }

    fn block_states(&self) -> u64 {
        match &self.bases {
            Some(_) => 1 << BLOCK_UNITS,
            None => 1 << self.enumerated.min(BLOCK_UNITS),
        }
    }

    fn log_sum(&self, block: u64) -> LogSum {
        let mut sum = LogSum::default();
        self.walk(block, |_, own, input| sum.add(self.log_weight(own, input)));
        sum
    }

    fn log_weights(&self, block: u64, log_weights: &mut [f64]) {
        let first = block * self.block_states();
        self.walk(block, |state, own, input| {
            log_weights[(state - first) as usize] = self.log_weight(own, input);
        });
    }

    fn no_sums(&self) -> Sums {
        Sums {
            pairs: vec![0.0; self.n * self.n],
            ..Sums::default()
        }
    }

    /// `p E[x_i x_j | state]`, and `p E[x_i | state]` on the diagonal; of two units of a group what
    /// comes, which means nothing.
    fn add(&self, block: u64, log_z: f64, sums: &mut Sums) {
        let n = self.n;
        let mut y = vec![0.0; n];
        self.walk(block, |state, own, input| {
            let p = (self.log_weight(own, input) - log_z).exp();
            self.put_state(state, &mut y);
            self.put_means(input, &mut y);
            for (i, row) in sums.pairs.chunks_exact_mut(n.max(1)).enumerate() {
                let factor = p * y[i];
                if factor != 0.0 {
                    row.iter_mut().zip(&y).for_each(|(s, y)| *s += factor * y);
                    // E[x_i^2] is E[x_i].
                    row[i] += factor * (1.0 - y[i]);
                }
            }
        });
    }
}
